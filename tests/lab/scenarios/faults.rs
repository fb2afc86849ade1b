//! What happens to a pair when something breaks, beside keepalived: `docs/faults.md`, written by `tests/lab/faults`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::Scenario;
use super::handover::{configuration, led_by, serve};
use crate::lab::{
    Daemon, FILE as CONFIGURATION, Lab, Node, Program, Signal, VIP, as_backup, eventually, millis, poll, say,
    seconds,
};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(3600),
    on_request: true,
    systemd: true,
    extra: &[("systemctl", "systemd")],
    ..Scenario::directord(
        "faults",
        "what breaks, beside keepalived: writes the table of docs/faults.md",
        table,
    )
}];

/// The file that is written, in the folder of the scenario's results.
const FILE: &str = "/results/faults.md";
/// Whoever leads has done so for this long without a change: it is over.
const REST: Duration = seconds(3);
/// It is not over by then: so it stays.
const LONGEST: Duration = seconds(20);
/// A client is to send to the right node within this time.
const FOUND: Duration = seconds(2);

/// A pair, and lvs01 leads.
struct Pair<'a> {
    lab: &'a Lab,
    program: Program,
    master: Master,
    backup: Daemon,
}

/// How the one that leads is run.
enum Master {
    Program(Daemon),
    /// By systemd, in the network of its node.
    Service(Node),
}

impl Pair<'_> {
    fn master(&self) -> &Daemon {
        match &self.master {
            Master::Program(daemon) => daemon,
            Master::Service(_) => panic!("systemd runs it"),
        }
    }
}

struct Fault {
    what: &'static str,
    configuration: fn() -> String,
    starts: fn(&Lab, Program, &str) -> Master,
    happens: fn(&mut Pair<'_>),
    /// Ends what is still wrong, when the programs have stopped.
    ends: fn(&Lab),
}

/// What most of them have in common.
const PLAIN: Fault = Fault {
    what: "",
    configuration,
    starts: |lab, program, configuration| Master::Program(start(lab, &lab.lvs01, program, configuration)),
    happens: |_pair| {},
    ends: |_lab| {},
};

const FAULTS: &[Fault] = &[
    Fault {
        what: "power of the master pulled",
        happens: |pair| pair.lab.lvs01.power_off(),
        ends: |lab| lab.lvs01.power_on(),
        ..PLAIN
    },
    Fault { what: "the process that speaks VRRP killed (-9)", happens: kill, ..PLAIN },
    Fault {
        what: "the master stopped",
        happens: |pair| {
            pair.master().stop();
        },
        ..PLAIN
    },
    Fault {
        what: "the master stopped and started",
        happens: |pair| {
            pair.master().stop();
            pair.master = Master::Program(start(pair.lab, &pair.lab.lvs01, pair.program, &configuration()));
        },
        ..PLAIN
    },
    Fault {
        what: "`systemctl restart` on the master, advert_int 3",
        // A start under systemd takes two to four seconds on this machine.
        configuration: || configuration().replacen("advert_int 1\n", "advert_int 3\n", 1),
        starts: as_a_service,
        happens: |pair| {
            let Master::Service(machine) = &pair.master else { panic!("systemd does not run it") };
            machine.sh("systemctl restart master");
        },
        ..PLAIN
    },
    Fault {
        what: "the master's machine paused for 10 s",
        happens: |pair| {
            pair.lab.lvs01.pause();
            std::thread::sleep(seconds(10));
            pair.lab.lvs01.resume();
        },
        ..PLAIN
    },
    Fault {
        what: "the backup hears nothing for 8 s",
        happens: |pair| {
            pair.lab.lvs02.impair_incoming("eth0", "loss 100%");
            std::thread::sleep(seconds(8));
            pair.lab.lvs02.impair_incoming("eth0", "");
        },
        ..PLAIN
    },
    Fault {
        what: "30 % of what the master sends lost for 20 s",
        happens: |pair| {
            pair.lab.lvs01.impair_outgoing("eth0", "loss 30%");
            std::thread::sleep(seconds(20));
            pair.lab.lvs01.impair_outgoing("eth0", "");
        },
        ..PLAIN
    },
    Fault {
        what: "the master's link lost 5 times for 0.3 s",
        happens: |pair| {
            for _time in 0..5 {
                pair.lab.lvs01.cut("eth0");
                std::thread::sleep(millis(300));
                pair.lab.lvs01.mend("eth0");
                std::thread::sleep(millis(700));
            }
        },
        ..PLAIN
    },
    Fault {
        what: "the master's interface renamed for 3 s",
        happens: |pair| {
            let node = &pair.lab.lvs01;
            node.sh("ip link set eth0 down; ip link set eth0 name away; ip link set away up");
            std::thread::sleep(seconds(3));
            node.sh("ip link set away down; ip link set away name eth0; ip link set eth0 up");
        },
        ..PLAIN
    },
    Fault {
        what: "the master's interface deleted, and made again after 3 s",
        happens: |pair| {
            pair.lab.lvs01.take_out("eth0");
            std::thread::sleep(seconds(3));
            pair.lab.lvs01.put_back("eth0");
        },
        ..PLAIN
    },
    Fault {
        what: "another program deletes the address every 100 ms for 20 s",
        happens: |pair| {
            let until = Instant::now() + seconds(20);
            while Instant::now() < until {
                pair.lab.lvs01.sh(&format!("ip addr del {VIP}/32 dev eth0 2>/dev/null || true"));
                std::thread::sleep(millis(100));
            }
        },
        ..PLAIN
    },
    Fault {
        what: "another program deletes a virtual route every 100 ms for 20 s",
        configuration: || {
            let route =
                " virtual_routes {\n  10.9.0.0/16 via 192.168.100.8 dev eth0\n }\n virtual_ipaddress {";
            configuration().replacen(" virtual_ipaddress {", route, 1)
        },
        happens: |pair| {
            let until = Instant::now() + seconds(20);
            while Instant::now() < until {
                pair.lab.lvs01.sh("ip route del 10.9.0.0/16 2>/dev/null || true");
                std::thread::sleep(millis(100));
            }
        },
        ..PLAIN
    },
    Fault {
        what: "the clock an hour ahead for 5 s, then an hour behind for 5 s",
        happens: |pair| {
            for step in ["+1 hour", "-2 hours", "+1 hour"] {
                pair.lab.lvs01.sh(&format!("date -s \"$(date -d '{step}')\" >/dev/null"));
                std::thread::sleep(seconds(5));
            }
        },
        ..PLAIN
    },
    Fault {
        what: "nobody reads the master's log for 20 s, and it is reloaded three times",
        starts: |lab, program, configuration| Master::Program(read_by_a_pipe(lab, program, configuration)),
        happens: |pair| {
            let node = &pair.lab.lvs01;
            node.sh("kill -STOP $(cat /run/reader.pid); timeout 1 dd if=/dev/zero of=/run/log bs=64k 2>/dev/null || true");
            for _reload in 0..3 {
                pair.master().signal(Signal::SIGHUP);
                std::thread::sleep(millis(6_500));
            }
            node.sh("kill -CONT $(cat /run/reader.pid)");
        },
        ..PLAIN
    },
    Fault {
        what: "a tracked script of the master hangs for 20 s",
        configuration: tracked,
        happens: |pair| {
            pair.lab.lvs01.sh("touch /run/hangs");
            std::thread::sleep(seconds(20));
            pair.lab.lvs01.sh("rm /run/hangs");
        },
        ..PLAIN
    },
    Fault {
        what: "/run of the master full for 10 s",
        happens: |pair| {
            let node = &pair.lab.lvs01;
            node.sh("dd if=/dev/zero of=/run/full bs=64k 2>/dev/null || true");
            std::thread::sleep(seconds(10));
            node.sh("rm -f /run/full");
        },
        ..PLAIN
    },
    Fault {
        what: "four processor hogs on the master for 20 s",
        happens: |pair| {
            let hog = || pair.lab.lvs01.spawn("hog", "sh -c 'while :; do :; done'");
            let hogs = [hog(), hog(), hog(), hog()];
            std::thread::sleep(seconds(20));
            hogs.iter().for_each(Daemon::kill9);
        },
        ..PLAIN
    },
];

fn kill(pair: &mut Pair<'_>) {
    let pid = match pair.program {
        Program::Directord => pair.master().child().expect("it has no daemon").to_string(),
        Program::Keepalived => pair.lab.lvs01.read("/run/vrrp.pid").trim().to_owned(),
    };
    pair.lab.lvs01.sh(&format!("kill -9 {pid}"));
}

/// As it is shipped: below a parent, as keepalived is.
fn start(lab: &Lab, node: &Node, program: Program, configuration: &str) -> Daemon {
    match program {
        Program::Directord => lab.directord(node, "--guard", configuration),
        Program::Keepalived => lab.director(node, program, configuration),
    }
}

/// It writes its log into a pipe that another program reads.
pub fn read_by_a_pipe(lab: &Lab, program: Program, configuration: &str) -> Daemon {
    let node = &lab.lvs01;
    node.write(CONFIGURATION, configuration);
    let command = command(program);
    let script = format!(
        "rm -f /run/log; mkfifo /run/log; cat /run/log & echo $! >/run/reader.pid; exec {command} >/run/log 2>&1"
    );
    node.write("/run/piped", script);
    node.spawn(program.name(), "sh /run/piped")
}

fn command(program: Program) -> &'static str {
    match program {
        Program::Directord => {
            "/lab/directord -n -f /etc/keepalived/keepalived.conf --runtime-dir /run/directord --guard"
        }
        Program::Keepalived => {
            "keepalived -n -l -D -G -f /etc/keepalived/keepalived.conf -p /run/keepalived.pid -r /run/vrrp.pid \
             -c /run/checkers.pid"
        }
    }
}

/// The shipped unit of directord; of keepalived the line of Debian's.
fn as_a_service(lab: &Lab, program: Program, configuration: &str) -> Master {
    let machine = Node::machine();
    let (unit, from) = match program {
        Program::Directord => {
            machine.sh("install -m 0755 /lab/directord /usr/sbin/directord");
            (include_str!("../../../packaging/directord.service"), "the package's unit")
        }
        Program::Keepalived => (
            "[Service]\nType=notify\nNotifyAccess=all\nKillMode=process\n\
             ExecStart=/usr/sbin/keepalived --dont-fork\nExecReload=/bin/kill -HUP $MAINPID\n",
            "as in Debian",
        ),
    };
    say(&format!("a service of systemd: {from}"));
    machine.sh("mkdir -p /etc/keepalived /run/systemd/system/master.service.d");
    machine.write(CONFIGURATION, configuration);
    machine.write("/etc/systemd/system/master.service", unit);
    let network = format!("[Service]\nNetworkNamespacePath=/proc/{}/ns/net\n", lab.lvs01.holder());
    machine.write("/run/systemd/system/master.service.d/network.conf", network);
    machine.sh("systemctl daemon-reload; systemctl start master");
    Master::Service(machine)
}

/// Without its script the master is the lesser one.
fn tracked() -> String {
    let script = "vrrp_script alive {\n script /etc/keepalived/alive\n interval 1\n timeout 2\n weight -80\n}\n\
                  vrrp_instance";
    let text = configuration().replacen("vrrp_instance", script, 1);
    text.replacen(" virtual_ipaddress {", " track_script {\n  alive\n }\n virtual_ipaddress {", 1)
}

/// What was seen of one fault.
struct Seen {
    by_none: Duration,
    by_two: Duration,
    outage: Duration,
    /// A client sends to whoever has the address.
    found: bool,
    /// One node has it in the end.
    one: bool,
}

fn look(lab: &Lab, program: Program, fault: &Fault) -> Seen {
    say(&format!("---- {}: {}", program.name(), fault.what));
    let configuration = (fault.configuration)();
    for node in lab.directors() {
        node.write("/etc/keepalived/alive", "#!/bin/sh\n[ ! -e /run/hangs ] || sleep 1000\n");
        node.sh("chmod 755 /etc/keepalived/alive");
    }
    let master = (fault.starts)(lab, program, &configuration);
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == [lab.lvs01.name]);
    let backup = start(lab, &lab.lvs02, program, &as_backup(&configuration));
    led_by(lab, &lab.lvs01);
    eventually("lvs02 has both real servers", seconds(15), || {
        lab.lvs02.ipvs().serving("TCP 192.168.100.240:80").len() == 2
    });
    let stream = lab.client.stream("192.168.100.240:80");
    eventually("requests are answered", seconds(10), || stream.so_far().by.len() == 2);
    let watch = lab.watch(VIP);
    let mut pair = Pair { lab, program, master, backup };
    (fault.happens)(&mut pair);
    let (mut last, mut since) = (lab.holders(VIP), Instant::now());
    let one = poll(LONGEST, || {
        let holders = lab.holders(VIP);
        if holders != last {
            (last, since) = (holders, Instant::now());
        }
        last.len() == 1 && since.elapsed() > REST
    });
    let found = poll(FOUND, || {
        let holder = lab.directors().into_iter().find(|node| lab.holders(VIP) == [node.name]);
        let sends = lab.client.sh(&format!("ip neigh show {VIP}"));
        holder.is_some_and(|holder| sends.contains(&holder.mac("eth0")))
    });
    let held = watch.finish();
    // An outage that lasts counts, too.
    let before = stream.so_far().by.values().sum::<usize>();
    poll(seconds(5), || stream.so_far().by.values().sum::<usize>() > before + 20);
    let answers = stream.finish();
    match &pair.master {
        Master::Program(daemon) if daemon.is_running() => drop(daemon.stop()),
        Master::Program(_) => {}
        Master::Service(machine) => drop(machine.sh("systemctl stop master")),
    }
    if pair.backup.is_running() {
        pair.backup.stop();
    }
    (fault.ends)(lab);
    for node in lab.directors() {
        node.sh(&format!("ip addr del {VIP}/32 dev eth0 2>/dev/null || true; ipvsadm -C"));
    }
    Seen {
        by_none: held.by_none,
        by_two: held.by_two,
        outage: answers.longest_gap,
        found: found.is_some(),
        one: one.is_some(),
    }
}

fn table(lab: &Lab) {
    serve(lab);
    let mut text = String::from(
        "| fault | nobody has the address, s | both have it, s | a client without an answer, s | it finds the right node |\n\
         |---|---|---|---|---|\n",
    );
    let mut worse = Vec::new();
    // A word of it; all of them without one.
    let wanted = std::env::var("LAB_FAULT").unwrap_or_default();
    for fault in FAULTS.iter().filter(|fault| fault.what.contains(&wanted)) {
        let [theirs, ours] =
            [Program::Keepalived, Program::Directord].map(|program| look(lab, program, fault));
        let times = |of: fn(&Seen) -> Duration| {
            format!("{:.2} · {:.2}", of(&theirs).as_secs_f64(), of(&ours).as_secs_f64())
        };
        let word = |seen: &Seen| match (seen.one, seen.found) {
            (true, true) => "yes",
            (true, false) => "no",
            (false, _) => "no, both have it still, or nobody",
        };
        let columns = [times(|seen| seen.by_none), times(|seen| seen.by_two), times(|seen| seen.outage)];
        let row =
            format!("| {} | {} | {} · {} |", fault.what, columns.join(" | "), word(&theirs), word(&ours));
        say(&row);
        writeln!(text, "{row}").unwrap();
        std::fs::write(FILE, &text).unwrap();
        if !(ours.one && ours.found) {
            worse.push(fault.what);
        }
    }
    assert!(worse.is_empty(), "no single owner, or clients do not find it: {worse:?}");
}
