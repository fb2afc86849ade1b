//! Into the background: the daemon in a process of its own, and its caller, who waits for what becomes of it.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};

use nix::fcntl::OFlag;
use nix::unistd::{ForkResult, Pid, chdir, dup2_stderr, dup2_stdin, dup2_stdout, pipe2, setsid};

/// Who goes on after [`split`].
#[derive(Debug)]
pub(crate) enum Role {
    /// The process that was called.
    Caller(Waiting),
    /// The daemon, in a session of its own, without a terminal, in the root directory.
    Daemon(Outcome),
}

/// Waits for the daemon's word.
#[derive(Debug)]
pub(crate) struct Waiting(File);

/// Where the daemon says what became of its start.
#[derive(Debug)]
pub(crate) struct Outcome(File);

/// Makes two processes of one. To be called while it has a single thread.
pub(crate) fn split() -> io::Result<Role> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let (read, write) = pipe2(OFlag::O_CLOEXEC)?;
    if fork()?.is_some() {
        return Ok(Role::Caller(Waiting(read.into())));
    }
    setsid()?;
    chdir("/")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    dup2_stderr(&null)?;
    Ok(Role::Daemon(Outcome(write.into())))
}

/// Makes two processes of one; the old one learns which the new one is. To be called while it has a single thread.
pub(crate) fn fork() -> io::Result<Option<Pid>> {
    // SAFETY: there is no other thread that could hold a lock in the copy.
    #[allow(unsafe_code)]
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(Some(child)),
        ForkResult::Child => Ok(None),
    }
}

impl Waiting {
    /// The exit status that the daemon named; `None`: it ended without a word.
    pub(crate) fn status(mut self) -> Option<u8> {
        let mut status = [0];
        self.0.read_exact(&mut status).ok()?;
        let [status] = status;
        Some(status)
    }
}

impl Outcome {
    /// Lets the caller end with this status.
    pub(crate) fn tell(mut self, status: u8) {
        // A caller that was killed does not wait.
        let _ = self.0.write_all(&[status]);
    }
}
