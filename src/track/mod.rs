//! What holds an instance in FAULT, and what moves its priority.
//!
//! Level-triggered: faults and priority are worked out anew from the present condition of the kernel's objects and of
//! the tracked scripts, files, processes and BFD sessions, so no missed or doubled event can leave one behind.

pub mod connector;
pub mod event;
pub mod file;
pub mod io;
pub mod process;
pub mod processes;
pub mod script;
pub mod scripts;
mod weight;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use crate::config::model::{Destination, Family, Instance, InterfaceName};

use weight::tracked_faults;
pub use weight::{Contribution, Weighed, weigh};

/// One thing that an instance needs and does not have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Fault {
    /// No interface of that name.
    InterfaceMissing(String),
    /// The interface is not up, or has no carrier.
    InterfaceDown(String),
    /// An interface that must not be up is up: `weight 0 reverse`.
    InterfaceUp(String),
    /// A tracked script fails.
    ScriptFails(String),
    /// A tracked script succeeds that must not: `weight 0 reverse`.
    ScriptSucceeds(String),
    /// A tracked file has a number that means so.
    File {
        /// Its name.
        name: String,
        /// The number.
        number: i32,
    },
    /// A tracked script has not ended yet, not once.
    ScriptPending(String),
    /// A tracked file has not been read yet.
    FilePending(String),
    /// Too few or too many processes run of those that are tracked.
    NoQuorum(String),
    /// As many run as expected, and that must not be: `weight 0 reverse`.
    Quorum(String),
    /// Nobody has looked yet which processes run.
    ProcessPending(String),
    /// A BFD session is down.
    SessionDown(String),
    /// A BFD session is up that must not be: `weight 0 reverse`.
    SessionUp(String),
    /// The interface leads nowhere but to this host.
    Loopback(String),
    /// The interface cannot send to a group, and there are no peers to send to.
    NoMulticast(String),
    /// `unicast_fault_no_peer`, and there is no peer.
    NoPeer,
    /// The interface has no address to send from.
    NoSourceAddress {
        /// The interface.
        interface: String,
        /// Of this family.
        family: &'static str,
    },
    /// The configured source is no address of this host: who sends from it gets no answer.
    SourceMissing(IpAddr),
    /// `directord maintenance on`: the reason that was given, which may be empty.
    Maintenance(String),
    /// Another member of its sync group is in FAULT.
    Member(String),
    /// Another member of its sync group waits for a tracked script.
    MemberPending(String),
    /// Adverts of others would not be heard: the reason.
    Deaf(String),
    /// The kernel does not set an address, a route or a rule: what, and its answer.
    Refused {
        /// `192.168.100.240/24 on eth0`.
        object: String,
        /// The reason.
        why: String,
    },
}

impl Fault {
    /// It is the fault of another member of the sync group.
    pub fn is_anothers(&self) -> bool {
        matches!(self, Self::Member(_) | Self::MemberPending(_))
    }

    /// Nothing is wrong yet: something is awaited.
    pub fn is_pending(&self) -> bool {
        matches!(
            self,
            Self::ScriptPending(_) | Self::FilePending(_) | Self::ProcessPending(_) | Self::MemberPending(_)
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InterfaceMissing(name) => write!(f, "interface {name} does not exist"),
            Self::InterfaceDown(name) => write!(f, "interface {name} down"),
            Self::InterfaceUp(name) => write!(f, "interface {name} up, tracked in `reverse`"),
            Self::ScriptFails(name) => write!(f, "script {name} fails"),
            Self::ScriptSucceeds(name) => write!(f, "script {name} succeeds, tracked in `reverse`"),
            Self::File { name, number } => write!(f, "track_file {name} is {number}"),
            Self::ScriptPending(name) => write!(f, "script {name} has not ended yet"),
            Self::FilePending(name) => write!(f, "file {name} has not been read yet"),
            Self::NoQuorum(name) => write!(f, "tracked process {name} has no quorum"),
            Self::Quorum(name) => write!(f, "tracked process {name} has its quorum, tracked in `reverse`"),
            Self::ProcessPending(name) => write!(f, "tracked process {name} has not been looked for yet"),
            Self::SessionDown(name) => write!(f, "BFD session {name} is down"),
            Self::SessionUp(name) => write!(f, "BFD session {name} is up, tracked in `reverse`"),
            Self::Maintenance(reason) if reason.is_empty() => f.write_str("maintenance"),
            Self::Maintenance(reason) => write!(f, "maintenance: {reason}"),
            Self::Member(name) => write!(f, "{name} of the same sync group is in FAULT"),
            Self::MemberPending(name) => write!(f, "{name} of the same sync group has not started yet"),
            Self::Loopback(name) => {
                write!(f, "interface {name} is a loopback: nobody else hears what it sends")
            }
            Self::NoMulticast(name) => {
                write!(f, "interface {name} has no multicast: name the peers with `unicast_peer`")
            }
            Self::NoPeer => f.write_str("`unicast_fault_no_peer`, and `unicast_peer` names nobody"),
            Self::NoSourceAddress { interface, family } => {
                write!(f, "no {family} address on interface {interface}")
            }
            Self::SourceMissing(address) => write!(f, "the source {address} is no address of this host"),
            Self::Deaf(why) => write!(f, "cannot receive adverts: {why}"),
            Self::Refused { object, why } => write!(f, "the kernel refuses {object}: {why}"),
        }
    }
}

/// What an instance sees of its interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Up and running (IFF_UP and IFF_RUNNING).
    pub up: bool,
    /// It can send to a group.
    pub multicast: bool,
    /// It leads nowhere but to this host.
    pub loopback: bool,
    /// Largest packet, in bytes; 0: unknown.
    pub mtu: u32,
    /// The address that adverts go out from: the configured one, else the first that is not virtual.
    pub source: Option<IpAddr>,
    /// False: the source is configured and no address of this host.
    pub source_is_here: bool,
}

/// An interface that carries virtual addresses, routes or rules and is not the instance's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carrier {
    /// Up and running.
    Up,
    /// Not up, or no carrier.
    Down,
    /// It does not exist.
    Missing,
}

/// What a tracked object amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Standing {
    /// There is no result yet.
    Pending,
    /// It is as it ought to be.
    Up,
    /// It is not.
    Down,
}

/// What the tracked objects of the daemon amount to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Scripts; one that is not named has told nothing yet.
    pub scripts: Arc<scripts::Standings>,
    /// Files; one that is not named counts as 0.
    pub files: Arc<file::Numbers>,
    /// Processes; one that is not named has not been looked for yet.
    pub processes: Arc<scripts::Standings>,
    /// The BFD sessions that are up; one that is not named is down, as one that has never been up is in keepalived.
    pub sessions: Arc<BTreeSet<String>>,
    /// This node is to lead nowhere, and why.
    pub maintenance: Option<Arc<str>>,
}

/// What a member of a sync group sees of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Others {
    /// All members own their addresses (priority 255): they need not wait for each other.
    pub owners: bool,
    /// Those that something holds in FAULT.
    pub faulty: BTreeSet<String>,
    /// Those that have not started yet: they wait for a tracked script, or have not been looked at.
    pub pending: BTreeSet<String>,
    /// How long a successor of one of them takes at most; those of a group take over together.
    pub take_over: Duration,
}

/// Everything that an instance needs of its node, as it is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Its own interface; `None`: it does not exist.
    pub link: Option<Link>,
    /// The other interfaces of its virtual addresses, routes and rules.
    pub carriers: BTreeMap<InterfaceName, Carrier>,
    /// The interfaces of its `track_interface`.
    pub interfaces: BTreeMap<InterfaceName, Carrier>,
    /// The scripts of its `track_script`, by name.
    pub scripts: BTreeMap<String, Standing>,
    /// The numbers of its `track_file`, by name; `None`: not read yet.
    pub files: BTreeMap<String, Option<i32>>,
    /// The processes of its `track_process`, by name.
    pub processes: BTreeMap<String, Standing>,
    /// The BFD sessions of its `track_bfd`, by name.
    pub sessions: BTreeMap<String, Standing>,
    /// The other members of its sync group; `None`: it is in none.
    pub group: Option<Others>,
    /// This node is to lead nowhere, and why.
    pub maintenance: Option<Arc<str>>,
    /// Why adverts cannot be received, when they cannot.
    pub deaf: Option<String>,
    /// Objects that the kernel does not set, and why.
    pub refused: BTreeMap<String, String>,
}

/// The faults of `config` under `conditions`.
pub fn faults(config: &Instance, conditions: &Conditions) -> BTreeSet<Fault> {
    let mut faults = BTreeSet::new();
    match (conditions.link, &config.interface) {
        (None, None) => {}
        (None, Some(name)) => drop(faults.insert(Fault::InterfaceMissing(name.to_string()))),
        (Some(link), _) => faults.extend(link_faults(config, link)),
    }
    for (name, carrier) in &conditions.carriers {
        match carrier {
            Carrier::Up => {}
            // It has the carrier of the interface below it.
            Carrier::Down if config.dont_track_primary && is_above_primary(config, name) => {}
            Carrier::Down => drop(faults.insert(Fault::InterfaceDown(name.to_string()))),
            Carrier::Missing => drop(faults.insert(Fault::InterfaceMissing(name.to_string()))),
        }
    }
    faults.extend(tracked_faults(config, conditions));
    if let Some(others) = &conditions.group {
        faults.extend(others.faulty.iter().cloned().map(Fault::Member));
        faults.extend(others.pending.iter().cloned().map(Fault::MemberPending));
    }
    faults.extend(conditions.maintenance.as_deref().map(|reason| Fault::Maintenance(reason.to_owned())));
    faults.extend(conditions.deaf.clone().map(Fault::Deaf));
    let refused = conditions.refused.iter();
    faults.extend(refused.map(|(object, why)| Fault::Refused { object: object.clone(), why: why.clone() }));
    faults
}

fn is_above_primary(config: &Instance, name: &InterfaceName) -> bool {
    config.vmacs.iter().any(|vmac| vmac.name == *name && config.is_on(&vmac.base))
}

/// Those of its `track_interface`. The own interface is watched anyway, unless `dont_track_primary`: as in keepalived
/// a line that names it says nothing.
pub fn tracked_interfaces(config: &Instance) -> impl Iterator<Item = &InterfaceName> {
    let names = config.tracking.interfaces.iter().map(|(name, _)| name);
    names.filter(|name| config.dont_track_primary || !config.is_on(name))
}

fn link_faults(config: &Instance, link: Link) -> impl Iterator<Item = Fault> {
    let name = config.interface.as_ref().map_or_else(String::new, ToString::to_string);
    let down = !link.up && !config.dont_track_primary;
    let transport = match &config.transport.to {
        _ if link.loopback => Some(Fault::Loopback(name.clone())),
        Destination::Multicast(_) if !link.multicast => Some(Fault::NoMulticast(name.clone())),
        Destination::Unicast(unicast) if unicast.peers.is_empty() => Some(Fault::NoPeer),
        _ => None,
    };
    let source = link.source.is_none().then(|| match config.transport.source {
        Some(address) => Fault::SourceMissing(address),
        None => {
            let family = match config.family {
                Family::Ipv4 => "IPv4",
                Family::Ipv6 => "IPv6",
            };
            Fault::NoSourceAddress { interface: name.clone(), family }
        }
    });
    down.then_some(Fault::InterfaceDown(name)).into_iter().chain(transport).chain(source)
}

/// The interfaces of the virtual addresses, routes and rules of `config` that are not its `interface`, and that of its
/// adverts. Those with `no_track` move nothing.
pub fn carriers(config: &Instance) -> BTreeSet<InterfaceName> {
    let addresses = config.all_addresses().filter(|address| !address.no_track);
    let addresses = addresses.filter_map(|address| address.interface.as_ref());
    let routes = config.routes.iter().filter(|route| !route.no_track);
    let routes = routes.flat_map(|route| {
        route.interface.iter().chain(route.hops.iter().filter_map(|hop| hop.interface.as_ref()))
    });
    let rules = config.rules.iter().filter(|rule| !rule.no_track);
    let rules = rules.flat_map(|rule| rule.input.iter().chain(&rule.output));
    let all = addresses.chain(routes).chain(rules).chain(config.transmits_on());
    all.filter(|name| !config.is_on(name)).cloned().collect()
}
