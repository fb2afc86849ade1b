//! The connection under a dialogue: it ends a server that says too much.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a server may say in one dialogue, in bytes; a hundred recipients take less than a tenth.
const MOST: usize = 256 * 1024;

/// A stream of which a bounded part is read.
pub(super) struct Bounded<S> {
    inner: S,
    peer: SocketAddr,
    left: usize,
    /// What the other side is held to have said first.
    greeting: &'static [u8],
    /// One byte at a time: what follows the line that ends a dialogue in the clear stays where it is.
    single: bool,
}

impl<S> Bounded<S> {
    /// A connection in the clear.
    pub(super) fn plain(inner: S, peer: SocketAddr) -> Self {
        Self { inner, peer, left: MOST, greeting: b"", single: true }
    }

    /// An encrypted one; `greeted`: the server has greeted before the encryption began.
    pub(super) fn encrypted(inner: S, peer: SocketAddr, greeted: bool) -> Self {
        let greeting: &[u8] = if greeted { b"220 \r\n" } else { b"" };
        Self { inner, peer, left: MOST, greeting, single: false }
    }
}

impl<S> fmt::Debug for Bounded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bounded").field("peer", &self.peer).field("left", &self.left).finish_non_exhaustive()
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> AsyncTokioStream for Bounded<S> {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.peer)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Bounded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let ready = self.greeting.len().min(buffer.remaining());
        if let Some((now, later)) = self.greeting.split_at_checked(ready).filter(|(now, _)| !now.is_empty()) {
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        if self.left == 0 {
            return Poll::Ready(Err(io::Error::other("the server does not stop talking")));
        }
        let limit = if self.single { 1 } else { self.left };
        let mut space = [0; 4096];
        let limit = limit.min(buffer.remaining()).min(space.len());
        let mut part = ReadBuf::new(space.get_mut(..limit).unwrap_or(&mut []));
        let outcome = Pin::new(&mut self.inner).poll_read(context, &mut part);
        buffer.put_slice(part.filled());
        self.left = self.left.saturating_sub(part.filled().len());
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}
