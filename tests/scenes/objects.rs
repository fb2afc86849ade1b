//! What a node has in its kernel of links with an address of their own, addresses, routes and rules; what it has beyond, or lacks
//! of, what was there before.

use std::collections::BTreeSet;

use crate::node::Node;

pub fn of(node: &Node) -> BTreeSet<String> {
    let each = |command: &str, line: fn(&str) -> Option<String>| -> Vec<String> {
        node.sh(command).lines().filter_map(line).collect()
    };
    let mut objects = BTreeSet::new();
    objects.extend(each("ip -o -d link show type macvlan", link));
    objects.extend(each("ip -o addr", address));
    objects.extend(each("ip -o -d -4 route show table all; ip -o -d -6 route show table all", route));
    objects.extend(each("ip -d -4 rule", |line| Some(format!("rule {}", words(line)))));
    objects.extend(each("ip -d -6 rule", |line| Some(format!("rule of IPv6 {}", words(line)))));
    objects
}

/// `+` what has come, `-` what has gone.
pub fn changes(before: &BTreeSet<String>, now: &BTreeSet<String>) -> Vec<String> {
    let come = now.difference(before).map(|line| format!("+ {line}"));
    let gone = before.difference(now).map(|line| format!("- {line}"));
    let changes: Vec<String> = come.chain(gone).collect();
    if changes.is_empty() { vec!["as before".to_owned()] } else { changes }
}

/// One blank between two words; the ends of lines that `ip -o` folds are blanks too.
fn words(line: &str) -> String {
    line.replace('\\', " ").split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `3: NAME@BASE: <FLAGS> mtu … link/ether MAC … macvlan mode private … addrgenmode none …`
fn link(line: &str) -> Option<String> {
    let line = words(line);
    let mut parts = line.split(' ').skip(1);
    let name = parts.next()?.trim_end_matches(':');
    let up = parts.next()?.trim_matches(['<', '>']).split(',').any(|flag| flag == "UP");
    let behind = |word: &str| line.split_once(word).and_then(|(_, rest)| rest.split(' ').next());
    Some(format!(
        "link {name} {} {} macvlan {} addrgen {}",
        if up { "up" } else { "down" },
        behind("link/ether ")?,
        behind("macvlan mode ")?,
        behind("addrgenmode ")?
    ))
}

/// Without the number of its interface and its life time: an address that is not preferred is `deprecated` anyway.
fn address(line: &str) -> Option<String> {
    let line = words(line);
    let (_, line) = line.split_once(' ')?;
    let line = line.split(" valid_lft").next()?;
    (!line.starts_with("lo ")).then(|| format!("address {line}"))
}

/// Without those that the kernel makes of addresses.
fn route(line: &str) -> Option<String> {
    let line = words(line);
    let counts = !line.contains(" proto kernel");
    counts.then(|| format!("route {}", line.replace(" linkdown", "").replace(" dead", "")))
}
