//! Whether a body matches a pattern, while it comes.
//!
//! What is found is what a search of the whole body would find, however the body is cut; kept is only what may still become
//! a part of a match. What a match may span, and the work of all searches, have limits: a page must not hold the director.

use std::sync::Arc;

use crate::check::Failure;
use crate::config::model::UrlRegex;
use crate::sys::regex::{Found, GivenUp, Look, Regex};

/// Bytes that a match may span, with what is looked back at.
pub(super) const LONGEST: usize = 256 * 1024;
/// At least so many bytes come before it is searched again.
const PIECE: usize = 4096;
/// Work that a search may take: a fraction of a second.
const WORK: u64 = 1 << 26;
/// And so much more for each byte that comes.
const WORK_PER_BYTE: u64 = 64;
/// Bytes of the body that are shown of one that is not as it should be.
const SHOWN: usize = 60;

/// A search under way.
#[derive(Debug, Clone)]
pub struct Search {
    regex: Arc<Regex>,
    /// Where the first and the last match may begin.
    offsets: (u64, Option<u64>),
    window: Vec<u8>,
    /// Where in the body the window begins.
    base: u64,
    /// Where in the window the next match may begin.
    next: usize,
    /// How much of the window was there when it was searched last.
    searched: usize,
    /// What it means depends on the whole: it is searched when all is there.
    whole: bool,
    work: u64,
    /// How the body begins.
    start: Vec<u8>,
    verdict: Option<Result<Option<u64>, Trouble>>,
}

/// Why there is no verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Trouble {
    /// What begins at this byte of the body spans more than is kept.
    Long(u64),
    GivenUp(GivenUp),
}

/// What came of a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Searched {
    /// Where in the body the match begins.
    found: Result<Option<u64>, Trouble>,
    /// How the body begins.
    start: Vec<u8>,
}

impl Search {
    /// For `regex`, the pattern of `asked` as it is compiled.
    pub(crate) fn new(regex: Arc<Regex>, asked: &UrlRegex) -> Self {
        let pattern = asked.pattern.as_deref().unwrap_or_default();
        // A first line, `\G` and verbs such as `(*COMMIT)` refer to where the search began.
        let whole = regex.is_of_first_line() || pattern.contains("\\G") || pattern.contains("(*");
        Self {
            regex,
            offsets: (asked.min_offset, asked.max_offset),
            window: Vec::new(),
            base: 0,
            next: 0,
            searched: 0,
            whole,
            work: WORK,
            start: Vec::new(),
            verdict: None,
        }
    }

    /// Takes the next piece of the body in. `true`: nothing more need come.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        if self.verdict.is_some() {
            return true;
        }
        let room = SHOWN.saturating_sub(self.start.len()).min(bytes.len());
        self.start.extend_from_slice(bytes.get(..room).unwrap_or_default());
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        self.work = self.work.saturating_add(length.saturating_mul(WORK_PER_BYTE));
        self.window.extend_from_slice(bytes);
        let new = self.window.len() - self.searched;
        // Searched again when it has grown by a part of itself, a window is not searched as often as pieces come.
        if !self.whole && new >= PIECE.max(self.window.len() / 2) {
            self.look(true);
        }
        if self.verdict.is_none() && self.window.len() > LONGEST {
            let begins = self.base.saturating_add(self.next as u64);
            self.verdict = Some(Err(Trouble::Long(begins)));
        }
        self.verdict.is_some()
    }

    /// The body has ended.
    pub(super) fn finish(mut self) -> Searched {
        if self.verdict.is_none() {
            self.look(false);
        }
        Searched { found: self.verdict.unwrap_or(Ok(None)), start: self.start }
    }

    /// Searches the window; `more`: this is not the end.
    fn look(&mut self, more: bool) {
        let end = match more && self.regex.is_utf() {
            true => match std::str::from_utf8(&self.window) {
                Ok(text) => text.len(),
                Err(error) if error.error_len().is_none() => error.valid_up_to(),
                Err(_) => {
                    // A partial match before what is no UTF-8 would hide what is behind it.
                    self.whole = true;
                    return;
                }
            },
            false => self.window.len(),
        };
        self.searched = self.window.len();
        let inside = |offset: u64| usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let from = self.next.max(inside(self.offsets.0));
        let to = match self.offsets.1 {
            Some(last) if last < self.base.saturating_add(from as u64) => {
                self.verdict = Some(Ok(None));
                return;
            }
            last => last.map(inside),
        };
        let text = self.window.get(..end).unwrap_or_default();
        if from > text.len() {
            // Nothing may begin here; only what is looked back at is of use.
            self.forget(text.len());
            return;
        }
        match self.regex.search(Look { text, from, to, more }, &mut self.work) {
            Ok(Found::Match(range)) => self.verdict = Some(Ok(Some(self.base + range.start as u64))),
            Ok(Found::Begins(at)) => self.forget(at),
            Ok(Found::Nothing) => self.forget(end),
            Err(why) => self.verdict = Some(Err(Trouble::GivenUp(why))),
        }
    }

    /// The next match begins at `next` of the window or later: what is not looked back at from there is given up.
    fn forget(&mut self, next: usize) {
        // PCRE2 counts characters. One at least, so that no other place is taken for the start of the body.
        let width = if self.regex.is_utf() { 4 } else { 1 };
        let kept = self.regex.lookbehind().max(1).saturating_mul(width);
        let mut cut = next.saturating_sub(kept);
        let within = |at: usize| self.window.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        while self.regex.is_utf() && cut > 0 && within(cut) {
            cut -= 1;
        }
        self.window.drain(..cut);
        self.base += cut as u64;
        self.next = next - cut;
        self.searched -= cut;
    }
}

impl Searched {
    /// Whether it is what `asked` wants.
    pub(super) fn judge(&self, asked: &UrlRegex) -> Result<(), Failure> {
        let pattern = asked.pattern.as_deref().unwrap_or_default();
        let why = match (&self.found, asked.no_match) {
            (Ok(Some(_)), false) | (Ok(None), true) => return Ok(()),
            (Ok(Some(at)), true) => format!("a match at byte {at} of {}", self.shown()),
            (Ok(None), false) => self.shown(),
            (Err(trouble), _) => format!("{} {trouble}", self.shown()),
        };
        let not = if asked.no_match { "not " } else { "" };
        let expected = format!("a body that does {not}match `{}`", pattern.escape_debug());
        let offsets = match (asked.min_offset, asked.max_offset) {
            (0, None) => String::new(),
            (from, None) => format!(" from byte {from} on"),
            (from, Some(to)) => format!(" from byte {from} to {to}"),
        };
        Err(Failure::Unexpected { expected: expected.replace("does match", "matches") + &offsets, got: why })
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

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Long(at) => {
                write!(
                    f,
                    "in which what may be a match begins at byte {at} and does not end within {LONGEST} bytes"
                )
            }
            Self::GivenUp(GivenUp::Work) => {
                f.write_str("which it takes too long to search: the pattern backtracks")
            }
            Self::GivenUp(GivenUp::Memory) => f.write_str("which it takes too much memory to search"),
            Self::GivenUp(GivenUp::Other(why)) => write!(f, "which could not be searched: {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(pattern: &str, options: &str) -> UrlRegex {
        let options = options.split_whitespace().map(str::to_owned).collect();
        UrlRegex { pattern: Some(pattern.to_owned()), options, ..UrlRegex::default() }
    }

    fn start(asked: &UrlRegex) -> Search {
        let pattern = asked.pattern.as_deref().unwrap();
        let regex = Regex::named(pattern, &asked.options, asked.max_offset.is_some()).unwrap();
        Search::new(Arc::new(regex), asked)
    }

    fn search<'a>(asked: &UrlRegex, pieces: impl Iterator<Item = &'a [u8]>) -> Searched {
        let mut search = start(asked);
        for piece in pieces {
            if search.feed(piece) {
                break;
            }
        }
        search.finish()
    }

    /// Where a search of all at once finds a match: PCRE2 alone.
    fn whole(asked: &UrlRegex, body: &[u8]) -> Option<u64> {
        let search = start(asked);
        let inside = |offset| usize::try_from(offset).unwrap();
        let (from, to) = (inside(asked.min_offset), asked.max_offset.map(inside));
        if to.is_some_and(|to| to < from) {
            return None;
        }
        let look = Look { text: body, from, to, more: false };
        match search.regex.search(look, &mut (1 << 40)).unwrap() {
            Found::Match(range) => Some(range.start as u64),
            _ => None,
        }
    }

    /// Pieces of any sizes, from all that may be hard to cut.
    #[test]
    fn however_a_body_is_cut_its_matches_are_those_of_the_whole() {
        let patterns = [
            ("hello world", ""),
            ("wor|o w", ""),
            ("^b+", "multiline"),
            ("^a", ""),
            ("\\Ab", ""),
            ("b$", ""),
            ("a$", "multiline"),
            ("b\\z", ""),
            ("(?<=aab)c", ""),
            ("(?<!a)b\\b", ""),
            ("\\bab\\B", ""),
            ("(?<=é)b", "utf"),
            ("^.{3}é", "utf multiline"),
            ("é.*c", "utf dotall"),
            ("a(?!b).c", "dotall"),
            ("(a|b)*c", ""),
            ("(.)\\1\\1", ""),
            ("b+?c*\\n", ""),
            ("a\\Kbc", ""),
            ("x", ""),
            ("", ""),
            ("\\R\\R", ""),
            ("^c", "firstline multiline"),
            ("\\Gb|bc", ""),
            ("a(*COMMIT)b|c", ""),
            ("A+C", "caseless ungreedy"),
        ];
        let alphabet = ["a", "b", "c", "\n", "\r\n", "é", "aab", " ", "hello wor", "\u{fffd}"];
        let mut found_some = 0;
        for seed in 0..4000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let (pattern, options) = patterns[random.usize(..patterns.len())];
            let mut asked = asked(pattern, options);
            if random.u8(..4) == 0 {
                asked.min_offset = random.u64(..40);
            }
            if random.u8(..4) == 0 {
                asked.max_offset = Some(random.u64(..60));
            }
            // Searched only when a few thousand bytes have come: what is in front of the end matters.
            let mut body = b" -".repeat(random.usize(..5) * PIECE / 2 + random.usize(..3));
            for _ in 0..random.usize(..60) {
                body.extend(alphabet[random.usize(..alphabet.len())].bytes());
                if random.u8(..40) == 0 {
                    body.extend(b" ,".repeat(random.usize(..PIECE)));
                }
                if random.u8(..200) == 0 {
                    body.push(0xff);
                }
            }
            let mut pieces: Vec<&[u8]> = Vec::new();
            let mut rest = body.as_slice();
            while !rest.is_empty() {
                let most = [1, 100, PIECE, 3 * PIECE][random.usize(..4)];
                let (piece, more) = rest.split_at(random.usize(1..=most).min(rest.len()));
                pieces.push(piece);
                rest = more;
            }
            let found = search(&asked, pieces.into_iter()).found;
            found_some += usize::from(found != Ok(None));
            let text = String::from_utf8_lossy(&body);
            assert_eq!(found, Ok(whole(&asked, &body)), "seed {seed}: {asked:?} in {text:?}");
        }
        assert!((1000..3000).contains(&found_some), "{found_some} of 4000");
    }

    #[test]
    fn a_match_ends_it_and_what_cannot_match_is_not_kept() {
        let mut search = start(&asked("hello", ""));
        let piece = vec![b'h'; PIECE];
        for _ in 0..1000 {
            assert!(!search.feed(&piece) && search.window.capacity() < 4 * PIECE);
        }
        assert!(!search.feed(b"ello"));
        assert!(search.feed(&piece), "an endless body need not end");
        assert_eq!(search.finish().found, Ok(Some(1000 * PIECE as u64 - 1)));
    }

    #[test]
    fn what_a_match_spans_and_what_a_search_takes_have_limits() {
        for (pattern, no_match) in [("(?s)begin.*end", false), ("(?s)begin.*end", true)] {
            let asked = UrlRegex { no_match, ..asked(pattern, "") };
            let body = "begin ".to_owned() + &"x".repeat(LONGEST);
            let failure = search(&asked, body.as_bytes().chunks(1000)).judge(&asked).unwrap_err().to_string();
            assert!(failure.contains("begins at byte 0 and does not end within 262144 bytes"), "{failure}");
        }
        let asked = asked("(a+)+$x", "");
        let body = "a".repeat(200_000) + "\nx";
        let failure = search(&asked, body.as_bytes().chunks(1000)).judge(&asked).unwrap_err().to_string();
        assert!(failure.contains("too long to search") || failure.contains("too much memory"), "{failure}");
    }

    #[test]
    fn a_failure_names_what_was_expected_and_what_came() {
        let judge = |asked: &UrlRegex, body: &'static str| {
            search(asked, [body.as_bytes()].into_iter()).judge(asked).err().map(|failure| failure.to_string())
        };
        let plain = asked("a.c", "");
        assert_eq!(judge(&plain, "abc"), None);
        assert_eq!(judge(&plain, "").unwrap(), "expected a body that matches `a.c`, got an empty body");
        assert_eq!(judge(&plain, "x\ny\n").unwrap(), "expected a body that matches `a.c`, got `x\\ny`");
        let not = UrlRegex { no_match: true, ..plain.clone() };
        assert_eq!(judge(&not, "x"), None);
        let why = "expected a body that does not match `a.c`, got a match at byte 2 of `xxabc`";
        assert_eq!(judge(&not, "xxabc").unwrap(), why);
        let later = UrlRegex { min_offset: 3, max_offset: Some(9), ..plain };
        let why = "expected a body that matches `a.c` from byte 3 to 9, got `xxabc`";
        assert_eq!(judge(&later, "xxabc").unwrap(), why);
    }
}
