use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

use super::super::kept::Kept;
use super::*;
use crate::config::recorded::Recorder;
use crate::config::source::{Files, ReadError, Texts};
use crate::config::supported::runnable;
use crate::config::{self, load};

const MAIN: &str = "/etc/k.conf";
const VI_1: &str =
    "vrrp_instance VI_1 {\ninterface eth0\nvirtual_router_id 51\nvirtual_ipaddress {\n10.0.0.1\n}\n}\n";
const WEB: &str =
    "virtual_server 10.0.0.1 80 {\nprotocol TCP\nreal_server 10.0.1.1 80 {\nTCP_CHECK {\n}\n}\n}\n";

/// Texts; one that is `!` cannot be read.
struct Machine(BTreeMap<&'static str, &'static str>);

impl Files for Machine {
    fn read(&self, path: &Path) -> Result<Vec<u8>, ReadError> {
        match self.0.get(path.to_str().unwrap()) {
            Some(&"!") => Err(ReadError::System("permission denied".to_owned())),
            Some(text) => Ok(text.as_bytes().to_vec()),
            None => Err(ReadError::Missing),
        }
    }

    fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        Texts(self.0.keys().map(|name| (PathBuf::from(name), Vec::new())).collect()).matches(pattern)
    }

    fn is_executable(&self, _: &Path) -> bool {
        false
    }
}

fn options() -> Options {
    Options::plain(MAIN, "".as_ref())
}

fn candidate(files: &[(&'static str, &'static str)]) -> Candidate {
    let machine = Machine(files.iter().copied().collect());
    let recorder = Recorder::new(&machine);
    let language = config::Options::default();
    let loaded = load(Path::new(MAIN), &recorder, &language);
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    Candidate {
        programs: crate::director::programs::Programs::default(),
        runnable: runnable(&model),
        fallbacks: loaded.fallbacks,
        model,
        namespaces: super::super::namespace::Namespaces::default(),
        unrun: Vec::new(),
        read: Kept::new(Path::new(MAIN), &language, recorder.into_recording()),
        keep: true,
        instead: None,
        lines: Vec::new(),
    }
}

fn running(files: &[(&'static str, &'static str)]) -> Running {
    let candidate = candidate(files);
    Running::of(&candidate, &candidate.runnable)
}

#[test]
fn a_file_that_is_missing_takes_nothing_away() {
    let main = (MAIN, "include conf.d/*\n");
    let (vi, web) = (("/etc/conf.d/a.conf", VI_1), ("/etc/conf.d/b.conf", WEB));
    let literal = (MAIN, "include conf.d/a.conf\ninclude conf.d/b.conf\n");
    type Tree = [(&'static str, &'static str)];
    let cases: &[(&Tree, &Tree, Option<&str>)] = &[
        (&[main, vi, web], &[main, vi, web], None),
        (&[main, vi, web], &[main, vi], Some("/etc/conf.d/b.conf is gone")),
        (
            &[main, vi, web],
            &[main, vi, (web.0, "!")],
            Some("cannot read /etc/conf.d/b.conf: permission denied"),
        ),
        (&[main, vi, web], &[main, vi, (web.0, "# later\n")], Some("/etc/conf.d/b.conf is empty")),
        (&[main, vi, web], &[main], Some("no file matches /etc/conf.d/*")),
        (&[main, vi, web], &[(MAIN, "")], Some("/etc/k.conf is empty")),
        (&[literal, vi, web], &[literal, vi], Some("no file matches /etc/conf.d/b.conf")),
        // Somebody took it out.
        (&[literal, vi, web], &[(MAIN, "include conf.d/a.conf\n"), vi, web], None),
        (&[main, vi, web], &[main, vi, (web.0, "global_defs {\nrouter_id a\n}\n")], None),
        // Nothing is lost with it.
        (&[main, vi, ("/etc/conf.d/c.conf", "# c\n")], &[main, vi], None),
        (&[main, vi, web], &[main, ("/etc/conf.d/all.conf", VI_1), web], None),
        // What is new is missing: nothing ran because of it.
        (&[(MAIN, VI_1)], &[(MAIN, "include new.conf\n"), ("/etc/new.conf", VI_1)], None),
        (&[(MAIN, VI_1)], &[(MAIN, "include new.conf\n"), ("/etc/new.conf", "!")], Some("/etc/new.conf")),
    ];
    for (before, now, expected) in cases {
        let (running, options) = (running(before), options());
        let verdict = judge(candidate(now), &running, &options, false);
        match (verdict, expected) {
            (Ok(_), None) => {}
            (Err(refused), Some(words)) => {
                assert!(refused.lines.iter().any(|line| line.text.contains(words)), "{words}: {refused:?}");
                assert!(refused.why.contains("--allow-empty"), "{refused:?}");
            }
            (verdict, expected) => panic!("{now:?}: {expected:?}: {verdict:?}"),
        }
        assert!(judge(candidate(now), &running, &options, true).is_ok(), "whoever means it: {now:?}");
    }
}

#[test]
fn with_a_part_of_the_configuration_the_rest_does_not_count() {
    let running = running(&[(MAIN, VI_1)]);
    let only_checkers = Options { only_checkers: true, ..options() };
    let before = Running { something: false, vrrp: false, ..running };
    assert!(judge(candidate(&[(MAIN, "# empty\n")]), &before, &only_checkers, false).is_ok());
}

#[test]
fn changes_are_told_once() {
    let both: &'static str = Box::leak(format!("{VI_1}{WEB}").into_boxed_str());
    let other: &'static str = Box::leak(
        both.replace("protocol TCP", "protocol TCP\nlb_algo rr\nreal_server 10.0.1.2 80 {\n}")
            .replace("real_server 10.0.1.1 80 {", "real_server 10.0.1.1 80 {\nweight 5")
            .replace("virtual_router_id 51", "virtual_router_id 51\npriority 120")
            .into_boxed_str(),
    );
    let accepted = judge(candidate(&[(MAIN, other)]), &running(&[(MAIN, both)]), &options(), false).unwrap();
    let lines: Vec<&str> = accepted.changes.iter().map(|line| line.text.as_str()).collect();
    let expected =
        ["vrrp_instance VI_1: priority 100 -> 120", "virtual_server 10.0.0.1 80: lb_algo wlc -> rr"];
    // The pools tell of the real server and of the weight.
    assert_eq!(lines, expected);
}

#[tokio::test]
async fn what_is_asked_for_while_one_is_read_follows_it() {
    let (go, gate) = mpsc::channel::<()>();
    let gate = Mutex::new(gate);
    let (count, counted) = mpsc::channel();
    let load: Load = Arc::new(move |_: &Model| {
        gate.lock().unwrap().recv().unwrap();
        count.send(()).unwrap();
        Ok(candidate(&[(MAIN, VI_1)]))
    });
    let running = Arc::new(running(&[(MAIN, VI_1)]));
    let mut reloads = Reloads::new(load, Arc::new(options()));
    assert!(!reloads.begin(&running), "nobody asked");
    let answer = || oneshot::channel().0;
    reloads.ask(false, Some(answer()));
    assert!(reloads.begin(&running));
    for _ in 0..5 {
        reloads.ask(false, Some(answer()));
        assert!(!reloads.begin(&running), "one at a time");
    }
    // The loop goes on while it is read.
    let waited = tokio::time::timeout(Duration::from_millis(20), reloads.judged()).await;
    assert!(waited.is_err());
    go.send(()).unwrap();
    let judged = reloads.judged().await;
    assert!(judged.verdict.is_ok());
    assert_eq!(judged.answers.len(), 1);
    assert!(reloads.begin(&running));
    go.send(()).unwrap();
    assert_eq!(reloads.judged().await.answers.len(), 5);
    assert!(!reloads.begin(&running), "one for all of them");
    assert_eq!(counted.try_iter().count(), 2);
}

#[test]
fn the_result_of_a_check_is_left_where_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("result");
    let line = |text: &str| Line { level: Level::ERROR, text: text.to_owned() };
    leave_result(&file, &[line("k.conf:3: one"), line("k.conf:9: two")]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "k.conf:3: one\nk.conf:9: two\n");
    leave_result(&file, &[]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "", "that of the last one alone");
    // keepalived's default is a device, and a link may lead anywhere.
    leave_result(Path::new("/dev/null"), &[line("one")]);
    assert!(fs::symlink_metadata("/dev/null").unwrap().file_type().is_char_device());
    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&file, &link).unwrap();
    leave_result(&link, &[line("one")]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "");
}
