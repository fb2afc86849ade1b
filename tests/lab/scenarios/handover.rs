//! Planned hand-overs: the addresses stay until another one leads.

use super::Scenario;
use crate::lab::{
    BOTH, Daemon, Lab, Node, Program, VIP, Vrrp, as_backup, eventually, millis, poll, say, seconds,
    web_service,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        limit: seconds(1500),
        extra: &[("tmux", "tmux")],
        ..Scenario::directord(
            "hand_over",
            "failover there and back: the client's outage; maintenance, which a restart does not end; nobody there",
            commands,
        )
    },
    Scenario {
        limit: seconds(1500),
        ..Scenario::directord(
            "hand_over_stop",
            "the master is stopped, with directord and with keepalived as its peer: the client's outage",
            stop,
        )
    },
];

/// Below the skew time of the backup, 0.8 s, which it was before; a machine with other work to do may need some of it.
const OUTAGE: std::time::Duration = millis(700);

pub fn configuration() -> String {
    Vrrp::default().text() + &web_service("rr", "DR", BOTH)
}

pub fn serve(lab: &Lab) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
        node.bind_vip(VIP);
    }
}

pub fn led_by(lab: &Lab, node: &Node) {
    eventually(&format!("the address is on {} alone", node.name), seconds(15), || {
        lab.holders(VIP) == [node.name]
    });
    eventually(&format!("{} has both real servers", node.name), seconds(15), || {
        node.ipvs().serving("TCP 192.168.100.240:80").len() == 2
    });
}

/// The client's longest time without an answer while something is done.
fn outage(lab: &Lab, act: impl FnOnce()) -> f64 {
    let stream = lab.client.stream("192.168.100.240:80");
    eventually("requests are answered", seconds(5), || stream.so_far().by.len() == 2);
    act();
    let before = stream.so_far().by.values().sum::<usize>();
    eventually("requests are answered afterwards", seconds(5), || {
        stream.so_far().by.values().sum::<usize>() > before + 20
    });
    let answers = stream.finish();
    assert!(answers.longest_gap < OUTAGE, "no answer for {:?}", answers.longest_gap);
    answers.longest_gap.as_secs_f64() * 1000.0
}

/// How often each is done.
fn times() -> u32 {
    std::env::var("LAB_HANDOVERS").ok().and_then(|times| times.parse().ok()).unwrap_or(2)
}

fn told(what: &str, mut outages: Vec<f64>) {
    outages.sort_by(f64::total_cmp);
    let (median, worst) = (outages[outages.len() / 2], outages[outages.len() - 1]);
    say(&format!(
        "{what}: {} times, without an answer for {median:.0} ms (median), {worst:.0} ms (worst)",
        outages.len()
    ));
}

fn commands(lab: &Lab) {
    serve(lab);
    let (first, second) = lab.director_pair(&configuration());
    led_by(lab, &lab.lvs01);
    let (lvs01, lvs02) = (&lab.lvs01, &lab.lvs02);
    // In a terminal it is seen as it happens.
    lvs01.sh("tmux -f /dev/null new-session -d -x 100 -y 20 -s watch '/lab/directord status --watch'");
    let shows = |state: &str| {
        let screen = || lvs01.sh("tmux capture-pane -p -t watch");
        let shown = || screen().lines().filter(|line| line.starts_with(state)).count() == 1;
        assert!(poll(seconds(10), shown).is_some(), "{state}:\n{}", screen());
        assert_eq!(screen().matches("directord runs for").count(), 1, "{}", screen());
    };
    shows("VI_1  MASTER for ");
    let mut outages = Vec::new();
    for _time in 0..times() {
        for (from, to, address) in [(lvs01, lvs02, "192.168.100.102"), (lvs02, lvs01, "192.168.100.101")] {
            outages.push(outage(lab, || {
                let said = from.sh("/lab/directord failover VI_1 2>&1");
                assert_eq!(said, format!("VI_1 is BACKUP: {address} leads\n"));
                led_by(lab, to);
            }));
            shows(if to.name == lvs01.name { "VI_1  MASTER for " } else { "VI_1  BACKUP for " });
        }
    }
    told("failover", outages);
    lvs01.sh("tmux kill-server");

    // Whoever gave way obeys, although its priority is higher; what it says of itself is so.
    lvs01.sh("/lab/directord failover VI_1");
    let adverts = lvs01.capture("eth0", "proto 112");
    eventually("some time passes", seconds(10), || adverts.adverts().len() >= 4);
    assert_eq!(lab.holders(VIP), ["lvs02"]);
    let status = lvs01.sh("/lab/directord status VI_1");
    assert!(status.contains("VI_1  BACKUP for ") && status.contains(", master 192.168.100.102"), "{status}");
    adverts.finish();
    let why = lvs01.sh("/lab/directord explain election VI_1");
    assert!(
        why.contains(
            "192.168.100.102 leads, with priority 50: below ours, and obeyed since `directord failover`"
        ),
        "{why}"
    );
    let schema = include_str!("../../../docs/schema/status.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let live = serde_json::from_str(&lvs01.sh("/lab/directord status --json")).unwrap();
    let errors: Vec<String> = schema.iter_errors(&live).map(|error| error.to_string()).collect();
    assert_eq!(errors, [""; 0]);
    let refused = lvs01.run("/lab/directord failover VI_1 2>&1");
    assert_eq!(refused.status.code(), Some(1));
    let words = "only a master can hand over, and VI_1 is BACKUP here, 192.168.100.102 is the master";
    assert!(String::from_utf8_lossy(&refused.stdout).contains(words), "{refused:?}");

    // Maintenance, which is over when somebody says so.
    let outage_of = outage(lab, || {
        let said = lvs02.sh("/lab/directord maintenance on --reason 'new disk' 2>&1");
        assert_eq!(said, "VI_1 is FAULT: 192.168.100.101 leads\n");
    });
    say(&format!("maintenance: without an answer for {outage_of:.0} ms"));
    led_by(lab, lvs01);
    let in_maintenance = || {
        let status = lvs02.sh("/lab/directord status 2>&1");
        assert!(status.contains(": new disk; `directord maintenance off` ends it"), "{status}");
        assert!(status.contains("VI_1  FAULT"), "{status}");
        assert!(status.contains("maintenance: new disk"), "{status}");
    };
    in_maintenance();
    second.stop();
    let second = lab.director(lvs02, Program::Directord, &as_backup(&configuration()));
    eventually("it is in maintenance still", seconds(10), || {
        second.log_has("FAULT STATE (maintenance: new disk)")
    });
    in_maintenance();
    // Nobody else is there: it leads nothing all the same.
    first.stop();
    assert_eq!(lab.holders(VIP), [""; 0]);
    lvs02.sh("/lab/directord maintenance off");
    led_by(lab, lvs02);

    // Nobody takes over.
    let alone = lvs02.run("/lab/directord failover VI_1 2>&1");
    assert_eq!(
        String::from_utf8_lossy(&alone.stdout),
        "directord: VI_1 stays MASTER: no other node has taken over\n"
    );
    assert_eq!(alone.status.code(), Some(1));
    assert_eq!(lab.holders(VIP), ["lvs02"]);
    second.stop();
    assert_eq!(lab.holders(VIP), [""; 0]);
}

fn stop(lab: &Lab) {
    serve(lab);
    for peer in [Program::Directord, Program::Keepalived] {
        let backup: Daemon = lab.director(&lab.lvs02, peer, &as_backup(&configuration()));
        let mut outages = Vec::new();
        for _time in 0..times() {
            let master = lab.director(&lab.lvs01, Program::Directord, &configuration());
            led_by(lab, &lab.lvs01);
            eventually("lvs02 has both real servers", seconds(15), || {
                lab.lvs02.ipvs().serving("TCP 192.168.100.240:80").len() == 2
            });
            outages.push(outage(lab, || {
                master.stop();
                assert_eq!(master.exit_code(), Some(0));
                assert_eq!(lab.holders(VIP), ["lvs02"]);
            }));
        }
        told(&format!("stop, {} takes over", peer.name()), outages);
        backup.stop();
    }
}
