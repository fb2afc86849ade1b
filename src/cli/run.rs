//! The daemon.

use std::path::PathBuf;
use std::process::ExitCode;

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

/// Runs the daemon until it is stopped.
pub fn run(options: RunOptions) -> ExitCode {
    eprintln!("directord: the daemon is not available in this build ({})", options.config.display());
    ExitCode::FAILURE
}
