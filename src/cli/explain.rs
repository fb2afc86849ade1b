//! `directord explain`: the page of a keyword or of the code of a diagnostic, or of an election.

use std::io::Write as _;
use std::process::ExitCode;

use super::ask::Conversation;
use super::lead::Asked;
use crate::config::diagnostic::Code;
use crate::config::reference;
use crate::control::election::Election;
use crate::control::{Answer, Ask};

/// 0: every topic has a page, on standard output. 1: one has none; what comes near is on standard error.
pub fn run(topics: &[String]) -> ExitCode {
    let mut pages = Vec::new();
    let mut status = ExitCode::SUCCESS;
    for topic in topics {
        let page = match Code::named(topic) {
            Some(code) => reference::code(code),
            None => reference::keyword(topic).or_else(|| reference::value(topic)),
        };
        match page {
            Some(page) => pages.push(page),
            None => {
                eprintln!("directord: {}", unknown(topic));
                status = ExitCode::FAILURE;
            }
        }
    }
    // A reader that has seen enough, such as head(1), is no failure.
    let _ = std::io::stdout().lock().write_all(pages.join("\n").as_bytes());
    status
}

/// 0: it is explained. 1: no daemon answers, or none of its instances is called so; standard error says which.
pub fn election(asked: &Asked, of: Vec<String>) -> ExitCode {
    let ask = Ask::Status { of, watch: false };
    let answer = Conversation::begin(&asked.runtime_dir, ask, asked.timeout)
        .and_then(|mut conversation| conversation.answer("the log of the daemon may say why"));
    let why = match answer {
        Ok(Answer::Status(status)) if !status.instances.is_empty() => {
            let pages: Vec<String> = status.instances.iter().map(|one| Election(one).to_string()).collect();
            let _ = std::io::stdout().lock().write_all(pages.join("\n").as_bytes());
            return ExitCode::SUCCESS;
        }
        Ok(Answer::Status(_)) => {
            "a virtual server has no election: name a vrrp_instance or a sync group".to_owned()
        }
        Ok(_) => "the daemon answered something else".to_owned(),
        Err(why) => why,
    };
    eprintln!("directord: {why}");
    ExitCode::FAILURE
}

fn unknown(topic: &str) -> String {
    let topic: String = topic.chars().filter(|c| !c.is_control()).collect();
    let near = reference::near(&topic);
    match near.as_slice() {
        [] => format!("`{topic}` is no keyword and no code"),
        near => format!("`{topic}` is no keyword and no code; near it: {}", near.join(", ")),
    }
}
