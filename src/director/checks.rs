//! Runs what the machine of all checks wants, and tells what it says.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::mpsc;

use crate::check::Standing;
use crate::check::checks::{self, Action, Facts, Input, Key, wanted};
use crate::check::io::runner::{Ended, Runner};
use crate::check::io::tls::Client;
use crate::check::schedule::Snapshot;
use crate::config::model::{Command, Probe, VirtualServer};
use crate::script::Program;

use crate::report::io::say;

/// Every check, and the probes under way.
#[derive(Debug)]
pub(super) struct Checks {
    machine: checks::Checks,
    runner: Runner,
    /// What the machine knows of what others find out.
    facts: Facts,
    /// `checker_log_all_failures`.
    log_all: bool,
}

impl Checks {
    /// No checks yet; ended probes arrive at the receiver. `files`: how many files a program may open.
    pub(super) fn new(files: Option<(u64, u64)>) -> (Self, mpsc::Receiver<Ended>) {
        let (runner, ended) = Runner::new(Instant::now(), files);
        let machine = checks::Checks::new(fastrand::u64(..));
        (Self { machine, runner, facts: Facts::default(), log_all: false }, ended)
    }

    /// Ends the checks that are not in `servers` and starts the new ones; `passes` tells where a new one begins. Returns
    /// the standings that changed, as it does everywhere.
    #[must_use]
    pub(super) fn configure(
        &mut self,
        servers: &[Arc<VirtualServer>],
        passes: impl Fn(&Key) -> bool,
    ) -> Vec<(Arc<Key>, Standing)> {
        let wanted = wanted(servers, self.log_all, passes);
        let changed = self.feed(Instant::now(), [Input::Configure(wanted)].into());
        let Self { machine, runner, .. } = self;
        runner.keep(|id| machine.knows(id));
        changed
    }

    /// What the checks of `servers` amount to that need not run for that.
    pub(super) fn known(&self, servers: &[Arc<VirtualServer>]) -> BTreeMap<Arc<Probe>, Standing> {
        checks::known(servers, &self.facts)
    }

    /// The numbers of the tracked files, and the BFD sessions that are up.
    #[must_use]
    pub(super) fn told(
        &mut self,
        numbers: &Arc<BTreeMap<String, i32>>,
        sessions: &Arc<BTreeSet<String>>,
    ) -> Vec<(Arc<Key>, Standing)> {
        let known = &self.facts;
        if Arc::ptr_eq(&known.numbers, numbers) && Arc::ptr_eq(&known.sessions, sessions) {
            return Vec::new();
        }
        self.facts = Facts { numbers: Arc::clone(numbers), sessions: Arc::clone(sessions) };
        self.feed(Instant::now(), [Input::Told(self.facts.clone())].into())
    }

    /// `checker_log_all_failures`: what counts from the next [`Self::configure`] on where a check does not say.
    pub(super) fn log_all(&mut self, log_all: bool) {
        self.log_all = log_all;
    }

    /// The programs that are run for checks from now on, and who asks over TLS.
    pub(super) fn programs(&mut self, programs: BTreeMap<Command, Program>, client: Arc<Client>) {
        self.runner.configure(programs, client);
    }

    /// The next program that ends, to be given to [`Self::ended`]; waits for ever when none runs.
    pub(super) async fn program_ended(&mut self) -> Ended {
        self.runner.program_ended().await
    }

    /// Ends the programs under way.
    pub(super) async fn end(&mut self) {
        self.runner.end().await;
    }

    /// How many there are, and how many pass.
    pub(super) fn totals(&self) -> checks::Totals {
        self.machine.totals()
    }

    /// A view of each, by its virtual server and real server.
    pub(super) fn views(&self) -> impl Iterator<Item = (&Key, Snapshot)> {
        self.machine.views()
    }

    /// When [`Self::tick`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.machine.next_timer().map(|(at, _)| at).into_iter().chain(self.runner.next()).min()
    }

    /// Takes in which connections are made, and starts the checks that are due. Returns the standings that changed.
    pub(super) fn tick(&mut self) -> Vec<(Arc<Key>, Standing)> {
        let now = Instant::now();
        let ended = self.runner.look(now).into_iter().flat_map(inputs);
        self.feed(now, ended.chain([Input::Timer]).collect())
    }

    /// Takes the ends of probes in. Returns the standings that changed.
    pub(super) fn ended(&mut self, ended: Vec<Ended>) -> Vec<(Arc<Key>, Standing)> {
        ended.iter().for_each(|one| self.runner.forget(one));
        self.feed(Instant::now(), ended.into_iter().flat_map(inputs).collect())
    }

    fn feed(&mut self, now: Instant, mut queue: VecDeque<Input>) -> Vec<(Arc<Key>, Standing)> {
        let (mut changed, mut actions) = (Vec::new(), Vec::new());
        while let Some(input) = queue.pop_front() {
            self.machine.handle(now, input, &mut actions);
            for action in actions.drain(..) {
                match action {
                    Action::Probe { id, probe, step, delay_loop } => {
                        let ended = self.runner.start(id, &probe, step, delay_loop, now);
                        queue.extend(ended.into_iter().flat_map(inputs));
                    }
                    Action::Standing { key, standing } => changed.push((key, standing)),
                    Action::Report { server, event } => say(event.level(), event.describe(&server)),
                }
            }
        }
        changed
    }
}

fn inputs(ended: Ended) -> impl Iterator<Item = Input> {
    let Ended { id, outcome, expiring } = ended;
    let expiring = expiring.map(|certificate| Input::Expiring { id, certificate });
    expiring.into_iter().chain([Input::Outcome { id, outcome }])
}
