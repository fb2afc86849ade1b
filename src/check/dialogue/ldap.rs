//! LDAP: an anonymous bind (RFC 4513 §5.1.1), and its result.
//!
//! Messages are in BER: a tag, a length, the content. What is read is what the answer to a bind has, and no more.

use crate::check::Failure;

use super::talk::{LONGEST, Look, Protocol, shown};

/// The answer to a bind.
#[derive(Debug)]
pub(super) struct Ldap;

/// Message 1: BindRequest, version 3, no name, simple, no password.
const BIND: &[u8] = &[0x30, 0x0c, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0];
/// Message 2: UnbindRequest.
const UNBIND: &[u8] = &[0x30, 5, 2, 1, 2, 0x42, 0];
const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 2;
const ENUMERATED: u8 = 10;
const OCTETS: u8 = 4;
const BIND_RESPONSE: u8 = 0x61;
/// success; and of servers that want to know who is there: strongerAuthRequired, inappropriateAuthentication (RFC 4511
/// §4.1.9).
const ALIVE: [u8; 4] = [0, 8, 13, 48];

/// A piece of BER at the beginning of bytes.
enum Piece<'a> {
    /// Its content, and what follows it.
    Whole(&'a [u8], &'a [u8]),
    /// It goes on.
    Cut,
    /// It is none of this tag.
    Other,
}

impl Protocol for Ldap {
    fn opening(&mut self) -> Vec<u8> {
        BIND.to_vec()
    }

    fn waits_for(&self) -> &'static str {
        "answer to the bind"
    }

    fn look(&mut self, read: &[u8]) -> Look {
        // The beginning, which tells what it is, is shorter than any answer.
        let Some(head) = read.get(..8) else { return Look::More };
        let content = match piece(read, SEQUENCE) {
            Piece::Whole(content, _) => content,
            Piece::Cut => return Look::More,
            Piece::Other => return other(head),
        };
        let Some((code, text)) = result(content) else { return other(head) };
        match ALIVE.contains(&code) {
            true => Look::Leave(UNBIND),
            false => {
                let got = format!("result {code}: {}", shown(text));
                Look::Fails(Failure::Unexpected { expected: "result 0".to_owned(), got })
            }
        }
    }
}

fn other(read: &[u8]) -> Look {
    Look::Fails(Failure::Unexpected { expected: "an answer of LDAP".to_owned(), got: shown(read) })
}

/// The code of a BindResponse to message 1, and its text.
fn result(content: &[u8]) -> Option<(u8, &[u8])> {
    let (id, rest) = whole(content, INTEGER)?;
    let (response, _) = whole(rest, BIND_RESPONSE).filter(|_| id == [1])?;
    let (code, rest) = whole(response, ENUMERATED)?;
    let (_, rest) = whole(rest, OCTETS)?;
    let (text, _) = whole(rest, OCTETS)?;
    match code {
        [code] => Some((*code, text)),
        _ => None,
    }
}

fn whole(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    match piece(bytes, tag) {
        Piece::Whole(content, rest) => Some((content, rest)),
        Piece::Cut | Piece::Other => None,
    }
}

fn piece(bytes: &[u8], wanted: u8) -> Piece<'_> {
    let [tag, rest @ ..] = bytes else { return Piece::Cut };
    if *tag != wanted {
        return Piece::Other;
    }
    let (length, rest) = match rest {
        [] => return Piece::Cut,
        [short @ 0..=0x7f, rest @ ..] => (usize::from(*short), rest),
        // So many bytes have the length; more than four would be none that anybody sends.
        [long @ 0x81..=0x84, rest @ ..] => {
            let count = usize::from(*long & 0x7f);
            let Some((digits, rest)) = rest.split_at_checked(count) else { return Piece::Cut };
            (digits.iter().fold(0, |length, digit| length << 8 | usize::from(*digit)), rest)
        }
        _ => return Piece::Other,
    };
    if length > LONGEST {
        return Piece::Other;
    }
    rest.split_at_checked(length).map_or(Piece::Cut, |(content, rest)| Piece::Whole(content, rest))
}

#[cfg(test)]
mod tests {
    use super::super::talk::tests::{asks, talk, verdict};
    use crate::config::model::ProtocolKind::Ldap;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        [&[tag, u8::try_from(content.len()).unwrap()], content].concat()
    }

    fn response(code: u8, text: &str) -> Vec<u8> {
        let inner = [element(10, &[code]), element(4, b""), element(4, text.as_bytes())].concat();
        element(0x30, &[element(2, &[1]), element(0x61, &inner)].concat())
    }

    #[test]
    fn a_bind_that_succeeds_is_up_and_undone() {
        let (said, result) = talk(&asks(Ldap), &[&response(0, "")]);
        assert_eq!(result, Ok(()));
        assert_eq!(said[0], [0x30, 12, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0]);
        assert_eq!(said[1..], [vec![0x30, 5, 2, 1, 2, 0x42, 0]]);
        // Active Directory writes every length in four bytes.
        let inner = [&[10, 1, 0, 4, 0, 4, 0][..]].concat();
        let long = |tag: u8, content: &[u8]| {
            [&[tag, 0x84, 0, 0, 0, u8::try_from(content.len()).unwrap()], content].concat()
        };
        let message = long(0x30, &[vec![2, 1, 1], long(0x61, &inner)].concat());
        assert_eq!(verdict(Ldap, &[&message]), Ok(()));
    }

    #[test]
    fn who_wants_to_know_who_is_there_is_up() {
        assert_eq!(verdict(Ldap, &[&response(48, "anonymous bind disallowed")]), Ok(()));
        assert_eq!(verdict(Ldap, &[&response(8, "confidentiality required")]), Ok(()));
    }

    #[test]
    fn another_result_is_down_and_says_why() {
        let busy = verdict(Ldap, &[&response(51, "busy")]);
        assert_eq!(busy, Err("answer to the bind: expected result 0, got result 51: `busy`".into()));
        let none = verdict(Ldap, &[&response(52, "")]);
        assert_eq!(none, Err("answer to the bind: expected result 0, got result 52: ``".into()));
    }

    #[test]
    fn what_is_no_answer_fails() {
        let other_id = element(0x30, &[&[2, 1, 7][..], &element(0x61, &[10, 1, 0, 4, 0, 4, 0])].concat());
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            &other_id,
            &[0x30, 0x80, 2, 1, 1, 0, 0, 0],
            &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0, 0],
            &[0x30, 3, 2, 1, 1, 0, 0, 0],
            &element(0x30, &[&[2, 1, 1][..], &element(0x61, &[10, 2, 0, 0, 4, 0, 4, 0])].concat()),
        ] {
            let why = verdict(Ldap, &[bytes]).unwrap_err();
            assert!(why.starts_with("answer to the bind: expected an answer of LDAP, got `"), "{why}");
        }
        let whole = response(0, "");
        let why = verdict(Ldap, &[&whole[..whole.len() - 1]]).unwrap_err();
        assert!(why.contains("the connection closed before the answer ended"), "{why}");
    }
}
