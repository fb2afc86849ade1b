//! Runs the scripts that the machine wants run, writes the FIFOs, and keeps their readers running.

mod fifo;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::time::sleep_until;

use crate::report::io::say;
use crate::script::Ending;
use crate::script::io::{GRACE, Runner};

use super::{Action, Commands, Input, Notifier, Run, Subject, What};
use fifo::Fifo;
pub use fifo::FifoSetup;

/// From the end of a reader to its next start. It waits twice as long as before when it ran for less than it had waited.
const PAUSE: Duration = Duration::from_secs(1);
/// At most.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A stop waits for scripts no longer.
const FAREWELL: Duration = Duration::from_secs(6);
/// And for readers, which see the end of their FIFO.
const READERS: Duration = Duration::from_secs(1);
/// So many scripts of virtual and real servers run at a time: thousands may go down at once.
const SCRIPTS_OF_SERVERS: usize = 100;
/// From the request to end to the kill, once the daemon stops.
const GRACE_AT_STOP: Duration = Duration::from_millis(500);

/// What is told after a start or reload.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// What is run, for each instance and group.
    pub commands: BTreeMap<Subject, Commands>,
    /// The same for each virtual and real server that something is run for.
    pub of_servers: BTreeMap<Subject, Commands>,
    /// Where lines are written.
    pub fifos: Vec<FifoSetup>,
    /// `fifo_write_vrrp_states_on_reload`.
    pub states_on_reload: bool,
}

/// What a process was started for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    /// A notify script.
    Script(Part, Run),
    /// Who reads a FIFO: never used twice.
    Reader(u64),
}

/// What a notification is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Instances and groups.
    Vrrp,
    /// Virtual and real servers.
    Servers,
}

impl Part {
    fn of(subject: &Subject) -> Self {
        match subject {
            Subject::Instance(_) | Subject::Group(_) => Self::Vrrp,
            Subject::Service(_) | Subject::Server { .. } => Self::Servers,
        }
    }
}

/// The notifications, and everything that is under way for them.
#[derive(Debug)]
pub struct Notifications {
    vrrp: Notifier,
    /// A storm among the servers holds up no instance.
    servers: Notifier,
    runner: Runner<Tag>,
    fifos: Vec<Open>,
    last_reader: u64,
    stopping: bool,
}

#[derive(Debug)]
struct Open {
    fifo: Fifo,
    reader: Reader,
}

/// The program that reads a FIFO.
#[derive(Debug)]
enum Reader {
    None,
    /// `waited`: before it was started; zero for the first time.
    Runs {
        number: u64,
        since: Instant,
        waited: Duration,
    },
    Pauses {
        until: Instant,
        pause: Duration,
    },
}

impl Notifications {
    /// Nobody is told. `files`: how many files a script may open, soft and hard.
    #[must_use]
    pub fn new(files: Option<(u64, u64)>) -> Self {
        Self {
            vrrp: Notifier::default(),
            servers: Notifier::limited(SCRIPTS_OF_SERVERS),
            runner: Runner::new(files),
            fifos: Vec::new(),
            last_reader: 0,
            stopping: false,
        }
    }

    /// What is told after a start or reload. What is equal goes on; a FIFO that is new gets the present states.
    pub fn configure(&mut self, setup: Setup) {
        let mut old = std::mem::take(&mut self.fifos);
        for wanted in setup.fifos {
            let same = |open: &Open| open.fifo.setup == wanted && open.fifo.is_there();
            match old.iter().position(same) {
                Some(at) => self.fifos.push(old.swap_remove(at)),
                None => {
                    // Its name may still be taken by the one before.
                    if let Some(at) = old.iter().position(|open| open.fifo.setup.path == wanted.path) {
                        let before = old.swap_remove(at);
                        self.close(before);
                    }
                    let reader = self.start_reader(&wanted, Duration::ZERO);
                    let mut fifo = Fifo::open(wanted);
                    replay(&self.vrrp, &mut fifo);
                    replay(&self.servers, &mut fifo);
                    self.fifos.push(Open { fifo, reader });
                }
            }
        }
        old.into_iter().for_each(|open| self.close(open));
        if setup.states_on_reload {
            self.fifos.iter_mut().for_each(|open| replay(&self.vrrp, &mut open.fifo));
        }
        self.feed(Part::Vrrp, Input::Configure(setup.commands));
        self.feed(Part::Servers, Input::Configure(setup.of_servers));
    }

    /// Something happened to an instance, a group or a server. What nobody wants to know of a server costs nothing.
    pub fn tell(&mut self, subject: Subject, what: What, priority: u8) {
        let part = Part::of(&subject);
        let heard = part == Part::Vrrp || self.fifos.iter().any(|open| open.fifo.setup.hears(&subject));
        if heard || self.servers.runs_for(&subject) {
            self.feed(part, Input::Told { subject, what, priority });
        }
    }

    /// When [`Self::tick`] is to be called next.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        let restarts = self.fifos.iter().filter_map(|open| match open.reader {
            Reader::Pauses { until, .. } => Some(until),
            Reader::None | Reader::Runs { .. } => None,
        });
        self.timer().into_iter().chain(restarts).min()
    }

    fn timer(&self) -> Option<Instant> {
        let timers = [self.vrrp.next_timer(), self.servers.next_timer()];
        timers.into_iter().flatten().map(|(at, _)| at).min()
    }

    fn is_idle(&self) -> bool {
        self.vrrp.is_idle() && self.servers.is_idle()
    }

    /// The same for both.
    fn feed_all(&mut self, input: &Input) {
        self.feed(Part::Vrrp, input.clone());
        self.feed(Part::Servers, input.clone());
    }

    /// Does what is due.
    pub fn tick(&mut self) {
        let now = Instant::now();
        let mut fifos = std::mem::take(&mut self.fifos);
        for open in &mut fifos {
            if let Reader::Pauses { until, pause } = open.reader
                && until <= now
            {
                open.reader = self.start_reader(&open.fifo.setup, pause);
                replay(&self.vrrp, &mut open.fifo);
                replay(&self.servers, &mut open.fifo);
            }
        }
        self.fifos = fifos;
        self.feed_all(&Input::Timer);
    }

    /// Whether lines wait for room in a FIFO.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.fifos.iter().any(|open| open.fifo.is_behind())
    }

    /// Offers them again.
    pub fn retry(&mut self) {
        self.fifos.iter_mut().for_each(|open| open.fifo.flush());
    }

    /// The next run that ends, to be given to [`Self::take_in`]; waits for ever when none is under way.
    pub async fn ended(&mut self) -> (Tag, Ending) {
        self.runner.ended().await
    }

    /// Takes the end of a run in.
    pub fn take_in(&mut self, (tag, ending): (Tag, Ending)) {
        match tag {
            Tag::Script(part, run) => self.feed(part, Input::Ended { run, ending }),
            Tag::Reader(number) => {
                for open in &mut self.fifos {
                    let Reader::Runs { number: running, since, waited } = open.reader else { continue };
                    if running == number {
                        let pause = pause(waited, since.elapsed());
                        let (path, seconds) = (&open.fifo.setup.path, pause.as_secs());
                        tracing::warn!(
                            "the script that reads the FIFO {path} {ending}; started again in {seconds} s"
                        );
                        open.reader = Reader::Pauses { until: Instant::now() + pause, pause };
                    }
                }
            }
        }
    }

    /// Lets what was told last come to its end, within bounds, and ends the rest. What readers have is within the time of
    /// scripts.
    pub async fn end(&mut self) {
        self.stopping = true;
        self.feed_all(&Input::Stop);
        let end = Instant::now() + FAREWELL;
        // A reader may have been started just now: its FIFO stays for as long as there is time.
        let (close, mut closed) = (end - READERS, None);
        loop {
            let (now, told) = (Instant::now(), self.is_idle());
            if closed.is_none() && (told || close <= now) {
                for mut open in std::mem::take(&mut self.fifos) {
                    open.fifo.flush();
                    open.fifo.close();
                }
                closed = Some(now);
            }
            let limit = match closed {
                None => close,
                Some(closed) if told => closed + READERS,
                Some(_) => end,
            };
            if (told && self.runner.is_empty()) || (closed.is_some() && limit <= now) {
                break;
            }
            let timer = self.timer().map_or(limit, |at| at.min(limit));
            tokio::select! {
                end = self.runner.ended() => self.take_in(end),
                () = sleep_until(timer.into()) => self.feed_all(&Input::Timer),
            }
        }
        if !self.is_idle() {
            let seconds = FAREWELL.as_secs();
            tracing::warn!("notify scripts still ran {seconds} s after the stop, and are ended");
        }
        self.runner.end(GRACE_AT_STOP).await;
    }

    fn start_reader(&mut self, setup: &FifoSetup, waited: Duration) -> Reader {
        let Some(program) = &setup.reader else { return Reader::None };
        self.last_reader += 1;
        let number = self.last_reader;
        self.runner.start(Tag::Reader(number), program.with([setup.path.clone()]), None);
        Reader::Runs { number, since: Instant::now(), waited }
    }

    fn close(&mut self, open: Open) {
        if let Reader::Runs { number, .. } = open.reader {
            self.runner.stop(&Tag::Reader(number), GRACE);
        }
        open.fifo.close();
    }

    fn feed(&mut self, part: Part, input: Input) {
        let mut actions = Vec::new();
        let machine = match part {
            Part::Vrrp => &mut self.vrrp,
            Part::Servers => &mut self.servers,
        };
        machine.handle(Instant::now(), input, &mut actions);
        for action in actions {
            match action {
                Action::Run { run, program } => self.runner.start(Tag::Script(part, run), program, None),
                Action::End(run) => {
                    let grace = if self.stopping { GRACE_AT_STOP } else { GRACE };
                    self.runner.stop(&Tag::Script(part, run), grace);
                }
                Action::Write { subject, line, state } => {
                    for open in self.fifos.iter_mut().filter(|open| open.fifo.setup.hears(&subject)) {
                        open.fifo.write(&subject, &line, state);
                    }
                }
                Action::Report { subject, event } => say(event.level(), format_args!("{subject} {event}")),
            }
        }
    }
}

/// How long a reader waits for its next start that waited so long for the last one, and ran so long then.
fn pause(waited: Duration, ran: Duration) -> Duration {
    if ran > waited { PAUSE } else { (waited * 2).clamp(PAUSE, LONGEST_PAUSE) }
}

fn replay(machine: &Notifier, fifo: &mut Fifo) {
    for (subject, line) in machine.states() {
        if fifo.setup.hears(&subject) {
            fifo.write(&subject, &line, true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::State;
    use crate::script::{Identity, Program};
    use nix::unistd::{getegid, geteuid};
    use std::path::Path;

    fn shell(text: &str) -> Program {
        let identity = Identity { uid: geteuid().as_raw(), gid: getegid().as_raw(), groups: Vec::new() };
        Program { arguments: ["/bin/sh", "-c", text].map(str::to_owned).into(), identity }
    }

    fn setup(folder: &Path, reader: &str, commands: Commands) -> Setup {
        let path = folder.join("fifo").to_str().unwrap().to_owned();
        let reader = shell(reader);
        let fifo = FifoSetup {
            path,
            owner: reader.identity.clone(),
            reader: Some(reader),
            vrrp: true,
            servers: true,
        };
        Setup {
            commands: [(Subject::Instance("A".to_owned()), commands)].into(),
            of_servers: BTreeMap::new(),
            fifos: vec![fifo],
            states_on_reload: false,
        }
    }

    /// Does what is due until a run ends.
    async fn step(notifications: &mut Notifications) -> Tag {
        loop {
            let due = notifications.next();
            tokio::select! {
                end = notifications.ended() => {
                    let tag = end.0;
                    notifications.take_in(end);
                    return tag;
                }
                () = crate::sys::poll::until(due) => notifications.tick(),
            }
        }
    }

    /// keepalived 2.4.3 does not start it again.
    #[tokio::test]
    async fn a_reader_that_ends_is_started_again_and_gets_the_present_states() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let reader = format!("read line <\"$0\"; echo \"$line\" >>{}", out.display());
        let setup = setup(folder.path(), &reader, Commands::default());
        let mut notifications = Notifications::new(None);
        notifications.configure(setup.clone());
        notifications.tell(Subject::Instance("A".into()), What::Entered(State::Master), 100);
        assert_eq!(step(&mut notifications).await, Tag::Reader(1));
        // A reload in which nothing of it changes touches nothing.
        notifications.configure(setup);
        assert_eq!(step(&mut notifications).await, Tag::Reader(2));
        let line = "INSTANCE \"A\" MASTER 100\n";
        assert_eq!(std::fs::read_to_string(&out).unwrap(), line.repeat(2));
        notifications.end().await;
        assert!(!folder.path().join("fifo").exists());
    }

    #[test]
    fn the_pause_of_a_reader_grows_while_it_runs_for_less_than_it_waited() {
        let seconds = Duration::from_secs;
        let mut waited = Duration::ZERO;
        for expected in [1, 2, 4, 8, 16, 32, 60, 60] {
            waited = pause(waited, Duration::from_millis(3));
            assert_eq!(waited, seconds(expected));
        }
        assert_eq!(pause(waited, seconds(59)), LONGEST_PAUSE);
        assert_eq!(pause(waited, seconds(61)), PAUSE);
        // One that reads for six seconds each time.
        let mut waited = Duration::ZERO;
        for _run in 0..10 {
            waited = pause(waited, seconds(6));
            assert_eq!(waited, PAUSE);
        }
    }

    /// The stop is told, and what reads it has read it when everything ends.
    #[tokio::test]
    async fn a_stop_is_told_to_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let (lines, calls) = (folder.path().join("lines"), folder.path().join("calls"));
        let told = |word: &str| Some(shell(&format!("sleep 0.2; echo {word} >>{}", calls.display())));
        let hangs = Some(shell("trap '' TERM; sleep 1000"));
        let commands =
            Commands { master: hangs, stop: told("stop"), any: told("any"), ..Commands::default() };
        let mut notifications = Notifications::new(None);
        let reader = format!("cat \"$0\" >{}", lines.display());
        notifications.configure(setup(folder.path(), &reader, commands));
        notifications.tell(Subject::Instance("A".into()), What::Entered(State::Master), 100);
        notifications.tell(Subject::Instance("A".into()), What::Entered(State::Stop), 100);
        let started = Instant::now();
        notifications.end().await;
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
        assert_eq!(std::fs::read_to_string(&calls).unwrap(), "stop\nany\n");
        let lines = std::fs::read_to_string(&lines).unwrap();
        assert_eq!(lines, "INSTANCE \"A\" MASTER 100\nINSTANCE \"A\" STOP 100\n");
    }

    /// Scripts and a reader that hang and ignore the request to end: each script is run all the same, and the stop takes
    /// what scripts may take.
    #[tokio::test]
    async fn a_stop_in_which_everything_hangs_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let calls = folder.path().join("calls");
        let hangs = |word: &str| {
            Some(shell(&format!(
                "trap '' TERM; echo {word} >>{}; while :; do sleep 1000; done",
                calls.display()
            )))
        };
        let commands = Commands {
            master: hangs("master"),
            stop: hangs("stop"),
            any: hangs("any"),
            ..Commands::default()
        };
        let mut notifications = Notifications::new(None);
        let reader = "trap '' TERM; exec 3<\"$0\"; while :; do sleep 1000; done";
        notifications.configure(setup(folder.path(), reader, commands));
        notifications.tell(Subject::Instance("A".into()), What::Entered(State::Master), 100);
        notifications.tell(Subject::Instance("A".into()), What::Entered(State::Stop), 100);
        let started = Instant::now();
        notifications.end().await;
        let took = started.elapsed();
        assert!(took >= FAREWELL && took < Duration::from_secs(7), "{took:?}");
        assert_eq!(std::fs::read_to_string(&calls).unwrap(), "master\nstop\nany\n");
    }
}
