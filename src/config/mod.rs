//! keepalived.conf or JSON to a typed `model::Model`, everything worth saying about it on the way, and back.
//!
//! In: the path of a file, a `Files` that reads it, `Options`. Out: `Loaded`. The way there: `expand`
//! (files to tokens, with `lexer`), `tree` (tokens to blocks, with `keywords`), `lower` (blocks to the
//! model), `lint`; a `.json` file goes from `json` to `lower`. The way back: `raise` (model to statements), `dump`
//! (statements to text). Only `io` touches the disk. A configuration with an error has no model for a reload; what
//! it comes to without what is wrong stands apart, for a start that has nothing better.

pub mod changes;
pub mod diagnostic;
pub mod dump;
mod expand;
pub mod format;
pub mod host;
/// The real files.
pub mod io;
mod json;
pub mod keywords;
mod lexer;
pub mod lint;
mod lower;
pub mod missing;
/// The typed configuration: a value that is out of range cannot be represented.
pub mod model;
mod options;
mod pattern;
mod quote;
mod raise;
pub mod recorded;
pub mod reference;
mod secrets;
mod slips;
pub mod source;
mod split;
pub mod supported;
mod tokens;
mod tracked;
mod tree;
mod vmac;

use std::collections::BTreeSet;
use std::path::Path;

use bumpalo::Bump;
use diagnostic::{Code, Diagnostic, Diagnostics, Format, Severity};
use host::Host;
use lexer::{Token, TokenKind};
use model::{Fallbacks, Model};
pub use options::Options;
use source::{Files, Sources, Span};
use tokens::Tokens;

/// A configuration that was read.
#[derive(Debug)]
pub struct Loaded {
    /// `None` when there are errors.
    pub model: Option<Model>,
    /// With errors: the configuration without what is wrong, as keepalived runs with it. For a start that has
    /// nothing better, never for a reload. `None` when keepalived does not start either: the file, or a file whose
    /// inclusion is to be checked, could not be read.
    pub degraded: Option<Model>,
    /// What the instances of either fall back to.
    pub fallbacks: Fallbacks,
    /// What there is to say, in the order of the files.
    pub diagnostics: Vec<Diagnostic>,
    /// The texts that the diagnostics point into.
    pub sources: Sources,
    /// For [`Self::compare`].
    places: lint::Places,
}

/// Whether the file holds JSON: its name ends in `.json`.
pub fn is_json(path: &Path) -> bool {
    json::is_json(path)
}

/// Reads `path`, and what it includes. A name that ends in `.json` holds JSON.
pub fn load(path: &Path, files: &dyn Files, options: &Options) -> Loaded {
    read(path, files, options, None)
}

/// The same, and looks whether `host` has what the configuration needs; of a file with errors, what it would be without
/// them.
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
    let (meaning, secrets) = match json::is_json(path) {
        true => {
            let arena = Bump::new();
            let file = json::open(path, files, &mut sources, &mut diagnostics);
            let tree = file.and_then(|file| json::tree(file, &sources, &arena, &mut diagnostics));
            let meaning = match tree {
                Some(tree) => Meaning::of(&tree, &sources, &mut diagnostics, host),
                None => Meaning::default(),
            };
            (meaning, file.map_or(Vec::new(), |file| secrets::in_json(file, &sources)))
        }
        false => {
            let tokens = expand::expand(path, files, options, &mut sources, &mut diagnostics);
            let secrets = secrets::in_conf(&tokens, &sources);
            let arena = Bump::with_capacity(tree::room(&tokens));
            let tree = tree::build(&tokens, &sources, &arena, &mut diagnostics);
            let signs = signs(&tokens, &secrets, &sources);
            drop(tokens);
            let meaning = Meaning::of(&tree, &sources, &mut diagnostics, host);
            for (span, diagnostic) in signs {
                // What is wrong about the word is said, and with it what the sign is.
                if !diagnostics.covers(span) {
                    diagnostics.push(diagnostic);
                }
            }
            (meaning, secrets)
        }
    };
    let mut diagnostics = diagnostics.into_sorted(&sources);
    let text = |span: &Span| (*span, sources.text(*span));
    secrets::hide(&mut diagnostics, secrets.iter().map(text).collect());
    for span in secrets {
        sources.hide(span);
    }
    let Meaning { model, degraded, fallbacks, places } = meaning;
    Loaded { model, degraded, fallbacks, diagnostics, sources, places }
}

/// Words with signs of other keyboards in them, wherever they stand.
fn signs(tokens: &Tokens, secrets: &[Span], sources: &Sources) -> Vec<(Span, Diagnostic)> {
    const MOST: usize = 1000;
    // Most files have none, and need not be searched word by word.
    if sources.files().all(|(_, text)| text.is_ascii() && !text.contains(';')) {
        return Vec::new();
    }
    let secrets: BTreeSet<Span> = secrets.iter().copied().collect();
    let words = tokens.iter().filter(|token| token.kind == TokenKind::Word && !secrets.contains(&token.span));
    let odd = |token: &Token| {
        let word = sources.text(token.span);
        let slip = slips::sign(word)?;
        let message = format!("`{word}` has a sign in it that is read as part of the word");
        let diagnostic = Diagnostic::warning(Code::BadName, token.span, message).help(slip.help);
        let fixed = match slip.meant {
            Some(meant) => diagnostic.fix(token.span, meant),
            None => diagnostic,
        };
        Some((token.span, fixed))
    };
    words.filter_map(odd).take(MOST).collect()
}

/// What a tree comes to; nothing, when there is none.
#[derive(Default)]
struct Meaning {
    model: Option<Model>,
    degraded: Option<Model>,
    fallbacks: Fallbacks,
    places: lint::Places,
}

impl Meaning {
    fn of(
        tree: &tree::Tree<'_>,
        sources: &Sources,
        diagnostics: &mut Diagnostics,
        host: Option<&dyn Host>,
    ) -> Self {
        let (model, fallbacks) = lower::lower(&tree.nodes, sources, diagnostics);
        let (model, degraded) = match diagnostics.has_errors() {
            false => (Some(model), None),
            true => (None, Some(model).filter(|_| !diagnostics.is_unread())),
        };
        let places = match &model {
            Some(model) => lint::lint(tree, model, sources, diagnostics),
            None => {
                lint::lint_addresses(tree, degraded.as_ref(), sources, diagnostics);
                lint::Places::default()
            }
        };
        if let (Some(model), Some(host)) = (model.as_ref().or(degraded.as_ref()), host) {
            host::check(&tree.nodes, model, host, sources, diagnostics);
        }
        Self { model, degraded, fallbacks, places }
    }
}

impl Loaded {
    /// Whether there is an error, and so no model.
    pub fn has_errors(&self) -> bool {
        self.worst() == Some(Severity::Error)
    }

    /// What is legal and not in this version, so that it is left out of what runs: see [`supported`].
    pub fn left_out(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|one| one.code.blocks())
    }

    /// The worst severity; `None` when there is nothing to say.
    pub fn worst(&self) -> Option<Severity> {
        self.diagnostics.iter().map(|one| one.severity).max()
    }

    /// Adds what differs from the file of the other node, though both must be equal in it.
    pub fn compare(&mut self, peer: &Self) {
        if let (Some(model), Some(other)) = (&self.model, &peer.model) {
            let (own, other) = ((model, &self.places, &self.sources), (other, &peer.places, &peer.sources));
            self.diagnostics.extend(lint::compare(own, other));
        }
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
