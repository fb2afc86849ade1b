//! Virtual addresses: which ought to be on this node, and the operations that get there.
//!
//! Ours is what an instance configures, and what this process has set. Ours and not wanted is removed; wanted and
//! missing is added; everything else on the node is left alone.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use crate::config::model::{Instance, VirtualAddress};

use super::kernel::{ADDRESS_PROTOCOL, Assigned, Kernel, Operation};

/// An address and whether it ought to be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// As the kernel would show it.
    pub assigned: Assigned,
    /// Held by a master; otherwise it must be absent.
    pub held: bool,
}

/// The addresses of `instance` on the interfaces that exist; `held` while it is master.
pub fn desired(instance: &Instance, held: bool, kernel: &Kernel) -> Vec<Desired> {
    let all = instance.all_addresses();
    all.filter_map(|address| Some(Desired { assigned: assigned(instance, address, kernel)?, held })).collect()
}

/// How the kernel would show `address`. `None`: its interface does not exist, or it is no IPv4 address.
pub fn assigned(instance: &Instance, address: &VirtualAddress, kernel: &Kernel) -> Option<Assigned> {
    let IpAddr::V4(ip) = address.address else { return None };
    let interface = address.interface.as_ref().unwrap_or(&instance.interface);
    let (index, _) = kernel.link_by_name(interface.as_str())?;
    Some(Assigned {
        index,
        address: ip,
        prefix: address.prefix,
        scope: address.scope,
        label: address.label.clone(),
        broadcast: address.broadcast,
        protocol: ADDRESS_PROTOCOL,
        secondary: false,
    })
}

/// Interface index, address and prefix length: the kernel's key of an address.
pub type Key = (u32, Ipv4Addr, u8);

/// The key of `assigned`.
pub fn key(assigned: &Assigned) -> Key {
    (assigned.index, assigned.address, assigned.prefix)
}

/// The fewest operations from what the kernel has to `desired`: removals first. `set` is what this process has
/// set so far.
pub fn diff(desired: &[Desired], set: &BTreeSet<Key>, kernel: &Kernel) -> Vec<Operation> {
    let mut operations = Vec::new();
    for actual in kernel.addresses() {
        let wanted = desired.iter().filter(|desired| key(&desired.assigned) == key(actual));
        let held = wanted.clone().find(|desired| desired.held);
        let ours = set.contains(&key(actual)) || wanted.clone().next().is_some();
        let fits = held.is_some_and(|held| equal(&held.assigned, actual, kernel));
        if ours && !fits {
            operations.push(Operation::Remove(actual.clone()));
        }
    }
    for wanted in desired.iter().filter(|desired| desired.held) {
        let here = kernel
            .addresses()
            .iter()
            .any(|actual| key(&wanted.assigned) == key(actual) && equal(&wanted.assigned, actual, kernel));
        if !here {
            operations.push(Operation::Add(wanted.assigned.clone()));
        }
    }
    operations
}

/// The kernel gives an address without a label the interface's name.
fn equal(wanted: &Assigned, actual: &Assigned, kernel: &Kernel) -> bool {
    let name = kernel.link(actual.index).map(|link| link.name.as_str());
    let label = |assigned: &Assigned| assigned.label.as_deref().or(name).map(str::to_owned);
    wanted.scope == actual.scope
        && label(wanted) == label(actual)
        && (wanted.broadcast.is_none() || wanted.broadcast == actual.broadcast)
}

/// The address that adverts go out from: the configured one when it is there, else the first of the
/// interface that is no virtual address.
pub fn source(
    configured: Option<Ipv4Addr>,
    index: u32,
    kernel: &Kernel,
    virtual_addresses: &BTreeSet<Ipv4Addr>,
) -> Option<Ipv4Addr> {
    if configured.is_some() {
        // keepalived: the loss of a configured source is ignored unless `track_src_ip`.
        return configured;
    }
    let on_interface = || kernel.addresses().iter().filter(|assigned| assigned.index == index);
    let real = |assigned: &&Assigned| {
        assigned.protocol != ADDRESS_PROTOCOL && !virtual_addresses.contains(&assigned.address)
    };
    let primary = on_interface().filter(real).find(|assigned| !assigned.secondary);
    primary.or_else(|| on_interface().find(real)).map(|assigned| assigned.address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(index: u32, last: u8, protocol: u8) -> Assigned {
        Assigned {
            index,
            address: Ipv4Addr::new(10, 0, 0, last),
            prefix: 32,
            scope: 0,
            label: None,
            broadcast: None,
            protocol,
            secondary: false,
        }
    }

    fn kernel(addresses: &[Assigned]) -> Kernel {
        let mut kernel = Kernel::default();
        for assigned in addresses {
            kernel.carried_out(&Operation::Add(assigned.clone()));
        }
        kernel
    }

    #[test]
    fn nothing_is_done_when_all_is_as_wanted() {
        let desired = [Desired { assigned: on(1, 240, 18), held: true }];
        assert_eq!(diff(&desired, &BTreeSet::new(), &kernel(&[on(1, 5, 0), on(1, 240, 0)])), []);
    }

    #[test]
    fn a_missing_address_is_added_and_a_foreign_one_left_alone() {
        let wanted = on(1, 240, 18);
        let desired = [Desired { assigned: wanted.clone(), held: true }];
        assert_eq!(diff(&desired, &BTreeSet::new(), &kernel(&[on(1, 5, 0)])), [Operation::Add(wanted)]);
    }

    #[test]
    fn leftovers_go_by_record_and_by_configuration() {
        let recorded = on(1, 9, 18);
        let others = on(1, 7, 18);
        let configured = on(1, 240, 0);
        let record = BTreeSet::from([key(&recorded)]);
        let desired = [Desired { assigned: on(1, 240, 18), held: false }];
        let operations =
            diff(&desired, &record, &kernel(&[recorded.clone(), others, on(1, 5, 0), configured.clone()]));
        assert_eq!(operations, [Operation::Remove(recorded), Operation::Remove(configured)]);
    }

    #[test]
    fn what_this_process_set_goes_when_it_is_configured_no_more() {
        let unmarked = on(1, 9, 0);
        let set = BTreeSet::from([key(&unmarked)]);
        assert_eq!(diff(&[], &set, &kernel(&[unmarked.clone(), on(1, 5, 0)])), [Operation::Remove(unmarked)]);
    }

    #[test]
    fn a_changed_label_replaces_the_address() {
        let labelled = Assigned { label: Some("eth0:1".into()), ..on(1, 240, 18) };
        let desired = [Desired { assigned: labelled.clone(), held: true }];
        let operations = diff(&desired, &BTreeSet::new(), &kernel(&[on(1, 240, 18)]));
        assert_eq!(operations, [Operation::Remove(on(1, 240, 18)), Operation::Add(labelled)]);
    }

    #[test]
    fn a_virtual_address_is_never_a_source() {
        let kernel = kernel(&[on(1, 240, 18), on(1, 241, 0), on(2, 6, 0), on(1, 5, 0)]);
        let virtual_addresses = BTreeSet::from([Ipv4Addr::new(10, 0, 0, 241)]);
        assert_eq!(source(None, 1, &kernel, &virtual_addresses), Some(Ipv4Addr::new(10, 0, 0, 5)));
        assert_eq!(source(None, 3, &kernel, &virtual_addresses), None);
    }
}
