//! What is told of virtual routers, virtual servers and real servers to scripts and FIFOs, and in which order.
//!
//! Inputs: what happened to one of them, ends of scripts, the commands of a start or reload. Outputs: runs, and lines for
//! the FIFOs. Invariants: of one instance one script runs at a time, in the order of what happened; none is lost, but
//! when a script hangs, or the daemon stops and many wait: then what waits shrinks to the last state. Scripts of several instances
//! begin in the order of what happened, as long as nobody has to wait for that longer than [`ORDER`]. Of a machine with a
//! limit so many run at most.

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
    /// A virtual server, by its log form.
    Service(String),
    /// A real server of one.
    Server {
        /// The log form of the virtual server.
        service: String,
        /// Its own.
        server: String,
    },
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Instance(name) => write!(f, "({name})"),
            Self::Group(name) => write!(f, "VRRP_Group({name})"),
            Self::Service(name) => write!(f, "VS {name}:"),
            Self::Server { service, server } => write!(f, "service {server} of VS {service}:"),
        }
    }
}

/// What happened to an instance or a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It entered a state.
    Entered(State),
    /// It is MASTER and has been so: the daemon was restarted meanwhile. Only who reads a FIFO is told, as the state, with
    /// `RESUMED` behind the priority: it may have come with the daemon and know nothing yet.
    Resumed,
    /// As master it heard a master of lower priority.
    LowerPriority,
    /// Its priority changed; whether it is master.
    Priority {
        /// It is master.
        master: bool,
    },
    /// A virtual server has its quorum, or no longer; a real server is up, or down.
    Serves(bool),
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
    /// `quorum_up`, `notify_up`.
    pub up: Option<Program>,
    /// `quorum_down`, `notify_down`.
    pub down: Option<Program>,
}

impl Commands {
    /// All of them.
    pub fn programs(&self) -> impl Iterator<Item = &Program> {
        let named = [&self.master, &self.backup, &self.fault, &self.stop, &self.any, &self.lower_priority];
        named.into_iter().chain(&self.deleted).chain([&self.up, &self.down]).flatten()
    }

    /// Most have nothing, and hundreds of them take little then.
    fn boxed(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
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

/// A view of one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Whom.
    pub subject: Subject,
    /// The state that was told last, with the priority.
    pub state: Option<(State, u8)>,
    /// What was told last of a server.
    pub serves: Option<bool>,
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
    /// `None`: nothing is run.
    commands: Option<Box<Commands>>,
    /// Not in the configuration any more: its last word is awaited.
    leaving: bool,
    state: Option<(State, u8)>,
    serves: Option<bool>,
    jobs: VecDeque<Job>,
    running: Option<Running>,
    /// The first of the jobs, as [`Notifier::waiting`] has it.
    front: Option<Run>,
}

/// The notifications of all that there are.
#[derive(Debug, Clone, Default)]
pub struct Notifier {
    /// Boxed: a map has room for more than are in it.
    instances: BTreeMap<Subject, Box<Instance>>,
    /// Whose first job each waiting run is; only those of who has none under way are in `free`.
    waiting: BTreeMap<Run, Subject>,
    free: BTreeMap<Run, Subject>,
    /// Whose each run under way is.
    running: BTreeMap<Run, Subject>,
    /// So many run at most.
    limit: Option<usize>,
    last_run: u64,
    last_event: u64,
    stopping: bool,
}

impl Notifier {
    /// One of which `most` scripts run at a time. Who waits for a place makes those hang that take too long.
    #[must_use]
    pub fn limited(most: usize) -> Self {
        Self { limit: Some(most), ..Self::default() }
    }

    fn each(&self) -> impl Iterator<Item = (&Subject, &Instance)> {
        self.instances.iter().map(|(subject, one)| (subject, &**one))
    }

    /// Whether something is run for this one.
    #[must_use]
    pub fn runs_for(&self, subject: &Subject) -> bool {
        self.instances
            .get(subject)
            .is_some_and(|one| one.commands.iter().any(|some| some.programs().next().is_some()))
    }

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
                let all: Vec<Subject> = self.waiting.values().cloned().collect();
                all.iter().for_each(|subject| self.place(subject));
            }
        }
        self.end_what_hangs(now, out);
        self.start(now, out);
    }

    /// Takes the place of a subject among those that wait anew, after its jobs or what runs for it changed. Who is gone
    /// and has nothing more to tell is forgotten.
    fn place(&mut self, subject: &Subject) {
        let Some(one) = self.instances.get_mut(subject) else { return };
        if let Some(before) = one.front.take() {
            self.waiting.remove(&before);
            self.free.remove(&before);
        }
        if let Some(job) = one.jobs.front() {
            one.front = Some(job.run);
            self.waiting.insert(job.run, subject.clone());
            if one.running.is_none() {
                self.free.insert(job.run, subject.clone());
            }
        }
        if one.is_forgotten() {
            self.instances.remove(subject);
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let hangs = self.running.values().filter_map(|subject| self.hangs_at(subject));
        let hangs = hangs.map(|at| (at, Timer::Hangs));
        // Who has waited longest comes first.
        let waits = self.free.values().next().filter(|_| !self.is_full());
        let since = waits.and_then(|subject| Some(self.instances.get(subject)?.jobs.front()?.since));
        hangs.chain(since.map(|since| (since + ORDER, Timer::Order))).min()
    }

    /// Every instance, for whoever asks.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        let one = |(subject, one): (&Subject, &Instance)| Snapshot {
            subject: subject.clone(),
            state: one.state,
            serves: one.serves,
            waiting: one.jobs.len(),
            running: one.running.is_some(),
        };
        self.each().map(one).collect()
    }

    /// Whether nothing runs and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// The present states, as lines: for a reader that has just come.
    pub fn states(&self) -> Vec<(Subject, String)> {
        let line = |(subject, one): (&Subject, &Instance)| {
            let (word, priority) = match (one.state, one.serves) {
                (Some((state, priority)), _) => (state.word(), priority),
                (None, Some(serves)) => (up_or_down(serves), 0),
                (None, None) => return None,
            };
            Some((subject.clone(), line(subject, word, priority)))
        };
        self.each().filter_map(line).collect()
    }

    fn is_full(&self) -> bool {
        self.limit.is_some_and(|most| self.running.len() >= most)
    }

    /// When the script that runs for this one hangs: something newer of its own waits, or others wait for its place.
    fn hangs_at(&self, subject: &Subject) -> Option<Instant> {
        let one = self.instances.get(subject)?;
        let newer = one.hangs_at(self.stopping);
        let running = one.running.as_ref().filter(|running| !running.ending)?;
        let crowded = self.is_full() && !self.free.is_empty();
        let limit = if self.stopping { HANGS_AT_STOP } else { HANGS };
        newer.into_iter().chain(crowded.then(|| running.started + limit)).min()
    }

    /// Who is gone is known until his last word, which a reload brings; who comes has told nothing yet.
    fn configure(&mut self, mut commands: BTreeMap<Subject, Commands>) {
        for (name, one) in &mut self.instances {
            match commands.remove(name) {
                Some(commands) => (one.commands, one.leaving) = (commands.boxed(), false),
                // A group has no last word. Nor has a renamed instance under its old name: the reload after this one
                // forgets it.
                None if one.leaving || matches!(name, Subject::Group(_)) => {
                    (one.state, one.serves, one.leaving) = (None, None, true);
                }
                None => one.leaving = true,
            }
        }
        self.instances.retain(|_, one| !one.is_forgotten());
        let new = commands.into_iter();
        self.instances.extend(new.map(|(name, commands)| {
            (name, Box::new(Instance { commands: commands.boxed(), ..Instance::default() }))
        }));
    }

    fn told(&mut self, now: Instant, subject: Subject, what: What, priority: u8, out: &mut Vec<Action>) {
        let one = self.instances.entry(subject.clone()).or_default();
        let leaving = one.leaving;
        let nothing = Commands::default();
        let commands = one.commands.as_deref().unwrap_or(&nothing);
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
                let (kind, name) = match &subject {
                    Subject::Group(name) => ("GROUP", name),
                    Subject::Instance(name) | Subject::Service(name) => ("INSTANCE", name),
                    Subject::Server { server, .. } => ("INSTANCE", server),
                };
                let more = [kind, name, told.word()].map(str::to_owned);
                let more = more.into_iter().chain([priority.to_string()]);
                programs.extend(commands.any.as_ref().map(|any| any.with(more)));
                let ends = matches!(state, State::Stop | State::Deleted);
                one.state = (!ends).then_some((told, priority));
                told.word()
            }
            What::Resumed => {
                one.state = Some((State::Master, priority));
                State::Master.word()
            }
            What::Serves(up) => {
                programs.extend(if up { commands.up.clone() } else { commands.down.clone() });
                one.serves = (up || !leaving).then_some(up);
                up_or_down(up)
            }
            What::LowerPriority => {
                programs.extend(commands.lower_priority.clone());
                "MASTER_RX_LOWER_PRI"
            }
            What::Priority { .. } if !commands.priority_changes => return,
            What::Priority { master: true } => "MASTER_PRIORITY",
            What::Priority { master: false } => "BACKUP_PRIORITY",
        };
        let state = matches!(what, What::Entered(_) | What::Resumed | What::Serves(_));
        self.last_event += 1;
        for program in programs {
            self.last_run += 1;
            let (run, event) = (Run(self.last_run), self.last_event);
            one.jobs.push_back(Job { run, program, event, state, since: now });
        }
        if one.jobs.len() > if self.stopping { MOST_AT_STOP } else { MOST } {
            one.leave_out(&subject, out);
        }
        self.place(&subject);
        let mut line = line(&subject, word, priority);
        if what == What::Resumed {
            line.insert_str(line.trim_end().len(), " RESUMED");
        }
        out.push(Action::Write { subject, line, state });
    }

    fn ended(&mut self, run: Run, ending: &Ending, out: &mut Vec<Action>) {
        let Some(subject) = self.running.remove(&run) else { return };
        let Some(one) = self.instances.get_mut(&subject) else { return };
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
        self.place(&subject);
    }

    fn end_what_hangs(&mut self, now: Instant, out: &mut Vec<Action>) {
        let is_due = |subject: &&Subject| self.hangs_at(subject).is_some_and(|at| at <= now);
        let due: Vec<Subject> = self.running.values().filter(is_due).cloned().collect();
        for subject in due {
            if let Some(running) = self.instances.get_mut(&subject).and_then(|one| one.running.as_mut()) {
                running.ending = true;
                out.push(Action::End(running.run));
            }
        }
    }

    /// Starts the first run of each instance that is free, unless an earlier one of another instance waits.
    fn start(&mut self, now: Instant, out: &mut Vec<Action>) {
        while !self.is_full() {
            let first = self.waiting.keys().next();
            // Runs are in the order of their times: when the first of those that are free may not, none may.
            let Some((run, subject)) = self.free.iter().next() else { return };
            let (is_first, subject) = (first == Some(run), subject.clone());
            let Some(one) = self.instances.get_mut(&subject) else { return };
            if !one.jobs.front().is_some_and(|job| is_first || job.since + ORDER <= now) {
                return;
            }
            let Some(job) = one.jobs.pop_front() else { return };
            let path = job.program.arguments.first().cloned().unwrap_or_default();
            one.running = Some(Running { run: job.run, event: job.event, started: now, path, ending: false });
            self.running.insert(job.run, subject.clone());
            self.place(&subject);
            out.push(Action::Run { run: job.run, program: job.program });
        }
    }
}

impl Instance {
    fn is_busy(&self) -> bool {
        self.running.is_some() || !self.jobs.is_empty()
    }

    /// It is gone, and its last word is told.
    fn is_forgotten(&self) -> bool {
        self.leaving && self.state.is_none() && self.serves.is_none() && !self.is_busy()
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

/// `INSTANCE "VI_1" MASTER 100`, `VS [192.168.100.240]:tcp:80 UP`.
fn line(subject: &Subject, word: &str, priority: u8) -> String {
    match subject {
        Subject::Instance(name) => format!("INSTANCE \"{name}\" {word} {priority}\n"),
        Subject::Group(name) => format!("GROUP \"{name}\" {word} {priority}\n"),
        Subject::Service(name) => format!("VS {name} {word}\n"),
        Subject::Server { service, server } => format!("RS {server} {service} {word}\n"),
    }
}

fn up_or_down(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

#[cfg(test)]
mod tests;
