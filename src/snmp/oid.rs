//! Names of objects: numbers in a row, in the order of their numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The most numbers that a name has (RFC 2578 §3.5).
pub const LONGEST: usize = 128;

/// The name of an object, or the start of names.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Oid(Vec<u32>);

impl Oid {
    /// The name of these numbers.
    #[must_use]
    pub fn new(numbers: &[u32]) -> Self {
        Self(numbers.to_vec())
    }

    /// This one with `more` behind it.
    #[must_use]
    pub fn with(&self, more: &[u32]) -> Self {
        Self([&self.0, more].concat())
    }

    /// The numbers.
    #[must_use]
    pub fn numbers(&self) -> &[u32] {
        &self.0
    }

    /// What stands behind `start`; `None`: it does not begin so.
    #[must_use]
    pub fn behind(&self, start: &Self) -> Option<&[u32]> {
        self.0.strip_prefix(start.0.as_slice())
    }
}

impl fmt::Display for Oid {
    /// `1.3.6.1.4.1.9586.100.5`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.0.iter().enumerate() {
            let dot = if at == 0 { "" } else { "." };
            write!(f, "{dot}{number}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_of_their_numbers() {
        let of = |numbers: &[u32]| Oid::new(numbers);
        assert!(of(&[1, 3]) < of(&[1, 3, 0]));
        assert!(of(&[1, 3, 9]) < of(&[1, 3, 10]));
        assert_eq!(of(&[1, 3, 6, 1]).behind(&of(&[1, 3])), Some(&[6, 1][..]));
        assert_eq!(of(&[1, 3]).behind(&of(&[1, 4])), None);
        assert_eq!(of(&[1, 3]).with(&[6]).to_string(), "1.3.6");
    }
}
