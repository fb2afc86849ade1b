//! What a tree makes of words that are not legal where they stand, and of braces that are too few.
//!
//! One mistake is said once, at the place where it was most likely made; what follows is read as it was meant.

use super::{Builder, Frame};
use crate::config::diagnostic::{Code, Diagnostic, Severity};
use crate::config::keywords::{self, BlockId, Keyword, ROOT};
use crate::config::slips;
use crate::config::source::Span;
use crate::config::tree::Word;

impl<'a> Builder<'a, '_> {
    /// A word that is no keyword in this block.
    pub(super) fn illegal(&mut self, word: &Word<'a>, block: BlockId, opening: bool) {
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
                    diagnostic = diagnostic.help(format!("did you mean `{near}`?"));
                    // With braces where there are none, or the other way round, the word alone would not mend it.
                    if keywords::lookup(block, near).is_some_and(|found| found.keyword.is_block() == opening)
                    {
                        diagnostic = diagnostic.fix(word.span, near);
                    }
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
    pub(super) fn close_forgotten(&mut self, words: &[Word<'a>]) {
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
    pub(super) fn close_inner(&mut self, brace: Span) {
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

    pub(super) fn close_down_to(&mut self, depth: usize, at: Span, label: &str) {
        while self.stack.len() > depth {
            let Some(frame) = self.stack.pop() else { return };
            if self.excess > 0 {
                self.excess -= 1;
                self.unclosed(&frame, Some((at, label)));
            }
            self.end_frame(frame, at);
        }
    }

    pub(super) fn unclosed(&mut self, frame: &Frame<'a>, place: Option<(Span, &str)>) {
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
}

fn in_or_below(keyword: &Keyword, block: &Keyword) -> bool {
    keyword.path.strip_prefix(block.path).is_some_and(|rest| rest.starts_with('/'))
}

/// The blocks where a word is legal: `virtual_server`, or `a or b`, for people.
pub(in crate::config) fn belongs(places: &[&Keyword]) -> String {
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
