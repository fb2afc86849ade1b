//! What virtual and real servers have in common: addresses with ports, forwarding methods.

use std::net::IpAddr;

use super::Word;
use super::block::plain;
use super::script::option;
use crate::config::model::{Forwarding, TunnelChecksum};

/// `ADDRESS [PORT]`; no port is 0.
pub(super) fn endpoint(address: IpAddr, port: u16) -> Vec<Word> {
    let port = (port != 0).then(|| plain(port.to_string()));
    std::iter::once(plain(address.to_string())).chain(port).collect()
}

/// `NAT`, `DR`, `TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]`.
pub(super) fn forwarding(forwarding: Forwarding) -> Vec<Word> {
    let sum = |checksum| match checksum {
        TunnelChecksum::None => None,
        TunnelChecksum::Full => Some(plain("csum")),
        TunnelChecksum::Remote => Some(plain("remcsum")),
    };
    let tunnel = |kind| vec![plain("TUN"), plain("type"), plain(kind)];
    match forwarding {
        Forwarding::DirectRoute => vec![plain("DR")],
        Forwarding::Masquerade => vec![plain("NAT")],
        Forwarding::Ipip => vec![plain("TUN")],
        Forwarding::Gre { checksum } => tunnel("gre").into_iter().chain(sum(checksum)).collect(),
        Forwarding::Gue { port, checksum } => {
            tunnel("gue").into_iter().chain(option("port", Some(port))).chain(sum(checksum)).collect()
        }
    }
}
