//! Routes, rules and static objects: they move with their instance, come back when somebody removes them, survive no
//! change of configuration, and are those that keepalived sets.

use super::Scenario;
use crate::lab::{Lab, Node, Program, VIP, eventually, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "objects_move",
        "addresses, routes and rules of both families move with the instance, come back when they are removed by hand, \
         and a killed daemon's go or stay as the next configuration has them",
        moves,
    ),
    Scenario::directord(
        "objects_foreign",
        "other programs flush, append, replace and delete at the worst moment; what is ours is there again, what is theirs stays",
        foreign,
    ),
    Scenario::directord(
        "objects_equal",
        "`ip address`, `ip route` and `ip rule` show what they show of keepalived with the same file",
        equal,
    ),
    Scenario::directord(
        "objects_refused",
        "what the kernel refuses puts the instance into FAULT, is named, and is tried again",
        refused,
    ),
];

const ROUTES: &str = "10.9.0.0/16 via 192.168.100.8 dev eth0
 10.8.0.0/16 via 192.168.100.8 src 192.168.100.240 dev eth0 metric 30
 default via 192.168.100.8 dev eth0 table 201
 10.7.0.0/16 nexthop via 192.168.100.8 dev eth0 weight 2 nexthop via 192.168.100.9 dev eth0 weight 1
 blackhole 10.6.0.0/16
 10.3.0.0/16 dev eth0 mtu 1400
 2001:db8:9::/48 via 2001:db8::8 dev eth0 metric 100";
const RULES: &str = "from 192.168.100.240/32 table 201 priority 1000
 from 2001:db8::240/128 table 201 priority 1001
 to 10.9.0.0/16 fwmark 7 table 201 priority 1002";
const STATICS: &str = "static_ipaddress {\n 10.0.0.150/24 dev eth1\n}\n\
     static_routes {\n 10.5.0.0/16 via 10.0.0.8 dev eth1\n}\n\
     static_rules {\n from 10.0.0.150/32 table 201 priority 900\n}\n";

fn config(statics: &str, routes: &str, rules: &str) -> String {
    format!(
        "global_defs {{\n vrrp_version 3\n}}\n{statics}\
         vrrp_instance VI_1 {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n priority 100\n advert_int 0.5\n \
         virtual_ipaddress {{\n {VIP}/24\n }}\n virtual_ipaddress_excluded {{\n 2001:db8::240/64\n }}\n \
         virtual_routes {{\n {routes}\n }}\n virtual_rules {{\n {rules}\n }}\n}}\n"
    )
}

/// Everything of it that a node has, as `ip` shows it.
fn objects(node: &Node) -> String {
    node.sh("ip -o address show scope global | awk '{print $2, $4}' | sort
         for family in -4 -6; do
           ip $family route show table all proto keepalived | sed 's/ *$//' | sort
           ip $family rule show
         done")
}

/// What those of the instance have in common, a line each.
const MOVING: [&str; 11] = [
    "eth0 192.168.100.240/24",
    "eth0 2001:db8::240/64",
    "10.9.0.0/16 via 192.168.100.8 dev eth0",
    "10.8.0.0/16 via 192.168.100.8 dev eth0",
    "default via 192.168.100.8 dev eth0 table 201",
    "10.7.0.0/16",
    "blackhole 10.6.0.0/16",
    "2001:db8:9::/48 via 2001:db8::8 dev eth0",
    "1000:",
    "1001:",
    "1002:",
];

fn has_all(node: &Node) -> bool {
    let text = objects(node);
    MOVING.iter().all(|line| text.contains(line))
}

fn has_none(node: &Node) -> bool {
    let text = objects(node);
    MOVING.iter().all(|line| !text.contains(line))
}

fn has_statics(node: &Node) -> bool {
    let text = objects(node);
    ["eth1 10.0.0.150/24", "10.5.0.0/16 via 10.0.0.8", "900:"].iter().all(|line| text.contains(line))
}

fn moves(lab: &Lab) {
    let text = config(STATICS, ROUTES, RULES);
    let backup = config("", ROUTES, RULES).replace("priority 100\n", "priority 50\n");
    for node in lab.directors() {
        // Of the host, in no configuration: it is nobody's business.
        node.sh("ip route add 10.4.0.0/16 via 192.168.100.9 proto keepalived; ip rule add priority 2000 table 300");
    }
    let untouched = |node: &Node| {
        let text = objects(node);
        assert!(text.contains("10.4.0.0/16") && text.contains("2000:"), "{}: {text}", node.name);
    };
    let master = lab.director(&lab.lvs01, lab.program(), &text);
    let _backup = lab.director(&lab.lvs02, lab.program(), &backup);
    eventually("lvs01 has all of it", seconds(15), || has_all(&lab.lvs01) && has_statics(&lab.lvs01));
    assert!(has_none(&lab.lvs02), "{}", objects(&lab.lvs02));

    // A cable, and back.
    lab.lvs01.cut("eth0");
    eventually("lvs02 is MASTER", seconds(10), || lab.lvs02.has_address(VIP));
    eventually("lvs02 has taken over", seconds(10), || has_all(&lab.lvs02));
    eventually("and lvs01 has let go", seconds(5), || has_none(&lab.lvs01));
    assert!(has_statics(&lab.lvs01), "static objects stay: {}", objects(&lab.lvs01));
    lab.lvs01.mend("eth0");
    eventually("lvs01 has taken it back", seconds(10), || has_all(&lab.lvs01));
    eventually("and lvs02 has let go", seconds(5), || has_none(&lab.lvs02));

    // Somebody removes one of each.
    for (command, line) in [
        ("ip route del 10.9.0.0/16", "10.9.0.0/16"),
        ("ip route del 10.7.0.0/16", "10.7.0.0/16"),
        ("ip -6 route del 2001:db8:9::/48", "2001:db8:9::/48"),
        ("ip rule del priority 1000", "1000:"),
        ("ip -6 rule del priority 1001", "1001:"),
        ("ip route del 10.5.0.0/16", "10.5.0.0/16"),
        ("ip rule del priority 900", "900:"),
        ("ip address del 10.0.0.150/24 dev eth1", "10.0.0.150/24"),
    ] {
        let mark = master.log().len();
        lab.lvs01.sh(command);
        eventually(&format!("{line} is back"), seconds(2), || objects(&lab.lvs01).contains(line));
        eventually(&format!("the log names it after {command}"), seconds(1), || {
            master.log()[mark..].contains("was removed, not by us: set again")
        });
    }
    // With its address and its interface a route goes, without a word of the kernel.
    lab.lvs01.sh("ip link set eth1 down; ip link set eth1 up");
    eventually("what went with the interface is back", seconds(5), || has_statics(&lab.lvs01));
    throughout("lvs01 has all of it", seconds(2), || has_all(&lab.lvs01));

    // A reload touches nothing that is equal in both.
    let monitor = lab.lvs01.spawn("monitor", "ip -o monitor route rule address");
    throughout("nothing changes", seconds(1), || has_all(&lab.lvs01));
    let mark = monitor.log().len();
    let fewer = ROUTES.replace(" blackhole 10.6.0.0/16\n", "");
    lab.reload(&lab.lvs01, &master, config(STATICS, &fewer, RULES));
    eventually("the route goes", seconds(5), || !objects(&lab.lvs01).contains("10.6.0.0/16"));
    let told = monitor.log()[mark..].to_owned();
    assert!(
        told.lines().all(|line| line.contains("10.6.0.0/16") || !line.contains("keepalived")),
        "a reload touched more than it had to: {told}"
    );
    monitor.stop();

    // Killed, and started with less.
    master.kill9();
    assert!(has_statics(&lab.lvs01), "a killed daemon leaves its objects behind");
    let less = config(
        "",
        "10.9.0.0/16 via 192.168.100.8 dev eth0",
        "from 192.168.100.240/32 table 201 priority 1000",
    );
    let master = lab.director(&lab.lvs01, lab.program(), &less.replace("priority 100\n", "priority 20\n"));
    eventually("all that it left is gone", seconds(5), || {
        let text = objects(&lab.lvs01);
        has_none(&lab.lvs01)
            && !text.contains("10.5.0.0/16")
            && !text.contains("900:")
            && !text.contains("10.0.0.150")
    });
    eventually("lvs02 has all of it", seconds(10), || has_all(&lab.lvs02));
    lab.directors().into_iter().for_each(untouched);
    master.stop();
}

/// One life beside the other's.
fn equal(lab: &Lab) {
    let text = config(STATICS, ROUTES, RULES);
    let [theirs, ours] = [Program::Keepalived, lab.program()].map(|program| {
        let before = objects(&lab.lvs01);
        let daemon = lab.director(&lab.lvs01, program, &text);
        eventually(&format!("{} has all of it", program.name()), seconds(15), || {
            has_all(&lab.lvs01) && has_statics(&lab.lvs01)
        });
        let found = objects(&lab.lvs01);
        daemon.stop();
        if program == Program::Keepalived {
            // It leaves some behind.
            lab.lvs01.sh("for family in -4 -6; do
                   ip $family route flush table main proto keepalived || :
                   ip $family route flush table 201 2>/dev/null || :
                 done
                 ip rule del priority 900 || :
                 ip address del 10.0.0.150/24 dev eth1 || :");
        }
        eventually("nothing is left", seconds(5), || objects(&lab.lvs01) == before);
        found
    });
    assert_eq!(ours, theirs, "left ours, right keepalived's");
}

fn refused(lab: &Lab) {
    let gateway = "10.9.0.0/16 via 172.16.5.1";
    let text = config("", gateway, "from 192.168.100.240/32 table 201 priority 1000");
    let daemon = lab.director(&lab.lvs01, lab.program(), &text);
    eventually("the log names the route", seconds(10), || {
        daemon.log_has("the kernel refuses route 10.9.0.0/16 via 172.16.5.1")
    });
    eventually("the instance is in FAULT, without its address", seconds(3), || !lab.lvs01.has_address(VIP));
    lab.lvs01.sh("ip address add 172.16.5.2/24 dev eth1");
    eventually("with its gateway it is MASTER", seconds(10), || {
        lab.lvs01.has_address(VIP) && objects(&lab.lvs01).contains(gateway)
    });
    daemon.stop();
    let text = objects(&lab.lvs01);
    assert!(!text.contains(gateway) && !text.contains("1000:") && !text.contains(VIP), "{text}");
}

/// Other programs on the same tables.
fn foreign(lab: &Lab) {
    let node = &lab.lvs01;
    node.sh(
        "ip route add 10.77.0.0/16 via 192.168.100.9; ip -6 route add 2001:db8:77::/48 via fe80::9 dev eth0",
    );
    let text = config(STATICS, ROUTES, RULES);
    let daemon = lab.director(node, lab.program(), &text);
    eventually("all is there", seconds(15), || has_all(node) && has_statics(node));

    // One that takes the place of ours is undone, and said.
    node.sh("ip -6 route replace 2001:db8:9::/48 via 2001:db8::78 dev eth0 metric 100 proto static");
    eventually("it is set again", seconds(2), || has_all(node));
    daemon.says("was changed, not by us: set again");

    // All goes away again and again, in whatever moment.
    node.sh("timeout 4 sh -c \"while :; do
           timeout 1 ip -4 route flush proto keepalived; timeout 1 ip -6 route flush proto keepalived
           ip address del 192.168.100.240/24 dev eth0; ip -6 address del 2001:db8::240/64 dev eth0
         done\" 2>/dev/null || true");
    eventually("all is there again", seconds(5), || has_all(node) && has_statics(node));
    throughout("and stays", seconds(2), || has_all(node) && has_statics(node));

    // A hop beside ours is not ours.
    node.sh("ip -6 route append 2001:db8:9::/48 via 2001:db8::77 dev eth0 metric 100 proto static");
    throughout("both hops are there", seconds(2), || {
        let routes = node.sh("ip -6 route show 2001:db8:9::/48");
        routes.contains("2001:db8::8 ") && routes.contains("2001:db8::77 ")
    });

    node.sh("ip -6 route del 2001:db8:9::/48 via 2001:db8::77 dev eth0 metric 100");
    throughout("ours stays when the other one goes", seconds(2), || has_all(node) && node.has_address(VIP));

    // What a reload takes out of a route is gone, and another way to the same place takes the old one's.
    node.sh("ip -6 route append 2001:db8:9::/48 via 2001:db8::77 dev eth0 metric 100 proto static");
    let changed = text
        .replace("10.3.0.0/16 dev eth0 mtu 1400", "10.3.0.0/16 via 192.168.100.9 dev eth0")
        .replace("10.8.0.0/16 via 192.168.100.8 src 192.168.100.240 dev", "10.8.0.0/16 via 192.168.100.8 dev")
        .replace("10.5.0.0/16 via 10.0.0.8 dev eth1", "10.5.0.0/16 dev eth1 mtu 1300");
    lab.reload(node, &daemon, &changed);
    let shown = |to: &str| node.sh(&format!("ip route show {to}"));
    eventually("the new routes are there", seconds(5), || {
        shown("10.3.0.0/16").contains("via 192.168.100.9") && shown("10.5.0.0/16").contains("mtu 1300")
    });
    for (to, gone) in [("10.3.0.0/16", "mtu"), ("10.8.0.0/16", "src"), ("10.5.0.0/16", "via")] {
        eventually(&format!("the route to {to} is the new one alone"), seconds(2), || {
            !shown(to).contains(gone) && shown(to).lines().count() == 1
        });
    }
    lab.reload(node, &daemon, changed.replace("10.5.0.0/16 dev eth1 mtu 1300", "10.5.0.0/16 dev eth1"));
    eventually("the MTU is gone", seconds(5), || !shown("10.5.0.0/16").contains("mtu"));

    daemon.stop();
    let left = objects(node);
    assert!(has_none(node) && !left.contains("10.5.0.0") && !left.contains("10.3.0.0"), "{left}");
    let theirs = node.sh("ip route; ip -6 route");
    for line in
        ["10.77.0.0/16 via 192.168.100.9", "2001:db8:77::/48 via fe80::9", "via 2001:db8::77 dev eth0"]
    {
        assert!(theirs.contains(line), "{line} is gone: {theirs}");
    }
}
