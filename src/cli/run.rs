//! The daemon.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::diagnostic::Format;
use crate::config::dump::{self, Show};
use crate::config::io::Disk;
use crate::config::model::Model;
use crate::config::{Loaded, Options};
use crate::director::logging::{self, Destination};
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

/// Runs the daemon until it is stopped. Exit status: 0 stopped by a signal, 1 cannot run, 2 the configuration has
/// errors, 4 a capability is missing.
pub fn run(options: RunOptions) -> ExitCode {
    signals::hold(options.ignore_sigint);
    memory::keep_little();
    memory::find_text();
    // A reload must find the file again whatever the working directory is by then.
    let config = std::path::absolute(&options.config).unwrap_or_else(|_| options.config.clone());
    let language = language(&options);
    let Decision { loaded, start, kept_trouble } = start::decide(&config, &Disk, &language, &options.policy);
    let Some(chosen) = start else {
        eprint!("{}", loaded.render(Format::Human, super::colour()));
        let summary = loaded.summary();
        eprintln!("{}: {summary}: not started{}", config.display(), reason(&options, &loaded));
        return ExitCode::from(2);
    };
    // What runs has all that is needed of it.
    drop(loaded);
    let (namespaces, instance) = chosen.folder;
    // Before any thread is started: they all live there.
    let started_in = match namespaces.join() {
        Ok(before) => before,
        Err(error) => {
            eprintln!("directord: {error}");
            return director::Error::from(error).exit_code();
        }
    };
    // Before the working directory changes.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let director_options = director::Options {
        config: config.clone(),
        runtime_directory: namespaces.folder(&absolute(&options.runtime_dir), instance.as_deref()),
        state_directory: absolute(&options.policy.state_dir),
        dump_directory: options.dump_dir.as_deref().map(absolute),
        pid_file: options.pid_file.as_deref().map(absolute),
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
    };
    let candidate = chosen.candidate;
    let mut lock = None;
    let mut caller = None;
    if !options.foreground {
        // Whoever starts it must learn why it does not run, and with what it does.
        if let Some(instead) = &candidate.instead {
            eprintln!("directord: starting with {instead}");
        }
        let taken = match director::prepare(&director_options, &candidate) {
            Ok(taken) => taken,
            Err(error) => {
                eprintln!("directord: {error}");
                return error.exit_code();
            }
        };
        let reload = signals::reload_waits();
        match background::split() {
            Ok(Role::Caller(waiting)) => {
                // It is the daemon's now, and to drop it would give it up.
                std::mem::forget(taken);
                return started(waiting.status());
            }
            Ok(Role::Daemon(outcome)) => caller = Some(outcome),
            Err(error) => {
                eprintln!("directord: cannot go into the background: {}", reason_of(&error));
                return ExitCode::FAILURE;
            }
        }
        if reload {
            signals::pass_on_reload();
        }
        lock = Some(taken);
    }
    let destination = if options.foreground { Destination::Stderr } else { Destination::SystemLog };
    let _log = logging::start(destination, options.log_detail > 0);
    tracing::info!("Starting directord {} with {}", env!("CARGO_PKG_VERSION"), config.display());
    for option in &options.ineffective {
        tracing::info!("option {option} is accepted and has no effect");
    }
    candidate.lines.iter().for_each(director::candidate::Line::log);
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
    let prepared = match lock {
        Some(mut lock) => {
            lock.forked();
            Ok(lock)
        }
        None => director::prepare(&director_options, &candidate),
    };
    let caller = Arc::new(Mutex::new(caller));
    let tell = |caller: &Mutex<Option<Outcome>>, status| {
        let caller = caller.lock().unwrap_or_else(PoisonError::into_inner).take();
        caller.into_iter().for_each(|caller| caller.tell(status));
    };
    let ready = Arc::clone(&caller);
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
