//! The loop of the BFD thread: it waits, hears, feeds the sessions, and carries their actions out.
//!
//! It reads no file, writes no log and waits for nobody. What was heard comes before timers that are late: a thread that was
//! kept waiting finds out that its neighbours were there all the time.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::{mpsc, oneshot, watch};

use crate::bfd::session::Snapshot;
use crate::bfd::sessions::{Action, Input, Report, Sessions, Up};
use crate::config::model::BfdInstance;
use crate::sys::poll;

use super::sockets::Sockets;

/// What the thread can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// The sessions from now on. Answered when those that are up are told by their names.
    Configure(Vec<BfdInstance>, oneshot::Sender<()>),
    /// Whoever listens goes by them.
    Settled,
    /// Say that all end, and end. Answered when that is done.
    Stop(oneshot::Sender<()>),
}

/// Where the thread tells what happens.
pub(super) struct Outward {
    pub(super) reports: mpsc::Sender<Report>,
    pub(super) dropped: Arc<AtomicU64>,
    pub(super) up: watch::Sender<Arc<Up>>,
    pub(super) snapshots: watch::Sender<Arc<Vec<Snapshot>>>,
}

pub(super) struct Thread {
    sessions: Sessions,
    sockets: Sockets,
    outward: Outward,
    /// Something was told: the view has changed.
    told: bool,
}

impl Thread {
    pub(super) fn new(outward: Outward) -> Self {
        let sessions = Sessions::new(fastrand::u64(..));
        Self { sessions, sockets: Sockets::default(), outward, told: false }
    }

    pub(super) async fn run(mut self, mut commands: mpsc::UnboundedReceiver<Command>) {
        let mut more = false;
        loop {
            let mut heard = more;
            let due = self.sessions.next_timer().map(|(at, _)| at);
            tokio::select! {
                biased;
                command = commands.recv() => match command {
                    Some(Command::Configure(wanted, done)) => {
                        self.feed(Instant::now(), Input::Configure(wanted));
                        let _ = done.send(());
                        // Whoever looks now sees the sessions that there are.
                        self.told = true;
                    }
                    Some(Command::Settled) => self.feed(Instant::now(), Input::Settled),
                    Some(Command::Stop(done)) => {
                        self.feed(Instant::now(), Input::Stop);
                        let _ = done.send(());
                        return;
                    }
                    None => return,
                },
                () = poll_fn(|context| self.sockets.poll_heard(context)) => heard = true,
                () = poll::until(due) => {}
                () = tokio::task::yield_now(), if more => {}
            }
            let now = Instant::now();
            more = (heard || self.sessions.is_to_judge(now)) && self.hear(now);
            if self.sessions.next_timer().is_some_and(|(at, _)| at <= now) {
                self.feed(now, Input::Timer);
            }
            if std::mem::take(&mut self.told) {
                self.outward.snapshots.send_replace(Arc::new(self.sessions.snapshot()));
            }
        }
    }

    /// Takes in what was received. True: there may be more.
    fn hear(&mut self, now: Instant) -> bool {
        let mut heard = Vec::new();
        let more = self.sockets.hear(&mut heard);
        heard.into_iter().for_each(|received| self.feed(now, Input::Heard(received)));
        more
    }

    fn feed(&mut self, now: Instant, input: Input) {
        let mut inputs = vec![input];
        let mut actions = Vec::new();
        while let Some(input) = inputs.pop() {
            self.sessions.handle(now, input, &mut actions);
            for action in actions.drain(..) {
                inputs.extend(self.act(action));
            }
        }
    }

    /// Carries it out; what came of it.
    fn act(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::Open(id, endpoint) => {
                return Some(match self.sockets.open(id, endpoint) {
                    Ok(()) => Input::Opened(id),
                    Err(why) => Input::Refused(id, why),
                });
            }
            Action::Close(id) => self.sockets.close(id),
            Action::Transmit(id, bytes) => {
                return self.sockets.send(id, &bytes).map(|outcome| Input::Sent(id, outcome));
            }
            Action::Up(up) => drop(self.outward.up.send_replace(up)),
            Action::Report(report) => {
                self.told = true;
                if self.outward.reports.try_send(report).is_err() {
                    self.outward.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        None
    }
}
