//! The files that keepalived's signals ask for, as text: the state of the daemon under keepalived's labels, for programs
//! that read them.
//!
//! In: what is configured and runs, snapshots of its state, the clock. Out: one text for each file. What keepalived says
//! of its own processes, descriptors and libraries has no counterpart here and is left out; `docs/compat.md` lists it.

mod checkers;
mod clock;
mod globals;
mod instances;
mod interfaces;
mod json;
mod objects;
mod page;
pub mod place;
mod services;
mod sessions;
mod statistics;
mod tracked;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bfd::session;
use crate::check::checks::Key;
use crate::check::schedule;
use crate::config::model::{
    Command, Fallbacks, Filter, Instance, Model, Statics, SyncGroup, TrackFile, TrackProcess, TrackScript,
    VirtualServer, VirtualServerName,
};
use crate::net::kernel::Change;
use crate::pool;
use crate::script::{Identity, Program};
use crate::track::{Facts, script};
use crate::vrrp::instance;

pub use clock::Clock;
pub use json::json;
use page::Page;
pub use statistics::statistics;

/// What is configured and runs.
#[derive(Debug, Clone, Copy)]
pub struct Configured<'a> {
    /// The whole configuration.
    pub model: &'a Model,
    /// What its instances fall back to.
    pub fallbacks: &'a Fallbacks,
    /// `router_id`, or the name of the host.
    pub router_id: &'a str,
    /// The instances that run.
    pub instances: &'a [Instance],
    /// Their groups.
    pub groups: &'a [SyncGroup],
    /// Static addresses, routes and rules.
    pub statics: &'a Statics,
    /// The scripts that are tracked.
    pub scripts: &'a [TrackScript],
    /// The files that are tracked, and those that checks follow.
    pub files: &'a [TrackFile],
    /// The processes that are tracked.
    pub processes: &'a [TrackProcess],
    /// The table for traffic that is dropped.
    pub filter: &'a Filter,
    /// The virtual servers that run.
    pub servers: &'a [Arc<VirtualServer>],
    /// What was looked up on this host for it.
    pub found: &'a Found,
}

/// What commands and accounts are on this host.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The programs of commands; what has none here is shown as it is configured.
    pub programs: BTreeMap<Command, Program>,
    /// The owners of FIFOs, by their paths.
    pub fifos: BTreeMap<String, Identity>,
    /// As whom a script runs that names no account.
    pub user: Option<Identity>,
}

/// How it stands.
#[derive(Debug, Clone, Default)]
pub struct State {
    /// Every instance.
    pub instances: Vec<instance::Snapshot>,
    /// What is tracked.
    pub facts: Facts,
    /// The tracked scripts.
    pub scripts: Vec<script::Snapshot>,
    /// How many processes run, by the names of what tracks them.
    pub processes: BTreeMap<String, usize>,
    /// The virtual servers.
    pub services: BTreeMap<VirtualServerName, pool::View>,
    /// The checks.
    pub checks: BTreeMap<Key, schedule::Snapshot>,
    /// The BFD sessions.
    pub sessions: Vec<session::Snapshot>,
    /// The links and addresses of the kernel.
    pub links: Vec<Change>,
}

/// What all texts are made of.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// What runs.
    pub configured: Configured<'a>,
    /// How it stands.
    pub state: &'a State,
    /// The time.
    pub clock: &'a Clock,
}

/// `keepalived_parent.data`.
#[must_use]
pub fn parent(view: &View<'_>) -> String {
    let mut page = Page::default();
    globals::show(view, false, &mut page);
    page.text()
}

/// `keepalived.data`: VRRP, and what it tracks.
#[must_use]
pub fn vrrp(view: &View<'_>) -> String {
    let mut page = Page::default();
    globals::show(view, true, &mut page);
    objects::statics(view, &mut page);
    instances::show(view, &mut page);
    tracked::sockets(view, &mut page);
    tracked::groups(view, &mut page);
    tracked::scripts(view, &mut page);
    tracked::files(view, &mut page);
    tracked::processes(view, &mut page);
    tracked::sessions(view, &mut page);
    interfaces::show(view, &mut page);
    page.text()
}

/// `keepalived_check.data`: virtual servers and checks.
#[must_use]
pub fn checks(view: &View<'_>) -> String {
    let mut page = Page::default();
    globals::show(view, false, &mut page);
    services::show(view, &mut page);
    checkers::show(view, &mut page);
    page.text()
}

/// `keepalived_bfd.data`: BFD sessions.
#[must_use]
pub fn bfd(view: &View<'_>) -> String {
    let mut page = Page::default();
    globals::show(view, false, &mut page);
    sessions::show(view, &mut page);
    page.text()
}

impl<'a> View<'a> {
    /// How an instance stands; `None`: it has not begun.
    fn of(&self, name: &str) -> Option<&'a instance::Snapshot> {
        self.state.instances.iter().find(|one| one.name == name)
    }

    /// The words of a command, each in quotes, its program where it is on this host.
    fn words(&self, command: &Command) -> String {
        let found = self.configured.found.programs.get(command);
        let words = found.map_or(&command.arguments, |program| &program.arguments);
        let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
        words.join(" ")
    }

    /// The same, and as whom it runs.
    fn command(&self, command: &Command) -> String {
        let words = self.words(command);
        match self.configured.found.programs.get(command) {
            Some(program) => format!("{words}, uid:gid {}", account(&program.identity)),
            None => words,
        }
    }

    /// Whether changes of an instance or a group are mailed.
    fn mails(&self, alert: Option<bool>) -> bool {
        let mail = &self.configured.model.globals.mail;
        alert.or(mail.alert_vrrp).or(mail.alert).unwrap_or(false)
    }
}

/// `0:0`.
fn account(identity: &Identity) -> String {
    format!("{}:{}", identity.uid, identity.gid)
}
