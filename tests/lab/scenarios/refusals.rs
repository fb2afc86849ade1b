//! What the daemon says when it cannot run: one clear line, and an exit status that is not zero.

use super::Scenario;
use crate::lab::{BOTH, Lab, Node, Vrrp, eventually, seconds, throughout, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "refusals",
    "no capability, a second copy, a bad file: one clear line each; no interface, no IPVS: the rest runs",
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
    // An interface that is not there holds nobody else up, and is taken up when it comes.
    let other = vrrp.replace("VI_1", "VI_2").replace("router_id 51", "router_id 52").replace(".240", ".241");
    let other = other.split_once("vrrp_instance").map(|(_, rest)| format!("vrrp_instance{rest}")).unwrap();
    let two = vrrp.clone() + &other.replacen("eth0", "eth7", 1);
    node.write(FILE, &two);
    assert!(check().0 == Some(1) && check().1.contains("there is no interface eth7"), "{}", check().1);
    let as_start = node.run(&format!("/lab/directord --check --as-start -f {FILE}"));
    let text = String::from_utf8_lossy(&as_start.stderr).into_owned();
    assert!(text.contains("VI_2 does not run: interface eth7 does not exist"), "{text}");
    let daemon = node.spawn("directord", START);
    eventually("the other one is MASTER", seconds(10), || node.has_address(crate::lab::VIP));
    daemon.says("VI_2 does not run: interface eth7 does not exist");
    lab.reload(node, &daemon, two.replacen("priority 100", "priority 110", 1));
    eventually("a reload goes on without it", seconds(5), || daemon.log_has("Reload complete"));
    daemon.says("vrrp_instance VI_1: priority 100 -> 110");
    node.sh("ip link add eth7 type veth peer name eth7-peer; ip link set eth7-peer up
             ip addr add 192.168.101.1/24 dev eth7; ip link set eth7 up");
    eventually("it joins with its interface", seconds(15), || node.has_address("192.168.100.241"));
    node.sh("ip link del eth7");
    eventually("and leaves with it", seconds(5), || {
        daemon.log().matches("interface eth7 does not exist").count() > 3
    });
    assert!(node.has_address(crate::lab::VIP), "the other one is not touched");
    daemon.stop();

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
    let daemon = node.spawn("directord", START);
    eventually("VRRP runs without it", seconds(10), || node.has_address(crate::lab::VIP));
    daemon.says("does not run: this kernel has no IPVS");
    node.sh("umount $(readlink -f $(command -v modprobe))");
    // Both at once: found between the two, a service without its scheduler is tried again a minute later.
    Node::machine().sh("modprobe ip_vs_rr");
    eventually("the services come with the module", seconds(20), || {
        node.ipvs().serving("TCP 192.168.100.240:80").len() == 2
    });
    assert!(!daemon.log_has("another program"), "{}", daemon.log());
    daemon.stop();
    Node::machine().sh("rmmod ip_vs_rr ip_vs");
    node.sh("mount --bind /bin/false $(readlink -f $(command -v modprobe))");

    // VRRP alone needs none.
    node.write(FILE, &vrrp);
    let daemon = node.spawn("directord", START);
    eventually("it runs", seconds(5), || daemon.log().contains("Entering BACKUP STATE"));
    expect(START, 1, &format!("already running: pid {}", daemon.pid()));
    eventually("it is MASTER", seconds(10), || node.has_address(crate::lab::VIP));
    let json = node.sh("/lab/directord --signum JSON");
    node.sh(&format!("kill -{} {}", json.trim(), daemon.pid()));
    eventually("keepalived's signals do what they do there", seconds(5), || {
        node.run("test -s /run/directord/keepalived.json").status.success()
    });

    node.write(FILE, vrrp.replacen("priority", "priorty", 1));
    let output = node.run(&START.replace("/run/directord", "/run/other --strict"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("priorty") && text.contains("not started"), "{text}");
    assert_eq!(output.status.code(), Some(2));
    assert!(daemon.is_running(), "the first copy was not disturbed");
}
