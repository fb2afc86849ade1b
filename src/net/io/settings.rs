//! Reads and writes settings of the kernel.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use nix::net::if_::{if_indextoname, if_nametoindex};

use crate::net::settings::{AllHeld, INTERFACES, Setting, Wanted, Write, plan, renamed};

const ROOT: &str = "/proc/sys";

/// Carries out what is wanted; returns what was changed so far, and what could not be written (an errno).
pub(crate) fn apply(wanted: &Wanted, held: AllHeld) -> (AllHeld, Vec<(Setting, i32)>) {
    let mut held = renamed(held, &|index| if_indextoname(index).ok()?.into_string().ok());
    let filters = if wanted.own_reverse_path { filters() } else { BTreeMap::new() };
    let mut refused = Vec::new();
    for write in plan(wanted, &held, &|setting| number(&place(setting)), &filters) {
        let (setting, value) = match &write {
            Write::Set(setting, held) => (setting, held.now),
            Write::Restore(setting, value) => (setting, *value),
            Write::Forget(setting) => {
                held.remove(setting);
                continue;
            }
        };
        if let Err(error) = std::fs::write(place(setting), format!("{value}\n")) {
            let gone = matches!(error.kind(), io::ErrorKind::NotFound);
            if gone {
                held.remove(setting);
            } else {
                refused.push((setting.clone(), error.raw_os_error().unwrap_or(libc::EIO)));
            }
            continue;
        }
        match write {
            Write::Set(setting, new) => drop(held.insert(setting, new)),
            Write::Restore(setting, _) | Write::Forget(setting) => drop(held.remove(&setting)),
        }
    }
    (held, refused)
}

fn place(setting: &Setting) -> PathBuf {
    Path::new(ROOT).join(setting.path())
}

fn number(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `rp_filter` of every interface, and its index.
fn filters() -> BTreeMap<String, (u32, u32)> {
    let folder = Path::new(ROOT).join(INTERFACES);
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let filter = |entry: std::fs::DirEntry| {
        let name = entry.file_name().into_string().ok()?;
        let index = if_nametoindex(name.as_str()).unwrap_or(0);
        Some((name, (number(&entry.path().join("rp_filter"))?, index)))
    };
    entries.filter_map(filter).collect()
}
