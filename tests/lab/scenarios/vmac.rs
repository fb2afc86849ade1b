//! `use_vmac`: the address of the link layer moves with the virtual addresses, as with keepalived.

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Program, Signal, VIP, eventually, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "vmac",
        "the virtual router has an address of its own, which moves with it: a client keeps what it knows of its neighbour; \
         what the daemon made and set is as before when it has ended, after a kill, too",
        moves,
    ),
    Scenario::new(
        "vmac_interop",
        "with keepalived: use_vmac, VRRPv2 and VRRPv3 over IPv4, VRRPv3 over IPv6",
        interop,
    ),
    Scenario::new(
        "vmac_interop_base",
        "with keepalived: use_vmac with vmac_xmit_base, multicast and unicast",
        interop_base,
    ),
    Scenario::directord(
        "vmac_lost",
        "an interface of the virtual router that is deleted, switched off, taken or without its base",
        lost,
    ),
];

const MAC: &str = "00:00:5e:00:01:33";

/// An instance with an interface of its own.
struct Config {
    more: &'static str,
    vips: &'static str,
    version: u8,
}

impl Config {
    const V4: Self = Self { more: "", vips: "192.168.100.240/24", version: 2 };

    fn text(&self, priority: u8) -> String {
        let Self { more, vips, version } = self;
        format!(
            "global_defs {{\n vrrp_version {version}\n}}\nvrrp_instance VI_1 {{\n state BACKUP\n interface eth0\n \
             virtual_router_id 51\n use_vmac\n priority {priority}\n advert_int 1\n {more}\n virtual_ipaddress {{\n {vips}\n }}\n}}\n"
        )
    }
}

/// What a node has of links and settings that the daemon might change.
fn state(node: &Node) -> String {
    node.sh(
        "ip -o link show type macvlan | cut -d: -f2
         cd /proc/sys/net/ipv4; grep -H . igmp_link_local_mcast_reports conf/*/arp_ignore conf/*/arp_filter conf/*/rp_filter",
    )
}

fn has_vmac(node: &Node) -> bool {
    node.sh("ip -d -o link show type macvlan").contains(MAC)
}

/// The address that the client has for the virtual one.
fn neighbour(lab: &Lab) -> String {
    lab.client
        .sh(&format!("ip neigh flush to {VIP}; curl -s -m 2 http://{VIP}/ || true; ip neigh show to {VIP}"))
}

fn moves(lab: &Lab) {
    for node in lab.directors() {
        // As many a host has it: packets must come from where the way back leads.
        node.sh("echo 1 > /proc/sys/net/ipv4/conf/all/rp_filter");
    }
    let before = lab.directors().map(state);
    let capture = lab.lvs02.capture("eth0", "igmp or ether src 00:00:5e:00:01:33");
    let first = lab.director(&lab.lvs01, lab.program(), &Config::V4.text(100));
    let second = lab.director(&lab.lvs02, lab.program(), &Config::V4.text(50));
    let holder = |name: &'static str| move || lab.holders(VIP) == [name];
    eventually("lvs01 is MASTER", seconds(15), holder("lvs01"));
    for node in lab.directors() {
        assert!(has_vmac(node), "{}", state(node));
    }
    let link = lab.lvs01.sh("ip -d -o addr show dev vrrp.51; ip -d -o link show dev vrrp.51");
    for part in [VIP, "macvlan mode private", "vrrp.51@eth0", MAC] {
        assert!(link.contains(part), "{part}: {link}");
    }
    eventually("the client knows the virtual address", seconds(5), || neighbour(lab).contains(MAC));

    // The address moves, what the client knows of it stays true.
    first.stop();
    eventually("lvs02 is MASTER", seconds(5), holder("lvs02"));
    eventually("the client knows it still", seconds(5), || neighbour(lab).contains(MAC));
    eventually("all is as before on lvs01", seconds(3), || state(&lab.lvs01) == before[0]);
    let first = lab.director(&lab.lvs01, lab.program(), &Config::V4.text(100));
    eventually("lvs01 is MASTER again", seconds(15), holder("lvs01"));
    throughout("and stays so", seconds(3), holder("lvs01"));

    // A killed one leaves it behind, the next one finds it, and sets the former values back at its end.
    first.kill9();
    eventually("lvs02 is MASTER, too", seconds(6), || lab.lvs02.has_address(VIP));
    let first = lab.director(&lab.lvs01, lab.program(), &Config::V4.text(40));
    eventually("lvs02 alone has it", seconds(15), holder("lvs02"));
    throughout("and stays so", seconds(3), holder("lvs02"));
    let log = second.log();
    assert!(!log.contains("FAULT"), "{log}");

    // A reload moves the addresses off the interface and onto it.
    let plain = Config::V4.text(200).replace(" use_vmac\n", "");
    lab.reload(&lab.lvs01, &first, &plain);
    eventually("without it", seconds(15), || {
        holder("lvs01")() && lab.lvs01.sh("ip -o addr show dev eth0").contains(VIP) && !has_vmac(&lab.lvs01)
    });
    lab.reload(&lab.lvs01, &first, Config::V4.text(200));
    eventually("with it again", seconds(5), || {
        has_vmac(&lab.lvs01) && lab.lvs01.sh("ip -o addr show dev vrrp.51").contains(VIP)
    });
    lab.reload(&lab.lvs01, &first, Config::V4.text(200).replace("use_vmac", "use_vmac vx"));
    eventually("under another name", seconds(5), || {
        lab.lvs01.sh("ip -o addr show dev vx || true").contains(VIP)
            && !lab.lvs01.sh("ip -o link show").contains("vrrp.51")
    });
    throughout("nobody else has it", seconds(2), holder("lvs01"));
    let log = first.log();
    assert!(!log.contains("FAULT"), "{log}");
    eventually("the client hears of it", seconds(5), || {
        lab.client.sh(&format!("ip neigh show to {VIP}")).contains(MAC)
    });
    for daemon in [&first, &second] {
        daemon.stop();
    }
    for (node, before) in lab.directors().into_iter().zip(before) {
        eventually("all is as before", seconds(3), || state(node) == before);
    }
    for packet in capture.finish() {
        // A switch would learn from it where the virtual address is.
        let reports = packet.bytes[12..14] == [0x08, 0x00] && packet.bytes[23] == 2;
        assert!(!(reports && packet.bytes[6..12] == [0, 0, 0x5e, 0, 1, 0x33]), "{:02x?}", packet.bytes);
    }
}

fn interop(lab: &Lab) {
    let v6 = Config { version: 3, vips: "fe80::51:240/64\n 2001:db8::240/64", ..Config::V4 };
    let v3 = Config { version: 3, ..Config::V4 };
    // None of the link: adverts leave all the same.
    let global = Config { vips: "2001:db8::240/64", ..v6 };
    for (config, vip) in [(&Config::V4, VIP), (&v3, VIP), (&v6, "2001:db8::240"), (&global, "2001:db8::240")]
    {
        pair(lab, vip, [&config.text(100), &config.text(50)]);
    }
}

fn interop_base(lab: &Lab) {
    let unicast = |own: u8, peer: u8| {
        format!(
            "unicast_src_ip 192.168.100.{own}\n unicast_peer {{\n 192.168.100.{peer}\n }}\n vmac_xmit_base"
        )
    };
    let base = Config { more: "vmac_xmit_base", ..Config::V4 };
    pair(lab, VIP, [&base.text(100), &base.text(50)]);
    let with = |priority, own, peer| base.text(priority).replace("vmac_xmit_base", &unicast(own, peer));
    pair(lab, VIP, [&with(100, 101, 102), &with(50, 102, 101)]);
}

fn pair(lab: &Lab, vip: &str, [higher, lower]: [&str; 2]) {
    for (master, backup) in [(lab.program(), Program::Keepalived), (Program::Keepalived, lab.program())] {
        crate::lab::say(&format!("{vip}: {} as master, {} as backup", master.name(), backup.name()));
        let on = |node: &'static str| move || lab.holders(vip) == [node];
        let first = lab.director(&lab.lvs01, master, higher);
        let second = lab.director(&lab.lvs02, backup, lower);
        eventually("the address is on the master", seconds(20), on("lvs01"));
        throughout("and stays there", seconds(3), on("lvs01"));
        first.stop();
        eventually("the master stopped: the backup has it", seconds(5), on("lvs02"));
        let first = lab.director(&lab.lvs01, master, higher);
        eventually("the master started: it has it again", seconds(20), on("lvs01"));
        throughout("and stays there", seconds(3), on("lvs01"));
        first.stop();
        second.stop();
        eventually("no address is left", seconds(3), || lab.holders(vip).is_empty());
    }
}

fn lost(lab: &Lab) {
    let node = &lab.lvs01;
    let daemon = lab.director(node, lab.program(), &Config::V4.text(100));
    let on_it = || has_vmac(node) && node.sh("ip -o -4 addr show dev vrrp.51").contains(VIP);
    eventually("it is MASTER", seconds(15), on_it);
    for (what, command) in [
        ("deleted", "ip link del vrrp.51"),
        ("switched off", "ip link set vrrp.51 down"),
        ("with another address", "ip link set vrrp.51 address 02:00:00:00:00:01"),
    ] {
        let mark = daemon.log().len();
        node.sh(command);
        eventually(&format!("{what}: it is there again"), seconds(3), || {
            on_it() && node.sh("ip -o link show dev vrrp.51").contains(",UP,")
        });
        throughout("the master stays so", seconds(2), || on_it() && !said(&daemon, mark, "FAULT"));
    }

    daemon.says("interface vrrp.51 was");

    // Only one that is off can be renamed, and it is on again at once.
    daemon.signal(Signal::SIGSTOP);
    node.sh("ip link set vrrp.51 down; ip link set vrrp.51 name foo; ip link set foo up");
    daemon.signal(Signal::SIGCONT);
    eventually("renamed: it is there again", seconds(15), on_it);
    eventually("the one that was renamed has gone", seconds(2), || {
        !node.sh("ip -o link show").contains("foo")
    });

    // The interface below it goes down, and comes back.
    node.sh("ip link set eth0 down");
    eventually("it is in FAULT", seconds(3), || !lab.holders(VIP).contains(&"lvs01"));
    node.sh("ip link set eth0 up");
    eventually("it is MASTER again", seconds(15), on_it);
    daemon.stop();

    // Somebody else has the name.
    node.sh("ip link add vrrp.51 type bridge");
    let daemon = lab.director(node, lab.program(), &Config::V4.text(100));
    eventually("the fault is named", seconds(5), || {
        daemon.log_has("another interface has this name") && daemon.log_has("use_vmac NAME")
    });
    daemon.signal(Signal::SIGHUP);
    throughout("and nothing is taken away", seconds(2), || {
        node.sh("ip -d -o link show dev vrrp.51").contains("bridge") && !node.has_address(VIP)
    });
    node.sh("ip link del vrrp.51");
    eventually("once it is free it is ours", seconds(15), on_it);
    daemon.stop();
    eventually("nothing is left", seconds(3), || !has_vmac(node));
}

fn said(daemon: &Daemon, mark: usize, words: &str) -> bool {
    daemon.log().get(mark..).is_some_and(|log| log.contains(words))
}
