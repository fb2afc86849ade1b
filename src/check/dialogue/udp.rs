//! A datagram to a server, and whether it answers it.
//!
//! Without a reply that is asked for, the only bad sign is that the network reports the server as unreachable.

use std::iter;

use crate::check::Failure;
use crate::text::hex;

use super::{Dialogue, Heard, Step, pattern};

/// Bytes of a datagram for which nothing is configured.
const DEFAULT_PAYLOAD: usize = 32;
/// So many bytes of a wrong reply are shown.
const SHOWN: usize = 16;

/// What a reply must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reply<'a> {
    /// What it starts with, in half bytes; `None`: any.
    pub start: &'a [Option<u8>],
    /// Its shortest and its longest length, in bytes.
    pub lengths: (u16, u16),
}

/// One datagram.
#[derive(Debug)]
pub struct Udp<'a> {
    payload: Vec<u8>,
    reply: Option<Reply<'a>>,
}

impl<'a> Udp<'a> {
    /// Sends `payload`, or keepalived's own. `reply`: one is asked for, and must be this.
    pub fn new(payload: Option<&[u8]>, reply: Option<Reply<'a>>) -> Self {
        let payload = payload.map_or_else(|| pattern(DEFAULT_PAYLOAD), <[u8]>::to_vec);
        Self { payload, reply }
    }
}

impl Dialogue for Udp<'_> {
    type Answer = ();

    fn next(&mut self, heard: Heard<'_>) -> Step<()> {
        match heard {
            Heard::Connected => Step::Send(self.payload.clone()),
            Heard::Sent => Step::Read,
            Heard::Bytes(bytes) => Step::Done(self.reply.map_or(Ok(()), |reply| reply.judge(bytes))),
            Heard::Silence(_) if self.reply.is_none() => Step::Done(Ok(())),
            Heard::Silence(limit) => Step::Done(Err(Failure::Silence(limit))),
            Heard::Closed => Step::Done(Err(Failure::NoData)),
            Heard::Reset(why) => Step::Done(Err(Failure::Connect(why))),
        }
    }
}

impl Reply<'_> {
    fn judge(&self, bytes: &[u8]) -> Result<(), Failure> {
        let (shortest, longest) = self.lengths;
        if bytes.len() < shortest.into() || bytes.len() > longest.into() {
            let expected = match shortest == longest {
                true => format!("a reply of {shortest} bytes"),
                false => format!("a reply of {shortest} to {longest} bytes"),
            };
            return Err(Failure::Unexpected { expected, got: format!("{} bytes", bytes.len()) });
        }
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]).map(Some);
        let matches = |(wanted, got): (&Option<u8>, Option<u8>)| match (wanted, got) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(wanted), Some(got)) => *wanted == got,
        };
        // A reply that ends before the pattern does is another one.
        if self.start.iter().zip(digits.chain(iter::repeat(None))).all(matches) {
            return Ok(());
        }
        let digit =
            |digit: &Option<u8>| digit.map_or('x', |digit| char::from_digit(digit.into(), 16).unwrap_or('x'));
        let start: String = self.start.iter().map(digit).collect();
        let more = if bytes.len() > SHOWN { "..." } else { "" };
        let got = match bytes {
            [] => "an empty one".to_owned(),
            bytes => hex(bytes.get(..SHOWN).unwrap_or(bytes)) + more,
        };
        Err(Failure::Unexpected { expected: format!("a reply that starts with {start}"), got })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    fn heard(reply: Option<Reply<'_>>, heard: Heard<'_>) -> Result<(), String> {
        let mut udp = Udp::new(Some(b"ping"), reply);
        assert_eq!(udp.next(Heard::Connected), Step::Send(b"ping".to_vec()));
        assert_eq!(udp.next(Heard::Sent), Step::Read);
        match udp.next(heard) {
            Step::Done(result) => result.map_err(|failure| failure.to_string()),
            step => panic!("{step:?}"),
        }
    }

    fn reply(start: &[Option<u8>], lengths: (u16, u16)) -> Option<Reply<'_>> {
        Some(Reply { start, lengths })
    }

    #[test]
    fn what_is_sent_without_a_payload_is_what_keepalived_sends() {
        let sent = Udp::new(None, None).next(Heard::Connected);
        assert_eq!(sent, Step::Send(b"keepalived check - keepalived ch".to_vec()));
    }

    #[test]
    fn without_a_reply_that_is_asked_for_only_an_error_fails() {
        assert_eq!(heard(None, Heard::Silence(LIMIT)), Ok(()));
        assert_eq!(heard(None, Heard::Bytes(&[0; 300])), Ok(()));
        assert_eq!(heard(None, Heard::Bytes(b"")), Ok(()));
        assert_eq!(heard(None, Heard::Reset("connection refused".into())), Err("connection refused".into()));
    }

    #[test]
    fn a_reply_that_is_asked_for_must_come() {
        let any = reply(&[], (0, 255));
        assert_eq!(heard(any, Heard::Silence(LIMIT)), Err("no answer within 5 s".into()));
        assert_eq!(heard(any, Heard::Bytes(b"")), Ok(()));
        assert_eq!(heard(any, Heard::Bytes(&[7; 255])), Ok(()));
        let refused = heard(any, Heard::Reset("no route to host".into()));
        assert_eq!(refused, Err("no route to host".into()));
    }

    #[test]
    fn its_length_is_bounded() {
        let long = heard(reply(&[], (0, 255)), Heard::Bytes(&[7; 256]));
        assert_eq!(long, Err("expected a reply of 0 to 255 bytes, got 256 bytes".into()));
        let exact = |bytes| heard(reply(&[], (4, 4)), Heard::Bytes(bytes));
        assert_eq!(exact(b"pong"), Ok(()));
        for bytes in [&b""[..], b"pon", b"pong!"] {
            assert_eq!(exact(bytes), Err(format!("expected a reply of 4 bytes, got {} bytes", bytes.len())));
        }
    }

    #[test]
    fn it_starts_as_it_must_half_byte_by_half_byte() {
        let start = [Some(7), Some(0), Some(6), None, None, Some(0xe), Some(6)];
        let tried = |bytes: &[u8]| heard(reply(&start, (0, 255)), Heard::Bytes(bytes));
        assert_eq!(tried(b"pong"), Ok(()));
        assert_eq!(tried(b"pinned"), Ok(()), "half of the last byte counts");
        let expected = "expected a reply that starts with 706xxe6, got ";
        assert_eq!(tried(b"po"), Err(format!("{expected}706f")));
        assert_eq!(tried(b""), Err(format!("{expected}an empty one")));
        assert_eq!(tried(b"pqng"), Err(format!("{expected}70716e67")));
        assert_eq!(tried(&[1; 20]), Err(format!("{expected}{}...", "01".repeat(16))));
    }
}
