//! `directord explain election`: why this node is, or is not, the master of a virtual router, and what would change that.

use std::fmt;

use super::status::{Contribution, Instance};

/// The explanation of one instance.
pub struct Election<'a>(pub &'a Instance);

impl fmt::Display for Election<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance { name, state, why, group, .. } = self.0;
        write!(f, "{name} is {state} on this node")?;
        match why {
            Some(why) => writeln!(f, ": {why}.")?,
            None => writeln!(f, ".")?,
        }
        self.priority(f)?;
        match state.as_str() {
            "MASTER" if self.0.hands_over => {
                writeln!(
                    f,
                    "The others were told that it goes; the addresses stay until one of them leads."
                )?;
            }
            "MASTER" => self.master(f)?,
            "BACKUP" => self.backup(f)?,
            "FAULT" => {
                writeln!(f, "It takes part again when this is no longer so:")?;
                self.0.faults.iter().try_for_each(|fault| writeln!(f, "  {fault}"))?;
            }
            _ => writeln!(
                f,
                "It has not started: what it tracks has said nothing yet, or a delay of the start runs."
            )?,
        }
        match group {
            Some(group) => writeln!(f, "The members of its sync group {group} lead together or not at all."),
            None => Ok(()),
        }
    }
}

impl Election<'_> {
    fn priority(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance { priority, base, contributions, .. } = self.0;
        write!(f, "Its priority is {priority}")?;
        if !contributions.is_empty() {
            write!(f, ": {base} as configured")?;
            for Contribution { what, by } in contributions {
                write!(f, ", {by:+} from {what}")?;
            }
        }
        writeln!(f, ".")
    }

    fn master(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance { name, priority, source, .. } = self.0;
        writeln!(f, "Another node leads as soon as")?;
        match (priority, source) {
            (255, _) => writeln!(f, "  no other one: 255 is the highest priority, that of the owner")?,
            (_, Some(source)) => {
                writeln!(
                    f,
                    "  its adverts have a priority above {priority}, or {priority} and an address above {source}"
                )?;
            }
            (_, None) => writeln!(f, "  its adverts have a priority above {priority}")?,
        }
        writeln!(f, "  this node does not send for as long as that one waits, or is in FAULT")?;
        writeln!(f, "  this node hands over: `directord failover {name}`, `directord maintenance on`, a stop")
    }

    fn backup(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Instance { priority, master, master_priority, master_down, preempts_after, holds_back, .. } =
            self.0;
        let theirs = master_priority.unwrap_or_default();
        match master {
            None => writeln!(f, "No master has been heard yet.")?,
            Some(master) if theirs == 0 => writeln!(f, "{master} led, and has said that it goes.")?,
            Some(master) => {
                write!(f, "{master} leads, with priority {theirs}")?;
                match (theirs < *priority, holds_back, preempts_after) {
                    (false, ..) => writeln!(f, ", which is not below ours.")?,
                    (true, true, _) => writeln!(f, ": below ours, and obeyed since `directord failover`.")?,
                    (true, _, None) => writeln!(f, ": below ours, and obeyed because of `nopreempt`.")?,
                    (true, _, Some(delay)) if *delay > 0.0 => {
                        writeln!(f, ": below ours, and obeyed for {delay} s, `preempt_delay`.")?;
                    }
                    (true, _, Some(_)) => writeln!(f, ": below ours, it is about to be replaced.")?,
                }
            }
        }
        writeln!(f, "This node leads as soon as")?;
        writeln!(f, "  no advert of the master is heard for {master_down:.2} s, or it says that it goes")?;
        match preempts_after {
            Some(_) if theirs > 0 && !holds_back && *priority <= theirs && *priority < 255 => {
                writeln!(
                    f,
                    "  its priority is above that of the master: {} is missing",
                    u32::from(theirs - priority) + 1
                )
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::status::tests::status;
    use super::*;

    fn instance(state: &str, change: impl FnOnce(&mut Instance)) -> String {
        let mut instance = status().instances.remove(0);
        state.clone_into(&mut instance.state);
        instance.group = None;
        change(&mut instance);
        Election(&instance).to_string()
    }

    #[test]
    fn why_it_leads_and_what_would_end_that() {
        let text = instance("MASTER", |one| one.source = Some([10, 0, 0, 1].into()));
        assert_eq!(
            text,
            "VI_1 is MASTER on this node: no advert from any master in time.\n\
             Its priority is 110: 100 as configured, +10 from script chk.\n\
             Another node leads as soon as\n\
             \u{20} its adverts have a priority above 110, or 110 and an address above 10.0.0.1\n\
             \u{20} this node does not send for as long as that one waits, or is in FAULT\n\
             \u{20} this node hands over: `directord failover VI_1`, `directord maintenance on`, a stop\n"
        );
        assert!(instance("MASTER", |one| one.priority = 255).contains("255 is the highest priority"));
        assert!(
            instance("MASTER", |one| one.hands_over = true).contains("The others were told that it goes")
        );
    }

    #[test]
    fn why_it_does_not_lead_and_what_would_change_that() {
        let backup = |theirs, after: Option<f64>, holds_back| {
            instance("BACKUP", |one| {
                one.master = Some([10, 0, 0, 2].into());
                one.master_priority = Some(theirs);
                one.preempts_after = after;
                one.holds_back = holds_back;
            })
        };
        let lower = backup(150, Some(0.0), false);
        assert!(lower.contains("10.0.0.2 leads, with priority 150, which is not below ours."), "{lower}");
        assert!(lower.contains("no advert of the master is heard for 3.61 s"), "{lower}");
        assert!(lower.contains("its priority is above that of the master: 41 is missing"), "{lower}");
        assert!(backup(50, None, false).contains("below ours, and obeyed because of `nopreempt`."));
        assert!(backup(50, Some(0.0), true).contains("below ours, and obeyed since `directord failover`."));
        assert!(backup(50, Some(30.0), false).contains("obeyed for 30 s, `preempt_delay`."));
        assert!(backup(50, Some(0.0), false).contains("it is about to be replaced."));
        assert!(backup(0, Some(0.0), false).contains("10.0.0.2 led, and has said that it goes."));
        assert!(!backup(150, None, false).contains("missing"), "a higher priority would not help");
        let grouped = instance("FAULT", |one| {
            one.group = Some("G".to_owned());
            one.faults = vec!["interface eth1 down".to_owned()];
        });
        assert!(grouped.contains("when this is no longer so:\n  interface eth1 down\n"), "{grouped}");
        assert!(
            grouped.ends_with("The members of its sync group G lead together or not at all.\n"),
            "{grouped}"
        );
        assert!(instance("INIT", |_| {}).contains("It has not started"));
    }
}
