//! What stands behind a keyword, word for word, and how the reference writes it.
//!
//! In: the shape of a row, the pieces of its line where it has one, and its range. Out: the notation, and what code asks of
//! the pieces: what kind the first value is, between which limits the number behind an option lies.

use super::shape::{Format, Header, Shape};

/// A piece of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Written like another keyword.
    As(&'static str),
    /// A value with a name of its own: `<MASK>`.
    Called(&'static str, Shape),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of these.
    Either(&'static [Self]),
    /// Pieces without blanks between them.
    Joined(&'static [Self]),
    /// A line of this kind, whose words have rows of their own: `(ROUTE)`.
    LineOf(&'static str),
    /// It may be left out.
    Maybe(&'static [Self]),
    /// Once, or several times.
    Many(&'static Self),
    /// A whole number with a name, or none, between limits of its own.
    Number(&'static str, i64, i64),
    /// The whole statement, the keyword included, which has signs of its own.
    Statement(&'static str),
    /// A value.
    Value(Shape),
    /// This word.
    Word(&'static str),
}

impl Part {
    fn notation(&self, seconds: bool) -> String {
        match self {
            Self::As(keyword) => format!("as {keyword}"),
            Self::Called(name, _) => format!("<{name}>"),
            Self::Choice(words) => words.join("/"),
            Self::Either(parts) => joined(parts, " / ", seconds),
            Self::Joined(parts) => joined(parts, "", seconds),
            Self::LineOf(kind) => (*kind).to_owned(),
            Self::Maybe(parts) => format!("[{}]", joined(parts, " ", seconds)),
            Self::Many(part) => format!("{}...", part.notation(seconds)),
            Self::Number("", low, high) => format!("<INT {low}-{high}>"),
            Self::Number(name, low, high) => format!("<INT {name} {low}-{high}>"),
            Self::Statement(text) => (*text).to_owned(),
            Self::Value(shape) => shape.notation(&[], seconds),
            Self::Word(word) => (*word).to_owned(),
        }
    }

    /// The value that comes first; none behind a word.
    fn first(&self) -> Option<Shape> {
        match self {
            Self::Called(_, shape) | Self::Value(shape) => Some(shape.first()),
            Self::Either(parts) | Self::Joined(parts) | Self::Maybe(parts) => {
                parts.iter().find_map(Self::first)
            }
            Self::Many(part) => part.first(),
            Self::Number(..) => Some(Shape::Whole),
            Self::As(_) | Self::Choice(_) | Self::LineOf(_) | Self::Statement(_) | Self::Word(_) => None,
        }
    }

    /// Whether it may be left out.
    pub(super) fn may_be_empty(&self) -> bool {
        match self {
            Self::Maybe(_) => true,
            Self::Many(part) => part.may_be_empty(),
            _ => false,
        }
    }

    fn inner(&self) -> &'static [Self] {
        match self {
            Self::Either(parts) | Self::Joined(parts) | Self::Maybe(parts) => parts,
            Self::Many(part) => std::slice::from_ref(*part),
            _ => &[],
        }
    }
}

/// The limits of the number that follows the option `word`; with an empty `word`, of the first number.
pub(super) fn limits(parts: &[Part], word: &str) -> Option<(i64, i64)> {
    let mut found = word.is_empty();
    for part in parts {
        match part {
            Part::Number(_, low, high) if found => return Some((*low, *high)),
            Part::Word(name) if *name == word => found = true,
            _ => {
                if let Some(limits) = limits(part.inner(), if found { "" } else { word }) {
                    return Some(limits);
                }
            }
        }
    }
    None
}

/// The words to choose from.
pub(super) fn choices(parts: &[Part]) -> Vec<&'static str> {
    let of = |part: &Part| match part {
        Part::Choice(words) => words.to_vec(),
        part => choices(part.inner()),
    };
    parts.iter().flat_map(of).collect()
}

fn joined(parts: &[Part], between: &str, seconds: bool) -> String {
    parts.iter().map(|part| part.notation(seconds)).collect::<Vec<_>>().join(between)
}

impl Shape {
    /// As the reference writes it. `parts`: the pieces of a line; `seconds`: numbers with decimals are seconds.
    pub(super) fn notation(self, parts: &[Part], seconds: bool) -> String {
        let line = joined(parts, " ", seconds);
        match self {
            // The pieces of a line say themselves what may be left out.
            Self::Alone(Self::Line { .. }) => line,
            Self::Alone(inner) => format!("[{}]", inner.notation(parts, seconds)),
            Self::Block(header, _) => {
                let head = match header {
                    Header::Endpoint => "<IP> [<PORT>] ",
                    Header::Name => "<NAME> ",
                    Header::None => "",
                    Header::Service => "<IP> [<PORT>] / fwmark <INT> / group <NAME> ",
                };
                format!("{head}{{ {} }}", if parts.is_empty() { "block" } else { &line })
            }
            Self::Boolean => "<BOOL>?".to_owned(),
            Self::Choice(words) => words.join(" / "),
            Self::Command => "<SCRIPT>".to_owned(),
            Self::Flag => "(flag)".to_owned(),
            Self::Lines | Self::Names => format!("{{ {line} }}"),
            Self::Line { .. } | Self::Endpoint | Self::Several | Self::Word => line,
            // A name of its own.
            Self::Text(_) | Self::List(_) if !parts.is_empty() => line,
            Self::List(inner) => format!("{}...", inner.notation(&[], seconds)),
            Self::Number if seconds => "<TIMER>".to_owned(),
            Self::Number => "<NUM>".to_owned(),
            Self::Pattern => "<QUOTED>".to_owned(),
            Self::Script => "<SCRIPT> [<USER> [[:]<GROUP>]]".to_owned(),
            Self::Text(format) => format!("<{}>", format.name()),
            Self::Whole => "<INT>".to_owned(),
        }
    }

    /// Whether nothing need follow the keyword.
    pub(super) fn may_be_empty(self, parts: &[Part]) -> bool {
        match self {
            Self::Alone(_) | Self::Boolean | Self::Flag => true,
            Self::Line { .. } => parts.iter().all(Part::may_be_empty),
            _ => false,
        }
    }

    /// What the first value is.
    fn first(self) -> Self {
        match self {
            Self::Alone(inner) | Self::List(inner) => inner.first(),
            shape => shape,
        }
    }
}

impl Format {
    /// As the reference calls it.
    fn name(self) -> &'static str {
        match self {
            Self::Account => "USER",
            Self::AccountGroup => "GROUP",
            Self::Address => "IP",
            Self::Any => "STRING",
            Self::Digest => "HEX32",
            Self::Directory => "DIR",
            Self::File => "PATH",
            Self::Interface => "IFNAME",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::Mask => "IPv4 mask",
            Self::Multicast => "MCAST_IP",
            Self::Name => "NAME",
            Self::Net => "NET",
        }
    }
}

/// What the first value behind a keyword is.
pub(super) fn first(shape: Option<Shape>, parts: &[Part]) -> Option<Shape> {
    match parts {
        [] => shape.map(Shape::first),
        parts => parts.first().and_then(Part::first),
    }
}

/// As the reference writes what stands behind a keyword.
pub(super) fn notation(shape: Option<Shape>, parts: &[Part], seconds: bool) -> String {
    match shape {
        Some(shape) => shape.notation(parts, seconds),
        None => joined(parts, " ", seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: Shape = Shape::Line { number: false, raw: false };
    const INTERFACE: Part = Part::Value(Shape::Text(Format::Interface));
    const SYNC: &[Part] = &[
        INTERFACE,
        Part::Maybe(&[
            Part::Maybe(&[Part::Word("inst")]),
            Part::Called("VRRP_INSTANCE", Shape::Text(Format::Name)),
        ]),
        Part::Maybe(&[Part::Word("id"), Part::Number("", 0, 255)]),
        Part::Maybe(&[Part::Word("port"), Part::Number("", 1, 65_535)]),
    ];

    #[test]
    fn the_notation_is_made_of_the_pieces() {
        let line = notation(Some(LINE), SYNC, false);
        assert_eq!(line, "<IFNAME> [[inst] <VRRP_INSTANCE>] [id <INT 0-255>] [port <INT 1-65535>]");
        assert_eq!(notation(Some(Shape::Number), &[], true), "<TIMER>");
        assert_eq!(notation(Some(Shape::Number), &[], false), "<NUM>");
        assert_eq!(notation(Some(Shape::Alone(&Shape::Whole)), &[], false), "[<INT>]");
        assert_eq!(notation(Some(Shape::Lines), &[Part::LineOf("(ROUTE)")], false), "{ (ROUTE) }");
        let range = [
            Part::Number("", 100, 599),
            Part::Maybe(&[Part::Joined(&[Part::Word("-"), Part::Value(Shape::Whole)])]),
        ];
        assert_eq!(joined(&range, "", false), "<INT 100-599>[-<INT>]");
    }

    #[test]
    fn limits_are_those_of_the_option() {
        assert_eq!(limits(SYNC, "port"), Some((1, 65_535)));
        assert_eq!(limits(SYNC, "id"), Some((0, 255)));
        assert_eq!(limits(SYNC, ""), Some((0, 255)));
        assert_eq!(limits(SYNC, "ttl"), None);
    }

    #[test]
    fn the_first_value() {
        assert_eq!(first(Some(LINE), SYNC), Some(Shape::Text(Format::Interface)));
        assert_eq!(first(Some(Shape::Alone(&Shape::Script)), &[]), Some(Shape::Script));
        assert_eq!(first(None, &[Part::Word("ecn")]), None);
    }
}
