//! An example of every word, and the smallest configuration around it.
//!
//! In: a row of the table. Out: [`statement`], the lines as they stand in their block, and [`file()`], a whole
//! configuration that `directord --check` accepts. What is regular comes from the arguments and the range of
//! the row; the rest is data below.

mod statements;

use super::absent::Value;
use super::notation::Part;
use super::range::decimal;
use super::shape::{Format, Shape};
use super::{Keyword, all};
use statements::STATEMENTS;

/// The lines of an example, without the blocks around them.
pub fn statement(keyword: &Keyword) -> String {
    if let Some((_, text)) = STATEMENTS.iter().find(|(path, _)| *path == keyword.path) {
        return (*text).to_owned();
    }
    match keyword.block() {
        "(ROUTE)" => format!("192.168.200.0/24 via 192.168.100.1 {}", written(keyword)),
        "(NEXTHOP)" => format!("default nexthop dev eth0 {}", written(keyword)),
        "(ENCAP)" => format!("default via 10.0.0.1 dev eth0 encap {}", written(keyword)),
        "(RULE)" => format!("from 192.168.200.0/24 {} table 100", written(keyword)),
        "(ADDRESS)" => format!("192.168.100.240/24 {}", written(keyword)),
        _ if keyword.is_value_block() => {
            format!("{} {{\n    {}\n}}", head(keyword.path), data_line(keyword.path))
        }
        _ if keyword.is_block() => {
            let inner = indented(&required(keyword.path, ""));
            let head = head(keyword.path);
            if inner.is_empty() { format!("{head} {{\n}}") } else { format!("{head} {{\n{inner}\n}}") }
        }
        _ => written(keyword),
    }
}

/// A whole configuration with the example in it.
pub fn file(keyword: &Keyword) -> String {
    let mut text = statement(keyword);
    let mut block = match LINES.iter().find(|(kind, _)| *kind == keyword.block()) {
        Some((_, block)) if text.starts_with(&format!("{} ", last(block))) => outer(block),
        Some((_, block)) => block,
        None => keyword.block(),
    };
    if let Some((_, line)) = STATIC.iter().find(|(path, _)| *path == keyword.path) {
        block = line;
    }
    if keyword.block() == "(language)" {
        block = "";
    }
    while !block.is_empty() {
        let others = match is_value_block(block) {
            true => String::new(),
            false => required(block, &text),
        };
        let inner = if others.is_empty() { text } else { format!("{others}\n{text}") };
        text = format!("{} {{\n{}\n}}", head(block), indented(&inner));
        block = outer(block);
    }
    let above = PRELUDES.iter().filter(|(word, _)| text.contains(word));
    let mut parts: Vec<&str> = above.map(|(_, prelude)| *prelude).collect();
    parts.push(&text);
    parts.join("\n\n") + "\n"
}

/// The word with its arguments.
fn written(keyword: &Keyword) -> String {
    let value = value(keyword);
    if value.is_empty() { keyword.word().to_owned() } else { format!("{} {value}", keyword.word()) }
}

fn value(keyword: &Keyword) -> String {
    let suffix = |name: &str| {
        keyword.path.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('/'))
    };
    if let Some((_, value)) = VALUES.iter().find(|(name, _)| suffix(name)) {
        return (*value).to_owned();
    }
    match keyword.shape() {
        Some(shape) => of_shape(keyword, shape),
        None => of_parts(keyword, keyword.parts()),
    }
}

fn of_shape(keyword: &Keyword, shape: Shape) -> String {
    match shape {
        Shape::Alone(inner) => of_shape(keyword, *inner),
        Shape::Boolean => if keyword.absent().value == Value::Switch(true) { "off" } else { "on" }.to_owned(),
        Shape::Choice(words) => words.first().copied().unwrap_or("").to_owned(),
        Shape::Command => "/usr/local/bin/check-web".to_owned(),
        Shape::Line { .. } | Shape::Several | Shape::Endpoint | Shape::Word => {
            of_parts(keyword, keyword.parts())
        }
        Shape::List(inner) if keyword.parts().is_empty() => of_shape(keyword, *inner),
        Shape::List(_) => of_parts(keyword, keyword.parts()),
        Shape::Number | Shape::Whole => number(keyword),
        Shape::Pattern => "\"[Ww]elcome\"".to_owned(),
        Shape::Script => "\"/usr/local/bin/on-change master\"".to_owned(),
        Shape::Text(format) => of_format(format).to_owned(),
        Shape::Block(..) | Shape::Flag | Shape::Lines | Shape::Names => String::new(),
    }
}

/// What must stand there.
fn of_parts(keyword: &Keyword, parts: &[Part]) -> String {
    let words = parts.iter().map(|part| of_part(keyword, part)).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

fn of_part(keyword: &Keyword, part: &Part) -> String {
    match part {
        Part::As(other) => all().find(|row| row.word() == *other).map(value).unwrap_or_default(),
        Part::Called(name, shape) => match CALLED.iter().find(|(called, _)| called == name) {
            Some((_, value)) => (*value).to_owned(),
            None => of_shape(keyword, *shape),
        },
        Part::Choice(words) => words.first().copied().unwrap_or("").to_owned(),
        Part::Either(parts) => parts.first().map(|part| of_part(keyword, part)).unwrap_or_default(),
        Part::Joined(parts) => parts.iter().map(|part| of_part(keyword, part)).collect(),
        Part::Many(part) => of_part(keyword, part),
        Part::Number(_, low, _) => low.to_string(),
        Part::Value(shape) => of_shape(keyword, *shape),
        Part::Word(word) => (*word).to_owned(),
        Part::LineOf(_) | Part::Maybe(_) | Part::Statement(_) => String::new(),
    }
}

fn of_format(format: Format) -> &'static str {
    match format {
        Format::Account | Format::AccountGroup => "keepalived_script",
        Format::Address => "192.168.100.8",
        Format::Any => "lvs1",
        Format::Digest => "640205b7b0fc66c1ea91c463fac6334d",
        Format::Directory => "/var/lib/directord",
        Format::File => "/run/directord/dump",
        Format::Interface => "eth0",
        Format::Ipv4 => "192.168.100.255",
        Format::Ipv6 => "2001:db8::1",
        Format::Mask => "255.255.255.0",
        Format::Multicast => "224.0.0.18",
        Format::Name => "TG_1",
        Format::Net => "192.168.200.0/24",
    }
}

/// The default when it is a number, else something in the range.
fn number(keyword: &Keyword) -> String {
    if let Value::Number(default) = keyword.absent().value
        && default > 0
    {
        return decimal(default);
    }
    let whole = |millionths: i64| millionths / 1_000_000;
    let (low, high) = keyword.bounds();
    match (low.map(whole), high.map(whole)) {
        (Some(low), _) if low > 5 => low.to_string(),
        (_, Some(high)) if (1..10).contains(&high) => high.to_string(),
        _ => "10".to_owned(),
    }
}

/// What a block cannot be without, apart from what `given` has.
fn required(path: &str, given: &str) -> String {
    let Some((_, lines)) = REQUIRED.iter().find(|(block, _)| *block == kind(path)) else {
        return String::new();
    };
    let has = |word: &str| given.lines().any(|line| line.split(' ').next() == Some(word));
    let mut kept: Vec<String> = Vec::new();
    for statement in *lines {
        let word = statement.split([' ', '\n']).next().unwrap_or("");
        let check = word == "TCP_CHECK" && given.contains("_CHECK") | given.contains("_GET");
        let plain = word == "tls" && !given.starts_with("tls_");
        if !has(word) && !check && !plain {
            kept.push((*statement).to_owned());
        }
    }
    kept.join("\n")
}

/// Checks that connect are written alike: one entry serves them.
fn kind(path: &str) -> &str {
    match path {
        "virtual_server/real_server/SSL_GET" => "virtual_server/real_server/HTTP_GET",
        "virtual_server/real_server/SSL_GET/url" => "virtual_server/real_server/HTTP_GET/url",
        "vrrp_track_file" => "track_file",
        path => path,
    }
}

fn head(path: &str) -> String {
    match HEADS.iter().find(|(block, _)| *block == path) {
        Some((_, name)) => format!("{} {name}", last(path)),
        None => last(path).to_owned(),
    }
}

fn data_line(path: &str) -> &'static str {
    DATA.iter().find(|(block, _)| path == *block || last(path) == *block).map_or("", |(_, line)| line)
}

fn is_value_block(path: &str) -> bool {
    all().any(|keyword| keyword.path == path && keyword.is_value_block())
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn outer(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(outer, _)| outer)
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

/// Words behind the name of a block.
const HEADS: &[(&str, &str)] = &[
    ("bfd_instance", "BFD_1"),
    ("check", "banner"),
    ("track_file", "load"),
    ("track_group", "TG_1"),
    ("virtual_server", "192.168.100.240 80"),
    ("virtual_server/real_server", "192.168.100.8 80"),
    ("virtual_server_group", "WEB"),
    ("vrrp_instance", "VI_1"),
    ("vrrp_script", "chk_web"),
    ("vrrp_sync_group", "VG_1"),
    ("vrrp_track_file", "load"),
    ("vrrp_track_process", "nginx"),
];

/// What must stand in a block.
const REQUIRED: &[(&str, &[&str])] = &[
    ("SSL", &["ca /etc/ssl/certs/ca-certificates.crt"]),
    ("bfd_instance", &["neighbor_ip 192.168.100.2"]),
    ("check", &["tls", "send \"PING\\r\\n\"", "expect \"+PONG\""]),
    ("garp_group", &["garp_interval 0.1", "interface eth0"]),
    ("track_file", &["file /run/load"]),
    ("track_group", &["group {\n    VI_1\n}"]),
    (
        "virtual_server",
        &[
            "protocol TCP",
            "lb_algo rr",
            "lb_kind DR",
            "real_server 192.168.100.8 80 {\n    TCP_CHECK {\n    }\n}",
        ],
    ),
    ("virtual_server/real_server", &["TCP_CHECK {\n}"]),
    ("virtual_server/real_server/BFD_CHECK", &["name BFD_1"]),
    ("virtual_server/real_server/FILE_CHECK", &["track_file load"]),
    ("virtual_server/real_server/HTTP_GET", &["url {\n    path /\n}"]),
    ("virtual_server/real_server/HTTP_GET/url", &["path /"]),
    ("virtual_server/real_server/MISC_CHECK", &["misc_path \"/usr/lib/nagios/plugins/check_tcp -p 80\""]),
    ("virtual_server_group", &["192.168.100.240 80"]),
    (
        "vrrp_instance",
        &["interface eth0", "virtual_router_id 51", "virtual_ipaddress {\n    192.168.100.240/24\n}"],
    ),
    ("vrrp_instance/auth_hmac", &["key 1 0123456789abcdef0123456789abcdef", "active_key 1"]),
    ("vrrp_instance/authentication", &["auth_type PASS", "auth_pass k7Qd2mZx"]),
    ("vrrp_script", &["script /usr/local/bin/check-web"]),
    ("vrrp_sync_group", &["group {\n    VI_1\n    VI_2\n}"]),
    ("vrrp_track_process", &["process nginx"]),
];

/// What must stand above, by what the example names.
const PRELUDES: &[(&str, &str)] = &[
    ("BFD_1\n", "bfd_instance BFD_1 {\n    neighbor_ip 192.168.100.2\n}"),
    ("check cache\n", "check cache {\n    protocol redis\n}"),
    ("chk_web weight", "vrrp_script chk_web {\n    script /usr/local/bin/check-web\n}"),
    ("load weight", "track_file load {\n    file /run/load\n}"),
    ("track_file load\n", "track_file load {\n    file /run/load\n}"),
    ("nginx weight", "vrrp_track_process nginx {\n    process nginx\n}"),
    ("BFD_1 weight", "bfd_instance BFD_1 {\n    neighbor_ip 192.168.100.2\n}"),
    (" track_group TG_1", "track_group TG_1 {\n    group {\n        VI_1\n    }\n}"),
    (
        "VG_1",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\n\nvrrp_instance VI_2 {\n    interface eth1\n    virtual_router_id 52\n    \
         virtual_ipaddress {\n        10.0.0.1/24\n    }\n}",
    ),
];

/// Blocks for the words of lines.
const LINES: &[(&str, &str)] = &[
    ("(ADDRESS)", "vrrp_instance/virtual_ipaddress"),
    ("(ENCAP)", "vrrp_instance/virtual_routes"),
    ("(NEXTHOP)", "vrrp_instance/virtual_routes"),
    ("(ROUTE)", "vrrp_instance/virtual_routes"),
    ("(RULE)", "vrrp_instance/virtual_rules"),
    ("(TRACK_BFD)", "vrrp_instance/track_bfd"),
    ("(TRACK_FILE)", "vrrp_instance/track_file"),
    ("(TRACK_IF)", "vrrp_instance/track_interface"),
    ("(TRACK_PROCESS)", "vrrp_instance/track_process"),
    ("(TRACK_SCRIPT)", "vrrp_instance/track_script"),
];

/// Words of static entries alone.
const STATIC: &[(&str, &str)] = &[
    ("(ADDRESS)/track_group", "static_ipaddress"),
    ("(ROUTE)/track_group", "static_routes"),
    ("(RULE)/track_group", "static_rules"),
];

/// One line of a block of data.
const DATA: &[(&str, &str)] = &[
    ("group", "VI_1"),
    ("vrrp_sync_group/group", "VI_1\n    VI_2"),
    ("interface_up_down_delays", "eth0 2 1"),
    ("interfaces", "eth0 eth1"),
    ("linkbeat_interfaces", "eth0 ETHTOOL"),
    ("notification_email", "admin@example.com"),
    ("static_ipaddress", "192.168.100.3/24 dev eth0"),
    ("static_routes", "192.168.200.0/24 via 192.168.100.1 dev eth0"),
    ("static_rules", "from 192.168.200.0/24 table 100"),
    ("track_bfd", "BFD_1 weight -20"),
    ("track_file", "load weight 1"),
    ("track_interface", "eth1 weight -20"),
    ("track_process", "nginx weight -20"),
    ("track_script", "chk_web weight -20"),
    ("unicast_peer", "192.168.100.2"),
    ("virtual_ipaddress", "192.168.100.240/24"),
    ("virtual_ipaddress_excluded", "192.168.101.240/24 dev eth1"),
    ("virtual_routes", "192.168.200.0/24 via 192.168.100.1 dev eth0"),
    ("virtual_rules", "from 192.168.200.0/24 table 100"),
    ("virtual_server_group", "192.168.100.240 80"),
];

/// Values that have a name of their own.
const CALLED: &[(&str, &str)] = &[
    ("ACTION", "prohibit"),
    ("DSFIELD", "0x10"),
    ("HIGH", "2000"),
    ("LOW", "1000"),
    ("DST", "2"),
    ("INT MAX", "65536"),
    ("INT START", "32768"),
    ("INT64", "42"),
    ("LOCATOR64", "0123:4567:89ab:cdef"),
    ("OPTION", "caseless"),
    ("TABLE", "directord"),
    ("next word skipped", "192.168.200.1"),
];

/// Arguments by word, or by the end of the path where the word has several meanings.
const VALUES: &[(&str, &str)] = &[
    ("(ADDRESS)/scope", "link"),
    ("rise", "3"),
    ("fall", "3"),
    ("url/method", "OPTIONS"),
    ("url/header", "\"Accept: application/json\""),
    ("auth_basic_file", "/etc/directord/probe.secret"),
    ("auth_bearer_file", "credential:probe"),
    ("url/contains", "\"ready\""),
    ("url/contains_not", "\"maintenance\""),
    ("url/json_pointer", "\"/status\" \"ok\""),
    ("url/max_size", "65536"),
    ("url/max_time", "0.5"),
    ("url/follow_redirects", "2"),
    ("tls_verify", "system"),
    ("tls_name", "www.example.com"),
    ("tls_min_version", "1.2"),
    ("tls_max_version", "1.3"),
    ("tls_expiry_warning", "14"),
    ("real_server/check", "cache"),
    ("check/send", "\"PING\\r\\n\""),
    ("check/expect", "\"+PONG\""),
    ("(ROUTE)/scope", "link"),
    ("(ROUTE)/table", "100"),
    ("(RULE)/ipproto", "tcp"),
    ("(ROUTE)/protocol", "tcp"),
    ("(RULE)/realms", "1/2"),
    ("(ROUTE)/realms", "1/2"),
    ("(NEXTHOP)/realms", "1/2"),
    ("(ROUTE)/congctl", "cubic"),
    ("(ROUTE)/rtt", "100ms"),
    ("(ROUTE)/rttvar", "100ms"),
    ("(ROUTE)/rto_min", "100ms"),
    ("(ROUTE)/pref", "high"),
    ("vrrp_garp_extra_if", "60"),
    ("vrrp_vmac_garp_intvl", "60"),
    ("garp_extra_if", "60"),
    ("vmac_garp_intvl", "60"),
    ("nftables", "directord"),
    ("nftables_ipvs", "directord"),
    ("encap", "ip id 42 dst 10.0.0.2"),
    ("broadcast", "+"),
    ("brd", "+"),
    ("via", "192.168.100.1"),
    ("as", "192.168.100.1"),
    ("(RULE)/suppress_ifgroup", "2"),
    ("(RULE)/sup_group", "2"),
    ("net_namespace_ipvs", "lvs1"),
    ("http_protocol", "1.1"),
    ("sorry_server", "192.168.100.9 80"),
    ("status_code", "200-299 304"),
    ("regex_options", "caseless multiline"),
    ("notify_fifo", "/run/directord/events"),
    ("vrrp_notify_fifo", "/run/directord/events"),
    ("lvs_notify_fifo", "/run/directord/events"),
    ("reload_time_file", "/var/lib/directord/reload"),
    ("lvs_method", "DR"),
    ("lvs_sched", "rr"),
    ("notify_deleted", "\"/usr/local/bin/on-change deleted\""),
    ("(ENCAP)/ip", "id 42 dst 192.168.100.2"),
    ("(ENCAP)/ip6", "id 42 dst 2001:db8::2"),
    ("(ENCAP)/mpls", "100/200"),
    ("active_key", "1"),
    ("advert_int", "1"),
    ("anti_replay", "monotonic"),
    ("auth_pass", "k7Qd2mZx"),
    ("auth_type", "PASS"),
    ("bindto", "192.168.100.1"),
    ("bind_port", "50000"),
    ("ca", "/etc/ssl/certs/ca-certificates.crt"),
    ("certificate", "/etc/ssl/certs/lvs1.pem"),
    ("SSL/key", "/etc/ssl/private/lvs1.key"),
    ("auth_hmac/key", "1 0123456789abcdef0123456789abcdef"),
    ("connect_port", "8080"),
    ("connect_timeout", "3"),
    ("dbus_service_name", "org.keepalived.Vrrp1"),
    ("delay_before_retry", "1"),
    ("delay_loop", "6"),
    ("dynamic_interfaces", "allow_if_changes"),
    ("features", "ecn"),
    ("file", "/run/load"),
    ("virtual_server_group/fwmark", "7 inet"),
    ("helo_name", "lvs1.example.com"),
    ("webhook", "https://hooks.example.com/directord"),
    ("smtp_helo_name", "lvs1.example.com"),
    ("hysteresis", "1"),
    ("include_check", "read wildcard_match"),
    ("init_file", "10 overwrite"),
    ("json_version", "2"),
    ("label", "eth0:vip"),
    ("lb_algo", "wlc"),
    ("lb_kind", "TUN type gue port 6080 nocsum"),
    ("lvs_flush_on_stop", "VS"),
    ("lvs_flush_onstop", "VS"),
    ("lvs_sync_daemon", "eth0 inst VI_1 id 51"),
    ("lvs_timeouts", "tcp 900 tcpfin 120 udp 300"),
    ("min_rx", "100"),
    ("min_tx", "100"),
    ("misc_path", "\"/usr/lib/nagios/plugins/check_tcp -p 80\""),
    ("mode", "permissive"),
    ("BFD_CHECK/name", "BFD_1"),
    ("DNS_CHECK/name", "www.example.com"),
    ("native_ipv6", ""),
    ("neighbor_ip", "192.168.100.2"),
    ("neighbour_ip", "192.168.100.2"),
    ("notification_email_from", "lvs1@example.com"),
    ("old_unicast_checksum", "never"),
    ("param_match", "initial"),
    ("password", "k7Qd2mZx"),
    ("path", "/index.html"),
    ("payload", "01 02 0a ff"),
    ("peer", "192.168.100.241"),
    ("persistence_engine", "sip"),
    ("persistence_timeout", "300"),
    ("preempt_delay", "30"),
    ("preferred_lft", "forever"),
    ("priority", "150"),
    ("process", "nginx"),
    ("process_name", "directord"),
    ("virtual_server/protocol", "TCP"),
    ("(RULE)/protocol", "18"),
    ("require_reply", "01XX"),
    ("retry", "3"),
    ("nb_get_retry", "3"),
    ("reload_check_config", "/var/log/directord-reload.log"),
    ("reload_file", "/run/directord.reload"),
    ("script", "/usr/local/bin/check-web"),
    ("snmp_name", "web"),
    ("snmp_socket", "unix:/var/agentx/master"),
    ("smtp_server", "192.168.100.5 25"),
    ("source_ip", "192.168.100.1"),
    ("mcast_src_ip", "192.168.100.1"),
    ("unicast_src_ip", "192.168.100.1"),
    ("src", "192.168.100.240"),
    ("gw", "192.168.100.254"),
    ("or", "192.168.100.254"),
    ("state", "BACKUP"),
    ("FILE_CHECK/track_file", "load"),
    ("DNS_CHECK/type", "A"),
    ("umask", "IRWXG|IRWXO"),
    ("use_ipvlan", "ipvl0 bridge"),
    ("use_vmac", "vrrp.51"),
    ("user", "nobody"),
    ("script_user", "nobody"),
    ("version", "3"),
    ("virtual_router_id", "51"),
    ("virtualhost", "www.example.com"),
    ("sni_name", "www.example.com"),
    ("vrf", "vrf-blue"),
    ("vrrp_iptables", "VIP_IN VIP_OUT"),
    ("vrrp_ipsets", "vips vips6"),
    ("vrrp_mcast_group4", "224.0.0.18"),
    ("vrrp_mcast_group6", "ff02::12"),
    ("vrrp_rx_bufs_policy", "MTU"),
    ("vrrp_version", "3"),
    ("warmup", "2"),
    ("bfd_instance/weight", "-20"),
    ("track_file/weight", "-20"),
    ("vrrp_script/weight", "-20"),
    ("vrrp_track_file/weight", "-20"),
    ("vrrp_track_process/weight", "-20"),
    ("FILE_CHECK/weight", "-20"),
];
