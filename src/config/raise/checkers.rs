//! The checks of a real server, and what they share with the blocks around them.

use std::net::IpAddr;
use std::time::Duration;

use super::Word;
use super::block::{Block, plain};
use super::inherit::{Held, place};
use crate::config::model::{
    CheckKind, Checker, Connect, HttpCheck, HttpProtocol, HttpUrl, RealServer, StatusCodes, UnmadeChecker,
    UnmadeKind, VirtualServer,
};

/// One check, made by this version or not.
#[derive(Clone, Copy)]
pub(super) enum Check<'a> {
    Made(&'a Checker),
    Unmade(&'a UnmadeChecker),
}

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
    pub(super) fn of(server: &'a VirtualServer) -> Self {
        fn held<T>(server: &VirtualServer, get: impl Fn(Check<'_>) -> Option<Held<T>>) -> Vec<Vec<Held<T>>> {
            server.real_servers.iter().map(|real| checks(real).filter_map(&get).collect()).collect()
        }
        let connect_timeout = place(&held(server, |check| check.connect_timeout()), |_| true);
        let delay_loop = place(&held(server, |check| Some(check.delay_loop())), |_| true);
        let warmup = place(&held(server, |check| Some(check.warmup())), |_| true);
        let retry = place(&held(server, |check| Some(check.retry())), |retry| retry > 0);
        let delay_before_retry = place(&held(server, |check| Some(check.delay_before_retry())), |_| true);
        // A virtual server has a word for on only.
        let alpha = place(&held(server, |check| Some(check.alpha())), |alpha| alpha);
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

/// The checks of a real server: those that this version makes, then the others.
pub(super) fn checks(real: &RealServer) -> impl Iterator<Item = Check<'_>> {
    let unmade = real.extras.iter().flat_map(|extras| &extras.checkers);
    real.checkers.iter().map(Check::Made).chain(unmade.map(Check::Unmade))
}

/// One name for all, when more than one check has it.
fn common_host(server: &VirtualServer) -> Option<&str> {
    let http = |checker: &'_ Checker| matches!(checker.kind, CheckKind::Http(_));
    let checkers = || server.real_servers.iter().flat_map(|real| &real.checkers);
    if checkers().filter(|checker| http(checker)).count() < 2 {
        return None;
    }
    let mut hosts = checkers().filter_map(|checker| match &checker.kind {
        CheckKind::Http(http) => Some(&http.urls),
        CheckKind::Tcp => None,
    });
    let first = hosts.clone().flatten().next()?.virtualhost.as_deref()?;
    hosts.all(|urls| urls.iter().all(|url| url.virtualhost.as_deref() == Some(first))).then_some(first)
}

impl Check<'_> {
    pub(super) fn connect(&self) -> Option<&Connect> {
        match self {
            Self::Made(check) => Some(&check.connect),
            Self::Unmade(check) => check.connect.as_ref(),
        }
    }

    fn keyword(&self) -> &'static str {
        match self {
            Self::Made(check) => match &check.kind {
                CheckKind::Http(http) if http.tls => "SSL_GET",
                CheckKind::Http(_) => "HTTP_GET",
                CheckKind::Tcp => "TCP_CHECK",
            },
            Self::Unmade(check) => super::unmade::keyword(&check.kind),
        }
    }

    /// Whether the check has a keyword for its timing.
    fn has_timing(&self) -> bool {
        !matches!(
            self,
            Self::Unmade(UnmadeChecker { kind: UnmadeKind::Bfd { .. } | UnmadeKind::File { .. }, .. })
        )
    }

    fn connect_timeout(self) -> Option<Held<Duration>> {
        let value = self.connect()?.timeout;
        Some(Held { value, default: Duration::from_secs(5), own: true })
    }

    fn delay_loop(self) -> Held<Duration> {
        let value = match self {
            Self::Made(check) => check.delay_loop,
            Self::Unmade(check) => check.delay_loop,
        };
        Held { value, default: Duration::from_secs(60), own: self.has_timing() }
    }

    fn warmup(self) -> Held<Duration> {
        let value = match self {
            Self::Made(check) => check.warmup,
            Self::Unmade(check) => check.warmup,
        };
        Held { value, default: self.delay_loop().value, own: self.has_timing() }
    }

    fn retry(self) -> Held<u32> {
        let (value, default) = match self {
            Self::Made(check) => (check.retry, 1),
            Self::Unmade(check) => match check.kind {
                UnmadeKind::Dns { .. } => (check.retry, 3),
                UnmadeKind::Misc { .. } => (check.retry, 0),
                _ => (check.retry, 1),
            },
        };
        Held { value, default, own: self.has_timing() }
    }

    fn delay_before_retry(self) -> Held<Duration> {
        let (value, default) = match self {
            Self::Made(check) => {
                let pause = if matches!(check.kind, CheckKind::Http(_)) { 3 } else { 1 };
                (check.delay_before_retry, Duration::from_secs(pause))
            }
            Self::Unmade(check) => match check.kind {
                UnmadeKind::Dns { .. } => (check.delay_before_retry, check.delay_loop),
                _ => (check.delay_before_retry, Duration::from_secs(1)),
            },
        };
        Held { value, default, own: self.has_timing() }
    }

    fn alpha(self) -> Held<bool> {
        let (value, own) = match self {
            Self::Made(check) => (check.alpha, true),
            Self::Unmade(check) => (check.alpha, !matches!(check.kind, UnmadeKind::File { .. })),
        };
        Held { value, default: false, own }
    }
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
        check: &Check<'_>,
        real: IpAddr,
        port: u16,
        outer: &Outer,
        virtualhost: Option<&str>,
    ) {
        let outer = &outer.handed_down;
        self.block(vec![plain(check.keyword())], |block| {
            match check {
                Check::Made(made) => {
                    if let CheckKind::Http(http) = &made.kind {
                        block.http(http, virtualhost);
                    }
                }
                Check::Unmade(unmade) => block.unmade(unmade),
            }
            if let Some(connect) = check.connect() {
                block.connect(connect, real, port);
            }
            if let Some(timeout) = check.connect_timeout() {
                block.unless(
                    "connect_timeout",
                    timeout.value,
                    outer.connect_timeout.unwrap_or(timeout.default),
                );
            }
            if check.has_timing() {
                let (delay_loop, warmup) = (check.delay_loop(), check.warmup());
                block.unless("delay_loop", delay_loop.value, outer.delay_loop.unwrap_or(delay_loop.default));
                block.unless("warmup", warmup.value, outer.warmup.unwrap_or(warmup.default));
                let (retry, pause) = (check.retry(), check.delay_before_retry());
                block.unless("retry", retry.value, outer.retry.unwrap_or(retry.default));
                let inherited = outer.delay_before_retry.unwrap_or(pause.default);
                block.unless("delay_before_retry", pause.value, inherited);
            }
            let log = match check {
                Check::Made(check) => check.log_all_failures,
                Check::Unmade(check) => check.log_all_failures,
            };
            block.given("log_all_failures", log);
            let alpha = check.alpha();
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
            let digest =
                |digest: [u8; 16]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            block.given("digest", url.digest.map(digest));
            if url.status_codes != StatusCodes::default() || block.shows("status_code") {
                let range = |(low, high): &(u16, u16)| match low == high {
                    true => plain(low.to_string()),
                    false => plain(format!("{low}-{high}")),
                };
                block.words("status_code", url.status_codes.ranges().iter().map(range));
            }
            let Some(extras) = &url.extras else { return };
            if let Some(pattern) = &extras.regex {
                block.words("regex", [Word::Raw(pattern.clone())]);
            }
            block.flag("regex_no_match", extras.no_match);
            if !extras.options.is_empty() {
                block.words("regex_options", extras.options.iter().map(plain));
            }
            block.unless("regex_min_offset", extras.min_offset, 0);
            block.given("regex_max_offset", extras.max_offset);
            if let Some((start, most)) = extras.stack {
                block.words("regex_stack", [plain(start.to_string()), plain(most.to_string())]);
            }
            block.given("tls_compliant", extras.tls_compliant);
        });
    }
}
