//! Waiting for a descriptor that tokio has no type for, and for a time that may never come.

use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::time::Instant;

use tokio::io::unix::AsyncFd;
use tokio::time::{Sleep, sleep_until};

/// Registers `inner`, which must be non-blocking, with the runtime of this thread.
#[allow(unsafe_code)]
pub(crate) fn register<T: AsRawFd + 'static>(inner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `AsyncFd` owns `inner` from here on; every type that we register closes its descriptor only
    // when it is dropped, and returns the same descriptor from each call of `as_raw_fd`.
    Ok(unsafe { AsyncFd::register(inner) }?)
}

/// Sleeps until then; without a time for ever.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits for a time that moves often, and mostly to later, as the one by which a master must have been heard: the clock's
/// queue is told only of what comes earlier than what it knows.
#[derive(Debug)]
pub(crate) struct Alarm(Pin<Box<Sleep>>);

impl Alarm {
    /// To be called within a runtime.
    pub(crate) fn new() -> Self {
        Self(Box::pin(sleep_until(tokio::time::Instant::now())))
    }

    /// Returns then at the latest, and seldom before; without a time never.
    pub(crate) async fn until(&mut self, at: Option<Instant>) {
        let Some(at) = at.map(tokio::time::Instant::from) else { return std::future::pending().await };
        if self.0.is_elapsed() || at < self.0.deadline() {
            self.0.as_mut().reset(at);
        }
        self.0.as_mut().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_alarm_is_never_late() {
        let begun = tokio::time::Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        let mut alarm = Alarm::new();
        for (asked, until) in [(10, 10), (12, 12), (11, 12), (20, 20)] {
            let mut rounds = 0;
            while tokio::time::Instant::now() < after(asked) {
                alarm.until(Some(after(asked).into_std())).await;
                rounds += 1;
            }
            assert_eq!(tokio::time::Instant::now(), after(until), "{asked}");
            assert!(rounds < 3, "{rounds}");
        }
        // What was given up is earlier than what is asked for next, and what comes then is earlier still.
        let wait = |seconds| tokio::time::timeout(Duration::from_secs(seconds), std::future::pending::<()>());
        tokio::select! {
            () = alarm.until(Some(after(25).into_std())) => unreachable!("it is not time yet"),
            _ = wait(1) => {}
        }
        tokio::select! {
            () = alarm.until(Some(after(40).into_std())) => {}
            _ = wait(30) => unreachable!("it is late"),
        }
        assert!(tokio::time::Instant::now() >= after(25));
        tokio::select! {
            () = alarm.until(Some(after(90).into_std())) => unreachable!("it is not time yet"),
            _ = wait(1) => {}
        }
        alarm.until(Some(after(50).into_std())).await;
        assert_eq!(tokio::time::Instant::now(), after(50));
        tokio::select! {
            () = alarm.until(None) => unreachable!("nothing was asked for"),
            _ = wait(100) => {}
        }
    }
}
