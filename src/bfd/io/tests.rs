use std::collections::BTreeMap;
use std::net::IpAddr;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sched::{CloneFlags, unshare};

use super::*;
use crate::bfd::event::{Event, Refusal};
use crate::bfd::packet::State;

const MS: fn(u64) -> Duration = Duration::from_millis;

/// What is told until `done` says that it is enough, or the time is over.
fn told(handle: &mut Handle, limit: Duration, mut done: impl FnMut(&Report) -> bool) -> Vec<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let end = Instant::now() + limit;
    let mut reports = Vec::new();
    while let Ok(report) =
        runtime.block_on(async { tokio::time::timeout_at(end.into(), handle.next()).await })
    {
        let report = report.expect("the thread runs");
        let enough = done(&report);
        reports.push(report);
        if enough {
            break;
        }
    }
    reports
}

/// The port is there once in a network.
static PORT: Mutex<()> = Mutex::new(());

/// In a network of its own, where nobody else has the port; without the right to one, in that of the host, one at a time.
fn alone(work: impl FnOnce() + Send + 'static) {
    let work = || {
        let own = unshare(CloneFlags::CLONE_NEWNET).is_ok();
        let up = || Command::new("ip").args(["link", "set", "lo", "up"]).status().unwrap().success();
        let _port = (!own).then(|| PORT.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(!own || up(), "the loopback of a new network");
        work();
    };
    if let Err(panic) = std::thread::spawn(work).join() {
        std::panic::resume_unwind(panic);
    }
}

fn is(report: &Report, state: State) -> bool {
    matches!(report.event, Event::Entered { to, .. } if to == state)
}

/// Both sides of a session over the loopback: `name` here, `name'` there.
fn pair(name: &str, here: IpAddr, there: IpAddr, change: impl Fn(&mut BfdInstance)) -> [BfdInstance; 2] {
    let side = |name: String, source, neighbour| {
        let plain = BfdInstance::new(&name, neighbour);
        let mut side =
            BfdInstance { source: Some(source), min_tx: MS(50), min_rx: MS(50), multiplier: 10, ..plain };
        change(&mut side);
        side
    };
    [side(name.to_owned(), here, there), side(format!("{name}'"), there, here)]
}

/// One hundred pairs of sessions at 50 ms and a reload every few milliseconds: nobody is thought to be gone.
#[test]
fn a_storm_of_reloads_is_no_false_alarm() {
    alone(storm_of_reloads);
}

fn storm_of_reloads() {
    let (sender, up) = watch::channel(Arc::default());
    let mut handle = start(&ProcessPart::default(), sender).unwrap();
    let sessions = |round: u64| -> Vec<BfdInstance> {
        let of = |last: u8| {
            pair(
                &format!("s{last}"),
                IpAddr::from([127, 5, 1, last]),
                IpAddr::from([127, 5, 2, last]),
                |side| {
                    side.min_tx = MS(50 + round % 3 * 5);
                },
            )
        };
        let mut all: Vec<BfdInstance> = (1..=100).flat_map(of).collect();
        all.rotate_left(usize::try_from(round).unwrap() % 200);
        all
    };
    drop(handle.configure(sessions(0)));
    let mut count = 0;
    told(&mut handle, Duration::from_secs(60), |report| {
        count += u32::from(is(report, State::Up));
        count == 200
    });
    assert_eq!(up.borrow().len(), 200, "all are up");
    for round in 1..=100 {
        handle.configure(sessions(round)).blocking_recv().unwrap();
        handle.settled();
        let reports = told(&mut handle, MS(20), |_| false);
        assert!(reports.is_empty(), "round {round}: {reports:?}");
    }
    let snapshot = handle.snapshot();
    assert!(snapshot.len() == 200 && snapshot.iter().all(|one| one.state == State::Up), "{snapshot:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(handle.stop());
    assert!(up.borrow().is_empty(), "they have ended");
}

/// The TTL that is set is the one that is checked, the port is that of several hops, and a source that is not here is named.
#[test]
fn what_is_configured_is_on_the_wire() {
    alone(configured_is_on_the_wire);
}

fn configured_is_on_the_wire() {
    let (sender, up) = watch::channel(Arc::default());
    let mut handle = start(&ProcessPart::default(), sender).unwrap();
    let address = |third, last| IpAddr::from([127, 6, third, last]);
    let far = pair("far", address(1, 1), address(2, 1), |side| (side.multihop, side.ttl) = (true, 9));
    let low = pair("low", address(1, 2), address(2, 2), |side| {
        if side.name == "low" {
            side.ttl = 254;
        }
    });
    let nowhere = BfdInstance {
        source: Some(IpAddr::from([192, 0, 2, 1])),
        ..BfdInstance::new("nowhere", IpAddr::from([192, 0, 2, 2]))
    };
    let link = BfdInstance::new("link", "fe80::9".parse().unwrap());
    let all = [&far[..], &low[..], &[nowhere, link]].concat();
    drop(handle.configure(all));
    let (mut ups, mut hops) = (0, 0);
    let reports = told(&mut handle, Duration::from_secs(60), |report| {
        ups += u32::from(is(report, State::Up));
        hops += u32::from(report.event.to_string().contains("TTL 254, at least 255 expected"));
        ups == 2 && hops > 0
    });
    assert_eq!(*up.borrow().as_ref(), ["far", "far'"].map(str::to_owned).into(), "{reports:?}");
    assert_eq!(hops, 1, "low' hears low, whose TTL is too low: {reports:?}");
    let waits: BTreeMap<String, Refusal> = handle
        .snapshot()
        .iter()
        .filter_map(|session| Some((session.name.clone(), session.waits.clone()?)))
        .collect();
    assert_eq!(waits["nowhere"], Refusal::NotHere(IpAddr::from([192, 0, 2, 1])));
    assert_eq!(waits["link"], Refusal::NoLink("fe80::9".parse().unwrap()));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(handle.stop());
}
