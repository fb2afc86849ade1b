//! The files that keepalived's signals ask for. What they are made of is gathered in the loop; they are made and written
//! aside, one time after the other: signals that come meanwhile are one more time together.

mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::dump::{Clock, State};
use crate::sys::civil::Civil;
use crate::track::Facts;
use crate::vrrp::io::Command;
use crate::vrrp::node::Snapshot;

use super::Director;
use write::Material;
pub(super) use write::Written;

/// So long the VRRP thread is waited for; then what it showed last is written.
const PATIENCE: Duration = Duration::from_secs(1);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dump {
    /// SIGUSR1: the data files.
    Data,
    /// SIGUSR2: the statistics.
    Statistics,
    /// SIGRTMIN+2: the JSON file.
    Json,
    /// SIGRTMAX-1: the statistics, which begin anew.
    Clear,
}

/// Files that are asked for, and those under way.
#[derive(Debug, Default)]
pub(super) struct Dumps {
    wanted: BTreeSet<Dump>,
    writing: Option<JoinHandle<Vec<Written>>>,
    /// What could not be written the last time, and why: said once.
    failed: BTreeMap<PathBuf, String>,
}

impl Dumps {
    /// Somebody asks for one.
    pub(super) fn ask(&mut self, dump: Dump) {
        self.wanted.insert(dump);
    }

    /// What is to be written now; nothing while something is.
    fn take(&mut self) -> BTreeSet<Dump> {
        if self.writing.is_some() { BTreeSet::new() } else { std::mem::take(&mut self.wanted) }
    }

    /// The end of what is written, to be given to [`Self::tell`]; waits for ever when nothing is.
    pub(super) async fn written(&mut self) -> Vec<Written> {
        let Some(writing) = &mut self.writing else { return std::future::pending().await };
        let written = writing.await;
        self.writing = None;
        // A panic in there is told of by itself.
        written.unwrap_or_default()
    }

    /// Says what came of it. Programs ask again and again: what goes well is said to who wants to know all.
    pub(super) fn tell(&mut self, written: Vec<Written>) {
        for Written { path, outcome } in written {
            let shown = path.display().to_string();
            match outcome {
                Ok(()) => {
                    if self.failed.remove(&path).is_some() {
                        tracing::info!("{shown} is written again");
                    } else {
                        tracing::debug!("{shown} written");
                    }
                }
                Err(why) => {
                    if self.failed.get(&path) != Some(&why) {
                        tracing::error!("cannot write {shown}, and what was there stays: {why}");
                        self.failed.insert(path, why);
                    }
                }
            }
        }
    }
}

impl Director {
    /// Begins to write what is asked for.
    pub(super) fn dump(&mut self) {
        let wanted = self.dumps.take();
        if wanted.is_empty() {
            return;
        }
        let mut state = State {
            facts: Facts { sessions: self.sessions.up(), ..self.tracking.facts() },
            scripts: self.tracking.scripts(),
            processes: self.tracking.running(),
            ..State::default()
        };
        if wanted.contains(&Dump::Data) {
            let pools = self.balancer.pools();
            state.services = pools.views().map(|(name, view)| (name.clone(), view)).collect();
            state.checks = self.checks.views().map(|(key, view)| (key.clone(), view)).collect();
            state.sessions = self.sessions.snapshot();
        }
        let shown = self.vrrp.as_ref().map(|handle| Arc::clone(&handle.snapshot.borrow()));
        let commands = self.vrrp.as_ref().map(|handle| handle.commands.clone());
        let (options, running) = (Arc::clone(&self.options), Arc::clone(&self.running));
        self.dumps.writing = Some(tokio::spawn(async move {
            let clear = wanted.contains(&Dump::Clear);
            let seen = match (&commands, shown) {
                (Some(commands), Some(last)) => ask(commands, clear, last).await,
                _ => Arc::default(),
            };
            state.instances.clone_from(&seen.instances);
            let material = Material { options, running, state, clock: clock(), wanted };
            tokio::task::spawn_blocking(move || material.write()).await.unwrap_or_default()
        }));
    }
}

/// The view of this moment; `last`: when the thread does not answer in time.
async fn ask(
    commands: &tokio::sync::mpsc::Sender<Command>,
    clear: bool,
    last: Arc<Snapshot>,
) -> Arc<Snapshot> {
    let (answer, answered) = oneshot::channel();
    let asked = async {
        commands.send(Command::Show { clear, answer }).await.ok()?;
        answered.await.ok()
    };
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Some(shown)) => {
            if clear {
                tracing::info!("the counters of VRRP begin anew");
            }
            shown
        }
        Ok(None) | Err(_) => {
            tracing::warn!("the VRRP thread does not answer: files show how it stood when it last told");
            last
        }
    }
}

fn clock() -> Clock {
    let shown = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Clock { now: Instant::now(), shown, civil }
}

/// `Wed Nov 25 20:08:46 2026`.
fn civil(moment: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let moment = i64::try_from(moment).unwrap_or(i64::MAX);
    let Some(shown) = Civil::at(moment, false) else { return String::new() };
    // As days are counted where the clock is: 1970 began on a Thursday.
    let days = shown.moment(true).unwrap_or(moment).div_euclid(86_400);
    let name = |names: &'static [&str], at: i64| {
        usize::try_from(at).ok().and_then(|at| names.get(at)).copied().unwrap_or("???")
    };
    let day = name(&DAYS, days.rem_euclid(7));
    let month = name(&MONTHS, i64::from(shown.month) - 1);
    let Civil { year, day: date, hour, minute, second, .. } = shown;
    format!("{day} {month} {date:2} {hour:02}:{minute:02}:{second:02} {year}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_day_of_the_week_is_that_of_the_date() {
        // Whatever the time zone is, noon is on one of two days.
        for (moment, days) in
            [(1_795_637_326, ["Wed Nov 25", "Thu Nov 26"]), (43_200, ["Thu Jan  1", "Fri Jan  2"])]
        {
            let shown = civil(moment);
            let earlier = days.iter().any(|day| shown.starts_with(day)) || shown.starts_with("Tue Nov 24");
            assert!(earlier, "{shown}");
        }
        let date = std::process::Command::new("date")
            .env("LC_ALL", "C")
            .args(["-d", "@1795637326", "+%a %b %e %T %Y"])
            .output()
            .unwrap();
        assert_eq!(civil(1_795_637_326), String::from_utf8_lossy(&date.stdout).trim());
    }

    #[tokio::test]
    async fn what_is_asked_for_meanwhile_is_one_more_time_together() {
        let mut dumps = Dumps::default();
        dumps.ask(Dump::Json);
        assert_eq!(dumps.take(), [Dump::Json].into());
        let (go, gone) = oneshot::channel::<()>();
        dumps.writing = Some(tokio::spawn(async move {
            let _ = gone.await;
            Vec::new()
        }));
        for dump in [Dump::Json, Dump::Data, Dump::Json, Dump::Json] {
            dumps.ask(dump);
            assert!(dumps.take().is_empty(), "something is written");
        }
        go.send(()).unwrap();
        assert!(dumps.written().await.is_empty());
        assert_eq!(dumps.take(), [Dump::Data, Dump::Json].into());
        assert!(dumps.take().is_empty());
    }

    #[test]
    fn what_goes_wrong_again_and_again_is_said_once() {
        let mut dumps = Dumps::default();
        let written = |outcome: Result<(), &str>| {
            vec![Written { path: "/x".into(), outcome: outcome.map_err(str::to_owned) }]
        };
        dumps.tell(written(Err("no room")));
        dumps.tell(written(Err("no room")));
        assert_eq!(dumps.failed.len(), 1);
        dumps.tell(written(Ok(())));
        assert!(dumps.failed.is_empty());
    }

    #[tokio::test]
    async fn a_thread_that_does_not_answer_keeps_no_file_waiting() {
        let (commands, receiver) = tokio::sync::mpsc::channel(1);
        let last = Arc::new(Snapshot { latest: Duration::from_secs(7), ..Snapshot::default() });
        drop(receiver);
        assert_eq!(ask(&commands, true, Arc::clone(&last)).await, last);
        tokio::time::pause();
        let (commands, _silent) = tokio::sync::mpsc::channel(1);
        assert_eq!(ask(&commands, false, Arc::clone(&last)).await, last);
    }
}
