//! What we keep in the kernel, for an instance or for as long as we run, and what the kernel tells it by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use crate::config::model::Net;

pub use super::link::{Kind, Link, Mac};
pub use super::route::{Hop, Route, RouteKey, Start};
pub use super::rule::{Device, Does, Rule};

/// Marks our addresses (`ip address` shows it from Linux 5.18 on), routes and rules: the number of keepalived, whose
/// tools know it. It does not say whose an object is: both daemons use it.
pub const PROTOCOL: u8 = 18;

/// Something that is needed in the kernel. They come in this order and go in the other: an address needs its interface,
/// a route the addresses that its gateway and its source belong to, and a rule sends packets to a table that has its
/// routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object {
    /// An interface of our own.
    Link(Link),
    /// An address on an interface.
    Address(Address),
    /// A route. Most objects are addresses: they need not have the size of a route.
    Route(Box<Route>),
    /// A rule of policy routing.
    Rule(Box<Rule>),
}

/// What the kernel knows an object by: two objects of one key are never there together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An interface: its name.
    Link(Device),
    /// An address: interface, address, prefix length.
    Address {
        /// Index of the interface.
        index: u32,
        /// The address.
        address: IpAddr,
        /// Prefix length, that of the peer on a point-to-point link.
        prefix: u8,
    },
    /// A route.
    Route(Arc<RouteKey>),
    /// A rule: all that is said of it.
    Rule(Arc<Rule>),
}

/// One address on an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// The other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// rtnetlink scope.
    pub scope: u8,
    /// Label; the interface's name unless configured.
    pub label: Option<String>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// `IFA_F_*`; of those that say what becomes of an address, [`Address::ASKED`] alone count.
    pub flags: u32,
    /// How long it is preferred as a source, in seconds, [`u32::MAX`]: for ever; `None`: nobody says.
    pub preferred: Option<u32>,
    /// After so many seconds the kernel takes it away by itself; `None`: never.
    pub valid: Option<u32>,
    /// Who set it: see [`PROTOCOL`].
    pub protocol: u8,
    /// Another address of the same subnet came first.
    pub secondary: bool,
    /// Nobody may send from it: the kernel still asks whether another host has it, or has found one (IPv6).
    pub tentative: bool,
    /// The kernel has found another host that has it (IPv6).
    pub duplicate: bool,
}

impl Address {
    /// One of ours, of which nothing more is said.
    pub fn new(index: u32, address: IpAddr, prefix: u8) -> Self {
        Self {
            index,
            address,
            prefix,
            peer: None,
            scope: 0,
            label: None,
            broadcast: None,
            flags: 0,
            preferred: None,
            valid: None,
            protocol: PROTOCOL,
            secondary: false,
            tentative: false,
            duplicate: false,
        }
    }

    /// The kernel does not look for others that have the address.
    pub const NO_DAD: u32 = 0x02;
    /// Home address of a mobile node.
    pub const HOME: u32 = 0x10;
    /// Temporary addresses are made from it.
    pub const MANAGE_TEMPORARY: u32 = 0x100;
    /// No route to its subnet comes with it.
    pub const NO_PREFIX_ROUTE: u32 = 0x200;
    /// The group is joined.
    pub const AUTOJOIN: u32 = 0x400;
    /// The flags that are asked for, and not the kernel's word on the state of an address.
    pub const ASKED: u32 =
        Self::NO_DAD | Self::HOME | Self::MANAGE_TEMPORARY | Self::NO_PREFIX_ROUTE | Self::AUTOJOIN;

    /// The same for so many seconds, after which the kernel takes it away.
    #[must_use]
    pub fn lasting(self, seconds: u32) -> Self {
        let preferred = self.preferred.map(|preferred| preferred.min(seconds));
        Self { preferred, valid: Some(seconds), ..self }
    }

    /// Whether `actual` is what this asks for; `name` is that of the interface.
    fn is_met_by(&self, actual: &Self, name: Option<&str>) -> bool {
        self.valid.is_some() == actual.valid.is_some() && self.is_nearly_met_by(actual, name)
    }

    /// But for when it ends.
    fn is_nearly_met_by(&self, actual: &Self, name: Option<&str>) -> bool {
        let label = |address: &Self| address.label.as_deref().or(name).map(str::to_owned);
        // One that is no source may not become one; the other way round it is only a matter of time.
        let lifetime = match self.preferred {
            Some(0) => actual.preferred == Some(0),
            Some(u32::MAX) => actual.preferred != Some(0),
            _ => true,
        };
        // The kernel gives an IPv6 address the scope that it has by itself.
        (self.address.is_ipv6() || self.scope == actual.scope)
            && self.peer == actual.peer
            && self.flags & Self::ASKED == actual.flags & Self::ASKED
            && lifetime
            && (self.address.is_ipv6() || label(self) == label(actual))
            && (self.broadcast.is_none() || self.broadcast == actual.broadcast)
    }
}

impl Object {
    /// What the kernel knows it by.
    pub fn key(&self) -> Key {
        match self {
            Self::Link(link) => Key::Link(link.name),
            Self::Address(one) => Key::Address { index: one.index, address: one.address, prefix: one.prefix },
            Self::Route(route) => Key::from(route.key()),
            Self::Rule(rule) => Key::from(**rule),
        }
    }

    /// Whether the kernel's `actual` is what `self` asks for. `name` is that of the interface: the kernel gives it
    /// as label to an IPv4 address that has none.
    pub fn is_met_by(&self, actual: &Self, name: Option<&str>) -> bool {
        match (self, actual) {
            (Self::Link(wanted), Self::Link(actual)) => wanted.is_met_by(actual),
            (Self::Address(wanted), Self::Address(actual)) => wanted.is_met_by(actual, name),
            (Self::Route(wanted), Self::Route(actual)) => wanted.is_met_by(actual),
            // All of it is its key.
            (Self::Rule(wanted), Self::Rule(actual)) => wanted == actual,
            _ => false,
        }
    }

    /// The order in which objects are set, and the reverse of that in which they go: what others need comes first. A
    /// gateway must be reached without another gateway.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Link(_) => 0,
            Self::Address(_) => 1,
            Self::Route(route) if route.hops.iter().all(|hop| hop.via.is_none()) => 2,
            Self::Route(_) => 3,
            Self::Rule(_) => 4,
        }
    }

    /// Whether it cannot be set without `other`: a route without its source, or without what leads to its gateway.
    pub fn needs(&self, other: &Self) -> bool {
        let Self::Route(route) = self else { return false };
        let mut gateways = route.hops.iter().filter_map(|hop| hop.via);
        match other {
            Self::Address(Address { address, prefix, peer, .. }) => {
                let net = Net { address: peer.unwrap_or(*address), prefix: *prefix };
                route.source == Some(*address) || gateways.any(|gateway| net.contains(gateway))
            }
            Self::Route(leads) => {
                let net = Net { address: leads.to, prefix: leads.prefix };
                other.rank() < self.rank() && gateways.any(|gateway| net.contains(gateway))
            }
            Self::Link(_) | Self::Rule(_) => false,
        }
    }

    /// Whether `actual` becomes what this asks for when it is asked for once more: nothing need go before.
    pub fn amends(&self, actual: &Self, name: Option<&str>) -> bool {
        match (self, actual) {
            (Self::Link(wanted), Self::Link(actual)) => wanted.is_nearly_met_by(actual),
            (Self::Address(wanted), Self::Address(actual)) => wanted.is_nearly_met_by(actual, name),
            _ => false,
        }
    }

    /// Whether it has to do with the interface of this index.
    pub fn is_on(&self, index: u32) -> bool {
        match self {
            Self::Link(link) => link.base == index,
            Self::Address(address) => address.index == index,
            Self::Route(route) => route.hops.iter().any(|hop| hop.index == index),
            Self::Rule(_) => false,
        }
    }
}

impl From<Route> for Object {
    fn from(route: Route) -> Self {
        Self::Route(Box::new(route))
    }
}

impl From<Rule> for Object {
    fn from(rule: Rule) -> Self {
        Self::Rule(Box::new(rule))
    }
}

impl Key {
    /// The interface that an address is on.
    pub fn index(&self) -> Option<u32> {
        match self {
            Self::Address { index, .. } => Some(*index),
            Self::Link(_) | Self::Route(_) | Self::Rule(_) => None,
        }
    }

    /// Where a route leads first.
    pub fn start(&self) -> Option<Start> {
        match self {
            Self::Route(route) => Some(route.start),
            Self::Link(_) | Self::Address { .. } | Self::Rule(_) => None,
        }
    }

    /// Whether `other` is an address of the same subnet on the same interface: the kernel may remove it together
    /// with this one.
    pub fn shares_subnet(&self, other: &Self) -> bool {
        let (
            Self::Address { index, address, prefix },
            Self::Address { index: their_index, address: theirs @ IpAddr::V4(_), prefix: their_prefix },
        ) = (self, other)
        else {
            return false;
        };
        let net = Net { address: *address, prefix: *prefix };
        index == their_index && prefix == their_prefix && net.contains(*theirs)
    }

    /// Whether the kernel may remove `other` together with this one without being asked for it.
    pub fn may_take_along(&self, other: &Self) -> bool {
        matches!((self, other), (Self::Address { address: IpAddr::V4(_), .. }, Self::Route(route)) if route.to.is_ipv4())
            || self.shares_subnet(other)
    }
}

impl From<RouteKey> for Key {
    fn from(route: RouteKey) -> Self {
        Self::Route(Arc::new(route))
    }
}

impl From<Rule> for Key {
    fn from(rule: Rule) -> Self {
        Self::Rule(Arc::new(rule))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(name) => write!(f, "interface {}", name.as_str()),
            Self::Address { address, prefix, .. } => write!(f, "{address}/{prefix}"),
            Self::Route(route) => write!(f, "route {route}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}

/// One change of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Set it. What is there already stays as it is.
    Add(Object),
    /// Set what is there and ours another way, without taking it away meanwhile: an address, for how long.
    Amend(Object),
    /// Take it away.
    Remove(Object),
}

impl Operation {
    /// What it is about.
    pub fn key(&self) -> Key {
        let (Self::Add(object) | Self::Amend(object) | Self::Remove(object)) = self;
        object.key()
    }

    /// That of its object: see [`Object::rank`].
    pub fn rank(&self) -> u8 {
        let (Self::Add(object) | Self::Amend(object) | Self::Remove(object)) = self;
        object.rank()
    }

    /// What it sets.
    pub fn sets(&self) -> Option<&Object> {
        match self {
            Self::Add(object) | Self::Amend(object) => Some(object),
            Self::Remove(_) => None,
        }
    }

    /// What the kernel's answer (an errno; 0: done) amounts to: adding what is there and removing what is gone are done.
    pub fn outcome(&self, errno: i32) -> Result<(), i32> {
        let done = match (self, errno) {
            (_, 0) => true,
            // Of IPv6 it may be another one of the same destination and metric.
            (Self::Add(Object::Route(route)), libc::EEXIST) => route.to.is_ipv4(),
            (Self::Add(_), libc::EEXIST) => true,
            (Self::Remove(Object::Link(_)), libc::ENODEV) => true,
            (Self::Remove(Object::Address(_)), libc::EADDRNOTAVAIL | libc::ENODEV) => true,
            (Self::Remove(Object::Route(_)), libc::ESRCH | libc::ENODEV | libc::ENETDOWN) => true,
            (Self::Remove(Object::Rule(_)), libc::ENOENT) => true,
            _ => false,
        };
        if done { Ok(()) } else { Err(errno) }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(object) => write!(f, "adding {}", object.key()),
            Self::Amend(object) => write!(f, "changing {}", object.key()),
            Self::Remove(object) => write!(f, "removing {}", object.key()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(last: [u8; 4], prefix: u8) -> Key {
        Key::Address { index: 1, address: IpAddr::from(last), prefix }
    }

    #[test]
    fn subnets_are_compared_by_their_bits() {
        assert!(key([10, 0, 0, 1], 24).shares_subnet(&key([10, 0, 0, 9], 24)));
        assert!(!key([10, 0, 0, 1], 24).shares_subnet(&key([10, 0, 1, 9], 24)));
        assert!(!key([10, 0, 0, 1], 24).shares_subnet(&key([10, 0, 0, 9], 32)));
        assert!(key([10, 0, 0, 1], 0).shares_subnet(&key([192, 0, 0, 9], 0)));
        assert!(!key([10, 0, 0, 1], 32).shares_subnet(&key([10, 0, 0, 2], 32)));
    }

    /// There are several of them in memory for each virtual address.
    #[test]
    fn keys_and_objects_need_not_have_the_size_of_a_route() {
        assert!(size_of::<Key>() <= 32, "{}", size_of::<Key>());
        assert!(size_of::<Object>() <= size_of::<Address>() + 8, "{}", size_of::<Object>());
    }

    #[test]
    fn what_is_so_already_is_done() {
        let object = Object::Address(Address::new(1, IpAddr::from([10, 0, 0, 1]), 24));
        let (add, remove) = (Operation::Add(object.clone()), Operation::Remove(object));
        assert_eq!(add.outcome(libc::EEXIST), Ok(()));
        assert_eq!(remove.outcome(libc::EADDRNOTAVAIL), Ok(()));
        assert_eq!(add.outcome(libc::EADDRNOTAVAIL), Err(libc::EADDRNOTAVAIL));
        assert_eq!(remove.outcome(libc::EEXIST), Err(libc::EEXIST));
    }
}
