//! The socket that `directord reload` asks at: one request a connection, answered when it is done.
//!
//! A request is a line, the answer one JSON document. Only root, and the user of the daemon, is answered.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};

use super::files;
use crate::text::reason;

/// Name of the socket in the runtime directory.
pub(crate) const SOCKET: &str = "reload.socket";
/// Bytes of a request.
const LONGEST: u64 = 64;
/// Whoever connects asks at once, and takes the answer at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests that may wait; further connections are closed.
const WAITING: usize = 16;

/// Somebody asks for a reload.
#[derive(Debug)]
pub(super) struct Request {
    /// Also when it takes away what runs because files are missing.
    pub(super) allow_empty: bool,
    /// Who waits for the answer.
    pub(super) answer: oneshot::Sender<Answer>,
}

/// What became of a reload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// It is in force.
    pub applied: bool,
    /// What was said of it.
    pub lines: Vec<String>,
}

/// The words of a request.
pub(crate) fn request(allow_empty: bool) -> &'static str {
    if allow_empty { "reload allow-empty\n" } else { "reload\n" }
}

/// The socket, while it can be had.
#[derive(Debug)]
pub(super) struct Requests {
    path: PathBuf,
    listening: bool,
    sender: mpsc::Sender<Request>,
}

impl Requests {
    /// Requests arrive at the receiver.
    pub(super) fn new(directory: &Path) -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let mut requests = Self { path: directory.join(SOCKET), listening: false, sender };
        if let Err(error) = requests.listen() {
            let path = requests.path.display();
            tracing::warn!(
                "cannot listen at {path}: {}. `directord reload` gets no answer, SIGHUP works; tried again",
                reason(&error)
            );
        }
        (requests, receiver)
    }

    /// Whether there is no socket: [`Self::listen`] is to be tried again.
    pub(super) fn is_behind(&self) -> bool {
        !self.listening
    }

    /// Opens the socket, in the place of one that a killed daemon left.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        if self.listening {
            return Ok(());
        }
        match std::fs::symlink_metadata(&self.path) {
            Ok(metadata) if metadata.is_dir() => return Err(io::Error::other("it is a folder")),
            Ok(metadata) if metadata.is_file() || metadata.is_symlink() || is_special(&metadata) => {
                files::remove(&self.path)?;
            }
            _ => {}
        }
        let listener = UnixListener::bind(&self.path)?;
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(0o600))?;
        self.listening = true;
        tokio::spawn(accept(listener, self.sender.clone()));
        Ok(())
    }

    /// The daemon ends.
    pub(super) fn leave(&self) {
        if self.listening {
            let _ = files::remove(&self.path);
        }
    }
}

fn is_special(metadata: &std::fs::Metadata) -> bool {
    metadata.file_type().is_socket() || metadata.file_type().is_fifo()
}

async fn accept(listener: UnixListener, requests: mpsc::Sender<Request>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let requests = requests.clone();
                tokio::spawn(async move {
                    if let Err(error) = serve(stream, requests).await {
                        tracing::debug!("a request was not served: {error}");
                    }
                });
            }
            // Without descriptors it must not spin.
            Err(error) => {
                tracing::debug!("cannot accept a request: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve(mut stream: UnixStream, requests: mpsc::Sender<Request>) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    if user != 0 && user != nix::unistd::geteuid().as_raw() {
        return Err(io::Error::other(format!("user {user} may not ask")));
    }
    let mut text = String::new();
    let mut limited = (&mut stream).take(LONGEST);
    tokio::time::timeout(PATIENCE, limited.read_to_string(&mut text)).await??;
    let allow_empty = match text.as_str() {
        text if text == request(false) => false,
        text if text == request(true) => true,
        _ => return Err(io::Error::other("it is not understood")),
    };
    let (answer, answered) = oneshot::channel();
    let full = |_| io::Error::other("too many wait");
    requests.try_send(Request { allow_empty, answer }).map_err(full)?;
    let answer = answered.await.map_err(io::Error::other)?;
    let bytes = serde_json::to_vec(&answer)?;
    tokio::time::timeout(PATIENCE, stream.write_all(&bytes)).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(path: &Path, words: &str) -> String {
        let mut stream = UnixStream::connect(path).await.unwrap();
        stream.write_all(words.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn a_request_is_answered_when_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        // What a killed daemon left.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (requests, mut receiver) = Requests::new(folder.path());
        assert!(!requests.is_behind());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let director = tokio::spawn(async move {
            while let Some(Request { allow_empty, answer }) = receiver.recv().await {
                let lines = vec![format!("{allow_empty}")];
                answer.send(Answer { applied: allow_empty, lines }).unwrap();
            }
        });
        for allow_empty in [false, true] {
            let text = ask(&path, request(allow_empty)).await;
            let answer: Answer = serde_json::from_str(&text).unwrap();
            assert_eq!(answer, Answer { applied: allow_empty, lines: vec![allow_empty.to_string()] });
        }
        for words in ["", "stop\n", "reload\nreload\n"] {
            assert_eq!(ask(&path, words).await, "", "{words}");
        }
        requests.leave();
        assert!(!path.exists());
        director.abort();
    }

    #[tokio::test]
    async fn a_socket_that_cannot_be_had_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("run");
        let (mut requests, _receiver) = Requests::new(&directory);
        assert!(requests.is_behind());
        std::fs::create_dir(&directory).unwrap();
        requests.listen().unwrap();
        assert!(!requests.is_behind());
    }
}
