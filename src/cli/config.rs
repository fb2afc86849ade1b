//! `directord config …`: what is done with configuration files as texts.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use super::options::Config;
use super::{dump, format, refuse};

/// Runs the command that the second word names.
pub(super) fn start(arguments: &[OsString]) -> ExitCode {
    match Config::try_parse_from(arguments) {
        Ok(Config::Dump(options)) => dump::run(&options.into()),
        Ok(Config::Fmt(options)) => format::run(&options.files, options.output()),
        Err(error) => refuse(&error),
    }
}
