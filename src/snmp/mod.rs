//! What is shown over SNMP, by a process of its own that speaks AgentX (RFC 2741) with the master agent, mostly net-snmp's
//! snmpd.
//!
//! The daemon makes tables of its state and hands them, and traps, over to that process: `link` is how, `mib` what. The
//! process (`io/agent.rs`) is a `session` between the daemon and the master agent. Invariants: nothing here holds up
//! anything else, whoever of the three hangs or dies; nothing can be set from outside.

pub mod event;
pub(crate) mod io;
pub mod link;
pub mod mib;
pub mod oid;
pub mod pdu;
pub mod session;
pub mod table;
pub mod traps;
pub mod value;
