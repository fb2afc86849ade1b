//! A thread beside the VRRP thread for all that may wait for the kernel's configuration lock: changing and reading its
//! tables, joining and leaving groups. Whoever holds that lock delays this thread and no advert.
//!
//! Jobs are done in their order. Each answer goes back to the loop, which feeds it to the node.

use std::io;
use std::sync::mpsc;

use tokio::sync::mpsc::UnboundedSender;

use crate::config::model::ProcessPart;
use crate::net::firewall::Batch;
use crate::net::io::conflicts::Ear;
use crate::net::io::{Network, settings};
use crate::net::kernel::Reading;
use crate::net::object::Operation;
use crate::net::settings::{AllHeld, Wanted};
use crate::text::reason;
use crate::vrrp::node::{Endpoint, Id, Input, Refusal};

use super::settle;
use super::sockets::{self, Pair};

/// What is to be done.
#[derive(Debug)]
pub(super) enum Job {
    Change(Vec<Operation>),
    Filter(Batch),
    Read,
    Tune(Wanted, AllHeld),
    Announce {
        id: Id,
        frames: Vec<(u32, Vec<u8>)>,
        rounds: u32,
    },
    Open(Endpoint),
    /// Leaving a group waits for the lock, too.
    Close(sockets::Sender, Option<socket2::Socket>),
    /// Closing a packet socket waits until no processor is at it.
    Deafen(Ear),
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Answer {
    /// To be fed as it is.
    Input(Box<Input>),
    /// The sockets of an endpoint.
    Opened(Endpoint, Pair),
}

/// Starts the thread; it ends when the sender of jobs is dropped.
pub(super) fn start(
    mut network: Network,
    answers: UnboundedSender<Answer>,
    part: ProcessPart,
) -> io::Result<mpsc::Sender<Job>> {
    let (jobs, receiver) = mpsc::channel();
    let work = move || {
        settle(&part);
        for job in receiver {
            let Some(answer) = carry_out(&mut network, job) else { continue };
            if answers.send(answer).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new().name("vrrp-net".into()).spawn(work)?;
    Ok(jobs)
}

fn carry_out(network: &mut Network, job: Job) -> Option<Answer> {
    Some(Answer::Input(Box::new(match job {
        Job::Change(operations) => {
            let answers = network.change(&operations);
            Input::Changed(operations.into_iter().zip(answers).collect())
        }
        Job::Tune(wanted, held) => {
            let (held, refused) = settings::apply(&wanted, held);
            Input::Tuned { held, refused }
        }
        Job::Filter(batch) => {
            let errno = network.filter(&batch);
            Input::Filtered(batch, errno)
        }
        Job::Read => Input::Read(read(network)),
        Job::Announce { id, frames, rounds } => {
            let (count, error) = network.announce(&frames, rounds).err()?;
            let errno = error.raw_os_error().unwrap_or(libc::EIO);
            Input::Refused(Refusal::Announce { id, count, errno })
        }
        Job::Open(endpoint) => match sockets::open(&endpoint) {
            Ok(pair) => return Some(Answer::Opened(endpoint, pair)),
            Err(error) => {
                let why = format!("sockets on {endpoint}: {}", reason(&error));
                Input::Refused(Refusal::Open { endpoint, why })
            }
        },
        Job::Close(sender, receiver) => {
            drop((sender, receiver));
            return None;
        }
        Job::Deafen(ear) => {
            drop(ear);
            return None;
        }
    })))
}

pub(super) fn read(network: &mut Network) -> Result<Reading, String> {
    network.read().map_err(|error| reason(&error))
}
