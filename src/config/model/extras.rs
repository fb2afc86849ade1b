use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use super::{Command, Connect, Instance, InterfaceName, Notify, Route, Rule, Tracking};

/// What an instance is told and this version does not act on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceExtras {
    /// The instance is one of IPv6: its addresses are.
    pub ipv6: Option<Ipv6Transport>,
    /// `unicast_peer` lines with `min_ttl` or `max_ttl`.
    pub peer_ttl: Vec<PeerTtl>,
    /// `use_vmac`, `use_ipvlan`.
    pub device: Option<OwnDevice>,
    /// `use_vmac_addr`.
    pub vmac_addresses: bool,
    /// `vmac_xmit_base`.
    pub transmit_on_base: bool,
    /// `vrf`.
    pub vrf: Option<InterfaceName>,
    /// `unicast_fault_no_peer`.
    pub fault_without_peer: bool,
    /// `check_unicast_src`.
    pub check_unicast_source: bool,
    /// `old_unicast_checksum`; true: `never`.
    pub old_unicast_checksum: Option<bool>,
    /// `v3_checksum_as_v2`.
    pub v3_checksum_as_v2: Option<bool>,
    /// `track_src_ip`.
    pub track_source: bool,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// `linkbeat_use_polling`.
    pub linkbeat_polling: bool,
    /// `track_*`.
    pub tracking: Tracking,
    /// `notify*`, `smtp_alert`.
    pub notify: Notify,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// `no_virtual_ipaddress`: no address is meant to be there.
    pub no_addresses: bool,
    /// `no_accept`.
    pub no_accept: bool,
    /// `strict_mode`.
    pub strict: Option<bool>,
    /// `debug`.
    pub debug: u8,
    /// `lvs_sync_daemon_interface`.
    pub sync_interface: Option<InterfaceName>,
    /// `timer_expired_backup`.
    pub timer_expired_backup: Option<u8>,
    /// `garp_extra_if`: seconds, and whether on all interfaces.
    pub garp_extra: Option<(u32, bool)>,
    /// `owner_ignore_adverts`.
    pub owner_ignore_adverts: Option<bool>,
    /// `kernel_rx_buf_size`.
    pub receive_buffer: Option<u32>,
    /// `auth_type AH`, with the password.
    pub ah: Option<Secret>,
    /// `auth_hmac`.
    pub hmac: Option<Hmac>,
}

/// An instance without an interface, or with the number of another one on the same interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceLeftOut {
    /// The instance; its interface is `lo` when it names none.
    pub instance: Instance,
    /// It names an interface.
    pub has_interface: bool,
}

/// Bytes that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("********")
    }
}

/// The addresses of an IPv6 instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ipv6Transport {
    /// `unicast_src_ip`, `mcast_src_ip`.
    pub source: Option<Ipv6Addr>,
    /// `unicast_peer`.
    pub peers: Vec<Ipv6Addr>,
    /// `mcast_dst_ip`, else `vrrp_mcast_group6`, else ff02::12.
    pub group: Ipv6Addr,
}

/// From how far the adverts of a peer may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeerTtl {
    /// The peer.
    pub peer: IpAddr,
    /// `min_ttl`.
    pub min: u8,
    /// `max_ttl`.
    pub max: u8,
}

/// `use_vmac`, `use_ipvlan`: an interface of the instance's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OwnDevice {
    /// A macvlan.
    Vmac {
        /// Its name.
        name: Option<InterfaceName>,
        /// Its address: five bytes, the router id is the sixth, or all six.
        mac: Option<Vec<u8>>,
        /// `netlink_notify_msg`.
        notify: bool,
        /// `group`.
        group: Option<String>,
    },
    /// An ipvlan.
    Ipvlan {
        /// Its name.
        name: Option<InterfaceName>,
        /// Its address.
        address: Option<IpAddr>,
        /// `bridge`, `private` or `vepa`.
        mode: &'static str,
        /// `group`.
        group: Option<String>,
    },
}

/// `auth_hmac`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hmac {
    /// `key`: numbers 1..=255.
    pub keys: Vec<(u8, HmacKey)>,
    /// `active_key`.
    pub active: u8,
    /// `time_window`, in seconds; `None`: three advert intervals, at least 5 s.
    pub window: Option<u16>,
    /// `anti_replay monotonic`.
    pub monotonic: bool,
    /// `mode`.
    pub mode: HmacMode,
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HmacKey {
    /// `file:PATH`, read when it is needed.
    File(String),
    /// 32 to 64 bytes.
    Given(Secret),
}

/// `mode` of `auth_hmac`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HmacMode {
    /// Unsigned adverts are dropped.
    #[default]
    Enforce,
    /// They are accepted.
    Permissive,
    /// They are accepted, and ours carry no signature.
    ReceiveOnly,
}

/// What a virtual server is told and this version does not act on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServiceExtras {
    /// `quorum_up`.
    pub quorum_up: Option<Command>,
    /// `quorum_down`.
    pub quorum_down: Option<Command>,
    /// `ha_suspend`.
    pub ha_suspend: bool,
    /// `omega`.
    pub omega: bool,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<String>,
}

/// What a real server is told and this version does not act on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RealExtras {
    /// `notify_up`.
    pub notify_up: Option<Command>,
    /// `notify_down`.
    pub notify_down: Option<Command>,
    /// `smtp_alert`.
    pub smtp_alert: Option<bool>,
    /// `snmp_name`.
    pub snmp_name: Option<String>,
    /// Checks that this version does not make.
    pub checkers: Vec<UnmadeChecker>,
}

/// A check that this version does not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnmadeChecker {
    /// What it asks.
    pub kind: UnmadeKind,
    /// Where, and from where; `None` for checks that connect to nothing.
    pub connect: Option<Connect>,
    /// `delay_loop`.
    pub delay_loop: Duration,
    /// `warmup`.
    pub warmup: Duration,
    /// `retry`.
    pub retry: u32,
    /// `delay_before_retry`.
    pub delay_before_retry: Duration,
    /// `alpha`.
    pub alpha: bool,
    /// `log_all_failures`.
    pub log_all_failures: Option<bool>,
}

/// Kinds of checks that this version does not make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnmadeKind {
    /// `UDP_CHECK`.
    Udp {
        /// `payload`.
        payload: Option<Vec<u8>>,
        /// `require_reply`: what the reply must start with; `None` in it: any half byte.
        reply: Option<Vec<Option<u8>>>,
        /// `min_reply_length`.
        min_reply: u16,
        /// `max_reply_length`.
        max_reply: u16,
    },
    /// `PING_CHECK`.
    Ping,
    /// `DNS_CHECK`.
    Dns {
        /// `type`, by its name.
        kind: &'static str,
        /// `name`; `.` by default.
        name: String,
    },
    /// `SMTP_CHECK`.
    Smtp {
        /// `helo_name`.
        helo: Option<String>,
    },
    /// `MISC_CHECK`.
    Misc {
        /// `misc_path`, with the account of `user`.
        command: Command,
        /// `misc_timeout`; `None`: `delay_loop`.
        timeout: Option<Duration>,
        /// `misc_dynamic`.
        dynamic: bool,
    },
    /// `BFD_CHECK`.
    Bfd {
        /// The session.
        name: String,
    },
    /// `FILE_CHECK`.
    File {
        /// The `track_file`.
        name: String,
        /// `weight`: `None`: that of the file.
        weight: Option<(i32, bool)>,
    },
}

/// What a url of an HTTP check is told and this version does not act on.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UrlExtras {
    /// `regex`.
    pub regex: Option<String>,
    /// `regex_no_match`.
    pub no_match: bool,
    /// `regex_options`.
    pub options: Vec<String>,
    /// `regex_min_offset`.
    pub min_offset: u64,
    /// `regex_max_offset`.
    pub max_offset: Option<u64>,
    /// `regex_stack`.
    pub stack: Option<(u64, u64)>,
    /// `tls_compliant`.
    pub tls_compliant: Option<bool>,
}

/// `SSL`: client certificate of the checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ssl {
    /// `password`.
    pub password: Option<Secret>,
    /// `ca`.
    pub ca: Option<String>,
    /// `certificate`.
    pub certificate: Option<String>,
    /// `key`.
    pub key: Option<String>,
}

/// What a line of `virtual_ipaddress` says and this version does not act on.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressExtras {
    /// `peer`.
    pub peer: Option<(IpAddr, u8)>,
    /// `home`.
    pub home: bool,
    /// `-nodad`: duplicate address detection runs.
    pub detect_duplicates: bool,
    /// `mngtmpaddr`.
    pub manage_temporary: bool,
    /// `noprefixroute`.
    pub no_prefix_route: bool,
    /// `autojoin`.
    pub autojoin: bool,
    /// `no_track`.
    pub no_track: bool,
    /// `preferred_lft`, in seconds; 4294967295: for ever.
    pub preferred_lifetime: Option<u32>,
    /// `use_vmac`.
    pub vmac: bool,
}
