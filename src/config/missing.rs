//! What a load did not get that an earlier one had: files that are gone, cannot be read, are empty or cut.
//!
//! In: the [`Outline`]s of two loads. Out: what is [`Missing`] in the later one. Whether that matters, the models tell.

use std::fmt;
use std::path::PathBuf;

use super::recorded::Outline;

/// Something that was read before, or is asked for now, and is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// The pattern of an `include` finds nothing.
    Nothing(PathBuf),
    /// A file that the pattern found before.
    Gone(PathBuf),
    /// It is there and cannot be read: the reason.
    Unread(PathBuf, String),
    /// Nothing but blanks and comments is left in it.
    Empty(PathBuf),
    /// It is shorter than before and ends in the middle of a line.
    Cut(PathBuf),
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing(pattern) => write!(f, "no file matches {}", pattern.display()),
            Self::Gone(file) => write!(f, "{} is gone", file.display()),
            Self::Unread(file, why) => write!(f, "cannot read {}: {why}", file.display()),
            Self::Empty(file) => write!(f, "{} is empty", file.display()),
            Self::Cut(file) => write!(f, "{} is cut: it ends in the middle of a line", file.display()),
        }
    }
}

/// What `now` did not get; `before` is the load that runs. An `include` line that was taken out of its file asks for
/// nothing, and so misses nothing.
pub fn missing(before: &Outline, now: &Outline) -> Vec<Missing> {
    let mut found = Vec::new();
    for (pattern, files) in &now.patterns {
        let had = before.patterns.get(pattern);
        match (files.is_empty(), had) {
            (true, Some(had)) if had.is_empty() => {}
            (true, _) => found.push(Missing::Nothing(pattern.clone())),
            (false, had) => {
                let gone = had.into_iter().flatten().filter(|file| !files.contains(file));
                found.extend(gone.cloned().map(Missing::Gone));
            }
        }
    }
    let unread = now.unread.iter().filter(|(file, _)| !before.unread.contains_key(*file));
    found.extend(unread.map(|(file, why)| Missing::Unread(file.clone(), why.clone())));
    let executable = now
        .executable
        .iter()
        .filter(|file| !now.texts.contains_key(*file) && !before.executable.contains(file));
    found.extend(executable.map(|file| Missing::Unread(file.clone(), "it is executable".to_owned())));
    for (file, has) in &now.texts {
        let Some(had) = before.texts.get(file) else { continue };
        if had.has_words && !has.has_words {
            found.push(Missing::Empty(file.clone()));
        } else if has.length < had.length && had.ends_line && !has.ends_line {
            found.push(Missing::Cut(file.clone()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::recorded::Recording;
    use super::*;

    /// Files by name; one whose text is `!` cannot be read, one whose text is `x` is executable.
    fn outline(pattern: &str, files: &[(&str, &str)]) -> Outline {
        let path = |name: &str| PathBuf::from(name);
        let read = |text: &str| !matches!(text, "!" | "x");
        let recording = Recording {
            texts: files
                .iter()
                .filter(|(_, text)| read(text))
                .map(|(name, text)| (path(name), (*text).into()))
                .collect(),
            patterns: BTreeMap::from([(path(pattern), files.iter().map(|(name, _)| path(name)).collect())]),
            executable: files.iter().filter(|(_, text)| *text == "x").map(|(name, _)| path(name)).collect(),
            unread: files
                .iter()
                .filter(|(_, text)| *text == "!")
                .map(|(name, _)| (path(name), "permission denied".to_owned()))
                .collect(),
        };
        recording.outline()
    }

    #[test]
    fn what_is_missing() {
        let before = outline("*.conf", &[("a.conf", "a {\n}\n"), ("b.conf", "b {\n}\n")]);
        let (a, b) = (("a.conf", "a {\n}\n"), ("b.conf", "b {\n}\n"));
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let cases: &[Case<'_>] = &[
            ("*.conf", &[a, b], &[]),
            ("*.conf", &[a, ("b.conf", "c {\n}\n")], &[]),
            ("*.conf", &[a, ("b.conf", "b")], &["b.conf is cut: it ends in the middle of a line"]),
            ("*.conf", &[a, ("b.conf", "")], &["b.conf is empty"]),
            ("*.conf", &[a, ("b.conf", "# head\n\n! b\n")], &["b.conf is empty"]),
            ("*.conf", &[a, ("b.conf", "!")], &["cannot read b.conf: permission denied"]),
            ("*.conf", &[a, ("b.conf", "x")], &["cannot read b.conf: it is executable"]),
            ("*.conf", &[a], &["b.conf is gone"]),
            ("*.conf", &[], &["no file matches *.conf"]),
            ("other", &[], &["no file matches other"]),
            ("other", &[a], &[]),
        ];
        for (pattern, files, expected) in cases {
            let found = missing(&before, &outline(pattern, files));
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            assert_eq!(found, *expected, "{pattern} {files:?}");
        }
    }

    #[test]
    fn what_was_missing_before_is_no_news() {
        for files in [&[][..], &[("a.conf", "!")], &[("a.conf", "x")], &[("a.conf", "")]] {
            let one = outline("*.conf", files);
            assert_eq!(missing(&one, &one.clone()), []);
        }
    }
}
