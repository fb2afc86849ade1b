//! The table of words against what is made of it: examples, pages, reference, manual pages.
//!
//! `BLESS=1 cargo test --test reference` writes the reference and the manual pages again.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use directord::cli::manual;
use directord::config::diagnostic::{Code, Format, PAGES, Severity};
use directord::config::keywords::{self, Status, examples};
use directord::config::source::Texts;
use directord::config::{Loaded, Options, load, reference};

fn load_text(text: &str) -> Loaded {
    let options = Options { config_id: "lvs1".into(), ..Options::default() };
    load(Path::new("example.conf"), &Texts::one("example.conf", text), &options)
}

#[test]
fn every_example_is_accepted() {
    let mut wrong = Vec::new();
    for keyword in keywords::all() {
        let statement = examples::statement(keyword);
        let word = keyword.word().trim_matches(['<', '>', '$', '{', '}', '=', '@', '^']);
        let data = keyword.word().contains(['<', '@', '$']);
        if !data && !statement.contains(word) {
            wrong.push(format!("{}: the word is not in its example: {statement}", keyword.path));
        }
        let file = examples::file(keyword);
        let loaded = load_text(&file);
        let language = keyword.path.starts_with("(language)") && keyword.status != Status::Implemented;
        let never = keyword.range().contains("always an error");
        if !loaded.has_errors() || matches!(keyword.status, Status::LeftOut(_)) || language || never {
            continue;
        }
        let refused = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
        // A block that is refused is refused with all that stands in it; the included files are not here.
        let include = keyword.path.starts_with("(language)/include");
        if refused.clone().all(|one| one.code == Code::LeftOut || include && one.code == Code::Include) {
            continue;
        }
        wrong.push(format!("{}\n{file}{}", keyword.path, loaded.render(Format::Line, false)));
    }
    assert!(wrong.is_empty(), "{} examples:\n{}", wrong.len(), wrong.join("\n"));
}

/// The codes in the source of the enum: one that is added there needs a page.
#[test]
fn every_code_has_a_page() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/diagnostic.rs");
    let text = fs::read_to_string(source).unwrap();
    let body = text.split("pub enum Code {").nth(1).unwrap().split("\n}").next().unwrap();
    let numbers: Vec<u16> = body
        .lines()
        .filter_map(|line| line.split(" = ").nth(1))
        .map(|number| number.trim_end_matches(',').parse().unwrap())
        .collect();
    assert!(numbers.len() > 25);
    for number in &numbers {
        let code = Code::named(&format!("D{number:04}"));
        let page = code.and_then(reference::code).unwrap_or_else(|| panic!("D{number:04} has no page"));
        narrow(&page);
    }
    assert_eq!(numbers.len(), PAGES.len());
}

/// The example of a code gets the code, and the mended one does not.
#[test]
fn the_examples_of_codes_are_right() {
    for page in PAGES.iter() {
        let codes = |text: &str| load_text(text).diagnostics.iter().map(|one| one.code).collect::<Vec<_>>();
        if !page.wrong.is_empty() {
            assert!(codes(page.wrong).contains(&page.code), "{}: {:?}", page.code, codes(page.wrong));
        }
        if !page.right.is_empty() {
            let loaded = load_text(page.right);
            assert!(!codes(page.right).contains(&page.code), "{}", page.code);
            assert!(!loaded.has_errors(), "{}: {}", page.code, loaded.render(Format::Line, false));
        }
    }
}

fn narrow(page: &str) {
    for line in page.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line.trim_end(), line);
    }
}

#[test]
fn every_word_has_a_page() {
    for keyword in keywords::all() {
        let page = reference::keyword(keyword.word()).unwrap();
        narrow(&page);
        assert!(reference::keyword(keyword.path).is_some());
    }
    let weight = reference::keyword("weight").unwrap();
    for block in ["virtual_server > real_server\n", "virtual_server\n", "vrrp_script\n", "bfd_instance\n"] {
        assert!(weight.contains(block), "{weight}");
    }
    assert!(reference::keyword("wieght").is_none());
    assert_eq!(reference::near("wieght")[0], "weight");
    assert!(reference::near("garp").contains(&"garp_group".to_owned()));
    assert!(reference::near("D0051").contains(&"D0001".to_owned()) || !reference::near("D0051").is_empty());
    assert!(reference::near("quite-something-else").is_empty());
}

/// README with the numbers of words that the table has.
fn readme() -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (start, rest) = text.split_once("\nOf the ").unwrap();
    let (_, rest) = rest.split_once(" are implemented").unwrap();
    let (implemented, words) = reference::count();
    format!("{start}\nOf the {words} words of the language, {implemented} are implemented{rest}")
}

#[test]
fn the_reference_is_the_table() {
    let bless = std::env::var_os("BLESS").is_some();
    let mut different = Vec::new();
    let made = [
        ("README.md", readme()),
        ("docs/keywords.md", reference::markdown()),
        ("docs/man/directord.conf.5", reference::man()),
        ("docs/man/directord.8", manual::man()),
        ("docs/schema/directord.schema.json", reference::schema()),
    ];
    for (name, text) in made {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        if bless {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != text {
            different.push(name);
        }
    }
    assert!(different.is_empty(), "BLESS=1 cargo test --test reference writes {different:?}");
}
