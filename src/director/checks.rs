//! Runs the schedules of all checks: one timer for the earliest, one task for each probe under way.
//!
//! A check is known by virtual server, real server and its own parameters: what a reload leaves equal goes on
//! where it was, retries and all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::check::schedule::{Action, Event, Input, Machine};
use crate::check::{Outcome, io};
use crate::config::model::{Checker, Service, VirtualServer};

/// Outcomes that may wait to be looked at.
const OUTCOMES: usize = 1024;

/// Tells the checks of one process apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckId(u64);

/// What makes a check of a reload the same as a running one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckKey {
    /// The virtual server.
    pub(super) service: Service,
    /// The real server.
    pub(super) server: SocketAddr,
    /// Kind and parameters.
    pub(super) checker: Arc<Checker>,
}

/// A verdict that changed.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Whose.
    pub(super) key: CheckKey,
    /// Whether it passes.
    pub(super) up: bool,
}

#[derive(Debug)]
struct Running {
    key: CheckKey,
    /// Log form of the real server.
    name: String,
    machine: Machine,
}

/// A probe that ended.
#[derive(Debug)]
pub(super) struct Ended {
    id: CheckId,
    outcome: Outcome,
}

/// Every check.
#[derive(Debug)]
pub(super) struct Checks {
    running: BTreeMap<CheckId, Running>,
    by_key: BTreeMap<CheckKey, CheckId>,
    due: BTreeSet<(Instant, CheckId)>,
    last_id: u64,
    ended: mpsc::Sender<Ended>,
}

impl Checks {
    /// No checks yet; ended probes arrive at the receiver.
    pub(super) fn new() -> (Self, mpsc::Receiver<Ended>) {
        let (ended, receiver) = mpsc::channel(OUTCOMES);
        let checks = Self {
            running: BTreeMap::new(),
            by_key: BTreeMap::new(),
            due: BTreeSet::new(),
            last_id: 0,
            ended,
        };
        (checks, receiver)
    }

    /// Ends the checks that are not in `servers` and starts the new ones; `passes` tells a new one's verdict so far.
    pub(super) fn configure(&mut self, servers: &[VirtualServer], passes: impl Fn(&CheckKey) -> bool) {
        let mut wanted: BTreeMap<CheckKey, String> = BTreeMap::new();
        for server in servers {
            for real in &server.real_servers {
                for checker in &real.checkers {
                    let checker = Arc::new(checker.clone());
                    let key = CheckKey { service: server.service, server: real.address, checker };
                    wanted.insert(key, server.describe_real_server(&real.address));
                }
            }
        }
        let gone: Vec<CheckKey> =
            self.by_key.keys().filter(|key| !wanted.contains_key(key)).cloned().collect();
        for key in gone {
            if let Some(id) = self.by_key.remove(&key)
                && let Some(running) = self.running.remove(&id)
                && let Some((at, _)) = running.machine.next_timer()
            {
                self.due.remove(&(at, id));
            }
        }
        for (key, name) in wanted {
            if !self.by_key.contains_key(&key) {
                self.start(key, name, &passes);
            }
        }
    }

    fn start(&mut self, key: CheckKey, name: String, passes: &impl Fn(&CheckKey) -> bool) {
        self.last_id += 1;
        let id = CheckId(self.last_id);
        let machine = Machine::new(Checker::clone(&key.checker), passes(&key));
        let warmup = key.checker.warmup;
        self.by_key.insert(key.clone(), id);
        self.running.insert(id, Running { key, name, machine });
        let jitter = warmup.mul_f64(fastrand::f64());
        self.feed(id, Input::Start { jitter });
    }

    /// When [`Self::run_due`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Starts the probes that are due.
    pub(super) fn run_due(&mut self) {
        let now = Instant::now();
        while let Some((_, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.feed(id, Input::Timer);
        }
    }

    /// Takes the end of a probe in; `Some`: the verdict changed.
    pub(super) fn ended(&mut self, ended: Ended) -> Option<Verdict> {
        self.feed(ended.id, Input::Outcome(ended.outcome))
    }

    fn feed(&mut self, id: CheckId, input: Input) -> Option<Verdict> {
        // A probe of a check that a reload removed ends unheard.
        let running = self.running.get_mut(&id)?;
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.remove(&(at, id));
        }
        let mut actions = Vec::new();
        running.machine.handle(Instant::now(), input, &mut actions);
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.insert((at, id));
        }
        let mut verdict = None;
        for action in actions {
            match action {
                Action::Probe { url } => {
                    let (ended, checker) = (self.ended.clone(), Arc::clone(&running.key.checker));
                    tokio::spawn(async move {
                        let outcome = io::probe(&checker, url).await;
                        // The director is gone only when the process ends.
                        let _ = ended.send(Ended { id, outcome }).await;
                    });
                }
                Action::Verdict { up } => verdict = Some(Verdict { key: running.key.clone(), up }),
                Action::Report(event) => report(&running.name, &event),
            }
        }
        verdict
    }
}

fn report(name: &str, event: &Event) {
    let line = event.describe(name);
    match event {
        Event::Failed { .. } | Event::NotRun { .. } => tracing::warn!("{line}"),
        Event::Passed { .. } => tracing::info!("{line}"),
        Event::Retrying { .. } => tracing::debug!("{line}"),
    }
}

/// Time until `at`, zero when it has passed.
pub(super) fn until(at: Instant) -> Duration {
    at.saturating_duration_since(Instant::now())
}
