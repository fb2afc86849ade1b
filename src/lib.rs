//! directord: a high-availability director daemon for Linux Virtual Server pairs.
//!
//! Folders are the nouns of the field. Files in a folder decide and are pure; its `io/` acts.
//! `docs/architecture.md` shows how an advert, a failed check and a reload travel through them.

// A process beside the daemon, for what must not hold it up.
pub mod beside;
// BFD: packets, the state machine of a session, all of them, and their thread.
pub mod bfd;
// Feeding pages and hosts to readers, retrying, and turning the outcome into verdicts.
pub mod check;
// The command line: one file per subcommand.
pub mod cli;
// keepalived.conf: text to typed model, with diagnostics.
pub mod config;
// What a running daemon is asked, and what it answers.
pub mod control;
// The files that keepalived's signals ask for.
pub mod dump;
// D-Bus: the instances as objects, and the process that speaks with the bus.
pub mod dbus;
// Wiring: start-up, reload, shutdown, threads.
pub mod director;
// The kernel's virtual server table: services, destinations, their netlink form and their diff.
pub mod ipvs;
// Mail alerts: which there are, when they go out, and the dialogue with the server.
pub mod mail;
// Addresses and links: desired against actual, ARP frames, netlink.
pub mod net;
// What is told of virtual routers to scripts and FIFOs, in order.
pub mod notify;
// Verdicts of the checks to the desired virtual server table: weights, quorum, sorry server.
pub mod pool;
// How things are told: how loud, how often, in which words.
mod report;
// Programs of the administrator: as whom they run, whether they may, and how they end.
pub mod script;
// SNMP: objects and traps, and the process that speaks AgentX with the master agent.
pub mod snmp;
// The only unsafe code: one family of system calls a file.
pub mod sys;
// Values as text.
mod text;
// What holds an instance in FAULT or moves its priority.
pub mod track;
// What happens, as JSON, to addresses that take it by HTTP.
pub mod webhook;
// VRRP: packets, the state machine of an instance, and its sockets and thread.
pub mod vrrp;
