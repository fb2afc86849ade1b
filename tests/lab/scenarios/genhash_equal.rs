//! `directord genhash` gives the digest keepalived's genhash gives.

use super::Scenario;
use crate::lab::{Lab, Program};

pub const SCENARIOS: &[Scenario] = &[Scenario::new(
    "genhash_equal",
    "genhash: the digests of keepalived's for text, binary, empty and missing pages, a virtual host, TLS",
    run,
)];

fn run(lab: &Lab) {
    lab.rs1.serve_http(&[("index.html", "rs1\n"), ("empty", "")]);
    let mut random = fastrand::Rng::with_seed(1);
    let binary: Vec<u8> = (0..300_000).map(|_| random.u8(..)).collect();
    lab.rs1.page("binary", binary);
    let pages = [
        ("/", ""),
        ("/index.html", ""),
        ("/binary", ""),
        ("/empty", ""),
        ("/missing", ""),
        ("/", "-V www.other.example"),
        ("/", "-S"),
        ("/binary", "-S"),
        ("/", "-S -V www.other.example"),
    ];
    for (path, options) in pages {
        let [theirs, ours] = [Program::Keepalived, lab.program()]
            .map(|program| lab.genhash(program, "192.168.100.8", path, options));
        assert_eq!(ours, theirs, "{path} {options}: left ours, right keepalived's");
        crate::lab::say(&format!("{path} {options}: {ours}"));
    }
}
