//! Tracked files: the number in a file, and what it does to the priority of an instance.

use std::collections::BTreeMap;

/// The numbers of the tracked files, by name. One that is not named has not been read: it counts as 0.
pub type Numbers = BTreeMap<String, i32>;

/// What is looked at of a file, in bytes, as in keepalived.
pub const LONGEST: usize = 127;
/// A contribution of this or less means FAULT.
const FAULT: i32 = -254;
/// The most that a file adds.
const MOST: i32 = 253;

/// The number that a text begins with, in the notation of C: blanks, a sign, `0x` or `0` in front. Anything else is 0, as is
/// an empty file; what is too large is as large as can be.
pub fn number(text: &[u8]) -> i32 {
    let text = text.get(..LONGEST).unwrap_or(text);
    let mut bytes = text.trim_ascii_start();
    let negative = bytes.first() == Some(&b'-');
    if let Some((b'-' | b'+', rest)) = bytes.split_first() {
        bytes = rest;
    }
    let (base, digits) = match bytes {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => (16, rest),
        [b'0', rest @ ..] => (8, rest),
        all => (10, all),
    };
    let digits = digits.iter().map_while(|byte| char::from(*byte).to_digit(base));
    // One more than the largest is the size of the lowest.
    let most = i64::from(i32::MAX) + 1;
    let size = digits.fold(0i64, |sum, digit| (sum * i64::from(base) + i64::from(digit)).min(most));
    let number = if negative { -size } else { size.min(i64::from(i32::MAX)) };
    i32::try_from(number).unwrap_or(i32::MIN)
}

/// What `number` does with this weight, not 0: -254 to 253; -254 means FAULT.
pub fn contribution(number: i32, weight: i16, reverse: bool) -> i16 {
    let by = i64::from(number) * i64::from(weight) * if reverse { -1 } else { 1 };
    i16::try_from(by.clamp(FAULT.into(), MOST.into())).unwrap_or_default()
}

/// Whether that many means FAULT.
pub fn is_fault(contribution: i16) -> bool {
    i32::from(contribution) <= FAULT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_c() {
        let cases: [(&str, i32); 15] = [
            ("", 0),
            ("7\n", 7),
            (" \t-12 and more", -12),
            ("+3", 3),
            ("0x1F", 31),
            ("0X1f", 31),
            ("010", 8),
            ("08", 0),
            ("0x", 0),
            ("up", 0),
            ("-", 0),
            ("99999999999999999999", i32::MAX),
            ("-99999999999999999999", i32::MIN),
            ("-2147483647", -i32::MAX),
            ("4.9", 4),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text.as_bytes()), expected, "{text:?}");
        }
        let long = [vec![b' '; 126], b"12".to_vec()].concat();
        assert_eq!(number(&long), 1, "only the first bytes are looked at");
    }

    #[test]
    fn a_contribution_is_bounded_and_the_lowest_is_a_fault() {
        let cases = [(5, 10, false, 50), (5, 10, true, -50), (-5, 10, false, -50), (100, 100, false, 253)];
        for (number, weight, reverse, expected) in cases {
            let by = contribution(number, weight, reverse);
            assert_eq!((by, is_fault(by)), (expected, false), "{number} {weight} {reverse}");
        }
        assert!(is_fault(contribution(-254, 1, false)) && is_fault(contribution(i32::MAX, 254, true)));
        assert!(!is_fault(contribution(-253, 1, false)));
    }
}
