//! One `vrrp_script`: when it is run, and what its results amount to.
//!
//! Inputs: its timer, the end of a run. Outputs: run it, a new [`Standing`], lines for the log. Invariants: no two runs at
//! once; the last result always counts; the first one decides alone, unless `init_fail` was said.

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::TrackScript;
use crate::report::Repeats;
use crate::script::{Ending, Program};

use super::Standing;
use super::event::Event;

/// What can happen to a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// The time that [`Script::next_timer`] named has come.
    Timer,
    /// The run ended.
    Ended(Ending),
}

/// What a script wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run it, no longer than its `timeout`; [`Input::Ended`] is the answer.
    Run,
    /// What it amounts to has changed.
    Standing(Standing),
    /// Tell.
    Report(Event),
}

/// Why a script wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// The next run is due.
    Run,
}

/// A view for status, metrics and tests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The word after `vrrp_script`.
    pub name: String,
    /// What it amounts to.
    pub standing: Standing,
    /// How its last run ended.
    pub last: Option<Ending>,
    /// It runs just now.
    pub running: bool,
    /// Results so far, from 0; it is up from `rise` on.
    pub result: u64,
}

/// One `vrrp_script`.
#[derive(Debug, Clone)]
pub struct Script {
    config: TrackScript,
    program: Program,
    standing: Standing,
    /// Until the first result of its own.
    fresh: bool,
    /// Results so far, 0..=rise+fall-1: up from `rise` on.
    count: u64,
    /// When the run began that has not ended.
    started: Option<Instant>,
    next: Instant,
    last: Option<Ending>,
    skipped: Repeats<()>,
}

impl Script {
    /// It is due at once. `before`: what a script of this name amounted to until now.
    pub fn new(config: TrackScript, program: Program, now: Instant, before: Option<Standing>) -> Self {
        let standing = match before {
            _ if config.init_fail => Standing::Down,
            Some(standing) => standing,
            None => Standing::Pending,
        };
        let count = if config.init_fail { 0 } else { rise(&config) - 1 };
        let fresh = !config.init_fail;
        let skipped = Repeats::new();
        Self { config, program, standing, fresh, count, started: None, next: now, last: None, skipped }
    }

    /// The definition in force.
    pub fn config(&self) -> &TrackScript {
        &self.config
    }

    /// What is run.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What it amounts to.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it runs just now.
    pub fn is_running(&self) -> bool {
        self.started.is_some()
    }

    /// Other times and counts for the same program: what is known of it stays.
    pub fn reconfigure(&mut self, config: TrackScript, now: Instant) {
        self.next = self.next.min(now + config.interval);
        self.config = config;
        if !self.fresh {
            self.count = if self.standing == Standing::Up { top(&self.config) } else { 0 };
        } else {
            self.count = rise(&self.config) - 1;
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Timer if self.next <= now => self.due(now, out),
            Input::Timer => {}
            Input::Ended(ending) => self.ended(ending, out),
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> (Instant, Timer) {
        (self.next, Timer::Run)
    }

    /// The present state, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            name: self.config.name.clone(),
            standing: self.standing,
            last: self.last.clone(),
            running: self.is_running(),
            result: self.count,
        }
    }

    fn due(&mut self, now: Instant, out: &mut Vec<Action>) {
        // A steady beat; after a pause it starts anew instead of catching up.
        self.next += self.config.interval;
        if self.next <= now {
            self.next = now + self.config.interval;
        }
        match self.started {
            None => {
                self.started = Some(now);
                out.push(Action::Run);
            }
            Some(started) => {
                if let Some(suppressed) = self.skipped.allow(now, ()) {
                    let running: Duration = now.saturating_duration_since(started);
                    out.push(Action::Report(Event::StillRuns { running, suppressed }));
                }
            }
        }
    }

    fn ended(&mut self, ending: Ending, out: &mut Vec<Action>) {
        self.started = None;
        let (success, rise) = (ending.is_success(), rise(&self.config));
        self.count = match (success, self.count) {
            (true, count) if count + 1 < rise => count + 1,
            (true, _) => top(&self.config),
            (false, count) if count > rise => count - 1,
            (false, _) => 0,
        };
        self.fresh = false;
        let standing = if self.count >= rise { Standing::Up } else { Standing::Down };
        if self.last.as_ref() != Some(&ending) {
            let first = self.last.is_none();
            self.last = Some(ending.clone());
            if !first || standing == self.standing {
                out.push(Action::Report(Event::Returns(ending.clone())));
            }
        }
        if standing != self.standing {
            self.standing = standing;
            out.push(Action::Report(Event::Turned { standing, ending }));
            out.push(Action::Standing(standing));
        }
    }
}

fn rise(config: &TrackScript) -> u64 {
    u64::from(config.rise).max(1)
}

/// So many failures lead below `rise` again.
fn top(config: &TrackScript) -> u64 {
    rise(config) + u64::from(config.fall).max(1) - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Command, TrackWeight};
    use crate::script::Identity;

    const INTERVAL: Duration = Duration::from_secs(2);

    fn script(rise: u32, fall: u32, init_fail: bool) -> (Script, Instant) {
        let config = TrackScript {
            name: "chk".into(),
            command: Command::default(),
            interval: INTERVAL,
            timeout: INTERVAL,
            weight: TrackWeight::default(),
            rise,
            fall,
            init_fail,
        };
        let identity = Identity { uid: 0, gid: 0, groups: Vec::new() };
        let now = Instant::now();
        (Script::new(config, Program { arguments: Vec::new(), identity }, now, None), now)
    }

    /// What it amounts to after each result: `.` a success, `x` a failure.
    fn standings(script: &mut Script, results: &str) -> String {
        let now = Instant::now();
        let letter = |result| {
            let ending = Ending::Exited(i32::from(result == 'x'));
            script.handle(now, Input::Ended(ending), &mut Vec::new());
            match script.standing() {
                Standing::Up => 'U',
                Standing::Down => 'D',
                Standing::Pending => '?',
            }
        };
        results.chars().map(letter).collect()
    }

    /// Spec of keepalived's counter, with `rise` and `fall`.
    #[test]
    fn results_count_as_in_keepalived() {
        let cases = [
            (1, 1, false, "..x.xx", "UUDUDD"),
            // The first result decides alone.
            (3, 3, false, ".", "U"),
            (3, 3, false, "x..x...xx.xxx", "DDDDDDUUUUUUD"),
            (1, 3, false, "x.xx.xxx", "DUUUUUUD"),
            (3, 1, true, "x..x....", "DDDDDDUU"),
            (3, 1, true, "...", "DDU"),
            (1, 1, true, ".", "U"),
        ];
        for (rise, fall, init_fail, results, expected) in cases {
            let (mut script, _) = script(rise, fall, init_fail);
            let start = if init_fail { Standing::Down } else { Standing::Pending };
            assert_eq!(script.standing(), start);
            assert_eq!(standings(&mut script, results), expected, "rise {rise}, fall {fall}: {results}");
        }
    }

    #[test]
    fn a_run_that_has_not_ended_is_not_run_again() {
        let (mut script, start) = script(1, 1, false);
        let mut out = Vec::new();
        script.handle(start, Input::Timer, &mut out);
        assert_eq!(std::mem::take(&mut out), [Action::Run]);
        for beat in 1..4 {
            script.handle(start + INTERVAL * beat, Input::Timer, &mut out);
        }
        let running = INTERVAL;
        let told = Action::Report(Event::StillRuns { running, suppressed: 0 });
        assert_eq!(std::mem::take(&mut out), [told], "once, and no run");
        script.handle(start + INTERVAL * 3, Input::Ended(Ending::TimedOut), &mut out);
        assert!(out.contains(&Action::Standing(Standing::Down)));
        out.clear();
        script.handle(start + INTERVAL * 4, Input::Timer, &mut out);
        assert_eq!(out, [Action::Run]);
        // A pause of the host: one run, not all that were missed.
        script.handle(start + INTERVAL * 4, Input::Ended(Ending::Exited(0)), &mut Vec::new());
        let late = start + INTERVAL * 100;
        out.clear();
        script.handle(late, Input::Timer, &mut out);
        assert_eq!((out.as_slice(), script.next_timer().0), ([Action::Run].as_slice(), late + INTERVAL));
    }

    #[test]
    fn what_differs_is_told_once() {
        let (mut script, now) = script(1, 2, false);
        let mut lines = |ending| {
            let mut out = Vec::new();
            script.handle(now, Input::Ended(ending), &mut out);
            let line = |action: &Action| match action {
                Action::Report(event) => Some(event.to_string()),
                _ => None,
            };
            out.iter().filter_map(line).collect::<Vec<String>>().join("; ")
        };
        assert_eq!(lines(Ending::Exited(0)), "succeeded");
        assert_eq!(lines(Ending::Exited(0)), "");
        assert_eq!(lines(Ending::Exited(1)), "now returning: exited with status 1");
        assert_eq!(lines(Ending::Exited(1)), "failed (exited with status 1)");
        assert_eq!(lines(Ending::Exited(2)), "now returning: exited with status 2");
        assert_eq!(lines(Ending::TimedOut), "now returning: timed out");
        assert_eq!(lines(Ending::Exited(0)), "now returning: exited with status 0; succeeded");
    }

    #[test]
    fn a_reload_with_other_counts_keeps_what_is_known() {
        let (mut script, now) = script(2, 2, false);
        assert_eq!(standings(&mut script, "."), "U");
        script.reconfigure(TrackScript { fall: 1, ..script.config().clone() }, now);
        assert_eq!(script.standing(), Standing::Up);
        assert_eq!(standings(&mut script, "x"), "D");
        // Other programs of this name begin where that one was; `init_fail` begins anew.
        let again = |init_fail| {
            let config = TrackScript { init_fail, ..script.config().clone() };
            Script::new(config, script.program().clone(), now, Some(Standing::Up))
        };
        assert_eq!((again(false).standing(), again(true).standing()), (Standing::Up, Standing::Down));
        assert_eq!(standings(&mut again(false), "x"), "D", "its first result counts alone");
    }
}
