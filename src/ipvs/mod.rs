//! The kernel's virtual server table.
//!
//! [`Table`] is a complete set of services and destinations, desired or dumped; [`diff`] yields the fewest
//! operations between two; [`keeper`] decides when to look at the kernel's and what to change; [`message`] turns both
//! into generic netlink and back; [`sync`] keeps the daemons that synchronise connections, [`timeouts`] those of connections,
//! [`counters`] reads what the kernel counts; [`listing`] shows all that it says; `io/` talks to the kernel.

pub mod counters;
pub mod diff;
pub(crate) mod error;
pub(crate) mod event;
pub(crate) mod io;
pub mod keeper;
pub mod listing;
pub mod message;
mod refusals;
pub mod sync;
pub mod timeouts;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::model::{Forwarding, Granularity, SchedulerFlags, Service, VirtualServer};

/// Services and their destinations; tables that have the same entry share it.
pub type Table = BTreeMap<Service, Arc<Entry>>;

/// Destinations of one service.
pub type Destinations = BTreeMap<SocketAddr, Destination>;

/// One service with its destinations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Scheduling and persistence.
    pub settings: Settings,
    /// Real servers.
    pub destinations: Destinations,
}

/// What `ipvsadm -E` can change of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The kernel's name of the scheduler. A text: a foreign service may use one that we do not know.
    pub scheduler: String,
    /// The scheduler's flags.
    pub flags: SchedulerFlags,
    /// One packet scheduling.
    pub one_packet: bool,
    /// Persistence in seconds; 0: none.
    pub timeout: u32,
    /// Persistence granularity.
    pub granularity: Granularity,
    /// Persistence engine.
    pub engine: Option<String>,
}

/// What `ipvsadm -e` can change of a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// Weight; 0 takes no new connections.
    pub weight: u32,
    /// How packets reach it; `None`: a method that no configuration names (local, bypass).
    pub forwarding: Option<Forwarding>,
    /// No new connections above it; 0: no limit.
    pub upper_threshold: u32,
    /// New connections again below it.
    pub lower_threshold: u32,
}

impl Settings {
    /// The settings of a configured virtual server.
    pub fn of(server: &VirtualServer) -> Self {
        let host = if server.service.is_ipv6() { 128 } else { 32 };
        Self {
            scheduler: server.scheduler.name().to_owned(),
            flags: server.flags,
            one_packet: server.one_packet,
            timeout: server.persistence.map_or(0, |persistence| persistence.timeout),
            granularity: server
                .persistence
                .map_or(Granularity::Prefix(host), |persistence| persistence.granularity),
            engine: server.persistence_engine.clone(),
        }
    }
}
