//! The typed configuration. Built once by [`super::lower`](crate::config), never changed afterwards.
//!
//! Values carry their unit and range in their type; defaults of the language are already filled in, so
//! that nobody downstream asks "and when it is absent?".

mod check;
mod lvs;
mod values;
mod vrrp;

pub use check::{CheckKind, Checker, Connect, HttpCheck, HttpProtocol, HttpUrl, StatusCodes};
pub use lvs::{
    Forwarding, Persistence, Protocol, RealServer, Scheduler, SchedulerFlags, Service, SorryServer,
    TunnelChecksum, VirtualServer,
};
pub use values::{AdvertInterval, InterfaceName, NameError, Priority, RangeError, Vrid, Weight};
pub use vrrp::{Authentication, Garp, InitialState, Instance, Preempt, Version, VirtualAddress};

/// One complete configuration, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// `global_defs`.
    pub globals: Globals,
    /// `vrrp_instance` blocks.
    pub instances: Vec<Instance>,
    /// `virtual_server` blocks.
    pub virtual_servers: Vec<VirtualServer>,
}

/// What `global_defs` says that is not a default of something else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Globals {
    /// `router_id`: the name of this node; `None` means the host name.
    pub router_id: Option<String>,
}
