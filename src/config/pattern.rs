//! Patterns of file names, by the rules of glob(3) with braces: what `include` takes.
//!
//! In: a pattern, a name. Out: its alternatives, its parts, and whether a name fits a part. A period at the start of a name
//! is matched by a period alone; `[…]` knows `!` and `^`, ranges and classes; a backslash takes the next character as it is.

/// Whether there is anything in it that matches more than one name.
pub(super) fn has_wildcard(pattern: &str) -> bool {
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        match c {
            '\\' => _ = characters.next(),
            '*' | '?' | '[' => return true,
            _ => {}
        }
    }
    false
}

/// The text without its backslashes.
pub(super) fn unescaped(pattern: &str) -> String {
    let mut text = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    while let Some(c) = characters.next() {
        text.extend(if c == '\\' { characters.next().or(Some(c)) } else { Some(c) });
    }
    text
}

/// The text as a pattern that finds nothing but itself.
pub(super) fn escaped(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The folder that a pattern with wildcards looks into first: what is in front of the part with the first of them, with its
/// slash.
pub(super) fn folder(pattern: &str) -> Option<String> {
    let mut start = 0;
    for part in pattern.split_inclusive('/') {
        if has_wildcard(part) || part.contains('{') {
            let folder = unescaped(pattern.get(..start)?);
            return has_wildcard(pattern).then_some(folder);
        }
        start += part.len();
    }
    None
}

/// Whether a path fits a pattern without braces, part by part.
pub(super) fn fits_path(pattern: &str, path: &str) -> bool {
    let (mut patterns, mut parts) = (pattern.split('/'), path.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if fits(pattern, part) => {}
            _ => return false,
        }
    }
}

/// Whether the name of a file or folder fits one part of a pattern.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    if name.starts_with('.') && !pattern.trim_start_matches('\\').starts_with('.') {
        return false;
    }
    let pieces = pieces(pattern);
    let name: Vec<char> = name.chars().collect();
    let (mut piece, mut at) = (0, 0);
    // The last star, and where the text behind it was tried.
    let mut star: Option<(usize, usize)> = None;
    loop {
        match (pieces.get(piece), name.get(at)) {
            (None, None) => return true,
            (Some(Piece::Any), _) => {
                star = Some((piece, at));
                piece += 1;
                continue;
            }
            (Some(one), Some(c)) if one.takes(*c) => {
                piece += 1;
                at += 1;
                continue;
            }
            _ => {}
        }
        let Some((from, tried)) = star.filter(|(_, tried)| *tried < name.len()) else { return false };
        star = Some((from, tried + 1));
        (piece, at) = (from + 1, tried + 1);
    }
}

/// Brace alternatives, as the shell expands them: `a{b,c}` is `ab` and `ac`. At most 1024 of them.
pub(super) fn alternatives(pattern: &str) -> Vec<String> {
    const MOST: usize = 1024;
    let mut done = Vec::new();
    let mut left = vec![pattern.to_owned()];
    while let Some(pattern) = left.pop() {
        match split_braces(&pattern) {
            Some((before, choices, after)) if done.len() + left.len() + choices.len() <= MOST => {
                left.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
            _ => done.push(pattern),
        }
    }
    done
}

/// The first `{…,…}` of a pattern: what is before, the choices, what is after.
fn split_braces(pattern: &str) -> Option<(&str, Vec<&str>, &str)> {
    let mut depth = 0_usize;
    let (mut open, mut start) = (None, 0);
    let mut choices = Vec::new();
    let mut characters = pattern.char_indices();
    while let Some((at, c)) = characters.next() {
        match (c, open) {
            ('\\', _) => _ = characters.next(),
            ('{', None) => (open, start) = (Some(at), at + 1),
            ('{', Some(_)) => depth += 1,
            (',', Some(_)) if depth == 0 => {
                choices.push(pattern.get(start..at)?);
                start = at + 1;
            }
            ('}', Some(open)) if depth == 0 => {
                choices.push(pattern.get(start..at)?);
                return Some((pattern.get(..open)?, choices, pattern.get(at + 1..)?));
            }
            ('}', Some(_)) => depth -= 1,
            _ => {}
        }
    }
    None
}

/// What a pattern is made of.
#[derive(Debug, Clone)]
enum Piece {
    /// `*`.
    Any,
    /// `?`.
    One,
    Character(char),
    /// `[…]`: whether it says what does not fit, and its members.
    Set(bool, Vec<Member>),
}

#[derive(Debug, Clone)]
enum Member {
    Range(char, char),
    /// `[:digit:]`.
    Class(fn(char) -> bool),
}

impl Piece {
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Any => false,
            Self::One => true,
            Self::Character(own) => *own == c,
            Self::Set(negated, members) => {
                let within = members.iter().any(|member| match member {
                    Member::Range(low, high) => (*low..=*high).contains(&c),
                    Member::Class(holds) => holds(c),
                });
                within != *negated
            }
        }
    }
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = pattern;
    while let Some(c) = rest.chars().next() {
        rest = rest.get(c.len_utf8()..).unwrap_or("");
        match c {
            '*' => pieces.push(Piece::Any),
            '?' => pieces.push(Piece::One),
            '[' => match set(rest) {
                Some((set, behind)) => {
                    pieces.push(set);
                    rest = behind;
                }
                None => pieces.push(Piece::Character('[')),
            },
            '\\' => {
                let next = rest.chars().next();
                pieces.push(Piece::Character(next.unwrap_or('\\')));
                rest = rest.get(next.map_or(0, char::len_utf8)..).unwrap_or("");
            }
            c => pieces.push(Piece::Character(c)),
        }
    }
    pieces
}

/// What follows a `[`: the set, and the text behind its `]`. `None`: it has none, so that the `[` is one.
fn set(text: &str) -> Option<(Piece, &str)> {
    let (negated, mut rest) = text.strip_prefix(['!', '^']).map_or((false, text), |behind| (true, behind));
    let mut members = Vec::new();
    let mut first = true;
    loop {
        if !first && let Some(behind) = rest.strip_prefix(']') {
            return Some((Piece::Set(negated, members), behind));
        }
        first = false;
        if let Some((class, behind)) = rest.strip_prefix("[:").and_then(|inside| inside.split_once(":]")) {
            members.push(Member::Class(class_of(class)?));
            rest = behind;
            continue;
        }
        let (low, behind) = character(rest)?;
        rest = behind;
        // A minus at the end is one.
        let range = rest.strip_prefix('-').filter(|behind| !behind.starts_with(']'));
        let high = match range {
            Some(behind) => {
                let (high, behind) = character(behind)?;
                rest = behind;
                high
            }
            None => low,
        };
        members.push(Member::Range(low, high));
    }
}

/// A character of a set, and the text behind it.
fn character(text: &str) -> Option<(char, &str)> {
    let text = text.strip_prefix('\\').unwrap_or(text);
    let c = text.chars().next()?;
    Some((c, text.get(c.len_utf8()..)?))
}

fn class_of(name: &str) -> Option<fn(char) -> bool> {
    Some(match name {
        "alnum" => char::is_alphanumeric,
        "alpha" => char::is_alphabetic,
        "blank" => |c| matches!(c, ' ' | '\t'),
        "cntrl" => char::is_control,
        "digit" => |c| c.is_ascii_digit(),
        "graph" => |c| !c.is_control() && !c.is_whitespace(),
        "lower" => char::is_lowercase,
        "print" => |c| !c.is_control(),
        "punct" => |c| c.is_ascii_punctuation(),
        "space" => char::is_whitespace,
        "upper" => char::is_uppercase,
        "xdigit" => |c| c.is_ascii_hexdigit(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each line is what glob(3) of glibc answers.
    #[test]
    fn names() {
        let cases = [
            ("*.conf", "a.conf", true),
            ("*.conf", ".conf", false),
            ("*", ".old.conf", false),
            (".*", ".old.conf", true),
            ("\\.*", ".old.conf", true),
            ("?old", ".old", false),
            ("[.]old", ".old", false),
            ("[!a]old", ".old", false),
            ("a*b*c", "aXbYc", true),
            ("a*b*c", "aXbY", false),
            ("*a", "aaa", true),
            ("[0-9]*", "10-web", true),
            ("[[:digit:]]*", "10-web", true),
            ("[[:digit:][:upper:]]", "A", true),
            ("[[:digit:]]*", "web", false),
            ("[^x]*", "10-web", true),
            ("[!x]*", "x", false),
            ("[]x]", "]", true),
            ("[^]x]", "]", false),
            ("[a-]", "-", true),
            ("[a\\-z]", "-", true),
            ("[a\\-z]", "m", false),
            ("[\\]]", "]", true),
            ("10\\-web", "10-web", true),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("\\[a]", "[a]", true),
            ("[a", "[a", true),
            ("[[:nonsense:]]", "a", false),
            ("é?", "éx", true),
            ("", "", true),
            ("", "a", false),
            ("**", "abc", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn paths() {
        assert!(fits_path("/etc/*/a?.conf", "/etc/x/ab.conf"));
        assert!(!fits_path("/etc/*.conf", "/etc/x/a.conf"));
        assert!(!fits_path("a/*", "a"));
        assert!(has_wildcard("a[b]") && !has_wildcard("a\\*b") && !has_wildcard("a{b,c}"));
        assert_eq!(unescaped("10\\-web\\\\"), "10-web\\");
    }

    #[test]
    fn braces() {
        assert_eq!(alternatives("a{b,c{d,e}}f"), ["abf", "acdf", "acef"]);
        assert_eq!(alternatives("plain"), ["plain"]);
        assert_eq!(alternatives("open{a,b"), ["open{a,b"]);
        assert_eq!(alternatives("a\\{b,c}"), ["a\\{b,c}"]);
    }
}
