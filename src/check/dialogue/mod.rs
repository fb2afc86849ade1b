//! What a check says to a server and hears from it, without a socket: what happens on the connection goes in, the
//! next step comes out. `io/` carries the steps out over TCP, TLS and datagrams; tests and fuzz targets call it directly.

pub mod dns;
pub mod echo;
mod exchange;
mod greeting;
pub mod http;
mod ldap;
mod mysql;
mod postgresql;
mod redis;
pub mod smtp;
mod strays;
pub mod talk;
pub mod udp;

use std::time::Duration;

use super::Failure;

/// What has happened on the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard<'a> {
    /// It stands.
    Connected,
    /// All that was to be sent is sent.
    Sent,
    /// These bytes came: over TCP at least one, and a message may come in any number of pieces; else one datagram.
    Bytes(&'a [u8]),
    /// The server will send no more.
    Closed,
    /// The server broke the connection off, or the network says that it cannot be reached: in these words.
    Reset(String),
    /// For this long no datagram came that ended the dialogue. Over TCP it ends by itself when nothing comes.
    Silence(Duration),
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step<A> {
    /// Send this, then say [`Heard::Sent`].
    Send(Vec<u8>),
    /// Read, then say what was heard.
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

/// keepalived's text over and over, for what is sent when the content means nothing.
fn pattern(length: usize) -> Vec<u8> {
    b"keepalived check - ".iter().copied().cycle().take(length).collect()
}
