//! Lines of `virtual_ipaddress` and `static_ipaddress`.

use super::Word;
use super::block::plain;
use super::script::option;
use crate::config::model::{Family, Net, VirtualAddress};

/// One line.
pub(super) fn address(address: &VirtualAddress, defaults: bool) -> Vec<Word> {
    // With a peer, the prefix length is that of the peer.
    let whole = defaults && address.peer.is_none();
    let net = Net { address: address.address, prefix: address.prefix };
    let mut words = vec![plain(if whole { format!("{}/{}", net.address, net.prefix) } else { written(net) })];
    words.extend(option("peer", address.peer.map(written)));
    words.extend(option("brd", address.broadcast));
    words.extend(option("dev", address.interface.as_ref()));
    words.extend(option("scope", scope(address, defaults)));
    words.extend(option("label", address.label.as_ref()));
    let flags = [
        (address.flags.home, "home"),
        (address.flags.detect_duplicates, "-nodad"),
        (address.flags.manage_temporary, "mngtmpaddr"),
        (address.flags.no_prefix_route, "noprefixroute"),
        (address.flags.autojoin, "autojoin"),
        (address.no_track, "no_track"),
        (address.vmac, "use_vmac"),
    ];
    words.extend(flags.iter().filter(|(on, _)| *on).map(|(_, word)| plain(*word)));
    let lifetime = address.preferred_lifetime.map(|seconds| match seconds {
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
    let full = Family::of(net.address).bits();
    if net.prefix == full { net.address.to_string() } else { format!("{}/{}", net.address, net.prefix) }
}
