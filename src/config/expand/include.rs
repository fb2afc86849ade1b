//! The files of a load: the main one, and those that `include` and its kin name.
//!
//! In: a pattern, and what makes a failing include an error. Out: the lines of the files that it finds; of those that it does not
//! find or that cannot be read, a diagnostic at the include.

use std::path::{Path, PathBuf};

use super::Expander;
use crate::config::diagnostic::{Code, Diagnostic, Severity};
use crate::config::lexer::TokenKind;
use crate::config::pattern;
use crate::config::source::{MAX_FILE, ReadError, Span};

/// Files within files.
const DEPTH: usize = 16;
/// Files of one load.
const FILES: usize = 4096;
/// Bytes of all files of one load.
const ALL_FILES: usize = MAX_FILE;

/// What makes a failing include an error (`include_check`, `includer` …).
#[derive(Clone, Copy, Default)]
pub(in crate::config) struct Checks {
    read: bool,
    literal: bool,
    wildcard: bool,
    brace: bool,
}

impl Checks {
    pub(super) const ALL: Self = Self { read: true, literal: true, wildcard: true, brace: true };
}

impl Expander<'_> {
    /// `-f` is a pattern, as in keepalived.
    pub(super) fn main_files(&mut self, path: &Path) {
        let pattern = path.to_str().is_some_and(pattern::has_wildcard);
        let found = if pattern { self.files.matches(path) } else { Vec::new() };
        if found.is_empty() {
            self.main_file(path);
        }
        for path in found {
            self.main_file(&path);
        }
    }

    fn main_file(&mut self, path: &Path) {
        let name = path.display().to_string();
        match self.files.read(path) {
            Ok(bytes) => {
                self.bytes += bytes.len();
                let id = self.sources.add_file(&name, bytes);
                if self.files.is_executable(path) {
                    let message = format!("{name} is executable");
                    let span = Span { source: id, start: 0, end: 0 };
                    self.diagnostics.push(
                        Diagnostic { span: None, ..Diagnostic::warning(Code::Unreadable, span, message) }
                            .consequence("it is read here, but keepalived reads no executable file")
                            .help(format!("chmod a-x {name}")),
                    );
                }
                self.source(id, path);
            }
            Err(error) => {
                let message = format!("cannot read {name}: {error}");
                let diagnostic = Diagnostic::new(Code::Unreadable, Severity::Error, None, message);
                self.diagnostics.push(advised(diagnostic, path, &error));
            }
        }
    }

    /// `include_check`: bare is all; a plain word sets, `+` adds, `-` removes.
    pub(super) fn set_checks(&mut self) {
        let words = self.words.get(1..).unwrap_or(&[]);
        let words = words.iter().take_while(|token| token.kind == TokenKind::Word);
        let words: Vec<&str> = words.map(|token| self.sources.text(token.span)).collect();
        if words.is_empty() {
            self.checks = Checks::ALL;
        }
        for word in words {
            let name = word.trim_start_matches(['+', '-']);
            let on = !word.starts_with('-');
            if name == word {
                self.checks = Checks::default();
            }
            match name {
                "read" | "readable" => self.checks.read = on,
                "match" => self.checks.literal = on,
                "wildcard_match" => self.checks.wildcard = on,
                "brace_match" => self.checks.brace = on,
                _ => {}
            }
        }
    }

    /// `include PATTERN` and its kin.
    pub(super) fn include(&mut self, span: Span, checks: Checks, pattern: &str) {
        let checks = Checks {
            read: checks.read || self.checks.read,
            literal: checks.literal || self.checks.literal,
            wildcard: checks.wildcard || self.checks.wildcard,
            brace: checks.brace || self.checks.brace,
        };
        let folder = self.stack.last().and_then(|path| path.parent()).unwrap_or(Path::new(""));
        // The name of the folder is no pattern.
        let folder = &PathBuf::from(pattern::escaped(&folder.display().to_string()));
        let wanted = folder.join(pattern);
        let found = self.files.matches(&wanted);
        let parts =
            if found.is_empty() { vec![pattern.to_owned()] } else { self.missing_parts(folder, pattern) };
        for part in parts {
            let unread = self.files.unread_folder(&folder.join(&part));
            self.nothing_included(span, checks, (&part, pattern), unread);
        }
        for path in found {
            self.included_file(span, checks, &path);
        }
    }

    /// The names in braces of which no file has any.
    fn missing_parts(&self, folder: &Path, pattern: &str) -> Vec<String> {
        let parts = pattern::alternatives(pattern);
        let several = parts.len() > 1;
        let missing = |part: &String| several && self.files.matches(&folder.join(part)).is_empty();
        parts.into_iter().filter(missing).collect()
    }

    /// `part`: the whole pattern, or what it stands for with one of the names in its braces.
    fn nothing_included(
        &mut self,
        span: Span,
        checks: Checks,
        (part, pattern): (&str, &str),
        unread: Option<(PathBuf, ReadError)>,
    ) {
        let (strict, mild) = match (pattern::has_wildcard(part), pattern.contains('{')) {
            (true, _) => (checks.wildcard, Severity::Note),
            (false, true) => (checks.brace, Severity::Warning),
            (false, false) => (checks.literal, Severity::Warning),
        };
        if let Some((path, error)) = unread {
            let severity = if strict { Severity::Error } else { Severity::Warning };
            let name = path.display();
            let message = match error {
                ReadError::Missing => format!("no file matches `{part}`: there is no folder {name}"),
                _ => format!("no file matches `{part}`: cannot list {name}: {error}"),
            };
            let diagnostic = Diagnostic::new(Code::Include, severity, Some(span), message);
            self.diagnostics.push(advised(diagnostic, &path, &error).consequence("nothing is included here"));
            return;
        }
        let severity = if strict { Severity::Error } else { mild };
        let message = format!("no file matches `{part}`");
        let help = match pattern.contains('"') {
            true => "write the name without quotes: they would be part of it",
            false => "a relative name is looked for in the folder of the file that names it",
        };
        self.diagnostics.push(
            Diagnostic::new(Code::Include, severity, Some(span), message)
                .consequence(match part == pattern {
                    true => "nothing is included here",
                    false => "the other files are included",
                })
                .help(help),
        );
    }

    fn included_file(&mut self, span: Span, checks: Checks, path: &Path) {
        let name = path.display().to_string();
        let severity = if checks.read { Severity::Error } else { Severity::Warning };
        if self.files.is_executable(path) {
            let message = format!("{name} is executable");
            self.diagnostics.push(
                Diagnostic::new(Code::Include, severity, Some(span), message)
                    .consequence("it is not read, as keepalived reads no executable file")
                    .help(format!("chmod a-x {name}")),
            );
            return;
        }
        if self.stack.iter().any(|open| open == path) || self.stack.len() >= DEPTH || self.read >= FILES {
            let message = format!("{name} is not included: files include each other without end");
            self.diagnostics.push(Diagnostic::error(Code::Include, span, message));
            return;
        }
        match self.files.read(path) {
            Ok(bytes) if self.bytes + bytes.len() > ALL_FILES => {
                let limit = ALL_FILES >> 20;
                let message = format!("{name} is not included: all files are larger than {limit} MiB");
                self.diagnostics.push(Diagnostic::error(Code::Include, span, message));
            }
            Ok(bytes) => {
                self.bytes += bytes.len();
                let id = self.sources.add_file(&name, bytes);
                self.source(id, path);
            }
            Err(ReadError::Directory) => {
                let message = format!("{name} is a folder");
                self.diagnostics.push(
                    Diagnostic::new(Code::Include, severity, Some(span), message)
                        .consequence("it is not read, as keepalived reads no folder")
                        .help(format!(
                            "`include {}/*.conf` reads the files in it",
                            name.trim_end_matches('/')
                        )),
                );
            }
            Err(error) => {
                let message = format!("cannot read {name}: {error}");
                let diagnostic = Diagnostic::new(Code::Include, severity, Some(span), message);
                self.diagnostics.push(advised(diagnostic, path, &error).consequence("it is not included"));
            }
        }
    }
}

/// The pattern of an include line, and what it checks.
pub(in crate::config) fn include(text: &str) -> Option<(Checks, &str)> {
    let end = text.find([' ', '\t'])?;
    let none = Checks::default();
    let read = Checks { read: true, ..none };
    let checks = match text.get(..end)? {
        "include" => none,
        "includer" => read,
        "includem" => Checks { literal: true, ..read },
        "includew" => Checks { literal: true, wildcard: true, ..read },
        "includeb" => Checks { brace: true, ..read },
        "includea" => Checks::ALL,
        _ => return None,
    };
    let pattern = text.get(end..)?.trim();
    (!pattern.is_empty()).then_some((checks, pattern))
}

/// What keeps a file from being read that an administrator can read: the rules of a service.
fn advised(diagnostic: Diagnostic, path: &Path, error: &ReadError) -> Diagnostic {
    const HIDDEN: [&str; 3] = ["/home", "/root", "/run/user"];
    let name = path.display();
    let hidden = HIDDEN.iter().find(|folder| path.starts_with(folder));
    match (error, hidden) {
        (ReadError::Missing | ReadError::Denied { .. } | ReadError::System(_), Some(folder)) => {
            diagnostic.help(format!(
                "the unit of directord sees nothing below {folder} (ProtectHome=yes): move the file to /etc/keepalived"
            ))
        }
        (ReadError::Denied { owner, .. }, None) if *owner != 0 => diagnostic.help(format!(
            "`chown root {name}`: as a service directord has no right to read what only others may read (CAP_DAC_READ_SEARCH)"
        )),
        _ => diagnostic,
    }
}
