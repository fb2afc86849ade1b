//! A virtual kernel: links, addresses, a queue of notifications that overruns, and answers that refuse.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use directord::net::kernel::{Change, LinkState, Reading};
use directord::net::object::{Address, Key, Object, Operation};

/// Notifications that wait; more are lost.
const QUEUE: usize = 24;

#[derive(Debug, Clone, Default)]
pub(crate) struct Kernel {
    links: BTreeMap<u32, LinkState>,
    /// In the order in which they came.
    addresses: Vec<Address>,
    queue: VecDeque<Change>,
    overrun: bool,
    last_index: u32,
    /// It does not set these.
    pub(crate) refuses: BTreeSet<IpAddr>,
    /// It does not remove these.
    pub(crate) keeps: BTreeSet<IpAddr>,
    /// No socket opens.
    pub(crate) no_sockets: bool,
}

impl Kernel {
    pub(crate) fn index(&self, name: &str) -> Option<u32> {
        self.links.iter().find(|(_, link)| link.name == name).map(|(index, _)| *index)
    }

    pub(crate) fn has_link(&self, index: u32) -> bool {
        self.links.contains_key(&index)
    }

    pub(crate) fn is_up(&self, name: &str) -> bool {
        self.index(name).is_some_and(|index| self.links[&index].up)
    }

    /// An interface with its own address, up.
    pub(crate) fn plug(&mut self, name: &str, address: IpAddr) {
        if self.index(name).is_some() {
            return;
        }
        self.last_index += 1;
        let link = LinkState {
            name: name.into(),
            up: true,
            multicast: true,
            loopback: false,
            no_arp: false,
            mtu: 1500,
            hardware_type: 1,
            mac: vec![2, 0, 0, 0, 0, 1],
        };
        let index = self.last_index;
        self.links.insert(index, link.clone());
        self.tell(Change::Link(index, link));
        self.set(name, address, 24);
    }

    pub(crate) fn unplug(&mut self, name: &str) {
        let Some(index) = self.index(name) else { return };
        for address in self.addresses.extract_if(.., |address| address.index == index).collect::<Vec<_>>() {
            self.tell(Change::Removed(Object::Address(address)));
        }
        self.links.remove(&index);
        self.tell(Change::LinkGone(index));
    }

    pub(crate) fn set_up(&mut self, name: &str, up: bool) {
        let Some(index) = self.index(name) else { return };
        let link = self.links.get_mut(&index).unwrap();
        link.up = up;
        let link = link.clone();
        self.tell(Change::Link(index, link));
    }

    /// The host sets an address.
    pub(crate) fn set(&mut self, name: &str, address: IpAddr, prefix: u8) {
        let Some(index) = self.index(name) else { return };
        let (scope, label, broadcast, protocol) = (0, Some(name.to_owned()), None, 0);
        let address = Address { index, address, prefix, scope, label, broadcast, protocol, secondary: false };
        self.add(address);
    }

    /// Somebody removes an address.
    pub(crate) fn unset(&mut self, address: IpAddr) {
        let found = self.addresses.iter().find(|known| known.address == address).cloned();
        if let Some(found) = found {
            self.remove(&Object::Address(found).key());
        }
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
                } else if self.find(&Object::Address(address.clone()).key()).is_some() {
                    libc::EEXIST
                } else {
                    self.add(address.clone());
                    0
                }
            }
            Operation::Remove(object) => {
                let Key::Address { index, address, .. } = object.key();
                if !self.links.contains_key(&index) {
                    libc::ENODEV
                } else if self.find(&object.key()).is_none() {
                    libc::EADDRNOTAVAIL
                } else if self.keeps.contains(&address) {
                    libc::EPERM
                } else {
                    self.remove(&object.key());
                    0
                }
            }
        }
    }

    /// A dump of the tables.
    pub(crate) fn read(&self) -> Reading {
        let links = self.links.iter().map(|(index, link)| Change::Link(*index, link.clone()));
        let addresses = self.addresses.iter().map(|address| Change::Added(Object::Address(address.clone())));
        Reading { found: links.chain(addresses).collect(), complete: true }
    }

    /// What waits in the queue, and whether something was lost.
    pub(crate) fn notifications(&mut self) -> (Vec<Change>, bool) {
        (self.queue.drain(..).collect(), std::mem::take(&mut self.overrun))
    }

    pub(crate) fn has_notifications(&self) -> bool {
        !self.queue.is_empty() || self.overrun
    }

    fn find(&self, key: &Key) -> Option<usize> {
        self.addresses.iter().position(|known| Object::Address(known.clone()).key() == *key)
    }

    fn add(&mut self, mut address: Address) {
        let key = Object::Address(address.clone()).key();
        if self.find(&key).is_some() {
            return;
        }
        address.secondary = self
            .addresses
            .iter()
            .any(|known| !known.secondary && Object::Address(known.clone()).key().shares_subnet(&key));
        address.label = address.label.or_else(|| Some(self.links[&address.index].name.clone()));
        self.addresses.push(address.clone());
        self.tell(Change::Added(Object::Address(address)));
    }

    /// With the first address of a subnet the others go (`promote_secondaries` is off).
    fn remove(&mut self, key: &Key) {
        let Some(at) = self.find(key) else { return };
        let gone = self.addresses.remove(at);
        if !gone.secondary {
            let along = |known: &mut Address| {
                known.secondary && key.shares_subnet(&Object::Address(known.clone()).key())
            };
            for address in self.addresses.extract_if(.., along).collect::<Vec<_>>() {
                self.tell(Change::Removed(Object::Address(address)));
            }
        }
        self.tell(Change::Removed(Object::Address(gone)));
    }

    fn tell(&mut self, change: Change) {
        if self.queue.len() < QUEUE && !self.overrun {
            self.queue.push_back(change);
        } else {
            self.overrun = true;
        }
    }
}
