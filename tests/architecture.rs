//! The house keeps its shape: arrows between folders, effects only where they belong, unsafe only in `sys`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may use whom. `docs/architecture.md` draws the same arrows.
const ARROWS: &[(&str, &[&str])] = &[
    ("check", &["config::model"]),
    ("cli", &["check", "config", "director"]),
    ("config", &[]),
    ("director", &["check", "config", "ipvs", "pool", "vrrp"]),
    ("ipvs", &["config::model", "sys"]),
    ("net", &["config::model", "sys"]),
    ("pool", &["config::model", "ipvs"]),
    ("sys", &[]),
    ("track", &["config::model"]),
    ("vrrp", &["config::model", "net", "sys", "track"]),
];

/// Marks of an effect: a file that decides has none of them.
const EFFECTS: &[&str] = &[
    "Instant::now(",
    "SystemTime",
    "nix::",
    "neli::",
    "socket2::",
    "std::env",
    "std::fs",
    "std::process",
    "std::thread",
    "tokio::",
    "tracing::",
];

struct Source {
    path: PathBuf,
    /// The first folder below `src`.
    folder: String,
    /// The text before its tests.
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let relative = path.strip_prefix(&root).unwrap().to_owned();
                if relative.ends_with("tests.rs") || relative.components().count() == 1 {
                    continue;
                }
                let text = fs::read_to_string(&path).unwrap();
                let text = text.split("#[cfg(test)]\nmod tests").next().unwrap().to_owned();
                let first = relative.components().next().unwrap();
                let folder = first.as_os_str().to_str().unwrap().to_owned();
                found.push(Source { path: relative, folder, text });
            }
        }
    }
    assert!(found.len() > 20, "the sources were not found");
    found
}

/// Every `crate::…` path in code, comments left out.
fn uses(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let path = |rest: &str| -> String {
        rest.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | ':')).collect()
    };
    code.flat_map(|line| line.split("crate::").skip(1).map(path).collect::<Vec<_>>()).collect()
}

#[test]
fn arrows_are_the_listed_ones() {
    let mut wrong = Vec::new();
    for source in sources() {
        let allowed = ARROWS.iter().find(|(folder, _)| *folder == source.folder);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("folder {} is not listed", source.folder));
        for used in uses(&source.text) {
            let own = used == source.folder || used.starts_with(&format!("{}::", source.folder));
            let listed =
                allowed.iter().any(|arrow| used == *arrow || used.starts_with(&format!("{arrow}::")));
            if !own && !listed {
                wrong.push(format!("src/{}: crate::{used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not listed:\n{}", wrong.join("\n"));
}

#[test]
fn deciding_files_have_no_effects() {
    let acts = |source: &Source| {
        matches!(source.folder.as_str(), "cli" | "director" | "sys")
            || source.path.components().any(|part| part.as_os_str() == "io")
    };
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| !acts(source)) {
        for (number, line) in source.text.lines().enumerate() {
            let comment = line.trim_start().starts_with("//");
            for effect in EFFECTS.iter().filter(|effect| !comment && line.contains(**effect)) {
                wrong.push(format!("src/{}:{}: {effect}", source.path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "effects outside io/:\n{}", wrong.join("\n"));
}

#[test]
fn unsafe_stays_in_sys() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.folder != "sys") {
        for (number, line) in source.text.lines().enumerate() {
            let code = !line.trim_start().starts_with("//");
            if code
                && (line.contains("unsafe {")
                    || line.contains("unsafe fn")
                    || line.contains("allow(unsafe_code"))
            {
                wrong.push(format!("src/{}:{}", source.path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "unsafe outside sys/:\n{}", wrong.join("\n"));
}

#[test]
fn files_tell_one_story() {
    let long: Vec<String> = sources()
        .iter()
        .filter(|source| !source.path.starts_with("config/keywords"))
        .map(|source| (source.text.lines().count(), source.path.display().to_string()))
        .filter(|(lines, _)| *lines > 800)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert!(long.is_empty(), "split these:\n{}", long.join("\n"));
}
