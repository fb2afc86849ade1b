//! What each kind of check asks over the network, from the first byte to the outcome.

use std::io;
use std::net::SocketAddr;
use std::sync::OnceLock;

use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::check::dialogue::dns::{Dns, Transport};
use crate::check::dialogue::echo::{self, Echo};
use crate::check::dialogue::http::{Http, Response, Search, Stop, Trail};
use crate::check::dialogue::smtp::Smtp;
use crate::check::dialogue::talk::Talk;
use crate::check::dialogue::udp::{Reply, Udp};
use crate::check::{Expiring, Failure, Outcome};
use crate::config::model::{Connect, Conversation, DnsName, DnsType, HttpCheck, HttpUrl};
use crate::report::plain;
use crate::sys::filter::{
    BEHIND_HEADER, IF_EQUAL, LOAD_BYTE, LOAD_BYTE_THERE, LOAD_HALF, LOAD_HALF_THERE, leave, step, take,
};

use super::batch::GoesOn;
use super::limits::Limits;
use super::socket::judge;
use super::tls::Client;
use super::{Demands, Stopped, Tls, carry_out, converse, converse_within, datagrams};

/// Asks for one url of an HTTP check; `search` is that for its pattern, `client` who asks over TLS. A certificate that ends
/// soon is told in `expiring`.
pub(super) async fn http(
    options: &Connect,
    check: &HttpCheck,
    url: &HttpUrl,
    search: Option<Search>,
    client: &Client,
    expiring: &OnceLock<Expiring>,
) -> Outcome {
    let begun = Instant::now();
    let mut trail = Trail::new(check, url, options.to);
    let mut limits = Limits::start(options.timeout);
    let answer = loop {
        let answer = fetch(options, &trail, search.clone(), client, expiring, &mut limits).await;
        match answer.and_then(|answer| Ok((trail.answered(&answer).map_err(Stopped::Failed)?, answer))) {
            Ok((true, _)) => {}
            Ok((false, answer)) => {
                let judged = answer.judge(url).map_err(|why| Stopped::Failed(trail.at(why)));
                break judged;
            }
            Err(stopped) => break Err(stopped),
        }
    };
    let outcome = passed(answer);
    let limit = url.more.as_ref().and_then(|more| more.max_time);
    match limit.map(|limit| (begun.elapsed(), limit)) {
        Some((took, limit)) if took > limit && outcome == Outcome::PASSED => {
            Outcome::Failed(Failure::Late { took, limit })
        }
        _ => outcome,
    }
}

/// Makes the next request of a trail.
async fn fetch(
    options: &Connect,
    trail: &Trail<'_>,
    search: Option<Search>,
    client: &Client,
    expiring: &OnceLock<Expiring>,
    limits: &mut Limits,
) -> Result<Response, Stopped> {
    let Stop { check, url, to, host: other, .. } = trail.now();
    let mut dialogue =
        client.credentials().authorize(url, Http::check(check, url, *to, search)).map_err(Stopped::Local)?;
    // The name that the handshake is told is that of the check, as long as the request is for the same one.
    let sni = match (other, trail.begins_with_tls()) {
        (None, true) => check.sni.as_deref(),
        (None, false) => url.virtualhost.as_deref(),
        (Some(name), _) => Some(name.as_str()),
    };
    let address = to.ip().to_string();
    let demands = check.demands.as_ref().map(|asked| {
        let own = asked.name.as_ref().map(|name| name.as_str());
        let name = own.or(sni).or(url.virtualhost.as_deref()).unwrap_or(&address);
        Demands { asked, name, expiring }
    });
    let tls = check.tls.then_some(Tls { client, sni, compliant: url.is_compliant(check), demands });
    let connect = match trail.has_moved() {
        false => options.clone(),
        // The one before has its port for a while yet.
        true => Connect { to: *to, from_port: 0, ..options.clone() },
    };
    let answer = converse_within(&connect, tls, &mut dialogue, limits).await;
    answer.map_err(|stopped| match stopped {
        Stopped::Failed(why) => Stopped::Failed(trail.at(why)),
        local => local,
    })
}

/// The rest of a request whose answer comes in pieces.
pub(super) async fn http_rest(goes_on: GoesOn) -> Outcome {
    let GoesOn { mut request, stream, step, begun, limit } = goes_on;
    let stream = match TcpStream::from_std(stream) {
        Ok(stream) => stream,
        Err(error) => return Outcome::NotRun(plain(&error)),
    };
    let mut limits = Limits::since(begun.into(), limit);
    let answer = carry_out(stream, &mut limits, &mut request.dialogue, step).await;
    request.outcome(answer)
}

/// What the answer for `url` amounts to.
pub(super) fn judged(answer: Result<Response, Stopped>, url: &HttpUrl) -> Outcome {
    passed(answer.and_then(|response| response.judge(url).map_err(Stopped::Failed)))
}

/// Asks a name server, and asks again over TCP when the answer has no room in a datagram.
pub(super) async fn dns(options: &Connect, kind: DnsType, name: &DnsName) -> Outcome {
    let ask = |transport| Dns::new(fastrand::u16(..), kind, name, transport);
    let answer =
        datagrams::exchange(options, Type::DGRAM, Protocol::UDP, &mut ask(Transport::Datagrams)).await;
    match answer {
        Ok(answer) if answer.truncated => {
            let answer = converse(options, None, &mut ask(Transport::Stream)).await;
            passed(at("over TCP, as there is more to say than a datagram has room for", answer))
        }
        answer => passed(answer),
    }
}

/// Sends a datagram; `reply`: one must come.
pub(super) async fn udp(options: &Connect, payload: Option<&[u8]>, reply: Option<Reply<'_>>) -> Outcome {
    let mut dialogue = Udp::new(payload, reply);
    passed(datagrams::exchange(options, Type::DGRAM, Protocol::UDP, &mut dialogue).await)
}

/// Visits a mail server.
pub(super) async fn smtp(options: &Connect, helo: &str) -> Outcome {
    let mut dialogue = Smtp::new(helo);
    let answer = converse(options, None, &mut dialogue).await;
    passed(match dialogue.waits_for() {
        Some(step) => at(step, answer),
        None => answer,
    })
}

/// Leads the conversation of a `check NAME`.
pub(super) async fn talk(
    options: &Connect,
    asks: &Conversation,
    client: &Client,
    expiring: &OnceLock<Expiring>,
) -> Outcome {
    let mut dialogue = Talk::new(asks);
    let own = asks.demands.as_ref().and_then(|asked| asked.name.as_ref()).map(|name| name.as_str());
    let address = options.to.ip().to_string();
    let demands = asks.demands.as_ref().map(|asked| {
        let name = own.unwrap_or(&address);
        Demands { asked, name, expiring }
    });
    let tls = asks.tls.then_some(Tls { client, sni: own, compliant: false, demands });
    let answer = converse(options, tls, &mut dialogue).await;
    if dialogue.has_passed() {
        return Outcome::PASSED;
    }
    passed(match dialogue.waits_for() {
        Some(step) => at(step, answer),
        None => answer,
    })
}

/// Sends an echo request.
pub(super) async fn ping(options: &Connect) -> Outcome {
    // There are no ports.
    let to = SocketAddr::new(options.to.ip(), 0);
    let options = Connect { to, from_port: 0, ..options.clone() };
    passed(echo(&options).await)
}

async fn echo(options: &Connect) -> Result<(), Stopped> {
    let ipv6 = options.to.is_ipv6();
    let protocol = if ipv6 { Protocol::ICMPV6 } else { Protocol::ICMPV4 };
    let forbidden = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
    // Who is in `net.ipv4.ping_group_range` needs no privilege.
    let own = fastrand::u16(..);
    let (socket, raw) = match datagrams::open(options, Type::DGRAM, protocol, &[]) {
        Err(error) if forbidden(&error) => {
            (datagrams::open(options, Type::RAW, protocol, &replies(ipv6, own)), true)
        }
        socket => (socket, false),
    };
    // What forbids the way to the server forbids no socket.
    let no_socket = || {
        let socket = Socket::new(Domain::for_address(options.to), Type::RAW, Some(protocol));
        socket.is_err_and(|error| forbidden(&error))
    };
    let socket = socket.map_err(|error| match forbidden(&error) && no_socket() {
        true => Stopped::Local(
            "no socket for ICMP is permitted: have net.ipv4.ping_group_range include the group of the daemon, or give it CAP_NET_RAW"
                .into(),
        ),
        false => judge(&error),
    })?;
    let given = socket.local_addr().map_or(0, |address| address.port());
    let identifier = if raw { own } else { given };
    let mut dialogue = Echo::new(echo::Kind { ipv6, raw }, identifier, fastrand::u16(..));
    datagrams::carry_out(&socket, options, &mut dialogue).await
}

/// Of all that a raw socket hears, the echo replies with this identifier: many checks at once would fill each other's
/// queues.
fn replies(ipv6: bool, identifier: u16) -> Vec<SockFilter> {
    let identifier = u32::from(identifier);
    let mut program = match ipv6 {
        true => vec![
            step(LOAD_BYTE, 0, 0, 0),
            step(IF_EQUAL, 129, 0, 3),
            step(LOAD_HALF, 4, 0, 0),
            step(IF_EQUAL, identifier, 0, 1),
        ],
        // Over IPv4 its header comes first.
        false => vec![
            step(BEHIND_HEADER, 0, 0, 0),
            step(LOAD_BYTE_THERE, 0, 0, 0),
            step(IF_EQUAL, 0, 0, 3),
            step(LOAD_HALF_THERE, 4, 0, 0),
            step(IF_EQUAL, identifier, 0, 1),
        ],
    };
    program.extend([take(), leave()]);
    program
}

/// It passes, whatever the answer is.
fn passed<T>(answer: Result<T, Stopped>) -> Outcome {
    match answer {
        Ok(_) => Outcome::PASSED,
        Err(stopped) => stopped.into(),
    }
}

/// A failure happened at this step.
fn at<T>(step: &'static str, answer: Result<T, Stopped>) -> Result<T, Stopped> {
    answer.map_err(|stopped| match stopped {
        Stopped::Failed(why) => Stopped::Failed(Failure::At { step, why: Box::new(why) }),
        local => local,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::config::model::{HttpProtocol, StatusCodes, UrlMore};

    fn options(to: SocketAddr, seconds: u64) -> Connect {
        let timeout = Duration::from_secs(seconds);
        Connect { to, timeout, from: None, from_port: 0, interface: None, fwmark: 0 }
    }

    fn reason(outcome: &Outcome) -> String {
        match outcome {
            Outcome::Failed(why) => why.to_string(),
            other => format!("{other:?}"),
        }
    }

    /// A server on loopback that answers each datagram with what `answers` makes of it.
    async fn serve(answers: impl Fn(&[u8]) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 2048];
            while let Ok((length, from)) = server.recv_from(&mut buffer).await {
                for answer in answers(&buffer[..length]) {
                    server.send_to(&answer, from).await.unwrap();
                }
            }
        });
        to
    }

    async fn ask(to: SocketAddr) -> Outcome {
        dns(&options(to, 2), DnsType::Soa, &DnsName::new("example.com").unwrap()).await
    }

    /// The question as an answer with these flags.
    fn answer(question: &[u8], flags: u16) -> Vec<u8> {
        let mut answer = question.to_vec();
        answer[2..4].copy_from_slice(&flags.to_be_bytes());
        answer
    }

    #[tokio::test]
    async fn a_name_server_passes_fails_or_is_not_there() {
        let well = serve(|question| vec![answer(question, 0x8180)]).await;
        assert_eq!(ask(well).await, Outcome::PASSED);
        let ill = serve(|question| vec![answer(question, 0x8182)]).await;
        assert_eq!(reason(&ask(ill).await), "expected NOERROR, got SERVFAIL");
        let closed = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(reason(&ask(closed).await), "connection refused");
    }

    /// The clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn silence_and_forged_answers_end_at_the_limit() {
        let silent = serve(|_| vec![]).await;
        assert_eq!(reason(&ask(silent).await), "no answer within 2 s");
        // The right answer, from another port.
        let forger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            while let Ok((length, from)) = server.recv_from(&mut buffer).await {
                forger.send_to(&answer(&buffer[..length], 0x8180), from).await.unwrap();
            }
        });
        assert_eq!(reason(&ask(to).await), "no answer within 2 s");
    }

    /// Other ids one after the other, for ever: each is there at once, and yet there is an end.
    #[tokio::test]
    async fn a_flood_of_other_answers_ends_at_the_limit() {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let to = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            let (length, from) = server.recv_from(&mut buffer).await.unwrap();
            let mut other = answer(&buffer[..length], 0x8180);
            other[0] ^= 1;
            while server.send_to(&other, from).await.is_ok() {}
        });
        let limit = Connect { timeout: Duration::from_millis(300), ..options(to, 0) };
        let begun = std::time::Instant::now();
        let outcome = dns(&limit, DnsType::A, &DnsName::default()).await;
        assert!(begun.elapsed() < Duration::from_secs(3));
        assert!(reason(&outcome).contains("datagrams came, and the last one has the id"), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_truncated_answer_is_asked_for_again_over_tcp() {
        let udp = serve(|question| vec![answer(question, 0x8380)]).await;
        let before = "over TCP, as there is more to say than a datagram has room for: ";
        assert_eq!(reason(&ask(udp).await), format!("{before}connection refused"));
        let listener = TcpListener::bind(udp).await.unwrap();
        for (flags, expected) in [(0x8180, None), (0x8185, Some("expected NOERROR, got REFUSED"))] {
            let asked = tokio::spawn(ask(udp));
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut question = [0; 31];
            stream.read_exact(&mut question).await.unwrap();
            let answer = [&question[..2], &answer(&question[2..], flags)].concat();
            for byte in answer {
                stream.write_all(&[byte]).await.unwrap();
            }
            let outcome = asked.await.unwrap();
            match expected {
                None => assert_eq!(outcome, Outcome::PASSED),
                Some(why) => assert_eq!(reason(&outcome), format!("{before}{why}")),
            }
        }
    }

    /// One byte a read, for ever: each read is in time, the whole never ends. The clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn a_dripping_server_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.write_all(b"H").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let options = options(to, 2);
        let check = HttpCheck {
            tls: false,
            protocol: HttpProtocol::Http10,
            sni: None,
            demands: None,
            fast_recovery: false,
            urls: vec![],
        };
        let url = HttpUrl {
            path: "/".into(),
            virtualhost: None,
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: None,
        };
        let outcome = http(&options, &check, &url, None, &Client::default(), &OnceLock::new()).await;
        assert_eq!(outcome, Outcome::Failed(Failure::TooSlow(Duration::from_secs(20))));
    }

    /// Right after a second; the clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn an_answer_that_comes_late_fails_only_where_it_would_pass() {
        let ask = |status: u16, limit: Option<u64>| async move {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let to = listener.local_addr().unwrap();
            tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 512];
                let _ = stream.read(&mut buffer).await;
                let head = format!("HTTP/1.1 {status} OK\r\nContent-Length: 2\r\n\r\no");
                stream.write_all(head.as_bytes()).await.unwrap();
                tokio::time::sleep(Duration::from_secs(1)).await;
                stream.write_all(b"k").await.unwrap();
            });
            let protocol = HttpProtocol::Http10;
            let check = HttpCheck {
                tls: false,
                protocol,
                sni: None,
                demands: None,
                fast_recovery: false,
                urls: vec![],
            };
            let max_time = limit.map(Duration::from_millis);
            let url = HttpUrl {
                path: "/".into(),
                virtualhost: None,
                digest: None,
                status_codes: StatusCodes::default(),
                regex: None,
                tls_compliant: None,
                more: Some(Box::new(UrlMore { max_time, max_size: Some(2), ..UrlMore::default() })),
            };
            reason(&http(&options(to, 5), &check, &url, None, &Client::default(), &OnceLock::new()).await)
        };
        let passed = reason(&Outcome::PASSED);
        assert_eq!(ask(200, None).await, passed);
        assert_eq!(ask(200, Some(5000)).await, passed);
        assert_eq!(ask(503, Some(500)).await, "HTTP status code 503");
        let late = ask(200, Some(500)).await;
        assert!(late.starts_with("the answer is right, but took 1.0"), "{late}");
        assert!(late.ends_with(" s, and max_time is 0.5 s"), "{late}");
    }

    #[tokio::test]
    async fn a_reply_must_come_when_it_is_asked_for() {
        let to = serve(|question| vec![question.to_ascii_uppercase()]).await;
        let digits = |text: &str| -> Vec<Option<u8>> {
            text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect()
        };
        let ask = |start: &'static str| async move {
            let start = digits(start);
            udp(&options(to, 2), Some(b"up"), Some(Reply { start: &start, lengths: (0, 255) })).await
        };
        assert_eq!(ask("5x5").await, Outcome::PASSED);
        let why = "expected a reply that starts with 56, got 5550";
        assert_eq!(reason(&ask("56").await), why);
        assert_eq!(udp(&options(to, 2), None, None).await, Outcome::PASSED);
    }

    /// The clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn silence_passes_where_no_reply_is_asked_for_and_a_closed_port_fails() {
        let silent = serve(|_| vec![]).await;
        assert_eq!(udp(&options(silent, 2), None, None).await, Outcome::PASSED);
        let reply = Some(Reply { start: &[], lengths: (0, 255) });
        assert_eq!(reason(&udp(&options(silent, 2), None, reply).await), "no answer within 2 s");
        for local in ["127.0.0.1:0", "[::1]:0"] {
            let closed = std::net::UdpSocket::bind(local).unwrap().local_addr().unwrap();
            for reply in [None, reply] {
                assert_eq!(reason(&udp(&options(closed, 2), None, reply).await), "connection refused");
            }
        }
    }

    #[tokio::test]
    async fn a_datagram_of_any_length_is_measured() {
        let to = serve(|_| vec![vec![7; 60_000]]).await;
        let exact = Some(Reply { start: &[], lengths: (60_000, 60_000) });
        assert_eq!(udp(&options(to, 2), None, exact).await, Outcome::PASSED);
        let short = Some(Reply { start: &[], lengths: (0, 59_999) });
        let why = "expected a reply of 0 to 59999 bytes, got 60000 bytes";
        assert_eq!(reason(&udp(&options(to, 2), None, short).await), why);
    }

    #[tokio::test]
    async fn this_host_answers_echo_requests_of_both_families() {
        for ip in ["127.0.0.1:7", "[::1]:7"] {
            assert_eq!(ping(&options(ip.parse().unwrap(), 2)).await, Outcome::PASSED, "{ip}");
        }
    }

    /// Each raw socket would hear the replies to all the others, and lose its own among them.
    #[tokio::test]
    async fn many_requests_to_one_host_do_not_drown_each_other() {
        for ip in ["127.0.0.1:7", "[::1]:7"] {
            let mut asked = tokio::task::JoinSet::new();
            for _ in 0..400 {
                asked.spawn(async move { ping(&options(ip.parse().unwrap(), 5)).await });
            }
            let failed = asked.join_all().await.into_iter().filter(|outcome| *outcome != Outcome::PASSED);
            assert_eq!(failed.collect::<Vec<Outcome>>(), [], "{ip}");
        }
    }

    /// A mail server that says each of these when it is its turn, and then nothing more.
    async fn serve_mail(replies: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 512];
            for reply in replies {
                for byte in reply.bytes() {
                    stream.write_all(&[byte]).await.unwrap();
                }
                let _ = stream.read(&mut buffer).await;
            }
            std::future::pending::<()>().await;
        });
        to
    }

    #[tokio::test]
    async fn a_mail_server_passes_or_fails_at_its_step() {
        let visit =
            |replies, seconds| async move { smtp(&options(serve_mail(replies).await, seconds), "a").await };
        let passes: &'static [&str] = &["220-a\r\n220 b\r\n", "250 c\r\n", "221 d\r\n"];
        assert_eq!(visit(passes, 5).await, Outcome::PASSED);
        let refuses: &'static [&str] = &["220 a\r\n", "550 no\r\n"];
        assert_eq!(reason(&visit(refuses, 5).await), "reply to HELO: expected 250, got `550 no`");
        let silent = "connected, but no answer within 1 s";
        assert_eq!(reason(&visit(&[], 1).await), format!("greeting: {silent}"));
        let hangs: &'static [&str] = &["220 a\r\n", "250"];
        assert_eq!(reason(&visit(hangs, 1).await), format!("reply to HELO: {silent}"));
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert_eq!(reason(&smtp(&options(closed, 5), "a").await), "connection refused");
    }

    /// A line a second, for ever: each read is in time, the whole never ends. The clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn a_mail_server_that_drips_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.write_all(b"220-\r\n").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let outcome = smtp(&options(to, 2), "a").await;
        assert_eq!(reason(&outcome), "greeting: the answer did not end within 20 s");
    }

    /// What a hostile server does, on every connection.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Hostile {
        Silent,
        Drips,
        Garbage,
        Endless,
        /// Answers so many times, and resets.
        Resets(usize),
    }

    async fn serve_badly(how: Hostile) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(behave_badly(how, stream));
            }
        });
        to
    }

    async fn behave_badly(how: Hostile, mut stream: tokio::net::TcpStream) {
        let mut buffer = [0; 512];
        match how {
            Hostile::Silent => std::future::pending().await,
            Hostile::Drips => {
                while stream.write_all(b"2").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Hostile::Garbage => {
                let _ = stream.write_all(&[0xfe; 700]).await;
                let _ = stream.write_all(b"\r\n").await;
            }
            Hostile::Endless => while stream.write_all(&[b'2'; 4096]).await.is_ok() {},
            Hostile::Resets(after) => {
                for reply in ["220 a\r\n", "250 b\r\n"].iter().take(after) {
                    let _ = stream.write_all(reply.as_bytes()).await;
                    let _ = stream.read(&mut buffer).await;
                }
                let _ = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            }
        }
    }

    /// A hundred of each at once, for both dialogues over TCP.
    #[tokio::test]
    async fn hostile_servers_fail_in_bounded_time() {
        let limit = Duration::from_millis(200);
        let kinds = [Hostile::Silent, Hostile::Drips, Hostile::Garbage, Hostile::Endless]
            .into_iter()
            .chain([0, 1, 2].map(Hostile::Resets));
        for how in kinds {
            let to = serve_badly(how).await;
            let begun = std::time::Instant::now();
            let mut under_way = tokio::task::JoinSet::new();
            for number in 0..100 {
                under_way.spawn(async move {
                    let options = Connect { timeout: limit, ..options(to, 0) };
                    match number % 2 {
                        0 => smtp(&options, "a").await,
                        _ => {
                            let name = DnsName::default();
                            let mut ask = Dns::new(7, DnsType::A, &name, Transport::Stream);
                            passed(converse(&options, None, &mut ask).await)
                        }
                    }
                });
            }
            while let Some(outcome) = under_way.join_next().await {
                let outcome = outcome.unwrap();
                assert!(matches!(outcome, Outcome::Failed(_)), "{how:?}: {outcome:?}");
            }
            // Ten times the limit, and what a slow machine takes.
            assert!(begun.elapsed() < 10 * limit + Duration::from_secs(10), "{how:?}");
        }
    }

    /// A server that answers one request after the other with these, and waits before each; each on a connection of its own.
    async fn serve_pages(
        answers: Vec<String>,
        wait: Duration,
    ) -> (SocketAddr, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        let served = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut buffer = [0; 4096];
                let length = stream.read(&mut buffer).await.unwrap();
                asked.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
                tokio::time::sleep(wait).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
            asked
        });
        (to, served)
    }

    async fn follow(to: SocketAddr, seconds: u64, redirects: u8) -> Outcome {
        let protocol = HttpProtocol::Http11;
        let check =
            HttpCheck { tls: false, protocol, sni: None, demands: None, fast_recovery: false, urls: vec![] };
        let url = HttpUrl {
            path: "/0".into(),
            virtualhost: Some("www.example.com".into()),
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: Some(Box::new(UrlMore { contains: vec!["ready".into()], redirects, ..UrlMore::default() })),
        };
        http(&options(to, seconds), &check, &url, None, &Client::default(), &OnceLock::new()).await
    }

    fn sent_to(place: &str) -> String {
        // Nobody reads the body: it never ends.
        format!("HTTP/1.1 302 Found\r\nlocation:\t{place} \r\nContent-Length: 9\r\n\r\n")
    }

    #[tokio::test]
    async fn redirects_are_followed_as_often_as_is_asked_for_and_on_the_same_server() {
        let ready = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready".to_owned();
        let answers = vec![sent_to("/1"), sent_to("http://192.0.2.9/2?a"), sent_to("3"), ready.clone()];
        let (to, served) = serve_pages(answers.clone(), Duration::ZERO).await;
        assert_eq!(follow(to, 5, 3).await, Outcome::PASSED);
        let firsts: Vec<String> = served
            .await
            .unwrap()
            .iter()
            .map(|asked| asked.replace("\r\nUser-Agent: KeepAliveClient\r\nConnection: close", ""))
            .collect();
        let request = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let expected = [
            ("/0", "www.example.com"),
            ("/1", "www.example.com"),
            ("/2?a", "192.0.2.9"),
            ("/3", "192.0.2.9"),
        ];
        assert_eq!(firsts, expected.map(|(path, host)| request(path, host)));
        let (to, _) = serve_pages(answers.clone(), Duration::ZERO).await;
        assert_eq!(
            reason(&follow(to, 5, 2).await),
            "redirected more than 2 times, the last time to `http://192.0.2.9/3`"
        );
        let (to, _) = serve_pages(answers, Duration::ZERO).await;
        assert_eq!(reason(&follow(to, 5, 0).await), "HTTP status code 302");
        let (to, _) = serve_pages(vec![sent_to("/1"), ready.replace("ready", "sorry")], Duration::ZERO).await;
        assert_eq!(
            reason(&follow(to, 5, 1).await),
            "redirected to `http://www.example.com/1`: expected a body with `ready`, got `sorry`"
        );
        let (to, _) = serve_pages(vec![sent_to("https://www.example.com/1")], Duration::ZERO).await;
        let refused = reason(&follow(to, 5, 1).await);
        assert!(refused.starts_with("redirected to `https://www.example.com/1`: "), "{refused}");
    }

    /// Each answer is in time, and all of them are not. The clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn slow_redirects_have_ten_times_the_time_of_one() {
        let answers = (1..=12).map(|number| sent_to(&format!("/{number}"))).collect();
        let (to, _) = serve_pages(answers, Duration::from_millis(1900)).await;
        let begun = Instant::now();
        let late = reason(&follow(to, 2, 10).await);
        assert_eq!(late, "redirected to `http://www.example.com/10`: the answer did not end within 20 s");
        assert_eq!(begun.elapsed(), Duration::from_secs(20));
    }

    #[tokio::test]
    async fn places_that_are_none_fail_in_one_line() {
        for (place, why) in [
            ("ftp://a/", "which is neither http nor https"),
            ("/a\rSet-Cookie: b", "which has a control character in it"),
            (&format!("/{}", "a".repeat(60_000)), "…`, which is longer than 8192 bytes"),
        ] {
            let (to, _) = serve_pages(vec![sent_to(place)], Duration::ZERO).await;
            let said = reason(&follow(to, 5, 3).await);
            assert!(said.ends_with(why) && said.len() < 200, "{said}");
        }
        let (to, _) = serve_pages(vec![sent_to(&"a".repeat(66_000))], Duration::ZERO).await;
        assert!(reason(&follow(to, 5, 3).await).contains("its head does not end within 65536 bytes"));
        // A line break ends the place; what follows is another header.
        let (to, served) =
            serve_pages(vec![sent_to("/1\r\nHost: b\r\n\r\n"), sent_to("/2")], Duration::ZERO).await;
        let _ = follow(to, 5, 1).await;
        assert!(served.await.unwrap()[1].starts_with("GET /1 HTTP/1.1\r\n"));
    }
}
