//! What others find of a running daemon: its lock and its pid files. None of them keeps it from running; what cannot be
//! written is written as soon as it can.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::files;
use super::lock::RuntimeLock;
use crate::text::reason;

/// The pid file of the runtime directory, for everybody to read.
const FILE: &str = "directord.pid";

/// Lock and pid files of this process.
#[derive(Debug)]
pub(super) struct Presence {
    lock: RuntimeLock,
    pid_files: Vec<PidFile>,
}

#[derive(Debug)]
struct PidFile {
    path: PathBuf,
    pid: u32,
    written: bool,
}

impl Presence {
    /// Says why there is no lock, when there is none; pid files come with [`Self::appear`].
    pub(super) fn new(lock: RuntimeLock, directory: &Path, pid_file: Option<PathBuf>, pid: u32) -> Self {
        if let Some(trouble) = lock.trouble() {
            tracing::warn!("{trouble}");
        }
        let paths = std::iter::once(directory.join(FILE)).chain(pid_file);
        let pid_files = paths.map(|path| PidFile { path, pid, written: false }).collect();
        Self { lock, pid_files }
    }

    /// The daemon is ready: writes the pid files.
    pub(super) fn appear(&mut self) {
        for file in &mut self.pid_files {
            if let Err(error) = file.write() {
                let path = file.path.display();
                tracing::warn!(
                    "cannot write the pid file {path}: {}. Whoever signals by it cannot; tried again",
                    reason(&error)
                );
            }
        }
    }

    /// Whether something could not be written: [`Self::retry`] is to be called again.
    pub(super) fn is_behind(&self) -> bool {
        self.lock.trouble().is_some() || self.pid_files.iter().any(|file| !file.written)
    }

    /// Tries again what failed.
    pub(super) fn retry(&mut self) {
        if self.lock.retry() {
            tracing::info!("the runtime directory is locked now");
        }
        for file in self.pid_files.iter_mut().filter(|file| !file.written) {
            if file.write().is_ok() {
                tracing::info!("the pid file {} is written now", file.path.display());
            }
        }
    }

    /// The daemon ends: removes the pid files that are its own.
    pub(super) fn leave(&self) {
        for file in self.pid_files.iter().filter(|file| file.is_ours()) {
            if let Err(error) = files::remove(&file.path) {
                tracing::warn!("cannot remove the pid file {}: {}", file.path.display(), reason(&error));
            }
        }
    }
}

/// Removes what a daemon that did not stop by itself has left of `pid`.
pub(super) fn remove(directory: &Path, pid_file: Option<&Path>, pid: u32) {
    for path in std::iter::once(directory.join(FILE)).chain(pid_file.map(Path::to_owned)) {
        let file = PidFile { path, pid, written: true };
        if file.is_ours() {
            let _ = files::remove(&file.path);
        }
    }
}

impl PidFile {
    fn write(&mut self) -> io::Result<()> {
        // What is neither file nor link, such as /dev/null, is not replaced.
        if let Ok(metadata) = fs::symlink_metadata(&self.path)
            && !metadata.is_file()
            && !metadata.is_symlink()
            && !std::os::unix::fs::FileTypeExt::is_fifo(&metadata.file_type())
        {
            return Err(io::Error::other("it is no file"));
        }
        files::replace(&self.path, format!("{}\n", self.pid).as_bytes(), 0o644, false)?;
        self.written = true;
        Ok(())
    }

    fn is_ours(&self) -> bool {
        let text = self.written.then(|| files::peek(&self.path)).flatten();
        text.is_some_and(|text| text.trim() == self.pid.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn pid_files_come_when_it_is_ready_and_go_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let (run, own) = (folder.path().join("run"), folder.path().join("own.pid"));
        let mut presence =
            Presence::new(RuntimeLock::take(&run).unwrap(), &run, Some(own.clone()), std::process::id());
        let files = [run.join(FILE), own];
        assert!(files.iter().all(|file| !file.exists()));
        presence.appear();
        for file in &files {
            assert_eq!(fs::read_to_string(file).unwrap(), format!("{}\n", std::process::id()));
            assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o644);
        }
        // Another daemon has written its own by now.
        fs::write(&files[1], "1\n").unwrap();
        presence.leave();
        assert!(!files[0].exists() && files[1].exists());
        // Or somebody else removes them.
        presence.appear();
        remove(&run, Some(&files[1]), 1);
        assert!(files.iter().all(|file| file.exists()), "of another one");
        remove(&run, Some(&files[1]), std::process::id());
        assert!(!files.iter().any(|file| file.exists()));
    }

    #[test]
    fn a_pid_file_that_cannot_be_written_is_written_later() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let own = folder.path().join("later").join("own.pid");
        let mut presence =
            Presence::new(RuntimeLock::take(&run).unwrap(), &run, Some(own.clone()), std::process::id());
        presence.appear();
        assert!(presence.is_behind());
        fs::create_dir(folder.path().join("later")).unwrap();
        presence.retry();
        assert!(!presence.is_behind() && own.exists());
    }

    /// Its folder may be one in which others write.
    #[test]
    fn what_took_the_place_of_a_pid_file_holds_up_no_stop() {
        let folder = tempfile::tempdir().unwrap();
        let (run, own) = (folder.path().join("run"), folder.path().join("own.pid"));
        let mut presence =
            Presence::new(RuntimeLock::take(&run).unwrap(), &run, Some(own.clone()), std::process::id());
        presence.appear();
        for file in [run.join(FILE), own] {
            fs::remove_file(&file).unwrap();
            nix::unistd::mkfifo(&file, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        }
        presence.leave();
    }

    #[test]
    fn what_is_no_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let mut file = PidFile { path: path.clone(), pid: 1, written: false };
        assert!(file.write().is_err());
        assert!(!fs::symlink_metadata(path).unwrap().is_file());
    }
}
