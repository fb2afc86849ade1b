//! A planned hand-over: priority 0 is sent, and the addresses stay until another one leads.
//!
//! RFC 9568 §6.4.3 lets a master that shuts down send priority 0 and go. Whoever takes over waits its skew time first, up
//! to a second, and for that long nobody would have the addresses. So they stay, and everything with them goes on, until
//! the first advert of the successor is heard and it has had a moment to take them, or until each one that heard the
//! priority 0 would have taken over. Those of a sync group take over together, so all of them wait for the slowest.

use std::time::{Duration, Instant};

use crate::config::model::Version;
use crate::track::Fault;
use crate::vrrp::event::{Event, State, Why};

use super::{Action, Heard, Machine};

/// What the timers of a successor and the way of its advert may take beyond the skew time.
const SLACK: Duration = Duration::from_millis(100);

/// From the first advert of a successor until the addresses go. It sends that before it sets and announces them, one after
/// the other, and who is not told yet sends to us.
const OVERLAP: Duration = Duration::from_millis(20);
/// The same for each address.
const OVERLAP_EACH: Duration = Duration::from_millis(1);

/// What a master becomes that hands over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Towards {
    /// It stops.
    End,
    /// `directord maintenance on`.
    Maintenance,
    /// `directord failover`: another one is to lead. When there is none, it goes on.
    Backup(Back),
    /// Another member of its sync group has handed over: nobody of it leads alone.
    Follow(Back),
}

/// When an instance that was told to hand over takes the addresses back from a master of lower priority. It takes them in
/// any case when there is no other master.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Back {
    /// As its configuration says.
    AsConfigured,
    /// As its configuration says, after this time.
    After(Duration),
    /// Not before it has led again.
    Never,
}

/// Until when a backup obeys a master of lower priority, whatever its configuration says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HoldsBack {
    Until(Instant),
    UntilItLeads,
}

impl HoldsBack {
    pub(super) fn at(self, now: Instant) -> bool {
        match self {
            Self::Until(until) => now < until,
            Self::UntilItLeads => true,
        }
    }
}

impl Machine {
    /// Master, and to stay it.
    pub(super) fn leads(&self) -> bool {
        self.state == State::Master && self.hands_over.is_none()
    }

    /// Master, and not to stay it.
    pub(crate) fn goes(&self) -> bool {
        self.hands_over.is_some()
    }

    /// Tells all others, and waits for the one that takes over.
    pub(super) fn hand_over(&mut self, now: Instant, towards: Towards, out: &mut Vec<Action>) {
        self.send_advert(0, out);
        self.bursts.stop();
        self.rivals = None;
        let of_others = self.group().map(|others| others.take_over).unwrap_or_default();
        let longest = self.longest_take_over().max(of_others);
        self.deadline = Some(now + longest);
        self.hands_over = Some(towards);
        out.push(Action::Report(Event::HandsOver { longest }));
    }

    /// Another one leads.
    pub(super) fn succeeded(&mut self, now: Instant, by: Heard) {
        if self.master.is_none() {
            self.master = Some(by);
            self.go_soon(now);
        }
    }

    /// The sync group follows another master.
    pub(super) fn follow(&mut self, now: Instant) {
        if let Some(Towards::Backup(back)) = self.hands_over {
            self.hands_over = Some(Towards::Follow(back));
            self.go_soon(now);
        }
    }

    fn go_soon(&mut self, now: Instant) {
        let addresses = u32::try_from(self.config.all_addresses().count()).unwrap_or(u32::MAX);
        let gone = now + OVERLAP + OVERLAP_EACH.saturating_mul(addresses);
        self.deadline = Some(self.deadline.map_or(gone, |at| at.min(gone)));
    }

    /// Somebody leads and is known by now, nobody is there, or there is no time left for it.
    pub(super) fn handed_over(&mut self, now: Instant, out: &mut Vec<Action>) {
        let Some(towards) = self.hands_over else { return };
        match (towards, self.master) {
            (Towards::End, _) => self.stop(now, Why::Stop, out),
            (Towards::Maintenance, _) => self.fault(now, out),
            (Towards::Backup(back) | Towards::Follow(back), to)
                if to.is_some() || matches!(towards, Towards::Follow(_)) =>
            {
                self.hands_over = None;
                self.holds_back = match back {
                    Back::AsConfigured => None,
                    // A time that never comes.
                    Back::After(time) => {
                        Some(now.checked_add(time).map_or(HoldsBack::UntilItLeads, HoldsBack::Until))
                    }
                    Back::Never => Some(HoldsBack::UntilItLeads),
                };
                let why = to.map_or(Why::GroupFollows, |heard| Why::HandedOver { to: heard.address });
                self.leave_master(now, why, out);
            }
            (Towards::Backup(_) | Towards::Follow(_), _) => self.lead_again(now, out),
        }
    }

    /// Nobody took over: whoever heard that it goes is to hear that it stays.
    fn lead_again(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.hands_over = None;
        out.push(Action::Report(Event::NobodyTookOver));
        self.send_advert(self.priority(), out);
        self.deadline = Some(now + self.config.advert_interval.duration());
        let frames = self.bursts.became_master(now, &self.config.garp);
        super::announce(frames, out);
        self.bursts.keep_known(now, self.config.garp_extra_interval());
    }

    /// The conditions are others while it hands over.
    pub(super) fn reconsider(&mut self, now: Instant, out: &mut Vec<Action>) {
        match (self.hands_over, self.faults.is_empty()) {
            // It is over before anybody took over; whoever does is followed.
            (Some(Towards::Maintenance), true) => self.hands_over = Some(Towards::Backup(Back::AsConfigured)),
            (Some(Towards::Backup(_) | Towards::Follow(_)), false) => {
                self.hands_over = Some(Towards::Maintenance);
                self.reconsider(now, out);
            }
            // Nobody could be heard, or the addresses cannot be held.
            (Some(Towards::End | Towards::Maintenance), false) if !self.is_kept_from_leading() => {
                self.handed_over(now, out);
            }
            _ => {}
        }
    }

    /// It is not to lead, and nothing else is wrong.
    pub(super) fn is_kept_from_leading(&self) -> bool {
        let is_one = |fault: &Fault| matches!(fault, Fault::Maintenance(_));
        let mut faults = self.faults.iter();
        faults.clone().any(is_one) && faults.all(|fault| is_one(fault) || fault.is_anothers())
    }

    /// The longest time from priority 0 to the first advert of a backup: the skew time of priority 0, which is longer than
    /// that of any other.
    pub(crate) fn longest_take_over(&self) -> Duration {
        let unit = match self.config.version {
            Version::V2 => Duration::from_secs(1),
            Version::V3 => self.config.advert_interval.duration(),
        };
        unit + SLACK
    }
}
