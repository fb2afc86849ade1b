//! When the socket of a backup is looked at: as soon as something is there, or, where many routers advertise, at each tick of
//! a clock, as network cards do it with interrupts. To be woken for each advert is most of what hundreds of them cost.
//!
//! Input: what a look found, and when that was. Output: how the next one is begun. Invariants: a router that advertises so
//! often that a tick counts is heard at once; so is what comes in bursts, which would overrun the kernel's buffer between
//! two ticks: it holds 166 adverts of 60 addresses.

use std::time::{Duration, Instant};

/// Between two looks; an advert is taken in so much later at most.
pub(super) const TICK: Duration = Duration::from_millis(10);
/// What was found is judged after this.
const WINDOW: Duration = Duration::from_secs(1);
/// Packets of a window with which the clock begins: a few more than it has ticks.
const MANY: u32 = 150;
/// It goes on with as many.
const ENOUGH: u32 = 100;
/// Packets of one router in a window: with more its interval is no multiple of ten ticks.
const OFTEN: u8 = 12;
/// Packets within a tick that are a burst: with one of them in a window there is no clock.
const BURST: usize = 32;
/// Packets of one look that end the clock at once.
pub(super) const FLOOD: usize = 64;
/// After that there is none for so long.
const REST: Duration = Duration::from_secs(60);

/// How one socket is looked at.
#[derive(Debug)]
pub(super) struct Pace {
    by_the_clock: bool,
    since: Instant,
    found: u32,
    of_each: [u8; 256],
    /// Since when, within a tick, how many have come.
    tick: (Instant, usize),
    bursts: bool,
    rests_until: Option<Instant>,
}

impl Pace {
    /// As soon as something is there.
    pub(super) fn new(now: Instant) -> Self {
        let tick = (now, 0);
        let of_each = [0; 256];
        Self { by_the_clock: false, since: now, found: 0, of_each, tick, bursts: false, rests_until: None }
    }

    /// A look has found so many packets, of these routers. True: the next one is at the next tick.
    pub(super) fn found(&mut self, now: Instant, count: usize, routers: impl Iterator<Item = u8>) -> bool {
        self.found = self.found.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        for router in routers {
            if let Some(own) = self.of_each.get_mut(usize::from(router)) {
                *own = own.saturating_add(1);
            }
        }
        if now.saturating_duration_since(self.tick.0) >= TICK {
            self.tick = (now, 0);
        }
        self.tick.1 = self.tick.1.saturating_add(count);
        self.bursts |= self.tick.1 >= BURST;
        let window = now.saturating_duration_since(self.since);
        if count >= FLOOD {
            *self = Self { rests_until: Some(now + REST), ..Self::new(now) };
        } else if window >= WINDOW {
            let limit = if self.by_the_clock { ENOUGH } else { MANY };
            // The last packet of a quiet time ends a window of hours.
            let each = f64::from(self.found) / window.as_secs_f64();
            let flood = FLOOD as f64 / TICK.as_secs_f64();
            let rests_until = self.rests_until.filter(|until| now < *until);
            let seldom = self.of_each.iter().all(|own| *own <= OFTEN);
            let calm = seldom && !self.bursts && rests_until.is_none();
            let by_the_clock = calm && each >= f64::from(limit) && each < flood;
            *self = Self { by_the_clock, rests_until, ..Self::new(now) };
        }
        self.by_the_clock
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks for so many milliseconds, one each `every`, that find what `routers` says; how the last one left it.
    fn run(pace: &mut Pace, now: &mut Instant, (ms, every): (u64, u64), routers: &[u8]) -> bool {
        let mut timed = pace.by_the_clock;
        for _look in 0..ms / every {
            *now += Duration::from_millis(every);
            timed = pace.found(*now, routers.len(), routers.iter().copied());
        }
        timed
    }

    /// A router each look, all in turn.
    fn advertise(pace: &mut Pace, now: &mut Instant, seconds: u64, routers: u8) -> bool {
        let mut timed = false;
        for _second in 0..seconds {
            for router in 0..routers {
                *now += Duration::from_micros(1_000_000 / u64::from(routers));
                timed = pace.found(*now, 1, [router].into_iter());
            }
        }
        timed
    }

    #[test]
    fn many_routers_are_heard_by_the_clock() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(Instant::now()));
        assert!(!advertise(&mut pace, &mut now, 5, 100));
        assert!(advertise(&mut pace, &mut now, 3, 250));
        assert!(advertise(&mut pace, &mut now, 3, 120), "it does not change to and fro");
        assert!(!advertise(&mut pace, &mut now, 3, 80));
    }

    #[test]
    fn who_advertises_often_is_heard_at_once() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(Instant::now()));
        assert!(!run(&mut pace, &mut now, (3_000, 10), &[1, 2]), "two with an interval of 10 ms");
        let all: Vec<u8> = (0..20).collect();
        assert!(run(&mut pace, &mut now, (3_000, 100), &all), "many with one of 100 ms");
        let other = [&all[..], &[1, 1, 1, 1, 1]].concat();
        assert!(!run(&mut pace, &mut now, (2_000, 100), &other), "another one comes");
    }

    #[test]
    fn a_flood_does_not_wait() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(Instant::now()));
        assert!(advertise(&mut pace, &mut now, 3, 250));
        assert!(!run(&mut pace, &mut now, (10, 10), &[1; FLOOD]), "at the first look");
        assert!(!run(&mut pace, &mut now, (3_000, 1), &[9; 8]), "and as long as it lasts");
        assert!(!advertise(&mut pace, &mut now, 50, 250), "nor soon after it");
        assert!(advertise(&mut pace, &mut now, 10, 250));
    }

    /// All routers of a node at the same time, eight at a look, or some less by the clock.
    #[test]
    fn bursts_are_not_left_in_the_kernel() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(Instant::now()));
        for second in 0..5 {
            for look in 0..31_u8 {
                now += Duration::from_micros(200);
                assert!(!pace.found(now, 8, (0..8).map(|number| look * 8 + number)), "{second}");
            }
            now += Duration::from_millis(990);
        }
        assert!(advertise(&mut pace, &mut now, 3, 250));
        assert!(!run(&mut pace, &mut now, (1_500, 100), &(0..BURST as u8).collect::<Vec<_>>()));
    }

    #[test]
    fn silence_does_not_count() {
        let (mut now, mut pace) = (Instant::now(), Pace::new(Instant::now()));
        assert!(!run(&mut pace, &mut now, (990, 10), &[1]));
        now += Duration::from_secs(3_600);
        assert!(!pace.found(now, 60, 0..60));
    }
}
