//! The kernel's IPVS goes and comes back while the daemon runs.

use super::Scenario;
use crate::lab::{BOTH, Lab, Node, VIP, Vrrp, eventually, seconds, throughout, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "ipvs_module",
    "the module is unloaded and loaded: the table is programmed anew, one line when IPVS goes and one when it is back",
    run,
)];

const SERVICE: &str = "TCP 192.168.100.240:80";
/// The daemon puts back what is flushed, and a module in use is not unloaded: again, until it is gone.
const UNLOAD: &str = "for turn in $(seq 50); do
    ipvsadm -C 2>/dev/null || true
    rmmod ip_vs_rr ip_vs 2>/dev/null || true
    [ -e /sys/module/ip_vs ] || exit 0
done
exit 1";

fn run(lab: &Lab) {
    let (node, machine) = (&lab.lvs01, Node::machine());
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    let daemon =
        lab.director(node, lab.program(), &(Vrrp::default().text() + &web_service("rr", "DR", BOTH)));
    eventually("the address is on lvs01", seconds(15), || node.has_address(VIP));
    eventually("both real servers are in", seconds(15), || node.ipvs().serving(SERVICE).len() == 2);
    let table = node.ipvs();
    let count = |words: &str| daemon.log().matches(words).count();

    // Loaded anew, its netlink family has another number.
    node.sh(&format!("({UNLOAD}); modprobe ip_vs"));
    eventually("the table is back", seconds(3), || node.ipvs() == table);
    eventually("the log says why", seconds(2), || count("the module was unloaded meanwhile") == 1);

    // Gone, and not to be had.
    node.sh("mount -t tmpfs tmpfs /lib/modules");
    let loader = machine.sh("cat /proc/sys/kernel/modprobe; echo /bin/false >/proc/sys/kernel/modprobe");
    node.sh(UNLOAD);
    eventually("the log names it", seconds(3), || {
        count("1 virtual service does not run: this kernel has no IPVS") == 1
    });
    throughout("it says so once, and VRRP goes on", seconds(12), || {
        count("no IPVS") == 1 && node.has_address(VIP) && daemon.is_running()
    });

    // Back.
    let quiet = daemon.log().len();
    machine.sh(&format!("echo {} >/proc/sys/kernel/modprobe; modprobe ip_vs", loader.trim()));
    eventually("the table is programmed", seconds(7), || node.ipvs() == table);
    eventually("and the log says so", seconds(2), || {
        count("IPVS is available: 1 virtual service is programmed") == 1
    });
    throughout("nothing more is said", seconds(4), || daemon.log()[quiet..].lines().count() == 1);
}
