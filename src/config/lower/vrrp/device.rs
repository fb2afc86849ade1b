//! `use_vmac`, `use_ipvlan`: an interface of the instance's own.

use super::super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Instance, IpvlanMode, OwnDevice};
use crate::config::tree::{Node, Word};

impl Lower<'_> {
    /// `[[name] IFNAME] [MAC] [netlink_notify_msg] [group GROUP]`.
    pub(super) fn vmac(&mut self, node: &Node<'_>) -> Option<OwnDevice> {
        let (mut name, mut mac, mut notify, mut group) = (None, None, false, None);
        let mut words = arguments(node).iter();
        while let Some(word) = words.next() {
            match word.text {
                "netlink_notify_msg" => notify = true,
                "group" => group = self.following(word, words.next()).map(|word| word.text.to_string()),
                "name" => {
                    name = self.following(word, words.next()).and_then(|word| self.interface(word));
                }
                text if text.contains(':') => mac = self.mac(word),
                _ if name.is_none() => name = self.interface(word),
                _ => self.surplus(node, word),
            }
        }
        Some(OwnDevice::Vmac { name, mac, notify, group })
    }

    /// `[[name] IFNAME] [ADDRESS] [bridge|private|vepa] [group GROUP]`.
    pub(super) fn ipvlan(&mut self, node: &Node<'_>) -> Option<OwnDevice> {
        let (mut name, mut address, mut mode, mut group) = (None, None, IpvlanMode::default(), None);
        let mut words = arguments(node).iter();
        while let Some(word) = words.next() {
            if let Some(found) = IpvlanMode::ALL.into_iter().find(|mode| mode.name() == word.text) {
                mode = found;
                continue;
            }
            match word.text {
                "group" => group = self.following(word, words.next()).map(|word| word.text.to_string()),
                "name" => {
                    name = self.following(word, words.next()).and_then(|word| self.interface(word));
                }
                text if text
                    .split('/')
                    .next()
                    .is_some_and(|text| text.parse::<std::net::IpAddr>().is_ok()) =>
                {
                    address = self.address_with_length(word).map(|net| net.address);
                }
                _ if name.is_none() => name = self.interface(word),
                _ => self.surplus(node, word),
            }
        }
        Some(OwnDevice::Ipvlan { name, address, mode, group })
    }

    /// The interface of the instance's own is none that there is without it.
    pub(super) fn own_name(&mut self, node: &Node<'_>, instance: &Instance) {
        let (Some(OwnDevice::Vmac { name, .. }) | Some(OwnDevice::Ipvlan { name, .. })) = &instance.device
        else {
            return;
        };
        let Some(name) = name.as_ref().filter(|name| instance.is_on(name) || name.as_str() == "lo") else {
            return;
        };
        let named = |node: &&Node<'_>| {
            node.keyword.is_some_and(|row| matches!(row.word(), "use_vmac" | "use_ipvlan"))
        };
        let span = inside(node).iter().find(named).and_then(Node::span).or(node.span());
        let message = format!("`{name}` is not an interface of the virtual router's own");
        if let Some(span) = span {
            self.report(
                Diagnostic::error(Code::Conflict, span, message)
                    .expected("a name that no other interface has")
                    .help("leave the name out: it is called after the router id"),
            );
        }
    }

    /// The word behind an option.
    fn following<'n, 's>(&mut self, option: &Word<'_>, word: Option<&'n Word<'s>>) -> Option<&'n Word<'s>> {
        if word.is_none() {
            let message = format!("`{}` needs a value", option.text);
            self.report(Diagnostic::error(Code::MissingArgument, option.span, message));
        }
        word
    }

    /// Five or six octets.
    fn mac(&mut self, word: &Word<'_>) -> Option<Vec<u8>> {
        let octet = |text: &str| u8::from_str_radix(text, 16).ok().filter(|_| text.len() <= 2);
        let octets: Option<Vec<u8>> = word.text.split(':').map(octet).collect();
        let octets = octets.filter(|octets| matches!(octets.len(), 5 | 6));
        let multicast = octets.as_ref().and_then(|octets| octets.first()).is_some_and(|first| first & 1 == 1);
        if octets.as_ref().is_some_and(|octets| matches!(octets.get(..5), Some([0, 0, 0x5e, 0, 1 | 2]))) {
            let message =
                format!("`{}` is one of the addresses that the RFC gives to virtual routers", word.text);
            self.adjusted(
                Some(word.span),
                message,
                "it is passed over, as in keepalived: the router has its own of them",
            );
            return None;
        }
        if octets.is_none() || multicast {
            let message = format!("`{}` is no address of an interface", word.text);
            self.report(
                Diagnostic::error(Code::BadAddress, word.span, message)
                    .expected("five octets, the router id becomes the sixth, or six; no multicast address"),
            );
            return None;
        }
        octets
    }
}
