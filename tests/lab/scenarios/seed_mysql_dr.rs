//! The tutorial's second configuration, word for word.

use super::Scenario;
use crate::lab::{Lab, VIP, eventually, poll, seconds, seed_mysql};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    extra: &[("mariadbd", "mariadb-server"), ("mariadb", "mariadb-client")],
    memory: 1024,
    limit: seconds(300),
    ..Scenario::new(
        "seed_mysql_dr",
        "the tutorial's MySQL pair: queries reach both, one stopped leaves the table, queries go on",
        run,
    )
}];

const SERVICE: &str = "TCP 192.168.100.240:3306";

fn run(lab: &Lab) {
    let databases = lab.real_servers().map(|node| {
        node.bind_vip(VIP);
        node.serve_mysql()
    });
    lab.director_pair(&seed_mysql());
    lab.real_servers().iter().for_each(|node| node.mysql_ready());
    eventually("the address is on lvs01", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    eventually("both databases are in", seconds(30), || lab.lvs01.ipvs().serving(SERVICE).len() == 2);

    let query = || {
        let output = lab.client.run(&format!(
            "mariadb --no-defaults -h {VIP} -u lab -N --connect-timeout=3 -e 'select @@hostname'"
        ));
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    };
    let mut seen = std::collections::BTreeSet::new();
    eventually("queries reach both databases", seconds(30), || {
        seen.insert(query());
        seen.contains("rs1") && seen.contains("rs2")
    });
    assert_eq!(seen.len(), 2, "nothing but answers of the two: {seen:?}");

    databases[1].stop();
    eventually("the stopped one leaves the table", seconds(60), || {
        lab.lvs01.ipvs().serving(SERVICE) == ["192.168.100.8:3306"]
    });
    for _ in 0..5 {
        assert_eq!(query(), "rs1", "queries go on");
    }

    let again = lab.rs2.serve_mysql();
    lab.rs2.mysql_ready();
    eventually("started again it returns", seconds(30), || lab.lvs01.ipvs().serving(SERVICE).len() == 2);
    assert!(poll(seconds(15), || query() == "rs2").is_some(), "queries reach it again");
    assert!(again.is_running());
}
