//! What the VRRP thread shows to the others: reports in order, and a view of the node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::vrrp::node::{Node, Report, Snapshot};

use super::reports;

/// The view is renewed at each transition, else this often.
const RENEW: Duration = Duration::from_secs(1);

/// Where the thread tells what happens.
pub(super) struct Outward {
    reports: reports::Sender,
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// Transitions that the last snapshot shows.
    shown: u64,
    at: Option<Instant>,
}

impl Outward {
    pub(super) fn new(reports: reports::Sender, snapshots: watch::Sender<Arc<Snapshot>>) -> Self {
        Self { reports, snapshots, shown: 0, at: None }
    }

    pub(super) fn report(&mut self, report: Report) {
        self.reports.send(report);
    }

    /// Shows the node as it is, when that is news.
    pub(super) fn publish(&mut self, now: Instant, node: &Node, force: bool) {
        self.reports.flush();
        let due = self.at.is_none_or(|at| now.saturating_duration_since(at) >= RENEW);
        if force || due || node.transitions() != self.shown {
            self.shown = node.transitions();
            self.at = Some(now);
            self.snapshots.send_replace(Arc::new(node.snapshot()));
        }
    }
}
