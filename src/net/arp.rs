//! Gratuitous ARP frames (RFC 826, RFC 5227 §3): how a master turns the neighbours to itself.

use std::net::Ipv4Addr;

use pnet_base::MacAddr;
use pnet_packet::arp::{ArpHardwareType, ArpOperations, MutableArpPacket};
use pnet_packet::ethernet::{EtherTypes, MutableEthernetPacket};

const ETHERNET_HEADER: usize = 14;
const ARP: usize = 28;

/// The frame that announces `address` at `mac`: an ARP request for itself, whose target hardware address is
/// the broadcast address, as keepalived sends it.
pub fn gratuitous(address: Ipv4Addr, mac: [u8; 6], hardware_type: u16) -> Vec<u8> {
    let mut frame = vec![0; ETHERNET_HEADER + ARP];
    let mac = MacAddr::from(mac);
    if let Some(mut ethernet) = MutableEthernetPacket::new(&mut frame) {
        ethernet.set_destination(MacAddr::broadcast());
        ethernet.set_source(mac);
        ethernet.set_ethertype(EtherTypes::Arp);
    }
    if let Some(mut arp) = frame.get_mut(ETHERNET_HEADER..).and_then(MutableArpPacket::new) {
        arp.set_hardware_type(ArpHardwareType::new(hardware_type));
        arp.set_protocol_type(EtherTypes::Ipv4);
        arp.set_hw_addr_len(6);
        arp.set_proto_addr_len(4);
        arp.set_operation(ArpOperations::Request);
        arp.set_sender_hw_addr(mac);
        arp.set_sender_proto_addr(address);
        arp.set_target_hw_addr(MacAddr::broadcast());
        arp.set_target_proto_addr(address);
    }
    frame
}
