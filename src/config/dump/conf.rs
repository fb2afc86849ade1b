//! Statements to the text of keepalived.conf.

use super::HIDDEN;
use crate::config::quote::{command, pattern, plain, raw};
use crate::config::raise::{Statement, Word};

/// The first line when a secret is hidden.
const NOTE: &str =
    "# Secrets are hidden: this file cannot be used. `directord config dump --secrets` shows them.\n";

/// The whole file.
pub(super) fn text(statements: &[Statement], secrets: bool) -> String {
    let mut printer = Printer { text: String::new(), secrets, hidden: false };
    for (index, statement) in statements.iter().enumerate() {
        let block = |at: usize| statements.get(at).is_some_and(|statement| statement.body.is_some());
        if index > 0 && (block(index) || block(index - 1)) {
            printer.text.push('\n');
        }
        printer.statement(statement, 0);
    }
    match (printer.hidden, printer.text.is_empty()) {
        (true, _) => format!("{NOTE}\n{}", printer.text),
        (false, _) => printer.text,
    }
}

/// Words of one line, secrets hidden.
pub(super) fn words(words: &[Word]) -> String {
    let mut printer = Printer { text: String::new(), secrets: false, hidden: false };
    words.iter().map(|word| printer.word(word)).collect::<Vec<_>>().join(" ")
}

struct Printer {
    text: String,
    secrets: bool,
    /// A secret was left out.
    hidden: bool,
}

impl Printer {
    fn statement(&mut self, statement: &Statement, depth: usize) {
        let indentation = "    ".repeat(depth);
        self.text += &indentation;
        if statement.off {
            self.text += "# off: ";
        }
        let words: Vec<String> = statement.words.iter().map(|word| self.word(word)).collect();
        self.text += &words.join(" ");
        if let Some(body) = &statement.body {
            self.text += " {\n";
            body.iter().for_each(|inner| self.statement(inner, depth + 1));
            self.text += &indentation;
            self.text.push('}');
        }
        self.text.push('\n');
    }

    fn word(&mut self, word: &Word) -> String {
        match word {
            Word::Plain(text) => plain(text),
            Word::Command(arguments) => format!("\"{}\"", command(arguments)),
            Word::Raw(text) => raw(text),
            Word::Pattern(text) => pattern(text),
            Word::Secret(text) if self.secrets => plain(text),
            Word::Secret(_) => {
                self.hidden = true;
                HIDDEN.to_owned()
            }
        }
    }
}
