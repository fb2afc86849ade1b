//! How late adverts leave while the master has other things to do, keepalived and directord one after the other; run by
//! `tests/lab/bench`.

use std::fmt::Write as _;

use super::Scenario;
use super::faults::read_by_a_pipe;
use crate::lab::{Daemon, Lab, Program, Show, Signal, eventually, millis, seconds};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    on_request: true,
    limit: seconds(2400),
    ..Scenario::new(
        "bench_lateness",
        "ten virtual routers at 1 s and ten at 0.1 s: how late their adverts are under stress, both programs",
        compare,
    )
}];

/// Seconds of each stress.
const WINDOW: u64 = 40;
/// Virtual routers of each interval.
const ROUTERS: u8 = 10;
/// The intervals in seconds: routers with the lower numbers have the first.
const INTERVALS: [f64; 2] = [1.0, 0.1];

/// What keeps the master busy; it ends with the programs that it returns, or by itself.
struct Stress {
    name: &'static str,
    /// In front of the instances.
    configuration: &'static str,
    /// In each instance.
    tracks: &'static str,
    begins: fn(&Lab) -> Vec<Daemon>,
    /// Done over and over, while it lasts.
    again: fn(&Lab, &Daemon),
}

const NONE: Stress = Stress {
    name: "none",
    configuration: "",
    tracks: "",
    begins: |_lab| Vec::new(),
    again: |_lab, _master| std::thread::sleep(millis(500)),
};

const STRESSES: &[Stress] = &[
    NONE,
    Stress {
        name: "four processor hogs",
        begins: |lab| (0..4).map(|_| lab.lvs01.spawn("hog", "sh -c 'while :; do :; done'")).collect(),
        ..NONE
    },
    Stress {
        name: "writes to the disk",
        begins: |lab| {
            let write =
                "while :; do dd if=/dev/zero of=/results/stress bs=1M count=64 conv=fsync 2>/dev/null; done";
            vec![lab.lvs01.spawn("disk", &format!("sh -c '{write}'"))]
        },
        ..NONE
    },
    Stress {
        name: "a reload each second, and nobody reads the log",
        begins: |lab| {
            lab.lvs01.sh(
                "kill -STOP $(cat /run/reader.pid); timeout 1 dd if=/dev/zero of=/run/log bs=64k 2>/dev/null || true",
            );
            Vec::new()
        },
        again: |_lab, master| {
            master.signal(Signal::SIGHUP);
            std::thread::sleep(seconds(1));
        },
        ..NONE
    },
    Stress {
        name: "five scripts a second that count to 20,000",
        configuration: "vrrp_script counts {\n script /etc/keepalived/counts\n interval 1\n}\n",
        tracks: " track_script {\n  counts\n }\n",
        begins: |lab| {
            let others =
                "while :; do for each in 1 2 3 4; do sh /etc/keepalived/counts & done; sleep 1; wait; done";
            vec![lab.lvs01.spawn("scripts", &format!("sh -c '{others}'"))]
        },
        ..NONE
    },
    Stress {
        name: "1,000 routes a second that come and go",
        begins: |lab| {
            let each = |what: &str| {
                (0..100).fold(String::new(), |mut text, number| {
                    writeln!(text, "route {what} 10.7.{number}.0/24 dev eth0").unwrap();
                    text
                })
            };
            lab.lvs01.write("/run/routes", each("add") + &each("del"));
            vec![lab.lvs01.spawn("routes", "sh -c 'while :; do ip -batch /run/routes; sleep 0.2; done'")]
        },
        ..NONE
    },
];

fn configuration(stress: &Stress) -> String {
    let mut text = format!("global_defs {{\n script_user root\n}}\n{}", stress.configuration);
    for number in 1..=2 * ROUTERS {
        let interval = INTERVALS[usize::from(number > ROUTERS)];
        write!(
            text,
            "vrrp_instance VI_{number} {{\n version 3\n state MASTER\n interface eth0\n virtual_router_id {number}\n \
             priority 100\n advert_int {interval}\n{} virtual_ipaddress {{\n  10.2.{number}.1/32\n }}\n}}\n",
            stress.tracks
        )
        .unwrap();
    }
    text
}

/// The lateness of adverts in milliseconds, in order.
fn lateness(lab: &Lab, program: Program, stress: &Stress) -> [Vec<f64>; 2] {
    lab.lvs01
        .write("/etc/keepalived/counts", "#!/bin/sh\ni=0\nwhile [ $i -lt 20000 ]; do i=$((i + 1)); done\n");
    lab.lvs01.sh("chmod 755 /etc/keepalived/counts");
    let master = read_by_a_pipe(lab, program, &configuration(stress));
    eventually("all lead", seconds(30), || {
        master.log().matches("Entering MASTER STATE").count() >= 2 * usize::from(ROUTERS)
    });
    // The announcements of new masters are over.
    std::thread::sleep(seconds(7));
    let busy = (stress.begins)(lab);
    let capture = lab.lvs02.capture("eth0", "proto 112");
    let begun = std::time::Instant::now();
    while begun.elapsed() < seconds(WINDOW) {
        (stress.again)(lab, &master);
    }
    let adverts: Vec<_> = capture.finish().iter().filter_map(|one| Some((one.time, one.advert()?))).collect();
    busy.iter().for_each(Daemon::kill9);
    lab.lvs01.sh("kill -CONT $(cat /run/reader.pid)");
    master.stop();
    lab.lvs01.sh("rm -f /results/stress");
    let of = |vrid: u8| {
        let times: Vec<f64> =
            adverts.iter().filter(|(_, advert)| advert.vrid == vrid).map(|(time, _)| *time).collect();
        let interval = INTERVALS[usize::from(vrid > ROUTERS)];
        assert!(times.len() as f64 > WINDOW as f64 / interval / 4.0, "{vrid}: {} adverts", times.len());
        // Silence has an end only where an advert follows.
        let last = adverts.last().map_or(0.0, |(time, _)| *time);
        assert!(last - times[times.len() - 1] < 5.0 * interval, "{vrid} has fallen silent");
        times.windows(2).map(|pair| (pair[1] - pair[0] - interval) * 1e3).collect::<Vec<f64>>()
    };
    [1..=ROUTERS, ROUTERS + 1..=2 * ROUTERS].map(|vrids| {
        let mut all: Vec<f64> = vrids.flat_map(of).collect();
        all.sort_by(f64::total_cmp);
        all
    })
}

/// The value that so many thousandths do not exceed.
fn quantile(sorted: &[f64], thousandths: usize) -> f64 {
    sorted[(sorted.len() * thousandths).div_ceil(1000).saturating_sub(1)]
}

fn compare(lab: &Lab) {
    let mut show = Show::open();
    show.plain("\nlateness of adverts in ms (median, 99.9 %, worst)");
    show.plain(&format!("  {:<48}{:>8}{:>26}{:>26}", "stress", "interval", "keepalived", "directord"));
    for stress in STRESSES {
        let [theirs, ours] =
            [Program::Keepalived, Program::Directord].map(|program| lateness(lab, program, stress));
        for (number, interval) in INTERVALS.iter().enumerate() {
            let shown = |all: &[f64]| {
                let [median, most, worst] = [500, 999, 1000].map(|part| quantile(all, part));
                format!("{median:.1}  {most:.1}  {worst:.1}")
            };
            let (theirs, ours) = (shown(&theirs[number]), shown(&ours[number]));
            show.plain(&format!("  {:<48}{interval:>7}s{theirs:>26}{ours:>26}", stress.name));
        }
    }
}
