//! Characters to tokens: words, quoted words, braces, ends of lines. Comments and blanks vanish.
//!
//! In: one line of a source. Out: [`Token`]s with their spans, and unterminated quotes. The rules are
//! keepalived's: `#` and `!` start a comment anywhere outside double quotes, `\#` and `\!` do not; a brace
//! outside double quotes is a token of its own; a quoted word does not glue to its neighbours; a single
//! quote is an ordinary character; a string ends with its line.

use nom::branch::alt;
use nom::bytes::complete::{tag, take_till, take_while, take_while1};
use nom::character::complete::one_of;
use nom::combinator::{map, not, opt, rest, value};
use nom::{IResult, Parser as _};

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
    let mut unterminated = None;
    let mut left = text.as_bytes();
    while let Ok((after, piece)) = piece(left) {
        let (from, to) = (text.len() - left.len(), text.len() - after.len());
        left = after;
        let token = match piece {
            Piece::Blank => continue,
            Piece::Token(kind) => Token { kind, span: span(from, to) },
            Piece::Quoted { closed } => {
                if !closed {
                    unterminated = Some(span(from, from + 1));
                }
                Token { kind: TokenKind::Quoted, span: span(from + 1, to - usize::from(closed)) }
            }
        };
        out.push(token);
    }
    unterminated
}

/// A stretch of a line.
#[derive(Debug, Clone, Copy)]
enum Piece {
    /// Blanks, a byte order mark, a comment.
    Blank,
    Quoted {
        closed: bool,
    },
    Token(TokenKind),
}

/// What a parser says. Why one does not match is never asked.
type Parsed<'a, T> = IResult<&'a [u8], T, ()>;

fn piece(input: &[u8]) -> Parsed<'_, Piece> {
    let open = value(Piece::Token(TokenKind::Open), tag("{"));
    let close = value(Piece::Token(TokenKind::Close), tag("}"));
    let comment = value(Piece::Blank, (one_of("#!"), rest));
    alt((blank, word, open, close, quoted, comment)).parse(input)
}

/// A NUL is no part of a word: keepalived refuses the line, here it parts words. A byte order mark is a blank,
/// wherever it stands.
fn blank(input: &[u8]) -> Parsed<'_, Piece> {
    let blanks = take_while1(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xb | 0xc | 0));
    value(Piece::Blank, alt((blanks, tag(BYTE_ORDER_MARK)))).parse(input)
}

fn quoted(input: &[u8]) -> Parsed<'_, Piece> {
    let inside = take_till(|byte| byte == b'"');
    map((tag("\""), inside, opt(tag("\""))), |(_, _, end)| Piece::Quoted { closed: end.is_some() })
        .parse(input)
}

/// A run of plain characters and escapes. A backslash in front of anything but `#` and `!` is plain, and so is the
/// first byte of a byte order mark without its others.
fn word(input: &[u8]) -> Parsed<'_, Piece> {
    let (mut left, plain) = take_while(is_plain).parse(input)?;
    let mut kind = TokenKind::Word;
    let mut empty = plain.is_empty();
    while let Ok((after, escaped)) = single(left) {
        if escaped {
            kind = TokenKind::Escaped;
        }
        empty = false;
        (left, _) = take_while(is_plain).parse(after)?;
    }
    match empty {
        true => Err(nom::Err::Error(())),
        false => Ok((left, Piece::Token(kind))),
    }
}

/// An escape, true; a backslash or the first byte of a mark on its own, false.
fn single(input: &[u8]) -> Parsed<'_, bool> {
    let escape = value(true, (tag("\\"), one_of("#!")));
    let alone = value(false, (not(tag(BYTE_ORDER_MARK)), alt((tag("\\"), tag(&[0xef][..])))));
    alt((escape, alone)).parse(input)
}

/// Whether a byte is part of a word wherever it stands.
fn is_plain(byte: u8) -> bool {
    !matches!(
        byte,
        b' ' | b'\t' | b'\r' | b'\n' | 0xb | 0xc | 0 | b'{' | b'}' | b'"' | b'#' | b'!' | b'\\' | 0xef
    )
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

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

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
