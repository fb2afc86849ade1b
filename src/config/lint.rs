//! What is legal but surely not meant.
//!
//! In: a tree without errors and the model that came out of it. Out: diagnostics of severity lint, which change
//! no exit status. `# directord: allow(D1001)` silences one: on its line, on the line above, or at the top of
//! the file for all of it. Two nodes of a pair are compared by `compare`.

mod addresses;
pub(super) mod allow;
mod checks;
mod mails;
mod peer;
pub(super) mod places;
mod routers;
mod scripts;
mod services;
mod targets;
mod tracking;

use std::collections::BTreeMap;

use super::diagnostic::{Code, Diagnostic, Diagnostics, Severity};
use super::model::{Instance, Model};
use super::source::{Sources, Span};
use super::tree::Tree;
use allow::Allowed;
use places::InstancePlaces;

/// What a comparison with the other node needs to know of the file.
#[derive(Debug, Default)]
pub struct Places {
    allowed: Allowed,
    /// By name.
    instances: BTreeMap<String, InstancePlaces>,
}

/// Looks at one configuration.
pub(super) fn lint(
    tree: &Tree<'_>,
    model: &Model,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) -> Places {
    let (allowed, unknown) = Allowed::read(sources);
    let mut lints = Lints { allowed: &allowed, sources, diagnostics };
    for (span, word) in unknown {
        lints.report(
            lint_at(Code::AllowsNothing, span, format!("`{word}` is no lint"))
                .expected("the code of a lint, such as D1001")
                .consequence("the comment silences nothing"),
        );
    }
    let Tree { nodes: tree, has_scripts } = tree;
    if *has_scripts {
        scripts::lint(&mut lints, tree);
    }
    let blocks = places::instances(tree);
    routers::lint(&mut lints, &blocks, model);
    targets::lint(&mut lints, tree);
    addresses::lint(&mut lints, tree, &blocks, model);
    services::lint(&mut lints, tree, model);
    mails::lint(&mut lints, tree, model);
    let tracked = tracking::Known::new(tree, model, &blocks);
    tracking::lint(&mut lints, &tracked, model);
    let place = |instance: &Instance| {
        let mut place = places::instance(blocks.get(instance.name.as_str())?)?;
        place.weighted = tracked.weighted(instance);
        Some((instance.name.clone(), place))
    };
    let instances = model.instances.iter().filter_map(place).collect();
    Places { allowed, instances }
}

/// Of a file with errors: addresses that no host can serve are wrong whatever else is. `model`: what it is without the errors.
pub(super) fn lint_addresses(
    tree: &Tree<'_>,
    model: Option<&Model>,
    sources: &Sources,
    diagnostics: &mut Diagnostics,
) {
    let (allowed, _) = Allowed::read(sources);
    let mut lints = Lints { allowed: &allowed, sources, diagnostics };
    let none = Model::default();
    addresses::lint(
        &mut lints,
        tree.nodes.as_slice(),
        &places::instances(&tree.nodes),
        model.unwrap_or(&none),
    );
}

/// A configuration without errors, its places and its texts.
type Side<'a> = (&'a Model, &'a Places, &'a Sources);

/// What differs from the file of the other node, though both must be equal in it.
pub(super) fn compare((model, places, sources): Side<'_>, peer: Side<'_>) -> Vec<Diagnostic> {
    let mut diagnostics = Diagnostics::default();
    let mut lints = Lints { allowed: &places.allowed, sources, diagnostics: &mut diagnostics };
    peer::lint(&mut lints, (model, places), peer);
    diagnostics.into_sorted(sources)
}

struct Lints<'a> {
    allowed: &'a Allowed,
    sources: &'a Sources,
    diagnostics: &'a mut Diagnostics,
}

impl Lints<'_> {
    /// Whether one more of this code would only be counted.
    fn is_full(&self, code: Code) -> bool {
        self.diagnostics.is_full(code)
    }

    /// Unless a comment silences it.
    fn report(&mut self, diagnostic: Diagnostic) {
        if !self.allowed.silences(diagnostic.code, diagnostic.span, self.sources) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// The same for what is often said many times: all places in one.
    fn grouped(&mut self, span: Span, make: impl FnOnce() -> Diagnostic) {
        let diagnostic = make();
        if !self.allowed.silences(diagnostic.code, Some(span), self.sources) {
            let key = format!("{} {}", diagnostic.code, diagnostic.message);
            self.diagnostics.push_grouped(key, span, || diagnostic);
        }
    }
}

fn lint_at(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(code, Severity::Lint, Some(span), message)
}
