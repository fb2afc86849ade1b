//! Keeps the kernel's connection synchronisation (`lvs_sync_daemon`) as it is wanted: at a start, after a change of the
//! instance that it follows, after another program, after a refusal, and when IPVS goes and comes back.
//!
//! Input: the daemons that are wanted, those that the kernel runs, its answers, time. Output: when to open the
//! connection, when to look, what to stop and start, the record of what is ours. An [`Action::Open`], [`Action::Look`]
//! or [`Action::Change`] is answered by [`Input::Opened`], [`Input::Looked`] or [`Input::Changed`] before there is another.
//! Invariants: at rest the kernel runs what is wanted, but for what it refused; a change is believed when a look has
//! shown it; without a configuration what is not ours is left alone. A daemon that is as it is wanted is never touched.

mod event;
pub mod message;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::SyncDaemon;

use super::error::Unavailable;
pub use event::{Event, Found};

/// How often the kernel's daemons are looked at: it tells nobody of changes.
pub const LOOK: Duration = Duration::from_secs(2);
/// Pause before what failed or was refused is tried again: mostly, an interface that is not there yet.
pub const RETRY: Duration = Duration::from_secs(5);

/// The kernel's own values (`ip_vs_sync.c`) where the configuration says nothing.
const GROUP: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 81));
const PORT: u16 = 8848;
const TTL: u8 = 1;
/// A sender's packets without `maxlen`, and the smallest that a receiver is ready for, with their headers.
const ETHERNET: u16 = 1500;
/// A receiver is ready for packets of this size at least, whatever `maxlen` says.
const SMALLEST_BACKUP: u16 = 1024;

/// What a daemon of the kernel does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Role {
    /// It sends connections.
    Master,
    /// It receives them.
    Backup,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::Backup => "backup",
        })
    }
}

/// A daemon as it is wanted; `None`: as the kernel has it by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Interface of the multicast traffic.
    pub interface: String,
    /// `id`: senders and receivers that belong together.
    pub id: u8,
    /// `maxlen`, in bytes, without headers.
    pub max_length: Option<u16>,
    /// `port`.
    pub port: Option<u16>,
    /// `ttl`.
    pub ttl: Option<u8>,
    /// `group`.
    pub group: Option<IpAddr>,
}

/// A daemon as the kernel runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// Interface.
    pub interface: String,
    /// Number; any 32 bits for a daemon of others.
    pub id: u32,
    /// Bytes of a message, without headers.
    pub max_length: u16,
    /// UDP port.
    pub port: u16,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Multicast group.
    pub group: IpAddr,
}

/// The kernel runs one of each role at most.
pub type Daemons = BTreeMap<Role, Running>;

impl Settings {
    /// Those of the configuration.
    pub fn of(daemon: &SyncDaemon) -> Self {
        Self {
            interface: daemon.interface.as_str().to_owned(),
            id: daemon.id.unwrap_or(0),
            max_length: daemon.max_length,
            port: daemon.port,
            ttl: daemon.ttl,
            group: daemon.group,
        }
    }

    /// Whether a daemon runs with these settings.
    fn are(&self, role: Role, running: &Running) -> bool {
        let group = self.group.unwrap_or(GROUP);
        let headers = if group.is_ipv6() { 48 } else { 28 };
        let length = match (self.max_length, role) {
            (None, Role::Master) => running.max_length == ETHERNET - headers,
            // That of the interface counts, when it is larger.
            (None, Role::Backup) => running.max_length >= ETHERNET - headers,
            (Some(length), Role::Master) => running.max_length == length.min(u16::MAX - headers),
            (Some(length), Role::Backup) => {
                running.max_length == length.clamp(SMALLEST_BACKUP, u16::MAX - headers)
            }
        };
        length
            && running.interface == self.interface
            && running.id == u32::from(self.id)
            && running.port == self.port.unwrap_or(PORT)
            && running.ttl == self.ttl.unwrap_or(TTL)
            && running.group == group
    }
}

/// What is wanted while the instance that is followed is MASTER, or is not. Without one to follow both run, as in keepalived.
pub fn wanted(config: Option<&SyncDaemon>, master: bool) -> BTreeMap<Role, Settings> {
    let Some(config) = config else { return BTreeMap::new() };
    let roles = match (&config.instance, master) {
        (None, _) => &[Role::Master, Role::Backup][..],
        (Some(_), true) => &[Role::Master],
        (Some(_), false) => &[Role::Backup],
    };
    roles.iter().map(|role| (*role, Settings::of(config))).collect()
}

impl fmt::Display for Settings {
    /// `eth0, id 51`, and what else the configuration says.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, id {}", self.interface, self.id)?;
        let mut more = |word: &str, value: Option<String>| match value {
            Some(value) => write!(f, ", {word} {value}"),
            None => Ok(()),
        };
        more("maxlen", self.max_length.map(|value| value.to_string()))?;
        more("port", self.port.map(|value| value.to_string()))?;
        more("ttl", self.ttl.map(|value| value.to_string()))?;
        more("group", self.group.map(|value| value.to_string()))
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { interface, id, max_length, port, ttl, group } = self;
        write!(f, "{interface}, id {id}, maxlen {max_length}, port {port}, ttl {ttl}, group {group}")
    }
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// `ipvsadm --start-daemon`.
    Start(Role, Settings),
    /// `ipvsadm --stop-daemon`: the connections stay in the table.
    Stop(Role),
}

impl Operation {
    /// The daemon that it is about.
    pub fn role(&self) -> Role {
        match self {
            Self::Start(role, _) | Self::Stop(role) => *role,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(role, settings) => write!(f, "starting the {role} on {settings}"),
            Self::Stop(role) => write!(f, "stopping the {role}"),
        }
    }
}

/// What can happen.
#[derive(Debug)]
pub enum Input {
    /// These daemons are wanted, and no others when there is one.
    Desired {
        /// By role.
        daemons: BTreeMap<Role, Settings>,
        /// A start or reload: what was refused or unavailable is tried at once.
        anew: bool,
    },
    /// How [`Action::Open`] ended.
    Opened(Result<(), Unavailable>),
    /// What the kernel runs. Error: the connection failed.
    Looked(io::Result<Daemons>),
    /// The kernel's answers to [`Action::Change`], in its order; an answer is 0 or an errno. Error: the connection failed.
    Changed(io::Result<Vec<i32>>),
    /// The time that [`Synchroniser::next_timer`] named has come.
    Timer,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect to the kernel's IPVS, also when there is a connection.
    Open,
    /// Look at what runs.
    Look,
    /// Carry these out in order; a refused one stops nothing.
    Change(Vec<Operation>),
    /// Record these as ours, so that they are known after a kill.
    Record(BTreeSet<Role>),
    /// Tell.
    Report(Event),
}

/// Why to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// To look.
    Look,
    /// To try to reach IPVS again.
    Open,
}

/// The connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    Unused,
    /// It cannot be had; tried again then.
    Absent(Instant),
    Stands,
}

/// Which answer is awaited.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Awaited {
    Nothing,
    Opened,
    /// A look; with what was just carried out.
    Looked(Vec<Operation>),
    Changed(Vec<Operation>),
}

/// Something that did not succeed.
#[derive(Debug, Clone)]
struct Refused {
    operation: Operation,
    at: Instant,
    why: String,
}

/// The machine.
#[derive(Debug)]
pub struct Synchroniser {
    desired: BTreeMap<Role, Settings>,
    /// What may be running because of us.
    owned: BTreeSet<Role>,
    link: Link,
    awaited: Awaited,
    /// Something else was wanted while an answer was awaited.
    changed: bool,
    /// All was as it is wanted when we last looked, and the same is wanted since: a difference is others' doing.
    settled: bool,
    /// A receiver without `maxlen` that runs with one of a former configuration.
    stale: BTreeSet<Role>,
    refused: Vec<Refused>,
    look: Instant,
    /// The connection was made anew, and nothing is known of it yet.
    again: bool,
    /// Why IPVS cannot be reached, while it is needed.
    unavailable: Option<String>,
}

impl Synchroniser {
    /// `owned`: what a killed predecessor may have left.
    pub fn new(now: Instant, owned: BTreeSet<Role>) -> Self {
        Self {
            desired: BTreeMap::new(),
            owned,
            link: Link::Unused,
            awaited: Awaited::Nothing,
            changed: false,
            settled: false,
            stale: BTreeSet::new(),
            refused: Vec::new(),
            look: now,
            again: false,
            unavailable: None,
        }
    }

    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Desired { daemons, anew } => self.desire(daemons, anew, out),
            Input::Opened(Ok(())) if self.awaited == Awaited::Opened => {
                self.link = Link::Stands;
                self.look(Vec::new(), out);
            }
            Input::Opened(Err(why)) if self.awaited == Awaited::Opened => self.absent(now, &why, out),
            Input::Opened(_) => {}
            Input::Looked(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {
                self.awaited = Awaited::Nothing;
                self.look = now + LOOK;
            }
            Input::Looked(Err(error)) | Input::Changed(Err(error)) => self.lost(now, error, out),
            Input::Looked(Ok(running)) => self.looked(now, &running, out),
            Input::Changed(Ok(answers)) => self.answered(now, &answers, out),
            Input::Timer => match self.next_timer() {
                Some((at, Timer::Open)) if at <= now => self.open(out),
                Some((at, Timer::Look)) if at <= now => self.look(Vec::new(), out),
                _ => {}
            },
        }
        // What came while an answer was awaited, and what a start has to do.
        if self.awaited == Awaited::Nothing && self.is_needed() {
            match self.link {
                Link::Unused => self.open(out),
                Link::Stands if self.changed => self.look(Vec::new(), out),
                _ => {}
            }
        }
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        match self.link {
            _ if self.awaited != Awaited::Nothing || !self.is_needed() => None,
            Link::Unused => None,
            Link::Absent(again) => Some((again, Timer::Open)),
            Link::Stands => Some((self.look, Timer::Look)),
        }
    }

    /// Why connections are not synchronised as the configuration says; `None`: they are, or it says nothing.
    pub fn trouble(&self) -> Option<&str> {
        let refused = self.refused.iter().map(|refused| &refused.why);
        self.unavailable.iter().chain(refused).next().map(String::as_str)
    }

    fn is_needed(&self) -> bool {
        !self.desired.is_empty() || !self.owned.is_empty()
    }

    fn desire(&mut self, daemons: BTreeMap<Role, Settings>, anew: bool, out: &mut Vec<Action>) {
        if anew {
            self.refused.clear();
            if let Some(said) = &mut self.unavailable {
                // Who reloads is told again.
                said.clear();
            }
            if matches!(self.link, Link::Absent(_)) {
                self.link = Link::Unused;
            }
        }
        if daemons == self.desired && !anew {
            return;
        }
        for (role, settings) in &daemons {
            let had = self.desired.get(role).and_then(|before| before.max_length);
            if *role == Role::Backup && settings.max_length.is_none() && had.is_some() {
                self.stale.insert(*role);
            }
        }
        self.settled &= daemons == self.desired;
        self.desired = daemons;
        self.changed = true;
        self.own(self.desired.keys().copied().chain(self.owned.iter().copied()).collect(), out);
    }

    /// Recorded before they run: a kill in between leaves nothing unknown behind.
    fn own(&mut self, owned: BTreeSet<Role>, out: &mut Vec<Action>) {
        if owned != self.owned {
            self.owned = owned;
            out.push(Action::Record(self.owned.clone()));
        }
    }

    // ---- the connection ----

    fn open(&mut self, out: &mut Vec<Action>) {
        self.awaited = Awaited::Opened;
        out.push(Action::Open);
    }

    /// The module is gone or was loaded anew, or an answer did not come.
    fn lost(&mut self, now: Instant, error: io::Error, out: &mut Vec<Action>) {
        // What goes with the module is nobody's doing.
        self.settled = false;
        if std::mem::replace(&mut self.again, true) {
            return self.absent(now, &error.into(), out);
        }
        self.open(out);
    }

    fn absent(&mut self, now: Instant, why: &Unavailable, out: &mut Vec<Action>) {
        self.awaited = Awaited::Nothing;
        self.link = Link::Absent(now + RETRY);
        self.again = false;
        self.settled = false;
        if matches!(why, Unavailable::NoModule) {
            // Everything went with it.
            self.own(self.desired.keys().copied().collect(), out);
        }
        if !self.is_needed() {
            self.link = Link::Unused;
            self.unavailable = None;
            return;
        }
        let why = why.to_string();
        if self.unavailable.as_ref() != Some(&why) {
            self.unavailable = Some(why.clone());
            out.push(Action::Report(Event::Unavailable { why }));
        }
    }

    // ---- looking and changing ----

    fn look(&mut self, done: Vec<Operation>, out: &mut Vec<Action>) {
        self.changed = false;
        self.awaited = Awaited::Looked(done);
        out.push(Action::Look);
    }

    fn looked(&mut self, now: Instant, running: &Daemons, out: &mut Vec<Action>) {
        let Awaited::Looked(done) = &self.awaited else { return };
        let done = done.clone();
        self.awaited = Awaited::Nothing;
        self.again = false;
        if self.unavailable.take().is_some() {
            out.push(Action::Report(Event::Available));
        }
        for operation in &done {
            self.verify(now, operation, running, out);
        }
        let mut operations = self.difference(running);
        if std::mem::replace(&mut self.settled, operations.is_empty()) {
            let found = operations.iter().filter_map(|operation| self.found(operation, running));
            out.extend(found.map(|found| Action::Report(Event::SetBack(found))));
        }
        let stays = |role: &&Role| self.desired.contains_key(role) || running.contains_key(role);
        self.own(self.owned.iter().filter(stays).copied().collect(), out);
        self.refused.retain(|refused| operations.contains(&refused.operation));
        let rests = |refused: &Refused| now.saturating_duration_since(refused.at) < RETRY;
        operations.retain(|operation| {
            !self.refused.iter().any(|refused| refused.operation == *operation && rests(refused))
        });
        if operations.is_empty() {
            self.look = now + LOOK;
            return;
        }
        self.awaited = Awaited::Changed(operations.clone());
        out.push(Action::Change(operations));
    }

    /// What leads from what runs to what is wanted; stops first: the kernel has one of each.
    fn difference(&self, running: &Daemons) -> Vec<Operation> {
        let is_right = |role: Role| match (self.desired.get(&role), running.get(&role)) {
            (Some(settings), Some(running)) => settings.are(role, running) && !self.stale.contains(&role),
            _ => false,
        };
        let ours = |role: &Role| !self.desired.is_empty() || self.owned.contains(role);
        let wrong = running.keys().copied().filter(|role| ours(role) && !is_right(*role));
        let missing = self.desired.iter().filter(|(role, _)| !is_right(**role));
        let starts = missing.map(|(role, settings)| Operation::Start(*role, settings.clone()));
        wrong.map(Operation::Stop).chain(starts).collect()
    }

    /// What another program did, given an operation that mends it; a restart is told once.
    fn found(&self, operation: &Operation, running: &Daemons) -> Option<Found> {
        let role = operation.role();
        match (operation, running.get(&role), self.desired.get(&role)) {
            (Operation::Stop(_), Some(_), None) => Some(Found::Started(role)),
            (Operation::Stop(_), Some(running), Some(_)) => Some(Found::Otherwise(role, running.clone())),
            (Operation::Start(..), None, _) => Some(Found::Stopped(role)),
            _ => None,
        }
    }

    fn answered(&mut self, now: Instant, answers: &[i32], out: &mut Vec<Action>) {
        let Awaited::Changed(operations) = &self.awaited else { return };
        let mut done = Vec::new();
        for (operation, errno) in operations.clone().into_iter().zip(answers) {
            match (*errno, &operation) {
                (0, Operation::Start(role, _)) => {
                    self.stale.remove(role);
                    done.push(operation);
                }
                // Stopping what has stopped succeeds.
                (0 | libc::ESRCH, Operation::Stop(_)) => done.push(operation),
                (errno, _) => {
                    let why = event::explain(&operation, errno);
                    self.refuse(now, operation, why, out);
                }
            }
        }
        self.look(done, out);
    }

    /// Believes what the kernel shows, not what it answered.
    fn verify(&mut self, now: Instant, operation: &Operation, running: &Daemons, out: &mut Vec<Action>) {
        let why = match (operation, running.get(&operation.role())) {
            (Operation::Start(role, settings), Some(running)) if settings.are(*role, running) => {
                out.push(Action::Report(Event::Started { role: *role, settings: settings.clone() }));
                return;
            }
            (Operation::Start(..), Some(running)) => format!("the kernel took it, and runs it on {running}"),
            (Operation::Start(..), None) => "the kernel took it, and it does not run".to_owned(),
            (Operation::Stop(_), Some(_)) if self.desired.contains_key(&operation.role()) => return,
            (Operation::Stop(_), Some(_)) => "the kernel took it, and it still runs".to_owned(),
            (Operation::Stop(role), None) => {
                if !self.desired.contains_key(role) {
                    out.push(Action::Report(Event::Stopped { role: *role }));
                }
                return;
            }
        };
        self.refuse(now, operation.clone(), why, out);
    }

    /// Told once for each reason.
    fn refuse(&mut self, now: Instant, operation: Operation, why: String, out: &mut Vec<Action>) {
        let known = self.refused.iter_mut().find(|refused| refused.operation == operation);
        if let Some(known) = known {
            known.at = now;
            if known.why == why {
                return;
            }
            known.why.clone_from(&why);
        } else {
            self.refused.push(Refused { operation: operation.clone(), at: now, why: why.clone() });
        }
        out.push(Action::Report(Event::Refused { operation, why }));
    }
}

#[cfg(test)]
mod tests;
