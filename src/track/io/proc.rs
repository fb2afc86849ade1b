//! Reads `/proc` in a thread of its own: ten thousand processes take a while, and one that hangs may keep its reader waiting.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::sync::{Arc, mpsc as requests};

use tokio::sync::mpsc as answers;

use crate::track::process::{Pid, Process, Sought, has_ended, name_and_state, words};
use crate::track::processes::Ticket;

/// The most that is read of a command line, in bytes.
const LONGEST: u64 = 128 * 1024;

/// What is to be read.
#[derive(Debug)]
pub(super) enum Request {
    /// All processes.
    Look { ticket: Ticket, sought: Arc<Sought> },
    /// One.
    Read { ticket: Ticket, pid: Pid, sought: Arc<Sought> },
}

/// What was read.
#[derive(Debug)]
pub enum Answer {
    /// Of all processes those that may be meant.
    Looked {
        /// Of which request.
        ticket: Ticket,
        /// Each.
        processes: BTreeMap<Pid, Process>,
    },
    /// Of one.
    Read {
        /// Of which request.
        ticket: Ticket,
        /// Which.
        pid: Pid,
        /// What it is; `None`: it has ended, or cannot be meant.
        process: Option<Process>,
    },
}

/// The thread. It ends when nobody asks any more.
#[derive(Debug)]
pub(super) struct Reader {
    requests: requests::Sender<Request>,
    answers: answers::UnboundedReceiver<Answer>,
}

impl Reader {
    pub(super) fn start() -> io::Result<Self> {
        let (requests, asked) = requests::channel();
        let (told, answers) = answers::unbounded_channel();
        let work = move || {
            let mut text = Vec::new();
            while let Ok(request) = asked.recv() {
                let answer = match request {
                    Request::Look { ticket, sought } => {
                        Answer::Looked { ticket, processes: look(&sought, &mut text) }
                    }
                    Request::Read { ticket, pid, sought } => {
                        Answer::Read { ticket, pid, process: read(pid, &sought, &mut text) }
                    }
                };
                if told.send(answer).is_err() {
                    return;
                }
            }
        };
        std::thread::Builder::new().name("processes".into()).spawn(work)?;
        Ok(Self { requests, answers })
    }

    /// Asks; [`Self::answer`] has the answers in the same order.
    pub(super) fn ask(&self, request: Request) {
        // The thread lives as long as its answers are wanted.
        let _ = self.requests.send(request);
    }

    pub(super) async fn answer(&mut self) -> Answer {
        match self.answers.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

fn look(sought: &Sought, text: &mut Vec<u8>) -> BTreeMap<Pid, Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return BTreeMap::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().map(Pid));
    pids.filter_map(|pid| Some((pid, read(pid, sought, text)?))).collect()
}

/// What a process is, when it may be one of those that are sought.
fn read(pid: Pid, sought: &Sought, text: &mut Vec<u8>) -> Option<Process> {
    // Its name alone costs the kernel least.
    let name = file(pid, "comm", text)?;
    let name = name.strip_suffix(b"\n").unwrap_or(name).to_vec();
    let command = if sought.commands { words(file(pid, "cmdline", text)?) } else { Vec::new() };
    if sought.names.contains(&name) {
        // One that has ended and waits for its parent keeps its name.
        let (_, state) = name_and_state(file(pid, "stat", text)?)?;
        if has_ended(state) {
            return None;
        }
    } else if command.is_empty() {
        return None;
    }
    Some(Process { name, command })
}

fn file<'a>(pid: Pid, name: &str, text: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    text.clear();
    File::open(format!("/proc/{}/{name}", pid.0)).ok()?.take(LONGEST).read_to_end(text).ok()?;
    Some(text)
}
