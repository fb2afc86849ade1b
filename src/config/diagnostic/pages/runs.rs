//! Pages of what does not run, here or in this version, and of JSON and layouts: D0030 to D0081.

use super::{Page, page};
use crate::config::diagnostic::Code;

#[rustfmt::skip]
pub(super) static PAGES: &[Page] = &[
    page(
        Code::NotYet,
        "known, but without effect in this version",
        "keepalived knows the word and directord reads it, but does nothing with it. The message says what \
         therefore does not happen.",
        "", "",
        "Decide whether you can do without; directord explain WORD says how far this version goes.",
    ),
    page(
        Code::LeftOut,
        "known, and this version cannot run it",
        "Running without this setting would do harm: adverts would go out without authentication, or to the wrong \
         family. So the instance or virtual server that it is in does not run: a start goes on without it and says so in \
         the log and in the status line, --strict refuses the start, and a reload that would take something away is \
         refused. directord --check --as-start shows what would run.",
        "", "",
        "Delete it when you can do without, or stay with keepalived on this machine.",
    ),
    page(
        Code::Old,
        "an old word",
        "Earlier versions of keepalived had it. Either it is read as the word of today, which the message names, or \
         nothing was ever lost without it.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            nb_get_retry 3\n            url {\n                \
         path /\n            }\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            retry 3\n            url {\n                \
         path /\n            }\n        }\n    }\n}\n",
        "Write the word of today, or delete the line.",
    ),
    page(
        Code::HostInterface,
        "on this host: no such interface",
        "directord --check --host looked for the interface and did not find it. An instance whose interface is missing \
         does not run until it is there; the others do.",
        "", "",
        "Correct the name, or make the interface.",
    ),
    page(
        Code::HostAccount,
        "on this host: no such user or group",
        "A script is to be run as a user or group that does not exist here.",
        "", "",
        "Make the account, or name another one.",
    ),
    page(
        Code::HostScript,
        "on this host: a script that cannot be run, or not safely",
        "The file is missing or not executable, or somebody who is not root can change it or a folder above it: he \
         could run what he likes as the user of the script.",
        "", "",
        "The help of the message is the command that mends it.",
    ),
    page(
        Code::HostKernel,
        "on this host: a module or a sysctl",
        "IPVS or a scheduler is neither in the kernel nor there to be loaded, or a setting keeps packets from passing.",
        "", "",
        "The help of the message is the command that mends it.",
    ),
    page(
        Code::HostName,
        "on this host: a name without an address",
        "The resolver of this host knows no address for the name.",
        "", "",
        "Correct the name or the resolver, or write the address.",
    ),
    page(
        Code::HostAddress,
        "on this host: a virtual address that is the host's own",
        "The address is set on an interface, and no record of directord says that it put it there: it belongs to the host. It is never \
         removed, so that both nodes may have it at once, unless the instance is its owner (priority 255).",
        "", "",
        "Take the address out of the configuration of the host's network, or choose another virtual address.",
    ),
    page(
        Code::Hidden,
        "a secret that a dump has hidden",
        "directord config dump writes <hidden-by-directord> in the place of passwords and keys. The file is not what it was: with \
         <hidden-by-directord> as password the other router would not be heard.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    authentication {\n        auth_type PASS\n        \
         auth_pass <hidden-by-directord>\n    }\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    authentication {\n        auth_type PASS\n        \
         auth_pass k3ys7one\n    }\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "Write the secret itself, or dump with --secrets into a file that nobody else may read.",
    ),
    page(
        Code::JsonSyntax,
        "a text that is no JSON",
        "The name of the file ends in .json, and its text breaks the rules of JSON: nothing of it is read. Comments and \
         commas behind the last element are no JSON.",
        "", "",
        "Mend the place that is named; every editor and jq(1) check JSON, too.",
    ),
    page(
        Code::JsonType,
        "a value of another type",
        "A keyword takes numbers, strings, true and false, arrays or objects, and the file has another of these. \
         docs/schema/directord.schema.json says what each keyword takes; editors check against it.",
        "", "",
        "Write the type that is expected: 80 for a number, not \"80\"; a list even for one block.",
    ),
    page(
        Code::JsonTwice,
        "a member that is there twice",
        "Readers of JSON differ in which of two equal members they take. Settings and blocks of one keyword stand in \
         one member.",
        "", "",
        "Delete one of them, or put the elements of both into one array.",
    ),
    page(
        Code::JsonText,
        "a text that keepalived.conf has no words for",
        "Whatever JSON says can be written as keepalived.conf. That has no double quote within a word, no control \
         characters, and reads $_NAME as a definition. Commands are free of this: quotes and escapes are read a second \
         time there.",
        "", "",
        "Write the text without the character; a line whose words have blanks is an array of words.",
    ),
    page(
        Code::JsonElements,
        "more elements than a file of this size has",
        "The arrays of a file of JSON have more than 8000 elements, and more than one for each nine bytes: an address \
         has ten bytes, a block more. Reading it would take many times its size in memory; nothing of it is read.",
        "", "",
        "Delete the empty and the repeated elements.",
    ),
    page(
        Code::Text,
        "config fmt: bytes that are no text",
        "`directord config fmt` rewrites a file only when it can keep every byte that counts: the file has to be \
         UTF-8, without NUL, without a carriage return, form feed or byte order mark in the middle of a line. The \
         file is left as it is; a daemon reads it nevertheless.",
        "", "",
        "Delete the character, or convert the file: iconv -f LATIN1 -t UTF-8 FILE.",
    ),
    page(
        Code::Layout,
        "config fmt: a layout that would change the meaning",
        "`directord config fmt` expands the file before and after, and found a line whose words would differ. That \
         comes from definitions that hold a part of a line only its end can complete: one double quote of two, a \
         comment sign, an include. The file is left as it is.",
        "", "",
        "Give the definition whole words, with both quotes, or lay out the line by hand: four blanks for each block \
         around it, one blank between words.",
    ),
];
