//! Lints of checks.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::places::{child, children};
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::model::{
    Checker, HttpUrl, InterfaceName, ProbeKind, Protocol, RealServer, Service, VirtualServer,
};
use crate::config::source::Span;
use crate::config::tree::Node;

const HTTP: [&str; 2] = ["HTTP_GET", "SSL_GET"];

pub(super) fn lint(lints: &mut Lints<'_>, node: &Node<'_>, real: &RealServer, server: &VirtualServer) {
    let checkers = || real.checkers.iter();
    let http = checkers().any(|checker| matches!(checker.probe.kind, ProbeKind::Http(_)));
    let tcp = checkers().any(|checker| checker.probe.kind == ProbeKind::Tcp);
    let udp = matches!(server.service, Service::Address { protocol: Protocol::Udp, .. });
    // With most real servers there is nothing to look for.
    if !(checkers().any(is_slow) || http && (tcp || udp)) {
        return;
    }
    let places = places(node, real);
    let asks = |(checker, _): &&(&Checker, _)| matches!(checker.probe.kind, ProbeKind::Http(_));
    let http: BTreeMap<_, &Checker> =
        places.iter().rev().filter(asks).map(|(checker, _)| (route(checker), *checker)).collect();
    for (checker, place) in &places {
        slow(lints, checker, place);
        match &checker.probe.kind {
            ProbeKind::Http(_) => over_udp(lints, checker, place, server),
            ProbeKind::Tcp => included(lints, place, http.get(&route(checker)).copied()),
            _ => {}
        }
    }
}

/// What a digest is of.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Page<'a> {
    tls: bool,
    path: &'a str,
    host: Option<&'a str>,
}

/// Pages of one path must have one digest, on all real servers of a service.
pub(super) fn digests(lints: &mut Lints<'_>, reals: &[(&Node<'_>, &RealServer)]) {
    let mut seen: BTreeMap<Page<'_>, ([u8; 16], Span)> = BTreeMap::new();
    for (node, real) in reals {
        let digest = |url: &HttpUrl| url.digest.is_some();
        let has_one = |checker: &Checker| matches!(&checker.probe.kind, ProbeKind::Http(check) if check.urls.iter().any(digest));
        if !real.checkers.iter().any(has_one) {
            continue;
        }
        for (checker, place) in places(node, real) {
            let ProbeKind::Http(check) = &checker.probe.kind else { continue };
            for (url, url_place) in check.urls.iter().zip(children(place, &["url"])) {
                let Some(digest) = url.digest else { continue };
                let Some(span) = child(url_place, "digest").span() else { continue };
                let key = Page { tls: check.tls, path: &url.path, host: url.virtualhost.as_deref() };
                match seen.get(&key) {
                    None => drop(seen.insert(key, (digest, span))),
                    Some((first, _)) if *first == digest => {}
                    Some((_, first)) => {
                        let first = *first;
                        lints.grouped(span, || {
                            let message = format!("two different digests for the path {}", url.path);
                            lint_at(Code::TwoDigests, span, message)
                                .related(first, "the other one")
                                .consequence(
                                    "the page differs between servers, or has changed since: a digest of a page \
                                     that changes takes every server out at once",
                                )
                                .help("check a page that is the same everywhere and never changes, or use status_code alone")
                        });
                    }
                }
            }
        }
    }
}

/// One attempt outlasts the pause: the verdict is older than `delay_loop` promises.
fn slow(lints: &mut Lints<'_>, checker: &Checker, place: &Node<'_>) {
    let Some((timeout, span)) = timeout(checker).zip(place.span()).filter(|_| is_slow(checker)) else {
        return;
    };
    let pause = checker.timing.delay_loop;
    let span = child(place, "connect_timeout").span().unwrap_or(span);
    let retries = checker.timing.retry;
    let all = pause
        .saturating_add(timeout.saturating_mul(retries.saturating_add(1)))
        .saturating_add(checker.timing.delay_before_retry.saturating_mul(retries));
    lints.grouped(span, || {
        let message = format!(
            "`connect_timeout` of {} is longer than `delay_loop` of {}",
            seconds(timeout),
            seconds(pause)
        );
        lint_at(Code::SlowCheck, span, message)
            .consequence(format!(
                "an attempt can last past the time of the next check: a server that falls silent is taken out \
                 after up to {}",
                seconds(all)
            ))
            .help("lower `connect_timeout` and `retry`, or raise `delay_loop`")
    });
}

fn is_slow(checker: &Checker) -> bool {
    timeout(checker).is_some_and(|timeout| timeout > checker.timing.delay_loop)
}

/// The time limit of the kinds that this lint is for.
fn timeout(checker: &Checker) -> Option<Duration> {
    match checker.probe.kind {
        ProbeKind::Http(_) | ProbeKind::Tcp => checker.probe.connect.as_ref().map(|connect| connect.timeout),
        _ => None,
    }
}

fn over_udp(lints: &mut Lints<'_>, checker: &Checker, place: &Node<'_>, server: &VirtualServer) {
    let Service::Address { protocol: Protocol::Udp, address } = server.service else { return };
    let Some(span) = place.span().filter(|_| port(checker) == Some(address.port())) else { return };
    lints.grouped(span, || {
        let name = place.words.first().map_or("HTTP_GET", |word| word.text);
        lint_at(Code::HttpOverUdp, span, format!("`{name}` in a virtual server of UDP"))
            .consequence("the check asks over TCP: it says nothing of the service that clients use")
            .help("write `protocol TCP`, or check with connect_port another service of the machine")
    });
}

fn port(checker: &Checker) -> Option<u16> {
    checker.probe.connect.as_ref().map(|connect| connect.to.port())
}

/// What two checks that open the same connection have in common.
fn route(checker: &Checker) -> Option<(SocketAddr, Option<IpAddr>, Option<&InterfaceName>, u32)> {
    let connect = checker.probe.connect.as_ref()?;
    Some((connect.to, connect.from, connect.interface.as_ref(), connect.fwmark))
}

/// A connection that another check opens anyway.
fn included(lints: &mut Lints<'_>, place: &Node<'_>, http: Option<&Checker>) {
    let Some((span, other)) = place.span().zip(http) else { return };
    let name = other.probe.kind.keyword();
    lints.grouped(span, || {
        lint_at(Code::IncludedCheck, span, format!("this TCP_CHECK is part of the {name} beside it"))
            .consequence("the server is asked twice, and learns nothing new")
            .help(format!("delete the TCP_CHECK: {name} fails too when the connection is refused"))
    });
}

/// The checks of a real server with their blocks.
fn places<'n, 's, 'm>(node: &'n Node<'s>, real: &'m RealServer) -> Vec<(&'m Checker, &'n Node<'s>)> {
    let (mut http, mut tcp) = (children(node, &HTTP), children(node, &["TCP_CHECK"]));
    let place = |checker: &'m Checker| {
        let place = match &checker.probe.kind {
            ProbeKind::Http(_) => http.next(),
            ProbeKind::Tcp => tcp.next(),
            _ => None,
        };
        (checker, place.unwrap_or(node))
    };
    real.checkers.iter().map(place).collect()
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
