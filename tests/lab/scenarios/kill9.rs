//! A killed daemon leaves its addresses and table behind; started again it must know them for leftovers.

use super::Scenario;
use crate::lab::{
    BOTH, Daemon, Lab, VIP, Vrrp, eventually, now, poll, say, seconds, throughout, web_service,
};

pub const SCENARIOS: &[Scenario] = &[
    Scenario::new(
        "kill9_master",
        "killed as MASTER: the address left behind is removed before the first advert",
        master,
    ),
    Scenario::new(
        "kill9_backup",
        "killed as BACKUP: back without an advert, without the address, same table",
        backup,
    ),
    Scenario::new("kill9_fault", "killed in FAULT: in FAULT again, and BACKUP once the cable is back", fault),
    Scenario::directord(
        "kill9_changed",
        "killed, then started with another configuration: what it left goes, what is not ours stays",
        changed,
    ),
    Scenario::new("kill9_init", "killed while starting: the next start is an ordinary one", init),
];

fn config() -> String {
    Vrrp::default().text() + &web_service("rr", "DR", BOTH)
}

fn pair(lab: &Lab) -> (Daemon, Daemon) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
    }
    let pair = lab.director_pair(&config());
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    pair
}

fn master(lab: &Lab) {
    let (master, _backup) = pair(lab);
    master.kill9();
    assert!(lab.lvs01.has_address(VIP), "a killed daemon leaves the address behind");
    eventually("the address is on both", seconds(10), || lab.holders(VIP).len() == 2);

    let capture = lab.lvs02.capture("eth0", "ip proto 112");
    let started = now();
    let _master = lab.director(&lab.lvs01, lab.program(), &config());
    let own = |after: f64| capture.adverts().iter().any(|(time, advert)| *time > after && advert.from == 101);
    let gone = poll(seconds(4), || !lab.lvs01.has_address(VIP));
    say(&format!("leftover gone after {gone:.3?}, adverts so far: {}", own(started)));
    assert!(gone.is_some(), "the leftover address stays");
    assert!(!own(started), "an advert was sent while the leftover was still there");
    eventually("the address is on lvs01 alone", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    throughout("the address is on lvs01 alone", seconds(2), || lab.holders(VIP) == ["lvs01"]);
    capture.finish();
}

fn changed(lab: &Lab) {
    let (master, backup) = pair(lab);
    backup.stop();
    lab.lvs01.sh("ipvsadm -A -t 192.168.100.240:99 -s rr; ip addr add 192.168.100.250/32 dev eth0");
    master.kill9();
    assert!(lab.lvs01.has_address(VIP), "a killed daemon leaves the address behind");
    // Neither the instance nor the service is configured any more.
    let other = web_service("rr", "DR", BOTH).replace(" 80 {\n    delay_loop", " 81 {\n    delay_loop");
    lab.director(&lab.lvs01, lab.program(), &other);
    eventually("the address is removed", seconds(3), || !lab.lvs01.has_address(VIP));
    eventually("the new service is there", seconds(3), || {
        lab.lvs01.sh("ipvsadm -Ln").contains("192.168.100.240:81")
    });
    let table = lab.lvs01.sh("ipvsadm -Ln");
    assert!(!table.contains("192.168.100.240:80 "), "the old service is removed: {table}");
    assert!(table.contains("192.168.100.240:99"), "a service of somebody else stays: {table}");
    assert!(lab.lvs01.has_address("192.168.100.250"), "an address of somebody else stays");
}

fn backup(lab: &Lab) {
    let (_master, backup) = pair(lab);
    let service = "TCP 192.168.100.240:80";
    eventually("both real servers are in", seconds(10), || lab.lvs02.ipvs().serving(service).len() == 2);
    let table = lab.lvs02.ipvs();
    let capture = lab.lvs02.capture("eth0", "ip proto 112");
    backup.kill9();
    assert_eq!(lab.lvs02.ipvs(), table, "a killed daemon leaves the table behind");
    let started = now();
    lab.director(&lab.lvs02, lab.program(), &crate::lab::as_backup(&config()));
    throughout("the address stays on lvs01 alone", seconds(6), || lab.holders(VIP) == ["lvs01"]);
    assert!(capture.adverts().iter().all(|(_, advert)| advert.from == 101), "a backup sends no advert");
    assert!(capture.adverts().iter().any(|(time, _)| *time > started), "the master was heard all the time");
    eventually("the table is the same again", seconds(10), || lab.lvs02.ipvs() == table);
    capture.finish();
}

fn fault(lab: &Lab) {
    let (_master, backup) = pair(lab);
    lab.lvs02.cut("eth0");
    backup.kill9();
    let capture = lab.lvs01.capture("eth0", "ip proto 112");
    let _backup = lab.director(&lab.lvs02, lab.program(), &crate::lab::as_backup(&config()));
    throughout("without a cable no address on lvs02", seconds(5), || !lab.lvs02.has_address(VIP));
    lab.lvs02.mend("eth0");
    throughout("with the cable back the master stays", seconds(5), || lab.holders(VIP) == ["lvs01"]);
    assert!(capture.finish().iter().filter_map(|packet| packet.advert()).all(|advert| advert.from == 101));
    lab.lvs01.power_off();
    eventually("lvs02 is a backup and takes over", seconds(10), || lab.holders(VIP) == ["lvs02"]);
}

fn init(lab: &Lab) {
    let daemon = lab.director(&lab.lvs01, lab.program(), &config());
    // As soon as anything of it can be seen.
    eventually("it has said something", seconds(5), || !daemon.log().is_empty());
    daemon.kill9();
    let capture = lab.lvs02.capture("eth0", "ip proto 112");
    let daemon = lab.director(&lab.lvs01, lab.program(), &config());
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    eventually("adverts are heard", seconds(3), || capture.adverts().len() > 1);
    assert!(daemon.is_running());
    capture.finish();
}
