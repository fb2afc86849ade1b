//! The kernel's links, addresses, routes and rules as values: a mirror that a dump begins and its notifications keep current.
//!
//! Invariant: once [`Kernel::is_current`], the mirror is what the kernel had when the last notification was sent. A
//! notification that was lost makes it stale until a new dump is in; what is notified while that dump is made is
//! applied once more behind it. Of routes it has those that may be ours or stand in the place of ours.
//!
//! The kernel does not tell of IPv4 routes that go with an interface or an address: what goes with them is worked out
//! here.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;

use super::object::{Address, Hop, Key, Kind, Link, Mac, Object, Operation, PROTOCOL, Route};
use super::rule::Device;

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Its name.
    pub name: String,
    /// IFF_UP and IFF_RUNNING.
    pub up: bool,
    /// IFF_UP alone: without a carrier the routes stay.
    pub enabled: bool,
    /// It forwards packets of IPv6.
    pub forwards: bool,
    /// It can send to a group.
    pub multicast: bool,
    /// It leads nowhere but to this host.
    pub loopback: bool,
    /// It resolves no addresses: announcements make no sense.
    pub no_arp: bool,
    /// Largest packet, in bytes; 0: unknown.
    pub mtu: u32,
    /// ARP hardware type.
    pub hardware_type: u16,
    /// Link-layer address.
    pub mac: Vec<u8>,
    /// Index of the interface below it; 0: there is none.
    pub base: u32,
    /// What it is.
    pub kind: Kind,
    /// Group of interfaces.
    pub group: u32,
}

impl LinkState {
    /// An ethernet interface that is up, of which nothing more is said.
    pub fn ethernet(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            up: true,
            enabled: true,
            forwards: false,
            multicast: true,
            loopback: false,
            no_arp: false,
            mtu: 1500,
            hardware_type: 1,
            mac: vec![2, 0, 0, 0, 0, 1],
            base: 0,
            kind: Kind::Other,
            group: 0,
        }
    }

    /// As an object of ours may be. `None`: no object of ours is of that kind, or it has a name that the kernel gives
    /// to none.
    fn object(&self, index: u32) -> Option<Object> {
        let name = Device::new(&self.name)?;
        let mac = Mac(self.mac.first_chunk().copied().unwrap_or_default());
        let (base, kind, enabled, group) = (self.base, self.kind, self.enabled, Some(self.group));
        Some(Object::Link(Link { name, index, base, mac, kind, enabled, group }))
    }
}

/// Something that the kernel tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A link appeared or changed.
    Link(u32, LinkState),
    /// A link vanished.
    LinkGone(u32),
    /// An object appeared or changed.
    Added(Object),
    /// An object vanished.
    Removed(Object),
    /// An IPv4 route took the place of another one of the same destination and metric.
    Replaced(Route),
}

/// A reading of the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Links, addresses, routes and rules, in the kernel's order.
    pub found: Vec<Change>,
    /// False: the tables changed all the time, and something may be missing in spite of several attempts.
    pub complete: bool,
}

/// What the kernel has.
#[derive(Debug, Clone, Default)]
pub struct Kernel {
    links: BTreeMap<u32, LinkState>,
    names: BTreeMap<String, u32>,
    objects: BTreeMap<Key, Entry>,
    /// The addresses of each interface, in the kernel's order.
    order: BTreeMap<(u32, u64), Key>,
    /// On how many interfaces each address is.
    places: BTreeMap<IpAddr, u32>,
    /// What went without a word of the kernel since it was asked for.
    silent: Vec<Key>,
    sequence: u64,
    /// Objects that something is asked of.
    asked: BTreeMap<Key, Asked>,
    /// A reading has been asked for; what has been notified since.
    pending: Option<Vec<Change>>,
}

#[derive(Debug, Clone)]
struct Entry {
    object: Object,
    sequence: u64,
}

/// What is asked of one object.
#[derive(Debug, Clone, Default)]
struct Asked {
    /// Operations without an answer.
    operations: usize,
    /// What the kernel has told of it since, in its order; true: it is there. Equal ones in a row are one.
    told: VecDeque<bool>,
}

impl Kernel {
    /// The interface of this name and its index.
    pub fn link_by_name(&self, name: &str) -> Option<(u32, &LinkState)> {
        let index = self.names.get(name)?;
        Some((*index, self.links.get(index)?))
    }

    /// The interface with this index.
    pub fn link(&self, index: u32) -> Option<&LinkState> {
        self.links.get(&index)
    }

    /// Every interface, by its index.
    pub fn links(&self) -> impl Iterator<Item = (u32, &LinkState)> {
        self.links.iter().map(|(index, link)| (*index, link))
    }

    /// The object with this key.
    pub fn object(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key).map(|entry| &entry.object)
    }

    /// The interface has the same address with another prefix length. Of an IPv6 address the kernel keeps one of them
    /// alone, whatever is asked for.
    pub fn is_there_otherwise(&self, key: &Key) -> bool {
        let Key::Address { index, address, prefix } = *key else { return false };
        let of = |prefix| Key::Address { index, address, prefix };
        self.objects.range(of(0)..=of(u8::MAX)).any(|(other, _)| *other != of(prefix))
    }

    /// Every object.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().map(|entry| &entry.object)
    }

    /// The addresses of one interface, in the kernel's order.
    pub fn addresses_of(&self, index: u32) -> impl Iterator<Item = &Address> {
        let of = self.order.range((index, 0)..=(index, u64::MAX));
        of.filter_map(|(_, key)| match self.object(key)? {
            Object::Address(address) => Some(address),
            Object::Link(_) | Object::Route(_) | Object::Rule(_) => None,
        })
    }

    /// Whether an interface has this address and may send from it: that of `index`, of an address that means one link
    /// only.
    pub fn has_address(&self, address: &IpAddr, index: u32) -> bool {
        let on = |index| self.addresses_of(index).any(|known| known.address == *address && !known.tentative);
        match address {
            IpAddr::V4(_) => self.places.contains_key(address),
            IpAddr::V6(v6) if v6.is_unicast_link_local() => on(index),
            IpAddr::V6(_) => self.places.contains_key(address) && self.links().any(|(index, _)| on(index)),
        }
    }

    /// No notification has been lost since the last reading.
    pub fn is_current(&self) -> bool {
        self.pending.is_none()
    }

    /// A notification was lost, or the first reading is to be made: a [`Reading`] must follow.
    pub fn expect_reading(&mut self) {
        self.pending = Some(Vec::new());
    }

    /// Takes a reading in, and behind it what was notified while it was made.
    pub fn read(&mut self, reading: Reading) {
        let since = self.pending.take().unwrap_or_default();
        let asked = std::mem::take(&mut self.asked);
        let mut new = Self { sequence: self.sequence, ..Self::default() };
        for change in reading.found.into_iter().chain(since) {
            new.apply(change);
        }
        // Whoever asks compares everything anew.
        new.silent.clear();
        new.asked = asked;
        *self = new;
    }

    /// The tables could not be read: what is known stays.
    pub fn read_failed(&mut self) {
        self.pending = None;
    }

    /// What has gone along with something else since the last call, and the kernel tells nobody of.
    pub fn take_silent(&mut self) -> Vec<Key> {
        std::mem::take(&mut self.silent)
    }

    /// Takes a notification in; false: it is no news.
    pub fn apply(&mut self, change: Change) -> bool {
        if let Some(pending) = &mut self.pending {
            pending.push(change.clone());
        }
        match change {
            Change::Link(index, link) => {
                if self.links.get(&index) == Some(&link) {
                    return false;
                }
                if self.links.get(&index).is_some_and(|known| known.name != link.name) {
                    self.forget_name(index);
                }
                self.names.insert(link.name.clone(), index);
                let enabled = link.enabled;
                if let Some(object) = link.object(index) {
                    self.note(&object.key(), true);
                    self.added(object);
                }
                self.links.insert(index, link);
                if !enabled {
                    self.routes_go(|kernel, route| kernel.leads_to_the_dead(route));
                }
                true
            }
            Change::LinkGone(index) => {
                self.forget_name(index);
                let gone: Vec<Key> =
                    self.order.range((index, 0)..=(index, u64::MAX)).map(|(_, key)| key.clone()).collect();
                for key in &gone {
                    self.removed(key);
                }
                let known = self.links.remove(&index).is_some();
                self.routes_go(|kernel, route| kernel.leads_to_the_dead(route));
                known
            }
            Change::Added(object) => {
                self.note(&object.key(), true);
                self.added(object)
            }
            Change::Removed(object) => {
                self.note(&object.key(), false);
                if let Object::Route(gone) = &object
                    && self.loses_hops(gone)
                {
                    return true;
                }
                self.removed(&object.key())
            }
            Change::Replaced(route) => self.replaced(route),
        }
    }

    /// Another one may have been meant: whoever has lost one sets it again, and the kernel says that it is there.
    fn replaced(&mut self, new: Route) -> bool {
        let key = new.key();
        self.note(&Key::from(key), true);
        let same = |old: &&Key| matches!(old, Key::Route(old) if **old != key && old.is_replaced_by(&key));
        let gone: Vec<Key> = self.objects.keys().filter(same).cloned().collect();
        for key in &gone {
            self.note(key, false);
            self.removed(key);
        }
        let ours = new.protocol == PROTOCOL;
        let news = !gone.is_empty();
        self.silent.extend(gone);
        (ours && self.added(Object::from(new))) || news
    }

    /// IPv4 routes vanish without a word.
    fn routes_go(&mut self, does: impl Fn(&Self, &Route) -> bool) {
        let goes = |(key, entry): (&Key, &Entry)| match &entry.object {
            Object::Route(route) if route.to.is_ipv4() && does(self, route) => Some(key.clone()),
            _ => None,
        };
        let gone: Vec<Key> = self.objects.iter().filter_map(goes).collect();
        for key in &gone {
            self.note(key, false);
            self.removed(key);
        }
        self.silent.extend(gone);
    }

    /// Every hop of it is on an interface that is off or gone.
    fn leads_to_the_dead(&self, route: &Route) -> bool {
        let dead = |index| index != 0 && self.links.get(&index).is_none_or(|link| !link.enabled);
        !route.hops.is_empty() && route.hops.iter().all(|hop| dead(hop.index))
    }

    /// An IPv4 address has gone, and with it the routes that send from it; with the last one of its interface all that
    /// lead there.
    fn address_goes(&mut self, index: u32, address: IpAddr) {
        let here = self.places.contains_key(&address);
        let v4 = |key: &Key| matches!(key, Key::Address { address: IpAddr::V4(_), .. });
        let more = self.order.range((index, 0)..=(index, u64::MAX)).any(|(_, key)| v4(key));
        self.routes_go(|_, route| {
            let leads_there = || !route.hops.is_empty() && route.hops.iter().all(|hop| hop.index == index);
            (!here && route.source == Some(address)) || (!more && leads_there())
        });
    }

    /// Something is asked of the kernel: from now on what it tells may be about that, or about what comes after it.
    pub fn ask(&mut self, operations: &[Operation]) {
        for operation in operations {
            self.asked.entry(operation.key()).or_default().operations += 1;
        }
    }

    fn note(&mut self, key: &Key, there: bool) {
        /// More than any object goes through between a request and its answer.
        const MOST: usize = 256;
        if let Some(asked) = self.asked.get_mut(key)
            && asked.told.back() != Some(&there)
            && asked.told.len() < MOST
        {
            asked.told.push_back(there);
        }
    }

    /// Takes the answer to an operation in; `done`: the kernel has carried it out. It may have told of that already, and
    /// of what others did to the object since: then what it told last holds.
    pub fn answered(&mut self, operation: &Operation, done: bool) {
        let key = operation.key();
        let adds = operation.sets().is_some();
        let mut is_told = false;
        if let Some(asked) = self.asked.get_mut(&key) {
            if done && let Some(at) = asked.told.iter().position(|there| *there == adds) {
                asked.told.drain(..=at);
                is_told = true;
            }
            asked.operations -= 1;
            if asked.operations == 0 {
                self.asked.remove(&key);
            }
        }
        if !done || is_told {
            return;
        }
        let _news = match operation {
            Operation::Add(object) | Operation::Amend(object) => {
                !self.objects.contains_key(&key) && self.added(object.clone())
            }
            Operation::Remove(_) => self.removed(&key),
        };
    }

    /// One hop of an IPv6 route has gone, and others of it stay: theirs are routes of their own to the kernel.
    fn loses_hops(&mut self, gone: &Route) -> bool {
        let Some(Entry { object: Object::Route(known), .. }) = self.objects.get_mut(&Key::from(gone.key()))
        else {
            return false;
        };
        let before = known.hops.len();
        if known.to.is_ipv4() || before <= gone.hops.len() {
            return false;
        }
        let same = |one: &Hop, other: &Hop| one.via == other.via && one.index == other.index;
        known.hops.retain(|hop| !gone.hops.iter().any(|other| same(hop, other)));
        if known.hops.len() == before {
            // It is about another one than what is known: whoever wants this one finds out.
            return false;
        }
        if gone.protocol != PROTOCOL {
            // The protocol was that of any of them. With the hop of another what stays is ours.
            known.protocol = PROTOCOL;
        }
        true
    }

    fn forget_name(&mut self, index: u32) {
        if let Some(old) = self.links.get(&index)
            && self.names.get(&old.name) == Some(&index)
        {
            let key = Device::new(&old.name).map(Key::Link);
            self.names.remove(&old.name);
            if let Some(key) = key {
                self.note(&key, false);
                self.removed(&key);
            }
        }
    }

    fn added(&mut self, object: Object) -> bool {
        let key = object.key();
        if let Some(known) = self.objects.get_mut(&key) {
            return std::mem::replace(&mut known.object, object.clone()) != object;
        }
        self.sequence += 1;
        if let Key::Address { index, address, .. } = key {
            self.order.insert((index, self.sequence), key.clone());
            *self.places.entry(address).or_default() += 1;
        }
        self.objects.insert(key, Entry { object, sequence: self.sequence });
        true
    }

    fn removed(&mut self, key: &Key) -> bool {
        let Some(entry) = self.objects.remove(key) else { return false };
        if let Key::Address { index, address, .. } = *key {
            self.order.remove(&(index, entry.sequence));
            if let Some(places) = self.places.get_mut(&address) {
                *places -= 1;
                if *places == 0 {
                    self.places.remove(&address);
                }
            }
            if address.is_ipv4() {
                self.address_goes(index, address);
            }
        }
        true
    }
}

impl From<Reading> for Kernel {
    fn from(reading: Reading) -> Self {
        let mut kernel = Self::default();
        kernel.read(reading);
        kernel
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::object::Rule;

    fn address(last: u8) -> Object {
        Object::Address(Address::new(7, IpAddr::from([192, 168, 100, last]), 32))
    }

    fn link(name: &str) -> LinkState {
        LinkState::ethernet(name)
    }

    /// All but the interfaces.
    fn objects(kernel: &Kernel) -> impl Iterator<Item = &Object> {
        kernel.objects().filter(|object| !matches!(object, Object::Link(_)))
    }

    fn listed(kernel: &Kernel) -> Vec<Object> {
        kernel.addresses_of(7).cloned().map(Object::Address).collect()
    }

    #[test]
    fn what_was_carried_out_is_no_news_when_the_kernel_tells_it() {
        let mut kernel = Kernel::default();
        kernel.answered(&Operation::Add(address(1)), true);
        assert!(!kernel.apply(Change::Added(address(1))));
        kernel.answered(&Operation::Remove(address(1)), true);
        assert!(!kernel.apply(Change::Removed(address(1))));
    }

    /// The kernel tells of our own operations and of those of others before the answer comes, in the order in which they
    /// happened.
    #[test]
    fn what_others_do_before_the_answer_comes_holds() {
        let (add, remove) = (Operation::Add(address(1)), Operation::Remove(address(1)));
        let there = |before: bool, asked: &[&Operation], told: &[bool], later: &[bool]| {
            let mut kernel = Kernel::default();
            let tell = |kernel: &mut Kernel, told: &[bool]| {
                for there in told {
                    let change = if *there { Change::Added } else { Change::Removed };
                    kernel.apply(change(address(1)));
                }
            };
            tell(&mut kernel, if before { &[true] } else { &[] });
            kernel.ask(&asked.iter().map(|one| (*one).clone()).collect::<Vec<_>>());
            tell(&mut kernel, told);
            asked.iter().for_each(|one| kernel.answered(one, true));
            tell(&mut kernel, later);
            assert!(kernel.asked.is_empty());
            kernel.object(&add.key()).is_some()
        };
        for (before, asked, told, later, expected) in [
            // Told before the answer, or after it.
            (false, &[&add][..], &[true][..], &[][..], true),
            (false, &[&add], &[], &[true], true),
            // Somebody takes it away at once.
            (false, &[&add], &[true, false], &[], false),
            (false, &[&add], &[true], &[false], false),
            (false, &[&add], &[], &[true, false], false),
            (false, &[&add], &[true, false, true], &[], true),
            // It had gone before we set it.
            (true, &[&add], &[false], &[true], true),
            (true, &[&remove], &[false], &[], false),
            (true, &[&remove], &[], &[false], false),
            // Somebody sets it at once.
            (true, &[&remove], &[false, true], &[], true),
            (true, &[&remove], &[false], &[true], true),
            // Something else in its place.
            (true, &[&remove, &add], &[false, true], &[], true),
            (true, &[&remove, &add], &[], &[false, true], true),
            (true, &[&remove, &add], &[false], &[true], true),
            (true, &[&remove, &add], &[false, true, false], &[], false),
        ] {
            assert_eq!(there(before, asked, told, later), expected, "{before} {asked:?} {told:?} {later:?}");
        }
    }

    #[test]
    fn a_hop_that_goes_leaves_the_others_of_its_route() {
        let hop = |last| Hop {
            via: Some(format!("2001:db8::{last}").parse().unwrap()),
            index: 7,
            ..Hop::default()
        };
        let to = "2001:db8:9::".parse().unwrap();
        let by = |protocol, hops: Vec<Hop>| Object::from(Route { to, protocol, ..route(1, hops) });
        let of = |hops: Vec<Hop>| by(PROTOCOL, hops);
        let mut kernel = Kernel::default();
        kernel.apply(Change::Added(of(vec![hop(1), hop(2)])));
        assert!(kernel.apply(Change::Removed(of(vec![hop(1)]))));
        assert_eq!(objects(&kernel).collect::<Vec<_>>(), [&of(vec![hop(2)])]);
        assert!(kernel.apply(Change::Removed(of(vec![hop(2)]))));
        assert_eq!(objects(&kernel).count(), 0);
        // Both had the protocol of the other one's.
        let foreign = PROTOCOL + 1;
        kernel.apply(Change::Added(by(foreign, vec![hop(1), hop(2)])));
        kernel.apply(Change::Removed(by(foreign, vec![hop(2)])));
        assert_eq!(objects(&kernel).collect::<Vec<_>>(), [&of(vec![hop(1)])]);
    }

    #[test]
    fn a_renamed_link_is_found_by_its_new_name_alone() {
        let mut kernel = Kernel::default();
        kernel.apply(Change::Link(7, link("eth0")));
        kernel.apply(Change::Link(7, link("lan")));
        assert!(kernel.link_by_name("eth0").is_none());
        assert_eq!(kernel.link_by_name("lan").map(|(index, _)| index), Some(7));
        // The old name goes to another link before the new one is told.
        kernel.apply(Change::Link(8, link("lan")));
        kernel.apply(Change::Link(7, link("wan")));
        assert_eq!(kernel.link_by_name("lan").map(|(index, _)| index), Some(8));
    }

    #[test]
    fn a_link_that_goes_takes_its_addresses_along() {
        let mut kernel = Kernel::default();
        kernel.apply(Change::Link(7, link("eth0")));
        kernel.apply(Change::Added(address(1)));
        kernel.apply(Change::LinkGone(7));
        assert_eq!(listed(&kernel), []);
        assert!(kernel.link_by_name("eth0").is_none());
    }

    #[test]
    fn addresses_keep_the_order_of_the_kernel() {
        let mut kernel = Kernel::default();
        for last in [9, 3, 5] {
            kernel.apply(Change::Added(address(last)));
        }
        kernel.apply(Change::Added(address(9)));
        assert_eq!(listed(&kernel), [address(9), address(3), address(5)]);
    }

    /// What changes while a reading is made is in it or not, and told in any case.
    #[test]
    fn what_is_told_during_a_reading_counts_behind_it() {
        let mut kernel = Kernel::default();
        kernel.apply(Change::Added(address(1)));
        kernel.expect_reading();
        assert!(!kernel.is_current());
        kernel.apply(Change::Removed(address(1)));
        kernel.apply(Change::Added(address(2)));
        let found = vec![Change::Added(address(1)), Change::Added(address(3))];
        kernel.read(Reading { found, complete: true });
        assert!(kernel.is_current());
        assert_eq!(listed(&kernel), [address(3), address(2)]);
    }

    fn route(last: u8, hops: Vec<Hop>) -> Route {
        Route::new(IpAddr::from([10, last, 0, 0]), 16, hops)
    }

    fn through(index: u32) -> Hop {
        Hop { index, via: Some(IpAddr::from([192, 168, 100, 254])), ..Hop::default() }
    }

    fn with(all: &[Object]) -> Kernel {
        let mut kernel = Kernel::default();
        kernel.apply(Change::Link(7, link("eth0")));
        kernel.apply(Change::Link(8, link("eth1")));
        for object in all {
            kernel.apply(Change::Added(object.clone()));
        }
        kernel
    }

    #[test]
    fn ipv4_routes_go_with_their_interface_and_no_carrier_is_not_enough() {
        let [one, both] = [route(1, vec![through(7)]), route(2, vec![through(7), through(8)])];
        let rule = Object::from(Rule::parse("inet priority 5 iif eth0 nop").unwrap());
        let six = Route { to: "2001:db8::".parse().unwrap(), ..one.clone() };
        let all = [Object::from(one.clone()), Object::from(both.clone()), rule, Object::from(six)];
        let mut kernel = with(&all);
        kernel.apply(Change::Link(7, LinkState { up: false, ..link("eth0") }));
        assert_eq!(kernel.take_silent(), []);
        kernel.apply(Change::Link(7, LinkState { up: false, enabled: false, ..link("eth0") }));
        assert_eq!(kernel.take_silent(), [Key::from(one.key())]);
        kernel.apply(Change::LinkGone(8));
        assert_eq!(kernel.take_silent(), [Key::from(both.key())]);
        assert_eq!(objects(&kernel).count(), 2, "the kernel tells of IPv6 routes, and rules stay");
    }

    #[test]
    fn ipv4_routes_go_with_their_source_and_with_the_last_address_of_their_interface() {
        let source = Some(IpAddr::from([192, 168, 100, 1]));
        let [from, plain] = [Route { source, ..route(1, vec![through(7)]) }, route(2, vec![through(7)])];
        let mut kernel =
            with(&[address(1), address(2), Object::from(from.clone()), Object::from(plain.clone())]);
        kernel.apply(Change::Removed(address(1)));
        assert_eq!(kernel.take_silent(), [Key::from(from.key())]);
        kernel.apply(Change::Removed(address(2)));
        assert_eq!(kernel.take_silent(), [Key::from(plain.key())]);
    }

    #[test]
    fn a_route_that_replaces_ours_takes_it_away() {
        let ours = route(1, vec![through(7)]);
        let other = Route { protocol: 4, ..route(1, vec![through(8)]) };
        let mut kernel = with(&[Object::from(ours.clone())]);
        assert!(!kernel.apply(Change::Replaced(Route { metric: 5, ..other.clone() })));
        assert!(kernel.apply(Change::Replaced(other)));
        assert_eq!(kernel.take_silent(), [Key::from(ours.key())]);
        assert_eq!(objects(&kernel).count(), 0);
    }
}
