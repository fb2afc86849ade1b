//! Carries out what the keeper of the IPVS timeouts wants.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;
use std::time::Instant;

use crate::config::model;
use crate::ipvs::io::Ipvs;
use crate::ipvs::timeouts::{Action, Input, Keeper, Values, Which, wanted};

use super::connection::Connection;
use super::namespace::Namespaces;
use super::owned::Owned;
use crate::report::io::say;

/// `lvs_timeouts`, and the kernel's.
pub(super) struct Timeouts {
    keeper: Keeper,
    ipvs: Connection,
    before: Owned<(Which, u32)>,
}

impl Timeouts {
    /// Knows what was there before a killed predecessor changed it, from the record in `runtime_directory`.
    pub(super) fn new(runtime_directory: &Path, namespaces: Namespaces) -> Self {
        let before: Owned<(Which, u32)> = Owned::read(runtime_directory);
        let values: Values = before.things().iter().copied().collect();
        Self { keeper: Keeper::new(Instant::now(), values), ipvs: Connection::new(namespaces), before }
    }

    /// What a start or reload wants; `None`: what was there before.
    pub(super) fn configure(&mut self, timeouts: Option<&model::Timeouts>) {
        self.feed(Input::Desired(timeouts.map(wanted).unwrap_or_default()));
    }

    /// When [`Self::tick`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.keeper.next_timer()
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        self.feed(Input::Timer);
    }

    /// Whether the record could not be written.
    pub(super) fn is_behind(&self) -> bool {
        self.before.is_behind()
    }

    /// Writes the record again.
    pub(super) fn retry(&mut self) {
        self.before.retry();
    }

    fn feed(&mut self, input: Input) {
        let (mut inputs, mut actions) = (VecDeque::from([input]), Vec::new());
        while let Some(input) = inputs.pop_front() {
            self.keeper.handle(Instant::now(), input, &mut actions);
            for action in actions.drain(..) {
                inputs.extend(self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Open => Some(Input::Opened(self.ipvs.open())),
            Action::Look => Some(Input::Looked(self.ipvs.ask(Ipvs::timeouts))),
            Action::Set(values) => Some(Input::Changed(self.ipvs.ask(|ipvs| ipvs.set_timeouts(&values)))),
            Action::Record(values) => {
                self.before.record(values.into_iter().collect::<BTreeSet<_>>());
                None
            }
            Action::Report(event) => {
                say(event.level(), event);
                None
            }
        }
    }
}
