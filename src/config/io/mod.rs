//! The real [`Files`]: the disk.

/// This machine, for `--check --host`.
mod machine;

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

pub use machine::Machine;

use super::source::{Files, MAX_FILE, ReadError};
use crate::text::reason;

/// Files that one pattern finds; more are never read.
const MATCHES: usize = 5000;

/// The files of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

impl Files for Disk {
    /// Never waits: a pipe is refused, not read.
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let file = fs::OpenOptions::new()
            .read(true)
            .custom_flags(nix::libc::O_NONBLOCK)
            .open(path)
            .map_err(explain)?;
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
        for pattern in alternatives(pattern) {
            if !pattern.contains(['*', '?', '[']) {
                found.extend(Path::new(&pattern).exists().then(|| PathBuf::from(&pattern)));
                continue;
            }
            let paths = glob::glob(&single_stars(&pattern)).into_iter().flatten().flatten();
            found.extend(paths.filter(|path| path.is_file()).take(MATCHES - found.len().min(MATCHES)));
        }
        found
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

fn explain(error: std::io::Error) -> ReadError {
    match error.kind() {
        std::io::ErrorKind::NotFound => ReadError::Missing,
        std::io::ErrorKind::PermissionDenied => ReadError::System("permission denied".to_owned()),
        std::io::ErrorKind::NotADirectory => ReadError::System("part of its path is no directory".to_owned()),
        std::io::ErrorKind::IsADirectory => ReadError::Directory,
        _ => ReadError::System(reason(&error)),
    }
}

/// `**` is `*`, as in glob(3); to the library it is every folder below.
fn single_stars(pattern: &str) -> String {
    let pairs = pattern.chars().zip(std::iter::once(' ').chain(pattern.chars()));
    pairs.filter(|pair| *pair != ('*', '*')).map(|(c, _)| c).collect()
}

/// Brace alternatives, as the shell expands them: `a{b,c}` is `ab` and `ac`. At most 1024 of them.
fn alternatives(pattern: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut left = vec![pattern.to_owned()];
    while let Some(pattern) = left.pop() {
        match split_braces(&pattern) {
            Some((before, choices, after)) if done.len() + left.len() + choices.len() <= 1024 => {
                left.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// The first `{…,…}` of a pattern: what is before, the choices, what is after.
fn split_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let open = pattern.find('{')?;
    let inside = pattern.get(open + 1..)?;
    let mut depth = 0_usize;
    let mut start = 0;
    let mut choices = Vec::new();
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            ',' if depth == 0 => {
                choices.push(inside.get(start..at)?);
                start = at + 1;
            }
            '}' if depth == 0 => {
                choices.push(inside.get(start..at)?);
                return Some((pattern.get(..open)?, choices, inside.get(at + 1..)?));
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_of_patterns() {
        assert_eq!(alternatives("a{b,c{d,e}}f"), ["abf", "acdf", "acef"]);
        assert_eq!(alternatives("plain"), ["plain"]);
        assert_eq!(alternatives("open{a,b"), ["open{a,b"]);
    }

    #[test]
    fn two_stars_find_what_one_finds() {
        assert_eq!(single_stars("a/**/b***.conf"), "a/*/b*.conf");
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
}
