//! The BFD thread, apart from VRRP's and from the checks': neither of them keeps its packets waiting.

mod sockets;
mod thread;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::model::{BfdInstance, ProcessPart};
use crate::report::io::say;
use crate::sys::runtime::drive;
use crate::sys::schedule;
use crate::text::reason;

use super::session::Snapshot;
use super::sessions::{Report, Up};
use thread::{Command, Outward, Thread};

/// Lines that wait for whoever writes the log; more are dropped and counted. What is up is told apart from them.
const LINES: usize = 4096;
/// As VRRP: enough to run before everything that is not a realtime task.
const REALTIME_PRIORITY: u8 = 1;

/// The running thread.
#[derive(Debug)]
pub(crate) struct Handle {
    commands: mpsc::UnboundedSender<Command>,
    reports: mpsc::Receiver<Report>,
    dropped: Arc<AtomicU64>,
    snapshots: watch::Receiver<Arc<Vec<Snapshot>>>,
    thread: std::thread::JoinHandle<()>,
}

/// Starts the thread, without sessions. `part`: how it runs. Those that are up are told through `up`.
pub(crate) fn start(part: &ProcessPart, up: watch::Sender<Arc<Up>>) -> io::Result<Handle> {
    let (commands, receiver) = mpsc::unbounded_channel();
    let (report_sender, reports) = mpsc::channel(LINES);
    let (snapshot_sender, snapshots) = watch::channel(Arc::default());
    let dropped = Arc::new(AtomicU64::new(0));
    let outward =
        Outward { reports: report_sender, dropped: Arc::clone(&dropped), up, snapshots: snapshot_sender };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let own = part.clone();
    let run = move || {
        settle(&own);
        drive(&runtime, Thread::new(outward).run(receiver));
    };
    let name = part.name.clone().unwrap_or_else(|| "bfd".into());
    let thread = std::thread::Builder::new().name(name).spawn(run)?;
    Ok(Handle { commands, reports, dropped, snapshots, thread })
}

/// Gives the calling thread what the file says of the BFD process.
fn settle(part: &ProcessPart) {
    let told = |instead: &str, outcome: io::Result<()>| {
        if let Err(error) = outcome {
            tracing::warn!("{instead}: {}", reason(&error));
        }
    };
    if let Some(nice) = part.nice {
        told("BFD runs with the nice value of the start", schedule::nice(nice));
    }
    if !part.cpus.is_empty() {
        told("BFD runs on any processor", schedule::processors(&part.cpus));
    }
    match (part.real_time, schedule::realtime(part.real_time.unwrap_or(REALTIME_PRIORITY).into())) {
        (None, Err(error)) => tracing::debug!("BFD runs without realtime priority: {error}"),
        (_, outcome) => told("BFD runs without realtime priority", outcome),
    }
}

impl Handle {
    /// The sessions from now on. The answer comes when those that are up are told by their names.
    pub(crate) fn configure(&self, sessions: Vec<BfdInstance>) -> oneshot::Receiver<()> {
        let (done, answer) = oneshot::channel();
        // A thread that has ended is found by whoever reads its reports.
        let _ = self.commands.send(Command::Configure(sessions, done));
        answer
    }

    /// Whoever listens goes by them now.
    pub(crate) fn settled(&self) {
        let _ = self.commands.send(Command::Settled);
    }

    /// The next thing that there is to tell. `None`: the thread has ended.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        self.reports.recv().await
    }

    /// The latest view of the sessions.
    pub(crate) fn snapshot(&self) -> Arc<Vec<Snapshot>> {
        Arc::clone(&self.snapshots.borrow())
    }

    /// Writes it to the log.
    pub(crate) fn log(&self, report: &Report) {
        log(report);
        let dropped = self.dropped.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            tracing::warn!("{dropped} lines about BFD are missing here: there were too many at once");
        }
    }

    /// Tells the neighbours that the sessions end, and waits until that is said.
    pub(crate) async fn stop(mut self) {
        let (done, stopped) = oneshot::channel();
        if self.commands.send(Command::Stop(done)).is_ok() {
            let _ = stopped.await;
        }
        while let Ok(report) = self.reports.try_recv() {
            log(&report);
        }
        if self.thread.join().is_err() {
            tracing::error!("the BFD thread panicked");
        }
    }
}

fn log(report: &Report) {
    let event = &report.event;
    let line = match &report.session {
        Some(name) => format!("BFD_Instance({name}) {event}"),
        None => format!("BFD: {event}"),
    };
    say(event.level(), line);
}

#[cfg(test)]
mod tests;
