//! The last configuration that was applied without errors, kept whole for a start that finds errors in the file.
//!
//! One file in the state directory for each configuration file, readable by its owner alone: it holds the passwords of
//! the configuration. Written anew as a whole, so that a loss of power leaves the old one or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use crate::config::recorded::Recording;
use crate::config::{Loaded, Options, load};

/// Largest file that is read: a configuration with its includes.
const LONGEST: u64 = 512 << 20;

/// A configuration that was applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// When it was applied, UTC (RFC 3339).
    pub time: String,
    /// The main file.
    pub origin: PathBuf,
    options: Options,
    recording: Recording,
}

/// As it is written.
#[derive(Serialize, Deserialize)]
struct Envelope {
    /// MD5 of the JSON of `kept`: finds damage, not malice.
    checksum: String,
    kept: Kept,
}

/// Why there is nothing to use.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// It is not as it was written.
    #[error("{0} is damaged; the next configuration that is applied without errors replaces it")]
    Damaged(PathBuf),
}

impl Kept {
    /// What is to be kept of a load of `origin`.
    pub fn new(origin: &Path, options: &Options, recording: Recording) -> Self {
        let mut options = options.clone();
        // Only what the files ask for: the rest of the environment is nobody's business.
        let asked = |name: &str| {
            let texts = recording.texts.values();
            texts.clone().any(|text| text.contains("_ENV") && text.contains(name))
        };
        options.environment.retain(|name, _| asked(name));
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self { time, origin: origin.to_owned(), options, recording }
    }

    /// What is kept of `origin` in `directory`; `None`: nothing yet.
    pub fn read(directory: &Path, origin: &Path) -> Result<Option<Self>, KeptError> {
        let path = place(directory, origin);
        let unreadable = |source| KeptError::Unreadable { path: path.clone(), source };
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file.map_err(unreadable)?,
        };
        let mut text = String::new();
        file.take(LONGEST).read_to_string(&mut text).map_err(unreadable)?;
        let envelope: Option<Envelope> = serde_json::from_str(&text).ok();
        match envelope {
            Some(envelope) if checksum(&envelope.kept)? == envelope.checksum => Ok(Some(envelope.kept)),
            _ => Err(KeptError::Damaged(path)),
        }
    }

    /// Replaces what is kept in `directory`, which is made when it is missing.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        let mut builder = DirBuilder::new();
        builder.recursive(true).mode(0o700).create(directory)?;
        let checksum = checksum(self).map_err(io::Error::other)?;
        let text = serde_json::to_string(&Envelope { checksum, kept: self.clone() })?;
        let path = place(directory, &self.origin);
        let new = path.with_extension("new");
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(directory)?.sync_all()
    }

    /// Whether it is of this file, read for this node.
    pub fn is_of(&self, origin: &Path, options: &Options) -> bool {
        self.origin == origin && self.options.config_id == options.config_id
    }

    /// Reads it as the daemon read it then.
    pub fn load(&self) -> Loaded {
        load(&self.origin, &self.recording, &self.options)
    }
}

/// `etc-keepalived-keepalived.conf.json`: two daemons on one host have two files.
fn place(directory: &Path, origin: &Path) -> PathBuf {
    let name = origin.to_string_lossy().replace('/', "-");
    directory.join(format!("{}.json", name.trim_start_matches('-')))
}

fn checksum(kept: &Kept) -> Result<String, KeptError> {
    let text = serde_json::to_vec(kept);
    let text =
        text.map_err(|error| KeptError::Unreadable { path: kept.origin.clone(), source: error.into() })?;
    Ok(Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::config::recorded::Recorder;
    use crate::config::source::Texts;

    const ORIGIN: &str = "/etc/k.conf";

    fn kept(text: &str) -> Kept {
        let files = Texts::one(ORIGIN, text);
        let recorder = Recorder::new(&files);
        let options = Options {
            environment: [("SITE", "north"), ("TOKEN", "secret")]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Options::default()
        };
        let _ = load(Path::new(ORIGIN), &recorder, &options);
        Kept::new(Path::new(ORIGIN), &options, recorder.into_recording())
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("state");
        assert_eq!(Kept::read(&directory, Path::new(ORIGIN)).unwrap(), None);
        let first = kept("global_defs {\nrouter_id ${_ENV SITE}\n}\n");
        first.write(&directory).unwrap();
        let second = kept("global_defs {\nrouter_id ${_ENV SITE}2\n}\n");
        second.write(&directory).unwrap();
        let read = Kept::read(&directory, Path::new(ORIGIN)).unwrap().unwrap();
        assert_eq!(read, second);
        let model = read.load().model.unwrap();
        assert_eq!(model.globals.router_id.as_deref(), Some("north2"));
        let text = fs::read_to_string(place(&directory, Path::new(ORIGIN))).unwrap();
        assert!(!text.contains("secret"), "{text}");
        let mode = fs::metadata(place(&directory, Path::new(ORIGIN))).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_damaged_one_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        kept("global_defs {\nrouter_id LVS_A\n}\n").write(folder.path()).unwrap();
        let path = place(folder.path(), Path::new(ORIGIN));
        let text = fs::read_to_string(&path).unwrap();
        for damaged in [text.replace("LVS_A", "LVS_B"), text[..text.len() / 2].to_owned(), String::new()] {
            fs::write(&path, damaged).unwrap();
            assert!(matches!(Kept::read(folder.path(), Path::new(ORIGIN)), Err(KeptError::Damaged(_))));
        }
    }
}
