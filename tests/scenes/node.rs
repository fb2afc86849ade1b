//! A node: namespaces of its own for network, mounts and name, three interfaces, and the daemon that is watched there.

use std::fs;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;

/// Switches, and interfaces `eth0` and so on of each node.
const SWITCHES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    Directord,
    Keepalived,
}

impl Program {
    pub const BOTH: [Self; 2] = [Self::Directord, Self::Keepalived];

    pub fn name(self) -> &'static str {
        match self {
            Self::Directord => "directord",
            Self::Keepalived => "keepalived",
        }
    }

    fn command(self, folder: &Path) -> String {
        let folder = folder.display();
        match self {
            Self::Directord => format!(
                "{} -n -f {folder}/conf --runtime-dir {folder}/run --state-dir {folder}/state -p {folder}/pid",
                env!("CARGO_BIN_EXE_directord")
            ),
            Self::Keepalived => {
                format!(
                    "keepalived -n -l -D -G -f {folder}/conf -p {folder}/pid -r {folder}/vrrp.pid -c {folder}/checkers.pid"
                )
            }
        }
    }
}

pub struct Node {
    pub name: char,
    pub folder: PathBuf,
    pub log: PathBuf,
    /// Its namespaces are the node's.
    holder: Child,
    program: Program,
    daemon: Option<Child>,
    /// Processes that are tracked, by name.
    processes: Vec<(String, Child)>,
}

impl Node {
    /// With cables to the switches of this namespace, number `number` on each.
    pub fn new(name: char, number: u8, program: Program, stage: &Path, logs: &Path) -> Self {
        let folder = stage.join(name.to_string());
        fs::create_dir_all(folder.join("run")).unwrap();
        let script = format!(
            "mount -t tmpfs tmpfs /run; mount -t sysfs sysfs /sys; hostname {name}; ip link set lo up
             echo 0 >/proc/sys/net/ipv6/conf/all/accept_dad; echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad
             echo ready; exec sleep infinity"
        );
        let mut holder = Command::new("unshare")
            .args(["--net", "--mount", "--uts", "sh", "-ec", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        holder.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        let log = logs.join(format!("{name}.log"));
        let node = Self { name, folder, log, holder, program, daemon: None, processes: Vec::new() };
        for switch in 0..SWITCHES {
            let mac = format!("02:07:00:00:{switch:02x}:{number:02x}");
            host(&format!(
                "ip link add {name}.eth{switch} type veth peer name eth{switch} netns {} address {mac}
                 ip link set {name}.eth{switch} master switch{switch} up",
                node.holder.id()
            ));
            node.sh(&format!(
                "ip link set eth{switch} up; ip addr add 10.7.{switch}.{number}/24 brd + dev eth{switch}
                 ip addr add fd07:{switch}::{number}/64 dev eth{switch} nodad"
            ));
        }
        node
    }

    /// Runs a small script in the node's folder to its end; fails when it does.
    pub fn sh(&self, script: &str) -> String {
        let output = self.command(script).output().unwrap();
        assert!(
            output.status.success(),
            "{}: {script}: {}",
            self.name,
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn command(&self, script: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.holder.id().to_string(), "--net", "--mount", "--uts", "--"])
            .args(["sh", "-ec", &format!("cd {}\n{script}", self.folder.display())])
            .stdin(Stdio::null());
        command
    }

    /// Written beside and put into its place: nobody sees half of it.
    pub fn write(&self, name: &str, text: &str) {
        let new = self.folder.join(format!("{name}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.join(name)).unwrap();
    }

    // ---- the daemon

    pub fn start(&mut self) {
        assert!(self.daemon.is_none(), "{}: the daemon runs already", self.name);
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log).unwrap();
        let command = format!("exec {}", self.program.command(&self.folder));
        let daemon = self
            .command(&command)
            .env("TMPDIR", &self.folder)
            .env("LC_ALL", "C")
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.daemon = Some(daemon.unwrap());
    }

    pub fn signal(&self, signal: Signal) {
        let daemon = self.daemon.as_ref().unwrap();
        kill(Pid::from_raw(daemon.id() as i32), signal).unwrap();
    }

    /// How it ends, if it has ended.
    pub fn ended(&mut self) -> Option<String> {
        let status = self.daemon.as_mut()?.try_wait().unwrap()?;
        self.daemon = None;
        Some(match (status.code(), status.signal()) {
            (Some(code), _) => format!("with {code}"),
            (_, signal) => format!("by signal {}", signal.unwrap_or_default()),
        })
    }

    /// Asks it to end; how it does.
    pub fn stop(&mut self) -> String {
        if self.daemon.is_none() {
            return "earlier".to_owned();
        }
        self.signal(Signal::SIGTERM);
        let start = Instant::now();
        loop {
            match self.ended() {
                Some(how) => return how,
                None if start.elapsed() > Duration::from_secs(20) => return "not at all".to_owned(),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        }
    }

    /// All its processes at once, without a last word: nobody lives to start or to tell anybody.
    pub fn kill(&mut self) {
        self.signal_all(Signal::SIGSTOP);
        let children = self.signal_all(Signal::SIGKILL);
        self.daemon.take().unwrap().wait().unwrap();
        // They are ours now. A pid file that names one counts as long as it is not buried; a script may be gone by itself.
        for child in children {
            let _ = waitpid(child, None);
        }
    }

    /// To the daemon and then to what it has started: these are returned.
    pub fn signal_all(&self, signal: Signal) -> Vec<Pid> {
        let pid = self.daemon.as_ref().unwrap().id();
        let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
        kill(Pid::from_raw(pid as i32), signal).unwrap();
        let children = children.split_whitespace().map(|child| Pid::from_raw(child.parse().unwrap()));
        let children: Vec<Pid> = children.collect();
        for child in &children {
            // A script may end by itself meanwhile.
            let _ = kill(*child, signal);
        }
        children
    }

    // ---- processes to be tracked

    /// `sleep` under this name.
    pub fn begin_process(&mut self, name: &str) {
        let program = self.folder.join(name);
        if !program.exists() {
            fs::copy("/usr/bin/sleep", &program).unwrap();
        }
        let child = Command::new(program).arg("infinity").stdin(Stdio::null()).spawn().unwrap();
        self.processes.push((name.to_owned(), child));
    }

    pub fn end_process(&mut self, name: &str) {
        let at = self.processes.iter().position(|(own, _)| own == name).unwrap();
        let (_, mut child) = self.processes.swap_remove(at);
        child.kill().unwrap();
        child.wait().unwrap();
    }
}

/// Runs a small script where the switches are.
pub fn host(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}

/// The switches: nobody has to tell them who listens to what.
pub fn switches() {
    host("ip link set lo up");
    for switch in 0..SWITCHES {
        host(&format!(
            "ip link add switch{switch} type bridge mcast_snooping 0 forward_delay 0; ip link set switch{switch} up"
        ));
    }
}
