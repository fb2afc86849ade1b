//! What the kind of a check means for its schedule.

use std::borrow::Cow;
use std::time::Duration;

use crate::config::model::{Probe, ProbeKind, Timing};

/// The rules that a schedule follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The word of its block, and the name behind it; for the log.
    pub name: Cow<'static, str>,
    /// Questions that are asked one at a time; all of them make a pass. At least 1.
    pub steps: usize,
    /// `fast_recovery`: no waiting between steps until the first whole pass, and while it fails.
    pub fast_recovery: bool,
    /// Which failures are retried before they count.
    pub retries: Retries,
    /// How long it waits after a failure that counts.
    pub after_failure: AfterFailure,
    /// From when the wait for the next run counts.
    pub period: Period,
    /// What makes it run.
    pub runs: Runs,
}

/// What makes a check run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// It asks at times of its own.
    AtTimes,
    /// It is told what somebody else finds out.
    WhenTold,
}

/// Which failures are retried before they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// Those of a check that passes, once anything has succeeded. Before that the first failure counts: a server
    /// that is dead at start must not get traffic for the time of the retries.
    Established,
    /// All: from the start, and while it fails as well.
    Always,
    /// None: there is nothing to ask again.
    Never,
}

/// How long a check waits after a failure that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterFailure {
    /// `delay_loop`.
    Loop,
    /// The longer of `delay_loop` and `delay_before_retry`.
    LongerOfBoth,
}

/// From when the wait for the next run counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Period {
    /// The end of a run.
    EndToStart,
    /// Its start.
    StartToStart,
}

impl Policy {
    /// The policy of what `probe` asks.
    pub fn of(probe: &Probe) -> Self {
        let common = Self {
            name: probe.kind.title(),
            steps: 1,
            fast_recovery: false,
            retries: Retries::Established,
            after_failure: AfterFailure::Loop,
            period: Period::EndToStart,
            runs: if probe.kind.has_timing() { Runs::AtTimes } else { Runs::WhenTold },
        };
        match &probe.kind {
            ProbeKind::Http(http) => Self {
                steps: http.urls.len().max(1),
                fast_recovery: http.fast_recovery,
                after_failure: AfterFailure::LongerOfBoth,
                ..common
            },
            ProbeKind::Smtp { .. } => Self { retries: Retries::Always, ..common },
            ProbeKind::File { .. } | ProbeKind::Bfd { .. } => Self { retries: Retries::Never, ..common },
            ProbeKind::Misc { .. } => Self { period: Period::StartToStart, ..common },
            _ => common,
        }
    }

    /// The wait after a failure that counts.
    pub fn after_failure(&self, timing: &Timing) -> Duration {
        match self.after_failure {
            AfterFailure::Loop => timing.delay_loop,
            AfterFailure::LongerOfBoth => timing.delay_loop.max(timing.delay_before_retry),
        }
    }
}
