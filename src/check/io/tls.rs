//! TLS towards real servers. Certificates are not verified, as with keepalived's SSL_GET: a check asks whether
//! the server answers, and its certificate names the service, not the real server's address.
//!
//! Nothing secret is said, so every version, suite and key that OpenSSL knows will do, whatever the policy of the host
//! asks of others: a server is taken out because it is dead, not because it is old.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::OnceLock;

use openssl::error::ErrorStack;
use openssl::ssl::{
    Error, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslVerifyMode,
};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::check::Failure;
use crate::report::plain;

use super::Stopped;

/// All suites; level 0: keys of any length, digests of any age.
const SUITES: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

/// OpenSSL's `SSL_OP_LEGACY_SERVER_CONNECT`: servers that know no secure renegotiation.
const LEGACY_SERVER: SslOptions = SslOptions::from_bits_retain(0x4);

/// Shakes hands; `sni` is the name that the server is told, if any.
pub(super) async fn handshake(stream: TcpStream, sni: Option<&str>) -> Result<SslStream<TcpStream>, Stopped> {
    let mut stream =
        prepare(stream, sni).map_err(|error| Stopped::Local(format!("TLS: {}", words(&error))))?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(stream),
        Err(error) => Err(Stopped::Failed(Failure::Tls(reason(error)))),
    }
}

fn prepare(stream: TcpStream, sni: Option<&str>) -> Result<SslStream<TcpStream>, ErrorStack> {
    let mut ssl = Ssl::new(context()?)?;
    // An address is never sent as a name.
    if let Some(name) = sni.map(host).filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err()) {
        ssl.set_hostname(name)?;
    }
    SslStream::new(ssl, stream)
}

/// Why there was no handshake.
fn reason(error: Error) -> String {
    match error.into_io_error() {
        Ok(error) => plain(&error),
        Err(error) => match error.ssl_error() {
            Some(stack) => words(stack),
            None => "the server closed the connection".to_owned(),
        },
    }
}

/// OpenSSL's first reason, and what it means where that is not plain.
fn words(stack: &ErrorStack) -> String {
    let reason = stack.errors().iter().find_map(|error| error.reason()).unwrap_or("no reason given");
    match reason {
        "wrong version number" | "packet length too long" | "record layer failure" => {
            format!("{reason}: the server speaks no TLS on this port, or a version older than any known here")
        }
        "unexpected eof while reading" => "the server closed the connection".to_owned(),
        _ => reason.to_owned(),
    }
}

/// A `virtualhost` may carry a port, a name in a handshake may not.
fn host(virtualhost: &str) -> &str {
    match virtualhost.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') && port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => virtualhost,
    }
}

/// One context serves all checks.
fn context() -> Result<&'static SslContext, ErrorStack> {
    static CONTEXT: OnceLock<SslContext> = OnceLock::new();
    match CONTEXT.get() {
        Some(context) => Ok(context),
        None => {
            let context = make()?;
            Ok(CONTEXT.get_or_init(|| context))
        }
    }
}

fn make() -> Result<SslContext, ErrorStack> {
    let mut context = SslContextBuilder::new(SslMethod::tls_client())?;
    context.set_verify(SslVerifyMode::NONE);
    context.set_min_proto_version(None)?;
    context.set_max_proto_version(None)?;
    context.set_cipher_list(SUITES)?;
    context.set_options(LEGACY_SERVER | SslOptions::IGNORE_UNEXPECTED_EOF | SslOptions::NO_TICKET);
    // Checks are many and idle: their buffers are needed only while something comes.
    context.set_mode(SslMode::RELEASE_BUFFERS);
    Ok(context.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_of_a_virtual_host_is_no_part_of_its_name() {
        assert_eq!(host("www.example.com:8443"), "www.example.com");
        assert_eq!(host("www.example.com"), "www.example.com");
        assert_eq!(host("2001:db8::1"), "2001:db8::1");
    }

    #[test]
    fn one_context_is_made() {
        assert!(std::ptr::eq(context().unwrap(), context().unwrap()));
    }
}
