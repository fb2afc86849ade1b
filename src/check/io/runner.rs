//! Runs the probes of all checks: TCP checks together in one list, a task for each other check under way.

use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::check::Outcome;
use crate::check::checks::{CheckId, TICK};
use crate::config::model::{Probe, ProbeKind};

use super::connecting::Connecting;
use super::http;

/// Outcomes that may wait to be looked at.
const OUTCOMES: usize = 1024;

/// A probe that ended.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Of which check.
    pub id: CheckId,
    /// How.
    pub outcome: Outcome,
}

/// The probes under way.
#[derive(Debug)]
pub(crate) struct Runner {
    connecting: Connecting<CheckId>,
    /// When the connections under way are looked at next.
    look: Instant,
    ended: mpsc::Sender<Ended>,
}

impl Runner {
    /// No probes yet; those that a task runs end at the receiver.
    pub(crate) fn new(now: Instant) -> (Self, mpsc::Receiver<Ended>) {
        let (ended, receiver) = mpsc::channel(OUTCOMES);
        (Self { connecting: Connecting::default(), look: now, ended }, receiver)
    }

    /// When [`Self::look`] is to be called next.
    pub(crate) fn next(&self) -> Option<Instant> {
        (!self.connecting.is_empty()).then_some(self.look)
    }

    /// Looks which of the connections under way are made, when it is time.
    pub(crate) fn look(&mut self, now: Instant) -> Vec<Ended> {
        if self.look > now {
            return Vec::new();
        }
        self.look = now + TICK;
        let mut ended = Vec::new();
        self.connecting.look(now, &mut ended);
        ended.into_iter().map(|(id, outcome)| Ended { id, outcome }).collect()
    }

    /// Begins a probe. `Some`: it has ended already.
    pub(crate) fn start(
        &mut self,
        id: CheckId,
        probe: &Arc<Probe>,
        step: usize,
        now: Instant,
    ) -> Option<Ended> {
        let outcome = match (&probe.kind, &probe.connect) {
            (ProbeKind::Tcp, Some(connect)) => {
                if self.connecting.is_empty() {
                    self.look = now + TICK;
                }
                self.connecting.start(id, connect, now)?.1
            }
            (ProbeKind::Http(check), Some(_)) => {
                if check.urls.get(step).is_none() {
                    return Some(Ended { id, outcome: Outcome::NotRun("it has no url".into()) });
                }
                tokio::spawn(ask(id, Arc::clone(probe), step, self.ended.clone()));
                return None;
            }
            (kind, _) => Outcome::NotRun(format!("this version does not run {}", kind.keyword())),
        };
        Some(Ended { id, outcome })
    }
}

async fn ask(id: CheckId, probe: Arc<Probe>, step: usize, ended: mpsc::Sender<Ended>) {
    let (ProbeKind::Http(check), Some(connect)) = (&probe.kind, &probe.connect) else { return };
    let Some(url) = check.urls.get(step) else { return };
    let outcome = http(connect, check, url).await;
    // The director is gone only when the process ends.
    let _ = ended.send(Ended { id, outcome }).await;
}
