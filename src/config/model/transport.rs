use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Family, InterfaceName};

/// With whom an instance talks, and from where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transport {
    /// `mcast_src_ip` or `unicast_src_ip`; `None` means the primary address of the interface.
    pub source: Option<IpAddr>,
    /// `track_src_ip`: the loss of the source is a FAULT.
    pub track_source: bool,
    /// Where adverts go.
    pub to: Destination,
}

/// Where adverts go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// To a group, of the family of the instance: `mcast_dst_ip`, else `vrrp_mcast_group4` or `vrrp_mcast_group6`, else
    /// [`Self::group`].
    Multicast(IpAddr),
    /// To each peer.
    Unicast(Unicast),
}

impl Destination {
    /// The group of VRRP: 224.0.0.18 (RFC 9568 §5.1.1.2), ff02::12 (RFC 9568 §5.1.2.2).
    #[must_use]
    pub const fn group(family: Family) -> IpAddr {
        match family {
            Family::Ipv4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18)),
            Family::Ipv6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12)),
        }
    }
}

/// Adverts to routers by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unicast {
    /// `unicast_peer`, no address twice; empty only with `fault_without_peer`.
    pub peers: Vec<Peer>,
    /// `unicast_ttl`, 0..=255: TTL or hop limit of what is sent.
    pub ttl: u8,
    /// Adverts count only when they come from a peer, and from as far as it may be: `check_unicast_src`, else
    /// `vrrp_check_unicast_src`; also when a peer has `min_ttl` or `max_ttl`.
    pub check_source: bool,
    /// `unicast_fault_no_peer`: without a peer the instance is in FAULT.
    pub fault_without_peer: bool,
    /// `old_unicast_checksum`; `None`: the old one is accepted from a peer that sends it.
    pub old_checksum: Option<OldChecksum>,
    /// The group that the old checksum of version 3 names in place of the receiver.
    pub group: IpAddr,
}

impl Unicast {
    /// `unicast_ttl` of an instance that has none.
    pub const TTL: u8 = 255;

    /// Adverts to `peers`, the rest as when nothing is said of it.
    #[must_use]
    pub fn to(peers: Vec<Peer>, group: IpAddr) -> Self {
        let (check_source, fault_without_peer, old_checksum) = (false, false, None);
        Self { peers, ttl: Self::TTL, check_source, fault_without_peer, old_checksum, group }
    }
}

/// One line of `unicast_peer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Where it is.
    pub address: IpAddr,
    /// `min_ttl`: the smallest TTL of an advert that counts.
    pub min_ttl: u8,
    /// `max_ttl`: the largest one.
    pub max_ttl: u8,
}

impl Peer {
    /// A peer at any distance.
    #[must_use]
    pub fn new(address: IpAddr) -> Self {
        Self { address, min_ttl: 0, max_ttl: u8::MAX }
    }

    /// Whether its adverts count from any distance.
    #[must_use]
    pub fn is_anywhere(&self) -> bool {
        *self == Self::new(self.address)
    }
}

/// `old_unicast_checksum`: the checksum of keepalived up to 1.3.6, over the multicast group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OldChecksum {
    /// The keyword alone: sent, and the only one that is accepted.
    Always,
    /// `never`: neither sent nor accepted.
    Never,
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
        mode: IpvlanMode,
        /// `group`.
        group: Option<String>,
    },
}

/// Which ipvlans of one interface reach each other.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IpvlanMode {
    /// All of them.
    #[default]
    Bridge,
    /// None.
    Private,
    /// Through the switch outside.
    Vepa,
}

impl IpvlanMode {
    /// Every mode.
    pub const ALL: [Self; 3] = [Self::Bridge, Self::Private, Self::Vepa];

    /// Its word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Private => "private",
            Self::Vepa => "vepa",
        }
    }
}
