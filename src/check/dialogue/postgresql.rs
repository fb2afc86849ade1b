//! PostgreSQL: a StartupMessage, and whether the server asks who is there.
//!
//! A message has a letter, its length in four bytes that count themselves, and its content.

use crate::check::Failure;

use super::talk::{LONGEST, Look, Protocol, shown};

/// The answer to a StartupMessage.
#[derive(Debug)]
pub(super) struct Postgresql;

/// The user of it; there need not be one of this name.
const USER: &[u8] = b"user\0directord\0database\0postgres\0application_name\0directord\0\0";
/// Version 3.0.
const VERSION: [u8; 4] = [0, 3, 0, 0];
/// Who is told that he may not come in, or that there is no such database, talks to a server that is up.
const INVALID_AUTHORIZATION: &str = "28";
const NO_DATABASE: &str = "3D000";

impl Protocol for Postgresql {
    fn opening(&mut self) -> Vec<u8> {
        let length = u32::try_from(USER.len() + 8).unwrap_or_default();
        [&length.to_be_bytes()[..], &VERSION, USER].concat()
    }

    fn waits_for(&self) -> &'static str {
        "answer to the startup message"
    }

    fn look(&mut self, read: &[u8]) -> Look {
        let mut left = read;
        loop {
            // The beginning tells what it is.
            let [kind, a, b, c, d, rest @ ..] = left else { return Look::More };
            let head = left.get(..5).unwrap_or_default();
            let length = u32::from_be_bytes([*a, *b, *c, *d]);
            let length = usize::try_from(length).ok().and_then(|length| length.checked_sub(4));
            let Some(length) = length.filter(|length| is_known(*kind) && *length <= LONGEST) else {
                return other(head);
            };
            let Some(content) = rest.get(..length) else { return Look::More };
            match kind {
                b'R' if length < 4 => return other(head),
                // It asks for a password, which it does not get: a connection that closes here is no error to it. Or it
                // lets everybody in.
                b'R' => return Look::Up,
                b'E' => return refused(content),
                // A notice, or what it makes of the version.
                _ => left = rest.get(length..).unwrap_or_default(),
            }
        }
    }
}

fn is_known(kind: u8) -> bool {
    matches!(kind, b'R' | b'E' | b'N' | b'v')
}

fn other(read: &[u8]) -> Look {
    let got = shown(read);
    Look::Fails(Failure::Unexpected { expected: "an answer of PostgreSQL".to_owned(), got })
}

/// An error: fields of a letter and a text with a zero behind it.
fn refused(content: &[u8]) -> Look {
    let field = |letter: u8| {
        let mut fields = content.split(|byte| *byte == 0);
        let found = fields.find(|field| field.first() == Some(&letter))?;
        Some(String::from_utf8_lossy(found.get(1..)?).into_owned())
    };
    let code = field(b'C').unwrap_or_default();
    if code.starts_with(INVALID_AUTHORIZATION) || code == NO_DATABASE {
        return Look::Up;
    }
    let text = field(b'M').unwrap_or_default();
    let got =
        format!("error {}: {}", code.escape_debug().take(40).collect::<String>(), shown(text.as_bytes()));
    Look::Fails(Failure::Unexpected { expected: "to be asked who is there".to_owned(), got })
}

#[cfg(test)]
mod tests {
    use super::super::talk::tests::{asks, talk, verdict};
    use crate::config::model::ProtocolKind::Postgresql;

    fn message(kind: u8, content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(content.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), content].concat()
    }

    fn error(code: &str, text: &str) -> Vec<u8> {
        message(b'E', format!("SFATAL\0VFATAL\0C{code}\0M{text}\0Fpostmaster.c\0\0").as_bytes())
    }

    #[test]
    fn a_server_that_asks_who_is_there_is_up() {
        let (said, result) = talk(&asks(Postgresql), &[&message(b'R', &[0, 0, 0, 10])]);
        assert_eq!(result, Ok(()));
        let startup = &said[0];
        assert_eq!(startup[..8], [0, 0, 0, u8::try_from(startup.len()).unwrap(), 0, 3, 0, 0]);
        assert!(startup.ends_with(b"\0\0") && said.len() == 1);
        let noticed = [message(b'N', b"SNOTICE\0\0"), message(b'R', &[0; 4])].concat();
        assert_eq!(verdict(Postgresql, &[&noticed]), Ok(()));
    }

    #[test]
    fn a_login_that_is_refused_is_an_answer_of_a_server_that_is_up() {
        for code in ["28000", "28P01", "3D000"] {
            assert_eq!(verdict(Postgresql, &[&error(code, "no")]), Ok(()));
        }
    }

    #[test]
    fn a_server_that_cannot_serve_is_down_and_says_why() {
        let down = |code: &str, text: &str| verdict(Postgresql, &[&error(code, text)]).unwrap_err();
        assert_eq!(
            down("57P03", "the database system is starting up"),
            "answer to the startup message: expected to be asked who is there, got error 57P03: `the database system is starting up`"
        );
        assert!(
            down("53300", "sorry, too many clients already")
                .ends_with("got error 53300: `sorry, too many clients already`")
        );
    }

    #[test]
    fn what_is_no_answer_fails() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"-ERR\r\n",
            &[b'R', 0, 0, 0, 3, 0],
            &[b'R', 0, 0, 0, 4],
            &[b'R', 0, 0, 0, 6, 0, 0],
            &[b'E', 0xff, 0xff, 0xff, 0xff],
        ] {
            let why = verdict(Postgresql, &[bytes]).unwrap_err();
            assert!(why.contains("expected an answer of PostgreSQL, got `"), "{why}");
        }
        let why = verdict(Postgresql, &[&[b'R', 0, 0, 0, 8, 0]]).unwrap_err();
        assert!(why.contains("the connection closed before the answer ended"), "{why}");
        let endless = message(b'N', &[b'a'; 3000]).repeat(20);
        let why = verdict(Postgresql, &[&endless]).unwrap_err();
        assert!(why.contains("does not end within 16384 bytes"), "{why}");
    }
}
