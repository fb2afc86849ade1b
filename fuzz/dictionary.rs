//! Prints libFuzzer's dictionary: every keyword, and what the reader treats in a way of its own.

use std::collections::BTreeSet;

use directord::config::keywords;

fn main() {
    let own = [
        "{", "}", "\\\"", "#", "!", "\\\\", "$A", "${A}", "$A=", "$A=\\\\\\x0a", "${_PWD}", "${_RANDOM 1 9}", "@n ",
        "@^n ", "~SEQ(i,1,3)", "~LST(i,a,b)", "include ", "includea", "conf.d/*", "b$i", "\\x0a", "{\\x0a", "\\x0a}\\x0a",
        "10.0.0.1", "2001:db8::1", "192.168.100.240/24", "eth0", "TCP", "MASTER", "PASS", "#directord: allow(D1001)",
        "255", "4294967296", "-1", "0.5",
    ];
    let words: BTreeSet<&str> = keywords::all().map(|row| row.word()).chain(own).collect();
    for word in words {
        println!("\"{word}\"");
    }
}
