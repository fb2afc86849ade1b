//! Every word of the language: where it is legal, what it takes, what it means, and how far this version goes
//! with it.
//!
//! In: a block and a word. Out: the row, the nearest legal word, or the block where the word belongs. The rows
//! are data, in [`keywords/`](self), one file per area; `directord --check`, the manual and the reference
//! pages all read the same ones.

mod absent;
mod args;
mod checkers;
pub mod examples;
mod globals;
mod habits;
mod language;
mod lines;
mod lvs;
mod notation;
mod range;
pub mod shape;
mod track;
mod values;
mod vrrp;

use std::collections::BTreeMap;
use std::sync::LazyLock;

pub use absent::{Absent, Value as AbsentValue};
use args::Args;
use notation::Part;
use range::Range;
use shape::Shape;

/// One word at one place, as the files of the table have it.
#[derive(Debug)]
struct Row {
    /// See [`Keyword::path`]; of what several blocks have alike, the word alone.
    path: &'static str,
    args: Args,
    default: Absent,
    range: Range,
    doc: &'static str,
    since: &'static str,
    /// `None`: that of the block.
    status: Option<Status>,
}

/// One word at one place. Its texts are made when they are asked for: most are never.
#[derive(Debug, Clone, Copy)]
pub struct Keyword {
    /// Blocks and the word, parted by `/`. A first part in parentheses is no block but a kind of line:
    /// `(ADDRESS)/dev`.
    pub path: &'static str,
    /// How far this version goes.
    pub status: Status,
    /// The last part of the path.
    word: &'static str,
    row: &'static Row,
    says_more: bool,
}

/// How far this version goes with a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It has no effect anywhere; the reason.
    Ignored(&'static str),
    /// It works.
    Implemented,
    /// It is known but has no effect yet; the consequence.
    NotYet(&'static str),
    /// Loading without it would be dangerous; the consequence.
    LeftOut(&'static str),
    /// It works, and is written otherwise today.
    Replaced(&'static str),
}

impl Status {
    /// What is in a block of this status has no effect either.
    pub fn is_silent(self) -> bool {
        matches!(self, Self::Ignored(_) | Self::NotYet(_) | Self::LeftOut(_))
    }
}

impl Keyword {
    /// What follows the word, as the reference writes it.
    pub fn args(&self) -> String {
        self.row.args.notation(self.row.range.is_seconds())
    }

    /// What counts when the word is absent, as the reference writes it.
    pub fn default(&self) -> String {
        self.row.default.text()
    }

    /// The same, as a value.
    pub fn absent(&self) -> Absent {
        self.row.default
    }

    /// Range, unit and peculiarities.
    pub fn range(&self) -> String {
        self.row.range.text()
    }

    /// What it means, in one line.
    pub fn doc(&self) -> &'static str {
        self.row.doc
    }

    /// The keepalived version that brought it, when known.
    pub fn since(&self) -> &'static str {
        self.row.since
    }

    /// The smallest and the largest number that are taken, in millionths; `None` where the table sets no limit.
    pub fn bounds(&self) -> (Option<i64>, Option<i64>) {
        self.row.range.bounds()
    }

    /// What values are taken, as messages say it: `1..255`; empty where the table sets no limit.
    pub fn limits(&self) -> String {
        self.row.range.limits()
    }

    /// The word itself.
    pub fn word(&self) -> &'static str {
        self.word
    }

    /// The block it stands in, by path; empty at the root.
    pub fn block(&self) -> &'static str {
        self.path.rsplit_once('/').map_or("", |(block, _)| block)
    }

    /// Whether braces follow it.
    pub fn is_block(&self) -> bool {
        self.row.args.opens_block()
    }

    /// Whether a program to run follows it.
    pub fn takes_script(&self) -> bool {
        matches!(self.first(), Some(Shape::Command | Shape::Script))
    }

    /// What the first value behind it is.
    pub fn first(&self) -> Option<Shape> {
        notation::first(self.shape(), self.parts())
    }

    /// The smallest and the largest number behind the option `option` of its line; the row may say it for all of them.
    pub fn bounds_of(&self, option: &str) -> Option<(i64, i64)> {
        let row = || {
            let (low, high) = self.bounds();
            low.zip(high).map(|(low, high)| (low / 1_000_000, high / 1_000_000))
        };
        notation::limits(self.parts(), option).or_else(row)
    }

    /// Whether one word stands behind it, whatever it is.
    pub fn takes_one_text(&self) -> bool {
        matches!(self.parts(), [Part::Called(_, Shape::Text(_)) | Part::Value(Shape::Text(_))])
    }

    fn parts(&self) -> &'static [Part] {
        self.row.args.parts
    }

    /// How long its text may be; `None` where the table sets no limit.
    pub fn longest(&self) -> Option<usize> {
        self.row.range.longest()
    }

    /// The kind of the lines in its braces, whose words have rows of their own: `(ROUTE)`.
    pub fn lines(&self) -> Option<&'static str> {
        self.parts().iter().find_map(|part| match part {
            Part::LineOf(kind) | Part::Many(Part::LineOf(kind)) => Some(*kind),
            _ => None,
        })
    }

    /// The whole statement, where it has signs of its own: `$NAME=TEXT`.
    pub fn spelled(&self) -> Option<&'static str> {
        self.parts().iter().find_map(|part| match part {
            Part::Statement(text) => Some(*text),
            _ => None,
        })
    }

    /// The words that it lets one choose from, with what they mean where that is told.
    pub fn choices(&self) -> Vec<(&'static str, Option<&'static str>)> {
        let shape = match self.first() {
            Some(Shape::Choice(words)) => words,
            _ => &[],
        };
        let words = shape.iter().copied().chain(notation::choices(self.parts()));
        let told = |word: &str| {
            let alike = match self.word {
                "lvs_sched" => "lb_algo",
                "lvs_method" => "lb_kind",
                word => word,
            };
            values::VALUES.iter().find(|row| row.0 == alike && row.1 == word).map(|row| row.2)
        };
        words.map(|word| (word, told(word))).collect()
    }

    /// Whether its status tells of another consequence than that of the block around it, which runs without it.
    pub fn says_more(&self) -> bool {
        self.says_more
    }

    /// Whether the word may stand alone.
    pub fn may_stand_alone(&self) -> bool {
        match self.shape() {
            Some(shape) if !self.is_block() => shape.may_be_empty(self.parts()),
            _ => self.parts().iter().all(Part::may_be_empty),
        }
    }

    /// Whether the lines in its braces are data, not keywords.
    pub fn is_value_block(&self) -> bool {
        self.row.args.is_data()
    }
}

/// The root of the file.
pub const ROOT: BlockId = BlockId(0);

/// A block of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct BlockId(u16);

/// The word is legal here.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// Its row.
    pub keyword: &'static Keyword,
    /// The block that it opens.
    pub opens: Option<BlockId>,
}

/// The row of `word` in `block`.
pub fn lookup(block: BlockId, word: &str) -> Option<Found> {
    let words = &INDEX.blocks.get(usize::from(block.0))?.words;
    let at = words.binary_search_by(|(name, _)| order(name).cmp(&order(word))).ok()?;
    words.get(at).map(|(_, found)| *found)
}

/// By length, last and first letter before the whole: that tells most words of a block apart.
fn order(name: &str) -> (usize, u8, u8, &str) {
    let letter = |byte: Option<&u8>| byte.copied().unwrap_or(0);
    (name.len(), letter(name.as_bytes().last()), letter(name.as_bytes().first()), name)
}

/// Whether the lines of `block` are data.
pub fn is_value_block(block: BlockId) -> bool {
    INDEX.blocks.get(usize::from(block.0)).is_some_and(|block| block.data)
}

/// The word of `block` that `word` was most likely meant to be.
pub fn nearest(block: BlockId, word: &str) -> Option<&'static str> {
    let words = &INDEX.blocks.get(usize::from(block.0))?.words;
    closest(word, words.iter().map(|(name, _)| *name))
}

/// Whether `word` is one of `block` but for the case of its letters.
pub fn in_another_case(block: BlockId, word: &str) -> bool {
    let words = INDEX.blocks.get(usize::from(block.0)).map_or(&[][..], |block| &block.words);
    words.iter().any(|(name, _)| name.eq_ignore_ascii_case(word))
}

/// The candidate nearest to `word`, when it is near: a typing error in three characters at most, upper case, or another
/// word for the same.
pub fn closest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let lower = word.to_ascii_lowercase();
    let limit = (word.chars().count() / 3).clamp(1, 3);
    let meant = habits::meant(word);
    let distance = |name: &'a str| match meant.contains(&name) {
        true => (0, name),
        false => (edit_distance(&lower, &name.to_ascii_lowercase(), limit), name),
    };
    let (least, name) = candidates.map(distance).min()?;
    (least <= limit).then_some(name)
}

/// Every row of this word, wherever it is legal.
pub fn places(word: &str) -> &'static [&'static Keyword] {
    INDEX.places.get(word).map_or(&[], Vec::as_slice)
}

/// The row of an option in a kind of line: `line_option("(ADDRESS)", "dev")`.
pub fn line_option(line: &str, word: &str) -> Option<&'static Keyword> {
    INDEX.lines.iter().find(|row| row.block() == line && row.word() == word).copied()
}

/// The option of a kind of line that `word` was most likely meant to be.
pub fn nearest_option(line: &str, word: &str) -> Option<&'static str> {
    closest(word, INDEX.lines.iter().filter(|row| row.block() == line).map(|row| row.word()))
}

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Keyword> {
    TABLE.iter()
}

/// Insertions, deletions, substitutions and swaps of neighbours; anything above `limit` when it is above.
fn edit_distance(a: &str, b: &str, limit: usize) -> usize {
    let a: Vec<char> = a.chars().take(64).collect();
    let b: Vec<char> = b.chars().take(64).collect();
    if a.len().abs_diff(b.len()) > limit {
        return limit + 1;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    let mut previous_a = None;
    for (i, ca) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        let mut previous_b = None;
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX / 2);
            let mut best =
                (at(&last, j + 1) + 1).min(at(&row, j) + 1).min(at(&last, j) + usize::from(ca != cb));
            if previous_a == Some(cb) && previous_b == Some(ca) {
                best = best.min(at(&before_last, j - 1) + 1);
            }
            row.push(best);
            previous_b = Some(cb);
        }
        if row.iter().all(|distance| *distance > limit) {
            return limit + 1;
        }
        previous_a = Some(ca);
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

struct Block {
    /// In the order of [`order`].
    words: Vec<(&'static str, Found)>,
    data: bool,
}

struct Index {
    blocks: Vec<Block>,
    places: BTreeMap<&'static str, Vec<&'static Keyword>>,
    /// Options of lines.
    lines: Vec<&'static Keyword>,
}

/// The table, with paths and texts made once.
static TABLE: LazyLock<Vec<Keyword>> = LazyLock::new(table);

static INDEX: LazyLock<Index> = LazyLock::new(build);

fn build() -> Index {
    let rows = || all().filter(|keyword| !keyword.path.starts_with('('));
    let mut ids = BTreeMap::from([("", ROOT)]);
    let mut blocks = vec![Block { words: Vec::new(), data: false }];
    for keyword in rows().filter(|keyword| keyword.is_block()) {
        let id = BlockId(u16::try_from(blocks.len()).unwrap_or(u16::MAX));
        blocks.push(Block { words: Vec::new(), data: keyword.is_value_block() });
        ids.insert(keyword.path, id);
    }
    let mut places: BTreeMap<&'static str, Vec<&'static Keyword>> = BTreeMap::new();
    for keyword in rows() {
        let found = Found { keyword, opens: ids.get(keyword.path).copied() };
        let block = ids.get(keyword.block()).and_then(|id| blocks.get_mut(usize::from(id.0)));
        if let Some(block) = block {
            block.words.push((keyword.word(), found));
            places.entry(keyword.word()).or_default().push(keyword);
        }
    }
    for block in &mut blocks {
        block.words.sort_by_key(|(name, _)| order(name));
    }
    let lines = all().filter(|keyword| keyword.path.starts_with('(')).collect();
    Index { blocks, places, lines }
}

fn table() -> Vec<Keyword> {
    let mut table: Vec<Keyword> = Vec::new();
    let mut statuses: BTreeMap<&'static str, Status> = BTreeMap::new();
    let mut add = |block: &str, row: &'static Row| {
        let path = match block {
            "" => row.path,
            block => leaked(format!("{block}/{}", row.path)),
        };
        let (block, word) = path.rsplit_once('/').unwrap_or(("", path));
        let keyword = row.at(path, word, statuses.get(block).copied());
        if keyword.is_block() {
            statuses.insert(path, keyword.status);
        }
        table.push(keyword);
    };
    for row in [globals::ROWS, track::ROWS, vrrp::ROWS, lvs::ROWS].into_iter().flatten() {
        add("", row);
    }
    for (block, lists) in checkers::CHECKS {
        lists.iter().copied().flatten().for_each(|row| add(block, row));
    }
    for row in [lines::ROWS, language::ROWS].into_iter().flatten() {
        add("", row);
    }
    table
}

/// A text of the table, which lasts as long as the program.
fn leaked(text: String) -> &'static str {
    if text.is_empty() {
        return "";
    }
    Box::leak(text.into_boxed_str())
}

impl Row {
    /// `block`: how far this version goes with the block around it.
    fn at(&'static self, path: &'static str, word: &'static str, block: Option<Status>) -> Keyword {
        let status = match (self.status, block) {
            // In a block that has no effect nothing has any.
            (Some(Status::NotYet(_)), Some(block)) if path != self.path && block.is_silent() => block,
            (Some(own), _) => own,
            (None, block) => block.unwrap_or(Status::Implemented),
        };
        let says_more = matches!(block, Some(Status::NotYet(_))) && block != Some(status);
        Keyword { path, status, word, row: self, says_more }
    }
}

const fn row(
    path: &'static str,
    args: Args,
    default: Absent,
    range: Range,
    doc: &'static str,
    since: &'static str,
    status: Status,
) -> Row {
    Row { path, args, default, range, doc, since, status: Some(status) }
}

/// A row with the status of its block.
const fn part(
    path: &'static str,
    args: Args,
    default: Absent,
    range: Range,
    doc: &'static str,
    since: &'static str,
) -> Row {
    Row { path, args, default, range, doc, since, status: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_twice_and_every_block_is_there() {
        let mut paths: Vec<_> = all().map(|keyword| keyword.path).collect();
        let count = paths.len();
        assert!(count >= 668, "{count}");
        paths.sort_unstable();
        paths.dedup();
        assert_eq!(paths.len(), count);
        for keyword in all().filter(|keyword| !keyword.path.starts_with('(')) {
            let block = keyword.block();
            assert!(
                block.is_empty() || all().any(|other| other.path == block && other.is_block()),
                "{block}"
            );
            assert!(!keyword.doc().is_empty(), "{}", keyword.path);
        }
    }

    #[test]
    fn lookups() {
        let server = lookup(ROOT, "virtual_server").and_then(|found| found.opens).unwrap();
        assert!(lookup(server, "real_server").is_some());
        assert!(lookup(ROOT, "real_server").is_none());
        assert_eq!(places("real_server").len(), 1);
        assert_eq!(nearest(ROOT, "virtual_sever"), Some("virtual_server"));
        assert_eq!(nearest(server, "dealy_loop"), Some("delay_loop"));
        assert_eq!(nearest(server, "LB_ALGO"), Some("lb_algo"));
        assert_eq!(nearest(server, "shiny_thing"), None);
    }

    #[test]
    fn distances() {
        assert_eq!(edit_distance("abcd", "abdc", 3), 1);
        assert_eq!(edit_distance("", "ab", 3), 2);
        assert_eq!(edit_distance("kitten", "sitting", 3), 3);
        assert_eq!(edit_distance("a", "abcdef", 3), 4);
    }
}
