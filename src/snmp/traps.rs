//! Traps: what is told without being asked.

use serde::{Deserialize, Serialize};

use super::oid::Oid;
use super::value::Value;

/// snmpTrapOID.0, the first thing that a trap says (RFC 2741 §6.2.10).
const TRAP: [u32; 11] = [1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0];

/// Something that is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// Which trap it is.
    pub name: Oid,
    /// What it says.
    pub objects: Vec<(Oid, Value)>,
}

impl Trap {
    /// All that is sent, in order.
    #[must_use]
    pub fn bindings(self) -> Vec<(Oid, Value)> {
        let mut bindings = vec![(Oid::new(&TRAP), Value::Oid(self.name))];
        bindings.extend(self.objects);
        bindings
    }
}
