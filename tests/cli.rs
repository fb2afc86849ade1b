//! The program from the outside: options, exit statuses, where output goes.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use directord::config::io::Disk;
use directord::config::recorded::Recorder;
use directord::config::{Options, load};
use directord::director::kept::Kept;

fn directord(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_directord")).args(arguments).output().unwrap()
}

fn status(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What the program says of a text on standard input.
fn fed(arguments: &[&str], text: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn example(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name).display().to_string()
}

#[test]
fn exit_statuses_of_the_check() {
    let cases = [
        ("conf-examples/vrrp-only.conf", 0, "no errors"),
        ("conf-examples/haproxy-pair.conf", 0, "no errors"),
        ("conf-examples/mail.conf", 0, "no errors"),
        ("conf-examples/bfd-pair.conf", 0, "no errors"),
        ("conf-examples/protocols-pair.conf", 0, "no errors"),
        ("conf-examples/vmac-pair.conf", 0, "no errors"),
        ("conf-examples/dns-mail-pair.conf", 0, "no errors"),
        ("conf-examples/seed-http.conf", 0, "2 notes"),
        ("tests/golden/not-yet.conf", 2, "error"),
        ("tests/golden/conflicts.conf", 1, "warnings"),
        ("tests/golden/out-of-range.conf", 2, "errors"),
        ("tests/golden/none.conf", 2, "there is no such file"),
        ("tests/golden", 2, "it is a directory"),
    ];
    for (file, expected, text) in cases {
        let output = directord(&["--check", "-f", &example(file)]);
        assert_eq!(status(&output), expected, "{file}: {}", stderr(&output));
        assert!(stderr(&output).contains(text), "{file}: {}", stderr(&output));
        assert_eq!(output.stdout, b"", "{file}");
    }
}

#[test]
fn a_configuration_that_cannot_be_run_whole() {
    let file = example("tests/golden/left-out.conf");
    let output = directord(&["--check", "-f", &file]);
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("legal, but this version cannot run all of it"));
    let output = directord(&["-n", "--strict", "-f", &file]);
    assert_eq!(status(&output), 2);
    let text = stderr(&output);
    assert!(text.contains("`auth_hmac` is not supported by this version"), "{text}");
    assert!(text.contains("not started; without --strict it would run without"), "{text}");
    let output = directord(&["--check", "--as-start", "-f", &file]);
    assert_eq!(status(&output), 1);
    let text = stderr(&output);
    assert!(
        text.contains(", but for what this version cannot run: 1 instance and 1 virtual server\n  vrrp_instance VI_2 on eth0, router id 51, priority 100: 2001:db8::9\n  virtual_server [web]:0: 10.0.0.2:80\nnot as configured: vrrp_instance VI_1: "),
        "{text}"
    );
}

#[test]
fn what_a_start_would_run() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state").display().to_string();
    let file = example("tests/golden/out-of-range.conf");
    let as_start = |more: &[&str]| {
        let arguments = ["--check", "--as-start", "--state-dir", &state, "-f", &file];
        directord(&[&arguments, more].concat())
    };
    let output = as_start(&[]);
    assert_eq!(status(&output), 1, "{}", stderr(&output));
    assert!(stderr(&output).contains("a start would run "), "{}", stderr(&output));
    assert!(stderr(&output).contains("without what is wrong in it: "), "{}", stderr(&output));
    let output = as_start(&["--strict"]);
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("a start would be refused"), "{}", stderr(&output));
    let clean = ["--check", "--as-start", "-f", &example("conf-examples/seed-http.conf")];
    let output = directord(&clean);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("as it stands: 1 instance and 1 virtual server"), "{}", stderr(&output));
    // What is not there cannot run.
    let output = directord(&["--check", "--as-start", "--no-fallback", "-f", "none.conf"]);
    assert_eq!(status(&output), 2, "{}", stderr(&output));
}

/// What was applied last runs when files of it are missing; nothing of it, when they were taken out.
#[test]
fn what_a_start_runs_when_files_are_missing() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let main = folder.path().join("main.conf");
    let part = folder.path().join("parts").join("b.conf");
    let instance = |name: &str, number: u8| {
        format!(
            "vrrp_instance {name} {{\ninterface lo0\nvirtual_router_id {number}\nvirtual_ipaddress {{\n10.0.0.{number}\n}}\n}}\n"
        )
    };
    let whole = || {
        fs::create_dir_all(folder.path().join("parts")).unwrap();
        fs::write(&main, "include parts/*.conf\n").unwrap();
        fs::write(folder.path().join("parts/a.conf"), instance("A", 1)).unwrap();
        fs::write(&part, instance("B", 2)).unwrap();
    };
    whole();
    let language = Options { config_id: "n".into(), ..Options::default() };
    let recorder = Recorder::new(&Disk);
    assert!(!load(&main, &recorder, &language).has_errors());
    Kept::new(&main, &language, recorder.into_recording()).write(&state).unwrap();
    let (file, state) = (main.display().to_string(), state.display().to_string());
    let as_start = |more: &[&str]| {
        let arguments = ["--check", "--as-start", "-i", "n", "--state-dir", &state, "-f", &file];
        let output = directord(&[&arguments, more].concat());
        stderr(&output)
    };
    let before = "a start would run the configuration that was applied at 20";
    let stands = format!("a start would run {file} as it stands");
    assert!(as_start(&[]).contains(&stands), "{}", as_start(&[]));
    let accidents: [&dyn Fn(); 4] = [
        &|| fs::remove_file(&part).unwrap(),
        &|| fs::write(&part, "# nothing\n").unwrap(),
        &|| fs::remove_dir_all(folder.path().join("parts")).unwrap(),
        &|| fs::write(&main, "").unwrap(),
    ];
    for (number, accident) in accidents.iter().enumerate() {
        whole();
        accident();
        let text = as_start(&[]);
        assert!(text.contains(before) && text.contains("2 instances"), "{number}: {text}");
        for meant in ["--allow-empty", "--no-fallback", "--strict"] {
            assert!(as_start(&[meant]).contains(&stands), "{number} {meant}: {}", as_start(&[meant]));
        }
    }
    whole();
    fs::write(&part, "global_defs {\nrouter_id b\n}\n").unwrap();
    assert!(as_start(&[]).contains(&stands), "B was taken out: {}", as_start(&[]));
}

#[test]
fn a_reload_without_a_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = folder.path().display().to_string();
    let output = directord(&["reload", "--runtime-dir", &runtime]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("no daemon listens at"), "{}", stderr(&output));
    assert_eq!(status(&directord(&["reload", "--now"])), 2);
    assert_eq!(status(&directord(&["reload", "--help"])), 0);
    // A daemon that does not answer.
    let _deaf = std::os::unix::net::UnixListener::bind(folder.path().join("control.socket")).unwrap();
    let output = directord(&["reload", "--timeout", "1", "--runtime-dir", &runtime]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("no answer within 1 s"), "{}", stderr(&output));
}

#[test]
fn formats() {
    let file = example("tests/golden/out-of-range.conf");
    let line = stderr(&directord(&["--check", "--format", "line", "-f", &file]));
    assert!(line.contains("out-of-range.conf:3:23: error[D0015]: `virtual_router_id` is 300"), "{line}");
    let json = stdout(&directord(&["--check", "--format=json", "-f", &file]));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["errors"], 4);
    assert_eq!(value["diagnostics"][0]["code"], "D0015");
    assert_eq!(value["diagnostics"][0]["line"], 3);
    assert_eq!(value["diagnostics"][0]["found"], "300");
    let clean =
        stdout(&directord(&["--check", "--format=json", "-f", &example("conf-examples/vrrp-only.conf")]));
    assert!(serde_json::from_str::<serde_json::Value>(&clean).is_ok());
}

#[test]
fn every_way_to_ask_for_a_check() {
    let file = example("conf-examples/vrrp-only.conf");
    for arguments in [["--check", "-f"], ["-t", "-f"], ["--config-test", "--use-file"], ["-nlDt", "-f"]] {
        let output = directord(&[arguments[0], arguments[1], &file]);
        assert_eq!(status(&output), 0, "{arguments:?}: {}", stderr(&output));
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let log = log.to_str().unwrap();
    for option in [format!("--config-test={log}"), format!("-t{log}")] {
        let output = directord(&[&option, "-f", &file]);
        assert_eq!((status(&output), stderr(&output)), (0, String::new()));
    }
    assert_eq!(fs::read_to_string(log).unwrap().matches("no errors").count(), 2);
}

#[test]
fn conditions_and_includes() {
    let folder = tempfile::tempdir().unwrap();
    let main = folder.path().join("main.conf");
    fs::write(&main, "@lvs1 include one.conf\n@lvs2 include two.conf\n").unwrap();
    fs::write(folder.path().join("one.conf"), "global_defs {\n router_id a\n}\n").unwrap();
    let main = main.to_str().unwrap();
    assert_eq!(status(&directord(&["--check", "-i", "lvs1", "-f", main])), 0);
    assert_eq!(status(&directord(&["--check", "-i", "lvs2", "-f", main])), 1);
    assert_eq!(status(&directord(&["--check", "-e", "-i", "lvs2", "-f", main])), 2);
}

#[test]
fn signal_numbers() {
    let number = |name: &str| {
        let output = directord(&["--signum", name]);
        assert_eq!(status(&output), 0, "{name}");
        String::from_utf8(output.stdout).unwrap().trim().parse::<i32>().unwrap()
    };
    assert_eq!([number("STOP"), number("RELOAD"), number("DATA"), number("STATS")], [15, 1, 10, 12]);
    assert_eq!(number("JSON"), libc::SIGRTMIN() + 2);
    assert_eq!(number("STATS_CLEAR"), libc::SIGRTMAX() - 1);
    let output = directord(&["--signum=NONSENSE"]);
    assert_eq!(status(&output), 1);
    assert!(stderr(&output).contains("NONSENSE"));
}

#[test]
fn what_keepalived_takes_is_taken() {
    let flags = [
        "-P",
        "-C",
        "-B",
        "--all",
        "-l",
        "-DD",
        "-S7",
        "-g",
        "-gfile",
        "--log-file=x",
        "--flush-log-file",
        "-G",
        "-u022",
        "-X",
        "-V",
        "-I",
        "-R",
        "-n",
        "-d",
        "-p/tmp/x",
        "-r/tmp/x",
        "-c/tmp/x",
        "-b/tmp/x",
        "-a",
        "-sns",
        "-m",
        "-M",
        "-Mcore",
        "-e",
        "-iid",
        "--ignore-sigint",
        "-x",
        "-A",
        "-Asock",
        "--vrrp",
        "--no_bfd",
        "--vrrp_pid=x",
        "--checkers_pid=x",
        "--bfd_pid=x",
        "--address-monitoring",
        "--namespace=x",
        "--core-dump",
        "--snmp",
        "--core-dump-pattern=x",
        "--dont-release-vrrp",
        "--dont-release-ipvs",
        "--dont-respawn",
        "--release-vips",
    ];
    let file = example("conf-examples/vrrp-only.conf");
    for flag in flags {
        let output = directord(&[flag, "--check", "-f", &file]);
        assert_eq!(status(&output), 0, "{flag}: {}", stderr(&output));
    }
}

#[test]
fn help_version_and_wrong_options() {
    let help = directord(&["--help"]);
    assert_eq!(status(&help), 0);
    assert!(String::from_utf8_lossy(&help.stdout).contains("--config-test"));
    let version = directord(&["-v"]);
    assert_eq!(status(&version), 0);
    assert!(stderr(&version).starts_with("directord "));
    let wrong = directord(&["--chekc"]);
    assert_eq!(status(&wrong), 2);
    assert!(stderr(&wrong).contains("--check"));
    // keepalived would start a daemon.
    let word = directord(&["check", "-f", "conf-examples/vrrp-only.conf"]);
    assert_eq!(status(&word), 2);
    assert!(stderr(&word).contains("--check -f FILE"));
    // Nobody who asks what would happen wants it to happen.
    for asked in [&["--as-start"][..], &["--host"], &["--peer", "none.conf"], &["--format", "line"]] {
        let output = directord(&[asked, &["-f", "none.conf"]].concat());
        assert_eq!(status(&output), 2);
        let text = stderr(&output);
        assert!(
            !text.contains("not started") && text.contains("cannot read") && text.contains("none.conf"),
            "{text}"
        );
    }
}

#[test]
fn genhash_wants_its_options() {
    for arguments in [&["genhash"][..], &["-T"], &["--genhash", "-s", "127.0.0.1"]] {
        let output = directord(arguments);
        assert_eq!(status(&output), 2, "{arguments:?}");
        assert!(stderr(&output).contains("--url"), "{}", stderr(&output));
    }
}

#[test]
fn genhash_is_named_as_it_was_called() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("genhash");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_directord"), &link).unwrap();
    let called = Command::new(link).arg("--help").output().unwrap();
    for (output, usage) in
        [(directord(&["genhash", "--help"]), "Usage: directord genhash "), (called, "Usage: genhash ")]
    {
        assert_eq!((status(&output), stderr(&output)), (0, String::new()));
        assert!(stdout(&output).contains(usage), "{}", stdout(&output));
    }
}

/// What needs no kernel: under each of its names, with what nobody means to write.
#[test]
fn ipvsadm_is_named_as_it_was_called() {
    let folder = tempfile::tempdir().unwrap();
    let called = |name: &str, arguments: &[&str]| {
        let link = folder.path().join(name);
        let _ = std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_directord"), &link);
        Command::new(link).args(arguments).output().unwrap()
    };
    for output in [directord(&["ipvsadm", "-v"]), called("ipvsadm", &["--version"])] {
        assert_eq!((status(&output), stderr(&output)), (0, String::new()));
        assert!(stdout(&output).starts_with("ipvsadm v1.31 "), "{}", stdout(&output));
    }
    let help = stdout(&directord(&["ipvsadm", "-h"]));
    assert!(help.contains("\n  directord ipvsadm -D SERVICE\n") && help.contains("--keep-going"), "{help}");
    let long = "a".repeat(100_000);
    let wrong: [(&[&str], i32, &str); 5] = [
        (&["-Q"], 255, "ipvsadm -h' or '"),
        (&["-A"], 2, "You need to supply the 'service-address' option"),
        (&["-A", "-t", &long, "-Q"], 2, "illegal virtual server address[:port] specified"),
        (&["-L", &long], 2, "unexpected argument aaa"),
        (&["-a", "-f", "1", "-r", "[::1", "-w"], 2, "illegal real server address[:port] specified"),
    ];
    for (arguments, expected, text) in wrong {
        let output = called("ipvsadm", arguments);
        assert_eq!((status(&output), stdout(&output)), (expected, String::new()));
        assert!(stderr(&output).contains(text), "{text}: {}", stderr(&output));
    }
    assert_eq!(status(&called("ipvsadm-save", &["-x"])), 1);
    assert_eq!(status(&called("ipvsadm-restore", &["word"])), 2);
    // Bytes of no language come back as they were.
    let odd: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"\xff\xe4");
    let output = Command::new(folder.path().join("ipvsadm")).arg("-L").arg(odd).output().unwrap();
    assert_eq!(output.stderr, b"unexpected argument \xff\xe4\n");
}

/// A server of one page, which is told what was asked for.
fn page(body: &'static str) -> (u16, std::thread::JoinHandle<Vec<String>>) {
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = move || {
        let mut asked = Vec::new();
        while let Some(Ok(mut client)) = listener.incoming().next() {
            let mut head = String::new();
            let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
            while let Some(Ok(line)) =
                lines.next().filter(|line| !matches!(line, Ok(line) if line.is_empty()))
            {
                head += &(line + "\n");
            }
            if head.starts_with("GET /end") {
                break;
            }
            let code = if head.starts_with("GET /none") { 404 } else { 200 };
            let length = body.len();
            write!(client, "HTTP/1.0 {code} X\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
            asked.push(head);
        }
        asked
    };
    (port, std::thread::spawn(serve))
}

#[test]
fn genhash_fetches_several_pages() {
    let (port, server) = page("hello");
    let port = &port.to_string();
    let digest = "5d41402abc4b2a76b9719d911017c592";
    let genhash = |rest: &[&str]| directord(&[&["genhash", "-p", port], rest].concat());
    // A name that every resolver knows, with one address.
    let one = genhash(&["-s", "127.1", "-u", "/"]);
    assert_eq!((status(&one), stdout(&one)), (0, format!("{digest}\n")), "{}", stderr(&one));
    let two = genhash(&["-s", "127.0.0.1", "-u", "/", "-u", "/none"]);
    assert_eq!((status(&two), stdout(&two)), (0, format!("{digest}  /\n{digest}  /none\n")));
    assert!(stderr(&two).contains("/none: status code 404"), "{}", stderr(&two));
    // The last one ends the server without an answer.
    let json = genhash(&["-s", "127.0.0.1", "--json", "-u", "/", "-u", "/none", "-u", "/end"]);
    assert_eq!(status(&json), 1);
    let value: serde_json::Value = serde_json::from_str(&stdout(&json)).unwrap();
    assert_eq!(value["server"], format!("127.0.0.1:{port}"));
    let [first, second, third] = value["pages"].as_array().unwrap().as_slice() else { panic!("{value}") };
    assert_eq!(
        (&first["url"], &first["status"], &first["digest"]),
        (&"/".into(), &200.into(), &digest.into())
    );
    assert!(first["microseconds"].as_u64().is_some_and(|time| time > 0));
    assert_eq!((&second["status"], &third["digest"]), (&404.into(), &serde_json::Value::Null));
    assert!(third["error"].as_str().is_some_and(|why| stderr(&json).contains(why)), "{value}");
    let asked = server.join().unwrap();
    assert_eq!(asked.len(), 5);
    // As a real server is asked.
    let host = format!("Host: 127.0.0.1:{port}");
    assert!(asked.iter().all(|head| head.contains(&host)), "{asked:?}");
    let unknown = genhash(&["-s", "no.such.name.invalid", "-u", "/"]);
    assert_eq!((status(&unknown), stdout(&unknown)), (1, String::new()));
    assert!(stderr(&unknown).contains("no.such.name.invalid: "), "{}", stderr(&unknown));
    assert_eq!(status(&genhash(&["-s", "127.0.0.1", "-u", "/", "--json", "--stanza"])), 2);
}

#[test]
fn explanations() {
    let page = directord(&["explain", "advert_int"]);
    assert_eq!((status(&page), stderr(&page)), (0, String::new()));
    let text = String::from_utf8(page.stdout).unwrap();
    for part in ["advert_int <TIMER>", "In         vrrp_instance", "Default    1", "Status     implemented"] {
        assert!(text.contains(part), "{text}");
    }
    let both = directord(&["explain", "D0015", "real_server/weight"]);
    let text = String::from_utf8(both.stdout.clone()).unwrap();
    assert_eq!(status(&both), 0);
    assert!(text.contains("too small or too large") && text.contains("IPVS weight"), "{text}");
    let near = directord(&["explain", "advert_itn"]);
    assert_eq!((status(&near), near.stdout.len()), (1, 0));
    assert!(stderr(&near).contains("near it: advert_int"), "{}", stderr(&near));
    let none = directord(&["explain"]);
    assert_eq!(status(&none), 2);
    assert!(stderr(&none).contains("CODE | KEYWORD"));
    assert_eq!(status(&directord(&["explain", "--help"])), 0);
}

/// The shape that SARIF 2.1.0 §3.13 and following demand.
#[test]
fn sarif() {
    for (file, status_expected, results) in
        [("tests/golden/out-of-range.conf", 2, 4), ("conf-examples/vrrp-only.conf", 0, 0)]
    {
        let output = directord(&["--check", "--format", "sarif", "-f", &example(file)]);
        assert_eq!(status(&output), status_expected);
        let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        assert_eq!(value["version"], "2.1.0");
        assert!(value["$schema"].as_str().unwrap().contains("sarif-2.1.0"));
        let [run] = value["runs"].as_array().unwrap().as_slice() else { panic!("one run") };
        let driver = &run["tool"]["driver"];
        assert_eq!(driver["name"], "directord");
        let rules = driver["rules"].as_array().unwrap();
        assert_eq!(run["results"].as_array().unwrap().len(), results);
        for result in run["results"].as_array().unwrap() {
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            let place = &result["locations"][0]["physicalLocation"];
            assert!(place["artifactLocation"]["uri"].as_str().unwrap().starts_with("file:///"));
            let region = &place["region"];
            assert!(region["startLine"].as_u64().unwrap() >= 1);
            assert!(region["endColumn"].as_u64() > region["startColumn"].as_u64());
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a b.conf");
    fs::write(&file, "global_defs {\n ruoter_id a\n}\n").unwrap();
    let output = directord(&["--check", "--format=sarif", "-f", file.to_str().unwrap()]);
    let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let change = &value["runs"][0]["results"][0]["fixes"][0]["artifactChanges"][0];
    assert!(change["artifactLocation"]["uri"].as_str().unwrap().ends_with("a%20b.conf"));
    let replacement = &change["replacements"][0];
    assert_eq!(replacement["insertedContent"]["text"], "router_id");
    assert_eq!(replacement["deletedRegion"]["startColumn"], 2);
    assert_eq!(replacement["deletedRegion"]["endColumn"], 11);
}

#[test]
fn lints_change_no_exit_status() {
    let file = example("tests/golden/lint-checks.conf");
    let output = directord(&["--check", "-f", &file]);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    assert!(stderr(&output).contains("3 lints"), "{}", stderr(&output));
    let peers = |one: &str, other: &str| {
        directord(&["--check", "--format", "line", "-f", &example(one), "--peer", &example(other)])
    };
    let output = peers("tests/golden/pairs/router-1.conf", "tests/golden/pairs/router-2.conf");
    // Two masters for certain are no matter of taste.
    assert_eq!(status(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("router-1.conf:4:5: error[D1011]: "), "{}", stderr(&output));
    let output = peers("tests/golden/pairs/router-1.conf", "tests/golden/out-of-range.conf");
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).contains("not compared"), "{}", stderr(&output));
}

#[test]
fn results_for_programs_go_to_standard_output() {
    let file = example("tests/golden/out-of-range.conf");
    for format in ["json", "sarif"] {
        let output = directord(&["--check", "--format", format, "-f", &file]);
        assert!(serde_json::from_str::<serde_json::Value>(&stdout(&output)).is_ok(), "{format}");
        assert_eq!(stderr(&output), "", "{format}");
    }
    let output = directord(&["--check", "-f", &file]);
    assert_eq!(stdout(&output), "");
    assert!(stderr(&output).contains("4 errors"), "{}", stderr(&output));
}

#[test]
fn a_text_on_standard_input_is_tested() {
    let text = fs::read_to_string(example("conf-examples/vrrp-only.conf")).unwrap();
    let output = fed(&["--check", "-f", "-"], &text);
    assert_eq!(status(&output), 0, "{}", stderr(&output));
    let output = fed(&["--check", "--format", "line", "-f", "-"], "global_defs {\nruoter_id a\n}\n");
    assert_eq!(status(&output), 2);
    assert!(stderr(&output).starts_with("-:2:1: error[D0010]"), "{}", stderr(&output));
    let output = fed(&["config", "dump", "-f", "-"], &text);
    assert!(stdout(&output).contains("vrrp_instance"), "{}", stderr(&output));
}

#[test]
fn the_plan_of_a_start_is_in_json() {
    let instance = |name: &str, id: u8, more: &str| {
        format!(
            "vrrp_instance {name} {{\ninterface no-such-if\nvirtual_router_id {id}\n{more}\n\
             virtual_ipaddress {{\n192.168.100.{id}/24\n}}\n}}\n"
        )
    };
    let text = instance("A", 51, "")
        + &instance("B", 52, "auth_hmac {\nkey 1 0123456789abcdef0123456789abcdef\nactive_key 1\n}")
        + "virtual_server 192.168.100.9 80 {\nlb_algo rr\nlb_kind DR\nprotocol TCP\npersistence_granularity 0.0.0.0\n\
           real_server 192.168.100.8 80 {\nTCP_CHECK {\n}\n}\n}\n";
    let output = fed(&["--as-start", "--format", "json", "--state-dir", "/none", "-f", "-"], &text);
    let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let start = &value["start"];
    assert_eq!(start["runs"], true, "{value}");
    assert_eq!(start["instances"][0]["name"], "A");
    assert_eq!(start["instances"][0]["waits_for_interface"], "no-such-if");
    assert_eq!(start["left_out"][0]["what"], "vrrp_instance B");
    assert_eq!(start["virtual_servers"][0]["persistence"]["timeout"], 360);
    let output = fed(&["--as-start", "--state-dir", "/none", "-f", "-"], &text);
    assert!(stderr(&output).contains("persistent for 360 s for clients of one /0"), "{}", stderr(&output));
    // The errors of a file that is run without them are in it, too.
    let broken = text.replace("virtual_router_id 51", "virtual_router_id 0");
    let output = fed(&["--as-start", "--format", "json", "--state-dir", "/none", "-f", "-"], &broken);
    let value: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let left_out = value["start"]["left_out"].to_string();
    assert!(left_out.contains("vrrp_instance A") && left_out.contains("vrrp_instance B"), "{left_out}");
}

#[test]
fn values_have_pages() {
    for (value, words) in [
        ("rr", "round robin"),
        ("DR", "direct routing"),
        ("PASS", "a value of auth_type"),
        ("TUN", "tunnel"),
        ("MASTER", "a value of state"),
        ("SOA", "a value of type"),
    ] {
        let output = directord(&["explain", value]);
        assert_eq!(status(&output), 0, "{value}: {}", stderr(&output));
        assert!(stdout(&output).to_lowercase().contains(&words.to_lowercase()), "{value}");
    }
    assert!(stderr(&directord(&["explain", "wrrr"])).contains("wrr"));
}

#[test]
fn the_help_says_that_a_namespace_is_refused() {
    let help = stdout(&directord(&["--help"]));
    let at = help.find("--namespace").unwrap();
    assert!(help[at..].contains("Refused: start directord inside"), "{}", &help[at..]);
    let without_effect = help.find("without effect").unwrap();
    assert!(at < without_effect || !help[without_effect..].contains("--namespace"));
    assert!(stderr(&directord(&["-s", "blue"])).contains("ip netns exec blue directord"));
}

/// What stands where the unit hides it, or belongs to somebody else.
#[test]
fn a_file_that_the_unit_cannot_read_is_explained() {
    let output = directord(&["--check", "-f", "/root/none/keepalived.conf"]);
    assert!(stderr(&output).contains("ProtectHome"), "{}", stderr(&output));
}
