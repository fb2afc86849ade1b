//! Lines of `virtual_ipaddress` and `static_ipaddress`.

use std::net::IpAddr;

use super::Word;
use super::block::plain;
use super::script::option;
use crate::config::model::{Net, VirtualAddress};

/// One line.
pub(super) fn address(address: &VirtualAddress, defaults: bool) -> Vec<Word> {
    let extras = &address.extras;
    // With a peer, the prefix length is that of the peer.
    let whole = defaults && extras.peer.is_none();
    let net = Net { address: address.address, prefix: address.prefix };
    let mut words = vec![plain(if whole { format!("{}/{}", net.address, net.prefix) } else { written(net) })];
    if let Some((peer, prefix)) = extras.peer {
        words.extend(option("peer", Some(written(Net { address: peer, prefix }))));
    }
    words.extend(option("brd", address.broadcast));
    words.extend(option("dev", address.interface.as_ref()));
    words.extend(option("scope", scope(address, defaults)));
    words.extend(option("label", address.label.as_ref()));
    let flags = [
        (extras.home, "home"),
        (extras.detect_duplicates, "-nodad"),
        (extras.manage_temporary, "mngtmpaddr"),
        (extras.no_prefix_route, "noprefixroute"),
        (extras.autojoin, "autojoin"),
        (extras.no_track, "no_track"),
        (extras.vmac, "use_vmac"),
    ];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, word)| plain(*word)));
    let lifetime = extras.preferred_lifetime.map(|seconds| match seconds {
        u32::MAX => "forever".to_owned(),
        seconds => seconds.to_string(),
    });
    words.extend(option("preferred_lft", lifetime));
    words
}

fn scope(address: &VirtualAddress, defaults: bool) -> Option<String> {
    match address.scope {
        0 if defaults && !address.address.is_ipv6() => Some("global".to_owned()),
        0 => None,
        200 => Some("site".to_owned()),
        253 => Some("link".to_owned()),
        254 => Some("host".to_owned()),
        255 => Some("nowhere".to_owned()),
        number => Some(number.to_string()),
    }
}

/// `ADDRESS[/LENGTH]`: the length of a single address is left out.
pub(super) fn written(net: Net) -> String {
    let full = if matches!(net.address, IpAddr::V6(_)) { 128 } else { 32 };
    if net.prefix == full { net.address.to_string() } else { format!("{}/{}", net.address, net.prefix) }
}
