//! `config fmt` from the outside: layouts, files that are left alone, what becomes of the file on disk.
//!
//! `BLESS=1 cargo test --test format` rewrites the expected texts of `tests/golden/format/`.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use directord::config::diagnostic::Format;
use directord::config::format::format;
use directord::config::source::Texts;
use directord::config::{Loaded, Options, load};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    found.sort();
    assert!(!found.is_empty());
    found
}

fn golden(folder: &str, extension: &str, made: impl Fn(&str, Vec<u8>) -> String) {
    let bless = std::env::var_os("BLESS").is_some();
    let mut different = Vec::new();
    for path in files(folder) {
        let name = path.file_name().unwrap().to_str().unwrap();
        let found = made(name, fs::read(&path).unwrap());
        let expected = path.with_extension(extension);
        if bless {
            fs::write(&expected, &found).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != found {
            different.push(format!("--- {name}\n{found}"));
        }
    }
    assert!(different.is_empty(), "BLESS=1 accepts these:\n{}", different.join("\n"));
}

#[test]
fn layouts() {
    golden("tests/golden/format", "out", |name, bytes| match format(name, bytes) {
        Ok(text) => text,
        Err(refused) => panic!("{}", refused.render(Format::Human, false)),
    });
}

#[test]
fn files_that_are_left_alone() {
    golden("tests/golden/format/refused", "stderr", |name, bytes| match format(name, bytes) {
        Ok(text) => panic!("{name}: {text}"),
        Err(refused) => format!("{}{name}: {}\n", refused.render(Format::Human, false), refused.summary()),
    });
}

#[test]
fn the_layout_of_a_layout_is_the_same() {
    let folders = ["conf-examples", "tests/golden", "tests/golden/pairs", "tests/golden/format"];
    for path in folders.iter().flat_map(|folder| files(folder)) {
        let Ok(once) = format("once", fs::read(&path).unwrap()) else { continue };
        let twice = format("twice", once.clone().into_bytes()).unwrap();
        assert_eq!(once, twice, "{}", path.display());
    }
}

#[test]
fn the_examples_are_canonical() {
    for path in files("conf-examples") {
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(format("example", text.clone().into_bytes()).unwrap(), text, "{}", path.display());
    }
}

#[test]
fn the_meaning_stays() {
    let read = |text: &str| -> Loaded {
        let options = Options { config_id: "lvs1".into(), ..Options::default() };
        load(Path::new("t"), &Texts::one("t", text), &options)
    };
    let mut compared = 0;
    for path in
        ["conf-examples", "tests/golden", "tests/golden/pairs"].iter().flat_map(|folder| files(folder))
    {
        let text = fs::read_to_string(&path).unwrap();
        let Ok(after) = format("t", text.clone().into_bytes()) else { continue };
        let (before, after) = (read(&text), read(&after));
        let said = |loaded: &Loaded| -> Vec<_> {
            loaded.diagnostics.iter().map(|one| (one.code, one.message.clone())).collect()
        };
        assert_eq!(before.model, after.model, "{}", path.display());
        // Without its braces' places an unbalanced file is guessed at differently; those are refused.
        assert_eq!(said(&before), said(&after), "{}", path.display());
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

fn fmt(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.args(["config", "fmt"]).args(arguments).current_dir(folder).output().unwrap()
}

const UGLY: &str = "global_defs{\nrouter_id a }\n";
const CANONICAL: &str = "global_defs {\n    router_id a\n}\n";

#[test]
fn files_are_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let real = folder.join("real.conf");
    fs::write(&real, UGLY).unwrap();
    fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).unwrap();
    symlink("real.conf", folder.join("link.conf")).unwrap();
    let check = fmt(&["--check", "link.conf"], folder);
    assert_eq!((check.status.code(), check.stdout), (Some(1), b"link.conf\n".to_vec()));
    assert_eq!(fs::read_to_string(&real).unwrap(), UGLY);
    let print = fmt(&["--stdout", "link.conf"], folder);
    assert_eq!((print.status.code(), print.stdout), (Some(0), CANONICAL.into()));
    assert_eq!(fs::read_to_string(&real).unwrap(), UGLY);
    assert_eq!(fmt(&["link.conf"], folder).status.code(), Some(0));
    assert_eq!(fs::read_to_string(&real).unwrap(), CANONICAL);
    assert_eq!(fs::metadata(&real).unwrap().permissions().mode() & 0o7777, 0o640);
    assert!(fs::symlink_metadata(folder.join("link.conf")).unwrap().is_symlink());
    assert_eq!(fmt(&["--check", "link.conf", "real.conf"], folder).status.code(), Some(0));
    let names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn one_bad_file_does_not_keep_the_others_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let bad = "global_defs {\n  router_id a\n";
    fs::write(folder.join("bad.conf"), bad).unwrap();
    fs::write(folder.join("good.conf"), UGLY).unwrap();
    let output = fmt(&["bad.conf", "none.conf", "good.conf"], folder);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("bad.conf:1:1") && text.contains("bad.conf: left as it is: 1 error"), "{text}");
    assert!(text.contains("cannot read none.conf: there is no such file"), "{text}");
    assert_eq!(fs::read_to_string(folder.join("bad.conf")).unwrap(), bad);
    assert_eq!(fs::read_to_string(folder.join("good.conf")).unwrap(), CANONICAL);
    assert_eq!(fmt(&["--chekc"], folder).status.code(), Some(2));
}

#[test]
fn standard_input() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.args(["config", "fmt", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(UGLY.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(0), CANONICAL.into()));
}
