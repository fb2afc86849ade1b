//! What others do to a start: another VRRP daemon, users with too much time, full disks, deaf service managers.

use super::Scenario;
use crate::lab::{Lab, Program, Signal, VIP, Vrrp, eventually, poll, seconds, throughout};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::directord(
        "beside_keepalived",
        "beside a running keepalived it does not start, and keepalived's address stays",
        keepalived,
    ),
    Scenario::directord(
        "hostile_neighbours",
        "no user's lock, planted file, full disk or early signal keeps it from starting",
        neighbours,
    ),
    Scenario::directord(
        "deaf_service_manager",
        "a service manager that reads nothing keeps neither the loop nor the stop waiting",
        deaf,
    ),
];

const FILE: &str = "/etc/keepalived/keepalived.conf";
const START: &str = "/lab/directord -n -f /etc/keepalived/keepalived.conf --runtime-dir /run/directord";

fn keepalived(lab: &Lab) {
    let node = &lab.lvs01;
    let config = Vrrp::default().text();
    let other = lab.director(node, Program::Keepalived, &config);
    eventually("keepalived has the address", seconds(15), || node.has_address(VIP));
    // A record from before keepalived was put in our place.
    node.sh("mkdir -p /run/directord; echo 'eth0 192.168.100.240/32' >/run/directord/addresses
             chmod 600 /run/directord/addresses");
    // In its unit it may not look into keepalived; by pid files, by names, in the background.
    let confined = "setpriv --bounding-set -all,+net_admin,+net_raw,+sys_nice";
    for start in [START.to_owned(), format!("{confined} {START}"), START.replace(" -n", "")] {
        let output = node.run(&format!("timeout 10 {start}"));
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("keepalived) runs VRRP in this network namespace"), "{text}");
        assert!(text.contains("systemctl disable --now keepalived"), "{text}");
        assert!(node.has_address(VIP), "keepalived's address stays");
    }
    // On another node it is no reason.
    let daemon = lab.director(&lab.lvs02, Program::Directord, &config.replace("priority 100", "priority 50"));
    eventually("it runs there", seconds(5), || daemon.log_has("Entering BACKUP STATE"));
    // Without VRRP there is nothing to fight for.
    let checkers = node.spawn("directord", &format!("{START} -C"));
    eventually("without VRRP it runs", seconds(5), || !node.read("/run/directord/directord.pid").is_empty());
    checkers.stop();
    assert!(node.has_address(VIP));
    other.stop();
    // Another daemon of the kind is in the way when it has our address, and only then.
    node.sh("cp /lab/scenario /tmp/vrrpd; ip addr add 192.168.100.240/32 dev lo");
    let other = node.spawn("vrrpd", "/tmp/vrrpd agent vrrp");
    eventually("it listens", seconds(5), || other.log_has("listening"));
    let output = node.run(&format!("timeout 10 {START}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && text.contains("vrrpd) runs VRRP"), "{text}");
    node.sh("ip addr del 192.168.100.240/32 dev lo");
    let daemon = lab.director(node, Program::Directord, &config);
    eventually("beside one with other addresses it takes over", seconds(15), || node.has_address(VIP));
    daemon.stop();
    other.stop();
    let daemon = lab.director(node, Program::Directord, &config);
    eventually("afterwards it takes over", seconds(15), || node.has_address(VIP));
    assert!(daemon.is_running());
}

fn neighbours(lab: &Lab) {
    let node = &lab.lvs01;
    let config = Vrrp::default().text();
    node.write(FILE, &config);
    let run = |what: &str| {
        let daemon = node.spawn("directord", &format!("{START} -p /run/own.pid"));
        eventually(what, seconds(15), || node.has_address(VIP));
        daemon
    };
    let daemon = run("it runs");
    let pid = format!("{}\n", daemon.pid());
    assert_eq!(node.read("/run/directord/directord.pid"), pid);
    assert_eq!(node.read("/run/own.pid"), pid);
    // Every file that a user can open, he locks.
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups";
    let lockers = node.spawn(
        "lockers",
        &format!(
            "{nobody} sh -c 'for f in /run/directord/* /run/own.pid; do flock -n $f sleep 60 & done; wait'"
        ),
    );
    eventually("they hold what they can", seconds(5), || {
        node.run("grep -q FLOCK /proc/locks").status.success() && lockers.is_running()
    });
    daemon.stop();
    assert_eq!(node.read("/run/directord/directord.pid"), "", "a clean stop leaves no pid file");
    assert_eq!(node.read("/run/own.pid"), "");
    let daemon = run("it runs in spite of them");
    daemon.stop();
    lockers.kill9();

    // Files planted in a folder that everybody can write to.
    node.sh(&format!(
        "rm -rf /run/directord; mkdir -m 1777 /run/directord
         {nobody} sh -c 'cd /run/directord; mkfifo directord.lock addresses ipvs-services directord.pid
         ln -s /etc/passwd directord.pid.new; ln -s /etc/passwd addresses.new; mkfifo control.socket'
         ip addr add 192.168.100.77/24 dev eth0; md5sum /etc/passwd >/tmp/passwd"
    ));
    let daemon = run("it runs in spite of what they planted");
    node.sh("md5sum -c /tmp/passwd");
    assert_eq!(node.read("/run/directord/directord.pid"), format!("{}\n", daemon.pid()));
    assert_eq!(node.run("/lab/directord reload").status.code(), Some(0), "{}", daemon.log());
    daemon.says("is not used: it is no regular file");
    daemon.stop();
    node.sh(&format!(
        "rm -rf /run/directord; mkdir -m 1777 /run/directord
         {nobody} sh -c 'echo eth0 192.168.100.77/24 >/run/directord/addresses; chmod 600 /run/directord/addresses'"
    ));
    let daemon = run("it runs in spite of a forged record");
    assert!(node.has_address("192.168.100.77"), "a forged record removes nothing");
    daemon.stop();

    // No room: it runs, says what that costs, and writes when it can.
    node.sh("rm -rf /run/directord; mkdir /run/directord
             mount -t tmpfs -o size=4k,nr_inodes=3 tmpfs /run/directord
             mount -t tmpfs -o size=4k tmpfs /var/lib/directord
             dd if=/dev/zero of=/run/directord/full bs=4k count=1 status=none; : >/run/directord/more
             dd if=/dev/zero of=/var/lib/directord/full bs=4k count=1 status=none");
    let daemon = run("it runs without room");
    for words in [
        "cannot lock",
        "cannot write the pid file",
        "cannot record our addresses",
        "cannot listen",
        "cannot keep",
    ] {
        eventually(words, seconds(5), || daemon.log_has(words));
    }
    node.sh("rm /run/directord/full; mount -o remount,size=1m,nr_inodes=100 /run/directord");
    eventually("with room it writes", seconds(10), || {
        !node.read("/run/directord/directord.pid").is_empty()
            && node.read("/run/directord/addresses").contains(VIP)
            && node.run("/lab/directord reload").status.success()
    });
    daemon.stop();
    node.sh("umount /run/directord /var/lib/directord");

    // A reload that is asked for before anything is ready is done when it is.
    for _ in 0..10 {
        let daemon = node.spawn("directord", START);
        let early = poll(seconds(5), || {
            node.run(&format!("grep -q '^SigBlk:.*1$' /proc/{}/status", daemon.pid())).status.success()
                || !daemon.log().is_empty()
        });
        assert!(early.is_some());
        daemon.signal(Signal::SIGHUP);
        eventually("the reload is done", seconds(5), || daemon.log_has("Reload complete"));
        daemon.stop();
    }

    // Into the background: whoever starts it waits until it is ready.
    node.sh(&START.replace(" -n", ""));
    let pid = node.read("/run/directord/directord.pid");
    assert!(node.run(&format!("kill -0 {pid}")).status.success(), "pid {pid}");
    node.sh(&format!("kill {pid}"));
    eventually("it ends", seconds(10), || node.read("/run/directord/directord.pid").is_empty());
}

fn deaf(lab: &Lab) {
    let node = &lab.lvs01;
    node.write(FILE, Vrrp::default().text());
    let manager = node.spawn("manager", "/lab/scenario agent deaf /tmp/notify");
    eventually("its queue is full", seconds(10), || manager.log_has("full"));
    let daemon = node.spawn("directord", &format!("env NOTIFY_SOCKET=/tmp/notify {START}"));
    eventually("it is MASTER all the same", seconds(15), || node.has_address(VIP));
    for number in 1..=20 {
        assert!(node.run("/lab/directord reload --timeout 5").status.success(), "reload {number}");
    }
    throughout("it runs", seconds(2), || daemon.is_running() && node.has_address(VIP));
    let took = daemon.stop();
    assert!(took < seconds(3), "the stop took {took:?}");
    assert!(!node.has_address(VIP));
}
