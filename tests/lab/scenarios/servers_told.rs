//! Scripts and FIFOs are told of virtual and real servers: the calls and the lines of keepalived 2.2.7.

use super::Scenario;
use crate::lab::{
    BOTH, Lab, Node, Program, VIP, Vrrp, eventually, millis, say, seconds, throughout, web_service,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        limit: seconds(300),
        ..Scenario::directord(
            "servers_told",
            "quorum_up, quorum_down, notify_up, notify_down and the FIFO lines of the checks are those of keepalived",
            equal,
        )
    },
    Scenario::new(
        "suspended",
        "with ha_suspend the backup checks nothing, and begins when the address comes",
        suspended,
    ),
    Scenario {
        limit: seconds(300),
        ..Scenario::directord(
            "servers_told_storm",
            "hundreds go down at once while scripts hang and nobody reads: adverts on time, the last state wins",
            storm,
        )
    },
];

const SERVICE: &str = "TCP 192.168.100.240:80";

fn real(address: &str, more: &str) -> String {
    format!(
        "real_server {address} 80 {{\nweight 1\nnotify_up \"/tmp/s up {address}\"\nnotify_down \"/tmp/s down {address}\"\n\
         TCP_CHECK {{\nconnect_timeout 1\nretry 1\ndelay_before_retry 0\n}}\n{more}}}\n"
    )
}

fn configuration(globals: &str, service: &str, servers: &str) -> String {
    format!(
        "global_defs {{\nrouter_id LVS_DEVEL\nscript_user root\nenable_script_security\nlvs_notify_fifo /tmp/fifo\n\
         {globals}\n}}\n\
         virtual_server {VIP} 80 {{\ndelay_loop 1\nlb_algo rr\nlb_kind DR\nprotocol TCP\n\
         quorum_up \"/tmp/s quorum up\"\nquorum_down \"/tmp/s quorum down\"\n{service}\n{servers}}}\n"
    )
}

/// What scripts were called with, sorted within a step: keepalived starts them all at once.
fn take_calls(node: &Node) -> Vec<String> {
    let text = node.read("/tmp/calls");
    node.sh(": >/tmp/calls");
    let mut calls: Vec<String> = text.lines().map(str::to_owned).collect();
    calls.sort();
    calls
}

/// keepalived writes a NUL behind each of these lines.
fn take_lines(node: &Node) -> Vec<String> {
    let text = node.read("/tmp/lines").replace('\0', "");
    node.sh(": >/tmp/lines");
    text.lines().map(str::to_owned).collect()
}

type Told = Vec<(String, Vec<String>, Vec<String>)>;

fn play(lab: &Lab, program: Program, globals: &str, service: &str) -> Told {
    let node = &lab.lvs01;
    node.sh("rm -f /tmp/calls /tmp/lines /tmp/fifo; : >/tmp/calls; : >/tmp/lines; mkfifo -m 600 /tmp/fifo
             printf '#!/bin/sh\\necho \"$*\" >>/tmp/calls\\n' >/tmp/s; chmod 755 /tmp/s");
    let reader = node.spawn("reader", "sh -c 'exec 3<>/tmp/fifo; exec cat <&3 >>/tmp/lines'");
    let both = real("192.168.100.8", "") + &real("192.168.100.9", "");
    let daemon = lab.director(node, program, &configuration(globals, service, &both));
    let mut told = Vec::new();
    let mut step = |what: &str, weights: usize| {
        eventually(what, seconds(20), || node.ipvs().serving(SERVICE).len() == weights);
        // What it has to tell comes a moment later.
        let mut before = (0, 0);
        eventually("all is told", seconds(10), || {
            std::thread::sleep(millis(1200));
            let now = (node.read("/tmp/calls").len(), node.read("/tmp/lines").len());
            std::mem::replace(&mut before, now) == now
        });
        let one = (what.to_owned(), take_calls(node), take_lines(node));
        say(&format!("{program:?}: {one:?}"));
        told.push(one);
    };
    step("the start", 2);
    let (rs1, rs2) = (lab.real_servers()[0], lab.real_servers()[1]);
    rs1.sh("ip link set eth0 down");
    step("one is down", 1);
    rs2.sh("ip link set eth0 down");
    step("both are down", 0);
    rs2.sh("ip link set eth0 up");
    step("one is back", 1);
    rs1.sh("ip link set eth0 up");
    step("both are back", 2);
    lab.reload(node, &daemon, configuration(globals, service, &real("192.168.100.8", "")));
    step("a reload takes one away", 1);
    lab.reload(node, &daemon, configuration(globals, service, &both));
    step("a reload brings it back", 2);
    daemon.stop();
    step("the stop", 0);
    reader.kill9();
    told
}

fn equal(lab: &Lab) {
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    for (globals, service) in [("rs_init_notifies", "quorum 2\nhysteresis 1\nomega"), ("", "alpha")] {
        say(&format!("---- {globals} {}", service.replace('\n', " ")));
        let [keepalived, directord] = [Program::Keepalived, Program::Directord].map(|program| {
            let mut told = play(lab, program, globals, service);
            // Which real server passes its first check first is chance.
            told.iter_mut().take(1).for_each(|(_, _, lines)| lines.sort());
            told
        });
        assert_eq!(directord, keepalived, "{globals} {service}");
    }
}

fn suspended(lab: &Lab) {
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    let service = web_service("rr", "DR", BOTH).replace("delay_loop 1\n", "delay_loop 1\n ha_suspend\n");
    let (master, backup) = lab.director_pair(&(Vrrp::default().text() + &service));
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    let serving = |node: &Node| node.ipvs().serving(SERVICE).len();
    eventually("both have both", seconds(15), || serving(&lab.lvs01) == 2 && serving(&lab.lvs02) == 2);
    eventually("the backup says so", seconds(10), || backup.log_has("Suspending healthchecker"));
    lab.rs2.sh("ip link set eth0 down");
    eventually("the master takes it out", seconds(15), || serving(&lab.lvs01) == 1);
    throughout("the backup does not look", seconds(6), || serving(&lab.lvs02) == 2);
    master.stop();
    eventually("the address is on lvs02", seconds(10), || lab.holders(VIP) == ["lvs02"]);
    eventually("it says so", seconds(5), || backup.log_has("Activating healthchecker"));
    eventually("it takes it out", seconds(15), || serving(&lab.lvs02) == 1);
    let _master = lab.director(&lab.lvs01, lab.program(), &(Vrrp::default().text() + &service));
    eventually("the address is back", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    lab.rs2.sh("ip link set eth0 up");
    eventually("the master has it again", seconds(15), || serving(&lab.lvs01) == 2);
    throughout("the backup keeps what it knew", seconds(6), || serving(&lab.lvs02) == 1);
}

/// Real servers on rs1, each an address of its own.
const MANY: usize = 200;

fn storm(lab: &Lab) {
    let node = &lab.lvs01;
    let rs1 = lab.real_servers()[0];
    rs1.sh("ip route add local 10.1.0.0/16 dev lo");
    node.sh("ip route add 10.1.0.0/16 via 192.168.100.8 dev eth0");
    let _server = rs1.serve_http(&[("index.html", "many")]);
    // The first script of each hangs, and ignores the request to end; the others write what they were called with.
    node.sh("printf '#!/bin/sh\\ntrap \"\" TERM\\n[ \"$1\" = down ] && case $2 in *.1) sleep 1000;; esac\\n\
             echo \"$*\" >>/tmp/calls\\n' >/tmp/s; chmod 755 /tmp/s; : >/tmp/calls");
    let address = |number: usize| format!("10.1.{}.{}", number / 200, 1 + number % 200);
    let all: String = (0..MANY).map(|number| real(&address(number), "")).collect();
    let vrrp = "vrrp_instance VI_1 {\nstate MASTER\ninterface eth0\nvirtual_router_id 51\npriority 100\nadvert_int 1\n\
                virtual_ipaddress {\n192.168.100.240\n}\n}\n";
    // Nobody reads the FIFO.
    let text = configuration("", "", &all) + vrrp;
    let daemon = lab.director(node, Program::Directord, &text);
    eventually("it is MASTER", seconds(15), || node.has_address(VIP));
    eventually("all are in", seconds(30), || node.ipvs().serving(SERVICE).len() == MANY);
    let capture = lab.lvs02.capture("eth0", "ip proto 112");
    for _round in 0..2 {
        rs1.sh("ip route del local 10.1.0.0/16 dev lo; ip route add unreachable 10.1.0.0/16");
        eventually("all are out", seconds(60), || node.ipvs().serving(SERVICE).is_empty());
        rs1.sh("ip route del unreachable 10.1.0.0/16; ip route add local 10.1.0.0/16 dev lo");
        eventually("all are in", seconds(60), || node.ipvs().serving(SERVICE).len() == MANY);
    }
    let calls = || node.read("/tmp/calls");
    eventually("each has heard of its last state", seconds(150), || {
        let calls = calls();
        (0..MANY).all(|number| {
            let own: Vec<&str> =
                calls.lines().filter(|line| line.split(' ').nth(1) == Some(&*address(number))).collect();
            own.last().is_some_and(|last| last.starts_with("up"))
        })
    });
    let longest = capture.gaps().into_iter().fold(0.0, f64::max);
    say(&format!("adverts at most {longest:.3} s apart"));
    assert!(longest < 2.0, "{longest:.3} s without an advert");
    throughout("it runs", seconds(2), || daemon.is_running());
    let took = daemon.stop();
    assert!(took < seconds(9), "the stop took {took:?}");
    assert_eq!(node.sh("pgrep -x s || true"), "", "a script outlives the daemon");
    capture.finish();
}
