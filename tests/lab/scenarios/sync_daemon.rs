//! `lvs_sync_daemon`: the kernel's connection synchronisation follows an instance, as keepalived has it, and connections
//! outlive their director.

use super::Scenario;
use crate::lab::{
    BOTH, Daemon, Lab, Node, Program, VIP, Vrrp, as_backup, eventually, millis, say, seconds, throughout,
    web_service,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        limit: seconds(420),
        ..Scenario::new(
            "sync_daemon",
            "connections that are open survive the death of the master and its return",
            failover,
        )
    },
    Scenario {
        limit: seconds(420),
        ..Scenario::directord(
            "sync_daemon_kept",
            "stopped by hand, killed, reloaded, without its interface: the daemons run as the file says",
            kept,
        )
    },
    Scenario::directord(
        "ipvs_globals",
        "lvs_timeouts are set, kept and put back, also after a kill; lvs_flush_on_stop takes away what others have",
        globals,
    ),
    Scenario {
        limit: seconds(420),
        ..Scenario::new(
            "sync_daemon_equal",
            "`ipvsadm -l --daemon` says the same under keepalived, in each state and after each reload",
            equal,
        )
    },
];

const CONNECTIONS: usize = 600;
const SERVICE: &str = "TCP 192.168.100.240:80";

fn config(sync: &str) -> String {
    let sync = format!("router_id LVS_DEVEL\n {sync}\n");
    Vrrp::default().text().replace("router_id LVS_DEVEL\n", &sync) + &web_service("rr", "DR", BOTH)
}

/// What `ipvsadm` shows, one line for each daemon.
fn daemons(node: &Node) -> String {
    node.sh("ipvsadm -L --daemon").trim().to_owned()
}

fn connections(node: &Node) -> usize {
    node.sh("grep -c ESTABLISHED /proc/net/ip_vs_conn || true").trim().parse().unwrap()
}

/// Each connection is sent every two seconds while it is used, not only once in 50 packets: who comes back learns of all.
fn often(node: &Node) {
    node.sh("sysctl -qw net.ipv4.vs.sync_refresh_period=2");
}

fn failover(lab: &Lab) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
        node.bind_vip(VIP);
    }
    lab.directors().into_iter().for_each(often);
    let config = config("lvs_sync_daemon eth1 inst VI_1")
        .replace("state MASTER", "state BACKUP")
        .replace("advert_int 1\n", "advert_int 1\n preempt_delay 45\n");
    let first = lab.director(&lab.lvs01, lab.program(), &config);
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    let other = config.replace("priority 100", "priority 50");
    let second = lab.director(&lab.lvs02, lab.program(), &other);
    for node in lab.directors() {
        eventually("both real servers are in", seconds(15), || node.ipvs().serving(SERVICE).len() == 2);
    }
    eventually("one sends, one receives", seconds(10), || {
        daemons(&lab.lvs01).contains("master") && daemons(&lab.lvs02).contains("backup")
    });
    let held = lab.client.hold_patiently("192.168.100.240:80", CONNECTIONS, seconds(30));
    eventually("the backup knows them all", seconds(60), || connections(&lab.lvs02) >= CONNECTIONS);
    let runs = |after: usize| {
        let from = held.answered();
        eventually("they are answered", seconds(40), || held.answered() >= from + after);
    };
    runs(CONNECTIONS);

    lab.lvs01.power_off();
    drop(first);
    eventually("the address is on lvs02", seconds(10), || lab.holders(VIP) == ["lvs02"]);
    eventually("which sends now", seconds(3), || daemons(&lab.lvs02).starts_with("master"));
    runs(2 * CONNECTIONS);

    // Back, with an empty table: it learns what is open before it is master again.
    lab.lvs01.power_on();
    often(&lab.lvs01);
    let first = lab.director(&lab.lvs01, lab.program(), &config);
    eventually("it receives", seconds(5), || daemons(&lab.lvs01).starts_with("backup"));
    eventually("it knows them all", seconds(42), || connections(&lab.lvs01) >= CONNECTIONS);
    eventually("the address is back", seconds(60), || lab.holders(VIP) == ["lvs01"]);
    eventually("the other one receives", seconds(5), || daemons(&lab.lvs02).starts_with("backup"));
    assert!(connections(&lab.lvs02) >= CONNECTIONS, "the new backup keeps its table");
    runs(2 * CONNECTIONS);
    let lost = held.finish();
    assert!(lost.is_empty(), "{} of {CONNECTIONS} are lost: {:?}", lost.len(), lost.first());
    first.stop();
    assert_eq!(daemons(&lab.lvs01), "", "nothing runs after a stop");
    second.stop();
}

fn kept(lab: &Lab) {
    let node = &lab.lvs01;
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    let line = "lvs_sync_daemon eth1 inst VI_1 id 9 maxlen 1400 port 9000 ttl 3 group 224.0.0.99";
    let mut daemon = lab.director(node, lab.program(), &config(line));
    let is = |what: &str| eventually(what, seconds(8), || daemons(node) == what);
    let master = "master sync daemon (mcast=eth1, syncid=9, maxlen=1400, group=224.0.0.99, port=9000, ttl=3)";
    eventually("the address is on lvs01", seconds(15), || node.has_address(VIP));
    is(master);

    // Somebody stops it, starts the other one, or has it otherwise.
    node.sh("ipvsadm --stop-daemon master");
    is(master);
    daemon.says("IPVS sync daemon: another program stopped the master, started again");
    node.sh("ipvsadm --start-daemon backup --mcast-interface eth0 --syncid 4");
    is(master);
    daemon.says("another program started the backup, stopped");
    node.sh("ipvsadm --stop-daemon master; ipvsadm --start-daemon master --mcast-interface eth0 --syncid 4");
    is(master);

    // A reload in which nothing of it changes touches nothing; one that changes something does.
    let quiet = daemon.log().len();
    for number in 0..20 {
        let other = config(line).replace("weight 1", &format!("weight {}", 1 + number % 2));
        lab.reload(node, &daemon, other);
        eventually("it is done", seconds(5), || {
            daemon.log()[quiet..].matches("Reload complete").count() == number + 1
        });
    }
    assert!(!daemon.log()[quiet..].contains("IPVS sync daemon"), "{}", &daemon.log()[quiet..]);
    lab.reload(node, &daemon, config("lvs_sync_daemon eth0 inst VI_1"));
    is("master sync daemon (mcast=eth0, syncid=51, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)");

    // An interface that is not there: told once, the rest goes on; there again, it runs.
    lab.reload(node, &daemon, config("lvs_sync_daemon veth9 inst VI_1"));
    let line = "starting the master on veth9, id 51: interface veth9 does not exist; tried again every 5 s";
    eventually("it says so", seconds(5), || daemon.log_has(line));
    throughout("it says so once", seconds(12), || {
        daemon.log().matches(line).count() == 1 && node.has_address(VIP)
    });
    node.sh("ip link add veth9 type veth peer name veth8; ip addr add 10.9.0.1/24 dev veth9; ip link set veth9 up");
    eventually("it runs", seconds(8), || {
        daemons(node).starts_with("master sync daemon (mcast=veth9, syncid=51")
    });

    // Killed, and started again: as the file says, and never more than that.
    daemon.kill9();
    assert!(daemons(node).starts_with("master"), "a killed daemon leaves it behind");
    daemon = lab.director(node, lab.program(), &config("lvs_sync_daemon veth9 inst VI_1"));
    eventually("it is MASTER", seconds(15), || node.has_address(VIP));
    eventually("it sends", seconds(5), || daemons(node).starts_with("master sync daemon (mcast=veth9"));
    daemon.kill9();
    daemon = lab.director(node, lab.program(), &config(""));
    eventually("without the line nothing is left", seconds(5), || daemons(node).is_empty());
    // What somebody else starts then stays.
    node.sh("ipvsadm --start-daemon master --mcast-interface eth0 --syncid 4");
    throughout("it stays", seconds(5), || daemons(node).starts_with("master"));
    daemon.stop();
    assert!(daemons(node).starts_with("master"));
    node.sh("ipvsadm --stop-daemon master");
}

fn globals(lab: &Lab) {
    let node = &lab.lvs01;
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    let timeouts = || {
        let text = node.sh("ipvsadm -L --timeout");
        text.rsplit_once(": ").map_or(String::new(), |(_, values)| values.trim().to_owned())
    };
    let system = timeouts();
    let set = |word: &str| config(word);
    let daemon = lab.director(node, Program::Directord, &set("lvs_timeouts tcp 60 udp 5"));
    eventually("they are set", seconds(10), || timeouts() == "60 120 5");
    node.sh("ipvsadm --set 77 0 0");
    eventually("they are set back", seconds(8), || timeouts() == "60 120 5");
    lab.reload(node, &daemon, set("lvs_timeouts tcpfin 33"));
    eventually("a reload changes them", seconds(5), || timeouts() == "900 33 300");
    daemon.kill9();
    let daemon = lab.director(node, Program::Directord, &set(""));
    eventually("what was there before is back", seconds(5), || timeouts() == system);
    lab.reload(node, &daemon, set("lvs_timeouts tcp 60"));
    eventually("they are set again", seconds(5), || timeouts() == "60 120 300");
    daemon.stop();
    assert_eq!(timeouts(), system, "a stop puts them back");

    for (word, others) in [("", true), ("lvs_flush_on_stop VS", true), ("lvs_flush_on_stop", false)] {
        node.sh("ipvsadm -A -t 192.168.100.77:80 -s rr");
        let daemon = lab.director(node, Program::Directord, &set(word));
        eventually("both real servers are in", seconds(15), || node.ipvs().serving(SERVICE).len() == 2);
        daemon.stop();
        let left: Vec<String> = node.ipvs().0.into_keys().collect();
        let expected: &[&str] = if others { &["TCP 192.168.100.77:80"] } else { &[] };
        assert_eq!(left, expected, "{word}");
        node.sh("ipvsadm -C");
    }
}

/// What `ipvsadm` shows in each state, by name.
fn history(lab: &Lab, program: Program) -> Vec<(&'static str, String)> {
    let node = &lab.lvs01;
    let mut seen = Vec::new();
    let (all, own) = ("lvs_sync_daemon eth1 inst VI_1 id 9 maxlen 1400 port 9000 ttl 3 group 224.0.0.99", "");
    let of_instance = config("").replace("advert_int 1\n", "advert_int 1\n lvs_sync_daemon_interface eth1\n");
    let cases = [
        ("follows", config("lvs_sync_daemon eth1 inst VI_1")),
        ("all parameters", config(all)),
        ("of the instance", of_instance),
        ("the old form", config("lvs_sync_daemon eth1 VI_1 7")),
        ("without an instance", config("lvs_sync_daemon eth1")),
        ("without an instance, all", config(&all.replace("inst VI_1 ", ""))),
        ("an IPv6 group", config("lvs_sync_daemon eth1 id 3 group ff02::81")),
        ("a short length", config("lvs_sync_daemon eth1 id 3 maxlen 500")),
        ("none", config(own)),
    ];
    // Each as MASTER; the first and one without an instance also as BACKUP.
    for (number, (name, config)) in cases.into_iter().enumerate() {
        let states: &[bool] = if matches!(number, 0 | 4) { &[true, false] } else { &[true] };
        for &master in states {
            let config = if master { config.clone() } else { as_backup(&config) };
            let peer = (!master).then(|| lab.director(&lab.lvs02, program, &self::config("")));
            if peer.is_some() {
                eventually("the other one is MASTER", seconds(15), || lab.holders(VIP) == ["lvs02"]);
            }
            let daemon = lab.director(node, program, &config);
            let state = if master { "MASTER" } else { "BACKUP" };
            eventually(state, seconds(15), || daemon.log_has(&format!("Entering {state} STATE")));
            let mut before = String::new();
            eventually("it has come to rest", seconds(15), || {
                std::thread::sleep(millis(700));
                let now = daemons(node);
                std::mem::replace(&mut before, now.clone()) == now
            });
            say(&format!("{program:?} {name} {state}: {before}"));
            seen.push((name, before));
            daemon.stop();
            eventually("nothing runs after a stop", seconds(5), || daemons(node).is_empty());
            peer.as_ref().map(Daemon::stop);
        }
    }
    seen
}

fn equal(lab: &Lab) {
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    assert_eq!(history(lab, Program::Directord), history(lab, Program::Keepalived));
}
