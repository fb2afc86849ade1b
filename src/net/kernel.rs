//! The kernel's links and addresses as values: a mirror that a dump begins and its notifications keep current.
//!
//! Invariant: once [`Kernel::is_current`], the mirror is what the kernel had when the last notification was sent. A
//! notification that was lost makes it stale until a new dump is in; what is notified while that dump is made is
//! applied once more behind it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::object::{Key, Object, Operation};

/// One interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkState {
    /// Its name.
    pub name: String,
    /// IFF_UP and IFF_RUNNING.
    pub up: bool,
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
}

/// A reading of the tables.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Links and addresses, in the kernel's order.
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
    sequence: u64,
    /// A reading has been asked for; what has been notified since.
    pending: Option<Vec<Change>>,
}

#[derive(Debug, Clone)]
struct Entry {
    object: Object,
    sequence: u64,
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

    /// The object with this key.
    pub fn object(&self, key: &Key) -> Option<&Object> {
        self.objects.get(key).map(|entry| &entry.object)
    }

    /// Every object.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.values().map(|entry| &entry.object)
    }

    /// The objects of one interface, in the kernel's order.
    pub fn objects_of(&self, index: u32) -> impl Iterator<Item = &Object> {
        self.order.range((index, 0)..=(index, u64::MAX)).filter_map(|(_, key)| self.object(key))
    }

    /// Whether an interface has this address.
    pub fn has_address(&self, address: &IpAddr) -> bool {
        self.places.contains_key(address)
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
        let mut new = Self { sequence: self.sequence, ..Self::default() };
        for change in reading.found.into_iter().chain(since) {
            new.apply(change);
        }
        *self = new;
    }

    /// The tables could not be read: what is known stays.
    pub fn read_failed(&mut self) {
        self.pending = None;
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
                self.forget_name(index);
                self.names.insert(link.name.clone(), index);
                self.links.insert(index, link);
                true
            }
            Change::LinkGone(index) => {
                self.forget_name(index);
                let gone: Vec<Key> =
                    self.order.range((index, 0)..=(index, u64::MAX)).map(|(_, key)| *key).collect();
                for key in &gone {
                    self.removed(key);
                }
                self.links.remove(&index).is_some()
            }
            Change::Added(object) => self.added(object),
            Change::Removed(object) => self.removed(&object.key()),
        }
    }

    /// Takes an operation in that the kernel has carried out.
    pub fn carried_out(&mut self, operation: &Operation) {
        let _news = match operation {
            Operation::Add(object) => self.added(object.clone()),
            Operation::Remove(object) => self.removed(&object.key()),
        };
    }

    fn forget_name(&mut self, index: u32) {
        if let Some(old) = self.links.get(&index)
            && self.names.get(&old.name) == Some(&index)
        {
            self.names.remove(&old.name);
        }
    }

    fn added(&mut self, object: Object) -> bool {
        let key = object.key();
        if let Some(known) = self.objects.get_mut(&key) {
            return std::mem::replace(&mut known.object, object.clone()) != object;
        }
        self.sequence += 1;
        self.order.insert((key.index(), self.sequence), key);
        let Key::Address { address, .. } = key;
        *self.places.entry(address).or_default() += 1;
        self.objects.insert(key, Entry { object, sequence: self.sequence });
        true
    }

    fn removed(&mut self, key: &Key) -> bool {
        let Some(entry) = self.objects.remove(key) else { return false };
        self.order.remove(&(key.index(), entry.sequence));
        let Key::Address { address, .. } = key;
        if let Some(places) = self.places.get_mut(address) {
            *places -= 1;
            if *places == 0 {
                self.places.remove(address);
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
    use crate::net::object::{ADDRESS_PROTOCOL, Address};

    fn address(last: u8) -> Object {
        Object::Address(Address {
            index: 7,
            address: IpAddr::from([192, 168, 100, last]),
            prefix: 32,
            scope: 0,
            label: None,
            broadcast: None,
            protocol: ADDRESS_PROTOCOL,
            secondary: false,
        })
    }

    fn link(name: &str) -> LinkState {
        LinkState {
            name: name.into(),
            up: true,
            multicast: true,
            loopback: false,
            no_arp: false,
            mtu: 1500,
            hardware_type: 1,
            mac: vec![2, 0, 0, 0, 0, 1],
        }
    }

    fn listed(kernel: &Kernel) -> Vec<Object> {
        kernel.objects_of(7).cloned().collect()
    }

    #[test]
    fn what_was_carried_out_is_no_news_when_the_kernel_tells_it() {
        let mut kernel = Kernel::default();
        kernel.carried_out(&Operation::Add(address(1)));
        assert!(!kernel.apply(Change::Added(address(1))));
        kernel.carried_out(&Operation::Remove(address(1)));
        assert!(!kernel.apply(Change::Removed(address(1))));
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
}
