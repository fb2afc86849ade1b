//! Blocks of checks: what all of them have in common, `HTTP_GET` and `SSL_GET`. [`super::probe`] has what the others ask.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::complete::same;
use super::lvs::Inherited;
use super::probe::ProbeDraft;
use super::real::RealDraft;
use super::regex::RegexDraft;
use super::tls::{TlsDraft, is_demand};
use super::track::Names;
use super::url::{MoreDraft, is_more};
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{
    Checker, Connect, Conversation, HttpCheck, HttpProtocol, HttpUrl, InterfaceName, NamedCheck, Probe,
    ProbeKind, StatusCodes, Timing, TlsDemands, UrlMore, UrlRegex,
};
use crate::config::source::Span;
use crate::config::tree::Node;
use crate::text::unhex;

/// A check as the file has it.
pub(super) struct CheckDraft {
    /// That of its block.
    pub(super) keyword: &'static str,
    span: Option<Span>,
    http: Option<Box<HttpDraft>>,
    /// What the others ask: first what the file says, at the end of the block what it comes to.
    other: Option<Box<ProbeDraft>>,
    pub(super) kind: Option<ProbeKind>,
    log_all_failures: Option<bool>,
    rise: Option<u32>,
    /// Where `retry` and `fall` stand.
    falls: [Option<Span>; 2],
    inherited: Inherited,
    ip: Option<IpAddr>,
    port: Option<u16>,
    from: Option<(IpAddr, Option<Span>)>,
    from_port: u16,
    interface: Option<InterfaceName>,
    fwmark: u32,
}

/// What `HTTP_GET` and `SSL_GET` have on top.
#[derive(Default)]
struct HttpDraft {
    tls: bool,
    protocol: HttpProtocol,
    enable_sni: bool,
    sni_name: Option<String>,
    fast_recovery: bool,
    tls_compliant: Option<bool>,
    said: Option<Box<TlsDraft>>,
    demands: Option<Box<TlsDemands>>,
    urls: Vec<UrlDraft>,
    has_url: bool,
}

#[derive(Default)]
struct UrlDraft {
    path: Option<String>,
    has_path: bool,
    digest: Option<[u8; 16]>,
    virtualhost: Option<String>,
    status_codes: Option<StatusCodes>,
    regex: Option<Box<UrlRegex>>,
    tls_compliant: Option<bool>,
    more: Option<Box<UrlMore>>,
}

impl CheckDraft {
    /// Nothing is said of it.
    pub(super) fn new(keyword: &'static str, span: Option<Span>) -> Self {
        Self {
            keyword,
            span,
            http: None,
            other: None,
            kind: None,
            log_all_failures: None,
            rise: None,
            falls: [None, None],
            inherited: Inherited::default(),
            ip: None,
            port: None,
            from: None,
            from_port: 0,
            interface: None,
            fwmark: 0,
        }
    }

    /// What a `check NAME` becomes.
    pub(super) fn settings(&self, asks: Arc<Conversation>) -> NamedCheck {
        let inherited = &self.inherited;
        NamedCheck {
            asks,
            ip: self.ip,
            port: self.port,
            from: self.from.map(|(from, _)| from),
            from_port: self.from_port,
            interface: self.interface.clone(),
            fwmark: self.fwmark,
            connect_timeout: inherited.connect_timeout,
            delay_loop: inherited.delay_loop,
            warmup: inherited.warmup,
            retry: inherited.retry,
            rise: self.rise,
            delay_before_retry: inherited.delay_before_retry,
            alpha: inherited.alpha,
            log_all_failures: self.log_all_failures,
        }
    }

    /// A host of `block`, or the use of a check that is defined there: what it does not say is as the block has it.
    pub(super) fn inside(self, block: &Self) -> Self {
        Self {
            kind: block.kind.clone(),
            log_all_failures: self.log_all_failures.or(block.log_all_failures),
            rise: self.rise.or(block.rise),
            inherited: self.inherited.or(&block.inherited),
            ip: self.ip.or(block.ip),
            port: self.port.or(block.port),
            from: self.from.or(block.from),
            from_port: if self.from_port == 0 { block.from_port } else { self.from_port },
            interface: self.interface.or_else(|| block.interface.clone()),
            fwmark: if self.fwmark == 0 { block.fwmark } else { self.fwmark },
            ..self
        }
    }
}

impl Lower<'_> {
    pub(super) fn check(
        &mut self,
        kind: &'static str,
        node: &Node<'_>,
        names: &Names,
        list: &mut Vec<CheckDraft>,
    ) {
        self.no_words(node);
        let http = match kind {
            "HTTP_GET" => Some(Box::default()),
            "SSL_GET" => Some(Box::new(HttpDraft { tls: true, ..HttpDraft::default() })),
            _ => None,
        };
        let other = (http.is_none() && kind != "TCP_CHECK").then(|| Box::new(ProbeDraft::new(kind)));
        let plain = (kind == "TCP_CHECK").then_some(ProbeKind::Tcp);
        let mut draft = CheckDraft { http, other, kind: plain, ..CheckDraft::new(kind, node.span()) };
        let mut hosts = Vec::new();
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                // The old form of SMTP_CHECK: each host is a check of its own.
                "host" => lower.within(node, |lower| {
                    lower.no_words(node);
                    let mut host = CheckDraft::new(kind, node.span());
                    lower.each(inside(node), |lower, word, node| lower.check_setting(word, node, &mut host));
                    lower.one_fall(&host);
                    hosts.push(host);
                }),
                _ => lower.check_setting(word, node, &mut draft),
            });
            lower.one_fall(&draft);
            if let Some(http) = &mut draft.http {
                http.demands = http.said.take().and_then(|said| lower.whole_tls(*said, false));
            }
        });
        if let Some(other) = draft.other.take() {
            draft.kind = self.within(node, |lower| lower.probe(node, &other, names));
            if draft.kind.is_none() {
                return;
            }
        }
        if let (Some(http), Some(span)) = (&draft.http, node.span())
            && !http.has_url
        {
            let message = format!("`{kind}` has no url");
            self.report(
                Diagnostic::error(Code::Required, span, message)
                    .consequence("nothing would be asked, and the real server never be taken out")
                    .help("add `url { path / }`"),
            );
            return;
        }
        // Every url was wrong, and that is reported.
        if draft.http.as_ref().is_some_and(|http| http.urls.is_empty()) {
            return;
        }
        match hosts.is_empty() {
            true => list.push(draft),
            false => list.extend(hosts.into_iter().map(|host| host.inside(&draft))),
        }
    }

    pub(super) fn check_setting(&mut self, word: &'static str, node: &Node<'_>, draft: &mut CheckDraft) {
        match word {
            "alpha" => draft.inherited.alpha = self.boolean(node),
            "bind_if" => draft.interface = self.one(node).and_then(|word| self.interface(word)),
            "bind_port" => draft.from_port = self.whole_as(node).unwrap_or(0),
            "bindto" => draft.from = self.address(node).map(|from| (from, node.span())),
            "connect_ip" => draft.ip = self.address(node),
            "connect_port" => draft.port = self.whole_as(node),
            "connect_timeout" => draft.inherited.connect_timeout = self.time(node),
            "delay_before_retry" => draft.inherited.delay_before_retry = self.time(node),
            "delay_loop" => draft.inherited.delay_loop = self.time(node),
            "fwmark" => draft.fwmark = self.whole_as(node).unwrap_or(0),
            "retry" => {
                draft.inherited.retry = self.whole_as(node);
                draft.falls[0] = node.span();
            }
            "fall" => {
                draft.inherited.retry = self.whole_as(node).and_then(|fall: u32| fall.checked_sub(1));
                draft.falls[1] = node.span();
            }
            "rise" => draft.rise = self.whole_as(node),
            "virtualhost" => draft.inherited.virtualhost = self.text(node),
            "warmup" => draft.inherited.warmup = self.time(node),
            "log_all_failures" => draft.log_all_failures = self.boolean(node),
            _ => {
                if let Some(http) = &mut draft.http {
                    self.http_setting(word, node, http);
                } else if let Some(other) = &mut draft.other {
                    self.probe_setting(word, node, other);
                }
            }
        }
    }

    /// `retry` and `fall` are one setting.
    pub(super) fn one_fall(&mut self, draft: &CheckDraft) {
        if let [Some(retry), Some(fall)] = draft.falls {
            self.report(
                Diagnostic::error(Code::Conflict, fall, "`fall` and `retry` set the same number")
                    .related(retry, "`retry` is here")
                    .help("keep one of them: `fall 3` is `retry 2`"),
            );
        }
    }

    fn http_setting(&mut self, word: &'static str, node: &Node<'_>, http: &mut HttpDraft) {
        const PROTOCOLS: [(&str, HttpProtocol); 4] = [
            ("1.0", HttpProtocol::Http10),
            ("1.0C", HttpProtocol::Http10Close),
            ("1.0c", HttpProtocol::Http10Close),
            ("1.1", HttpProtocol::Http11),
        ];
        match word {
            "enable_sni" => http.enable_sni = self.boolean(node).unwrap_or(false),
            "tls_compliant" => http.tls_compliant = self.boolean(node),
            "fast_recovery" => http.fast_recovery = self.boolean(node).unwrap_or(false),
            "http_protocol" => {
                let protocol = self.one(node).and_then(|word| self.choice(word, &PROTOCOLS));
                http.protocol = protocol.unwrap_or_default();
            }
            "sni_name" => {
                http.enable_sni = true;
                http.sni_name = self.optional(node).map(|word| word.text.to_string());
            }
            "url" => {
                http.has_url = true;
                // Most checks have one.
                http.urls.reserve_exact(usize::from(http.urls.is_empty()));
                http.urls.extend(self.url(node));
            }
            word if is_demand(word) => self.tls_setting(word, node, http.said.get_or_insert_default()),
            _ => {}
        }
    }

    fn url(&mut self, node: &Node<'_>) -> Option<UrlDraft> {
        if let Some(surplus) = arguments(node).first() {
            self.surplus(node, surplus);
        }
        let mut draft = UrlDraft::default();
        let mut regex: Option<Box<RegexDraft>> = None;
        let mut more: Option<Box<MoreDraft>> = None;
        self.within(node, |lower| {
            lower.each(inside(node), |lower, word, node| match word {
                "digest" => draft.digest = lower.digest(node),
                "path" => {
                    draft.has_path = true;
                    draft.path = lower.text(node);
                }
                "status_code" => draft.status_codes = lower.status_codes(node),
                "virtualhost" => draft.virtualhost = lower.text(node),
                "tls_compliant" => draft.tls_compliant = lower.boolean(node),
                word if is_more(word) => lower.more_setting(word, node, more.get_or_insert_default()),
                _ => lower.regex_setting(word, node, regex.get_or_insert_default()),
            });
            draft.regex = regex.take().and_then(|regex| lower.whole_regex(*regex));
            let bodily = draft.digest.is_some() || draft.regex.is_some();
            draft.more =
                more.take().and_then(|more| lower.whole_more(*more, bodily, draft.status_codes.as_ref()));
            if !draft.has_path {
                lower.required(node, "the url has no path", "add `path /`");
            }
        });
        draft.path.is_some().then_some(draft)
    }

    /// 32 hexadecimal digits, as genhash prints them.
    fn digest(&mut self, node: &Node<'_>) -> Option<[u8; 16]> {
        let word = self.one(node)?;
        let digest: Option<[u8; 16]> = unhex(word.text).and_then(|bytes| bytes.try_into().ok());
        if digest.is_none() {
            let message = match word.text.len() {
                32 => "the digest is not hexadecimal".to_owned(),
                _ => format!("the digest has {} characters", word.text.chars().count()),
            };
            self.report(
                Diagnostic::error(Code::BadNumber, word.span, message)
                    .expected("32 hexadecimal digits: what `directord genhash` prints"),
            );
        }
        digest
    }

    /// Numbers and ranges, 100 to 599.
    fn status_codes(&mut self, node: &Node<'_>) -> Option<StatusCodes> {
        if arguments(node).is_empty() {
            self.missing(node);
            return None;
        }
        let mut ranges = Vec::new();
        for word in arguments(node) {
            let (low, high) = word.text.split_once('-').unwrap_or((word.text, word.text));
            let number = |text: &str| text.parse::<u16>().ok().filter(|code| (100..=599).contains(code));
            match number(low).zip(number(high)).filter(|(low, high)| low <= high) {
                Some(range) => ranges.push(range),
                None => {
                    let message = format!("`{}` is no HTTP status code", word.text);
                    self.report(
                        Diagnostic::error(Code::OutOfRange, word.span, message)
                            .expected("numbers 100..599 and ranges like 200-299, with blanks between them"),
                    );
                }
            }
        }
        StatusCodes::new(ranges).ok()
    }

    /// The checks of a real server, with what they inherit. `port` is what the file gives the real server.
    pub(super) fn checkers(
        &mut self,
        real: &RealDraft,
        inherited: &Inherited,
        port: u16,
        service_host: Option<&str>,
    ) -> Vec<Checker> {
        let mut list: Vec<Checker> = Vec::with_capacity(real.checks.len());
        let mut places = Vec::with_capacity(real.checks.len());
        for draft in &real.checks {
            if let Some(checker) = self.checker(draft, real, inherited, port, service_host) {
                list.push(checker);
                places.push(draft.span);
            }
        }
        if list.len() < 2 {
            return list;
        }
        let mut first: BTreeSet<&Checker> = BTreeSet::new();
        let kept: Vec<bool> = list.iter().map(|checker| first.insert(checker)).collect();
        for (span, _) in places.into_iter().zip(&kept).filter(|(_, kept)| !**kept) {
            self.adjusted(span, "the same check is there twice", "it is made once");
        }
        let mut kept = kept.into_iter();
        list.retain(|_| kept.next() == Some(true));
        list
    }

    fn checker(
        &mut self,
        draft: &CheckDraft,
        real: &RealDraft,
        inherited: &Inherited,
        port: u16,
        service_host: Option<&str>,
    ) -> Option<Checker> {
        let settings = draft.inherited.or(inherited);
        let kind = match (&draft.http, &draft.kind) {
            (Some(http), _) => {
                let host = draft.inherited.virtualhost.as_deref();
                let sni = self.sni(draft, http, host, service_host);
                let check = http_check(http, sni, settings.virtualhost.as_deref());
                self.told_names(&check, draft.span);
                ProbeKind::Http(check)
            }
            (None, kind) => kind.clone()?,
        };
        let to = SocketAddr::new(draft.ip.unwrap_or(real.endpoint.ip), draft.port.unwrap_or(port));
        if let (true, 0, Some(span)) = (kind.has_port(), to.port(), draft.span) {
            let consequence = match kind {
                ProbeKind::Udp { .. } | ProbeKind::Dns { .. } => {
                    "nothing can be sent to port 0: the check cannot run, and the real server never goes"
                }
                _ => "connecting to port 0 always fails: the real server would be down, as in keepalived",
            };
            self.report(
                Diagnostic::warning(Code::Required, span, "the check has no port to connect to")
                    .consequence(consequence)
                    .help("add `connect_port N`"),
            );
        }
        self.reachable_from(draft, to.ip());
        let delay_loop = settings.delay_loop.unwrap_or(Timing::DELAY_LOOP);
        let timing = Timing {
            delay_loop,
            warmup: settings.warmup.unwrap_or(delay_loop),
            retry: settings.retry.unwrap_or(kind.default_retry()),
            delay_before_retry: settings.delay_before_retry.unwrap_or(kind.default_pause(delay_loop)),
            rise: draft.rise.unwrap_or(Timing::RISE),
            alpha: settings.alpha.unwrap_or(false),
            log_all_failures: draft.log_all_failures,
        };
        let connect = kind.connects().then(|| Connect {
            to,
            timeout: settings.connect_timeout.unwrap_or(Connect::TIMEOUT),
            from: draft.from.map(|(from, _)| from).filter(|from| same(*from, to.ip())),
            from_port: draft.from_port,
            interface: draft.interface.clone(),
            fwmark: draft.fwmark,
        });
        Some(Checker { probe: Arc::new(Probe { kind, connect }), timing: self.shared(timing) })
    }

    /// Most checks have the timing of the one before.
    fn shared(&mut self, timing: Timing) -> Arc<Timing> {
        match &self.timing {
            Some(last) if **last == timing => Arc::clone(last),
            _ => Arc::clone(self.timing.insert(Arc::new(timing))),
        }
    }

    fn reachable_from(&mut self, draft: &CheckDraft, to: IpAddr) {
        if let Some((from, Some(span))) = draft.from.filter(|(from, _)| !same(*from, to)) {
            let message = format!("{from} and {to} are of different address families");
            self.report(
                Diagnostic::error(Code::BadAddress, span, message)
                    .consequence("a check from that address could never succeed"),
            );
        }
    }

    /// The name sent in the TLS handshake: `sni_name`, else the `virtualhost` of the url, the check or the
    /// virtual server. That of the real server is not looked at, as in keepalived.
    fn sni(
        &mut self,
        draft: &CheckDraft,
        http: &HttpDraft,
        check_host: Option<&str>,
        service_host: Option<&str>,
    ) -> Option<String> {
        if !http.enable_sni || !http.tls {
            return None;
        }
        if http.sni_name.is_some() {
            return http.sni_name.clone();
        }
        let name_of = |url: &UrlDraft| {
            let host = url.virtualhost.as_deref().or(check_host).or(service_host);
            host.map(str::to_owned)
        };
        let first = http.urls.first().and_then(name_of);
        if http.urls.iter().any(|url| name_of(url) != first) {
            let name = first.as_deref().unwrap_or("");
            self.adjusted(
                draft.span,
                "the urls have different names, and one connection setting",
                format!("`{name}` is sent in the TLS handshake of all of them"),
            );
        }
        if first.is_none() {
            self.adjusted(draft.span, "`enable_sni` without a `virtualhost`", "no name is sent");
        }
        first
    }
}

fn http_check(http: &HttpDraft, sni: Option<String>, host: Option<&str>) -> HttpCheck {
    let url = |url: &UrlDraft| HttpUrl {
        path: url.path.clone().unwrap_or_default(),
        virtualhost: url.virtualhost.clone().or_else(|| host.map(str::to_owned)),
        digest: url.digest,
        status_codes: url.status_codes.clone().unwrap_or_default(),
        regex: url.regex.clone(),
        tls_compliant: url.tls_compliant.or(http.tls_compliant),
        more: url.more.clone(),
    };
    HttpCheck {
        tls: http.tls,
        protocol: http.protocol,
        sni,
        demands: http.demands.clone(),
        fast_recovery: http.fast_recovery,
        urls: http.urls.iter().map(url).collect(),
    }
}
