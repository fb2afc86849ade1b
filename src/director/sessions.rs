//! The BFD sessions: their thread, and what there is to be known of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use crate::bfd::Up;
use crate::bfd::io::{Handle, start};
use crate::bfd::session::Snapshot;
use crate::bfd::sessions::Report;
use crate::config::model::{BfdInstance, ProcessPart};
use crate::text::reason;

use super::state::NotRunning;

/// The thread, from the first session on until the stop.
pub(super) struct Sessions {
    thread: Option<Handle>,
    /// For the thread, until there is one.
    sender: Option<watch::Sender<Arc<Up>>>,
    up: watch::Receiver<Arc<Up>>,
    /// How the thread runs.
    part: ProcessPart,
}

/// What wakes whoever waits for the sessions.
#[derive(Debug)]
pub(super) enum News {
    /// There is something to tell. `None`: the thread has ended.
    Report(Option<Report>),
    /// Others are up than before.
    Up,
}

impl Sessions {
    /// No sessions.
    pub(super) fn new(part: ProcessPart) -> Self {
        let (sender, up) = watch::channel(Arc::default());
        Self { thread: None, sender: Some(sender), up, part }
    }

    /// The sessions of a start or reload. When the answer is there, those that are up are known by their names; until
    /// [`Self::settled`] by the names of before as well.
    pub(super) fn configure(&mut self, sessions: Vec<BfdInstance>) -> Option<oneshot::Receiver<()>> {
        if self.thread.is_none() && !sessions.is_empty() {
            let sender = self.sender.take()?;
            match start(&self.part, sender.clone()) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    let why = reason(&error);
                    tracing::error!(
                        "cannot start the BFD thread: {why}; all sessions are down, a reload tries again"
                    );
                    self.sender = Some(sender);
                }
            }
        }
        self.thread.as_ref().map(|thread| thread.configure(sessions))
    }

    /// Instances and checks go by the sessions of this reload.
    pub(super) fn settled(&self) {
        self.thread.iter().for_each(Handle::settled);
    }

    /// The next thing that happens, to be given to [`Self::take_in`]; waits for ever without sessions.
    pub(super) async fn news(&mut self) -> News {
        let Some(thread) = &mut self.thread else { return std::future::pending().await };
        tokio::select! {
            biased;
            report = thread.next() => News::Report(report),
            Ok(()) = self.up.changed() => News::Up,
        }
    }

    /// Tells it. False: the thread has ended, which it must not.
    pub(super) fn take_in(&self, news: &News) -> bool {
        if let (News::Report(Some(report)), Some(thread)) = (news, &self.thread) {
            thread.log(report);
        }
        !matches!(news, News::Report(None))
    }

    /// Those that are up.
    pub(super) fn up(&self) -> Arc<BTreeSet<String>> {
        Arc::clone(&self.up.borrow())
    }

    /// The same, for somebody who waits for it.
    pub(super) fn watch(&self) -> watch::Receiver<Arc<Up>> {
        self.up.clone()
    }

    /// A view of each session.
    pub(super) fn snapshot(&self) -> Vec<Snapshot> {
        self.thread.as_ref().map(|thread| thread.snapshot().as_ref().clone()).unwrap_or_default()
    }

    /// Tells the neighbours, and ends the thread.
    pub(super) async fn stop(&mut self) {
        if let Some(thread) = self.thread.take() {
            thread.stop().await;
        }
    }
}

/// Sessions that cannot begin as this machine is. They are tried again all the time.
pub(super) fn waiting(sessions: &[Snapshot]) -> impl Iterator<Item = NotRunning> {
    sessions.iter().filter_map(|session| {
        let why = session.waits.as_ref()?;
        Some(NotRunning {
            what: format!("bfd_instance {}", session.name),
            why: format!("does not run: {why}"),
        })
    })
}
