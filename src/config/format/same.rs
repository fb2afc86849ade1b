//! Whether two texts mean the same.
//!
//! In: the text as it was written, and its new layout. Out: the first place where their words differ. Both are
//! expanded as `expand` does it, for every node that the text names; an included file is a word that names it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::super::diagnostic::{Code, Diagnostics};
use super::super::expand;
use super::super::lexer::{Token, TokenKind};
use super::super::options::Options;
use super::super::source::{Files, ReadError, Sources};
use super::super::tokens::Tokens;

/// So many nodes are tried.
const NODES: usize = 8;

/// The bytes of `before` that read otherwise in `after`.
pub(super) fn difference(name: &str, before: &str, after: &str) -> Option<(u32, u32)> {
    let mut nodes: BTreeSet<&str> = before
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('@'))
        .map(|line| line.trim_start_matches('^').split([' ', '\t']).next().unwrap_or(""))
        .take(NODES)
        .collect();
    nodes.insert("");
    nodes.into_iter().find_map(|node| difference_for(node, name, before, after))
}

fn difference_for(node: &str, name: &str, before: &str, after: &str) -> Option<(u32, u32)> {
    let (before, after) = (Read::new(node, name, before), Read::new(node, name, after));
    let mut others = after.words();
    let mut end = (0, 0);
    for (token, glued) in before.words() {
        let span = before.sources.written(token.span);
        end = (span.start, span.end);
        let same = others.next().is_some_and(|(other, other_glued)| {
            token.kind == other.kind
                && glued == other_glued
                && before.sources.text(token.span) == after.sources.text(other.span)
        });
        if !same {
            return Some(end);
        }
    }
    (others.next().is_some() || before.codes != after.codes).then_some(end)
}

/// One text, expanded.
struct Read {
    tokens: Tokens,
    sources: Sources,
    /// What is said of it.
    codes: Vec<Code>,
}

impl Read {
    fn new(node: &str, name: &str, text: &str) -> Self {
        let mut sources = Sources::default();
        let mut found = Diagnostics::default();
        let files = OneFile { name: Path::new(name), text };
        let options = Options { config_id: node.to_owned(), ..Options::default() };
        let tokens = expand::expand(Path::new(name), &files, &options, &mut sources, &mut found);
        let found = found.into_sorted(&sources);
        // A line can be longer than keepalived reads in one layout only.
        let codes = found.iter().map(|one| one.code).filter(|code| *code != Code::Portable).collect();
        Self { tokens, sources, codes }
    }

    /// Words and braces, each with whether it touches the word in front of it; ends of lines only where they
    /// part words.
    fn words(&self) -> impl Iterator<Item = (Token, bool)> {
        let is_word =
            |token: &Token| !matches!(token.kind, TokenKind::Open | TokenKind::Close | TokenKind::End);
        let mut before: Option<Token> = None;
        let mut tokens = self.tokens.iter().peekable();
        std::iter::from_fn(move || {
            loop {
                let token = *tokens.next()?;
                let parts =
                    before.as_ref().is_some_and(is_word) && tokens.peek().is_some_and(|next| is_word(next));
                if token.kind == TokenKind::End && !parts {
                    continue;
                }
                let glued = before
                    .as_ref()
                    .is_some_and(|before| is_word(before) && is_word(&token) && touch(before, &token));
                before = Some(token);
                return Some((token, glued));
            }
        })
    }
}

/// Whether no blank stands between two words.
fn touch(left: &Token, right: &Token) -> bool {
    let quote = |token: &Token| u32::from(token.kind == TokenKind::Quoted);
    left.span.source == right.span.source && left.span.end + quote(left) + quote(right) == right.span.start
}

/// One text under its name. Every other file holds its own name.
pub(super) struct OneFile<'a> {
    pub(super) name: &'a Path,
    pub(super) text: &'a str,
}

impl Files for OneFile<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let text = if path == self.name { self.text.to_owned() } else { format!("{path:?}") };
        Ok(text.into_bytes())
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        vec![pattern.to_owned()]
    }

    fn is_executable(&self, _: &Path) -> bool {
        false
    }
}
