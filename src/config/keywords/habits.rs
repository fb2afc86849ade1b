//! Words that people write for others: from other programs, or as they remember them. No distance of letters
//! finds them.

/// What is written, in small letters, and what was meant, as far as one of it is legal at the place.
const MEANT: &[(&str, &[&str])] = &[
    ("active", &["MASTER"]),
    ("advert_interval", &["advert_int"]),
    ("algo", &["lb_algo"]),
    ("algorithm", &["lb_algo"]),
    ("auth_key", &["auth_pass"]),
    ("auth_password", &["auth_pass"]),
    ("check_interval", &["delay_loop"]),
    ("dev", &["interface"]),
    ("device", &["interface", "dev"]),
    ("direct", &["DR"]),
    ("droute", &["DR"]),
    ("fullnat", &["NAT"]),
    ("gate", &["DR"]),
    ("gateway", &["via"]),
    ("gatewaying", &["DR"]),
    ("https_check", &["SSL_GET"]),
    ("https_get", &["SSL_GET"]),
    ("http_check", &["HTTP_GET"]),
    ("iface", &["interface"]),
    ("ipip", &["TUN"]),
    ("lable", &["label"]),
    ("lb_method", &["lb_kind"]),
    ("lb_type", &["lb_kind"]),
    ("leastconn", &["lc"]),
    ("least_conn", &["lc"]),
    ("least_connection", &["lc"]),
    ("mail_server", &["smtp_server"]),
    ("masq", &["NAT"]),
    ("masquerade", &["NAT"]),
    ("nic", &["interface"]),
    ("pass", &["auth_pass"]),
    ("password", &["auth_pass"]),
    ("passive", &["BACKUP"]),
    ("peer", &["unicast_peer"]),
    ("peers", &["unicast_peer"]),
    ("persistence", &["persistence_timeout"]),
    ("primary", &["MASTER"]),
    ("prio", &["priority"]),
    ("round_robin", &["rr"]),
    ("round-robin", &["rr"]),
    ("roundrobin", &["rr"]),
    ("router", &["DR"]),
    ("scheduler", &["lb_algo"]),
    ("secondary", &["BACKUP"]),
    ("slave", &["BACKUP"]),
    ("source_ip", &["unicast_src_ip", "mcast_src_ip"]),
    ("src_ip", &["unicast_src_ip", "mcast_src_ip"]),
    ("standby", &["BACKUP"]),
    ("tcp_connect", &["TCP_CHECK"]),
    ("timeout", &["connect_timeout"]),
    ("tunnel", &["TUN"]),
    ("unicast_ip", &["unicast_src_ip"]),
    ("vip", &["virtual_ipaddress"]),
    ("vips", &["virtual_ipaddress"]),
    ("virtual_address", &["virtual_ipaddress"]),
    ("virtual_ip", &["virtual_ipaddress"]),
    ("virtual_ips", &["virtual_ipaddress"]),
    ("vrid", &["virtual_router_id"]),
    ("vrrp_version", &["version"]),
    ("weighted_round_robin", &["wrr"]),
];

/// What `word` may have been meant to be; empty: nothing is known.
pub(super) fn meant(word: &str) -> &'static [&'static str] {
    let lower = word.to_ascii_lowercase();
    MEANT.iter().find(|(written, _)| *written == lower).map_or(&[], |(_, meant)| meant)
}

#[cfg(test)]
mod tests {
    use super::super::{all, closest, places};
    use super::*;

    #[test]
    fn what_is_meant_is_a_word_of_the_language() {
        let others = ["MASTER", "BACKUP", "DR", "NAT", "TUN", "lc", "rr", "wrr"];
        for (written, words) in MEANT {
            for word in *words {
                let of_lines = all().any(|row| row.path.starts_with('(') && row.word() == *word);
                assert!(!places(word).is_empty() || of_lines || others.contains(word), "{written}: {word}");
            }
        }
    }

    #[test]
    fn a_habit_is_nearer_than_letters() {
        assert_eq!(closest("HTTPS_GET", ["HTTP_GET", "SSL_GET"].into_iter()), Some("SSL_GET"));
        assert_eq!(closest("RoundRobin", ["lc", "rr", "sh"].into_iter()), Some("rr"));
        assert_eq!(closest("direct", ["NAT", "DR", "TUN"].into_iter()), Some("DR"));
        assert_eq!(closest("scheduler", ["priority", "state"].into_iter()), None);
    }
}
