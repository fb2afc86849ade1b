//! When packets are looked for: at once, or, where many come one by one, a moment later for several at a time.
//!
//! Being woken costs more than a packet does. A backup of hundreds of virtual routers would be woken for each advert of each of
//! them, while an advert may as well wait for a fortieth of its interval, which is less than the skew time between priorities
//! that differ by seven. Inputs: what each look found. Output: until when no
//! packet wakes the loop. Invariants: who hears few packets hears each of them at once; nobody rests while more are known to
//! wait; a timer that ends a master comes after a look (the caller's part).

use std::time::{Duration, Instant};

/// The longest rest.
const LONGEST: Duration = Duration::from_millis(25);
/// A shorter one would save nothing.
const SHORTEST: Duration = Duration::from_millis(4);
/// The part of an advert interval that an advert may wait.
const PART: u32 = 40;
/// Looks in a row that found something, each within half a rest of the last: many come.
const MANY: u32 = 16;
/// Packets that one rest must gather to be worth it.
const WORTH: usize = 2;
/// Looks in a row that found fewer: no more do.
const VAIN: u32 = 4;

/// When to look.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gather {
    /// How long a rest is; `None`: too short to be one.
    rest: Option<Duration>,
    found_at: Option<Instant>,
    /// Looks in a row that found something soon after the last one.
    soon: u32,
    /// Looks in a row, each after a rest, that found too few.
    vain: u32,
    until: Option<Instant>,
}

impl Gather {
    /// `shortest`: the shortest advert interval of those that listen.
    pub(crate) fn listen_for(&mut self, shortest: Option<Duration>) {
        self.rest = shortest.map(|interval| (interval / PART).min(LONGEST)).filter(|rest| *rest >= SHORTEST);
        if self.rest.is_none() {
            self.until = None;
        }
    }

    /// A look found so many packets. `more`: others wait.
    pub(crate) fn looked(&mut self, now: Instant, found: usize, more: bool) {
        let Some(rest) = self.rest else { return };
        if self.until.is_some() {
            self.vain = if found < WORTH { self.vain + 1 } else { 0 };
        } else if found > 0 {
            let last = self.found_at.replace(now);
            let is_soon = last.is_some_and(|last| now.saturating_duration_since(last) < rest / 2);
            self.soon = if is_soon { self.soon + 1 } else { 0 };
        }
        let rests = match self.until {
            // To be woken again and to stop that costs, too.
            Some(_) => self.vain < VAIN,
            None => self.soon >= MANY,
        };
        self.until = (rests && !more).then(|| now + rest);
        if self.until.is_some() || more {
            self.soon = 0;
        } else {
            self.vain = 0;
        }
    }

    /// Until then no packet need wake anybody; `None`: each one does.
    pub(crate) fn rests_until(&self) -> Option<Instant> {
        self.until
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Packets at these times, in ms: how often the loop was woken, and how long one waited at most.
    fn run(gather: &mut Gather, begun: Instant, packets: &[u32]) -> (usize, Duration) {
        let (mut wakes, mut longest) = (0, Duration::ZERO);
        let mut packets = packets.iter().map(|ms| begun + *ms * MS).peekable();
        while let Some(first) = packets.peek().copied() {
            let now = gather.rests_until().unwrap_or(first);
            let mut found = 0;
            while let Some(at) = packets.next_if(|at| *at <= now) {
                longest = longest.max(now - at);
                found += 1;
            }
            wakes += 1;
            gather.looked(now, found, false);
        }
        (wakes, longest)
    }

    #[test]
    fn few_packets_are_heard_at_once() {
        let mut gather = Gather::default();
        gather.listen_for(Some(Duration::from_secs(1)));
        let packets: Vec<u32> = (0..500).map(|n| n * 20).collect();
        assert_eq!(run(&mut gather, Instant::now(), &packets), (500, Duration::ZERO));
    }

    #[test]
    fn many_packets_are_heard_several_at_a_time() {
        let mut gather = Gather::default();
        gather.listen_for(Some(Duration::from_secs(1)));
        let packets: Vec<u32> = (0..2500).map(|n| n * 4).collect();
        let (wakes, longest) = run(&mut gather, Instant::now(), &packets);
        assert!(wakes < 450, "ten seconds, forty looks in each: {wakes}");
        assert!(longest <= LONGEST, "{longest:?}");
    }

    #[test]
    fn it_rests_no_longer_than_a_fortieth_of_the_shortest_interval() {
        for (interval, most) in [(255_000, 25), (1000, 25), (480, 12), (160, 4), (150, 0), (10, 0)] {
            let mut gather = Gather::default();
            gather.listen_for(Some(interval * MS));
            let packets: Vec<u32> = (0..5000).collect();
            let (wakes, longest) = run(&mut gather, Instant::now(), &packets);
            assert!(longest <= most * MS, "{interval}: {longest:?}");
            assert_eq!(wakes < 5000, most > 0, "{interval}: {wakes}");
        }
    }

    #[test]
    fn when_it_becomes_quiet_each_one_is_heard_at_once_again() {
        let mut gather = Gather::default();
        let begun = Instant::now();
        gather.listen_for(Some(Duration::from_secs(1)));
        run(&mut gather, begun, &(0..250).map(|n| n * 4).collect::<Vec<u32>>());
        assert!(gather.rests_until().is_some());
        run(&mut gather, begun + 2000 * MS, &[0]);
        assert_eq!(run(&mut gather, begun + 5000 * MS, &[0, 1000, 2000]), (3, Duration::ZERO));
        // Other instances, which may not wait.
        run(&mut gather, begun + 9000 * MS, &(0..250).map(|n| n * 4).collect::<Vec<u32>>());
        assert!(gather.rests_until().is_some());
        gather.listen_for(Some(10 * MS));
        assert_eq!(gather.rests_until(), None);
    }

    #[test]
    fn it_does_not_rest_where_that_would_gather_nothing() {
        let mut gather = Gather::default();
        let begun = Instant::now();
        gather.listen_for(Some(Duration::from_secs(1)));
        let packets: Vec<u32> = (0..500).map(|n| n * 15).collect();
        assert_eq!(run(&mut gather, begun, &packets), (500, Duration::ZERO));
        // Those of before come often, these do not.
        run(&mut gather, begun + 10_000 * MS, &(0..250).map(|n| n * 4).collect::<Vec<u32>>());
        assert!(gather.rests_until().is_some());
        let packets: Vec<u32> = (0..500).map(|n| n * 40).collect();
        let (wakes, longest) = run(&mut gather, begun + 11_100 * MS, &packets);
        assert!(wakes <= 505 && longest <= LONGEST, "{wakes} {longest:?}");
        assert_eq!(gather.rests_until(), None);
    }

    #[test]
    fn a_flood_is_read_without_a_rest() {
        let mut gather = Gather::default();
        let begun = Instant::now();
        gather.listen_for(Some(Duration::from_secs(1)));
        for n in 0..1000 {
            gather.looked(begun + n * MS, 64, true);
            assert_eq!(gather.rests_until(), None);
        }
    }
}
