//! `min_healthy`: when nearly all real servers fail at once it is rather the way to them, or what all of them need, than each
//! of them; and few that are left would not bear what all did. Those that have just failed then stay in.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::config::model::RealServer;

use super::backend::Backend;
use super::{Action, Event, Pool};

/// Two failures that are not further apart are one event, whatever the checks' own times.
const AT_ONCE: Duration = Duration::from_secs(60);

/// What clients have of a real server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Serving {
    pub(super) serves: bool,
    pub(super) weight: u32,
}

impl Serving {
    pub(super) fn of(backend: &Backend) -> Self {
        Self { serves: backend.serves(), weight: backend.weight() }
    }

    /// What it adds to the weight of its virtual server.
    pub(super) fn counted(self) -> u64 {
        if self.serves { u64::from(self.weight) } else { 0 }
    }
}

impl Pool {
    /// Compares how many are up with `min_healthy`. What serves otherwise for that is added to `changed`, with what it did
    /// before, unless it is the first there.
    pub(super) fn judge(
        &mut self,
        now: Instant,
        changed: &mut Vec<(SocketAddr, Serving)>,
        out: &mut Vec<Action>,
    ) {
        let total = self.backends.len();
        let least = self.config.min_healthy.map_or(0, |least| least.of(total));
        let too_few = self.up < least;
        if too_few == self.keeps {
            return;
        }
        let known = changed.first().map(|(address, _)| *address);
        let mut kept = 0;
        for server in &self.config.real_servers {
            let Some(backend) = self.backends.get_mut(&server.address) else { continue };
            let before = Serving::of(backend);
            let just = |fell| now.saturating_duration_since(fell) <= at_once(server);
            backend.kept = too_few && !backend.is_up() && backend.fell.is_some_and(just);
            kept += usize::from(backend.kept);
            if known != Some(server.address) && before.serves != backend.serves() {
                changed.push((server.address, before));
            }
        }
        let (service, up) = (self.config.name(), self.up);
        // Those that have been down for long, or never up, are none that are kept.
        self.keeps = kept > 0;
        out.extend(match too_few {
            true if kept == 0 => None,
            true => Some(Action::Report(Event::FewHealthy { service, up, total, least, kept })),
            false => Some(Action::Report(Event::EnoughHealthy { service, up, total, least })),
        });
    }
}

/// How long two rounds of its checks take, at least a minute: so far apart what befalls all of them may be seen.
fn at_once(server: &RealServer) -> Duration {
    let rounds = server.checkers.iter().map(|checker| {
        let timing = &checker.timing;
        let timeout = checker.probe.connect.as_ref().map(|connect| connect.timeout).unwrap_or_default();
        let tries = (timeout + timing.delay_before_retry).saturating_mul(timing.retry.saturating_add(1));
        timing.delay_loop.saturating_add(tries)
    });
    rounds.max().unwrap_or_default().saturating_mul(2).max(AT_ONCE)
}
