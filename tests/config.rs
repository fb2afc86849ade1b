//! Configurations from the outside: mistakes and what is said of them, the examples, and damaged files.
//!
//! `BLESS=1 cargo test --test config` rewrites the expected texts of `tests/golden/`.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use directord::config::diagnostic::{Format, Severity};
use directord::config::io::Disk;
use directord::config::model::{Connect, Forwarding, ProbeKind, Scheduler, Service};
use directord::config::source::Texts;
use directord::config::{Loaded, Options, load};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let text = |path: &Path| path.extension().is_some_and(|is| is == "conf" || is == "json");
    found.retain(|path| text(path));
    found.sort();
    assert!(!found.is_empty());
    found
}

fn load_text(name: &str, text: &str) -> Loaded {
    let options = Options { config_id: "lvs1".into(), ..Options::default() };
    load(Path::new(name), &Texts::one(name, text), &options)
}

fn load_file(path: &Path) -> Loaded {
    load(path, &Disk, &Options::default())
}

#[test]
fn golden() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut different = Vec::new();
    for path in [files("tests/golden"), files("tests/golden/json")].concat() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let loaded = load_text(name, &fs::read_to_string(&path).unwrap());
        let found = format!("{}{name}: {}\n", loaded.render(Format::Human, false), loaded.summary());
        let expected = path.with_extension("stderr");
        if bless {
            fs::write(&expected, &found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            different.push(format!("--- {name}\n{found}"));
        }
    }
    assert!(different.is_empty(), "BLESS=1 accepts these:\n{}", different.join("\n"));
}

/// The files of two nodes, NAME-1.conf and NAME-2.conf.
#[test]
fn golden_pairs() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut different = Vec::new();
    for path in files("tests/golden/pairs") {
        let name = path.file_name().unwrap().to_str().unwrap();
        let Some(stem) = name.strip_suffix("-1.conf") else { continue };
        let other = format!("{stem}-2.conf");
        let mut own = load_text(name, &fs::read_to_string(&path).unwrap());
        let peer = load_text(&other, &fs::read_to_string(path.with_file_name(&other)).unwrap());
        assert!(!own.has_errors() && !peer.has_errors(), "{stem}");
        own.compare(&peer);
        let found = format!("{}{stem}: {}\n", own.render(Format::Human, false), own.summary());
        assert!(!found.contains("s3cret") && !found.contains("0ther"), "{found}");
        let expected = path.with_file_name(format!("{stem}.stderr"));
        if bless {
            fs::write(&expected, &found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            different.push(format!("--- {stem}\n{found}"));
        }
    }
    assert!(different.is_empty(), "BLESS=1 accepts these:\n{}", different.join("\n"));
}

#[test]
fn the_examples_are_clean() {
    for path in files("conf-examples") {
        let loaded = load_file(&path);
        let text = loaded.render(Format::Line, false);
        assert!(!text.contains("error") && !text.contains("warning"), "{}: {text}", path.display());
        assert!(loaded.model.is_some());
    }
}

#[test]
fn the_web_pair() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/seed-http.conf");
    web_pair(&load_file(&path));
}

fn web_pair(loaded: &Loaded) {
    let model = loaded.model.as_ref().unwrap();
    assert_eq!(model.globals.router_id.as_deref(), Some("LVS_DEVEL"));
    let [instance] = model.instances.as_slice() else { panic!("one instance") };
    assert_eq!((instance.vrid.number(), instance.priority.number()), (51, 100));
    assert_eq!(instance.addresses.len(), 1);
    let [server] = model.virtual_servers.as_slice() else { panic!("one service") };
    assert_eq!(server.service.to_string(), "[192.168.100.240]:tcp:80");
    assert_eq!(server.scheduler, Scheduler::Rr);
    assert_eq!(server.persistence.map(|persistence| persistence.timeout), Some(20));
    assert_eq!(server.real_servers.len(), 2);
    for real in &server.real_servers {
        assert_eq!(real.forwarding, Forwarding::DirectRoute);
        let [tcp, http] = real.checkers.as_slice() else { panic!("two checks") };
        let timeout = |connect: &Option<Connect>| connect.as_ref().unwrap().timeout.as_secs();
        assert_eq!((&tcp.probe.kind, tcp.timing.retry), (&ProbeKind::Tcp, 3));
        assert_eq!((tcp.timing.delay_loop.as_secs(), tcp.timing.warmup.as_secs()), (6, 6));
        assert_eq!((timeout(&tcp.probe.connect), timeout(&http.probe.connect)), (8, 3));
        let ProbeKind::Http(check) = &http.probe.kind else { panic!("a page") };
        assert_eq!(http.timing.retry, 3);
        assert_eq!(check.urls[0].status_codes.ranges(), [(200, 200)]);
        assert!(check.urls[0].digest.is_some());
    }
}

fn database_pair(loaded: &Loaded) {
    let model = loaded.model.as_ref().unwrap();
    let [server] = model.virtual_servers.as_slice() else { panic!("one service") };
    assert!(matches!(server.service, Service::Address { address, .. } if address.port() == 3306));
    assert_eq!(server.persistence, None);
    assert_eq!(server.real_servers.len(), 2);
    assert_eq!(server.real_servers[1].address.to_string(), "192.168.100.9:3306");
    assert_eq!(server.real_servers[1].weight.number(), 3);
}

#[test]
fn the_database_pair() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/seed-mysql.conf");
    database_pair(&load_file(&path));
}

/// The two files as they were published.
#[test]
fn the_pairs_as_printed() {
    let printed =
        |name: &str| load_file(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/printed").join(name));
    web_pair(&printed("web.conf"));
    database_pair(&printed("database.conf"));
}

#[test]
fn line_ends_and_marks_change_nothing() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("conf-examples/seed-http.conf");
    let text = fs::read_to_string(path).unwrap();
    let model = load_text("a", &text).model;
    assert!(model.is_some());
    let others = [
        text.replace('\n', "\r\n"),
        format!("\u{feff}{text}"),
        text.trim_end().to_owned(),
        text.replace('{', "\n{"),
        text.replace("    ", "\t"),
    ];
    for other in others {
        assert_eq!(load_text("a", &other).model, model);
    }
}

/// Cut, dropped and doubled pieces: nothing panics, hangs, or is blamed on a place outside of the file.
#[test]
fn damaged_files() {
    let seed = 20_231;
    let mut random = fastrand::Rng::with_seed(seed);
    let seed_file = |path: &Path| path.ends_with("seed-http.conf");
    let mut texts: Vec<PathBuf> =
        [files("conf-examples"), files("tests/golden"), files("tests/golden/json")].concat();
    texts.sort_by_key(|path| !seed_file(path));
    let json = |path: &Path| path.extension().is_some_and(|is| is == "json");
    let name = |path: &Path| if json(path) { "damaged.json" } else { "damaged" };
    let texts: Vec<(&str, String)> =
        texts.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect();
    for round in 0..4000 {
        // Half of them are the web pair, the others whatever there is.
        let (name, text) = if round % 2 == 0 { &texts[0] } else { &texts[random.usize(..texts.len())] };
        let lines: Vec<&str> = text.lines().collect();
        let at = (0..=random.usize(..text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        let line = random.usize(..lines.len());
        let damaged = match random.u8(..5) {
            0 => text[..at].to_owned(),
            1 => format!("{}{}", &text[..at], text[at..].chars().skip(1).collect::<String>()),
            2 => [&lines[..line], &lines[line + 1..]].concat().join("\n"),
            3 => [&lines[..line], &lines[line..=line], &lines[line..]].concat().join("\n"),
            _ => {
                let mark = *random
                    .choice(["{", "}", "\"", "$", "@", "~", "#", "\0", "é", "${", "\\"])
                    .as_ref()
                    .unwrap();
                format!("{}{mark}{}", &text[..at], &text[at..])
            }
        };
        let loaded = load_text(name, &damaged);
        assert_eq!(loaded.model.is_none(), loaded.has_errors(), "seed {seed}, round {round}");
        for format in [Format::Human, Format::Line, Format::Json, Format::Sarif] {
            let _ = loaded.render(format, false);
        }
    }
}

/// A start that has nothing better runs what keepalived makes of a file with errors: the same as the file beside it.
#[test]
fn what_counts_in_spite_of_errors() {
    let instance = |settings: &str| {
        format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 7\npriority 150\n{settings}\n\
             virtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
        )
    };
    let server = |settings: &str, real: &str| {
        format!(
            "virtual_server 10.0.0.9 80 {{\nprotocol TCP\nlb_kind DR\n{settings}\n\
             real_server 10.0.1.1 80 {{\n{real}\n}}\nreal_server 10.0.1.2 80 {{\nTCP_CHECK {{\n}}\n}}\n}}\n"
        )
    };
    let tcp = "TCP_CHECK {\nconnect_timeout 3\n}";
    let rr = |settings: &str| format!("lb_algo rr\n{settings}");
    let cases: Vec<(String, String)> = vec![
        // An instance goes on without the word, the line, the block that is wrong.
        (instance("shiny 3\npreempt_delay 2000\nadvert_int 300x"), instance("")),
        (instance("shiny {\ncolour red\n}\nstate MASTER"), instance("state MASTER")),
        (instance("state MASTER\nstate BACKUP"), instance("state MASTER")),
        (instance("track_script {\nnone_such\n}"), instance("")),
        (instance("authentication {\nauth_type PASS\n}"), instance("")),
        (instance("virtual_ipaddress {\n10.0.0.300\n10.0.0.10 shiny\n10.0.0.9\n}"), {
            instance("virtual_ipaddress {\n10.0.0.10\n}")
        }),
        // A priority that cannot be read makes nobody the owner of the addresses.
        (instance("state MASTER\npriority 300"), instance("state MASTER\npriority 100")),
        // Of two with one name, or one number on one interface, the first.
        (instance("") + &instance("state MASTER"), instance("")),
        (instance("") + &instance("").replace("instance A", "instance B"), instance("")),
        // Without a number there is no instance; its neighbour runs.
        (instance("").replace("virtual_router_id 7", "") + &instance("").replace(" A ", " B "), {
            instance("").replace(" A ", " B ")
        }),
        // A virtual server goes on with its defaults.
        (server("lb_algo rrr", tcp), server("lb_algo wlc", tcp)),
        (server(&rr("sh-port"), tcp), server(&rr(""), tcp)),
        (server(&rr("quorum 0"), tcp), server(&rr(""), tcp)),
        (server(&rr("delay_loop 5s"), tcp), server(&rr(""), tcp)),
        (server(&rr("sorry_server 2001:db8::1 80"), tcp), server(&rr(""), tcp)),
        (server(&rr("real_server 2001:db8::1 80 {\nTCP_CHECK {\n}\n}"), tcp), server(&rr(""), tcp)),
        (server(&rr("real_server 10.0.1 80 {\nTCP_CHECK {\n}\n}"), tcp), server(&rr(""), tcp)),
        (
            server(&rr(""), tcp).replace("10.0.1.2", "10.0.1.1"),
            server(&rr(""), tcp).replace("real_server 10.0.1.2 80 {\nTCP_CHECK {\n}\n}", ""),
        ),
        // A check goes on without what is wrong in it, and is none when nothing is left.
        (server(&rr(""), "weight -1\nTCP_CHECK {\nconnect_port 70000\nretry x\n}"), {
            server(&rr(""), "TCP_CHECK {\n}")
        }),
        (server(&rr(""), "TCP_CHECK {\nbindto 2001:db8::1\n}"), server(&rr(""), "TCP_CHECK {\n}")),
        (server(&rr(""), "HTTP_GET {\nurl {\n}\n}"), server(&rr(""), "")),
        (server(&rr(""), "HTTP_GET {\nurl {\npath /\ndigest 12\nstatus_code 999 204\n}\n}"), {
            server(&rr(""), "HTTP_GET {\nurl {\npath /\nstatus_code 204\n}\n}")
        }),
    ];
    for (broken, whole) in cases {
        let loaded = load_text("a", &broken);
        let expected = load_text("a", &whole).model.unwrap_or_else(|| panic!("{whole}"));
        let found = match loaded.has_errors() {
            true => loaded.degraded,
            false => loaded.model,
        };
        assert_eq!(found, Some(expected), "{broken}");
    }
}

#[test]
fn what_was_not_read_does_not_run() {
    let cases = [("includer missing.conf\n", "a"), ("global_defs {\n}\n", "b")];
    for (text, path) in cases {
        let texts = directord::config::source::Texts::one("a", text);
        let loaded = load(Path::new(path), &texts, &Options { check_includes: true, ..Options::default() });
        assert!(loaded.has_errors() && loaded.degraded.is_none(), "{text}");
    }
}

/// Wherever a password stands on a line that something is said of.
#[test]
fn no_password_is_shown() {
    let lines = [
        "auth_pass hunter2hunter2",
        "auth_pass 'x#hunter2'",
        "auth_pass 'x hunter2'",
        "auth_pass x!hunter2 # hunter2",
        "auth_pass \"hunter2\" hunter2",
        "auth_pass hunter2\"",
        "auht_pass hunter2",
        "auth_pas hunter2",
        "AUTH_PASS hunter2",
        "authpass hunter2",
        "auth_type PASS auth_pass hunter2",
        "auth_pass=hunter2",
        "auth_pass = hunter2",
        "auth_pass\u{3000}hunter2",
        "\"auth_pass hunter2\"",
        "auth_pass\nhunter2",
        "auth_type hunter2",
        "auth_pass x}hunter2",
        "//auth_pass hunter2",
        "auth_key hunter2",
        "pass hunter2",
        "PASS hunter2",
        "hunter2",
        "auth_pass {hunter2}",
    ];
    for line in lines {
        let text = format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\nauthentication {{\nauth_type PASS\n{line}\n}}\n\
             virtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
        );
        let loaded = load_text("t", &text);
        for format in [Format::Human, Format::Line, Format::Json, Format::Sarif] {
            let said = loaded.render(format, false);
            assert!(!said.contains("hunter2"), "{line}:\n{said}");
        }
        assert!(!loaded.diagnostics.is_empty(), "{line}");
    }
    let cut = load_text("t", "vrrp_instance A {\nauthentication {\nauth_type PASS\nauth_pass x#y\n}\n}\n");
    assert!(cut.diagnostics.iter().any(|one| one.message == "the password ends at this comment sign"));
}

/// Signs of other languages and keyboards, each with the help that names it.
#[test]
fn a_habit_is_named() {
    let cases = [
        ("priority 150 \\", "only the lines of a definition go on"),
        ("priority = 150", "there is no `=`"),
        ("priority=150", "there is no `=`"),
        ("priority 150;", "no `;` ends a statement"),
        ("pri\u{200b}ority 150", "U+200B"),
        ("priority\u{3000}150", "U+3000: write a blank"),
        ("priority \u{201c}150\u{201d}", "U+201C"),
        ("// priority 150", "a comment starts with `#`"),
        ("priority 150 advert_int 1", "begin a new line in front of `advert_int`"),
        ("unicast_peer 10.0.0.2", "write its lines between braces"),
        ("interface eth0:0", "an alias is no interface"),
        ("prio\u{7}rity 150", "delete it: `cat -v FILE`"),
        ("vrid 5", "did you mean `virtual_router_id`?"),
    ];
    for (line, help) in cases {
        let text = format!(
            "vrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{line}\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
        );
        let loaded = load_text("t", &text);
        let said: Vec<&str> = loaded.diagnostics.iter().filter_map(|one| one.help.as_deref()).collect();
        assert!(said.iter().any(|said| said.contains(help)), "{line}: {said:?}");
        let errors = loaded.diagnostics.iter().filter(|one| one.severity >= Severity::Warning).count();
        assert!(errors <= 2, "{line}: {}", loaded.render(Format::Line, false));
    }
}

/// What keepalived accepts without a word is no error, however odd it is.
#[test]
fn odd_lines_that_keepalived_takes() {
    let lines = [
        "state BACKUP interface eth1",
        "priority 100 advert_int 1",
        "notify_master = /bin/true",
        "interface eth0 \\",
        "authentication {\nauth_type PASS auth_pass 1\nauth_pass 1 auth_type PASS\n}",
        "authentication {\nauth_type PASS\nauth_pass = 1\n}",
        "nopreempt preempt",
    ];
    let globals = ["", "router_id = A", "router_id A \\"];
    for (line, global) in lines.iter().map(|line| (*line, "")).chain(globals.map(|global| ("", global))) {
        let text = format!(
            "global_defs {{\n{global}\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n{line}\n\
             virtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
        );
        let loaded = load_text("t", &text);
        let said = loaded.render(Format::Line, false);
        assert!(!loaded.has_errors(), "{line}{global}: {said}");
        let warned = loaded.worst() == Some(Severity::Warning);
        assert_eq!(warned, !(line.is_empty() && global.is_empty()), "{line}{global}: {said}");
    }
}

/// keepalived drops the line.
#[test]
fn reverse_needs_a_weight() {
    let text = |line: &str| {
        format!(
            "vrrp_script chk {{\nscript /bin/true\n}}\nvrrp_instance A {{\ninterface eth0\nvirtual_router_id 1\n\
             track_script {{\n{line}\n}}\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
        )
    };
    let said = |line: &str| load_text("t", &text(line)).render(Format::Line, false);
    assert_eq!(said("chk weight 0 reverse"), "");
    assert!(
        said("chk reverse").contains("`reverse` is no option of a tracked object"),
        "{}",
        said("chk reverse")
    );
}
