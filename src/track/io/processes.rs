//! Hears from the kernel what happens to processes, and has them read in a thread of its own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::Arc;
use std::time::Instant;

use neli::consts::socket::NlFamily;
use nix::sched::{CloneFlags, setns};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::config::model::TrackProcess;
use crate::sys::netlink::{Monitor, messages};
use crate::sys::poll;
use crate::text::reason;
use crate::track::connector::{self, GROUP, Told};
use crate::track::processes::{Action, Input, Processes as Machine, Timer};
use crate::track::scripts::Standings;

use super::filter;
use super::proc::{Answer, Reader, Request};
use crate::report::io::say;

/// The most that is taken in at once: other events must not wait.
const AT_ONCE: usize = 512;
/// One message of the kernel fits.
const BUFFER: usize = 4096;

/// What wakes whoever waits for processes.
#[derive(Debug)]
pub enum News {
    /// The kernel has something to tell.
    Told,
    /// Something was read.
    Read(Answer),
}

/// The tracked processes, and what tells of their changes.
#[derive(Debug, Default)]
pub(super) struct Processes {
    machine: Machine,
    connector: Option<AsyncFd<Connector>>,
    reader: Option<Reader>,
    standings: Arc<Standings>,
    /// It is said that the kernel tells nothing.
    said: bool,
    started_in: Option<Arc<File>>,
}

impl Processes {
    /// Nothing is tracked. `started_in`: the network namespace that the daemon was started in, when it works in another
    /// one.
    pub(super) fn new(started_in: Option<Arc<File>>) -> Self {
        Self { started_in, ..Self::default() }
    }

    /// What is tracked after a start or reload.
    pub(super) fn configure(&mut self, wanted: Vec<TrackProcess>) {
        if wanted.is_empty() {
            (self.connector, self.reader) = (None, None);
        } else if self.connector.is_none() {
            // Before the look begins: what happens while it lasts is told.
            match Connector::open(self.started_in.as_deref()).and_then(poll::register) {
                Ok(connector) => self.connector = Some(connector),
                Err(error) => self.deaf(&refusal(&error)),
            }
        }
        self.feed(Input::Configure(wanted));
    }

    /// What the processes amount to.
    #[must_use]
    pub(super) fn standings(&self) -> Arc<Standings> {
        Arc::clone(&self.standings)
    }

    /// How many of each run.
    #[must_use]
    pub(super) fn running(&self) -> BTreeMap<String, usize> {
        self.machine.snapshot().processes.into_iter().map(|one| (one.name, one.running)).collect()
    }

    /// When [`Self::tick`] is to be called next.
    #[must_use]
    pub(super) fn next(&self) -> Option<Instant> {
        self.machine.next_timer().map(|(at, _)| at)
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        match self.machine.next_timer() {
            Some((at, _)) if at > Instant::now() => return,
            Some((_, Timer::Look)) if self.connector.is_some() => {
                self.deaf("it does not answer, as in a PID namespace");
            }
            _ => {}
        }
        self.feed(Input::Timer);
    }

    /// The next change, to be given to [`Self::take_in`]; waits for ever when nothing is tracked.
    pub(super) async fn news(&mut self) -> News {
        let told = async {
            if let Some(connector) = &self.connector
                && connector.readable().await.is_ok()
            {
                return;
            }
            std::future::pending().await
        };
        let read = async {
            match &mut self.reader {
                Some(reader) => reader.answer().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = told => News::Told,
            answer = read => News::Read(answer),
        }
    }

    /// Takes it in.
    pub(super) fn take_in(&mut self, news: News) {
        match news {
            News::Told => drop(self.hear()),
            // The machine wants to know first what has been told until then.
            News::Read(answer) => {
                while self.hear() {}
                self.feed(match answer {
                    Answer::Read { ticket, pid, process } => Input::Read { ticket, pid, process },
                    Answer::Looked { ticket, processes } => Input::Looked { ticket, processes },
                });
            }
        }
    }

    /// Takes in what the kernel tells; true: there may be more.
    fn hear(&mut self) -> bool {
        let mut buffer = [0; BUFFER];
        for _ in 0..AT_ONCE {
            let Some(connector) = &self.connector else { return false };
            let mut receive = || -> io::Result<Vec<Told>> {
                let bytes = connector.get_ref().0.receive(&mut buffer)?;
                Ok(messages(bytes).filter_map(connector::read).collect())
            };
            // What has just come is told as well, before the runtime knows of it.
            let heard = match receive() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    connector.try_io(Interest::READABLE, |_| receive())
                }
                heard => heard,
            };
            match heard {
                Ok(told) => told.into_iter().for_each(|told| self.told(told)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => self.feed(Input::Lost),
                Err(error) => {
                    self.connector = None;
                    self.deaf(&reason(&error));
                    self.feed(Input::Deaf);
                    return false;
                }
            }
        }
        true
    }

    fn told(&mut self, told: Told) {
        if let Told::Answer { number, errno } = told {
            if number != std::process::id() {
                return;
            }
            if errno != 0 {
                let error = io::Error::from_raw_os_error(errno.try_into().unwrap_or_default());
                self.connector = None;
                self.deaf(&reason(&error));
            }
        }
        self.feed(Input::Told(told));
    }

    /// Says so once.
    fn deaf(&mut self, why: &str) {
        if !std::mem::replace(&mut self.said, true) {
            tracing::warn!(
                "the kernel does not tell which processes start and end ({why}): tracked processes are looked for every \
                 second"
            );
        }
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.handle(Instant::now(), input, &mut actions);
        for action in actions {
            match action {
                Action::Look { ticket, sought } => self.ask(Request::Look { ticket, sought }),
                Action::Read { ticket, pid, sought } => self.ask(Request::Read { ticket, pid, sought }),
                Action::Standings(standings) => self.standings = standings,
                Action::Report { process, event } => {
                    say(event.level(), format_args!("Quorum of tracked process {process} {event}"));
                }
            }
        }
    }

    fn ask(&mut self, request: Request) {
        if self.reader.is_none() {
            match Reader::start() {
                Ok(reader) => self.reader = Some(reader),
                Err(error) => tracing::error!("tracked processes are not looked for: {}", reason(&error)),
            }
        }
        if let Some(reader) = &self.reader {
            reader.ask(request);
        }
    }
}

/// The socket through which the kernel tells; while it is there.
#[derive(Debug)]
struct Connector(Monitor);

impl Connector {
    /// The kernel tells in the first network namespace only: a daemon that has joined another one looks where it was
    /// started, too.
    fn open(started_in: Option<&File>) -> io::Result<Self> {
        match (Self::open_here(), started_in) {
            (Err(error), Some(namespace)) if error.raw_os_error() == Some(libc::ECONNREFUSED) => {
                // A socket stays in the namespace where it was made; the thread that made it does not matter.
                let open = || setns(namespace, CloneFlags::CLONE_NEWNET).ok().map(|()| Self::open_here());
                let opened = std::thread::scope(|scope| scope.spawn(open).join());
                opened.ok().flatten().unwrap_or(Err(error))
            }
            (opened, _) => opened,
        }
    }

    fn open_here() -> io::Result<Self> {
        let monitor = Monitor::connect(NlFamily::Connector, &[GROUP])?;
        monitor.filter(&filter::program())?;
        monitor.send(&connector::listen(true, std::process::id()))?;
        Ok(Self(monitor))
    }
}

impl Drop for Connector {
    /// Kernels before 6.6 go on making messages for nobody, unless they are told.
    fn drop(&mut self) {
        let _ = self.0.send(&connector::listen(false, std::process::id()));
    }
}

impl AsRawFd for Connector {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Why the kernel does not tell.
fn refusal(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => "it tells in the first network namespace only".to_owned(),
        Some(libc::EPROTONOSUPPORT) => {
            "it is built without CONFIG_CONNECTOR and CONFIG_PROC_EVENTS".to_owned()
        }
        Some(libc::EPERM) => "the right CAP_NET_ADMIN is missing".to_owned(),
        _ => reason(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd as _;
    use std::path::{Path, PathBuf};
    use std::process::{Child, Command, Stdio};
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;
    use crate::config::model::ParameterMatch;
    use crate::track::Standing::{self, Down, Up};

    /// A program of a name that nobody else has, in `folder`.
    fn program(folder: &Path, letter: char) -> PathBuf {
        let path = folder.join(format!("d{}{letter}", std::process::id()));
        fs::copy("/bin/sleep", &path).unwrap();
        path
    }

    fn wanted(name: &str, command: &[&str], quorum: u16) -> TrackProcess {
        let parameters = (command.len() > 1).then_some(ParameterMatch::Exact);
        let full_command = command.len() > 1;
        let command = command.iter().map(|word| (*word).to_owned()).collect();
        TrackProcess { parameters, full_command, quorum, ..TrackProcess::new(name, command) }
    }

    fn start(program: &Path, argument: &str) -> Child {
        Command::new(program).arg(argument).stdin(Stdio::null()).spawn().unwrap()
    }

    async fn wait(processes: &mut Processes, expected: &[(&str, Standing)]) {
        let expected = expected.iter().map(|(name, standing)| ((*name).to_owned(), *standing)).collect();
        let reached = async {
            while *processes.standings() != expected {
                let next = processes.next();
                let news = tokio::select! {
                    news = processes.news() => Some(news),
                    () = crate::sys::poll::until(next) => None,
                };
                match news {
                    Some(news) => processes.take_in(news),
                    None => processes.tick(),
                }
            }
        };
        let reached = tokio::time::timeout(Duration::from_secs(20), reached).await;
        assert!(reached.is_ok(), "{expected:?}, and found {:?}", processes.standings());
    }

    async fn come_and_go(processes: &mut Processes) {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (program(folder.path(), 'a'), program(folder.path(), 'b'));
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let (text, short) = (path.to_str().unwrap(), name(&path));
        let mut definitions = vec![
            wanted("one", &[&short], 1),
            wanted("two", &[&short], 2),
            wanted("whole", &[text, "1000"], 1),
        ];
        processes.configure(definitions.clone());
        wait(processes, &[("one", Down), ("two", Down), ("whole", Down)]).await;
        let mut first = start(&path, "1000");
        wait(processes, &[("one", Up), ("two", Down), ("whole", Up)]).await;
        let mut second = start(&path, "2000");
        wait(processes, &[("one", Up), ("two", Up), ("whole", Up)]).await;
        // It is not waited for: it has ended all the same.
        first.kill().unwrap();
        wait(processes, &[("one", Up), ("two", Down), ("whole", Down)]).await;
        definitions.truncate(1);
        definitions.push(wanted("other", &[&name(&other)], 1));
        let mut third = start(&other, "1000");
        processes.configure(definitions);
        assert_eq!(processes.standings().get("one"), Some(&Up), "a reload keeps it");
        wait(processes, &[("one", Up), ("other", Up)]).await;
        second.kill().unwrap();
        wait(processes, &[("one", Down), ("other", Up)]).await;
        // A shell that becomes the program, after it has called itself so.
        let script = format!("printf {short} >/proc/$$/comm; read x; exec sleep 1000");
        let mut shell = Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).spawn().unwrap();
        wait(processes, &[("one", Up), ("other", Up)]).await;
        drop(shell.stdin.take());
        wait(processes, &[("one", Down), ("other", Up)]).await;
        for child in [&mut first, &mut second, &mut third, &mut shell] {
            let _ = child.kill();
            child.wait().unwrap();
        }
        wait(processes, &[("one", Down), ("other", Down)]).await;
        processes.configure(Vec::new());
        assert!(processes.connector.is_none() && processes.next().is_none());
    }

    /// Whether the kernel tells us: not in a namespace, and only root.
    async fn is_told(processes: &mut Processes) -> bool {
        let answer = async {
            while !processes.machine.snapshot().told || processes.next().is_some() {
                let news = processes.news().await;
                processes.take_in(news);
            }
        };
        let told = tokio::time::timeout(Duration::from_secs(5), answer).await.is_ok();
        assert!(told || std::env::var_os("CI").is_none(), "this needs the first network namespace, and root");
        told
    }

    #[tokio::test]
    async fn processes_that_come_and_go_are_told() {
        let mut processes = Processes::default();
        come_and_go(&mut processes).await;
    }

    #[tokio::test]
    async fn processes_are_looked_for_when_nobody_tells() {
        let mut processes = Processes::default();
        processes.configure(vec![wanted("none", &["no such process"], 1)]);
        wait(&mut processes, &[("none", Down)]).await;
        // As the kernel does in a namespace of its own: the socket is there, and silent.
        let silent =
            Monitor::connect(NlFamily::Connector, &[]).and_then(|one| poll::register(Connector(one)));
        processes.connector = silent.ok();
        processes.feed(Input::Deaf);
        come_and_go(&mut processes).await;
        assert!(processes.said);
    }

    /// As after `net_namespace`: this thread, and with it the socket, works in another one than the daemon was started in.
    #[test]
    fn the_kernel_tells_in_the_namespace_where_the_daemon_was_started() {
        let work = || {
            let started_in = Arc::new(File::open("/proc/thread-self/ns/net").unwrap());
            if let Err(error) = nix::sched::unshare(CloneFlags::CLONE_NEWNET) {
                assert!(std::env::var_os("CI").is_none(), "this needs root: {error}");
                return;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut processes = Processes::new(Some(started_in));
                processes.configure(vec![wanted("none", &["no such process"], 1)]);
                if is_told(&mut processes).await {
                    come_and_go(&mut processes).await;
                    assert!(!processes.said);
                }
                let mut processes = Processes::default();
                come_and_go(&mut processes).await;
                assert!(processes.said);
            });
        };
        std::thread::spawn(work).join().unwrap();
    }

    #[tokio::test]
    async fn what_is_lost_in_a_storm_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = program(folder.path(), 'c');
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut processes = Processes::default();
        processes.configure(vec![wanted("one", &[name], 1)]);
        wait(&mut processes, &[("one", Down)]).await;
        if !is_told(&mut processes).await {
            return;
        }
        let connector = processes.connector.as_ref().unwrap().get_ref();
        SockRef::from(&connector.0.as_fd()).set_recv_buffer_size(1).unwrap();
        for _ in 0..30 {
            Command::new("true").status().unwrap();
        }
        let mut child = start(&path, "1000");
        assert_eq!(processes.next(), None, "no look is due");
        wait(&mut processes, &[("one", Up)]).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
