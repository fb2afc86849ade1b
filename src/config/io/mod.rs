//! The real [`Files`]: the disk.

/// This machine, for `--check --host`.
mod machine;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use machine::Machine;

use super::pattern;
use super::source::{Files, MAX_FILE, ReadError};
use crate::text::reason;

/// Files that one pattern finds; more are never read.
const MATCHES: usize = 5000;

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// The files of this machine, and standard input, which is read once, as the file `-`.
#[derive(Debug, Default)]
pub struct DiskAndInput(OnceLock<Result<Vec<u8>, ReadError>>);

impl Files for DiskAndInput {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        match path.as_os_str() == "-" {
            true => self.0.get_or_init(read_input).clone(),
            false => Disk.read(path),
        }
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        Disk.matches(pattern)
    }

    fn unread_folder(&self, pattern: &Path) -> Option<(PathBuf, ReadError)> {
        Disk.unread_folder(pattern)
    }

    fn is_executable(&self, path: &Path) -> bool {
        path.as_os_str() != "-" && Disk.is_executable(path)
    }
}

fn read_input() -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(explain)?;
    if bytes.len() > MAX_FILE { Err(ReadError::TooLarge) } else { Ok(bytes) }
}

impl Files for Disk {
    /// Never waits: a pipe is refused, not read.
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let file = fs::OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(
            |error| match path.read_link() {
                Ok(_) if error.kind() == std::io::ErrorKind::NotFound => ReadError::Dangling,
                _ if error.kind() == std::io::ErrorKind::PermissionDenied => denied(path),
                _ => explain(error),
            },
        )?;
        let metadata = file.metadata().map_err(explain)?;
        if metadata.is_dir() {
            return Err(ReadError::Directory);
        }
        if !metadata.is_file() {
            return Err(ReadError::NotRegular);
        }
        let mut bytes = Vec::new();
        file.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes).map_err(explain)?;
        if bytes.len() > MAX_FILE { Err(ReadError::TooLarge) } else { Ok(bytes) }
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        let Some(pattern) = pattern.to_str() else { return Vec::new() };
        let mut found = Vec::new();
        for pattern in pattern::alternatives(pattern) {
            found.append(&mut matching(&pattern));
            found.truncate(MATCHES);
        }
        found
    }

    fn unread_folder(&self, pattern: &Path) -> Option<(PathBuf, ReadError)> {
        let folder = pattern::folder(pattern.to_str()?)?;
        let error = fs::read_dir(if folder.is_empty() { "." } else { &folder }).err()?;
        let path = PathBuf::from(folder);
        let why = match error.kind() {
            std::io::ErrorKind::PermissionDenied => denied(&path),
            _ => explain(error),
        };
        Some((path, why))
    }

    fn is_executable(&self, path: &Path) -> bool {
        fs::metadata(path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    }
}

/// The name of this node up to its first dot: the default configuration id.
pub fn node_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().split('.').next().unwrap_or("").to_owned()
}

/// Whose file it is that we may not read, where that can be seen.
fn denied(path: &Path) -> ReadError {
    match fs::metadata(path) {
        Ok(metadata) => {
            ReadError::Denied { owner: metadata.uid(), mode: metadata.permissions().mode() & 0o7777 }
        }
        Err(_) => ReadError::System("permission denied".to_owned()),
    }
}

fn explain(error: std::io::Error) -> ReadError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ReadError::Missing,
        std::io::ErrorKind::PermissionDenied => ReadError::System("permission denied".to_owned()),
        std::io::ErrorKind::NotADirectory => ReadError::System("part of its path is no directory".to_owned()),
        std::io::ErrorKind::IsADirectory => ReadError::Directory,
        _ => ReadError::System(reason(&error)),
    }
}

/// What a pattern without braces finds, in the order of the names: what cannot be read, too, so that it is said.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from(if pattern.starts_with('/') { "/" } else { "" })];
    for part in pattern.split('/').filter(|part| !part.is_empty()) {
        let inside = |folder: PathBuf| match pattern::has_wildcard(part) {
            true => entries(&folder, part),
            false => vec![folder.join(pattern::unescaped(part))],
        };
        found = found.into_iter().flat_map(inside).take(MATCHES).collect();
    }
    // A link to nothing is there, and said to be one.
    found.retain(|path| path.symlink_metadata().is_ok());
    found
}

fn entries(folder: &Path, part: &str) -> Vec<PathBuf> {
    let read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(read).into_iter().flatten().flatten();
    let fitting =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(|name| pattern::fits(part, name)));
    let mut names: Vec<_> = fitting.map(|entry| entry.file_name()).collect();
    names.sort();
    names.into_iter().map(|name| folder.join(name)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_stars_find_what_one_finds() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("a/b")).unwrap();
        fs::write(folder.path().join("a/b/deep.conf"), "x").unwrap();
        assert_eq!(Disk.matches(&folder.path().join("**/*.conf")), [] as [PathBuf; 0]);
    }

    #[test]
    fn what_is_no_file() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Disk.read(folder.path()), Err(ReadError::Directory));
        assert_eq!(Disk.read(&folder.path().join("none")), Err(ReadError::Missing));
        for name in ["b.conf", "a.conf", "c.txt"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let found = Disk.matches(&folder.path().join("*.conf"));
        assert_eq!(found, [folder.path().join("a.conf"), folder.path().join("b.conf")]);
        let found = Disk.matches(&folder.path().join("{c.txt,z,a.conf}"));
        assert_eq!(found, [folder.path().join("c.txt"), folder.path().join("a.conf")]);
    }

    #[test]
    fn a_folder_that_cannot_be_listed_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let why = |pattern: &str| Disk.unread_folder(&folder.path().join(pattern)).map(|(_, why)| why);
        fs::write(folder.path().join("file"), "x").unwrap();
        assert_eq!(why("*.conf"), None);
        assert_eq!(why("none/*.conf"), Some(ReadError::Missing));
        assert_eq!(why("none/x.conf"), None);
        assert!(matches!(why("file/*.conf"), Some(ReadError::System(_))));
    }

    /// Hidden files, classes, escapes, links to nothing: as glob(3) takes them.
    #[test]
    fn patterns_find_what_glob_finds() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["10-web.conf", ".old.conf", ".20-mail.conf.swp", "x.conf"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        std::os::unix::fs::symlink("/nowhere/mail.conf", folder.path().join("mail.conf")).unwrap();
        fs::create_dir(folder.path().join("sub.conf")).unwrap();
        let names = |pattern: &str| -> Vec<String> {
            let found = Disk.matches(&folder.path().join(pattern));
            found.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
        };
        assert_eq!(names("*.conf"), ["10-web.conf", "mail.conf", "sub.conf", "x.conf"]);
        assert_eq!(names("[[:digit:]]*"), ["10-web.conf"]);
        assert_eq!(names("[^xms]*"), ["10-web.conf"]);
        assert_eq!(names("10\\-web.conf"), ["10-web.conf"]);
        assert_eq!(names("{x,10*}.conf"), ["x.conf", "10-web.conf"]);
        assert_eq!(names("sub.c*/../x.conf"), ["x.conf"]);
        assert_eq!(Disk.read(&folder.path().join("mail.conf")), Err(ReadError::Dangling));
    }
}
