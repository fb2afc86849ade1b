//! One request as keepalived writes it, and the answer to it.

mod reader;
mod search;

use std::net::SocketAddr;

use crate::check::Failure;
use crate::config::model::{HttpCheck, HttpProtocol, HttpUrl};

use super::{Dialogue, Heard, Step};
use reader::{Reader, Until};

pub use reader::Response;
pub use search::{Search, Searched};

/// One url of a check: a request, and the answer to it.
#[derive(Debug)]
pub struct Http {
    request: String,
    reader: Reader,
    /// `tls_compliant`: the connection has to end as TLS ends.
    compliant: bool,
}

impl Http {
    /// Asks the server at `to` for `url` of `check`; `search` is that for its pattern. The body is read when something is
    /// asked of it.
    pub fn check(check: &HttpCheck, url: &HttpUrl, to: SocketAddr, search: Option<Search>) -> Self {
        let compliant = url.is_compliant(check);
        let until = match (url.digest, &search) {
            _ if compliant => Until::Close,
            (Some(_), _) => Until::Body,
            (None, Some(_)) => Until::Searched,
            (None, None) => Until::Head,
        };
        Self { request: request(check, url, to), reader: Reader::new(until, search), compliant }
    }

    /// The same, and reads the whole body whatever is asked of it.
    pub fn page(check: &HttpCheck, url: &HttpUrl, to: SocketAddr) -> Self {
        Self { request: request(check, url, to), reader: Reader::new(Until::Body, None), compliant: false }
    }

    /// Whether the body of the answer has begun.
    pub fn in_body(&self) -> bool {
        self.reader.in_body()
    }

    fn finish(&mut self) -> Step<Response> {
        Step::Done(std::mem::replace(&mut self.reader, Reader::new(Until::Head, None)).finish())
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
                Ok(true) => self.finish(),
                Err(failure) => Step::Done(Err(failure)),
            },
            Heard::Closed => self.finish(),
            // A server that answers and then resets has answered; whether that is all of it, its digest tells.
            Heard::Reset(_) if self.in_body() && !self.compliant => self.finish(),
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
    format!("GET {path} HTTP/{version}\r\nUser-Agent: KeepAliveClient\r\n{close}Host: {host}\r\n\r\n")
}

impl Response {
    /// Status first, then the digest, then the pattern, as keepalived looks.
    pub fn judge(&self, url: &HttpUrl) -> Result<(), Failure> {
        if !url.status_codes.contains(self.status) {
            return Err(Failure::Status { found: self.status });
        }
        match url.digest {
            Some(digest) if digest != self.digest => return Err(Failure::Digest { found: self.digest }),
            _ => {}
        }
        match (&url.regex, &self.searched) {
            (Some(asked), Some(searched)) => searched.judge(asked),
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
        }
    }

    fn check(protocol: HttpProtocol) -> HttpCheck {
        HttpCheck { tls: false, protocol, sni: None, fast_recovery: false, urls: vec![] }
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
        let response = Response { status: 500, digest: [1; 16], body_length: 0, searched: None };
        let url = HttpUrl { digest: Some([2; 16]), ..url("/", None) };
        assert_eq!(response.judge(&url), Err(Failure::Status { found: 500 }));
        let response = Response { status: 204, ..response.clone() };
        assert_eq!(response.judge(&url), Err(Failure::Digest { found: [1; 16] }));
    }
}
