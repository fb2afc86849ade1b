//! The VRRP thread: it reads, feeds the node, and carries its actions out. What may wait for the kernel is done by a
//! second thread beside it.

use std::io;

use crate::config::model::ProcessPart;
use crate::sys::schedule;
use crate::text::reason;

mod ears;
mod handle;
mod monitor;
mod outward;
mod receivers;
mod reports;
mod sockets;
mod thread;
mod worker;

pub(crate) use handle::{Command, Handle, StartError, start};
pub(crate) use reports::log;

/// Enough to run before everything that is not a realtime task.
const REALTIME_PRIORITY: u8 = 1;

/// Gives the calling thread what the file says of the VRRP process.
fn settle(part: &ProcessPart) {
    let told = |instead: &str, outcome: io::Result<()>| {
        if let Err(error) = outcome {
            tracing::warn!("{instead}: {}", reason(&error));
        }
    };
    if let Some(nice) = part.nice {
        told("VRRP runs with the nice value of the start", schedule::nice(nice));
    }
    if !part.cpus.is_empty() {
        told("VRRP runs on any processor", schedule::processors(&part.cpus));
    }
    match (part.real_time, schedule::realtime(part.real_time.unwrap_or(REALTIME_PRIORITY).into())) {
        (None, Err(error)) => tracing::debug!("VRRP runs without realtime priority: {error}"),
        (_, outcome) => told("VRRP runs without realtime priority", outcome),
    }
}
