//! What stands behind a keyword, for machines: how it is written in JSON, and what its schema says.
//!
//! In: a row of the table. Out: its [`Shape`], from the notation of its arguments, which is a closed set.

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
    Choice(&'static str),
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
    /// An address of either family.
    Address,
    /// Anything.
    Any,
    /// 32 hexadecimal digits.
    Digest,
    /// An IPv4 address.
    Ipv4,
    /// An IPv6 address.
    Ipv6,
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

/// Blocks without a name of which there may be several.
const REPEATED: [&str; 12] = [
    "BFD_CHECK",
    "DNS_CHECK",
    "FILE_CHECK",
    "HTTP_GET",
    "MISC_CHECK",
    "PING_CHECK",
    "SMTP_CHECK",
    "SSL_GET",
    "TCP_CHECK",
    "UDP_CHECK",
    "garp_group",
    "url",
];

/// Words that belong to the text language.
const OF_TEXT: [&str; 1] = ["include_check"];

impl Keyword {
    /// What stands behind it. `None`: it is a word of the text language alone, or its arguments are written in a
    /// notation that has no shape.
    pub fn shape(&self) -> Option<Shape> {
        if OF_TEXT.contains(&self.word()) {
            return None;
        }
        let line = Shape::Line { number: false, raw: false };
        let raw = Shape::Line { number: false, raw: true };
        const NUMBER: Shape = Shape::Line { number: true, raw: false };
        const TEXT: Shape = Shape::Text(Format::Any);
        Some(match self.args {
            "(flag)" => Shape::Flag,
            "<BOOL>?" => Shape::Boolean,
            "<INT>" => Shape::Whole,
            "<INT>?" | "[<INT>]" => Shape::Alone(&Shape::Whole),
            "<TIMER>" | "<NUM>" => Shape::Number,
            "<ABS_PATH>" | "<DIR>" | "<IFNAME>" | "<IPv4 mask>" | "<NAME>" | "<PATH>" | "<PATH|QUOTED>"
            | "<STRING>" => TEXT,
            "<IP>" | "<MCAST_IP>" => Shape::Text(Format::Address),
            "<IPv4>" => Shape::Text(Format::Ipv4),
            "<IPv6>" => Shape::Text(Format::Ipv6),
            "<HEX32>" => Shape::Text(Format::Digest),
            "<STRING>?" | "[<LOGFILE>]" | "[<PATH>]" | "[<STRING>]" | "[<TABLE>]" => Shape::Alone(&TEXT),
            "<QUOTED>" => Shape::Pattern,
            "<HEX>..." => line,
            "[<HEX with X wildcards>]..." => Shape::Alone(&Shape::Line { number: false, raw: false }),
            "<INT>..." | "<INT START> <INT MAX>" => Shape::List(&Shape::Whole),
            "<OPTION>..." => Shape::List(&TEXT),
            "<INT 100-599>[-<INT>]..." | "MTU / ADVERT / <INT>" => Shape::List(&Shape::Word),
            "[<IN_CHAIN> [<OUT_CHAIN>]]"
            | "[<SET4> [<SET6> [<SET_IF6> [<SET_IGMP> [<SET_MLD> [<SET_ND>]]]]]]" => {
                Shape::Alone(&Shape::List(&TEXT))
            }
            "<INT octal/hex/dec> / <BIT>[|<BIT>]..." | "<IPv4 mask> / <INT 1-128>" => Shape::Word,
            "[VS]" => Shape::Alone(&Shape::Choice("VS")),
            "[allow_if_changes]" => Shape::Alone(&Shape::Choice("allow_if_changes")),
            "[initial/partial]" => Shape::Alone(&Shape::Choice("initial/partial")),
            "[never]" => Shape::Alone(&Shape::Choice("never")),
            "1.0 / 1.1 / 1.0C"
            | "A/NS/CNAME/SOA/MX/TXT/AAAA/RRSIG/DNSKEY"
            | "MASTER / BACKUP"
            | "PASS / AH"
            | "TCP / UDP / SCTP"
            | "enforce / permissive / receive-only"
            | "inet / inet6"
            | "rr/wrr/lc/wlc/lblc/sh/mh/dh/fo/ovf/lblcr/sed/nq/twos"
            | "time / monotonic" => Shape::Choice(self.args),
            "as lb_algo" => Shape::Choice("rr/wrr/lc/wlc/lblc/sh/mh/dh/fo/ovf/lblcr/sed/nq/twos"),
            "<SCRIPT>" => Shape::Command,
            "<SCRIPT> [<USER> [[:]<GROUP>]]" => Shape::Script,
            "[<SCRIPT> [<USER> [[:]<GROUP>]]]" => Shape::Alone(&Shape::Script),
            "<PATH> [<USER> [[:]<GROUP>]]" | "<STRING|QUOTED> [<PARAM>...]" => raw,
            "<USER> [[:]<GROUP>]" => line,
            "<INT> [reverse]" | "<INT> [reverse/noreverse]" | "[all] <INT>" => NUMBER,
            "[<INT>] [overwrite]" => Shape::Alone(&NUMBER),
            "NAT/DR/TUN [type ipip/gue/gre] [port <INT 1-65535>] [nocsum/csum/remcsum]"
            | "as lb_kind"
            | "[tcp <INT>] [tcpfin <INT>] [udp <INT>]" => line,
            args if args.starts_with("<IFNAME> [[inst]") => line,
            args if args.starts_with("[[name] <IFNAME>]") => {
                Shape::Alone(&Shape::Line { number: false, raw: false })
            }
            "<IP or HOSTNAME> [<PORT>]" | "<IP> [<PORT>]" => Shape::Endpoint,
            "<INT id 1-255> <TEXT / hex:HEX / file:PATH>" => Shape::Several,
            "{ block }" if REPEATED.contains(&self.word()) => Shape::Block(Header::None, Times::Many),
            "{ block }" => Shape::Block(Header::None, Times::Once),
            "<NAME> { block }" | "<NAME> { entries }" | "<STRING> { block }" => {
                Shape::Block(Header::Name, Times::Many)
            }
            "<IP> [<PORT>] { block }" => Shape::Block(Header::Endpoint, Times::Many),
            "<IP> [<PORT>] / fwmark <INT> / group <NAME> { block }" => {
                Shape::Block(Header::Service, Times::Many)
            }
            "{ <IFNAME>... }" | "{ <STRING>... }" | "{ <VRRP_INSTANCE>... }" => Shape::Names,
            args if args.starts_with("{ ") => Shape::Lines,
            _ => return None,
        })
    }

    /// Whether the schema of JSON has it: not what is written otherwise today.
    pub fn is_in_json(&self) -> bool {
        let today = !matches!(self.status, Status::Replaced(_));
        today && !self.path.starts_with('(') && self.shape().is_some()
    }
}

/// The words of a [`Shape::Choice`].
pub fn choices(notation: &'static str) -> impl Iterator<Item = &'static str> {
    notation.split('/').map(str::trim)
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
