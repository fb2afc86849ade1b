//! The files of one load, to be loaded again when they have changed.
//!
//! In: a [`Files`]. Out: a [`Recording`] of every answer that it gave, which is a [`Files`] itself: loading from it
//! with the same [`Options`](super::Options) gives the same model.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source::{Files, ReadError};

/// What was read. Bytes that are no UTF-8 are kept as the reader takes them, as U+FFFD.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// Files, by the name that they were asked for.
    pub texts: BTreeMap<PathBuf, String>,
    /// What the patterns of `include` lines found.
    pub patterns: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// Files that may be executed, which are not included.
    pub executable: Vec<PathBuf>,
    /// Files that could not be read, and why. Of the moment: not kept.
    #[serde(skip)]
    pub unread: BTreeMap<PathBuf, String>,
}

/// What is to be known of a load when another one is compared with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// Files, by the name that they were asked for.
    pub texts: BTreeMap<PathBuf, Extent>,
    /// What the patterns of `include` lines found.
    pub patterns: BTreeMap<PathBuf, Vec<PathBuf>>,
    /// Files that may be executed.
    pub executable: Vec<PathBuf>,
    /// Files that could not be read, and why.
    pub unread: BTreeMap<PathBuf, String>,
}

/// How much a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Bytes.
    pub length: usize,
    /// There is more than blanks and comments.
    pub has_words: bool,
    /// It ends with the end of a line.
    pub ends_line: bool,
}

impl Extent {
    fn of(text: &str) -> Self {
        let mut lines = text.lines().map(str::trim_start);
        let has_words = lines.any(|line| !line.is_empty() && !line.starts_with(['#', '!']));
        Self { length: text.len(), has_words, ends_line: text.ends_with('\n') }
    }
}

impl Recording {
    /// What is to be known of it without the texts.
    pub fn outline(&self) -> Outline {
        Outline {
            texts: self.texts.iter().map(|(file, text)| (file.clone(), Extent::of(text))).collect(),
            patterns: self.patterns.clone(),
            executable: self.executable.clone(),
            unread: self.unread.clone(),
        }
    }
}

impl Files for Recording {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        self.texts.get(path).map(|text| text.clone().into_bytes()).ok_or(ReadError::Missing)
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        self.patterns.get(pattern).cloned().unwrap_or_default()
    }

    fn is_executable(&self, path: &Path) -> bool {
        self.executable.iter().any(|known| known == path)
    }
}

/// Hands on what another [`Files`] answers, and remembers it.
pub struct Recorder<'a> {
    files: &'a dyn Files,
    recording: RefCell<Recording>,
}

impl<'a> Recorder<'a> {
    /// Nothing is read yet.
    pub fn new(files: &'a dyn Files) -> Self {
        Self { files, recording: RefCell::default() }
    }

    /// What was read.
    pub fn into_recording(self) -> Recording {
        self.recording.into_inner()
    }
}

impl Files for Recorder<'_> {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        let bytes = self.files.read(path).inspect_err(|error| {
            self.recording.borrow_mut().unread.insert(path.to_owned(), error.to_string());
        })?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.recording.borrow_mut().texts.insert(path.to_owned(), text);
        Ok(bytes)
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        let found = self.files.matches(pattern);
        self.recording.borrow_mut().patterns.insert(pattern.to_owned(), found.clone());
        found
    }

    fn unread_folder(&self, pattern: &Path) -> Option<(PathBuf, ReadError)> {
        self.files.unread_folder(pattern)
    }

    fn is_executable(&self, path: &Path) -> bool {
        let executable = self.files.is_executable(path);
        if executable {
            self.recording.borrow_mut().executable.push(path.to_owned());
        }
        executable
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::source::Texts;
    use crate::config::{Options, load};

    #[test]
    fn a_recording_gives_the_same_model() {
        let main = "include conf.d/*\n@a include missing\nglobal_defs {\nrouter_id ${_ENV NAME}\n}\n";
        let part = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\npriority ${_RANDOM 1 254}\n\
                    virtual_ipaddress {\n10.0.0.1\n}\n}\n";
        let files = Texts(BTreeMap::from([
            (PathBuf::from("/etc/k.conf"), main.into()),
            (PathBuf::from("/etc/conf.d/a"), part.into()),
            (PathBuf::from("/etc/other"), b"not asked for".to_vec()),
        ]));
        let options = Options {
            config_id: "a".into(),
            random: 77,
            environment: BTreeMap::from([("NAME".to_owned(), "lvs1".to_owned())]),
            ..Options::default()
        };
        let recorder = Recorder::new(&files);
        let first = load(Path::new("/etc/k.conf"), &recorder, &options);
        let recording = recorder.into_recording();
        assert!(!recording.texts.contains_key(Path::new("/etc/other")));
        let json = serde_json::to_string(&recording).unwrap();
        let recording: Recording = serde_json::from_str(&json).unwrap();
        let second = load(Path::new("/etc/k.conf"), &recording, &options);
        assert!(first.model.is_some());
        assert_eq!(first.model, second.model);
    }
}
