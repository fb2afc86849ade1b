//! `directord maintenance`: this node is to lead nowhere, until somebody says otherwise or its time is over.
//!
//! It is kept in a file of the state directory, so that neither a restart nor a loss of power makes the node a master again.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Serialize};

use super::files;
use super::requests::Said;
use crate::control::{LONGEST_REASON, status};
use crate::text::reason;

/// Bytes of such a file.
const LONGEST: u64 = 64 * 1024;
/// Ten years: what is longer is meant to have no end.
pub(super) const LONGEST_TIME: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// How often it is looked whether its time is over: the clock may be set meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// For how long; `None`: until it is ended.
    pub(super) length: Option<Duration>,
    /// Why.
    pub(super) reason: String,
}

/// As it is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    since: Option<String>,
    until: Option<String>,
    reason: String,
}

impl Kept {
    /// How long it goes on; `None`: until it is ended.
    fn left(&self) -> Option<Duration> {
        let until = humantime::parse_rfc3339(self.until.as_ref()?).ok()?;
        Some(until.duration_since(SystemTime::now()).unwrap_or_default())
    }
}

/// Whether the node is in maintenance.
#[derive(Debug)]
pub(super) struct Maintenance {
    path: PathBuf,
    now: Option<Kept>,
}

impl Maintenance {
    /// What is kept in `directory` of the daemon that runs `config`.
    pub(super) fn read(directory: &Path, config: &Path) -> Self {
        let path = directory.join(format!("{}.maintenance", files::name_of(config)));
        let now = match read(&path) {
            Ok(kept) => kept.filter(|kept| kept.left() != Some(Duration::ZERO)),
            Err(why) => {
                let path = path.display();
                tracing::error!(
                    "{path} says that this node is in maintenance, and cannot be read: {why}. The node is to lead nowhere until `directord maintenance off`"
                );
                Some(Kept { reason: format!("{path} cannot be read: {why}"), ..Kept::default() })
            }
        };
        if let Some(kept) = &now {
            let why = if kept.reason.is_empty() { String::new() } else { format!(": {}", kept.reason) };
            tracing::warn!(
                "In maintenance, this node leads nowhere{why}; `directord maintenance off` ends it"
            );
        }
        Self { path, now }
    }

    /// Why the node is to lead nowhere, when it is.
    pub(super) fn reason(&self) -> Option<Arc<str>> {
        self.now.as_ref().map(|kept| kept.reason.as_str().into())
    }

    /// For who asks.
    pub(super) fn shown(&self) -> Option<status::Maintenance> {
        let Kept { since, until, reason } = self.now.clone()?;
        Some(status::Maintenance { since, until, reason })
    }

    /// When [`Self::tick`] is to be called next.
    pub(super) fn next(&self) -> Option<Instant> {
        Some(Instant::now() + self.now.as_ref()?.left()?.min(LOOK))
    }

    /// True: its time is over.
    pub(super) fn tick(&mut self) -> bool {
        let over = self.now.as_ref().is_some_and(|kept| kept.left() == Some(Duration::ZERO));
        if over {
            tracing::info!("Maintenance is over: its time has passed");
            self.end();
        }
        over
    }

    /// It begins, is changed, or ends.
    pub(super) fn set(&mut self, wanted: Option<Wanted>) -> Said {
        let Some(Wanted { length, reason: why }) = wanted else {
            if self.now.is_none() {
                return Ok(vec!["this node is not in maintenance".to_owned()]);
            }
            tracing::info!("Maintenance is over: `directord maintenance off`");
            return Ok(self.end().into_iter().collect());
        };
        if why.chars().count() > LONGEST_REASON || why.chars().any(char::is_control) {
            return Err(format!("a reason has at most {LONGEST_REASON} characters, and is one line"));
        }
        let now = SystemTime::now();
        if length.is_some_and(|length| length > LONGEST_TIME) {
            return Err("that is too long a time, ten years are the most: leave `--for` out".to_owned());
        }
        let until = length.and_then(|length| now.checked_add(length));
        let before = self.now.as_ref().map(|kept| kept.reason.clone()).filter(|_| why.is_empty());
        let why = before.unwrap_or(why);
        let shown = |time| humantime::format_rfc3339_millis(time).to_string();
        let kept = Kept { since: Some(shown(now)), until: until.map(shown), reason: why };
        let mut said = Vec::new();
        if let Err(error) = write(&self.path, &kept) {
            let line = format!(
                "it ends with this process, as it cannot be kept in {}: {}",
                self.path.display(),
                reason(&error)
            );
            tracing::warn!("Maintenance: {line}");
            said.push(line);
        }
        let why = if kept.reason.is_empty() { String::new() } else { format!(": {}", kept.reason) };
        let until = kept.until.as_ref().map(|until| format!(" until {until}")).unwrap_or_default();
        tracing::warn!("In maintenance{until}, this node leads nowhere{why}");
        self.now = Some(kept);
        Ok(said)
    }

    /// Something to say of it, when it is not as it ought to be.
    fn end(&mut self) -> Option<String> {
        self.now = None;
        let error = files::remove(&self.path).err()?;
        let (path, why) = (self.path.display(), reason(&error));
        let line = format!(
            "cannot remove {path}: {why}; it begins again at the next start, unless you remove that file"
        );
        tracing::error!("Maintenance: {line}");
        Some(line)
    }
}

fn read(path: &Path) -> Result<Option<Kept>, String> {
    let Some(file) = files::open(path).map_err(|error| reason(&error))? else { return Ok(None) };
    let mut bytes = Vec::new();
    file.take(LONGEST).read_to_end(&mut bytes).map_err(|error| reason(&error))?;
    let mut kept: Kept = serde_json::from_slice(&bytes).map_err(|error| format!("it is damaged: {error}"))?;
    // What goes to a terminal is what could have been set.
    kept.reason = kept.reason.chars().filter(|c| !c.is_control()).take(LONGEST_REASON).collect();
    let is_time = |time: &String| humantime::parse_rfc3339(time).is_ok();
    kept.since = kept.since.filter(is_time);
    if kept.until.as_ref().is_some_and(|until| !is_time(until)) {
        return Err("it is damaged: its end is no time".to_owned());
    }
    Ok(Some(kept))
}

fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        files::make_directory(directory, 0o700)?;
    }
    files::replace(path, &serde_json::to_vec(kept)?, 0o600, true)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "/etc/k.conf";

    fn read(folder: &tempfile::TempDir) -> Maintenance {
        Maintenance::read(folder.path(), Path::new(CONFIG))
    }

    fn wanted(length: Option<Duration>) -> Option<Wanted> {
        Some(Wanted { length, reason: "disk".to_owned() })
    }

    #[test]
    fn it_lasts_until_it_is_ended() {
        let folder = tempfile::tempdir().unwrap();
        let mut now = read(&folder);
        assert_eq!((now.reason(), now.next()), (None, None));
        assert_eq!(now.set(None), Ok(vec!["this node is not in maintenance".to_owned()]));
        assert_eq!(now.set(wanted(None)), Ok(Vec::new()));
        assert_eq!((now.reason().as_deref(), now.next(), now.tick()), (Some("disk"), None, false));
        let mut later = read(&folder);
        assert_eq!(later.shown(), now.shown());
        assert_eq!(later.set(None), Ok(Vec::new()));
        assert_eq!(read(&folder).reason(), None);
        // Of another daemon.
        now.set(wanted(None)).unwrap();
        assert_eq!(Maintenance::read(folder.path(), Path::new("/etc/other.conf")).reason(), None);
    }

    #[test]
    fn it_ends_with_its_time() {
        let folder = tempfile::tempdir().unwrap();
        let mut now = read(&folder);
        now.set(wanted(Some(Duration::from_secs(3600)))).unwrap();
        assert!(now.next().unwrap() <= Instant::now() + LOOK);
        assert!(!now.tick());
        assert!(read(&folder).reason().is_some());
        now.set(wanted(Some(Duration::ZERO))).unwrap();
        assert!(now.tick());
        assert!(!now.tick());
        assert_eq!((now.reason(), read(&folder).reason()), (None, None));
        for long in [Duration::MAX, Duration::from_secs(400_000_000_000), LONGEST_TIME + LOOK] {
            assert!(now.set(wanted(Some(long))).unwrap_err().contains("too long"));
        }
        // Who gives no reason means the one that there is.
        now.set(wanted(Some(LONGEST_TIME))).unwrap();
        now.set(Some(Wanted { length: None, reason: String::new() })).unwrap();
        assert_eq!(now.reason().as_deref(), Some("disk"));
        now.set(None).unwrap();
        assert_eq!(now.reason(), None);
    }

    #[test]
    fn what_cannot_be_kept_or_read_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let mut now = read(&folder);
        for reason in ["x".repeat(201), "a\nb".to_owned()] {
            assert!(now.set(Some(Wanted { length: None, reason })).unwrap_err().contains("one line"));
        }
        now.set(wanted(None)).unwrap();
        let path = folder.path().join("etc-k.conf.maintenance");
        std::fs::write(&path, "{").unwrap();
        let mut damaged = read(&folder);
        assert!(damaged.reason().unwrap().contains("cannot be read: it is damaged"), "{damaged:?}");
        std::fs::write(&path, r#"{"reason":"","until":"soon"}"#).unwrap();
        assert!(read(&folder).reason().unwrap().contains("its end is no time"));
        std::fs::write(&path, "{\"reason\":\"a\\u001b[2J\\nb\"}").unwrap();
        assert_eq!(read(&folder).reason().as_deref(), Some("a[2Jb"));
        assert_eq!(damaged.set(None), Ok(Vec::new()));
        assert!(!path.exists());
        // A folder in its place.
        std::fs::create_dir(&path).unwrap();
        std::fs::write(path.join("x"), "").unwrap();
        let mut blocked = Maintenance { path, now: None };
        let said = blocked.set(wanted(None)).unwrap();
        assert!(said[0].starts_with("it ends with this process"), "{said:?}");
        assert_eq!(blocked.reason().as_deref(), Some("disk"));
    }
}
