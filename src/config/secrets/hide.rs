//! Passwords and keys out of the texts of diagnostics.
//!
//! In: diagnostics, and the words that nobody may see. Out: the same diagnostics with stars where they named one.

use crate::config::diagnostic::Diagnostic;
use crate::config::model::HIDDEN;
use crate::config::source::{Span, first_bytes};

/// Longer words are looked for by their start: texts of diagnostics are cut.
const START: usize = 40;
/// Shorter words are replaced only where they stand between backticks.
const SHORT: usize = 4;

/// Hides each word in the diagnostics that are about it. `secrets`: the words with their places.
pub(in crate::config) fn hide(list: &mut [Diagnostic], mut secrets: Vec<(Span, &str)>) {
    secrets.retain(|(_, text)| !text.is_empty());
    secrets.sort_unstable_by_key(|(span, _)| *span);
    if secrets.is_empty() {
        return;
    }
    for one in list {
        let fix = one.fix.as_ref().map(|fix| fix.span);
        let related = one.related.iter().map(|(span, _)| *span);
        let spans: Vec<Span> = one.span.into_iter().chain(fix).chain(related).collect();
        for span in spans {
            let from = secrets
                .partition_point(|(secret, _)| (secret.source, secret.end) < (span.source, span.start));
            let near = secrets
                .iter()
                .skip(from)
                .take_while(|(secret, _)| secret.source == span.source && secret.start <= span.end);
            for (_, text) in near {
                hide_in(one, text);
            }
        }
    }
}

fn hide_in(one: &mut Diagnostic, secret: &str) {
    let decoded = secret.replace("\\#", "#").replace("\\!", "!");
    let texts = [&mut one.message, &mut one.label].into_iter();
    let more = [&mut one.block, &mut one.expected, &mut one.consequence, &mut one.help];
    let related = one.related.iter_mut().map(|(_, label)| label);
    let fix = one.fix.iter_mut().map(|fix| &mut fix.replacement);
    for text in texts.chain(more.into_iter().flatten()).chain(related).chain(fix) {
        for secret in [secret, &*decoded] {
            hide_text(text, secret);
        }
    }
}

fn hide_text(text: &mut String, secret: &str) {
    if secret.len() > START {
        if let Some(at) = text.find(first_bytes(secret, START)) {
            text.truncate(at);
            text.push_str(HIDDEN);
        }
    } else if secret.len() < SHORT {
        *text = text.replace(&format!("`{secret}`"), &format!("`{HIDDEN}`"));
    } else if text.contains(secret) {
        *text = text.replace(secret, HIDDEN);
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::config::diagnostic::Format;
    use crate::config::source::Texts;
    use crate::config::{Options, load};

    #[test]
    fn messages_name_no_password() {
        let long = "y".repeat(400);
        let cases = [
            "vrrp_instance A {\ntrack_interface {\nauth_pass hunter22\n",
            "auth_pass hunter22 {\nx {\n",
            "virtual_server 10.0.0.1 80 {\npassword hunter22 {\nreal_server {\n",
            "vrrp_instance auth_pass hunter22 {\n}\n",
            &format!("vrrp_instance A {{\ntrack_script {{\nauth_pass hunter22{long}\n"),
            "virtual_server 10.0.0.1 80 {\nreal_server 10.0.0.2 80 {\nHTTP_GET {\nurl {\nheader \"Authorization: hunter22\"\n\
             auth_basic_file hunter22\nheader \"X hunter22: a\"\n}\n}\n}\n}\n",
            "$P=hunter22\nstatic_ipaddress {\nauth_pass $P\n}\n",
        ];
        for text in cases {
            let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
            for format in [Format::Human, Format::Line, Format::Json, Format::Sarif] {
                let said = loaded.render(format, false);
                assert!(!said.contains("hunter22"), "{text}\n{said}");
            }
        }
    }
}
