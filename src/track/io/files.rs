//! Reads the tracked files, and again when something is written, moved or deleted in their folders.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use crate::config::model::TrackFile;
use crate::sys::poll;
use crate::text::reason;
use crate::track::file::{LONGEST, Numbers, number};

/// A folder that is missing is looked for again this often; files that nothing tells of are read as often.
const AGAIN: Duration = Duration::from_secs(1);

/// What the kernel tells through.
#[derive(Debug)]
struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// The tracked files, and what tells of their changes.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: Vec<TrackFile>,
    watch: Option<AsyncFd<Watch>>,
    folders: BTreeMap<PathBuf, Option<WatchDescriptor>>,
    numbers: Arc<Numbers>,
    again: Option<Instant>,
    /// The first configuration writes what `init_file` says.
    started: bool,
    said: bool,
}

impl Files {
    /// What is tracked after a start or reload. At the start, files of `init_file` are written.
    pub(super) fn configure(&mut self, files: Vec<TrackFile>) {
        if !std::mem::replace(&mut self.started, true) {
            files.iter().for_each(init);
        }
        if files != self.files {
            self.files = files;
            self.folders.clear();
            self.watch = None;
        }
        self.look();
    }

    /// The number of each file.
    #[must_use]
    pub(super) fn numbers(&self) -> Arc<Numbers> {
        Arc::clone(&self.numbers)
    }

    /// When [`Self::look`] is to be called next, whatever happens.
    #[must_use]
    pub(super) fn next(&self) -> Option<Instant> {
        self.again
    }

    /// Returns when something has changed in one of the folders; then [`Self::look`] is to be called.
    pub(super) async fn changed(&mut self) {
        let Some(watch) = &self.watch else { return std::future::pending().await };
        loop {
            let Ok(mut ready) = watch.readable().await else { return std::future::pending().await };
            // What it was says nothing that the files do not say.
            match watch.get_ref().0.read_events() {
                Ok(_) => return,
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(_) => return std::future::pending().await,
            }
        }
    }

    /// Reads them all, and watches the folders that are there.
    pub(super) fn look(&mut self) {
        self.watch_folders();
        let missing = self.folders.values().any(Option::is_none);
        let unwatched = self.watch.is_none() && !self.files.is_empty();
        self.again = (missing || unwatched).then(|| Instant::now() + AGAIN);
        let numbers: Numbers = self.files.iter().map(|file| (file.name.clone(), read(&file.path))).collect();
        for (name, now) in &numbers {
            let before = self.numbers.get(name);
            if before.is_some_and(|before| before != now) {
                tracing::info!("track_file {name} is {now} now, was {}", before.copied().unwrap_or_default());
            }
        }
        if numbers != *self.numbers {
            self.numbers = Arc::new(numbers);
        }
    }

    fn watch_folders(&mut self) {
        if self.watch.is_none() && !self.files.is_empty() {
            match Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)
                .map_err(io::Error::from)
                .and_then(|watch| poll::register(Watch(watch)))
            {
                Ok(watch) => self.watch = Some(watch),
                Err(error) if !self.said => {
                    self.said = true;
                    tracing::warn!("tracked files are read every second: {}", reason(&error));
                }
                Err(_) => {}
            }
        }
        let Some(watch) = &self.watch else { return };
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        for file in &self.files {
            let folder = Path::new(&file.path).parent().unwrap_or(Path::new("/"));
            // The same folder again is the same watch; another one under its name is a new one.
            let found = watch.get_ref().0.add_watch(folder, flags).ok();
            self.folders.insert(folder.to_owned(), found);
        }
    }
}

/// A file that cannot be read, or is none, counts as 0. A FIFO is not waited for.
fn read(path: &str) -> i32 {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC);
    let file =
        options.open(path).ok().filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()));
    let mut text = Vec::new();
    let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
    match file.map(|file| file.take(most).read_to_end(&mut text)) {
        Some(Ok(_)) => number(&text),
        _ => 0,
    }
}

/// `init_file`: written when there is none, or with `overwrite` in any case. A link is not followed.
fn init(file: &TrackFile) {
    let Some(init) = file.init else { return };
    let mut options = OpenOptions::new();
    options.write(true).mode(0o644).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    if init.overwrite {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written =
        options.open(&file.path).and_then(|mut open| open.write_all(format!("{}\n", init.number).as_bytes()));
    match written {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !init.overwrite => {}
        Err(error) => {
            tracing::warn!(
                "cannot write {}, the `init_file` of track_file {}: {}",
                file.path,
                file.name,
                reason(&error)
            );
        }
        Ok(()) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::InitFile;
    use std::fs;

    fn file(path: &Path, init: Option<InitFile>) -> TrackFile {
        TrackFile { name: "f".into(), path: path.to_str().unwrap().into(), weight: TrackFile::WEIGHT, init }
    }

    async fn wait(files: &mut Files, expected: i32) {
        let reached = async {
            while files.numbers().get("f") != Some(&expected) {
                let again = files.next();
                tokio::select! {
                    () = files.changed() => {}
                    () = async { match again {
                        Some(at) => tokio::time::sleep_until(at.into()).await,
                        None => std::future::pending().await,
                    } } => {}
                }
                files.look();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_written_moved_and_deleted_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        let mut files = Files::default();
        files.configure(vec![file(&path, None)]);
        wait(&mut files, 0).await;
        fs::write(&path, "-20\n").unwrap();
        wait(&mut files, -20).await;
        fs::write(folder.path().join("new"), "7").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        wait(&mut files, 7).await;
        fs::remove_file(&path).unwrap();
        wait(&mut files, 0).await;
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        files.look();
        assert_eq!(files.numbers().get("f"), Some(&0));
    }

    #[tokio::test]
    async fn a_folder_may_come_later_and_again() {
        let base = tempfile::tempdir().unwrap();
        let folder = base.path().join("later");
        let path = folder.join("value");
        let mut files = Files::default();
        files.configure(vec![file(&path, None)]);
        for number in [3, 5] {
            fs::create_dir(&folder).unwrap();
            fs::write(&path, number.to_string()).unwrap();
            wait(&mut files, number).await;
            fs::remove_dir_all(&folder).unwrap();
            wait(&mut files, 0).await;
        }
    }

    #[tokio::test]
    async fn init_file_writes_at_the_start_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        let init = |number, overwrite| Some(InitFile { number, overwrite });
        let start = |init| {
            let mut files = Files::default();
            files.configure(vec![file(&path, init)]);
            files
        };
        let mut files = start(init(4, false));
        assert_eq!(fs::read_to_string(&path).unwrap(), "4\n");
        start(init(5, false));
        assert_eq!(fs::read_to_string(&path).unwrap(), "4\n");
        start(init(6, true));
        assert_eq!(fs::read_to_string(&path).unwrap(), "6\n");
        fs::remove_file(&path).unwrap();
        files.configure(vec![file(&path, init(7, true))]);
        assert!(!path.exists(), "a reload writes nothing");
    }
}
