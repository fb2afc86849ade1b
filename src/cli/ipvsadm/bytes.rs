//! Words of a command line are bytes, of whatever language: here each byte is a character, so that they can be cut,
//! padded and printed as they came.

/// The text that stands for these bytes.
pub fn wide(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| char::from(*byte)).collect()
}

/// The bytes that a text stands for; of a character that is none its own.
pub fn narrow(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u8::try_from(c) {
            Ok(byte) => bytes.push(byte),
            Err(_) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

/// The first `length` bytes.
pub fn cut(text: &str, length: usize) -> String {
    text.chars().take(length).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bytes_come_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(narrow(&wide(&all)), all);
        assert_eq!(narrow(&cut(&wide("é€".as_bytes()), 3)), [0xc3, 0xa9, 0xe2]);
        assert_eq!(narrow("\u{20ac}"), "€".as_bytes());
    }
}
