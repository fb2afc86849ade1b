//! Texts and places in them.
//!
//! In: bytes of files, as a [`Files`] hands them out. Out: [`Span`]s, and from a span its text and its
//! `file:line:column`. Lines that come out of an expansion (of a line with `$NAME` in it) stand in a source of
//! their own that remembers where each was used, so every word of the configuration is a slice of some source
//! and every span leads back to a line that somebody wrote.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::pattern;

/// Largest file that is read.
pub const MAX_FILE: usize = 64 << 20;

/// One text of [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceId(u32);

/// A stretch of bytes of one source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The text.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// The byte after the last.
    pub end: u32,
}

impl Span {
    /// From the start of `self` to the end of `other`; `self` when they are in different sources.
    pub fn to(self, other: Self) -> Self {
        if self.source == other.source { Self { end: other.end.max(self.end), ..self } } else { self }
    }
}

/// A place for people: lines and columns count from 1, columns in characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position<'a> {
    /// Name of the file, as it was asked for.
    pub file: &'a str,
    /// Line.
    pub line: usize,
    /// Column; behind the first 64 KiB of a line it counts bytes.
    pub column: usize,
}

/// Where columns start to count bytes.
const FAR: usize = 64 << 10;

#[derive(Debug)]
struct Source {
    name: String,
    text: String,
    /// Byte offset of the first character of each line; made when it is needed.
    lines: OnceLock<Vec<u32>>,
    /// JSON: words are strings, without quotes and escapes of keepalived.conf.
    json: bool,
}

impl Source {
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
            let mut lines = Vec::with_capacity(ends.clone().count() + 1);
            lines.push(0);
            lines.extend(ends.map(|(at, _)| offset(at + 1)));
            lines
        })
    }
}

/// The lines that nobody wrote, one after the other.
#[derive(Debug, Default)]
struct Expansions {
    text: String,
    /// Where each starts, and where it was expanded.
    origins: Vec<(u32, Span)>,
}

/// The source of the lines that nobody wrote.
const EXPANSIONS: SourceId = SourceId(u32::MAX);

/// Every text of one load.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<Source>,
    expansions: Expansions,
}

impl Sources {
    /// Adds a file. Bytes that are no UTF-8 become U+FFFD; a byte order mark stays, for the lexer to skip.
    pub fn add_file(&mut self, name: &str, bytes: Vec<u8>) -> SourceId {
        let text = String::from_utf8(bytes)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned());
        self.files.push(Source { name: name.to_owned(), text, lines: OnceLock::new(), json: false });
        SourceId(offset(self.files.len() - 1))
    }

    /// Adds a file of JSON.
    pub fn add_json(&mut self, name: &str, bytes: Vec<u8>) -> SourceId {
        let id = self.add_file(name, bytes);
        if let Some(source) = self.files.last_mut() {
            source.json = true;
        }
        id
    }

    /// Whether the configuration is one of JSON.
    pub fn is_json(&self) -> bool {
        self.files.first().is_some_and(|source| source.json)
    }

    /// Adds a line that the line at `origin`, which stands in a file, expands to.
    pub fn add_expansion(&mut self, text: &str, origin: Span) -> Span {
        let all = &mut self.expansions;
        let start = offset(all.text.len());
        all.text.push_str(text);
        let end = offset(all.text.len());
        all.text.push('\n');
        all.origins.push((start, origin));
        Span { source: EXPANSIONS, start, end }
    }

    /// The files, in the order in which they were read; the main file is the first.
    pub(super) fn files(&self) -> impl Iterator<Item = (SourceId, &str)> {
        self.files.iter().enumerate().map(|(index, file)| (SourceId(offset(index)), file.text.as_str()))
    }

    /// Whether a file of this name was read.
    pub(super) fn has_file(&self, name: &str) -> bool {
        self.files.iter().any(|file| file.name == name)
    }

    /// Bytes of all texts: what was read, and what definitions became.
    pub fn bytes(&self) -> usize {
        self.files.iter().map(|file| file.text.len()).sum::<usize>() + self.expansions.text.len()
    }

    /// The whole text of a source.
    pub fn text_of(&self, id: SourceId) -> &str {
        match id {
            EXPANSIONS => &self.expansions.text,
            id => self.source(id).map_or("", |source| &source.text),
        }
    }

    /// The text under a span.
    pub fn text(&self, span: Span) -> &str {
        self.text_of(span.source).get(span.start as usize..span.end as usize).unwrap_or("")
    }

    /// Puts stars in the place of a text that nobody may see.
    pub fn hide(&mut self, span: Span) {
        let text = match span.source {
            EXPANSIONS => &mut self.expansions.text,
            SourceId(at) => match self.files.get_mut(at as usize) {
                Some(file) => &mut file.text,
                None => return,
            },
        };
        let range = span.start as usize..span.end as usize;
        if let Some(length) = text.get(range.clone()).map(str::len) {
            text.replace_range(range, &"*".repeat(length));
        }
    }

    /// The comment behind a word, to the end of its line.
    pub fn comment_behind(&self, word: Span) -> Option<Span> {
        let text = self.text_of(word.source).get(word.end as usize..)?;
        let rest = text.split('\n').next()?;
        let sign = rest.find(['#', '!'])?;
        let end = word.end + offset(rest.len());
        Some(Span { start: word.end + offset(sign), end, ..word })
    }

    /// The span in a file that `span` comes from: itself, unless it lies in an expansion.
    pub fn written(&self, span: Span) -> Span {
        self.origin(span).map_or(span, |(_, origin)| origin)
    }

    /// Whether the span lies in an expansion.
    pub fn is_expansion(&self, span: Span) -> bool {
        span.source == EXPANSIONS
    }

    /// The whole line that nobody wrote around the span; empty when it lies in a file.
    pub fn line_of_expansion(&self, span: Span) -> &str {
        let start = self.origin(span).map(|(start, _)| start as usize);
        let line = start.and_then(|start| self.expansions.text.get(start..));
        line.and_then(|text| text.split('\n').next()).unwrap_or("")
    }

    fn origin(&self, span: Span) -> Option<(u32, Span)> {
        if span.source != EXPANSIONS {
            return None;
        }
        let origins = &self.expansions.origins;
        let after = origins.partition_point(|(start, _)| *start <= span.start);
        origins.get(after.checked_sub(1)?).copied()
    }

    /// Where the span starts, in the file that was written.
    pub fn position(&self, span: Span) -> Position<'_> {
        let span = self.written(span);
        let (line, start) = self.line_start(span);
        let before = self.text_of(span.source).get(start as usize..span.start as usize).unwrap_or("");
        let file = self.source(span.source).map_or("", |source| &source.name);
        // In a file of a single line every place is far from its start.
        let near = first_bytes(before, FAR);
        let far = before.len() - near.len();
        Position { file, line, column: near.chars().count() + far + 1 }
    }

    /// Number of blanks and tabs in front of the span, when nothing else stands there.
    pub fn indentation(&self, span: Span) -> Option<usize> {
        let span = self.written(span);
        let (_, start) = self.line_start(span);
        let before = self.text_of(span.source).get(start as usize..span.start as usize)?;
        // From the span back: a line may hold many blocks behind many blanks.
        let rest = before.trim_end_matches([' ', '\t']).trim_end_matches('\u{feff}');
        rest.is_empty().then(|| width(before))
    }

    /// Number of blanks and tabs that the line of the span starts with.
    pub fn line_indentation(&self, span: Span) -> usize {
        let span = self.written(span);
        let (_, start) = self.line_start(span);
        width(self.text_of(span.source).get(start as usize..span.start as usize).unwrap_or(""))
    }

    /// Line number (from 1) and offset of the line that holds the start of a written span.
    pub fn line_start(&self, span: Span) -> (usize, u32) {
        let Some(source) = self.source(span.source) else { return (1, 0) };
        let index = source.lines().partition_point(|start| *start <= span.start);
        (index.max(1), source.lines().get(index.saturating_sub(1)).copied().unwrap_or(0))
    }

    /// Offset of the first byte of line `number` (from 1), or the end of the text.
    pub fn line_offset(&self, id: SourceId, number: usize) -> u32 {
        let Some(source) = self.source(id) else { return 0 };
        let end = offset(source.text.len());
        source.lines().get(number.saturating_sub(1)).copied().unwrap_or(end)
    }

    fn source(&self, id: SourceId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }
}

/// Columns that the text takes up with the blanks at its start. Nobody indents further than it counts.
fn width(text: &str) -> usize {
    const MOST: usize = 1000;
    let width = |c: char| if c == '\t' { 8 } else { 1 };
    let text = text.trim_start_matches('\u{feff}');
    text.chars().take_while(|c| *c == ' ' || *c == '\t').take(MOST).map(width).sum()
}

/// The start of the text: at most so many bytes, and no half character.
pub(super) fn first_bytes(text: &str, most: usize) -> &str {
    let most = most.min(text.len());
    // A character has four bytes at most.
    let ends = most.saturating_sub(3)..=most;
    ends.rev().find_map(|end| text.get(..end)).unwrap_or("")
}

/// Offsets fit: a file is at most [`MAX_FILE`] long.
pub(super) fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Where texts come from. The real one is [`super::io::Disk`]; tests bring a [`Texts`].
pub trait Files {
    /// The bytes of a regular file of at most [`MAX_FILE`] bytes.
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError>;
    /// The files that a pattern of `include` names, in order; `{a,b}` and glob wildcards.
    fn matches(&self, pattern: &Path) -> Vec<PathBuf>;
    /// The folder that a pattern looks into and that cannot be listed; of a pattern that finds nothing.
    fn unread_folder(&self, _pattern: &Path) -> Option<(PathBuf, ReadError)> {
        None
    }
    /// Whether the file may be executed: keepalived reads no such file.
    fn is_executable(&self, path: &Path) -> bool;
}

/// Why a file cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// A link to a file that is not there.
    #[error("it is a link to a file that does not exist")]
    Dangling,
    /// A directory.
    #[error("it is a directory")]
    Directory,
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// Its owner may read it, and we are not its owner.
    #[error("permission denied: it belongs to user {owner} (mode {mode:04o})")]
    Denied {
        /// User id.
        owner: u32,
        /// Permissions.
        mode: u32,
    },
    /// A device, a pipe, a socket.
    #[error("it is no regular file")]
    NotRegular,
    /// Larger than [`MAX_FILE`].
    #[error("it is larger than {} MiB", MAX_FILE >> 20)]
    TooLarge,
    /// What the system says.
    #[error("{0}")]
    System(String),
}

/// Files that are in memory.
#[derive(Debug, Clone, Default)]
pub struct Texts(pub BTreeMap<PathBuf, Vec<u8>>);

impl Texts {
    /// One file.
    pub fn one(path: &str, text: &str) -> Self {
        Self(BTreeMap::from([(PathBuf::from(path), text.as_bytes().to_vec())]))
    }
}

impl Files for Texts {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        self.0.get(path).cloned().ok_or(ReadError::Missing)
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        let alternatives = pattern::alternatives(pattern.to_str().unwrap_or(""));
        let fitting = alternatives.iter().flat_map(|pattern| {
            self.0
                .keys()
                .filter(move |path| path.to_str().is_some_and(|path| pattern::fits_path(pattern, path)))
        });
        fitting.cloned().collect()
    }

    fn is_executable(&self, _: &Path) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions() {
        let mut sources = Sources::default();
        let id = sources.add_file("a", "one\n  zwölf drei\n".into());
        let span = Span { source: id, start: 13, end: 17 };
        assert_eq!(sources.text(span), "drei");
        assert_eq!(sources.position(span), Position { file: "a", line: 2, column: 9 });
        assert_eq!(sources.line_indentation(span), 2);
        let word = Span { source: id, start: 6, end: 12 };
        assert_eq!(sources.indentation(word), Some(2));
        assert_eq!(sources.indentation(span), None);
    }

    #[test]
    fn an_expansion_leads_back_to_its_use() {
        let mut sources = Sources::default();
        let id = sources.add_file("a", "x\n$Y z\n".into());
        let origin = Span { source: id, start: 2, end: 6 };
        sources.add_expansion("another", origin);
        let expanded = sources.add_expansion("why z", origin);
        sources.add_expansion("others", Span { start: 0, end: 1, ..origin });
        let word = Span { start: expanded.start + 4, ..expanded };
        assert_eq!((sources.text(expanded), sources.text(word)), ("why z", "z"));
        assert_eq!(sources.line_of_expansion(word), "why z");
        assert_eq!((sources.written(word), sources.position(word).line), (origin, 2));
        assert!(sources.is_expansion(word) && !sources.is_expansion(origin));
    }
}
