//! Carries out what the connection synchronisation wants, and tells it which instance it follows.

use std::collections::VecDeque;
use std::path::Path;
use std::time::Instant;

use crate::config::model::SyncDaemon;
use crate::ipvs::io::Ipvs;
use crate::ipvs::sync::{Action, Input, Role, Synchroniser, wanted};
use crate::vrrp::event::State;
use crate::vrrp::instance;

use super::connection::Connection;
use super::namespace::Namespaces;
use super::owned::Owned;
use crate::report::io::say;

/// `lvs_sync_daemon`, and the kernel's daemons.
pub(super) struct Sync {
    machine: Synchroniser,
    config: Option<SyncDaemon>,
    /// The instance that it follows is MASTER.
    master: bool,
    ipvs: Connection,
    owned: Owned<Role>,
}

impl Sync {
    /// Knows which daemons a killed predecessor may have left, from the record in `runtime_directory`.
    pub(super) fn new(runtime_directory: &Path, namespaces: Namespaces) -> Self {
        let owned = Owned::read(runtime_directory);
        let machine = Synchroniser::new(Instant::now(), owned.things().clone());
        Self { machine, config: None, master: false, ipvs: Connection::new(namespaces), owned }
    }

    /// What a start or reload wants, while the instances are in these states.
    pub(super) fn configure(&mut self, config: Option<SyncDaemon>, instances: &[instance::Snapshot]) {
        self.config = config;
        self.master = self.is_master(instances);
        self.desire(true);
    }

    /// The instances are in these states now.
    pub(super) fn follow(&mut self, instances: &[instance::Snapshot]) {
        let master = self.is_master(instances);
        if std::mem::replace(&mut self.master, master) != master {
            self.desire(false);
        }
    }

    fn is_master(&self, instances: &[instance::Snapshot]) -> bool {
        let name = self.config.as_ref().and_then(|config| config.instance.as_ref());
        let followed = instances.iter().find(|instance| Some(&instance.name) == name);
        // One that goes on after a restart has led all the time.
        followed.is_some_and(|instance| instance.state == State::Master || instance.resumes)
    }

    /// Why connections are not synchronised as they ought to be.
    pub(super) fn trouble(&self) -> Option<&str> {
        self.machine.trouble()
    }

    /// When [`Self::tick`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.machine.next_timer().map(|(at, _)| at)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        self.feed(Input::Timer);
    }

    /// Whether the record could not be written.
    pub(super) fn is_behind(&self) -> bool {
        self.owned.is_behind()
    }

    /// Writes the record again.
    pub(super) fn retry(&mut self) {
        self.owned.retry();
    }

    fn desire(&mut self, anew: bool) {
        let daemons = wanted(self.config.as_ref(), self.master);
        self.feed(Input::Desired { daemons, anew });
    }

    fn feed(&mut self, input: Input) {
        let (mut inputs, mut actions) = (VecDeque::from([input]), Vec::new());
        while let Some(input) = inputs.pop_front() {
            self.machine.handle(Instant::now(), input, &mut actions);
            for action in actions.drain(..) {
                inputs.extend(self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Open => Some(Input::Opened(self.ipvs.open())),
            Action::Look => Some(Input::Looked(self.ipvs.ask(Ipvs::sync_daemons))),
            Action::Change(operations) => {
                Some(Input::Changed(self.ipvs.ask(|ipvs| ipvs.change_sync_daemons(&operations))))
            }
            Action::Record(roles) => {
                self.owned.record(roles);
                None
            }
            Action::Report(event) => {
                say(event.level(), event);
                None
            }
        }
    }
}
