//! What another host says on the wire about an address of ours: that it has it (RFC 826, RFC 5227 §2.4), or that it is about to
//! take it (RFC 4862 §5.4). Whoever listens sends to that host from then on.
//!
//! Readers are total over their input: what is no such message is `None`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::link::Mac;

const ETHERNET_HEADER: usize = 14;
const ARP: u16 = 0x0806;
/// Addresses of ethernet and of IPv4: their lengths.
const LENGTHS: [u8; 2] = [6, 4];
const IPV4: u16 = 0x0800;
pub(crate) const SOLICITATION: u8 = 135;
pub(crate) const ADVERTISEMENT: u8 = 136;
/// Type, code, checksum, flags, target.
const MESSAGE: usize = 4 + 4 + 16;
const TARGET_LINK_LAYER: u8 = 2;

/// Another host claims an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// The address.
    pub address: IpAddr,
    /// Where neighbours are to send to; `None`: the message does not say.
    pub mac: Option<Mac>,
}

/// Whose address the sender of an ARP frame says it has, request or reply. The probe of a host that looks whether an address
/// is free (RFC 5227 §2.1) claims none.
pub fn arp(frame: &[u8]) -> Option<Conflict> {
    let (header, packet) = frame.split_at_checked(ETHERNET_HEADER)?;
    let half = |bytes: &[u8], at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk::<2>()?));
    let is_arp = half(header, 12)? == ARP && half(packet, 2)? == IPV4 && packet.get(4..6)? == LENGTHS;
    let mac = Mac(*packet.get(8..)?.first_chunk::<6>()?);
    let address = Ipv4Addr::from(*packet.get(14..)?.first_chunk::<4>()?);
    // A packet that is cut short has no target.
    packet.get(18..28)?;
    let claims = is_arp && !address.is_unspecified();
    claims.then_some(Conflict { address: address.into(), mac: Some(mac) })
}

/// What an ICMPv6 message from `source` says: an advertisement, or the solicitation of a host that looks whether the address is
/// free, which it does when it is about to have it.
pub fn neighbour(source: Ipv6Addr, message: &[u8]) -> Option<Conflict> {
    let (fixed, mut options) = message.split_at_checked(MESSAGE)?;
    let &[kind, 0, ..] = fixed else { return None };
    let address = Ipv6Addr::from(*fixed.get(8..)?.first_chunk::<16>()?).into();
    match kind {
        SOLICITATION if source.is_unspecified() => return Some(Conflict { address, mac: None }),
        ADVERTISEMENT => {}
        _ => return None,
    }
    let mut mac = None;
    while let &[kind, eights, ..] = options {
        let option =
            options.split_at_checked(usize::from(eights) * 8).filter(|(option, _)| !option.is_empty());
        let Some((option, rest)) = option else { break };
        if kind == TARGET_LINK_LAYER {
            mac = option.get(2..).and_then(|address| address.first_chunk::<6>()).copied().map(Mac);
        }
        options = rest;
    }
    Some(Conflict { address, mac })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{arp as frames, ndp};

    const MAC: [u8; 6] = [2, 0, 0, 0, 0, 0x65];

    #[test]
    fn an_announcement_claims_an_address() {
        let address = Ipv4Addr::new(192, 168, 100, 240);
        let frame = frames::gratuitous(address, MAC, 1);
        let claim = Conflict { address: address.into(), mac: Some(Mac(MAC)) };
        assert_eq!(arp(&frame), Some(claim));
        // A reply, and a frame that was filled up to the smallest one.
        let mut reply = frame.clone();
        reply[21] = 2;
        reply.resize(60, 0);
        assert_eq!(arp(&reply), Some(claim));
        let mut probe = frame.clone();
        probe[28..32].fill(0);
        assert_eq!(arp(&probe), None, "it asks");
        for at in [13, 17, 18, 19] {
            let mut other = frame.clone();
            other[at] ^= 1;
            assert_eq!(arp(&other), None, "another protocol, or other addresses: byte {at}");
        }
        assert!((0..frame.len()).all(|length| arp(&frame[..length]).is_none()), "a part of it");
    }

    #[test]
    fn so_does_an_advertisement_and_who_is_about_to_take_it() {
        let address: Ipv6Addr = "2001:db8::240".parse().unwrap();
        let frame = ndp::unsolicited(address, MAC, false);
        let message = &frame[54..];
        let claim = Conflict { address: address.into(), mac: Some(Mac(MAC)) };
        assert_eq!(neighbour(address, message), Some(claim));
        // Without the option, and with one that says nothing of its length.
        for length in [24, 25, 26, 31] {
            let found = neighbour(address, &message[..length]);
            assert_eq!(found, Some(Conflict { mac: None, ..claim }), "{length} bytes");
        }
        let mut endless = message.to_vec();
        endless[25] = 0;
        assert_eq!(neighbour(address, &endless), Some(Conflict { mac: None, ..claim }));
        assert!((0..24).all(|length| neighbour(address, &message[..length]).is_none()));
        let mut solicitation = message.to_vec();
        solicitation[0] = SOLICITATION;
        assert_eq!(neighbour(address, &solicitation), None, "a neighbour asks");
        let looks = neighbour(Ipv6Addr::UNSPECIFIED, &solicitation);
        assert_eq!(looks, Some(Conflict { mac: None, ..claim }));
        let mut router = message.to_vec();
        router[0] = 134;
        assert_eq!(neighbour(address, &router), None);
    }
}
