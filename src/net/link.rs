//! An interface of our own: a macvlan, whose address is that of a virtual router (RFC 9568 §7.3) and moves with it.

use std::fmt;

use super::rule::Device;

/// `MACVLAN_MODE_PRIVATE`: two of them on one interface do not reach each other.
pub(crate) const PRIVATE: u32 = 1;

/// An interface, as far as it matters whether it is one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its name.
    pub name: Device,
    /// Index of the kernel; 0: none yet.
    pub index: u32,
    /// Index of the interface below it; 0: there is none.
    pub base: u32,
    /// Its address.
    pub mac: Mac,
    /// What it is.
    pub kind: Kind,
    /// It is switched on (IFF_UP).
    pub enabled: bool,
    /// `group`, for `ip link show group`; `None`: nobody says, and a new one has that of its base.
    pub group: Option<u32>,
}

/// What an interface is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A macvlan of this mode.
    Macvlan {
        /// `MACVLAN_MODE_*`.
        mode: u32,
    },
    /// Anything else.
    Other,
}

/// Address of an ethernet interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mac(pub [u8; 6]);

impl serde::Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl Link {
    /// Whether `actual` is what this asks for.
    pub fn is_met_by(&self, actual: &Self) -> bool {
        self.is_nearly_met_by(actual) && actual.enabled == self.enabled
    }

    /// Whether `actual` is the interface that this asks for, only switched off.
    pub fn is_nearly_met_by(&self, actual: &Self) -> bool {
        self.base == actual.base
            && self.mac == actual.mac
            && self.kind == actual.kind
            && self.group.is_none_or(|group| actual.group == Some(group))
    }
}
