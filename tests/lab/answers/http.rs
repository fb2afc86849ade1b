//! Answers over plain TCP: what ends one, first lines, odd heads.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use md5::{Digest, Md5};

use super::End;

#[derive(Clone, Debug)]
pub struct Answer {
    pub name: &'static str,
    pub group: &'static str,
    /// Lines of the `url` block besides the path.
    pub asked: String,
    bytes: Vec<u8>,
    /// Sent one by one, with this pause.
    drip: Option<Duration>,
    end: End,
    /// The request is not waited for.
    at_once: bool,
}

impl Answer {
    /// How often it is asked before its verdict is known: who asks a third time has judged twice.
    pub fn times(&self) -> usize {
        match (self.end, self.drip) {
            // There may never be a verdict.
            (End::Endless, _) => 0,
            (_, Some(_)) => 2,
            _ => 3,
        }
    }
}

pub fn serve(answer: &Answer, mut stream: TcpStream) {
    if !answer.at_once {
        super::request(&mut stream);
    }
    match answer.drip {
        None => drop(stream.write_all(&answer.bytes)),
        Some(pause) => {
            let _ = stream.set_nodelay(true);
            for byte in &answer.bytes {
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
                std::thread::sleep(pause);
            }
        }
    }
    super::finish(answer.end, &stream);
}

pub fn all() -> Vec<Answer> {
    let mut all = ends();
    all.extend(digests());
    all.extend(first_lines());
    all.extend(heads());
    all
}

fn answer(group: &'static str, name: &'static str, bytes: impl Into<Vec<u8>>, end: End) -> Answer {
    Answer { name, group, asked: String::new(), bytes: bytes.into(), drip: None, end, at_once: false }
}

fn ends() -> Vec<Answer> {
    use End::{Close, Endless, Hold, Reset};
    let new = |name, text: &str, end| answer("What ends an answer; no digest", name, text, end);
    let with = |fields: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}");
    let mut all = vec![
        new("Content-Length, closed", &with("Content-Length: 5", "hello"), Close),
        new("Content-Length, held open", &with("Content-Length: 5", "hello"), Hold),
        new("Content-Length, reset", &with("Content-Length: 5", "hello"), Reset),
        new("Content-Length 0, held open", &with("Content-Length: 0", ""), Hold),
        new("Content-Length longer than the body, closed", &with("Content-Length: 50", "hello"), Close),
        new("Content-Length longer than the body, held open", &with("Content-Length: 50", "hello"), Hold),
        new("Content-Length shorter than the body, held open", &with("Content-Length: 2", "hello"), Hold),
        new("Content-Length negative, closed", &with("Content-Length: -5", "hello"), Close),
        new("Content-Length no number, held open", &with("Content-Length: five", "hello"), Hold),
        new(
            "Content-Length twice, different, held open",
            &with("Content-Length: 5\r\nContent-Length: 6", "hello"),
            Hold,
        ),
        new("no length, closed", &with("X: y", "hello"), Close),
        new("no length, held open", &with("X: y", "hello"), Hold),
        new("no length, reset", &with("X: y", "hello"), Reset),
        new("no length, without end", &with("X: y", "hello"), Endless),
        new("no body, closed", &with("X: y", ""), Close),
        new("no body, reset", &with("X: y", ""), Reset),
        new("chunked, closed", &with("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), Close),
        new("chunked, held open", &with("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"), Hold),
        new(
            "chunked without the last chunk, held open",
            &with("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
            Hold,
        ),
        new("chunked, no chunks, closed", &with("Transfer-Encoding: chunked", "hello"), Close),
        new("204, held open", "HTTP/1.1 204 No Content\r\nX: y\r\n\r\n", Hold),
        new(
            "100, then 200",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Close,
        ),
        new(
            "103 with fields, then 200",
            "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            Close,
        ),
        new(
            "103, then 503",
            "HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n",
            Close,
        ),
        new("100, then nothing, held open", "HTTP/1.1 100 Continue\r\n\r\n", Hold),
        new("nothing, closed", "", Close),
        new("nothing, held open", "", Hold),
        new("nothing, reset", "", Reset),
        new("half a head, closed", "HTTP/1.1 200 OK\r\nContent-Le", Close),
        new("half a head, held open", "HTTP/1.1 200 OK\r\nContent-Le", Hold),
        new("half a head, reset", "HTTP/1.1 200 OK\r\nContent-Le", Reset),
    ];
    let mut not_modified = new("304, wanted, held open", "HTTP/1.1 304 Not Modified\r\nX: y\r\n\r\n", Hold);
    not_modified.asked = "status_code 304".into();
    all.push(not_modified);
    let mut early = new("before the request, closed", &with("Content-Length: 5", "hello"), Close);
    early.at_once = true;
    all.push(early);
    let mut drip = new("a byte each 20 ms", &with("Content-Length: 5", "hello"), Close);
    drip.drip = Some(Duration::from_millis(20));
    all.push(drip);
    let mut slow = new("a byte each 1.5 s", "HTTP/1.1 200 OK\r\n\r\n", Close);
    slow.drip = Some(Duration::from_millis(1500));
    all.push(slow);
    all
}

fn digests() -> Vec<Answer> {
    use End::{Close, Endless, Hold, Reset};
    let new = |name, fields: &str, body: &str, digested: &str, end| {
        let bytes = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n{body}");
        let digest: String = Md5::digest(digested).iter().map(|byte| format!("{byte:02x}")).collect();
        let plain = answer("What ends an answer; with a digest", name, bytes, end);
        Answer { asked: format!("digest {digest}"), ..plain }
    };
    let (length, chunked, chunks) =
        ("Content-Length: 5", "Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n");
    vec![
        new("Content-Length, closed", length, "hello", "hello", Close),
        new("Content-Length, held open", length, "hello", "hello", Hold),
        new("Content-Length, reset", length, "hello", "hello", Reset),
        new("Content-Length, another digest", length, "hello", "world", Close),
        new("Content-Length 0, held open", "Content-Length: 0", "", "", Hold),
        new("Content-Length longer than the body, closed", "Content-Length: 50", "hello", "hello", Close),
        new("Content-Length longer than the body, held open", "Content-Length: 50", "hello", "hello", Hold),
        new(
            "Content-Length shorter than the body, digest of all",
            "Content-Length: 2",
            "hello",
            "hello",
            Close,
        ),
        new(
            "Content-Length shorter than the body, digest of so much",
            "Content-Length: 2",
            "hello",
            "he",
            Close,
        ),
        new("no length, closed", "X: y", "hello", "hello", Close),
        new("no length, held open", "X: y", "hello", "hello", Hold),
        new("no length, reset", "X: y", "hello", "hello", Reset),
        new("no length, without end", "X: y", "hello", "hello", Endless),
        new("chunked, digest of the chunks, closed", chunked, chunks, chunks, Close),
        new("chunked, digest of the chunks, held open", chunked, chunks, chunks, Hold),
        new("chunked, digest of what they hold, closed", chunked, chunks, "hello", Close),
        new("chunked with trailers, closed", chunked, "0\r\nX: y\r\n\r\n", "0\r\nX: y\r\n\r\n", Close),
        new(
            "chunked and Content-Length, closed",
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            chunks,
            chunks,
            Close,
        ),
        new("no body, closed", "X: y", "", "", Close),
    ]
}

fn first_lines() -> Vec<Answer> {
    let lines = [
        "HTTP/1.1 200 OK",
        "HTTP/1.0 200 OK",
        "HTTP/1.1 200",
        "HTTP/1.1 200 ",
        "HTTP/2.0 200",
        "HTTP/2 200",
        "HTTP/3 200 OK",
        "HTTP 200 OK",
        "http/1.1 200 ok",
        "ICY 200 OK",
        "RTSP/1.0 200 OK",
        "HTTP/1.1  200  OK",
        "HTTP/1.1\t200\tOK",
        "HTTP/1.1 200OK",
        "HTTP/1.1 0200 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 20 OK",
        "HTTP/1.1 OK 200",
        "200 OK",
        " HTTP/1.1 200 OK",
        "HTTP/1.1 201 Created",
        "HTTP/1.1 299 Odd",
        "HTTP/1.1 301 Moved Permanently",
        "HTTP/1.1 401 Unauthorized",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 500 Internal Server Error",
        "SSH-2.0-OpenSSH_9.2",
        "220 mail.example.com ESMTP",
        "+OK POP3 ready",
        "* OK IMAP4 ready",
    ];
    let new = |line: &'static str| {
        answer("First lines", line, format!("{line}\r\nContent-Length: 5\r\n\r\nhello"), End::Close)
    };
    lines.into_iter().map(new).collect()
}

fn heads() -> Vec<Answer> {
    let many = |count: usize| (0..count).map(|number| format!("X-{number}: y\r\n")).collect::<String>();
    let long = |length: usize| format!("X: {}\r\n", "y".repeat(length));
    let fields: [(&str, String); 14] = [
        ("300 fields", many(300)),
        ("3000 fields", many(3000)),
        ("a field of 10,000 bytes", long(10_000)),
        ("a field of 60,000 bytes", long(60_000)),
        ("a field of 100,000 bytes", long(100_000)),
        ("a folded field", "X: y\r\n z\r\n".into()),
        ("a line without colon", "nonsense\r\n".into()),
        ("a blank in a name", "X Y: z\r\n".into()),
        ("a blank before the colon", "X : z\r\n".into()),
        ("no name", ": z\r\n".into()),
        ("NUL in a value", "X: \0\r\n".into()),
        ("a control character in a name", "X\u{1}: y\r\n".into()),
        ("UTF-8 in a value", "X: ünicode\r\n".into()),
        ("a carriage return in a value", "X: y\rz\r\n".into()),
    ];
    let new = |name, text: String| answer("Heads", name, text, End::Close);
    let mut all: Vec<Answer> = fields
        .into_iter()
        .map(|(name, fields)| new(name, format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 5\r\n\r\nhello")))
        .collect();
    all.extend([
        new("line feeds alone", "HTTP/1.1 200 OK\nContent-Length: 5\n\nhello".into()),
        new("carriage returns alone", "HTTP/1.1 200 OK\rContent-Length: 5\r\rhello".into()),
        new("an empty line first", "\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello".into()),
        new("no fields", "HTTP/1.1 200 OK\r\n\r\nhello".into()),
        new("a body without a head", "hello".into()),
        new("a page without a head", "<html><body>hello 200 world</body></html>\r\n\r\n".into()),
    ]);
    all
}
