//! The tree to the typed model: one file per block family, readers of values in [`values`].
//!
//! In: nodes whose words are legal where they stand. Out: a [`Model`], defaults filled in, and what is wrong
//! with values and between them. An error never stops the reading, so that one run names them all; a model
//! that was read with errors must not be used.

mod address;
mod checkers;
mod complete;
mod globals;
mod group;
mod groups;
mod lvs;
mod named;
mod numbers;
mod option;
mod probe;
mod process;
mod real;
mod regex;
mod route;
mod rule;
mod script;
mod service;
mod tls;
mod track;
mod url;
mod values;
mod vrrp;
mod words;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use super::keywords::{Keyword, Status, closest};
use super::model::{Fallbacks, Model, Timing, UrlRegex};
use super::slips;
use super::source::{Sources, Span};
use super::supported::{self, Feature};
use super::tree::{Node, SHOWN, Word, title};

/// Reads the whole tree.
pub(super) fn lower(
    tree: &[Node<'_>],
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> (Model, Fallbacks) {
    let (blocks, statements, seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut lower = Lower {
        sources,
        diagnostics,
        blocks,
        statements,
        seen,
        quiet: 0,
        said_repeated: false,
        slip: None,
        timing: None,
        pattern: None,
    };
    let filters = tree.iter().filter(|node| is_globals(node)).flat_map(inside).any(asks_for_filter);
    let mut defaults = globals::Defaults { filters, ..globals::Defaults::default() };
    for node in tree.iter().filter(|node| is_globals(node)) {
        lower.globals(node, &mut defaults);
    }
    let mut model = Model { globals: defaults.globals.clone(), ..Model::default() };
    let mut instances = vrrp::Instances::default();
    let mut services = service::Services::default();
    let mut names = names(tree);
    model.checks = lower.named_checks(tree, &mut names);
    let mut groups = groups::Groups::default();
    services.groups = named(tree, &["virtual_server_group"]);
    let members = named(tree, &["vrrp_instance"]);
    lower.each(tree, |lower, word, node| match word {
        // They are read above.
        "global_defs" | "check" => {}
        "vrrp_instance" => {
            model.instances.extend(lower.instance(node, &defaults, &mut instances, &names));
        }
        "virtual_server" => match lower.virtual_server(node, &mut services, &names) {
            Some(service::Whole::One(server)) => services.add(server, &mut model.virtual_servers),
            Some(service::Whole::Group(server)) => model.grouped_servers.push(server),
            None => {}
        },
        "virtual_server_group" => {
            lower.shadowed(node, &services.groups);
            model.server_groups.extend(lower.server_group(node));
        }
        "vrrp_sync_group" => {
            model.sync_groups.extend(lower.sync_group(node, &names, &members, &mut groups));
        }
        "vrrp_script" => {
            lower.shadowed(node, &names.scripts);
            model.scripts.extend(lower.track_script(node));
        }
        "vrrp_track_process" => {
            lower.shadowed(node, &names.processes);
            model.processes.extend(lower.track_process(node));
        }
        "track_file" | "vrrp_track_file" => {
            lower.shadowed(node, &names.files);
            model.files.extend(lower.track_file(node));
        }
        "bfd_instance" => {
            let session = lower.bfd_instance(node, &names.bfd, &model.bfd);
            model.bfd.extend(session);
        }
        "track_group" => model.track_groups.extend(lower.track_group(node)),
        "garp_group" => model.garp_groups.push(lower.garp_group(node)),
        "interface_up_down_delays" => lower.link_delays(node, &mut model.link_delays),
        "linkbeat_interfaces" => lower.linkbeat(node, &mut model.linkbeat),
        "static_ipaddress" | "static_routes" | "static_rules" => {
            lower.static_entries(word, node, &mut model, &names);
        }
        "SSL" => model.ssl = Some(lower.ssl(node)),
        _ => lower.root_setting(word, node, &mut model.globals),
    });
    lower.followed(tree, model.globals.lvs.sync_daemon.as_ref(), &members);
    // An instance that is not right is no member: the others of its group go on as one.
    let there: BTreeSet<&String> = model.instances.iter().map(|instance| &instance.name).collect();
    for group in &mut model.sync_groups {
        group.members.retain(|member| there.contains(member));
    }
    model.sync_groups.retain(|group| !group.members.is_empty());
    (model, defaults.fallbacks())
}

/// The names that lines may refer to, wherever they are defined: keepalived wants them above.
fn names(tree: &[Node<'_>]) -> track::Names {
    track::Names {
        scripts: named(tree, &["vrrp_script"]),
        processes: named(tree, &["vrrp_track_process"]),
        files: named(tree, &["track_file", "vrrp_track_file"]),
        bfd: named(tree, &["bfd_instance"]),
        untold: untold(tree),
        track_groups: named(tree, &["track_group"]),
        checks: named(tree, &["check"]),
        defined: BTreeMap::new(),
        reversed: KINDS.into_iter().flat_map(|(what, kinds)| reversed(tree, what, kinds)).collect(),
    }
}

/// The BFD sessions that tell one side only, with the other.
fn untold(tree: &[Node<'_>]) -> BTreeSet<(track::Listener, String)> {
    use track::Listener::{Checker, Vrrp};
    let first = named(tree, &["bfd_instance"]);
    let blocks = tree.iter().filter(|node| node.keyword.is_some_and(|row| row.path == "bfd_instance"));
    let of = |node: &Node<'_>| {
        let name = node.words.get(1).filter(|name| first.get(name.text) == Some(&name.span))?;
        let says = |who: track::Listener| {
            inside(node).iter().any(|line| line.keyword.is_some_and(|row| row.word() == who.word()))
        };
        let not = match (says(Vrrp), says(Checker)) {
            (true, false) => Checker,
            (false, true) => Vrrp,
            _ => return None,
        };
        Some((not, name.text.to_string()))
    };
    blocks.filter_map(of).collect()
}

/// What can be tracked with a weight, and the words of its blocks.
const KINDS: [(&str, &[&str]); 4] = [
    ("vrrp_script", &["vrrp_script"]),
    ("track_file", &["track_file", "vrrp_track_file"]),
    ("vrrp_track_process", &["vrrp_track_process"]),
    ("bfd_instance", &["bfd_instance"]),
];

/// The blocks of these kinds whose `weight` is in `reverse`.
fn reversed(tree: &[Node<'_>], what: &'static str, kinds: &[&str]) -> Vec<(&'static str, String)> {
    let first = named(tree, kinds);
    let is_reversed = |node: &&Node<'_>| {
        let mut weights =
            inside(node).iter().filter(|line| line.words.first().is_some_and(|word| word.text == "weight"));
        weights.next_back().and_then(|line| line.words.get(2)).is_some_and(|word| word.text == "reverse")
    };
    let blocks = tree.iter().filter(|node| node.keyword.is_some_and(|row| kinds.contains(&row.path)));
    let names = blocks.filter(is_reversed).filter_map(|node| node.words.get(1));
    let counts = names.filter(|name| first.get(name.text) == Some(&name.span));
    counts.map(|name| (what, name.text.to_string())).collect()
}

/// The blocks of these kinds, by name; of two with one name the first.
fn named(tree: &[Node<'_>], kinds: &[&str]) -> BTreeMap<String, Span> {
    let mut names = BTreeMap::new();
    for node in tree.iter().filter(|node| node.keyword.is_some_and(|row| kinds.contains(&row.path))) {
        if let Some(name) = node.words.get(1) {
            names.entry(name.text.to_string()).or_insert(name.span);
        }
    }
    names
}

#[cfg(test)]
mod tests;

fn is_globals(node: &Node<'_>) -> bool {
    node.keyword.is_some_and(|keyword| keyword.path == "global_defs")
}

/// Whether a statement of the globals asks for a packet filter.
fn asks_for_filter(node: &Node<'_>) -> bool {
    let words = ["nftables", "vrrp_iptables", "vrrp_ipsets"];
    node.keyword.is_some_and(|keyword| words.contains(&keyword.word()))
}

/// The words in front of a `{`, for messages; no text is made before there is one.
#[derive(Clone, Copy)]
struct Title {
    /// In JSON it stands outside of the braces, where there is no word of its own for each block.
    word: &'static str,
    others: [Option<Span>; SHOWN - 1],
}

impl Title {
    fn of(node: &Node<'_>) -> Self {
        let mut others = [None; SHOWN - 1];
        for (span, word) in others.iter_mut().zip(arguments(node)) {
            *span = Some(word.span);
        }
        Self { word: node.keyword.map_or("", Keyword::word), others }
    }

    fn text(&self, sources: &Sources) -> String {
        let others = self.others.iter().flatten().map(|span| sources.text(*span));
        title(std::iter::once(self.word).chain(others)).unwrap_or_default()
    }
}

struct Lower<'a> {
    sources: &'a Sources,
    diagnostics: &'a mut Diagnostics,
    /// Titles of the blocks around the place that is read.
    blocks: Vec<Title>,
    /// The statements so far of the blocks around the place, each word once, and where it was last.
    statements: Vec<(&'static str, Span)>,
    /// What may be named once in the block that is read: what it is, and its name.
    seen: BTreeSet<(&'static str, String)>,
    /// Blocks around the place that have no effect: what is in them is not said to have none once more.
    quiet: usize,
    /// The statement is there again, and its reader has said which one counts.
    said_repeated: bool,
    /// The word with a sign of another language that was reported last.
    slip: Option<Span>,
    /// That of the last check.
    timing: Option<Arc<Timing>>,
    /// The last pattern that is one.
    pattern: Option<Box<UrlRegex>>,
}

impl Lower<'_> {
    /// Hands out the statements, by the word that counts today. How far this version goes with them is
    /// reported here, once per keyword.
    fn each<'n, 's>(
        &mut self,
        nodes: &'n [Node<'s>],
        mut handle: impl FnMut(&mut Self, &'static str, &'n Node<'s>),
    ) {
        let before = self.statements.len();
        for node in nodes {
            let Some((keyword, first)) = node.keyword.zip(node.words.first()) else { continue };
            let word = self.status(keyword, first.span);
            let quiet = usize::from(keyword.is_block() && keyword.status.is_silent());
            self.quiet += quiet;
            self.said_repeated = false;
            handle(self, word, node);
            self.quiet -= quiet;
            if !keyword.is_block() && !REPEATABLE.contains(&word) && !self.said_repeated {
                self.repeated(before, word, first.span);
            }
        }
        self.statements.truncate(before);
    }

    /// Enters a block for the time of `inside`.
    fn within<T>(&mut self, node: &Node<'_>, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.blocks.push(Title::of(node));
        let seen = std::mem::take(&mut self.seen);
        let result = inside(self);
        self.seen = seen;
        self.blocks.pop();
        result
    }

    /// The word to read a keyword as.
    fn status(&mut self, keyword: &'static Keyword, span: Span) -> &'static str {
        let name = keyword.word();
        match keyword.status {
            Status::Implemented => {}
            Status::Replaced(today) => {
                self.grouped(name, span, || {
                    Diagnostic::note(Code::Old, span, format!("`{name}` is an old word, read as `{today}`"))
                        .fix(span, today)
                });
                return today;
            }
            // What a block without effect says of itself goes for what is in it, unless that says more.
            _ if self.quiet > 0 && !keyword.says_more() => {}
            Status::Ignored(why) => self.grouped(keyword.path, span, || {
                Diagnostic::note(Code::Old, span, format!("`{name}` has no effect")).consequence(why)
            }),
            Status::NotYet(consequence) => self.grouped(keyword.path, span, || {
                let message = format!("`{name}` has no effect in this version");
                Diagnostic::warning(Code::NotYet, span, message).consequence(consequence)
            }),
            Status::LeftOut(consequence) => self.grouped(keyword.path, span, || {
                left_out(span, format!("`{name}` is not supported by this version")).consequence(consequence)
            }),
        }
        name
    }

    /// `before`: where the statements of this block start in the list.
    fn repeated(&mut self, before: usize, word: &'static str, span: Span) {
        match self.statements.iter_mut().skip(before).find(|(other, _)| *other == word) {
            Some((_, first)) => {
                let before = std::mem::replace(first, span);
                self.report(
                    Diagnostic::warning(Code::Repeated, span, format!("`{word}` is set again"))
                        .label("this one counts")
                        .related(before, "this one does not"),
                );
            }
            None => self.statements.push((word, span)),
        }
    }

    /// The name that an undefined one was most likely meant to be; not looked for once there are too many of them.
    fn near<'n>(&self, name: &str, known: &'n BTreeMap<String, Span>) -> Option<&'n str> {
        let wanted = !self.diagnostics.is_full(Code::Undefined);
        wanted.then(|| closest(name, known.keys().map(String::as_str))).flatten()
    }

    fn grouped(&mut self, key: impl Into<Cow<'static, str>>, span: Span, make: impl FnOnce() -> Diagnostic) {
        self.diagnostics.push_grouped(key, span, make);
    }

    /// The blocks around the place, outermost first.
    fn around(&self) -> Option<String> {
        let titles: Vec<String> = self.blocks.iter().map(|title| title.text(self.sources)).collect();
        (!titles.is_empty()).then(|| titles.join(", "))
    }

    /// Adds the blocks around it.
    fn report(&mut self, mut diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Error
            && diagnostic.fix.is_none()
            && let Some(span) = diagnostic.span
            && let Some(slip) = slips::slip(self.sources.text(span))
        {
            if self.slip == Some(span) {
                return;
            }
            self.slip = Some(span);
            diagnostic.help = Some(slip.help);
            diagnostic = match slip.meant.filter(|meant| !meant.is_empty()) {
                Some(meant) => diagnostic.fix(span, meant),
                None => diagnostic,
            };
        }
        let block = if self.diagnostics.is_full(diagnostic.code) { None } else { self.around() };
        self.diagnostics.push(Diagnostic { block, ..diagnostic });
    }
}

/// Legal, and this version cannot run it; `None`: it can. Keepalived can, so the file is right: `--check` warns, and the
/// daemon starts without the block that it is in.
fn unsupported(feature: Feature, span: Span) -> Option<Diagnostic> {
    let missing = supported::missing(feature)?;
    let message = format!("{} is not supported by this version", missing.what);
    let diagnostic = left_out(span, message).consequence(missing.consequence);
    Some(match missing.help {
        Some(help) => diagnostic.help(help),
        None => diagnostic,
    })
}

fn left_out(span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(Code::LeftOut, span, message).label("this version cannot run it")
}

/// Settings that add up.
const REPEATABLE: [&str; 10] = [
    "check",
    "contains",
    "contains_not",
    "expect",
    "header",
    "include_check",
    "json_pointer",
    "key",
    "send",
    "webhook",
];

/// The statements of a block; none when it has no braces, which the tree has reported.
fn inside<'n, 's>(node: &'n Node<'s>) -> &'n [Node<'s>] {
    node.body.as_ref().map_or(&[], |body| body.nodes)
}

/// The words behind the keyword.
fn arguments<'n, 's>(node: &'n Node<'s>) -> &'n [Word<'s>] {
    node.words.get(1..).unwrap_or(&[])
}
