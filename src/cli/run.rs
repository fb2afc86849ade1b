//! The daemon.

use std::fs::OpenOptions;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::config::diagnostic::{Format, Severity, render};
use crate::config::io::Disk;
use crate::config::model::Model;
use crate::config::{Loaded, Options, load};
use crate::director;
use crate::director::logging::{self, Destination};

/// What the command line says about a run of the daemon.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// `-d`: log the configuration at start.
    pub dump_conf: bool,
    /// `-V`: leave the virtual addresses at stop.
    pub dont_release_vrrp: bool,
    /// `-I`: leave the virtual servers at stop.
    pub dont_release_ipvs: bool,
    /// `--ignore-sigint`: go on after an interrupt from the keyboard.
    pub ignore_sigint: bool,
    /// `--runtime-dir`: where the daemon keeps its socket and its state.
    pub runtime_dir: PathBuf,
    /// Options that are accepted and have no effect, as they were written; to be logged once.
    pub ineffective: Vec<String>,
}

/// Runs the daemon until it is stopped. Exit status: 0 stopped by a signal, 1 cannot run, 2 the configuration has
/// errors or names a missing interface, 4 a capability is missing.
pub fn run(options: RunOptions) -> ExitCode {
    // A reload must find the file again whatever the working directory is by then.
    let config = std::path::absolute(&options.config).unwrap_or_else(|_| options.config.clone());
    let language = language(&options);
    let loaded = load(&config, &Disk, &language);
    let Some(model) = &loaded.model else {
        eprint!("{}", loaded.render(Format::Human, std::io::stderr().is_terminal()));
        eprintln!("{}: {}: not started", config.display(), loaded.summary());
        return ExitCode::from(2);
    };
    let blockers = blockers(&loaded);
    if !blockers.is_empty() {
        blockers.iter().for_each(|line| eprintln!("{line}"));
        eprintln!("{}: this version cannot run it: not started", config.display());
        return ExitCode::from(2);
    }
    if !options.foreground
        && let Err(error) = nix::unistd::daemon(false, false)
    {
        eprintln!("directord: cannot go into the background: {error}");
        return ExitCode::FAILURE;
    }
    let destination = if options.foreground { Destination::Stderr } else { Destination::SystemLog };
    let _log = logging::start(destination, options.log_detail > 0);
    tracing::info!("Starting directord {} with {}", env!("CARGO_PKG_VERSION"), config.display());
    let dump = options.dump_conf.then(|| "-d".to_owned());
    for option in options.ineffective.iter().chain(&dump) {
        tracing::info!("option {option} is accepted and has no effect");
    }
    say(&loaded);
    let pid_file = options.pid_file.as_deref();
    if let Some(path) = pid_file
        && let Err(error) = write_pid(path)
    {
        tracing::warn!("cannot write the pid file {}: {error}", path.display());
    }
    let director_options = director::Options {
        runtime_directory: options.runtime_dir.clone(),
        only_vrrp: options.only_vrrp,
        only_checkers: options.only_checkers,
        dont_release_vrrp: options.dont_release_vrrp,
        dont_release_ipvs: options.dont_release_ipvs,
        ignore_sigint: options.ignore_sigint,
    };
    let reload = Box::new(move || reload(&config, &language));
    let outcome = director::run(&director_options, model.clone(), reload);
    if let Some(path) = pid_file {
        let _ = std::fs::remove_file(path);
    }
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

fn reload(config: &Path, language: &Options) -> Result<Model, Vec<String>> {
    let loaded = load(config, &Disk, language);
    let blockers = blockers(&loaded);
    match loaded.model {
        Some(_) if !blockers.is_empty() => Err(blockers),
        Some(model) => Ok(model),
        None => Err(loaded.render(Format::Line, false).lines().map(str::to_owned).collect()),
    }
}

/// What is legal and this version cannot run, one line each.
fn blockers(loaded: &Loaded) -> Vec<String> {
    let lines = loaded.blockers().map(|one| {
        let line = render(std::slice::from_ref(one), &loaded.sources, Format::Line, false);
        line.trim_end().to_owned()
    });
    lines.collect()
}

/// Warnings and notes of a configuration that is used.
fn say(loaded: &Loaded) {
    for diagnostic in &loaded.diagnostics {
        let line = render(std::slice::from_ref(diagnostic), &loaded.sources, Format::Line, false);
        match diagnostic.severity {
            Severity::Note => tracing::info!("{}", line.trim_end()),
            _ => tracing::warn!("{}", line.trim_end()),
        }
    }
}

fn write_pid(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o644).custom_flags(libc::O_NOFOLLOW);
    writeln!(options.open(path)?, "{}", std::process::id())
}
