//! One `vrrp_track_process`: which processes are meant, how many run, and what that amounts to.
//!
//! Inputs: processes that match and those that do not any more, with what changed them; its timer. Outputs: a new
//! [`Standing`], lines for the log. Invariants: nothing is decided before all processes were looked at once; what a fork or
//! an end changes counts after its delay, and not at all when it was changed back until then; anything else counts at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::{ParameterMatch, TrackProcess};

use super::Standing;
use super::event::Event;

/// The number of a process; the kernel uses it again for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Pid(pub u32);

/// What is known of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// The name that the kernel keeps: of the executable, or as the process calls itself.
    pub name: Vec<u8>,
    /// Its command line; empty when nobody asked for it.
    pub command: Vec<Vec<u8>>,
}

/// What is to be read of a process, for it to be compared.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sought {
    /// Names of which one has to be its own, unless the command line decides.
    pub names: BTreeSet<Vec<u8>>,
    /// The command line is asked for.
    pub commands: bool,
}

impl Sought {
    /// What `configs` need.
    pub fn of<'a>(configs: impl Iterator<Item = &'a TrackProcess>) -> Self {
        let mut sought = Self::default();
        for config in configs {
            match config.command.first() {
                _ if is_whole(config) => sought.commands = true,
                Some(name) => drop(sought.names.insert(name.clone().into_bytes())),
                None => {}
            }
        }
        sought
    }
}

/// The name and the state in the text of `/proc/PID/stat`. The name may hold anything, parentheses too.
pub fn name_and_state(stat: &[u8]) -> Option<(&[u8], u8)> {
    let start = stat.iter().position(|byte| *byte == b'(')?;
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    Some((stat.get(start + 1..end)?, *stat.get(end + 2)?))
}

/// Whether a process in this state has ended, and only waits for its parent to ask.
pub fn has_ended(state: u8) -> bool {
    matches!(state, b'Z' | b'X' | b'x')
}

/// The words of `/proc/PID/cmdline`; none of a kernel thread and of one that has ended.
pub fn words(cmdline: &[u8]) -> Vec<Vec<u8>> {
    if cmdline.is_empty() {
        return Vec::new();
    }
    let text = cmdline.strip_suffix(b"\0").unwrap_or(cmdline);
    text.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect()
}

/// Whether the command line is compared, and not the name.
fn is_whole(config: &TrackProcess) -> bool {
    config.full_command || config.parameters.is_some()
}

/// Whether `config` means this process: as in keepalived all of the name, or the first word of the command line as it was
/// started, and then its arguments.
pub fn is_meant(config: &TrackProcess, process: &Process) -> bool {
    let Some((wanted, arguments)) = config.command.split_first() else { return false };
    if !is_whole(config) {
        return process.name == wanted.as_bytes();
    }
    let Some((found, given)) = process.command.split_first() else { return false };
    let equal = |given: &[Vec<u8>], wanted: &[String]| {
        given.len() >= wanted.len()
            && given.iter().zip(wanted).all(|(given, wanted)| given == wanted.as_bytes())
    };
    let suits = match (config.parameters, arguments.split_last()) {
        (None, _) => true,
        (Some(ParameterMatch::Exact), _) => given.len() == arguments.len() && equal(given, arguments),
        (Some(ParameterMatch::Partial), _) | (Some(ParameterMatch::Initial), None) => equal(given, arguments),
        (Some(ParameterMatch::Initial), Some((last, first))) => {
            let next = given.get(first.len());
            equal(given, first) && next.is_some_and(|next| next.starts_with(last.as_bytes()))
        }
    };
    found == wanted.as_bytes() && suits
}

/// What changed the number of processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// One became two: `fork_delay`, for the new one may soon be another program.
    Fork,
    /// One ended: `terminate_delay`, for it may be started again.
    End,
    /// A program was started, or a process has another name: that is final.
    Exec,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// These are all that match.
    All(BTreeSet<Pid>),
    /// One matches now, or does not any more.
    One {
        /// Which.
        pid: Pid,
        /// Whether it does.
        matches: bool,
        /// Why that has changed.
        cause: Cause,
    },
    /// The time that [`Tracked::next_timer`] named has come.
    Timer,
}

/// What it wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// What it amounts to has changed.
    Standing(Standing),
    /// Tell.
    Report(Event),
}

/// A view for status, metrics and tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The word after `vrrp_track_process`.
    pub name: String,
    /// What it amounts to.
    pub standing: Standing,
    /// How many run that match.
    pub running: usize,
}

/// One `vrrp_track_process`.
#[derive(Debug, Clone)]
pub struct Tracked {
    config: TrackProcess,
    running: BTreeSet<Pid>,
    /// Whether all processes were looked at since it is there.
    looked: bool,
    standing: Standing,
    /// When a change counts that has happened.
    due: Option<Instant>,
}

impl Tracked {
    /// Nothing is known of it. `before`: what one of this name amounted to until now.
    pub fn new(config: TrackProcess, before: Option<Standing>) -> Self {
        let standing = before.unwrap_or(Standing::Pending);
        Self { config, running: BTreeSet::new(), looked: false, standing, due: None }
    }

    /// The definition in force.
    pub fn config(&self) -> &TrackProcess {
        &self.config
    }

    /// What it amounts to.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether a process is one of those that match.
    pub fn has(&self, pid: Pid) -> bool {
        self.running.contains(&pid)
    }

    /// Whether another definition means the same processes.
    pub fn means_those_of(&self, config: &TrackProcess) -> bool {
        let means = |one: &TrackProcess| (one.command.clone(), one.parameters, one.full_command);
        means(&self.config) == means(config)
    }

    /// Another quorum or other delays for the same processes: what is known of them stays, and counts at once.
    pub fn reconfigure(&mut self, config: TrackProcess, out: &mut Vec<Action>) {
        self.config = config;
        self.due = None;
        if self.looked && self.amounts_to() != self.standing {
            self.turn(out);
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        let cause = match input {
            Input::All(found) => {
                // Between two looks one may have gone and another come: the difference counts.
                let fewer = found.len() < self.running.len();
                self.running = found;
                let first = !std::mem::replace(&mut self.looked, true);
                if fewer && !first { Cause::End } else { Cause::Exec }
            }
            Input::One { pid, matches, cause } => {
                if matches == self.running.contains(&pid) {
                    return;
                }
                if matches {
                    self.running.insert(pid)
                } else {
                    self.running.remove(&pid)
                };
                cause
            }
            Input::Timer => return self.timer(now, out),
        };
        self.judge(now, cause, out);
    }

    /// When to call again with [`Input::Timer`].
    pub fn next_timer(&self) -> Option<Instant> {
        self.due
    }

    /// The present state, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        let name = self.config.name.clone();
        Snapshot { name, standing: self.standing, running: self.running.len() }
    }

    fn amounts_to(&self) -> Standing {
        let (number, config) = (self.running.len(), &self.config);
        let enough = number >= config.quorum.into();
        let few = config.quorum_max.is_none_or(|most| number <= most.into());
        if enough && few { Standing::Up } else { Standing::Down }
    }

    fn judge(&mut self, now: Instant, cause: Cause, out: &mut Vec<Action>) {
        if !self.looked {
            return;
        }
        if self.amounts_to() == self.standing {
            self.due = None;
            return;
        }
        // What changed first says how long it takes.
        if self.due.is_some() {
            return;
        }
        let delay = match cause {
            Cause::Fork => self.config.fork_delay,
            Cause::End => self.config.terminate_delay,
            Cause::Exec => Duration::ZERO,
        };
        if delay.is_zero() {
            self.turn(out);
        } else {
            self.due = Some(now + delay);
        }
    }

    fn timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.due.is_some_and(|due| due <= now) {
            self.due = None;
            self.turn(out);
        }
    }

    fn turn(&mut self, out: &mut Vec<Action>) {
        let now = self.amounts_to();
        let before = std::mem::replace(&mut self.standing, now);
        let (running, quorum, most) = (self.running.len(), self.config.quorum, self.config.quorum_max);
        let first = before == Standing::Pending;
        let gained = self.standing == Standing::Up;
        // As in keepalived the first look says nothing when all is well.
        if !(first && gained) {
            out.push(Action::Report(Event::Quorum { gained, first, running, quorum, most }));
        }
        out.push(Action::Standing(self.standing));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(command: &[&str], parameters: Option<ParameterMatch>, full_command: bool) -> TrackProcess {
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        TrackProcess { parameters, full_command, ..TrackProcess::new("web", command) }
    }

    /// What keepalived 2.2.7 found of `/tmp/alpha -f /dev/null -n 5`, and of `alpha -f /dev/null`.
    #[test]
    fn processes_are_meant_by_name_by_path_and_with_arguments() {
        use ParameterMatch::{Exact, Initial, Partial};
        let process = |line: &str| Process {
            name: b"alpha".to_vec(),
            command: line.split(' ').map(|word| word.as_bytes().to_vec()).collect(),
        };
        let (long, short) = (process("/tmp/alpha -f /dev/null -n 5"), process("alpha -f /dev/null"));
        let cases: &[(&str, Option<ParameterMatch>, bool, bool, bool)] = &[
            ("alpha", None, false, true, true),
            ("alph", None, false, false, false),
            ("/tmp/alpha", None, false, false, false),
            ("/tmp/alpha", None, true, true, false),
            ("alpha", None, true, false, true),
            ("/tmp/alpha -f /dev/null -n 5", Some(Exact), true, true, false),
            ("alpha -f /dev/null -n 5", Some(Exact), true, false, false),
            ("/tmp/alpha -f /dev/null", Some(Exact), true, false, false),
            ("/tmp/alpha -f /dev/null", Some(Partial), true, true, false),
            ("/tmp/alpha -f /dev", Some(Partial), true, false, false),
            ("/tmp/alpha -f /dev/null", Some(Initial), true, true, false),
            ("/tmp/alpha -f /dev", Some(Initial), true, true, false),
            ("/tmp/alpha -f /dev/null -n 5 x", Some(Initial), true, false, false),
            ("/tmp/alpha", Some(Exact), false, false, false),
            ("/tmp/alpha", Some(Initial), false, true, false),
            ("/tmp/alpha", Some(Partial), false, true, false),
            ("alpha -f /dev/null", Some(Partial), true, false, true),
        ];
        for (command, parameters, full, with_long, with_short) in cases {
            let words: Vec<&str> = command.split(' ').collect();
            let config = config(&words, *parameters, *full);
            let found = (is_meant(&config, &long), is_meant(&config, &short));
            assert_eq!(found, (*with_long, *with_short), "{command} {parameters:?} {full}");
        }
        let thread = Process { name: b"kworker".to_vec(), command: Vec::new() };
        assert!(!is_meant(&config(&["kworker"], None, true), &thread), "it has no command line");
    }

    #[test]
    fn what_proc_says_is_taken_apart() {
        assert_eq!(name_and_state(b"7 (a b) (c)) S 1 7"), Some((&b"a b) (c)"[..], b'S')));
        for cut in [&b""[..], b"7", b"7 (", b"7 (a", b"7 (a)", b"7 (a) ", b")("] {
            assert_eq!(name_and_state(cut), None, "{cut:?}");
        }
        assert!(has_ended(b'Z') && !has_ended(b'S') && !has_ended(b'D'));
        assert_eq!(words(b""), Vec::<Vec<u8>>::new());
        assert_eq!(words(b"a\0\0b\0"), [b"a".to_vec(), Vec::new(), b"b".to_vec()]);
        // A program that writes over its command line leaves the last zero out.
        assert_eq!(words(b"nginx: master"), [b"nginx: master".to_vec()]);
    }

    #[test]
    fn no_more_is_read_than_is_asked_for() {
        let by_name = config(&["alpha"], None, false);
        let whole = config(&["/tmp/alpha"], None, true);
        let sought = Sought::of([&by_name].into_iter());
        assert_eq!(sought, Sought { names: [b"alpha".to_vec()].into(), commands: false });
        assert!(Sought::of([&by_name, &whole].into_iter()).commands);
    }

    struct Bench {
        tracked: Tracked,
        now: Instant,
        lines: Vec<String>,
    }

    impl Bench {
        fn new(config: TrackProcess) -> Self {
            Self { tracked: Tracked::new(config, None), now: Instant::now(), lines: Vec::new() }
        }

        fn feed(&mut self, input: Input) -> Standing {
            let mut out = Vec::new();
            self.tracked.handle(self.now, input, &mut out);
            for action in out {
                if let Action::Report(event) = action {
                    self.lines.push(event.to_string());
                }
            }
            self.tracked.standing()
        }

        fn all(&mut self, pids: &[u32]) -> Standing {
            self.feed(Input::All(pids.iter().copied().map(Pid).collect()))
        }

        fn one(&mut self, pid: u32, matches: bool, cause: Cause) -> Standing {
            self.feed(Input::One { pid: Pid(pid), matches, cause })
        }

        /// Half a second later, the timer included.
        fn wait(&mut self) -> Standing {
            self.now += Duration::from_millis(500);
            self.feed(Input::Timer)
        }
    }

    use Standing::{Down, Pending, Up};

    #[test]
    fn a_quorum_is_between_its_bounds() {
        for (quorum, most, expected) in [
            (1, None, [Down, Up, Up, Up]),
            (2, None, [Down, Down, Up, Up]),
            (1, Some(2), [Down, Up, Up, Down]),
            (0, Some(0), [Up, Down, Down, Down]),
            (2, Some(2), [Down, Down, Up, Down]),
        ] {
            let config = TrackProcess { quorum, quorum_max: most, ..config(&["a"], None, false) };
            let found = [0, 1, 2, 3].map(|number| {
                let mut bench = Bench::new(config.clone());
                bench.all(&(0..number).collect::<Vec<_>>())
            });
            assert_eq!(found, expected, "{quorum} {most:?}");
        }
    }

    #[test]
    fn nothing_is_decided_before_all_were_looked_at() {
        let mut bench = Bench::new(config(&["a"], None, false));
        assert_eq!(bench.one(5, true, Cause::Exec), Pending);
        assert_eq!(bench.one(5, false, Cause::End), Pending);
        assert_eq!(bench.all(&[]), Down);
        assert_eq!(bench.lines, ["not there: 0 run, at least 1 expected"]);
    }

    /// The times are those of keepalived 2.2.7.
    #[test]
    fn forks_and_ends_count_after_their_delays_and_a_new_program_at_once() {
        let second = Duration::from_secs(1);
        let delayed = TrackProcess {
            quorum: 2,
            fork_delay: second,
            terminate_delay: second,
            ..config(&["a"], None, false)
        };
        let mut bench = Bench::new(delayed.clone());
        assert_eq!(bench.all(&[5]), Down);
        assert_eq!(bench.one(6, true, Cause::Fork), Down);
        assert_eq!((bench.wait(), bench.wait()), (Down, Up));
        assert_eq!(bench.one(6, false, Cause::End), Up);
        assert_eq!((bench.wait(), bench.wait()), (Up, Down));
        // Changed back in time: nothing has happened.
        bench.lines.clear();
        bench.one(6, true, Cause::Fork);
        bench.wait();
        assert_eq!(bench.one(6, false, Cause::Exec), Down);
        assert_eq!((bench.wait(), bench.wait(), bench.tracked.next_timer()), (Down, Down, None));
        assert!(bench.lines.is_empty());
        // A program is what it is at once, in both directions.
        assert_eq!(bench.one(6, true, Cause::Exec), Up);
        assert_eq!(bench.one(6, false, Cause::Exec), Down);
        // A restart of all: what came first counts, whatever it takes to have them back.
        bench.all(&[5, 6]);
        bench.one(5, false, Cause::End);
        bench.one(6, false, Cause::End);
        bench.wait();
        assert_eq!(bench.one(7, true, Cause::Exec), Up);
        assert_eq!(bench.one(8, true, Cause::Exec), Up);
        assert_eq!((bench.wait(), bench.tracked.next_timer()), (Up, None));
        // More than the most: the same delays.
        let mut bench = Bench::new(TrackProcess { quorum: 1, quorum_max: Some(1), ..delayed });
        assert_eq!(bench.all(&[5]), Up);
        assert_eq!(bench.one(6, true, Cause::Fork), Up);
        assert_eq!((bench.wait(), bench.wait()), (Up, Down));
        assert_eq!(bench.one(6, false, Cause::End), Down);
        assert_eq!((bench.wait(), bench.wait()), (Down, Up));
    }

    #[test]
    fn between_two_looks_the_difference_counts() {
        let delay = Duration::from_secs(1);
        let mut bench = Bench::new(TrackProcess { terminate_delay: delay, ..config(&["a"], None, false) });
        assert_eq!(bench.all(&[5]), Up);
        assert_eq!(bench.all(&[6]), Up, "started again");
        assert_eq!(bench.all(&[]), Up, "it may come back");
        assert_eq!((bench.wait(), bench.wait()), (Up, Down));
        assert_eq!(bench.all(&[7]), Up);
    }

    #[test]
    fn a_reload_with_the_same_processes_needs_no_look() {
        let one = config(&["a"], None, false);
        let mut bench = Bench::new(one.clone());
        bench.all(&[5, 6]);
        let more = TrackProcess { quorum: 3, ..one.clone() };
        assert!(bench.tracked.means_those_of(&more));
        let mut out = Vec::new();
        bench.tracked.reconfigure(more, &mut out);
        assert_eq!((bench.tracked.standing(), out.len()), (Down, 2));
        bench.tracked.reconfigure(TrackProcess { quorum: 2, ..one }, &mut out);
        assert_eq!(bench.tracked.standing(), Up);
        assert!(!bench.tracked.means_those_of(&config(&["a"], None, true)));
    }
}
