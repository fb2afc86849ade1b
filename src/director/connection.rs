//! A connection to the kernel's IPVS, made when it is asked for.

use std::io;

use crate::ipvs::error::Unavailable;
use crate::ipvs::io::Ipvs;

use super::namespace::Namespaces;

/// One that may not stand.
pub(super) struct Connection {
    namespaces: Namespaces,
    ipvs: Option<Ipvs>,
}

impl Connection {
    /// In the namespace of IPVS; none stands yet.
    pub(super) fn new(namespaces: Namespaces) -> Self {
        Self { namespaces, ipvs: None }
    }

    /// Connects, also when there is a connection.
    pub(super) fn open(&mut self) -> Result<(), Unavailable> {
        self.ipvs = Some(self.namespaces.open_ipvs()?);
        Ok(())
    }

    /// Asks IPVS for something. Error: also when there is no connection.
    pub(super) fn ask<T>(&mut self, ask: impl FnOnce(&mut Ipvs) -> io::Result<T>) -> io::Result<T> {
        ask(self.ipvs.as_mut().ok_or(io::ErrorKind::NotConnected)?)
    }
}
