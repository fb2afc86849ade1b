//! The process between the daemon and the master agent: one loop, which feeds the session and carries out what it wants.
//!
//! It lives as long as the daemon's end of its standard input is open. Who does not read, the daemon or the master agent,
//! makes it stop reading from the master agent: what it holds is bounded.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::beside::io::inside;
use crate::beside::{frame, unframe};
use crate::config::model::MasterAgent;
use crate::snmp::event::Event;
use crate::snmp::link::{Order, Word};
use crate::snmp::pdu;
use crate::snmp::session::{Action, Input, Session};
use crate::sys::poll::until;
use crate::text::reason;

/// A connection is there within this time, or not at all.
const CONNECT: Duration = Duration::from_secs(10);
/// What the master agent has not read before we stop to listen to it.
const UNREAD: usize = 1 << 20;
/// At the end the last words have this long.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Bytes that are read at once.
const READ: usize = 1 << 16;

trait Stream: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Stream for T {}

type Connection = Box<dyn Stream + Unpin>;

/// Runs until the daemon is gone. Its standard input is the socket to it.
pub(crate) fn run() -> ExitCode {
    inside::run(c"directord-snmp", async |link| Agent::begin(link).await?.serve().await)
}

struct Agent {
    link: UnixStream,
    /// What was read of the daemon's next document.
    orders: Vec<u8>,
    /// What is told to the daemon.
    words: Vec<u8>,
    session: Session,
    address: Option<MasterAgent>,
    connecting: Option<JoinHandle<io::Result<Connection>>>,
    master: Option<(ReadHalf<Connection>, WriteHalf<Connection>)>,
    /// What was read of its next message.
    heard: Vec<u8>,
    /// What is still to be written to it.
    unsent: Vec<u8>,
    /// The daemon is gone: until then the last traps may be told.
    end: Option<Instant>,
}

impl Agent {
    async fn begin(mut link: UnixStream) -> io::Result<Self> {
        let mut orders = Vec::new();
        let Order::Setup(setup) = inside::first(&mut link, &mut orders).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let address = MasterAgent::parse(&setup.agent).ok();
        Ok(Self {
            link,
            orders,
            words: Vec::new(),
            session: Session::new(Instant::now(), setup),
            address,
            connecting: None,
            master: None,
            heard: Vec::new(),
            unsent: Vec::new(),
            end: None,
        })
    }

    async fn serve(mut self) -> io::Result<()> {
        let _ignored = inside::ignored()?;
        self.take_orders()?;
        let (mut from_daemon, mut from_master) = (vec![0; READ], vec![0; READ]);
        loop {
            if self.end.is_some_and(|end| self.session.is_idle() || end <= Instant::now()) {
                return self.end().await;
            }
            let due = self.session.next_timer().map(|(at, _)| at).into_iter().chain(self.end).min();
            let timer = until(due);
            let (connecting, unsent, unheard) = (&mut self.connecting, &self.unsent, &self.words);
            let connected = async {
                match connecting {
                    Some(task) => task.await,
                    None => std::future::pending().await,
                }
            };
            let (mut reader, mut writer) = match &mut self.master {
                Some((reader, writer)) => (Some(reader), Some(writer)),
                None => (None, None),
            };
            let listens = self.unsent.len() < UNREAD && self.words.len() < UNREAD;
            let heard = async {
                match &mut reader {
                    Some(reader) => reader.read(&mut from_master).await,
                    None => std::future::pending().await,
                }
            };
            let sent = async {
                match &mut writer {
                    Some(writer) => writer.write(unsent).await,
                    None => std::future::pending().await,
                }
            };
            let (mut orders, mut words) = self.link.split();
            tokio::select! {
                read = orders.read(&mut from_daemon), if self.end.is_none() => {
                    let count = read.unwrap_or(0);
                    if count == 0 {
                        self.end = Some(Instant::now() + LAST_WORDS);
                    }
                    self.orders.extend(from_daemon.get(..count).unwrap_or_default());
                    self.take_orders()?;
                }
                written = words.write(unheard), if !unheard.is_empty() => match written {
                    Ok(count) => drop(self.words.drain(..count)),
                    // Nobody hears it.
                    Err(_) => self.words.clear(),
                },
                read = heard, if listens => match read {
                    Ok(0) => self.feed(Input::Disconnected("it closed the connection".to_owned())),
                    Ok(count) => {
                        self.heard.extend(from_master.get(..count).unwrap_or_default());
                        self.take_messages();
                    }
                    Err(error) => self.feed(Input::Disconnected(plain(&error))),
                },
                written = sent, if !unsent.is_empty() => match written {
                    Ok(count) => {
                        self.unsent.drain(..count);
                        self.take_messages();
                    }
                    Err(error) => self.feed(Input::Disconnected(plain(&error))),
                },
                outcome = connected => {
                    self.connecting = None;
                    match outcome.unwrap_or_else(|error| Err(io::Error::other(error))) {
                        Ok(connection) => {
                            self.master = Some(tokio::io::split(connection));
                            self.feed(Input::Connected);
                        }
                        Err(error) => self.feed(Input::Disconnected(plain(&error))),
                    }
                }
                () = timer => self.feed(Input::Timer),
            }
        }
    }

    fn take_orders(&mut self) -> io::Result<()> {
        while let Some(order) = unframe(&mut self.orders).map_err(io::Error::other)? {
            match order {
                Order::Tables(source, tables) => self.feed(Input::Tables(source, tables)),
                Order::Trap(trap) => self.feed(Input::Trap(trap)),
                Order::Setup(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    /// As many as may be answered: the answers to a few bytes may be long.
    fn take_messages(&mut self) {
        while self.unsent.len() < UNREAD {
            let heard = match pdu::length(&self.heard) {
                Ok(Some(length)) => {
                    let Some(message) = self.heard.get(..length) else { return };
                    let heard = pdu::read(message);
                    self.heard.drain(..length);
                    heard
                }
                Ok(None) => return,
                Err(malformed) => Err((pdu::Header::default(), malformed)),
            };
            self.feed(Input::Heard(heard));
            if self.master.is_none() {
                return;
            }
        }
    }

    fn feed(&mut self, input: Input) {
        let mut actions = Vec::new();
        self.session.handle(Instant::now(), clock(), input, &mut actions);
        for action in actions {
            match action {
                Action::Connect => self.connecting = Some(tokio::spawn(connect(self.address.clone()))),
                Action::Send(header, message) => self.unsent.extend(message.to_bytes(header)),
                Action::Close => {
                    (self.master, self.connecting) = (None, None);
                    self.heard.clear();
                    self.unsent.clear();
                }
                Action::Ask(source) => self.words.extend(frame(&Word::Ask(source))),
                Action::Report(event) => self.tell(&event),
            }
        }
    }

    fn tell(&mut self, event: &Event) {
        self.words.extend(frame(&Word::Tell(event.clone())));
    }

    /// The daemon is gone: says so to the master agent, if it listens.
    async fn end(mut self) -> io::Result<()> {
        let mut actions = Vec::new();
        self.session.handle(Instant::now(), clock(), Input::Stop, &mut actions);
        for action in actions {
            if let Action::Send(header, message) = action {
                self.unsent.extend(message.to_bytes(header));
            }
        }
        if let Some((_, writer)) = &mut self.master {
            // Whoever does not read learns of it by the end of the connection.
            let _ = timeout(LAST_WORDS, writer.write_all(&self.unsent)).await;
        }
        Ok(())
    }
}

async fn connect(address: Option<MasterAgent>) -> io::Result<Connection> {
    let connected = async {
        Ok(match address.ok_or(io::ErrorKind::Unsupported)? {
            MasterAgent::Unix(path) => Box::new(UnixStream::connect(path).await?) as Connection,
            MasterAgent::Tcp { host, port } => {
                let stream = TcpStream::connect((host.as_str(), port)).await?;
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    };
    timeout(CONNECT, connected).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The monotonic clock in milliseconds, the same for all processes of this machine.
pub(crate) fn clock() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

fn plain(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => " (`agentXPerms` of snmpd says who may)",
        _ => "",
    };
    format!("{}{hint}", reason(error).to_lowercase())
}
