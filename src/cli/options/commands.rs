//! Options of the commands beside the daemon: `explain`, `config`, `reload`, `status`, `failover`, `maintenance`, `rs`, `genhash`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use super::{DEFAULT_FILE, DEFAULT_RUNTIME, Source};
use crate::cli::dump::{self, DumpOptions};
use crate::cli::format::Output;
use crate::cli::genhash::{GenhashOptions, Print};
use crate::cli::lead::Asked;
use crate::cli::reload::ReloadOptions;
use crate::cli::status::StatusOptions;
use crate::config::dump::Show;
use crate::config::model::HttpProtocol;
use crate::control::{Ask, Steer};

/// Options of `explain`.
#[derive(Debug, Parser)]
#[command(
    name = "directord explain",
    bin_name = "directord explain",
    about = "What a keyword of the configuration, or the code of a diagnostic, means; why a node leads or does not",
    override_usage = "directord explain CODE | KEYWORD...\n       directord explain election INSTANCE..."
)]
pub(in crate::cli) struct Explain {
    /// Keywords (`weight`), paths (`real_server/weight`), values (`rr`), codes (`D0015`); after `election` instances or sync
    /// groups of the daemon that runs
    #[arg(value_name = "CODE | KEYWORD", required = true)]
    pub(in crate::cli) topics: Vec<String>,
    #[command(flatten)]
    pub(in crate::cli) asked: Daemon,
}

/// What is done with a configuration.
#[derive(Debug, Parser)]
#[command(
    name = "directord config",
    bin_name = "directord config",
    about = "Configurations as texts",
    disable_help_subcommand = true,
    subcommand_required = true
)]
pub(in crate::cli) enum Config {
    Dump(Dump),
    Fmt(Fmt),
}

/// Options of `config dump`.
#[derive(Debug, clap::Args)]
#[command(
    about = "The configuration as it counts: definitions, includes and inheritance resolved, in today's words"
)]
pub(in crate::cli) struct Dump {
    #[command(flatten)]
    source: Source,
    /// Language of the dump
    #[arg(long, value_name = "FORMAT", default_value = "conf")]
    format: DumpFormat,
    /// Show settings that have their default, too
    #[arg(long)]
    defaults: bool,
    /// Show passwords and keys, which are <hidden-by-directord> otherwise
    #[arg(long)]
    secrets: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum DumpFormat {
    Conf,
    Json,
}

impl From<Dump> for DumpOptions {
    fn from(mut options: Dump) -> Self {
        Self {
            config_id: options.source.config_id(),
            config: options.source.config,
            format: match options.format {
                DumpFormat::Conf => dump::Format::Conf,
                DumpFormat::Json => dump::Format::Json,
            },
            show: Show { defaults: options.defaults, secrets: options.secrets },
        }
    }
}

/// Options of `config fmt`.
#[derive(Debug, clap::Args)]
#[command(
    about = "Write files in their canonical layout: four blanks a level, one statement a line, comments kept",
    after_help = "Exit status: 0 done, or nothing to do; 1 with --check, a file would change; 2 a file cannot be \
        read, written or understood, and is left as it is."
)]
pub(in crate::cli) struct Fmt {
    /// Change nothing; name the files that would change
    #[arg(long, conflicts_with = "stdout")]
    pub(in crate::cli) check: bool,
    /// Change nothing; print the result
    #[arg(long)]
    pub(in crate::cli) stdout: bool,
    /// Files; `-` is standard input, whose result is printed
    #[arg(value_name = "FILE", default_value = DEFAULT_FILE)]
    pub(in crate::cli) files: Vec<PathBuf>,
}

impl Fmt {
    pub(in crate::cli) fn output(&self) -> Output {
        match (self.check, self.stdout) {
            (true, _) => Output::Check,
            (false, true) => Output::Print,
            (false, false) => Output::File,
        }
    }
}

/// Options of `reload`.
#[derive(Debug, Parser)]
#[command(
    name = "directord reload",
    bin_name = "directord reload",
    about = "The daemon reads its configuration again, as after SIGHUP, and says what came of it",
    after_help = "Exit status: 0 the configuration is in force; 1 it was refused and everything goes on as it was, or \
        no daemon answers; 2 wrong options."
)]
pub(in crate::cli) struct Reload {
    /// Take it in although it leaves nothing to do, or misses what runs because files are missing
    #[arg(long)]
    allow_empty: bool,
    /// Say nothing: the exit status tells, and the log of the daemon
    #[arg(long)]
    quiet: bool,
    /// Folder of the daemon
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_RUNTIME)]
    runtime_dir: PathBuf,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
}

impl From<Reload> for ReloadOptions {
    fn from(options: Reload) -> Self {
        Self {
            allow_empty: options.allow_empty,
            quiet: options.quiet,
            runtime_dir: options.runtime_dir,
            timeout: Duration::from_secs(options.timeout.into()),
        }
    }
}

/// Options of `status`.
#[derive(Debug, Parser)]
#[command(
    name = "directord status",
    bin_name = "directord status",
    about = "How the daemon stands: virtual routers, virtual servers, real servers and why they are down",
    after_help = "Exit status: 0 it is shown; 1 no daemon answers, or nothing is called so; 2 wrong options."
)]
pub(in crate::cli) struct Status {
    /// A vrrp_instance, a sync group, or a virtual server as `ADDRESS`, `ADDRESS:PORT`; all of them without a name
    #[arg(value_name = "NAME")]
    of: Vec<String>,
    /// As JSON, in one line
    #[arg(long)]
    json: bool,
    /// Again at each change, until it is interrupted
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    asked: Daemon,
}

impl From<Status> for StatusOptions {
    fn from(options: Status) -> Self {
        Self { of: options.of, json: options.json, watch: options.watch, asked: options.asked.into() }
    }
}

/// Which daemon is asked.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Daemon {
    /// Folder of the daemon
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_RUNTIME)]
    runtime_dir: PathBuf,
    /// Seconds to wait for the answer
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
}

impl From<Daemon> for Asked {
    fn from(options: Daemon) -> Self {
        Self { runtime_dir: options.runtime_dir, timeout: Duration::from_secs(options.timeout.into()) }
    }
}

/// Options of `failover`.
#[derive(Debug, Parser)]
#[command(
    name = "directord failover",
    bin_name = "directord failover",
    about = "Another node is to lead: the others are told, and the addresses stay here until one of them leads",
    after_help = "When no other node takes over, this one goes on as master.\n\
                  Exit status: 0 another node leads; 1 none does, or no daemon answers; 2 wrong options."
)]
pub(in crate::cli) struct Failover {
    /// A vrrp_instance or a sync group; an instance takes the other members of its group along
    #[arg(value_name = "NAME", required = true)]
    pub(in crate::cli) of: Vec<String>,
    /// For so long a master of lower priority keeps the addresses, as in 90s, 10min, 2h; without it until it fails
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(in crate::cli) seconds: Option<Duration>,
    #[command(flatten)]
    pub(in crate::cli) asked: Daemon,
}

/// Options of `maintenance`.
#[derive(Debug, Parser)]
#[command(
    name = "directord maintenance",
    bin_name = "directord maintenance",
    about = "This node is to lead nowhere, also after a restart, until that is ended",
    after_help = "What leads hands over first, and is FAULT then, even if no other node leads.\n\
                  Exit status: 0 done; 1 no other node leads what this one led, or no daemon answers; 2 wrong options."
)]
pub(in crate::cli) struct Maintenance {
    /// on: it begins; off: it ends
    #[arg(value_name = "on|off", value_parser = ["on", "off"])]
    which: String,
    /// It ends by itself after this time, as in 90s, 10min, 2h
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    seconds: Option<Duration>,
    /// Shown wherever the node is seen to be in maintenance
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    #[command(flatten)]
    pub(in crate::cli) asked: Daemon,
}

impl Maintenance {
    /// Whether it begins, for how many seconds, and why.
    pub(in crate::cli) fn wanted(&self) -> (bool, Option<u64>, String) {
        (self.which == "on", self.seconds.map(|time| time.as_secs()), self.reason.clone())
    }
}

/// Options of `rs`.
#[derive(Debug, Parser)]
#[command(
    name = "directord rs",
    bin_name = "directord rs",
    about = "Takes a real server out by hand, or gives it another weight, also over reloads and restarts, until it is enabled",
    after_help = "On this node only: after a failover the other one serves as it was told.\n\
                  Exit status: 0 done; 1 there is no such real server, or no daemon answers; 2 wrong options."
)]
pub(in crate::cli) struct Rs {
    /// drain: it keeps its connections and gets no new ones; disable: it is taken out of the table; weight: it has WEIGHT
    /// while it is up; enable: as the configuration and its checks have it
    #[arg(value_name = "drain|disable|weight|enable", value_parser = ["drain", "disable", "weight", "enable"])]
    which: String,
    /// All virtual servers that `directord status` knows by this name: ADDRESS, ADDRESS:PORT, a group, or as the log has one,
    /// like [192.168.100.240]:udp:53 or 'FWM 7'
    #[arg(value_name = "VIRTUAL-SERVER")]
    service: String,
    /// A real server: ADDRESS:PORT, or ADDRESS for all its ports
    #[arg(value_name = "REAL-SERVER")]
    server: String,
    /// Of weight: 0 to 2147483647
    #[arg(value_name = "WEIGHT", required_if_eq("which", "weight"), value_parser = clap::value_parser!(u32).range(..=2_147_483_647))]
    weight: Option<u32>,
    /// It is enabled by itself after this time, as in 90s, 10min, 2h
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    seconds: Option<Duration>,
    #[command(flatten)]
    pub(in crate::cli) asked: Daemon,
}

impl Rs {
    /// What the daemon is asked.
    pub(in crate::cli) fn ask(&self) -> Result<Ask, &'static str> {
        let what = match (self.which.as_str(), self.weight) {
            ("weight", Some(weight)) => Steer::Weight(weight),
            (_, Some(_)) => return Err("only `weight` has a number"),
            ("drain", None) => Steer::Drain,
            ("disable", None) => Steer::Disable,
            _ if self.seconds.is_some() => return Err("`enable` has no end: leave `--for` out"),
            _ => Steer::Enable,
        };
        let (service, server) = (self.service.clone(), self.server.clone());
        // A second that has begun counts.
        let whole = |time: Duration| time.as_secs() + u64::from(time.subsec_nanos() > 0);
        Ok(Ask::RealServer { service, server, what, seconds: self.seconds.map(whole) })
    }
}

/// Options of `genhash`.
#[derive(Debug, Parser)]
#[command(
    name = "genhash",
    about = "Digests of pages, as HTTP_GET and SSL_GET compare them",
    after_help = "Exit status: 0 each page was fetched, whatever its status code; 1 one was not, for the reason on standard error; 2 wrong options."
)]
pub(in crate::cli) struct Genhash {
    /// Address of the server, or its name: then its first address
    #[arg(short, long, value_name = "ADDRESS")]
    server: String,
    /// Port of the server
    #[arg(short, long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Request target, sent as it stands; several have a line each, with the target behind the digest
    #[arg(short, long, required = true)]
    url: Vec<String>,
    /// Host header [default: address and port, as HTTP_GET sends them]
    #[arg(short = 'V', long, value_name = "HOST")]
    use_virtualhost: Option<String>,
    /// Over TLS
    #[arg(short = 'S', long)]
    use_ssl: bool,
    /// Send the virtual host in the TLS handshake
    #[arg(short = 'I', long)]
    use_sni: bool,
    /// Firewall mark of the connection
    #[arg(short = 'm', long, value_name = "MARK", default_value_t = 0)]
    fwmark: u32,
    /// Version of the request: 1.0, 1.0c (with Connection: close) or 1.1
    #[arg(short = 'P', long, value_name = "VERSION", default_value = "1.0")]
    protocol: ProtocolName,
    /// Seconds for the connection and for each read
    #[arg(short, long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    /// Print what is sent and received
    #[arg(short, long)]
    verbose: bool,
    /// Print a url block for keepalived.conf
    #[arg(long)]
    stanza: bool,
    /// Print JSON: of each page its status code, digest and time, or the error; without --stanza and --verbose
    #[arg(long, conflicts_with_all = ["stanza", "verbose"])]
    json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ProtocolName {
    #[value(name = "1.0")]
    Http10,
    #[value(name = "1.0c", alias = "1.0C")]
    Http10Close,
    #[value(name = "1.1")]
    Http11,
}

impl From<Genhash> for GenhashOptions {
    fn from(options: Genhash) -> Self {
        Self {
            server: options.server,
            port: options.port,
            urls: options.url,
            virtualhost: options.use_virtualhost,
            tls: options.use_ssl,
            sni: options.use_sni,
            fwmark: options.fwmark,
            protocol: match options.protocol {
                ProtocolName::Http10 => HttpProtocol::Http10,
                ProtocolName::Http10Close => HttpProtocol::Http10Close,
                ProtocolName::Http11 => HttpProtocol::Http11,
            },
            timeout: Duration::from_secs(options.timeout.into()),
            verbose: options.verbose,
            print: match (options.json, options.stanza) {
                (true, _) => Print::Json,
                (false, true) => Print::Stanza,
                (false, false) => Print::Digest,
            },
        }
    }
}
