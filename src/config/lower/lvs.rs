//! What virtual and real servers have in common: addresses with ports, forwarding methods, the settings that
//! checks inherit.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::{Lower, arguments};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Forwarding, TunnelChecksum};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// Settings that checks take from their real server, and that from its virtual server.
#[derive(Default, Clone)]
pub(super) struct Inherited {
    pub(super) alpha: Option<bool>,
    pub(super) connect_timeout: Option<Duration>,
    pub(super) delay_loop: Option<Duration>,
    pub(super) warmup: Option<Duration>,
    pub(super) retry: Option<u32>,
    pub(super) delay_before_retry: Option<Duration>,
    pub(super) virtualhost: Option<String>,
}

impl Inherited {
    /// What is not set here is set as in `outer`.
    pub(super) fn or(&self, outer: &Self) -> Self {
        Self {
            alpha: self.alpha.or(outer.alpha),
            connect_timeout: self.connect_timeout.or(outer.connect_timeout),
            delay_loop: self.delay_loop.or(outer.delay_loop),
            warmup: self.warmup.or(outer.warmup),
            retry: self.retry.or(outer.retry),
            delay_before_retry: self.delay_before_retry.or(outer.delay_before_retry),
            virtualhost: self.virtualhost.clone().or_else(|| outer.virtualhost.clone()),
        }
    }
}

/// An address, the port behind it, and where they stand.
pub(super) struct Endpoint {
    pub(super) ip: IpAddr,
    /// 0 when none is given.
    pub(super) port: u16,
    pub(super) span: Span,
}

impl Endpoint {
    pub(super) fn with_port(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, port)
    }
}

impl Lower<'_> {
    /// `ADDRESS [PORT]` behind the keyword.
    pub(super) fn endpoint(&mut self, node: &Node<'_>) -> Option<Endpoint> {
        let (address, port) = match arguments(node) {
            [] => {
                self.missing(node);
                return None;
            }
            [address] => (address, None),
            [address, port] => (address, Some(port)),
            [address, port, surplus, ..] => {
                self.surplus(node, surplus);
                (address, Some(port))
            }
        };
        let ip = self.address_in(address);
        let port = match port {
            None => Some(0),
            Some(word) => self.port(node, word),
        };
        Some(Endpoint { ip: ip?, port: port?, span: address.span })
    }

    fn port(&mut self, node: &Node<'_>, word: &Word<'_>) -> Option<u16> {
        let number =
            word.text.parse::<u16>().ok().filter(|_| word.text.bytes().all(|byte| byte.is_ascii_digit()));
        if number.is_none() {
            let name = node.words.first().map_or("", |word| word.text);
            let message = format!("`{}` is no port of `{name}`", word.text);
            let (code, all_digits) = (Code::OutOfRange, word.text.bytes().all(|byte| byte.is_ascii_digit()));
            let code = if all_digits { code } else { Code::BadNumber };
            self.report(
                Diagnostic::error(code, word.span, message).expected("1..65535, or 0 for every port"),
            );
        }
        number
    }

    /// Settings that are written the same in a virtual and in a real server. False: it is none of them.
    pub(super) fn inherited(&mut self, word: &str, node: &Node<'_>, to: &mut Inherited) -> bool {
        match word {
            "connect_timeout" => to.connect_timeout = self.time(node),
            "delay_before_retry" => to.delay_before_retry = self.time(node),
            "delay_loop" => to.delay_loop = self.time(node),
            "retry" => to.retry = self.whole_as(node),
            "virtualhost" => to.virtualhost = self.text(node),
            "warmup" => to.warmup = self.time(node),
            _ => return false,
        }
        true
    }

    /// `NAT`, `DR`, `TUN [type ipip|gue|gre] [port N] [nocsum|csum|remcsum]`.
    pub(super) fn forwarding(&mut self, node: &Node<'_>) -> Option<Forwarding> {
        let Some((method, options)) = arguments(node).split_first() else {
            self.missing(node);
            return None;
        };
        let plain = match self.choice(method, &[("DR", 1), ("NAT", 2), ("TUN", 3)])? {
            1 => Forwarding::DirectRoute,
            2 => Forwarding::Masquerade,
            _ => return self.tunnel(node, method, options),
        };
        if let Some(surplus) = options.first() {
            self.surplus(node, surplus);
        }
        Some(plain)
    }

    fn tunnel(&mut self, node: &Node<'_>, method: &Word<'_>, options: &[Word<'_>]) -> Option<Forwarding> {
        const KINDS: [(&str, u8); 3] = [("gre", 1), ("gue", 2), ("ipip", 3)];
        let (mut kind, mut port, mut checksum) = (3, None, None);
        let mut words = options.iter();
        while let Some(word) = words.next() {
            match word.text {
                "type" => kind = words.next().and_then(|value| self.choice(value, &KINDS))?,
                "port" => {
                    let value = words.next()?;
                    port = self.whole_behind(node.keyword, "port", value);
                }
                "nocsum" => checksum = Some((TunnelChecksum::None, word.span)),
                "csum" => checksum = Some((TunnelChecksum::Full, word.span)),
                "remcsum" => checksum = Some((TunnelChecksum::Remote, word.span)),
                other => {
                    let message = format!("`{other}` is no option of a tunnel");
                    self.report(
                        Diagnostic::error(Code::BadChoice, word.span, message)
                            .expected("type ipip, gue or gre; port N; nocsum, csum or remcsum"),
                    );
                }
            }
        }
        let wrong = |message: &str| Diagnostic::error(Code::Conflict, method.span, message);
        let problem = match (kind, port, checksum) {
            (1 | 3, Some(_), _) => Some(wrong("only a gue tunnel has a port")),
            (2, None, _) => Some(wrong("a gue tunnel needs a port").help("add `port N`")),
            (3, _, Some(_)) => Some(wrong("an ipip tunnel has no checksum")),
            (1, _, Some((TunnelChecksum::Remote, _))) => Some(wrong("a gre tunnel has no remcsum")),
            _ => None,
        };
        if let Some(problem) = problem {
            self.report(problem);
            return None;
        }
        let checksum = checksum.map_or(TunnelChecksum::None, |(checksum, _)| checksum);
        Some(match (kind, port) {
            (1, _) => Forwarding::Gre { checksum },
            (2, Some(port)) => Forwarding::Gue { port, checksum },
            _ => Forwarding::Ipip,
        })
    }
}

/// Whether packets reach the server through a tunnel, which may be of another family.
pub(super) fn is_tunnel(forwarding: Forwarding) -> bool {
    matches!(forwarding, Forwarding::Gre { .. } | Forwarding::Gue { .. } | Forwarding::Ipip)
}
