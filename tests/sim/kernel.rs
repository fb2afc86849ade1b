//! A virtual kernel: links, addresses, routes, rules, a queue of notifications that overruns, and answers that refuse.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use directord::net::firewall::{Batch, Element};
use directord::net::kernel::{Change, LinkState, Reading};
use directord::net::object::{Address, Key, Link, Object, Operation, Route, Rule};
use directord::net::settings::{AllHeld, Setting, Wanted, Write, plan};

/// Notifications that wait; more are lost.
const QUEUE: usize = 24;

#[derive(Debug, Clone, Default)]
pub(crate) struct Kernel {
    /// Of its host: the interfaces have it in their addresses.
    number: u8,
    links: BTreeMap<u32, LinkState>,
    /// In the order in which they came.
    addresses: Vec<Address>,
    routes: Vec<Route>,
    rules: Vec<Rule>,
    queue: VecDeque<Change>,
    overrun: bool,
    last_index: u32,
    /// It does not set these, and no route to them.
    pub(crate) refuses: BTreeSet<IpAddr>,
    /// It does not remove these, and no route to them.
    pub(crate) keeps: BTreeSet<IpAddr>,
    /// What was written of the settings of interfaces; the others are 0.
    settings: BTreeMap<Setting, u32>,
    /// No socket opens.
    pub(crate) no_sockets: bool,
    /// Tables of the packet filter, by name: whose traffic is dropped.
    pub(crate) tables: BTreeMap<String, BTreeSet<Element>>,
    /// It takes no table.
    pub(crate) no_filter: bool,
    /// Somebody has taken the tables away, and nobody has made one since.
    pub(crate) flushed: bool,
}

impl Kernel {
    pub(crate) fn new(number: u8) -> Self {
        Self { number, ..Self::default() }
    }

    /// That of the next start.
    pub(crate) fn restarted(&self) -> Self {
        Self::new(self.number)
    }

    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.links.iter().find(|(_, link)| link.name == name).map(|(index, _)| *index)
    }

    pub(crate) fn name(&self, index: u32) -> Option<&str> {
        self.links.get(&index).map(|link| link.name.as_str())
    }

    pub(crate) fn has_link(&self, index: u32) -> bool {
        self.links.contains_key(&index)
    }

    pub(crate) fn is_up(&self, name: &str) -> bool {
        self.index(name).is_some_and(|index| self.links[&index].up)
    }

    /// A new interface, without addresses.
    pub(crate) fn plug(&mut self, name: &str) {
        if self.index(name).is_some() {
            return;
        }
        let place = u8::try_from(self.last_index).unwrap_or(u8::MAX);
        let mac = vec![2, 0, 0, 0, place, self.number];
        self.insert(LinkState { mac, ..LinkState::ethernet(name) });
    }

    fn insert(&mut self, link: LinkState) {
        self.last_index += 1;
        let index = self.last_index;
        self.links.insert(index, link.clone());
        self.tell(Change::Link(index, link));
    }

    pub(crate) fn unplug(&mut self, name: &str) {
        let Some(index) = self.index(name) else { return };
        let above = self.links.values().filter(|link| link.base == index).map(|link| link.name.clone());
        for name in above.collect::<Vec<String>>() {
            self.unplug(&name);
        }
        for address in self.addresses.extract_if(.., |address| address.index == index).collect::<Vec<_>>() {
            self.tell(Change::Removed(Object::Address(address)));
        }
        self.links.remove(&index);
        self.settings.retain(|setting, _| setting.path().split('/').nth(3) != Some(name));
        self.forget_routes();
        self.tell(Change::LinkGone(index));
    }

    pub(crate) fn set_up(&mut self, name: &str, up: bool) {
        let Some(index) = self.index(name) else { return };
        self.links.get_mut(&index).unwrap().enabled = up;
        self.forget_routes();
        self.carry();
    }

    /// What is above an interface has the carrier of that one.
    fn carry(&mut self) {
        let all = self.links.clone();
        let mut changed = Vec::new();
        for (index, link) in &mut self.links {
            let below = link.base == 0 || all.get(&link.base).is_some_and(|base| base.enabled);
            link.up = link.enabled && below;
            if all[index].up != link.up || !below {
                changed.push(Change::Link(*index, link.clone()));
            }
        }
        changed.into_iter().for_each(|change| self.tell(change));
    }

    fn setting(&self, setting: &Setting) -> Option<u32> {
        let of_none = setting.path().split('/').nth(2) != Some("conf");
        let exists = setting.path().split('/').nth(3).is_some_and(|name| self.index(name).is_some());
        (of_none || exists).then(|| self.settings.get(setting).copied().unwrap_or(0))
    }

    fn promotes(&self, index: u32) -> bool {
        let name = self.links.get(&index).map_or("", |link| link.name.as_str());
        self.setting(&Setting::of_interface(name, "promote_secondaries")) == Some(1)
    }

    /// Whether a router's address is answered for by the interface that has it alone.
    pub(crate) fn is_tuned(&self, interface: &str) -> bool {
        self.setting(&Setting::of_interface(interface, "arp_ignore")) == Some(1)
    }

    pub(crate) fn tune(&mut self, wanted: &Wanted, mut held: AllHeld) -> AllHeld {
        for write in plan(wanted, &held, &|setting| self.setting(setting), &BTreeMap::new()) {
            match write {
                Write::Set(setting, new) => {
                    self.settings.insert(setting.clone(), new.now);
                    held.insert(setting, new);
                }
                Write::Restore(setting, before) => {
                    held.remove(&setting);
                    self.settings.insert(setting, before);
                }
                Write::Forget(setting) => drop(held.remove(&setting)),
            }
        }
        held
    }

    /// The interface of this name that a virtual router has made, with its base.
    pub(crate) fn vmac(&self, name: &str) -> Option<&str> {
        let link = &self.links[&self.index(name)?];
        Some(&self.links.get(&link.base)?.name)
    }

    fn add_link(&mut self, link: &Link) -> i32 {
        let name = link.name.as_str();
        let Some(base) = self.links.get(&link.base).cloned() else { return libc::ENODEV };
        if self.index(name).is_none() {
            let own = LinkState {
                name: name.into(),
                mac: link.mac.0.to_vec(),
                base: link.base,
                kind: link.kind,
                up: false,
                enabled: false,
                ..base
            };
            self.insert(own);
        }
        self.set_up(name, true);
        0
    }

    /// The host sets an address.
    pub(crate) fn set(&mut self, name: &str, address: IpAddr, prefix: u8) {
        let Some(index) = self.index(name) else { return };
        let label = Some(name.to_owned());
        let address = Address { label, protocol: 0, ..Address::new(index, address, prefix) };
        self.add(address);
    }

    /// The host sets a rule.
    pub(crate) fn set_rule(&mut self, rule: Rule) {
        if !self.rules.contains(&rule) {
            self.rules.push(rule);
            self.tell(Change::Added(Object::from(rule)));
        }
    }

    /// Somebody removes a rule.
    pub(crate) fn unset_rule(&mut self, rule: &Rule) {
        if self.has_rule(rule) {
            self.rules.retain(|known| known != rule);
            self.tell(Change::Removed(Object::from(*rule)));
        }
    }

    /// Somebody removes the routes to a destination.
    pub(crate) fn unset_route(&mut self, to: IpAddr) {
        for route in self.routes.extract_if(.., |route| route.to == to).collect::<Vec<_>>() {
            self.tell(Change::Removed(Object::from(route)));
        }
    }

    /// Another program takes away what an operation has set; false: there is nothing.
    pub(crate) fn undo(&mut self, operation: &Operation) -> bool {
        match operation {
            Operation::Add(Object::Address(address)) => self.unset(address.address),
            Operation::Add(Object::Route(route)) => self.unset_route(route.to),
            Operation::Add(Object::Rule(rule)) => self.unset_rule(rule),
            Operation::Add(Object::Link(link)) => self.unplug(link.name.as_str()),
            Operation::Amend(_) | Operation::Remove(_) => return false,
        }
        true
    }

    /// Another program sets a route in the place of ours.
    pub(crate) fn replace_route(&mut self, to: IpAddr) {
        let Some(at) = self.routes.iter().position(|route| route.to == to && to.is_ipv4()) else { return };
        let route = self.routes.remove(at);
        // Where it leads does not matter here: routes of others are not kept.
        self.tell(Change::Replaced(Route { protocol: 4, ..route }));
    }

    pub(crate) fn has_rule(&self, rule: &Rule) -> bool {
        self.rules.contains(rule)
    }

    pub(crate) fn has_route(&self, to: IpAddr) -> bool {
        self.routes.iter().any(|route| route.to == to)
    }

    pub(crate) fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Somebody removes an address.
    pub(crate) fn unset(&mut self, address: IpAddr) {
        let found = self.addresses.iter().find(|known| known.address == address).map(key_of);
        if let Some(key) = found {
            self.remove(&key);
        }
    }

    /// What was set for some time only goes.
    pub(crate) fn expire(&mut self) {
        let lent = self.addresses.iter().filter(|known| known.valid.is_some());
        for address in lent.map(|known| known.address).collect::<Vec<_>>() {
            self.unset(address);
        }
    }

    /// Addresses that are here for some time only.
    pub(crate) fn lent(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().filter(|known| known.valid.is_some()).map(|known| known.address)
    }

    pub(crate) fn has(&self, address: IpAddr) -> bool {
        self.addresses.iter().any(|known| known.address == address)
    }

    /// Carries a request of the daemon out; the errno.
    pub(crate) fn carry_out(&mut self, operation: &Operation) -> i32 {
        match operation {
            Operation::Add(Object::Address(address)) => {
                if !self.links.contains_key(&address.index) {
                    libc::ENODEV
                } else if self.refuses.contains(&address.address) {
                    libc::EINVAL
                } else if self.find(&key_of(address)).is_some() {
                    libc::EEXIST
                } else {
                    self.add(address.clone());
                    0
                }
            }
            Operation::Amend(Object::Address(address)) => {
                if let Some(at) = self.find(&key_of(address)) {
                    // Its lifetimes, and nothing else.
                    let known = &mut self.addresses[at];
                    (known.preferred, known.valid) = (address.preferred, address.valid);
                    let known = known.clone();
                    self.tell(Change::Added(Object::Address(known)));
                    0
                } else {
                    // As the kernel: it does not ask whether it is there.
                    self.carry_out(&Operation::Add(Object::Address(address.clone())))
                }
            }
            Operation::Amend(_) => libc::EOPNOTSUPP,
            Operation::Add(Object::Link(link)) => self.add_link(link),
            Operation::Remove(Object::Link(link)) if !self.links.contains_key(&link.index) => libc::ENODEV,
            Operation::Remove(Object::Link(link)) => {
                let name = self.links[&link.index].name.clone();
                self.unplug(&name);
                0
            }
            Operation::Add(Object::Route(route)) => self.add_route((**route).clone()),
            Operation::Add(Object::Rule(rule)) if self.has_rule(rule) => libc::EEXIST,
            Operation::Add(Object::Rule(rule)) => {
                self.set_rule(**rule);
                0
            }
            Operation::Remove(Object::Rule(rule)) if !self.has_rule(rule) => libc::ENOENT,
            Operation::Remove(Object::Rule(rule)) => {
                self.unset_rule(rule);
                0
            }
            Operation::Remove(Object::Route(route)) => {
                let same = |known: &Route| known.key() == route.key();
                match self.routes.iter().position(same) {
                    None => libc::ESRCH,
                    Some(_) if self.keeps.contains(&route.to) => libc::EPERM,
                    Some(at) => {
                        let route = self.routes.remove(at);
                        self.tell(Change::Removed(Object::from(route)));
                        0
                    }
                }
            }
            Operation::Remove(Object::Address(one)) => {
                let (key, index, address) = (key_of(one), one.index, one.address);
                if !self.links.contains_key(&index) {
                    libc::ENODEV
                } else if self.find(&key).is_none() {
                    libc::EADDRNOTAVAIL
                } else if self.keeps.contains(&address) {
                    libc::EPERM
                } else {
                    self.remove(&key);
                    0
                }
            }
        }
    }

    /// Carries a change of the packet filter out; the errno.
    pub(crate) fn filter(&mut self, batch: &Batch) -> i32 {
        match batch {
            Batch::Build { .. } if self.no_filter => libc::EOPNOTSUPP,
            Batch::Build { plan, elements } => {
                self.tables.insert(plan.filter.table.clone(), elements.clone());
                self.flushed = false;
                0
            }
            Batch::Edit { plan, add, remove } => {
                let Some(elements) = self.tables.get_mut(&plan.filter.table) else { return libc::ENOENT };
                if self.no_filter {
                    return libc::ENOMEM;
                }
                if !remove.is_subset(elements) {
                    return libc::ENOENT;
                }
                elements.retain(|element| !remove.contains(element));
                elements.extend(add.iter().cloned());
                0
            }
            Batch::Clear(table) if self.tables.remove(table).is_none() => libc::ENOENT,
            Batch::Look(plan) if !self.tables.contains_key(&plan.filter.table) => Batch::CHANGED,
            Batch::Clear(_) | Batch::Look(_) => 0,
        }
    }

    /// Whether traffic of an address is dropped.
    pub(crate) fn drops(&self, address: IpAddr) -> bool {
        self.tables.values().flatten().any(|element| element.address == address)
    }

    /// A dump of the tables.
    pub(crate) fn read(&self) -> Reading {
        let links = self.links.iter().map(|(index, link)| Change::Link(*index, link.clone()));
        let addresses = self.addresses.iter().map(|address| Object::Address(address.clone()));
        let routes = self.routes.iter().map(|route| Object::from(route.clone()));
        let rules = self.rules.iter().map(|rule| Object::from(*rule));
        let objects = addresses.chain(routes).chain(rules).map(Change::Added);
        Reading { found: links.chain(objects).collect(), complete: true }
    }

    /// What waits in the queue, and whether something was lost.
    pub(crate) fn notifications(&mut self) -> (Vec<Change>, bool) {
        (self.queue.drain(..).collect(), std::mem::take(&mut self.overrun))
    }

    pub(crate) fn has_notifications(&self) -> bool {
        !self.queue.is_empty() || self.overrun
    }

    fn add_route(&mut self, mut route: Route) -> i32 {
        let hop = &mut route.hops[0];
        if let Some(via) = hop.via {
            let reaches = |address: &&Address| {
                let of = |address: IpAddr| Key::Address { index: 0, address, prefix: 24 };
                let up = self.links.get(&address.index).is_some_and(|link| link.enabled);
                up && address.prefix < 32 && of(via).shares_subnet(&of(address.address))
            };
            let Some(address) = self.addresses.iter().find(reaches) else { return libc::ENETUNREACH };
            hop.index = address.index;
        }
        match self.links.get(&hop.index) {
            None => return libc::ENODEV,
            Some(link) if !link.enabled => return libc::ENETDOWN,
            Some(_) => {}
        }
        if route.source.is_some_and(|source| !self.has(source)) {
            return libc::EINVAL;
        }
        if self.refuses.contains(&route.to) {
            return libc::EOPNOTSUPP;
        }
        if self.routes.iter().any(|known| known.key() == route.key()) {
            return libc::EEXIST;
        }
        self.routes.push(route.clone());
        self.tell(Change::Added(Object::from(route)));
        0
    }

    /// Routes go with their interface, their source, and the last IPv4 address of their interface. Only those of IPv6
    /// are told of.
    fn forget_routes(&mut self) {
        let (links, addresses) = (&self.links, &self.addresses);
        let goes = |route: &mut Route| {
            let index = route.hops[0].index;
            let enabled = links.get(&index).is_some_and(|link| link.enabled);
            let source = route.source.is_none_or(|source| addresses.iter().any(|one| one.address == source));
            let v4 = |one: &Address| one.index == index && one.address.is_ipv4();
            let any = route.to.is_ipv6() || addresses.iter().any(v4);
            !(enabled && source && any)
        };
        for route in self.routes.extract_if(.., goes).collect::<Vec<_>>() {
            if route.to.is_ipv6() {
                self.tell(Change::Removed(Object::from(route)));
            }
        }
    }

    fn find(&self, key: &Key) -> Option<usize> {
        self.addresses.iter().position(|known| key_of(known) == *key)
    }

    fn add(&mut self, mut address: Address) {
        let key = key_of(&address);
        if self.find(&key).is_some() {
            return;
        }
        address.secondary =
            self.addresses.iter().any(|known| !known.secondary && key_of(known).shares_subnet(&key));
        address.label = address.label.or_else(|| Some(self.links[&address.index].name.clone()));
        self.addresses.push(address.clone());
        self.tell(Change::Added(Object::Address(address)));
    }

    /// With the first address of a subnet the others go, or one of them takes its place (`promote_secondaries`).
    fn remove(&mut self, key: &Key) {
        let Some(at) = self.find(key) else { return };
        let gone = self.addresses.remove(at);
        let promotes = self.promotes(gone.index);
        let mut others =
            self.addresses.iter_mut().filter(|known| known.secondary && key.shares_subnet(&key_of(known)));
        if !gone.secondary && promotes {
            if let Some(next) = others.next() {
                next.secondary = false;
            }
        } else if !gone.secondary {
            let along = |known: &mut Address| known.secondary && key.shares_subnet(&key_of(known));
            for address in self.addresses.extract_if(.., along).collect::<Vec<_>>() {
                self.tell(Change::Removed(Object::Address(address)));
            }
        }
        self.tell(Change::Removed(Object::Address(gone)));
        self.forget_routes();
    }

    fn tell(&mut self, change: Change) {
        if self.queue.len() < QUEUE && !self.overrun {
            self.queue.push_back(change);
        } else {
            self.overrun = true;
        }
    }
}

/// That of an object, without making one.
fn key_of(one: &Address) -> Key {
    Key::Address { index: one.index, address: one.address, prefix: one.prefix }
}
