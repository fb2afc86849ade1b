//! `virtual_server_group`: the services of one virtual server.

use std::net::IpAddr;

use super::Word;
use super::block::{Block, plain};
use crate::config::model::{GroupEntry, VirtualServerGroup};

impl Block {
    pub(super) fn server_group(&mut self, group: &VirtualServerGroup) {
        self.block(vec![plain("virtual_server_group"), plain(&group.name)], |block| {
            group.entries.iter().for_each(|one| block.line(entry(*one)));
        });
    }
}

fn entry(entry: GroupEntry) -> Vec<Word> {
    match entry {
        GroupEntry::Addresses { first, last, port } => {
            let port = (port != 0).then(|| plain(port.to_string()));
            std::iter::once(plain(range(first, last))).chain(port).collect()
        }
        GroupEntry::Fwmark { mark, family } => {
            let family = family.map(|family| plain(family.word()));
            [plain("fwmark"), plain(mark.to_string())].into_iter().chain(family).collect()
        }
    }
}

/// `ADDRESS`, `ADDRESS-LAST`, `ADDRESS/LENGTH`, `ADDRESS-ADDRESS`: the first form that says it.
fn range(first: IpAddr, last: IpAddr) -> String {
    if first == last {
        return first.to_string();
    }
    let (bits, low, high) = match (first, last) {
        (IpAddr::V4(low), IpAddr::V4(high)) => {
            let ([a, b, c, _], [d, e, f, end]) = (low.octets(), high.octets());
            if [a, b, c] == [d, e, f] {
                return format!("{low}-{end}");
            }
            (32, u128::from(u32::from(low)), u128::from(u32::from(high)))
        }
        (IpAddr::V6(low), IpAddr::V6(high)) => {
            if low.segments().iter().zip(high.segments()).take(7).all(|(low, high)| *low == high) {
                return format!("{low}-{:x}", high.segments().last().copied().unwrap_or(0));
            }
            (128, u128::from(low), u128::from(high))
        }
        _ => return format!("{first}-{last}"),
    };
    let free = (low ^ high).count_ones();
    let net = (low ^ high).trailing_ones() == free && (low ^ high) & low == 0;
    if net { format!("{first}/{}", bits - free) } else { format!("{first}-{last}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_in_the_shortest_form() {
        let text = |first: &str, last: &str| range(first.parse().unwrap(), last.parse().unwrap());
        assert_eq!(text("10.0.0.1", "10.0.0.1"), "10.0.0.1");
        assert_eq!(text("10.0.0.0", "10.0.0.255"), "10.0.0.0-255");
        assert_eq!(text("10.0.0.0", "10.0.3.255"), "10.0.0.0/22");
        assert_eq!(text("10.0.1.0", "10.0.2.255"), "10.0.1.0-10.0.2.255");
        assert_eq!(text("10.0.0.0", "10.0.2.255"), "10.0.0.0-10.0.2.255");
        assert_eq!(text("2001:db8::10", "2001:db8::1f"), "2001:db8::10-1f");
        assert_eq!(text("2001:db8::", "2001:db8::f:ffff"), "2001:db8::/108");
    }
}
