//! The words scenarios are written in: nodes, their daemons, captures, traffic, and waiting.

mod capture;
mod configs;
mod daemon;
mod ipvs;
mod node;
mod program;
mod servers;
mod show;
mod traffic;
mod wait;
mod watch;

use std::fs;

pub use capture::{Capture, Packet};
pub use configs::*;
pub use daemon::{Daemon, Signal};
pub use ipvs::Table;
pub use node::Node;
use node::{Link, ip};
pub use program::{FILE, Program};
pub use show::Show;
pub use wait::{eventually, millis, now, poll, say, seconds, throughout};
use watch::Watch;

/// The virtual address of the tutorial's pair.
pub const VIP: &str = "192.168.100.240";

/// Two directors, two real servers and a client on one switch, with the tutorial's addresses; the directors and
/// real servers also on a second one.
pub struct Lab {
    pub lvs01: Node,
    pub lvs02: Node,
    pub rs1: Node,
    pub rs2: Node,
    pub client: Node,
}

impl Lab {
    pub fn pair() -> Self {
        let switch = |name| {
            format!("link add {name} type bridge forward_delay 0 mcast_snooping 0\nlink set {name} up\n")
        };
        ip(&format!("link set lo up\n{}{}", switch("front"), switch("back")));
        let both = |name, number: u8, front, back| {
            let link = |interface, switch, addresses| Link {
                interface,
                switch,
                mac: format!("02:00:00:00:{:02x}:{number:02x}", if switch == "front" { 0 } else { 1 }),
                addresses,
            };
            let mut links = vec![link("eth0", "front", front)];
            if let Some(back) = back {
                links.push(link("eth1", "back", back));
            }
            Node::new(name, links)
        };
        Self {
            lvs01: both("lvs01", 101, &["192.168.100.101/24"], Some(&["10.0.0.101/24"])),
            lvs02: both("lvs02", 102, &["192.168.100.102/24"], Some(&["10.0.0.102/24"])),
            rs1: both("rs1", 8, &["192.168.100.8/24"], Some(&["10.0.0.8/24"])),
            rs2: both("rs2", 9, &["192.168.100.9/24"], Some(&["10.0.0.9/24"])),
            // Several addresses: with persistence an address stays with its real server.
            client: both(
                "client",
                103,
                &["192.168.100.103/24", "192.168.100.104/24", "192.168.100.105/24", "192.168.100.106/24"],
                None,
            ),
        }
    }

    /// The program under test.
    pub fn program(&self) -> Program {
        match std::env::var("LAB_PROGRAM").as_deref() {
            Ok("keepalived") => Program::Keepalived,
            _ => Program::Directord,
        }
    }

    pub fn directors(&self) -> [&Node; 2] {
        [&self.lvs01, &self.lvs02]
    }

    pub fn real_servers(&self) -> [&Node; 2] {
        [&self.rs1, &self.rs2]
    }

    /// The directors that hold an address now.
    pub fn holders(&self, address: &str) -> Vec<&'static str> {
        self.directors().iter().filter(|node| node.has_address(address)).map(|node| node.name).collect()
    }

    /// Watches which director holds an address, a hundred times a second.
    pub fn watch(&self, address: &str) -> Watch {
        Watch::start(self.directors().map(|node| (node.name, node.holder())), address)
    }

    /// What a person would look at first after a failure, into the scenario's log.
    pub fn post_mortem(&self) {
        for node in [&self.lvs01, &self.lvs02, &self.rs1, &self.rs2, &self.client] {
            if !node.is_on() {
                println!("---- {}: off", node.name);
                continue;
            }
            let output = node.run("ip -br addr; ip -s -br link; ipvsadm -Ln 2>/dev/null");
            println!("---- {}\n{}", node.name, String::from_utf8_lossy(&output.stdout));
        }
        let mut logs: Vec<_> =
            fs::read_dir("/results").unwrap().flatten().map(|entry| entry.path()).collect();
        logs.sort();
        for path in logs.iter().filter(|path| path.to_string_lossy().ends_with(".log")) {
            let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            println!("---- {}\n{}", path.display(), lines[lines.len().saturating_sub(12)..].join("\n"));
        }
    }
}
