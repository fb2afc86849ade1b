//! What the file says of the process: names, priorities, processors, memory, umask. It counts from the start on.
//!
//! keepalived has a process for VRRP, one for the checks and one for BFD. Here VRRP has threads, which get what is said of
//! its process, and the first thread does the checks. What is said of memory and of the time without a pause counts for all.

use std::ffi::CString;
use std::io;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};

use crate::config::model::{Process, ProcessPart};
use crate::sys::{memory, schedule};
use crate::text::reason;

/// What counts for all threads; to be called before there is another one.
pub(super) fn settle(process: &Process) {
    if let Some(mask) = process.umask {
        umask(Mode::from_bits_truncate(mask.into()));
    }
    let parts = [&process.vrrp, &process.checker, &process.bfd];
    if parts.iter().any(|part| part.no_swap) {
        told("the memory may be swapped out", memory::stay());
    }
    if let Some(limit) = parts.iter().find_map(|part| part.real_time_limit) {
        // Beyond it a signal says so; nothing ends a director that works.
        let limited = getrlimit(Resource::RLIMIT_RTTIME)
            .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_RTTIME, u64::from(limit).min(hard), hard));
        told("no time without a pause is too long", limited.map_err(io::Error::from));
    }
}

/// What counts for the calling thread, which does the checks.
pub(super) fn settle_checks(process: &Process) {
    let ProcessPart { nice, real_time, cpus, .. } = &process.checker;
    if let Some(name) = process.name.as_ref().or(process.checker.name.as_ref())
        && let Ok(name) = CString::new(name.as_str())
    {
        told("the process keeps its name", schedule::name(&name));
    }
    if let Some(nice) = nice {
        told("the checks run with the nice value of the start", schedule::nice(*nice));
    }
    if let Some(priority) = real_time {
        told("the checks run without realtime priority", schedule::realtime((*priority).into()));
    }
    if !cpus.is_empty() {
        told("the checks run on any processor", schedule::processors(cpus));
    }
}

fn told(instead: &str, outcome: io::Result<()>) {
    if let Err(error) = outcome {
        tracing::warn!("{instead}: {}", reason(&error));
    }
}
