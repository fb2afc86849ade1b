//! The words of a command and its arguments, which stand in one word of the file.

/// Splits at blanks outside of quotes; a backslash protects the next character. `decode`: escapes become what
/// they stand for, otherwise they stay for the next level.
pub(super) fn split(text: &str, decode: bool) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c == '\\' {
            let word = word.get_or_insert_default();
            match decode {
                true => word.extend(escape(&mut characters)),
                false => word.extend(std::iter::once(c).chain(characters.next())),
            }
        } else if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && matches!(c, '"' | '\'') {
            quote = Some(c);
            word.get_or_insert_default();
        } else if quote.is_none() && c.is_whitespace() {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(c);
        }
    }
    words.extend(word);
    words
}

/// What follows a backslash.
fn escape(characters: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<char> {
    let c = characters.next()?;
    match c {
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'E' => Some('\u{1b}'),
        'f' => Some('\u{c}'),
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\u{b}'),
        'x' => number(characters, 16, 2, 0),
        'c' => characters.next().map(|c| char::from((c as u32 & 0x1f) as u8)),
        '0'..='7' => number(characters, 8, 2, c.to_digit(8).unwrap_or(0)),
        other => Some(other),
    }
}

fn number(
    characters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    radix: u32,
    most: usize,
    first: u32,
) -> Option<char> {
    let mut number = first;
    for _ in 0..most {
        let Some(digit) = characters.peek().and_then(|c| c.to_digit(radix)) else { break };
        number = number * radix + digit;
        characters.next();
    }
    char::from_u32(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_end_no_word() {
        assert_eq!(split(r#"ab"c d"e '' f"#, true), ["abc de", "", "f"]);
        assert_eq!(split(r"a\ b\x41", false), [r"a\ b\x41"]);
    }
}
