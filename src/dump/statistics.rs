//! `keepalived.stats`: what each instance counted.

use crate::config::model::Instance;
use crate::vrrp::instance::{Snapshot, Stats};

use super::page::Page;

/// The text, in the order of the configuration.
#[must_use]
pub fn statistics(instances: &[Instance], seen: &[Snapshot]) -> String {
    let mut page = Page::default();
    for instance in instances {
        let stats = seen.iter().find(|one| one.name == instance.name).map(|one| one.stats.clone());
        let groups = groups(&stats.unwrap_or_default());
        page.line(format_args!("VRRP Instance: {}", instance.name));
        for (title, values) in groups {
            match values.as_slice() {
                [("", value)] => page.line(format_args!("  {title}: {value}")),
                values => {
                    page.line(format_args!("  {title}:"));
                    values.iter().for_each(|(name, value)| page.line(format_args!("    {name}: {value}")));
                }
            }
        }
    }
    page.text()
}

type Group = (&'static str, Vec<(&'static str, u64)>);

/// The counters under their titles. This version has no `auth_hmac`, so that none of its errors happens.
fn groups(stats: &Stats) -> [Group; 7] {
    [
        ("Advertisements", vec![("Received", stats.advert_rcvd), ("Sent", stats.advert_sent)]),
        ("Became master", vec![("", stats.become_master)]),
        ("Released master", vec![("", stats.release_master)]),
        (
            "Packet Errors",
            vec![
                ("Length", stats.packet_len_err),
                ("TTL", stats.ip_ttl_err),
                ("Invalid Type", stats.invalid_type_rcvd),
                ("Advertisement Interval", stats.advert_interval_err),
                ("Address List", stats.addr_list_err),
            ],
        ),
        (
            "Authentication Errors",
            vec![
                ("Invalid Type", stats.invalid_authtype),
                ("Type Mismatch", stats.authtype_mismatch),
                ("Failure", stats.auth_failure),
            ],
        ),
        (
            "Authentication Extension Errors",
            ["Missing", "Malformed", "Unknown Key", "Invalid HMAC", "Stale", "Replay"]
                .map(|name| (name, 0))
                .into(),
        ),
        ("Priority Zero", vec![("Received", stats.pri_zero_rcvd), ("Sent", stats.pri_zero_sent)]),
    ]
}
