//! The options themselves, and what becomes of them: here those of the daemon and of the test, in `commands` the others.

mod commands;

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use clap::{ArgAction, Parser, ValueEnum};
use nix::unistd::{Gid, Group};

use super::check::CheckOptions;
use super::run::RunOptions;
use super::start::Policy;
use crate::config::diagnostic::Format;
use crate::config::io::node_name;

pub(super) use commands::{Config, Explain, Failover, Genhash, Maintenance, Reload, Rs, Status};

pub(super) const DEFAULT_FILE: &str = "/etc/keepalived/keepalived.conf";
const DEFAULT_RUNTIME: &str = "/run/directord";

const CHECK: &str = "Configuration test";
const RUN: &str = "Daemon";
const LOG: &str = "Log";
const INERT: &str = "Accepted for keepalived's sake, without effect";

/// Which configuration is read, and for which node.
#[derive(Debug, clap::Args)]
struct Source {
    /// Configuration file; a name that ends in .json holds JSON; - is standard input, for a test
    #[arg(
        short = 'f',
        long = "use-file",
        value_name = "FILE",
        default_value = DEFAULT_FILE
    )]
    config: PathBuf,
    /// Name that @NAME lines are compared with [default: node name up to its first dot]
    #[arg(short = 'i', long, value_name = "NAME")]
    config_id: Option<String>,
}

impl Source {
    fn config_id(&mut self) -> String {
        self.config_id.take().unwrap_or_else(node_name)
    }
}

/// Options of `directord`. `-g`, `-t`, `-A` and `-M` take their value glued or after `=`, as in keepalived.
#[derive(Debug, Parser)]
#[command(
    name = "directord",
    about = "Director daemon for Linux Virtual Server pairs: VRRP, health checks and IPVS from one keepalived.conf",
    after_help = "directord explain CODE | KEYWORD: what a diagnostic or a word of the configuration means.\n\
        directord config dump: the configuration as it counts, as keepalived.conf or JSON.\n\
        directord config fmt: files in their canonical layout.\n\
        directord reload: the daemon reads its configuration again, and says what came of it.\n\
        directord status: how the daemon stands.\n\
        directord failover: another node is to lead.\n\
        directord maintenance: this node is to lead nowhere.\n\
        directord rs: a real server is drained, disabled, enabled, or has another weight.\n\
        directord ipvsadm -h: the table by hand, as ipvsadm.\n\
        directord genhash --help: the digest of a page, for HTTP_GET.\n\
        keepalived's --check is the long form of -C; here it tests the configuration, and -C has no long form.",
    disable_version_flag = true,
    disable_help_subcommand = true,
    override_usage = "directord [OPTIONS]\n       directord --check -f FILE\n       directord explain CODE | KEYWORD\n       directord config dump [-f FILE]\n       directord config fmt [FILE...]\n       directord reload\n       directord status [NAME...]\n       directord failover NAME...\n       directord maintenance on|off\n       directord rs drain|disable|weight|enable VIRTUAL-SERVER REAL-SERVER\n       directord ipvsadm COMMAND...\n       directord genhash -s ADDRESS -p PORT -u URL"
)]
pub(super) struct Options {
    #[command(flatten)]
    source: Source,
    /// An include that finds nothing is an error
    #[arg(short = 'e', long)]
    all_config: bool,
    /// Print the version
    #[arg(short = 'v', long)]
    pub(super) version: bool,
    /// Print the number of a signal: DATA, JSON, RELOAD, STATS, STATS_CLEAR, STOP
    #[arg(long, value_name = "NAME")]
    pub(super) signum: Option<String>,

    /// Test the configuration: exit status 0 clean, 1 warnings, 2 errors
    #[arg(long, help_heading = CHECK)]
    check: bool,
    /// The same, appending the result to LOG
    #[arg(short = 't', long, value_name = "LOG", num_args = 0..=1, require_equals = true, help_heading = CHECK)]
    config_test: Option<Option<PathBuf>>,
    /// File of the other node: say where the two disagree; this and what follows imply --check
    #[arg(long, value_name = "FILE", help_heading = CHECK)]
    peer: Option<PathBuf>,
    /// Name that @NAME lines of that file are compared with
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true, help_heading = CHECK)]
    peer_id: String,
    /// Look at this host too: interfaces, accounts, scripts, kernel modules, sysctls, names
    #[arg(long, help_heading = CHECK)]
    host: bool,
    /// Say what a start would run
    #[arg(long, help_heading = CHECK)]
    as_start: bool,
    /// How the result is written [default: human]: json and sarif on standard output, the others on standard error
    #[arg(long, value_name = "FORMAT", help_heading = CHECK)]
    format: Option<FormatName>,

    /// Stay in the foreground
    #[arg(short = 'n', long, help_heading = RUN)]
    dont_fork: bool,
    /// VRRP without virtual servers
    #[arg(short = 'P', long, help_heading = RUN)]
    vrrp: bool,
    /// Virtual servers without VRRP
    #[arg(short = 'C', help_heading = RUN)]
    only_checkers: bool,
    /// Without BFD: all its sessions are down
    #[arg(short = 'B', long = "no_bfd", help_heading = RUN)]
    no_bfd: bool,
    /// File for the process id
    #[arg(short = 'p', long, value_name = "FILE", help_heading = RUN)]
    pid: Option<PathBuf>,
    /// Leave the virtual addresses at stop
    #[arg(short = 'V', long, help_heading = RUN)]
    dont_release_vrrp: bool,
    /// Leave the virtual servers at stop
    #[arg(short = 'I', long, help_heading = RUN)]
    dont_release_ipvs: bool,
    /// Refused: start directord inside the network namespace, `ip netns exec NAME directord`
    #[arg(short = 's', long, value_name = "NAME", help_heading = RUN)]
    namespace: Option<String>,
    /// Show everything over SNMP, as `enable_snmp_vrrp`, `enable_snmp_checker` and `enable_snmp_rfc` do
    #[arg(short = 'x', long, help_heading = RUN)]
    snmp: bool,
    /// Where the SNMP master agent is, in place of `snmp_socket`
    #[arg(short = 'A', long, value_name = "SOCKET", num_args = 0..=1, help_heading = RUN)]
    snmp_agent_socket: Option<Option<String>>,
    /// Watch over the daemon: its parent stays, starts one that was killed again, and takes away the addresses, routes and rules of one that does not come back
    #[arg(long, help_heading = RUN)]
    guard: bool,
    /// With --guard: a daemon that was killed is not started again
    #[arg(short = 'R', long, help_heading = RUN)]
    dont_respawn: bool,
    /// Go on after an interrupt from the keyboard
    #[arg(long, help_heading = RUN)]
    ignore_sigint: bool,
    /// Folder for the socket and the state of the daemon
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_RUNTIME, help_heading = RUN)]
    runtime_dir: PathBuf,
    /// Members of this group may ask for the status, too; without it only root may
    #[arg(long, value_name = "GROUP", value_parser = group, help_heading = RUN)]
    control_group: Option<u32>,
    /// Folder for the files that SIGUSR1, SIGUSR2, SIGRTMIN+2 and SIGRTMAX-1 ask for, /tmp for programs that look for them there [default: that of --runtime-dir]
    #[arg(long, value_name = "FOLDER", help_heading = RUN)]
    dump_dir: Option<PathBuf>,
    /// Folder where the last configuration without errors is kept
    #[arg(long, value_name = "FOLDER", default_value = "/var/lib/directord", help_heading = RUN)]
    state_dir: PathBuf,
    /// Take in what leaves nothing to do, or misses what ran before because files are missing
    #[arg(long, help_heading = RUN)]
    allow_empty: bool,
    /// Do not start with a configuration that has errors
    #[arg(long, help_heading = RUN)]
    strict: bool,
    /// With errors, start with the file without what is wrong, not with the last one that had none
    #[arg(long, help_heading = RUN)]
    no_fallback: bool,

    /// Log to standard error too
    #[arg(short = 'l', long, help_heading = LOG)]
    log_console: bool,
    /// Log more; twice: still more
    #[arg(short = 'D', long, action = ArgAction::Count, help_heading = LOG)]
    log_detail: u8,
    /// Log the configuration at start, as config dump --defaults writes it
    #[arg(short = 'd', long, help_heading = LOG)]
    dump_conf: bool,

    #[command(flatten)]
    inert: Inert,

    #[arg(hide = true)]
    pub(super) surplus: Vec<OsString>,
}

/// The number of a group of this system.
fn group(name: &str) -> Result<u32, String> {
    let found = match name.parse() {
        Ok(number) => Group::from_gid(Gid::from_raw(number)),
        Err(_) => Group::from_name(name),
    };
    match found {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        Ok(None) => Err("no group is called so: `getent group` lists them".to_owned()),
        Err(error) => Err(format!("the groups cannot be read: {}", error.desc())),
    }
}

/// Options of keepalived that change nothing here.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = INERT)]
struct Inert {
    /// Start all processes
    #[arg(long)]
    all: bool,
    /// Syslog facility
    #[arg(short = 'S', long, value_name = "FACILITY")]
    log_facility: Option<String>,
    /// Log to a file
    #[arg(short = 'g', long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    log_file: Option<Option<String>>,
    /// Flush the log file at each line
    #[arg(long)]
    flush_log_file: bool,
    /// Without syslog
    #[arg(short = 'G', long)]
    no_syslog: bool,
    /// File mask
    #[arg(short = 'u', long, value_name = "MASK")]
    umask: Option<String>,
    /// Drop virtual addresses on signals
    #[arg(short = 'X', long)]
    release_vips: bool,
    /// Pid file of the VRRP process
    #[arg(short = 'r', long = "vrrp_pid", value_name = "FILE")]
    vrrp_pid: Option<String>,
    /// Pid file of the checker process
    #[arg(short = 'c', long = "checkers_pid", value_name = "FILE")]
    checkers_pid: Option<String>,
    /// Pid file of the BFD process
    #[arg(short = 'b', long = "bfd_pid", value_name = "FILE")]
    bfd_pid: Option<String>,
    /// Log changes of addresses
    #[arg(short = 'a', long)]
    address_monitoring: bool,
    /// Allow core dumps
    #[arg(short = 'm', long)]
    core_dump: bool,
    /// Pattern of core dumps
    #[arg(short = 'M', long, value_name = "PATTERN", num_args = 0..=1, require_equals = true)]
    core_dump_pattern: Option<Option<String>>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FormatName {
    Human,
    Json,
    Line,
    Sarif,
}

impl Options {
    /// Whether the configuration is only tested.
    pub(super) fn is_check(&self) -> bool {
        let more = self.peer.is_some() || self.host || self.as_start || self.format.is_some();
        self.check || self.config_test.is_some() || more
    }

    fn policy(&self) -> Policy {
        Policy {
            strict: self.strict,
            fallback: !self.no_fallback,
            allow_empty: self.allow_empty,
            state_dir: self.state_dir.clone(),
        }
    }

    pub(super) fn check_options(mut self) -> CheckOptions {
        CheckOptions {
            host: self.host,
            runtime_dir: self.runtime_dir.clone(),
            as_start: self.as_start.then(|| self.policy()),
            config_id: self.source.config_id(),
            config: self.source.config,
            all_config: self.all_config,
            peer: self.peer,
            peer_id: self.peer_id,
            format: match self.format {
                None | Some(FormatName::Human) => Format::Human,
                Some(FormatName::Json) => Format::Json,
                Some(FormatName::Line) => Format::Line,
                Some(FormatName::Sarif) => Format::Sarif,
            },
            log: self.config_test.flatten(),
        }
    }

    pub(super) fn run_options(mut self) -> RunOptions {
        RunOptions {
            policy: self.policy(),
            ineffective: self.inert.given(),
            config_id: self.source.config_id(),
            config: self.source.config,
            all_config: self.all_config,
            foreground: self.dont_fork,
            only_vrrp: self.vrrp,
            only_checkers: self.only_checkers,
            no_bfd: self.no_bfd,
            pid_file: self.pid,
            log_detail: self.log_detail,
            log_console: self.log_console,
            dump_conf: self.dump_conf,
            dont_release_vrrp: self.dont_release_vrrp,
            dont_release_ipvs: self.dont_release_ipvs,
            control_group: self.control_group,
            snmp: self.snmp,
            snmp_socket: self.snmp_agent_socket.flatten(),
            ignore_sigint: self.ignore_sigint,
            guard: self.guard,
            respawns: !self.dont_respawn,
            runtime_dir: self.runtime_dir,
            dump_dir: self.dump_dir,
        }
    }
}

impl Options {
    /// An option that would be dangerous to ignore, and what to do instead.
    pub(super) fn refused(&self) -> Option<String> {
        let name = self.namespace.as_ref()?;
        Some(format!(
            "--namespace is not supported in this version: start directord inside, `ip netns exec {name} directord …`"
        ))
    }
}

impl Inert {
    /// The long names of those that are there.
    fn given(&self) -> Vec<String> {
        let all = [
            (self.all, "--all"),
            (self.log_facility.is_some(), "--log-facility"),
            (self.log_file.is_some(), "--log-file"),
            (self.flush_log_file, "--flush-log-file"),
            (self.no_syslog, "--no-syslog"),
            (self.umask.is_some(), "--umask"),
            (self.release_vips, "--release-vips"),
            (self.vrrp_pid.is_some(), "--vrrp_pid"),
            (self.checkers_pid.is_some(), "--checkers_pid"),
            (self.bfd_pid.is_some(), "--bfd_pid"),
            (self.address_monitoring, "--address-monitoring"),
            (self.core_dump, "--core-dump"),
            (self.core_dump_pattern.is_some(), "--core-dump-pattern"),
        ];
        all.iter().filter(|(given, _)| *given).map(|(_, name)| (*name).to_owned()).collect()
    }
}

/// Short options with an optional value take it glued (`-tFILE`), which clap does not know: they become
/// `--config-test=FILE`.
pub(super) fn normalised(arguments: Vec<OsString>) -> Vec<OsString> {
    const GLUED: [(&[u8], &str); 3] =
        [(b"-M", "--core-dump-pattern="), (b"-g", "--log-file="), (b"-t", "--config-test=")];
    let glued = |argument: OsString| {
        let bytes = argument.as_bytes();
        let option = GLUED.iter().find_map(|(short, long)| Some((bytes.strip_prefix(*short)?, long)));
        match option {
            Some((value, long)) if !value.is_empty() => {
                let value = value.strip_prefix(b"=").unwrap_or(value);
                OsString::from_vec([long.as_bytes(), value].concat())
            }
            _ => argument,
        }
    };
    arguments.into_iter().map(glued).collect()
}
