//! Two masters for a while, through no fault of theirs; afterwards everybody must find the right one.

use super::Scenario;
use crate::lab::{Lab, Node, VIP, Vrrp, eventually, millis, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "split_heals",
        "lvs02 hears nothing for a while: after it clients find lvs01 again",
        split,
    ),
    Scenario::new(
        "paused_master",
        "the master is paused and resumed: soon one holder, and clients find it",
        paused,
    ),
];

fn pair(lab: &Lab) -> (crate::lab::Daemon, crate::lab::Daemon) {
    let pair = lab.director_pair(&Vrrp::default().text());
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    pair
}

/// Whether the client's neighbour table sends the virtual address to this node.
fn leads_to(lab: &Lab, node: &Node) -> bool {
    lab.client.sh(&format!("ip neigh show {VIP}")).contains(&node.mac("eth0"))
}

fn split(lab: &Lab) {
    let (master, backup) = pair(lab);
    lab.client.run(&format!("ping -c 1 -W 1 {VIP}"));
    eventually("the client finds lvs01", seconds(2), || leads_to(lab, &lab.lvs01));

    lab.lvs02.impair_incoming("eth0", "loss 100%");
    eventually("both hold the address", seconds(6), || lab.holders(VIP).len() == 2);
    eventually("lvs02 has taken the client", seconds(2), || leads_to(lab, &lab.lvs02));
    lab.lvs02.impair_incoming("eth0", "");
    eventually("lvs02 yields", seconds(3), || lab.holders(VIP) == ["lvs01"]);
    eventually("the client finds lvs01 again", seconds(2), || leads_to(lab, &lab.lvs01));
    assert!(master.is_running() && backup.is_running());
}

fn paused(lab: &Lab) {
    let (_master, _backup) = pair(lab);
    lab.lvs01.pause();
    eventually("lvs02 takes over", seconds(6), || lab.lvs02.has_address(VIP));
    lab.lvs01.resume();
    eventually("one holder", millis(2500), || lab.holders(VIP).len() == 1);
    throughout("one holder", seconds(6), || lab.holders(VIP).len() == 1);
    let [holder] = lab.holders(VIP)[..] else { panic!("one holder") };
    let node = lab.directors().into_iter().find(|node| node.name == holder).unwrap();
    lab.client.run(&format!("ping -c 1 -W 1 {VIP}"));
    eventually("the client finds it", seconds(2), || leads_to(lab, node));
}

fn late(lab: &Lab) {
    let (master, _backup) = pair(lab);
    let capture = lab.lvs02.capture("eth0", "ip proto 112");
    lab.lvs01.impair_outgoing("eth0", "delay 400ms 300ms");
    throughout("the address stays on lvs01 alone", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    assert!(master.is_running());
    let adverts = capture.adverts();
    assert!(adverts.iter().all(|(_, advert)| advert.from == 101), "only lvs01 sends adverts");
    let gaps: Vec<f64> = adverts.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(gaps.iter().any(|gap| (gap - 1.0).abs() > 0.1), "the adverts were late at all: {gaps:.2?}");
    capture.finish();
}
