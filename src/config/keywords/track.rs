//! What is tracked: scripts, files, processes, BFD sessions, groups. One row a word: path, arguments, default, range, meaning, since, status.

use super::Status::Implemented;
use super::absent::{OFF, REQUIRED, UNSAID, millis, number, time, told};
use super::args::{
    A_NAME, BOOL, COMMAND, FLAG, INIT_FILE, INSTANCES, INT, IP, NAMED_BLOCK, NUM, PATH, RAW, TEXT, TIMER,
    USER, WEIGHT, args, line,
};
use super::notation::Part::{Called, Many, Maybe};
use super::range::{ANY, micros, whole};
use super::shape::Shape::{Alone, Choice};
use super::{Row, part, row};
use crate::config::model::{BfdInstance, TrackProcess, TrackScript};

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("track_group", NAMED_BLOCK, UNSAID, ANY.note("name required and unique; removed if empty; must precede the static entries that use it"), "name a set of instances that static entries belong to", "2.0.3", Implemented),
    part("track_group/group", INSTANCES, UNSAID, ANY.note("second use skipped with error"), "members of the group", "2.0.3"),
    row("vrrp_script", NAMED_BLOCK, UNSAID, ANY.note("duplicate names are not rejected, first match is used; must precede the tracker that names it"), "define a health script for priority or fault tracking", "1.1.13", Implemented),
    part("vrrp_script/script", COMMAND, REQUIRED, ANY.note("one quoted word that is re-split with escapes; last wins"), "command to run", ""),
    part("vrrp_script/interval", TIMER, time(TrackScript::INTERVAL), whole(0, 4294).unit("s").note(", 3 decimals; 0 reported and becomes 1"), "seconds between runs", ""),
    part("vrrp_script/timeout", TIMER, number(0).note(" = interval"), whole(0, 4294).unit("s").note(", 3 decimals; an explicit 0 is reported and becomes 1"), "give up on a run after this long", ""),
    part("vrrp_script/weight", WEIGHT, number(0), whole(-253, 253).note("; out of range is reported but the parsed number is stored anyway"), "priority change; 0 means failure causes FAULT", ""),
    part("vrrp_script/rise", INT, number(TrackScript::RISE as i64), whole(1, 2_147_483_647), "successes needed to count as up", ""),
    part("vrrp_script/fall", INT, number(TrackScript::FALL as i64), whole(1, 2_147_483_647), "failures needed to count as down", ""),
    part("vrrp_script/user", USER, told("script_user"), ANY.note("bad account removes the script"), "account to run the script under", ""),
    part("vrrp_script/init_fail", FLAG, OFF, ANY, "assume failure until the first result", "1.3.2"),
    row("vrrp_track_process", NAMED_BLOCK, UNSAID, ANY.note("must precede its user; without the kernel's proc events looked for every second"), "watch for running processes by name", "2.0.11", Implemented),
    part("vrrp_track_process/process", line(RAW, &[A_NAME, Maybe(&[Many(&Called("PARAM", TEXT))])]), REQUIRED, ANY.note("first wins; parameters imply param_match and full_command"), "executable name (and arguments) to look for", ""),
    part("vrrp_track_process/param_match", args(Alone(&Choice(&["initial", "partial"]))), told("exact when parameters given"), ANY.note("bare = exact; partial = the first ones; initial = the first ones, of the last one its start"), "how arguments are compared", ""),
    part("vrrp_track_process/weight", WEIGHT, number(0), whole(-254, 254).note("; first nonzero wins"), "priority change while the quorum holds or not", ""),
    part("vrrp_track_process/quorum", INT, number(TrackProcess::QUORUM as i64), whole(1, 65_535).note(" and <= quorum_max"), "fewest matching processes considered healthy", ""),
    part("vrrp_track_process/quorum_max", INT, told("unlimited"), whole(0, 65_535).note(" and >= quorum; 0 = none may run"), "most matching processes considered healthy", "2.0.16"),
    part("vrrp_track_process/delay", TIMER, number(0), micros(1, Some(3_600_000_000)).unit("s"), "set both fork and terminate delays", ""),
    part("vrrp_track_process/terminate_delay", TIMER, number(0), micros(1, Some(3_600_000_000)).unit("s"), "wait before losing quorum takes effect", ""),
    part("vrrp_track_process/fork_delay", TIMER, number(0), micros(1, Some(3_600_000_000)).unit("s"), "wait before gaining quorum takes effect", ""),
    part("vrrp_track_process/full_command", FLAG, OFF.note(" (15-char comm)"), ANY, "match against the complete command line", ""),
    row("track_file", NAMED_BLOCK, UNSAID, ANY.note("dropped without a usable path; usable by VRRP and FILE_CHECK; must precede its user"), "watch a file that holds a number", "2.0.0", Implemented),
    part("track_file/file", PATH, REQUIRED, ANY.note("first wins; parent directory must exist on a filesystem inotify can watch"), "file to watch", ""),
    part("track_file/weight", WEIGHT, number(1), whole(-254, 254).note("; may be set once to a non-1 value"), "multiplier for the number read", ""),
    part("track_file/init_file", INIT_FILE, told("not written"), ANY.note("32-bit, warns outside -254..254; not done on reload or -t"), "create (or overwrite) the file at startup", ""),
    row("vrrp_track_file", NAMED_BLOCK, UNSAID, ANY.note("log message only"), "deprecated name for track_file", "2.0.0", Implemented),
    part("vrrp_track_file/file", PATH, REQUIRED, ANY.note("as track_file"), "file to watch", ""),
    part("vrrp_track_file/weight", WEIGHT, number(1), ANY.note("as track_file"), "multiplier for the number read", ""),
    part("vrrp_track_file/init_file", INIT_FILE, told("not written"), ANY.note("as track_file"), "create the file at startup", ""),
    row("bfd_instance", NAMED_BLOCK, UNSAID, ANY.note("name <=31 chars, duplicates skipped; read by BFD, VRRP and checker processes"), "one BFD session", "", Implemented),
    part("bfd_instance/source_ip", IP, told("chosen by kernel"), ANY.note("same family as neighbour"), "local address", ""),
    part("bfd_instance/neighbor_ip", IP, REQUIRED, ANY.note("address pairs must be unique; malformed drops the instance"), "peer address", ""),
    part("bfd_instance/neighbour_ip", IP, REQUIRED, ANY, "alternative spelling of neighbor_ip", ""),
    part("bfd_instance/min_rx", NUM, millis(BfdInstance::INTERVAL), whole(1, 4_294_967).unit("ms").note(", 3 decimals; above 10000 logged"), "slowest receive rate accepted", ""),
    part("bfd_instance/min_tx", NUM, millis(BfdInstance::INTERVAL), whole(1, 4_294_967).unit("ms").note(", 3 decimals"), "wanted transmit interval", ""),
    part("bfd_instance/idle_tx", NUM, millis(BfdInstance::IDLE), whole(1000, 4_294_967).unit("ms").note(", 3 decimals"), "transmit interval while down", ""),
    part("bfd_instance/multiplier", INT, number(BfdInstance::MULTIPLIER as i64), whole(1, 255), "missed packets before down", ""),
    part("bfd_instance/passive", FLAG, OFF, ANY, "wait for the peer to speak first", ""),
    part("bfd_instance/ttl", INT, told("255 IPv4, 64 IPv6"), whole(1, 255), "TTL of sent packets", ""),
    part("bfd_instance/hoplimit", INT, told("255 IPv4, 64 IPv6"), whole(1, 255), "same as ttl", ""),
    part("bfd_instance/max_hops", INT, number(0), whole(-1, 255).note(", capped at ttl; -1 = no check"), "most hops a received packet may have crossed", ""),
    part("bfd_instance/multihop", BOOL, OFF, ANY.note("bare = on"), "use the multihop port 4784 instead of 3784", ""),
    part("bfd_instance/weight", WEIGHT, number(0), whole(-253, 253).note("; read by the VRRP process only"), "default priority change for trackers", ""),
    part("bfd_instance/vrrp", FLAG, told("both when neither given"), ANY, "deliver events to VRRP", ""),
    part("bfd_instance/checker", FLAG, told("both when neither given"), ANY, "deliver events to the checkers", ""),
];
