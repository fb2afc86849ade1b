//! The kernel's side of VRRP: more changes than it can tell at once, objects that it refuses, addresses that are the
//! host's own, sources that come and go, packets that are too large, strangers, and floods.

use super::Scenario;
use crate::lab::{Lab, Program, Signal, VIP, Vrrp, eventually, millis, say, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "overrun",
        "thousands of changes in one turn, after a stop of the process, and at start: none goes unseen",
        overrun,
    ),
    Scenario::directord(
        "refused_address",
        "an address that the kernel refuses leaves the service with the peer, until it is taken",
        refused,
    ),
    Scenario::directord(
        "lost_source",
        "a unicast source that is not on the host: no part is taken, no second master",
        lost_source,
    ),
    Scenario::directord(
        "hosts_own_address",
        "a virtual address that is the host's own is used and never removed, nor its route",
        hosts_own,
    ),
    Scenario::directord(
        "small_packets",
        "more addresses than a packet of the interface carries: adverts go out all the same",
        small_packets,
    ),
    Scenario::directord("stranger", "check_unicast_src and min_ttl: a stranger takes nothing away", stranger),
    Scenario::directord(
        "flood",
        "packets of protocol 112 as fast as a host can send them: the election is the same, and so is the memory",
        flood,
    ),
];

/// So many addresses that the notifications about them are more than a socket queues by default.
const MANY: u32 = 5000;

/// Sets or removes many addresses on eth1 in one go.
fn many(verb: &str) -> String {
    format!(
        "i=0; while [ $i -lt {MANY} ]; do echo \"addr {verb} 10.9.$((i / 250)).$((i % 250))/32 dev eth1\"; \
         i=$((i + 1)); done >/tmp/{verb}.batch; ip -batch /tmp/{verb}.batch"
    )
}

fn overrun(lab: &Lab) {
    let node = &lab.lvs01;
    let daemon = lab.director(node, Program::Directord, &Vrrp::default().text());
    eventually("the address is on lvs01", seconds(15), || node.has_address(VIP));
    let restored = |what: &str| {
        node.sh(&format!("ip addr del {VIP}/32 dev eth0"));
        eventually(what, seconds(2), || node.has_address(VIP));
    };
    node.sh(&many("add"));
    restored("after many changes in one turn a deletion is still seen");
    daemon.signal(Signal::SIGSTOP);
    node.sh(&many("del"));
    node.sh(&many("add"));
    node.sh(&format!("ip addr del {VIP}/32 dev eth0"));
    daemon.signal(Signal::SIGCONT);
    eventually("what happened during the stop is seen", seconds(5), || node.has_address(VIP));
    restored("and what happens after it");
    lab.lvs01.cut("eth0");
    eventually("a dead link is seen", seconds(5), || {
        daemon.log_has("Entering FAULT STATE (interface eth0 down)")
    });
    node.mend("eth0");
    eventually("and its return", seconds(15), || node.has_address(VIP));
    daemon.stop();
    // A start while the tables change all the time.
    let churn =
        node.spawn("churn", "sh -c 'while :; do ip -batch /tmp/del.batch; ip -batch /tmp/add.batch; done'");
    let daemon = lab.director(node, Program::Directord, &Vrrp::default().text());
    eventually("it starts in the middle of them", seconds(30), || node.has_address(VIP));
    lab.reload(node, &daemon, Vrrp { vips: &[VIP, "192.168.100.241"], ..Vrrp::default() }.text());
    eventually("and reloads", seconds(30), || node.has_address("192.168.100.241"));
    churn.kill9();
    assert!(daemon.is_running());
}

/// `scope link` beside a primary address of scope global in the same network: EINVAL.
fn refused(lab: &Lab) {
    lab.lvs02.sh("ip addr del 192.168.100.102/24 dev eth0; ip addr add 192.168.100.102/32 dev eth0
         ip route add 192.168.100.0/24 dev eth0");
    let config = Vrrp { vips: &["192.168.100.240/24 scope link"], ..Vrrp::default() };
    let backup = lab.director(&lab.lvs02, Program::Directord, &config.backup().text());
    eventually("the backup alone is master", seconds(15), || lab.holders(VIP) == ["lvs02"]);
    let master = lab.director(&lab.lvs01, Program::Directord, &config.text());
    let fault = "Entering FAULT STATE (the kernel refuses 192.168.100.240/24 on eth0";
    eventually("the higher priority tries and says why it cannot", seconds(15), || master.log_has(fault));
    eventually("the peer keeps the service", seconds(5), || lab.holders(VIP) == ["lvs02"]);
    let tries = |daemon: &crate::lab::Daemon| daemon.log().matches("STATE").count();
    let quiet = tries(&backup);
    throughout("and is not disturbed by later tries", seconds(10), || lab.holders(VIP) == ["lvs02"]);
    assert_eq!(tries(&backup), quiet, "the peer notices none of the tries");
    lab.lvs01.sh("ip addr del 192.168.100.101/24 dev eth0; ip addr add 192.168.100.101/32 dev eth0
         ip route add 192.168.100.0/24 dev eth0");
    eventually("when the cause is gone it takes over", seconds(15), || lab.holders(VIP) == ["lvs01"]);
}

fn lost_source(lab: &Lab) {
    let own = "192.168.100.150";
    let config = Vrrp { priority: 50, unicast: Some((own, "192.168.100.102")), ..Vrrp::default() };
    let peer = Vrrp { priority: 100, unicast: Some(("192.168.100.102", own)), ..Vrrp::default() };
    let _peer = lab.director(&lab.lvs02, Program::Directord, &peer.text());
    eventually("the peer is master", seconds(15), || lab.holders(VIP) == ["lvs02"]);
    let daemon = lab.director(&lab.lvs01, Program::Directord, &config.text());
    let fault = format!("Entering FAULT STATE (the source {own} is no address of this host)");
    eventually("it is in FAULT and says why", seconds(5), || daemon.log_has(&fault));
    throughout("it is no second master", seconds(6), || lab.holders(VIP) == ["lvs02"]);
    lab.lvs01.sh(&format!("ip addr add {own}/24 dev eth0"));
    eventually("with its source it takes part", seconds(5), || daemon.log_has("Entering BACKUP STATE"));
    throughout("and obeys", seconds(5), || lab.holders(VIP) == ["lvs02"]);
    lab.lvs01.sh(&format!("ip addr del {own}/24 dev eth0"));
    eventually("lost at run time: FAULT again", seconds(5), || daemon.log().matches(&fault).count() == 2);
    throughout("and no second master", seconds(6), || lab.holders(VIP) == ["lvs02"]);
}

fn hosts_own(lab: &Lab) {
    let node = &lab.lvs01;
    // Its only address, with the default route that depends on it.
    node.sh("ip addr flush dev eth0 scope global; ip addr add 192.168.100.240/24 dev eth0
         ip route add default via 192.168.100.1");
    let route = || node.sh("ip route show default").contains("192.168.100.1");
    for (priority, words) in [(255, "Entering MASTER STATE"), (100, "is this host's own")] {
        let config = Vrrp { vips: &["192.168.100.240/24"], priority, pass: false, ..Vrrp::default() };
        let daemon = lab.director(node, Program::Directord, &config.text());
        eventually("it says what it does", seconds(10), || daemon.log_has(words));
        throughout("the address and its route stay", seconds(2), || node.has_address(VIP) && route());
        assert!(!daemon.log_has("left by a process that was killed"), "nobody was killed");
        daemon.kill9();
        let daemon = lab.director(node, Program::Directord, &config.text());
        eventually("after a kill it is the same", seconds(10), || daemon.log_has(words));
        assert!(node.has_address(VIP) && route(), "after a kill and a start");
        daemon.stop();
        assert!(node.has_address(VIP) && route(), "after a stop");
    }
    // Of an IPv6 address the kernel keeps the host's, whatever prefix length is asked for.
    node.sh("ip addr add fd00:9::100/64 dev eth0 valid_lft 600 preferred_lft 500 nodad");
    let config = Vrrp { vips: &["fd00:9::100"], version: 3, pass: false, ..Vrrp::default() };
    let shown = || node.sh("ip -6 addr show dev eth0 to fd00:9::100");
    let is_as_it_was = || {
        let shown = shown();
        assert!(!shown.contains("deprecated") && shown.contains("fd00:9::100/64"), "{shown}");
        shown.split("valid_lft ").nth(1).and_then(|rest| rest.split("sec").next()?.parse::<u32>().ok())
    };
    for _time in 0..2 {
        let daemon = lab.director(node, Program::Directord, &config.text());
        eventually("it leads", seconds(15), || daemon.log_has("Entering MASTER STATE"));
        throughout("the host's address keeps its lifetime", seconds(3), || {
            is_as_it_was().is_some_and(|left| (400..600).contains(&left))
        });
        daemon.stop();
        assert!(is_as_it_was().is_some(), "after a stop");
    }
}

fn small_packets(lab: &Lab) {
    for node in lab.directors() {
        node.sh("ip link set eth0 mtu 576");
    }
    let addresses: String = (0..200).map(|last| format!("10.8.0.{last}\n")).collect();
    let config = Vrrp::default().text().replace(VIP, &format!("{VIP}\n{addresses}"));
    let capture = lab.lvs02.capture("eth0", "ip proto 112");
    let daemon = lab.director(&lab.lvs01, Program::Directord, &config);
    eventually("all addresses are set", seconds(15), || lab.lvs01.has_address("10.8.0.199"));
    eventually("adverts are heard", seconds(5), || !capture.adverts().is_empty());
    daemon.says("names 131 addresses, the instance has 201");
    let _backup = lab.director(&lab.lvs02, Program::Directord, &crate::lab::as_backup(&config));
    throughout("the backup hears them", seconds(6), || lab.holders(VIP) == ["lvs01"]);
    capture.finish();
}

fn stranger(lab: &Lab) {
    let unicast = Some(("192.168.100.101", "192.168.100.102"));
    let config = |checked: &str| {
        let text = Vrrp { unicast, ..Vrrp::default() }.text();
        text.replace("192.168.100.102\n", "192.168.100.102 max_ttl 255\n").replace("unicast_src_ip", checked)
    };
    let daemon = lab.director(&lab.lvs01, Program::Directord, &config("check_unicast_src\n unicast_src_ip"));
    eventually("the address is on lvs01", seconds(15), || lab.lvs01.has_address(VIP));
    // The client is no peer of lvs01, and says that it is the better master.
    let forged =
        Vrrp { priority: 200, unicast: Some(("192.168.100.103", "192.168.100.101")), ..Vrrp::default() };
    let other = lab.director(&lab.client, Program::Directord, &forged.text());
    eventually("the stranger speaks", seconds(10), || lab.client.has_address(VIP));
    eventually("it is named, and why it does not count", seconds(5), || {
        daemon.log_has("Ignored an advert from 192.168.100.103: it is no `unicast_peer`")
    });
    throughout("the address stays on lvs01", millis(4000), || lab.lvs01.has_address(VIP));
    other.stop();
    // A peer that sits behind a router.
    let near = config("unicast_src_ip").replace("max_ttl 255", "min_ttl 254");
    lab.reload(&lab.lvs01, &daemon, near);
    let far =
        Vrrp { priority: 200, unicast: Some(("192.168.100.102", "192.168.100.101")), ..Vrrp::default() };
    let far = far.text().replace("unicast_src_ip", "unicast_ttl 9\n unicast_src_ip");
    let _peer = lab.director(&lab.lvs02, Program::Directord, &far);
    eventually("its distance is named", seconds(15), || daemon.log_has("TTL 9, 254 to 255 expected"));
    throughout("the address stays on lvs01", millis(4000), || lab.lvs01.has_address(VIP));
}

fn flood(lab: &Lab) {
    let (_master, backup) = lab.director_pair(&Vrrp::default().text());
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    throughout("and stays there", seconds(2), || lab.holders(VIP) == ["lvs01"]);
    let received = || -> u64 {
        lab.lvs02.read("/sys/class/net/eth0/statistics/rx_packets").trim().parse().expect("a number")
    };
    let (memory, lines, before) = (backup.pss(), backup.log().lines().count(), received());
    let flood = lab.client.spawn("flood", "/lab/scenario agent flood 192.168.100.103");
    eventually("many have come", seconds(60), || received() > before + 50_000);
    throughout("the address stays on lvs01", seconds(8), || lab.holders(VIP) == ["lvs01"]);
    let (more, told) = (backup.pss().saturating_sub(memory), backup.log().lines().count() - lines);
    say(&format!("{} packets, {more} KiB more, {told} lines", received() - before));
    assert!(more < 1024, "{more} KiB more");
    assert!(told < 60, "{told} lines:\n{}", backup.log());
    lab.lvs01.power_off();
    eventually("lvs02 takes over in the midst of it", seconds(5), || lab.lvs02.has_address(VIP));
    throughout("and stays", seconds(3), || lab.lvs02.has_address(VIP));
    assert!(flood.is_running(), "{}", flood.log());
    flood.stop();
}
