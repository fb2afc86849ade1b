//! What differs between two configurations, one line for each change.
//!
//! In: two [`Model`]s. Out: [`Change`]s, in the order of the statements of the newer one. Both are written as
//! statements with their defaults, so whatever the language can say is compared, in the words of the language. Secrets
//! are compared and never shown.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::dump::shown;
use super::keywords::{self, BlockId, ROOT};
use super::model::{Model, Service, VirtualServer};
use super::raise::{Statement, Word, raise};

/// One thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The blocks around it, outermost first: `virtual_server 10.0.0.1 80`, `real_server 10.0.1.1 80`.
    pub blocks: Vec<String>,
    /// Keyword of the setting, or head of the block.
    pub what: String,
    /// What became of it.
    pub how: How,
}

/// What became of a thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// It is new.
    Added,
    /// It is no longer configured.
    Removed,
    /// It has another value; `None`: none is written.
    Changed {
        /// Before.
        from: Option<String>,
        /// Now.
        to: Option<String>,
    },
    /// It has another value, which nobody may see.
    Secret,
}

impl Change {
    /// Whether something that was configured is gone, or has another value.
    pub fn takes_away(&self) -> bool {
        match &self.how {
            How::Added => false,
            How::Changed { from, .. } => from.is_some(),
            How::Removed | How::Secret => true,
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for block in &self.blocks {
            write!(f, "{block}: ")?;
        }
        f.write_str(&self.what)?;
        match &self.how {
            How::Added => f.write_str(" added"),
            How::Removed => f.write_str(" no longer configured"),
            How::Changed { from, to } => {
                let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
                write!(f, " {} -> {}", text(from), text(to))
            }
            How::Secret => f.write_str(" changed"),
        }
    }
}

/// What differs, from `old` to `new`.
pub fn changes(old: Model, new: Model) -> Vec<Change> {
    if old == new {
        return Vec::new();
    }
    let mut found = Vec::new();
    let root = Place { blocks: Vec::new(), id: ROOT, data: false };
    let (old, new) = differing(old, new);
    root.compare(&raise(&old, true), &raise(&new, true), &mut found);
    // The method of the virtual server is told once, not of each real server that takes it over.
    let kinds: Vec<Change> = found.iter().filter(|change| change.what == "lb_kind").cloned().collect();
    let repeats = |change: &Change, kind: &Change| {
        change.what == "lvs_method" && change.how == kind.how && change.blocks.starts_with(&kind.blocks)
    };
    found.retain(|change| !kinds.iter().any(|kind| repeats(change, kind)));
    if found.is_empty() {
        let how = How::Changed { from: Some("as before".to_owned()), to: Some("another".to_owned()) };
        found.push(Change { blocks: Vec::new(), what: "order of the statements".to_owned(), how });
    }
    found
}

/// Both without the virtual servers that are equal in them: there may be thousands, and one that differs.
fn differing(mut old: Model, mut new: Model) -> (Model, Model) {
    let known = single(&old);
    let same = |service: &Service, server: &Arc<VirtualServer>| {
        known.get(service).is_some_and(|known| *known == server)
    };
    let equal: BTreeSet<Service> = single(&new)
        .into_iter()
        .filter(|(service, server)| same(service, server))
        .map(|(service, _)| service)
        .collect();
    for model in [&mut old, &mut new] {
        model.virtual_servers.retain(|server| !equal.contains(&server.service));
    }
    (old, new)
}

/// The virtual servers whose service no other has.
fn single(model: &Model) -> BTreeMap<Service, &Arc<VirtualServer>> {
    let mut seen: BTreeMap<Service, Option<&Arc<VirtualServer>>> = BTreeMap::new();
    for server in &model.virtual_servers {
        seen.entry(server.service).and_modify(|known| *known = None).or_insert(Some(server));
    }
    seen.into_iter().filter_map(|(service, server)| Some((service, server?))).collect()
}

/// Settings of a virtual or real server that its checks state for themselves.
const OF_CHECKS: [&str; 6] =
    ["alpha", "connect_timeout", "delay_before_retry", "delay_loop", "retry", "warmup"];

/// Where two lists of statements stand.
#[derive(Clone)]
struct Place {
    /// The heads of the blocks.
    blocks: Vec<String>,
    id: BlockId,
    /// Its lines start with no keyword.
    data: bool,
}

impl Place {
    fn compare(&self, old: &[Statement], new: &[Statement], out: &mut Vec<Change>) {
        let (before, now) = (self.by_key(old, new), self.by_key(new, old));
        for key in &now.order {
            self.group(before.of(key), now.of(key), out);
        }
        for key in before.order.iter().filter(|key| now.of(key).is_empty()) {
            self.group(before.of(key), &[], out);
        }
    }

    /// The statements of one key in both: equal ones belong together, the others in their order.
    fn group(&self, old: &[&Statement], new: &[&Statement], out: &mut Vec<Change>) {
        let mut old = old.to_vec();
        let mut new = new.to_vec();
        new.retain(|statement| match old.iter().position(|other| other == statement) {
            Some(at) => {
                old.remove(at);
                false
            }
            None => true,
        });
        for (old, new) in old.iter().zip(&new) {
            match (&old.body, &new.body) {
                (Some(before), Some(now)) => self.within(new).compare(before, now, out),
                _ => out.push(self.changed(old, new)),
            }
        }
        out.extend(old.iter().skip(new.len()).map(|old| self.single(old, false)));
        out.extend(new.iter().skip(old.len()).map(|new| self.single(new, true)));
    }

    fn within(&self, block: &Statement) -> Self {
        let found = keywords::lookup(self.id, first(block));
        let mut blocks = self.blocks.clone();
        blocks.push(shown(&block.words));
        Self {
            blocks,
            id: found.and_then(|found| found.opens).unwrap_or(self.id),
            data: found.is_some_and(|found| found.keyword.is_value_block()),
        }
    }

    /// Two lines with the same key.
    fn changed(&self, old: &Statement, new: &Statement) -> Change {
        let how = match is_secret(old) || is_secret(new) {
            true => How::Secret,
            false => How::Changed { from: Some(value(old)), to: Some(value(new)) },
        };
        Change { blocks: self.blocks.clone(), what: first(new).to_owned(), how }
    }

    /// What stands on one side only: a setting has no value on the other, a thing is not there.
    fn single(&self, statement: &Statement, is_new: bool) -> Change {
        let setting = statement.body.is_none() && !self.data && !is_secret(statement);
        let (what, how) = match (setting, is_new) {
            (true, true) => {
                (first(statement).to_owned(), How::Changed { from: None, to: Some(value(statement)) })
            }
            (true, false) => {
                (first(statement).to_owned(), How::Changed { from: Some(value(statement)), to: None })
            }
            (false, true) => (shown(&statement.words), How::Added),
            (false, false) => (shown(&statement.words), How::Removed),
        };
        Change { blocks: self.blocks.clone(), what, how }
    }

    /// A word that starts one line on both sides is the key of its line; a block is known by its head, a virtual
    /// server by its protocol too, a page by its path; everything else by all of its words.
    fn by_key<'a>(&self, own: &'a [Statement], other: &[Statement]) -> ByKey<'a> {
        let (ours, theirs) = (repeated(own), repeated(other));
        let inherits = has_named(own) || has_named(other);
        let mut found = ByKey { order: Vec::new(), statements: BTreeMap::new() };
        for statement in own.iter().filter(|statement| self.counts(statement, inherits)) {
            let name = first(statement);
            let key = match &statement.body {
                Some(body) => key_of_block(statement, body),
                None if ours.contains(name) || theirs.contains(name) => shown(&statement.words),
                None => name.to_owned(),
            };
            let same = found.statements.entry(key.clone()).or_default();
            if same.is_empty() {
                found.order.push(key);
            }
            same.push(statement);
        }
        found
    }

    /// What is off says as much as what is not there. `inherits`: a check of the server is defined elsewhere, and what the
    /// server hands down to it is told nowhere else.
    fn counts(&self, statement: &Statement, inherits: bool) -> bool {
        let of_server =
            |block: &String| block.starts_with("virtual_server ") || block.starts_with("real_server ");
        let of_checks = || statement.body.is_none() && OF_CHECKS.contains(&first(statement));
        let told_inside = !inherits && self.blocks.last().is_some_and(of_server) && of_checks();
        !statement.off && !told_inside
    }
}

/// Whether one of them is `check NAME`, or has it inside.
fn has_named(statements: &[Statement]) -> bool {
    statements.iter().any(|statement| match &statement.body {
        Some(body) => has_named(body),
        None => first(statement) == "check",
    })
}

/// Statements by what makes them the same ones in both configurations, and the order of their first ones.
struct ByKey<'a> {
    order: Vec<String>,
    statements: BTreeMap<String, Vec<&'a Statement>>,
}

impl<'a> ByKey<'a> {
    fn of(&self, key: &str) -> &[&'a Statement] {
        self.statements.get(key).map_or(&[], Vec::as_slice)
    }
}

fn key_of_block(statement: &Statement, body: &[Statement]) -> String {
    let of = |keyword: &'static str| body.iter().find(|inner| first(inner) == keyword);
    let more = match first(statement) {
        "virtual_server" => of("protocol"),
        "url" => of("path"),
        _ => None,
    };
    let words = std::iter::once(statement).chain(more).map(|statement| shown(&statement.words));
    words.collect::<Vec<_>>().join(" ")
}

/// First words of more than one line.
fn repeated(statements: &[Statement]) -> BTreeSet<&str> {
    let mut seen = BTreeSet::new();
    let lines = statements.iter().filter(|statement| statement.body.is_none());
    lines.map(first).filter(|name| !seen.insert(*name)).collect()
}

fn is_secret(statement: &Statement) -> bool {
    statement.words.iter().any(|word| matches!(word, Word::Secret(_)))
}

fn first(statement: &Statement) -> &str {
    match statement.words.first() {
        Some(Word::Plain(word)) => word,
        _ => "",
    }
}

/// The words behind the first; a keyword alone is on.
fn value(statement: &Statement) -> String {
    match statement.words.get(1..) {
        Some(words) if !words.is_empty() => shown(words),
        _ => "on".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::source::Texts;
    use crate::config::{Options, load};

    const FILE: &str = "global_defs {
 router_id a
}
vrrp_instance VI_1 {
 interface eth0
 virtual_router_id 51
 priority 100
 authentication {
  auth_type PASS
  auth_pass 1111
 }
 unicast_peer {
  192.168.100.2
 }
 virtual_ipaddress {
  192.168.100.240
 }
}
virtual_server 192.168.100.240 80 {
 delay_loop 6
 lb_algo rr
 lb_kind NAT
 protocol TCP
 real_server 192.168.100.8 80 {
  weight 1
  TCP_CHECK {
   connect_timeout 3
  }
 }
 real_server 192.168.100.9 80 {
  HTTP_GET {
   url {
    path /
    status_code 200
   }
  }
 }
}
";

    fn model(text: &str) -> Model {
        let loaded = load(Path::new("t"), &Texts::one("t", text), &Options::default());
        loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
    }

    /// The lines of an edit, and that the way back has as many.
    fn lines(from: &str, to: &str) -> Vec<String> {
        let (old, new) = (model(FILE), model(&FILE.replace(from, to)));
        assert_ne!(old, new, "{from} is not in the file");
        let lines: Vec<String> = changes(old.clone(), new.clone()).iter().map(ToString::to_string).collect();
        assert_eq!(changes(new, old).len(), lines.len());
        lines
    }

    #[test]
    fn one_line_for_each_change() {
        const VI: &str = "vrrp_instance VI_1: ";
        const VS: &str = "virtual_server 192.168.100.240 80: ";
        const RS: &str = "virtual_server 192.168.100.240 80: real_server 192.168.100.8 80: ";
        let cases: &[(&str, &str, &[&str])] = &[
            ("router_id a", "router_id b", &["global_defs: router_id a -> b"]),
            ("priority 100", "priority 120", &[&format!("{VI}priority 100 -> 120")]),
            ("priority 100", "", &[]),
            (
                "priority 100",
                "priority 100\n nopreempt",
                &[&format!("{VI}nopreempt none -> on"), &format!("{VI}preempt_delay 0 -> none")],
            ),
            ("priority 100", "advert_int 3", &[&format!("{VI}advert_int 1 -> 3")]),
            ("1111", "2222", &[&format!("{VI}authentication: auth_pass changed")]),
            (
                "  192.168.100.240\n",
                "  192.168.100.240\n  192.168.100.241\n",
                &[&format!("{VI}virtual_ipaddress: 192.168.100.241/32 scope global added")],
            ),
            (
                "  192.168.100.240\n",
                "  192.168.100.240/24\n",
                &[
                    &format!("{VI}virtual_ipaddress: 192.168.100.240/24 scope global added"),
                    &format!("{VI}virtual_ipaddress: 192.168.100.240/32 scope global no longer configured"),
                ],
            ),
            (
                "  192.168.100.2\n",
                "  192.168.100.3\n",
                &[
                    &format!("{VI}unicast_peer: 192.168.100.3 added"),
                    &format!("{VI}unicast_peer: 192.168.100.2 no longer configured"),
                ],
            ),
            ("algo rr", "algo wrr", &[&format!("{VS}lb_algo rr -> wrr")]),
            ("algo rr", "algo sh", &[&format!("{VS}lb_algo rr -> sh")]),
            ("kind NAT", "kind DR", &[&format!("{VS}lb_kind NAT -> DR")]),
            (
                "protocol TCP",
                "protocol TCP\n persistence_timeout 60\n quorum 2",
                &[
                    &format!("{VS}persistence_timeout none -> 60"),
                    &format!("{VS}quorum 1 -> 2"),
                    &format!("{VS}persistence_granularity none -> 255.255.255.255"),
                ],
            ),
            ("weight 1", "weight 5", &[&format!("{RS}weight 1 -> 5")]),
            ("connect_timeout 3", "connect_timeout 2", &[&format!("{RS}TCP_CHECK: connect_timeout 3 -> 2")]),
            (
                "  TCP_CHECK {\n   connect_timeout 3\n  }\n",
                "",
                &[&format!("{RS}TCP_CHECK no longer configured")],
            ),
            (
                "protocol TCP",
                "protocol UDP",
                &[
                    "virtual_server 192.168.100.240 80 added",
                    "virtual_server 192.168.100.240 80 no longer configured",
                ],
            ),
            (
                "real_server 192.168.100.9",
                "real_server 192.168.100.10",
                &[
                    &format!("{VS}real_server 192.168.100.10 80 added"),
                    &format!("{VS}real_server 192.168.100.9 80 no longer configured"),
                ],
            ),
        ];
        for (from, to, expected) in cases {
            if expected.is_empty() {
                assert_eq!(model(FILE), model(&FILE.replace(from, to)));
                continue;
            }
            let mut found = lines(from, to);
            let mut expected = expected.to_vec();
            found.sort();
            expected.sort_unstable();
            assert_eq!(found, expected, "{from} -> {to}");
        }
    }

    #[test]
    fn a_setting_of_the_service_is_told_of_the_checks_that_take_it_over() {
        let found = lines("delay_loop 6", "delay_loop 3");
        let told = |words: &str| found.iter().filter(|line| line.ends_with(words)).count();
        assert_eq!(told("TCP_CHECK: delay_loop 6 -> 3"), 1, "{found:#?}");
        assert_eq!(told("HTTP_GET: delay_loop 6 -> 3"), 1, "{found:#?}");
        assert!(!found.iter().any(|line| line.contains("80: delay_loop")), "{found:#?}");
    }

    #[test]
    fn what_takes_away() {
        let less = |from: &str, to: &str| {
            let found = changes(model(FILE), model(&FILE.replace(from, to)));
            found.iter().any(Change::takes_away)
        };
        assert!(less("priority 100", "priority 120"));
        assert!(less("  192.168.100.240\n", "  192.168.100.241\n"));
        assert!(!less("  192.168.100.240\n", "  192.168.100.240\n  192.168.100.241\n"));
        assert!(!less("protocol TCP", "protocol TCP\n persistence_timeout 60"));
    }

    #[test]
    fn whatever_the_language_says_leaves_a_line() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples");
        let mut models = vec![Model::default()];
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "conf") {
                models.push(model(&std::fs::read_to_string(path).unwrap()));
            }
        }
        assert!(models.len() > 3);
        for one in &models {
            for other in &models {
                assert_eq!(changes(one.clone(), other.clone()).is_empty(), one == other);
            }
        }
    }
}
