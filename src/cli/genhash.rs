//! `genhash`: the digest of a page, for `HTTP_GET`.

use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;

use crate::config::model::HttpProtocol;

/// What is fetched, and what is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenhashOptions {
    /// `-s`: address of the server.
    pub server: IpAddr,
    /// `-p`: its port.
    pub port: u16,
    /// `-u`: the request target, sent as it stands.
    pub url: String,
    /// `-V`: the `Host` header; `None` means address and port.
    pub virtualhost: Option<String>,
    /// `-S`: over TLS.
    pub tls: bool,
    /// `-I`: send the virtual host in the TLS handshake.
    pub sni: bool,
    /// `-m`: firewall mark of the connection; 0: none.
    pub fwmark: u32,
    /// `-P`: version of the request.
    pub protocol: HttpProtocol,
    /// `-t`: for the connection and for each read.
    pub timeout: Duration,
    /// `-v`: print what is sent and received.
    pub verbose: bool,
    /// `--stanza`: print a `url` block for keepalived.conf, not the digest alone.
    pub stanza: bool,
}

/// Fetches the page and prints its digest.
pub fn run(options: GenhashOptions) -> ExitCode {
    eprintln!("directord: genhash is not available in this build ({})", options.server);
    ExitCode::FAILURE
}
