//! `authentication`, `auth_hmac`: which adverts count.

use super::super::{Lower, arguments, inside};
use super::Draft;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Authentication, Family, Hmac, HmacKey, HmacMode, Secret, Version};
use crate::config::source::Span;
use crate::config::tree::Node;
use crate::text::unhex;

/// Fewest and most bytes of a key of `auth_hmac`.
const KEY: std::ops::RangeInclusive<usize> = 32..=64;

impl Lower<'_> {
    pub(super) fn authentication(&mut self, node: &Node<'_>, draft: &mut Draft) {
        let (mut kind, mut password, mut has_password) = (None, None, false);
        self.no_words(node);
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "auth_type" => kind = lower.one(node).map(|word| (word.text, word.span)),
                "auth_pass" => {
                    has_password = true;
                    let word = lower.one(node).and_then(|word| lower.secret(word));
                    password = word.map(|word| (word.text, word.span));
                }
                _ => {}
            });
        });
        let comment =
            password.as_ref().and_then(|(_, span)| Some((*span, self.sources.comment_behind(*span)?)));
        if let Some((word, comment)) = comment.filter(|(word, comment)| comment.start == word.end)
            && !self.sources.text(word).starts_with('\'')
        {
            let sign = Span { end: comment.start + 1, ..comment };
            self.report(
                Diagnostic::warning(Code::Quote, sign, "the password ends at this comment sign")
                    .label("the rest of the line is a comment, as in keepalived")
                    .help(
                        "put the password between double quotes, on every node at once: its end is not sent now",
                    ),
            );
        }
        match (kind.as_ref().map(|(kind, span)| (&**kind, *span)), &password) {
            (Some((kind @ ("PASS" | "AH"), _)), Some((password, span))) => {
                if password.len() > 8 {
                    let message = format!("`auth_pass` has {} characters", password.len());
                    self.report(
                        Diagnostic::warning(Code::Conflict, *span, message)
                            .consequence("only the first 8 count, as in keepalived")
                            .help(match kind {
                                "PASS" => {
                                    "shorten it to 8 on every node; it travels in clear text, so take one that \
                                     protects nothing else"
                                }
                                _ => "shorten it to 8 on every node",
                            }),
                    );
                }
                if password.is_empty() {
                    self.report(Diagnostic::error(Code::BadName, *span, "the password is empty"));
                }
                let mut bytes = [0; 8];
                bytes.iter_mut().zip(password.bytes()).for_each(|(to, from)| *to = from);
                let authentication =
                    if kind == "AH" { Authentication::Ah(bytes) } else { Authentication::Pass(bytes) };
                // Of two blocks the second counts.
                draft.authentication = node.span().map(|span| (authentication, span));
            }
            (Some(("PASS" | "AH", _)), None) if has_password => {}
            (Some((kind @ ("PASS" | "AH"), _)), None) => {
                let message = format!("`auth_type {kind}` needs a password");
                self.required(node, message, "add `auth_pass PASSWORD`");
            }
            (Some((kind, span)), _) => self.report(
                Diagnostic::error(Code::BadChoice, span, format!("`{kind}` is no kind of authentication"))
                    .expected("PASS or AH"),
            ),
            (None, _) => {
                self.absent(
                    node,
                    "`authentication` without `auth_type`",
                    "adverts are sent and accepted without authentication, as keepalived does",
                );
            }
        }
    }

    pub(super) fn usable_authentication(
        &mut self,
        given: Option<(Authentication, Span)>,
        (family, version): (Family, Version),
        strict: bool,
    ) -> Authentication {
        match given {
            Some((_, span)) if strict && version == Version::V2 => {
                self.adjusted(
                    Some(span),
                    "the strict mode knows no authentication",
                    "adverts are sent and accepted without the password, as keepalived does; a node without \
                     `vrrp_strict` drops them: both are masters",
                );
                Authentication::None
            }
            Some((_, span)) if version == Version::V3 => {
                self.adjusted(
                    Some(span),
                    "VRRP version 3 has no authentication",
                    "adverts are sent and accepted without the password, as keepalived does",
                );
                Authentication::None
            }
            Some((Authentication::Ah(_), span)) if family == Family::Ipv6 => {
                self.adjusted(
                    Some(span),
                    "`auth_type AH` is for IPv4 only",
                    "adverts are sent and accepted without authentication, as keepalived does",
                );
                Authentication::None
            }
            Some((authentication, span)) if family == Family::Ipv6 => {
                self.adjusted(
                    Some(span),
                    "over IPv6 an advert has no room for a password",
                    "adverts say that they have one, and are accepted whatever it is; keepalived 2.2.7 dies of such an \
                     advert: delete the block on both nodes",
                );
                authentication
            }
            given => given.map_or(Authentication::None, |(authentication, _)| authentication),
        }
    }

    pub(super) fn hmac(&mut self, node: &Node<'_>) -> Option<Hmac> {
        const MODES: [(&str, HmacMode); 3] = [
            ("enforce", HmacMode::Enforce),
            ("permissive", HmacMode::Permissive),
            ("receive-only", HmacMode::ReceiveOnly),
        ];
        self.no_words(node);
        let mut keys: Vec<(u8, HmacKey)> = Vec::new();
        let mut active: Option<(u8, Span)> = None;
        let (mut window, mut monotonic, mut mode) = (None, false, HmacMode::default());
        let mut has_key = false;
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "key" => {
                    has_key = true;
                    lower.hmac_key(node, &mut keys);
                }
                "active_key" => active = lower.whole_as(node).zip(node.span()),
                "time_window" => window = lower.whole_as(node),
                "anti_replay" => {
                    let choices = [("monotonic", true), ("time", false)];
                    monotonic =
                        lower.one(node).and_then(|word| lower.choice(word, &choices)).unwrap_or(false);
                }
                _ => mode = lower.one(node).and_then(|word| lower.choice(word, &MODES)).unwrap_or_default(),
            });
            match active {
                None => lower.required(node, "no key is active", "add `active_key NUMBER`"),
                Some((active, span)) if has_key && !keys.iter().any(|(number, _)| *number == active) => {
                    let message = format!("there is no key {active}");
                    lower.report(
                        Diagnostic::error(Code::Undefined, span, message)
                            .consequence("keepalived sends and accepts adverts without a signature then"),
                    );
                }
                Some(_) => {}
            }
            if !has_key {
                lower.required(node, "there is no key", "add `key NUMBER TEXT`");
            }
        });
        Some(Hmac { keys, active: active?.0, window, monotonic, mode })
    }

    /// `key NUMBER TEXT|hex:HEX|file:PATH`. The key itself is never shown.
    fn hmac_key(&mut self, node: &Node<'_>, keys: &mut Vec<(u8, HmacKey)>) {
        let [number, value, rest @ ..] = arguments(node) else {
            self.missing(node);
            return;
        };
        if let Some(surplus) = rest.first() {
            self.surplus(node, surplus);
        }
        let number = self.whole_behind(node.keyword, "", number);
        let (Some(number), Some(value)) = (number, self.secret(value)) else { return };
        if keys.iter().any(|(other, _)| *other == number) {
            let message = format!("key {number} is given twice");
            self.report(Diagnostic::error(Code::Duplicate, value.span, message));
            return;
        }
        if let Some(path) = value.text.strip_prefix("file:") {
            keys.push((number, HmacKey::File(path.to_owned())));
            return;
        }
        let bytes = match value.text.strip_prefix("hex:") {
            None => Some(value.text.as_bytes().to_vec()),
            Some(digits) => unhex(digits),
        };
        match bytes.filter(|bytes| KEY.contains(&bytes.len())) {
            Some(bytes) => keys.push((number, HmacKey::Given(Secret(bytes)))),
            None => self.report(
                Diagnostic::error(Code::BadName, value.span, "the key is no key of `auth_hmac`")
                    .expected("32 to 64 characters, hex: and 64 to 128 digits, or file: and a path"),
            ),
        }
    }
}
