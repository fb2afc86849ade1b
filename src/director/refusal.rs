//! Whether a configuration that is right may take the place of another one, or only looks right because a file is
//! missing.
//!
//! In: what runs, what would run, what could not be read. Out: the reason against it. Pure.

use crate::config::changes::Change;
use crate::config::missing::Missing;

/// Lines about what would go.
const LINES: usize = 20;

/// What is known of a configuration and of the one before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Comparison<'a> {
    /// An instance or a virtual server ran before.
    pub ran: bool,
    /// An instance or a virtual server would run.
    pub runs: bool,
    /// Files that the earlier load had and this one has not.
    pub missing: &'a [Missing],
    /// What differs.
    pub changes: &'a [Change],
}

/// Why it is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The reason.
    pub why: String,
    /// What is missing, and what would go.
    pub lines: Vec<String>,
}

impl Comparison<'_> {
    /// The reason against it; `None`: it is taken. What goes with a file that is missing goes by accident; what goes
    /// while all files are there was taken out by somebody.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        let lost: Vec<&Change> = self.changes.iter().filter(|change| change.takes_away()).collect();
        let by_accident = !self.missing.is_empty() && !lost.is_empty();
        if !by_accident && (self.runs || !self.ran) {
            return None;
        }
        let why = match self.runs {
            false => "it would leave nothing to do",
            true => "it would take away what runs because of files that are missing",
        };
        let why = why.to_owned();
        let mut lines: Vec<String> = self.missing.iter().map(ToString::to_string).collect();
        lines.extend(lost.iter().take(LINES).map(|change| format!("it would go: {change}")));
        if let Some(more) = lost.len().checked_sub(LINES).filter(|more| *more > 0) {
            lines.push(format!("it would go: {more} more"));
        }
        Some(Refusal { why, lines })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::changes::How;

    fn change(how: How) -> Change {
        Change { blocks: Vec::new(), what: "vrrp_instance VI_1".to_owned(), how }
    }

    #[test]
    fn what_is_taken() {
        let gone = [Missing::Gone("b.conf".into())];
        let (added, removed) = ([change(How::Added)], [change(How::Removed)]);
        let changed = [change(How::Changed { from: Some("100".into()), to: Some("120".into()) })];
        /// Ran, runs, missing, changes, taken.
        type Case<'a> = (bool, bool, &'a [Missing], &'a [Change], bool);
        let cases: [Case<'_>; 11] = [
            (true, true, &[], &[], true),
            (true, true, &[], &removed, true),
            (true, true, &[], &changed, true),
            (true, true, &gone, &[], true),
            (true, true, &gone, &added, true),
            (true, true, &gone, &removed, false),
            (true, true, &gone, &changed, false),
            (true, false, &[], &removed, false),
            (true, false, &gone, &removed, false),
            (false, false, &gone, &[], true),
            (false, true, &gone, &added, true),
        ];
        for (ran, runs, missing, changes, taken) in cases {
            let comparison = Comparison { ran, runs, missing, changes };
            assert_eq!(comparison.refusal().is_none(), taken, "{comparison:?}");
        }
    }

    #[test]
    fn says_what_is_missing_and_what_would_go() {
        let missing = [Missing::Nothing("/etc/k/*.conf".into())];
        let changes = vec![change(How::Removed); 30];
        let refusal = Comparison { ran: true, runs: false, missing: &missing, changes: &changes }.refusal();
        let refusal = refusal.unwrap();
        assert_eq!(refusal.why, "it would leave nothing to do");
        assert_eq!(refusal.lines.len(), 22);
        assert_eq!(refusal.lines[0], "no file matches /etc/k/*.conf");
        assert_eq!(refusal.lines[1], "it would go: vrrp_instance VI_1 no longer configured");
        assert_eq!(refusal.lines[21], "it would go: 10 more");
    }
}
