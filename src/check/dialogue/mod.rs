//! What a check says to a server and hears from it, without a socket: what happens on the connection goes in, the
//! next step comes out. `io/` carries the steps out over TCP and TLS; tests and fuzz targets call it directly.

pub mod http;

use super::Failure;

/// What has happened on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<'a> {
    /// It stands.
    Connected,
    /// All that was to be sent is sent.
    Sent,
    /// These bytes came, at least one; a message may come in any number of pieces.
    Bytes(&'a [u8]),
    /// The server will send no more.
    Closed,
    /// The server broke the connection off: in these words.
    Reset(String),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<A> {
    /// Send this, then say [`Heard::Sent`].
    Send(Vec<u8>),
    /// Read, then say [`Heard::Bytes`] or [`Heard::Closed`].
    Read,
    /// Close: this is the answer, or why there is none.
    Done(Result<A, Failure>),
}

/// One exchange with a server.
pub trait Dialogue {
    /// What is learned from it.
    type Answer;

    /// Takes in what has happened. Not to be called after [`Step::Done`].
    fn next(&mut self, heard: Heard<'_>) -> Step<Self::Answer>;
}
