//! What the kernel refused, and when: not tried again at every look, and nobody else's doing.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Instant;

use crate::config::model::Service;

use super::diff::Operation;
use super::keeper::REFUSED;

/// Refused operations, by the object that each is about.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusals {
    by_object: BTreeMap<(Service, Option<SocketAddr>), (Operation, Instant)>,
}

impl Refusals {
    /// Everything may be tried at once.
    pub(super) fn clear(&mut self) {
        self.by_object.clear();
    }

    /// Remembers one. False: it is known, with its service or by itself, and needs no line of its own.
    pub(super) fn remember(&mut self, now: Instant, operation: &Operation) -> bool {
        if self.forbids(now, operation) {
            return false;
        }
        self.by_object.insert(object(operation), (operation.clone(), now));
        true
    }

    /// It was refused, or the service that it is about, whenever that was.
    pub(super) fn holds(&self, operation: &Operation) -> bool {
        self.find(operation).is_some()
    }

    /// It was refused so short a while ago that it is not to be tried.
    pub(super) fn forbids(&self, now: Instant, operation: &Operation) -> bool {
        self.find(operation).is_some_and(|at| now.saturating_duration_since(at) < REFUSED)
    }

    /// Forgets what `keep` says is wanted no more, or has succeeded.
    pub(super) fn retain(&mut self, keep: impl Fn(&Operation) -> bool) {
        self.by_object.retain(|_, (operation, _)| keep(operation));
    }

    fn find(&self, operation: &Operation) -> Option<Instant> {
        let service = self.by_object.get(&(*operation.service(), None));
        if let Some((Operation::NewService(..), at)) = service {
            return Some(*at);
        }
        let (refused, at) = self.by_object.get(&object(operation))?;
        (refused == operation).then_some(*at)
    }
}

fn object(operation: &Operation) -> (Service, Option<SocketAddr>) {
    match operation {
        Operation::NewService(service, _)
        | Operation::SetService(service, _)
        | Operation::DeleteService(service) => (*service, None),
        Operation::NewDestination(service, address, _)
        | Operation::SetDestination(service, address, _)
        | Operation::DeleteDestination(service, address) => (*service, Some(*address)),
    }
}
