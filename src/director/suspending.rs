//! `ha_suspend`: which virtual servers are checked, by the addresses that this machine has.

use std::sync::Arc;

use crate::config::model::VirtualServer;
use crate::net::io::local::LocalAddresses;
use crate::pool::suspend::Suspension;
use crate::text::reason;

use crate::report::io::say;

/// The virtual servers, and which of them are suspended.
#[derive(Default)]
pub(super) struct Suspending {
    servers: Vec<Arc<VirtualServer>>,
    suspension: Suspension,
    /// Open while something depends on the addresses.
    addresses: Option<LocalAddresses>,
}

impl Suspending {
    /// The virtual servers of a start or reload.
    pub(super) fn configure(&mut self, servers: Vec<Arc<VirtualServer>>) {
        self.servers = servers;
        if !Suspension::depends(&self.servers) {
            self.addresses = None;
            self.suspension = Suspension::default();
            return;
        }
        if self.addresses.is_none() {
            // Heard from now on, read afterwards: nothing falls in between.
            match LocalAddresses::open() {
                Ok(addresses) => self.addresses = Some(addresses),
                Err(error) => return tell(&error),
            }
        }
        self.compare();
    }

    /// Waits until an address comes or goes; for ever when nothing depends on it.
    pub(super) async fn changed(&mut self) {
        match &mut self.addresses {
            Some(addresses) => addresses.changed().await,
            None => std::future::pending().await,
        }
    }

    /// Compares with the addresses that are here. True: other virtual servers are to be checked than before.
    pub(super) fn compare(&mut self) -> bool {
        let here = match LocalAddresses::all() {
            Ok(here) => here,
            Err(error) => {
                tell(&error);
                return false;
            }
        };
        let mut events = Vec::new();
        let changed = self.suspension.compare(&self.servers, &here, &mut events);
        events.into_iter().for_each(|event| say(event.level(), event));
        changed
    }

    /// Those that are to be checked.
    pub(super) fn checked(&self) -> Vec<Arc<VirtualServer>> {
        self.suspension.checked(&self.servers)
    }
}

fn tell(error: &std::io::Error) {
    let why = reason(error);
    tracing::error!(
        "`ha_suspend`: cannot read the addresses of this machine: {why}; who is checked stays as it is"
    );
}
