//! What every row of the keyword table promises: generated from the table, not written by hand.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::Path;

use directord::config::diagnostic::{Code, Diagnostic, Severity};
use directord::config::keywords::shape::{Format, Header, Shape};
use directord::config::keywords::{self, Keyword};
use directord::config::source::Texts;
use directord::config::{Options, load};

/// Rows of statements and blocks; kinds of lines and the language itself are not among them.
fn rows() -> impl Iterator<Item = &'static Keyword> {
    keywords::all().filter(|row| !row.path.starts_with('(') && !row.path.contains('<'))
}

/// Words behind a keyword that are legal, by what the table says of it.
fn sample(row: &Keyword) -> String {
    let by_path = match row.path {
        "global_defs/lvs_timeouts" => "tcp 60",
        "global_defs/lvs_sync_daemon" => "eth0 inst T id 3",
        "global_defs/vrrp_mcast_group4" | "vrrp_instance/mcast_dst_ip" => "224.0.0.19",
        "global_defs/vrrp_mcast_group6" => "ff02::13",
        "global_defs/smtp_server" => "192.0.2.25 25",
        "global_defs/smtp_tls" => "required",
        "global_defs/webhook" => "https://hooks.example.com/lvs /etc/keepalived/hook-token",
        "global_defs/smtp_login" => "lb1 /etc/keepalived/mail-password",
        "global_defs/vrrp_version" | "vrrp_instance/version" => "3",
        path if path.ends_with("_extra_if") || path.ends_with("garp_intvl") => "all 60",
        "global_defs/umask" => "IRWXG|IRWXO",
        "global_defs/lvs_flush_on_stop" | "global_defs/lvs_flush_onstop" => "VS",
        "global_defs/dynamic_interfaces" => "allow_if_changes",
        "global_defs/include_check" => "+read",
        "global_defs/vrrp_rx_bufs_policy" => "MTU",
        "vrrp_instance/auth_hmac/key" => "1 0123456789abcdef0123456789abcdef",
        "vrrp_instance/auth_hmac/anti_replay" => "time",
        "vrrp_instance/auth_hmac/mode" => "permissive",
        "vrrp_instance/authentication/auth_type" => "PASS",
        "vrrp_instance/state" => "BACKUP",
        "vrrp_instance/use_vmac" => "vrrp.7 00:00:5e:00:01 netlink_notify_msg",
        "vrrp_instance/use_ipvlan" => "ipv.7 10.0.0.3/24 private",
        "vrrp_instance/old_unicast_checksum" => "never",
        "virtual_server" => "10.9.0.1 80",
        "virtual_server/real_server" => "10.9.0.2 80",
        "virtual_server/ip_family" => "inet",
        "virtual_server/lb_algo" | "virtual_server/lvs_sched" => "wrr",
        "virtual_server/protocol" => "TCP",
        "virtual_server/persistence_granularity" => "255.255.255.0",
        "virtual_server/nat_mask" => "255.255.255.0",
        "vrrp_track_process/param_match" => "initial",
        "vrrp_track_process/process" => "haproxy -f",
        path if path.ends_with("lb_kind") || path.ends_with("lvs_method") => "TUN type gue port 5555",
        "virtual_server/real_server/check" => "named",
        "check/protocol" => "redis",
        path if path.ends_with("/http_protocol") => "1.1",
        path if path.ends_with("/digest") => "00112233445566778899aabbccddeeff",
        path if path.ends_with("/status_code") => "200-204 301",
        path if path.ends_with("/regex_options") => "caseless dotall",
        path if path.ends_with("/regex_stack") => "1024 4096",
        path if path.ends_with("/regex") => "\"all is well\"",
        path if path.ends_with("/url/method") => "OPTIONS",
        path if path.ends_with("/url/header") => "\"Accept: text/html\"",
        path if path.ends_with("/url/body") || path.contains("/url/contains") => "\"all is well\"",
        path if path.ends_with("/url/json_pointer") => "/status ok",
        path if path.contains("/url/auth_") => "/etc/keepalived/token",
        path if path.ends_with("/tls_verify") => "system",
        path if path.contains("/tls_m") => "1.2",
        path if path.ends_with("DNS_CHECK/type") => "MX",
        path if path.ends_with("/payload") => "00ff 10",
        path if path.ends_with("/require_reply") => "0xfx",
        path if path.ends_with("/bfd_instance") || path.ends_with("BFD_CHECK/name") => "bfd",
        path if path.ends_with("FILE_CHECK/track_file") => "file",
        _ => "",
    };
    if !by_path.is_empty() {
        return by_path.to_owned();
    }
    if matches!(row.shape(), Some(Shape::Block(Header::Name, _))) {
        return "name".to_owned();
    }
    match row.first() {
        Some(Shape::Whole | Shape::Number) => number_inside(row),
        Some(Shape::Boolean) => "on",
        Some(Shape::Text(Format::Interface)) if !row.is_block() => "eth0",
        Some(Shape::Text(Format::Address | Format::Ipv4)) if !row.is_block() => "10.0.0.7",
        Some(Shape::Command | Shape::Script) => "\"/bin/check 'one two'\"",
        Some(Shape::Text(Format::File | Format::Directory)) => "/tmp/x",
        Some(Shape::Text(Format::Account)) => "nobody",
        Some(Shape::Text(Format::Name | Format::Any)) if !row.is_value_block() => "name",
        _ => "",
    }
    .to_owned()
}

/// A number in the range of the row.
fn number_inside(row: &Keyword) -> &'static str {
    match row.bounds() {
        (Some(low), _) if low > 1_000_000 => "2000",
        (_, Some(high)) if high < 1_000_000 => "0",
        (Some(low), Some(high)) if low <= 2_000_000 && high >= 2_000_000 => "2",
        _ => "1",
    }
}

/// The statement in its block, and the number of its line.
fn file(row: &Keyword, statement: &str) -> (String, usize) {
    let mut text = String::from(
        "bfd_instance bfd {\nneighbor_ip 10.0.0.1\n}\ntrack_file file {\nfile /tmp/x\n}\n\
         check named {\nprotocol redis\n}\n",
    );
    let blocks: Vec<&str> = row.block().split('/').filter(|block| !block.is_empty()).collect();
    for index in 0..blocks.len() {
        let path = blocks[..=index].join("/");
        let block = rows().find(|row| row.path == path).unwrap();
        text += &format!("{} {} {{\n", block.word(), sample(block));
    }
    let line = text.lines().count() + 1;
    text += statement;
    text += "\n";
    if row.is_block() && statement.starts_with(row.word()) && !statement.contains('{') {
        text.insert_str(text.len() - 1, " {");
    }
    let open = text.matches('{').count() - text.matches('}').count();
    text += &"}\n".repeat(open);
    (text, line)
}

/// What is said of the line of the statement.
fn said(row: &Keyword, statement: &str) -> Vec<Diagnostic> {
    let (text, line) = file(row, statement);
    let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
    let at = |one: &Diagnostic| {
        let spans = one.span.into_iter().chain(one.also.iter().copied());
        spans.into_iter().any(|span| loaded.sources.position(span).line == line)
    };
    loaded.diagnostics.iter().filter(|one| at(one)).cloned().collect()
}

fn has(list: &[Diagnostic], codes: &[Code]) -> bool {
    list.iter().any(|one| codes.contains(&one.code))
}

fn show(list: &[Diagnostic]) -> String {
    list.iter().map(|one| format!("{} {}; ", one.code, one.message)).collect()
}

/// Rows whose number stands behind another word, or in a line of data.
const OF_LINES: &[&str] =
    &["global_defs/lvs_timeouts", "vrrp_instance/auth_hmac/key", "virtual_server_group/fwmark"];

/// Words that a required setting of the block may be missing for: a statement alone in its block says nothing of
/// the rest of it.
const OF_THE_BLOCK: &[Code] = &[Code::Required, Code::Empty];

#[test]
fn an_example_of_every_row_is_legal() {
    let mut wrong = Vec::new();
    for row in rows() {
        let statement = format!("{} {}", row.word(), sample(row));
        let errors: Vec<Diagnostic> = said(row, statement.trim_end())
            .into_iter()
            .filter(|one| one.severity == Severity::Error && !OF_THE_BLOCK.contains(&one.code))
            .collect();
        if !errors.is_empty() {
            wrong.push(format!("{} ({}): `{statement}`: {}", row.path, row.args(), show(&errors)));
        }
        assert!(!row.doc().is_empty() && !row.doc().contains('\n'), "{}", row.path);
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whether one letter or one swap of neighbours makes one word of the other.
fn one_edit(one: &str, other: &str) -> bool {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let same = one.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let (a, b) = (&one[same..], &other[same..]);
    let tail = |a: &[char], b: &[char], from: usize, to: usize| a.get(from..) == b.get(to..);
    tail(a, b, 1, 1)
        || tail(a, b, 0, 1)
        || tail(a, b, 1, 0)
        || (a.len() > 1 && b.len() > 1 && a[0] == b[1] && a[1] == b[0] && a[2..] == b[2..])
}

#[test]
fn a_letter_that_is_wrong_leads_to_the_word() {
    let mut wrong = Vec::new();
    for row in rows().filter(|row| row.word().len() > 2) {
        let word = row.word();
        let middle = word.len() / 2;
        let swapped: String = {
            let mut letters: Vec<char> = word.chars().collect();
            letters.swap(middle - 1, middle);
            letters.into_iter().collect()
        };
        let mutations = [
            format!("{}q{}", &word[..middle], &word[middle + 1..]),
            format!("{}{}", &word[..middle], &word[middle + 1..]),
            format!("{}q{}", &word[..middle], &word[middle..]),
            swapped,
        ];
        for mutated in mutations {
            let legal = rows().any(|other| other.block() == row.block() && other.word() == mutated);
            if legal || mutated == word || mutated.starts_with("include") {
                continue;
            }
            let statement = format!("{mutated} {}", sample(row));
            let found = said(row, statement.trim_end());
            let suggested = found.iter().filter(|one| one.severity == Severity::Error).any(|one| {
                // A word that is just as near is as good a guess.
                let help = one.help.as_deref().unwrap_or("");
                let meant = help.split('`').nth(1).unwrap_or("");
                meant == word || (!meant.is_empty() && one_edit(meant, &mutated))
            });
            if !suggested || !has(&found, &[Code::UnknownKeyword, Code::Misplaced]) {
                wrong.push(format!("{}: `{mutated}`: {}", row.path, show(&found)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn numbers_are_held_to_their_range() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for row in rows() {
        let whole = row.first() == Some(Shape::Whole);
        if !whole && row.first() != Some(Shape::Number)
            || row.range().contains("online")
            || row.is_block()
            || OF_LINES.contains(&row.path)
        {
            continue;
        }
        let (Some(low), high) = row.bounds() else { continue };
        let step = if whole { 1_000_000 } else { 1 };
        let text = |number: i64| {
            let (sign, number) = if number < 0 { ("-", -number) } else { ("", number) };
            let decimals = format!("{:06}", number % 1_000_000);
            let decimals = decimals.trim_end_matches('0');
            let dot = if decimals.is_empty() { "" } else { "." };
            format!("{sign}{}{dot}{decimals}", number / 1_000_000)
        };
        // Milliseconds are read to the thousandth; weights one beyond the range are lowered.
        let clamped = row.range().contains("clamp")
            || row.range().contains("warns outside")
            || row.word() == "weight"
            || row.word() == "active_key";
        let bad = [Code::OutOfRange, Code::BadNumber];
        let mut case = |number: i64, legal: bool| {
            checked += 1;
            let statement = format!("{} {}", row.word(), text(number));
            let found = said(row, &statement);
            let said = has(&found, &bad) || (clamped && has(&found, &[Code::Conflict]));
            if said == legal && !(legal && clamped) {
                wrong.push(format!("{} ({}): `{statement}`: {}", row.path, row.range(), show(&found)));
            }
        };
        case(low, true);
        case(low - step, false);
        if let Some(high) = high {
            case(high, true);
            case(high + step, false);
        }
    }
    assert!(checked > 200, "{checked}");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_word_that_is_missing_is_asked_for() {
    let mut wrong = Vec::new();
    for row in rows() {
        // Optional words, and words that a flag of the same name does without.
        if row.may_stand_alone()
            || matches!(row.shape(), Some(Shape::Block(Header::None, _) | Shape::Lines | Shape::Names))
            || row.path.starts_with("virtual_server_group/")
        {
            continue;
        }
        let found = said(row, row.word());
        if !has(&found, &[Code::MissingArgument]) {
            wrong.push(format!("{} ({}): {}", row.path, row.args(), show(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_word_too_many_is_said() {
    let mut wrong = Vec::new();
    for row in rows() {
        // Lists, and lines whose words stand for themselves.
        let list = matches!(
            row.shape(),
            Some(
                Shape::List(_)
                    | Shape::Alone(Shape::List(_))
                    | Shape::Line { .. }
                    | Shape::Names
                    | Shape::Alone(Shape::Line { .. })
            )
        );
        let own = [
            "global_defs/umask",
            "global_defs/include_check",
            "global_defs/vrrp_rx_bufs_policy",
            "vrrp_track_process/process",
        ];
        if list || own.contains(&row.path) || row.path.starts_with("virtual_server_group/") {
            continue;
        }
        let statement = format!("{} {} one two three four five six seven", row.word(), sample(row));
        let found = said(row, &statement);
        let codes =
            [Code::SurplusArgument, Code::BadChoice, Code::UnknownKeyword, Code::BadNumber, Code::Conflict];
        if !has(&found, &codes) {
            wrong.push(format!("{} ({}): {}", row.path, row.args(), show(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The options of lines: an example is legal, and one without its value is not.
#[test]
fn options_of_lines() {
    let mut wrong = Vec::new();
    for row in keywords::all() {
        let (block, before) = match row.block() {
            "(ADDRESS)" if row.word() == "track_group" => ("static_ipaddress", "10.0.0.9/24"),
            "(ADDRESS)" => ("virtual_ipaddress", "10.0.0.9/24"),
            "(ROUTE)" if row.word() == "track_group" => ("static_routes", "10.0.0.0/8 dev eth0"),
            "(ROUTE)" => ("virtual_routes", "10.0.0.0/8"),
            "(RULE)" if row.word() == "track_group" => ("static_rules", "from 10.0.0.0/8 table 9"),
            "(RULE)" if row.shape() == Some(Shape::Flag) && !matches!(row.word(), "not" | "no_track") => {
                ("virtual_rules", "")
            }
            "(RULE)" if matches!(row.word(), "table" | "lookup" | "goto" | "type") => ("virtual_rules", ""),
            "(RULE)" => ("virtual_rules", "table 9"),
            _ => continue,
        };
        if row.word().starts_with('<') {
            continue;
        }
        let value = match row.word() {
            "dev" | "oif" | "iif" | "vrf" => "eth1",
            "broadcast" | "brd" => "+",
            "scope" => "link",
            "label" => "eth0:1",
            "peer" | "src" | "via" | "gw" | "or" => "10.0.0.1",
            "from" | "to" => "10.0.0.0/8",
            "as" => "to 10.0.0.1",
            "table" | "lookup" | "tos" | "dsfield" | "protocol" | "metric" | "priority" | "preference"
            | "order" => "5",
            "encap" => "ip id 5 dst 10.0.0.1 ttl 3",
            "rtt" | "rttvar" | "rto_min" => "lock 200ms",
            "congctl" => "cubic",
            "features" => "ecn",
            "pref" => "high",
            "ttl-propagate" => "enabled",
            "realms" => "1/2",
            "nexthop" => "via 10.0.0.1 weight 3 nexthop via 10.0.0.2",
            "fwmark" => "0x10/0xff",
            "uidrange" | "sport" | "dport" => "10-20",
            "ipproto" => "tcp",
            "type" => "blackhole",
            "track_group" => "group",
            "preferred_lft" => "forever",
            "inet" | "inet6" => "",
            _ if row.shape() == Some(Shape::Flag) => "",
            _ => "1",
        };
        let errors = |line: &str| -> Vec<Diagnostic> {
            let head = "track_group group {\ngroup { a }\n}\n";
            let text = match block.starts_with("static") {
                true => format!("{head}{block} {{\n{line}\n}}\n"),
                false => format!(
                    "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nno_virtual_ipaddress\n{block} {{\n{line}\n}}\n}}\n"
                ),
            };
            let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
            loaded.diagnostics.into_iter().filter(|one| one.severity == Severity::Error).collect()
        };
        let family = row.word() == "inet6";
        let good = errors(&format!("{} {} {value}", if family { "" } else { before }, row.word()));
        let good: Vec<_> = good.into_iter().filter(|_| !family).collect();
        if !good.is_empty() {
            wrong.push(format!("{} {value}: {}", row.path, show(&good)));
        }
        let typo = errors(&format!("{before} {}q", row.word()));
        if !has(&typo, &[Code::UnknownKeyword]) {
            wrong.push(format!("{}q: {}", row.path, show(&typo)));
        }
        if !value.is_empty()
            && row.word() != "type"
            && !has(&errors(&format!("{before} {}", row.word())), &[Code::MissingArgument, Code::Required])
            && row.word() != "nexthop"
        {
            wrong.push(format!("{} without a value", row.path));
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// A list takes no words in front of its braces: keepalived reports them, too.
#[test]
fn a_word_in_front_of_a_list_is_said() {
    let mut silent = Vec::new();
    for row in rows().filter(|row| row.is_value_block() && !matches!(row.shape(), Some(Shape::Block(..)))) {
        let statement = format!("{} surplus", row.word());
        if !has(&said(row, &statement), &[Code::SurplusArgument]) {
            silent.push(row.path);
        }
    }
    assert!(silent.is_empty(), "{silent:?}");
}
