//! What the pools have to tell, in keepalived's words where administrators search their logs for them.

use std::fmt;

use crate::config::model::VirtualServerName;
use crate::report::Level;

use super::ByHand;

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    /// A real server went down.
    ServerDown { service: VirtualServerName, server: String, inhibit: bool },
    /// A real server came up.
    ServerUp { service: VirtualServerName, server: String, inhibit: bool },
    /// A reload brought a real server.
    ServerAdded { service: VirtualServerName, server: String },
    /// A reload brought a real server that its `alpha` checks keep out so far.
    ServerWaits { service: VirtualServerName, server: String },
    /// A reload took a real server away.
    ServerGone { service: VirtualServerName, server: String },
    /// A reload took a virtual server away.
    ServiceGone { service: VirtualServerName },
    /// Somebody has said something of a real server, or has taken it back.
    ByHand { service: VirtualServerName, server: String, by_hand: Option<ByHand>, weight: u32 },
    /// A reload or a check changed a weight.
    WeightChanged { service: VirtualServerName, server: String, from: u32, to: u32 },
    /// Enough weight is up.
    QuorumGained { service: VirtualServerName, quorum: u32, hysteresis: u32, weight: u64 },
    /// Too little weight is up.
    QuorumLost { service: VirtualServerName, quorum: u32, hysteresis: u32, weight: u64 },
    /// Too little weight is up from the start: `alpha` checks have not passed yet.
    QuorumDownAtStart { service: VirtualServerName, quorum: u32, hysteresis: u32, weight: u64 },
    /// Fewer real servers are up than `min_healthy`: so many that failed at once stay in.
    FewHealthy { service: VirtualServerName, up: usize, total: usize, least: usize, kept: usize },
    /// Enough are up again, or `min_healthy` is another: whatever fails goes.
    EnoughHealthy { service: VirtualServerName, up: usize, total: usize, least: usize },
    /// None of those that stayed in is configured any more.
    NoneKept { service: VirtualServerName },
    /// Its addresses are not here, so that it is not checked (`ha_suspend`), or they are here again.
    Suspended { service: VirtualServerName, suspended: bool },
    /// The sorry server takes over, or is relieved.
    SorryServer { service: VirtualServerName, server: String, active: bool },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::FewHealthy { .. } => Level::Error,
            Self::ServerDown { .. } | Self::QuorumLost { .. } | Self::QuorumDownAtStart { .. } => {
                Level::Warning
            }
            Self::SorryServer { active, .. } if *active => Level::Warning,
            _ => Level::Info,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ServerDown { service, server, inhibit: false } => {
                write!(f, "Removing service {server} from VS {service}")
            }
            Self::ServerDown { service, server, inhibit: true } => {
                write!(f, "Disabling service {server} of VS {service}")
            }
            Self::ServerUp { service, server, inhibit: false } | Self::ServerAdded { service, server } => {
                write!(f, "Adding service {server} to VS {service}")
            }
            Self::ServerUp { service, server, inhibit: true } => {
                write!(f, "Enabling service {server} of VS {service}")
            }
            Self::ServerWaits { service, server } => {
                write!(f, "Service {server} of VS {service} stays out until its checks pass")
            }
            Self::ServerGone { service, server } => {
                write!(f, "Removing service {server} from VS {service}: no longer configured")
            }
            Self::ServiceGone { service } => write!(f, "Removing VS {service}: no longer configured"),
            Self::ByHand { service, server, by_hand: Some(ByHand::Drained), .. } => {
                write!(f, "Draining service {server} of VS {service} by hand: weight 0")
            }
            Self::ByHand { service, server, by_hand: Some(ByHand::Disabled), .. } => {
                write!(
                    f,
                    "Removing service {server} from VS {service}: disabled by hand, until it is enabled"
                )
            }
            Self::ByHand { service, server, by_hand: Some(ByHand::Weight(weight)), .. } => {
                write!(f, "Weight {weight} by hand for service {server} of VS {service}")
            }
            Self::ByHand { service, server, by_hand: None, weight } => {
                write!(f, "Enabling service {server} of VS {service}: weight {weight} while it is up")
            }
            Self::WeightChanged { service, server, from, to } => {
                write!(f, "Changing weight from {from} to {to} for service {server} of VS {service}")
            }
            Self::QuorumGained { service, quorum, hysteresis, weight } => {
                let threshold = u64::from(*quorum) + u64::from(*hysteresis);
                write!(f, "Gained quorum {quorum}+{hysteresis}={threshold} <= {weight} for VS {service}")
            }
            Self::QuorumLost { service, quorum, hysteresis, weight } => {
                let threshold = quorum.saturating_sub(*hysteresis);
                write!(f, "Lost quorum {quorum}-{hysteresis}={threshold} > {weight} for VS {service}")
            }
            Self::QuorumDownAtStart { service, quorum, hysteresis, weight } => {
                let threshold = u64::from(*quorum) + u64::from(*hysteresis);
                write!(
                    f,
                    "Starting with quorum down {quorum}+{hysteresis}={threshold} > {weight} for VS {service}"
                )
            }
            Self::FewHealthy { service, up, total, least, kept } => {
                write!(f, "VS {service}: {up} of {total} real servers up, less than min_healthy {least}; ")?;
                match kept {
                    1 => f.write_str(
                        "the one that has just failed stays in, and so does what fails from now on",
                    ),
                    _ => {
                        write!(f, "{kept} that have just failed stay in, and so does what fails from now on")
                    }
                }
            }
            Self::NoneKept { service } => {
                write!(f, "VS {service}: none of the real servers that stayed in is configured any more")
            }
            Self::EnoughHealthy { service, least: 0, .. } => {
                write!(f, "VS {service}: real servers that fail are removed again: no min_healthy")
            }
            Self::EnoughHealthy { service, up, total, least } => {
                write!(
                    f,
                    "VS {service}: {up} of {total} real servers up, min_healthy is {least}: those that fail are removed again"
                )
            }
            Self::Suspended { service, suspended: true } => {
                write!(f, "Suspending healthcheckers of VS {service}: its address is not on this machine")
            }
            Self::Suspended { service, suspended: false } => {
                write!(f, "Activating healthcheckers of VS {service}")
            }
            Self::SorryServer { service, server, active: true } => {
                write!(f, "Adding sorry server {server} to VS {service}")
            }
            Self::SorryServer { service, server, active: false } => {
                write!(f, "Removing sorry server {server} from VS {service}")
            }
        }
    }
}
