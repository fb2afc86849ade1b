//! `directord config`: what is done with a configuration file, by its second word.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use super::options::Dump;
use super::{dump, refuse};

const USAGE: &str = "directord config dump [OPTIONS]: the configuration as it counts; --help says more";

/// In: the arguments from `config` on.
pub(super) fn run(arguments: &[OsString]) -> ExitCode {
    let rest = arguments.get(1..).unwrap_or(&[]);
    match rest.first().and_then(|word| word.to_str()) {
        Some("dump") => match Dump::try_parse_from(rest) {
            Ok(options) => dump::run(&options.into()),
            Err(error) => refuse(&error, ExitCode::SUCCESS),
        },
        Some("--help" | "-h" | "help") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some(word) => {
            eprintln!("directord: `config {word}` is no command: {USAGE}");
            ExitCode::FAILURE
        }
        None => {
            eprintln!("directord: `config` needs a second word: {USAGE}");
            ExitCode::FAILURE
        }
    }
}
