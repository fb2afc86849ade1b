//! Objects in tables, and the way from one to the next.
//!
//! Several tables may have the same base, each with columns of its own: what comes from the configuration, from the
//! state and from the kernel's counters is told at different times, and stands side by side. A scalar is the only row
//! of its table, with the index 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::oid::Oid;
use super::pdu::{Bound, Range};
use super::value::Value;

/// Where objects come from: what is told of one source takes the place of what was told of it before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Source {
    /// The configuration.
    Configuration,
    /// VRRP, and what is tracked.
    Vrrp,
    /// The checks.
    Checks,
    /// The kernel's counters of virtual servers.
    ServiceCounters,
    /// Those of real servers.
    RealCounters,
}

/// Values of a row by their columns.
pub type Cells = Vec<(u32, Value)>;

/// Rows of objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// What the names of its objects begin with: a column and an index follow.
    base: Oid,
    /// In ascending order.
    columns: Vec<u32>,
    /// In ascending order of their indices.
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row(Vec<u32>, Vec<Option<Value>>);

impl Table {
    /// A table with these columns, in ascending order.
    #[must_use]
    pub fn new(base: Oid, columns: &[u32]) -> Self {
        debug_assert!(columns.is_sorted(), "{base}");
        Self { base, columns: columns.to_vec(), rows: Vec::new() }
    }

    /// Scalars: each with the number behind `base`.
    #[must_use]
    pub fn scalars(base: Oid, values: Vec<(u32, Option<Value>)>) -> Self {
        let (columns, values): (Vec<u32>, _) = values.into_iter().unzip();
        let mut table = Self::new(base, &columns);
        table.row(&[0], values);
        table
    }

    /// A table of numbered columns: each row has its index, and values by their columns. What has no value in any row is
    /// left out.
    #[must_use]
    pub fn of(base: Oid, rows: Vec<(Vec<u32>, Cells)>) -> Self {
        let mut columns: Vec<u32> =
            rows.iter().flat_map(|(_, cells)| cells.iter().map(|(column, _)| *column)).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut table = Self::new(base, &columns);
        for (index, cells) in rows {
            let mut cells: BTreeMap<u32, Value> = cells.into_iter().collect();
            let values = columns.iter().map(|column| cells.remove(column)).collect();
            table.row(&index, values);
        }
        table
    }

    /// One more row: its values stand in the order of the columns. Of two with one index the first counts.
    pub fn row(&mut self, index: &[u32], values: Vec<Option<Value>>) {
        debug_assert_eq!(values.len(), self.columns.len(), "{}", self.base);
        let row = Row(index.to_vec(), values);
        match self.rows.last() {
            Some(last) if last.0.as_slice() >= index => {
                if let Err(place) = self.rows.binary_search_by(|row| row.0.as_slice().cmp(index)) {
                    self.rows.insert(place, row);
                }
            }
            _ => self.rows.push(row),
        }
    }

    /// How many rows it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether it has no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    fn get(&self, name: &Oid) -> Option<Bound> {
        let (column, index) = name.behind(&self.base)?.split_first()?;
        let column = self.columns.binary_search(column).ok()?;
        let row = self.rows.binary_search_by(|row| row.0.as_slice().cmp(index)).ok();
        let value = row.and_then(|row| self.cell(row, column));
        Some(value.map_or(Bound::NoSuchInstance, |value| Bound::Value(value.clone())))
    }

    fn cell(&self, row: usize, column: usize) -> Option<&Value> {
        self.rows.get(row)?.1.get(column)?.as_ref()
    }

    /// The first object behind `start`, or `start` itself when that is meant, too.
    fn next(&self, start: &Oid, include: bool) -> Option<(Oid, &Value)> {
        let (mut column, mut row) = self.place(start, include)?;
        while let Some(number) = self.columns.get(column) {
            let found = self.rows.iter().enumerate().skip(row);
            let mut found = found.filter_map(|(at, row)| Some((row, self.cell(at, column)?)));
            if let Some((row, value)) = found.next() {
                return Some((self.base.with(&[&[*number], row.0.as_slice()].concat()), value));
            }
            (column, row) = (column + 1, 0);
        }
        None
    }

    /// The column and the row from which on to look.
    fn place(&self, start: &Oid, include: bool) -> Option<(usize, usize)> {
        let Some(rest) = start.behind(&self.base) else {
            return (*start < self.base).then_some((0, 0));
        };
        let Some((column, index)) = rest.split_first() else { return Some((0, 0)) };
        Some(match self.columns.binary_search(column) {
            Err(place) => (place, 0),
            Ok(place) => {
                let before = |row: &Row| row.0.as_slice() < index || (!include && row.0.as_slice() == index);
                (place, self.rows.partition_point(before))
            }
        })
    }
}

/// All objects.
#[derive(Debug, Clone, Default)]
pub struct Mib {
    tables: BTreeMap<Source, Vec<Table>>,
}

impl Mib {
    /// What a source tells.
    pub fn set(&mut self, source: Source, tables: Vec<Table>) {
        self.tables.insert(source, tables);
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        self.tables.values().flatten()
    }

    /// The object of this name.
    #[must_use]
    pub fn get(&self, name: &Oid) -> Bound {
        let mut found = Bound::NoSuchObject;
        for table in self.tables() {
            match table.get(name) {
                Some(Bound::NoSuchInstance) => found = Bound::NoSuchInstance,
                Some(value) => return value,
                None => {}
            }
        }
        found
    }

    /// The first object of a range.
    #[must_use]
    pub fn next(&self, range: &Range) -> Option<(Oid, Value)> {
        let mut found: Option<(Oid, &Value)> = None;
        for table in self.tables() {
            // What begins behind the best so far has nothing in front of it.
            if found.as_ref().is_some_and(|(name, _)| *name < table.base) {
                continue;
            }
            let next = table.next(&range.start, range.include);
            found = match (found, next) {
                (Some(found), Some(next)) if next.0 < found.0 => Some(next),
                (Some(found), _) => Some(found),
                (None, next) => next,
            };
        }
        let (name, value) = found?;
        let inside = range.end.numbers().is_empty() || name < range.end;
        inside.then(|| (name, value.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(more: &[u32]) -> Oid {
        Oid::new(&[1, 2]).with(more)
    }

    /// Scalars 1.2.1.0 and 1.2.2.0; 1.2.5.1 with columns 2, 4 from one source and 3 from another.
    fn mib() -> Mib {
        let mut mib = Mib::default();
        let scalars =
            Table::scalars(name(&[]), vec![(1, Some(Value::Integer(10))), (2, Some(Value::Integer(20)))]);
        let mut rows = Table::new(name(&[5, 1]), &[2, 4]);
        rows.row(&[7, 1], vec![Some(Value::Integer(72)), None]);
        rows.row(&[3, 9], vec![Some(Value::Integer(32)), Some(Value::Integer(34))]);
        mib.set(Source::Configuration, vec![scalars, rows]);
        let cells = |number| vec![(3, Value::Integer(number))];
        mib.set(
            Source::Vrrp,
            vec![Table::of(name(&[5, 1]), vec![(vec![3, 9], cells(33)), (vec![7, 1], cells(73))])],
        );
        mib
    }

    fn walk(mib: &Mib, mut range: Range) -> Vec<(String, i32)> {
        let mut seen = Vec::new();
        while let Some((name, Value::Integer(number))) = mib.next(&range) {
            assert!(name > range.start || range.include, "{name}");
            seen.push((name.to_string(), number));
            (range.start, range.include) = (name, false);
        }
        seen
    }

    #[test]
    fn a_walk_goes_through_all_sources_in_the_order_of_names() {
        let seen = walk(&mib(), Range::default());
        let names: Vec<&str> = seen.iter().map(|(name, _)| name.as_str()).collect();
        let expected = [
            "1.2.1.0",
            "1.2.2.0",
            "1.2.5.1.2.3.9",
            "1.2.5.1.2.7.1",
            "1.2.5.1.3.3.9",
            "1.2.5.1.3.7.1",
            "1.2.5.1.4.3.9",
        ];
        assert_eq!(names, expected);
        assert_eq!(seen.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [10, 20, 32, 72, 33, 73, 34]);
    }

    /// From every name, and from names between them: what follows is what the whole walk has there.
    #[test]
    fn a_walk_may_begin_anywhere() {
        let all: Vec<Oid> = {
            let mut range = Range::default();
            let mib = mib();
            std::iter::from_fn(|| {
                range.start = mib.next(&range)?.0;
                Some(range.start.clone())
            })
            .collect()
        };
        for numbers in
            [vec![], vec![0], vec![1], vec![5], vec![5, 1, 3], vec![5, 1, 3, 4], vec![5, 1, 9], vec![6]]
        {
            for more in 0..9 {
                for include in [false, true] {
                    let start = name(&[numbers.as_slice(), &[more]].concat());
                    let expected = all.iter().find(|one| **one > start || (include && **one == start));
                    let range = Range { start: start.clone(), include, end: Oid::default() };
                    assert_eq!(
                        mib().next(&range).map(|(name, _)| name).as_ref(),
                        expected,
                        "{start} {include}"
                    );
                }
            }
        }
    }

    #[test]
    fn a_range_ends_before_its_end() {
        let range = Range { start: name(&[2, 0]), include: false, end: name(&[5, 1, 2, 3, 9]) };
        assert_eq!(mib().next(&range), None);
        assert_eq!(mib().next(&Range { include: true, ..range }).map(|(name, _)| name), Some(name(&[2, 0])));
    }

    #[test]
    fn what_there_is_not_is_told_apart() {
        let mib = mib();
        assert_eq!(mib.get(&name(&[5, 1, 3, 7, 1])), Bound::Value(Value::Integer(73)));
        assert_eq!(mib.get(&name(&[5, 1, 3, 7, 2])), Bound::NoSuchInstance);
        assert_eq!(mib.get(&name(&[5, 1, 4, 7, 1])), Bound::NoSuchInstance);
        assert_eq!(mib.get(&name(&[5, 1, 5, 7, 1])), Bound::NoSuchObject);
        assert_eq!(mib.get(&Oid::default()), Bound::NoSuchObject);
    }

    #[test]
    fn what_a_source_tells_takes_the_place_of_what_it_told() {
        let mut mib = mib();
        mib.set(Source::Configuration, Vec::new());
        assert_eq!(walk(&mib, Range::default()).len(), 2);
    }
}
