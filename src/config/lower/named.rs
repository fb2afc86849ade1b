//! `check NAME`: defined once at the top of the file, and used by name in real servers, above or below.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::checkers::CheckDraft;
use super::tls::{TlsDraft, is_demand};
use super::track::Names;
use super::{Lower, arguments, inside};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Conversation, NamedCheck, ProbeKind, ProtocolKind, Turn, unescape};
use crate::config::source::Span;
use crate::config::tree::{Node, Word};

/// What the block of a check says of what is asked.
#[derive(Default)]
struct Said {
    protocol: Option<ProtocolKind>,
    tls: bool,
    demands: TlsDraft,
    turns: Vec<(Turn, Span)>,
    /// A part of it was wrong, and that is reported.
    damaged: bool,
}

impl Lower<'_> {
    /// Reads the definitions, so that real servers above them can use them.
    pub(super) fn named_checks(&mut self, tree: &[Node<'_>], names: &mut Names) -> Vec<NamedCheck> {
        let mut checks = Vec::new();
        for node in tree.iter().filter(|node| node.keyword.is_some_and(|row| row.path == "check")) {
            let Some(name) = self.block_name(node) else { continue };
            if let Some(span) = arguments(node).first().map(|word| word.span)
                && let Some(first) = names.checks.get(&name).filter(|first| **first != span)
            {
                let message = format!("`check {name}` is defined twice");
                self.report(
                    Diagnostic::error(Code::Duplicate, span, message)
                        .related(*first, "first defined here")
                        .consequence("it would not be clear which of them a real server means")
                        .help("give one of them another name"),
                );
                continue;
            }
            if let Some((check, draft)) = self.within(node, |lower| lower.named_check(node, &name)) {
                checks.push(check);
                names.defined.insert(name, draft);
            }
        }
        checks
    }

    fn named_check(&mut self, node: &Node<'_>, name: &str) -> Option<(NamedCheck, CheckDraft)> {
        let mut said = Said::default();
        let mut draft = CheckDraft::new("check", node.span());
        self.each(inside(node), |lower, word, node| match word {
            "protocol" => {
                said.protocol = lower.one(node).and_then(|word| lower.choice(word, &ProtocolKind::ALL));
                said.damaged |= said.protocol.is_none();
            }
            "tls" => said.tls = lower.flag(node),
            word if is_demand(word) => lower.tls_setting(word, node, &mut said.demands),
            "send" | "expect" => match lower.turn(word, node) {
                Some(turn) => said.turns.push(turn),
                None => said.damaged = true,
            },
            _ => lower.check_setting(word, node, &mut draft),
        });
        self.one_fall(&draft);
        let asks = Arc::new(self.conversation(node, name, said)?);
        draft.kind = Some(ProbeKind::Named(Arc::clone(&asks)));
        Some((draft.settings(asks), draft))
    }

    /// `None`: it asks nothing, or is wrong otherwise, and that is reported.
    fn conversation(&mut self, node: &Node<'_>, name: &str, said: Said) -> Option<Conversation> {
        if said.damaged {
            return None;
        }
        let protocol = said.protocol.unwrap_or_default();
        let expects = said.turns.iter().any(|(turn, _)| matches!(turn, Turn::Expect(_)));
        if let Some((_, span)) = said.turns.first().filter(|_| protocol != ProtocolKind::Tcp) {
            let message = format!("`protocol {}` has a dialogue of its own", protocol.name());
            self.report(
                Diagnostic::error(Code::Conflict, *span, message)
                    .expected("`send` and `expect` with `protocol tcp` alone")
                    .consequence("it would never be said")
                    .help("delete the line, or the one with `protocol`"),
            );
            return None;
        }
        if protocol == ProtocolKind::Tcp && !expects && !said.tls {
            let (message, help) = match (&said.protocol, said.turns.is_empty()) {
                (None, true) => (
                    format!("`check {name}` asks nothing"),
                    "add `protocol redis`, or `send` and `expect`; TCP_CHECK sees whether a port is open",
                ),
                _ => (
                    format!("`check {name}` expects nothing"),
                    "add `expect \"TEXT\"`; TCP_CHECK sees whether a port is open",
                ),
            };
            self.required(node, message, help);
            return None;
        }
        if let Some((word, span)) = said.demands.first().filter(|_| !said.tls) {
            let message = format!("`{word}` without `tls`");
            self.report(
                Diagnostic::error(Code::Required, span, message)
                    .consequence("no certificate would be looked at: the check speaks no TLS")
                    .help("add `tls`"),
            );
            return None;
        }
        let turns = self.in_turn(said.turns)?;
        let demands = self.whole_tls(said.demands, true);
        Some(Conversation { name: name.to_owned(), protocol, tls: said.tls, demands, turns })
    }

    /// One after the other; members of JSON have no order between them, so there the longer list begins, or that which
    /// stands first.
    fn in_turn(&mut self, turns: Vec<(Turn, Span)>) -> Option<Vec<Turn>> {
        let is_send = |turn: &Turn| matches!(turn, Turn::Send(_));
        if !self.sources.is_json() {
            let twice = turns.windows(2).find_map(|pair| match pair {
                [(one, _), (other, span)] if is_send(one) == is_send(other) => Some((is_send(one), *span)),
                _ => None,
            });
            if let Some((send, span)) = twice {
                let (word, other) = if send { ("send", "expect") } else { ("expect", "send") };
                let message = format!("two `{word}` without `{other}` between them");
                let help = match send {
                    true => "write both texts into one `send`",
                    false => "an `expect` waits for text that follows: write what comes last, or all of it",
                };
                self.report(
                    Diagnostic::error(Code::Conflict, span, message)
                        .expected("`send` and `expect` in turn")
                        .help(help),
                );
                return None;
            }
        }
        let begins = turns.first().is_some_and(|(turn, _)| is_send(turn));
        let last = turns.last().map(|(_, span)| *span);
        let (sends, expects): (Vec<Turn>, Vec<Turn>) =
            turns.into_iter().map(|(turn, _)| turn).partition(is_send);
        if let Some(span) = last.filter(|_| sends.len().abs_diff(expects.len()) > 1) {
            let message = format!("{} of `send` and {} of `expect`", sends.len(), expects.len());
            self.report(
                Diagnostic::error(Code::Conflict, span, message)
                    .expected("`send` and `expect` in turn: as many of each, or one more of those that begin")
                    .help("write two texts that follow each other into one"),
            );
            return None;
        }
        let begins = if sends.len() == expects.len() { begins } else { sends.len() > expects.len() };
        let count = sends.len() + expects.len();
        let (first, second) = if begins { (sends, expects) } else { (expects, sends) };
        let mut second = second.into_iter();
        let mut all = Vec::with_capacity(count);
        for turn in first {
            all.push(turn);
            all.extend(second.next());
        }
        all.extend(second);
        Some(all)
    }

    /// The text of `send` or `expect`.
    fn turn(&mut self, word: &str, node: &Node<'_>) -> Option<(Turn, Span)> {
        let text = self.one(node)?;
        let bytes = match unescape(text.text) {
            Ok(bytes) if bytes.is_empty() => {
                self.report(
                    Diagnostic::error(Code::BadName, text.span, format!("the text of `{word}` is empty"))
                        .expected("one character or more"),
                );
                return None;
            }
            Ok(bytes) => bytes,
            Err(escape) => {
                let message = format!("`{escape}` is no escape of `{word}`");
                self.report(
                    Diagnostic::error(Code::BadName, text.span, message)
                        .expected(r"\r, \n, \t, \xHH with two hexadecimal digits, \\ for a backslash"),
                );
                return None;
            }
        };
        Some((if word == "send" { Turn::Send(bytes) } else { Turn::Expect(bytes) }, text.span))
    }

    /// `check NAME` in a real server.
    pub(super) fn use_check(&mut self, node: &Node<'_>, names: &Names, list: &mut Vec<CheckDraft>) {
        if node.body.is_some() {
            return;
        }
        let Some(name) = self.one(node) else { return };
        match names.defined.get(name.text) {
            Some(defined) => list.push(CheckDraft::new("check", node.span()).inside(defined)),
            // What is wrong with its definition is reported.
            None if names.checks.contains_key(name.text) => {}
            None => self.no_such_check(name, &names.checks),
        }
    }

    fn no_such_check(&mut self, name: &Word<'_>, known: &BTreeMap<String, Span>) {
        let message = format!("there is no `check {}`", name.text);
        let diagnostic = Diagnostic::error(Code::Undefined, name.span, message)
            .consequence("the real server would not be checked");
        let near = self.near(name.text, known);
        self.report(match near {
            Some(near) => diagnostic.help(format!("did you mean `{near}`?")).fix(name.span, near),
            None => diagnostic
                .help(format!("define it outside of the virtual servers: `check {} {{ … }}`", name.text)),
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::diagnostic::Severity;
    use crate::config::model::Checker;
    use crate::config::source::Texts;
    use crate::config::{Loaded, Options, load};

    fn read(name: &str, text: &str) -> Loaded {
        load(Path::new(name), &Texts::one(name, text), &Options::default())
    }

    fn server(settings: &str, real: &str) -> String {
        format!(
            "virtual_server 10.0.0.1 6379 {{\nprotocol TCP\nlb_algo rr\nlb_kind NAT\n{settings}\n\
             real_server 10.0.0.2 6379 {{\n{real}\n}}\n}}\n"
        )
    }

    fn checkers(text: &str) -> Vec<Checker> {
        let loaded = read("t", text);
        let said: Vec<_> = loaded.diagnostics.iter().map(|one| one.message.clone()).collect();
        assert!(said.is_empty(), "{said:?}");
        loaded.model.unwrap().virtual_servers[0].real_servers[0].checkers.clone()
    }

    fn turns(text: &str) -> Result<Vec<Turn>, String> {
        let file = format!("check a {{\n{text}\n}}\n");
        let loaded = read("t", &file);
        let wrong = loaded.diagnostics.iter().find(|one| one.severity == Severity::Error);
        match wrong {
            Some(wrong) => Err(wrong.message.clone()),
            None => Ok(loaded.model.unwrap().checks[0].asks.turns.clone()),
        }
    }

    fn send(text: &str) -> Turn {
        Turn::Send(text.as_bytes().to_vec())
    }

    fn expect(text: &str) -> Turn {
        Turn::Expect(text.as_bytes().to_vec())
    }

    #[test]
    fn a_check_is_used_above_and_below_its_definition() {
        let defined = "check cache {\nprotocol redis\nconnect_port 16379\nretry 4\ndelay_loop 9\n}\n";
        let uses = server("delay_loop 5\ndelay_before_retry 2", "connect_timeout 3\ncheck cache");
        let above = checkers(&format!("{uses}{defined}"));
        assert_eq!(checkers(&format!("{defined}{uses}")), above);
        let [check] = above.as_slice() else { panic!("{above:?}") };
        let connect = check.probe.connect.as_ref().unwrap();
        assert_eq!((connect.to.to_string(), connect.timeout.as_secs()), ("10.0.0.2:16379".into(), 3));
        let timing = &check.timing;
        assert_eq!(
            (timing.delay_loop.as_secs(), timing.retry, timing.delay_before_retry.as_secs()),
            (9, 4, 2)
        );
        assert_eq!(check.probe.kind.title(), "check cache");
    }

    #[test]
    fn the_table_knows_every_protocol() {
        let row = crate::config::keywords::all().find(|row| row.path == "check/protocol").unwrap();
        let words: Vec<&str> = row.choices().into_iter().map(|(word, _)| word).collect();
        assert_eq!(words, ProtocolKind::ALL.map(|(word, _)| word));
    }

    #[test]
    fn a_real_server_may_have_several() {
        let list = checkers(&format!(
            "check a {{\nprotocol redis\n}}\ncheck b {{\ntls\n}}\n{}",
            server("", "check b\nTCP_CHECK {\n}\ncheck a")
        ));
        let titles: Vec<_> = list.iter().map(|check| check.probe.kind.title()).collect();
        assert_eq!(titles, ["check b", "check a", "TCP_CHECK"]);
    }

    #[test]
    fn texts_stand_in_turn() {
        assert_eq!(turns("send \"a\\r\\n\"\nexpect b"), Ok(vec![send("a\r\n"), expect("b")]));
        let three = Ok(vec![expect("220"), send("QUIT"), expect("221")]);
        assert_eq!(turns("expect 220\nsend QUIT\nexpect 221"), three);
        let wrong = |text: &str| turns(text).unwrap_err();
        assert_eq!(wrong("send a\nsend b\nexpect c"), "two `send` without `expect` between them");
        assert_eq!(wrong("send a\nexpect b\nexpect c"), "two `expect` without `send` between them");
        assert_eq!(wrong("send a"), "`check a` expects nothing");
        assert_eq!(wrong("protocol tcp"), "`check a` expects nothing");
        assert_eq!(wrong("delay_loop 3"), "`check a` asks nothing");
        assert_eq!(wrong("expect \"\""), "the text of `expect` is empty");
        assert_eq!(wrong("expect a\\q"), "`\\q` is no escape of `expect`");
        assert_eq!(wrong("protocol redis\nexpect a"), "`protocol redis` has a dialogue of its own");
        assert_eq!(turns("tls"), Ok(vec![]));
    }

    #[test]
    fn members_of_json_are_put_in_turn() {
        let turns = |members: &str| {
            let file = format!(r#"{{"check":[{{"name":"a",{members}}}]}}"#);
            read("t.json", &file).model.unwrap().checks[0].asks.turns.clone()
        };
        let both = [send("a"), expect("b"), send("c"), expect("d")];
        assert_eq!(turns(r#""send":["a","c"],"expect":["b","d"]"#), both);
        assert_eq!(turns(r#""expect":["a","c"],"send":["b"]"#), [expect("a"), send("b"), expect("c")]);
        assert_eq!(turns(r#""expect":["a"],"send":["b"]"#), [expect("a"), send("b")]);
        assert_eq!(turns(r#""expect":["b"],"send":["a","c"]"#), [send("a"), expect("b"), send("c")]);
        for members in [r#""expect":["220","ready"]"#, r#""send":["x"],"expect":["a","b","c"]"#] {
            let loaded = read("t.json", &format!(r#"{{"check":[{{"name":"a",{members}}}]}}"#));
            assert!(loaded.diagnostics.iter().any(|one| one.code == Code::Conflict), "{members}");
        }
    }

    #[test]
    fn rise_is_kept_and_fall_is_retry() {
        let check = |words: &str| read("t", &format!("check a {{\nprotocol redis\n{words}\n}}\n"));
        assert_eq!(check("rise 3").model.unwrap().checks[0].rise, Some(3));
        assert_eq!(check("fall 3").model.unwrap().checks[0].retry, Some(2));
        assert!(check("fall 3\nretry 2").diagnostics.iter().any(|one| one.code == Code::Conflict));
    }

    #[test]
    fn a_name_that_is_not_there_or_is_there_twice_is_an_error() {
        let said = |text: &str| {
            let loaded = read("t", text);
            let errors = loaded.diagnostics.iter().filter(|one| one.severity == Severity::Error);
            errors.map(|one| (one.message.clone(), one.help.clone().unwrap_or_default())).collect::<Vec<_>>()
        };
        let cache = "check cache {\nprotocol redis\n}\n";
        let near = said(&format!("{cache}{}", server("", "check cahce")));
        assert_eq!(near, [("there is no `check cahce`".into(), "did you mean `cache`?".into())]);
        let none = said(&server("", "check cache"));
        assert_eq!(none.len(), 1);
        assert!(none[0].1.starts_with("define it outside of the virtual servers"), "{none:?}");
        let twice = said(&format!("{cache}{}{cache}", server("", "check cache")));
        assert_eq!(twice.len(), 1);
        assert_eq!(twice[0].0, "`check cache` is defined twice");
        // What is wrong with a definition is said once, and not where it is used.
        assert_eq!(said(&format!("check cache {{\n}}\n{}", server("", "check cache"))).len(), 1);
    }
}
