//! Values to words.

use jsonc_parser::ast::{NumberLit, StringLit, Value};
use jsonc_parser::common::{Range, Ranged as _};

use super::read::Reader;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::shape::{Format, Shape};
use crate::config::quote::{is_raw_writable, is_writable};
use crate::config::secrets;
use crate::config::tree::Word;

/// How strict a string is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Text {
    /// Split and decoded once more: anything can be written.
    Command,
    /// A word in double quotes.
    Plain,
    /// A word in quotes of either kind.
    Raw,
}

impl<'n> Reader<'_, 'n> {
    /// The words that stand behind the keyword in keepalived.conf. `None`: the value is of another type, and that
    /// is reported.
    pub(super) fn words(&mut self, value: &Value<'_>, name: &str, shape: Shape) -> Option<Vec<Word<'n>>> {
        let one = |word: Option<Word<'n>>| word.map(|word| vec![word]);
        match (shape, value) {
            (Shape::Alone(_), Value::BooleanLit(alone)) if alone.value => Some(Vec::new()),
            (Shape::Alone(inner), Value::BooleanLit(_)) => {
                self.wrong(value, name, &format!("true, or {}", expected(*inner)));
                None
            }
            (Shape::Alone(inner), _) => self.words(value, name, *inner),
            (Shape::Boolean, Value::BooleanLit(on)) => {
                let text = if on.value { "on" } else { "off" };
                Some(vec![Word { text, span: self.span(on.range) }])
            }
            (
                Shape::Whole | Shape::Number | Shape::Word | Shape::Line { number: true, .. },
                Value::NumberLit(number),
            ) => Some(vec![self.number(number)]),
            (Shape::Text(_) | Shape::Choice(_) | Shape::Word, Value::StringLit(text)) => {
                one(self.text(text, Text::Plain))
            }
            (Shape::Pattern, Value::StringLit(text)) => one(self.text(text, Text::Command)),
            (Shape::Command | Shape::Script, Value::StringLit(text)) => one(self.text(text, Text::Command)),
            (Shape::Script, Value::Object(object)) => {
                self.only(object, name, &["command", "user", "group"])?;
                let mut words = self.required(object, name, "command", Shape::Command)?;
                let member = |word: &str| object.properties.iter().find(|one| one.name.as_str() == word);
                let account = Shape::Text(Format::Any);
                if member("user").is_some() || member("group").is_some() {
                    words.extend(self.required(object, name, "user", account)?);
                }
                if let Some(group) = member("group") {
                    words.extend(self.words(&group.value, "group", account)?);
                }
                Some(words)
            }
            (Shape::Endpoint, Value::Object(object)) => self.endpoint_value(object, name),
            (Shape::List(inner), Value::Array(list)) => {
                let mut words = Vec::new();
                for element in &list.elements {
                    words.extend(self.words(element, name, *inner)?);
                }
                Some(words)
            }
            (Shape::Line { raw, .. }, Value::StringLit(text)) => {
                self.split(text, if raw { Text::Raw } else { Text::Plain })
            }
            (Shape::Line { raw, .. }, Value::Array(list)) => {
                let mut words = Vec::new();
                for element in &list.elements {
                    words.push(match element {
                        Value::StringLit(text) => {
                            self.text(text, if raw { Text::Raw } else { Text::Plain })?
                        }
                        Value::NumberLit(number) => self.number(number),
                        other => {
                            self.wrong(other, name, "a string or a number for each word");
                            return None;
                        }
                    });
                }
                Some(words)
            }
            _ => {
                self.wrong(value, name, expected(shape));
                None
            }
        }
    }

    /// A number as keepalived.conf writes it, which knows no exponents.
    fn number(&self, number: &NumberLit<'_>) -> Word<'n> {
        let plain = || number.value.parse::<f64>().ok().map(|number| number.to_string());
        let text = number.value.contains(['e', 'E']).then(plain).flatten();
        let text = text.unwrap_or_else(|| number.value.to_owned());
        Word { text: self.arena.alloc_str(&text), span: self.span(number.range) }
    }

    /// One word.
    fn text(&mut self, text: &StringLit<'_>, kind: Text) -> Option<Word<'n>> {
        let word = Word { text: self.arena.alloc_str(&text.value), span: self.inner(text.range) };
        self.writable(word, kind)
    }

    /// The words of a line, parted by blanks.
    fn split(&mut self, text: &StringLit<'_>, kind: Text) -> Option<Vec<Word<'n>>> {
        let whole = self.inner(text.range);
        // With escapes in it, the words cannot be told apart in the text.
        let inside = Range { start: text.start() + 1, end: text.end().saturating_sub(1) };
        let verbatim = self.text.get(inside.start..inside.end) == Some(&*text.value);
        let mut words = Vec::new();
        let mut left = &*text.value;
        while let Some(start) = left.find(|c: char| !c.is_whitespace()) {
            let after = left.get(start..).unwrap_or("");
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            let word = after.get(..end).unwrap_or("");
            let at = inside.start + (text.value.len() - after.len());
            let span = if verbatim { self.span(Range { start: at, end: at + word.len() }) } else { whole };
            words.push(self.writable(Word { text: self.arena.alloc_str(word), span }, kind)?);
            left = after.get(end..).unwrap_or("");
        }
        Some(words)
    }

    /// Nothing that keepalived.conf has no words for: every configuration can be written in both languages.
    fn writable(&mut self, word: Word<'n>, kind: Text) -> Option<Word<'n>> {
        let fine = match kind {
            Text::Command => true,
            Text::Plain => is_writable(word.text),
            Text::Raw => is_raw_writable(word.text),
        };
        if !fine {
            let help = match word.text.contains('"') {
                true => {
                    "a double quote, and `$_`, cannot be part of a word; where a word has blanks, write \
                         an array of words"
                }
                false => "control characters, and `$_`, cannot be part of a word",
            };
            let message = "this text has no form in keepalived.conf";
            self.report(Diagnostic::error(Code::JsonText, word.span, message).help(help));
        }
        fine.then_some(word)
    }

    /// A value of another type than its keyword takes.
    pub(super) fn wrong(&mut self, value: &Value<'_>, name: &str, expected: &str) {
        let range = match value {
            // Not the whole of it, which may be long.
            Value::Object(_) | Value::Array(_) => Range { start: value.start(), end: value.start() + 1 },
            other => other.range(),
        };
        let span = self.span(range);
        let found = match value {
            Value::StringLit(_) => "a string",
            Value::NumberLit(_) => "a number",
            Value::BooleanLit(_) => "true or false",
            Value::Object(_) => "an object",
            Value::Array(_) => "an array",
            Value::NullKeyword(_) => "null",
        };
        let what = if name.contains(' ') { name.to_owned() } else { format!("`{name}`") };
        let mut diagnostic =
            Diagnostic::error(Code::JsonType, span, format!("{what} is {found} here")).expected(expected);
        match value {
            // What is to be written instead would show it.
            _ if secrets::SECRETS.contains(&name) => {}
            Value::NullKeyword(_) => diagnostic = diagnostic.help("leave the member out"),
            Value::StringLit(text) if expected.contains("number") && text.value.parse::<f64>().is_ok() => {
                diagnostic = diagnostic.help("write it without quotes").fix(span, &*text.value);
            }
            Value::StringLit(text)
                if matches!(&*text.value, "on" | "true" | "yes" | "off" | "false" | "no") =>
            {
                let on = matches!(&*text.value, "on" | "true" | "yes");
                if expected.starts_with("true") {
                    diagnostic = diagnostic.fix(span, on.to_string());
                }
            }
            Value::NumberLit(number) if expected == "a string" => {
                diagnostic = diagnostic.fix(span, format!("\"{}\"", number.value));
            }
            _ => {}
        }
        self.report(diagnostic);
    }
}

/// The values of a shape, for people.
pub(super) fn expected(shape: Shape) -> &'static str {
    use crate::config::keywords::shape::Times;
    match shape {
        Shape::Alone(inner) => match inner {
            Shape::Whole => "a whole number, or true",
            Shape::List(_) => "an array, or true",
            Shape::Script => "a string or an object, or true",
            _ => "a string, or true",
        },
        Shape::Block(_, Times::Once) => "an object",
        Shape::Block(_, Times::Many) => "an array of objects",
        Shape::Boolean | Shape::Flag => "true or false",
        Shape::Choice(_) | Shape::Command | Shape::Pattern | Shape::Text(_) => "a string",
        Shape::Endpoint => "an object with `address` and `port`",
        Shape::Line { number: true, .. } => "a number, a string with the words, or an array of words",
        Shape::Line { number: false, .. } => "a string with the words, or an array of words",
        Shape::Lines | Shape::Several => "an array with a string for each line",
        Shape::List(_) => "an array",
        Shape::Names => "an array of strings",
        Shape::Number => "a number",
        Shape::Script => "a string, or an object with `command`, `user` and `group`",
        Shape::Whole => "a whole number",
        Shape::Word => "a string or a number",
    }
}
