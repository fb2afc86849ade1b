//! Starts with a file that has errors: the service comes up, and everybody is told.

use super::Scenario;
use crate::lab::{BOTH, Daemon, Lab, Signal, VIP, Vrrp, eventually, seconds, throughout, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "start_in_spite",
    "a start with errors in the file runs the last configuration that had none, else the file without them",
    run,
)];

const FILE: &str = "/etc/keepalived/keepalived.conf";
const PART: &str = "/etc/keepalived/web.conf";
const START: &str = "/lab/directord -n -f /etc/keepalived/keepalived.conf --runtime-dir /run/directord";
const KEPT: &str = "/var/lib/directord/etc-keepalived-keepalived.conf.json";
const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    let vrrp = Vrrp::default().text();
    let start = |options: &str| node.spawn("directord", &format!("{START} {options}"));
    let serves = |daemon: &Daemon, servers: usize| {
        eventually("the address is there", seconds(15), || node.has_address(VIP));
        eventually("the table is as it should be", seconds(5), || {
            node.ipvs().serving(SERVICE).len() == servers
        });
        assert!(daemon.is_running());
    };
    let is_kept = |words: &str| {
        eventually("the configuration is kept", seconds(5), || {
            node.run(&format!("grep -q {words} {KEPT}")).status.success()
        });
    };

    // A file without errors, in two parts, is kept whole; only its owner reads it.
    node.write(FILE, format!("{vrrp}include web.conf\n"));
    node.write(PART, web_service("rr", "DR", BOTH));
    let daemon = start("");
    serves(&daemon, 2);
    is_kept("192.168.100.9");
    assert_eq!(node.sh(&format!("stat -c %a {KEPT}")).trim(), "600");
    assert!(!daemon.log().contains("Starting with configuration"), "{}", daemon.log());
    daemon.stop();

    // Both parts are damaged: what ran before runs again.
    let broken = vrrp.replacen("priority", "priorty", 1);
    node.write(FILE, format!("{broken}include web.conf\n"));
    node.write(PART, web_service("rr", "DR", &BOTH[..1]) + "virtual_sever 10.0.0.1 80 {\n}\n");
    let daemon = start("");
    serves(&daemon, 2);
    let log = daemon.log();
    assert!(log.contains("Starting with configuration of 20") && log.contains("has 2 errors"), "{log}");
    let told = |words: &str| log.lines().any(|line| line.contains("ERROR") && line.contains(words));
    assert!(told("priorty") && told("virtual_sever"), "each error is in the log:\n{log}");
    // A reload is strict: it takes in a file without errors only.
    daemon.signal(Signal::SIGHUP);
    eventually("the reload is refused", seconds(5), || daemon.log_has("Reload refused"));
    assert_eq!(node.ipvs().serving(SERVICE).len(), 2);
    node.write(PART, web_service("rr", "DR", &BOTH[..1]));
    lab.reload(node, &daemon, format!("{vrrp}include web.conf\n"));
    eventually("the mended file is in force", seconds(5), || node.ipvs().serving(SERVICE).len() == 1);
    eventually("and kept", seconds(5), || !node.run(&format!("grep -q 100.9 {KEPT}")).status.success());
    daemon.stop();

    // Without what is kept, or with a damaged copy of it: the file itself, without what is wrong.
    let cases = [
        ("--no-fallback", "true"),
        ("", "sed -i s/192.168.100.8/192.168.100.7/ /var/lib/directord/etc-keepalived-keepalived.conf.json"),
        ("", "rm /var/lib/directord/etc-keepalived-keepalived.conf.json"),
    ];
    let damaged = vrrp + &web_service("rr", "DR", BOTH).replacen("lb_algo rr", "lb_algo rr\n    quorun 1", 1);
    node.write(FILE, &damaged);
    for (options, before) in cases {
        node.sh(before);
        let daemon = start(options);
        serves(&daemon, 2);
        let log = daemon.log();
        assert!(log.contains("without what is wrong in it (1 error)"), "{log}");
        assert_eq!(log.contains("is damaged"), before.starts_with("sed"), "{log}");
        daemon.stop();
    }
    throughout("a file with errors is not kept", seconds(1), || {
        !node.run(&format!("ls {KEPT}")).status.success()
    });

    // Who wants none of this says so.
    let output = node.run(&format!("timeout 10 {START} --strict"));
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("quorun") && text.contains("not started; without --strict"), "{text}");
    // Nobody can run what is not there.
    node.sh(&format!("rm {FILE}"));
    let output = node.run(&format!("timeout 10 {START}"));
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
