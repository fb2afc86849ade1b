//! Lints of scripts, wherever they are named.

use super::places::inside;
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::keywords::Keyword;
use crate::config::tree::Node;

pub(super) fn lint(lints: &mut Lints<'_>, nodes: &[Node<'_>]) {
    for node in nodes {
        lint(lints, inside(node));
        if !node.keyword.is_some_and(Keyword::takes_script) {
            continue;
        }
        let Some(word) = node.words.get(1) else { continue };
        let command = word.text.trim_start_matches(['\'', '"', ' ']);
        let program = command.split([' ', '\t', '\'', '"']).next().unwrap_or("");
        if program.is_empty() || program.starts_with('/') {
            continue;
        }
        let message = format!("the script `{program}` has no absolute path");
        lints.grouped(word.span, || {
            lint_at(Code::RelativeScript, word.span, message)
                .consequence(
                    "which file is run depends on the PATH of the daemon, which is not that of your shell",
                )
                .help(match program.contains('/') {
                    true => "write the whole path".to_owned(),
                    false => format!("write what `command -v {program}` prints"),
                })
        });
    }
}
