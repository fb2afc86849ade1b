//! The other two ways to a real server: NAT through the director, and a tunnel.

use super::Scenario;
use crate::lab::{Lab, VIP, eventually, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "nat_pair",
        "NAT: the inner gateway moves with the outer address, both real servers answer",
        nat,
    ),
    Scenario::directord(
        "nat_example",
        "the NAT example as it is shipped: the inside cable of the master is pulled, both addresses move",
        nat_example,
    ),
    Scenario::new("tun_pair", "tunnel: requests arrive encapsulated, answers go straight to the client", tun),
];

const INNER: &[(&str, u32)] = &[("10.0.0.8", 1), ("10.0.0.9", 1)];
const GATEWAY: &str = "10.0.0.1";

fn nat(lab: &Lab) {
    for node in lab.real_servers() {
        // Only the inside network: whatever reaches the client went through a director.
        node.sh(&format!("ip link set eth0 down; ip route add default via {GATEWAY}"));
        node.serve_http(&[("index.html", node.name)]);
    }
    for node in lab.directors() {
        node.sh("sysctl -qw net.ipv4.ip_forward=1");
    }
    let instance = |name: &str, interface: &str, id: u8, address: &str| {
        format!(
            "vrrp_instance {name} {{\n state MASTER\n interface {interface}\n virtual_router_id {id}\n priority 100\n \
             advert_int 1\n virtual_ipaddress {{\n {address}/24\n }}\n}}\n"
        )
    };
    let config = "vrrp_sync_group VG_1 {\n group {\n outside\n inside\n }\n}\n".to_string()
        + &instance("outside", "eth0", 51, VIP)
        + &instance("inside", "eth1", 52, GATEWAY)
        + &web_service("rr", "NAT", INNER);
    let (master, _backup) = lab.director_pair(&config);
    serves(lab, "lvs01");
    assert_eq!(lab.holders(GATEWAY), ["lvs01"], "the gateway is with the address");
    master.stop();
    serves(lab, "lvs02");
    assert_eq!(lab.holders(GATEWAY), ["lvs02"], "the gateway has moved with the address");
}

fn nat_example(lab: &Lab) {
    for node in lab.real_servers() {
        node.sh(&format!("ip link set eth0 down; ip route add default via {GATEWAY}"));
        node.serve_http(&[("healthz", "well"), ("index.html", node.name)]);
    }
    for node in lab.directors() {
        node.sh("sysctl -qw net.ipv4.ip_forward=1");
    }
    // Its addresses in the lab; nothing else.
    let first = include_str!("../../../conf-examples/nat-pair.conf")
        .replace("192.0.2.10", VIP)
        .replace("sorry_server 10.0.0.9 ", "sorry_server 10.0.0.99 ")
        .replace("10.0.0.21 8080", "10.0.0.8 80")
        .replace("10.0.0.22 8080", "10.0.0.9 80");
    lab.director(&lab.lvs01, lab.program(), &first);
    lab.director(&lab.lvs02, lab.program(), &first.replace("priority 100", "priority 50"));
    serves(lab, "lvs01");
    assert_eq!(lab.holders(GATEWAY), ["lvs01"], "the gateway is with the address");
    lab.lvs01.cut("eth1");
    serves(lab, "lvs02");
    assert_eq!(lab.holders(GATEWAY), ["lvs02"], "the gateway has moved with the address");
    lab.lvs01.mend("eth1");
    serves(lab, "lvs01");
}

fn tun(lab: &Lab) {
    for node in lab.real_servers() {
        node.sh(&format!(
            "modprobe ipip; ip addr add {VIP}/32 dev tunl0; ip link set tunl0 up
             for each in all tunl0; do
                 echo 1 >/proc/sys/net/ipv4/conf/$each/arp_ignore
                 echo 2 >/proc/sys/net/ipv4/conf/$each/arp_announce
                 echo 0 >/proc/sys/net/ipv4/conf/$each/rp_filter
             done"
        ));
        node.serve_http(&[("index.html", node.name)]);
    }
    let tunnelled = lab.rs1.capture("eth1", "ip proto 4");
    let config = crate::lab::Vrrp::default().text() + &web_service("rr", "TUN", INNER);
    let (master, _backup) = lab.director_pair(&config);
    serves(lab, "lvs01");
    assert!(!tunnelled.finish().is_empty(), "requests arrive encapsulated");
    master.stop();
    serves(lab, "lvs02");
}

/// The named director holds the address and both real servers answer through it.
fn serves(lab: &Lab, director: &str) {
    eventually(&format!("the address is on {director} alone"), seconds(15), || {
        lab.holders(VIP) == [director]
    });
    let node = lab.directors().into_iter().find(|node| node.name == director).unwrap();
    eventually("both real servers are in", seconds(10), || {
        node.ipvs().serving("TCP 192.168.100.240:80").len() == 2
    });
    eventually("both real servers answer", seconds(10), || {
        let answers = lab.client.answers(&format!("http://{VIP}/"), 4);
        answers.get("rs1") == Some(&2) && answers.get("rs2") == Some(&2)
    });
}
