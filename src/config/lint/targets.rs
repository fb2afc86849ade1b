//! Lints of what an HTTP check asks for: the path, and the name of the server.

use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// Every `path` and `virtualhost`, wherever it stands.
pub(super) fn lint(lints: &mut Lints<'_>, nodes: &[Node<'_>]) {
    for node in nodes {
        match (node.keyword.map(|row| row.word()), node.words) {
            (Some("path"), [_, path, ..]) => target(lints, node, path),
            (Some("virtualhost" | "sni_name"), [_, name, ..]) => host(lints, name),
            _ => {}
        }
        lint(lints, super::places::inside(node));
    }
}

fn target(lints: &mut Lints<'_>, node: &Node<'_>, path: &Word<'_>) {
    let text = path.text;
    if let Some(sign) = cut_off(lints, path) {
        let message = format!("the path ends at a `{sign}`, which starts a comment");
        lints.report(odd(path.span, message).consequence(format!("the server is asked for `{text}`")).help(
            format!("put the path between double quotes with `\\{sign}`, or write %{:02X}", sign as u32),
        ));
    }
    if let Some(c) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
        let message = format!("the path has a blank in it (U+{:04X})", u32::from(c));
        lints.report(
            odd(path.span, message)
                .consequence("a server takes what stands in front of it for the path, and refuses the rest")
                .fix(path.span, quoted_like(lints, path, &text.replace(' ', "%20"))),
        );
    } else if let Some(c) = text.chars().find(|c| !c.is_ascii() || *c == '"') {
        let message = format!("the path has `{c}` in it (U+{:04X})", u32::from(c));
        lints.report(
            odd(path.span, message)
                .consequence("it is sent as it stands; a browser would send other bytes, with % in front")
                .help("write the path as the log of the server shows it"),
        );
    }
    if !text.starts_with('/') && !text.starts_with("http://") && text != "*" && node.words.len() == 2 {
        let message = format!("the path `{text}` does not start with a slash");
        lints.report(
            odd(path.span, message)
                .consequence("most servers answer 400 to such a request, and are taken out")
                .fix(path.span, quoted_like(lints, path, &format!("/{text}"))),
        );
    }
}

fn host(lints: &mut Lints<'_>, name: &Word<'_>) {
    let bad = |c: char| c.is_whitespace() || c.is_control() || !c.is_ascii() || "/\"'@?#".contains(c);
    if let Some(c) = name.text.chars().find(|c| bad(*c)) {
        let message = format!("the name `{}` has a sign in it that no host has: `{c}`", name.text);
        lints.report(
            odd(name.span, message)
                .expected("a name such as www.example.com, or NAME:PORT")
                .consequence("servers answer 400 to it, and are taken out"),
        );
    }
}

fn odd(span: Span, message: String) -> crate::config::diagnostic::Diagnostic {
    lint_at(Code::OddTarget, span, message)
}

/// The comment sign that stands right behind a word.
fn cut_off(lints: &Lints<'_>, word: &Word<'_>) -> Option<char> {
    let comment = lints.sources.comment_behind(word.span).filter(|comment| comment.start == word.span.end)?;
    lints.sources.text(comment).chars().next()
}

/// The text with the quotes that the word has in the file.
fn quoted_like(lints: &Lints<'_>, word: &Word<'_>, text: &str) -> String {
    match lints.sources.text(word.span).starts_with('"') {
        true => format!("\"{text}\""),
        false => text.to_owned(),
    }
}
