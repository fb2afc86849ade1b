//! What is tracked: scripts, files, processes, BFD sessions, and by whom.

use crate::config::model::{ParameterMatch, TrackWeight, Tracked, Tracking};

use super::super::table::Table;
use super::super::value::Value;
use super::{Cells, Configured, line, numbers, vrrp};

pub(super) const SCRIPTS: u32 = 9;
pub(super) const FILES: u32 = 13;
pub(super) const SESSIONS: u32 = 18;
pub(super) const PROCESSES: u32 = 21;

/// Tables of what one who tracks tracks: interfaces, scripts, files, BFD sessions, processes.
struct Numbers([u32; 5]);

const OF_INSTANCES: Numbers = Numbers([4, 5, 12, 17, 20]);
const OF_GROUPS: Numbers = Numbers([14, 15, 16, 19, 22]);

pub(super) fn tables(configured: &Configured<'_>, out: &mut Vec<Table>) {
    scripts(configured, out);
    files(configured, out);
    sessions(configured, out);
    processes(configured, out);
    let instances = configured.numbered().map(|(number, one)| (number, &one.tracking));
    tracking(configured, &OF_INSTANCES, instances.collect(), out);
    let groups = numbers(configured.groups).map(|(number, one)| (number, &one.tracking));
    tracking(configured, &OF_GROUPS, groups.collect(), out);
}

fn tracking(configured: &Configured<'_>, tables: &Numbers, who: Vec<(u32, &Tracking)>, out: &mut Vec<Table>) {
    let Numbers([interfaces, scripts, files, sessions, processes]) = tables;
    let mut rows = Vec::new();
    for (number, tracking) in &who {
        // The MIB would have the number of the interface; keepalived counts them, and who reads it is used to that.
        for (index, (name, weight)) in numbers(&tracking.interfaces) {
            let mut cells = Cells::default();
            cells.put(1, Value::text(name.as_str()));
            cells.weight(2, 3, *weight);
            rows.push((vec![*number, index], cells.0));
        }
    }
    out.push(Table::of(vrrp(*interfaces), rows));
    let model = configured.model;
    let mut objects =
        |table: u32, of: fn(&Tracking) -> &Vec<Tracked>, known: &dyn Fn(&str) -> Option<TrackWeight>| {
            let mut rows = Vec::new();
            for (number, tracking) in &who {
                for (at, one) in numbers(of(tracking)) {
                    let mut cells = Cells::default();
                    cells.put(2, Value::text(&one.name));
                    cells.weight(3, 4, one.weight.or_else(|| known(&one.name)).unwrap_or_default());
                    rows.push((vec![*number, at], cells.0));
                }
            }
            out.push(Table::of(vrrp(table), rows));
        };
    objects(*scripts, |tracking| &tracking.scripts, &|name| {
        model.scripts.iter().find(|one| one.name == name).map(|one| one.weight)
    });
    objects(*files, |tracking| &tracking.files, &|name| {
        model.files.iter().find(|one| one.name == name).map(|one| one.weight)
    });
    objects(*sessions, |tracking| &tracking.bfd, &|name| {
        model.bfd.iter().find(|one| one.name == name).map(|one| one.weight)
    });
    objects(*processes, |tracking| &tracking.processes, &|name| {
        model.processes.iter().find(|one| one.name == name).map(|one| one.weight)
    });
}

fn scripts(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let row = |(number, script): (u32, &crate::config::model::TrackScript)| {
        let mut cells = Cells::default();
        cells.put(2, Value::text(&script.name));
        cells.put(3, Value::text(line(&script.command)));
        cells.put(4, Value::integer(script.interval.as_secs()));
        cells.weight(5, 9, script.weight);
        cells.put(7, Value::gauge(script.rise));
        cells.put(8, Value::gauge(script.fall));
        (vec![number], cells.0)
    };
    out.push(Table::of(vrrp(SCRIPTS), numbers(configured.scripts()).map(row).collect()));
}

fn files(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let row = |(number, file): (u32, &crate::config::model::TrackFile)| {
        let mut cells = Cells::default();
        cells.put(2, Value::text(&file.name));
        cells.put(3, Value::text(&file.path));
        cells.weight(5, 6, file.weight);
        (vec![number], cells.0)
    };
    out.push(Table::of(vrrp(FILES), numbers(&configured.model.files).map(row).collect()));
}

fn sessions(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let row = |(number, session): (u32, &crate::config::model::BfdInstance)| {
        let mut cells = Cells::default();
        cells.put(2, Value::text(&session.name));
        cells.weight(4, 5, session.weight);
        (vec![number], cells.0)
    };
    out.push(Table::of(vrrp(SESSIONS), numbers(&configured.model.bfd).map(row).collect()));
}

fn processes(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let row = |(number, process): (u32, &crate::config::model::TrackProcess)| {
        let mut cells = Cells::default();
        let (path, parameters) = match process.command.split_first() {
            Some((path, parameters)) => (path.as_str(), parameters.join(" ")),
            None => ("", String::new()),
        };
        cells.put(2, Value::text(&process.name));
        cells.put(3, Value::text(path));
        cells.put(4, Value::text(parameters));
        cells.put(
            5,
            Value::Integer(match process.parameters {
                None => 0,
                Some(ParameterMatch::Exact) => 1,
                Some(ParameterMatch::Partial) => 2,
                Some(ParameterMatch::Initial) => 3,
            }),
        );
        cells.weight(6, 7, process.weight);
        cells.put(8, Value::gauge(process.quorum));
        cells.put(9, Value::Integer(process.quorum_max.map_or(-1, i32::from)));
        cells.put(10, Value::micros(process.fork_delay));
        cells.put(11, Value::micros(process.terminate_delay));
        cells.put(12, Value::truth(process.full_command));
        (vec![number], cells.0)
    };
    out.push(Table::of(vrrp(PROCESSES), numbers(&configured.model.processes).map(row).collect()));
}
