//! Tokens to a tree of statements and blocks.
//!
//! In: the tokens of one load. Out: [`Node`]s, each with its row of the keyword table, and what is wrong with
//! the braces and the words. After an error the builder goes on where a person would: an unknown block is
//! skipped as a block, and a `}` that is missing is put where the indentation, or a word that is legal only
//! further out, says that it was meant. Only then are such guesses made: a file with as many `{` as `}` is
//! read by its braces alone.

mod recover;

pub(super) use recover::belongs;

use std::cell::Cell;

use bumpalo::Bump;

use super::diagnostic::{Code, Diagnostic, Diagnostics};
use super::keywords::{self, BlockId, Found, Keyword, ROOT};
use super::lexer::{Token, TokenKind};
use super::source::{Sources, Span};
use super::tokens::Tokens;

/// Blocks within blocks. The language needs five.
const DEPTH: usize = 32;

/// One word.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word<'a> {
    /// Its text, without quotes and with escapes decoded.
    pub text: &'a str,
    /// Where it stands.
    pub span: Span,
}

/// A statement, or a block with what stands in front of its `{`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node<'a> {
    /// The first word, and the others; never empty.
    pub words: &'a [Word<'a>],
    /// The row of the first word. `None` in a value block, whose lines are data.
    pub keyword: Option<&'static Keyword>,
    /// What stands between the braces.
    pub body: Option<&'a Body<'a>>,
}

/// The inside of a block.
#[derive(Debug, Default)]
pub(super) struct Body<'a> {
    /// Statements and blocks that are legal here; data lines in a value block.
    pub nodes: &'a [Node<'a>],
    /// Something in it was not legal and is left out: what is missing may have been meant by it.
    pub damaged: Cell<bool>,
}

impl Node<'_> {
    /// From the first word to the last.
    pub(super) fn span(&self) -> Option<Span> {
        let first = self.words.first()?.span;
        self.words.last().map(|last| first.to(last.span))
    }
}

/// A whole configuration.
#[derive(Debug)]
pub(super) struct Tree<'a> {
    /// What stands outside of any block.
    pub nodes: Vec<Node<'a>>,
    /// A statement that names a program is somewhere in it.
    pub has_scripts: bool,
}

/// Bytes that the tree takes in its arena, or little less than that.
pub(super) fn room(tokens: &Tokens) -> usize {
    let one = |token: &Token| match token.kind {
        TokenKind::Close => 0,
        TokenKind::End => size_of::<Node<'_>>(),
        TokenKind::Open => size_of::<Node<'_>>() + size_of::<Body<'_>>(),
        TokenKind::Escaped | TokenKind::Quoted | TokenKind::Word => size_of::<Word<'_>>(),
    };
    tokens.iter().map(one).sum()
}

/// Builds the tree in `arena`.
pub(super) fn build<'a>(
    tokens: &Tokens,
    sources: &'a Sources,
    arena: &'a Bump,
    diagnostics: &mut Diagnostics,
) -> Tree<'a> {
    let count = |kind| i64::try_from(tokens.iter().filter(|token| token.kind == kind).count()).unwrap_or(0);
    let mut builder = Builder {
        tokens,
        sources,
        arena,
        diagnostics,
        stack: Vec::new(),
        spare: Vec::new(),
        root: Vec::new(),
        last_root: None,
        excess: count(TokenKind::Open) - count(TokenKind::Close),
        closed_early: None,
        end: tokens.last().map(|token| token.span),
        skipped: false,
        has_scripts: false,
    };
    builder.run();
    Tree { nodes: builder.root, has_scripts: builder.has_scripts }
}

/// A block that is open.
struct Frame<'a> {
    words: &'a [Word<'a>],
    keyword: Option<&'static Keyword>,
    nodes: Vec<Node<'a>>,
    /// The words that are legal in it; `None`: whatever is in it is skipped.
    block: Option<BlockId>,
    /// False: it is parsed for its braces, and thrown away.
    kept: bool,
    /// Something in it was left out.
    damaged: bool,
}

struct Builder<'a, 'b> {
    tokens: &'b Tokens,
    sources: &'a Sources,
    arena: &'a Bump,
    diagnostics: &'b mut Diagnostics,
    stack: Vec<Frame<'a>>,
    /// Empty lists of blocks that are closed, for the next ones.
    spare: Vec<Vec<Node<'a>>>,
    root: Vec<Node<'a>>,
    /// The block that was closed last at the root: its row, its first word, its `}`.
    last_root: Option<(&'static Keyword, Span, Span)>,
    /// How many more `{` than `}` there are in what is not yet accounted for.
    excess: i64,
    /// The diagnostic of a block that is closed too early, until the root is left again: its key.
    closed_early: Option<String>,
    end: Option<Span>,
    /// The statement before was not legal: a `{` that follows belongs to it.
    skipped: bool,
    has_scripts: bool,
}

impl<'a> Builder<'a, '_> {
    fn run(&mut self) {
        let mut words: Vec<Word<'a>> = Vec::new();
        for (index, token) in self.tokens.iter().enumerate() {
            match token.kind {
                TokenKind::Word | TokenKind::Quoted | TokenKind::Escaped => words.push(self.word(*token)),
                TokenKind::End => {
                    if !words.is_empty() {
                        self.statement(self.exact(&mut words), index);
                    }
                }
                TokenKind::Open => {
                    if words.is_empty() {
                        words.extend_from_slice(self.line_before());
                    }
                    if self.stack.len() >= DEPTH {
                        let message = format!("more than {DEPTH} blocks within each other");
                        self.diagnostics.push(Diagnostic::error(Code::TooDeep, token.span, message));
                        self.stack.clear();
                        return;
                    }
                    self.open(self.exact(&mut words), token.span);
                }
                TokenKind::Close => {
                    if !words.is_empty() {
                        self.statement(self.exact(&mut words), index);
                    }
                    self.close(token.span);
                }
            }
        }
        if !words.is_empty() {
            self.statement(self.exact(&mut words), usize::MAX);
        }
        self.finish();
    }

    /// The words, in a list of their own; the room for the next ones stays.
    fn exact(&self, words: &mut Vec<Word<'a>>) -> &'a [Word<'a>] {
        let list = self.arena.alloc_slice_copy(words);
        words.clear();
        list
    }

    fn word(&self, token: Token) -> Word<'a> {
        let text = self.sources.text(token.span);
        let text = match token.kind {
            TokenKind::Escaped => self.arena.alloc_str(&text.replace("\\#", "#").replace("\\!", "!")),
            _ => text,
        };
        Word { text, span: token.span }
    }

    /// The statement that a `{` on a line of its own belongs to.
    fn line_before(&mut self) -> &'a [Word<'a>] {
        let nodes = match self.stack.last_mut() {
            Some(frame) => &mut frame.nodes,
            None => &mut self.root,
        };
        let waits = nodes
            .last()
            .is_some_and(|node| node.body.is_none() && node.keyword.is_some_and(Keyword::is_block));
        if waits { nodes.pop().map(|node| node.words).unwrap_or_default() } else { &[] }
    }

    fn statement(&mut self, words: &'a [Word<'a>], index: usize) {
        self.close_forgotten(words);
        let Some(found) = self.legal(words, false) else {
            self.skipped = true;
            return;
        };
        self.skipped = false;
        let Some(row) = found else {
            self.add(Node { words, keyword: None, body: None });
            return;
        };
        if row.opens.is_some() {
            let next = self.tokens.from(index).find(|token| token.kind != TokenKind::End);
            if next.is_some_and(|token| token.kind == TokenKind::Open) {
                self.add(Node { words, keyword: Some(row.keyword), body: None });
                return;
            }
            self.without_brace(words, row, next);
            return;
        }
        self.add(Node { words, keyword: Some(row.keyword), body: None });
    }

    /// A block keyword that no `{` follows.
    fn without_brace(&mut self, words: &'a [Word<'a>], row: Found, next: Option<&Token>) {
        let Some((first, last)) = words.first().zip(words.last()) else { return };
        let name = first.text;
        let (first, end) = (first.span, Span { start: last.span.end, ..last.span });
        let indentation = self.sources.line_indentation(first);
        let inside = next.is_some_and(|token| {
            token.kind != TokenKind::Close && self.sources.line_indentation(token.span) > indentation
        });
        let diagnostic = Diagnostic::error(Code::Open, first.to(end), format!("`{name}` has no `{{`"));
        let mut words = words;
        let data = words.get(1).filter(|_| row.opens.is_some_and(keywords::is_value_block));
        let brace = words
            .get(1..)
            .and_then(|others| others.last())
            .filter(|last| matches!(last.text, "｛" | "(" | "（" | "[" | "【" | ":" | "："));
        self.report(match (inside, brace, data) {
            (_, Some(brace), _) => diagnostic
                .label(format!("`{}` is another sign", brace.text))
                .fix(brace.span, "{")
                .help("open the block"),
            (true, ..) => diagnostic.label("the block starts here").fix(end, " {").help("open the block"),
            (false, None, Some(data)) => {
                let margin = " ".repeat(indentation);
                let list = self.sources.text(data.span.to(end));
                diagnostic
                    .label("a block, not a setting")
                    .fix(data.span.to(end), format!("{{\n{margin}    {list}\n{margin}}}"))
                    .help("write its lines between braces")
            }
            (false, ..) => diagnostic.label("a block, not a setting").fix(end, " {}").help("give it a block"),
        });
        if brace.is_some() {
            words = words.get(..words.len() - 1).unwrap_or(words);
        }
        if data.is_some() && !inside {
            // Its words are no surplus: they are what the block is for.
            if let Some(frame) = self.stack.last_mut() {
                frame.damaged = true;
            }
            return;
        }
        if inside {
            self.excess += 1;
            self.stack.push(Frame {
                words,
                keyword: Some(row.keyword),
                nodes: self.spare.pop().unwrap_or_default(),
                block: row.opens,
                kept: true,
                damaged: false,
            });
        } else {
            self.add(Node {
                words,
                keyword: Some(row.keyword),
                body: Some(self.arena.alloc(Body::default())),
            });
        }
    }

    fn open(&mut self, words: &'a [Word<'a>], brace: Span) {
        if words.is_empty() && !std::mem::take(&mut self.skipped) {
            let message = "a `{` without a keyword in front of it";
            self.report(
                Diagnostic::error(Code::Open, brace, message).consequence("what is in it is skipped"),
            );
        }
        self.skipped = false;
        self.close_forgotten(words);
        let found = if words.is_empty() { None } else { self.legal(words, true) };
        let (keyword, block, kept) = match found {
            Some(Some(row)) if row.opens.is_some() => (Some(row.keyword), row.opens, true),
            Some(_) => {
                let name = words.first().map(|word| word.text).unwrap_or_default();
                let message = format!("`{name}` opens no block");
                self.report(
                    Diagnostic::error(Code::Open, brace, message).consequence("what is in it is skipped"),
                );
                (None, None, false)
            }
            None => (None, None, false),
        };
        let nodes = self.spare.pop().unwrap_or_default();
        self.stack.push(Frame { words, keyword, nodes, block, kept, damaged: false });
    }

    fn close(&mut self, brace: Span) {
        self.close_inner(brace);
        let Some(frame) = self.stack.pop() else {
            self.excess += 1;
            let early = self.closed_early.take();
            if let Some(said) = early.and_then(|key| self.diagnostics.grouped_mut(&key)) {
                // The block's own end, left over: one `}` too many, not one at the wrong place.
                said.help = Some("delete that `}`: the block has another one at its end".to_owned());
                return;
            }
            let place = self.last_root.map(|(_, opened, closed)| (opened, closed));
            self.diagnostics.push_grouped("extra-close", brace, || {
                let message = "this `}` closes nothing";
                let mut diagnostic = Diagnostic::error(Code::ExtraClose, brace, message)
                    .label("no block is open here")
                    .help("delete it, or look for a block above that is closed too early");
                if let Some((opened, closed)) = place {
                    diagnostic = diagnostic.related(opened, "this block").related(closed, "is closed here");
                }
                diagnostic
            });
            return;
        };
        self.end_frame(frame, brace);
    }

    fn end_frame(&mut self, mut frame: Frame<'a>, at: Span) {
        if let (true, Some((keyword, word))) = (self.stack.is_empty(), frame.keyword.zip(frame.words.first()))
        {
            self.last_root = Some((keyword, word.span, at));
        }
        if frame.kept {
            let nodes = self.arena.alloc_slice_copy(&frame.nodes);
            let body = Body { nodes, damaged: Cell::new(frame.damaged) };
            self.add(Node { words: frame.words, keyword: frame.keyword, body: Some(self.arena.alloc(body)) });
        }
        frame.nodes.clear();
        self.spare.push(frame.nodes);
    }

    fn add(&mut self, node: Node<'a>) {
        match self.stack.last_mut() {
            Some(frame) => frame.nodes.push(node),
            None => self.root.push(node),
        }
    }

    /// The row of the first word here. `Some(None)`: data. `None`: it is not legal, and that is reported, or
    /// nothing is looked at here.
    fn legal(&mut self, words: &[Word<'a>], opening: bool) -> Option<Option<Found>> {
        let word = words.first()?;
        let block = match self.stack.last() {
            Some(frame) => frame.block?,
            None => ROOT,
        };
        if keywords::is_value_block(block) {
            return Some(None);
        }
        match keywords::lookup(block, word.text) {
            Some(found) => {
                self.has_scripts |= found.keyword.takes_script();
                Some(Some(found))
            }
            None => {
                self.illegal(word, block, opening);
                if let Some(frame) = self.stack.last_mut() {
                    frame.damaged = true;
                }
                None
            }
        }
    }

    fn finish(&mut self) {
        while let Some(frame) = self.stack.pop() {
            self.unclosed(&frame, None);
            let at = self.end.or_else(|| frame.words.first().map(|word| word.span));
            if let Some(at) = at {
                self.end_frame(frame, at);
            }
        }
    }

    /// Adds the blocks that are open.
    fn report(&mut self, diagnostic: Diagnostic) {
        let block = if self.diagnostics.is_full(diagnostic.code) { None } else { self.path() };
        self.diagnostics.push(Diagnostic { block, ..diagnostic });
    }

    fn path(&self) -> Option<String> {
        let names: Vec<String> =
            self.stack.iter().filter_map(|frame| title(frame.words.iter().map(|word| word.text))).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }
}

/// So many words of a block are shown.
pub(super) const SHOWN: usize = 4;

/// The words in front of a `{`, for people.
pub(super) fn title<'w>(words: impl Iterator<Item = &'w str>) -> Option<String> {
    const LONGEST: usize = 60;
    let mut title = String::new();
    for word in words.take(SHOWN) {
        let end = word.char_indices().nth(LONGEST).map(|(end, _)| end);
        let blank = if title.is_empty() { "" } else { " " };
        title.extend([blank, word.get(..end.unwrap_or(word.len())).unwrap_or("")]);
        title.extend(end.map(|_| '…'));
        if super::secrets::announces(word) {
            break;
        }
    }
    (!title.is_empty()).then_some(title)
}
