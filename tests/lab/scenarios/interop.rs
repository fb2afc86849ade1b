//! keepalived 2.2.7 as the other director: who is master, takeover and hand-back, both ways round.

use super::Scenario;
use crate::lab::{Lab, Program, VIP, Vrrp, eventually, millis, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new("interop_v2", "with keepalived: VRRPv2, PASS, multicast", v2),
    Scenario::new("interop_v2_unicast", "with keepalived: VRRPv2, PASS, unicast", v2_unicast),
    Scenario::new("interop_v3", "with keepalived: VRRPv3, multicast", v3),
    Scenario::new("interop_v3_unicast", "with keepalived: VRRPv3, unicast", v3_unicast),
];

const PEERS: Option<(&str, &str)> = Some(("192.168.100.101", "192.168.100.102"));

fn v2(lab: &Lab) {
    both_ways(lab, &Vrrp::default());
}

fn v2_unicast(lab: &Lab) {
    both_ways(lab, &Vrrp { unicast: PEERS, ..Vrrp::default() });
}

fn v3(lab: &Lab) {
    both_ways(lab, &Vrrp { version: 3, pass: false, ..Vrrp::default() });
}

fn v3_unicast(lab: &Lab) {
    both_ways(lab, &Vrrp { version: 3, pass: false, unicast: PEERS, ..Vrrp::default() });
}

fn both_ways(lab: &Lab, vrrp: &Vrrp) {
    pair(lab, vrrp, lab.program(), Program::Keepalived);
    pair(lab, vrrp, Program::Keepalived, lab.program());
}

fn pair(lab: &Lab, vrrp: &Vrrp, master: Program, backup: Program) {
    crate::lab::say(&format!("{} as master, {} as backup", master.name(), backup.name()));
    let on = |node: &'static str| move || lab.holders(VIP) == [node];
    let first = lab.director(&lab.lvs01, master, &vrrp.text());
    let second = lab.director(&lab.lvs02, backup, &vrrp.backup().text());
    eventually("the address is on the master", seconds(15), on("lvs01"));
    throughout("and stays there", seconds(4), on("lvs01"));

    let watch = lab.watch(VIP);
    first.stop();
    eventually("the master stopped: the backup has it", seconds(3), on("lvs02"));
    let first = lab.director(&lab.lvs01, master, &vrrp.text());
    eventually("the master started: it has it again", seconds(10), on("lvs01"));
    throughout("and stays there", seconds(4), on("lvs01"));
    let held = watch.finish();
    assert!(held.by_two < millis(150), "two holders for {:?}", held.by_two);

    first.kill9();
    eventually("the master killed: the backup has it too", seconds(6), || lab.lvs02.has_address(VIP));
    let first = lab.director(&lab.lvs01, master, &vrrp.text());
    eventually("the master started: it alone has it", seconds(10), on("lvs01"));

    for daemon in [&first, &second] {
        let log = daemon.log().to_lowercase();
        for complaint in ["mismatch", "bogus", "invalid", "checksum", "malformed"] {
            assert!(!log.contains(complaint), "`{complaint}` in a director's log");
        }
        daemon.stop();
    }
    eventually("no address is left", seconds(3), || lab.holders(VIP).is_empty());
}
