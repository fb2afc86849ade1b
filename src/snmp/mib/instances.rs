//! Instances and sync groups.

use crate::config::model::{
    Authentication, Destination, InitialState, Instance, Notify, Preempt, SyncGroup, Version,
};

use super::super::table::Table;
use super::super::value::Value;
use super::{Cells, Configured, hundredths, numbers, vrrp};

pub(super) const GROUPS: u32 = 1;
const MEMBERS: u32 = 2;
pub(super) const INSTANCES: u32 = 3;

pub(super) fn tables(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let groups = numbers(configured.groups);
    let mut members = Vec::new();
    let mut rows = Vec::new();
    for (number, group) in groups {
        rows.push((vec![number], of_group(configured, group)));
        for (at, member) in numbers(&group.members) {
            members.push((vec![number, at], vec![(2, Value::text(member))]));
        }
    }
    out.push(Table::of(vrrp(GROUPS), rows));
    out.push(Table::of(vrrp(MEMBERS), members));
    let rows = configured.numbered().map(|(number, one)| (vec![number], of_instance(configured, one)));
    out.push(Table::of(vrrp(INSTANCES), rows.collect()));
}

fn of_group(configured: &Configured<'_>, group: &SyncGroup) -> Vec<(u32, Value)> {
    let notify = &group.notify;
    let mut cells = Cells::default();
    cells.put(2, Value::text(&group.name));
    cells.put(4, Value::truth(alerts(configured, notify)));
    cells.put(5, Value::truth(executes(notify)));
    cells.command(6, notify.master.as_ref());
    cells.command(7, notify.backup.as_ref());
    cells.command(8, notify.fault.as_ref());
    cells.command(9, notify.any.as_ref());
    cells.put(10, Value::truth(group.tracking_weight));
    cells.command(11, notify.stop.as_ref());
    cells.0
}

/// Whether its changes are mailed.
fn alerts(configured: &Configured<'_>, notify: &Notify) -> bool {
    let mail = &configured.model.globals.mail;
    notify.smtp_alert.or(mail.alert_vrrp).or(mail.alert).unwrap_or(false)
}

/// Whether any program of its own is run when its state changes.
fn executes(notify: &Notify) -> bool {
    let Notify { master, backup, fault, stop, any, deleted, lower_priority, .. } = notify;
    [master, backup, fault, stop, any, deleted, lower_priority].into_iter().any(Option::is_some)
}

fn of_instance(configured: &Configured<'_>, instance: &Instance) -> Vec<(u32, Value)> {
    let notify = &instance.notify;
    let mut cells = Cells::default();
    cells.put(2, Value::text(&instance.name));
    cells.put(3, Value::gauge(instance.vrid.number()));
    cells.put(5, Value::Integer(if instance.initial_state == InitialState::Master { 2 } else { 1 }));
    cells.put(7, Value::Integer(instance.priority.number().into()));
    cells.maybe(10, instance.interface.as_ref().map(|name| Value::text(name.as_str())));
    cells.put(11, Value::truth(!instance.dont_track_primary));
    let interval = instance.advert_interval.duration();
    cells.put(
        12,
        if instance.version == Version::V3 { hundredths(interval) } else { Value::seconds(interval) },
    );
    let (preempts, delay) = match instance.preempt {
        Preempt::After { delay } => (true, delay),
        Preempt::Never => (false, std::time::Duration::ZERO),
    };
    cells.put(13, Value::truth(preempts));
    cells.put(14, Value::seconds(delay));
    cells.put(
        15,
        Value::Integer(match instance.authentication {
            Authentication::None | Authentication::Hmac(_) => 0,
            Authentication::Pass(_) => 1,
            Authentication::Ah(_) => 2,
        }),
    );
    let sync = configured.model.globals.lvs.sync_daemon.as_ref();
    let sync = sync.filter(|sync| sync.instance.as_ref() == Some(&instance.name));
    cells.put(16, Value::truth(sync.is_some()));
    cells.maybe(17, sync.map(|sync| Value::text(sync.interface.as_str())));
    let group = configured.groups.iter().find(|group| group.members.contains(&instance.name));
    cells.maybe(18, group.map(|group| Value::text(&group.name)));
    cells.put(19, Value::seconds(instance.garp.master_delay));
    cells.put(20, Value::truth(alerts(configured, notify)));
    cells.put(21, Value::truth(executes(notify)));
    cells.command(22, notify.master.as_ref());
    cells.command(23, notify.backup.as_ref());
    cells.command(24, notify.fault.as_ref());
    cells.command(25, notify.stop.as_ref());
    cells.command(26, notify.any.as_ref());
    cells.put(27, Value::truth(instance.accept != Some(false)));
    cells.put(28, Value::truth(instance.promote_secondaries));
    let polling = instance.linkbeat_polling || configured.model.globals.host.linkbeat_polling;
    cells.put(29, Value::truth(polling));
    cells.put(30, Value::Integer(if instance.version == Version::V3 { 3 } else { 2 }));
    cells.command(31, notify.lower_priority.as_ref());
    cells.command(32, notify.deleted.as_ref());
    cells.put(33, Value::truth(notify.deleted.is_some()));
    if let Destination::Multicast(group) = instance.transport.to {
        cells.put(34, Value::family(group.is_ipv6()));
        cells.put(35, Value::address(group));
    }
    cells.0
}
