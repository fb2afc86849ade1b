//! JSON as input: the same as keepalived.conf in every option, and no text of it harms the reader.
//!
//! What is said of mistakes is in `tests/golden/json/` (`tests/config.rs`); that a dump reads as the same
//! configuration, in `tests/dump.rs`.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use directord::config::diagnostic::{Code, Format};
use directord::config::source::Texts;
use directord::config::{Loaded, Options, load};
use directord::director::kept::Kept;

const PROGRAM: &str = env!("CARGO_BIN_EXE_directord");

fn load_json(text: &str) -> Loaded {
    load(Path::new("a.json"), &Texts::one("a.json", text), &Options::default())
}

fn project(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(project(name)).unwrap()
}

/// Exit status, and what is written to both outputs.
fn run(command: &mut Command) -> (Option<i32>, String) {
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn directord(arguments: &[&str]) -> (Option<i32>, String) {
    run(Command::new(PROGRAM).args(arguments))
}

/// One instance, with more members.
fn instance(members: &str) -> String {
    format!(
        r#"{{"vrrp_instance": [{{"name": "A", "interface": "eth0", "virtual_router_id": 1,
            "virtual_ipaddress": ["10.0.0.9"]{members}}}]}}"#
    )
}

#[test]
fn the_example_is_its_keepalived_conf() {
    let conf = read("conf-examples/seed-http.conf");
    let conf = load(Path::new("a.conf"), &Texts::one("a.conf", &conf), &Options::default());
    let json = load_json(&read("conf-examples/seed-http.json"));
    assert!(json.model.is_some());
    assert_eq!(json.model, conf.model);
}

#[test]
fn every_option_takes_it() {
    let file = "conf-examples/seed-http.json";
    assert_eq!(directord(&["--check", "-f", file]).0, Some(0));
    let (status, text) = directord(&["--check", "--peer", "conf-examples/seed-http.conf", "-f", file]);
    assert!(status == Some(0) && text.contains("D1016") && text.contains("seed-http.json:"), "{text}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("elsewhere.json");
    fs::write(&path, instance("").replace("eth0", "none0")).unwrap();
    let (_, text) = directord(&["--check", "--host", "-f", path.to_str().unwrap()]);
    assert!(text.contains("D0040") && text.contains("elsewhere.json:1:48"), "{text}");
    let state = tempfile::tempdir().unwrap();
    let state = state.path().to_str().unwrap();
    let (status, text) = directord(&["--check", "--as-start", "--state-dir", state, "-f", file]);
    let would =
        "a start would run conf-examples/seed-http.json as it stands: 1 instance and 1 virtual server";
    assert!(status == Some(0) && text.contains(would), "{text}");
    let (status, text) = directord(&["config", "fmt", "--check", file]);
    assert!(status == Some(2) && text.contains("is JSON, and left as it is"), "{text}");
}

/// What is kept of it is read again as JSON, and starts in the place of a file with errors.
#[test]
fn a_start_falls_back_to_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pair.json");
    let file = path.to_str().unwrap();
    let text = instance("");
    let origin = Texts::one(file, &text);
    let options = Options { config_id: "one".to_owned(), ..Options::default() };
    let recorder = directord::config::recorded::Recorder::new(&origin);
    let model = load(&path, &recorder, &options).model;
    let kept = Kept::new(&path, &options, recorder.into_recording());
    let state = folder.path().join("state");
    kept.write(&state).unwrap();
    let again = Kept::read(&state, &path).unwrap().unwrap();
    assert!(model.is_some());
    assert_eq!(again.load().model, model);

    for broken in ["{", "[]", &instance(r#", "priority": 300"#)] {
        fs::write(&path, broken).unwrap();
        let options =
            ["--check", "--as-start", "-i", "one", "--state-dir", state.to_str().unwrap(), "-f", file];
        let (status, text) = directord(&options);
        let would = "a start would run the configuration that was applied at ";
        assert!(status == Some(1) && text.contains(would), "{broken}\n{text}");
    }
    // With nothing kept, a text that cannot be read is nothing to start with; one with an error is.
    for (broken, expected) in
        [("{", "a start would be refused"), (&instance(r#", "x": 1"#), "without what is")]
    {
        fs::write(&path, broken).unwrap();
        let (_, text) = directord(&["--check", "--as-start", "--no-fallback", "-f", file]);
        assert!(text.contains(expected), "{broken}\n{text}");
    }
}

/// `-d`: the effective configuration is logged, without its secrets.
#[test]
fn the_configuration_is_logged_at_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pair.json");
    let secret = r#", "authentication": {"auth_type": "PASS", "auth_pass": "s3cret"}"#;
    // There is no such interface: the daemon has nothing to do, and where it may not even that, it ends.
    fs::write(&path, instance(secret).replace("eth0", "none0")).unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (runtime, state) = (place("run"), place("state"));
    let options = ["-n", "-d", "-P", "--runtime-dir", &runtime, "--state-dir", &state, "-f"];
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    let mut daemon = command.args(options).arg(&path).stderr(Stdio::piped()).spawn().unwrap();
    let log = BufReader::new(daemon.stderr.take().unwrap()).lines();
    let (said, lines) = mpsc::channel();
    let reader =
        thread::spawn(move || log.for_each(|line| said.send(line.unwrap() + "\n").unwrap_or_default()));
    let mut text = String::new();
    while !text.contains("A does not run: interface none0 does not exist")
        && let Ok(line) = lines.recv_timeout(Duration::from_secs(60))
    {
        text += &line;
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    reader.join().unwrap();
    assert!(text.contains("A does not run: interface none0 does not exist"), "{text}");
    for line in ["vrrp_instance A {", "    advert_int 1", "        auth_pass <hidden-by-directord>"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(!text.contains("s3cret"), "{text}");
}

/// A cut, a wrong type in each place, a member twice: an error with a place, never a panic.
#[test]
fn damaged_texts() {
    let text = read("tests/golden/json/right.json");
    let whole = load_json(&text).model;
    for (at, _) in text.char_indices().skip(1) {
        let loaded = load_json(&text[..at]);
        assert!(loaded.has_errors() || loaded.model == whole, "cut at {at}");
        assert!(loaded.degraded.is_none(), "cut at {at}");
    }
    let values = [
        "null",
        "true",
        "-1",
        "1e999",
        "0.5",
        "[]",
        "{}",
        "[[]]",
        "[{}]",
        r#""""#,
        r#"" ""#,
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\"""#,
        r#""$_X""#,
    ];
    let colons: Vec<usize> = text.match_indices(": ").map(|(at, _)| at + 2).collect();
    for at in colons {
        let mut parsed = serde_json::Deserializer::from_str(&text[at..]).into_iter::<serde_json::Value>();
        parsed.next().unwrap().unwrap();
        let end = at + parsed.byte_offset();
        for value in values {
            let loaded = load_json(&format!("{}{value}{}", &text[..at], &text[end..]));
            assert_eq!(loaded.model.is_none(), loaded.has_errors());
            for format in [Format::Human, Format::Line, Format::Json, Format::Sarif] {
                let _ = loaded.render(format, false);
            }
        }
        // The same member in front of itself.
        let name = text[..at - 3].rfind('"').unwrap();
        let loaded = load_json(&format!("{}{}, {}", &text[..name], &text[name..end], &text[name..]));
        assert!(loaded.diagnostics.iter().any(|one| one.code == Code::JsonTwice), "{}", &text[name..end]);
    }
}

#[test]
fn too_deep_and_too_many() {
    let codes = |text: &str| {
        let loaded = load_json(text);
        assert!(loaded.model.is_none() && loaded.degraded.is_none());
        loaded.diagnostics.iter().map(|one| one.code).collect::<Vec<_>>()
    };
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let nested = |depth: usize| format!("{}1{}", open.repeat(depth), close.repeat(depth));
        assert_eq!(codes(&nested(33)), [Code::TooDeep]);
        assert_eq!(codes(&nested(200_000)), [Code::TooDeep]);
        assert_ne!(load_json(&nested(32)).diagnostics[0].code, Code::TooDeep);
    }
    assert_eq!(codes(&format!("[{}1]", "1,".repeat(20_000))), [Code::JsonElements]);
    let strings = r#""[[[[,,,,","#.repeat(20_000);
    assert_ne!(load_json(&format!("[{strings}1]")).diagnostics[0].code, Code::JsonElements);
}

/// 100 bytes for each of the file, and 8 MB: under that limit of its data the program ends as it should.
#[test]
fn memory_is_bounded() {
    let repeated = |unit: &str, length: usize| vec![unit; length / (unit.len() + 1)].join(",");
    let servers = |inside: &str| {
        format!(
            r#"{{"virtual_server": [{{"fwmark": 1, "protocol": "TCP", "lb_algo": "rr", "lb_kind": "NAT",
                "real_server": [{inside}]}}]}}"#
        )
    };
    let addresses = |inside: &str| instance("").replace(r#""10.0.0.9""#, inside);
    let numbered = |make: fn(usize) -> String| (0..8000).map(make).collect::<Vec<_>>().join(",");
    let size = 200_000;
    let texts = [
        "[".repeat(size),
        "[]".to_owned() + &"]".repeat(size),
        format!("[{}]", repeated("1", size)),
        format!("[{}]", repeated(r#"{"a":{}}"#, size)),
        format!(r#"{{"a": "{}"}}"#, "\\u0000".repeat(size / 6)),
        format!("{{{}}}", repeated(r#""a":1"#, size)),
        format!(r#"{{"vrrp_instance": [{}]}}"#, repeated("{       }", size)),
        format!(r#"{{"static_routes": [{}]}}"#, repeated(r#""::     ""#, size)),
        addresses(&repeated(r#""1       ""#, size)),
        addresses(&format!("[{}]", repeated("1        ", size))),
        addresses(&format!("\"{}\"", "1 ".repeat(size / 2))),
        addresses(&numbered(|at| format!(r#""10.1.{}.{}""#, at / 250, at % 250))),
        servers(&repeated(r#"{"address":"1.1.1.1"}"#, size)),
        servers(&numbered(|at| format!(r#"{{"address":"10.1.{}.{}"}}"#, at / 250, at % 250))),
        servers(&format!(
            r#"{{"address":"1.1.1.1","port":80,"TCP_CHECK":[{}]}}"#,
            repeated("{       }", size)
        )),
        servers(&format!(
            r#"{{"address":"1.1.1.1","port":80,"TCP_CHECK":[{}]}}"#,
            vec!["{}"; 8000].join(",")
        )),
    ];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.json");
    for text in texts {
        fs::write(&path, &text).unwrap();
        let limit = (text.len() * 100).div_ceil(1024) + 8192;
        let script = r#"ulimit -d "$1" && exec "$2" --check -f "$3""#;
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh", &limit.to_string(), PROGRAM]).arg(&path);
        let (status, output) = run(&mut command);
        let start: String = text.chars().take(200).collect();
        assert!(matches!(status, Some(0..=2)), "{start} …, {limit} KiB: {status:?} {output:.400}");
        assert!(output.contains("hostile.json"), "{output:.400}");
    }
}
