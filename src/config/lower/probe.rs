//! What the checks ask that neither are TCP nor HTTP.

use std::collections::BTreeMap;
use std::time::Duration;

use super::track::{Listener, Names};
use super::{Lower, arguments};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Account, Command, DnsName, DnsType, FileWeight, ProbeKind};
use crate::config::source::Span;
use crate::config::tree::Node;

/// What such a check has of its own, as the file has it.
#[derive(Default)]
pub(super) struct ProbeDraft {
    pub(super) kind: &'static str,
    payload: Option<Vec<u8>>,
    reply: Option<Vec<Option<u8>>>,
    lengths: (Option<u16>, Option<u16>),
    dns_type: Option<DnsType>,
    dns_name: Option<DnsName>,
    name: Option<String>,
    helo: Option<String>,
    command: Option<Command>,
    has_command: bool,
    user: Option<Account>,
    timeout: Option<Duration>,
    dynamic: bool,
    weight: Option<FileWeight>,
}

impl ProbeDraft {
    pub(super) fn new(kind: &'static str) -> Self {
        Self { kind, ..Self::default() }
    }
}

impl Lower<'_> {
    pub(super) fn probe_setting(&mut self, word: &str, node: &Node<'_>, draft: &mut ProbeDraft) {
        match word {
            "payload" => draft.payload = self.bytes(node),
            "require_reply" => draft.reply = self.half_bytes(node),
            "min_reply_length" => draft.lengths.0 = self.whole_as(node),
            "max_reply_length" => draft.lengths.1 = self.whole_as(node),
            "type" => {
                draft.dns_type = self.one(node).and_then(|word| self.choice(word, &DnsType::ALL));
            }
            "name" if draft.kind == "DNS_CHECK" => draft.dns_name = self.dns_name(node),
            "name" | "track_file" => draft.name = self.text(node),
            "helo_name" => draft.helo = self.text(node),
            "misc_path" => {
                draft.has_command = true;
                draft.command = self.bare_command(node);
            }
            "misc_timeout" => draft.timeout = self.time(node),
            "misc_dynamic" => draft.dynamic = self.flag(node),
            "user" => draft.user = self.account(node),
            "weight" => draft.weight = self.file_weight(node),
            _ => {}
        }
    }

    /// What the draft becomes. `None`: it is not whole, and that is reported.
    pub(super) fn probe(&mut self, node: &Node<'_>, draft: &ProbeDraft, names: &Names) -> Option<ProbeKind> {
        Some(match draft.kind {
            "UDP_CHECK" => {
                let (min_reply, max_reply) = ProbeKind::REPLY;
                let (min_reply, max_reply) =
                    (draft.lengths.0.unwrap_or(min_reply), draft.lengths.1.unwrap_or(max_reply));
                if min_reply > max_reply {
                    let message =
                        format!("the shortest reply, {min_reply}, is longer than the longest, {max_reply}");
                    self.adjusted(node.span(), message, "the check always fails");
                }
                let (payload, reply) = (draft.payload.clone(), draft.reply.clone());
                ProbeKind::Udp { payload, reply, min_reply, max_reply }
            }
            "PING_CHECK" => ProbeKind::Ping,
            "DNS_CHECK" => ProbeKind::Dns {
                kind: draft.dns_type.unwrap_or_default(),
                name: draft.dns_name.clone().unwrap_or_default(),
            },
            "SMTP_CHECK" => ProbeKind::Smtp { helo: draft.helo.clone() },
            "MISC_CHECK" => {
                if !draft.has_command {
                    self.required(node, "the check has no command", "add `misc_path \"COMMAND\"`");
                }
                let command = draft.command.clone()?;
                let command = Command { account: draft.user.clone(), ..command };
                ProbeKind::Misc {
                    command: Box::new(command),
                    timeout: draft.timeout.filter(|timeout| !timeout.is_zero()),
                    dynamic: draft.dynamic,
                }
            }
            "BFD_CHECK" => {
                let name = self.known(node, draft.name.as_deref(), "name", &names.bfd, "bfd_instance")?;
                if let Some(span) = node.span()
                    && self.untold(Listener::Checker, &name, span, names)
                {
                    return None;
                }
                ProbeKind::Bfd { name }
            }
            _ => {
                let name =
                    self.known(node, draft.name.as_deref(), "track_file", &names.files, "track_file")?;
                ProbeKind::File { name, weight: draft.weight }
            }
        })
    }

    fn known(
        &mut self,
        node: &Node<'_>,
        name: Option<&str>,
        word: &str,
        known: &BTreeMap<String, Span>,
        what: &str,
    ) -> Option<String> {
        let Some(name) = name else {
            self.required(node, format!("`{word}` is missing"), &format!("add `{word} NAME`"));
            return None;
        };
        if !known.contains_key(name)
            && let Some(span) = node.span()
        {
            let message = format!("there is no `{what} {name}`");
            self.report(
                Diagnostic::error(Code::Undefined, span, message)
                    .consequence("the real server would not be checked"),
            );
            return None;
        }
        Some(name.to_owned())
    }

    fn dns_name(&mut self, node: &Node<'_>) -> Option<DnsName> {
        let word = self.one(node)?;
        match DnsName::new(word.text) {
            Ok(name) => Some(name),
            Err(why) => {
                self.report(
                    Diagnostic::error(Code::BadName, word.span, why.to_string())
                        .expected("parts of 1 to 63 bytes with dots between them, 255 bytes in all"),
                );
                None
            }
        }
    }

    /// Hexadecimal digits, with blanks between them as one likes.
    fn bytes(&mut self, node: &Node<'_>) -> Option<Vec<u8>> {
        if arguments(node).is_empty() {
            self.missing(node);
            return None;
        }
        let digits = self.half_bytes(node)?;
        let pairs = digits.chunks(2).map(|pair| match pair {
            [Some(high), Some(low)] => Some(high << 4 | low),
            _ => None,
        });
        let bytes: Option<Vec<u8>> = pairs.collect();
        if bytes.as_ref().is_none_or(Vec::is_empty)
            && let Some(span) = node.span()
        {
            let message = "the payload is not made of bytes";
            self.report(
                Diagnostic::error(Code::BadNumber, span, message)
                    .expected("an even number of hexadecimal digits"),
            );
            return None;
        }
        bytes
    }

    /// Hexadecimal digits; `x` is any.
    fn half_bytes(&mut self, node: &Node<'_>) -> Option<Vec<Option<u8>>> {
        let mut digits = Vec::new();
        for word in arguments(node) {
            for c in word.text.chars().filter(|c| !c.is_whitespace()) {
                let digit = c.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                if digit.is_none() && !matches!(c, 'x' | 'X') {
                    let message = format!("`{c}` is no hexadecimal digit");
                    self.report(Diagnostic::error(Code::BadNumber, word.span, message));
                    return None;
                }
                digits.push(digit);
            }
        }
        Some(digits)
    }

    /// `NUMBER [reverse|noreverse]`, of 32 bits.
    fn file_weight(&mut self, node: &Node<'_>) -> Option<FileWeight> {
        let Some((number, rest)) = arguments(node).split_first() else {
            self.missing(node);
            return None;
        };
        let number = self.whole_of(node, number)?;
        let reverse = match rest.first() {
            None => false,
            Some(word) => self.choice(word, &[("reverse", true), ("noreverse", false)])?,
        };
        Some(FileWeight { number: i32::try_from(number).ok()?, reverse })
    }
}
