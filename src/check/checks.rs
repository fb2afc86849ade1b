//! All checks: which are due, which one an outcome is for, and which stay over a reload.
//!
//! Input: the configured checks, outcomes of probes, numbers of files, BFD sessions that are up, time. Output: probes to run, standings that changed, what there
//! is to tell. A check is known by its [`Key`]: what a reload leaves equal goes on where it was, retries and all.
//! Invariant: each configured check waits for a time, has one probe under way, or follows what somebody else finds out.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::{
    FileWeight, Probe, ProbeKind, Timing, VirtualServer, VirtualServerName, describe_real_server,
};

use super::policy::Policy;
use super::schedule::{self, Event, Machine};
use super::{Expiring, Failure, Outcome, Standing, file};

/// Checks that are due within it run together: with many checks, one wake-up serves a handful of them.
pub const TICK: Duration = Duration::from_millis(25);

/// A certificate that ends soon is told so seldom.
const TOLD: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells the checks of one process apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct CheckId(u64);

/// What makes a check of a reload the same as a running one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The virtual server; all its checks share the name.
    pub service: Arc<VirtualServerName>,
    /// The real server.
    pub server: SocketAddr,
    /// What it asks, and where.
    pub probe: Arc<Probe>,
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        // What a reload leaves as it was is shared with what ran before: there is nothing to compare.
        let probe = || match Arc::ptr_eq(&self.probe, &other.probe) {
            true => Ordering::Equal,
            false => self.probe.cmp(&other.probe),
        };
        self.service.cmp(&other.service).then_with(|| self.server.cmp(&other.server)).then_with(probe)
    }
}

/// A check that the configuration asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub key: Key,
    /// Its timing.
    pub timing: Arc<Timing>,
    /// What stands for the protocol in the log form of the real server.
    pub protocol: &'static str,
    /// Where it begins when it is new.
    pub up: bool,
}

/// The checks of `servers`; `log_all` is what counts where no `log_all_failures` stands, and `passes` tells where a new one
/// begins.
pub fn wanted(servers: &[Arc<VirtualServer>], log_all: bool, passes: impl Fn(&Key) -> bool) -> Vec<Wanted> {
    let mut all: Vec<Wanted> = Vec::new();
    // Checks of one timing go on sharing it.
    let mut last: Option<(Arc<Timing>, Arc<Timing>)> = None;
    let mut loud = |timing: &Arc<Timing>| {
        if let Some((_, loud)) = last.as_ref().filter(|(quiet, _)| Arc::ptr_eq(quiet, timing)) {
            return Arc::clone(loud);
        }
        let loud = Arc::new(Timing { log_all_failures: Some(true), ..Timing::clone(timing) });
        last = Some((Arc::clone(timing), Arc::clone(&loud)));
        loud
    };
    for service in servers {
        let (name, protocol) = (Arc::new(service.name()), service.real_server_protocol());
        for real in &service.real_servers {
            for checker in &real.checkers {
                let probe = Arc::clone(&checker.probe);
                let key = Key { service: Arc::clone(&name), server: real.address, probe };
                let up = passes(&key);
                let timing = match (checker.timing.log_all_failures, log_all) {
                    (None, true) => loud(&checker.timing),
                    _ => Arc::clone(&checker.timing),
                };
                all.push(Wanted { key, timing, protocol, up });
            }
        }
    }
    all
}

/// What others find out, and checks follow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The numbers of the tracked files, by name; a file that is not among them has not been read.
    pub numbers: Arc<BTreeMap<String, i32>>,
    /// The BFD sessions that are up; any other is down.
    pub sessions: Arc<BTreeSet<String>>,
}

impl Facts {
    /// What a check that follows something amounts to. `None`: that is not known, or it follows nothing.
    fn outcome(&self, kind: &ProbeKind) -> Option<Outcome> {
        match kind {
            ProbeKind::File { name, weight } => {
                let number = self.numbers.get(name)?;
                Some(file::outcome(name, *number, weight.unwrap_or(FileWeight::DEFAULT)))
            }
            ProbeKind::Bfd { name } if self.sessions.contains(name) => Some(Outcome::PASSED),
            ProbeKind::Bfd { name } => Some(Outcome::Failed(Failure::Session { name: name.clone() })),
            _ => None,
        }
    }
}

/// What checks of `servers` amount to before they run: those that follow what is known.
pub fn known(servers: &[Arc<VirtualServer>], facts: &Facts) -> BTreeMap<Arc<Probe>, Standing> {
    let mut known = BTreeMap::new();
    let checkers = servers.iter().flat_map(|service| &service.real_servers).flat_map(|real| &real.checkers);
    for checker in checkers {
        let standing = match facts.outcome(&checker.probe.kind) {
            None => continue,
            Some(Outcome::Passed { weight }) => Standing::Up { weight },
            Some(_) => Standing::Down,
        };
        known.insert(Arc::clone(&checker.probe), standing);
    }
    known
}

/// What can happen to the checks.
#[derive(Debug)]
pub enum Input {
    /// The checks of a start or a reload; those that are not among them end.
    Configure(Vec<Wanted>),
    /// The time that [`Checks::next_timer`] named has come.
    Timer,
    /// What others find out.
    Told(Facts),
    /// A probe ended. That of a check which a reload ended is not heard.
    Outcome {
        /// Of which check.
        id: CheckId,
        /// How.
        outcome: Outcome,
    },
    /// A probe saw a certificate that ends soon.
    Expiring {
        /// Of which check.
        id: CheckId,
        /// Which.
        certificate: Box<Expiring>,
    },
}

/// What the checks want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run a probe.
    Probe {
        /// Of which check.
        id: CheckId,
        /// What it asks, and where.
        probe: Arc<Probe>,
        /// Which of its steps, from 0.
        step: usize,
        /// Of its virtual server: how long a program may take that nothing else limits.
        delay_loop: Duration,
    },
    /// A standing changed.
    Standing {
        /// Whose.
        key: Arc<Key>,
        /// To this.
        standing: Standing,
    },
    /// Tell.
    Report {
        /// Log form of the real server.
        server: String,
        /// What.
        event: Event,
    },
}

/// Why the checks want to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Timer {
    /// A check is due.
    Due,
}

/// How many there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// All checks.
    pub total: usize,
    /// Those that pass, as far as is known.
    pub passing: usize,
}

/// A view of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Log form of the virtual server.
    pub service: String,
    /// Log form of the real server.
    pub server: String,
    /// Its schedule.
    #[serde(flatten)]
    pub schedule: schedule::Snapshot,
}

#[derive(Debug)]
struct Running {
    key: Arc<Key>,
    protocol: &'static str,
    machine: Machine,
}

impl Running {
    /// Log form of the real server.
    fn server(&self) -> String {
        describe_real_server(&self.key.server, self.protocol)
    }
}

/// Every check.
#[derive(Debug)]
pub struct Checks {
    running: BTreeMap<CheckId, Box<Running>>,
    by_key: BTreeMap<Arc<Key>, CheckId>,
    due: BTreeSet<(Instant, CheckId)>,
    /// Those that follow something.
    following: BTreeSet<CheckId>,
    facts: Facts,
    /// When the certificate that is shown at an address was told to end soon: by what is asked for there.
    told: BTreeMap<(SocketAddr, Option<String>), Instant>,
    passing: usize,
    last_id: u64,
    jitter: fastrand::Rng,
}

impl Checks {
    /// No checks yet; `seed` is that of the random parts of `warmup`.
    pub fn new(seed: u64) -> Self {
        Self {
            running: BTreeMap::new(),
            by_key: BTreeMap::new(),
            due: BTreeSet::new(),
            following: BTreeSet::new(),
            facts: Facts::default(),
            told: BTreeMap::new(),
            passing: 0,
            last_id: 0,
            jitter: fastrand::Rng::with_seed(seed),
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure(wanted) => self.configure(now, wanted, out),
            Input::Timer => {
                while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now + TICK) {
                    self.feed(id, at.max(now), schedule::Input::Timer, out);
                }
            }
            Input::Told(facts) => {
                let before = std::mem::replace(&mut self.facts, facts);
                for id in self.following.clone() {
                    self.follow(id, now, Some(&before), out);
                }
            }
            Input::Outcome { id, outcome } => self.feed(id, now, schedule::Input::Outcome(outcome), out),
            Input::Expiring { id, certificate } => self.expiring(now, id, certificate, out),
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        self.due.first().map(|(at, _)| (*at, Timer::Due))
    }

    /// One view for each check, in the order in which they began.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let view = |running: &Running| Snapshot {
            service: running.key.service.to_string(),
            server: running.server(),
            schedule: running.machine.snapshot(),
        };
        self.running.values().map(|running| view(running)).collect()
    }

    /// A view of each check, by its virtual server and real server.
    pub fn views(&self) -> impl Iterator<Item = (&Key, schedule::Snapshot)> {
        self.by_key.iter().filter_map(|(key, id)| Some((&**key, self.running.get(id)?.machine.snapshot())))
    }

    /// Whether this check is still wanted.
    pub fn knows(&self, id: CheckId) -> bool {
        self.running.contains_key(&id)
    }

    /// How many there are, without counting.
    pub fn totals(&self) -> Totals {
        Totals { total: self.running.len(), passing: self.passing }
    }

    fn configure(&mut self, now: Instant, wanted: Vec<Wanted>, out: &mut Vec<Action>) {
        // Two equal checks of one real server are one.
        let mut wanted: BTreeMap<Key, Wanted> =
            wanted.into_iter().map(|wanted| (wanted.key.clone(), wanted)).collect();
        let mut gone = Vec::new();
        self.by_key.retain(|key, id| {
            let stays = wanted.contains_key(&**key);
            gone.extend((!stays).then_some(*id));
            stays
        });
        for id in gone {
            let Some(running) = self.running.remove(&id) else { continue };
            self.passing -= usize::from(running.machine.is_up());
            self.following.remove(&id);
            if let Some((at, _)) = running.machine.next_timer() {
                self.due.remove(&(at, id));
            }
        }
        let known: Vec<(CheckId, Wanted)> =
            self.by_key.iter().filter_map(|(key, id)| Some((*id, wanted.remove(&**key)?))).collect();
        for (id, again) in known {
            self.retime(id, now, again, out);
        }
        for new in wanted.into_values() {
            self.start(now, new, out);
        }
    }

    fn retime(&mut self, id: CheckId, now: Instant, again: Wanted, out: &mut Vec<Action>) {
        let Some(running) = self.running.get_mut(&id) else { return };
        running.protocol = again.protocol;
        if running.machine.timing() != &*again.timing {
            self.feed(id, now, schedule::Input::Retime(again.timing), out);
        }
    }

    fn start(&mut self, now: Instant, new: Wanted, out: &mut Vec<Action>) {
        let Wanted { key, timing, protocol, up } = new;
        let key = Arc::new(key);
        self.last_id += 1;
        let id = CheckId(self.last_id);
        let jitter = timing.warmup.mul_f64(self.jitter.f64());
        let follows = matches!(key.probe.kind, ProbeKind::File { .. } | ProbeKind::Bfd { .. });
        let machine = Machine::new(timing, Policy::of(&key.probe), up);
        self.passing += usize::from(up);
        self.by_key.insert(Arc::clone(&key), id);
        self.running.insert(id, Box::new(Running { key, protocol, machine }));
        self.feed(id, now, schedule::Input::Start { jitter }, out);
        if follows {
            self.following.insert(id);
            self.follow(id, now, None, out);
        }
    }

    /// Tells a check what is known of what it follows, unless `before` has told it.
    fn follow(&mut self, id: CheckId, now: Instant, before: Option<&Facts>, out: &mut Vec<Action>) {
        let Some(kind) = self.running.get(&id).map(|one| &one.key.probe.kind) else { return };
        let Some(outcome) = self.facts.outcome(kind) else { return };
        if before.and_then(|before| before.outcome(kind)).as_ref() != Some(&outcome) {
            self.feed(id, now, schedule::Input::Outcome(outcome), out);
        }
    }

    /// Tells it, unless that was done within a day: by whichever of the checks that ask there for the same.
    fn expiring(&mut self, now: Instant, id: CheckId, certificate: Box<Expiring>, out: &mut Vec<Action>) {
        let Some(running) = self.running.get(&id) else { return };
        let probe = &running.key.probe;
        let Some(connect) = &probe.connect else { return };
        self.told.retain(|_, at| now.saturating_duration_since(*at) < TOLD);
        let place = (connect.to, probe.kind.tls_name().map(str::to_owned));
        match self.told.entry(place) {
            Entry::Occupied(_) => return,
            Entry::Vacant(place) => drop(place.insert(now)),
        }
        let event = Event::Expires { check: probe.kind.title(), certificate };
        out.push(Action::Report { server: running.server(), event });
    }

    fn feed(&mut self, id: CheckId, now: Instant, input: schedule::Input, out: &mut Vec<Action>) {
        let Some(running) = self.running.get_mut(&id) else { return };
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.remove(&(at, id));
        }
        let mut actions = Vec::new();
        let was_up = running.machine.is_up();
        running.machine.handle(now, input, &mut actions);
        self.passing = self.passing - usize::from(was_up) + usize::from(running.machine.is_up());
        if let Some((at, _)) = running.machine.next_timer() {
            self.due.insert((at, id));
        }
        out.extend(actions.into_iter().map(|action| match action {
            schedule::Action::Probe { step } => {
                let delay_loop = running.machine.timing().delay_loop;
                Action::Probe { id, probe: Arc::clone(&running.key.probe), step, delay_loop }
            }
            schedule::Action::Standing(standing) => {
                Action::Standing { key: Arc::clone(&running.key), standing }
            }
            schedule::Action::Report(event) => Action::Report { server: running.server(), event },
        }));
    }
}

#[cfg(test)]
mod tests;
