//! What was heard during a step, as lines; what counts of them is their order within a channel.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::ears::{Event, Heard};

/// What each stream of adverts last said.
#[derive(Debug, Clone, Default)]
pub struct Streams(BTreeMap<String, Last>);

#[derive(Debug, Clone)]
struct Last {
    at: Instant,
    /// Longer than a master is silent.
    patience: Duration,
    text: String,
    /// A farewell needs no silence behind it.
    farewell: bool,
}

impl Streams {
    /// When, if nothing more is heard, the next of them counts as silent.
    pub fn next_silence(&self, now: Instant) -> Option<Duration> {
        let silences = self.0.values().filter(|last| !last.farewell);
        silences.map(|last| (last.at + last.patience).saturating_duration_since(now)).min()
    }
}

/// The lines of a step, by channels, and the streams behind it. Equal adverts in a row are one line.
pub fn lines(events: &[Event], before: &Streams, now: Instant) -> (Vec<String>, Streams) {
    let mut streams = before.clone();
    let mut lines = Vec::new();
    let mut ran: Vec<(char, u32, &str)> = Vec::new();
    let mut announced: BTreeMap<&str, usize> = BTreeMap::new();
    for Event { at, what, .. } in events {
        match what {
            Heard::Told { node, line } => lines.push(format!("{node} tells {line}")),
            Heard::Ran { node, pid, words } => ran.push((*node, *pid, words)),
            Heard::Announced(text) => *announced.entry(text).or_default() += 1,
            Heard::Ended { node, how } => lines.push(format!("{node} ends {how}")),
            Heard::Advert { stream, interval, priority, text } => {
                if streams.0.get(stream).is_none_or(|last| last.text != *text) {
                    lines.push(format!("{stream} {text}"));
                }
                let patience = Duration::from_secs_f64((3.5 * interval).max(1.0));
                let last = Last { at: *at, patience, text: text.clone(), farewell: *priority == 0 };
                streams.0.insert(stream.clone(), last);
            }
        }
    }
    // As they were started, not as they came to write.
    ran.sort_by_key(|(_, pid, _)| *pid);
    lines.extend(ran.into_iter().map(|(node, _, words)| format!("{node} runs {words}")));
    lines.extend(announced.into_iter().map(|(text, count)| format!("{text} x{count}")));
    streams.0.retain(|stream, last| {
        let silent = !last.farewell && now >= last.at + last.patience;
        if silent {
            lines.push(format!("{stream} ceases"));
        }
        !silent
    });
    (by_channel(&lines), streams)
}

/// Where `TEXT x*` is expected, each count of it, none too, is that.
pub fn uncounted(mut lines: Vec<String>, expected: &[String]) -> Vec<String> {
    for any in expected {
        if let Some(text) = any.strip_suffix('*') {
            lines.retain(|line| !line.starts_with(text));
            lines.push(any.clone());
        }
    }
    lines
}

/// Lines in the order of their channels: what several channels say at one time comes in no order.
pub fn by_channel(lines: &[String]) -> Vec<String> {
    let mut sorted = lines.to_vec();
    sorted.sort_by_key(|line| channel(line));
    sorted
}

/// The channels of nodes come first; what is a set has one for each of its lines.
fn channel(line: &str) -> (u8, String) {
    let words: Vec<&str> = line.split(' ').collect();
    match words[..] {
        // The scripts of one instance come in an order, those of several side by side.
        [node, "runs", of, ..] => (0, format!("{node} runs {of}")),
        [node @ ("A" | "B"), verb, ..] => {
            (0, format!("{node} {}", if verb == "tells" { "at once" } else { verb }))
        }
        [interface, id, ">", target, ..] => (1, format!("{interface} {id} {target}")),
        [_, "announces", ..] => (2, line.to_owned()),
        _ => (3, line.to_owned()),
    }
}
