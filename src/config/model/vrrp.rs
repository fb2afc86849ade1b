use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{AddressExtras, AdvertInterval, InstanceExtras, InterfaceName, Priority, Vrid};

/// One `vrrp_instance`: a virtual router on one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The word after `vrrp_instance`.
    pub name: String,
    /// `interface`.
    pub interface: InterfaceName,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `version`, else `vrrp_version`, else 2.
    pub version: Version,
    /// `state`. `Master` alone speeds nothing up: only the owner (priority 255) starts as master.
    pub initial_state: InitialState,
    /// `priority`.
    pub priority: Priority,
    /// `advert_int`; a whole number of seconds in version 2.
    pub advert_interval: AdvertInterval,
    /// `down_timer_adverts`: adverts that may be missed before the master counts as down, 1..=100.
    pub down_timer_adverts: u8,
    /// `nopreempt`, `preempt_delay`.
    pub preempt: Preempt,
    /// `authentication`; version 2 only.
    pub authentication: Authentication,
    /// `mcast_src_ip` or `unicast_src_ip`; `None` means the primary address of the interface.
    pub source: Option<Ipv4Addr>,
    /// `unicast_peer`; empty means multicast.
    pub unicast_peers: Vec<Ipv4Addr>,
    /// `unicast_ttl`.
    pub unicast_ttl: u8,
    /// `mcast_dst_ip`, else `vrrp_mcast_group4`, else 224.0.0.18.
    pub multicast_group: Ipv4Addr,
    /// `virtual_ipaddress`: the addresses that the adverts name, in the order of the file.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: moved with the others, absent from the adverts.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// `garp_*`, else `vrrp_garp_*`.
    pub garp: Garp,
    /// `skip_check_adv_addr`: look at the addresses of an advert only when it comes from another master.
    pub skip_check_adv_addr: bool,
    /// `lower_prio_no_advert`: do not answer an advert of lower priority with one of our own.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: one last advert before yielding to a higher priority. On by default:
    /// it makes the winner of a healed partition announce its addresses again.
    pub higher_prio_send_advert: bool,
    /// `dont_track_primary`: a lost link of `interface` causes no FAULT.
    pub dont_track_primary: bool,
    /// What this version reads and does not act on.
    pub extras: Box<InstanceExtras>,
}

/// VRRP version on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    V3,
}

/// The word after `state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitialState {
    /// `BACKUP`.
    Backup,
    /// `MASTER`.
    Master,
}

/// When a master of lower priority is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preempt {
    /// As soon as its adverts have run out; `delay` counts from the first lower advert heard.
    After {
        /// `preempt_delay`; zero by default.
        delay: Duration,
    },
    /// `nopreempt`.
    Never,
}

/// `authentication`.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// No block.
    None,
    /// `auth_type PASS`: up to 8 bytes, padded with zeros (RFC 2338 §5.3.10).
    Pass([u8; 8]),
}

impl std::fmt::Debug for Authentication {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pass(_) => "Pass(********)",
        })
    }
}

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 when the line names none.
    pub prefix: u8,
    /// `dev`; `None` means the interface of the instance.
    pub interface: Option<InterfaceName>,
    /// `scope`, as rtnetlink numbers it: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// `label`; IPv4 only.
    pub label: Option<String>,
    /// `brd`, `broadcast`; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// What this version reads and does not act on.
    pub extras: AddressExtras,
}

/// Announcements of a master: gratuitous ARP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Garp {
    /// Time from becoming master to the second burst; zero: no second burst.
    pub master_delay: Duration,
    /// Frames per address in a burst, at least 1.
    pub master_repeat: u32,
    /// Time between refreshing bursts; zero: none.
    pub master_refresh: Duration,
    /// Frames per address in a refreshing burst, at least 1.
    pub master_refresh_repeat: u32,
    /// Time from an advert of lower priority to the second burst that answers it.
    pub lower_prio_delay: Duration,
    /// Frames per address in a burst that answers an advert of lower priority; 0: none.
    pub lower_prio_repeat: u32,
}

impl Default for Garp {
    fn default() -> Self {
        let delay = Duration::from_secs(5);
        Self {
            master_delay: delay,
            master_repeat: 5,
            master_refresh: Duration::ZERO,
            master_refresh_repeat: 1,
            lower_prio_delay: delay,
            lower_prio_repeat: 5,
        }
    }
}
