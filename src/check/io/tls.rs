//! TLS towards real servers. Certificates are not verified, as with keepalived's SSL_GET: a check asks whether
//! the server answers, and its certificate names the service, not the real server's address.
//!
//! Nothing secret is said, but for what `auth_basic_file` and `auth_bearer_file` name, and that goes to whoever answers:
//! every version, suite and key that OpenSSL knows will do, whatever the policy of the host asks of others: a server is taken out because it is dead, not because it is old.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Error, ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslVerifyMode,
};
use openssl::x509::X509;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::check::Failure;
use crate::config::model;
use crate::report::plain;

use super::credentials::Credentials;
use super::{Stopped, Tls};

/// All suites; level 0: keys of any length, digests of any age.
const SUITES: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

/// OpenSSL's word for the end of a connection that says nothing.
const EOF: &str = "unexpected eof while reading";

/// OpenSSL's `SSL_OP_LEGACY_SERVER_CONNECT`: servers that know no secure renegotiation.
const LEGACY_SERVER: SslOptions = SslOptions::from_bits_retain(0x4);

/// Why a connection is broken that was cut.
pub(super) const CUT: &str =
    "the server closed it without saying so in TLS (close_notify), and `tls_compliant` wants that";

/// Who asks: `SSL`, or nobody in particular; and the secrets that requests are sent with.
#[derive(Default)]
pub(crate) struct Client {
    credentials: Credentials,
    shown: Shown,
    /// Why it cannot ask.
    trouble: Option<String>,
    /// Made when they are needed first: they take memory.
    tolerant: OnceLock<SslContext>,
    compliant: OnceLock<SslContext>,
}

/// What is shown to a server that asks for it.
#[derive(Default)]
struct Shown {
    /// The certificate, and those between it and an authority.
    chain: Vec<X509>,
    key: Option<PKey<Private>>,
    /// Where further ones of the chain are looked for. A server is not judged by them, as by keepalived.
    authorities: Vec<X509>,
}

impl fmt::Debug for Client {
    /// Nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Client");
        shown.field("certificates", &self.shown.chain.len()).field("trouble", &self.trouble).finish()
    }
}

impl Client {
    /// Reads the files of `ssl`; what is wrong with them is [`Self::trouble`].
    pub(crate) fn new(ssl: &model::Ssl) -> Self {
        match Shown::read(ssl) {
            Ok(shown) => Self { shown, ..Self::default() },
            Err(trouble) => Self { trouble: Some(trouble), ..Self::default() },
        }
    }

    /// The same, with these secrets.
    pub(crate) fn with(self, credentials: Credentials) -> Self {
        Self { credentials, ..self }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Why it cannot ask; no secret is in it.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    fn context(&self, compliant: bool) -> Result<&SslContext, ErrorStack> {
        let place = if compliant { &self.compliant } else { &self.tolerant };
        match place.get() {
            Some(context) => Ok(context),
            None => {
                let context = self.make(compliant)?;
                Ok(place.get_or_init(|| context))
            }
        }
    }

    fn make(&self, compliant: bool) -> Result<SslContext, ErrorStack> {
        let mut context = SslContextBuilder::new(SslMethod::tls_client())?;
        context.set_verify(SslVerifyMode::NONE);
        context.set_min_proto_version(None)?;
        context.set_max_proto_version(None)?;
        context.set_cipher_list(SUITES)?;
        context.set_options(LEGACY_SERVER | SslOptions::NO_TICKET);
        if !compliant {
            context.set_options(SslOptions::IGNORE_UNEXPECTED_EOF);
        }
        // Checks are many and idle: their buffers are needed only while something comes.
        context.set_mode(SslMode::RELEASE_BUFFERS);
        for authority in &self.shown.authorities {
            context.cert_store_mut().add_cert(authority.clone())?;
        }
        if let (Some((own, between)), Some(key)) = (self.shown.chain.split_first(), &self.shown.key) {
            context.set_certificate(own)?;
            for one in between {
                context.add_extra_chain_cert(one.clone())?;
            }
            context.set_private_key(key)?;
        }
        Ok(context.build())
    }
}

impl Shown {
    /// Error: what is wrong, in one line.
    fn read(ssl: &model::Ssl) -> Result<Self, String> {
        let mut shown = Self::default();
        if let Some(path) = &ssl.ca {
            shown.authorities = certificates("ca", path)?;
        }
        let (Some(certificate), Some(path)) = (&ssl.certificate, &ssl.key) else { return Ok(shown) };
        shown.chain = certificates("certificate", certificate)?;
        let key = private_key(path, ssl.password.as_ref().map(|password| password.0.as_slice()))?;
        let own = shown.chain.first().and_then(|own| own.public_key().ok());
        if !own.is_some_and(|own| own.public_eq(&key)) {
            return Err(format!(
                "SSL: the key in `{path}` does not belong to the first certificate in `{certificate}`"
            ));
        }
        shown.key = Some(key);
        Ok(shown)
    }
}

fn file(word: &str, path: &str) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("SSL: `{word} {path}` cannot be read: {}", plain(&error)))
}

fn certificates(word: &str, path: &str) -> Result<Vec<X509>, String> {
    match X509::stack_from_pem(&file(word, path)?) {
        Ok(list) if !list.is_empty() => Ok(list),
        _ => Err(format!("SSL: `{word} {path}` holds no certificate in PEM")),
    }
}

fn private_key(path: &str, password: Option<&[u8]>) -> Result<PKey<Private>, String> {
    let pem = file("key", path)?;
    let mut asked = false;
    // Without an answer of its own OpenSSL would ask at the terminal.
    let key = PKey::private_key_from_pem_callback(&pem, |room| {
        asked = true;
        let password = password.unwrap_or_default();
        let length = password.len().min(room.len());
        room.iter_mut().zip(password).for_each(|(to, from)| *to = *from);
        Ok(length)
    });
    key.map_err(|_| match (asked, password) {
        (true, Some(_)) => format!("SSL: `password` does not open `key {path}`"),
        (true, None) => format!("SSL: `key {path}` needs a `password`, and there is none"),
        (false, _) => format!("SSL: `key {path}` holds no private key in PEM"),
    })
}

/// A connection over TLS.
pub(super) struct Stream {
    stream: SslStream<TcpStream>,
    /// An end that was not announced is an error, [`is_cut`].
    compliant: bool,
}

/// The connection ended, and TLS did not.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(CUT)
    }
}

impl std::error::Error for Cut {}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Self { stream, compliant } = self.get_mut();
        let before = buffer.remaining();
        ready!(Pin::new(&mut *stream).poll_read(context, buffer))?;
        if !*compliant || before == 0 || buffer.remaining() < before {
            return Poll::Ready(Ok(()));
        }
        // Either end reads as no bytes; only that of TLS is known as one to who looks again.
        match ready!(Pin::new(stream).poll_peek(context, &mut [0])) {
            Err(end) if end.code() == ErrorCode::ZERO_RETURN => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(io::Error::other(Cut))),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

/// Shakes hands.
pub(super) async fn handshake(stream: TcpStream, tls: Tls<'_>) -> Result<Stream, Stopped> {
    if let Some(trouble) = tls.client.trouble() {
        return Err(Stopped::Local(trouble.to_owned()));
    }
    let mut stream =
        prepare(stream, tls).map_err(|error| Stopped::Local(format!("TLS: {}", words(&error))))?;
    match Pin::new(&mut stream).connect().await {
        Ok(()) => Ok(Stream { stream, compliant: tls.compliant }),
        Err(error) => Err(Stopped::Failed(Failure::Tls(reason(error)))),
    }
}

fn prepare(stream: TcpStream, tls: Tls<'_>) -> Result<SslStream<TcpStream>, ErrorStack> {
    let mut ssl = Ssl::new(tls.client.context(tls.compliant)?)?;
    // An address is never sent as a name.
    if let Some(name) = tls.sni.map(host).filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err()) {
        ssl.set_hostname(name)?;
    }
    SslStream::new(ssl, stream)
}

/// Whether a connection over TLS ended without a word.
pub(super) fn is_cut(error: &io::Error) -> bool {
    let Some(inner) = error.get_ref() else { return false };
    if inner.is::<Cut>() {
        return true;
    }
    let stack = inner.downcast_ref::<Error>().and_then(Error::ssl_error);
    let reasons = stack.into_iter().flat_map(ErrorStack::errors).filter_map(|error| error.reason());
    reasons.into_iter().any(|reason| reason == EOF)
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
        EOF => "the server closed the connection".to_owned(),
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener};
    use std::time::Duration;

    use super::super::probes::http;
    use super::*;
    use crate::check::Outcome;

    #[test]
    fn the_port_of_a_virtual_host_is_no_part_of_its_name() {
        assert_eq!(host("www.example.com:8443"), "www.example.com");
        assert_eq!(host("www.example.com"), "www.example.com");
        assert_eq!(host("2001:db8::1"), "2001:db8::1");
    }

    #[test]
    fn contexts_are_made_once_each() {
        let client = Client::default();
        let [tolerant, compliant] = [false, true].map(|compliant| client.context(compliant).unwrap());
        assert!(std::ptr::eq(tolerant, client.context(false).unwrap()) && !std::ptr::eq(tolerant, compliant));
    }

    /// A key, its certificate, and the key under a password, in a folder of their own.
    struct Files(tempfile::TempDir);

    impl Files {
        fn new() -> Self {
            use openssl::{asn1::Asn1Time, hash::MessageDigest, nid::Nid, symm::Cipher, x509::X509Name};
            let files = Self(tempfile::tempdir().unwrap());
            let key = PKey::generate_ed25519().unwrap();
            let mut name = X509Name::builder().unwrap();
            name.append_entry_by_nid(Nid::COMMONNAME, "client").unwrap();
            let name = name.build();
            let mut certificate = X509::builder().unwrap();
            certificate.set_version(2).unwrap();
            certificate.set_subject_name(&name).unwrap();
            certificate.set_issuer_name(&name).unwrap();
            certificate.set_pubkey(&key).unwrap();
            certificate.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
            certificate.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
            certificate.sign(&key, MessageDigest::null()).unwrap();
            let other = PKey::generate_ed25519().unwrap();
            let hidden = key.private_key_to_pem_pkcs8_passphrase(Cipher::aes_128_cbc(), b"sesame").unwrap();
            for (file, content) in [
                ("certificate", certificate.build().to_pem().unwrap()),
                ("key", key.private_key_to_pem_pkcs8().unwrap()),
                ("hidden", hidden),
                ("other", other.private_key_to_pem_pkcs8().unwrap()),
                ("text", b"no PEM".to_vec()),
            ] {
                std::fs::write(files.0.path().join(file), content).unwrap();
            }
            files
        }

        fn path(&self, name: &str) -> String {
            self.0.path().join(name).to_str().unwrap().to_owned()
        }

        fn ssl(&self, certificate: &str, key: &str, password: Option<&str>) -> model::Ssl {
            model::Ssl {
                password: password.map(|password| model::Secret(password.as_bytes().to_vec())),
                ca: None,
                certificate: Some(self.path(certificate)),
                key: Some(self.path(key)),
            }
        }
    }

    #[test]
    fn what_is_wrong_with_the_files_is_said_and_no_secret_is() {
        let files = Files::new();
        for (certificate, key, password, trouble) in [
            ("certificate", "key", None, None),
            ("certificate", "key", Some("needless"), None),
            ("certificate", "hidden", Some("sesame"), None),
            ("certificate", "hidden", Some("open"), Some("`password` does not open `key ")),
            ("certificate", "hidden", None, Some("hidden` needs a `password`, and there is none")),
            ("certificate", "other", None, Some("does not belong to the first certificate in")),
            ("certificate", "text", None, Some("text` holds no private key in PEM")),
            ("certificate", "none", None, Some("none` cannot be read: no such file or directory")),
            ("none", "key", None, Some("none` cannot be read: no such file or directory")),
            ("text", "key", None, Some("text` holds no certificate in PEM")),
        ] {
            let client = Client::new(&files.ssl(certificate, key, password));
            let said = client.trouble().unwrap_or_default();
            assert_eq!(
                client.trouble().is_some(),
                trouble.is_some(),
                "{certificate} {key} {password:?}: {said}"
            );
            assert!(said.contains(trouble.unwrap_or_default()), "{said}");
            let printed = format!("{client:?} {said}");
            assert!(!printed.contains("sesame") && !printed.contains("`open`"), "{printed}");
            if trouble.is_none() {
                assert!(client.context(false).is_ok());
            }
        }
        let bad = model::Ssl { ca: Some(files.path("text")), ..files.ssl("certificate", "key", None) };
        assert!(Client::new(&bad).trouble().unwrap().contains("`ca "));
        // One without the other is none, as in keepalived.
        let alone = model::Ssl { key: None, ..files.ssl("none", "none", None) };
        assert_eq!(Client::new(&alone).trouble(), None);
    }

    /// A server of one answer over TLS, that ends as TLS ends or just closes.
    fn serve(files: &Files, says_so: bool) -> SocketAddr {
        use openssl::ssl::{SslAcceptor, SslFiletype};
        let mut acceptor = SslAcceptor::mozilla_modern_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key_file(files.path("key"), SslFiletype::PEM).unwrap();
        acceptor.set_certificate_file(files.path("certificate"), SslFiletype::PEM).unwrap();
        let (acceptor, listener) = (acceptor.build(), TcpListener::bind("127.0.0.1:0").unwrap());
        let to = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let mut stream = acceptor.accept(listener.accept().unwrap().0).unwrap();
            let mut request = [0; 1024];
            stream.ssl_read(&mut request).unwrap();
            stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nwelcome").unwrap();
            if says_so {
                stream.shutdown().unwrap();
            }
            stream.get_ref().shutdown(Shutdown::Write).unwrap();
            // Nothing unread makes a reset of the close.
            let _ = stream.get_mut().read_to_end(&mut Vec::new());
        });
        to
    }

    #[tokio::test]
    async fn an_answer_that_was_cut_is_one_unless_tls_compliant_is_asked_for() {
        let files = Files::new();
        for (says_so, compliant) in [(true, true), (true, false), (false, false), (false, true)] {
            let to = serve(&files, says_so);
            let timeout = Duration::from_secs(20);
            let options =
                model::Connect { to, timeout, from: None, from_port: 0, interface: None, fwmark: 0 };
            let (protocol, urls) = (model::HttpProtocol::Http10, Vec::new());
            let check = model::HttpCheck { tls: true, protocol, sni: None, fast_recovery: false, urls };
            let url = model::HttpUrl {
                path: "/".into(),
                virtualhost: None,
                digest: None,
                status_codes: model::StatusCodes::default(),
                regex: None,
                tls_compliant: Some(compliant),
                more: None,
            };
            let expected = match !says_so && compliant {
                true => Outcome::Failed(Failure::Broken(CUT.into())),
                false => Outcome::PASSED,
            };
            let outcome = http(&options, &check, &url, None, &Client::default()).await;
            assert_eq!(outcome, expected, "close_notify: {says_so}, tls_compliant: {compliant}");
        }
    }
}
