//! Blocks of the root around the instances: groups of instances and of interfaces, links, static entries.

use std::collections::BTreeMap;
use std::time::Duration;

use super::track::Names;
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    GarpGroup, LinkDelay, LinkPoll, Linkbeat, Model, Secret, Ssl, SyncGroup, TrackGroup,
};
use crate::config::source::Span;
use crate::config::tree::Node;

/// 255 s: the longest time that a change of link state is held back.
const LONGEST_DELAY: u64 = 255_000_000;

/// What groups may not share.
#[derive(Default)]
pub(super) struct Groups {
    sync: BTreeMap<String, Span>,
    /// Instances that are in a group already.
    members: BTreeMap<String, Span>,
}

impl Lower<'_> {
    pub(super) fn sync_group(
        &mut self,
        node: &Node<'_>,
        names: &Names,
        instances: &BTreeMap<String, Span>,
        groups: &mut Groups,
    ) -> Option<SyncGroup> {
        let name = self.one(node)?;
        if let Some(first) = groups.sync.get(name.text) {
            self.twice("sync group", name.text, name.span, *first);
            return None;
        }
        groups.sync.insert(name.text.to_string(), name.span);
        let mut result = SyncGroup { name: name.text.to_string(), ..SyncGroup::default() };
        let mut has_members = None;
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "group" => {
                    if has_members.is_some()
                        && let Some(span) = node.span()
                    {
                        let message = "a sync group has one `group` block";
                        lower.report(
                            Diagnostic::error(Code::Duplicate, span, message)
                                .consequence("keepalived skips the second"),
                        );
                        return;
                    }
                    has_members = Some(());
                    result.members = lower.members(node, instances, &mut groups.members);
                }
                "global_tracking" | "sync_group_tracking_weight" => result.tracking_weight = lower.flag(node),
                _ => {
                    if !lower.notify(word, node, &mut result.notify) {
                        lower.tracking(word, node, &mut result.tracking, names);
                    }
                }
            });
            if has_members.is_none() {
                lower.absent(node, "the sync group has no members", "it is left out, as keepalived does");
            } else if result.members.len() == 1 {
                lower.absent(node, "the sync group has one member", "there is nothing to keep together");
            }
        });
        (!result.members.is_empty()).then_some(result)
    }

    fn members(
        &mut self,
        node: &Node<'_>,
        instances: &BTreeMap<String, Span>,
        taken: &mut BTreeMap<String, Span>,
    ) -> Vec<String> {
        self.no_words(node);
        let mut members: Vec<String> = Vec::new();
        for word in inside(node).iter().flat_map(|line| line.words) {
            let name = word.text;
            if !instances.contains_key(name) {
                let message = format!("there is no `vrrp_instance {name}`");
                let mut diagnostic = Diagnostic::error(Code::Undefined, word.span, message)
                    .consequence("the group would be kept together without it");
                if let Some(near) = self.near(name, instances) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
                }
                self.report(diagnostic);
            } else if let Some(first) = taken.get(name) {
                let message = format!("`{name}` is in a group already");
                self.report(
                    Diagnostic::error(Code::Duplicate, word.span, message)
                        .related(*first, "named here first"),
                );
            } else {
                taken.insert(name.to_owned(), word.span);
                members.push(name.to_owned());
            }
        }
        members
    }

    pub(super) fn track_group(&mut self, node: &Node<'_>) -> Option<TrackGroup> {
        let mut result = TrackGroup { name: self.block_name(node)?, members: Vec::new() };
        self.within(node, |lower| {
            lower.each(inside(node), |lower, _, node| {
                lower.no_words(node);
                let words = inside(node).iter().flat_map(|line| line.words);
                result.members.extend(words.map(|word| word.text.to_string()));
            });
        });
        Some(result)
    }

    pub(super) fn garp_group(&mut self, node: &Node<'_>) -> GarpGroup {
        self.no_words(node);
        let mut result = GarpGroup::default();
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "garp_interval" => result.garp_interval = lower.time(node),
                "gna_interval" => result.gna_interval = lower.time(node),
                "interface" => result.interfaces.extend(lower.interface_of(node)),
                _ => {
                    lower.no_words(node);
                    for word in inside(node).iter().flat_map(|line| line.words) {
                        result.interfaces.extend(lower.interface(word));
                    }
                }
            });
            if result.garp_interval.is_none() && result.gna_interval.is_none() {
                lower.absent(node, "the group sets no interval", "it is left out, as keepalived does");
            }
        });
        result
    }

    /// `IFNAME [MII|ETHTOOL|IOCTL]`.
    pub(super) fn linkbeat(&mut self, node: &Node<'_>, list: &mut Vec<Linkbeat>) {
        const POLLS: [(&str, LinkPoll); 3] =
            [("ETHTOOL", LinkPoll::Ethtool), ("IOCTL", LinkPoll::Ioctl), ("MII", LinkPoll::Mii)];
        self.no_words(node);
        for line in inside(node) {
            let Some((first, options)) = line.words.split_first() else { continue };
            let poll = options.first().and_then(|word| self.choice(word, &POLLS));
            list.extend(self.interface(first).map(|interface| Linkbeat { interface, poll }));
        }
    }

    /// `IFNAME DOWN [UP]`.
    pub(super) fn link_delays(&mut self, node: &Node<'_>, list: &mut Vec<LinkDelay>) {
        self.no_words(node);
        for line in inside(node) {
            let Some((first, times)) = line.words.split_first() else { continue };
            let interface = self.interface(first);
            if times.is_empty() {
                let message = format!("`{}` has no delay", first.text);
                self.report(
                    Diagnostic::warning(Code::MissingArgument, first.span, message)
                        .consequence("the line does nothing")
                        .expected("`INTERFACE DOWN [UP]`, seconds"),
                );
                continue;
            }
            let mut time = |index: usize| match times.get(index) {
                Some(word) => self.timer_in(node.keyword, word, 0, LONGEST_DELAY),
                None => Some(Duration::ZERO),
            };
            let (down, up) = (time(0), time(1));
            if let ((Some(interface), Some(down)), Some(up)) = ((interface, down), up) {
                list.push(LinkDelay { interface, down, up });
            }
        }
    }

    pub(super) fn ssl(&mut self, node: &Node<'_>) -> Ssl {
        self.no_words(node);
        let mut result = Ssl::default();
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| {
                let text = lower.text(node);
                match word {
                    "password" => {
                        let shown = arguments(node).first().and_then(|word| lower.secret(word)).is_some();
                        let text = text.filter(|_| shown);
                        result.password = text.map(|text| Secret(text.into_bytes()));
                    }
                    "ca" => result.ca = text,
                    "certificate" => result.certificate = text,
                    _ => result.key = text,
                }
            });
            let alone = match (&result.certificate, &result.key) {
                (Some(_), None) => Some("`certificate` without `key`"),
                (None, Some(_)) => Some("`key` without `certificate`"),
                _ => None,
            };
            if let Some(alone) = alone {
                lower.absent(node, alone, "SSL_GET sends no certificate, as keepalived");
            }
        });
        result
    }

    /// `static_*` blocks.
    pub(super) fn static_entries(&mut self, word: &str, node: &Node<'_>, model: &mut Model, names: &Names) {
        self.no_words(node);
        self.within(node, |lower| {
            if word == "static_ipaddress" {
                // As many as there can be: no list takes more memory for each byte of text.
                let address = |line: &&Node<'_>| {
                    let digit = |c: char| c.is_ascii_digit() || c == ':';
                    line.words.first().is_some_and(|word| word.text.contains(digit))
                };
                model.static_addresses.reserve(inside(node).iter().filter(address).count());
            }
            for line in inside(node) {
                match word {
                    "static_ipaddress" => model.static_addresses.extend(lower.static_address(line, names)),
                    "static_routes" => model.static_routes.extend(lower.route(line, Some(names))),
                    _ => model.static_rules.extend(lower.rule(line, Some(names))),
                }
            }
        });
    }

    /// A block whose name another has: keepalived reports it and skips the second.
    pub(super) fn twice(&mut self, what: &str, name: &str, span: Span, first: Span) {
        self.report(
            Diagnostic::error(Code::Duplicate, span, format!("{what} `{name}` is defined twice"))
                .related(first, "first defined here")
                .consequence("keepalived skips the second"),
        );
    }

    /// A block whose name another has: keepalived says nothing, and finds the first.
    pub(super) fn shadowed(&mut self, node: &Node<'_>, names: &BTreeMap<String, Span>) {
        let Some(name) = arguments(node).first() else { return };
        let Some(first) = names.get(name.text).filter(|first| **first != name.span) else { return };
        let what = node.words.first().map_or("", |word| word.text);
        self.report(
            Diagnostic::warning(
                Code::Duplicate,
                name.span,
                format!("`{what} {}` is defined twice", name.text),
            )
            .related(*first, "this one is used")
            .consequence("the second is never looked at"),
        );
    }
}
