//! MySQL and MariaDB: the handshake, and a login.
//!
//! The login is made because a client that leaves before it counts as one in trouble: after `max_connect_errors` of them,
//! 100 by default, the server lets nobody in from its address any more. One that is refused does not count.
//!
//! A packet has its length in three bytes, then its number, then its content.

use crate::check::Failure;

use super::talk::{LONGEST, Look, Protocol, shown};

/// Whether the handshake has come, and whether another way to log in was offered.
#[derive(Debug, Default)]
pub(super) struct Mysql {
    shaken: bool,
    switched: bool,
}

/// The content of a handshake begins with the version of the protocol.
const VERSION: u8 = 10;
const OK: u8 = 0;
const MORE: u8 = 1;
const SWITCH: u8 = 0xfe;
const ERROR: u8 = 0xff;
/// COM_QUIT.
const QUIT: &[u8] = &[1, 0, 0, 0, 1];
/// Protocol 4.1, with the name of a way to log in; the longest packet is 16 MiB, the characters are UTF-8.
const OPTIONS: &[u8] = &[0x01, 0x82, 0x08, 0, 0, 0, 0, 1, 0x21];
/// There need not be a user of this name; it has no password.
const LOGIN: &[u8] = b"directord\0\0mysql_native_password\0";
/// Who says so talks to the wrong one, and serves others: access denied, to this host as well, or not in this way.
const ALIVE: [u16; 7] = [1045, 1130, 1251, 1698, 3118, 3159, 4151];

impl Protocol for Mysql {
    fn waits_for(&self) -> &'static str {
        if self.shaken { "answer to the login" } else { "greeting" }
    }

    fn look(&mut self, read: &[u8]) -> Look {
        // The beginning tells what it is.
        let [low, middle, high, number, first, ..] = read else { return Look::More };
        let length = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
        let known: &[u8] = if self.shaken { &[OK, MORE, SWITCH, ERROR] } else { &[VERSION, ERROR] };
        if length == 0 || length > LONGEST - 4 || !known.contains(first) {
            return self.other(read.get(..5).unwrap_or_default());
        }
        let Some(packet) = read.get(..length + 4) else { return Look::More };
        let content = packet.get(5..).unwrap_or_default();
        match *first {
            ERROR => self.error(packet, content),
            VERSION if is_handshake(content) => {
                self.shaken = true;
                Look::Say(
                    packet_of(number.wrapping_add(1), &[OPTIONS, &[0; 23], LOGIN].concat()),
                    packet.len(),
                )
            }
            OK => Look::Leave(QUIT),
            MORE => Look::Up,
            // No password, in this way either.
            SWITCH if !self.switched => {
                self.switched = true;
                Look::Say(packet_of(number.wrapping_add(1), &[]), packet.len())
            }
            _ => self.other(packet),
        }
    }
}

impl Mysql {
    fn expected(&self) -> &'static str {
        if self.shaken { "a login or its refusal" } else { "a handshake of MySQL" }
    }

    fn other(&self, got: &[u8]) -> Look {
        let expected = self.expected().to_owned();
        Look::Fails(Failure::Unexpected { expected, got: shown(got) })
    }

    /// A code in two bytes, and a text; in front of that may stand a `#` and five characters for machines.
    fn error(&self, packet: &[u8], content: &[u8]) -> Look {
        let [low, high, text @ ..] = content else { return self.other(packet) };
        let code = u16::from_le_bytes([*low, *high]);
        if ALIVE.contains(&code) {
            return Look::Up;
        }
        let text = text.strip_prefix(b"#").and_then(|text| text.get(5..)).unwrap_or(text);
        let (expected, got) = (self.expected().to_owned(), format!("error {code}: {}", shown(text)));
        Look::Fails(Failure::Unexpected { expected, got })
    }
}

/// The version of the server ends with a zero; the number of the connection, eight bytes of salt and a zero follow it, and
/// at least the low half of what it is capable of.
fn is_handshake(content: &[u8]) -> bool {
    let Some(end) = content.iter().position(|byte| *byte == 0) else { return false };
    let rest = content.get(end + 1..).unwrap_or_default();
    end > 0 && rest.len() >= 15 && rest.get(12) == Some(&0)
}

/// Ours are short.
fn packet_of(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap_or(u8::MAX);
    [&[length, 0, 0, number], content].concat()
}

#[cfg(test)]
mod tests {
    use super::super::talk::tests::{asks, talk, verdict};
    use super::*;
    use crate::config::model::ProtocolKind::Mysql;

    fn handshake() -> Vec<u8> {
        let content =
            [b"\x0a11.4.5-MariaDB\0", &[7, 0, 0, 0][..], b"saltsalt\0", &[0xfe, 0xf7, 8, 2, 0]].concat();
        packet_of(0, &content)
    }

    fn error(number: u8, code: u16, text: &str) -> Vec<u8> {
        packet_of(number, &[&[0xff][..], &code.to_le_bytes(), text.as_bytes()].concat())
    }

    #[test]
    fn a_login_that_is_refused_is_the_answer_of_a_server_that_is_up() {
        let denied =
            error(2, 1045, "#28000Access denied for user 'directord'@'10.0.0.1' (using password: NO)");
        let (said, result) = talk(&asks(Mysql), &[&handshake(), &denied]);
        assert_eq!(result, Ok(()));
        let login = &said[0];
        assert_eq!((said.len(), usize::from(login[0]), login[3]), (1, login.len() - 4, 1));
        assert!(login.ends_with(b"directord\0\0mysql_native_password\0"));
        let insecure = error(2, 3159, "#HY000Connections using insecure transport are prohibited");
        assert_eq!(verdict(Mysql, &[&handshake(), &insecure]), Ok(()));
        assert_eq!(verdict(Mysql, &[&error(0, 1130, "Host '10.0.0.1' is not allowed to connect")]), Ok(()));
    }

    #[test]
    fn a_login_that_succeeds_is_ended() {
        let ok = packet_of(2, &[0, 0, 0, 2, 0, 0, 0]);
        let (said, result) = talk(&asks(Mysql), &[&handshake(), &ok]);
        assert_eq!((said.len(), said[1].as_slice(), result), (2, &[1, 0, 0, 0, 1][..], Ok(())));
    }

    #[test]
    fn another_way_to_log_in_is_gone_once() {
        let switch = packet_of(2, b"\xfecaching_sha2_password\0saltsaltsaltsaltsalt\0");
        let denied = error(4, 1045, "#28000Access denied");
        let (said, result) = talk(&asks(Mysql), &[&handshake(), &switch, &denied]);
        assert_eq!((said[1].as_slice(), result), (&[0, 0, 0, 3][..], Ok(())));
        let why = verdict(Mysql, &[&handshake(), &switch, &switch]).unwrap_err();
        assert!(why.starts_with("answer to the login: expected a login or its refusal, got `"), "{why}");
    }

    #[test]
    fn the_servers_own_error_is_told() {
        let many = error(0, 1040, "Too many connections");
        let why = "greeting: expected a handshake of MySQL, got error 1040: `Too many connections`";
        assert_eq!(verdict(Mysql, &[&many]), Err(why.into()));
        let blocked = error(0, 1129, "#HY000Host is blocked because of many connection errors");
        let why = verdict(Mysql, &[&blocked]).unwrap_err();
        assert!(
            why.ends_with("got error 1129: `Host is blocked because of many connection errors`"),
            "{why}"
        );
        let stops = error(2, 1053, "#08S01Server shutdown in progress");
        let why = "answer to the login: expected a login or its refusal, got error 1053: `Server shutdown in progress`";
        assert_eq!(verdict(Mysql, &[&handshake(), &stops]), Err(why.into()));
    }

    #[test]
    fn what_is_no_handshake_fails() {
        for bytes in [
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            b"SSH-2.0-OpenSSH_9\r\n",
            &[0, 0, 0, 0, 10],
            &[0xff, 0xff, 0xff, 0, 10],
            &packet_of(0, b"\x095.0\0"),
            &packet_of(0, b"\x0a11.4"),
            &packet_of(0, &[b"\x0a\0", &[0; 30][..]].concat()),
            &packet_of(0, &[b"\x0a11\0", &[1; 30][..]].concat()),
            &packet_of(0, b"\xff\x01"),
        ] {
            let why = verdict(Mysql, &[bytes]).unwrap_err();
            assert!(why.starts_with("greeting: expected a handshake of MySQL, got `"), "{why}");
        }
        let cut = handshake();
        let why = verdict(Mysql, &[&cut[..cut.len() - 1]]).unwrap_err();
        assert!(why.starts_with("greeting: the connection closed before the answer ended: "), "{why}");
        let silent = verdict(Mysql, &[&handshake()]).unwrap_err();
        assert_eq!(silent, "answer to the login: connection closed without an answer");
    }
}
