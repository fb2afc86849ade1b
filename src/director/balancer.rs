//! Carries out what the pools and the keeper of the kernel's table want.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::check::Standing;
use crate::check::checks::Key;
use crate::config::model::{ProbeKind, Service, VirtualServer, VirtualServerName};
use crate::ipvs::Entry;
use crate::ipvs::keeper::{self, Keeper};
use crate::mail::alert::{Cause, Occasion};
use crate::pool::{self, ByHand, Known, Pools, Telling, Words};

use super::connection::Connection;
use super::namespace::Namespaces;
use super::notices::{last_occasion, occasion};
use super::owned::Owned;
use crate::report::io::say;

/// The pools and the kernel's table.
pub(super) struct Balancer {
    pools: Pools,
    keeper: Keeper,
    ipvs: Connection,
    owned: Owned<Service>,
    /// What is to be mailed.
    occasions: Vec<Occasion>,
    /// What scripts and FIFOs are to be told.
    tellings: Vec<Telling>,
}

impl Balancer {
    /// Knows which services a killed predecessor left, from the record in `runtime_directory`. `flush`: those of others are
    /// deleted, too.
    pub(super) fn new(runtime_directory: &Path, namespaces: Namespaces, flush: bool) -> Self {
        let owned = Owned::read(runtime_directory);
        let keeper = Keeper::new(Instant::now(), owned.things().clone()).flushing(flush);
        Self {
            pools: Pools::default(),
            keeper,
            ipvs: Connection::new(namespaces),
            owned,
            occasions: Vec::new(),
            tellings: Vec::new(),
        }
    }

    /// The pools.
    pub(super) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Takes the virtual servers of a start or reload in and brings the kernel to them. Without IPVS in the kernel
    /// they do not run until there is one.
    pub(super) fn configure(
        &mut self,
        servers: Vec<Arc<VirtualServer>>,
        tells_at_start: bool,
        known: Known,
        words: Words,
    ) {
        let now = Instant::now();
        let mut actions = Vec::new();
        self.pools.know(known);
        self.pools.recall(words);
        self.pools.tell_at_start(tells_at_start);
        self.pools.handle(now, pool::Input::Configure(servers), &mut actions);
        self.mail(&actions);
        let changes = self.take_in(actions);
        self.feed(now, keeper::Input::Desired { changes, anew: true });
    }

    /// Takes standings of checks in and brings the kernel to them, all at once.
    pub(super) fn standings(&mut self, standings: Vec<(Arc<Key>, Standing)>) {
        let now = Instant::now();
        let mut actions = Vec::new();
        for (key, standing) in standings {
            let passed = self.pools.passes(&key.service, &key.server, &key.probe);
            let (up, told) = (self.pools.totals().up, actions.len());
            let (service, probe) = (Arc::clone(&key.service), Arc::clone(&key.probe));
            let input = pool::Input::Standing { service, server: key.server, probe, standing };
            self.pools.handle(now, input, &mut actions);
            // As keepalived mails them: the quorum first, then the check that decided it.
            self.mail(actions.get(told..).unwrap_or(&[]));
            if passed != standing.is_up() {
                self.mail_check(&key, standing, self.pools.totals().up != up);
            }
        }
        let changes = self.take_in(actions);
        self.feed(now, keeper::Input::Desired { changes, anew: false });
    }

    /// Takes in what is said of real servers by hand, or taken back, and brings the kernel to it.
    pub(super) fn by_hand(
        &mut self,
        said: impl Iterator<Item = (VirtualServerName, SocketAddr, Option<ByHand>)>,
    ) {
        let now = Instant::now();
        let mut actions = Vec::new();
        for (service, server, by_hand) in said {
            self.pools.handle(now, pool::Input::ByHand { service, server, by_hand }, &mut actions);
        }
        self.mail(&actions);
        let changes = self.take_in(actions);
        self.feed(now, keeper::Input::Desired { changes, anew: false });
    }

    /// What there is to be mailed since the last call.
    pub(super) fn take_occasions(&mut self) -> Vec<Occasion> {
        std::mem::take(&mut self.occasions)
    }

    /// What there is to be told since the last call.
    pub(super) fn take_tellings(&mut self) -> Vec<Telling> {
        std::mem::take(&mut self.tellings)
    }

    /// The daemon stops: who has `omega` is told.
    pub(super) fn farewell(&mut self) {
        let mut actions = Vec::new();
        self.pools.handle(Instant::now(), pool::Input::Stop, &mut actions);
        self.take_in(actions);
        self.occasions.extend(self.tellings.iter().filter(|telling| telling.last).map(last_occasion));
    }

    /// Why the virtual servers do not run, when they do not.
    pub(super) fn unavailable(&self) -> Option<&str> {
        self.keeper.unavailable()
    }

    /// When [`Self::tick`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.keeper.next_timer().map(|(at, _)| at)
    }

    /// Does what is due: mostly, looks at the kernel's table.
    pub(super) fn tick(&mut self) {
        self.feed(Instant::now(), keeper::Input::Timer);
    }

    /// Removes our services, and with `flush` those of others.
    pub(super) fn release(&mut self, flush: bool) {
        self.feed(Instant::now(), keeper::Input::Release { flush });
    }

    fn mail(&mut self, actions: &[pool::Action]) {
        let events = actions.iter().filter_map(|action| match action {
            pool::Action::Report(event) => Some(event),
            pool::Action::Update(_) | pool::Action::Tell(_) => None,
        });
        self.occasions.extend(events.filter_map(occasion));
    }

    /// `decides`: its real server came up or went down with it.
    fn mail_check(&mut self, key: &Key, standing: Standing, decides: bool) {
        let Some(server) = self.pools.describe(&key.service, &key.server) else { return };
        let session = match &key.probe.kind {
            ProbeKind::Bfd { name } => Some(name.clone()),
            _ => None,
        };
        let cause = Cause::Check { check: key.probe.kind.title(), session, decides };
        let (service, up) = (key.service.to_string(), standing.is_up());
        self.occasions.push(Occasion::Server { service, server, up, cause });
    }

    /// Tells what the pools tell; returns the desired entries that may have changed.
    fn take_in(&mut self, actions: Vec<pool::Action>) -> BTreeMap<Service, Option<Arc<Entry>>> {
        let mut changes = BTreeMap::new();
        for action in actions {
            match action {
                pool::Action::Update(service) => drop(changes.insert(service, None)),
                pool::Action::Report(event) => say(event.level(), event),
                pool::Action::Tell(telling) => self.tellings.push(telling),
            }
        }
        for (service, entry) in &mut changes {
            *entry = self.pools.entry(service).map(Arc::new);
        }
        changes
    }

    /// Feeds the keeper, and carries out what it wants until it wants nothing more.
    fn feed(&mut self, now: Instant, input: keeper::Input) {
        let (mut inputs, mut actions) = (VecDeque::from([input]), Vec::new());
        while let Some(input) = inputs.pop_front() {
            self.keeper.handle(now, input, &mut actions);
            for action in actions.drain(..) {
                inputs.extend(self.carry_out(action));
            }
        }
    }

    fn carry_out(&mut self, action: keeper::Action) -> Option<keeper::Input> {
        use keeper::{Action, Input};
        match action {
            Action::Open => Some(Input::Opened(self.ipvs.open())),
            Action::Look(look) => Some(Input::Looked(self.ipvs.ask(|ipvs| ipvs.look(&look)))),
            Action::Change(operations) => Some(Input::Changed(self.ipvs.ask(|ipvs| ipvs.change(operations)))),
            Action::Record(services) => Some(Input::Recorded(self.owned.set(services))),
            Action::Report(event) => {
                say(event.level(), event);
                None
            }
        }
    }
}
