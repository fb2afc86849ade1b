//! What happens to the files of folders: inotify.

use std::io;
use std::os::fd::{AsFd as _, AsRawFd, RawFd};
use std::path::Path;

use nix::errno::Errno;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, InotifyEvent, WatchDescriptor};
use tokio::io::unix::AsyncFd;

use super::poll;

/// What the kernel tells through.
#[derive(Debug)]
struct Watch(Inotify);

impl AsRawFd for Watch {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Folders that are watched.
#[derive(Debug)]
pub(crate) struct Folders(AsyncFd<Watch>);

impl Folders {
    /// None yet. To be called in a runtime.
    pub(crate) fn new() -> io::Result<Self> {
        let watch = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK)?;
        Ok(Self(poll::register(Watch(watch))?))
    }

    /// Watches one more for files that were written, moved and deleted, and for its own end. `None`: it is not there. The same
    /// folder again is the same watch; another one under its name is a new one.
    pub(crate) fn watch(&self, folder: &Path) -> Option<WatchDescriptor> {
        let flags = AddWatchFlags::IN_CLOSE_WRITE
            | AddWatchFlags::IN_DELETE
            | AddWatchFlags::IN_MOVE
            | AddWatchFlags::IN_DELETE_SELF
            | AddWatchFlags::IN_MOVE_SELF
            | AddWatchFlags::IN_ONLYDIR;
        self.0.get_ref().0.add_watch(folder, flags).ok()
    }

    /// What has happened, as soon as something has. `IN_Q_OVERFLOW`: more than is told.
    pub(crate) async fn events(&self) -> Vec<InotifyEvent> {
        loop {
            let Ok(mut ready) = self.0.readable().await else { return std::future::pending().await };
            match self.0.get_ref().0.read_events() {
                Ok(events) => return events,
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(_) => return std::future::pending().await,
            }
        }
    }
}
