//! What an instance is known by over a reload, and what it may leave in the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde::Serialize;

use crate::config::model::{Family, Instance, InterfaceName, VirtualAddress, Vrid};
use crate::net::kernel::Kernel;
use crate::net::object::{ADDRESS_PROTOCOL, Address, Key, Object};

/// What makes an instance of a reload the same as a running one: not its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    interface: InterfaceName,
    vrid: Vrid,
    family: Family,
    /// Adverts go to a group: which one; or to peers: from which address.
    group: Option<IpAddr>,
    source: Option<IpAddr>,
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
        }
    }
}

/// An address that a process may have set, in the words of a file that outlives it: an index does not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Claim {
    /// Name of the interface.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
}

impl Claim {
    pub(super) fn of(key: &Key, interface: &str) -> Self {
        let Key::Address { address, prefix, .. } = *key;
        Self { interface: interface.to_owned(), address, prefix }
    }

    /// The keys that it means now. An interface that is not found by its name may have another one by now.
    pub(super) fn find(&self, kernel: &Kernel) -> Vec<Key> {
        let key = |index| Key::Address { index, address: self.address, prefix: self.prefix };
        let there = |key: &Key| kernel.object(key).is_some();
        match kernel.link_by_name(&self.interface) {
            Some((index, _)) => Some(key(index)).filter(there).into_iter().collect(),
            None => kernel.objects().map(Object::key).filter(|other| *other == key(other.index())).collect(),
        }
    }
}

/// What `instances` may set without touching what is the host's: what the kernel has and `record` does not name is.
pub fn new_claims(instances: &[Instance], record: &BTreeSet<Claim>, kernel: &Kernel) -> BTreeSet<Claim> {
    let all = instances.iter().flat_map(|instance| objects(instance, kernel).into_keys());
    let claim = |key: Key| {
        let claim = Claim::of(&key, &kernel.link(key.index())?.name);
        let hosts = kernel.object(&key).is_some() && !record.contains(&claim);
        (!hosts).then_some(claim)
    };
    all.filter_map(claim).collect()
}

/// The objects of `instance` on the interfaces that exist.
pub(super) fn objects(instance: &Instance, kernel: &Kernel) -> BTreeMap<Key, Object> {
    let all = instance.all_addresses().filter_map(|address| object(instance, address, kernel));
    all.map(|object| (object.key(), object)).collect()
}

/// How the kernel would show `address`. `None`: its interface does not exist.
pub(super) fn object(instance: &Instance, address: &VirtualAddress, kernel: &Kernel) -> Option<Object> {
    let interface = address.interface.as_ref().unwrap_or(&instance.interface);
    let (index, _) = kernel.link_by_name(interface.as_str())?;
    Some(Object::Address(Address {
        index,
        address: address.address,
        prefix: address.prefix,
        scope: address.scope,
        label: address.label.clone(),
        broadcast: address.broadcast,
        protocol: ADDRESS_PROTOCOL,
        secondary: false,
    }))
}
