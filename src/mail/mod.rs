//! Mail alerts: which mails there are, and when they go out.
//!
//! Inputs: what happened to instances, real servers and virtual servers, the settings of a start or reload, how a try to
//! send ended. Outputs: a letter to send, and lines for the log. Invariants: one letter is under way at a time; what
//! happens within [`GATHER`], or while a letter has to wait, goes as one; between two letters there is a pause that
//! grows while there is always more to tell; what waits is bounded, and what is left out is counted in the next letter.

pub mod alert;
pub mod event;
pub mod io;
mod letter;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::Serialize;

use alert::{Alerts, Occasion};
use event::Event;
pub use letter::Letter;
use letter::{Waiting, compose};

/// How long the first event waits for others of the same cause.
pub const GATHER: Duration = Duration::from_secs(1);
/// From one letter to the next; twice as long each time when events waited for its end.
pub const PAUSE: Duration = Duration::from_secs(10);
/// At most.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// From a failed try to the next; each further one waits twice as long.
pub const RETRY: Duration = Duration::from_secs(10);
/// At most.
pub const LONGEST_RETRY: Duration = Duration::from_secs(600);
/// An event is kept no longer for a server that takes no mail.
pub const KEEP: Duration = Duration::from_secs(24 * 3600);
/// Events that wait at most; of more the oldest go.
pub const MOST: usize = 200;
/// A letter that is so much younger than its event says when that was.
const LATE: Duration = Duration::from_secs(60);

/// What counts of the configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// What this node is called in subjects.
    pub node: String,
    /// There is a server, and a recipient.
    pub sends: bool,
    /// Which events.
    pub alerts: Alerts,
}

/// How a try to send ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The server took it, but not for these recipients, with its answers.
    Sent {
        /// Recipient and answer.
        refused: Vec<(String, String)>,
    },
    /// It did not go out.
    Failed(String),
}

/// What can happen.
#[derive(Debug, Clone)]
pub enum Input {
    /// The settings after a start or reload.
    Configure(Settings),
    /// Something happened.
    Occurred {
        /// What.
        occasion: Occasion,
        /// When, as mails say it.
        stamp: String,
    },
    /// The try that [`Action::Send`] asked for ended.
    Tried(Outcome),
    /// The time that [`Outbox::next_timer`] named has come.
    Timer,
    /// The daemon stops: what waits goes out at once.
    Stop,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Send this; [`Input::Tried`] is the answer.
    Send(Letter),
    /// Tell.
    Report(Event),
}

/// Why to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// A letter goes out.
    Send,
}

/// A view of the alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Events that wait, those of a letter under way among them.
    pub waiting: usize,
    /// Events that were left out so far and are in no letter yet.
    pub dropped: u64,
    /// A letter is under way.
    pub sending: bool,
    /// Letters that went out.
    pub sent: u64,
    /// Tries in vain since the last one.
    pub failures: u32,
}

/// All that waits to be mailed.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    settings: Settings,
    waiting: VecDeque<Waiting>,
    /// When the first event came that no letter has had yet, also when it is dropped by now.
    since: Option<Instant>,
    /// How many of them, from the front, the letter under way has.
    under_way: Option<UnderWay>,
    dropped: u64,
    /// No letter before.
    not_before: Option<Instant>,
    /// That between the last two letters.
    pause: Duration,
    sent: u64,
    failures: u32,
    refused: BTreeMap<String, String>,
    stopping: bool,
    /// The last try before the end was made.
    tried_at_stop: bool,
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
            Input::Configure(settings) => self.configure(settings, out),
            Input::Occurred { occasion, stamp } => self.occurred(now, occasion, stamp),
            Input::Tried(outcome) => self.tried(now, outcome, out),
            Input::Timer => {}
            Input::Stop => self.stopping = true,
        }
        self.forget_the_old(now);
        if self.due().is_some_and(|at| at <= now) {
            self.send(now, out);
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        self.due().map(|at| (at, Timer::Send))
    }

    /// The whole, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            waiting: self.waiting.len(),
            dropped: self.dropped,
            sending: self.under_way.is_some(),
            sent: self.sent,
            failures: self.failures,
        }
    }

    /// Whether nothing is under way and nothing will be tried: at a stop, the end.
    pub fn is_idle(&self) -> bool {
        self.under_way.is_none() && (self.waiting.is_empty() || self.tried_at_stop)
    }

    fn configure(&mut self, mut settings: Settings, out: &mut Vec<Action>) {
        settings.alerts = std::mem::take(&mut self.settings.alerts).replaced_by(settings.alerts);
        self.settings = settings;
        self.refused.clear();
        self.drop_what_nobody_gets(out);
        // Whoever mended the settings does not wait for what was wrong before.
        if self.failures > 0 {
            self.not_before = None;
        }
    }

    /// Without server or recipients only a letter under way has a chance.
    fn drop_what_nobody_gets(&mut self, out: &mut Vec<Action>) {
        let kept = self.under_way.map_or(0, |letter| letter.events);
        let dropped = self.waiting.len() - kept;
        if !self.settings.sends && dropped > 0 {
            self.waiting.truncate(kept);
            out.push(Action::Report(Event::Off { dropped }));
        }
    }

    fn occurred(&mut self, now: Instant, occasion: Occasion, stamp: String) {
        if !self.settings.sends || !self.settings.alerts.wants(&occasion) {
            return;
        }
        self.since.get_or_insert(now);
        self.waiting.push_back(Waiting { occasion, stamp, since: now });
        if self.waiting.len() > MOST {
            self.drop_first();
        }
    }

    /// Those of a letter under way stand in it already, or come back with it.
    fn drop_first(&mut self) {
        self.waiting.pop_front();
        match &mut self.under_way {
            Some(letter) if letter.events > 0 => {
                letter.events -= 1;
                letter.dropped += 1;
            }
            _ => self.dropped += 1,
        }
    }

    fn forget_the_old(&mut self, now: Instant) {
        while self.under_way.is_none()
            && self.waiting.front().is_some_and(|first| now.duration_since(first.since) > KEEP)
        {
            self.drop_first();
        }
    }

    /// When the next letter goes out.
    fn due(&self) -> Option<Instant> {
        let first = self.waiting.front().filter(|_| self.under_way.is_none() && self.settings.sends)?;
        if self.stopping {
            return Some(first.since).filter(|_| !self.tried_at_stop);
        }
        let gathered = self.since.unwrap_or(first.since) + GATHER;
        Some(self.not_before.map_or(gathered, |at| at.max(gathered)))
    }

    fn send(&mut self, now: Instant, out: &mut Vec<Action>) {
        let events: Vec<&Waiting> = self.waiting.iter().collect();
        let late = events.first().is_some_and(|first| now.duration_since(first.since) > LATE);
        let letter = compose(&self.settings.node, &events, self.dropped, late);
        self.under_way = Some(UnderWay { events: events.len(), dropped: std::mem::take(&mut self.dropped) });
        self.since = None;
        self.tried_at_stop = self.stopping;
        out.push(Action::Send(letter));
    }

    fn tried(&mut self, now: Instant, outcome: Outcome, out: &mut Vec<Action>) {
        let Some(letter) = self.under_way.take() else { return };
        match outcome {
            Outcome::Sent { refused } => {
                let more = self.waiting.split_off(letter.events.min(self.waiting.len()));
                let last = std::mem::replace(&mut self.waiting, more).pop_front();
                self.pause_after(now, last.map(|first| first.since));
                self.sent += 1;
                if self.failures > 0 {
                    out.push(Action::Report(Event::Works { tries: std::mem::take(&mut self.failures) }));
                }
                self.refusals(refused, out);
            }
            Outcome::Failed(why) => {
                self.dropped += letter.dropped;
                if self.failures == 0 {
                    out.push(Action::Report(Event::Fails { why, waiting: self.waiting.len() }));
                }
                let wait = RETRY.saturating_mul(1 << self.failures.min(16)).min(LONGEST_RETRY);
                self.failures = self.failures.saturating_add(1);
                self.not_before = Some(now + wait);
            }
        }
        self.drop_what_nobody_gets(out);
        if self.stopping && self.tried_at_stop && !self.waiting.is_empty() {
            out.push(Action::Report(Event::Left { left: self.waiting.len() }));
        }
    }

    /// `first`: when the first event of the letter happened. Had it to wait for the pause before, the next is longer.
    fn pause_after(&mut self, now: Instant, first: Option<Instant>) {
        let waited = match (first, self.not_before) {
            (Some(first), Some(end)) => first < end,
            _ => false,
        };
        self.pause = if waited { (self.pause * 2).clamp(PAUSE, LONGEST_PAUSE) } else { PAUSE };
        self.not_before = Some(now + self.pause);
    }

    fn refusals(&mut self, refused: Vec<(String, String)>, out: &mut Vec<Action>) {
        let mut before = std::mem::take(&mut self.refused);
        for (recipient, why) in refused {
            if before.remove(&recipient).is_none() {
                let event = Event::Refused { recipient: recipient.clone(), why: why.clone() };
                out.push(Action::Report(event));
            }
            self.refused.insert(recipient, why);
        }
        out.extend(before.into_keys().map(|recipient| Action::Report(Event::Taken { recipient })));
    }
}

#[cfg(test)]
mod tests;
