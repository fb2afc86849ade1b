//! The parent's process: one thread, which waits for signals, for the daemon's words, and for a time.
//!
//! It goes between the daemon and the service manager: whoever signals it signals the daemon, and what the daemon says
//! of itself is handed on, as a service manager listens to the process that it has started alone.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getppid};
use tracing::Level;

use super::super::logging::{self, Destination};
use super::super::presence;
use super::super::resume::Moment;
use super::super::service_manager::{self, Manager, TAKES};
use super::super::signals as asked;
use super::sweep::sweep;
use super::{Action, Ended, Guard};
use crate::sys::background::fork;
use crate::sys::beat;
use crate::sys::signals::{self, Queue};
use crate::text::reason;

/// What the parent says to the daemon.
pub(crate) const STOP: &[u8] = b"stop";
/// The kernel's signal to the daemon that it has no parent any more.
pub(crate) const LOST: Signal = Signal::SIGPWR;
/// A message of the daemon; longer ones are cut.
const LONGEST: usize = 64 << 10;
/// A service manager that has not taken a message is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// What the parent is to know.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Where the daemon keeps its record.
    pub(crate) runtime_directory: PathBuf,
    /// One more file for the pid.
    pub(crate) pid_file: Option<PathBuf>,
    /// What a daemon that was killed leaves is taken away.
    pub(crate) releases: bool,
    /// A daemon that did not stop by itself is started again.
    pub(crate) restarts: bool,
    /// SIGINT is for nobody.
    pub(crate) ignore_sigint: bool,
    /// Where lines go.
    pub(crate) log: Destination,
}

/// The daemon's end: its parent, and the way between them.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    pub(in super::super) parent: Pid,
    /// When the daemon before was killed, unless what it left has gone.
    pub(in super::super) killed: Option<Moment>,
    pub(in super::super) socket: Arc<UnixDatagram>,
}

/// Who goes on after [`Watch::turn`], and with what.
#[derive(Debug)]
pub(crate) enum Turn {
    /// The new process: it is to be the daemon.
    Daemon(Link),
    /// The parent, which has just started the daemon. What it had for it is of no use here.
    Parent,
    /// The parent: it is over, with this exit status.
    End(u8),
}

struct Daemon {
    pid: Pid,
    socket: UnixDatagram,
}

/// The parent.
pub(crate) struct Watch {
    plan: Plan,
    guard: Guard,
    queue: Queue,
    manager: Manager,
    /// Lines for the log: what is to be done comes first.
    lines: Vec<(Level, String)>,
    daemon: Option<Daemon>,
    /// The daemon is to be started.
    start: bool,
    /// When the last one ended by itself, and left what it had.
    killed: Option<Moment>,
}

impl Watch {
    /// To be called while the process has a single thread.
    pub(crate) fn new(plan: Plan) -> io::Result<Self> {
        let queue = Queue::open(&listened(plan.ignore_sigint))?;
        let guard = Guard::new(Instant::now(), plan.restarts);
        beat::share()?;
        let (manager, lines) = (Manager::new(None), Vec::new());
        Ok(Self { plan, guard, queue, manager, lines, daemon: None, start: true, killed: None })
    }

    /// Starts the daemon, or looks after it until it is to be started again. To be called again and again.
    pub(crate) fn turn(&mut self) -> Turn {
        loop {
            let over = if !std::mem::take(&mut self.start) {
                self.wait()
            } else if self.guard.stops() {
                self.do_all(vec![Action::Sweep, Action::End(0)])
            } else {
                match self.begin() {
                    Ok(turn) => return turn,
                    Err(error) => {
                        let words = format!("No process can be made for the daemon: {}", reason(&error));
                        self.lines.push((Level::ERROR, words));
                        let actions = self.guard.ended(Instant::now(), Ended::Status(1));
                        self.do_all(actions)
                    }
                }
            };
            if let Some(status) = over {
                self.tell();
                // Others would signal a process by it that is not there any more.
                let pid = std::process::id();
                presence::remove(&self.plan.runtime_directory, self.plan.pid_file.as_deref(), pid);
                return Turn::End(status);
            }
        }
    }

    fn begin(&mut self) -> io::Result<Turn> {
        let (here, there) = UnixDatagram::pair()?;
        here.set_nonblocking(true)?;
        there.set_nonblocking(true)?;
        let parent = Pid::this();
        if let Some(pid) = fork()? {
            self.daemon = Some(Daemon { pid, socket: here });
            return Ok(Turn::Parent);
        }
        // Who has no parent any more stops as if it was told to.
        let _ = set_pdeathsig(LOST);
        if getppid() != parent {
            return Ok(Turn::End(1));
        }
        asked::hold(self.plan.ignore_sigint);
        // What waits until the daemon can act on it stays blocked.
        let mut ends = vec![libc::SIGCHLD, libc::SIGTERM, LOST as i32];
        ends.extend(Some(libc::SIGINT).filter(|_| !self.plan.ignore_sigint));
        signals::unblock(&ends)?;
        Ok(Turn::Daemon(Link { parent, killed: self.killed.take(), socket: Arc::new(there) }))
    }

    /// Waits for one thing and does what it asks for. `Some`: it is over.
    fn wait(&mut self) -> Option<u8> {
        self.tell();
        let next = self.guard.next().map(|at| at.saturating_duration_since(Instant::now()));
        let again = self.manager.is_behind().then_some(AGAIN);
        // Rounded up: a millisecond early would be a turn for nothing.
        let millis = next.into_iter().chain(again).min().map(|time| time.as_micros().div_ceil(1000));
        let timeout = millis
            .map_or(PollTimeout::NONE, |millis| PollTimeout::try_from(millis).unwrap_or(PollTimeout::MAX));
        let words = self.daemon.as_ref().map(|daemon| daemon.socket.as_fd());
        let mut sources = vec![PollFd::new(self.queue.as_fd(), PollFlags::POLLIN)];
        sources.extend(words.map(|words| PollFd::new(words, PollFlags::POLLIN)));
        // Interrupted, or whatever it is: all are looked at.
        let _ = poll(&mut sources, timeout);
        self.manager.offer();
        self.hear();
        let mut actions = Vec::new();
        while let Some(signal) = self.queue.take() {
            actions.extend(self.signalled(signal));
        }
        actions.extend(self.guard.timer(Instant::now()));
        self.do_all(actions)
    }

    /// What the daemon says of itself.
    fn hear(&mut self) {
        let Some(daemon) = &self.daemon else { return };
        let mut buffer = vec![0; LONGEST];
        while let Ok(length) = daemon.socket.recv(&mut buffer) {
            let message = buffer.get(..length).unwrap_or_default();
            if message == TAKES {
                self.guard.takes();
                continue;
            }
            if service_manager::is_ready(message) {
                self.guard.ready();
            }
            self.manager.hand_on(message);
        }
    }

    fn signalled(&mut self, signal: i32) -> Vec<Action> {
        match signal {
            libc::SIGCHLD => {
                let Some(pid) = self.daemon.as_ref().map(|daemon| daemon.pid) else { return Vec::new() };
                let Some(how) = ended(pid) else { return Vec::new() };
                // Its last words come before its end.
                self.hear();
                self.daemon = None;
                // One that stood still before it was killed was silent for longer.
                self.killed = Moment::now().ok().map(|now| now.or_earlier(beat::last().unwrap_or(0)));
                self.guard.ended(Instant::now(), how)
            }
            libc::SIGTERM | libc::SIGINT => self.guard.stop(),
            other => {
                if let Some(daemon) = &self.daemon {
                    let _ = signals::send(daemon.pid, other);
                }
                Vec::new()
            }
        }
    }

    fn do_all(&mut self, actions: Vec<Action>) -> Option<u8> {
        actions.into_iter().filter_map(|action| self.act(action)).last()
    }

    fn act(&mut self, action: Action) -> Option<u8> {
        match action {
            Action::Start => self.start = true,
            Action::Sweep if self.plan.releases => {
                self.killed = None;
                let child = self.daemon.as_ref().map(|daemon| daemon.pid);
                let swept = sweep(&self.plan.runtime_directory, child);
                self.guard.swept(Instant::now(), swept.done);
                // The end itself has been told.
                let level = if swept.done { Level::INFO } else { Level::ERROR };
                self.lines.extend(swept.lines.into_iter().map(|line| (level, line)));
            }
            Action::Sweep => self.guard.swept(Instant::now(), true),
            Action::Stop => {
                if let Some(daemon) = &self.daemon {
                    // One that does not read has not yet taken the first one.
                    let _ = daemon.socket.send(STOP);
                }
            }
            Action::End(status) => return Some(status),
            Action::Say(words) => {
                self.manager.status(&words);
                self.lines.push((Level::ERROR, words));
            }
        }
        None
    }

    /// Writes the lines that wait, unless nobody reads them.
    fn tell(&mut self) {
        let log = self.plan.log;
        let mut reads = true;
        for (level, line) in self.lines.drain(..) {
            reads = reads && logging::say(log, level, &line);
        }
    }
}

/// What the parent hears of.
fn listened(ignore_sigint: bool) -> Vec<i32> {
    let mut signals = asked::early(true);
    signals.extend([libc::SIGCHLD, libc::SIGTERM]);
    signals.retain(|signal| !(ignore_sigint && *signal == libc::SIGINT));
    signals
}

/// How it ended; `None`: it runs.
fn ended(pid: Pid) -> Option<Ended> {
    match waitpid(pid, Some(WaitPidFlag::WNOHANG)) {
        Ok(WaitStatus::Exited(_, status)) => Some(Ended::Status(u8::try_from(status).unwrap_or(u8::MAX))),
        Ok(WaitStatus::Signaled(_, signal, _)) => Some(Ended::Signal(signal)),
        Ok(_) => None,
        // Somebody else has waited for it.
        Err(_) => Some(Ended::Status(1)),
    }
}
