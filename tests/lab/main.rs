//! The lab: scenarios of a director pair, its real servers and a client, in a kernel of their own.
//!
//! `cargo test --test lab -- [filter] [--list] [--jobs N] [--program directord|keepalived] [--show NAME]`
//!
//! One program in four parts: outside it starts a User Mode Linux per scenario (`launcher`), inside that
//! machine it is the first process (`init`) and the scenario (`inside`), and within a node it is a small client (`agent`).
//! The words scenarios are written in are in `lab/`, the scenarios in `scenarios/`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a test program: a panic is a failure
#![allow(missing_docs, unreachable_pub)]

mod agent;
mod answers;
mod floor;
mod init;
mod inside;
mod lab;
mod launcher;
mod pulse;
mod scenarios;
mod weights;

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "agent") {
        agent::main(&arguments[1..]);
        return std::process::ExitCode::SUCCESS;
    }
    if std::process::id() == 1 {
        init::main();
    }
    if std::env::var_os("LAB_INSIDE").is_some() {
        inside::main();
        return std::process::ExitCode::SUCCESS;
    }
    launcher::main(&arguments)
}
