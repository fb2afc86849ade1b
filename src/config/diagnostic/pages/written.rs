//! Pages of what is wrong in a file: D0001 to D0026.

use super::{Page, page};
use crate::config::diagnostic::Code;

#[rustfmt::skip]
pub(super) static PAGES: &[Page] = &[
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
        Code::BadPattern,
        "a pattern that is none",
        "The `regex` of a url is not what PCRE2 takes for a pattern. keepalived says so, and its checks end in a crash.",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            url {\n                path /\n                \
         regex \"all (is well\"\n            }\n        }\n    }\n}\n",
        "virtual_server 192.168.100.240 80 {\n    protocol TCP\n    lb_algo rr\n    lb_kind DR\n    \
         real_server 192.168.100.8 80 {\n        HTTP_GET {\n            url {\n                path /\n                \
         regex \"all \\\\(is well\"\n            }\n        }\n    }\n}\n",
        "Put it right; a backslash is written twice, as keepalived takes one away.",
    ),
];
