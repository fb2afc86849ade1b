//! Scripts decide and are told: weights and faults by `vrrp_script`, notify scripts and FIFO, in the words and the order of
//! keepalived 2.2.7, and no script outlives its daemon.

use super::Scenario;
use crate::lab::{Daemon, Lab, Node, Program, Signal, VIP, Vrrp, eventually, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "scripts_move",
        "tracked scripts move the address and cause FAULT; calls and FIFO lines are those of keepalived",
        moves,
    ),
    Scenario::directord(
        "files_move",
        "numbers in tracked files move the address between equal nodes, keepalived among them, and cause FAULT",
        files,
    ),
    Scenario::directord(
        "scripts_end",
        "a hung notify script holds up no state for ever, and a killed daemon leaves no script behind",
        ends,
    ),
    Scenario::directord(
        "scripts_around",
        "a program runs to its end before the address comes, and one when it has gone",
        around,
    ),
];

fn around(lab: &Lab) {
    let node = &lab.lvs01;
    script(node, "/tmp/up", "ip addr >/tmp/before; while [ ! -e /tmp/go ]; do sleep 0.1; done; exit 1");
    script(node, "/tmp/down", "ip addr >/tmp/after");
    let words = "script_user root\nstartup_script /tmp/up\nshutdown_script /tmp/down\n";
    let config =
        Vrrp::default().text().replace("router_id LVS_DEVEL", &format!("router_id LVS_DEVEL\n{words}"));
    let daemon = lab.director(node, Program::Directord, &config);
    throughout("it waits", seconds(4), || !node.has_address(VIP));
    node.sh("touch /tmp/go");
    eventually("the address comes", seconds(10), || node.has_address(VIP));
    daemon.says("startup_script exited with status 1; everything goes on");
    daemon.stop();
    let (before, after) = (node.read("/tmp/before"), node.read("/tmp/after"));
    for text in [before, after] {
        assert!(text.contains("192.168.100.101") && !text.contains(VIP), "{text}");
    }
    // Who stops it meanwhile does not wait for it.
    node.sh("rm /tmp/go /tmp/after");
    let daemon = lab.director(node, Program::Directord, &config);
    eventually("it waits again", seconds(5), || daemon.log_has("startup_script runs"));
    daemon.stop();
    assert!(node.sh("ls /tmp").lines().all(|name| name != "after"));
}

fn script(node: &Node, name: &str, text: &str) {
    node.write(name, format!("#!/bin/sh\n{text}\n"));
    node.sh(&format!("chmod 755 {name}"));
}

fn configuration(priority: u8, more: &str) -> String {
    format!(
        "global_defs {{\nrouter_id LVS_DEVEL\nvrrp_version 3\nscript_user root\nenable_script_security\n\
         vrrp_notify_fifo /tmp/fifo\n}}\n\
         vrrp_script weighs {{\nscript \"/tmp/t weighs\"\ninterval 1\nweight -30\nfall 2\nrise 2\n}}\n\
         vrrp_script stops {{\nscript \"/tmp/t stops\"\ninterval 1\n}}\n\
         vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\npriority {priority}\nadvert_int 1\n\
         virtual_ipaddress {{\n{VIP}\n}}\n{more}}}\n"
    )
}

/// What the scripts of lvs01 were called with, in the order of their processes.
pub(super) fn calls(node: &Node) -> Vec<String> {
    let text = node.read("/tmp/calls");
    let mut calls: Vec<(u32, &str)> = text
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(pid, call)| (pid.parse().unwrap(), call))
        .collect();
    calls.sort_unstable();
    calls.into_iter().map(|(_, call)| call.to_owned()).collect()
}

fn play(lab: &Lab, program: Program) -> (Vec<String>, String) {
    let node = &lab.lvs01;
    node.sh("rm -f /tmp/calls /tmp/lines /tmp/fifo /tmp/*.rc; mkfifo -m 600 /tmp/fifo");
    script(node, "/tmp/s", "echo \"$$ $*\" >>/tmp/calls");
    script(node, "/tmp/t", "r=0; [ -e /tmp/$1.rc ] && read r </tmp/$1.rc; exit $r");
    let reader = node.spawn("reader", "cat /tmp/fifo >/tmp/lines");
    let events = ["master", "backup", "fault", "stop"];
    let notify: String =
        events.iter().map(|word| format!("notify_{word} \"/tmp/s notify_{word}\"\n")).collect();
    let track = "notify \"/tmp/s notify\"\nnotify_priority_changes\ntrack_script {\nweighs\nstops\n}\n";
    let peer = configuration(130, "").replace("vrrp_notify_fifo /tmp/fifo\n", "");
    let second = lab.director(&lab.lvs02, Program::Keepalived, &peer);
    eventually("the peer has the address", seconds(15), || lab.holders(VIP) == ["lvs02"]);
    let first = lab.director(node, program, &configuration(150, &(notify + track)));
    let on = |name: &'static str| move || lab.holders(VIP) == [name];
    let last_line =
        |words: &str| node.read("/tmp/lines").lines().last().is_some_and(|line| line.contains(words));
    let result = |name: &str, status: u8| node.write(&format!("/tmp/{name}.rc"), status.to_string());

    eventually("150 is more than 130", seconds(15), on("lvs01"));
    result("weighs", 1);
    eventually("120 is less", seconds(15), on("lvs02"));
    eventually("which is told", seconds(5), || last_line("BACKUP 120"));
    result("weighs", 0);
    eventually("150 again", seconds(15), on("lvs01"));
    eventually("which is told", seconds(5), || last_line("MASTER 150"));
    result("stops", 1);
    eventually("a failure without a weight", seconds(15), on("lvs02"));
    eventually("is a FAULT", seconds(5), || last_line("FAULT 150"));
    result("weighs", 1);
    eventually("and changes of the priority are told then, too", seconds(10), || {
        last_line("BACKUP_PRIORITY 120")
    });
    result("weighs", 0);
    eventually("in both directions", seconds(10), || last_line("BACKUP_PRIORITY 150"));
    result("stops", 0);
    eventually("all is well", seconds(15), on("lvs01"));
    eventually("which is told", seconds(5), || last_line("MASTER 150"));
    first.stop();
    eventually("the stop is told", seconds(5), || last_line("STOP 150"));
    second.stop();
    reader.signal(Signal::SIGTERM);
    (calls(node), node.read("/tmp/lines"))
}

fn moves(lab: &Lab) {
    let theirs = play(lab, Program::Keepalived);
    let ours = play(lab, Program::Directord);
    assert_eq!(ours.1, theirs.1, "lines of the FIFO");
    assert_eq!(ours.0, theirs.0, "calls of the scripts");
    assert!(ours.0.contains(&"notify INSTANCE VI_1 FAULT 150".to_owned()), "{ours:?}");
}

fn files(lab: &Lab) {
    let config = "global_defs {\nrouter_id LVS_DEVEL\nvrrp_version 3\n}\n\
                  track_file health {\nfile /tmp/health\nweight 1\ninit_file 0 overwrite\n}\n\
                  vrrp_instance VI_1 {\nstate BACKUP\ninterface eth0\nvirtual_router_id 51\npriority 100\nadvert_int 1\n\
                  track_file {\nhealth\n}\nvirtual_ipaddress {\n192.168.100.240\n}\n}\n";
    let first = lab.director(&lab.lvs01, Program::Directord, config);
    let on = |name: &'static str| move || lab.holders(VIP) == [name];
    eventually("it is alone", seconds(10), on("lvs01"));
    let second = lab.director(&lab.lvs02, Program::Keepalived, config);
    let say = |node: &Node, number: &str| node.write("/tmp/health", format!("{number}\n"));
    eventually("it has made its file", seconds(10), || {
        lab.lvs02.sh("cat /tmp/health 2>/dev/null || :") == "0\n"
    });
    throughout("equal nodes leave it where it is", seconds(4), on("lvs01"));
    say(&lab.lvs02, "50");
    eventually("150 is more than 100", seconds(5), on("lvs02"));
    say(&lab.lvs01, "0x40");
    say(&lab.lvs02, "-5");
    eventually("164 is more than 95", seconds(5), on("lvs01"));
    let told = "Changing effective priority from 100 to 164 (base 100, file health +64)";
    first.says(told);
    say(&lab.lvs01, "-254");
    eventually("the lowest is a FAULT", seconds(5), on("lvs02"));
    first.says("FAULT STATE (track_file health is -254)");
    lab.lvs01.sh("rm /tmp/health");
    eventually("a file that is gone says 0", seconds(10), on("lvs01"));
    first.stop();
    second.stop();
}

/// The process that a script has put its number down for.
fn pid(node: &Node, file: &str) -> String {
    node.read(file).trim().to_owned()
}

fn is_gone(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_none_or(|rest| rest.is_empty() || rest.starts_with('Z'))
}

fn start(lab: &Lab) -> Daemon {
    let node = &lab.lvs01;
    script(node, "/tmp/t", "[ -e /tmp/hang ] || exit 0\necho $$ >/tmp/tracked; exec sleep 1000");
    script(node, "/tmp/hangs", "trap '' TERM\necho $$ >/tmp/$1; while :; do sleep 1; done");
    script(node, "/tmp/s", "echo \"$$ $*\" >>/tmp/calls");
    let more =
        "notify_master \"/tmp/hangs master\"\nnotify \"/tmp/s notify\"\ntrack_script {\nweighs\nstops\n}\n";
    let daemon = lab.director(node, lab.program(), &configuration(150, more));
    eventually("the address is there", seconds(15), || node.has_address(VIP));
    eventually("the script runs", seconds(5), || !pid(node, "/tmp/master").is_empty());
    daemon
}

fn ends(lab: &Lab) {
    let node = &lab.lvs01;
    let daemon = start(lab);
    let hung = pid(node, "/tmp/master");
    // The script of MASTER never ends; what is told after it comes all the same, and the address moves at once.
    node.cut("eth0");
    eventually("the address is given up", seconds(3), || !node.has_address(VIP));
    eventually("the script is ended", seconds(45), || is_gone(&hung));
    eventually("and the last state told", seconds(5), || {
        calls(node).last().is_some_and(|call| call == "notify INSTANCE VI_1 FAULT 150")
    });
    daemon.says("notify script /tmp/hangs hung and was ended");
    node.sh("rm -f /tmp/master");
    node.mend("eth0");
    eventually("it is master again", seconds(15), || node.has_address(VIP));
    eventually("the script runs again", seconds(5), || !pid(node, "/tmp/master").is_empty());
    let hung = pid(node, "/tmp/master");
    let took = daemon.stop();
    assert!(took < seconds(8), "a stop took {took:?}");
    assert!(is_gone(&hung), "it has outlived the daemon");

    node.sh("rm -f /tmp/master /tmp/tracked");
    let daemon = start(lab);
    node.write("/tmp/hang", "");
    eventually("a tracked script hangs", seconds(5), || !pid(node, "/tmp/tracked").is_empty());
    let (notify, tracked) = (pid(node, "/tmp/master"), pid(node, "/tmp/tracked"));
    daemon.signal(Signal::SIGKILL);
    eventually("the daemon is killed, and both with it", seconds(3), || {
        is_gone(&notify) && is_gone(&tracked)
    });
}
