//! What holds an instance in FAULT. (What moves a priority joins it here.)
//!
//! Level-triggered: the faults are worked out anew from the present condition of the kernel's objects,
//! so no missed or doubled event can leave one behind.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;

use crate::config::model::Instance;

/// One thing that an instance needs and does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Fault {
    /// No interface of that name.
    InterfaceMissing(String),
    /// The interface is not up, or has no carrier.
    InterfaceDown(String),
    /// The interface has no IPv4 address to send from.
    NoSourceAddress(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceMissing(name) => write!(f, "interface {name} does not exist"),
            Self::InterfaceDown(name) => write!(f, "interface {name} down"),
            Self::NoSourceAddress(name) => write!(f, "no IPv4 address on interface {name}"),
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

/// The faults of `config` while its interface is `link` (`None`: it does not exist).
pub fn faults(config: &Instance, link: Option<Link>) -> BTreeSet<Fault> {
    let name = || config.interface.to_string();
    let mut faults = BTreeSet::new();
    match link {
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
    faults
}
