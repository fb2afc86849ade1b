//! Giving up what a process does not need (`capabilities(7)`, `prctl(2)`).

use std::io;

/// Capabilities that exist or may come to exist.
const CAPABILITIES: libc::c_ulong = 64;
/// `_LINUX_CAPABILITY_VERSION_3`.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Sets {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// This process, of one thread, has no capability any more, gets none by running another program, and is traced by
/// nobody but root. Its user stays what it is.
#[allow(unsafe_code)]
pub(crate) fn without_capabilities() -> io::Result<()> {
    let header = Header { version: VERSION, pid: 0 };
    let none = [Sets { effective: 0, permitted: 0, inheritable: 0 }; 2];
    // SAFETY: `capset` reads the header and two sets, which outlive the call and are laid out as the kernel has them;
    // the others take no pointer.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        for capability in 0..CAPABILITIES {
            // Without CAP_SETPCAP, and beyond the last one, there is nothing to give up.
            libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0);
        }
        check(libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0).into())?;
        check(libc::syscall(libc::SYS_capset, &raw const header, none.as_ptr()))
    }
}

fn check(answer: libc::c_long) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
