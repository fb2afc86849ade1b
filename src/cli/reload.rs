//! `directord reload`: asks the daemon to read its configuration again, and waits for what comes of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::ask::Conversation;
use crate::control::{Answer, Ask};

/// Whom to ask, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReloadOptions {
    /// Also when it leaves nothing to do, or misses what runs because files are missing.
    pub allow_empty: bool,
    /// Nothing is said of what the daemon answers: its log has it.
    pub quiet: bool,
    /// The runtime directory of the daemon.
    pub runtime_dir: PathBuf,
    /// How long to wait.
    pub timeout: Duration,
}

/// 0: it is in force. 1: it is not; standard error says why.
pub fn run(options: &ReloadOptions) -> ExitCode {
    let ask = Ask::Reload { allow_empty: options.allow_empty };
    let late = "the reload may still be under way: the log says what comes of it";
    let answer = Conversation::begin(&options.runtime_dir, ask, options.timeout)
        .and_then(|mut conversation| conversation.answer(late));
    match answer {
        Ok(Answer::Reloaded(answer)) => {
            for line in answer.lines.iter().filter(|_| !options.quiet) {
                eprintln!("{line}");
            }
            if answer.applied { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Ok(_) => fail("the daemon answered something else"),
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("directord: {why}");
    ExitCode::FAILURE
}
