//! A restart in time: the master goes on where its predecessor, which was stopped for that, has left off.
//!
//! The predecessor said nothing and took nothing away, and the others have missed no more adverts than they may. So
//! nothing is entered and nobody told: the next advert leaves, and the addresses are ours.

use std::time::Instant;

use crate::vrrp::event::{Event, State, Why};

use super::{Action, Machine};

/// What a predecessor has left that led.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Resume {
    /// `auth_type AH`: the last sequence number.
    pub sequence: u32,
}

impl Machine {
    /// Before the first conditions: with good ones it leads at once.
    pub(crate) fn resume(&mut self, left: Resume) {
        self.sequence = left.sequence;
        self.resumes = true;
    }

    /// It is about to lead, or does, because a predecessor did.
    pub(crate) fn resumes(&self) -> bool {
        self.resumes || (self.state == State::Master && self.why == Some(Why::Resumed))
    }

    /// The highest sequence number that was sent or heard.
    pub(super) fn last_sequence(&self) -> u32 {
        self.sequence
    }

    pub(super) fn lead_on(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.resumes = false;
        self.learned = None;
        self.master = None;
        self.send_advert(self.priority(), out);
        self.state = State::Master;
        self.since = Some(now);
        self.why = Some(Why::Resumed);
        out.push(Action::Report(Event::Resumed));
        out.push(Action::Hold(true));
        self.bursts.resumed(now, &self.config.garp);
        self.bursts.keep_known(now, self.config.garp_extra_interval());
        self.deadline = Some(now + self.config.advert_interval.duration());
        self.master_since = Some(now);
    }
}
