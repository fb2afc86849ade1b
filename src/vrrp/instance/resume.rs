//! A restart in time: the master goes on where its predecessor, which was stopped for that, has left off.
//!
//! The predecessor sent one more advert, said nothing else and took nothing away, and the others bear the silence of
//! [`Left::window`]. So nothing is entered and nobody told of a change: the next advert leaves, and the addresses stay.
//! None of them is announced, but for a burst that was still to come: no neighbour was told of another host that has
//! them. Had one taken over, its adverts are answered as those of any other master, and that is when they are announced.

use std::time::{Duration, Instant};

use crate::config::model::{Authentication, Instance, Priority};
use crate::track::{Conditions, Standing};
use crate::vrrp::event::{Event, State, Why};

use super::{Action, Machine};

/// From the first advert of the process that goes on to the ears of the others, and the ways of their clocks.
const MARGIN: Duration = Duration::from_millis(100);

/// What a master leaves behind that is stopped for a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its configuration.
    pub config: Instance,
    /// The priority of its last advert.
    pub priority: u8,
    /// `auth_type AH`: the last sequence number.
    pub sequence: u32,
    /// Its addresses were still to be announced once more.
    pub announces: bool,
    /// After its last advert the others bear its silence for so long.
    pub window: Duration,
}

impl Left {
    /// What one leaves that is killed while it leads: its last advert left within an interval before. `None`: nobody goes on
    /// with it; the sequence number of its signature is known to nobody, and without addresses nothing shows that it led.
    pub fn by_a_kill(config: &Instance, priority: u8) -> Option<Self> {
        let signed = matches!(config.authentication, Authentication::Ah(_));
        if signed || config.all_addresses().next().is_none() {
            return None;
        }
        let intervals = config.down_timer_adverts.min(Instance::DOWN_TIMER_ADVERTS).saturating_sub(1);
        let window = (config.advert_interval.duration() * u32::from(intervals)).checked_sub(MARGIN)?;
        // It may have been about to announce its addresses.
        Some(Self { config: config.clone(), priority, sequence: 0, announces: true, window })
    }
}

/// What a predecessor has left that led.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resume {
    /// The priority of its last advert.
    pub priority: u8,
    /// `auth_type AH`: the last sequence number.
    pub sequence: u32,
    /// Its addresses were still to be announced once more.
    pub announces: bool,
    /// Until then the others bear its silence.
    pub until: Instant,
}

impl Machine {
    /// Before the first conditions: with good ones it leads at once.
    pub(crate) fn resume(&mut self, left: Resume) {
        self.sequence = left.sequence;
        if self.config.priority != Priority::OWNER {
            // Until all that moves it is known again.
            self.carried = Some(left.priority);
            self.priority = left.priority;
        }
        self.deadline = Some(left.until);
        self.resumes = Some(left);
    }

    /// It will lead because a predecessor did, and does not yet.
    pub fn is_resuming(&self) -> bool {
        self.resumes.is_some()
    }

    /// The others take it for the master: it leads, or a predecessor did, and they bear its silence.
    pub(super) fn counts_as_master(&self, now: Instant) -> bool {
        self.leads() || self.resumes.is_some_and(|left| left.until > now)
    }

    /// It leads because a predecessor did.
    pub(crate) fn has_resumed(&self) -> bool {
        self.state == State::Master && self.why == Some(Why::Resumed)
    }

    /// The process is stopped for a restart. `None`: this instance does not lead, or goes.
    pub(crate) fn left(&self) -> Option<Left> {
        let intervals = u32::from(self.config.down_timer_adverts.min(Instance::DOWN_TIMER_ADVERTS));
        let longest = self.config.advert_interval.duration() * intervals;
        self.leads().then(|| Left {
            config: self.config.clone(),
            priority: self.priority(),
            sequence: self.sequence,
            announces: self.bursts.is_under_way(),
            window: longest.saturating_sub(MARGIN),
        })
    }

    /// The conditions are good. Too late it starts as always.
    pub(super) fn lead_on(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Some(left) = self.resumes.take().filter(|left| left.until > now) else {
            return self.start_anew(now, out);
        };
        (self.learned, self.master) = (None, None);
        self.send_advert(self.priority(), out);
        (self.state, self.since, self.why) = (State::Master, Some(now), Some(Why::Resumed));
        out.push(Action::Report(Event::Resumed { priority: self.priority() }));
        out.push(Action::Hold(true));
        self.bursts.resumed(now, &self.config.garp, left.announces);
        self.bursts.keep_known(now, self.config.garp_extra_interval());
        self.deadline = Some(now + self.config.advert_interval.duration());
        self.master_since = Some(now);
    }

    /// It cannot go on, or not in time, or its sync group does not.
    pub(super) fn give_up_resuming(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.resumes.is_some() {
            if self.counts_as_master(now) {
                self.send_advert(0, out);
            }
            (self.resumes, self.carried) = (None, None);
            self.deadline = None;
            out.push(Action::Report(Event::NotResumed));
            // What it waits for may take long.
            out.push(Action::Hold(false));
            self.evaluate(now, out);
        }
    }

    fn start_anew(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.carried = None;
        out.push(Action::Report(Event::NotResumed));
        self.weigh(out);
        self.start(now, Why::Start, out);
    }

    /// The priority that the predecessor had, as long as something that moves it has told nothing yet.
    pub(super) fn carried(&mut self, conditions: &Conditions) -> Option<u8> {
        let standings = conditions.scripts.values().chain(conditions.processes.values());
        let awaits = standings.into_iter().any(|standing| *standing == Standing::Pending)
            || conditions.files.values().any(Option::is_none);
        if !awaits {
            self.carried = None;
        }
        self.carried
    }
}
