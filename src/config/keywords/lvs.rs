//! `virtual_server`, `real_server`, `virtual_server_group`, `SSL`. One row a word: path, arguments, default, range, meaning, since, status.

use super::Status::{Ignored, Implemented};
use super::absent::{NONE, OFF, UNSAID, number, time, told, word};
use super::args::{
    A_NUMBER, AN_ADDRESS, AS_LB_KIND, BLOCK, BOOL, ENDPOINT, ENTRIES, FLAG, INT, LINE, MAYBE_INT,
    NAMED_BLOCK, PATH, SCHEDULERS, SCRIPT, STRING, TEXT, TIMER, args, line, words,
};
use super::notation::Part::{self, Called, Either, Joined, Maybe};
use super::range::{ANY, at_least, characters, micros, whole};
use super::shape::Shape::{Block, Choice, Text, Whole, Word};
use super::shape::{Format, Header, Times};
use super::{Row, part, row};
use crate::config::model::{Connect, Persistence, Timing, VirtualServer};

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    part("SSL", BLOCK, NONE, ANY.note("repeat replaces with error"), "client TLS material for SSL_GET", "0.4.9"),
    part("SSL/password", STRING, NONE, ANY.note("repeat overwrites with error"), "key passphrase", ""),
    part("SSL/ca", PATH, NONE, ANY, "CA bundle", ""),
    part("SSL/certificate", PATH, NONE, ANY, "client certificate", ""),
    part("SSL/key", PATH, NONE, ANY, "client private key", ""),
    row("check", NAMED_BLOCK, UNSAID, ANY.note("not in keepalived; may follow its users; a name twice is an error"), "a check that real servers use by its name", "", Implemented),
    row("virtual_server_group", ENTRIES, UNSAID, ANY.note("removed when empty; duplicate names not rejected; may follow its user"), "set of addresses or marks for one virtual server", "1.0.2", Implemented),
    part("virtual_server_group/<ENTRY>", words(&[Either(&[AN_ADDRESS, Joined(&[AN_ADDRESS, Part::Word("-"), Called("LAST", TEXT)]), Joined(&[AN_ADDRESS, Part::Word("/"), Called("LENGTH", Whole)])]), Maybe(&[Part::Number("PORT", 0, 65_535)])]), told("port 0"), ANY.note("IPv4 last octet / IPv6 last 16 bits form, full range or prefix (host bits must be 0)"), "address entry", "1.0.2"),
    part("virtual_server_group/fwmark", words(&[A_NUMBER, Maybe(&[Part::Choice(&["inet", "inet6"])])]), told("family unset"), whole(0, 4_294_967_295), "mark entry", "1.0.2"),
    row("virtual_server", args(Block(Header::Service, Times::Many)), told("port 0 = any (needs persistence)"), ANY.note("port 1..65535 or zeros; fwmark 0..4294967295; dropped without real servers; unknown group not reported by -t"), "one IPVS service", "", Implemented),
    part("virtual_server/ip_family", args(Choice(&["inet", "inet6"])), told("from addresses"), ANY.note("must not conflict"), "address family, mainly for fwmarks", "1.2.20"),
    part("virtual_server/retry", INT, told("checker default"), whole(1, 4_294_967_295), "default retries for the checkers below", ""),
    part("virtual_server/delay_before_retry", TIMER, told("checker default"), at_least(0).unit("s"), "default pause between retries", "1.2.20"),
    part("virtual_server/warmup", TIMER, told("delay_loop"), at_least(0).unit("s"), "upper bound of the random start delay of checkers", ""),
    part("virtual_server/connect_timeout", TIMER, time(Connect::TIMEOUT), micros(1, Some(4_294_967_295)).unit("s"), "default connection timeout", ""),
    part("virtual_server/delay_loop", TIMER, time(Timing::DELAY_LOOP), micros(1, None).unit("s"), "default pause between checks", ""),
    part("virtual_server/inhibit_on_failure", FLAG, OFF, ANY.note("no boolean accepted here (ignored)"), "default: set weight 0 instead of removing failed servers", ""),
    part("virtual_server/lb_algo", args(Choice(SCHEDULERS)), word("wlc").note(" (reported)"), ANY.note("unknown name ignored with error"), "scheduler", ""),
    part("virtual_server/lvs_sched", args(Choice(SCHEDULERS)), word("wlc"), ANY, "newer name of lb_algo", ""),
    row("virtual_server/hashed", FLAG, OFF, ANY.note("accepted; no flag of this name is set (reports unless scheduler is sh/mh)"), "legacy service flag", "", Ignored("the kernel sets this flag itself")),
    part("virtual_server/ops", FLAG, OFF, ANY.note("UDP or fwmark only"), "one-packet scheduling", ""),
    part("virtual_server/flag-1", FLAG, OFF, ANY, "scheduler specific flag 1", ""),
    part("virtual_server/flag-2", FLAG, OFF, ANY, "scheduler specific flag 2", ""),
    part("virtual_server/flag-3", FLAG, OFF, ANY, "scheduler specific flag 3", ""),
    part("virtual_server/sh-port", FLAG, OFF, ANY.note("lb_algo sh must come first"), "include the source port in the hash", ""),
    part("virtual_server/sh-fallback", FLAG, OFF, ANY.note("lb_algo sh must come first"), "fall back when the hashed server is down", ""),
    part("virtual_server/mh-port", FLAG, OFF, ANY.note("lb_algo mh must come first"), "include the source port in the hash", ""),
    part("virtual_server/mh-fallback", FLAG, OFF, ANY.note("lb_algo mh must come first"), "fall back when the hashed server is down", ""),
    part("virtual_server/lb_kind", line(LINE, &[Part::Choice(&["NAT", "DR", "TUN"]), Maybe(&[Part::Word("type"), Part::Choice(&["ipip", "gue", "gre"])]), Maybe(&[Part::Word("port"), Part::Number("", 1, 65_535)]), Maybe(&[Part::Choice(&["nocsum", "csum", "remcsum"])])]), word("NAT").note(" (reported)"), ANY.note("case-sensitive; gue needs port, others refuse it; ipip refuses checksums; gre refuses remcsum"), "forwarding method", ""),
    part("virtual_server/lvs_method", AS_LB_KIND, word("NAT"), ANY, "newer name of lb_kind", ""),
    part("virtual_server/persistence_engine", STRING, NONE, characters(15).note(", longer truncated"), "IPVS persistence engine, e.g. sip", ""),
    part("virtual_server/persistence_timeout", MAYBE_INT, OFF.bare(Persistence::TIMEOUT as i64), whole(1, 2_678_400).unit("s"), "stickiness time", ""),
    part("virtual_server/persistence_granularity", line(Word, &[Either(&[Part::Value(Text(Format::Mask)), Part::Number("", 1, 128)])]), told("full address"), ANY.note("dotted = IPv4; sets persistence_timeout 360 if unset"), "mask for stickiness", ""),
    part("virtual_server/protocol", args(Choice(&["TCP", "UDP", "SCTP"])), word("UDP").note(" (reported)"), ANY.note("case-insensitive; ignored (reported) for fwmarks"), "transport protocol", ""),
    row("virtual_server/ha_suspend", FLAG, OFF, ANY.note("cleared for fwmarks"), "run checkers only while the address is present locally", "1.0.0", Implemented),
    row("virtual_server/smtp_alert", BOOL, told("smtp_alert_checker, smtp_alert, off"), ANY.note("bare = on"), "mail on quorum changes", "", Implemented),
    part("virtual_server/virtualhost", STRING, NONE, ANY.note("repeat overwrites with error"), "default Host for HTTP checks", ""),
    row("virtual_server/snmp_name", STRING, NONE, ANY.note("exactly one argument; SNMP builds only"), "name shown by SNMP", "2.2.3", Implemented),
    part("virtual_server/alpha", FLAG, OFF, ANY.note("no boolean accepted here (ignored)"), "treat servers as down until a check passes", ""),
    row("virtual_server/omega", FLAG, OFF, ANY, "run down notifications at shutdown", "", Implemented),
    row("virtual_server/quorum_up", SCRIPT, NONE, ANY.note("first wins"), "run when quorum is gained", "", Implemented),
    row("virtual_server/quorum_down", SCRIPT, NONE, ANY.note("first wins"), "run when quorum is lost", "", Implemented),
    part("virtual_server/quorum", INT, number(VirtualServer::QUORUM as i64), whole(1, 4_294_967_295).note("; lowered to the total weight with a warning"), "total weight needed to be considered up", ""),
    part("virtual_server/hysteresis", INT, number(0), at_least(0).note("quorum-1 (reduced with error)"), "band around the quorum", ""),
    part("virtual_server/weight", INT, number(1), whole(1, 2_147_483_647), "default weight of real servers", ""),
    part("virtual_server/sorry_server", ENDPOINT, NONE, ANY.note("last wins; family must match unless tunnelled"), "server used when quorum is lost", ""),
    part("virtual_server/sorry_server_inhibit", FLAG, OFF, ANY.note("must follow sorry_server"), "use weight 0 for the sorry server", ""),
    part("virtual_server/sorry_server_lvs_method", AS_LB_KIND, told("lb_kind at that point"), ANY.note("must follow sorry_server"), "forwarding method of the sorry server", ""),
    part("virtual_server/real_server", args(Block(Header::Endpoint, Times::Many)), told("port = that of the virtual server"), ANY.note("bad address skips the block; duplicates dropped; DR/TUN ports forced equal"), "one backend", ""),
    part("virtual_server/real_server/weight", INT, told("virtual server weight"), whole(0, 2_147_483_647), "IPVS weight", ""),
    part("virtual_server/real_server/lvs_method", AS_LB_KIND, told("virtual server method"), ANY, "forwarding method", ""),
    part("virtual_server/real_server/uthreshold", INT, number(0), whole(0, 4_294_967_295), "connection upper limit", "1.1.13"),
    part("virtual_server/real_server/lthreshold", INT, number(0), whole(0, 4_294_967_295), "connection lower limit", "1.1.13"),
    part("virtual_server/real_server/inhibit_on_failure", BOOL, told("virtual server setting"), ANY.note("bare = on"), "set weight 0 instead of removing", "0.6.8"),
    row("virtual_server/real_server/notify_up", SCRIPT, NONE, ANY.note("first wins"), "run when the server comes up", "1.0.0", Implemented),
    row("virtual_server/real_server/notify_down", SCRIPT, NONE, ANY.note("first wins"), "run when the server goes down", "1.0.0", Implemented),
    part("virtual_server/real_server/alpha", BOOL, told("virtual server setting"), ANY.note("bare = on"), "start down", ""),
    part("virtual_server/real_server/retry", INT, told("virtual server setting"), whole(1, 4_294_967_295), "default retries", ""),
    part("virtual_server/real_server/delay_before_retry", TIMER, told("virtual server setting"), at_least(0).unit("s"), "default retry pause", ""),
    part("virtual_server/real_server/warmup", TIMER, told("virtual server setting"), at_least(0).unit("s"), "default start delay bound", ""),
    part("virtual_server/real_server/connect_timeout", TIMER, told("virtual server setting"), micros(1, Some(4_294_967_295)).unit("s"), "default connection timeout", ""),
    part("virtual_server/real_server/delay_loop", TIMER, told("virtual server setting"), micros(1, None).unit("s"), "default check interval", ""),
    row("virtual_server/real_server/smtp_alert", BOOL, told("smtp_alert_checker, smtp_alert, ON"), ANY.note("bare = on"), "mail on server changes", "", Implemented),
    part("virtual_server/real_server/virtualhost", STRING, told("virtual server setting"), ANY.note("repeat overwrites with error"), "default Host for HTTP checks", ""),
    row("virtual_server/real_server/snmp_name", STRING, NONE, ANY.note("exactly one argument; SNMP builds only"), "name shown by SNMP", "2.2.3", Implemented),
    row("virtual_server/nat_mask", args(Text(Format::Mask)), UNSAID, ANY, "mask of the original NAT code; keepalived dropped the word", "", Ignored("the kernel has no such setting; delete the line")),
];
