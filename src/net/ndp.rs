//! Unsolicited neighbour advertisements (RFC 4861 §7.2.6): how a master turns the neighbours of an IPv6 address to itself.

use std::net::Ipv6Addr;

use pnet_base::MacAddr;
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};
use pnet_packet::icmpv6::{self, Icmpv6Packet, Icmpv6Types, MutableIcmpv6Packet};
use pnet_packet::ip::IpNextHeaderProtocols;
use pnet_packet::ipv6::MutableIpv6Packet;

const ETHERNET_HEADER: usize = 14;
const IPV6_HEADER: usize = 40;
/// Header, flags, target, and the option with the address of the link layer.
const ADVERTISEMENT: usize = 4 + 4 + 16 + 8;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
const TARGET_LINK_LAYER: u8 = 2;
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// The frame that announces `address` at `mac` to all nodes, from the address itself, as keepalived sends it. `router`: the
/// interface forwards; hosts forget a default router that says otherwise.
pub fn unsolicited(address: Ipv6Addr, mac: [u8; 6], router: bool) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET_HEADER + IPV6_HEADER + ADVERTISEMENT];
    if let Some(mut ethernet) = MutableEthernetPacket::new(&mut frame) {
        ethernet.set_destination(MacAddr::new(0x33, 0x33, 0, 0, 0, 1));
        ethernet.set_source(MacAddr::from(mac));
        ethernet.set_ethertype(EtherTypes::Ipv6);
    }
    if let Some(mut ip) = frame.get_mut(ETHERNET_HEADER..).and_then(MutableIpv6Packet::new) {
        ip.set_version(6);
        ip.set_payload_length(u16::try_from(ADVERTISEMENT).unwrap_or(0));
        ip.set_next_header(IpNextHeaderProtocols::Icmpv6);
        ip.set_hop_limit(255);
        ip.set_source(address);
        ip.set_destination(ALL_NODES);
    }
    let Some(advertisement) = frame.get_mut(ETHERNET_HEADER + IPV6_HEADER..) else { return frame };
    let mut body = vec![if router { ROUTER | OVERRIDE } else { OVERRIDE }, 0, 0, 0];
    body.extend(address.octets());
    // Its length counts in eights.
    body.extend([TARGET_LINK_LAYER, 1]);
    body.extend(mac);
    if let Some(mut icmp) = MutableIcmpv6Packet::new(advertisement) {
        icmp.set_icmpv6_type(Icmpv6Types::NeighborAdvert);
        icmp.set_payload(&body);
    }
    let sum = Icmpv6Packet::new(advertisement).map(|icmp| icmpv6::checksum(&icmp, &address, &ALL_NODES));
    if let (Some(sum), Some(mut icmp)) = (sum, MutableIcmpv6Packet::new(advertisement)) {
        icmp.set_checksum(sum);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum over the pseudo-header and the message, its checksum included, comes out as ones (RFC 8200 §8.1).
    fn sums_up(frame: &[u8]) -> bool {
        let (ip, icmp) = frame[ETHERNET_HEADER..].split_at(IPV6_HEADER);
        let length = u32::try_from(icmp.len()).unwrap().to_be_bytes();
        let all = [&ip[8..40], &length, &[0, 0, 0, 58], icmp].concat();
        let sum = all.chunks(2).map(|two| u32::from(u16::from_be_bytes([two[0], two[1]]))).sum::<u32>();
        (sum & 0xffff) + (sum >> 16) == 0xffff || (sum & 0xffff) + (sum >> 16) == 0x1_ffff - 1
    }

    #[test]
    fn the_frame_is_that_of_the_standard() {
        let address: Ipv6Addr = "2001:db8::240".parse().unwrap();
        let mac = [2, 0, 0, 0, 0, 0x65];
        let frame = unsolicited(address, mac, false);
        assert_eq!(frame.len(), 86);
        assert_eq!(frame[..14], [0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x65, 0x86, 0xdd]);
        assert_eq!(frame[14..22], [0x60, 0, 0, 0, 0, 32, 58, 255]);
        assert_eq!(frame[22..38], address.octets());
        assert_eq!(frame[38..54], ALL_NODES.octets());
        assert_eq!(frame[54..56], [136, 0]);
        assert_eq!(frame[58..62], [0x20, 0, 0, 0]);
        assert_eq!(frame[62..78], address.octets());
        assert_eq!(frame[78..], [2, 1, 2, 0, 0, 0, 0, 0x65]);
        assert!(sums_up(&frame));
        let router = unsolicited(address, mac, true);
        assert_eq!(router[58], 0xa0);
        assert!(sums_up(&router));
    }
}
