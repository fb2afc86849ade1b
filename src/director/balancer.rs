//! Keeps the kernel's virtual server table as the pools want it: after verdicts, after reloads, and after
//! another program changed it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::config::model::{Service, VirtualServer};
use crate::ipvs::diff::{Operation, diff, diff_service};
use crate::ipvs::error::{Refused, Unavailable};
use crate::ipvs::io::Ipvs;
use crate::ipvs::{Entry, Settings, Table};
use crate::pool::event::Loudness;
use crate::pool::{Action, Input, Pools};

use super::namespace::Namespaces;
use super::owned::Owned;

/// Services whose destinations one look compares.
const DESTINATIONS_A_LOOK: usize = 16;
/// With so few services that each look compares them all, their settings are compared each fourth time.
const SERVICES_EVERY: u32 = 4;
/// An operation that the kernel refused is not tried again for this long, unless the configuration asks anew.
const REFUSED: Duration = Duration::from_secs(60);
/// Lines about one repair.
const LINES: usize = 10;

/// The pools and the kernel's table.
pub(super) struct Balancer {
    pools: Pools,
    /// Opened with the first virtual server: VRRP alone needs no IPVS.
    ipvs: Option<Ipvs>,
    /// What the pools want.
    desired: Table,
    /// What the kernel had when we last looked, with our changes since.
    actual: Table,
    owned: Owned<Service>,
    /// The look goes round the services.
    looked_at: Option<Service>,
    looks: u32,
    /// What the kernel refused, and when: not tried again at every look, and nobody else's doing.
    refused: Vec<(Operation, Instant)>,
}

impl Balancer {
    /// Knows which services a killed predecessor left, from the record in `runtime_directory`.
    pub(super) fn new(runtime_directory: &Path) -> Self {
        Self {
            pools: Pools::default(),
            ipvs: None,
            desired: Table::new(),
            actual: Table::new(),
            owned: Owned::read(runtime_directory),
            looked_at: None,
            looks: 0,
            refused: Vec::new(),
        }
    }

    /// The pools.
    pub(super) fn pools(&self) -> &Pools {
        &self.pools
    }

    /// There is no table to look after.
    pub(super) fn is_idle(&self) -> bool {
        self.desired.is_empty()
    }

    /// Takes the virtual servers of a start or reload in and brings the kernel to them.
    pub(super) fn configure(
        &mut self,
        servers: Vec<VirtualServer>,
        namespaces: &Namespaces,
    ) -> Result<(), Unavailable> {
        if self.ipvs.is_none() && (!servers.is_empty() || !self.owned.things().is_empty()) {
            let mut ipvs = namespaces.open_ipvs()?;
            self.actual = ipvs.dump()?;
            self.ipvs = Some(ipvs);
        }
        self.refused.clear();
        self.feed(Input::Configure(servers));
        // Recorded before they exist: a kill in between leaves nothing unknown behind.
        self.record(self.owned.things().iter().chain(self.desired.keys()).copied().collect());
        let operations = diff(&self.desired, &self.actual, self.owned.things());
        self.carry_out(operations);
        self.record(self.desired.keys().copied().collect());
        Ok(())
    }

    /// Takes a check's verdict in and brings the kernel to it.
    pub(super) fn verdict(&mut self, input: Input) {
        let mut operations = Vec::new();
        for service in self.feed(input) {
            if let Some(entry) = self.desired.get(&service) {
                diff_service(service, entry, self.actual.get(&service), &mut operations);
            }
        }
        self.carry_out(operations);
    }

    /// Compares the kernel's table with ours and repairs what another program changed.
    pub(super) fn look(&mut self) {
        if let Err(error) = self.see() {
            return tracing::warn!("cannot read the IPVS table: {error}");
        }
        let operations = diff(&self.desired, &self.actual, &BTreeSet::new());
        // A missing service says enough: its destinations went with it. What the kernel refused nobody removed.
        let worth_a_line = |operation: &&Operation| match operation {
            _ if self.refused(operation).is_some() => false,
            Operation::NewDestination(service, ..) => self.actual.contains_key(service),
            _ => true,
        };
        let found: Vec<&Operation> = operations.iter().filter(worth_a_line).collect();
        for operation in found.iter().take(LINES) {
            tracing::warn!("IPVS table changed by another program: {}", undoing(operation));
        }
        if let Some(more) = found.len().checked_sub(LINES).filter(|more| *more > 0) {
            tracing::warn!("IPVS table changed by another program: {more} more set back");
        }
        self.carry_out(operations);
    }

    /// Takes the kernel's present table in: the destinations of the next few services, and the services themselves
    /// when those few are not all there are, when destinations have vanished, and now and then.
    fn see(&mut self) -> io::Result<()> {
        let Some(ipvs) = &mut self.ipvs else { return Ok(()) };
        let next = |after: Option<Service>| {
            let after = after.map_or(Bound::Unbounded, Bound::Excluded);
            let turn = self.desired.range((after, Bound::Unbounded)).take(DESTINATIONS_A_LOOK);
            turn.map(|(service, _)| *service).collect::<Vec<Service>>()
        };
        let mut turn = next(self.looked_at);
        if turn.is_empty() {
            turn = next(None);
        }
        self.looked_at = turn.last().copied();
        self.looks = self.looks.wrapping_add(1);
        let mut suspicious = turn.len() < self.desired.len() || self.looks.is_multiple_of(SERVICES_EVERY);
        for service in &turn {
            let Some(known) = self.actual.get_mut(service) else { continue };
            // The kernel shows a service that is gone as one without destinations.
            let found = ipvs.destinations(service)?.unwrap_or_default();
            suspicious |= found.is_empty() && !known.destinations.is_empty();
            known.destinations = found;
        }
        if suspicious {
            let services: BTreeMap<Service, Settings> = ipvs.services()?.into_iter().collect();
            self.actual.retain(|service, _| services.contains_key(service));
            for (service, settings) in services {
                match self.actual.get_mut(&service) {
                    Some(known) => known.settings = settings,
                    None if self.desired.contains_key(&service) => {
                        let destinations = ipvs.destinations(&service)?.unwrap_or_default();
                        self.actual.insert(service, Entry { settings, destinations });
                    }
                    // Not ours.
                    None => {}
                }
            }
        }
        Ok(())
    }

    /// Removes our services.
    pub(super) fn release(&mut self) {
        self.desired.clear();
        let operations = diff(&self.desired, &self.actual, self.owned.things());
        self.carry_out(operations);
        self.record(BTreeSet::new());
    }

    /// Feeds the pools; returns the services whose desired entry may have changed.
    fn feed(&mut self, input: Input) -> BTreeSet<Service> {
        let mut actions = Vec::new();
        self.pools.handle(Instant::now(), input, &mut actions);
        let mut changed = BTreeSet::new();
        for action in actions {
            match action {
                Action::Update(service) => drop(changed.insert(service)),
                Action::Report(event) => match event.loudness() {
                    Loudness::Info => tracing::info!("{event}"),
                    Loudness::Warning => tracing::warn!("{event}"),
                },
            }
        }
        for service in &changed {
            match self.pools.entry(service) {
                Some(entry) => drop(self.desired.insert(*service, entry)),
                None => drop(self.desired.remove(service)),
            }
        }
        changed
    }

    /// A table that differs from what we believed is read anew and the difference tried once more.
    fn carry_out(&mut self, mut operations: Vec<Operation>) {
        self.drop_refused(&mut operations);
        let Some(ipvs) = &mut self.ipvs else { return };
        let changed = ipvs.change(operations, &mut self.actual);
        if matches!(&changed, Ok(refused) if refused.is_empty()) {
            return;
        }
        if let Err(error) = &changed {
            tracing::warn!("IPVS: the netlink socket failed, reading the table anew: {error}");
        }
        match ipvs.dump() {
            Ok(table) => self.actual = table,
            Err(error) => return tracing::error!("cannot read the IPVS table: {error}"),
        }
        let mut operations = diff(&self.desired, &self.actual, self.owned.things());
        self.drop_refused(&mut operations);
        let Some(ipvs) = &mut self.ipvs else { return };
        match ipvs.change(operations, &mut self.actual) {
            Ok(refused) => self.remember(refused),
            Err(error) => tracing::error!("IPVS: {error}"),
        }
    }

    fn remember(&mut self, refused: Vec<Refused>) {
        let now = Instant::now();
        for one in refused {
            // What fails with its service needs no line of its own.
            if self.refused(&one.operation).is_some_and(|at| now.duration_since(at) < REFUSED) {
                continue;
            }
            tracing::error!("{one}; tried again in {} s", REFUSED.as_secs());
            self.refused.retain(|(operation, _)| *operation != one.operation);
            self.refused.push((one.operation, now));
        }
    }

    /// When the kernel refused this, or the service that it is about.
    fn refused(&self, operation: &Operation) -> Option<Instant> {
        let concerns = |refused: &Operation| {
            let service = matches!(refused, Operation::NewService(..));
            refused == operation || (service && refused.service() == operation.service())
        };
        self.refused.iter().find(|(refused, _)| concerns(refused)).map(|(_, at)| *at)
    }

    /// Takes out what was refused a short while ago, and forgets what has since succeeded or is wanted no more.
    fn drop_refused(&mut self, operations: &mut Vec<Operation>) {
        if self.refused.is_empty() {
            return;
        }
        let now = Instant::now();
        let (desired, actual) = (&self.desired, &self.actual);
        self.refused.retain(|(operation, _)| match operation {
            Operation::NewService(service, _) => {
                desired.contains_key(service) && !actual.contains_key(service)
            }
            other => desired.contains_key(other.service()),
        });
        operations
            .retain(|operation| self.refused(operation).is_none_or(|at| now.duration_since(at) >= REFUSED));
    }

    fn record(&mut self, services: BTreeSet<Service>) {
        if let Err(error) = self.owned.set(services) {
            tracing::warn!(
                "cannot record our IPVS services, a killed daemon would leave them behind: {error}"
            );
        }
    }
}

/// What was found, given the operation that mends it.
fn undoing(operation: &Operation) -> String {
    match operation {
        Operation::NewService(service, _) => format!("service {service} was missing, added again"),
        Operation::SetService(service, _) => format!("service {service} was edited, set back"),
        Operation::DeleteService(service) => format!("service {service} was added, deleted"),
        Operation::NewDestination(service, address, _) => {
            format!("destination {address} of {service} was missing, added again")
        }
        Operation::SetDestination(service, address, _) => {
            format!("destination {address} of {service} was edited, set back")
        }
        Operation::DeleteDestination(service, address) => {
            format!("destination {address} of {service} was added, deleted")
        }
    }
}
