//! The connection under a dialogue: it ends a server that says too much, and greets one that does not know EHLO.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a server may say in one dialogue, in bytes; a hundred recipients take less than a tenth.
const MOST: usize = 256 * 1024;
/// And in one answer, in bytes. With [`LINES`] it bounds the work: each line is looked at with those before it.
const ANSWER: usize = 32 * 1024;
/// Lines of one answer.
const LINES: usize = 200;

/// A stream of which a bounded part is read.
pub(super) struct Bounded<S> {
    inner: S,
    peer: SocketAddr,
    left: usize,
    /// Bytes and lines of the present answer.
    answer: usize,
    lines: usize,
    /// What is still to be written instead of what the dialogue begins with.
    hello: &'static [u8],
    /// Heard, and not handed on yet. At first what the other side is held to have said.
    heard: VecDeque<u8>,
    line: Line,
    /// One byte at a time: what follows the line that ends a dialogue in the clear stays where it is.
    single: bool,
}

impl<S> Bounded<S> {
    /// A connection in the clear.
    pub(super) fn plain(inner: S, peer: SocketAddr) -> Self {
        Self::new(inner, peer, b"", true)
    }

    /// An encrypted one; `greeted`: the server has greeted before the encryption began.
    pub(super) fn encrypted(inner: S, peer: SocketAddr, greeted: bool) -> Self {
        let greeting: &[u8] = if greeted { b"220 \r\n" } else { b"" };
        Self::new(inner, peer, greeting, false)
    }

    fn new(inner: S, peer: SocketAddr, greeting: &[u8], single: bool) -> Self {
        let heard = greeting.iter().copied().collect();
        let (answer, lines, line) = (ANSWER, LINES, Line::default());
        Self { inner, peer, left: MOST, answer, lines, hello: b"", heard, line, single }
    }

    /// With HELO, whatever word of this length the dialogue begins with: lettre knows EHLO only.
    pub(super) fn with_helo(self) -> Self {
        Self { hello: b"HELO", ..self }
    }
}

impl<S> Bounded<S> {
    fn hand_on(&mut self, buffer: &mut ReadBuf<'_>) {
        let ready = self.heard.len().min(buffer.remaining());
        self.heard.drain(..ready).for_each(|byte| buffer.put_slice(&[byte]));
    }
}

/// Makes lines of plain ASCII that end with CR LF and nowhere else, and whose text is empty or has a word: lettre panics
/// over a text of blanks in the answer to EHLO.
#[derive(Debug, Default)]
struct Line {
    /// Bytes so far.
    length: usize,
    /// There is a word behind the status code.
    has_word: bool,
    /// The last byte was CR.
    cr: bool,
}

impl Line {
    /// Status code, and a blank or a hyphen.
    const CODE: usize = 4;

    fn take_in(&mut self, byte: u8, out: &mut VecDeque<u8>) {
        if self.cr && byte == b'\n' {
            *self = Self::default();
            out.push_back(byte);
            return;
        }
        // A CR that ends no line belongs to the text.
        if std::mem::take(&mut self.cr) {
            self.put(b'?', out);
        }
        match byte {
            b'\r' => {
                if self.length > Self::CODE && !self.has_word {
                    self.put(b'?', out);
                }
                self.cr = true;
                self.length += 1;
                out.push_back(byte);
            }
            b' ' | b'!'..=b'~' => self.put(byte, out),
            _ => self.put(b'?', out),
        }
    }

    fn put(&mut self, byte: u8, out: &mut VecDeque<u8>) {
        self.has_word |= self.length >= Self::CODE && byte != b' ';
        self.length += 1;
        out.push_back(byte);
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
        if !self.heard.is_empty() {
            self.hand_on(buffer);
            return Poll::Ready(Ok(()));
        }
        let endless = || Poll::Ready(Err(io::Error::other("the server does not stop talking")));
        let left = self.left.min(self.answer);
        if left == 0 || self.lines == 0 {
            return endless();
        }
        let limit = if self.single { 1 } else { left };
        let mut space = [0; 4096];
        let limit = limit.min(buffer.remaining()).min(space.len());
        let mut part = ReadBuf::new(space.get_mut(..limit).unwrap_or(&mut []));
        let outcome = Pin::new(&mut self.inner).poll_read(context, &mut part);
        let bytes = part.filled();
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        if lines > self.lines {
            return endless();
        }
        let this = &mut *self;
        bytes.iter().for_each(|byte| this.line.take_in(*byte, &mut this.heard));
        self.left = self.left.saturating_sub(bytes.len());
        self.answer = self.answer.saturating_sub(bytes.len());
        self.lines = self.lines.saturating_sub(lines);
        self.hand_on(buffer);
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Bounded<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // The next answer.
        (self.answer, self.lines) = (ANSWER, LINES);
        let Some(rest) = bytes.get(self.hello.len()..).filter(|_| !self.hello.is_empty()) else {
            return Pin::new(&mut self.inner).poll_write(context, bytes);
        };
        let instead = [self.hello, rest].concat();
        let outcome = Pin::new(&mut self.inner).poll_write(context, &instead);
        if let Poll::Ready(Ok(written)) = &outcome {
            self.hello = self.hello.get(*written..).unwrap_or(b"");
        }
        outcome
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

    fn pair(encrypted: bool, room: usize) -> (Bounded<DuplexStream>, DuplexStream) {
        let (ours, theirs) = duplex(room);
        let peer = SocketAddr::from(([127, 0, 0, 1], 25));
        let bounded =
            if encrypted { Bounded::encrypted(ours, peer, false) } else { Bounded::plain(ours, peer) };
        (bounded, theirs)
    }

    /// How much of an answer without end is taken.
    async fn taken(stream: &mut Bounded<DuplexStream>, server: &mut DuplexStream, piece: &[u8]) -> usize {
        let say = async { while server.write_all(piece).await.is_ok() {} };
        let hear = async {
            let mut taken = 0;
            loop {
                match stream.read(&mut [0; 4096]).await {
                    Ok(read) => taken += read,
                    Err(error) => {
                        assert!(error.to_string().contains("does not stop talking"), "{error}");
                        return taken;
                    }
                }
            }
        };
        tokio::select! {
            () = say => panic!("it is never closed"),
            taken = hear => taken,
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_left_soon() {
        for encrypted in [false, true] {
            let (mut stream, mut server) = pair(encrypted, 16 * 1024);
            let line = b"220-h\r\n";
            assert!(taken(&mut stream, &mut server, line).await <= LINES * line.len());
            let (mut stream, mut server) = pair(encrypted, 16 * 1024);
            assert_eq!(taken(&mut stream, &mut server, b"2").await, ANSWER);
        }
    }

    #[tokio::test]
    async fn each_answer_has_its_own_measure_and_all_have_one_together() {
        let (mut stream, mut server) = pair(true, 64 * 1024);
        let answer = b"250-ok\r\n".repeat(LINES);
        let mut heard = vec![0; answer.len()];
        for _command in 0..MOST / answer.len() {
            stream.write_all(b"NOOP\r\n").await.unwrap();
            server.write_all(&answer).await.unwrap();
            stream.read_exact(&mut heard).await.unwrap();
        }
        server.write_all(&answer).await.unwrap();
        stream.write_all(b"NOOP\r\n").await.unwrap();
        assert!(stream.read_exact(&mut heard).await.is_err());
    }

    #[test]
    fn the_text_of_a_line_is_empty_or_has_a_word() {
        let heard = |said: &str| {
            let (mut line, mut out) = (Line::default(), VecDeque::new());
            said.bytes().for_each(|byte| line.take_in(byte, &mut out));
            String::from_utf8(out.into()).unwrap()
        };
        for same in ["250-\r\n250 ok\r\n", "250-  a\r\n", "250\r\n", "\r\n", "250 a b \r\n"] {
            assert_eq!(heard(same), same);
        }
        assert_eq!(heard("250-  \r\n250 \r\n"), "250-  ?\r\n250 \r\n");
        assert_eq!(heard("250-\t\r\n250-\u{a0}\r\n"), "250-?\r\n250-??\r\n");
        assert_eq!(heard("250-\r \r\n250-\r\r\n"), "250-\r? \r\n250-\r?\r\n");
        assert_eq!(heard("250-\n \r\n"), "250-? \r\n");
        for seed in 0..2000 {
            let mut random = fastrand::Rng::with_seed(seed);
            let signs = ["2", "5", "0", "-", " ", "\r", "\n", "\r\n", "\t", "\u{3000}", "250-", "250 "];
            let said: String = (0..40).map(|_| signs[random.usize(0..signs.len())]).collect();
            let heard = heard(&said);
            let mut lines: Vec<&str> = heard.split("\r\n").collect();
            // The last one has no end yet.
            lines.pop();
            for line in lines {
                let text = line.get(4..).unwrap_or("");
                assert!(!line.contains('\n') && (text.is_empty() || !text.trim().is_empty()), "{said:?}");
            }
        }
    }

    /// Also when the other side takes a byte at a time.
    #[tokio::test]
    async fn helo_takes_the_place_of_ehlo() {
        for room in [1, 2, 3, 64] {
            let (stream, mut server) = pair(false, room);
            let mut stream = stream.with_helo();
            let said = "EHLO EHLO.example\r\nEHLO\r\n";
            let write = async {
                stream.write_all(said.as_bytes()).await.unwrap();
                drop(stream);
            };
            let mut heard = String::new();
            let (_, read) = tokio::join!(write, server.read_to_string(&mut heard));
            read.unwrap();
            assert_eq!(heard, "HELO EHLO.example\r\nEHLO\r\n");
        }
    }
}
