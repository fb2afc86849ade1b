//! Commands and the accounts behind them.

use super::Word;
use super::block::{Block, plain};
use crate::config::model::{Account, Command, Fifo, Notify};

impl Block {
    /// `COMMAND [USER [[:]GROUP]]`.
    pub(super) fn command(&mut self, keyword: &str, command: Option<&Command>) {
        let Some(command) = command else { return };
        // `notify_deleted` alone.
        if command.arguments.is_empty() {
            self.words(keyword, []);
            return;
        }
        let words = std::iter::once(Word::Command(command.arguments.clone()));
        self.words(keyword, words.chain(command.account.iter().flat_map(account)));
    }

    /// A command whose account has a keyword of its own, `user`.
    pub(super) fn bare_command(&mut self, keyword: &str, command: &Command) {
        self.words(keyword, [Word::Command(command.arguments.clone())]);
        self.account("user", command.account.as_ref());
    }

    pub(super) fn account(&mut self, keyword: &str, given: Option<&Account>) {
        if let Some(given) = given {
            self.words(keyword, account(given));
        }
    }

    pub(super) fn fifo(&mut self, keyword: &str, fifo: Option<&Fifo>) {
        if let Some(fifo) = fifo {
            let path = std::iter::once(Word::Raw(fifo.path.clone()));
            self.words(keyword, path.chain(fifo.account.iter().flat_map(account)));
        }
    }

    pub(super) fn notify(&mut self, notify: &Notify) {
        self.command("notify_master", notify.master.as_ref());
        self.command("notify_backup", notify.backup.as_ref());
        self.command("notify_fault", notify.fault.as_ref());
        self.command("notify_stop", notify.stop.as_ref());
        self.command("notify_deleted", notify.deleted.as_ref());
        self.command("notify", notify.any.as_ref());
        self.command("notify_master_rx_lower_pri", notify.lower_priority.as_ref());
        self.given("notify_priority_changes", notify.priority_changes);
        self.given("smtp_alert", notify.smtp_alert);
    }
}

fn account(account: &Account) -> Vec<Word> {
    let mark = if account.supplementary { ":" } else { "" };
    let group = format!("{mark}{}", account.group.as_deref().unwrap_or(""));
    let mut words = vec![Word::Raw(account.user.clone())];
    if !group.is_empty() {
        words.push(Word::Raw(group));
    }
    words
}

/// `NUMBER`, and a second number behind `word`.
pub(super) fn option(word: &str, value: Option<impl ToString>) -> Vec<Word> {
    value.map_or(Vec::new(), |value| vec![plain(word), plain(value.to_string())])
}
