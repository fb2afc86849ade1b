//! All tracked scripts: which are due, which one a result is for, and which stay over a reload.
//!
//! Inputs: the scripts of a start or reload, timers, ends of runs. Outputs: runs, and the standings of all of them as a
//! whole whenever one changes. Invariants: a result of a run that a reload made obsolete counts for nobody; a script
//! whose program is the same keeps its standing, its counts and its run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::model::TrackScript;
use crate::script::{Ending, Program};

use super::Standing;
use super::event::Event;
use super::script::{self, Script};

/// Tells the scripts of one process apart; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Id(u64);

/// What the scripts amount to, by name.
pub type Standings = BTreeMap<String, Standing>;

/// A script of the configuration, and what is run for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its definition.
    pub config: TrackScript,
    /// What is run.
    pub program: Program,
}

/// What can happen.
#[derive(Debug, Clone)]
pub enum Input {
    /// What is tracked after a start or reload.
    Configure(Vec<Wanted>),
    /// A run ended.
    Ended {
        /// Whose.
        id: Id,
        /// How.
        ending: Ending,
    },
    /// The time that [`Scripts::next_timer`] named has come.
    Timer,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Run this; [`Input::Ended`] is the answer.
    Run {
        /// For whom.
        id: Id,
        /// What.
        program: Program,
        /// For how long at most.
        limit: Duration,
    },
    /// End the run: nobody waits for its result.
    Stop(Id),
    /// What the scripts amount to now.
    Standings(Arc<Standings>),
    /// Tell.
    Report {
        /// Of which script.
        script: String,
        /// What.
        event: Event,
    },
}

/// Why to be called.
pub type Timer = script::Timer;

/// A view of all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// Every script.
    pub scripts: Vec<script::Snapshot>,
}

/// All tracked scripts.
#[derive(Debug, Clone, Default)]
pub struct Scripts {
    scripts: BTreeMap<Id, Script>,
    last_id: u64,
    told: Arc<Standings>,
}

impl Scripts {
    /// Feeds one input; what must be done is appended to `out`, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Configure(wanted) => self.configure(now, wanted, out),
            Input::Ended { id, ending } => self.feed(now, id, script::Input::Ended(ending), out),
            Input::Timer => {
                for id in self.scripts.keys().copied().collect::<Vec<Id>>() {
                    self.feed(now, id, script::Input::Timer, out);
                }
            }
        }
        self.tell(out);
    }

    /// When to call again with [`Input::Timer`], and why.
    pub fn next_timer(&self) -> Option<(Instant, Timer)> {
        self.scripts.values().map(Script::next_timer).min()
    }

    /// The present state, for whoever asks.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot { scripts: self.scripts.values().map(Script::snapshot).collect() }
    }

    fn configure(&mut self, now: Instant, wanted: Vec<Wanted>, out: &mut Vec<Action>) {
        let old = std::mem::take(&mut self.scripts).into_iter();
        let mut old: BTreeMap<String, (Id, Script)> =
            old.map(|(id, script)| (script.config().name.clone(), (id, script))).collect();
        for Wanted { config, program } in wanted {
            match old.remove(&config.name) {
                Some((id, mut script)) if *script.program() == program => {
                    if *script.config() != config {
                        script.reconfigure(config, now);
                    }
                    self.scripts.insert(id, script);
                }
                before => {
                    let standing = before.as_ref().map(|(_, script)| script.standing());
                    out.extend(before.and_then(obsolete));
                    self.last_id += 1;
                    let script = Script::new(config, program, now, standing);
                    self.scripts.insert(Id(self.last_id), script);
                }
            }
        }
        out.extend(old.into_values().filter_map(obsolete));
        self.tell(out);
    }

    fn feed(&mut self, now: Instant, id: Id, input: script::Input, out: &mut Vec<Action>) {
        let Some(script) = self.scripts.get_mut(&id) else { return };
        let mut actions = Vec::new();
        script.handle(now, input, &mut actions);
        for action in actions {
            match action {
                script::Action::Run => {
                    let (program, limit) = (script.program().clone(), script.config().timeout);
                    out.push(Action::Run { id, program, limit });
                }
                script::Action::Report(event) => {
                    out.push(Action::Report { script: script.config().name.clone(), event });
                }
                // All are told together.
                script::Action::Standing(_) => {}
            }
        }
    }

    fn tell(&mut self, out: &mut Vec<Action>) {
        let is_told = |script: &Script| self.told.get(&script.config().name) == Some(&script.standing());
        if self.told.len() == self.scripts.len() && self.scripts.values().all(is_told) {
            return;
        }
        let standing = |script: &Script| (script.config().name.clone(), script.standing());
        let now: Standings = self.scripts.values().map(standing).collect();
        if now != *self.told {
            self.told = Arc::new(now);
            out.push(Action::Standings(Arc::clone(&self.told)));
        }
    }
}

fn obsolete((id, script): (Id, Script)) -> Option<Action> {
    script.is_running().then_some(Action::Stop(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{Command, TrackWeight};
    use crate::script::Identity;

    fn wanted(name: &str, program: &str, fall: u32) -> Wanted {
        let second = Duration::from_secs(1);
        let config = TrackScript {
            name: name.into(),
            command: Command::default(),
            interval: second,
            timeout: second,
            weight: TrackWeight::default(),
            rise: 1,
            fall,
            init_fail: false,
        };
        let identity = Identity { uid: 0, gid: 0, groups: Vec::new() };
        Wanted { config, program: Program { arguments: vec![program.into()], identity } }
    }

    struct Bench {
        scripts: Scripts,
        now: Instant,
        /// Under way.
        runs: Vec<Id>,
        stopped: Vec<Id>,
        standings: Arc<Standings>,
    }

    impl Bench {
        fn new() -> Self {
            let (scripts, runs, stopped) = (Scripts::default(), Vec::new(), Vec::new());
            Self { scripts, now: Instant::now(), runs, stopped, standings: Arc::default() }
        }

        fn feed(&mut self, input: Input) {
            let mut out = Vec::new();
            self.scripts.handle(self.now, input, &mut out);
            for action in out {
                match action {
                    Action::Run { id, .. } => self.runs.push(id),
                    Action::Stop(id) => self.stopped.push(id),
                    Action::Standings(standings) => self.standings = standings,
                    Action::Report { .. } => {}
                }
            }
        }

        fn end(&mut self, id: Id, status: i32) {
            self.runs.retain(|run| *run != id);
            self.feed(Input::Ended { id, ending: Ending::Exited(status) });
        }

        fn seen(&self) -> String {
            let one = |(name, standing): (&String, &Standing)| format!("{name}:{standing:?} ");
            self.standings.iter().map(one).collect()
        }
    }

    #[test]
    fn what_stays_over_a_reload_goes_on_and_what_is_gone_counts_for_nobody() {
        let mut bench = Bench::new();
        bench.feed(Input::Configure(vec![wanted("a", "x", 2), wanted("b", "y", 1), wanted("c", "z", 1)]));
        assert_eq!(bench.seen(), "a:Pending b:Pending c:Pending ");
        bench.feed(Input::Timer);
        let [a, b, c] = bench.runs[..] else { panic!("{:?}", bench.runs) };
        bench.end(a, 0);
        bench.end(b, 1);
        assert_eq!(bench.seen(), "a:Up b:Down c:Pending ");
        bench.now += Duration::from_secs(1);
        bench.feed(Input::Timer);
        // a has another count, b another program, c is gone.
        bench.feed(Input::Configure(vec![wanted("a", "x", 1), wanted("b", "other", 1)]));
        assert_eq!((bench.seen().as_str(), &bench.stopped[..]), ("a:Up b:Down ", &[b, c][..]));
        bench.end(b, 0);
        bench.end(c, 0);
        assert_eq!(bench.seen(), "a:Up b:Down ", "results of what is gone");
        bench.end(a, 1);
        assert_eq!(bench.seen(), "a:Down b:Down ", "the run went on over the reload");
        bench.feed(Input::Timer);
        let new = *bench.runs.last().unwrap();
        bench.end(new, 0);
        assert_eq!(bench.seen(), "a:Down b:Up ");
        bench.feed(Input::Configure(Vec::new()));
        assert_eq!((bench.seen().as_str(), bench.scripts.next_timer()), ("", None));
    }

    /// Hundreds of histories of results, reloads and late ends: what is told is what the last result says.
    #[test]
    fn the_last_result_always_counts() {
        for seed in 0..500 {
            let mut random = fastrand::Rng::with_seed(seed);
            let mut bench = Bench::new();
            let mut last: BTreeMap<&str, i32> = BTreeMap::new();
            let mut programs: BTreeMap<&str, u8> = BTreeMap::from([("a", 0), ("b", 0)]);
            let configure = |programs: &BTreeMap<&str, u8>| {
                programs.iter().map(|(name, program)| wanted(name, &program.to_string(), 1)).collect()
            };
            bench.feed(Input::Configure(configure(&programs)));
            for _step in 0..60 {
                match random.u8(0..10) {
                    0 => {
                        let name = if random.bool() { "a" } else { "b" };
                        *programs.get_mut(name).unwrap() += random.u8(0..2);
                        bench.feed(Input::Configure(configure(&programs)));
                    }
                    1..=4 => {
                        bench.now += Duration::from_millis(random.u64(0..1500));
                        bench.feed(Input::Timer);
                    }
                    _ if bench.runs.is_empty() => {}
                    _ => {
                        let id = bench.runs[random.usize(0..bench.runs.len())];
                        let status = i32::from(random.bool());
                        let current = bench.scripts.scripts.get(&id).map(|one| one.config().name.clone());
                        bench.end(id, status);
                        if let Some(name) = current {
                            last.insert(if name == "a" { "a" } else { "b" }, status);
                        }
                    }
                }
                for (name, status) in &last {
                    let expected = if *status == 0 { Standing::Up } else { Standing::Down };
                    assert_eq!(bench.standings.get(*name), Some(&expected), "seed {seed}");
                }
            }
        }
    }
}
