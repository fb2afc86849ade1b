//! Real configurations against what keepalived 2.4.3 says of them.
//!
//! The files are not part of the project: `support/corpus.rs` says where they are looked for.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use directord::config::diagnostic::{Code, Diagnostic, Format, Severity};
use directord::config::format::format;
use directord::config::io::Disk;
use directord::config::source::Texts;
use directord::config::supported::runnable;
use directord::config::{Loaded, Options, load};

#[path = "support/corpus.rs"]
mod support;

use support::folder;

/// A file, and what keepalived says of it.
struct Row {
    file: String,
    config_id: String,
    verdict: String,
    /// Line, class and text of keepalived's messages, those of the environment left out.
    messages: Vec<(Option<usize>, String, String)>,
}

fn rows(folder: &Path) -> Vec<Row> {
    let message = |text: &str| {
        let mut parts = text.splitn(3, '|');
        let line = parts.next()?.parse().ok();
        Some((line, parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    let row = |row: support::Row| Row {
        file: row.get("file").to_owned(),
        config_id: row.config_id(),
        verdict: row.get("verdict_243").to_owned(),
        messages: (row.get("messages_243").split(" ; ").filter_map(message))
            .filter(|(_, class, _)| class != "environment")
            .collect(),
    };
    support::rows(folder).into_iter().map(row).collect()
}

/// So many percent of the files that keepalived refuses have our first error on the line of its first.
const FLOOR: usize = 95;

fn load_row(folder: &Path, row: &Row) -> Loaded {
    let options = Options { config_id: row.config_id.clone(), ..Options::default() };
    load(&folder.join(&row.file), &Disk, &options)
}

/// A message that makes keepalived refuse something.
fn is_refusal((_, class, _): &&(Option<usize>, String, String)) -> bool {
    matches!(&**class, "syntax" | "unknown-keyword" | "value")
}

/// Every diagnostic, with the lines of the file itself that it is about: its place, the places that explain it,
/// its other places.
fn places(loaded: &Loaded, path: &Path) -> Vec<(Severity, Code, BTreeSet<usize>)> {
    let path = path.display().to_string();
    let lines = |one: &Diagnostic| {
        let related = one.related.iter().map(|(span, _)| *span);
        let spans = one.span.into_iter().chain(related).chain(one.also.iter().copied());
        spans
            .map(|span| loaded.sources.position(span))
            .filter(|position| position.file == path)
            .map(|position| position.line)
            .collect()
    };
    loaded.diagnostics.iter().map(|one| (one.severity, one.code, lines(one))).collect()
}

#[test]
fn what_keepalived_says_of_the_corpus() {
    let Some(folder) = folder() else {
        println!("no corpus: ../shared/corpus is absent and DIRECTORD_CORPUS is not set; skipped");
        return;
    };
    let mut table: BTreeMap<String, [usize; 4]> = BTreeMap::new();
    let mut refused = Vec::new();
    let mut accepted = Vec::new();
    let mut elsewhere = Vec::new();
    let (mut rejected, mut on_the_line) = (0, 0);
    for row in rows(&folder) {
        let loaded = load_row(&folder, &row);
        for format in [Format::Human, Format::Json] {
            let _ = loaded.render(format, false);
        }
        let errors = loaded.has_errors();
        let blocked = loaded.left_out().next().is_some();
        let counts = table.entry(row.verdict.clone()).or_default();
        counts[0] += 1;
        counts[1] += usize::from(errors);
        counts[2] += usize::from(!errors && blocked);
        counts[3] += usize::from(!errors && !blocked);
        let lines: Vec<String> = loaded
            .diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .map(|one| {
                let line = one.span.map_or(0, |span| loaded.sources.position(span).line);
                format!("    {line}: {} {}", one.code, one.message)
            })
            .collect();
        match &*row.verdict {
            "clean" | "env-only" | "security-only" | "warn" if errors => {
                refused.push((row.verdict.clone(), format!("{}\n{}", row.file, lines.join("\n"))));
            }
            "reject" => {
                let path = folder.join(&row.file);
                let refused: Vec<_> = row.messages.iter().filter(is_refusal).collect();
                let said: Vec<String> = (refused.iter().take(4))
                    .map(|(line, class, text)| format!("    {}: [{class}] {text}", line.unwrap_or(0)))
                    .collect();
                // 2.4.3 ends a definition of several lines at a comment, 2.2.7 and this program do not.
                let told = [Code::Old, Code::Portable];
                let old = loaded.diagnostics.iter().any(|one| told.contains(&one.code));
                if !errors {
                    // What only one of the two versions refuses, and what needs another build of it, is no fault.
                    let build = refused.iter().all(|(_, _, text)| {
                        text.contains("vrrp_ipsets")
                            || text.starts_with("Truncating")
                            || text.contains("setting to 1")
                            || text.starts_with("Invalid smtp server")
                    });
                    if !old && !build {
                        accepted.push(format!("{}\n{}", row.file, said.join("\n")));
                    }
                    continue;
                }
                rejected += 1;
                let lines_of_theirs: BTreeSet<usize> =
                    (refused.first().and_then(|(line, ..)| *line).into_iter())
                        .chain(refused.iter().filter_map(|(line, ..)| *line).min())
                        .collect();
                let places = places(&loaded, &path);
                let near = |lines: &BTreeSet<usize>| lines.iter().any(|line| lines_of_theirs.contains(line));
                let first = places
                    .iter()
                    .find(|(severity, code, _)| *severity == Severity::Error || *code == Code::Old);
                // Of a definition that ends at a comment they mention the line behind it.
                let comment = places.iter().any(|(_, code, lines)| {
                    *code == Code::Portable && near(&lines.iter().map(|line| line + 1).collect())
                });
                if lines_of_theirs.is_empty() || comment || first.is_some_and(|(_, _, lines)| near(lines)) {
                    on_the_line += 1;
                } else {
                    elsewhere.push(format!(
                        "{}\n{}\n  ours:\n{}",
                        row.file,
                        said.join("\n"),
                        lines[..lines.len().min(4)].join("\n")
                    ));
                }
            }
            _ => {}
        }
    }
    println!("verdict of keepalived 2.4.3: files, with errors, with parts that do not run, run whole");
    for (verdict, [files, errors, blocked, runs]) in &table {
        println!("{verdict:>14}: {files:4} {errors:4} {blocked:4} {runs:4}");
    }
    println!("first error on the line of keepalived's first message: {on_the_line} of {rejected}");
    println!("-- warn: refused here");
    refused.iter().filter(|(verdict, _)| verdict == "warn").for_each(|(_, text)| println!("{text}"));
    println!("-- reject: accepted here");
    accepted.iter().for_each(|text| println!("{text}"));
    println!("-- reject: first error elsewhere");
    elsewhere.iter().for_each(|text| println!("{text}"));
    let wrongly: Vec<&str> =
        refused.iter().filter(|(verdict, _)| verdict != "warn").map(|(_, text)| &**text).collect();
    assert!(
        accepted.is_empty(),
        "{} accepted that keepalived refuses:\n{}",
        accepted.len(),
        accepted.join("\n")
    );
    assert!(on_the_line * 100 >= rejected * FLOOR, "{on_the_line} of {rejected}");
    assert!(wrongly.is_empty(), "{} refused that keepalived accepts:\n{}", wrongly.len(), wrongly.join("\n"));
}

/// A start comes up with every file that keepalived comes up with, and runs all of it that this version can run.
#[test]
fn what_a_start_runs_of_the_corpus() {
    let Some(folder) = folder() else { return };
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut files, mut whole) = (0, 0);
    for row in rows(&folder) {
        let loaded = load_row(&folder, &row);
        let include = loaded.diagnostics.iter().any(|one| one.code == Code::Include);
        let Some(model) = loaded.model.as_ref().or(loaded.degraded.as_ref()) else {
            // Only an include that is checked stops keepalived, too.
            assert!(include, "{}: {}", row.file, loaded.render(Format::Line, false));
            continue;
        };
        let runnable = runnable(model);
        files += 1;
        whole += usize::from(runnable.left_out.is_empty());
        runnable.left_out.iter().for_each(|one| *reasons.entry(one.why).or_default() += 1);
        let parts = runnable.instances.len() + runnable.virtual_servers.len();
        let configured = model.instances.len() + model.virtual_servers.len();
        assert!(parts + runnable.left_out.len() >= configured, "{}", row.file);
    }
    println!("a start runs {files} files, {whole} of them with every part");
    reasons.iter().for_each(|(why, count)| println!("{count:5} {why}"));
}

/// Of the files that keepalived runs, so many percent run with every word in effect.
const WHOLE: usize = 99;

/// What stands in the way of the others is printed: each word, and how often it is the only one.
#[test]
fn share_of_files_that_run_whole() {
    let Some(folder) = folder() else { return };
    let mut words: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let (mut files, mut whole) = (0, 0);
    for row in rows(&folder).into_iter().filter(|row| row.verdict != "reject") {
        let loaded = load_row(&folder, &row);
        if loaded.has_errors() {
            continue;
        }
        let missing = |one: &&Diagnostic| matches!(one.code, Code::NotYet | Code::LeftOut);
        let missing: BTreeSet<String> =
            loaded.diagnostics.iter().filter(missing).map(|one| one.message.clone()).collect();
        files += 1;
        whole += usize::from(missing.is_empty());
        for word in &missing {
            let (all, alone) = words.entry(word.clone()).or_default();
            *all += 1;
            *alone += usize::from(missing.len() == 1);
        }
    }
    println!("{whole} of {files} files run whole, {} %", whole * 100 / files);
    let mut words: Vec<_> = words.into_iter().map(|(word, (all, alone))| (alone, all, word)).collect();
    words.sort_unstable();
    words.iter().rev().for_each(|(alone, all, word)| println!("{all:5} {alone:5} alone: {word}"));
    assert!(whole * 100 >= files * WHOLE, "{whole} of {files} files run whole: it was {WHOLE} % before");
}

/// The canonical layout of every file, in a copy of the folder: the same model and the same complaints, and the
/// layout of it is itself.
#[test]
fn layouts_of_the_corpus() {
    let Some(folder) = folder() else { return };
    let rows = rows(&folder);
    let copy = tempfile::tempdir().unwrap();
    for row in &rows {
        let to = copy.path().join(&row.file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(folder.join(&row.file), to).unwrap();
    }
    let said = |loaded: &Loaded| -> Vec<_> {
        let said = loaded.diagnostics.iter().map(|one| (one.code, one.message.clone()));
        // The layout sets a comment apart from the word in front of it.
        let apart = |message: &str| message == "the password ends at this comment sign";
        said.filter(|(code, message)| *code != Code::Portable && !apart(message)).collect()
    };
    let before: Vec<Loaded> = rows.iter().map(|row| load_row(copy.path(), row)).collect();
    let mut refused = 0;
    for row in &rows {
        let path = copy.path().join(&row.file);
        match format(&row.file, std::fs::read(&path).unwrap()) {
            Ok(text) => {
                assert_eq!(format(&row.file, text.clone().into_bytes()).unwrap(), text, "{}", row.file);
                std::fs::write(&path, text).unwrap();
            }
            Err(why) => {
                refused += 1;
                println!("{}", why.render(Format::Line, false));
            }
        }
    }
    for (row, before) in rows.iter().zip(&before) {
        let after = load_row(copy.path(), row);
        assert_eq!(said(before), said(&after), "{}", row.file);
        assert!(before.model == after.model, "{}", row.file);
    }
    println!("{refused} of {} left alone", rows.len());
    assert!(refused * 50 < rows.len(), "{refused} of {}", rows.len());
}

/// Pieces cut, dropped and doubled: nothing panics or hangs, and a model comes only without an error.
#[test]
fn damaged_files_of_the_corpus() {
    let Some(folder) = folder() else { return };
    let seed = 2_043;
    let mut random = fastrand::Rng::with_seed(seed);
    for row in rows(&folder) {
        let text = String::from_utf8_lossy(&std::fs::read(folder.join(&row.file)).unwrap()).into_owned();
        let lines: Vec<&str> = text.lines().collect();
        if lines.is_empty() || text.len() > 60_000 {
            continue;
        }
        for round in 0..8 {
            let at = (0..=random.usize(..text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let line = random.usize(..lines.len());
            let damaged = match random.u8(..5) {
                0 => text[..at].to_owned(),
                1 => format!("{}{}", &text[..at], text[at..].chars().skip(1).collect::<String>()),
                2 => [&lines[..line], &lines[line + 1..]].concat().join("\n"),
                3 => [&lines[..line], &lines[line..=line], &lines[line..]].concat().join("\n"),
                _ => {
                    let marks = ["{", "}", "\"", "'", "$", "-", "/", "0", "\\", " "];
                    let mark = marks[random.usize(..marks.len())];
                    format!("{}{mark}{}", &text[..at], &text[at..])
                }
            };
            let loaded = load(Path::new("t"), &Texts::one("t", &damaged), &Options::default());
            assert_eq!(
                loaded.model.is_none(),
                loaded.has_errors(),
                "{} seed {seed}, round {round}",
                row.file
            );
            let _ = loaded.render(Format::Human, false);
        }
    }
}
