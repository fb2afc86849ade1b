//! What comes in: which adverts count, and what they make of a backup and of a master (RFC 9568 §6.4.2, §6.4.3).

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use crate::config::model::Preempt;
use crate::vrrp::event::{Event, State, Why};
use crate::vrrp::packet::{Advert, Header, Received};
use crate::vrrp::receive::{self, Checked, Rejection};

use super::{Action, Heard, Machine, Repeated, announce};

impl Machine {
    pub(super) fn packet(&mut self, now: Instant, received: &Received, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Backup | State::Master) {
            return;
        }
        // RFC 9568 §6.4.3 lets no advert outrank the owner; who says so is not bothered by any, unless it goes.
        if self.hands_over.is_none()
            && self.config.owner_ignore_adverts == Some(true)
            && self.priority() == u8::MAX
        {
            return;
        }
        let checked = receive::check(&self.config, received).and_then(|checked| {
            let theirs = received.ah.as_ref().map(|header| header.sequence);
            self.take_sequence(received.source, theirs, checked.advert.priority)?;
            Ok(checked)
        });
        match checked {
            Ok(Checked { advert, old_checksum }) => {
                if old_checksum {
                    self.meet_old_checksum(received.source, out);
                }
                self.advert(now, (received.source, received.id), &advert, out);
            }
            Err(why) => self.rejected(now, received.source, why, out),
        }
    }

    fn rejected(&mut self, now: Instant, source: IpAddr, why: Rejection, out: &mut Vec<Action>) {
        *match why {
            Rejection::TooShort { .. } | Rejection::Length { .. } => &mut self.stats.packet_len_err,
            Rejection::Ttl { .. } | Rejection::PeerTtl { .. } => &mut self.stats.ip_ttl_err,
            Rejection::Version { .. } => &mut self.stats.vers_err,
            // No type of RFC 2338 at all, or another one than ours.
            Rejection::AuthenticationType { theirs: 3.., .. } => &mut self.stats.invalid_authtype,
            Rejection::AuthenticationType { .. } => &mut self.stats.authtype_mismatch,
            Rejection::Authentication | Rejection::Sender | Rejection::Replayed { .. } => {
                &mut self.stats.auth_failure
            }
            Rejection::Interval { .. } => &mut self.stats.advert_interval_err,
            Rejection::Type { .. } => &mut self.stats.invalid_type_rcvd,
            Rejection::Checksum | Rejection::ChecksumOfPayload => &mut self.stats.chk_err,
            Rejection::Destination { .. } => &mut self.stats.addr_list_err,
            Rejection::NoPeer => &mut self.stats.unknown_source,
        } += 1;
        if let Some(suppressed) = self.said(now, source, Repeated::Rejected(source, why.kind())) {
            out.push(Action::Report(Event::Rejected { source, why, suppressed }));
        }
    }

    /// Whether to say it of `source`. A flood of forged senders silences no line about a peer.
    fn said(&mut self, now: Instant, source: IpAddr, what: Repeated) -> Option<u64> {
        if self.knows(&source) { self.repeats.allow_known(now, what) } else { self.repeats.allow(now, what) }
    }

    fn knows(&self, sender: &IpAddr) -> bool {
        self.answers.knows(sender) || self.config.peers().iter().any(|peer| peer.address == *sender)
    }

    /// `id`: its number, over IPv4.
    fn advert(
        &mut self,
        now: Instant,
        (source, id): (IpAddr, Option<u16>),
        advert: &Advert,
        out: &mut Vec<Action>,
    ) {
        let heard = Heard { address: source, priority: advert.priority, id, at: now };
        self.stats.advert_rcvd += 1;
        if advert.priority == 0 {
            self.stats.pri_zero_rcvd += 1;
        }
        if self.hands_over.is_some() {
            // Another one that stops is no successor, and a third one is not listened to.
            if advert.priority > 0 && self.master.is_none_or(|known| known.address == source) {
                self.answers.know(now, source);
                self.learn_interval(now, source, advert, out);
                self.succeeded(now, heard);
            }
            return;
        }
        self.compare_addresses(now, source, advert, out);
        if self.state == State::Master {
            self.advert_in_master(now, heard, advert, out);
        } else {
            self.advert_in_backup(now, heard, advert, out);
        }
    }

    /// RFC 9568 §6.4.2, with `preempt_delay`.
    fn advert_in_backup(&mut self, now: Instant, heard: Heard, advert: &Advert, out: &mut Vec<Action>) {
        let source = heard.address;
        if advert.priority == 0 {
            self.deadline = Some(now + self.skew());
            self.master = Some(heard);
            return;
        }
        let held_back = self.holds_back.is_some_and(|holds_back| holds_back.at(now));
        let lower = advert.priority < self.priority() && !held_back;
        let obey = match (lower, self.config.preempt) {
            (false, _) => {
                self.preempt_at = None;
                true
            }
            (true, Preempt::Never) => true,
            (true, Preempt::After { delay }) if delay.is_zero() => false,
            (true, Preempt::After { delay }) => *self.preempt_at.get_or_insert(now + delay) > now,
        };
        if self.master.is_none_or(|heard| heard.address != source)
            && let Some(suppressed) = self.said(now, source, Repeated::Master(source))
        {
            let priority = advert.priority;
            out.push(Action::Report(Event::MasterChanged { to: source, priority, suppressed }));
        }
        self.master = Some(heard);
        if obey {
            self.answers.know(now, source);
            self.learn_interval(now, source, advert, out);
            self.deadline = Some(now + self.master_down());
            if self.group().is_some() {
                self.ready = false;
                out.push(Action::Follows);
            }
        }
    }

    /// RFC 9568 §6.4.3: the higher priority stays, then the higher address.
    fn advert_in_master(&mut self, now: Instant, heard: Heard, advert: &Advert, out: &mut Vec<Action>) {
        let source = heard.address;
        if advert.priority == 0 {
            self.rival_stops(now, source);
            self.answer(now, source, out);
            return;
        }
        let ours = (self.priority(), self.source.unwrap_or(Ipv4Addr::UNSPECIFIED.into()));
        match (advert.priority, source).cmp(&ours) {
            std::cmp::Ordering::Equal => {
                if let Some(suppressed) = self.repeats.allow(now, Repeated::OwnAddress) {
                    out.push(Action::Report(Event::OwnAddressHeard { source, suppressed }));
                }
            }
            std::cmp::Ordering::Greater => {
                let split = self.was_split(now, heard, out);
                if self.config.higher_prio_send_advert.unwrap_or(split) {
                    self.send_advert(self.priority(), out);
                }
                self.answers.know(now, source);
                self.learn_interval(now, source, advert, out);
                self.master = Some(heard);
                let why = Why::Outranked { by: source, priority: advert.priority };
                self.leave_master(now, why, out);
            }
            std::cmp::Ordering::Less => self.competitor(now, source, advert, out),
        }
    }

    fn competitor(&mut self, now: Instant, source: IpAddr, advert: &Advert, out: &mut Vec<Action>) {
        let (theirs, ours) = (advert.priority, self.priority());
        let interval = self.config.advert_interval.duration();
        self.tell_of_lower(now, source, advert, out);
        let theirs_every = match advert.header {
            Header::V2 { .. } => interval,
            Header::V3 { interval } => Duration::from_millis(u64::from(interval.max(1)) * 10),
        };
        self.rival_heard(now, source, theirs, theirs_every);
        if !self.is_last_word(now)
            && let Some(suppressed) = self.said(now, source, Repeated::Competitor(source))
        {
            out.push(Action::Report(Event::Competitor { source, theirs, ours, suppressed }));
        }
        if !self.config.lower_prio_no_advert {
            self.answer(now, source, out);
        }
        let frames = self.bursts.competitor_heard(now, &self.config.garp);
        announce(frames, out);
    }

    /// The last word of the master that was replaced is no split; nor is a flood more than one.
    fn tell_of_lower(&mut self, now: Instant, source: IpAddr, advert: &Advert, out: &mut Vec<Action>) {
        let interval = self.config.advert_interval.duration();
        let recent = |at: Option<Instant>| at.is_some_and(|at| now.saturating_duration_since(at) < interval);
        if advert.priority < self.priority() && !recent(self.master_since) && !recent(self.lower_told) {
            self.lower_told = Some(now);
            out.push(Action::Report(Event::LowerPriority { source, ours: self.priority() }));
        }
    }

    /// An advert at once, but not as often as anybody asks for one.
    fn answer(&mut self, now: Instant, source: IpAddr, out: &mut Vec<Action>) {
        let interval = self.config.advert_interval.duration();
        if self.config.peers().iter().any(|peer| peer.address == source) {
            self.answers.know(now, source);
        }
        if self.answers.allow(now, source, interval) {
            self.advertise(now, out);
            self.deadline = Some(now + interval);
        }
    }

    /// RFC 9568 §6.4.2: version 3 takes the master's interval; version 2 demands equal ones.
    fn learn_interval(&mut self, now: Instant, source: IpAddr, advert: &Advert, out: &mut Vec<Action>) {
        let Header::V3 { interval: theirs } = advert.header else { return };
        let ours = self.config.advert_interval.centiseconds();
        // An interval of zero would make every master down at once.
        self.learned = Some(Duration::from_millis(u64::from(theirs.max(1)) * 10));
        if theirs != ours && self.said(now, source, Repeated::Interval(source)).is_some() {
            out.push(Action::Report(Event::IntervalDiffers { source, theirs, ours }));
        }
    }

    /// keepalived: other addresses are told, and the advert is obeyed all the same.
    fn compare_addresses(&mut self, now: Instant, source: IpAddr, advert: &Advert, out: &mut Vec<Action>) {
        let known = self.master.is_some_and(|heard| heard.address == source);
        if self.config.skip_check_adv_addr && known && self.state != State::Master {
            return;
        }
        let ours = self.advertised();
        let same = ours.len() == advert.addresses.len()
            && ours.iter().all(|address| advert.addresses.contains(address));
        if same {
            return;
        }
        self.stats.addr_list_err += 1;
        if let Some(suppressed) = self.said(now, source, Repeated::Addresses(source)) {
            let theirs = advert.addresses.clone();
            out.push(Action::Report(Event::AddressesDiffer { source, theirs, suppressed }));
        }
    }
}
