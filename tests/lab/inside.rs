//! Inside the machine: build the nodes, run the one scenario, leave its result for the launcher.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use crate::lab::Lab;
use crate::scenarios;

/// Where the launcher looks for `ok` or `FAILED reason`.
const RESULT: &str = "/results/result";

pub fn main() {
    static REASON: Mutex<String> = Mutex::new(String::new());
    std::panic::set_hook(Box::new(|panic| {
        let payload = panic.payload();
        let words = payload.downcast_ref::<String>().map(String::as_str);
        let words = words.or(payload.downcast_ref::<&str>().copied()).unwrap_or("panic without words");
        let place = panic.location().map(|at| format!("{}:{}", at.file(), at.line())).unwrap_or_default();
        crate::lab::say(&format!("FAILED {words} ({place})"));
        let mut reason = REASON.lock().unwrap();
        if reason.is_empty() {
            *reason = words.lines().next().unwrap_or_default().to_string();
        }
    }));
    let name = std::env::var("LAB_SCENARIO").expect("LAB_SCENARIO");
    let scenario = scenarios::all().into_iter().find(|each| each.name == name).expect("a known scenario");
    let outcome = catch_unwind(|| {
        let lab = Lab::pair();
        let outcome = catch_unwind(AssertUnwindSafe(|| (scenario.run)(&lab)));
        if outcome.is_err() {
            let _ = catch_unwind(AssertUnwindSafe(|| lab.post_mortem()));
        }
        outcome.is_ok()
    });
    let result = match outcome {
        Ok(true) => "ok".to_string(),
        _ => format!("FAILED {}", REASON.lock().unwrap()),
    };
    // Renamed into place: the launcher must not read half of it.
    std::fs::write("/results/result.new", result + "\n").unwrap();
    std::fs::rename("/results/result.new", RESULT).unwrap();
}
