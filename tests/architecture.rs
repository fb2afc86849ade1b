//! The house keeps its shape: arrows between folders, effects only where they belong, unsafe only in `sys`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// What everybody may use: texts of values, and how things are told.
const SHARED: &[&str] = &["report", "text"];

/// Who may use whom. `docs/architecture.md` draws the same arrows.
const ARROWS: &[(&str, &[&str])] = &[
    ("beside", &["sys"]),
    ("bfd", &["config::model", "sys"]),
    ("check", &["config::model", "script", "sys"]),
    ("cli", &["beside", "check", "config", "control", "dbus", "director", "ipvs", "snmp", "sys"]),
    ("config", &["sys::regex"]),
    ("control", &[]),
    ("dbus", &["beside", "sys"]),
    (
        "director",
        &[
            "beside", "bfd", "check", "config", "control", "dbus", "dump", "ipvs", "mail", "net", "notify",
            "pool", "script", "snmp", "sys", "track", "vrrp", "webhook",
        ],
    ),
    ("dump", &["bfd", "check", "config::model", "net", "pool", "script", "track", "vrrp"]),
    ("ipvs", &["config::model", "sys"]),
    ("mail", &["config::model", "notify", "sys"]),
    ("net", &["config::model", "sys"]),
    ("notify", &["script", "sys"]),
    ("pool", &["check::standing", "config::model", "ipvs"]),
    ("report", &[]),
    ("script", &["config::model", "sys"]),
    ("snmp", &["beside", "config::model", "ipvs", "pool", "sys", "track", "vrrp"]),
    ("sys", &[]),
    ("track", &["config::model", "script", "sys"]),
    ("vrrp", &["config::model", "net", "sys", "track"]),
    ("webhook", &["config::model", "mail::alert", "notify", "sys"]),
];

/// Who may use whom inside `config/`. `config/mod.rs` puts them together; nobody uses what it defines.
const INSIDE_CONFIG: &[(&str, &[&str])] = &[
    ("changes", &["dump", "keywords", "model", "raise"]),
    ("diagnostic", &["source"]),
    ("dump", &["keywords", "model", "quote", "raise"]),
    ("expand", &["diagnostic", "lexer", "options", "pattern", "source", "tokens"]),
    ("format", &["diagnostic", "expand", "keywords", "lexer", "options", "source", "tokens", "tree"]),
    ("host", &["diagnostic", "keywords", "lint", "model", "source", "tree"]),
    ("io", &["host", "keywords", "model", "pattern", "source"]),
    ("json", &["diagnostic", "keywords", "quote", "secrets", "source", "tree"]),
    ("keywords", &["model"]),
    ("lexer", &["source"]),
    ("lint", &["diagnostic", "keywords", "model", "source", "tree"]),
    ("lower", &["diagnostic", "keywords", "model", "slips", "source", "split", "supported", "tree"]),
    ("missing", &["recorded"]),
    ("model", &[]),
    ("options", &[]),
    ("pattern", &[]),
    ("quote", &["lexer", "source", "split"]),
    ("raise", &["keywords", "model"]),
    ("recorded", &["source"]),
    ("reference", &["diagnostic", "keywords"]),
    ("secrets", &["diagnostic", "keywords", "lexer", "model", "source", "tokens"]),
    ("slips", &[]),
    ("source", &["pattern"]),
    ("split", &[]),
    ("supported", &["model", "tracked", "vmac"]),
    ("tokens", &["lexer"]),
    ("tracked", &["model"]),
    ("tree", &["diagnostic", "keywords", "lexer", "secrets", "slips", "source", "tokens"]),
    ("vmac", &["model"]),
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
                let of_tests = relative.components().any(|part| part.as_os_str() == "tests");
                if relative.ends_with("tests.rs") || of_tests || relative.components().count() == 1 {
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

/// The module that a file is: `config/lower/mod.rs` and `config/lower.rs` are config, lower.
fn module(path: &Path) -> Vec<String> {
    let mut parts: Vec<String> =
        path.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    parts
}

/// Every path from the root of the crate that the code of `module` names, with `crate::` or `super::`; comments left out.
fn uses(text: &str, module: &[String]) -> BTreeSet<Vec<String>> {
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let code: String = lines.flat_map(|line| [line, "\n"]).collect();
    let mut found = BTreeSet::new();
    let mut last = None;
    for (at, c) in code.char_indices() {
        let starts = last.is_none_or(|last: char| !last.is_alphanumeric() && !matches!(last, '_' | ':'));
        last = Some(c);
        let mut rest = &code[at..];
        // `pub(in crate::config)` uses nothing.
        let starts = starts && !code[..at].ends_with("(in ");
        if !starts || !(rest.starts_with("crate::") || rest.starts_with("super::")) {
            continue;
        }
        let mut base = module;
        match rest.strip_prefix("crate::") {
            Some(behind) => (base, rest) = (&[], behind),
            None => {
                while let Some(behind) = rest.strip_prefix("super::") {
                    (base, rest) = (&base[..base.len().saturating_sub(1)], behind);
                }
            }
        }
        named(rest, base, &mut found);
    }
    found
}

/// The paths that begin at `text`: `a::b`, or `{a, b::{c, d}}`.
fn named(text: &str, base: &[String], found: &mut BTreeSet<Vec<String>>) {
    let Some(inside) = text.strip_prefix('{') else {
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        let path: Vec<String> = base.iter().cloned().chain([text[..end].to_owned()]).collect();
        match text[end..]
            .strip_prefix("::")
            .filter(|rest| rest.starts_with(|c: char| c == '{' || c.is_alphabetic()))
        {
            Some(rest) => named(rest, &path, found),
            None => drop(found.insert(path)),
        }
        return;
    };
    let (mut depth, mut start) = (0, true);
    for (at, c) in inside.char_indices() {
        match c {
            '{' if !start => depth += 1,
            '}' if depth == 0 => return,
            '}' => depth -= 1,
            ',' if depth == 0 => start = true,
            c if c.is_whitespace() => {}
            _ if start => {
                start = false;
                named(&inside[at..], base, found);
            }
            _ => {}
        }
    }
}

/// Nodes in the order of a circle; `None`: there is none.
fn circle(arrows: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        at: &str,
        arrows: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        if let Some(first) = way.iter().position(|node| node == at) {
            return Some(way[first..].to_vec());
        }
        if !done.contains(at) {
            way.push(at.to_owned());
            for to in arrows.get(at).into_iter().flatten() {
                if let Some(circle) = walk(to, arrows, way, done) {
                    return Some(circle);
                }
            }
            way.pop();
            done.insert(at.to_owned());
        }
        None
    }
    let mut done = BTreeSet::new();
    arrows.keys().find_map(|node| walk(node, arrows, &mut Vec::new(), &mut done))
}

/// The parts of `config/`: its files and folders.
fn parts_of_config() -> BTreeSet<String> {
    let parts = sources().into_iter().map(|source| module(&source.path));
    parts.filter(|module| module[0] == "config" && module.len() > 1).map(|module| module[1].clone()).collect()
}

#[test]
fn arrows_are_the_listed_ones() {
    let mut wrong = Vec::new();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources() {
        let allowed = ARROWS.iter().find(|(folder, _)| *folder == source.folder);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("folder {} is not listed", source.folder));
        for used in uses(&source.text, &module(&source.path)) {
            let other = |folder: &&String| **folder != source.folder && !SHARED.contains(&folder.as_str());
            let Some(folder) = used.first().filter(other) else { continue };
            arrows.entry(source.folder.clone()).or_default().insert(folder.clone());
            let used = used.join("::");
            let listed =
                allowed.iter().any(|arrow| used == *arrow || used.starts_with(&format!("{arrow}::")));
            if !listed {
                wrong.push(format!("src/{}: crate::{used}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not listed:\n{}", wrong.join("\n"));
    assert_eq!(circle(&arrows), None, "folders of src/ in a circle");
}

#[test]
fn arrows_inside_config_are_the_listed_ones() {
    let parts = parts_of_config();
    let listed: BTreeSet<String> = INSIDE_CONFIG.iter().map(|(part, _)| (*part).to_owned()).collect();
    assert_eq!(parts, listed, "the parts of config/ and the list");
    let mut wrong = Vec::new();
    let mut arrows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources().iter().filter(|source| source.folder == "config") {
        let own = module(&source.path);
        // `config/mod.rs` uses everybody.
        let Some(own_part) = own.get(1) else { continue };
        let allowed = INSIDE_CONFIG.iter().find(|(part, _)| part == own_part).unwrap().1;
        for used in uses(&source.text, &own).into_iter().filter(|used| used[0] == "config") {
            let used_part = used.get(1).map_or("", String::as_str);
            if used_part == own_part {
                continue;
            }
            arrows.entry(own_part.clone()).or_default().insert(used_part.to_owned());
            if !allowed.contains(&used_part) {
                wrong.push(format!("src/{}: {}", source.path.display(), used.join("::")));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that are not listed:\n{}", wrong.join("\n"));
    assert_eq!(circle(&arrows), None, "parts of config/ in a circle");
    // The list has no arrow that nobody needs.
    for (part, allowed) in INSIDE_CONFIG {
        let needed = arrows.remove(*part).unwrap_or_default();
        let unused: Vec<_> = allowed.iter().filter(|arrow| !needed.contains(**arrow)).collect();
        assert!(unused.is_empty(), "{part} does not use {unused:?}");
    }
}

#[test]
fn a_circle_is_found() {
    let arrows = |list: &[(&str, &[&str])]| -> BTreeMap<String, BTreeSet<String>> {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        list.iter().map(|(from, to)| ((*from).to_owned(), names(to))).collect()
    };
    assert_eq!(circle(&arrows(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &["d"])])), None);
    let found =
        circle(&arrows(&[("a", &["b"]), ("b", &["c", "d"]), ("c", &[]), ("d", &["e"]), ("e", &["b"])]));
    assert_eq!(found.unwrap(), ["b", "d", "e"]);
}

#[test]
fn paths_are_found_in_every_form() {
    let text = "use super::super::{Lower, inside as i, tree::{Node, self}};\nuse crate::config::{\n    a::B,\n    c,\n};\n\
                // crate::vrrp\nfn f(x: crate::sys::T) -> super::auth::Key { my_crate::x() }\n";
    let module = ["config", "lower", "vrrp"].map(str::to_owned);
    let found: Vec<String> = uses(text, &module).into_iter().map(|path| path.join("::")).collect();
    assert_eq!(
        found,
        [
            "config::Lower",
            "config::a::B",
            "config::c",
            "config::inside",
            "config::lower::auth::Key",
            "config::tree::Node",
            "config::tree::self",
            "sys::T",
        ]
    );
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

/// The Rust that `Cargo.toml` promises to be enough is enough for every dependency that is locked.
#[test]
fn no_dependency_needs_a_later_rust() {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let arguments = ["metadata", "--locked", "--format-version", "1"];
    let platform = ["--filter-platform", "x86_64-unknown-linux-gnu"];
    let mut command = std::process::Command::new(cargo);
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).args(platform);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["id"].as_str().unwrap())
        .collect();
    let number = |text: &str| -> Vec<u32> {
        let parts = text.split('.').map(|part| part.parse().unwrap());
        parts.chain(std::iter::repeat(0)).take(3).collect()
    };
    let promised = number(env!("CARGO_PKG_RUST_VERSION"));
    let packages = metadata["packages"].as_array().unwrap();
    let packages = packages.iter().filter(|package| used.contains(package["id"].as_str().unwrap()));
    let (mut later, mut seen) = (Vec::new(), 0);
    for package in packages {
        let Some(needed) = package["rust_version"].as_str() else { continue };
        seen += 1;
        if number(needed) > promised {
            later.push(format!("{} needs {needed}", package["name"]));
        }
    }
    assert!(seen > 50, "only {seen} packages say which Rust they need");
    assert!(later.is_empty(), "Cargo.toml promises {promised:?}: {later:?}");
}
