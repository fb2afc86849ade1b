//! A program that stays: its log, its signals, its end.

use std::cell::RefCell;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

pub use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::node::Node;
use super::wait::{poll, say, seconds};

pub struct Daemon {
    name: String,
    pid: u32,
    log: PathBuf,
    cgroup: String,
    child: RefCell<Child>,
}

impl Daemon {
    pub fn start(node: &Node, name: &str, command: &str) -> Self {
        // A second start of the same program gets a log of its own.
        let mut count = 1;
        let log = loop {
            let number = if count == 1 { String::new() } else { format!("-{count}") };
            let log = PathBuf::from(format!("/results/{}-{name}{number}.log", node.name));
            if !log.exists() {
                break log;
            }
            count += 1;
        };
        let file = fs::File::create(&log).unwrap();
        let group = format!("{name}-{count}");
        let mut shell = node.command(&format!("exec {command}"), &group);
        shell.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = node.within(|| shell.spawn().unwrap());
        say(&format!("{}: {name} started", node.name));
        Self {
            name: format!("{} on {}", name, node.name),
            pid: child.id(),
            log,
            cgroup: format!("{}/{group}", node.cgroup()),
            child: RefCell::new(child),
        }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The one process that it has made itself and that has its name.
    pub fn child(&self) -> Option<u32> {
        let path = format!("/proc/{0}/task/{0}/children", self.pid);
        let pids = fs::read_to_string(path).unwrap_or_default();
        pids.split_whitespace().next()?.parse().ok()
    }

    pub fn is_running(&self) -> bool {
        self.child.borrow_mut().try_wait().unwrap().is_none()
    }

    pub fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(Pid::from_raw(self.pid as i32), signal).unwrap();
    }

    /// Asks it to end, and waits; how long it took.
    pub fn stop(&self) -> Duration {
        self.signal(Signal::SIGTERM);
        let took = self.wait_exit(seconds(10));
        say(&format!("{} stopped", self.name));
        took
    }

    /// Kills it with all its children at once: no farewell.
    pub fn kill9(&self) {
        fs::write(format!("{}/cgroup.kill", self.cgroup), "1").unwrap();
        self.wait_exit(seconds(20));
        say(&format!("{} killed", self.name));
    }

    pub fn wait_exit(&self, limit: Duration) -> Duration {
        poll(limit, || !self.is_running())
            .unwrap_or_else(|| panic!("{} has not ended within {limit:?}", self.name))
    }

    /// `Some(0)` for a good end, `None` while it runs or when a signal ended it.
    pub fn exit_code(&self) -> Option<i32> {
        let status = self.child.borrow_mut().try_wait().unwrap()?;
        if let Some(signal) = status.signal() {
            say(&format!("{}: ended by signal {signal}", self.name));
        }
        status.code()
    }

    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    pub fn log_has(&self, words: &str) -> bool {
        self.log().contains(words)
    }

    /// What was said is in the log, maybe a moment later: a daemon goes on while its lines are written.
    pub fn says(&self, words: &str) {
        let said = poll(seconds(5), || self.log_has(words));
        assert!(said.is_some(), "no `{words}`:\n{}", self.log());
    }

    /// Memory of the daemon and its children in KiB: each shared page counted once.
    pub fn pss(&self) -> u64 {
        self.sum(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
            text.lines().find_map(|line| line.strip_prefix("Pss:")?.trim().strip_suffix(" kB")?.parse().ok())
        })
    }

    /// Processor time used so far by the daemon and its children, in milliseconds.
    pub fn cpu_ms(&self) -> f64 {
        let of_process = |pid: &str| {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).ok()?;
            let of_task = |task: fs::DirEntry| {
                // First field: nanoseconds on a processor.
                fs::read_to_string(task.path().join("schedstat")).ok()?.split(' ').next()?.parse::<u64>().ok()
            };
            Some(tasks.flatten().filter_map(of_task).sum())
        };
        self.sum(of_process) as f64 / 1e6
    }

    fn sum(&self, of: impl Fn(&str) -> Option<u64>) -> u64 {
        let pids = fs::read_to_string(format!("{}/cgroup.procs", self.cgroup)).unwrap_or_default();
        pids.lines().filter_map(of).sum()
    }
}
