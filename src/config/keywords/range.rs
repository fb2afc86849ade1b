//! What numbers a keyword takes, and the text that says so.

const MILLION: i64 = 1_000_000;

/// Range, unit and peculiarities of a value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    limits: Limits,
    /// Of the numbers: `s`, `ms`.
    unit: &'static str,
    /// What else there is to know, with the sign that parts it from the numbers.
    note: &'static str,
}

#[derive(Debug, Clone, Copy)]
enum Limits {
    None,
    /// Millionths.
    Between(i64, Option<i64>),
    /// At most so many bytes.
    Bytes(u8),
    /// At most so many characters.
    Characters(u8),
    /// From 0, written with octal digits.
    Octal(u16),
    /// 32 bits with a sign.
    Signed,
}

/// No limit is known.
pub(super) const ANY: Range = Range { limits: Limits::None, unit: "", note: "" };
/// What 32 bits with a sign can say.
pub(super) const SIGNED: Range = Range { limits: Limits::Signed, unit: "", note: "" };

/// Text of at most so many bytes.
pub(super) const fn bytes(most: u8) -> Range {
    Range { limits: Limits::Bytes(most), ..ANY }
}

/// Numbers that are written with octal digits.
pub(super) const fn octal(high: u16) -> Range {
    Range { limits: Limits::Octal(high), ..ANY }
}

/// Text of at most so many characters.
pub(super) const fn characters(most: u8) -> Range {
    Range { limits: Limits::Characters(most), ..ANY }
}

/// Whole numbers.
pub(super) const fn whole(low: i64, high: i64) -> Range {
    Range { limits: Limits::Between(low * MILLION, Some(high * MILLION)), ..ANY }
}

/// Whole numbers without an upper limit of their own.
pub(super) const fn at_least(low: i64) -> Range {
    Range { limits: Limits::Between(low * MILLION, None), ..ANY }
}

/// Numbers with decimals, in millionths; `None`: without an upper limit of its own.
pub(super) const fn micros(low: i64, high: Option<i64>) -> Range {
    Range { limits: Limits::Between(low, high), ..ANY }
}

impl Range {
    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    pub(super) const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// The smallest and the largest number, in millionths.
    pub(super) fn bounds(&self) -> (Option<i64>, Option<i64>) {
        match self.limits {
            Limits::None | Limits::Bytes(_) | Limits::Characters(_) => (None, None),
            Limits::Octal(high) => (Some(0), Some(i64::from(high) * MILLION)),
            Limits::Between(low, high) => (Some(low), high),
            Limits::Signed => (Some(i64::from(i32::MIN) * MILLION), Some(i64::from(i32::MAX) * MILLION)),
        }
    }

    /// Whether the numbers are seconds.
    pub(super) fn is_seconds(&self) -> bool {
        self.unit == "s"
    }

    /// How long a text may be.
    pub(super) fn longest(&self) -> Option<usize> {
        match self.limits {
            Limits::Bytes(most) | Limits::Characters(most) => Some(most.into()),
            _ => None,
        }
    }

    /// `0.01..255 s; v2 rounds to whole seconds`.
    pub(super) fn text(&self) -> String {
        let limits = match self.limits {
            Limits::Signed => "32-bit signed".to_owned(),
            _ => self.limits(),
        };
        format!("{limits}{}", self.note)
    }

    /// What a message says of the value: `0.01..255 s`, `at most 15 characters`; empty: nothing.
    pub(super) fn limits(&self) -> String {
        let space = if self.unit.is_empty() { "" } else { " " };
        match self.limits {
            Limits::None | Limits::Signed => String::new(),
            Limits::Between(low, high) => {
                format!("{}..{}{space}{}", decimal(low), high.map_or(String::new(), decimal), self.unit)
            }
            Limits::Bytes(most) => format!("{most} bytes"),
            Limits::Characters(most) => format!("at most {most} characters"),
            Limits::Octal(high) => format!("0..0{high:o}"),
        }
    }
}

/// A number of millionths, without trailing zeros.
pub(super) fn decimal(millionths: i64) -> String {
    let sign = if millionths < 0 { "-" } else { "" };
    let (whole, rest) = (millionths.unsigned_abs() / 1_000_000, millionths.unsigned_abs() % 1_000_000);
    let text = format!("{sign}{whole}.{rest:06}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_says_the_numbers() {
        assert_eq!(whole(-20, 19).text(), "-20..19");
        assert_eq!(
            micros(10_000, Some(255_000_000)).unit("s").note("; rounded").text(),
            "0.01..255 s; rounded"
        );
        assert_eq!(micros(1, None).unit("s").text(), "0.000001.. s");
        assert_eq!(at_least(0).note("online-1").text(), "0..online-1");
        assert_eq!(ANY.note("bare = on").text(), "bare = on");
        assert_eq!((octal(0o777).text(), bytes(8).text()), ("0..0777".into(), "8 bytes".into()));
        let name = characters(15).note("; last wins");
        assert_eq!(
            (name.text(), name.limits()),
            ("at most 15 characters; last wins".into(), "at most 15 characters".into())
        );
        assert_eq!(SIGNED.bounds().1, Some(2_147_483_647_000_000));
    }
}
