//! What an instance is asked to mind on the wire: to wait, to keep a distance, to be strict.

use super::Scenario;
use crate::lab::{Lab, Packet, Program, VIP, Vrrp, eventually, now, poll, say, seconds};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "slow_start",
        "no instance starts before its delay is over, and announcements keep their distance, as keepalived's do",
        slow_start,
    ),
    Scenario::directord(
        "strict_pair",
        "a strict pair with keepalived: one master each time, no answer to lower priorities, and the address answers",
        strict_pair,
    ),
];

const DELAY: f64 = 4.0;
const GAP: f64 = 0.2;

fn slow_start(lab: &Lab) {
    let globals = format!(
        "global_defs {{\n vrrp_startup_delay {DELAY}\n vrrp_garp_interval {GAP}\n vrrp_garp_master_repeat 3\n}}\n"
    );
    // keepalived 2.2.7 loses one of three while they wait.
    for (program, bursts) in [(Program::Keepalived, 4), (lab.program(), 6)] {
        let capture = lab.lvs01.capture("eth0", "arp or ip proto 112");
        let before = now();
        let daemon = lab.director(&lab.lvs01, program, &(globals.clone() + &Vrrp::default().text()));
        let announced = |packets: &[Packet]| -> Vec<f64> {
            let ours = packets.iter().filter(|packet| packet.announced().as_deref() == Some(VIP));
            ours.map(|packet| packet.time).collect()
        };
        eventually(&format!("{} has announced twice", program.name()), seconds(30), || {
            announced(&capture.packets()).len() >= bursts
        });
        daemon.stop();
        let packets = capture.finish();
        let times = announced(&packets);
        let first =
            packets.iter().find(|packet| packet.advert().is_some()).map(|packet| packet.time - before);
        say(&format!("{}: first advert after {first:?} s, announcements at {times:?}", program.name()));
        // Three intervals and the skew after the delay.
        assert!(first.is_some_and(|first| first >= DELAY + 3.0), "{}: too early", program.name());
        assert!(program == Program::Keepalived || times.len() == bursts, "{}", program.name());
        let close = times.windows(2).find(|pair| pair[1] - pair[0] < GAP * 0.9);
        assert_eq!(close, None, "{}: closer than {GAP} s", program.name());
    }
}

fn strict_pair(lab: &Lab) {
    let globals = "global_defs {\n vrrp_strict\n}\n";
    let text = |priority, state| {
        globals.to_owned() + &Vrrp { priority, state, version: 3, pass: false, ..Vrrp::default() }.text()
    };
    let ours = lab.director(&lab.lvs01, lab.program(), &text(150, "BACKUP"));
    let theirs = lab.director(&lab.lvs02, Program::Keepalived, &text(100, "BACKUP"));
    let held = |here: bool, there: bool| {
        eventually("the address is where it belongs", seconds(20), || {
            (lab.lvs01.has_address(VIP), lab.lvs02.has_address(VIP)) == (here, there)
        });
    };
    held(true, false);
    // keepalived's strict mode would drop this.
    lab.lvs01.serve_http(&[("index.html", "lvs01")]);
    eventually("the address answers", seconds(5), || {
        lab.client.run(&format!("curl -sf -m 2 http://{VIP}/")).status.success()
    });
    ours.stop();
    held(false, true);
    let ours = lab.director(&lab.lvs01, lab.program(), &text(150, "BACKUP"));
    held(true, false);
    theirs.stop();
    assert!(poll(seconds(3), || !lab.lvs01.has_address(VIP)).is_none(), "the address was lost");
    ours.stop();
}
