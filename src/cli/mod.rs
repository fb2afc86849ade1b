//! The command line: keepalived's options, short and long, and our own.
//!
//! In: the arguments. Out: a plain struct for the file that does the work, and its exit status. Differences to
//! keepalived: `--check` tests a configuration (there it is the long form of `-C`), and a misspelt option is
//! refused with a hint.

/// Asking the daemon that runs.
mod ask;
/// `--check`, `-t`.
pub mod check;
/// `config`.
mod config;
/// `config dump`.
pub mod dump;
/// `explain`.
pub mod explain;
/// `config fmt`.
pub mod format;
/// `genhash`.
pub mod genhash;
/// `ipvsadm`.
pub mod ipvsadm;
/// `failover`, `maintenance`, `rs`.
pub mod lead;
/// `directord(8)`.
pub mod manual;
mod options;
/// What a start would run, as JSON.
mod plan;
/// `reload`.
pub mod reload;
/// The daemon.
pub mod run;
/// What a start runs.
pub mod start;
/// `status`.
pub mod status;

use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;

use crate::beside::Outbox as _;
use crate::{dbus, snmp};

use options::{Explain, Failover, Genhash, Maintenance, Options, Reload, Rs, Status};

/// Runs the command that the arguments name.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let rest = arguments.get(1..).unwrap_or(&[]);
    if let Some(code) = ipvsadm(&arguments, rest) {
        return code;
    }
    match arguments.get(1).and_then(|first| first.to_str()) {
        Some("explain") => return command(rest, start_explain),
        Some("config") => return config::start(rest),
        Some("reload") => return command(rest, |options: Reload| reload::run(&options.into())),
        Some("status") => return command(rest, |options: Status| status::run(&options.into())),
        Some("failover") => return command(rest, start_failover),
        Some("maintenance") => return command(rest, start_maintenance),
        Some("rs") => return command(rest, start_rs),
        Some(snmp::link::Outbox::WORD) => return snmp::io::run(),
        Some(dbus::link::Outbox::WORD) => return dbus::io::run(),
        _ => {}
    }
    match genhash_arguments(&arguments) {
        Some(arguments) => start_genhash(&arguments),
        None => start(options::normalised(arguments)),
    }
}

/// Whether what goes to standard error has colours: on a terminal, without `NO_COLOR`.
fn colour() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    std::io::stderr().is_terminal() && !unwanted
}

/// One of the commands beside the daemon.
fn command<T: Parser>(arguments: &[OsString], run: impl FnOnce(T) -> ExitCode) -> ExitCode {
    match T::try_parse_from(arguments) {
        Ok(options) => run(options),
        Err(error) => refuse(&error),
    }
}

fn start_explain(options: Explain) -> ExitCode {
    match options.topics.split_first() {
        Some((first, names)) if first == "election" && !names.is_empty() => {
            explain::election(&options.asked.into(), names.to_vec())
        }
        _ => explain::run(&options.topics),
    }
}

fn start_failover(options: Failover) -> ExitCode {
    lead::failover(&options.asked.into(), options.of, options.seconds.map(|time| time.as_secs()))
}

fn start_maintenance(options: Maintenance) -> ExitCode {
    let (on, seconds, reason) = options.wanted();
    lead::maintenance(&options.asked.into(), on, seconds, reason)
}

fn start_rs(options: Rs) -> ExitCode {
    match options.ask() {
        Ok(ask) => lead::real_server(&options.asked.into(), ask),
        Err(why) => {
            eprintln!("directord rs: {why}");
            ExitCode::from(2)
        }
    }
}

fn start(arguments: Vec<OsString>) -> ExitCode {
    let options = match Options::try_parse_from(arguments) {
        Ok(options) => options,
        Err(error) => return refuse(&error),
    };
    if options.version {
        // Where keepalived writes it.
        eprintln!("directord {}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    if let Some(name) = &options.signum {
        return signal_number(name);
    }
    if let Some(word) = options.surplus.first() {
        eprintln!(
            "directord: unexpected word `{}`: a configuration is given with -f FILE, and tested with --check -f FILE",
            word.to_string_lossy()
        );
        return ExitCode::from(2);
    }
    if options.is_check() {
        return check::run(&options.check_options());
    }
    if let Some(why) = options.refused() {
        eprintln!("directord: {why}");
        return ExitCode::FAILURE;
    }
    run::run(options.run_options())
}

fn start_genhash(arguments: &[OsString]) -> ExitCode {
    match Genhash::try_parse_from(arguments) {
        Ok(options) => genhash::run(options.into()),
        Err(error) => refuse(&error),
    }
}

/// What clap has to say. A wrong option ends with 2: 1 is what a check with warnings ends with.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // What was asked for goes where it can be paged; a pager that ends early is no error.
            let _ = write!(std::io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        _ => {
            eprint!("{text}");
            ExitCode::from(2)
        }
    }
}

/// ipvsadm, when that is what was called: by its name, or with it as the first argument.
fn ipvsadm(arguments: &[OsString], rest: &[OsString]) -> Option<ExitCode> {
    let called = |word: &OsString| ipvsadm::Called::of(Path::new(word).file_name()?.as_bytes());
    let program = arguments.first()?;
    if let Some(called) = called(program) {
        return Some(ipvsadm::run(called, program, rest));
    }
    let (first, rest) = rest.split_first()?;
    let called = ipvsadm::Called::of(first.as_bytes())?;
    let mut program = OsString::from("directord ");
    program.push(first);
    Some(ipvsadm::run(called, &program, rest))
}

/// The arguments of genhash, when that is what was called: as `genhash`, or with it as the first argument.
fn genhash_arguments(arguments: &[OsString]) -> Option<Vec<OsString>> {
    let (program, rest) = arguments.split_first()?;
    if Path::new(program).file_name().is_some_and(|name| name == "genhash") {
        return Some(arguments.to_vec());
    }
    let (first, rest) = rest.split_first()?;
    let named = ["genhash", "--genhash", "-T"].iter().any(|name| first == name);
    named.then(|| std::iter::once(OsString::from("directord genhash")).chain(rest.iter().cloned()).collect())
}

/// `--signum NAME`: what to send to the daemon. Real-time signals differ between C libraries: never hard-code.
fn signal_number(name: &str) -> ExitCode {
    let number = match name {
        "DATA" => libc::SIGUSR1,
        "JSON" => libc::SIGRTMIN() + 2,
        "RELOAD" => libc::SIGHUP,
        "STATS" => libc::SIGUSR2,
        "STATS_CLEAR" => libc::SIGRTMAX() - 1,
        "STOP" => libc::SIGTERM,
        _ => {
            eprintln!(
                "directord: no signal is called `{name}`: DATA, JSON, RELOAD, STATS, STATS_CLEAR, STOP"
            );
            return ExitCode::FAILURE;
        }
    };
    println!("{number}");
    ExitCode::SUCCESS
}

/// What `${_RANDOM}` starts from: another number in every run.
fn random() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    now.as_secs() ^ u64::from(now.subsec_nanos()) << 20 ^ u64::from(std::process::id()) << 40
}
