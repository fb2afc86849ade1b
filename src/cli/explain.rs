//! `directord explain`: the page of a keyword or of the code of a diagnostic.

use std::io::Write as _;
use std::process::ExitCode;

use crate::config::diagnostic::Code;
use crate::config::reference;

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

fn unknown(topic: &str) -> String {
    let topic: String = topic.chars().filter(|c| !c.is_control()).collect();
    let near = reference::near(&topic);
    match near.as_slice() {
        [] => format!("`{topic}` is no keyword and no code"),
        near => format!("`{topic}` is no keyword and no code; near it: {}", near.join(", ")),
    }
}
