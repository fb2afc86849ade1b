//! Words into options and what is left over, by the rules of popt, which ipvsadm reads its command line with: options
//! may stand together behind one `-`, a value is glued, behind `=`, or the next word, whatever that begins with; nothing
//! is abbreviated; `--` ends the options.

/// An option: its long name, its letter (`\0`: none), and whether it has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Behind `--`.
    pub long: &'static str,
    /// Behind `-`.
    pub short: char,
    /// Its value.
    pub value: Value,
}

/// The value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value {
    /// It has none.
    None,
    /// It has one.
    One,
    /// It has one, unless the next word begins with `-` or there is none.
    Maybe,
}

/// An option that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its long name.
    pub long: &'static str,
    /// Its value.
    pub value: Option<String>,
}

/// Why reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// No option is called so.
    Unknown,
    /// Its value is missing.
    NoValue,
    /// It has no value.
    Unwanted,
}

impl Wrong {
    /// What popt says.
    pub fn text(self) -> &'static str {
        match self {
            Self::Unknown => "unknown option",
            Self::NoValue => "missing argument",
            Self::Unwanted => "option does not take an argument",
        }
    }
}

/// The reader.
#[derive(Debug)]
pub struct Words<'a> {
    words: &'a [String],
    known: &'a [Known],
    next: usize,
    /// What follows in a word of several letters.
    letters: Option<&'a str>,
    over: bool,
    /// Words that are no options.
    pub left: Vec<&'a str>,
}

impl<'a> Words<'a> {
    /// `words`: without the name of the program.
    pub fn new(words: &'a [String], known: &'a [Known]) -> Self {
        Self { words, known, next: 0, letters: None, over: false, left: Vec::new() }
    }

    /// The word that was read last.
    pub fn last(&self) -> &'a str {
        self.next.checked_sub(1).and_then(|last| self.words.get(last)).map_or("", String::as_str)
    }

    /// The next option; `None`: there is no more.
    pub fn option(&mut self) -> Result<Option<Found>, Wrong> {
        loop {
            if let Some(letters) = self.letters.take() {
                return self.letter(letters).map(Some);
            }
            let Some(word) = self.words.get(self.next) else { return Ok(None) };
            self.next += 1;
            if self.over || word == "-" || !word.starts_with('-') {
                self.left.push(word);
            } else if word == "--" {
                self.over = true;
            } else if let Some(long) = word.strip_prefix("--") {
                return self.long(long).map(Some);
            } else {
                self.letters = word.get(1..);
            }
        }
    }

    fn long(&mut self, word: &'a str) -> Result<Found, Wrong> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let known = *self.known.iter().find(|known| known.long == name).ok_or(Wrong::Unknown)?;
        match (known.value, value) {
            (Value::None, Some(_)) => Err(Wrong::Unwanted),
            (Value::None, None) => Ok(Found { long: known.long, value: None }),
            (_, Some(value)) => Ok(Found { long: known.long, value: Some(value.to_owned()) }),
            (_, None) => self.with_next(known),
        }
    }

    fn letter(&mut self, letters: &'a str) -> Result<Found, Wrong> {
        let mut rest = letters.chars();
        let letter = rest.next().ok_or(Wrong::Unknown)?;
        let is = |known: &&Known| known.short == letter && letter != '\0';
        let known = *self.known.iter().find(is).ok_or(Wrong::Unknown)?;
        let rest = rest.as_str();
        match known.value {
            Value::None if rest.starts_with('=') => Err(Wrong::Unwanted),
            Value::None => {
                self.letters = (!rest.is_empty()).then_some(rest);
                Ok(Found { long: known.long, value: None })
            }
            _ if rest.is_empty() => self.with_next(known),
            _ => {
                let value = rest.strip_prefix('=').unwrap_or(rest).to_owned();
                Ok(Found { long: known.long, value: Some(value) })
            }
        }
    }

    fn with_next(&mut self, known: Known) -> Result<Found, Wrong> {
        let value = self.words.get(self.next);
        let value = match (value, known.value) {
            (None, Value::Maybe) => None,
            (Some(next), Value::Maybe) if next.starts_with('-') => None,
            (None, _) => return Err(Wrong::NoValue),
            (Some(next), _) => {
                self.next += 1;
                Some(next.clone())
            }
        };
        Ok(Found { long: known.long, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [Known; 4] = [
        Known { long: "list", short: 'L', value: Value::None },
        Known { long: "numeric", short: 'n', value: Value::None },
        Known { long: "weight", short: 'w', value: Value::One },
        Known { long: "persistent", short: 'p', value: Value::Maybe },
    ];

    fn read(line: &str) -> String {
        let words: Vec<String> = line.split(' ').filter(|word| !word.is_empty()).map(str::to_owned).collect();
        let mut reader = Words::new(&words, &KNOWN);
        let mut text = String::new();
        loop {
            match reader.option() {
                Ok(Some(Found { long, value })) => {
                    text += &format!("{long}{} ", value.map(|value| format!("={value}")).unwrap_or_default());
                }
                Ok(None) => return format!("{text}[{}]", reader.left.join(",")),
                Err(wrong) => return format!("{text}{}: {}", reader.last(), wrong.text()),
            }
        }
    }

    #[test]
    fn options_are_read_as_popt_reads_them() {
        let lines = [
            ("-Ln", "list numeric []"),
            ("-L -w 5 a b", "list weight=5 [a,b]"),
            (
                "-w5 -w=6 --weight=7 --weight 8 --weight -9",
                "weight=5 weight=6 weight=7 weight=8 weight=-9 []",
            ),
            ("-p -n", "persistent numeric []"),
            ("-p 50 -n -p", "persistent=50 numeric persistent []"),
            ("-Lw", "list -Lw: missing argument"),
            ("-Ln=5", "list -Ln=5: option does not take an argument"),
            ("-w==5 -w=", "weight==5 weight= []"),
            ("-L --wei 5", "list --wei: unknown option"),
            ("-L --numeric=5", "list --numeric=5: option does not take an argument"),
            ("-L -- -n -", "list [-n,-]"),
            ("- -L", "list [-]"),
            ("-Lxn", "list -Lxn: unknown option"),
        ];
        for (line, expected) in lines {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
