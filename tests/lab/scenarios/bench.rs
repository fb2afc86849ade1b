//! keepalived and directord one after the other in the same machine; run by `tests/lab/bench`.
//! A system call costs several times more here than on real hardware: only the ratios mean something.

use std::time::Instant;

use super::Scenario;
use crate::floor;
use crate::lab::{
    Daemon, FILE, Lab, Node, Program, Show, Signal, VIP, Vrrp, eventually, now, poll, seconds, seed_http,
};

pub const SCENARIOS: &[Scenario] = &[
    bench("bench_tutorial", "the tutorial's pair, keepalived and directord side by side", tutorial),
    bench("bench_tcp", "1,000 real servers with TCP_CHECK, both and the least that it can be", tcp),
    bench("bench_http", "1,000 real servers with HTTP_GET, likewise", http),
    bench("bench_5000", "5,000 real servers with TCP_CHECK, likewise", tcp_5000),
    bench("bench_vrrp", "250 virtual routers with 4 addresses each, both as backup and as master", vrrp),
];

const fn bench(name: &'static str, says: &'static str, run: fn(&Lab)) -> Scenario {
    Scenario { on_request: true, memory: 1024, limit: seconds(900), ..Scenario::new(name, says, run) }
}

/// Length in seconds of the window in which processor time is counted; the machine's clock for it ticks every 10 ms.
const WINDOW: u64 = 30;

struct Figures {
    pss: f64,
    cpu: f64,
    start: f64,
    reload: f64,
    /// A table of which a destination was deleted by hand has it again.
    repair: f64,
}

/// What is compared.
struct Case<'a> {
    what: String,
    servers: usize,
    /// That of the virtual server whose weight is changed.
    port: u16,
    config: &'a dyn Fn(u32) -> String,
    /// The loop beside it.
    floor: Option<&'static str>,
}

fn tutorial(lab: &Lab) {
    ready(lab);
    let digests =
        ["192.168.100.8", "192.168.100.9"].map(|server| lab.genhash(Program::Keepalived, server, "/", ""));
    let config = |weight: u32| {
        seed_http(&digests[0], &digests[1]).replacen("weight 1", &format!("weight {weight}"), 1)
    };
    let what = "the tutorial's configuration: 1 virtual server, 2 real servers".into();
    compare(lab, &Case { what, servers: 2, port: 80, config: &config, floor: None });
}

const TCP: &str = "TCP_CHECK {\n   connect_timeout 2\n  }";
const HTTP: &str = "HTTP_GET {\n   url {\n    path /\n   }\n   connect_timeout 2\n  }";

fn tcp(lab: &Lab) {
    compare_many(lab, 100, "TCP_CHECK", TCP, "tcp");
}

fn http(lab: &Lab) {
    compare_many(lab, 100, "HTTP_GET", HTTP, "http");
}

fn tcp_5000(lab: &Lab) {
    compare_many(lab, 500, "TCP_CHECK", TCP, "tcp");
}

fn compare_many(lab: &Lab, services: usize, name: &str, check: &str, floor: &'static str) {
    ready(lab);
    let what = format!("{services} virtual servers of 10 real servers, {name} every 2 s");
    let config = |weight| many(services, weight, check);
    compare(lab, &Case { what, servers: services * 10, port: 8000, config: &config, floor: Some(floor) });
}

/// Servers that answer, and sixty-five thousand more that cost nothing.
fn ready(lab: &Lab) {
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
    }
    lab.rs1.sh("ip route add local 10.1.0.0/16 dev lo");
    lab.lvs01.sh("ip route add 10.1.0.0/16 via 192.168.100.8");
}

fn many(services: usize, weight: u32, check: &str) -> String {
    let mut text = Vrrp::default().text();
    for service in 0..services {
        text += &format!(
            "virtual_server {VIP} {} {{\n delay_loop 2\n lb_algo wrr\n lb_kind NAT\n protocol TCP\n",
            8000 + service
        );
        for server in 0..10 {
            let weight = if (service, server) == (0, 0) { weight } else { 1 };
            let address = floor::server(service * 10 + server);
            text += &format!(" real_server {address} 80 {{\n  weight {weight}\n  {check}\n }}\n");
        }
        text += "}\n";
    }
    text
}

fn compare(lab: &Lab, case: &Case<'_>) {
    let mut show = Show::open();
    show.plain(&format!("\n{}", case.what));
    let keepalived = measure(lab, Program::Keepalived, case);
    let directord = measure(lab, Program::Directord, case);
    show.plain(&format!("  {:<34}{:>12}{:>12}{:>9}", "", "keepalived", "directord", "ratio"));
    let rows = [
        ("memory (PSS, KiB)", keepalived.pss, directord.pss),
        ("processor (ms per minute)", keepalived.cpu, directord.cpu),
        ("start to programmed table (ms)", keepalived.start, directord.start),
        ("reload of one weight (ms)", keepalived.reload, directord.reload),
        ("deleted destination back (ms)", keepalived.repair, directord.repair),
    ];
    for (name, theirs, ours) in rows {
        let shown = |value: f64| if value.is_nan() { "never".to_owned() } else { format!("{value:.0}") };
        let ratio = if theirs.is_nan() { String::new() } else { format!("{:.2}", ours / theirs.max(1.0)) };
        show.plain(&format!("  {name:<34}{:>12}{:>12}{ratio:>9}", shown(theirs), shown(ours)));
    }
    if let Some(kind) = case.floor {
        let command = format!("/lab/scenario agent floor {kind} {} 2", case.servers);
        let floor = lab.lvs01.spawn("floor", &command);
        eventually("the floor runs", seconds(10), || floor.log_has("running"));
        let cpu = processor(&floor);
        assert!(floor.is_running(), "{}", floor.log());
        floor.stop();
        let name = "processor, the least it can be";
        show.plain(&format!("  {name:<34}{:>12}{:>12.0}{:>9.2}", "", cpu, directord.cpu / cpu));
    }
}

/// Milliseconds a minute in a quiet window: one look at its end.
fn processor(daemon: &Daemon) -> f64 {
    let before = daemon.cpu_ms();
    std::thread::sleep(seconds(WINDOW));
    (daemon.cpu_ms() - before) * 60.0 / WINDOW as f64
}

fn measure(lab: &Lab, program: Program, case: &Case<'_>) -> Figures {
    let (node, config) = (&lab.lvs01, case.config);
    let daemon = lab.director(node, program, &config(1));
    let start = eventually("the table is programmed", seconds(60), || serving(node) == case.servers);
    eventually("the address is there", seconds(20), || node.has_address(VIP));
    let cpu = processor(&daemon);
    let pss = daemon.pss() as f64;
    let watch = node.spawn("watch", &format!("/lab/scenario agent weights {VIP}:{}", case.port));
    eventually("the service is watched", seconds(10), || watch.log_has(" weight 1"));
    let mut reloads: Vec<f64> = (0..5)
        .map(|round| {
            let weight = 2 + round % 2;
            node.write(FILE, config(weight));
            let seen = watch.log().len();
            // One processor: the daemon may be done before the signal's sender goes on.
            let asked = now();
            daemon.signal(Signal::SIGHUP);
            let told = format!(" weight {weight}");
            let when = || {
                let log = watch.log();
                let line = log.get(seen..)?.lines().find(|line| line.ends_with(&told))?;
                line.split(' ').next()?.parse().ok()
            };
            let mut at: Option<f64> = None;
            poll(seconds(60), || {
                at = when();
                at.is_some()
            });
            // A second reload that comes before the end of the first one has to wait for it.
            std::thread::sleep(seconds(2));
            (at.expect("the reload changes the table") - asked) * 1e3
        })
        .collect();
    watch.stop();
    reloads.sort_by(f64::total_cmp);
    let service = format!("{VIP}:8000");
    let repair = if case.floor.is_some() {
        node.sh(&format!("ipvsadm -d -t {service} -r {}:80", floor::server(9)));
        poll(seconds(15), || serving(node) == case.servers).map_or(f64::NAN, |took| took.as_secs_f64() * 1e3)
    } else {
        f64::NAN
    };
    daemon.stop();
    node.sh("ipvsadm -C");
    eventually("the address is gone", seconds(3), || !node.has_address(VIP));
    let start = start.as_secs_f64() * 1e3;
    Figures { pss, cpu, start, reload: reloads[2], repair }
}

fn serving(node: &Node) -> usize {
    weights(node).iter().filter(|weight| **weight > 0).count()
}

fn weights(node: &Node) -> Vec<i64> {
    let table = node.ipvs();
    table.0.values().flat_map(|service| service.servers.values().map(|server| server.weight)).collect()
}

const ROUTERS: usize = 250;
const ADDRESSES: usize = 4 * ROUTERS;

struct VrrpFigures {
    backup: (f64, f64),
    takeover: f64,
    master: (f64, f64),
}

fn routers(priority: u8) -> String {
    let mut text = "global_defs {\n router_id LVS\n}\n".to_owned();
    for router in 1..=ROUTERS {
        text += &format!(
            "vrrp_instance VI_{router} {{\n state BACKUP\n interface eth0\n virtual_router_id {router}\n \
             priority {priority}\n advert_int 1\n virtual_ipaddress {{\n"
        );
        (1..=4).for_each(|address| text += &format!("  10.2.{router}.{address}/32\n"));
        text += " }\n}\n";
    }
    text
}

fn vrrp(lab: &Lab) {
    let mut show = Show::open();
    show.plain(&format!("\n{ROUTERS} virtual routers with 4 addresses each, a keepalived beside them"));
    let [keepalived, directord] =
        [Program::Keepalived, Program::Directord].map(|program| measure_vrrp(lab, program));
    show.plain(&format!("  {:<34}{:>12}{:>12}{:>9}", "", "keepalived", "directord", "ratio"));
    let rows = [
        ("backup: memory (PSS, KiB)", keepalived.backup.0, directord.backup.0),
        ("backup: processor (ms per minute)", keepalived.backup.1, directord.backup.1),
        ("takeover of all (ms)", keepalived.takeover, directord.takeover),
        ("master: memory (PSS, KiB)", keepalived.master.0, directord.master.0),
        ("master: processor (ms per minute)", keepalived.master.1, directord.master.1),
    ];
    for (name, theirs, ours) in rows {
        show.plain(&format!("  {name:<34}{theirs:>12.0}{ours:>12.0}{:>9.2}", ours / theirs.max(1.0)));
    }
}

fn measure_vrrp(lab: &Lab, program: Program) -> VrrpFigures {
    let peer = lab.director(&lab.lvs02, Program::Keepalived, &routers(200));
    eventually("the peer has all addresses", seconds(60), || virtual_addresses(&lab.lvs02) == ADDRESSES);
    let daemon = lab.director(&lab.lvs01, program, &routers(100));
    eventually("all are backups", seconds(60), || {
        daemon.log().matches("Entering BACKUP STATE").count() >= ROUTERS
    });
    // What a start costs is over.
    std::thread::sleep(seconds(5));
    let busy = processor(&daemon);
    let backup = (daemon.pss() as f64, busy);
    let stopped = Instant::now();
    peer.stop();
    eventually("all are taken over", seconds(60), || virtual_addresses(&lab.lvs01) == ADDRESSES);
    let takeover = stopped.elapsed().as_secs_f64() * 1e3;
    // The second announcements are over.
    std::thread::sleep(seconds(15));
    let busy = processor(&daemon);
    let master = (daemon.pss() as f64, busy);
    daemon.stop();
    eventually("all addresses are gone", seconds(30), || virtual_addresses(&lab.lvs01) == 0);
    VrrpFigures { backup, takeover, master }
}

fn virtual_addresses(node: &Node) -> usize {
    node.sh("ip -4 -o address show dev eth0").matches(" 10.2.").count()
}
