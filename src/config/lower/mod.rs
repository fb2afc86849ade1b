//! The tree to the typed model: one file per block family, readers of values in [`values`].
//!
//! In: nodes whose words are legal where they stand. Out: a [`Model`], defaults filled in, and what is wrong
//! with values and between them. An error never stops the reading, so that one run names them all; a model
//! that was read with errors must not be used.

mod address;
mod checkers;
mod globals;
mod lvs;
mod real;
mod service;
mod settle;
mod values;
mod vrrp;

use super::diagnostic::{Code, Diagnostic, Diagnostics};
use super::keywords::{Keyword, Status};
use super::model::Model;
use super::source::Span;
use super::tree::{Body, Node, Word, title};

/// Reads the whole tree.
pub(super) fn lower(tree: &[Node<'_>], diagnostics: &mut Diagnostics) -> Model {
    let mut lower = Lower { diagnostics, blocks: Vec::new(), ipv6_seen: false };
    let mut defaults = globals::Defaults::default();
    for node in tree.iter().filter(|node| is_globals(node)) {
        lower.globals(node, &mut defaults);
    }
    let mut model = Model { globals: defaults.globals.clone(), ..Model::default() };
    let mut instances = vrrp::Instances::default();
    let mut services = service::Services::default();
    lower.each(tree, |lower, word, node| match word {
        "vrrp_instance" => model.instances.extend(lower.instance(node, &defaults, &mut instances)),
        "virtual_server" => model.virtual_servers.extend(lower.virtual_server(node, &mut services)),
        _ => {}
    });
    model
}

#[cfg(test)]
mod tests;

fn is_globals(node: &Node<'_>) -> bool {
    node.keyword.is_some_and(|keyword| keyword.path == "global_defs")
}

struct Lower<'a> {
    diagnostics: &'a mut Diagnostics,
    /// Titles of the blocks around the place that is read.
    blocks: Vec<String>,
    /// An IPv6 address stood where only IPv4 is supported; set by [`Lower::ipv4`].
    ipv6_seen: bool,
}

impl Lower<'_> {
    /// Hands out the statements that this version reads, by the word that counts today. The others are
    /// reported here, once per keyword.
    fn each<'n, 's>(
        &mut self,
        nodes: &'n [Node<'s>],
        mut handle: impl FnMut(&mut Self, &'static str, &'n Node<'s>),
    ) {
        let mut seen: Vec<(&'static str, Span)> = Vec::new();
        for node in nodes {
            let Some((keyword, first)) = node.keyword.zip(node.words.first()) else { continue };
            let Some(word) = self.status(keyword, first.span) else { continue };
            if !keyword.is_block() && !REPEATABLE.contains(&word) {
                self.repeated(&mut seen, word, first.span);
            }
            handle(self, word, node);
        }
    }

    /// Enters a block for the time of `inside`.
    fn within<T>(&mut self, node: &Node<'_>, inside: impl FnOnce(&mut Self) -> T) -> T {
        self.blocks.push(title(&node.words).unwrap_or_default());
        let result = inside(self);
        self.blocks.pop();
        result
    }

    /// The word to read a keyword as; `None` when it is not read.
    fn status(&mut self, keyword: &'static Keyword, span: Span) -> Option<&'static str> {
        let name = keyword.word();
        let message = format!("`{name}` has no effect in this version");
        match keyword.status {
            Status::Implemented => return Some(name),
            Status::Replaced(today) => {
                self.grouped(name, span, || {
                    Diagnostic::note(Code::Old, span, format!("`{name}` is an old word, read as `{today}`"))
                        .fix(span, today)
                });
                return Some(today);
            }
            Status::Ignored(why) => self.grouped(keyword.path, span, || {
                Diagnostic::note(Code::Old, span, format!("`{name}` has no effect")).consequence(why)
            }),
            Status::Mail => self.grouped("mail", span, || {
                Diagnostic::note(Code::Mail, span, "mail alerts are not sent by this version")
                    .consequence("the settings of mail alerts are accepted and have no effect")
            }),
            Status::NotYet(consequence) => self.grouped(keyword.path, span, || {
                Diagnostic::warning(Code::NotYet, span, message).consequence(consequence)
            }),
            Status::Refused(consequence) => self.report(
                Diagnostic::error(Code::Refused, span, format!("`{name}` is not supported by this version"))
                    .consequence(consequence),
            ),
        }
        None
    }

    fn repeated(&mut self, seen: &mut Vec<(&'static str, Span)>, word: &'static str, span: Span) {
        match seen.iter_mut().find(|(other, _)| *other == word) {
            Some((_, first)) => {
                let before = std::mem::replace(first, span);
                self.report(
                    Diagnostic::warning(Code::Repeated, span, format!("`{word}` is set again"))
                        .label("this one counts")
                        .related(before, "this one does not"),
                );
            }
            None => seen.push((word, span)),
        }
    }

    fn grouped(&mut self, key: &'static str, span: Span, make: impl FnOnce() -> Diagnostic) {
        self.diagnostics.push_grouped(key, span, make);
    }

    /// Adds the blocks around it.
    fn report(&mut self, diagnostic: Diagnostic) {
        let block = (!self.blocks.is_empty()).then(|| self.blocks.join(", "));
        self.diagnostics.push(Diagnostic { block, ..diagnostic });
    }
}

/// Settings that add up.
const REPEATABLE: [&str; 1] = ["include_check"];

/// The statements of a block; none when it has no braces, which the tree has reported.
fn inside<'n, 's>(node: &'n Node<'s>) -> &'n [Node<'s>] {
    node.body.as_ref().map_or(&[], |body: &Body<'s>| &body.nodes)
}

/// The words behind the keyword.
fn arguments<'n, 's>(node: &'n Node<'s>) -> &'n [Word<'s>] {
    node.words.get(1..).unwrap_or(&[])
}
