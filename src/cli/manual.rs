//! `directord(8)`, from the options themselves.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use clap::{Arg, Command};

use super::options::{Config, Explain, Failover, Genhash, Maintenance, Options, Reload, Rs, Status};

/// The manual page of the program.
pub fn man() -> String {
    let mut text = format!(
        ".TH DIRECTORD 8 \"\" \"directord {}\" \"System administration\"\n",
        env!("CARGO_PKG_VERSION")
    );
    text += HEAD;
    let main = Options::command();
    let mut headings: Vec<Option<&str>> = Vec::new();
    for argument in shown(&main) {
        if !headings.contains(&argument.get_help_heading()) {
            headings.push(argument.get_help_heading());
        }
    }
    text += ".SH OPTIONS\n";
    for heading in headings {
        if let Some(heading) = heading {
            let _ = writeln!(text, ".SS {}", escaped(heading));
        }
        for argument in shown(&main).filter(|argument| argument.get_help_heading() == heading) {
            option(&mut text, argument);
        }
    }
    section(&mut text, "explain", &Explain::command());
    for command in Config::command().get_subcommands() {
        section(&mut text, &format!("config {}", command.get_name()), command);
    }
    section(&mut text, "reload", &Reload::command());
    section(&mut text, "status", &Status::command());
    section(&mut text, "failover", &Failover::command());
    section(&mut text, "maintenance", &Maintenance::command());
    section(&mut text, "rs", &Rs::command());
    text += IPVSADM;
    section(&mut text, "genhash", &Genhash::command());
    text + TAIL
}

fn section(text: &mut String, name: &str, command: &Command) {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, ".SH {}\n{}.", escaped(&name.to_uppercase()), escaped(&about));
    for argument in shown(command) {
        option(text, argument);
    }
    if let Some(after) = command.get_after_help() {
        let _ = writeln!(text, ".PP\n{}", escaped(&after.to_string()));
    }
}

fn shown(command: &Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|argument| !argument.is_hide_set())
}

fn option(text: &mut String, argument: &Arg) {
    let short = argument.get_short().map(|short| format!("-{short}"));
    let long = argument.get_long().map(|long| format!("--{long}"));
    let names: Vec<String> = [short, long].into_iter().flatten().collect();
    let takes = argument.get_action().takes_values();
    let value = argument.get_value_names().and_then(|names| names.first()).filter(|_| takes);
    let value = match value {
        Some(value) if argument.is_require_equals_set() => format!("[={value}]"),
        Some(value) => format!(" {value}"),
        None => String::new(),
    };
    let _ = writeln!(text, ".TP\n.B {}", escaped(format!("{}{value}", names.join(", ")).trim()));
    let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
    let _ = writeln!(text, "{}.", escaped(&help));
    let choices: Vec<String> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    if takes && !choices.is_empty() {
        let _ = writeln!(text, "One of {}.", escaped(&choices.join(", ")));
    }
    if let (true, Some(default)) = (takes, argument.get_default_values().first())
        && !default.is_empty()
    {
        let _ = writeln!(text, "Default: {}.", escaped(&default.to_string_lossy()));
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

const HEAD: &str = "\
.SH NAME
directord \\- director daemon for Linux Virtual Server pairs
.SH SYNOPSIS
.B directord
[OPTIONS]
.br
.B directord \\-\\-check
[\\-f FILE] [\\-\\-format FORMAT]
.br
.B directord explain
CODE | KEYWORD
.br
.B directord explain election
INSTANCE...
.br
.B directord config dump
[\\-f FILE] [\\-\\-format FORMAT] [\\-\\-defaults] [\\-\\-secrets]
.br
.B directord config fmt
[\\-\\-check | \\-\\-stdout] [FILE...]
.br
.B directord reload
[\\-\\-allow\\-empty] [\\-\\-runtime\\-dir FOLDER]
.br
.B directord status
[\\-\\-json] [\\-\\-watch] [NAME...]
.br
.B directord failover
[\\-\\-for TIME] NAME...
.br
.B directord maintenance
on|off [\\-\\-for TIME] [\\-\\-reason TEXT]
.br
.B directord rs
drain|disable [\\-\\-for TIME] VIRTUAL\\-SERVER REAL\\-SERVER
.br
.B directord rs enable
VIRTUAL\\-SERVER REAL\\-SERVER
.br
.B directord rs weight
[\\-\\-for TIME] VIRTUAL\\-SERVER REAL\\-SERVER WEIGHT
.br
.B directord ipvsadm
COMMAND [OPTIONS]
.br
.B directord genhash
\\-s ADDRESS \\-p PORT \\-u URL
.SH DESCRIPTION
directord moves virtual addresses between two directors with VRRP, checks real servers, and keeps the IPVS table of
the kernel as one keepalived.conf says.
It takes keepalived's options, short and long; those that change nothing are named below.
";

const IPVSADM: &str = "\
.SH IPVSADM
The table of the kernel by hand, with the commands, options, lists, messages and exit statuses of ipvsadm 1.31, which
ipvsadm (8) describes; also when the program is called ipvsadm, ipvsadm\\-save or ipvsadm\\-restore. directord ipvsadm \\-h
names them all.
.PP
\\-R and ipvsadm\\-restore carry all lines out, or none: what is wrong is said of each line with its number.
Lines with \\-Z, \\-\\-set, \\-\\-start\\-daemon and \\-\\-stop\\-daemon come last, and what they have done is not taken back.
A command that would change a service of the daemon that runs is refused.
.TP
.B \\-\\-force
Change also what the daemon keeps: it puts it back.
.TP
.B \\-\\-keep\\-going
\\-R carries out each line it can, as ipvsadm does.
.TP
.B \\-\\-runtime\\-dir FOLDER
Folder of the daemon.
Default: /run/directord.
.PP
Exit status: 0 done; 1 a list cannot be had, or not be written; 2 the command line is wrong or refused; 255 the kernel refuses
it, or no option is called so.
";

const TAIL: &str = "\
.SH SIGNALS
.TP
.B SIGHUP
Read the configuration again. With an error in it nothing changes; what is equal is not touched. The log says each
change, old and new. Refused, too: a configuration that leaves nothing to do, and one that takes away what runs while a
file of it is gone, unreadable, empty or cut; \\-\\-allow\\-empty is for whoever means it.
.TP
.B SIGTERM, SIGINT
Tell the peer, keep everything until it leads, about a second at most (version 3: an interval), then give addresses and services up, and end. A second
one gives them up at once.
.TP
.B SIGUSR1
Write the state: keepalived_parent.data, keepalived.data (VRRP and what it tracks), keepalived_check.data (virtual servers
and checks), keepalived_bfd.data, each when there is something in it.
.TP
.B SIGUSR2
Write the counters of VRRP: keepalived.stats.
.TP
.B SIGRTMIN+2
Write the instances as JSON: keepalived.json. directord \\-\\-signum JSON prints its number.
.TP
.B SIGRTMAX\\-1
Write the counters of VRRP, and begin them anew. directord \\-\\-signum STATS_CLEAR prints its number.
.SH FILES
.TP
.B /run/directord/directord.pid
The process id, while the daemon is ready; for everybody to read. With \\-\\-guard that of the parent, which hands signals on.
.TP
.B /run/directord/directord.lock
Keeps a second daemon from starting; only its owner can open it.
.TP
.B /run/directord/control.socket
Where reload, status, failover, maintenance and rs ask: a question a line, as JSON.
.TP
.B /run/directord/addresses, /run/directord/ipvs\\-services
What the daemon put into the kernel, for a start after a kill.
.TP
.B /run/directord/leading
Which instances lead, with \\-\\-guard: for a daemon that follows one that was killed.
.TP
.B /run/directord/resume
Which instances led when systemd stopped the daemon in order to start it again: read once, by the next process.
.TP
.B /run/directord/keepalived*.data, keepalived.stats, keepalived.json
What the last of those signals asked for, with keepalived's labels and keys and without passwords. Each is new and whole when
it takes the place of the last one, and only its owner can read it, unless umask of the configuration says otherwise. Programs that
look for them in /tmp need \\-\\-dump\\-dir /tmp; in the shipped unit also PrivateTmp=no and ReadWritePaths=/tmp.
.TP
.B /var/lib/directord/*.json
The last configuration without errors of each file, with its includes and passwords; only its owner can read it.
.TP
.B /var/lib/directord/*.maintenance, /var/lib/directord/*.servers
What directord maintenance and directord rs have said.
.TP
.B /etc/keepalived/keepalived.conf
The configuration, unless \\-f names another. Below the shipped unit files under /home, /root and /run/user cannot be
read.
.TP
.B /etc/default/directord, /etc/sysconfig/directord
DIRECTORD_OPTIONS for the shipped unit.
.SH ENVIRONMENT
.TP
.B NOTIFY_SOCKET
Where the service manager hears READY, RELOADING, STOPPING and the status line.
.TP
.B NO_COLOR
When it is set, diagnostics have no colours.
.TP
.B any other
${_ENV NAME} in the configuration stands for its value.
.SH EXIT STATUS
.SS The daemon
0: stopped by a signal. 1: it cannot run. 2: the configuration cannot be used. 4: a capability is missing. With
\\-\\-guard, of a daemon that was killed while it stopped, or with \\-R: 128 and the signal.
An instance whose interface is missing, and virtual servers without IPVS, keep nothing else from running.
.SS directord \\-\\-check
0: nothing to mend. 1: warnings. 2: errors, a reload would refuse the configuration; or wrong options. Notes and lints
change nothing.
With \\-\\-as\\-start 1 also stands for errors that a start gets around, and 2 for a start that would be refused.
.SS directord reload
0: the configuration is in force. 1: it was refused, everything goes on as it was. 2: wrong options.
.SS directord status
0: it was shown. 1: no daemon answers, or nothing has that name. 2: wrong options.
.SS directord failover, directord maintenance
0: another node leads, or maintenance has ended. 1: none does, or no daemon answers. 2: wrong options.
.SS directord rs
0: done. 1: there is no such real server, or no daemon answers. 2: wrong options.
.SS directord ipvsadm
0: done. 1: a list cannot be had. 2: wrong, or refused. 255: the kernel does not take it, or no option is called so.
.SS directord genhash
0: each page was fetched, whatever its status code. 1: one was not; standard error says why. 2: wrong options.
.SH EXAMPLES
.TP
.B directord \\-\\-check \\-\\-peer lvs02.conf
What is wrong with the configuration of this node, and whether it fits that of the other one.
.TP
.B directord \\-n \\-D
The daemon in the foreground, with more in its log.
.TP
.B directord reload
Takes the configuration in, and says what changed or why it was refused.
.TP
.B directord status \\-\\-watch VI_1
How that virtual router stands, again at each change.
.TP
.B directord failover VI_1
The peer leads VI_1 from now on, and keeps it until it fails.
.TP
.B directord maintenance on \\-\\-for 2h \\-\\-reason 'new disk'
This node leads nothing for two hours.
.TP
.B directord rs drain \\-\\-for 1h 192.168.100.240:80 192.168.100.8
That real server gets no new connections for an hour.
.TP
.B directord genhash \\-s 192.168.100.8 \\-p 80 \\-u / \\-\\-stanza
The url block of an HTTP_GET for that page.
.TP
.B directord explain quorum
What a keyword means, its range and its default.
.SH SEE ALSO
.BR directord.conf (5),
.BR ipvsadm (8)
";
