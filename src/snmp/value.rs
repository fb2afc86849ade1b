//! Values of objects (RFC 2741 §5.4), and what they are made of.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::oid::Oid;

/// A value. The names in JSON are short: there are very many.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Value {
    /// INTEGER, Integer32.
    #[serde(rename = "i")]
    Integer(i32),
    /// OCTET STRING that is text.
    #[serde(rename = "t")]
    Text(String),
    /// OCTET STRING that is none.
    #[serde(rename = "o")]
    Octets(Vec<u8>),
    /// OBJECT IDENTIFIER.
    #[serde(rename = "d")]
    Oid(Oid),
    /// IpAddress.
    #[serde(rename = "a")]
    Ip(Ipv4Addr),
    /// Counter32.
    #[serde(rename = "c")]
    Counter(u32),
    /// Gauge32, Unsigned32.
    #[serde(rename = "g")]
    Gauge(u32),
    /// TimeTicks: hundredths of a second.
    #[serde(rename = "h")]
    Ticks(u32),
    /// TimeTicks since that time of the monotonic clock, in milliseconds; what is answered depends on when it is asked.
    #[serde(rename = "s")]
    Since(u64),
    /// Counter64.
    #[serde(rename = "b")]
    Counter64(u64),
}

impl Value {
    /// TruthValue, and what keepalived calls enabled and disabled: 1 or 2.
    #[must_use]
    pub fn truth(yes: bool) -> Self {
        Self::Integer(if yes { 1 } else { 2 })
    }

    /// InetAddressType: 1 or 2.
    #[must_use]
    pub fn family(ipv6: bool) -> Self {
        Self::Integer(if ipv6 { 2 } else { 1 })
    }

    /// InetAddress: the bytes.
    #[must_use]
    pub fn address(address: IpAddr) -> Self {
        Self::Octets(match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        })
    }

    /// A number that a Gauge32 holds, or the largest one that it can hold.
    #[must_use]
    pub fn gauge(number: impl TryInto<u32>) -> Self {
        Self::Gauge(number.try_into().unwrap_or(u32::MAX))
    }

    /// A number that an Integer32 holds, or the largest one that it can hold.
    #[must_use]
    pub fn integer(number: impl TryInto<i32>) -> Self {
        Self::Integer(number.try_into().unwrap_or(i32::MAX))
    }

    /// A Counter32 begins again behind its largest number (RFC 2578 §7.1.6).
    #[must_use]
    pub fn counter(number: u64) -> Self {
        Self::Counter((number & u64::from(u32::MAX)) as u32)
    }

    /// `text` as an OCTET STRING.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A time in whole seconds.
    #[must_use]
    pub fn seconds(time: Duration) -> Self {
        Self::gauge(time.as_secs())
    }

    /// A time in microseconds.
    #[must_use]
    pub fn micros(time: Duration) -> Self {
        Self::gauge(time.as_micros())
    }

    /// What is answered at `now`, milliseconds of the monotonic clock.
    #[must_use]
    pub fn at(self, now: u64) -> Self {
        match self {
            // TimeTicks begin again, too.
            Self::Since(then) => Self::Ticks(((now.saturating_sub(then) / 10) & u64::from(u32::MAX)) as u32),
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_do_not_fit() {
        assert_eq!(Value::gauge(u64::MAX), Value::Gauge(u32::MAX));
        assert_eq!(Value::counter((1 << 32) + 7), Value::Counter(7));
        assert_eq!(Value::Since(1_000).at(2_500), Value::Ticks(150));
        assert_eq!(Value::Since(3_000).at(2_500), Value::Ticks(0));
    }
}
