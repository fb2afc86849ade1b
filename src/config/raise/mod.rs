//! The typed model back to statements: the mirror of [`lower`](super::lower), one file per block family.
//!
//! In: a [`Model`], and whether defaults are shown. Out: [`Statement`]s in today's words. Reading them again
//! gives an equal model. A setting that is equal to its default where it stands is left out, unless defaults
//! are shown; what this version does not act on is shown only when the file has it.

mod address;
mod auth;
mod block;
mod checkers;
mod device;
mod globals;
mod group;
mod groups;
mod inherit;
mod lvs;
mod named;
mod probe;
mod process;
mod real;
mod route;
mod rule;
mod script;
mod service;
mod tls;
mod track;
mod vrrp;

use super::keywords::ROOT;
use super::model::Model;
use block::Block;

/// A setting, or a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// The keyword and what follows it; a line of data in a value block.
    pub words: Vec<Word>,
    /// What stands between the braces.
    pub body: Option<Vec<Self>>,
    /// A flag that is off by default and stays so: keepalived.conf has no words for that.
    pub off: bool,
}

/// One word, by the level of quoting that it is read with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    /// Read as it stands.
    Plain(String),
    /// A command: program and arguments, split and decoded a second time.
    Command(Vec<String>),
    /// Taken out of its quotes as a command is, and its escapes kept.
    Raw(String),
    /// The same, and its escapes decoded.
    Pattern(String),
    /// A password or a key.
    Secret(String),
}

impl Statement {
    fn line(words: Vec<Word>) -> Self {
        Self { words, body: None, off: false }
    }
}

/// Every statement of the model, in an order in which keepalived knows each name before it is used.
pub(super) fn raise(model: &Model, defaults: bool) -> Vec<Statement> {
    let mut root = Block::new(ROOT, defaults);
    root.root_settings(&model.globals);
    root.globals(&model.globals);
    root.links(model);
    root.ssl(model.ssl.as_ref());
    model.garp_groups.iter().for_each(|group| root.garp_group(group));
    model.track_groups.iter().for_each(|group| root.track_group(group));
    root.static_entries(model);
    model.scripts.iter().for_each(|script| root.track_script(script));
    model.processes.iter().for_each(|process| root.track_process(process));
    model.files.iter().for_each(|file| root.track_file(file));
    model.bfd.iter().for_each(|session| root.bfd_instance(session));
    model.sync_groups.iter().for_each(|group| root.sync_group(group, model));
    model.instances.iter().for_each(|instance| root.instance(instance, model));
    model.server_groups.iter().for_each(|group| root.server_group(group));
    model.checks.iter().for_each(|check| root.named_check(check));
    let checks = named::Checks::of(model);
    model.virtual_servers.iter().for_each(|server| root.virtual_server(server, &checks));
    model.grouped_servers.iter().for_each(|server| root.grouped_server(server, &checks));
    root.done()
}
