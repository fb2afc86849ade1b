//! What counts when a keyword is absent.

/// What counts, and what there is to know of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Absent {
    /// What counts.
    pub value: Value,
    /// The setting of a block around it, which counts first; empty: there is none.
    unless: &'static str,
    /// What counts when the keyword stands alone.
    bare: Option<i64>,
    /// With the sign that parts it from the value.
    note: &'static str,
}

/// What counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// A number, in millionths.
    Number(i64),
    /// It is off, or on.
    Switch(bool),
    /// There is none.
    None,
    /// Nothing is said of it.
    Unsaid,
    /// It must be there.
    Required,
    /// What other settings say, or a peculiarity; for people.
    Told(&'static str),
    /// A word that could be written.
    Word(&'static str),
}

const MILLION: i64 = 1_000_000;

/// There is none.
pub(super) const NONE: Absent = absent(Value::None);
/// It is off.
pub(super) const OFF: Absent = absent(Value::Switch(false));
/// It is on.
pub(super) const ON: Absent = absent(Value::Switch(true));
/// It must be there.
pub(super) const REQUIRED: Absent = absent(Value::Required);
/// Nothing is said of it.
pub(super) const UNSAID: Absent = absent(Value::Unsaid);

const fn absent(value: Value) -> Absent {
    Absent { value, unless: "", bare: None, note: "" }
}

/// A whole number.
pub(super) const fn number(number: i64) -> Absent {
    absent(Value::Number(number * MILLION))
}

/// Seconds.
pub(super) const fn time(time: std::time::Duration) -> Absent {
    number_of_micros(time.as_secs(), time.subsec_micros())
}

/// Milliseconds.
pub(super) const fn millis(time: std::time::Duration) -> Absent {
    let millionths = time.as_secs() * 1000 + time.subsec_millis() as u64;
    number_of_micros(millionths, 0)
}

const fn number_of_micros(whole: u64, micros: u32) -> Absent {
    absent(Value::Number(whole as i64 * MILLION + micros as i64))
}

/// For people.
pub(super) const fn told(text: &'static str) -> Absent {
    absent(Value::Told(text))
}

/// A word that could be written.
pub(super) const fn word(text: &'static str) -> Absent {
    absent(Value::Word(text))
}

impl Absent {
    pub(super) const fn note(self, note: &'static str) -> Self {
        Self { note, ..self }
    }

    /// What counts when the keyword stands alone: a whole number.
    pub(super) const fn bare(self, number: i64) -> Self {
        Self { bare: Some(number), ..self }
    }

    /// What counts first: the setting of a block around it.
    pub(super) const fn unless(self, unless: &'static str) -> Self {
        Self { unless, ..self }
    }

    /// The number that counts whatever stands around it, in millionths.
    pub fn number(&self) -> Option<i64> {
        match self.value {
            Value::Number(number) if self.unless.is_empty() => Some(number),
            _ => None,
        }
    }

    /// Whether there is nothing more to say than the value.
    pub fn is_plain(&self) -> bool {
        self.unless.is_empty() && self.bare.is_none() && self.note.is_empty()
    }

    /// Whether what counts is as good as nothing: none, off, or 0.
    pub fn is_nothing(&self) -> bool {
        self.unless.is_empty() && matches!(self.value, Value::None | Value::Switch(false) | Value::Number(0))
    }

    /// As the reference says it: `off; bare = 360`.
    pub(super) fn text(&self) -> String {
        let value = match self.value {
            Value::Number(millionths) => super::range::decimal(millionths),
            Value::Switch(false) => "off".to_owned(),
            Value::Switch(true) => "on".to_owned(),
            Value::None => "none".to_owned(),
            Value::Unsaid => String::new(),
            Value::Required => "required".to_owned(),
            Value::Told(text) | Value::Word(text) => text.to_owned(),
        };
        let around = if self.unless.is_empty() { String::new() } else { format!("{}, else ", self.unless) };
        let bare = self.bare.map_or_else(String::new, |number| format!("; bare = {number}"));
        format!("{around}{value}{bare}{}", self.note)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn texts() {
        assert_eq!(OFF.bare(360).text(), "off; bare = 360");
        assert_eq!(number(3).unless("server value").text(), "server value, else 3");
        assert_eq!(number(-1).text(), "-1");
        assert_eq!(time(Duration::from_millis(1500)).text(), "1.5");
        assert_eq!(millis(Duration::from_millis(10)).text(), "10");
        assert_eq!((UNSAID.text(), REQUIRED.text()), (String::new(), "required".to_owned()));
    }

    #[test]
    fn nothing() {
        assert!(number(0).is_nothing() && OFF.bare(360).is_nothing() && NONE.is_nothing());
        assert!(!number(0).unless("server value").is_nothing());
        assert!(!number(1).is_nothing() && !told("0 = interval").is_nothing());
    }
}
