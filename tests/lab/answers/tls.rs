//! Servers over TLS: versions, suites, groups, kinds of keys, and ways to end.

use std::io::Write;
use std::net::TcpStream;

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::dh::Dh;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::ssl::{
    NameType, SniError, Ssl, SslAlert, SslContext, SslContextBuilder, SslMethod, SslStream, SslVerifyMode,
    SslVersion,
};
use openssl::x509::{X509, X509Name};

use super::End;

#[derive(Clone, Copy)]
pub struct Server {
    pub name: &'static str,
    /// Lines of the check besides the url.
    pub asked: &'static str,
    /// `None`: no TLS at all on this port.
    pub make: fn() -> Option<SslContext>,
    pub end: TlsEnd,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsEnd {
    /// Says that it closes.
    Notify,
    /// Closes the connection without a word.
    Drop,
    Reset,
    Hold,
    /// Closes before the handshake.
    Never,
    /// Says nothing in the handshake.
    Mute,
}

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello";

pub fn serve(end: TlsEnd, context: Option<&SslContext>, mut stream: TcpStream) {
    match (context, end) {
        (_, TlsEnd::Never) => return,
        (_, TlsEnd::Mute) => return super::finish(End::Hold, &stream),
        (None, _) => {
            super::request(&mut stream);
            let _ = stream.write_all(ANSWER);
            return;
        }
        _ => {}
    }
    let Some(context) = context else { return };
    let plain = stream.try_clone().unwrap();
    let mut tls = SslStream::new(Ssl::new(context).unwrap(), stream).unwrap();
    if tls.accept().is_err() {
        return;
    }
    super::request(&mut tls);
    let _ = tls.write_all(ANSWER);
    match end {
        TlsEnd::Notify => drop(tls.shutdown()),
        TlsEnd::Reset => super::finish(End::Reset, &plain),
        TlsEnd::Hold => super::finish(End::Hold, &plain),
        TlsEnd::Drop | TlsEnd::Never | TlsEnd::Mute => {}
    }
}

pub fn all() -> Vec<Server> {
    let new = |name, make| Server { name, asked: "", make, end: TlsEnd::Notify };
    let ends = |name, end| Server { name, asked: "", make: || rsa("", None), end };
    vec![
        new("any version, any suite, RSA 2048", || rsa("", None)),
        new("TLS 1.3 alone", || rsa("", Some(SslVersion::TLS1_3))),
        new("TLS 1.2 alone", || rsa("", Some(SslVersion::TLS1_2))),
        new("TLS 1.1 alone", || rsa("ALL", Some(SslVersion::TLS1_1))),
        new("TLS 1.0 alone", || rsa("ALL", Some(SslVersion::TLS1))),
        new("ECDHE-RSA-AES128-GCM-SHA256", || suite("ECDHE-RSA-AES128-GCM-SHA256")),
        new("ECDHE-RSA-CHACHA20-POLY1305", || suite("ECDHE-RSA-CHACHA20-POLY1305")),
        new("ECDHE-RSA-AES256-SHA384 (CBC)", || suite("ECDHE-RSA-AES256-SHA384")),
        new("ECDHE-RSA-AES128-SHA (CBC)", || suite("ECDHE-RSA-AES128-SHA")),
        new("AES128-GCM-SHA256 (RSA key exchange)", || suite("AES128-GCM-SHA256")),
        new("AES256-SHA (RSA key exchange, CBC)", || suite("AES256-SHA")),
        new("CAMELLIA256-SHA", || suite("CAMELLIA256-SHA")),
        new("AES128-CCM8", || suite("AES128-CCM8")),
        new("ECDHE-ARIA256-GCM-SHA384", || suite("ECDHE-ARIA256-GCM-SHA384")),
        new("NULL-SHA256", || suite("NULL-SHA256")),
        new("DHE-RSA-AES256-GCM-SHA384, 2048 bits", || dhe("DHE-RSA-AES256-GCM-SHA384", Dh::get_2048_256)),
        new("DHE-RSA-AES128-SHA, 1024 bits", || dhe("DHE-RSA-AES128-SHA", Dh::get_1024_160)),
        new("ADH-AES256-GCM-SHA384 (no certificate)", anonymous),
        new("group X25519 alone", || groups("X25519")),
        new("group P-256 alone", || groups("P-256")),
        new("group P-384 alone", || groups("P-384")),
        new("group P-521 alone", || groups("P-521")),
        new("group X448 alone", || groups("X448")),
        new("group ffdhe2048 alone", || groups("ffdhe2048")),
        new("RSA 1024", || keyed(key_rsa(1024), MessageDigest::sha256())),
        new("RSA 4096", || keyed(key_rsa(4096), MessageDigest::sha256())),
        new("RSA 2048 signed with SHA-1", || keyed(key_rsa(2048), MessageDigest::sha1())),
        new("ECDSA P-256", || keyed(key_ec(Nid::X9_62_PRIME256V1), MessageDigest::sha256())),
        new("ECDSA P-384", || keyed(key_ec(Nid::SECP384R1), MessageDigest::sha384())),
        new("ECDSA P-521", || keyed(key_ec(Nid::SECP521R1), MessageDigest::sha512())),
        new("ECDSA brainpoolP256r1", || keyed(key_ec(Nid::BRAINPOOL_P256R1), MessageDigest::sha256())),
        new("Ed25519", || keyed(PKey::generate_ed25519().unwrap(), MessageDigest::null())),
        new("Ed448", || keyed(PKey::generate_ed448().unwrap(), MessageDigest::null())),
        new("expired certificate", expired),
        new("asks for a certificate of the client", || client(SslVerifyMode::PEER)),
        new("demands a certificate of the client, TLS 1.2", demands),
        new("demands a name in the handshake, none configured", named),
        Server { asked: "enable_sni", ..new("demands a name in the handshake, enable_sni", named) },
        ends("closes without close_notify", TlsEnd::Drop),
        ends("reset after a whole answer", TlsEnd::Reset),
        ends("held open after a whole answer", TlsEnd::Hold),
        ends("closes before the handshake", TlsEnd::Never),
        ends("says nothing in the handshake", TlsEnd::Mute),
        new("no TLS on this port", || None),
    ]
}

type Made = Option<SslContext>;

/// All suites of all ages, or those of `suites`; one version, or all.
fn builder(suites: &str, version: Option<SslVersion>) -> SslContextBuilder {
    let mut context = SslContextBuilder::new(SslMethod::tls_server()).unwrap();
    context.set_security_level(0);
    context.set_min_proto_version(version).unwrap();
    context.set_max_proto_version(version).unwrap();
    let suites = if suites.is_empty() { "ALL" } else { suites };
    context.set_cipher_list(&format!("{suites}:@SECLEVEL=0")).unwrap();
    context
}

fn with(mut context: SslContextBuilder, key: &PKey<Private>, digest: MessageDigest, days: u32) -> Made {
    context.set_private_key(key).unwrap();
    context.set_certificate(&certificate(key, digest, days).unwrap()).unwrap();
    Some(context.build())
}

fn rsa(suites: &str, version: Option<SslVersion>) -> Made {
    with(builder(suites, version), &key_rsa(2048), MessageDigest::sha256(), 2)
}

fn suite(name: &str) -> Made {
    rsa(name, Some(SslVersion::TLS1_2))
}

fn keyed(key: PKey<Private>, digest: MessageDigest) -> Made {
    with(builder("", None), &key, digest, 2)
}

fn groups(name: &str) -> Made {
    let mut context = builder("", None);
    context.set_groups_list(name).unwrap();
    with(context, &key_rsa(2048), MessageDigest::sha256(), 2)
}

fn dhe(suite: &str, parameters: fn() -> Result<Dh<openssl::pkey::Params>, ErrorStack>) -> Made {
    let mut context = builder(suite, Some(SslVersion::TLS1_2));
    context.set_tmp_dh(&parameters().unwrap()).unwrap();
    with(context, &key_rsa(2048), MessageDigest::sha256(), 2)
}

fn anonymous() -> Made {
    let mut context = builder("ADH-AES256-GCM-SHA384", Some(SslVersion::TLS1_2));
    context.set_tmp_dh(&Dh::get_2048_256().unwrap()).unwrap();
    Some(context.build())
}

fn expired() -> Made {
    with(builder("", None), &key_rsa(2048), MessageDigest::sha256(), 0)
}

fn client(mode: SslVerifyMode) -> Made {
    let mut context = builder("", None);
    context.set_verify_callback(mode, |_, _| true);
    with(context, &key_rsa(2048), MessageDigest::sha256(), 2)
}

fn demands() -> Made {
    let mut context = builder("", Some(SslVersion::TLS1_2));
    context.set_verify(SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT);
    with(context, &key_rsa(2048), MessageDigest::sha256(), 2)
}

fn named() -> Made {
    let mut context = builder("", None);
    context.set_servername_callback(|ssl, alert| match ssl.servername(NameType::HOST_NAME) {
        Some(_) => Ok(()),
        None => {
            *alert = SslAlert::UNRECOGNIZED_NAME;
            Err(SniError::ALERT_FATAL)
        }
    });
    with(context, &key_rsa(2048), MessageDigest::sha256(), 2)
}

/// A key of one size is made once: it takes its time.
fn key_rsa(bits: u32) -> PKey<Private> {
    static KEYS: std::sync::Mutex<Vec<(u32, PKey<Private>)>> = std::sync::Mutex::new(Vec::new());
    let mut keys = KEYS.lock().unwrap();
    if let Some((_, key)) = keys.iter().find(|(known, _)| *known == bits) {
        return key.clone();
    }
    let key = PKey::from_rsa(Rsa::generate(bits).unwrap()).unwrap();
    keys.push((bits, key.clone()));
    key
}

fn key_ec(curve: Nid) -> PKey<Private> {
    let mut group = EcGroup::from_curve_name(curve).unwrap();
    group.set_asn1_flag(openssl::ec::Asn1Flag::NAMED_CURVE);
    PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
}

fn certificate(key: &PKey<Private>, digest: MessageDigest, days: u32) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", "www.example.com")?;
    let name = name.build();
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&*BigNum::from_u32(1)?.to_asn1_integer()?)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(key)?;
    certificate.set_not_before(&*Asn1Time::from_unix(0)?)?;
    certificate.set_not_after(&*match days {
        0 => Asn1Time::from_unix(1_000_000_000)?,
        days => Asn1Time::days_from_now(days)?,
    })?;
    certificate.sign(key, digest)?;
    Ok(certificate.build())
}
