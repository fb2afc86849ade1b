//! `directord ipvsadm`, and whoever calls the program `ipvsadm`, `ipvsadm-save`, `ipvsadm-restore`: the kernel's table by
//! hand, with the command lines, the lists, the messages and the exit statuses of ipvsadm 1.31.
//!
//! `words`, `options` and `parse` read a command line, `restore` saved rules, `print` and `connections` write lists:
//! all of them pure. `act` does it. What the daemon keeps is left to the daemon (`owner`), unless `--force` is there.

/// Doing it.
mod act;
/// Addresses and numbers.
pub mod address;
/// Bytes as characters.
pub mod bytes;
/// `-L -c`.
pub mod connections;
/// What the kernel refuses, in words.
pub mod errors;
/// `-h`, `-v`.
mod help;
/// Options and commands.
pub mod options;
/// What the daemon keeps.
mod owner;
/// Command lines.
pub mod parse;
/// Lists.
pub mod print;
/// `-R`.
pub mod restore;
/// Words into options.
pub mod words;

use std::ffi::{CStr, OsString};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::ffi::OsStrExt as _;
use std::process::ExitCode;

use act::{Ended, Hand};
use address::Names;
use bytes::{narrow, wide};
use parse::{Action, Format, Listed, Ours, Stop};

use crate::sys::names;
use crate::text::reason;

/// What the program is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Called {
    /// `ipvsadm`.
    Ipvsadm,
    /// `ipvsadm-save`.
    Save,
    /// `ipvsadm-restore`.
    Restore,
}

impl Called {
    /// By a name without its folder.
    pub fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"ipvsadm" => Some(Self::Ipvsadm),
            b"ipvsadm-save" => Some(Self::Save),
            b"ipvsadm-restore" => Some(Self::Restore),
            _ => None,
        }
    }
}

/// What is printed, and the exit status; a character stands for a byte.
#[derive(Debug, Default)]
struct Output {
    out: String,
    err: String,
    status: u8,
}

impl Output {
    fn stopped(&mut self, stop: Stop) -> Ended {
        self.err += &stop.text;
        Ended(stop.status)
    }

    fn unlisted(&mut self, errno: i32) -> Ended {
        self.err += &format!("{}\n", errors::text(errors::Asked::List, errno));
        Ended(1)
    }

    /// Prints the errors so far when they are longer than `length`.
    fn say_errors(&mut self, length: usize) {
        if self.err.len() > length {
            let _ = io::stderr().write_all(&narrow(&std::mem::take(&mut self.err)));
        }
    }

    /// Prints it.
    fn end(self, program: &str) -> ExitCode {
        let mut status = self.status;
        let mut stdout = io::stdout().lock();
        match stdout.write_all(&narrow(&self.out)).and_then(|()| stdout.flush()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let _ = io::stderr()
                    .write_all(&narrow(&format!("{program}: cannot write: {}\n", reason(&error))));
                status = status.max(1);
            }
            _ => {}
        }
        let _ = io::stderr().write_all(&narrow(&self.err));
        ExitCode::from(status)
    }
}

/// Runs it. `program`: how it was called, for messages.
pub fn run(called: Called, program: &OsString, arguments: &[OsString]) -> ExitCode {
    let program = wide(program.as_bytes());
    let mut words: Vec<String> = arguments.iter().map(|word| wide(word.as_bytes())).collect();
    match called {
        Called::Ipvsadm => {}
        Called::Save => {
            if words.iter().any(|word| word.starts_with('-') && word != "-n") {
                let err = format!("{program}: the table as commands for ipvsadm -R, with -n as numbers\n");
                return Output { err, status: 1, ..Output::default() }.end(&program);
            }
            let numeric = words.iter().any(|word| word == "-n").then(|| "-n".to_owned());
            words = std::iter::once("-S".to_owned()).chain(numeric).collect();
        }
        Called::Restore => words.insert(0, "-R".to_owned()),
    }
    let mut output = Output::default();
    output.status = match begin(called, &program, &words, &mut output) {
        Ok(status) | Err(Ended(status)) => status,
    };
    output.end(&program)
}

fn begin(called: Called, program: &str, words: &[String], output: &mut Output) -> Result<u8, Ended> {
    let names = Library;
    let (action, ours) = if words.is_empty() {
        (Action::List(Listed::All, Format::default()), Ours::default())
    } else {
        parse::parse(program, words, &names).map_err(|stop| output.stopped(stop))?
    };
    match action {
        Action::Help => output.out += &help::text(program),
        Action::Version => output.out += help::VERSION,
        _ => {
            let mut hand = Hand::reach(program, &names, output)?;
            if action != Action::Restore {
                hand.ask_owner(&action, &ours, output)?;
                return hand.act(&action, output);
            }
            let rules = act::rules().map_err(|why| {
                output.err += &format!("{why}\n");
                Ended(Stop::WRONG)
            })?;
            // Whoever writes the rules may take his time, and a daemon begin meanwhile.
            hand.ask_owner(&action, &ours, output)?;
            return Ok(hand.restore(&rules, &ours, called == Called::Restore, output));
        }
    }
    Ok(0)
}

/// The names of the C library.
struct Library;

impl Library {
    fn protocol(number: u16) -> Option<&'static CStr> {
        match number {
            6 => Some(c"tcp"),
            17 => Some(c"udp"),
            132 => Some(c"sctp"),
            _ => None,
        }
    }
}

impl Names for Library {
    fn address(&self, host: &str) -> Option<Ipv4Addr> {
        names::address_of(&narrow(host))
    }

    fn port(&self, service: &str, protocol: u16) -> Option<u16> {
        names::port_of(&narrow(service), Self::protocol(protocol)?)
    }

    fn host(&self, address: IpAddr) -> Option<String> {
        names::host_of(address).map(|name| wide(&name))
    }

    fn service(&self, port: u16, protocol: u16) -> Option<String> {
        names::service_of(port, Self::protocol(protocol)?).map(|name| wide(&name))
    }
}
