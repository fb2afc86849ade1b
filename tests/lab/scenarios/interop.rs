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
    assert!(held.by_two < millis(150), "two holders for {:?}", held.by_two);

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
