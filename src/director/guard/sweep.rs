//! Takes away what a daemon that was killed has left in the kernel: addresses, routes, rules and interfaces, as its
//! record names them. Settings and the packet filter do no harm, and wait for the next start.

use std::collections::BTreeSet;
use std::path::Path;

use nix::unistd::Pid;

use super::super::lock::RuntimeLock;
use super::super::owned::{self, Owned};
use crate::net::io::Network;
use crate::net::kernel::Kernel;
use crate::net::object::Operation;
use crate::text::reason;
use crate::vrrp::node::{Claim, removals};

/// Failures that are told one by one.
const LINES: usize = 8;

/// What became of it, in words for the log.
pub(super) struct Swept {
    /// Nothing is left.
    pub(super) done: bool,
    pub(super) lines: Vec<String>,
}

/// Takes away what the record in `directory` names, unless another daemon than `child` works there.
pub(super) fn sweep(directory: &Path, child: Option<Pid>) -> Swept {
    let nothing = |line: Option<String>| Swept { done: true, lines: line.into_iter().collect() };
    match owned::recorded::<Claim>(directory) {
        Ok(claims) if claims.is_empty() => return nothing(None),
        Ok(_) => {}
        Err(error) => {
            let (place, why) = (directory.display(), reason(&error));
            let words = format!("The record in {place} is not used: {why}. What the daemon left stays");
            return nothing(Some(words));
        }
    }
    let failed = |why: String| Swept {
        done: false,
        lines: vec![format!("What the daemon left cannot be taken away yet: {why}; tried again")],
    };
    let mut network = match Network::open(None) {
        Ok(network) => network,
        Err(error) => return failed(reason(&error)),
    };
    let mut kernel = Kernel::default();
    match network.read() {
        Ok(reading) => kernel.read(reading),
        Err(error) => return failed(reason(&error)),
    }
    // Nobody starts there meanwhile.
    let lock = match RuntimeLock::take_at_once(directory) {
        Ok(lock) => Some(lock),
        Err(held) if child.is_some_and(|child| held.may_be_held_by(child)) => None,
        Err(_) => {
            return nothing(Some("Another directord has started, and sees to what was left".to_owned()));
        }
    };
    let mut owned: Owned<Claim> = Owned::read(directory);
    let operations = removals(owned.things(), &kernel);
    let answers = network.change(&operations);
    let (mut gone, mut stay, mut lines) = (Vec::new(), Vec::new(), Vec::new());
    for (operation, errno) in operations.iter().zip(answers) {
        match operation.outcome(errno) {
            Ok(()) => gone.push(operation),
            Err(errno) => {
                let why = std::io::Error::from_raw_os_error(errno);
                if stay.len() < LINES {
                    lines.push(format!("{operation} failed: {}; tried again", reason(&why)));
                }
                stay.push(operation);
            }
        }
    }
    // What has gone is not ours any more: whoever sets it from now on is to keep it. The record of a daemon that is about to
    // take it over is its own.
    let stays = |claim: &Claim| {
        !stay.is_empty()
            && removals(&BTreeSet::from([claim.clone()]), &kernel).iter().any(|one| stay.contains(&one))
    };
    let is_left = |claim: &&Claim| matches!(claim, Claim::Setting { .. } | Claim::Table(_)) || stays(claim);
    let left: BTreeSet<Claim> = owned.things().iter().filter(is_left).cloned().collect();
    let done = stay.is_empty();
    if lock.is_some()
        && let Err(error) = owned.set(left)
    {
        lines.push(format!("cannot write the record of what is left: {}", reason(&error)));
    }
    if let Some(line) = told(&gone) {
        lines.push(line);
    }
    Swept { done, lines }
}

fn told(gone: &[&Operation]) -> Option<String> {
    let (first, more) = (gone.first()?, gone.len() - 1);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!("Took away what the daemon left: {}{more}", first.key()))
}
