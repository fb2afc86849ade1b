//! Saved rules: their lines, what they are to do, and what the table would say to it, before anything is done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::address::Names;
use super::errors::{Asked, text};
use super::parse::{Action, Ours, parse};
use crate::config::model::Service;
use crate::ipvs::Table;
use crate::ipvs::diff::{Operation, diff};

/// Lines of saved rules: some ten times what a large table has.
const LINES: usize = 1_000_000;
/// So many errors are shown.
const SHOWN: usize = 20;
/// Characters of a line that a message repeats.
const REPEATED: usize = 200;
/// Why an option of ours is refused in a line.
pub const OURS: &str = "--force, --keep-going and --runtime-dir stand behind -R, not in its lines";

/// A line that changes something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number, from 1.
    pub line: usize,
    /// As it was written.
    pub words: String,
    /// What it does.
    pub action: Action,
}

/// The words of each line that has some, with its number; the name of the program may stand before them.
pub fn lines(rules: &str) -> impl Iterator<Item = (usize, Vec<String>)> {
    let words = |line: &str| {
        let words = line.split([' ', '\t', '\r']).filter(|word| !word.is_empty() && *word != "ipvsadm");
        words.map(str::to_owned).collect::<Vec<String>>()
    };
    let numbered = rules.split('\n').enumerate().map(move |(at, line)| (at + 1, words(line)));
    numbered.filter(|(_, words)| !words.is_empty())
}

/// What there is to say of lines: of the first in words, of the rest their number.
#[derive(Debug, Default)]
pub struct Said {
    lines: Vec<String>,
    more: usize,
}

impl Said {
    /// Says it of a line.
    pub fn add(&mut self, line: usize, why: &str, words: &str) {
        if self.lines.len() < SHOWN {
            self.lines.push(said(line, why, words));
        } else {
            self.more += 1;
        }
    }

    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// All of it.
    pub fn lines(mut self) -> Vec<String> {
        if self.more > 0 {
            self.lines.push(format!("and {} more", self.more));
        }
        self.lines
    }
}

/// What the rules do, or what is wrong with them. A line that begins with `#` says nothing.
pub fn plan(program: &str, rules: &str, names: &dyn Names) -> Result<Vec<Step>, Vec<String>> {
    if rules.lines().nth(LINES).is_some() {
        return Err(vec![format!("standard input has more than {LINES} lines")]);
    }
    let (mut steps, mut wrong) = (Vec::new(), Said::default());
    for (line, words) in lines(rules) {
        if words.first().is_some_and(|word| word.starts_with('#')) {
            continue;
        }
        let written = words.join(" ");
        match parse(program, &words, names) {
            Ok((_, ours)) if ours != Ours::default() => wrong.add(line, OURS, &written),
            Ok((Action::Help | Action::Version | Action::List(..) | Action::Restore, _)) => {
                wrong.add(line, "it changes nothing: only changes can stand here", &written);
            }
            Ok((action, _)) if wrong.is_empty() => steps.push(Step { line, words: written, action }),
            Ok(_) => {}
            Err(stop) if stop.text.starts_with("Try `") => {
                wrong.add(line, "it does not begin with a command", &written);
            }
            Err(stop) => wrong.add(line, stop.text.trim_end(), &written),
        }
    }
    if wrong.is_empty() { Ok(steps) } else { Err(wrong.lines()) }
}

/// The steps that change the table, and the others, which come when it stands: what they do cannot be taken back. The
/// counters of a service that is deleted later need no zero.
pub fn split(steps: Vec<Step>) -> (Vec<Step>, Vec<Step>) {
    let (mut table, mut others) = (Vec::new(), Vec::new());
    let (mut deleted, mut emptied) = (BTreeSet::new(), false);
    for step in steps.into_iter().rev() {
        match &step.action {
            Action::Flush => emptied = true,
            Action::Change(Operation::DeleteService(service)) => drop(deleted.insert(*service)),
            Action::Change(_) => {}
            Action::Zero(Some(service)) if emptied || deleted.contains(service) => continue,
            _ => {
                others.push(step);
                continue;
            }
        }
        table.push(step);
    }
    table.reverse();
    others.reverse();
    (table, others)
}

/// What puts the table back as it was `before` the steps. Services that they do not name are left alone, unless the
/// table was emptied.
pub fn undoing(steps: &[Step], before: &Table, now: &Table) -> Vec<Operation> {
    let named = steps.iter().filter_map(|step| match &step.action {
        Action::Change(operation) => Some(*operation.service()),
        _ => None,
    });
    let named: BTreeSet<Service> = named.collect();
    let emptied = steps.iter().any(|step| step.action == Action::Flush);
    let is_ours = |service: &Service| emptied || named.contains(service);
    let before = before.iter().filter(|(service, _)| is_ours(service));
    diff(&before.map(|(service, entry)| (*service, entry.clone())).collect(), now, &named)
}

/// `line 3: No such service: -D -t 10.0.0.1:80`.
fn said(line: usize, why: &str, words: &str) -> String {
    let cut = |text: &str, most: usize| match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}...", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    };
    // A reason may repeat a word of the line.
    let (why, words) = (cut(why, 5 * REPEATED), cut(words, REPEATED));
    format!("line {line}: {why}: {words}")
}

/// What the kernel would refuse of the steps in their order, as far as the table tells.
pub fn rehearse(steps: &[Step], table: &Table) -> Vec<String> {
    let mut there: BTreeMap<Service, BTreeSet<SocketAddr>> = table
        .iter()
        .map(|(service, entry)| (*service, entry.destinations.keys().copied().collect()))
        .collect();
    let mut wrong = Said::default();
    for step in steps {
        let refused = match &step.action {
            Action::Flush => {
                there.clear();
                None
            }
            Action::Zero(Some(service)) if !there.contains_key(service) => {
                Some(text(Asked::Zero, libc::ESRCH))
            }
            Action::Change(operation) => {
                change(&mut there, operation).err().map(|errno| text(Asked::Change(operation), errno))
            }
            _ => None,
        };
        if let Some(why) = refused {
            wrong.add(step.line, &why, &step.words);
        }
    }
    wrong.lines()
}

fn change(there: &mut BTreeMap<Service, BTreeSet<SocketAddr>>, operation: &Operation) -> Result<(), i32> {
    let service = operation.service();
    let known = there.get_mut(service);
    match operation {
        Operation::NewService(..) if known.is_some() => return Err(libc::EEXIST),
        Operation::NewService(..) => drop(there.insert(*service, BTreeSet::new())),
        Operation::SetService(..) => drop(known.ok_or(libc::ESRCH)?),
        Operation::DeleteService(_) => drop(there.remove(service).ok_or(libc::ESRCH)?),
        Operation::NewDestination(_, address, _) => {
            known.ok_or(libc::ESRCH)?.insert(*address).then_some(()).ok_or(libc::EEXIST)?;
        }
        Operation::SetDestination(_, address, _) => {
            known.ok_or(libc::ESRCH)?.contains(address).then_some(()).ok_or(libc::ENOENT)?;
        }
        Operation::DeleteDestination(_, address) => {
            known.ok_or(libc::ESRCH)?.remove(address).then_some(()).ok_or(libc::ENOENT)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::address::tests::Few;
    use super::*;
    use crate::ipvs::Entry;

    const RULES: &str =
        "-A -t 10.0.0.1:80 -s rr\n# a word\n\nipvsadm -a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 3\r\n";

    #[test]
    fn rules_are_read_with_the_numbers_of_their_lines() {
        let steps = plan("ipvsadm", RULES, &Few).unwrap();
        assert_eq!(steps.iter().map(|step| step.line).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(rehearse(&steps, &Table::new()), [""; 0]);
        let twice = plan("ipvsadm", &RULES.repeat(2), &Few).unwrap();
        assert_eq!(
            rehearse(&twice, &Table::new()),
            [
                "line 5: Service already exists: -A -t 10.0.0.1:80 -s rr",
                "line 8: Destination already exists: -a -t 10.0.0.1:80 -r 10.0.1.1:80 -m -w 3",
            ]
        );
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let rules = "-A -t 10.0.0.1:80 -s rr -p 0\n-L\nx -a\n-a -t 10.0.0.1:80\n-Q\n-C\n";
        let wrong = plan("ipvsadm", rules, &Few).unwrap_err();
        let expected = [
            "line 1: invalid timeout value `0' specified: -A -t 10.0.0.1:80 -s rr -p 0",
            "line 2: it changes nothing: only changes can stand here: -L",
            "line 3: unexpected argument x: x -a",
            "line 4: You need to supply the 'real-server' option for the 'add-server' command: -a -t 10.0.0.1:80",
            "line 5: it does not begin with a command: -Q",
        ];
        assert_eq!(wrong, expected);
    }

    #[test]
    fn what_the_table_lacks_is_refused_beforehand() {
        let rules = "-E -t 10.0.0.1:80 -s rr\n-Z -t 10.0.0.1:80\n-D -t 10.0.0.1:80\n-A -f 5\n-e -f 5 -r 10.0.0.1\n\
            -d -f 5 -r 10.0.0.1\n-C\n-a -f 5 -r 10.0.0.1\n";
        let steps = plan("ipvsadm", rules, &Few).unwrap();
        let wrong = rehearse(&steps, &Table::new());
        let words = ["No such service", "No such service", "No such service", "No such destination"];
        let words = [&words[..], &["No such destination", "Service not defined"]].concat();
        assert_eq!(wrong.len(), words.len(), "{wrong:?}");
        assert!(wrong.iter().zip(words).all(|(line, word)| line.contains(word)), "{wrong:?}");
    }

    #[test]
    fn of_many_errors_the_first_are_shown() {
        let wrong = plan("ipvsadm", &"-L\n".repeat(SHOWN), &Few).unwrap_err();
        assert_eq!(wrong.len(), SHOWN);
        let wrong = plan("ipvsadm", &"-L\n".repeat(1000), &Few).unwrap_err();
        assert_eq!((wrong.len(), wrong.last().unwrap().as_str()), (SHOWN + 1, "and 980 more"));
        let wrong = plan("ipvsadm", &format!("-A -t {}", "x".repeat(100_000)), &Few).unwrap_err();
        assert!(wrong[0].len() < 10 * REPEATED, "{}", wrong[0].len());
    }

    #[test]
    fn rules_have_an_end() {
        assert_eq!(plan("ipvsadm", &"\n".repeat(LINES), &Few), Ok(vec![]));
        let wrong = plan("ipvsadm", &"\n".repeat(LINES + 1), &Few).unwrap_err();
        assert_eq!(wrong, ["standard input has more than 1000000 lines"]);
    }

    #[test]
    fn options_of_ours_do_not_stand_in_a_line() {
        for option in ["--force", "--keep-going", "--runtime-dir /x"] {
            let wrong = plan("ipvsadm", &format!("-D -f 5 {option}\n"), &Few).unwrap_err();
            assert_eq!(wrong, [format!("line 1: {OURS}: -D -f 5 {option}")]);
        }
    }

    #[test]
    fn what_cannot_be_taken_back_comes_last() {
        let rules = "-Z -f 5\n--set 1 2 3\n-D -f 5\n-A -f 6\n-Z -f 6\n-Z\n";
        let (table, others) = split(plan("ipvsadm", rules, &Few).unwrap());
        let lines = |steps: &[Step]| steps.iter().map(|step| step.line).collect::<Vec<_>>();
        // The first would find no service.
        assert_eq!((lines(&table), lines(&others)), (vec![3, 4], vec![2, 5, 6]));
        let (table, others) = split(plan("ipvsadm", "-Z -f 5\n-C\n-Z -f 5\n", &Few).unwrap());
        assert_eq!((lines(&table), lines(&others)), (vec![2], vec![3]));
    }

    #[test]
    fn what_others_did_meanwhile_is_not_undone() {
        let operations = |rules: &str| {
            let steps = plan("ipvsadm", rules, &Few).unwrap();
            let entries = steps.iter().filter_map(|step| match &step.action {
                Action::Change(Operation::NewService(service, settings)) => {
                    let entry = Entry { settings: settings.clone(), destinations: BTreeMap::new() };
                    Some((*service, Arc::new(entry)))
                }
                _ => None,
            });
            (entries.collect::<Table>(), steps)
        };
        // Others deleted 2 and made 3, we deleted 1 and made 4.
        let (before, _) = operations("-A -f 1\n-A -f 2\n");
        let (now, _) = operations("-A -f 3\n-A -f 4\n");
        let undone = |rules: &str| -> Vec<String> {
            undoing(&operations(rules).1, &before, &now).iter().map(ToString::to_string).collect()
        };
        assert_eq!(undone("-D -f 1\n-A -f 4\n"), ["adding service FWM 1", "deleting service FWM 4"]);
        let emptied = ["adding service FWM 1", "adding service FWM 2", "deleting service FWM 4"];
        assert_eq!(undone("-C\n-A -f 4\n"), emptied);
    }
}
