//! The same configuration, the same bytes: what the program sends next to what keepalived sends.

use super::Scenario;
use crate::lab::{Lab, Packet, Program, VIP, Vrrp, eventually, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(300),
    ..Scenario::new(
        "wire_equal",
        "adverts and gratuitous ARP are keepalived's, byte for byte and in its order",
        run,
    )
}];

const IPV6: &[&str] = &["fe80::51:240/64", "2001:db8::240/64"];
const SENT: &str = "ether src 02:00:00:00:00:65 and (ip proto 112 or ip proto 51 or arp or ip6 proto 112 or (icmp6 and ip6[40] == 136))";

fn run(lab: &Lab) {
    let peers = Some(("192.168.100.101", "192.168.100.102"));
    let two: &[&str] = &[VIP, "192.168.100.241"];
    let variants = [
        ("v2 PASS multicast", Vrrp::default()),
        ("v2 PASS multicast, two addresses", Vrrp { vips: two, ..Vrrp::default() }),
        ("v2 PASS unicast", Vrrp { unicast: peers, ..Vrrp::default() }),
        ("v2 AH multicast", Vrrp { ah: true, ..Vrrp::default() }),
        ("v2 AH unicast", Vrrp { ah: true, unicast: peers, ..Vrrp::default() }),
        ("v3 multicast", Vrrp { version: 3, pass: false, ..Vrrp::default() }),
        ("v3 unicast", Vrrp { version: 3, pass: false, unicast: peers, ..Vrrp::default() }),
        ("v3 multicast over IPv6", Vrrp { vips: IPV6, version: 3, pass: false, ..Vrrp::default() }),
        ("v2 multicast over IPv6", Vrrp { vips: IPV6, pass: false, ..Vrrp::default() }),
        ("v2 PASS multicast over IPv6", Vrrp { vips: IPV6, ..Vrrp::default() }),
    ];
    for (number, (name, vrrp)) in variants.into_iter().enumerate() {
        // The second announcements come after 5 s by themselves; the others need not wait for that.
        let sooner = if number == 0 { "" } else { "\n garp_master_delay 1" };
        let config = vrrp.text().replace("advert_int 1", &format!("advert_int 1{sooner}"));
        let bursts = 10 * vrrp.vips.len();
        let [theirs, ours] =
            [Program::Keepalived, lab.program()].map(|program| sent(lab, program, &config, bursts));
        assert_eq!(ours, theirs, "{name}: left ours, right keepalived's");
        crate::lab::say(&format!("{name}: {} frames equal", ours.len()));
    }
}

/// The frames of one life with so many announcements: from the first advert to the farewell, as hex; adverts between, whose number
/// depends on when the stop comes, are left out from the fourth on.
fn sent(lab: &Lab, program: Program, config: &str, bursts: usize) -> Vec<String> {
    let capture = lab.lvs01.capture("eth0", SENT);
    let daemon = lab.director(&lab.lvs01, program, config);
    let announcements = || capture.packets().iter().filter(|packet| packet.announced().is_some()).count();
    eventually(&format!("{} has announced twice", program.name()), seconds(20), || announcements() >= bursts);
    daemon.stop();
    let packets = capture.finish();
    let first_id = packets.iter().find(|packet| packet.advert().is_some()).map_or(0, id);
    let mut adverts = 0;
    let keep = |packet: &&Packet| match packet.advert() {
        Some(advert) if advert.priority > 0 => {
            adverts += 1;
            adverts <= 3
        }
        Some(_) => true,
        None => packet.announced().is_some(),
    };
    packets.iter().filter(keep).map(|packet| hex(packet, first_id)).collect()
}

/// IPv4 identification.
fn id(packet: &Packet) -> u16 {
    u16::from_be_bytes([packet.bytes[18], packet.bytes[19]])
}

/// A frame in hex; of an IP packet the identification counts from the first one, and the header checksum, which
/// covers it, is left out. The farewell's identification depends on the number of adverts before it.
fn hex(packet: &Packet, first_id: u16) -> String {
    let mut bytes = packet.bytes.clone();
    let v6 = bytes[12..14] == [0x86, 0xdd];
    if v6 {
        // The label of the flow is the kernel's choice.
        bytes[15] &= 0xf0;
        bytes[16..18].fill(0);
    }
    if let Some(advert) = packet.advert().filter(|_| !v6) {
        let counted = if advert.priority == 0 { 0 } else { id(packet).wrapping_sub(first_id) };
        bytes[18..20].copy_from_slice(&counted.to_be_bytes());
        bytes[24..26].fill(0);
        if bytes[23] == 51 && advert.priority == 0 {
            // The sequence number counts the adverts as well, and the sum covers both.
            bytes[42..58].fill(0);
        }
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
