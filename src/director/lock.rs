//! One daemon per runtime directory. The lock is the kernel's: it goes with the process, however that ends.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

/// The held lock; dropping it lets another daemon start.
#[derive(Debug)]
pub struct RuntimeLock {
    file: Flock<File>,
}

/// Why the runtime directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon runs.
    #[error(
        "directord is already running: {holder} holds {path}. Stop it first (`systemctl stop directord`), or give \
         this one its own --runtime-dir when it runs in another network namespace"
    )]
    Held {
        /// The lock file.
        path: PathBuf,
        /// The process that holds it.
        holder: String,
    },
    /// The directory or the file cannot be made.
    #[error("cannot use the runtime directory {path}: {source}")]
    Unusable {
        /// The directory or file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

impl RuntimeLock {
    /// Takes the lock of `directory`, which is created when it is missing, and leaves our pid in it.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| LockError::Unusable { path, source }
        };
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o755).create(directory).map_err(unusable(directory))?;
        let path = directory.join("directord.pid");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o644);
        let file = options.custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC).open(&path);
        let file = file.map_err(unusable(&path))?;
        let mut file = match lock(file) {
            Ok(file) => file,
            Err((mut file, nix::errno::Errno::EWOULDBLOCK)) => {
                return Err(LockError::Held { path, holder: holder(&mut file) });
            }
            Err((_, error)) => return Err(unusable(&path)(error.into())),
        };
        write_pid(&mut file).map_err(unusable(&path))?;
        Ok(Self { file })
    }

    /// Puts the pid of this process into the file: the lock survives a fork, the pid does not.
    pub fn forked(&mut self) -> io::Result<()> {
        write_pid(&mut self.file)
    }
}

/// A process that was just killed holds its lock until the kernel has buried it.
fn lock(mut file: File) -> Result<Flock<File>, (File, nix::errno::Errno)> {
    for _attempt in 0..4 {
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Err((back, nix::errno::Errno::EWOULDBLOCK)) => file = back,
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

/// Pid and program of the process whose pid stands in `file`.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
    let pid = text.trim();
    if read.is_err() || pid.is_empty() {
        return "another process".to_owned();
    }
    match fs::read_link(format!("/proc/{pid}/exe")) {
        Ok(program) => format!("pid {pid} ({})", program.display()),
        Err(_) => format!("pid {pid}"),
    }
}

#[cfg(test)]
mod tests {
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
    fn a_planted_symlink_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("target");
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, directory.path().join("directord.pid")).unwrap();
        assert!(RuntimeLock::take(directory.path()).is_err());
        assert_eq!(std::fs::read_to_string(target).unwrap(), "precious");
    }
}
