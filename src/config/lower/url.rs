//! What a `url` can say that keepalived has no words for.

use super::{Lower, arguments};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    Credential, Header, HeaderError, JsonValue, Method, Scheme, StatusCodes, UrlMore,
};
use crate::config::source::Span;
use crate::config::tree::Node;

/// The words.
const WORDS: [&str; 11] = [
    "json_pointer",
    "follow_redirects",
    "auth_basic_file",
    "auth_bearer_file",
    "body",
    "contains",
    "contains_not",
    "header",
    "max_size",
    "max_time",
    "method",
];

/// Whether it is one of them.
pub(super) fn is_more(word: &str) -> bool {
    WORDS.contains(&word)
}

/// What the file says.
#[derive(Default)]
pub(super) struct MoreDraft {
    more: UrlMore,
    /// Where `method` and `body` stand.
    method: Option<Span>,
    body: Option<Span>,
    /// Where `follow_redirects` stands.
    redirects: Option<Span>,
    credential: Option<(&'static str, Span)>,
    /// Where something is asked of the body of the answer.
    reads: Option<(&'static str, Span)>,
}

impl Lower<'_> {
    pub(super) fn more_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut MoreDraft) {
        let more = &mut draft.more;
        match word {
            "method" => {
                draft.method = node.span();
                let method = self.one(node).and_then(|word| self.choice(word, &Method::ALL));
                more.method = method.unwrap_or_default();
            }
            "header" => more.headers.extend(self.header_line(node)),
            "body" => {
                draft.body = node.span();
                more.body = self.quoted(node).and_then(|texts| match texts.as_slice() {
                    [_, _, ..] => {
                        self.surplus(node, arguments(node).get(1)?);
                        texts.into_iter().next()
                    }
                    _ => texts.into_iter().next(),
                });
            }
            "auth_basic_file" | "auth_bearer_file" => {
                let before = node.span().and_then(|span| draft.credential.replace((word, span)));
                if let (Some((other, first)), Some(span)) =
                    (before.filter(|(other, _)| *other != word), node.span())
                {
                    let message = format!("`{word}` beside `{other}`: a request says once who asks");
                    self.report(
                        Diagnostic::error(Code::Conflict, span, message)
                            .related(first, format!("`{other}` is here"))
                            .help("delete one of them"),
                    );
                }
                more.credential = self.credential(word, node);
            }
            "json_pointer" => more.values.extend(self.json_value(node)),
            "max_time" => more.max_time = self.time(node),
            "follow_redirects" => {
                draft.redirects = node.span();
                more.redirects = self.whole_as(node).unwrap_or(0);
            }
            "max_size" => more.max_size = self.whole_as(node),
            _ => {
                let texts = if word == "contains" { &mut more.contains } else { &mut more.contains_not };
                texts.extend(self.looked_for(node).unwrap_or_default());
            }
        }
        if matches!(word, "contains" | "contains_not" | "json_pointer" | "max_size") {
            draft.reads = node.span().map(|span| (word, span)).or(draft.reads);
        }
    }

    /// `None`: nothing is set. `bodily`: a digest or a pattern is asked of the body; `codes`: those that are asked for.
    pub(super) fn whole_more(
        &mut self,
        draft: MoreDraft,
        bodily: bool,
        codes: Option<&StatusCodes>,
    ) -> Option<Box<UrlMore>> {
        let MoreDraft { more, method, body, redirects, reads, .. } = draft;
        if more.redirects > 0
            && let Some(code) =
                UrlMore::REDIRECTS.into_iter().find(|code| codes.is_some_and(|all| all.contains(*code)))
        {
            self.adjusted(
                redirects,
                format!("`follow_redirects` beside a `status_code` of {code}"),
                "an answer that names another place is followed and not judged by its code",
            );
        }
        let name = more.method.name();
        if let Some(span) = body.filter(|_| !more.method.takes_body()) {
            let code = if method.is_some() { Code::Conflict } else { Code::Required };
            let diagnostic = Diagnostic::error(code, span, format!("a request by {name} has no body"))
                .help("write `method POST`, or delete the body");
            self.report(match method {
                Some(method) => diagnostic.related(method, "the method"),
                None => diagnostic,
            });
        }
        if let Some(method) = method.filter(|_| more.method == Method::Head && (bodily || reads.is_some())) {
            let what = reads.map_or("a digest or a pattern".to_owned(), |(word, _)| format!("`{word}`"));
            let diagnostic = Diagnostic::error(
                Code::Conflict,
                method,
                format!("an answer to HEAD has no body for {what}"),
            )
            .help("write `method GET`");
            self.report(match reads {
                Some((word, span)) => diagnostic.related(span, format!("`{word}` is here")),
                None => diagnostic,
            });
        }
        (more != UrlMore::default()).then(|| Box::new(more))
    }

    fn header_line(&mut self, node: &Node<'_>) -> Option<Header> {
        let word = self.one(node).and_then(|word| self.secret(word))?;
        match Header::new(word.text) {
            Ok(header) => Some(header),
            Err(error) => {
                let diagnostic = Diagnostic::error(Code::BadName, word.span, error.to_string());
                self.report(match error {
                    HeaderError::Reserved { help, .. } => diagnostic.help(help),
                    _ => diagnostic.expected("`header \"NAME: VALUE\"`, one line"),
                });
                None
            }
        }
    }

    /// Where the secret is; what is in the file is read when the configuration is run.
    fn credential(&mut self, word: &str, node: &Node<'_>) -> Option<Credential> {
        let scheme = if word == "auth_basic_file" { Scheme::Basic } else { Scheme::Bearer };
        let place = self.one(node)?;
        let credential = Credential::new(scheme, place.text);
        if credential.is_none() {
            // It may be the secret itself: it is not repeated.
            self.report(
                Diagnostic::error(Code::BadName, place.span, "this is no place of a secret")
                    .expected("a path from the root, or `credential:NAME`")
                    .help("write the secret into a file that its owner alone can read, and the path of that here"),
            );
        }
        credential
    }

    /// `POINTER VALUE`.
    fn json_value(&mut self, node: &Node<'_>) -> Option<JsonValue> {
        let (pointer, text) = match arguments(node) {
            [pointer, text] => (pointer, text),
            [pointer, text, surplus, ..] => {
                self.surplus(node, surplus);
                (pointer, text)
            }
            _ => {
                self.missing(node);
                return None;
            }
        };
        let value = JsonValue::new(pointer.text, text.text);
        if value.is_none() {
            let message = format!("`{}` is no JSON pointer", pointer.text.escape_debug());
            self.report(
                Diagnostic::error(Code::BadName, pointer.span, message)
                    .expected("names with a `/` in front of each, such as `/status` or `/nodes/0/up`")
                    .help("within a name, `~1` is a `/` and `~0` is a `~`"),
            );
        }
        value
    }

    /// Texts that are looked for.
    fn looked_for(&mut self, node: &Node<'_>) -> Option<Vec<String>> {
        let texts = self.quoted(node)?;
        if let (true, Some(span)) = (texts.iter().any(String::is_empty), node.span()) {
            let diagnostic = Diagnostic::error(Code::MissingArgument, span, "the text is empty");
            self.report(diagnostic.consequence("every body has it in it"));
            return None;
        }
        Some(texts)
    }

    /// At least one text, with its escapes decoded.
    fn quoted(&mut self, node: &Node<'_>) -> Option<Vec<String>> {
        let words = arguments(node);
        if words.is_empty() {
            self.missing(node);
            return None;
        }
        if !self.sources.is_json()
            && let Some(span) = node.span().filter(|_| !closes(&self.raw(words)))
        {
            self.report(
                Diagnostic::error(Code::BadName, span, "the text breaks off within its quotes")
                    .consequence("a comment sign or a brace in it counts as one behind `\\\"`")
                    .help("write `\\x22` for a double quote in the text"),
            );
            return None;
        }
        Some(self.pattern_words(node))
    }
}

/// Whether every quote is closed.
fn closes(text: &str) -> bool {
    let (mut quote, mut escaped) = (None, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' | '\'' if quote.is_none() => quote = Some(c),
            c if quote == Some(c) => quote = None,
            _ => {}
        }
    }
    quote.is_none()
}
