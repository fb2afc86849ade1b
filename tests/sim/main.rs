//! Whole nodes on virtual kernels and a virtual LAN, with a virtual clock.
//!
//! Each run is drawn from a seed: hosts with one to three virtual routers each (multicast and unicast, versions,
//! priorities, preemption), then loss, delay, duplication, partitions, pauses, kills, power cuts, restarts, reloads,
//! interfaces that go down, vanish and come back, lost sources, addresses that others remove, addresses that the kernel
//! refuses to set or to remove, sockets that fail, and notifications that are lost. All the time: no master without its
//! addresses, and none that is silent. At rest: exactly one master for each virtual router in each connected group, the
//! right one; no address where there is no master; the same faults that a fresh start would have; and nothing taken
//! away that is the host's own. Of hosts that are told to stop no address stays, and while all is well somebody has the
//! addresses at any moment of it. After a split clients send to who leads.
//!
//! `SIM_SEED=N` repeats one run with its trace; `SIM_RUNS=N` sets how many are run, `SIM_FIRST=N` from which seed on.
//! `tests/sim/many` runs as many as there is time for.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

mod bfd;
mod host;
mod kernel;
mod lan;
mod order;
mod planned;
mod reload;
mod scenario;
mod split;

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};

const RUNS: u64 = 20_000;
const HAND_OVERS: u64 = 1_000;
const SPLITS: u64 = 500;

#[test]
fn one_master_after_the_last_fault() {
    simulate(RUNS, scenario::run);
}

#[test]
fn somebody_has_the_addresses_while_one_goes() {
    simulate(HAND_OVERS, planned::hand_over);
}

#[test]
fn a_restart_in_time_is_noticed_by_nobody() {
    simulate(HAND_OVERS, planned::restart);
}

/// What many runs have found.
#[test]
fn seeds_that_failed_once() {
    let again = |run: fn(u64, bool) -> Result<(), String>, seed: u64| {
        run(seed, false).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    };
    // Told to stop before the tables were read for the first time, it started all the same.
    for seed in [78_069, 182_364, 298_867, 405_834] {
        again(scenario::run, seed);
    }
    // Its kernel did not remove some addresses, then others: the first ones go a minute later at most.
    again(scenario::run, 312_356);
    // Two members of a group have ended while another instance of the host hands over: it was no rest yet.
    again(planned::restart, 1692);
}

#[test]
fn a_kill_is_noticed_by_nobody_or_leaves_nothing() {
    simulate(HAND_OVERS, planned::kill);
}

#[test]
fn after_a_split_clients_find_who_leads() {
    simulate(SPLITS, split::heals);
}

fn simulate(runs: u64, run: fn(u64, bool) -> Result<(), String>) {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    if let Some(seed) = number("SIM_SEED") {
        return run(seed, true).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
    let first = number("SIM_FIRST").unwrap_or(0);
    let end = first + number("SIM_RUNS").unwrap_or(runs);
    let next = AtomicU64::new(first);
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end {
                return;
            }
            // A panic of the code under test does not say of which seed it is.
            let outcome = catch_unwind(|| run(seed, false)).unwrap_or_else(|_| Err("a panic".to_owned()));
            if let Err(error) = outcome {
                next.store(end, Ordering::Relaxed);
                panic!("{error}\nrepeat with its trace: SIM_SEED={seed} cargo test --test sim");
            }
        }
    };
    // On one core there is one at a time: all seeds below the one that fails are well then.
    let count = std::thread::available_parallelism().map_or(1, usize::from).min(2);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                std::panic::resume_unwind(panic);
            }
        }
    });
}
