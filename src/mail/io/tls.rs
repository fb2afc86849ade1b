//! TLS towards the mail server.

use std::pin::Pin;

use openssl::error::ErrorStack;
use openssl::ssl::{SslConnector, SslMethod, SslVerifyMode};
use openssl::x509::X509VerifyResult;
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::report::plain;

/// Shakes hands. `verified`: the certificate has to be valid for `host`, a name or an address, by the authorities that
/// this host trusts.
pub(super) async fn handshake(
    stream: TcpStream,
    host: &str,
    verified: bool,
) -> Result<SslStream<TcpStream>, String> {
    let mut stream = prepare(stream, host, verified).map_err(|error| format!("TLS: {}", words(&error)))?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(stream),
        Err(error) => {
            let verdict = stream.ssl().verify_result();
            if verified && verdict != X509VerifyResult::OK {
                return Err(format!("its certificate is not valid for {host}: {}", verdict.error_string()));
            }
            let why = match error.into_io_error() {
                Ok(error) => plain(&error),
                Err(error) => {
                    error.ssl_error().map_or_else(|| "the server closed the connection".to_owned(), words)
                }
            };
            Err(format!("TLS handshake failed: {why}"))
        }
    }
}

fn prepare(stream: TcpStream, host: &str, verified: bool) -> Result<SslStream<TcpStream>, ErrorStack> {
    let mut connector = SslConnector::builder(SslMethod::tls_client())?;
    if !verified {
        connector.set_verify(SslVerifyMode::NONE);
    }
    let mut ssl = connector.build().configure()?;
    ssl.set_verify_hostname(verified);
    SslStream::new(ssl.into_ssl(host)?, stream)
}

/// OpenSSL's first reason.
fn words(stack: &ErrorStack) -> String {
    stack.errors().iter().find_map(|error| error.reason()).unwrap_or("no reason given").to_owned()
}
