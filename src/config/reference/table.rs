//! `docs/keywords.md`: every word by block, and every code.

use std::fmt::Write as _;

use super::{blocks, place, sentence, status, usage};
use crate::config::diagnostic::PAGES;
use crate::config::keywords::{Keyword, Status, all, examples};

/// How many words of the language are implemented, and how many there are.
pub fn count() -> (usize, usize) {
    let implemented = all().filter(|row| matches!(row.status, Status::Implemented)).count();
    (implemented, all().count())
}

/// The whole reference.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    let (implemented, words) = count();
    let _ = writeln!(text, "{implemented} of {words} words are implemented.\n");
    for (block, rows) in blocks() {
        let title = match (rows.first(), block.starts_with('(')) {
            (Some(row), true) => format!("{}: {}", block.trim_matches(['(', ')']), place(row)),
            _ if block.is_empty() => "The root of the file".to_owned(),
            _ => block.replace('/', " > "),
        };
        let _ = writeln!(text, "## {}\n", plain(&title));
        text += "| Word | Meaning | Range | Default | Since | Status | Example |\n|---|---|---|---|---|---|---|\n";
        for row in rows {
            line(&mut text, row);
        }
        text += "\n";
    }
    text += "## Codes of diagnostics\n\n| Code | Meaning | To mend it |\n|---|---|---|\n";
    for page in PAGES.iter() {
        let _ = writeln!(
            text,
            "| {} | {}. {} | {} |",
            page.code,
            plain(page.title),
            plain(page.meaning),
            plain(page.mend)
        );
    }
    text
}

fn line(text: &mut String, row: &Keyword) {
    let example = examples::statement(row);
    let example: Vec<&str> = example.lines().map(str::trim).collect();
    let _ = writeln!(
        text,
        "| {} | {} | {} | {} | {} | {} | {} |",
        quoted(&usage(row)),
        plain(&sentence(row.doc())),
        plain(&row.range()),
        plain(&row.default()),
        row.since(),
        plain(&status(row.status)),
        example.iter().map(|line| quoted(line)).collect::<Vec<_>>().join("<br>"),
    );
}

/// Text in a cell.
fn plain(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('*', "\\*").replace('_', "\\_")
}

/// Code in a cell.
fn quoted(text: &str) -> String {
    format!("`{}`", text.replace('|', "\\|"))
}

const HEAD: &str = "\
# Every word of the configuration

Made from the table that the parser reads: change `src/config/keywords/`, then `BLESS=1 cargo test --test reference`.
`directord explain WORD` shows the same with a whole example, `directord explain D0015` a code.

Types: `<BOOL>?` is on, true, yes, off, false, no, or nothing, which is on; `<TIMER>` is seconds with an optional
fraction; `<SCRIPT>` is one word, in double quotes when it has arguments; (flag) takes nothing.

";
