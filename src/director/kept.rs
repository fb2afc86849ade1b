//! The last configuration that was applied without errors, kept whole for a start that finds errors in the file.
//!
//! One file in the state directory for each configuration file, readable by its owner alone: it holds the passwords of
//! the configuration. Written anew as a whole, so that a loss of power leaves the old one or the new one.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::files;
use crate::config::recorded::Recording;
use crate::config::{Loaded, Options, load};
use crate::text::{hex, reason};

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

/// As it is read.
#[derive(Deserialize)]
struct Envelope {
    /// MD5 of the JSON of `kept`: finds damage, not malice.
    checksum: String,
    kept: Kept,
}

/// Why there is nothing to use.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read.
    #[error("cannot read {path}: {}", reason(.source))]
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
        let asking: Vec<&str> =
            recording.texts.values().map(|text| &**text).filter(|text| text.contains("_ENV")).collect();
        options.environment.retain(|name, _| asking.iter().any(|text| text.contains(name)));
        let time = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
        Self { time, origin: origin.to_owned(), options, recording }
    }

    /// What is kept of `origin` in `directory`; `None`: nothing yet.
    pub fn read(directory: &Path, origin: &Path) -> Result<Option<Self>, KeptError> {
        let path = place(directory, origin);
        let unreadable = |source| KeptError::Unreadable { path: path.clone(), source };
        let Some(file) = files::open(&path).map_err(unreadable)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LONGEST).read_to_end(&mut bytes).map_err(unreadable)?;
        Self::parse(&bytes).map(Some).ok_or(KeptError::Damaged(path))
    }

    /// What the bytes of such a file say; `None`: it is damaged.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let envelope: Envelope = serde_json::from_slice(bytes).ok()?;
        (checksum(&envelope.kept)? == envelope.checksum).then_some(envelope.kept)
    }

    /// The bytes of such a file. `None`: a name in it is no text.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        let kept = serde_json::to_string(self).ok()?;
        let checksum = hex(&Md5::digest(&kept));
        Some(format!(r#"{{"checksum":"{checksum}","kept":{kept}}}"#).into_bytes())
    }

    /// Replaces what is kept in `directory`, which is made when it is missing. When that fails, what is kept stays.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        files::make_directory(directory, 0o700)?;
        let bytes = self.to_bytes().ok_or_else(|| io::Error::other("the name of a file is no UTF-8"))?;
        files::replace(&place(directory, &self.origin), &bytes, 0o600, true)
    }

    /// What is kept in `directory` of the same file, for the same node. `Err`: why what is there is of no use.
    pub fn earlier(&self, directory: &Path) -> Result<Option<Self>, String> {
        let kept = Self::read(directory, &self.origin).map_err(|error| error.to_string())?;
        let same =
            |kept: &Self| kept.origin == self.origin && kept.options.config_id == self.options.config_id;
        match kept {
            Some(kept) if !same(&kept) => Err(format!(
                "the configuration kept at {} is of another file or another --config-id",
                kept.time
            )),
            kept => Ok(kept),
        }
    }

    /// The files as they were read then.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Reads it as the daemon read it then.
    pub fn load(&self) -> Loaded {
        load(&self.origin, &self.recording, &self.options)
    }
}

/// `etc-keepalived-keepalived.conf.json`: two daemons on one host have two files.
fn place(directory: &Path, origin: &Path) -> PathBuf {
    directory.join(format!("{}.json", files::name_of(origin)))
}

fn checksum(kept: &Kept) -> Option<String> {
    serde_json::to_vec(kept).ok().map(|text| hex(&Md5::digest(text)))
}

#[cfg(test)]
mod tests {
    use std::fs;
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
