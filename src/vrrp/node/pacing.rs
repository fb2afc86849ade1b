//! `vrrp_garp_interval`, `vrrp_gna_interval`, `garp_group`: announcements that keep their distance on an interface, or
//! on all interfaces of a group. They wait here, so nothing else waits for them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::Id;
use crate::config::model::{InterfaceName, Pacing};

/// Whoever is called late may catch up on this much: a gap may be shorter than a timer is exact.
const CATCH_UP: Duration = Duration::from_millis(10);

/// A frame, and the index of the interface that it leaves by.
pub(super) type Frame = (u32, Vec<u8>);

/// What shares a distance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Lane {
    place: Place,
    ipv6: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Index of an interface.
    Link(u32),
    /// Number of a group.
    Group(usize),
}

impl Pacing {
    /// The lane of an announcement that leaves by an interface, and its distance; `None`: it need not wait.
    pub(super) fn lane(&self, index: u32, name: &str, ipv6: bool) -> Option<(Lane, Duration)> {
        let has = |names: &[InterfaceName]| names.iter().any(|one| one.as_str() == name);
        let group = self.groups.iter().enumerate().find(|(_, (names, _))| has(names));
        let (place, gaps) =
            group.map_or((Place::Link(index), self.all), |(number, (_, gaps))| (Place::Group(number), *gaps));
        let gap = if ipv6 { gaps.neighbour } else { gaps.arp };
        (!gap.is_zero()).then_some((Lane { place, ipv6 }, gap))
    }
}

/// The announcements that wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    lanes: BTreeMap<Lane, Queue>,
}

#[derive(Debug, Clone)]
struct Queue {
    gap: Duration,
    /// When the next one may leave.
    free_at: Instant,
    frames: VecDeque<(Id, Frame)>,
    /// Answers, which take turns with the others.
    ahead: VecDeque<(Id, Frame)>,
    /// The last one was an answer.
    answered: bool,
}

impl Queue {
    fn new(gap: Duration, free_at: Instant) -> Self {
        Self { gap, free_at, frames: VecDeque::new(), ahead: VecDeque::new(), answered: false }
    }

    fn pop(&mut self) -> Option<(Id, Frame)> {
        self.answered = !self.ahead.is_empty() && (!self.answered || self.frames.is_empty());
        if self.answered { self.ahead.pop_front() } else { self.frames.pop_front() }
    }

    fn is_empty(&self) -> bool {
        self.frames.is_empty() && self.ahead.is_empty()
    }
}

impl Waiting {
    /// A frame of an instance joins the end of its lane.
    pub(super) fn push(&mut self, now: Instant, (lane, gap): (Lane, Duration), id: Id, frame: Frame) {
        let queue = self.lanes.entry(lane).or_insert_with(|| Queue::new(gap, now));
        queue.gap = gap;
        queue.frames.push_back((id, frame));
    }

    /// A frame that answers leaves as soon as it can, every second one of its lane, unless it waits already.
    pub(super) fn push_ahead(&mut self, now: Instant, (lane, gap): (Lane, Duration), id: Id, frame: Frame) {
        let queue = self.lanes.entry(lane).or_insert_with(|| Queue::new(gap, now));
        queue.gap = gap;
        let frame = (id, frame);
        if !queue.ahead.contains(&frame) {
            queue.ahead.push_back(frame);
        }
    }

    /// What of an instance waits.
    pub(super) fn of(&self, id: Id) -> BTreeSet<Frame> {
        let all = self.lanes.values().flat_map(|queue| &queue.frames);
        all.filter(|(of, _)| *of == id).map(|(_, frame)| frame.clone()).collect()
    }

    /// Nothing of an instance is sent any more.
    pub(super) fn forget(&mut self, id: Id) {
        for queue in self.lanes.values_mut() {
            queue.frames.retain(|(other, _)| *other != id);
            queue.ahead.retain(|(other, _)| *other != id);
        }
    }

    /// What may leave by now, by instance.
    pub(super) fn due(&mut self, now: Instant) -> BTreeMap<Id, Vec<Frame>> {
        let mut due: BTreeMap<Id, Vec<Frame>> = BTreeMap::new();
        for queue in self.lanes.values_mut() {
            while queue.free_at <= now
                && let Some((id, frame)) = queue.pop()
            {
                let earliest = now.checked_sub(CATCH_UP).unwrap_or(now);
                queue.free_at = queue.free_at.max(earliest) + queue.gap;
                due.entry(id).or_default().push(frame);
            }
        }
        self.lanes.retain(|_, queue| !queue.is_empty() || queue.free_at > now);
        due
    }

    /// When the next one may leave.
    pub(super) fn next(&self) -> Option<Instant> {
        let waiting = self.lanes.values().filter(|queue| !queue.is_empty());
        waiting.map(|queue| queue.free_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::Gaps;

    const SECOND: Duration = Duration::from_secs(1);

    fn count(due: &BTreeMap<Id, Vec<Frame>>) -> usize {
        due.values().map(Vec::len).sum()
    }

    fn pacing() -> Pacing {
        let name = |name| InterfaceName::new(name).unwrap();
        let shared = Gaps { arp: SECOND, neighbour: Duration::ZERO };
        let all = Gaps { arp: SECOND / 10, neighbour: SECOND / 5 };
        Pacing { all, groups: vec![(vec![name("eth0"), name("eth1")], shared)] }
    }

    #[test]
    fn frames_of_a_lane_keep_their_distance() {
        let (now, pacing, mut waiting) = (Instant::now(), pacing(), Waiting::default());
        for (index, name) in [(2, "eth0"), (3, "eth1"), (2, "eth0")] {
            waiting.push(now, pacing.lane(index, name, false).unwrap(), Id(1), (index, Vec::new()));
        }
        waiting.push(now, pacing.lane(4, "eth2", false).unwrap(), Id(2), (4, Vec::new()));
        assert_eq!(pacing.lane(2, "eth0", true), None, "the group says nothing of neighbour advertisements");
        assert_eq!(count(&waiting.due(now)), 2, "one for each lane");
        assert_eq!(count(&waiting.due(now)), 0);
        assert_eq!(waiting.next(), Some(now + SECOND));
        assert_eq!(waiting.due(now + SECOND), BTreeMap::from([(Id(1), vec![(3, Vec::new())])]));
        // After a pause of the whole machine they do not leave together.
        assert_eq!(count(&waiting.due(now + 60 * SECOND)), 1);
        assert_eq!(waiting.next(), None);
        // The distance holds from one burst to the next.
        waiting.push(now + 60 * SECOND, pacing.lane(2, "eth0", false).unwrap(), Id(1), (2, Vec::new()));
        assert_eq!(count(&waiting.due(now + 60 * SECOND)), 0);
    }

    #[test]
    fn a_gap_below_what_a_timer_can_do_is_kept_on_the_average() {
        let (now, mut waiting) = (Instant::now(), Waiting::default());
        let tiny = Duration::from_micros(100);
        let pacing = Pacing { all: Gaps { arp: tiny, neighbour: tiny }, groups: Vec::new() };
        for _ in 0..1000 {
            waiting.push(now, pacing.lane(2, "eth0", true).unwrap(), Id(1), (2, Vec::new()));
        }
        let sent: usize = (0..100).map(|ms| count(&waiting.due(now + Duration::from_millis(ms)))).sum();
        assert!((980..=1000).contains(&sent), "{sent}");
    }

    /// Somebody who claims addresses all the time keeps no announcement of others back.
    #[test]
    fn answers_take_turns_with_the_others() {
        let (now, pacing, mut waiting) = (Instant::now(), pacing(), Waiting::default());
        let lane = pacing.lane(4, "eth2", false).unwrap();
        for number in 0..3 {
            waiting.push(now, lane, Id(1), (4, vec![number]));
        }
        let mut sent = Vec::new();
        for turn in 0..7 {
            for number in [8, 9, 8] {
                waiting.push_ahead(now, lane, Id(2), (4, vec![number]));
            }
            sent.extend(
                waiting.due(now + turn * SECOND / 10).into_values().flatten().map(|(_, frame)| frame[0]),
            );
        }
        assert_eq!(sent, [8, 0, 9, 1, 8, 2, 9]);
        assert_eq!(waiting.of(Id(1)), BTreeSet::new());
        waiting.forget(Id(2));
        assert_eq!(waiting.next(), None);
    }

    #[test]
    fn nothing_of_who_is_no_longer_master_is_sent() {
        let (now, pacing, mut waiting) = (Instant::now(), pacing(), Waiting::default());
        for id in [1, 2, 1, 2] {
            waiting.push(now, pacing.lane(4, "eth2", false).unwrap(), Id(id), (4, Vec::new()));
        }
        waiting.forget(Id(1));
        let sent: BTreeMap<Id, Vec<Frame>> = waiting.due(now);
        assert_eq!(sent.keys().copied().collect::<Vec<_>>(), [Id(2)]);
        waiting.forget(Id(2));
        assert_eq!(waiting.next(), None);
    }
}
