//! What happens to a pair when something breaks, beside keepalived: `docs/faults.md`, written by `tests/lab/faults`.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::Scenario;
use super::handover::{configuration, led_by, serve};
use crate::lab::{Daemon, Lab, Node, Program, VIP, as_backup, eventually, millis, poll, say, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(3000),
    on_request: true,
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
    master: Daemon,
    backup: Daemon,
}

struct Fault {
    what: &'static str,
    happens: fn(&mut Pair<'_>),
    /// Ends what is still wrong, when the programs have stopped.
    ends: fn(&Lab),
}

const FAULTS: &[Fault] = &[
    Fault {
        what: "power of the master pulled",
        happens: |pair| pair.lab.lvs01.power_off(),
        ends: |lab| lab.lvs01.power_on(),
    },
    Fault { what: "the process that speaks VRRP killed (-9)", happens: kill, ends: nothing },
    Fault {
        what: "the master stopped",
        happens: |pair| {
            pair.master.stop();
        },
        ends: nothing,
    },
    Fault {
        what: "the master stopped and started",
        happens: |pair| {
            pair.master.stop();
            pair.master = start(pair.lab, &pair.lab.lvs01, pair.program, &configuration());
        },
        ends: nothing,
    },
    Fault {
        what: "the master's machine paused for 10 s",
        happens: |pair| {
            pair.lab.lvs01.pause();
            std::thread::sleep(seconds(10));
            pair.lab.lvs01.resume();
        },
        ends: nothing,
    },
    Fault {
        what: "the backup hears nothing for 8 s",
        happens: |pair| {
            pair.lab.lvs02.impair_incoming("eth0", "loss 100%");
            std::thread::sleep(seconds(8));
            pair.lab.lvs02.impair_incoming("eth0", "");
        },
        ends: nothing,
    },
    Fault {
        what: "30 % of what the master sends lost for 20 s",
        happens: |pair| {
            pair.lab.lvs01.impair_outgoing("eth0", "loss 30%");
            std::thread::sleep(seconds(20));
            pair.lab.lvs01.impair_outgoing("eth0", "");
        },
        ends: nothing,
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
        ends: nothing,
    },
    Fault {
        what: "the master's interface renamed for 3 s",
        happens: |pair| {
            let node = &pair.lab.lvs01;
            node.sh("ip link set eth0 down; ip link set eth0 name away; ip link set away up");
            std::thread::sleep(seconds(3));
            node.sh("ip link set away down; ip link set away name eth0; ip link set eth0 up");
        },
        ends: nothing,
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
        ends: nothing,
    },
    Fault {
        what: "/run of the master full for 10 s",
        happens: |pair| {
            let node = &pair.lab.lvs01;
            node.sh("dd if=/dev/zero of=/run/full bs=64k 2>/dev/null || true");
            std::thread::sleep(seconds(10));
            node.sh("rm -f /run/full");
        },
        ends: nothing,
    },
    Fault {
        what: "four processor hogs on the master for 20 s",
        happens: |pair| {
            let hog = || pair.lab.lvs01.spawn("hog", "sh -c 'while :; do :; done'");
            let hogs = [hog(), hog(), hog(), hog()];
            std::thread::sleep(seconds(20));
            hogs.iter().for_each(Daemon::kill9);
        },
        ends: nothing,
    },
];

fn nothing(_lab: &Lab) {}

fn kill(pair: &mut Pair<'_>) {
    let pid = match pair.program {
        Program::Directord => pair.master.child().expect("it has no daemon").to_string(),
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
    let master = start(lab, &lab.lvs01, program, &configuration());
    poll(seconds(5), || master.log_has("Entering "));
    let backup = start(lab, &lab.lvs02, program, &as_backup(&configuration()));
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
    for daemon in [pair.master, pair.backup] {
        if daemon.is_running() {
            daemon.stop();
        }
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
    for fault in FAULTS {
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
