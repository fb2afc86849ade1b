use std::net::IpAddr;
use std::time::Duration;

use super::{Command, InterfaceName, Notify, TrackWeight, Tracking};

/// `vrrp_script`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackScript {
    /// The word after `vrrp_script`.
    pub name: String,
    /// `script`, with the account of `user`.
    pub command: Command,
    /// `interval`, at least 1 ms.
    pub interval: Duration,
    /// `timeout`; as long as the interval by default.
    pub timeout: Duration,
    /// `weight`.
    pub weight: TrackWeight,
    /// `rise`: successes until it is up, at least 1.
    pub rise: u32,
    /// `fall`: failures until it is down, at least 1.
    pub fall: u32,
    /// `init_fail`: down until the first result.
    pub init_fail: bool,
}

impl TrackScript {
    /// `interval` of a script that has none.
    pub const INTERVAL: Duration = Duration::from_secs(1);
    /// `rise` of a script that has none.
    pub const RISE: u32 = 1;
    /// `fall` of a script that has none.
    pub const FALL: u32 = 1;
}

/// How arguments of a process are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParameterMatch {
    /// Equal.
    Exact,
    /// The first ones are equal, and the last of them is the start of one.
    Initial,
    /// The first ones are equal.
    Partial,
}

/// `vrrp_track_process`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackProcess {
    /// The word after `vrrp_track_process`.
    pub name: String,
    /// `process`: name or path, and arguments.
    pub command: Vec<String>,
    /// `param_match`, which implies `full_command`; `None`: arguments are not compared.
    pub parameters: Option<ParameterMatch>,
    /// `full_command`: the whole command line is compared, not the 15 bytes that the kernel keeps.
    pub full_command: bool,
    /// `weight`.
    pub weight: TrackWeight,
    /// `quorum`, 0..=65535.
    pub quorum: u16,
    /// `quorum_max`; `None`: any number.
    pub quorum_max: Option<u16>,
    /// `terminate_delay`, `delay`.
    pub terminate_delay: Duration,
    /// `fork_delay`, `delay`.
    pub fork_delay: Duration,
}

impl TrackProcess {
    /// `quorum` of a process that has none.
    pub const QUORUM: u16 = 1;
    /// The longest name that the kernel keeps of a process, in bytes.
    pub const LONGEST_NAME: usize = 15;

    /// One of which nothing more is said than its name and what it is called by.
    #[must_use]
    pub fn new(name: &str, command: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            command,
            parameters: None,
            full_command: false,
            weight: TrackWeight::default(),
            quorum: Self::QUORUM,
            quorum_max: None,
            terminate_delay: Duration::ZERO,
            fork_delay: Duration::ZERO,
        }
    }
}

/// `track_file`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackFile {
    /// The word after `track_file`.
    pub name: String,
    /// `file`.
    pub path: String,
    /// `weight`, 1 by default: the number in the file times this.
    pub weight: TrackWeight,
    /// `init_file`: written at start.
    pub init: Option<InitFile>,
}

impl TrackFile {
    /// `weight` of a file that has none.
    pub const WEIGHT: TrackWeight = TrackWeight { number: 1, reverse: false };
}

/// `init_file`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitFile {
    /// What is written.
    pub number: i32,
    /// `overwrite`: even over a file that is there.
    pub overwrite: bool,
}

/// `bfd_instance`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BfdInstance {
    /// The word after `bfd_instance`.
    pub name: String,
    /// `neighbor_ip`.
    pub neighbour: IpAddr,
    /// `source_ip`.
    pub source: Option<IpAddr>,
    /// `min_rx`.
    pub min_rx: Duration,
    /// `min_tx`.
    pub min_tx: Duration,
    /// `idle_tx`.
    pub idle_tx: Duration,
    /// `multiplier`, 1..=255.
    pub multiplier: u8,
    /// `passive`.
    pub passive: bool,
    /// `ttl`, `hoplimit`, 1..=255.
    pub ttl: u8,
    /// `max_hops`, -1..=255; -1: any distance.
    pub max_hops: i16,
    /// `multihop`: port 4784.
    pub multihop: bool,
    /// `weight`.
    pub weight: TrackWeight,
    /// `vrrp`, or neither `vrrp` nor `checker`.
    pub vrrp: bool,
    /// `checker`, or neither.
    pub checker: bool,
}

impl BfdInstance {
    /// `min_rx` and `min_tx` of a session that has none.
    pub const INTERVAL: Duration = Duration::from_millis(10);
    /// `idle_tx` of a session that has none.
    pub const IDLE: Duration = Duration::from_secs(1);
    /// `multiplier` of a session that has none.
    pub const MULTIPLIER: u8 = 5;

    /// One of which nothing more is said than its name and its neighbour.
    #[must_use]
    pub fn new(name: &str, neighbour: IpAddr) -> Self {
        Self {
            name: name.to_owned(),
            neighbour,
            source: None,
            min_rx: Self::INTERVAL,
            min_tx: Self::INTERVAL,
            idle_tx: Self::IDLE,
            multiplier: Self::MULTIPLIER,
            passive: false,
            ttl: Self::default_ttl(neighbour),
            max_hops: 0,
            multihop: false,
            weight: TrackWeight::default(),
            vrrp: true,
            checker: true,
        }
    }

    /// `ttl` of a session that has none.
    #[must_use]
    pub fn default_ttl(neighbour: IpAddr) -> u8 {
        if neighbour.is_ipv6() { 64 } else { 255 }
    }
}

/// `vrrp_sync_group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncGroup {
    /// The word after `vrrp_sync_group`.
    pub name: String,
    /// `group`: names of instances.
    pub members: Vec<String>,
    /// `track_*` on behalf of all members.
    pub tracking: Tracking,
    /// `notify*`, `smtp_alert`.
    pub notify: Notify,
    /// `sync_group_tracking_weight`: members keep their weights.
    pub tracking_weight: bool,
}

/// `track_group`: the instances that static addresses, routes and rules belong to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrackGroup {
    /// The word after `track_group`.
    pub name: String,
    /// Names of instances.
    pub members: Vec<String>,
}

/// `garp_group`: interfaces that share the spacing of announcements.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GarpGroup {
    /// `garp_interval`.
    pub garp_interval: Option<Duration>,
    /// `gna_interval`.
    pub gna_interval: Option<Duration>,
    /// `interface`, `interfaces`.
    pub interfaces: Vec<InterfaceName>,
}

/// One line of `interface_up_down_delays`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkDelay {
    /// The interface.
    pub interface: InterfaceName,
    /// How long it must be down to count as down.
    pub down: Duration,
    /// How long it must be up to count as up.
    pub up: Duration,
}

/// One line of `linkbeat_interfaces`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linkbeat {
    /// The interface.
    pub interface: InterfaceName,
    /// How it is asked; `None`: in the way that it can.
    pub poll: Option<LinkPoll>,
}

/// How the state of a link is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkPoll {
    /// `ETHTOOL`.
    Ethtool,
    /// `IOCTL`.
    Ioctl,
    /// `MII`.
    Mii,
}
