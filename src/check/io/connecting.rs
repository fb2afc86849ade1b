//! TCP checks under way, all looked at together.
//!
//! A TCP check is three system calls: socket, connect, close. Waiting for each on its own would more than double
//! that, so the sockets wait in one list and one poll(2) a tick looks at all of them.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Protocol, SockAddr, Socket, Type};

use crate::check::{Failure, Outcome};
use crate::config::model::Connect;
use crate::report::plain;

use super::socket::{judge, prepare};

/// Connections that are not yet made, each with the caller's name for it.
#[derive(Debug)]
pub(super) struct Connecting<K> {
    under_way: Vec<UnderWay<K>>,
}

#[derive(Debug)]
struct UnderWay<K> {
    key: K,
    socket: Socket,
    deadline: Instant,
    limit: Duration,
}

impl<K> Default for Connecting<K> {
    fn default() -> Self {
        Self { under_way: Vec::new() }
    }
}

impl<K> Connecting<K> {
    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Begins a connection. `Some`: it has ended already, and nothing waits.
    pub(super) fn start(&mut self, key: K, options: &Connect, now: Instant) -> Option<(K, Outcome)> {
        let socket = match prepare(options, Type::STREAM, Protocol::TCP) {
            Ok(socket) => socket,
            Err(error) => return Some((key, Outcome::NotRun(plain(&error)))),
        };
        match socket.connect(&SockAddr::from(options.to)) {
            Ok(()) => Some((key, Outcome::PASSED)),
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {
                let limit = options.timeout;
                self.under_way.push(UnderWay { key, socket, deadline: now + limit, limit });
                None
            }
            Err(error) => Some((key, judge(&error).into())),
        }
    }

    /// Looks at all of them; those that ended go to `ended`.
    pub(super) fn look(&mut self, now: Instant, ended: &mut Vec<(K, Outcome)>) {
        if self.under_way.is_empty() {
            return;
        }
        let mut polled: Vec<PollFd<'_>> = self
            .under_way
            .iter()
            .map(|waiting| PollFd::new(waiting.socket.as_fd(), PollFlags::POLLOUT))
            .collect();
        if poll(&mut polled, PollTimeout::ZERO).is_err() {
            return;
        }
        let ready: Vec<PollFlags> =
            polled.iter().map(|one| one.revents().unwrap_or(PollFlags::empty())).collect();
        let waiting = std::mem::take(&mut self.under_way);
        for (waiting, flags) in waiting.into_iter().zip(ready) {
            let outcome = if flags.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) {
                match waiting.socket.take_error() {
                    // A connection that stands no more has stood. What refuses one is ECONNREFUSED.
                    Ok(Some(error)) if was_made(&error) => Outcome::PASSED,
                    Ok(Some(error)) | Err(error) => judge(&error).into(),
                    Ok(None) => Outcome::PASSED,
                }
            } else if flags.contains(PollFlags::POLLOUT) {
                Outcome::PASSED
            } else if waiting.deadline <= now {
                Outcome::Failed(Failure::ConnectTimeout(waiting.limit))
            } else {
                self.under_way.push(waiting);
                continue;
            };
            ended.push((waiting.key, outcome));
        }
    }
}

/// Whether the other side accepted the connection and then broke it off: the kernel has these errors for a connection
/// that stood, and it is looked at some time after it was made.
fn was_made(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECONNRESET | libc::EPIPE))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn options(to: std::net::SocketAddr) -> Connect {
        let timeout = Duration::from_secs(3);
        Connect { to, timeout, from: None, from_port: 0, interface: None, fwmark: 0 }
    }

    /// Looks until all have ended; the test's time limit is the runner's.
    fn finish(mut connects: Connecting<u8>, mut ended: Vec<(u8, Outcome)>) -> Vec<(u8, Outcome)> {
        while !connects.is_empty() {
            connects.look(Instant::now(), &mut ended);
        }
        ended.sort_by_key(|(key, _)| *key);
        ended
    }

    #[test]
    fn an_open_port_passes_and_a_closed_one_fails() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut connects = Connecting::default();
        let mut ended = Vec::new();
        for (key, to) in [(1, open.local_addr().unwrap()), (2, closed), (3, open.local_addr().unwrap())] {
            ended.extend(connects.start(key, &options(to), Instant::now()));
        }
        let refused = Outcome::Failed(Failure::Connect("connection refused".into()));
        assert_eq!(finish(connects, ended), [(1, Outcome::PASSED), (2, refused), (3, Outcome::PASSED)]);
    }

    /// However late it is looked at, the verdict is that of the moment in which the connection was made.
    #[test]
    fn a_server_that_accepts_and_breaks_off_passes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut connects = Connecting::default();
        assert!(connects.start(1, &options(listener.local_addr().unwrap()), Instant::now()).is_none());
        let (stream, _) = listener.accept().unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        drop(stream);
        assert_eq!(finish(connects, Vec::new()), [(1, Outcome::PASSED)]);
    }

    #[test]
    fn silence_ends_at_the_limit() {
        // A listener whose queue is full answers nothing.
        let listener = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let to = listener.local_addr().unwrap().as_socket().unwrap();
        let _first = std::net::TcpStream::connect(to).unwrap();
        let mut connects = Connecting::default();
        let now = Instant::now();
        assert_eq!(connects.start(1, &options(to), now), None);
        let mut ended = Vec::new();
        connects.look(now + Duration::from_millis(2999), &mut ended);
        assert_eq!(ended, []);
        connects.look(now + Duration::from_secs(3), &mut ended);
        assert_eq!(ended, [(1, Outcome::Failed(Failure::ConnectTimeout(Duration::from_secs(3))))]);
        assert!(connects.is_empty());
    }

    #[test]
    fn an_address_that_is_not_ours_says_nothing_of_the_server() {
        let mut options = options("127.0.0.1:9".parse().unwrap());
        options.from = Some("192.0.2.1".parse().unwrap());
        let ended = Connecting::default().start(1, &options, Instant::now());
        assert!(matches!(ended, Some((1, Outcome::NotRun(_)))), "{ended:?}");
    }
}
