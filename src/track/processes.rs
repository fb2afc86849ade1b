//! All tracked processes: what is known of those that run, when to look for them, and which definitions stay over a reload.
//!
//! Inputs: the definitions of a start or reload, what the kernel tells of processes, what was read of them, a timer.
//! Outputs: look at all, read one, and the standings as a whole whenever one changes. Invariants: what is told of a process
//! while all are looked at counts more than the look; what was read of one that has ended or changed since counts for nobody;
//! after a gap in what is told all are looked at again; without the kernel's word all are looked at every second; a
//! definition that means the same processes keeps what is known, another one of the same name keeps its standing until
//! the look.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::TrackProcess;

use super::connector::Told;
use super::event::Event;
use super::process::{self, Cause, Pid, Process, Sought, Tracked, is_meant};
use super::scripts::Standings;

/// Without the kernel's word all processes are looked at this often, counted from the end of the last look,
const EVERY: Duration = Duration::from_secs(1);
/// and so many times longer than it took.
const SHARE: u32 = 20;
/// So many are read one by one at most; beyond that all are looked at.
const READS: usize = 1000;

/// Tells what was asked for apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ticket(u64);

/// What can happen.
#[derive(Debug, Clone)]
pub enum Input {
    /// What is tracked after a start or reload.
    Configure(Vec<TrackProcess>),
    /// The kernel tells of processes.
    Told(Told),
    /// Something that was told is lost.
    Lost,
    /// The kernel tells nothing, or nothing any more.
    Deaf,
    /// The answer to [`Action::Read`]. What the kernel has told until then must have been fed.
    Read {
        /// Of which request.
        ticket: Ticket,
        /// Of which process.
        pid: Pid,
        /// What it is; `None`: it has ended.
        process: Option<Process>,
    },
    /// The answer to [`Action::Look`]. What the kernel has told until then must have been fed.
    Looked {
        /// Of which request.
        ticket: Ticket,
        /// All that may be meant.
        processes: BTreeMap<Pid, Process>,
    },
    /// The time that [`Processes::next_timer`] named has come.
    Timer,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Look at all processes; [`Input::Looked`] is the answer.
    Look {
        /// To be given back.
        ticket: Ticket,
        /// What is read of each.
        sought: Arc<Sought>,
    },
    /// Read what one process is; [`Input::Read`] is the answer.
    Read {
        /// To be given back.
        ticket: Ticket,
        /// Which.
        pid: Pid,
        /// What is read of it.
        sought: Arc<Sought>,
    },
    /// What the processes amount to now.
    Standings(Arc<Standings>),
    /// Tell.
    Report {
        /// Of which definition.
        process: String,
        /// What.
        event: Event,
    },
}

/// Why to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// All processes are to be looked at.
    Look,
    /// A change counts from now on.
    Delay,
}

/// A view of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Every definition.
    pub processes: Vec<process::Snapshot>,
    /// The kernel tells of each change.
    pub told: bool,
}

/// A look under way.
#[derive(Debug, Clone)]
struct Look {
    ticket: Ticket,
    since: Instant,
    /// Of these something was told meanwhile.
    touched: BTreeSet<Pid>,
    /// Something was lost meanwhile: it is to be done again.
    again: bool,
    /// Other processes are meant now: it says nothing.
    stale: bool,
}

/// All tracked processes.
#[derive(Debug, Clone, Default)]
pub struct Processes {
    tracked: BTreeMap<String, Tracked>,
    sought: Arc<Sought>,
    /// The kernel has said that it tells of each change.
    told: bool,
    look: Option<Look>,
    /// When all are looked at next, whatever is told.
    next_look: Option<Instant>,
    /// What is being read of each, and why.
    reading: BTreeMap<Pid, (Ticket, Cause)>,
    /// Requests to read one that have no answer yet.
    asked: usize,
    last_ticket: u64,
    standings: Arc<Standings>,
}

impl Processes {
    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure(wanted) => self.configure(now, wanted, out),
            Input::Told(told) => self.told(now, told, out),
            Input::Lost => self.look(now, out),
            Input::Deaf => {
                if std::mem::take(&mut self.told) {
                    self.look(now, out);
                }
            }
            Input::Read { ticket, pid, process } => self.read(now, ticket, pid, process.as_ref(), out),
            Input::Looked { ticket, processes } => self.looked(now, ticket, processes, out),
            Input::Timer => {
                if self.next_look.is_some_and(|at| at <= now) {
                    self.look(now, out);
                }
                for name in self.tracked.keys().cloned().collect::<Vec<_>>() {
                    self.feed(now, &name, process::Input::Timer, out);
                }
            }
        }
        self.tell(out);
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let delays = self.tracked.values().filter_map(Tracked::next_timer).map(|at| (at, Timer::Delay));
        delays.chain(self.next_look.map(|at| (at, Timer::Look))).min()
    }

    /// The present state, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { processes: self.tracked.values().map(Tracked::snapshot).collect(), told: self.told }
    }

    /// Whether anything is tracked: otherwise nobody needs to listen.
    pub fn is_empty(&self) -> bool {
        self.tracked.is_empty()
    }

    fn configure(&mut self, now: Instant, wanted: Vec<TrackProcess>, out: &mut Vec<Action>) {
        let mut old = std::mem::take(&mut self.tracked);
        let mut unknown = false;
        for config in wanted {
            let name = config.name.clone();
            let tracked = match old.remove(&name) {
                Some(mut tracked) if tracked.means_those_of(&config) => {
                    let mut actions = Vec::new();
                    tracked.reconfigure(config, &mut actions);
                    reports(&name, actions, out);
                    tracked
                }
                before => {
                    unknown = true;
                    Tracked::new(config, before.map(|tracked| tracked.standing()))
                }
            };
            self.tracked.insert(name, tracked);
        }
        self.sought = Arc::new(Sought::of(self.tracked.values().map(Tracked::config)));
        if self.tracked.is_empty() {
            self.told = false;
            self.look = None;
            self.next_look = None;
            self.reading.clear();
        } else if unknown {
            // What is under way was asked with other names.
            for (pid, (_, cause)) in std::mem::take(&mut self.reading) {
                self.ask(now, pid, cause, out);
            }
            if let Some(look) = &mut self.look {
                look.stale = true;
            }
            self.look(now, out);
        }
    }

    fn told(&mut self, now: Instant, told: Told, out: &mut Vec<Action>) {
        let pid = match told {
            // What happened before it was told is seen by a look.
            Told::Answer { errno: 0, .. } => {
                self.told = true;
                return self.look(now, out);
            }
            Told::Answer { .. } => return self.handle(now, Input::Deaf, out),
            Told::Fork { child: pid, .. } | Told::Exec(pid) | Told::Named(pid) | Told::Exit(pid) => pid,
        };
        if let Some(look) = &mut self.look {
            look.touched.insert(pid);
        }
        match told {
            Told::Answer { .. } => {}
            Told::Exec(pid) | Told::Named(pid) => self.ask(now, pid, Cause::Exec, out),
            Told::Exit(pid) => {
                self.reading.remove(&pid);
                self.set(now, pid, |_| false, Cause::End, out);
            }
            Told::Fork { parent, child } => {
                self.reading.remove(&child);
                if self.look.is_some() || self.reading.contains_key(&parent) {
                    // What the parent is, is not known yet.
                    self.ask(now, child, Cause::Fork, out);
                } else {
                    self.set(now, child, |tracked| tracked.has(parent), Cause::Fork, out);
                }
            }
        }
    }

    fn ask(&mut self, now: Instant, pid: Pid, cause: Cause, out: &mut Vec<Action>) {
        if self.asked >= READS {
            self.reading.remove(&pid);
            return self.look(now, out);
        }
        self.asked += 1;
        let ticket = self.ticket();
        self.reading.insert(pid, (ticket, cause));
        out.push(Action::Read { ticket, pid, sought: Arc::clone(&self.sought) });
    }

    fn read(
        &mut self,
        now: Instant,
        ticket: Ticket,
        pid: Pid,
        process: Option<&Process>,
        out: &mut Vec<Action>,
    ) {
        self.asked = self.asked.saturating_sub(1);
        let Some((_, cause)) = self.reading.get(&pid).copied().filter(|(of, _)| *of == ticket) else {
            return;
        };
        self.reading.remove(&pid);
        let matches = |tracked: &Tracked| process.is_some_and(|process| is_meant(tracked.config(), process));
        // One that has ended meanwhile is told of again.
        let cause = if process.is_some() { cause } else { Cause::End };
        self.set(now, pid, matches, cause, out);
    }

    /// Whether a process is one of those that each definition means.
    fn set(
        &mut self,
        now: Instant,
        pid: Pid,
        matches: impl Fn(&Tracked) -> bool,
        cause: Cause,
        out: &mut Vec<Action>,
    ) {
        for (name, tracked) in &mut self.tracked {
            let matches = matches(tracked);
            let mut actions = Vec::new();
            tracked.handle(now, process::Input::One { pid, matches, cause }, &mut actions);
            reports(name, actions, out);
        }
    }

    fn look(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.tracked.is_empty() {
            return;
        }
        self.next_look = None;
        if let Some(look) = &mut self.look {
            look.again = true;
            return;
        }
        let ticket = self.ticket();
        self.look = Some(Look { ticket, since: now, touched: BTreeSet::new(), again: false, stale: false });
        out.push(Action::Look { ticket, sought: Arc::clone(&self.sought) });
    }

    fn looked(
        &mut self,
        now: Instant,
        ticket: Ticket,
        processes: BTreeMap<Pid, Process>,
        out: &mut Vec<Action>,
    ) {
        let Some(look) = self.look.take_if(|look| look.ticket == ticket) else { return };
        if look.again {
            self.look(now, out);
        } else if !self.told {
            self.next_look = Some(now + EVERY.max(now.saturating_duration_since(look.since) * SHARE));
        }
        if look.stale {
            return;
        }
        for (name, tracked) in &mut self.tracked {
            let config = tracked.config();
            let mut all: BTreeSet<Pid> = processes
                .iter()
                .filter(|(pid, process)| !look.touched.contains(pid) && is_meant(config, process))
                .map(|(pid, _)| *pid)
                .collect();
            all.extend(look.touched.iter().filter(|pid| tracked.has(**pid)));
            let mut actions = Vec::new();
            tracked.handle(now, process::Input::All(all), &mut actions);
            reports(name, actions, out);
        }
    }

    fn feed(&mut self, now: Instant, name: &str, input: process::Input, out: &mut Vec<Action>) {
        let Some(tracked) = self.tracked.get_mut(name) else { return };
        let mut actions = Vec::new();
        tracked.handle(now, input, &mut actions);
        reports(name, actions, out);
    }

    fn ticket(&mut self) -> Ticket {
        self.last_ticket += 1;
        Ticket(self.last_ticket)
    }

    fn tell(&mut self, out: &mut Vec<Action>) {
        let standing = |(name, tracked): (&String, &Tracked)| (name.clone(), tracked.standing());
        let now: Standings = self.tracked.iter().map(standing).collect();
        if now != *self.standings {
            self.standings = Arc::new(now);
            out.push(Action::Standings(Arc::clone(&self.standings)));
        }
    }
}

/// Standings are told together.
fn reports(name: &str, actions: Vec<process::Action>, out: &mut Vec<Action>) {
    for action in actions {
        if let process::Action::Report(event) = action {
            out.push(Action::Report { process: name.to_owned(), event });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::track::Standing;
    use std::collections::VecDeque;

    fn wanted(name: &str, process: &str, quorum: u16) -> TrackProcess {
        TrackProcess { quorum, ..TrackProcess::new(name, vec![process.into()]) }
    }

    fn process(name: &str) -> Process {
        Process { name: name.into(), command: vec![name.into()] }
    }

    /// A host with processes, which the kernel tells of, and a reader that answers late.
    struct Bench {
        machine: Processes,
        now: Instant,
        running: BTreeMap<Pid, String>,
        /// What is told and not heard yet.
        queue: VecDeque<Told>,
        requests: VecDeque<Action>,
        looks: usize,
        standings: Arc<Standings>,
        lines: usize,
    }

    impl Bench {
        fn new() -> Self {
            Self {
                machine: Processes::default(),
                now: Instant::now(),
                running: BTreeMap::new(),
                queue: VecDeque::new(),
                requests: VecDeque::new(),
                looks: 0,
                standings: Arc::default(),
                lines: 0,
            }
        }

        fn feed(&mut self, input: Input) {
            let mut out = Vec::new();
            self.machine.handle(self.now, input, &mut out);
            for action in out {
                match action {
                    Action::Standings(standings) => self.standings = standings,
                    Action::Report { .. } => self.lines += 1,
                    request => {
                        self.looks += usize::from(matches!(request, Action::Look { .. }));
                        self.requests.push_back(request);
                    }
                }
            }
        }

        fn configure(&mut self, wanted: &[TrackProcess]) {
            self.feed(Input::Configure(wanted.to_vec()));
        }

        fn listen(&mut self) {
            self.feed(Input::Told(Told::Answer { number: 1, errno: 0 }));
        }

        fn hear(&mut self) {
            while let Some(told) = self.queue.pop_front() {
                self.feed(Input::Told(told));
            }
        }

        /// What the reader finds out now for the oldest request; it is told later.
        fn find(&mut self) -> Option<Input> {
            let found = |sought: &Sought, name: &str| {
                (sought.commands || sought.names.contains(name.as_bytes())).then(|| process(name))
            };
            Some(match self.requests.pop_front()? {
                Action::Look { ticket, sought } => {
                    let all = self.running.iter();
                    let processes = all.filter_map(|(pid, name)| Some((*pid, found(&sought, name)?)));
                    Input::Looked { ticket, processes: processes.collect() }
                }
                Action::Read { ticket, pid, sought } => {
                    let process = self.running.get(&pid).and_then(|name| found(&sought, name));
                    Input::Read { ticket, pid, process }
                }
                _ => return None,
            })
        }

        /// Everything is heard, and every request answered.
        fn settle(&mut self) {
            self.hear();
            while let Some(answer) = self.find() {
                self.hear();
                self.feed(answer);
            }
        }

        fn exec(&mut self, pid: u32, name: &str) {
            self.running.insert(Pid(pid), name.into());
            self.queue.push_back(Told::Exec(Pid(pid)));
        }

        fn fork(&mut self, parent: u32, child: u32) {
            let name = self.running[&Pid(parent)].clone();
            self.running.insert(Pid(child), name);
            self.queue.push_back(Told::Fork { parent: Pid(parent), child: Pid(child) });
        }

        fn exit(&mut self, pid: u32) {
            self.running.remove(&Pid(pid));
            self.queue.push_back(Told::Exit(Pid(pid)));
        }

        fn seen(&self) -> String {
            let one = |(name, standing): (&String, &Standing)| format!("{name}:{standing:?} ");
            self.standings.iter().map(one).collect()
        }
    }

    #[test]
    fn what_the_kernel_tells_is_followed() {
        let mut bench = Bench::new();
        bench.exec(5, "web");
        bench.queue.clear();
        bench.configure(&[wanted("a", "web", 1), wanted("b", "web", 2)]);
        assert_eq!(bench.seen(), "a:Pending b:Pending ");
        bench.listen();
        bench.settle();
        assert_eq!((bench.seen().as_str(), bench.machine.next_timer()), ("a:Up b:Down ", None));
        bench.fork(5, 6);
        bench.settle();
        assert_eq!(bench.seen(), "a:Up b:Up ");
        let looks = bench.looks;
        bench.exec(6, "other");
        bench.settle();
        assert_eq!(bench.seen(), "a:Up b:Down ");
        bench.running.insert(Pid(6), "web".into());
        bench.feed(Input::Told(Told::Named(Pid(6))));
        bench.settle();
        assert_eq!(bench.seen(), "a:Up b:Up ", "by prctl");
        bench.exit(5);
        bench.exit(6);
        bench.settle();
        assert_eq!((bench.seen().as_str(), bench.looks), ("a:Down b:Down ", looks));
    }

    #[test]
    fn what_is_read_too_late_counts_for_nobody() {
        let mut bench = Bench::new();
        bench.configure(&[wanted("a", "web", 1)]);
        bench.listen();
        bench.settle();
        // It has ended when its answer comes.
        bench.exec(5, "web");
        bench.hear();
        let late = bench.find().unwrap();
        bench.exit(5);
        bench.hear();
        bench.feed(late);
        assert_eq!((bench.seen().as_str(), bench.lines), ("a:Down ", 1));
        // Its number belongs to another one when its answer comes.
        bench.exec(5, "web");
        bench.hear();
        let late = bench.find().unwrap();
        bench.exit(5);
        bench.exec(5, "other");
        bench.hear();
        bench.feed(late);
        assert_eq!(bench.seen(), "a:Down ");
        bench.settle();
        assert_eq!((bench.seen().as_str(), bench.lines), ("a:Down ", 1));
        // It ends before it can be read.
        bench.exec(7, "web");
        bench.hear();
        bench.exit(7);
        bench.settle();
        assert_eq!((bench.seen().as_str(), bench.lines), ("a:Down ", 1));
    }

    #[test]
    fn without_the_kernels_word_all_are_looked_at_every_second() {
        let mut bench = Bench::new();
        bench.configure(&[wanted("a", "web", 1)]);
        bench.feed(Input::Deaf);
        bench.settle();
        assert_eq!(bench.seen(), "a:Down ");
        let second = Duration::from_secs(1);
        assert_eq!(bench.machine.next_timer(), Some((bench.now + second, Timer::Look)));
        bench.running.insert(Pid(5), "web".into());
        bench.now += second;
        bench.feed(Input::Timer);
        assert_eq!(bench.machine.next_timer(), None, "no second look beside the first");
        // A look that takes long is made less often.
        bench.now += Duration::from_millis(200);
        bench.settle();
        assert_eq!(bench.seen(), "a:Up ");
        assert_eq!(bench.machine.next_timer(), Some((bench.now + 4 * second, Timer::Look)));
        bench.configure(&[]);
        assert_eq!((bench.seen().as_str(), bench.machine.next_timer()), ("", None));
    }

    #[test]
    fn a_reload_keeps_what_is_known_and_looks_for_what_is_new() {
        let mut bench = Bench::new();
        bench.running.insert(Pid(5), "web".into());
        bench.configure(&[wanted("a", "web", 1), wanted("b", "web", 1)]);
        bench.listen();
        bench.settle();
        let looks = bench.looks;
        bench.configure(&[wanted("a", "web", 1), wanted("b", "web", 2)]);
        assert_eq!((bench.seen().as_str(), bench.looks), ("a:Up b:Down ", looks));
        bench.configure(&[wanted("a", "mail", 1), wanted("c", "web", 1)]);
        assert_eq!(bench.seen(), "a:Up c:Pending ", "until it is known");
        bench.settle();
        assert_eq!((bench.seen().as_str(), bench.looks), ("a:Down c:Up ", looks + 1));
        // A look under way was made with other names.
        bench.feed(Input::Lost);
        let stale = bench.find().unwrap();
        bench.running.insert(Pid(6), "mail".into());
        bench.configure(&[wanted("a", "mail", 1), wanted("d", "web", 1)]);
        bench.feed(stale);
        assert_eq!(bench.seen(), "a:Down d:Pending ");
        bench.settle();
        assert_eq!(bench.seen(), "a:Up d:Up ");
    }

    #[test]
    fn a_storm_is_answered_with_a_look() {
        let mut bench = Bench::new();
        bench.configure(&[wanted("a", "web", 1)]);
        bench.listen();
        bench.settle();
        for pid in 0..5000 {
            bench.exec(pid, if pid == 4321 { "web" } else { "other" });
        }
        bench.hear();
        assert!(bench.requests.len() <= READS + 1, "{}", bench.requests.len());
        bench.settle();
        assert_eq!(bench.seen(), "a:Up ");
    }

    /// Hundreds of histories of forks, programs, ends, gaps, reloads and late answers: at the end, what is known is
    /// what runs, and the kernel's word alone does for it.
    #[test]
    fn what_is_known_in_the_end_is_what_runs() {
        let names = ["web", "mail", "other"];
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bench = Bench::new();
            bench.running.insert(Pid(1), "init".into());
            let mut definitions = vec![wanted("a", "web", 1), wanted("b", "web", 2), wanted("c", "mail", 1)];
            bench.configure(&definitions);
            bench.listen();
            let mut answers = VecDeque::new();
            for _ in 0..80 {
                let pids: Vec<u32> = bench.running.keys().map(|pid| pid.0).collect();
                let pid = pids[random.usize(0..pids.len())];
                match random.u8(0..16) {
                    0..=3 => {
                        // Few numbers, soon used again.
                        let child = random.u32(2..9);
                        if !bench.running.contains_key(&Pid(child)) {
                            bench.fork(pid, child);
                        }
                    }
                    4..=6 if pid != 1 => bench.exec(pid, names[random.usize(0..3)]),
                    7..=8 if pid != 1 => bench.exit(pid),
                    9 => bench.hear(),
                    10 => {
                        bench.queue.clear();
                        bench.feed(Input::Lost);
                    }
                    11 => {
                        let one = random.usize(0..3);
                        definitions[one] =
                            wanted(&definitions[one].name, names[random.usize(0..3)], random.u16(1..3));
                        let wanted = definitions.clone();
                        bench.configure(&wanted);
                    }
                    12..=13 => answers.extend(bench.find()),
                    _ => {
                        if let Some(answer) = answers.pop_front() {
                            bench.hear();
                            bench.feed(answer);
                        }
                    }
                }
            }
            for answer in answers {
                bench.hear();
                bench.feed(answer);
            }
            bench.settle();
            for definition in &definitions {
                let meant = bench.running.values().filter(|name| **name == definition.command[0]).count();
                let expected = if meant >= definition.quorum.into() { Standing::Up } else { Standing::Down };
                let found = bench.standings.get(&definition.name);
                assert_eq!(found, Some(&expected), "seed {seed}: {definition:?} {:?}", bench.running);
            }
            assert_eq!(bench.machine.next_timer(), None, "seed {seed}");
        }
    }
}
