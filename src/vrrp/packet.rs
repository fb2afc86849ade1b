//! The VRRP packet: bytes to values and values to bytes, with the IPv4 header around it.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version|Type=1 |     VRID      |   Priority    |     Count     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | v2: auth type | v2: seconds   |           Checksum            |
//! | v3: 0 | interval, 1/100 s     |                               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! | addresses, 4 bytes each; v2: 8 bytes of authentication data   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//! Readers are total over their input: they return a value or a [`Malformed`], never panic.

use std::net::Ipv4Addr;

use crate::config::model::Version;

/// IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;
/// Length of the fixed part.
pub const HEADER: usize = 8;
/// Length of version 2's authentication data.
pub const AUTH_DATA: usize = 8;
/// Length of the IPv4 header that we write.
pub const IPV4_HEADER: usize = 20;
/// `type` of an advertisement; there is no other (RFC 9568 §5.2.2).
pub const ADVERTISEMENT: u8 = 1;
/// Internet control, as every implementation marks its adverts.
const TOS: u8 = 0xc0;

/// What an advert says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Version and, with it, the meaning of the second word.
    pub header: Header,
    /// 1..=255.
    pub vrid: u8,
    /// 255: owner; 0: the master stops.
    pub priority: u8,
    /// Virtual addresses, in the sender's order.
    pub addresses: Vec<Ipv4Addr>,
}

/// The part of an advert that differs between the versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// RFC 3768 §5.1.
    V2 {
        /// 0 none, 1 PASS, 2 AH.
        auth_type: u8,
        /// Whole seconds.
        interval: u8,
        /// Authentication data; zeros without PASS.
        auth_data: [u8; AUTH_DATA],
    },
    /// RFC 9568 §5.1.
    V3 {
        /// Hundredths of a second, 12 bits.
        interval: u16,
    },
}

impl Header {
    /// The version.
    pub fn version(&self) -> Version {
        match self {
            Self::V2 { .. } => Version::V2,
            Self::V3 { .. } => Version::V3,
        }
    }
}

/// Why bytes are no advert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Malformed {
    /// The packet ends before its header does.
    #[error("packet of {0} bytes is too short for VRRP")]
    TooShort(usize),
    /// Neither 2 nor 3.
    #[error("VRRP version {0} is unknown")]
    Version(u8),
}

impl Advert {
    /// The packet's payload, checksum included; `source` and `destination` enter version 3's checksum.
    pub fn encode(&self, source: Ipv4Addr, destination: Ipv4Addr) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 4 * self.addresses.len() + AUTH_DATA);
        let version = match self.header {
            Header::V2 { .. } => 2u8,
            Header::V3 { .. } => 3,
        };
        let count = u8::try_from(self.addresses.len()).unwrap_or(u8::MAX);
        bytes.extend([version << 4 | ADVERTISEMENT, self.vrid, self.priority, count]);
        match self.header {
            Header::V2 { auth_type, interval, .. } => bytes.extend([auth_type, interval]),
            Header::V3 { interval } => bytes.extend((interval & 0x0fff).to_be_bytes()),
        }
        bytes.extend([0, 0]);
        for address in self.addresses.iter().take(usize::from(count)) {
            bytes.extend(address.octets());
        }
        if let Header::V2 { auth_data, .. } = self.header {
            bytes.extend(auth_data);
        }
        let sum = checksum(self.header.version(), &bytes, source, destination).to_be_bytes();
        if let Some(field) = bytes.get_mut(6..8) {
            field.copy_from_slice(&sum);
        }
        bytes
    }

    /// Reads a payload. Says nothing of checksum, length or authentication: see [`super::receive`].
    pub fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let short = Malformed::TooShort(payload.len());
        let (&[first, vrid, priority, count, fourth, fifth, _, _], rest) =
            payload.split_first_chunk::<HEADER>().ok_or(short)?;
        let (addresses, rest) = rest.split_at_checked(usize::from(count) * 4).ok_or(short)?;
        let addresses = addresses.as_chunks::<4>().0.iter().map(|octets| Ipv4Addr::from(*octets)).collect();
        let header = match first >> 4 {
            2 => Header::V2 {
                auth_type: fourth,
                interval: fifth,
                auth_data: *rest.first_chunk::<AUTH_DATA>().ok_or(short)?,
            },
            3 => Header::V3 { interval: u16::from_be_bytes([fourth, fifth]) & 0x0fff },
            other => return Err(Malformed::Version(other)),
        };
        Ok(Self { header, vrid, priority, addresses })
    }
}

/// The sum over a payload whose checksum field is zero: version 3 includes a pseudo header
/// (RFC 9568 §5.2.8), version 2 does not.
pub fn checksum(version: Version, payload: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> u16 {
    !fold(partial_sum(version, payload, source, destination))
}

/// Whether the checksum field of a received payload fits its bytes.
pub fn checksum_fits(version: Version, payload: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> bool {
    fold(partial_sum(version, payload, source, destination)) == 0xffff
}

fn partial_sum(version: Version, payload: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> u32 {
    let mut sum = sum_words(payload);
    if version == Version::V3 {
        sum += sum_words(&source.octets()) + sum_words(&destination.octets());
        sum += u32::from(PROTOCOL) + u32::try_from(payload.len()).unwrap_or(0);
    }
    sum
}

fn sum_words(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<2>();
    let whole: u32 = words.iter().map(|word| u32::from(u16::from_be_bytes(*word))).sum();
    whole + rest.first().map_or(0, |last| u32::from(*last) << 8)
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).unwrap_or(u16::MAX)
}

/// A whole IPv4 packet around `payload`. The kernel fills the header checksum (`raw(7)`, IP_HDRINCL).
pub fn ipv4_packet(source: Ipv4Addr, destination: Ipv4Addr, id: u16, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(IPV4_HEADER + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = Vec::with_capacity(IPV4_HEADER + payload.len());
    bytes.extend([0x45, TOS]);
    bytes.extend(length.to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend([0, 0, ttl, PROTOCOL, 0, 0]);
    bytes.extend(source.octets());
    bytes.extend(destination.octets());
    bytes.extend(payload);
    bytes
}

/// The parts of a received IPv4 packet that VRRP looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ipv4Packet<'a> {
    /// Sender.
    pub source: Ipv4Addr,
    /// Group or own address.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// `protocol` field.
    pub protocol: u8,
    /// `total length` field.
    pub total_length: u16,
    /// Length of the header.
    pub header_length: usize,
    /// What follows the header, as received: it may be longer than `total_length` says.
    pub payload: &'a [u8],
}

impl<'a> Ipv4Packet<'a> {
    /// Reads the header. Error: the bytes end before it does, or it is no IPv4.
    pub fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let short = Malformed::TooShort(bytes.len());
        let (header, _) = bytes.split_first_chunk::<IPV4_HEADER>().ok_or(short)?;
        let &[first, _, l0, l1, _, _, _, _, ttl, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
        let header_length = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header_length < IPV4_HEADER {
            return Err(short);
        }
        Ok(Self {
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
            ttl,
            protocol,
            total_length: u16::from_be_bytes([l0, l1]),
            header_length,
            payload: bytes.get(header_length..).ok_or(short)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 101);
    const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

    fn v2() -> Advert {
        let header = Header::V2 { auth_type: 1, interval: 1, auth_data: *b"1111\0\0\0\0" };
        Advert { header, vrid: 51, priority: 100, addresses: vec![Ipv4Addr::new(192, 168, 100, 240)] }
    }

    #[test]
    fn v2_fields_are_where_rfc_3768_puts_them() {
        let bytes = v2().encode(SOURCE, GROUP);
        assert_eq!(bytes[..6], [0x21, 51, 100, 1, 1, 1]);
        assert_eq!(bytes[8..], [192, 168, 100, 240, b'1', b'1', b'1', b'1', 0, 0, 0, 0]);
        assert!(checksum_fits(Version::V2, &bytes, SOURCE, GROUP));
    }

    #[test]
    fn every_advert_survives_the_round_trip() {
        let v3 = Advert { header: Header::V3 { interval: 4095 }, ..v2() };
        for advert in [v2(), v3] {
            let bytes = advert.encode(SOURCE, GROUP);
            assert_eq!(Advert::decode(&bytes), Ok(advert.clone()));
            assert!(checksum_fits(advert.header.version(), &bytes, SOURCE, GROUP));
        }
    }

    #[test]
    fn version_3_sums_the_addresses_of_the_ip_header() {
        let bytes = Advert { header: Header::V3 { interval: 100 }, ..v2() }.encode(SOURCE, GROUP);
        assert!(!checksum_fits(Version::V3, &bytes, SOURCE, Ipv4Addr::new(192, 168, 100, 102)));
    }

    #[test]
    fn no_prefix_of_a_packet_panics() {
        let payload = v2().encode(SOURCE, GROUP);
        let packet = ipv4_packet(SOURCE, GROUP, 1, 255, &payload);
        for length in 0..packet.len() {
            if let Ok(ip) = Ipv4Packet::decode(&packet[..length]) {
                assert!(Advert::decode(ip.payload).is_err());
            }
        }
        let ip = Ipv4Packet::decode(&packet).unwrap();
        assert_eq!((ip.source, ip.destination, ip.ttl, ip.protocol), (SOURCE, GROUP, 255, 112));
        assert_eq!(Advert::decode(ip.payload), Ok(v2()));
    }
}
