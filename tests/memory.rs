//! What the reader of configurations needs: memory for each byte that it reads, and no more than a moment.
//!
//! The cases are the worst that one can write into 4 MB: whatever costs most for each byte of a file.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]
// A counting allocator is unsafe by its signature.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use directord::config::diagnostic::Format;
use directord::config::format::format;
use directord::config::source::Texts;
use directord::config::{Loaded, Options, load};

/// Bytes of each case; fewer where the compiler does not make it fast.
const SIZE: usize = if cfg!(debug_assertions) { 1 << 19 } else { 4 << 20 };
/// Bytes of memory for each byte of text, the texts that definitions become included.
const MOST: usize = 100;
/// What a load needs whatever its size: diagnostics, the table of words.
const BASE: usize = 4 << 20;
/// Far more than any case takes, and far less than anything that grows with the square of its size.
const LONGEST: Duration = Duration::from_secs(20);

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// One measurement at a time: the allocator counts for all threads.
static TURN: Mutex<()> = Mutex::new(());

fn more(bytes: usize) {
    let live = LIVE.fetch_add(bytes, Ordering::Relaxed) + bytes;
    PEAK.fetch_max(live, Ordering::Relaxed);
}

// SAFETY: every call is handed on as it is; the counters allocate nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller's promise for `alloc` is that of `System.alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the pointer came from `System`, through `alloc` or `realloc`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        more(size);
        // SAFETY: the pointer came from `System`, through `alloc` or `realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// The result, the most memory that it took on top of what was there, and the time.
fn measured<T>(work: impl FnOnce() -> T) -> (T, usize, Duration) {
    let before = LIVE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    let start = Instant::now();
    let result = work();
    (result, PEAK.load(Ordering::Relaxed) - before, start.elapsed())
}

fn read(text: &str) -> Loaded {
    let files = Texts::one("t", text);
    let loaded = load(Path::new("t"), &files, &Options::default());
    let _ = loaded.render(Format::Human, false);
    loaded
}

/// `front`, so many times what `line` makes as fit, `back`.
fn filled(front: &str, line: impl Fn(usize) -> String, back: &str) -> String {
    let mut text = front.to_owned();
    for number in 0.. {
        if text.len() >= SIZE {
            break;
        }
        text += &line(number);
    }
    text + back
}

/// A word for every number, as short as can be.
fn word(number: usize) -> String {
    let (mut word, mut left) = (String::new(), number);
    loop {
        word.push(char::from(b'a' + u8::try_from(left % 26).unwrap()));
        left /= 26;
        if left == 0 {
            return word;
        }
    }
}

fn address(number: usize) -> String {
    format!("10.{}.{}.{}", number >> 16 & 255, number >> 8 & 255, number & 255)
}

const INSTANCE: &str = "vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\n";
const SERVER: &str = "virtual_server 192.168.100.240 80 {\nprotocol TCP\nlb_algo rr\nlb_kind DR\n";

fn cases() -> Vec<(&'static str, String)> {
    let repeated = |front: &str, line: &str, back: &str| filled(front, |_| line.to_owned(), back);
    let check = |number: usize| {
        format!("real_server {} 80 {{\nTCP_CHECK {{\nconnect_timeout 3\n}}\n}}\n", address(number))
    };
    let service = |number: usize| {
        let reals: String = (0..50).map(|real| check(number * 50 + real)).collect();
        let ip = address(number | 1 << 23);
        format!("virtual_server {ip} 80 {{\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n{reals}}}\n")
    };
    let instance = |number: usize| {
        let name = word(number);
        let ip = address(number);
        let id = number % 255 + 1;
        format!(
            "vrrp_instance {name}{{\ninterface {name}\nvirtual_router_id {id}\nvirtual_ipaddress{{\n{ip}\n}}\n}}\n"
        )
    };
    vec![
        ("letters", repeated("", "a ", "")),
        ("lines of a letter", repeated("", "a\n", "")),
        ("empty lines", repeated("", "\n", "")),
        ("opening braces", repeated("", "{", "")),
        ("closing braces", repeated("", "}", "")),
        ("braces", repeated("", "{}", "")),
        ("quotes", repeated("", "\"", "")),
        ("single quotes", repeated("", "'#\n", "")),
        ("empty definitions", repeated("", "$A=", "")),
        ("lines of definitions", repeated("", "$A=\n", "")),
        ("definitions", filled("", |number| format!("${}=\n", word(number)), "")),
        ("one long definition", repeated("$A=\\\n", "a\\\n", "")),
        ("uses of nothing", repeated("", "$A\n", "")),
        ("uses in a line", repeated("", "${A", "")),
        ("quoted uses in a line", repeated("x \"", "${A}", "\"\n")),
        ("uses of a long line", filled(&format!("$A={}\n", "b ".repeat(5000)), |_| "$A\n".into(), "")),
        ("uses of many lines", filled(&format!("$A=\\\n{}\n", "b\\\n".repeat(5000)), |_| "$A\n".into(), "")),
        (
            "misuses of many lines",
            filled(&format!("$A=\\\n{}\n", "b\\\n".repeat(500_000)), |_| "$A x\n".into(), ""),
        ),
        ("comments", repeated("", "#\n", "")),
        ("comments with marks", repeated("", "#directord: allow(D1)\n", "")),
        ("unknown words", filled("", |number| format!("{}\n", word(number)), "")),
        ("unknown blocks", filled("", |number| format!("{}{{}}", word(number)), "")),
        ("known words at the wrong place", repeated("", "port\n", "")),
        ("generators", repeated("", "~SEQ(a,9)$a\n", "")),
        ("one generator", "~SEQ(i,1,999999) a$i\n".to_owned()),
        ("generators within generators", "~SEQ(i,1,999) ~SEQ(j,1,999) ~SEQ(k,1,999) a$i\n".to_owned()),
        ("wide lists", format!("~LST({{{}a}}, {} x) $a\n", "a,".repeat(SIZE / 4), "x,".repeat(SIZE / 4))),
        ("conditions", repeated("", "@a\n", "")),
        ("nodes", filled("", |number| format!("@{} a {{\n", word(number)), "")),
        ("includes of nothing", repeated("", "include a\n", "")),
        ("includes of itself", repeated("", "include t\n", "")),
        ("a long indentation", format!("{}x{}", " ".repeat(SIZE / 2), "{x}".repeat(SIZE / 6))),
        (
            "one long word",
            format!("vrrp_instance {} {{\n{}}}\n", "x".repeat(SIZE / 2), "y\n".repeat(SIZE / 4)),
        ),
        ("lines of data", repeated("static_ipaddress {\n", "a\n", "}\n")),
        ("lines of nearly addresses", repeated("static_ipaddress {\n", ":\n", "}\n")),
        ("addresses", filled("static_ipaddress {\n", |number| format!("{} dev a\n", address(number)), "}\n")),
        ("shortest addresses", repeated("static_ipaddress {\n", "1\n", "}\n")),
        ("short addresses", repeated("static_ipaddress {\n", "::\n", "}\n")),
        (
            "virtual addresses",
            filled(
                &format!("{INSTANCE}virtual_ipaddress {{\n"),
                |number| format!("{}\n", address(number)),
                "}\n}\n",
            ),
        ),
        (
            "peers",
            filled(
                &format!("{INSTANCE}unicast_peer {{\n"),
                |number| format!("{}\n", address(number)),
                "}\n}\n",
            ),
        ),
        (
            "tracked interfaces",
            filled(
                &format!("{INSTANCE}track_interface {{\n"),
                |number| format!("{}\n", word(number)),
                "}\n}\n",
            ),
        ),
        (
            "tracked scripts",
            filled(&format!("{INSTANCE}track_script {{\n"), |number| format!("{}\n", word(number)), "}\n}\n"),
        ),
        ("passwords", repeated("", "auth_pass a a a a\n", "")),
        ("mail addresses", repeated("global_defs {\nnotification_email {\n", "a ", "}\n}\n")),
        ("settings again", repeated("global_defs {\n", "vrrp_strict\n", "}\n")),
        ("instances", filled("", instance, "")),
        ("empty instances", filled("", |number| format!("vrrp_instance {}{{}}", word(number)), "")),
        ("scripts", filled("", |number| format!("vrrp_script {}{{script /a}}", word(number)), "")),
        ("groups", filled("", |number| format!("vrrp_sync_group {}{{group{{a b}}}}", word(number)), "")),
        (
            "members",
            filled("vrrp_sync_group A {\ngroup {\n", |number| format!("{}\n", word(number)), "}\n}\n"),
        ),
        (
            "marks",
            filled("", |number| format!("virtual_server fwmark {number}{{real_server 10.0.0.1 1{{}}}}"), ""),
        ),
        ("one mark", repeated("", "virtual_server fwmark 1{real_server ::1 1{}}", "")),
        ("real servers", filled(SERVER, |number| format!("real_server {} 80{{}}", address(number)), "}\n")),
        ("one real server", repeated(SERVER, "real_server ::1 1{}", "}\n")),
        ("checks", repeated(&format!("{SERVER}real_server ::1 1 {{\n"), "TCP_CHECK{}", "}\n}\n")),
        (
            "different checks",
            filled(
                &format!("{SERVER}real_server ::1 1 {{\n"),
                |number| format!("TCP_CHECK{{connect_ip {}}}", address(number)),
                "}\n}\n",
            ),
        ),
        ("pings", repeated(&format!("{SERVER}real_server ::1 1 {{\n"), "PING_CHECK{}", "}\n}\n")),
        ("urls", repeated(&format!("{SERVER}real_server ::1 1 {{\nHTTP_GET {{\n"), "url{}", "}\n}\n}\n")),
        (
            "urls with digests",
            filled(
                &format!("{SERVER}real_server ::1 1 {{\nHTTP_GET {{\n"),
                |number| format!("url{{path /{number}\ndigest {number:032x}\n}}"),
                "}\n}\n}\n",
            ),
        ),
        ("50,000 real servers", (0..1000).map(service).collect()),
    ]
}

#[test]
fn memory_for_each_byte() {
    let _turn = TURN.lock();
    let only = std::env::var("CASE").ok();
    let mut over = Vec::new();
    for (name, text) in cases() {
        if only.as_ref().is_some_and(|only| only != name) {
            continue;
        }
        let (loaded, peak, time) = measured(|| read(&text));
        let bytes = loaded.sources.bytes().max(text.len());
        let each = peak.saturating_sub(BASE) / bytes.max(1);
        let line = format!(
            "{name:>32}: {:6.1} MB of text, {:7.1} MB, {each:4} for each byte, {time:.1?}; {}",
            bytes as f64 / 1e6,
            peak as f64 / 1e6,
            loaded.summary(),
        );
        println!("{line}");
        if each > MOST || time > LONGEST {
            over.push(line);
        }
        let (_, peak, time) =
            measured(|| format("t", text.into_bytes()).map_err(|refused| refused.summary()));
        println!("{:>32}  layout: {:7.1} MB, {time:.1?}", "", peak as f64 / 1e6);
        if peak > BASE + MOST * bytes || time > LONGEST {
            over.push(format!("{name}: the layout takes {:.1} MB, {time:.1?}", peak as f64 / 1e6));
        }
    }
    assert!(over.is_empty(), "{}", over.join("\n"));
}
