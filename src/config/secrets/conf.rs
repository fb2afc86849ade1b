//! Words of a keepalived.conf that no diagnostic may show: passwords and keys, in statements that are wrong, too.
//!
//! In: tokens. Out: spans. What is wrong is hidden rather than shown: in `authentication` every word that is no
//! keyword may be a password that slipped.

use super::{announces, is_nearly};
use crate::config::keywords;
use crate::config::lexer::TokenKind;
use crate::config::source::{Sources, Span, offset};
use crate::config::tokens::Tokens;

/// What a block may hold.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passwords behind their keywords.
    Plain,
    /// `authentication`: passwords anywhere.
    Authentication,
    /// Nothing else than passwords.
    Secret,
}

/// What the words of a statement are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rest {
    /// The next word is the first.
    Start,
    Open,
    /// A kind of authentication, and nothing else.
    Kind,
    /// `key ID VALUE`: so many words are still to be shown.
    HiddenBehind(usize),
}

/// Passwords and keys.
pub(in crate::config) fn in_conf(tokens: &Tokens, sources: &Sources) -> Vec<Span> {
    let mut found: Vec<Span> = Vec::new();
    let mut blocks = vec![Mode::Plain];
    let mut rest = Rest::Start;
    // What a `{` opens that follows, maybe on the next line.
    let mut opens = Mode::Plain;
    for token in tokens.iter() {
        let mode = blocks.last().copied().unwrap_or(Mode::Plain);
        match token.kind {
            TokenKind::End => rest = Rest::Start,
            TokenKind::Open => {
                blocks.push(opens);
                rest = Rest::Start;
                opens = Mode::Plain;
            }
            TokenKind::Close => {
                if blocks.len() > 1 {
                    blocks.pop();
                }
                // A brace within a password: its end stands right behind it.
                let torn = found
                    .last()
                    .is_some_and(|last| last.source == token.span.source && last.end == token.span.start);
                rest = if torn && is_followed(sources, token.span) {
                    Rest::HiddenBehind(0)
                } else {
                    Rest::Start
                };
            }
            TokenKind::Escaped | TokenKind::Quoted | TokenKind::Word => {
                let word = sources.text(token.span);
                if rest == Rest::Start {
                    opens = opened(mode, word);
                }
                let (shown, next) = step(rest, mode, word);
                rest = next;
                let hidden = match shown {
                    false => Some(token.span),
                    true => behind_keyword(word)
                        .map(|at| Span { start: token.span.start + offset(at), ..token.span }),
                };
                if let Some(span) = hidden {
                    found.push(span);
                    // A comment sign in a password makes a comment of the rest of it.
                    found.extend(sources.comment_behind(token.span));
                }
            }
        }
    }
    found
}

/// Whether a word is shown, and what is known of those behind it.
fn step(rest: Rest, mode: Mode, word: &str) -> (bool, Rest) {
    match (rest, mode) {
        // A sign of another language, which is said.
        (Rest::HiddenBehind(0), _) if matches!(word, "=" | ":") => (true, rest),
        (Rest::HiddenBehind(0), _) | (_, Mode::Secret) => (false, Rest::HiddenBehind(0)),
        (Rest::HiddenBehind(left), _) => (true, Rest::HiddenBehind(left - 1)),
        _ if announces(word) => (true, Rest::HiddenBehind(0)),
        // `key PATH` of SSL is none.
        (Rest::Start, _) if word == "key" => (true, Rest::HiddenBehind(1)),
        (Rest::Start, _) if is_nearly(word) => (true, Rest::HiddenBehind(0)),
        (Rest::Start, Mode::Authentication) if word.trim_end_matches(['=', ':']) == "auth_type" => {
            (true, Rest::Kind)
        }
        (Rest::Start, Mode::Authentication) if keywords::places(word).is_empty() => {
            let misspelt = word.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_')
                && keywords::closest(word, std::iter::once("auth_type")).is_some();
            (misspelt, Rest::HiddenBehind(0))
        }
        (Rest::Kind, _) => {
            let letters = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
            (
                letters.is_empty()
                    || ["AH", "PASS", "SIMPLE"].iter().any(|kind| letters.eq_ignore_ascii_case(kind)),
                Rest::Kind,
            )
        }
        _ => (true, Rest::Open),
    }
}

fn opened(outer: Mode, word: &str) -> Mode {
    match word {
        "authentication" => Mode::Authentication,
        _ if outer == Mode::Secret => Mode::Secret,
        _ if outer == Mode::Authentication && keywords::places(word).iter().all(|row| !row.is_block()) => {
            Mode::Secret
        }
        _ => Mode::Plain,
    }
}

/// Where in `auth_pass=1111` the password starts.
fn behind_keyword(word: &str) -> Option<usize> {
    let end = Some(word).filter(|word| announces(word))?.find("auth_pass")? + "auth_pass".len();
    let sign =
        word.get(end..)?.chars().next().filter(|sign| !sign.is_ascii_alphanumeric() && *sign != '_')?;
    Some(end + sign.len_utf8()).filter(|at| *at < word.len())
}

/// Whether a word stands right behind a brace.
fn is_followed(sources: &Sources, brace: Span) -> bool {
    let behind = sources.text_of(brace.source).get(brace.end as usize..).and_then(|text| text.chars().next());
    behind.is_some_and(|c| !c.is_whitespace() && !matches!(c, '{' | '}' | '#' | '!'))
}
