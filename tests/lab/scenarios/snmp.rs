//! SNMP: beside keepalived with the same configuration, and with a master agent and a process that come, go and hang.

use std::collections::BTreeMap;

use super::Scenario;
use crate::lab::{Daemon, FILE, Lab, Node, Program, Signal, eventually, seconds, throughout};

const EXTRA: &[(&str, &str)] = &[("snmpd", "snmpd"), ("snmpwalk", "snmp"), ("snmptrapd", "snmptrapd")];

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        extra: EXTRA,
        ..Scenario::directord(
            "snmp",
            "over SNMP the same objects, types and values as of keepalived, and the same traps",
            equal,
        )
    },
    Scenario {
        extra: EXTRA,
        ..Scenario::directord(
            "snmp_servers",
            "over SNMP the same virtual servers, real servers and counters as of keepalived, and the same traps",
            servers,
        )
    },
    Scenario {
        extra: EXTRA,
        ..Scenario::directord(
            "snmp_many",
            "100 instances and 5,000 real servers: a walk ends, and adverts leave on time",
            many,
        )
    },
    Scenario {
        extra: EXTRA,
        ..Scenario::directord(
            "snmp_hangs",
            "a master agent or a process of ours that hangs, dies or comes back changes nothing else",
            hangs,
        )
    },
];

/// The MIB of the checks.
const CHECKS: &str = "1.3.6.1.4.1.9586.100.5.3";

/// What of a walk is compared.
const PARTS: [&str; 3] = ["1.3.6.1.4.1.9586.100.5", "1.3.6.1.2.1.68", "1.3.6.1.2.1.207"];

fn master_agent(node: &Node) -> Daemon {
    node.write(
        "/tmp/snmpd.conf",
        "rocommunity public\nrwcommunity secret\nmaster agentx\nagentXSocket unix:/tmp/agentx,tcp:127.0.0.1:1705\nagentXTimeout 10\n\
         trap2sink 127.0.0.1:1162 public\n",
    );
    node.sh("mkdir -p /var/lib/snmp");
    let daemon = node
        .spawn("snmpd", "/usr/sbin/snmpd -f -Lo -C -c /tmp/snmpd.conf -p /run/snmpd.pid udp:127.0.0.1:1161");
    eventually("snmpd answers", seconds(20), || {
        node.run("snmpget -m '' -v2c -c public 127.0.0.1:1161 1.3.6.1.2.1.1.3.0").status.success()
    });
    daemon
}

fn trap_sink(node: &Node) -> Daemon {
    node.write("/tmp/snmptrapd.conf", "disableAuthorization yes\n");
    node.spawn("snmptrapd", "/usr/sbin/snmptrapd -f -Lo -m '' -On -C -c /tmp/snmptrapd.conf -p /run/snmptrapd.pid udp:127.0.0.1:1162")
}

fn try_walk(node: &Node, below: &str) -> BTreeMap<String, String> {
    let output = node.run(&format!("snmpbulkwalk -m '' -On -t 20 -v2c -c public 127.0.0.1:1161 {below}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut objects = BTreeMap::new();
    let mut last = String::new();
    for line in
        text.lines().filter(|line| !line.contains("No Such Object") && !line.contains("No more variables"))
    {
        match line.split_once(" = ") {
            Some((name, value)) => {
                last = name.trim_start_matches('.').to_owned();
                objects.insert(last.clone(), value.to_owned());
            }
            // Long octets go on in the next line.
            None => objects.entry(last.clone()).or_default().push_str(line),
        }
    }
    objects
}

fn walk(node: &Node) -> BTreeMap<String, String> {
    PARTS.iter().flat_map(|part| try_walk(node, part)).collect()
}

fn get(node: &Node, name: &str) -> String {
    let output = node.run(&format!("snmpget -m '' -Oqv -t 5 -v2c -c public 127.0.0.1:1161 {name}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn state(node: &Node) -> String {
    get(node, "1.3.6.1.4.1.9586.100.5.2.3.1.4.1")
}

/// What the two are known to answer differently: beginnings of names, and why. `docs/compat.md` has the same list.
const DIFFERENT: &[(&str, &str)] = &[
    ("1.3.6.1.4.1.9586.100.5.1.1.0", "the program"),
    ("1.3.6.1.4.1.9586.100.5.1.3.4.0", "the sender of mails"),
    ("1.3.6.1.4.1.9586.100.5.2.3.1.11.", "whether the interface is tracked"),
    ("1.3.6.1.4.1.9586.100.5.2.3.1.27.", "whether traffic is accepted"),
    ("1.3.6.1.4.1.9586.100.5.2.6.1.11.", "whether adverts name it"),
    ("1.3.6.1.4.1.9586.100.5.2.12.1.3.", "the weight of a tracked file"),
    ("1.3.6.1.2.1.68.1.3.1.7.", "who is master when this node is"),
    ("1.3.6.1.2.1.68.1.3.1.13.", "a time"),
    ("1.3.6.1.2.1.68.2.3.0", "packets of unknown routers are not counted"),
    ("1.3.6.1.2.1.68.2.4.1.10.", "types of authentication that there are not are not counted apart"),
    ("1.3.6.1.2.1.207.1.1.1.1.12.", "a time"),
    ("1.3.6.1.2.1.207.1.2.3.0", "packets of unknown routers are not counted"),
];

/// Columns of virtual servers that are told of the defaults that a block has for its checks, and that of a granularity of IPv6
/// which there is not.
const OF_SERVICES: &[u32] = &[16, 18, 51, 56, 57, 58, 59, 60, 64, 65, 66, 67];
/// The same of real servers.
const OF_SERVERS: &[u32] = &[42, 43, 44, 45, 46, 48, 49, 50, 51];

fn is_compared(name: &str) -> bool {
    let column = |table: &str| {
        let column = name.strip_prefix(CHECKS)?.strip_prefix(table)?.split('.').next()?;
        column.parse::<u32>().ok()
    };
    let left_out = column(".3.1.").is_some_and(|column| OF_SERVICES.contains(&column))
        || column(".4.1.").is_some_and(|column| OF_SERVERS.contains(&column));
    !left_out && !DIFFERENT.iter().any(|(start, _)| name.starts_with(start))
}

/// A configuration that has something of every table.
fn everything() -> String {
    "global_defs {
    router_id LVS_SNMP
    notification_email {
        root@localhost
        admin@example.com
    }
    smtp_server 127.0.0.1
    smtp_connect_timeout 20
    smtp_alert_vrrp
    enable_snmp_vrrp
    enable_snmp_rfc
    enable_traps
    snmp_socket unix:/tmp/agentx
    enable_script_security
    script_user root
    dynamic_interfaces
}
static_ipaddress {
    10.9.0.1/24 brd 10.9.0.255 dev eth1 scope link
}
static_routes {
    10.10.0.0/16 via 10.0.0.200 dev eth1
}
static_rules {
    from 10.11.0.0/16 table 100 preference 700
}
vrrp_script ok {
    script \"/usr/bin/true\"
    interval 2
    timeout 1
    weight 5
    rise 2
    fall 3
}
vrrp_script unused {
    script \"/usr/bin/false x y\"
    interval 3
    weight -10 reverse
}
track_file tf {
    file /tmp/track
    weight 2
}
vrrp_track_process pr {
    process sleep
    weight 7
    quorum 1
    delay 1
}
vrrp_sync_group G1 {
    group {
        VI_1
        VI_2
    }
    notify_master \"/usr/bin/true m\"
    notify \"/usr/bin/true n\"
    smtp_alert
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 1
    authentication {
        auth_type PASS
        auth_pass abc
    }
    virtual_ipaddress {
        192.168.100.240/24 dev eth0 label eth0:1
        192.168.100.241/32 brd 192.168.100.255 scope link
    }
    virtual_ipaddress_excluded {
        192.168.100.242/24
    }
    virtual_routes {
        10.20.0.0/16 via 192.168.100.200 dev eth0 metric 5
        src 192.168.100.240 to 10.21.0.0/24 dev eth0 table 100 mtu 1400
        10.23.0.0/24 nexthop via 192.168.100.201 dev eth0 weight 2 nexthop via 192.168.100.202 dev eth0 weight 3
    }
    virtual_rules {
        from 10.30.0.0/16 table 100 preference 600
        to 10.31.0.0/16 iif eth0 fwmark 5 table 101 preference 500
    }
    notify_backup \"/usr/bin/true b\"
    smtp_alert
    garp_master_delay 3
}
vrrp_instance VI_2 {
    interface eth1
    virtual_router_id 52
    priority 120
    version 3
    advert_int 0.5
    virtual_ipaddress {
        10.0.0.240/24
    }
    promote_secondaries
}
vrrp_instance VI_3 {
    interface eth0
    virtual_router_id 66
    priority 90
    version 3
    nopreempt
    accept
    unicast_src_ip 192.168.100.101
    unicast_peer {
        192.168.100.102
    }
    virtual_ipaddress {
        192.168.100.243/32
    }
    track_interface {
        eth1 weight 3
    }
    track_script {
        ok
    }
    track_file {
        tf weight 1
    }
    notify_deleted \"/usr/bin/true d\"
    notify_master_rx_lower_pri \"/usr/bin/true l\"
}
"
    .to_owned()
}

/// Starts a program and waits until everything in it has settled; its walk, and the traps that it sent.
fn seen(lab: &Lab, program: Program) -> Seen {
    let node = &lab.lvs01;
    node.sh("echo 3 >/tmp/track");
    let sink = trap_sink(node);
    let daemon = lab.director(node, program, &everything());
    eventually("all three are masters", seconds(30), || {
        ["192.168.100.240", "10.0.0.240", "192.168.100.243"].iter().all(|address| node.has_address(address))
    });
    eventually("it is seen", seconds(10), || {
        let states = try_walk(node, "1.3.6.1.4.1.9586.100.5.2.3.1.4");
        states.len() == 3
            && states.values().all(|state| state == "INTEGER: 2")
            && get(node, "1.3.6.1.4.1.9586.100.5.2.9.1.6.1") == "3"
    });
    let objects = walk(node);
    daemon.stop();
    // The last one: the group has stopped.
    let last = |trap: &str| trap.contains(".100.5.2.1.1.3 = INTEGER: 5");
    eventually("the end is told", seconds(10), || traps(&sink).iter().any(|trap| last(trap)));
    sink.stop();
    (objects, traps(&sink))
}

/// Each trap in one line, without the time.
fn traps(sink: &Daemon) -> Vec<String> {
    let log = sink.log();
    let traps = log.lines().filter(|line| line.contains(".1.3.6.1.6.3.1.1.4.1.0"));
    traps.filter_map(|line| Some(line.split_once(".1.3.6.1.6.3.1.1.4.1.0 = ")?.1.to_owned())).collect()
}

fn equal(lab: &Lab) {
    let node = &lab.lvs01;
    let snmpd = master_agent(node);
    let theirs = seen(lab, Program::Keepalived);
    let ours = seen(lab, Program::Directord);
    compare(300, theirs, ours);
    snmpd.stop();
}

type Seen = (BTreeMap<String, String>, Vec<String>);

fn compare(least: usize, (theirs, their_traps): Seen, (ours, our_traps): Seen) {
    let shown = |objects: &BTreeMap<String, String>| {
        let lines = objects.iter().map(|(name, value)| format!("{name} = {value}\n"));
        lines.collect::<String>()
    };
    std::fs::write("/results/keepalived.walk", shown(&theirs) + &their_traps.join("\n")).unwrap();
    std::fs::write("/results/directord.walk", shown(&ours) + &our_traps.join("\n")).unwrap();
    assert!(theirs.len() > least, "keepalived answers {} objects", theirs.len());
    let mut differences = Vec::new();
    for name in theirs.keys().chain(ours.keys()).filter(|name| is_compared(name)) {
        if theirs.get(name) != ours.get(name) {
            differences.push(format!("{name}: theirs {:?}, ours {:?}", theirs.get(name), ours.get(name)));
        }
    }
    differences.sort();
    differences.dedup();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
    let sorted = |traps: Vec<String>| {
        // keepalived says that a firewall mark is of UDP.
        let mark = |trap: &str| trap.contains(&format!(".{CHECKS}.3.1.4 = "));
        let plain = |trap: String| match mark(&trap) {
            true => trap.replace("5.3.3.1.8 = INTEGER: 2", "5.3.3.1.8 = INTEGER: 4"),
            false => trap,
        };
        let mut traps: Vec<String> = traps.into_iter().map(plain).collect();
        traps.sort();
        traps
    };
    assert_eq!(sorted(our_traps), sorted(their_traps));
}

/// A configuration that has something of every table of the checks.
fn services() -> String {
    let real =
        |address: &str, port: u16, more: &str| format!("real_server {address} {port} {{\n{more}\n}}\n");
    let (rs1, rs2) = ("192.168.100.8", "192.168.100.9");
    let plain = |port| real(rs1, port, "weight 3") + &real(rs2, port, "weight 2");
    let first = real(
        rs1,
        80,
        "weight 3\nuthreshold 100\nlthreshold 50\ninhibit_on_failure\nsnmp_name one\nnotify_up \"/usr/bin/true up\"",
    );
    let closed = real(rs2, 80, "weight 2\nTCP_CHECK {\nconnect_timeout 1\nconnect_port 81\nretry 0\n}");
    format!(
        "global_defs {{\nrouter_id LVS_SNMP\nenable_snmp_checker\nenable_traps\nsnmp_socket unix:/tmp/agentx\n\
         snmp_vs_stats_update_interval 1\nlvs_timeouts tcp 800 tcpfin 60 udp 200\n\
         enable_script_security\nscript_user root\n}}\n\
         virtual_server_group WEB {{\n192.168.100.241 80\n192.168.100.242-244 80\nfwmark 7\n}}\n\
         virtual_server 192.168.100.240 80 {{\ndelay_loop 5\nlb_algo wrr\nlb_kind DR\nprotocol TCP\n\
         persistence_timeout 50\npersistence_granularity 255.255.255.0\nquorum 4\nhysteresis 1\n\
         quorum_up \"/usr/bin/true u\"\nsmtp_alert\nsnmp_name web\nsorry_server 192.168.100.7 80\n{first}{closed}}}\n\
         virtual_server 192.168.100.240 53 {{\ndelay_loop 5\nlb_algo rr\nlb_kind TUN\nprotocol UDP\nops\n{}}}\n\
         virtual_server fwmark 5 {{\ndelay_loop 5\nlb_algo sh\nlb_kind NAT\nprotocol TCP\nsh-port\n{}}}\n\
         virtual_server group WEB {{\ndelay_loop 5\nlb_algo mh\nlb_kind DR\nprotocol TCP\nmh-fallback\nomega\n{}}}\n",
        plain(53),
        plain(80),
        plain(80),
    )
}

fn services_seen(lab: &Lab, program: Program) -> Seen {
    let node = &lab.lvs01;
    let sink = trap_sink(node);
    let daemon = lab.director(node, program, &services());
    // A check that failed has it down: before its first verdict keepalived says "down" of a server, too.
    eventually("the closed one is down", seconds(30), || {
        get(node, &format!("{CHECKS}.4.1.6.1.3")) == "2" && get(node, &format!("{CHECKS}.4.1.13.1.3")) == "1"
    });
    eventually("the counters are read", seconds(10), || {
        get(node, &format!("{CHECKS}.4.1.27.2.1")).parse::<u64>().is_ok()
    });
    let objects = try_walk(node, CHECKS);
    eventually("it is told", seconds(10), || traps(&sink).iter().any(|trap| trap.contains("100.5.3.5.0.2")));
    daemon.stop();
    // The last one: the quorum of the group goes with the daemon.
    let last = |trap: &str| trap.contains("\"WEB\"") && trap.contains(".3.1.23 = INTEGER: 3");
    eventually("the end is told", seconds(10), || traps(&sink).iter().any(|trap| last(trap)));
    sink.stop();
    (objects, traps(&sink))
}

fn servers(lab: &Lab) {
    let node = &lab.lvs01;
    let snmpd = master_agent(node);
    let theirs = services_seen(lab, Program::Keepalived);
    let ours = services_seen(lab, Program::Directord);
    compare(200, theirs, ours);
    // What goes through is counted, as ipvsadm has it.
    let daemon = lab.director(node, Program::Directord, &services());
    node.sh("ip addr add 192.168.100.240/32 dev eth0");
    eventually("it serves", seconds(20), || !node.ipvs().0.is_empty());
    for _ in 0..5 {
        let _ = lab.client.run("curl -s -m 1 http://192.168.100.240/");
    }
    eventually("it is counted", seconds(10), || {
        let counted = node.sh("ipvsadm -Ln --stats -t 192.168.100.240:80 | awk '/^TCP/ { print $3 }'");
        let counted = counted.trim().to_owned();
        counted != "0" && get(node, &format!("{CHECKS}.3.1.38.1")) == counted
    });
    daemon.stop();
    snmpd.stop();
}

/// 100 instances and 5,000 real servers.
fn crowd() -> String {
    let mut text =
        "global_defs {\nrouter_id LVS_SNMP\nvrrp_version 3\nenable_snmp_vrrp\nenable_snmp_checker\n\
         enable_snmp_rfc\nsnmp_socket unix:/tmp/agentx\n}\n"
            .to_owned();
    for number in 1..=100 {
        text += &format!(
            "vrrp_instance VI_{number} {{\ninterface eth0\nvirtual_router_id {number}\nadvert_int 0.5\n\
             virtual_ipaddress {{\n192.168.101.{number}/32\n}}\n}}\n"
        );
    }
    for service in 1..=50 {
        text += &format!(
            "virtual_server 192.168.101.{service} 80 {{\ndelay_loop 60\nlb_algo rr\nlb_kind DR\nprotocol TCP\n"
        );
        for real in 1..=100 {
            text += &format!("real_server 10.{service}.0.{real} 80 {{\nweight 1\n}}\n");
        }
        text += "}\n";
    }
    text
}

fn many(lab: &Lab) {
    let node = &lab.lvs01;
    let snmpd = master_agent(node);
    let daemon = lab.director(node, Program::Directord, &crowd());
    eventually("all are masters", seconds(60), || {
        node.has_address("192.168.101.100") && node.has_address("192.168.101.1")
    });
    eventually("the last real server is seen", seconds(60), || {
        get(node, &format!("{CHECKS}.4.1.2.50.100")) == "1"
    });
    let adverts = lab.lvs02.capture("eth0", "proto 112");
    let from = crate::lab::now();
    // All of VRRP, and of the real servers what somebody looks at: address, state, weight, connections. The rest is alike, and a walk
    // through it takes minutes here, most of them in snmpd.
    let parts = ["1.3.6.1.4.1.9586.100.5.2", "1.3.6.1.2.1.207"].map(str::to_owned);
    let columns = [4, 6, 7, 15].map(|column| format!("{CHECKS}.4.1.{column}"));
    let counts: Vec<usize> = parts.iter().chain(&columns).map(|part| try_walk(node, part).len()).collect();
    let took = crate::lab::now() - from;
    crate::lab::say(&format!("{counts:?} objects in {took:.1} s"));
    assert!(counts[0] > 100 * 30 && counts[1] > 100 * 20, "{counts:?}");
    assert_eq!(counts[2..], [5_000; 4]);
    // Each router sends each half second, in spite of the walk; the machine has one processor.
    let mut last: BTreeMap<u8, f64> = BTreeMap::new();
    let mut worst: f64 = 0.0;
    for (at, advert) in adverts.adverts() {
        if let Some(before) = last.insert(advert.vrid, at) {
            worst = worst.max(at - before);
        }
    }
    crate::lab::say(&format!("{} routers, at most {worst:.2} s between two adverts", last.len()));
    assert_eq!(last.len(), 100);
    assert!(worst < 1.5, "{worst}");
    assert!(daemon.is_running());
    daemon.stop();
    snmpd.stop();
}

const SIMPLE: &str = "global_defs {
    router_id LVS_SNMP
    vrrp_version 3
    enable_snmp_vrrp
    enable_traps
    snmp_socket unix:/tmp/agentx
}
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    priority 100
    advert_int 0.2
    virtual_ipaddress {
        192.168.100.240/24
    }
}
";

fn hangs(lab: &Lab) {
    let node = &lab.lvs01;
    // Without a master agent: one line, and all else goes on.
    let adverts = lab.lvs02.capture("eth0", "proto 112");
    let daemon = lab.director(node, Program::Directord, SIMPLE);
    let said = |words: &str, times: usize| {
        eventually(words, seconds(30), || daemon.log().matches(words).count() == times);
    };
    said("SNMP: no master agent at unix:/tmp/agentx: no such file or directory", 1);
    eventually("it is master", seconds(10), || node.has_address(crate::lab::VIP));
    let sink = trap_sink(node);
    let snmpd = master_agent(node);
    said("the master agent at unix:/tmp/agentx asks us from now on", 1);
    let master = |what: &str| eventually(what, seconds(20), || state(node) == "2");
    master("it is asked");
    eventually("a trap of before is told", seconds(10), || {
        traps(&sink).iter().any(|trap| trap.contains("VI_1"))
    });

    // Nothing can be set.
    let set =
        node.run("snmpset -m '' -v2c -c secret 127.0.0.1:1161 1.3.6.1.4.1.9586.100.5.2.3.1.7.1 i 7 2>&1");
    let text = String::from_utf8_lossy(&set.stdout).into_owned();
    assert!(text.contains("notWritable"), "{text}");

    // The master agent hangs, goes, comes back.
    snmpd.signal(Signal::SIGSTOP);
    node.sh("ip link set eth0 down; sleep 1; ip link set eth0 up");
    eventually("it is master again", seconds(10), || node.has_address(crate::lab::VIP));
    snmpd.signal(Signal::SIGCONT);
    master("it is asked again");
    eventually("traps of meanwhile are told", seconds(10), || {
        traps(&sink).iter().filter(|trap| trap.contains("VI_1")).count() >= 3
    });
    for round in 1..=3 {
        node.sh("kill $(cat /run/snmpd.pid)");
        said("SNMP: no master agent at unix:/tmp/agentx", round + 1);
        drop(master_agent(node));
        said("asks us from now on", round + 1);
        master("it is asked by another one");
    }

    // Our process hangs: what it has not heard it hears later. It dies: another one comes.
    let pid = || node.sh("pgrep -f '[s]nmp-agent'").trim().to_owned();
    let before = pid();
    let status = node.sh(&format!("grep -E 'CapEff|CapBnd|NoNewPrivs|Uid' /proc/{before}/status"));
    for expected in ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(expected), "{status}");
    }
    // A service manager ends all processes of a daemon at once; this one ends behind it.
    node.sh(&format!("kill -TERM {before}; kill -HUP {before}; kill -INT {before}"));
    master("it answers all the same");
    assert_eq!(pid(), before);
    node.sh(&format!("kill -STOP {before}"));
    for _ in 0..3 {
        node.sh("ip link set eth0 down; sleep 0.3; ip link set eth0 up");
        eventually("it goes on", seconds(10), || node.has_address(crate::lab::VIP));
    }
    let told = traps(&sink).len();
    node.sh(&format!("kill -CONT {before}"));
    eventually("it tells all of it", seconds(10), || traps(&sink).len() >= told + 6);
    node.sh(&format!("kill -KILL {before}"));
    said("SNMP: the process that answers has ended: killed by SIGKILL", 1);
    master("another one answers");
    assert_ne!(pid(), before);

    // A reload starts and stops it.
    lab.reload(node, &daemon, SIMPLE.replace("    enable_snmp_vrrp\n", ""));
    eventually("it is not needed", seconds(10), || !node.run("pgrep -f '[s]nmp-agent'").status.success());
    lab.reload(node, &daemon, SIMPLE);
    master("it is needed again");
    lab.reload(node, &daemon, SIMPLE.replace("unix:/tmp/agentx", "unix:/tmp/other"));
    said("SNMP: no master agent at unix:/tmp/other: no such file or directory", 1);
    lab.reload(node, &daemon, SIMPLE);
    master("at the place of before");
    throughout("and stays", seconds(2), || node.has_address(crate::lab::VIP));

    // Through all of it adverts left on time while the link was up: it was down four times, and an election of 0.7 s followed.
    let gaps = adverts.gaps();
    let silences = gaps.iter().filter(|gap| **gap > 0.8).count();
    assert!(gaps.len() > 40 && silences <= 4, "{gaps:.2?}");

    node.sh(&format!("kill -STOP {}", pid()));
    let took = daemon.stop();
    assert!(took < seconds(5), "{took:?}");
    eventually("nothing is left", seconds(2), || !node.run("pgrep -f '[s]nmp-agent'").status.success());
    // Killed, it takes its process with it. The options serve what the file does not ask for.
    let quiet =
        SIMPLE.replace("    enable_snmp_vrrp\n", "").replace("    snmp_socket unix:/tmp/agentx\n", "");
    node.write(FILE, quiet);
    let daemon = node.spawn(
        "directord",
        "/lab/directord -n -f /etc/keepalived/keepalived.conf --runtime-dir /run/directord -x -A tcp:127.0.0.1:1705",
    );
    master("it runs");
    // Over TCP it need not be root.
    let user = node.sh(&format!("grep Uid /proc/{}/status", pid()));
    assert!(user.contains("65534"), "{user}");
    daemon.kill9();
    eventually("nothing is left", seconds(2), || !node.run("pgrep -f '[s]nmp-agent'").status.success());
}
