//! `send` and `expect` of a `check NAME`: texts of the administrator, in turn.

use crate::check::Failure;
use crate::config::model::Turn;

use super::talk::{LONGEST, Look, Protocol, shown};

/// What is to be said and expected still.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Last first.
    left: Vec<Turn>,
    /// So many bytes were looked through for what is expected.
    searched: usize,
}

impl Exchange {
    pub(super) fn new(turns: &[Turn]) -> Self {
        Self { left: turns.iter().rev().cloned().collect(), searched: 0 }
    }

    /// What is said next, when it is its turn.
    fn say(&mut self) -> Option<Vec<u8>> {
        let turn = self.left.pop_if(|turn| matches!(turn, Turn::Send(_)))?;
        let (Turn::Send(bytes) | Turn::Expect(bytes)) = turn;
        Some(bytes)
    }
}

impl Protocol for Exchange {
    fn opening(&mut self) -> Vec<u8> {
        self.say().unwrap_or_default()
    }

    fn waits_for(&self) -> &'static str {
        "answer"
    }

    fn look(&mut self, read: &[u8]) -> Look {
        let Some(Turn::Expect(expected)) = self.left.last() else {
            return self.say().map_or(Look::Up, |bytes| Look::Say(bytes, 0));
        };
        // A part of it may stand at the end of what was looked through.
        let from = self.searched.saturating_sub(expected.len().saturating_sub(1));
        let unread = read.get(from..).unwrap_or_default();
        let at = unread.windows(expected.len().max(1)).position(|piece| piece == expected.as_slice());
        let Some(at) = at else {
            if read.len() >= LONGEST {
                let expected = format!("{} within {LONGEST} bytes", shown(expected));
                return Look::Fails(Failure::Unexpected { expected, got: shown(read) });
            }
            self.searched = read.len();
            return Look::More;
        };
        let used = from + at + expected.len();
        self.searched = 0;
        self.left.pop();
        match self.say() {
            Some(bytes) => Look::Say(bytes, used),
            None if self.left.is_empty() => Look::Up,
            // There is nothing to say, and something to wait for.
            None => Look::Say(Vec::new(), used),
        }
    }

    fn ended(&self, read: &[u8]) -> Failure {
        let expected = match self.left.last() {
            Some(Turn::Expect(bytes) | Turn::Send(bytes)) => format!("an answer with {}", shown(bytes)),
            None => "nothing".to_owned(),
        };
        Failure::Unexpected { expected, got: shown(read) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::tests::{asks, talk};
    use super::*;
    use crate::config::model::{Conversation, ProtocolKind};

    fn script(turns: &[(bool, &str)]) -> Conversation {
        let turn = |(sends, text): &(bool, &str)| match sends {
            true => Turn::Send(text.as_bytes().to_vec()),
            false => Turn::Expect(text.as_bytes().to_vec()),
        };
        Conversation { turns: turns.iter().map(turn).collect(), ..asks(ProtocolKind::Tcp) }
    }

    fn texts(said: Vec<Vec<u8>>) -> Vec<String> {
        said.into_iter().map(|bytes| String::from_utf8(bytes).unwrap()).collect()
    }

    #[test]
    fn texts_are_sent_and_expected_in_turn() {
        let asks = script(&[(false, "220"), (true, "NOOP\r\n"), (false, "250"), (true, "QUIT\r\n")]);
        let (said, result) = talk(&asks, &[b"220 hello 2\r\n", b"250 fine\r\n"]);
        assert_eq!((texts(said), result), (vec!["NOOP\r\n".into(), "QUIT\r\n".into()], Ok(())));
        let (_, early) = talk(&asks, &[b"220 hello\r\n250 said before it was asked"]);
        assert_eq!(early, Ok(()));
        let (said, result) = talk(&asks, &[b"220 hello 250", b"251"]);
        assert_eq!(
            texts(said),
            ["NOOP\r\n", "QUIT\r\n"],
            "what follows the expected text is the next answer's"
        );
        assert_eq!(result, Ok(()));
    }

    #[test]
    fn each_expected_text_is_waited_for() {
        let asks = script(&[(false, "220"), (false, "ready")]);
        assert!(talk(&asks, &[b"220 starting"]).1.is_err());
        assert_eq!(talk(&asks, &[b"220 ready"]).1, Ok(()));
    }

    #[test]
    fn an_expected_text_may_begin_anywhere() {
        let asks = script(&[(true, "x"), (false, "aab")]);
        assert_eq!(talk(&asks, &[b"aaaab"]).1, Ok(()));
        assert_eq!(talk(&asks, &[b"--aa", b"b--"]).1, Ok(()));
        let other = talk(&asks, &[b"aaa\r\n"]).1;
        assert_eq!(other, Err("answer: expected an answer with `aab`, got `aaa`".into()));
    }

    #[test]
    fn the_text_must_come_within_bounds() {
        let asks = script(&[(false, "end")]);
        let padded = |count: usize| [vec![b'-'; count], b"end".to_vec()].concat();
        assert_eq!(talk(&asks, &[&padded(16 * 1024 - 3)]).1, Ok(()));
        let long = talk(&asks, &[&padded(16 * 1024 - 2)]).1.unwrap_err();
        assert!(long.starts_with("answer: expected `end` within 16384 bytes, got `----"), "{long}");
    }

    #[test]
    fn without_any_text_the_connection_is_enough() {
        assert_eq!(talk(&script(&[]), &[]), (vec![], Ok(())));
        let (said, result) = talk(&script(&[(true, "hello")]), &[]);
        assert_eq!((texts(said), result), (vec!["hello".into()], Ok(())));
    }
}
