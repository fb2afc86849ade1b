//! Commands: the second level of words, where single quotes and backslashes count.

use super::{Lower, arguments};
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::model::{Account, Command, Fifo, Notify};
use crate::config::source::Span;
use crate::config::split::split;
use crate::config::tree::{Node, Word};

impl Lower<'_> {
    /// `COMMAND [USER [[:]GROUP]]`.
    pub(super) fn command(&mut self, node: &Node<'_>) -> Option<Command> {
        let words = self.script_words(node);
        let Some((command, account)) = words.split_first() else {
            self.missing(node);
            return None;
        };
        let arguments = self.program(node, command)?;
        let account = account_of(account);
        if let Some(surplus) = sign(node).or_else(|| node.words.get(4).filter(|_| words.len() > 3)) {
            self.surplus(node, surplus);
        }
        Some(Command { arguments, account })
    }

    /// `COMMAND`, whose account is set elsewhere: further words are lost.
    pub(super) fn bare_command(&mut self, node: &Node<'_>) -> Option<Command> {
        let words = self.script_words(node);
        let Some((command, rest)) = words.split_first() else {
            self.missing(node);
            return None;
        };
        if let Some(sign) = sign(node) {
            self.surplus(node, sign);
        } else if let (Some(word), false) = (node.words.get(2), rest.is_empty()) {
            let message = "only the first word is the command";
            self.report(
                Diagnostic::warning(Code::SurplusArgument, word.span, message)
                    .label("ignored, as keepalived does")
                    .help("put the command with its arguments between double quotes"),
            );
        }
        let arguments = self.program(node, command)?;
        Some(Command { arguments, account: None })
    }

    fn program(&mut self, node: &Node<'_>, command: &str) -> Option<Vec<String>> {
        let arguments = split(command, true);
        if arguments.first().is_none_or(String::is_empty) {
            if let Some(word) = node.words.last() {
                self.report(Diagnostic::error(Code::BadName, word.span, "the command is empty"));
            }
            return None;
        }
        Some(arguments)
    }

    /// A setting that counts once: keepalived keeps the first and reports the second.
    pub(super) fn first<T>(&mut self, node: &Node<'_>, to: &mut Option<T>, value: Option<T>) {
        if to.is_none() {
            *to = value;
        } else if let Some(word) = node.words.first() {
            self.said_repeated = true;
            let message = format!("`{}` is set already", word.text);
            self.report(
                Diagnostic::warning(Code::Repeated, word.span, message)
                    .consequence("the first one counts, as in keepalived"),
            );
        }
    }

    /// `PATH [USER [[:]GROUP]]`.
    pub(super) fn fifo(&mut self, node: &Node<'_>) -> Option<Fifo> {
        let words = self.script_words(node);
        let Some((path, account)) = words.split_first() else {
            self.missing(node);
            return None;
        };
        if let Some(surplus) = sign(node).or_else(|| node.words.get(4).filter(|_| words.len() > 3)) {
            self.surplus(node, surplus);
        }
        Some(Fifo { path: path.clone(), account: account_of(account) })
    }

    /// `USER [[:]GROUP]`.
    pub(super) fn account(&mut self, node: &Node<'_>) -> Option<Account> {
        let words: Vec<String> = arguments(node).iter().map(|word| word.text.to_string()).collect();
        if let Some(surplus) = sign(node).or(node.words.get(3)) {
            self.surplus(node, surplus);
        }
        if words.is_empty() {
            self.missing(node);
        }
        account_of(&words)
    }

    /// `notify*` of an instance or a group. False: the word is none of them.
    pub(super) fn notify(&mut self, word: &str, node: &Node<'_>, notify: &mut Notify) -> bool {
        let to = match word {
            "notify_backup" => &mut notify.backup,
            "notify_master" => &mut notify.master,
            "notify_fault" => &mut notify.fault,
            "notify_stop" => &mut notify.stop,
            "notify_deleted" => &mut notify.deleted,
            "notify" => &mut notify.any,
            "notify_master_rx_lower_pri" => &mut notify.lower_priority,
            "notify_priority_changes" => {
                notify.priority_changes = self.boolean(node);
                return true;
            }
            "smtp_alert" => {
                notify.smtp_alert = self.boolean(node);
                return true;
            }
            _ => return false,
        };
        let bare = word == "notify_deleted" && arguments(node).is_empty();
        let command = if bare { Some(Command::default()) } else { self.command(node) };
        let mut held = to.take();
        self.first(node, &mut held, command);
        *to = held;
        true
    }

    /// The words behind the keyword: both kinds of quotes, which glue to what is beside them.
    pub(super) fn script_words(&self, node: &Node<'_>) -> Vec<String> {
        // Strings of JSON have no quotes.
        if self.sources.is_json() {
            return arguments(node).iter().map(|word| word.text.to_string()).collect();
        }
        split(&self.raw(arguments(node)), false)
    }

    /// The text of words as it was written, quotes included.
    pub(super) fn raw(&self, words: &[Word<'_>]) -> String {
        let Some((first, last)) = words.first().zip(words.last()) else { return String::new() };
        if first.span.source != last.span.source {
            let texts: Vec<&str> = words.iter().map(|word| word.text).collect();
            return texts.join(" ");
        }
        let text = self.sources.text_of(first.span.source);
        let quote = |at: usize| text.as_bytes().get(at) == Some(&b'"');
        let before = first.span.start.checked_sub(1).filter(|at| quote(*at as usize));
        let start = before.unwrap_or(first.span.start);
        let end = last.span.end + u32::from(quote(last.span.end as usize));
        self.sources.text(Span { start, end, ..first.span }).to_owned()
    }
}

/// A sign that other languages have between a keyword and its value; here it would be the program, or the user.
fn sign<'a, 't>(node: &'a Node<'t>) -> Option<&'a Word<'t>> {
    node.words.get(1).filter(|word| matches!(word.text, "=" | ":"))
}

fn account_of(words: &[String]) -> Option<Account> {
    let (user, group) = words.split_first()?;
    let group = group.first().map_or("", String::as_str);
    let (supplementary, group) = group.strip_prefix(':').map_or((false, group), |group| (true, group));
    let group = (!group.is_empty()).then(|| group.to_owned());
    Some(Account { user: user.clone(), group, supplementary })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_levels_of_words() {
        let first = split(r#""/opt/fo/up.sh 'two words' \"x y\" plain" opsuser :opsgroup"#, false);
        assert_eq!(first.len(), 3);
        let second = split(r"/opt/fo/up.sh 'two words' a\ b \x41\101\n", true);
        assert_eq!(second, ["/opt/fo/up.sh", "two words", "a b", "AA\n"]);
        let account = account_of(&first[1..]).unwrap();
        assert_eq!((account.group.as_deref(), account.supplementary), (Some("opsgroup"), true));
    }
}
