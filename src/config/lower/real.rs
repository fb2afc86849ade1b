//! `real_server`: one backend, and which checks look after it.

use super::checkers::CheckDraft;
use super::lvs::{Endpoint, Inherited};
use super::track::Names;
use super::{Lower, Title, inside};
use crate::config::model::{Forwarding, RealNotify, Weight};
use crate::config::tree::Node;

/// A real server as the file has it.
pub(super) struct RealDraft {
    pub(super) endpoint: Endpoint,
    /// `real_server ADDRESS PORT`, for messages.
    pub(super) title: Title,
    pub(super) inherited: Inherited,
    pub(super) weight: Option<Weight>,
    pub(super) forwarding: Option<Forwarding>,
    pub(super) upper_threshold: u32,
    pub(super) lower_threshold: u32,
    pub(super) inhibit: Option<bool>,
    pub(super) checks: Vec<CheckDraft>,
    /// `None`: nothing of it is set.
    pub(super) notify: Option<Box<RealNotify>>,
}

impl Lower<'_> {
    pub(super) fn real_server(&mut self, node: &Node<'_>, names: &Names) -> Option<RealDraft> {
        let endpoint = self.endpoint(node);
        let mut draft = RealDraft {
            endpoint: endpoint?,
            title: Title::of(node),
            inherited: Inherited::default(),
            weight: None,
            forwarding: None,
            upper_threshold: 0,
            lower_threshold: 0,
            inhibit: None,
            // Most have one.
            checks: Vec::with_capacity(1),
            notify: None,
        };
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| lower.real_setting(word, node, &mut draft, names));
        });
        // Their order means nothing. Those of a kind stand together, as in JSON.
        let kinds: Vec<&str> = draft.checks.iter().map(|check| check.keyword).collect();
        draft.checks.sort_by_key(|check| kinds.iter().position(|kind| *kind == check.keyword));
        Some(draft)
    }

    fn real_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut RealDraft, names: &Names) {
        if self.inherited(word, node, &mut draft.inherited) {
            return;
        }
        match word {
            "alpha" => draft.inherited.alpha = self.boolean(node),
            "inhibit_on_failure" => draft.inhibit = self.boolean(node),
            "lthreshold" => draft.lower_threshold = self.whole_as(node).unwrap_or(0),
            "lvs_method" => draft.forwarding = self.forwarding(node),
            "uthreshold" => draft.upper_threshold = self.whole_as(node).unwrap_or(0),
            "weight" => {
                draft.weight = self.whole_as(node).and_then(|number| Weight::new(number).ok());
            }
            "notify_up" | "notify_down" => {
                let command = self.command(node);
                let notify = draft.notify.get_or_insert_default();
                let to = if word == "notify_up" { &mut notify.up } else { &mut notify.down };
                self.first(node, to, command);
            }
            "smtp_alert" => draft.notify.get_or_insert_default().smtp_alert = self.boolean(node),
            "snmp_name" => draft.notify.get_or_insert_default().snmp_name = self.text(node),
            "check" => self.use_check(node, names, &mut draft.checks),
            check => self.check(check, node, names, &mut draft.checks),
        }
    }
}
