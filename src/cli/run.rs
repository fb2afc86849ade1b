//! The daemon.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::Level;

use crate::config::diagnostic::Format;
use crate::config::dump::{self, Show};
use crate::config::io::Disk;
use crate::config::model::Model;
use crate::config::{Loaded, Options};
use crate::director::candidate::{Candidate, Line};
use crate::director::guard::{Link, Plan, Turn, Watch};
use crate::director::lock::RuntimeLock;
use crate::director::logging::{self, Destination};
use crate::director::namespace::Namespaces;
use crate::director::{self, signals};
use crate::sys::background::{self, Outcome, Role};
use crate::sys::memory;
use crate::text::reason as reason_of;

use super::start::{self, Decision, Policy};

/// What the command line says about a run of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunOptions {
    /// `-f`: the configuration file.
    pub config: PathBuf,
    /// `-i`, else the name of the node up to its first dot: what `@ID` lines are compared with.
    pub config_id: String,
    /// `-e`: an include that finds nothing is an error.
    pub all_config: bool,
    /// `-n`: stay in the foreground.
    pub foreground: bool,
    /// `-P`: VRRP without virtual servers.
    pub only_vrrp: bool,
    /// `-C`: virtual servers without VRRP.
    pub only_checkers: bool,
    /// `-B`.
    pub no_bfd: bool,
    /// `-p`: where the process id is written.
    pub pid_file: Option<PathBuf>,
    /// How often `-D` is given: more is logged.
    pub log_detail: u8,
    /// `-l`: log to standard error too.
    pub log_console: bool,
    /// `-d`: log the configuration at start, with defaults and without secrets.
    pub dump_conf: bool,
    /// `-V`: leave the virtual addresses at stop.
    pub dont_release_vrrp: bool,
    /// `-I`: leave the virtual servers at stop.
    pub dont_release_ipvs: bool,
    /// The group, by number, whose members may ask how the daemon stands.
    pub control_group: Option<u32>,
    /// `-x`: all is shown over SNMP.
    pub snmp: bool,
    /// `-A`: where the master agent is.
    pub snmp_socket: Option<String>,
    /// `--guard`: a parent watches over the daemon.
    pub guard: bool,
    /// Without `-R`: it starts one again that did not stop by itself.
    pub respawns: bool,
    /// `--ignore-sigint`: go on after an interrupt from the keyboard.
    pub ignore_sigint: bool,
    /// `--runtime-dir`: where the daemon keeps its socket and its records.
    pub runtime_dir: PathBuf,
    /// `--dump-dir`: where the files go that signals ask for.
    pub dump_dir: Option<PathBuf>,
    /// `--strict`, `--no-fallback`, `--state-dir`.
    pub policy: Policy,
    /// Options that are accepted and have no effect, as they were written; to be logged once.
    pub ineffective: Vec<String>,
}

impl RunOptions {
    /// The same, whatever the working directory is by then.
    fn absolute(self) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self {
            config: absolute(self.config),
            runtime_dir: absolute(self.runtime_dir),
            pid_file: self.pid_file.map(absolute),
            dump_dir: self.dump_dir.map(absolute),
            policy: Policy { state_dir: absolute(self.policy.state_dir), ..self.policy },
            ..self
        }
    }

    fn log(&self) -> Destination {
        if self.foreground { Destination::Stderr } else { Destination::SystemLog }
    }
}

/// All that is decided before the daemon begins to work.
struct Begun {
    options: director::Options,
    /// How the files are read, now and at each reload.
    language: Options,
    candidate: Candidate,
    kept_trouble: Option<String>,
    /// Of one in the background.
    lock: Option<RuntimeLock>,
    caller: Option<Outcome>,
}

/// Runs the daemon until it is stopped. Exit status: 0 stopped by a signal, 1 cannot run, 2 the configuration has
/// errors, 4 a capability is missing; with `--guard` that of a daemon that was killed, 128 and the signal.
pub fn run(options: RunOptions) -> ExitCode {
    signals::hold(options.ignore_sigint);
    memory::keep_little();
    memory::find_text();
    let options = options.absolute();
    let begun = match begin(&options, None) {
        Ok(begun) => begun,
        Err(status) => return status,
    };
    let begun = match into_background(&options, begun) {
        Ok(begun) => begun,
        Err(status) => return status,
    };
    if options.guard { watch_over(&options, begun) } else { serve(&options, begun, None) }
}

/// The process is the parent of the daemon, and of each that follows it, until the last one has stopped.
fn watch_over(options: &RunOptions, begun: Begun) -> ExitCode {
    let plan = Plan {
        runtime_directory: begun.options.runtime_directory.clone(),
        releases: !options.dont_release_vrrp,
        pid_file: begun.options.pid_file.clone(),
        restarts: options.respawns,
        ignore_sigint: options.ignore_sigint,
        log: options.log(),
    };
    let joined = (begun.options.namespaces.clone(), begun.options.started_in.clone());
    let mut watch = match Watch::new(plan) {
        Ok(watch) => watch,
        Err(error) => {
            let words = format!("cannot watch over the daemon: {}", reason_of(&error));
            logging::say(options.log(), Level::ERROR, &words);
            return ExitCode::FAILURE;
        }
    };
    let mut first = Some(begun);
    loop {
        match watch.turn() {
            Turn::Parent => {
                drop(first.take());
                memory::give_back();
            }
            Turn::End(status) => return ExitCode::from(status),
            Turn::Daemon(link) => {
                let begun = match first.take() {
                    Some(begun) => Ok(begun),
                    None => begin(options, Some(joined)),
                };
                return begun.map_or_else(|status| status, |begun| serve(options, begun, Some(link)));
            }
        }
    }
}

/// Reads the files and joins the namespace. `joined`: the one in which this process is already, and where it came from.
fn begin(options: &RunOptions, joined: Option<(Namespaces, Option<Arc<File>>)>) -> Result<Begun, ExitCode> {
    let language = language(options);
    let Decision { loaded, start, kept_trouble } =
        start::decide(&options.config, &Disk, &language, &options.policy);
    let Some(chosen) = start else {
        eprint!("{}", loaded.render(Format::Human, super::colour()));
        let summary = loaded.summary();
        eprintln!("{}: {summary}: not started{}", options.config.display(), reason(options, &loaded));
        return Err(ExitCode::from(2));
    };
    // What runs has all that is needed of it.
    drop(loaded);
    let (namespaces, instance) = chosen.folder;
    // Before any thread is started: they all live there.
    let started_in = match joined {
        Some((there, before)) if there == namespaces => before,
        Some(_) => {
            eprintln!("directord: the network namespace of a running daemon does not change: restart it");
            return Err(ExitCode::FAILURE);
        }
        None => namespaces.join().map_err(|error| {
            eprintln!("directord: {error}");
            director::Error::from(error).exit_code()
        })?,
    };
    let director_options = director::Options {
        config: options.config.clone(),
        runtime_directory: namespaces.folder(&options.runtime_dir, instance.as_deref()),
        state_directory: options.policy.state_dir.clone(),
        dump_directory: options.dump_dir.clone(),
        pid_file: options.pid_file.clone(),
        namespaces,
        started_in,
        only_vrrp: options.only_vrrp,
        only_checkers: options.only_checkers,
        no_bfd: options.no_bfd,
        allow_empty: options.policy.allow_empty,
        dont_release_vrrp: options.dont_release_vrrp,
        dont_release_ipvs: options.dont_release_ipvs,
        control_group: options.control_group,
        snmp: options.snmp,
        snmp_socket: options.snmp_socket.clone(),
        ignore_sigint: options.ignore_sigint,
        guard: None,
    };
    Ok(Begun {
        options: director_options,
        language,
        candidate: chosen.candidate,
        kept_trouble,
        lock: None,
        caller: None,
    })
}

/// Unless it is to stay: the process that goes on is another one, and its caller waits for what becomes of it.
fn into_background(options: &RunOptions, mut begun: Begun) -> Result<Begun, ExitCode> {
    if options.foreground {
        return Ok(begun);
    }
    // Whoever starts it must learn why it does not run, and with what it does.
    if let Some(instead) = &begun.candidate.instead {
        eprintln!("directord: starting with {instead}");
    }
    let lock = director::prepare(&begun.options, &begun.candidate).map_err(|error| {
        eprintln!("directord: {error}");
        error.exit_code()
    })?;
    // With a parent that stays, each daemon takes it for itself.
    begun.lock = Some(lock).filter(|_| !options.guard);
    let reload = signals::reload_waits();
    match background::split() {
        Ok(Role::Caller(waiting)) => {
            // It is the daemon's now, and to drop it would give it up.
            std::mem::forget(begun.lock);
            return Err(started(waiting.status()));
        }
        Ok(Role::Daemon(outcome)) => begun.caller = Some(outcome),
        Err(error) => {
            eprintln!("directord: cannot go into the background: {}", reason_of(&error));
            return Err(ExitCode::FAILURE);
        }
    }
    if reload {
        signals::pass_on_reload();
    }
    if let Some(lock) = &mut begun.lock {
        lock.forked();
    }
    Ok(begun)
}

/// The daemon itself.
fn serve(options: &RunOptions, begun: Begun, guard: Option<Link>) -> ExitCode {
    let Begun { options: director_options, language, candidate, kept_trouble, lock, caller } = begun;
    let director_options = director::Options { guard, ..director_options };
    let _log = logging::start(options.log(), options.log_detail > 0);
    tracing::info!("Starting directord {} with {}", env!("CARGO_PKG_VERSION"), options.config.display());
    for option in &options.ineffective {
        tracing::info!("option {option} is accepted and has no effect");
    }
    candidate.lines.iter().for_each(Line::log);
    if let Some(trouble) = &kept_trouble {
        tracing::error!("{trouble}");
    }
    for left_out in &candidate.runnable.left_out {
        tracing::error!("{left_out}");
    }
    if let Some(instead) = &candidate.instead {
        tracing::error!(
            "Starting with {instead}; `directord --check` shows what to mend, a reload takes it in"
        );
    }
    if options.dump_conf {
        // The log is no place for passwords.
        let text = dump::conf(&candidate.model, Show { defaults: true, secrets: false });
        text.lines().filter(|line| !line.is_empty()).for_each(|line| tracing::info!("{line}"));
    }
    let prepared = lock.map_or_else(|| director::prepare(&director_options, &candidate), Ok);
    let caller = Arc::new(Mutex::new(caller));
    let tell = |caller: &Mutex<Option<Outcome>>, status| {
        let caller = caller.lock().unwrap_or_else(PoisonError::into_inner).take();
        caller.into_iter().for_each(|caller| caller.tell(status));
    };
    let ready = Arc::clone(&caller);
    let config = options.config.clone();
    let outcome = prepared.and_then(|lock| {
        let load = Arc::new(move |running: &Model| start::reload(&config, &language, running));
        director::run(director_options, lock, candidate, load, move || tell(&ready, 0))
    });
    let status = outcome.as_ref().err().map_or(0, director::Error::exit_status);
    if let Err(error) = outcome {
        tracing::error!("{error}");
    }
    tell(&caller, status);
    ExitCode::from(status)
}

/// What the caller of a daemon in the background ends with.
fn started(status: Option<u8>) -> ExitCode {
    if status != Some(0) {
        eprintln!(
            "directord: it ended while it started; the system log says why (`journalctl -t directord`)"
        );
    }
    ExitCode::from(status.unwrap_or(1))
}

fn language(options: &RunOptions) -> Options {
    Options {
        config_id: options.config_id.clone(),
        check_includes: options.all_config,
        random: super::random(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    }
}

/// Why it is not started in spite of keepalived's example.
fn reason(options: &RunOptions, loaded: &Loaded) -> &'static str {
    match (options.policy.strict, loaded.has_errors()) {
        (true, true) => "; without --strict it would run without what is wrong",
        (true, false) => "; without --strict it would run without what this version cannot do",
        (false, _) => "",
    }
}
