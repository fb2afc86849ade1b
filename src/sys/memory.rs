//! Memory that is free in the process, back to the system; and none of it into the swap.

use std::io;

/// So much free memory at its end a heap keeps, in bytes.
#[cfg(target_env = "gnu")]
const KEPT: libc::c_int = 256 * 1024;

/// Has each heap give back what is free at its end. The allocator would keep as much as the largest pieces that were
/// ever freed: after a large configuration was read, megabytes for each thread that read one, which [`give_back`] does
/// not reach.
#[allow(unsafe_code)]
pub(crate) fn keep_little() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and changes a number of the allocator.
    unsafe {
        libc::mallopt(libc::M_TRIM_THRESHOLD, KEPT);
    }
}

/// Gives back what was freed: a configuration that was read leaves ten times its size behind, and the allocator keeps it
/// for whoever asks next. Takes milliseconds.
#[allow(unsafe_code)]
pub(crate) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and may be called at any time by any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// What the process has touched stays in memory, and what it will touch does.
#[allow(unsafe_code)]
pub(crate) fn stay() -> io::Result<()> {
    // SAFETY: it takes no pointer, and moves nothing.
    let failed = unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE | libc::MCL_ONFAULT) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
