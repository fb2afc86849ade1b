//! Words of the language itself: include, conditions, definitions. One row a word: path, arguments, default, range, meaning, since, status.

use super::Status::Implemented;
use super::{Keyword, row};

#[rustfmt::skip]
pub(super) static ROWS: &[Keyword] = &[
    row("(language)/include", "<GLOB>", "", "no error when nothing opens", "read other files at this point", "", Implemented),
    row("(language)/includer", "<GLOB>", "", "", "include; unreadable, non-regular or executable match is an error", "2.2.0", Implemented),
    row("(language)/includem", "<GLOB>", "", "", "include; also error if a literal name is missing", "2.2.0", Implemented),
    row("(language)/includew", "<GLOB>", "", "", "include; also error if a wildcard matches nothing", "2.2.0", Implemented),
    row("(language)/includeb", "<GLOB>", "", "", "include; also error if a brace alternative is missing", "2.2.0", Implemented),
    row("(language)/includea", "<GLOB>", "", "", "include with all checks", "2.2.0", Implemented),
    row("(language)/@ID", "@<ID> <rest of line>", "ID = -i option or short host name", "exact match; only one per line", "keep the line on the named node only", "", Implemented),
    row("(language)/@^ID", "@^<ID> <rest of line>", "", "", "keep the line on all other nodes", "", Implemented),
    row("(language)/$NAME=", "$NAME=TEXT [\\]", "", "NAME = letter or _ then alphanumerics or _; no space before =", "define a substitution, with trailing backslashes several lines", "", Implemented),
    row("(language)/${NAME}", "$NAME or ${NAME}", "", "bare form must end at space, tab, comma, ) or line end", "use a substitution", "", Implemented),
    row("(language)/${_PWD}", "no parameters", "", "", "current directory (that of the file being read)", "", Implemented),
    row("(language)/${_INSTANCE}", "no parameters", "", "", "the config id", "", Implemented),
    row("(language)/${_RANDOM}", "[<MIN> [<MAX>]]", "0 32767", "decimal only; min > max reported, min used", "random integer, drawn at each use", "", Implemented),
    row("(language)/${_ENV}", "<NAME>", "", "one word of alphanumerics and _; unset = empty", "environment variable", "2.4.0", Implemented),
    row("(language)/${_HASH}", "no parameters", "", "must be inside double quotes to survive", "a # character", "2.1.4", Implemented),
    row("(language)/${_BANG}", "no parameters", "", "must be inside double quotes to survive", "a ! character", "2.1.4", Implemented),
    row("(language)/~SEQ", "~SEQ(<VAR>, [<START>,[<STEP>,]] <END>) <TEXT>", "start 1 (or -1), step 1 or -1", "C-style numbers; bounds may be definitions", "repeat the line with a counter", "", Implemented),
    row("(language)/~SEQx", "as ~SEQ", "", "non-negative", "repeat with a hexadecimal counter", "2.1.0", Implemented),
    row("(language)/~LST", "~LST(<VAR>,<V>...) / ~LST({<VAR>,..},{<V>,..},...) <TEXT>", "missing values empty", "too many values is an error", "repeat the line over value tuples", "2.1.0", Implemented),
];
