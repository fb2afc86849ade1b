//! Runs programs, each in a process group of its own, and tells how each one ended.
//!
//! A child has standard streams that lead nowhere, no descriptor of ours, and an environment without what steers a
//! loader, a shell or a service manager. When its time is over its whole group is told to end, and killed after
//! [`GRACE`]. A child never outlives the daemon: at a stop its group is ended, and when the daemon is killed the kernel
//! kills the child itself (not what that has started).
//!
//! No program waits for another one, and there is no limit for all of them: one that hangs would take a place for ever.
//! Whoever starts them runs one at a time for each subject (an instance, a check, a script, a FIFO), so that the
//! configuration is the limit. What the kernel does not let start is told as such.

use std::collections::BTreeMap;
use std::fs::File;
use std::future::pending;
use std::io::{self, Read as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::script::{Ending, Program};
use crate::sys::process::{self, prepare};
use crate::text::reason;

/// From the request to end to the kill, of what ran out of time.
pub const GRACE: Duration = Duration::from_secs(2);
/// A process that the kernel does not let go is waited for no longer.
const GONE: Duration = Duration::from_secs(1);
/// What a script must not inherit; and everything that begins with [`LOADER`].
const UNSET: &[&str] = &[
    "BASH_ENV",
    "ENV",
    "IFS",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MAINPID",
    "NOTIFY_SOCKET",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];
const LOADER: &str = "LD_";
/// Status of a shell that found something that cannot be executed.
const CANNOT_EXECUTE: i32 = 126;
/// And that did not find it.
const NOT_FOUND: i32 = 127;
/// Bytes of a file that tell how it is run.
const START: u64 = 64;
/// Where an ELF file names its machine.
const MACHINE: std::ops::Range<usize> = 18..20;

/// The programs under way, each known by a tag.
#[derive(Debug)]
pub struct Runner<T> {
    tasks: JoinSet<(T, Ending)>,
    /// To end one before its time; what is sent is the time from the request to the kill.
    stops: BTreeMap<T, oneshot::Sender<Duration>>,
    files: Option<(u64, u64)>,
}

impl<T: Clone + Ord + Send + 'static> Runner<T> {
    /// Nothing runs. `files`: how many files a program may open, soft and hard; `None`: as many as this process.
    #[must_use]
    pub fn new(files: Option<(u64, u64)>) -> Self {
        Self { tasks: JoinSet::new(), stops: BTreeMap::new(), files }
    }

    /// Starts a program, beside all that run. `limit` counts from its start; `None`: it may run for ever. To be called
    /// on the thread that lives as long as the process.
    pub fn start(&mut self, tag: T, program: Program, limit: Option<Duration>) {
        let (stop, stopped) = oneshot::channel();
        let files = self.files;
        self.stops.insert(tag.clone(), stop);
        self.tasks.spawn(async move { (tag, run(&program, limit, stopped, files).await) });
    }

    /// Ends one before its time, and kills it after `grace`; [`Self::ended`] tells of it as of the others.
    pub fn stop(&mut self, tag: &T, grace: Duration) {
        if let Some(stop) = self.stops.remove(tag) {
            // It may have ended just now.
            let _ = stop.send(grace);
        }
    }

    /// The next one that ends; waits for ever when none runs.
    pub async fn ended(&mut self) -> (T, Ending) {
        loop {
            match self.tasks.join_next().await {
                Some(Ok((tag, ending))) => {
                    self.stops.remove(&tag);
                    return (tag, ending);
                }
                // A task that panicked has no tag; nothing in it can.
                Some(Err(error)) => tracing::error!("running a script failed: {error}"),
                None => pending().await,
            }
        }
    }

    /// How many run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Ends all of them, and waits until they are gone; what is still there after `grace` is killed, also what was told
    /// to end before and had longer.
    pub async fn end(&mut self, grace: Duration) {
        for (_, stop) in std::mem::take(&mut self.stops) {
            let _ = stop.send(grace);
        }
        let gone = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(grace + GONE, gone).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

async fn run(
    program: &Program,
    limit: Option<Duration>,
    mut stopped: oneshot::Receiver<Duration>,
    files: Option<(u64, u64)>,
) -> Ending {
    if stopped.try_recv().is_ok() {
        return Ending::Stopped;
    }
    let mut child = match spawn(program, files) {
        Ok(child) => child,
        Err(error) => return Ending::NotStarted(reason(&error)),
    };
    let mut group = Group(child.id());
    let time = async {
        match limit {
            Some(limit) => sleep(limit).await,
            None => pending().await,
        }
    };
    let (ending, grace) = tokio::select! {
        biased;
        status = child.wait() => {
            // What it left in its group may go on.
            group.0 = None;
            return match status.map(ending) {
                Ok(Ending::Exited(status @ (CANNOT_EXECUTE | NOT_FOUND))) if is_run_by_shell(program) => {
                    Ending::NotExecutable { status }
                }
                Ok(ending) => ending,
                Err(error) => Ending::NotStarted(reason(&error)),
            };
        }
        () = time => (Ending::TimedOut, GRACE),
        // Nobody stops it any more when the other end is gone with the runner.
        grace = stopped => (Ending::Stopped, grace.unwrap_or_default()),
    };
    group.signal(Signal::SIGTERM);
    let _ = timeout(grace, child.wait()).await;
    group.signal(Signal::SIGKILL);
    let _ = timeout(GONE, child.wait()).await;
    group.0 = None;
    ending
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
    }
}

/// The process group of a child; killed when nobody waits for it any more.
struct Group(Option<u32>);

impl Group {
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.0.and_then(|group| i32::try_from(group).ok()) {
            // It may be gone already.
            let _ = killpg(Pid::from_raw(group), signal);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal(Signal::SIGKILL);
    }
}

/// A text without a first line that names its interpreter is run by the shell: the C library sees to it, as shells do.
fn spawn(program: &Program, files: Option<(u64, u64)>) -> io::Result<Child> {
    let Some((path, arguments)) = program.arguments.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    command(path, arguments, program, files).spawn()
}

/// Whether the kernel cannot run it, as far as it can be told: it names no interpreter, and is no program that begins as
/// our own does.
fn is_run_by_shell(program: &Program) -> bool {
    let start = |path: &str| {
        let mut start = Vec::new();
        File::open(path)?.take(START).read_to_end(&mut start).map(|_| start)
    };
    let Some(Ok(file)) = program.arguments.first().map(|path| start(path)) else { return false };
    let kind = |bytes: &[u8]| Some((bytes.get(..6)?.to_vec(), bytes.get(MACHINE)?.to_vec()));
    let own = start("/proc/self/exe").ok().and_then(|own| kind(&own));
    !file.starts_with(b"#!") && (own.is_none() || kind(&file) != own)
}

fn command(path: &str, arguments: &[String], program: &Program, files: Option<(u64, u64)>) -> Command {
    let mut command = std::process::Command::new(path);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if UNSET.contains(&&*text) || text.starts_with(LOADER) {
            command.env_remove(&name);
        }
    }
    let identity = program.identity.clone();
    prepare(
        &mut command,
        process::Child { uid: identity.uid, gid: identity.gid, groups: identity.groups, files },
    );
    let mut command = Command::from(command);
    command.kill_on_drop(true);
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Identity;
    use nix::unistd::{getegid, geteuid};
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;
    use std::time::Instant;

    fn own() -> Identity {
        Identity { uid: geteuid().as_raw(), gid: getegid().as_raw(), groups: Vec::new() }
    }

    fn shell(text: &str) -> Program {
        Program { arguments: ["/bin/sh", "-c", text].map(str::to_owned).into(), identity: own() }
    }

    async fn ending_of(program: Program, limit: Option<Duration>) -> Ending {
        let mut runner = Runner::new(None);
        runner.start((), program, limit);
        runner.ended().await.1
    }

    fn read(path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_default()
    }

    /// Waits until a process is gone; whoever adopted it may not have buried it yet.
    async fn gone(pid: i32) {
        let state = || {
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            stat.rsplit(") ").next()?.chars().next()
        };
        let until = Instant::now() + Duration::from_secs(10);
        while !matches!(state(), None | Some('Z' | 'X')) {
            assert!(Instant::now() < until, "{pid} is still there");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    #[tokio::test]
    async fn each_ending_has_its_name() {
        assert_eq!(ending_of(shell("exit 0"), None).await, Ending::Exited(0));
        assert_eq!(ending_of(shell("exit 7"), None).await, Ending::Exited(7));
        assert_eq!(ending_of(shell("kill -SEGV $$"), None).await, Ending::Signalled(libc::SIGSEGV));
        let missing = Program { arguments: vec!["/none/such".into()], identity: own() };
        assert!(matches!(ending_of(missing, None).await, Ending::NotStarted(_)));
    }

    #[tokio::test]
    async fn a_text_without_an_interpreter_is_run_by_the_shell() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("plain");
        fs::write(&script, "exit $1\n").unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        let arguments = vec![script.to_str().unwrap().to_owned(), "9".to_owned()];
        assert_eq!(ending_of(Program { arguments, identity: own() }, None).await, Ending::Exited(9));
    }

    /// Its status is no weight of a real server. What the program itself says is left alone.
    #[tokio::test]
    async fn what_nothing_can_execute_has_an_ending_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("script");
        let ending_of = async |bytes: &[u8]| {
            fs::write(&script, bytes).unwrap();
            fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
            let arguments = vec![script.to_str().unwrap().to_owned()];
            ending_of(Program { arguments, identity: own() }, None).await
        };
        let not = |status| Ending::NotExecutable { status };
        // Which of the two it is depends on the shell.
        let broken = ending_of(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0 broken\n").await;
        assert!([not(126), not(127)].contains(&broken), "{broken:?}");
        assert_eq!(ending_of(b"/none/such\n").await, not(127));
        assert_eq!(ending_of(b"#!/bin/sh\nexit 127\n").await, Ending::Exited(127));
        assert_eq!(ending_of(b"exit 125\n").await, Ending::Exited(125));
    }

    #[tokio::test]
    async fn a_script_that_hangs_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        // Both ignore the request to end.
        let text = format!("trap '' TERM; sleep 1000 & echo $! > {}; wait; sleep 1000", pid.display());
        let started = Instant::now();
        let ending = ending_of(shell(&text), Some(Duration::from_millis(300))).await;
        assert_eq!(ending, Ending::TimedOut);
        assert!(started.elapsed() >= GRACE && started.elapsed() < GRACE * 3, "{:?}", started.elapsed());
        gone(read(&pid).trim().parse().unwrap()).await;
    }

    #[tokio::test]
    async fn a_child_gets_nothing_of_ours() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        // A descriptor that is not closed by itself.
        let file = fs::File::open("/dev/null").unwrap();
        let kept = nix::unistd::dup(&file).unwrap();
        let text = format!(
            "{{ ls /proc/self/fd | wc -l; cut -d' ' -f5 /proc/self/stat; echo $$; readlink /proc/$$/fd/0; ulimit -n; \
             grep -E 'Sig(Blk|Ign)' /proc/$$/status | cut -f2; }} > {}",
            out.display()
        );
        let mut runner = Runner::new(Some((77, 99)));
        runner.start((), shell(&text), None);
        assert_eq!(runner.ended().await.1, Ending::Exited(0));
        drop(kept);
        let out = read(&out);
        let lines: Vec<&str> = out.lines().collect();
        let [descriptors, group, pid, input, files, blocked, ignored] = lines.as_slice() else {
            panic!("{out}")
        };
        // Standard streams, and the folder that ls reads.
        assert_eq!((*descriptors, *input, *files), ("4", "/dev/null", "77"));
        assert_eq!(group, pid, "a group of its own");
        // The C library keeps signals 32 and 33 for itself, and changes nothing of them.
        let set = |text: &str| u64::from_str_radix(text, 16).unwrap() & !(3 << 31);
        assert_eq!((set(blocked), set(ignored)), (0, 0));
    }

    #[tokio::test]
    async fn whoever_is_not_wanted_any_more_is_ended() {
        let mut runner = Runner::new(None);
        runner.start(1, shell("exec sleep 1000"), None);
        runner.start(2, shell("exit 3"), None);
        assert_eq!(runner.ended().await, (2, Ending::Exited(3)));
        runner.stop(&1, GRACE);
        assert_eq!(runner.ended().await, (1, Ending::Stopped));
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        runner.start(3, shell(&format!("echo $$ > {}; exec sleep 1000", pid.display())), None);
        while read(&pid).trim().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        runner.end(GRACE).await;
        assert!(runner.is_empty());
        gone(read(&pid).trim().parse().unwrap()).await;
    }

    /// However many hang: what is started beside them runs at once, and all of them are ended together.
    #[tokio::test]
    async fn programs_that_hang_hold_up_no_other() {
        const HUNG: usize = 100;
        let mut runner = Runner::new(None);
        for number in 0..HUNG {
            runner.start(number, shell("trap '' TERM; while :; do sleep 1000; done"), None);
        }
        runner.start(HUNG, shell("exit 5"), None);
        let ended = timeout(Duration::from_secs(60), runner.ended()).await;
        assert_eq!(ended.unwrap(), (HUNG, Ending::Exited(5)));
        assert_eq!(runner.len(), HUNG);
        let (started, grace) = (Instant::now(), Duration::from_millis(300));
        runner.end(grace).await;
        assert!(started.elapsed() < grace + GONE * 4, "{:?}", started.elapsed());
        assert!(runner.is_empty());
    }

    #[tokio::test]
    async fn who_is_stopped_before_it_began_never_runs() {
        let folder = tempfile::tempdir().unwrap();
        let ran = folder.path().join("ran");
        let mut runner = Runner::new(None);
        runner.start(1, shell(&format!("echo >{}", ran.display())), None);
        runner.stop(&1, GRACE);
        assert_eq!(runner.ended().await, (1, Ending::Stopped));
        assert!(!ran.exists());
    }

    /// Who was told to end, and has time for it yet, is not waited for longer when all are to end.
    #[tokio::test]
    async fn the_end_of_all_shortens_the_grace_of_each() {
        let folder = tempfile::tempdir().unwrap();
        let pid = folder.path().join("pid");
        let mut runner = Runner::new(None);
        let text = format!("trap '' TERM; echo $$ >{}; while :; do sleep 1000; done", pid.display());
        runner.start(1, shell(&text), None);
        while read(&pid).trim().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        runner.stop(&1, Duration::from_secs(600));
        // It has been told.
        tokio::task::yield_now().await;
        let started = Instant::now();
        runner.end(Duration::from_millis(100)).await;
        assert!(started.elapsed() < GONE * 2, "{:?}", started.elapsed());
        gone(read(&pid).trim().parse().unwrap()).await;
    }
}
