//! What people type by mistake that no table of words knows: signs of other languages, characters that look alike or
//! not at all.
//!
//! In: a word that is wrong. Out: what is odd about it, and the word as it was meant, when that is clear.

/// What is odd about a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Slip {
    /// For people.
    pub help: String,
    /// The word as it was meant; empty: without it.
    pub meant: Option<String>,
}

/// Full-width forms of ASCII characters, as input methods for Chinese and Japanese make them.
const FULL_WIDTH: std::ops::RangeInclusive<char> = '\u{ff01}'..='\u{ff5e}';

/// Looks at a word that was not understood.
pub(super) fn slip(word: &str) -> Option<Slip> {
    let slip = |help: &str, meant: Option<&str>| {
        Some(Slip { help: help.to_owned(), meant: meant.map(str::to_owned) })
    };
    if word == "=" || word == ":" {
        return slip(&format!("there is no `{word}` between a keyword and its value: delete it"), Some(""));
    }
    if word.starts_with("//") || word.starts_with("/*") || word.starts_with("*/") || word == "--" {
        return slip("a comment starts with `#`", None);
    }
    if let Some(meant) = word.strip_suffix('\\') {
        return slip("only the lines of a definition go on behind a `\\`: delete it", Some(meant));
    }
    if let Some(odd) = word.chars().find_map(odd) {
        let meant: String = word.chars().filter_map(plain).collect();
        let meant = meant.trim_end_matches([';', ',']);
        let meant = Some(meant.to_owned()).filter(|meant| meant != word && !meant.contains(' '));
        return Some(Slip { help: odd, meant });
    }
    for sign in [';', ','] {
        if let Some(meant) = word.strip_suffix(sign).filter(|meant| !meant.is_empty()) {
            return slip(&format!("no `{sign}` ends a statement or parts words: delete it"), Some(meant));
        }
    }
    if let Some(inside) = word.strip_prefix('\'').and_then(|word| word.strip_suffix('\'')) {
        return slip("single quotes are ordinary characters: use none, or double ones", Some(inside));
    }
    if word.starts_with('$') && word.len() > 1 {
        return slip(
            "it is not defined above; in front of other characters a name stands in braces: `${NAME}/24`",
            None,
        );
    }
    None
}

/// What is odd about a word that was understood: a sign of another keyboard, or a semicolon at its end.
pub(super) fn sign(word: &str) -> Option<Slip> {
    let odd = !word.is_ascii() && word.chars().any(|c| odd(c).is_some() && c != '\u{fffd}');
    let ends = word.ends_with(';') && !word.starts_with(['$', '\'', '/']);
    if odd || ends { slip(word).filter(|slip| !slip.help.is_empty()).or_else(|| lone(word)) } else { None }
}

/// A semicolon alone.
fn lone(word: &str) -> Option<Slip> {
    (word == ";")
        .then(|| Slip { help: "no `;` ends a statement: delete it".to_owned(), meant: Some(String::new()) })
}

/// What a character is, when it should not be there.
fn odd(c: char) -> Option<String> {
    let name = match c {
        '\u{a0}' | '\u{2007}' | '\u{202f}' => "a no-break space",
        '\u{3000}' => "a full-width space",
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => "a character that cannot be seen",
        '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => "a typographic quote",
        '\u{2010}'..='\u{2015}' | '\u{2212}' => "a typographic dash",
        '\u{3001}' | '\u{3002}' => "a full-width sign",
        _ if FULL_WIDTH.contains(&c) => "a full-width sign",
        '\u{fffd}' => {
            return Some(
                "the file is not in UTF-8: `file FILE` tells its encoding, `iconv` changes it".to_owned(),
            );
        }
        _ => return None,
    };
    let number = u32::from(c);
    let instead = match plain(c) {
        // What would be no better in ASCII.
        Some(';' | ',') => "delete it".to_owned(),
        Some(' ') => "write a blank".to_owned(),
        Some(plain) if plain != c => format!("write `{plain}`"),
        _ => "delete it".to_owned(),
    };
    Some(format!("there is {name} in it, U+{number:04X}: {instead}"))
}

/// The character that was meant; `None`: none.
fn plain(c: char) -> Option<char> {
    match c {
        '\u{a0}' | '\u{2007}' | '\u{202f}' | '\u{3000}' => Some(' '),
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => None,
        '\u{201c}'..='\u{201f}' | '\u{ab}' | '\u{bb}' => Some('"'),
        '\u{2018}'..='\u{201b}' => Some('\''),
        '\u{2010}'..='\u{2015}' | '\u{2212}' => Some('-'),
        '\u{3001}' => Some(','),
        '\u{3002}' => Some('.'),
        _ if FULL_WIDTH.contains(&c) => char::from_u32(u32::from(c) - 0xfee0),
        _ => Some(c),
    }
}

/// `priority=100`: the keyword, the sign, and the value.
pub(super) fn assignment(word: &str) -> Option<(&str, char, &str)> {
    let at = word.find(['=', ':'])?;
    let (keyword, rest) = word.split_at_checked(at)?;
    let mut rest = rest.chars();
    let sign = rest.next()?;
    (!keyword.is_empty()).then_some((keyword, sign, rest.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips() {
        let meant = |word: &str| slip(word).map(|slip| (slip.meant.unwrap_or("?".into()), slip.help));
        let cases = [
            ("=", "", "delete it"),
            ("//priority", "?", "a comment starts with `#`"),
            ("100;", "100", "delete it"),
            ("\\", "", "only the lines of a definition"),
            ("１００", "100", "U+FF11: write `1`"),
            ("priority\u{3000}100", "?", "U+3000: write a blank"),
            ("pri\u{200b}ority", "priority", "U+200B: delete it"),
            ("“eth0”", "\"eth0\"", "U+201C: write `\"`"),
            ("10.0.0.1，", "10.0.0.1", "U+FF0C: delete it"),
            ("'10.0.0.1'", "10.0.0.1", "single quotes"),
            ("$VIP/24", "?", "${NAME}/24"),
        ];
        for (word, expected, words) in cases {
            let (found, help) = meant(word).unwrap();
            assert_eq!(found, expected, "{word}");
            assert!(help.contains(words), "{help}");
        }
        assert_eq!(slip("10.0.0.1/24"), None);
        let sign = |word: &str| super::sign(word).map(|slip| slip.meant.unwrap_or("?".into()));
        for (word, meant) in
            [("｛", "{"), ("VI_1｛", "VI_1{"), ("LVS；", "LVS"), ("LVS;", "LVS"), (";", ""), ("；", "")]
        {
            assert_eq!(sign(word).as_deref(), Some(meant), "{word}");
        }
        for word in ["LVS", "größe", "中文", "a;b", "{", "$X;"] {
            assert_eq!(sign(word), None, "{word}");
        }
        assert_eq!(assignment("priority=100"), Some(("priority", '=', "100")));
        assert_eq!(assignment("=100"), None);
    }
}
