//! Lints of mail alerts: those that reach nobody.

use super::places::inside;
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::model::Model;
use crate::config::source::Span;
use crate::config::tree::Node;

pub(super) fn lint(lints: &mut Lints<'_>, tree: &[Node<'_>], model: &Model) {
    let mail = &model.globals.mail;
    let (server, recipients) = (mail.server.is_some(), !mail.to.is_empty());
    if server && recipients {
        return;
    }
    let (message, help) = match (server, recipients) {
        (false, true) => {
            ("no mail is sent: there are recipients, and no server", "add `smtp_server ADDRESS`")
        }
        (true, _) => ("no mail is sent: there is no recipient", "add `notification_email { NAME@HOST }`"),
        (false, false) => (
            "no mail is sent: there are no recipients and no server",
            "add `notification_email { NAME@HOST }` and `smtp_server ADDRESS` to `global_defs`",
        ),
    };
    let span = match recipients {
        true => first(tree, &|node| is(node, "notification_email")),
        false => first(tree, &asks).filter(|_| !lints.is_full(Code::MailToNobody)),
    };
    if let Some(span) = span {
        lints.report(
            lint_at(Code::MailToNobody, span, message)
                .consequence("nobody hears of what happens, as with keepalived")
                .help(help),
        );
    }
}

/// `smtp_alert` and its kin, switched on; those of sync groups have their own message.
fn asks(node: &Node<'_>) -> bool {
    let on = |node: &Node<'_>| {
        let value = node.words.get(1).map(|word| word.text.to_ascii_lowercase());
        !value.is_some_and(|value| matches!(value.as_str(), "off" | "no" | "false"))
    };
    ["smtp_alert", "smtp_alert_vrrp", "smtp_alert_checker"].iter().any(|word| is(node, word)) && on(node)
}

fn is(node: &Node<'_>, word: &str) -> bool {
    node.keyword.is_some_and(|row| row.word() == word)
}

/// The first one, in the order of the file.
fn first(nodes: &[Node<'_>], wanted: &impl Fn(&Node<'_>) -> bool) -> Option<Span> {
    nodes.iter().find_map(|node| match wanted(node) {
        true => node.span(),
        false if is(node, "vrrp_sync_group") => None,
        false => first(inside(node), wanted),
    })
}

#[cfg(test)]
mod tests {
    use crate::config::diagnostic::Code;
    use crate::config::source::Texts;
    use crate::config::{Options, load};
    use std::path::Path;

    fn said(text: &str) -> Vec<String> {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        let found = loaded.diagnostics.iter().filter(|one| one.code == Code::MailToNobody);
        found.map(|one| format!("{} ({})", one.message, loaded.sources.text(one.span.unwrap()))).collect()
    }

    #[test]
    fn alerts_that_reach_nobody_are_said_once() {
        let globals = |text: &str| said(&format!("global_defs {{\n{text}\n}}\n"));
        let (to, server) = ("notification_email {\na@b\n}", "smtp_server 127.0.0.1");
        assert_eq!(globals(""), [""; 0]);
        assert_eq!(globals(server), [""; 0]);
        assert_eq!(globals("smtp_alert off"), [""; 0]);
        assert_eq!(globals(&format!("{to}\n{server}\nsmtp_alert")), [""; 0]);
        let one = globals(&format!("{to}\nsmtp_alert"));
        assert!(matches!(one.as_slice(), [one] if one.contains("no server (notification_email")), "{one:?}");
        let one = globals(&format!("{server}\nsmtp_alert_vrrp on"));
        assert!(matches!(one.as_slice(), [one] if one.contains("no recipient (smtp_alert_vrrp")), "{one:?}");
        // A list of which no word is an address is none.
        let one = globals(&format!("{server}\nsmtp_alert\nnotification_email {{\na@\n}}"));
        assert_eq!(one.len(), 1);
        let instance = "vrrp_instance V {\ninterface eth0\nvirtual_router_id 1\nsmtp_alert\nvirtual_ipaddress {\n\
                        10.0.0.1\n}\n}\n";
        let one = said(instance);
        assert!(matches!(one.as_slice(), [one] if one.contains("no recipients and no server")), "{one:?}");
    }
}
