//! A letter as bytes: headers in keepalived's order, the body as plain text.

use std::time::SystemTime;

use lettre::message::Body;
use lettre::message::header::{ContentTransferEncoding, Date, Header, HeaderName, HeaderValue, Headers};

use crate::config::model::Mailbox;
use crate::mail::Letter;

/// A line has at most 998 characters (RFC 5322 §2.1.1), and a word is never broken: so many of a subject.
const SUBJECT: usize = 900;
/// And so many of the name of a mailbox.
const NAME: usize = 200;

/// The whole message, lines with CR LF.
pub(super) fn message(letter: &Letter, from: &Mailbox, to: &[Mailbox], now: SystemTime) -> Vec<u8> {
    let body = Body::new(letter.body.clone());
    let recipients: Vec<String> = to.iter().map(written).collect();
    let mut headers = Headers::new();
    headers.set(Date::new(now));
    let mut text = |name: &'static str, value: String| {
        // A line break in a header would be the start of another one.
        let value = value.replace(|c: char| c.is_control(), " ");
        headers.insert_raw(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    };
    text("From", written(from));
    text("Subject", cut(&letter.subject, SUBJECT));
    text("X-Mailer", "directord".to_owned());
    text("To", recipients.join(", "));
    text("MIME-Version", "1.0".to_owned());
    text("Content-Type", "text/plain; charset=utf-8".to_owned());
    // Who is away does not answer alerts (RFC 3834 §5).
    text("Auto-Submitted", "auto-generated".to_owned());
    headers.insert_raw(ContentTransferEncoding::display(&body.encoding()));
    let mut message = headers.to_string().into_bytes();
    message.extend(b"\r\n");
    message.extend(body.into_vec());
    message
}

/// As headers have it: a name with signs of its own stands in quotes.
fn written(mailbox: &Mailbox) -> String {
    let (name, address) = (cut(mailbox.name(), NAME), mailbox.address());
    let is_plain = |c: char| c.is_alphanumeric() || c == ' ' || !c.is_ascii();
    match name.as_str() {
        "" => address.to_owned(),
        name if name.chars().all(is_plain) => format!("{name} <{address}>"),
        name => format!("\"{}\" <{address}>", name.replace(['"', '\\'], "'")),
    }
}

/// The beginning, of at most `most` characters; three dots stand for the rest.
fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some(_) => text.chars().take(most.saturating_sub(3)).chain("...".chars()).collect(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn mail(subject: &str, body: &str, from: &str, to: &[&str]) -> String {
        let to: Vec<Mailbox> = to.iter().map(|to| Mailbox::parse(to).unwrap()).collect();
        let letter = Letter { subject: subject.to_owned(), body: body.to_owned() };
        let now = UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        String::from_utf8(message(&letter, &Mailbox::parse(from).unwrap(), &to, now)).unwrap()
    }

    #[test]
    fn headers_stand_in_the_order_of_keepalived() {
        let text =
            mail("[lb1] VRRP Instance A - Stopping", "=> x <=\n", "lvs@a.example", &["root", "LVS <b@c>"]);
        let lines: Vec<&str> = text.split("\r\n").collect();
        assert_eq!(lines[0], "Date: Mon, 21 Sep 2026 14:13:20 +0000");
        assert_eq!(lines[1], "From: lvs@a.example");
        assert_eq!(lines[2], "Subject: [lb1] VRRP Instance A - Stopping");
        assert_eq!(lines[3], "X-Mailer: directord");
        assert_eq!(lines[4], "To: root, LVS <b@c>");
        assert!(text.ends_with("\r\n\r\n=> x <=\r\n"), "{text}");
    }

    #[test]
    fn nothing_breaks_out_of_its_place() {
        let text = mail("a\r\nBcc: x@y\r\n\r\nhello", "b\n", "O'Hara, \"J\" <a@b>", &["c@d"]);
        assert!(!text.contains("\nBcc:") && !text.contains("\r\n\r\nhello"), "{text}");
        assert!(text.contains("From: \"O'Hara, 'J\" <a@b>\r\n"), "{text}");
        // Letters of other languages, and lines that no server takes.
        let long = "x".repeat(3000);
        let text = mail("Gerät ü", &format!("Gerät {long}\n"), "Ü <a@b>", &["c@d"]);
        assert!(text.is_ascii(), "{text}");
        assert!(text.split("\r\n").all(|line| line.len() <= 998), "{text}");
        assert!(text.contains("<a@b>"), "{text}");
    }

    #[test]
    fn no_line_is_longer_than_a_line_may_be() {
        for name in ["N".repeat(5000), "Ü".repeat(5000), "N ".repeat(2500), ",".repeat(5000)] {
            let subject = format!("[lb1] VRRP Instance {name} - Stopping");
            let (from, to) = (format!("{name} <a@b>"), format!("{name} <c@d>"));
            let text = mail(&subject, "b\n", &from, &[&to, "e@f", &to]);
            let longest = text.split("\r\n").map(str::len).max().unwrap();
            assert!(longest <= 998, "{longest}: {text}");
            assert!(text.contains("<a@b>") && text.contains("<c@d>") && text.contains("[lb1] "), "{text}");
        }
    }
}
