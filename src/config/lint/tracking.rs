//! Lints of tracked objects: failures that move nothing.
//!
//! A weight changes the priority; whether that moves the addresses depends on the other router. With the file of the
//! other node each object is made to fail alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::places::{inside, named};
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::model::{Instance, Model, Preempt, Priority, SyncGroup, TrackWeight, Tracked, Tracking};
use crate::config::source::Span;
use crate::config::tree::Node;

/// An object that an instance tracks with a weight.
#[derive(Debug, Clone)]
pub(super) struct Weighted {
    /// `vrrp_script chk_web`.
    what: String,
    weight: TrackWeight,
    /// The line in the instance, or that of its group.
    span: Span,
}

/// What counts for an instance: its own list, and that of its group, which the members share.
pub(super) type Weights = Vec<Arc<[Weighted]>>;

/// Everything that is tracked with a weight, by who tracks it.
pub(super) struct Known<'a> {
    own: BTreeMap<&'a str, Arc<[Weighted]>>,
    /// By the name of a member.
    groups: BTreeMap<&'a str, (&'a SyncGroup, Arc<[Weighted]>)>,
}

impl<'a> Known<'a> {
    pub(super) fn new(tree: &[Node<'_>], model: &'a Model, instances: &BTreeMap<&str, &Node<'_>>) -> Self {
        let defaults = defaults(model);
        let mut known = Self { own: BTreeMap::new(), groups: BTreeMap::new() };
        for instance in &model.instances {
            let node = instances.get(instance.name.as_str()).copied();
            let list = of_tracking(node, &defaults, &instance.tracking);
            if !list.is_empty() {
                known.own.insert(&instance.name, list);
            }
        }
        let blocks = named(tree, "vrrp_sync_group");
        for group in &model.sync_groups {
            let list = of_tracking(blocks.get(group.name.as_str()).copied(), &defaults, &group.tracking);
            for member in &group.members {
                known.groups.entry(member).or_insert_with(|| (group, Arc::clone(&list)));
            }
        }
        known
    }

    /// What is tracked with a weight that counts: by the instance, and by its group.
    pub(super) fn weighted(&self, instance: &Instance) -> Weights {
        let group = self.groups.get(instance.name.as_str());
        let own = self.own.get(instance.name.as_str());
        let own = own.filter(|_| group.is_none_or(|(group, _)| group.tracking_weight));
        let of_group = group.map(|(_, list)| list).filter(|list| !list.is_empty());
        own.into_iter().chain(of_group).cloned().collect()
    }
}

pub(super) fn lint(lints: &mut Lints<'_>, known: &Known<'_>, model: &Model) {
    for instance in &model.instances {
        let own = known.own.get(instance.name.as_str());
        let group = known.groups.get(instance.name.as_str()).map(|(group, _)| group);
        if let Some(group) = group.filter(|group| !group.tracking_weight) {
            for one in own.into_iter().flat_map(|list| list.iter()) {
                let message =
                    format!("the weight of {} does not count in sync group {}", one.what, group.name);
                lints.report(
                    lint_at(Code::GroupWeight, one.span, message)
                        .consequence("its failure leaves the priority as it is, as in keepalived")
                        .help(format!(
                            "track it in the group, or write `sync_group_tracking_weight` in vrrp_sync_group {}",
                            group.name
                        )),
                );
            }
        }
        let weighted = known.weighted(instance);
        if let (Preempt::Never, Some(first)) = (instance.preempt, each(&weighted).next()) {
            let message =
                format!("{} changes the priority, and `nopreempt` leaves the master as it is", first.what);
            lints.report(
                lint_at(Code::NopreemptWeight, first.span, message)
                    .consequence(
                        "a router with nopreempt does not take over from a master that still sends adverts, however \
                         low its priority falls",
                    )
                    .help("leave the weight out: a failure is then FAULT, and the other router takes over; or leave out nopreempt"),
            );
        }
        // The list of a group is that of each of its members: the first ones say what there is to say.
        if instance.priority == Priority::OWNER && !lints.is_full(Code::NeverMoves) {
            for one in each(&weighted) {
                let message = format!("failure of {} can never move the addresses", one.what);
                lints.report(
                    lint_at(Code::NeverMoves, one.span, message)
                        .consequence(
                            "priority 255 is that of the owner of the addresses: no weight changes it",
                        )
                        .help("give the instance a priority below 255, or leave the weight out"),
                );
            }
        }
    }
}

/// With the other node: each object fails alone, everything else is well.
pub(super) fn compare(lints: &mut Lints<'_>, pair: (&Instance, &Weights), other: (&Instance, &Weights)) {
    let (instance, weighted) = pair;
    let change = each(weighted).map(|one| change(one, false)).sum();
    let well = total(instance, change);
    let theirs = total(other.0, each(other.1).map(|one| self::change(one, false)).sum());
    // It is not the master when all is well: there is nothing to move away.
    if well < theirs || instance.priority == Priority::OWNER {
        return;
    }
    for one in each(weighted) {
        let failed = total(instance, change - self::change(one, false) + self::change(one, true));
        if failed < theirs {
            continue;
        }
        let message = format!("failure of {} can never move the addresses", one.what);
        let short = theirs - failed;
        lints.report(
            lint_at(Code::NeverMoves, one.span, message)
                .consequence(format!(
                    "the priority here is then {failed}, and that of the other node is {theirs}: not higher"
                ))
                .help(match short {
                    0 => "make the weight larger by 1 at least, or leave it out: a failure is then FAULT"
                        .to_owned(),
                    short => format!(
                        "make the weight larger by {} at least, or leave it out: a failure is then FAULT",
                        1 - short
                    ),
                }),
        );
    }
}

fn each(weights: &Weights) -> impl Iterator<Item = &Weighted> {
    weights.iter().flat_map(|list| list.iter())
}

/// What the object adds to the priority.
fn change(one: &Weighted, failed: bool) -> i64 {
    let number = i64::from(one.weight.number);
    let counts = if failed { number < 0 } else { number > 0 };
    let sign = if one.weight.reverse { -1 } else { 1 };
    if counts { number * sign } else { 0 }
}

/// The priority that goes out: 1 to 254, or that of the owner, which nothing changes.
fn total(instance: &Instance, change: i64) -> i64 {
    let base = i64::from(instance.priority.number());
    if instance.priority == Priority::OWNER { base } else { (base + change).clamp(1, 254) }
}

/// The weights that objects have where the line that names them gives none; by kind and name.
fn defaults(model: &Model) -> BTreeMap<(&'static str, &str), TrackWeight> {
    let scripts = model.scripts.iter().map(|one| ((SCRIPT, one.name.as_str()), one.weight));
    let processes = model.processes.iter().map(|one| ((PROCESS, one.name.as_str()), one.weight));
    let sessions = model.bfd.iter().map(|one| ((SESSION, one.name.as_str()), one.weight));
    let all = scripts.chain(processes).chain(sessions);
    // Of two with one name the first counts.
    let mut defaults = BTreeMap::new();
    for (name, weight) in all {
        defaults.entry(name).or_insert(weight);
    }
    defaults
}

const SCRIPT: &str = "vrrp_script";
const PROCESS: &str = "vrrp_track_process";
const SESSION: &str = "bfd_instance";

/// Objects whose state is yes or no. What a file changes depends on the number in it.
fn of_tracking(
    node: Option<&Node<'_>>,
    defaults: &BTreeMap<(&'static str, &str), TrackWeight>,
    tracking: &Tracking,
) -> Arc<[Weighted]> {
    let interfaces = tracking.interfaces.iter();
    let mut found: Vec<(&'static str, &str, TrackWeight)> =
        interfaces.map(|(name, weight)| ("interface", name.as_str(), *weight)).collect();
    let kinds: [(&'static str, &[Tracked]); 3] =
        [(SCRIPT, &tracking.scripts), (PROCESS, &tracking.processes), (SESSION, &tracking.bfd)];
    for (kind, list) in kinds {
        let weight = |one: &Tracked| one.weight.or_else(|| defaults.get(&(kind, one.name.as_str())).copied());
        found.extend(list.iter().filter_map(|one| Some((kind, one.name.as_str(), weight(one)?))));
    }
    found.retain(|(_, _, weight)| weight.number != 0);
    let Some(node) = node.filter(|_| !found.is_empty()) else { return Arc::default() };
    let lines = lines(node);
    let place = |(kind, name, weight): (&str, &str, TrackWeight)| {
        Some(Weighted { what: format!("{kind} {name}"), weight, span: *lines.get(name)? })
    };
    found.into_iter().filter_map(place).collect()
}

/// The lines of the `track_*` blocks, by the object that they name.
fn lines<'n>(node: &'n Node<'_>) -> BTreeMap<&'n str, Span> {
    let lists =
        inside(node).iter().filter(|node| node.keyword.is_some_and(|row| row.word().starts_with("track_")));
    let mut lines = BTreeMap::new();
    for line in lists.flat_map(inside) {
        if let Some((word, span)) = line.words.first().zip(line.span()) {
            lines.entry(word.text).or_insert(span);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::diagnostic::Code;
    use crate::config::source::Texts;
    use crate::config::{Loaded, Options, load};

    fn node(priority: u8, weight: &str, more: &str) -> Loaded {
        let text = format!(
            "vrrp_script chk {{\nscript /bin/true\n{weight}\n}}\nvrrp_instance A {{\ninterface eth0\n\
             virtual_router_id 1\npriority {priority}\n{more}\ntrack_script {{\nchk\n}}\n\
             virtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
        );
        load(Path::new("t"), &Texts::one("t", &text), &Options::default())
    }

    fn codes(loaded: &Loaded) -> Vec<Code> {
        loaded.diagnostics.iter().map(|one| one.code).filter(|code| code.is_lint()).collect()
    }

    #[test]
    fn each_object_fails_alone() {
        let never = |own: (u8, &str), other: (u8, &str)| {
            let mut own = node(own.0, own.1, "");
            own.compare(&node(other.0, other.1, ""));
            codes(&own).contains(&Code::NeverMoves)
        };
        // -5 of 100 against 90; -20 will do.
        assert!(never((100, "weight -5"), (90, "weight -5")));
        assert!(never((100, "weight -10"), (90, "weight -10")));
        assert!(!never((100, "weight -20"), (90, "weight -20")));
        // A weight above 0 counts on both sides while all is well.
        assert!(never((120, "weight 10"), (100, "weight 10")));
        assert!(!never((105, "weight 10"), (100, "weight 10")));
        // Without a weight a failure is FAULT; a backup has nothing to move; above 254 nothing counts.
        assert!(!never((100, ""), (90, "")));
        assert!(!never((90, "weight -5"), (100, "weight -5")));
        assert!(never((254, "weight 20"), (254, "weight 20")));
        // Reversed, a failure raises the priority.
        assert!(never((100, "weight -20 reverse"), (90, "weight -20 reverse")));
    }

    #[test]
    fn weights_that_never_count() {
        assert_eq!(codes(&node(100, "weight -20", "nopreempt")), [Code::NopreemptWeight]);
        assert_eq!(codes(&node(100, "", "nopreempt")), []);
        assert_eq!(codes(&node(255, "weight -20", "")), [Code::NeverMoves]);
        let group = |settings: &str| {
            let text = format!(
                "vrrp_sync_group G {{\ngroup {{\nA B\n}}\n{settings}\n}}\n\
                 vrrp_script chk {{\nscript /bin/true\nweight -20\n}}\n\
                 vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\ntrack_script {{\nchk\n}}\n\
                 virtual_ipaddress {{\n10.0.0.1\n}}\n}}\n\
                 vrrp_instance B {{\ninterface eth1\nvirtual_router_id 1\nvirtual_ipaddress {{\n10.0.1.1\n}}\n}}\n"
            );
            codes(&load(Path::new("t"), &Texts::one("t", &text), &Options::default()))
        };
        assert_eq!(group(""), [Code::GroupWeight]);
        assert_eq!(group("sync_group_tracking_weight"), []);
    }
}
