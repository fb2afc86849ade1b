//! The daemon.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::diagnostic::{Format, Severity, render};
use crate::config::dump::{self, Show};
use crate::config::{Loaded, Options};
use crate::director;
use crate::director::logging::{self, Destination};

use super::start::{self, Policy};

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
    /// `--ignore-sigint`: go on after an interrupt from the keyboard.
    pub ignore_sigint: bool,
    /// `--runtime-dir`: where the daemon keeps its socket and its records.
    pub runtime_dir: PathBuf,
    /// `--strict`, `--no-fallback`, `--state-dir`.
    pub policy: Policy,
    /// Options that are accepted and have no effect, as they were written; to be logged once.
    pub ineffective: Vec<String>,
}

/// Runs the daemon until it is stopped. Exit status: 0 stopped by a signal, 1 cannot run, 2 the configuration has
/// errors or names a missing interface, 4 a capability is missing.
pub fn run(options: RunOptions) -> ExitCode {
    // A reload must find the file again whatever the working directory is by then.
    let config = std::path::absolute(&options.config).unwrap_or_else(|_| options.config.clone());
    let language = language(&options);
    let decision = start::decide(&config, &language, &options.policy);
    let Some(chosen) = decision.start else {
        eprint!("{}", decision.loaded.render(Format::Human, std::io::stderr().is_terminal()));
        let summary = decision.loaded.summary();
        eprintln!("{}: {summary}: not started{}", config.display(), reason(&options, &decision.loaded));
        return ExitCode::from(2);
    };
    let (namespaces, instance) = chosen.folder;
    // Before any thread is started: they all live there.
    if let Err(error) = namespaces.join() {
        eprintln!("directord: {error}");
        return director::Error::from(error).exit_code();
    }
    // Before the working directory changes.
    let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let pid_file = options.pid_file.as_deref().map(absolute);
    let director_options = director::Options {
        runtime_directory: namespaces.folder(&absolute(&options.runtime_dir), instance.as_deref()),
        state_directory: absolute(&options.policy.state_dir),
        namespaces,
        only_vrrp: options.only_vrrp,
        only_checkers: options.only_checkers,
        dont_release_vrrp: options.dont_release_vrrp,
        dont_release_ipvs: options.dont_release_ipvs,
        ignore_sigint: options.ignore_sigint,
    };
    let mut lock = None;
    if !options.foreground {
        // Whoever starts it must learn why it does not run, and with what it does.
        if let Some(instead) = &chosen.candidate.instead {
            eprintln!("directord: starting with {instead}");
        }
        match director::prepare(&director_options, &chosen.candidate) {
            Ok(taken) => lock = Some(taken),
            Err(error) => {
                eprintln!("directord: {error}");
                return error.exit_code();
            }
        }
        if let Err(error) = nix::unistd::daemon(false, false) {
            eprintln!("directord: cannot go into the background: {error}");
            return ExitCode::FAILURE;
        }
    }
    let destination = if options.foreground { Destination::Stderr } else { Destination::SystemLog };
    let _log = logging::start(destination, options.log_detail > 0);
    tracing::info!("Starting directord {} with {}", env!("CARGO_PKG_VERSION"), config.display());
    for option in &options.ineffective {
        tracing::info!("option {option} is accepted and has no effect");
    }
    say(&decision.loaded);
    if let Some(trouble) = &decision.kept_trouble {
        tracing::error!("{trouble}");
    }
    for left_out in &chosen.candidate.runnable.left_out {
        tracing::error!("{left_out}");
    }
    if let Some(instead) = &chosen.candidate.instead {
        tracing::error!(
            "Starting with {instead}; `directord --check` shows what to mend, a reload takes it in"
        );
    }
    if options.dump_conf {
        // The log is no place for passwords.
        let text = dump::conf(&chosen.model, Show { defaults: true, secrets: false });
        text.lines().filter(|line| !line.is_empty()).for_each(|line| tracing::info!("{line}"));
    }
    let prepared = match lock {
        Some(mut lock) => lock.forked().map(|()| lock).map_err(director::Error::Runtime),
        None => director::prepare(&director_options, &chosen.candidate),
    };
    let outcome = prepared.and_then(|lock| {
        let written = pid_file.as_deref().map(write_pid);
        if let (Some(path), Some(Err(error))) = (&pid_file, written) {
            tracing::warn!("cannot write the pid file {}: {error}", path.display());
        }
        let reload = Box::new(move || start::reload(&config, &language));
        let outcome = director::run(&director_options, lock, chosen.candidate.clone(), reload);
        if let Some(path) = &pid_file {
            let _ = std::fs::remove_file(path);
        }
        outcome
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            error.exit_code()
        }
    }
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

/// What there is to say of the configuration file, one line each.
fn say(loaded: &Loaded) {
    for diagnostic in &loaded.diagnostics {
        let line = render(std::slice::from_ref(diagnostic), &loaded.sources, Format::Line, false);
        match diagnostic.severity {
            Severity::Lint | Severity::Note => tracing::info!("{}", line.trim_end()),
            Severity::Error => tracing::error!("{}", line.trim_end()),
            // Part of the configuration does not run.
            Severity::Warning if diagnostic.code.blocks() => tracing::error!("{}", line.trim_end()),
            Severity::Warning => tracing::warn!("{}", line.trim_end()),
        }
    }
}

fn write_pid(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
    writeln!(options.open(path)?, "{}", std::process::id())
}
