//! Where a setting that checks inherit is written: in the check, its real server, or its virtual server.
//!
//! In: what each check has, and what it has by itself. Out: the values of the outer blocks with which the
//! fewest lines are needed. A check that cannot say the setting itself must have it from outside.

use std::collections::BTreeMap;

/// One setting of one check.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held<T> {
    /// What counts.
    pub(super) value: T,
    /// What counts when nobody says anything.
    pub(super) default: T,
    /// The check has a keyword for it.
    pub(super) own: bool,
}

/// The values of the outer blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placed<T> {
    /// That of the virtual server.
    pub(super) service: Option<T>,
    /// Those of its real servers, where they differ from it.
    pub(super) reals: Vec<Option<T>>,
}

/// Places one setting of all checks of a virtual server, given by real server. `legal`: the outer blocks take
/// the value.
pub(super) fn place<T: Copy + Ord>(reals: &[Vec<Held<T>>], legal: impl Fn(T) -> bool) -> Placed<T> {
    let whole = |service| {
        let reals: Vec<(Option<T>, usize)> = reals.iter().map(|real| inside(real, service, &legal)).collect();
        let lines =
            reals.iter().map(|(_, lines)| lines).fold(0usize, |sum, lines| sum.saturating_add(*lines));
        (Placed { service, reals: reals.into_iter().map(|(value, _)| value).collect() }, lines)
    };
    let (nothing, without) = whole(None);
    let Some(common) = common(reals.iter().flatten(), &legal) else { return nothing };
    let (placed, lines) = whole(Some(common));
    // A line for all is where people look, unless there is only one check.
    if lines.saturating_add(1) < without { placed } else { nothing }
}

/// The value of a real server, and the number of lines in it and its checks.
fn inside<T: Copy + Ord>(
    checks: &[Held<T>],
    outer: Option<T>,
    legal: &impl Fn(T) -> bool,
) -> (Option<T>, usize) {
    let lines = |inherited: Option<T>| {
        let line = |check: &Held<T>| match (inherited.unwrap_or(check.default) == check.value, check.own) {
            (true, _) => 0,
            (false, true) => 1,
            (false, false) => usize::MAX,
        };
        checks.iter().map(line).fold(0usize, |sum, lines| sum.saturating_add(lines))
    };
    let without = lines(outer);
    let bound = checks.iter().find(|check| !check.own).map(|check| check.value);
    let candidates = [common(checks.iter(), legal), bound];
    let best = candidates.into_iter().flatten().map(|value| (lines(Some(value)).saturating_add(1), value));
    match best.min() {
        Some((lines, value)) if lines < without => (Some(value), lines),
        _ => (None, without),
    }
}

/// The value that most checks have.
fn common<'a, T: Copy + Ord + 'a>(
    checks: impl Iterator<Item = &'a Held<T>>,
    legal: &impl Fn(T) -> bool,
) -> Option<T> {
    let mut counts: BTreeMap<T, usize> = BTreeMap::new();
    for check in checks.filter(|check| legal(check.value)) {
        *counts.entry(check.value).or_default() += 1;
    }
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(value, _)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(value: u32) -> Held<u32> {
        Held { value, default: 60, own: true }
    }

    #[test]
    fn the_fewest_lines() {
        let one = place(&[vec![held(5)]], |_| true);
        assert_eq!(one, Placed { service: None, reals: vec![None] });
        let two = place(&[vec![held(5)], vec![held(5)]], |_| true);
        assert_eq!(two, Placed { service: Some(5), reals: vec![None, None] });
        let odd = place(&[vec![held(5)], vec![held(5)], vec![held(60)]], |_| true);
        assert_eq!(odd, Placed { service: None, reals: vec![None, None, None] });
        let real = place(&[vec![held(5), held(5), held(5)], vec![held(60)], vec![held(60)]], |_| true);
        assert_eq!(real, Placed { service: None, reals: vec![Some(5), None, None] });
        let not_outside = place(&[vec![held(0)], vec![held(0)]], |value| value > 0);
        assert_eq!(not_outside, Placed { service: None, reals: vec![None, None] });
    }

    #[test]
    fn a_check_that_cannot_say_it() {
        let bound = Held { value: 7, default: 60, own: false };
        assert_eq!(place(&[vec![bound]], |_| true), Placed { service: None, reals: vec![Some(7)] });
        let mixed = place(&[vec![bound, held(5), held(5)], vec![held(5)]], |_| true);
        assert_eq!(mixed.reals.first(), Some(&Some(7)));
    }
}
