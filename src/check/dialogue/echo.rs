//! An echo request of ICMP, and the reply to it (RFC 792, RFC 4443 §4).

use crate::check::Failure;

use super::strays::Strays;
use super::{Dialogue, Heard, Step, pattern};

/// Bytes of the header of an echo message.
const HEADER: usize = 8;
/// Bytes behind it.
const PAYLOAD: usize = 128;

/// What the socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// ICMPv6.
    pub ipv6: bool,
    /// Everything of its protocol arrives, over IPv4 with the header of the packet; else the kernel sets the identifier
    /// and delivers the replies to it alone.
    pub raw: bool,
}

/// One request.
#[derive(Debug)]
pub struct Echo {
    kind: Kind,
    identifier: u16,
    sequence: u16,
    strays: Strays,
}

impl Echo {
    /// `identifier` is that which the kernel sets, or a random one; `sequence` a random one.
    pub fn new(kind: Kind, identifier: u16, sequence: u16) -> Self {
        Self { kind, identifier, sequence, strays: Strays::default() }
    }

    fn request(&self) -> Vec<u8> {
        let mut message = vec![if self.kind.ipv6 { 128 } else { 8 }, 0, 0, 0];
        message.extend(self.identifier.to_be_bytes());
        message.extend(self.sequence.to_be_bytes());
        message.extend(pattern(PAYLOAD));
        // That of ICMPv6 is made by the kernel: it counts the addresses, too.
        let sum = if self.kind.ipv6 { 0 } else { checksum(&message) };
        if let Some(place) = message.get_mut(2..4) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
        message
    }

    fn heard(&mut self, packet: &[u8]) -> Step<()> {
        let message = match self.kind {
            Kind { ipv6: false, raw: true } => behind_header(packet),
            _ => Some(packet),
        };
        let reply = if self.kind.ipv6 { 129 } else { 0 };
        let [kind, 0, _, _, identifier @ .., s1, s2] =
            message.and_then(|message| message.get(..HEADER)).unwrap_or_default()
        else {
            return Step::Read;
        };
        // Other messages are no answers to anybody.
        if *kind != reply {
            return Step::Read;
        }
        let sequence = u16::from_be_bytes([*s1, *s2]);
        let own = identifier == self.identifier.to_be_bytes();
        match own && sequence == self.sequence {
            true => Step::Done(Ok(())),
            false => {
                let which = if own { "number" } else { "identifier" };
                self.strays.pass_over(format!("has another {which}"));
                Step::Read
            }
        }
    }
}

impl Dialogue for Echo {
    type Answer = ();

    fn next(&mut self, heard: Heard<'_>) -> Step<()> {
        match heard {
            Heard::Connected => Step::Send(self.request()),
            Heard::Sent => Step::Read,
            Heard::Bytes(packet) => self.heard(packet),
            Heard::Closed => Step::Done(Err(Failure::NoData)),
            Heard::Reset(why) => Step::Done(Err(Failure::Connect(why))),
            Heard::Silence(limit) => Step::Done(Err(self.strays.silence(limit))),
        }
    }
}

/// What follows the header of an IPv4 packet.
fn behind_header(packet: &[u8]) -> Option<&[u8]> {
    let first = packet.first().filter(|first| *first >> 4 == 4)?;
    packet.get(usize::from(first & 0x0f) * 4..)
}

/// RFC 1071, of a message whose own sum is 0.
fn checksum(message: &[u8]) -> u16 {
    let words = message.chunks(2).map(|pair| match *pair {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(high) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ICMP: Kind = Kind { ipv6: false, raw: false };
    const ICMPV6: Kind = Kind { ipv6: true, raw: false };

    fn request(kind: Kind) -> Vec<u8> {
        match Echo::new(kind, 0x1234, 0x5678).next(Heard::Connected) {
            Step::Send(message) => message,
            step => panic!("{step:?}"),
        }
    }

    /// The request as its reply.
    fn reply(kind: Kind) -> Vec<u8> {
        let mut message = request(kind);
        message[0] = if kind.ipv6 { 129 } else { 0 };
        message
    }

    fn heard(kind: Kind, packet: &[u8]) -> Step<()> {
        Echo::new(kind, 0x1234, 0x5678).next(Heard::Bytes(packet))
    }

    const PASSED: Step<()> = Step::Done(Ok(()));

    #[test]
    fn the_request_is_that_of_the_protocols() {
        let (four, six) = (request(ICMP), request(ICMPV6));
        assert_eq!((four.len(), &four[..2], &four[4..8]), (136, &[8, 0][..], &[0x12, 0x34, 0x56, 0x78][..]));
        assert_eq!(&four[8..30], b"keepalived check - kee");
        // The sum of what has its sum is that of nothing.
        assert_eq!(checksum(&four), 0);
        assert_eq!((six.len(), &six[..4]), (136, &[128, 0, 0, 0][..]));
        // The example of RFC 1071 §3.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
        assert_eq!(checksum(&[1]), !0x0100);
    }

    #[test]
    fn its_own_reply_passes() {
        assert_eq!(heard(ICMP, &reply(ICMP)), PASSED);
        assert_eq!(heard(ICMPV6, &reply(ICMPV6)), PASSED);
        assert_eq!(heard(ICMP, &reply(ICMP)[..8]), PASSED, "what follows the header means nothing");
        for options in [0, 2] {
            let mut packet = vec![0x45 + options, 0, 0, 0];
            packet.resize(20 + usize::from(options) * 4, 7);
            packet.extend(reply(ICMP));
            assert_eq!(heard(Kind { raw: true, ..ICMP }, &packet), PASSED);
        }
        assert_eq!(heard(Kind { raw: true, ..ICMPV6 }, &reply(ICMPV6)), PASSED);
    }

    #[test]
    fn other_messages_are_passed_over() {
        let mut echo = Echo::new(ICMP, 0x1234, 0x5678);
        let silence = Heard::Silence(Duration::from_secs(2));
        for length in 0..8 {
            assert_eq!(echo.next(Heard::Bytes(&reply(ICMP)[..length])), Step::Read);
        }
        assert_eq!(echo.next(Heard::Bytes(&request(ICMP))), Step::Read, "a request, its own or not");
        assert_eq!(echo.next(Heard::Bytes(&reply(ICMPV6))), Step::Read);
        let failure = |step| match step {
            Step::Done(Err::<(), Failure>(failure)) => failure.to_string(),
            step => panic!("{step:?}"),
        };
        assert_eq!(failure(echo.next(silence.clone())), "no answer within 2 s");
        for (at, which) in [(4, "identifier"), (7, "number")] {
            let mut other = reply(ICMP);
            other[at] ^= 1;
            let mut echo = Echo::new(ICMP, 0x1234, 0x5678);
            assert_eq!(echo.next(Heard::Bytes(&other)), Step::Read);
            let why = format!("no answer within 2 s; one datagram came, and it has another {which}");
            assert_eq!(failure(echo.next(silence.clone())), why);
        }
    }

    #[test]
    fn odd_headers_of_packets_are_no_replies() {
        let raw = Kind { raw: true, ..ICMP };
        for packet in [&[][..], &[0x45], &[0x4f; 30], &[0x65; 60], &[0x40; 8]] {
            assert_eq!(heard(raw, packet), Step::Read, "{packet:?}");
        }
    }

    #[test]
    fn what_cannot_be_reached_fails() {
        let refused = Echo::new(ICMP, 1, 2).next(Heard::Reset("no route to host".into()));
        assert_eq!(refused, Step::Done(Err(Failure::Connect("no route to host".into()))));
    }
}
