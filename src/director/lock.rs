//! One daemon per runtime directory. The lock is the kernel's: it goes with the process, however that ends. Nobody
//! else can open its file, and so nobody else can lock it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Pid;

use super::files;
use crate::text::reason;

/// The file that is locked; it is nobody's business.
const FILE: &str = "directord.lock";
/// Opening and locking a file that others may exchange meanwhile.
const ATTEMPTS: usize = 8;
/// How often a lock that is held is tried again, 50 ms apart, when a daemon starts.
const PATIENCE: u32 = 4;

/// The held lock; dropping it lets another daemon start.
#[derive(Debug)]
pub struct RuntimeLock {
    directory: PathBuf,
    file: Option<Flock<File>>,
    trouble: Option<String>,
}

/// Another daemon runs.
#[derive(Debug, thiserror::Error)]
#[error(
    "directord is already running: {holder} holds {path}. Stop it first (`systemctl stop directord`), or give \
     this one its own --runtime-dir when it runs in another network namespace"
)]
pub struct Held {
    /// The lock file.
    path: PathBuf,
    /// The process that holds it.
    holder: String,
    pid: Option<i32>,
}

impl Held {
    /// `process` holds it, or it is not known who does.
    pub(super) fn may_be_held_by(&self, process: Pid) -> bool {
        self.pid.is_none_or(|pid| pid == process.as_raw())
    }
}

enum Outcome {
    Taken(Flock<File>),
    Held(Option<i32>),
}

impl RuntimeLock {
    /// Takes the lock of `directory`, which is created when it is missing. A directory that cannot be used keeps no
    /// daemon from running: see [`Self::trouble`].
    pub fn take(directory: &Path) -> Result<Self, Held> {
        Self::take_within(directory, PATIENCE)
    }

    /// The same, without patience for one that is about to end.
    pub(super) fn take_at_once(directory: &Path) -> Result<Self, Held> {
        Self::take_within(directory, 0)
    }

    fn take_within(directory: &Path, patience: u32) -> Result<Self, Held> {
        let mut lock = Self { directory: directory.to_owned(), file: None, trouble: None };
        lock.attempt(patience)?;
        Ok(lock)
    }

    /// Why there is no lock, when there is none.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Takes the lock when it could not be taken before; `true`: it was, now. Another daemon that has it by now is
    /// no reason to end.
    pub(super) fn retry(&mut self) -> bool {
        self.file.is_none() && self.attempt(0).is_ok() && self.file.is_some()
    }

    fn attempt(&mut self, patience: u32) -> Result<(), Held> {
        let path = self.directory.join(FILE);
        let taken = files::make_directory(&self.directory, 0o755).and_then(|()| lock(&path, patience));
        match taken {
            Ok(Outcome::Taken(file)) => (self.file, self.trouble) = (Some(file), None),
            Ok(Outcome::Held(pid)) => return Err(Held { path, holder: holder(pid), pid }),
            Err(error) => {
                self.trouble = Some(format!(
                    "cannot lock {}: {}. Nothing keeps a second directord from starting; tried again",
                    path.display(),
                    reason(&error)
                ));
            }
        }
        self.forked();
        Ok(())
    }

    /// Puts the pid of this process into the file, for whoever finds the lock held: the lock survives a fork, the pid
    /// does not.
    pub fn forked(&mut self) {
        let Some(file) = &mut self.file else { return };
        // The lock counts, not the number.
        let _ = write_pid(file);
    }
}

/// Opens the file and locks it. What others put in its place is removed, unless it cannot be.
fn lock(path: &Path, patience: u32) -> io::Result<Outcome> {
    for _attempt in 0..ATTEMPTS {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
        let file = match options.open(path) {
            Ok(file) => file,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ELOOP | libc::ENXIO)) => {
                files::remove(path)?;
                continue;
            }
            // The disk is not to be written: a file that is there can be locked all the same.
            Err(error) => match files::open(path)? {
                Some(file) => file,
                None => return Err(error),
            },
        };
        if files::distrust(&file.metadata()?, 0o077).is_some() {
            files::remove(path)?;
            continue;
        }
        match patiently(file, patience) {
            Ok(file) if is_at(&file, path) => return Ok(Outcome::Taken(file)),
            // Another one was put in its place meanwhile.
            Ok(_) => {}
            Err((mut file, Errno::EWOULDBLOCK)) => return Ok(Outcome::Held(pid_in(&mut file))),
            Err((_, error)) => return Err(error.into()),
        }
    }
    Err(io::Error::other("somebody exchanges the file again and again"))
}

fn is_at(file: &File, path: &Path) -> bool {
    let ours = file.metadata().map(|metadata| (metadata.dev(), metadata.ino()));
    let there = fs::symlink_metadata(path).map(|metadata| (metadata.dev(), metadata.ino()));
    matches!((ours, there), (Ok(ours), Ok(there)) if ours == there)
}

/// A process that was just killed holds its lock until the kernel has buried it.
fn patiently(mut file: File, patience: u32) -> Result<Flock<File>, (File, Errno)> {
    for _attempt in 0..patience {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, Errno::EWOULDBLOCK)) => file = back,
            other => return other,
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// The pid that stands in `file`.
fn pid_in(file: &mut File) -> Option<i32> {
    let mut text = String::new();
    file.rewind().and_then(|()| file.take(32).read_to_string(&mut text)).ok()?;
    text.trim().parse().ok()
}

/// The process with this pid, and its program.
fn holder(pid: Option<i32>) -> String {
    let Some(pid) = pid else { return "another process".to_owned() };
    match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(program) => format!("pid {pid} ({})", program.display()),
        Err(_) => format!("pid {pid}"),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn the_second_one_is_told_who_holds_it() {
        let directory = tempfile::tempdir().unwrap();
        let lock = RuntimeLock::take(&directory.path().join("run")).unwrap();
        let error = RuntimeLock::take(&directory.path().join("run")).unwrap_err().to_string();
        assert!(error.contains(&format!("pid {}", std::process::id())), "{error}");
        drop(lock);
        RuntimeLock::take(&directory.path().join("run")).unwrap();
    }

    #[test]
    fn nobody_else_can_open_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let _lock = RuntimeLock::take(directory.path()).unwrap();
        assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_others_put_in_its_place_is_not_in_the_way() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE);
        let target = directory.path().join("target");
        fs::write(&target, "precious").unwrap();
        // A file that everybody can open, and that somebody holds.
        fs::write(&path, "1").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let held = Flock::lock(File::open(&path).unwrap(), FlockArg::LockExclusiveNonblock).unwrap();
        assert!(RuntimeLock::take(directory.path()).unwrap().trouble().is_none());
        drop(held);
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        assert!(RuntimeLock::take(directory.path()).unwrap().trouble().is_none());
        fs::remove_file(&path).unwrap();
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let lock = RuntimeLock::take(directory.path()).unwrap();
        assert!(lock.trouble().is_none());
        assert!(RuntimeLock::take(directory.path()).is_err(), "and it is held");
        assert_eq!(fs::read_to_string(target).unwrap(), "precious");
    }

    #[test]
    fn a_directory_that_cannot_be_used_keeps_nobody_from_running() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("run");
        fs::write(&directory, "in the way").unwrap();
        let mut lock = RuntimeLock::take(&directory).unwrap();
        assert!(lock.trouble().unwrap().contains("Nothing keeps a second directord"), "{lock:?}");
        assert!(!lock.retry());
        fs::remove_file(&directory).unwrap();
        assert!(lock.retry() && lock.trouble().is_none());
        assert!(RuntimeLock::take(&directory).is_err());
    }
}
