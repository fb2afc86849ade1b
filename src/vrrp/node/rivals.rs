//! Who else says that he has addresses of the masters here: where that is listened for, and whom it concerns.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::net::conflict::Conflict;
use crate::net::object::{Key, Mac};
use crate::vrrp::instance;

use super::holdings::ETHERNET;
use super::{Action, Id, Node};

/// What is listened for changes no more often than this.
const TOGETHER: Duration = Duration::from_millis(100);

/// What is listened for on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// Its name.
    pub interface: String,
    /// Its own address of ethernet.
    pub mac: Mac,
    /// Addresses that masters have there.
    pub addresses: BTreeSet<IpAddr>,
}

impl Node {
    /// Works out anew what is listened for, when that may be something else, and says so when it is. Many that become master
    /// one after the other are looked at together.
    pub(super) fn watch(&mut self, now: Instant, out: &mut Vec<Action>) {
        if !self.rewatch || self.watched_at.is_some_and(|at| now < at + TOGETHER) {
            return;
        }
        self.rewatch = false;
        self.defended.clear();
        let mut watched: BTreeMap<u32, Watched> = BTreeMap::new();
        for (id, running) in self.instances.iter().filter(|(_, running)| running.held) {
            for key in running.objects.keys() {
                let Key::Address { index, address, .. } = *key else { continue };
                let Some(link) = self.kernel.link(index) else { continue };
                let Some(mac) = link.mac.first_chunk::<6>().filter(|_| link.hardware_type == ETHERNET) else {
                    continue;
                };
                if link.no_arp {
                    continue;
                }
                self.defended.insert((index, address), *id);
                let on = watched.entry(index).or_insert_with(|| Watched {
                    interface: link.name.clone(),
                    mac: Mac(*mac),
                    addresses: BTreeSet::new(),
                });
                on.addresses.insert(address);
            }
        }
        if watched != self.watched {
            self.watched_at = Some(now);
            self.watched.clone_from(&watched);
            out.push(Action::Watch(watched));
        }
    }

    /// When to look again.
    pub(super) fn next_watch(&self) -> Option<Instant> {
        self.watched_at.filter(|_| self.rewatch).map(|at| at + TOGETHER)
    }

    /// Somebody claims an address on an interface. Another interface of this host that is in the same network may ask
    /// others in its name.
    pub(super) fn claimed(&mut self, now: Instant, index: u32, conflict: Conflict, out: &mut Vec<Action>) {
        let Some(id) = self.defended.get(&(index, conflict.address)).copied() else { return };
        let is_own = |mac: Mac| self.kernel.links().any(|(_, link)| link.mac == mac.0);
        if !conflict.mac.is_some_and(is_own) {
            self.feed(now, id, instance::Input::Claimed(conflict), out);
        }
    }

    /// Announces one address. One that is not there yet will be when it is.
    pub(super) fn defend(&mut self, now: Instant, id: Id, address: IpAddr, out: &mut Vec<Action>) {
        let Some(running) = self.instances.get(&id) else { return };
        let mut all = running.machine.config().all_addresses();
        let found = all.find(|one| one.address == address);
        let coming = |key: &Key| {
            matches!(key, Key::Address { address: of, .. } if *of == address) && self.objects.is_pending(key)
        };
        if running.objects.keys().any(coming) {
            return;
        }
        let Some((ipv6, frame)) = found.and_then(|address| self.announcement(running, address)) else {
            return;
        };
        let name = self.kernel.link(frame.0).map_or("", |link| link.name.as_str());
        match self.pacing.lane(frame.0, name, ipv6) {
            Some(lane) => self.waiting.push_ahead(now, lane, id, frame),
            None => out.push(Action::Announce { id, frames: vec![frame], rounds: 1 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Gaps, Instance, InterfaceName, Pacing, Priority, VirtualAddress, Vrid};
    use crate::net::kernel::{Change, LinkState, Reading};
    use crate::net::object::{Address, Object};
    use crate::vrrp::node::{Input, Setup};

    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 9]);

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    /// Feeds it, carries out what it asks for, and returns the rest.
    fn feed(node: &mut Node, now: Instant, input: Input) -> Vec<Action> {
        let (mut inputs, mut rest) = (vec![input], Vec::new());
        while let Some(input) = inputs.pop() {
            let mut actions = Vec::new();
            node.handle(now, input, &mut actions);
            for action in actions {
                match action {
                    Action::Open(endpoint) => inputs.push(Input::Opened(endpoint)),
                    Action::Change(operations) => {
                        inputs.push(Input::Changed(operations.into_iter().map(|one| (one, 0)).collect()));
                    }
                    other => rest.push(other),
                }
            }
        }
        rest
    }

    /// An owner with an address on each of two interfaces, and what is listened for.
    fn master(gap: Duration) -> (Node, Instant, Vec<BTreeMap<u32, Watched>>) {
        let now = Instant::now();
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(7).unwrap());
        config.priority = Priority::OWNER;
        config.addresses = vec![VirtualAddress::new(v4(9), 32)];
        config.excluded_addresses = vec![VirtualAddress::new("2001:db8::9".parse().unwrap(), 64)];
        config.excluded_addresses[0].interface = InterfaceName::new("eth1").ok();
        let gaps = Gaps { arp: gap, neighbour: gap };
        let pacing = Pacing { all: gaps, groups: Vec::new() };
        let setup = Setup { instances: vec![config], pacing, ..Setup::default() };
        let link = |index: u32, name: &str| {
            let mac = vec![2, 0, 0, 0, 0, u8::try_from(index).unwrap()];
            Change::Link(index, LinkState { mac, ..LinkState::ethernet(name) })
        };
        let own = Object::Address(Address { protocol: 0, ..Address::new(1, v4(1), 24) });
        let found = vec![link(1, "eth0"), link(2, "eth1"), Change::Added(own)];
        let mut node = Node::new(BTreeSet::new());
        feed(&mut node, now, Input::Configure(Box::new(setup)));
        let actions = feed(&mut node, now, Input::Read(Ok(Reading { found, complete: true })));
        (node, now, watched(actions))
    }

    fn watched(actions: Vec<Action>) -> Vec<BTreeMap<u32, Watched>> {
        let watched = |action| match action {
            Action::Watch(watched) => Some(watched),
            _ => None,
        };
        actions.into_iter().filter_map(watched).collect()
    }

    fn announced(actions: &[Action]) -> Vec<(u32, usize)> {
        let of = |action: &Action| match action {
            Action::Announce { frames, rounds: 1, .. } => frames.iter().map(|frame| (frame.0, 1)).collect(),
            _ => Vec::new(),
        };
        actions.iter().flat_map(of).collect()
    }

    fn claim(index: u32, address: IpAddr, mac: Mac) -> Input {
        Input::Claimed { index, conflict: Conflict { address, mac: Some(mac) } }
    }

    #[test]
    fn it_is_listened_while_somebody_leads_where_his_addresses_are() {
        let (mut node, now, all) = master(Duration::ZERO);
        let on = |index: u32, interface: &str, address: IpAddr| {
            let mac = Mac([2, 0, 0, 0, 0, u8::try_from(index).unwrap()]);
            (index, Watched { interface: interface.to_owned(), mac, addresses: [address].into() })
        };
        let v6 = "2001:db8::9".parse().unwrap();
        assert_eq!(all, [BTreeMap::from([on(1, "eth0", v4(9)), on(2, "eth1", v6)])]);
        let later = now + Duration::from_secs(1);
        assert_eq!(watched(feed(&mut node, later, Input::Timer)), [], "nothing is new");
        let gone = feed(&mut node, later, Input::Kernel(vec![Change::LinkGone(2)]));
        // A fault: nobody leads any more.
        assert_eq!(watched(gone), [BTreeMap::new()]);
        let back = LinkState { mac: vec![2, 0, 0, 0, 0, 2], ..LinkState::ethernet("eth1") };
        let again = feed(&mut node, later, Input::Kernel(vec![Change::Link(2, back)]));
        assert_eq!(watched(again), [], "not at once");
        assert_eq!(node.next_watch(), Some(later + TOGETHER));
        assert_eq!(watched(feed(&mut node, later + TOGETHER, Input::Timer)), all);
        assert_eq!(node.next_watch(), None);
    }

    #[test]
    fn a_claim_is_answered_where_it_is_made_and_our_own_is_none() {
        let (mut node, now, _) = master(Duration::ZERO);
        let now = now + Duration::from_secs(20);
        feed(&mut node, now, Input::Timer);
        assert_eq!(announced(&feed(&mut node, now, claim(1, v4(9), OTHER))), [(1, 1)]);
        let v6 = "2001:db8::9".parse().unwrap();
        assert_eq!(announced(&feed(&mut node, now, claim(2, v6, OTHER))), [(2, 1)]);
        for (index, address, mac) in [
            (2, v4(9), OTHER),
            (1, v4(8), OTHER),
            (3, v4(9), OTHER),
            // The other interface of this host, by which it may ask.
            (1, v4(9), Mac([2, 0, 0, 0, 0, 2])),
        ] {
            assert_eq!(feed(&mut node, now, claim(index, address, mac)), [], "{index} {address} {mac}");
        }
        let claims = node.machines().next().unwrap().snapshot().stats.claims;
        assert_eq!(claims, 2);
    }

    #[test]
    fn answers_keep_their_distance_and_come_first() {
        let gap = Duration::from_secs(1);
        let (mut node, start, _) = master(gap);
        // The bursts of a new master are over.
        let mut now = start;
        while now < start + 30 * gap {
            now += gap / 10;
            feed(&mut node, now, Input::Timer);
        }
        feed(&mut node, now, Input::Announce("A".to_owned()));
        let sent = |node: &mut Node, at| announced(&feed(node, at, Input::Timer));
        feed(&mut node, now, claim(1, v4(9), OTHER));
        feed(&mut node, now, claim(1, v4(9), OTHER));
        let frames: usize = (1..=10).map(|tenth| sent(&mut node, now + gap * tenth / 10).len()).sum();
        assert!((1..=4).contains(&frames), "one a second on each of two interfaces: {frames}");
    }
}
