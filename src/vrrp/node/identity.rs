//! What an instance is known by over a reload.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::config::model::{Family, Instance, InterfaceName, Vrid};

/// What makes an instance of a reload the same as a running one: not its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    interface: Option<InterfaceName>,
    vrid: Vrid,
    family: Family,
    /// Adverts go to a group: which one; or to peers: from which address.
    group: Option<IpAddr>,
    source: Option<IpAddr>,
    /// Unicast instances that are alike in all this have different peers; those may change in a reload.
    number: u32,
}

impl Identity {
    pub(super) fn of(instance: &Instance) -> Self {
        let group = instance.group();
        Self {
            interface: instance.interface.clone(),
            vrid: instance.vrid,
            family: instance.family,
            group,
            source: if group.is_none() { instance.transport.source } else { None },
            number: 0,
        }
    }
}

/// Which of those that run each instance is, by identity and name; of those that are alike the one of the same name, then
/// any one that is left.
pub(super) fn identify<'a>(
    instances: Vec<Instance>,
    running: impl Iterator<Item = (&'a Identity, &'a str)>,
) -> BTreeMap<Identity, Instance> {
    let mut taken: BTreeMap<Identity, BTreeMap<&str, u32>> = BTreeMap::new();
    for (identity, name) in running {
        let alike = taken.entry(Identity { number: 0, ..identity.clone() }).or_default();
        alike.insert(name, identity.number);
    }
    let mut found = BTreeMap::new();
    let mut others = Vec::new();
    for instance in instances {
        let identity = Identity::of(&instance);
        match taken.get_mut(&identity).and_then(|alike| alike.remove(instance.name.as_str())) {
            Some(number) => drop(found.insert(Identity { number, ..identity }, instance)),
            None => others.push((identity, instance)),
        }
    }
    for (identity, instance) in others {
        let left = taken.get_mut(&identity).and_then(BTreeMap::pop_first).map(|(_, number)| number);
        let used = |number: &u32| found.contains_key(&Identity { number: *number, ..identity.clone() });
        let free = || (0..=u32::MAX).find(|number| !used(number)).unwrap_or_default();
        let number = left.unwrap_or_else(free);
        found.insert(Identity { number, ..identity }, instance);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Destination, Peer, Unicast};

    fn instance(name: &str, peer: u8) -> Instance {
        let vrid = Vrid::new(7).unwrap();
        let mut instance = Instance::new(name, InterfaceName::new("eth0").unwrap(), vrid);
        let peers = vec![Peer::new(IpAddr::from([10, 0, 0, peer]))];
        let to = Unicast::to(peers, Destination::group(Family::Ipv4));
        instance.transport.to = Destination::Unicast(to);
        instance.transport.source = Some(IpAddr::from([10, 0, 0, 1]));
        instance
    }

    fn numbers(known: &BTreeMap<Identity, Instance>) -> Vec<(u32, &str)> {
        known.iter().map(|(identity, instance)| (identity.number, instance.name.as_str())).collect()
    }

    #[test]
    fn instances_that_are_alike_keep_their_places() {
        let first = identify(vec![instance("A", 2), instance("B", 3), instance("C", 4)], std::iter::empty());
        assert_eq!(numbers(&first), [(0, "A"), (1, "B"), (2, "C")]);
        let running = || first.iter().map(|(identity, instance)| (identity, instance.name.as_str()));
        // In another order, with other peers, without one.
        let next = identify(vec![instance("C", 9), instance("B", 3)], running());
        assert_eq!(numbers(&next), [(1, "B"), (2, "C")]);
        // Another name is the one that is left; a new one comes to a place of its own.
        let all = vec![instance("D", 5), instance("X", 3), instance("C", 4), instance("A", 2)];
        assert_eq!(numbers(&identify(all, running())), [(0, "A"), (1, "D"), (2, "C"), (3, "X")]);
        let renamed = identify(vec![instance("Y", 2)], first.iter().take(1).map(|(one, _)| (one, "A")));
        assert_eq!(numbers(&renamed), [(0, "Y")]);
    }
}
