//! Lines of `virtual_rules` and `static_rules`.

use super::Lower;
use super::option::{Line, c_number};
use super::track::Names;
use crate::config::diagnostic::{Code, Diagnostic};
use crate::config::keywords;
use crate::config::model::{Family, Named, Rule, RuleAction};
use crate::config::tree::{Node, Word};

impl Lower<'_> {
    /// One line; `names` are those of static entries.
    pub(super) fn rule(&mut self, node: &Node<'_>, names: Option<&Names>) -> Option<Rule> {
        let mut line = Line::new(node.words, "(RULE)");
        let mut rule = Rule::default();
        let mut actions = 0;
        let mut wrong = false;
        while let Some(word) = line.next() {
            if let Some(keyword) = keywords::line_option("(RULE)", word.text) {
                self.status(keyword, word.span);
            }
            match word.text {
                "type" => {}
                "table" | "lookup" | "goto" | "l3mdev" | "nop" | "blackhole" | "unreachable" | "prohibit" => {
                    actions += 1;
                    if actions > 1 {
                        let message = "a rule does one thing";
                        self.report(Diagnostic::error(Code::Conflict, word.span, message));
                    }
                    let action = self.rule_action(word, &mut line);
                    wrong |= action.is_none();
                    rule.action = action;
                }
                "track_group" => rule.track_group = self.track_group_option(&mut line, names),
                _ => {
                    if !self.rule_option(word, &mut line, &mut rule) {
                        self.unknown_option_of("(RULE)", word, "a rule");
                        return None;
                    }
                }
            }
        }
        let span = node.span()?;
        if rule.action.is_none() && !wrong {
            let message = "the rule does nothing";
            let help = "add `table NUMBER`, or `blackhole`, `unreachable`, `prohibit`, `goto NUMBER`";
            self.report(Diagnostic::error(Code::Required, span, message).help(help));
            return None;
        }
        if let (Some(RuleAction::Goto(target)), Some(own)) = (&rule.action, rule.preference)
            && own >= *target
        {
            let message = format!("rule {own} cannot jump back to {target}");
            self.report(Diagnostic::error(Code::Conflict, span, message));
        }
        (!wrong).then_some(rule)
    }

    fn rule_action(&mut self, word: &Word<'_>, line: &mut Line<'_, '_>) -> Option<RuleAction> {
        Some(match word.text {
            "table" | "lookup" => {
                let table = self.named_option(line)?;
                if table == Named::Number(0) {
                    let message = "there is no table 0";
                    self.report(Diagnostic::error(Code::OutOfRange, word.span, message));
                    return None;
                }
                RuleAction::Table(table)
            }
            "goto" => RuleAction::Goto(self.number_option(line, "goto")?),
            "l3mdev" => RuleAction::L3mdev,
            "nop" => RuleAction::Nop,
            "blackhole" => RuleAction::Blackhole,
            "unreachable" => RuleAction::Unreachable,
            _ => RuleAction::Prohibit,
        })
    }

    /// False: the word is no option.
    fn rule_option(&mut self, word: &Word<'_>, line: &mut Line<'_, '_>, rule: &mut Rule) -> bool {
        match word.text {
            "from" => {
                rule.from = self.value(line).and_then(|word| self.net(word, &mut rule.family)).flatten()
            }
            "to" => rule.to = self.value(line).and_then(|word| self.net(word, &mut rule.family)).flatten(),
            "inet" | "inet6" => {
                rule.family = Family::from_word(word.text);
                let consequence = "keepalived loses the word behind it";
                self.portable(word.span, "the address family is read as a word of its own", consequence);
            }
            "not" => rule.invert = true,
            "preference" | "order" | "priority" => {
                rule.preference = self.number_option(line, word.text);
            }
            "tos" | "dsfield" => rule.tos = self.named_option(line),
            "fwmark" => rule.fwmark = self.mark(line),
            "realms" => rule.realms = self.realms(line),
            "suppress_prefixlength" | "sup_pl" => {
                rule.suppress_prefix = self.number_option(line, word.text);
            }
            "suppress_ifgroup" | "sup_group" => rule.suppress_group = self.named_option(line),
            "dev" | "iif" => rule.input = self.value(line).and_then(|word| self.interface(word)),
            "oif" => rule.output = self.value(line).and_then(|word| self.interface(word)),
            "tunnel-id" => rule.tunnel = self.number_option(line, word.text),
            "uidrange" => rule.users = self.range_option(line, "uidrange"),
            "protocol" => rule.protocol = self.number_option(line, word.text),
            "ipproto" => rule.ip_protocol = self.named_option(line),
            "sport" => rule.source_ports = self.range_option(line, "sport"),
            "dport" => rule.ports = self.range_option(line, "dport"),
            "no_track" => rule.no_track = true,
            _ => return false,
        }
        true
    }

    /// `MARK[/MASK]`.
    fn mark(&mut self, line: &mut Line<'_, '_>) -> Option<(u32, u32)> {
        let word = self.value(line)?;
        let (mark, mask) = word.text.split_once('/').unwrap_or((word.text, "0xffffffff"));
        let number = |text: &str| c_number(text).and_then(|number| u32::try_from(number).ok());
        let found = number(mark).zip(number(mask));
        if found.is_none() {
            let message = format!("`{}` is no firewall mark", word.text);
            self.report(Diagnostic::error(Code::BadNumber, word.span, message).expected("MARK or MARK/MASK"));
        }
        found
    }
}
