//! Somebody changes the kernel behind the daemon's back: it is put right, and said.

use super::Scenario;
use crate::lab::{BOTH, Lab, VIP, Vrrp, eventually, millis, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "drift",
    "an address or a table removed by hand is back at once, and the log names it",
    run,
)];

const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
    }
    let daemon =
        lab.director(&lab.lvs01, lab.program(), &(Vrrp::default().text() + &web_service("rr", "DR", BOTH)));
    eventually("the address is on lvs01", seconds(15), || lab.lvs01.has_address(VIP));
    eventually("both real servers are in", seconds(15), || lab.lvs01.ipvs().serving(SERVICE).len() == 2);
    let table = lab.lvs01.ipvs();
    let quiet = daemon.log().len();
    let said_since = |mark: usize, words: &str| daemon.log()[mark..].contains(words);

    lab.lvs01.sh("ipvsadm -C");
    eventually("the table is back", seconds(2), || lab.lvs01.ipvs() == table);
    eventually("the log names the service", seconds(1), || said_since(quiet, "192.168.100.240:80"));

    let quiet = daemon.log().len();
    lab.lvs01.sh("ipvsadm -d -t 192.168.100.240:80 -r 192.168.100.9");
    eventually("the real server is back", seconds(2), || lab.lvs01.ipvs() == table);
    eventually("the log names the real server", seconds(1), || said_since(quiet, "192.168.100.9"));

    let quiet = daemon.log().len();
    let capture = lab.client.capture("eth0", "arp");
    lab.lvs01.sh(&format!("ip addr del {VIP}/32 dev eth0"));
    eventually("the address is back", millis(200), || lab.lvs01.has_address(VIP));
    eventually("the log names the address", seconds(1), || said_since(quiet, VIP));
    eventually("and it is announced again", seconds(1), || {
        capture.packets().iter().any(|packet| packet.announced().as_deref() == Some(VIP))
    });
}
