//! What of virtual servers and real servers changes while a configuration runs: who is up, with which weight. And the
//! traps that tell of it.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::config::model::VirtualServer;
use crate::pool::View;

use super::super::table::Table;
use super::super::traps::Trap;
use super::super::value::Value;
use super::checks::{Row, SERVERS, SERVICES, address, check, identity, protocol, rows};
use super::{CHECK, Cells, GENERAL, keepalived, numbers};

const TRAPS: [u32; 3] = [CHECK, 5, 0];

/// All tables; `view`: how a virtual server stands.
pub fn tables(servers: &[Arc<VirtualServer>], view: impl Fn(&VirtualServer) -> Option<View>) -> Vec<Table> {
    let mut services = Table::new(check(SERVICES), &[11, 21, 23]);
    let mut reals = Table::new(check(SERVERS), &[6, 7, 13]);
    for (number, server) in numbers(servers) {
        let view = view(server).unwrap_or_default();
        let alive = Value::truth(view.quorum || view.up > 0);
        let quorum = Value::truth(view.quorum);
        services.row(&[number], vec![Some(alive), Some(Value::gauge(view.up)), Some(quorum)]);
        for (at, row) in numbers(rows(server)) {
            let values = match row {
                // It is what the quorum says.
                Row::Sorry(_) => vec![None, None, None],
                Row::Real(real) => {
                    let stands = view.servers.get(&real.address).copied().unwrap_or_default();
                    vec![
                        Some(Value::truth(stands.up)),
                        Some(Value::integer(stands.weight)),
                        Some(Value::gauge(stands.failed)),
                    ]
                }
            };
            reals.row(&[number, at], values);
        }
    }
    vec![services, reals]
}

/// What a trap says of the virtual server: its name, how many real servers are up.
fn of_service(server: &VirtualServer, columns: &mut Vec<(u32, Value)>) {
    columns.extend(identity(server));
    columns.push((8, protocol(server)));
}

/// realServerStateChange; `all_up`: real servers of `server` that are up.
#[must_use]
pub fn server_trap(
    server: &VirtualServer,
    real: &SocketAddr,
    up: bool,
    all_up: usize,
    router_id: &str,
) -> Trap {
    let mut cells = Cells::default();
    address(&mut cells, real);
    cells.put(6, Value::truth(up));
    let named = |table: u32, (column, value): (u32, Value)| (check(table).with(&[column]), value);
    let mut objects: Vec<_> = cells.0.into_iter().map(|cell| named(SERVERS, cell)).collect();
    let mut columns = Vec::new();
    of_service(server, &mut columns);
    columns.push((21, Value::gauge(all_up)));
    columns.push((20, Value::gauge(server.real_servers.len())));
    objects.extend(columns.into_iter().map(|cell| named(SERVICES, cell)));
    objects.push((keepalived(&[GENERAL, 2, 0]), Value::text(router_id)));
    Trap { name: keepalived(&TRAPS).with(&[1]), objects }
}

/// What is told when the daemon stops: all that is up goes, one after the other.
#[must_use]
pub fn last_traps(server: &VirtualServer, mut view: View, router_id: &str) -> Vec<Trap> {
    let mut traps = Vec::new();
    let quorum = view.quorum;
    for real in &server.real_servers {
        if view.servers.get(&real.address).is_some_and(|stands| stands.up) {
            view.up = view.up.saturating_sub(1);
            traps.push(server_trap(server, &real.address, false, view.up, router_id));
        }
    }
    traps.extend(quorum.then(|| quorum_trap(server, Quorum::Stopped, view.up, router_id)));
    traps
}

/// What became of a quorum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quorum {
    /// It is met.
    Met,
    /// It is not.
    Lost,
    /// The daemon stops.
    Stopped,
}

/// virtualServerQuorumStateChange; `all_up`: its real servers that are up.
#[must_use]
pub fn quorum_trap(server: &VirtualServer, became: Quorum, all_up: usize, router_id: &str) -> Trap {
    let mut columns = Vec::new();
    of_service(server, &mut columns);
    let number = match became {
        Quorum::Met => 1,
        Quorum::Lost => 2,
        Quorum::Stopped => 3,
    };
    columns.push((23, Value::Integer(number)));
    columns.push((22, Value::gauge(server.quorum)));
    columns.push((21, Value::gauge(all_up)));
    columns.push((20, Value::gauge(server.real_servers.len())));
    let named = columns.into_iter().map(|(column, value)| (check(SERVICES).with(&[column]), value));
    let mut objects: Vec<_> = named.collect();
    objects.push((keepalived(&[GENERAL, 2, 0]), Value::text(router_id)));
    Trap { name: keepalived(&TRAPS).with(&[2]), objects }
}
