//! `keepalived_check.data`: the checks, and the files that they follow.

use std::sync::Arc;

use crate::check::Standing;
use crate::check::checks::Key;
use crate::check::schedule::Snapshot;
use crate::check::standing::WeightChange;
use crate::config::model::{
    Checker, Connect, FileWeight, HttpCheck, HttpProtocol, HttpUrl, ProbeKind, TlsDemands, Turn, UrlMore,
    VirtualServer, escape,
};

use super::instances::seconds;
use super::page::{Page, yes};
use super::{View, account};

pub(super) fn show(view: &View<'_>, page: &mut Page) {
    let reals = view.configured.servers.iter().flat_map(|server| &server.real_servers);
    if reals.clone().all(|real| real.checkers.is_empty()) {
        return;
    }
    page.title("Health checkers");
    // Those that follow something stand last.
    for asks in [true, false] {
        for server in view.configured.servers {
            of_server(view, server, asks, page);
        }
    }
    files(view, page);
}

/// The checks of a virtual server that ask at times of their own, or those that do not.
fn of_server(view: &View<'_>, server: &VirtualServer, asks: bool, page: &mut Page) {
    let name = Arc::new(server.name());
    for real in &server.real_servers {
        for checker in real.checkers.iter().filter(|checker| checker.probe.kind.has_timing() == asks) {
            let probe = Arc::clone(&checker.probe);
            let key = Key { service: Arc::clone(&name), server: real.address, probe };
            page.line(format_args!(" {name} -> {}", server.describe_real_server(&real.address)));
            standing(view, checker, view.state.checks.get(&key), page);
            if let Some(connect) = &checker.probe.connect {
                connection(connect, page);
            }
            method(view, &checker.probe.kind, page);
        }
    }
}

fn standing(view: &View<'_>, checker: &Checker, seen: Option<&Snapshot>, page: &mut Page) {
    page.line(format_args!("   Enabled = {}", yes(seen.is_some())));
    page.line(format_args!("   Up = {}", yes(seen.is_some_and(|seen| seen.standing.is_up()))));
    page.line(format_args!("   Has run = {}", yes(seen.is_some_and(|seen| seen.since.is_some()))));
    let change = seen.and_then(|seen| match seen.standing {
        Standing::Up { weight } => weight,
        Standing::Down => None,
    });
    match change {
        None => page.line(format_args!("   Current weight = 0")),
        Some(WeightChange::To(weight)) => page.line(format_args!("   Current weight = {weight}")),
        Some(WeightChange::By(more)) => page.line(format_args!("   Current weight = {more}")),
    }
    let timing = &checker.timing;
    if checker.probe.kind.has_timing() {
        page.line(format_args!("   Alpha = {}", yes(timing.alpha)));
        page.line(format_args!("   Delay loop = {} us", timing.delay_loop.as_micros()));
        page.line(format_args!("   Warmup = {} us", timing.warmup.as_micros()));
        page.line(format_args!("   Retries = {}", timing.retry));
        if timing.retry > 0 {
            page.line(format_args!("   Delay before retry = {} us", timing.delay_before_retry.as_micros()));
            page.line(format_args!("   Retries iterations = {}", seen.map_or(0, |seen| seen.retries)));
        }
        if timing.rise > 1 {
            page.line(format_args!("   Rise = {}", timing.rise));
            let passes = seen.and_then(|seen| seen.rising).map_or(0, |(passes, _)| passes);
            page.line(format_args!("   Rise iterations = {passes}"));
        }
    }
    let all = timing.log_all_failures.unwrap_or(view.configured.model.globals.lvs.log_all_failures);
    page.line(format_args!("   Log all failures = {}", yes(all)));
}

fn connection(connect: &Connect, page: &mut Page) {
    page.line(format_args!("   Connection"));
    page.line(format_args!("     Dest = [{}]:{}", connect.to.ip(), connect.to.port()));
    if let Some(from) = connect.from {
        page.line(format_args!("     Bind to = [{from}]:{}", connect.from_port));
    }
    if let Some(interface) = &connect.interface {
        page.line(format_args!("     Bind i/f = {interface}"));
    }
    if connect.fwmark > 0 {
        page.line(format_args!("     Mark = {}", connect.fwmark));
    }
    page.line(format_args!("     Timeout = {:.6}", seconds(connect.timeout)));
}

fn method(view: &View<'_>, kind: &ProbeKind, page: &mut Page) {
    let name = kind.title();
    match kind {
        ProbeKind::Http(check) => return http(&name, check, page),
        _ => page.line(format_args!("   Keepalive method = {name}")),
    }
    match kind {
        ProbeKind::Http(_) | ProbeKind::Tcp | ProbeKind::Ping => {}
        ProbeKind::Udp { payload, reply, min_reply, max_reply } => {
            page.line(format_args!("   Payload len = {}", payload.as_ref().map_or(0, Vec::len)));
            page.line(format_args!("   Require reply = {}", yes(reply.is_some())));
            let Some(reply) = reply else { return };
            page.line(format_args!("     Min reply length = {min_reply}"));
            page.line(format_args!("     Max reply length = {max_reply}"));
            // Two half bytes each.
            page.line(format_args!("     Reply data len = {}", reply.len() / 2));
            page.line(format_args!("     Reply data mask = {}", yes(reply.iter().any(Option::is_none))));
        }
        ProbeKind::Dns { kind, name } => {
            page.line(format_args!("   Type = {}", kind.name()));
            page.line(format_args!("   Name = {}", name.as_str()));
        }
        ProbeKind::Smtp { helo } => {
            page.line(format_args!("   helo = {}", helo.as_deref().unwrap_or(ProbeKind::HELO)));
        }
        ProbeKind::Misc { command, timeout, dynamic } => {
            page.line(format_args!("   script = {}", view.words(command)));
            page.line(format_args!("   timeout = {}", timeout.map_or(0, |timeout| timeout.as_secs())));
            page.line(format_args!("   dynamic = {}", if *dynamic { "YES" } else { "NO" }));
            if let Some(program) = view.configured.found.programs.get(&**command) {
                page.line(format_args!("   uid:gid = {}", account(&program.identity)));
            }
        }
        ProbeKind::Bfd { name } => page.line(format_args!("   BFD instance name = {name}")),
        ProbeKind::File { name, .. } => page.line(format_args!("     Tracked file = {name}")),
        ProbeKind::Named(asks) => {
            page.line(format_args!("   Protocol = {}", asks.protocol.name()));
            page.line(format_args!("   TLS = {}", yes(asks.tls)));
            demands(asks.demands.as_deref(), page);
            for turn in &asks.turns {
                match turn {
                    Turn::Send(bytes) => page.line(format_args!("   Send = \"{}\"", escape(bytes))),
                    Turn::Expect(bytes) => page.line(format_args!("   Expect = \"{}\"", escape(bytes))),
                }
            }
        }
    }
}

/// What keepalived has no words for.
fn demands(demands: Option<&TlsDemands>, page: &mut Page) {
    let Some(demands) = demands else { return };
    page.line(format_args!("   TLS verify = {}", demands.trust.written()));
    if let Some(name) = &demands.name {
        page.line(format_args!("   TLS name = {}", name.as_str()));
    }
    for (bound, version) in [("min", demands.oldest), ("max", demands.newest)] {
        if let Some(version) = version {
            page.line(format_args!("   TLS {bound} version = {}", version.name()));
        }
    }
    if let Some(days) = demands.warn_days {
        page.line(format_args!("   TLS expiry warning = {days} days"));
    }
}

fn http(name: &str, check: &HttpCheck, page: &mut Page) {
    let protocol = match check.protocol {
        HttpProtocol::Http10 => "1.0",
        HttpProtocol::Http10Close => "1.0C",
        HttpProtocol::Http11 => "1.1",
    };
    page.line(format_args!("   Keepalive method = {name}, http protocol {protocol}"));
    let set = |is: bool| if is { "set" } else { "unset" };
    page.line(format_args!("   Enable SNI {}", set(check.sni.is_some())));
    page.line(format_args!("   Fast recovery {}", set(check.fast_recovery)));
    demands(check.demands.as_deref(), page);
    check.urls.iter().for_each(|one| url(one, page));
}

fn url(url: &HttpUrl, page: &mut Page) {
    page.line(format_args!("   Checked url = {}", url.path));
    if let Some(digest) = &url.digest {
        let digits: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        page.line(format_args!("     digest = {digits}"));
    }
    page.line(format_args!("     HTTP Status Code(s)"));
    for (low, high) in url.status_codes.ranges() {
        match low == high {
            true => page.line(format_args!("       {low}")),
            false => page.line(format_args!("       {low}-{high}")),
        }
    }
    if let Some(host) = &url.virtualhost {
        page.line(format_args!("     Virtual host = {host}"));
    }
    if let Some(pattern) = url.regex.as_ref().and_then(|regex| regex.pattern.as_ref()) {
        page.line(format_args!("     Regex = \"{pattern}\""));
    }
    if let Some(one) = &url.more {
        more(one, page);
    }
}

/// What keepalived has no words for.
fn more(more: &UrlMore, page: &mut Page) {
    page.line(format_args!("     Method = {}", more.method.name()));
    more.headers.iter().for_each(|header| page.line(format_args!("     Header = {}", header.name())));
    if let Some(credential) = &more.credential {
        page.line(format_args!("     {} = {}", credential.keyword(), credential.written()));
    }
    if let Some(body) = &more.body {
        page.line(format_args!("     Body len = {}", body.len()));
    }
    more.contains.iter().for_each(|text| page.line(format_args!("     Contains = {text:?}")));
    more.contains_not.iter().for_each(|text| page.line(format_args!("     Contains not = {text:?}")));
    for value in &more.values {
        page.line(format_args!("     JSON {:?} = {:?}", value.pointer(), value.text));
    }
    if let Some(most) = more.max_size {
        page.line(format_args!("     Max size = {most}"));
    }
    if let Some(longest) = more.max_time {
        page.line(format_args!("     Max time = {:.6}", seconds(longest)));
    }
    if more.redirects > 0 {
        page.line(format_args!("     Follow redirects = {}", more.redirects));
    }
}

fn files(view: &View<'_>, page: &mut Page) {
    let following = |name: &str| -> Vec<String> {
        let of_server = |server: &VirtualServer| -> Vec<String> {
            let mut found = Vec::new();
            for real in &server.real_servers {
                for checker in &real.checkers {
                    let ProbeKind::File { name: other, weight } = &checker.probe.kind else { continue };
                    if other == name {
                        let FileWeight { number, reverse } = weight.unwrap_or(FileWeight::DEFAULT);
                        let reverse = if reverse { " reverse" } else { "" };
                        let real = server.describe_real_server(&real.address);
                        found.push(format!("{} -> {real}, weight {number}{reverse}", server.name()));
                    }
                }
            }
            found
        };
        view.configured.servers.iter().flat_map(|server| of_server(server)).collect()
    };
    let files = view.configured.files.iter().map(|file| (file, following(&file.name)));
    let mut files = files.filter(|(_, following)| !following.is_empty()).peekable();
    if files.peek().is_none() {
        return;
    }
    page.title("Checker track files");
    for (file, following) in files {
        page.line(format_args!(" Track file = {}", file.name));
        page.line(format_args!("   File = {}", file.path));
        let number = view.state.facts.files.get(&file.name).copied().unwrap_or(0);
        page.line(format_args!("   Status = {number}"));
        page.line(format_args!("   Weight = {}", file.weight.number));
        page.line(format_args!("   Tracking instances :"));
        following.iter().for_each(|one| page.line(format_args!("     {one}")));
    }
}
