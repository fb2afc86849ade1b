//! Signals: what they ask for, from the first moment of the process to its last.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::sys::signals as sys;

use super::dumps::Dump;

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
fn early(ignore_sigint: bool) -> Vec<i32> {
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
}

impl Signals {
    /// Installs them, and lets in what waited.
    pub(super) fn new(ignore_sigint: bool) -> io::Result<Self> {
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
        };
        sys::unblock(&early(ignore_sigint))?;
        Ok(signals)
    }

    pub(super) async fn next(&mut self) -> Asked {
        loop {
            tokio::select! {
                biased;
                _ = self.terminate.recv() => return Asked::Stop,
                _ = self.interrupt.recv() => if !self.ignore_sigint { return Asked::Stop },
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
