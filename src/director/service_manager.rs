//! Messages to systemd (`sd_notify(3)`); without NOTIFY_SOCKET they go nowhere.
//!
//! A service manager that does not read its socket keeps nobody waiting: what it has not taken waits here, the last
//! word of each kind, and is offered again.

use std::ffi::OsString;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use super::guard::Link;

/// What such a line begins with.
const STATUS: &str = "STATUS=";
const MORE_TIME: &str = "EXTEND_TIMEOUT_USEC=";

/// How it is reached.
#[derive(Debug)]
enum Way {
    /// At its address.
    Address(Listener),
    /// By our parent, which hands it on.
    Parent(Arc<UnixDatagram>),
}

/// A service manager that listens.
#[derive(Debug)]
struct Listener {
    socket: UnixDatagram,
    address: SocketAddr,
}

impl Listener {
    /// The one that started us.
    fn from_environment() -> Option<Self> {
        Self::at(std::env::var_os("NOTIFY_SOCKET"))
    }

    /// `@` stands for the zero byte of an abstract name.
    fn at(name: Option<OsString>) -> Option<Self> {
        let name = name.filter(|name| !name.is_empty())?;
        let open = || {
            let address = match name.as_bytes().strip_prefix(b"@") {
                Some(name) => SocketAddr::from_abstract_name(name)?,
                None => SocketAddr::from_pathname(&name)?,
            };
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            io::Result::Ok(Self { socket, address })
        };
        match open() {
            Ok(listener) => Some(listener),
            Err(error) => {
                tracing::debug!("cannot notify the service manager: {error}");
                None
            }
        }
    }
}

/// To our parent alone: what a predecessor left is ours from now on.
pub(super) const TAKES: &[u8] = b"X_TAKES=1";

/// Whether a message says that the configuration is in force.
pub(super) fn is_ready(message: &[u8]) -> bool {
    let ready = NotifyState::Ready.to_string();
    message.split(|byte| *byte == b'\n').any(|line| line == ready.as_bytes())
}

/// The service manager, and what it is still to be told.
#[derive(Debug, Default)]
pub(super) struct Manager {
    way: Option<Way>,
    /// `READY=1` and the like, as lines.
    state: Option<String>,
    status: Option<String>,
    /// The status line that it has.
    told: String,
}

impl Manager {
    /// The one that started us, or our parent.
    pub(super) fn new(guard: Option<&Link>) -> Self {
        let way = match guard {
            Some(link) => Some(Way::Parent(Arc::clone(&link.socket))),
            None => Listener::from_environment().map(Way::Address),
        };
        Self { way, ..Self::default() }
    }

    /// The configuration is in force.
    pub(super) fn ready(&mut self, status: &str) {
        self.state = Some(NotifyState::Ready.to_string());
        self.status(status);
    }

    /// What a predecessor left is taken over now: our parent is not to take it away.
    pub(super) fn takes(&self) {
        if let Some(Way::Parent(socket)) = &self.way {
            // When it does not hear it, it takes away what is set again at once.
            let _ = socket.send(TAKES);
        }
    }

    /// A reload begins; [`Self::ready`] ends it.
    pub(super) fn reloading(&mut self) {
        let since = NotifyState::monotonic_usec_now().map(|now| format!("\n{now}")).unwrap_or_default();
        self.state = Some(format!("{}{since}", NotifyState::Reloading));
        self.offer();
    }

    /// The line that `systemctl status` shows.
    pub(super) fn status(&mut self, status: &str) {
        // A line break would begin another message.
        self.status = Some(status.replace('\n', " ")).filter(|status| *status != self.told);
        self.offer();
    }

    /// The stop begins.
    pub(super) fn stopping(&mut self) {
        self.state = Some(NotifyState::Stopping.to_string());
        self.offer();
    }

    /// Hands on what another process says of itself ([`is_ready`]).
    pub(super) fn hand_on(&mut self, message: &[u8]) {
        let text = String::from_utf8_lossy(message);
        let (status, state): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with(STATUS));
        if let Some(status) = status.last().and_then(|line| line.strip_prefix(STATUS)) {
            self.status = Some(status.to_owned());
        }
        if !state.is_empty() {
            let only_more_time = state.iter().all(|line| line.starts_with(MORE_TIME));
            let before = self.state.take().filter(|_| only_more_time);
            self.state = Some(
                before.into_iter().chain(state.into_iter().map(str::to_owned)).collect::<Vec<_>>().join("\n"),
            );
        }
        self.offer();
    }

    /// What is under way may take this long from now on, whatever its own limit for a start or a stop is.
    pub(super) fn extend(&mut self, time: Duration) {
        let time = u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        self.state = Some(match self.state.take() {
            // What it has not taken yet is no less true.
            Some(state) => format!("{state}\n{}", NotifyState::ExtendTimeoutUsec(time)),
            None => NotifyState::ExtendTimeoutUsec(time).to_string(),
        });
        self.offer();
    }

    /// Whether it has not taken everything: [`Self::offer`] is to be called again.
    pub(super) fn is_behind(&self) -> bool {
        self.state.is_some() || self.status.is_some()
    }

    /// Sends what waits, unless the socket is full.
    pub(super) fn offer(&mut self) {
        let Some(way) = &self.way else { return self.forget() };
        let status = self.status.as_deref().map(NotifyState::Status);
        let lines: Vec<String> =
            self.state.iter().cloned().chain(status.map(|status| status.to_string())).collect();
        if lines.is_empty() {
            return;
        }
        match way.send(lines.join("\n").as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::debug!("cannot notify the service manager: {error}");
                self.forget();
            }
            Ok(()) => {
                if let Some(status) = self.status.take() {
                    self.told = status;
                }
                self.forget();
            }
        }
    }

    fn forget(&mut self) {
        (self.state, self.status) = (None, None);
    }
}

impl Way {
    fn send(&self, message: &[u8]) -> io::Result<()> {
        match self {
            Self::Address(Listener { socket, address }) => socket.send_to_addr(message, address).map(drop),
            Self::Parent(socket) => socket.send(message).map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn at(name: Option<OsString>) -> Manager {
        Manager { way: Listener::at(name).map(Way::Address), ..Manager::default() }
    }

    fn next(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn one_that_does_not_read_keeps_nobody_waiting_and_misses_nothing_that_counts() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let mut manager = at(Some(path.into()));
        let begun = Instant::now();
        manager.ready("starting");
        let mut sent = 0;
        while !manager.is_behind() {
            sent += 1;
            manager.status(&format!("status {sent}"));
        }
        // More than any queue holds, and none of it waits.
        manager.reloading();
        for number in 0..10_000 {
            manager.ready(&format!("after the reload {number}"));
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(next(&systemd), "READY=1\nSTATUS=starting");
        for number in 1..sent {
            assert_eq!(next(&systemd), format!("STATUS=status {number}"));
        }
        manager.offer();
        assert!(!manager.is_behind());
        assert_eq!(next(&systemd), "READY=1\nSTATUS=after the reload 9999");
        manager.status("after the reload 9999");
        manager.stopping();
        assert_eq!(next(&systemd), "STOPPING=1");
    }

    #[test]
    fn what_is_handed_on_is_the_last_word_of_each_kind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).unwrap();
        let mut manager = at(Some(path.into()));
        manager.hand_on(b"READY=1\nSTATUS=VI_1 MASTER");
        assert_eq!(next(&systemd), "READY=1\nSTATUS=VI_1 MASTER");
        let mut number = 0;
        while !manager.is_behind() {
            number += 1;
            manager.hand_on(format!("STATUS={number}").as_bytes());
        }
        manager.hand_on(b"RELOADING=1\nMONOTONIC_USEC=7");
        manager.hand_on(b"EXTEND_TIMEOUT_USEC=5");
        manager.hand_on(b"\xff");
        manager.hand_on(b"READY=1\nSTATUS=after");
        manager.hand_on(b"EXTEND_TIMEOUT_USEC=9");
        (1..number).for_each(|number| assert_eq!(next(&systemd), format!("STATUS={number}")));
        manager.offer();
        assert_eq!(next(&systemd), "READY=1\nEXTEND_TIMEOUT_USEC=9\nSTATUS=after");
        let mut nobody = at(None);
        nobody.hand_on(b"READY=1");
        assert!(!nobody.is_behind());
    }

    #[test]
    fn what_is_in_force_is_known_from_what_is_said() {
        assert!(is_ready(b"READY=1") && is_ready(b"READY=1\nSTATUS=VI_1 MASTER"));
        let others: [&[u8]; 4] = [b"", b"RELOADING=1\nMONOTONIC_USEC=1", b"READY=10", b"STATUS=READY=1"];
        assert!(!others.into_iter().any(is_ready));
    }

    #[test]
    fn abstract_names_and_none() {
        let name = format!("directord-test-{}", std::process::id());
        let systemd = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let mut manager = at(Some(format!("@{name}").into()));
        manager.ready("two\nlines");
        assert_eq!(next(&systemd), "READY=1\nSTATUS=two lines");
        let mut nobody = at(None);
        nobody.ready("x");
        assert!(!nobody.is_behind());
        drop(systemd);
        manager.ready("gone");
        assert!(!manager.is_behind());
    }
}
