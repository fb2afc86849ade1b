//! What the end of the program of a MISC_CHECK means.

use crate::script::Ending;

use super::{Failure, Outcome, WeightChange};

/// Exit status 0 passes. With `misc_dynamic` 2 to 255 pass too, and set the weight to the status less 2; then 0 restores
/// the configured one. What could not be started says nothing of the real server; what can never be, fails: the status
/// is the shell's and no weight.
pub(crate) fn outcome(ending: Ending, dynamic: bool) -> Outcome {
    match ending {
        Ending::Exited(0) => Outcome::PASSED,
        Ending::Exited(status @ 2..) if dynamic => {
            Outcome::Passed { weight: u32::try_from(status - 2).ok().map(WeightChange::To) }
        }
        Ending::NotStarted(why) => Outcome::NotRun(format!("its program could not be started: {why}")),
        ending => Outcome::Failed(Failure::Program(ending)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_decides() {
        let failed = |ending: Ending| Outcome::Failed(Failure::Program(ending));
        let weight = |weight| Outcome::Passed { weight: Some(WeightChange::To(weight)) };
        for (ending, plain, dynamic) in [
            (Ending::Exited(0), Outcome::PASSED, Outcome::PASSED),
            (Ending::Exited(1), failed(Ending::Exited(1)), failed(Ending::Exited(1))),
            (Ending::Exited(2), failed(Ending::Exited(2)), weight(0)),
            (Ending::Exited(255), failed(Ending::Exited(255)), weight(253)),
            (Ending::Signalled(9), failed(Ending::Signalled(9)), failed(Ending::Signalled(9))),
            // 124 and 125 are weights like others when the program itself says so.
            (Ending::Exited(127), failed(Ending::Exited(127)), weight(125)),
            (
                Ending::NotExecutable { status: 127 },
                failed(Ending::NotExecutable { status: 127 }),
                failed(Ending::NotExecutable { status: 127 }),
            ),
            (Ending::TimedOut, failed(Ending::TimedOut), failed(Ending::TimedOut)),
        ] {
            assert_eq!((outcome(ending.clone(), false), outcome(ending, true)), (plain, dynamic));
        }
        let not_started = outcome(Ending::NotStarted("out of memory".into()), true);
        assert!(matches!(not_started, Outcome::NotRun(why) if why.contains("out of memory")));
    }
}
