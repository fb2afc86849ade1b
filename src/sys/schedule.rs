//! The scheduling class of a thread (`sched(7)`).

use std::io;

use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

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

/// The nice value of the calling thread, -20..=19; threads that it starts have it, too.
#[allow(unsafe_code)]
pub(crate) fn nice(value: i8) -> io::Result<()> {
    // SAFETY: it takes no pointer; 0 is the calling thread.
    let failed = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, value.into()) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The calling thread runs on these processors only; threads that it starts do, too.
pub(crate) fn processors(numbers: &[u32]) -> io::Result<()> {
    let mut set = CpuSet::new();
    for number in numbers {
        set.set(usize::try_from(*number).unwrap_or(usize::MAX))?;
    }
    Ok(sched_setaffinity(Pid::from_raw(0), &set)?)
}

/// The name of the calling thread; the first thread's is that of the process.
#[allow(unsafe_code)]
pub(crate) fn name(name: &std::ffi::CStr) -> io::Result<()> {
    // SAFETY: the kernel copies up to 16 bytes of a string that ends with a zero, and `name` outlives the call.
    let failed = unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
