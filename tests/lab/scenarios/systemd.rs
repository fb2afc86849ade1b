//! The unit that is shipped, under a real systemd.

use super::Scenario;
use crate::lab::{BOTH, Lab, Node, VIP, Vrrp, eventually, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    systemd: true,
    extra: &[("systemctl", "systemd"), ("dbus-daemon", "dbus")],
    ..Scenario::directord(
        "systemd",
        "the shipped unit: ready, status line, reload, refused reload, killed and restarted, stopped",
        run,
    )
}];

const FILE: &str = "/etc/keepalived/keepalived.conf";

fn run(_lab: &Lab) {
    let machine = Node::machine();
    machine.sh("ip link add eth0 type veth peer name eth0-peer
         ip addr add 192.168.100.101/24 dev eth0; ip link set eth0 up; ip link set eth0-peer up
         ip addr add 192.168.100.8/32 dev lo; ip addr add 192.168.100.9/32 dev lo
         install -m 0755 /lab/directord /usr/sbin/directord
         mkdir -p /etc/keepalived");
    machine
        .write("/etc/systemd/system/directord.service", include_str!("../../../packaging/directord.service"));
    machine.write(
        "/usr/share/dbus-1/system.d/directord.conf",
        include_str!("../../../packaging/directord-dbus.conf"),
    );
    machine.sh("systemctl start dbus");
    machine.serve_http(&[("index.html", "both real servers")]);
    let config =
        Vrrp::default().text().replacen("global_defs {", "global_defs {\n enable_snmp_vrrp\n enable_dbus", 1)
            + &web_service("rr", "DR", BOTH);
    machine.write(FILE, &config);
    machine.sh("systemctl daemon-reload; systemctl start directord");
    let property = |name: &str| machine.sh(&format!("systemctl show -P {name} directord")).trim().to_string();
    assert_eq!(property("ActiveState"), "active", "ready when start returns");
    assert_eq!(
        machine.ipvs().serving("TCP 192.168.100.240:80").len(),
        2,
        "the table is there when it is ready"
    );
    eventually("the status line says MASTER", seconds(10), || {
        property("StatusText") == "VI_1 MASTER; 1 virtual server, 2 of 2 real servers up"
    });
    assert!(machine.has_address(VIP));
    assert!(
        !machine.sh("pgrep -x directord-snmp").is_empty(),
        "what answers over SNMP is there, in spite of the unit"
    );
    let of = "/org/keepalived/Vrrp1/Instance/eth0/51/IPv4 org.keepalived.Vrrp1.Instance";
    let state = format!("busctl --system get-property org.keepalived.Vrrp1 {of} State");
    eventually("so is D-Bus", seconds(5), || {
        String::from_utf8_lossy(&machine.run(&state).stdout).trim() == "(us) 2 \"Master\""
    });

    let journal = |words: &str| machine.sh("journalctl -u directord -o cat --no-pager").contains(words);
    let journal_count =
        |words: &str| machine.sh("journalctl -u directord -o cat --no-pager").matches(words).count();
    let pid = property("MainPID");
    machine.write(FILE, config.replacen("virtual_router_id", "virtual_ruoter_id", 1));
    assert!(!machine.run("systemctl reload directord").status.success(), "the refusal is told");
    assert!(property("StatusText").contains("reload refused"), "{}", property("StatusText"));
    assert_eq!(property("ActiveState"), "active");
    eventually("the journal says where and why", seconds(5), || {
        journal("did you mean `virtual_router_id`") || journal("write `virtual_router_id`")
    });
    machine.write(FILE, config.replacen("weight 1", "weight 7", 1));
    machine.sh("systemctl reload directord");
    assert!(machine.sh("ipvsadm -Ln").contains(" 7 "), "the weight is changed when reload returns");
    assert!(property("StatusText").starts_with("VI_1 MASTER"), "{}", property("StatusText"));
    assert_eq!(journal_count("Reload complete"), 1, "it is said once");
    machine.sh(&format!("kill -HUP {pid}"));
    eventually("a signal alone works", seconds(5), || journal_count("Reload complete") == 2);
    assert_eq!(property("MainPID"), pid, "one process all the time");
    let warnings = machine.sh("journalctl -u directord -p warning -o cat --no-pager");
    assert!(warnings.contains("refused") && !warnings.contains("Entering MASTER"), "priorities: {warnings}");

    machine.sh(&format!("kill -9 $(pgrep -P {pid} -x directord)"));
    eventually("it is started again", seconds(10), || journal("it is started again"));
    // Unnoticed when it was back in time, which a busy machine may not allow: that is what `guard` is about.
    eventually("MASTER again", seconds(10), || {
        journal_count("Entering MASTER") + journal_count("Goes on as MASTER") == 2
    });
    eventually("and the status line says so", seconds(5), || {
        property("StatusText").starts_with("VI_1 MASTER")
    });
    assert!(machine.has_address(VIP));
    assert_eq!(property("MainPID"), pid, "systemd knows who watches over it");

    machine.sh(&format!("kill -9 {pid}"));
    eventually("systemd starts both again", seconds(10), || {
        property("ActiveState") == "active" && ![pid.as_str(), "0"].contains(&property("MainPID").as_str())
    });
    eventually("MASTER again", seconds(10), || machine.has_address(VIP));
    let pid = property("MainPID");
    machine.sh(&format!("kill -9 {pid} $(pgrep -P {pid} -x directord)"));
    eventually("what both left is removed", seconds(10), || journal("left by a process that was killed"));
    eventually("MASTER again", seconds(10), || machine.has_address(VIP));

    machine.sh("systemctl stop directord");
    assert!(!machine.has_address(VIP), "the address is given up");
    assert!(machine.ipvs().serving("TCP 192.168.100.240:80").is_empty(), "the table is empty");
    assert_eq!(property("Result"), "success");
    assert!(!machine.run("pgrep -x 'directord-(snmp|dbus)'").status.success());
    assert!(
        journal("SNMP: no master agent at unix:/var/agentx/master")
            && !journal("the process that answers has ended")
    );

    // The unit lets it write the settings of the kernel that it needs, and nothing else of them.
    machine
        .write(FILE, config.replacen("interface eth0", "interface eth0\n use_vmac\n promote_secondaries", 1));
    let setting =
        |name: &str| machine.sh(&format!("cat /proc/sys/net/ipv4/conf/eth0/{name}")).trim().to_string();
    let settings = || ["arp_ignore", "arp_filter", "promote_secondaries"].map(setting);
    machine.sh("echo 0 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries; systemctl start directord");
    eventually("the address is on the virtual router's interface", seconds(10), || {
        machine.sh("ip -o addr show dev vrrp.51 || true").contains(VIP)
    });
    assert_eq!(settings(), ["1", "1", "1"]);
    machine.sh("systemctl stop directord");
    assert_eq!(settings(), ["0", "0", "0"]);
    assert!(!journal("cannot be written"));

    // The advice for a network namespace works when it is followed, both ways of it.
    machine.sh("ip netns add blue; ip link add away type veth peer name eth0 netns blue; ip link set away up
         ip -n blue link set eth0 up; ip -n blue addr add 192.168.100.250/24 dev eth0");
    let inside = || machine.sh("ip -n blue addr").contains(VIP);
    machine.write(FILE, format!("net_namespace blue\n{}", Vrrp::default().text()));
    assert!(!machine.run("systemctl start directord").status.success(), "the unit may not join it");
    assert!(journal("`systemctl edit directord` with the lines `[Service]`, `CapabilityBoundingSet="));
    machine.sh("mkdir -p /etc/systemd/system/directord.service.d");
    let follow = |lines: &str| {
        machine
            .write("/etc/systemd/system/directord.service.d/override.conf", format!("[Service]\n{lines}\n"));
        machine.sh("systemctl daemon-reload; systemctl reset-failed directord || true");
        let starts = machine.run("systemctl start directord").status.success();
        let last = || machine.sh("journalctl -u directord -o cat --no-pager | tail -5");
        assert!(starts, "with `{lines}`: {}", last());
        eventually("the address is in the namespace", seconds(15), inside);
        machine.sh("systemctl stop directord");
        assert!(!inside() && !machine.has_address(VIP));
    };
    follow("CapabilityBoundingSet=CAP_SYS_ADMIN\nRestrictNamespaces=no");
    machine.write(FILE, Vrrp::default().text());
    follow("NetworkNamespacePath=/run/netns/blue");
}
