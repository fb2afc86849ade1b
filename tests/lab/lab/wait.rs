//! Time: nothing in a scenario sleeps and hopes; it waits for something, with a deadline.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Wall clock in seconds, the clock of captures and logs.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

pub const fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// One line of the scenario's log.
pub fn say(text: &str) {
    let now = now();
    let day = now as u64 % 86_400;
    println!(
        "{:02}:{:02}:{:02}.{:03} {text}",
        day / 3600,
        day / 60 % 60,
        day % 60,
        (now.fract() * 1e3) as u32
    );
}

/// A limit is that of a machine at rest. One that has other work to do may take this many times as long: how fast something is
/// is for benchmarks to say.
const PATIENCE: u32 = 2;

/// Waits until `condition` holds, and says how long that took; fails after `PATIENCE` times `limit`.
pub fn eventually(what: &str, limit: Duration, condition: impl FnMut() -> bool) -> Duration {
    let limit = limit * PATIENCE;
    match poll(limit, condition) {
        Some(took) => {
            say(&format!("{what}: after {took:.2?}"));
            took
        }
        None => panic!("not within {limit:?}: {what}"),
    }
}

/// Fails if `condition` ceases to hold within `span`.
pub fn throughout(what: &str, span: Duration, mut condition: impl FnMut() -> bool) {
    if let Some(after) = poll(span, || !condition()) {
        panic!("no longer after {after:.2?}: {what}");
    }
    say(&format!("{what}: for {span:?}"));
}

/// The time until `condition` held, or `None` after `limit`.
pub fn poll(limit: Duration, mut condition: impl FnMut() -> bool) -> Option<Duration> {
    let start = Instant::now();
    loop {
        if condition() {
            return Some(start.elapsed());
        }
        if start.elapsed() > limit {
            return None;
        }
        std::thread::sleep(millis(5));
    }
}
