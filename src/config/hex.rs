//! Bytes as hexadecimal digits.

/// Two digits for each byte.
pub(super) fn text(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of an even number of digits; `None`: something else stands there.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| match *pair {
        [high, low] => Some(digit(high)? << 4 | digit(low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        assert_eq!(bytes("00ffA0"), Some(vec![0, 0xff, 0xa0]));
        assert_eq!(text(&[0, 0xff, 0xa0]), "00ffa0");
        for wrong in ["0", "0x", "+1", "ä", "0 "] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        assert_eq!(bytes(""), Some(Vec::new()));
    }
}
