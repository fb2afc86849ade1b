//! How long a conversation may take: each step `connect_timeout`, the whole ten times that.
//!
//! One timer serves all steps. A step that is done at once needs none, and seldom looks at the clock: with thousands of
//! checks, timers and clocks would cost as much as the connections.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::check::Failure;

use super::Stopped;

/// A whole exchange may take this many times `connect_timeout`.
const WHOLE: u32 = 10;

/// After so many steps that were done at once the clock is looked at: a server that never stops to talk keeps no check.
const AT_ONCE: u32 = 16;

/// The limits of one conversation.
pub(super) struct Limits {
    step: Duration,
    /// When the whole must be over.
    end: Instant,
    timer: Pin<Box<Sleep>>,
    /// The timer still is that of the first step.
    first: bool,
    /// Steps that were done at once.
    at_once: u32,
}

impl Limits {
    /// The conversation begins now.
    pub(super) fn start(step: Duration) -> Self {
        Self::since(Instant::now(), step)
    }

    /// It began then, and its next step begins now.
    pub(super) fn since(begun: Instant, step: Duration) -> Self {
        let end = begun + step * WHOLE;
        let timer = Box::pin(sleep_until(end.min(Instant::now() + step)));
        Self { step, end, timer, first: true, at_once: 0 }
    }

    /// The end of `step`; `too_late` is what a step comes to that takes too long.
    pub(super) async fn within<T>(
        &mut self,
        too_late: fn(Duration) -> Failure,
        step: impl Future<Output = T>,
    ) -> Result<T, Stopped> {
        let mut step = pin!(step);
        if let Poll::Ready(done) = poll_fn(|context| Poll::Ready(step.as_mut().poll(context))).await {
            self.at_once = self.at_once.wrapping_add(1);
            return match self.at_once.is_multiple_of(AT_ONCE) && Instant::now() >= self.end {
                true => Err(self.too_slow()),
                false => Ok(done),
            };
        }
        if !std::mem::replace(&mut self.first, false) {
            self.timer.as_mut().reset(self.end.min(Instant::now() + self.step));
        }
        tokio::select! {
            biased;
            done = step => Ok(done),
            () = self.timer.as_mut() => Err(match self.timer.deadline() < self.end {
                true => Stopped::Failed(too_late(self.step)),
                false => self.too_slow(),
            }),
        }
    }

    fn too_slow(&self) -> Stopped {
        Stopped::Failed(Failure::TooSlow(self.step * WHOLE))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::sleep;

    use super::*;

    async fn step(limits: &mut Limits, seconds: u64) -> Option<Failure> {
        match limits.within(Failure::ReadTimeout, sleep(Duration::from_secs(seconds))).await {
            Ok(()) => None,
            Err(Stopped::Failed(failure)) => Some(failure),
            Err(Stopped::Local(why)) => panic!("{why}"),
        }
    }

    /// The clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn each_step_has_its_own_limit() {
        let mut limits = Limits::start(Duration::from_secs(4));
        for seconds in [3, 0, 3, 3] {
            assert_eq!(step(&mut limits, seconds).await, None);
        }
        let before = Instant::now();
        assert_eq!(step(&mut limits, 5).await, Some(Failure::ReadTimeout(Duration::from_secs(4))));
        assert_eq!(before.elapsed(), Duration::from_secs(4));
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_step_has_it_too() {
        let mut limits = Limits::start(Duration::from_secs(4));
        assert_eq!(step(&mut limits, 5).await, Some(Failure::ReadTimeout(Duration::from_secs(4))));
    }

    #[tokio::test(start_paused = true)]
    async fn the_whole_has_ten_times_that() {
        let begun = Instant::now();
        let mut limits = Limits::start(Duration::from_secs(4));
        let mut steps = 0;
        let failure = loop {
            match step(&mut limits, 3).await {
                None => steps += 1,
                Some(failure) => break failure,
            }
        };
        assert_eq!((steps, failure), (13, Failure::TooSlow(Duration::from_secs(40))));
        assert_eq!(begun.elapsed(), Duration::from_secs(40));
    }

    /// A server that never stops: each read is done at once, and yet there is an end.
    #[tokio::test(start_paused = true)]
    async fn steps_that_are_all_done_at_once_end_too() {
        let mut limits = Limits::start(Duration::from_secs(4));
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        let failure = loop {
            sender.send(()).unwrap();
            match limits.within(Failure::ReadTimeout, receiver.recv()).await {
                Ok(_) => tokio::time::advance(Duration::from_millis(10)).await,
                Err(Stopped::Failed(failure)) => break failure,
                Err(Stopped::Local(why)) => panic!("{why}"),
            }
        };
        assert_eq!(failure, Failure::TooSlow(Duration::from_secs(40)));
    }
}
