//! A configuration, dumped and read again, is the same configuration: other people's files, the golden inputs,
//! the examples, and the example of every keyword.
//!
//! The files of others are not part of the project: `support/corpus.rs` says where they are looked for.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use directord::config::diagnostic::{Code, Format, Severity};
use directord::config::dump::{self, Show};
use directord::config::format::format;
use directord::config::io::Disk;
use directord::config::keywords::{self, AbsentValue, examples};
use directord::config::model::Model;
use directord::config::source::Texts;
use directord::config::{Loaded, Options, load};

#[path = "support/corpus.rs"]
mod support;

/// Every way to show a model of which nothing is hidden.
const SHOWN: [Show; 2] = [Show { defaults: false, secrets: true }, Show { defaults: true, secrets: true }];

struct Input {
    name: String,
    loaded: Loaded,
}

fn options(config_id: &str) -> Options {
    Options { config_id: config_id.to_owned(), ..Options::default() }
}

fn text(name: &str, text: &str) -> Loaded {
    load(Path::new(name), &Texts::one(name, text), &options("lvs1"))
}

fn file(path: PathBuf, config_id: &str) -> Input {
    Input { name: path.display().to_string(), loaded: load(&path, &Disk, &options(config_id)) }
}

/// The files of a folder below the project.
fn folder(name: &str) -> Vec<Input> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|is| is == "conf" || is == "json"));
    paths.sort();
    assert!(!paths.is_empty(), "{name}");
    paths.into_iter().map(|path| file(path, "lvs1")).collect()
}

fn corpus() -> Vec<Input> {
    let Some(folder) = support::folder() else { return Vec::new() };
    support::rows(&folder).iter().map(|row| file(folder.join(row.get("file")), &row.config_id())).collect()
}

fn every_example() -> Vec<Input> {
    let example = |keyword| {
        let file = examples::file(keyword);
        Input { name: format!("example of {}\n{file}", keyword.path), loaded: text("example.conf", &file) }
    };
    keywords::all().map(example).collect()
}

/// The first lines in which two models differ.
fn difference(one: &Model, other: &Model) -> String {
    let (one, other) = (format!("{one:#?}"), format!("{other:#?}"));
    let (one, other): (Vec<&str>, Vec<&str>) = (one.lines().collect(), other.lines().collect());
    let first = one.iter().zip(&other).position(|(one, other)| one != other).unwrap_or(0);
    let from = first.saturating_sub(4);
    let part = |lines: &[&str]| lines.iter().skip(from).take(12).copied().collect::<Vec<_>>().join("\n");
    format!("line {first}\n{}\n-- and again:\n{}", part(&one), part(&other))
}

/// Errors and warnings. Which word has no effect yet depends on its spelling: there the number counts. `old`: an
/// old word was only said to be old, and its new one may be said to have no effect.
fn said(loaded: &Loaded, old: bool) -> BTreeSet<(Code, String)> {
    let mut without_effect = 0;
    let mut key = |code, message: &str| match code {
        Code::NotYet | Code::Old => {
            without_effect += 1;
            (Code::NotYet, without_effect.to_string())
        }
        // What is more than eight characters is not written again.
        _ if message.starts_with("`auth_pass` has") => (code, String::new()),
        _ => (code, message.to_owned()),
    };
    let counts = |severity, code| severity >= Severity::Warning || (old && code == Code::Old);
    let grave = loaded.diagnostics.iter().filter(|one| counts(one.severity, one.code));
    grave.map(|one| key(one.code, &one.message)).collect()
}

/// What is wrong when `dumped` is read as `name` instead of the original.
fn again(input: &Input, model: &Model, name: &str, dump: impl Fn(&Model) -> String) -> Option<String> {
    let dumped = &dump(model);
    let loaded = text(name, dumped);
    let fault = match &loaded.model {
        None => loaded.render(Format::Line, false),
        Some(again) if again != model => difference(model, again),
        Some(again) if dump(again) != *dumped => "the dump of the dump is another".to_owned(),
        Some(_) => {
            let before = said(&input.loaded, true);
            let new: Vec<_> = said(&loaded, false).into_iter().filter(|one| !before.contains(one)).collect();
            if new.is_empty() {
                return None;
            }
            format!("new: {new:?}")
        }
    };
    Some(format!("== {}, as {name}\n{fault}\n-- dumped:\n{dumped}", input.name))
}

fn schema() -> jsonschema::Validator {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema/directord.schema.json");
    let schema = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    jsonschema::draft202012::meta::validate(&schema).unwrap();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// The first place of a text that is not as the schema says.
fn against(schema: &jsonschema::Validator, json: &str) -> Option<String> {
    let value = serde_json::from_str(json).unwrap();
    let first = schema.iter_errors(&value).next()?;
    Some(format!("{}: {first}", first.instance_path()))
}

fn round_trips(inputs: &[Input]) {
    let mut wrong = Vec::new();
    let mut count = 0;
    let schema = schema();
    for input in inputs {
        let Some(model) = &input.loaded.model else { continue };
        count += 1;
        for show in SHOWN {
            wrong.extend(again(input, model, "dump.conf", |model| dump::conf(model, show)));
            let conf = dump::conf(model, show);
            let laid_out = format("dump.conf", conf.clone().into_bytes()).ok();
            if laid_out.as_ref() != Some(&conf) {
                wrong.push(format!(
                    "== {}\nanother layout than that of config fmt:\n{laid_out:?}",
                    input.name
                ));
            }
            wrong.extend(again(input, model, "dump.json", |model| dump::json(model, show)));
            for secrets in [true, false] {
                let json = dump::json(model, Show { secrets, ..show });
                wrong.extend(against(&schema, &json).map(|fault| format!("== {}\n{fault}", input.name)));
            }
        }
    }
    println!("{count} of {} inputs have a model", inputs.len());
    let faults = wrong.len();
    wrong.truncate(5);
    assert!(wrong.is_empty(), "{faults} faults, the first:\n{}", wrong.join("\n"));
}

#[test]
fn files_of_others() {
    round_trips(&corpus());
}

#[test]
fn golden_inputs_and_examples() {
    round_trips(&folder("tests/golden"));
    round_trips(&folder("tests/golden/json"));
    round_trips(&folder("tests/golden/pairs"));
    round_trips(&folder("conf-examples"));
}

/// An instance without an interface.
#[test]
fn instances_without_an_interface() {
    let instance = |name: &str, settings: &str| {
        format!(
            "vrrp_instance {name} {{\nvirtual_router_id 7\n{settings}\nvirtual_ipaddress {{\n10.0.0.9\n}}\n}}\n"
        )
    };
    let conf = [
        "vrrp_sync_group G {\ngroup {\nA\nB\nC\n}\n}\n".to_owned(),
        instance("B", "unicast_src_ip 10.0.0.1\nunicast_peer {\n10.0.0.2\n}")
            .replace("10.0.0.9", "10.0.0.9 dev eth1"),
        instance("A", "interface eth0"),
        instance("C", "interface eth0\nmcast_dst_ip 224.0.0.100"),
    ];
    let loaded = text("a.conf", &conf.concat());
    let model = loaded.model.as_ref().unwrap();
    let on: Vec<bool> = model.instances.iter().map(|one| one.interface.is_some()).collect();
    assert_eq!(on, [false, true, true]);
    round_trips(&[Input { name: "without an interface".to_owned(), loaded }]);
}

#[test]
fn the_schema_tells_right_from_wrong() {
    let schema = schema();
    let text = |name: &str| {
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name))
            .unwrap()
    };
    assert_eq!(against(&schema, &text("json/right.json")), None);
    for (wrong, place) in [("json/types.json", "/global_defs"), ("json/values.json", "/virtual_server/0")] {
        let value = serde_json::from_str(&text(wrong)).unwrap();
        let places: Vec<String> =
            schema.iter_errors(&value).map(|error| error.instance_path().to_string()).collect();
        assert!(places.iter().any(|found| found.starts_with(place)), "{wrong}: {places:?}");
    }
    let one = |member: &str| {
        format!(
            r#"{{"vrrp_instance": [{{"name": "A", "interface": "e", "virtual_router_id": 1, {member}}}]}}"#
        )
    };
    assert_eq!(against(&schema, &one(r#""priority": 255"#)), None);
    for wrong in [r#""priority": 256"#, r#""priority": "9""#, r#""prioriti": 9"#, r#""state": "MASTR""#] {
        assert!(against(&schema, &one(wrong)).is_some(), "{wrong}");
    }
}

/// Nothing that a dump hides is in it, and it is not read as if it were whole.
#[test]
fn secrets_are_hidden() {
    let conf = "SSL {\npassword s3cret\n}\n\
                vrrp_instance A {\ninterface eth0\nvirtual_router_id 1\nauthentication {\nauth_type PASS\n\
                auth_pass s3cret\n}\nvirtual_ipaddress {\n10.0.0.9\n}\n}\n\
                vrrp_instance B {\ninterface eth0\nvirtual_router_id 2\nauthentication {\nauth_type AH\n\
                auth_pass s3cret\n}\nvirtual_ipaddress {\n10.0.0.8\n}\n}\n\
                vrrp_instance C {\ninterface eth0\nvirtual_router_id 3\nvirtual_ipaddress {\n10.0.0.7\n}\nauth_hmac {\n\
                key 1 s3crets3crets3crets3crets3crets3crets\nactive_key 1\n}\n}\n";
    let loaded = text("a.conf", conf);
    let model = loaded.model.as_ref().unwrap();
    for defaults in [false, true] {
        let show = Show { defaults, secrets: false };
        for (name, dumped) in [("a.conf", dump::conf(model, show)), ("a.json", dump::json(model, show))] {
            assert!(!dumped.contains("s3cret") && dumped.matches(dump::HIDDEN).count() >= 4, "{dumped}");
            let again = text(name, &dumped);
            let hidden = again.diagnostics.iter().filter(|one| one.code == Code::Hidden).count();
            assert_eq!(hidden, 4, "{}", again.render(Format::Line, false));
        }
        let conf = dump::conf(model, show);
        assert!(conf.starts_with("# Secrets are hidden"), "{conf}");
    }
    round_trips(&[Input { name: "secrets".to_owned(), loaded }]);
}

#[test]
fn the_example_of_every_keyword() {
    round_trips(&every_example());
}

/// A default that the table shows is the one that counts: what a file does not set has it in the dump.
#[test]
fn defaults_of_the_table_are_those_of_the_model() {
    fn found(value: &serde_json::Value, path: &[&str], values: &mut Vec<serde_json::Value>) {
        match (value, path) {
            (serde_json::Value::Array(list), _) => list.iter().for_each(|one| found(one, path, values)),
            (value, []) => values.push(value.clone()),
            (value, [first, rest @ ..]) => {
                if let Some(inner) = value.get(first) {
                    found(inner, rest, values);
                }
            }
        }
    }
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for row in keywords::all().filter(|row| row.is_in_json() && !row.is_block()) {
        let default = match (row.absent().value, row.default().parse::<serde_json::Number>()) {
            (AbsentValue::Switch(on), _) if row.absent().is_plain() => serde_json::Value::Bool(on),
            (AbsentValue::Number(_), Ok(number)) => serde_json::Value::Number(number),
            _ => continue,
        };
        let Some(block) = keywords::all().find(|block| block.path == row.block()) else { continue };
        let file = examples::file(block);
        let sets = |line: &str| line.trim_start().split([' ', '\n']).next() == Some(row.word());
        let loaded = text("example.conf", &file);
        let Some(model) = loaded.model.as_ref().filter(|_| !file.lines().any(sets)) else { continue };
        let json = dump::json(model, Show { defaults: true, secrets: true });
        let path: Vec<&str> = row.path.split('/').collect();
        let mut values = Vec::new();
        found(&serde_json::from_str(&json).unwrap(), &path, &mut values);
        for value in values {
            seen += 1;
            let number = value.as_f64().is_some_and(|value| Some(value) == default.as_f64());
            let same = number || value == default || value.as_str() == Some(row.default().as_str());
            if !same {
                wrong.push(format!("{}: {value}, and the table says {default}", row.path));
            }
        }
    }
    assert!(wrong.is_empty() && seen > 30, "{seen} seen\n{}", wrong.join("\n"));
}

fn directord(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap()
}

#[test]
fn the_program() {
    let texts = |arguments: &[&str]| {
        let output = directord(arguments);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };
    let file = "conf-examples/seed-http.conf";
    let (status, conf, errors) = texts(&["config", "dump", "-f", file]);
    assert_eq!((status, &*errors), (0, ""));
    assert!(
        conf.starts_with("# Secrets are hidden") && conf.contains("auth_pass <hidden-by-directord>"),
        "{conf}"
    );
    assert!(!conf.contains("advert_int"), "{conf}");
    let (status, json, _) =
        texts(&["config", "dump", "-f", file, "--format", "json", "--defaults", "--secrets"]);
    assert_eq!(status, 0);
    assert!(json.contains("\"advert_int\": 1") && !json.contains(dump::HIDDEN), "{json}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pair.json");
    std::fs::write(&path, json).unwrap();
    let path = path.to_str().unwrap();
    let again = texts(&["config", "dump", "-f", path, "--secrets"]);
    assert_eq!(again, texts(&["config", "dump", "-f", file, "--secrets"]));
    assert_eq!(texts(&["--check", "-f", path]).0, 0);
    let (status, _, errors) = texts(&["config", "fmt", path]);
    assert!(status == 2 && errors.contains("is JSON, and left as it is"), "{errors}");

    for wrong in ["tests/golden/out-of-range.conf", "tests/golden/json/types.json"] {
        let (status, out, errors) = texts(&["config", "dump", "-f", wrong]);
        assert_eq!((status, &*out), (2, ""));
        assert!(errors.contains("error[D0015]") && errors.contains("not dumped"), "{errors}");
    }
    assert_eq!(texts(&["config", "dump", "--format", "xml"]).0, 2);
}
