//! Keeps the kernel's table as the pools want it: after their changes, after another program's, after a refusal, and
//! when IPVS goes and comes back.
//!
//! Input: desired entries, what was seen of the kernel's table, answers to changes, time. Output: when to open the
//! connection, what to look at, operations, the record of what is ours. An [`Action::Open`], [`Action::Look`] or
//! [`Action::Change`] is answered by [`Input::Opened`], [`Input::Looked`] or [`Input::Changed`] before there is another.
//! Invariants: at rest the kernel has what is desired, but for what it refused; a service that is not ours is never
//! named; one of ours stays ours until it is gone, also when its deletion was refused.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::Service;
use crate::report::plain;

use super::diff::{self, Operation, diff, diff_service};
use super::error::{Refused, Unavailable};
use super::event::Event;
use super::refusals::Refusals;
use super::{Destinations, Entry, Settings, Table};

/// How often the kernel's table is looked at: it tells nobody of changes, and nobody should wait for more than one
/// second.
pub const LOOK: Duration = Duration::from_millis(800);
/// An operation that the kernel refused is not tried again for this long, unless the configuration asks anew.
pub const REFUSED: Duration = Duration::from_secs(60);
/// Pause before what failed altogether is tried again: IPVS that cannot be reached, a record that cannot be written.
pub const REOPEN: Duration = Duration::from_secs(5);
/// Services whose destinations one look compares.
const DESTINATIONS_A_LOOK: usize = 100;
/// With so few services that each look compares them all, their settings are compared each fourth time.
const SERVICES_EVERY: u32 = 4;
/// Lines about one repair.
const LINES: usize = 10;

/// What can happen to the keeper.
#[derive(Debug)]
pub enum Input {
    /// The pools want other entries.
    Desired {
        /// `None`: the service is wanted no more.
        changes: BTreeMap<Service, Option<Arc<Entry>>>,
        /// The configuration asks anew: what was refused or unavailable is tried at once.
        anew: bool,
    },
    /// Our services are to go: the daemon stops.
    Release {
        /// And those of others (`lvs_flush_on_stop`).
        flush: bool,
    },
    /// How [`Action::Open`] ended.
    Opened(Result<(), Unavailable>),
    /// What [`Action::Look`] saw. Error: the connection failed.
    Looked(io::Result<Seen>),
    /// Answers to [`Action::Change`], in its order. Error: the connection failed, or answers did not come; what was
    /// carried out is unknown.
    Changed(io::Result<Vec<Answer>>),
    /// How [`Action::Record`] ended.
    Recorded(io::Result<()>),
    /// The time that [`Keeper::next_timer`] named has come.
    Timer,
}

/// A part of the kernel's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Look {
    /// All of it.
    Table,
    /// Every service, without its destinations.
    Services,
    /// The destinations of these services.
    Destinations(Vec<Service>),
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// All of it.
    Table(Table),
    /// Every service.
    Services(BTreeMap<Service, Settings>),
    /// The destinations of the services asked for. The kernel shows a service that is gone as one without any.
    Destinations(BTreeMap<Service, Destinations>),
}

/// The kernel's answer to one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What was asked.
    pub operation: Operation,
    /// Error: an errno.
    pub outcome: Result<(), i32>,
}

/// What the keeper wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect to the kernel's IPVS, also when there is a connection: its number changes with the module.
    Open,
    /// Look at a part of the table.
    Look(Look),
    /// Carry these out in order; a refused one stops nothing.
    Change(Vec<Operation>),
    /// Record these as ours, so that they are known after a kill.
    Record(BTreeSet<Service>),
    /// Tell.
    Report(Event),
}

/// Why the keeper wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// To look at the table.
    Look,
    /// To try to reach IPVS again.
    Open,
    /// To write the record again.
    Record,
}

/// A view of the keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The kernel's IPVS is needed, and cannot be reached.
    pub unavailable: bool,
    /// Services that are wanted.
    pub services: usize,
    /// Our services that are wanted no more and could not be deleted yet.
    pub leftovers: usize,
}

/// The connection to the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    /// Not needed so far.
    Unused,
    /// It cannot be had; tried again then.
    Absent(Instant),
    /// It stands, and the table has not been read over it.
    Fresh,
    /// It stands, and the table is known.
    Known,
}

/// Which answer is awaited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Awaited {
    Nothing,
    Opened,
    /// The whole table; `again`: because operations were refused.
    Table {
        again: bool,
    },
    /// The destinations of the services whose turn it is.
    Turn,
    Services,
    /// The destinations of services that appeared since.
    Appeared,
    Changed {
        again: bool,
    },
}

/// The keeper of the table.
#[derive(Debug)]
pub struct Keeper {
    /// What the pools want.
    desired: Table,
    /// What the kernel had when we last looked, with our changes since.
    actual: Table,
    /// What is ours: all that is desired, and what is still to be deleted.
    owned: BTreeSet<Service>,
    link: Link,
    awaited: Awaited,
    /// Services whose desired entry changed since the table was last compared with it.
    changed: BTreeSet<Service>,
    refusals: Refusals,
    /// When the table is looked at next.
    look: Instant,
    /// The looks go round the services.
    looked_at: Option<Service>,
    looks: u32,
    /// Why the connection was made anew, until all is right again. A second failure before that has to wait.
    broken: Option<String>,
    /// IPVS is needed and cannot be reached; what was said of it.
    unavailable: Option<String>,
    /// A look failed, and it was said.
    unread: bool,
    /// The record could not be written; when it is tried again.
    record: Option<Instant>,
    /// That was said.
    not_recorded: bool,
    /// The table is emptied of others' services at the next look at all of it.
    flushes: Option<Flush>,
}

/// Which word of the configuration empties the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// `lvs_flush`.
    Start,
    /// `lvs_flush_on_stop`.
    Stop,
}

impl Keeper {
    /// `owned`: what a killed predecessor may have left.
    pub fn new(now: Instant, owned: BTreeSet<Service>) -> Self {
        Self {
            desired: Table::new(),
            actual: Table::new(),
            owned,
            link: Link::Unused,
            awaited: Awaited::Nothing,
            changed: BTreeSet::new(),
            refusals: Refusals::default(),
            look: now,
            looked_at: None,
            looks: 0,
            broken: None,
            unavailable: None,
            unread: false,
            record: None,
            not_recorded: false,
            flushes: None,
        }
    }

    /// Has it delete what others have in the table, once (`lvs_flush`).
    #[must_use]
    pub fn flushing(self, flushes: bool) -> Self {
        Self { flushes: flushes.then_some(Flush::Start), ..self }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Desired { changes, anew } => self.desire(now, changes, anew, out),
            Input::Release { flush } => {
                let changes = self.desired.keys().map(|service| (*service, None)).collect();
                self.changed.extend(&self.owned);
                if flush {
                    self.flushes = Some(Flush::Stop);
                    self.looked_for(out);
                }
                self.desire(now, changes, true, out);
            }
            Input::Opened(Ok(())) if self.awaited == Awaited::Opened => {
                self.link = Link::Fresh;
                // What a module without its scheduler refused says nothing of the one that is there now.
                if self.unavailable.is_some() {
                    self.refusals.clear();
                }
                self.look_at_all(false, out);
            }
            Input::Opened(Err(why)) if self.awaited == Awaited::Opened => self.absent(now, &why, out),
            Input::Opened(_) => {}
            Input::Looked(Ok(seen)) => self.looked(now, seen, out),
            Input::Looked(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                if !std::mem::replace(&mut self.unread, true) {
                    out.push(Action::Report(Event::Unread { why: plain(&error) }));
                }
                self.awaited = Awaited::Nothing;
                self.look = now + LOOK;
            }
            Input::Looked(Err(error)) | Input::Changed(Err(error)) => self.lost(now, error, out),
            Input::Changed(Ok(answers)) => self.answered(now, answers, out),
            Input::Recorded(Ok(())) => self.not_recorded = false,
            Input::Recorded(Err(error)) => {
                if !std::mem::replace(&mut self.not_recorded, true) {
                    out.push(Action::Report(Event::NotRecorded { why: plain(&error) }));
                }
                self.record = Some(now + REOPEN);
            }
            Input::Timer => self.timer(now, out),
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let link = match self.link {
            _ if self.awaited != Awaited::Nothing || !self.is_needed() => None,
            Link::Unused => None,
            Link::Absent(again) => Some((again, Timer::Open)),
            Link::Fresh | Link::Known => Some((self.look, Timer::Look)),
        };
        link.into_iter().chain(self.record.map(|at| (at, Timer::Record))).min()
    }

    /// The present condition.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            unavailable: self.unavailable.is_some(),
            services: self.desired.len(),
            leftovers: self.owned.len() - self.desired.len(),
        }
    }

    /// Why the services that are wanted do not run, when the kernel's IPVS cannot be reached.
    pub fn unavailable(&self) -> Option<&str> {
        self.unavailable.as_deref()
    }

    /// VRRP alone needs no IPVS.
    fn is_needed(&self) -> bool {
        !self.owned.is_empty()
    }

    // ---- what is wanted ----

    fn desire(
        &mut self,
        now: Instant,
        changes: BTreeMap<Service, Option<Arc<Entry>>>,
        anew: bool,
        out: &mut Vec<Action>,
    ) {
        let before = self.owned.len();
        for (service, entry) in changes {
            self.changed.insert(service);
            match entry {
                Some(entry) => {
                    // Recorded before they exist: a kill in between leaves nothing unknown behind.
                    self.owned.insert(service);
                    self.desired.insert(service, entry);
                }
                None => drop(self.desired.remove(&service)),
            }
        }
        if self.owned.len() != before {
            self.record(out);
        }
        if anew {
            self.refusals.clear();
            if let Some(said) = &mut self.unavailable {
                // Who reloads is told again.
                said.clear();
            }
            if matches!(self.link, Link::Absent(_)) {
                self.link = Link::Unused;
            }
        }
        self.proceed(now, out);
    }

    /// Does what has been waiting for an answer to come.
    fn proceed(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.awaited != Awaited::Nothing {
            return;
        }
        match self.link {
            Link::Unused if self.is_needed() => self.open(out),
            Link::Known if !self.changed.is_empty() => {
                let mut operations = Vec::new();
                for service in std::mem::take(&mut self.changed) {
                    match (self.desired.get(&service), self.actual.get(&service)) {
                        (Some(entry), actual) => {
                            diff_service(service, entry, actual.map(Arc::as_ref), &mut operations);
                        }
                        (None, Some(_)) if self.owned.contains(&service) => {
                            operations.push(Operation::DeleteService(service));
                        }
                        (None, _) => {}
                    }
                }
                self.disown(out);
                self.change(now, operations, false, out);
            }
            _ => {}
        }
    }

    /// All of the table is looked at, also when nothing of it is ours.
    fn looked_for(&mut self, out: &mut Vec<Action>) {
        match self.link {
            _ if self.awaited != Awaited::Nothing => {}
            Link::Known | Link::Fresh => self.look_at_all(false, out),
            Link::Unused | Link::Absent(_) => self.open(out),
        }
    }

    fn record(&mut self, out: &mut Vec<Action>) {
        self.record = None;
        out.push(Action::Record(self.owned.clone()));
    }

    /// What is neither wanted nor there is ours no more.
    fn disown(&mut self, out: &mut Vec<Action>) {
        let before = self.owned.len();
        self.owned.retain(|service| self.desired.contains_key(service) || self.actual.contains_key(service));
        if self.owned.len() != before {
            self.record(out);
        }
    }

    // ---- the connection ----

    fn open(&mut self, out: &mut Vec<Action>) {
        self.awaited = Awaited::Opened;
        out.push(Action::Open);
    }

    /// The connection failed: the module is gone or was loaded anew, or an answer did not come.
    fn lost(&mut self, now: Instant, error: io::Error, out: &mut Vec<Action>) {
        if self.link != Link::Known || self.broken.is_some() {
            return self.absent(now, &error.into(), out);
        }
        self.broken = Some(match error.raw_os_error() {
            Some(libc::ENOENT) => "the module was unloaded meanwhile".to_owned(),
            _ => plain(&error),
        });
        self.open(out);
    }

    fn absent(&mut self, now: Instant, why: &Unavailable, out: &mut Vec<Action>) {
        self.awaited = Awaited::Nothing;
        self.link = Link::Absent(now + REOPEN);
        self.broken = None;
        self.actual.clear();
        if matches!(why, Unavailable::NoModule) {
            // Everything went with it.
            self.disown(out);
        }
        if !self.is_needed() {
            self.link = Link::Unused;
            self.unavailable = None;
            return;
        }
        let why = why.to_string();
        if self.unavailable.as_ref() != Some(&why) {
            let services = self.desired.len();
            self.unavailable = Some(why.clone());
            out.push(Action::Report(Event::Unavailable { why, services }));
        }
    }

    /// All is as it should be, but for what was refused.
    fn rest(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.share();
        self.awaited = Awaited::Nothing;
        self.look = now + LOOK;
        self.unread = false;
        let broken = self.broken.take();
        if self.unavailable.take().is_some() {
            let programmed = self.desired.keys().filter(|service| self.actual.contains_key(service));
            out.push(Action::Report(Event::Available { services: programmed.count() }));
        } else if let Some(why) = broken {
            out.push(Action::Report(Event::Reconnected { why }));
        }
        self.proceed(now, out);
    }

    /// What the kernel has as it is wanted is in both tables, and once in memory.
    fn share(&mut self) {
        for (service, actual) in &mut self.actual {
            if let Some(desired) = self.desired.get(service)
                && !Arc::ptr_eq(actual, desired)
                && actual == desired
            {
                *actual = Arc::clone(desired);
            }
        }
    }

    // ---- looking ----

    fn timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        if self.record.is_some_and(|at| at <= now) {
            self.record(out);
        }
        match self.next_timer() {
            Some((at, Timer::Open)) if at <= now => self.open(out),
            Some((at, Timer::Look)) if at <= now && self.link == Link::Fresh => self.look_at_all(false, out),
            Some((at, Timer::Look)) if at <= now => self.look_at_some(out),
            _ => {}
        }
    }

    fn look_at_all(&mut self, again: bool, out: &mut Vec<Action>) {
        self.awaited = Awaited::Table { again };
        out.push(Action::Look(Look::Table));
    }

    fn look_at_services(&mut self, out: &mut Vec<Action>) {
        self.awaited = Awaited::Services;
        out.push(Action::Look(Look::Services));
    }

    /// The destinations of the next few services.
    fn look_at_some(&mut self, out: &mut Vec<Action>) {
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
        if turn.is_empty() {
            return self.look_at_services(out);
        }
        self.awaited = Awaited::Turn;
        out.push(Action::Look(Look::Destinations(turn)));
    }

    fn looked(&mut self, now: Instant, seen: Seen, out: &mut Vec<Action>) {
        match (self.awaited, seen) {
            (Awaited::Table { again }, Seen::Table(table)) => {
                self.link = Link::Known;
                self.actual = table;
                self.flush(out);
                self.disown(out);
                self.changed.clear();
                let operations = diff(&self.desired, &self.actual, &self.owned);
                self.change(now, operations, again, out);
            }
            (Awaited::Turn, Seen::Destinations(found)) => {
                // The services themselves, when these few are not all there are, when destinations have vanished,
                // and now and then.
                let mut suspicious =
                    found.len() < self.owned.len() || self.looks.is_multiple_of(SERVICES_EVERY);
                for (service, found) in found {
                    let Some(known) = self.actual.get_mut(&service) else { continue };
                    suspicious |= found.is_empty() && !known.destinations.is_empty();
                    if known.destinations != found {
                        Arc::make_mut(known).destinations = found;
                    }
                }
                if suspicious {
                    self.look_at_services(out);
                } else {
                    self.compare(now, out);
                }
            }
            (Awaited::Services, Seen::Services(services)) => {
                self.actual.retain(|service, _| services.contains_key(service));
                let mut appeared = Vec::new();
                for (service, settings) in services {
                    match self.actual.get_mut(&service) {
                        Some(known) if known.settings == settings => {}
                        Some(known) => Arc::make_mut(known).settings = settings,
                        None if self.owned.contains(&service) => {
                            let entry = Entry { settings, destinations: BTreeMap::new() };
                            self.actual.insert(service, Arc::new(entry));
                            appeared.push(service);
                        }
                        // Not ours.
                        None => {}
                    }
                }
                if appeared.is_empty() {
                    return self.compare(now, out);
                }
                self.awaited = Awaited::Appeared;
                out.push(Action::Look(Look::Destinations(appeared)));
            }
            (Awaited::Appeared, Seen::Destinations(found)) => {
                for (service, found) in found {
                    if let Some(known) = self.actual.get_mut(&service) {
                        Arc::make_mut(known).destinations = found;
                    }
                }
                self.compare(now, out);
            }
            _ => {}
        }
    }

    /// At the first look after a start, or at a stop, that asks for it, what others have in the table is ours, to be deleted.
    fn flush(&mut self, out: &mut Vec<Action>) {
        let Some(flush) = self.flushes.take() else { return };
        let foreign = self.actual.keys().filter(|service| !self.owned.contains(service));
        let foreign: Vec<Service> = foreign.copied().collect();
        if !foreign.is_empty() {
            out.push(Action::Report(Event::Flushed { services: foreign.len(), flush }));
            self.owned.extend(foreign);
            self.record(out);
        }
    }

    /// Repairs what another program changed, and says so.
    fn compare(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.disown(out);
        // What the pools changed during the look is nobody else's doing.
        let ours = std::mem::take(&mut self.changed);
        let operations = diff(&self.desired, &self.actual, &self.owned);
        let worth_a_line = |operation: &&Operation| match operation {
            _ if self.refusals.holds(operation) || ours.contains(operation.service()) => false,
            Operation::DeleteService(_) => false,
            // A missing service says enough: its destinations went with it.
            Operation::NewDestination(service, ..) => self.actual.contains_key(service),
            _ => true,
        };
        let found: Vec<&Operation> = operations.iter().filter(worth_a_line).collect();
        out.extend(
            found
                .iter()
                .take(LINES)
                .map(|operation| Action::Report(Event::SetBack(Operation::clone(operation)))),
        );
        if let Some(more) = found.len().checked_sub(LINES).filter(|more| *more > 0) {
            out.push(Action::Report(Event::MoreSetBack(more)));
        }
        self.change(now, operations, false, out);
    }

    // ---- changing ----

    fn change(&mut self, now: Instant, mut operations: Vec<Operation>, again: bool, out: &mut Vec<Action>) {
        let (desired, actual, owned) = (&self.desired, &self.actual, &self.owned);
        self.refusals.retain(|operation| match operation {
            Operation::NewService(service, _) => {
                desired.contains_key(service) && !actual.contains_key(service)
            }
            Operation::DeleteService(service) => owned.contains(service) && !desired.contains_key(service),
            other => desired.contains_key(other.service()),
        });
        operations.retain(|operation| !self.refusals.forbids(now, operation));
        if operations.is_empty() {
            return self.rest(now, out);
        }
        self.awaited = Awaited::Changed { again };
        out.push(Action::Change(operations));
    }

    /// When something was refused, the table differs from what we believed: it is read anew and the difference tried
    /// once more.
    fn answered(&mut self, now: Instant, answers: Vec<Answer>, out: &mut Vec<Action>) {
        let Awaited::Changed { again } = self.awaited else { return };
        let mut refused = Vec::new();
        for Answer { operation, outcome } in answers {
            match outcome {
                Err(errno) if !is_gone(&operation, errno) => refused.push(Refused { operation, errno }),
                _ => diff::apply(&mut self.actual, &operation),
            }
        }
        self.disown(out);
        if refused.is_empty() {
            return self.rest(now, out);
        }
        if !again {
            return self.look_at_all(true, out);
        }
        refused.retain(|one| self.refusals.remember(now, &one.operation));
        let more = refused.len().saturating_sub(LINES);
        out.extend(refused.into_iter().take(LINES).map(|one| Action::Report(Event::Refused(one))));
        if more > 0 {
            out.push(Action::Report(Event::MoreRefused(more)));
        }
        self.rest(now, out);
    }
}

/// Deleting what is gone succeeds.
fn is_gone(operation: &Operation, errno: i32) -> bool {
    match operation {
        Operation::DeleteService(_) => errno == libc::ESRCH,
        Operation::DeleteDestination(..) => matches!(errno, libc::ENOENT | libc::ESRCH),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
