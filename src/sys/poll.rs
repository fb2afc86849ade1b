//! Waiting for a descriptor that tokio has no type for, and for a time that may never come.

use std::future::{pending, poll_fn};
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::time::{Duration, Instant};

use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};
use tokio::io::unix::AsyncFd;
use tokio::time::sleep_until;

/// Registers `inner`, which must be non-blocking, with the runtime of this thread.
#[allow(unsafe_code)]
pub(crate) fn register<T: AsRawFd + 'static>(inner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `AsyncFd` owns `inner` from here on; every type that we register closes its descriptor only
    // when it is dropped, and returns the same descriptor from each call of `as_raw_fd`.
    Ok(unsafe { AsyncFd::register(inner) }?)
}

/// Many descriptors behind one, which is readable while one of them is.
#[derive(Debug)]
pub(crate) struct Set(Epoll);

impl Set {
    /// An empty one.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?))
    }

    /// Adds one, which [`Self::ready`] calls by this number.
    pub(crate) fn add(&self, one: impl AsFd, number: u64) -> io::Result<()> {
        Ok(self.0.add(one, EpollEvent::new(EpollFlags::EPOLLIN, number))?)
    }

    /// Takes one out again.
    pub(crate) fn remove(&self, one: impl AsFd) -> io::Result<()> {
        Ok(self.0.delete(one)?)
    }

    /// The numbers of those that are readable now, or that failed: `MOST` at most, others with the next call.
    pub(crate) fn ready<const MOST: usize>(&self) -> io::Result<Vec<u64>> {
        let mut events = [EpollEvent::empty(); MOST];
        let count = self.0.wait(&mut events, EpollTimeout::ZERO)?;
        Ok(events.iter().take(count).map(EpollEvent::data).collect())
    }
}

impl AsRawFd for Set {
    fn as_raw_fd(&self) -> RawFd {
        self.0.0.as_raw_fd()
    }
}

/// Sleeps until then; without a time for ever.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at.into()).await,
        None => pending().await,
    }
}

/// Waits for a time that moves often, and mostly to later, as the one by which a master must have been heard: the kernel is
/// told only of what comes earlier than what it knows. A clock of its own in the kernel, as that of the runtime rounds up to
/// milliseconds, and makes two more system calls when a time is set that is earlier than all others.
#[derive(Debug)]
pub(crate) struct Alarm {
    clock: AsyncFd<Clock>,
    /// What the kernel knows.
    set: Option<Instant>,
}

#[derive(Debug)]
struct Clock(TimerFd);

impl AsRawFd for Clock {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl Alarm {
    /// To be called within a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let clock =
            TimerFd::new(ClockId::CLOCK_MONOTONIC, TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC)?;
        Ok(Self { clock: register(Clock(clock))?, set: None })
    }

    /// Returns then at the latest, and seldom before; without a time never.
    pub(crate) async fn until(&mut self, at: Option<Instant>) {
        let Some(at) = at else { return pending().await };
        if self.set.is_none_or(|set| at < set) {
            // Nothing would switch it off.
            let after = at.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
            let once = Expiration::OneShot(after.into());
            if let Err(error) = self.clock.get_ref().0.set(once, TimerSetTimeFlags::empty()) {
                tracing::debug!("the kernel's clock cannot be set: {error}");
                return until(Some(at)).await;
            }
            self.set = Some(at);
        }
        match poll_fn(|context| self.clock.poll_read_ready(context)).await {
            Ok(mut ready) => {
                ready.clear_ready();
                self.set = None;
            }
            // The runtime ends.
            Err(_) => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};

    use super::*;

    #[tokio::test]
    async fn an_alarm_is_never_early_for_good_and_never_late() {
        let begun = Instant::now();
        let after = |ms| begun + Duration::from_millis(ms);
        let mut alarm = Alarm::new().unwrap();
        for (asked, until) in [(10, 10), (30, 30), (20, 30), (90, 90), (90, 90), (0, 90)] {
            let mut rounds = 0;
            while Instant::now() < after(asked) {
                alarm.until(Some(after(asked))).await;
                rounds += 1;
            }
            assert!(Instant::now() >= after(until), "{asked}");
            assert!(rounds < 3, "{rounds}");
        }
        // What was given up is earlier than what is asked for next, and what comes then is earlier still.
        let wait = |ms| tokio::time::sleep(Duration::from_millis(ms));
        tokio::select! {
            () = alarm.until(Some(begun + Duration::from_secs(3600))) => unreachable!("it is not time yet"),
            () = wait(1) => {}
        }
        // It is told of the earlier one: the test would stand still.
        alarm.until(Some(Instant::now() + Duration::from_millis(5))).await;
        tokio::select! {
            () = alarm.until(None) => unreachable!("nothing was asked for"),
            () = wait(20) => {}
        }
        // A time that is over is not waited for.
        alarm.until(Some(begun)).await;
    }

    #[tokio::test]
    async fn a_set_is_readable_while_one_of_it_is() {
        let sockets = [(); 3].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let all = Set::new().unwrap();
        for (socket, number) in sockets.iter().zip(5..) {
            socket.set_nonblocking(true).unwrap();
            all.add(socket, number).unwrap();
        }
        let all = register(all).unwrap();
        let send = |to: &UdpSocket| to.send_to(b"x", to.local_addr().unwrap()).unwrap();
        for round in 0..100 {
            let [first, _, last] = &sockets;
            send(last);
            all.readable().await.unwrap().clear_ready();
            if round % 2 == 0 {
                send(first);
            }
            let expected: &[u64] = if round % 2 == 0 { &[5, 7] } else { &[7] };
            let mut ready = all.get_ref().ready::<8>().unwrap();
            ready.sort_unstable();
            assert_eq!(ready, expected);
            assert_eq!(all.get_ref().ready::<1>().unwrap().len(), 1, "no more than there is room for");
            assert_eq!(sockets.iter().filter(|one| one.recv(&mut [0; 8]).is_ok()).count(), expected.len());
            assert_eq!(all.get_ref().ready::<8>().unwrap(), [0; 0]);
        }
        send(&sockets[0]);
        all.readable().await.unwrap().clear_ready();
        all.get_ref().remove(&sockets[0]).unwrap();
        assert_eq!(all.get_ref().ready::<8>().unwrap(), [0; 0]);
    }
}
