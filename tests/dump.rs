//! A configuration, dumped and read again, is the same configuration: other people's files, the golden inputs,
//! the examples, and the example of every keyword.
//!
//! The files of others are not part of the project: `../shared/corpus`, or the folder that `DIRECTORD_CORPUS`
//! names. Where there is none, the test says so.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use directord::config::diagnostic::{Code, Format, Severity};
use directord::config::dump::{self, Show};
use directord::config::io::Disk;
use directord::config::keywords::{self, examples};
use directord::config::model::Model;
use directord::config::source::Texts;
use directord::config::{Loaded, Options, load};

/// Every way to show a model of which nothing is hidden.
const SHOWN: [Show; 2] = [Show { defaults: false, secrets: true }, Show { defaults: true, secrets: true }];

struct Input {
    name: String,
    loaded: Loaded,
}

fn options(config_id: &str) -> Options {
    Options { config_id: config_id.to_owned(), ..Options::default() }
}

fn text(name: &str, text: &str) -> Loaded {
    load(Path::new(name), &Texts::one(name, text), &options("lvs1"))
}

fn file(path: PathBuf, config_id: &str) -> Input {
    Input { name: path.display().to_string(), loaded: load(&path, &Disk, &options(config_id)) }
}

/// The files of a folder below the project.
fn folder(name: &str) -> Vec<Input> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|is| is == "conf" || is == "json"));
    paths.sort();
    assert!(!paths.is_empty(), "{name}");
    paths.into_iter().map(|path| file(path, "lvs1")).collect()
}

fn corpus() -> Vec<Input> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let folder = std::env::var_os("DIRECTORD_CORPUS").map_or(beside, PathBuf::from);
    let Ok(table) = std::fs::read_to_string(folder.join("verdicts.tsv")) else {
        println!("no corpus: ../shared/corpus is absent and DIRECTORD_CORPUS is not set; skipped");
        return Vec::new();
    };
    let rows = table.lines().skip(1).map(|line| line.split('\t').collect::<Vec<_>>());
    let id = |row: &[&str]| if row[1] == "-" { "corpus-host".to_owned() } else { row[1].to_owned() };
    rows.map(|row| file(folder.join(row[0]), &id(&row))).collect()
}

fn every_example() -> Vec<Input> {
    let example = |keyword| {
        let file = examples::file(keyword);
        Input { name: format!("example of {}\n{file}", keyword.path), loaded: text("example.conf", &file) }
    };
    keywords::all().map(example).collect()
}

/// The first lines in which two models differ.
fn difference(one: &Model, other: &Model) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let (one, other): (Vec<&str>, Vec<&str>) = (one.lines().collect(), other.lines().collect());
    let first = one.iter().zip(&other).position(|(one, other)| one != other).unwrap_or(0);
    let from = first.saturating_sub(4);
    let part = |lines: &[&str]| lines.iter().skip(from).take(12).copied().collect::<Vec<_>>().join("\n");
    format!("line {first}\n{}\n-- and again:\n{}", part(&one), part(&other))
}

/// Errors and warnings. Which word has no effect yet depends on its spelling: there the number counts. `old`: an
/// old word was only said to be old, and its new one may be said to have no effect.
fn said(loaded: &Loaded, old: bool) -> BTreeSet<(Code, String)> {
    let mut unmade = 0;
    let mut key = |code, message: &str| match code {
        Code::NotYet | Code::Old => {
            unmade += 1;
            (Code::NotYet, unmade.to_string())
        }
        // What is more than eight characters is not written again.
        _ if message.starts_with("`auth_pass` has") => (code, String::new()),
        // Said once for all real servers, with the title of the first.
        Code::Unchecked => (code, String::new()),
        _ => (code, message.to_owned()),
    };
    let counts = |severity, code| severity >= Severity::Warning || (old && code == Code::Old);
    let grave = loaded.diagnostics.iter().filter(|one| counts(one.severity, one.code));
    grave.map(|one| key(one.code, &one.message)).collect()
}

/// What is wrong when `dumped` is read as `name` instead of the original.
fn again(input: &Input, model: &Model, name: &str, dump: impl Fn(&Model) -> String) -> Option<String> {
    let dumped = &dump(model);
    let loaded = text(name, dumped);
    let fault = match &loaded.model {
        None => loaded.render(Format::Line, false),
        Some(again) if again != model => difference(model, again),
        Some(again) if dump(again) != *dumped => "the dump of the dump is another".to_owned(),
        Some(_) => {
            let before = said(&input.loaded, true);
            let new: Vec<_> = said(&loaded, false).into_iter().filter(|one| !before.contains(one)).collect();
            if new.is_empty() {
                return None;
            }
            format!("new: {new:?}")
        }
    };
    Some(format!("== {}, as {name}\n{fault}\n-- dumped:\n{dumped}", input.name))
}

fn round_trips(inputs: &[Input]) {
    let mut wrong = Vec::new();
    let mut count = 0;
    for input in inputs {
        let Some(model) = &input.loaded.model else { continue };
        count += 1;
        for show in SHOWN {
            wrong.extend(again(input, model, "dump.conf", |model| dump::conf(model, show)));
            wrong.extend(again(input, model, "dump.json", |model| dump::json(model, show)));
        }
    }
    println!("{count} of {} inputs have a model", inputs.len());
    let faults = wrong.len();
    wrong.truncate(5);
    assert!(wrong.is_empty(), "{faults} faults, the first:\n{}", wrong.join("\n"));
}

#[test]
fn files_of_others() {
    round_trips(&corpus());
}

#[test]
fn golden_inputs_and_examples() {
    round_trips(&folder("tests/golden"));
    round_trips(&folder("tests/golden/pairs"));
    round_trips(&folder("conf-examples"));
}

#[test]
fn the_example_of_every_keyword() {
    round_trips(&every_example());
}
