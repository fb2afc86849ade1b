//! When a check runs, when it is tried again, and when its standing changes.
//!
//! An established server needs `retry` + 1 failures in a row to go down; what is down needs `rise` whole passes in a row,
//! at start too. Before
//! anything has succeeded the first failure counts at once, as with keepalived, unless the `Policy` of the kind says
//! otherwise. Several steps are taken one at a time, one each `delay_loop`; all of them make a pass.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::Timing;
use crate::report::Level;

use super::policy::{Period, Policy, Retries, Runs};
use super::{Expiring, Failure, Outcome, Standing, WeightChange};

/// keepalived's pause before anything is asked.
pub const LAUNCH: Duration = Duration::from_secs(1);

/// What can happen to a check.
#[derive(Debug)]
pub enum Input {
    /// Begin; `jitter` is a random part of `warmup`, so that not all checks run at once.
    Start {
        /// At most `warmup`.
        jitter: Duration,
    },
    /// Another timing for the same check: what is under way goes on, what comes after it is new.
    Retime(Arc<Timing>),
    /// The time that [`Machine::next_timer`] named has come.
    Timer,
    /// The probe ended, or somebody else found out what it amounts to.
    Outcome(Outcome),
}

/// What a check wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run the probe.
    Probe {
        /// Which of its steps, from 0; of an HTTP check, the index of the url.
        step: usize,
    },
    /// The standing changed.
    Standing(Standing),
    /// Tell.
    Report(Event),
}

/// Why the check wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// The next probe is due.
    Probe,
}

/// A view of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Kind of the check: the word of its block.
    pub check: Cow<'static, str>,
    /// What it amounts to.
    pub standing: Standing,
    /// Failures in a row that were retried.
    pub retries: u32,
    /// Of a check that is not up yet and passes: how many whole passes in a row, and how many are needed.
    #[serde(skip)]
    pub rising: Option<(u32, u32)>,
    /// When it became what it is; `None`: there has been no verdict.
    #[serde(skip)]
    pub since: Option<Instant>,
    /// Why it fails, as it was last.
    #[serde(skip)]
    pub why: Option<Failure>,
}

/// One thing worth a line; whoever knows the real server adds which one it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It fails now.
    Failed {
        /// Kind of the check.
        check: Cow<'static, str>,
        /// Failures that were retried first.
        retries: u32,
        /// The last one.
        why: Failure,
        /// Which of several steps, from 0.
        step: Option<usize>,
    },
    /// A failure that is tried again.
    Retrying {
        /// Kind of the check.
        check: Cow<'static, str>,
        /// The failure.
        why: Failure,
        /// This many tries are left.
        left: u32,
        /// `log_all_failures`.
        all: bool,
    },
    /// With `log_all_failures`: it has failed before, and fails again.
    StillFails {
        /// Kind of the check.
        check: Cow<'static, str>,
        /// This failure.
        why: Failure,
        /// Which of several steps, from 0.
        step: Option<usize>,
    },
    /// It passes, and not often enough yet.
    Rising {
        /// Kind of the check.
        check: Cow<'static, str>,
        /// Whole passes in a row.
        passes: u32,
        /// `rise`.
        rise: u32,
        /// `log_all_failures`: every run is told.
        all: bool,
    },
    /// It passes again.
    Passed {
        /// Kind of the check.
        check: Cow<'static, str>,
        /// Whole passes in a row that it took.
        passes: u32,
    },
    /// The certificate of the server ends soon.
    Expires {
        /// Kind of the check.
        check: Cow<'static, str>,
        /// The certificate.
        certificate: Box<Expiring>,
    },
    /// It could not be run here.
    NotRun {
        /// Kind of the check.
        check: Cow<'static, str>,
        /// The reason.
        why: String,
    },
}

/// The schedule of one check.
#[derive(Debug, Clone)]
pub struct Machine {
    timing: Arc<Timing>,
    policy: Policy,
    standing: Standing,
    /// Something has succeeded, so failures are retried.
    proven: bool,
    /// There has been a verdict: a whole pass, or a failure that counts.
    judged: bool,
    retries: u32,
    /// Whole passes in a row of a check that is not up.
    passes: u32,
    step: usize,
    /// The step at `step` failed for good; after it succeeds, a whole pass is needed.
    failed_step: bool,
    /// A whole pass has succeeded at least once.
    passed: bool,
    due: Option<Instant>,
    /// When the probe that runs, or the last one, began.
    started: Option<Instant>,
    not_run: bool,
    /// When the verdict became what it is.
    since: Option<Instant>,
    /// Of a check that fails: why, as it was last.
    why: Option<Box<Failure>>,
}

impl Machine {
    /// `up`: what is known so far; an `alpha` check begins with `false`.
    pub fn new(timing: Arc<Timing>, policy: Policy, up: bool) -> Self {
        Self {
            timing,
            policy,
            standing: if up { Standing::UP } else { Standing::Down },
            proven: false,
            judged: false,
            retries: 0,
            passes: 0,
            step: 0,
            failed_step: false,
            passed: false,
            due: None,
            started: None,
            not_run: false,
            since: None,
            why: None,
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Start { jitter } => self.wait_until(now + LAUNCH + jitter.min(self.timing.warmup)),
            Input::Retime(timing) => {
                self.due = self.due.map(|due| due.min(now + timing.delay_loop));
                self.timing = timing;
            }
            Input::Timer => {
                if self.due.is_some_and(|due| due <= now) {
                    self.due = None;
                    self.started = Some(now);
                    out.push(Action::Probe { step: self.step });
                }
            }
            Input::Outcome(outcome) => self.outcome(now, outcome, out),
        }
    }

    /// When to call again with [`Input::Timer`], and why. `None` while a probe runs.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        self.due.map(|due| (due, Timer::Probe))
    }

    /// Its timing.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    /// Whether it passes, as far as is known.
    pub fn is_up(&self) -> bool {
        self.standing.is_up()
    }

    /// The present condition.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            check: self.policy.name.clone(),
            standing: self.standing,
            retries: self.retries,
            rising: (self.passes > 0).then_some((self.passes.min(self.timing.rise), self.timing.rise)),
            since: self.since,
            why: self.why.as_deref().cloned(),
        }
    }

    fn outcome(&mut self, now: Instant, outcome: Outcome, out: &mut Vec<Action>) {
        // A probe has one end.
        if self.due.is_some() {
            return;
        }
        let wait = match outcome {
            Outcome::Passed { weight } => self.passed(now, weight, out),
            Outcome::Failed(why) => self.failed(now, why, out),
            Outcome::NotRun(why) => {
                if !self.not_run {
                    out.push(Action::Report(Event::NotRun { check: self.policy.name.clone(), why }));
                }
                self.not_run = true;
                self.wait_until(now + self.timing.delay_loop);
                return;
            }
        };
        self.not_run = false;
        let from = match self.policy.period {
            Period::EndToStart => now,
            Period::StartToStart => self.started.unwrap_or(now),
        };
        self.wait_until((from + wait).max(now));
    }

    /// The next probe is due then; a check that is told has none.
    fn wait_until(&mut self, at: Instant) {
        self.due = (self.policy.runs == Runs::AtTimes).then_some(at);
    }

    fn passed(&mut self, now: Instant, weight: Option<WeightChange>, out: &mut Vec<Action>) -> Duration {
        self.retries = 0;
        self.proven = true;
        let last = self.policy.steps.saturating_sub(1);
        if self.failed_step && last > 0 {
            self.failed_step = false;
            self.step = 0;
            return self.between_steps();
        }
        if self.step < last {
            self.step += 1;
            return self.between_steps();
        }
        self.failed_step = false;
        self.step = 0;
        self.passed = true;
        let check = self.policy.name.clone();
        if !self.standing.is_up() {
            let (passes, rise) = (self.passes.saturating_add(1), self.timing.rise);
            if passes < rise {
                self.passes = passes;
                let all = self.timing.log_all_failures == Some(true);
                out.push(Action::Report(Event::Rising { check, passes, rise, all }));
                return self.timing.delay_loop;
            }
            self.passes = 0;
            out.push(Action::Report(Event::Passed { check, passes }));
        }
        self.why = None;
        let first = !self.judged;
        self.verdict(now, true);
        let standing = Standing::Up { weight };
        // That it is up is told the first time even if it was taken for granted: from then on it is known.
        if first || self.standing != standing {
            self.standing = standing;
            out.push(Action::Standing(standing));
        }
        self.timing.delay_loop
    }

    fn failed(&mut self, now: Instant, why: Failure, out: &mut Vec<Action>) -> Duration {
        self.passes = 0;
        let up = self.standing.is_up();
        let all = self.timing.log_all_failures == Some(true);
        let retried = match self.policy.retries {
            Retries::Established => up && self.proven,
            Retries::Always => true,
            Retries::Never => false,
        };
        if retried && self.retries < self.timing.retry {
            self.retries += 1;
            let left = self.timing.retry - self.retries + 1;
            out.push(Action::Report(Event::Retrying { check: self.policy.name.clone(), why, left, all }));
            return self.timing.delay_before_retry;
        }
        let step = (self.policy.steps > 1).then_some(self.step);
        self.why = Some(Box::new(why.clone()));
        let first = !self.judged;
        self.verdict(now, false);
        // The first verdict is told even if it was taken for granted, by `alpha`.
        if up || first {
            let event = Event::Failed { check: self.policy.name.clone(), retries: self.retries, why, step };
            out.push(Action::Report(event));
        } else if all {
            out.push(Action::Report(Event::StillFails { check: self.policy.name.clone(), why, step }));
        }
        if up {
            out.push(Action::Standing(Standing::Down));
        }
        self.standing = Standing::Down;
        self.failed_step = true;
        self.retries = 0;
        self.policy.after_failure(&self.timing)
    }

    /// There is one, and it may be another one than before.
    fn verdict(&mut self, now: Instant, passes: bool) {
        if !self.judged || self.standing.is_up() != passes {
            self.since = Some(now);
        }
        self.judged = true;
    }

    fn between_steps(&self) -> Duration {
        if self.policy.fast_recovery && !(self.standing.is_up() && self.passed) {
            return Duration::ZERO;
        }
        self.timing.delay_loop
    }
}

impl Event {
    /// How loud it is.
    pub fn level(&self) -> Level {
        match self {
            Self::Failed { .. }
            | Self::StillFails { .. }
            | Self::NotRun { .. }
            | Self::Expires { .. }
            | Self::Retrying { all: true, .. } => Level::Warning,
            Self::Passed { .. } | Self::Rising { all: true, .. } => Level::Info,
            Self::Retrying { .. } | Self::Rising { .. } => Level::Debug,
        }
    }

    /// The line about `server`, in its log form.
    pub fn describe(&self, server: &str) -> impl fmt::Display {
        match self {
            Self::Failed { check, retries, why, step } => {
                let tries = match retries {
                    0 => String::new(),
                    1 => " after 1 retry".to_owned(),
                    more => format!(" after {more} retries"),
                };
                format!("{check} on service {server}{} failed{tries}: {why}", url(*step))
            }
            Self::StillFails { check, why, step } => {
                format!("{check} on service {server}{} fails still: {why}", url(*step))
            }
            Self::Retrying { check, why, left, .. } => {
                format!("{check} on service {server} failed, {left} more to go: {why}")
            }
            Self::Rising { check, passes, rise, .. } => {
                format!("{check} on service {server} passed, {passes} of {rise} runs before it is up")
            }
            Self::Passed { check, passes: 1 } => format!("{check} on service {server} succeeded"),
            Self::Passed { check, passes } => {
                format!("{check} on service {server} succeeded, {passes} runs in a row")
            }
            Self::Expires { check, certificate } => format!("{check} on service {server}: {certificate}"),
            Self::NotRun { check, why } => {
                format!("{check} on service {server} could not run here, its verdict stays: {why}")
            }
        }
    }
}

/// Which url it is, where there are several.
fn url(step: Option<usize>) -> String {
    step.map(|step| format!(" url({})", step + 1)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{HttpCheck, HttpProtocol, HttpUrl, Probe, ProbeKind, StatusCodes};

    fn timing() -> Timing {
        Timing {
            delay_loop: Duration::from_secs(6),
            warmup: Duration::from_secs(6),
            retry: 2,
            delay_before_retry: Duration::from_secs(3),
            rise: 1,
            alpha: false,
            log_all_failures: None,
        }
    }

    fn http(urls: usize) -> ProbeKind {
        let url = HttpUrl {
            path: "/".into(),
            virtualhost: None,
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: None,
        };
        ProbeKind::Http(HttpCheck {
            tls: false,
            protocol: HttpProtocol::Http10,
            sni: None,
            demands: None,
            fast_recovery: false,
            urls: vec![url; urls],
        })
    }

    /// Runs one probe to its end: the actions that follow it, and the time until the next one.
    fn run(machine: &mut Machine, now: &mut Instant, outcome: Outcome) -> (usize, Vec<Action>, Duration) {
        let due = machine.next_timer().unwrap().0;
        *now = due;
        let mut out = Vec::new();
        machine.handle(*now, Input::Timer, &mut out);
        let Some(Action::Probe { step }) = out.pop() else { panic!("no probe: {out:?}") };
        assert_eq!(machine.next_timer(), None, "one probe at a time");
        machine.handle(*now, Input::Outcome(outcome), &mut out);
        out.retain(|action| matches!(action, Action::Standing(_)));
        (step, out, machine.next_timer().unwrap().0 - due)
    }

    fn start(kind: ProbeKind, up: bool) -> (Machine, Instant) {
        let now = Instant::now();
        let policy = Policy::of(&Probe { kind, connect: None });
        let mut machine = Machine::new(Arc::new(timing()), policy, up);
        machine.handle(now, Input::Start { jitter: Duration::ZERO }, &mut Vec::new());
        assert_eq!(machine.next_timer().unwrap().0, now + LAUNCH);
        (machine, now)
    }

    fn failed() -> Outcome {
        Outcome::Failed(Failure::NoData)
    }

    #[test]
    fn an_established_server_gets_its_retries() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        let (loop_, retry) = (Duration::from_secs(6), Duration::from_secs(3));
        assert_eq!(
            run(&mut machine, &mut now, Outcome::PASSED),
            (0, vec![Action::Standing(Standing::UP)], loop_),
            "the first verdict is told"
        );
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED), (0, vec![], loop_));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![Action::Standing(Standing::Down)], loop_));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], loop_), "no retries while down");
        assert_eq!(
            run(&mut machine, &mut now, Outcome::PASSED),
            (0, vec![Action::Standing(Standing::UP)], loop_)
        );
    }

    #[test]
    fn every_failure_is_told_when_that_is_asked_for() {
        let loud = |all: Option<bool>| {
            let (mut machine, mut now) = start(ProbeKind::Tcp, true);
            let timing = Timing { log_all_failures: all, retry: 1, ..timing() };
            machine.handle(now, Input::Retime(Arc::new(timing)), &mut Vec::new());
            let mut lines = Vec::new();
            for outcome in [Outcome::PASSED, failed(), failed(), failed(), Outcome::PASSED, failed()] {
                now = machine.next_timer().unwrap().0;
                let mut out = Vec::new();
                machine.handle(now, Input::Timer, &mut out);
                machine.handle(now, Input::Outcome(outcome), &mut out);
                lines.extend(out.into_iter().filter_map(|action| match action {
                    Action::Report(event) if event.level() > Level::Debug => {
                        Some(event.describe("S").to_string())
                    }
                    _ => None,
                }));
            }
            lines
        };
        let why = "connection closed without an answer";
        let again = format!("TCP_CHECK on service S failed, 1 more to go: {why}");
        let down = format!("TCP_CHECK on service S failed after 1 retry: {why}");
        let still = format!("TCP_CHECK on service S fails still: {why}");
        let up = "TCP_CHECK on service S succeeded".to_owned();
        assert_eq!(loud(Some(true)), [again.clone(), down.clone(), still, up.clone(), again]);
        for quiet in [None, Some(false)] {
            assert_eq!(loud(quiet), [down.clone(), up.clone()]);
        }
    }

    #[test]
    fn before_any_success_the_first_failure_counts() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        assert_eq!(run(&mut machine, &mut now, failed()).1, [Action::Standing(Standing::Down)]);
    }

    #[test]
    fn an_alpha_check_comes_up_with_its_first_success() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, false);
        assert_eq!(run(&mut machine, &mut now, failed()).1, []);
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, [Action::Standing(Standing::UP)]);
    }

    /// What is shown of the way up.
    fn rising(machine: &Machine) -> Option<(u32, u32)> {
        machine.snapshot().rising
    }

    fn rise(machine: &mut Machine, now: Instant, rise: u32) {
        machine.handle(now, Input::Retime(Arc::new(Timing { rise, ..timing() })), &mut Vec::new());
    }

    #[test]
    fn what_is_down_needs_its_passes_in_a_row() {
        // Begins as down, like a check of `alpha`, and is taken down.
        for (up, first) in [(false, vec![]), (true, vec![Action::Standing(Standing::Down)])] {
            let (mut machine, mut now) = start(ProbeKind::Tcp, up);
            rise(&mut machine, now, 3);
            assert_eq!(run(&mut machine, &mut now, failed()).1, first);
            for passes in 1..3 {
                assert_eq!(run(&mut machine, &mut now, Outcome::PASSED), (0, vec![], timing().delay_loop));
                assert_eq!(rising(&machine), Some((passes, 3)));
            }
            assert!(machine.snapshot().why.is_some(), "it is down for that still");
            assert_eq!(run(&mut machine, &mut now, failed()).1, []);
            assert_eq!(rising(&machine), None, "they are not in a row");
            let not_run = Outcome::NotRun("no free port".into());
            for outcome in [Outcome::PASSED, not_run, Outcome::PASSED] {
                assert_eq!(run(&mut machine, &mut now, outcome).1, []);
            }
            assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, [Action::Standing(Standing::UP)]);
            assert_eq!((rising(&machine), machine.snapshot().why), (None, None));
            assert_eq!(run(&mut machine, &mut now, failed()).1, [], "it is established");
        }
    }

    #[test]
    fn what_begins_as_up_needs_no_passes() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        rise(&mut machine, now, 3);
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, [Action::Standing(Standing::UP)]);
        assert_eq!((machine.is_up(), rising(&machine)), (true, None));
    }

    #[test]
    fn a_pass_is_one_of_all_urls() {
        let (mut machine, mut now) = start(http(2), false);
        rise(&mut machine, now, 2);
        for (url, passes) in [(0, None), (1, Some((1, 2))), (0, Some((1, 2)))] {
            assert_eq!(run(&mut machine, &mut now, Outcome::PASSED), (url, vec![], timing().delay_loop));
            assert_eq!(rising(&machine), passes);
        }
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, [Action::Standing(Standing::UP)]);
    }

    /// SMTP_CHECK tries a failure again while it is down; it breaks the row all the same.
    #[test]
    fn a_failure_that_is_tried_again_breaks_the_row() {
        let (mut machine, mut now) = start(ProbeKind::Smtp { helo: None }, false);
        rise(&mut machine, now, 2);
        for outcome in [Outcome::PASSED, failed(), Outcome::PASSED] {
            assert_eq!(run(&mut machine, &mut now, outcome).1, []);
        }
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, [Action::Standing(Standing::UP)]);
    }

    #[test]
    fn another_rise_counts_from_the_next_run_on() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, false);
        rise(&mut machine, now, 5);
        for _ in 0..3 {
            assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, []);
        }
        rise(&mut machine, now, 2);
        assert!(!machine.is_up(), "a reload gives no verdict");
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, [Action::Standing(Standing::UP)]);
        rise(&mut machine, now, 5);
        assert!(machine.is_up());
    }

    /// One pass in two: a row of lines is for whoever asks for every failure.
    #[test]
    fn the_way_up_is_told() {
        let passes = |all| Event::Rising { check: "TCP_CHECK".into(), passes: 2, rise: 3, all };
        assert_eq!((passes(true).level(), passes(false).level()), (Level::Info, Level::Debug));
        let line = "TCP_CHECK on service S passed, 2 of 3 runs before it is up";
        assert_eq!(passes(true).describe("S").to_string(), line);
        let up = |passes| Event::Passed { check: "TCP_CHECK".into(), passes }.describe("S").to_string();
        assert_eq!(up(1), "TCP_CHECK on service S succeeded");
        assert_eq!(up(3), "TCP_CHECK on service S succeeded, 3 runs in a row");
    }

    #[test]
    fn a_success_between_failures_starts_the_count_anew() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        run(&mut machine, &mut now, Outcome::PASSED);
        for outcome in [failed(), failed(), Outcome::PASSED, failed(), failed()] {
            assert_eq!(run(&mut machine, &mut now, outcome).1, []);
        }
    }

    #[test]
    fn urls_are_asked_in_turn_and_recovery_needs_a_whole_pass() {
        let (mut machine, mut now) = start(http(3), true);
        for url in [0, 1, 2, 0] {
            assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).0, url);
        }
        for _retry in 0..2 {
            assert_eq!(run(&mut machine, &mut now, failed()), (1, vec![], Duration::from_secs(3)));
        }
        assert_eq!(run(&mut machine, &mut now, failed()).1, [Action::Standing(Standing::Down)]);
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).0, 1, "stays on the url that failed");
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED), (0, vec![], Duration::from_secs(6)));
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).0, 1);
        let (url, actions, _) = run(&mut machine, &mut now, Outcome::PASSED);
        assert_eq!((url, actions), (2, vec![Action::Standing(Standing::UP)]));
    }

    #[test]
    fn a_probe_that_could_not_run_changes_no_verdict() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        let outcome = Outcome::NotRun("no free port".into());
        assert_eq!(run(&mut machine, &mut now, outcome), (0, vec![], Duration::from_secs(6)));
        assert!(machine.snapshot().standing.is_up());
    }

    /// SMTP_CHECK retries before anything has succeeded, and while it fails.
    #[test]
    fn a_kind_that_always_retries_does_so_at_start_and_while_down() {
        let (mut machine, mut now) = start(ProbeKind::Smtp { helo: None }, true);
        let (loop_, retry) = (Duration::from_secs(6), Duration::from_secs(3));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![Action::Standing(Standing::Down)], loop_));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], loop_));
    }

    #[test]
    fn a_failing_http_check_waits_for_the_longer_time() {
        let mut slow = timing();
        slow.delay_before_retry = Duration::from_secs(9);
        for (kind, wait) in [(http(1), 9), (ProbeKind::Tcp, 6)] {
            let (mut machine, mut now) = start(kind, true);
            machine.handle(now, Input::Retime(Arc::new(slow.clone())), &mut Vec::new());
            assert_eq!(run(&mut machine, &mut now, failed()).2, Duration::from_secs(wait));
        }
    }

    #[test]
    fn fast_recovery_does_not_wait_between_steps_until_the_pass_is_whole() {
        let ProbeKind::Http(check) = http(2) else { panic!("not HTTP") };
        let (mut machine, mut now) = start(ProbeKind::Http(HttpCheck { fast_recovery: true, ..check }), true);
        let loop_ = Duration::from_secs(6);
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED), (0, vec![], Duration::ZERO));
        let told = vec![Action::Standing(Standing::UP)];
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED), (1, told, loop_));
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED), (0, vec![], loop_));
    }

    #[test]
    fn a_period_from_start_to_start_does_not_grow_with_the_run() {
        let policy = Policy {
            period: Period::StartToStart,
            ..Policy::of(&Probe { kind: ProbeKind::Tcp, connect: None })
        };
        let start = Instant::now();
        let second = Duration::from_secs(1);
        for (took, next) in [(2, 6), (60, 60)] {
            let mut machine = Machine::new(Arc::new(timing()), policy.clone(), true);
            machine.handle(start - LAUNCH, Input::Start { jitter: Duration::ZERO }, &mut Vec::new());
            machine.handle(start, Input::Timer, &mut Vec::new());
            let end = start + took * second;
            machine.handle(end, Input::Outcome(Outcome::PASSED), &mut Vec::new());
            assert_eq!(machine.next_timer(), Some((start + next * second, Timer::Probe)));
        }
    }

    #[test]
    fn another_weight_is_another_standing() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        let weighs = |weight| Outcome::Passed { weight: Some(WeightChange::To(weight)) };
        let standing =
            |weight| vec![Action::Standing(Standing::Up { weight: Some(WeightChange::To(weight)) })];
        assert_eq!(run(&mut machine, &mut now, weighs(5)).1, standing(5));
        assert_eq!(run(&mut machine, &mut now, weighs(5)).1, []);
        assert_eq!(run(&mut machine, &mut now, weighs(7)).1, standing(7));
        assert_eq!(run(&mut machine, &mut now, Outcome::PASSED).1, [Action::Standing(Standing::UP)]);
    }

    #[test]
    fn a_second_end_of_a_probe_is_none() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        run(&mut machine, &mut now, Outcome::PASSED);
        let next = machine.next_timer();
        let mut out = Vec::new();
        machine.handle(now, Input::Outcome(failed()), &mut out);
        assert_eq!((out, machine.next_timer()), (vec![], next));
    }
}
