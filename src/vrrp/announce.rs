//! When a master announces its addresses by gratuitous ARP.
//!
//! A burst when it becomes master, a second one `garp_master_delay` later, refreshing ones when asked for,
//! `garp_extra_if` for switches that would forget interfaces on which no advert leaves;
//! and whenever another master was heard, because its announcements may have turned the neighbours:
//! at once, within a second, and after `garp_lower_prio_delay`, which is one announcement when that is about a second.

use std::time::{Duration, Instant};

use crate::config::model::Garp;

/// After the last word of a competitor, the addresses are announced again this soon.
const REPAIR: Duration = Duration::from_millis(900);
/// A competitor that talks all the time causes no more than one burst in this time.
const SPACING: Duration = Duration::from_millis(500);

/// Pending bursts of one instance; all empty unless it is master.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bursts {
    last: Option<Instant>,
    second: Option<Instant>,
    refresh: Option<Instant>,
    repair: Option<Instant>,
    answer: Option<Instant>,
    extra: Option<Instant>,
}

impl Bursts {
    /// The instance became master: frames per address of the burst that is due now.
    pub(crate) fn became_master(&mut self, now: Instant, garp: &Garp) -> u32 {
        *self = Self { last: Some(now), ..Self::default() };
        if !garp.master_delay.is_zero() {
            self.second = Some(now + garp.master_delay);
        }
        if !garp.master_refresh.is_zero() {
            self.refresh = Some(now + garp.master_delay + garp.master_refresh);
        }
        garp.master_repeat
    }

    /// Something is still to be announced, beside what is repeated for ever.
    pub(crate) fn is_under_way(&self) -> bool {
        self.second.is_some() || self.repair.is_some() || self.answer.is_some()
    }

    /// The instance goes on as master: everybody knows its addresses, unless a burst was still `under_way`.
    pub(crate) fn resumed(&mut self, now: Instant, garp: &Garp, under_way: bool) {
        *self = Self { second: under_way.then(|| now + garp.master_delay), ..Self::default() };
        if !garp.master_refresh.is_zero() {
            self.refresh = Some(now + garp.master_refresh);
        }
    }

    /// Another master was heard and yields, or ought to: frames per address of the burst that is due now.
    pub(crate) fn competitor_heard(&mut self, now: Instant, garp: &Garp) -> u32 {
        if garp.lower_prio_repeat == 0 {
            return 0;
        }
        let delay = garp.lower_prio_delay;
        if !delay.is_zero() {
            self.answer.get_or_insert(now + delay);
        }
        if delay.is_zero() || delay > REPAIR + SPACING {
            self.repair.get_or_insert(now + REPAIR);
        }
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < SPACING) {
            return 0;
        }
        self.last = Some(now);
        garp.lower_prio_repeat
    }

    /// An address was lost and is back: announce it, but not as often as somebody may remove it.
    pub(crate) fn address_restored(&mut self, now: Instant, garp: &Garp) -> u32 {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) < SPACING) {
            self.repair.get_or_insert(now + SPACING);
            return 0;
        }
        self.last = Some(now);
        garp.master_repeat
    }

    /// Somebody asks for an announcement: one frame for each address, but not as often as somebody may ask.
    pub(crate) fn asked_for(&mut self, now: Instant) -> u32 {
        if self.repair.is_some()
            || self.last.is_some_and(|last| now.saturating_duration_since(last) < SPACING)
        {
            self.repair.get_or_insert(now + SPACING);
            return 0;
        }
        self.last = Some(now);
        1
    }

    /// A reload changed the addresses: as of a new master.
    pub(crate) fn addresses_changed(&mut self, now: Instant, garp: &Garp) -> u32 {
        self.last = Some(now);
        if !garp.master_delay.is_zero() {
            self.second = Some(now + garp.master_delay);
        }
        garp.master_repeat
    }

    /// `garp_extra_if`: the interfaces without adverts are announced on from now on, every `interval`; `None`: they are not.
    pub(crate) fn keep_known(&mut self, now: Instant, interval: Option<Duration>) {
        self.extra = interval.map(|interval| now + interval);
    }

    /// Whether it is time for that.
    pub(crate) fn extra_due(&mut self, now: Instant, interval: Option<Duration>) -> bool {
        let due = take_due(&mut self.extra, now);
        if due {
            self.keep_known(now, interval);
        }
        due
    }

    /// The last burst did not get out: once more, soon.
    pub(crate) fn failed(&mut self, now: Instant) {
        self.repair.get_or_insert(now + SPACING);
    }

    /// The instance is no longer master.
    pub(crate) fn stop(&mut self) {
        *self = Self::default();
    }

    /// When the next burst is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        [self.second, self.refresh, self.repair, self.answer, self.extra].iter().flatten().min().copied()
    }

    /// Frames per address that are due by `now`; bursts that fall together become one.
    pub(crate) fn due(&mut self, now: Instant, garp: &Garp) -> u32 {
        let mut frames = 0;
        if take_due(&mut self.second, now) {
            frames = frames.max(garp.master_repeat);
        }
        if take_due(&mut self.repair, now) | take_due(&mut self.answer, now) {
            frames = frames.max(garp.lower_prio_repeat).max(1);
        }
        if take_due(&mut self.refresh, now) {
            frames = frames.max(garp.master_refresh_repeat);
            self.refresh = Some(now + garp.master_refresh);
        }
        if frames > 0 {
            self.last = Some(now);
        }
        frames
    }
}

fn take_due(at: &mut Option<Instant>, now: Instant) -> bool {
    at.take_if(|at| *at <= now).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_announces_twice_and_then_rests() {
        let (now, garp) = (Instant::now(), Garp::default());
        let mut bursts = Bursts::default();
        assert_eq!(bursts.became_master(now, &garp), 5);
        assert_eq!(bursts.next(), Some(now + garp.master_delay));
        assert_eq!(bursts.due(now + garp.master_delay, &garp), 5);
        assert_eq!(bursts.next(), None);
    }

    #[test]
    fn a_competitor_is_answered_at_once_within_a_second_and_after_the_delay() {
        let (now, garp) = (Instant::now(), Garp::default());
        let mut bursts = Bursts::default();
        assert_eq!(bursts.competitor_heard(now, &garp), 5);
        assert_eq!(bursts.competitor_heard(now + SPACING / 2, &garp), 0, "bursts keep their distance");
        let repair = bursts.next().unwrap();
        assert!(repair <= now + Duration::from_secs(1));
        assert_eq!(bursts.due(repair, &garp), 5);
        assert_eq!(bursts.next(), Some(now + garp.lower_prio_delay));
    }

    #[test]
    fn a_delay_of_a_second_is_the_announcement_within_a_second() {
        let now = Instant::now();
        let garp = Garp { lower_prio_delay: Duration::from_secs(1), ..Garp::default() };
        let mut bursts = Bursts::default();
        assert_eq!(bursts.competitor_heard(now, &garp), 5);
        assert_eq!(bursts.next(), Some(now + garp.lower_prio_delay));
        assert_eq!(bursts.due(now + garp.lower_prio_delay, &garp), 5);
        assert_eq!(bursts.next(), None);
    }

    #[test]
    fn addresses_of_a_reload_are_announced_twice() {
        let (now, garp) = (Instant::now(), Garp::default());
        let mut bursts = Bursts::default();
        bursts.became_master(now, &garp);
        bursts.due(now + garp.master_delay, &garp);
        let reload = now + 3 * garp.master_delay;
        assert_eq!(bursts.addresses_changed(reload, &garp), 5);
        assert_eq!(bursts.due(reload + garp.master_delay, &garp), 5);
        assert_eq!(bursts.next(), None);
    }

    #[test]
    fn who_asks_all_the_time_gets_two_announcements_a_second() {
        let (now, garp) = (Instant::now(), Garp::default());
        let mut bursts = Bursts::default();
        assert_eq!(bursts.asked_for(now), 1);
        let mut announced = 0;
        for millisecond in 1..=2_000 {
            let at = now + Duration::from_millis(millisecond);
            let asked = bursts.asked_for(at);
            let due = if bursts.next().is_some_and(|due| due <= at) { bursts.due(at, &garp) } else { 0 };
            announced += u32::from(asked > 0) + u32::from(due > 0);
        }
        assert!((3..=4).contains(&announced), "{announced}");
    }

    #[test]
    fn who_goes_on_announces_what_was_still_to_be_announced() {
        let (now, garp) = (Instant::now(), Garp::default());
        let mut bursts = Bursts::default();
        bursts.became_master(now, &garp);
        assert!(bursts.is_under_way());
        bursts.resumed(now, &garp, true);
        assert_eq!(bursts.due(now + garp.master_delay, &garp), 5);
        assert!(!bursts.is_under_way());
        let garp = Garp { master_refresh: Duration::from_secs(60), ..garp };
        bursts.resumed(now, &garp, false);
        assert_eq!(bursts.next(), Some(now + garp.master_refresh));
        assert!(!bursts.is_under_way());
    }

    #[test]
    fn refresh_goes_on() {
        let now = Instant::now();
        let garp = Garp { master_refresh: Duration::from_secs(60), ..Garp::default() };
        let mut bursts = Bursts::default();
        bursts.became_master(now, &garp);
        bursts.due(now + garp.master_delay, &garp);
        let first = now + garp.master_delay + garp.master_refresh;
        assert_eq!(bursts.next(), Some(first));
        assert_eq!(bursts.due(first, &garp), garp.master_refresh_repeat);
        assert_eq!(bursts.next(), Some(first + garp.master_refresh));
    }

    #[test]
    fn interfaces_without_adverts_are_announced_on_as_long_as_it_is_master() {
        let (now, interval) = (Instant::now(), Duration::from_secs(100));
        let garp = Garp { master_delay: Duration::ZERO, ..Garp::default() };
        let mut bursts = Bursts::default();
        bursts.became_master(now, &garp);
        bursts.keep_known(now, Some(interval));
        assert_eq!(bursts.next(), Some(now + interval));
        assert!(!bursts.extra_due(now + interval / 2, Some(interval)));
        assert!(bursts.extra_due(now + interval, Some(interval)));
        assert_eq!(bursts.due(now + interval, &garp), 0, "no burst for all addresses");
        assert_eq!(bursts.next(), Some(now + interval * 2));
        bursts.stop();
        assert_eq!(bursts.next(), None);
    }
}
