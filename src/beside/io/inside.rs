//! What runs in such a process: a loop of its own, on its end of the socket to the daemon.
//!
//! It lives as long as the daemon's end of its standard input is open, and has no capability from the moment that it knows
//! what it is for.

use std::ffi::CStr;
use std::io;
use std::os::fd::AsFd as _;
use std::process::ExitCode;

use serde::de::DeserializeOwned;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::beside::unframe;
use crate::sys::{confine, memory, schedule};
use crate::text::reason;

/// Runs `serve` until it ends. `name`: what it is called in a list of processes.
pub(crate) fn run(name: &CStr, serve: impl AsyncFnOnce(UnixStream) -> io::Result<()>) -> ExitCode {
    memory::keep_little();
    // Without it, it is called as its program.
    let _ = schedule::name(name);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = runtime.and_then(|runtime| {
        let link = io::stdin().as_fd().try_clone_to_owned()?;
        let link = std::os::unix::net::UnixStream::from(link);
        link.set_nonblocking(true)?;
        runtime.block_on(async { serve(UnixStream::from_std(link)?).await })
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("directord: this is a part of the daemon, which starts it itself: {}", reason(&error));
            ExitCode::FAILURE
        }
    }
}

/// Waits for the first document; then nothing is needed but sockets. What follows it is in `orders`.
pub(crate) async fn first<Order: DeserializeOwned>(
    link: &mut UnixStream,
    orders: &mut Vec<u8>,
) -> io::Result<Order> {
    loop {
        match unframe(orders).map_err(io::Error::other)? {
            Some(order) => {
                confine::without_capabilities()?;
                return Ok(order);
            }
            None if link.read_buf(orders).await? == 0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            None => {}
        }
    }
}

/// A service manager sends these to all processes of the daemon; this one ends behind it. To be kept.
pub(crate) fn ignored() -> io::Result<Vec<Signal>> {
    [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()].into_iter().map(signal).collect()
}
