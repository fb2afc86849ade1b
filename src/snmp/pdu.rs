//! The messages of AgentX as bytes (RFC 2741 §5, §6), both ways.
//!
//! In: bytes of the master agent, which may be anybody's. Out: what they say, or what is wrong with them. Readers are
//! total: no input makes them panic or take more memory than a few times its own. Of the two orders of bytes the one
//! of the header counts; what is written is in network order.

use std::net::Ipv4Addr;

use super::oid::{LONGEST, Oid};
use super::value::Value;

/// Bytes of a header (§6.1).
pub const HEADER: usize = 20;
/// The longest message that is read: a request names objects, and they are few.
pub const MOST: usize = 1 << 20;

const VERSION: u8 = 1;
const NON_DEFAULT_CONTEXT: u8 = 0x08;
const NETWORK_BYTE_ORDER: u8 = 0x10;
/// `internet`: what a prefix of a name stands behind (§5.1).
const INTERNET: [u32; 4] = [1, 3, 6, 1];

const OPEN: u8 = 1;
const CLOSE: u8 = 2;
const REGISTER: u8 = 3;
const GET: u8 = 5;
const GET_NEXT: u8 = 6;
const GET_BULK: u8 = 7;
const TEST_SET: u8 = 8;
const COMMIT_SET: u8 = 9;
const UNDO_SET: u8 = 10;
const CLEANUP_SET: u8 = 11;
const NOTIFY: u8 = 12;
const PING: u8 = 13;
const ADD_AGENT_CAPS: u8 = 16;
const RESPONSE: u8 = 18;

/// What is wrong with bytes that are to be a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is not of the version that we speak.
    #[error("version {0} of AgentX, where 1 is spoken")]
    Version(u8),
    /// Longer than anything that we ask or are asked.
    #[error("a message of {0} bytes, where {MOST} are the most")]
    TooLong(u32),
    /// It ends before it is complete, or has what it must not have.
    #[error("a message of type {0} that is not well-formed")]
    Content(u8),
}

/// Whose message it is, and which question an answer belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Header {
    /// `h.sessionID`.
    pub session: u32,
    /// `h.transactionID`.
    pub transaction: u32,
    /// `h.packetID`.
    pub packet: u32,
}

/// Names that are searched (§5.2): from the first on, up to but not including the last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Range {
    /// Where it begins.
    pub start: Oid,
    /// The start itself is meant, too.
    pub include: bool,
    /// Where it ends; empty: nowhere.
    pub end: Oid,
}

/// What a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The master agent ends the session: its reason (§6.2.2).
    Close(u8),
    /// These objects.
    Get(Vec<Range>),
    /// The first object of each range.
    GetNext(Vec<Range>),
    /// The first object of some, and many of the others.
    GetBulk {
        /// How many ranges of the first sort there are.
        single: u16,
        /// How many objects of each of the others.
        repetitions: u16,
        /// All of them.
        ranges: Vec<Range>,
    },
    /// May these be set? How many they are does not matter: none may.
    TestSet,
    /// Set them.
    CommitSet,
    /// Set them back.
    UndoSet,
    /// No more of it.
    CleanupSet,
    /// The answer to what we sent.
    Response {
        /// `res.error`; 0: none.
        error: u16,
    },
    /// Something that a master agent does not send.
    Other(u8),
}

/// A message of the master agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its header.
    pub header: Header,
    /// What it wants.
    pub request: Request,
}

/// A name with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The object.
    pub name: Oid,
    /// Its value.
    pub value: Bound,
}

/// What stands for an object in an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// Its value.
    Value(Value),
    /// There is no such object.
    NoSuchObject,
    /// There is no such instance of it.
    NoSuchInstance,
    /// Nothing follows.
    EndOfMibView,
}

/// What we send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// Opens a session (§6.2.1).
    Open {
        /// Seconds that the master agent waits for an answer; 0: its own.
        timeout: u8,
        /// Who asks.
        description: String,
    },
    /// Ends it (§6.2.2); the reason is that we stop.
    Close,
    /// All objects below a name are ours (§6.2.3).
    Register(Oid),
    /// What is to be seen of us in `sysORTable` (§6.2.14).
    AddCapabilities {
        /// The name.
        id: Oid,
        /// The words.
        description: String,
    },
    /// Are you there? (§6.2.11)
    Ping,
    /// A trap (§6.2.10).
    Notify(Vec<(Oid, Value)>),
    /// An answer (§6.2.16).
    Response {
        /// `res.error`; 0: none.
        error: u16,
        /// Which binding it is about, from 1 on.
        index: u16,
        /// What was asked for.
        bindings: Vec<Binding>,
    },
}

/// How long the message is that `bytes` begin with; `None`: that is not known yet.
pub fn length(bytes: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(header) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let [version, _, flags, ..] = *header;
    if version != VERSION {
        return Err(Malformed::Version(version));
    }
    let mut reader = Reader { bytes: header.get(16..).unwrap_or_default(), network: is_network(flags) };
    let payload = reader.number().unwrap_or_default();
    match usize::try_from(payload) {
        Ok(payload) if payload <= MOST => Ok(Some(HEADER + payload)),
        _ => Err(Malformed::TooLong(payload)),
    }
}

/// Reads a whole message. The header is told even of one that is not well-formed: it is answered.
pub fn read(bytes: &[u8]) -> Result<Incoming, (Header, Malformed)> {
    let malformed = |header, what| (header, Malformed::Content(what));
    let Some((head, payload)) = bytes.split_first_chunk::<HEADER>() else {
        return Err(malformed(Header::default(), 0));
    };
    let [version, what, flags, ..] = *head;
    if version != VERSION {
        return Err((Header::default(), Malformed::Version(version)));
    }
    let network = is_network(flags);
    let mut reader = Reader { bytes: head.get(4..).unwrap_or_default(), network };
    let mut number = || reader.number().unwrap_or_default();
    let header = Header { session: number(), transaction: number(), packet: number() };
    let mut reader = Reader { bytes: payload, network };
    if flags & NON_DEFAULT_CONTEXT != 0 && what != RESPONSE {
        // Nothing is registered in another context.
        reader.octets().ok_or(malformed(header, what))?;
    }
    let request = reader.request(what).ok_or(malformed(header, what))?;
    Ok(Incoming { header, request })
}

fn is_network(flags: u8) -> bool {
    flags & NETWORK_BYTE_ORDER != 0
}

struct Reader<'a> {
    bytes: &'a [u8],
    network: bool,
}

impl<'a> Reader<'a> {
    fn request(&mut self, what: u8) -> Option<Request> {
        Some(match what {
            CLOSE => Request::Close(*self.take(4)?.first()?),
            GET => Request::Get(self.ranges()?),
            GET_NEXT => Request::GetNext(self.ranges()?),
            GET_BULK => {
                let (single, repetitions) = (self.short()?, self.short()?);
                Request::GetBulk { single, repetitions, ranges: self.ranges()? }
            }
            TEST_SET => Request::TestSet,
            COMMIT_SET => Request::CommitSet,
            UNDO_SET => Request::UndoSet,
            CLEANUP_SET => Request::CleanupSet,
            RESPONSE => {
                let _up_time = self.number()?;
                let error = self.short()?;
                let _index = self.short()?;
                Request::Response { error }
            }
            other => Request::Other(other),
        })
    }

    fn ranges(&mut self) -> Option<Vec<Range>> {
        let mut ranges = Vec::new();
        while !self.bytes.is_empty() {
            let (start, include) = self.oid()?;
            let (end, _) = self.oid()?;
            ranges.push(Range { start, include, end });
        }
        Some(ranges)
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    fn number(&mut self) -> Option<u32> {
        let bytes = *self.take(4)?.first_chunk()?;
        Some(if self.network { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn short(&mut self) -> Option<u16> {
        let bytes = *self.take(2)?.first_chunk()?;
        Some(if self.network { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn octets(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let octets = self.take(length)?;
        self.take(padding(length))?;
        Some(octets)
    }

    fn oid(&mut self) -> Option<(Oid, bool)> {
        let [count, prefix, include, _] = *self.take(4)?.first_chunk()?;
        let prefix = (prefix != 0).then_some(u32::from(prefix));
        let mut numbers: Vec<u32> =
            prefix.iter().flat_map(|prefix| INTERNET.into_iter().chain([*prefix])).collect();
        for _ in 0..count {
            numbers.push(self.number()?);
        }
        (numbers.len() <= LONGEST).then(|| (Oid::new(&numbers), include != 0))
    }
}

fn padding(length: usize) -> usize {
    length.wrapping_neg() % 4
}

impl Outgoing {
    /// The message as bytes.
    #[must_use]
    pub fn to_bytes(&self, header: Header) -> Vec<u8> {
        let mut payload = Writer(Vec::new());
        let what = payload.message(self);
        let mut bytes = Writer(vec![VERSION, what, NETWORK_BYTE_ORDER, 0]);
        let length = u32::try_from(payload.0.len()).unwrap_or(u32::MAX);
        for number in [header.session, header.transaction, header.packet, length] {
            bytes.number(number);
        }
        bytes.0.append(&mut payload.0);
        bytes.0
    }
}

struct Writer(Vec<u8>);

impl Writer {
    fn message(&mut self, message: &Outgoing) -> u8 {
        match message {
            Outgoing::Open { timeout, description } => {
                self.0.extend([*timeout, 0, 0, 0]);
                self.oid(&Oid::default());
                self.octets(description.as_bytes());
                OPEN
            }
            Outgoing::Close => {
                // reasonShutdown.
                self.0.extend([5, 0, 0, 0]);
                CLOSE
            }
            Outgoing::Register(subtree) => {
                // Its own timeout, the usual priority, one subtree.
                self.0.extend([0, 127, 0, 0]);
                self.oid(subtree);
                REGISTER
            }
            Outgoing::AddCapabilities { id, description } => {
                self.oid(id);
                self.octets(description.as_bytes());
                ADD_AGENT_CAPS
            }
            Outgoing::Ping => PING,
            Outgoing::Notify(bindings) => {
                bindings.iter().for_each(|(name, value)| self.binding(name, value));
                NOTIFY
            }
            Outgoing::Response { error, index, bindings } => {
                self.number(0);
                self.0.extend(error.to_be_bytes());
                self.0.extend(index.to_be_bytes());
                for binding in bindings {
                    match &binding.value {
                        Bound::Value(value) => self.binding(&binding.name, value),
                        Bound::NoSuchObject => self.start(128, &binding.name),
                        Bound::NoSuchInstance => self.start(129, &binding.name),
                        Bound::EndOfMibView => self.start(130, &binding.name),
                    }
                }
                RESPONSE
            }
        }
    }

    fn number(&mut self, number: u32) {
        self.0.extend(number.to_be_bytes());
    }

    fn octets(&mut self, octets: &[u8]) {
        self.number(u32::try_from(octets.len()).unwrap_or(u32::MAX));
        self.0.extend(octets);
        self.0.resize(self.0.len() + padding(octets.len()), 0);
    }

    fn oid(&mut self, oid: &Oid) {
        let numbers = oid.numbers().get(..LONGEST.min(oid.numbers().len())).unwrap_or_default();
        self.0.extend([u8::try_from(numbers.len()).unwrap_or(u8::MAX), 0, 0, 0]);
        numbers.iter().for_each(|number| self.number(*number));
    }

    fn start(&mut self, kind: u16, name: &Oid) {
        self.0.extend(kind.to_be_bytes());
        self.0.extend([0, 0]);
        self.oid(name);
    }

    fn binding(&mut self, name: &Oid, value: &Value) {
        match value {
            Value::Integer(number) => {
                self.start(2, name);
                self.0.extend(number.to_be_bytes());
            }
            Value::Text(text) => {
                self.start(4, name);
                self.octets(text.as_bytes());
            }
            Value::Octets(octets) => {
                self.start(4, name);
                self.octets(octets);
            }
            Value::Oid(oid) => {
                self.start(6, name);
                self.oid(oid);
            }
            Value::Ip(address) => {
                self.start(64, name);
                self.octets(&Ipv4Addr::octets(address));
            }
            Value::Counter(number) => {
                self.start(65, name);
                self.number(*number);
            }
            Value::Gauge(number) => {
                self.start(66, name);
                self.number(*number);
            }
            // Who answers has made ticks of it before.
            Value::Since(_) => {
                self.start(67, name);
                self.number(0);
            }
            Value::Ticks(number) => {
                self.start(67, name);
                self.number(*number);
            }
            Value::Counter64(number) => {
                self.start(70, name);
                self.0.extend(number.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests;
