//! The receive pipeline: which packets may touch the state machine, and why the others may not.
//!
//! Input: a packet as it came, of either family. Output: the advert, or the first reason against it, in the order in
//! which keepalived looks. A rejected packet changes no timer and no state.

use std::net::IpAddr;

use serde::Serialize;

use crate::config::model::{Authentication, Family, Instance, OldChecksum, Unicast, Version};

use super::packet::{self, Advert, Header, Received, Sum, length_fits};

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
    /// An authentication header that names another sender than the packet comes from.
    #[error("its authentication header is another sender's")]
    Sender,
    /// The sequence number of the authentication header has been used.
    #[error("sequence number {theirs} is not above {last}: it is sent again, or its sender has started anew")]
    Replayed {
        /// Number received.
        theirs: u32,
        /// The highest so far.
        last: u32,
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
    /// The sum fits without the addresses, which version 3 includes.
    #[error(
        "its checksum leaves out the addresses of the IP header: set `v3_checksum_as_v2` alike on both nodes"
    )]
    ChecksumOfPayload,
    /// A multicast packet on a unicast instance, or the reverse.
    #[error("sent to {destination}, but this instance uses {}", if *unicast { "unicast peers" } else { "multicast" })]
    Destination {
        /// Where the packet went.
        destination: IpAddr,
        /// Ours uses unicast.
        unicast: bool,
    },
    /// `check_unicast_src`: the sender is no peer.
    #[error("it is no `unicast_peer`, and `check_unicast_src` takes no others")]
    NoPeer,
    /// `min_ttl`, `max_ttl` of the peer.
    #[error("TTL {ttl}, {min} to {max} expected: `min_ttl` and `max_ttl` of this peer")]
    PeerTtl {
        /// TTL received.
        ttl: u8,
        /// The smallest that is taken.
        min: u8,
        /// The largest that is taken.
        max: u8,
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
            Self::Sender => "sender",
            Self::Replayed { .. } => "replayed",
            Self::Interval { .. } => "interval",
            Self::Type { .. } => "type",
            Self::Checksum => "checksum",
            Self::ChecksumOfPayload => "checksum of the payload",
            Self::Destination { .. } => "destination",
            Self::NoPeer => "no peer",
            Self::PeerTtl { .. } => "peer ttl",
        }
    }
}

/// An advert that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What it says.
    pub advert: Advert,
    /// Its checksum is that of keepalived up to 1.3.6 over unicast.
    pub old_checksum: bool,
}

/// What a sender may have summed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Summed {
    /// What the RFC of the version says.
    Rfc,
    /// Of a unicast advert: the multicast group in the place of the destination.
    Group,
    /// Of version 3 over IPv4: no addresses.
    Payload,
}

impl Summed {
    fn of(self, config: &Instance, received: &Received) -> Option<Sum> {
        match self {
            Self::Rfc => Some(Sum::of(config.version, received.source, received.destination)),
            Self::Group => Some(Sum::WithAddresses(received.source, config.unicast()?.group)),
            Self::Payload => Some(Sum::Payload),
        }
    }
}

/// The sums that count, the likeliest first. Whoever is told of another one than the RFC's by the configuration may be
/// in the midst of a change: the RFC's counts all the same.
fn sums(config: &Instance) -> impl Iterator<Item = Summed> {
    let v3_of_ipv4 = config.version == Version::V3 && config.family == Family::Ipv4;
    let old = config.unicast().is_some_and(|unicast| unicast.old_checksum != Some(OldChecksum::Never));
    let others = [
        (v3_of_ipv4 && old).then_some(Summed::Group),
        (v3_of_ipv4 && config.v3_checksum_as_v2 == Some(true)).then_some(Summed::Payload),
    ];
    std::iter::once(Summed::Rfc).chain(others.into_iter().flatten())
}

/// A sender that has `v3_checksum_as_v2`, or a router of the vendors that read RFC 5798 so.
fn sums_payload_only(config: &Instance, payload: &[u8]) -> bool {
    config.version == Version::V3 && config.family == Family::Ipv4 && Sum::Payload.fits(payload)
}

/// Checks what was `received` against `config`.
pub fn check(config: &Instance, received: &Received) -> Result<Checked, Rejection> {
    let bytes = received.payload.as_slice();
    let short = Rejection::TooShort { length: bytes.len() };
    let ours = packet::number(config.version);

    let protected = matches!(config.authentication, Authentication::Ah(_));
    if protected != received.ah.is_some() {
        let theirs = if protected { 0 } else { 2 };
        return Err(Rejection::AuthenticationType { theirs, ours: auth_type(&config.authentication) });
    }
    let &[first, _, _, count, ..] = bytes.first_chunk::<{ packet::HEADER }>().ok_or(short)?;
    let theirs = first >> 4;
    let count = usize::from(count);
    let expected = packet::HEADER
        + packet::address_length(config.family) * count
        + packet::trailer_length(theirs, config.family);
    let wrong_length = Rejection::Length { length: bytes.len(), expected, count };
    let header = received.header_length();
    if !length_fits(header + expected, header + bytes.len()) {
        return Err(wrong_length);
    }
    let payload = bytes.get(..expected).ok_or(wrong_length)?;
    let unicast = config.unicast();
    if unicast.is_none() && received.hops != 255 {
        return Err(Rejection::Ttl { ttl: received.hops });
    }
    let advert = Advert::decode(payload, config.family).map_err(|_| Rejection::Version { theirs, ours })?;
    if advert.header.version() != config.version {
        return Err(Rejection::Version { theirs, ours });
    }
    if let Header::V2 { auth_type, interval, auth_data } = advert.header {
        authenticate(&config.authentication, auth_type, &auth_data, received)?;
        let ours = config.advert_interval.centiseconds() / 100;
        if u16::from(interval) != ours {
            return Err(Rejection::Interval { theirs: interval, ours });
        }
    }
    if first & 0x0f != packet::ADVERTISEMENT {
        return Err(Rejection::Type { found: first & 0x0f });
    }
    // The kernel sums IPv6 packets (RFC 3542 §3.1); doing it again costs nothing worth a branch.
    let sum = sums(config).find(|sum| sum.of(config, received).is_some_and(|sum| sum.fits(payload)));
    let old_checksum = match sum {
        Some(sum) => sum == Summed::Group,
        None if sums_payload_only(config, payload) => return Err(Rejection::ChecksumOfPayload),
        None => return Err(Rejection::Checksum),
    };
    if received.destination.is_multicast() == unicast.is_some() {
        return Err(Rejection::Destination { destination: received.destination, unicast: unicast.is_some() });
    }
    if let Some(unicast) = unicast {
        check_peer(unicast, received)?;
    }
    Ok(Checked { advert, old_checksum })
}

/// `check_unicast_src`: only peers are heard, and only from as far as `min_ttl` and `max_ttl` say.
fn check_peer(unicast: &Unicast, received: &Received) -> Result<(), Rejection> {
    if !unicast.check_source {
        return Ok(());
    }
    let peer = unicast.peers.iter().find(|peer| peer.address == received.source).ok_or(Rejection::NoPeer)?;
    let (ttl, min, max) = (received.hops, peer.min_ttl, peer.max_ttl);
    if (min..=max).contains(&ttl) { Ok(()) } else { Err(Rejection::PeerTtl { ttl, min, max }) }
}

/// The number of a kind of authentication in the packet.
pub(super) fn auth_type(authentication: &Authentication) -> u8 {
    match authentication {
        Authentication::None | Authentication::Hmac(_) => 0,
        Authentication::Pass(_) => 1,
        Authentication::Ah(_) => 2,
    }
}

fn authenticate(
    ours: &Authentication,
    theirs: u8,
    data: &[u8; 8],
    received: &Received,
) -> Result<(), Rejection> {
    let ours_is = auth_type(ours);
    if theirs != ours_is {
        return Err(Rejection::AuthenticationType { theirs, ours: ours_is });
    }
    match ours {
        Authentication::None => Ok(()),
        // Over IPv6 there is none on the wire.
        Authentication::Pass(_) if received.source.is_ipv6() => Ok(()),
        Authentication::Pass(password) => {
            // Every byte is looked at, so that time tells nothing.
            let difference = password.iter().zip(data).fold(0, |seen, (a, b)| seen | (a ^ b));
            if difference == 0 { Ok(()) } else { Err(Rejection::Authentication) }
        }
        Authentication::Ah(password) => {
            let header = received.ah.as_ref().ok_or(Rejection::Authentication)?;
            let unicast = !received.destination.is_multicast();
            // Padding of the frame is no part of it.
            let advert = header.total_length().saturating_sub(received.header_length());
            let advert = received.payload.get(..advert).ok_or(Rejection::Authentication)?;
            if header.next != packet::PROTOCOL || !header.fits(password, unicast, advert) {
                return Err(Rejection::Authentication);
            }
            match received.source {
                IpAddr::V4(source) if source.to_bits() == header.spi => Ok(()),
                _ => Err(Rejection::Sender),
            }
        }
        // Nobody runs such an instance yet; if somebody did, nothing that it hears would count.
        Authentication::Hmac(_) => Err(Rejection::Authentication),
    }
}
