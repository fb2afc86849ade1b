//! A page for every code: what it means, an example, how to mend it. `directord explain D0015` shows it.

use super::Code;

/// What there is to know of one code.
#[derive(Debug, Clone, Copy)]
pub struct Page {
    /// The code.
    pub code: Code,
    /// In a few words.
    pub title: &'static str,
    /// What it means, and what follows from it.
    pub meaning: &'static str,
    /// A configuration that gets it; empty where no text alone does.
    pub wrong: &'static str,
    /// The same, mended; empty where only the surroundings can be.
    pub right: &'static str,
    /// How to mend it.
    pub mend: &'static str,
}

impl Code {
    /// Its page.
    pub fn page(self) -> Option<&'static Page> {
        PAGES.iter().find(|page| page.code == self)
    }

    /// The code that is written `D0015`, `d15` or so.
    pub fn named(text: &str) -> Option<Self> {
        let number: u16 = text.strip_prefix(['D', 'd'])?.parse().ok()?;
        PAGES.iter().map(|page| page.code).find(|code| *code as u16 == number)
    }
}

const fn page(
    code: Code,
    title: &'static str,
    meaning: &'static str,
    wrong: &'static str,
    right: &'static str,
    mend: &'static str,
) -> Page {
    Page { code, title, meaning, wrong, right, mend }
}

/// Every page, in the order of the codes.
#[rustfmt::skip]
pub static PAGES: &[Page] = &[
    page(
        Code::Unreadable,
        "a file cannot be read",
        "The configuration, or a file that it includes, is missing, is a directory or a device, is larger than \
         64 MiB, or the system refuses to open it. A file that is executable is read here with a warning; \
         keepalived reads no such file.",
        "", "",
        "Look at the name in the message, and at the permissions of the file and of the folders above it: \
         namei -l FILE.",
    ),
    page(
        Code::Include,
        "an include that finds nothing, or itself",
        "No file matches the pattern, or the file includes itself. A plain `include` that finds nothing is a note \
         (wildcards) or a warning (a name); `includem`, `includew`, `includeb`, `includea`, `include_check` and the \
         option -e make it an error.",
        "includem conf.d/vrrp.conf\n", "",
        "Correct the name. A relative name is looked for in the folder of the file that has the include line.",
    ),
    page(
        Code::Quote,
        "a quote without its end, or one that does not protect",
        "Text in double quotes ends on the line where it starts. `#` and `!` start a comment everywhere else, in the \
         middle of a word and between single quotes, too.",
        "global_defs {\n    router_id \"LVS_A\n}\n",
        "global_defs {\n    router_id \"LVS_A\"\n}\n",
        "Add the second quote, or put the text with the comment sign between double quotes.",
    ),
    page(
        Code::MissingClose,
        "a block that is never closed",
        "A `{` has no `}`. The message points at the block that is left open and, where the indentation tells, at \
         the line where it should have been closed.",
        "global_defs {\n    router_id LVS_A\n",
        "global_defs {\n    router_id LVS_A\n}\n",
        "Add the `}` where the message points.",
    ),
    page(
        Code::ExtraClose,
        "a `}` that closes nothing",
        "There are more `}` than `{`: either this one is left over, or a block above it is closed too early, and \
         what was meant to be inside stands outside.",
        "global_defs {\n    router_id LVS_A\n}\n}\n",
        "global_defs {\n    router_id LVS_A\n}\n",
        "Delete it, or find the block above that ends too early.",
    ),
    page(
        Code::Open,
        "a `{` where no block starts, or a block without one",
        "A setting has no braces, or a block needs them even when nothing stands in it.",
        "global_defs {\n    router_id LVS_A {\n    }\n}\n",
        "global_defs {\n    router_id LVS_A\n}\n",
        "Write blocks as `NAME {` … `}` and settings as `NAME VALUE`.",
    ),
    page(
        Code::TooDeep,
        "blocks within blocks within blocks",
        "More than 32 blocks, or objects and arrays of JSON, are open at once. The language needs five, JSON ten: \
         usually many `}` are missing. Of a file of JSON nothing is read.",
        "", "",
        "Close the blocks that are left open.",
    ),
    page(
        Code::Expansion,
        "a definition, condition or generator that cannot be expanded",
        "A `$NAME` that is not defined, an `@ID` line without a rest, a `~SEQ` that never ends, or an expansion \
         larger than a million lines.",
        "global_defs {\n    $ROUTER LVS_A\n}\n",
        "$ROUTER=router_id\nglobal_defs {\n    $ROUTER LVS_A\n}\n",
        "Define the name above its first use, in the first column and without blanks around `=`.",
    ),
    page(
        Code::UnknownKeyword,
        "a word that is no keyword",
        "The word is legal nowhere, most often because of a typing error. keepalived skips such a line with a \
         message in its log; here it is an error, because the setting that was meant would be off.",
        "global_defs {\n    ruoter_id LVS_A\n}\n",
        "global_defs {\n    router_id LVS_A\n}\n",
        "Take the suggestion, or look the word up: directord explain WORD.",
    ),
    page(
        Code::Misplaced,
        "a keyword in a block where it is not legal",
        "The word exists, but belongs to another block; often a `}` above it closes that block too early.",
        "global_defs {\n    priority 100\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    priority 100\n    \
         virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "Move the line into the block that the message names.",
    ),
    page(
        Code::MissingArgument,
        "too few words",
        "The keyword needs a value, and the line ends without it.",
        "global_defs {\n    router_id\n}\n",
        "global_defs {\n    router_id LVS_A\n}\n",
        "Add the value; the message says of which kind.",
    ),
    page(
        Code::SurplusArgument,
        "too many words",
        "More words follow than the keyword takes. What was meant by them has no effect. A flag is turned on by its \
         name alone: `off` behind it turns nothing off.",
        "vrrp_instance VI_1 {\n    interface eth0 eth1\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\n",
        "Delete them, or put a value with blanks in double quotes.",
    ),
    page(
        Code::BadNumber,
        "not a number, or not written as one",
        "The value holds other characters than a number has, such as a unit: keepalived reads `5s` as 5 µs. Times \
         are seconds, with a fraction where the keyword takes one.",
        "global_defs {\n    vrrp_garp_master_delay 5s\n}\n",
        "global_defs {\n    vrrp_garp_master_delay 5\n}\n",
        "Write the plain number.",
    ),
    page(
        Code::OutOfRange,
        "a number that is too small or too large",
        "The keyword takes numbers of a certain range only; the message names it, and the default.",
        "global_defs {\n    vrrp_down_timer_adverts 200\n}\n",
        "global_defs {\n    vrrp_down_timer_adverts 3\n}\n",
        "Choose a value in the range, or delete the line to get the default.",
    ),
    page(
        Code::BadAddress,
        "not an address, or not of the family that is needed",
        "The word is no IPv4 or IPv6 address, its prefix length is too long, or its family differs from what it \
         belongs to.",
        "global_defs {\n    vrrp_mcast_group4 224.0.0.300\n}\n",
        "global_defs {\n    vrrp_mcast_group4 224.0.0.18\n}\n",
        "Write the address in full: four numbers 0 to 255, or an IPv6 address without a zone.",
    ),
    page(
        Code::BadChoice,
        "a word that is not one of those to choose from",
        "The keyword takes one of a few words, and compares them exactly.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo roundrobin\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        TCP_CHECK {\n        }\n    }\n}\n",
        "Take one of the words that the message lists.",
    ),
    page(
        Code::BadBoolean,
        "neither on nor off",
        "The keyword takes `on`, `true`, `yes`, `off`, `false`, `no`, or nothing, which is on.",
        "global_defs {\n    vrrp_lower_prio_no_advert maybe\n}\n",
        "global_defs {\n    vrrp_lower_prio_no_advert off\n}\n",
        "Write on or off.",
    ),
    page(
        Code::BadName,
        "a name that cannot be one",
        "The kernel takes labels of 1 to 15 characters; a password must not be empty, nor a script's command. No word holds control characters.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24 label eth0:the-web-service\n    }\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24 label eth0:web\n    }\n}\n",
        "Choose a shorter name.",
    ),
    page(
        Code::Repeated,
        "a setting given twice",
        "The last one counts, the ones before it do not.",
        "global_defs {\n    router_id LVS_A\n    router_id LVS_B\n}\n",
        "global_defs {\n    router_id LVS_B\n}\n",
        "Delete the one that does not count.",
    ),
    page(
        Code::Duplicate,
        "a thing defined twice",
        "Two instances of one name, two of one virtual router id on one interface, two virtual servers of one \
         address, port and protocol, a real server or an address twice. keepalived drops the second; here it is \
         an error, because one of the two does not do what was meant.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\n",
        "Delete or rename one of them.",
    ),
    page(
        Code::Required,
        "a setting that must be there",
        "The block cannot work without it.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\n",
        "Add it; the message says how.",
    ),
    page(
        Code::Conflict,
        "settings that contradict each other",
        "Both cannot hold. Where keepalived adjusts one of them, so does directord, and says which value is used; \
         where the result would be something else than either, it is an error.",
        "vrrp_instance VI_1 {\n    state MASTER\n    nopreempt\n    interface eth0\n    virtual_router_id 51\n    \
         priority 150\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "vrrp_instance VI_1 {\n    state BACKUP\n    nopreempt\n    interface eth0\n    virtual_router_id 51\n    \
         priority 150\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n}\n",
        "Decide which of the two is meant, and delete or change the other.",
    ),
    page(
        Code::Empty,
        "a block that does nothing",
        "It lacks what makes it useful: an instance without addresses, a virtual server without real servers.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n}\n",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n}\n",
        "Fill it or delete it.",
    ),
    page(
        Code::Undefined,
        "a name that nothing has",
        "A tracked script, file, process or session, an instance of a group, or a group of virtual servers is named \
         that the file does not define. Nothing would be tracked, grouped or served by it.",
        "vrrp_instance VI_1 {\n    interface eth0\n    virtual_router_id 51\n    virtual_ipaddress {\n        \
         192.168.100.240/24\n    }\n    track_script {\n        chk_web\n    }\n}\n",
        "vrrp_script chk_web {\n    script /usr/local/bin/check-web\n}\nvrrp_instance VI_1 {\n    interface eth0\n    \
         virtual_router_id 51\n    virtual_ipaddress {\n        192.168.100.240/24\n    }\n    track_script {\n        \
         chk_web\n    }\n}\n",
        "Correct the name, or define what it names above the place that uses it.",
    ),
    page(
        Code::Portable,
        "it means here what it says; keepalived does something else",
        "keepalived reads this place in a surprising way. The message says how: mind it as long as the other node, \
         or a way back, still runs keepalived.",
        "", "",
        "Write it so that both read the same, or leave it once keepalived is gone.",
    ),
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
        Code::Mail,
        "mail alerts",
        "The settings of mail alerts are read, but this version sends no mail.",
        "", "",
        "Nothing needs to be done. Watch the log, or `systemctl status directord`.",
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
        Code::Unchecked,
        "a real server that no check ever takes out",
        "All its checks are of kinds that this version does not make. It stays in the table even when it is dead.",
        "", "",
        "Add a TCP_CHECK or an HTTP_GET beside them.",
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
         your shell; a script that is not found counts as one that fails.",
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
];
