//! Saved rules: their lines, what they are to do, and what the table would say to it, before anything is done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::address::Names;
use super::errors::{Asked, text};
use super::parse::{Action, parse};
use crate::config::model::Service;
use crate::ipvs::Table;
use crate::ipvs::diff::Operation;

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

/// What the rules do, or everything that is wrong with them. A line that begins with `#` says nothing.
pub fn plan(program: &str, rules: &str, names: &dyn Names) -> Result<Vec<Step>, Vec<String>> {
    let (mut steps, mut wrong) = (Vec::new(), Vec::new());
    for (line, words) in lines(rules) {
        if words.first().is_some_and(|word| word.starts_with('#')) {
            continue;
        }
        let written = words.join(" ");
        match parse(program, &words, names) {
            Ok((action @ (Action::Help | Action::Version | Action::List(..) | Action::Restore), _)) => {
                drop(action);
                wrong.push(said(line, "it changes nothing: only changes can stand here", &written));
            }
            Ok((action, _)) => steps.push(Step { line, words: written, action }),
            Err(stop) if stop.text.starts_with("Try `") => {
                wrong.push(said(line, "it does not begin with a command", &written));
            }
            Err(stop) => wrong.push(said(line, stop.text.trim_end(), &written)),
        }
    }
    if wrong.is_empty() { Ok(steps) } else { Err(wrong) }
}

/// `line 3: No such service: -D -t 10.0.0.1:80`.
pub fn said(line: usize, why: &str, words: &str) -> String {
    format!("line {line}: {why}: {words}")
}

/// What the kernel would refuse of the steps in their order, as far as the table tells.
pub fn rehearse(steps: &[Step], table: &Table) -> Vec<String> {
    let mut there: BTreeMap<Service, BTreeSet<SocketAddr>> = table
        .iter()
        .map(|(service, entry)| (*service, entry.destinations.keys().copied().collect()))
        .collect();
    let mut wrong = Vec::new();
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
        wrong.extend(refused.map(|why| said(step.line, &why, &step.words)));
    }
    wrong
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
    use super::super::address::tests::Few;
    use super::*;

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
}
