//! `virtual_server group`: several services share their real servers, checks and quorum.

use super::Scenario;
use crate::lab::{BOTH, Lab, VIP, Vrrp, eventually, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "groups",
    "a group of two ports, a range and a firewall mark: one check takes a server out of all of them",
    run,
)];

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    let servers: Vec<_> =
        lab.real_servers().map(|server| server.serve_http(&[("index.html", server.name)])).into();
    lab.real_servers().iter().for_each(|server| server.bind_vip(VIP));
    let config = |entries: &str| {
        let group = format!("virtual_server_group WEB {{\n{entries}}}\n");
        let server = web_service("rr", "DR", BOTH).replacen(&format!("{VIP} 80"), "group WEB", 1);
        Vrrp::default().text() + &group + &server
    };
    let entries = format!("{VIP} 80\n192.168.100.241-242 80\nfwmark 7\n");
    let daemon = lab.director(node, lab.program(), &config(&entries));
    eventually("the address is on lvs01", seconds(15), || node.has_address(VIP));
    let all = ["TCP 192.168.100.240:80", "TCP 192.168.100.241:80", "TCP 192.168.100.242:80", "FWM 7"];
    let serving = |services: &[&str], count: usize| {
        let table = node.ipvs();
        table.0.len() == services.len()
            && services.iter().all(|service| table.serving(service).len() == count)
    };
    eventually("every service has both real servers", seconds(10), || serving(&all, 2));
    let answers = lab.client.answers(&format!("http://{VIP}/"), 10);
    assert_eq!(answers.len(), 2, "{answers:?}");

    servers[1].stop();
    eventually("the dead server is out of all of them", seconds(20), || serving(&all, 1));
    // The log has a thread of its own.
    daemon.says("Removing service [192.168.100.9]:tcp:80 from VS [WEB]:0");
    assert_eq!(daemon.log().matches("Removing service [192.168.100.9]:tcp:80 from VS [WEB]:0").count(), 1);

    // Another address in the group: the check and its verdict stay.
    let more = entries + "192.168.100.239 80\n";
    lab.reload(node, &daemon, config(&more));
    let more = [&all[..], &["TCP 192.168.100.239:80"]].concat();
    eventually("the new address has the living server", seconds(5), || serving(&more, 1));
    assert_eq!(daemon.log().matches("Removing service").count(), 1, "{}", daemon.log());
    lab.real_servers()[1].serve_http(&[("index.html", "back")]);
    eventually("it is back in all of them", seconds(20), || serving(&more, 2));
    daemon.stop();
    assert!(node.ipvs().0.is_empty(), "nothing is left");
}
