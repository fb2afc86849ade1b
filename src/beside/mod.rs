//! A process beside the daemon, for what must not be able to hold it up: it speaks with somebody else over a library or a
//! protocol of its own, knows only what the daemon tells it, and may hang or die.
//!
//! Here is what the two tell each other: JSON documents, each behind its length, and what a kind of process has to say of
//! itself. Invariant: a document is never cut. `io` starts one and is what runs in it.

pub(crate) mod io;

use serde::{Serialize, de::DeserializeOwned};

use crate::report::Level;

/// The longest document that is read: tables of some ten thousand real servers.
const MOST: usize = 256 << 20;
/// Bytes in front of a document.
const LENGTH: usize = 4;

/// What waits to be written to one kind of process. Bounded, whatever it is fed.
pub trait Outbox: Default + Send + 'static {
    /// What the process is for: the first thing that it hears.
    type Setup: Clone + Send + Sync + 'static;
    /// A document to the process.
    type Order: Serialize + Send + 'static;
    /// A document from it.
    type Word: DeserializeOwned + Into<Heard<Self::Ask, Self::Event>> + Send;
    /// What it asks for.
    type Ask: Send + 'static;
    /// What it wants told.
    type Event: std::fmt::Display + Send;

    /// The hidden word of the command line that starts the process.
    const WORD: &'static str;
    /// What begins the lines about it: `SNMP: the process that answers`.
    const NAME: &'static str;
    /// What is lost when it does not read: `traps`.
    const LOST: &'static str;

    /// The first thing that a process hears. What was for another one is forgotten, but for what must not be lost.
    fn begin(&mut self, setup: Self::Setup);
    /// What is written next.
    fn take(&mut self) -> Option<Self::Order>;
    /// Nothing follows what waits.
    fn close(&mut self);
    /// Whether that was said.
    fn is_closed(&self) -> bool;
    /// How many things were lost since the last call.
    fn take_lost(&mut self) -> u64;
    /// Whether making a document of it takes longer than a moment.
    fn is_long(order: &Self::Order) -> bool;
    /// Whether nobody's rights are enough for it.
    fn is_anybodys(setup: &Self::Setup) -> bool;
}

/// What a process says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<Ask, Event> {
    /// It asks for this.
    Asks(Ask),
    /// For the log.
    Tells(Level, Event),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_out_as_they_went_in() {
        let documents = ["", "ä\"", "\u{0}\n"].map(str::to_owned);
        let all: Vec<u8> = documents.iter().flat_map(frame).collect();
        // However they are cut.
        for piece in [1, 7, 1000] {
            let (mut bytes, mut read) = (Vec::new(), Vec::new());
            for part in all.chunks(piece) {
                bytes.extend(part);
                while let Some(document) = unframe::<String>(&mut bytes).unwrap() {
                    read.push(document);
                }
            }
            assert_eq!(read, documents);
            assert!(bytes.is_empty());
        }
        assert!(unframe::<String>(&mut vec![1, 0, 0, 0, b'x']).is_err());
        assert!(unframe::<String>(&mut vec![255; 4]).is_err());
    }
}
