//! What the VRRP thread tells, on its way to the others: in order, bounded, counted, and no transition lost.
//!
//! The sender never waits. When the receiver stands still, ordinary reports are dropped and counted; transitions wait,
//! and beyond a bound those of one instance become one: from where the first one began to where the last one led.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::mpsc;

use crate::report::io::say;
use crate::vrrp::event::Event;
use crate::vrrp::node::Report;

/// Ordinary reports that wait at most.
const ORDINARY: usize = 1024;
/// Reports that wait at most; behind them transitions of one instance become one.
const MOST: usize = 16 * 1024;

/// The end that the thread has.
#[derive(Debug)]
pub(super) struct Sender {
    queue: mpsc::UnboundedSender<Report>,
    counts: Arc<Counts>,
    /// Those that must arrive and found the queue full: one transition, and one change of the priority, of each instance.
    merged: BTreeMap<(Option<String>, bool), Report>,
}

/// The end that the director has.
#[derive(Debug)]
pub(crate) struct Reports {
    queue: mpsc::UnboundedReceiver<Report>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    waiting: AtomicUsize,
    dropped: AtomicU64,
}

/// Both ends.
pub(super) fn channel() -> (Sender, Reports) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let counts = Arc::new(Counts::default());
    let sender = Sender { queue: sender, counts: Arc::clone(&counts), merged: BTreeMap::new() };
    (sender, Reports { queue: receiver, counts })
}

impl Sender {
    pub(super) fn send(&mut self, report: Report) {
        self.flush();
        let waiting = self.counts.waiting.load(Ordering::Relaxed);
        if report.event.must_arrive() {
            if waiting < MOST && self.merged.is_empty() {
                self.push(report);
            } else {
                self.merge(report);
            }
        } else if waiting < ORDINARY {
            self.push(report);
        } else {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Sends what was merged, as soon as there is room.
    pub(super) fn flush(&mut self) {
        while self.counts.waiting.load(Ordering::Relaxed) < MOST
            && let Some((_, report)) = self.merged.pop_first()
        {
            self.push(report);
        }
    }

    fn push(&self, report: Report) {
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        // The receiver is gone only when the process ends.
        let _ = self.queue.send(report);
    }

    fn merge(&mut self, mut report: Report) {
        let key = (report.instance.clone(), report.event.is_transition());
        match (self.merged.get(&key).map(|first| &first.event), &mut report.event) {
            (Some(Event::Transition { from: first, .. }), Event::Transition { from, .. }) => *from = *first,
            (Some(Event::Priority { from: first, .. }), Event::Priority { from, .. }) => *from = *first,
            _ => {}
        }
        self.merged.insert(key, report);
    }
}

impl Reports {
    /// The next report. `None`: the thread has ended.
    pub(crate) async fn next(&mut self) -> Option<Report> {
        let report = self.queue.recv().await?;
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(report)
    }

    /// The next report, when there is one.
    pub(crate) fn try_next(&mut self) -> Option<Report> {
        let report = self.queue.try_recv().ok()?;
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(report)
    }

    /// How many reports were dropped since the last call.
    pub(crate) fn dropped(&self) -> u64 {
        self.counts.dropped.swap(0, Ordering::Relaxed)
    }
}

/// Writes a report to the log.
pub(crate) fn log(report: &Report) {
    let event = &report.event;
    let line = match &report.instance {
        Some(name) => format!("({name}) {event}"),
        None => event.to_string(),
    };
    say(event.level(), line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrp::event::{State, Why};

    fn transition(instance: &str, from: State, to: State) -> Report {
        Report {
            instance: Some(instance.into()),
            event: Event::Transition { from, to, why: Why::Start, priority: 100 },
        }
    }

    fn ordinary() -> Report {
        Report { instance: None, event: Event::Unreadable { why: "x".into() } }
    }

    fn drain(reports: &mut Reports) -> Vec<Report> {
        std::iter::from_fn(|| reports.try_next()).collect()
    }

    #[test]
    fn ordinary_reports_are_dropped_and_counted_transitions_are_not() {
        let (mut sender, mut reports) = channel();
        for _ in 0..ORDINARY + 7 {
            sender.send(ordinary());
        }
        sender.send(transition("A", State::Backup, State::Master));
        let all = drain(&mut reports);
        assert_eq!(all.len(), ORDINARY + 1);
        assert_eq!(all.last(), Some(&transition("A", State::Backup, State::Master)), "in order");
        assert_eq!((reports.dropped(), reports.dropped()), (7, 0));
        sender.send(ordinary());
        assert_eq!(drain(&mut reports).len(), 1, "there is room again");
    }

    #[test]
    fn a_receiver_that_stands_still_misses_no_state() {
        let (mut sender, mut reports) = channel();
        let flap = [(State::Backup, State::Master), (State::Master, State::Backup)];
        for (from, to) in flap.into_iter().cycle().take(MOST + 5) {
            sender.send(transition("A", from, to));
        }
        sender.send(transition("B", State::Init, State::Backup));
        let mut all = drain(&mut reports);
        assert_eq!(all.len(), MOST, "bounded");
        sender.flush();
        all.extend(drain(&mut reports));
        let mut state = State::Backup;
        for report in all.iter().filter(|report| report.instance.as_deref() == Some("A")) {
            let Event::Transition { from, to, .. } = report.event else { panic!("{report:?}") };
            assert_eq!(from, state, "each one begins where the last one ended");
            state = to;
        }
        assert_eq!(state, State::Master, "the last state arrives");
        assert_eq!(all.last(), Some(&transition("B", State::Init, State::Backup)));
    }
}
