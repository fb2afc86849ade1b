//! One file in its canonical layout.
//!
//! In: the text of a file as it was written; nothing is expanded, nothing is included. Out: the same text with
//! four blanks a level, one statement a line, and comments where they were; or why it is left alone. The
//! meaning stays: `same` expands both texts and compares their words. Lines whose meaning hangs on being one
//! line (conditions, generators, includes, some uses of definitions) stay one line.

mod balance;
mod layout;
mod line;
mod same;

use std::path::Path;

use bumpalo::Bump;

use super::diagnostic::{self, Code, Diagnostic, Diagnostics, Format, Severity};
use super::options::Options;
use super::source::{SourceId, Sources, Span, offset};
use super::{expand, tree};
use balance::{Balance, Unbalanced};
use line::{Lines, Names, Problem};

/// A file that is left alone, and why.
#[derive(Debug)]
pub struct Refused {
    /// At least one error.
    pub diagnostics: Vec<Diagnostic>,
    sources: Sources,
}

impl Refused {
    /// The diagnostics as text.
    pub fn render(&self, format: Format, colour: bool) -> String {
        diagnostic::render(&self.diagnostics, &self.sources, format, colour)
    }

    /// `2 errors`.
    pub fn summary(&self) -> String {
        diagnostic::summary(&self.diagnostics)
    }
}

/// The canonical layout of the file `name` that holds `bytes`.
///
/// # Errors
///
/// Text that cannot be read, quotes or braces that do not come in pairs, and a meaning that would change.
pub fn format(name: &str, bytes: Vec<u8>) -> Result<String, Refused> {
    let valid = std::str::from_utf8(&bytes).map(|_| ()).map_err(|error| error.valid_up_to());
    let mut sources = Sources::default();
    let id = sources.add_file(name, bytes);
    if let Err(at) = valid {
        let span =
            Span { source: id, start: offset(at), end: offset(at + char::REPLACEMENT_CHARACTER.len_utf8()) };
        return Err(Refused { diagnostics: vec![unreadable(span)], sources });
    }
    let (result, problems) = laid_out(name, id, &sources);
    match result {
        Some(Ok(text)) => Ok(text),
        Some(Err(unbalanced)) => Err(braces(name, sources.text_of(id), unbalanced)),
        None => Err(Refused { diagnostics: problems, sources }),
    }
}

/// The layout, or the brace that has no other, or what else is wrong.
fn laid_out(
    name: &str,
    id: SourceId,
    sources: &Sources,
) -> (Option<Result<String, Unbalanced>>, Vec<Diagnostic>) {
    let text = sources.text_of(id);
    let names = Names::read(text, id);
    let mut balance = Balance::default();
    let mut problems = Vec::new();
    for line in Lines::new(text, id, &names) {
        match line {
            Ok(line) => balance.line(&line),
            Err(problem) => problems.push(explained(problem)),
        }
    }
    if !problems.is_empty() {
        return (None, problems);
    }
    let balanced = match balance.finish() {
        Ok(balanced) => balanced,
        Err(unbalanced) => return (Some(Err(unbalanced)), problems),
    };
    let result = layout::layout(Lines::new(text, id, &names), balanced, text.len());
    match same::difference(name, text, &result) {
        None => (Some(Ok(result)), problems),
        Some((start, end)) => {
            let span = Span { source: id, start, end };
            let message = "the canonical layout would change what this line means";
            let diagnostic = Diagnostic::error(Code::Layout, span, message)
                .consequence("the file is left as it is")
                .help("look for a definition that holds a single double quote, a comment sign or an include");
            (None, vec![diagnostic])
        }
    }
}

fn explained(problem: Problem) -> Diagnostic {
    match problem {
        Problem::Brace(span, brace) => Diagnostic::error(Code::Text, span, "this sign is no brace")
            .expected(format!("`{brace}`"))
            .consequence("the file is left as it is"),
        Problem::Character(span) => unreadable(span),
        Problem::Quote(span) => Diagnostic::error(Code::Quote, span, "the quote is not closed on this line")
            .label("opened here")
            .consequence("the file is left as it is")
            .help("a quoted word ends on the line where it starts: add the second \""),
    }
}

fn unreadable(span: Span) -> Diagnostic {
    Diagnostic::error(Code::Text, span, "this is no text")
        .expected("UTF-8, without control characters")
        .consequence("the file is left as it is")
        .help("delete the character; for a file in another encoding: iconv -f LATIN1 -t UTF-8 FILE")
}

/// What the reader of the whole language says of the braces: it guesses well which of them is missing. Where it
/// has nothing to say, the brace that could not be paired.
fn braces(name: &str, text: &str, unbalanced: Unbalanced) -> Refused {
    let mut sources = Sources::default();
    let mut ignored = Diagnostics::default();
    let files = same::OneFile { name: Path::new(name), text };
    let options = Options { config_id: unbalanced.node.clone(), ..Options::default() };
    let tokens = expand::expand(Path::new(name), &files, &options, &mut sources, &mut ignored);
    let mut found = Diagnostics::default();
    tree::build(&tokens, &sources, &Bump::new(), &mut found);
    let mut found = found.into_sorted(&sources);
    found.retain(|one| matches!(one.code, Code::MissingClose | Code::ExtraClose));
    if found.is_empty() {
        let main = sources.files().next().map(|(id, _)| id);
        let at = unbalanced.brace.at;
        let span = main.map(|source| Span { source, start: at, end: at + 1 });
        let (code, message) = match unbalanced.brace.opens {
            true => (Code::MissingClose, "this `{` is not closed"),
            false => (Code::ExtraClose, "this `}` closes nothing"),
        };
        found.push(Diagnostic::new(code, Severity::Error, span, message));
    }
    if !unbalanced.node.is_empty() {
        for one in &mut found {
            one.message += &format!(" on the node `{}`", unbalanced.node);
        }
    }
    Refused { diagnostics: found, sources }
}
