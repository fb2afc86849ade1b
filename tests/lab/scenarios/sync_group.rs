//! `vrrp_sync_group`: both instances are master or none is, told in keepalived's words, whichever fails and however often.

use super::Scenario;
use super::scripts::calls;
use crate::lab::{Lab, Program, Signal, VIP, eventually, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(240),
    ..Scenario::directord(
        "sync_group",
        "a sync group moves as one, with keepalived on the other node; its calls and FIFO lines are keepalived's",
        run,
    )
}];

const INSIDE: &str = "10.0.0.1";

fn configuration(priorities: [u8; 2], group: &str, more: &str) -> String {
    let instance = |name: &str, interface: &str, id: u8, priority: u8, address: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface {interface}\nvirtual_router_id {id}\npriority {priority}\nadvert_int 1\n\
             virtual_ipaddress {{\n{address}/24\n}}\n{more}}}\n"
        )
    };
    format!(
        "global_defs {{\nrouter_id LVS_DEVEL\nscript_user root\nenable_script_security\nvrrp_notify_fifo /tmp/fifo\n}}\n\
         vrrp_sync_group VG_1 {{\ngroup {{\nVI_1\nVI_2\n}}\n{group}}}\n{}{}",
        instance("VI_1", "eth0", 51, priorities[0], VIP),
        instance("VI_2", "eth1", 52, priorities[1], INSIDE)
    )
}

/// What is told of each instance and of the group, in order; who of two instances comes first is chance.
fn told(text: &str) -> Vec<Vec<String>> {
    let of = |name: &str| -> Vec<String> {
        text.lines().filter(|line| line.contains(name)).map(str::to_owned).collect()
    };
    ["VI_1", "VI_2", "VG_1"].map(of).into()
}

fn play(lab: &Lab, program: Program) -> [Vec<Vec<String>>; 2] {
    let node = &lab.lvs01;
    node.sh("rm -f /tmp/calls /tmp/lines /tmp/fifo; mkfifo -m 600 /tmp/fifo");
    node.write("/tmp/s", "#!/bin/sh\necho \"$$ $*\" >>/tmp/calls\n");
    node.sh("chmod 755 /tmp/s; touch /tmp/calls");
    // keepalived closes the FIFO at a reload, and opens it again.
    let reader = node.spawn("reader", "sh -c 'while :; do cat /tmp/fifo; done >>/tmp/lines'");
    let peer = configuration([130, 130], "", "").replace("vrrp_notify_fifo /tmp/fifo\n", "");
    let second = lab.director(&lab.lvs02, Program::Keepalived, &peer);
    let on = |name: &'static str| move || lab.holders(VIP) == [name] && lab.holders(INSIDE) == [name];
    let last = |words: &str| {
        let text = node.read("/tmp/lines");
        text.lines().rfind(|line| line.starts_with("GROUP")).is_some_and(|line| line.contains(words))
    };
    eventually("the peer has both", seconds(15), on("lvs02"));
    let group = "notify \"/tmp/s notify\"\nnotify_master \"/tmp/s notify_master VG_1\"\n\
                 notify_fault \"/tmp/s notify_fault VG_1\"\n";
    let config = |priorities| configuration(priorities, group, "notify \"/tmp/s notify\"\n");
    // One member could win, the other not.
    let daemon = lab.director(node, program, &config([150, 100]));
    eventually("the group starts", seconds(15), || last("BACKUP"));
    let apart = || !on("lvs02")();
    assert!(crate::lab::poll(seconds(6), apart).is_none(), "a member leads alone");
    lab.reload(node, &daemon, config([150, 140]));
    eventually("both would win", seconds(15), on("lvs01"));
    eventually("which is told", seconds(5), || last("MASTER"));
    node.cut("eth1");
    eventually("one cable fails, both move", seconds(15), on("lvs02"));
    eventually("which is told", seconds(5), || last("FAULT"));
    node.mend("eth1");
    eventually("both come back", seconds(20), on("lvs01"));
    eventually("which is told", seconds(5), || last("MASTER"));
    // What runs when keepalived ends does not go on.
    let called = |words: &str, times: usize| {
        let calls = calls(node);
        ["VI_1", "VI_2", "VG_1"].iter().all(|name| {
            let is_one =
                |call: &&String| call.starts_with("notify ") && call.contains(&format!("{name} {words}"));
            calls.iter().filter(is_one).count() == times
        })
    };
    eventually("by the scripts, too", seconds(10), || called("MASTER", 2));
    daemon.stop();
    eventually("the stop is told", seconds(5), || last("STOP"));
    eventually("by the scripts, too", seconds(10), || called("STOP", 1));
    second.stop();
    reader.signal(Signal::SIGTERM);
    [told(&node.read("/tmp/lines")), told(&calls(node).join("\n"))]
}

fn run(lab: &Lab) {
    let theirs = play(lab, Program::Keepalived);
    let ours = play(lab, Program::Directord);
    assert_eq!(ours[0], theirs[0], "lines of the FIFO");
    assert_eq!(ours[1], theirs[1], "calls of the scripts");
    assert!(ours[1][2].contains(&"notify GROUP VG_1 FAULT 0".to_owned()), "{ours:?}");

    // A cable that flaps: the end is that of a fresh start.
    let node = &lab.lvs01;
    let second = lab.director(&lab.lvs02, Program::Keepalived, &configuration([130, 130], "", ""));
    let daemon = lab.director(node, Program::Directord, &configuration([150, 150], "", ""));
    let on = |name: &'static str| move || lab.holders(VIP) == [name] && lab.holders(INSIDE) == [name];
    eventually("both are here", seconds(20), on("lvs01"));
    for _flap in 0..20 {
        node.cut("eth1");
        node.mend("eth1");
    }
    eventually("both are here again", seconds(20), on("lvs01"));
    node.cut("eth1");
    eventually("both fail together", seconds(15), on("lvs02"));
    daemon.says("VI_2 of the same sync group is in FAULT");
    daemon.stop();
    second.stop();
}
