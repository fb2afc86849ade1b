//! D-Bus: the instances as objects of the system bus, with keepalived's paths, interfaces, properties and signals, by a
//! process of its own that speaks with the bus.
//!
//! The daemon hands the instances and their transitions over to that process: `link` is how, `objects` what is shown. The
//! process (`io`) is a `session` between the daemon and the bus. Invariants: nothing here holds up anything else, whoever of
//! bus, clients and process hangs or dies; who may call what is decided by the bus, by `packaging/directord-dbus.conf`.

pub mod event;
pub(crate) mod io;
pub mod link;
pub mod objects;
pub mod session;
