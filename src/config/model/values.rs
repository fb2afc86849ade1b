use std::fmt;
use std::num::NonZeroU8;

/// Virtual router identifier, 1..=255 (RFC 9568 §5.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vrid(u8);

impl Vrid {
    /// The lowest one.
    pub const LOWEST: Self = Self(1);

    /// Error: the number is outside 1..=255.
    pub fn new(number: u64) -> Result<Self, RangeError> {
        in_range(number, 1, 255).map(Self)
    }

    /// The number, as it goes on the wire.
    pub fn number(self) -> u8 {
        self.0
    }
}

/// Configured priority of an instance, 1..=255; 255 is the owner of the addresses (RFC 9568 §5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Priority(u8);

impl Priority {
    /// The default of a router that does not own the addresses.
    pub const DEFAULT: Self = Self(100);
    /// The owner of the addresses.
    pub const OWNER: Self = Self(255);

    /// Error: the number is outside 1..=255.
    pub fn new(number: u64) -> Result<Self, RangeError> {
        in_range(number, 1, 255).map(Self)
    }

    /// The number, as it goes on the wire.
    pub const fn number(self) -> u8 {
        self.0
    }
}

/// Time between two adverts, in centiseconds: 1..=4095 in version 3, whole seconds 1..=255 in version 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AdvertInterval(u16);

impl AdvertInterval {
    /// One second.
    pub const DEFAULT: Self = Self(100);

    /// Error: the number of centiseconds is outside 1..=25500.
    pub fn from_centiseconds(number: u64) -> Result<Self, RangeError> {
        in_range(number, 1, 25_500).map(Self)
    }

    /// The interval in hundredths of a second.
    pub fn centiseconds(self) -> u16 {
        self.0
    }

    /// The interval as a duration.
    pub const fn duration(self) -> std::time::Duration {
        std::time::Duration::from_millis(self.0 as u64 * 10)
    }
}

/// Weight of a real server, 0..=2147483647; 0 keeps connections and takes no new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Weight(u32);

impl Weight {
    /// The weight of a real server that names none.
    pub const ONE: Self = Self(1);

    /// Error: the number is above 2147483647.
    pub fn new(number: u64) -> Result<Self, RangeError> {
        in_range(number, 0, i32::MAX as u64).map(Self)
    }

    /// The number, as the kernel takes it.
    pub fn number(self) -> u32 {
        self.0
    }
}

/// Name of a network interface: 1 to 15 bytes, no blank, no `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfaceName {
    /// Zeros behind the name.
    bytes: [u8; 15],
    length: NonZeroU8,
}

impl InterfaceName {
    /// `lo`.
    pub const LOOPBACK: Self =
        Self { bytes: *b"lo\0\0\0\0\0\0\0\0\0\0\0\0\0", length: NonZeroU8::MIN.saturating_add(1) };

    /// Error: the kernel would take no interface of this name.
    pub fn new(name: &str) -> Result<Self, NameError> {
        let bad = |c: char| c.is_whitespace() || c == '/' || c.is_control();
        if name == "." || name == ".." || name.contains(bad) {
            return Err(NameError);
        }
        let length = u8::try_from(name.len()).ok().and_then(NonZeroU8::new).ok_or(NameError)?;
        let mut bytes = [0; 15];
        let start = bytes.get_mut(..name.len()).ok_or(NameError)?;
        start.copy_from_slice(name.as_bytes());
        Ok(Self { bytes, length })
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length.get()));
        bytes.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InterfaceName").field(&self.as_str()).finish()
    }
}

/// A number that its keyword does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{found} is outside {low}..{high}")]
pub struct RangeError {
    /// What was given.
    pub found: u64,
    /// The smallest value that is taken.
    pub low: u64,
    /// The largest value that is taken.
    pub high: u64,
}

/// A name that no interface can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an interface name has 1 to 15 characters, no blank and no '/'")]
pub struct NameError;

fn in_range<T: TryFrom<u64>>(found: u64, low: u64, high: u64) -> Result<T, RangeError> {
    let error = RangeError { found, low, high };
    if (low..=high).contains(&found) { T::try_from(found).map_err(|_| error) } else { Err(error) }
}
