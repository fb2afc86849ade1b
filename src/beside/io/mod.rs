//! The process, seen from the daemon: started, fed, started again when it ends.
//!
//! Nothing here waits for it: what it does not read is kept up to a limit, which is its [`Outbox`]'s.

pub(crate) mod inside;

use std::io;
use std::os::fd::OwnedFd;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{sleep, timeout};

use crate::report::io::say;
use crate::sys::process::{self, prepare};
use crate::text::reason;

use super::{Heard, Outbox, frame, unframe};

/// This program, whatever its file is called by now.
const PROGRAM: &str = "/proc/self/exe";
/// The shortest and the longest pause before it is started again.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// It does not read, when a document is not taken for that long.
const DEAF: Duration = Duration::from_secs(10);
/// At the end what waits is written for this long.
const LAST_WRITES: Duration = Duration::from_millis(500);
/// At the end it has this long to say so to whom it speaks with.
const GRACE: Duration = Duration::from_millis(800);
/// As whom it runs when it need not be root.
const NOBODY: u32 = 65_534;
/// What it wants told or asks for and nobody has taken yet.
const NEWS: usize = 16;

/// What whoever feeds it has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum News<Ask> {
    /// It begins: it knows nothing.
    Begun,
    /// It wants something.
    Asked(Ask),
}

/// The process, however often it is started again.
#[derive(Debug)]
pub(crate) struct Handle<O: Outbox> {
    shared: Arc<Shared<O>>,
    news: mpsc::Receiver<News<O::Ask>>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared<O> {
    outbox: Mutex<O>,
    filled: Notify,
}

impl<O> Shared<O> {
    fn with<T>(&self, act: impl FnOnce(&mut O) -> T) -> T {
        act(&mut self.outbox.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<O: Outbox> Handle<O> {
    /// Starts it, when the one `before` has ended. On the thread that lives as long as the daemon: it is killed when that
    /// ends. `files`: how many files it may open.
    pub(crate) fn start(setup: O::Setup, files: Option<(u64, u64)>, before: Option<Self>) -> Self {
        let shared: Arc<Shared<O>> = Arc::default();
        let (told, news) = mpsc::channel(NEWS);
        let (stop, stopped) = oneshot::channel();
        let keeper = Keeper { setup, files, shared: Arc::clone(&shared), told };
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.stop().await;
            }
            keeper.keep(stopped).await;
        });
        Self { shared, news, stop, task }
    }

    /// What it wants next.
    pub(crate) async fn news(&mut self) -> News<O::Ask> {
        match self.news.recv().await {
            Some(news) => news,
            None => std::future::pending().await,
        }
    }

    /// Puts something into the outbox.
    pub(crate) fn put(&self, act: impl FnOnce(&mut O)) {
        self.shared.with(act);
        self.shared.filled.notify_one();
    }

    /// Ends it.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        drop(self.news);
        // A task that panicked has dropped the child, which dies of it.
        let _ = self.task.await;
    }
}

struct Keeper<O: Outbox> {
    setup: O::Setup,
    files: Option<(u64, u64)>,
    shared: Arc<Shared<O>>,
    told: mpsc::Sender<News<O::Ask>>,
}

impl<O: Outbox> Keeper<O> {
    async fn keep(self, mut stopped: oneshot::Receiver<()>) {
        let mut pause = PAUSES.0;
        loop {
            let began = Instant::now();
            let why = match self.spawn() {
                Ok((mut child, link)) => {
                    self.shared.with(|outbox| outbox.begin(self.setup.clone()));
                    // Nobody listens any more when the daemon stops.
                    let _ = self.told.send(News::Begun).await;
                    let (reader, writer) = link.into_split();
                    let mut writing = Box::pin(self.write(writer));
                    let ended = tokio::select! {
                        biased;
                        () = &mut writing => Some(gone(&mut child).await),
                        () = self.read(reader) => Some(gone(&mut child).await),
                        ended = child.wait() => Some(ended),
                        _ = &mut stopped => None,
                    };
                    match ended {
                        None => {
                            self.shared.with(O::close);
                            self.shared.filled.notify_one();
                            // It ends with what waits now, mostly the last news.
                            let _ = timeout(LAST_WRITES, &mut writing).await;
                            drop(writing);
                            return end(child).await;
                        }
                        Some(ended) => ended.map_or_else(|error| reason(&error), describe),
                    }
                }
                Err(error) => format!("it cannot be started: {}", reason(&error)),
            };
            pause = if began.elapsed() > PAUSES.1 { PAUSES.0 } else { pause };
            tracing::warn!(
                "{} has ended: {why}; it is started again in {} s, all else goes on",
                O::NAME,
                pause.as_secs()
            );
            tokio::select! {
                _ = &mut stopped => return,
                () = sleep(pause) => pause = (pause * 2).min(PAUSES.1),
            }
        }
    }

    fn spawn(&self) -> io::Result<(Child, UnixStream)> {
        let own = process::Child::same(self.files);
        if O::is_anybodys(&self.setup) && own.uid == 0 {
            let nobody = process::Child { uid: NOBODY, gid: NOBODY, groups: Vec::new(), ..own.clone() };
            // A unit may forbid it.
            if let Ok(spawned) = self.spawn_as(nobody) {
                return Ok(spawned);
            }
        }
        self.spawn_as(own)
    }

    fn spawn_as(&self, child: process::Child) -> io::Result<(Child, UnixStream)> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut command = std::process::Command::new(PROGRAM);
        command.arg(O::WORD).stdin(OwnedFd::from(theirs)).stdout(Stdio::null()).stderr(Stdio::null());
        command.env_clear().current_dir("/");
        prepare(&mut command, child);
        let child = Command::from(command).kill_on_drop(true).spawn()?;
        Ok((child, UnixStream::from_std(ours)?))
    }

    /// Writes what there is, until it cannot be written, or nothing will follow.
    async fn write(&self, mut writer: OwnedWriteHalf) {
        let mut deaf = false;
        loop {
            let (order, closed) = self.shared.with(|outbox| (outbox.take(), outbox.is_closed()));
            let Some(order) = order else {
                if closed {
                    return;
                }
                self.shared.filled.notified().await;
                continue;
            };
            let bytes = match O::is_long(&order) {
                true => match spawn_blocking(move || frame(&order)).await {
                    Ok(bytes) => bytes,
                    Err(_) => return,
                },
                false => frame(&order),
            };
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                match timeout(DEAF, writer.write(rest)).await {
                    Ok(Ok(count)) => rest = rest.get(count..).unwrap_or_default(),
                    Ok(Err(_)) => return,
                    Err(_) if deaf => {}
                    Err(_) => {
                        deaf = true;
                        tracing::warn!("{} does not listen; all else goes on", O::NAME);
                    }
                }
            }
            if std::mem::take(&mut deaf) {
                tracing::info!("{} listens again", O::NAME);
            }
            let lost = self.shared.with(O::take_lost);
            // At the end all that is up is told as down, more than there is time for.
            if lost > 0 && !closed {
                tracing::warn!("{} did not listen in time: {lost} {} were lost", O::NAME, O::LOST);
            }
        }
    }

    /// Hears what it says, until it says no more.
    async fn read(&self, mut reader: OwnedReadHalf) {
        let mut bytes = Vec::new();
        while reader.read_buf(&mut bytes).await.is_ok_and(|count| count > 0) {
            loop {
                match unframe::<O::Word>(&mut bytes).map(|word| word.map(Into::into)) {
                    Ok(Some(Heard::Tells(level, event))) => say(level, event),
                    // Who asks for too much gets less.
                    Ok(Some(Heard::Asks(ask))) => drop(self.told.try_send(News::Asked(ask))),
                    Ok(None) => break,
                    Err(error) => return tracing::error!("{} sends {error}", O::NAME),
                }
            }
        }
    }
}

/// It talks to us no more: mostly, it is dying.
async fn gone(child: &mut Child) -> io::Result<ExitStatus> {
    if let Ok(ended) = timeout(GRACE, child.wait()).await {
        return ended;
    }
    child.kill().await?;
    child.wait().await
}

/// Its end of the socket is closed by now.
async fn end(mut child: Child) {
    if timeout(GRACE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("status {code}"),
        (None, Some(signal)) => {
            let name = nix::sys::signal::Signal::try_from(signal)
                .map_or("a signal", nix::sys::signal::Signal::as_str);
            format!("killed by {name}")
        }
        (None, None) => status.to_string(),
    }
}
