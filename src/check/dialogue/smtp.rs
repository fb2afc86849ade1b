//! The greeting of a mail server, HELO and QUIT (RFC 5321 §4).
//!
//! A reply has one line or more, and comes in any pieces; all but its last line have a hyphen behind the code.

use std::mem;

use crate::check::Failure;

use super::{Dialogue, Heard, Step};

/// A reply that does not end within so many bytes is none: RFC 5321 §4.5.3.1.5 has 512 for a line.
const LONGEST_REPLY: usize = 8 * 1024;
/// So many characters of a reply are shown.
const SHOWN: usize = 80;

/// One visit to a mail server.
#[derive(Debug)]
pub struct Smtp {
    helo: String,
    wait: Wait,
    /// What came of the reply that is waited for.
    read: Vec<u8>,
    /// Where the line begins that is not at its end yet.
    line: usize,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    Connection,
    Greeting,
    Hello,
    Quit,
}

/// A whole line of a reply.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// More lines follow.
    Continued,
    /// The last one, with this code.
    Last(u16),
    /// No line of a reply.
    Other,
}

impl Smtp {
    /// Calls itself `helo`.
    pub fn new(helo: &str) -> Self {
        // A control character would end the command.
        let helo = helo.chars().filter(|c| !c.is_control()).collect();
        Self { helo, wait: Wait::Connection, read: Vec::new(), line: 0 }
    }

    /// What is waited for, in words; `None`: there is no connection.
    pub fn waits_for(&self) -> Option<&'static str> {
        match self.wait {
            Wait::Connection => None,
            Wait::Greeting => Some("greeting"),
            Wait::Hello => Some("reply to HELO"),
            Wait::Quit => Some("reply to QUIT"),
        }
    }

    /// Looks at the lines that came.
    fn read(&mut self) -> Step<()> {
        while let Some((line, rest)) = self.next_line() {
            let (found, next) = (read_line(line), self.read.len() - rest);
            match (self.wait, found) {
                // Whatever it says: it has heard us out.
                (Wait::Quit, _) => return Step::Done(Ok(())),
                (_, Line::Continued) => self.line = next,
                (Wait::Greeting, Line::Last(220)) => {
                    return self.say(next, Wait::Hello, format!("HELO {}\r\n", self.helo));
                }
                (Wait::Hello, Line::Last(250)) => return self.say(next, Wait::Quit, "QUIT\r\n".to_owned()),
                (_, Line::Last(_)) => {
                    let expected = if self.wait == Wait::Greeting { "220" } else { "250" };
                    let got = shown(line);
                    return Step::Done(Err(Failure::Unexpected { expected: expected.to_owned(), got }));
                }
                (_, Line::Other) => {
                    let what = format!("{} is no line of SMTP", shown(line));
                    return Step::Done(Err(Failure::Malformed(what)));
                }
            }
        }
        match self.read.len() > LONGEST_REPLY {
            true => Step::Done(Err(Failure::TooLong(LONGEST_REPLY as u64))),
            false => Step::Read,
        }
    }

    /// The next whole line within the bounds of a reply, and how many bytes follow it.
    fn next_line(&self) -> Option<(&[u8], usize)> {
        let unread = self.read.get(self.line..)?;
        let end = unread.iter().position(|byte| *byte == b'\n')?;
        let within = self.line + end < LONGEST_REPLY;
        let line = unread.get(..end).filter(|_| within)?;
        Some((line.strip_suffix(b"\r").unwrap_or(line), unread.len() - end - 1))
    }

    /// Says the next thing; what came behind `end` belongs to the reply to it.
    fn say(&mut self, end: usize, wait: Wait, command: String) -> Step<()> {
        self.read.drain(..end.min(self.read.len()));
        (self.line, self.wait) = (0, wait);
        Step::Send(command.into_bytes())
    }

    fn closed(&mut self) -> Step<()> {
        let rest = mem::take(&mut self.read);
        let rest = rest.get(self.line..).unwrap_or_default();
        Step::Done(match (self.wait, rest) {
            // A last line without its end is a line all the same.
            (Wait::Quit, [_, ..]) => Ok(()),
            (_, []) if self.line == 0 => Err(Failure::NoData),
            _ => Err(Failure::Malformed("the connection closed before the reply ended".into())),
        })
    }
}

impl Dialogue for Smtp {
    type Answer = ();

    fn next(&mut self, heard: Heard<'_>) -> Step<()> {
        match heard {
            Heard::Connected => {
                self.wait = Wait::Greeting;
                Step::Read
            }
            Heard::Sent => self.read(),
            Heard::Bytes(bytes) => {
                self.read.extend(bytes);
                self.read()
            }
            Heard::Closed => self.closed(),
            Heard::Reset(why) => Step::Done(Err(Failure::Broken(why))),
            Heard::Silence(limit) => Step::Done(Err(Failure::ReadTimeout(limit))),
        }
    }
}

fn read_line(line: &[u8]) -> Line {
    let (code, rest) = match line {
        [a @ b'0'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9', rest @ ..] => {
            (u16::from(a - b'0') * 100 + u16::from(b - b'0') * 10 + u16::from(c - b'0'), rest)
        }
        _ => return Line::Other,
    };
    match rest {
        [] | [b' ', ..] => Line::Last(code),
        [b'-', ..] => Line::Continued,
        _ => Line::Other,
    }
}

/// A line for the log, without what would break one.
fn shown(line: &[u8]) -> String {
    let text: String = String::from_utf8_lossy(line).chars().take(SHOWN).collect();
    format!("`{}`", text.trim().escape_debug())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Plays it against a server that says each of `replies` when it is its turn, in pieces of this size, and closes.
    fn play(replies: &[&[u8]], size: usize) -> (Vec<String>, Result<(), String>) {
        let mut smtp = Smtp::new("check.example");
        let mut replies = replies.iter();
        let mut pieces = Vec::new();
        let mut said = Vec::new();
        let mut step = smtp.next(Heard::Connected);
        loop {
            step = match step {
                Step::Done(result) => {
                    let step = smtp.waits_for().unwrap();
                    return (said, result.map_err(|failure| format!("{step}: {failure}")));
                }
                Step::Send(bytes) => {
                    said.push(String::from_utf8(bytes).unwrap());
                    smtp.next(Heard::Sent)
                }
                Step::Read => {
                    if pieces.is_empty() {
                        pieces = replies.next().map_or(vec![], |reply| reply.chunks(size).rev().collect());
                    }
                    match pieces.pop() {
                        Some(piece) => smtp.next(Heard::Bytes(piece)),
                        None => smtp.next(Heard::Closed),
                    }
                }
            };
        }
    }

    fn connected(helo: &str) -> Smtp {
        let mut smtp = Smtp::new(helo);
        assert_eq!(smtp.next(Heard::Connected), Step::Read);
        smtp
    }

    fn result(replies: &[&str]) -> Result<(), String> {
        let bytes: Vec<&[u8]> = replies.iter().map(|reply| reply.as_bytes()).collect();
        let whole = play(&bytes, usize::MAX);
        assert_eq!(play(&bytes, 1), whole, "byte by byte it is the same");
        whole.1
    }

    #[test]
    fn a_mail_server_passes_and_is_left_politely() {
        let (said, result) = play(&[b"220 mx ESMTP\r\n", b"250 hello\r\n", b"221 bye\r\n"], 3);
        assert_eq!((said, result), (vec!["HELO check.example\r\n".into(), "QUIT\r\n".into()], Ok(())));
    }

    #[test]
    fn replies_of_several_lines_are_one() {
        let many = "220-one\r\n220-two\r\n220 three\r\n";
        assert_eq!(result(&[many, "250-a\r\n250-b\r\n250\r\n", "221-c\r\n221 d\r\n"]), Ok(()));
        assert_eq!(result(&["220-one\r\n554 no\r\n"]), Err("greeting: expected 220, got `554 no`".into()));
        assert_eq!(result(&["220\n", "250\n", "221"]), Ok(()), "bare line feeds, no texts, no last end");
        assert_eq!(result(&["220 a\r\n250 b\r\n221 c\r\n"]), Ok(()), "said before it was asked");
    }

    #[test]
    fn another_code_fails_at_its_step() {
        assert_eq!(result(&["421 busy\r\n"]), Err("greeting: expected 220, got `421 busy`".into()));
        let second = |reply| result(&["220 mx\r\n", reply]);
        assert_eq!(
            second("550 go\taway\r\n"),
            Err("reply to HELO: expected 250, got `550 go\\taway`".into())
        );
        assert_eq!(second("220 again\r\n"), Err("reply to HELO: expected 250, got `220 again`".into()));
        assert_eq!(result(&["220 mx\r\n", "250 ok\r\n", "500 what?\r\n"]), Ok(()), "any reply to QUIT");
    }

    #[test]
    fn what_is_no_reply_fails() {
        for line in ["SSH-2.0-OpenSSH", "", "22", "22o mx", "220: mx", "2200 mx"] {
            let expected = format!("greeting: `{line}` is no line of SMTP");
            assert_eq!(result(&[&format!("{line}\r\n")]), Err(expected));
        }
        let (_, long) = play(&[&[vec![0xff; 300], b"\r\n".to_vec()].concat()], 7);
        assert!(long.unwrap_err().chars().count() < 120);
    }

    #[test]
    fn a_connection_that_closes_fails_at_its_step() {
        let ended = "the connection closed before the reply ended";
        assert_eq!(result(&[]), Err("greeting: connection closed without an answer".into()));
        assert_eq!(result(&["220 m"]), Err(format!("greeting: {ended}")));
        assert_eq!(result(&["220-m\r\n"]), Err(format!("greeting: {ended}")));
        assert_eq!(result(&["220\r\n"]), Err("reply to HELO: connection closed without an answer".into()));
        let quit = result(&["220\r\n", "250\r\n"]);
        assert_eq!(quit, Err("reply to QUIT: connection closed without an answer".into()));
    }

    #[test]
    fn a_reply_without_end_is_too_long() {
        let endless = Err("greeting: the answer does not end within 8192 bytes".to_owned());
        assert_eq!(result(&[&"220-more\r\n".repeat(10_000)]), endless);
        assert_eq!(result(&[&"2".repeat(100_000)]), endless);
        let most = format!("{}220 end\r\n", "220-more\r\n".repeat(818));
        assert_eq!(result(&[&most, "250\r\n", "221\r\n"]), Ok(()));
    }

    #[test]
    fn what_breaks_and_what_is_slow() {
        assert_eq!(Smtp::new("a").waits_for(), None);
        let heard = |heard| match connected("a").next(heard) {
            Step::Done(Err(failure)) => failure.to_string(),
            step => panic!("{step:?}"),
        };
        assert_eq!(heard(Heard::Reset("connection reset".into())), "connection broken: connection reset");
        let slow = heard(Heard::Silence(Duration::from_secs(3)));
        assert_eq!(slow, "connected, but no answer within 3 s");
    }

    #[test]
    fn a_name_stays_within_its_line() {
        let mut smtp = connected("a\r\nMAIL FROM:<x>");
        assert_eq!(smtp.next(Heard::Bytes(b"220\r\n")), Step::Send(b"HELO aMAIL FROM:<x>\r\n".to_vec()));
    }
}
