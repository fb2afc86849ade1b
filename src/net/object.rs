//! What we keep in the kernel for an instance, and what the kernel tells it by.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// Marks our addresses (`ip address` shows it from Linux 5.18 on): the number of keepalived, whose tools know it. It
/// does not say whose an address is: both daemons use it.
pub const ADDRESS_PROTOCOL: u8 = 18;

/// Something that an instance needs in the kernel.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Object {
    /// An address on an interface.
    Address(Address),
}

/// What the kernel knows an object by: two objects of one key are never there together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// An address: interface, address, prefix length.
    Address {
        /// Index of the interface.
        index: u32,
        /// The address.
        address: IpAddr,
        /// Prefix length.
        prefix: u8,
    },
}

/// One address on an interface.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// Index of the interface.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// rtnetlink scope.
    pub scope: u8,
    /// Label; the interface's name unless configured.
    pub label: Option<String>,
    /// Broadcast address.
    pub broadcast: Option<Ipv4Addr>,
    /// Who set it: see [`ADDRESS_PROTOCOL`].
    pub protocol: u8,
    /// Another address of the same subnet came first.
    pub secondary: bool,
}

impl Object {
    /// What the kernel knows it by.
    pub fn key(&self) -> Key {
        match self {
            Self::Address(one) => Key::Address { index: one.index, address: one.address, prefix: one.prefix },
        }
    }

    /// Whether the kernel's `actual` is what `self` asks for. `name` is that of the interface: the kernel gives it
    /// as label to an IPv4 address that has none.
    pub fn is_met_by(&self, actual: &Self, name: Option<&str>) -> bool {
        let (Self::Address(wanted), Self::Address(actual)) = (self, actual);
        let label = |address: &Address| address.label.as_deref().or(name).map(str::to_owned);
        let v4 = wanted.address.is_ipv4();
        wanted.scope == actual.scope
            && (!v4 || label(wanted) == label(actual))
            && (wanted.broadcast.is_none() || wanted.broadcast == actual.broadcast)
    }
}

impl Key {
    /// The interface that it is on.
    pub fn index(&self) -> u32 {
        match self {
            Self::Address { index, .. } => *index,
        }
    }

    /// Whether `other` is an address of the same subnet on the same interface: the kernel may remove it together
    /// with this one.
    pub fn shares_subnet(&self, other: &Self) -> bool {
        let (
            Self::Address { index, address: IpAddr::V4(ours), prefix },
            Self::Address { index: their_index, address: IpAddr::V4(theirs), prefix: their_prefix },
        ) = (self, other)
        else {
            return false;
        };
        let mask = u32::MAX.checked_shl(32 - u32::from(*prefix).min(32)).unwrap_or(0);
        index == their_index && prefix == their_prefix && (ours.to_bits() ^ theirs.to_bits()) & mask == 0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, prefix, .. } => write!(f, "{address}/{prefix}"),
        }
    }
}

/// One change of the kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Set it.
    Add(Object),
    /// Take it away.
    Remove(Object),
}

impl Operation {
    /// What it is about.
    pub fn key(&self) -> Key {
        let (Self::Add(object) | Self::Remove(object)) = self;
        object.key()
    }

    /// What the kernel's answer (an errno; 0: done) amounts to: adding what is there and removing what is gone are done.
    pub fn outcome(&self, errno: i32) -> Result<(), i32> {
        match (self, errno) {
            (_, 0) | (Self::Add(_), libc::EEXIST) | (Self::Remove(_), libc::EADDRNOTAVAIL | libc::ENODEV) => {
                Ok(())
            }
            _ => Err(errno),
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(object) => write!(f, "adding {}", object.key()),
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

    #[test]
    fn what_is_so_already_is_done() {
        let object = Object::Address(Address {
            index: 1,
            address: IpAddr::from([10, 0, 0, 1]),
            prefix: 24,
            scope: 0,
            label: None,
            broadcast: None,
            protocol: ADDRESS_PROTOCOL,
            secondary: false,
        });
        let (add, remove) = (Operation::Add(object.clone()), Operation::Remove(object));
        assert_eq!(add.outcome(libc::EEXIST), Ok(()));
        assert_eq!(remove.outcome(libc::EADDRNOTAVAIL), Ok(()));
        assert_eq!(add.outcome(libc::EADDRNOTAVAIL), Err(libc::EADDRNOTAVAIL));
        assert_eq!(remove.outcome(libc::EEXIST), Err(libc::EEXIST));
    }
}
