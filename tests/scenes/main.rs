//! Scenes of VRRP: a node alone or with a peer, in namespaces of their own, and what is seen of it: lines of the FIFO, scripts in
//! their order, adverts and announcements on the wire, objects in the kernel. Each is played with directord and with keepalived
//! 2.2.7 in the role of A (B is keepalived), and what is seen is compared with what the scene says; a difference that is meant is
//! written there, with the row of `docs/compat.md` that explains it. Only what and in which order counts, never when.
//!
//! `cargo test --test scenes -- [filter…] [--list] [--jobs N] [--program directord|keepalived] [--record]`
//!
//! One program in two parts: outside it starts itself once for each play, in namespaces that end with it (`launcher`); there it
//! is the switch between the nodes, the ears and the stage manager (`play`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)] // a test program: a panic is a failure
#![allow(missing_docs, unreachable_pub)]

mod ears;
mod launcher;
mod node;
mod objects;
mod packet;
mod play;
mod scene;
mod trace;

fn main() -> std::process::ExitCode {
    match std::env::var("SCENE_PLAY") {
        Ok(name) => play::main(&name),
        Err(_) => launcher::main(&std::env::args().skip(1).collect::<Vec<_>>()),
    }
}
