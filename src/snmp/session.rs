//! The session with the master agent (RFC 2741 §7): how it comes up and again up, what is answered, what is told.
//!
//! Inputs: what the daemon tells, the state of the connection, messages of the master agent, the time. Outputs: connect,
//! send, close, lines for the log. Invariants: each question gets one answer; each change of the session one line;
//! what the master agent does not take in costs a bounded number of traps, which are counted.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::oid::Oid;
use super::pdu::{Binding, Bound, Header, Incoming, Malformed, Outgoing, Range, Request};
use super::table::{Mib, Source, Table};
use super::traps::Trap;

/// keepalived's: an idle session is asked this often whether it is still there.
pub const PING: Duration = Duration::from_secs(120);
/// The master agent answers within this time, or hangs.
pub const ANSWER: Duration = Duration::from_secs(60);
/// The shortest and the longest pause before another try to connect.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(16));
/// Traps that wait for the master agent.
pub const TRAPS: usize = 1000;
/// No trap is told that is older.
pub const OLDEST_TRAP: Duration = Duration::from_secs(60);
/// Traps that were sent and not answered yet.
const UNANSWERED: usize = 16;
/// A question waits no longer for counters of the kernel.
pub const PATIENCE: Duration = Duration::from_millis(500);
/// Objects of one answer.
const MOST_OBJECTS: usize = 2000;

const NOT_OPEN: u16 = 257;
const PARSE_ERROR: u16 = 266;
const COMMIT_FAILED: u16 = 14;
const UNDO_FAILED: u16 = 15;
const NOT_WRITABLE: u16 = 17;

/// What a session is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Where the master agent is, as `snmp_socket` says it.
    pub agent: String,
    /// What all our names begin with.
    pub subtrees: Vec<Oid>,
    /// What is told of us in `sysORTable`.
    pub capabilities: Vec<(Oid, String)>,
    /// Objects that are answered from counters of the kernel, and how old those may be.
    pub counters: Vec<Counters>,
}

/// Counters of the kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Which ones.
    pub source: Source,
    /// What their names begin with.
    pub subtree: Oid,
    /// How old they may be.
    pub age: Duration,
}

/// What can happen to a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// What a source has to tell.
    Tables(Source, Vec<Table>),
    /// A trap is to be sent.
    Trap(Trap),
    /// There is a connection.
    Connected,
    /// There is none, or no more.
    Disconnected(String),
    /// A message came.
    Heard(Result<Incoming, (Header, Malformed)>),
    /// The time that [`Session::next_timer`] named has come.
    Timer,
    /// The daemon stops.
    Stop,
}

/// What a session wants done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Connect; [`Input::Connected`] or [`Input::Disconnected`] is the answer.
    Connect,
    /// Send it.
    Send(Header, Outgoing),
    /// Close the connection, when what was sent has gone.
    Close,
    /// The daemon is to tell counters anew.
    Ask(Source),
    /// Tell.
    Report(Event),
}

/// Why a session wants to be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Timer {
    /// To connect again.
    Connect,
    /// Nothing was said for long.
    Ping,
    /// The master agent owes an answer.
    Answer,
    /// Questions have waited for counters long enough.
    Counters,
}

/// A view of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// The session is open.
    pub open: bool,
    /// Traps that wait.
    pub traps: usize,
    /// Traps that were lost.
    pub lost: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Until it is tried again.
    Down(Instant),
    Connecting,
    Opening,
    Open(u32),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Sent {
    Open,
    Register(Oid),
    Capabilities,
    Ping,
    Notify,
}

/// A session, over all its connections.
#[derive(Debug)]
pub struct Session {
    setup: Setup,
    mib: Mib,
    state: State,
    pause: Duration,
    /// The number of the last message.
    packet: u32,
    /// What is not answered yet, and until when it ought to be.
    sent: BTreeMap<u32, (Sent, Instant)>,
    /// When the last thing was heard or said.
    last: Instant,
    traps: VecDeque<(Instant, Trap)>,
    lost: u64,
    /// It was told since the last session that traps are lost.
    lost_told: bool,
    /// Whether it was told last that the session is there; `None`: nothing yet.
    told: Option<bool>,
    /// When counters were told last, and whether they are asked for.
    counters: BTreeMap<Source, Age>,
    /// Questions that wait for counters.
    waiting: Vec<Incoming>,
    waiting_until: Option<Instant>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Age {
    told: Option<Instant>,
    asked: Option<Instant>,
}

impl Session {
    /// One that connects at once.
    #[must_use]
    pub fn new(now: Instant, setup: Setup) -> Self {
        Self {
            setup,
            mib: Mib::default(),
            state: State::Down(now),
            pause: PAUSES.0,
            packet: 0,
            sent: BTreeMap::new(),
            last: now,
            traps: VecDeque::new(),
            lost: 0,
            lost_told: false,
            told: None,
            counters: BTreeMap::new(),
            waiting: Vec::new(),
            waiting_until: None,
        }
    }

    /// Feeds one input; `clock` is the monotonic clock in milliseconds. What must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, clock: u64, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Tables(source, tables) => self.tables(now, clock, source, tables, out),
            Input::Trap(trap) => self.trap(now, trap, out),
            Input::Connected => self.connected(now, out),
            Input::Disconnected(why) => self.down(now, why, out),
            Input::Heard(heard) => self.heard(now, clock, heard, out),
            Input::Timer => self.timer(now, clock, out),
            Input::Stop => {
                if let State::Open(session) = self.state {
                    self.send(now, session, Outgoing::Close, None, out);
                }
                out.push(Action::Close);
            }
        }
        self.flush_traps(now, out);
    }

    /// When to call again with [`Input::Timer`].
    #[must_use]
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        let connect = match self.state {
            State::Down(until) => Some((until, Timer::Connect)),
            _ => None,
        };
        let ping = matches!(self.state, State::Open(_)).then_some((self.last + PING, Timer::Ping));
        let answer = self.sent.values().map(|(_, until)| (*until, Timer::Answer)).min();
        let counters = self.waiting_until.map(|until| (until, Timer::Counters));
        [connect, ping, answer, counters].into_iter().flatten().min()
    }

    /// A view of it.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let open = matches!(self.state, State::Open(_));
        Snapshot { open, traps: self.traps.len(), lost: self.lost }
    }

    /// Whether no trap waits for the master agent, or for its answer; without a session none will be told.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        let open = matches!(self.state, State::Open(_));
        let told = self.traps.is_empty() && !self.sent.values().any(|(sent, _)| *sent == Sent::Notify);
        !open || told
    }

    fn timer(&mut self, now: Instant, clock: u64, out: &mut Vec<Action>) {
        if matches!(self.state, State::Down(until) if until <= now) {
            self.state = State::Connecting;
            out.push(Action::Connect);
        }
        if self.sent.values().any(|(_, until)| *until <= now) {
            self.down(now, format!("no answer within {} s", ANSWER.as_secs()), out);
        }
        if let State::Open(session) = self.state
            && self.last + PING <= now
        {
            self.send(now, session, Outgoing::Ping, Some(Sent::Ping), out);
        }
        if self.waiting_until.is_some_and(|until| until <= now) {
            self.answer_waiting(now, clock, out);
        }
    }

    // ---- the connection ----

    fn connected(&mut self, now: Instant, out: &mut Vec<Action>) {
        self.state = State::Opening;
        let description = "directord".to_owned();
        self.send(now, 0, Outgoing::Open { timeout: 0, description }, Some(Sent::Open), out);
    }

    fn down(&mut self, now: Instant, why: String, out: &mut Vec<Action>) {
        if !matches!(self.state, State::Down(_)) {
            out.push(Action::Close);
        }
        self.state = State::Down(now + self.pause);
        self.pause = (self.pause * 2).min(PAUSES.1);
        // Traps that were sent and not answered are as good as lost; nobody knows.
        self.sent.clear();
        self.waiting.clear();
        self.waiting_until = None;
        if self.told != Some(false) {
            self.told = Some(false);
            out.push(Action::Report(Event::Down { agent: self.setup.agent.clone(), why }));
        }
    }

    fn send(
        &mut self,
        now: Instant,
        session: u32,
        message: Outgoing,
        sent: Option<Sent>,
        out: &mut Vec<Action>,
    ) {
        self.packet = self.packet.wrapping_add(1);
        self.last = now;
        if let Some(sent) = sent {
            self.sent.insert(self.packet, (sent, now + ANSWER));
        }
        let header = Header { session, transaction: self.packet, packet: self.packet };
        out.push(Action::Send(header, message));
    }

    // ---- messages ----

    fn heard(
        &mut self,
        now: Instant,
        clock: u64,
        heard: Result<Incoming, (Header, Malformed)>,
        out: &mut Vec<Action>,
    ) {
        self.last = now;
        match heard {
            Ok(Incoming { header, request: Request::Response { error } }) => {
                self.response(now, header, error, out)
            }
            Ok(Incoming { request: Request::Close(reason), .. }) => {
                self.down(now, Event::reason(reason).to_owned(), out);
            }
            Ok(incoming) => self.question(now, clock, incoming, out),
            Err((header, Malformed::Content(_))) => answer(header, PARSE_ERROR, 0, Vec::new(), out),
            // Nothing that follows would be understood.
            Err((_, why)) => self.down(now, why.to_string(), out),
        }
    }

    fn response(&mut self, now: Instant, header: Header, error: u16, out: &mut Vec<Action>) {
        let Some((sent, _)) = self.sent.remove(&header.packet) else { return };
        match (sent, error) {
            (Sent::Open, 0) => {
                self.state = State::Open(header.session);
                self.pause = PAUSES.0;
                self.lost_told = false;
                for subtree in self.setup.subtrees.clone() {
                    let sent = Sent::Register(subtree.clone());
                    self.send(now, header.session, Outgoing::Register(subtree), Some(sent), out);
                }
                for (id, description) in self.setup.capabilities.clone() {
                    let message = Outgoing::AddCapabilities { id, description };
                    self.send(now, header.session, message, Some(Sent::Capabilities), out);
                }
                if self.told != Some(true) {
                    self.told = Some(true);
                    out.push(Action::Report(Event::Up { agent: self.setup.agent.clone() }));
                }
            }
            (Sent::Open, error) => {
                self.down(now, format!("the session is refused: {}", Event::error(error)), out)
            }
            (_, NOT_OPEN) => self.down(now, "it does not know the session any more".to_owned(), out),
            (Sent::Register(subtree), error @ 1..) => {
                out.push(Action::Report(Event::NotRegistered { subtree: subtree.to_string(), error }));
            }
            _ => {}
        }
    }

    fn question(&mut self, now: Instant, clock: u64, incoming: Incoming, out: &mut Vec<Action>) {
        let stale = self.stale(now, &incoming.request);
        if stale.is_empty() {
            self.reply(clock, &incoming, out);
            return;
        }
        for source in stale {
            let age = self.counters.entry(source).or_default();
            // What was asked for is on its way.
            if age.asked.is_none_or(|asked| asked + PATIENCE <= now) {
                age.asked = Some(now);
                out.push(Action::Ask(source));
            }
        }
        self.waiting.push(incoming);
        self.waiting_until.get_or_insert(now + PATIENCE);
    }

    /// The counters that are too old for an answer to this.
    fn stale(&self, now: Instant, request: &Request) -> Vec<Source> {
        let (Request::Get(ranges) | Request::GetNext(ranges) | Request::GetBulk { ranges, .. }) = request
        else {
            return Vec::new();
        };
        let asked = |counters: &&Counters| {
            let told = self.counters.get(&counters.source).and_then(|age| age.told);
            told.is_none_or(|told| told + counters.age <= now)
                && ranges.iter().any(|range| range.start.behind(&counters.subtree).is_some())
        };
        self.setup.counters.iter().filter(asked).map(|counters| counters.source).collect()
    }

    fn answer_waiting(&mut self, now: Instant, clock: u64, out: &mut Vec<Action>) {
        self.waiting_until = None;
        for source in self.setup.counters.iter().map(|counters| counters.source).collect::<Vec<_>>() {
            let age = self.counters.entry(source).or_default();
            // Whoever asks next does not wait for what does not come.
            age.told = age.told.max(age.asked.map(|_| now));
            age.asked = None;
        }
        for incoming in std::mem::take(&mut self.waiting) {
            self.reply(clock, &incoming, out);
        }
    }

    fn reply(&self, clock: u64, incoming: &Incoming, out: &mut Vec<Action>) {
        let header = incoming.header;
        let bindings = match &incoming.request {
            Request::Get(ranges) => ranges.iter().map(|range| self.get(clock, &range.start)).collect(),
            Request::GetNext(ranges) => ranges.iter().map(|range| self.next(clock, range)).collect(),
            Request::GetBulk { single, repetitions, ranges } => {
                self.bulk(clock, (*single).into(), (*repetitions).into(), ranges)
            }
            Request::TestSet => return answer(header, NOT_WRITABLE, 1, Vec::new(), out),
            Request::CommitSet => return answer(header, COMMIT_FAILED, 1, Vec::new(), out),
            Request::UndoSet => return answer(header, UNDO_FAILED, 1, Vec::new(), out),
            Request::Other(_) => return answer(header, PARSE_ERROR, 0, Vec::new(), out),
            Request::CleanupSet | Request::Close(_) | Request::Response { .. } => return,
        };
        answer(header, 0, 0, bindings, out);
    }

    fn get(&self, clock: u64, name: &Oid) -> Binding {
        let value = match self.mib.get(name) {
            Bound::Value(value) => Bound::Value(value.at(clock)),
            other => other,
        };
        Binding { name: name.clone(), value }
    }

    fn next(&self, clock: u64, range: &Range) -> Binding {
        match self.mib.next(range) {
            Some((name, value)) => Binding { name, value: Bound::Value(value.at(clock)) },
            None => Binding { name: range.start.clone(), value: Bound::EndOfMibView },
        }
    }

    /// RFC 2741 §7.2.3.3.
    fn bulk(&self, clock: u64, single: usize, repetitions: usize, ranges: &[Range]) -> Vec<Binding> {
        let (first, many) = ranges.split_at(single.min(ranges.len()));
        let mut bindings: Vec<Binding> = first.iter().map(|range| self.next(clock, range)).collect();
        let mut ranges = many.to_vec();
        for _ in 0..repetitions {
            let full = bindings.len() + ranges.len() > MOST_OBJECTS;
            let before = bindings.len();
            for range in &mut ranges {
                let binding = self.next(clock, range);
                (range.start, range.include) = (binding.name.clone(), false);
                bindings.push(binding);
            }
            let round = bindings.get(before..).unwrap_or_default();
            if full || round.iter().all(|binding| binding.value == Bound::EndOfMibView) {
                break;
            }
        }
        bindings
    }

    // ---- what the daemon tells ----

    fn tables(
        &mut self,
        now: Instant,
        clock: u64,
        source: Source,
        tables: Vec<Table>,
        out: &mut Vec<Action>,
    ) {
        self.mib.set(source, tables);
        if self.setup.counters.iter().all(|counters| counters.source != source) {
            return;
        }
        self.counters.insert(source, Age { told: Some(now), asked: None });
        let missing = self.waiting.iter().any(|incoming| !self.stale(now, &incoming.request).is_empty());
        if !missing && !self.waiting.is_empty() {
            self.answer_waiting(now, clock, out);
        }
    }

    fn trap(&mut self, now: Instant, trap: Trap, out: &mut Vec<Action>) {
        if self.traps.len() >= TRAPS {
            self.lose(out);
        }
        self.traps.push_back((now, trap));
    }

    fn lose(&mut self, out: &mut Vec<Action>) {
        self.traps.pop_front();
        self.lost += 1;
        if !std::mem::replace(&mut self.lost_told, true) {
            out.push(Action::Report(Event::TrapsLost));
        }
    }

    fn flush_traps(&mut self, now: Instant, out: &mut Vec<Action>) {
        while self.traps.front().is_some_and(|(since, _)| *since + OLDEST_TRAP < now) {
            self.lose(out);
        }
        let State::Open(session) = self.state else { return };
        let unanswered = self.sent.values().filter(|(sent, _)| *sent == Sent::Notify).count();
        for _ in unanswered..UNANSWERED {
            let Some((_, trap)) = self.traps.pop_front() else { return };
            self.send(now, session, Outgoing::Notify(trap.bindings()), Some(Sent::Notify), out);
        }
    }
}

fn answer(header: Header, error: u16, index: u16, bindings: Vec<Binding>, out: &mut Vec<Action>) {
    out.push(Action::Send(header, Outgoing::Response { error, index, bindings }));
}

#[cfg(test)]
mod tests;
