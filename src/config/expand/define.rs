//! `$NAME=` definitions and their use.

use std::rc::Rc;

use super::super::diagnostic::{Code, Diagnostic};
use super::super::source::Span;
use super::budget::{LINE, STEP};
use super::{Expander, condition, generator, lexer};

/// Definitions within definitions: one that names itself stops here.
const DEPTH: usize = 32;
/// Bytes between the braces of a use; keepalived reads no longer line.
const INSIDE: usize = 1024;

/// What a name stands for: one line, or several.
#[derive(Debug, Clone)]
pub(super) enum Definition {
    Line(Rc<str>),
    Lines(Rc<[String]>),
}

/// `$NAME=text`: the name and the text.
pub(in crate::config) fn splits(text: &str) -> Option<(&str, &str)> {
    let after = text.strip_prefix('$')?;
    let (name, rest) = name(after)?;
    rest.strip_prefix('=').map(|value| (name, value.trim()))
}

/// A name at the start of the text, and what follows it.
pub(in crate::config) fn name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some((name, rest))
}

/// What follows the `$` of a use: the name, its arguments, and the rest of the text.
pub(in crate::config) fn reference(after: &str) -> Option<(&str, &str, &str)> {
    match after.strip_prefix('{') {
        Some(inside) => {
            let end = inside.bytes().take(INSIDE).position(|byte| byte == b'}')?;
            let (inside, rest) = (inside.get(..end)?, inside.get(end + 1..)?);
            let (name, arguments) = inside.split_once([' ', '\t']).unwrap_or((inside, ""));
            Some((name, arguments.trim(), rest))
        }
        None => {
            let (name, rest) = name(after)?;
            let ends = rest.is_empty() || rest.starts_with([' ', '\t', ',', ')', '\r', '\n']);
            ends.then_some((name, "", rest))
        }
    }
}

impl Expander<'_> {
    pub(super) fn define(&mut self, span: Span) {
        let Some((name, value)) = splits(self.sources.text(span)) else { return };
        let name = name.to_owned();
        match value.strip_suffix('\\') {
            Some(first) => {
                let first = first.trim_end();
                let lines = if first.is_empty() { Vec::new() } else { vec![first.to_owned()] };
                self.open = Some((name, lines));
            }
            None => {
                let definition = Definition::Line(value.into());
                self.definitions.insert(name, definition);
            }
        }
    }

    /// One more line of a definition. A comment is skipped; an empty line, or one without a backslash, ends it.
    pub(super) fn continue_definition(&mut self, span: Span) {
        let Some((name, mut lines)) = self.open.take() else { return };
        let line = self.sources.text(span);
        let stripped = lexer::strip_comment(line);
        let comment = stripped.is_empty() && !line.trim().is_empty();
        if comment {
            self.diagnostics.push_grouped("comment in definition", span, || {
                Diagnostic::note(Code::Portable, span, "a comment between the lines of a definition")
                    .consequence("it is passed over; keepalived 2.4 ends the definition here, 2.2 does not")
                    .help("move it above the definition")
            });
        }
        let (text, more) = stripped.strip_suffix('\\').map_or((stripped, comment), |text| (text, true));
        if !text.trim().is_empty() {
            lines.push(text.trim().to_owned());
        }
        if more {
            self.open = Some((name, lines));
        } else {
            self.end_definition(name, lines);
        }
    }

    pub(super) fn end_definition(&mut self, name: String, lines: Vec<String>) {
        self.definitions.insert(name, Definition::Lines(lines.into()));
    }

    /// The lines that a line with `$` in it becomes.
    pub(super) fn substituted(&mut self, span: Span) -> Vec<Span> {
        if self.budget.is_spent() {
            return Vec::new();
        }
        let text = self.sources.text(span).to_owned();
        let mut substitution =
            Substitution { expander: self, span, lines: vec![String::new()], quotes: 0, failed: false };
        substitution.append(&text, 0);
        let (lines, failed) = (substitution.lines, substitution.failed);
        if failed {
            return Vec::new();
        }
        if lines.first().is_some_and(|line| lines.len() == 1 && *line == text) {
            return vec![span];
        }
        let mut spans = Vec::with_capacity(lines.len());
        for (index, line) in lines.into_iter().enumerate() {
            let line = self.sources.add_expansion(&line, span);
            let mut line = self.stripped(line);
            if index > 0 && self.sources.text(line).starts_with('@') {
                match self.condition(line) {
                    Some(rest) => line = rest,
                    None => continue,
                }
            }
            spans.push(line);
        }
        spans
    }
}

struct Substitution<'a, 'b> {
    expander: &'a mut Expander<'b>,
    span: Span,
    lines: Vec<String>,
    /// Double quotes in the last line so far.
    quotes: usize,
    failed: bool,
}

impl Substitution<'_, '_> {
    fn push(&mut self, text: &str) {
        if !self.expander.budget.take(text.len()) {
            self.fail_with_budget();
        } else if let Some(line) = self.lines.last_mut() {
            line.push_str(text);
            self.quotes += text.bytes().filter(|byte| *byte == b'"').count();
        }
    }

    fn append(&mut self, text: &str, depth: usize) {
        let mut left = text;
        while let Some(at) = left.find('$') {
            if !self.expander.budget.take(STEP) {
                self.fail_with_budget();
            }
            if depth > DEPTH {
                self.fail("the definition expands without end");
            }
            if self.failed {
                return;
            }
            let (before, dollar) = left.split_at_checked(at).unwrap_or((left, ""));
            self.push(before);
            let after = dollar.get(1..).unwrap_or("");
            left = self.one(after, depth).unwrap_or_else(|| {
                self.push("$");
                after
            });
        }
        self.push(left);
    }

    /// What follows a `$`: substitutes, and returns the rest; `None`: the `$` is a plain character.
    fn one<'t>(&mut self, after: &'t str, depth: usize) -> Option<&'t str> {
        let (name, arguments, rest) = reference(after)?;
        if let Some(definition) = self.expander.definitions.get(name) {
            let definition = definition.clone();
            return self.defined(&definition, rest, depth);
        }
        let value = match name {
            "_PWD" => self.folder(),
            "_INSTANCE" => self.expander.options.config_id.clone(),
            "_RANDOM" => match self.random(arguments) {
                Some(number) => number,
                None => {
                    self.fail(format!(
                        "`{arguments}` are no bounds of `_RANDOM`: it takes none, one or two numbers"
                    ));
                    return Some(rest);
                }
            },
            "_HASH" => "#".to_owned(),
            "_BANG" => "!".to_owned(),
            "_ENV" => self.expander.options.environment.get(arguments).cloned().unwrap_or_default(),
            // Inside double quotes a brace is no brace.
            _ if after.starts_with('{') && self.quotes.is_multiple_of(2) => {
                self.fail(format!("`{name}` is not defined"));
                return Some(rest);
            }
            _ => return None,
        };
        self.push(&value);
        Some(rest)
    }

    fn defined<'t>(&mut self, definition: &Definition, rest: &'t str, depth: usize) -> Option<&'t str> {
        let lines = match definition {
            // A generator at the start of the line repeats what follows the use, too.
            Definition::Line(line) if line.starts_with('~') && self.is_at_start() => {
                self.line_of(&format!("{line}{rest}"), depth + 1);
                return Some("");
            }
            Definition::Line(line) => {
                self.append(line, depth + 1);
                return Some(rest);
            }
            Definition::Lines(lines) => lines,
        };
        match &**lines {
            [] => Some(rest),
            [line] if line.starts_with('~') && self.is_at_start() => {
                self.line_of(&format!("{line}{rest}"), depth + 1);
                Some("")
            }
            [line] => {
                self.append(line, depth + 1);
                Some(rest)
            }
            // Several lines fit only where nothing follows.
            _ if !rest.trim().is_empty() => None,
            lines => {
                for (index, line) in lines.iter().enumerate() {
                    if self.failed {
                        break;
                    }
                    if index > 0 {
                        self.next_line();
                    } else if splits(line).is_some() {
                        let span = self.span;
                        self.expander.diagnostics.push_grouped("definition first", span, || {
                            Diagnostic::note(Code::Portable, span, "this stands for lines of which the first is a definition")
                                .consequence("it counts; keepalived 2.4 refuses a definition on the first line, 2.2 does not")
                        });
                    }
                    self.line_of(line, depth + 1);
                }
                Some("")
            }
        }
    }

    fn next_line(&mut self) {
        if self.expander.budget.take(LINE) {
            self.lines.push(String::new());
            self.quotes = 0;
        } else {
            self.fail_with_budget();
        }
    }

    /// Nothing stands in the line yet.
    fn is_at_start(&self) -> bool {
        self.lines.last().is_none_or(|line| line.trim().is_empty())
    }

    /// One of several lines; it may be a definition itself, or start with a generator.
    fn line_of(&mut self, line: &str, depth: usize) {
        if !self.is_at_start() {
            return self.append(line, depth);
        }
        if let Some((name, value)) = splits(line) {
            self.expander.definitions.insert(name.to_owned(), Definition::Line(value.into()));
            return;
        }
        // `@ID ~SEQ(…) text`: what does not count here is not repeated either.
        let bare = match condition(line) {
            Some((id, wanted, rest)) if (id == self.expander.options.config_id) == wanted => rest,
            Some((_, _, rest)) if generator(rest).is_some() => return,
            _ => line,
        };
        match generator(bare) {
            Some((name, inside, rest)) if depth <= DEPTH => {
                self.generated(name, inside, rest.trim_start(), depth)
            }
            _ => self.append(line, depth),
        }
    }

    /// The rest of a line once for each value of the generator in front of it.
    fn generated(&mut self, name: &str, inside: &str, rest: &str, depth: usize) {
        let values = match self.expander.values(name, inside) {
            Ok(values) => values,
            Err(message) => return self.fail(message),
        };
        for (index, assigned) in values.enumerate() {
            if index > 0 {
                self.next_line();
            }
            if self.failed {
                return;
            }
            self.expander.assign(assigned);
            self.line_of(rest, depth + 1);
        }
    }

    /// `[MIN [MAX]]`, 0 and 32767 when absent. `None`: they are no numbers.
    fn random(&mut self, arguments: &str) -> Option<String> {
        let bounds: Option<Vec<u32>> = arguments.split_whitespace().map(|bound| bound.parse().ok()).collect();
        let (low, high) = match bounds?.as_slice() {
            [] => (0, 32_767),
            [low] => (*low, 32_767),
            [low, high] => (*low, *high),
            _ => return None,
        };
        // SplitMix64: every use has a number of its own.
        self.expander.random = self.expander.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.expander.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let span = u64::from(high.saturating_sub(low)) + 1;
        Some((u64::from(low) + mixed % span).to_string())
    }

    fn folder(&self) -> String {
        let folder = self.expander.stack.last().and_then(|path| path.parent());
        folder.map_or_else(String::new, |folder| folder.display().to_string())
    }

    fn fail_with_budget(&mut self) {
        self.failed = true;
        self.expander.budget_error(self.span);
    }

    fn fail(&mut self, message: impl Into<String>) {
        if !self.failed {
            self.failed = true;
            self.expander.expansion_error(self.span, message);
        }
    }
}
