//! `directord status`: how the daemon that runs stands.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use super::ask::Conversation;
use super::lead::Asked;
use crate::control::status::Status;
use crate::control::{Answer, Ask};

/// Whom to ask, and of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusOptions {
    /// Instances, sync groups, virtual servers; none: all of them.
    pub of: Vec<String>,
    /// As JSON, a line each time.
    pub json: bool,
    /// Again at each change.
    pub watch: bool,
    /// Whom to ask.
    pub asked: Asked,
}

/// To the top of a terminal that is empty from there on.
const TOP: &str = "\x1b[H\x1b[J";

/// 0: it is shown. 1: it is not; standard error says why.
pub fn run(options: &StatusOptions) -> ExitCode {
    match show(options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("directord: {why}");
            ExitCode::FAILURE
        }
    }
}

fn show(options: &StatusOptions) -> Result<(), String> {
    let StatusOptions { of, watch, .. } = options;
    let ask = Ask::Status { of: of.clone(), watch: *watch };
    let mut conversation = Conversation::begin(&options.asked.runtime_dir, ask, options.asked.timeout)?;
    let mut out = io::stdout().lock();
    let above = options.watch && !options.json && out.is_terminal();
    let mut again = false;
    loop {
        let Answer::Status(status) = conversation.answer("the log of the daemon may say why")? else {
            return Err("the daemon answered something else".to_owned());
        };
        let before = match (above, again) {
            (true, _) => TOP,
            (false, true) if !options.json => "\n",
            _ => "",
        };
        let written = write!(out, "{before}{}", text(&status, options.json)).and_then(|()| out.flush());
        // Who reads it has seen enough.
        if written.is_err() || !options.watch {
            return Ok(());
        }
        again = true;
        conversation.wait_for_ever()?;
    }
}

fn text(status: &Status, json: bool) -> String {
    match json {
        true => serde_json::to_string(status).map(|line| line + "\n").unwrap_or_default(),
        false => status.page(&age).to_string(),
    }
}

/// How long ago that was.
fn age(time: &str) -> Option<Duration> {
    humantime::parse_rfc3339(time).ok()?.elapsed().ok()
}
