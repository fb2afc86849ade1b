//! keepalived 2.2.7 as the other director: who is master, takeover and hand-back, both ways round.

use super::Scenario;
use crate::lab::{Lab, Program, Vrrp, eventually, millis, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("interop_v2", "with keepalived: VRRPv2, PASS, multicast", v2),
    Scenario::new("interop_v2_unicast", "with keepalived: VRRPv2, PASS, unicast", v2_unicast),
    Scenario::new("interop_v2_ah", "with keepalived: VRRPv2, AH, multicast and unicast", v2_ah),
    Scenario::new("interop_v3", "with keepalived: VRRPv3, multicast", v3),
    Scenario::new("interop_v3_unicast", "with keepalived: VRRPv3, unicast", v3_unicast),
    Scenario::new("interop_ipv6", "with keepalived: VRRPv3 over IPv6, multicast", ipv6),
    Scenario::new("interop_ipv6_unicast", "with keepalived: VRRPv3 over IPv6, unicast", ipv6_unicast),
    Scenario::new(
        "interop_no_interface",
        "with keepalived: an instance without `interface`, unicast from an address that comes and goes; the peer is reached \
         by another network",
        no_interface,
    ),
    Scenario::new("interop_ipv6_v2", "with keepalived: VRRPv2 over IPv6, multicast and unicast", ipv6_v2),
];

const PEERS: Option<(&str, &str)> = Some(("192.168.100.101", "192.168.100.102"));

fn v2(lab: &Lab) {
    both_ways(lab, &Vrrp::default());
}

fn v2_unicast(lab: &Lab) {
    both_ways(lab, &Vrrp { unicast: PEERS, ..Vrrp::default() });
}

fn v2_ah(lab: &Lab) {
    both_ways(lab, &Vrrp { ah: true, ..Vrrp::default() });
    pair(lab, &Vrrp { ah: true, unicast: PEERS, ..Vrrp::default() }, lab.program(), Program::Keepalived);
}

fn v3(lab: &Lab) {
    both_ways(lab, &Vrrp { version: 3, pass: false, ..Vrrp::default() });
}

fn v3_unicast(lab: &Lab) {
    both_ways(lab, &Vrrp { version: 3, pass: false, unicast: PEERS, ..Vrrp::default() });
}

const IPV6_PEERS: Option<(&str, &str)> = Some(("2001:db8::101", "2001:db8::102"));
const IPV6: &[&str] = &["fe80::51:240/64", "2001:db8::240/64"];

fn over_ipv6() -> Vrrp {
    Vrrp { version: 3, pass: false, vips: IPV6, ..Vrrp::default() }
}

fn ipv6(lab: &Lab) {
    both_ways(lab, &over_ipv6());
}

fn ipv6_unicast(lab: &Lab) {
    number(lab);
    both_ways(lab, &Vrrp { unicast: IPV6_PEERS, ..over_ipv6() });
}

fn ipv6_v2(lab: &Lab) {
    number(lab);
    let v2 = Vrrp { version: 2, ..over_ipv6() };
    pair(lab, &v2, lab.program(), Program::Keepalived);
    pair(lab, &Vrrp { unicast: IPV6_PEERS, ..v2 }, Program::Keepalived, lab.program());
}

/// keepalived 2.2.7 does not have it; 2.4.3 does.
fn no_interface(lab: &Lab) {
    // Addresses of the loopback, which the other one reaches by a route.
    const OWN: &str = "10.99.0.1";
    const PEER: &str = "10.99.0.2";
    for (node, own, other, by) in
        [(&lab.lvs01, OWN, PEER, "192.168.100.102"), (&lab.lvs02, PEER, OWN, "192.168.100.101")]
    {
        node.sh(&format!("ip addr add {own}/32 dev lo && ip route add {other}/32 via {by} src {own}"));
    }
    let with = Vrrp { unicast: Some((OWN, PEER)), vips: &["192.168.100.240/24 dev eth0"], ..Vrrp::default() };
    let without = Vrrp { interface: false, ..with.clone() };
    let vip = "192.168.100.240";
    let on = |node: &'static str| move || lab.holders(vip) == [node];
    let master = lab.director(&lab.lvs01, lab.program(), &without.text());
    let backup = lab.director(&lab.lvs02, Program::Keepalived, &with.backup().text());
    eventually("the address is on the master", seconds(15), on("lvs01"));
    throughout("and stays there", seconds(4), on("lvs01"));
    // Without the address that it sends from it takes no part, and says why.
    lab.lvs01.sh(&format!("ip addr del {OWN}/32 dev lo"));
    eventually("its address is gone: the other has it", seconds(6), on("lvs02"));
    eventually("it says why", seconds(3), || master.log_has(OWN) && master.log_has("FAULT"));
    lab.lvs01.sh(&format!(
        "ip addr add {OWN}/32 dev lo; ip route replace {PEER}/32 via 192.168.100.102 src {OWN}"
    ));
    eventually("it is back: it has it again", seconds(10), on("lvs01"));
    // The other way round: it is the backup, and its master goes.
    backup.stop();
    master.stop();
    let master = lab.director(&lab.lvs01, Program::Keepalived, &with.text());
    let backup = lab.director(&lab.lvs02, lab.program(), &without.backup().text());
    eventually("keepalived is master", seconds(15), on("lvs01"));
    throughout("and stays there", seconds(4), on("lvs01"));
    master.stop();
    eventually("the master stopped: the backup has it", seconds(3), on("lvs02"));
    assert!(!backup.log().to_lowercase().contains("error"), "{}", backup.log());
    backup.stop();
    eventually("no address is left", seconds(3), || lab.holders(vip).is_empty());
}

/// Gives the directors addresses to send to peers from.
fn number(lab: &Lab) {
    for (node, address) in [(&lab.lvs01, "2001:db8::101"), (&lab.lvs02, "2001:db8::102")] {
        node.sh(&format!("ip -6 addr add {address}/64 dev eth0 nodad"));
    }
}

fn both_ways(lab: &Lab, vrrp: &Vrrp) {
    pair(lab, vrrp, lab.program(), Program::Keepalived);
    pair(lab, vrrp, Program::Keepalived, lab.program());
}

fn pair(lab: &Lab, vrrp: &Vrrp, master: Program, backup: Program) {
    crate::lab::say(&format!("{} as master, {} as backup", master.name(), backup.name()));
    // The last one: over IPv6 the first is one of the link.
    let vip = vrrp.vips.last().and_then(|vip| vip.split('/').next()).unwrap();
    let on = |node: &'static str| move || lab.holders(vip) == [node];
    let first = lab.director(&lab.lvs01, master, &vrrp.text());
    let second = lab.director(&lab.lvs02, backup, &vrrp.backup().text());
    eventually("the address is on the master", seconds(15), on("lvs01"));
    throughout("and stays there", seconds(4), on("lvs01"));

    let watch = lab.watch(vip);
    first.stop();
    eventually("the master stopped: the backup has it", seconds(3), on("lvs02"));
    let first = lab.director(&lab.lvs01, master, &vrrp.text());
    eventually("the master started: it has it again", seconds(20), on("lvs01"));
    throughout("and stays there", seconds(4), on("lvs01"));
    let held = watch.finish();
    assert!(held.by_two < millis(500), "two holders for {:?}", held.by_two);

    first.kill9();
    eventually("the master killed: the backup has it too", seconds(6), || lab.lvs02.has_address(vip));
    let first = lab.director(&lab.lvs01, master, &vrrp.text());
    eventually("the master started: it alone has it", seconds(20), on("lvs01"));

    for daemon in [&first, &second] {
        let log = daemon.log().to_lowercase();
        for complaint in ["mismatch", "bogus", "invalid", "checksum", "malformed"] {
            assert!(!log.contains(complaint), "`{complaint}` in a director's log");
        }
        daemon.stop();
    }
    eventually("no address is left", seconds(3), || lab.holders(vip).is_empty());
}
