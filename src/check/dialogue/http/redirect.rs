//! `follow_redirects`: where an answer sends the check.
//!
//! In: the answers, one after the other. Out: the next request, or why there is none. All go to one address, that of the
//! check: of the host in a `Location` the request and the handshake are told, and nobody connects to it. Its port and
//! whether it is https count.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use url::Url;

use crate::check::Failure;
use crate::config::model::{HttpCheck, HttpUrl, Method, Trust, UrlMore, is_short_enough, without_port};
use crate::text::shown;

use super::Response;

/// A longer place is none.
const LONGEST: usize = 8192;
/// Characters of a place that are shown.
const SHOWN: usize = 100;

/// The requests that one answer leads to after the other.
#[derive(Debug)]
pub struct Trail<'a> {
    first: Place,
    /// As the administrator has it.
    url: &'a HttpUrl,
    /// How many more there may be.
    left: u8,
    seen: BTreeSet<(Place, Method)>,
    /// The request that is to be made.
    now: Stop,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Stop {
    /// The check, over TLS or not.
    pub check: HttpCheck,
    /// What is asked for.
    pub url: HttpUrl,
    /// Where it connects to.
    pub to: SocketAddr,
    /// Whom the request is told to be for, where that is not whom the first one is for.
    pub host: Option<String>,
    place: Place,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    tls: bool,
    port: u16,
    /// As requests are told it.
    host: String,
    path: String,
}

impl Place {
    /// Whether what may be told there may be told here, too.
    fn is_beside(&self, other: &Self) -> bool {
        (self.tls, self.port) == (other.tls, other.port) && self.is_for(other)
    }

    /// Whether it is for the same one, at whatever port.
    fn is_for(&self, other: &Self) -> bool {
        without_port(&self.host).eq_ignore_ascii_case(without_port(&other.host))
    }

    fn shown(&self) -> String {
        let Self { tls, host, path, .. } = self;
        shown(&format!("{}://{host}{path}", scheme(*tls)), SHOWN)
    }
}

fn scheme(tls: bool) -> &'static str {
    if tls { "https" } else { "http" }
}

impl<'a> Trail<'a> {
    /// It begins with `url` of `check` at `to`.
    pub fn new(check: &HttpCheck, url: &'a HttpUrl, to: SocketAddr) -> Self {
        let host = url.virtualhost.clone().unwrap_or_else(|| to.to_string());
        let first = Place { tls: check.tls, port: to.port(), host, path: url.path.clone() };
        let left = url.more.as_ref().map_or(0, |more| more.redirects);
        let HttpCheck { tls, protocol, sni, demands, fast_recovery, urls: _ } = check;
        let (sni, demands) = (sni.clone(), demands.clone());
        let check = HttpCheck {
            tls: *tls,
            protocol: *protocol,
            sni,
            demands,
            fast_recovery: *fast_recovery,
            urls: Vec::new(),
        };
        let now = Stop { check, url: url.clone(), to, host: None, place: first.clone() };
        Self { seen: [(first.clone(), now.method())].into(), first, url, left, now }
    }

    /// The request that is to be made.
    pub fn now(&self) -> &Stop {
        &self.now
    }

    /// Takes in its answer. `false`: that is the answer, and no request follows.
    pub fn answered(&mut self, answer: &Response) -> Result<bool, Failure> {
        let Some(location) = &answer.location else { return Ok(false) };
        let place = self.place(location).map_err(|why| self.at(Failure::Redirect(why)))?;
        let asked = self.now.check.demands.as_ref();
        let strict = asked.is_some_and(|asked| asked.trust != Trust::Anybody || asked.oldest.is_some());
        if strict && self.now.check.tls && !place.tls {
            let why = format!("redirected to `{}`, which is http and cannot be verified", place.shown());
            return Err(self.at(Failure::Redirect(why)));
        }
        let most = self.url.more.as_ref().map_or(0, |more| more.redirects);
        let Some(left) = self.left.checked_sub(1) else {
            let why = format!("redirected more than {most} times, the last time to `{}`", place.shown());
            return Err(Failure::Redirect(why));
        };
        let method = match (answer.status, self.now.method()) {
            (303, Method::Head) => Method::Head,
            (303, _) | (301 | 302, Method::Post) => Method::Get,
            (_, method) => method,
        };
        if !self.seen.insert((place.clone(), method)) {
            let why = format!("redirected in a circle, to `{}` again", place.shown());
            return Err(Failure::Redirect(why));
        }
        self.left = left;
        self.go(place, method);
        Ok(true)
    }

    /// Whether the first request goes over TLS.
    pub fn begins_with_tls(&self) -> bool {
        self.first.tls
    }

    /// Whether the request that is to be made is not the first one.
    pub fn has_moved(&self) -> bool {
        self.seen.len() > 1
    }

    /// A failure of the request that is made.
    pub fn at(&self, why: Failure) -> Failure {
        match self.has_moved() {
            false => why,
            true => Failure::Redirected { to: self.now.place.shown(), why: Box::new(why) },
        }
    }

    /// Where it is, from where the last request went.
    fn place(&self, location: &str) -> Result<Place, String> {
        let no_place = |why: &str| format!("redirected to `{}`, {why}", shown(location, SHOWN));
        if location.len() > LONGEST {
            return Err(no_place(&format!("which is longer than {LONGEST} bytes")));
        }
        if location.chars().any(char::is_control) {
            return Err(no_place("which has a control character in it"));
        }
        let from = &self.now.place;
        let base = |host: &str| Url::parse(&format!("{}://{host}/", scheme(from.tls))).ok();
        // A name that can be none is a name all the same, for the server that it is told.
        let base = base(&from.host).or_else(|| base(&self.now.to.to_string()));
        let base = base.ok_or_else(|| no_place("and from here that is nowhere"))?;
        let base = base.join(&from.path).unwrap_or(base);
        let target = base.join(location).map_err(|error| no_place(&format!("which is no URL: {error}")))?;
        let tls = match target.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(no_place("which is neither http nor https")),
        };
        let path = match target.query() {
            Some(query) => format!("{}?{query}", target.path()),
            None => target.path().to_owned(),
        };
        let of = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
        if tls == from.tls && of(&target) == of(&base) {
            return Ok(Place { path, ..from.clone() });
        }
        // A port that is not named is that of the check, of which the server need not know; of the other scheme, its own.
        let named = target.port();
        let own = if tls { 443 } else { 80 };
        let port = named.unwrap_or(if tls == self.first.tls { self.first.port } else { own });
        let host = target.host_str().unwrap_or_default();
        if !is_short_enough(host) {
            return Err(no_place("whose host is too long for a name"));
        }
        let host = named.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Place { tls, port, host, path })
    }

    fn go(&mut self, place: Place, method: Method) {
        let more = self.url.more.as_deref().cloned().unwrap_or_default();
        // What the administrator has said, secrets above all, is for whom it was meant.
        let beside = place.is_beside(&self.first);
        let body = more.body.filter(|_| beside && method.takes_body());
        let of_body = |name: &str| name.get(..8).is_some_and(|start| start.eq_ignore_ascii_case("content-"));
        let headers = more.headers.into_iter();
        let headers = headers.filter(|one| beside && (body.is_some() || !of_body(one.name()))).collect();
        let credential = more.credential.filter(|_| beside);
        let more = UrlMore { method, body, headers, credential, ..more };
        self.now.url.more = Some(Box::new(more));
        self.now.url.path.clone_from(&place.path);
        self.now.check.tls = place.tls;
        self.now.to.set_port(place.port);
        self.now.host = (!place.is_for(&self.first)).then(|| place.host.clone());
        self.now.url.virtualhost = match place.host == self.first.host {
            true => self.url.virtualhost.clone().or_else(|| Some(place.host.clone())),
            false => Some(place.host.clone()),
        };
        self.now.place = place;
    }
}

impl Stop {
    fn method(&self) -> Method {
        self.url.more.as_ref().map_or(Method::Get, |more| more.method)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{
        Credential, Header, HttpProtocol, Scheme, StatusCodes, TlsDemands, TlsVersion,
    };

    fn check(tls: bool) -> HttpCheck {
        let protocol = HttpProtocol::Http10;
        HttpCheck { tls, protocol, sni: None, demands: None, fast_recovery: false, urls: vec![] }
    }

    fn url(path: &str, virtualhost: Option<&str>, more: UrlMore) -> HttpUrl {
        HttpUrl {
            path: path.into(),
            virtualhost: virtualhost.map(Into::into),
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: Some(Box::new(more)),
        }
    }

    fn sends(status: u16, location: &str) -> Response {
        let location = Some(location.to_owned());
        Response {
            status,
            digest: [0; 16],
            body_length: 0,
            cut: false,
            searched: None,
            content: None,
            location,
        }
    }

    const TO: &str = "10.0.0.8:8080";

    /// What is asked for in the end, after these places: port, TLS, host and path; or why nothing is.
    fn goes(
        tls: bool,
        virtualhost: Option<&str>,
        places: &[&str],
    ) -> Result<(u16, bool, String, String), String> {
        let url = url("/a/b?c=1", virtualhost, UrlMore { redirects: 3, ..UrlMore::default() });
        let mut trail = Trail::new(&check(tls), &url, TO.parse().unwrap());
        for place in places {
            assert!(trail.answered(&sends(302, place)).map_err(|why| why.to_string())?);
        }
        let now = trail.now();
        assert_eq!(now.to.ip().to_string(), "10.0.0.8");
        let host = now.url.virtualhost.clone().unwrap();
        Ok((now.to.port(), now.check.tls, host, now.url.path.clone()))
    }

    #[test]
    fn a_place_is_on_the_same_server_whatever_its_host_is() {
        let www = Some("www.example.com");
        let is = |port, tls, host: &str, path: &str| Ok((port, tls, host.to_owned(), path.to_owned()));
        for (place, expected) in [
            ("/x", is(8080, false, "www.example.com", "/x")),
            ("x?y=z#part", is(8080, false, "www.example.com", "/a/x?y=z")),
            ("?d", is(8080, false, "www.example.com", "/a/b?d")),
            ("//other.example/x", is(8080, false, "other.example", "/x")),
            ("http://WWW.example.com/x", is(8080, false, "www.example.com", "/x")),
            ("http://www.example.com:8080/x", is(8080, false, "www.example.com:8080", "/x")),
            ("http://www.example.com:8000/x", is(8000, false, "www.example.com:8000", "/x")),
            ("https://www.example.com/x", is(443, true, "www.example.com", "/x")),
            ("https://www.example.com:8443", is(8443, true, "www.example.com:8443", "/")),
            ("https://user:secret@192.0.2.1/", is(443, true, "192.0.2.1", "/")),
            ("https://[2001:db8::1]:444/", is(444, true, "[2001:db8::1]:444", "/")),
            ("https://bücher.example/ä b", is(443, true, "xn--bcher-kva.example", "/%C3%A4%20b")),
        ] {
            assert_eq!(goes(false, www, &[place]), expected, "{place}");
        }
        // And back.
        let https = "https://www.example.com/x";
        assert_eq!(goes(false, www, &[https, "/y"]), is(443, true, "www.example.com", "/y"));
        assert_eq!(
            goes(false, www, &[https, "http://www.example.com/y"]),
            is(8080, false, "www.example.com", "/y")
        );
        assert_eq!(goes(true, www, &["http://www.example.com/y"]), is(80, false, "www.example.com", "/y"));
        // Nobody in particular is asked for.
        assert_eq!(goes(false, None, &["/x"]), is(8080, false, TO, "/x"));
        assert_eq!(goes(false, None, &["http://10.0.0.8/x"]), is(8080, false, "10.0.0.8", "/x"));
        // No name, and yet it is told.
        assert_eq!(goes(false, Some("no name"), &["/x"]), is(8080, false, "no name", "/x"));
    }

    #[test]
    fn where_no_check_goes() {
        let why = |places: &[&str]| goes(false, Some("www.example.com"), places).unwrap_err();
        assert_eq!(why(&["ftp://a/"]), "redirected to `ftp://a/`, which is neither http nor https");
        assert_eq!(why(&["javascript:1"]), "redirected to `javascript:1`, which is neither http nor https");
        assert_eq!(
            why(&["file:///etc/passwd"]),
            "redirected to `file:///etc/passwd`, which is neither http nor https"
        );
        assert!(why(&["http://"]).starts_with("redirected to `http://`, which is no URL: "));
        assert!(why(&["http://a:99999/"]).contains("which is no URL: "));
        assert_eq!(
            why(&["/a\rHost: b"]),
            "redirected to `/a\\rHost: b`, which has a control character in it"
        );
        let long = why(&[&format!("/{}", "a".repeat(9000))]);
        assert!(long.ends_with("…`, which is longer than 8192 bytes") && long.len() < 200, "{long}");
        assert_eq!(why(&["/a/b?c=1"]), "redirected in a circle, to `http://www.example.com/a/b?c=1` again");
        assert_eq!(why(&[""]), "redirected in a circle, to `http://www.example.com/a/b?c=1` again");
        let circle = "redirected in a circle, to `http://www.example.com/x` again";
        assert_eq!(why(&["/x", "https://www.example.com/x", "http://www.example.com/x"]), circle);
        let many = "redirected more than 3 times, the last time to `http://www.example.com/4`";
        assert_eq!(why(&["/1", "/2", "/3", "/4"]), many);
        let label = why(&[&format!("https://{}.example/", "a".repeat(64))]);
        assert!(label.ends_with("`, whose host is too long for a name"), "{label}");
        let long = why(&[&format!("//{}/", vec!["a".repeat(60); 5].join("."))]);
        assert!(long.ends_with("…`, whose host is too long for a name"), "{long}");
        let there = "redirected to `http://www.example.com/x`: redirected to `ftp://a`, which is neither http nor https";
        assert_eq!(why(&["/x", "ftp://a"]), there);
    }

    #[test]
    fn an_answer_that_names_no_place_is_the_answer() {
        let url = url("/", None, UrlMore { redirects: 1, ..UrlMore::default() });
        let mut trail = Trail::new(&check(false), &url, TO.parse().unwrap());
        assert_eq!(trail.answered(&Response { location: None, ..sends(301, "") }), Ok(false));
    }

    #[test]
    fn a_method_changes_as_with_other_clients_and_a_secret_stays() {
        let header = |line: &str| Header::new(line).unwrap();
        let after = |status, method, place| {
            let more = UrlMore {
                method,
                headers: vec![header("X-Key: 1"), header("content-type: a/b")],
                body: Some("ping".into()).filter(|_| method.takes_body()),
                credential: Credential::new(Scheme::Bearer, "/etc/token"),
                redirects: 1,
                ..UrlMore::default()
            };
            let url = url("/", Some("www.example.com"), more);
            let mut trail = Trail::new(&check(true), &url, TO.parse().unwrap());
            assert_eq!(trail.answered(&sends(status, place)), Ok(true));
            let more = trail.now().url.more.clone().unwrap();
            (more.method, more.body.is_some(), more.headers.len(), more.credential.is_some())
        };
        use Method::{Get, Head, Post, Put};
        for (status, method, expected) in [
            (301, Post, (Get, false, 1, true)),
            (302, Post, (Get, false, 1, true)),
            (303, Post, (Get, false, 1, true)),
            (307, Post, (Post, true, 2, true)),
            (308, Post, (Post, true, 2, true)),
            (302, Put, (Put, true, 2, true)),
            (303, Put, (Get, false, 1, true)),
            (303, Head, (Head, false, 1, true)),
        ] {
            assert_eq!(after(status, method, "/x"), expected, "{status} {method:?}");
        }
        for place in ["http://www.example.com/", "//other.example/", "https://www.example.com:8443/"] {
            assert_eq!(after(307, Post, place), (Post, false, 0, false), "{place}");
        }
        // The port of the check is no other one, in whatever letters.
        for place in
            ["https://www.example.com:8080/x", "https://WWW.example.com/x", "//www.example.com:8080/"]
        {
            assert_eq!(after(307, Post, place), (Post, true, 2, true), "{place}");
        }
    }

    #[test]
    fn the_same_name_at_another_port_is_no_other_name() {
        let url = url("/", Some("www.example.com:8080"), UrlMore { redirects: 4, ..UrlMore::default() });
        let mut trail = Trail::new(&check(true), &url, TO.parse().unwrap());
        for (place, other) in [
            ("https://www.example.com/1", None),
            ("https://WWW.EXAMPLE.COM:8443/2", None),
            ("https://other.example/3", Some("other.example")),
            ("https://www.example.com:8080/4", None),
        ] {
            assert_eq!(trail.answered(&sends(302, place)), Ok(true));
            assert_eq!(trail.now().host.as_deref(), other, "{place}");
        }
    }

    #[test]
    fn what_must_be_verified_is_not_asked_in_the_clear() {
        let after = |demands: TlsDemands, tls| {
            let url = url("/", Some("www.example.com"), UrlMore { redirects: 2, ..UrlMore::default() });
            let check = HttpCheck { demands: Some(Box::new(demands)), ..check(tls) };
            let mut trail = Trail::new(&check, &url, TO.parse().unwrap());
            trail.answered(&sends(302, "/x"))?;
            trail.answered(&sends(302, "http://www.example.com/y"))
        };
        let verified = || TlsDemands { trust: Trust::Host, ..TlsDemands::default() };
        let newest = || TlsDemands { oldest: Some(TlsVersion::V13), ..TlsDemands::default() };
        for demands in [verified(), newest()] {
            let why = after(demands, true).unwrap_err().to_string();
            let end = "redirected to `http://www.example.com/y`, which is http and cannot be verified";
            assert!(why.ends_with(end), "{why}");
        }
        assert_eq!(after(TlsDemands { warn_days: Some(14), ..TlsDemands::default() }, true), Ok(true));
        assert_eq!(after(verified(), false), Ok(true));
    }
}
