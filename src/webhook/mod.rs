//! Webhooks: what happens, as JSON, to addresses that take it by HTTP.
//!
//! Inputs: what happened to instances, sync groups, virtual and real servers; how a try to deliver ended. Outputs: a
//! delivery, and lines for the log. Invariants: one delivery is under way at a time and everything is in order; what
//! happens meanwhile goes together with the next one, at most [`BATCH`] events; a try in vain is made again after a pause
//! that doubles, and each new reason is told once; what waits is bounded in number and age, and what is left out is
//! counted in the next delivery.

pub mod event;
pub mod io;

use std::borrow::Cow;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::mail::alert::{Cause, Occasion};
use crate::notify::State;
use event::Event;

/// From a try in vain to the next; each further one waits twice as long.
pub const RETRY: Duration = Duration::from_secs(1);
/// At most.
pub const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// An event is kept no longer for somebody who does not take it.
pub const KEEP: Duration = Duration::from_secs(3600);
/// Events that wait at most; of more the oldest go.
pub const MOST: usize = 1000;
/// Events of one delivery at most.
pub const BATCH: usize = 100;

/// What is delivered: the JSON document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Of this layout: 1.
    pub version: u32,
    /// `router_id`, else the name of the host.
    pub node: String,
    /// Events before these that were left out.
    pub dropped: u64,
    /// In the order in which they happened.
    pub events: Vec<Told>,
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// When it happened: RFC 3339, UTC, with milliseconds.
    pub time: String,
    /// What it is of, and what happened.
    #[serde(flatten)]
    pub what: What,
    /// The same for people, as a mail has it in its subject.
    pub text: String,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    /// An instance entered a state.
    VrrpInstance {
        /// Its name.
        name: String,
        /// `MASTER`, `BACKUP`, `FAULT`, `STOP`, `DELETED`.
        state: &'static str,
    },
    /// A sync group entered a state.
    VrrpSyncGroup {
        /// Its name.
        name: String,
        /// As of an instance.
        state: &'static str,
    },
    /// A virtual server has its quorum, or not.
    VirtualServer {
        /// `[10.0.0.9]:tcp:80`.
        virtual_server: String,
        /// `UP`, `DOWN`.
        state: &'static str,
    },
    /// A real server came up, went down or was taken away.
    RealServer {
        /// `[10.0.0.9]:tcp:80`.
        virtual_server: String,
        /// `[10.0.1.1]:tcp:80`.
        real_server: String,
        /// `UP`, `DOWN`.
        state: &'static str,
        /// The word of the check that decided it, `removed`, `stopped`.
        cause: Cow<'static, str>,
    },
}

impl Told {
    /// `None`: it decides nothing by itself.
    fn of(occasion: Occasion, time: String) -> Option<Self> {
        let text = occasion.subject();
        let what = match occasion {
            Occasion::Instance { name, state } => What::VrrpInstance { name, state: State::word(state) },
            Occasion::Group { name, state } => What::VrrpSyncGroup { name, state: State::word(state) },
            Occasion::Quorum { service, up, .. } => {
                What::VirtualServer { virtual_server: service, state: up_or_down(up) }
            }
            Occasion::Server { cause: Cause::Check { decides: false, .. }, .. } => return None,
            Occasion::Server { service, server, up, cause } => {
                let cause = match cause {
                    Cause::Check { check, .. } => check,
                    Cause::Removed => "removed".into(),
                    Cause::Stopped => "stopped".into(),
                };
                let state = up_or_down(up);
                What::RealServer { virtual_server: service, real_server: server, state, cause }
            }
        };
        Some(Self { time, what, text })
    }
}

fn up_or_down(up: bool) -> &'static str {
    if up { "UP" } else { "DOWN" }
}

/// What can happen.
#[derive(Debug, Clone)]
pub enum Input {
    /// The name of the node after a start or reload. Whoever mended what was wrong does not wait for it.
    Configure {
        /// `router_id`, else the name of the host.
        node: String,
    },
    /// Something happened.
    Occurred {
        /// What.
        occasion: Occasion,
        /// When, as [`Told::time`] has it.
        time: String,
    },
    /// The try that [`Action::Send`] asked for ended; the error says why in vain.
    Tried(Result<(), String>),
    /// The time that [`Outbox::next_timer`] named has come.
    Timer,
    /// The daemon stops: what waits goes out at once.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Deliver this; [`Input::Tried`] is the answer.
    Send(Delivery),
    /// Tell.
    Report(Event),
}

/// Why to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// A delivery goes out.
    Send,
}

/// A view of one webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Events that wait, those under way among them.
    pub waiting: usize,
    /// Events that were left out so far and are in no delivery yet.
    pub dropped: u64,
    /// Deliveries that were taken.
    pub sent: u64,
    /// Tries in vain since the last one.
    pub failures: u32,
}

#[derive(Debug, Clone)]
struct Waiting {
    told: Told,
    since: Instant,
}

/// All that waits to be delivered to one address.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    node: String,
    waiting: VecDeque<Waiting>,
    /// How many of them, from the front, are under way.
    under_way: Option<UnderWay>,
    dropped: u64,
    /// No try before.
    not_before: Option<Instant>,
    sent: u64,
    failures: u32,
    /// The reason that was told last.
    told: Option<String>,
    stopping: bool,
    /// The last try before the end was in vain.
    gave_up: bool,
}

#[derive(Debug, Clone, Copy)]
struct UnderWay {
    events: usize,
    dropped: u64,
}

impl Outbox {
    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure { node } => {
                self.node = node;
                self.not_before = None;
            }
            Input::Occurred { occasion, time } => {
                if let Some(told) = Told::of(occasion, time) {
                    self.waiting.push_back(Waiting { told, since: now });
                    if self.waiting.len() > MOST {
                        self.drop_first();
                    }
                }
            }
            Input::Tried(outcome) => self.tried(now, outcome, out),
            Input::Timer => {}
            Input::Stop => {
                self.stopping = true;
                self.not_before = None;
            }
        }
        while self.under_way.is_none()
            && self.waiting.front().is_some_and(|first| now.saturating_duration_since(first.since) > KEEP)
        {
            self.drop_first();
        }
        if self.due(now).is_some_and(|at| at <= now) {
            self.send(out);
        }
    }

    /// When to call again with [`Input::Timer`], and why. What is due at once has been sent: the time is one of a retry.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let waits = self.under_way.is_none() && !self.waiting.is_empty() && !self.gave_up;
        self.not_before.filter(|_| waits).map(|at| (at, Timer::Send))
    }

    /// The whole, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        let (waiting, dropped) = (self.waiting.len(), self.dropped);
        Snapshot { waiting, dropped, sent: self.sent, failures: self.failures }
    }

    /// Whether nothing is under way and nothing will be tried: at a stop, the end.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_none() && (self.waiting.is_empty() || self.gave_up)
    }

    /// Those under way are gone already, or come back and are counted.
    fn drop_first(&mut self) {
        self.waiting.pop_front();
        match &mut self.under_way {
            Some(delivery) if delivery.events > 0 => {
                delivery.events -= 1;
                delivery.dropped += 1;
            }
            _ => self.dropped += 1,
        }
    }

    fn due(&self, now: Instant) -> Option<Instant> {
        let waits = self.under_way.is_none() && !self.waiting.is_empty() && !self.gave_up;
        waits.then(|| self.not_before.unwrap_or(now))
    }

    fn send(&mut self, out: &mut Vec<Action>) {
        let events: Vec<Told> = self.waiting.iter().take(BATCH).map(|one| one.told.clone()).collect();
        let dropped = std::mem::take(&mut self.dropped);
        self.under_way = Some(UnderWay { events: events.len(), dropped });
        out.push(Action::Send(Delivery { version: 1, node: self.node.clone(), dropped, events }));
    }

    fn tried(&mut self, now: Instant, outcome: Result<(), String>, out: &mut Vec<Action>) {
        let Some(delivery) = self.under_way.take() else { return };
        match outcome {
            Ok(()) => {
                self.waiting.drain(..delivery.events.min(self.waiting.len()));
                self.sent += 1;
                self.not_before = None;
                self.told = None;
                if self.failures > 0 {
                    out.push(Action::Report(Event::Works { tries: std::mem::take(&mut self.failures) }));
                }
            }
            Err(why) => {
                self.dropped += delivery.dropped;
                if self.told.as_ref() != Some(&why) {
                    self.told = Some(why.clone());
                    out.push(Action::Report(Event::Fails { why, waiting: self.waiting.len() }));
                }
                let wait = RETRY.saturating_mul(1 << self.failures.min(16)).min(LONGEST_RETRY);
                self.failures = self.failures.saturating_add(1);
                self.not_before = Some(now + wait);
                if self.stopping {
                    self.gave_up = true;
                    out.push(Action::Report(Event::Left { left: self.waiting.len() }));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
