//! Where events are delivered by HTTP.

/// One `webhook`.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// An absolute URL of http or https, without a password.
    pub url: String,
    /// The file whose first line is sent as a bearer token (RFC 6750 §2.1).
    pub token: Option<String>,
}

impl Webhook {
    /// `https://hooks.example.net:8443`: the URL without its path, which may be a secret.
    #[must_use]
    pub fn place(&self) -> &str {
        let host = self.url.find("://").map_or(0, |at| at + 3);
        let end = self.url.get(host..).and_then(|rest| rest.find(['/', '?', '#']));
        end.and_then(|length| self.url.get(..host + length)).unwrap_or(&self.url)
    }
}

impl std::fmt::Debug for Webhook {
    /// Never shows the path.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Webhook({}, {:?})", self.place(), self.token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_no_path() {
        for (url, place) in [
            ("https://hooks.example.net:8443/services/T0/B1?key=2", "https://hooks.example.net:8443"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("http://monitor?x", "http://monitor"),
        ] {
            assert_eq!(Webhook { url: url.to_owned(), token: None }.place(), place);
        }
    }
}
