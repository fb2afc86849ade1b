//! `check NAME`: a check that is defined once, and used by name from any real server.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{InterfaceName, TlsDemands};

/// A `check NAME` block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCheck {
    /// What is asked; those that use it share it.
    pub asks: Arc<Conversation>,
    /// `connect_ip`; `None`: the real server's.
    pub ip: Option<IpAddr>,
    /// `connect_port`; `None`: the real server's.
    pub port: Option<u16>,
    /// `bindto`.
    pub from: Option<IpAddr>,
    /// `bind_port`; 0: any.
    pub from_port: u16,
    /// `bind_if`.
    pub interface: Option<InterfaceName>,
    /// `fwmark`; 0: none.
    pub fwmark: u32,
    /// `connect_timeout`; `None`, here and below: what the servers hand down.
    pub connect_timeout: Option<Duration>,
    /// `delay_loop`.
    pub delay_loop: Option<Duration>,
    /// `warmup`.
    pub warmup: Option<Duration>,
    /// `retry`.
    pub retry: Option<u32>,
    /// `rise`.
    pub rise: Option<u32>,
    /// `delay_before_retry`.
    pub delay_before_retry: Option<Duration>,
    /// `alpha`.
    pub alpha: Option<bool>,
    /// `log_all_failures`; `None`: `checker_log_all_failures`.
    pub log_all_failures: Option<bool>,
}

/// What a `check NAME` says to a server, and expects of it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conversation {
    /// Its name, for the log.
    pub name: String,
    /// `protocol`.
    pub protocol: ProtocolKind,
    /// `tls`: the connection is TLS from its first byte.
    pub tls: bool,
    /// What is demanded of the certificate and the connection; `None`: nothing.
    pub demands: Option<Box<TlsDemands>>,
    /// `send` and `expect`, one after the other; empty unless the protocol is TCP.
    pub turns: Vec<Turn>,
}

/// One text of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Turn {
    /// `send`.
    Send(Vec<u8>),
    /// `expect`: the answer must contain it.
    Expect(Vec<u8>),
}

/// `protocol` of a `check NAME`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProtocolKind {
    /// What `send` and `expect` say.
    #[default]
    Tcp,
    /// PING.
    Redis,
    /// MySQL and MariaDB: the handshake.
    Mysql,
    /// The answer to a startup message.
    Postgresql,
    /// The greeting.
    Imap,
    /// The greeting.
    Pop3,
    /// The greeting.
    Ftp,
    /// An anonymous bind.
    Ldap,
}

impl ProtocolKind {
    /// Every protocol, by its word.
    pub const ALL: [(&str, Self); 8] = [
        ("tcp", Self::Tcp),
        ("redis", Self::Redis),
        ("mysql", Self::Mysql),
        ("postgresql", Self::Postgresql),
        ("imap", Self::Imap),
        ("pop3", Self::Pop3),
        ("ftp", Self::Ftp),
        ("ldap", Self::Ldap),
    ];

    /// Its word.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// A text of `send` or `expect` in bytes: `\\r`, `\\n`, `\\t`, `\\\\` and `\\xHH` stand for what they stand for everywhere.
/// Error: the escape that is none of them.
pub fn unescape(text: &str) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).bytes());
            continue;
        }
        let escape = characters.next();
        match escape {
            Some('r') => bytes.push(b'\r'),
            Some('n') => bytes.push(b'\n'),
            Some('t') => bytes.push(b'\t'),
            Some('\\') => bytes.push(b'\\'),
            Some('x') => {
                let digits: String = characters.by_ref().take(2).collect();
                let whole = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                match u8::from_str_radix(&digits, 16) {
                    Ok(byte) if whole => bytes.push(byte),
                    _ => return Err(format!("\\x{digits}")),
                }
            }
            other => return Err(format!("\\{}", other.map_or(String::new(), String::from))),
        }
    }
    Ok(bytes)
}

/// The other way round, in ASCII.
pub fn escape(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'\r' => text += "\\r",
            b'\n' => text += "\\n",
            b'\t' => text += "\\t",
            b'\\' => text += "\\\\",
            // A quote would end the word, and a definition begin.
            b'"' | b'$' => text += &format!("\\x{byte:02x}"),
            b' '..=b'~' => text.push(char::from(*byte)),
            other => text += &format!("\\x{other:02x}"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_bytes() {
        assert_eq!(unescape(r"PING\r\n"), Ok(b"PING\r\n".to_vec()));
        assert_eq!(unescape(r"\x00\xfF\\\t\x22"), Ok(vec![0, 0xff, b'\\', b'\t', b'"']));
        assert_eq!(unescape("\u{e4} b"), Ok("\u{e4} b".as_bytes().to_vec()));
        for (text, wrong) in [
            (r"a\q", r"\q"),
            (r"a\", r"\"),
            (r"\x4", r"\x4"),
            (r"\x+1", r"\x+1"),
            ("\\x4\u{e4}", "\\x4\u{e4}"),
        ] {
            assert_eq!(unescape(text), Err(wrong.to_owned()));
        }
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(unescape(&escape(&all)), Ok(all.clone()));
        assert!(escape(&all).bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'$'));
    }
}
