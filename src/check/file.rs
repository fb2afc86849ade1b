//! What the number in the file of a FILE_CHECK means.

use crate::config::model::FileWeight;

use super::{Failure, Outcome, WeightChange};

/// A contribution of this or less fails.
const FAILS: i64 = i32::MIN as i64;
/// The most that a file adds.
const MOST: i64 = i32::MAX as i64;

/// Without a weight every number but 0 fails, or in `reverse` only 0. Else the number times the weight is added to that of
/// the real server; the lowest that there can be fails.
pub(crate) fn outcome(file: &str, number: i32, weight: FileWeight) -> Outcome {
    let by = contribution(number, weight);
    let fails = match weight.number {
        0 => (number != 0) != weight.reverse,
        _ => by <= FAILS,
    };
    if fails {
        return Outcome::Failed(Failure::Number { file: file.to_owned(), number, weight });
    }
    Outcome::Passed { weight: (by != 0).then_some(WeightChange::By(by.min(MOST))) }
}

fn contribution(number: i32, weight: FileWeight) -> i64 {
    let by = i64::from(number) * i64::from(weight.number);
    if weight.reverse { -by } else { by }
}

/// Why `number` fails, in words.
pub(super) fn reason(file: &str, number: i32, weight: FileWeight) -> String {
    let reverse = if weight.reverse { " reverse" } else { "" };
    match weight.number {
        0 => {
            let expected = if weight.reverse { "any other number" } else { "0" };
            format!("track_file {file}: expected {expected}, got {number} (weight 0{reverse})")
        }
        of => {
            let by = contribution(number, weight);
            format!(
                "track_file {file}: {number} with weight {of}{reverse} is {by}, and {FAILS} or less fails"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weight(number: i32, reverse: bool) -> FileWeight {
        FileWeight { number, reverse }
    }

    #[test]
    fn the_number_is_a_weight() {
        let by = |number, of| match outcome("f", number, of) {
            Outcome::Passed { weight } => weight,
            other => panic!("{other:?}"),
        };
        assert_eq!(by(0, weight(1, false)), None);
        assert_eq!(by(5, weight(3, false)), Some(WeightChange::By(15)));
        assert_eq!(by(5, weight(3, true)), Some(WeightChange::By(-15)));
        assert_eq!(by(-5, weight(3, false)), Some(WeightChange::By(-15)));
        assert_eq!(by(i32::MAX, weight(i32::MAX, false)), Some(WeightChange::By(MOST)));
        assert_eq!(by(i32::MIN + 1, weight(1, false)), Some(WeightChange::By(FAILS + 1)));
    }

    #[test]
    fn without_a_weight_it_passes_or_fails() {
        let fails = |number, reverse| matches!(outcome("f", number, weight(0, reverse)), Outcome::Failed(_));
        assert_eq!([-1, 0, 1].map(|number| fails(number, false)), [true, false, true]);
        assert_eq!([-1, 0, 1].map(|number| fails(number, true)), [false, true, false]);
        assert!(matches!(outcome("f", 0, weight(0, false)), Outcome::Passed { weight: None }));
    }

    #[test]
    fn the_lowest_contribution_fails() {
        let why = |number, of| match outcome("load", number, of) {
            Outcome::Failed(why) => why.to_string(),
            other => panic!("{other:?}"),
        };
        let text = "track_file load: -2147483647 with weight 2 is -4294967294, and -2147483648 or less fails";
        assert_eq!(why(-i32::MAX, weight(2, false)), text);
        assert_eq!(why(7, weight(0, false)), "track_file load: expected 0, got 7 (weight 0)");
        let text = "track_file load: expected any other number, got 0 (weight 0 reverse)";
        assert_eq!(why(0, weight(0, true)), text);
        assert!(why(i32::MAX, weight(i32::MAX, true)).contains("weight 2147483647 reverse is -4611"));
    }
}
