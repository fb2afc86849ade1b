//! What a diagnostic offers to write instead mends what it names: each fix of the golden files and of the corpus is applied,
//! and the file is read again.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use directord::config::diagnostic::{Code, Diagnostic, Severity};
use directord::config::io::Disk;
use directord::config::source::{Files, ReadError};
use directord::config::{Loaded, Options, load};

#[path = "support/corpus.rs"]
mod support;

/// The disk, with another text in the place of one file.
struct Mended<'a> {
    path: &'a Path,
    text: String,
}

impl Files for Mended<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        if path == self.path { Ok(self.text.clone().into_bytes()) } else { Disk.read(path) }
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        Disk.matches(pattern)
    }

    fn is_executable(&self, path: &Path) -> bool {
        Disk.is_executable(path)
    }
}

/// What is said of one line: code and message.
fn said_of(loaded: &Loaded, file: &str, line: usize) -> BTreeSet<(Code, String)> {
    let at = |one: &&Diagnostic| {
        let mut spans = one.span.into_iter().chain(one.also.iter().copied());
        spans.any(|span| {
            let position = loaded.sources.position(span);
            position.file == file && position.line == line
        })
    };
    let grave = |one: &&Diagnostic| one.severity >= Severity::Lint;
    loaded.diagnostics.iter().filter(at).filter(grave).map(|one| (one.code, one.message.clone())).collect()
}

/// Applies each fix alone; the faults of those that do not mend. The second: how many there were.
fn faults(path: &Path, options: &Options) -> (Vec<String>, usize) {
    let loaded = load(path, &Disk, options);
    let (mut faults, mut tried) = (Vec::new(), 0);
    for one in &loaded.diagnostics {
        let Some(fix) = one.fix.as_ref().filter(|fix| !loaded.sources.is_expansion(fix.span)) else {
            continue;
        };
        let place = loaded.sources.position(fix.span);
        let text = loaded.sources.text_of(fix.span.source);
        let (start, end) = (fix.span.start as usize, fix.span.end as usize);
        let mended = format!("{}{}{}", &text[..start], fix.replacement, &text[end..]);
        let file = PathBuf::from(place.file);
        let again = load(path, &Mended { path: &file, text: mended }, options);
        tried += 1;
        let (before, after) =
            (said_of(&loaded, place.file, place.line), said_of(&again, place.file, place.line));
        let own = (one.code, one.message.clone());
        // Of the same mistake at several places of the line one is mended.
        let twice = one.also.iter().any(|span| loaded.sources.position(*span).line == place.line);
        if after.contains(&own) && !twice {
            faults.push(format!("{}:{}: {} {}: still said", place.file, place.line, one.code, one.message));
        }
        for (code, message) in after.difference(&before) {
            // A word of the same block that stands there twice now was there twice before.
            if *code == Code::Repeated || *code == Code::NotYet || *code == Code::LeftOut {
                continue;
            }
            faults.push(format!(
                "{}:{}: {} {}: `{}` for `{}` brings {code} {message}",
                place.file,
                place.line,
                one.code,
                one.message,
                fix.replacement,
                &text[start..end]
            ));
        }
    }
    (faults, tried)
}

fn golden() -> Vec<PathBuf> {
    let folders = ["tests/golden", "tests/golden/json", "tests/golden/pairs", "tests/golden/worst"];
    let read = |folder: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let mut found: Vec<PathBuf> = folders.into_iter().flat_map(read).collect();
    found.retain(|path| path.extension().is_some_and(|is| is == "conf" || is == "json"));
    found.sort();
    found
}

#[test]
fn fixes_of_the_golden_files_mend() {
    let options = Options { config_id: "lvs1".into(), ..Options::default() };
    let results: Vec<_> = golden().iter().map(|path| faults(path, &options)).collect();
    let tried: usize = results.iter().map(|(_, tried)| tried).sum();
    let faults: Vec<String> = results.into_iter().flat_map(|(faults, _)| faults).collect();
    assert!(tried > 40, "{tried} fixes");
    assert!(faults.is_empty(), "{} of {tried}:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn fixes_of_the_corpus_mend() {
    let Some(folder) = support::folder() else { return };
    let (mut all, mut tried) = (Vec::new(), 0);
    for row in support::rows(&folder) {
        let options = Options { config_id: row.config_id(), ..Options::default() };
        let (faults, fixes) = faults(&folder.join(row.get("file")), &options);
        all.extend(faults);
        tried += fixes;
    }
    assert!(tried > 100, "{tried} fixes");
    assert!(all.is_empty(), "{} of {tried}:\n{}", all.len(), all.join("\n"));
}
