//! The process between the daemon and the bus: one loop, which feeds the session and carries out what it wants.
//!
//! Who does not read, the daemon or the bus, makes it stop listening to the other one: what it holds is bounded.

mod messages;

use std::collections::VecDeque;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use futures_core::Stream as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use zbus::{Connection, Message, MessageStream};

use crate::beside::io::inside;
use crate::beside::{frame, unframe};
use crate::dbus::link::{Order, Word};
use crate::dbus::session::{Action, Input, Naming, Session, Setup};
use crate::sys::poll::until;

use messages::Incoming;

/// A connection is there within this time, or not at all.
const CONNECT: Duration = Duration::from_secs(10);
/// Messages that the bus has not taken before we stop to listen.
const UNSENT: usize = 256;
/// Messages of the bus that are read ahead. Each may have 32 MiB.
const AHEAD: usize = 2;
/// Bytes that the daemon has not read before we stop to listen to the bus.
const UNHEARD: usize = 1 << 16;
/// At the end the last words have this long.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Bytes that are read at once.
const READ: usize = 1 << 14;
/// The number of this machine.
const MACHINE: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// Runs until the daemon is gone. Its standard input is the socket to it.
pub(crate) fn run() -> ExitCode {
    inside::run(c"directord-dbus", async |link| Agent::begin(link).await?.serve().await)
}

struct Agent {
    link: UnixStream,
    /// What was read of the daemon's next document.
    orders: Vec<u8>,
    /// What is told to the daemon.
    words: Vec<u8>,
    address: String,
    name: String,
    session: Session,
    connecting: Option<JoinHandle<Result<MessageStream, String>>>,
    bus: Option<MessageStream>,
    /// The message that asked for the name.
    asked: Option<NonZeroU32>,
    unsent: VecDeque<Message>,
    sending: Option<Pin<Box<dyn Future<Output = zbus::Result<()>> + Send>>>,
}

impl Agent {
    async fn begin(mut link: UnixStream) -> io::Result<Self> {
        let machine = MACHINE.iter().find_map(|path| std::fs::read_to_string(path).ok());
        let machine = machine.unwrap_or_default().trim().to_owned();
        let mut orders = Vec::new();
        let Order::Setup(setup) = inside::first(&mut link, &mut orders).await? else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let Setup { address, name, .. } = setup.clone();
        Ok(Self {
            link,
            orders,
            words: Vec::new(),
            address,
            name,
            session: Session::new(Instant::now(), setup, machine),
            connecting: None,
            bus: None,
            asked: None,
            unsent: VecDeque::new(),
            sending: None,
        })
    }

    async fn serve(mut self) -> io::Result<()> {
        let _ignored = inside::ignored()?;
        self.take_orders()?;
        let mut read = vec![0; READ];
        loop {
            self.send();
            let timer = until(self.session.next_timer().map(|(at, _)| at));
            let listens = self.unsent.len() < UNSENT;
            let hears = listens && self.words.len() < UNHEARD;
            let (connecting, bus, sending, unheard) =
                (&mut self.connecting, &mut self.bus, &mut self.sending, &self.words);
            let connected = async {
                match connecting {
                    Some(task) => task.await,
                    None => pending().await,
                }
            };
            let heard = async {
                match bus {
                    Some(bus) => poll_fn(|context| Pin::new(&mut *bus).poll_next(context)).await,
                    None => pending().await,
                }
            };
            let sent = async {
                match sending {
                    Some(sending) => sending.await,
                    None => pending().await,
                }
            };
            let (mut orders, mut words) = self.link.split();
            tokio::select! {
                count = orders.read(&mut read), if listens => match count.unwrap_or(0) {
                    0 => return self.end().await,
                    count => {
                        self.orders.extend(read.get(..count).unwrap_or_default());
                        self.take_orders()?;
                    }
                },
                written = words.write(unheard), if !unheard.is_empty() => match written {
                    Ok(count) => drop(self.words.drain(..count)),
                    // Nobody hears it.
                    Err(_) => self.words.clear(),
                },
                message = heard, if hears => match message {
                    Some(Ok(message)) => self.hear(&message),
                    Some(Err(error)) => self.feed(Input::Disconnected(messages::plain(&error)), None),
                    None => self.feed(Input::Disconnected("it closed the connection".to_owned()), None),
                },
                sent = sent => {
                    self.sending = None;
                    if let Err(error) = sent {
                        self.feed(Input::Disconnected(messages::plain(&error)), None);
                    }
                }
                connected = connected => {
                    self.connecting = None;
                    match connected.unwrap_or_else(|error| Err(error.to_string())) {
                        Ok(bus) => {
                            self.bus = Some(bus);
                            self.feed(Input::Connected, None);
                        }
                        Err(why) => self.feed(Input::Disconnected(why), None),
                    }
                }
                () = timer => self.feed(Input::Timer, None),
            }
        }
    }

    fn take_orders(&mut self) -> io::Result<()> {
        while let Some(order) = unframe(&mut self.orders).map_err(io::Error::other)? {
            match order {
                Order::Instances(instances) => self.feed(Input::Instances(instances), None),
                Order::Signal(signal) => self.feed(Input::Signal(signal), None),
                Order::Setup(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        }
        Ok(())
    }

    fn hear(&mut self, message: &Message) {
        match messages::read(message, self.asked, &self.name) {
            Some(Incoming::Called(call)) => self.feed(Input::Called(call), Some(message)),
            Some(Incoming::Named(naming)) => self.feed(Input::Named(naming), None),
            None => {}
        }
    }

    /// `called`: the call that is fed.
    fn feed(&mut self, input: Input, called: Option<&Message>) {
        let mut actions = Vec::new();
        self.session.handle(Instant::now(), input, &mut actions);
        for action in actions {
            let message = match action {
                Action::Connect => {
                    self.connecting = Some(tokio::spawn(connect(self.address.clone())));
                    continue;
                }
                Action::Close => {
                    (self.bus, self.connecting, self.asked, self.sending) = (None, None, None, None);
                    self.unsent.clear();
                    continue;
                }
                Action::Ask(ask) => {
                    self.words.extend(frame(&Word::Ask(ask)));
                    continue;
                }
                Action::Report(event) => {
                    self.words.extend(frame(&Word::Tell(event)));
                    continue;
                }
                Action::Name => messages::request(&self.name).inspect(|message| {
                    self.asked = Some(message.primary_header().serial_num());
                }),
                Action::Answer(answer) => {
                    let Some(called) = called.filter(|called| messages::wants_answer(called)) else {
                        continue;
                    };
                    messages::answer(called, answer)
                }
                Action::Emit(emission) => messages::signal(&emission),
            };
            match message {
                Ok(message) => self.unsent.push_back(message),
                // What is asked for is no name.
                Err(error) => self.refused(&error),
            }
        }
    }

    fn refused(&mut self, error: &zbus::Error) {
        if self.asked.is_none() {
            self.feed(Input::Named(Naming::Refused(messages::plain(error))), None);
        }
    }

    /// Begins with the next message, when the one before is sent. It is not stopped in the middle: the bus would not understand
    /// what follows.
    fn send(&mut self) {
        let Some(bus) = self.bus.as_ref().filter(|_| self.sending.is_none()) else { return };
        let Some(message) = self.unsent.pop_front() else { return };
        let connection = Connection::from(bus);
        self.sending = Some(Box::pin(async move { connection.send(&message).await }));
    }

    /// The daemon is gone: says so, if the bus listens.
    async fn end(mut self) -> io::Result<()> {
        self.feed(Input::Stop, None);
        let last_words = async {
            loop {
                self.send();
                let Some(sending) = self.sending.take() else { return };
                if sending.await.is_err() {
                    return;
                }
            }
        };
        let _ = timeout(LAST_WORDS, last_words).await;
        Ok(())
    }
}

async fn connect(address: String) -> Result<MessageStream, String> {
    let connected = async {
        let builder = zbus::connection::Builder::address(address.as_str())?.max_queued(AHEAD);
        Ok(MessageStream::from(builder.build().await?))
    };
    match timeout(CONNECT, connected).await {
        Ok(connected) => connected.map_err(|error| messages::plain(&error)),
        Err(_) => Err("it does not answer".to_owned()),
    }
}
