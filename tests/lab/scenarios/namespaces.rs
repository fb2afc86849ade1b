//! `net_namespace`, `net_namespace_ipvs`: the daemon works elsewhere than it was started.

use super::Scenario;
use crate::lab::{BOTH, Lab, Table, VIP, Vrrp, eventually, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "namespaces",
    "addresses and tables are in the namespaces of the configuration, for two daemons on one host",
    run,
)];

const FILE: &str = "/etc/keepalived/keepalived.conf";
const START: &str = "/lab/directord -n -f /etc/keepalived/keepalived.conf --runtime-dir /run/directord";

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    let config = Vrrp::default().text() + &web_service("rr", "DR", BOTH);
    let inside = |command: &str| node.sh(&format!("ip netns exec blue {command}"));

    node.write(FILE, format!("net_namespace blue\n{config}"));
    let output = node.run(&format!("timeout 10 {START}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("there is no network namespace `blue`: `ip netns list` shows"), "{text}");
    assert_eq!(output.status.code(), Some(1));
    node.sh("ip netns add blue
         ip -n blue link set lo up
         ip link add away type veth peer name eth0 netns blue
         ip -n blue addr add 192.168.100.250/24 dev eth0; ip -n blue link set eth0 up; ip link set away up");
    let output = node.run(&format!("timeout 10 setpriv --bounding-set -sys_admin {START}"));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("joining the network namespace `blue` needs CAP_SYS_ADMIN"), "{text}");
    assert_eq!(output.status.code(), Some(4));

    let daemon = node.spawn("directord", START);
    let table = || Table::parse(&inside("cat /proc/net/ip_vs"));
    eventually("the address is in the namespace", seconds(15), || inside("ip addr").contains(VIP));
    eventually("the table is there", seconds(5), || table().0.contains_key("TCP 192.168.100.240:80"));
    assert!(!node.has_address(VIP) && node.ipvs().0.is_empty(), "and not here");
    assert!(node.sh("ls /run/directord/blue").contains("directord.pid"));

    // A second one for the host itself.
    node.write("/etc/keepalived/own.conf", &config);
    let own = node.spawn("own", &START.replace("keepalived.conf", "own.conf"));
    eventually("the host has its own", seconds(15), || node.has_address(VIP) && !node.ipvs().0.is_empty());
    own.stop();
    assert!(node.ipvs().0.is_empty() && !table().0.is_empty());

    // It does not move while it runs.
    lab.reload(node, &daemon, &config);
    eventually("the reload is refused", seconds(5), || {
        daemon.log_has("Reload refused: the network namespace of a running daemon does not change")
    });
    assert!(inside("ip addr").contains(VIP));
    daemon.stop();
    assert!(table().0.is_empty() && !inside("ip addr").contains(VIP));

    // The tables with the host, the rest in the namespace.
    node.write(FILE, format!("net_namespace blue\nnet_namespace_ipvs\n{config}"));
    let daemon = node.spawn("directord", &format!("nsenter --net=/proc/1/ns/net {START}"));
    eventually("the address is in the namespace", seconds(15), || inside("ip addr").contains(VIP));
    assert!(table().0.is_empty());
    let host = || std::fs::read_to_string("/proc/1/net/ip_vs").unwrap_or_default();
    eventually("the table is the host's", seconds(5), || {
        Table::parse(&host()).0.contains_key("TCP 192.168.100.240:80")
    });
    daemon.stop();
    assert!(Table::parse(&host()).0.is_empty());
}
