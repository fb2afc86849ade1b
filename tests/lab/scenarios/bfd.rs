//! BFD: with keepalived and with FRR as the neighbour, what follows a session follows it, and no reload is a false alarm.

use std::time::Duration;

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Program, Signal, VIP, eventually, millis, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "bfd_keepalived",
        "BFD with keepalived: up, hung, killed, cut, paused, reloaded, ended, seen from both sides",
        keepalived,
    ),
    Scenario {
        extra: &[("bfdd", "frr")],
        ..Scenario::directord(
            "bfd_moves",
            "BFD with FRR, over one hop and over several: a session moves a sync group and takes real servers out",
            moves,
        )
    },
    Scenario::directord(
        "bfd_many",
        "100 BFD sessions at 200 ms and a storm of reloads: no false alarm",
        many,
    ),
];

/// That of the instance on lvs02.
const OTHER: &str = "192.168.100.241";

fn session(name: &str, neighbour: &str, more: &str) -> String {
    format!(
        "bfd_instance {name} {{\nneighbor_ip {neighbour}\nmin_rx 50\nmin_tx 50\nmultiplier 5\n{more}\n}}\n"
    )
}

/// Alone with its address, and its own only while both sessions over eth1 are up.
fn tracking(own: u8, peer: u8, vrid: u8, vip: &str) -> String {
    let v4 = session("four", &format!("10.0.0.{peer}"), &format!("source_ip 10.0.0.{own}"));
    let v6 = session("six", &format!("2001:db8::{peer}"), &format!("source_ip 2001:db8::{own}"));
    format!(
        "global_defs {{\nrouter_id LVS_DEVEL\nvrrp_version 3\n}}\n{v4}{v6}\
         vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id {vrid}\npriority 100\nadvert_int 0.1\n\
         track_bfd {{\nfour\nsix\n}}\nvirtual_ipaddress {{\n{vip}\n}}\n}}\n"
    )
}

fn downs(daemon: &Daemon) -> usize {
    daemon.log().matches("Entering Down state").count()
}

fn keepalived(lab: &Lab) {
    let (ours, theirs) = (&lab.lvs01, &lab.lvs02);
    for (node, number) in [(ours, 101), (theirs, 102)] {
        node.sh(&format!("ip -6 addr add 2001:db8::{number}/64 dev eth1 nodad"));
    }
    let first = lab.director(ours, Program::Directord, &tracking(101, 102, 51, VIP));
    eventually("a session that has never been up is a fault", seconds(5), || {
        first.log_has("BFD session four is down, BFD session six is down")
    });
    let second = lab.director(theirs, Program::Keepalived, &tracking(102, 101, 52, OTHER));
    let both = || ours.has_address(VIP) && theirs.has_address(OTHER);
    eventually("both sides are up", seconds(10), both);

    // Over a link that is there, a session is gone in 250 ms: the rest is the time to move the address.
    let stop = |signal: &str| theirs.sh(&format!("kill -{signal} $(cat /run/bfd.pid)"));
    stop("STOP");
    eventually("their BFD hangs", millis(600), || !ours.has_address(VIP));
    eventually("and we say why", seconds(2), || first.log_has("Control Detection Time Expired"));
    stop("CONT");
    eventually("it goes on", seconds(10), both);

    ours.cut("eth1");
    eventually("the cable is cut", millis(700), || !ours.has_address(VIP) && !theirs.has_address(OTHER));
    ours.mend("eth1");
    eventually("the cable is mended", seconds(10), both);

    first.signal(Signal::SIGSTOP);
    eventually("we hang", millis(700), || !theirs.has_address(OTHER));
    first.signal(Signal::SIGCONT);
    eventually("we go on", seconds(10), both);

    let before = (downs(&first), downs(&second));
    for round in 1..=10 {
        let text = tracking(101, 102, 51, VIP).replace("min_tx 50", &format!("min_tx {}", 50 + round % 3));
        lab.reload(ours, &first, text);
        let done = || first.log().matches("Reload complete").count() == round;
        eventually("a reload", seconds(10), done);
    }
    throughout("nobody noticed", seconds(1), both);
    assert_eq!((downs(&first), downs(&second)), before);

    // A source that is not here yet is named, and waited for.
    ours.sh("ip addr del 10.0.0.101/24 dev eth1");
    eventually("the source is gone", seconds(5), || {
        first.log_has(
            "BFD_Instance(four) Waits, and is Down: its `source_ip` 10.0.0.101 is no address of this host",
        )
    });
    eventually("and so is the session", seconds(2), || !both());
    ours.sh("ip addr add 10.0.0.101/24 dev eth1");
    eventually("it is back", seconds(10), both);

    second.kill9();
    eventually("they are killed", millis(700), || !ours.has_address(VIP));
    let second = lab.director(theirs, Program::Keepalived, &tracking(102, 101, 52, OTHER));
    eventually("they are back", seconds(10), both);

    first.stop();
    eventually("we stop, and say so", seconds(1), || !theirs.has_address(OTHER));
    eventually("they know why", seconds(2), || second.log_has("Remote diagnostic - Administratively Down"));
    for complaint in ["Discarding packet", "does not match"] {
        let said = second.log();
        let said =
            said.lines().filter(|line| line.contains(complaint) && !line.contains("session is not found"));
        assert_eq!(said.count(), 0, "{}", second.log());
    }
    second.stop();
}

/// FRR on a real server, with a session over one hop and one over several.
fn frr(node: &Node) -> (Daemon, Daemon) {
    let peer = |words: &str| {
        format!(
            " peer {words}\n  detect-multiplier 5\n  receive-interval 50\n  transmit-interval 50\n  no shutdown\n !\n"
        )
    };
    let own = node.name.replace("rs1", "10.0.0.8");
    let config = format!(
        "bfd\n{}{}!\n",
        peer("10.0.0.101"),
        peer(&format!("10.0.0.101 multihop local-address {own}"))
    );
    node.write("/tmp/bfdd.conf", config);
    node.sh("mkdir -p /run/frr; chown frr:frr /run/frr");
    let zebra = node.spawn("zebra", "/usr/lib/frr/zebra -f /dev/null -A 127.0.0.1 --log stdout");
    eventually("zebra listens", seconds(10), || node.run("test -e /run/frr/zserv.api").status.success());
    (zebra, bfdd(node))
}

fn bfdd(node: &Node) -> Daemon {
    node.spawn("bfdd", "/usr/lib/frr/bfdd -f /tmp/bfdd.conf -A 127.0.0.1 --log stdout")
}

const INSIDE: &str = "10.0.0.1";

fn group(priority: u8, tracking: &str) -> String {
    let instance = |name: &str, interface: &str, id: u8, address: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id {id}\npriority {priority}\nadvert_int 0.2\n\
             virtual_ipaddress {{\n{address}/24\n}}\n}}\n"
        )
    };
    format!(
        "global_defs {{\nrouter_id LVS_DEVEL\nvrrp_version 3\n}}\n{tracking}{}{}",
        instance("VI_1", "eth0", 51, VIP),
        instance("VI_2", "eth1", 52, INSIDE)
    )
}

fn moves(lab: &Lab) {
    let (zebra, neighbour) = frr(&lab.rs1);
    let plain = session("back", "10.0.0.101", "source_ip 10.0.0.9");
    let second_server = lab.director(&lab.rs2, Program::Keepalived, &plain);
    let in_group =
        |tracking: &str| format!("vrrp_sync_group VG_1 {{\ngroup {{\nVI_1\nVI_2\n}}\n{tracking}}}\n");
    let peer = lab.director(&lab.lvs02, Program::Keepalived, &group(100, &in_group("")));
    let sessions = [
        session("rs1", "10.0.0.8", "source_ip 10.0.0.101"),
        session("far", "10.0.0.8", "source_ip 10.0.0.101\nmultihop\nmax_hops 5\nchecker"),
        session("rs2", "10.0.0.9", "source_ip 10.0.0.101\nchecker"),
    ];
    let real = |address: &str, checks: &[&str]| {
        let checks: String = checks.iter().map(|name| format!("BFD_CHECK {{\nname {name}\n}}\n")).collect();
        format!("real_server {address} 80 {{\n{checks}}}\n")
    };
    let config = format!(
        "{}{}virtual_server {VIP} 80 {{\nlb_algo rr\nlb_kind DR\nprotocol TCP\n{}{}}}\n",
        sessions.concat(),
        group(150, &in_group("track_bfd {\nrs1\n}\n")),
        real("192.168.100.8", &["rs1", "far"]),
        real("192.168.100.9", &["rs2"]),
    );
    let service = format!("TCP {VIP}:80");
    let serving = || lab.lvs01.ipvs().serving(&service);
    let daemon = lab.director(&lab.lvs01, Program::Directord, &config);
    let on = |name: &'static str| move || lab.holders(VIP) == [name] && lab.holders(INSIDE) == [name];
    eventually("all sessions are up", seconds(15), || serving() == ["192.168.100.8:80", "192.168.100.9:80"]);
    eventually("the group is here", seconds(10), on("lvs01"));

    neighbour.signal(Signal::SIGKILL);
    eventually("the neighbour is killed: its real server is out", seconds(1), || {
        serving() == ["192.168.100.9:80"]
    });
    eventually("and the group has moved", seconds(2), on("lvs02"));
    eventually("the fault is named", seconds(2), || daemon.log_has("BFD session rs1 is down"));
    let neighbour = bfdd(&lab.rs1);
    eventually("it is started: all is as before", seconds(15), || on("lvs01")() && serving().len() == 2);

    // FRR says that it stops.
    neighbour.stop();
    eventually("the neighbour stops", millis(800), || serving() == ["192.168.100.9:80"]);
    let neighbour = bfdd(&lab.rs1);
    eventually("it is started", seconds(15), || on("lvs01")() && serving().len() == 2);

    second_server.kill9();
    eventually("a real server is gone", seconds(1), || serving() == ["192.168.100.8:80"]);
    let other = config.replace("name rs2", "name rs1");
    lab.reload(&lab.lvs01, &daemon, &other);
    eventually("a check that follows another session", seconds(5), || serving().len() == 2);
    for daemon in [daemon, peer, neighbour, zebra] {
        daemon.stop();
    }
}

/// A session of [`many`] is lost after 15 of 220 ms.
const SILENCE: Duration = Duration::from_secs(4);

/// Each pair of addresses a session, with 10.50.0.0/16 on the cable of eth1.
fn many(lab: &Lab) {
    let config = |own: u8, peer: u8, interval: u32| -> String {
        (1..=100)
            .map(|number| {
                let words = format!("source_ip 10.50.{own}.{number}");
                session(&format!("s{number}"), &format!("10.50.{peer}.{number}"), &words)
                    .replace("min_tx 50", &format!("min_tx {interval}"))
                    // Both daemons go before all that is not realtime, what delivers packets to them included: with four
                    // times as many packets one processor of this kind has no time left for that, nor for a reload.
                    .replace("multiplier 5", "multiplier 15")
            })
            .collect()
    };
    for (node, own) in [(&lab.lvs01, 1), (&lab.lvs02, 2)] {
        node.sh(&format!("for i in $(seq 100); do echo addr add 10.50.{own}.$i/16 dev eth1; done | ip -b -"));
    }
    let first = lab.director(&lab.lvs01, Program::Directord, &config(1, 2, 200));
    let second = lab.director(&lab.lvs02, Program::Directord, &config(2, 1, 200));
    let reloads = |daemon: &Daemon| daemon.log().matches("Reload complete").count();
    let ups = |daemon: &Daemon| daemon.log().matches("Entering Up state").count();
    eventually("all are up", seconds(20), || ups(&first) == 100 && ups(&second) == 100);
    let (cpu, start) = (first.cpu_ms(), std::time::Instant::now());
    throughout("and stay it", SILENCE, || downs(&first) + downs(&second) == 0);
    let share = (first.cpu_ms() - cpu) / start.elapsed().as_secs_f64() / 10.0;
    crate::lab::say(&format!("100 sessions at 200 ms: {share:.1} % of the processor"));
    for round in 1..=6usize {
        for (node, daemon, own, peer) in [(&lab.lvs01, &first, 1, 2), (&lab.lvs02, &second, 2, 1)] {
            let interval = 200 + 20 * u32::try_from(round % 2).unwrap();
            lab.reload(node, daemon, config(own, peer, interval));
        }
        eventually("both have reloaded", seconds(10), || {
            reloads(&first) == round && reloads(&second) == round
        });
    }
    throughout("nobody noticed", SILENCE, || downs(&first) + downs(&second) == 0);
    // Half of them go: the others stay, and the other side is told.
    let half = config(1, 2, 200);
    let half: String = half.split_inclusive("}\n").take(50).collect();
    lab.reload(&lab.lvs01, &first, half);
    eventually("half of them have gone", seconds(10), || reloads(&first) == 7);
    eventually("the other side knows", seconds(3), || {
        second.log().matches("Remote diagnostic - Administratively Down").count() == 50
    });
    throughout("and of the others nothing", SILENCE, || downs(&second) == 50 && downs(&first) == 0);
    first.stop();
    second.stop();
}
