//! Lines to their canonical layout.
//!
//! In: the lines, and how deep each stands. Out: text. One statement a line, its `{` behind it, a `}` on a line
//! of its own; one blank line at most, one behind each block of the root, none next to the braces of a block.

use super::super::keywords;
use super::balance::{Balance, net};
use super::line::{Comment, Line, Lines, Part, Shape, Words};

/// Blanks for each block that a line stands in.
const LEVEL: usize = 4;

/// The lines in their layout. `balance` is ready for the first line; `length` is that of the text.
pub(super) fn layout<'a>(lines: Lines<'a, '_>, balance: Balance<'a>, length: usize) -> String {
    let mut layout = Layout { balance, ..Layout::default() };
    layout.out.reserve(length + length / 8);
    for line in lines.flatten() {
        layout.line(line);
    }
    layout.flush();
    layout.out
}

#[derive(Default)]
struct Layout<'a> {
    out: String,
    balance: Balance<'a>,
    waiting: Option<Waiting<'a>>,
    gap: Gap,
    /// A `{`, or nothing, was written last: no blank line follows.
    edge: Edge,
    /// Where a definition that goes on has got to.
    definition: i64,
}

/// Words whose `{` may come on a later line.
struct Waiting<'a> {
    depth: i64,
    words: Words<'a>,
    comment: Option<Comment<'a>>,
    /// The lines since then: comments, and blank ones.
    between: Vec<Option<Comment<'a>>>,
}

/// A blank line in front of what comes next.
#[derive(Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Wanted,
    /// It ends a definition: without it the next line would be part of that.
    Needed,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Edge {
    #[default]
    Open,
    Other,
}

/// One line of the result, without its comment.
#[derive(Clone, Copy)]
struct Out<'w> {
    depth: i64,
    words: &'w str,
    brace: &'static str,
    /// It starts with a `}`.
    closes: bool,
}

impl<'a> Layout<'a> {
    fn line(&mut self, line: Line<'a>) {
        let depth = self.balance.depth(line.condition);
        let net = net(&line.braces);
        self.balance.line(&line);
        let text = match &line.shape {
            Shape::Blank => return self.blank(depth, line.comment),
            Shape::Statements(parts) => return self.statements(parts, line.comment, depth),
            Shape::Continue { text, .. } if text.is_empty() && line.comment.is_none() => {
                self.gap = Gap::Needed;
                return;
            }
            Shape::Continue { text, .. } | Shape::Whole(text) => text,
            Shape::Define { text, .. } => text.as_str(),
        };
        self.flush();
        let here = match line.shape {
            Shape::Continue { .. } => self.definition,
            _ => depth,
        };
        let out = Out { depth: here - line.closes, words: text, brace: "", closes: line.closes > 0 };
        match line.shape {
            Shape::Define { .. } => {
                self.write(Out { depth, ..out }, line.comment);
                self.definition = depth + 1 + net;
            }
            Shape::Continue { .. } => {
                self.write(out, line.comment);
                self.definition += net;
            }
            _ => {
                self.write(out, line.comment);
                if depth > 0 && net < 0 && self.balance.depth(None) == 0 {
                    self.gap = Gap::Wanted;
                }
            }
        }
    }

    fn blank(&mut self, depth: i64, comment: Option<Comment<'a>>) {
        match (&mut self.waiting, comment) {
            (Some(waiting), comment) => waiting.between.push(comment),
            (None, Some(_)) => self.write(Out { depth, words: "", brace: "", closes: false }, comment),
            (None, None) => self.gap = self.gap.max(Gap::Wanted),
        }
    }

    fn statements(&mut self, parts: &[Part<'a>], comment: Option<Comment<'a>>, start: i64) {
        let mut comment = comment;
        // The comment of a block on one line is about the block.
        let first = matches!(parts, [Part::Words(_), Part::Open, ..]);
        let mut depth = start;
        let mut at_first = None;
        if first && parts.len() > 2 && net_of(parts) == 0 {
            at_first = comment.take();
        }
        let mut left = parts;
        if let [Part::Open, rest @ ..] = left
            && self.waiting.as_ref().is_some_and(|waiting| opens_a_block(&waiting.words))
        {
            let own = if rest.is_empty() { comment.take() } else { None };
            self.join(own);
            depth += 1;
            left = rest;
        } else {
            self.flush();
        }
        while let [part, rest @ ..] = left {
            let (out, after) = match (part, rest) {
                (Part::Words(words), [Part::Open, rest @ ..]) => {
                    (Out { depth, words: &words.text, brace: " {", closes: false }, rest)
                }
                (Part::Words(words), []) => {
                    let words = words.clone();
                    self.waiting = Some(Waiting { depth, words, comment, between: Vec::new() });
                    return;
                }
                (Part::Words(words), rest) => {
                    (Out { depth, words: &words.text, brace: "", closes: false }, rest)
                }
                (Part::Open, rest) => (Out { depth, words: "", brace: "{", closes: false }, rest),
                (Part::Close, rest) => (Out { depth: depth - 1, words: "", brace: "}", closes: true }, rest),
            };
            let own = if after.is_empty() { comment.take() } else { at_first.take() };
            self.write(out, own);
            depth = out.depth + i64::from(out.brace.ends_with('{'));
            if out.closes && depth == 0 {
                self.gap = Gap::Wanted;
            }
            left = after;
        }
    }

    /// The `{` of the words that wait has come, with this comment behind it.
    fn join(&mut self, comment: Option<Comment<'a>>) {
        let Some(waiting) = self.waiting.take() else { return };
        let depth = waiting.depth;
        let first = waiting.comment.or(comment);
        let second = waiting.comment.and(comment);
        self.write(Out { depth, words: &waiting.words.text, brace: " {", closes: false }, first);
        for line in waiting.between.into_iter().chain(second.map(Some)) {
            self.blank(depth + 1, line);
        }
    }

    /// No `{` comes.
    fn flush(&mut self) {
        let Some(waiting) = self.waiting.take() else { return };
        let depth = waiting.depth;
        self.write(Out { depth, words: &waiting.words.text, brace: "", closes: false }, waiting.comment);
        for line in waiting.between {
            self.blank(depth, line);
        }
    }

    fn write(&mut self, out: Out<'_>, comment: Option<Comment<'_>>) {
        let wanted = self.edge == Edge::Other && !out.closes;
        if self.gap == Gap::Needed || self.gap == Gap::Wanted && wanted {
            self.out.push('\n');
        }
        self.gap = Gap::None;
        self.edge =
            if out.brace.ends_with('{') || out.words.ends_with('{') { Edge::Open } else { Edge::Other };
        let text = [out.words, out.brace, comment.map_or("", |comment| comment.text)];
        if text.iter().any(|text| !text.is_empty()) {
            self.out.extend(std::iter::repeat_n(' ', LEVEL * usize::try_from(out.depth).unwrap_or(0)));
        }
        self.out.extend([out.words, out.brace]);
        if let Some(Comment { text, in_word }) = comment {
            let alone = out.words.is_empty() && out.brace.is_empty();
            let blank = if alone || in_word && out.brace.is_empty() { "" } else { " " };
            self.out.extend([blank, text]);
        }
        self.out.push('\n');
    }
}

/// Whether a `{` on the next line belongs to these words.
fn opens_a_block(words: &Words<'_>) -> bool {
    let first = words.text.split([' ', '\t']).next().unwrap_or("");
    !words.bound && keywords::places(first).iter().any(|keyword| keyword.is_block())
}

fn net_of(parts: &[Part<'_>]) -> i64 {
    let one = |part: &Part<'_>| match part {
        Part::Close => -1,
        Part::Open => 1,
        Part::Words(_) => 0,
    };
    parts.iter().map(one).sum()
}
