//! Wiring: start-up, reload, shutdown. Two threads: VRRP's own, and this one for everything else.

mod apply;
mod around;
mod balancer;
mod by_hand;
pub(crate) mod candidate;
mod checks;
mod connection;
mod dbus;
mod dumps;
mod error;
mod failover;
mod files;
pub(crate) mod guard;
pub mod kept;
mod leave;
pub(crate) mod lock;
pub(crate) mod logging;
mod maintenance;
mod marker;
pub(crate) mod names;
pub(crate) mod namespace;
mod notices;
mod options;
pub mod owned;
mod presence;
pub(crate) mod privilege;
pub(crate) mod programs;
pub(crate) mod refusal;
mod reload;
pub(crate) mod requests;
mod restart;
mod resume;
mod rival;
mod scheduling;
mod service_manager;
mod sessions;
pub(crate) mod signals;
mod snmp;
mod state;
mod status;
mod suspending;
mod sync;
mod timeouts;
mod timetable;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio::time::{MissedTickBehavior, interval};

use crate::beside::io::News as Beside;
use crate::check::Standing;
use crate::check::checks::Key;
use crate::check::io::runner::Ended;
use crate::config::model::ProcessPart;
use crate::dbus::objects::Ask;
use crate::mail;
use crate::mail::io::Mails;
use crate::notify::What;
use crate::notify::io::{Notifications, Tag};
use crate::script::Ending;
use crate::snmp::table::Source;
use crate::sys::poll::until;
use crate::sys::runtime::drive;
use crate::track::Facts;
use crate::track::io::{News, Tracking};
use crate::vrrp::io::{self as vrrp, Handle};
use crate::vrrp::node::{Claim, Report};
use crate::webhook::io::Webhooks;

use around::{Around, Went};
use balancer::Balancer;
use by_hand::Words;
use candidate::{Candidate, Load};
use checks::Checks;
use dbus::Dbus;
use dumps::Dumps;
use leave::succeed;
use lock::RuntimeLock;
use maintenance::Maintenance;
use owned::Owned;
use presence::Presence;
use reload::{Judged, Reloads, Running};
use requests::{Request, Requests};
use resume::Leading;
use service_manager::Manager;
use sessions::Sessions;
use signals::{Asked, Signals};
use snmp::Snmp;
use suspending::Suspending;
use sync::Sync;
use timeouts::Timeouts;
use timetable::Timetable;

pub use error::Error;
pub use options::Options;

/// What failed and can be tried again is tried again this often: files, sockets, IPVS.
const RETRY: Duration = Duration::from_secs(2);
/// Ends of checks that are taken in together.
const AT_ONCE: usize = 256;
/// A disk that stands still keeps no stop waiting for longer.
const LAST_WRITES: Duration = Duration::from_millis(500);

/// What a start must have before it changes anything: capabilities, the lock, and VRRP for itself. To be called before
/// the process goes into the background, so that the caller learns what is wrong.
pub fn prepare(options: &Options, candidate: &Candidate) -> Result<RuntimeLock, Error> {
    let vrrp = !options.only_checkers && candidate.runnable.has_network();
    privilege::check(vrrp)?;
    let lock = RuntimeLock::take(&options.runtime_directory)?;
    let wanted = rival::wanted(&candidate.runnable.instances);
    match vrrp.then(|| rival::find(candidate.is_one_of_several(), &wanted)).flatten() {
        Some(rival) => Err(rival.into()),
        None => Ok(lock),
    }
}

/// Runs until a signal says stop; `ready` is called when the configuration is in force. The lock is held until the end.
pub fn run(
    options: Options,
    lock: RuntimeLock,
    mut candidate: Candidate,
    load: Load,
    ready: impl FnOnce() + Send + 'static,
) -> Result<(), Error> {
    let files = raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let work = async move {
        let mut signals = Signals::new(options.ignore_sigint, options.guard.as_ref())?;
        let mut reload = false;
        if let Some(startup) = candidate.programs.startup.take() {
            Manager::new(options.guard.as_ref()).extend(startup.longest());
            if startup.run(files, stop_asked(&mut signals, &mut reload)).await == Went::Stop {
                return Ok(());
            }
        }
        let mut director = Director::start(options, lock, candidate, load, files)?;
        ready();
        if reload {
            director.reloads.ask(false, None);
        }
        let outcome = director.serve(&mut signals).await;
        director.settle().await;
        if outcome.is_err() || !director.leave(&mut signals).await {
            director.stop(&mut signals).await;
        }
        outcome
    };
    let outcome = drive(&runtime, work);
    // A configuration that is being read is waited for by nobody.
    runtime.shutdown_timeout(LAST_WRITES);
    outcome
}

/// Somebody asks for the end before all is there. A reload that is asked for meanwhile is put off.
async fn stop_asked(signals: &mut Signals, reload: &mut bool) {
    loop {
        match signals.next().await {
            Asked::Stop => return,
            Asked::Reload => *reload = true,
            Asked::Pause | Asked::Dump(_) => {}
        }
    }
}

/// Each check under way takes a descriptor, and when many servers are dead at once, many are under way. Returns the
/// limits before, soft and hard, which scripts get.
fn raise_file_limit() -> Option<(u64, u64)> {
    let before = getrlimit(Resource::RLIMIT_NOFILE);
    let raised = before.and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
    before.ok()
}

struct Director {
    options: Arc<Options>,
    presence: Presence,
    requests: Requests,
    asked: mpsc::Receiver<Request>,
    manager: Manager,
    balancer: Balancer,
    sync: Sync,
    timeouts: Timeouts,
    checks: Checks,
    suspending: Suspending,
    ended: mpsc::Receiver<Ended>,
    tracking: Tracking,
    sessions: Sessions,
    notifications: Notifications,
    mails: Mails,
    webhooks: Webhooks,
    vrrp: Option<Handle>,
    /// Addresses that we, or a killed predecessor, may have set.
    addresses: Owned<Claim>,
    reloads: Reloads,
    timetable: Timetable,
    /// The configuration in force.
    running: Arc<Running>,
    /// Why the last reload was refused.
    refused: Option<String>,
    /// How the threads of VRRP run.
    part: ProcessPart,
    /// What runs when all else has ended.
    shutdown: Option<Around>,
    snmp: Snmp,
    dumps: Dumps,
    /// When this process began.
    started: SystemTime,
    maintenance: Maintenance,
    words: Words,
    dbus: Dbus,
    /// How many files a program may open.
    files: Option<(u64, u64)>,
    /// Gives back what the last start or reload has left.
    gives_back: Option<AbortHandle>,
    /// What leads is written down, for the case of a kill; with `--guard`.
    leading: Option<Leading>,
    /// The state is to be shown anew.
    changed: bool,
}

/// What woke the director.
enum Event {
    Due,
    /// Checks, all that ended since the last turn.
    Ended(Vec<Ended>),
    /// Addresses of this machine changed.
    Addresses,
    /// A tracked script, file or process.
    Tracked(News),
    /// A BFD session.
    Session(sessions::News),
    /// A notify script, or one that reads a FIFO.
    Told((Tag, Ending)),
    /// The process that answers over SNMP.
    Snmp(snmp::Wanted),
    /// Files that a signal asked for.
    Dumped(Vec<dumps::Written>),
    /// The process that speaks with D-Bus.
    Dbus(Beside<Ask>),
    /// A mail.
    Mailed(mail::Outcome),
    /// A delivery to one of the webhooks.
    Delivered((usize, Result<(), String>)),
    Retry,
    Signal(Asked),
    Request(Request),
    Judged(Judged),
    /// The file that says when the next reload is, or its time.
    Timetable,
    /// `None`: the VRRP thread has ended.
    Report(Option<Report>),
    Snapshot,
}

impl Director {
    async fn serve(&mut self, signals: &mut Signals) -> Result<(), Error> {
        let mut retry = interval(RETRY);
        retry.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.next(&mut retry, signals).await {
                Event::Due => {
                    let standings = self.checks.tick();
                    self.take_in(standings);
                    self.balancer.tick();
                    self.sync.tick();
                    self.timeouts.tick();
                    self.track(Tracking::tick);
                    self.notifications.tick();
                    self.mails.tick();
                    self.webhooks.tick();
                    self.show();
                    self.end_of_words();
                    if self.maintenance.tick() {
                        self.track(|_| {});
                        self.changed = true;
                    }
                }
                Event::Ended(ended) => {
                    let standings = self.checks.ended(ended);
                    self.take_in(standings);
                }
                Event::Addresses => self.suspend(),
                Event::Tracked(news) => self.track(|tracking| tracking.take_in(news)),
                Event::Session(news) => {
                    if !self.sessions.take_in(&news) {
                        return Err(Error::BfdDied);
                    }
                    self.track(|_| {});
                    self.changed = true;
                }
                Event::Told(end) => self.notifications.take_in(end),
                Event::Mailed(outcome) => self.mails.take_in(outcome),
                Event::Delivered(outcome) => self.webhooks.take_in(outcome),
                Event::Snmp(news) => self.heed_snmp(news),
                Event::Dumped(written) => self.dumps.tell(written),
                Event::Dbus(news) => self.heed_dbus(news),
                Event::Retry => self.retry(),
                Event::Signal(Asked::Stop) => return Ok(()),
                Event::Signal(Asked::Reload) => self.reloads.ask(false, None),
                Event::Signal(Asked::Pause) => {
                    tracing::warn!(
                        "a thread with realtime priority has worked for longer than `*_rlimit_rttime` without a pause; it goes on"
                    );
                }
                Event::Signal(Asked::Dump(dump)) => self.dumps.ask(dump),
                Event::Request(Request::Reload { allow_empty, answer }) => {
                    self.reloads.ask(allow_empty, Some(answer));
                }
                Event::Request(Request::Status(answer)) => {
                    // Who asked may have gone.
                    let _ = answer.send(self.status());
                }
                Event::Request(Request::Failover { of, back, answer }) => {
                    let said = self.failover(&of, back).await;
                    let _ = answer.send(said);
                }
                Event::Request(Request::Maintenance(wanted, answer)) => {
                    let _ = answer.send(self.maintenance.set(wanted));
                    self.track(|_| {});
                    self.changed = true;
                }
                Event::Request(Request::RealServer(wanted, answer)) => {
                    let _ = answer.send(self.say_of_servers(&wanted));
                }
                Event::Timetable => {
                    if self.timetable.look() {
                        self.reloads.ask(false, None);
                    }
                }
                Event::Judged(judged) => self.finish(judged).await?,
                Event::Report(Some(report)) => self.report(&report),
                Event::Report(None) => return Err(Error::VrrpDied),
                Event::Snapshot => self.take_snapshot(),
            }
            self.dump();
            if self.reloads.begin(&self.running) {
                self.manager.reloading();
            }
            if std::mem::take(&mut self.changed) {
                let state = self.state().to_string();
                self.manager.status(&state);
                self.requests.changed();
            }
        }
    }

    async fn next(&mut self, retry: &mut tokio::time::Interval, signals: &mut Signals) -> Event {
        let others = [
            self.balancer.next(),
            self.sync.next(),
            self.timeouts.next(),
            self.tracking.next(),
            self.notifications.next(),
            self.mails.next(),
            self.webhooks.next(),
            self.snmp.next(),
            self.maintenance.next(),
            self.words.next(),
        ];
        let due = others.into_iter().flatten().chain(self.checks.next()).min();
        let timer = until(due);
        let behind = self.is_behind();
        let mut ended = Vec::new();
        let vrrp = async {
            let Some(handle) = &mut self.vrrp else { return std::future::pending().await };
            tokio::select! {
                biased;
                report = handle.reports.next() => Event::Report(report),
                Ok(()) = handle.snapshot.changed() => Event::Snapshot,
            }
        };
        let others = async {
            tokio::select! {
                event = vrrp => event,
                judged = self.reloads.judged() => Event::Judged(judged),
                () = self.timetable.changed() => Event::Timetable,
                Some(request) = self.asked.recv() => Event::Request(request),
                1.. = self.ended.recv_many(&mut ended, AT_ONCE) => Event::Ended(ended),
                ended = self.checks.program_ended() => Event::Ended(vec![ended]),
                () = self.suspending.changed() => Event::Addresses,
                news = self.tracking.news() => Event::Tracked(news),
                news = self.sessions.news() => Event::Session(news),
                end = self.notifications.ended() => Event::Told(end),
                news = self.snmp.news() => Event::Snmp(news),
                written = self.dumps.written() => Event::Dumped(written),
                news = self.dbus.news() => Event::Dbus(news),
                outcome = self.mails.tried() => Event::Mailed(outcome),
                outcome = self.webhooks.tried() => Event::Delivered(outcome),
                () = timer => Event::Due,
                _ = retry.tick(), if behind => Event::Retry,
            }
        };
        tokio::select! {
            // A service manager ends our children together with us: that is not to count as their result.
            biased;
            asked = signals.next() => Event::Signal(asked),
            event = others => event,
        }
    }

    /// Logs it, and tells scripts, FIFOs, recipients of mails and webhooks.
    fn hear(&mut self, report: &Report) {
        vrrp::log(report);
        self.snmp.hear(report, |name| {
            let snapshot = self.vrrp.as_ref()?.snapshot.borrow();
            snapshot.instances.iter().find(|instance| instance.name == name)?.source
        });
        if let Some((subject, what, priority)) = notices::notice(report) {
            if let What::Entered(state) = what
                && let Some(occasion) = notices::entered(&subject, state)
            {
                self.webhooks.tell(&occasion);
                self.mails.tell(occasion);
            }
            self.dbus.entered(&subject, &what);
            self.snmp.entered(&subject, &what);
            self.notifications.tell(subject, what, priority);
        }
    }

    fn report(&mut self, report: &Report) {
        self.hear(report);
        let dropped = self.vrrp.as_ref().map_or(0, |handle| handle.reports.dropped());
        if dropped > 0 {
            tracing::warn!("{dropped} lines about VRRP are missing here: there were too many at once");
        }
    }

    /// The view of the VRRP thread is new.
    fn take_snapshot(&mut self) {
        let Some(handle) = &mut self.vrrp else { return };
        let snapshot = handle.snapshot.borrow_and_update();
        let claims = Arc::clone(&snapshot.claims);
        self.sync.follow(&snapshot.instances);
        drop(snapshot);
        self.write_down_what_leads();
        self.addresses.follow(claims);
        self.snmp.changed(Source::Vrrp);
        self.changed = true;
    }

    /// For the case of a kill.
    fn write_down_what_leads(&mut self) {
        if let (Some(leading), Some(handle)) = (&mut self.leading, &self.vrrp) {
            let succeed = succeed(&self.tracking.facts());
            let snapshot = handle.snapshot.borrow();
            leading.follow(&self.options.config, &self.running.model, &snapshot.instances, succeed);
        }
    }

    /// Does something with the tracked objects, and tells the checks and the VRRP thread what they amount to.
    fn track(&mut self, act: impl FnOnce(&mut Tracking)) {
        act(&mut self.tracking);
        self.snmp.changed(Source::Vrrp);
        let facts = Facts { maintenance: self.maintenance.reason(), ..self.tracking.facts() };
        let standings = self.checks.told(&facts.files, &self.sessions.up());
        self.take_in(standings);
        if let Some(handle) = &self.vrrp {
            handle.facts.send_if_modified(|told| {
                let changed = *told != facts;
                *told = facts;
                changed
            });
        }
    }

    fn take_in(&mut self, standings: Vec<(Arc<Key>, Standing)>) {
        if !standings.is_empty() {
            self.balancer.standings(standings);
            self.tell_what_happened();
            self.snmp.changed(Source::Checks);
            self.changed = true;
        }
    }

    /// What the pools have to tell.
    fn tell_what_happened(&mut self) {
        for telling in self.balancer.take_tellings() {
            self.tell_snmp(&telling);
            let (subject, what) = notices::told(telling);
            self.notifications.tell(subject, what, 0);
        }
        let occasions = self.balancer.take_occasions();
        if self.mails.sends() || self.webhooks.sends() {
            for occasion in occasions {
                self.webhooks.tell(&occasion);
                self.mails.tell(occasion);
            }
        }
    }

    /// Whether something failed that is tried again.
    fn is_behind(&self) -> bool {
        self.presence.is_behind()
            || self.requests.is_behind()
            || self.manager.is_behind()
            || self.addresses.is_behind()
            || self.sync.is_behind()
            || self.timeouts.is_behind()
            || self.notifications.is_behind()
    }

    fn retry(&mut self) {
        self.presence.retry();
        if self.requests.is_behind() && self.requests.listen().is_ok() {
            tracing::info!("`directord reload` is answered now");
        }
        self.addresses.retry();
        self.sync.retry();
        self.timeouts.retry();
        self.manager.offer();
        self.notifications.retry();
    }
}

#[cfg(test)]
mod tests;
