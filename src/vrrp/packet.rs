//! The VRRP packet of both families: bytes to values and values to bytes, with the header of IP around it.
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
//! | addresses, 4 or 16 bytes each                                 |
//! | v2 over IPv4: 8 bytes of authentication data                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//! Readers are total over their input: they return a value or a [`Malformed`], never panic.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::config::model::{Family, Version};

use super::ah;

/// IP protocol number of VRRP.
pub const PROTOCOL: u8 = 112;
/// Length of the fixed part.
pub const HEADER: usize = 8;
/// Length of version 2's authentication data.
pub const AUTH_DATA: usize = 8;
/// Length of the IPv4 header that we write.
pub const IPV4_HEADER: usize = 20;
/// Length of the IPv6 header.
pub const IPV6_HEADER: usize = 40;
const ETHERNET_HEADER: usize = 14;
/// `type` of an advertisement; there is no other (RFC 9568 §5.2.2).
pub const ADVERTISEMENT: u8 = 1;
/// Internet control, as every implementation marks its adverts.
const CLASS: u8 = 0xc0;

/// What an advert says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Version and, with it, the meaning of the second word.
    pub header: Header,
    /// 1..=255.
    pub vrid: u8,
    /// 255: owner; 0: the master stops.
    pub priority: u8,
    /// Virtual addresses of one family, in the sender's order.
    pub addresses: Vec<IpAddr>,
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
        /// Authentication data; zeros without PASS. Over IPv6 there is none on the wire.
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
    /// The header's `total length` is another than what came.
    #[error("packet of {0} bytes has another length in its header")]
    Length(usize),
    /// Neither 2 nor 3.
    #[error("VRRP version {0} is unknown")]
    Version(u8),
}

/// A packet as it came, whichever family carried it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Sender.
    pub source: IpAddr,
    /// Group or own address.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// IPv4: the identification, by which VRRP daemons number their adverts.
    pub id: Option<u16>,
    /// The authentication header, when there is one.
    pub ah: Option<ah::Header>,
    /// What follows the headers. A short packet may be padded to the smallest ethernet frame.
    pub payload: Vec<u8>,
}

/// A packet to be sent, whichever family carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Our address.
    pub source: IpAddr,
    /// Group or peer.
    pub destination: IpAddr,
    /// Time to live, or hop limit.
    pub hops: u8,
    /// IPv4 identification.
    pub id: u16,
    /// Password and sequence number of an authentication header; over IPv4 only.
    pub ah: Option<([u8; 8], u32)>,
    /// What follows the headers.
    pub payload: Vec<u8>,
}

impl Advert {
    /// The packet's payload, checksum included, as the RFC of its version has it.
    pub fn encode(&self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        self.encode_summed(source, Sum::of(self.header.version(), source, destination))
    }

    /// The packet's payload with a checksum over `sum`. `source` tells the family.
    pub fn encode_summed(&self, source: IpAddr, sum: Sum) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + 16 * self.addresses.len() + AUTH_DATA);
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
            match address {
                IpAddr::V4(v4) => bytes.extend(v4.octets()),
                IpAddr::V6(v6) => bytes.extend(v6.octets()),
            }
        }
        if let (Header::V2 { auth_data, .. }, IpAddr::V4(_)) = (self.header, source) {
            bytes.extend(auth_data);
        }
        let sum = sum.checksum(&bytes).to_be_bytes();
        if let Some(field) = bytes.get_mut(6..8) {
            field.copy_from_slice(&sum);
        }
        bytes
    }

    /// Reads a payload that `family` carried. Says nothing of checksum, length or authentication: see
    /// [`super::receive`].
    pub fn decode(payload: &[u8], family: Family) -> Result<Self, Malformed> {
        let short = Malformed::TooShort(payload.len());
        let (&[first, vrid, priority, count, fourth, fifth, _, _], rest) =
            payload.split_first_chunk::<HEADER>().ok_or(short)?;
        let (addresses, rest) =
            rest.split_at_checked(usize::from(count) * address_length(family)).ok_or(short)?;
        let addresses = match family {
            Family::Ipv4 => addresses.as_chunks::<4>().0.iter().map(|o| Ipv4Addr::from(*o).into()).collect(),
            Family::Ipv6 => addresses.as_chunks::<16>().0.iter().map(|o| Ipv6Addr::from(*o).into()).collect(),
        };
        let header = match first >> 4 {
            2 => Header::V2 {
                auth_type: fourth,
                interval: fifth,
                auth_data: match family {
                    Family::Ipv4 => *rest.first_chunk::<AUTH_DATA>().ok_or(short)?,
                    Family::Ipv6 => [0; AUTH_DATA],
                },
            },
            3 => Header::V3 { interval: u16::from_be_bytes([fourth, fifth]) & 0x0fff },
            other => return Err(Malformed::Version(other)),
        };
        Ok(Self { header, vrid, priority, addresses })
    }
}

/// Bytes of one address.
pub fn address_length(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

/// Bytes behind the addresses.
pub fn trailer_length(version: u8, family: Family) -> usize {
    if version == 2 && family == Family::Ipv4 { AUTH_DATA } else { 0 }
}

/// How many addresses a packet of `mtu` bytes can name; 255 at most, by the count field. 14 bytes are left for the
/// header of ethernet, as keepalived does it.
pub fn most_addresses(mtu: u32, version: Version, family: Family, ah: bool) -> usize {
    let (ip, trailer) = match family {
        Family::Ipv4 => (IPV4_HEADER, trailer_length(number(version), family)),
        Family::Ipv6 => (IPV6_HEADER, 0),
    };
    let headers = ETHERNET_HEADER + ip + if ah { ah::LENGTH } else { 0 } + HEADER + trailer;
    let room = usize::try_from(mtu).unwrap_or(usize::MAX).saturating_sub(headers);
    (room / address_length(family)).min(usize::from(u8::MAX))
}

/// How many bytes a packet with so many addresses has, with the header of IP.
pub fn size(version: Version, family: Family, addresses: usize, ah: bool) -> u32 {
    let ip = match family {
        Family::Ipv4 => IPV4_HEADER,
        Family::Ipv6 => IPV6_HEADER,
    };
    let headers = ip + if ah { ah::LENGTH } else { 0 } + HEADER + trailer_length(number(version), family);
    u32::try_from(headers + addresses * address_length(family)).unwrap_or(u32::MAX)
}

/// The version as it stands in a packet.
pub fn number(version: Version) -> u8 {
    match version {
        Version::V2 => 2,
        Version::V3 => 3,
    }
}

/// What a checksum covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sum {
    /// The payload alone.
    Payload,
    /// A pseudo header of source and destination as well.
    WithAddresses(IpAddr, IpAddr),
}

impl Sum {
    /// Version 3 (RFC 9568 §5.2.8), and version 2 over IPv6, include the pseudo header; version 2 over IPv4 does not.
    pub fn of(version: Version, source: IpAddr, destination: IpAddr) -> Self {
        match version == Version::V3 || source.is_ipv6() {
            true => Self::WithAddresses(source, destination),
            false => Self::Payload,
        }
    }

    /// The sum over a payload whose checksum field is zero.
    pub fn checksum(self, payload: &[u8]) -> u16 {
        !fold(self.over(payload))
    }

    /// Whether the checksum field of a received payload fits its bytes.
    pub fn fits(self, payload: &[u8]) -> bool {
        fold(self.over(payload)) == 0xffff
    }

    fn over(self, payload: &[u8]) -> u32 {
        let mut sum = sum_words(payload);
        if let Self::WithAddresses(source, destination) = self {
            sum += sum_address(source) + sum_address(destination);
            sum += u32::from(PROTOCOL) + u32::try_from(payload.len()).unwrap_or(0);
        }
        sum
    }
}

fn sum_address(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(v4) => sum_words(&v4.octets()),
        IpAddr::V6(v6) => sum_words(&v6.octets()),
    }
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

impl Outgoing {
    /// The whole packet. The kernel fills the header checksum of IPv4 (`raw(7)`, IP_HDRINCL). `None`: source and
    /// destination are of two families.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(IPV6_HEADER + self.payload.len());
        match (self.source, self.destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                let (protocol, ah) =
                    if self.ah.is_some() { (ah::PROTOCOL, ah::LENGTH) } else { (PROTOCOL, 0) };
                let length = u16::try_from(IPV4_HEADER + ah + self.payload.len()).unwrap_or(u16::MAX);
                let ([l0, l1], [i0, i1]) = (length.to_be_bytes(), self.id.to_be_bytes());
                let ([s0, s1, s2, s3], [d0, d1, d2, d3]) = (source.octets(), destination.octets());
                let hops = self.hops;
                let ip =
                    [0x45, CLASS, l0, l1, i0, i1, 0, 0, hops, protocol, 0, 0, s0, s1, s2, s3, d0, d1, d2, d3];
                bytes.extend(ip);
                if let Some((password, sequence)) = &self.ah {
                    let unicast = !destination.is_multicast();
                    bytes.extend(ah::write(password, *sequence, &ip, unicast, &self.payload));
                }
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                let length = u16::try_from(self.payload.len()).unwrap_or(u16::MAX);
                bytes.extend([6 << 4 | CLASS >> 4, CLASS << 4, 0, 0]);
                bytes.extend(length.to_be_bytes());
                bytes.extend([PROTOCOL, self.hops]);
                bytes.extend(source.octets());
                bytes.extend(destination.octets());
            }
            _ => return None,
        }
        bytes.extend(&self.payload);
        Some(bytes)
    }
}

impl Received {
    /// Reads a packet as a raw socket of IPv4 gives it, header included. Error: it is none, or another length stands
    /// in its header.
    pub fn ipv4(bytes: &[u8]) -> Result<Self, Malformed> {
        let short = Malformed::TooShort(bytes.len());
        let (header, _) = bytes.split_first_chunk::<IPV4_HEADER>().ok_or(short)?;
        let &[first, _, l0, l1, i0, i1, _, _, hops, protocol, _, _, s0, s1, s2, s3, d0, d1, d2, d3] = header;
        let header_length = usize::from(first & 0x0f) * 4;
        if first >> 4 != 4 || header_length < IPV4_HEADER || ![PROTOCOL, ah::PROTOCOL].contains(&protocol) {
            return Err(short);
        }
        if !length_fits(usize::from(u16::from_be_bytes([l0, l1])), bytes.len()) {
            return Err(Malformed::Length(bytes.len()));
        }
        let mut payload = bytes.get(header_length..).ok_or(short)?;
        let mut ah = None;
        if protocol == ah::PROTOCOL {
            let (header, advert) = ah::Header::read(*header, payload).ok_or(short)?;
            (ah, payload) = (Some(header), advert);
        }
        Ok(Self {
            source: Ipv4Addr::new(s0, s1, s2, s3).into(),
            destination: Ipv4Addr::new(d0, d1, d2, d3).into(),
            hops,
            id: Some(u16::from_be_bytes([i0, i1])),
            ah,
            payload: payload.to_vec(),
        })
    }

    /// The VRID that it is for.
    pub fn vrid(&self) -> Option<u8> {
        self.payload.get(1).copied()
    }

    /// Length of the headers in front of it.
    pub fn header_length(&self) -> usize {
        let ip = if self.source.is_ipv4() { IPV4_HEADER } else { IPV6_HEADER };
        ip + if self.ah.is_some() { ah::LENGTH } else { 0 }
    }
}

/// A short packet may arrive padded to the smallest ethernet frame.
pub fn length_fits(expected: usize, received: usize) -> bool {
    const SMALLEST_PAYLOAD: usize = 46;
    received == expected || (expected < received && received <= SMALLEST_PAYLOAD)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 100, 101));
    const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));

    fn v2() -> Advert {
        let header = Header::V2 { auth_type: 1, interval: 1, auth_data: *b"1111\0\0\0\0" };
        Advert { header, vrid: 51, priority: 100, addresses: vec![IpAddr::from([192, 168, 100, 240])] }
    }

    fn packet(payload: Vec<u8>) -> Vec<u8> {
        let outgoing = Outgoing { source: SOURCE, destination: GROUP, hops: 255, id: 1, ah: None, payload };
        outgoing.bytes().unwrap()
    }

    #[test]
    fn v2_fields_are_where_rfc_3768_puts_them() {
        let bytes = v2().encode(SOURCE, GROUP);
        assert_eq!(bytes[..6], [0x21, 51, 100, 1, 1, 1]);
        assert_eq!(bytes[8..], [192, 168, 100, 240, b'1', b'1', b'1', b'1', 0, 0, 0, 0]);
        assert!(Sum::of(Version::V2, SOURCE, GROUP).fits(&bytes));
    }

    #[test]
    fn every_advert_survives_the_round_trip() {
        let v3 = Advert { header: Header::V3 { interval: 4095 }, ..v2() };
        for advert in [v2(), v3] {
            let bytes = advert.encode(SOURCE, GROUP);
            assert_eq!(Advert::decode(&bytes, Family::Ipv4), Ok(advert.clone()));
            assert!(Sum::of(advert.header.version(), SOURCE, GROUP).fits(&bytes));
        }
    }

    #[test]
    fn ipv6_adverts_have_long_addresses_and_no_trailer() {
        let (source, group) = ("fe80::1".parse().unwrap(), "ff02::12".parse().unwrap());
        let addresses = vec!["fe80::240".parse().unwrap(), "2001:db8::240".parse().unwrap()];
        let v2 = Header::V2 { auth_type: 0, interval: 1, auth_data: [0; 8] };
        for header in [v2, Header::V3 { interval: 100 }] {
            let advert = Advert { header, vrid: 51, priority: 100, addresses: addresses.clone() };
            let bytes = advert.encode(source, group);
            assert_eq!(bytes.len(), HEADER + 32);
            assert_eq!(Advert::decode(&bytes, Family::Ipv6), Ok(advert.clone()));
            assert!(Sum::of(header.version(), source, group).fits(&bytes));
        }
    }

    #[test]
    fn the_header_of_ipv6_is_where_rfc_8200_puts_it() {
        let (source, destination) = ("fe80::1".parse().unwrap(), "ff02::12".parse().unwrap());
        let outgoing = Outgoing { source, destination, hops: 255, id: 1, ah: None, payload: vec![7; 24] };
        let bytes = outgoing.bytes().unwrap();
        assert_eq!(bytes[..8], [0x6c, 0, 0, 0, 0, 24, 112, 255]);
        assert_eq!(
            (&bytes[8..10], bytes[23], &bytes[24..26], bytes[39]),
            (&[0xfe, 0x80][..], 1, &[0xff, 2][..], 0x12)
        );
        assert_eq!(bytes[IPV6_HEADER..], [7; 24]);
        assert_eq!(Outgoing { source: SOURCE, ..outgoing }.bytes(), None);
    }

    #[test]
    fn version_3_sums_the_addresses_of_the_ip_header() {
        let bytes = Advert { header: Header::V3 { interval: 100 }, ..v2() }.encode(SOURCE, GROUP);
        assert!(!Sum::of(Version::V3, SOURCE, IpAddr::from([192, 168, 100, 102])).fits(&bytes));
    }

    #[test]
    fn no_prefix_of_a_packet_panics() {
        let packet = packet(v2().encode(SOURCE, GROUP));
        for length in 0..packet.len() {
            assert!(Received::ipv4(&packet[..length]).is_err());
            for family in [Family::Ipv4, Family::Ipv6] {
                let _ = Advert::decode(&packet[..length], family);
            }
        }
        let received = Received::ipv4(&packet).unwrap();
        assert_eq!((received.source, received.destination, received.hops), (SOURCE, GROUP, 255));
        assert_eq!(Advert::decode(&received.payload, Family::Ipv4), Ok(v2()));
    }

    #[test]
    fn what_fits_a_packet_depends_on_the_mtu() {
        assert_eq!(most_addresses(1500, Version::V2, Family::Ipv4, false), 255);
        assert_eq!(most_addresses(576, Version::V2, Family::Ipv4, false), 131);
        assert_eq!(most_addresses(576, Version::V3, Family::Ipv4, false), 133);
        assert_eq!(most_addresses(1500, Version::V3, Family::Ipv6, false), 89);
        assert_eq!(most_addresses(576, Version::V2, Family::Ipv4, true), 125);
        assert_eq!(most_addresses(20, Version::V3, Family::Ipv4, false), 0);
    }
}
