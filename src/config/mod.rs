//! keepalived.conf to a typed `model::Model`, and everything worth saying about it on the way.
//!
//! In: the path of a file, a `Files` that reads it, `Options`. Out: `Loaded`. The way there: `expand`
//! (files to tokens, with `lexer`), `tree` (tokens to blocks, with `keywords`), `lower` (blocks to the
//! model), `lint`. Only `io` touches the disk. A configuration with an error has no model for a reload; what it
//! comes to without what is wrong stands apart, for a start that has nothing better.

pub mod diagnostic;
mod expand;
pub mod format;
pub mod host;
/// The real files.
pub mod io;
pub mod keywords;
mod lexer;
pub mod lint;
mod lower;
/// The typed configuration: a value that is out of range cannot be represented.
pub mod model;
pub mod recorded;
pub mod reference;
pub mod runnable;
pub mod source;
mod tokens;
mod tree;

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use bumpalo::Bump;
use diagnostic::{Diagnostic, Diagnostics, Format, Severity};
use host::Host;
use lexer::TokenKind;
use model::Model;
use source::{Files, Sources, Span};
use tokens::Tokens;

/// What the outside says about how to read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// With errors: the configuration without what is wrong, as keepalived runs with it. For a start that has
    /// nothing better, never for a reload. `None` when keepalived does not start either: the file, or a file whose
    /// inclusion is to be checked, could not be read.
    pub degraded: Option<Model>,
    /// What there is to say, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
    /// For [`lint::compare`].
    pub places: lint::Places,
}

/// Reads `path` and what it includes.
pub fn load(path: &Path, files: &dyn Files, options: &Options) -> Loaded {
    read(path, files, options, None)
}

/// The same, and looks whether `host` has what the configuration needs. Without errors in the file only.
pub fn load_for(path: &Path, files: &dyn Files, options: &Options, host: &dyn Host) -> Loaded {
    read(path, files, options, Some(host))
}

/// The words and braces of a configuration.
#[derive(Debug)]
pub struct Words {
    /// Where they stand, without their quotes, in the order in which they count.
    pub list: Vec<Span>,
    /// The texts that they stand in.
    pub sources: Sources,
    /// What there is to say of quotes, definitions and includes, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

/// The first step of [`load`]: what is read where a keyword or a value may stand. Passwords are not hidden.
pub fn words(path: &Path, files: &dyn Files, options: &Options) -> Words {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let tokens = expand::expand(path, files, options, &mut sources, &mut diagnostics);
    let list = tokens.iter().filter(|token| token.kind != TokenKind::End).map(|token| token.span).collect();
    Words { list, diagnostics: diagnostics.into_sorted(&sources), sources }
}

fn read(path: &Path, files: &dyn Files, options: &Options, host: Option<&dyn Host>) -> Loaded {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let tokens = expand::expand(path, files, options, &mut sources, &mut diagnostics);
    let secrets = secrets(&tokens, &sources);
    let arena = Bump::new();
    let tree = tree::build(&tokens, &sources, &arena, &mut diagnostics);
    drop(tokens);
    let model = lower::lower(&tree.nodes, &sources, &mut diagnostics);
    let (model, degraded) = match diagnostics.has_errors() {
        false => (Some(model), None),
        true => (None, Some(model).filter(|_| !diagnostics.is_unread())),
    };
    let places = match &model {
        Some(model) => lint::lint(&tree, model, &sources, &mut diagnostics),
        None => lint::Places::default(),
    };
    if let (Some(model), Some(host)) = (&model, host) {
        host::check(&tree.nodes, model, host, &sources, &mut diagnostics);
    }
    drop(tree);
    drop(arena);
    let mut diagnostics = diagnostics.into_sorted(&sources);
    let text = |span: &Span| (*span, sources.text(*span));
    diagnostic::hide(&mut diagnostics, secrets.iter().map(text).collect());
    for span in secrets {
        sources.hide(span);
    }
    Loaded { model, degraded, diagnostics, sources, places }
}

/// Whether the words behind this one are a password.
fn announces_secret(word: &str) -> bool {
    word.starts_with("auth_pas") || word == "password"
}

/// Words that no diagnostic may show: passwords and keys.
fn secrets(tokens: &Tokens, sources: &Sources) -> Vec<Span> {
    let mut found = Vec::new();
    // How many words of this line are left to show; `None`: no secret is near.
    let mut shown: Option<usize> = None;
    let mut starts = true;
    for token in tokens.iter() {
        if matches!(token.kind, TokenKind::End | TokenKind::Open | TokenKind::Close) {
            (starts, shown) = (true, None);
            continue;
        }
        match shown {
            Some(0) => found.push(token.span),
            Some(left) => shown = Some(left - 1),
            None => {
                shown = match sources.text(token.span) {
                    word if announces_secret(word) => Some(0),
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

    /// What is legal and not in this version, so that it is left out of what runs: see [`runnable`].
    pub fn left_out(&self) -> impl Iterator<Item = &Diagnostic> {
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
