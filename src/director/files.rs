//! Files of ours in the runtime and state directories: written as a whole, and read only when nobody else can have
//! made them. Nothing that is planted there is followed, waited for or believed.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// What files of the daemon that runs `config` begin with: two daemons on one host have their own.
pub(super) fn name_of(config: &Path) -> String {
    // `a-b` and `a/b` are two.
    config.to_string_lossy().replace('-', "%2d").replace('/', "-").trim_start_matches('-').to_owned()
}

/// Makes the directory, with those above it, when it is missing.
pub(super) fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(path);
    made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => io::Error::other("it is no folder: remove what is there"),
        _ => error,
    })
}

/// Opens a file of ours to read; `None`: there is none.
pub(super) fn open(path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    // A pipe that somebody put there must not keep us waiting.
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC);
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.raw_os_error() == Some(libc::ELOOP) => {
            return Err(io::Error::other("it is a symbolic link, which we do not make: remove it"));
        }
        file => file?,
    };
    match distrust(&file.metadata()?, 0o022) {
        Some(why) => Err(io::Error::other(why)),
        None => Ok(Some(file)),
    }
}

/// The first bytes of a file that anybody may have put there, or replaced: it is waited for and read no longer than a
/// number takes. `None`: it is no regular file, or cannot be read.
pub(super) fn peek(path: &Path) -> Option<String> {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC);
    let file =
        options.open(path).ok().filter(|file| file.metadata().is_ok_and(|metadata| metadata.is_file()))?;
    let mut bytes = Vec::new();
    file.take(32).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Why a file is not believed; `shared`: bits of the mode that nobody but us may have.
pub(super) fn distrust(metadata: &Metadata, shared: u32) -> Option<String> {
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if !metadata.is_file() {
        Some("it is no regular file, and we make only such: remove it".to_owned())
    } else if owner != 0 && owner != nix::unistd::geteuid().as_raw() {
        Some(format!("it belongs to user {owner}, not to us: remove it"))
    } else if mode & shared != 0 {
        Some(format!("others have access to it (mode {mode:o}): remove it"))
    } else {
        None
    }
}

/// Puts a new file in the place of `path`, whatever is there; `sync`: it survives a loss of power. When that fails,
/// what was there stays.
pub(super) fn replace(path: &Path, bytes: &[u8], mode: u32, sync: bool) -> io::Result<()> {
    let new = beside(path);
    remove(&new)?;
    let written = write_new(&new, bytes, mode, sync).and_then(|()| fs::rename(&new, path));
    if written.is_err() {
        let _ = fs::remove_file(&new);
    }
    written?;
    match path.parent() {
        Some(directory) if sync => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

/// Removes a file, which may be gone.
pub(super) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn write_new(path: &Path, bytes: &[u8], mode: u32, sync: bool) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut file = options.open(path)?;
    // Whatever the mask of the process is.
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    if sync { file.sync_all() } else { Ok(()) }
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use nix::sys::stat::Mode;

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        assert!(open(&path).unwrap().is_none());
        for text in ["one", "two"] {
            replace(&path, text.as_bytes(), 0o600, true).unwrap();
            let mut read = String::new();
            open(&path).unwrap().unwrap().read_to_string(&mut read).unwrap();
            assert_eq!(read, text);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    /// Each of them at the place of the file, and at the place of the new one.
    #[test]
    fn what_others_plant_is_neither_believed_nor_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("target");
        type Plant<'a> = (&'a str, &'a dyn Fn(&Path));
        let plant: &[Plant<'_>] = &[
            ("a symbolic link", &|path| {
                fs::write(&target, "precious").unwrap();
                std::os::unix::fs::symlink(&target, path).unwrap();
            }),
            ("no regular file", &|path| nix::unistd::mkfifo(path, Mode::from_bits_truncate(0o600)).unwrap()),
            ("others have access", &|path| {
                fs::write(path, "planted").unwrap();
                mode(path, 0o666);
            }),
        ];
        for (why, plant) in plant {
            let path = folder.path().join("record");
            for place in [path.clone(), beside(&path)] {
                remove(&path).unwrap();
                plant(&place);
                if place == path {
                    let error = open(&path).unwrap_err().to_string();
                    assert!(error.contains(why), "{why}: {error}");
                }
                replace(&path, b"ours", 0o600, false).unwrap();
                assert!(open(&path).unwrap().is_some(), "{why}");
                assert_eq!(fs::read_to_string(&path).unwrap(), "ours", "{why}");
            }
        }
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }

    #[test]
    fn what_is_no_folder_is_called_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "").unwrap();
        std::os::unix::fs::symlink(path("none"), path("dangling")).unwrap();
        for name in ["file", "dangling"] {
            let error = make_directory(&path(name), 0o755).unwrap_err().to_string();
            assert_eq!(error, "it is no folder: remove what is there", "{name}");
        }
        assert!(make_directory(folder.path(), 0o755).is_ok());
    }

    #[test]
    fn nothing_is_waited_for_and_no_endless_device_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "1234\n".repeat(100)).unwrap();
        nix::unistd::mkfifo(&path("fifo"), Mode::from_bits_truncate(0o600)).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device")).unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        std::os::unix::fs::symlink(path("none"), path("dangling")).unwrap();
        let peeked = ["file", "link", "fifo", "device", "dangling", "."].map(|name| peek(&path(name)));
        let length = |text: Option<String>| text.map(|text| text.len());
        assert_eq!(peeked.map(length), [Some(32), Some(32), None, None, None, None]);
    }

    #[test]
    fn another_owner_is_not_believed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        fs::write(&path, "planted").unwrap();
        mode(&path, 0o600);
        if std::os::unix::fs::chown(&path, Some(65_534), None).is_ok() {
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains("it belongs to user 65534"), "{error}");
        }
    }

    #[test]
    fn a_write_that_fails_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("record");
        replace(&path, b"old", 0o600, false).unwrap();
        // A folder at the place of the new file.
        fs::create_dir(beside(&path)).unwrap();
        assert!(replace(&path, b"new", 0o600, false).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "old");
    }
}
