//! A question to a name server, over UDP or TCP, and what its answer amounts to.
//!
//! Of an answer the header and the question count: whose it is, and whether the server says that all is well (RFC 1035
//! §4.1.1). The records are not looked at, and no compressed name is followed: what a name has, others may change.

use crate::check::Failure;
use crate::config::model::{DnsName, DnsType};

use super::strays::Strays;
use super::{Dialogue, Heard, Step};

/// Bytes of a header.
const HEADER: usize = 12;
/// Class IN.
const IN: u16 = 1;
/// Recursion is desired; a query of the kind QUERY.
const FLAGS: u16 = 0x0100;

/// How it is transported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// Each datagram is a message; what is no answer to the question is passed over.
    Datagrams,
    /// A stream with the length before each message (RFC 1035 §4.2.2).
    Stream,
}

/// A server that says that all is well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answered {
    /// There was more to say than a datagram has room for; over TCP there is room.
    pub truncated: bool,
}

/// One question.
#[derive(Debug)]
pub struct Dns {
    query: Vec<u8>,
    transport: Transport,
    /// What came of a message over a stream.
    read: Vec<u8>,
    strays: Strays,
}

impl Dns {
    /// Asks for the records of this kind that `name` has. `id`: a random number.
    pub fn new(id: u16, kind: DnsType, name: &DnsName, transport: Transport) -> Self {
        let mut query = Vec::with_capacity(HEADER + name.as_str().len() + 6);
        for field in [id, FLAGS, 1, 0, 0, 0] {
            query.extend(field.to_be_bytes());
        }
        for label in name.labels() {
            // A label has at most 63 bytes.
            query.extend(u8::try_from(label.len()));
            query.extend(label.as_bytes());
        }
        query.push(0);
        query.extend(number(kind).to_be_bytes());
        query.extend(IN.to_be_bytes());
        Self { query, transport, read: Vec::new(), strays: Strays::default() }
    }

    fn send(&self) -> Vec<u8> {
        match self.transport {
            Transport::Datagrams => self.query.clone(),
            // A query has at most 271 bytes.
            Transport::Stream => {
                let length = u16::try_from(self.query.len()).unwrap_or(u16::MAX);
                [&length.to_be_bytes()[..], &self.query].concat()
            }
        }
    }

    fn datagram(&mut self, bytes: &[u8]) -> Step<Answered> {
        match judge(&self.query, bytes) {
            Judged::Answer(answer) => Step::Done(answer),
            Judged::Stray(is) => {
                self.strays.pass_over(is);
                Step::Read
            }
        }
    }

    fn stream(&mut self, bytes: &[u8]) -> Step<Answered> {
        self.read.extend(bytes);
        let Some((length, message)) = self.read.split_first_chunk() else { return Step::Read };
        let Some(message) = message.get(..usize::from(u16::from_be_bytes(*length))) else {
            return Step::Read;
        };
        Step::Done(match judge(&self.query, message) {
            Judged::Answer(answer) => answer,
            Judged::Stray(is) => Err(Failure::Malformed(format!("the message that came {is}"))),
        })
    }

    /// The server sends no more.
    fn closed(&self) -> Failure {
        match (self.transport, self.read.len()) {
            (Transport::Datagrams, _) | (_, 0) => Failure::NoData,
            (Transport::Stream, read) => {
                Failure::Malformed(format!("the answer is cut off after {read} bytes"))
            }
        }
    }
}

impl Dialogue for Dns {
    type Answer = Answered;

    fn next(&mut self, heard: Heard<'_>) -> Step<Answered> {
        match (heard, self.transport) {
            (Heard::Connected, _) => Step::Send(self.send()),
            (Heard::Sent, _) => Step::Read,
            (Heard::Bytes(bytes), Transport::Datagrams) => self.datagram(bytes),
            (Heard::Bytes(bytes), Transport::Stream) => self.stream(bytes),
            (Heard::Closed, _) => Step::Done(Err(self.closed())),
            (Heard::Reset(why), Transport::Datagrams) => Step::Done(Err(Failure::Connect(why))),
            (Heard::Reset(why), Transport::Stream) => Step::Done(Err(Failure::Broken(why))),
            (Heard::Silence(limit), _) => Step::Done(Err(self.strays.silence(limit))),
        }
    }
}

/// What a message is to a query.
#[derive(Debug, PartialEq, Eq)]
enum Judged {
    /// Its answer.
    Answer(Result<Answered, Failure>),
    /// Something else: in these words, behind "it".
    Stray(String),
}

fn judge(query: &[u8], message: &[u8]) -> Judged {
    let stray = |is: String| Judged::Stray(is);
    let fails = |failure: Failure| Judged::Answer(Err(failure));
    let field = |bytes: &[u8], at: usize| {
        bytes.get(at..at + 2).and_then(|field| field.try_into().ok()).map(u16::from_be_bytes)
    };
    let asked = field(query, 0).unwrap_or_default();
    match field(message, 0) {
        None if message.is_empty() => return stray("is empty".into()),
        None => return stray("has one byte".into()),
        Some(id) if id != asked => {
            return stray(format!("has the id {id}, and that of the question is {asked}"));
        }
        Some(_) => {}
    }
    let (Some(flags), Some(questions), Some(body)) =
        (field(message, 2), field(message, 4), message.get(HEADER..))
    else {
        let length = message.len();
        return fails(Failure::Malformed(format!(
            "the answer is cut off after {length} bytes, within its header"
        )));
    };
    if flags & 0x8000 == 0 {
        return stray("is a question itself".into());
    }
    let code = flags & 0x000f;
    let question = query.get(HEADER..).unwrap_or_default();
    match questions {
        // A server that cannot read a question need not repeat it.
        0 => {}
        1 => match body.get(..question.len()) {
            // The length is that of the asked name, and letters are all the same in either case.
            Some(repeated) if repeated.eq_ignore_ascii_case(question) => {}
            None if code == 0
                && question.get(..body.len()).is_some_and(|start| start.eq_ignore_ascii_case(body)) =>
            {
                let length = message.len();
                let what = format!("the answer is cut off after {length} bytes, within its question");
                return fails(Failure::Malformed(what));
            }
            None if code != 0 => {}
            _ => return stray("answers another question".into()),
        },
        many => return stray(format!("answers {many} questions")),
    }
    match code {
        0 => Judged::Answer(Ok(Answered { truncated: flags & 0x0200 != 0 })),
        code => fails(Failure::Unexpected { expected: "NOERROR".into(), got: code_name(code) }),
    }
}

/// The name of a response code (RFC 6895 §2.3).
fn code_name(code: u16) -> String {
    let names = ["NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED"];
    match names.get(usize::from(code)) {
        Some(name) => (*name).to_owned(),
        None => format!("response code {code}"),
    }
}

fn number(kind: DnsType) -> u16 {
    match kind {
        DnsType::A => 1,
        DnsType::Ns => 2,
        DnsType::Cname => 5,
        DnsType::Soa => 6,
        DnsType::Mx => 15,
        DnsType::Txt => 16,
        DnsType::Aaaa => 28,
        DnsType::Rrsig => 46,
        DnsType::Dnskey => 48,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ID: u16 = 0x1234;

    fn dns(name: &str, transport: Transport) -> Dns {
        Dns::new(ID, DnsType::A, &DnsName::new(name).unwrap(), transport)
    }

    /// A question for `www.example.com`, its answer with these flags.
    fn answer(flags: u16) -> Vec<u8> {
        let mut message = dns("www.example.com", Transport::Datagrams).query;
        message[2..4].copy_from_slice(&flags.to_be_bytes());
        message
    }

    fn heard(message: &[u8]) -> Step<Answered> {
        let mut dns = dns("www.example.com", Transport::Datagrams);
        assert!(matches!(dns.next(Heard::Connected), Step::Send(_)));
        assert_eq!(dns.next(Heard::Sent), Step::Read);
        dns.next(Heard::Bytes(message))
    }

    fn passes(truncated: bool) -> Step<Answered> {
        Step::Done(Ok(Answered { truncated }))
    }

    fn reason(step: Step<Answered>) -> String {
        match step {
            Step::Done(Err(failure)) => failure.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Why nothing has come of it in the end.
    fn stray(message: &[u8]) -> String {
        let mut dns = dns("www.example.com", Transport::Datagrams);
        dns.next(Heard::Connected);
        assert_eq!(dns.next(Heard::Bytes(message)), Step::Read, "{message:x?}");
        assert_eq!(dns.next(Heard::Bytes(message)), Step::Read);
        reason(dns.next(Heard::Silence(Duration::from_secs(5))))
    }

    #[test]
    fn the_question_is_that_of_rfc_1035() {
        let mut root = Dns::new(0xabcd, DnsType::Soa, &DnsName::default(), Transport::Datagrams);
        let bytes = [0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 1].to_vec();
        assert_eq!(root.next(Heard::Connected), Step::Send(bytes));
        let named =
            [&[0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0][..], b"\x01a\x02bc\0", &[0, 1, 0, 1]].concat();
        for name in ["a.bc", "a.bc."] {
            assert_eq!(dns(name, Transport::Datagrams).next(Heard::Connected), Step::Send(named.clone()));
        }
        let framed = [&[0, 22][..], &named].concat();
        assert_eq!(dns("a.bc", Transport::Stream).next(Heard::Connected), Step::Send(framed));
    }

    #[test]
    fn every_type_has_its_number() {
        let numbers: Vec<u16> = DnsType::ALL.iter().map(|(_, kind)| number(*kind)).collect();
        assert_eq!(numbers, [1, 28, 5, 48, 15, 2, 46, 6, 16]);
    }

    #[test]
    fn a_server_without_an_error_passes() {
        for flags in [0x8000, 0x8180, 0x8580] {
            assert_eq!(heard(&answer(flags)), passes(false), "{flags:x}");
        }
        assert_eq!(heard(&answer(0x8380)), passes(true));
        let shouted: Vec<u8> = answer(0x8180).to_ascii_uppercase();
        assert_eq!(heard(&shouted), passes(false), "letters in either case are the same");
        let bare = [&answer(0x8180)[..4], &[0; 8]].concat();
        assert_eq!(heard(&bare), passes(false), "an answer may come without the question");
    }

    #[test]
    fn an_error_fails_by_its_name() {
        for (code, name) in
            [(1, "FORMERR"), (2, "SERVFAIL"), (3, "NXDOMAIN"), (5, "REFUSED"), (11, "response code 11")]
        {
            let expected = format!("expected NOERROR, got {name}");
            assert_eq!(reason(heard(&answer(0x8180 | code))), expected);
            assert_eq!(reason(heard(&answer(0x8180 | code)[..12])), expected, "the header is enough");
        }
    }

    #[test]
    fn what_answers_something_else_is_passed_over() {
        let once = |why: &str| format!("no answer within 5 s; 2 datagrams came, and the last one {why}");
        assert_eq!(stray(&[]), once("is empty"));
        assert_eq!(stray(&[0x12]), once("has one byte"));
        let mut other = answer(0x8180);
        other[1] = 0x35;
        assert_eq!(stray(&other), once("has the id 4661, and that of the question is 4660"));
        assert_eq!(stray(&answer(0x0100)), once("is a question itself"));
        for (at, byte) in [(13, b'x'), (12, 4), (30, 28), (32, 3)] {
            let mut other = answer(0x8180);
            other[at] = byte;
            assert_eq!(stray(&other), once("answers another question"), "byte {at}");
        }
        let mut two = answer(0x8180);
        two[5] = 2;
        assert_eq!(stray(&two), once("answers 2 questions"));
        // A name that points to itself is another name, and nobody follows it.
        let mut pointer = answer(0x8180);
        pointer[12..14].copy_from_slice(&[0xc0, 12]);
        assert_eq!(stray(&pointer), once("answers another question"));
    }

    #[test]
    fn a_late_answer_to_the_question_counts() {
        let mut dns = dns("www.example.com", Transport::Datagrams);
        dns.next(Heard::Connected);
        assert_eq!(dns.next(Heard::Bytes(b"forged")), Step::Read);
        assert_eq!(dns.next(Heard::Bytes(&answer(0x8180))), passes(false));
    }

    #[test]
    fn a_cut_answer_fails_and_its_records_do_not_count() {
        let whole = answer(0x8180);
        for length in 2..12 {
            let why = format!("the answer is cut off after {length} bytes, within its header");
            assert_eq!(reason(heard(&whole[..length])), why);
        }
        for length in 12..whole.len() {
            let why = format!("the answer is cut off after {length} bytes, within its question");
            assert_eq!(reason(heard(&whole[..length])), why);
        }
        let mut records = whole;
        records[7] = 9;
        records.extend([0xc0, 32, 0xff]);
        assert_eq!(heard(&records), passes(false));
    }

    #[test]
    fn nobody_there_and_nobody_who_answers() {
        let refused = dns("a", Transport::Datagrams).next(Heard::Reset("connection refused".into()));
        assert_eq!(reason(refused), "connection refused");
        let silent = dns("a", Transport::Datagrams).next(Heard::Silence(Duration::from_secs(3)));
        assert_eq!(reason(silent), "no answer within 3 s");
    }

    #[test]
    fn over_a_stream_it_may_come_in_any_pieces() {
        let message = answer(0x8180);
        let framed = [&[0, u8::try_from(message.len()).unwrap()][..], &message].concat();
        for size in 1..=framed.len() {
            let mut dns = dns("www.example.com", Transport::Stream);
            dns.next(Heard::Connected);
            let steps: Vec<_> = framed.chunks(size).map(|piece| dns.next(Heard::Bytes(piece))).collect();
            let (last, before) = steps.split_last().unwrap();
            assert!(before.iter().all(|step| *step == Step::Read));
            assert_eq!(*last, passes(false));
        }
    }

    #[test]
    fn over_a_stream_odd_messages_fail() {
        let said = |bytes: &[u8]| {
            let mut dns = dns("www.example.com", Transport::Stream);
            match dns.next(Heard::Bytes(bytes)) {
                Step::Read => reason(dns.next(Heard::Closed)),
                step => reason(step),
            }
        };
        assert_eq!(said(&[0, 0]), "the message that came is empty");
        assert_eq!(
            said(&[0, 2, 9, 9]),
            "the message that came has the id 2313, and that of the question is 4660"
        );
        assert_eq!(said(&[0, 3, 0x12, 0x34, 0]), "the answer is cut off after 3 bytes, within its header");
        assert_eq!(said(&[0xff, 0xff, 0x12, 0x34]), "the answer is cut off after 4 bytes");
        let closed = dns("a", Transport::Stream).next(Heard::Closed);
        assert_eq!(reason(closed), "connection closed without an answer");
        let reset = dns("a", Transport::Stream).next(Heard::Reset("connection reset".into()));
        assert_eq!(reason(reset), "connection broken: connection reset");
    }
}
