//! Runs probes: connections with the socket options of a check, TLS, one request, one answer.

pub mod connects;
mod tls;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::config::model::{Connect, HttpCheck, HttpUrl};

use super::http::{Reader, Response, request};
use super::{Failure, Outcome};

const BUFFER: usize = 4096;
/// A whole HTTP check may take this many times `connect_timeout`.
const WHOLE: u32 = 10;

/// Asks for one url of an HTTP check.
pub async fn probe(options: &Connect, check: &HttpCheck, url: &HttpUrl) -> Outcome {
    // Each read has its limit; a server that drips must not hold its verdict for ever.
    let limit = options.timeout * WHOLE;
    let fetched = timeout(limit, fetch(options, check, url, &mut |_, _| {}))
        .await
        .unwrap_or(Err(Stopped::Failed(Failure::TooSlow(limit))));
    match fetched.and_then(|response| response.judge(url).map_err(Stopped::Failed)) {
        Ok(()) => Outcome::Passed,
        Err(Stopped::Failed(failure)) => Outcome::Failed(failure),
        Err(Stopped::Local(why)) => Outcome::NotRun(why),
    }
}

/// Why there is no result.
#[derive(Debug)]
pub enum Stopped {
    /// The server's fault.
    Failed(Failure),
    /// This node's fault: says nothing about the server.
    Local(String),
}

/// Asks for `url` and reads the answer. `observe` sees every piece as it comes, and whether the body had begun.
pub async fn fetch(
    options: &Connect,
    check: &HttpCheck,
    url: &HttpUrl,
    observe: &mut (dyn FnMut(&[u8], bool) + Send),
) -> Result<Response, Stopped> {
    let stream = connect(options).await?;
    let request = request(check, url, options.to);
    if check.tls {
        let stream = within(options.timeout, tls::handshake(stream, check.sni.as_deref())).await?;
        exchange(stream, &request, options.timeout, observe).await
    } else {
        exchange(stream, &request, options.timeout, observe).await
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
    limit: Duration,
    observe: &mut (dyn FnMut(&[u8], bool) + Send),
) -> Result<Response, Stopped> {
    within(limit, stream.write_all(request.as_bytes())).await?;
    within(limit, stream.flush()).await?;
    let mut reader = Reader::default();
    let mut buffer = [0; BUFFER];
    loop {
        let length = match timeout(limit, stream.read(&mut buffer)).await {
            Err(_) => return Err(Stopped::Failed(Failure::ReadTimeout(limit))),
            // A TLS server that closes without saying so has still said all it had to say.
            Ok(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
            Ok(Err(error)) => return Err(Stopped::Failed(Failure::Broken(plain(&error)))),
            Ok(Ok(length)) => length,
        };
        if length == 0 {
            return reader.finish().map_err(Stopped::Failed);
        }
        let bytes = buffer.get(..length).unwrap_or_default();
        observe(bytes, reader.in_body());
        if reader.feed(bytes).map_err(Stopped::Failed)? {
            return reader.finish().map_err(Stopped::Failed);
        }
    }
}

async fn within<T>(limit: Duration, step: impl Future<Output = io::Result<T>>) -> Result<T, Stopped> {
    match timeout(limit, step).await {
        Err(_) => Err(Stopped::Failed(Failure::ReadTimeout(limit))),
        Ok(Err(error)) => Err(Stopped::Failed(Failure::Broken(plain(&error)))),
        Ok(Ok(value)) => Ok(value),
    }
}

async fn connect(options: &Connect) -> Result<TcpStream, Stopped> {
    let socket = prepare(options).map_err(|error| Stopped::Local(plain(&error)))?;
    let socket = TcpSocket::from_std_stream(socket.into());
    match timeout(options.timeout, socket.connect(options.to)).await {
        Err(_) => Err(Stopped::Failed(Failure::ConnectTimeout(options.timeout))),
        Ok(Err(error)) if says_of_the_server(&error) => Err(Stopped::Failed(Failure::Connect(plain(&error)))),
        Ok(Err(error)) => Err(Stopped::Local(plain(&error))),
        Ok(Ok(stream)) => Ok(stream),
    }
}

/// A socket with the options of a check, not yet connected; it does not block.
fn prepare(options: &Connect) -> io::Result<Socket> {
    let domain = Domain::for_address(options.to);
    let socket = Socket::new(domain, Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    if let Some(interface) = &options.interface {
        socket.bind_device(Some(interface.as_str().as_bytes()))?;
    }
    if options.fwmark != 0 {
        socket.set_mark(options.fwmark)?;
    }
    if options.from.is_some() || options.from_port != 0 {
        let any: IpAddr =
            if options.to.is_ipv6() { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::new(options.from.unwrap_or(any), options.from_port).into())?;
    }
    Ok(socket)
}

/// keepalived's list: these errors are the server's or the network's, all others are this node's.
fn says_of_the_server(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ENETUNREACH
                | libc::EHOSTUNREACH
                | libc::ECONNREFUSED
                | libc::EHOSTDOWN
                | libc::ENETDOWN
                | libc::ECONNRESET
                | libc::ECONNABORTED
                | libc::ETIMEDOUT
        )
    )
}

/// The error's text without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let end = text.find(" (os error").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().to_lowercase()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::model::{HttpProtocol, StatusCodes};

    /// One byte a read, for ever: each read is in time, the whole never ends. The clock is tokio's, not the wall's.
    #[tokio::test(start_paused = true)]
    async fn a_dripping_server_fails() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.write_all(b"H").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        });
        let options = Connect {
            to,
            timeout: Duration::from_secs(2),
            from: None,
            from_port: 0,
            interface: None,
            fwmark: 0,
        };
        let check = HttpCheck {
            tls: false,
            protocol: HttpProtocol::Http10,
            sni: None,
            fast_recovery: false,
            urls: vec![],
        };
        let url = HttpUrl {
            path: "/".into(),
            virtualhost: None,
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
        };
        let outcome = probe(&options, &check, &url).await;
        assert_eq!(outcome, Outcome::Failed(Failure::TooSlow(Duration::from_secs(20))));
    }
}
