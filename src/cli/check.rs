//! `directord --check`: reads a configuration and says what it thinks of it. Needs no privilege, no interface
//! and no kernel module.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::config::diagnostic::{Code, Diagnostic, Format, Severity};
use crate::config::io::{Disk, DiskAndInput, Machine};
use crate::config::{Options, load, load_for};
use crate::director::owned::recorded_addresses;
use crate::text::reason;

use super::plan;
use super::start::{self, Policy};

/// What is checked, and where the answer goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckOptions {
    /// The configuration file.
    pub config: PathBuf,
    /// What `@ID` lines are compared with.
    pub config_id: String,
    /// `-e`: an include that finds nothing is an error.
    pub all_config: bool,
    /// The file of the other node, to compare with.
    pub peer: Option<PathBuf>,
    /// What `@ID` lines of that file are compared with.
    pub peer_id: String,
    /// `--host`: what the configuration needs of this machine is looked at, too.
    pub host: bool,
    /// Where the record of a director's addresses is.
    pub runtime_dir: PathBuf,
    /// `--as-start`: what a start with this policy would run is said, too.
    pub as_start: Option<Policy>,
    /// How diagnostics are written.
    pub format: Format,
    /// The file that they are appended to. Otherwise JSON and SARIF go to standard output, where programs read, and texts
    /// for people to standard error, where keepalived writes them.
    pub log: Option<PathBuf>,
}

/// 0: nothing but notes and lints. 1: warnings. 2: errors, a reload would refuse the file; with `--as-start` 1 as
/// long as a start would run something.
pub fn run(options: &CheckOptions) -> ExitCode {
    let language = Options {
        config_id: options.config_id.clone(),
        check_includes: options.all_config,
        random: super::random(),
        environment: std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect(),
    };
    let mut start = None;
    let disk = DiskAndInput::default();
    let mut loaded = match &options.as_start {
        None if options.host => {
            let machine = match recorded_addresses(&options.runtime_dir) {
                Some(recorded) => Machine::new().with_recorded(recorded),
                None => Machine::new(),
            };
            load_for(&options.config, &disk, &language, &machine)
        }
        None => load(&options.config, &disk, &language),
        Some(policy) => {
            let absolute = || std::path::absolute(&options.config).unwrap_or_else(|_| options.config.clone());
            let config = if options.config.as_os_str() == "-" { options.config.clone() } else { absolute() };
            let decision = start::decide(&config, &disk, &language, policy);
            let machine = Machine::new();
            let text = start::describe(&options.config, &decision, &machine);
            start = Some((text, plan::plan(&decision, &machine), decision.start.is_some()));
            decision.loaded
        }
    };
    if let Some(path) = &options.peer {
        let peer = load(path, &Disk, &Options { config_id: options.peer_id.clone(), ..language });
        loaded.compare(&peer);
        if peer.has_errors() {
            let file = path.display();
            let unread = peer.diagnostics.iter().find(|one| one.code == Code::Unreadable);
            let why = unread.map_or_else(|| format!("{file} has errors"), |one| one.message.clone());
            let message = format!("the two files are not compared: {why}");
            let diagnostic = Diagnostic::new(Code::Unreadable, Severity::Error, None, message);
            loaded.diagnostics.push(match unread {
                Some(_) => diagnostic,
                None => diagnostic.help(format!("directord --check -f {file}")),
            });
        }
    }
    let colour = options.log.is_none() && super::colour();
    let mut text = match (options.format, &start) {
        (Format::Json, Some((_, plan, _))) => with_plan(&loaded.render(options.format, colour), plan),
        _ => loaded.render(options.format, colour),
    };
    if !matches!(options.format, Format::Json | Format::Sarif) {
        text += &format!("{}: {}\n", options.config.display(), loaded.summary());
        if loaded.model.is_some() && loaded.left_out().next().is_some() {
            let name = options.config.display();
            text += &format!("{name}: legal, but this version cannot run all of it\n");
        }
        if let Some((lines, ..)) = &start {
            text += lines;
        }
    } else if let (Format::Sarif, Some((lines, ..))) = (options.format, &start) {
        // SARIF has no place for it.
        eprint!("{lines}");
    }
    if let Err(error) = write(options, &text) {
        eprintln!("directord: cannot write the result: {}", reason(&error));
        return ExitCode::from(2);
    }
    let worst = loaded.worst();
    // The process ends here: to give a large model back piece by piece takes longer than to check it.
    std::mem::forget(loaded);
    if let Some((_, _, starts)) = start {
        let clean = worst.is_none_or(|worst| worst < Severity::Warning);
        return ExitCode::from(if clean {
            0
        } else if starts {
            1
        } else {
            2
        });
    }
    match worst {
        None | Some(Severity::Note | Severity::Lint) => ExitCode::SUCCESS,
        Some(Severity::Warning) => ExitCode::from(1),
        Some(Severity::Error) => ExitCode::from(2),
    }
}

/// The document of the diagnostics, with what a start would run as its member `start`.
fn with_plan(document: &str, plan: &serde_json::Value) -> String {
    let mut document: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
    if let Some(members) = document.as_object_mut() {
        members.insert("start".to_owned(), plan.clone());
    }
    serde_json::to_string_pretty(&document).unwrap_or_default() + "\n"
}

fn write(options: &CheckOptions, text: &str) -> std::io::Result<()> {
    let written = match (&options.log, options.format) {
        (Some(path), _) => {
            OpenOptions::new().create(true).append(true).open(path)?.write_all(text.as_bytes())
        }
        (None, Format::Json | Format::Sarif) => std::io::stdout().lock().write_all(text.as_bytes()),
        (None, _) => std::io::stderr().lock().write_all(text.as_bytes()),
    };
    match written {
        // A reader that has seen enough, such as head(1), is no failure.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
