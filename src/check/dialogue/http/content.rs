//! What is looked for in a body while it comes: texts, and that it is not too long.
//!
//! A chunked body is looked at without its chunks. Kept is how it begins, for the reason, and of each text how much of it
//! has been found: no byte of the body is looked at twice, however it is cut.

use serde_json::Value;

use crate::check::Failure;
use crate::config::model::{JsonValue, UrlMore};

/// Bytes of the body that are shown of one that is not as it should be.
const SHOWN: usize = 60;
/// A longer document is not read as JSON: its values take several times its room.
const LONGEST_JSON: usize = 256 * 1024;

/// A body that is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    size: u64,
    most: Option<u64>,
    /// In the order of `contains`, then of `contains_not`.
    texts: Vec<Text>,
    /// How it begins.
    start: Vec<u8>,
    /// All of it, where it is read as JSON.
    json: Option<Vec<u8>>,
}

impl Content {
    /// `None`: nothing is asked of the body.
    pub(super) fn of(more: &UrlMore) -> Option<Box<Self>> {
        let texts = more.contains.iter().chain(&more.contains_not).map(|text| Text::new(text)).collect();
        let (size, start) = (0, Vec::new());
        let json = (!more.values.is_empty()).then(Vec::new);
        more.reads().then(|| Box::new(Self { size, most: more.max_size, texts, start, json }))
    }

    /// Takes the next piece in. `true`: the body is too long, and nothing more need come.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        let room = SHOWN.saturating_sub(self.start.len()).min(bytes.len());
        self.start.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.size = self.size.saturating_add(bytes.len() as u64);
        self.texts.iter_mut().for_each(|text| text.feed(bytes));
        if let Some(json) = &mut self.json {
            let room = LONGEST_JSON.saturating_sub(json.len()).min(bytes.len());
            json.extend_from_slice(bytes.get(..room).unwrap_or_default());
        }
        self.judge_size().is_err()
    }

    /// Whether it has at most `max_size` bytes, and no more than are read as JSON.
    pub(super) fn judge_size(&self) -> Result<(), Failure> {
        let json = self.json.as_ref().map(|_| LONGEST_JSON as u64);
        match self.most.into_iter().chain(json).min().filter(|most| self.size > *most) {
            Some(most) => {
                let expected = format!("a body of at most {most} bytes");
                Err(Failure::Unexpected { expected, got: "a longer one".to_owned() })
            }
            None => Ok(()),
        }
    }

    /// Whether it is what `more` wants.
    pub(super) fn judge(&self, more: &UrlMore) -> Result<(), Failure> {
        let wanted = more.contains.iter().map(|text| (text, true));
        let wanted = wanted.chain(more.contains_not.iter().map(|text| (text, false)));
        for ((text, is_wanted), seen) in wanted.zip(&self.texts) {
            if seen.found != is_wanted {
                let with = if is_wanted { "with" } else { "without" };
                let expected = format!("a body {with} `{}`", text.escape_debug());
                return Err(Failure::Unexpected { expected, got: self.shown() });
            }
        }
        match &self.json {
            Some(json) => self.judge_values(json, &more.values),
            None => Ok(()),
        }
    }

    fn judge_values(&self, json: &[u8], values: &[JsonValue]) -> Result<(), Failure> {
        let unexpected = |expected: String, got: String| Err(Failure::Unexpected { expected, got });
        let document: Value = match serde_json::from_slice(json) {
            Ok(document) => document,
            Err(error) => return unexpected("JSON".to_owned(), format!("{}: {error}", self.shown())),
        };
        for value in values {
            let found = document.pointer(value.pointer()).map(|found| match found {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            if found.as_deref() != Some(&value.text) {
                let place = match value.pointer() {
                    "" => "the whole document".to_owned(),
                    pointer => pointer.escape_debug().to_string(),
                };
                let found = found.map_or("none".to_owned(), |found| shortened(&found));
                return unexpected(format!("`{}` at {place}", value.text.escape_debug()), found);
            }
        }
        Ok(())
    }

    /// How the body begins, in one line.
    fn shown(&self) -> String {
        match self.start.as_slice() {
            [] => "an empty body".to_owned(),
            start => {
                let more = if start.len() < SHOWN { "" } else { "…" };
                format!("`{}`{more}", String::from_utf8_lossy(start).trim_end().escape_debug())
            }
        }
    }
}

/// In one line, and not for ever.
fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    let more = if shown.len() < text.len() { "…" } else { "" };
    format!("`{}`{more}", shown.escape_debug())
}

/// A text that is looked for, and how much of it the last bytes are: the search of Knuth, Morris and Pratt.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    bytes: Vec<u8>,
    /// Of each beginning of the text: how much of its end is a beginning, too.
    falls: Vec<usize>,
    /// So many of its bytes came last.
    matched: usize,
    found: bool,
}

impl Text {
    fn new(text: &str) -> Self {
        let bytes = text.as_bytes().to_vec();
        let mut new = Self { falls: vec![0], bytes, matched: 0, found: text.is_empty() };
        for byte in text.bytes().skip(1) {
            new.step(byte);
            new.falls.push(new.matched);
        }
        new.matched = 0;
        new
    }

    fn feed(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.found {
                return;
            }
            self.step(*byte);
            self.found = self.matched == self.bytes.len();
        }
    }

    /// One byte more. Not to be called once the whole text has come.
    fn step(&mut self, byte: u8) {
        while self.matched > 0 && self.bytes.get(self.matched) != Some(&byte) {
            self.matched = self.falls.get(self.matched - 1).copied().unwrap_or(0);
        }
        if self.bytes.get(self.matched) == Some(&byte) {
            self.matched += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(contains: &[&str], contains_not: &[&str], max_size: Option<u64>) -> (UrlMore, Box<Content>) {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let more = UrlMore {
            contains: owned(contains),
            contains_not: owned(contains_not),
            max_size,
            ..UrlMore::default()
        };
        let content = Content::of(&more).unwrap();
        (more, content)
    }

    #[test]
    fn a_text_is_found_however_the_body_is_cut() {
        let mut random = fastrand::Rng::with_seed(7);
        let word = |random: &mut fastrand::Rng, longest| -> String {
            (0..random.usize(1..=longest)).map(|_| *random.choice(&['a', 'b']).unwrap()).collect()
        };
        let mut found = 0;
        for _ in 0..4000 {
            let (text, body) = (word(&mut random, 6), word(&mut random, 40));
            let (more, mut content) = content(&[&text], &[], None);
            for piece in body.as_bytes().chunks(random.usize(1..8)) {
                assert!(!content.feed(piece));
            }
            let is = body.contains(&text);
            found += u32::from(is);
            assert_eq!(content.judge(&more).is_ok(), is, "{text} in {body}");
        }
        assert!((1000..3000).contains(&found), "{found}");
    }

    #[test]
    fn each_text_counts() {
        let reason = |body: &str| {
            let (more, mut content) = content(&["ready", "db"], &["error"], None);
            content.feed(body.as_bytes());
            content.judge(&more).map_err(|failure| failure.to_string())
        };
        assert_eq!(reason("ready, db up"), Ok(()));
        assert_eq!(reason("db up\n"), Err("expected a body with `ready`, got `db up`".to_owned()));
        assert_eq!(reason(""), Err("expected a body with `ready`, got an empty body".to_owned()));
        let more = "expected a body without `error`, got `db ready error`";
        assert_eq!(reason("db ready error"), Err(more.to_owned()));
        let long = reason(&"x".repeat(100)).unwrap_err();
        assert_eq!(long, format!("expected a body with `ready`, got `{}`…", "x".repeat(60)));
    }

    #[test]
    fn values_of_json_are_those_that_are_asked_for() {
        let reason = |values: &[(&str, &str)], body: &str| {
            let values =
                values.iter().map(|(pointer, text)| JsonValue::new(pointer, text).unwrap()).collect();
            let more = UrlMore { values, ..UrlMore::default() };
            let mut content = Content::of(&more).unwrap();
            let whole = body.as_bytes().chunks(3).all(|piece| !content.feed(piece));
            assert_eq!(content.judge_size().is_ok(), whole);
            content.judge_size().and_then(|()| content.judge(&more)).map_err(|failure| failure.to_string())
        };
        let body =
            r#"{"status": "ok", "db": {"up": true, "lag": 0.5, "a/b": [1, null, {"c": []}]}, "": "e"}"#;
        let all = [
            ("/status", "ok"),
            ("/db/up", "true"),
            ("/db/lag", "0.5"),
            ("/db/a~1b/0", "1"),
            ("/db/a~1b/1", "null"),
            ("/db/a~1b/2", r#"{"c":[]}"#),
            ("/", "e"),
        ];
        assert_eq!(reason(&all, body), Ok(()));
        assert_eq!(reason(&[("", "7")], " 7\n"), Ok(()));
        let why = |values: &[(&str, &str)], body: &str| reason(values, body).unwrap_err();
        assert_eq!(why(&[("/db/up", "yes")], body), "expected `yes` at /db/up, got `true`");
        assert_eq!(why(&[("/status", "ok"), ("/db/x", "1")], body), "expected `1` at /db/x, got none");
        assert_eq!(why(&[("", "8")], "7"), "expected `8` at the whole document, got `7`");
        assert!(why(&all, "out of order").starts_with("expected JSON, got `out of order`: "));
        assert!(why(&all, "").starts_with("expected JSON, got an empty body: "));
        assert!(why(&all, &format!("{body} x")).starts_with("expected JSON, got "), "something follows");
        let long = format!("\"{}\"", "x".repeat(LONGEST_JSON));
        let most = "expected a body of at most 262144 bytes, got a longer one";
        assert_eq!(why(&[("", "x")], &long), most);
        assert!(why(&[("", "x")], &long[2..]).starts_with("expected JSON, got "));
        let deep = "[".repeat(100_000);
        assert!(why(&[("", "x")], &deep).contains("recursion limit"));
    }

    #[test]
    fn a_body_that_is_too_long_ends_the_reading() {
        let (_, mut content) = content(&[], &[], Some(5));
        assert!(!content.feed(b"hello"));
        assert_eq!(content.judge_size(), Ok(()));
        assert!(content.feed(b" "));
        let why = content.judge_size().unwrap_err().to_string();
        assert_eq!(why, "expected a body of at most 5 bytes, got a longer one");
    }
}
