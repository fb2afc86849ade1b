//! Checks under way that are all looked at together: TCP checks, and requests over HTTP up to their answers.
//!
//! A TCP check is three system calls: socket, connect, close; a request has two more. Waiting for each on its own would
//! double that, so the sockets wait in one list, and one poll(2) a tick looks at all of them. An answer that does not
//! come in one piece is waited for elsewhere.

use std::io::{self, ErrorKind, Read};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Protocol, SockAddr, Socket, Type};

use crate::check::dialogue::http::{Http, Response, Search};
use crate::check::dialogue::{Dialogue, Heard, Step};
use crate::check::{Failure, Outcome};
use crate::config::model::{Connect, Probe, ProbeKind};
use crate::report::plain;

use super::credentials::Credentials;
use super::probes::judged;
use super::socket::{judge, prepare};
use super::{BUFFER, Stopped, broken};

/// Reads of one answer in one look.
const READS: usize = 4;
/// Sockets of one poll(2): the kernel refuses more than the process may open, and that limit may be lowered.
const AT_A_TIME: usize = 64;

/// Checks under way, each with the caller's name for it.
#[derive(Debug)]
pub(super) struct Batch<K> {
    under_way: Vec<UnderWay<K>>,
}

#[derive(Debug)]
struct UnderWay<K> {
    key: K,
    connection: Connection,
    stage: Stage,
}

#[derive(Debug)]
struct Connection {
    socket: Socket,
    /// When its connection began.
    begun: Instant,
    /// Until when this step may take, and how long that is.
    deadline: Instant,
    limit: Duration,
}

#[derive(Debug)]
enum Stage {
    /// The connection is being made, and that is all.
    Connecting,
    /// It is being made for this request.
    ToAsk(Box<Request>),
    /// The request is sent; its answer is awaited.
    Asked(Box<Request>),
}

/// One url of an HTTP check that is asked for.
#[derive(Debug)]
pub(super) struct Request {
    probe: Arc<Probe>,
    url: usize,
    pub(super) dialogue: Http,
}

impl Request {
    /// Whether this url may be asked for here: it is looked at once a tick, which is too seldom to tell how long an answer took,
    /// and makes one request.
    pub(super) fn is_for(probe: &Probe, url: usize) -> bool {
        let ProbeKind::Http(check) = &probe.kind else { return false };
        let more = check.urls.get(url).and_then(|url| url.more.as_ref());
        !check.tls && more.is_none_or(|more| more.max_time.is_none() && more.redirects == 0)
    }

    /// `search`: that for the pattern of the url. `None`: this is no HTTP check over plain TCP, or has no such url.
    /// Error: why it cannot be asked with the secrets of `credentials`.
    pub(super) fn new(
        probe: &Arc<Probe>,
        url: usize,
        search: Option<Search>,
        credentials: &Credentials,
    ) -> Result<Option<Box<Self>>, String> {
        let (ProbeKind::Http(check), Some(connect)) = (&probe.kind, &probe.connect) else { return Ok(None) };
        let Some(asked) = check.urls.get(url).filter(|_| !check.tls) else { return Ok(None) };
        let dialogue = credentials.authorize(asked, Http::check(check, asked, connect.to, search))?;
        Ok(Some(Box::new(Self { probe: Arc::clone(probe), url, dialogue })))
    }

    /// What the answer amounts to.
    pub(super) fn outcome(&self, answer: Result<Response, Stopped>) -> Outcome {
        match &self.probe.kind {
            ProbeKind::Http(check) => match check.urls.get(self.url) {
                Some(url) => judged(answer, url),
                None => Outcome::NotRun("it has no url".into()),
            },
            kind => Outcome::NotRun(format!("{} asks for no url", kind.keyword())),
        }
    }
}

/// How a check left the list.
#[derive(Debug)]
pub(super) enum Left {
    /// It has ended.
    Ended(Outcome),
    /// Its answer comes in pieces.
    GoesOn(GoesOn),
}

/// A request whose answer is not whole yet.
#[derive(Debug)]
pub(super) struct GoesOn {
    pub(super) request: Box<Request>,
    pub(super) stream: TcpStream,
    /// What is to be done next.
    pub(super) step: Step<Response>,
    /// When its connection began.
    pub(super) begun: Instant,
    /// How long each step may take.
    pub(super) limit: Duration,
}

impl<K> Default for Batch<K> {
    fn default() -> Self {
        Self { under_way: Vec::new() }
    }
}

impl<K> Batch<K> {
    /// Nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Begins a connection, and with a request what is asked over it. `Some`: it has ended already, and nothing waits.
    pub(super) fn start(
        &mut self,
        key: K,
        options: &Connect,
        request: Option<Box<Request>>,
        now: Instant,
    ) -> Option<(K, Outcome)> {
        let socket = match prepare(options, Type::STREAM, Protocol::TCP) {
            Ok(socket) => socket,
            Err(error) => return Some((key, Outcome::NotRun(plain(&error)))),
        };
        match (socket.connect(&SockAddr::from(options.to)), &request) {
            (Ok(()), None) => return Some((key, Outcome::PASSED)),
            (Ok(()), Some(_)) => {}
            (Err(error), _) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            (Err(error), _) => return Some((key, judge(&error).into())),
        }
        let limit = options.timeout;
        let stage = request.map_or(Stage::Connecting, Stage::ToAsk);
        let connection = Connection { socket, begun: now, deadline: now + limit, limit };
        self.under_way.push(UnderWay { key, connection, stage });
        None
    }

    /// Drops those that nobody wants to know of any more.
    pub(super) fn keep(&mut self, wanted: impl Fn(&K) -> bool) {
        self.under_way.retain(|waiting| wanted(&waiting.key));
    }

    /// Looks at all of them; those that leave go to `left`.
    pub(super) fn look(&mut self, now: Instant, left: &mut Vec<(K, Left)>) {
        if self.under_way.is_empty() {
            return;
        }
        let mut polled: Vec<PollFd<'_>> = self
            .under_way
            .iter()
            .map(|waiting| PollFd::new(waiting.connection.socket.as_fd(), waiting.stage.awaits()))
            .collect();
        // No more at a time than any process may open; one that fails tells nothing, and the limits hold all the same.
        for some in polled.chunks_mut(AT_A_TIME) {
            if let Err(error) = poll(some, PollTimeout::ZERO) {
                tracing::debug!("poll: {error}");
            }
        }
        let ready: Vec<PollFlags> =
            polled.iter().map(|one| one.revents().unwrap_or(PollFlags::empty())).collect();
        let waiting = std::mem::take(&mut self.under_way);
        for (UnderWay { key, connection, stage }, flags) in waiting.into_iter().zip(ready) {
            match connection.proceed(stage, flags, now) {
                Next::Waits(connection, stage) => self.under_way.push(UnderWay { key, connection, stage }),
                Next::Leaves(how) => left.push((key, how)),
            }
        }
    }
}

impl Stage {
    fn awaits(&self) -> PollFlags {
        match self {
            Self::Connecting | Self::ToAsk(_) => PollFlags::POLLOUT,
            Self::Asked(_) => PollFlags::POLLIN,
        }
    }
}

/// What becomes of a check that was looked at.
enum Next {
    Waits(Connection, Stage),
    Leaves(Left),
}

impl Next {
    fn ended(outcome: impl Into<Outcome>) -> Self {
        Self::Leaves(Left::Ended(outcome.into()))
    }
}

impl Connection {
    /// Does what can be done at once.
    fn proceed(self, stage: Stage, flags: PollFlags, now: Instant) -> Next {
        if flags.is_empty() {
            return match stage {
                stage if now < self.deadline => Next::Waits(self, stage),
                Stage::Connecting | Stage::ToAsk(_) => {
                    Next::ended(Outcome::Failed(Failure::ConnectTimeout(self.limit)))
                }
                Stage::Asked(_) => Next::ended(Outcome::Failed(Failure::ReadTimeout(self.limit))),
            };
        }
        let request = match stage {
            Stage::Connecting => None,
            Stage::ToAsk(request) => Some(request),
            Stage::Asked(request) => return self.read(request, None),
        };
        let mut trouble = None;
        if flags.intersects(PollFlags::POLLERR | PollFlags::POLLHUP) {
            match self.socket.take_error() {
                // A connection that stands no more has stood. What refuses one is ECONNREFUSED.
                Ok(Some(error)) if was_made(&error) => trouble = Some(error),
                Ok(Some(error)) | Err(error) => return Next::ended(judge(&error)),
                Ok(None) => {}
            }
        }
        match request {
            None => Next::ended(Outcome::PASSED),
            Some(request) => self.ask(request, trouble, now),
        }
    }

    /// Sends the request over the connection that was made. `trouble`: it stands no more; whether the server has answered
    /// before it broke off does not depend on when that is looked at.
    fn ask(mut self, mut request: Box<Request>, mut trouble: Option<io::Error>, now: Instant) -> Next {
        let mut step = request.dialogue.next(Heard::Connected);
        if let Step::Send(bytes) = step {
            let sent = match &trouble {
                Some(_) => Ok(bytes.len()),
                None => self.socket.send_with_flags(&bytes, libc::MSG_NOSIGNAL),
            };
            step = match sent {
                Ok(sent) if sent == bytes.len() => request.dialogue.next(Heard::Sent),
                Ok(sent) => Step::Send(bytes.get(sent..).unwrap_or_default().to_vec()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => Step::Send(bytes),
                Err(error) if was_made(&error) => {
                    trouble = Some(error);
                    request.dialogue.next(Heard::Sent)
                }
                Err(error) => return Next::ended(broken(error)),
            };
        }
        match step {
            Step::Read if trouble.is_some() => self.read(request, trouble),
            Step::Read => {
                self.deadline = now + self.limit;
                Next::Waits(self, Stage::Asked(request))
            }
            step => self.leave(request, step),
        }
    }

    /// Reads what has come of the answer; with `trouble` nothing more will.
    fn read(self, mut request: Box<Request>, trouble: Option<io::Error>) -> Next {
        let mut begins = true;
        for _ in 0..READS {
            let read: io::Result<Step<Response>> = BUFFER.with_borrow_mut(|buffer| {
                let length = (&self.socket).read(buffer)?;
                Ok(request.dialogue.next(match (buffer.get(..length).unwrap_or_default(), &trouble) {
                    ([], Some(error)) => Heard::Reset(plain(error)),
                    ([], None) => Heard::Closed,
                    (bytes, _) => Heard::Bytes(bytes),
                }))
            });
            let step = match read {
                Ok(Step::Read) => {
                    begins = false;
                    continue;
                }
                Ok(step) => step,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if begins && trouble.is_none() {
                        return Next::Waits(self, Stage::Asked(request));
                    }
                    break;
                }
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    request.dialogue.next(Heard::Reset(plain(&error)))
                }
                Err(error) => return Next::ended(broken(error)),
            };
            return self.leave(request, step);
        }
        self.leave(request, Step::Read)
    }

    fn leave(self, request: Box<Request>, step: Step<Response>) -> Next {
        Next::Leaves(match step {
            Step::Done(answer) => Left::Ended(request.outcome(answer.map_err(Stopped::Failed))),
            step => {
                let Self { socket, begun, limit, .. } = self;
                Left::GoesOn(GoesOn { request, stream: socket.into(), step, begun, limit })
            }
        })
    }
}

/// Whether the other side accepted the connection and then broke it off: the kernel has these errors for a connection
/// that stood, and it is looked at some time after it was made.
fn was_made(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ECONNRESET | libc::EPIPE))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::net::{SocketAddr, TcpListener};

    use super::*;
    use crate::config::model::{HttpCheck, HttpProtocol, HttpUrl, StatusCodes};

    const LIMIT: Duration = Duration::from_secs(3);

    fn options(to: SocketAddr) -> Connect {
        Connect { to, timeout: LIMIT, from: None, from_port: 0, interface: None, fwmark: 0 }
    }

    /// Looks until all have left; the test's time limit is the runner's.
    fn finish(batch: &mut Batch<u8>) -> Vec<(u8, Left)> {
        let mut left = Vec::new();
        while !batch.is_empty() {
            batch.look(Instant::now(), &mut left);
        }
        left.sort_by_key(|(key, _)| *key);
        left
    }

    fn outcomes(left: Vec<(u8, Left)>) -> Vec<(u8, Outcome)> {
        let ended = |(key, how)| match how {
            Left::Ended(outcome) => (key, outcome),
            Left::GoesOn(goes_on) => panic!("{key}: {goes_on:?}"),
        };
        left.into_iter().map(ended).collect()
    }

    fn failed(why: &str) -> Outcome {
        Outcome::Failed(Failure::Connect(why.into()))
    }

    /// A request for `/`; `digest`: of the body.
    fn request(to: SocketAddr, digest: Option<[u8; 16]>) -> Option<Box<Request>> {
        let url = HttpUrl {
            path: "/".into(),
            virtualhost: None,
            digest,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: None,
        };
        let (protocol, urls) = (HttpProtocol::Http10, vec![url]);
        let check = HttpCheck { tls: false, protocol, sni: None, demands: None, fast_recovery: false, urls };
        let probe = Probe { kind: ProbeKind::Http(check), connect: Some(options(to)) };
        Request::new(&Arc::new(probe), 0, None, &Credentials::default()).unwrap()
    }

    /// The server, and a request that it has read; looked at until then.
    fn asked(digest: Option<[u8; 16]>) -> (Batch<u8>, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let mut batch = Batch::default();
        assert_eq!(batch.start(1, &options(to), request(to, digest), Instant::now()), None);
        let (mut server, _) = listener.accept().unwrap();
        let mut left = Vec::new();
        batch.look(Instant::now(), &mut left);
        let mut read = [0; 1024];
        let length = server.read(&mut read).unwrap();
        assert!(read[..length].starts_with(b"GET / HTTP/1.0\r\n") && left.is_empty());
        (batch, server)
    }

    fn reset(stream: TcpStream) {
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }

    #[test]
    fn an_open_port_passes_and_a_closed_one_fails() {
        let open = TcpListener::bind("127.0.0.1:0").unwrap();
        let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut batch = Batch::default();
        for (key, to) in [(1, open.local_addr().unwrap()), (2, closed), (3, open.local_addr().unwrap())] {
            assert_eq!(batch.start(key, &options(to), None, Instant::now()), None);
        }
        assert_eq!(batch.start(4, &options(closed), request(closed, None), Instant::now()), None);
        let refused = failed("connection refused");
        let expected = [(1, Outcome::PASSED), (2, refused.clone()), (3, Outcome::PASSED), (4, refused)];
        assert_eq!(outcomes(finish(&mut batch)), expected);
    }

    /// However late it is looked at, the verdict is that of the moment in which the connection was made.
    #[test]
    fn a_server_that_accepts_and_breaks_off_passes() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let mut batch = Batch::default();
        assert!(batch.start(1, &options(to), None, Instant::now()).is_none());
        reset(listener.accept().unwrap().0);
        assert!(batch.start(2, &options(to), request(to, None), Instant::now()).is_none());
        reset(listener.accept().unwrap().0);
        // Of a server that should say something it is a failure.
        let why = Failure::Broken("connection reset by peer".into());
        let expected = [(1, Outcome::PASSED), (2, Outcome::Failed(why))];
        assert_eq!(outcomes(finish(&mut batch)), expected);
    }

    /// Whether it closes before it breaks off, and whether it has answered: the verdict is the server's, and not that of
    /// the moment in which it is looked at.
    #[test]
    fn what_was_said_before_a_server_breaks_off_counts_at_whatever_moment() {
        for (answer, closes, expected) in [
            ("", false, Err("connection reset by peer")),
            ("", true, Err("broken pipe")),
            ("HTTP/1.0 200 OK\r\n\r\n", true, Ok(())),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let to = listener.local_addr().unwrap();
            let mut batch = Batch::default();
            assert!(batch.start(1, &options(to), request(to, None), Instant::now()).is_none());
            let (mut server, _) = listener.accept().unwrap();
            server.write_all(answer.as_bytes()).unwrap();
            if closes {
                server.shutdown(std::net::Shutdown::Write).unwrap();
            }
            reset(server);
            let expected = match expected {
                Ok(()) => Outcome::PASSED,
                Err(why) => Outcome::Failed(Failure::Broken(why.into())),
            };
            assert_eq!(outcomes(finish(&mut batch)), [(1, expected)], "{answer:?}, closes: {closes}");
        }
    }

    #[test]
    fn what_nobody_wants_to_know_has_no_socket_any_more() {
        let (mut batch, mut server) = asked(None);
        batch.keep(|key| *key != 1);
        assert!(batch.is_empty());
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
    }

    #[test]
    fn silence_ends_at_the_limit() {
        // A listener whose queue is full answers nothing.
        let listener = Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
        listener.listen(0).unwrap();
        let to = listener.local_addr().unwrap().as_socket().unwrap();
        let _first = TcpStream::connect(to).unwrap();
        let mut batch = Batch::default();
        let now = Instant::now();
        assert_eq!(batch.start(1, &options(to), None, now), None);
        let mut left = Vec::new();
        batch.look(now + LIMIT - Duration::from_millis(1), &mut left);
        assert!(left.is_empty());
        batch.look(now + LIMIT, &mut left);
        assert_eq!(outcomes(left), [(1, Outcome::Failed(Failure::ConnectTimeout(LIMIT)))]);
        assert!(batch.is_empty());
    }

    #[test]
    fn who_does_not_answer_a_request_fails_at_the_limit() {
        let (mut batch, _server) = asked(None);
        let mut left = Vec::new();
        batch.look(Instant::now() + LIMIT - Duration::from_millis(500), &mut left);
        assert!(left.is_empty());
        batch.look(Instant::now() + LIMIT, &mut left);
        assert_eq!(outcomes(left), [(1, Outcome::Failed(Failure::ReadTimeout(LIMIT)))]);
    }

    #[test]
    fn an_answer_in_one_piece_is_judged_at_once() {
        for (answer, expected) in [
            ("HTTP/1.0 200 OK\r\n\r\n", Outcome::PASSED),
            ("HTTP/1.0 503 No\r\n\r\n", Outcome::Failed(Failure::Status { found: 503 })),
            ("", Outcome::Failed(Failure::NoData)),
        ] {
            let (mut batch, mut server) = asked(None);
            server.write_all(answer.as_bytes()).unwrap();
            drop(server);
            assert_eq!(outcomes(finish(&mut batch)), [(1, expected)], "{answer}");
        }
        let (mut batch, mut server) =
            asked(Some(*b"\x5d\x41\x40\x2a\xbc\x4b\x2a\x76\xb9\x71\x9d\x91\x10\x17\xc5\x92"));
        server.write_all(b"HTTP/1.0 200 OK\r\n\r\nhello").unwrap();
        drop(server);
        assert_eq!(outcomes(finish(&mut batch)), [(1, Outcome::PASSED)]);
    }

    #[test]
    fn a_server_that_breaks_off_before_its_answer_fails() {
        let (mut batch, server) = asked(None);
        reset(server);
        let why = "connection reset by peer".to_owned();
        assert_eq!(outcomes(finish(&mut batch)), [(1, Outcome::Failed(Failure::Broken(why)))]);
    }

    /// What has come is not lost, and the limit of the whole is that of the connection.
    #[tokio::test]
    async fn an_answer_in_pieces_is_waited_for_elsewhere() {
        let (mut batch, mut server) = asked(None);
        server.write_all(b"HTTP/1.0 200").unwrap();
        let mut left = finish(&mut batch);
        let Some((1, Left::GoesOn(goes_on))) = left.pop() else { panic!("{left:?}") };
        server.write_all(b" OK\r\n\r\n").unwrap();
        assert_eq!(super::super::probes::http_rest(goes_on).await, Outcome::PASSED);

        let (mut batch, mut server) = asked(None);
        server.write_all(b"HTTP/1.0 200").unwrap();
        let Some((1, Left::GoesOn(goes_on))) = finish(&mut batch).pop() else { panic!("no rest") };
        let goes_on = GoesOn { begun: goes_on.begun - 10 * LIMIT, ..goes_on };
        let outcome = super::super::probes::http_rest(goes_on).await;
        assert_eq!(outcome, Outcome::Failed(Failure::TooSlow(10 * LIMIT)));
    }

    #[test]
    fn an_address_that_is_not_ours_says_nothing_of_the_server() {
        let mut options = options("127.0.0.1:9".parse().unwrap());
        options.from = Some("192.0.2.1".parse().unwrap());
        let ended = Batch::default().start(1, &options, None, Instant::now());
        assert!(matches!(ended, Some((1, Outcome::NotRun(_)))), "{ended:?}");
    }
}
