//! TLS towards real servers. Certificates are verified where `tls_verify` says so; else, as with keepalived's SSL_GET, they
//! are not: a check asks whether the server answers.
//!
//! Nothing secret is said, but for what `auth_basic_file` and `auth_bearer_file` name, and that goes to whoever answers:
//! every version, suite and key that OpenSSL knows will do, whatever the policy of the host asks of others: a server is taken out because it is dead, not because it is old.

use std::net::IpAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::{fmt, io};

use openssl::error::ErrorStack;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    Error, ErrorCode, Ssl, SslContext, SslContextBuilder, SslMethod, SslMode, SslOptions, SslRef,
    SslVerifyMode, SslVersion,
};
use openssl::x509::verify::{X509CheckFlags, X509VerifyFlags};
use openssl::x509::{X509, X509VerifyResult};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_openssl::SslStream;

use crate::check::Failure;
use crate::config::model::{self, TlsDemands, TlsName, TlsVersion, Trust, is_short_enough, without_port};
use crate::report::plain;
use crate::text::shown;

use super::credentials::{Credentials, regular};
use super::trust::{Anchors, Authorities};
use super::{Demands, Stopped, Tls, certificate};

/// All suites; level 0: keys of any length, digests of any age.
const SUITES: &str = "ALL:COMPLEMENTOFALL:@SECLEVEL=0";

/// Those of servers that must show a certificate: over the others none is shown, and none is verified then.
const SUITES_WITH_CERTIFICATE: &str = "ALL:COMPLEMENTOFALL:!aNULL:!eNULL:@SECLEVEL=0";

/// Signatures and keys of certificates that count are of OpenSSL's level 1: no MD5, no SHA-1, no RSA below 1024 bits.
const CERTIFICATE_LEVEL: i32 = 1;

/// A file of `SSL` has no more bytes.
const LONGEST: u64 = 8 << 20;

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
    authorities: Authorities,
    shown: Shown,
    /// Why it cannot ask.
    trouble: Option<String>,
    /// For connections that may be cut, and for those that may not. Made when they are needed first: they take memory.
    contexts: [OnceLock<SslContext>; 2],
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

    /// The same, with these secrets, and these authorities for the certificates of others.
    pub(crate) fn with(self, credentials: Credentials, authorities: Authorities) -> Self {
        Self { credentials, authorities, ..self }
    }

    pub(crate) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Why some of its checks cannot ask; no secret is in it.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = &str> {
        self.credentials.troubles().chain(self.authorities.troubles())
    }

    /// Why it cannot ask; no secret is in it.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// `anchors`: those that certificates are verified with; none are without.
    fn context(&self, compliant: bool, anchors: Option<&'_ Anchors>) -> Result<SslContext, ErrorStack> {
        let [tolerant, strict] = anchors.map_or(&self.contexts, |anchors| &anchors.contexts);
        let place = if compliant { strict } else { tolerant };
        match place.get() {
            Some(context) => Ok(context.clone()),
            None => {
                let context = self.make(compliant, anchors)?;
                Ok(place.get_or_init(|| context).clone())
            }
        }
    }

    fn make(&self, compliant: bool, anchors: Option<&Anchors>) -> Result<SslContext, ErrorStack> {
        let mut context = SslContextBuilder::new(SslMethod::tls_client())?;
        context.set_verify(SslVerifyMode::NONE);
        context.set_min_proto_version(None)?;
        context.set_max_proto_version(None)?;
        match anchors {
            None => context.set_cipher_list(SUITES)?,
            // Apart from what the chain of the client is made of.
            Some(anchors) => {
                context.set_cipher_list(SUITES_WITH_CERTIFICATE)?;
                context.set_verify_cert_store(anchors.store()?)?;
            }
        }
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
    regular(Path::new(path), LONGEST).map_err(|why| {
        let why = why.strip_prefix("it ").unwrap_or(&why);
        format!("SSL: `{word} {path}` {why}")
    })
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
    let anchors = match tls.demands.map(|demands| &demands.asked.trust) {
        None | Some(Trust::Anybody) => None,
        Some(trust) => Some(tls.client.authorities.of(trust).map_err(Stopped::Local)?),
    };
    let verified = match (anchors, tls.demands) {
        (Some(anchors), Some(Demands { name, .. })) => {
            Some((anchors, certified(name).map_err(Stopped::Failed)?))
        }
        _ => None,
    };
    // An address is never sent as a name.
    let told = tls.sni.map(without_port).filter(|name| !name.is_empty() && name.parse::<IpAddr>().is_err());
    // OpenSSL would not take it; nobody is spared a verdict by a name that they send the check to.
    if let Some(name) = told.filter(|name| !is_short_enough(name) || name.contains('\0')) {
        let why = format!("no name for a handshake: `{}` is too long", shown(name, 40));
        return Err(Stopped::Failed(Failure::Tls(why)));
    }
    let refused = Arc::default();
    let mut stream = prepare(stream, tls, verified.as_ref(), told, &refused)
        .map_err(|error| Stopped::Local(format!("TLS: {}", words(&error))))?;
    let shaken = Pin::new(&mut stream).connect().await;
    judge(shaken, stream.ssl(), tls.demands, refused.get()).map_err(Stopped::Failed)?;
    Ok(Stream { stream, compliant: tls.compliant })
}

/// Whom the certificate must be for, where a request is for `host`: nothing else is ever compared, as OpenSSL compares an
/// empty name with nothing, and one that begins with a dot with every name below it.
fn certified(host: &str) -> Result<TlsName, Failure> {
    TlsName::of_host(host)
        .ok_or_else(|| Failure::Certificate(format!("no certificate can be for `{}`", shown(host, 100))))
}

/// What a handshake comes to; `refused`: why the certificate does not count.
fn judge(
    shaken: Result<(), Error>,
    ssl: &SslRef,
    demands: Option<Demands<'_>>,
    refused: Option<&String>,
) -> Result<(), Failure> {
    if let Some(why) = refused {
        return Err(Failure::Certificate(why.clone()));
    }
    shaken.map_err(|error| Failure::Tls(reason(error, demands.map(|demands| demands.asked))))?;
    let Some(Demands { asked, expiring, .. }) = demands else { return Ok(()) };
    let shown = ssl.peer_certificate();
    if asked.trust != Trust::Anybody {
        // Whatever the way to here was.
        match (&shown, ssl.verify_result()) {
            (Some(_), X509VerifyResult::OK) => {}
            (Some(_), other) => return Err(Failure::Certificate(other.error_string().to_owned())),
            (None, _) => return Err(Failure::Certificate("the server shows no certificate".to_owned())),
        }
    }
    if let Some(days) = asked.warn_days {
        // What a server sends beside the way to an authority hurts nobody.
        let verified = ssl.verified_chain().filter(|_| asked.trust != Trust::Anybody);
        let all = verified.or_else(|| ssl.peer_cert_chain()).into_iter().flatten();
        let ending = all.filter_map(|one| certificate::expiring(one, days));
        if let Some(first) = ending.min_by(|one, other| (one.days, &one.end).cmp(&(other.days, &other.end))) {
            // One is enough.
            let _ = expiring.set(first);
        }
    }
    Ok(())
}

/// `verified`: with whose certificates, and for whom; `told`: the name that is sent; `refused`: there it is told why the
/// certificate does not count.
fn prepare(
    stream: TcpStream,
    tls: Tls<'_>,
    verified: Option<&(&Anchors, TlsName)>,
    told: Option<&str>,
    refused: &Arc<OnceLock<String>>,
) -> Result<SslStream<TcpStream>, ErrorStack> {
    let context = tls.client.context(tls.compliant, verified.map(|(anchors, _)| *anchors))?;
    let mut ssl = Ssl::new(&context)?;
    if let Some(Demands { asked, .. }) = tls.demands {
        if let Some(oldest) = asked.oldest {
            ssl.set_min_proto_version(Some(version(oldest)))?;
        }
        if let Some(newest) = asked.newest {
            ssl.set_max_proto_version(Some(version(newest)))?;
        }
    }
    if let Some((_, name)) = verified {
        verify(&mut ssl, name, refused)?;
    }
    if let Some(name) = told {
        ssl.set_hostname(name)?;
    }
    SslStream::new(ssl, stream)
}

fn version(version: TlsVersion) -> SslVersion {
    match version {
        TlsVersion::V12 => SslVersion::TLS1_2,
        TlsVersion::V13 => SslVersion::TLS1_3,
    }
}

/// The certificate must count, and be for `name`. As with the clients of today: its alternative names alone say for whom
/// it is, and a certificate that is among those which count needs nobody above it.
fn verify(ssl: &mut SslRef, name: &TlsName, refused: &Arc<OnceLock<String>>) -> Result<(), ErrorStack> {
    let name = name.as_str();
    let param = ssl.param_mut();
    param.set_hostflags(X509CheckFlags::NO_PARTIAL_WILDCARDS | X509CheckFlags::NEVER_CHECK_SUBJECT);
    match name.parse::<IpAddr>() {
        Ok(address) => param.set_ip(address)?,
        Err(_) => param.set_host(name)?,
    }
    param.set_flags(X509VerifyFlags::PARTIAL_CHAIN)?;
    param.set_auth_level(CERTIFICATE_LEVEL);
    let (name, refused) = (name.to_owned(), Arc::clone(refused));
    ssl.set_verify_callback(SslVerifyMode::PEER, move |counts, context| {
        if !counts {
            // The first reason ends it.
            let _ = refused.set(certificate::trouble(context, &name));
        }
        counts
    });
    Ok(())
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
fn reason(error: Error, asked: Option<&TlsDemands>) -> String {
    match error.into_io_error() {
        Ok(error) => plain(&error),
        Err(error) => match error.ssl_error() {
            Some(stack) => other_version(stack, asked).unwrap_or_else(|| words(stack)),
            None => "the server closed the connection".to_owned(),
        },
    }
}

/// The versions that are demanded, where the server speaks others.
fn other_version(stack: &ErrorStack, asked: Option<&TlsDemands>) -> Option<String> {
    let asked = asked?;
    let of_version = |reason: &str| {
        ["protocol version", "unsupported protocol", "wrong ssl version"]
            .iter()
            .any(|text| reason.contains(text))
    };
    stack.errors().iter().filter_map(|error| error.reason()).find(|reason| of_version(reason))?;
    let expected = match (asked.oldest, asked.newest) {
        (None, None) => return None,
        (Some(low), Some(high)) if low == high => format!("TLS {}", low.name()),
        (Some(low), Some(high)) => format!("TLS {} to {}", low.name(), high.name()),
        (Some(low), None) => format!("TLS {} or newer", low.name()),
        (None, Some(high)) => format!("TLS {} or older", high.name()),
    };
    Some(format!("expected {expected}, and the server speaks other versions"))
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

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{Shutdown, SocketAddr, TcpListener};
    use std::time::Duration;

    use openssl::ssl::SslContextRef;

    use super::super::probes::http;
    use super::*;
    use crate::check::Outcome;

    #[test]
    fn contexts_are_made_once_each() {
        let client = Client::default();
        let context = |compliant| client.context(compliant, None).unwrap();
        let same = |one: SslContext, other: SslContext| std::ptr::eq::<SslContextRef>(&*one, &*other);
        assert!(same(context(false), context(false)) && !same(context(false), context(true)));
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
                assert!(client.context(false, None).is_ok());
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
            let check = model::HttpCheck {
                tls: true,
                protocol,
                sni: None,
                demands: None,
                fast_recovery: false,
                urls,
            };
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
            let outcome = http(&options, &check, &url, None, &Client::default(), &OnceLock::new()).await;
            assert_eq!(outcome, expected, "close_notify: {says_so}, tls_compliant: {compliant}");
        }
    }
}
