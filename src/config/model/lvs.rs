use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{Checker, Command, Family, Weight};

/// One `virtual_server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualServer {
    /// What the kernel knows it by; the first of a group.
    pub service: Service,
    /// `virtual_server group NAME`: the services are those of the group.
    pub group: Option<ServiceGroup>,
    /// `lb_algo`.
    pub scheduler: Scheduler,
    /// `flag-1..3`, `sh-port`, `sh-fallback`, `mh-port`, `mh-fallback`.
    pub flags: SchedulerFlags,
    /// `ops`: one packet scheduling, UDP only.
    pub one_packet: bool,
    /// `persistence_timeout`, `persistence_granularity`.
    pub persistence: Option<Persistence>,
    /// `persistence_engine`.
    pub persistence_engine: Option<String>,
    /// `quorum`: sum of weights that makes the service up; at least 1.
    pub quorum: u32,
    /// `hysteresis`: how far the sum may fall below the quorum, and must rise above it.
    pub hysteresis: u32,
    /// `min_healthy`: with fewer real servers up, those that have just failed are kept.
    pub min_healthy: Option<MinHealthy>,
    /// `sorry_server`.
    pub sorry_server: Option<SorryServer>,
    /// `real_server` blocks, no address and port twice.
    pub real_servers: Vec<RealServer>,
    /// `omega`: at a stop its real servers go down as by a failed check, with their notifications.
    pub omega: bool,
    /// `ha_suspend`: it is not checked while its address is not here.
    pub ha_suspend: bool,
    /// Whom its changes are told.
    pub notify: ServiceNotify,
}

/// How many real servers must be up for the checks to be believed that take more of them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MinHealthy {
    /// So many.
    Servers(u32),
    /// So many of a hundred, 1 to 99, rounded down.
    Percent(u8),
}

impl MinHealthy {
    /// Of so many real servers; one of them may always fail.
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Servers(count) => usize::try_from(count).unwrap_or(usize::MAX).min(total.saturating_sub(1)),
            Self::Percent(part) => total.saturating_mul(usize::from(part)) / 100,
        }
    }
}

impl fmt::Display for MinHealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Servers(count) => write!(f, "{count}"),
            Self::Percent(part) => write!(f, "{part}%"),
        }
    }
}

/// Whom the changes of a virtual server are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceNotify {
    /// `quorum_up`.
    pub quorum_up: Option<Command>,
    /// `quorum_down`.
    pub quorum_down: Option<Command>,
    /// `smtp_alert`; `None`: that of the globals.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<String>,
}

/// The group of a virtual server, once its addresses are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceGroup {
    /// The group.
    pub name: String,
    /// How many virtual servers of the same group stand before it.
    pub index: usize,
    /// Its services after the first.
    pub others: Vec<Service>,
}

/// What a virtual server is known by: it survives another address in its group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum VirtualServerName {
    /// `virtual_server group NAME`, and how many of the same group stand before it.
    Group(String, usize),
    /// The others, by the one service that they have.
    Service(Service),
}

impl std::fmt::Display for VirtualServerName {
    /// keepalived's form in logs: `[GROUP]:0`, or that of the service.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Group(name, index) => write!(f, "[{name}]:{index}"),
            Self::Service(service) => service.fmt(f),
        }
    }
}

/// Key of a service in the kernel's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// `virtual_server fwmark N`.
    Fwmark {
        /// The firewall mark.
        mark: u32,
        /// `ip_family`, or that of the real servers.
        family: Family,
    },
    /// `virtual_server ADDRESS PORT`.
    Address {
        /// Transport protocol.
        protocol: Protocol,
        /// Address and port; port 0 means every port.
        address: SocketAddr,
    },
}

/// Transport protocol of a service; the numbers are IANA's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Protocol {
    /// 6.
    Tcp = 6,
    /// 17.
    Udp = 17,
    /// 132.
    Sctp = 132,
}

/// `lb_algo`: the kernel's schedulers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheduler {
    /// Destination hashing.
    Dh,
    /// Weighted failover.
    Fo,
    /// Locality-based least connection.
    Lblc,
    /// The same with replication.
    Lblcr,
    /// Least connection.
    Lc,
    /// Maglev hashing.
    Mh,
    /// Never queue.
    Nq,
    /// Weighted overflow.
    Ovf,
    /// Round robin.
    Rr,
    /// Shortest expected delay.
    Sed,
    /// Source hashing.
    Sh,
    /// Power of two choices.
    Twos,
    /// Weighted least connection.
    Wlc,
    /// Weighted round robin.
    Wrr,
}

impl Scheduler {
    /// Every scheduler, by name.
    pub const ALL: [Self; 14] = [
        Self::Dh,
        Self::Fo,
        Self::Lblc,
        Self::Lblcr,
        Self::Lc,
        Self::Mh,
        Self::Nq,
        Self::Ovf,
        Self::Rr,
        Self::Sed,
        Self::Sh,
        Self::Twos,
        Self::Wlc,
        Self::Wrr,
    ];

    /// The kernel's name of it, which is the configuration's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dh => "dh",
            Self::Fo => "fo",
            Self::Lblc => "lblc",
            Self::Lblcr => "lblcr",
            Self::Lc => "lc",
            Self::Mh => "mh",
            Self::Nq => "nq",
            Self::Ovf => "ovf",
            Self::Rr => "rr",
            Self::Sed => "sed",
            Self::Sh => "sh",
            Self::Twos => "twos",
            Self::Wlc => "wlc",
            Self::Wrr => "wrr",
        }
    }
}

/// The three flags that a scheduler may read; `sh` and `mh` call them fallback (1) and port (2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct SchedulerFlags {
    /// `flag-1`, `sh-fallback`, `mh-fallback`.
    pub one: bool,
    /// `flag-2`, `sh-port`, `mh-port`.
    pub two: bool,
    /// `flag-3`.
    pub three: bool,
}

/// Clients stay with their real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Persistence {
    /// `persistence_timeout`, 1..=2678400 s.
    pub timeout: u32,
    /// `persistence_granularity`.
    pub granularity: Granularity,
}

/// Which bits tell clients apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Granularity {
    /// The first: 0..=32 for IPv4, 1..=128 for IPv6.
    Prefix(u8),
    /// Any of IPv4; no mask that is a prefix.
    Mask(Ipv4Addr),
}

impl Granularity {
    /// Of a mask of IPv4, whichever bits it has.
    pub fn of_mask(mask: Ipv4Addr) -> Self {
        let prefix = mask.to_bits().leading_ones();
        match u8::try_from(prefix) {
            Ok(length) if mask.to_bits().count_ones() == prefix => Self::Prefix(length),
            _ => Self::Mask(mask),
        }
    }

    /// As a mask of IPv4.
    pub fn mask(self) -> Ipv4Addr {
        match self {
            Self::Mask(mask) => mask,
            Self::Prefix(prefix) => {
                let gone = 32 - u32::from(prefix.min(32));
                Ipv4Addr::from_bits(u32::MAX.checked_shl(gone).unwrap_or(0))
            }
        }
    }

    /// As a prefix length of IPv6.
    pub fn prefix(self) -> u8 {
        match self {
            Self::Prefix(prefix) => prefix,
            Self::Mask(_) => 128,
        }
    }
}

impl Persistence {
    /// Seconds of `persistence_timeout` without a number, and of a service that is persistent for another reason.
    pub const TIMEOUT: u32 = 360;
}

/// `lb_kind`: how a packet reaches the real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forwarding {
    /// `DR`: the frame is readdressed; same network.
    DirectRoute,
    /// `TUN type gre`.
    Gre {
        /// `nocsum` or `csum`.
        checksum: TunnelChecksum,
    },
    /// `TUN type gue`.
    Gue {
        /// UDP port of the tunnel.
        port: u16,
        /// `nocsum`, `csum` or `remcsum`.
        checksum: TunnelChecksum,
    },
    /// `TUN`: IP in IP.
    Ipip,
    /// `NAT`: addresses are rewritten both ways.
    Masquerade,
}

/// Checksum of a tunnel's outer header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunnelChecksum {
    /// `nocsum`.
    None,
    /// `csum`.
    Full,
    /// `remcsum`, gue only.
    Remote,
}

/// One `real_server`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealServer {
    /// Address and port; the port equals the service's unless the method is NAT, and is 0 with a
    /// fwmark service that is not NAT. With a group it is that of the file: each service has its own.
    pub address: SocketAddr,
    /// `weight`.
    pub weight: Weight,
    /// `lvs_method`, else `lb_kind` of the virtual server.
    pub forwarding: Forwarding,
    /// `uthreshold`: no new connections above it; 0: no limit.
    pub upper_threshold: u32,
    /// `lthreshold`: new connections again below it.
    pub lower_threshold: u32,
    /// `inhibit_on_failure`: a failed server stays in the table with weight 0.
    pub inhibit_on_failure: bool,
    /// Checks, in the order of the file with those of a kind together; all of them must pass. None: the server is
    /// always up.
    pub checkers: Vec<Checker>,
    /// Whom its changes are told; `None`: nobody in particular.
    pub notify: Option<Box<RealNotify>>,
}

/// Whom the changes of a real server are told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RealNotify {
    /// `notify_up`.
    pub up: Option<Command>,
    /// `notify_down`.
    pub down: Option<Command>,
    /// `smtp_alert`; `None`: that of the globals.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<String>,
}

/// `sorry_server`: takes over while the quorum is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SorryServer {
    /// Address and port.
    pub address: SocketAddr,
    /// `sorry_server_lvs_method`, else `lb_kind`.
    pub forwarding: Forwarding,
    /// `sorry_server_inhibit`: stays in the table with weight 0 while it is not needed.
    pub inhibit: bool,
}

impl Service {
    /// Family of its packets.
    pub fn family(&self) -> Family {
        match self {
            Self::Fwmark { family, .. } => *family,
            Self::Address { address, .. } => Family::of(address.ip()),
        }
    }

    /// True for IPv6.
    pub fn is_ipv6(&self) -> bool {
        self.family() == Family::Ipv6
    }

    /// Port that clients use; 0 for every port and for firewall marks.
    pub fn port(&self) -> u16 {
        match self {
            Self::Fwmark { .. } => 0,
            Self::Address { address, .. } => address.port(),
        }
    }

    /// The virtual address, when it has one.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            Self::Fwmark { .. } => None,
            Self::Address { address, .. } => Some(address.ip()),
        }
    }
}

impl std::fmt::Display for Service {
    /// keepalived's form in logs: `[ADDRESS]:tcp:PORT`, `FWM N`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fwmark { mark, .. } => write!(f, "FWM {mark}"),
            Self::Address { protocol, address } => {
                write!(f, "[{}]:{}:{}", address.ip(), protocol.name(), address.port())
            }
        }
    }
}

impl Protocol {
    /// Lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        }
    }
}

impl VirtualServer {
    /// `quorum` of a virtual server that has none.
    pub const QUORUM: u32 = 1;

    /// What it is known by.
    pub fn name(&self) -> VirtualServerName {
        match &self.group {
            Some(group) => VirtualServerName::Group(group.name.clone(), group.index),
            None => VirtualServerName::Service(self.service),
        }
    }

    /// Its services in the kernel's table.
    pub fn services(&self) -> impl Iterator<Item = Service> {
        let others = self.group.iter().flat_map(|group| &group.others);
        std::iter::once(self.service).chain(others.copied())
    }

    /// A real server in keepalived's log form: `[ADDRESS]:tcp:PORT`.
    pub fn describe_real_server(&self, address: &SocketAddr) -> String {
        describe_real_server(address, self.real_server_protocol())
    }

    /// What stands for the protocol there.
    pub fn real_server_protocol(&self) -> &'static str {
        match self.service {
            Service::Fwmark { .. } => "none",
            Service::Address { protocol, .. } => protocol.name(),
        }
    }
}

/// `[192.168.100.8]:tcp:80`.
pub fn describe_real_server(address: &SocketAddr, protocol: &str) -> String {
    format!("[{}]:{protocol}:{}", address.ip(), address.port())
}
