//! The receive pipeline: which packets may touch the state machine, and why the others may not.
//!
//! Input: a whole IPv4 packet as the raw socket gives it. Output: the advert, or the first reason against it,
//! in the order in which keepalived looks. A rejected packet changes no timer and no state.

use std::net::{IpAddr, Ipv4Addr};

use serde::Serialize;

use crate::config::model::{Authentication, Instance, Version};

use super::packet::{self, Advert, Header, Ipv4Packet};

/// Why a packet was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, thiserror::Error)]
pub enum Rejection {
    /// Header or count reach beyond the packet.
    #[error("the packet is cut short ({length} bytes)")]
    TooShort {
        /// Bytes received.
        length: usize,
    },
    /// Bytes received differ from what the count of addresses implies.
    #[error("{length} bytes received, {expected} expected for {count} addresses")]
    Length {
        /// Bytes received.
        length: usize,
        /// Bytes that header, addresses and authentication data take.
        expected: usize,
        /// Count field.
        count: usize,
    },
    /// The packet crossed a router, or pretends to be from here (RFC 9568 §7.1).
    #[error("TTL {ttl}, 255 expected: it came through a router")]
    Ttl {
        /// TTL received.
        ttl: u8,
    },
    /// Another version than ours.
    #[error("VRRP version {theirs}, ours is {ours}: set `version` or `vrrp_version` alike on both nodes")]
    Version {
        /// Version nibble.
        theirs: u8,
        /// Our version.
        ours: u8,
    },
    /// `auth_type` differs.
    #[error("authentication type {theirs}, ours is {ours}: make `auth_type` alike on both nodes")]
    AuthenticationType {
        /// 0 none, 1 PASS, 2 AH.
        theirs: u8,
        /// Ours.
        ours: u8,
    },
    /// `auth_pass` differs.
    #[error("the password differs: make `auth_pass` alike on both nodes")]
    Authentication,
    /// Version 2: the interval must be equal (RFC 3768 §7.1).
    #[error("advert interval {theirs} s, ours is {ours} s: make `advert_int` alike on both nodes")]
    Interval {
        /// Seconds received.
        theirs: u8,
        /// Ours.
        ours: u16,
    },
    /// `type` is not 1.
    #[error("packet type {found}, 1 expected")]
    Type {
        /// Type nibble.
        found: u8,
    },
    /// The sum does not fit.
    #[error("the checksum is wrong")]
    Checksum,
    /// A multicast packet on a unicast instance, or the reverse.
    #[error("sent to {destination}, but this instance uses {}", if *unicast { "unicast peers" } else { "multicast" })]
    Destination {
        /// Where the packet went.
        destination: Ipv4Addr,
        /// Ours uses unicast.
        unicast: bool,
    },
}

impl Rejection {
    /// The reason without its figures, to count by.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::TooShort { .. } => "short",
            Self::Length { .. } => "length",
            Self::Ttl { .. } => "ttl",
            Self::Version { .. } => "version",
            Self::AuthenticationType { .. } => "authentication type",
            Self::Authentication => "authentication",
            Self::Interval { .. } => "interval",
            Self::Type { .. } => "type",
            Self::Checksum => "checksum",
            Self::Destination { .. } => "destination",
        }
    }
}

/// Checks `bytes` against `config`; the source of the packet comes back with the advert.
pub fn check(config: &Instance, bytes: &[u8]) -> Result<(Ipv4Addr, Advert), Rejection> {
    let short = Rejection::TooShort { length: bytes.len() };
    let ip = Ipv4Packet::decode(bytes).map_err(|_| short)?;
    let unicast = config.unicast().is_some();
    let ours = number(config.version);

    let &[first, _, _, count, ..] = ip.payload.first_chunk::<{ packet::HEADER }>().ok_or(short)?;
    let theirs = first >> 4;
    let trailer = if theirs == 2 { packet::AUTH_DATA } else { 0 };
    let count = usize::from(count);
    let expected = packet::HEADER + 4 * count + trailer;
    let wrong_length = Rejection::Length { length: ip.payload.len(), expected, count };
    if !length_fits(ip.header_length + expected, bytes.len()) {
        return Err(wrong_length);
    }
    let payload = ip.payload.get(..expected).ok_or(wrong_length)?;
    if !unicast && ip.ttl != 255 {
        return Err(Rejection::Ttl { ttl: ip.ttl });
    }
    let advert = Advert::decode(payload).map_err(|_| Rejection::Version { theirs, ours })?;
    if advert.header.version() != config.version {
        return Err(Rejection::Version { theirs, ours });
    }
    if let Header::V2 { auth_type, interval, auth_data } = advert.header {
        authenticate(&config.authentication, auth_type, &auth_data)?;
        let ours = config.advert_interval.centiseconds() / 100;
        if u16::from(interval) != ours {
            return Err(Rejection::Interval { theirs: interval, ours });
        }
    }
    if first & 0x0f != packet::ADVERTISEMENT {
        return Err(Rejection::Type { found: first & 0x0f });
    }
    if !length_fits(usize::from(ip.total_length), bytes.len()) {
        return Err(wrong_length);
    }
    if !packet::checksum_fits(config.version, payload, ip.source, ip.destination)
        && !old_unicast_checksum(config, payload, ip.source)
    {
        return Err(Rejection::Checksum);
    }
    if ip.destination.is_multicast() == unicast {
        return Err(Rejection::Destination { destination: ip.destination, unicast });
    }
    Ok((ip.source, advert))
}

/// keepalived up to 1.3.6 put the multicast group into the pseudo header of unicast adverts.
fn old_unicast_checksum(config: &Instance, payload: &[u8], source: Ipv4Addr) -> bool {
    let group = config.unicast().map(|unicast| unicast.group);
    let Some(IpAddr::V4(group)) = group.filter(|_| config.version == Version::V3) else { return false };
    packet::checksum_fits(Version::V3, payload, source, group)
}

/// A short packet may arrive padded to the smallest ethernet frame.
fn length_fits(expected: usize, received: usize) -> bool {
    const SMALLEST_PAYLOAD: usize = 46;
    received == expected || (expected < received && received <= SMALLEST_PAYLOAD)
}

fn authenticate(ours: &Authentication, auth_type: u8, data: &[u8; 8]) -> Result<(), Rejection> {
    let (our_type, password) = match ours {
        Authentication::None | Authentication::Hmac(_) => (0, None),
        Authentication::Pass(password) => (1, Some(password)),
        Authentication::Ah(_) => (2, None),
    };
    if auth_type != our_type {
        return Err(Rejection::AuthenticationType { theirs: auth_type, ours: our_type });
    }
    let Some(password) = password else { return Ok(()) };
    // Every byte is looked at, so that time tells nothing.
    let difference = password.iter().zip(data).fold(0, |seen, (a, b)| seen | (a ^ b));
    if difference == 0 { Ok(()) } else { Err(Rejection::Authentication) }
}

fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}
