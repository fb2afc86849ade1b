//! `directord.conf(5)`: every word by block.

use std::fmt::Write as _;

use super::{blocks, place, sentence, status, usage};
use crate::config::diagnostic::PAGES;
use crate::config::keywords::examples;

/// The manual page of the configuration.
pub fn man() -> String {
    let mut text =
        format!(".TH DIRECTORD.CONF 5 \"\" \"directord {}\" \"File formats\"\n", env!("CARGO_PKG_VERSION"));
    text += HEAD;
    for (block, rows) in blocks() {
        let title = match rows.first() {
            Some(row) if block.starts_with('(') => place(row),
            _ if block.is_empty() => "the root of the file".to_owned(),
            _ => block.replace('/', " > "),
        };
        let _ = writeln!(text, ".SS {}", escaped(&format!("\"{title}\"")));
        for row in rows {
            let _ = writeln!(text, ".TP\n.B {}", escaped(&usage(row)));
            let _ = writeln!(text, "{}", escaped(&sentence(row.doc())));
            for (name, value) in [
                ("Range", row.range()),
                ("Default", row.default()),
                ("Since keepalived", row.since().to_owned()),
            ] {
                if !value.is_empty() {
                    let _ = writeln!(text, "{name}: {}.", escaped(&value));
                }
            }
            let _ = writeln!(text, "Status: {}.", escaped(&status(row.status)));
            let _ = writeln!(text, ".RS\n.EX\n{}\n.EE\n.RE", escaped(&examples::statement(row)));
        }
    }
    text += ".SH DIAGNOSTICS\n";
    for page in PAGES.iter() {
        let _ = writeln!(text, ".TP\n.B {}\n{}.", page.code, escaped(page.title));
        let _ = writeln!(text, "{}\n{}", escaped(page.meaning), escaped(page.mend));
    }
    text += FILES;
    let _ = writeln!(
        text,
        ".SH EXAMPLES\nOne of two directors; what the other one has instead is in its comments.\n.PP\n.EX"
    );
    let _ = writeln!(text, "{}\n.EE", escaped(PAIR));
    text + ".SH SEE ALSO\n.BR directord (8),\n.BR ipvsadm (8)\n"
}

/// For troff: backslashes, hyphens, what is not ASCII, and lines that start like requests.
fn escaped(text: &str) -> String {
    let character = |c: char| match c {
        '\\' => "\\e".to_owned(),
        '-' => "\\-".to_owned(),
        c if c.is_ascii() => c.to_string(),
        c => format!("\\[u{:04X}]", u32::from(c)),
    };
    let line = |line: &str| {
        let written: String = line.chars().map(character).collect();
        if line.starts_with(['.', '\'']) { format!("\\&{written}") } else { written }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

const PAIR: &str = include_str!("../../../conf-examples/nat-pair.conf");

const FILES: &str = "\
.SH FILES
.TP
.B /etc/keepalived/keepalived.conf
The configuration, unless \\-f names another; \\-f may be a pattern. A file whose name ends in .json holds the same as JSON.
.TP
.B /etc/keepalived/conf.d/*.conf
A place for what include names; names are relative to the folder of the file that includes them. Executable files are not read.
.TP
.B /var/lib/directord
The last configuration without errors, with the files that it includes.
";

const HEAD: &str = "\
.SH NAME
directord.conf \\- configuration of directord, in the language of keepalived.conf
.SH SYNOPSIS
/etc/keepalived/keepalived.conf
.SH DESCRIPTION
Statements, one a line: a word and its values, with blanks between them.
Blocks: a word, perhaps a name, and statements in braces.
A comment starts with # or ! and ends with its line; double quotes hold blanks.
.PP
BOOL is on, true, yes, off, false, no, or nothing, which is on.
TIMER is seconds with an optional fraction.
SCRIPT is one word, in double quotes when it has arguments.
(flag) takes nothing.
.PP
.B directord \\-\\-check
tests a file;
.B directord explain WORD
shows a word with a whole example.
.SH WORDS
";
