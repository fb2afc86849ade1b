//! Patterns of PCRE2, the language of `regex`: compiled once, searched for with a bound on the work.
//!
//! PCRE2's own limit counts for each place where a match may begin, so that a page of such places multiplies it. Here the
//! pattern is compiled with callouts between its items; they add up what a search costs over all places, and end it. The
//! patterns are interpreted: memory that can be written and executed, as its compiler to machine code needs, is what
//! services are hardened against.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr::{NonNull, null_mut};

use pcre2_sys as pcre2;

/// `regex_options`, and what they are to PCRE2.
pub(crate) const OPTIONS: [(&str, u32); 27] = [
    ("allow_empty_class", pcre2::PCRE2_ALLOW_EMPTY_CLASS),
    ("alt_bsux", pcre2::PCRE2_ALT_BSUX),
    ("alt_circumflex", pcre2::PCRE2_ALT_CIRCUMFLEX),
    ("alt_verbnames", pcre2::PCRE2_ALT_VERBNAMES),
    ("auto_callout", pcre2::PCRE2_AUTO_CALLOUT),
    ("caseless", pcre2::PCRE2_CASELESS),
    ("dollar_endonly", pcre2::PCRE2_DOLLAR_ENDONLY),
    ("dotall", pcre2::PCRE2_DOTALL),
    ("dupnames", pcre2::PCRE2_DUPNAMES),
    ("extended", pcre2::PCRE2_EXTENDED),
    ("firstline", pcre2::PCRE2_FIRSTLINE),
    ("match_unset_backref", pcre2::PCRE2_MATCH_UNSET_BACKREF),
    ("multiline", pcre2::PCRE2_MULTILINE),
    ("never_backslash_c", pcre2::PCRE2_NEVER_BACKSLASH_C),
    ("never_ucp", pcre2::PCRE2_NEVER_UCP),
    ("never_utf", pcre2::PCRE2_NEVER_UTF),
    ("no_auto_capture", pcre2::PCRE2_NO_AUTO_CAPTURE),
    ("no_auto_possess", pcre2::PCRE2_NO_AUTO_POSSESS),
    ("no_dotstar_anchor", pcre2::PCRE2_NO_DOTSTAR_ANCHOR),
    ("no_start_optimize", pcre2::PCRE2_NO_START_OPTIMIZE),
    ("ucp", pcre2::PCRE2_UCP),
    ("ungreedy", pcre2::PCRE2_UNGREEDY),
    ("use_offset_limit", pcre2::PCRE2_USE_OFFSET_LIMIT),
    ("utf", pcre2::PCRE2_UTF),
    // Of later versions of keepalived, under the name that PCRE2 has for it.
    ("extended_more", pcre2::PCRE2_EXTENDED_MORE),
    ("literal", pcre2::PCRE2_LITERAL),
    ("match_invalid_utf", pcre2::PCRE2_MATCH_INVALID_UTF),
];

/// Memory of one search, in KiB; it is given back at its end.
const MOST_MEMORY: u32 = 64 * 1024;
/// What a callout costs next to a byte that is passed over.
const CALLOUT: u64 = 16;

/// A compiled pattern.
#[derive(Debug)]
pub(crate) struct Regex {
    code: NonNull<pcre2::pcre2_code_8>,
    options: u32,
    lookbehind: usize,
}

// SAFETY: compiled code is not changed by those who match with it (pcre2api, "Multithreading"), and freed once.
#[allow(unsafe_code)]
unsafe impl Send for Regex {}
// SAFETY: the same.
#[allow(unsafe_code)]
unsafe impl Sync for Regex {}

/// Why a pattern is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NoPattern {
    /// Byte of the pattern at which that was found.
    pub offset: usize,
    /// In PCRE2's words.
    pub why: String,
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A match: from, to.
    Match(Range<usize>),
    /// What begins here may become a match when more comes.
    Begins(usize),
    /// Nothing.
    Nothing,
}

/// Why a search was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum GivenUp {
    /// It takes more work than it may.
    Work,
    /// It takes more memory than it may.
    Memory,
    /// PCRE2 says so, in its words.
    Other(String),
}

/// Where and how to search.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// The text; what is before [`Self::from`] is looked back at.
    pub text: &'a [u8],
    /// Where the first match may begin.
    pub from: usize,
    /// Where the last match may begin; of no effect unless the pattern was compiled to have such a place.
    pub to: Option<usize>,
    /// More text may follow.
    pub more: bool,
}

impl Regex {
    /// Compiles `pattern` with the [`OPTIONS`] of these names. Error: it is no pattern.
    pub(crate) fn named(pattern: &str, options: &[String], bounded: bool) -> Result<Self, NoPattern> {
        let bit = |name: &String| OPTIONS.iter().find(|(known, _)| known == name).map_or(0, |(_, bit)| *bit);
        Self::compile(pattern, options.iter().map(bit).fold(0, |all, bit| all | bit), bounded)
    }

    /// Compiles `pattern` with bits of [`OPTIONS`]; `bounded`: a search may say where the last match may begin. In a text that
    /// is to be UTF-8 and is not, what is wrong matches nothing.
    fn compile(pattern: &str, options: u32, bounded: bool) -> Result<Self, NoPattern> {
        let bounds = if bounded { pcre2::PCRE2_USE_OFFSET_LIMIT } else { 0 };
        let mut options = options | bounds | pcre2::PCRE2_AUTO_CALLOUT;
        if options & pcre2::PCRE2_UTF != 0 {
            options |= pcre2::PCRE2_MATCH_INVALID_UTF;
        }
        let compiled = Self::compile_as(pattern, options)?;
        // `(*UTF)` in the pattern.
        let late = pcre2::PCRE2_UTF | pcre2::PCRE2_MATCH_INVALID_UTF;
        match compiled.options & late == pcre2::PCRE2_UTF {
            true => Self::compile_as(pattern, options | late),
            false => Ok(compiled),
        }
    }

    #[allow(unsafe_code)]
    fn compile_as(pattern: &str, options: u32) -> Result<Self, NoPattern> {
        let (mut error, mut offset): (c_int, usize) = (0, 0);
        // SAFETY: the pattern is readable for its length; the two numbers outlive the call.
        let code = unsafe {
            pcre2::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                options,
                &raw mut error,
                &raw mut offset,
                null_mut(),
            )
        };
        let Some(code) = NonNull::new(code) else {
            return Err(NoPattern { offset: offset.min(pattern.len()), why: words(error) });
        };
        let mut compiled = Self { code, options: 0, lookbehind: 0 };
        compiled.options = compiled.information(pcre2::PCRE2_INFO_ALLOPTIONS);
        let lookbehind = compiled.information(pcre2::PCRE2_INFO_MAXLOOKBEHIND);
        compiled.lookbehind = usize::try_from(lookbehind).unwrap_or(usize::MAX);
        Ok(compiled)
    }

    /// What of a pattern is a number of 32 bits.
    #[allow(unsafe_code)]
    fn information(&self, what: u32) -> u32 {
        let mut number: u32 = 0;
        // SAFETY: the code is valid, and the two that are asked for are written as 32 bits (pcre2_pattern_info).
        unsafe {
            pcre2::pcre2_pattern_info_8(self.code.as_ptr(), what, (&raw mut number).cast());
        }
        number
    }

    /// How many characters before a match it may look at.
    pub(crate) fn lookbehind(&self) -> usize {
        self.lookbehind
    }

    /// The text is read as UTF-8.
    pub(crate) fn is_utf(&self) -> bool {
        self.options & pcre2::PCRE2_UTF != 0
    }

    /// A match must begin in the first line.
    pub(crate) fn is_of_first_line(&self) -> bool {
        self.options & pcre2::PCRE2_FIRSTLINE != 0
    }

    /// Searches; what that costs is taken from `work`: 1 for a byte that is passed over, and 16 for each step.
    #[allow(unsafe_code)]
    pub(crate) fn search(&self, look: Look<'_>, work: &mut u64) -> Result<Found, GivenUp> {
        let Look { text, from, to, more } = look;
        if from > text.len() {
            return Ok(Found::Nothing);
        }
        let (context, data) = (Context::new(), Data::new());
        let (Some(context), Some(data)) = (context, data) else { return Err(GivenUp::Memory) };
        let mut count = Count { left: *work, at: from };
        let options = if more { pcre2::PCRE2_PARTIAL_HARD } else { 0 };
        let bounded = to.filter(|_| self.options & pcre2::PCRE2_USE_OFFSET_LIMIT != 0);
        // SAFETY: context, data and code are valid; the text is readable for its length and `from` is in it; the count
        // outlives the match, which alone calls back with it, in this thread.
        let result = unsafe {
            pcre2::pcre2_set_heap_limit_8(context.0.as_ptr(), MOST_MEMORY);
            pcre2::pcre2_set_match_limit_8(context.0.as_ptr(), u32::MAX);
            if let Some(to) = bounded {
                pcre2::pcre2_set_offset_limit_8(context.0.as_ptr(), to);
            }
            pcre2_set_callout_8(context.0.as_ptr(), Some(called), (&raw mut count).cast());
            pcre2::pcre2_match_8(
                self.code.as_ptr(),
                text.as_ptr(),
                text.len(),
                from,
                options,
                data.0.as_ptr(),
                context.0.as_ptr(),
            )
        };
        *work = count.left;
        match result {
            pcre2::PCRE2_ERROR_NOMATCH => Ok(Found::Nothing),
            pcre2::PCRE2_ERROR_PARTIAL => Ok(Found::Begins(data.range().start)),
            pcre2::PCRE2_ERROR_CALLOUT | pcre2::PCRE2_ERROR_MATCHLIMIT => Err(GivenUp::Work),
            pcre2::PCRE2_ERROR_HEAPLIMIT | pcre2::PCRE2_ERROR_NOMEMORY | pcre2::PCRE2_ERROR_DEPTHLIMIT => {
                Err(GivenUp::Memory)
            }
            error if error < 0 => Err(GivenUp::Other(words(error))),
            _ => Ok(Found::Match(data.range())),
        }
    }
}

impl Drop for Regex {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: it came from `pcre2_compile`, and nobody else frees it.
        unsafe { pcre2::pcre2_code_free_8(self.code.as_ptr()) }
    }
}

/// What a search may still cost.
struct Count {
    left: u64,
    /// Where in the text it was last.
    at: usize,
}

/// The beginning of PCRE2's `pcre2_callout_block`, in all of its versions.
#[repr(C)]
struct Callout {
    version: u32,
    number: u32,
    capture_top: u32,
    capture_last: u32,
    offsets: *mut usize,
    mark: *const u8,
    subject: *const u8,
    subject_length: usize,
    start: usize,
    current: usize,
}

type Callback = unsafe extern "C" fn(*mut Callout, *mut c_void) -> c_int;

#[allow(unsafe_code)]
unsafe extern "C" {
    /// Not among the bindings.
    fn pcre2_set_callout_8(
        context: *mut pcre2::pcre2_match_context_8,
        callback: Option<Callback>,
        data: *mut c_void,
    ) -> c_int;
}

/// Between two items of the pattern: 0 goes on, [`pcre2::PCRE2_ERROR_CALLOUT`] ends the search.
///
/// # Safety
///
/// PCRE2 calls it with a block of its own, and with the [`Count`] that was set with it.
#[allow(unsafe_code)]
unsafe extern "C" fn called(block: *mut Callout, count: *mut c_void) -> c_int {
    // SAFETY: the block is valid for the call, and has these fields in every version of PCRE2.
    let current = unsafe { (*block).current };
    // SAFETY: the data is the count of `search`, that nobody else touches during the match.
    let count = unsafe { &mut *count.cast::<Count>() };
    let cost = CALLOUT.saturating_add(u64::try_from(current.abs_diff(count.at)).unwrap_or(u64::MAX));
    count.at = current;
    count.left = count.left.saturating_sub(cost);
    if count.left == 0 { pcre2::PCRE2_ERROR_CALLOUT } else { 0 }
}

struct Context(NonNull<pcre2::pcre2_match_context_8>);

impl Context {
    #[allow(unsafe_code)]
    fn new() -> Option<Self> {
        // SAFETY: without a general context it uses malloc.
        NonNull::new(unsafe { pcre2::pcre2_match_context_create_8(null_mut()) }).map(Self)
    }
}

impl Drop for Context {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: it was made by `new`, and nobody else frees it.
        unsafe { pcre2::pcre2_match_context_free_8(self.0.as_ptr()) }
    }
}

/// Where a match is put: its range alone, no groups.
struct Data(NonNull<pcre2::pcre2_match_data_8>);

impl Data {
    #[allow(unsafe_code)]
    fn new() -> Option<Self> {
        // SAFETY: one pair of offsets; without a general context it uses malloc.
        NonNull::new(unsafe { pcre2::pcre2_match_data_create_8(1, null_mut()) }).map(Self)
    }

    #[allow(unsafe_code)]
    fn range(&self) -> Range<usize> {
        // SAFETY: there is one pair of offsets, which a match or a partial match has set.
        unsafe {
            let pair = pcre2::pcre2_get_ovector_pointer_8(self.0.as_ptr());
            *pair..*pair.add(1)
        }
    }
}

impl Drop for Data {
    #[allow(unsafe_code)]
    fn drop(&mut self) {
        // SAFETY: it was made by `new`, and nobody else frees it.
        unsafe { pcre2::pcre2_match_data_free_8(self.0.as_ptr()) }
    }
}

/// PCRE2's words for an error.
#[allow(unsafe_code)]
fn words(error: c_int) -> String {
    let mut text = [0u8; 256];
    // SAFETY: the buffer is as long as is said; what does not fit is cut.
    let length = unsafe { pcre2::pcre2_get_error_message_8(error, text.as_mut_ptr(), text.len()) };
    let length = usize::try_from(length).unwrap_or(text.len() - 1);
    String::from_utf8_lossy(text.get(..length).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn search(
        pattern: &str,
        options: &str,
        text: &[u8],
        from: usize,
        to: Option<usize>,
    ) -> Result<Found, GivenUp> {
        let bits = OPTIONS.iter().filter(|(name, _)| options.split(' ').any(|option| option == *name));
        let options = bits.fold(0, |all, (_, bit)| all | bit);
        let regex = Regex::compile(pattern, options, to.is_some()).unwrap();
        regex.search(Look { text, from, to, more: false }, &mut 1_000_000)
    }

    #[test]
    fn the_language_is_that_of_pcre2() {
        let found = |pattern, options, text: &str| match search(pattern, options, text.as_bytes(), 0, None) {
            Ok(Found::Match(range)) => Some(range),
            Ok(Found::Nothing) => None,
            other => panic!("{pattern}: {other:?}"),
        };
        assert_eq!(found("w\\w+d", "", "hello world"), Some(6..11));
        assert_eq!(found("WORLD", "caseless", "hello world"), Some(6..11));
        assert_eq!(found("WORLD", "", "hello world"), None);
        assert_eq!(found("(?<=hello )world$", "", "hello world\n"), Some(6..11));
        assert_eq!(found("(?<y>.)\\k<y>", "", "hello"), Some(2..4));
        assert_eq!(found("o w (?# not this)", "extended dotall", "o w"), None);
        assert_eq!(found("a.c", "", "a\nc"), None);
        assert_eq!(found("a.c", "dotall", "a\nc"), Some(0..3));
        assert_eq!(found("^b", "multiline", "a\nb"), Some(2..3));
        assert_eq!(found("^b", "", "a\nb"), None);
        assert_eq!(found("^.$", "utf", "é"), Some(0..2));
        assert_eq!(found("^..$", "", "é"), Some(0..2), "bytes");
        assert_eq!(found("(*UTF)^.$", "", "é"), Some(0..2));
        assert_eq!(found("", "", "x"), Some(0..0));
    }

    #[test]
    fn what_is_no_utf_8_matches_nothing_and_stops_nothing() {
        for pattern in ["end", "(*UTF)end"] {
            let options = if pattern.starts_with('(') { "" } else { "utf" };
            assert_eq!(search(pattern, options, b"\xff\xfe end", 0, None), Ok(Found::Match(3..6)));
        }
        assert_eq!(search("x.y", "utf", b"x\xffy", 0, None), Ok(Found::Nothing));
    }

    #[test]
    fn matches_begin_between_the_offsets() {
        for (from, to, found) in [(6, None, true), (7, None, false), (0, Some(6), true), (0, Some(5), false)]
        {
            let result = search("world", "", b"hello world", from, to);
            assert_eq!(result == Ok(Found::Match(6..11)), found, "{from} {to:?}");
        }
        assert_eq!(search("x", "", b"x", 2, None), Ok(Found::Nothing), "behind the end");
        assert_eq!(search("(?<=o )w", "", b"hello world", 6, None), Ok(Found::Match(6..7)));
    }

    #[test]
    fn what_is_no_pattern_is_told_with_its_place() {
        let no_pattern = Regex::compile("hel(lo", 0, false).unwrap_err();
        assert_eq!((no_pattern.offset, &*no_pattern.why), (6, "missing closing parenthesis"));
        let no_pattern = Regex::compile("a(*)", 0, false).unwrap_err();
        assert_eq!(no_pattern.offset, 2);
        assert!(Regex::compile("(*UTF)a", pcre2::PCRE2_NEVER_UTF, false).is_err());
    }

    /// Each of them takes PCRE2 minutes and more when nothing but its own limit holds it.
    #[test]
    fn work_has_a_bound() {
        // What each pattern needs at its end is there, and in the wrong place.
        let text = "a".repeat(256 * 1024) + "\nx!byz";
        for pattern in ["(a+)+$x", "(?:a|aa)+b", "a*a*a*a*b", "\\w+!", "(?=(a+))\\1z", "(x+x+)+y|(a+a+)+y"] {
            let regex = Regex::compile(pattern, 0, false).unwrap();
            let (mut work, begun) = (1 << 26, std::time::Instant::now());
            let result =
                regex.search(Look { text: text.as_bytes(), from: 0, to: None, more: false }, &mut work);
            assert!(
                matches!(result, Err(GivenUp::Work | GivenUp::Memory) | Ok(Found::Nothing)),
                "{pattern}: {result:?}"
            );
            assert!(begun.elapsed().as_secs() < 20, "{pattern}: {:?}", begun.elapsed());
        }
    }

    #[test]
    fn what_may_become_a_match_is_told() {
        let regex = Regex::compile("world", 0, false).unwrap();
        let look = |text, more| regex.search(Look { text, from: 0, to: None, more }, &mut 1000);
        assert_eq!(look(b"hello wo", true), Ok(Found::Begins(6)));
        assert_eq!(look(b"hello wo", false), Ok(Found::Nothing));
        assert_eq!(look(b"hello", true), Ok(Found::Nothing));
    }
}
