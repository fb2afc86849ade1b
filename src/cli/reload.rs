//! `directord reload`: asks the daemon to read its configuration again, and waits for what comes of it.

use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::director::requests::{Answer, SOCKET, request};
use crate::text::reason;

/// Whom to ask, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadOptions {
    /// Also when it leaves nothing to do, or misses what runs because files are missing.
    pub allow_empty: bool,
    /// Nothing is said of what the daemon answers: its log has it.
    pub quiet: bool,
    /// The runtime directory of the daemon.
    pub runtime_dir: PathBuf,
    /// How long to wait.
    pub timeout: Duration,
}

/// 0: it is in force. 1: it is not; standard error says why.
pub fn run(options: &ReloadOptions) -> ExitCode {
    match ask(options) {
        Ok(answer) => {
            for line in answer.lines.iter().filter(|_| !options.quiet) {
                eprintln!("{line}");
            }
            if answer.applied { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(why) => {
            eprintln!("directord: {why}");
            ExitCode::FAILURE
        }
    }
}

fn ask(options: &ReloadOptions) -> Result<Answer, String> {
    let path = socket(&options.runtime_dir)?;
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            format!("no daemon listens at {}: is it running? `systemctl status directord`", path.display())
        }
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => format!(
            "no answer within {} s; the reload may still be under way: the log says what comes of it",
            options.timeout.as_secs()
        ),
        _ => format!("cannot ask the daemon at {}: {}", path.display(), reason(&error)),
    };
    let until = Instant::now() + options.timeout;
    let mut stream = UnixStream::connect(&path).map_err(failed)?;
    stream.set_write_timeout(Some(options.timeout)).map_err(failed)?;
    stream.write_all(request(options.allow_empty).as_bytes()).map_err(failed)?;
    stream.shutdown(std::net::Shutdown::Write).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(failed(io::ErrorKind::TimedOut.into()));
        }
        stream.set_read_timeout(Some(left)).map_err(failed)?;
        match stream.read(&mut piece).map_err(failed)? {
            0 => break,
            length => bytes.extend(piece.iter().take(length)),
        }
    }
    serde_json::from_slice(&bytes).map_err(|_| {
        "the daemon ended before it answered, or does not know the request: the log says more".to_owned()
    })
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
