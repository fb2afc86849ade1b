//! keepalived.conf to a typed `model::Model`, and everything worth saying about it on the way.
//!
//! In: the path of a file, a `Files` that reads it, `Options`. Out: `Loaded`. The way there: `expand`
//! (files to tokens, with `lexer`), `tree` (tokens to blocks, with `keywords`), `lower` (blocks to the
//! model), `lint`. Only `io` touches the disk. A configuration with an error has no model: it is never used in part.

pub mod diagnostic;
mod expand;
pub mod format;
/// The real files.
pub mod io;
pub mod keywords;
mod lexer;
pub mod lint;
mod lower;
/// The typed configuration: a value that is out of range cannot be represented.
pub mod model;
pub mod reference;
pub mod source;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use diagnostic::{Diagnostic, Diagnostics, Format, Severity};
use lexer::{Token, TokenKind};
use model::Model;
use source::{Files, Sources, Span};

/// What the outside says about how to read.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What `@ID` lines are compared with: `-i`, else the name of the node up to its first dot.
    pub config_id: String,
    /// `-e`: an include that finds nothing is an error.
    pub check_includes: bool,
    /// What `${_RANDOM}` starts from.
    pub random: u64,
    /// For `${_ENV NAME}`.
    pub environment: BTreeMap<String, String>,
}

/// A configuration that was read.
#[derive(Debug)]
pub struct Loaded {
    /// `None` when there are errors.
    pub model: Option<Model>,
    /// What there is to say, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
    /// For [`lint::compare`].
    pub places: lint::Places,
}

/// Reads `path` and what it includes.
pub fn load(path: &Path, files: &dyn Files, options: &Options) -> Loaded {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let tokens = expand::expand(path, files, options, &mut sources, &mut diagnostics);
    let tree = tree::build(&tokens, &sources, &mut diagnostics);
    let model = lower::lower(&tree, &sources, &mut diagnostics);
    let model = (!diagnostics.has_errors()).then_some(model);
    let places = match &model {
        Some(model) => lint::lint(&tree, model, &sources, &mut diagnostics),
        None => lint::Places::default(),
    };
    drop(tree);
    for span in secrets(&tokens, &sources) {
        sources.hide(span);
    }
    Loaded { model, diagnostics: diagnostics.into_sorted(&sources), sources, places }
}

/// Words that no diagnostic may show: passwords and keys.
fn secrets(tokens: &[Token], sources: &Sources) -> Vec<Span> {
    let mut found = Vec::new();
    // How many words of this line are left to show; `None`: no secret is near.
    let mut shown: Option<usize> = None;
    let mut starts = true;
    for token in tokens {
        if matches!(token.kind, TokenKind::End | TokenKind::Open | TokenKind::Close) {
            (starts, shown) = (true, None);
            continue;
        }
        match shown {
            Some(0) => found.push(token.span),
            Some(left) => shown = Some(left - 1),
            None => {
                shown = match sources.text(token.span) {
                    word if word.starts_with("auth_pas") => Some(0),
                    "password" => Some(0),
                    // `key PATH` of SSL is none.
                    "key" if starts => Some(1),
                    _ => None,
                };
            }
        }
        starts = false;
    }
    found
}

impl Loaded {
    /// Whether there is an error, and so no model.
    pub fn has_errors(&self) -> bool {
        self.worst() == Some(Severity::Error)
    }

    /// What is legal and dangerous to run without, and not in this version: a daemon refuses to start or to
    /// reload with any of these.
    pub fn blockers(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|one| one.code.blocks())
    }

    /// The worst severity; `None` when there is nothing to say.
    pub fn worst(&self) -> Option<Severity> {
        self.diagnostics.iter().map(|one| one.severity).max()
    }

    /// All diagnostics as text.
    pub fn render(&self, format: Format, colour: bool) -> String {
        diagnostic::render(&self.diagnostics, &self.sources, format, colour)
    }

    /// `2 errors, 1 warning`.
    pub fn summary(&self) -> String {
        diagnostic::summary(&self.diagnostics)
    }
}
