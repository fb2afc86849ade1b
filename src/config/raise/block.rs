//! A block that is being written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::{Statement, Word};
use crate::config::keywords::{self, BlockId};
use crate::config::model::InterfaceName;

/// The statements of one block, so far.
pub(super) struct Block {
    id: BlockId,
    /// Defaults are shown.
    defaults: bool,
    /// The block has no effect in this version: what is in it is not said to have none once more.
    silent: bool,
    statements: Vec<Statement>,
}

impl Block {
    pub(super) fn new(id: BlockId, defaults: bool) -> Self {
        Self { id, defaults, silent: false, statements: Vec::new() }
    }

    pub(super) fn done(self) -> Vec<Statement> {
        self.statements
    }

    pub(super) fn shows_defaults(&self) -> bool {
        self.defaults
    }

    /// A keyword and its words.
    pub(super) fn words(&mut self, keyword: &str, words: impl IntoIterator<Item = Word>) {
        let words = std::iter::once(plain(keyword)).chain(words).collect();
        self.statements.push(Statement::line(words));
    }

    /// A keyword and one value.
    pub(super) fn set(&mut self, keyword: &str, value: impl Written) {
        self.words(keyword, [plain(value.written())]);
    }

    /// A setting of which the model tells whether it is there.
    pub(super) fn given(&mut self, keyword: &str, value: Option<impl Written>) {
        if let Some(value) = value {
            self.set(keyword, value);
        }
    }

    /// A setting that is left out when it is equal to its default.
    pub(super) fn unless<T: Written + PartialEq>(&mut self, keyword: &str, value: T, default: T) {
        if value != default || self.shows(keyword) {
            self.set(keyword, value);
        }
    }

    /// A word that stands alone. One that is off cannot be written, only told.
    pub(super) fn flag(&mut self, keyword: &str, on: bool) {
        if on {
            self.words(keyword, []);
        } else if self.shows(keyword) {
            self.statements.push(Statement { words: vec![plain(keyword)], body: None, off: true });
        }
    }

    /// A setting that is on, or off by default: off is not written, only told.
    pub(super) fn on_or_nothing(&mut self, keyword: &str, on: bool) {
        match on {
            true => self.set(keyword, true),
            false => self.flag(keyword, false),
        }
    }

    /// A keyword alone, or with one word: an empty value is the keyword alone.
    pub(super) fn optional(&mut self, keyword: &str, value: Option<&String>) {
        match value.map(String::as_str) {
            None => {}
            Some("") => self.words(keyword, []),
            Some(value) => self.set(keyword, value),
        }
    }

    /// A line of data.
    pub(super) fn line(&mut self, words: Vec<Word>) {
        self.statements.push(Statement::line(words));
    }

    /// A block: `head` begins with its keyword.
    pub(super) fn block(&mut self, head: Vec<Word>, inside: impl FnOnce(&mut Self)) {
        let found = match head.first() {
            Some(Word::Plain(word)) => keywords::lookup(self.id, word),
            _ => None,
        };
        let id = found.and_then(|found| found.opens).unwrap_or(self.id);
        let silent = self.silent || found.is_some_and(|found| found.keyword.status.is_silent());
        let mut block = Self { id, defaults: self.defaults, silent, statements: Vec::new() };
        inside(&mut block);
        self.statements.push(Statement { words: head, body: Some(block.statements), off: false });
    }

    /// A block that says nothing when it is empty.
    pub(super) fn block_unless_empty(&mut self, head: Vec<Word>, inside: impl FnOnce(&mut Self)) {
        self.block(head, inside);
        let empty = |statement: &Statement| statement.body.as_ref().is_some_and(Vec::is_empty);
        if self.statements.last().is_some_and(empty) {
            self.statements.pop();
        }
    }

    /// A block of data lines; none when there is none.
    pub(super) fn lines(&mut self, keyword: &str, lines: impl IntoIterator<Item = Vec<Word>>) {
        let body: Vec<Statement> = lines.into_iter().map(Statement::line).collect();
        if !body.is_empty() {
            self.statements.push(Statement { words: vec![plain(keyword)], body: Some(body), off: false });
        }
    }

    /// Whether a default of this keyword is shown: not where this version does not act on it.
    pub(super) fn shows(&self, keyword: &str) -> bool {
        let silent =
            || keywords::lookup(self.id, keyword).is_none_or(|found| found.keyword.status.is_silent());
        self.defaults && (self.silent || !silent())
    }
}

/// A word that is read as it stands.
pub(super) fn plain(text: impl Into<String>) -> Word {
    Word::Plain(text.into())
}

/// Words that are read as they stand.
pub(super) fn plains<T: Into<String>>(words: impl IntoIterator<Item = T>) -> Vec<Word> {
    words.into_iter().map(plain).collect()
}

/// A value as one word.
pub(super) trait Written {
    fn written(&self) -> String;
}

macro_rules! as_displayed {
    ($($kind:ty),*) => {
        $(impl Written for $kind {
            fn written(&self) -> String {
                self.to_string()
            }
        })*
    };
}

as_displayed!(u8, i8, u16, i16, u32, i32, u64, &str, String, &String, IpAddr, Ipv4Addr, Ipv6Addr);
as_displayed!(&InterfaceName);

impl Written for bool {
    fn written(&self) -> String {
        if *self { "on" } else { "off" }.to_owned()
    }
}

impl Written for Duration {
    /// Seconds, without trailing zeros.
    fn written(&self) -> String {
        let text = format!("{}.{:06}", self.as_secs(), self.subsec_micros());
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    }
}
