//! The lines of a file as they were written, each with what may be done to its layout.
//!
//! In: a text. Out: [`Line`]s. What a line is follows `expand`, step by step: comment, `@id`, generator,
//! definition, use of a definition, include, words.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::super::expand::{self, define};
use super::super::lexer::{self, Token, TokenKind};
use super::super::source::{SourceId, Span, offset};

/// One line.
#[derive(Debug, Default)]
pub(super) struct Line<'a> {
    pub(super) shape: Shape<'a>,
    pub(super) comment: Option<Comment<'a>>,
    /// The braces in it, in order; those of a definition too.
    pub(super) braces: Vec<Brace>,
    /// The `}` that it starts with.
    pub(super) closes: i64,
    /// The names of the definitions it uses.
    pub(super) uses: Vec<&'a str>,
    pub(super) condition: Option<Condition<'a>>,
}

/// A comment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comment<'a> {
    /// With its `#` or `!`, without blanks at its end.
    pub(super) text: &'a str,
    /// Its sign follows a word without a blank: perhaps it was meant as a part of the word, and a lint says so.
    pub(super) in_word: bool,
}

/// What stands in front of the comment.
#[derive(Debug, Default)]
pub(super) enum Shape<'a> {
    /// Nothing.
    #[default]
    Blank,
    /// One more line of a definition; an empty one ends it.
    Continue { text: Cow<'a, str>, more: bool },
    /// `$NAME=…`, with what stands in front of it.
    Define { name: &'a str, value: &'a str, text: String, more: bool },
    /// Words and braces that may stand on lines of their own.
    Statements(Vec<Part<'a>>),
    /// One line, whatever is in it.
    Whole(Cow<'a, str>),
}

/// A brace, or the words between two of them.
#[derive(Debug, Clone)]
pub(super) enum Part<'a> {
    Close,
    Open,
    Words(Words<'a>),
}

#[derive(Debug, Clone)]
pub(super) struct Words<'a> {
    pub(super) text: Cow<'a, str>,
    /// It uses definitions that may be more than a word: what follows belongs on the same line.
    pub(super) bound: bool,
}

/// `{` or `}` and its offset.
#[derive(Debug, Clone, Copy)]
pub(super) struct Brace {
    pub(super) opens: bool,
    pub(super) at: u32,
}

/// `@ID`, or `@^ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Condition<'a> {
    pub(super) id: &'a str,
    pub(super) negated: bool,
}

/// What cannot be read.
#[derive(Debug)]
pub(super) enum Problem {
    /// A sign that looks like a brace and is none: where blocks start and end is not known.
    Brace(Span, &'static str),
    Character(Span),
    Quote(Span),
}

/// The definitions of a file that always are one word without any peculiarity: lines that use no others may be
/// parted, whatever the use becomes.
#[derive(Debug, Default)]
pub(super) struct Names<'a> {
    plain: BTreeSet<&'a str>,
}

impl<'a> Names<'a> {
    pub(super) fn read(text: &'a str, source: SourceId) -> Self {
        let none = Names::default();
        let mut plain = BTreeSet::from(["_INSTANCE", "_RANDOM"]);
        let mut others = BTreeSet::new();
        for line in Lines::new(text, source, &none).flatten() {
            if let Shape::Define { name, value, .. } = line.shape {
                if is_plain(value) {
                    plain.insert(name)
                } else {
                    others.insert(name)
                };
            }
        }
        plain.retain(|name| !others.contains(name));
        Self { plain }
    }

    fn cover(&self, uses: &[&str]) -> bool {
        uses.iter().all(|name| self.plain.contains(name))
    }
}

fn is_plain(value: &str) -> bool {
    let word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '/' | ',' | '+' | '%');
    value.chars().all(word) && !value.is_empty() && !value.starts_with("include")
}

/// Reads line by line.
pub(super) struct Lines<'a, 'n> {
    text: &'a str,
    source: SourceId,
    names: &'n Names<'a>,
    at: usize,
    /// A definition goes on.
    open: bool,
    tokens: Vec<Token>,
}

impl<'a, 'n> Lines<'a, 'n> {
    pub(super) fn new(text: &'a str, source: SourceId, names: &'n Names<'a>) -> Self {
        Self { text, source, names, at: 0, open: false, tokens: Vec::new() }
    }
}

impl<'a> Iterator for Lines<'a, '_> {
    type Item = Result<Line<'a>, Problem>;

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.at;
        let left = self.text.get(start..).filter(|left| !left.is_empty())?;
        let length = left.find('\n').map_or(left.len(), |at| at + 1);
        self.at += length;
        let whole = left.get(..length).unwrap_or(left);
        Some(self.line(whole, start))
    }
}

impl<'a> Lines<'a, '_> {
    fn line(&mut self, whole: &'a str, start: usize) -> Result<Line<'a>, Problem> {
        let marks = whole.len() - whole.trim_start_matches('\u{feff}').len();
        let (line, start) = (whole.get(marks..).unwrap_or(""), start + marks);
        let bad = |c: char| matches!(c, '\0' | '\r' | '\u{b}' | '\u{c}' | '\u{feff}');
        let lead = line.len() - line.trim_start().len();
        let inner = line.trim();
        if let Some(at) = inner.find(bad).or((self.open && marks > 0).then_some(0)) {
            let length = inner.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8);
            return Err(Problem::Character(self.span(start + lead + at, length)));
        }
        let (before, comment) = match lexer::comment(line) {
            Some(at) => {
                let (before, text) = line.split_at_checked(at).unwrap_or((line, ""));
                let in_word = before.ends_with(|c: char| !c.is_whitespace() && c != '{' && c != '}');
                (before, Some(Comment { text: text.trim_end(), in_word }))
            }
            None => (line, None),
        };
        let content = before.trim();
        let begin = start + lead;
        for (at, sign, brace) in [(content.len().saturating_sub('｛'.len_utf8()), '｛', "{"), (0, '｝', "}")]
        {
            if content.get(at..).is_some_and(|rest| rest.starts_with(sign)) {
                return Err(Problem::Brace(self.span(begin + at, sign.len_utf8()), brace));
            }
        }
        if self.open {
            return Ok(self.continuation(content, comment, start + lead));
        }
        let mut read = Line { comment, ..Line::default() };
        if expand::is_plain(line) {
            // What is blank to Unicode alone is part of a word here.
            read.shape = self.words(before, start, &mut read)?;
        } else {
            self.special(content, start + lead, &mut read)?;
        }
        Ok(read)
    }

    /// A line that is more than words, without its comment.
    fn special(&mut self, content: &'a str, start: usize, line: &mut Line<'a>) -> Result<(), Problem> {
        let mut front = String::new();
        let mut rest = content;
        let mut conditional = true;
        loop {
            if let Some(after) = rest.strip_prefix('@').filter(|_| conditional) {
                let end = after.find([' ', '\t']).unwrap_or(after.len());
                let id = after.get(..end).unwrap_or(after);
                let (id, negated) = id.strip_prefix('^').map_or((id, false), |id| (id, true));
                line.condition.get_or_insert(Condition { id, negated });
                front += rest.get(..=end).unwrap_or(rest);
                rest = after.get(end..).unwrap_or("").trim();
                conditional = false;
            } else if let Some((name, inside, after)) = expand::generator(rest) {
                front += &format!("{name}({inside})");
                rest = after.trim();
                conditional = true;
            } else {
                break;
            }
            if rest.is_empty() {
                line.shape = Shape::Whole(Cow::Owned(front));
                return Ok(());
            }
            front.push(' ');
        }
        let at = start + content.len() - rest.len();
        if let Some((name, value)) = define::splits(rest) {
            self.pieces(value, at + rest.len() - value.len(), line);
            let (laid_out, more) = continued(value);
            self.open = more;
            line.shape = Shape::Define { name, value, text: format!("{front}${name}={laid_out}"), more };
        } else if let Some((_, pattern)) = expand::include(rest) {
            let word = rest.split([' ', '\t']).next().unwrap_or("");
            line.shape = Shape::Whole(Cow::Owned(format!("{front}{word} {pattern}")));
        } else {
            let shape = self.words(rest, at, line)?;
            line.shape = match shape {
                Shape::Statements(parts) if !front.is_empty() => {
                    Shape::Whole(Cow::Owned(front + &joined(&parts)))
                }
                Shape::Whole(text) => Shape::Whole(Cow::Owned(front + &text)),
                shape => shape,
            };
        }
        Ok(())
    }

    fn continuation(&mut self, content: &'a str, comment: Option<Comment<'a>>, start: usize) -> Line<'a> {
        let (text, more) = continued(content);
        // A line that is a comment and nothing else is skipped; an empty one ends the definition.
        let more = more || content.is_empty() && comment.is_some();
        self.open = more;
        let mut line = Line { shape: Shape::Continue { text, more }, comment, ..Line::default() };
        self.pieces(content, start, &mut line);
        line
    }

    fn words(&mut self, text: &'a str, start: usize, line: &mut Line<'a>) -> Result<Shape<'a>, Problem> {
        let pieces = self.pieces(text, start, line);
        if let Some(span) = pieces.open_quote.filter(|_| !text.contains('$')) {
            return Err(Problem::Quote(span));
        }
        if pieces.verbatim || pieces.open_quote.is_some() {
            return Ok(Shape::Whole(Cow::Borrowed(text.trim())));
        }
        let parts = pieces.parts;
        if parts.is_empty() {
            return Ok(Shape::Blank);
        }
        let special = |words: &Words<'_>| {
            let text = words.text.trim();
            text.starts_with(['@', '~']) || text.starts_with("include") || define::splits(text).is_some()
        };
        let whole = parts.iter().enumerate().any(|(index, part)| match part {
            Part::Words(words) => index > 0 && special(words) || words.bound && !is_one_line(&parts),
            _ => false,
        });
        Ok(if whole { Shape::Whole(Cow::Owned(joined(&parts))) } else { Shape::Statements(parts) })
    }

    /// Words and braces of a stretch of text.
    fn pieces(&mut self, text: &'a str, start: usize, line: &mut Line<'a>) -> Pieces<'a> {
        let mut pieces = Pieces::default();
        self.tokens.clear();
        pieces.open_quote = lexer::line(self.source, 0, text, &mut self.tokens)
            .map(|span| self.span(start + span.start as usize, 1));
        let tokens = std::mem::take(&mut self.tokens);
        let mut run = Run::default();
        let mut left = tokens.iter().peekable();
        while let Some(token) = left.next() {
            let (from, to) = extent(token, text);
            let open = token.kind == TokenKind::Open;
            if let Some(end) = run.reference(text, from).filter(|_| open) {
                // `${NAME}`: up to its brace it is part of the word.
                while let Some(token) = left.next_if(|token| extent(token, text).0 <= end) {
                    pieces.verbatim |= extent(token, text).1 > end + 1;
                }
                run.push(from, end + 1);
                continue;
            }
            match token.kind {
                TokenKind::Open | TokenKind::Close => {
                    let opens = token.kind == TokenKind::Open;
                    // With a blank between them it would be a use.
                    pieces.verbatim |= run.end() == Some(from) && ends_in_name(run.text(text));
                    pieces.extend(run.take(text, self.names));
                    line.braces.push(Brace { opens, at: offset(start + from) });
                    pieces.parts.push(if opens { Part::Open } else { Part::Close });
                }
                _ => run.push(from, to),
            }
        }
        pieces.extend(run.take(text, self.names));
        if text.contains('$') {
            line.uses = uses(text);
        }
        let closes =
            |parts: &[Part<'_>]| parts.iter().take_while(|part| matches!(part, Part::Close)).map(|_| 1).sum();
        line.closes = match pieces.parts.as_slice() {
            // `$ONLY_HERE }`: a definition that is nothing, or a comment sign.
            [Part::Words(words), rest @ ..] if is_use(&words.text) => closes(rest),
            parts => closes(parts),
        };
        self.tokens = tokens;
        pieces
    }

    fn span(&self, at: usize, length: usize) -> Span {
        Span { source: self.source, start: offset(at), end: offset(at + length) }
    }
}

#[derive(Default)]
struct Pieces<'a> {
    parts: Vec<Part<'a>>,
    open_quote: Option<Span>,
    /// Nothing about it may change: what its words are shows only when it is expanded.
    verbatim: bool,
}

impl<'a> Pieces<'a> {
    fn extend(&mut self, words: Option<Words<'a>>) {
        self.parts.extend(words.map(Part::Words));
    }
}

/// Words between two braces: where they stand in the line.
#[derive(Default)]
struct Run {
    words: Vec<(usize, usize)>,
}

impl Run {
    fn push(&mut self, from: usize, to: usize) {
        self.words.push((from, to));
    }

    fn end(&self) -> Option<usize> {
        self.words.last().map(|(_, to)| *to)
    }

    fn text<'t>(&self, text: &'t str) -> &'t str {
        let start = self.words.first().map_or(0, |(from, _)| *from);
        text.get(start..self.end().unwrap_or(start)).unwrap_or("")
    }

    /// Where the use ends whose `${` ends at `at`.
    fn reference(&self, text: &str, at: usize) -> Option<usize> {
        let after = text.get(at..).filter(|_| self.end() == Some(at) && self.text(text).ends_with('$'))?;
        let (_, _, rest) = define::reference(after)?;
        Some(text.len() - rest.len() - 1)
    }

    fn take<'a>(&mut self, text: &'a str, names: &Names<'_>) -> Option<Words<'a>> {
        let run = std::mem::take(self);
        let start = run.words.first()?.0;
        let slice = run.text(text);
        let gaps: Vec<(usize, usize)> =
            run.words.iter().zip(run.words.iter().skip(1)).map(|(a, b)| (a.1 - start, b.0 - start)).collect();
        let bound = slice.contains('$') && !names.cover(&uses(slice));
        Some(Words { text: collapsed(slice, &gaps), bound })
    }
}

/// Where a token stands, with its quotes.
fn extent(token: &Token, text: &str) -> (usize, usize) {
    let (from, to) = (token.span.start as usize, token.span.end as usize);
    match token.kind {
        TokenKind::Quoted => (from - 1, (to + 1).min(text.len())),
        _ => (from, to),
    }
}

/// One blank in the place of each gap, except where the blanks are part of a word to commands and patterns,
/// which know single quotes and backslashes.
fn collapsed<'a>(text: &'a str, gaps: &[(usize, usize)]) -> Cow<'a, str> {
    let piece = |from: usize, to: usize| text.get(from..to).unwrap_or("");
    if gaps.iter().all(|(from, to)| matches!(piece(*from, *to), "" | " ")) {
        return Cow::Borrowed(text);
    }
    let mut result = String::with_capacity(text.len());
    let mut words = SecondLevel::default();
    let mut at = 0;
    for (from, to) in gaps {
        result += piece(at, *from);
        words.read(piece(at, *from));
        let gap = piece(*from, *to);
        result += if words.is_protected() || gap.is_empty() { gap } else { " " };
        words.read(gap);
        at = *to;
    }
    result += text.get(at..).unwrap_or("");
    Cow::Owned(result)
}

/// Whether a blank parts words at the second level of words.
#[derive(Default)]
struct SecondLevel {
    quote: Option<char>,
    escaped: bool,
}

impl SecondLevel {
    fn read(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                _ if self.escaped => self.escaped = false,
                '\\' => self.escaped = true,
                _ if self.quote == Some(c) => self.quote = None,
                '"' | '\'' if self.quote.is_none() => self.quote = Some(c),
                _ => {}
            }
        }
    }

    fn is_protected(&self) -> bool {
        self.escaped || self.quote.is_some()
    }
}

/// Parts on one line.
fn joined(parts: &[Part<'_>]) -> String {
    let texts: Vec<&str> = parts
        .iter()
        .map(|part| match part {
            Part::Close => "}",
            Part::Open => "{",
            Part::Words(words) => &words.text,
        })
        .collect();
    texts.join(" ")
}

/// A line of a definition, with one blank at most in front of the backslash that says that it goes on.
fn continued(text: &str) -> (Cow<'_, str>, bool) {
    let Some(before) = text.strip_suffix('\\') else { return (Cow::Borrowed(text), false) };
    let body = before.trim_end();
    let text = match before.len() - body.len() {
        _ if body.is_empty() => Cow::Borrowed("\\"),
        0 => Cow::Borrowed(text),
        _ => Cow::Owned(format!("{body} \\")),
    };
    (text, true)
}

/// Whether the text ends with `$NAME`.
fn ends_in_name(text: &str) -> bool {
    let name = text.rsplit_once('$').and_then(|(_, name)| define::name(name));
    name.is_some_and(|(_, rest)| rest.is_empty())
}

/// Whether the text is one use of a definition and nothing else.
fn is_use(text: &str) -> bool {
    text.strip_prefix('$').and_then(define::reference).is_some_and(|(_, _, rest)| rest.is_empty())
}

/// Whether these parts make one line.
fn is_one_line(parts: &[Part<'_>]) -> bool {
    matches!(parts, [_] | [Part::Words(_), Part::Open])
}

/// The name of every use of a definition.
fn uses(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut left = text;
    while let Some((_, after)) = left.split_once('$') {
        left = after;
        if let Some((name, _, rest)) = define::reference(after) {
            found.push(name);
            left = rest;
        }
    }
    found
}
