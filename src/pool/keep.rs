//! `min_healthy`: when nearly all real servers fail at once it is rather the way to them, or what all of them need, than each
//! of them; and few that are left would not bear what all did. Those that have just failed then stay in.
//!
//! It counts those that could serve: of a weight above 0, neither disabled nor drained. It begins with a failure, while the quorum is there, of
//! real servers that were up by verdicts; and it ends when enough are up by verdicts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::model::{Checker, ProbeKind};

use super::backend::Backend;
use super::{Action, Event, Pool};

/// Two failures that are not further apart are one event, whatever the checks' own times.
const AT_ONCE: Duration = Duration::from_secs(60);
/// An answer may take so many times the time of a connection.
const WHOLE_ANSWER: u32 = 10;

/// What clients have of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) serves: bool,
    pub(super) weight: u32,
    /// It could serve if it were up.
    able: bool,
    /// It is able, and up.
    up: bool,
    /// It is that by verdicts.
    pub(super) proven: bool,
}

impl Serving {
    pub(super) fn of(backend: &Backend) -> Self {
        let weight = backend.weight();
        let able = weight > 0;
        Self {
            serves: backend.serves(),
            weight,
            able,
            up: able && backend.is_up(),
            proven: able && backend.is_proven(),
        }
    }
}

/// The real servers of one virtual server in numbers; kept up to date, so that a standing costs the same however many there
/// are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    /// Sum of the weights of those that serve.
    pub(super) weight: u64,
    able: usize,
    up: usize,
    proven: usize,
}

impl Count {
    pub(super) fn of(backends: impl Iterator<Item = Serving>) -> Self {
        let mut count = Self::default();
        backends.for_each(|one| count.add(one));
        count
    }

    fn add(&mut self, one: Serving) {
        self.weight += if one.serves { u64::from(one.weight) } else { 0 };
        self.able += usize::from(one.able);
        self.up += usize::from(one.up);
        self.proven += usize::from(one.proven);
    }

    /// One of them was that `before`, and is this.
    pub(super) fn change(&mut self, before: Serving, after: Serving) {
        self.weight -= if before.serves { u64::from(before.weight) } else { 0 };
        self.able -= usize::from(before.able);
        self.up -= usize::from(before.up);
        self.proven -= usize::from(before.proven);
        self.add(after);
    }
}

impl Pool {
    /// Compares how many are up with `min_healthy`. What serves otherwise for that is added to `changed`, with what it did
    /// before, unless it is the first there. `fell`: one has just failed.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        fell: bool,
        changed: &mut Vec<(SocketAddr, Serving)>,
        out: &mut Vec<Action>,
    ) {
        let (up, total) = (self.count.up, self.count.able);
        let least = self.config.min_healthy.map_or(0, |least| least.of(total));
        if self.keeps {
            // That others were taken out by hand does not make enough of none.
            let enough = self.count.proven >= least && self.count.proven > 0;
            if enough || self.config.min_healthy.is_none() {
                out.push(Action::Report(Event::EnoughHealthy {
                    service: self.config.name(),
                    up,
                    total,
                    least,
                }));
                self.let_go(changed);
            } else if !self.backends.iter().any(|backend| backend.kept) {
                out.push(Action::Report(Event::NoneKept { service: self.config.name() }));
                self.let_go(changed);
            }
            return;
        }
        if !fell || up >= least || !self.quorum {
            return;
        }
        let window = self.window();
        let is_one = |backend: &Backend| {
            let just = |fell| now.saturating_duration_since(fell) <= window;
            Serving::of(backend).able && !backend.is_up() && backend.fell.is_some_and(just)
        };
        let kept = self.backends.iter().filter(|backend| is_one(backend)).count();
        // With all of them there were too few already: they went one after the other.
        if up + kept < least {
            return;
        }
        self.keeps = true;
        self.turn(changed, |backend| backend.kept = is_one(backend));
        out.push(Action::Report(Event::FewHealthy { service: self.config.name(), up, total, least, kept }));
    }

    /// Whatever still fails goes.
    fn let_go(&mut self, changed: &mut Vec<(SocketAddr, Serving)>) {
        self.keeps = false;
        self.turn(changed, |backend| backend.kept = false);
    }

    fn turn(&mut self, changed: &mut Vec<(SocketAddr, Serving)>, turn: impl Fn(&mut Backend)) {
        let known = changed.first().map(|(address, _)| *address);
        for server in &self.config.real_servers {
            let Some(backend) = self.backends.get_mut(&server.address) else { continue };
            let before = Serving::of(backend);
            turn(backend);
            let after = Serving::of(backend);
            self.count.change(before, after);
            if known != Some(server.address) && before != after {
                changed.push((server.address, before));
            }
        }
    }

    /// How long two rounds of the slowest check take, at least a minute: so far apart what befalls all of them may be seen.
    fn window(&self) -> Duration {
        let checkers = self.config.real_servers.iter().flat_map(|server| &server.checkers);
        checkers.map(round).max().unwrap_or_default().saturating_mul(2).max(AT_ONCE)
    }
}

/// The longest time from one verdict to the next.
fn round(checker: &Checker) -> Duration {
    let timing = &checker.timing;
    let connection = checker.probe.connect.as_ref().map(|connect| connect.timeout).unwrap_or_default();
    let longest = match &checker.probe.kind {
        ProbeKind::Misc { timeout, .. } => timeout.unwrap_or(timing.delay_loop),
        ProbeKind::Http(_) | ProbeKind::Smtp { .. } | ProbeKind::Named(_) => {
            connection.saturating_mul(WHOLE_ANSWER)
        }
        _ => connection,
    };
    // One url after the other, each in its turn.
    let steps = match &checker.probe.kind {
        ProbeKind::Http(check) => u32::try_from(check.urls.len()).unwrap_or(u32::MAX).max(1),
        _ => 1,
    };
    let attempt = longest.saturating_add(timing.delay_before_retry);
    let turns = timing.delay_loop.saturating_add(if steps > 1 { longest } else { Duration::ZERO });
    turns.saturating_mul(steps).saturating_add(attempt.saturating_mul(timing.retry.saturating_add(1)))
}
