//! Lints of checks.

use std::collections::BTreeMap;
use std::time::Duration;

use super::places::child;
use super::{Lints, lint_at};
use crate::config::diagnostic::Code;
use crate::config::model::{CheckKind, Checker, Protocol, RealServer, Service, VirtualServer};
use crate::config::source::Span;
use crate::config::tree::Node;

const HTTP: [&str; 2] = ["HTTP_GET", "SSL_GET"];

pub(super) fn lint(lints: &mut Lints<'_>, node: &Node<'_>, real: &RealServer, server: &VirtualServer) {
    for (checker, place) in places(node, real) {
        slow(lints, checker, place);
        match &checker.kind {
            CheckKind::Http(_) => over_udp(lints, checker, place, server),
            kind if *kind == CheckKind::Tcp => included(lints, checker, place, real),
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
        for (checker, place) in places(node, real) {
            let CheckKind::Http(check) = &checker.kind else { continue };
            for (number, url) in check.urls.iter().enumerate() {
                let Some(digest) = url.digest else { continue };
                let url_place = child(place, &["url"], number);
                let Some(span) = child(url_place, &["digest"], 0).span() else { continue };
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
    let (timeout, pause) = (checker.connect.timeout, checker.delay_loop);
    let Some(span) = place.span().filter(|_| timeout > pause) else { return };
    let span = child(place, &["connect_timeout"], 0).span().unwrap_or(span);
    let retries = checker.retry;
    let all = pause
        .saturating_add(timeout.saturating_mul(retries.saturating_add(1)))
        .saturating_add(checker.delay_before_retry.saturating_mul(retries));
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

fn over_udp(lints: &mut Lints<'_>, checker: &Checker, place: &Node<'_>, server: &VirtualServer) {
    let Service::Address { protocol: Protocol::Udp, address } = server.service else { return };
    let Some(span) = place.span().filter(|_| checker.connect.to.port() == address.port()) else { return };
    lints.grouped(span, || {
        let name = place.words.first().map_or("HTTP_GET", |word| &word.text);
        lint_at(Code::HttpOverUdp, span, format!("`{name}` in a virtual server of UDP"))
            .consequence("the check asks over TCP: it says nothing of the service that clients use")
            .help("write `protocol TCP`, or check with connect_port another service of the machine")
    });
}

/// A connection that another check opens anyway.
fn included(lints: &mut Lints<'_>, checker: &Checker, place: &Node<'_>, real: &RealServer) {
    let connect = &checker.connect;
    let same = |other: &&Checker| {
        let theirs = &other.connect;
        matches!(other.kind, CheckKind::Http(_))
            && (theirs.to, theirs.from, &theirs.interface, theirs.fwmark)
                == (connect.to, connect.from, &connect.interface, connect.fwmark)
    };
    let Some((span, other)) = place.span().zip(real.checkers.iter().find(same)) else { return };
    let name =
        if matches!(&other.kind, CheckKind::Http(check) if check.tls) { "SSL_GET" } else { "HTTP_GET" };
    lints.grouped(span, || {
        lint_at(Code::IncludedCheck, span, format!("this TCP_CHECK is part of the {name} beside it"))
            .consequence("the server is asked twice, and learns nothing new")
            .help(format!("delete the TCP_CHECK: {name} fails too when the connection is refused"))
    });
}

/// The checks of a real server with their blocks.
fn places<'n, 's, 'm>(node: &'n Node<'s>, real: &'m RealServer) -> Vec<(&'m Checker, &'n Node<'s>)> {
    let (mut http, mut tcp) = (0, 0);
    let mut found = Vec::with_capacity(real.checkers.len());
    for checker in &real.checkers {
        let place = match &checker.kind {
            CheckKind::Http(_) => {
                http += 1;
                child(node, &HTTP, http - 1)
            }
            kind if *kind == CheckKind::Tcp => {
                tcp += 1;
                child(node, &["TCP_CHECK"], tcp - 1)
            }
            _ => node,
        };
        found.push((checker, place));
    }
    found
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
