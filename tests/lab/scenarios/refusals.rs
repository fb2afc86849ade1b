//! What the daemon says when it cannot run: one clear line, and an exit status that is not zero.

use super::Scenario;
use crate::lab::{BOTH, Lab, Node, Vrrp, eventually, seconds, throughout, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "refusals",
    "no capability, no interface, no IPVS, a second copy, a bad file: one clear line each, nothing changed",
    run,
)];

const FILE: &str = "/etc/keepalived/keepalived.conf";
const START: &str = "/lab/directord -n -f /etc/keepalived/keepalived.conf --runtime-dir /run/directord";

/// Starts the daemon, which must not stay: its exit status and the error lines.
fn refused(node: &Node, command: &str) -> (i32, Vec<String>) {
    let output = node.run(&format!("timeout 10 {command}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors = text.lines().filter_map(|line| line.split_once(" ERROR ")).map(|(_, rest)| rest.to_string());
    (output.status.code().unwrap(), errors.collect())
}

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    let vrrp = Vrrp::default().text();
    node.write(FILE, &vrrp);
    let expect = |command: &str, status: i32, words: &str| {
        let (found, errors) = refused(node, command);
        assert!(errors.len() == 1 && errors[0].contains(words), "{words}: {errors:?}");
        assert_eq!(found, status, "{errors:?}");
    };
    expect(&format!("setpriv --bounding-set -net_raw {START}"), 4, "CAP_NET_RAW is missing");
    expect(
        &format!("setpriv --bounding-set -net_admin,-net_raw {START}"),
        4,
        "CAP_NET_ADMIN and CAP_NET_RAW",
    );

    let check = || {
        let output = node.run(&format!("/lab/directord --check --host -f {FILE}"));
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(check().0, Some(0), "{}", check().1);
    node.write(FILE, vrrp.replacen("eth0", "eth7", 1));
    expect(START, 2, "interface eth7 does not exist");
    assert!(check().0 == Some(2) && check().1.contains("there is no interface eth7"), "{}", check().1);
    // Into the background: whoever starts it learns the same.
    let output = node.run(&START.replace(" -n", ""));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("interface eth7 does not exist"), "{text}");
    assert_eq!(output.status.code(), Some(2));

    // A scheduler that the kernel does not have: said once, not at every look; the rest serves on.
    Node::machine().sh("modprobe ip_vs_rr; echo /bin/false >/proc/sys/kernel/modprobe");
    node.write(
        FILE,
        vrrp.clone()
            + &web_service("mh", "DR", BOTH)
            + &web_service("rr", "DR", BOTH).replace(" 80 {", " 81 {"),
    );
    let daemon = node.spawn("directord", START);
    let told = || daemon.log().matches("no scheduler mh").count();
    eventually("it says what is missing", seconds(5), || told() == 1);
    eventually("the other service is there", seconds(5), || {
        node.ipvs().serving("TCP 192.168.100.240:81").len() == 2
    });
    throughout("it says so once", seconds(5), || told() == 1 && !daemon.log().contains("another program"));
    daemon.stop();

    // No module, and none to be had.
    Node::machine().sh("rmmod ip_vs_rr ip_vs");
    node.sh("mount --bind /bin/false $(readlink -f $(command -v modprobe))");
    node.write(FILE, vrrp.clone() + &web_service("rr", "DR", BOTH));
    expect(START, 1, "this kernel has no IPVS");
    assert!(!node.has_address(crate::lab::VIP));

    // VRRP alone needs none.
    node.write(FILE, &vrrp);
    let daemon = node.spawn("directord", START);
    eventually("it runs", seconds(5), || daemon.log().contains("Entering BACKUP STATE"));
    expect(START, 1, &format!("already running: pid {}", daemon.pid()));
    eventually("it is MASTER", seconds(10), || node.has_address(crate::lab::VIP));
    lab.reload(node, &daemon, vrrp.replacen("eth0", "eth7", 1));
    eventually("a reload that cannot work is refused", seconds(5), || {
        daemon.log().contains("Reload refused: vrrp_instance")
    });
    assert!(node.has_address(crate::lab::VIP), "and nothing is changed");
    let json = node.sh("/lab/directord --signum JSON");
    node.sh(&format!("kill -{} {}", json.trim(), daemon.pid()));
    eventually("keepalived's signals do no harm", seconds(5), || daemon.log().contains("has no effect"));

    node.write(FILE, vrrp.replacen("priority", "priorty", 1));
    let output = node.run(&START.replace("/run/directord", "/run/other --strict"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("priorty") && text.contains("not started"), "{text}");
    assert_eq!(output.status.code(), Some(2));
    assert!(daemon.is_running(), "the first copy was not disturbed");
}
