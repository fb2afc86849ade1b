//! `min_healthy`: a director that reaches none of its real servers any more keeps them.

use super::Scenario;
use super::handover::serve;
use crate::lab::{BOTH, Lab, Vrrp, eventually, seconds, throughout, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "min_healthy",
    "one real server that fails goes, all that fail at once stay, and go when some are back",
    run,
)];

const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    serve(lab);
    let node = &lab.lvs01;
    let config = Vrrp::default().text()
        + &web_service("rr", "DR", BOTH).replacen("delay_loop 1", "delay_loop 1\n min_healthy 50%", 1);
    let daemon = lab.directord(node, "", &config);
    let serving = |what: &str, expected: &[&str]| {
        eventually(what, seconds(15), || {
            let table = node.ipvs();
            let there = table.serving(SERVICE);
            there.len() == expected.len() && expected.iter().all(|one| there.iter().any(|is| is == one))
        });
    };
    let link = |node: &crate::lab::Node, state: &str| drop(node.sh(&format!("ip link set eth0 {state}")));
    let (eight, nine) = ("192.168.100.8:80", "192.168.100.9:80");
    serving("both serve", &[eight, nine]);
    eventually("by verdicts", seconds(10), || {
        node.sh("/lab/directord status --json").matches(r#""passes":true,"since":""#).count() == 2
    });
    link(&lab.rs2, "down");
    serving("one that fails alone goes", &[eight]);
    link(&lab.rs1, "down");
    serving("all that failed at once are kept", &[eight, nine]);
    daemon.says("0 of 2 real servers up, less than min_healthy 1; 2 that have just failed stay in");
    let status = node.sh("/lab/directord status");
    assert!(status.contains("0 of 2 up, fewer than min_healthy: those that fail stay in"), "{status}");
    assert_eq!(status.matches("  kept  weight 1; TCP_CHECK fails").count(), 2, "{status}");
    throughout("they stay", seconds(5), || node.ipvs().serving(SERVICE).len() == 2);
    link(&lab.rs1, "up");
    serving("one is back, and the other goes", &[eight]);
    link(&lab.rs2, "up");
    serving("both are back", &[eight, nine]);
}
