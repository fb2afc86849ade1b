//! What is told of virtual routers to scripts and FIFOs, and in which order.
//!
//! Inputs: what happened to an instance, ends of scripts, the commands of a start or reload. Outputs: runs, and lines for
//! the FIFOs. Invariants: of one instance one script runs at a time, in the order of what happened; none is lost, but
//! when a script hangs, or the daemon stops and many wait: then what waits shrinks to the last state. Scripts of several instances
//! begin in the order of what happened, as long as nobody has to wait for that longer than [`ORDER`].

pub mod event;
pub mod io;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::script::{Ending, Program};

use event::Event;

/// A script that runs for so long after something newer is to be told hangs, and is ended.
pub const HANGS: Duration = Duration::from_secs(30);
/// The same once the daemon stops.
pub const HANGS_AT_STOP: Duration = Duration::from_secs(1);
/// A script waits no longer for those of other instances that come before it.
pub const ORDER: Duration = Duration::from_millis(200);
/// What waits for one instance at most; beyond, only its last state is kept.
const MOST: usize = 1024;
/// The same while the daemon stops: a script takes a second at most then.
const MOST_AT_STOP: usize = 4;

/// A state, as it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum State {
    /// It owns the addresses.
    Master,
    /// It listens.
    Backup,
    /// It takes no part.
    Fault,
    /// The daemon stops.
    Stop,
    /// A reload removed it.
    Deleted,
}

impl State {
    /// The word for scripts and FIFOs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }
}

/// Of what is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Subject {
    /// A virtual router, by name.
    Instance(String),
    /// A sync group.
    Group(String),
}

impl Subject {
    /// The words that scripts and FIFOs begin with.
    fn words(&self) -> (&'static str, &str) {
        match self {
            Self::Instance(name) => ("INSTANCE", name),
            Self::Group(name) => ("GROUP", name),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) => write!(f, "({name})"),
            Self::Group(name) => write!(f, "VRRP_Group({name})"),
        }
    }
}

/// What happened to an instance or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It entered a state.
    Entered(State),
    /// As master it heard a master of lower priority.
    LowerPriority,
    /// Its priority changed; whether it is master.
    Priority {
        /// It is master.
        master: bool,
    },
}

/// What is run for an instance; a program that cannot be run is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands {
    /// `notify_master`.
    pub master: Option<Program>,
    /// `notify_backup`.
    pub backup: Option<Program>,
    /// `notify_fault`.
    pub fault: Option<Program>,
    /// `notify_stop`.
    pub stop: Option<Program>,
    /// `notify_deleted`; `None` when the word does not stand there.
    pub deleted: Option<Option<Program>>,
    /// `notify`.
    pub any: Option<Program>,
    /// `notify_master_rx_lower_pri`.
    pub lower_priority: Option<Program>,
    /// `notify_priority_changes`.
    pub priority_changes: bool,
}

impl Commands {
    /// All of them.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let named = [&self.master, &self.backup, &self.fault, &self.stop, &self.any, &self.lower_priority];
        named.into_iter().chain(&self.deleted).flatten()
    }
}

/// What can happen.
#[derive(Debug, Clone)]
pub enum Input {
    /// What is run after a start or reload.
    Configure(BTreeMap<Subject, Commands>),
    /// Something happened.
    Told {
        /// To whom.
        subject: Subject,
        /// What.
        what: What,
        /// Its effective priority; that of a group is 0.
        priority: u8,
    },
    /// A run ended.
    Ended {
        /// Which one.
        run: Run,
        /// How.
        ending: Ending,
    },
    /// The time that [`Notifier::next_timer`] named has come.
    Timer,
    /// The daemon stops: nobody has much time any more, and of what waits only the last state is told.
    Stop,
}

/// Tells the runs of one process apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Run(u64);

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run this; [`Input::Ended`] is the answer.
    Run {
        /// Its number.
        run: Run,
        /// What.
        program: Program,
    },
    /// End this run.
    End(Run),
    /// Write this line to the FIFOs.
    Write {
        /// Of whom.
        subject: Subject,
        /// With its line break.
        line: String,
        /// It tells of a state, which replaces that before.
        state: bool,
    },
    /// Tell.
    Report {
        /// Of whom.
        subject: Subject,
        /// What.
        event: Event,
    },
}

/// Why to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// A script has waited for others long enough.
    Order,
    /// A script hangs.
    Hangs,
}

/// A view of one instance or group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Whom.
    pub subject: Subject,
    /// The state that was told last, with the priority.
    pub state: Option<(State, u8)>,
    /// Runs that wait.
    pub waiting: usize,
    /// A run is under way.
    pub running: bool,
}

/// A run that waits.
#[derive(Debug, Clone)]
struct Job {
    run: Run,
    program: Program,
    /// Which event it belongs to, and whether that is a state.
    event: u64,
    state: bool,
    since: Instant,
}

#[derive(Debug, Clone)]
struct Running {
    run: Run,
    event: u64,
    started: Instant,
    path: String,
    ending: bool,
}

#[derive(Debug, Clone, Default)]
struct Instance {
    commands: Commands,
    /// Not in the configuration any more: its last word is awaited.
    leaving: bool,
    state: Option<(State, u8)>,
    jobs: VecDeque<Job>,
    running: Option<Running>,
}

/// The notifications of all instances and groups.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    instances: BTreeMap<Subject, Instance>,
    last_run: u64,
    last_event: u64,
    stopping: bool,
}

impl Notifier {
    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure(commands) => self.configure(commands),
            Input::Told { subject, what, priority } => self.told(now, subject, what, priority, out),
            Input::Ended { run, ending } => self.ended(run, &ending, out),
            Input::Timer => {}
            Input::Stop => {
                self.stopping = true;
                for (subject, one) in &mut self.instances {
                    if one.jobs.len() > MOST_AT_STOP {
                        one.leave_out(subject, out);
                    }
                }
            }
        }
        self.end_what_hangs(now, out);
        self.start(now, out);
        self.instances.retain(|_, one| !one.leaving || one.state.is_some() || one.is_busy());
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let hangs = self.instances.values().filter_map(|one| one.hangs_at(self.stopping));
        let hangs = hangs.map(|at| (at, Timer::Hangs));
        let waits = self.instances.values().filter(|one| one.running.is_none());
        let waits = waits.filter_map(|one| Some((one.jobs.front()?.since + ORDER, Timer::Order)));
        hangs.chain(waits).min()
    }

    /// Every instance, for whoever asks.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let one = |(subject, one): (&Subject, &Instance)| Snapshot {
            subject: subject.clone(),
            state: one.state,
            waiting: one.jobs.len(),
            running: one.running.is_some(),
        };
        self.instances.iter().map(one).collect()
    }

    /// Whether nothing runs and nothing waits.
    pub fn is_idle(&self) -> bool {
        !self.instances.values().any(Instance::is_busy)
    }

    /// The present states, as lines: for a reader that has just come.
    pub fn states(&self) -> Vec<(Subject, String)> {
        let line = |(subject, one): (&Subject, &Instance)| {
            let (state, priority) = one.state?;
            Some((subject.clone(), line(subject, state.word(), priority)))
        };
        self.instances.iter().filter_map(line).collect()
    }

    /// Who is gone is known until his last word, which a reload brings; who comes has told nothing yet.
    fn configure(&mut self, mut commands: BTreeMap<Subject, Commands>) {
        for (name, one) in &mut self.instances {
            match commands.remove(name) {
                Some(commands) => (one.commands, one.leaving) = (commands, false),
                // A group has no last word. Nor has a renamed instance under its old name: the reload after this one
                // forgets it.
                None if one.leaving || matches!(name, Subject::Group(_)) => {
                    (one.state, one.leaving) = (None, true);
                }
                None => one.leaving = true,
            }
        }
        let new = commands.into_iter();
        self.instances
            .extend(new.map(|(name, commands)| (name, Instance { commands, ..Instance::default() })));
    }

    fn told(&mut self, now: Instant, subject: Subject, what: What, priority: u8, out: &mut Vec<Action>) {
        let one = self.instances.entry(subject.clone()).or_default();
        let commands = &one.commands;
        let mut programs: Vec<Program> = Vec::new();
        let word = match what {
            What::Entered(state) => {
                let (own, told) = match state {
                    State::Master => (commands.master.clone(), state),
                    State::Backup => (commands.backup.clone(), state),
                    State::Fault => (commands.fault.clone(), state),
                    State::Stop => (commands.stop.clone(), state),
                    // As keepalived: without the word it is told as FAULT, and `notify_fault` is not run.
                    State::Deleted => match &commands.deleted {
                        Some(own) => (own.clone(), state),
                        None => (None, State::Fault),
                    },
                };
                programs.extend(own);
                let (kind, name) = subject.words();
                let more = [kind, name, told.word()].map(str::to_owned);
                let more = more.into_iter().chain([priority.to_string()]);
                programs.extend(commands.any.as_ref().map(|any| any.with(more)));
                let ends = matches!(state, State::Stop | State::Deleted);
                one.state = (!ends).then_some((told, priority));
                told.word()
            }
            What::LowerPriority => {
                programs.extend(commands.lower_priority.clone());
                "MASTER_RX_LOWER_PRI"
            }
            What::Priority { .. } if !commands.priority_changes => return,
            What::Priority { master: true } => "MASTER_PRIORITY",
            What::Priority { master: false } => "BACKUP_PRIORITY",
        };
        let state = matches!(what, What::Entered(_));
        self.last_event += 1;
        for program in programs {
            self.last_run += 1;
            let (run, event) = (Run(self.last_run), self.last_event);
            one.jobs.push_back(Job { run, program, event, state, since: now });
        }
        if one.jobs.len() > if self.stopping { MOST_AT_STOP } else { MOST } {
            one.leave_out(&subject, out);
        }
        let line = line(&subject, word, priority);
        out.push(Action::Write { subject, line, state });
    }

    fn ended(&mut self, run: Run, ending: &Ending, out: &mut Vec<Action>) {
        let is_it = |one: &Instance| one.running.as_ref().is_some_and(|running| running.run == run);
        let Some((subject, one)) = self.instances.iter_mut().find(|(_, one)| is_it(one)) else { return };
        let Some(running) = one.running.take() else { return };
        let report = |event| Action::Report { subject: subject.clone(), event };
        let path = running.path;
        match ending {
            Ending::Stopped | Ending::TimedOut => {
                let skipped = one.shrink();
                out.push(report(Event::Hung { path, skipped }));
            }
            ending if ending.is_success() => {}
            ending => out.push(report(Event::Failed { path, ending: ending.clone() })),
        }
    }

    fn end_what_hangs(&mut self, now: Instant, out: &mut Vec<Action>) {
        for one in self.instances.values_mut() {
            if one.hangs_at(self.stopping).is_some_and(|at| at <= now)
                && let Some(running) = &mut one.running
            {
                running.ending = true;
                out.push(Action::End(running.run));
            }
        }
    }

    /// Starts the first run of each instance that is free, unless an earlier one of another instance waits.
    fn start(&mut self, now: Instant, out: &mut Vec<Action>) {
        loop {
            let first = self.instances.values().filter_map(|one| one.jobs.front()).map(|job| job.run).min();
            let free = self.instances.values_mut().filter(|one| one.running.is_none());
            let may = |job: &Job| Some(job.run) == first || job.since + ORDER <= now;
            let ready = free.filter(|one| one.jobs.front().is_some_and(may));
            let Some(one) = ready.min_by_key(|one| one.jobs.front().map(|job| job.run)) else { return };
            let Some(job) = one.jobs.pop_front() else { return };
            let path = job.program.arguments.first().cloned().unwrap_or_default();
            one.running = Some(Running { run: job.run, event: job.event, started: now, path, ending: false });
            out.push(Action::Run { run: job.run, program: job.program });
        }
    }
}

impl Instance {
    fn is_busy(&self) -> bool {
        self.running.is_some() || !self.jobs.is_empty()
    }

    /// When its script hangs: something newer waits.
    fn hangs_at(&self, stopping: bool) -> Option<Instant> {
        let running = self.running.as_ref().filter(|running| !running.ending)?;
        let newer = self.jobs.iter().find(|job| job.event > running.event || stopping);
        let limit = if stopping { HANGS_AT_STOP } else { HANGS };
        newer.map(|job| job.since.max(running.started) + limit)
    }

    /// Shrinks what waits, and tells how much is left out for it.
    fn leave_out(&mut self, subject: &Subject, out: &mut Vec<Action>) {
        let skipped = self.shrink();
        if skipped > 0 {
            out.push(Action::Report { subject: subject.clone(), event: Event::Skipped { skipped } });
        }
    }

    /// Leaves the last state of what waits, and the last of what came after it. Returns how many runs are left out.
    fn shrink(&mut self) -> usize {
        let before = self.jobs.len();
        let last = |state| self.jobs.iter().filter(|job| job.state == state).map(|job| job.event).max();
        let (state, other) = (last(true), last(false));
        let kept = |job: &Job| match job.state {
            true => Some(job.event) == state,
            false => Some(job.event) == other && other > state,
        };
        self.jobs.retain(kept);
        before - self.jobs.len()
    }
}

/// `INSTANCE "VI_1" MASTER 100`.
fn line(subject: &Subject, word: &str, priority: u8) -> String {
    let (kind, name) = subject.words();
    format!("{kind} \"{name}\" {word} {priority}\n")
}

#[cfg(test)]
mod tests;
