//! Passwords and keys: where they stand in a text, and no word of them in a diagnostic.
//!
//! [`in_conf`] and [`in_json`] find them, also in statements that are wrong; [`hide`] takes them out of what is said.

mod conf;
mod hide;
mod json;

pub(super) use conf::in_conf;
pub(super) use hide::hide;
pub(super) use json::{SECRETS, in_json};

use super::keywords;

/// Whether the words behind this one are a password.
pub(super) fn announces(word: &str) -> bool {
    match word.as_bytes() {
        // Of files as with `smtp_login`.
        [b'a', ..] => word.starts_with("auth_pas") || matches!(word, "auth_basic_file" | "auth_bearer_file"),
        // Keys of programs go in headers.
        [b'h', ..] => word == "header",
        [b'p', ..] => word == "password",
        // Whoever writes the password itself in the place of its file.
        [b's', ..] => word == "smtp_login",
        // Its path may be the secret, or a password that does not belong there.
        [b'w', ..] => word == "webhook",
        // Behind a sign: `//auth_pass`.
        [first, ..] if !first.is_ascii_alphanumeric() => word.contains("auth_pas"),
        _ => false,
    }
}

/// `auht_pass`: what follows is a password all the same.
pub(super) fn is_nearly(word: &str) -> bool {
    // Most words are too short, too long or too different, which is soon seen.
    let has = |letter: u8| word.bytes().any(|byte| byte.eq_ignore_ascii_case(&letter));
    (5..=12).contains(&word.len())
        && has(b's')
        && has(b'p')
        && word.starts_with(|first: char| first.is_ascii_alphabetic())
        && keywords::places(word).is_empty()
        && keywords::closest(word, ["auth_pass", "password"].into_iter()).is_some()
}
