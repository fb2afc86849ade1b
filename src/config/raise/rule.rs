//! Lines of `virtual_rules` and `static_rules`.

use super::Word;
use super::address::written;
use super::block::plain;
use super::route::{named, realms};
use super::script::option;
use crate::config::model::{Family, Rule, RuleAction};

/// One line.
pub(super) fn rule(rule: &Rule) -> Vec<Word> {
    let told = rule.from.or(rule.to).map(|net| Family::of(net.address));
    let mut words = Vec::new();
    if let (Some(family), true) = (rule.family, rule.family != told) {
        words.push(plain(family.word()));
    }
    words.extend(rule.invert.then(|| plain("not")));
    words.extend(option("from", rule.from.map(written)));
    words.extend(option("to", rule.to.map(written)));
    words.extend(option("preference", rule.preference));
    words.extend(option("tos", rule.tos.as_ref().map(named)));
    let mark = rule.fwmark.map(|(mark, mask)| match mask {
        u32::MAX => mark.to_string(),
        mask => format!("{mark}/0x{mask:x}"),
    });
    words.extend(option("fwmark", mark));
    words.extend(option("dev", rule.input.as_ref()));
    words.extend(option("oif", rule.output.as_ref()));
    words.extend(option("tunnel-id", rule.tunnel));
    words.extend(option("uidrange", rule.users.map(range)));
    words.extend(option("protocol", rule.protocol));
    words.extend(option("ipproto", rule.ip_protocol.as_ref().map(named)));
    words.extend(option("sport", rule.source_ports.map(range)));
    words.extend(option("dport", rule.ports.map(range)));
    words.extend(option("realms", rule.realms.map(realms)));
    words.extend(option("suppress_prefixlength", rule.suppress_prefix));
    words.extend(option("suppress_ifgroup", rule.suppress_group.as_ref().map(named)));
    match &rule.action {
        Some(RuleAction::Table(table)) => words.extend(option("table", Some(named(table)))),
        Some(RuleAction::Goto(target)) => words.extend(option("goto", Some(target))),
        Some(RuleAction::L3mdev) => words.push(plain("l3mdev")),
        Some(RuleAction::Nop) => words.push(plain("nop")),
        Some(RuleAction::Blackhole) => words.push(plain("blackhole")),
        Some(RuleAction::Unreachable) => words.push(plain("unreachable")),
        Some(RuleAction::Prohibit) => words.push(plain("prohibit")),
        None => {}
    }
    words.extend(rule.no_track.then(|| plain("no_track")));
    words.extend(option("track_group", rule.track_group.as_ref()));
    words
}

fn range<T: std::fmt::Display>((low, high): (T, T)) -> String {
    format!("{low}-{high}")
}
