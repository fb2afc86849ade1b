//! The client's side: single requests, a stream of requests, connections that are held.

use std::collections::BTreeMap;
use std::time::Duration;

use super::daemon::Daemon;
use super::node::Node;
use super::wait::{eventually, say, seconds};

impl Node {
    /// The body of a page, or curl's complaint.
    pub fn get(&self, url: &str) -> Result<String, String> {
        self.curl("", url)
    }

    /// The same from one of the client's addresses.
    pub fn get_from(&self, source: &str, url: &str) -> Result<String, String> {
        self.curl(&format!("--interface {source}"), url)
    }

    fn curl(&self, options: &str, url: &str) -> Result<String, String> {
        let output = self.run(&format!("curl -sSkf -m 2 {options} '{url}'"));
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_string()),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_string()),
        }
    }

    /// How often each answer comes to `count` requests.
    pub fn answers(&self, url: &str, count: usize) -> BTreeMap<String, usize> {
        let mut answers = BTreeMap::new();
        for _ in 0..count {
            *answers.entry(self.get(url).unwrap_or_else(|error| error)).or_default() += 1;
        }
        answers
    }

    /// Request after request, each on a connection of its own, until `finish`.
    pub fn stream(&self, server: &str) -> Stream {
        Stream(self.spawn("stream", &format!("/lab/scenario agent stream {server}")))
    }

    /// Opens `count` connections and keeps asking on each of them; returns when all stand.
    pub fn hold(&self, server: &str, count: usize) -> Hold {
        self.hold_patiently(server, count, seconds(5))
    }

    /// The same; a connection is lost when an answer takes longer than `patience`.
    pub fn hold_patiently(&self, server: &str, count: usize, patience: Duration) -> Hold {
        let command = format!("/lab/scenario agent hold {server} {count} {}", patience.as_secs());
        let daemon = self.spawn("hold", &command);
        eventually(&format!("{count} connections stand"), seconds(60), || daemon.log_has("standing"));
        Hold(daemon)
    }
}

/// What a request says that had no answer in its time.
const LATE: nix::errno::Errno = nix::errno::Errno::EAGAIN;

pub struct Stream(Daemon);

/// What a stream of requests saw.
#[derive(Debug, Default)]
pub struct Answers {
    pub failed: usize,
    /// Of those the ones that were refused or broken off, and not only late.
    pub broken: usize,
    /// Answers by body.
    pub by: BTreeMap<String, usize>,
    /// The longest time between two answers.
    pub longest_gap: Duration,
    /// When (wall clock) the answer came that ended the longest gap.
    pub gap_end: f64,
}

impl Stream {
    pub fn so_far(&self) -> Answers {
        let mut answers = Answers::default();
        let late = std::io::Error::from(LATE).to_string();
        let mut last: Option<f64> = None;
        for line in self.0.log().lines() {
            let [Some(wall), Some(steady), Some(kind), Some(body)] = ({
                let mut words = line.splitn(4, ' ');
                [(); 4].map(|()| words.next())
            }) else {
                continue;
            };
            let (Ok(wall), Ok(steady)) = (wall.parse::<f64>(), steady.parse::<f64>()) else { continue };
            if kind != "ok" {
                answers.failed += 1;
                answers.broken += usize::from(!body.contains(&late));
                continue;
            }
            *answers.by.entry(body.to_string()).or_default() += 1;
            let gap = Duration::from_secs_f64((steady - last.unwrap_or(steady)).max(0.0));
            if gap > answers.longest_gap {
                (answers.longest_gap, answers.gap_end) = (gap, wall);
            }
            last = Some(steady);
        }
        answers
    }

    pub fn finish(self) -> Answers {
        self.0.stop();
        let answers = self.so_far();
        say(&format!("stream: {answers:.2?}"));
        answers
    }
}

pub struct Hold(Daemon);

impl Hold {
    /// Requests that were answered so far.
    pub fn answered(&self) -> usize {
        let log = self.0.log();
        let answered = log.lines().filter_map(|line| line.strip_prefix("answered ")).next_back();
        answered.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Ends the connections; what each lost one said.
    pub fn finish(self) -> Vec<String> {
        self.0.stop();
        let log = self.0.log();
        say(&format!("held connections: {} requests answered", self.answered()));
        log.lines().filter(|line| line.starts_with("lost")).map(str::to_string).collect()
    }
}
