//! The authentication header (RFC 2402) as keepalived uses it: `auth_type AH`, version 2 over IPv4.
//!
//! ```text
//! +---------------+---------------+---------------+---------------+
//! | next: 112     | length: 4     | 0             | 0             |
//! | SPI: the source address                                       |
//! | sequence number                                               |
//! | first 12 bytes of HMAC-MD5 over the packet                    |
//! +---------------+---------------+---------------+---------------+
//! ```
//! The sum covers the header of IP without what changes on the way, this header with a sum of zeros, and the advert.

use std::net::Ipv4Addr;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::Md5;

use super::packet::{self, IPV4_HEADER};

/// IP protocol number of the header.
pub const PROTOCOL: u8 = 51;
/// Its length.
pub const LENGTH: usize = 24;
/// In words of four bytes, less two (RFC 2402 §2.2).
const PAYLOAD_LENGTH: u8 = 4;
/// Bytes of the sum that are sent (RFC 2403).
const SUM: usize = 12;

/// What a packet brings with it besides the advert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The header of IP as it came.
    pub ip: [u8; IPV4_HEADER],
    /// `next header`: what follows.
    pub next: u8,
    /// Security parameters index.
    pub spi: u32,
    /// Sequence number.
    pub sequence: u32,
    sum: [u8; SUM],
}

impl Header {
    /// Splits what follows the header of IP. `None`: it is too short, or says that it is longer.
    pub fn read(ip: [u8; IPV4_HEADER], bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&[next, length, _, _, p0, p1, p2, p3, q0, q1, q2, q3], rest) =
            bytes.split_first_chunk::<12>()?;
        let (sum, advert) = rest.split_first_chunk::<SUM>()?;
        let sequence = u32::from_be_bytes([q0, q1, q2, q3]);
        let header = Self { ip, next, spi: u32::from_be_bytes([p0, p1, p2, p3]), sequence, sum: *sum };
        (length == PAYLOAD_LENGTH).then_some((header, advert))
    }

    /// Length of the whole packet, without the padding of its frame.
    pub fn total_length(&self) -> usize {
        let [_, _, l0, l1, ..] = self.ip;
        usize::from(u16::from_be_bytes([l0, l1]))
    }

    /// Whether the sum is that of the password; `unicast`: the hops of such a packet change on the way.
    pub fn fits(&self, password: &[u8; 8], unicast: bool, advert: &[u8]) -> bool {
        let own = head(self.next, self.spi, self.sequence);
        mac(password, &self.ip, unicast, &own, advert)
            .is_some_and(|mac| mac.verify_truncated_left(&self.sum).is_ok())
    }
}

/// The header in front of `advert`. `ip`: the header of IP that goes before it.
pub fn write(
    password: &[u8; 8],
    sequence: u32,
    ip: &[u8; IPV4_HEADER],
    unicast: bool,
    advert: &[u8],
) -> [u8; LENGTH] {
    let &[.., s0, s1, s2, s3, _, _, _, _] = ip;
    let own = head(packet::PROTOCOL, Ipv4Addr::new(s0, s1, s2, s3).to_bits(), sequence);
    let mut bytes = [0; LENGTH];
    bytes.iter_mut().zip(own).for_each(|(to, from)| *to = from);
    let sum = mac(password, ip, unicast, &own, advert).map(|mac| mac.finalize().into_bytes());
    bytes.iter_mut().skip(LENGTH - SUM).zip(sum.into_iter().flatten()).for_each(|(to, from)| *to = from);
    bytes
}

/// The header without its sum.
fn head(next: u8, spi: u32, sequence: u32) -> [u8; LENGTH - SUM] {
    let [p0, p1, p2, p3] = spi.to_be_bytes();
    let [q0, q1, q2, q3] = sequence.to_be_bytes();
    [next, PAYLOAD_LENGTH, 0, 0, p0, p1, p2, p3, q0, q1, q2, q3]
}

/// HMAC-MD5 over what does not change on the way. `None`: never, the key has a length that it may have.
fn mac(
    password: &[u8; 8],
    ip: &[u8; IPV4_HEADER],
    unicast: bool,
    own: &[u8; LENGTH - SUM],
    advert: &[u8],
) -> Option<Hmac<Md5>> {
    let mut mac = Hmac::<Md5>::new_from_slice(password).ok()?;
    let &[version, _, l0, l1, i0, i1, _, _, ttl, protocol, _, _, a0, a1, a2, a3, b0, b1, b2, b3] = ip;
    let ttl = if unicast { 0 } else { ttl };
    mac.update(&[version, 0, l0, l1, i0, i1, 0, 0, ttl, protocol, 0, 0, a0, a1, a2, a3, b0, b1, b2, b3]);
    mac.update(own);
    mac.update(&[0; SUM]);
    mac.update(advert);
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: [u8; 8] = *b"secret12";
    /// 10.0.0.1 to 224.0.0.18, protocol 51, 64 bytes.
    const IP: [u8; IPV4_HEADER] = [0x45, 0xc0, 0, 64, 0, 7, 0, 0, 255, 51, 0, 0, 10, 0, 0, 1, 224, 0, 0, 18];
    const ADVERT: [u8; 20] = [0x21, 51, 150, 1, 2, 1, 0xbb, 0x1a, 10, 0, 0, 100, 0, 0, 0, 0, 0, 0, 0, 0];

    #[test]
    fn what_is_written_fits_and_nothing_else_does() {
        let bytes = [write(&PASSWORD, 9, &IP, false, &ADVERT).as_slice(), &ADVERT].concat();
        assert_eq!(bytes[..12], [112, 4, 0, 0, 10, 0, 0, 1, 0, 0, 0, 9]);
        let fits = |ip: [u8; IPV4_HEADER], bytes: &[u8], password: &[u8; 8], unicast| {
            Header::read(ip, bytes).is_some_and(|(header, advert)| header.fits(password, unicast, advert))
        };
        assert!(fits(IP, &bytes, &PASSWORD, false));
        assert!(!fits(IP, &bytes, b"secret13", false));
        assert!(!fits(IP, &bytes, &PASSWORD, true), "to a group the hops count");
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            // What is reserved counts as zero.
            assert_eq!(fits(IP, &changed, &PASSWORD, false), matches!(at, 2 | 3), "byte {at}");
        }
        // Class, fragment and checksum change on the way.
        for at in 0..IPV4_HEADER {
            let mut ip = IP;
            ip[at] ^= 1;
            assert_eq!(
                fits(ip, &bytes, &PASSWORD, false),
                matches!(at, 1 | 6 | 7 | 10 | 11),
                "byte {at} of IP"
            );
        }
        (0..bytes.len()).for_each(|end| assert!(!fits(IP, &bytes[..end], &PASSWORD, false)));
    }

    #[test]
    fn hops_of_a_unicast_packet_may_change() {
        let bytes = [write(&PASSWORD, 9, &IP, true, &ADVERT).as_slice(), &ADVERT].concat();
        let mut ip = IP;
        ip[8] = 3;
        let (header, advert) = Header::read(ip, &bytes).unwrap();
        assert!(header.fits(&PASSWORD, true, advert));
    }
}
