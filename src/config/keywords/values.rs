//! What the words mean that a keyword lets one choose from. One row a word: keyword, word, meaning.

#[rustfmt::skip]
pub(super) static VALUES: &[(&str, &str, &str)] = &[
    ("lb_algo", "rr", "round robin: the real servers in turn, whatever their weight (0 is out)"),
    ("lb_algo", "wrr", "weighted round robin: in turn, a server with weight 2 twice as often as one with weight 1"),
    ("lb_algo", "lc", "least connections: the server with the fewest connections"),
    ("lb_algo", "wlc", "weighted least connections: the fewest connections for its weight; what counts when no scheduler is given"),
    ("lb_algo", "lblc", "locality-based least connections: one server for each destination address, while it is not overloaded; for caches"),
    ("lb_algo", "lblcr", "lblc with a set of servers for each destination address"),
    ("lb_algo", "sh", "source hash: the address of the client chooses the server"),
    ("lb_algo", "dh", "destination hash: the address that the client asks for chooses the server; for caches"),
    ("lb_algo", "mh", "maglev hash: as sh, and few clients move when a server comes or goes"),
    ("lb_algo", "fo", "weighted failover: the server with the highest weight that is up"),
    ("lb_algo", "ovf", "weighted overflow: the server with the highest weight, and the next one when it has as many connections as weight"),
    ("lb_algo", "sed", "shortest expected delay: the fewest connections for its weight, the new one counted"),
    ("lb_algo", "nq", "never queue: an idle server when there is one, else as sed"),
    ("lb_algo", "twos", "the better one of two servers that are drawn by weight"),
    ("lb_kind", "NAT", "masquerading: the director rewrites the address of the server in both directions; answers must pass it, and it must forward (net.ipv4.ip_forward=1)"),
    ("lb_kind", "DR", "direct routing: the packet goes to the MAC address of the server as it is; the server has the virtual address on lo, does not answer ARP for it, and answers the client itself"),
    ("lb_kind", "TUN", "tunnel: the packet goes in another one to the server, which may be anywhere, has the virtual address on a tunnel device, and answers the client itself"),
    ("auth_type", "PASS", "a password of at most 8 bytes in each advert, in the clear: it keeps a wrong setup apart, not an attacker"),
    ("auth_type", "AH", "an IPsec authentication header with a sequence number; IPv4 and version 2 only"),
    ("state", "MASTER", "the instance starts by claiming the addresses; afterwards the priority decides"),
    ("state", "BACKUP", "the instance starts by listening; what counts when there is no `state`"),
    ("protocol", "TCP", "a service of TCP"),
    ("protocol", "UDP", "a service of UDP; what counts when there is no `protocol`"),
    ("protocol", "SCTP", "a service of SCTP"),
];
