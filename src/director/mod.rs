//! Wiring: start-up, reload, shutdown. Two threads: VRRP's own, and this one for everything else.

mod balancer;
mod checks;
pub mod kept;
pub mod lock;
pub mod logging;
pub mod namespace;
mod owned;
pub mod privilege;
mod service_manager;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::config::model::Instance;
use crate::config::supported::Runnable;
use crate::ipvs::error::Unavailable;
use crate::pool;
use crate::vrrp::io::{self as vrrp, Command, Handle, Leftover, StartError};

use balancer::Balancer;
use checks::{CheckKey, Checks, Verdict};
use kept::Kept;
use lock::{LockError, RuntimeLock};
use namespace::{NamespaceError, Namespaces};
use owned::Owned;
use service_manager as manager;

/// How often the kernel's IPVS table is compared with ours: it tells nobody of changes, and nobody should wait for
/// more than two seconds.
const LOOK: Duration = Duration::from_millis(1500);

/// What the command line decided.
#[derive(Debug, Clone)]
pub struct Options {
    /// Lock, and record of our IPVS services.
    pub runtime_directory: PathBuf,
    /// Where the last configuration without errors is kept.
    pub state_directory: PathBuf,
    /// The namespaces to work in; the thread that starts the daemon has joined them.
    pub namespaces: Namespaces,
    /// Ignore virtual servers (`--vrrp`).
    pub only_vrrp: bool,
    /// Ignore VRRP instances (`-C`).
    pub only_checkers: bool,
    /// Leave addresses and adverts alone at the stop.
    pub dont_release_vrrp: bool,
    /// Leave the IPVS table alone at the stop.
    pub dont_release_ipvs: bool,
    /// Do not stop on SIGINT.
    pub ignore_sigint: bool,
}

/// Why the daemon did not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another one runs, or the directory is unusable.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The namespace of the configuration cannot be joined.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A capability is missing.
    #[error(transparent)]
    Privilege(#[from] privilege::Missing),
    /// IPVS cannot be reached.
    #[error(transparent)]
    Ipvs(#[from] Unavailable),
    /// VRRP did not start.
    #[error(transparent)]
    Vrrp(#[from] StartError),
    /// The runtime or its signals failed.
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
    /// The VRRP thread ended by itself.
    #[error(
        "the VRRP thread ended unexpectedly; the daemon stops, so that the service manager starts it anew"
    )]
    VrrpDied,
}

impl Error {
    /// keepalived's exit statuses: 1 fatal, 2 configuration, 4 missing permission.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Self::Privilege(_)
            | Self::Ipvs(Unavailable::NotPermitted)
            | Self::Namespace(NamespaceError::NotPermitted(_)) => 4,
            Self::Vrrp(StartError::InterfaceMissing { .. }) => 2,
            _ => 1,
        })
    }
}

/// What a start or a reload puts in force.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Instances and virtual servers.
    pub runnable: Runnable,
    /// The namespaces that it asks for.
    pub namespaces: Namespaces,
    /// What it says that this version leaves out, a line each, without places.
    pub unrun: Vec<String>,
    /// What is kept when it is in force; `None`: it had errors, or is what was kept.
    pub kept: Option<Kept>,
    /// Why it is not the configuration file as it stands; goes in front of the status line.
    pub instead: Option<String>,
}

/// Where a reload gets its configuration from. `Err`: the lines that say what is wrong.
pub type Reload = Box<dyn FnMut() -> Result<Candidate, Vec<String>>>;

/// What a start must have before it changes anything: capabilities, the lock, interfaces, IPVS. To be called before
/// the process goes into the background, so that the caller learns what is wrong.
pub fn prepare(options: &Options, candidate: &Candidate) -> Result<RuntimeLock, Error> {
    let runnable = restricted(options, candidate.runnable.clone());
    privilege::check(!runnable.instances.is_empty())?;
    let lock = RuntimeLock::take(&options.runtime_directory)?;
    preflight(&runnable, &options.namespaces)?;
    Ok(lock)
}

/// Whether it can be put in force here; changes nothing.
fn preflight(runnable: &Runnable, namespaces: &Namespaces) -> Result<(), Error> {
    if !runnable.instances.is_empty() {
        vrrp::preflight(&runnable.instances)?;
    }
    if !runnable.virtual_servers.is_empty() {
        namespaces.open_ipvs()?;
    }
    Ok(())
}

/// The part of the configuration that the command line leaves to us.
fn restricted(options: &Options, mut runnable: Runnable) -> Runnable {
    if options.only_vrrp {
        runnable.virtual_servers.clear();
    }
    if options.only_checkers {
        runnable.instances.clear();
    }
    runnable
}

/// Runs until a signal says stop. The lock is held until the end.
pub fn run(options: &Options, lock: RuntimeLock, candidate: Candidate, reload: Reload) -> Result<(), Error> {
    raise_file_limit();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new()?;
        let mut director = Director::start(options.clone(), candidate, reload)?;
        manager::ready(&director.status_line());
        let outcome = director.serve(&mut signals).await;
        manager::stopping();
        director.stop().await;
        outcome
    });
    drop(lock);
    outcome
}

/// Each check under way takes a descriptor, and when many servers are dead at once, many are under way.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE)
        .and_then(|(_, hard)| setrlimit(Resource::RLIMIT_NOFILE, hard, hard));
    if let Err(error) = raised {
        tracing::debug!("the limit of open files stays as it is: {error}");
    }
}

struct Director {
    options: Options,
    reload: Reload,
    balancer: Balancer,
    checks: Checks,
    ended: tokio::sync::mpsc::Receiver<checks::Ended>,
    vrrp: Option<Handle>,
    /// Addresses that we, or a killed predecessor, may have set.
    addresses: Owned<Leftover>,
    /// What runs.
    running: Running,
}

/// What is to be known of the configuration in force.
#[derive(Debug, Default)]
struct Running {
    /// `vrrp_instance VI_1` and the like.
    parts: BTreeSet<String>,
    unrun: Vec<String>,
    instead: Option<String>,
}

/// What woke the director.
enum Woken {
    Due,
    Ended(checks::Ended),
    Look,
    Signal(Wish),
    Vrrp(bool),
}

impl Director {
    /// The table first, then VRRP: a master must not answer for services that are not there yet.
    fn start(options: Options, candidate: Candidate, reload: Reload) -> Result<Self, Error> {
        let balancer = Balancer::new(&options.runtime_directory);
        let addresses = Owned::read(&options.runtime_directory);
        let (checks, ended) = Checks::new();
        let running = Running::default();
        let mut director = Self { options, reload, balancer, checks, ended, vrrp: None, addresses, running };
        let runnable = restricted(&director.options, candidate.runnable);
        if runnable.instances.is_empty() && runnable.virtual_servers.is_empty() {
            tracing::warn!("the configuration has neither an instance nor a virtual server: nothing to do");
        }
        director.running.parts = parts(&runnable);
        director.balance(&runnable)?;
        director.start_vrrp(runnable.instances)?;
        director.running.unrun = candidate.unrun;
        director.running.instead = candidate.instead;
        director.keep(candidate.kept);
        Ok(director)
    }

    /// Also without instances when a killed predecessor may have left addresses.
    fn start_vrrp(&mut self, instances: Vec<Instance>) -> Result<(), Error> {
        let left = self.addresses.things().clone();
        let may_set = vrrp::leftovers(&instances);
        if instances.is_empty() && left.is_empty() {
            return Ok(());
        }
        // Recorded before they are set: a kill in between leaves nothing unknown behind.
        self.record(left.union(&may_set).cloned().collect());
        self.vrrp = Some(vrrp::start(instances, left)?);
        self.record(may_set);
        Ok(())
    }

    fn record(&mut self, addresses: BTreeSet<Leftover>) {
        if let Err(error) = self.addresses.set(addresses) {
            tracing::warn!("cannot record our addresses, a killed daemon might leave some behind: {error}");
        }
    }

    fn balance(&mut self, runnable: &Runnable) -> Result<(), Unavailable> {
        self.balancer.configure(runnable.virtual_servers.clone(), &self.options.namespaces)?;
        let pools = self.balancer.pools();
        let passes = |key: &CheckKey| pools.passes(&key.service, &key.server, &key.probe);
        self.checks.configure(&runnable.virtual_servers, passes);
        Ok(())
    }

    async fn serve(&mut self, signals: &mut Signals) -> Result<(), Error> {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            match self.wait(&mut look, signals).await {
                Woken::Due => self.checks.tick().into_iter().for_each(|verdict| self.verdict(verdict)),
                Woken::Ended(ended) => {
                    if let Some(verdict) = self.checks.ended(ended) {
                        self.verdict(verdict);
                    }
                }
                Woken::Look => self.balancer.look(),
                Woken::Signal(Wish::Stop) => return Ok(()),
                Woken::Signal(Wish::Reload) => self.reload().await,
                Woken::Signal(Wish::Unknown(name)) => {
                    tracing::info!("{name} has no effect in this version");
                }
                Woken::Vrrp(true) => manager::status(&self.status_line()),
                Woken::Vrrp(false) => return Err(Error::VrrpDied),
            }
        }
    }

    async fn wait(&mut self, look: &mut tokio::time::Interval, signals: &mut Signals) -> Woken {
        let due = self.checks.next();
        let timer = async {
            match due {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let vrrp = async {
            match &mut self.vrrp {
                Some(handle) => handle.status.changed().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            wish = signals.next(self.options.ignore_sigint) => Woken::Signal(wish),
            alive = vrrp => Woken::Vrrp(alive),
            Some(ended) = self.ended.recv() => Woken::Ended(ended),
            () = timer => Woken::Due,
            _ = look.tick(), if !self.balancer.is_idle() => Woken::Look,
        }
    }

    fn verdict(&mut self, verdict: Verdict) {
        let CheckKey { service, server, probe } = verdict.key;
        self.balancer.verdict(pool::Input::Verdict { service, server, probe, up: verdict.up });
        manager::status(&self.status_line());
    }

    /// A configuration with errors changes nothing.
    async fn reload(&mut self) {
        manager::reloading();
        match (self.reload)() {
            Err(lines) => self.refuse_reload(&lines, "the configuration has errors"),
            Ok(candidate) => {
                let lost = self.lost(&candidate);
                if !lost.is_empty() {
                    return self.refuse_reload(&lost, "this version cannot run all of it");
                }
                if candidate.namespaces != self.options.namespaces {
                    let why = "the network namespace of a running daemon does not change: restart it";
                    return self.refuse_reload(&[], why);
                }
                let runnable = restricted(&self.options, candidate.runnable.clone());
                if let Err(error) = preflight(&runnable, &self.options.namespaces) {
                    return self.refuse_reload(&[], &error.to_string());
                }
                let parts = parts(&runnable);
                match self.apply(runnable).await {
                    Ok(()) => {
                        let (unrun, instead) = (candidate.unrun, candidate.instead);
                        self.running = Running { parts, unrun, instead };
                        self.keep(candidate.kept);
                        tracing::info!("Reload complete");
                    }
                    Err(error) => tracing::error!("Reload incomplete: {error}"),
                }
                manager::ready(&self.status_line());
            }
        }
    }

    fn refuse_reload(&self, lines: &[String], why: &str) {
        for line in lines {
            tracing::error!("{line}");
        }
        tracing::error!("Reload refused: {why}; everything goes on as it was");
        manager::ready(&format!("reload refused, see the log; {}", self.status_line()));
    }

    /// What a reload would take away because this version cannot run it: parts that run now, and what is new.
    fn lost(&self, candidate: &Candidate) -> Vec<String> {
        let stops = |what: &String| self.running.parts.contains(what);
        let left_out = candidate.runnable.left_out.iter();
        let stopped = left_out.filter(|left_out| stops(&left_out.what)).map(ToString::to_string);
        let new = candidate.unrun.iter().filter(|line| !self.running.unrun.contains(line));
        stopped.chain(new.cloned()).collect()
    }

    async fn apply(&mut self, runnable: Runnable) -> Result<(), Error> {
        self.balance(&runnable)?;
        let Some(handle) = &self.vrrp else { return self.start_vrrp(runnable.instances) };
        let commands = handle.commands.clone();
        let may_set = vrrp::leftovers(&runnable.instances);
        self.record(self.addresses.things().union(&may_set).cloned().collect());
        let (done, applied) = oneshot::channel();
        let sent = commands.send(Command::Configure(runnable.instances, done)).await;
        sent.map_err(|_| Error::VrrpDied)?;
        applied.await.map_err(|_| Error::VrrpDied)?;
        self.record(may_set);
        Ok(())
    }

    /// Aside: a disk that stands still must not keep the checks waiting.
    fn keep(&self, kept: Option<Kept>) {
        let Some(kept) = kept else { return };
        let directory = self.options.state_directory.clone();
        tokio::task::spawn_blocking(move || {
            if let Err(error) = kept.write(&directory) {
                let directory = directory.display();
                tracing::warn!(
                    "cannot keep this configuration for a start that finds errors, in {directory}: {error}"
                );
            }
        });
    }

    /// The peer is told first; then the table goes.
    async fn stop(&mut self) {
        if let Some(handle) = self.vrrp.take() {
            let (done, stopped) = oneshot::channel();
            let release = !self.options.dont_release_vrrp;
            if handle.commands.send(Command::Stop { release, done }).await.is_ok() {
                let _ = stopped.await;
            }
            match handle.thread.join() {
                Ok(()) if release => self.record(BTreeSet::new()),
                Ok(()) => {}
                Err(_) => tracing::error!("the VRRP thread panicked"),
            }
        }
        if !self.options.dont_release_ipvs {
            self.balancer.release();
        }
        tracing::info!("Stopped");
    }

    /// `VI_1 MASTER; 2 virtual servers, 3 of 4 real servers up`.
    fn status_line(&self) -> String {
        let mut parts: Vec<String> = self.running.instead.iter().cloned().collect();
        if let Some(handle) = &self.vrrp {
            for instance in handle.status.borrow().iter() {
                parts.push(format!("{} {}", instance.name, instance.state));
            }
        }
        let pools = self.balancer.pools().snapshot();
        if !pools.is_empty() {
            let up: usize = pools.iter().map(|pool| pool.up).sum();
            let total: usize = pools.iter().map(|pool| pool.total).sum();
            let servers = if pools.len() == 1 { "virtual server" } else { "virtual servers" };
            parts.push(format!("{} {servers}, {up} of {total} real servers up", pools.len()));
        }
        parts.join("; ")
    }
}

/// The names of what runs, as [`Runnable::left_out`] has them.
fn parts(runnable: &Runnable) -> BTreeSet<String> {
    let instances = runnable.instances.iter().map(|instance| format!("vrrp_instance {}", instance.name));
    let groups = runnable.virtual_servers.iter().filter_map(|server| server.group.as_ref());
    instances.chain(groups.map(|group| format!("virtual_server group {}", group.name))).collect()
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Reload,
    Stop,
    /// One of keepalived's signals that does nothing yet; unhandled it would end the process.
    Unknown(&'static str),
}

struct Signals {
    hangup: Signal,
    terminate: Signal,
    interrupt: Signal,
    user1: Signal,
    user2: Signal,
    json: Signal,
    clear: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            user1: signal(SignalKind::user_defined1())?,
            user2: signal(SignalKind::user_defined2())?,
            json: signal(SignalKind::from_raw(libc::SIGRTMIN() + 2))?,
            clear: signal(SignalKind::from_raw(libc::SIGRTMAX() - 1))?,
        })
    }

    async fn next(&mut self, ignore_sigint: bool) -> Wish {
        loop {
            tokio::select! {
                _ = self.terminate.recv() => return Wish::Stop,
                _ = self.interrupt.recv() => if !ignore_sigint { return Wish::Stop },
                _ = self.hangup.recv() => return Wish::Reload,
                _ = self.user1.recv() => return Wish::Unknown("SIGUSR1 (state dump)"),
                _ = self.user2.recv() => return Wish::Unknown("SIGUSR2 (statistics)"),
                _ = self.json.recv() => return Wish::Unknown("SIGRTMIN+2 (JSON)"),
                _ = self.clear.recv() => return Wish::Unknown("SIGRTMAX-1 (clear statistics)"),
            }
        }
    }
}
