//! Words of the language itself: include, conditions, definitions. One row a word: path, arguments, default, range, meaning, since, status.

use super::Status::Implemented;
use super::absent::{UNSAID, told};
use super::args::{FLAG, GLOB, NAME, words};
use super::notation::Part::{As, Called, Maybe, Statement};
use super::range::ANY;
use super::shape::Shape::Whole;
use super::{Row, row};

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("(language)/include", GLOB, UNSAID, ANY.note("no error when nothing opens"), "read other files at this point", "", Implemented),
    row("(language)/includer", GLOB, UNSAID, ANY, "include; unreadable, non-regular or executable match is an error", "2.2.0", Implemented),
    row("(language)/includem", GLOB, UNSAID, ANY, "include; also error if a literal name is missing", "2.2.0", Implemented),
    row("(language)/includew", GLOB, UNSAID, ANY, "include; also error if a wildcard matches nothing", "2.2.0", Implemented),
    row("(language)/includeb", GLOB, UNSAID, ANY, "include; also error if a brace alternative is missing", "2.2.0", Implemented),
    row("(language)/includea", GLOB, UNSAID, ANY, "include with all checks", "2.2.0", Implemented),
    row("(language)/@ID", words(&[Statement("@<ID> <rest of line>")]), told("ID = -i option or short host name"), ANY.note("exact match; only one per line"), "keep the line on the named node only", "", Implemented),
    row("(language)/@^ID", words(&[Statement("@^<ID> <rest of line>")]), UNSAID, ANY, "keep the line on all other nodes", "", Implemented),
    row("(language)/$NAME=", words(&[Statement("$NAME=TEXT [\\]")]), UNSAID, ANY.note("NAME = letter or _ then alphanumerics or _; no space before ="), "define a substitution, with trailing backslashes several lines", "", Implemented),
    row("(language)/${NAME}", words(&[Statement("$NAME or ${NAME}")]), UNSAID, ANY.note("bare form must end at space, tab, comma, ) or line end"), "use a substitution", "", Implemented),
    row("(language)/${_PWD}", FLAG, UNSAID, ANY, "current directory (that of the file being read)", "", Implemented),
    row("(language)/${_INSTANCE}", FLAG, UNSAID, ANY, "the config id", "", Implemented),
    row("(language)/${_RANDOM}", words(&[Maybe(&[Called("MIN", Whole), Maybe(&[Called("MAX", Whole)])])]), told("0 32767"), ANY.note("decimal only; min > max reported, min used"), "random integer, drawn at each use", "", Implemented),
    row("(language)/${_ENV}", NAME, UNSAID, ANY.note("one word of alphanumerics and _; unset = empty"), "environment variable", "2.4.0", Implemented),
    row("(language)/${_HASH}", FLAG, UNSAID, ANY.note("must be inside double quotes to survive"), "a # character", "2.1.4", Implemented),
    row("(language)/${_BANG}", FLAG, UNSAID, ANY.note("must be inside double quotes to survive"), "a ! character", "2.1.4", Implemented),
    row("(language)/~SEQ", words(&[Statement("~SEQ(<VAR>, [<START>,[<STEP>,]] <END>) <TEXT>")]), told("start 1 (or -1), step 1 or -1"), ANY.note("C-style numbers; bounds may be definitions"), "repeat the line with a counter", "", Implemented),
    row("(language)/~SEQx", words(&[As("~SEQ")]), UNSAID, ANY.note("non-negative"), "repeat with a hexadecimal counter", "2.1.0", Implemented),
    row("(language)/~LST", words(&[Statement("~LST(<VAR>,<V>...) / ~LST({<VAR>,..},{<V>,..},...) <TEXT>")]), told("missing values empty"), ANY.note("too many values is an error"), "repeat the line over value tuples", "2.1.0", Implemented),
];
