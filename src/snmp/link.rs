//! What daemon and agent tell each other: JSON documents, each behind its length.
//!
//! To the agent: the newest tables of each source, and traps in order. Who does not read gets the newest later, and
//! loses traps beyond a limit, which are counted. Invariants: what waits is bounded; a document is never cut.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::event::Event;
use super::session::{Setup, TRAPS};
use super::table::{Source, Table};
use super::traps::Trap;

/// The longest document that is read: tables of some ten thousand real servers.
const MOST: usize = 256 << 20;
/// Bytes in front of a document.
const LENGTH: usize = 4;

/// From the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// What the session is for: the first document.
    Setup(Setup),
    /// What a source has to tell.
    Tables(Source, Vec<Table>),
    /// To be sent.
    Trap(Trap),
}

/// From the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Word {
    /// For the log.
    Tell(Event),
    /// Somebody asks for counters that are too old.
    Ask(Source),
}

/// What a peer says is none of the documents that it may say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a document that is not understood: {0}")]
pub struct Unreadable(String);

/// A document with its length in front.
#[must_use]
pub fn frame(document: &impl Serialize) -> Vec<u8> {
    let mut bytes = vec![0; LENGTH];
    // Neither a map with other keys than text nor anything else that JSON cannot say.
    if serde_json::to_writer(&mut bytes, document).is_err() {
        return Vec::new();
    }
    let length = u32::try_from(bytes.len() - LENGTH).unwrap_or(u32::MAX);
    if let Some(front) = bytes.first_chunk_mut() {
        *front = length.to_le_bytes();
    }
    bytes
}

/// Takes the first document out of `bytes`; `None`: it is not complete yet.
pub fn unframe<T: DeserializeOwned>(bytes: &mut Vec<u8>) -> Result<Option<T>, Unreadable> {
    let Some(front) = bytes.first_chunk::<LENGTH>() else { return Ok(None) };
    let length = usize::try_from(u32::from_le_bytes(*front)).unwrap_or(usize::MAX);
    if length > MOST {
        return Err(Unreadable(format!("it has {length} bytes")));
    }
    let Some(document) = bytes.get(LENGTH..LENGTH + length) else { return Ok(None) };
    let read = serde_json::from_slice(document).map_err(|error| Unreadable(error.to_string()))?;
    bytes.drain(..LENGTH + length);
    Ok(Some(read))
}

/// What waits to be written to the agent.
#[derive(Debug, Default)]
pub struct Outbox {
    setup: Option<Setup>,
    tables: BTreeMap<Source, Vec<Table>>,
    traps: VecDeque<Trap>,
    lost: u64,
    closed: bool,
}

impl Outbox {
    /// The first thing that an agent hears. Tables that waited for another one are forgotten, traps are not.
    pub fn begin(&mut self, setup: Setup) {
        self.setup = Some(setup);
        self.tables.clear();
    }

    /// The newest tables of a source take the place of those that wait.
    pub fn tables(&mut self, source: Source, tables: Vec<Table>) {
        self.tables.insert(source, tables);
    }

    /// One more trap; the oldest goes when too many wait.
    pub fn trap(&mut self, trap: Trap) {
        if self.traps.len() >= TRAPS {
            self.traps.pop_front();
            self.lost += 1;
        }
        self.traps.push_back(trap);
    }

    /// What is written next. State before traps: who hears of a trap may ask at once.
    pub fn take(&mut self) -> Option<Order> {
        if let Some(setup) = self.setup.take() {
            return Some(Order::Setup(setup));
        }
        if let Some((source, tables)) = self.tables.pop_first() {
            return Some(Order::Tables(source, tables));
        }
        self.traps.pop_front().map(Order::Trap)
    }

    /// Nothing follows what waits.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Whether that was said.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Traps that were lost since the last call.
    pub fn take_lost(&mut self) -> u64 {
        std::mem::take(&mut self.lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snmp::oid::Oid;
    use crate::snmp::value::Value;

    fn trap(number: i32) -> Trap {
        Trap { name: Oid::new(&[1]), objects: vec![(Oid::new(&[2]), Value::Integer(number))] }
    }

    fn setup() -> Setup {
        Setup {
            agent: "unix:/x".to_owned(),
            subtrees: Vec::new(),
            capabilities: Vec::new(),
            counters: Vec::new(),
        }
    }

    #[test]
    fn documents_come_out_as_they_went_in() {
        let mut table = Table::new(Oid::new(&[1, 3]), &[2, 5]);
        table.row(&[1], vec![Some(Value::Octets(vec![10, 0, 255, 1])), None]);
        table.row(&[2], vec![Some(Value::text("ä\"")), Some(Value::Counter64(u64::MAX))]);
        let orders = [Order::Setup(setup()), Order::Tables(Source::Vrrp, vec![table]), Order::Trap(trap(-1))];
        let all: Vec<u8> = orders.iter().flat_map(frame).collect();
        // However they are cut.
        for piece in [1, 7, 1000] {
            let (mut bytes, mut read) = (Vec::new(), Vec::new());
            for part in all.chunks(piece) {
                bytes.extend(part);
                while let Some(order) = unframe::<Order>(&mut bytes).unwrap() {
                    read.push(order);
                }
            }
            assert_eq!(read, orders);
            assert!(bytes.is_empty());
        }
        assert!(unframe::<Order>(&mut vec![1, 0, 0, 0, b'x']).is_err());
        assert!(unframe::<Order>(&mut vec![255; 4]).is_err());
    }

    #[test]
    fn who_does_not_read_gets_the_newest_state_and_the_last_traps() {
        let mut outbox = Outbox::default();
        outbox.begin(setup());
        let tables = |column| vec![Table::new(Oid::default(), &[column])];
        for number in 0..3 {
            outbox.tables(Source::Vrrp, tables(number));
        }
        let many = i32::try_from(TRAPS).unwrap() + 5;
        (0..many).for_each(|number| outbox.trap(trap(number)));
        assert_eq!((outbox.take_lost(), outbox.take_lost()), (5, 0));
        assert_eq!(outbox.take(), Some(Order::Setup(setup())));
        assert_eq!(outbox.take(), Some(Order::Tables(Source::Vrrp, tables(2))));
        assert_eq!(outbox.take(), Some(Order::Trap(trap(5))));
        let rest = std::iter::from_fn(|| outbox.take()).last();
        assert_eq!(rest, Some(Order::Trap(trap(many - 1))));
        assert_eq!(outbox.take(), None);
    }

    #[test]
    fn another_agent_begins_anew() {
        let mut outbox = Outbox::default();
        outbox.trap(trap(1));
        outbox.tables(Source::Checks, Vec::new());
        outbox.begin(setup());
        assert_eq!(outbox.take(), Some(Order::Setup(setup())));
        assert_eq!(outbox.take(), Some(Order::Trap(trap(1))));
        assert_eq!(outbox.take(), None);
    }
}
