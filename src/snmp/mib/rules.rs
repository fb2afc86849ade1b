//! Rules, static ones as those of an instance with the number 0.

use crate::config::model::{Named, Net, Rule, RuleAction};

use super::super::table::Table;
use super::super::value::Value;
use super::{Cells, Configured, numbers, vrrp};

pub(super) const RULES: u32 = 8;

pub(super) fn tables(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let mut rows = Vec::new();
    let statics = std::iter::once((0, &configured.statics.rules));
    for (number, rules) in statics.chain(configured.numbered().map(|(number, one)| (number, &one.rules))) {
        rows.extend(numbers(rules).map(|(at, rule)| (vec![number, at], of_rule(rule))));
    }
    out.push(Table::of(vrrp(RULES), rows));
}

fn number(named: &Named) -> Option<u32> {
    match named {
        Named::Number(number) => Some(*number),
        Named::Name(_) => None,
    }
}

fn of_rule(rule: &Rule) -> Vec<(u32, Value)> {
    let mut cells = Cells::default();
    let table = match &rule.action {
        Some(RuleAction::Table(table)) => number(table),
        _ => None,
    };
    // Two columns that are obsolete: of source and destination, the one that there is.
    let (word, net) = match (rule.from, rule.to) {
        (Some(from), Some(_)) => ("both", Some(from)),
        (Some(from), None) => ("from", Some(from)),
        (None, Some(to)) => ("to", Some(to)),
        (None, None) => ("", None),
    };
    if let Some(net) = net {
        cells.put(2, Value::text(word));
        network(&mut cells, 3, Some(net));
    }
    cells.maybe(6, table.map(Value::gauge));
    cells.put(8, Value::truth(rule.invert));
    network(&mut cells, 9, rule.to);
    network(&mut cells, 12, rule.from);
    cells.put(15, Value::gauge(rule.tos.as_ref().and_then(number).unwrap_or(0)));
    cells.maybe(16, rule.fwmark.map(|(mark, _)| Value::gauge(mark)));
    cells.maybe(17, rule.fwmark.filter(|(_, mask)| *mask != u32::MAX).map(|(_, mask)| Value::gauge(mask)));
    cells.maybe(18, rule.realms.map(|realms| Value::gauge(realms & 0xffff)));
    cells.maybe(19, rule.realms.map(|realms| Value::gauge(realms >> 16)));
    cells.maybe(20, rule.input.as_ref().map(|name| Value::text(name.as_str())));
    cells.maybe(21, rule.output.as_ref().map(|name| Value::text(name.as_str())));
    if let Some(RuleAction::Goto(target)) = rule.action {
        cells.put(22, Value::gauge(target));
    }
    cells.maybe(
        23,
        rule.action.as_ref().map(|action| {
            Value::Integer(match action {
                RuleAction::Table(_) | RuleAction::L3mdev => 1,
                RuleAction::Goto(_) => 2,
                RuleAction::Nop => 3,
                RuleAction::Blackhole => 6,
                RuleAction::Unreachable => 7,
                RuleAction::Prohibit => 8,
            })
        }),
    );
    cells.maybe(24, table.map(Value::gauge));
    cells.maybe(25, rule.preference.map(Value::gauge));
    cells.maybe(26, rule.suppress_prefix.map(Value::gauge));
    cells.maybe(28, rule.tunnel.map(|id| Value::gauge(id >> 32)));
    cells.maybe(29, rule.tunnel.map(|id| Value::gauge(id & u64::from(u32::MAX))));
    cells.maybe(30, rule.users.map(|(first, _)| Value::gauge(first)));
    cells.maybe(31, rule.users.map(|(_, last)| Value::gauge(last)));
    if rule.action == Some(RuleAction::L3mdev) {
        cells.put(32, Value::truth(true));
    }
    cells.maybe(33, rule.protocol.map(|protocol| Value::integer(i32::from(protocol) + 1)));
    cells.maybe(34, rule.ip_protocol.as_ref().and_then(number).map(Value::gauge));
    cells.maybe(35, rule.source_ports.map(|(first, _)| Value::gauge(first)));
    cells.maybe(36, rule.source_ports.map(|(_, last)| Value::gauge(last)));
    cells.maybe(37, rule.ports.map(|(first, _)| Value::gauge(first)));
    cells.maybe(38, rule.ports.map(|(_, last)| Value::gauge(last)));
    cells.0
}

/// Family, address and length of the prefix.
fn network(cells: &mut Cells, first: u32, net: Option<Net>) {
    let Some(net) = net else { return };
    cells.put(first, Value::family(net.address.is_ipv6()));
    cells.put(first + 1, Value::address(net.address));
    cells.put(first + 2, Value::gauge(net.prefix));
}
