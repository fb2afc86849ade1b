//! Keeps the kernel's timeouts of connections as `lvs_timeouts` says, and puts back what was there before.
//!
//! Input: what is wanted, what the kernel has, its answers, time. Output: when to open the connection, to look and to set,
//! the record of what was there before. An [`Action::Open`], [`Action::Look`] or [`Action::Set`] is answered by
//! [`Input::Opened`], [`Input::Looked`] or [`Input::Changed`] before there is another. Invariants: what was there before is
//! recorded before it is changed, and kept over a kill; what is not wanted, and was not changed by us, is left alone.

pub mod message;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model;
use crate::report::{Level, errno_text};

use super::error::Unavailable;

/// How often the kernel's values are looked at.
pub const LOOK: Duration = Duration::from_secs(5);
/// Pause before what failed is tried again.
pub const RETRY: Duration = Duration::from_secs(30);

/// One of the timeouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Which {
    /// `tcp`.
    Tcp,
    /// `tcpfin`.
    TcpFin,
    /// `udp`.
    Udp,
}

impl Which {
    /// Each, with its word.
    pub const ALL: [(Self, &str); 3] = [(Self::Tcp, "tcp"), (Self::TcpFin, "tcpfin"), (Self::Udp, "udp")];
}

/// Seconds, by what they are for.
pub type Values = BTreeMap<Which, u32>;

/// The values of a configuration; 0 leaves the system's.
pub fn wanted(timeouts: &model::Timeouts) -> Values {
    let all = [(Which::Tcp, timeouts.tcp), (Which::TcpFin, timeouts.tcp_fin), (Which::Udp, timeouts.udp)];
    all.into_iter().filter(|(_, seconds)| *seconds > 0).collect()
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// These are wanted; what was refused is tried at once.
    Desired(Values),
    /// How [`Action::Open`] ended.
    Opened(Result<(), Unavailable>),
    /// What the kernel has. Error: the connection failed.
    Looked(io::Result<Values>),
    /// The kernel's answer to [`Action::Set`]: 0 or an errno. Error: the connection failed.
    Changed(io::Result<i32>),
    /// The time that [`Keeper::next_timer`] named has come.
    Timer,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect to the kernel's IPVS, also when there is a connection.
    Open,
    /// Look at the values.
    Look,
    /// Set these.
    Set(Values),
    /// Record these as what was there before.
    Record(Values),
    /// Tell.
    Report(Event),
}

/// One thing worth a line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Event {
    /// They are as they are wanted.
    Set(Values),
    /// Another program had set others.
    SetBack(Values),
    /// They cannot be set.
    Failed { why: String },
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Set(_) => Level::Info,
            Self::SetBack(_) => Level::Warning,
            Self::Failed { .. } => Level::Error,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Set(values) => write!(f, "IPVS timeouts: {}", Shown(values)),
            Self::SetBack(values) => {
                write!(f, "IPVS timeouts changed by another program: set back to {}", Shown(values))
            }
            Self::Failed { why } => {
                write!(
                    f,
                    "`lvs_timeouts`: the timeouts stay as they are: {why}; tried again every {} s",
                    RETRY.as_secs()
                )
            }
        }
    }
}

/// `tcp 900 s, udp 300 s`.
struct Shown<'a>(&'a Values);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = Which::ALL.iter().filter_map(|(which, word)| Some((word, self.0.get(which)?)));
        for (number, (word, seconds)) in named.enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{word} {seconds} s")?;
        }
        Ok(())
    }
}

/// Which answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Nothing,
    Opened,
    /// `set`: these values were just set.
    Looked {
        set: bool,
    },
    Changed,
}

/// The keeper of the timeouts.
#[derive(Debug)]
pub struct Keeper {
    desired: Values,
    /// What was there before we changed it.
    before: Values,
    awaited: Awaited,
    /// There is a connection.
    stands: bool,
    /// When something is to be done next.
    due: Instant,
    /// All was as it is wanted at the last look, and the same is wanted since.
    settled: bool,
    /// What was said last of a failure.
    failed: Option<String>,
}

impl Keeper {
    /// `before`: what a killed predecessor has changed was like this.
    pub fn new(now: Instant, before: Values) -> Self {
        Self {
            desired: Values::new(),
            before,
            awaited: Awaited::Nothing,
            stands: false,
            due: now,
            settled: false,
            failed: None,
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Desired(values) => {
                self.settled &= values == self.desired;
                (self.desired, self.failed, self.due) = (values, None, now);
                self.proceed(now, out);
            }
            Input::Opened(Ok(())) => {
                self.stands = true;
                self.look(false, out);
            }
            Input::Opened(Err(why)) => self.fail(now, why.to_string(), out),
            Input::Looked(Err(error)) if error.kind() == io::ErrorKind::Interrupted => self.rest(now + LOOK),
            // The module has gone, and what it had with it.
            Input::Looked(Err(_)) | Input::Changed(Err(_)) => {
                (self.stands, self.settled) = (false, false);
                self.rest(now + LOOK);
            }
            Input::Looked(Ok(actual)) => self.looked(now, &actual, out),
            Input::Changed(Ok(0)) => self.look(true, out),
            Input::Changed(Ok(errno)) => self.fail(now, errno_text(errno), out),
            Input::Timer => self.proceed(now, out),
        }
    }

    /// When to call again with [`Input::Timer`].
    pub fn next_timer(&self) -> Option<Instant> {
        let needed = !self.desired.is_empty() || !self.before.is_empty();
        (needed && self.awaited == Awaited::Nothing).then_some(self.due)
    }

    fn proceed(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.next_timer().is_none_or(|due| due > now) {
            return;
        }
        if self.stands {
            return self.look(false, out);
        }
        self.awaited = Awaited::Opened;
        out.push(Action::Open);
    }

    fn look(&mut self, set: bool, out: &mut Vec<Action>) {
        self.awaited = Awaited::Looked { set };
        out.push(Action::Look);
    }

    fn rest(&mut self, until: Instant) {
        (self.awaited, self.due) = (Awaited::Nothing, until);
    }

    fn fail(&mut self, now: Instant, why: String, out: &mut Vec<Action>) {
        self.rest(now + RETRY);
        if self.failed.as_ref() != Some(&why) {
            self.failed = Some(why.clone());
            out.push(Action::Report(Event::Failed { why }));
        }
    }

    fn looked(&mut self, now: Instant, actual: &Values, out: &mut Vec<Action>) {
        let Awaited::Looked { set } = self.awaited else { return };
        let mut before = self.before.clone();
        for (which, seconds) in actual {
            if self.desired.contains_key(which) {
                before.entry(*which).or_insert(*seconds);
            } else if before.get(which) == Some(seconds) {
                before.remove(which);
            }
        }
        if before != self.before {
            self.before = before;
            out.push(Action::Record(self.before.clone()));
        }
        let target = self.before.iter().chain(&self.desired).map(|(which, seconds)| (*which, *seconds));
        // What is wanted comes behind what was there before, and counts.
        let target: Values = target.collect();
        let differs = |(which, seconds): &(&Which, &u32)| actual.get(which) != Some(seconds);
        let missing: Values =
            target.iter().filter(differs).map(|(which, seconds)| (*which, *seconds)).collect();
        let settled = std::mem::replace(&mut self.settled, missing.is_empty());
        if missing.is_empty() {
            if set && !self.desired.is_empty() {
                out.push(Action::Report(Event::Set(self.desired.clone())));
            }
            self.failed = None;
            return self.rest(now + LOOK);
        }
        if set {
            return self.fail(now, "the kernel took them, and has others".to_owned(), out);
        }
        if settled {
            out.push(Action::Report(Event::SetBack(missing.clone())));
        }
        self.awaited = Awaited::Changed;
        out.push(Action::Set(missing));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const SYSTEM: [u32; 3] = [900, 120, 300];

    fn values(seconds: [u32; 3]) -> Values {
        Which::ALL
            .iter()
            .zip(seconds)
            .filter(|(_, seconds)| *seconds > 0)
            .map(|((which, ..), seconds)| (*which, seconds))
            .collect()
    }

    struct World {
        keeper: Keeper,
        now: Instant,
        kernel: Values,
        loaded: bool,
        refuses: bool,
        record: Values,
        lines: Vec<String>,
        sets: usize,
    }

    impl World {
        fn new() -> Self {
            let now = Instant::now();
            Self {
                keeper: Keeper::new(now, Values::new()),
                now,
                kernel: values(SYSTEM),
                loaded: true,
                refuses: false,
                record: Values::new(),
                lines: Vec::new(),
                sets: 0,
            }
        }

        fn feed(&mut self, input: Input) {
            let (mut inputs, mut actions) = (VecDeque::from([input]), Vec::new());
            while let Some(input) = inputs.pop_front() {
                self.keeper.handle(self.now, input, &mut actions);
                for action in actions.drain(..) {
                    let gone = || io::Error::from_raw_os_error(libc::ENOENT);
                    match action {
                        Action::Open => inputs
                            .push_back(Input::Opened(self.loaded.then_some(()).ok_or(Unavailable::NoModule))),
                        Action::Look => inputs.push_back(Input::Looked(
                            self.loaded.then(|| self.kernel.clone()).ok_or_else(gone),
                        )),
                        Action::Set(_) if self.refuses => inputs.push_back(Input::Changed(Ok(libc::EPERM))),
                        Action::Set(values) => {
                            self.sets += 1;
                            for which in values.keys() {
                                assert!(self.record.contains_key(which), "changed before it was recorded");
                            }
                            self.kernel.extend(values);
                            inputs.push_back(Input::Changed(Ok(0)));
                        }
                        Action::Record(values) => self.record = values,
                        Action::Report(event) => self.lines.push(event.to_string()),
                    }
                }
            }
            assert_eq!(self.keeper.awaited, Awaited::Nothing);
        }

        fn want(&mut self, seconds: [u32; 3]) {
            self.feed(Input::Desired(values(seconds)));
        }

        fn pass(&mut self, time: Duration) {
            let end = self.now + time;
            while let Some(at) = self.keeper.next_timer().filter(|at| *at <= end) {
                self.now = self.now.max(at);
                self.feed(Input::Timer);
            }
            self.now = end;
        }
    }

    #[test]
    fn what_was_there_before_comes_back() {
        let mut world = World::new();
        world.want([60, 0, 5]);
        assert_eq!(world.kernel, values([60, 120, 5]));
        assert_eq!(world.lines, ["IPVS timeouts: tcp 60 s, udp 5 s"]);
        world.want([60, 0, 5]);
        world.pass(LOOK * 5);
        assert_eq!(world.sets, 1, "what is right is not set again");
        world.want([70, 30, 0]);
        assert_eq!(world.kernel, values([70, 30, 300]));
        // Killed, and started with a file that says nothing.
        world.keeper = Keeper::new(world.now, world.record.clone());
        world.want([0, 0, 0]);
        assert_eq!(world.kernel, values(SYSTEM));
        assert!(world.record.is_empty() && world.keeper.next_timer().is_none());
    }

    #[test]
    fn without_the_word_nothing_is_looked_at() {
        let mut world = World::new();
        world.want([0, 0, 0]);
        assert!(world.keeper.next_timer().is_none() && world.sets == 0);
    }

    #[test]
    fn what_others_set_is_set_back_and_a_module_may_come_and_go() {
        let mut world = World::new();
        world.want([60, 0, 0]);
        world.lines.clear();
        world.kernel.insert(Which::Tcp, 77);
        world.kernel.insert(Which::Udp, 88);
        world.pass(LOOK);
        assert_eq!(world.kernel, values([60, 120, 88]), "what is not ours stays");
        assert_eq!(world.lines[0], "IPVS timeouts changed by another program: set back to tcp 60 s");
        world.lines.clear();
        (world.loaded, world.kernel) = (false, values(SYSTEM));
        world.pass(RETRY * 3);
        assert_eq!(world.lines.len(), 1, "{:?}", world.lines);
        world.loaded = true;
        world.pass(RETRY);
        assert_eq!(world.kernel, values([60, 120, 300]));
        world.refuses = true;
        world.lines.clear();
        world.want([50, 0, 0]);
        world.pass(RETRY * 3);
        assert_eq!(world.lines.len(), 1, "{:?}", world.lines);
        assert!(world.lines[0].contains("operation not permitted"), "{:?}", world.lines);
    }
}
