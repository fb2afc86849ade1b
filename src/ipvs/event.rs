//! What the keeper of the table has to tell.

use std::fmt;

use crate::report::Level;

use super::diff::Operation;
use super::error::Refused;
use super::keeper::{Flush, REFUSED, REOPEN};

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    /// Another program changed the table; the operation sets it back.
    SetBack(Operation),
    /// The same, this many times more.
    MoreSetBack(usize),
    /// The kernel refused an operation.
    Refused(Refused),
    /// The same, this many times more.
    MoreRefused(usize),
    /// There is no table that could be reached.
    Unavailable { why: String, services: usize },
    /// It can be reached now, and so many services are in it.
    Available { services: usize },
    /// The connection to the kernel's IPVS broke, and stands again.
    Reconnected { why: String },
    /// The table could not be read; the connection stands.
    Unread { why: String },
    /// So many services of others are deleted.
    Flushed {
        /// How many.
        services: usize,
        /// Which word says so.
        flush: Flush,
    },
    /// The record of our services could not be written.
    NotRecorded { why: String },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Refused(_) | Self::MoreRefused(_) | Self::Unavailable { .. } => Level::Error,
            Self::Available { .. } | Self::Flushed { .. } => Level::Info,
            _ => Level::Warning,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SetBack(operation) => {
                write!(f, "IPVS table changed by another program: {}", undoing(operation))
            }
            Self::Flushed { services, flush } => {
                let word = match flush {
                    Flush::Start => "lvs_flush",
                    Flush::Stop => "lvs_flush_on_stop",
                };
                write!(
                    f,
                    "`{word}`: deleting {services} virtual services that this configuration does not have"
                )
            }
            Self::MoreSetBack(more) => {
                write!(f, "IPVS table changed by another program: {more} more set back")
            }
            Self::Refused(refused) => write!(f, "{refused}; tried again in {} s", REFUSED.as_secs()),
            Self::MoreRefused(more) => {
                write!(f, "IPVS: {more} more refused; tried again in {} s", REFUSED.as_secs())
            }
            Self::Unavailable { why, services } => {
                write!(f, "{} not run: {why}; tried again every {} s", Services(*services), REOPEN.as_secs())
            }
            Self::Available { services } => {
                let verb = if *services == 1 { "is" } else { "are" };
                write!(f, "IPVS is available: {} {verb} programmed", Count(*services))
            }
            Self::Reconnected { why } => {
                write!(f, "IPVS: {why}; connected anew, the table is compared and set right")
            }
            Self::Unread { why } => write!(f, "cannot read the IPVS table: {why}; tried again"),
            Self::NotRecorded { why } => {
                write!(
                    f,
                    "cannot record our IPVS services, a killed daemon would leave them behind: {why}; tried again"
                )
            }
        }
    }
}

/// `1 virtual service`.
struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} virtual service{}", self.0, if self.0 == 1 { "" } else { "s" })
    }
}

/// `1 virtual service does`.
struct Services(usize);

impl fmt::Display for Services {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Count(self.0), if self.0 == 1 { "does" } else { "do" })
    }
}

/// What was found, given the operation that mends it.
fn undoing(operation: &Operation) -> String {
    match operation {
        Operation::NewService(service, _) => format!("service {service} was missing, added again"),
        Operation::SetService(service, _) => format!("service {service} was edited, set back"),
        Operation::DeleteService(service) => format!("service {service} was added, deleted"),
        Operation::NewDestination(service, address, _) => {
            format!("destination {address} of {service} was missing, added again")
        }
        Operation::SetDestination(service, address, _) => {
            format!("destination {address} of {service} was edited, set back")
        }
        Operation::DeleteDestination(service, address) => {
            format!("destination {address} of {service} was added, deleted")
        }
    }
}
