//! The traps of VRRP in KEEPALIVED-MIB.

use crate::config::model::InitialState;
use crate::vrrp::event::State;

use super::super::traps::Trap;
use super::super::value::Value;
use super::instances::{GROUPS, INSTANCES};
use super::state::number;
use super::{GENERAL, VRRP, keepalived, vrrp};

const TRAPS: [u32; 3] = [VRRP, 10, 0];
/// VrrpState of what ends: the daemon stops, or a reload removed it.
const SHUTDOWN: i32 = 5;
const DELETED: i32 = 6;

/// What an instance became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Became {
    /// It is in this state.
    State(State),
    /// The daemon stops.
    Stopped,
    /// A reload removed it.
    Deleted,
}

impl Became {
    fn value(self) -> Value {
        Value::Integer(match self {
            Self::State(state) => number(state),
            Self::Stopped => SHUTDOWN,
            Self::Deleted => DELETED,
        })
    }
}

/// vrrpInstanceStateChange.
#[must_use]
pub fn instance_trap(name: &str, became: Became, initial: InitialState, router_id: &str) -> Trap {
    let initial = if initial == InitialState::Master { 2 } else { 1 };
    let column = |column| vrrp(INSTANCES).with(&[column]);
    Trap {
        name: keepalived(&TRAPS).with(&[2]),
        objects: vec![
            (column(2), Value::text(name)),
            (column(4), became.value()),
            (column(5), Value::Integer(initial)),
            (keepalived(&[GENERAL, 2, 0]), Value::text(router_id)),
        ],
    }
}

/// vrrpSyncGroupStateChange.
#[must_use]
pub fn group_trap(name: &str, became: Became, router_id: &str) -> Trap {
    let column = |column| vrrp(GROUPS).with(&[column]);
    Trap {
        name: keepalived(&TRAPS).with(&[1]),
        objects: vec![
            (column(2), Value::text(name)),
            (column(3), became.value()),
            (keepalived(&[GENERAL, 2, 0]), Value::text(router_id)),
        ],
    }
}
