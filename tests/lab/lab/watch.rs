//! Who holds an address, watched all the time: a moment with two holders must not slip between two looks.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::node::has_address;
use super::wait::millis;

pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Held>,
}

/// What the watch saw.
#[derive(Debug, Default)]
pub struct Held {
    /// Longest uninterrupted time with two holders.
    pub by_two: Duration,
    /// Longest uninterrupted time with none, after the first holder was seen.
    pub by_none: Duration,
    /// Each change of the set of holders.
    pub changes: Vec<String>,
}

impl Watch {
    pub fn start(nodes: [(&'static str, u32); 2], address: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, address) = (stop.clone(), address.to_string());
        let look = move || nodes.map(|(_, holder)| has_address(holder, &address));
        // Whatever happens next finds it watched.
        let mut holds = look();
        let thread = std::thread::spawn(move || {
            let mut held = Held::default();
            let (mut last, mut since) = ([false, false], Instant::now());
            loop {
                if holds != last {
                    let names: Vec<&str> = nodes
                        .iter()
                        .zip(holds)
                        .filter(|(_, holds)| *holds)
                        .map(|((name, _), _)| *name)
                        .collect();
                    held.changes.push(names.join("+"));
                    (last, since) = (holds, Instant::now());
                }
                match last {
                    [true, true] => held.by_two = held.by_two.max(since.elapsed()),
                    [false, false] if !held.changes.is_empty() => {
                        held.by_none = held.by_none.max(since.elapsed())
                    }
                    _ => {}
                }
                if ended.load(Ordering::Relaxed) {
                    return held;
                }
                std::thread::sleep(millis(10));
                holds = look();
            }
        });
        Self { stop, thread }
    }

    pub fn finish(self) -> Held {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}
