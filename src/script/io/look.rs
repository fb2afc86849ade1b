//! From a command of the configuration to a program that can be run: its user, its file, and who may change that.

use std::collections::VecDeque;
use std::ffi::{CString, OsString};
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Component as Part, Path, PathBuf};

use nix::unistd::{Gid, Group, Uid, User, getegid, geteuid, getgrouplist};

use crate::config::model::{Account, Command, Scripts};
use crate::script::account::{self, Accounts};
use crate::script::security::{Component, Kind, Verdict, judge};
use crate::script::{Identity, Program, Trouble};
use crate::text::reason;

/// Links that are followed on one way, as many as the kernel follows.
const LINKS: usize = 40;

/// What was found out of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Looked {
    /// What is run.
    pub program: Program,
    /// It runs as root, and others can change it.
    pub insecure: Option<Trouble>,
}

/// Looks a command up. Waits for name services and disks. Error: it is not run.
pub fn look(command: &Command, settings: &Scripts) -> Result<Looked, Trouble> {
    let identity = account::identity(command.account.as_ref(), settings, &Host)?;
    let Some((name, arguments)) = command.arguments.split_first() else {
        return Err(Trouble { what: "the command is empty".to_owned(), fix: "write one".to_owned() });
    };
    let path = find(name)?;
    let way = walk(&path).map_err(|(place, error)| Trouble {
        what: format!("cannot find {}: {}: {}", path.display(), place.display(), reason(&error)),
        fix: format!("correct the path; `namei -l {}` shows where it ends", path.display()),
    })?;
    let insecure = match judge(&way, &identity, settings.security) {
        Verdict::Runs => None,
        Verdict::RunsUnsafely(trouble) => Some(trouble),
        Verdict::Disabled(trouble) => return Err(trouble),
    };
    let first = path.to_string_lossy().into_owned();
    let arguments = std::iter::once(first).chain(arguments.iter().cloned()).collect();
    Ok(Looked { program: Program { arguments, identity }, insecure })
}

/// Looks up who owns a FIFO: as whom a program with this account would run.
pub fn look_user(account: Option<&Account>, settings: &Scripts) -> Result<Identity, Trouble> {
    account::identity(account, settings, &Host)
}

/// The path of a program; a bare name is looked for in PATH.
fn find(name: &str) -> Result<PathBuf, Trouble> {
    if name.contains('/') {
        return std::path::absolute(name).map_err(|error| Trouble {
            what: format!("cannot tell where {name} is: {}", reason(&error)),
            fix: "write the whole path".to_owned(),
        });
    }
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/sbin:/usr/bin:/sbin:/bin"));
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    found.ok_or_else(|| Trouble {
        what: format!("there is no {name} in the PATH of the daemon ({})", path.to_string_lossy()),
        fix: format!("write what `command -v {name}` prints"),
    })
}

/// Every place on the way to a file, links followed. Error: the place that cannot be passed.
fn walk(path: &Path) -> Result<Vec<Component>, (PathBuf, std::io::Error)> {
    let mut way = Vec::new();
    let mut left: VecDeque<OsString> = parts(path);
    let mut here = PathBuf::from("/");
    let mut links = 0;
    way.push(component(&here)?);
    while let Some(name) = left.pop_front() {
        if name == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&name);
        let found = component(&next)?;
        let is_link = found.kind == Kind::Link;
        way.push(found);
        if !is_link {
            here = next;
            continue;
        }
        links += 1;
        if links > LINKS {
            return Err((next, std::io::Error::from_raw_os_error(libc::ELOOP)));
        }
        let target = fs::read_link(&next).map_err(|error| (next.clone(), error))?;
        if target.is_absolute() {
            here = PathBuf::from("/");
        }
        parts(&target).into_iter().rev().for_each(|part| left.push_front(part));
    }
    Ok(way)
}

fn parts(path: &Path) -> VecDeque<OsString> {
    let named = |part: Part<'_>| match part {
        Part::Normal(name) => Some(name.to_owned()),
        Part::ParentDir => Some("..".into()),
        Part::RootDir | Part::CurDir | Part::Prefix(_) => None,
    };
    path.components().filter_map(named).collect()
}

fn component(path: &Path) -> Result<Component, (PathBuf, std::io::Error)> {
    let metadata = fs::symlink_metadata(path).map_err(|error| (path.to_owned(), error))?;
    let kind = match metadata.file_type() {
        kind if kind.is_dir() => Kind::Folder,
        kind if kind.is_file() => Kind::File,
        kind if kind.is_symlink() => Kind::Link,
        kind if kind.is_fifo() => Kind::Other,
        _ => Kind::Other,
    };
    let (uid, gid) = (metadata.uid(), metadata.gid());
    let owner = User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.name);
    let group = Group::from_gid(Gid::from_raw(gid)).ok().flatten().map(|group| group.name);
    Ok(Component {
        path: path.to_owned(),
        kind,
        owner: (uid, owner.unwrap_or_else(|| uid.to_string())),
        group: (gid, group.unwrap_or_else(|| gid.to_string())),
        mode: metadata.mode(),
    })
}

/// The users of this host, as its name services know them.
struct Host;

impl Accounts for Host {
    fn user(&self, name: &str) -> Option<(u32, u32)> {
        User::from_name(name).ok().flatten().map(|user| (user.uid.as_raw(), user.gid.as_raw()))
    }

    fn primary(&self, uid: u32) -> Option<u32> {
        User::from_uid(Uid::from_raw(uid)).ok().flatten().map(|user| user.gid.as_raw())
    }

    fn group(&self, name: &str) -> Option<u32> {
        Group::from_name(name).ok().flatten().map(|group| group.gid.as_raw())
    }

    fn groups(&self, user: &str, gid: u32) -> Vec<u32> {
        let Ok(name) = CString::new(user) else { return Vec::new() };
        let groups = getgrouplist(&name, Gid::from_raw(gid)).unwrap_or_default();
        groups.into_iter().map(Gid::as_raw).collect()
    }

    fn own(&self) -> (u32, u32) {
        (geteuid().as_raw(), getegid().as_raw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn command(text: &str) -> Command {
        Command { arguments: text.split(' ').map(str::to_owned).collect(), account: None }
    }

    #[test]
    fn a_command_becomes_a_program() {
        let settings = Scripts::default();
        let looked = look(&command("/bin/sh -c true"), &settings).unwrap();
        assert_eq!(looked.program.arguments, ["/bin/sh", "-c", "true"]);
        let bare = look(&command("sh"), &settings).unwrap();
        assert!(bare.program.arguments[0].ends_with("/sh"));
        for (text, words) in [
            ("/none/such", "cannot find /none/such: /none"),
            ("no-such-program", "no no-such-program in the PATH"),
            ("/etc", "is a folder"),
        ] {
            let trouble = look(&command(text), &settings).unwrap_err();
            assert!(trouble.what.contains(words), "{trouble}");
        }
    }

    /// keepalived 2.4.3 refuses every path with a link in it.
    #[test]
    fn a_link_in_the_path_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("real");
        fs::write(&script, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        symlink("hop", folder.path().join("link")).unwrap();
        symlink(&script, folder.path().join("hop")).unwrap();
        symlink("loop", folder.path().join("loop")).unwrap();
        let way = walk(&folder.path().join("./link")).unwrap();
        let kinds: Vec<Kind> = way.iter().map(|one| one.kind).filter(|kind| *kind != Kind::Folder).collect();
        assert_eq!(kinds, [Kind::Link, Kind::Link, Kind::File]);
        assert_eq!(way.last().unwrap().path, script);
        let (place, error) = walk(&folder.path().join("loop")).unwrap_err();
        assert_eq!((place.ends_with("loop"), error.raw_os_error()), (true, Some(libc::ELOOP)));
    }
}
