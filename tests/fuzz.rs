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

fn seeds_and_mutations(number: usize) {
    let (name, target) = targets::TARGETS[number];
    let seeds = seeds();
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
