//! What holds an instance in FAULT. (What moves a priority joins it here.)
//!
//! Level-triggered: the faults are worked out anew from the present condition of the kernel's objects,
//! so no missed or doubled event can leave one behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::config::model::{Instance, InterfaceName};

/// One thing that an instance needs and does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Fault {
    /// No interface of that name.
    InterfaceMissing(String),
    /// The interface is not up, or has no carrier.
    InterfaceDown(String),
    /// The interface has no IPv4 address to send from.
    NoSourceAddress(String),
    /// Adverts of others would not be heard: the reason.
    Deaf(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceMissing(name) => write!(f, "interface {name} does not exist"),
            Self::InterfaceDown(name) => write!(f, "interface {name} down"),
            Self::NoSourceAddress(name) => write!(f, "no IPv4 address on interface {name}"),
            Self::Deaf(why) => write!(f, "cannot receive adverts: {why}"),
        }
    }
}

/// What an instance sees of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Up and running (IFF_UP and IFF_RUNNING).
    pub up: bool,
    /// The address that adverts go out from: the configured one, else the first that is not virtual.
    pub source: Option<Ipv4Addr>,
}

/// An interface that carries virtual addresses and is not the instance's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Up and running.
    Up,
    /// Not up, or no carrier.
    Down,
    /// It does not exist.
    Missing,
}

/// Everything that an instance needs of its node, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Its own interface; `None`: it does not exist.
    pub link: Option<Link>,
    /// The other interfaces of its virtual addresses.
    pub carriers: BTreeMap<InterfaceName, Carrier>,
    /// Why adverts cannot be received, when they cannot.
    pub deaf: Option<String>,
}

/// The faults of `config` under `conditions`.
pub fn faults(config: &Instance, conditions: &Conditions) -> BTreeSet<Fault> {
    let name = || config.interface.to_string();
    let mut faults = BTreeSet::new();
    match conditions.link {
        None => drop(faults.insert(Fault::InterfaceMissing(name()))),
        Some(link) => {
            if !link.up && !config.dont_track_primary {
                faults.insert(Fault::InterfaceDown(name()));
            }
            if link.source.is_none() {
                faults.insert(Fault::NoSourceAddress(name()));
            }
        }
    }
    for (name, carrier) in &conditions.carriers {
        match carrier {
            Carrier::Up => {}
            Carrier::Down => drop(faults.insert(Fault::InterfaceDown(name.to_string()))),
            Carrier::Missing => drop(faults.insert(Fault::InterfaceMissing(name.to_string()))),
        }
    }
    faults.extend(conditions.deaf.clone().map(Fault::Deaf));
    faults
}

/// The interfaces of the virtual addresses of `config` that are not its own.
pub fn carriers(config: &Instance) -> BTreeSet<InterfaceName> {
    let all = config.all_addresses();
    all.filter_map(|address| address.interface.clone()).filter(|name| *name != config.interface).collect()
}
