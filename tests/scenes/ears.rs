//! What is heard during a play: a thread for each source puts it into the journal, with the step under way.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use nix::net::if_::if_indextoname;
use nix::sys::socket::{
    AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket, sockopt,
};

use crate::packet::{self, Packet};

#[derive(Debug, Clone)]
pub struct Event {
    /// Number of the step under way.
    pub step: usize,
    pub at: Instant,
    pub what: Heard,
}

#[derive(Debug, Clone)]
pub enum Heard {
    /// A line of a node's FIFO.
    Told {
        node: char,
        line: String,
    },
    /// A script of a node, with its process id: they are numbered as they are started.
    Ran {
        node: char,
        pid: u32,
        words: String,
    },
    /// An advert of A.
    Advert {
        stream: String,
        interval: f64,
        priority: u8,
        text: String,
    },
    /// A announces an address.
    Announced(String),
    Ended {
        node: char,
        how: String,
    },
}

#[derive(Default)]
struct Pages {
    step: usize,
    events: Vec<Event>,
}

/// Everything that was heard, and a bell.
#[derive(Default)]
pub struct Journal {
    pages: Mutex<Pages>,
    news: Condvar,
}

impl Journal {
    pub fn write(&self, what: Heard) {
        let mut pages = self.pages.lock().unwrap();
        let step = pages.step;
        pages.events.push(Event { step, at: Instant::now(), what });
        self.news.notify_all();
    }

    /// What is heard from now on belongs to this step.
    pub fn begin(&self, step: usize) {
        self.pages.lock().unwrap().step = step;
    }

    pub fn of(&self, step: usize) -> Vec<Event> {
        let pages = self.pages.lock().unwrap();
        pages.events.iter().filter(|event| event.step == step).cloned().collect()
    }

    /// Returns when this is heard, at the latest after this time.
    pub fn wait_for(&self, is: impl Fn(&Heard) -> bool, limit: Duration) {
        let pages = self.pages.lock().unwrap();
        let known = pages.events.len();
        let nothing = |pages: &mut Pages| !pages.events[known..].iter().any(|event| is(&event.what));
        drop(self.news.wait_timeout_while(pages, limit, nothing).unwrap());
    }

    /// Returns when something is heard, at the latest after this time.
    pub fn wait(&self, limit: Duration) {
        drop(self.news.wait_timeout(self.pages.lock().unwrap(), limit).unwrap());
    }
}

/// The FIFO of the states, and the one into which scripts write their names: `CALLS` in the node's folder.
pub const FIFO: &str = "fifo";
pub const CALLS: &str = "calls";

/// Both exist before the daemon does, and stay open: no line is lost.
pub fn follow(journal: &Arc<Journal>, node: char, folder: &Path) {
    let open = |name: &str| {
        let path = folder.join(name);
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
        BufReader::new(OpenOptions::new().read(true).write(true).open(path).unwrap())
    };
    each_line(open(FIFO), journal, move |line| Heard::Told { node, line });
    let folder = format!("{}/", folder.display());
    each_line(open(CALLS), journal, move |line| {
        let (pid, words) = line.split_once(' ').unwrap();
        Heard::Ran { node, pid: pid.parse().unwrap(), words: words.replace(&folder, "@/") }
    });
}

fn each_line(
    mut reader: BufReader<File>,
    journal: &Arc<Journal>,
    what: impl Fn(String) -> Heard + Send + 'static,
) {
    let journal = Arc::clone(journal);
    std::thread::spawn(move || {
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 0 {
            journal.write(what(line.trim_end().to_owned()));
            line.clear();
        }
    });
}

/// Hears what comes from A on every switch of this namespace; returns when it listens.
pub fn sniff(journal: &Arc<Journal>) {
    let journal = Arc::clone(journal);
    let socket =
        socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll).unwrap();
    setsockopt(&socket, sockopt::RcvBufForce, &(8 << 20)).unwrap();
    std::thread::spawn(move || {
        let mut frame = [0; 2048];
        loop {
            let (length, from) = recvfrom::<LinkAddr>(socket.as_raw_fd(), &mut frame).unwrap();
            let Some(from) = from else { continue };
            let outgoing = i32::from(from.pkttype()) == libc::PACKET_OUTGOING as i32;
            let Ok(port) = if_indextoname(from.ifindex() as u32) else { continue };
            // Ports are named after the node and its interface: `A.eth0`.
            let port = port.to_string_lossy();
            let Some(interface) = port.strip_prefix("A.").filter(|_| !outgoing) else { continue };
            match packet::read(&frame[..length]) {
                Some(Packet::Advert(advert)) => journal.write(Heard::Advert {
                    stream: format!("{interface} {}", advert.stream),
                    interval: advert.interval,
                    priority: advert.priority,
                    text: advert.text,
                }),
                Some(Packet::Announcement(text)) => {
                    journal.write(Heard::Announced(format!("{interface} announces {text}")));
                }
                None => {}
            }
        }
    });
}

/// The last lines of a file.
pub fn tail(path: &PathBuf, count: usize) -> String {
    let text = String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
