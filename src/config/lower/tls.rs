//! What a check over TLS demands: the words that begin with `tls_`, but for `tls_compliant`.

use std::collections::BTreeSet;

use super::Lower;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    HttpCheck, HttpUrl, TlsDemands, TlsName, TlsVersion, Trust, is_short_enough, without_port,
};
use crate::config::source::Span;
use crate::config::tree::Node;
use crate::text::shown;

/// What comes of a line that is wrong.
const CANNOT_ASK: &str = "its checks cannot ask without it: the verdicts of their real servers stay";

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
    /// What one of them says is wrong, and that is reported; a warning is none of those.
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
        let known = match word {
            "tls_verify" => {
                let trust = self.trust(node);
                let known = trust.is_some();
                demands.trust = trust.unwrap_or_default();
                known
            }
            "tls_name" => {
                draft.name = span;
                demands.name = self.tls_name(node);
                demands.name.is_some()
            }
            "tls_min_version" => {
                draft.oldest = span;
                demands.oldest = self.tls_version(node);
                demands.oldest.is_some()
            }
            "tls_max_version" => {
                draft.newest = span;
                demands.newest = self.tls_version(node);
                demands.newest.is_some()
            }
            _ => {
                demands.warn_days = self.whole_as(node);
                true
            }
        };
        if let Some(span) = span.filter(|_| !known) {
            self.diagnostics.comes_of(span, CANNOT_ASK);
        }
        draft.damaged |= !known;
    }

    /// `None`: nothing is demanded. `sent`: the name is sent in the handshake, too.
    pub(super) fn whole_tls(&mut self, draft: TlsDraft, sent: bool) -> Option<Box<TlsDemands>> {
        let TlsDraft { mut demands, name, oldest, newest, damaged, .. } = draft;
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
        if damaged {
            // Whatever was meant, it is more than nothing: nobody comes up or stays down by a check that leaves it out.
            demands.trust = Trust::Unknown;
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

    fn tls_version(&mut self, node: &Node<'_>) -> Option<TlsVersion> {
        self.one(node).and_then(|word| self.choice(word, &TlsVersion::ALL))
    }

    /// Whom the requests of `check` are for is a name that can be told and compared, where it must be.
    pub(super) fn told_names(&mut self, check: &HttpCheck, span: Option<Span>) {
        let Some(span) = span else { return };
        let demands = check.demands.as_deref();
        let verified = demands.filter(|demands| !matches!(demands.trust, Trust::Anybody | Trust::Unknown));
        let follows = |url: &HttpUrl| url.more.as_ref().is_some_and(|more| more.redirects > 0);
        let hosts = check.urls.iter().filter(|url| verified.is_some() || follows(url));
        let hosts = hosts.filter_map(|url| url.virtualhost.as_deref());
        let names: BTreeSet<&str> = check.sni.as_deref().into_iter().chain(hosts).collect();
        for name in names {
            if !is_short_enough(without_port(name)) {
                let message = format!("no handshake can tell the name `{}`: it is too long", shown(name, 40));
                self.report(
                    Diagnostic::error(Code::BadName, span, message)
                        .expected("253 bytes, 63 between two dots, or fewer")
                        .consequence("the check would fail"),
                );
            }
        }
        if verified.is_none_or(|demands| demands.name.is_some()) {
            return;
        }
        let compared = |url: &'_ HttpUrl| check.sni.clone().or_else(|| url.virtualhost.clone());
        let compared: BTreeSet<String> = check.urls.iter().filter_map(compared).collect();
        for name in compared {
            if is_short_enough(without_port(&name)) && TlsName::of_host(&name).is_none() {
                let message = format!("no certificate can be for `{}`", name.escape_debug());
                self.report(
                    Diagnostic::error(Code::BadName, span, message)
                        .consequence("`tls_verify` compares them: the check would fail")
                        .help("add `tls_name NAME`, or change `virtualhost` or `sni_name`"),
                );
            }
        }
    }
}
