//! One request as keepalived writes it, and the response.
//!
//! The digest is the MD5 of the body as it comes: no transfer coding is decoded, so that digests of existing
//! configurations stay valid. The reader is total over its input and holds no more than the head.

use md5::{Digest, Md5};

use std::net::SocketAddr;

use crate::check::Failure;
use crate::config::model::{HttpCheck, HttpProtocol, HttpUrl};

use super::{Dialogue, Heard, Step};

/// A head that does not end within this is no head.
const LARGEST_HEAD: usize = 64 * 1024;
const MOST_FIELDS: usize = 256;

/// One url of a check: a request, and its response.
#[derive(Debug)]
pub struct Http {
    request: String,
    reader: Reader,
}

impl Http {
    /// Asks the server at `to` for `url` of `check`.
    pub fn new(check: &HttpCheck, url: &HttpUrl, to: SocketAddr) -> Self {
        Self { request: request(check, url, to), reader: Reader::default() }
    }

    /// Whether the body of the response has begun.
    pub fn in_body(&self) -> bool {
        self.reader.body.is_some()
    }
}

impl Dialogue for Http {
    type Answer = Response;

    fn next(&mut self, heard: Heard<'_>) -> Step<Response> {
        let complete = match heard {
            Heard::Connected => return Step::Send(self.request.clone().into_bytes()),
            Heard::Sent => Ok(false),
            Heard::Bytes(bytes) => self.reader.feed(bytes),
            Heard::Closed => Ok(true),
        };
        match complete {
            Ok(false) => Step::Read,
            Ok(true) => Step::Done(std::mem::take(&mut self.reader).finish()),
            Err(failure) => Step::Done(Err(failure)),
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

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// MD5 of the body.
    pub digest: [u8; 16],
    /// Bytes of the body.
    pub body_length: u64,
}

impl Response {
    /// Status first, then the digest, as keepalived looks.
    pub fn judge(&self, url: &HttpUrl) -> Result<(), Failure> {
        if !url.status_codes.contains(self.status) {
            return Err(Failure::Status { found: self.status });
        }
        match url.digest {
            Some(digest) if digest != self.digest => Err(Failure::Digest { found: self.digest }),
            _ => Ok(()),
        }
    }
}

#[derive(Debug, Default)]
struct Reader {
    head: Vec<u8>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    status: u16,
    /// Bytes that `Content-Length` still promises; `None`: until the server closes.
    remaining: Option<u64>,
    digest: Md5,
    length: u64,
}

impl Reader {
    /// Takes the next piece. `true`: the response is complete, nothing more need be read.
    fn feed(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        if let Some(body) = &mut self.body {
            return Ok(body.feed(bytes));
        }
        // The end of the head may straddle two pieces.
        let searched = self.head.len().saturating_sub(3);
        self.head.extend_from_slice(bytes);
        let unsearched = self.head.get(searched..).unwrap_or_default();
        let end = unsearched.windows(4).position(|window| window == b"\r\n\r\n");
        let length = end.map_or(self.head.len(), |end| searched + end + 4);
        if length > LARGEST_HEAD {
            return Err(Failure::NotHttp(format!("its head does not end within {LARGEST_HEAD} bytes")));
        }
        if end.is_none() {
            return Ok(false);
        }
        let (head, rest) = self.head.split_at(length);
        let mut body = Body::begin(head)?;
        let complete = body.feed(rest);
        self.body = Some(body);
        Ok(complete)
    }

    /// The server closed the connection, or [`Self::feed`] said that all is here.
    fn finish(self) -> Result<Response, Failure> {
        match self.body {
            Some(body) => Ok(Response {
                status: body.status,
                digest: body.digest.finalize().into(),
                body_length: body.length,
            }),
            None if self.head.is_empty() => Err(Failure::NoData),
            None => Err(Failure::NotHttp("the connection closed before its head ended".into())),
        }
    }
}

impl Body {
    fn begin(head: &[u8]) -> Result<Self, Failure> {
        let mut config = httparse::ParserConfig::default();
        // A checker that never looks at a field must not fail over it.
        config
            .ignore_invalid_headers_in_responses(true)
            .allow_spaces_after_header_name_in_responses(true)
            .allow_obsolete_multiline_headers_in_responses(true)
            .allow_multiple_spaces_in_response_status_delimiters(true);
        let mut fields = vec![httparse::EMPTY_HEADER; MOST_FIELDS];
        let mut response = httparse::Response::new(&mut fields);
        config.parse_response(&mut response, head).map_err(|error| Failure::NotHttp(error.to_string()))?;
        let status = response.code.ok_or_else(|| Failure::NotHttp("no status code".into()))?;
        let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
        let remaining = length.and_then(|field| std::str::from_utf8(field.value).ok()?.trim().parse().ok());
        Ok(Self { status, remaining, digest: Md5::new(), length: 0 })
    }

    fn feed(&mut self, bytes: &[u8]) -> bool {
        let wanted = match self.remaining {
            Some(remaining) => {
                let length = usize::try_from(remaining).unwrap_or(usize::MAX).min(bytes.len());
                bytes.get(..length).unwrap_or_default()
            }
            None => bytes,
        };
        self.digest.update(wanted);
        self.length += wanted.len() as u64;
        if let Some(remaining) = &mut self.remaining {
            *remaining -= wanted.len() as u64;
        }
        self.remaining == Some(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::StatusCodes;

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

    fn read(pieces: &[&[u8]]) -> Result<Response, Failure> {
        let to = "192.168.100.8:80".parse().unwrap();
        let mut http = Http::new(&check(HttpProtocol::Http10), &url("/", None), to);
        assert!(matches!(http.next(Heard::Connected), Step::Send(_)));
        assert_eq!(http.next(Heard::Sent), Step::Read);
        for piece in pieces {
            match http.next(Heard::Bytes(piece)) {
                Step::Done(result) => return result,
                step => assert_eq!(step, Step::Read),
            }
        }
        match http.next(Heard::Closed) {
            Step::Done(result) => result,
            step => panic!("{step:?} after the end"),
        }
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
    fn however_a_response_is_cut_it_reads_the_same() {
        let whole = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello";
        let expected = read(&[whole]).unwrap();
        assert_eq!((expected.status, expected.body_length), (200, 5));
        assert_eq!(crate::text::hex(&expected.digest), "5d41402abc4b2a76b9719d911017c592");
        for at in 0..whole.len() {
            let (a, b) = whole.split_at(at);
            assert_eq!(read(&[a, b]), Ok(expected.clone()), "cut at {at}");
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(read(&bytes), Ok(expected));
    }

    #[test]
    fn the_digest_ends_where_content_length_says() {
        let longer = read(&[b"HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello world"]).unwrap();
        assert_eq!(longer.body_length, 5);
        let until_close = read(&[b"HTTP/1.0 200 OK\r\n\r\nhello", b" world"]).unwrap();
        assert_eq!(crate::text::hex(&until_close.digest), "5eb63bbbe01eeed093cb22bb8f5acdc3");
    }

    #[test]
    fn chunks_are_not_decoded() {
        let body = b"5\r\nhello\r\n0\r\n\r\n";
        let mut whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        whole.extend(body);
        assert_eq!(read(&[&whole]).unwrap().digest, <[u8; 16]>::from(Md5::digest(body)));
    }

    #[test]
    fn hostile_answers_fail_and_nothing_more() {
        assert_eq!(read(&[b""]), Err(Failure::NoData));
        assert!(matches!(read(&[b"SSH-2.0-OpenSSH\r\n\r\n"]), Err(Failure::NotHttp(_))));
        assert!(matches!(read(&[b"HTTP/1.1 200 OK\r\n"]), Err(Failure::NotHttp(_))));
        let endless = vec![b'a'; LARGEST_HEAD + 1];
        assert!(matches!(read(&[&endless]), Err(Failure::NotHttp(_))));
        let mut large = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        large.resize(LARGEST_HEAD, b'a');
        large.extend(b"\r\n\r\n");
        assert!(matches!(read(&[&large]), Err(Failure::NotHttp(_))), "too large, also in one piece");
        let length = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nx";
        assert_eq!(read(&[length]).unwrap().body_length, 1);
    }

    #[test]
    fn status_is_judged_before_the_digest() {
        let response = Response { status: 500, digest: [1; 16], body_length: 0 };
        let url = HttpUrl { digest: Some([2; 16]), ..url("/", None) };
        assert_eq!(response.judge(&url), Err(Failure::Status { found: 500 }));
        let response = Response { status: 204, ..response };
        assert_eq!(response.judge(&url), Err(Failure::Digest { found: [1; 16] }));
    }
}
