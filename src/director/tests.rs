use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, raise};
use nix::unistd::Pid;

use super::candidate::Candidate;
use super::kept::Kept;
use super::namespace::Namespaces;
use super::*;
use crate::config;
use crate::config::model::Model;
use crate::config::recorded::Recording;
use crate::config::supported::Runnable;

fn candidate() -> Candidate {
    Candidate {
        programs: crate::director::programs::Programs::default(),
        model: Model::default(),
        fallbacks: config::model::Fallbacks::default(),
        runnable: Runnable::default(),
        namespaces: Namespaces::default(),
        unrun: Vec::new(),
        read: Kept::new("/etc/k.conf".as_ref(), &config::Options::default(), Recording::default()),
        keep: false,
        instead: None,
        lines: Vec::new(),
    }
}

/// A configuration on a disk that stands still is read for ever.
#[test]
fn a_stop_waits_for_no_reload() {
    let folder = tempfile::tempdir().unwrap();
    let options =
        Options { only_vrrp: true, only_checkers: true, ..Options::plain("/etc/k.conf", folder.path()) };
    let lock = RuntimeLock::take(&options.runtime_directory).unwrap();
    let pid_file = options.runtime_directory.join("directord.pid");
    let (begun, reading) = mpsc::channel();
    let load = Arc::new(move |_: &Model| {
        begun.send(Instant::now()).unwrap();
        kill(Pid::this(), Signal::SIGTERM).unwrap();
        loop {
            std::thread::park();
        }
    });
    let (told, there) = mpsc::channel();
    let file = pid_file.clone();
    run(options, lock, candidate(), load, move || {
        told.send(file.exists()).unwrap();
        raise(Signal::SIGHUP).unwrap();
    })
    .unwrap();
    let took = reading.recv().unwrap().elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(there.recv().unwrap() && !pid_file.exists(), "the pid file is there while it is ready");
}
