//! What a `url` can say that keepalived has no words for.

use std::fmt;
use std::time::Duration;

/// What is asked and expected on top; most urls have none of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct UrlMore {
    /// `method`.
    pub method: Method,
    /// `header`, in the order of the file.
    pub headers: Vec<Header>,
    /// `body`.
    pub body: Option<String>,
    /// `contains`: the body of the answer has each of them.
    pub contains: Vec<String>,
    /// `contains_not`: it has none of them.
    pub contains_not: Vec<String>,
    /// `json_pointer`: it is JSON, and has these values in it.
    pub values: Vec<JsonValue>,
    /// `max_size`: it has at most so many bytes.
    pub max_size: Option<u64>,
    /// `max_time`: from the start of the connection to the end of the answer.
    pub max_time: Option<Duration>,
    /// `auth_basic_file`, `auth_bearer_file`.
    pub credential: Option<Credential>,
    /// `follow_redirects`: how often the server may send the check elsewhere on itself.
    pub redirects: u8,
}

/// Who asks: a secret in a file of its own, which is no part of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Credential {
    /// What it is.
    pub scheme: Scheme,
    place: String,
}

/// What a secret is (RFC 7617, RFC 6750).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// `USER:PASSWORD`.
    Basic,
    /// A token.
    Bearer,
}

/// Where a secret is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretPlace<'a> {
    /// In this file.
    File(&'a str),
    /// The service manager has it, under this name.
    Credential(&'a str),
}

impl Credential {
    /// What stands in front of the name of a credential of the service manager.
    const OF_MANAGER: &str = "credential:";

    /// `None`: the place is neither an absolute path nor `credential:NAME`.
    pub fn new(scheme: Scheme, place: &str) -> Option<Self> {
        let fine = match place.strip_prefix(Self::OF_MANAGER) {
            Some(name) => !matches!(name, "" | "." | "..") && !name.contains(['/', '\0']),
            None => place.starts_with('/') && !place.contains('\0'),
        };
        fine.then(|| Self { scheme, place: place.to_owned() })
    }

    /// Where its secret is.
    pub fn place(&self) -> SecretPlace<'_> {
        match self.place.strip_prefix(Self::OF_MANAGER) {
            Some(name) => SecretPlace::Credential(name),
            None => SecretPlace::File(&self.place),
        }
    }

    /// The same as it is written.
    pub fn written(&self) -> &str {
        &self.place
    }

    /// Its word.
    pub fn keyword(&self) -> &'static str {
        match self.scheme {
            Scheme::Basic => "auth_basic_file",
            Scheme::Bearer => "auth_bearer_file",
        }
    }
}

impl UrlMore {
    /// Codes of answers that send elsewhere (RFC 9110 section 15.4).
    pub const REDIRECTS: [u16; 5] = [301, 302, 303, 307, 308];

    /// Whether the body of the answer must be read.
    pub fn reads(&self) -> bool {
        !self.contains.is_empty()
            || !self.contains_not.is_empty()
            || !self.values.is_empty()
            || self.max_size.is_some()
    }
}

/// `json_pointer`: a value in a document, and its text.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct JsonValue {
    pointer: String,
    /// A string without its quotes, anything else as JSON writes it without blanks.
    pub text: String,
}

impl JsonValue {
    /// `None`: that is no pointer (RFC 6901 section 3).
    pub fn new(pointer: &str, text: &str) -> Option<Self> {
        let escapes = pointer.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        let whole = pointer.is_empty() || pointer.starts_with('/');
        (whole && escapes).then(|| Self { pointer: pointer.to_owned(), text: text.to_owned() })
    }

    /// Where it is.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
}

/// `method`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// `GET`.
    #[default]
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `OPTIONS`.
    Options,
}

impl Method {
    /// Every method, by its name.
    pub const ALL: [(&str, Self); 5] = [
        ("GET", Self::Get),
        ("HEAD", Self::Head),
        ("POST", Self::Post),
        ("PUT", Self::Put),
        ("OPTIONS", Self::Options),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }

    /// Whether a request of it may have a body.
    pub fn takes_body(self) -> bool {
        !matches!(self, Self::Get | Self::Head)
    }
}

/// `header`: a line of the head of a request, which stays one whatever stands in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Header {
    name: String,
    value: String,
}

impl Header {
    /// `Name: value`.
    pub fn new(line: &str) -> Result<Self, HeaderError> {
        let (name, value) = line.split_once(':').ok_or(HeaderError::NoColon)?;
        // RFC 9110 section 5.6.2.
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.is_empty() || !name.chars().all(token) {
            return Err(HeaderError::Name);
        }
        let value = value.trim_matches([' ', '\t']);
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return Err(HeaderError::Control);
        }
        let reserved = RESERVED.iter().find(|(other, _, _)| name.eq_ignore_ascii_case(other));
        if let Some((name, why, help)) = reserved {
            return Err(HeaderError::Reserved { name, why, help });
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }

    /// In front of the colon.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.value)
    }
}

/// Headers that are made of other settings: why another one breaks the request, and what to write.
const RESERVED: [(&str, &str, &str); 5] = [
    (
        "Authorization",
        "its secret would be in every copy of this file",
        "write `auth_basic_file FILE` or `auth_bearer_file FILE`, with the secret in the file",
    ),
    ("Host", "the request would have two of it", "write `virtualhost NAME`"),
    ("Content-Length", "it is made from `body`", "delete it"),
    ("Transfer-Encoding", "the body is sent as it is, with its length", "delete it"),
    (
        "Connection",
        "the check closes the connection itself",
        "write `http_protocol 1.0C`, which asks the server to close it",
    ),
];

/// A line that is no header.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// There is no `:`.
    #[error("the header has no `:`")]
    NoColon,
    /// What stands in front of it is no name. It may be a secret that slipped.
    #[error("what stands in front of the `:` is no name of a header")]
    Name,
    /// A line break, or another control character.
    #[error("the value of the header has a line break or another control character in it")]
    Control,
    /// It is made of other settings.
    #[error("`{name}` cannot be set: {why}")]
    Reserved {
        /// The header.
        name: &'static str,
        /// What it would break.
        why: &'static str,
        /// What to write.
        help: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_in_a_file_or_with_the_service_manager() {
        let of = |place| Credential::new(Scheme::Basic, place);
        assert_eq!(of("/etc/secret").unwrap().place(), SecretPlace::File("/etc/secret"));
        assert_eq!(of("credential:web").unwrap().place(), SecretPlace::Credential("web"));
        for no_place in ["secret", "", "credential:", "credential:..", "credential:a/b", "/a\0b"] {
            assert_eq!(of(no_place), None, "{no_place:?}");
        }
    }

    #[test]
    fn pointers() {
        for pointer in ["", "/", "/a/0", "/a~1b/m~0n", "/ä b"] {
            assert!(JsonValue::new(pointer, "").is_some(), "{pointer:?}");
        }
        for pointer in ["a", "a/b", "/a~", "/a~2", "#/a"] {
            assert!(JsonValue::new(pointer, "").is_none(), "{pointer:?}");
        }
    }

    #[test]
    fn a_header_is_one_line_of_its_own() {
        let written = |line: &str| Header::new(line).map(|header| header.to_string());
        assert_eq!(written("X-Check:  a: b\t").unwrap(), "X-Check: a: b");
        assert_eq!(written("accept:").unwrap(), "accept: ");
        assert_eq!(written("Accept text/html"), Err(HeaderError::NoColon));
        for name in ["", "X Check", "X\r\nY", "Größe", "X "] {
            assert_eq!(written(&format!("{name}: 1")), Err(HeaderError::Name), "{name:?}");
        }
        for value in ["a\r\nHost: b", "a\nb", "a\0b", "a\u{7f}b", "a\u{85}b"] {
            assert_eq!(written(&format!("X: {value}")), Err(HeaderError::Control), "{value:?}");
        }
        for name in ["host", "CONTENT-LENGTH", "Transfer-Encoding", "connection", "authorization"] {
            assert!(matches!(written(&format!("{name}: 1")), Err(HeaderError::Reserved { .. })), "{name}");
        }
    }
}
