//! `--guard`: what a daemon leaves that is killed does not stay, and it comes back.

use super::Scenario;
use super::handover::serve;
use crate::lab::{
    BOTH, Daemon, Lab, Program, Signal, VIP, Vrrp, as_backup, eventually, millis, now, poll, say, seconds,
    throughout, web_service,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        limit: seconds(900),
        ..Scenario::directord(
            "guard",
            "killed once, nobody notices; killed again and again (LAB_KILLS): one owner after a second, no route or rule stays, the table is taken over",
            kills,
        )
    },
    Scenario::directord(
        "guard_alone",
        "what a killed daemon left goes although it does not come back; signals, pid file, the parent's own end",
        alone,
    ),
];

const ROUTES: &str =
    " virtual_routes {\n 10.77.0.0/16 dev eth0\n }\n virtual_rules {\n from 10.78.0.0/16 table 77\n }\n";

fn config() -> String {
    let vrrp =
        Vrrp::default().text().replacen(" virtual_ipaddress", &format!("{ROUTES} virtual_ipaddress"), 1);
    vrrp + &web_service("rr", "DR", BOTH)
}

fn is_left(lab: &Lab) -> bool {
    let there = lab.lvs01.sh("ip route show to 10.77.0.0/16; ip rule show from 10.78.0.0/16");
    lab.lvs01.has_address(VIP) || !there.trim().is_empty()
}

/// Kills the daemon, and not who watches over it.
fn kill(guard: &Daemon) {
    let child = guard.child().expect("it has no daemon");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(child as i32), Signal::SIGKILL).unwrap();
}

fn kills(lab: &Lab) {
    serve(lab);
    let times = std::env::var("LAB_KILLS").ok().and_then(|times| times.parse().ok()).unwrap_or(3);
    let first = lab.directord(&lab.lvs01, "--guard", &config());
    poll(seconds(5), || first.log_has("Entering "));
    let backup = lab.director(&lab.lvs02, Program::Directord, &as_backup(&config()));
    let leads = || {
        eventually("lvs01 leads alone", seconds(25), || lab.holders(VIP) == ["lvs01"] && is_left(lab));
        eventually("with its table", seconds(10), || {
            lab.lvs01.ipvs().serving("TCP 192.168.100.240:80").len() == 2
        });
    };
    // The first time nobody notices; on a machine that is too busy for a start in time it is tried once more.
    let mut master = first;
    for attempt in 1.. {
        leads();
        let entered = backup.log().matches("Entering ").count();
        let held = lab.client.hold("192.168.100.240:80", 20);
        let adverts = lab.lvs02.capture("eth0", "proto 112");
        let watch = lab.watch(VIP);
        kill(&master);
        let goes_on = poll(seconds(5), || master.log_has("(VI_1) Goes on as MASTER"));
        if goes_on.is_some() && !master.log_has("Took away") {
            let before = adverts.adverts().len();
            eventually("adverts leave", seconds(5), || adverts.adverts().len() > before);
            throughout("nothing has gone", seconds(2), || lab.holders(VIP) == ["lvs01"]);
            let held_by = watch.finish();
            assert_eq!((held_by.by_none, held_by.by_two), (millis(0), millis(0)), "{:?}", held_by.changes);
            let heard = adverts.finish();
            let heard: Vec<_> = heard.iter().filter_map(|packet| packet.advert()).collect();
            assert!(heard.iter().all(|one| (one.from, one.priority) == (101, 100)), "{heard:?}");
            assert_eq!(backup.log().matches("Entering ").count(), entered);
            assert_eq!(held.finish(), [""; 0]);
            break;
        }
        assert!(attempt < 4, "it was never back in time:\n{}", master.log());
        watch.finish();
        adverts.finish();
        held.finish();
        master.stop();
        master = lab.directord(&lab.lvs01, "--guard", &config());
    }
    let watch = lab.watch(VIP);
    let starts = |guard: &Daemon| guard.log().matches("Starting directord").count() as u64;
    let before = starts(&master);

    // Again and again: it stays away for longer each time, and leaves nothing.
    let mut longest = millis(0);
    for time in 0..times {
        leads();
        std::thread::sleep(millis(150 * (time % 7)));
        kill(&master);
        let gone = eventually("nothing is left", seconds(2), || !is_left(lab));
        longest = longest.max(gone);
        assert_eq!(lab.lvs01.ipvs().serving("TCP 192.168.100.240:80").len(), 2, "the table stays");
        eventually("another one is there", seconds(15), || master.child().is_some());
    }
    leads();
    let held_by = watch.finish();
    assert!(held_by.by_two < seconds(1), "{:?}", held_by.changes);
    assert_eq!(starts(&master), before + times);
    say(&format!(
        "{times} kills: everything gone within {longest:.0?}, two owners for {:.0?}",
        held_by.by_two
    ));
    master.stop();
    assert_eq!(master.exit_code(), Some(0));
}

fn alone(lab: &Lab) {
    serve(lab);
    let node = &lab.lvs01;
    let pid_in_file = || node.read("/run/directord/directord.pid").trim().parse::<u32>().ok();

    // The next one is there, but takes its time before it is in force.
    let slow = config().replacen(
        "global_defs {",
        "global_defs {\n enable_script_security\n script_user root\n startup_script /usr/local/bin/slow\n startup_script_timeout 8",
        1,
    );
    node.write("/usr/local/bin/slow", "#!/bin/sh\n[ -e /run/slow ] && sleep 3\ntouch /run/slow\n");
    node.sh("chmod 755 /usr/local/bin/slow; rm -f /run/slow");
    let guard = lab.directord(node, "--guard", &slow);
    eventually("it leads", seconds(15), || node.has_address(VIP));
    assert_eq!(pid_in_file(), Some(guard.pid()), "the pid is that of the one that stays");
    kill(&guard);
    eventually("what it left has gone before the next one is there", millis(2500), || !is_left(lab));
    guard.says("Took away what the daemon left");
    assert!(!guard.log_has("left by a process that was killed"), "the next one has not begun");
    eventually("it leads again", seconds(20), || node.has_address(VIP));

    // Signals that go to the one that stays.
    node.write(crate::lab::FILE, slow.replacen("weight 1", "weight 7", 1));
    guard.signal(Signal::SIGHUP);
    eventually("it has reloaded", seconds(10), || node.sh("ipvsadm -Ln").contains(" 7 "));
    guard.signal(Signal::SIGUSR1);
    eventually("the files are there", seconds(5), || node.run("ls /run/directord/*.data").status.success());

    // Twice in a row: later each time, and nothing is left meanwhile.
    for _time in 0..2 {
        kill(&guard);
        eventually("nothing is left", seconds(2), || !is_left(lab));
        throughout("nor comes back at once", millis(500), || !is_left(lab));
        eventually("it leads again", seconds(25), || node.has_address(VIP));
    }
    let adverts = lab.lvs02.capture("eth0", "proto 112");
    let zero = || adverts.adverts().iter().filter(|(_, advert)| advert.priority == 0).count();
    // Who stays is asked, and all processes at once, as a service manager does: that is one stop.
    let child = guard.child().unwrap();
    guard.signal(Signal::SIGTERM);
    let _gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(child as i32), Signal::SIGTERM);
    guard.wait_exit(seconds(10));
    assert_eq!((guard.exit_code(), pid_in_file()), (Some(0), None));
    assert!(!is_left(lab));
    assert_eq!(zero(), 1, "it has said goodbye");

    // The parent itself is killed: its daemon stops as it should.
    let guard = lab.directord(node, "--guard", &config());
    eventually("it leads", seconds(15), || node.has_address(VIP));
    let child = guard.child().unwrap();
    guard.signal(Signal::SIGKILL);
    eventually("the daemon has stopped", seconds(8), || {
        !std::path::Path::new(&format!("/proc/{child}")).exists()
    });
    assert!(!is_left(lab));
    assert_eq!(zero(), 2);

    // It is not to come back; and one that does not start ends its parent.
    let guard = lab.directord(node, "--guard -R", &config());
    eventually("it leads", seconds(15), || node.has_address(VIP));
    kill(&guard);
    guard.wait_exit(seconds(5));
    assert_eq!((guard.exit_code(), pid_in_file()), (Some(137), None));
    assert!(!is_left(lab));
    // Whoever sets it from now on is to keep it.
    let recorded = || node.sh("cat /run/directord/addresses 2>/dev/null || true");
    assert!(!recorded().contains(VIP), "{}", recorded());

    // One that stood still does not go on: the others have heard nothing for as long.
    let guard = lab.directord(node, "--guard", &config());
    eventually("it leads", seconds(15), || node.has_address(VIP) && recorded().contains(VIP));
    let child = nix::unistd::Pid::from_raw(guard.child().unwrap() as i32);
    nix::sys::signal::kill(child, Signal::SIGSTOP).unwrap();
    let silent = || {
        let last = adverts.adverts().last().map_or(0.0, |(time, _)| *time);
        now() - last > 3.0
    };
    eventually("it has been silent for three adverts", seconds(10), silent);
    kill(&guard);
    eventually("it starts as always", seconds(10), || guard.log().matches("Entering BACKUP").count() == 2);
    assert!(!guard.log_has("Goes on as MASTER"));
    // A stop while nobody runs.
    kill(&guard);
    eventually("nobody runs", seconds(5), || guard.child().is_none());
    guard.stop();
    assert_eq!((guard.exit_code(), pid_in_file()), (Some(0), None));
    assert!(!is_left(lab));
    let running = lab.directord(node, "--guard", &config());
    eventually("it leads", seconds(15), || node.has_address(VIP));
    let second = lab.directord(node, "--guard", &config());
    second.wait_exit(seconds(10));
    assert_eq!(second.exit_code(), Some(1));
    second.says("is already running");
    assert!(is_left(lab), "what the other one has set stays");
    running.stop();

    // In the background.
    node.write(crate::lab::FILE, config());
    node.sh("/lab/directord --guard -p /run/own.pid --runtime-dir /run/directord");
    eventually("it leads", seconds(15), || node.has_address(VIP));
    node.sh("kill -9 $(pgrep -P $(cat /run/own.pid))");
    let child = "pgrep -P $(cat /run/own.pid)";
    eventually("another one is there", seconds(5), || node.run(child).status.success());
    eventually("it leads", seconds(20), || node.has_address(VIP));
    let pid = node.read("/run/own.pid").trim().to_owned();
    node.sh(&format!("kill {pid}"));
    eventually("both have gone", seconds(10), || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!is_left(lab));
    adverts.finish();
}
