//! Signals that wait until somebody can act on them, or are read one by one, real-time signals too.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd, BorrowedFd, FromRawFd as _};

use nix::unistd::Pid;

/// Bytes of what the kernel writes for each signal, and of its number, which comes first.
const RECORD: usize = size_of::<libc::signalfd_siginfo>();
const NUMBER: usize = size_of::<u32>();

/// Signals that are read (`signalfd(2)`).
#[derive(Debug)]
pub(crate) struct Queue(File);

impl Queue {
    /// From now on these are delivered in no other way.
    pub(crate) fn open(signals: &[i32]) -> io::Result<Self> {
        block(signals)?;
        // Whoever called this process may have had the ends of its own children ignored, and then nobody learns of any.
        // SAFETY: the call touches no memory, and no handler is set.
        #[allow(unsafe_code)]
        unsafe {
            libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        }
        let set = set_of(signals);
        // SAFETY: the call only reads `set`, and makes a new descriptor.
        #[allow(unsafe_code)]
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: it is nobody else's.
        #[allow(unsafe_code)]
        Ok(Self(unsafe { File::from_raw_fd(fd) }))
    }

    /// The next one that was sent.
    pub(crate) fn take(&mut self) -> Option<i32> {
        let mut record = [0; RECORD];
        self.0.read_exact(&mut record).ok()?;
        let (number, _) = record.split_first_chunk::<NUMBER>()?;
        i32::try_from(u32::from_ne_bytes(*number)).ok()
    }
}

impl AsFd for Queue {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Sends `signal` to a child that has not been waited for.
pub(crate) fn send(child: Pid, signal: i32) -> io::Result<()> {
    // SAFETY: the call touches no memory.
    #[allow(unsafe_code)]
    match unsafe { libc::kill(child.as_raw(), signal) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets the signals wait, in the calling thread and in every thread that it starts from now on.
pub(crate) fn block(signals: &[i32]) -> io::Result<()> {
    mask(libc::SIG_BLOCK, signals)
}

/// Ends [`block`] in the calling thread: what waits is delivered at once.
pub(crate) fn unblock(signals: &[i32]) -> io::Result<()> {
    mask(libc::SIG_UNBLOCK, signals)
}

/// Whether a signal, which is blocked, was sent and waits.
pub(crate) fn is_pending(signal: i32) -> bool {
    let mut set = set_of(&[]);
    // SAFETY: the call only writes `set`, the other only reads it; both are given a valid set.
    #[allow(unsafe_code)]
    unsafe {
        libc::sigpending(&raw mut set) == 0 && libc::sigismember(&raw const set, signal) == 1
    }
}

fn mask(how: i32, signals: &[i32]) -> io::Result<()> {
    let set = set_of(signals);
    // SAFETY: the call only reads `set`, and is asked for no old mask.
    #[allow(unsafe_code)]
    let failed = unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) };
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}

fn set_of(signals: &[i32]) -> libc::sigset_t {
    // SAFETY: all zeros are a valid set, which the first call makes empty; a number that is no signal is refused.
    #[allow(unsafe_code)]
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_one_by_one() {
        let signals = [libc::SIGWINCH, libc::SIGRTMIN() + 2];
        let mut queue = Queue::open(&signals).unwrap();
        assert_eq!(queue.take(), None);
        for signal in signals {
            // SAFETY: the call touches no memory; to the calling thread.
            #[allow(unsafe_code)]
            let sent = unsafe { libc::raise(signal) };
            assert_eq!((sent, queue.take()), (0, Some(signal)));
        }
        drop(queue);
        unblock(&signals).unwrap();
    }

    #[test]
    fn a_blocked_signal_waits() {
        // Ignored by default: its delivery does no harm.
        let signals = [libc::SIGURG];
        block(&signals).unwrap();
        assert!(!is_pending(libc::SIGURG));
        // To the calling thread.
        nix::sys::signal::raise(nix::sys::signal::Signal::SIGURG).unwrap();
        assert!(is_pending(libc::SIGURG));
        unblock(&signals).unwrap();
        assert!(!is_pending(libc::SIGURG));
    }
}
