//! When the daemon has last spoken on the network, for the process that watches over it: a number in memory that both have.

use std::io;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

static PLACE: OnceLock<&'static AtomicU64> = OnceLock::new();

/// From now on there is such a number, in this process and in those that it forks.
pub(crate) fn share() -> io::Result<()> {
    let length = size_of::<AtomicU64>();
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: no address is asked for, so nothing that exists is mapped over.
    #[allow(unsafe_code)]
    let place = unsafe {
        libc::mmap(std::ptr::null_mut(), length, access, libc::MAP_SHARED | libc::MAP_ANONYMOUS, -1, 0)
    };
    if place == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the mapping is a page, which is aligned, holds zeros, is never unmapped, and is used in no other way.
    #[allow(unsafe_code)]
    let place = unsafe { AtomicU64::from_ptr(place.cast()) };
    PLACE.get_or_init(|| place);
    Ok(())
}

/// Something was sent now.
pub(crate) fn strike() {
    if let (Some(place), Ok(now)) = (PLACE.get(), clock_gettime(ClockId::CLOCK_BOOTTIME)) {
        let millis = Duration::from(now).as_millis();
        place.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// When that was: milliseconds since the boot, 0: never. `None`: nobody shares it.
pub(crate) fn last() -> Option<u64> {
    PLACE.get().map(|place| place.load(Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_shared() {
        share().unwrap();
        assert!(last().is_some());
        strike();
        assert!(last() > Some(0));
    }
}
