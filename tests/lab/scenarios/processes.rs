//! Processes decide: counted by name and with arguments, with a quorum and delays, by weights and by FAULT.
//!
//! The kernel of the lab tells nobody of processes: they are looked for every second. What it tells elsewhere is tested
//! where it is, in `src/track/io/processes.rs`.

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Program, Signal, VIP, eventually, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "processes_move",
    "processes that end, are killed and start again move the address by weight and by FAULT, after their delays",
    moves,
)];

/// `proxy` without a weight, and two `worker`s with this argument by weight.
fn configuration(proxy: &str) -> String {
    format!(
        "global_defs {{\nrouter_id LVS_DEVEL\nvrrp_version 3\nvrrp_notify_fifo /tmp/fifo\n}}\n\
         vrrp_track_process proxy {{\n{proxy}\n}}\n\
         vrrp_track_process workers {{\nprocess /tmp/worker -f /dev/nu\nparam_match initial\nquorum 2\nweight -30\n}}\n\
         vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority 150\nadvert_int 1\n\
         virtual_ipaddress {{\n{VIP}\n}}\nnotify_priority_changes\ntrack_process {{\nproxy\nworkers\n}}\n}}\n"
    )
}

const PEER: &str = "global_defs {\nrouter_id LVS_DEVEL\nvrrp_version 3\n}\n\
    vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\npriority 130\nadvert_int 1\n\
    virtual_ipaddress {\n192.168.100.240/24\n}\n}\n";

fn prepare(node: &Node) -> Daemon {
    node.sh("cp /usr/bin/tail /tmp/proxy; cp /usr/bin/tail /tmp/worker; rm -f /tmp/fifo /tmp/lines; mkfifo -m 600 /tmp/fifo");
    node.spawn("reader", "cat /tmp/fifo >/tmp/lines")
}

fn proxy(node: &Node) -> Daemon {
    node.spawn("proxy", "/tmp/proxy -f /dev/null")
}

fn worker(node: &Node) -> Daemon {
    node.spawn("worker", "/tmp/worker -f /dev/null")
}

fn moves(lab: &Lab) {
    let node = &lab.lvs01;
    let reader = prepare(node);
    let second = lab.director(&lab.lvs02, Program::Keepalived, PEER);
    let on = |name: &'static str| move || lab.holders(VIP) == [name];
    eventually("the peer has the address", seconds(15), on("lvs02"));
    let last_line =
        |words: &str| node.read("/tmp/lines").lines().last().is_some_and(|line| line.contains(words));

    let workers = [worker(node), worker(node)];
    let config = configuration("process proxy\ndelay 3");
    let first = lab.director(node, Program::Directord, &config);
    eventually("it says that nobody tells", seconds(10), || {
        first.log_has("tracked processes are looked for every second")
    });
    eventually("no proxy is a FAULT", seconds(10), || last_line("FAULT 150"));
    first.says("FAULT STATE (tracked process proxy has no quorum)");
    let one = proxy(node);
    eventually("a program counts at once", seconds(15), on("lvs01"));
    eventually("which is told", seconds(5), || last_line("MASTER 150"));

    workers[0].kill9();
    eventually("one of two is too few", seconds(15), on("lvs02"));
    eventually("which is told", seconds(5), || last_line("BACKUP 120"));
    let third = worker(node);
    eventually("two again", seconds(15), on("lvs01"));
    let told = "Quorum of tracked process workers lost: 1 run, at least 2 expected";
    first.says(told);

    // A restart within its delay moves nothing.
    one.kill9();
    let one = proxy(node);
    throughout("a restart is no end", seconds(6), on("lvs01"));
    one.stop();
    throughout("an end counts after its delay", seconds(2), on("lvs01"));
    eventually("and then it is a FAULT", seconds(15), on("lvs02"));
    eventually("which is told", seconds(5), || last_line("FAULT 150"));
    let one = proxy(node);
    eventually("all is well", seconds(15), on("lvs01"));
    eventually("which is told", seconds(5), || last_line("MASTER 150"));

    // A reload keeps what is known, and looks for what is new without a FAULT in between.
    let lines = node.read("/tmp/lines");
    lab.reload(node, &first, configuration("process /tmp/proxy\nfull_command"));
    eventually("it is reloaded", seconds(10), || first.log_has("Reload complete"));
    throughout("nothing moves", seconds(4), on("lvs01"));
    lab.reload(node, &first, configuration("process proxy\nquorum_max 0"));
    eventually("another definition is looked for", seconds(10), || last_line("FAULT 150"));
    lab.reload(node, &first, &config);
    eventually("the old one is back", seconds(15), on("lvs01"));
    eventually("which is told", seconds(5), || last_line("MASTER 150"));
    let said: Vec<String> =
        node.read("/tmp/lines").strip_prefix(&lines).unwrap().lines().map(str::to_owned).collect();
    let states = ["FAULT", "BACKUP", "MASTER"].map(|state| format!("INSTANCE \"VI_1\" {state} 150"));
    assert_eq!(said, states);

    first.stop();
    second.stop();
    for one in [&workers[1], &third, &one, &reader] {
        one.signal(Signal::SIGKILL);
    }
}
