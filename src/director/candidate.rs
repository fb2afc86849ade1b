//! What a start or a reload puts in force, and where it comes from.

use std::sync::Arc;

use tracing::Level;

use crate::config::model::{Fallbacks, Model};
use crate::config::supported::Runnable;

use super::kept::Kept;
use super::namespace::Namespaces;
use super::programs::Programs;

/// A configuration that can be put in force.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The whole of it.
    pub model: Model,
    /// What its instances fall back to.
    pub fallbacks: Fallbacks,
    /// Instances and virtual servers that run of it.
    pub runnable: Runnable,
    /// What is run for it.
    pub programs: Programs,
    /// The namespaces that it asks for.
    pub namespaces: Namespaces,
    /// What it says that this version leaves out, a line each, without places.
    pub unrun: Vec<String>,
    /// The files that it was read from.
    pub read: Kept,
    /// They are kept when it is in force: they have no errors, and miss nothing that ran before.
    pub keep: bool,
    /// Why it is not the configuration file as it stands; goes in front of the status line.
    pub instead: Option<String>,
    /// What there is to say of the files.
    pub lines: Vec<Line>,
}

impl Candidate {
    /// `instance`: several daemons share the work of this host.
    pub(super) fn is_one_of_several(&self) -> bool {
        self.model.globals.process.instance.is_some()
    }
}

/// One line for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How loud it is.
    pub level: Level,
    /// The words.
    pub text: String,
}

impl Line {
    /// Writes it to the log.
    pub fn log(&self) {
        match self.level {
            Level::ERROR => tracing::error!("{}", self.text),
            Level::WARN => tracing::warn!("{}", self.text),
            Level::INFO => tracing::info!("{}", self.text),
            _ => tracing::debug!("{}", self.text),
        }
    }
}

/// Reads the configuration again, and shares with what runs what is equal. `Err`: what is wrong with it.
pub(crate) type Load = Arc<dyn Fn(&Model) -> Result<Candidate, Vec<Line>> + Send + Sync>;
