//! Tokens to a tree of statements and blocks.
//!
//! In: the tokens of one load. Out: [`Node`]s, each with its row of the keyword table, and what is wrong with
//! the braces and the words. After an error the builder goes on where a person would: an unknown block is
//! skipped as a block, and a `}` that is missing is put where the indentation, or a word that is legal only
//! further out, says that it was meant. Only then are such guesses made: a file with as many `{` as `}` is
//! read by its braces alone.

use std::cell::Cell;

use bumpalo::Bump;

use super::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use super::keywords::{self, BlockId, Found, Keyword, ROOT};
use super::lexer::{Token, TokenKind};
use super::slips;
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

    /// A word that is no keyword in this block.
    fn illegal(&mut self, word: &Word<'a>, block: BlockId, opening: bool) {
        let what = if opening { "block" } else { "keyword" };
        if word.text.starts_with('$') {
            let message = format!("`{}` is not defined", word.text);
            self.report(Diagnostic::error(Code::Expansion, word.span, message));
            return;
        }
        let places = keywords::places(word.text);
        if places.is_empty() || keywords::in_another_case(block, word.text) {
            if self.diagnostics.is_full(Code::UnknownKeyword) {
                self.diagnostics.count(Code::UnknownKeyword, Severity::Error, Some(word.span));
                return;
            }
            let path = self.path();
            let within = self.stack.last().and_then(|frame| frame.keyword).map_or("", |keyword| keyword.path);
            let key = format!("unknown {within}/{}", word.text);
            self.diagnostics.push_grouped(key, word.span, || {
                let message = format!("unknown {what} `{}`", word.text);
                let mut diagnostic = Diagnostic::error(Code::UnknownKeyword, word.span, message);
                let assigned = slips::assignment(word.text)
                    .filter(|(keyword, ..)| keywords::lookup(block, keyword).is_some());
                if let Some((keyword, sign, value)) = assigned {
                    let help = format!("there is no `{sign}` between a keyword and its value");
                    let meant = format!("{keyword} {value}");
                    diagnostic = diagnostic.help(help).fix(word.span, meant.trim_end());
                } else if let Some(slip) = slips::slip(word.text) {
                    diagnostic = diagnostic.help(slip.help);
                    if let Some(meant) = slip.meant.filter(|meant| keywords::lookup(block, meant).is_some()) {
                        diagnostic = diagnostic.fix(word.span, meant);
                    }
                } else if let Some(near) = keywords::nearest(block, word.text) {
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(word.span, near);
                }
                if opening {
                    diagnostic = diagnostic.consequence("the whole block is skipped");
                }
                Diagnostic { block: path, ..diagnostic }
            });
            return;
        }
        let closed = self.last_root.filter(|(keyword, ..)| {
            self.stack.is_empty() && places.iter().any(|place| in_or_below(place, keyword))
        });
        if let Some((keyword, opened, closed)) = closed {
            if let Some(body) = self.root.last().and_then(|node| node.body) {
                body.damaged.set(true);
            }
            let key = format!("closed early {closed:?}");
            self.closed_early = Some(key.clone());
            self.diagnostics.push_grouped(key, word.span, || {
                Diagnostic::error(
                    Code::Misplaced,
                    word.span,
                    format!("`{}` stands outside of any block", word.text),
                )
                .label(format!("belongs in {}", belongs(places)))
                .related(opened, "this block")
                .related(closed, "is closed here")
                .help(format!("`{}` is closed too early: move its `}}` below this", keyword.word()))
            });
            return;
        }
        if self.diagnostics.is_full(Code::Misplaced) {
            self.diagnostics.count(Code::Misplaced, Severity::Error, Some(word.span));
            return;
        }
        let here = match self.stack.last().and_then(|frame| frame.keyword) {
            Some(keyword) => format!("in `{}`", keyword.word()),
            None => "outside of any block".to_owned(),
        };
        let message = format!("`{}` is not legal {here}", word.text);
        let mut diagnostic = Diagnostic::error(Code::Misplaced, word.span, message)
            .label(format!("belongs in {}", belongs(places)));
        if let Some(near) = keywords::nearest(block, word.text) {
            diagnostic = diagnostic.help(format!("or did you mean `{near}`?"));
        }
        self.report(diagnostic);
    }

    /// A word that is legal only further out, and is not indented deeper than the block it stands in: that
    /// block should have been closed.
    fn close_forgotten(&mut self, words: &[Word<'a>]) {
        let (Some(frame), Some(word), true) = (self.stack.last(), words.first(), self.excess > 0) else {
            return;
        };
        let legal = |block: Option<BlockId>| {
            block.is_some_and(|block| {
                !keywords::is_value_block(block) && keywords::lookup(block, word.text).is_some()
            })
        };
        if frame.block.is_none() || legal(frame.block) {
            return;
        }
        let depth = match self.stack.iter().rposition(|frame| legal(frame.block)) {
            Some(index) => index + 1,
            None if keywords::lookup(ROOT, word.text).is_some() => 0,
            None => return,
        };
        let (Some(here), Some(opener)) = (self.sources.indentation(word.span), frame.words.first()) else {
            return;
        };
        if here <= self.sources.line_indentation(opener.span) {
            self.close_down_to(depth, word.span, "should be closed before this line");
        }
    }

    /// A `}` that stands below the start of an outer block closes that one: the inner ones are not closed.
    fn close_inner(&mut self, brace: Span) {
        if self.excess <= 0 {
            return;
        }
        let Some(here) = self.sources.indentation(brace) else { return };
        let indentation = |frame: &Frame<'a>| {
            frame.words.first().map(|word| {
                (self.sources.written(word.span).source, self.sources.line_indentation(word.span))
            })
        };
        let at_brace = Some((self.sources.written(brace).source, here));
        let deeper = self.stack.last().and_then(indentation).is_some_and(|(_, inner)| inner > here);
        let outer = self.stack.iter().rposition(|frame| indentation(frame) == at_brace);
        if let (true, Some(outer)) = (deeper, outer) {
            self.close_down_to(outer + 1, brace, "this `}` stands below the start of an outer block");
        }
    }

    fn close_down_to(&mut self, depth: usize, at: Span, label: &str) {
        while self.stack.len() > depth {
            let Some(frame) = self.stack.pop() else { return };
            if self.excess > 0 {
                self.excess -= 1;
                self.unclosed(&frame, Some((at, label)));
            }
            self.end_frame(frame, at);
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

    fn unclosed(&mut self, frame: &Frame<'a>, place: Option<(Span, &str)>) {
        let Some((first, last)) = frame.words.first().zip(frame.words.last()) else { return };
        let message = format!("the block `{}` is not closed", first.text);
        let mut diagnostic = Diagnostic::error(Code::MissingClose, first.span.to(last.span), message)
            .label("opened here")
            .help("add the missing `}`");
        match place {
            Some((span, label)) => diagnostic = diagnostic.related(span, label),
            None => diagnostic.consequence = Some("the file ends before its `}`".to_owned()),
        }
        self.report(diagnostic);
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

fn in_or_below(keyword: &Keyword, block: &Keyword) -> bool {
    keyword.path.strip_prefix(block.path).is_some_and(|rest| rest.starts_with('/'))
}

/// The blocks where a word is legal: `virtual_server`, or `a or b`, for people.
pub(super) fn belongs(places: &[&Keyword]) -> String {
    let mut blocks: Vec<&str> = Vec::new();
    for place in places {
        let block = match place.block() {
            "" => "the root of the file",
            block => block.rsplit('/').next().unwrap_or(block),
        };
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    let left = blocks.len().saturating_sub(3);
    blocks.truncate(3);
    let named: Vec<String> = blocks
        .iter()
        .map(|block| if block.contains(' ') { (*block).to_owned() } else { format!("`{block}`") })
        .collect();
    match (left, named.split_last()) {
        (0, Some((last, []))) => last.clone(),
        (0, Some((last, before))) => format!("{} or {last}", before.join(", ")),
        _ => format!("{} and {left} other blocks", named.join(", ")),
    }
}
