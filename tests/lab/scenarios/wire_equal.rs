//! The same configuration, the same bytes: what the program sends next to what keepalived sends.

use super::Scenario;
use crate::lab::{Lab, Packet, Program, VIP, Vrrp, eventually, seconds};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        limit: seconds(300),
        ..Scenario::new(
            "wire_equal",
            "adverts and gratuitous ARP are keepalived's, byte for byte and in its order",
            run,
        )
    },
    Scenario::new(
        "elsewhere_equal",
        "garp_extra_if: what is announced where no advert goes is keepalived's, byte for byte",
        elsewhere,
    ),
];

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
        // The second announcements come after 5 s by themselves; the others need not wait for that. They are due together with
        // the second advert, and either may be the first.
        let sooner = number > 0;
        let delay = if sooner { "\n garp_master_delay 1" } else { "" };
        let config = vrrp.text().replace("advert_int 1", &format!("advert_int 1{delay}"));
        let bursts = 10 * vrrp.vips.len();
        let [theirs, ours] = [Program::Keepalived, lab.program()].map(|program| {
            let mut packets = sent(lab, program, &config, bursts);
            if sooner && let Some((_, after)) = packets.split_first_mut() {
                after.sort_by_key(|packet| packet.advert().is_some());
            }
            let first_id = packets.iter().find(|packet| packet.advert().is_some()).map_or(0, id);
            packets.iter().map(|packet| hex(packet, first_id)).collect::<Vec<String>>()
        });
        assert_eq!(ours, theirs, "{name}: left ours, right keepalived's");
        crate::lab::say(&format!("{name}: {} frames equal", ours.len()));
    }
}

/// Addresses on an interface without adverts, announced each second.
fn elsewhere(lab: &Lab) {
    let two: &[&str] = &["10.0.0.240/24 dev eth1", "10.0.0.241/24 dev eth1"];
    let own: &[&str] = &["10.0.0.240/24 dev eth1 use_vmac"];
    for (what, vips, all) in [("every interface", two, "all "), ("one with a MAC of its own", own, "")] {
        let text = Vrrp { vips, ..Vrrp::default() }.text();
        let setting =
            format!("advert_int 1\n garp_master_delay 0\n garp_master_repeat 1\n garp_extra_if {all}1");
        let config = text.replace("advert_int 1", &setting);
        let [theirs, ours] = [Program::Keepalived, lab.program()].map(|program| {
            let capture = lab.lvs02.capture("eth1", "arp");
            let daemon = lab.director(&lab.lvs01, program, &config);
            let announced = |packets: Vec<Packet>| -> Vec<Packet> {
                packets.into_iter().filter(|packet| packet.announced().is_some()).collect()
            };
            eventually(&format!("{} announces for a while", program.name()), seconds(20), || {
                announced(capture.packets()).len() >= 8
            });
            daemon.stop();
            let packets = announced(capture.finish());
            let times: Vec<f64> = packets.iter().map(|packet| packet.time).collect();
            crate::lab::say(&format!("{} {times:.2?}", program.name()));
            packets.iter().take(8).map(|packet| hex(packet, 0)).collect::<Vec<String>>()
        });
        assert_eq!(ours, theirs, "{what}: left ours, right keepalived's");
    }
}

/// The frames of one life with so many announcements: from the first advert to the farewell; adverts between, whose number
/// depends on when the stop comes, are left out from the fourth on.
fn sent(lab: &Lab, program: Program, config: &str, bursts: usize) -> Vec<Packet> {
    let capture = lab.lvs01.capture("eth0", SENT);
    let daemon = lab.director(&lab.lvs01, program, config);
    let announcements = || capture.packets().iter().filter(|packet| packet.announced().is_some()).count();
    eventually(&format!("{} has announced twice", program.name()), seconds(20), || announcements() >= bursts);
    daemon.stop();
    let mut adverts = 0;
    let keep = |packet: &Packet| match packet.advert() {
        Some(advert) if advert.priority > 0 => {
            adverts += 1;
            adverts <= 3
        }
        Some(_) => true,
        None => packet.announced().is_some(),
    };
    capture.finish().into_iter().filter(keep).collect()
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
