//! How the VRRP thread is started, told and asked.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc as blocking;

use tokio::sync::{mpsc, oneshot, watch};

use crate::config::model::ProcessPart;
use crate::sys::runtime::drive;
use crate::track::Facts;
use crate::vrrp::instance::{Back, Left};
use crate::vrrp::node::{Claim, Setup, Snapshot};

use super::outward::Outward;
use super::reports::{self, Reports};
use super::settle;
use super::thread::Thread;

const COMMANDS: usize = 8;

/// What the thread can be told.
#[derive(Debug)]
pub(crate) enum Command {
    /// Asks what this may set and the host has not: to be recorded before [`Self::Configure`].
    Claims(Setup, oneshot::Sender<BTreeSet<Claim>>),
    /// What runs after a reload. Answered when it is in force and the snapshot shows it.
    Configure(Setup, oneshot::Sender<()>),
    /// Another node is to lead. Answered when the others are told and the snapshot shows it.
    HandOver {
        /// Instances.
        of: Vec<String>,
        /// When they are taken back.
        back: Back,
        /// Told then.
        done: oneshot::Sender<()>,
    },
    /// Asks for the view of this moment. With `clear` the counters begin anew behind it.
    Show {
        /// Whether they do.
        clear: bool,
        /// Who asks.
        answer: oneshot::Sender<Arc<Snapshot>>,
    },
    /// The instance of this name announces its addresses, if it is master.
    Announce(String),
    /// The process is stopped for a restart. Answered with what the next one may go on with, or with nothing: then all goes on
    /// as it was. After an answer it only waits for [`Self::Stop`].
    Leave(oneshot::Sender<Vec<Left>>),
    /// Stop. Answered when that is done.
    Stop {
        /// Say so (priority 0) and give the addresses up; false keeps them (`--dont-release-vrrp`).
        release: bool,
        /// Told at the end.
        done: oneshot::Sender<()>,
    },
}

/// Why the thread did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing}: {source}{}", hint(.source))]
pub struct StartError {
    /// What was attempted.
    pub doing: &'static str,
    /// The kernel's answer.
    pub source: io::Error,
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; directord needs CAP_NET_ADMIN and CAP_NET_RAW: start it as root or through its systemd unit"
        }
        _ => "",
    }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct Handle {
    /// Commands.
    pub commands: mpsc::Sender<Command>,
    /// What there is to tell, in order.
    pub reports: Reports,
    /// The latest view of the node: renewed at each transition, else at most once a second.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// What the tracked objects amount to; the latest counts.
    pub facts: watch::Sender<Facts>,
    /// The thread itself.
    pub thread: std::thread::JoinHandle<()>,
}

/// A thread that has looked at the kernel and changed nothing yet.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// What it may set and the host has not; to be recorded before [`Self::go`].
    pub claims: BTreeSet<Claim>,
    handle: Handle,
    go: blocking::Sender<blocking::Sender<Never>>,
}

/// Nothing to say but by going.
#[derive(Debug)]
enum Never {}

impl Prepared {
    /// Lets it act, and returns when it has begun: the snapshot shows every instance.
    pub(crate) fn go(self) -> Handle {
        let (beginning, begun) = blocking::channel();
        // Without a receiver the thread has ended, and the handle shows that.
        let _ = self.go.send(beginning);
        // It answers by dropping its end.
        let _ = begun.recv();
        self.handle
    }
}

/// Starts the thread, which looks at the kernel and waits. `record`: what an earlier process may have set.
/// `part`: how its threads run. `sessions`: the BFD sessions that are up, at any time. `maintenance`: why the node is to
/// lead nowhere, when it is.
pub(crate) fn start(
    setup: Setup,
    record: BTreeSet<Claim>,
    part: &ProcessPart,
    sessions: watch::Receiver<Arc<BTreeSet<String>>>,
    maintenance: Option<Arc<str>>,
) -> Result<Prepared, StartError> {
    let (commands, command_receiver) = mpsc::channel(COMMANDS);
    let (snapshots, snapshot) = watch::channel(Arc::default());
    let first = Facts { maintenance, ..Facts::default() };
    let (facts, known) = watch::channel(first.clone());
    let (report_sender, reports) = reports::channel();
    let (started, outcome) = blocking::channel();
    let (go, gone) = blocking::channel();
    let failed = |doing| move |source| StartError { doing, source };
    let own = part.clone();
    let run = move || {
        settle(&own);
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(started.send(Err(failed("start the VRRP runtime")(error)))),
        };
        let work = async move {
            let outward = Outward::new(report_sender, snapshots);
            let thread = Thread::open(outward, setup, record, &own, sessions, first)
                .map_err(failed("open the netlink and packet sockets"));
            match thread {
                Ok((mut thread, claims)) => {
                    drop(started.send(Ok(claims)));
                    if let Ok(beginning) = gone.recv() {
                        thread.begin();
                        drop(beginning);
                        thread.run(command_receiver, known).await;
                    }
                }
                Err(error) => drop(started.send(Err(error))),
            }
        };
        drive(&runtime, work);
    };
    let thread = std::thread::Builder::new()
        .name(part.name.clone().unwrap_or_else(|| "vrrp".into()))
        .spawn(run)
        .map_err(failed("start the VRRP thread"))?;
    let claims =
        outcome.recv().map_err(|_| failed("start the VRRP thread")(io::ErrorKind::Other.into()))??;
    Ok(Prepared { claims, handle: Handle { commands, reports, snapshot, facts, thread }, go })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Instance, InterfaceName, Vrid};

    /// What does not run is told right after the start, from the snapshot.
    #[test]
    fn what_has_begun_shows_every_instance() {
        let (_, up) = watch::channel(Arc::default());
        let instance = Instance::new("A", InterfaceName::new("none0").unwrap(), Vrid::new(51).unwrap());
        for _ in 0..100 {
            let handle = start(
                vec![instance.clone()].into(),
                BTreeSet::new(),
                &ProcessPart::default(),
                up.clone(),
                None,
            )
            .unwrap()
            .go();
            let names: Vec<String> =
                handle.snapshot.borrow().instances.iter().map(|one| one.name.to_string()).collect();
            assert_eq!(names, ["A"]);
            drop(handle.commands);
            handle.thread.join().unwrap();
        }
    }
}
