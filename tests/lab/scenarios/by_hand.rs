//! `directord rs`: real servers that somebody takes out, over reloads and restarts.

use super::Scenario;
use super::handover::serve;
use crate::lab::{BOTH, Lab, Node, VIP, Vrrp, eventually, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "rs_by_hand",
    "a real server is drained, disabled, given another weight and enabled: connections, reload, restart, an end by itself",
    run,
)];

const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    serve(lab);
    let node = &lab.lvs01;
    let config = Vrrp::default().text() + &web_service("wrr", "DR", BOTH);
    let daemon = lab.directord(node, "", &config);
    let weights = || ["192.168.100.8:80", "192.168.100.9:80"].map(|server| weight(node, server));
    eventually("it leads, and both serve", seconds(15), || {
        node.has_address(VIP) && weights() == [Some(1), Some(1)]
    });
    let rs = |words: &str| node.sh(&format!("/lab/directord rs {words} 2>&1"));

    let held = lab.client.hold("192.168.100.240:80", 20);
    let said = rs("drain 192.168.100.240:80 192.168.100.8");
    assert_eq!(said, "192.168.100.8:80 of [192.168.100.240]:tcp:80 is drained\n");
    assert_eq!(weights(), [Some(0), Some(1)], "when the command returns");
    daemon.says("Draining service [192.168.100.8]:tcp:80 of VS [192.168.100.240]:tcp:80 by hand: weight 0");
    let status = node.sh("/lab/directord status");
    assert!(status.contains("192.168.100.8:80          up    weight 0; drained by hand for "), "{status}");
    assert_eq!(held.finish(), [""; 0], "connections stay");

    // Over a reload that gives it another weight, and over a restart that never sends anybody there.
    node.write("/etc/keepalived/keepalived.conf", config.replacen("weight 1", "weight 3", 1));
    node.sh("/lab/directord reload");
    assert_eq!(weights(), [Some(0), Some(1)]);
    daemon.stop();
    let daemon = lab.directord(node, "", &config.replacen("weight 1", "weight 3", 1));
    eventually("it leads again", seconds(15), || node.has_address(VIP));
    assert_eq!(weights(), [Some(0), Some(1)]);
    let served = daemon.log_has("Changing weight") || daemon.log_has("Adding service");
    assert!(!served, "{}", daemon.log());

    rs("weight 192.168.100.240 192.168.100.8:80 7");
    assert_eq!(weights(), [Some(7), Some(1)]);
    rs("disable 192.168.100.240 192.168.100.9");
    assert_eq!(weights(), [Some(7), None]);
    rs("enable 192.168.100.240 192.168.100.8");
    rs("enable 192.168.100.240 192.168.100.9");
    assert_eq!(weights(), [Some(3), Some(1)]);
    rs("disable --for 2s 192.168.100.240 192.168.100.9");
    assert_eq!(weights(), [Some(3), None]);
    eventually("its time is over", seconds(5), || weights() == [Some(3), Some(1)]);

    for (words, status, why) in [
        ("drain 192.168.100.241 192.168.100.9", 1, "no virtual server is called `192.168.100.241`"),
        (
            "drain 192.168.100.240 192.168.100.7",
            1,
            "192.168.100.240 has no real server 192.168.100.7: it has 192.168.100.8:80, 192.168.100.9:80",
        ),
        ("drain 192.168.100.240 web", 1, "`web` is no real server"),
        ("drain 192.168.100.240", 2, "REAL-SERVER"),
        ("weight 192.168.100.240 192.168.100.8", 2, "WEIGHT"),
        ("drain 192.168.100.240 192.168.100.8 5", 2, "only `weight` has a number"),
        ("enable --for 2s 192.168.100.240 192.168.100.8", 2, "leave `--for` out"),
    ] {
        let output = node.run(&format!("/lab/directord rs {words}"));
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{words}: {told}");
        assert!(told.contains(why), "{words}: {told}");
    }
    assert_eq!(weights(), [Some(3), Some(1)]);

    // What is no longer configured is forgotten.
    rs("drain 192.168.100.240 192.168.100.9");
    let without = Vrrp::default().text() + &web_service("wrr", "DR", &BOTH[..1]);
    node.write("/etc/keepalived/keepalived.conf", without);
    node.sh("/lab/directord reload");
    daemon.says("that it is drained by hand is forgotten");
    node.write("/etc/keepalived/keepalived.conf", config);
    node.sh("/lab/directord reload");
    assert_eq!(weights(), [Some(1), Some(1)]);
}

fn weight(node: &Node, server: &str) -> Option<i64> {
    node.ipvs().0.get(SERVICE)?.servers.get(server).map(|server| server.weight)
}
