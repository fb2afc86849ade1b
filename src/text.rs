//! Values as the text that people read; for every folder.

use std::io;

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of an even number of hexadecimal digits; `None`: something else stands there.
pub(crate) fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

/// What went wrong, without the number of the system's error.
pub(crate) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    match text.find(" (os error") {
        Some(end) => text.get(..end).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// Text that somebody else has written: in one line, and of so many characters at most.
pub(crate) fn shown(text: &str, most: usize) -> String {
    let start: String = text.chars().take(most).collect();
    let more = if start.len() < text.len() { "…" } else { "" };
    format!("{}{more}", start.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_and_reasons() {
        assert_eq!(hex(&[0, 0x1f, 0xff]), "001fff");
        assert_eq!(unhex("001fFF"), Some(vec![0, 0x1f, 0xff]));
        for wrong in ["0", "0x", "+1", "ä", "0 "] {
            assert_eq!(unhex(wrong), None, "{wrong}");
        }
        assert_eq!(unhex(""), Some(Vec::new()));
        assert_eq!(reason(&io::Error::from_raw_os_error(libc::ENOSPC)), "No space left on device");
        assert_eq!(reason(&io::Error::other("no more")), "no more");
        assert_eq!([shown("aä\n", 3), shown("aä\n", 2)], ["aä\\n", "aä…"]);
    }
}
