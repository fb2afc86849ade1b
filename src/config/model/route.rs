use std::net::IpAddr;

use super::{Family, InterfaceName, VirtualAddress, Vmac};

/// An address and a prefix length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Net {
    /// The address.
    pub address: IpAddr,
    /// 0..=32 or 0..=128.
    pub prefix: u8,
}

impl Net {
    /// Whether `address` is in the network of this one.
    pub fn contains(&self, address: IpAddr) -> bool {
        let bits = |address: IpAddr| match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        };
        let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix.min(128))).unwrap_or(0);
        let same_family = self.address.is_ipv4() == address.is_ipv4();
        same_family && (bits(self.address) ^ bits(address)) & mask == 0
    }
}

/// A number, or a name of `/etc/iproute2`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// A number.
    Number(u32),
    /// A name, to be looked up on the host.
    Name(String),
}

/// A line of `static_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaticAddress {
    /// The address and its options.
    pub address: VirtualAddress,
    /// `track_group`.
    pub track_group: Option<String>,
}

/// What is kept in the kernel as long as the daemon runs, whatever the instances do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statics {
    /// `static_ipaddress`, each with its interface.
    pub addresses: Vec<StaticAddress>,
    /// `static_routes`.
    pub routes: Vec<Route>,
    /// `static_rules`.
    pub rules: Vec<Rule>,
    /// The interfaces of the virtual routers' own, once it is worked out what runs.
    pub vmacs: Vec<Vmac>,
    /// `disable_local_igmp`: the host reports none of its groups in 224.0.0.0/24.
    pub no_local_igmp: bool,
}

impl Statics {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty() && self.routes.is_empty() && self.rules.is_empty() && self.vmacs.is_empty()
    }
}

/// `encap`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encap {
    /// `ip`, `ip6`: the metadata of a tunnel.
    Ip {
        /// Of the tunnel.
        family: Family,
        /// `id`.
        id: u64,
        /// `dst`.
        to: Option<IpAddr>,
        /// `src`.
        from: Option<IpAddr>,
        /// `tos`, `tc`.
        tos: u8,
        /// `ttl`, `hoplimit`.
        ttl: u8,
        /// `flags`.
        flags: u16,
    },
    /// `mpls`: labels, outermost first.
    Mpls(Vec<u32>),
    /// `ila`: a locator.
    Ila(u64),
}

/// One hop of a route.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextHop {
    /// `via`.
    pub via: Option<IpAddr>,
    /// `dev`.
    pub interface: Option<InterfaceName>,
    /// `weight`, 1..=256; 0 when none is given.
    pub weight: u16,
    /// `onlink`.
    pub onlink: bool,
    /// `encap`.
    pub encap: Option<Encap>,
    /// `realms`, source in the upper half.
    pub realms: Option<u32>,
}

/// What a metric of a route is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Largest segment that is advertised.
    Advmss,
    /// Congestion window.
    Cwnd,
    /// Fast open without a cookie.
    FastopenNoCookie,
    /// Hop limit.
    Hoplimit,
    /// First congestion window.
    Initcwnd,
    /// First receive window.
    Initrwnd,
    /// Largest packet.
    Mtu,
    /// Acknowledgements at once.
    Quickack,
    /// Tolerance to reordering.
    Reordering,
    /// Shortest time until a retransmission.
    RtoMin,
    /// Round trip time.
    Rtt,
    /// Its variance.
    Rttvar,
    /// Threshold of slow start.
    Ssthresh,
    /// Largest window.
    Window,
}

impl MetricKind {
    /// Every kind, by its word.
    pub const WORDS: [(&str, Self); 14] = [
        ("advmss", Self::Advmss),
        ("cwnd", Self::Cwnd),
        ("fastopen_no_cookie", Self::FastopenNoCookie),
        ("hoplimit", Self::Hoplimit),
        ("initcwnd", Self::Initcwnd),
        ("initrwnd", Self::Initrwnd),
        ("mtu", Self::Mtu),
        ("quickack", Self::Quickack),
        ("reordering", Self::Reordering),
        ("rto_min", Self::RtoMin),
        ("rtt", Self::Rtt),
        ("rttvar", Self::Rttvar),
        ("ssthresh", Self::Ssthresh),
        ("window", Self::Window),
    ];

    /// The word that stands for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }
}

/// One metric of a route: what it is called, whether it is locked, its number in the unit of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteMetric {
    /// `mtu`, `advmss`, `rtt` …
    pub kind: MetricKind,
    /// `lock`.
    pub locked: bool,
    /// The number; rtt in eighths and rttvar in quarters of a millisecond, `rto_min` in milliseconds.
    pub number: u32,
}

/// `congctl`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CongestionControl {
    /// The algorithm.
    pub name: String,
    /// `lock`.
    pub locked: bool,
}

/// A line of `virtual_routes` or `static_routes`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Route {
    /// The destination; `None`: every address (`default`).
    pub to: Option<Net>,
    /// `inet`, `inet6`, or of the addresses; `None`: nothing tells.
    pub family: Option<Family>,
    /// `unicast`, `blackhole` …, as rtnetlink numbers it.
    pub kind: Option<u8>,
    /// `src`.
    pub source: Option<IpAddr>,
    /// `from`; IPv6.
    pub from: Option<Net>,
    /// `via`, `gw`.
    pub via: Option<IpAddr>,
    /// `dev`, `oif`.
    pub interface: Option<InterfaceName>,
    /// `vrf`.
    pub vrf: Option<InterfaceName>,
    /// `tos`, `dsfield`.
    pub tos: Option<Named>,
    /// `table`.
    pub table: Option<Named>,
    /// `protocol`.
    pub protocol: Option<Named>,
    /// `scope`.
    pub scope: Option<Named>,
    /// `metric`, `priority`, `preference`.
    pub metric: Option<u32>,
    /// `onlink`.
    pub onlink: bool,
    /// `encap`.
    pub encap: Option<Encap>,
    /// `expires`, in seconds.
    pub expires: Option<u32>,
    /// `mtu`, `rtt` and their kin.
    pub metrics: Vec<RouteMetric>,
    /// `congctl`.
    pub congestion_control: Option<CongestionControl>,
    /// `features ecn`.
    pub ecn: bool,
    /// `realms`.
    pub realms: Option<u32>,
    /// `pref`: 0 medium, 1 high, 3 low.
    pub preference: Option<u8>,
    /// `ttl-propagate`.
    pub ttl_propagate: Option<bool>,
    /// `append`.
    pub append: bool,
    /// `add`: it is an error when there is one.
    pub add: bool,
    /// `nexthop` and `or`.
    pub hops: Vec<NextHop>,
    /// `no_track`.
    pub no_track: bool,
    /// `track_group`; static routes only.
    pub track_group: Option<String>,
}

/// What a rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleAction {
    /// `table`, `lookup`.
    Table(Named),
    /// `goto`.
    Goto(u32),
    /// `l3mdev`.
    L3mdev,
    /// `nop`.
    Nop,
    /// `blackhole`.
    Blackhole,
    /// `unreachable`.
    Unreachable,
    /// `prohibit`.
    Prohibit,
}

/// A line of `virtual_rules` or `static_rules`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rule {
    /// `not`.
    pub invert: bool,
    /// `from`.
    pub from: Option<Net>,
    /// `to`.
    pub to: Option<Net>,
    /// `inet`, `inet6`, or of the addresses.
    pub family: Option<Family>,
    /// What it does; a line without one is reported.
    pub action: Option<RuleAction>,
    /// `preference`, `order`, `priority`.
    pub preference: Option<u32>,
    /// `tos`, `dsfield`.
    pub tos: Option<Named>,
    /// `fwmark` and its mask.
    pub fwmark: Option<(u32, u32)>,
    /// `realms`.
    pub realms: Option<u32>,
    /// `suppress_prefixlength`.
    pub suppress_prefix: Option<u32>,
    /// `suppress_ifgroup`.
    pub suppress_group: Option<Named>,
    /// `dev`, `iif`.
    pub input: Option<InterfaceName>,
    /// `oif`.
    pub output: Option<InterfaceName>,
    /// `tunnel-id`.
    pub tunnel: Option<u64>,
    /// `uidrange`.
    pub users: Option<(u32, u32)>,
    /// `protocol`.
    pub protocol: Option<u8>,
    /// `ipproto`.
    pub ip_protocol: Option<Named>,
    /// `sport`.
    pub source_ports: Option<(u16, u16)>,
    /// `dport`.
    pub ports: Option<(u16, u16)>,
    /// `no_track`.
    pub no_track: bool,
    /// `track_group`; static rules only.
    pub track_group: Option<String>,
}
