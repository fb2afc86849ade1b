//! Whether a program may be run: it is there, its user can run it, and when it runs as root nobody else can change it.
//!
//! In: every folder, link and file on the way to it. Out: a [`Verdict`] that names the first one that is at fault.

use std::path::PathBuf;

use super::{Identity, Trouble};

/// What stands at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A folder.
    Folder,
    /// A file.
    File,
    /// A symbolic link.
    Link,
    /// Something else.
    Other,
}

/// One place on the way to a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Component {
    /// Where it is.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Number and name of its owner.
    pub owner: (u32, String),
    /// Number and name of its group.
    pub group: (u32, String),
    /// Permissions, with the bits of set-user-id, set-group-id and stickiness.
    pub mode: u32,
}

/// What there is to say of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is run.
    Runs,
    /// It is run as root, and others can change it.
    RunsUnsafely(Trouble),
    /// It is not run.
    Disabled(Trouble),
}

/// Judges the way to a program, from the root to the file; a link is followed by the places that it leads over.
/// `secure`: `enable_script_security`.
pub fn judge(way: &[Component], identity: &Identity, secure: bool) -> Verdict {
    let Some(file) = way.last() else {
        let what = "the command names no program".to_owned();
        return Verdict::Disabled(Trouble { what, fix: "write its path".to_owned() });
    };
    if file.kind != Kind::File {
        let what = match file.kind {
            Kind::Folder => format!("{} is a folder", file.path.display()),
            _ => format!("{} is no regular file", file.path.display()),
        };
        return Verdict::Disabled(Trouble { what, fix: "name the program itself".to_owned() });
    }
    if let Some(trouble) = way.iter().find_map(|one| unreachable(one, identity)) {
        return Verdict::Disabled(trouble);
    }
    let raised = |bit, (id, _): &(u32, String)| file.mode & bit != 0 && *id == 0;
    let as_root = identity.is_root() || raised(0o4000, &file.owner) || raised(0o2000, &file.group);
    match as_root.then(|| way.iter().find_map(changeable)).flatten() {
        None => Verdict::Runs,
        Some(trouble) if secure => Verdict::Disabled(trouble),
        Some(trouble) => Verdict::RunsUnsafely(trouble),
    }
}

/// Why its user cannot run the program, or pass the folder.
fn unreachable(one: &Component, identity: &Identity) -> Option<Trouble> {
    let bit = match one.kind {
        Kind::Link => return None,
        _ if identity.uid == 0 && one.kind == Kind::Folder => return None,
        _ if identity.uid == 0 => 0o111,
        _ if identity.uid == one.owner.0 => 0o100,
        _ if identity.is_member(one.group.0) => 0o010,
        _ => 0o001,
    };
    if one.mode & bit != 0 {
        return None;
    }
    let (path, seen) = (one.path.display(), described(one));
    let (what, fix) = match one.kind {
        Kind::Folder => ("cannot be passed", "chmod a+x"),
        _ if one.mode & 0o111 == 0 => ("is not executable", "chmod +x"),
        _ => ("cannot be run", "chmod a+x"),
    };
    let what = format!("{path} {what} by user {} ({seen})", identity.uid);
    Some(Trouble { what, fix: format!("{fix} {path}") })
}

/// Who else than root can change it, or what it leads to.
fn changeable(one: &Component) -> Option<Trouble> {
    let (path, seen) = (one.path.display(), described(one));
    if one.owner.0 != 0 {
        let what = format!("it would run as root, and {path} belongs to user {} ({seen})", one.owner.1);
        let option = if one.kind == Kind::Link { "-h " } else { "" };
        return Some(Trouble { what, fix: format!("chown {option}root {path}") });
    }
    // In a folder with the sticky bit nobody changes the files of others; the mode of a link means nothing.
    if one.kind == Kind::Link || (one.kind == Kind::Folder && one.mode & 0o1000 != 0) {
        return None;
    }
    let by = match one.mode {
        mode if mode & 0o002 != 0 => "everybody".to_owned(),
        mode if mode & 0o020 != 0 && one.group.0 != 0 => format!("group {}", one.group.1),
        _ => return None,
    };
    let what = format!("it would run as root, and {path} can be changed by {by} ({seen})");
    Some(Trouble { what, fix: format!("chmod go-w {path}") })
}

/// `owner root, group staff, mode 0775`.
fn described(one: &Component) -> String {
    format!("owner {}, group {}, mode {:04o}", one.owner.1, one.group.1, one.mode & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: u32 = 0;
    const OPS: u32 = 1000;

    fn place(path: &str, kind: Kind, owner: u32, group: u32, mode: u32) -> Component {
        let name = |id: u32| (id, if id == 0 { "root".to_owned() } else { format!("n{id}") });
        Component { path: path.into(), kind, owner: name(owner), group: name(group), mode }
    }

    /// Owner, group, mode.
    type Access = (u32, u32, u32);

    fn way(folder: Access, file: Access) -> Vec<Component> {
        vec![
            place("/", Kind::Folder, ROOT, ROOT, 0o755),
            place("/s", Kind::Folder, folder.0, folder.1, folder.2),
            place("/s/x", Kind::File, file.0, file.1, file.2),
        ]
    }

    fn who(uid: u32) -> Identity {
        Identity { uid, gid: uid, groups: Vec::new() }
    }

    /// The words of the trouble, and whether the program is run all the same; `None`: nothing is wrong.
    fn said(way: &[Component], identity: &Identity, secure: bool) -> Option<(String, bool)> {
        match judge(way, identity, secure) {
            Verdict::Runs => None,
            Verdict::RunsUnsafely(trouble) => Some((trouble.to_string(), true)),
            Verdict::Disabled(trouble) => Some((trouble.to_string(), false)),
        }
    }

    #[test]
    fn what_others_can_change_does_not_run_as_root() {
        let safe = (ROOT, ROOT, 0o755);
        let cases: [(Access, Access, u32, Option<&str>); 13] = [
            (safe, safe, ROOT, None),
            (
                safe,
                (OPS, ROOT, 0o755),
                ROOT,
                Some("/s/x belongs to user n1000 (owner n1000, group root, mode 0755)"),
            ),
            ((OPS, ROOT, 0o755), safe, ROOT, Some("chown root /s")),
            (safe, (ROOT, OPS, 0o775), ROOT, Some("/s/x can be changed by group n1000")),
            (safe, (ROOT, ROOT, 0o775), ROOT, None),
            (safe, (ROOT, ROOT, 0o757), ROOT, Some("/s/x can be changed by everybody")),
            ((ROOT, ROOT, 0o777), safe, ROOT, Some("chmod go-w /s")),
            ((ROOT, ROOT, 0o1777), safe, ROOT, None),
            // The sticky bit of a file protects nothing.
            (safe, (ROOT, ROOT, 0o1777), ROOT, Some("everybody")),
            // Who is not root may run what he likes.
            ((OPS, OPS, 0o777), (OPS, OPS, 0o777), OPS, None),
            // What makes its caller root is run as root.
            (safe, (ROOT, OPS, 0o4775), OPS, Some("group n1000")),
            (safe, (ROOT, ROOT, 0o2757), OPS, Some("everybody")),
            (safe, (ROOT, OPS, 0o2775), OPS, None),
        ];
        for (folder, file, uid, expected) in cases {
            let way = way(folder, file);
            let found = said(&way, &who(uid), true);
            match (&found, expected) {
                (None, None) => {}
                (Some((text, false)), Some(words)) => assert!(text.contains(words), "{text}"),
                _ => panic!("{way:?}: {found:?}"),
            }
            // Without the setting it is said, and run.
            let without = said(&way, &who(uid), false);
            assert_eq!(without, found.map(|(text, _)| (text, true)));
        }
        let group = Identity { uid: OPS, gid: 0, groups: Vec::new() };
        assert!(said(&way(safe, (OPS, OPS, 0o755)), &group, true).is_some(), "group root counts as root");
    }

    #[test]
    fn links_are_followed_and_their_owners_count() {
        let linked = |owner| {
            let mut way = way((ROOT, ROOT, 0o755), (ROOT, ROOT, 0o755));
            way.insert(1, place("/l", Kind::Link, owner, owner, 0o777));
            way
        };
        assert_eq!(said(&linked(ROOT), &who(ROOT), true), None);
        assert!(said(&linked(OPS), &who(ROOT), true).unwrap().0.contains("chown -h root /l"));
    }

    #[test]
    fn what_cannot_be_run_is_named() {
        let safe = (ROOT, ROOT, 0o755);
        let folder = || vec![place("/s", Kind::Folder, ROOT, ROOT, 0o755)];
        assert!(said(&folder(), &who(ROOT), false).unwrap().0.contains("/s is a folder"));
        assert!(said(&[], &who(ROOT), false).is_some());
        let cases = [
            (safe, (ROOT, ROOT, 0o644), ROOT, Some("/s/x is not executable")),
            ((ROOT, ROOT, 0o700), safe, OPS, Some("/s cannot be passed by user 1000 (owner root")),
            ((ROOT, ROOT, 0o700), safe, ROOT, None),
            (safe, (ROOT, OPS, 0o750), OPS, None),
            (safe, (ROOT, ROOT, 0o750), OPS, Some("/s/x cannot be run by user 1000")),
            (safe, (OPS, ROOT, 0o655), OPS, Some("/s/x cannot be run by user 1000")),
        ];
        for (folder, file, uid, expected) in cases {
            let found = said(&way(folder, file), &who(uid), false);
            match (found, expected) {
                (None, None) => {}
                (Some((text, false)), Some(words)) => assert!(text.contains(words), "{text}"),
                (found, _) => panic!("{folder:?} {file:?}: {found:?}"),
            }
        }
        let member = Identity { uid: OPS, gid: OPS, groups: vec![7] };
        assert_eq!(said(&way(safe, (ROOT, 7, 0o750)), &member, false), None);
    }
}
