//! Runs what the machine of all tracked scripts wants run.

use std::sync::Arc;
use std::time::Instant;

use crate::report::Level;
use crate::script::Ending;
use crate::script::io::Runner;

use super::scripts::{Action, Id, Input, Scripts, Standings, Wanted};

/// The tracked scripts, and their runs under way.
#[derive(Debug)]
pub struct Tracking {
    machine: Scripts,
    runner: Runner<Id>,
    standings: Arc<Standings>,
}

impl Tracking {
    /// Nothing is tracked. `files`: how many files a script may open, soft and hard.
    #[must_use]
    pub fn new(files: Option<(u64, u64)>) -> Self {
        Self { machine: Scripts::default(), runner: Runner::new(files), standings: Arc::default() }
    }

    /// What is tracked after a start or reload.
    pub fn configure(&mut self, wanted: Vec<Wanted>) {
        self.feed(Input::Configure(wanted));
    }

    /// What the scripts amount to.
    #[must_use]
    pub fn standings(&self) -> Arc<Standings> {
        Arc::clone(&self.standings)
    }

    /// When [`Self::tick`] is to be called next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.machine.next_timer().map(|(at, _)| at)
    }

    /// Starts what is due.
    pub fn tick(&mut self) {
        if self.next().is_some_and(|at| at <= Instant::now()) {
            self.feed(Input::Timer);
        }
    }

    /// The next run that ends, to be given to [`Self::take_in`]; waits for ever when none is under way.
    pub async fn ended(&mut self) -> (Id, Ending) {
        self.runner.ended().await
    }

    /// Takes the end of a run in.
    pub fn take_in(&mut self, (id, ending): (Id, Ending)) {
        self.feed(Input::Ended { id, ending });
    }

    /// Ends all runs.
    pub async fn end(&mut self) {
        self.feed(Input::Configure(Vec::new()));
        self.runner.end().await;
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.handle(Instant::now(), input, &mut actions);
        for action in actions {
            match action {
                Action::Run { id, program, limit } => self.runner.start(id, program, Some(limit)),
                Action::Stop(id) => self.runner.stop(&id),
                Action::Standings(standings) => self.standings = standings,
                Action::Report { script, event } => match event.level() {
                    Level::Debug => tracing::debug!("VRRP_Script({script}) {event}"),
                    Level::Info => tracing::info!("VRRP_Script({script}) {event}"),
                    Level::Warning => tracing::warn!("VRRP_Script({script}) {event}"),
                    Level::Error => tracing::error!("VRRP_Script({script}) {event}"),
                },
            }
        }
    }
}
