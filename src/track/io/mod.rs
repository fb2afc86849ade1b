//! Runs what the machine of all tracked scripts wants run, reads the tracked files, and looks for the tracked processes.

mod files;
mod filter;
mod proc;
mod processes;

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;
use std::time::Instant;

use crate::config::model::{TrackFile, TrackProcess};
use crate::report::io::say;
use crate::script::Ending;
use crate::script::io::{GRACE, Runner};

use super::Facts;
use super::script;
use super::scripts::{Action, Id, Input, Scripts, Standings, Wanted};
use files::Files;
use processes::Processes;

/// What wakes whoever waits for the tracked objects.
#[derive(Debug)]
pub enum News {
    /// A run ended.
    Run((Id, Ending)),
    /// Something changed where the files are.
    Files,
    /// Something is known of processes.
    Processes(processes::News),
}

/// The tracked scripts, and their runs under way; the tracked files and processes.
#[derive(Debug)]
pub struct Tracking {
    machine: Scripts,
    runner: Runner<Id>,
    standings: Arc<Standings>,
    files: Files,
    processes: Processes,
}

impl Tracking {
    /// Nothing is tracked. `files`: how many files a script may open, soft and hard. `started_in`: the network namespace
    /// that the daemon was started in, when it works in another one.
    #[must_use]
    pub fn new(files: Option<(u64, u64)>, started_in: Option<Arc<File>>) -> Self {
        Self {
            machine: Scripts::default(),
            runner: Runner::new(files),
            standings: Arc::default(),
            files: Files::default(),
            processes: Processes::new(started_in),
        }
    }

    /// What is tracked after a start or reload.
    pub fn configure(&mut self, scripts: Vec<Wanted>, files: Vec<TrackFile>, processes: Vec<TrackProcess>) {
        self.feed(Input::Configure(scripts));
        self.files.configure(files);
        self.processes.configure(processes);
    }

    /// What all of it amounts to; BFD sessions are not among it.
    #[must_use]
    pub fn facts(&self) -> Facts {
        Facts {
            scripts: Arc::clone(&self.standings),
            files: self.files.numbers(),
            processes: self.processes.standings(),
            // The BFD thread tells the VRRP thread itself.
            ..Facts::default()
        }
    }

    /// How many of the tracked processes run, by their names.
    #[must_use]
    pub fn running(&self) -> BTreeMap<String, usize> {
        self.processes.running()
    }

    /// A view of each tracked script.
    #[must_use]
    pub fn scripts(&self) -> Vec<script::Snapshot> {
        self.machine.snapshot().scripts
    }

    /// When [`Self::tick`] is to be called next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let scripts = self.machine.next_timer().map(|(at, _)| at);
        scripts.into_iter().chain(self.files.next()).chain(self.processes.next()).min()
    }

    /// Starts what is due.
    pub fn tick(&mut self) {
        let now = Instant::now();
        if self.files.next().is_some_and(|at| at <= now) {
            self.files.look();
        }
        self.processes.tick();
        if self.machine.next_timer().is_some_and(|(at, _)| at <= now) {
            self.feed(Input::Timer);
        }
    }

    /// The next run that ends, or change of a file, to be given to [`Self::take_in`]; waits for ever when there is none.
    pub async fn news(&mut self) -> News {
        tokio::select! {
            end = self.runner.ended() => News::Run(end),
            () = self.files.changed() => News::Files,
            news = self.processes.news() => News::Processes(news),
        }
    }

    /// Takes it in.
    pub fn take_in(&mut self, news: News) {
        match news {
            News::Run((id, ending)) => self.feed(Input::Ended { id, ending }),
            News::Files => self.files.look(),
            News::Processes(news) => self.processes.take_in(news),
        }
    }

    /// Ends all runs.
    pub async fn end(&mut self) {
        self.feed(Input::Configure(Vec::new()));
        self.processes.configure(Vec::new());
        self.runner.end(GRACE).await;
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.machine.handle(Instant::now(), input, &mut actions);
        for action in actions {
            match action {
                Action::Run { id, program, limit } => self.runner.start(id, program, Some(limit)),
                Action::Stop(id) => self.runner.stop(&id, GRACE),
                Action::Standings(standings) => self.standings = standings,
                Action::Report { script, event } => {
                    say(event.level(), format_args!("VRRP_Script({script}) {event}"));
                }
            }
        }
    }
}
