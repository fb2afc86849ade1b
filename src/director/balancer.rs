//! Carries out what the pools and the keeper of the kernel's table want.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::check::Standing;
use crate::check::checks::Key;
use crate::config::model::{Service, VirtualServer};
use crate::ipvs::Entry;
use crate::ipvs::io::Ipvs;
use crate::ipvs::keeper::{self, Keeper};
use crate::pool::{self, Pools};

use super::namespace::Namespaces;
use super::owned::Owned;
use super::say::say;

/// The pools and the kernel's table.
pub(super) struct Balancer {
    pools: Pools,
    keeper: Keeper,
    namespaces: Namespaces,
    ipvs: Option<Ipvs>,
    owned: Owned<Service>,
}

impl Balancer {
    /// Knows which services a killed predecessor left, from the record in `runtime_directory`.
    pub(super) fn new(runtime_directory: &Path, namespaces: Namespaces) -> Self {
        let owned = Owned::read(runtime_directory);
        let keeper = Keeper::new(Instant::now(), owned.things().clone());
        Self { pools: Pools::default(), keeper, namespaces, ipvs: None, owned }
    }

    /// The pools.
    pub(super) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Takes the virtual servers of a start or reload in and brings the kernel to them. Without IPVS in the kernel
    /// they do not run until there is one.
    pub(super) fn configure(&mut self, servers: Vec<Arc<VirtualServer>>) {
        let now = Instant::now();
        let changes = self.ask_pools(now, [pool::Input::Configure(servers)]);
        self.feed(now, keeper::Input::Desired { changes, anew: true });
    }

    /// Takes standings of checks in and brings the kernel to them, all at once.
    pub(super) fn standings(&mut self, standings: Vec<(Arc<Key>, Standing)>) {
        let now = Instant::now();
        let inputs = standings.into_iter().map(|(key, standing)| {
            let (service, probe) = (Arc::clone(&key.service), Arc::clone(&key.probe));
            pool::Input::Standing { service, server: key.server, probe, standing }
        });
        let changes = self.ask_pools(now, inputs);
        self.feed(now, keeper::Input::Desired { changes, anew: false });
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

    /// Removes our services.
    pub(super) fn release(&mut self) {
        self.feed(Instant::now(), keeper::Input::Release);
    }

    /// Feeds the pools; returns the desired entries that may have changed.
    fn ask_pools(
        &mut self,
        now: Instant,
        inputs: impl IntoIterator<Item = pool::Input>,
    ) -> BTreeMap<Service, Option<Entry>> {
        let mut actions = Vec::new();
        for input in inputs {
            self.pools.handle(now, input, &mut actions);
        }
        let mut changes = BTreeMap::new();
        for action in actions {
            match action {
                pool::Action::Update(service) => drop(changes.insert(service, None)),
                pool::Action::Report(event) => say(event.level(), event),
            }
        }
        for (service, entry) in &mut changes {
            *entry = self.pools.entry(service);
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
        let closed = || io::Error::from(io::ErrorKind::NotConnected);
        match action {
            Action::Open => match self.namespaces.open_ipvs() {
                Ok(ipvs) => {
                    self.ipvs = Some(ipvs);
                    Some(Input::Opened(Ok(())))
                }
                Err(why) => Some(Input::Opened(Err(why))),
            },
            Action::Look(look) => {
                let seen = self.ipvs.as_mut().ok_or_else(closed).and_then(|ipvs| ipvs.look(&look));
                Some(Input::Looked(seen))
            }
            Action::Change(operations) => {
                let ipvs = self.ipvs.as_mut().ok_or_else(closed);
                Some(Input::Changed(ipvs.and_then(|ipvs| ipvs.change(operations))))
            }
            Action::Record(services) => Some(Input::Recorded(self.owned.set(services))),
            Action::Report(event) => {
                say(event.level(), event);
                None
            }
        }
    }
}
