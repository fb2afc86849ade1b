//! What stands behind a keyword, for machines: how it is written in JSON, and what its schema says.
//!
//! Each row of the table has its [`Shape`]; the notation of the reference is made of it (`notation.rs`).

use super::{Keyword, Status};

/// The value of a keyword.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An address and a port.
    Endpoint,
    /// `true`, or a value: the keyword may stand alone.
    Alone(&'static Self),
    /// A block.
    Block(Header, Times),
    /// On or off.
    Boolean,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A program and its arguments.
    Command,
    /// `true` when it is there.
    Flag,
    /// Words of a line. `number`: one number is a line, too.
    Line {
        /// One number is a line, too.
        number: bool,
        /// Words in quotes of either kind, with escapes that stay.
        raw: bool,
    },
    /// A block of lines.
    Lines,
    /// Several values of one kind.
    List(&'static Self),
    /// A block of words.
    Names,
    /// A number with decimals, in the unit of the table: seconds, unless it says otherwise.
    Number,
    /// A pattern, whose escapes stay.
    Pattern,
    /// A program and its arguments, and the account that runs it.
    Script,
    /// Lines of one keyword.
    Several,
    /// One word.
    Text(Format),
    /// A whole number.
    Whole,
    /// A number, or a word.
    Word,
}

/// What a word is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The user that runs something.
    Account,
    /// Its group.
    AccountGroup,
    /// An address of either family.
    Address,
    /// Anything.
    Any,
    /// 32 hexadecimal digits.
    Digest,
    /// The path of a folder.
    Directory,
    /// The path of a file.
    File,
    /// The name of an interface.
    Interface,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
    /// A mask of IPv4.
    Mask,
    /// The address of a multicast group.
    Multicast,
    /// The name of something in the configuration.
    Name,
    /// An address with the length of its network.
    Net,
}

/// What stands in front of a `{`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// An address and a port.
    Endpoint,
    /// A name.
    Name,
    /// Nothing.
    None,
    /// An address and a port, a firewall mark, or a group.
    Service,
}

/// How often a block may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// Once.
    Once,
    /// Any number of times.
    Many,
}

impl Keyword {
    /// What stands behind it. `None`: it is a word of the text language alone, or its arguments are written in a
    /// notation that has no shape.
    pub fn shape(&self) -> Option<Shape> {
        self.row.args.shape
    }

    /// Whether the schema of JSON has it: not what is written otherwise today.
    pub fn is_in_json(&self) -> bool {
        let today = !matches!(self.status, Status::Replaced(_));
        today && !self.path.starts_with('(') && self.shape().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keywords::all;

    #[test]
    fn every_word_of_today_has_a_shape() {
        let rows = all().filter(|row| !row.path.starts_with('(') && !row.word().starts_with('<'));
        let without: Vec<&str> = rows.filter(|row| row.shape().is_none()).map(|row| row.path).collect();
        // Lines of a group of virtual servers are data.
        assert_eq!(without, ["global_defs/include_check", "virtual_server_group/fwmark"]);
    }

    #[test]
    fn blocks_have_shapes_of_blocks() {
        for row in all().filter(|row| !row.path.starts_with('(') && row.is_block()) {
            let shape = row.shape().unwrap();
            let block = matches!(shape, Shape::Block(..) | Shape::Lines | Shape::Names);
            assert!(block, "{}: {shape:?}", row.path);
        }
    }
}
