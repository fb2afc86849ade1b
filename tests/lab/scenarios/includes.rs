//! Reloads while files are missing: nothing goes by accident, and what is kept for the next start stays whole.

use super::Scenario;
use crate::lab::{BOTH, Daemon, Lab, Signal, VIP, Vrrp, eventually, seconds, throughout, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario::directord(
    "includes",
    "files that are gone, unreadable, empty or cut at a reload or start take nothing away; whoever means it can",
    run,
)];

const FILE: &str = "/etc/keepalived/keepalived.conf";
const START: &str = "/lab/directord -n -f /etc/keepalived/keepalived.conf --runtime-dir /run/directord";
const RELOAD: &str = "/lab/directord reload";
const KEPT: &str = "/var/lib/directord/etc-keepalived-keepalived.conf.json";
const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    let node = &lab.lvs01;
    for server in lab.real_servers() {
        server.serve_http(&[("index.html", server.name)]);
    }
    let vrrp = Vrrp::default().text();
    let web = web_service("rr", "DR", BOTH);
    let write = |name: &str, text: &str| node.write(&format!("/etc/keepalived/{name}"), text);
    let deploy = || {
        node.sh("mkdir -p /etc/keepalived/conf.d; rm -rf /etc/keepalived/conf.d/*");
        write("keepalived.conf", "include conf.d/*.conf\n");
        write("conf.d/a.conf", &vrrp);
        write("conf.d/b.conf", &web);
    };
    let whole = || node.has_address(VIP) && node.ipvs().serving(SERVICE).len() == 2;
    let serves = |daemon: &Daemon| {
        eventually("everything is there", seconds(15), whole);
        assert!(daemon.is_running());
    };
    let kept_whole = || node.run(&format!("grep -q 100.9 {KEPT} && grep -q VI_1 {KEPT}")).status.success();
    let reload = |options: &str| {
        let output = node.run(&format!("{RELOAD} {options}"));
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    deploy();
    let daemon = node.spawn("directord", START);
    serves(&daemon);
    eventually("it is kept", seconds(30), kept_whole);

    let half = web.trim_end().trim_end_matches('}').to_owned() + "}";
    let accidents = [
        ("rm /etc/keepalived/conf.d/b.conf", "/etc/keepalived/conf.d/b.conf is gone"),
        ("rm /etc/keepalived/conf.d/*", "no file matches /etc/keepalived/conf.d/*.conf"),
        (
            "ln -sf /nowhere /etc/keepalived/conf.d/b.conf",
            "b.conf: it is a link to a file that does not exist",
        ),
        ("chmod a+x /etc/keepalived/conf.d/b.conf", "b.conf: it is executable"),
        (": >/etc/keepalived/conf.d/a.conf", "a.conf is empty"),
        (": >/etc/keepalived/keepalived.conf", "keepalived.conf is empty"),
        ("head -n 1 /dev/null >/etc/keepalived/conf.d/b.conf", "b.conf is empty"),
        ("rm /etc/keepalived/keepalived.conf", "there is no such file"),
    ];
    for (accident, words) in accidents {
        node.sh(accident);
        let (status, text) = reload("");
        assert_eq!(status, 1, "{accident}: {text}");
        assert!(text.contains(words) && text.contains("Reload refused"), "{accident}: {text}");
        assert!(whole(), "{accident}: something went");
        deploy();
    }
    write("conf.d/b.conf", half.trim_end_matches("    }\n}"));
    assert_eq!(reload("").0, 1, "cut within a block");
    deploy();
    throughout("nothing goes", seconds(2), || whole() && kept_whole());

    // A signal alone does the same.
    node.sh("rm /etc/keepalived/conf.d/b.conf");
    let mark = daemon.log().len();
    daemon.signal(Signal::SIGHUP);
    eventually("the log says what is missing", seconds(5), || {
        let said = &daemon.log()[mark..];
        said.contains("b.conf is gone") && said.contains("Reload refused")
    });
    assert!(whole());
    let answer = reload("--allow-empty");
    daemon.says("Reload complete");
    assert_eq!(answer, (0, reload_text(&daemon)), "whoever means it");
    eventually("the services are gone", seconds(5), || node.ipvs().serving(SERVICE).is_empty());
    assert!(node.has_address(VIP), "and nothing else");
    // It is written through to the disk, which may have other work.
    eventually("what is kept follows", seconds(30), || !kept_whole());
    deploy();
    assert_eq!(reload("").0, 0);
    serves(&daemon);
    eventually("it is kept again", seconds(30), kept_whole);
    daemon.stop();

    // A start with an empty file runs what ran before, and says so.
    node.write(FILE, "");
    let daemon = node.spawn("directord", START);
    serves(&daemon);
    daemon.says("it would leave nothing to do");
    daemon.says("Starting with configuration of 20");
    daemon.stop();
    let daemon = node.spawn("directord", &format!("{START} --allow-empty"));
    eventually("it does nothing", seconds(5), || daemon.log_has("nothing to do"));
    assert!(!node.has_address(VIP));
    daemon.stop();
}

/// What the log said of the last reload, as `directord reload` shows it.
fn reload_text(daemon: &Daemon) -> String {
    let log = daemon.log();
    let lines: Vec<&str> = log.lines().collect();
    let last = lines.iter().rposition(|line| line.ends_with("Reload complete")).unwrap();
    let first = lines[..last].iter().rposition(|line| line.contains("Reload refused")).unwrap();
    let own = lines[first + 1..=last].iter().filter_map(|line| line.split_once(" INFO  "));
    let of_pools = |words: &&str| words.starts_with("Removing VS");
    own.map(|(_, words)| words).filter(|words| !of_pools(words)).map(|words| format!("{words}\n")).collect()
}
