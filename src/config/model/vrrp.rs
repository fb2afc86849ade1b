use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::{
    AdvertInterval, Authentication, Destination, InterfaceName, Named, Net, Notify, OwnDevice, Peer,
    Priority, Route, Rule, Tracking, Transport, Unicast, Vrid,
};

/// One `vrrp_instance`: a virtual router, on one interface or where the routes lead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// The word after `vrrp_instance`.
    pub name: String,
    /// `interface`. `None`: unicast from an address of the host, by whichever interface the routes name.
    pub interface: Option<InterfaceName>,
    /// `virtual_router_id`.
    pub vrid: Vrid,
    /// `version`, else `vrrp_version`, else 2; always 3 for IPv6.
    pub version: Version,
    /// That of the addresses, the source, the group and the peers.
    pub family: Family,
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
    /// `authentication`, `auth_hmac`.
    pub authentication: Authentication,
    /// With whom it talks.
    pub transport: Transport,
    /// `virtual_ipaddress`: the addresses that the adverts name, in the order of the file.
    pub addresses: Vec<VirtualAddress>,
    /// `virtual_ipaddress_excluded`: moved with the others, absent from the adverts.
    pub excluded_addresses: Vec<VirtualAddress>,
    /// `no_virtual_ipaddress`: no address is meant to be there.
    pub no_addresses: bool,
    /// `virtual_routes`.
    pub routes: Vec<Route>,
    /// `virtual_rules`.
    pub rules: Vec<Rule>,
    /// `garp_*`, else `vrrp_garp_*`.
    pub garp: Garp,
    /// `garp_extra_if`; `None`: that of `vrrp_garp_extra_if`.
    pub garp_extra: Option<GarpExtra>,
    /// `use_vmac`, `use_ipvlan`.
    pub device: Option<OwnDevice>,
    /// Once it is worked out what runs: its own interface, when it has one, then those of addresses on other interfaces.
    pub vmacs: Vec<Vmac>,
    /// `use_vmac_addr`.
    pub vmac_addresses: bool,
    /// `vmac_xmit_base`.
    pub transmit_on_base: bool,
    /// `vrf`.
    pub vrf: Option<InterfaceName>,
    /// `track_*`.
    pub tracking: Tracking,
    /// `dont_track_primary`: a lost link of `interface` causes no FAULT.
    pub dont_track_primary: bool,
    /// `linkbeat_use_polling`.
    pub linkbeat_polling: bool,
    /// `notify*`, `smtp_alert`.
    pub notify: Notify,
    /// `skip_check_adv_addr`: look at the addresses of an advert only when it comes from another master.
    pub skip_check_adv_addr: bool,
    /// `lower_prio_no_advert`: do not answer an advert of lower priority with one of our own.
    pub lower_prio_no_advert: bool,
    /// `higher_prio_send_advert`: one last advert before yielding to a higher priority. `None`: only to a master that had
    /// fallen silent, which hears by it that there were two, and announces its addresses again.
    pub higher_prio_send_advert: Option<bool>,
    /// `owner_ignore_adverts`; `None`: `vrrp_owner_ignore_adverts`.
    pub owner_ignore_adverts: Option<bool>,
    /// `v3_checksum_as_v2`; `None`: that of the globals.
    pub v3_checksum_as_v2: Option<bool>,
    /// `strict_mode`; `None`: `vrrp_strict`.
    pub strict: Option<bool>,
    /// `accept`, `no_accept`: whether traffic to and from the virtual addresses is let through; `None`: as it is for
    /// all. An owner accepts always.
    pub accept: Option<bool>,
    /// `promote_secondaries`.
    pub promote_secondaries: bool,
    /// `lvs_sync_daemon_interface`.
    pub sync_interface: Option<InterfaceName>,
    /// `timer_expired_backup`.
    pub timer_expired_backup: Option<u8>,
    /// `kernel_rx_buf_size`, in bytes.
    pub receive_buffer: Option<u32>,
    /// `debug`.
    pub debug: u8,
}

impl Instance {
    /// `down_timer_adverts` of an instance that has none.
    pub const DOWN_TIMER_ADVERTS: u8 = 3;

    /// Addresses that an advert names on an interface of 1500 bytes: by its count field, or by what the packet holds beside
    /// the headers of ethernet, IP and VRRP.
    #[must_use]
    pub const fn most_advertised(family: Family) -> usize {
        match family {
            Family::Ipv4 => 255,
            Family::Ipv6 => (1500 - 14 - 40 - 8) / 16,
        }
    }

    /// An instance of IPv4 of which nothing more is said.
    #[must_use]
    pub fn new(name: &str, interface: InterfaceName, vrid: Vrid) -> Self {
        let to = Destination::Multicast(Destination::group(Family::Ipv4));
        Self {
            name: name.to_owned(),
            interface: Some(interface),
            vrid,
            version: Version::V2,
            family: Family::Ipv4,
            initial_state: InitialState::Backup,
            priority: Priority::DEFAULT,
            advert_interval: AdvertInterval::DEFAULT,
            down_timer_adverts: Self::DOWN_TIMER_ADVERTS,
            preempt: Preempt::After { delay: Duration::ZERO },
            authentication: Authentication::None,
            transport: Transport { source: None, track_source: false, to },
            addresses: Vec::new(),
            excluded_addresses: Vec::new(),
            no_addresses: false,
            routes: Vec::new(),
            rules: Vec::new(),
            garp: Garp::default(),
            garp_extra: None,
            device: None,
            vmacs: Vec::new(),
            vmac_addresses: false,
            transmit_on_base: false,
            vrf: None,
            tracking: Tracking::default(),
            dont_track_primary: false,
            linkbeat_polling: false,
            notify: Notify::default(),
            skip_check_adv_addr: false,
            lower_prio_no_advert: false,
            higher_prio_send_advert: None,
            owner_ignore_adverts: None,
            v3_checksum_as_v2: None,
            strict: None,
            accept: None,
            promote_secondaries: false,
            sync_interface: None,
            timer_expired_backup: None,
            receive_buffer: None,
            debug: 0,
        }
    }

    /// What is said of peers; `None` for multicast.
    pub fn unicast(&self) -> Option<&Unicast> {
        match &self.transport.to {
            Destination::Multicast(_) => None,
            Destination::Unicast(unicast) => Some(unicast),
        }
    }

    /// The multicast group that adverts go to; `None` for unicast.
    pub fn group(&self) -> Option<IpAddr> {
        match &self.transport.to {
            Destination::Multicast(group) => Some(*group),
            Destination::Unicast(_) => None,
        }
    }

    /// The peers that adverts go to; none for multicast.
    pub fn peers(&self) -> &[Peer] {
        self.unicast().map_or(&[], |unicast| &unicast.peers)
    }

    /// The interface that adverts are sent and heard on; `None`: any.
    pub fn transmits_on(&self) -> Option<&InterfaceName> {
        self.vmacs.iter().find(|vmac| vmac.adverts).map(|vmac| &vmac.name).or(self.interface.as_ref())
    }

    /// How often the master announces on interfaces without adverts; `None`: it does not.
    pub fn garp_extra_interval(&self) -> Option<Duration> {
        let extra = self.garp_extra.filter(|extra| extra.interval > 0)?;
        Some(Duration::from_secs(extra.interval.into()))
    }

    /// Whether `interface` is the one of its block.
    pub fn is_on(&self, interface: &InterfaceName) -> bool {
        self.interface.as_ref() == Some(interface)
    }

    /// Every address that the master holds: those that the adverts name, then the excluded ones.
    pub fn all_addresses(&self) -> impl Iterator<Item = &VirtualAddress> {
        self.addresses.iter().chain(&self.excluded_addresses)
    }
}

/// A macvlan that is there as long as its instance is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vmac {
    /// Its name.
    pub name: InterfaceName,
    /// The interface below it.
    pub base: InterfaceName,
    /// Its address.
    pub mac: [u8; 6],
    /// Adverts are sent and heard on it.
    pub adverts: bool,
    /// Addresses of IPv4 are on it.
    pub ipv4: bool,
    /// Addresses or adverts of IPv6 are on it.
    pub ipv6: bool,
    /// `group`: a number once a configuration runs.
    pub group: Option<Named>,
}

/// `vrrp_garp_interval`, `vrrp_gna_interval`, `garp_group`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pacing {
    /// Of each interface that is in no group.
    pub all: Gaps,
    /// Interfaces that share one spacing.
    pub groups: Vec<(Vec<InterfaceName>, Gaps)>,
}

/// The table of nftables in which traffic to and from virtual addresses is dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// Its name.
    pub table: String,
    /// `nftables_priority`: when its chains are gone through.
    pub priority: i32,
    /// `nftables_counters`: the rules count packets.
    pub counters: bool,
    /// `nftables_ifindex`: link-local addresses are told apart by the index of the interface, not by its name.
    pub by_index: bool,
}

impl Filter {
    /// Where chains stand unless something else is said.
    pub const PRIORITY: i32 = -1;
    /// The name of the table unless another one is given.
    pub const TABLE: &str = "keepalived";
}

impl Default for Filter {
    fn default() -> Self {
        Self { table: Self::TABLE.to_owned(), priority: Self::PRIORITY, counters: false, by_index: false }
    }
}

/// Least time between two announcements of a family; zero: none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gaps {
    /// Gratuitous ARP.
    pub arp: Duration,
    /// Unsolicited neighbour advertisements.
    pub neighbour: Duration,
}

/// Family of addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// `inet`.
    #[default]
    Ipv4,
    /// `inet6`.
    Ipv6,
}

impl Family {
    /// Both, by their words.
    pub const WORDS: [(&str, Self); 2] = [("inet", Self::Ipv4), ("inet6", Self::Ipv6)];

    /// That of `address`.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv6() { Self::Ipv6 } else { Self::Ipv4 }
    }

    /// The family that a word of a configuration stands for.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(other, _)| *other == word).map(|(_, family)| *family)
    }

    /// The word that stands for it in a configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Ipv4 => "inet",
            Self::Ipv6 => "inet6",
        }
    }

    /// Length of a prefix that leaves one address.
    #[must_use]
    pub fn bits(self) -> u8 {
        match self {
            Self::Ipv4 => 32,
            Self::Ipv6 => 128,
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        })
    }
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

/// One line of `virtual_ipaddress`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VirtualAddress {
    /// The address.
    pub address: IpAddr,
    /// Prefix length; 32 or 128 when the line names none.
    pub prefix: u8,
    /// `peer`, of a point-to-point link.
    pub peer: Option<Net>,
    /// `dev`; `None` means the interface of the instance.
    pub interface: Option<InterfaceName>,
    /// `use_vmac`: on the interface of the instance's own.
    pub vmac: bool,
    /// `scope`, as rtnetlink numbers it: 0 global, 200 site, 253 link, 254 host.
    pub scope: u8,
    /// `label`; IPv4 only.
    pub label: Option<String>,
    /// `brd`, `broadcast`; IPv4 only.
    pub broadcast: Option<Ipv4Addr>,
    /// Flags in the kernel.
    pub flags: AddressFlags,
    /// `preferred_lft`, in seconds; 4294967295: for ever.
    pub preferred_lifetime: Option<u32>,
    /// `no_track`: its loss moves nothing.
    pub no_track: bool,
}

impl VirtualAddress {
    /// An address of which nothing more is said.
    #[must_use]
    pub fn new(address: IpAddr, prefix: u8) -> Self {
        Self {
            address,
            prefix,
            peer: None,
            interface: None,
            vmac: false,
            scope: 0,
            label: None,
            broadcast: None,
            flags: AddressFlags::default(),
            preferred_lifetime: None,
            no_track: false,
        }
    }
}

/// Flags of an address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AddressFlags {
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

impl Garp {
    /// `vrrp_garp_master_delay` when there is none.
    pub const DELAY: Duration = Duration::from_secs(5);
    /// `vrrp_garp_master_repeat` when there is none.
    pub const REPEAT: u32 = 5;
    /// `vrrp_garp_master_refresh` when there is none: never.
    pub const REFRESH: Duration = Duration::ZERO;
    /// `vrrp_garp_master_refresh_repeat` when there is none.
    pub const REFRESH_REPEAT: u32 = 1;
}

impl Default for Garp {
    fn default() -> Self {
        Self {
            master_delay: Self::DELAY,
            master_repeat: Self::REPEAT,
            master_refresh: Self::REFRESH,
            master_refresh_repeat: Self::REFRESH_REPEAT,
            lower_prio_delay: Self::DELAY,
            lower_prio_repeat: Self::REPEAT,
        }
    }
}

/// `garp_extra_if`: announcements, again and again, on interfaces of addresses that no advert leaves by, so that
/// switches do not forget them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GarpExtra {
    /// Seconds between two of them.
    pub interval: u32,
    /// `all`: on every such interface, not only on those of the virtual router.
    pub all: bool,
}
