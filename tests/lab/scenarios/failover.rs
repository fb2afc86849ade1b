//! The master goes: its power, or by an ordinary stop. The other director serves, in time.

use super::Scenario;
use crate::lab::{BOTH, Lab, VIP, Vrrp, eventually, millis, now, say, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "failover_power",
        "the master loses power: its backup serves after 3 intervals and skew",
        power,
    ),
    Scenario::new("failover_stop", "the master is stopped: its backup serves after skew, never both", stop),
];

/// Priority of the backup is 50: skew (256 - 50) / 256 s.
const SKEW: f64 = 206.0 / 256.0;
const SLACK: f64 = 0.1;
/// A machine with other work to do may be late by this much.
const LATE: f64 = 0.5;

fn power(lab: &Lab) {
    let _daemons = serving_pair(lab);
    let stream = lab.client.stream("192.168.100.240:80");
    let capture = lab.lvs02.capture("eth0", "ip proto 112 or arp");
    eventually("requests are answered", seconds(5), || stream.so_far().by.len() == 2);

    eventually("an advert of lvs01 is heard", seconds(3), || !capture.adverts().is_empty());

    let cut = now();
    lab.lvs01.power_off();
    let took = eventually("the address is on lvs02", seconds(10), || lab.holders(VIP) == ["lvs02"]);
    eventually("requests are answered again", seconds(5), || stream.so_far().gap_end > cut);

    // The time runs from the last advert heard.
    // tcpdump may write a moment after the packet.
    eventually("the capture has an advert of lvs02", seconds(3), || {
        capture.adverts().iter().any(|(_, advert)| advert.from == 102)
    });
    let adverts = capture.adverts();
    let last =
        adverts.iter().filter(|(_, advert)| advert.from == 101).map(|(time, _)| *time).fold(0.0, f64::max);
    let first = adverts.iter().find(|(_, advert)| advert.from == 102).expect("an advert of lvs02").0;
    say(&format!(
        "first advert of lvs02 {:.3} s after the last of lvs01, {took:.3?} after the cut",
        first - last
    ));
    let limit = 3.0 + SKEW + LATE;
    assert!(first - last < limit, "took over {:.3} s after the last advert, limit {limit:.3}", first - last);
    assert!(first - last > 3.0 + SKEW - SLACK, "took over too early: {:.3} s", first - last);

    let answers = stream.finish();
    assert!(answers.longest_gap < millis(4800), "no answer for {:?}", answers.longest_gap);
    assert!(answers.by.len() == 2, "both real servers answer: {answers:?}");
    capture.finish();
}

fn stop(lab: &Lab) {
    let (master, _backup) = serving_pair(lab);
    let stream = lab.client.stream("192.168.100.240:80");
    let capture = lab.lvs02.capture("eth0", "ip proto 112");
    let watch = lab.watch(VIP);
    eventually("requests are answered", seconds(5), || stream.so_far().by.len() == 2);

    master.stop();
    assert_eq!(master.exit_code(), Some(0), "a good end");
    eventually("the address is on lvs02 alone", seconds(5), || lab.holders(VIP) == ["lvs02"]);
    // tcpdump may write a moment after the packet.
    eventually("the capture has an advert of lvs02", seconds(3), || {
        capture.adverts().iter().any(|(_, advert)| advert.from == 102)
    });
    let adverts = capture.adverts();
    let farewell = adverts.iter().find(|(_, advert)| advert.from == 101 && advert.priority == 0);
    let farewell = farewell.expect("an advert of priority 0 from lvs01").0;
    let first = adverts.iter().find(|(_, advert)| advert.from == 102).expect("an advert of lvs02").0;
    say(&format!("first advert of lvs02 {:.3} s after the farewell", first - farewell));
    assert!(first - farewell < SKEW + LATE, "took over {:.3} s after the farewell", first - farewell);

    // The longest gap may be another one: a hand-over need not show.
    let answered = || stream.so_far().by.values().sum::<usize>();
    let before = answered();
    eventually("requests are answered", seconds(5), || answered() > before + 20);
    let answers = stream.finish();
    assert!(answers.longest_gap < millis(1800), "no answer for {:?}", answers.longest_gap);

    // Started again, it takes its address back, and only one of them keeps it.
    lab.director(&lab.lvs01, lab.program(), &(Vrrp::default().text() + &web_service("rr", "DR", BOTH)));
    eventually("the address is back on lvs01 alone", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    let held = watch.finish();
    say(&format!("{held:?}"));
    assert!(held.by_two < millis(500), "two holders for {:?}", held.by_two);
    capture.finish();
}

fn serving_pair(lab: &Lab) -> (crate::lab::Daemon, crate::lab::Daemon) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
        node.bind_vip(VIP);
    }
    let pair = lab.director_pair(&(Vrrp::default().text() + &web_service("rr", "DR", BOTH)));
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    for node in lab.directors() {
        let service = "TCP 192.168.100.240:80";
        eventually(&format!("{} has both real servers", node.name), seconds(15), || {
            node.ipvs().serving(service).len() == 2
        });
    }
    pair
}
