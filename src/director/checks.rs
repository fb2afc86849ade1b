//! Runs the schedules of all checks: TCP checks together in ticks, a task for each HTTP check under way.
//!
//! A check is known by virtual server, real server, and what it asks where: what a reload leaves equal goes on where
//! it was, retries and all.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use crate::check::io::connects::Connects;
use crate::check::schedule::{Action, Event, Input, Machine};
use crate::check::{Outcome, io};
use crate::config::model::{Checker, Probe, ProbeKind, VirtualServer, VirtualServerName};

/// Checks that are due within it run together, and connections under way are looked at this often: with many
/// checks, one wake-up serves a handful of them.
const TICK: Duration = Duration::from_millis(25);
/// Outcomes that may wait to be looked at.
const OUTCOMES: usize = 1024;

/// Tells the checks of one process apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckId(u64);

/// What makes a check of a reload the same as a running one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CheckKey {
    /// The virtual server.
    pub(super) service: VirtualServerName,
    /// The real server.
    pub(super) server: SocketAddr,
    /// What it asks, and where.
    pub(super) probe: Arc<Probe>,
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
    checker: Arc<Checker>,
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
    connects: Connects<CheckId>,
    /// When the connections under way are looked at next.
    look: Instant,
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
            connects: Connects::default(),
            look: Instant::now(),
            last_id: 0,
            ended,
        };
        (checks, receiver)
    }

    /// Ends the checks that are not in `servers` and starts the new ones; `passes` tells a new one's verdict so far.
    pub(super) fn configure(&mut self, servers: &[VirtualServer], passes: impl Fn(&CheckKey) -> bool) {
        let mut wanted: BTreeMap<CheckKey, (String, Arc<Checker>)> = BTreeMap::new();
        for server in servers {
            for real in &server.real_servers {
                for checker in &real.checkers {
                    let probe = Arc::clone(&checker.probe);
                    let key = CheckKey { service: server.name(), server: real.address, probe };
                    let name = server.describe_real_server(&real.address);
                    wanted.insert(key, (name, Arc::new(checker.clone())));
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
        for (key, (name, checker)) in wanted {
            match self.by_key.get(&key) {
                Some(id) => self.retime(*id, checker),
                None => self.start(key, name, checker, &passes),
            }
        }
    }

    fn retime(&mut self, id: CheckId, checker: Arc<Checker>) {
        let Some(running) = self.running.get_mut(&id) else { return };
        if running.checker == checker {
            return;
        }
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.remove(&(at, id));
        }
        running.machine.reconfigure(Instant::now(), Checker::clone(&checker));
        running.checker = checker;
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.insert((at, id));
        }
    }

    fn start(
        &mut self,
        key: CheckKey,
        name: String,
        checker: Arc<Checker>,
        passes: &impl Fn(&CheckKey) -> bool,
    ) {
        self.last_id += 1;
        let id = CheckId(self.last_id);
        let machine = Machine::new(Checker::clone(&checker), passes(&key));
        let warmup = checker.timing.warmup;
        self.by_key.insert(key.clone(), id);
        self.running.insert(id, Running { key, checker, name, machine });
        let jitter = warmup.mul_f64(fastrand::f64());
        self.feed(id, Instant::now(), Input::Start { jitter });
    }

    /// When [`Self::tick`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        let look = (!self.connects.is_empty()).then_some(self.look);
        self.due.first().map(|(at, _)| *at).into_iter().chain(look).min()
    }

    /// Takes in which connections are made, and starts the checks that are due. Returns the verdicts that changed.
    pub(super) fn tick(&mut self) -> Vec<Verdict> {
        let now = Instant::now();
        let mut ended = Vec::new();
        self.connects.look(now, &mut ended);
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now + TICK) {
            ended.extend(self.feed(id, at.max(now), Input::Timer).1);
        }
        self.look = now + TICK;
        ended.into_iter().filter_map(|(id, outcome)| self.feed(id, now, Input::Outcome(outcome)).0).collect()
    }

    /// Takes the end of an HTTP check in; `Some`: the verdict changed.
    pub(super) fn ended(&mut self, ended: Ended) -> Option<Verdict> {
        self.feed(ended.id, Instant::now(), Input::Outcome(ended.outcome)).0
    }

    /// The verdict, when it changed, and the outcome of a probe that ended at once.
    fn feed(
        &mut self,
        id: CheckId,
        now: Instant,
        input: Input,
    ) -> (Option<Verdict>, Option<(CheckId, Outcome)>) {
        // A probe of a check that a reload removed ends unheard.
        let Some(running) = self.running.get_mut(&id) else { return (None, None) };
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.remove(&(at, id));
        }
        let mut actions = Vec::new();
        running.machine.handle(now, input, &mut actions);
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.insert((at, id));
        }
        let (mut verdict, mut ended) = (None, None);
        for action in actions {
            match action {
                Action::Probe { url } => {
                    match (&running.checker.probe.kind, &running.checker.probe.connect) {
                        (ProbeKind::Tcp, Some(connect)) => ended = self.connects.start(id, connect, now),
                        _ => spawn_probe(id, Arc::clone(&running.checker.probe), url, self.ended.clone()),
                    }
                }
                Action::Verdict { up } => verdict = Some(Verdict { key: running.key.clone(), up }),
                Action::Report(event) => report(&running.name, &event),
            }
        }
        (verdict, ended)
    }
}

fn spawn_probe(id: CheckId, probe: Arc<Probe>, url: usize, ended: mpsc::Sender<Ended>) {
    tokio::spawn(async move {
        let (ProbeKind::Http(http), Some(connect)) = (&probe.kind, &probe.connect) else { return };
        let Some(url) = http.urls.get(url) else { return };
        let outcome = io::probe(connect, http, url).await;
        // The director is gone only when the process ends.
        let _ = ended.send(Ended { id, outcome }).await;
    });
}

fn report(name: &str, event: &Event) {
    let line = event.describe(name);
    match event {
        Event::Failed { .. } | Event::NotRun { .. } => tracing::warn!("{line}"),
        Event::Passed { .. } => tracing::info!("{line}"),
        Event::Retrying { .. } => tracing::debug!("{line}"),
    }
}
