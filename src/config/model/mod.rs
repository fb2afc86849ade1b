//! The typed configuration. Built once by [`super::lower`](crate::config), never changed afterwards.
//!
//! Values carry their unit and range in their type; defaults of the language are already filled in, so
//! that nobody downstream asks "and when it is absent?". It is the whole language, cut by domain; what of it this
//! version does not run is known to [`super::supported`](crate::config::supported) alone.

mod agent;
mod auth;
mod check;
mod globals;
mod group;
mod lvs;
mod mail;
mod named;
mod route;
mod script;
mod tls;
mod track;
mod transport;
mod url;
mod values;
mod vrrp;
mod webhook;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use agent::{MasterAgent, Wrong as WrongAgent};
pub use auth::{Authentication, HIDDEN, Hmac, HmacKey, HmacMode, Secret};
pub use check::{
    Checker, Connect, DnsName, DnsNameError, DnsType, FileWeight, HttpCheck, HttpProtocol, HttpUrl, Probe,
    ProbeKind, RegexStack, Ssl, StatusCodes, Timing, UrlRegex,
};
pub use globals::{
    BufferPolicy, BufferedSocket, Fallbacks, Globals, Host, LvsGlobals, NetlinkBuffer, NetlinkBuffers,
    Outside, OutsideView, Process, ProcessPart, ReceiveBuffers, RunFiles, Scripts, SocketBuffer, SyncDaemon,
    Timeouts, VrrpGlobals,
};
pub use group::{GroupEntry, GroupedServer, VirtualServerGroup};
pub use lvs::{
    Forwarding, Granularity, MinHealthy, Persistence, Protocol, RealNotify, RealServer, Scheduler,
    SchedulerFlags, Service, ServiceGroup, ServiceNotify, SorryServer, TunnelChecksum, VirtualServer,
    VirtualServerName, describe_real_server,
};
pub use mail::{Mail, MailLogin, MailTls, Mailbox};
pub use named::{Conversation, NamedCheck, ProtocolKind, Turn, escape, unescape};
pub use route::{
    CongestionControl, Encap, MetricKind, Named, Net, NextHop, Route, RouteMetric, Rule, RuleAction,
    StaticAddress, Statics,
};
pub use script::{Account, Command, Fifo, Notify, TrackWeight, Tracked, Tracking};
pub use tls::{TlsDemands, TlsName, TlsVersion, Trust, is_short_enough, without_port};
pub use track::{
    BfdInstance, GarpGroup, InitFile, LinkDelay, LinkPoll, Linkbeat, ParameterMatch, SyncGroup, TrackFile,
    TrackGroup, TrackProcess, TrackScript,
};
pub use transport::{Destination, IpvlanMode, OldChecksum, OwnDevice, Peer, Transport, Unicast};
pub use url::{Credential, Header, HeaderError, JsonValue, Method, Scheme, SecretPlace, UrlMore};
pub use values::{AdvertInterval, InterfaceName, NameError, Priority, RangeError, Vrid, Weight};
pub use vrrp::{
    AddressFlags, Family, Filter, Gaps, Garp, GarpExtra, InitialState, Instance, Pacing, Preempt, Version,
    VirtualAddress, Vmac,
};
pub use webhook::Webhook;

/// One complete configuration, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// `global_defs`.
    pub globals: Globals,
    /// `linkbeat_interfaces`.
    pub linkbeat: Vec<Linkbeat>,
    /// `interface_up_down_delays`.
    pub link_delays: Vec<LinkDelay>,
    /// `garp_group`.
    pub garp_groups: Vec<GarpGroup>,
    /// `track_group`.
    pub track_groups: Vec<TrackGroup>,
    /// `static_ipaddress`.
    pub static_addresses: Vec<StaticAddress>,
    /// `static_routes`.
    pub static_routes: Vec<Route>,
    /// `static_rules`.
    pub static_rules: Vec<Rule>,
    /// `vrrp_script`.
    pub scripts: Vec<TrackScript>,
    /// `vrrp_track_process`.
    pub processes: Vec<TrackProcess>,
    /// `track_file`.
    pub files: Vec<TrackFile>,
    /// `bfd_instance`.
    pub bfd: Vec<BfdInstance>,
    /// `vrrp_sync_group`.
    pub sync_groups: Vec<SyncGroup>,
    /// `vrrp_instance` blocks.
    pub instances: Vec<Instance>,
    /// `SSL`.
    pub ssl: Option<Ssl>,
    /// `check NAME` blocks, right ones only.
    pub checks: Vec<NamedCheck>,
    /// `virtual_server_group`.
    pub server_groups: Vec<VirtualServerGroup>,
    /// `virtual_server` blocks; whoever runs them shares them.
    pub virtual_servers: Vec<Arc<VirtualServer>>,
    /// `virtual_server group NAME` blocks.
    pub grouped_servers: Vec<GroupedServer>,
}

impl Model {
    /// Takes the virtual servers that are equal in `other` from there, so that there is one of each, and who compares
    /// them sees it at once.
    pub fn share(&mut self, other: &Self) {
        let known: BTreeMap<Service, &Arc<VirtualServer>> =
            other.virtual_servers.iter().map(|server| (server.service, server)).collect();
        for server in &mut self.virtual_servers {
            if let Some(same) = known.get(&server.service).filter(|known| **known == server) {
                *server = Arc::clone(same);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::source::Texts;
    use crate::config::{Options, load};

    #[test]
    fn what_is_equal_is_shared_and_the_rest_is_as_it_was() {
        let service = |address: &str, weight: u8| {
            format!(
                "virtual_server {address} 80 {{\nprotocol TCP\nreal_server 10.0.1.1 80 {{\nweight {weight}\n\
                 TCP_CHECK {{\n}}\n}}\n}}\n"
            )
        };
        let model =
            |text: &str| load(Path::new("t"), &Texts::one("t", text), &Options::default()).model.unwrap();
        let before =
            model(&[service("10.0.0.1", 1), service("10.0.0.2", 1), service("10.0.0.3", 1)].concat());
        let read = model(&[service("10.0.0.3", 1), service("10.0.0.2", 5), service("10.0.0.4", 1)].concat());
        let mut now = read.clone();
        now.share(&before);
        assert_eq!(now, read);
        let shared =
            |at: usize| before.virtual_servers.iter().any(|old| Arc::ptr_eq(old, &now.virtual_servers[at]));
        assert_eq!([shared(0), shared(1), shared(2)], [true, false, false]);
    }
}
