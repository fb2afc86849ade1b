//! What each instance sees of the kernel and of its sockets.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use crate::config::model::{Family, Instance, InterfaceName, Net, Tracked, Vmac};
use crate::net::kernel::LinkState;
use crate::net::object::{Address, Device, Key, Kind, Object, Operation, PROTOCOL};
use crate::net::objects::Refused;
use crate::report::errno_text;
use crate::track::{Carrier, Conditions, Facts, Link, Standing, carriers, faults, tracked_interfaces};
use crate::vrrp::instance;

use super::needs::Need;
use super::sockets::{Endpoint, State};
use super::{Action, Id, Node};

/// Why an interface of our own is not there.
const TAKEN: &str =
    "another interface has this name: give the one of the virtual router another, `use_vmac NAME`";

/// What an instance sees, but for what its group suffers.
struct Seen {
    conditions: Conditions,
    endpoint: Option<Endpoint>,
    /// Its sockets are being opened, and nothing else is in the way.
    opening: bool,
}

impl Node {
    /// What a member of a group suffers itself, for the others to know before any of them is told anything.
    pub(super) fn look(&mut self, id: Id, out: &mut Vec<Action>) {
        if !self.group_of.contains_key(&id) {
            return;
        }
        let Some(seen) = self.see(id, out) else { return };
        let Some(running) = self.instances.get_mut(&id).filter(|_| !seen.opening) else { return };
        let own = faults(running.machine.config(), &seen.conditions);
        if running.own_faults.as_ref() != Some(&own) {
            let is_first = running.own_faults.replace(own).is_none();
            self.lead(id, is_first);
            self.touched.extend(self.companions(id));
        }
    }

    fn see(&mut self, id: Id, out: &mut Vec<Action>) -> Option<Seen> {
        self.resolve(id, out);
        let config = self.instances.get(&id)?.machine.config();
        let (mut conditions, endpoint) = self.conditions(config);
        conditions.refused = self.refusals(id);
        conditions.refused.extend(self.filter_refusal(id));
        conditions.refused.extend(self.static_refusals(id));
        let mut opening = false;
        if let Some(endpoint) = &endpoint {
            match self.sockets.attach(id, endpoint) {
                State::Open => {}
                State::Opening => opening = true,
                State::Failed { why, .. } => conditions.deaf = Some(why.clone()),
            }
        }
        let config = self.instances.get(&id)?.machine.config();
        opening |= config.vmacs.iter().any(|vmac| self.is_coming(&vmac.name));
        // Who goes on does not wait for what is tracked.
        let goes_on = self.resuming.contains(&id);
        opening &= faults(config, &conditions).iter().all(|fault| goes_on && fault.is_pending());
        Some(Seen { conditions, endpoint, opening })
    }

    /// Tells an instance the present conditions, when they differ from what it was told.
    pub(super) fn follow(&mut self, now: Instant, id: Id, out: &mut Vec<Action>) {
        let Some(Seen { mut conditions, endpoint, opening }) = self.see(id, out) else { return };
        conditions.group = self.others(id);
        let Some(running) = self.instances.get_mut(&id) else { return };
        if opening {
            // The answer comes soon and decides. What it has stays until then, but for what the others of its group
            // suffer.
            let (old, group) = (running.endpoint.clone(), conditions.group);
            if let Some(told) = running.told.as_mut().filter(|told| told.group != group) {
                told.group = group;
                let conditions = told.clone();
                self.feed(now, id, instance::Input::Conditions(conditions), out);
            }
            return self.sockets.keep(id, &old.iter().chain(&endpoint).collect::<Vec<_>>());
        }
        // A master that loses its last address still says so through the sockets it has.
        if endpoint.is_some() {
            running.endpoint.clone_from(&endpoint);
        }
        if running.told.as_ref() != Some(&conditions) {
            running.told = Some(conditions.clone());
            self.feed(now, id, instance::Input::Conditions(conditions), out);
        }
        self.sockets.keep(id, &endpoint.iter().collect::<Vec<_>>());
        if let Some(running) = self.instances.get_mut(&id) {
            running.endpoint = endpoint;
        }
    }

    /// Those that track something that amounts to something else now have to know.
    pub(super) fn facts_changed(&mut self, facts: Facts) {
        let old = std::mem::replace(&mut self.facts, facts);
        let tracks = |running: &super::Running| {
            let tracking = &running.machine.config().tracking;
            let script = |one: &Tracked| old.scripts.get(&one.name) != self.facts.scripts.get(&one.name);
            let file = |one: &Tracked| old.files.get(&one.name) != self.facts.files.get(&one.name);
            let process = |one: &Tracked| old.processes.get(&one.name) != self.facts.processes.get(&one.name);
            let session =
                |one: &Tracked| old.sessions.contains(&one.name) != self.facts.sessions.contains(&one.name);
            tracking.scripts.iter().any(script)
                || tracking.files.iter().any(file)
                || tracking.processes.iter().any(process)
                || tracking.bfd.iter().any(session)
        };
        let all = old.maintenance != self.facts.maintenance;
        let concerned =
            self.instances.iter().filter(|(_, running)| all || tracks(running)).map(|(id, _)| *id);
        self.touched.extend(concerned);
    }

    /// All but what the sockets and the kernel's refusals say; and the sockets that it needs.
    pub(super) fn conditions(&self, config: &Instance) -> (Conditions, Option<Endpoint>) {
        let link = match &config.interface {
            Some(interface) => self.kernel.link_by_name(interface.as_str()).map(|(index, state)| {
                let (source, source_is_here) = self.source(config, index);
                let up = self.counts_as_up(state);
                let (multicast, loopback, mtu) = (state.multicast, state.loopback, state.mtu);
                Link { up, multicast, loopback, mtu, source, source_is_here }
            }),
            None => {
                let (source, source_is_here) = self.source(config, 0);
                Some(Link { up: true, multicast: false, loopback: false, mtu: 0, source, source_is_here })
            }
        };
        let carrier = |name: InterfaceName| {
            let carrier = match self.kernel.link_by_name(name.as_str()) {
                _ if self.is_coming(&name) => Carrier::Up,
                None => Carrier::Missing,
                Some((_, state)) if !self.counts_as_up(state) => Carrier::Down,
                Some(_) => Carrier::Up,
            };
            (name, carrier)
        };
        let source = link.filter(|link| !link.loopback).and_then(|link| link.source);
        let transmits = match config.transmits_on() {
            Some(interface) => self.kernel.link_by_name(interface.as_str()).map(|(index, _)| index),
            None => Some(0),
        };
        let endpoint = transmits.zip(source).map(|(index, source)| Endpoint::of(config, index, source));
        let carriers = carriers(config).into_iter().map(carrier).collect();
        let interfaces = tracked_interfaces(config).cloned().map(carrier).collect();
        let standings = |lines: &[Tracked], known: &BTreeMap<String, Standing>| {
            let standing = |name: &String| known.get(name).copied().unwrap_or(Standing::Pending);
            lines.iter().map(|one| (one.name.clone(), standing(&one.name))).collect()
        };
        let scripts = standings(&config.tracking.scripts, &self.facts.scripts);
        let processes = standings(&config.tracking.processes, &self.facts.processes);
        let session = |one: &Tracked| {
            let up = self.facts.sessions.contains(&one.name);
            (one.name.clone(), if up { Standing::Up } else { Standing::Down })
        };
        let sessions = config.tracking.bfd.iter().map(session).collect();
        let number = |name: &String| self.facts.files.get(name).copied();
        let files = config.tracking.files.iter().map(|one| (one.name.clone(), number(&one.name))).collect();
        let seen = Conditions {
            link,
            carriers,
            interfaces,
            scripts,
            files,
            processes,
            sessions,
            maintenance: self.facts.maintenance.clone(),
            ..Conditions::default()
        };
        (seen, endpoint)
    }

    /// What is above an interface has the carrier of that one, whose changes may have to last.
    fn counts_as_up(&self, link: &LinkState) -> bool {
        let is_above = matches!(link.kind, Kind::Macvlan { .. }) && link.enabled;
        let link = self.kernel.link(link.base).filter(|_| is_above).unwrap_or(link);
        self.carriers.is_up(&link.name, link.up)
    }

    /// Where adverts go out from, and whether that is an address of this host: the configured one, else the first of
    /// the interface that is no virtual address.
    fn source(&self, config: &Instance, index: u32) -> (Option<IpAddr>, bool) {
        if let Some(configured) = config.transport.source {
            let here = self.kernel.has_address(&configured, index);
            // Who sends to peers hears their answers at this address; to a group it is a name only, and keepalived
            // ignores its loss unless `track_src_ip`.
            let needed = config.unicast().is_some() || config.transport.track_source;
            return ((here || !needed).then_some(configured), here);
        }
        let real = |address: &&Address| {
            let key = Key::Address { index, address: address.address, prefix: address.prefix };
            let of_family = match (config.family, address.address) {
                (Family::Ipv4, IpAddr::V4(_)) => true,
                (Family::Ipv6, IpAddr::V6(v6)) => v6.is_unicast_link_local(),
                _ => false,
            };
            let virtual_one = self.holders.contains_key(&key) || address.protocol == PROTOCOL;
            // A static address stays, whoever is master.
            let stays = self.kept.contains_key(&key) || self.objects.is_hosts(&key);
            of_family && !address.tentative && (!virtual_one || stays)
        };
        let all = || self.kernel.addresses_of(index).filter(real);
        let primary = all().find(|address| !address.secondary);
        (primary.or_else(|| all().next()).map(|address| address.address), true)
    }

    /// Whether this is an interface of our own that will be there soon.
    pub(super) fn is_coming(&self, name: &InterfaceName) -> bool {
        let key = Key::Link(Device::from(name));
        if self.kept.contains_key(&key) {
            return self.objects.is_coming(&key, &self.kernel);
        }
        // A reload has it, and it has not been asked for yet.
        let is_new =
            |vmac: &Vmac| vmac.name == *name && self.kernel.link_by_name(vmac.base.as_str()).is_some();
        self.kernel.object(&key).is_none() && self.statics.vmacs.iter().any(is_new)
    }

    /// A route over an interface of the instance that is off, or through a gateway that is reached there; and one that was
    /// no fault while that was off, and is being tried.
    fn leads_to_what_is_off(&self, id: Id, key: &Key, object: &Object) -> bool {
        let (Object::Route(route), Some(running)) = (object, self.instances.get(&id)) else { return false };
        let config = running.machine.config();
        let watched = |name: &str| {
            config.interface.as_ref().is_some_and(|own| own.as_str() == name)
                || carriers(config).iter().any(|one| one.as_str() == name)
        };
        let off = |link: &&LinkState| !link.enabled && watched(&link.name);
        let is_off = |index: u32| self.kernel.link(index).filter(off).is_some();
        let told = running.told.as_ref().is_some_and(|told| told.refused.contains_key(&self.describe(key)));
        if self.objects.is_retried(key) && running.told.is_some() && !told {
            return true;
        }
        let reached_there = |index: u32, gateway: IpAddr| {
            let nets = self.kernel.addresses_of(index);
            nets.into_iter().any(|one| Net { address: one.address, prefix: one.prefix }.contains(gateway))
        };
        route.hops.iter().any(|hop| match (hop.index, hop.via) {
            (0, Some(gateway)) => {
                self.kernel.links().any(|(index, _)| is_off(index) && reached_there(index, gateway))
            }
            (index, _) => is_off(index),
        })
    }

    /// Whether an instance is in FAULT while the kernel does not set this.
    pub(super) fn means_fault(&self, key: &Key) -> bool {
        let holders = self.holders.get(key).into_iter().flatten();
        let mut needs = holders.filter_map(|id| self.instances.get(id)?.objects.get(key));
        needs.any(|need| need.tracked)
    }

    /// Static objects of its `track_group` that are not there and cannot be, and why.
    fn static_refusals(&self, id: Id) -> BTreeMap<String, String> {
        let name = self.instances.get(&id).map(|running| running.machine.config().name.as_str());
        let mut found = BTreeMap::new();
        for (group, members) in &self.track_groups {
            if !name.is_some_and(|name| members.contains(name)) {
                continue;
            }
            for key in self.group_objects.get(group).into_iter().flatten() {
                let Some(key) = key else {
                    let object = format!("a static object of track_group {group}");
                    found.insert(object, "its interface does not exist".to_owned());
                    continue;
                };
                let off = |object: &Object| self.leads_to_what_is_off(id, key, object);
                let off = self.kept.get(key).is_some_and(|need| off(&need.object));
                if let Some(refused) = self.objects.refused(key).filter(|_| !off) {
                    found.insert(self.describe(key), refusal(refused));
                } else if self.kept.contains_key(key) && self.objects.wanted(key).is_none() {
                    let why = "another program removed it, and `no_track` has it stay away";
                    found.insert(self.describe(key), why.to_owned());
                }
            }
        }
        found
    }

    /// What it holds and is not there: addresses, routes and rules, also those that are not tracked. Neither what is about
    /// to come nor what has expired as it was meant to.
    pub(super) fn missing(&self, id: Id) -> Vec<String> {
        let Some(running) = self.instances.get(&id).filter(|running| running.held) else { return Vec::new() };
        let is_missing = |key: &Key, need: &Need| {
            let expires = matches!(&need.object, Object::Route(route) if route.expires.is_some());
            let comes = self.objects.is_pending(key) || self.waits_for_filter(running, key);
            let refused = self.objects.refused(key).is_some();
            self.kernel.object(key).is_none() && !expires && (refused || !comes)
        };
        let told = |key: &Key| match self.objects.refused(key) {
            Some(refused) => format!("{}: {}", self.describe(key), refusal(refused)),
            None => self.describe(key),
        };
        let missing = running.objects.iter().filter(|(key, need)| is_missing(key, need));
        let config = running.machine.config();
        let nowhere = config.all_addresses().filter_map(|one| {
            let name = one.interface.as_ref().or(config.interface.as_ref())?;
            let lacks = self.kernel.link_by_name(name.as_str()).is_none();
            lacks.then(|| format!("{} on {name}: the interface does not exist", one.address))
        });
        missing.map(|(key, _)| told(key)).chain(nowhere).collect()
    }

    /// Objects of the instance that the kernel does not set, and why.
    fn refusals(&self, id: Id) -> BTreeMap<String, String> {
        let needs = self.instances.get(&id).into_iter().flat_map(|running| running.objects.iter());
        let refused = |(key, need): (&Key, &Need)| {
            let refused = self.objects.refused(key).filter(|_| need.tracked)?;
            // An interface that is off is a fault of its own, or meant to be none.
            let off = self.leads_to_what_is_off(id, key, &need.object);
            let is_fault = matches!(refused.operation, Operation::Add(_)) && !off;
            is_fault.then(|| (self.describe(key), refusal(refused)))
        };
        let running = self.instances.get(&id);
        let vmacs = running.into_iter().flat_map(|running| &running.machine.config().vmacs);
        let links = vmacs.filter_map(|vmac| {
            let key = Key::Link(Device::from(&vmac.name));
            let is_another = || {
                let (wanted, actual) = (&self.kept.get(&key)?.object, self.kernel.object(&key)?);
                (self.objects.is_hosts(&key) && !wanted.is_met_by(actual, None)).then_some(TAKEN.to_owned())
            };
            let why = self.objects.refused(&key).map(refusal).or_else(is_another)?;
            Some((self.describe(&key), why))
        });
        needs.filter_map(refused).chain(links).collect()
    }
}

/// Why the kernel does not set an object.
pub(super) fn refusal(refused: &Refused) -> String {
    let why = match (refused.operation.key(), refused.errno) {
        (Key::Address { .. }, libc::ENOBUFS) => {
            "IPv4 is off there (the MTU is below 68, or the interface is going)"
        }
        (Key::Address { .. }, libc::EINVAL) => {
            "another address of the same network has another scope, or the values do not fit together"
        }
        (Key::Link(_), libc::EINVAL) => {
            "the interface below it is no ethernet interface, or its address may not be used"
        }
        (Key::Link(_), libc::EBUSY) => {
            "the interface below it is part of a bridge or of a bond: name that as `interface`"
        }
        (Key::Link(_), libc::EOPNOTSUPP) => "this kernel has no macvlan (module `macvlan`)",
        (Key::Link(_), libc::EADDRINUSE) => {
            "another interface above the same one has its address: `ip -d link show type macvlan` names it"
        }
        (Key::Link(_), libc::EEXIST) => TAKEN,
        (Key::Address { .. } | Key::Route(_), libc::EACCES) => "IPv6 is off there",
        (Key::Route(_), libc::ENETUNREACH | libc::EHOSTUNREACH) => {
            "its gateway is in no network of this host: name an address of that network, or add `dev` and `onlink`"
        }
        (Key::Route(_), libc::ENETDOWN) => "its interface is down",
        (Key::Route(_), libc::EEXIST) => {
            "this host has another route of the same destination and metric, and IPv6 has room for one: add another \
             `metric`"
        }
        (Key::Route(_), libc::EINVAL) => {
            "`src` is no address of this host, or the values do not fit together"
        }
        (Key::Route(_) | Key::Rule(_), libc::EOPNOTSUPP | libc::EAFNOSUPPORT) => {
            "this kernel does not have what it needs (a module of its encapsulation, or policy routing)"
        }
        (_, errno) => return errno_text(errno),
    };
    why.to_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, VecDeque};
    use std::time::Duration;

    use super::*;
    use crate::config::model::{
        Destination, Peer, StaticAddress, Statics, TrackGroup, Unicast, VirtualAddress, Vrid,
    };
    use crate::net::kernel::{Change, Reading};
    use crate::vrrp::event::{Event, State as Of};
    use crate::vrrp::node::{Input, Setup};
    use crate::vrrp::packet::Received;

    fn link(index: u32, name: &str) -> Change {
        let state = LinkState::ethernet(name);
        Change::Link(index, state)
    }

    /// Feeds it, and answers what it asks for: each operation with `errno`.
    fn feed(node: &mut Node, now: Instant, input: Input, errno: i32) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            let mut actions = Vec::new();
            node.handle(now, input, &mut actions);
            for action in actions {
                match action {
                    Action::Open(endpoint) => inputs.push_back(Input::Opened(endpoint)),
                    Action::Change(operations) => {
                        let answers = operations.into_iter().map(|one| (one, errno)).collect();
                        inputs.push_back(Input::Changed(answers));
                    }
                    _ => {}
                }
            }
        }
    }

    fn state(node: &Node, name: &str) -> (Of, String) {
        let machine = node.machines().find(|machine| machine.config().name == name).unwrap();
        let faults: Vec<String> = machine.faults().iter().map(ToString::to_string).collect();
        (machine.state(), faults.join(", "))
    }

    #[test]
    fn who_belongs_to_a_static_object_suffers_with_it() {
        let now = Instant::now();
        let instance = |name: &str, vrid| {
            Instance::new(name, InterfaceName::new("eth0").unwrap(), Vrid::new(vrid).unwrap())
        };
        let mut address = VirtualAddress::new(IpAddr::from([10, 9, 0, 1]), 24);
        address.interface = InterfaceName::new("eth1").ok();
        let one = StaticAddress { address, track_group: Some("G".into()) };
        let statics = Statics { addresses: vec![one], ..Statics::default() };
        let group = TrackGroup { name: "G".into(), members: vec!["A".into()] };
        let instances = vec![instance("A", 1), instance("B", 2)];
        let setup = Setup { instances, statics, track_groups: vec![group], ..Setup::default() };
        let own =
            Object::Address(Address { protocol: 0, ..Address::new(1, IpAddr::from([10, 0, 0, 1]), 24) });
        let reading = Reading { found: vec![link(1, "eth0"), Change::Added(own)], complete: true };
        let mut node = Node::new(BTreeSet::new());
        feed(&mut node, now, Input::Configure(Box::new(setup)), 0);
        feed(&mut node, now, Input::Read(Ok(reading)), 0);
        let (here, why) = state(&node, "A");
        assert_eq!(here, Of::Fault);
        assert!(why.contains("track_group G: its interface does not exist"), "{why}");
        assert_eq!(state(&node, "B"), (Of::Backup, String::new()));
        // With its interface comes the object.
        feed(&mut node, now, Input::Kernel(vec![link(2, "eth1")]), 0);
        assert_eq!(state(&node, "A"), (Of::Backup, String::new()));
        // Another interface of that name, and a kernel that refuses.
        feed(&mut node, now, Input::Kernel(vec![Change::LinkGone(2)]), 0);
        assert_eq!(state(&node, "A").0, Of::Fault);
        feed(&mut node, now, Input::Kernel(vec![link(3, "eth1")]), libc::ENOBUFS);
        let (here, why) = state(&node, "A");
        assert_eq!(here, Of::Fault);
        assert!(why.contains("10.9.0.1/24 on eth1"), "{why}");
        let at = node.next_timer().unwrap().0.max(now + std::time::Duration::from_secs(2));
        feed(&mut node, at, Input::Timer, 0);
        assert_eq!(state(&node, "A").0, Of::Backup);
        assert_eq!(state(&node, "B").1, "");
    }

    /// A node with these instances on eth0, which has 10.0.0.1.
    fn node(instances: Vec<Instance>, now: Instant) -> Node {
        let own =
            Object::Address(Address { protocol: 0, ..Address::new(1, IpAddr::from([10, 0, 0, 1]), 24) });
        let reading = Reading { found: vec![link(1, "eth0"), Change::Added(own)], complete: true };
        let mut node = Node::new(BTreeSet::new());
        feed(&mut node, now, Input::Configure(Box::new(instances.into())), 0);
        feed(&mut node, now, Input::Read(Ok(reading)), 0);
        node
    }

    #[test]
    fn what_a_master_misses_is_shown_tracked_or_not() {
        let now = Instant::now();
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(51).unwrap());
        let mut address = VirtualAddress::new(IpAddr::from([10, 0, 0, 9]), 24);
        address.no_track = true;
        config.addresses = vec![address];
        let mut node = node(vec![config], now);
        let missing = |node: &Node| node.snapshot().instances[0].missing.clone();
        assert!(missing(&node).is_empty(), "a backup holds nothing");
        let at = node.next_timer().unwrap().0;
        feed(&mut node, at, Input::Timer, libc::ENOBUFS);
        assert_eq!(state(&node, "A"), (Of::Master, String::new()));
        let shown = missing(&node);
        assert!(shown.len() == 1 && shown[0].contains("10.0.0.9/24 on eth0: IPv4 is off there"), "{shown:?}");
        while !missing(&node).is_empty() {
            let at = node.next_timer().unwrap().0;
            assert!(at < now + std::time::Duration::from_secs(60));
            feed(&mut node, at, Input::Timer, 0);
        }
    }

    #[test]
    fn what_is_about_to_come_is_not_missing_and_what_has_no_interface_is() {
        let now = Instant::now();
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(51).unwrap());
        config.addresses = vec![VirtualAddress::new(IpAddr::from([10, 0, 0, 9]), 24)];
        let mut node = node(vec![config.clone()], now);
        let at = node.next_timer().unwrap().0;
        let missing = |node: &Node| node.snapshot().instances[0].missing.clone();
        // The kernel has not answered yet.
        let mut actions = Vec::new();
        node.handle(at, Input::Timer, &mut actions);
        assert_eq!((state(&node, "A").0, missing(&node)), (Of::Master, Vec::new()));
        let asked = actions.into_iter().find_map(|action| match action {
            Action::Change(operations) => Some(operations.into_iter().map(|one| (one, 0)).collect()),
            _ => None,
        });
        feed(&mut node, at, Input::Changed(asked.unwrap()), 0);
        let mut nowhere = VirtualAddress::new(IpAddr::from([10, 0, 0, 8]), 24);
        nowhere.interface = InterfaceName::new("eth9").ok();
        nowhere.no_track = true;
        config.addresses.extend([VirtualAddress::new(IpAddr::from([10, 0, 0, 7]), 24), nowhere]);
        node.handle(at, Input::Configure(Box::new(vec![config].into())), &mut Vec::new());
        assert_eq!(state(&node, "A"), (Of::Master, String::new()));
        assert_eq!(missing(&node), ["10.0.0.8 on eth9: the interface does not exist"]);
    }

    #[test]
    fn a_reload_that_adds_an_interface_moves_nobody() {
        let now = Instant::now();
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(51).unwrap());
        config.addresses = vec![VirtualAddress::new(IpAddr::from([10, 0, 0, 9]), 24)];
        let mut node = node(vec![config.clone()], now);
        let name = InterfaceName::new("vrrp.51").unwrap();
        config.addresses[0].interface = Some(name.clone());
        config.vmacs = vec![Vmac {
            name,
            base: config.interface.clone().unwrap(),
            mac: [0, 0, 0x5e, 0, 1, 51],
            adverts: true,
            ipv4: true,
            ipv6: false,
            group: None,
        }];
        let (mut actions, mut states) = (Vec::new(), Vec::new());
        let mut step = |input: Input| {
            node.handle(now, input, &mut actions);
            states.push(state(&node, "A"));
            std::mem::take(&mut actions)
        };
        let asked = step(Input::Configure(Box::new(vec![config].into())));
        let link = asked.into_iter().find_map(|action| match action {
            Action::Change(operations) => {
                operations.into_iter().find(|one| matches!(one.key(), Key::Link(_)))
            }
            _ => None,
        });
        let Some(Operation::Add(Object::Link(link))) = link else { panic!("{link:?}") };
        let Change::Link(_, plain) = self::link(9, "vrrp.51") else { panic!() };
        let made = LinkState { base: link.base, kind: link.kind, mac: link.mac.0.to_vec(), ..plain };
        let mut asked = step(Input::Kernel(vec![Change::Link(9, made)]));
        asked.extend(step(Input::Changed(vec![(Operation::Add(Object::Link(link)), 0)])));
        let opened = asked.into_iter().find_map(|action| match action {
            Action::Open(endpoint) => Some(endpoint),
            _ => None,
        });
        assert_eq!(opened.as_ref().map(|endpoint| endpoint.index), Some(9));
        step(Input::Opened(opened.unwrap()));
        assert!(states.iter().all(|one| *one == (Of::Backup, String::new())), "{states:?}");
    }

    /// Whatever else is due before it.
    #[test]
    fn it_says_when_a_master_is_about_to_count_as_down() {
        let now = Instant::now();
        let instance = |name: &str, vrid, priority| Instance {
            priority: crate::config::model::Priority::new(priority).unwrap(),
            ..Instance::new(name, InterfaceName::new("eth0").unwrap(), Vrid::new(vrid).unwrap())
        };
        let node = node(vec![instance("A", 7, 255), instance("B", 8, 100)], now);
        assert_eq!((state(&node, "A").0, state(&node, "B").0), (Of::Master, Of::Backup));
        let ends = [0, 1, 3, 4, 60].map(|seconds| node.ends_a_master(now + Duration::from_secs(seconds)));
        assert_eq!(ends, [false, false, false, true, true]);
    }

    #[test]
    fn a_stranger_is_for_none_of_several() {
        let now = Instant::now();
        let local = IpAddr::from([10, 0, 0, 1]);
        let peer = |last: u8| IpAddr::from([10, 0, 0, last]);
        let instance = |name: &str, last| {
            let mut config = Instance::new(name, InterfaceName::new("eth0").unwrap(), Vrid::new(7).unwrap());
            let to = Unicast::to(vec![Peer::new(peer(last))], Destination::group(Family::Ipv4));
            config.transport.to = Destination::Unicast(to);
            config.transport.source = Some(local);
            config
        };
        let heard = |node: &mut Node, source: IpAddr| {
            let endpoint = Endpoint::of(&instance("A", 2), 1, local);
            // Cut short: whoever gets it counts it.
            let payload = vec![0x21, 7, 100, 1];
            let packet = Received { source, destination: local, hops: 255, id: None, ah: None, payload };
            feed(node, now, Input::Heard { endpoint, packet }, 0);
            node.machines().map(|machine| machine.snapshot().stats.packet_len_err).collect::<Vec<u64>>()
        };
        let mut two = node(vec![instance("A", 2), instance("B", 3)], now);
        assert_eq!(state(&two, "B"), (Of::Backup, String::new()));
        assert_eq!(heard(&mut two, peer(3)), [0, 1]);
        assert_eq!(heard(&mut two, peer(2)), [1, 1]);
        assert_eq!(heard(&mut two, peer(9)), [1, 1]);
        let mut one = node(vec![instance("A", 2)], now);
        assert_eq!(heard(&mut one, peer(9)), [1]);
    }

    #[test]
    fn what_two_sockets_hear_is_for_the_one_whose_peer_sent_it() {
        let now = Instant::now();
        let (local, peer) = (IpAddr::from([10, 0, 0, 1]), |last: u8| IpAddr::from([10, 0, 0, last]));
        let instance = |name: &str, last, interface: Option<&str>| {
            let mut config = Instance::new(name, InterfaceName::new("eth0").unwrap(), Vrid::new(7).unwrap());
            let to = Unicast::to(vec![Peer::new(peer(last))], Destination::group(Family::Ipv4));
            config.transport.to = Destination::Unicast(to);
            config.transport.source = Some(local);
            config.interface = interface.and_then(|name| InterfaceName::new(name).ok());
            config
        };
        let (here, anywhere) = (instance("HERE", 2, Some("eth0")), instance("ANYWHERE", 3, None));
        let endpoints = [Endpoint::of(&here, 1, local), Endpoint::of(&anywhere, 0, local)];
        let mut both = node(vec![here, anywhere], now);
        assert_eq!(state(&both, "ANYWHERE"), (Of::Backup, String::new()));
        // Each socket has its own copy of each packet.
        let mut heard = |source: IpAddr| {
            for endpoint in endpoints.clone() {
                let packet = Received {
                    source,
                    destination: local,
                    hops: 255,
                    id: None,
                    ah: None,
                    payload: vec![0x21, 7, 100, 1],
                };
                feed(&mut both, now, Input::Heard { endpoint, packet }, 0);
            }
            let count = |name: &str| {
                let machine = both.machines().find(|machine| machine.config().name == name).unwrap();
                machine.snapshot().stats.packet_len_err
            };
            ["HERE", "ANYWHERE"].map(count)
        };
        assert_eq!(heard(peer(2)), [1, 0]);
        assert_eq!(heard(peer(3)), [1, 1]);
    }

    #[test]
    fn an_address_that_another_host_has_is_told() {
        let now = Instant::now();
        let mut config = Instance::new("A", InterfaceName::new("eth0").unwrap(), Vrid::new(7).unwrap());
        let address: IpAddr = "2001:db8::240".parse().unwrap();
        config.addresses = vec![VirtualAddress::new(IpAddr::from([10, 0, 0, 9]), 32)];
        config.excluded_addresses = vec![VirtualAddress::new(address, 64)];
        let mut node = node(vec![config], now);
        let told = |duplicate| {
            let mut actions = Vec::new();
            let one = Address { tentative: true, duplicate, ..Address::new(1, address, 64) };
            let change = Change::Added(Object::Address(one));
            node.handle(now, Input::Kernel(vec![change]), &mut actions);
            let told = |action: &Action| matches!(action, Action::Report(one) if matches!(one.event, Event::Duplicate { .. }));
            actions.iter().filter(|action| told(action)).count()
        };
        assert_eq!([false, true, true].map(told), [0, 1, 0]);
    }
}
