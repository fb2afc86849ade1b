//! A model as text: keepalived.conf, or JSON.
//!
//! In: a [`Model`], and what is shown of it. Out: a text that reads as an equal model again, unless secrets are
//! hidden in it.

mod conf;
mod json;

use super::model::Model;
use super::raise::{Word, raise};

pub use super::model::HIDDEN;

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Show {
    /// Settings that are equal to their defaults, too.
    pub defaults: bool,
    /// Passwords and keys as they are, not as [`HIDDEN`].
    pub secrets: bool,
}

/// The model as keepalived.conf.
pub fn conf(model: &Model, show: Show) -> String {
    conf::text(&raise(model, show.defaults), show.secrets)
}

/// The model as JSON, as `docs/schema/directord.schema.json` describes it.
pub fn json(model: &Model, show: Show) -> String {
    json::text(&raise(model, show.defaults), show.secrets)
}

/// Words of one line, secrets hidden.
pub(super) fn shown(words: &[Word]) -> String {
    conf::words(words)
}
