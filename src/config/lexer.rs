//! Characters to tokens: words, quoted words, braces, ends of lines. Comments and blanks vanish.
//!
//! In: one line of a source. Out: [`Token`]s with their spans, and unterminated quotes. The rules are
//! keepalived's: `#` and `!` start a comment anywhere outside double quotes, `\#` and `\!` do not; a brace
//! outside double quotes is a token of its own; a quoted word does not glue to its neighbours; a single
//! quote is an ordinary character; a string ends with its line.

use super::source::{SourceId, Span, offset};

/// What a stretch of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// `}`.
    Close,
    /// The end of a logical line.
    End,
    /// A word with `\#` or `\!` in it.
    Escaped,
    /// `{`.
    Open,
    /// What stands between double quotes; the span leaves the quotes out.
    Quoted,
    /// A plain word.
    Word,
}

/// One token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it stands.
    pub span: Span,
}

/// Appends the tokens of one line to `out`, without its [`TokenKind::End`]. Returns the span of a quote that
/// is never closed; what follows it has become one word.
pub(super) fn line(source: SourceId, start: u32, text: &str, out: &mut Vec<Token>) -> Option<Span> {
    let span = |from: usize, to: usize| Span {
        source,
        start: start.saturating_add(offset(from)),
        end: start.saturating_add(offset(to)),
    };
    let bytes = text.as_bytes();
    let mut unterminated = None;
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let from = at;
        let (kind, to) = match class(*byte) {
            Class::Blank => {
                at += 1;
                continue;
            }
            Class::Comment => break,
            Class::Open => (TokenKind::Open, from + 1),
            Class::Close => (TokenKind::Close, from + 1),
            Class::Quote => {
                let inside = text.get(from + 1..).unwrap_or("");
                let length = inside.find('"').unwrap_or_else(|| {
                    unterminated = Some(span(from, from + 1));
                    inside.len()
                });
                at = from + 1 + length + 1;
                out.push(Token { kind: TokenKind::Quoted, span: span(from + 1, from + 1 + length) });
                continue;
            }
            Class::Mark if is_mark(bytes, from) => {
                at += BYTE_ORDER_MARK.len();
                continue;
            }
            Class::Escape | Class::Mark | Class::Plain => word(bytes, from),
        };
        at = to;
        out.push(Token { kind, span: span(from, to) });
    }
    unterminated
}

/// A run of plain characters and escapes, from here on: its kind and its end. A backslash in front of anything but
/// `#` and `!` is plain.
fn word(bytes: &[u8], from: usize) -> (TokenKind, usize) {
    let mut kind = TokenKind::Word;
    let mut at = from;
    while let Some(byte) = bytes.get(at) {
        match class(*byte) {
            Class::Plain => at += 1,
            Class::Escape if matches!(bytes.get(at + 1), Some(b'#' | b'!')) => {
                kind = TokenKind::Escaped;
                at += 2;
            }
            Class::Mark if is_mark(bytes, at) => break,
            Class::Escape | Class::Mark => at += 1,
            _ => break,
        }
    }
    (kind, at)
}

/// The text in front of a comment, without blanks at both ends: what `include` and `$NAME=` see.
pub(super) fn strip_comment(text: &str) -> &str {
    comment(text).and_then(|at| text.get(..at)).unwrap_or(text).trim()
}

/// Where the comment of a line starts.
pub(super) fn comment(text: &str) -> Option<usize> {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' => quoted = !quoted,
            '#' | '!' if !quoted && !escaped => return Some(at),
            _ => {}
        }
        escaped = c == '\\' && !quoted;
    }
    None
}

/// Where a comment starts between two single quotes, of which the first starts a word.
pub(super) fn quoted_comment(text: &str) -> Option<usize> {
    let (mut double, mut single, mut before) = (false, false, ' ');
    for (at, c) in text.char_indices() {
        match c {
            '"' if !single => double = !double,
            '\'' if !double && (single || before.is_whitespace()) => single = !single,
            '#' | '!' if !double && before != '\\' => {
                let closed = text.get(at..).is_some_and(|rest| rest.contains('\''));
                return (single && closed).then_some(at);
            }
            _ => {}
        }
        before = c;
    }
    None
}

/// What a byte means outside of double quotes.
#[derive(Clone, Copy)]
enum Class {
    Blank,
    Close,
    Comment,
    /// A backslash.
    Escape,
    /// It may start a byte order mark.
    Mark,
    Open,
    Plain,
    Quote,
}

/// A NUL is no part of a word: keepalived refuses the line, here it parts words.
fn class(byte: u8) -> Class {
    match byte {
        b' ' | b'\t' | b'\r' | b'\n' | 0xb | 0xc | 0 => Class::Blank,
        b'{' => Class::Open,
        b'}' => Class::Close,
        b'"' => Class::Quote,
        b'#' | b'!' => Class::Comment,
        b'\\' => Class::Escape,
        0xef => Class::Mark,
        _ => Class::Plain,
    }
}

/// A blank, wherever it stands.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

fn is_mark(bytes: &[u8], at: usize) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(BYTE_ORDER_MARK))
}

#[cfg(test)]
mod tests {
    use super::super::source::Sources;
    use super::*;

    fn lex(text: &str) -> Vec<(TokenKind, String)> {
        let mut sources = Sources::default();
        let id = sources.add_file("t", text.as_bytes().to_vec());
        let mut tokens = Vec::new();
        line(id, 0, text, &mut tokens);
        tokens.iter().map(|token| (token.kind, sources.text(token.span).to_owned())).collect()
    }

    fn words(text: &str) -> Vec<String> {
        lex(text).into_iter().map(|(_, text)| text).collect()
    }

    #[test]
    fn comments_start_anywhere_outside_quotes() {
        assert_eq!(words("smtp_alert a#b"), ["smtp_alert", "a"]);
        assert_eq!(words("a \"x#y!z\" ! rest"), ["a", "x#y!z"]);
        assert_eq!(words("'a#b'"), ["'a"]);
        assert_eq!(words("a\\#b c\\"), ["a\\#b", "c\\"]);
        assert_eq!(lex("a\\#b")[0].0, TokenKind::Escaped);
    }

    #[test]
    fn braces_are_tokens() {
        assert_eq!(words("real_server 1.2.3.4 3306{"), ["real_server", "1.2.3.4", "3306", "{"]);
        assert_eq!(words("a { b c }"), ["a", "{", "b", "c", "}"]);
        assert_eq!(words("\"{\""), ["{"]);
        assert_eq!(lex("\"{\"")[0].0, TokenKind::Quoted);
    }

    #[test]
    fn quoted_words_stand_alone() {
        assert_eq!(words("a\"b c\"d"), ["a", "b c", "d"]);
        assert_eq!(words("\"\""), [""]);
        let mut sources = Sources::default();
        let id = sources.add_file("t", b"x \"ab".to_vec());
        let mut tokens = Vec::new();
        assert_eq!(line(id, 0, "x \"ab", &mut tokens).map(|span| span.start), Some(2));
        assert_eq!(tokens.len(), 2);
    }

    #[test]
    fn byte_order_mark_and_line_ends_vanish() {
        assert_eq!(words("\u{feff}global_defs {\r"), ["global_defs", "{"]);
    }

    #[test]
    fn comments_between_single_quotes() {
        assert_eq!(quoted_comment("x 'a#b'"), Some(4));
        assert_eq!(quoted_comment("x \"'a#b'\" # it's"), None);
        assert_eq!(quoted_comment("x bob's # don't"), None);
        assert_eq!(quoted_comment("x 'a\\#b'"), None);
    }

    #[test]
    fn stripping() {
        assert_eq!(strip_comment("  include a.conf # x"), "include a.conf");
        assert_eq!(strip_comment("a \"#\" b!c"), "a \"#\" b");
    }
}
