//! `reload_file`: a file that is there while a reload reads the configuration. Who writes the configuration waits for its end.

use std::fs::{OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::model::RunFiles;
use crate::text::reason;

use super::files;

/// The file, as long as it is there.
pub(super) struct Marker(PathBuf);

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
    /// what is there is no file.
    pub(super) fn set(path: PathBuf) -> Option<Self> {
        match make(&path) {
            Ok(()) => Some(Self(path)),
            Err(error) => {
                tracing::warn!("no `reload_file` {} shows this reload: {}", path.display(), reason(&error));
                None
            }
        }
    }

    /// Removes one that an earlier process has left.
    pub(super) fn clear(path: &Path) {
        if path.symlink_metadata().is_ok_and(|there| there.is_file()) {
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
    fn drop(&mut self) {
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
        let marker = Marker::set(path.clone()).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o644);
        drop(marker);
        assert!(!path.exists());
        // Who wrote to it sees it become empty.
        fs::write(&path, "mine").unwrap();
        let marker = Marker::set(path.clone()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"");
        drop(marker);
        assert!(!path.exists());
        // What a killed process has left.
        fs::write(&path, "").unwrap();
        Marker::clear(&path);
        assert!(!path.exists());
        Marker::clear(&path);
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
        for path in [&link, &pipe, &folder.path().to_owned()] {
            assert!(Marker::set(path.clone()).is_none(), "{}", path.display());
            Marker::clear(path);
            assert!(path.symlink_metadata().is_ok(), "{}", path.display());
        }
        assert_eq!(fs::read(&other).unwrap(), b"kept");
    }
}
