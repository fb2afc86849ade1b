//! Runs probes: connections and datagrams with the socket options of a check, TLS, and the dialogues over them.

mod batch;
mod certificate;
pub(crate) mod credentials;
mod datagrams;
mod limits;
mod probes;
pub(crate) mod runner;
mod socket;
mod tcp;
pub(crate) mod tls;
pub(crate) mod trust;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};

use crate::config::model::{Connect, TlsDemands};
use crate::report::plain;

use super::dialogue::{Dialogue, Heard, Step};
use super::{Expiring, Failure, Outcome};
use limits::Limits;

thread_local! {
    /// What is read passes through here: a buffer for each of thousands of checks would be most of what they take. A
    /// datagram of any length has room.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 * 1024]);
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Stopped {
    /// The server's fault.
    Failed(Failure),
    /// This node's fault: says nothing about the server.
    Local(String),
}

impl From<Stopped> for Outcome {
    fn from(stopped: Stopped) -> Self {
        match stopped {
            Stopped::Failed(failure) => Self::Failed(failure),
            Stopped::Local(why) => Self::NotRun(why),
        }
    }
}

/// TLS around a conversation.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tls<'a> {
    /// As whom.
    pub client: &'a tls::Client,
    /// The name that the server is told, if any.
    pub sni: Option<&'a str>,
    /// A connection that ends without saying so is broken.
    pub compliant: bool,
    /// What else is asked of it.
    pub demands: Option<Demands<'a>>,
}

/// What is demanded of the certificate and of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demands<'a> {
    /// By the configuration.
    pub asked: &'a TlsDemands,
    /// Whom the certificate must be for: a host as requests have it, or an address.
    pub name: &'a str,
    /// A certificate that ends soon is told here.
    pub expiring: &'a OnceLock<Expiring>,
}

/// Connects and leads `dialogue` to its end; `connect_timeout` is the limit of each step, ten times that of all: a server
/// that drips must not hold a verdict for ever.
pub(crate) async fn converse<D: Dialogue>(
    options: &Connect,
    tls: Option<Tls<'_>>,
    dialogue: &mut D,
) -> Result<D::Answer, Stopped> {
    converse_within(options, tls, dialogue, &mut Limits::start(options.timeout)).await
}

/// The same, within limits that others have a part in.
async fn converse_within<D: Dialogue>(
    options: &Connect,
    tls: Option<Tls<'_>>,
    dialogue: &mut D,
    limits: &mut Limits,
) -> Result<D::Answer, Stopped> {
    let stream = tcp::connect(options, limits).await?;
    match tls {
        Some(tls) => {
            let stream = limits.within(Failure::ReadTimeout, tls::handshake(stream, tls)).await??;
            let step = dialogue.next(Heard::Connected);
            carry_out(stream, limits, dialogue, step).await
        }
        None => {
            let step = dialogue.next(Heard::Connected);
            carry_out(stream, limits, dialogue, step).await
        }
    }
}

fn broken(error: io::Error) -> Stopped {
    Stopped::Failed(Failure::Broken(plain(&error)))
}

/// Leads `dialogue` to its end, from `step` on.
async fn carry_out<D: Dialogue>(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    limits: &mut Limits,
    dialogue: &mut D,
    mut step: Step<D::Answer>,
) -> Result<D::Answer, Stopped> {
    loop {
        step = match step {
            Step::Done(result) => return result.map_err(Stopped::Failed),
            Step::Send(bytes) => {
                limits.within(Failure::ReadTimeout, stream.write_all(&bytes)).await?.map_err(broken)?;
                limits.within(Failure::ReadTimeout, stream.flush()).await?.map_err(broken)?;
                dialogue.next(Heard::Sent)
            }
            Step::Read => match limits.within(Failure::ReadTimeout, read(&mut stream, dialogue)).await? {
                Ok(step) => step,
                // A TLS server that closes without saying so has still said all it had to say.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => dialogue.next(Heard::Closed),
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {
                    dialogue.next(Heard::Reset(plain(&error)))
                }
                Err(error) if tls::is_cut(&error) => dialogue.next(Heard::Reset(tls::CUT.into())),
                Err(error) => return Err(broken(error)),
            },
        }
    }
}

/// Reads once; what came, or the end, is heard.
async fn read<D: Dialogue>(
    stream: &mut (impl AsyncRead + Unpin),
    dialogue: &mut D,
) -> io::Result<Step<D::Answer>> {
    poll_fn(|context| {
        BUFFER.with_borrow_mut(|buffer| {
            let mut read = ReadBuf::new(buffer);
            let polled = Pin::new(&mut *stream).poll_read(context, &mut read);
            polled.map_ok(|()| match read.filled() {
                [] => dialogue.next(Heard::Closed),
                bytes => dialogue.next(Heard::Bytes(bytes)),
            })
        })
    })
    .await
}
