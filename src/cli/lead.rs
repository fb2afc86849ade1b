//! `directord failover`, `maintenance` and `rs`: where another node is to lead, or another real server to serve, and what came of it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::ask::Conversation;
use crate::control::status::{Instance, Status};
use crate::control::{Answer, Ask, LONGEST_REASON};

/// A successor that is there has taken over by then: the longest interval of version 3 is 40.95 s.
const LONGEST: Duration = Duration::from_secs(60);

/// Whom to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The runtime directory of the daemon.
    pub runtime_dir: PathBuf,
    /// How long to wait for an answer.
    pub timeout: Duration,
}

/// `failover`. 0: another node leads. 1: it does not; standard error says why.
pub fn failover(asked: &Asked, of: Vec<String>, seconds: Option<u64>) -> ExitCode {
    ending(begin(asked, Ask::Failover { of: of.clone(), seconds }).and_then(|_| follow(asked, &of)))
}

/// `maintenance`. 0: it is as it was asked for. 1: it is not, or another node ought to lead and none does; standard error
/// says which.
pub fn maintenance(asked: &Asked, on: bool, seconds: Option<u64>, reason: String) -> ExitCode {
    if reason.chars().count() > LONGEST_REASON {
        return ending(Err(format!("a reason has at most {LONGEST_REASON} characters")));
    }
    let outcome = begin(asked, Ask::Maintenance { on, seconds, reason }).and_then(|lines| {
        lines.iter().for_each(|line| println!("{line}"));
        if on { follow(asked, &[]) } else { Ok(()) }
    });
    ending(outcome)
}

/// `rs`. 0: it is done. 1: it is not; standard error says why.
pub fn real_server(asked: &Asked, ask: Ask) -> ExitCode {
    ending(begin(asked, ask).map(|lines| lines.iter().for_each(|line| println!("{line}"))))
}

fn ending(outcome: Result<(), String>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("directord: {why}");
            ExitCode::FAILURE
        }
    }
}

fn begin(asked: &Asked, ask: Ask) -> Result<Vec<String>, String> {
    let late = "it may still be done: see `directord status`";
    match Conversation::begin(&asked.runtime_dir, ask, asked.timeout)?.answer(late)? {
        Answer::Done(lines) => Ok(lines),
        _ => Err("the daemon answered something else".to_owned()),
    }
}

/// Shows what becomes of the instances until all of them have an end.
fn follow(asked: &Asked, of: &[String]) -> Result<(), String> {
    let ask = Ask::Status { of: of.to_vec(), watch: true };
    let mut conversation = Conversation::begin(&asked.runtime_dir, ask, asked.timeout)?;
    conversation.wait_for(LONGEST)?;
    let began = Instant::now();
    let mut shown: Vec<String> = Vec::new();
    let mut without = Vec::new();
    loop {
        let Answer::Status(status) = conversation.answer("see `directord status`")? else {
            return Err("the daemon answered something else".to_owned());
        };
        let is_new = |one: &&Instance| !shown.contains(&one.name);
        let ended: Vec<Instance> =
            status.instances.iter().filter(is_new).filter(|one| has_ended(one, &status)).cloned().collect();
        for instance in ended {
            match end(&instance) {
                Ok(line) => println!("{line}"),
                Err(line) => without.push(line),
            }
            shown.push(instance.name);
        }
        if status.instances.iter().all(|one| shown.contains(&one.name)) {
            return if without.is_empty() { Ok(()) } else { Err(without.join("\ndirectord: ")) };
        }
        if began.elapsed() > LONGEST {
            let open = status.instances.iter().filter(|one| !shown.contains(&one.name));
            without.extend(open.map(|one| end(one).unwrap_or_else(|line| line)));
            return Err(without.join("\ndirectord: "));
        }
    }
}

/// What a status shows may be a moment old: in maintenance no instance stays a master.
fn has_ended(instance: &Instance, status: &Status) -> bool {
    let is_old = status.maintenance.is_some() && matches!(&*instance.state, "MASTER" | "BACKUP");
    let knows_nobody = instance.state == "BACKUP" && instance.master.is_none();
    !instance.hands_over && !is_old && !knows_nobody
}

fn end(instance: &Instance) -> Result<String, String> {
    let Instance { name, state, master, .. } = instance;
    match (state.as_str(), master) {
        ("MASTER", _) => Err(format!("{name} stays MASTER: no other node has taken over")),
        (_, Some(master)) => Ok(format!("{name} is {state}: {master} leads")),
        ("FAULT" | "BACKUP", None) => {
            Err(format!("{name} is {state}: no other node has been heard that leads"))
        }
        (_, None) => Ok(format!("{name} is {state}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::status::Maintenance;

    fn instance(state: &str, hands_over: bool, master: Option<[u8; 4]>) -> Instance {
        Instance {
            name: "VI_1".to_owned(),
            group: None,
            state: state.to_owned(),
            since: None,
            priority: 100,
            base: 100,
            contributions: Vec::new(),
            faults: Vec::new(),
            missing: Vec::new(),
            hands_over,
            why: None,
            master: master.map(Into::into),
            master_priority: None,
            master_down: 3.0,
            preempts_after: None,
            second_master: None,
            two_masters: 0,
            claims: 0,
            holds_back: false,
            source: None,
        }
    }

    #[test]
    fn each_end_is_known_and_said() {
        let peer = Some([10, 0, 0, 2]);
        let mut status = Status::default();
        assert!(!has_ended(&instance("MASTER", true, None), &status));
        assert!(has_ended(&instance("MASTER", false, None), &status));
        assert!(has_ended(&instance("BACKUP", false, peer), &status));
        assert!(!has_ended(&instance("BACKUP", false, None), &status), "a moment later it knows");
        status.maintenance = Some(Maintenance { since: None, until: None, reason: String::new() });
        assert!(!has_ended(&instance("MASTER", false, None), &status), "not told yet");
        assert!(has_ended(&instance("FAULT", false, peer), &status));
        let ends = [
            (instance("MASTER", false, None), Err("VI_1 stays MASTER: no other node has taken over")),
            (instance("BACKUP", false, peer), Ok("VI_1 is BACKUP: 10.0.0.2 leads")),
            (instance("FAULT", false, peer), Ok("VI_1 is FAULT: 10.0.0.2 leads")),
            (instance("BACKUP", false, None), Err("VI_1 is BACKUP: no other node has been heard that leads")),
            (instance("FAULT", false, None), Err("VI_1 is FAULT: no other node has been heard that leads")),
        ];
        for (instance, expected) in ends {
            let expected = expected.map(str::to_owned).map_err(str::to_owned);
            assert_eq!(end(&instance), expected);
        }
    }
}
