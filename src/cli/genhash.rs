//! `genhash`: the digests of pages, for `HTTP_GET`.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::check::Failure;
use crate::check::dialogue::http::{Http, Response};
use crate::check::dialogue::{Dialogue, Heard, Step};
use crate::check::io::tls::Client;
use crate::check::io::{Stopped, Tls, converse};
use crate::config::model::{Connect, HttpCheck, HttpProtocol, HttpUrl, StatusCodes};
use crate::text::{hex, reason};

/// What is fetched, and what is printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenhashOptions {
    /// `-s`: address or name of the server.
    pub server: String,
    /// `-p`: its port.
    pub port: u16,
    /// `-u`: the request targets, sent as they stand.
    pub urls: Vec<String>,
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
    /// What is printed of each page.
    pub print: Print,
}

/// What is printed of each page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Print {
    /// The digest; of several pages a line each, with the request target behind it.
    Digest,
    /// `--stanza`: a `url` block for keepalived.conf.
    Stanza,
    /// `--json`: one document for all.
    Json,
}

/// `--json`.
#[derive(Debug, Serialize)]
struct Document {
    server: SocketAddr,
    pages: Vec<Page>,
}

/// A page, or why there is none.
#[derive(Debug, Serialize)]
struct Page {
    url: String,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Outcome {
    Fetched {
        status: u16,
        digest: String,
        /// From the connection to the end of the page.
        microseconds: u128,
    },
    Failed {
        error: String,
    },
}

/// Fetches the pages one after the other and prints their digests. Exit status 0, or 1 when one of them failed, with the
/// reason on standard error.
pub fn run(options: GenhashOptions) -> ExitCode {
    let server = match resolve(&options.server, options.port) {
        Ok(server) => server,
        Err(why) => {
            eprintln!("directord genhash: {}: {why}", options.server);
            return ExitCode::FAILURE;
        }
    };
    let fetched =
        options.urls.iter().map(|url| Page { url: url.clone(), outcome: page(&options, server, url) });
    let pages: Vec<Page> = fetched.collect();
    let failed = pages.iter().any(|page| matches!(page.outcome, Outcome::Failed { .. }));
    if options.print == Print::Json {
        match serde_json::to_string_pretty(&Document { server, pages }) {
            Ok(text) => println!("{text}"),
            Err(error) => eprintln!("directord genhash: {error}"),
        }
    }
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// An address as it stands, with or without the brackets of a URL; of a name the first address.
fn resolve(server: &str, port: u16) -> Result<SocketAddr, String> {
    let bare = server.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(server);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Ok(SocketAddr::new(address, port));
    }
    let mut found = (server, port).to_socket_addrs().map_err(|error| reason(&error))?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

/// Fetches one page, and prints what is printed of each.
fn page(options: &GenhashOptions, server: SocketAddr, url: &str) -> Outcome {
    let started = Instant::now();
    let mut show = Show { verbose: options.verbose, header_shown: false };
    let response = match fetch_page(options, server, url, &mut show) {
        Ok(response) => response,
        Err(why) => {
            let scheme = if options.tls { "https" } else { "http" };
            eprintln!("directord genhash: {scheme}://{server}{}: {why}", path(url));
            return Outcome::Failed { error: why };
        }
    };
    let microseconds = started.elapsed().as_micros();
    let status = response.status;
    if !(200..300).contains(&status) {
        eprintln!("directord genhash: note: {}: status code {status}: is this the page you mean?", path(url));
    }
    let digest = hex(&response.digest);
    if options.verbose {
        banner("HTML hash resulting");
        dump(&response.digest);
        banner("HTML hash final resulting");
    }
    match options.print {
        Print::Digest if options.urls.len() == 1 => println!("{digest}"),
        Print::Digest => println!("{digest}  {url}"),
        Print::Stanza => print!("{}", stanza(options, url, &response)),
        Print::Json => {}
    }
    if options.verbose {
        println!("\nGlobal response time for [{url}] = {microseconds} usecs");
    }
    Outcome::Fetched { status, digest, microseconds }
}

fn fetch_page(
    options: &GenhashOptions,
    server: SocketAddr,
    url: &str,
    show: &mut Show,
) -> Result<Response, String> {
    let check = HttpCheck {
        tls: options.tls,
        protocol: options.protocol,
        sni: options.virtualhost.clone().filter(|_| options.sni),
        demands: None,
        fast_recovery: false,
        urls: Vec::new(),
    };
    let url = HttpUrl {
        path: url.to_owned(),
        virtualhost: options.virtualhost.clone(),
        digest: None,
        status_codes: StatusCodes::default(),
        regex: None,
        tls_compliant: None,
        more: None,
    };
    let connect = Connect {
        to: server,
        timeout: options.timeout,
        from: None,
        from_port: 0,
        interface: None,
        fwmark: options.fwmark,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let client = Client::default();
    let tls = check.tls.then_some(Tls {
        client: &client,
        sni: check.sni.as_deref(),
        compliant: false,
        demands: None,
    });
    let mut dialogue = Shown { http: Http::page(&check, &url, connect.to), show };
    runtime.block_on(converse(&connect, tls, &mut dialogue)).map_err(|stopped| match stopped {
        Stopped::Failed(failure) => failure.to_string(),
        Stopped::Local(why) => why,
    })
}

/// The block to paste into an `HTTP_GET`.
fn stanza(options: &GenhashOptions, url: &str, response: &Response) -> String {
    let mut text = format!("url {{\n    path {}\n", path(url));
    if let Some(host) = &options.virtualhost {
        text += &format!("    virtualhost {host}\n");
    }
    text += &format!("    digest {}\n", hex(&response.digest));
    if !(200..300).contains(&response.status) {
        text += &format!("    status_code {}\n", response.status);
    }
    text + "}\n"
}

/// The path of an absolute url; anything else as it stands.
fn path(url: &str) -> &str {
    match url.split_once("://") {
        Some((scheme, rest)) if !scheme.contains('/') => {
            rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
        }
        _ => url,
    }
}

/// A dialogue whose pieces are shown as they come.
struct Shown<'a> {
    http: Http,
    show: &'a mut Show,
}

impl Dialogue for Shown<'_> {
    type Answer = Response;

    fn next(&mut self, heard: Heard<'_>) -> Step<Response> {
        match &heard {
            Heard::Bytes(bytes) => self.show.piece(bytes, self.http.in_body()),
            // A check compares what came with its digest; here, half a page would become one.
            Heard::Reset(why) => return Step::Done(Err(Failure::Broken(why.clone()))),
            Heard::Connected | Heard::Sent | Heard::Closed | Heard::Silence(_) => {}
        }
        self.http.next(heard)
    }
}

/// `-v`: what comes, as it comes, in the form of keepalived's genhash.
struct Show {
    verbose: bool,
    header_shown: bool,
}

impl Show {
    fn piece(&mut self, bytes: &[u8], in_body: bool) {
        if !self.verbose {
            return;
        }
        if in_body {
            banner("HTML Buffer");
            return dump(bytes);
        }
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").map_or(bytes.len(), |at| at + 4);
        let (head, body) = bytes.split_at(end.min(bytes.len()));
        if !std::mem::replace(&mut self.header_shown, true) {
            banner("HTTP Header Buffer");
        }
        dump(head);
        banner("HTTP Header Ascii Buffer");
        println!("{}", String::from_utf8_lossy(head));
        if !body.is_empty() {
            dump(body);
        }
    }
}

fn banner(title: &str) {
    let line = "-".repeat(23);
    println!("{line}[{title:^27}]{line}", title = format!("{title} "));
}

/// 16 bytes a line: decimal offset, hexadecimal, text.
fn dump(bytes: &[u8]) {
    for (row, chunk) in bytes.chunks(16).enumerate() {
        print!("{:04} ", row * 16);
        for (column, byte) in chunk.iter().enumerate() {
            print!("{} {byte:02x}", if column == 8 { " -" } else { "" });
        }
        let missing = 16 - chunk.len();
        let dash = if chunk.len() > 8 { 0 } else { 2 };
        print!("{:width$}   ", "", width = missing * 3 + dash);
        let printable = |byte: &u8| if (0x20..0x7f).contains(byte) { char::from(*byte) } else { '.' };
        println!("{:<16}", chunk.iter().map(printable).collect::<String>());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No digest of a page that was cut off.
    #[test]
    fn a_reset_gives_no_digest() {
        let check = HttpCheck {
            tls: false,
            protocol: HttpProtocol::Http10,
            sni: None,
            demands: None,
            fast_recovery: false,
            urls: Vec::new(),
        };
        let url = HttpUrl {
            path: "/".into(),
            virtualhost: None,
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: None,
        };
        let http = Http::page(&check, &url, ([192, 0, 2, 1], 80).into());
        let mut dialogue = Shown { http, show: &mut Show { verbose: false, header_shown: false } };
        assert_eq!(dialogue.next(Heard::Bytes(b"HTTP/1.1 200 OK\r\n\r\nhalf")), Step::Read);
        let broken = Step::Done(Err(Failure::Broken("reset".into())));
        assert_eq!(dialogue.next(Heard::Reset("reset".into())), broken);
    }

    #[test]
    fn a_server_is_an_address_or_a_name() {
        let loopback = Ok(SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(resolve("127.0.0.1", 80), loopback);
        assert!(resolve("localhost", 80).is_ok_and(|found| found.ip().is_loopback()));
        for v6 in ["::1", "[::1]"] {
            assert_eq!(resolve(v6, 443), Ok(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 443))));
        }
        assert!(resolve("", 80).is_err() && resolve("no such name", 80).is_err());
    }

    #[test]
    fn a_url_becomes_the_path_of_the_stanza() {
        assert_eq!(path("http://192.168.100.8/index.html"), "/index.html");
        assert_eq!(path("http://192.168.100.8"), "/");
        assert_eq!(path("/a?b=http://c/d"), "/a?b=http://c/d");
        assert_eq!(path("/index.html"), "/index.html");
    }
}
