//! What a check over TLS demands: the words that begin with `tls_`, but for `tls_compliant`.

use super::Lower;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{TlsDemands, TlsName, TlsVersion, Trust};
use crate::config::source::Span;
use crate::config::tree::Node;

/// Whether it is one of them.
pub(super) fn is_demand(word: &str) -> bool {
    matches!(word, "tls_verify" | "tls_name" | "tls_min_version" | "tls_max_version" | "tls_expiry_warning")
}

/// What the file says.
#[derive(Default)]
pub(super) struct TlsDraft {
    demands: TlsDemands,
    /// Where they stand.
    first: Option<(&'static str, Span)>,
    name: Option<Span>,
    oldest: Option<Span>,
    newest: Option<Span>,
    /// What `tls_verify` or `tls_name` says is wrong, and that is reported.
    damaged: bool,
}

impl TlsDraft {
    /// The first of the words, and where it stands.
    pub(super) fn first(&self) -> Option<(&'static str, Span)> {
        self.first
    }
}

impl Lower<'_> {
    pub(super) fn tls_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut TlsDraft) {
        let span = node.span();
        draft.first = draft.first.or(span.map(|span| (word, span)));
        let demands = &mut draft.demands;
        match word {
            "tls_verify" => {
                let trust = self.trust(node);
                draft.damaged |= trust.is_none();
                demands.trust = trust.unwrap_or_default();
            }
            "tls_name" => {
                draft.name = span;
                demands.name = self.tls_name(node);
                draft.damaged |= demands.name.is_none();
            }
            "tls_min_version" => {
                draft.oldest = span;
                demands.oldest = self.one(node).and_then(|word| self.choice(word, &TlsVersion::ALL));
            }
            "tls_max_version" => {
                draft.newest = span;
                demands.newest = self.one(node).and_then(|word| self.choice(word, &TlsVersion::ALL));
            }
            _ => demands.warn_days = self.whole_as(node),
        }
    }

    /// `None`: nothing is demanded. `sent`: the name is sent in the handshake, too.
    pub(super) fn whole_tls(&mut self, draft: TlsDraft, sent: bool) -> Option<Box<TlsDemands>> {
        let TlsDraft { demands, name, oldest, newest, damaged, .. } = draft;
        if let (Some(low), Some(high), Some(span)) = (demands.oldest, demands.newest, newest)
            && high < low
        {
            let message =
                format!("`tls_max_version {}` is below `tls_min_version {}`", high.name(), low.name());
            let diagnostic = Diagnostic::error(Code::Conflict, span, message)
                .consequence("there is no version between them: every handshake would fail");
            self.report(match oldest {
                Some(oldest) => diagnostic.related(oldest, "`tls_min_version` is here"),
                None => diagnostic,
            });
        }
        if demands.trust == Trust::Anybody && !sent && !damaged {
            self.adjusted(
                name,
                "`tls_name` without `tls_verify`",
                "nobody looks whom the certificate is for",
            );
        }
        (demands != TlsDemands::default()).then(|| Box::new(demands))
    }

    fn trust(&mut self, node: &Node<'_>) -> Option<Trust> {
        let word = self.one(node)?;
        let trust = Trust::new(word.text);
        if trust.is_none() {
            let message = format!("`{}` is no path from the root", word.text.escape_debug());
            self.report(
                Diagnostic::error(Code::BadName, word.span, message)
                    .expected("none, system, or the absolute path of a file with certificates in PEM"),
            );
        }
        trust
    }

    fn tls_name(&mut self, node: &Node<'_>) -> Option<TlsName> {
        let word = self.one(node)?;
        let name = TlsName::new(word.text);
        if name.is_none() {
            let message = format!("no certificate can be for `{}`", word.text.escape_debug());
            self.report(
                Diagnostic::error(Code::BadName, word.span, message)
                    .expected(
                        "an address, or a name in ASCII without a wildcard, a port and a dot at its end",
                    )
                    .help("a name with other letters is written as it is sent: `xn--…`"),
            );
        }
        name
    }
}
