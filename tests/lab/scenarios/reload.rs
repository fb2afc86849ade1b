//! Reloads: only what changed is touched, and a damaged file changes nothing.

use std::collections::BTreeMap;

use super::Scenario;
use crate::lab::{
    BOTH, Daemon, FILE, Lab, Table, VIP, Vrrp, eventually, millis, now, poll, say, seconds, throughout,
    web_service,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "reload_storm",
        "200 reloads, 5 a second: one weight changes, 100 connections live on",
        storm,
    ),
    Scenario {
        limit: seconds(420),
        ..Scenario::directord(
            "reload_damaged",
            "500 damaged files as reloads: each rejected one changes nothing",
            damaged,
        )
    },
    Scenario::directord(
        "reload_timed",
        "reload_time_file: both directors take another address in at once, and nobody else leads meanwhile",
        timed,
    ),
];

const SERVICE: &str = "TCP 192.168.100.240:80";
/// What the daemon's log says of the two ends of a reload.
const APPLIED: &str = "Reload complete";
const REJECTED: &str = "Reload refused";

fn config(weight: u32) -> String {
    Vrrp::default().text() + &web_service("wrr", "DR", &[BOTH[0], (BOTH[1].0, weight)])
}

fn serving(lab: &Lab) -> Daemon {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
        node.bind_vip(VIP);
    }
    let daemon = lab.director(&lab.lvs01, lab.program(), &config(1));
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    eventually("both real servers are in", seconds(15), || lab.lvs01.ipvs().serving(SERVICE).len() == 2);
    daemon
}

fn storm(lab: &Lab) {
    let daemon = serving(lab);
    let family = ipvs_family(lab);
    let held = lab.client.hold("192.168.100.240:80", 100);
    lab.lvs01.sh("ip link add nlmon0 type nlmon; ip link set nlmon0 up");
    let netlink = lab.lvs01.capture("nlmon0", "");
    let adverts = lab.lvs02.capture("eth0", "ip proto 112");

    let start = now();
    let mut seen = 0;
    for number in 1..=200_u32 {
        let weight = 1 + number % 2;
        lab.reload(&lab.lvs01, &daemon, config(weight));
        // The next one comes on its beat, whether this one has been noticed or not.
        let mut changed = false;
        poll(millis(200), || {
            changed |= lab.lvs01.ipvs().weight(SERVICE, "192.168.100.9:80") == Some(i64::from(weight));
            now() > start + f64::from(number) * 0.2
        });
        seen += u32::from(changed);
        assert!(lab.lvs01.has_address(VIP), "the address is gone in reload {number}");
    }
    say(&format!("{seen} of 200 reloads seen in the table before the next one"));
    eventually("the last weight is in the table", seconds(5), || {
        lab.lvs01.ipvs().weight(SERVICE, "192.168.100.9:80") == Some(1)
    });

    let lost = held.finish();
    assert!(lost.is_empty(), "{} connections lost: {:?}", lost.len(), lost.first());
    let mut commands: BTreeMap<u8, usize> = BTreeMap::new();
    for command in netlink.finish().iter().filter_map(|packet| packet.ipvs_command(family)) {
        *commands.entry(command).or_default() += 1;
    }
    say(&format!("IPVS commands sent: {commands:?} (4, 8, 11, 13, 15 read; 6 changes a real server)"));
    let writes: Vec<&u8> =
        commands.keys().filter(|command| ![4, 6, 8, 11, 13, 15].contains(*command)).collect();
    assert!(writes.is_empty(), "commands other than the weight's change: {writes:?}");
    assert!(
        commands.get(&6).is_some_and(|count| (50..=200).contains(count)),
        "changes of the weight: {commands:?}"
    );

    let gap = adverts.gaps().into_iter().fold(0.0, f64::max);
    assert!(gap < 2.0, "{gap:.3} s between two adverts");
    adverts.finish();
}

/// Number of the kernel's IPVS netlink family.
fn ipvs_family(lab: &Lab) -> u16 {
    let text = lab.lvs01.sh("genl ctrl get name IPVS");
    let hex =
        text.split("ID: 0x").nth(1).and_then(|rest| rest.split_whitespace().next()).expect("a family number");
    u16::from_str_radix(hex, 16).unwrap()
}

fn damaged(lab: &Lab) {
    let daemon = serving(lab);
    let good = config(1);
    let before = state(lab, &daemon);
    let adverts = lab.lvs02.capture("eth0", "ip proto 112");
    let seed = 20_261_121;
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut rejected, mut applied) = (0, 0);
    for number in 0..500 {
        let text = damage(&good, &mut random);
        match reload(lab, &daemon, &text) {
            REJECTED => {
                rejected += 1;
                assert_eq!(state(lab, &daemon), before, "copy {number} of seed {seed} was rejected:\n{text}");
            }
            _ => {
                // Damage that leaves a legal file: put the good one back.
                applied += 1;
                assert_eq!(reload(lab, &daemon, &good), APPLIED);
                let what = format!("as before copy {number} of seed {seed}");
                assert!(poll(seconds(20), || state(lab, &daemon) == before).is_some(), "{what}:\n{text}");
            }
        }
        assert!(daemon.is_running(), "ended by copy {number} of seed {seed}:\n{text}");
    }
    say(&format!("{rejected} rejected, {applied} applied"));
    assert!(rejected > 100, "most damaged files are rejected, {rejected} were");
    throughout("the daemon serves on", seconds(3), || state(lab, &daemon) == before);
    adverts.finish();
}

/// Sends a file as a reload and waits for what the log says of it.
fn reload(lab: &Lab, daemon: &Daemon, text: &str) -> &'static str {
    let count = |words| daemon.log().matches(words).count();
    let (applied, rejected) = (count(APPLIED), count(REJECTED));
    lab.reload(&lab.lvs01, daemon, text);
    let mut end = None;
    poll(seconds(5), || {
        end = if count(APPLIED) > applied {
            Some(APPLIED)
        } else if count(REJECTED) > rejected {
            Some(REJECTED)
        } else {
            None
        };
        end.is_some()
    });
    end.unwrap_or_else(|| panic!("the log says nothing of this reload:\n{text}"))
}

/// What a rejected reload must leave alone.
fn state(lab: &Lab, daemon: &Daemon) -> (u32, Table, Vec<&'static str>) {
    assert!(daemon.is_running());
    (daemon.pid(), lab.lvs01.ipvs().decided(), lab.holders(VIP))
}

/// Cut at a byte, without a line, or with a line twice.
fn damage(good: &str, random: &mut fastrand::Rng) -> String {
    let mut lines: Vec<&str> = good.lines().collect();
    let line = random.usize(..lines.len());
    match random.u8(..3) {
        0 => return good[..random.usize(..good.len())].to_string(),
        1 => {
            lines.remove(line);
        }
        _ => lines.insert(line, lines[line]),
    }
    lines.join("\n") + "\n"
}

fn timed(lab: &Lab) {
    let settings = "reload_time_file /run/when\n reload_file /run/reading\n router_id";
    let config = |priority| {
        Vrrp { priority, state: "BACKUP", ..Vrrp::default() }.text().replacen("router_id", settings, 1)
    };
    // What was left by a process that was killed.
    lab.lvs01.write("/run/reading", "");
    let daemons = [(&lab.lvs01, 100), (&lab.lvs02, 50)]
        .map(|(node, priority)| (node, priority, lab.director(node, lab.program(), &config(priority))));
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    assert!(!lab.lvs01.run("test -e /run/reading").status.success());
    for (node, _, _) in &daemons {
        node.write("/run/when", "in an hour\n");
    }
    for (_, _, daemon) in &daemons {
        eventually("which is no time", seconds(5), || daemon.log_has("its first line is `in an hour`"));
    }
    let at = lab.lvs01.sh("date -u -d '+6 seconds' '+%F %TZ'");
    let watch = lab.watch(VIP);
    for (node, priority, _) in &daemons {
        node.write(FILE, config(*priority).replace(VIP, &format!("{VIP}\n 192.168.100.241")));
        node.write("/run/when", &at);
    }
    for (_, _, daemon) in &daemons {
        eventually("it is planned", seconds(3), || {
            daemon.log_has(&format!("Scheduling reload for {}", at.trim()))
        });
    }
    assert!(!daemons.iter().any(|(_, _, daemon)| daemon.log_has(APPLIED)), "the time has not come");
    for (node, _, daemon) in &daemons {
        eventually("it is done", seconds(10), || daemon.log_has(APPLIED));
        assert!(!node.run("test -e /run/when -o -e /run/reading").status.success(), "nothing is left of it");
    }
    eventually("the other address is there", seconds(5), || lab.holders("192.168.100.241") == ["lvs01"]);
    throughout("and they stay", seconds(5), || lab.holders(VIP) == ["lvs01"]);
    let held = watch.finish();
    assert!(held.changes == ["lvs01"], "{held:?}");
}
