//! keepalived and directord one after the other in the same machine; run by `tests/lab/bench`.
//! A system call costs several times more here than on real hardware: only the ratios mean something.

use std::time::Instant;

use super::Scenario;
use crate::lab::{Lab, Node, Program, Show, VIP, Vrrp, eventually, poll, seconds, seed_http};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    on_request: true,
    memory: 1024,
    limit: seconds(1200),
    ..Scenario::new("bench", "keepalived and directord side by side: memory, processor, start, reload", run)
}];

/// Length in seconds of the window in which processor time is counted; the machine's clock for it ticks every 10 ms.
const WINDOW: u64 = 60;

struct Figures {
    pss: f64,
    cpu: f64,
    start: f64,
    reload: f64,
}

fn run(lab: &Lab) {
    let mut show = Show::open();
    for node in lab.real_servers() {
        node.serve_http(&[("index.html", node.name)]);
    }
    // Sixty-five thousand real servers that cost nothing.
    lab.rs1.sh("ip route add local 10.1.0.0/16 dev lo");
    lab.lvs01.sh("ip route add 10.1.0.0/16 via 192.168.100.8");
    let digests =
        ["192.168.100.8", "192.168.100.9"].map(|server| lab.genhash(Program::Keepalived, server, "/", ""));
    let seed = |weight: u32| {
        seed_http(&digests[0], &digests[1]).replacen("weight 1", &format!("weight {weight}"), 1)
    };
    compare(lab, &mut show, "the tutorial's configuration: 1 virtual server, 2 real servers", 2, &seed);
    for services in [100, 500] {
        let what = format!("{services} virtual servers of 10 real servers, TCP_CHECK every 2 s");
        compare(lab, &mut show, &what, services * 10, &|weight| many(services, weight));
    }
}

fn many(services: usize, weight: u32) -> String {
    let mut text = Vrrp::default().text();
    for service in 0..services {
        text += &format!(
            "virtual_server {VIP} {} {{\n delay_loop 2\n lb_algo wrr\n lb_kind DR\n protocol TCP\n",
            8000 + service
        );
        for server in 1..=10 {
            let weight = if (service, server) == (0, 1) { weight } else { 1 };
            text += &format!(
                " real_server 10.1.{}.{} 80 {{\n  weight {weight}\n  TCP_CHECK {{\n   connect_timeout 2\n  }}\n }}\n",
                service % 250,
                service / 250 * 10 + server
            );
        }
        text += "}\n";
    }
    text
}

fn compare(lab: &Lab, show: &mut Show, what: &str, servers: usize, config: &dyn Fn(u32) -> String) {
    show.plain(&format!("\n{what}"));
    let keepalived = measure(lab, Program::Keepalived, servers, config);
    let directord = measure(lab, Program::Directord, servers, config);
    show.plain(&format!("  {:<34}{:>12}{:>12}{:>9}", "", "keepalived", "directord", "ratio"));
    let rows = [
        ("memory (PSS, KiB)", keepalived.pss, directord.pss),
        ("processor (ms per minute)", keepalived.cpu, directord.cpu),
        ("start to programmed table (ms)", keepalived.start, directord.start),
        ("reload of one weight (ms)", keepalived.reload, directord.reload),
    ];
    for (name, theirs, ours) in rows {
        show.plain(&format!("  {name:<34}{theirs:>12.0}{ours:>12.0}{:>9.2}", ours / theirs.max(1.0)));
    }
}

fn measure(lab: &Lab, program: Program, servers: usize, config: &dyn Fn(u32) -> String) -> Figures {
    let node = &lab.lvs01;
    let daemon = lab.director(node, program, &config(1));
    let start = eventually("the table is programmed", seconds(60), || serving(node) == servers);
    eventually("the address is there", seconds(20), || node.has_address(VIP));
    let window = seconds(WINDOW);
    let before = daemon.cpu_ms();
    // A quiet window: one look at its end.
    std::thread::sleep(window);
    let cpu = (daemon.cpu_ms() - before) * 60.0 / WINDOW as f64;
    let pss = daemon.pss() as f64;
    let mut reloads: Vec<f64> = (0..5)
        .map(|round| {
            let weight = 2 + round % 2;
            let text = config(weight);
            // One processor: the daemon may be done before the signal's sender goes on.
            let asked = Instant::now();
            lab.reload(node, &daemon, text);
            let changed = || weights(node).contains(&i64::from(weight));
            poll(seconds(20), changed).expect("the reload changes the table");
            asked.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    reloads.sort_by(f64::total_cmp);
    daemon.stop();
    node.sh("ipvsadm -C");
    eventually("the address is gone", seconds(3), || !node.has_address(VIP));
    Figures { pss, cpu, start: start.as_secs_f64() * 1e3, reload: reloads[2] }
}

fn serving(node: &Node) -> usize {
    weights(node).iter().filter(|weight| **weight > 0).count()
}

fn weights(node: &Node) -> Vec<i64> {
    let table = node.ipvs();
    table.0.values().flat_map(|service| service.servers.values().map(|server| server.weight)).collect()
}
