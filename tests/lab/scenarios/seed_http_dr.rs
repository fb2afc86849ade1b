//! The tutorial's first configuration, word for word.

use super::Scenario;
use crate::lab::{Lab, VIP, eventually, seconds, seed_http};

pub const SCENARIOS: &[Scenario] = &[Scenario::new(
    "seed_http_dr",
    "the tutorial's HTTP pair: both real servers answer, a changed page takes one out, restored it returns",
    run,
)];

const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
        node.bind_vip(VIP);
    }
    let digests =
        ["192.168.100.8", "192.168.100.9"].map(|server| lab.genhash(lab.program(), server, "/", ""));
    let config = seed_http(&digests[0], &digests[1]);
    lab.director_pair(&config);
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    eventually("both real servers are in", seconds(15), || lab.lvs01.ipvs().serving(SERVICE).len() == 2);

    // rr gives each new client the other server, persistence_timeout 20 keeps it there.
    let answer = |source| lab.client.get_from(source, &format!("http://{VIP}/")).unwrap();
    let first = answer("192.168.100.103");
    let second = answer("192.168.100.104");
    assert_ne!(first, second, "requests of two clients alternate");
    assert_eq!(answer("192.168.100.103"), first, "a client stays with its real server");
    assert_eq!(answer("192.168.100.104"), second, "a client stays with its real server");

    lab.rs2.page("index.html", "somebody changed this page");
    eventually("the changed page takes rs2 out", seconds(25), || {
        lab.lvs01.ipvs().serving(SERVICE) == ["192.168.100.8:80"]
    });
    assert_eq!(answer("192.168.100.105"), "rs1");
    assert_eq!(answer("192.168.100.106"), "rs1");

    lab.rs2.page("index.html", "rs2");
    eventually("the restored page brings rs2 back", seconds(25), || {
        lab.lvs01.ipvs().serving(SERVICE).len() == 2
    });
}
