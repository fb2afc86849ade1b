//! A configuration as JSON: the dump of a keepalived.conf runs as the file itself does.

use super::Scenario;
use crate::lab::{BOTH, Lab, Signal, VIP, Vrrp, eventually, seconds, throughout, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "json",
    "a dump as JSON starts, reloads and hands over as the keepalived.conf that it was made of",
    run,
)];

const TEXT: &str = "/etc/keepalived/keepalived.conf";
const JSON: &str = "/etc/keepalived/directord.json";
const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
        server.bind_vip(VIP);
    }
    let text = Vrrp::default().text() + &web_service("wrr", "DR", BOTH);
    node.write(TEXT, &text);
    node.sh(&format!("/lab/directord config dump --format json --secrets -f {TEXT} >{JSON}"));
    let json = node.read(JSON);
    assert!(json.contains("\"auth_pass\": \"1111\""), "{json}");
    let daemon =
        node.spawn("directord", &format!("/lab/directord -n -f {JSON} --runtime-dir /run/directord"));
    let backup = text.replace("MASTER", "BACKUP").replace("priority 100", "priority 50");
    lab.director(&lab.lvs02, lab.program(), &backup);
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    eventually("both real servers are in", seconds(15), || node.ipvs().serving(SERVICE).len() == 2);

    // One weight changes.
    let heavier =
        json.replacen("\"address\": \"192.168.100.8\",", "\"address\": \"192.168.100.8\", \"weight\": 7,", 1);
    assert_ne!(heavier, json);
    node.write(JSON, &heavier);
    daemon.signal(Signal::SIGHUP);
    eventually("the new weight is in the table", seconds(5), || {
        node.ipvs().weight(SERVICE, "192.168.100.8:80") == Some(7)
    });

    // A wrong type changes nothing.
    node.write(JSON, heavier.replacen("\"weight\": 7", "\"weight\": \"heavy\"", 1));
    daemon.signal(Signal::SIGHUP);
    eventually("the reload is refused", seconds(5), || daemon.log_has("Reload refused"));
    daemon.says("directord.json:");
    throughout("nothing is changed", seconds(2), || {
        lab.holders(VIP) == ["lvs01"] && node.ipvs().weight(SERVICE, "192.168.100.8:80") == Some(7)
    });

    daemon.stop();
    eventually("the other node takes over", seconds(5), || lab.holders(VIP) == ["lvs02"]);

    // The file is still wrong: what ran before runs again.
    let daemon =
        node.spawn("directord", &format!("/lab/directord -n -f {JSON} --runtime-dir /run/directord"));
    eventually("it is the master again", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    eventually("with the last weight", seconds(5), || {
        node.ipvs().weight(SERVICE, "192.168.100.8:80") == Some(7)
    });
    daemon.says("Starting with configuration of 20");
}
