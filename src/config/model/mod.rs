//! The typed configuration. Built once by [`super::lower`](crate::config), never changed afterwards.
//!
//! Values carry their unit and range in their type; defaults of the language are already filled in, so
//! that nobody downstream asks "and when it is absent?". What this version reads and does not act on stands in
//! `extras` fields and in types of its own.

mod check;
mod extras;
mod globals;
mod group;
mod lvs;
mod route;
mod script;
mod track;
mod values;
mod vrrp;

pub use check::{CheckKind, Checker, Connect, HttpCheck, HttpProtocol, HttpUrl, StatusCodes};
pub use extras::{
    AddressExtras, Hmac, HmacKey, HmacMode, InstanceExtras, InstanceLeftOut, Ipv6Transport, OwnDevice,
    PeerTtl, RealExtras, Secret, ServiceExtras, Ssl, UnmadeChecker, UnmadeKind, UrlExtras,
};
pub use globals::{
    BufferPolicy, Globals, Host, LvsGlobals, Mail, Outside, Process, ProcessPart, RunFiles, Scripts,
    SyncDaemon, Timeouts, VrrpGlobals,
};
pub use group::{GroupEntry, GroupedServer, VirtualServerGroup};
pub use lvs::{
    Forwarding, Persistence, Protocol, RealServer, Scheduler, SchedulerFlags, Service, ServiceGroup,
    SorryServer, TunnelChecksum, VirtualServer, VirtualServerName,
};
pub use route::{Encap, Named, Net, NextHop, Route, RouteMetric, Rule, RuleAction, StaticAddress};
pub use script::{Account, Command, Fifo, Notify, TrackWeight, Tracked, Tracking};
pub use track::{
    BfdInstance, GarpGroup, LinkDelay, LinkPoll, ParameterMatch, SyncGroup, TrackFile, TrackGroup,
    TrackProcess, TrackScript,
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
    /// What this version reads and does not act on.
    pub extras: ModelExtras,
}

/// Blocks of the root that this version reads and does not act on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelExtras {
    /// `vrrp_instance` blocks that are right and that this version cannot run beside the others.
    pub left_out: Vec<InstanceLeftOut>,
    /// `vrrp_sync_group`.
    pub sync_groups: Vec<SyncGroup>,
    /// `vrrp_script`.
    pub scripts: Vec<TrackScript>,
    /// `vrrp_track_process`.
    pub processes: Vec<TrackProcess>,
    /// `track_file`.
    pub files: Vec<TrackFile>,
    /// `bfd_instance`.
    pub bfd: Vec<BfdInstance>,
    /// `track_group`.
    pub track_groups: Vec<TrackGroup>,
    /// `garp_group`.
    pub garp_groups: Vec<GarpGroup>,
    /// `interface_up_down_delays`.
    pub link_delays: Vec<LinkDelay>,
    /// `linkbeat_interfaces`.
    pub linkbeat: Vec<(InterfaceName, Option<LinkPoll>)>,
    /// `static_ipaddress`.
    pub addresses: Vec<StaticAddress>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
    /// `virtual_server_group`.
    pub groups: Vec<VirtualServerGroup>,
    /// `virtual_server group NAME`.
    pub grouped_servers: Vec<GroupedServer>,
    /// `SSL`.
    pub ssl: Option<Ssl>,
}
