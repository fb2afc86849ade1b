//! Files to one stream of tokens: conditions, definitions and includes are gone.
//!
//! In: the path of the main file, a [`Files`], the [`Options`]. Out: tokens, with every source they point
//! into. Line by line, in keepalived's order: comment, `@id`, `$NAME=` or generator, substitution, comment
//! again, include, words. A line without any of these is lexed where it stands.

mod budget;
pub(super) mod define;
mod generate;
mod include;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) use self::generate::generator;
pub(super) use self::include::include;

use self::budget::Budget;
use self::define::Definition;
use self::include::Checks;
use super::diagnostic::{Code, Diagnostic, Diagnostics};
use super::lexer::{self, Token, TokenKind};
use super::options::Options;
use super::source::{Files, SourceId, Sources, Span, offset};
use super::tokens::Tokens;

/// Bytes of a line that keepalived reads, with its end.
const LONGEST_LINE: usize = 1023;
/// Reads `path` and everything that it includes.
pub(super) fn expand(
    path: &Path,
    files: &dyn Files,
    options: &Options,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> Tokens {
    let mut expander = Expander {
        files,
        options,
        sources,
        diagnostics,
        tokens: Tokens::default(),
        words: Vec::new(),
        definitions: BTreeMap::new(),
        open: None,
        stack: Vec::new(),
        checks: if options.check_includes { Checks::ALL } else { Checks::default() },
        apostrophes: false,
        controls: false,
        read: 0,
        bytes: 0,
        budget: Budget::default(),
        random: options.random,
    };
    expander.main_files(path);
    expander.tokens
}

struct Expander<'a> {
    files: &'a dyn Files,
    options: &'a Options,
    sources: &'a mut Sources,
    diagnostics: &'a mut Diagnostics,
    tokens: Tokens,
    /// Those of the line that is read.
    words: Vec<Token>,
    definitions: BTreeMap<String, Definition>,
    /// A definition whose last line ended with a backslash.
    open: Option<(String, Vec<String>)>,
    /// The files that are being read, innermost last.
    stack: Vec<PathBuf>,
    checks: Checks,
    /// A file so far has a single quote.
    apostrophes: bool,
    /// A file has control characters; most have none.
    controls: bool,
    /// Files, and their bytes.
    read: usize,
    bytes: usize,
    budget: Budget,
    random: u64,
}

impl Expander<'_> {
    /// Every line of one file.
    fn source(&mut self, id: SourceId, path: &Path) {
        self.stack.push(path.to_owned());
        self.read += 1;
        let checks = self.checks;
        // Files without them need not be searched line by line.
        let dollars = self.sources.text_of(id).contains('$');
        self.apostrophes |= self.sources.text_of(id).contains('\'');
        // In pieces without an early end, which the processor looks at many bytes at a time.
        let mut pieces = self.sources.text_of(id).as_bytes().chunks(1 << 14);
        self.controls |=
            pieces.any(|piece| piece.iter().fold(false, |found, byte| found | may_be_control(*byte)));
        let mut start = 0;
        loop {
            let text = self.sources.text_of(id);
            let Some(left) = text.get(start..).filter(|left| !left.is_empty()) else { break };
            let length = left.find('\n').map_or(left.len(), |at| at + 1);
            let span = Span { source: id, start: offset(start), end: offset(start + length) };
            if length > LONGEST_LINE {
                let width = self.sources.text(span).chars().next_back().map_or(0, char::len_utf8);
                let last = Span { start: span.end.saturating_sub(offset(width)), ..span };
                self.diagnostics.push_grouped("long line", last, || {
                    let message = format!("the line has {length} bytes");
                    Diagnostic::note(Code::Portable, last, message).consequence(
                        "it is read whole; keepalived drops 1023 bytes and reads the rest as a line",
                    )
                });
            }
            let text = self.sources.text_of(id);
            let line = text.get(start..start + length).unwrap_or("");
            if self.open.is_some() {
                self.continue_definition(span);
            } else if is_marked(line) || dollars && line.contains('$') {
                self.line(span, true);
            } else {
                self.lex(span);
            }
            start += length;
        }
        if let Some((name, lines)) = self.open.take() {
            self.end_definition(name, lines);
        }
        self.checks = checks;
        self.stack.pop();
    }

    /// One line that may hold more than words. `written`: it stands in a file, so conditions, definitions
    /// and generators are read; one that comes out of a definition holds none.
    fn line(&mut self, span: Span, written: bool) {
        let mut span = self.stripped(span);
        if written && self.sources.text(span).starts_with('@') {
            match self.condition(span) {
                Some(rest) => span = rest,
                None => return,
            }
        }
        let text = self.sources.text(span);
        if written && text.starts_with('~') && self.generate(span) {
            return;
        }
        if written && define::splits(self.sources.text(span)).is_some() {
            self.define(span);
            return;
        }
        if !self.sources.text(span).contains('$') {
            self.include_or_lex(span);
            return;
        }
        for line in self.substituted(span) {
            let line = self.stripped(line);
            self.include_or_lex(line);
        }
    }

    fn include_or_lex(&mut self, span: Span) {
        match include(self.sources.text(span)) {
            Some((checks, pattern)) => {
                let pattern = pattern.to_owned();
                self.include(span, checks, &pattern);
            }
            None => self.lex(span),
        }
    }

    fn lex(&mut self, span: Span) {
        self.words.clear();
        let text = self.sources.text(span);
        let open = lexer::line(span.source, span.start, text, &mut self.words);
        let end = Span { start: span.end, ..span };
        let first = self.words.first().copied();
        // A brace ends what is in front of it.
        let brace = |token: &Token| matches!(token.kind, TokenKind::Open | TokenKind::Close);
        self.words.iter().for_each(|token| self.tokens.push(*token));
        if self.words.last().is_some_and(|last| !brace(last)) {
            self.tokens.push(Token { kind: TokenKind::End, span: end });
        }
        if let Some(quote) = open {
            self.diagnostics.push(
                Diagnostic::error(Code::Quote, quote, "the quote is not closed on this line")
                    .label("opened here")
                    .help("a quoted word ends on the line where it starts: add the second \""),
            );
        }
        if (self.apostrophes || self.sources.is_expansion(span))
            && text.contains('\'')
            && let Some(at) = lexer::quoted_comment(text)
        {
            let mark = Span { start: span.start + offset(at), end: span.start + offset(at + 1), ..span };
            self.diagnostics.push(
                Diagnostic::warning(Code::Quote, mark, "single quotes do not protect a comment sign")
                    .label("the rest of the line is a comment, as in keepalived")
                    .help("put the text between double quotes"),
            );
        }
        if first.is_some_and(|token| self.sources.text(token.span) == "include_check") {
            self.set_checks();
        }
        if self.controls {
            self.control_characters();
        }
    }

    /// In words; elsewhere they are as good as blanks.
    fn control_characters(&mut self) {
        for token in &self.words {
            let word = self.sources.text(token.span);
            let Some((at, control)) = word.char_indices().find(|(_, c)| c.is_control() && *c != '\t') else {
                continue;
            };
            let start = token.span.start + offset(at);
            let span = Span { start, end: start + offset(control.len_utf8()), ..token.span };
            let message = format!("the control character U+{:04X} is part of a word", u32::from(control));
            self.diagnostics.push_grouped("control", span, || {
                Diagnostic::error(Code::BadName, span, message)
                    .help("delete it: `cat -v FILE` shows where it is")
            });
        }
    }

    fn stripped(&self, span: Span) -> Span {
        let text = self.sources.text(span);
        let before = text.len() - text.trim_start_matches(['\u{feff}']).trim_start().len();
        let length = lexer::strip_comment(text.get(before..).unwrap_or("")).len();
        let start = span.start.saturating_add(offset(before));
        Span { start, end: start.saturating_add(offset(length)), ..span }
    }

    /// `@ID text`, `@^ID text`: the text, when it counts on this node.
    fn condition(&mut self, span: Span) -> Option<Span> {
        let text = self.sources.text(span);
        let Some((id, wanted, rest)) = condition(text) else { return Some(span) };
        let counts = (id == self.options.config_id) == wanted;
        let rest = Span { start: span.start.saturating_add(offset(text.len() - rest.len())), ..span };
        counts.then(|| self.stripped(rest))
    }

    /// What can be expanded is expanded: said once.
    fn budget_error(&mut self, span: Span) {
        if self.budget.is_news() {
            let limit = budget::EXPANDED >> 20;
            self.diagnostics.push(
                Diagnostic::error(Code::Expansion, span, "definitions and generators expand without end")
                    .label(format!("here they have made more than {limit} MiB"))
                    .consequence("this line and what follows is not expanded")
                    .help(
                        "look for a generator with too many values, or a definition that is used too often",
                    ),
            );
        }
    }

    fn expansion_error(&mut self, span: Span, message: impl Into<String>) {
        self.diagnostics.push(Diagnostic::error(Code::Expansion, span, message));
    }
}

/// Whether the line holds nothing but words, braces and a comment.
pub(super) fn is_plain(line: &str) -> bool {
    !is_marked(line) && !line.contains('$')
}

/// Whether the line starts with what makes it more than words.
fn is_marked(line: &str) -> bool {
    // Hardly any line does, and its first character tells.
    match line.bytes().find(|byte| *byte > b' ') {
        Some(b'@' | b'~' | b'i' | 0x80..) => {}
        _ => return false,
    }
    let text = line.trim_start_matches(['\u{feff}']).trim_start();
    text.starts_with(['@', '~']) || text.starts_with("include")
}

/// `@ID text`, `@^ID text`: the name, whether it is the one that is wanted, and the text.
fn condition(text: &str) -> Option<(&str, bool, &str)> {
    let after = text.strip_prefix('@')?;
    let (id, rest) = after.split_at_checked(after.find([' ', '\t']).unwrap_or(after.len()))?;
    Some(match id.strip_prefix('^') {
        Some(id) => (id, false, rest.trim_start()),
        None => (id, true, rest.trim_start()),
    })
}

/// Whether a byte can be a part of a control character that is no blank.
fn may_be_control(byte: u8) -> bool {
    let blank = (byte == b'\t') | (byte == b'\n') | (byte == b'\r') | (byte == 0);
    (byte < b' ') & !blank | (byte == 0x7f) | (byte == 0xc2)
}

#[cfg(test)]
mod tests;
