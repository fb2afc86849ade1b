//! What is tried on any input: each function panics where the reader of configurations breaks a promise.
//!
//! The fuzz targets call them with what libFuzzer makes up, `tests/fuzz.rs` with the seeds and mutations of them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use directord::bfd::packet::Packet;
use directord::bfd::sessions::{self, Sessions};
use directord::check::dialogue::dns::{Dns, Transport};
use directord::check::dialogue::echo::{self, Echo};
use directord::check::dialogue::http::{Http, Response, Trail};
use directord::check::dialogue::smtp::Smtp;
use directord::check::dialogue::talk::Talk;
use directord::check::dialogue::udp::{Reply, Udp};
use directord::check::dialogue::{Dialogue, Heard, Step};
use directord::check::patterns::Patterns;
use directord::cli::ipvsadm::address::Names;
use directord::cli::ipvsadm::bytes::{narrow, wide};
use directord::cli::ipvsadm::parse::{Action, Format as Columns, parse};
use directord::cli::ipvsadm::{connections, print, restore};
use directord::config::diagnostic::{Diagnostic, Format, Severity};
use directord::config::dump::{self, Show};
use directord::config::format::format;
use directord::config::model::{
    BfdInstance, Destination, DnsName, DnsType, Family, Instance, InterfaceName, Peer, Unicast, Version,
    VirtualAddress, Vrid,
};
use directord::config::model::{
    Conversation, HttpCheck, HttpProtocol, HttpUrl, JsonValue, ProtocolKind, Service, StatusCodes,
    TrackProcess, Turn, UrlMore, UrlRegex,
};
use directord::config::recorded::Recorder;
use directord::config::source::{Files, ReadError, Sources, Span, Texts};
use directord::config::supported::runnable;
use directord::config::{Loaded, Options, load, words};
use directord::control::{self, Answer, Question};
use directord::director::kept::Kept;
use directord::director::owned::{Line, parse_lines, to_lines};
use directord::ipvs::diff::Operation;
use directord::ipvs::listing::{self, ListedDestination, ListedService};
use directord::ipvs::message;
use directord::ipvs::{Settings, Table as Services};
use directord::ipvs::{sync, timeouts};
use directord::net::conflict;
use directord::net::kernel::Kernel;
use directord::net::object::Object;
use directord::net::rtnetlink;
use directord::snmp::oid::Oid;
use directord::snmp::pdu;
use directord::snmp::session::{self, Session};
use directord::snmp::table::{Source, Table};
use directord::snmp::value::Value;
use directord::sys::netlink;
use directord::track::processes::{self, Processes};
use directord::track::{Conditions, Link, connector, process};
use directord::vrrp::instance::{self, Machine};
use directord::vrrp::node::Claim;
use directord::vrrp::packet::{Advert, Received};
use directord::vrrp::receive;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 23] = [
    ("lexer", lexer),
    ("expander", expander),
    ("load", whole),
    ("format", layout),
    ("dump", dumped),
    ("json", json),
    ("kept", kept),
    ("records", records),
    ("http", http),
    ("ipvs", ipvs),
    ("vrrp", vrrp),
    ("rtnetlink", rtnetlink),
    ("connector", connector),
    ("dns", dns),
    ("udp", udp),
    ("smtp", smtp),
    ("echo", echo),
    ("bfd", bfd),
    ("agentx", agentx),
    ("control", lines),
    ("conflict", conflict),
    ("talk", talk),
    ("ipvsadm", ipvsadm),
];

const MAIN: &str = "/etc/keepalived/keepalived.conf";
/// No input has it by chance.
const SECRET: &str = "xQ7zW9kP";

/// Files in memory that know what they may be asked for.
struct Watched {
    texts: Texts,
    named: RefCell<BTreeSet<PathBuf>>,
}

impl Watched {
    /// The input, with some files for it to include.
    fn new(main: &[u8]) -> Self {
        let text = |text: &str| text.as_bytes().to_vec();
        let path = |name: &str| Path::new(MAIN).with_file_name(name);
        let texts = Texts(BTreeMap::from([
            (path("conf.d/a.conf"), text("real_server 10.0.0.8 80 {\nTCP_CHECK {\n}\n}\n")),
            (path("conf.d/b.conf"), text("$A=b\n$B=\\\nweight 2\\\ninhibit_on_failure\n@n include a.conf\n")),
            (path("a"), text("include keepalived.conf\ninclude conf.d/*\n~SEQ(i,3) include b$i\n")),
            (path("b1"), text("virtual_ipaddress {\n192.168.100.240/24\n")),
            (path("b2"), vec![0xff, b'\n', 0, b'"', b'{', b'}']),
            (PathBuf::from("/etc/shadow"), text("root:*:\n")),
            (PathBuf::from(MAIN), main.to_vec()),
        ]));
        Self { texts, named: RefCell::new(BTreeSet::from([PathBuf::from(MAIN)])) }
    }
}

impl Files for Watched {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        assert!(self.named.borrow().contains(path), "{} is read, and nothing names it", path.display());
        self.texts.read(path)
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        let found = self.texts.matches(pattern);
        self.named.borrow_mut().extend(found.iter().cloned());
        found
    }

    fn is_executable(&self, path: &Path) -> bool {
        path.ends_with("conf.d/c.conf")
    }
}

fn options() -> Options {
    Options { config_id: "n".into(), random: 7, ..Options::default() }
}

/// Plain text: every byte that is no blank, quote or comment is in exactly one word, and the words are in order.
pub fn lexer(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if text.contains(['$', '~', '@', '\u{feff}']) || text.contains("include") {
        return;
    }
    let words = words(Path::new(MAIN), &Watched::new(text.as_bytes()), &options());
    let whole = words.list.first().map_or("", |span| words.sources.text_of(span.source));
    let mut end = 0;
    let mut between = String::new();
    for span in &words.list {
        assert_place(&words.sources, *span);
        assert!(end <= span.start, "words overlap: {:?}", words.sources.text(*span));
        between += whole.get(end as usize..span.start as usize).unwrap();
        between.push('\n');
        end = span.end;
    }
    between += whole.get(end as usize..).unwrap_or("");
    for line in between.lines() {
        let left = line.trim_start_matches(['"']).trim();
        let left = left.trim_matches(|c: char| c == '"' || c.is_whitespace() || c.is_control());
        assert!(left.is_empty() || left.contains(['#', '!']), "no word has {left:?}");
    }
}

/// Definitions, conditions, generators, includes: an end, spans that lie in their texts, nothing read that is not named.
pub fn expander(input: &[u8]) {
    let words = words(Path::new(MAIN), &Watched::new(input), &options());
    for span in &words.list {
        assert_place(&words.sources, *span);
        let written = words.sources.written(*span);
        assert!(!words.sources.is_expansion(written), "a written place lies in an expansion");
        assert_place(&words.sources, written);
    }
    assert_diagnostics(&words.diagnostics, &words.sources);
}

/// Everything that `--check` does, in all renderings, and the comparison with another node.
pub fn whole(input: &[u8]) {
    let main = with_secret(input);
    let mut loaded = load(Path::new(MAIN), &Watched::new(&main), &options());
    assert_diagnostics(&loaded.diagnostics, &loaded.sources);
    assert_eq!(loaded.has_errors(), loaded.model.is_none(), "a model with errors");
    assert_renderings(&loaded, input);
    if let Some(model) = &loaded.model {
        let parts = runnable(model);
        assert!(parts.instances.len() <= model.instances.len());
        let again = load(Path::new(MAIN), &Watched::new(&main), &options());
        loaded.compare(&again);
        assert_renderings(&loaded, input);
    }
}

/// The canonical layout has the same words and the same model, and is its own layout.
pub fn layout(input: &[u8]) {
    let Ok(text) = format(MAIN, input.to_vec()) else { return };
    let again = format(MAIN, text.clone().into_bytes());
    assert_eq!(again.ok().as_deref(), Some(&*text), "the layout of the layout is another one");
    let read = |text: &[u8]| {
        let words = words(Path::new(MAIN), &Watched::new(text), &options());
        let text = |span: &Span| words.sources.text(*span).to_owned();
        words.list.iter().map(text).collect::<Vec<_>>()
    };
    assert_eq!(read(input), read(text.as_bytes()), "the layout has other words");
    let model = |text: &[u8]| load(Path::new(MAIN), &Watched::new(text), &options()).model;
    assert_eq!(model(input), model(text.as_bytes()), "the layout has another model");
}

/// A model, written and read again in either language, is the same model, and there is nothing new to complain of.
pub fn dumped(input: &[u8]) {
    let loaded = load(Path::new(MAIN), &Watched::new(input), &options());
    let Some(model) = loaded.model else { return };
    for defaults in [false, true] {
        let show = Show { defaults, secrets: true };
        for (name, text) in [("a.conf", dump::conf(&model, show)), ("a.json", dump::json(&model, show))] {
            let again = load(Path::new(name), &Texts::one(name, &text), &options());
            let said = again.render(Format::Line, false);
            assert!(!again.has_errors(), "the dump has errors: {said}\n{text}");
            assert_eq!(again.model.as_ref(), Some(&model), "the dump is another model:\n{text}");
        }
    }
}

/// Any bytes as JSON: what is read of them is also read of their dump.
pub fn json(input: &[u8]) {
    let name = Path::new("a.json");
    let files = Texts(BTreeMap::from([(name.to_owned(), input.to_vec())]));
    let loaded = load(name, &files, &options());
    assert_diagnostics(&loaded.diagnostics, &loaded.sources);
    for format in [Format::Human, Format::Line, Format::Json, Format::Sarif] {
        assert!(
            loaded.worst().is_none_or(|worst| worst < Severity::Lint)
                || !loaded.render(format, false).is_empty()
        );
    }
    let Some(model) = &loaded.model else { return };
    let text = dump::json(model, Show { defaults: false, secrets: true });
    let again = load(name, &Texts::one("a.json", &text), &options());
    assert_eq!(again.model.as_ref(), Some(model), "the dump is another model:\n{text}");
}

/// Any bytes as a kept configuration; and the input as a configuration that is kept, read again, and damaged.
pub fn kept(input: &[u8]) {
    if let Some(kept) = Kept::parse(input) {
        assert_eq!(kept.to_bytes().and_then(|bytes| Kept::parse(&bytes)), Some(kept));
    }
    let files = Watched::new(input);
    let recorder = Recorder::new(&files);
    let model = load(Path::new(MAIN), &recorder, &options()).model;
    let kept = Kept::new(Path::new(MAIN), &options(), recorder.into_recording());
    let Some(mut bytes) = kept.to_bytes() else { panic!("it is not written") };
    let read = Kept::parse(&bytes);
    assert_eq!(read.as_ref().map(|kept| &kept.time), Some(&kept.time), "it is not read");
    assert_eq!(read.and_then(|kept| kept.load().model), model, "another model is read");
    // The first digit of the checksum.
    let digit = bytes.windows(3).position(|window| window == b"\":\"").map(|at| at + 3);
    if let Some(byte) = digit.and_then(|at| bytes.get_mut(at)) {
        *byte = if *byte == b'0' { b'1' } else { b'0' };
    }
    assert!(Kept::parse(&bytes).is_none(), "damage is not seen");
}

/// Any bytes as the records of what is ours: what is understood is written and read again.
pub fn records(input: &[u8]) {
    fn again<T: Line + std::fmt::Debug>(text: &str) {
        let things = parse_lines::<T>(text);
        assert_eq!(parse_lines::<T>(&to_lines(&things)), things);
    }
    let text = String::from_utf8_lossy(input);
    again::<Service>(&text);
    again::<Claim>(&text);
}

/// What a web server sends: however it is cut, it reads the same, and its digest is that of no more than its body.
pub fn http(input: &[u8]) {
    for pattern in [None, Some("l+o|(?m)^n"), Some("(*UTF)(?<=\n).*h")] {
        let whole = answer(&[input], pattern);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(answer(&single, pattern), whole, "byte by byte it reads otherwise");
        let size = usize::from(input.last().copied().unwrap_or(0)) + 2;
        let pieces: Vec<&[u8]> = input.chunks(size).collect();
        assert_eq!(answer(&pieces, pattern), whole, "in pieces of {size} it reads otherwise");
        let Some(Ok(response)) = whole else { continue };
        assert!(response.body_length < input.len() as u64, "a body, and no head");
    }
}

/// What is learned from a server that sends these pieces and closes; the body is searched for `pattern`.
fn answer(pieces: &[&[u8]], pattern: Option<&str>) -> Option<Result<Response, String>> {
    let protocol = HttpProtocol::Http10;
    let check =
        HttpCheck { tls: false, protocol, sni: None, demands: None, fast_recovery: false, urls: Vec::new() };
    let status_codes = StatusCodes::default();
    let (path, virtualhost) = ("/".to_owned(), None);
    let regex = pattern.map(|pattern| {
        Box::new(UrlRegex { pattern: Some(pattern.to_owned()), min_offset: 1, ..UrlRegex::default() })
    });
    // With a digest all of the body is read.
    let url = HttpUrl {
        path,
        virtualhost,
        digest: Some([0; 16]),
        status_codes,
        regex,
        tls_compliant: None,
        more: Some(Box::new(UrlMore {
            contains: vec!["lol".to_owned()],
            values: JsonValue::new("/a/0", "1").into_iter().collect(),
            redirects: 1,
            ..UrlMore::default()
        })),
    };
    let search = Patterns::default().search(&url).unwrap();
    let mut dialogue = Http::check(&check, &url, ([192, 0, 2, 1], 80).into(), search);
    let pieces = pieces.iter().filter(|piece| !piece.is_empty()).map(|piece| Heard::Bytes(piece));
    for heard in [Heard::Connected, Heard::Sent].into_iter().chain(pieces).chain([Heard::Closed]) {
        if let Step::Done(result) = dialogue.next(heard) {
            if let Ok(response) = &result {
                // Total, whatever was found.
                let _ = response.judge(&url);
                let to = ([192, 0, 2, 1], 80).into();
                let mut trail = Trail::new(&check, &url, to);
                if let Ok(true) = trail.answered(response) {
                    let next = trail.now();
                    assert_eq!(next.to.ip(), to.ip(), "it goes elsewhere");
                    let line = format!("{} {:?}", next.url.path, next.url.virtualhost);
                    assert!(!line.contains(['\r', '\n']), "a request of several lines: {line:?}");
                    let _ = Http::check(&next.check, &next.url, next.to, None);
                }
            }
            return Some(result.map_err(|failure| failure.to_string()));
        }
    }
    None
}

/// What the kernel's IPVS sends: nothing is read of a message that is not in it, and an attribute of a later kernel
/// changes nothing.
pub fn ipvs(input: &[u8]) {
    for payload in netlink::messages(input).map(|message| message.payload).chain([input]) {
        let mut longer = payload.to_vec();
        longer.resize(payload.len().next_multiple_of(4), 0);
        let read = |payload: &[u8]| {
            (
                message::read_family(payload),
                message::read_service(payload),
                message::read_destination(payload, false),
                message::read_destination(payload, true),
                sync::message::read(payload),
                timeouts::message::read(payload),
                listing::read_service(payload),
                listing::read_destination(payload, 2),
                listing::read_info(payload),
            )
        };
        let known = read(&longer);
        longer.extend([8, 0, 99, 0, 1, 2, 3, 4]);
        let whole = netlink::attributes(payload.get(4..).unwrap_or_default())
            .map(|(_, value)| (value.len() + 4).next_multiple_of(4))
            .sum::<usize>();
        if payload.len() >= 4 && whole + 4 >= payload.len() {
            assert_eq!(read(&longer), known, "an unknown attribute changes what is read");
        }
    }
}

/// Nobody has a name.
struct Nameless;

impl Names for Nameless {
    fn address(&self, _: &str) -> Option<Ipv4Addr> {
        None
    }

    fn port(&self, _: &str, _: u16) -> Option<u16> {
        None
    }

    fn host(&self, _: IpAddr) -> Option<String> {
        None
    }

    fn service(&self, _: u16, _: u16) -> Option<String> {
        None
    }
}

/// Command lines, which are saved rules, too: what is understood of a service is the same once it is saved and read again.
pub fn ipvsadm(input: &[u8]) {
    let text = wide(input);
    assert_eq!(narrow(&text), input);
    let _ = connections::list(input, Columns::default(), &Nameless);
    match restore::plan("ipvsadm", &text, &Nameless) {
        Ok(steps) => drop(restore::rehearse(&steps, &Services::new())),
        Err(wrong) => assert!(wrong.iter().all(|line| line.starts_with("line ")), "{wrong:?}"),
    }
    for (_, words) in restore::lines(&text) {
        match parse("ipvsadm", &words, &Nameless) {
            Ok((Action::Change(Operation::NewService(service, settings)), _)) => {
                let columns = Columns { numeric: true, rules: true, ..Columns::default() };
                let saved = print::service(&listed(service, &settings), &[], columns, &Nameless);
                let Some((_, words)) = restore::lines(&saved).next() else { panic!("nothing is saved") };
                // A mask that no persistence uses is not saved, and a name with a blank in it is two words, one of `-` an option.
                let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric());
                let is_plain = plain(&settings.scheduler) && settings.engine.as_deref().is_none_or(plain);
                // Marks are saved with a sign, and `sh` has no name for the third flag.
                let has_name = !matches!(service, Service::Fwmark { mark, .. } if mark > 0x7fff_ffff)
                    && !settings.flags.three;
                if settings.timeout > 0 && is_plain && has_name {
                    let (again, _) = parse("ipvsadm", &words, &Nameless).unwrap();
                    assert_eq!(again, Action::Change(Operation::NewService(service, settings)));
                }
            }
            Ok((Action::Change(Operation::NewDestination(_, address, values)), _)) => {
                assert!(values.weight <= i32::MAX.cast_unsigned());
                let shown =
                    ListedDestination { weight: values.weight, port: address.port(), ..Default::default() };
                let of = ListedService { family: 2, ..ListedService::default() };
                for columns in [
                    Columns { tunnels: true, ..Columns::default() },
                    Columns { stats: true, exact: true, ..Columns::default() },
                ] {
                    assert!(
                        print::service(&of, std::slice::from_ref(&shown), columns, &Nameless).ends_with('\n')
                    );
                }
            }
            Ok(_) => {}
            Err(stop) => assert!(stop.text.ends_with('\n') && stop.status != 0, "{stop:?}"),
        }
    }
}

/// A service as the kernel lists it.
fn listed(service: Service, settings: &Settings) -> ListedService {
    let mut listed = ListedService {
        family: if service.is_ipv6() { 10 } else { 2 },
        scheduler: settings.scheduler.clone(),
        engine: settings.engine.clone().unwrap_or_default(),
        flags: u32::from(settings.timeout > 0)
            | u32::from(settings.one_packet) << 2
            | u32::from(settings.flags.one) << 3
            | u32::from(settings.flags.two) << 4
            | u32::from(settings.flags.three) << 5,
        timeout: settings.timeout,
        netmask: settings.granularity.mask().octets(),
        ..ListedService::default()
    };
    if service.is_ipv6() {
        listed.netmask = u32::from(settings.granularity.prefix()).to_ne_bytes();
    }
    match service {
        Service::Fwmark { mark, .. } => listed.mark = mark,
        Service::Address { protocol, address } => {
            listed.protocol = protocol as u16;
            listed.port = address.port();
            match address.ip() {
                IpAddr::V4(v4) => listed.address[..4].copy_from_slice(&v4.octets()),
                IpAddr::V6(v6) => listed.address = v6.octets(),
            }
        }
    }
    listed
}

/// The input with a password behind it, where a line starts.
fn with_secret(input: &[u8]) -> Vec<u8> {
    let mut main = input.to_vec();
    // A definition that is open would hold it, and a definition is shown.
    let open = input.trim_ascii_end().ends_with(b"\\") || input.contains(&b'\0');
    if !open {
        main.extend_from_slice(format!("\nauth_pass {SECRET}\n").as_bytes());
    }
    main
}

fn assert_place(sources: &Sources, span: Span) {
    let text = sources.text_of(span.source).get(span.start as usize..span.end as usize);
    assert!(text.is_some(), "{span:?} lies outside of its text");
}

fn assert_diagnostics(list: &[Diagnostic], sources: &Sources) {
    for one in list {
        let fix = one.fix.as_ref().map(|fix| fix.span);
        let related = one.related.iter().map(|(span, _)| *span);
        for span in one.span.into_iter().chain(fix).chain(related).chain(one.also.iter().copied()) {
            assert_place(sources, span);
            let position = sources.position(span);
            assert!(position.line >= 1 && position.column >= 1);
        }
        assert!(!one.message.is_empty() && one.count >= 1);
    }
    let place = |one: &Diagnostic| (one.span.is_none(), one.span.map(|span| sources.written(span)));
    assert!(list.is_sorted_by_key(place), "diagnostics are not in the order of the lines");
}

fn assert_renderings(loaded: &Loaded, input: &[u8]) {
    let known = String::from_utf8_lossy(input).contains(SECRET);
    for format in [Format::Human, Format::Line, Format::Json, Format::Sarif] {
        let text = loaded.render(format, false);
        assert!(known || !text.contains(SECRET), "the password is shown: {text}");
        if matches!(format, Format::Json | Format::Sarif) {
            let json: Result<serde_json::Value, _> = serde_json::from_str(&text);
            assert!(json.is_ok(), "{json:?}: {text}");
        }
    }
}

/// Any bytes as a packet: through the socket's reader to an instance of each kind; and as the payload of an IPv6 one.
pub fn vrrp(input: &[u8]) {
    let (source, start) = (IpAddr::from([192, 168, 100, 101]), Instant::now());
    let received = Received::ipv4(input).unwrap_or_else(|_| Received {
        source,
        destination: IpAddr::from([224, 0, 0, 18]),
        hops: 255,
        id: None,
        ah: None,
        payload: input.to_vec(),
    });
    for family in [Family::Ipv4, Family::Ipv6] {
        if let Ok(advert) = Advert::decode(&received.payload, family) {
            let to = Destination::group(family);
            let from =
                if family == Family::Ipv4 { source } else { IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1]) };
            assert_eq!(Advert::decode(&advert.encode(from, to), family), Ok(advert));
        }
    }
    let peers = Unicast {
        check_source: true,
        ..Unicast::to(vec![Peer::new(source)], Destination::group(Family::Ipv4))
    };
    for version in [Version::V2, Version::V3] {
        for unicast in [None, Some(peers.clone())] {
            let (Ok(interface), Ok(vrid)) = (InterfaceName::new("eth0"), Vrid::new(51)) else { return };
            let mut config = Instance { version, ..Instance::new("VI_1", interface, vrid) };
            config.addresses.push(VirtualAddress::new(IpAddr::from([192, 168, 100, 240]), 32));
            if let Some(unicast) = unicast {
                config.transport.to = Destination::Unicast(unicast);
            }
            let valid = receive::check(&config, &received).is_ok();
            let mut machine = Machine::new(config);
            let link = Link {
                up: true,
                multicast: true,
                loopback: false,
                mtu: 1500,
                source: Some(IpAddr::from([192, 168, 100, 102])),
                source_is_here: true,
            };
            let mut out = Vec::new();
            let conditions = Conditions { link: Some(link), ..Conditions::default() };
            machine.handle(start, instance::Input::Conditions(conditions), &mut out);
            let before = machine.next_timer();
            machine.handle(
                start + Duration::from_millis(500),
                instance::Input::Packet(received.clone()),
                &mut out,
            );
            assert!(valid || machine.next_timer() == before, "what is not valid moves a timer");
        }
    }
}

/// Any bytes as a frame of ARP, and as a message of ICMPv6: what claims an address has it at its place.
pub fn conflict(input: &[u8]) {
    if let Some(claim) = conflict::arp(input) {
        let IpAddr::V4(address) = claim.address else { panic!("{claim:?}") };
        assert_eq!(input.get(28..32), Some(&address.octets()[..]));
        assert_eq!(claim.mac.map(|mac| mac.0.to_vec()), input.get(22..28).map(<[u8]>::to_vec));
    }
    for source in [std::net::Ipv6Addr::UNSPECIFIED, std::net::Ipv6Addr::LOCALHOST] {
        let Some(claim) = conflict::neighbour(source, input) else { continue };
        let IpAddr::V6(address) = claim.address else { panic!("{claim:?}") };
        assert_eq!(input.get(8..24), Some(&address.octets()[..]));
    }
}

/// Any bytes as a datagram of the kernel's: messages, links, addresses; the mirror takes them in and stays whole.
pub fn rtnetlink(input: &[u8]) {
    let mut kernel = Kernel::default();
    for message in netlink::messages(input) {
        for (_, value) in netlink::attributes(message.payload) {
            netlink::text(value);
        }
        let Some(change) = rtnetlink::read(message) else { continue };
        kernel.apply(change.clone());
        assert!(!kernel.apply(change), "the same again is news");
        for object in kernel.objects() {
            assert!(kernel.object(&object.key()).is_some());
            if let Object::Address(address) = object {
                assert!(kernel.addresses_of(address.index).any(|other| other == address));
            }
        }
    }
}

/// Any bytes as a datagram of the kernel's that tells of processes, and as the files of one in `/proc`: what is told is
/// followed, and no more is asked than can be answered.
pub fn connector(input: &[u8]) {
    let named = process::name_and_state(input);
    assert!(named.is_none_or(|(name, _)| name.len() < input.len()));
    let words = process::words(input);
    assert!(words.iter().map(Vec::len).sum::<usize>() <= input.len());
    let (mut machine, now) = (Processes::default(), Instant::now());
    let web = TrackProcess::new("web", vec!["nginx".into()]);
    let mut out = Vec::new();
    machine.handle(now, processes::Input::Configure(vec![web]), &mut out);
    for message in netlink::messages(input) {
        let Some(told) = connector::read(message) else { continue };
        machine.handle(now, processes::Input::Told(told), &mut out);
    }
    let looks = out.iter().filter(|action| matches!(action, processes::Action::Look { .. })).count();
    assert_eq!(looks, 1, "no second look before the first has an answer");
}

/// Any bytes as a BFD packet: what is read is written as it was, but for authentication, echo and what follows it; and heard by
/// two sessions of a host, it brings one of them up only by naming it, sends at most one packet and leaves no timer due.
pub fn bfd(input: &[u8]) {
    if let Ok(packet) = Packet::read(input) {
        let bytes = packet.bytes();
        assert_eq!(Packet::read(&bytes), Ok(packet));
        assert_eq!(Some(&bytes[4..20]), input.get(4..20));
    }
    let (now, neighbour) = (Instant::now(), IpAddr::from([10, 0, 0, 2]));
    let (mut machine, mut out) = (Sessions::new(1), Vec::new());
    let other = BfdInstance { max_hops: -1, ..BfdInstance::new("B", IpAddr::from([10, 0, 0, 3])) };
    let configs = vec![BfdInstance::new("A", neighbour), other];
    machine.handle(now, sessions::Input::Configure(configs), &mut out);
    let opened: Vec<_> = out
        .drain(..)
        .filter_map(|action| match action {
            sessions::Action::Open(id, _) => Some(id),
            _ => None,
        })
        .collect();
    opened.into_iter().for_each(|id| machine.handle(now, sessions::Input::Opened(id), &mut out));
    machine.handle(now, sessions::Input::Timer, &mut out);
    out.clear();
    for chunk in input.chunks(24) {
        let hops = chunk.first().copied().unwrap_or_default();
        let received = sessions::Received {
            source: if hops & 1 == 0 { neighbour } else { IpAddr::from([10, 0, 0, 3]) },
            destination: None,
            multihop: false,
            hops: if hops & 2 == 0 { 255 } else { hops },
            bytes: chunk.to_vec(),
        };
        machine.handle(now, sessions::Input::Heard(received), &mut out);
        let sent = out.iter().filter(|action| matches!(action, sessions::Action::Transmit(..))).count();
        assert!(sent <= 1, "more is sent than was heard");
        out.clear();
    }
    machine.handle(now, sessions::Input::Timer, &mut out);
    assert!(machine.next_timer().is_none_or(|(at, _)| at > now), "a timer stays due");
}

/// Any bytes as what a name server sends: as one datagram, and over a stream, where it reads the same however it is cut.
/// Only an answer to the question passes.
pub fn dns(input: &[u8]) {
    const ID: u16 = 0x1234;
    let name = DnsName::new("www.example.com").unwrap_or_default();
    let ask = |transport| Dns::new(ID, DnsType::A, &name, transport);
    let passes = matches!(ask(Transport::Datagrams).next(Heard::Bytes(input)), Step::Done(Ok(_)));
    assert!(!passes || input.starts_with(&ID.to_be_bytes()), "the answer to another question passes");
    let stream = |size: usize| {
        let mut dialogue = ask(Transport::Stream);
        let mut pieces = input.chunks(size).map(Heard::Bytes).chain([Heard::Closed]);
        pieces.find_map(|heard| match dialogue.next(heard) {
            Step::Done(result) => Some(result.is_ok()),
            _ => None,
        })
    };
    let whole = stream(usize::MAX);
    assert_eq!(stream(1), whole, "byte by byte it reads otherwise");
    assert_eq!(stream(7), whole, "in pieces it reads otherwise");
}

/// Any bytes as a reply to a datagram: its length is within the bounds, and its start is the one that is asked for.
pub fn udp(input: &[u8]) {
    let start = [Some(5), None, Some(6)];
    let reply = Reply { start: &start, lengths: (2, 300) };
    let passes = matches!(Udp::new(None, Some(reply)).next(Heard::Bytes(input)), Step::Done(Ok(())));
    let starts = matches!(input, [first, second, ..] if first >> 4 == 5 && second >> 4 == 6);
    assert_eq!(passes, starts && input.len() <= 300);
    assert_eq!(Udp::new(None, None).next(Heard::Bytes(input)), Step::Done(Ok(())));
}

/// Any bytes as what a mail server says: it reads the same however it is cut, and nothing is said to it before its turn.
pub fn smtp(input: &[u8]) {
    let play = |size: usize| {
        let mut dialogue = Smtp::new("a.example");
        let mut said = Vec::new();
        let mut pieces = input.chunks(size);
        let mut step = dialogue.next(Heard::Connected);
        loop {
            step = match step {
                Step::Done(result) => {
                    let result = result.map_err(|failure| failure.to_string());
                    return (said, dialogue.waits_for(), result);
                }
                Step::Send(bytes) => {
                    said.push(bytes);
                    dialogue.next(Heard::Sent)
                }
                Step::Read => dialogue.next(pieces.next().map_or(Heard::Closed, Heard::Bytes)),
            };
        }
    };
    let whole = play(usize::MAX);
    assert!(whole.0.len() <= 2 && (whole.2.is_err() || input.contains(&b'2')));
    assert_eq!(play(1), whole, "byte by byte it reads otherwise");
    assert_eq!(play(7), whole, "in pieces it reads otherwise");
}

/// The first byte chooses the protocol of a `check NAME`, the others are what the server says: it reads the same however
/// it is cut, says a bounded number of things, and what it fails for stays within a line.
pub fn talk(input: &[u8]) {
    let Some((first, answer)) = input.split_first() else { return };
    let (_, protocol) = ProtocolKind::ALL[usize::from(*first) % ProtocolKind::ALL.len()];
    let turns = match protocol {
        ProtocolKind::Tcp => vec![
            Turn::Expect(b"22".to_vec()),
            Turn::Send(b"NOOP\r\n".to_vec()),
            Turn::Expect(b"aab".to_vec()),
            Turn::Send(b"QUIT\r\n".to_vec()),
        ],
        _ => Vec::new(),
    };
    let asks = Conversation { name: "fuzz".to_owned(), protocol, tls: false, demands: None, turns };
    let play = |size: usize| {
        let mut dialogue = Talk::new(&asks);
        let mut said = Vec::new();
        let mut pieces = answer.chunks(size);
        let mut step = dialogue.next(Heard::Connected);
        loop {
            step = match step {
                Step::Done(result) => return (said, result.map_err(|failure| failure.to_string())),
                Step::Send(bytes) => {
                    said.push(bytes);
                    dialogue.next(Heard::Sent)
                }
                Step::Read => dialogue.next(pieces.next().map_or(Heard::Closed, Heard::Bytes)),
            };
        }
    };
    let whole = play(usize::MAX);
    assert!(whole.0.len() <= 3 && (whole.1.is_err() || !answer.is_empty()));
    if let Err(why) = &whole.1 {
        assert!(!why.contains(char::is_control) && why.chars().count() < 1000, "{why:?}");
    }
    assert_eq!(play(1), whole, "byte by byte it reads otherwise");
    assert_eq!(play(7), whole, "in pieces it reads otherwise");
}

/// Any bytes as what arrives at a socket for ICMP: only a reply with the identifier and the number of the request passes.
pub fn echo(input: &[u8]) {
    for (ipv6, raw) in [(false, false), (false, true), (true, false), (true, true)] {
        let mut dialogue = Echo::new(echo::Kind { ipv6, raw }, 0x1234, 0x5678);
        match dialogue.next(Heard::Bytes(input)) {
            Step::Done(result) => {
                let found = input.windows(4).any(|bytes| bytes == [0x12, 0x34, 0x56, 0x78]);
                assert!(result.is_ok() && found, "the reply to another request passes");
            }
            step => assert_eq!(step, Step::Read),
        }
    }
}

/// Any bytes as what a master agent sends: read as one message, and as a stream, which a session answers. Each question has one
/// answer, no answer names more than it may, and no timer stays due.
pub fn agentx(input: &[u8]) {
    let _ = (pdu::length(input), pdu::read(input));
    let now = Instant::now();
    let setup = session::Setup {
        agent: "unix:/x".to_owned(),
        subtrees: vec![Oid::new(&[1, 3])],
        capabilities: Vec::new(),
        counters: Vec::new(),
    };
    let (mut machine, mut out) = (Session::new(now, setup), Vec::new());
    let rows = (0..9).map(|number| (vec![number, 1], vec![(1, Value::Gauge(number)), (7, Value::text("x"))]));
    let table = Table::of(Oid::new(&[1, 3, 6, 1]), rows.collect());
    machine.handle(now, 0, session::Input::Tables(Source::Vrrp, vec![table]), &mut out);
    machine.handle(now, 0, session::Input::Timer, &mut out);
    machine.handle(now, 0, session::Input::Connected, &mut out);
    let mut rest = input;
    while let Ok(Some(length)) = pdu::length(rest) {
        let Some((message, more)) = rest.split_at_checked(length) else { break };
        rest = more;
        out.clear();
        machine.handle(now, 0, session::Input::Heard(pdu::read(message)), &mut out);
        let answers = out
            .iter()
            .filter(|action| matches!(action, session::Action::Send(_, pdu::Outgoing::Response { .. })));
        assert!(answers.count() <= 1, "a question has several answers");
    }
    machine.handle(now, 0, session::Input::Timer, &mut out);
    assert!(machine.next_timer().is_none_or(|(at, _)| at > now), "a timer stays due");
}

/// Any bytes as lines of the control socket, of either side: a question that is understood is the same once it is written,
/// what a daemon answers can be shown and compared, and a refusal is short however long the line was.
pub fn lines(input: &[u8]) {
    for line in input.split(|byte| *byte == b'\n').map(String::from_utf8_lossy) {
        match Question::parse(&line) {
            Ok(ask) => assert_eq!(Question::parse(&Question::line(ask.clone())), Ok(ask)),
            Err(why) => assert!(why.len() < line.len() + 300, "the refusal is long: {why}"),
        }
        let Ok(reply) = serde_json::from_str::<control::Reply>(&line) else { continue };
        if let Answer::Status(status) = &reply.answer {
            let _ = status.page(&|_| Some(Duration::ZERO)).to_string();
            let _ = status.clone().only(&["VI_1".to_owned()]);
        }
        let written = control::Reply::line(reply.answer);
        assert!(serde_json::from_slice::<control::Reply>(&written).is_ok(), "an answer cannot be read again");
    }
}
