//! Asking the daemon that runs: at its socket, with an end.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::control::status::Status;
use crate::control::{Answer, Ask, Question, Reply, SOCKET};
use crate::text::reason;

/// Bytes of an answer: more than a hundred thousand real servers take.
const LONGEST: usize = 64 << 20;

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
        let stream = UnixStream::connect(&path).map_err(|error| failed(&path, &error))?;
        Self::over(path, stream, ask, timeout)
    }

    fn over(path: PathBuf, stream: UnixStream, ask: Ask, timeout: Duration) -> Result<Self, String> {
        let failed = |error: io::Error| failed(&path, &error);
        stream.set_write_timeout(Some(timeout)).map_err(failed)?;
        stream.set_read_timeout(Some(timeout)).map_err(failed)?;
        match (&stream).write_all(Question::line(ask).as_bytes()) {
            // It has answered before it was asked.
            Err(error)
                if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => {}
            written => written.map_err(failed)?,
        }
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
        if let Err(error) = self.line(&mut line) {
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

impl Conversation {
    /// A line; all of it has to come in time.
    fn line(&mut self, line: &mut Vec<u8>) -> io::Result<()> {
        let stream = self.lines.get_ref();
        let end = stream.read_timeout()?.map(|timeout| Instant::now() + timeout);
        loop {
            let left =
                end.map(|end| end.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)));
            self.lines.get_ref().set_read_timeout(left)?;
            let piece = self.lines.fill_buf()?;
            let (length, is_whole) = match piece.iter().position(|byte| *byte == b'\n') {
                Some(at) => (at + 1, true),
                None => (piece.len(), piece.is_empty()),
            };
            line.extend(piece.iter().take(length));
            self.lines.consume(length);
            if is_whole {
                return self.lines.get_ref().set_read_timeout(end.map(|_| self.timeout));
            }
            if line.len() > LONGEST {
                return Err(io::Error::other("its answer has no end"));
            }
            if end.is_some_and(|end| Instant::now() >= end) {
                return Err(io::ErrorKind::TimedOut.into());
            }
        }
    }
}

/// How the daemon of a folder stands; `None`: none listens there.
pub(super) fn standing(folder: &Path, timeout: Duration) -> Result<Option<Status>, String> {
    let path = folder.join(SOCKET);
    let stream = match UnixStream::connect(&path) {
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        connected => connected.map_err(|error| failed(&path, &error))?,
    };
    let ask = Ask::Status { of: Vec::new(), watch: false };
    match Conversation::over(path, stream, ask, timeout)?.answer("is it busy?")? {
        Answer::Status(status) => Ok(Some(*status)),
        _ => Err("the daemon answered something else".to_owned()),
    }
}

/// The folders of daemons: the directory itself, or those in it, of network namespaces and instances.
fn folders(directory: &Path) -> Vec<PathBuf> {
    let mut all = all_folders(directory);
    if all.first().is_some_and(|first| first == directory) {
        all.truncate(1);
    }
    all
}

/// Every folder with a socket: the directory itself, whose daemon others may run beside, and those in it.
pub(super) fn all_folders(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut inner: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    inner.sort();
    let all = std::iter::once(directory.to_owned()).chain(inner);
    all.filter(|path| path.join(SOCKET).exists()).collect()
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
    match folders(directory).as_slice() {
        [] => Ok(directory.join(SOCKET)),
        [only] => Ok(only.join(SOCKET)),
        several => {
            let folders: Vec<String> = several.iter().map(|path| path.display().to_string()).collect();
            Err(format!("several daemons run: choose one with --runtime-dir, of {}", folders.join(", ")))
        }
    }
}
