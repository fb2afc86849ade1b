//! The pairs of `conf-examples/` that are no directors, as they are used.

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Signal, eventually, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        extra: &[("haproxy", "haproxy")],
        ..Scenario::directord(
            "haproxy_pair",
            "haproxy is stopped, killed and hangs: both addresses move, come back, and that is told in order",
            haproxy_pair,
        )
    },
    Scenario::directord(
        "mutual_pair",
        "two nodes that are each other's backup, with addresses of both families",
        mutual_pair,
    ),
];

const FRONT: &str = "192.0.2.20";
const BACK: &str = "198.51.100.20";

const HAPROXY: &str = "defaults\n mode http\n timeout connect 1s\n timeout client 5s\n timeout server 5s\n\
                       frontend web\n bind :80\n default_backend web\n\
                       backend web\n server rs1 192.168.100.8:80\n\
                       frontend health\n bind 127.0.0.1:8404\n monitor-uri /up\n";

fn haproxy(node: &Node) -> Daemon {
    node.write("/tmp/haproxy.cfg", HAPROXY);
    let daemon = node.spawn("haproxy", "haproxy -db -f /tmp/haproxy.cfg");
    eventually("haproxy listens", seconds(10), || node.listens(80));
    daemon
}

/// The example, for this node; looked at each second.
fn haproxy_configuration(priority: u8) -> String {
    include_str!("../../../conf-examples/haproxy-pair.conf")
        .replace("priority 150", &format!("priority {priority}"))
        .replace("interval 2", "interval 1")
        .replace("/usr/local/bin/on-change", "/tmp/on-change")
}

fn haproxy_pair(lab: &Lab) {
    lab.rs1.serve_http(&[("index.html", "a page behind haproxy")]);
    lab.client.sh("ip addr add 192.0.2.103/24 dev eth0");
    for node in lab.directors() {
        node.write("/tmp/on-change", "#!/bin/sh\necho \"$*\" >>/tmp/calls\n");
        node.sh("chmod 755 /tmp/on-change");
    }
    let mut first = haproxy(&lab.lvs01);
    let second = haproxy(&lab.lvs02);
    let pair = [(&lab.lvs01, 150), (&lab.lvs02, 100)]
        .map(|(node, priority)| lab.director(node, lab.program(), &haproxy_configuration(priority)));
    let on = |name: &'static str| move || lab.holders(FRONT) == [name] && lab.holders(BACK) == [name];
    let served =
        || lab.client.get(&format!("http://{FRONT}/")).is_ok_and(|page| page.contains("behind haproxy"));
    eventually("the stronger node has both addresses", seconds(15), on("lvs01"));
    eventually("and serves", seconds(5), served);

    let moves = |what: &str| {
        eventually(&format!("{what}: both addresses move"), seconds(15), on("lvs02"));
        eventually("the other node serves", seconds(5), served);
    };
    let comes_back = || {
        eventually("both come back", seconds(15), on("lvs01"));
        eventually("and it serves again", seconds(5), served);
    };
    first.stop();
    moves("stopped");
    first = haproxy(&lab.lvs01);
    comes_back();
    first.kill9();
    moves("killed");
    first = haproxy(&lab.lvs01);
    comes_back();
    first.signal(Signal::SIGSTOP);
    moves("hung");
    first.signal(Signal::SIGCONT);
    comes_back();
    // Both fail: an address that nobody has would be worse than one behind which nobody answers.
    second.stop();
    first.stop();
    throughout("one of them has the addresses", seconds(6), || {
        lab.holders(FRONT).len() == 1 && lab.holders(BACK).len() == 1
    });

    for daemon in &pair {
        daemon.stop();
    }
    let states = |node: &Node| -> Vec<String> {
        let calls = node.read("/tmp/calls");
        calls
            .lines()
            .filter_map(|line| Some(line.strip_prefix("GROUP edge ")?.split(' ').next()?.to_owned()))
            .collect()
    };
    let three = ["BACKUP", "MASTER"].repeat(4);
    assert_eq!(states(&lab.lvs01)[..8], three, "{:?}", states(&lab.lvs01));
    assert_eq!(states(&lab.lvs02)[..7], three[..7], "{:?}", states(&lab.lvs02));
    for node in lab.directors() {
        assert_eq!(states(node).last().map(String::as_str), Some("STOP"));
    }
}

const FIRST: [&str; 3] = ["192.0.2.31", "fe80::31", "2001:db8::31"];
const SECOND: [&str; 3] = ["192.0.2.32", "fe80::32", "2001:db8::32"];

fn mutual_pair(lab: &Lab) {
    let here = include_str!("../../../conf-examples/mutual-pair.conf").to_owned();
    let there = here.replace("priority 150", "priority X").replace("priority 100", "priority 150");
    let there = there.replace("priority X", "priority 100");
    lab.client.sh("ip addr add 192.0.2.103/24 dev eth0; ip addr add 2001:db8::103/64 dev eth0 nodad");
    for node in lab.directors() {
        node.serve_http(&[("index.html", node.name)]);
    }
    let first = lab.director(&lab.lvs01, lab.program(), &here);
    let second = lab.director(&lab.lvs02, lab.program(), &there);
    let all_on = |addresses: [&'static str; 3], name: &'static str| {
        move || addresses.iter().all(|address| lab.holders(address) == [name])
    };
    // By the neighbour that the client knows, and nobody asked it to look anew.
    let reached = |addresses: [&str; 3], name: &str| {
        let [v4, _, v6] = addresses;
        [format!("http://{v4}/"), format!("http://[{v6}]/")]
            .iter()
            .all(|url| lab.client.get(url).is_ok_and(|page| page.trim() == name))
    };
    let at_home = || {
        eventually("each has its own", seconds(15), || all_on(FIRST, "lvs01")() && all_on(SECOND, "lvs02")());
        eventually("and is reached", seconds(5), || reached(FIRST, "lvs01") && reached(SECOND, "lvs02"));
    };
    at_home();
    lab.lvs01.power_off();
    eventually("the second node has all", seconds(15), || {
        all_on(FIRST, "lvs02")() && all_on(SECOND, "lvs02")()
    });
    eventually("and is reached", seconds(5), || reached(FIRST, "lvs02") && reached(SECOND, "lvs02"));
    lab.lvs01.power_on();
    lab.lvs01.serve_http(&[("index.html", "lvs01")]);
    let first_again = lab.director(&lab.lvs01, lab.program(), &here);
    at_home();
    second.signal(Signal::SIGTERM);
    eventually("the first node has all after a stop, too", seconds(5), || {
        all_on(FIRST, "lvs01")() && all_on(SECOND, "lvs01")()
    });
    eventually("and is reached", seconds(5), || reached(FIRST, "lvs01") && reached(SECOND, "lvs01"));
    drop(first);
    first_again.stop();
}
