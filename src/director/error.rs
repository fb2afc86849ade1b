//! Why the daemon did not start, or ended, and with which exit status.

use std::process::ExitCode;

use crate::ipvs::error::Unavailable;
use crate::text::reason;
use crate::vrrp::io::StartError;

use super::lock::Held;
use super::namespace::NamespaceError;
use super::privilege::Missing;
use super::rival::Rival;

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another one runs.
    #[error(transparent)]
    Held(#[from] Held),
    /// The namespace of the configuration cannot be joined.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A capability is missing.
    #[error(transparent)]
    Privilege(#[from] Missing),
    /// Another VRRP daemon runs here.
    #[error(transparent)]
    Rival(#[from] Rival),
    /// The IPVS table may not be changed.
    #[error(transparent)]
    Ipvs(#[from] Unavailable),
    /// VRRP did not start.
    #[error(transparent)]
    Vrrp(#[from] StartError),
    /// The runtime or its signals failed.
    #[error("cannot start: {}", reason(.0))]
    Runtime(#[from] std::io::Error),
    /// The VRRP thread ended by itself.
    #[error(
        "the VRRP thread ended unexpectedly; the daemon stops, so that the service manager starts it anew"
    )]
    VrrpDied,
    /// The BFD thread ended by itself.
    #[error(
        "the BFD thread ended unexpectedly; the daemon stops, so that the service manager starts it anew"
    )]
    BfdDied,
}

impl Error {
    /// keepalived's exit statuses: 1 fatal, 4 missing permission.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Privilege(_)
            | Self::Ipvs(Unavailable::NotPermitted)
            | Self::Namespace(NamespaceError::NotPermitted(_)) => 4,
            _ => 1,
        }
    }

    /// The same for [`main`](crate::cli).
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.exit_status())
    }
}
