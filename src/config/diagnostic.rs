//! What there is to say about a configuration.
//!
//! A [`Diagnostic`] names its code, severity, place, enclosing block, what was found, what was expected, the
//! consequence, and a fix when one exists. [`render()`] turns it into text for people, lines for
//! logs, or JSON.

mod pages;
mod render;
mod sarif;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;

pub use pages::{PAGES, Page};
pub use render::{Format, render, summary};

use super::source::{Sources, Span, first_bytes};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// Legal, but surely not meant; a comment in the file silences it.
    Lint,
    /// The configuration is used, but it surely does not do all that was meant.
    Warning,
    /// The configuration is not used.
    Error,
}

impl Severity {
    /// `error`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Lint => "lint",
            Self::Note => "note",
        }
    }
}

/// What kind of diagnostic it is: stable, for scripts and for looking up. Written `D0001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// A file cannot be read.
    Unreadable = 1,
    /// An `include` that finds nothing, or itself.
    Include = 2,
    /// A double quote without its end.
    Quote = 3,
    /// A block that is never closed.
    MissingClose = 4,
    /// A `}` that closes nothing.
    ExtraClose = 5,
    /// A `{` where no block starts, or a block that starts without one.
    Open = 6,
    /// Blocks within blocks within blocks.
    TooDeep = 7,
    /// A definition, condition or generator that cannot be expanded.
    Expansion = 8,
    /// A word that is no keyword.
    UnknownKeyword = 10,
    /// A keyword in a block where it is not legal.
    Misplaced = 11,
    /// Too few words.
    MissingArgument = 12,
    /// Too many words.
    SurplusArgument = 13,
    /// Not a number, or not written as one.
    BadNumber = 14,
    /// A number that is too small or too large.
    OutOfRange = 15,
    /// Not an address, or not of the family that is needed.
    BadAddress = 16,
    /// A word that is not one of those to choose from.
    BadChoice = 17,
    /// Neither on nor off.
    BadBoolean = 18,
    /// A name that cannot be one.
    BadName = 19,
    /// A setting given twice.
    Repeated = 20,
    /// A thing defined twice.
    Duplicate = 21,
    /// A setting that must be there.
    Required = 22,
    /// Settings that contradict each other; one of them is adjusted.
    Conflict = 23,
    /// A block that does nothing.
    Empty = 24,
    /// A name that nothing has.
    Undefined = 25,
    /// It means here what it says; keepalived does something else.
    Portable = 26,
    /// A pattern that is none.
    BadPattern = 27,
    /// Known, but without effect in this version.
    NotYet = 30,
    /// Legal, and not in this version: what it is in does not run.
    LeftOut = 31,
    /// An old word.
    Old = 33,
    /// On this host: no such interface.
    HostInterface = 40,
    /// On this host: no such user or group.
    HostAccount = 41,
    /// On this host: a script that cannot be run, or not safely.
    HostScript = 42,
    /// On this host: a module or a sysctl.
    HostKernel = 43,
    /// On this host: a name without an address.
    HostName = 44,
    /// On this host: a virtual address that is the host's own.
    HostAddress = 45,
    /// A secret that a dump has hidden.
    Hidden = 60,
    /// A text that is no JSON.
    JsonSyntax = 61,
    /// A value of JSON of another type than its keyword takes.
    JsonType = 62,
    /// A member of JSON that is there twice.
    JsonTwice = 63,
    /// A text of JSON that keepalived.conf has no words for.
    JsonText = 64,
    /// Arrays of JSON with far more elements than a file of that size has.
    JsonElements = 65,
    /// `config fmt`: bytes that are no text.
    Text = 80,
    /// `config fmt`: a layout that would change the meaning.
    Layout = 81,
    /// Lint: a comment that silences nothing.
    AllowsNothing = 1000,
    /// Lint: a sorry server that is a real server.
    SorryIsReal = 1001,
    /// Lint: a real server that is a virtual address.
    RealIsVirtual = 1002,
    /// Lint: persistence over UDP with round robin.
    StickyDatagrams = 1003,
    /// Lint: an HTTP check of a UDP service.
    HttpOverUdp = 1004,
    /// Lint: two digests for one path.
    TwoDigests = 1005,
    /// Lint: a check that outlasts the time of the next.
    SlowCheck = 1006,
    /// Lint: a check that is part of another.
    IncludedCheck = 1007,
    /// Lint: a virtual address of two instances.
    SharedAddress = 1008,
    /// Lint: a script without an absolute path.
    RelativeScript = 1009,
    /// Lint of a pair: an instance of one node only.
    PeerMissing = 1010,
    /// Lint of a pair: two virtual router ids.
    PeerVrid = 1011,
    /// Lint of a pair: two versions.
    PeerVersion = 1012,
    /// Lint of a pair: two authentications.
    PeerAuthentication = 1013,
    /// Lint of a pair: other virtual addresses.
    PeerAddresses = 1014,
    /// Lint of a pair: two advert intervals.
    PeerInterval = 1015,
    /// Lint of a pair: equal priorities.
    PeerPriority = 1016,
    /// Lint of a pair: unicast and multicast.
    PeerTransport = 1017,
    /// Lint: weights and `nopreempt`.
    NopreemptWeight = 1018,
    /// Lint: a weight in a sync group that does not count.
    GroupWeight = 1019,
    /// Lint: an object whose failure moves nothing.
    NeverMoves = 1020,
    /// Lint: a virtual address outside the networks of its interface.
    OutsideNetworks = 1021,
    /// `state MASTER` without a priority.
    OwnerByDefault = 1022,
    /// Lint: an address that no host can serve.
    OddAddress = 1023,
    /// Lint: the own address among the peers.
    OwnPeer = 1024,
    /// Lint: a path of a check that no server understands.
    OddTarget = 1025,
    /// Lint: mail alerts that reach nobody.
    MailToNobody = 1026,
}

impl Code {
    /// Whether it is of severity lint, and a comment can silence it.
    pub fn is_lint(self) -> bool {
        self as u16 >= 1000
    }
}

impl Code {
    /// Whether part of the configuration does not run, or not as it should, although the file is right.
    pub fn blocks(self) -> bool {
        self == Self::LeftOut
    }

    /// Whether, as an error, it says that a file that counts could not be read.
    fn is_unread(self) -> bool {
        matches!(self, Self::Include | Self::Unreadable)
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "D{:04}", *self as u16)
    }
}

/// Replace the text under `span`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// One thing to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Kind.
    pub code: Code,
    /// How bad.
    pub severity: Severity,
    /// One line, without a full stop.
    pub message: String,
    /// Where.
    pub span: Option<Span>,
    /// What to write under the place.
    pub label: String,
    /// Other places that explain it.
    pub related: Vec<(Span, String)>,
    /// The blocks around it, outermost first.
    pub block: Option<String>,
    /// What would be right.
    pub expected: Option<String>,
    /// What follows from it.
    pub consequence: Option<String>,
    /// What to do.
    pub help: Option<String>,
    /// What to write instead.
    pub fix: Option<Fix>,
    /// Further places of the same.
    pub also: Vec<Span>,
    /// How many more there are, which are not listed.
    pub also_left: usize,
    /// For how many it stands: 1, unless it says how many more of its kind there are.
    pub count: usize,
}

impl Diagnostic {
    /// Severity error.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, Some(span), message)
    }

    /// Severity warning.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, Some(span), message)
    }

    /// Severity note.
    pub fn note(code: Code, span: Span, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, Some(span), message)
    }

    /// Any of them.
    pub fn new(code: Code, severity: Severity, span: Option<Span>, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            span,
            label: String::new(),
            related: Vec::new(),
            block: None,
            expected: None,
            consequence: None,
            help: None,
            fix: None,
            also: Vec::new(),
            also_left: 0,
            count: 1,
        }
    }

    /// Sets the text under the place.
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.label = text.into();
        self
    }

    /// Adds a place that explains it.
    pub fn related(mut self, span: Span, text: impl Into<String>) -> Self {
        self.related.push((span, text.into()));
        self
    }

    /// Sets what would be right.
    pub fn expected(mut self, text: impl Into<String>) -> Self {
        self.expected = Some(text.into());
        self
    }

    /// Sets what follows from it.
    pub fn consequence(mut self, text: impl Into<String>) -> Self {
        self.consequence = Some(text.into());
        self
    }

    /// Sets what to do.
    pub fn help(mut self, text: impl Into<String>) -> Self {
        self.help = Some(text.into());
        self
    }

    /// Sets what to write instead.
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Self {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }
}

/// So many diagnostics of one code are kept, and so many places of one diagnostic; the others are counted.
const KEPT: usize = 1000;
/// Texts of a diagnostic are cut here: a word can be as long as a file.
const LONGEST: usize = 300;

/// Collects diagnostics; those that would repeat themselves become one with several places, and of those that
/// are many the first ones are kept.
#[derive(Debug, Default)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    grouped: BTreeMap<Cow<'static, str>, usize>,
    kept: BTreeMap<Code, usize>,
    /// How many are only counted, and where the first of them is.
    left: BTreeMap<(Code, Severity), (usize, Option<Span>)>,
}

impl Diagnostics {
    /// Adds one.
    pub fn push(&mut self, mut diagnostic: Diagnostic) {
        if self.is_full(diagnostic.code) {
            self.count(diagnostic.code, diagnostic.severity, diagnostic.span);
            return;
        }
        diagnostic.shorten();
        *self.kept.entry(diagnostic.code).or_default() += 1;
        self.list.push(diagnostic);
    }

    /// Adds one, or only its place when there is one of this key already.
    pub fn push_grouped(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        span: Span,
        make: impl FnOnce() -> Diagnostic,
    ) {
        let key = key.into();
        let group = self.grouped.get(&key).copied();
        if let Some(first) = group.and_then(|index| self.list.get_mut(index)) {
            match first.also.len() < KEPT {
                true => first.also.push(span),
                false => first.also_left += 1,
            }
            return;
        }
        let before = self.list.len();
        self.push(make());
        if self.list.len() > before {
            self.grouped.insert(key, before);
        }
    }

    /// What comes of what was added last, where that is in `span` and does not say it.
    pub fn comes_of(&mut self, span: Span, consequence: &str) {
        let within = |own: Span| own.source == span.source && (span.start..=span.end).contains(&own.start);
        if let Some(last) = self.list.last_mut().filter(|last| last.span.is_some_and(within)) {
            last.consequence.get_or_insert_with(|| consequence.to_owned());
        }
    }

    /// Whether one more of this code would only be counted: what is expensive to say need not be made.
    pub fn is_full(&self, code: Code) -> bool {
        self.kept.get(&code).is_some_and(|kept| *kept >= KEPT)
    }

    /// Counts one that is not made, as its kind is full.
    pub fn count(&mut self, code: Code, severity: Severity, span: Option<Span>) {
        self.left.entry((code, severity)).or_insert((0, span)).0 += 1;
    }

    /// The one that was added with this key.
    pub fn grouped_mut(&mut self, key: &str) -> Option<&mut Diagnostic> {
        self.list.get_mut(*self.grouped.get(key)?)
    }

    /// Whether there is an error among them.
    pub fn has_errors(&self) -> bool {
        self.list.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
            || self.left.keys().any(|(_, severity)| *severity == Severity::Error)
    }

    /// Whether a file that counts could not be read: what is there is not the configuration that was meant.
    pub fn is_unread(&self) -> bool {
        self.list.iter().any(|one| one.severity == Severity::Error && one.code.is_unread())
    }

    /// Whether something is said of the place, or of a part of it.
    pub fn covers(&self, span: Span) -> bool {
        let meets = |other: &Span| {
            other.source == span.source
                && other.start < span.end.max(span.start + 1)
                && span.start < other.end
        };
        self.list.iter().any(|one| one.span.iter().chain(&one.also).any(meets))
    }

    /// Everything, in the order of the lines that were written; what has no place comes last.
    pub fn into_sorted(mut self, sources: &Sources) -> Vec<Diagnostic> {
        for ((code, severity), (count, span)) in self.left {
            let message = format!("{count} more of this kind");
            let rest = Diagnostic::new(code, severity, span, message).label("the first of them");
            self.list.push(Diagnostic { count, ..rest });
        }
        self.list.sort_by_cached_key(|diagnostic| {
            (diagnostic.span.is_none(), diagnostic.span.map(|span| sources.written(span)))
        });
        self.list
    }
}

impl Diagnostic {
    fn shorten(&mut self) {
        let texts = [&mut self.message, &mut self.label].into_iter();
        let more = [&mut self.block, &mut self.expected, &mut self.consequence, &mut self.help];
        let related = self.related.iter_mut().map(|(_, label)| label);
        for text in texts.chain(more.into_iter().flatten()).chain(related) {
            if text.len() > LONGEST {
                text.truncate(first_bytes(text, LONGEST).len());
                text.push('…');
            }
        }
        self.fix.take_if(|fix| fix.replacement.len() > LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(sources: &mut Sources) -> Span {
        Span { source: sources.add_file("t", b"x".to_vec()), start: 0, end: 1 }
    }

    #[test]
    fn many_of_a_kind_are_counted() {
        let mut sources = Sources::default();
        let span = span(&mut sources);
        let mut diagnostics = Diagnostics::default();
        for number in 0..KEPT + 150 {
            diagnostics.push(Diagnostic::note(Code::Old, span, format!("{number}")));
        }
        assert!(!diagnostics.has_errors());
        diagnostics.push(Diagnostic::error(Code::Old, span, "one"));
        assert!(diagnostics.has_errors());
        let list = diagnostics.into_sorted(&sources);
        assert_eq!(list.len(), KEPT + 2);
        assert_eq!(summary(&list), "1 error, 1150 notes");
        assert!(list.iter().any(|one| one.message == "150 more of this kind"));
    }

    #[test]
    fn many_places_are_counted() {
        let mut sources = Sources::default();
        let span = span(&mut sources);
        let mut diagnostics = Diagnostics::default();
        for _ in 0..KEPT + 150 {
            diagnostics.push_grouped("key", span, || Diagnostic::note(Code::Old, span, "x"));
        }
        let list = diagnostics.into_sorted(&sources);
        assert_eq!((list.len(), list[0].also.len(), list[0].also_left), (1, KEPT, 149));
        assert!(render(&list, &sources, Format::Line, false).contains("and 1143 more"));
    }

    #[test]
    fn long_texts_are_cut() {
        let mut sources = Sources::default();
        let span = span(&mut sources);
        let mut diagnostics = Diagnostics::default();
        let long = "é".repeat(LONGEST);
        let one = Diagnostic::note(Code::Old, span, &long).label(&long).related(span, &long).fix(span, &long);
        diagnostics.push(one.help(&long));
        let list = diagnostics.into_sorted(&sources);
        assert!(list[0].message.len() <= LONGEST + 3 && list[0].fix.is_none());
        assert!(list[0].help.as_ref().is_some_and(|help| help.ends_with('…')));
    }
}
