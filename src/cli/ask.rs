//! Asking the daemon that runs: at its socket, with an end.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::control::{Answer, Ask, Question, Reply, SOCKET};
use crate::text::reason;

/// Bytes of an answer: more than a hundred thousand real servers take.
const LONGEST: u64 = 256 << 20;

/// A question that was asked, and what is answered.
pub(super) struct Conversation {
    path: PathBuf,
    timeout: Duration,
    lines: BufReader<UnixStream>,
}

impl Conversation {
    /// Asks. `timeout`: how long each answer may take.
    pub(super) fn begin(runtime: &Path, ask: Ask, timeout: Duration) -> Result<Self, String> {
        let path = socket(runtime)?;
        let failed = |error: io::Error| failed(&path, &error);
        let stream = UnixStream::connect(&path).map_err(failed)?;
        stream.set_write_timeout(Some(timeout)).map_err(failed)?;
        stream.set_read_timeout(Some(timeout)).map_err(failed)?;
        (&stream).write_all(Question::line(ask).as_bytes()).map_err(failed)?;
        Ok(Self { lines: BufReader::new(stream), path, timeout })
    }

    /// Answers may be as far apart as they like from now on.
    pub(super) fn wait_for_ever(&mut self) -> Result<(), String> {
        let path = &self.path;
        self.lines.get_ref().set_read_timeout(None).map_err(|error| failed(path, &error))
    }

    /// Answers may be this far apart from now on.
    pub(super) fn wait_for(&mut self, timeout: Duration) -> Result<(), String> {
        self.timeout = timeout;
        let path = &self.path;
        self.lines.get_ref().set_read_timeout(Some(timeout)).map_err(|error| failed(path, &error))
    }

    /// The next answer. `late`: what there is to know when none comes in time.
    pub(super) fn answer(&mut self, late: &str) -> Result<Answer, String> {
        let mut line = Vec::new();
        let read = (&mut self.lines).take(LONGEST).read_until(b'\n', &mut line);
        if let Err(error) = read {
            return Err(match error.kind() {
                io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                    format!("no answer within {} s; {late}", self.timeout.as_secs())
                }
                _ => failed(&self.path, &error),
            });
        }
        match serde_json::from_slice::<Reply>(&line).map(|reply| reply.answer) {
            Ok(Answer::Refused(why)) => Err(why),
            Ok(answer) => Ok(answer),
            Err(_) if line.is_empty() => {
                Err("the daemon ended before it answered: the log says more".to_owned())
            }
            Err(_) => Err("the daemon is of another version: restart it".to_owned()),
        }
    }
}

fn failed(path: &Path, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no daemon listens at {}: is it running? `systemctl status directord`", path.display())
        }
        _ => format!("cannot ask the daemon at {}: {}", path.display(), reason(error)),
    }
}

/// The socket of the daemon: in the directory itself, or, when the only daemon is one of a network namespace or an
/// instance, in its folder there.
fn socket(directory: &Path) -> Result<PathBuf, String> {
    let own = directory.join(SOCKET);
    if own.exists() {
        return Ok(own);
    }
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut others: Vec<PathBuf> =
        entries.map(|entry| entry.path().join(SOCKET)).filter(|path| path.exists()).collect();
    others.sort();
    match others.as_slice() {
        [] => Ok(own),
        [only] => Ok(only.clone()),
        several => {
            let folders = several.iter().filter_map(|path| path.parent());
            let folders: Vec<String> = folders.map(|path| path.display().to_string()).collect();
            Err(format!("several daemons run: choose one with --runtime-dir, of {}", folders.join(", ")))
        }
    }
}
