//! Words in the quotes that they need: both directord and keepalived read them back as they are.

use super::lexer::{self, TokenKind};
use super::source::Sources;
use super::split::split;

/// A word that is read once.
pub(super) fn plain(text: &str) -> String {
    let special = |c: char| is_special(c) || matches!(c, '{' | '}' | '#' | '!' | '$');
    // What an expansion starts with at the start of a line.
    let starts = text.starts_with(['@', '~']) || text.starts_with("include");
    if text.is_empty() || starts || text.contains(special) { format!("\"{text}\"") } else { text.to_owned() }
}

/// A command as it stands between double quotes: program and arguments, with the quotes and escapes of the
/// second level.
pub(super) fn command(arguments: &[String]) -> String {
    let arguments: Vec<String> = arguments.iter().map(|text| argument(text)).collect();
    arguments.join(" ")
}

/// A word that is taken out of its quotes, single or double, and whose escapes are kept.
pub(super) fn raw(text: &str) -> String {
    let simple = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | ':' | '-' | '_');
    let bare = !text.is_empty() && text.chars().all(simple) && !text.starts_with("include");
    let candidates = [format!("\"{text}\""), format!("'{text}'"), segments(text)];
    match bare {
        true => text.to_owned(),
        false => {
            let [double, ..] = &candidates;
            let found = candidates.iter().find(|written| reads_as(written, text));
            found.unwrap_or(double).clone()
        }
    }
}

/// A pattern: taken out of its quotes, and its escapes decoded.
pub(super) fn pattern(text: &str) -> String {
    let simple = |c: char| c.is_alphanumeric() || matches!(c, '.' | '/' | ':' | '-' | '_');
    match !text.is_empty() && text.chars().all(simple) && !text.starts_with("include") {
        true => text.to_owned(),
        false => format!("\"{}\"", escaped(text)),
    }
}

/// Whether a word has a form in keepalived.conf.
pub(super) fn is_writable(text: &str) -> bool {
    let builtin = text.match_indices('$').any(|(at, _)| is_builtin(text, at));
    !text.contains(|c: char| c == '"' || (c.is_control() && c != '\t')) && !builtin
}

/// Whether a pattern has a form in keepalived.conf.
pub(super) fn is_raw_writable(text: &str) -> bool {
    let builtin = text.match_indices('$').any(|(at, _)| is_builtin(text, at));
    !builtin && !text.contains(['\n', '\0']) && reads_as(&raw(text), text)
}

fn argument(text: &str) -> String {
    let written = escaped(text).replace('\'', "\\'");
    let quoted = written.is_empty() || written.contains(char::is_whitespace);
    if quoted { format!("'{written}'") } else { written }
}

/// What is decoded is as it was.
fn escaped(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        match c {
            '\\' => written += "\\\\",
            '"' => written += "\\x22",
            '$' if is_builtin(text, at) => written += "\\x24",
            '\n' => written += "\\n",
            '\r' => written += "\\r",
            '\t' => written += "\\t",
            c if c.is_ascii_control() => written += &format!("\\x{:02x}", u32::from(c)),
            c => written.push(c),
        }
    }
    written
}

/// Whether `$` starts `$_NAME` or `${_NAME…}`, which would be expanded.
fn is_builtin(text: &str, at: usize) -> bool {
    let after = text.get(at..).unwrap_or("");
    after.starts_with("$_") || after.starts_with("${_")
}

fn is_special(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '\'' | '\\' | '\u{feff}')
}

/// Double quotes around everything but double quotes, which stand in single ones.
fn segments(text: &str) -> String {
    let mut written = String::new();
    let mut run = String::new();
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                written += &format!("\"{}\"'\"'", std::mem::take(&mut run));
            }
            '\\' => run.extend(std::iter::once(c).chain(characters.next())),
            c => run.push(c),
        }
    }
    if !run.is_empty() {
        written += &format!("\"{run}\"");
    }
    written
}

/// Whether the lexer takes `written` for words of one line, and their text is `text`.
fn reads_as(written: &str, text: &str) -> bool {
    let mut sources = Sources::default();
    let id = sources.add_file("", written.as_bytes().to_vec());
    let mut tokens = Vec::new();
    let open = lexer::line(id, 0, written, &mut tokens);
    let words = tokens.iter().all(|token| !matches!(token.kind, TokenKind::Open | TokenKind::Close));
    // With the closing quote that the span of a word leaves out, everything is seen.
    let end = tokens.last().map_or(0, |token| token.span.end as usize);
    let whole = written.get(end..).is_some_and(|rest| matches!(rest, "" | "\""));
    open.is_none() && words && whole && split(written, false) == [text]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_words() {
        assert_eq!(plain("eth0"), "eth0");
        assert_eq!(plain("a b"), "\"a b\"");
        assert_eq!(plain("a#b"), "\"a#b\"");
        assert_eq!(plain(""), "\"\"");
        assert_eq!(plain("@host"), "\"@host\"");
        assert!(!is_writable("a\"b") && !is_writable("${_ENV HOME}") && is_writable("$HOME"));
    }

    #[test]
    fn commands_are_split_back_into_their_arguments() {
        let arguments =
            ["/bin/sh", "-c", "echo \"it's\" \\ ${_PWD} $HOME\n", "", "ü\u{a0}x", "#{!}", "\u{1b}["];
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        let written = command(&arguments);
        assert!(!written.contains('"') && !written.contains("${_"), "{written}");
        let once = split(&format!("\"{written}\""), false);
        assert_eq!(split(&once[0], true), arguments);
    }

    #[test]
    fn patterns() {
        for text in ["OK", "", "a b", "it's", "^\\d+$ #{2}", "say \"x\"\n", "${_PWD}", "\\x41", "\0\u{1b}"] {
            assert_eq!(split(&pattern(text), true), [text], "{}", pattern(text));
            assert_eq!(split(&pattern(text), false).len(), 1);
        }
    }

    #[test]
    fn raw_words() {
        for text in
            ["OK", "a b", "it's", "a\\\"b\\\"", "say \"x\" y", "'\"\"", "^\\d+$ #{2}", "two \\\" \\\" marks"]
        {
            assert!(reads_as(&raw(text), text), "{text}: {}", raw(text));
        }
        assert!(!is_raw_writable("one\" it's"));
    }
}
