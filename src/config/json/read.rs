//! Objects to nodes: members are keywords.

use std::cell::Cell;
use std::collections::BTreeMap;

use bumpalo::Bump;
use jsonc_parser::ast::{Object, ObjectProp, Value};
use jsonc_parser::common::{Range, Ranged as _};

use super::Place;
use crate::config::diagnostic::{Code, Diagnostic, Diagnostics};
use crate::config::keywords::shape::{Format, Header, Shape, Times};
use crate::config::keywords::{self, BlockId, Found, ROOT};
use crate::config::source::Span;
use crate::config::tree::{Body, Node, Word, belongs, title};

/// The inside of a block so far.
#[derive(Default)]
struct Draft<'n> {
    nodes: Vec<Node<'n>>,
    damaged: bool,
}

impl<'n> Draft<'n> {
    fn finish(self, arena: &'n Bump) -> &'n Body<'n> {
        arena.alloc(Body { nodes: arena.alloc_slice_copy(&self.nodes), damaged: Cell::new(self.damaged) })
    }
}

/// Reads one file.
pub(super) struct Reader<'a, 'n> {
    place: Place,
    pub(super) text: &'a str,
    /// Where the nodes lie.
    pub(super) arena: &'n Bump,
    diagnostics: &'a mut Diagnostics,
    /// Titles of the blocks around the place that is read.
    blocks: Vec<String>,
}

impl<'a, 'n> Reader<'a, 'n> {
    pub(super) fn new(
        place: Place,
        text: &'a str,
        arena: &'n Bump,
        diagnostics: &'a mut Diagnostics,
    ) -> Self {
        Self { place, text, arena, diagnostics, blocks: Vec::new() }
    }

    pub(super) fn root(&mut self, value: &Value<'_>) -> Vec<Node<'n>> {
        let Value::Object(object) = value else {
            self.wrong(value, "the file", "an object");
            return Vec::new();
        };
        // For editors: which schema the file follows.
        self.members(object, ROOT, &["$schema"]).nodes
    }

    /// The members of a block, but for those that are no keywords.
    fn members(&mut self, object: &Object<'_>, block: BlockId, others: &[&str]) -> Draft<'n> {
        let mut body = Draft::default();
        let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
        for member in &object.properties {
            let name = member.name.as_str();
            let at = self.inner(member.name.range());
            if let Some(first) = seen.get(name) {
                let message = format!("`{name}` is there twice");
                self.report(
                    Diagnostic::error(Code::JsonTwice, at, message).related(*first, "it is here already"),
                );
                body.damaged = true;
                continue;
            }
            seen.insert(name, at);
            if others.contains(&name) {
                continue;
            }
            match keywords::lookup(block, name) {
                Some(found) => self.member(member, found, at, &mut body),
                None => {
                    self.unknown(name, at, block);
                    body.damaged = true;
                }
            }
        }
        body
    }

    fn member(&mut self, member: &ObjectProp<'_>, found: Found, at: Span, body: &mut Draft<'n>) {
        let (name, value) = (member.name.as_str(), &member.value);
        let Some(shape) = found.keyword.shape() else {
            let message = format!("`{name}` belongs to keepalived.conf: JSON has no includes");
            self.report(Diagnostic::error(Code::Misplaced, at, message).help("delete it"));
            body.damaged = true;
            return;
        };
        let arena = self.arena;
        let word = Word { text: arena.alloc_str(name), span: at };
        let before = body.nodes.len();
        let node = |words: Vec<Word<'n>>, body: Option<Draft<'n>>| Node {
            words: arena.alloc_slice_copy(&words),
            keyword: Some(found.keyword),
            body: body.map(|draft| draft.finish(arena)),
        };
        let whole = match (shape, value) {
            (Shape::Block(header, Times::Many), Value::Array(list)) => {
                for element in &list.elements {
                    match element {
                        Value::Object(object) => {
                            let block = self.block(object, found, header, None);
                            body.damaged |= block.is_none();
                            body.nodes.extend(block);
                        }
                        other => {
                            self.wrong(other, name, "an object");
                            body.damaged = true;
                        }
                    }
                }
                return;
            }
            (Shape::Block(header, Times::Once), Value::Object(object)) => {
                body.nodes.extend(self.block(object, found, header, Some(word)));
                return;
            }
            (Shape::Names | Shape::Lines, _) => self.data(value, name, shape).map(|(nodes, whole)| {
                body.nodes.push(node(vec![word], Some(Draft { nodes, damaged: !whole })));
            }),
            (Shape::Several, Value::Array(list)) => {
                // A text may have blanks in it.
                let line = match found.keyword.takes_one_text() {
                    true => Shape::Text(Format::Any),
                    false => Shape::Line { number: false, raw: false },
                };
                for element in &list.elements {
                    let words = self.words(element, name, line);
                    body.damaged |= words.is_none();
                    let line = |words: Vec<_>| std::iter::once(word).chain(words).collect();
                    body.nodes.extend(words.map(|words| node(line(words), None)));
                }
                return;
            }
            // A flag that is off is one that is not there.
            (Shape::Flag, Value::BooleanLit(value)) if !value.value => return,
            (Shape::Flag, Value::BooleanLit(_)) => {
                body.nodes.push(node(vec![word], None));
                Some(())
            }
            (shape, _) => self.words(value, name, shape).map(|words| {
                let words = std::iter::once(word).chain(words).collect();
                body.nodes.push(node(words, None));
            }),
        };
        body.damaged |= whole.is_none() && body.nodes.len() == before;
    }

    /// A block. Of several with one keyword, each is named by its header; without one, by its brace.
    fn block(
        &mut self,
        object: &Object<'_>,
        found: Found,
        header: Header,
        word: Option<Word<'n>>,
    ) -> Option<Node<'n>> {
        let keyword = found.keyword;
        let names: &[&str] = match header {
            Header::None => &[],
            Header::Name => &["name"],
            Header::Endpoint => &["address", "port"],
            Header::Service => &["address", "port", "fwmark", "group"],
        };
        let head = self.header(object, keyword.word(), header)?;
        let brace = self.place.span(Range { start: object.start(), end: object.start() + 1 });
        let at = head.first().map_or(brace, |word| word.span);
        let first = word.unwrap_or_else(|| Word { text: keyword.word(), span: at });
        let words: Vec<Word<'n>> = std::iter::once(first).chain(head).collect();
        self.blocks.push(title(words.iter().map(|word| word.text)).unwrap_or_default());
        let body = match found.opens {
            Some(block) if keywords::is_value_block(block) => self.entries(object),
            Some(block) => self.members(object, block, names),
            None => Draft::default(),
        };
        self.blocks.pop();
        let words = self.arena.alloc_slice_copy(&words);
        Some(Node { words, keyword: Some(keyword), body: Some(body.finish(self.arena)) })
    }

    /// What stands in front of the brace in keepalived.conf.
    fn header(&mut self, object: &Object<'_>, name: &str, header: Header) -> Option<Vec<Word<'n>>> {
        let text = Shape::Text(Format::Any);
        match header {
            Header::None => Some(Vec::new()),
            Header::Name => self.required(object, name, "name", text),
            Header::Endpoint => self.endpoint(object, name),
            Header::Service => {
                let of = |word: &str| object.properties.iter().find(|member| member.name.as_str() == word);
                let kinds: Vec<&ObjectProp<'_>> =
                    ["address", "fwmark", "group"].into_iter().filter_map(of).collect();
                if let [first, second, ..] = kinds.as_slice() {
                    let message = format!(
                        "`{}` and `{}` do not go together",
                        first.name.as_str(),
                        second.name.as_str()
                    );
                    let (first, second) = (self.inner(first.name.range()), self.inner(second.name.range()));
                    self.report(
                        Diagnostic::error(Code::Conflict, second, message).related(first, "the other"),
                    );
                    return None;
                }
                let kind = kinds.first().map(|member| member.name.as_str());
                let (word, shape) = match kind {
                    Some("fwmark") => ("fwmark", Shape::Whole),
                    Some("group") => ("group", text),
                    _ => return self.endpoint(object, name),
                };
                let value = self.required(object, name, word, shape)?;
                let at = value.first()?.span;
                let word = Word { text: word, span: at };
                Some(std::iter::once(word).chain(value).collect())
            }
        }
    }

    fn endpoint(&mut self, object: &Object<'_>, name: &str) -> Option<Vec<Word<'n>>> {
        let mut words = self.required(object, name, "address", Shape::Text(Format::Any))?;
        if let Some(port) = object.properties.iter().find(|member| member.name.as_str() == "port") {
            words.extend(self.words(&port.value, "port", Shape::Whole)?);
        }
        Some(words)
    }

    /// `ADDRESS [PORT]` as the value of a keyword.
    pub(super) fn endpoint_value(&mut self, object: &Object<'_>, name: &str) -> Option<Vec<Word<'n>>> {
        self.only(object, name, &["address", "port"])?;
        self.endpoint(object, name)
    }

    /// No member but these.
    pub(super) fn only(&mut self, object: &Object<'_>, of: &str, names: &[&'static str]) -> Option<()> {
        let mut fine = Some(());
        let mut seen: Vec<&str> = Vec::new();
        for member in &object.properties {
            let name = member.name.as_str();
            let at = self.inner(member.name.range());
            let diagnostic = if seen.contains(&name) {
                Diagnostic::error(Code::JsonTwice, at, format!("`{name}` is there twice"))
            } else if !names.contains(&name) {
                let message = format!("`{of}` has no member `{name}`");
                let diagnostic =
                    Diagnostic::error(Code::UnknownKeyword, at, message).expected(names.join(", "));
                match keywords::closest(name, names.iter().copied()) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(at, near),
                    None => diagnostic,
                }
            } else {
                seen.push(name);
                continue;
            };
            self.report(diagnostic);
            fine = None;
        }
        fine
    }

    /// A member that must be there.
    pub(super) fn required(
        &mut self,
        object: &Object<'_>,
        of: &str,
        name: &str,
        shape: Shape,
    ) -> Option<Vec<Word<'n>>> {
        match object.properties.iter().find(|member| member.name.as_str() == name) {
            Some(member) => self.words(&member.value, name, shape),
            None => {
                let brace = self.place.span(Range { start: object.start(), end: object.start() + 1 });
                let message = format!("`{of}` has no `{name}`");
                let help = format!("add the member `{name}`");
                self.report(Diagnostic::error(Code::Required, brace, message).help(help));
                None
            }
        }
    }

    /// The lines of `virtual_server_group`.
    fn entries(&mut self, object: &Object<'_>) -> Draft<'n> {
        let whole = self.only(object, "virtual_server_group", &["name", "entries"]);
        let entries = object.properties.iter().find(|member| member.name.as_str() == "entries");
        let (nodes, all) = match entries {
            Some(entries) => self.data(&entries.value, "entries", Shape::Lines).unwrap_or_default(),
            None => (Vec::new(), true),
        };
        Draft { damaged: whole.is_none() || !all, nodes }
    }

    /// The lines of a block of data that are right, and whether all are.
    fn data(&mut self, value: &Value<'_>, name: &str, shape: Shape) -> Option<(Vec<Node<'n>>, bool)> {
        let Value::Array(list) = value else {
            self.wrong(value, name, super::value::expected(shape));
            return None;
        };
        let line = Shape::Line { number: false, raw: false };
        let each = if shape == Shape::Names { Shape::Text(Format::Any) } else { line };
        let mut nodes = Vec::new();
        let mut whole = true;
        for element in &list.elements {
            match self.words(element, name, each) {
                Some(words) if !words.is_empty() => {
                    let words = self.arena.alloc_slice_copy(&words);
                    nodes.push(Node { words, keyword: None, body: None });
                }
                Some(_) => {
                    whole = false;
                    self.wrong(element, name, "a line with words");
                }
                None => whole = false,
            }
        }
        Some((nodes, whole))
    }

    fn unknown(&mut self, name: &str, at: Span, block: BlockId) {
        let places = keywords::places(name);
        let near = keywords::nearest(block, name);
        let within = self.blocks.last().cloned();
        if places.is_empty() || near.is_some_and(|near| near.eq_ignore_ascii_case(name)) {
            let mut diagnostic =
                Diagnostic::error(Code::UnknownKeyword, at, format!("unknown member `{name}`"));
            if let Some(near) = near {
                diagnostic = diagnostic.help(format!("did you mean `{near}`?")).fix(at, near);
            } else if name == "include" {
                diagnostic = diagnostic.help("a configuration in JSON is one file: it has no includes");
            }
            let title = within.as_deref().and_then(|title| title.split(' ').next()).unwrap_or("");
            let key = format!("unknown {title}/{name}");
            let block = (!self.blocks.is_empty()).then(|| self.blocks.join(", "));
            self.diagnostics.push_grouped(key, at, || Diagnostic { block, ..diagnostic });
            return;
        }
        let here = match within.as_deref().and_then(|title| title.split(' ').next()) {
            Some(word) => format!("in `{word}`"),
            None => "at the root".to_owned(),
        };
        let message = format!("`{name}` is not legal {here}");
        let mut diagnostic =
            Diagnostic::error(Code::Misplaced, at, message).label(format!("belongs in {}", belongs(places)));
        if let Some(near) = near {
            diagnostic = diagnostic.help(format!("or did you mean `{near}`?"));
        }
        self.report(diagnostic);
    }

    /// The inside of a string.
    pub(super) fn inner(&self, range: Range) -> Span {
        self.place.span(Range { start: range.start + 1, end: range.end.saturating_sub(1) })
    }

    pub(super) fn span(&self, range: Range) -> Span {
        self.place.span(range)
    }

    /// Adds the blocks around it.
    pub(super) fn report(&mut self, diagnostic: Diagnostic) {
        let block = (!self.blocks.is_empty()).then(|| self.blocks.join(", "));
        self.diagnostics.push(Diagnostic { block, ..diagnostic });
    }
}
