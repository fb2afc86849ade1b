//! The table of words, and the codes, as pages to read.
//!
//! In: a word or a code. Out: plain text of at most 80 columns ([`keyword`], [`code`]), the whole reference
//! ([`markdown`]), the manual page ([`man`]), the schema of JSON ([`schema()`]). All of them come from the rows that the parser reads.

mod manual;
mod schema;
mod table;

use super::diagnostic::{Code, PAGES};
use super::keywords::shape::Shape;
use super::keywords::{Keyword, Status, all, closest, examples};

pub use manual::man;
pub use schema::schema;
pub use table::{count, markdown};

const WIDTH: usize = 80;

/// The page of a word, or of a path such as `real_server/weight`; `None` when there is no such word.
pub fn keyword(name: &str) -> Option<String> {
    let suffix = format!("/{name}");
    let rows: Vec<_> = all().filter(|row| row.path == name || row.path.ends_with(&suffix)).collect();
    let mut groups: Vec<Vec<&'static Keyword>> = Vec::new();
    for row in rows {
        match groups.iter_mut().find(|group| group.first().is_some_and(|first| alike(first, row))) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    let sections: Vec<String> = groups.iter().filter_map(|group| section(group)).collect();
    (!sections.is_empty()).then(|| sections.join("\n"))
}

/// The page of a word that a keyword lets one choose from, such as `rr` or `DR`; `None` when there is no such word.
pub fn value(name: &str) -> Option<String> {
    let mut sections: Vec<String> = Vec::new();
    let mut told: Vec<&str> = Vec::new();
    for row in all().filter(|row| !row.path.starts_with('(')) {
        if told.contains(&row.word()) {
            continue;
        }
        let found = row.choices().into_iter().find(|(word, _)| *word == name);
        let Some((_, meaning)) = found else { continue };
        told.push(row.word());
        let mut text = format!("{name}  a value of {}\n", row.word());
        if let Some(meaning) = meaning {
            text += &format!("\n{}", wrapped(&sentence(meaning), 4, 4));
        }
        sections.push(text + &format!("\n{}", section(&[row])?));
    }
    (!sections.is_empty()).then(|| sections.join("\n"))
}

/// The page of a code.
pub fn code(code: Code) -> Option<String> {
    let page = code.page()?;
    let mut text = format!("{code}  {}\n\n", page.title);
    text += &wrapped(page.meaning, 4, 4);
    if !page.wrong.is_empty() {
        text += &format!("\n    Example:\n\n{}", indented(page.wrong, 8));
    }
    text += &format!("\n{}", wrapped(&format!("To mend it: {}", page.mend), 4, 4));
    if !page.right.is_empty() {
        text += &format!("\n{}", indented(page.right, 8));
    }
    Some(text)
}

/// Words and codes that `name` may have been meant to be; the nearest first.
pub fn near(name: &str) -> Vec<String> {
    const SHOWN: usize = 6;
    let lower = name.to_ascii_lowercase();
    let values = all().flat_map(|row| row.choices().into_iter().map(|(word, _)| word));
    let words: std::collections::BTreeSet<&str> = all().map(Keyword::word).chain(values).collect();
    let codes: Vec<String> = PAGES.iter().map(|page| page.code.to_string()).collect();
    let mut found: Vec<String> = Vec::new();
    found.extend(closest(name, words.iter().copied()).map(str::to_owned));
    found.extend(closest(name, codes.iter().map(String::as_str)).map(str::to_owned));
    let holds = |word: &&str| lower.len() > 2 && word.to_ascii_lowercase().contains(&lower);
    found.extend(words.iter().copied().filter(holds).map(str::to_owned));
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|word| seen.insert(word.clone()));
    found.truncate(SHOWN);
    found
}

/// How far this version goes with a word.
pub fn status(status: Status) -> String {
    match status {
        Status::Ignored(why) => format!("accepted, without effect: {why}"),
        Status::Implemented => "implemented".to_owned(),
        Status::NotYet(consequence) => format!("accepted, without effect in this version: {consequence}"),
        Status::LeftOut(consequence) => {
            format!("not in this version: what has it does not run; without it, {consequence}")
        }
        Status::Replaced(today) => format!("an old word, read as {today}"),
    }
}

/// The block of a row, for people.
fn place(row: &Keyword) -> String {
    match row.block() {
        "" => "the root of the file".to_owned(),
        "(language)" => "any file, read before the blocks".to_owned(),
        "(ADDRESS)" => "lines of virtual_ipaddress, static_ipaddress".to_owned(),
        "(ROUTE)" => "lines of virtual_routes, static_routes".to_owned(),
        "(NEXTHOP)" => "a nexthop of a route".to_owned(),
        "(ENCAP)" => "encap of a route".to_owned(),
        "(RULE)" => "lines of virtual_rules, static_rules".to_owned(),
        line if line.starts_with('(') => {
            format!("lines of {}", line.trim_matches(['(', ')']).replace("IF", "INTERFACE").to_lowercase())
        }
        block => block.replace('/', " > "),
    }
}

/// Whether two places of a word differ in nothing else.
fn alike(one: &Keyword, other: &Keyword) -> bool {
    let rest = |row: &Keyword| (row.args(), row.default(), row.range(), row.doc(), row.since(), row.status);
    rest(one) == rest(other) && !one.path.starts_with('(') && !other.path.starts_with('(')
}

fn section(rows: &[&'static Keyword]) -> Option<String> {
    let row = rows.first()?;
    let mut text = wrapped(&usage(row), 0, 8);
    text += &format!("\n{}\n", wrapped(&sentence(row.doc()), 4, 4));
    let places: Vec<String> = rows.iter().map(|row| place(row)).collect();
    let mut field = |name: &str, value: &str| {
        if !value.is_empty() {
            let lines = wrapped(value, 15, 15);
            text += &format!("    {name:<11}{}", lines.trim_start());
        }
    };
    let (first, others) = places.split_first()?;
    field("In", first);
    for place in others {
        field("", place);
    }
    field("Range", &row.range());
    field("Default", &row.default());
    field(
        "Since",
        &if row.since().is_empty() { String::new() } else { format!("keepalived {}", row.since()) },
    );
    field("Status", &status(row.status));
    field("Holds", &holds(row).join(", "));
    text += &format!("\n    Example:\n\n{}", indented(&examples::file(row), 8));
    Some(text)
}

/// The words of a block, or of its lines.
fn holds(row: &Keyword) -> Vec<&'static str> {
    let inner = all().filter(|other| {
        let block = other.block();
        row.is_block() && (block == row.path || (row.is_value_block() && row.lines() == Some(block)))
    });
    inner.map(Keyword::word).collect()
}

/// The word with its arguments, as one writes it.
fn usage(row: &Keyword) -> String {
    match row.spelled() {
        Some(statement) => statement.to_owned(),
        None if row.shape() == Some(Shape::Flag) => row.word().to_owned(),
        // The word stands for a value: `<IP>`.
        None if row.word().starts_with('<') => row.args(),
        None => format!("{} {}", row.word(), row.args()),
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|c| c.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}

/// Words in lines of at most [`WIDTH`] columns: `first` blanks before the first line, `next` before others.
fn wrapped(text: &str, first: usize, next: usize) -> String {
    let mut lines = String::new();
    let mut line = " ".repeat(first);
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && line.chars().count() + 1 + word.chars().count() > WIDTH {
            lines += &line;
            lines += "\n";
            line = " ".repeat(next);
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line += word;
        empty = false;
    }
    lines + &line + "\n"
}

fn indented(text: &str, by: usize) -> String {
    let blanks = " ".repeat(by);
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("{blanks}{line}\n") }).collect()
}

/// The blocks in the order of the table, each with its rows. The root is the first.
fn blocks() -> Vec<(&'static str, Vec<&'static Keyword>)> {
    let mut blocks: Vec<(&'static str, Vec<&'static Keyword>)> = vec![("", Vec::new())];
    for row in all() {
        match blocks.iter_mut().find(|(block, _)| *block == row.block()) {
            Some((_, rows)) => rows.push(row),
            None => blocks.push((row.block(), vec![row])),
        }
    }
    blocks
}
