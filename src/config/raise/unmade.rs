//! Checks that this version reads and does not make.

use super::block::{Block, plain};
use crate::config::model::{UnmadeChecker, UnmadeKind};

/// The word of the block.
pub(super) fn keyword(kind: &UnmadeKind) -> &'static str {
    match kind {
        UnmadeKind::Bfd { .. } => "BFD_CHECK",
        UnmadeKind::Dns { .. } => "DNS_CHECK",
        UnmadeKind::File { .. } => "FILE_CHECK",
        UnmadeKind::Misc { .. } => "MISC_CHECK",
        UnmadeKind::Ping => "PING_CHECK",
        UnmadeKind::Smtp { .. } => "SMTP_CHECK",
        UnmadeKind::Udp { .. } => "UDP_CHECK",
    }
}

impl Block {
    /// What the kind has of its own.
    pub(super) fn unmade(&mut self, check: &UnmadeChecker) {
        match &check.kind {
            UnmadeKind::Bfd { name } => self.set("name", name),
            UnmadeKind::Dns { kind, name } => {
                self.unless("type", *kind, "SOA");
                self.unless("name", name.as_str(), ".");
            }
            UnmadeKind::File { name, weight } => {
                self.set("track_file", name);
                if let Some((number, reverse)) = weight {
                    let reverse = reverse.then(|| plain("reverse"));
                    self.words("weight", std::iter::once(plain(number.to_string())).chain(reverse));
                }
            }
            UnmadeKind::Misc { command, timeout, dynamic } => {
                self.bare_command("misc_path", command);
                self.given("misc_timeout", *timeout);
                self.flag("misc_dynamic", *dynamic);
            }
            UnmadeKind::Ping => {}
            UnmadeKind::Smtp { helo } => self.given("helo_name", helo.as_ref()),
            UnmadeKind::Udp { payload, reply, min_reply, max_reply } => {
                let byte = |byte: &u8| format!("{byte:02x}");
                let bytes = |payload: &Vec<u8>| payload.iter().map(byte).collect::<String>();
                self.given("payload", payload.as_ref().map(bytes));
                let digit = |digit: &Option<u8>| digit.map_or("x".to_owned(), |digit| format!("{digit:x}"));
                let digits = |reply: &Vec<Option<u8>>| reply.iter().map(digit).collect::<String>();
                self.optional("require_reply", reply.as_ref().map(digits).as_ref());
                self.unless("min_reply_length", *min_reply, 0);
                self.unless("max_reply_length", *max_reply, 255);
            }
        }
    }
}
