//! The dialogues of a `check NAME`: what all of them have in common, and which protocol is which.
//!
//! A `Protocol` sees the bytes that nobody has used yet and says what they amount to; the `Talk` around it keeps
//! them, bounds them, and knows what it means when the server ends the connection.

use std::fmt;

use crate::check::Failure;
use crate::config::model::{Conversation, ProtocolKind};

use super::exchange::Exchange;
use super::greeting::{Ftp, Imap, Pop3};
use super::ldap::Ldap;
use super::mysql::Mysql;
use super::postgresql::Postgresql;
use super::redis::Redis;
use super::{Dialogue, Heard, Step};

/// An answer that does not end within so many bytes is none.
pub(super) const LONGEST: usize = 16 * 1024;
/// So many characters of an answer are shown.
const SHOWN: usize = 80;

/// What the bytes of an answer amount to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// They are not all.
    More,
    /// To be said next; so many bytes are used, and the others belong to the answer to it.
    Say(Vec<u8>, usize),
    /// The server is up.
    Up,
    /// It is up. This is said in farewell, and any answer to it will do, or none.
    Leave(&'static [u8]),
    /// It is not.
    Fails(Failure),
}

/// What is said and expected.
pub(super) trait Protocol: fmt::Debug + Send {
    /// What is said first; empty: the server begins.
    fn opening(&mut self) -> Vec<u8> {
        Vec::new()
    }

    /// What is waited for, in words.
    fn waits_for(&self) -> &'static str;

    /// Looks at what came and is not used yet: at most [`LONGEST`] bytes, and more of them each time until something is
    /// said.
    fn look(&mut self, read: &[u8]) -> Look;

    /// Why an answer that ended like this is none; it has one byte or more.
    fn ended(&self, read: &[u8]) -> Failure {
        Failure::Malformed(format!("the connection closed before the answer ended: {}", shown(read)))
    }
}

/// One conversation with a server.
#[derive(Debug)]
pub struct Talk {
    protocol: Box<dyn Protocol>,
    state: State,
    /// What came and is not used yet.
    read: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// There is no connection.
    Before,
    Talking,
    /// It has passed, and takes its leave.
    Leaving,
}

impl Talk {
    /// The conversation that a check asks for.
    pub fn new(asks: &Conversation) -> Self {
        let protocol: Box<dyn Protocol> = match asks.protocol {
            ProtocolKind::Tcp => Box::new(Exchange::new(&asks.turns)),
            ProtocolKind::Redis => Box::new(Redis),
            ProtocolKind::Mysql => Box::new(Mysql::default()),
            ProtocolKind::Postgresql => Box::new(Postgresql),
            ProtocolKind::Imap => Box::new(Imap),
            ProtocolKind::Pop3 => Box::new(Pop3),
            ProtocolKind::Ftp => Box::new(Ftp),
            ProtocolKind::Ldap => Box::new(Ldap),
        };
        Self { protocol, state: State::Before, read: Vec::new() }
    }

    /// What is waited for, in words; `None`: there is no connection.
    pub fn waits_for(&self) -> Option<&'static str> {
        match self.state {
            State::Before => None,
            State::Talking => Some(self.protocol.waits_for()),
            State::Leaving => Some("farewell"),
        }
    }

    /// Whether it has passed, however the connection ends: how a server says goodbye does not matter.
    pub fn has_passed(&self) -> bool {
        self.state == State::Leaving
    }

    fn look(&mut self) -> Step<()> {
        let bounded = self.read.get(..LONGEST).unwrap_or(&self.read);
        match self.protocol.look(bounded) {
            Look::More if self.read.len() >= LONGEST => Step::Done(Err(Failure::TooLong(LONGEST as u64))),
            Look::More => Step::Read,
            Look::Say(bytes, used) => {
                self.read.drain(..used.min(self.read.len()));
                Step::Send(bytes)
            }
            Look::Up => Step::Done(Ok(())),
            Look::Leave(bytes) => {
                self.state = State::Leaving;
                Step::Send(bytes.to_vec())
            }
            Look::Fails(why) => Step::Done(Err(why)),
        }
    }
}

impl Dialogue for Talk {
    type Answer = ();

    fn next(&mut self, heard: Heard<'_>) -> Step<()> {
        match (heard, self.state) {
            (Heard::Connected, _) => {
                self.state = State::Talking;
                let opening = self.protocol.opening();
                if opening.is_empty() { self.look() } else { Step::Send(opening) }
            }
            (Heard::Sent, State::Leaving) => Step::Read,
            // It has answered well before; how it says goodbye does not matter.
            (Heard::Bytes(_) | Heard::Closed | Heard::Reset(_), State::Leaving) => Step::Done(Ok(())),
            (Heard::Sent, _) => self.look(),
            (Heard::Bytes(bytes), _) => {
                self.read.extend(bytes);
                self.look()
            }
            (Heard::Closed, _) if self.read.is_empty() => Step::Done(Err(Failure::NoData)),
            (Heard::Closed, _) => {
                let bounded = self.read.get(..LONGEST).unwrap_or(&self.read);
                Step::Done(Err(self.protocol.ended(bounded)))
            }
            (Heard::Reset(why), _) => Step::Done(Err(Failure::Broken(why))),
            (Heard::Silence(_), State::Leaving) => Step::Done(Ok(())),
            (Heard::Silence(limit), _) => Step::Done(Err(Failure::ReadTimeout(limit))),
        }
    }
}

/// The first line without its end, and how many bytes it has with it; `None`: it has not ended yet.
pub(super) fn line(read: &[u8]) -> Option<(&[u8], usize)> {
    let end = read.iter().position(|byte| *byte == b'\n')?;
    let line = read.get(..end)?;
    Some((line.strip_suffix(b"\r").unwrap_or(line), end + 1))
}

/// The beginning of an answer for the log, without what would break its line.
pub(super) fn shown(read: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(read).trim().chars().take(SHOWN).collect();
    format!("`{}`", text.escape_debug())
}

/// The reply is another.
pub(super) fn unexpected(expected: &str, got: &[u8]) -> Look {
    Look::Fails(Failure::Unexpected { expected: expected.to_owned(), got: shown(got) })
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;

    /// Plays a conversation against a server that says each of `replies` when it is its turn, in pieces of `size`, and
    /// closes. What was said, and how it ended.
    fn play(asks: &Conversation, replies: &[&[u8]], size: usize) -> (Vec<Vec<u8>>, Result<(), String>) {
        let mut talk = Talk::new(asks);
        let (mut replies, mut pieces, mut said) = (replies.iter(), Vec::new(), Vec::new());
        let mut step = talk.next(Heard::Connected);
        loop {
            step = match step {
                Step::Done(result) => {
                    let at = talk.waits_for().unwrap();
                    return (said, result.map_err(|failure| format!("{at}: {failure}")));
                }
                Step::Send(bytes) => {
                    said.push(bytes);
                    talk.next(Heard::Sent)
                }
                Step::Read => {
                    if pieces.is_empty() {
                        pieces = replies.next().map_or(vec![], |reply| reply.chunks(size).rev().collect());
                    }
                    match pieces.pop() {
                        Some(piece) => talk.next(Heard::Bytes(piece)),
                        None => talk.next(Heard::Closed),
                    }
                }
            };
        }
    }

    /// The same in pieces of every size.
    pub(crate) fn talk(asks: &Conversation, replies: &[&[u8]]) -> (Vec<Vec<u8>>, Result<(), String>) {
        let whole = play(asks, replies, usize::MAX);
        let longest = replies.iter().map(|reply| reply.len()).max().unwrap_or(0);
        for size in 1..longest.min(40) {
            assert_eq!(play(asks, replies, size), whole, "in pieces of {size}");
        }
        whole
    }

    pub(crate) fn asks(protocol: ProtocolKind) -> Conversation {
        Conversation { name: "a".to_owned(), protocol, tls: false, demands: None, turns: Vec::new() }
    }

    /// How the server stands that says this, or why it fails.
    pub(crate) fn verdict(protocol: ProtocolKind, replies: &[&[u8]]) -> Result<(), String> {
        talk(&asks(protocol), replies).1
    }

    /// Those that have a dialogue of their own.
    fn fixed() -> impl Iterator<Item = ProtocolKind> {
        ProtocolKind::ALL.into_iter().map(|(_, kind)| kind).filter(|kind| *kind != ProtocolKind::Tcp)
    }

    #[test]
    fn an_answer_without_end_is_too_long() {
        for protocol in fixed() {
            for endless in ["a", "220-a\r\n", "\u{ff}"] {
                let result = play(&asks(protocol), &[endless.repeat(50_000).as_bytes()], 1000).1;
                assert!(result.is_err(), "{protocol:?} {endless:?}");
                assert!(result.unwrap_err().chars().count() < 250);
            }
        }
        let endless = verdict(ProtocolKind::Redis, &[&[b'+'; 3 * LONGEST]]);
        assert_eq!(endless, Err("answer to PING: the answer does not end within 16384 bytes".into()));
    }

    #[test]
    fn a_server_that_says_nothing_or_breaks_off_fails() {
        for protocol in fixed() {
            let closed = verdict(protocol, &[]).unwrap_err();
            assert!(closed.ends_with("connection closed without an answer"), "{protocol:?}: {closed}");
            let mut talk = Talk::new(&asks(protocol));
            assert_eq!(talk.waits_for(), None);
            talk.next(Heard::Connected);
            let broken = Step::Done(Err(Failure::Broken("connection reset".into())));
            assert_eq!(talk.next(Heard::Reset("connection reset".into())), broken);
            let mut talk = Talk::new(&asks(protocol));
            talk.next(Heard::Connected);
            let limit = Duration::from_secs(3);
            assert_eq!(talk.next(Heard::Silence(limit)), Step::Done(Err(Failure::ReadTimeout(limit))));
        }
    }

    #[test]
    fn lines() {
        assert_eq!(line(b"a\r\nb\n"), Some((&b"a"[..], 3)));
        assert_eq!(line(b"\n"), Some((&b""[..], 1)));
        assert_eq!((line(b""), line(b"a\r")), (None, None));
        assert_eq!(shown(b"a\tb\x1b\r\n"), "`a\\tb\\u{1b}`");
    }
}
