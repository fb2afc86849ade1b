//! PING of Redis, and of what speaks like it.

use super::talk::{Look, Protocol, line, unexpected};

/// `PING`, and what comes of it.
#[derive(Debug)]
pub(super) struct Redis;

/// It answers, and asks who is there: that a password is needed says that the server is up, and clients have it.
const ALIVE: [&[u8]; 2] = [b"-NOAUTH", b"-NOPERM"];

impl Protocol for Redis {
    fn opening(&mut self) -> Vec<u8> {
        b"PING\r\n".to_vec()
    }

    fn waits_for(&self) -> &'static str {
        "answer to PING"
    }

    fn look(&mut self, read: &[u8]) -> Look {
        let Some((line, _)) = line(read) else { return Look::More };
        let first = line.split(|byte| *byte == b' ').next().unwrap_or_default();
        match line == b"+PONG" || ALIVE.contains(&first) {
            true => Look::Up,
            false => unexpected("+PONG", line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::talk::tests::{asks, talk, verdict};
    use crate::config::model::ProtocolKind;

    fn says(answer: &str) -> Result<(), String> {
        verdict(ProtocolKind::Redis, &[answer.as_bytes()])
    }

    #[test]
    fn it_is_up_when_it_answers() {
        let (said, result) = talk(&asks(ProtocolKind::Redis), &[b"+PONG\r\n"]);
        assert_eq!((said, result), (vec![b"PING\r\n".to_vec()], Ok(())));
        assert_eq!(says("-NOAUTH Authentication required.\r\n"), Ok(()));
        assert_eq!(says("-NOPERM this user has no permissions to run the 'ping' command\r\n"), Ok(()));
    }

    #[test]
    fn it_is_down_when_it_says_so() {
        for line in [
            "-LOADING Redis is loading the dataset in memory",
            "-DENIED Redis is running in protected mode",
            "-ERR max number of clients reached",
            "-NOAUTHOR",
            "+OK",
            "",
            "HTTP/1.1 400 Bad Request",
        ] {
            let why = format!("answer to PING: expected +PONG, got `{line}`");
            assert_eq!(says(&format!("{line}\r\n")), Err(why));
        }
        let cut = "answer to PING: the connection closed before the answer ended: `+PON`";
        assert_eq!(says("+PON"), Err(cut.into()));
    }
}
