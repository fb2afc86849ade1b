//! One machine of the lab: a network, mount and host-name namespace, held by a sleeping process, and a control group
//! that everything run in it belongs to, so that its power can be pulled in one step.

use std::cell::Cell;
use std::fs;
use std::io::Read;
use std::process::{Command, Output, Stdio};

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
            assert!(poll(seconds(5), gone).is_some(), "{port} of the last life is still there");
        }
        let script = format!(
            "echo $$ >{cgroup}/cgroup.procs
             exec unshare --net --mount --uts sh -c '
             mount --make-rprivate /
             for folder in /run /tmp /etc/keepalived /var/lib/directord /var/lib/nginx /var/log; do
                 mkdir -p $folder; mount -t tmpfs -o mode=1777 tmpfs $folder
             done
             mkdir -p /var/log/nginx /run/lock /etc/keepalived
             mount -t sysfs sysfs /sys
             hostname {name}
             ip link set lo up
             sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
             echo ready
             exec sleep infinity'",
            cgroup = self.cgroup(),
            name = self.name,
        );
        let mut child = Command::new("sh")
            .args(["-c", &script])
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut ready = [0; 6];
        child.stdout.take().unwrap().read_exact(&mut ready).unwrap();
        self.holder.set(child.id());
        for link in &self.links {
            let (port, interface) = (link.port(self.name), link.interface);
            host(&format!(
                "ip link add {port} type veth peer name {interface} address {} netns {}
                 ip link set {port} master {} up",
                link.mac,
                child.id(),
                link.switch
            ));
            let addresses: String =
                link.addresses.iter().map(|each| format!("ip addr add {each} dev {interface}\n")).collect();
            self.sh(&format!("ip link set {interface} up\n{addresses}"));
        }
        say(&format!("{}: power on", self.name));
        // Waits for it when the power goes.
        std::thread::spawn(move || child.wait());
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
        self.command(script, "").stdin(Stdio::null()).output().unwrap()
    }

    /// Starts a program that stays; its output goes to the log `NODE-NAME.log`.
    pub fn spawn(&self, name: &str, command: &str) -> Daemon {
        Daemon::start(self, name, command)
    }

    /// A shell inside the node, in a control group `group` of its own below the node's.
    pub fn command(&self, script: &str, group: &str) -> Command {
        assert!(self.is_on(), "{} is off", self.name);
        let group = format!("{}/{group}", self.cgroup());
        fs::create_dir_all(&group).unwrap();
        let enter = format!(
            "echo $$ >{group}/cgroup.procs; exec nsenter --target {} --net --mount --uts -- sh -ec \"$1\"",
            self.holder.get()
        );
        let mut command = Command::new("sh");
        command.args(["-c", &enter, "sh", script]);
        command
    }

    pub fn cgroup(&self) -> String {
        format!("/sys/fs/cgroup/{}", self.name)
    }

    /// Writes a file the node sees.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        fs::write(format!("/proc/{}/root{path}", self.holder.get()), text).unwrap();
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

/// Runs a small script where the switches are.
pub fn host(script: &str) {
    let output = Command::new("sh").args(["-ec", script]).output().unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
}
