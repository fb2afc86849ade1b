//! `reload_file`: a file that is there while a reload reads the configuration. Who writes the configuration waits for its end.

use std::fs::{self, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::model::RunFiles;
use crate::text::reason;

use super::files;

/// The file, as long as it is there.
#[derive(Debug)]
pub(super) struct Marker(PathBuf);

/// What is never emptied or removed, whatever its name is: files that the configuration is read from, and our own.
#[derive(Debug, Default)]
pub(super) struct Spared {
    pub(super) files: Vec<PathBuf>,
    /// All in it but what ends with `.reload`.
    pub(super) folder: PathBuf,
}

impl Spared {
    /// Why the file there is not touched.
    fn why(&self, path: &Path) -> Option<&'static str> {
        let there = path.symlink_metadata().ok()?;
        let is_there = |other: &PathBuf| {
            other.metadata().is_ok_and(|other| (other.dev(), other.ino()) == (there.dev(), there.ino()))
        };
        let of_ours = || {
            let own = fs::read_dir(&self.folder).into_iter().flatten().flatten().map(|entry| entry.path());
            own.filter(|path| path.extension().is_none_or(|kind| kind != "reload"))
                .any(|path| is_there(&path))
        };
        if !there.is_file() {
            Some("something is there that is no file: remove it")
        } else if there.nlink() > 1 {
            Some("what is there has another name, too: remove it")
        } else if self.files.iter().any(is_there) || of_ours() {
            Some("it is a file of the configuration or of the daemon: name another one")
        } else {
            None
        }
    }
}

/// Where it is. Without a name it is beside the pid file that was asked for, else in the runtime directory.
pub(super) fn place(settings: &RunFiles, pid_file: Option<&Path>, runtime: &Path) -> Option<PathBuf> {
    let name = settings.reload_marker.as_ref()?;
    if !name.is_empty() {
        return Some(PathBuf::from(name));
    }
    Some(pid_file.unwrap_or(&runtime.join("directord.pid")).with_extension("reload"))
}

impl Marker {
    /// Makes it; one that is there becomes empty, so that who made it sees that the reading begins. `None`: it cannot be made, or
    /// what is there stays as it is.
    pub(super) fn set(path: PathBuf, spared: &Spared) -> Option<Self> {
        let made = match spared.why(&path) {
            Some(why) => Err(io::Error::other(why)),
            None => make(&path),
        };
        match made {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                tracing::warn!("no `reload_file` {} shows this reload: {}", path.display(), reason(&error));
                None
            }
        }
    }

    /// Removes one that an earlier process has left: that is empty.
    pub(super) fn clear(path: &Path, spared: &Spared) {
        if spared.why(path).is_none() {
            drop(Self(path.to_owned()));
        }
    }
}

fn make(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o644);
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    let file = options.open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("something is there that is no file: remove it"));
    }
    file.set_len(0)?;
    // Whatever the mask of the process is.
    file.set_permissions(Permissions::from_mode(0o644))
}

impl Drop for Marker {
    /// One that somebody has written to meanwhile is for the next reload.
    fn drop(&mut self) {
        if fs::metadata(&self.0).map_or(true, |there| there.len() > 0) {
            return;
        }
        if let Err(error) = files::remove(&self.0) {
            tracing::warn!(
                "cannot remove {}, which says that the configuration is read: {}",
                self.0.display(),
                reason(&error)
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn it_is_there_as_long_as_the_reading() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("reload");
        let spared = Spared::default();
        let marker = Marker::set(path.clone(), &spared).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        drop(marker);
        assert!(!path.exists());
        // Who wrote to it sees it become empty.
        fs::write(&path, "mine").unwrap();
        let marker = Marker::set(path.clone(), &spared).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        drop(marker);
        assert!(!path.exists());
        // Written to while it is there: for the reload that is asked for next.
        let marker = Marker::set(path.clone(), &spared).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(marker);
        assert!(path.exists());
        Marker::clear(&path, &spared);
        assert!(path.exists());
        // What a killed process has left.
        fs::write(&path, "").unwrap();
        Marker::clear(&path, &spared);
        assert!(!path.exists());
        Marker::clear(&path, &spared);
    }

    #[test]
    fn without_a_name_it_is_beside_the_pid_file() {
        let runtime = Path::new("/run/directord");
        let place = |name: Option<&str>, pid_file: Option<&str>| {
            let settings = RunFiles { reload_marker: name.map(str::to_owned), ..RunFiles::default() };
            place(&settings, pid_file.map(Path::new), runtime).map(|path| path.display().to_string())
        };
        assert_eq!(place(None, Some("/run/keepalived.pid")), None);
        assert_eq!(place(Some(""), Some("/run/keepalived.pid")).unwrap(), "/run/keepalived.reload");
        assert_eq!(place(Some(""), None).unwrap(), "/run/directord/directord.reload");
        assert_eq!(place(Some("/run/x"), Some("/run/keepalived.pid")).unwrap(), "/run/x");
    }

    #[test]
    fn what_is_no_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let other = folder.path().join("other");
        fs::write(&other, "kept").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&other, &link).unwrap();
        let pipe = folder.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        // Files of the configuration, by whatever name, and what is ours.
        let (read, second) = (folder.path().join("read"), folder.path().join("second"));
        fs::write(&read, "kept").unwrap();
        fs::hard_link(&other, &second).unwrap();
        let runtime = folder.path().join("run");
        fs::create_dir(&runtime).unwrap();
        let (lock, own) = (runtime.join("directord.lock"), runtime.join("directord.reload"));
        fs::write(&lock, "").unwrap();
        let by_another_name = folder.path().join("run/../read");
        let spared = Spared { files: vec![by_another_name], folder: runtime };
        for path in [&link, &pipe, &folder.path().to_owned(), &other, &second, &read, &lock] {
            assert!(Marker::set(path.clone(), &spared).is_none(), "{}", path.display());
            Marker::clear(path, &spared);
            assert!(path.symlink_metadata().is_ok(), "{}", path.display());
        }
        assert!([other, read].iter().all(|path| fs::read(path).unwrap() == b"kept"));
        drop(Marker::set(own.clone(), &spared).unwrap());
        assert!(!own.exists());
    }
}
