//! The fewest operations from the actual table to the desired one.
//!
//! An object that is equal in both is never named. New services come with their destinations, edits before
//! deletions, so that no moment has fewer servers than both tables. Services of others are left alone.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::model::Service;

use super::{Destination, Entry, Settings, Table};

/// One change of the kernel's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `ipvsadm -A`.
    NewService(Service, Settings),
    /// `ipvsadm -E`: connections survive.
    SetService(Service, Settings),
    /// `ipvsadm -D`: its destinations go with it.
    DeleteService(Service),
    /// `ipvsadm -a`.
    NewDestination(Service, SocketAddr, Destination),
    /// `ipvsadm -e`: connections survive.
    SetDestination(Service, SocketAddr, Destination),
    /// `ipvsadm -d`.
    DeleteDestination(Service, SocketAddr),
}

impl Operation {
    /// The service that it is about.
    pub fn service(&self) -> &Service {
        match self {
            Self::NewService(service, _)
            | Self::SetService(service, _)
            | Self::DeleteService(service)
            | Self::NewDestination(service, ..)
            | Self::SetDestination(service, ..)
            | Self::DeleteDestination(service, _) => service,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NewService(service, _) => write!(f, "adding service {service}"),
            Self::SetService(service, _) => write!(f, "editing service {service}"),
            Self::DeleteService(service) => write!(f, "deleting service {service}"),
            Self::NewDestination(service, address, _) => write!(f, "adding {address} to {service}"),
            Self::SetDestination(service, address, values) => {
                write!(f, "editing {address} of {service} (weight {})", values.weight)
            }
            Self::DeleteDestination(service, address) => write!(f, "deleting {address} from {service}"),
        }
    }
}

/// Operations from `actual` to `desired`; of the services that only `actual` has, those in `owned` go.
pub fn diff(desired: &Table, actual: &Table, owned: &BTreeSet<Service>) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (service, entry) in desired {
        match actual.get(service) {
            Some(same) if Arc::ptr_eq(same, entry) => {}
            actual => diff_service(*service, entry, actual.map(Arc::as_ref), &mut operations),
        }
    }
    for service in actual.keys().filter(|service| owned.contains(service) && !desired.contains_key(service)) {
        operations.push(Operation::DeleteService(*service));
    }
    operations
}

/// Operations for one service that is wanted.
pub fn diff_service(
    service: Service,
    desired: &Entry,
    actual: Option<&Entry>,
    operations: &mut Vec<Operation>,
) {
    match actual {
        None => operations.push(Operation::NewService(service, desired.settings.clone())),
        Some(actual) if actual.settings != desired.settings => {
            operations.push(Operation::SetService(service, desired.settings.clone()));
        }
        Some(_) => {}
    }
    for (address, values) in &desired.destinations {
        match actual.and_then(|actual| actual.destinations.get(address)) {
            None => operations.push(Operation::NewDestination(service, *address, *values)),
            Some(present) if !same(values, present) => {
                operations.push(Operation::SetDestination(service, *address, *values));
            }
            Some(_) => {}
        }
    }
    let present = actual.into_iter().flat_map(|actual| actual.destinations.keys());
    for address in present.filter(|address| !desired.destinations.contains_key(address)) {
        operations.push(Operation::DeleteDestination(service, *address));
    }
}

/// A kernel that shows a real server on the director itself as `Local` has what was asked for.
fn same(desired: &Destination, actual: &Destination) -> bool {
    let forwarding = actual.forwarding.or(desired.forwarding);
    *desired == Destination { forwarding, ..*actual }
}

/// What `table` is after `operation`.
pub fn apply(table: &mut Table, operation: &Operation) {
    match operation {
        Operation::NewService(service, settings) => {
            let entry = Entry { settings: settings.clone(), destinations: BTreeMap::new() };
            table.insert(*service, Arc::new(entry));
        }
        Operation::SetService(service, settings) => {
            if let Some(entry) = table.get_mut(service) {
                Arc::make_mut(entry).settings = settings.clone();
            }
        }
        Operation::DeleteService(service) => drop(table.remove(service)),
        Operation::NewDestination(service, address, values)
        | Operation::SetDestination(service, address, values) => {
            if let Some(entry) = table.get_mut(service) {
                Arc::make_mut(entry).destinations.insert(*address, *values);
            }
        }
        Operation::DeleteDestination(service, address) => {
            if let Some(entry) = table.get_mut(service) {
                Arc::make_mut(entry).destinations.remove(address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Forwarding, Granularity, Protocol, SchedulerFlags};

    fn service(port: u16) -> Service {
        Service::Address { protocol: Protocol::Tcp, address: SocketAddr::from(([10, 0, 0, 1], port)) }
    }

    fn entry(servers: &[(u8, u32)]) -> Arc<Entry> {
        let destination = |&(last, weight): &(u8, u32)| {
            let values = Destination {
                weight,
                forwarding: Some(Forwarding::DirectRoute),
                upper_threshold: 0,
                lower_threshold: 0,
            };
            (SocketAddr::from(([10, 0, 1, last], 80)), values)
        };
        Arc::new(Entry {
            settings: Settings {
                scheduler: "rr".into(),
                flags: SchedulerFlags::default(),
                one_packet: false,
                timeout: 0,
                granularity: Granularity::Prefix(32),
                engine: None,
            },
            destinations: servers.iter().map(destination).collect(),
        })
    }

    fn random_table(random: &mut fastrand::Rng) -> Table {
        let mut table = Table::new();
        for port in 0..5 {
            if random.bool() {
                let mut servers = Vec::new();
                for last in 0..4 {
                    if random.bool() {
                        servers.push((last, random.u32(0..3)));
                    }
                }
                let mut entry = entry(&servers);
                Arc::make_mut(&mut entry).settings.timeout = random.u32(0..2);
                table.insert(service(port), entry);
            }
        }
        table
    }

    #[test]
    fn equal_tables_need_nothing() {
        let table = Table::from([(service(80), entry(&[(1, 1), (2, 0)]))]);
        assert_eq!(diff(&table, &table, &BTreeSet::from([service(80)])), []);
    }

    #[test]
    fn a_weight_is_one_edit() {
        let before = Table::from([(service(80), entry(&[(1, 1), (2, 1)]))]);
        let after = Table::from([(service(80), entry(&[(1, 1), (2, 3)]))]);
        let operations = diff(&after, &before, &BTreeSet::new());
        assert!(
            matches!(operations.as_slice(), [Operation::SetDestination(_, _, values)] if values.weight == 3)
        );
    }

    #[test]
    fn foreign_services_stay() {
        let actual = Table::from([(service(80), entry(&[])), (service(81), entry(&[]))]);
        let operations = diff(&Table::new(), &actual, &BTreeSet::from([service(81)]));
        assert_eq!(operations, [Operation::DeleteService(service(81))]);
    }

    /// Whatever the two tables are: the operations lead from one to the other, and none names what is equal.
    #[test]
    fn the_operations_lead_from_any_table_to_any_other() {
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (desired, mut actual) = (random_table(&mut random), random_table(&mut random));
            let owned = actual.keys().copied().collect();
            let operations = diff(&desired, &actual, &owned);
            for operation in &operations {
                apply(&mut actual, operation);
            }
            assert_eq!(actual, desired, "seed {seed}");
            assert_eq!(diff(&desired, &actual, &owned), [], "seed {seed}");
        }
    }
}
