//! What an instance has to tell: the lines of the log, and later the notifications.

use std::fmt;
use std::net::Ipv4Addr;

use serde::Serialize;

use super::receive::Rejection;
use crate::track::Fault;

/// State of an instance (RFC 9568 §6.4); `Fault` is keepalived's: it takes no part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// Not started, or stopped.
    Init,
    /// Listens.
    Backup,
    /// Owns the addresses and says so.
    Master,
    /// Cannot take part: see the faults.
    Fault,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        })
    }
}

/// Why an instance changed its state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Why {
    /// It starts.
    Start,
    /// It owns the addresses: priority 255.
    Owner,
    /// The master's adverts ran out.
    MasterSilent {
        /// The master, when one was ever heard.
        master: Option<Ipv4Addr>,
    },
    /// The master said that it stops (priority 0).
    MasterStopped,
    /// A master of lower priority is replaced.
    Preempted {
        /// The master that is replaced.
        master: Ipv4Addr,
        /// Its priority.
        priority: u8,
    },
    /// Another master has a higher priority, or the same and a higher address.
    Outranked {
        /// The other master.
        by: Ipv4Addr,
        /// Its priority.
        priority: u8,
    },
    /// Something that the instance needs is missing.
    Faults(Vec<Fault>),
    /// Nothing that the instance needs is missing any more.
    Recovered,
    /// The daemon stops, or a reload removed the instance.
    Stop,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start => f.write_str("start"),
            Self::Owner => f.write_str("priority 255 owns the addresses"),
            Self::MasterSilent { master: Some(master) } => write!(f, "no advert from {master} in time"),
            Self::MasterSilent { master: None } => f.write_str("no advert from any master in time"),
            Self::MasterStopped => f.write_str("the master stopped: priority 0"),
            Self::Preempted { master, priority } => write!(f, "replaces {master}, priority {priority}"),
            Self::Outranked { by, priority } => write!(f, "{by} has priority {priority}"),
            Self::Faults(faults) => {
                for (index, fault) in faults.iter().enumerate() {
                    write!(f, "{}{fault}", if index == 0 { "" } else { ", " })?;
                }
                Ok(())
            }
            Self::Recovered => f.write_str("no fault left"),
            Self::Stop => f.write_str("stop"),
        }
    }
}

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Event {
    /// The state changed.
    Transition {
        /// Before.
        from: State,
        /// After.
        to: State,
        /// The cause.
        why: Why,
    },
    /// A packet for this instance was ignored.
    Rejected {
        /// Its sender.
        source: Ipv4Addr,
        /// The first reason against it.
        why: Rejection,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Another master of lower rank was heard while master.
    Competitor {
        /// The other master.
        source: Ipv4Addr,
        /// Its priority.
        theirs: u8,
        /// Ours.
        ours: u8,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// An advert has the address of this node: another node uses it, or a loop returns it.
    OwnAddressHeard {
        /// The address.
        source: Ipv4Addr,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// The addresses of an advert differ from ours; it is obeyed all the same.
    AddressesDiffer {
        /// Its sender.
        source: Ipv4Addr,
        /// Its addresses.
        theirs: Vec<Ipv4Addr>,
        /// Lines of the same kind that were not said since the last one.
        suppressed: u64,
    },
    /// Version 3: the master's interval differs from ours; it counts.
    IntervalDiffers {
        /// The master.
        source: Ipv4Addr,
        /// Its interval, 1/100 s.
        theirs: u16,
        /// Ours.
        ours: u16,
    },
    /// Adverts come from another master than before.
    MasterChanged {
        /// The new one.
        to: Ipv4Addr,
        /// Its priority.
        priority: u8,
    },
}

/// How loud an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Loudness {
    /// Wanted when looking for a cause.
    Debug,
    /// The normal course.
    Info,
    /// Somebody should look at it.
    Warning,
}

impl Event {
    /// How loud it is.
    pub fn loudness(&self) -> Loudness {
        match self {
            Self::Transition { to: State::Fault, .. } => Loudness::Warning,
            Self::Transition { .. } => Loudness::Info,
            Self::MasterChanged { .. } => Loudness::Debug,
            Self::Rejected { .. }
            | Self::Competitor { .. }
            | Self::OwnAddressHeard { .. }
            | Self::AddressesDiffer { .. }
            | Self::IntervalDiffers { .. } => Loudness::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transition { to: State::Init, why, .. } => write!(f, "Stopped ({why})"),
            Self::Transition { from: State::Fault, to: State::Fault, why } => {
                write!(f, "Still in FAULT STATE ({why})")
            }
            Self::Transition { from, to, why } => {
                write!(f, "Entering {to} STATE ({why})")?;
                if *from == State::Init { Ok(()) } else { write!(f, ", was {from}") }
            }
            Self::Rejected { source, why, suppressed } => {
                write!(f, "Ignored an advert from {source}: {why}")?;
                again(f, *suppressed)
            }
            Self::Competitor { source, theirs, ours, suppressed } => {
                write!(
                    f,
                    "Received advert from {source} with lower priority {theirs}, ours {ours}, forcing new \
                     election; if this goes on, {source} does not hear us: look for a firewall or a switch \
                     that drops protocol 112 on the way there"
                )?;
                again(f, *suppressed)
            }
            Self::OwnAddressHeard { source, suppressed } => {
                write!(
                    f,
                    "Received an advert from our own address {source}: another node uses it, or the network loops"
                )?;
                again(f, *suppressed)
            }
            Self::AddressesDiffer { source, theirs, suppressed } => {
                write!(f, "{source} advertises other addresses than ours:")?;
                for address in theirs {
                    write!(f, " {address}")?;
                }
                f.write_str(
                    "; make `virtual_ipaddress` alike on both nodes, or give one of them another \
                             virtual_router_id",
                )?;
                again(f, *suppressed)
            }
            Self::IntervalDiffers { source, theirs, ours } => write!(
                f,
                "{source} advertises every {}.{:02} s, our advert_int is {}.{:02} s; the master's counts",
                theirs / 100,
                theirs % 100,
                ours / 100,
                ours % 100
            ),
            Self::MasterChanged { to, priority } => write!(f, "master is {to}, priority {priority}"),
        }
    }
}

fn again(f: &mut fmt::Formatter<'_>, suppressed: u64) -> fmt::Result {
    if suppressed > 0 { write!(f, " ({suppressed} more since the last such line)") } else { Ok(()) }
}
