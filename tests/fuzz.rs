//! The fuzz targets on their seeds, and on mutations of them that are always the same: what is cheap to find is found
//! without a fuzzer.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
// The targets are a library for the fuzzer.
#![allow(unreachable_pub)]

#[path = "../fuzz/targets.rs"]
mod targets;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Mutations for each target.
const MUTATIONS: usize = 4000;
/// Larger inputs take longer and find no more.
const LARGEST: usize = 4096;

fn seeds() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("tests/golden"), root.join("conf-examples")];
    let mut seeds = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "conf" || extension == "json") {
                seeds.push(fs::read(path).unwrap());
            }
        }
    }
    let records = "eth0 192.168.100.240/24\nroute 10.9.0.0/16 table 254 tos 0 metric 0 proto 18 dev eth0\n\
        rule inet priority 5 from 10.0.0.0/8 fwmark 0x7/0xff iif eth0 table 200\ntcp 10.0.0.1:80\nudp [2001:db8::1]:53\nfwmark 3 inet6\n";
    seeds.push(records.into());
    seeds.sort_unstable();
    assert!(seeds.len() > 30, "the seeds were not found");
    seeds
}

/// xorshift64*: the same numbers every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % limit.max(1)
    }
}

/// Pieces that mean something to the reader.
const PIECES: [&str; 28] = [
    "{",
    "}",
    "\"",
    "#",
    "!",
    "\\",
    "\\\n",
    "\n",
    " ",
    "\t",
    "'",
    "$A",
    "${A}",
    "\n$A=",
    "\n$A=\\\n",
    "${_RANDOM 1 9}",
    "\n@n ",
    "\n@^n ",
    "\n~SEQ(i,1,3) $i",
    "\n~LST(i,a,b) $i",
    "\ninclude conf.d/*\n",
    "\ninclude a\n",
    "real_server ",
    "/",
    "4294967296",
    "\u{feff}",
    "é",
    "\nauth_pass ",
];

/// One of the seeds, with one to four changes.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut text = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        let end = (at + random.below(60)).min(text.len());
        match random.below(6) {
            0 => drop(text.drain(at..end)),
            1 => {
                let copy = text[at..end].to_vec();
                text.splice(end..end, copy);
            }
            2 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len());
                let piece = other[from..(from + random.below(200)).min(other.len())].to_vec();
                text.splice(at..at, piece);
            }
            3 if at < text.len() => text[at] = u8::try_from(random.below(256)).unwrap(),
            _ => drop(text.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
        }
    }
    text.truncate(LARGEST);
    text
}

/// Runs a target, and shows the input that breaks it.
fn tried(name: &str, target: fn(&[u8]), input: &[u8]) {
    if catch_unwind(AssertUnwindSafe(|| target(input))).is_err() {
        panic!(
            "{name} breaks at this input:\n{}\n{:?}",
            String::from_utf8_lossy(input),
            input.escape_ascii().to_string()
        );
    }
}

/// `FUZZ_SEEDS=FOLDER`: the fuzzer begins with the same ones; `fuzz/run` asks for them.
fn hand_out(folder: &Path, seeds: &[Vec<u8>]) {
    fs::create_dir_all(folder).unwrap();
    for (number, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
    }
}

fn seeds_and_mutations(number: usize) {
    these_and_mutations(number, seeds());
}

fn these_and_mutations(number: usize, seeds: Vec<Vec<u8>>) {
    let (name, target) = targets::TARGETS[number];
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        return hand_out(&Path::new(&folder).join(name), &seeds);
    }
    for seed in &seeds {
        tried(name, target, seed);
    }
    let mut random = Random(0x9E37_79B9_7F4A_7C15 + u64::try_from(number).unwrap());
    for _ in 0..MUTATIONS {
        tried(name, target, &mutated(&seeds, &mut random));
    }
}

#[test]
fn lexer() {
    seeds_and_mutations(0);
}

#[test]
fn expander() {
    seeds_and_mutations(1);
}

#[test]
fn load() {
    seeds_and_mutations(2);
}

#[test]
fn format() {
    seeds_and_mutations(3);
}

#[test]
fn dump() {
    seeds_and_mutations(4);
}

#[test]
fn json() {
    seeds_and_mutations(5);
}

#[test]
fn kept() {
    seeds_and_mutations(6);
}

#[test]
fn records() {
    seeds_and_mutations(7);
}

#[test]
fn http() {
    let answers = [
        "HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.0 404 Not Found\r\n\r\nnothing here",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\ncontent-length : 0\r\n\r\n",
        "SSH-2.0-OpenSSH\r\n\r\n",
    ];
    these_and_mutations(8, answers.map(|answer| answer.as_bytes().to_vec()).into());
}

/// One netlink attribute.
fn attribute(id: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(value.len() + 4).unwrap();
    let mut bytes = [length.to_ne_bytes(), id.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

/// Messages as the kernel sends them: a service and a destination of each family, and the number of the family.
#[test]
fn ipvs() {
    let inside = |id: u16, values: &[(u16, &[u8])]| {
        let nest: Vec<u8> = values.iter().flat_map(|(id, value)| attribute(*id, value)).collect();
        [vec![1, 1, 0, 0], attribute(id, &nest)].concat()
    };
    let mut seeds = vec![[vec![1, 2, 0, 0], attribute(2, b"IPVS\0"), attribute(1, &[30, 0])].concat()];
    for family in [2u16, 10] {
        let (family, number, mask) = (family.to_ne_bytes(), 3u32.to_ne_bytes(), 24u32.to_ne_bytes());
        seeds.push(inside(
            1,
            &[
                (1, &family),
                (2, &6u16.to_ne_bytes()),
                (3, &[10; 16]),
                (4, &[0, 80]),
                (6, b"wlc\0"),
                (7, &[3, 0, 0, 0, 255, 255, 255, 255]),
                (8, &number),
                (9, &mask),
                (11, b"sip\0"),
            ],
        ));
        seeds.push(inside(1, &[(1, &family), (5, &number), (6, b"rr\0"), (7, &[0; 8]), (9, &mask)]));
        seeds.push(inside(
            2,
            &[
                (1, &[10; 16]),
                (2, &[0, 80]),
                (3, &2u32.to_ne_bytes()),
                (4, &number),
                (5, &number),
                (6, &number),
                (11, &family),
                (13, &[1]),
                (14, &[23, 192]),
                (15, &[2, 0]),
            ],
        ));
    }
    let message = |payload: &Vec<u8>| {
        let length = u32::try_from(payload.len() + 16).unwrap().to_ne_bytes();
        [&length[..], &[30, 0, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0], payload].concat()
    };
    let datagram = seeds.iter().flat_map(message).collect();
    seeds.push(datagram);
    these_and_mutations(9, seeds);
}

#[test]
fn vrrp() {
    let hex = |line: &str| -> Vec<u8> {
        (0..line.len() / 2).map(|at| u8::from_str_radix(&line[2 * at..2 * at + 2], 16).unwrap()).collect()
    };
    let mut seeds = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/wire")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let text = std::fs::read_to_string(path).unwrap();
            let packets = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
            seeds.extend(packets.take(2).map(hex));
        }
    }
    assert!(seeds.len() > 10, "the recordings are not found");
    these_and_mutations(10, seeds);
}

/// Announcements of both families: whole frames, and of IPv6 what follows the headers.
#[test]
fn conflict() {
    let address = std::net::Ipv4Addr::new(192, 168, 100, 240);
    let mut seeds = vec![directord::net::arp::gratuitous(address, [2, 0, 0, 0, 0, 1], 1)];
    let frame = directord::net::ndp::unsolicited(address.to_ipv6_mapped(), [2, 0, 0, 0, 0, 1], true);
    seeds.extend([frame[54..].to_vec(), [&[135], &frame[55..]].concat(), frame]);
    these_and_mutations(20, seeds);
}

/// Messages as the kernel sends them: a link, and an address of each family.
#[test]
fn rtnetlink() {
    let message = |kind: u16, header: &[u8], attributes: &[(u16, &[u8])]| {
        let all: Vec<u8> = attributes.iter().flat_map(|(id, value)| attribute(*id, value)).collect();
        let length = u32::try_from(16 + header.len() + all.len()).unwrap().to_ne_bytes();
        [&length[..], &kind.to_ne_bytes(), &[0; 10], header, &all].concat()
    };
    let link = [0, 0, 1, 0, 7, 0, 0, 0, 0x43, 0x10, 0, 0, 0, 0, 0, 0];
    let name: (u16, &[u8]) = (3, b"eth0\0");
    let mtu: (u16, &[u8]) = (4, &[0xdc, 5, 0, 0]);
    let link = message(16, &link, &[name, mtu, (1, &[2, 0, 0, 0, 0, 1])]);
    let v4 = message(
        20,
        &[2, 24, 0, 0, 7, 0, 0, 0],
        &[(1, &[10, 0, 0, 1]), (2, &[10, 0, 0, 1]), name, (11, &[18])],
    );
    let v6 = message(20, &[10, 64, 0x80, 0, 7, 0, 0, 0], &[(1, &[0xfe; 16])]);
    let gone = message(21, &[2, 24, 0, 0, 7, 0, 0, 0], &[(2, &[10, 0, 0, 1])]);
    let seven: (u16, &[u8]) = (4, &[7, 0, 0, 0]);
    let gateway: (u16, &[u8]) = (5, &[10, 0, 0, 1]);
    // Two hops, and metrics.
    let hop = |index: u8| [&[16, 0, 0, 1, index, 0, 0, 0, 8, 0, 5, 0][..], &[10, 0, 0, index]].concat();
    let hops = [hop(7), hop(8)].concat();
    let mtu: (u16, &[u8]) = (8, &[8, 0, 2, 0, 0x78, 5, 0, 0]);
    let header = [2, 16, 0, 0, 254, 18, 0, 1, 0, 0, 0, 0];
    let to: (u16, &[u8]) = (1, &[10, 9, 0, 0]);
    let route = message(24, &header, &[to, seven, gateway, mtu, (7, &[10, 0, 0, 9])]);
    let multipath = message(24, &header, &[to, (9, &hops)]);
    let labels: (u16, &[u8]) = (22, &[12, 0, 1, 0, 0, 6, 0x41, 0, 0, 12, 0x81, 0]);
    let wrapped = message(24, &header, &[to, gateway, (21, &[1, 0]), labels]);
    let rule = message(
        32,
        &[2, 0, 32, 0, 201, 0, 0, 1, 0, 0, 0, 0],
        &[(2, &[10, 0, 0, 9]), (6, &[232, 3, 0, 0]), (3, b"eth0\0"), (23, &[1, 0, 2, 0])],
    );
    // The address and the link go, and the route with them.
    let all = [&link[..], &v4, &route, &multipath, &rule, &v6, &gone].concat();
    these_and_mutations(11, vec![link, v4, v6, gone, route, multipath, wrapped, rule, all]);
}

/// Messages as the kernel sends them: the answer to the request, a fork, a program, a name, an end; files of `/proc`.
#[test]
fn connector() {
    let message = |what: u32, data: &[u32]| -> Vec<u8> {
        let head = [76, 3, 0, 0, 1, 1, 0, 0, 40, what, 0, 0, 0];
        let padding = [0; 6];
        let fields = head.iter().chain(data).chain(&padding).take(19);
        fields.flat_map(|field: &u32| field.to_ne_bytes()).collect()
    };
    let told = [
        message(0, &[0]),
        message(1, &[4, 4, 5, 5]),
        message(2, &[5, 5]),
        message(0x200, &[5, 5, 0x6e67_696e, 0x78]),
        message(0x8000_0000, &[5, 5, 0, 17, 4, 4]),
    ];
    let all = told.concat();
    let files = [&b"5 (nginx: (a) b) S 1 5 5 0 -1"[..], b"nginx\0-g\0daemon off;\0"].map(<[u8]>::to_vec);
    these_and_mutations(12, told.into_iter().chain(files).chain([all]).collect());
}

/// Packets as keepalived sends them in each state; one that is signed, and one that lies.
#[test]
fn bfd() {
    let packet = |state: u8, flags: u8, yours: u32| -> Vec<u8> {
        let head = [0x20, state << 6 | flags, 5, 24, 0xb1, 0xde, 0x5e, 0xb6];
        let intervals = [0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50, 0, 0, 0, 0];
        [&head[..], &yours.to_be_bytes(), &intervals].concat()
    };
    let mut seeds: Vec<Vec<u8>> = (0..4).map(|state| packet(state, 0, u32::from(state))).collect();
    seeds.push(packet(3, 0x20, 7));
    seeds.push(packet(3, 0x10, 7));
    seeds.push([packet(3, 0x04, 7), vec![1, 4, 1, b'x']].concat());
    seeds.push(packet(1, 0x3f, 0));
    let all = seeds.concat();
    these_and_mutations(17, seeds.into_iter().chain([all]).collect());
}

/// The question itself, and answers to it: whole, with an error, truncated, with a record, of a stream.
#[test]
fn dns() {
    let message = |flags: u16, end: &[u8]| {
        let question = b"\0\x01\0\0\0\0\0\0\x03www\x07example\x03com\0\0\x01\0\x01";
        [&[0x12, 0x34][..], &flags.to_be_bytes(), question, end].concat()
    };
    let record = b"\xc0\x0c\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\0\0\x01";
    let stream = [&[0, 33][..], &message(0x8180, &[])].concat();
    let mut seeds: Vec<Vec<u8>> = [0x0100, 0x8180, 0x8182, 0x8380].map(|flags| message(flags, &[])).into();
    seeds.extend([message(0x8180, record), stream]);
    these_and_mutations(13, seeds);
}

#[test]
fn udp() {
    let long = [&b"Vf"[..], &[0; 299]].concat();
    these_and_mutations(14, vec![b"Pa".into(), b"_oo".into(), b"".into(), b"pong".into(), long]);
}

/// What mail servers say, one after the other: all is well, several lines, another code, no mail server.
#[test]
fn smtp() {
    let said = [
        "220 mx ESMTP\r\n250 hello\r\n221 bye\r\n",
        "220-one\r\n220 two\r\n250-a\r\n250 b\r\n221\r\n",
        "421 busy\r\n",
        "220\n550 go away\n",
        "SSH-2.0-OpenSSH\r\n",
    ];
    let mut seeds: Vec<Vec<u8>> = said.map(|text| text.as_bytes().to_vec()).into();
    seeds.push("220-more\r\n".repeat(1000).into_bytes());
    these_and_mutations(15, seeds);
}

/// What servers say to a `check NAME`, behind the byte that chooses the protocol.
#[test]
fn talk() {
    let said: [&[u8]; 12] = [
        b"J\0\0\0\x0a11.4.5-MariaDB\0\x07\0\0\0saltsalt\0\xfe\xf7\x08\x02\0\xff\x81\x15\0\0\0\0\0\0\x3d\0\0\0restofthesalt\0mysql_native_password\0",
        b"\x17\0\0\0\xff\x10\x04Too many connections",
        b"R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0\0",
        b"E\0\0\0\x1eSFATAL\0C57P03\0Mstarting\0\0",
        b"+PONG\r\n",
        b"-NOAUTH Authentication required.\r\n",
        b"-LOADING Redis is loading\r\n",
        b"220 hello\r\n250 aab\r\n221 bye\r\n",
        b"220-one\r\n220 two\r\n221 bye\r\n",
        b"+OK ready <1.2@a>\r\n+OK bye\r\n",
        b"* OK [CAPABILITY IMAP4rev1] ready\r\n* BYE\r\na OK\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ];
    let mut seeds = Vec::new();
    for protocol in 0..8u8 {
        seeds.extend(said.iter().map(|text| [&[protocol], *text].concat()));
        seeds.push([vec![protocol], vec![b'-'; 20_000]].concat());
        seeds.push([vec![protocol], b"0\x0c\x02\x01\x01a\x07\x0a\x01\0\x04\0\x04\0".to_vec()].concat());
    }
    these_and_mutations(21, seeds);
}

/// Replies of both families, one with the header of its packet, and a request.
#[test]
fn echo() {
    let message = |kind: u8| [&[kind, 0, 0, 0, 0x12, 0x34, 0x56, 0x78][..], b"keepalived"].concat();
    let packet = [&[0x45][..], &[0; 19], &message(0)].concat();
    let options = [&[0x46][..], &[0; 23], &message(0)].concat();
    these_and_mutations(16, vec![message(0), message(129), message(8), packet, options]);
}

/// Requests of a master agent in both orders of bytes: get, the next, many, set; answers to what a session sends; one that names another
/// context, and one that closes.
#[test]
fn agentx() {
    let message = |what: u8, flags: u8, payload: &[u8]| -> Vec<u8> {
        let number =
            |number: u32| if flags & 0x10 == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
        let length = number(u32::try_from(payload.len()).unwrap());
        [&[1, what, flags, 0][..], &number(7), &number(8), &number(1), &length, payload].concat()
    };
    let range = [2, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 7, 0, 0, 0, 0];
    let mut seeds: Vec<Vec<u8>> = (1..=18).map(|what| message(what, 0x10, &range)).collect();
    seeds.extend((1..=18).map(|what| message(what, 0, &range)));
    seeds.push(message(5, 0x18, &[&[0, 0, 0, 1, b'x', 0, 0, 0][..], &range].concat()));
    seeds.push(message(7, 0x10, &[&[0, 1, 0, 9][..], &range, &range].concat()));
    seeds.push(
        [message(18, 0x10, &[0; 8]), message(6, 0x10, &range), message(2, 0x10, &[5, 0, 0, 0])].concat(),
    );
    these_and_mutations(18, seeds);
}

/// Each question, and an answer of each kind.
#[test]
fn control() {
    let asks = [
        r#"{"reload":{"allow_empty":true}}"#,
        r#"{"status":{"of":["VI_1"],"watch":true}}"#,
        r#"{"failover":{"of":["G"],"seconds":18446744073709551615}}"#,
        r#"{"maintenance":{"on":true,"seconds":60,"reason":"disk \u0007"}}"#,
    ];
    let status = r#"{"status":{"node":"LVS01","pid":7,"started":"2026-11-27T12:00:00Z","configuration":
        {"file":"/etc/keepalived/keepalived.conf","instead":null,"refused":null},"maintenance":
        {"since":null,"until":null,"reason":""},"not_running":[],"instances":[{"name":"VI_1","group":"G",
        "state":"MASTER","since":null,"why":null,"priority":110,"base":100,"contributions":[{"what":"script chk",
        "by":10}],"faults":["interface eth0 down"],"hands_over":false,"master":"fe80::1","master_priority":1,
        "master_down":3.609375,"preempts_after":1e300,"holds_back":false,"source":null,"second_master":null,"two_masters":0,"claims":0}],"services":
        [{"name":"[192.168.100.240]:tcp:80","quorum":true,"up":1,"servers":[{"address":"[::1]:80","up":true,
        "weight":1,"checks":[{"kind":"TCP_CHECK","passes":false,"since":null,"why":"refused","retries":3}]}]}],
        "sessions":[]}}"#
        .replace('\n', "");
    let answers = [
        r#"{"reloaded":{"applied":true,"lines":["Reload complete"]}}"#,
        r#"{"done":["VI_1 hands over"]}"#,
        r#"{"refused":"it has no successor"}"#,
        &status,
    ];
    let asked = asks.map(|ask| format!(r#"{{"version":1,"ask":{ask}}}"#));
    let answered = answers.map(|answer| format!(r#"{{"version":1,"answer":{answer}}}"#));
    let seeds: Vec<String> = asked.into_iter().chain(answered).collect();
    for answer in seeds.iter().skip(asks.len()) {
        assert!(serde_json::from_str::<directord::control::Reply>(answer).is_ok(), "{answer}");
    }
    these_and_mutations(19, seeds.into_iter().map(String::into_bytes).collect());
}

/// Command lines of ipvsadm, right and wrong.
#[test]
fn ipvsadm() {
    let lines =
        include_str!("lab/ipvsadm/lines.txt").lines().chain(include_str!("lab/ipvsadm/seeds.txt").lines());
    let lines: Vec<&str> = lines.map(|line| line.trim_start_matches("ipvsadm ")).collect();
    let mut seeds: Vec<Vec<u8>> =
        lines.chunks(5).map(|some| some.join("\n").replace('\'', "").into_bytes()).collect();
    seeds.push(
        b"Pro FromIP   FPrt ToIP     TPrt DestIP   DPrt State       Expires PEName PEData\n\
        TCP C0A86401 A1B2 C0A864F0 0050 C0A86408 0050 ESTABLISHED     899\n"
            .to_vec(),
    );
    these_and_mutations(22, seeds);
}
