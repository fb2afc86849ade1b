//! Servers that greet: IMAP, POP3 and FTP. They are left in their own words.

use crate::check::Failure;

use super::talk::{Look, Protocol, line, shown, unexpected};

/// `* OK`, or `* PREAUTH` (RFC 9051 §7.1).
#[derive(Debug)]
pub(super) struct Imap;

/// `+OK` (RFC 1939 §3).
#[derive(Debug)]
pub(super) struct Pop3;

/// 220 on one line or more (RFC 959 §4.2).
#[derive(Debug)]
pub(super) struct Ftp;

const GREETING: &str = "greeting";

impl Protocol for Imap {
    fn waits_for(&self) -> &'static str {
        GREETING
    }

    fn look(&mut self, read: &[u8]) -> Look {
        let Some((line, _)) = line(read) else { return Look::More };
        let mut words = line.split(|byte| *byte == b' ');
        let star = words.next() == Some(b"*");
        let word = words.next().unwrap_or_default();
        match star && (word.eq_ignore_ascii_case(b"OK") || word.eq_ignore_ascii_case(b"PREAUTH")) {
            true => Look::Leave(b"a LOGOUT\r\n"),
            false => unexpected("`* OK`", line),
        }
    }
}

impl Protocol for Pop3 {
    fn waits_for(&self) -> &'static str {
        GREETING
    }

    fn look(&mut self, read: &[u8]) -> Look {
        let Some((line, _)) = line(read) else { return Look::More };
        match line.split(|byte| *byte == b' ').next() == Some(b"+OK") {
            true => Look::Leave(b"QUIT\r\n"),
            false => unexpected("`+OK`", line),
        }
    }
}

impl Protocol for Ftp {
    fn waits_for(&self) -> &'static str {
        GREETING
    }

    fn look(&mut self, read: &[u8]) -> Look {
        let mut left = read;
        let mut first = true;
        // Lines between the first and the last may be anything.
        while let Some((line, used)) = line(left) {
            match line {
                [b'2', b'2', b'0', b' ', ..] | b"220" => return Look::Leave(b"QUIT\r\n"),
                [b'2', b'2', b'0', b'-', ..] => first = false,
                _ if first => return unexpected("220", line),
                _ => {}
            }
            left = left.get(used..).unwrap_or_default();
        }
        Look::More
    }

    fn ended(&self, read: &[u8]) -> Failure {
        Failure::Malformed(format!("the connection closed before the greeting ended: {}", shown(read)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::tests::{asks, talk, verdict};
    use crate::config::model::ProtocolKind::{self, Ftp, Imap, Pop3};

    fn left_with(protocol: ProtocolKind, greeting: &str) -> String {
        let (said, result) = talk(&asks(protocol), &[greeting.as_bytes(), b"bye\r\n"]);
        assert_eq!(result, Ok(()), "{greeting}");
        said.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    fn fails(protocol: ProtocolKind, greeting: &str) -> String {
        verdict(protocol, &[greeting.as_bytes()]).unwrap_err()
    }

    #[test]
    fn who_greets_is_left_politely() {
        assert_eq!(left_with(Imap, "* OK [CAPABILITY IMAP4rev1] Dovecot ready.\r\n"), "a LOGOUT\r\n");
        assert_eq!(left_with(Imap, "* preauth hello\r\n"), "a LOGOUT\r\n");
        assert_eq!(left_with(Pop3, "+OK Dovecot ready.\r\n"), "QUIT\r\n");
        assert_eq!(left_with(Pop3, "+OK\r\n"), "QUIT\r\n");
        assert_eq!(left_with(Ftp, "220 (vsFTPd 3.0.3)\r\n"), "QUIT\r\n");
        assert_eq!(left_with(Ftp, "220\r\n"), "QUIT\r\n");
        assert_eq!(left_with(Ftp, "220-Welcome\r\n to all\r\n230 of you\r\n220 ready\r\n"), "QUIT\r\n");
    }

    /// What becomes of the farewell changes nothing.
    #[test]
    fn a_farewell_without_an_answer_is_one() {
        assert_eq!(verdict(Pop3, &[b"+OK\r\n"]), Ok(()));
        assert_eq!(verdict(Pop3, &[b"+OK\r\n", b"-ERR what?\r\n"]), Ok(()));
    }

    #[test]
    fn another_greeting_fails() {
        assert_eq!(fails(Imap, "* BYE overloaded\r\n"), "greeting: expected `* OK`, got `* BYE overloaded`");
        assert_eq!(fails(Imap, "*OK\r\n"), "greeting: expected `* OK`, got `*OK`");
        assert_eq!(fails(Imap, "a OK hello\r\n"), "greeting: expected `* OK`, got `a OK hello`");
        assert_eq!(fails(Pop3, "-ERR busy\r\n"), "greeting: expected `+OK`, got `-ERR busy`");
        assert_eq!(fails(Pop3, "+OKAY\r\n"), "greeting: expected `+OK`, got `+OKAY`");
        assert_eq!(fails(Ftp, "421 too many users\r\n"), "greeting: expected 220, got `421 too many users`");
        assert_eq!(fails(Ftp, "2200\r\n"), "greeting: expected 220, got `2200`");
        assert_eq!(
            fails(Ftp, "220-one\r\ntwo\r\n"),
            "greeting: the connection closed before the greeting ended: `220-one\\r\\ntwo`"
        );
    }
}
