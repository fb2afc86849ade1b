//! What becomes of a daemon that ends by itself: its parent takes away what it leaves, and starts it again.
//!
//! keepalived's parent starts its children again, too; what they leave stays until then, and for ever when they do not
//! come back. Here it goes when the next daemon is not there within [`COMES_BACK`].

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

mod io;
mod sweep;

pub(crate) use io::Link;
pub(super) use io::{LOST, STOP};
pub(crate) use io::{Plan, Turn, Watch};

/// The next daemon is in force within this time, or its parent does what it would do: take away what was left.
const COMES_BACK: Duration = Duration::from_millis(850);
/// What could not be taken away is tried again.
const AGAIN: Duration = Duration::from_millis(200);
/// A daemon that ran for so long was well: the next one is started at once.
const WELL: Duration = Duration::from_secs(30);
/// One that ends again and again is started so much later each time, up to [`LONGEST`].
const STEP: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(10);

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// With this exit status.
    Status(u8),
    /// By this signal.
    Signal(Signal),
}

/// What the parent does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Action {
    /// Start the daemon.
    Start,
    /// Take away what it left, and call [`Guard::swept`].
    Sweep,
    /// Tell it to stop.
    Stop,
    /// End with this exit status.
    End(u8),
    /// Write this line to the log, as an error.
    Say(String),
}

/// Decides, from the ends of the daemon and the time, without doing anything.
#[derive(Debug)]
pub(super) struct Guard {
    restarts: bool,
    /// The daemon runs since; otherwise it is started when `start_at` comes.
    runs_since: Option<Instant>,
    start_at: Option<Instant>,
    /// This one, and one of all.
    ready: bool,
    was_ready: bool,
    stops: bool,
    /// Daemons that ended soon, in a row.
    soon: u32,
    sweep_at: Option<Instant>,
}

impl Guard {
    /// The first daemon was just started. `restarts`: there may be another one.
    pub(super) fn new(now: Instant, restarts: bool) -> Self {
        Self {
            restarts,
            runs_since: Some(now),
            start_at: None,
            ready: false,
            was_ready: false,
            stops: false,
            soon: 0,
            sweep_at: None,
        }
    }

    /// The daemon takes over what was left before it.
    pub(super) fn takes(&mut self) {
        self.sweep_at = None;
    }

    /// The daemon says that its configuration is in force.
    pub(super) fn ready(&mut self) {
        if self.runs_since.is_some() {
            (self.ready, self.was_ready) = (true, true);
            self.sweep_at = None;
        }
    }

    /// The daemon has ended.
    pub(super) fn ended(&mut self, now: Instant, how: Ended) -> Vec<Action> {
        let Some(since) = self.runs_since.take() else { return Vec::new() };
        let (status, why) = match how {
            // It was stopped, and left what it was to leave.
            Ended::Status(0) if self.ready || !self.was_ready => return vec![Action::End(0)],
            // Or before it took anything over: what the one before has left is there.
            Ended::Status(0) | Ended::Signal(Signal::SIGTERM | Signal::SIGINT) if !self.ready => {
                let sweep = self.was_ready.then_some(Action::Sweep);
                return sweep.into_iter().chain([Action::End(0)]).collect();
            }
            Ended::Status(status) => {
                let meaning = match status {
                    2 => ", its configuration cannot be used: `directord --check` says why",
                    4 => ", a capability is missing",
                    _ => "",
                };
                (status, format!("it ended with status {status}{meaning}"))
            }
            Ended::Signal(signal) => {
                // As a shell has it.
                let status = u8::try_from(128 + signal as i32).unwrap_or(u8::MAX);
                (status, format!("{signal} ended it"))
            }
        };
        if !self.was_ready {
            // What is recorded is that of others.
            let first = Action::Say(format!("The daemon did not start: {why}"));
            return vec![first, Action::End(status)];
        }
        let was_ready = std::mem::take(&mut self.ready);
        if self.stops || !self.restarts {
            self.sweep_at = None;
            let last = format!("The daemon has not stopped by itself, {why}: what it left goes now");
            return vec![Action::Sweep, Action::Say(last), Action::End(status)];
        }
        self.soon = if now.duration_since(since) < WELL { self.soon + 1 } else { 0 };
        if was_ready && self.soon <= 1 {
            self.sweep_at = Some(now + COMES_BACK);
            self.runs_since = Some(now);
            let words = format!("The daemon has not stopped by itself, {why}: it is started again");
            return vec![Action::Start, Action::Say(words)];
        }
        let pause = (STEP * self.soon.max(1)).min(LONGEST);
        self.start_at = Some(now + pause);
        self.sweep_at = None;
        let words = format!(
            "The daemon has not stopped by itself, {why}: what it left goes now, and it is started again in {} s",
            pause.as_secs()
        );
        vec![Action::Sweep, Action::Say(words)]
    }

    /// It was told to stop: nothing is started any more.
    pub(super) fn stops(&self) -> bool {
        self.stops
    }

    /// What was to be taken away is gone, or not.
    pub(super) fn swept(&mut self, now: Instant, done: bool) {
        self.sweep_at = (!done && !self.ready).then(|| now + AGAIN);
    }

    /// The parent is told to stop.
    pub(super) fn stop(&mut self) -> Vec<Action> {
        self.stops = true;
        match self.runs_since {
            Some(_) => vec![Action::Stop],
            None => vec![Action::Sweep, Action::End(0)],
        }
    }

    /// When to call [`Self::timer`].
    pub(super) fn next(&self) -> Option<Instant> {
        self.start_at.into_iter().chain(self.sweep_at).min()
    }

    /// Time has passed.
    pub(super) fn timer(&mut self, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.sweep_at.is_some_and(|at| at <= now) {
            self.sweep_at = None;
            actions.push(Action::Sweep);
        }
        if self.start_at.is_some_and(|at| at <= now) {
            self.start_at = None;
            self.runs_since = Some(now);
            actions.push(Action::Start);
        }
        actions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KILLED: Ended = Ended::Signal(Signal::SIGKILL);

    fn kinds(actions: Vec<Action>) -> Vec<String> {
        let kind = |action| match action {
            Action::Say(_) => None,
            Action::Start => Some("start".to_owned()),
            Action::Sweep => Some("sweep".to_owned()),
            Action::Stop => Some("stop".to_owned()),
            Action::End(status) => Some(format!("end {status}")),
        };
        actions.into_iter().filter_map(kind).collect()
    }

    fn running(now: Instant) -> Guard {
        let mut guard = Guard::new(now, true);
        guard.ready();
        guard
    }

    #[test]
    fn one_that_stops_or_does_not_start_ends_its_parent() {
        let now = Instant::now();
        let mut guard = running(now);
        assert_eq!(kinds(guard.stop()), ["stop"]);
        assert_eq!(kinds(guard.ended(now, Ended::Status(0))), ["end 0"]);
        assert_eq!(kinds(Guard::new(now, true).ended(now, Ended::Status(0))), ["end 0"]);
        // It has seen nothing of its own yet: what is recorded may be another one's that runs.
        for (how, end) in [(Ended::Status(2), "end 2"), (KILLED, "end 137")] {
            assert_eq!(kinds(Guard::new(now, true).ended(now, how)), [end]);
        }
    }

    #[test]
    fn one_that_is_killed_comes_back_or_leaves_nothing() {
        let now = Instant::now();
        let mut guard = running(now);
        assert_eq!(guard.next(), None);
        assert_eq!(kinds(guard.ended(now, KILLED)), ["start"]);
        guard.takes();
        assert_eq!(guard.next(), None, "the next one sees to what was left");
        assert_eq!(kinds(guard.ended(now, KILLED)), ["sweep"], "and was not in force");

        let mut guard = running(now);
        guard.ended(now, KILLED);
        let late = guard.next().unwrap();
        assert_eq!(late, now + COMES_BACK);
        assert_eq!(kinds(guard.timer(late)), ["sweep"]);
        guard.swept(late, false);
        assert_eq!(guard.next(), Some(late + AGAIN));
        assert_eq!(kinds(guard.timer(late + AGAIN)), ["sweep"]);
        guard.swept(late + AGAIN, true);
        assert_eq!(guard.next(), None);
        // It ends before it was in force: there is nothing to wait for.
        assert_eq!(kinds(guard.ended(late, Ended::Status(1))), ["sweep"]);
    }

    #[test]
    fn one_that_ends_again_and_again_is_started_later_each_time() {
        let mut now = Instant::now();
        let mut guard = running(now);
        let mut pauses = Vec::new();
        for _time in 0..14 {
            now += STEP;
            let begun = now;
            if !kinds(guard.ended(now, KILLED)).contains(&"start".to_owned()) {
                guard.swept(now, true);
                now = guard.next().unwrap();
                assert_eq!(kinds(guard.timer(now)), ["start"]);
            }
            pauses.push(now.duration_since(begun).as_secs());
            guard.ready();
        }
        assert_eq!(pauses, [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 10, 10, 10]);
        now += WELL;
        assert_eq!(kinds(guard.ended(now, KILLED)), ["start"]);
    }

    #[test]
    fn a_stop_counts_whatever_happens() {
        let now = Instant::now();
        // Killed in the midst of it.
        let mut guard = running(now);
        guard.stop();
        assert_eq!(kinds(guard.ended(now, KILLED)), ["sweep", "end 137"]);
        // The second one was stopped before it had taken anything over.
        for how in [Ended::Status(0), Ended::Signal(Signal::SIGTERM), Ended::Signal(Signal::SIGINT)] {
            let mut guard = running(now);
            guard.ended(now, KILLED);
            assert_eq!(kinds(guard.ended(now, how)), ["sweep", "end 0"]);
        }
        // Nobody runs.
        let mut guard = running(now);
        guard.ended(now, KILLED);
        guard.ended(now, KILLED);
        assert_eq!(kinds(guard.stop()), ["sweep", "end 0"]);
        // `--dont-respawn`
        let mut guard = Guard::new(now, false);
        guard.ready();
        assert_eq!(kinds(guard.ended(now, KILLED)), ["sweep", "end 137"]);
    }
}
