//! A pair at work, told as it happens; run by `tests/lab/demo`.

use std::time::Duration;

use super::Scenario;
use crate::lab::{BOTH, Lab, Program, Show, VIP, Vrrp, eventually, now, seconds, web_service};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    on_request: true,
    ..Scenario::new(
        "demo",
        "a pair at work: a real server fails, a director loses power, both come back",
        run,
    )
}];

const SERVICE: &str = "TCP 192.168.100.240:80";

fn run(lab: &Lab) {
    let mut show = Show::open();
    let program = lab.program().name();
    show.plain(&format!(
        "{program} on a pair of directors, in a kernel of their own

    client               192.168.100.103     asks {VIP}:80 50 times a second
    LVS01  LVS02         192.168.100.101/.102  directors, priority 100 and 50
    RS1    RS2           192.168.100.8/.9    real servers: nginx, direct routing
"
    ));
    let nginx = lab.real_servers().map(|node| {
        node.bind_vip(VIP);
        node.serve_http(&[("index.html", node.name)])
    });
    let config = Vrrp::default().text() + &web_service("rr", "DR", BOTH);

    show.say(&format!("{program} starts on LVS01 and LVS02"));
    let _pair = lab.director_pair(&config);
    let to_master = eventually("master", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    show.say(&format!("LVS01 is MASTER and holds {VIP}"));
    eventually("both in", seconds(15), || lab.lvs01.ipvs().serving(SERVICE).len() == 2);
    table(&mut show, lab, "LVS01");
    requests(&mut show, lab);

    let stream = lab.client.stream("192.168.100.240:80");
    let stopped = now();
    nginx[1].stop();
    show.gap();
    show.say("RS2: nginx is stopped");
    eventually("out", seconds(30), || lab.lvs01.ipvs().serving(SERVICE).len() == 1);
    let out = now() - stopped;
    show.say(&format!("RS2 is out of the table after {out:.1} s"));
    table(&mut show, lab, "LVS01");
    requests(&mut show, lab);
    let started = now();
    lab.rs2.serve_http(&[("index.html", "rs2")]);
    show.say("RS2: nginx is started");
    eventually("in", seconds(30), || lab.lvs01.ipvs().serving(SERVICE).len() == 2);
    let back = now() - started;
    show.say(&format!("RS2 is back in the table after {back:.1} s"));
    requests(&mut show, lab);
    stream.finish();

    let stream = lab.client.stream("192.168.100.240:80");
    eventually("answers", seconds(5), || stream.so_far().by.len() == 2);
    show.gap();
    let cut = now();
    lab.lvs01.power_off();
    show.say("LVS01: power pulled");
    let takeover = eventually("takeover", seconds(10), || lab.holders(VIP) == ["lvs02"]);
    show.say(&format!("LVS02 is MASTER and holds {VIP}, {} ms later", takeover.as_millis()));
    eventually("answered", seconds(10), || stream.so_far().gap_end > cut);
    let gap = stream.finish().longest_gap;
    table(&mut show, lab, "LVS02");
    requests(&mut show, lab);

    show.gap();
    lab.lvs01.power_on();
    show.say("LVS01: power back");
    let stream = lab.client.stream("192.168.100.240:80");
    let watch = lab.watch(VIP);
    lab.director(&lab.lvs01, lab.program(), &config);
    eventually("back", seconds(15), || lab.holders(VIP) == ["lvs01"]);
    show.say("LVS01 is MASTER again, LVS02 is its backup");
    requests(&mut show, lab);
    let (held, handback) = (watch.finish(), stream.finish());

    let ms = |span: Duration| format!("{} ms", span.as_millis());
    show.plain("\nSummary");
    show.row("start to MASTER", &ms(to_master));
    show.row("a failed real server leaves the table", &format!("{out:.1} s"));
    show.row("and returns", &format!("{back:.1} s"));
    show.row("power pulled: address on the other director", &ms(takeover));
    show.row("power pulled: longest time without an answer", &ms(gap));
    show.row("hand-back: longest time without an answer", &ms(handback.longest_gap));
    show.row("hand-back: longest time with two holders", &ms(held.by_two));
    if lab.program() == Program::Directord {
        show.plain("\nThe lab, scenario by scenario: cargo test --test lab -- --list");
    }
}

fn table(show: &mut Show, lab: &Lab, director: &str) {
    let node = if director == "LVS01" { &lab.lvs01 } else { &lab.lvs02 };
    show.say(&format!("IPVS table of {director}"));
    for (name, service) in node.ipvs().0 {
        show.plain(&format!("              {name} {} {}", service.scheduler, service.flags));
        for (address, server) in service.servers {
            show.plain(&format!(
                "                -> {address:<18} {}  weight {}",
                server.forward, server.weight
            ));
        }
    }
}

fn requests(show: &mut Show, lab: &Lab) {
    let answers: Vec<String> =
        (0..8).map(|_| lab.client.get(&format!("http://{VIP}/")).unwrap_or_else(|_| "-".into())).collect();
    show.say(&format!("requests answered by  {}", answers.join("  ")));
}
