//! Reads the tracked files, and each again when it was written, moved or deleted.
//!
//! None is read because of another one in its folder: its writer may have emptied it, and not written it yet.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::inotify::{AddWatchFlags, InotifyEvent, WatchDescriptor};

use crate::config::model::TrackFile;
use crate::sys::folders::Folders;
use crate::text::reason;
use crate::track::file::{LONGEST, Numbers, number};

/// A folder that is missing is looked for again this often; files that nothing tells of are read as often.
const AGAIN: Duration = Duration::from_secs(1);
/// Another folder in the place of one that is watched, because one above it was moved, is noticed after this long, and so is what a
/// link into another folder leads to.
const UNTOLD: Duration = Duration::from_secs(5);

/// What has changed since the last reading.
#[derive(Debug, Default)]
struct Stale {
    /// Everything may have.
    all: bool,
    /// These folders, or what is in them.
    folders: BTreeSet<PathBuf>,
    /// These names in a folder.
    paths: BTreeSet<PathBuf>,
}

/// The tracked files, and what tells of their changes.
#[derive(Debug, Default)]
pub(super) struct Files {
    files: Vec<TrackFile>,
    watch: Option<Folders>,
    folders: BTreeMap<PathBuf, Option<WatchDescriptor>>,
    /// What is to be read again.
    stale: Stale,
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
        self.stale.all = true;
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
        let events = watch.events().await;
        events.into_iter().for_each(|event| self.note(event));
    }

    fn note(&mut self, event: InotifyEvent) {
        self.stale.all |= event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
        let found = self.folders.iter().find(|(_, watched)| **watched == Some(event.wd));
        let Some((folder, _)) = found else { return };
        match event.name {
            Some(name) => self.stale.paths.insert(folder.join(name)),
            None => self.stale.folders.insert(folder.clone()),
        };
    }

    /// Reads what has changed, and watches the folders that are there.
    pub(super) fn look(&mut self) {
        self.watch_folders();
        let missing = self.folders.values().any(Option::is_none);
        let unwatched = self.watch.is_none() && !self.files.is_empty();
        let pause = if missing || unwatched { AGAIN } else { UNTOLD };
        let waited = self.again.is_some_and(|again| again <= Instant::now());
        self.again = (!self.files.is_empty()).then(|| Instant::now() + pause);
        let stale = std::mem::take(&mut self.stale);
        let number = |file: &TrackFile| match self.numbers.get(&file.name) {
            Some(known) if !unwatched && !self.is_stale(&stale, file, waited) => *known,
            _ => read(&file.path),
        };
        let numbers: Numbers = self.files.iter().map(|file| (file.name.clone(), number(file))).collect();
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
            match Folders::new() {
                Ok(watch) => self.watch = Some(watch),
                Err(error) if !self.said => {
                    self.said = true;
                    tracing::warn!("tracked files are read every second: {}", reason(&error));
                }
                Err(_) => {}
            }
        }
        let Some(watch) = &self.watch else { return };
        for file in &self.files {
            let folder = folder(file);
            let found = watch.watch(folder);
            if self.folders.insert(folder.to_owned(), found) != Some(found) {
                self.stale.folders.insert(folder.to_owned());
            }
        }
    }

    /// `waited`: nothing was told for a while.
    fn is_stale(&self, stale: &Stale, file: &TrackFile, waited: bool) -> bool {
        let path = Path::new(&file.path);
        let named = || path.file_name().is_some_and(|name| stale.paths.contains(&folder(file).join(name)));
        // What a link leads to has another name, and is told of when it is in the same folder.
        let is_link = || path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
        let touched = || stale.paths.iter().any(|path| path.parent() == Some(folder(file)));
        let missing = || self.folders.get(folder(file)).is_none_or(Option::is_none);
        stale.all
            || stale.folders.contains(folder(file))
            || named()
            || missing()
            || ((waited || touched()) && is_link())
    }
}

fn folder(file: &TrackFile) -> &Path {
    Path::new(&file.path).parent().unwrap_or(Path::new("/"))
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
                    () = crate::sys::poll::until(again) => {}
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

    /// Health scripts write a log beside it, and shells empty a file before they write it.
    #[tokio::test]
    async fn a_file_is_not_read_while_another_one_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("value");
        fs::write(&path, "1").unwrap();
        let mut files = Files::default();
        files.configure(vec![file(&path, None)]);
        wait(&mut files, 1).await;
        let emptied = fs::File::create(&path).unwrap();
        fs::write(folder.path().join("log"), "ok").unwrap();
        files.changed().await;
        files.look();
        assert_eq!(files.numbers().get("f"), Some(&1), "its writer has not closed it");
        drop(emptied);
        wait(&mut files, 0).await;
        let target = folder.path().join("target");
        fs::remove_file(&path).unwrap();
        fs::write(&target, "3").unwrap();
        std::os::unix::fs::symlink(&target, &path).unwrap();
        fs::write(&target, "4").unwrap();
        wait(&mut files, 4).await;
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
