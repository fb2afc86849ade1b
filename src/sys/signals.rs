//! Signals that wait until somebody can act on them, real-time signals too.

use std::io;

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
