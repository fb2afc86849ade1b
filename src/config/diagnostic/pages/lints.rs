//! Pages of what is legal and surely not meant: D1000 and up.

use super::{Page, page};
use crate::config::diagnostic::Code;

#[rustfmt::skip]
pub(super) static PAGES: &[Page] = &[
    page(
        Code::AllowsNothing,
        "lint: a comment that silences nothing",
        "A comment `directord: allow(…)` names something that is no lint. Errors, warnings and notes cannot be \
         silenced.",
        "# directord: allow(D0015)\nglobal_defs {\n    router_id LVS_A\n}\n",
        "# directord: allow(D1001)\nglobal_defs {\n    router_id LVS_A\n}\n",
        "Write codes of lints, D1001 and up, with commas between them.",
    ),
    page(
        Code::SorryIsReal,
        "lint: the sorry server is one of the real servers",
        "The sorry server takes over when too few real servers are left. One that is a real server itself has most \
         likely failed with the others.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         sorry_server 192.168.100.8 80\n    real_server 192.168.100.8 80 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         sorry_server 192.168.100.7 80\n    real_server 192.168.100.8 80 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "Name a server of its own.",
    ),
    page(
        Code::RealIsVirtual,
        "lint: a real server is a virtual address",
        "The address of the real server is that of the virtual server, or moves with VRRP: its connections end on \
         the director itself, or go round in circles.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.240 80 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "Write the address that the real server has of its own.",
    ),
    page(
        Code::StickyDatagrams,
        "lint: persistence over UDP with round robin",
        "Every datagram renews the time that a client stays with its server. A busy client, such as a resolver, \
         never changes its server, even when new ones come.",
        "virtual_server 192.168.100.240 53 {\n    protocol UDP\n    lb_algo rr\n    lb_kind DR\n    \
         persistence_timeout 300\n    real_server 192.168.100.8 53 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 53 {\n    protocol UDP\n    lb_algo rr\n    lb_kind DR\n    ops\n    \
         real_server 192.168.100.8 53 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "Delete persistence_timeout, or take lb_algo sh.",
    ),
    page(
        Code::HttpOverUdp,
        "lint: an HTTP check of a UDP service",
        "The check asks over TCP, at the port of a service that answers over UDP. Often `protocol TCP` was \
         forgotten: UDP is the default.",
        "virtual_server 192.168.100.240 80 {\n    protocol UDP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            url {\n                path /\n            \
         }\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            url {\n                path /\n            \
         }\n        }\n    }\n}\n",
        "Write `protocol TCP`, or check another port of the machine with connect_port.",
    ),
    page(
        Code::TwoDigests,
        "lint: two different digests for one path",
        "The servers of a service should serve the same page. Two digests say that they do not, or that the page has \
         changed since: then the next change takes every server out at once.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            url {\n                path /\n                \
         digest 640205b7b0fc66c1ea91c463fac6334d\n            }\n            url {\n                path /\n                \
         digest 188f5b91d80b994efae5f53165e6247d\n            }\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            url {\n                path /health\n                \
         status_code 200\n            }\n        }\n    }\n}\n",
        "Check a page that is the same everywhere and never changes, or status_code alone.",
    ),
    page(
        Code::SlowCheck,
        "lint: a check that outlasts the time of the next",
        "connect_timeout is longer than delay_loop. A server that refuses is taken out in time, but one that falls \
         silent is noticed only after every attempt has run out: delay_loop, and for each of retry + 1 attempts \
         connect_timeout and delay_before_retry.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    delay_loop 6\n    \
         real_server 192.168.100.8 80 {\n        TCP_CHECK {\n            connect_timeout 8\n            retry 3\n        \
         }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    delay_loop 6\n    \
         real_server 192.168.100.8 80 {\n        TCP_CHECK {\n            connect_timeout 2\n            retry 1\n        \
         }\n    }\n}\n",
        "Lower connect_timeout and retry, or raise delay_loop.",
    ),
    page(
        Code::IncludedCheck,
        "lint: a check that is part of another",
        "HTTP_GET and SSL_GET open the connection that TCP_CHECK opens, and fail when it is refused. The TCP_CHECK \
         asks the server twice and learns nothing new.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        TCP_CHECK {\n        }\n        HTTP_GET {\n            url {\n                \
         path /\n            }\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            url {\n                path /\n            \
         }\n        }\n    }\n}\n",
        "Delete the TCP_CHECK.",
    ),
    page(
        Code::SharedAddress,
        "lint: a virtual address of two instances",
        "When the two instances are masters on different nodes, both nodes hold the address.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\nvrrp_instance VI_2 {\n    interface eth0\n    virtual_router_id 52\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\nvrrp_instance VI_2 {\n    interface eth0\n    virtual_router_id 52\n    \
         virtual_ipaddress {\n        192.168.100.241/24\n    }\n}\n",
        "Leave it in one of the two.",
    ),
    page(
        Code::RelativeScript,
        "lint: a script without an absolute path",
        "Which file is run depends on the PATH of the daemon. The service manager sets it, and it is not that of \
         your shell; a script that is not found is not run.",
        "vrrp_script chk_web {\n    script \"killall -0 nginx\"\n}\n",
        "vrrp_script chk_web {\n    script \"/usr/bin/killall -0 nginx\"\n}\n",
        "Write the whole path; `command -v NAME` prints it.",
    ),
    page(
        Code::PeerMissing,
        "lint of a pair: an instance of one node only",
        "`--check --peer FILE` found no instance of the same name, virtual router id or address in the file of the \
         other node. Nobody takes its addresses over.",
        "", "",
        "Add the instance to both files.",
    ),
    page(
        Code::PeerVrid,
        "lint of a pair: two virtual router ids",
        "The instances have the same name or addresses, and different ids: each node is the only router of its id, \
         and both are masters.",
        "", "",
        "Write one virtual_router_id in both files.",
    ),
    page(
        Code::PeerVersion,
        "lint of a pair: two versions of VRRP",
        "Each node drops the adverts of the other, and both are masters.",
        "", "",
        "Write one version, or one vrrp_version, in both files.",
    ),
    page(
        Code::PeerAuthentication,
        "lint of a pair: two kinds of authentication, or two passwords",
        "Each node drops the adverts of the other, and both are masters. The passwords themselves are never shown.",
        "", "",
        "Write one authentication block in both files.",
    ),
    page(
        Code::PeerAddresses,
        "lint of a pair: other virtual addresses",
        "virtual_ipaddress must be equal on both nodes: a backup refuses adverts that name other addresses, and an \
         address that only one node has is gone after a takeover.",
        "", "",
        "Write the same addresses in both files; what only one node may hold belongs in no instance.",
    ),
    page(
        Code::PeerInterval,
        "lint of a pair: two advert intervals",
        "Version 2 drops adverts of another interval, so that both nodes are masters. In version 3 the time until a \
         takeover depends on which node is the master.",
        "", "",
        "Write one advert_int in both files.",
    ),
    page(
        Code::PeerPriority,
        "lint of a pair: equal priorities",
        "A node is to be the MASTER, and its priority is not higher than that of the other: the higher address \
         decides, after a time in which both send adverts.",
        "", "",
        "Give the node that is to be the backup a lower priority, 90 instead of 100.",
    ),
    page(
        Code::PeerTransport,
        "lint of a pair: unicast and multicast",
        "One node sends its adverts to unicast_peer, the other to the multicast group: at least one of them hears \
         nothing.",
        "", "",
        "Write unicast_peer in both files, or in none.",
    ),
    page(
        Code::NopreemptWeight,
        "lint: weights and nopreempt",
        "A tracked object with a weight lowers the priority when it fails. But a router with nopreempt does not take over \
         from a master that still sends adverts, however low its priority is: the addresses stay where they are.",
        "vrrp_script chk_web {\n    script /usr/bin/true\n    weight -20\n}\nvrrp_instance VI_1 {\n    interface eth0\n    \
         virtual_router_id 51\n    nopreempt\n    track_script {\n        chk_web\n    }\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_script chk_web {\n    script /usr/bin/true\n}\nvrrp_instance VI_1 {\n    interface eth0\n    \
         virtual_router_id 51\n    nopreempt\n    track_script {\n        chk_web\n    }\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "Leave the weight out, so that a failure is FAULT and the other router takes over; or leave out nopreempt.",
    ),
    page(
        Code::GroupWeight,
        "lint: a weight in a sync group that does not count",
        "The instances of a sync group move together, so weights of a single one do not count, unless the group has \
         sync_group_tracking_weight.",
        "vrrp_sync_group G1 {\n    group {\n        VI_1\n        VI_2\n    }\n}\n\
         vrrp_script chk_web {\n    script /usr/bin/true\n    weight -20\n}\nvrrp_instance VI_1 {\n    interface eth0\n    \
         virtual_router_id 51\n    track_script {\n        chk_web\n    }\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\nvrrp_instance VI_2 {\n    interface eth1\n    \
         virtual_router_id 52\n    virtual_ipaddress {\n        192.168.7.240/24\n    }\n}\n",
        "vrrp_sync_group G1 {\n    group {\n        VI_1\n        VI_2\n    }\n    track_script {\n        chk_web\n    }\n}\n\
         vrrp_script chk_web {\n    script /usr/bin/true\n    weight -20\n}\nvrrp_instance VI_1 {\n    interface eth0\n    \
         virtual_router_id 51\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\nvrrp_instance VI_2 {\n    interface eth1\n    \
         virtual_router_id 52\n    virtual_ipaddress {\n        192.168.7.240/24\n    }\n}\n",
        "Track the object in the group, or write sync_group_tracking_weight there.",
    ),
    page(
        Code::NeverMoves,
        "lint: an object whose failure moves nothing",
        "When the object fails and everything else is well, this node still has a priority that is not below that of the \
         other one (--check --peer FILE knows it), or priority 255, which nothing changes. The check runs, and never \
         moves the addresses.",
        "vrrp_script chk_web {\n    script /usr/bin/true\n    weight -20\n}\nvrrp_instance VI_1 {\n    interface eth0\n    \
         virtual_router_id 51\n    priority 255\n    track_script {\n        chk_web\n    }\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_script chk_web {\n    script /usr/bin/true\n    weight -20\n}\nvrrp_instance VI_1 {\n    interface eth0\n    \
         virtual_router_id 51\n    priority 100\n    track_script {\n        chk_web\n    }\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "Make the weight larger than the distance of the two priorities, or leave it out: a failure is then FAULT.",
    ),
    page(
        Code::OutsideNetworks,
        "lint: a virtual address outside the networks of its interface",
        "The interface has no address of a network that the virtual address is in, and the line gives it no prefix length \
         of its own: neighbours will not look for it there, unless they have a route to it. Found by directord --check --host.",
        "", "",
        "Correct the address or the interface, or write the prefix length: 192.168.100.240/24.",
    ),
    page(
        Code::OwnerByDefault,
        "lint: a MASTER without a priority is the owner",
        "`state MASTER` without `priority` means priority 255, as in keepalived: the owner of the addresses, which no \
         weight lowers and no other node outranks. BACKUP without it has 100.",
        "vrrp_instance VI_1 {\n    state MASTER\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    state MASTER\n    interface eth0\n    virtual_router_id 51\n    priority 150\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "Write the priority that is meant.",
    ),
    page(
        Code::OddAddress,
        "lint: an address that no host can serve",
        "The address of a network, its broadcast address, a group, the loopback or no address at all: nothing that is sent \
         there reaches one host. A virtual address that is that of a peer, or of the node itself, moves away from the host that \
         needs it.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n    real_server 0.0.0.0 80 {\n        \
         TCP_CHECK {\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n    real_server 192.168.100.8 80 {\n        \
         TCP_CHECK {\n        }\n    }\n}\n",
        "Write the address of one host.",
    ),
    page(
        Code::OwnPeer,
        "lint: the own address among the peers",
        "A list of peers that all nodes share has the address of each of them. An advert to the own address would come back as \
         one of another node: it is not sent.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    priority 100\n    unicast_src_ip 192.168.100.101\n    unicast_peer {\n        \
         192.168.100.101\n        192.168.100.102\n    }\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    priority 100\n    unicast_src_ip 192.168.100.101\n    unicast_peer {\n        \
         192.168.100.102\n    }\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "Delete the line on this node, or silence the lint where the list is shared.",
    ),
    page(
        Code::OddTarget,
        "lint: a request that no server understands",
        "The path of an HTTP check is sent as it stands: without a slash at its start, with blanks, quotes of a word processor, or \
         cut off at a comment sign it asks for something else than was meant. The same goes for the name behind `virtualhost`.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n    real_server 192.168.100.8 80 {\n        \
         HTTP_GET {\n            url {\n                path index.html\n                status_code 200\n            }\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind NAT\n    real_server 192.168.100.8 80 {\n        \
         HTTP_GET {\n            url {\n                path /index.html\n                status_code 200\n            }\n        }\n    }\n}\n",
        "Write the path as a browser sends it: from the first slash behind the host, with %20 for a blank and \\# for a comment sign.",
    ),
    page(
        Code::MailToNobody,
        "lint: mail alerts that reach nobody",
        "A mail needs a server that takes it (`smtp_server`) and somebody who gets it (`notification_email`). Without one of \
         the two no mail is sent, as in keepalived, and nothing says so when it matters.",
        "global_defs {\n    notification_email {\n        admin@example.com\n    }\n}\n",
        "global_defs {\n    notification_email {\n        admin@example.com\n    }\n    smtp_server 127.0.0.1\n}\n",
        "Add what is missing, or delete the settings of the mails.",
    ),
];
