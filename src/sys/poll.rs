//! Waiting for a descriptor that tokio has no type for, and for a time that may never come.

use std::io;
use std::os::fd::AsRawFd;
use std::time::Instant;

use tokio::io::unix::AsyncFd;

/// Registers `inner`, which must be non-blocking, with the runtime of this thread.
#[allow(unsafe_code)]
pub(crate) fn register<T: AsRawFd + 'static>(inner: T) -> io::Result<AsyncFd<T>> {
    // SAFETY: `AsyncFd` owns `inner` from here on; every type that we register closes its descriptor only
    // when it is dropped, and returns the same descriptor from each call of `as_raw_fd`.
    Ok(unsafe { AsyncFd::register(inner) }?)
}

/// Sleeps until then; without a time for ever.
pub(crate) async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
