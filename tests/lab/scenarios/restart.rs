//! Restarts by the service manager: the master stays what it is, and so do its connections.

use super::Scenario;
use super::handover::{configuration, led_by, serve};
use crate::lab::{Daemon, Lab, Node, Program, VIP, as_backup, eventually, millis, say, seconds};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        systemd: true,
        limit: seconds(1500),
        extra: &[("systemctl", "systemd")],
        ..Scenario::directord(
            "restart",
            "the master is restarted 4 times (LAB_RESTARTS), once as an upgrade, beside directord and keepalived: no transition, no connection lost",
            in_time,
        )
    },
    Scenario {
        systemd: true,
        limit: seconds(420),
        extra: &[("systemctl", "systemd")],
        ..Scenario::directord(
            "restart_fails",
            "whatever keeps the next process from coming, no address stays where nobody answers for it; a stop is a stop",
            in_vain,
        )
    },
];

const FILE: &str = "/etc/keepalived/keepalived.conf";
const DROP_IN: &str = "/run/systemd/system/directord.service.d";
const CONNECTIONS: usize = 100;

/// The shipped unit, in the network of lvs01.
struct Unit {
    machine: Node,
}

impl Unit {
    fn new(lab: &Lab) -> Self {
        let machine = Node::machine();
        machine.sh(&format!(
            "install -m 0755 /lab/directord /usr/sbin/directord; mkdir -p /etc/keepalived {DROP_IN}"
        ));
        let unit = include_str!("../../../packaging/directord.service");
        machine.write("/etc/systemd/system/directord.service", unit);
        let network = format!("[Service]\nNetworkNamespacePath=/proc/{}/ns/net\n", lab.lvs01.holder());
        machine.write(&format!("{DROP_IN}/network.conf"), network);
        machine.sh("systemctl daemon-reload");
        let _journal = machine.spawn("journal", "journalctl -f -o short-precise -u directord");
        Self { machine }
    }

    fn systemctl(&self, what: &str) -> bool {
        self.machine.run(&format!("systemctl {what} directord")).status.success()
    }

    /// Lines of its log with these words.
    fn said(&self, words: &str) -> usize {
        self.machine.sh("journalctl -u directord -o cat --no-pager").matches(words).count()
    }

    fn pid(&self) -> String {
        self.machine.sh("systemctl show -P MainPID directord").trim().to_owned()
    }
}

fn in_time(lab: &Lab) {
    serve(lab);
    let unit = Unit::new(lab);
    let times = std::env::var("LAB_RESTARTS").ok().and_then(|times| times.parse().ok()).unwrap_or(4);
    // Who is told, and by whom: a script, and a FIFO.
    unit.machine.write("/usr/local/bin/told", "#!/bin/sh\necho \"$*\" >>/run/directord/told\n");
    unit.machine.sh("chmod 755 /usr/local/bin/told; mkfifo -m 600 /run/fifo");
    let reader = unit.machine.spawn("reader", "sh -c 'while cat /run/fifo; do :; done'");
    // A start under systemd takes two to four seconds on this machine, most of them for the unit.
    let plain = configuration().replacen("advert_int 1\n", "advert_int 3\n", 1);
    let configuration = plain
        .replacen(
            "global_defs {",
            "global_defs {\n enable_script_security\n script_user root\n vrrp_notify_fifo /run/fifo",
            1,
        )
        .replacen("advert_int 3\n", "advert_int 3\n notify /usr/local/bin/told\n", 1);
    unit.machine.write(FILE, &configuration);
    for (number, peer) in [Program::Directord, Program::Keepalived].into_iter().enumerate() {
        let backup: Daemon = lab.director(&lab.lvs02, peer, &as_backup(&plain));
        unit.machine.sh("rm -f /run/directord/told");
        let announced = format!("arp and ether src {}", lab.lvs01.mac("eth0"));
        let announcements = lab.lvs02.capture("eth0", &announced);
        assert!(unit.systemctl("start"));
        led_by(lab, &lab.lvs01);
        eventually("lvs02 has both real servers", seconds(15), || {
            lab.lvs02.ipvs().serving("TCP 192.168.100.240:80").len() == 2
        });
        let told = || unit.machine.sh("cat /run/directord/told");
        eventually("the start is told", seconds(10), || told().matches("VI_1 MASTER").count() == 1);
        // Both bursts of a new master are over.
        eventually("it is announced", seconds(20), || {
            announcements.packets().iter().filter(|one| one.announced().as_deref() == Some(VIP)).count() >= 10
        });
        announcements.finish();
        let (said, resumed) = (told(), unit.said("Goes on as MASTER"));
        // It was alone before.
        let led = || backup.log().matches("Entering MASTER STATE").count();
        let has_led = led();
        let held = lab.client.hold("192.168.100.240:80", CONNECTIONS);
        let stream = lab.client.stream("192.168.100.240:80");
        let adverts = lab.lvs02.capture("eth0", &format!("proto 112 or {announced}"));
        let watch = lab.watch(VIP);
        for time in 0..times {
            let before = unit.pid();
            if time == times / 2 {
                // An upgrade: another file, of the same name.
                unit.machine.sh("cp /lab/directord /usr/sbin/new; chmod 755 /usr/sbin/new; mv /usr/sbin/new /usr/sbin/directord");
            }
            let answered = stream.so_far().by.values().sum::<usize>();
            assert!(
                unit.systemctl("restart"),
                "{}",
                unit.machine.sh("journalctl -u directord -n 20 --no-pager")
            );
            assert_ne!(unit.pid(), before);
            eventually("it goes on", seconds(10), || unit.said("Goes on as MASTER") == resumed + time + 1);
            let after = adverts.adverts().len();
            eventually("adverts leave, and requests are answered", seconds(15), || {
                adverts.adverts().len() > after && stream.so_far().by.values().sum::<usize>() > answered + 10
            });
        }
        let status = unit.machine.sh("directord status VI_1");
        assert!(status.contains("MASTER") && status.contains("the daemon was restarted in time"), "{status}");
        let changes = watch.finish();
        assert_eq!((changes.by_none, changes.by_two), (millis(0), millis(0)), "{:?}", changes.changes);
        assert!(changes.changes.len() <= 1, "{:?}", changes.changes);
        let gaps = adverts.gaps();
        let packets = adverts.finish();
        let heard: Vec<_> = packets.iter().filter_map(|packet| packet.advert()).collect();
        let others: Vec<_> = heard.iter().filter(|one| (one.from, one.priority) != (101, 100)).collect();
        assert!(others.is_empty(), "{others:?}");
        let announced: Vec<String> = packets.iter().filter_map(|packet| packet.announced()).collect();
        assert!(!announced.contains(&VIP.to_owned()), "nobody need be told: {announced:?}");
        let longest = gaps.iter().copied().fold(0.0, f64::max);
        assert!(longest < 9.0, "{longest}");
        let answers = stream.finish();
        // An answer may be late on a busy machine.
        assert_eq!(answers.broken, 0, "{answers:?}");
        assert!(answers.longest_gap < seconds(2), "{answers:?}");
        let lost = held.finish();
        assert_eq!(lost, [""; 0]);
        assert_eq!(told(), said, "no script is told");
        let states = |word: &str| reader.log().matches(word).count();
        assert_eq!(
            states("INSTANCE \"VI_1\" MASTER 100 RESUMED\n"),
            times * (number + 1),
            "{}",
            reader.log()
        );
        assert_eq!(states("INSTANCE \"VI_1\" STOP"), number, "{}", reader.log());
        assert_eq!(led(), has_led, "{}", backup.log());
        say(&format!(
            "{times} restarts beside {}: the longest time without an advert {:.0} ms, between two answers {:.0} ms",
            peer.name(),
            longest * 1000.0,
            answers.longest_gap.as_secs_f64() * 1000.0
        ));
        assert!(unit.systemctl("stop"));
        eventually("a stop is none", seconds(10), || lab.holders(VIP) == ["lvs02"]);
        backup.stop();
        assert_eq!(lab.holders(VIP), [""; 0]);
    }
    reader.kill9();
}

fn in_vain(lab: &Lab) {
    serve(lab);
    let unit = Unit::new(lab);
    unit.machine.write(FILE, configuration());
    let _backup = lab.director(&lab.lvs02, Program::Directord, &as_backup(&configuration()));
    let start = || {
        unit.machine.sh("systemctl reset-failed directord || true");
        assert!(unit.systemctl("start"));
        led_by(lab, &lab.lvs01);
    };
    let drop_in = |lines: &str| {
        unit.machine.write(&format!("{DROP_IN}/more.conf"), format!("[Service]\n{lines}\n"));
        unit.machine.sh("systemctl daemon-reload");
    };
    let lost = |what: &str| {
        eventually(&format!("{what}: the address is on lvs02 alone"), seconds(8), || {
            lab.holders(VIP) == ["lvs02"]
        });
    };

    // It starts and fails, before and after it has looked at what was left; or hangs.
    for lines in ["ExecStartPre=/bin/false", "ExecStart=\nExecStart=/bin/false", "ExecStartPre=/bin/sleep 60"]
    {
        start();
        drop_in(lines);
        let left = unit.said("the next process goes on as MASTER");
        unit.machine.sh("systemctl --no-block restart directord");
        eventually("everything is left", seconds(8), || {
            unit.said("the next process goes on as MASTER") == left + 1
        });
        lost(lines);
        unit.machine.sh("systemctl stop directord");
        drop_in("");
    }

    // It is known before that it will not start, or that it is not to go on: it hands over.
    let resumed = unit.said("Goes on as MASTER");
    for (environment, file) in [
        (
            "Environment=DIRECTORD_OPTIONS=--strict",
            configuration().replacen("virtual_router_id", "virtual_ruoter_id", 1),
        ),
        ("", configuration().replacen("global_defs {", "global_defs {\n restart_resume off", 1)),
    ] {
        assert!(unit.systemctl("stop"));
        drop_in(environment);
        if environment.is_empty() {
            unit.machine.write(FILE, &file);
        }
        start();
        unit.machine.write(FILE, &file);
        let adverts = lab.lvs02.capture("eth0", "proto 112");
        unit.systemctl("--no-block restart");
        eventually("priority 0 is sent", seconds(15), || {
            adverts.adverts().iter().any(|(_, advert)| advert.priority == 0)
        });
        adverts.finish();
        unit.machine.write(FILE, configuration());
        drop_in("");
        assert!(unit.systemctl("restart"));
        led_by(lab, &lab.lvs01);
    }
    // There is no place to say it.
    unit.machine.sh("mkdir -p /run/directord/resume/taken");
    let adverts = lab.lvs02.capture("eth0", "proto 112");
    assert!(unit.systemctl("restart"));
    assert!(adverts.adverts().iter().any(|(_, advert)| advert.priority == 0));
    adverts.finish();
    led_by(lab, &lab.lvs01);
    unit.machine.sh("rm -r /run/directord/resume");
    assert_eq!(unit.said("Goes on as MASTER"), resumed);

    // A signal by hand is a stop, and what was killed is not gone on with.
    let adverts = lab.lvs02.capture("eth0", "proto 112");
    unit.machine.sh(&format!("kill -TERM {}", unit.pid()));
    eventually("lvs02 leads", seconds(10), || lab.holders(VIP) == ["lvs02"]);
    assert!(adverts.adverts().iter().any(|(_, advert)| advert.priority == 0));
    adverts.finish();
    start();
    unit.machine.sh(&format!("kill -9 {0} $(pgrep -P {0} -x directord)", unit.pid()));
    eventually("it is started again", seconds(10), || unit.said("left by a process that was killed") > 0);
    led_by(lab, &lab.lvs01);
    assert_eq!(unit.said("Goes on as MASTER"), resumed);

    // Twice in a row, and a restart while it hands over.
    for _time in 0..2 {
        unit.machine.sh("systemctl --no-block restart directord; systemctl restart directord");
        led_by(lab, &lab.lvs01);
    }
    unit.machine.sh("directord failover VI_1 & systemctl restart directord; wait || true");
    eventually("one of them leads", seconds(15), || lab.holders(VIP).len() == 1);

    // Too late: the others lead, and it follows.
    unit.machine.sh("directord failover VI_1 || true; systemctl stop directord");
    start();
    drop_in("ExecStartPre=/bin/sleep 8");
    assert!(unit.systemctl("restart"));
    assert!(unit.said("and does not go on: the restart took") > 0);
    drop_in("");
}
