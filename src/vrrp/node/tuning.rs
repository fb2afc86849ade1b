//! Settings of the kernel that instances need (`use_vmac`, `promote_secondaries`): asked for when something else is
//! wanted than before.

use std::collections::BTreeSet;

use crate::net::settings::{AllHeld, Setting, Wanted};
use crate::vrrp::event::Event;

use super::needs::settings;
use super::{Action, Node, Phase};

/// What was asked for, and what came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Tuning {
    held: AllHeld,
    /// What was asked for last; `None`: nothing yet.
    asked: Option<Wanted>,
    /// The answer is awaited.
    under_way: bool,
    has_news: bool,
    /// What could not be written, and was said.
    refused: BTreeSet<Setting>,
    /// Something that it depends on has changed.
    is_stale: bool,
}

impl Tuning {
    /// `held`: what an earlier process changed and did not set back.
    pub(super) fn new(held: AllHeld) -> Self {
        Self { held, is_stale: true, ..Self::default() }
    }

    /// Something that it depends on has changed.
    pub(super) fn look_again(&mut self) {
        self.is_stale = true;
    }

    /// What was changed and not set back.
    pub(super) fn held(&self) -> &AllHeld {
        &self.held
    }

    /// Whether that is another than at the last call.
    pub(super) fn has_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    pub(super) fn is_busy(&self) -> bool {
        self.under_way
    }

    /// What to ask for, when that is `wanted`.
    fn ask(&mut self, wanted: Wanted) -> Option<Action> {
        let nothing = wanted == Wanted::default() && self.held.is_empty();
        if nothing || self.asked.as_ref() == Some(&wanted) {
            return None;
        }
        self.under_way = true;
        self.asked = Some(wanted.clone());
        Some(Action::Tune { wanted, held: self.held.clone() })
    }
}

impl Node {
    /// At the end all is set back. What is needed no more stays until the objects that it was needed for have gone.
    pub(super) fn tune(&mut self, out: &mut Vec<Action>) {
        if self.tuning.under_way || !std::mem::take(&mut self.tuning.is_stale) {
            return;
        }
        let instances = self.instances.values().map(|running| running.machine.config());
        let mut wanted = match self.phase {
            Phase::Stopping => Wanted::default(),
            _ => settings(&self.statics, instances, &self.kernel),
        };
        if let Some(asked) = self.tuning.asked.as_ref().filter(|_| self.objects.is_busy()) {
            let less = wanted.clone();
            wanted.join(asked);
            self.tuning.is_stale = wanted != less;
        }
        out.extend(self.tuning.ask(wanted));
    }

    pub(super) fn tuned(&mut self, held: AllHeld, refused: Vec<(Setting, i32)>, out: &mut Vec<Action>) {
        self.tuning.under_way = false;
        self.tuning.has_news |= self.tuning.held != held;
        self.tuning.held = held;
        let before = std::mem::take(&mut self.tuning.refused);
        for (setting, errno) in refused {
            self.tuning.refused.insert(setting.clone());
            if before.contains(&setting) {
                continue;
            }
            self.report(None, Event::SettingRefused { setting: setting.to_string(), errno }, out);
        }
    }
}
