//! Checks of a real server. One row a word: path, arguments, default, range, meaning, since, status.

use super::Status::{Ignored, Implemented, Replaced};
use super::absent::{Absent, NONE, OFF, REQUIRED, UNSAID, number, time, told, word};
use super::args::{
    A_FILE, A_NAME, A_NUMBER, Args, BLOCK, BLOCKS, BOOL, COMMAND, FLAG, HEX32, HTTP_VERSION, IFNAME, INT, IP,
    LINE, MAYBE_STRING, NAME, NUMBER_LINE, OPTIONS, QUOTED, STACK, STATUS_CODES, STRING, TEXT, TIMER, USER,
    args, line,
};
use super::notation::Part::{self, Called, Either, Many, Maybe};
use super::range::{ANY, at_least, characters, micros, whole};
use super::shape::Shape::{Alone, Choice, List, Pattern, Several};
use super::{Row, part, row};
use crate::config::model::{Connect, ProbeKind, Timing};

/// Checks that connect to something.
#[rustfmt::skip]
const CONNECT: &[Row] = &[
    part("connect_ip", IP, told("real server address"), ANY.note("same family as bindto"), "address to probe", "1.2.13"),
    part("connect_port", INT, told("real server port"), whole(1, 65_535), "port to probe", "1.2.13"),
    part("bindto", IP, told("chosen by kernel"), ANY.note("same family as connect_ip"), "source address of the probe", "1.1.2"),
    part("bind_port", INT, told("chosen by kernel"), whole(1, 65_535), "source port of the probe", "1.2.13"),
    part("bind_if", IFNAME, NONE, characters(15).note("; needed for link-local targets"), "device to bind the probe to", "1.3.7"),
    part("connect_timeout", TIMER, time(Connect::TIMEOUT).unless("real/virtual server value"), micros(1, Some(4_294_967_295)).unit("s"), "connection timeout", "1.2.13"),
    part("fwmark", INT, number(0), whole(0, 4_294_967_295).note("; SO_MARK builds"), "mark put on probe packets", ""),
];

/// When checks are made that ask at times of their own.
#[rustfmt::skip]
const TIMING: &[Row] = &[
    part("warmup", TIMER, told("server value, else delay_loop"), at_least(0).unit("s"), "bound of the random initial delay", ""),
    part("delay_loop", TIMER, time(Timing::DELAY_LOOP).unless("server value"), micros(1, None).unit("s"), "pause between checks", ""),
    part("rise", INT, number(Timing::RISE as i64), whole(1, 4_294_967_295).note("; not in keepalived"), "runs in a row that must pass before what is down is up", ""),
    part("fall", INT, told("retry + 1"), whole(1, 4_294_967_295).note("; not in keepalived; fall N is retry N-1"), "failures in a row that take down what was up", ""),
];

#[rustfmt::skip]
const ALPHA: &[Row] = &[
    part("alpha", BOOL, told("server value"), ANY.note("bare = on"), "start in the failed state", ""),
];

#[rustfmt::skip]
const LOG: &[Row] = &[
    part("log_all_failures", BOOL, told("checker_log_all_failures"), ANY.note("bare = on"), "log every failed probe", "2.0.11"),
];

/// `HTTP_GET` and `SSL_GET`.
#[rustfmt::skip]
const HTTP: &[Row] = &[
    row("nb_get_retry", INT, told("see retry"), ANY.note("always reported"), "deprecated name of retry", "", Replaced("retry")),
    part("virtualhost", STRING, told("server value"), ANY.note("repeat overwrites with error"), "Host header for all urls", ""),
    part("http_protocol", HTTP_VERSION, word("1.0"), ANY.note("1.0c accepted; 1.0C adds Connection: close"), "HTTP version used", "2.0.17"),
    part("enable_sni", BOOL, OFF, ANY.note("bare = on"), "send TLS server name", "1.4.3"),
    part("sni_name", MAYBE_STRING, told("virtualhost"), ANY.note("implies enable_sni"), "server name to send", ""),
    part("fast_recovery", BOOL, OFF, ANY.note("bare = on"), "no pause between urls while coming up, at start or after a failure", "2.0.17"),
];

/// What one `url` asks, and what it expects.
#[rustfmt::skip]
const URL: &[Row] = &[
    part("path", STRING, REQUIRED, ANY.note("repeat overwrites with error"), "request path", ""),
    part("digest", HEX32, NONE, ANY.note("exactly 32 hex digits; first wins"), "expected MD5 of the body", ""),
    part("status_code", STATUS_CODES, word("200-299"), ANY.note("bad words reported and skipped"), "acceptable status codes", "0.7.6"),
    part("virtualhost", STRING, told("checker value"), ANY.note("repeat overwrites with error"), "Host header for this url", ""),
    part("regex", QUOTED, NONE, ANY.note("quote it; a backslash is written twice"), "PCRE2 pattern the body must match", ""),
    part("regex_no_match", FLAG, OFF, ANY, "succeed when the pattern does not match", ""),
    part("regex_options", OPTIONS, NONE, ANY.note("PCRE2 compile option names in lower case; of an unknown one a warning"), "pattern options", ""),
    part("regex_min_offset", INT, number(0), ANY.note("bytes of the body; not above regex_max_offset"), "earliest match position", ""),
    part("regex_max_offset", INT, NONE, ANY.note("bytes of the body"), "latest match position", ""),
    row("regex_stack", STACK, told("PCRE2 default"), ANY.note("start <= max"), "JIT stack sizes", "", Ignored("a search takes up to 64 MiB and gives it back at its end")),
];

/// Whose certificates count.
const TRUST: Args = line(TEXT, &[Either(&[Part::Choice(&["none", "system"]), A_FILE])]);

/// What a check over TLS demands of the certificate and of the connection; `name`: whom the certificate must be for, when
/// nothing is said, and what there is to know of that.
#[rustfmt::skip]
const fn demands(name: (&'static str, &'static str)) -> [Row; 5] {
    [
        part("tls_verify", TRUST, word("none"), ANY.note("not in keepalived; a file has certificates in PEM, of authorities or of the servers themselves; read at a start and at each reload, and one that cannot be used refuses the reload; after a start with a wrong value the check asks nothing; the clock of this host tells whether a certificate is out of its time"), "whose certificates count: a certificate of another issuer, for another name, or out of its time is a failure", ""),
        part("tls_name", STRING, told(name.0), ANY.note(name.1), "whom the certificate must be for: a name or an address", ""),
        part("tls_min_version", args(Choice(&["1.2", "1.3"])), NONE, ANY.note("not in keepalived"), "oldest version of TLS that counts", ""),
        part("tls_max_version", args(Choice(&["1.2", "1.3"])), NONE, ANY.note("not in keepalived; not below tls_min_version"), "newest version of TLS that counts", ""),
        part("tls_expiry_warning", INT, NONE, whole(1, 3650).unit("days").note("; not in keepalived; the server stays up; with tls_verify none, too; those of the issuers count as well"), "tell once a day of a certificate that ends within so many days", ""),
    ]
}

/// Those of an SSL_GET.
const SSL_DEMANDS: &[Row] = &demands((
    "sni_name, else virtualhost, else the address",
    "not in keepalived; no wildcard; sni_name and virtualhost without their port, and a failure when that is no name; of a certificate only its alternative names count",
));

/// Those of a `check NAME`.
const NAMED_DEMANDS: &[Row] = &demands((
    "the address",
    "not in keepalived; no wildcard; of a certificate only its alternative names count; a name is sent in the handshake, too",
));

/// Texts whose escapes stay.
const QUOTED_TEXTS: Args = line(List(&Pattern), &[Many(&Called("QUOTED", Pattern))]);

/// A file, or what the service manager has.
const SECRET_FILE: Args = line(LINE, &[Called("PATH / credential:NAME", TEXT)]);

/// What keepalived has no words for.
#[rustfmt::skip]
const URL_MORE: &[Row] = &[
    part("method", args(Choice(&["GET", "HEAD", "POST", "PUT", "OPTIONS"])), word("GET"), ANY.note("not in keepalived"), "method of the request", ""),
    part("header", line(Several, &[Called("NAME: VALUE", TEXT)]), NONE, ANY.note("not in keepalived; quote it; may be repeated; not Host, Content-Length, Transfer-Encoding, Connection or Authorization"), "header of the request", ""),
    part("body", QUOTED, NONE, ANY.note("not in keepalived; quote it; not with GET or HEAD; a double quote in it is written \\x22, a backslash twice"), "body of the request, sent with its length", ""),
    part("contains", QUOTED_TEXTS, NONE, ANY.note("not in keepalived; quote each; may be repeated: each must be there; a double quote is written \\x22, a backslash twice"), "text that the body of the answer must have in it", ""),
    part("contains_not", QUOTED_TEXTS, NONE, ANY.note("not in keepalived; quote each; may be repeated: none may be there; written as in contains"), "text that the body of the answer must not have in it", ""),
    part("json_pointer", line(Several, &[Called("POINTER", TEXT), Called("VALUE", TEXT)]), NONE, ANY.note("not in keepalived; quote both; may be repeated: each must be there; RFC 6901; a string without its quotes, anything else as JSON writes it without blanks; at most 256 KiB"), "value at a place in the body of the answer, which is JSON", ""),
    part("max_size", INT, NONE, whole(0, 67_108_864).unit("bytes").note("; not in keepalived"), "longest acceptable body of the answer", ""),
    part("max_time", TIMER, NONE, micros(1, Some(4_294_967_295)).unit("s").note("; not in keepalived"), "longest acceptable time from the start of the connection to the end of the answer", ""),
    part("auth_basic_file", SECRET_FILE, NONE, ANY.note("not in keepalived; the file has `USER:PASSWORD` in its first line and is its owner's alone; HTTP_GET sends it unencrypted, SSL_GET without tls_verify to whoever answers"), "who asks, by name and password; read at a start and at each reload", ""),
    part("auth_bearer_file", SECRET_FILE, NONE, ANY.note("not in keepalived; the file has the token in its first line and is its owner's alone; HTTP_GET sends it unencrypted, SSL_GET without tls_verify to whoever answers"), "who asks, by a token; read at a start and at each reload", ""),
    part("follow_redirects", INT, number(0), whole(0, 10).note("; not in keepalived; only to the same address: the host of a Location is that of the request and of the certificate alone, its port and https or http are taken; body, each header and what auth_basic_file and auth_bearer_file name go only to the scheme, host and port of the first request; from https to http is a failure with tls_verify or tls_min_version; the times of the check hold over all of it"), "how often an answer may send the check to another place of the same server", ""),
];

/// What a `check NAME` asks.
#[rustfmt::skip]
const NAMED: &[Row] = &[
    part("protocol", args(Choice(&["tcp", "redis", "mysql", "postgresql", "imap", "pop3", "ftp", "ldap"])), word("tcp"), ANY.note("tcp: send and expect say it; mysql and postgresql: a login as directord without a password, which may be refused"), "what is spoken with the server", ""),
    part("tls", FLAG, OFF, ANY.note("certificates are verified with tls_verify only; those of SSL are sent when the server asks"), "speak TLS from the first byte", ""),
    part("send", line(Several, &[Called("TEXT", TEXT)]), NONE, ANY.note("protocol tcp; in turn with expect; shown in dumps and the log of a reload: no place for a password; escapes \\r \\n \\t \\xHH \\\\"), "what is sent to the server", ""),
    part("expect", line(Several, &[Called("TEXT", TEXT)]), NONE, ANY.note("protocol tcp; in turn with send; escapes as of send; within 16 KiB"), "what the answer must contain", ""),
];

/// The old name of `retry`.
#[rustfmt::skip]
const OLD_RETRY: &[Row] = &[
    row("nb_get_retry", INT, told("see retry"), ANY, "old name of retry, from before keepalived 1.2.20", "", Replaced("retry")),
];

/// `default`: what counts without it.
const fn retry(default: Absent) -> Row {
    part("retry", INT, default, whole(0, 4_294_967_295), "failed attempts tolerated before going down", "")
}

/// `default`: what counts without it.
const fn pause(default: Absent) -> Row {
    part("delay_before_retry", TIMER, default, at_least(0).unit("s"), "pause between attempts", "1.2.20")
}

/// Blocks, and the lists of what stands in them.
#[rustfmt::skip]
pub(super) static CHECKS: &[(&str, &[&[Row]])] = &[
    ("virtual_server/real_server", &[&[
        row("TCP_CHECK", BLOCKS, UNSAID, ANY, "probe by opening a TCP connection", "", Implemented),
        row("UDP_CHECK", BLOCKS, UNSAID, ANY, "probe by sending a datagram", "2.1.0", Implemented),
        row("PING_CHECK", BLOCKS, UNSAID, ANY, "probe by ICMP echo", "2.1.0", Implemented),
        row("DNS_CHECK", BLOCKS, UNSAID, ANY, "probe by a DNS query", "", Implemented),
        row("SMTP_CHECK", BLOCKS, UNSAID, ANY, "probe by an SMTP dialogue", "", Implemented),
        row("HTTP_GET", BLOCKS, UNSAID, ANY, "probe by HTTP requests", "", Implemented),
        row("SSL_GET", BLOCKS, UNSAID, ANY, "probe by HTTPS requests", "0.4.9", Implemented),
        row("MISC_CHECK", BLOCKS, UNSAID, ANY, "probe by running a program", "", Implemented),
        row("BFD_CHECK", BLOCKS, UNSAID, ANY, "follow a BFD session", "", Implemented),
        row("FILE_CHECK", BLOCKS, UNSAID, ANY.note("ignored without track_file"), "take the weight from a tracked file", "2.1.0", Implemented),
        row("check", line(Several, &[A_NAME]), UNSAID, ANY.note("not in keepalived; may be repeated; the settings that its block does not have are those of the real server"), "make the check that is defined under this name", "", Implemented),
    ]]),
    ("check", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("real/virtual server value")), pause(time(Timing::PAUSE).unless("server value"))], TIMING, ALPHA, LOG, NAMED, NAMED_DEMANDS]),
    ("virtual_server/real_server/TCP_CHECK", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("real/virtual server value")), pause(time(Timing::PAUSE).unless("server value"))], TIMING, ALPHA, LOG, OLD_RETRY]),
    ("virtual_server/real_server/UDP_CHECK", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("real/virtual server value")), pause(time(Timing::PAUSE).unless("server value"))], TIMING, ALPHA, LOG, &[
        part("payload", line(LINE, &[Many(&Called("HEX", TEXT))]), NONE, ANY.note("hex digits, spaces allowed"), "bytes to send", "2.2.0"),
        part("require_reply", line(Alone(&LINE), &[Maybe(&[Many(&Called("HEX with X wildcards", TEXT))])]), OFF, ANY.note("bare = any reply; x or X matches any nibble"), "demand an answer, optionally with given content", "2.2.0"),
        part("min_reply_length", INT, number(0), whole(0, 65_535), "shortest acceptable answer", "2.2.0"),
        part("max_reply_length", INT, number(255), whole(0, 65_535), "longest acceptable answer", "2.2.0"),
    ]]),
    ("virtual_server/real_server/PING_CHECK", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("real/virtual server value")), pause(time(Timing::PAUSE).unless("server value"))], TIMING, ALPHA, LOG]),
    ("virtual_server/real_server/DNS_CHECK", &[CONNECT, &[retry(number(Timing::DNS_RETRY as i64).unless("server value")), pause(told("server value, else delay_loop"))], TIMING, ALPHA, LOG, &[
        part("type", args(Choice(&["A", "NS", "CNAME", "SOA", "MX", "TXT", "AAAA", "RRSIG", "DNSKEY"])), word("SOA"), ANY.note("case-sensitive; unknown ignored with error"), "query type", ""),
        part("name", STRING, word(".").note(" (root)"), ANY.note("first wins; empty labels refused"), "query name", ""),
    ]]),
    ("virtual_server/real_server/SMTP_CHECK", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("real/virtual server value")), pause(time(Timing::PAUSE).unless("server value"))], TIMING, ALPHA, LOG, &[
        part("helo_name", STRING, word(ProbeKind::HELO), ANY.note("repeat overwrites with error"), "name announced in HELO", ""),
        part("host", BLOCK, UNSAID, ANY.note("log message only; each makes another checker"), "deprecated extra target", ""),
    ], OLD_RETRY]),
    ("virtual_server/real_server/SMTP_CHECK/host", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("server value")), pause(time(Timing::PAUSE).unless("server value"))], TIMING, ALPHA, LOG]),
    ("virtual_server/real_server/HTTP_GET", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("real/virtual server value")), pause(time(Timing::HTTP_PAUSE).unless("server value"))], TIMING, ALPHA, LOG, HTTP, &[
        part("url", BLOCKS, REQUIRED, ANY.note("dropped without path; checker dropped without url"), "one request to make", ""),
    ]]),
    ("virtual_server/real_server/HTTP_GET/url", &[URL, URL_MORE]),
    ("virtual_server/real_server/SSL_GET", &[CONNECT, &[retry(number(Timing::RETRY as i64).unless("real/virtual server value")), pause(time(Timing::HTTP_PAUSE).unless("server value"))], TIMING, ALPHA, LOG, HTTP, &[
        part("tls_compliant", BOOL, OFF, ANY.note("bare = on"), "require a proper TLS close", ""),
    ], SSL_DEMANDS, &[
        part("url", BLOCKS, REQUIRED, ANY.note("dropped without path; checker dropped without url"), "one request to make", ""),
    ]]),
    ("virtual_server/real_server/SSL_GET/url", &[URL, URL_MORE, &[
        part("tls_compliant", BOOL, told("checker value"), ANY.note("bare = on"), "require a proper TLS close for this url", ""),
    ]]),
    ("virtual_server/real_server/MISC_CHECK", &[&[retry(number(Timing::MISC_RETRY as i64).unless("server value")), pause(time(Timing::PAUSE).unless("server value"))], TIMING, ALPHA, LOG, &[
        part("misc_path", COMMAND, REQUIRED, ANY.note("last wins"), "program to run", ""),
        part("misc_timeout", INT, number(0).note(" = delay_loop of the virtual server"), whole(0, 4294).unit("s"), "kill the program after this long", "1.1.0"),
        part("misc_dynamic", FLAG, OFF, ANY, "exit status 2..255 sets the weight (minus 2)", "1.1.8"),
        part("user", USER, told("script_user"), ANY.note("bad account removes the checker"), "account to run under", ""),
    ], OLD_RETRY]),
    ("virtual_server/real_server/BFD_CHECK", &[&[
        part("name", NAME, REQUIRED, ANY.note("exactly one, must already be defined, <=31 chars"), "session to follow", ""),
    ], ALPHA]),
    ("virtual_server/real_server/FILE_CHECK", &[&[
        part("track_file", NAME, REQUIRED, ANY.note("must already be defined"), "file to follow", "2.1.0"),
        part("weight", line(NUMBER_LINE, &[A_NUMBER, Maybe(&[Part::Choice(&["reverse", "noreverse"])])]), told("file's own weight"), whole(-2_147_483_647, 2_147_483_647), "multiplier for the number read", "2.1.0"),
    ]]),
];
