//! The part of KEEPALIVED-MIB on the daemon as a whole.

use crate::config::model::{Mail, OutsideView};

use super::super::table::Table;
use super::super::value::Value;
use super::{Configured, GENERAL, keepalived, numbers};

const MAIL: u32 = 3;
const RECIPIENTS: u32 = 5;

pub(super) fn tables(configured: &Configured<'_>, out: &mut Vec<Table>) {
    let globals = &configured.model.globals;
    let (lvs, host) = (&globals.lvs, &globals.host);
    let flush_on_stop = match lvs.flush_on_stop {
        None => 2,
        Some(false) => 1,
        Some(true) => 3,
    };
    let values = vec![
        (1, Some(Value::text(concat!("directord ", env!("CARGO_PKG_VERSION"))))),
        (2, Some(Value::text(configured.router_id))),
        (4, Some(Value::truth(configured.parts.traps))),
        (5, Some(Value::Integer(if host.linkbeat_polling { 2 } else { 1 }))),
        (6, Some(Value::truth(lvs.flush))),
        (7, Some(Value::truth(true))),
        (8, Some(Value::text(configured.namespace))),
        (9, Some(Value::truth(globals.outside.enabled.contains(&OutsideView::Dbus)))),
        (10, Some(Value::truth(host.dynamic_interfaces.is_some()))),
        (11, Some(Value::Integer(flush_on_stop))),
    ];
    out.push(Table::scalars(keepalived(&[GENERAL]), values));
    mail(configured, &globals.mail, out);
}

fn mail(configured: &Configured<'_>, mail: &Mail, out: &mut Vec<Table>) {
    let server = mail.server.as_ref();
    // A name is looked up when a mail goes out.
    let address = server.and_then(|(host, _)| host.parse::<std::net::IpAddr>().ok());
    let from = mail.from.as_ref().map(|from| from.address().to_owned());
    let alert = |said: Option<bool>| {
        Some(Value::Integer(match said {
            Some(true) => 1,
            Some(false) => 2,
            None => 3,
        }))
    };
    let values = vec![
        (1, address.map(|address| Value::family(address.is_ipv6()))),
        (2, address.map(Value::address)),
        (3, Some(Value::seconds(mail.timeout.unwrap_or(Mail::TIMEOUT)))),
        (4, from.or_else(|| server.map(|_| format!("keepalived@{}", configured.host))).map(Value::Text)),
        (6, server.map(|(_, port)| Value::gauge(*port))),
        (7, Some(Value::truth(!mail.no_faults))),
        (8, alert(mail.alert)),
        (9, alert(mail.alert_vrrp)),
        (10, alert(mail.alert_checker)),
    ];
    out.push(Table::scalars(keepalived(&[GENERAL, MAIL]), values));
    let rows = numbers(&mail.to).map(|(index, to)| (vec![index], vec![(2, Value::text(to.address()))]));
    out.push(Table::of(keepalived(&[GENERAL, MAIL, RECIPIENTS, 1]), rows.collect()));
}
