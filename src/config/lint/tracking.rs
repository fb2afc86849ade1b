//! Lints of tracked objects: failures that move nothing.
//!
//! A weight changes the priority; whether that moves the addresses depends on the other router. With the file of the
//! other node each object is made to fail alone.

use super::places::inside;
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

pub(super) fn lint(lints: &mut Lints<'_>, tree: &[Node<'_>], model: &Model) {
    for instance in &model.instances {
        let own = of_tracking(tree, model, &instance.extras.tracking, &["vrrp_instance", &instance.name]);
        let group = group_of(model, instance);
        if let Some(group) = group.filter(|group| !group.tracking_weight) {
            for one in &own {
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
        let weighted = weighted(tree, model, instance);
        if let (Preempt::Never, Some(first)) = (instance.preempt, weighted.first()) {
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
        if instance.priority == Priority::OWNER {
            for one in &weighted {
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
pub(super) fn compare(
    lints: &mut Lints<'_>,
    pair: (&Instance, &[Weighted]),
    other: (&Instance, &[Weighted]),
) {
    let (instance, weighted) = pair;
    let well = total(instance, weighted, None);
    let theirs = total(other.0, other.1, None);
    // It is not the master when all is well: there is nothing to move away.
    if well < theirs || instance.priority == Priority::OWNER {
        return;
    }
    for (at, one) in weighted.iter().enumerate() {
        let failed = total(instance, weighted, Some(at));
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

/// What is tracked with a weight that counts: by the instance, and by its group.
pub(super) fn weighted(tree: &[Node<'_>], model: &Model, instance: &Instance) -> Vec<Weighted> {
    let group = group_of(model, instance);
    let mut list = Vec::new();
    if group.is_none_or(|group| group.tracking_weight) {
        list = of_tracking(tree, model, &instance.extras.tracking, &["vrrp_instance", &instance.name]);
    }
    if let Some(group) = group {
        list.extend(of_tracking(tree, model, &group.tracking, &["vrrp_sync_group", &group.name]));
    }
    list
}

/// The priority that goes out (1 to 254) when the one at `failed` has failed and the others are well.
fn total(instance: &Instance, weighted: &[Weighted], failed: Option<usize>) -> i32 {
    let base = i32::from(instance.priority.number());
    if instance.priority == Priority::OWNER {
        return base;
    }
    let change = |(at, one): (usize, &Weighted)| {
        let number = i32::from(one.weight.number);
        let counts = if failed == Some(at) { number < 0 } else { number > 0 };
        let sign = if one.weight.reverse { -1 } else { 1 };
        if counts { number * sign } else { 0 }
    };
    (base + weighted.iter().enumerate().map(change).sum::<i32>()).clamp(1, 254)
}

fn group_of<'m>(model: &'m Model, instance: &Instance) -> Option<&'m SyncGroup> {
    model.extras.sync_groups.iter().find(|group| group.members.contains(&instance.name))
}

/// Objects whose state is yes or no. What a file changes depends on the number in it.
fn of_tracking(tree: &[Node<'_>], model: &Model, tracking: &Tracking, block: &[&str; 2]) -> Vec<Weighted> {
    let extras = &model.extras;
    let script = |name: &str| extras.scripts.iter().find(|one| one.name == name).map(|one| one.weight);
    let process = |name: &str| extras.processes.iter().find(|one| one.name == name).map(|one| one.weight);
    let session = |name: &str| extras.bfd.iter().find(|one| one.name == name).map(|one| one.weight);
    let mut found: Vec<(&'static str, &str, TrackWeight)> = Vec::new();
    found.extend(tracking.interfaces.iter().map(|(name, weight)| ("interface", name.as_str(), *weight)));
    type Kind<'a> = (&'static str, &'a [Tracked], &'a dyn Fn(&str) -> Option<TrackWeight>);
    let kinds: [Kind<'_>; 3] = [
        ("vrrp_script", &tracking.scripts, &script),
        ("vrrp_track_process", &tracking.processes, &process),
        ("bfd_instance", &tracking.bfd, &session),
    ];
    for (kind, list, default) in kinds {
        let each = list.iter().map(|one| (kind, &*one.name, one.weight.or_else(|| default(&one.name))));
        found.extend(each.filter_map(|(kind, name, weight)| Some((kind, name, weight?))));
    }
    let place = |name: &str| line_of(tree, block, name);
    let weighted = found.into_iter().filter(|(_, _, weight)| weight.number != 0);
    weighted
        .filter_map(|(kind, name, weight)| {
            Some(Weighted { what: format!("{kind} {name}"), weight, span: place(name)? })
        })
        .collect()
}

/// The line of a `track_*` block that names the object.
fn line_of(tree: &[Node<'_>], block: &[&str; 2], name: &str) -> Option<Span> {
    let [kind, title] = block;
    let named = |node: &&Node<'_>| {
        node.keyword.is_some_and(|row| row.path == *kind)
            && node.words.get(1).is_some_and(|word| word.text == *title)
    };
    let node = tree.iter().find(named)?;
    let lists =
        inside(node).iter().filter(|node| node.keyword.is_some_and(|row| row.word().starts_with("track_")));
    let mut lines = lists.flat_map(inside);
    lines.find(|line| line.words.first().is_some_and(|word| word.text == name))?.span()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::diagnostic::Code;
    use crate::config::lint::compare;
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
            compare(&mut own, &node(other.0, other.1, ""));
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
