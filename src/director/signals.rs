//! Signals: what they ask for, from the first moment of the process to its last.

use std::io;

use tokio::net::UnixDatagram;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sys::signals as sys;

use super::dumps::Dump;
use super::guard::{LOST, Link, STOP};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Read the configuration again.
    Reload,
    /// End.
    Stop,
    /// The VRRP thread has worked for longer than `*_rlimit_rttime` without a pause.
    Pause,
    /// Write files.
    Dump(Dump),
}

/// Signals that would end a process that does not handle them yet. Those that ask for the end may do so until then:
/// nothing is in force.
pub(super) fn early(ignore_sigint: bool) -> Vec<i32> {
    let mut signals =
        vec![libc::SIGHUP, libc::SIGUSR1, libc::SIGUSR2, libc::SIGRTMIN() + 2, libc::SIGRTMAX() - 1];
    if ignore_sigint {
        signals.push(libc::SIGINT);
    }
    signals
}

/// The first thing of all: from now on a signal waits until [`Signals::new`].
pub(crate) fn hold(ignore_sigint: bool) {
    // It cannot fail for signals that exist; and a start is worth more than a signal that comes too early.
    let _ = sys::block(&early(ignore_sigint));
}

/// Whether a reload was asked for and waits.
pub(crate) fn reload_waits() -> bool {
    sys::is_pending(libc::SIGHUP)
}

/// Asks this process for a reload: a signal that waits stays behind in a process that forks.
pub(crate) fn pass_on_reload() {
    let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGHUP);
}

/// The handlers.
pub(super) struct Signals {
    ignore_sigint: bool,
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    user1: Signal,
    user2: Signal,
    json: Signal,
    clear: Signal,
    overtime: Signal,
    /// The parent, which tells of a stop.
    parent: Option<UnixDatagram>,
    /// It has gone: that is a stop, too.
    lost: Signal,
    /// Stops that were asked for by signals, by the parent, and by its end.
    stops: [u32; 3],
}

impl Signals {
    /// Installs them, and lets in what waited.
    pub(super) fn new(ignore_sigint: bool, guard: Option<&Link>) -> io::Result<Self> {
        let parent =
            guard.map(|link| link.socket.try_clone().and_then(UnixDatagram::from_std)).transpose()?;
        let signals = Self {
            ignore_sigint,
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            json: signal(SignalKind::from_raw(libc::SIGRTMIN() + 2))?,
            clear: signal(SignalKind::from_raw(libc::SIGRTMAX() - 1))?,
            overtime: signal(SignalKind::from_raw(libc::SIGXCPU))?,
            parent,
            lost: signal(SignalKind::from_raw(LOST as i32))?,
            stops: [0; 3],
        };
        sys::unblock(&early(ignore_sigint))?;
        Ok(signals)
    }

    /// Who signals all processes, as a service manager and a terminal do, asks once: its signal comes here, and again
    /// from the parent.
    fn is_another_stop(&mut self, from: usize) -> bool {
        let before = self.stops.iter().copied().max();
        if let Some(stops) = self.stops.get_mut(from) {
            *stops += 1;
        }
        self.stops.iter().copied().max() > before
    }

    pub(super) async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => if self.is_another_stop(0) { return Asked::Stop },
                _ = self.interrupt.recv() => {
                    if !self.ignore_sigint && self.is_another_stop(0) {
                        return Asked::Stop;
                    }
                }
                () = told_by(self.parent.as_ref()) => if self.is_another_stop(1) { return Asked::Stop },
                _ = self.lost.recv() => if self.is_another_stop(2) { return Asked::Stop },
                _ = self.hangup.recv() => return Asked::Reload,
                _ = self.overtime.recv() => return Asked::Pause,
                _ = self.user1.recv() => return Asked::Dump(Dump::Data),
                _ = self.user2.recv() => return Asked::Dump(Dump::Statistics),
                _ = self.json.recv() => return Asked::Dump(Dump::Json),
                _ = self.clear.recv() => return Asked::Dump(Dump::Clear),
            }
        }
    }
}

/// The parent has told to stop.
async fn told_by(parent: Option<&UnixDatagram>) {
    let Some(parent) = parent else { return std::future::pending().await };
    let mut message = [0; 16];
    loop {
        match parent.recv(&mut message).await {
            Ok(length) if message.get(..length) == Some(STOP) => return,
            Ok(_) => {}
            // Without a parent there is a signal.
            Err(_) => return std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use nix::unistd::Pid;

    use super::*;

    #[tokio::test]
    async fn a_stop_that_all_processes_are_told_of_is_one() {
        let (parent, here) = std::os::unix::net::UnixDatagram::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        let link = Link { parent: Pid::parent(), killed: None, socket: Arc::new(here) };
        let mut signals = Signals::new(true, Some(&link)).unwrap();
        assert!(signals.is_another_stop(0), "by its signal");
        // The same from the parent, what is none, and one more.
        for message in [STOP, b"stopped", b"", STOP] {
            parent.send(message).unwrap();
        }
        assert_eq!(signals.next().await, Asked::Stop);
        assert_eq!(signals.stops, [1, 2, 0]);
        assert!(!signals.is_another_stop(0) && signals.is_another_stop(0));
    }
}
