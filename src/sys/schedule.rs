//! The scheduling class of a thread (`sched(7)`).

use std::io;

/// Puts the calling thread into SCHED_RR with this priority (1..=99); its children start in the normal class.
#[allow(unsafe_code)]
pub(crate) fn realtime(priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    // The raw call: musl's wrapper answers ENOSYS.
    // SAFETY: pid 0 is the calling thread; the kernel only reads `parameters`, which outlives the call.
    let failed = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            0,
            libc::SCHED_RR | libc::SCHED_RESET_ON_FORK,
            &raw const parameters,
        )
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
