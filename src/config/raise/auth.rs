//! `authentication`, `auth_hmac`.

use super::Word;
use super::block::{Block, Written as _, plain};
use crate::config::model::{Authentication, Hmac, HmacKey, HmacMode};
use crate::text::hex;

impl Block {
    /// What is inside of the packet; see [`Self::hmac`] for what stands behind it.
    pub(super) fn authentication(&mut self, authentication: &Authentication) {
        let (kind, password) = match authentication {
            Authentication::Pass(bytes) => ("PASS", password(bytes)),
            Authentication::Ah(bytes) => ("AH", password(bytes)),
            Authentication::None | Authentication::Hmac(_) => return,
        };
        self.block(vec![plain("authentication")], |block| {
            block.set("auth_type", kind);
            block.words("auth_pass", [Word::Secret(password)]);
        });
    }

    pub(super) fn hmac(&mut self, hmac: &Hmac) {
        self.block(vec![plain("auth_hmac")], |block| {
            for (number, key) in &hmac.keys {
                let key = match key {
                    HmacKey::File(path) => plain(format!("file:{path}")),
                    HmacKey::Given(secret) => Word::Secret(key_text(&secret.0)),
                };
                block.words("key", [plain(number.written()), key]);
            }
            block.set("active_key", hmac.active);
            block.given("time_window", hmac.window);
            block.unless("anti_replay", if hmac.monotonic { "monotonic" } else { "time" }, "time");
            let mode = match hmac.mode {
                HmacMode::Enforce => "enforce",
                HmacMode::Permissive => "permissive",
                HmacMode::ReceiveOnly => "receive-only",
            };
            block.unless("mode", mode, "enforce");
        });
    }
}

/// The key as text when it is some, else in hexadecimal.
fn key_text(bytes: &[u8]) -> String {
    let printable = |text: &&str| text.chars().all(|c| c.is_ascii_graphic() && c != '"' && c != '$');
    match std::str::from_utf8(bytes).ok().filter(printable) {
        Some(text) if !text.starts_with("hex:") && !text.starts_with("file:") => text.to_owned(),
        _ => format!("hex:{}", hex(bytes)),
    }
}

/// A password whose first eight bytes are these. They may end within a character: it is made whole again.
fn password(bytes: &[u8; 8]) -> String {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
    let mut bytes = bytes.get(..end).unwrap_or_default().to_vec();
    for _ in 0..3 {
        let cut = std::str::from_utf8(&bytes).is_err_and(|error| error.error_len().is_none());
        if !cut {
            break;
        }
        // The second byte of a character has fewer choices than the others.
        let next = [0x80, 0x90, 0xa0].into_iter().find(|next| {
            let longer: Vec<u8> = bytes.iter().copied().chain([*next]).collect();
            std::str::from_utf8(&longer).map_or_else(|error| error.error_len().is_none(), |_| true)
        });
        bytes.extend(next);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_password_is_made_whole() {
        for text in [
            "secret",
            "eight888",
            "abcdefgé",
            "abcdef€x",
            "abcde😀xy",
            "abcdefg\u{fffd}",
            "********",
            "abcdef\u{800}",
        ] {
            let mut cut = [0; 8];
            cut.iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from);
            let whole = password(&cut);
            let mut again = [0; 8];
            again.iter_mut().zip(whole.bytes()).for_each(|(to, from)| *to = from);
            assert_eq!(again, cut, "{text}");
        }
    }
}
