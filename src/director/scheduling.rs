//! What the file says of the process: names, priorities, processors, memory, umask. It counts from the start on.
//!
//! keepalived has a process for VRRP, one for the checks and one for BFD. Here VRRP has threads, which get what is said of
//! its process, BFD has one, which gets what is said of that, and the first thread does the checks. What is said of memory and of the time without a pause counts for all.

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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Nice value, realtime priority, policy, processors and name of this thread.
    fn thread() -> (i32, u32, u32, String, String) {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = rest.split(' ').collect();
        let status = fs::read_to_string("/proc/thread-self/status").unwrap();
        let processors = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        let name = fs::read_to_string("/proc/thread-self/comm").unwrap();
        let number = |at: usize| fields[at].parse().unwrap();
        let nice = fields[16].parse().unwrap();
        (nice, number(37), number(38), processors.trim().to_owned(), name.trim().to_owned())
    }

    #[test]
    fn the_threads_run_as_the_file_says() {
        let work = || {
            let part = ProcessPart {
                nice: Some(-5),
                real_time: Some(7),
                cpus: vec![0],
                name: Some("checks".into()),
                ..ProcessPart::default()
            };
            let process = Process { checker: part, ..Process::default() };
            settle_checks(&process);
            let round_robin = u32::try_from(libc::SCHED_RR).unwrap();
            let found = thread();
            if !nix::unistd::geteuid().is_root() {
                assert!(std::env::var_os("CI").is_none(), "this needs root");
                return;
            }
            assert_eq!(found, (-5, 7, round_robin, "0".into(), "checks".into()));
            // The name of the process goes before that of its part.
            settle_checks(&Process { name: Some("lb1".into()), ..process });
            assert_eq!(thread().4, "lb1");
        };
        std::thread::spawn(work).join().unwrap();
    }
}
