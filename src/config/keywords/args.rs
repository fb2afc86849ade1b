//! What stands behind a keyword: shapes, and the pieces of lines. What several rows have stands here.

use super::notation::Part::{self, As, Called, Choice as OneOf, Either, Joined, LineOf, Many, Maybe};
use super::notation::notation;
use super::shape::{Format, Header, Shape, Times};
use Format::{Account, AccountGroup, Address, Any, Digest, Directory, File, Interface, Multicast, Name, Net};
use Shape::{
    Alone, Block, Boolean, Choice, Command, Endpoint, Flag, Lines, List, Names, Number, Pattern, Script,
    Text, Whole, Word,
};

/// What stands behind a keyword.
#[derive(Debug, Clone, Copy)]
pub(super) struct Args {
    /// `None`: only the text language has it.
    pub(super) shape: Option<Shape>,
    /// The pieces of a line.
    pub(super) parts: &'static [Part],
}

impl Args {
    /// Braces follow.
    pub(super) fn opens_block(self) -> bool {
        matches!(self.shape, Some(Shape::Block(..) | Shape::Lines | Shape::Names))
    }

    /// As the reference writes it. `seconds`: numbers with decimals are seconds.
    pub(super) fn notation(self, seconds: bool) -> String {
        notation(self.shape, self.parts, seconds)
    }

    /// Its braces hold lines of data, not keywords.
    pub(super) fn is_data(self) -> bool {
        match self.shape {
            Some(Shape::Lines | Shape::Names) => true,
            Some(Shape::Block(..)) => !self.parts.is_empty(),
            _ => false,
        }
    }
}

/// What its shape alone describes.
pub(super) const fn args(shape: Shape) -> Args {
    line(shape, &[])
}

/// A line of several pieces.
pub(super) const fn line(shape: Shape, parts: &'static [Part]) -> Args {
    Args { shape: Some(shape), parts }
}

/// Arguments that JSON has no form for.
pub(super) const fn words(parts: &'static [Part]) -> Args {
    Args { shape: None, parts }
}

pub(super) const LINE: Shape = Shape::Line { number: false, raw: false };
pub(super) const RAW: Shape = Shape::Line { number: false, raw: true };
pub(super) const NUMBER_LINE: Shape = Shape::Line { number: true, raw: false };
pub(super) const TEXT: Shape = Text(Any);
pub(super) const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"];

/// A whole number.
pub(super) const A_NUMBER: Part = Part::Value(Whole);
pub(super) const AN_ADDRESS: Part = Part::Value(Text(Address));
pub(super) const AN_INTERFACE: Part = Part::Value(Text(Interface));
pub(super) const A_NAME: Part = Part::Value(Text(Name));
pub(super) const A_FILE: Part = Part::Value(Text(File));
pub(super) const A_PORT: Part = Called("PORT", Whole);
/// `ADDRESS[/LENGTH]`.
pub(super) const A_NET: Part =
    Joined(&[AN_ADDRESS, Maybe(&[Joined(&[Part::Word("/"), Called("LENGTH", Whole)])])]);
/// A number of routes and rules, or a name that iproute2 knows.
pub(super) const OR_NAME: &[Part] = &[Either(&[A_NUMBER, A_NAME])];
/// `lock`, and a number.
pub(super) const LOCKED: &[Part] = &[Maybe(&[Part::Word("lock")]), A_NUMBER];
pub(super) const LOCKED_TIME: &[Part] = &[
    Maybe(&[Part::Word("lock")]),
    Joined(&[Part::Value(Shape::Number), Maybe(&[OneOf(&["s", "sec", "secs", "ms", "msec", "msecs"])])]),
];
/// A user, and a group.
const AN_ACCOUNT: &[Part] = &[
    Part::Value(Text(Account)),
    Maybe(&[Joined(&[Maybe(&[Part::Word(":")]), Part::Value(Text(AccountGroup))])]),
];
const REVERSE: Part = Maybe(&[Part::Word("reverse")]);
const WEIGHTED: Part = Maybe(&[Part::Word("weight"), A_NUMBER, Maybe(&[OneOf(&["reverse", "noreverse"])])]);

pub(super) const ADDRESSES: Args = line(Lines, &[LineOf("(ADDRESS)")]);
pub(super) const ALL_INT: Args = line(NUMBER_LINE, &[Maybe(&[Part::Word("all")]), A_NUMBER]);
pub(super) const AS_LB_KIND: Args = line(LINE, &[As("lb_kind")]);
pub(super) const BLOCK: Args = args(Block(Header::None, Times::Once));
pub(super) const BLOCKS: Args = args(Block(Header::None, Times::Many));
pub(super) const BOOL: Args = args(Boolean);
pub(super) const COMMAND: Args = args(Command);
pub(super) const DIR: Args = args(Text(Directory));
pub(super) const DSFIELD: Args = words(&[Called("DSFIELD", Whole)]);
pub(super) const ENDPOINT: Args = line(Endpoint, &[AN_ADDRESS, Maybe(&[A_PORT])]);
pub(super) const ENTRIES: Args = line(Block(Header::Name, Times::Many), &[Part::Word("entries")]);
pub(super) const FLAG: Args = args(Flag);
pub(super) const GLOB: Args = words(&[Called("GLOB", Text(File))]);
pub(super) const HEX32: Args = args(Text(Digest));
pub(super) const HTTP_VERSION: Args = args(Choice(&["1.0", "1.1", "1.0C"]));
pub(super) const IFNAME: Args = args(Text(Interface));
pub(super) const INIT_FILE: Args =
    line(Alone(&NUMBER_LINE), &[Maybe(&[A_NUMBER]), Maybe(&[Part::Word("overwrite")])]);
pub(super) const INSTANCES: Args = line(Names, &[Many(&Called("VRRP_INSTANCE", Text(Name)))]);
pub(super) const INT: Args = args(Whole);
pub(super) const INTS: Args = args(List(&Whole));
pub(super) const IP: Args = args(Text(Address));
pub(super) const MAYBE_INT: Args = args(Alone(&Whole));
pub(super) const MAYBE_STRING: Args = args(Alone(&TEXT));
pub(super) const MIN_HEALTHY: Args =
    line(Word, &[Either(&[Joined(&[Part::Number("", 1, 99), Part::Word("%")]), A_NUMBER])]);
pub(super) const MULTICAST: Args = args(Text(Multicast));
pub(super) const NAME: Args = args(Text(Name));
pub(super) const NAMED_BLOCK: Args = args(Block(Header::Name, Times::Many));
pub(super) const NAME_AND_WEIGHT: Args = words(&[A_NAME, WEIGHTED]);
pub(super) const NET: Args = words(&[Part::Value(Text(Net))]);
pub(super) const NET_OR_ALL: Args =
    words(&[Either(&[Part::Value(Text(Net)), Part::Word("default"), Part::Word("any"), Part::Word("all")])]);
pub(super) const NUM: Args = args(Number);
pub(super) const OPTIONS: Args = line(List(&TEXT), &[Many(&Called("OPTION", TEXT))]);
pub(super) const PATH: Args = args(Text(File));
pub(super) const PATH_AND_USER: Args = line(RAW, &[A_FILE, Maybe(AN_ACCOUNT)]);
pub(super) const QUOTED: Args = args(Pattern);
pub(super) const ROUTES: Args = line(Lines, &[LineOf("(ROUTE)")]);
pub(super) const RULES: Args = line(Lines, &[LineOf("(RULE)")]);
pub(super) const SCRIPT: Args = args(Script);
pub(super) const SKIPPED: Args = words(&[Called("next word skipped", TEXT)]);
pub(super) const SPAN: Args =
    words(&[Joined(&[Called("LOW", Whole), Part::Word("-"), Called("HIGH", Whole)])]);
pub(super) const STACK: Args = line(List(&Whole), &[Called("INT START", Whole), Called("INT MAX", Whole)]);
pub(super) const STATUS_CODES: Args = line(
    List(&Word),
    &[Many(&Joined(&[
        Part::Number("", 100, 599),
        Maybe(&[Joined(&[Part::Word("-"), Part::Number("", 100, 599)])]),
    ]))],
);
pub(super) const STRING: Args = args(TEXT);
pub(super) const TABLE: Args = line(Alone(&TEXT), &[Called("TABLE", TEXT)]);
pub(super) const TIMER: Args = args(Number);
pub(super) const TRACK_BFD: Args = line(Lines, &[LineOf("(TRACK_BFD)")]);
pub(super) const TRACK_FILE: Args = line(Lines, &[LineOf("(TRACK_FILE)")]);
pub(super) const TRACK_IF: Args = line(Lines, &[LineOf("(TRACK_IF)")]);
pub(super) const TRACK_PROCESS: Args = line(Lines, &[LineOf("(TRACK_PROCESS)")]);
pub(super) const TRACK_SCRIPT: Args = line(Lines, &[LineOf("(TRACK_SCRIPT)")]);
pub(super) const USER: Args = line(LINE, AN_ACCOUNT);
pub(super) const VS: Args = args(Alone(&Choice(&["VS"])));
pub(super) const WEIGHT: Args = line(NUMBER_LINE, &[A_NUMBER, REVERSE]);
