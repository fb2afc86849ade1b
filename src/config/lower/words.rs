//! What is said of statements with too few words or too many, of settings that are absent, and of settings that are adjusted.

use super::{Lower, arguments};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords::shape::{Format, Header, Shape};
use crate::config::keywords::{self, Keyword, examples};
use crate::config::slips;
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

impl Lower<'_> {
    /// A setting that must be there and is not.
    pub(super) fn required(&mut self, node: &Node<'_>, message: impl Into<String>, help: &str) {
        let damaged = node.body.as_ref().is_some_and(|body| body.damaged.get());
        if let (Some(span), false) = (node.span(), damaged) {
            self.report(Diagnostic::error(Code::Required, span, message).help(help));
        }
    }

    /// A setting that is absent, and what counts then. Nothing is said of a block of which a part was not
    /// understood: the setting may have been in it.
    pub(super) fn absent(&mut self, node: &Node<'_>, message: &str, consequence: &str) {
        if node.body.as_ref().is_some_and(|body| !body.damaged.get()) {
            self.adjusted(node.span(), message, consequence);
        }
    }

    /// A place where keepalived does something else than it says.
    pub(super) fn portable(&mut self, span: Span, message: &'static str, consequence: &'static str) {
        // keepalived reads no JSON.
        if self.sources.is_json() {
            return;
        }
        let block = self.around();
        self.grouped(message, span, || Diagnostic {
            block,
            ..Diagnostic::note(Code::Portable, span, message).consequence(consequence)
        });
    }

    /// A setting that contradicts another and is adjusted.
    pub(super) fn adjusted(
        &mut self,
        span: Option<Span>,
        message: impl Into<String>,
        consequence: impl Into<String>,
    ) {
        if let Some(span) = span {
            self.report(Diagnostic::warning(Code::Conflict, span, message).consequence(consequence));
        }
    }

    /// Words that are one too few.
    pub(super) fn missing(&mut self, node: &Node<'_>) {
        let Some((keyword, word)) = node.keyword.zip(node.words.last()) else { return };
        let message = format!("`{}` needs a value", keyword.word());
        let end = Span { start: word.span.end, ..word.span };
        self.report(
            Diagnostic::error(Code::MissingArgument, word.span.to(end), message)
                .label("nothing follows")
                .expected(usage(keyword)),
        );
    }

    /// Words that are too many. Keepalived reports them behind names and in front of lists, and reads over them
    /// elsewhere.
    pub(super) fn surplus(&mut self, node: &Node<'_>, word: &Word<'_>) {
        let Some(keyword) = node.keyword else { return };
        let named_once = matches!(keyword.path, "vrrp_instance" | "vrrp_sync_group");
        let refused = keyword.is_value_block() || named_once;
        let one_too_many = |span, message, refused| match refused {
            true => Diagnostic::error(Code::SurplusArgument, span, message),
            false => Diagnostic::warning(Code::SurplusArgument, span, message),
        };
        if let Some(sign) = arguments(node).first().filter(|first| matches!(first.text, "=" | ":")) {
            let message = format!("`{}` is read as the value of `{}`", sign.text, keyword.word());
            let diagnostic = one_too_many(sign.span, message, refused || !takes_any_text(keyword));
            let help = slips::slip(sign.text).map(|slip| slip.help).unwrap_or_default();
            self.report(diagnostic.expected(usage(keyword)).help(help));
            return;
        }
        if word.text == "\\" {
            let message = "a `\\` at the end of a line".to_owned();
            let diagnostic = one_too_many(word.span, message, refused || !takes_any_text(keyword));
            let help = slips::slip(word.text).map(|slip| slip.help).unwrap_or_default();
            self.report(diagnostic.consequence("keepalived takes it for the end of the value").help(help));
            return;
        }
        if keywords::places(word.text).iter().any(|place| place.block() == keyword.block()) {
            let message = format!("`{}` stands on the line of `{}`", word.text, keyword.word());
            self.report(
                one_too_many(word.span, message, refused)
                    .consequence("it does not count, in keepalived neither: one statement a line")
                    .help(format!("begin a new line in front of `{}`", word.text)),
            );
            return;
        }
        let secret = matches!(keyword.word(), "auth_pass" | "key" | "password");
        let message = match secret {
            true => format!("`{}` has one word too many", keyword.word()),
            false => format!("`{}` is one word too many", word.text),
        };
        let diagnostic = one_too_many(word.span, message, refused).expected(usage(keyword));
        self.report(match refused {
            true => diagnostic,
            false => diagnostic.consequence("it is ignored, as keepalived does"),
        });
    }
}

/// Whether keepalived takes any word as the value, so that one with a sign of another language is no error.
fn takes_any_text(keyword: &Keyword) -> bool {
    use Format::{Any, File, Interface, Name};
    let text = match keyword.first() {
        Some(Shape::Text(format)) => matches!(format, Any | File | Interface | Name),
        Some(Shape::Pattern | Shape::Command | Shape::Script) => true,
        _ => false,
    };
    text || keyword.path == "vrrp_instance/state"
}

/// `priority <INT>: 1..255; …`.
fn usage(keyword: &Keyword) -> String {
    if matches!(keyword.shape(), Some(Shape::Flag | Shape::Block(Header::None, _))) {
        return format!("`{}` alone", keyword.word());
    }
    let usage = match keyword.limits().as_str() {
        "" => format!("`{} {}`", keyword.word(), keyword.args()),
        limits => format!("`{} {}`: {limits}", keyword.word(), keyword.args()),
    };
    let example = examples::statement(keyword);
    let line =
        example.lines().map(str::trim_start).find(|line| line.split(' ').next() == Some(keyword.word()));
    match line.map(|line| line.trim_end_matches(" {")).filter(|line| line.contains(' ')) {
        Some(line) => format!("{usage}; for example `{line}`"),
        None => usage,
    }
}
