//! One machine of the lab: a network, mount and host-name namespace, held by a sleeping process, and a control group
//! that everything run in it belongs to, so that its power can be pulled in one step.

use std::cell::Cell;
use std::fs;
use std::io::Write as _;
use std::panic::resume_unwind;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};

use crate::init::attach;

use super::capture::Capture;
use super::daemon::Daemon;
use super::ipvs::Table;
use super::wait::{poll, say, seconds};

/// A network card and the cable to its switch.
pub struct Link {
    pub interface: &'static str,
    pub switch: &'static str,
    pub mac: String,
    pub addresses: &'static [&'static str],
}

impl Link {
    /// The switch's end of the cable.
    pub fn port(&self, node: &str) -> String {
        format!("{node}-{}", self.interface)
    }
}

pub struct Node {
    pub name: &'static str,
    links: Vec<Link>,
    /// 0: switched off.
    holder: Cell<u32>,
}

impl Node {
    pub fn new(name: &'static str, links: Vec<Link>) -> Self {
        let node = Self { name, links, holder: Cell::new(0) };
        node.power_on();
        node
    }

    /// The machine itself, where the switches are.
    pub fn machine() -> Self {
        fs::create_dir_all("/sys/fs/cgroup/machine").unwrap();
        Self { name: "machine", links: Vec::new(), holder: Cell::new(std::process::id()) }
    }

    /// Hardware address of an interface.
    pub fn mac(&self, interface: &str) -> String {
        self.links.iter().find(|link| link.interface == interface).unwrap().mac.clone()
    }

    // ---- power and cables

    pub fn power_on(&self) {
        assert_eq!(self.holder.get(), 0, "{} is already on", self.name);
        fs::create_dir_all(self.cgroup()).unwrap();
        for link in &self.links {
            let port = link.port(self.name);
            let gone = || !fs::exists(format!("/sys/class/net/{port}")).unwrap();
            assert!(poll(seconds(30), gone).is_some(), "{port} of the last life is still there");
        }
        let (tell, told) = mpsc::channel();
        let (name, group) = (self.name, self.cgroup());
        // Its thread is the first in the node's namespaces, and waits for the holder when the power goes.
        std::thread::spawn(move || {
            become_a_machine(name);
            let mut holder = Command::new("sleep").arg("infinity").stdin(Stdio::null()).spawn().unwrap();
            fs::write(format!("/proc/1/root{group}/cgroup.procs"), holder.id().to_string()).unwrap();
            tell.send(holder.id()).unwrap();
            holder.wait()
        });
        self.holder.set(told.recv().expect("the machine is ready"));
        self.plug(self.links.iter(), "link set lo up\n");
        say(&format!("{}: power on", self.name));
    }

    /// Puts network cards in, with their cables and addresses; `first`: commands of ip(8) that go before. To start a
    /// program takes long in this machine: one for all.
    fn plug<'a>(&self, links: impl Iterator<Item = &'a Link>, first: &str) {
        let (mut outside, mut inside) = (String::new(), first.to_string());
        for link @ Link { interface, switch, mac, addresses } in links {
            let (port, holder) = (link.port(self.name), self.holder.get());
            outside += &format!(
                "link add {port} type veth peer name {interface} address {mac} netns {holder}\n\
                 link set {port} master {switch} up\n"
            );
            inside += &format!("link set {interface} up\n");
            addresses.iter().for_each(|each| inside += &format!("addr add {each} dev {interface}\n"));
        }
        ip(&outside);
        self.within(|| ip(&inside));
    }

    /// Takes a network card out; [`Self::put_back`] ends it.
    pub fn take_out(&self, interface: &str) {
        ip(&format!("link del {}-{interface}\n", self.name));
        say(&format!("{}: {interface} taken out", self.name));
    }

    pub fn put_back(&self, interface: &str) {
        self.plug(self.links.iter().filter(|link| link.interface == interface), "");
        say(&format!("{}: {interface} put back", self.name));
    }

    /// Pulls the plug: nothing leaves the node any more, everything in it is killed, its kernel state is gone.
    pub fn power_off(&self) {
        for link in &self.links {
            // The port first: what a dying process or kernel might still send must not get out.
            let flags = format!("/sys/class/net/{}/flags", link.port(self.name));
            fs::write(flags, "0x1002").unwrap();
        }
        fs::write(format!("{}/cgroup.kill", self.cgroup()), "1").unwrap();
        self.holder.set(0);
        say(&format!("{}: power off", self.name));
    }

    pub fn is_on(&self) -> bool {
        self.holder.get() != 0
    }

    /// A paused virtual machine; `resume` ends it.
    pub fn pause(&self) {
        fs::write(format!("{}/cgroup.freeze", self.cgroup()), "1").unwrap();
        say(&format!("{}: paused", self.name));
    }

    pub fn resume(&self) {
        fs::write(format!("{}/cgroup.freeze", self.cgroup()), "0").unwrap();
        say(&format!("{}: resumed", self.name));
    }

    /// Pulls a cable: no carrier on either side.
    pub fn cut(&self, interface: &str) {
        host(&format!("ip link set {}-{interface} down", self.name));
        say(&format!("{}: {interface} cut", self.name));
    }

    pub fn mend(&self, interface: &str) {
        host(&format!("ip link set {}-{interface} up", self.name));
        say(&format!("{}: {interface} mended", self.name));
    }

    /// What leaves the node suffers, in netem's words: `loss 30% delay 10ms`; an empty text heals.
    pub fn impair_outgoing(&self, interface: &str, how: &str) {
        self.sh(&netem(interface, how));
        say(&format!("{}: outgoing on {interface}: {how}", self.name));
    }

    /// What comes to the node suffers.
    pub fn impair_incoming(&self, interface: &str, how: &str) {
        host(&netem(&format!("{}-{interface}", self.name), how));
        say(&format!("{}: incoming on {interface}: {how}", self.name));
    }

    // ---- running things

    /// Runs a small script to its end; fails when it does.
    pub fn sh(&self, script: &str) -> String {
        let output = self.run(script);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{}: {script}: {}\n{text}{}",
            self.name,
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        text
    }

    /// Runs a small script to its end, whatever that is.
    pub fn run(&self, script: &str) -> Output {
        let mut command = self.command(script, "");
        self.within(|| command.stdin(Stdio::null()).output().unwrap())
    }

    /// Starts a program that stays; its output goes to the log `NODE-NAME.log`.
    pub fn spawn(&self, name: &str, command: &str) -> Daemon {
        Daemon::start(self, name, command)
    }

    /// A shell for [`Self::within`], in a control group `group` of its own below the node's.
    pub fn command(&self, script: &str, group: &str) -> Command {
        let group = format!("{}/{group}", self.cgroup());
        fs::create_dir_all(&group).unwrap();
        let enter = format!("echo $$ >/proc/1/root{group}/cgroup.procs; set -e; eval \"$1\"");
        let mut command = Command::new("sh");
        command.args(["-c", &enter, "sh", script]);
        command
    }

    /// Does something in the node's namespaces: on a thread that enters them, and what it starts is born in them.
    pub fn within<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        assert!(self.is_on(), "{} is off", self.name);
        let holder = self.holder.get();
        let there = move || {
            // Threads share their root until one says otherwise.
            unshare(CloneFlags::CLONE_FS).unwrap();
            let spaces = [
                ("net", CloneFlags::CLONE_NEWNET),
                ("uts", CloneFlags::CLONE_NEWUTS),
                ("mnt", CloneFlags::CLONE_NEWNS),
            ];
            for (name, kind) in spaces {
                let space = fs::File::open(format!("/proc/{holder}/ns/{name}")).unwrap();
                setns(space, kind).unwrap();
            }
            work()
        };
        std::thread::scope(|scope| scope.spawn(there).join()).unwrap_or_else(|panic| resume_unwind(panic))
    }

    pub fn cgroup(&self) -> String {
        format!("/sys/fs/cgroup/{}", self.name)
    }

    /// Writes a file the node sees.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::write(format!("/proc/{}/root{path}", self.holder.get()), text).unwrap();
    }

    /// The same, with the folders above it.
    pub fn file(&self, path: &str, text: impl AsRef<[u8]>) {
        let folder = format!("/proc/{}/root{path}", self.holder.get());
        fs::create_dir_all(Path::new(&folder).parent().unwrap()).unwrap();
        self.write(path, text);
    }

    pub fn bytes(&self, path: &str) -> Vec<u8> {
        fs::read(format!("/proc/{}/root{path}", self.holder.get())).unwrap_or_default()
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(format!("/proc/{}/root{path}", self.holder.get())).unwrap_or_default()
    }

    // ---- looking at it, without starting anything

    /// Whether an address is one of this node's own. False when it is switched off.
    pub fn has_address(&self, address: &str) -> bool {
        has_address(self.holder.get(), address)
    }

    /// The process whose namespaces are the node's; 0 when switched off.
    pub fn holder(&self) -> u32 {
        self.holder.get()
    }

    pub fn ipvs(&self) -> Table {
        Table::parse(
            &fs::read_to_string(format!("/proc/{}/net/ip_vs", self.holder.get())).unwrap_or_default(),
        )
    }

    /// Starts recording what passes an interface; returns when the recording runs.
    pub fn capture(&self, interface: &str, filter: &str) -> Capture {
        Capture::start(self, interface, filter)
    }
}

pub fn has_address(holder: u32, address: &str) -> bool {
    if address.contains(':') {
        let wanted: std::net::Ipv6Addr = address.parse().unwrap();
        let hex = format!("{:032x}", u128::from(wanted));
        return fs::read_to_string(format!("/proc/{holder}/net/if_inet6"))
            .is_ok_and(|table| table.contains(&hex));
    }
    // The kernel's table of local addresses: `|-- ADDRESS` followed by `/32 host LOCAL`.
    let table = fs::read_to_string(format!("/proc/{holder}/net/fib_trie")).unwrap_or_default();
    let leaf = format!("|-- {address}");
    let mut lines = table.lines().map(str::trim);
    while let Some(line) = lines.next() {
        if line == leaf && lines.next().is_some_and(|next| next == "/32 host LOCAL") {
            return true;
        }
    }
    false
}

fn netem(interface: &str, how: &str) -> String {
    match how {
        "" => format!("tc qdisc del dev {interface} root"),
        how => format!("tc qdisc replace dev {interface} root netem {how}"),
    }
}

/// Namespaces for the thread, with files of a machine that has just started.
fn become_a_machine(name: &str) {
    unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS).unwrap();
    let nothing = None::<&str>;
    mount(nothing, "/", nothing, MsFlags::MS_PRIVATE | MsFlags::MS_REC, nothing).unwrap();
    let folders = ["/run", "/tmp", "/etc/keepalived", "/var/lib/directord", "/var/lib/nginx", "/var/log"];
    for folder in folders {
        fs::create_dir_all(folder).unwrap();
        attach("tmpfs", folder, "tmpfs", "mode=1777");
    }
    fs::create_dir_all("/var/log/nginx").unwrap();
    fs::create_dir_all("/run/lock").unwrap();
    attach("sysfs", "/sys", "sysfs", "");
    fs::write("/proc/sys/kernel/hostname", name).unwrap();
    for of in ["all", "default"] {
        fs::write(format!("/proc/sys/net/ipv6/conf/{of}/accept_dad"), "0").unwrap();
    }
}

/// Commands of ip(8), in the namespaces of this thread.
pub fn ip(commands: &str) {
    let mut ip = Command::new("ip").args(["-batch", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    ip.stdin.take().unwrap().write_all(commands.as_bytes()).unwrap();
    assert!(ip.wait().unwrap().success(), "ip: {commands}");
}

/// Runs a small script where the switches are.
pub fn host(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}
