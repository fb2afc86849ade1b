//! The files that keepalived's signals ask for: beside keepalived with the same configuration, and with neighbours and a disk
//! that do their worst.

use std::collections::BTreeSet;

use super::Scenario;
use crate::lab::{
    BOTH, Daemon, FILE, Lab, Node, Program, Signal, VIP, Vrrp, eventually, seconds, throughout, web_service,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "dumps",
        "the files that signals ask for have what keepalived's have, and are there in time for its exporters",
        equal,
    ),
    Scenario::directord(
        "dumps_hostile",
        "no planted link, file, storm of signals or disk that stands still costs more than a file",
        hostile,
    ),
];

/// The signals that have no name everywhere, by their numbers here.
fn number(node: &Node, name: &str) -> String {
    node.sh(&format!("/lab/directord --signum {name}")).trim().to_owned()
}

fn ask(node: &Node, daemon: &Daemon, name: &str) {
    let number = number(node, name);
    node.sh(&format!("kill -s {number} {}", daemon.pid()));
}

/// The label of each line: what stands in front of the first `=` or the last `:`, or all of it.
fn labels(text: &str) -> BTreeSet<String> {
    let end = |line: &str| line.find('=').or_else(|| line.rfind(": ")).unwrap_or(line.len());
    text.lines().map(|line| line[..end(line)].trim_end().to_owned()).collect()
}

/// What of keepalived's own processes and sockets has no counterpart: docs/compat.md.
fn has_counterpart(label: &str) -> bool {
    let own = [
        "fd_in",
        "libnftnl",
        "nftables with",
        "Alive:",
        "System is compiled",
        "Seen up",
        "Delayed state",
        "NIC netlink",
        "Reset ",
        "Original ",
        "reloaded",
        "previous effective",
        "RS set",
        "connection timeout",
        "delay_loop",
        "alpha is",
        "default forwarding",
        "Default delay before",
        "Inhibit on failure",
        "rp_filter",
        "Not IPv6 forwarding",
    ];
    // 2.4.3 says it in other words than 2.2.7.
    let other = ["Number of interface and track script faults"];
    let label = label.trim_start();
    // An address of this node, and not of the other.
    let address = label.starts_with(|first: char| first.is_ascii_digit()) || label.starts_with("fe80:");
    !address && !own.iter().chain(&other).any(|start| label.starts_with(start))
}

fn equal(lab: &Lab) {
    let (ours, theirs) = (&lab.lvs01, &lab.lvs02);
    let script = "vrrp_script chk {\n script \"/bin/true a\"\n interval 1\n weight -3\n}\n";
    let tracks = " track_script {\n chk\n }\n notify \"/bin/true n\"\n virtual_ipaddress {";
    let config = format!(
        "{script}{}{}",
        Vrrp::default()
            .text()
            .replace("global_defs {", "global_defs {\n script_user root\n enable_script_security")
            .replace("virtual_ipaddress {", tracks),
        web_service("rr", "NAT", BOTH)
    );
    ours.write(FILE, &config);
    let start = format!("/lab/directord -n -f {FILE} --runtime-dir /run/directord --dump-dir /tmp");
    let daemon = ours.spawn("directord", &start);
    let other = lab.director(theirs, Program::Keepalived, &config.replace("priority 100", "priority 50"));
    eventually("ours is master", seconds(15), || ours.has_address(VIP));
    eventually("theirs hears it", seconds(15), || other.log_has("Entering BACKUP STATE"));
    // Its checks have run.
    std::thread::sleep(seconds(3));
    for signal in ["DATA", "STATS", "JSON"] {
        ask(ours, &daemon, signal);
        ask(theirs, &other, signal);
    }
    let files = [
        "keepalived.data",
        "keepalived_parent.data",
        "keepalived_check.data",
        "keepalived.stats",
        "keepalived.json",
    ];
    for file in files {
        let path = format!("/tmp/{file}");
        for node in [ours, theirs] {
            eventually(&path, seconds(5), || !node.read(&path).is_empty());
        }
        assert_eq!(ours.sh(&format!("stat -c %a:%U {path}")).trim(), "600:root", "{path}");
        if file != "keepalived.json" {
            let known = labels(&ours.read(&path));
            let missing: Vec<String> = labels(&theirs.read(&path))
                .into_iter()
                .filter(|label| has_counterpart(label) && !known.contains(label))
                // A backup and a master differ in these.
                .filter(|label| !label.contains("192.168.100.240") && !label.contains("Master "))
                .collect();
            assert_eq!(missing, Vec::<String>::new(), "{path} lacks these");
        }
    }
    assert_eq!(ours.sh("ls -A /run/directord | grep -c keepalived || true").trim(), "0");
    let keys = |node: &Node| -> Vec<String> {
        let text = node.sh("tr ',{' '\\n\\n' </tmp/keepalived.json | grep -o '^\"[a-z_]*\":' || true");
        text.lines().map(str::to_owned).collect()
    };
    let ours_has: BTreeSet<String> = keys(ours).into_iter().collect();
    let lacks: Vec<String> = keys(theirs).into_iter().filter(|key| !ours_has.contains(key)).collect();
    assert_eq!(lacks, Vec::<String>::new(), "keys of the JSON file");
    let data = ours.read("/tmp/keepalived.data");
    assert!(data.contains("   State = MASTER\n") && !data.contains("1111"), "{data}");
    // An exporter waits for 10 ms, and reads what is there then: that of this signal, or whole that of one before.
    let sent = |node: &Node| -> u64 {
        let text = node.read("/tmp/keepalived.stats");
        let line =
            text.lines().find(|line| line.starts_with("    Sent: ")).unwrap_or_else(|| panic!("{text}"));
        line.trim_start_matches("    Sent: ").parse().unwrap()
    };
    let before = sent(ours);
    std::thread::sleep(seconds(3));
    ask(ours, &daemon, "STATS");
    eventually("the next statistics", seconds(2), || sent(ours) >= before + 2);
    // What is cleared is written once more.
    ask(ours, &daemon, "STATS_CLEAR");
    daemon.says("the counters of VRRP begin anew");
    eventually("the counters before", seconds(2), || sent(ours) > before);
    ask(ours, &daemon, "STATS");
    eventually("the counters behind", seconds(2), || sent(ours) <= 2);
    daemon.stop();
    other.stop();
}

fn hostile(lab: &Lab) {
    let node = &lab.lvs01;
    node.write(FILE, Vrrp::default().text());
    // A sticky folder of everybody, where others were first.
    node.sh("mkdir -p /lab-dumps && chmod 1777 /lab-dumps && cd /lab-dumps
             echo precious >/precious && chmod 644 /precious
             ln -s /precious keepalived.data && ln -s /none/where keepalived.json && echo old >keepalived.stats
             chown 65534 keepalived.stats && chmod 666 keepalived.stats && mkfifo keepalived_parent.data");
    let start = format!("/lab/directord -n -D -f {FILE} --runtime-dir /run/directord --dump-dir /lab-dumps");
    let daemon = node.spawn("directord", &start);
    eventually("it is master", seconds(15), || node.has_address(VIP));
    // Who has the old file open reads and writes nothing of the new one.
    let holder = node.spawn("holder", "tail -f -n +1 /lab-dumps/keepalived.stats");
    eventually("it has it open", seconds(5), || holder.log_has("old"));
    for signal in ["DATA", "STATS", "JSON"] {
        ask(node, &daemon, signal);
    }
    for file in ["keepalived.data", "keepalived.stats", "keepalived.json"] {
        eventually(file, seconds(5), || {
            node.sh(&format!("stat -c %F:%a:%u /lab-dumps/{file}")).trim() == "regular file:600:0"
        });
    }
    assert_eq!(node.read("/precious"), "precious\n");
    assert!(!holder.log_has("VRRP Instance"));
    holder.stop();
    daemon.says("cannot write /lab-dumps/keepalived_parent.data, and what was there stays: something is there that is no file");
    // A storm: each of them is seen whole, and nothing is left over.
    let storm = node
        .spawn("storm", &format!("sh -c 'while :; do kill -USR1 {0}; kill -USR2 {0}; done'", daemon.pid()));
    throughout("files are whole", seconds(3), || {
        node.read("/lab-dumps/keepalived.stats").ends_with("    Sent: 0\n")
            && node.read("/lab-dumps/keepalived.data").starts_with("------< Global definitions >------\n")
    });
    storm.kill9();
    eventually("nothing is left over", seconds(5), || node.sh("ls -A /lab-dumps | wc -l").trim() == "4");
    // A disk that stands still: adverts leave, questions are answered.
    node.sh("modprobe loop; modprobe ext4; truncate -s 16M /lab/disk && mkfs.ext4 -q /lab/disk && mkdir -p /lab-disk
             mount -o loop /lab/disk /lab-disk");
    daemon.stop();
    let daemon = node.spawn("directord", &start.replace("/lab-dumps", "/lab-disk"));
    eventually("it is master again", seconds(15), || node.has_address(VIP));
    node.sh("fsfreeze -f /lab-disk");
    let capture = node.capture("eth0", "proto 112");
    for _ in 0..20 {
        daemon.signal(Signal::SIGUSR1);
        daemon.signal(Signal::SIGUSR2);
    }
    throughout("it is asked and answers", seconds(4), || {
        node.run("timeout 5 /lab/directord status --runtime-dir /run/directord").status.success()
    });
    let longest = capture.gaps().into_iter().fold(0.0, f64::max);
    assert!(longest > 0.5 && longest < 2.0, "adverts each second: {longest}");
    capture.finish();
    assert_eq!(node.sh("ls /lab-disk/keepalived* 2>/dev/null | wc -l").trim(), "0");
    node.sh("fsfreeze -u /lab-disk");
    eventually("they are written", seconds(5), || !node.read("/lab-disk/keepalived.stats").is_empty());
    daemon.stop();
}
