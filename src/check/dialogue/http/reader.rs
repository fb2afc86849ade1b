//! Reads the answer to a GET: its status, and its body up to the end that RFC 9112 section 6.3 gives it.
//!
//! The digest is the MD5 of the body as it comes: no transfer coding is decoded, so that digests of existing
//! configurations stay valid. The reader is total over its input and holds no more than the head.

use md5::{Digest as _, Md5};

use crate::check::Failure;
use crate::config::model::UrlMore;

use super::content::Content;
use super::search::{Search, Searched};

/// A head that does not end within this is no head.
const LARGEST_HEAD: usize = 64 * 1024;
/// Interim answers (1xx) before the one that counts.
const MOST_INTERIM: usize = 16;
/// A body that does not end within this has no digest.
pub(super) const LARGEST_BODY: u64 = 64 * 1024 * 1024;
/// A line of the chunked coding: a size in hexadecimal and its extensions.
const LONGEST_CHUNK_LINE: usize = 4096;

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// MD5 of what was read of the body.
    pub digest: [u8; 16],
    /// Bytes of the body that were read.
    pub body_length: u64,
    /// The server ended the connection before the body was whole.
    pub cut: bool,
    /// What the search for a pattern found, if there was one.
    pub searched: Option<Searched>,
    /// What was looked for in the body, and how much of it is there.
    pub content: Option<Box<Content>>,
    /// Where it sends whoever follows redirects; nothing behind its head was read then.
    pub location: Option<String>,
}

/// How much of an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    /// The end of the head: the status is all that counts.
    Head,
    /// The verdict of the search.
    Searched,
    /// The end of the body.
    Body,
    /// The end of the connection, and how that comes about counts.
    Close,
}

/// An answer as it comes.
#[derive(Debug)]
pub(super) struct Reader {
    until: Until,
    head: Vec<u8>,
    empty_line: EmptyLine,
    interim: usize,
    /// Of the body, before that has begun.
    search: Option<Search>,
    /// The same.
    content: Option<Box<Content>>,
    /// The answer to a HEAD, which has no body whatever its head says.
    bodiless: bool,
    /// An answer that sends elsewhere ends with its head.
    follows: bool,
    location: Option<String>,
    body: Option<Body>,
}

#[derive(Debug)]
struct Body {
    status: u16,
    end: End,
    digest: Md5,
    length: u64,
    search: Option<Search>,
    content: Option<Box<Content>>,
    whole: bool,
}

/// How far a body is read.
struct Read {
    /// To its end.
    whole: bool,
    /// To the verdict of the search.
    searched: bool,
    /// To where it is longer than it may be.
    too_long: bool,
}

impl Read {
    /// Whether that is enough.
    fn ends(&self, until: Until) -> bool {
        if self.too_long {
            return true;
        }
        match until {
            Until::Head => true,
            Until::Searched => self.whole || self.searched,
            Until::Body => self.whole,
            Until::Close => false,
        }
    }
}

/// What ends a body.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// So many bytes more.
    After(u64),
    /// The last chunk and its trailers.
    Chunks(Chunks),
    /// The server closes.
    Close,
}

/// Where in the chunked coding it is.
#[derive(Debug, PartialEq, Eq)]
enum Chunks {
    /// In the line with the size of the next chunk.
    Size(SizeLine),
    /// In a chunk: so many bytes are still to come, with the end of its line.
    Data(u64),
    /// Behind the last chunk, in a line of so many characters; an empty one ends the body.
    Trailer(usize),
    /// It is no chunked coding, whatever the head says: the server's closing ends it.
    Broken,
}

/// The line before a chunk: a size in hexadecimal, and extensions that say nothing here.
#[derive(Debug, Default, PartialEq, Eq)]
struct SizeLine {
    size: u64,
    /// Characters so far.
    length: usize,
    /// Behind the digits.
    extension: bool,
}

impl Reader {
    pub(super) fn new(until: Until, search: Option<Search>) -> Self {
        Self {
            until,
            head: Vec::new(),
            empty_line: EmptyLine::default(),
            interim: 0,
            search,
            content: None,
            bodiless: false,
            follows: false,
            location: None,
            body: None,
        }
    }

    /// The same, with what is looked for in the body; `bodiless`: it answers a HEAD.
    pub(super) fn looking(self, content: Option<Box<Content>>, bodiless: bool) -> Self {
        Self { content, bodiless, ..self }
    }

    /// The same; `follows`: redirects are followed.
    pub(super) fn following(self, follows: bool) -> Self {
        Self { follows, ..self }
    }

    /// Whether the head is whole.
    pub(super) fn in_body(&self) -> bool {
        self.body.is_some()
    }

    /// Takes the next piece in. `true`: nothing more need be read.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<bool, Failure> {
        if let Some(body) = &mut self.body {
            return Ok(body.feed(bytes)?.ends(self.until));
        }
        self.head.extend_from_slice(bytes);
        loop {
            let Some(length) = self.empty_line.end(&self.head) else {
                return if self.head.len() > LARGEST_HEAD { Err(endless()) } else { Ok(false) };
            };
            if length > LARGEST_HEAD {
                return Err(endless());
            }
            self.empty_line = EmptyLine::default();
            let rest = self.head.split_off(length);
            let head = std::mem::replace(&mut self.head, rest);
            let status = status(&head)?;
            // 101 ends the talk in HTTP: nothing comes after it.
            if (100..200).contains(&status) && status != 101 {
                self.interim += 1;
                if self.interim > MOST_INTERIM {
                    return Err(Failure::NotHttp(format!("more than {MOST_INTERIM} interim answers")));
                }
                continue;
            }
            let end = if self.bodiless { End::After(0) } else { end(status, &head) };
            let (search, content) = (self.search.take(), self.content.take());
            let mut body = Body { status, end, digest: Md5::new(), length: 0, search, content, whole: false };
            if self.follows && UrlMore::REDIRECTS.contains(&status) {
                self.location = location(&head);
                if self.location.is_some() {
                    self.body = Some(body);
                    return Ok(true);
                }
            }
            let read = body.feed(&std::mem::take(&mut self.head))?;
            self.body = Some(body);
            return Ok(read.ends(self.until));
        }
    }

    /// The server sends no more, as it has `closed`, or [`Self::feed`] said that all is here.
    pub(super) fn finish(self, closed: bool) -> Result<Response, Failure> {
        match self.body {
            Some(body) => Ok(Response {
                cut: closed && !body.whole && !matches!(body.end, End::Close | End::Chunks(Chunks::Broken)),
                status: body.status,
                digest: body.digest.finalize().into(),
                body_length: body.length,
                searched: body.search.map(Search::finish),
                content: body.content,
                location: self.location,
            }),
            None if self.head.is_empty() && self.interim == 0 => Err(Failure::NoData),
            None => Err(Failure::NotHttp("the connection closed before its head ended".into())),
        }
    }
}

fn endless() -> Failure {
    Failure::NotHttp(format!("its head does not end within {LARGEST_HEAD} bytes"))
}

/// Where the search for the end of a head stands: no byte is looked at twice.
#[derive(Debug, Default)]
struct EmptyLine {
    searched: usize,
    /// The line that it is in has something in it.
    filled: bool,
    /// A line before it has.
    begun: bool,
}

impl EmptyLine {
    /// The length of the head with the empty line that ends it. A line may end without its carriage return
    /// (RFC 9112 section 2.2).
    fn end(&mut self, head: &[u8]) -> Option<usize> {
        while let Some(byte) = head.get(self.searched) {
            self.searched += 1;
            match byte {
                b'\n' if self.begun && !self.filled => return Some(self.searched),
                b'\n' => {
                    self.begun |= self.filled;
                    self.filled = false;
                }
                b'\r' => {}
                _ => self.filled = true,
            }
        }
        None
    }
}

/// The status code: three digits behind the first word, whatever that is, as keepalived looks for it.
fn status(head: &[u8]) -> Result<u16, Failure> {
    let line = head.trim_ascii_start().split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    let code = words.nth(1).filter(|word| word.len() == 3 && word.iter().all(u8::is_ascii_digit));
    let code = code.and_then(|code| std::str::from_utf8(code).ok()?.parse().ok());
    code.ok_or_else(|| {
        let shown: String = String::from_utf8_lossy(line).chars().take(40).collect();
        Failure::NotHttp(format!("no status code in its first line, `{}`", shown.trim().escape_debug()))
    })
}

/// The first `Location` of a head.
fn location(head: &[u8]) -> Option<String> {
    let value = |line: &[u8]| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let (name, value) = line.split_at_checked(colon)?;
        name.trim_ascii()
            .eq_ignore_ascii_case(b"location")
            .then(|| String::from_utf8_lossy(value.get(1..).unwrap_or_default().trim_ascii()).into_owned())
    };
    head.split(|byte| *byte == b'\n').skip(1).find_map(value)
}

/// What ends the body that follows `head` (RFC 9112 section 6.3). A length that is none leaves the end to the server.
fn end(status: u16, head: &[u8]) -> End {
    if matches!(status, 101 | 204 | 304) {
        return End::After(0);
    }
    let mut length = None;
    let mut chunked = None;
    for line in head.split(|byte| *byte == b'\n').skip(1) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = line.split_at(colon);
        let value = String::from_utf8_lossy(value.get(1..).unwrap_or_default());
        let name = name.trim_ascii();
        if name.eq_ignore_ascii_case(b"content-length") {
            for one in value.split(',').map(str::trim) {
                let one = one.bytes().all(|byte| byte.is_ascii_digit()).then(|| one.parse::<u64>().ok());
                length = match (length, one.flatten()) {
                    (None, new) => Some(new),
                    (Some(old), new) if old == new => Some(old),
                    // Two that differ say nothing.
                    _ => Some(None),
                };
            }
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            let last = value.rsplit(',').next().unwrap_or_default().trim().to_owned();
            chunked = Some(last.eq_ignore_ascii_case("chunked"));
        }
    }
    match (chunked, length.flatten()) {
        (Some(true), _) => End::Chunks(Chunks::Size(SizeLine::default())),
        (Some(false), _) | (None, None) => End::Close,
        (None, Some(length)) => End::After(length),
    }
}

impl Body {
    fn feed(&mut self, bytes: &[u8]) -> Result<Read, Failure> {
        if self.whole {
            return Ok(Read { whole: true, searched: true, too_long: false });
        }
        let mut too_long = false;
        let mut look = |bytes: &[u8]| {
            too_long |= self.content.as_mut().is_some_and(|content| content.feed(bytes));
        };
        let (taken, whole) = match &mut self.end {
            End::After(remaining) => {
                let taken = usize::try_from(*remaining).unwrap_or(usize::MAX).min(bytes.len());
                *remaining -= taken as u64;
                (taken, *remaining == 0)
            }
            End::Chunks(chunks) => chunks.take(bytes, &mut look),
            End::Close => (bytes.len(), false),
        };
        let taken = bytes.get(..taken).unwrap_or_default();
        if !matches!(self.end, End::Chunks(_)) {
            look(taken);
        }
        self.digest.update(taken);
        self.length += taken.len() as u64;
        let searched = self.search.as_mut().is_some_and(|search| search.feed(taken));
        if self.length > LARGEST_BODY {
            return Err(Failure::TooLong(LARGEST_BODY));
        }
        self.whole = whole;
        Ok(Read { whole, searched, too_long })
    }
}

impl Chunks {
    /// How many of `bytes` belong to the body, and whether it ends there. `content` sees what is in the chunks.
    fn take(&mut self, bytes: &[u8], content: &mut impl FnMut(&[u8])) -> (usize, bool) {
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let next = match self {
                Self::Data(left) => {
                    let skipped = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len() - at);
                    // The last two end the line.
                    let inside = usize::try_from(left.saturating_sub(2)).unwrap_or(usize::MAX).min(skipped);
                    content(bytes.get(at..at + inside).unwrap_or_default());
                    at += skipped;
                    *left -= skipped as u64;
                    (*left == 0).then_some(Self::Size(SizeLine::default()))
                }
                Self::Size(line) => {
                    at += 1;
                    line.take(*byte)
                }
                Self::Trailer(length) => {
                    at += 1;
                    match byte {
                        b'\n' if *length == 0 => return (at, true),
                        b'\n' => *length = 0,
                        b'\r' => {}
                        _ => *length = length.saturating_add(1),
                    }
                    None
                }
                Self::Broken => {
                    content(bytes.get(at..).unwrap_or_default());
                    return (bytes.len(), false);
                }
            };
            if let Some(next) = next {
                *self = next;
            }
        }
        (bytes.len(), false)
    }
}

impl SizeLine {
    /// Takes a character in; what follows the line, at its end.
    fn take(&mut self, byte: u8) -> Option<Chunks> {
        let digit = char::from(byte).to_digit(16).filter(|_| !self.extension);
        match (byte, digit) {
            (b'\n', _) if self.length == 0 => return Some(Chunks::Broken),
            (b'\n', _) if self.size == 0 => return Some(Chunks::Trailer(0)),
            (b'\n', _) => return Some(self.size.checked_add(2).map_or(Chunks::Broken, Chunks::Data)),
            (_, Some(digit)) if self.size >> 60 == 0 => self.size = self.size << 4 | u64::from(digit),
            (_, Some(_)) => return Some(Chunks::Broken),
            (b';' | b' ' | b'\t' | b'\r', None) if self.length > 0 => self.extension = true,
            (_, None) if !self.extension => return Some(Chunks::Broken),
            _ => {}
        }
        self.length += 1;
        (self.length > LONGEST_CHUNK_LINE).then_some(Chunks::Broken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read of `whole`, in pieces of `size` bytes, then the end.
    fn read(whole: &[u8], size: usize, until: Until) -> Result<Response, Failure> {
        let mut reader = Reader::new(until, None);
        for piece in whole.chunks(size) {
            if reader.feed(piece)? {
                break;
            }
        }
        reader.finish(true)
    }

    /// Status and body, the same however it is cut.
    fn answer(whole: &[u8]) -> Result<(u16, u64), Failure> {
        let first = read(whole, whole.len().max(1), Until::Body);
        for size in [1, 2, 3, 7, 16] {
            assert_eq!(read(whole, size, Until::Body), first, "in pieces of {size}");
        }
        first.map(|response| (response.status, response.body_length))
    }

    fn body(whole: &str) -> &[u8] {
        whole.as_bytes().split_at(whole.find("\r\n\r\n").unwrap() + 4).1
    }

    #[test]
    fn what_ends_a_body() {
        let more = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n";
        for (head, text, length) in [
            ("Content-Length: 5", "hello world", 5),
            ("content-length :5", "hello world", 5),
            ("Content-Length: 5, 5", "hello world", 5),
            ("Content-Length: 5\r\nContent-Length: 5", "hello world", 5),
            ("Content-Length: 0", "hello world", 0),
            ("Content-Length: 50", "hello world", 11),
            ("X: y", "hello world", 11),
            // Lengths that say nothing.
            ("Content-Length: 5\r\nContent-Length: 6", "hello world", 11),
            ("Content-Length: -5", "hello world", 11),
            ("Content-Length: 5 bytes", "hello world", 11),
            ("Content-Length: 99999999999999999999999", "hello world", 11),
            // Chunks, with what belongs to them.
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\nmore", 15),
            ("Transfer-Encoding: chunked\r\nContent-Length: 2", "5\r\nhello\r\n0\r\n\r\nmore", 15),
            ("Transfer-Encoding: gzip, Chunked", "5\r\nhello\r\n0\r\n\r\nmore", 15),
            ("Transfer-Encoding: chunked", "5;a=b\r\nhello\r\n0\r\nX: y\r\n\r\nmore", 25),
            ("Transfer-Encoding: chunked", "0A\r\n0123456789\r\n000\r\n\r\nmore", 23),
            ("Transfer-Encoding: chunked", "5\nhello\r\n0\n\nmore", 12),
            ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n", 13),
            ("Transfer-Encoding: chunked, gzip", "0\r\n\r\nmore", 9),
            // No chunks, though announced.
            ("Transfer-Encoding: chunked", "hello world", 11),
            ("Transfer-Encoding: chunked", "\r\nhello", 7),
            ("Transfer-Encoding: chunked", "fffffffffffffffffff\r\nhello", 26),
            ("Transfer-Encoding: chunked", "ffffffffffffffff\r\nhello", 23),
        ] {
            let whole = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{text}");
            assert_eq!(answer(whole.as_bytes()), Ok((200, length)), "{whole:?}");
            let digest = Md5::digest(&body(&whole)[..length as usize]);
            assert_eq!(read(whole.as_bytes(), 9, Until::Body).unwrap().digest, <[u8; 16]>::from(digest));
        }
        for status in [204, 304, 101] {
            let whole = more.replace("200", &status.to_string());
            assert_eq!(answer(format!("{whole}not its body").as_bytes()), Ok((status, 0)));
        }
        assert_eq!(read(more.as_bytes(), 9, Until::Head).map(|found| found.status), Ok(200));
    }

    #[test]
    fn interim_answers_are_passed_over() {
        let whole = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n\
                     HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno";
        assert_eq!(answer(whole.as_bytes()), Ok((404, 2)));
        let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(1000);
        assert!(matches!(answer(endless.as_bytes()), Err(Failure::NotHttp(_))));
        assert!(matches!(answer(&endless.as_bytes()[..25]), Err(Failure::NotHttp(_))));
    }

    #[test]
    fn first_lines() {
        for (line, status) in [
            ("HTTP/1.1 200 OK", 200),
            ("HTTP/2.0 200", 200),
            ("HTTP/1.0 302 ", 302),
            ("HTTP/1.1  503  Busy", 503),
            ("ICY 200 OK", 200),
            ("http/1.1 200 ok", 200),
            ("HTTP 200", 200),
            ("HTTP/1.1\t200", 200),
        ] {
            assert_eq!(answer(format!("{line}\r\n\r\n").as_bytes()), Ok((status, 0)), "{line}");
            assert_eq!(answer(format!("{line}\n\nx").as_bytes()), Ok((status, 1)), "{line}, bare line feeds");
        }
        for line in [
            "SSH-2.0-OpenSSH",
            "200 OK",
            "HTTP/1.1",
            "HTTP/1.1 20",
            "HTTP/1.1 2000",
            "HTTP/1.1 OK 200",
            "+OK POP3 ready",
            " ",
        ] {
            assert!(
                matches!(answer(format!("{line}\r\n\r\n").as_bytes()), Err(Failure::NotHttp(_))),
                "{line}"
            );
        }
    }

    #[test]
    fn odd_heads_do_not_matter() {
        let mut whole = "HTTP/1.1 200 OK\r\n".to_owned();
        for number in 0..1000 {
            whole += &format!("X-{number}: {number}\r\n");
        }
        whole += " folded\r\nno colon\r\nna me: x\r\n: y\r\nnul: \0\r\nContent-Length: 1\r\n\r\nxyz";
        assert_eq!(answer(whole.as_bytes()), Ok((200, 1)));
    }

    #[test]
    fn hostile_answers_fail_and_nothing_more() {
        assert_eq!(answer(b""), Err(Failure::NoData));
        assert!(matches!(answer(b"HTTP/1.1 200 OK\r\n"), Err(Failure::NotHttp(_))));
        let endless = vec![b'a'; LARGEST_HEAD + 1];
        assert!(matches!(answer(&endless), Err(Failure::NotHttp(_))));
        let mut large = b"HTTP/1.1 200 OK\r\nX: ".to_vec();
        large.resize(LARGEST_HEAD, b'a');
        large.extend(b"\r\n\r\n");
        assert!(matches!(answer(&large), Err(Failure::NotHttp(_))), "too large, also in one piece");
        let mut reader = Reader::new(Until::Body, None);
        assert_eq!(reader.feed(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(false));
        let piece = vec![0; 1 << 20];
        let fed = (0..).map(|_| reader.feed(&piece)).find(|fed| *fed != Ok(false));
        assert_eq!(fed, Some(Err(Failure::TooLong(LARGEST_BODY))));
    }
}
