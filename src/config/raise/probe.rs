//! What the checks ask that neither are TCP nor HTTP.

use super::block::{Block, plain};
use crate::config::model::{DnsName, DnsType, ProbeKind};
use crate::text::hex;

impl Block {
    /// What the kind has of its own.
    pub(super) fn probe(&mut self, kind: &ProbeKind) {
        match kind {
            // The name is all that is said of a named one.
            ProbeKind::Tcp | ProbeKind::Http(_) | ProbeKind::Ping | ProbeKind::Named(_) => {}
            ProbeKind::Bfd { name } => self.set("name", name),
            ProbeKind::Dns { kind, name } => {
                self.unless("type", kind.name(), DnsType::default().name());
                self.unless("name", name.as_str(), DnsName::default().as_str());
            }
            ProbeKind::File { name, weight } => {
                self.set("track_file", name);
                if let Some(weight) = weight {
                    let reverse = weight.reverse.then(|| plain("reverse"));
                    self.words("weight", std::iter::once(plain(weight.number.to_string())).chain(reverse));
                }
            }
            ProbeKind::Misc { command, timeout, dynamic } => {
                self.bare_command("misc_path", command);
                self.given("misc_timeout", *timeout);
                self.flag("misc_dynamic", *dynamic);
            }
            ProbeKind::Smtp { helo } => self.given("helo_name", helo.as_ref()),
            ProbeKind::Udp { payload, reply, min_reply, max_reply } => {
                self.given("payload", payload.as_ref().map(|payload| hex(payload)));
                let digit = |digit: &Option<u8>| digit.map_or("x".to_owned(), |digit| format!("{digit:x}"));
                let digits = |reply: &Vec<Option<u8>>| reply.iter().map(digit).collect::<String>();
                self.optional("require_reply", reply.as_ref().map(digits).as_ref());
                self.unless("min_reply_length", *min_reply, ProbeKind::REPLY.0);
                self.unless("max_reply_length", *max_reply, ProbeKind::REPLY.1);
            }
        }
    }
}
