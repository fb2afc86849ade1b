//! Lines of `virtual_routes` and `static_routes`: iproute2's grammar, words in any order.

use super::Lower;
use super::numbers::microseconds;
use super::option::Line;
use super::track::Names;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords;
use crate::config::model::{CongestionControl, Encap, Family, MetricKind, NextHop, Route, RouteMetric};
use crate::config::tree::{Node, Word};

/// `TYPE` of a route, as rtnetlink numbers it.
const KINDS: [(&str, u8); 12] = [
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("brd", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
    ("throw", 9),
    ("nat", 10),
    ("xresolve", 11),
];

impl Lower<'_> {
    /// One line; `names` are those of static entries.
    pub(super) fn route(&mut self, node: &Node<'_>, names: Option<&Names>) -> Option<Route> {
        let mut line = Line::new(node.words, "(ROUTE)");
        let mut route = Route::default();
        let mut has_destination = false;
        while let Some(word) = line.next() {
            if let Some(keyword) = keywords::line_option("(ROUTE)", word.text) {
                self.status(keyword, word.span);
            }
            if self.route_option(word, &mut line, &mut route, names) {
                continue;
            }
            if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word.text) {
                route.kind = Some(*kind);
            } else if has_destination {
                self.unknown_option_of("(ROUTE)", word, "a route");
                return None;
            } else {
                let mut word = if word.text == "to" { self.value(&mut line)? } else { word };
                if let Some((_, kind)) = KINDS.iter().find(|(name, _)| *name == word.text) {
                    route.kind = Some(*kind);
                    word = self.value(&mut line)?;
                }
                let known = matches!(word.text, "default" | "any" | "all" | "default6");
                if !known && !word.text.starts_with(|c: char| c.is_ascii_hexdigit() || c == ':') {
                    self.unknown_option_of("(ROUTE)", word, "a route");
                    return None;
                }
                has_destination = true;
                route.to = self.net(word, &mut route.family)?;
            }
        }
        if let (false, Some(span)) = (has_destination, node.span()) {
            let message = "the route has no destination";
            let help = "begin the line with `default` or ADDRESS/LENGTH";
            self.report(Diagnostic::error(Code::Required, span, message).help(help));
            return None;
        }
        Some(route)
    }

    /// False: the word is no option.
    fn route_option(
        &mut self,
        word: &Word<'_>,
        line: &mut Line<'_, '_>,
        route: &mut Route,
        names: Option<&Names>,
    ) -> bool {
        match word.text {
            "inet" | "inet6" => {
                route.family = Family::from_word(word.text);
                let consequence = "keepalived loses the word behind it";
                self.portable(word.span, "the address family is read as a word of its own", consequence);
            }
            "src" => route.source = self.address_option_of(line, &mut route.family),
            "via" | "gw" => {
                // A gateway may be of the other family (RFC 5549).
                let mut family = line.take("inet6").then_some(Family::Ipv6);
                line.take("inet");
                route.via = self.address_option_of(line, &mut family);
            }
            "from" => {
                if let Some(word) = self.value(line) {
                    route.from = self.net(word, &mut route.family).flatten();
                }
            }
            "tos" | "dsfield" => route.tos = self.named_option(line),
            "table" => route.table = self.named_option(line),
            "protocol" => route.protocol = self.named_option(line),
            "scope" => route.scope = self.named_option(line),
            "metric" | "priority" | "preference" => {
                route.metric = self.number_option(line, word.text);
            }
            "dev" | "oif" => route.interface = self.value(line).and_then(|word| self.interface(word)),
            "vrf" => route.vrf = self.value(line).and_then(|word| self.interface(word)),
            "onlink" => route.onlink = true,
            "encap" => route.encap = self.encap(line),
            "expires" => route.expires = self.number_option(line, word.text),
            "features" => {
                if let Some(word) = self.value(line) {
                    route.ecn = self.choice(word, &[("ecn", true)]).is_some();
                }
            }
            "realms" => route.realms = self.realms(line),
            "pref" => {
                const PREFERENCES: [(&str, u8); 3] = [("high", 1), ("low", 3), ("medium", 0)];
                route.preference = self.value(line).and_then(|word| match word.text.parse() {
                    Ok(number) => Some(number),
                    Err(_) => self.choice(word, &PREFERENCES),
                });
            }
            "ttl-propagate" => {
                let choices = [("enabled", true), ("disabled", false)];
                route.ttl_propagate = self.value(line).and_then(|word| self.choice(word, &choices));
            }
            "congctl" => {
                let locked = line.take("lock");
                route.congestion_control =
                    self.value(line).map(|word| CongestionControl { name: word.text.to_string(), locked });
            }
            "add" => route.add = true,
            "prepend" => route.append = false,
            "append" => route.append = true,
            "no_track" => route.no_track = true,
            "track_group" => route.track_group = self.track_group_option(line, names),
            "or" => {
                if !line.take("via") {
                    line.take("gw");
                }
                let via = self.address_option_of(line, &mut None);
                route.hops.push(NextHop { via, ..NextHop::default() });
            }
            "nexthop" => self.next_hops(line, route),
            "as" => {
                line.take("to");
                let message = "`as` is for MPLS and has no effect";
                self.value(line);
                self.adjusted(Some(word.span), message, "the word and its address are ignored");
            }
            other => return self.route_metric(other, line, route),
        }
        true
    }

    fn route_metric(&mut self, word: &str, line: &mut Line<'_, '_>, route: &mut Route) -> bool {
        let Some((word, kind)) = MetricKind::WORDS.iter().find(|(name, _)| *name == word) else {
            return false;
        };
        let locked = line.take("lock");
        let number = match kind {
            MetricKind::RtoMin | MetricKind::Rtt | MetricKind::Rttvar => {
                self.value(line).and_then(|value| self.metric_time(word, value))
            }
            _ => self.number_option(line, word),
        };
        route.metrics.extend(number.map(|number| RouteMetric { kind: *kind, locked, number }));
        true
    }

    /// A time with its unit, or a bare number in the unit of the kernel.
    fn metric_time(&mut self, name: &str, word: &Word<'_>) -> Option<u32> {
        let text = word.text;
        let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
        let (number, unit) = text.split_at_checked(unit_at)?;
        let scale = match name {
            "rtt" => 8,
            "rttvar" => 4,
            _ => 1,
        };
        let found = microseconds(number).and_then(|(micros, _)| match unit {
            "" => Some(micros / 1_000_000),
            "ms" | "msec" | "msecs" => micros.checked_mul(scale).map(|micros| micros / 1_000_000),
            "s" | "sec" | "secs" => micros.checked_mul(scale).map(|micros| micros / 1000),
            _ => None,
        });
        let found = found.and_then(|number| u32::try_from(number).ok());
        if found.is_none() {
            let message = format!("`{name}` is `{text}`, which is no time");
            self.report(
                Diagnostic::error(Code::BadNumber, word.span, message)
                    .expected("NUMBER, NUMBERs or NUMBERms"),
            );
        }
        found
    }

    /// `nexthop via … dev … nexthop …`, up to the end of the line.
    fn next_hops(&mut self, line: &mut Line<'_, '_>, route: &mut Route) {
        line.kind = "(NEXTHOP)";
        let mut hop = NextHop::default();
        while let Some(word) = line.next() {
            match word.text {
                "via" => {
                    if !line.take("inet6") {
                        line.take("inet");
                    }
                    hop.via = self.address_option_of(line, &mut None);
                }
                "dev" | "oif" => hop.interface = self.value(line).and_then(|word| self.interface(word)),
                "weight" => hop.weight = self.number_option(line, word.text).unwrap_or(0),
                "onlink" => hop.onlink = true,
                "encap" => hop.encap = self.encap(line),
                "realms" => hop.realms = self.realms(line),
                "nexthop" => route.hops.push(std::mem::take(&mut hop)),
                "no_track" => route.no_track = true,
                _ => {
                    self.unknown_option_of("(NEXTHOP)", word, "a next hop");
                    break;
                }
            }
        }
        route.hops.push(hop);
    }

    fn encap(&mut self, line: &mut Line<'_, '_>) -> Option<Encap> {
        let kind = self.value(line)?;
        match kind.text {
            "mpls" => {
                let word = self.value(line)?;
                let labels = word
                    .text
                    .split('/')
                    .map(|label| label.parse::<u32>().ok().filter(|label| *label < 1 << 20));
                let labels: Option<Vec<u32>> = labels.collect();
                if labels.is_none() {
                    let message = format!("`{}` is no stack of labels", word.text);
                    self.report(
                        Diagnostic::error(Code::BadNumber, word.span, message)
                            .expected("0..1048575, with / between them"),
                    );
                }
                labels.map(Encap::Mpls)
            }
            "ila" => {
                let word = self.value(line)?;
                let parts: Vec<&str> = word.text.split(':').collect();
                let locator = parts.iter().try_fold(0u64, |sum, part| {
                    u16::from_str_radix(part, 16).ok().map(|part| sum << 16 | u64::from(part))
                });
                let locator = locator.filter(|_| parts.len() == 4);
                if locator.is_none() {
                    let message = format!("`{}` is no locator", word.text);
                    self.report(
                        Diagnostic::error(Code::BadAddress, word.span, message)
                            .expected("four groups of hexadecimal digits"),
                    );
                }
                locator.map(Encap::Ila)
            }
            "ip" | "ip6" => {
                let family = if kind.text == "ip6" { Family::Ipv6 } else { Family::Ipv4 };
                Some(self.ip_encap(family, line))
            }
            _ => self.choice(kind, &[("ila", ()), ("ip", ()), ("ip6", ()), ("mpls", ())]).and(None),
        }
    }

    fn ip_encap(&mut self, family: Family, line: &mut Line<'_, '_>) -> Encap {
        let (mut id, mut to, mut from, mut tos, mut ttl, mut flags) = (0, None, None, 0, 0, 0);
        let (row, class, hops) = match family {
            Family::Ipv4 => ("ip", "tos", "ttl"),
            Family::Ipv6 => ("ip6", "tc", "hoplimit"),
        };
        let row = keywords::line_option("(ENCAP)", row);
        while let Some(word) = line.peek() {
            match word.text {
                "id" => {
                    line.next();
                    id = self.number_behind(row, "id", line).unwrap_or(0);
                }
                "dst" | "remote" => {
                    line.next();
                    to = self.address_option_of(line, &mut None);
                }
                "src" | "local" => {
                    line.next();
                    from = self.address_option_of(line, &mut None);
                }
                "tos" | "tc" => {
                    line.next();
                    tos = self.number_behind(row, class, line).unwrap_or(0);
                }
                "ttl" | "hoplimit" => {
                    line.next();
                    ttl = self.number_behind(row, hops, line).unwrap_or(0);
                }
                "flags" => {
                    line.next();
                    flags = self.number_behind(row, "flags", line).unwrap_or(0);
                }
                _ => break,
            }
        }
        Encap::Ip { family, id, to, from, tos, ttl, flags }
    }
}
