//! What a child does between `fork(2)` and `execve(2)`.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

/// Signals that exist.
const SIGNALS: std::ops::RangeInclusive<i32> = 1..=64;
/// Descriptors that are looked at on kernels before 5.11.
const DESCRIPTORS: i32 = 65_536;

/// As whom a child runs, and with what.
#[derive(Debug, Clone)]
pub(crate) struct Child {
    /// User.
    pub(crate) uid: u32,
    /// Group.
    pub(crate) gid: u32,
    /// Supplementary groups.
    pub(crate) groups: Vec<u32>,
    /// How many files it may open, soft and hard; `None`: as many as this process.
    pub(crate) files: Option<(u64, u64)>,
}

impl Child {
    /// As this process, which the child is then like without any change.
    pub(crate) fn same(files: Option<(u64, u64)>) -> Self {
        let groups = nix::unistd::getgroups().unwrap_or_default();
        Self {
            uid: nix::unistd::geteuid().as_raw(),
            gid: nix::unistd::getegid().as_raw(),
            groups: groups.into_iter().map(nix::unistd::Gid::as_raw).collect(),
            files,
        }
    }

    fn is_this_process(&self) -> bool {
        let own = Self::same(None);
        (self.uid, self.gid, &self.groups) == (own.uid, own.gid, &own.groups)
    }
}

/// Lets `command` start in a process group of its own, as `child` says, with the dispositions of all signals reset and
/// without the descriptors of this process. It gets SIGKILL when the thread that spawns it ends: that must be the one
/// that lives as long as the process.
#[allow(unsafe_code)]
pub(crate) fn prepare(command: &mut Command, child: Child) {
    command.process_group(0);
    let parent = std::process::id();
    // Even who is root may lack the right to change what he is.
    let as_it_is = child.is_this_process();
    // SAFETY: the closure makes system calls only, which are async-signal-safe; it allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            for signal in SIGNALS {
                // Those that cannot be reset are left alone.
                libc::signal(signal, libc::SIG_DFL);
            }
            if let Some((soft, hard)) = child.files {
                let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
                // A limit that stays as it is harms nobody.
                libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit);
            }
            if !as_it_is {
                become_user(&child)?;
            }
            close_at_exec();
            // After the change of the user, which resets it.
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            if libc::getppid().unsigned_abs() != parent {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
            Ok(())
        });
    }
}

#[allow(unsafe_code)]
fn become_user(child: &Child) -> io::Result<()> {
    // SAFETY: `groups` is valid for its length; the others take no pointer. The system calls themselves, not the
    // functions of libc, which would wait for threads that do not exist after a fork.
    unsafe {
        let same = libc::geteuid() == child.uid && libc::getegid() == child.gid;
        if same && libc::geteuid() != 0 {
            return Ok(());
        }
        check_long(libc::syscall(libc::SYS_setgroups, child.groups.len(), child.groups.as_ptr()))?;
        check_long(libc::syscall(libc::SYS_setresgid, child.gid, child.gid, child.gid))?;
        check_long(libc::syscall(libc::SYS_setresuid, child.uid, child.uid, child.uid))
    }
}

/// Marks instead of closing: the standard library tells of a failed start through one of them.
#[allow(unsafe_code)]
fn close_at_exec() {
    // SAFETY: no pointer is passed; descriptors of the child alone are changed.
    unsafe {
        let done = libc::syscall(libc::SYS_close_range, 3u32, u32::MAX, libc::CLOSE_RANGE_CLOEXEC);
        if done == 0 {
            return;
        }
        for descriptor in 3..DESCRIPTORS {
            libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

fn check(answer: i32) -> io::Result<()> {
    check_long(answer.into())
}

fn check_long(answer: libc::c_long) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
