//! All sessions: which one a packet is for, which stay over a reload, which are up.
//!
//! Input: the configured sessions, datagrams as they came, the fate of sockets, time. Output: sockets to open and to close,
//! datagrams to send, the names of those that are up, what there is to tell. A session is known by its two addresses and its
//! port: what a reload leaves of these goes on, whatever else it says.
//! Who listens is configured after the sessions: names that were up and are no session's any more stay in until all is
//! settled.
//! Invariants: discriminators are unique and never 0; who is removed says so for a while, unless another session takes its
//! place; the names are told whenever they change.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::config::model::BfdInstance;
use crate::report::Repeats;

use super::event::{Discard, Event, Refusal};
use super::packet::{LENGTH, Packet};
use super::session::{self, Endpoint, Machine, Snapshot, Timer};

/// Tells the sessions of one process apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(u64);

/// The names of the sessions that are up.
pub type Up = BTreeSet<String>;

/// A datagram as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its sender.
    pub source: IpAddr,
    /// The address that it was sent to; `None`: the kernel does not say.
    pub destination: Option<IpAddr>,
    /// It came to port 4784.
    pub multihop: bool,
    /// TTL or hop limit, 0: the kernel does not say.
    pub hops: u8,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// What can happen to the sessions.
#[derive(Debug)]
pub enum Input {
    /// The sessions of a start or a reload; those that are not among them end. Of two with the same addresses the first counts.
    Configure(Vec<BfdInstance>),
    /// Whoever listens goes by these sessions now, too.
    Settled,
    /// The socket of a session is there.
    Opened(Id),
    /// It is not.
    Refused(Id, Refusal),
    /// Its packets do not leave any more, or do again; the kernel's answer.
    Sent(Id, Result<(), i32>),
    /// A datagram.
    Heard(Received),
    /// The time that [`Sessions::next_timer`] named has come.
    Timer,
    /// Say that all end.
    Stop,
}

/// What the sessions want done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Open the socket of a session, or change the one that is there; [`Input::Opened`] or [`Input::Refused`] answers.
    Open(Id, Endpoint),
    /// Its socket is not needed any more.
    Close(Id),
    /// Send this through it.
    Transmit(Id, [u8; LENGTH]),
    /// Other sessions are up than before.
    Up(Arc<Up>),
    /// Tell.
    Report(Report),
}

/// What there is to tell, and of which session; `None`: of none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its name.
    pub session: Option<String>,
    /// What.
    pub event: Event,
}

/// What makes a session of a reload the same as a running one.
type Identity = (IpAddr, bool, Option<IpAddr>);

fn identity(config: &BfdInstance) -> Identity {
    (config.neighbour, config.multihop, config.source)
}

/// Every session.
#[derive(Debug)]
pub struct Sessions {
    running: BTreeMap<Id, Machine>,
    /// Those that say that they end.
    leaving: BTreeMap<Id, Machine>,
    by_identity: BTreeMap<Identity, Id>,
    by_discriminator: BTreeMap<u32, Id>,
    due: BTreeSet<(Instant, Id, Timer)>,
    up: Arc<Up>,
    /// Names of before that were up: until all is settled, who still goes by them sees no change.
    kept: Up,
    /// Others may be up than was told.
    changed: bool,
    discarded: Repeats<(IpAddr, &'static str)>,
    last_id: u64,
    random: fastrand::Rng,
}

impl Sessions {
    /// No sessions yet; `seed` is that of discriminators and jitter.
    pub fn new(seed: u64) -> Self {
        Self {
            running: BTreeMap::new(),
            leaving: BTreeMap::new(),
            by_identity: BTreeMap::new(),
            by_discriminator: BTreeMap::new(),
            due: BTreeSet::new(),
            up: Arc::default(),
            kept: Up::new(),
            changed: false,
            discarded: Repeats::new(),
            last_id: 0,
            random: fastrand::Rng::with_seed(seed),
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure(wanted) => self.configure(now, wanted, out),
            Input::Settled => {
                self.kept.clear();
                self.changed = true;
            }
            Input::Opened(id) => self.feed(now, id, session::Input::Opened, out),
            Input::Refused(id, why) => self.feed(now, id, session::Input::Refused(why), out),
            Input::Sent(id, outcome) => self.feed(now, id, session::Input::Sent(outcome), out),
            Input::Heard(received) => self.heard(now, &received, out),
            Input::Timer => self.timer(now, out),
            Input::Stop => {
                self.configure(now, Vec::new(), out);
                self.kept.clear();
            }
        }
        if std::mem::take(&mut self.changed) {
            self.tell_who_is_up(out);
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        self.due.first().map(|(at, _, timer)| (*at, *timer))
    }

    /// Whether somebody may be found to be silent: what was heard has to be taken in before.
    pub fn is_to_judge(&self, now: Instant) -> bool {
        self.due.iter().take_while(|(at, ..)| *at <= now).any(|(_, _, timer)| *timer != Timer::Transmit)
    }

    /// One view for each session, in the order in which they began.
    pub fn snapshot(&self) -> Vec<Snapshot> {
        self.running.values().map(Machine::snapshot).collect()
    }

    /// Those that are up.
    pub fn up(&self) -> &Arc<Up> {
        &self.up
    }

    fn configure(&mut self, now: Instant, wanted: Vec<BfdInstance>, out: &mut Vec<Action>) {
        let is_gone = |name: &&String| !wanted.iter().any(|config| config.name == **name);
        self.changed = true;
        self.kept = self.up.iter().filter(is_gone).cloned().collect();
        let mut again: BTreeMap<Id, BfdInstance> = BTreeMap::new();
        let mut new: BTreeMap<Identity, BfdInstance> = BTreeMap::new();
        let mut order = Vec::new();
        for config in wanted {
            let identity = identity(&config);
            match self.by_identity.get(&identity) {
                Some(id) => drop(again.entry(*id).or_insert(config)),
                None if new.contains_key(&identity) => {}
                None => {
                    order.push(identity);
                    new.insert(identity, config);
                }
            }
        }
        let gone: Vec<Id> = self.running.keys().filter(|id| !again.contains_key(id)).copied().collect();
        for id in gone {
            self.dismiss(now, id, out);
        }
        for (id, config) in again {
            if self.running.get(&id).is_some_and(|machine| *machine.config() != config) {
                self.feed(now, id, session::Input::Configure(Box::new(config)), out);
            }
        }
        for config in order.iter().filter_map(|identity| new.remove(identity)) {
            self.start(now, config, out);
        }
    }

    fn start(&mut self, now: Instant, config: BfdInstance, out: &mut Vec<Action>) {
        // The one before with the same neighbour must not speak against it.
        let same = |machine: &Machine| {
            let (neighbour, multihop, _) = identity(machine.config());
            (neighbour, multihop) == (config.neighbour, config.multihop)
        };
        let before: Vec<Id> =
            self.leaving.iter().filter(|(_, machine)| same(machine)).map(|(id, _)| *id).collect();
        before.into_iter().for_each(|id| self.forget(id, out));
        self.last_id += 1;
        let id = Id(self.last_id);
        let discriminator = loop {
            let drawn = self.random.u32(1..);
            if !self.by_discriminator.contains_key(&drawn) {
                break drawn;
            }
        };
        self.by_discriminator.insert(discriminator, id);
        self.by_identity.insert(identity(&config), id);
        let seed = self.random.u64(..);
        self.running.insert(id, Machine::new(config, discriminator, seed));
        self.feed(now, id, session::Input::Start, out);
    }

    /// It ends, and says so for a while.
    fn dismiss(&mut self, now: Instant, id: Id, out: &mut Vec<Action>) {
        let Some(machine) = self.running.remove(&id) else { return };
        self.by_identity.remove(&identity(machine.config()));
        self.by_discriminator.remove(&machine.discriminator());
        if let Some((at, timer)) = machine.next_timer() {
            self.due.remove(&(at, id, timer));
        }
        self.leaving.insert(id, machine);
        self.feed(now, id, session::Input::Stop, out);
        self.bury(id, out);
    }

    fn bury(&mut self, id: Id, out: &mut Vec<Action>) {
        if self.leaving.get(&id).is_some_and(Machine::is_over) {
            self.forget(id, out);
        }
    }

    fn forget(&mut self, id: Id, out: &mut Vec<Action>) {
        if let Some((at, timer)) = self.leaving.remove(&id).and_then(|machine| machine.next_timer()) {
            self.due.remove(&(at, id, timer));
        }
        out.push(Action::Close(id));
    }

    fn timer(&mut self, now: Instant, out: &mut Vec<Action>) {
        let due: BTreeSet<Id> =
            self.due.iter().take_while(|(at, ..)| *at <= now).map(|(_, id, _)| *id).collect();
        for id in due {
            self.feed(now, id, session::Input::Timer, out);
            self.bury(id, out);
        }
    }

    // ---- what is heard ----

    /// RFC 5880 §6.8.6, up to the session.
    fn heard(&mut self, now: Instant, received: &Received, out: &mut Vec<Action>) {
        match self.accept(received) {
            Ok((id, packet)) => self.feed(now, id, session::Input::Heard(packet), out),
            Err(why) => self.discard(now, received.source, why, out),
        }
    }

    fn accept(&self, received: &Received) -> Result<(Id, Packet), Discard> {
        let packet = Packet::read(&received.bytes).map_err(Discard::Malformed)?;
        let id = match packet.yours {
            0 => self.of_addresses(received).ok_or(Discard::Unknown)?,
            yours => *self.by_discriminator.get(&yours).ok_or(Discard::NoSession { yours })?,
        };
        let machine = self.running.get(&id).ok_or(Discard::NoSession { yours: packet.yours })?;
        let config = machine.config();
        let elsewhere = config.source.zip(received.destination).is_some_and(|(own, to)| own != to);
        if config.neighbour != received.source || config.multihop != received.multihop || elsewhere {
            return Err(Discard::Stranger { neighbour: config.neighbour });
        }
        let least = machine.least_hops();
        if received.hops < least {
            return Err(Discard::Hops { hops: received.hops, least });
        }
        Ok((id, packet))
    }

    /// The session between these addresses; one that says where it sends from goes first.
    fn of_addresses(&self, received: &Received) -> Option<Id> {
        let of = |source: Option<IpAddr>| self.by_identity.get(&(received.source, received.multihop, source));
        received.destination.and_then(|own| of(Some(own))).or_else(|| of(None)).copied()
    }

    fn discard(&mut self, now: Instant, source: IpAddr, why: Discard, out: &mut Vec<Action>) {
        let session = self.running.values().find(|machine| machine.config().neighbour == source);
        let session = session.map(|machine| machine.config().name.clone());
        let key = (source, why.kind());
        let allowed = match session {
            Some(_) => self.discarded.allow_known(now, key),
            None => self.discarded.allow(now, key),
        };
        if let Some(suppressed) = allowed {
            let event = Event::Discarded { source, why, suppressed };
            out.push(Action::Report(Report { session, event }));
        }
    }

    // ---- one session ----

    fn feed(&mut self, now: Instant, id: Id, input: session::Input, out: &mut Vec<Action>) {
        let machine = self.running.get_mut(&id).or_else(|| self.leaving.get_mut(&id));
        let Some(machine) = machine else { return };
        if let Some((at, timer)) = machine.next_timer() {
            self.due.remove(&(at, id, timer));
        }
        let (mut actions, was_up) = (Vec::new(), machine.is_up());
        machine.handle(now, input, &mut actions);
        self.changed |= machine.is_up() != was_up;
        if let Some((at, timer)) = machine.next_timer() {
            self.due.insert((at, id, timer));
        }
        let name = &machine.config().name;
        out.extend(actions.into_iter().map(|action| match action {
            session::Action::Open(endpoint) => Action::Open(id, endpoint),
            session::Action::Transmit(packet) => Action::Transmit(id, packet.bytes()),
            session::Action::Report(event) => Action::Report(Report { session: Some(name.clone()), event }),
        }));
    }

    fn tell_who_is_up(&mut self, out: &mut Vec<Action>) {
        let up = self.running.values().filter(|one| one.is_up()).map(|one| &one.config().name);
        let up: Up = up.chain(&self.kept).cloned().collect();
        if up != *self.up {
            self.up = Arc::new(up);
            out.push(Action::Up(Arc::clone(&self.up)));
        }
    }
}

#[cfg(test)]
mod tests;
