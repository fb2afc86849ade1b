//! The socket that a running daemon is asked at: `directord reload`, `status`, `failover`, `maintenance`, `rs`.
//!
//! Who may ask is root, the user of the daemon, and for the status the members of a group. How many ask, what they write
//! and how slowly they read costs nobody else anything: each is served by a task of its own, with bounds.

use std::io;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::unistd::Gid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::maintenance::Wanted;
use super::{by_hand, files};
use crate::control::status::Status;
use crate::control::{Answer, Ask, LONGEST, Question, Reloaded, Reply, SOCKET, Steer};
use crate::pool::ByHand;
use crate::text::reason;
use crate::vrrp::instance::Back;

/// Whoever connects asks at once, and takes the answer at once.
const PATIENCE: Duration = Duration::from_secs(5);
/// Who asks beyond these is sent away.
const AT_ONCE: usize = 64;
/// The same of those who may not command: they leave places to those who may.
const OTHERS_AT_ONCE: usize = 16;
/// Who watches stays: so many leave places to those who ask once.
const WATCHING: usize = 32;
/// Who watches is told of changes this often at most.
const PAUSE: Duration = Duration::from_millis(250);

/// Somebody asks for something.
#[derive(Debug)]
pub(super) enum Request {
    /// For a reload.
    Reload {
        /// Also when it takes away what runs because files are missing.
        allow_empty: bool,
        /// Who waits for the answer.
        answer: oneshot::Sender<Reloaded>,
    },
    /// How everything stands.
    Status(oneshot::Sender<Status>),
    /// Another node is to lead.
    Failover {
        /// Instances and sync groups.
        of: Vec<String>,
        /// When they are taken back.
        back: Back,
        /// Who waits for the answer.
        answer: oneshot::Sender<Said>,
    },
    /// This node is to lead nowhere; `None`: it may again.
    Maintenance(Option<Wanted>, oneshot::Sender<Said>),
    /// Something is said of real servers.
    RealServer(by_hand::Wanted, oneshot::Sender<Said>),
}

/// What is said of a command that is done or begun; `Err`: nothing is.
pub(super) type Said = Result<Vec<String>, String>;

/// The socket, while it can be had.
#[derive(Debug)]
pub(super) struct Requests {
    path: PathBuf,
    /// Who is at the socket; `None`: there is none.
    listening: Option<JoinHandle<()>>,
    server: Server,
    changes: watch::Sender<()>,
}

/// What serves one who asks.
#[derive(Debug, Clone)]
struct Server {
    /// Whose members may ask, besides root.
    group: Option<Gid>,
    watching: Arc<Semaphore>,
    requests: mpsc::Sender<Request>,
    changes: watch::Receiver<()>,
}

impl Requests {
    /// Requests arrive at the receiver.
    pub(super) fn new(directory: &Path, group: Option<Gid>) -> (Self, mpsc::Receiver<Request>) {
        let (sender, receiver) = mpsc::channel(AT_ONCE);
        let (changes, changed) = watch::channel(());
        let watching = Arc::new(Semaphore::new(WATCHING));
        let server = Server { group, watching, requests: sender, changes: changed };
        let mut requests = Self { path: directory.join(SOCKET), listening: None, server, changes };
        if let Err(error) = requests.listen() {
            let path = requests.path.display();
            tracing::warn!(
                "cannot listen at {path}: {}. `directord reload` and `directord status` get no answer, SIGHUP works; tried again",
                reason(&error)
            );
        }
        (requests, receiver)
    }

    /// Whether there is no socket: [`Self::listen`] is to be tried again.
    pub(super) fn is_behind(&self) -> bool {
        self.listening.is_none()
    }

    /// Opens it again when somebody has removed it.
    pub(super) fn look(&mut self) {
        let is_there = std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.file_type().is_socket());
        if let Some(listening) = self.listening.take_if(|_| !is_there) {
            listening.abort();
            match self.listen() {
                Ok(()) => tracing::info!("{} was removed, not by us: made again", self.path.display()),
                Err(error) => tracing::warn!("cannot listen at {}: {}", self.path.display(), reason(&error)),
            }
        }
    }

    /// Opens the socket, in the place of one that a killed daemon left.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        if self.listening.is_some() {
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
        let mode = match self.server.group {
            Some(group) => {
                nix::unistd::chown(&self.path, None, Some(group))?;
                0o660
            }
            None => 0o600,
        };
        std::fs::set_permissions(&self.path, std::fs::Permissions::from_mode(mode))?;
        self.listening = Some(tokio::spawn(accept(listener, self.server.clone())));
        Ok(())
    }

    /// The status is another one: who watches is told.
    pub(super) fn changed(&self) {
        self.changes.send_replace(());
    }

    /// The daemon ends.
    pub(super) fn leave(&self) {
        if self.listening.is_some() {
            let _ = files::remove(&self.path);
        }
    }
}

fn is_special(metadata: &std::fs::Metadata) -> bool {
    metadata.file_type().is_socket() || metadata.file_type().is_fifo()
}

async fn accept(listener: UnixListener, server: Server) {
    let (places, of_others) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(OTHERS_AT_ONCE)));
    loop {
        match listener.accept().await {
            Ok((mut stream, _)) => {
                let places = if may_command(&stream) { &places } else { &of_others };
                let Ok(place) = Arc::clone(places).try_acquire_owned() else {
                    // As much as its buffer takes, which is empty.
                    let why = "too many ask at once: try again".to_owned();
                    let _ = stream.try_write(&Reply::line(Answer::Refused(why)));
                    continue;
                };
                let server = server.clone();
                tokio::spawn(async move {
                    if let Err(error) = server.serve(&mut stream).await {
                        tracing::debug!("a request was not served: {error}");
                    }
                    drop(place);
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

/// Root may, and the user of the daemon.
fn may_command(stream: &UnixStream) -> bool {
    let user = stream.peer_cred().map(|peer| peer.uid());
    user.is_ok_and(|user| user == 0 || user == nix::unistd::geteuid().as_raw())
}

impl Server {
    async fn serve(&self, stream: &mut UnixStream) -> io::Result<()> {
        let user = stream.peer_cred()?.uid();
        let commands = may_command(stream);
        if !commands && self.group.is_none() {
            return say(stream, Answer::Refused(format!("user {user} may not ask: root may"))).await;
        }
        let line = tokio::time::timeout(PATIENCE, line(stream)).await??;
        match Question::parse(&line) {
            Err(why) => say(stream, Answer::Refused(why)).await,
            Ok(ask) if !commands && !ask.is_harmless() => {
                say(stream, Answer::Refused(format!("user {user} may ask for the status: root may command")))
                    .await
            }
            Ok(Ask::Reload { allow_empty }) => {
                let answer = self.ask(|answer| Request::Reload { allow_empty, answer }).await;
                say(stream, answer.map_or_else(Answer::Refused, Answer::Reloaded)).await
            }
            Ok(Ask::Status { of, watch: false }) => self.show(stream, &of).await.map(drop),
            Ok(Ask::Status { of, watch: true }) => match self.watching.try_acquire() {
                Ok(_place) => self.watch(stream, &of).await,
                Err(_) => say(stream, Answer::Refused("too many watch: ask once".to_owned())).await,
            },
            Ok(Ask::Failover { of, .. }) if of.is_empty() => {
                say(stream, Answer::Refused("no instance is named".to_owned())).await
            }
            Ok(Ask::Failover { of, seconds }) => {
                let back = seconds.map_or(Back::Never, |seconds| Back::After(Duration::from_secs(seconds)));
                self.command(stream, |answer| Request::Failover { of, back, answer }).await
            }
            Ok(Ask::Maintenance { on, seconds, reason }) => {
                let wanted = on.then(|| Wanted { length: seconds.map(Duration::from_secs), reason });
                self.command(stream, |answer| Request::Maintenance(wanted, answer)).await
            }
            Ok(Ask::RealServer { service, server, what, seconds }) => {
                let by_hand = match what {
                    Steer::Drain => Some(ByHand::Drained),
                    Steer::Disable => Some(ByHand::Disabled),
                    Steer::Weight(weight) => Some(ByHand::Weight(weight)),
                    Steer::Enable => None,
                };
                let length = seconds.map(Duration::from_secs);
                let wanted = by_hand::Wanted { service, server, by_hand, length };
                self.command(stream, |answer| Request::RealServer(wanted, answer)).await
            }
        }
    }

    async fn command(
        &self,
        stream: &mut UnixStream,
        request: impl FnOnce(oneshot::Sender<Said>) -> Request,
    ) -> io::Result<()> {
        let answer = self.ask(request).await.and_then(|said| said);
        say(stream, answer.map_or_else(Answer::Refused, Answer::Done)).await
    }

    /// Asks the director.
    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, String> {
        let (answer, answered) = oneshot::channel();
        if self.requests.try_send(request(answer)).is_err() {
            return Err("too many wait for an answer: try again".to_owned());
        }
        answered.await.map_err(|_| "the daemon stops".to_owned())
    }

    /// How it stands, once. `false`: there is nothing to show.
    async fn show(&self, stream: &mut UnixStream, of: &[String]) -> io::Result<bool> {
        let (answer, answered) = oneshot::channel();
        let asked = tokio::time::timeout(PATIENCE, self.requests.send(Request::Status(answer))).await?;
        asked.map_err(io::Error::other)?;
        let Ok(status) = answered.await else {
            say(stream, Answer::Refused("the daemon stops".to_owned())).await?;
            return Ok(false);
        };
        let of = of.to_vec();
        // Thousands of servers take their time to be written down, and nobody else is to wait for that.
        let written = tokio::task::spawn_blocking(move || match status.only(&of) {
            Ok(status) => (true, Reply::line(Answer::Status(Box::new(status)))),
            Err(why) => (false, Reply::line(Answer::Refused(why))),
        });
        let (shown, line) = written.await.map_err(io::Error::other)?;
        tokio::time::timeout(PATIENCE, stream.write_all(&line)).await??;
        Ok(shown)
    }

    /// And again at each change, until the other side hangs up.
    async fn watch(&self, stream: &mut UnixStream, of: &[String]) -> io::Result<()> {
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            if !self.show(stream, of).await? {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
            let mut more = [0; 64];
            tokio::select! {
                changed = changes.changed() => changed.map_err(io::Error::other)?,
                gone = hung_up(stream, &mut more) => return gone,
            }
        }
    }
}

/// Waits until the other side hangs up; what it writes meanwhile is not read as anything.
async fn hung_up(stream: &mut UnixStream, piece: &mut [u8]) -> io::Result<()> {
    while stream.read(piece).await? > 0 {}
    Ok(())
}

/// The first line; an end without one counts as its end.
async fn line(stream: &mut UnixStream) -> io::Result<String> {
    let mut bytes = Vec::new();
    let mut limited = stream.take(LONGEST);
    let mut piece = [0; 512];
    while !bytes.contains(&b'\n') {
        match limited.read(&mut piece).await? {
            0 => break,
            length => bytes.extend(piece.iter().take(length)),
        }
    }
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    bytes.truncate(end);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

async fn say(stream: &mut UnixStream, answer: Answer) -> io::Result<()> {
    tokio::time::timeout(PATIENCE, stream.write_all(&Reply::line(answer))).await?
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt as _, BufReader};

    use super::*;

    async fn ask(path: &Path, words: &str) -> Answer {
        let mut stream = UnixStream::connect(path).await.unwrap();
        // Who is refused at once may be answered before it has asked.
        let _ = stream.write_all(words.as_bytes()).await;
        let _ = stream.shutdown().await;
        let mut text = String::new();
        // What it did not read of the question makes the end of the connection a reset.
        BufReader::new(stream).read_line(&mut text).await.unwrap();
        serde_json::from_str::<Reply>(&text).unwrap_or_else(|error| panic!("{error}: {text}")).answer
    }

    fn reload(allow_empty: bool) -> String {
        Question::line(Ask::Reload { allow_empty })
    }

    fn status(watch: bool) -> String {
        Question::line(Ask::Status { of: Vec::new(), watch })
    }

    /// A director that takes everything in, and has another process each time that it is asked.
    fn director(mut receiver: mpsc::Receiver<Request>) {
        tokio::spawn(async move {
            let mut asked = 0;
            while let Some(request) = receiver.recv().await {
                match request {
                    Request::Reload { allow_empty, answer } => {
                        let lines = vec![format!("{allow_empty}")];
                        let _ = answer.send(Reloaded { applied: allow_empty, lines });
                    }
                    Request::Status(answer) => {
                        asked += 1;
                        let _ = answer.send(Status { pid: asked, ..Status::default() });
                    }
                    Request::Failover { of, back, answer } => {
                        let _ = answer.send(Err(format!("{of:?} {back:?}")));
                    }
                    Request::Maintenance(wanted, answer) => {
                        let _ = answer.send(Ok(vec![format!("{wanted:?}")]));
                    }
                    Request::RealServer(wanted, answer) => {
                        let _ = answer.send(Ok(vec![format!("{:?} {:?}", wanted.by_hand, wanted.length)]));
                    }
                }
            }
        });
    }

    #[tokio::test]
    async fn a_request_is_answered_when_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        // What a killed daemon left.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (requests, receiver) = Requests::new(folder.path(), None);
        assert!(!requests.is_behind());
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        director(receiver);
        for applied in [false, true] {
            let expected = Reloaded { applied, lines: vec![applied.to_string()] };
            assert_eq!(ask(&path, &reload(applied)).await, Answer::Reloaded(expected));
        }
        let Answer::Status(shown) = ask(&path, &status(false)).await else { panic!("no status") };
        assert_eq!(shown.pid, 1);
        let failover = Ask::Failover { of: vec!["VI_1".to_owned()], seconds: Some(2) };
        let refused = Answer::Refused("[\"VI_1\"] After(2s)".to_owned());
        assert_eq!(ask(&path, &Question::line(failover)).await, refused);
        let off = Ask::Maintenance { on: false, seconds: None, reason: String::new() };
        assert_eq!(ask(&path, &Question::line(off)).await, Answer::Done(vec!["None".to_owned()]));
        let steer = |what, seconds| Ask::RealServer {
            service: "10.0.0.1".to_owned(),
            server: "10.0.0.2:80".to_owned(),
            what,
            seconds,
        };
        for (what, seconds, said) in [
            (Steer::Drain, Some(2), "Some(Drained) Some(2s)"),
            (Steer::Disable, None, "Some(Disabled) None"),
            (Steer::Weight(7), None, "Some(Weight(7)) None"),
            (Steer::Enable, None, "None None"),
        ] {
            let answer = ask(&path, &Question::line(steer(what, seconds))).await;
            assert_eq!(answer, Answer::Done(vec![said.to_owned()]));
        }
        let longest = "x".repeat(10_000);
        for words in ["", "\n", "stop\n", "{\"version\":1,\"ask\":{}}", &longest, "\u{0}\u{1}\n"] {
            let answer = ask(&path, words).await;
            let Answer::Refused(why) = answer else { panic!("{words}: {answer:?}") };
            assert!(why.contains("is not understood"), "{words}: {why}");
        }
        requests.leave();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn who_watches_is_told_of_changes_and_who_stands_still_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SOCKET);
        let (requests, receiver) = Requests::new(folder.path(), None);
        director(receiver);
        let mut watcher = UnixStream::connect(&path).await.unwrap();
        watcher.write_all(status(true).as_bytes()).await.unwrap();
        let mut lines = BufReader::new(watcher).lines();
        for number in 1..=3 {
            let line = lines.next_line().await.unwrap().unwrap();
            let Answer::Status(shown) = serde_json::from_str::<Reply>(&line).unwrap().answer else {
                panic!("{line}")
            };
            assert_eq!(shown.pid, number);
            requests.changed();
        }
        drop(lines);
        // Who asks once finds a place beside those who stay.
        let mut watchers = Vec::new();
        for _ in 0..WATCHING {
            let mut watcher = UnixStream::connect(&path).await.unwrap();
            watcher.write_all(status(true).as_bytes()).await.unwrap();
            let mut lines = BufReader::new(watcher).lines();
            while !lines.next_line().await.unwrap().unwrap().contains("\"status\"") {
                // The one that watched before may be gone a moment later.
                let mut watcher = UnixStream::connect(&path).await.unwrap();
                watcher.write_all(status(true).as_bytes()).await.unwrap();
                lines = BufReader::new(watcher).lines();
            }
            watchers.push(lines);
        }
        assert_eq!(ask(&path, &status(true)).await, Answer::Refused("too many watch: ask once".to_owned()));
        assert!(matches!(ask(&path, &status(false)).await, Answer::Status(_)));
        drop(watchers);
        // As many as may, and more: they ask nothing. Those that watched may be gone a moment later.
        let mut silent = Vec::new();
        let refused = async {
            loop {
                silent.push(UnixStream::connect(&path).await.unwrap());
                if let Answer::Refused(why) = ask(&path, &status(false)).await {
                    return why;
                }
            }
        };
        let answer = tokio::time::timeout(Duration::from_secs(20), refused).await.unwrap();
        assert!(answer.contains("too many ask at once"), "{answer}");
        drop(silent);
        let shown = async {
            while !matches!(ask(&path, &status(false)).await, Answer::Status(_)) {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), shown).await.unwrap();
    }

    #[tokio::test]
    async fn a_socket_that_cannot_be_had_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let directory = folder.path().join("run");
        let (mut requests, _receiver) = Requests::new(&directory, None);
        assert!(requests.is_behind());
        std::fs::create_dir(&directory).unwrap();
        requests.listen().unwrap();
        assert!(!requests.is_behind());
        // Somebody tidies up.
        let path = directory.join(SOCKET);
        std::fs::remove_file(&path).unwrap();
        requests.look();
        UnixStream::connect(&path).await.unwrap();
        requests.look();
        assert!(path.exists());
    }
}
