//! The checks of a real server, and what they share with the blocks around them.

use std::net::IpAddr;
use std::time::Duration;

use super::Word;
use super::block::{Block, plain};
use super::inherit::{Held, place};
use super::named::Checks;
use crate::config::model::{
    Checker, Connect, HttpCheck, HttpProtocol, HttpUrl, Method, NamedCheck, ProbeKind, StatusCodes,
    Timing as CheckTiming, UrlMore, UrlRegex, VirtualServer,
};
use crate::text::hex;

/// Settings that a virtual and a real server hand down to checks.
#[derive(Default, Clone, Copy)]
pub(super) struct Settings {
    connect_timeout: Option<Duration>,
    delay_loop: Option<Duration>,
    warmup: Option<Duration>,
    retry: Option<u32>,
    delay_before_retry: Option<Duration>,
    alpha: Option<bool>,
}

/// What a real server says itself, and what its checks inherit.
pub(super) struct Outer {
    pub(super) own: Settings,
    handed_down: Settings,
}

/// Where the settings of all checks of a virtual server are written.
pub(super) struct Timing<'a> {
    pub(super) service: Settings,
    /// One for each real server.
    pub(super) reals: Vec<Outer>,
    /// The name that every url of every HTTP check has.
    pub(super) virtualhost: Option<&'a str>,
}

impl<'a> Timing<'a> {
    pub(super) fn of(server: &'a VirtualServer, checks: &Checks<'_>) -> Self {
        /// A named check says what its definition says, and nothing else.
        fn held<T, S>(
            server: &VirtualServer,
            checks: &Checks<'_>,
            get: impl Fn(&Checker) -> Option<Held<T>>,
            defined: impl Fn(&NamedCheck) -> Option<S>,
        ) -> Vec<Vec<Held<T>>> {
            let of_check = |check: &Checker| match checks.definition(check) {
                Some(definition) if defined(definition).is_some() => None,
                Some(_) => get(check).map(|held| Held { own: false, ..held }),
                None => get(check),
            };
            server
                .real_servers
                .iter()
                .map(|real| real.checkers.iter().filter_map(of_check).collect())
                .collect()
        }
        let connect_timeout =
            place(&held(server, checks, held_connect_timeout, |named| named.connect_timeout), |_| true);
        let delay_loop = held(server, checks, |check| Some(held_delay_loop(check)), |named| named.delay_loop);
        let delay_loop = place(&delay_loop, |_| true);
        let warmup = held(server, checks, |check| Some(held_warmup(check)), |named| named.warmup);
        let warmup = place(&warmup, |_| true);
        let retry = held(server, checks, |check| Some(held_retry(check)), |named| named.retry);
        let retry = place(&retry, |retry| retry > 0);
        let pause = held(server, checks, |check| Some(held_pause(check)), |named| named.delay_before_retry);
        let delay_before_retry = place(&pause, |_| true);
        // A virtual server has a word for on only.
        let alpha = held(server, checks, |check| Some(held_alpha(check)), |named| named.alpha);
        let alpha = place(&alpha, |alpha| alpha);
        let service = Settings {
            connect_timeout: connect_timeout.service,
            delay_loop: delay_loop.service,
            warmup: warmup.service,
            retry: retry.service,
            delay_before_retry: delay_before_retry.service,
            alpha: alpha.service,
        };
        let mut reals = Vec::with_capacity(server.real_servers.len());
        for index in 0..server.real_servers.len() {
            let own = Settings {
                connect_timeout: connect_timeout.reals.get(index).copied().flatten(),
                delay_loop: delay_loop.reals.get(index).copied().flatten(),
                warmup: warmup.reals.get(index).copied().flatten(),
                retry: retry.reals.get(index).copied().flatten(),
                delay_before_retry: delay_before_retry.reals.get(index).copied().flatten(),
                alpha: alpha.reals.get(index).copied().flatten(),
            };
            reals.push(Outer { own, handed_down: own.or(service) });
        }
        Self { service, reals, virtualhost: common_host(server) }
    }
}

impl Settings {
    fn or(self, outer: Self) -> Self {
        Self {
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            delay_loop: self.delay_loop.or(outer.delay_loop),
            warmup: self.warmup.or(outer.warmup),
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
            alpha: self.alpha.or(outer.alpha),
        }
    }
}

/// One name for all, when more than one check has it.
fn common_host(server: &VirtualServer) -> Option<&str> {
    let checkers = server.real_servers.iter().flat_map(|real| &real.checkers);
    let mut hosts = checkers.filter_map(|checker| match &checker.probe.kind {
        ProbeKind::Http(http) => Some(&http.urls),
        _ => None,
    });
    if hosts.clone().count() < 2 {
        return None;
    }
    let first = hosts.clone().flatten().next()?.virtualhost.as_deref()?;
    hosts.all(|urls| urls.iter().all(|url| url.virtualhost.as_deref() == Some(first))).then_some(first)
}

fn held_connect_timeout(check: &Checker) -> Option<Held<Duration>> {
    let value = check.probe.connect.as_ref()?.timeout;
    Some(Held { value, default: Connect::TIMEOUT, own: true })
}

fn held_delay_loop(check: &Checker) -> Held<Duration> {
    let own = check.probe.kind.has_timing();
    Held { value: check.timing.delay_loop, default: CheckTiming::DELAY_LOOP, own }
}

fn held_warmup(check: &Checker) -> Held<Duration> {
    let own = check.probe.kind.has_timing();
    Held { value: check.timing.warmup, default: check.timing.delay_loop, own }
}

fn held_retry(check: &Checker) -> Held<u32> {
    let kind = &check.probe.kind;
    Held { value: check.timing.retry, default: kind.default_retry(), own: kind.has_timing() }
}

fn held_pause(check: &Checker) -> Held<Duration> {
    let (kind, timing) = (&check.probe.kind, &check.timing);
    Held {
        value: timing.delay_before_retry,
        default: kind.default_pause(timing.delay_loop),
        own: kind.has_timing(),
    }
}

fn held_alpha(check: &Checker) -> Held<bool> {
    let own = !matches!(check.probe.kind, ProbeKind::File { .. });
    Held { value: check.timing.alpha, default: false, own }
}

impl Block {
    /// What a virtual or a real server hands down.
    pub(super) fn outer_timing(&mut self, settings: &Settings) {
        self.given("delay_loop", settings.delay_loop);
        self.given("warmup", settings.warmup);
        self.given("retry", settings.retry);
        self.given("delay_before_retry", settings.delay_before_retry);
        self.given("connect_timeout", settings.connect_timeout);
        match settings.alpha {
            // Bare: the one form that a virtual server knows too.
            Some(true) => self.words("alpha", []),
            other => self.given("alpha", other),
        }
    }

    pub(super) fn check(
        &mut self,
        check: &Checker,
        real: IpAddr,
        port: u16,
        outer: &Outer,
        virtualhost: Option<&str>,
    ) {
        let outer = &outer.handed_down;
        let kind = &check.probe.kind;
        if let ProbeKind::Named(asks) = kind {
            return self.set("check", &asks.name);
        }
        self.block(vec![plain(kind.keyword())], |block| {
            match kind {
                ProbeKind::Http(http) => block.http(http, virtualhost),
                kind => block.probe(kind),
            }
            if let Some(connect) = &check.probe.connect {
                block.connect(connect, real, port);
            }
            if let Some(timeout) = held_connect_timeout(check) {
                block.unless(
                    "connect_timeout",
                    timeout.value,
                    outer.connect_timeout.unwrap_or(timeout.default),
                );
            }
            if kind.has_timing() {
                let (delay_loop, warmup) = (held_delay_loop(check), held_warmup(check));
                block.unless("delay_loop", delay_loop.value, outer.delay_loop.unwrap_or(delay_loop.default));
                block.unless("warmup", warmup.value, outer.warmup.unwrap_or(warmup.default));
                let (retry, pause) = (held_retry(check), held_pause(check));
                block.unless("retry", retry.value, outer.retry.unwrap_or(retry.default));
                let inherited = outer.delay_before_retry.unwrap_or(pause.default);
                block.unless("delay_before_retry", pause.value, inherited);
                block.unless("rise", check.timing.rise, CheckTiming::RISE);
            }
            block.given("log_all_failures", check.timing.log_all_failures);
            let alpha = held_alpha(check);
            if alpha.own {
                block.unless("alpha", alpha.value, outer.alpha.unwrap_or(alpha.default));
            }
        });
    }

    fn connect(&mut self, connect: &Connect, real: IpAddr, port: u16) {
        self.unless("connect_ip", connect.to.ip(), real);
        if connect.to.port() != 0 {
            self.unless("connect_port", connect.to.port(), port);
        }
        self.given("bindto", connect.from);
        self.given("bind_port", (connect.from_port != 0).then_some(connect.from_port));
        self.given("bind_if", connect.interface.as_ref());
        self.unless("fwmark", connect.fwmark, 0);
    }

    fn http(&mut self, http: &HttpCheck, of_service: Option<&str>) {
        let protocol = |protocol| match protocol {
            HttpProtocol::Http10 => "1.0",
            HttpProtocol::Http10Close => "1.0C",
            HttpProtocol::Http11 => "1.1",
        };
        self.unless("http_protocol", protocol(http.protocol), protocol(HttpProtocol::default()));
        let first = http.urls.first().and_then(|url| url.virtualhost.as_deref());
        let host =
            first.filter(|first| http.urls.iter().all(|url| url.virtualhost.as_deref() == Some(*first)));
        let own = host.filter(|_| of_service.is_none() && http.urls.len() > 1);
        self.given("virtualhost", own);
        match &http.sni {
            Some(name) if host == Some(name) => self.set("enable_sni", true),
            Some(name) => self.set("sni_name", name),
            None => self.unless("enable_sni", false, false),
        }
        if http.tls {
            self.tls_demands(http.demands.as_deref());
        }
        self.unless("fast_recovery", http.fast_recovery, false);
        for url in &http.urls {
            self.url(url, of_service.or(own));
        }
    }

    fn url(&mut self, url: &HttpUrl, outer: Option<&str>) {
        self.block(vec![plain("url")], |block| {
            block.set("path", &url.path);
            let host = url.virtualhost.as_deref();
            block.given("virtualhost", host.filter(|_| host != outer));
            block.given("digest", url.digest.map(|digest| hex(&digest)));
            if url.status_codes != StatusCodes::default() || block.shows("status_code") {
                let range = |(low, high): &(u16, u16)| match low == high {
                    true => plain(low.to_string()),
                    false => plain(format!("{low}-{high}")),
                };
                block.words("status_code", url.status_codes.ranges().iter().map(range));
            }
            if let Some(regex) = &url.regex {
                block.regex(regex);
            }
            block.given("tls_compliant", url.tls_compliant);
            if let Some(more) = &url.more {
                block.more(more);
            }
        });
    }

    fn more(&mut self, more: &UrlMore) {
        self.unless("method", more.method.name(), Method::default().name());
        for header in &more.headers {
            // Keys of programs go in headers.
            self.words("header", [Word::Secret(header.to_string())]);
        }
        if let Some(credential) = &more.credential {
            self.set(credential.keyword(), credential.written());
        }
        if let Some(body) = &more.body {
            self.words("body", [Word::Pattern(body.clone())]);
        }
        for (keyword, texts) in [("contains", &more.contains), ("contains_not", &more.contains_not)] {
            if !texts.is_empty() {
                self.words(keyword, texts.iter().cloned().map(Word::Pattern));
            }
        }
        for value in &more.values {
            self.words("json_pointer", [plain(value.pointer()), plain(&value.text)]);
        }
        self.given("max_size", more.max_size);
        self.given("max_time", more.max_time);
        self.unless("follow_redirects", more.redirects, 0);
    }

    fn regex(&mut self, regex: &UrlRegex) {
        if let Some(pattern) = &regex.pattern {
            self.words("regex", [Word::Pattern(pattern.clone())]);
        }
        self.flag("regex_no_match", regex.no_match);
        if !regex.options.is_empty() {
            self.words("regex_options", regex.options.iter().map(plain));
        }
        self.unless("regex_min_offset", regex.min_offset, 0);
        self.given("regex_max_offset", regex.max_offset);
        if let Some(stack) = regex.stack {
            self.words("regex_stack", [plain(stack.start.to_string()), plain(stack.most.to_string())]);
        }
    }
}
