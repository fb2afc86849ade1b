//! One request as keepalived writes it, and the answer to it.

mod content;
mod reader;
mod redirect;
mod search;

use std::fmt;
use std::net::SocketAddr;

use crate::check::Failure;
use crate::config::model::{HttpCheck, HttpProtocol, HttpUrl, Method, UrlMore};

use super::{Dialogue, Heard, Step};
use content::Content;
use reader::{Reader, Until};

pub use reader::Response;
pub use redirect::{Stop, Trail};
pub use search::{Search, Searched};

/// One url of a check: a request, and the answer to it.
pub struct Http {
    request: String,
    reader: Reader,
    /// `tls_compliant`: the connection has to end as TLS ends.
    compliant: bool,
}

impl fmt::Debug for Http {
    /// Nothing of the request, which may have a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http")
            .field("reader", &self.reader)
            .field("compliant", &self.compliant)
            .finish_non_exhaustive()
    }
}

impl Http {
    /// Asks the server at `to` for `url` of `check`; `search` is that for its pattern. The body is read when something is
    /// asked of it.
    pub fn check(check: &HttpCheck, url: &HttpUrl, to: SocketAddr, search: Option<Search>) -> Self {
        let compliant = url.is_compliant(check);
        let more = url.more.as_deref();
        let content = more.and_then(Content::of);
        // How long the whole answer took is only known at its end.
        let whole = content.is_some() || more.is_some_and(|more| more.max_time.is_some());
        let until = match (url.digest, &search) {
            _ if compliant => Until::Close,
            _ if whole => Until::Body,
            (Some(_), _) => Until::Body,
            (None, Some(_)) => Until::Searched,
            (None, None) => Until::Head,
        };
        let head = more.is_some_and(|more| more.method == Method::Head);
        let follows = more.is_some_and(|more| more.redirects > 0);
        let reader = Reader::new(until, search).looking(content, head).following(follows);
        Self { request: request(check, url, to), reader, compliant }
    }

    /// The same, and says who asks: `value` is that of the header.
    pub(crate) fn authorized(mut self, value: &str) -> Self {
        // The head ends with an empty line.
        if let Some(end) = self.request.find("\r\n\r\n") {
            self.request.insert_str(end, &format!("\r\nAuthorization: {value}"));
        }
        self
    }

    /// The same, and reads the whole body whatever is asked of it.
    pub fn page(check: &HttpCheck, url: &HttpUrl, to: SocketAddr) -> Self {
        Self { request: request(check, url, to), reader: Reader::new(Until::Body, None), compliant: false }
    }

    /// Whether the body of the answer has begun.
    pub fn in_body(&self) -> bool {
        self.reader.in_body()
    }

    fn finish(&mut self, closed: bool) -> Step<Response> {
        Step::Done(std::mem::replace(&mut self.reader, Reader::new(Until::Head, None)).finish(closed))
    }
}

impl Dialogue for Http {
    type Answer = Response;

    fn next(&mut self, heard: Heard<'_>) -> Step<Response> {
        match heard {
            Heard::Connected => Step::Send(self.request.clone().into_bytes()),
            Heard::Sent => Step::Read,
            Heard::Bytes(bytes) => match self.reader.feed(bytes) {
                Ok(false) => Step::Read,
                Ok(true) => self.finish(false),
                Err(failure) => Step::Done(Err(failure)),
            },
            Heard::Closed => self.finish(true),
            // A server that answers and then resets has answered; whether that is all of it, its digest tells.
            Heard::Reset(_) if self.in_body() && !self.compliant => self.finish(true),
            Heard::Reset(why) => Step::Done(Err(Failure::Broken(why))),
            Heard::Silence(limit) => Step::Done(Err(Failure::ReadTimeout(limit))),
        }
    }
}

fn request(check: &HttpCheck, url: &HttpUrl, to: SocketAddr) -> String {
    let (version, close) = match check.protocol {
        HttpProtocol::Http10 => ("1.0", ""),
        HttpProtocol::Http10Close => ("1.0", "Connection: close\r\n"),
        HttpProtocol::Http11 => ("1.1", "Connection: close\r\n"),
    };
    let host = url.virtualhost.clone().unwrap_or_else(|| to.to_string());
    let path = &url.path;
    if let Some(more) = &url.more {
        return fuller(more, path, version, &format!("{close}Host: {host}\r\n"));
    }
    format!("GET {path} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n")
}

/// A request with more in it; `lines`: what else its head has.
fn fuller(more: &UrlMore, path: &str, version: &str, lines: &str) -> String {
    let mut text = format!("{} {path} HTTP/{version}\r\n", more.method.name());
    if !more.headers.iter().any(|header| header.name().eq_ignore_ascii_case("User-Agent")) {
        text += "User-Agent: KeepAliveClient\r\n";
    }
    text += lines;
    for header in &more.headers {
        text += &format!("{header}\r\n");
    }
    // RFC 9110 section 8.6: a method that may have a body says that there is none, but for OPTIONS.
    let body = more.body.as_deref().or(match more.method {
        Method::Post | Method::Put => Some(""),
        _ => None,
    });
    if let Some(body) = body {
        text += &format!("Content-Length: {}\r\n", body.len());
    }
    text + "\r\n" + body.unwrap_or_default()
}

impl Response {
    /// Status first, then the digest, then the pattern, as keepalived looks, then what only we look for. A body of which
    /// no more was read is not looked at further.
    pub fn judge(&self, url: &HttpUrl) -> Result<(), Failure> {
        if !url.status_codes.contains(self.status) {
            return Err(Failure::Status { found: self.status });
        }
        if let Some(content) = &self.content {
            content.judge_size()?;
        }
        if self.cut && url.more.as_ref().is_some_and(|more| more.max_time.is_some() || more.reads()) {
            return Err(Failure::Malformed("the connection closed before the body ended".into()));
        }
        match url.digest {
            Some(digest) if digest != self.digest => return Err(Failure::Digest { found: self.digest }),
            _ => {}
        }
        if let (Some(asked), Some(searched)) = (&url.regex, &self.searched) {
            searched.judge(asked)?;
        }
        match (&url.more, &self.content) {
            (Some(more), Some(content)) => content.judge(more),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::StatusCodes;

    const TO: &str = "192.168.100.8:80";

    fn url(path: &str, virtualhost: Option<&str>) -> HttpUrl {
        HttpUrl {
            path: path.into(),
            virtualhost: virtualhost.map(Into::into),
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: None,
        }
    }

    fn check(protocol: HttpProtocol) -> HttpCheck {
        HttpCheck { tls: false, protocol, sni: None, demands: None, fast_recovery: false, urls: vec![] }
    }

    /// How much of it is heard, and what comes of it.
    fn talk(digest: Option<[u8; 16]>, pieces: &[&[u8]]) -> (usize, Result<Response, Failure>) {
        let url = HttpUrl { digest, ..url("/", None) };
        let mut http = Http::check(&check(HttpProtocol::Http10), &url, TO.parse().unwrap(), None);
        assert!(matches!(http.next(Heard::Connected), Step::Send(_)));
        assert_eq!(http.next(Heard::Sent), Step::Read);
        let heard = pieces.iter().map(|piece| Heard::Bytes(piece)).chain([Heard::Closed]);
        for (number, heard) in heard.enumerate() {
            match http.next(heard) {
                Step::Done(result) => return (number + 1, result),
                step => assert_eq!(step, Step::Read),
            }
        }
        panic!("no end")
    }

    #[test]
    fn requests_are_keepaliveds() {
        let to = "192.168.100.8:80".parse().unwrap();
        assert_eq!(
            request(&check(HttpProtocol::Http10), &url("/", None), to),
            "GET / HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: 192.168.100.8:80\r\n\r\n"
        );
        assert_eq!(
            request(&check(HttpProtocol::Http11), &url("/a?b", Some("www.example.com")), to),
            "GET /a?b HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example.com\r\n\r\n"
        );
        let to = "[2001:db8::1]:8080".parse().unwrap();
        assert!(
            request(&check(HttpProtocol::Http10), &url("/", None), to)
                .contains("Host: [2001:db8::1]:8080\r\n")
        );
    }

    fn asking(more: UrlMore) -> HttpUrl {
        HttpUrl { more: Some(Box::new(more)), ..url("/health", Some("www.example.com")) }
    }

    #[test]
    fn a_request_has_what_is_asked_for_and_its_length() {
        let sent = |protocol, more: UrlMore| request(&check(protocol), &asking(more), TO.parse().unwrap());
        let header = |line: &str| crate::config::model::Header::new(line).unwrap();
        let more = UrlMore {
            method: Method::Post,
            headers: vec![header("Content-Type: application/json"), header("X-Check:ä")],
            body: Some("{\"ä\": 1}".into()),
            ..UrlMore::default()
        };
        assert_eq!(
            sent(HttpProtocol::Http11, more.clone()),
            "POST /health HTTP/1.1\r\nUser-Agent: KeepAliveClient\r\nConnection: close\r\nHost: www.example.com\r\n\
             Content-Type: application/json\r\nX-Check: ä\r\nContent-Length: 9\r\n\r\n{\"ä\": 1}"
        );
        let lines = |method, body: Option<&str>| {
            let headers = vec![header("user-agent: probe")];
            let more = UrlMore { method, headers, body: body.map(str::to_owned), ..UrlMore::default() };
            sent(HttpProtocol::Http10, more)
        };
        let rest = "HTTP/1.0\r\nHost: www.example.com\r\nuser-agent: probe\r\n";
        assert_eq!(lines(Method::Get, None), format!("GET /health {rest}\r\n"));
        assert_eq!(lines(Method::Head, None), format!("HEAD /health {rest}\r\n"));
        assert_eq!(lines(Method::Options, None), format!("OPTIONS /health {rest}\r\n"));
        assert_eq!(lines(Method::Put, None), format!("PUT /health {rest}Content-Length: 0\r\n\r\n"));
        assert_eq!(
            lines(Method::Options, Some("a")),
            format!("OPTIONS /health {rest}Content-Length: 1\r\n\r\na")
        );
    }

    /// What comes of an answer in these pieces, and how many of them are heard.
    fn judged(more: UrlMore, pieces: &[&[u8]]) -> (usize, Result<(), String>) {
        let url = asking(more);
        let mut http = Http::check(&check(HttpProtocol::Http11), &url, TO.parse().unwrap(), None);
        assert!(matches!(http.next(Heard::Connected), Step::Send(_)));
        assert_eq!(http.next(Heard::Sent), Step::Read);
        let heard = pieces.iter().map(|piece| Heard::Bytes(piece)).chain([Heard::Closed]);
        for (number, heard) in heard.enumerate() {
            if let Step::Done(answer) = http.next(heard) {
                let verdict = answer.and_then(|answer| answer.judge(&url));
                return (number + 1, verdict.map_err(|why| why.to_string()));
            }
        }
        panic!("no end")
    }

    #[test]
    fn who_asks_is_said_in_the_head() {
        let more = UrlMore { method: Method::Post, body: Some("a\r\n\r\nb".into()), ..UrlMore::default() };
        let http = Http::check(&check(HttpProtocol::Http10), &asking(more), TO.parse().unwrap(), None);
        assert_eq!(
            http.authorized("Bearer abc").request,
            "POST /health HTTP/1.0\r\nUser-Agent: KeepAliveClient\r\nHost: www.example.com\r\nContent-Length: 6\r\n\
             Authorization: Bearer abc\r\n\r\na\r\n\r\nb"
        );
    }

    #[test]
    fn texts_are_looked_for_without_the_chunks_they_come_in() {
        let contains = |text: &str| UrlMore { contains: vec![text.into()], ..UrlMore::default() };
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nrea\r\n4\r\ndy!\n\r\n0\r\nX: ready?\r\n\r\n";
        for size in 1..=whole.len() {
            let pieces: Vec<&[u8]> = whole.chunks(size).collect();
            assert_eq!(judged(contains("ready!"), &pieces).1, Ok(()), "in pieces of {size}");
            for no_content in ["\r", "4", "ready?"] {
                let why = format!("expected a body with `{}`, got `ready!`", no_content.escape_debug());
                assert_eq!(judged(contains(no_content), &pieces).1, Err(why), "in pieces of {size}");
            }
        }
        // It is no chunked coding, whatever the head says.
        let broken: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nready";
        assert_eq!(judged(contains("eady"), &[broken]).1, Ok(()));
    }

    #[test]
    fn no_more_is_read_than_may_be_and_the_status_counts_first() {
        let more = || UrlMore { max_size: Some(4), contains: vec!["z".into()], ..UrlMore::default() };
        let head = |status| format!("HTTP/1.1 {status} X\r\nContent-Length: 100\r\n\r\n").into_bytes();
        let heard = |status| judged(more(), &[&head(status), b"abc", b"de", b"z"]);
        let why = "expected a body of at most 4 bytes, got a longer one".to_owned();
        assert_eq!(heard(200), (3, Err(why)));
        assert_eq!(heard(503), (3, Err("HTTP status code 503".to_owned())));
        let four = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcz";
        assert_eq!(judged(more(), &[four]), (1, Ok(())), "four are not too many");
    }

    #[test]
    fn an_answer_to_head_has_no_body() {
        let more = |method| UrlMore {
            method,
            max_time: Some(std::time::Duration::from_secs(1)),
            ..UrlMore::default()
        };
        let head: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
        assert_eq!(judged(more(Method::Head), &[head]), (1, Ok(())));
        let cut = Err("the connection closed before the body ended".to_owned());
        assert_eq!(
            judged(more(Method::Get), &[head]),
            (2, cut.clone()),
            "its time is that of the whole answer"
        );
        let chunks: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nOK\r\n";
        let no_error = UrlMore { contains_not: vec!["ERROR".into()], ..UrlMore::default() };
        assert_eq!(judged(no_error.clone(), &[chunks]).1, cut, "the worst may have been to come");
        assert_eq!(judged(no_error, &[chunks, b"0\r\n\r\n"]).1, Ok(()));
    }

    #[test]
    fn the_body_is_read_when_it_counts() {
        let head: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
        assert_eq!(talk(None, &[head]).0, 1, "the status is all that counts");
        let (heard, answer) = talk(Some([0; 16]), &[head, b"hel", b"lo"]);
        let answer = answer.unwrap();
        assert_eq!((heard, answer.body_length), (4, 5));
        assert_eq!(crate::text::hex(&answer.digest), "5d41402abc4b2a76b9719d911017c592");
    }

    #[test]
    fn a_reset_ends_an_answer_and_is_none() {
        let mut http = Http::page(&check(HttpProtocol::Http10), &url("/", None), TO.parse().unwrap());
        assert_eq!(http.next(Heard::Bytes(b"HTTP/1.1 200 OK\r\n")), Step::Read);
        let broken = Step::Done(Err(Failure::Broken("reset".into())));
        assert_eq!(http.next(Heard::Reset("reset".into())), broken);
        let mut http = Http::page(&check(HttpProtocol::Http10), &url("/", None), TO.parse().unwrap());
        assert_eq!(http.next(Heard::Bytes(b"HTTP/1.1 200 OK\r\n\r\nhello")), Step::Read);
        let Step::Done(Ok(answer)) = http.next(Heard::Reset("reset".into())) else { panic!("no answer") };
        assert_eq!((answer.status, answer.body_length), (200, 5));
    }

    #[test]
    fn where_tls_has_to_be_closed_the_end_of_the_connection_counts() {
        let url = HttpUrl { tls_compliant: Some(true), ..url("/", None) };
        let to = TO.parse().unwrap();
        for (tls, waits) in [(true, true), (false, false)] {
            let check = HttpCheck { tls, ..check(HttpProtocol::Http10) };
            let begin = || {
                let mut http = Http::check(&check, &url, to, None);
                let whole = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more";
                let step = http.next(Heard::Bytes(whole));
                assert_eq!(step == Step::Read, waits);
                http
            };
            if !waits {
                begin();
                continue;
            }
            let broken = Step::Done(Err(Failure::Broken("cut".into())));
            assert_eq!(begin().next(Heard::Reset("cut".into())), broken);
            let Step::Done(Ok(answer)) = begin().next(Heard::Closed) else { panic!("no answer") };
            assert_eq!((answer.status, answer.body_length), (200, 2));
        }
    }

    #[test]
    fn status_is_judged_before_the_digest() {
        let response = Response {
            status: 500,
            digest: [1; 16],
            body_length: 0,
            cut: false,
            searched: None,
            content: None,
            location: None,
        };
        let url = HttpUrl { digest: Some([2; 16]), ..url("/", None) };
        assert_eq!(response.judge(&url), Err(Failure::Status { found: 500 }));
        let response = Response { status: 204, ..response.clone() };
        assert_eq!(response.judge(&url), Err(Failure::Digest { found: [1; 16] }));
    }
}
