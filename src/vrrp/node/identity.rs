//! What an instance is known by over a reload.

use std::net::IpAddr;

use crate::config::model::{Family, Instance, InterfaceName, Vrid};

/// What makes an instance of a reload the same as a running one: not its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    interface: InterfaceName,
    vrid: Vrid,
    family: Family,
    /// Adverts go to a group: which one; or to peers: from which address.
    group: Option<IpAddr>,
    source: Option<IpAddr>,
}

impl Identity {
    pub(super) fn of(instance: &Instance) -> Self {
        let group = instance.group();
        Self {
            interface: instance.interface.clone(),
            vrid: instance.vrid,
            family: instance.family,
            group,
            source: if group.is_none() { instance.transport.source } else { None },
        }
    }
}
