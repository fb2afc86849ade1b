//! A restart of the process: what the instances that lead leave behind, and what becomes of that at the start.
//!
//! No object goes and none comes. But the addresses are lent: the kernel takes them away by itself when nobody has come
//! for them by the time at which another node takes over. So whatever becomes of the next process, no address is here
//! that nobody answers for. The kernel counts whole seconds; the silence that is left fits into them.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::config::model::{Instance, SyncGroup};
use crate::net::object::{Key, Object, Operation};
use crate::vrrp::instance::{self, Resume};

use super::{Action, Id, Node, Phase};

/// No process ends and no other one starts within less: it is better to hand over.
const SHORTEST: Duration = Duration::from_millis(500);
/// The kernel may take an address away so long before its lifetime ends (it says 20 ms): by then somebody leads here.
const BEFORE: Duration = Duration::from_millis(50);
/// An address may be here so long after the first moment at which another node takes over; that one takes longer.
const BESIDE: Duration = Duration::from_millis(100);

/// Those of a group lead together, or not at all; a member that does not run counts for nothing.
pub(super) fn whole(
    mut resumes: BTreeMap<String, Resume>,
    groups: &[SyncGroup],
    instances: &[Instance],
) -> BTreeMap<String, Resume> {
    let runs = |name: &String| instances.iter().any(|instance| instance.name == *name);
    // An instance may be named by several of them.
    loop {
        let before = resumes.len();
        for group in groups {
            let mut members = group.members.iter().filter(|member| runs(member));
            if !members.all(|member| resumes.contains_key(member)) {
                resumes.retain(|name, _| !group.members.contains(name));
            }
        }
        if resumes.len() == before {
            return resumes;
        }
    }
}

impl Node {
    /// Whoever leads sends one more advert, and leaves what it has.
    pub(super) fn leave(&mut self, now: Instant, out: &mut Vec<Action>) {
        let all = || self.instances.iter().map(|(id, running)| (*id, &running.machine));
        let runs = self.phase == Phase::Running && self.starts_at.is_none() && self.resuming.is_empty();
        // The next answer about addresses is to that of here.
        let settled = runs && self.kernel.is_current() && !self.objects.is_busy();
        let goes = all().any(|(_, machine)| machine.goes());
        let found = || all().filter_map(|(id, machine)| Some((id, machine.left()?)));
        let too_short = |window| lifetime(window).1 < SHORTEST;
        if !settled || goes || found().any(|(_, left)| too_short(left.window)) {
            return out.push(Action::Left(Vec::new()));
        }
        let leading: Vec<Id> = found().map(|(id, _)| id).collect();
        for id in &leading {
            self.feed(now, *id, instance::Input::Leave, out);
        }
        let (mut left, mut lent) = (Vec::new(), BTreeMap::new());
        for id in leading {
            let Some(mut one) = self.instances.get(&id).and_then(|running| running.machine.left()) else {
                continue;
            };
            let seconds;
            (seconds, one.window) = lifetime(one.window);
            for key in self.addresses_of(id).filter(|key| self.objects.is_ours(key)) {
                // What the host itself has is not ours to lend.
                let here = self.kernel.object(key).is_some() && !self.kernel.is_there_otherwise(key);
                if let Some(Object::Address(address)) = self.objects.wanted(key).filter(|_| here) {
                    // Of two that have it the last one keeps it.
                    let seconds = lent.get(key).map_or(seconds, |(other, _)| seconds.max(*other));
                    lent.insert(key.clone(), (seconds, address.clone().lasting(seconds)));
                }
            }
            left.push(one);
        }
        let lent: Vec<Operation> =
            lent.into_values().map(|(_, address)| Operation::Amend(Object::Address(address))).collect();
        if !lent.is_empty() {
            out.push(Action::Change(lent));
        }
        out.push(Action::Left(left));
    }

    /// The addresses of an instance, on the interfaces that exist.
    pub(super) fn addresses_of(&self, id: Id) -> impl Iterator<Item = &Key> {
        let keys = self.instances.get(&id).into_iter().flat_map(|running| running.objects.keys());
        keys.filter(|key| matches!(key, Key::Address { .. }))
    }

    /// Whose addresses have gone does not go on: another one may have them.
    pub(super) fn forget_what_has_gone(&mut self, now: Instant, out: &mut Vec<Action>) {
        let gone = |id: &Id| {
            let configured = self.instances.get(id).map(|running| running.machine.config());
            configured.is_some_and(|config| config.all_addresses().next().is_some())
                && !self.addresses_of(*id).any(|key| self.kernel.object(key).is_some())
        };
        for id in self.resuming.iter().copied().filter(|id| gone(id)).collect::<Vec<Id>>() {
            self.feed(now, id, instance::Input::Yield, out);
        }
    }

    /// What was left for those that are about to lead stays until they do, or do not.
    pub(super) fn spare_what_is_resumed(&mut self) {
        for id in &self.resuming {
            let Some(running) = self.instances.get(id) else { continue };
            running.objects.keys().for_each(|key| self.objects.spare(key));
        }
    }
}

/// How many seconds the kernel is to keep an address of which the others bear the silence for `window`, and for how long
/// the silence may last then.
fn lifetime(window: Duration) -> (u32, Duration) {
    let seconds = (window + BESIDE).as_secs();
    let there = Duration::from_secs(seconds).saturating_sub(BEFORE);
    (u32::try_from(seconds).unwrap_or(u32::MAX - 1), window.min(there))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{InterfaceName, Vrid};

    #[test]
    fn groups_go_on_as_a_whole() {
        let now = Instant::now();
        let resume = Resume { priority: 100, sequence: 0, announces: false, until: now };
        let group = |name: &str, members: &[&str]| SyncGroup {
            name: name.to_owned(),
            members: members.iter().map(|member| (*member).to_owned()).collect(),
            ..SyncGroup::default()
        };
        let left = |names: &[&str], groups: &[SyncGroup]| {
            let all = names.iter().map(|name| ((*name).to_owned(), resume)).collect();
            let instance =
                |name: &str| Instance::new(name, InterfaceName::new("eth0").unwrap(), Vrid::new(51).unwrap());
            let run = ["A", "B", "C", "D"].map(instance);
            whole(all, groups, &run).into_keys().collect::<String>()
        };
        let groups = [group("G", &["B", "C"]), group("H", &["C", "D"])];
        assert_eq!(left(&["A", "B", "C", "D"], &groups), "ABCD");
        assert_eq!(left(&["A", "B", "C"], &groups), "A", "B goes with C, and C with D");
        assert_eq!(left(&["A", "D"], &groups), "A");
        assert_eq!(left(&["A"], &[group("G", &["A", "X"])]), "A", "X does not run");
    }

    #[test]
    fn an_address_is_lent_for_whole_seconds() {
        let lifetime = |millis| {
            let (seconds, window) = lifetime(Duration::from_millis(millis));
            (seconds, window.as_millis())
        };
        assert_eq!([0, 899].map(lifetime), [(0, 0), (0, 0)], "it would be there too long, or not at all");
        assert_eq!([900, 950, 1_400, 1_899].map(lifetime), [(1, 900), (1, 950), (1, 950), (1, 950)]);
        assert_eq!([2_900, 2_999, 119_900].map(lifetime), [(3, 2_900), (3, 2_950), (120, 119_900)]);
    }
}
