//! When a check runs, when it is tried again, and when its verdict changes.
//!
//! An established server needs `retry` + 1 failures in a row to go down and one whole pass to come up. Before
//! anything has succeeded the first failure counts at once, as with keepalived: a server that is dead at start
//! must not get traffic for the time of the retries. Several urls are asked one at a time, one each
//! `delay_loop`; all of them make a pass.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::{Checker, ProbeKind};

use super::{Failure, Outcome};

/// keepalived's pause before anything is asked.
const LAUNCH: Duration = Duration::from_secs(1);

/// What can happen to a check.
#[derive(Debug)]
pub enum Input {
    /// Begin; `jitter` is a random part of `warmup`, so that not all checks run at once.
    Start {
        /// At most `warmup`.
        jitter: Duration,
    },
    /// The time that [`Machine::next_timer`] named has come.
    Timer,
    /// The probe ended.
    Outcome(Outcome),
}

/// What a check wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run the probe; of an HTTP check, the url with this index.
    Probe {
        /// Index of the url; 0 for other checks.
        url: usize,
    },
    /// The verdict changed.
    Verdict {
        /// Whether the check passes.
        up: bool,
    },
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
    /// Whether it passes.
    pub up: bool,
    /// Failures in a row that were retried.
    pub retries: u32,
}

/// One thing worth a line; the director adds which real server it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The verdict fell.
    Failed {
        /// Kind of the check.
        check: &'static str,
        /// Failures that were retried first.
        retries: u32,
        /// The last one.
        why: Failure,
        /// Index of the url of an HTTP check.
        url: Option<usize>,
    },
    /// A failure that is tried again.
    Retrying {
        /// Kind of the check.
        check: &'static str,
        /// The failure.
        why: Failure,
        /// This many tries are left.
        left: u32,
    },
    /// It passes again.
    Passed {
        /// Kind of the check.
        check: &'static str,
    },
    /// It could not be run here.
    NotRun {
        /// Kind of the check.
        check: &'static str,
        /// The reason.
        why: String,
    },
}

/// The schedule of one check.
#[derive(Debug, Clone)]
pub struct Machine {
    config: Checker,
    up: bool,
    /// Something has succeeded, so failures are retried.
    proven: bool,
    retries: u32,
    url: usize,
    /// The url at `url` failed for good; after it succeeds, a whole pass is needed.
    failed_url: bool,
    /// A whole pass has succeeded at least once.
    passed: bool,
    due: Option<Instant>,
    not_run: bool,
}

impl Machine {
    /// `up`: the verdict so far; an `alpha` check begins with `false`.
    pub fn new(config: Checker, up: bool) -> Self {
        Self {
            config,
            up,
            proven: false,
            retries: 0,
            url: 0,
            failed_url: false,
            passed: false,
            due: None,
            not_run: false,
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Start { jitter } => self.due = Some(now + LAUNCH + jitter.min(self.config.timing.warmup)),
            Input::Timer => {
                if self.due.is_some_and(|due| due <= now) {
                    self.due = None;
                    out.push(Action::Probe { url: self.url });
                }
            }
            Input::Outcome(outcome) => self.outcome(now, outcome, out),
        }
    }

    /// Another timing for the same check: what is under way goes on, what comes after it is new.
    pub fn reconfigure(&mut self, now: Instant, config: Checker) {
        self.due = self.due.map(|due| due.min(now + config.timing.delay_loop));
        self.config = config;
    }

    /// When to call again with [`Input::Timer`], and why. `None` while a probe runs.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        self.due.map(|due| (due, Timer::Probe))
    }

    /// The present condition.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { up: self.up, retries: self.retries }
    }

    fn outcome(&mut self, now: Instant, outcome: Outcome, out: &mut Vec<Action>) {
        let wait = match outcome {
            Outcome::Passed => self.passed(out),
            Outcome::Failed(why) => self.failed(why, out),
            Outcome::NotRun(why) => {
                if !self.not_run {
                    out.push(Action::Report(Event::NotRun { check: self.name(), why }));
                }
                self.not_run = true;
                self.due = Some(now + self.config.timing.delay_loop);
                return;
            }
        };
        self.not_run = false;
        self.due = Some(now + wait);
    }

    fn passed(&mut self, out: &mut Vec<Action>) -> Duration {
        self.retries = 0;
        self.proven = true;
        let last = self.urls() - 1;
        if self.failed_url && last > 0 {
            self.failed_url = false;
            self.url = 0;
            return self.between_urls();
        }
        if self.url < last {
            self.url += 1;
            return self.between_urls();
        }
        self.failed_url = false;
        self.url = 0;
        self.passed = true;
        if !self.up {
            self.up = true;
            out.push(Action::Report(Event::Passed { check: self.name() }));
            out.push(Action::Verdict { up: true });
        }
        self.config.timing.delay_loop
    }

    fn failed(&mut self, why: Failure, out: &mut Vec<Action>) -> Duration {
        if !self.up {
            self.failed_url = true;
            return self.while_down();
        }
        if self.proven && self.retries < self.config.timing.retry {
            self.retries += 1;
            let left = self.config.timing.retry - self.retries + 1;
            out.push(Action::Report(Event::Retrying { check: self.name(), why, left }));
            return self.config.timing.delay_before_retry;
        }
        let url = (self.urls() > 1).then_some(self.url);
        out.push(Action::Report(Event::Failed { check: self.name(), retries: self.retries, why, url }));
        out.push(Action::Verdict { up: false });
        self.up = false;
        self.failed_url = true;
        self.retries = 0;
        self.while_down()
    }

    fn while_down(&self) -> Duration {
        match self.config.probe.kind {
            ProbeKind::Http(_) => self.config.timing.delay_loop.max(self.config.timing.delay_before_retry),
            _ => self.config.timing.delay_loop,
        }
    }

    fn between_urls(&self) -> Duration {
        match &self.config.probe.kind {
            ProbeKind::Http(http) if http.fast_recovery && (!self.up || !self.passed) => Duration::ZERO,
            _ => self.config.timing.delay_loop,
        }
    }

    fn urls(&self) -> usize {
        match &self.config.probe.kind {
            ProbeKind::Http(http) => http.urls.len().max(1),
            _ => 1,
        }
    }

    fn name(&self) -> &'static str {
        self.config.probe.kind.keyword()
    }
}

impl Event {
    /// The line about `server`, in its log form.
    pub fn describe(&self, server: &str) -> impl fmt::Display {
        match self {
            Self::Failed { check, retries, why, url } => {
                let tries = match retries {
                    0 => String::new(),
                    1 => " after 1 retry".to_owned(),
                    more => format!(" after {more} retries"),
                };
                let url = url.map(|url| format!(" url({})", url + 1)).unwrap_or_default();
                format!("{check} on service {server}{url} failed{tries}: {why}")
            }
            Self::Retrying { check, why, left } => {
                format!("{check} on service {server} failed, {left} more to go: {why}")
            }
            Self::Passed { check } => format!("{check} on service {server} succeeded"),
            Self::NotRun { check, why } => {
                format!("{check} on service {server} could not run here, its verdict stays: {why}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Connect, HttpCheck, HttpProtocol, HttpUrl, Probe, StatusCodes, Timing};
    use std::sync::Arc;

    fn checker(kind: ProbeKind) -> Checker {
        let connect = Connect {
            to: "10.0.0.1:80".parse().unwrap(),
            timeout: Duration::from_secs(3),
            from: None,
            from_port: 0,
            interface: None,
            fwmark: 0,
        };
        Checker {
            probe: Arc::new(Probe { kind, connect: Some(connect) }),
            timing: Timing {
                delay_loop: Duration::from_secs(6),
                warmup: Duration::from_secs(6),
                retry: 2,
                delay_before_retry: Duration::from_secs(3),
                alpha: false,
                log_all_failures: None,
            },
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
        };
        ProbeKind::Http(HttpCheck {
            tls: false,
            protocol: HttpProtocol::Http10,
            sni: None,
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
        let Some(Action::Probe { url }) = out.pop() else { panic!("no probe: {out:?}") };
        assert_eq!(machine.next_timer(), None, "one probe at a time");
        machine.handle(*now, Input::Outcome(outcome), &mut out);
        out.retain(|action| matches!(action, Action::Verdict { .. }));
        (url, out, machine.next_timer().unwrap().0 - due)
    }

    fn start(kind: ProbeKind, up: bool) -> (Machine, Instant) {
        let now = Instant::now();
        let mut machine = Machine::new(checker(kind), up);
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
        assert_eq!(run(&mut machine, &mut now, Outcome::Passed), (0, vec![], loop_));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], retry));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![Action::Verdict { up: false }], loop_));
        assert_eq!(run(&mut machine, &mut now, failed()), (0, vec![], loop_), "no retries while down");
        assert_eq!(
            run(&mut machine, &mut now, Outcome::Passed),
            (0, vec![Action::Verdict { up: true }], loop_)
        );
    }

    #[test]
    fn before_any_success_the_first_failure_counts() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        assert_eq!(run(&mut machine, &mut now, failed()).1, [Action::Verdict { up: false }]);
    }

    #[test]
    fn an_alpha_check_comes_up_with_its_first_success() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, false);
        assert_eq!(run(&mut machine, &mut now, failed()).1, []);
        assert_eq!(run(&mut machine, &mut now, Outcome::Passed).1, [Action::Verdict { up: true }]);
    }

    #[test]
    fn a_success_between_failures_starts_the_count_anew() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        for outcome in [Outcome::Passed, failed(), failed(), Outcome::Passed, failed(), failed()] {
            assert_eq!(run(&mut machine, &mut now, outcome).1, []);
        }
    }

    #[test]
    fn urls_are_asked_in_turn_and_recovery_needs_a_whole_pass() {
        let (mut machine, mut now) = start(http(3), true);
        for url in [0, 1, 2, 0] {
            assert_eq!(run(&mut machine, &mut now, Outcome::Passed).0, url);
        }
        for _retry in 0..2 {
            assert_eq!(run(&mut machine, &mut now, failed()), (1, vec![], Duration::from_secs(3)));
        }
        assert_eq!(run(&mut machine, &mut now, failed()).1, [Action::Verdict { up: false }]);
        assert_eq!(run(&mut machine, &mut now, Outcome::Passed).0, 1, "stays on the url that failed");
        assert_eq!(run(&mut machine, &mut now, Outcome::Passed), (0, vec![], Duration::from_secs(6)));
        assert_eq!(run(&mut machine, &mut now, Outcome::Passed).0, 1);
        let (url, actions, _) = run(&mut machine, &mut now, Outcome::Passed);
        assert_eq!((url, actions), (2, vec![Action::Verdict { up: true }]));
    }

    #[test]
    fn a_probe_that_could_not_run_changes_no_verdict() {
        let (mut machine, mut now) = start(ProbeKind::Tcp, true);
        let outcome = Outcome::NotRun("no free port".into());
        assert_eq!(run(&mut machine, &mut now, outcome), (0, vec![], Duration::from_secs(6)));
        assert!(machine.snapshot().up);
    }
}
