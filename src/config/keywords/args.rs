//! Notations of what stands behind a keyword, each with its shape.

use super::shape::{Format, Header, Shape, Times};
use Shape::{
    Alone, Block, Boolean, Choice, Command, Flag, Lines, List, Names, Number, Pattern, Script, Text, Whole,
    Word,
};

/// What stands behind a keyword.
#[derive(Debug, Clone, Copy)]
pub(super) struct Args {
    /// As the reference writes it.
    pub(super) notation: &'static str,
    /// `None`: only the text language has it.
    pub(super) shape: Option<Shape>,
    /// Its braces hold lines of data, not keywords.
    pub(super) is_data: bool,
}

impl Args {
    /// Braces follow.
    pub(super) fn opens_block(self) -> bool {
        matches!(self.shape, Some(Shape::Block(..) | Shape::Lines | Shape::Names))
    }
}

pub(super) const fn args(notation: &'static str, shape: Shape) -> Args {
    Args { notation, shape: Some(shape), is_data: matches!(shape, Shape::Lines | Shape::Names) }
}

/// Arguments that JSON has no form for.
pub(super) const fn words(notation: &'static str) -> Args {
    Args { notation, shape: None, is_data: false }
}

/// A block with a name that holds lines of data.
pub(super) const fn entries(notation: &'static str) -> Args {
    Args { notation, shape: Some(Shape::Block(Header::Name, Times::Many)), is_data: true }
}

pub(super) const LINE: Shape = Shape::Line { number: false, raw: false };
pub(super) const RAW: Shape = Shape::Line { number: false, raw: true };
pub(super) const NUMBER_LINE: Shape = Shape::Line { number: true, raw: false };
pub(super) const TEXT: Shape = Shape::Text(Format::Any);
pub(super) const SCHEDULERS: &[&str] =
    &["rr", "wrr", "lc", "wlc", "lblc", "sh", "mh", "dh", "fo", "ovf", "lblcr", "sed", "nq", "twos"];

pub(super) const ADDRESSES: Args = args("{ (ADDRESS) lines }", Lines);
pub(super) const ALL_INT: Args = args("[all] <INT>", NUMBER_LINE);
pub(super) const AS_LB_KIND: Args = args("as lb_kind", LINE);
pub(super) const BLOCK: Args = args("{ block }", Block(Header::None, Times::Once));
pub(super) const BLOCKS: Args = args("{ block }", Block(Header::None, Times::Many));
pub(super) const BOOL: Args = args("<BOOL>?", Boolean);
pub(super) const COMMAND: Args = args("<SCRIPT>", Command);
pub(super) const DIR: Args = args("<DIR>", TEXT);
pub(super) const FLAG: Args = args("(flag)", Flag);
pub(super) const HEX32: Args = args("<HEX32>", Text(Format::Digest));
pub(super) const HTTP_VERSION: Args = args("1.0 / 1.1 / 1.0C", Choice(&["1.0", "1.1", "1.0C"]));
pub(super) const IFNAME: Args = args("<IFNAME>", TEXT);
pub(super) const INIT_FILE: Args = args("[<INT>] [overwrite]", Alone(&NUMBER_LINE));
pub(super) const INSTANCES: Args = args("{ <VRRP_INSTANCE>... }", Names);
pub(super) const INT: Args = args("<INT>", Whole);
pub(super) const INTS: Args = args("<INT>...", List(&Whole));
pub(super) const IP: Args = args("<IP>", Text(Format::Address));
pub(super) const MAYBE_INT: Args = args("[<INT>]", Alone(&Whole));
pub(super) const MAYBE_STRING: Args = args("[<STRING>]", Alone(&TEXT));
pub(super) const NAME: Args = args("<NAME>", TEXT);
pub(super) const NAMED_BLOCK: Args = args("<NAME> { block }", Block(Header::Name, Times::Many));
pub(super) const NUM: Args = args("<NUM>", Number);
pub(super) const OPTIONS: Args = args("<OPTION>...", List(&TEXT));
pub(super) const PATH: Args = args("<PATH>", TEXT);
pub(super) const PATH_AND_USER: Args = args("<PATH> [<USER> [[:]<GROUP>]]", RAW);
pub(super) const PATH_OR_QUOTED: Args = args("<PATH|QUOTED>", TEXT);
pub(super) const QUOTED: Args = args("<QUOTED>", Pattern);
pub(super) const ROUTES: Args = args("{ (ROUTE) lines }", Lines);
pub(super) const RULES: Args = args("{ (RULE) lines }", Lines);
pub(super) const SCRIPT: Args = args("<SCRIPT> [<USER> [[:]<GROUP>]]", Script);
pub(super) const STACK: Args = args("<INT START> <INT MAX>", List(&Whole));
pub(super) const STATUS_CODES: Args = args("<INT 100-599>[-<INT>]...", List(&Word));
pub(super) const STRING: Args = args("<STRING>", TEXT);
pub(super) const TABLE: Args = args("[<TABLE>]", Alone(&TEXT));
pub(super) const TIMER: Args = args("<TIMER>", Number);
pub(super) const TRACK_BFD: Args = args("{ (TRACK_BFD) }", Lines);
pub(super) const TRACK_FILE: Args = args("{ (TRACK_FILE) }", Lines);
pub(super) const TRACK_IF: Args = args("{ (TRACK_IF) }", Lines);
pub(super) const TRACK_PROCESS: Args = args("{ (TRACK_PROCESS) }", Lines);
pub(super) const TRACK_SCRIPT: Args = args("{ (TRACK_SCRIPT) }", Lines);
pub(super) const USER: Args = args("<USER> [[:]<GROUP>]", LINE);
pub(super) const VS: Args = args("[VS]", Alone(&Choice(&["VS"])));
pub(super) const WEIGHT: Args = args("<INT> [reverse]", NUMBER_LINE);
