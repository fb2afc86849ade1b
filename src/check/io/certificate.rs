//! What there is to say of the certificate of a server, in one line. All of it was written by who it is from.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

use openssl::asn1::{Asn1Time, Asn1TimeRef};
use openssl::x509::{GeneralNameRef, X509NameRef, X509Ref, X509StoreContextRef};

use crate::check::Expiring;
use crate::text::shown;

/// Characters of a name that are shown.
const SHOWN: usize = 80;
/// Names of a certificate that are shown.
const NAMES: usize = 5;

/// The log has no more digits for a year.
const YEAR_10000: u64 = 253_402_300_800;

/// OpenSSL's numbers of what can be wrong, `X509_V_ERR_…`.
mod wrong {
    pub(super) const SIGNATURE: i32 = 7;
    pub(super) const NOT_YET_VALID: i32 = 9;
    pub(super) const HAS_EXPIRED: i32 = 10;
    pub(super) const SELF_SIGNED_LEAF: i32 = 18;
    pub(super) const SELF_SIGNED_ROOT: i32 = 19;
    pub(super) const NO_ISSUER: [i32; 3] = [2, 20, 21];
    pub(super) const OTHER_HOST: i32 = 62;
    pub(super) const OTHER_ADDRESS: i32 = 64;
}

/// Why a certificate does not count, for `expected`.
pub(super) fn trouble(context: &X509StoreContextRef, expected: &str) -> String {
    let error = context.error();
    let Some(certificate) = context.current_cert() else { return error.error_string().to_owned() };
    let what = match context.error_depth() {
        0 => "the certificate".to_owned(),
        _ => format!("the certificate of the issuer {}", subject(certificate)),
    };
    match error.as_raw() {
        wrong::HAS_EXPIRED => format!("{what} has expired: it ended at {}", time(certificate.not_after())),
        wrong::NOT_YET_VALID => {
            let now = Asn1Time::days_from_now(0).map_or("another time".to_owned(), |now| time(&now));
            let begin = time(certificate.not_before());
            format!("{what} is not yet valid: it begins at {begin}, and the clock of this host says {now}")
        }
        wrong::OTHER_HOST | wrong::OTHER_ADDRESS => {
            format!(
                "the certificate is for other names: expected {}, found {}",
                shown(expected, SHOWN),
                names(certificate)
            )
        }
        wrong::SELF_SIGNED_LEAF => {
            format!("the issuer of the certificate is unknown: {} signed it itself", subject(certificate))
        }
        wrong::SELF_SIGNED_ROOT => {
            format!("the issuer of the certificate is unknown: {}", subject(certificate))
        }
        wrong::SIGNATURE => {
            let issuer = name(certificate.issuer_name());
            format!(
                "the issuer of {what} is unknown: {issuer} has another key than the one of this name that counts"
            )
        }
        error if wrong::NO_ISSUER.contains(&error) => {
            format!("the issuer of {what} is unknown: {}", name(certificate.issuer_name()))
        }
        _ => format!("{what} does not count: {}", error.error_string()),
    }
}

/// `None`: it does not end within so many days.
pub(super) fn expiring(certificate: &X509Ref, days: u16) -> Option<Expiring> {
    let now = Asn1Time::days_from_now(0).ok()?;
    let left = now.diff(certificate.not_after()).ok()?;
    let ended = left.days < 0 || left.secs < 0;
    if !ended && left.days >= i32::from(days) {
        return None;
    }
    let days = if ended { left.days.min(-1) } else { left.days };
    Some(Expiring { subject: subject(certificate), end: time(certificate.not_after()), days })
}

/// As the log writes times.
fn time(time: &Asn1TimeRef) -> String {
    let since = || {
        let since = Asn1Time::from_unix(0).ok()?.diff(time).ok()?;
        let seconds = i64::from(since.days) * 86_400 + i64::from(since.secs);
        let seconds = u64::try_from(seconds).ok().filter(|seconds| *seconds < YEAR_10000)?;
        UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
    };
    // Before 1970, after 9999, or no time at all.
    since().map_or_else(
        || shown(&time.to_string(), SHOWN),
        |at| humantime::format_rfc3339_seconds(at).to_string(),
    )
}

fn subject(certificate: &X509Ref) -> String {
    name(certificate.subject_name())
}

/// `CN=www.example.com, O=Example`.
fn name(name: &X509NameRef) -> String {
    let mut text = String::new();
    for entry in name.entries() {
        let kind = entry.object().nid().short_name().unwrap_or("?");
        let value = String::from_utf8_lossy(entry.data().as_slice()).into_owned();
        let between = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{between}{kind}={value}");
        if text.len() > 4 * SHOWN {
            break;
        }
    }
    if text.is_empty() { "nobody in particular".to_owned() } else { format!("`{}`", shown(&text, SHOWN)) }
}

/// Whom it is for.
fn names(certificate: &X509Ref) -> String {
    let found = certificate.subject_alt_names();
    let found = found.iter().flatten().filter_map(one).collect::<Vec<_>>();
    if found.is_empty() {
        return format!("none (only alternative names count, and not the subject {})", subject(certificate));
    }
    let more = found.len().saturating_sub(NAMES);
    let text = found.iter().take(NAMES).map(|name| shown(name, SHOWN)).collect::<Vec<_>>().join(", ");
    if more == 0 { text } else { format!("{text} and {more} more") }
}

fn one(name: &GeneralNameRef) -> Option<String> {
    let address = |bytes: &[u8]| {
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok().map(|address| address.to_string())
    };
    name.dnsname().map(str::to_owned).or_else(|| name.ipaddress().and_then(address))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::net::{Shutdown, SocketAddr, TcpListener};
    use std::sync::OnceLock;

    use openssl::bn::BigNum;
    use openssl::ec::{EcGroup, EcKey};
    use openssl::hash::MessageDigest;
    use openssl::nid::Nid;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::ssl::{SslAcceptor, SslMethod, SslOptions, SslVersion};
    use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
    use openssl::x509::{X509, X509Builder, X509Name};

    use super::super::credentials::Credentials;
    use super::super::probes::{http, talk};
    use super::super::tls::Client;
    use super::super::trust::Authorities;
    use super::*;
    use crate::check::Outcome;
    use crate::config::model::{
        Connect, Conversation, HttpCheck, HttpProtocol, HttpUrl, ProtocolKind, StatusCodes, TlsDemands,
        TlsName, TlsVersion, Trust,
    };

    const DAY: i64 = 86_400;

    /// What is made, and who made it.
    #[derive(Clone)]
    struct Made {
        certificate: X509,
        key: PKey<Private>,
    }

    /// How it is made.
    struct Wish<'a> {
        names: &'a [&'a str],
        /// Seconds from now.
        from: i64,
        to: i64,
        issuer: Option<&'a Made>,
        digest: MessageDigest,
    }

    impl Default for Wish<'_> {
        fn default() -> Self {
            let digest = MessageDigest::sha256();
            Self { names: &["www.example.com"], from: -DAY, to: 90 * DAY, issuer: None, digest }
        }
    }

    fn ec_key() -> PKey<Private> {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap()
    }

    fn make(subject: &str, authority: bool, wish: &Wish<'_>) -> Made {
        make_with(subject, authority, wish, ec_key())
    }

    fn make_with(subject: &str, authority: bool, wish: &Wish<'_>, key: PKey<Private>) -> Made {
        let mut name = X509Name::builder().unwrap();
        name.append_entry_by_nid(Nid::COMMONNAME, subject).unwrap();
        let name = name.build();
        let now = humantime_now();
        let at = |seconds: i64| Asn1Time::from_unix(now + seconds).unwrap();
        let mut made: X509Builder = X509::builder().unwrap();
        made.set_version(2).unwrap();
        made.set_serial_number(&BigNum::from_u32(fastrand::u32(1..)).unwrap().to_asn1_integer().unwrap())
            .unwrap();
        made.set_subject_name(&name).unwrap();
        made.set_issuer_name(wish.issuer.map_or(&name, |issuer| issuer.certificate.subject_name())).unwrap();
        made.set_pubkey(&key).unwrap();
        made.set_not_before(&at(wish.from)).unwrap();
        made.set_not_after(&at(wish.to)).unwrap();
        if authority {
            made.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        } else if !wish.names.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for name in wish.names {
                match name.parse::<IpAddr>() {
                    Ok(_) => names.ip(name),
                    Err(_) => names.dns(name),
                };
            }
            let names = names.build(&made.x509v3_context(None, None)).unwrap();
            made.append_extension(names).unwrap();
        }
        made.sign(wish.issuer.map_or(&key, |issuer| &issuer.key), wish.digest).unwrap();
        Made { certificate: made.build(), key }
    }

    fn humantime_now() -> i64 {
        let now = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        i64::try_from(now.as_secs()).unwrap()
    }

    /// A server that shows this and answers once.
    fn serve(shown: &Made, between: &[&Made], versions: Option<SslVersion>) -> SocketAddr {
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_security_level(0);
        acceptor.clear_options(SslOptions::NO_TLSV1 | SslOptions::NO_TLSV1_1);
        acceptor.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        acceptor.set_private_key(&shown.key).unwrap();
        acceptor.set_certificate(&shown.certificate).unwrap();
        for one in between {
            acceptor.add_extra_chain_cert(one.certificate.clone()).unwrap();
        }
        if versions.is_some() {
            acceptor.set_min_proto_version(versions).unwrap();
            acceptor.set_max_proto_version(versions).unwrap();
        }
        let (acceptor, listener) = (acceptor.build(), TcpListener::bind("127.0.0.1:0").unwrap());
        let to = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let Ok(mut stream) = acceptor.accept(listener.accept().unwrap().0) else { return };
            let _ = stream.ssl_read(&mut [0; 1024]);
            let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nwelcome");
            let _ = stream.shutdown();
            let _ = stream.get_ref().shutdown(Shutdown::Write);
            let _ = stream.get_mut().read_to_end(&mut Vec::new());
        });
        to
    }

    fn demands(trust: &Trust) -> TlsDemands {
        TlsDemands { trust: trust.clone(), ..TlsDemands::default() }
    }

    fn connect(to: SocketAddr) -> Connect {
        let timeout = Duration::from_secs(20);
        Connect { to, timeout, from: None, from_port: 0, interface: None, fwmark: 0 }
    }

    /// The outcome, and what was told of a certificate that ends.
    async fn ask(
        to: SocketAddr,
        demands: TlsDemands,
        virtualhost: Option<&str>,
    ) -> (Result<(), String>, Option<Expiring>) {
        ask_as(None, to, demands, virtualhost).await
    }

    /// The same, and tells this name in the handshake.
    async fn ask_as(
        sni: Option<&str>,
        to: SocketAddr,
        demands: TlsDemands,
        virtualhost: Option<&str>,
    ) -> (Result<(), String>, Option<Expiring>) {
        let authorities = Authorities::read([&demands.trust].into());
        let client = Client::default().with(Credentials::default(), authorities);
        let check = HttpCheck {
            tls: true,
            protocol: HttpProtocol::Http10,
            sni: sni.map(str::to_owned),
            demands: Some(Box::new(demands)),
            fast_recovery: false,
            urls: vec![],
        };
        let url = HttpUrl {
            path: "/".into(),
            virtualhost: virtualhost.map(str::to_owned),
            digest: None,
            status_codes: StatusCodes::default(),
            regex: None,
            tls_compliant: None,
            more: None,
        };
        let expiring = OnceLock::new();
        let outcome = http(&connect(to), &check, &url, None, &client, &expiring).await;
        (verdict(outcome), expiring.into_inner())
    }

    fn verdict(outcome: Outcome) -> Result<(), String> {
        match outcome {
            Outcome::Passed { .. } => Ok(()),
            Outcome::Failed(why) => Err(why.to_string()),
            Outcome::NotRun(why) => panic!("not run: {why}"),
        }
    }

    /// An authority in a file.
    struct Authority {
        folder: tempfile::TempDir,
        made: Made,
    }

    impl Authority {
        fn new() -> Self {
            let (folder, made) = (tempfile::tempdir().unwrap(), make("Test CA", true, &Wish::default()));
            let authority = Self { folder, made };
            authority.trusts(&authority.made.clone());
            authority
        }

        fn trusts(&self, one: &Made) {
            fs::write(self.folder.path().join("ca.pem"), one.certificate.to_pem().unwrap()).unwrap();
        }

        fn trust(&self) -> Trust {
            Trust::File(self.folder.path().join("ca.pem").to_str().unwrap().to_owned())
        }

        fn signs(&self, wish: Wish<'_>) -> Made {
            make("server", false, &Wish { issuer: Some(&self.made), ..wish })
        }
    }

    const WWW: Option<&str> = Some("www.example.com:8443");

    #[tokio::test]
    async fn a_certificate_counts_or_the_reason_says_what_is_wrong_with_it() {
        let ca = Authority::new();
        let namesake = make("Test CA", true, &Wish::default());
        let namesake = make("server", false, &Wish { issuer: Some(&namesake), ..Wish::default() });
        let other = make("Other CA", true, &Wish::default());
        let other = make("server", false, &Wish { issuer: Some(&other), ..Wish::default() });
        let own = make("alone", false, &Wish::default());
        let cases: [(&str, Made, Option<&str>); 9] = [
            ("good", ca.signs(Wish::default()), None),
            (
                "ended",
                ca.signs(Wish { from: -9 * DAY, to: -DAY, ..Wish::default() }),
                Some("the certificate has expired: it ended at 20"),
            ),
            (
                "begins",
                ca.signs(Wish { from: DAY, ..Wish::default() }),
                Some("the certificate is not yet valid: it begins at 20"),
            ),
            (
                "other",
                ca.signs(Wish { names: &["a.example", "10.0.0.1"], ..Wish::default() }),
                Some(
                    "the certificate is for other names: expected www.example.com, found a.example, 10.0.0.1",
                ),
            ),
            (
                "nobody",
                ca.signs(Wish { names: &[], ..Wish::default() }),
                Some("found none (only alternative names count, and not the subject `CN=server`)"),
            ),
            ("unknown", other, Some("the issuer of the certificate is unknown: `CN=Other CA`")),
            (
                "namesake",
                namesake,
                Some(
                    "the issuer of the certificate is unknown: `CN=Test CA` has another key than the one of this name",
                ),
            ),
            ("itself", own, Some("the issuer of the certificate is unknown: `CN=alone` signed it itself")),
            (
                "old",
                ca.signs(Wish { digest: MessageDigest::sha1(), ..Wish::default() }),
                Some("the certificate does not count: "),
            ),
        ];
        for (name, made, expected) in cases {
            // Nothing is looked at without being asked for.
            assert_eq!(
                ask(serve(&made, &[], None), TlsDemands::default(), WWW).await,
                (Ok(()), None),
                "{name}"
            );
            for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
                let (verdict, _) = ask(serve(&made, &[], Some(version)), demands(&ca.trust()), WWW).await;
                let said = verdict.as_ref().err().map(String::as_str).unwrap_or_default();
                assert_eq!(verdict.is_err(), expected.is_some(), "{name}: {said}");
                assert!(
                    said.contains(expected.unwrap_or_default()) && !said.contains('\n'),
                    "{name}: {said}"
                );
            }
        }
    }

    #[tokio::test]
    async fn whom_it_is_for() {
        let ca = Authority::new();
        let names = &["*.example.com", "www.example.org", "127.0.0.1"];
        let verdict = |name: Option<&str>, virtualhost: Option<&str>| {
            let name = name.map(|name| TlsName::new(name).unwrap());
            let demands = TlsDemands { name, ..demands(&ca.trust()) };
            let to = serve(&ca.signs(Wish { names, ..Wish::default() }), &[], None);
            let virtualhost = virtualhost.map(str::to_owned);
            async move { ask(to, demands, virtualhost.as_deref()).await.0 }
        };
        for name in ["a.example.com", "www.example.org", "WWW.Example.ORG", "127.0.0.1"] {
            assert_eq!(verdict(Some(name), Some("other.example")).await, Ok(()), "{name}");
        }
        for name in ["example.com", "a.b.example.com", "example.org", "127.0.0.2", "::1"] {
            let why = format!(
                "the certificate is for other names: expected {name}, found *.example.com, www.example.org, 127.0.0.1"
            );
            assert_eq!(verdict(Some(name), Some("www.example.org")).await, Err(why));
        }
        assert_eq!(verdict(None, Some("www.example.org:1")).await, Ok(()));
        assert!(verdict(None, Some("[::1]:1")).await.unwrap_err().contains("expected ::1, found"));
        assert_eq!(verdict(None, Some("www.example.org.")).await, Ok(()));
        assert_eq!(verdict(None, None).await, Ok(()), "the address, when nobody is named");
        // The certificate is for names below each of them, or for somebody.
        for nobody in ["", ":9001", ".", ".example.org", ".com:1", "*.example.com", "b\0"] {
            let why = format!("no certificate can be for `{}`", nobody.escape_debug());
            assert_eq!(verdict(None, Some(nobody)).await, Err(why));
        }
    }

    #[tokio::test]
    async fn a_name_that_no_handshake_can_tell_is_a_failure() {
        let ca = Authority::new();
        for name in ["a".repeat(64), vec!["a".repeat(60); 5].join(".")] {
            let to = serve(&ca.signs(Wish::default()), &[], None);
            let said = ask_as(Some(&name), to, TlsDemands::default(), WWW).await.0.unwrap_err();
            assert!(said.contains("is too long"), "{said}");
        }
    }

    #[tokio::test]
    async fn chains() {
        let ca = Authority::new();
        let between = |to| make("Between", true, &Wish { issuer: Some(&ca.made), to, ..Wish::default() });
        let under = |issuer: &Made| make("server", false, &Wish { issuer: Some(issuer), ..Wish::default() });
        let middle = between(90 * DAY);
        let whole = serve(&under(&middle), &[&middle], None);
        assert_eq!(ask(whole, demands(&ca.trust()), WWW).await.0, Ok(()));
        let cut = ask(serve(&under(&middle), &[], None), demands(&ca.trust()), WWW).await.0;
        assert_eq!(cut, Err("the issuer of the certificate is unknown: `CN=Between`".into()));
        let ended = between(-1);
        let why = ask(serve(&under(&ended), &[&ended], None), demands(&ca.trust()), WWW).await.0.unwrap_err();
        assert!(
            why.starts_with("the certificate of the issuer `CN=Between` has expired: it ended at 20"),
            "{why}"
        );
        // What is in the file counts, and needs nobody above it.
        ca.trusts(&middle);
        assert_eq!(ask(serve(&under(&middle), &[], None), demands(&ca.trust()), WWW).await.0, Ok(()));
        let own = make("alone", false, &Wish::default());
        ca.trusts(&own);
        assert_eq!(ask(serve(&own, &[], None), demands(&ca.trust()), WWW).await.0, Ok(()));
        // Whoever is no authority makes none.
        let fake = make("Fake", false, &Wish { issuer: Some(&ca.made), ..Wish::default() });
        ca.trusts(&ca.made.clone());
        assert!(ask(serve(&under(&fake), &[&fake], None), demands(&ca.trust()), WWW).await.0.is_err());
    }

    /// Some hundreds of them, and then one of hundreds of names.
    #[tokio::test]
    async fn certificates_without_end_have_an_end() {
        let ca = Authority::new();
        let mut chain = vec![ca.made.clone()];
        for number in 0..300 {
            let last = chain.last().unwrap();
            chain.push(make(&format!("CA {number}"), true, &Wish { issuer: Some(last), ..Wish::default() }));
        }
        let leaf = make("server", false, &Wish { issuer: chain.last(), ..Wish::default() });
        let chain: Vec<&Made> = chain.iter().skip(1).rev().collect();
        let begun = std::time::Instant::now();
        let why = ask(serve(&leaf, &chain, None), demands(&ca.trust()), WWW).await.0.unwrap_err();
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert!(!why.contains('\n') && why.len() < 300, "{why}");
        let names: Vec<String> = (0..2000).map(|number| format!("a{number}.example")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let made = ca.signs(Wish { names: &names, ..Wish::default() });
        let why = ask(serve(&made, &[], None), demands(&ca.trust()), WWW).await.0.unwrap_err();
        assert!(why.ends_with("a3.example, a4.example and 1995 more"), "{why}");
        let name = format!("a\n{}", "b".repeat(60));
        let made = make(&name, false, &Wish::default());
        let why = ask(serve(&made, &[], None), demands(&ca.trust()), WWW).await.0.unwrap_err();
        assert!(why.contains("`CN=a\\nbbb"), "{why}");
    }

    #[tokio::test]
    async fn versions_that_count() {
        use TlsVersion::{V12, V13};
        let ca = Authority::new();
        let made = ca.signs(Wish::default());
        for (speaks, oldest, newest, expected) in [
            (SslVersion::TLS1_2, Some(V12), None, None),
            (SslVersion::TLS1_2, None, Some(V12), None),
            (SslVersion::TLS1_2, Some(V13), None, Some("TLS 1.3 or newer")),
            (SslVersion::TLS1_3, Some(V12), Some(V13), None),
            (SslVersion::TLS1_3, None, Some(V12), Some("TLS 1.2 or older")),
            (SslVersion::TLS1_3, Some(V12), Some(V12), Some("TLS 1.2")),
            (SslVersion::TLS1_1, Some(V12), Some(V13), Some("TLS 1.2 to 1.3")),
            (SslVersion::TLS1_1, None, None, None),
        ] {
            for trust in [Trust::Anybody, ca.trust()] {
                let demands = TlsDemands { oldest, newest, ..demands(&trust) };
                let verdict = ask(serve(&made, &[], Some(speaks)), demands, WWW).await.0;
                let expected = expected.map(|expected| {
                    format!("TLS handshake failed: expected {expected}, and the server speaks other versions")
                });
                assert_eq!(verdict.err(), expected, "{oldest:?} {newest:?}");
            }
        }
    }

    /// A suite without certificates shows none, and there is nothing to verify.
    #[tokio::test]
    async fn who_shows_no_certificate_does_not_count() {
        let ca = Authority::new();
        let serve = || {
            let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
            acceptor.set_max_proto_version(Some(SslVersion::TLS1_2)).unwrap();
            acceptor.set_cipher_list("aNULL:@SECLEVEL=0").unwrap();
            let (acceptor, listener) = (acceptor.build(), TcpListener::bind("127.0.0.1:0").unwrap());
            let to = listener.local_addr().unwrap();
            std::thread::spawn(move || {
                let Ok(mut stream) = acceptor.accept(listener.accept().unwrap().0) else { return };
                let _ = stream.ssl_read(&mut [0; 1024]);
                let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nwelcome");
            });
            to
        };
        assert_eq!(ask(serve(), TlsDemands::default(), WWW).await.0, Ok(()));
        assert!(ask(serve(), demands(&ca.trust()), WWW).await.0.is_err());
    }

    #[tokio::test]
    async fn what_ends_soon_is_told_and_passes() {
        let ca = Authority::new();
        let told = |to, warn_days, trust: Trust| {
            let made = ca.signs(Wish { from: -90 * DAY, to, ..Wish::default() });
            let demands = TlsDemands { warn_days, ..demands(&trust) };
            async move { ask(serve(&made, &[], None), demands, WWW).await }
        };
        for trust in [Trust::Anybody, ca.trust()] {
            assert_eq!(told(14 * DAY + 60, Some(14), trust.clone()).await, (Ok(()), None));
            assert_eq!(told(DAY, None, trust.clone()).await, (Ok(()), None));
            let (verdict, expiring) = told(14 * DAY - 60, Some(14), trust.clone()).await;
            let expiring = expiring.unwrap();
            assert_eq!((verdict, expiring.days, expiring.subject.as_str()), (Ok(()), 13, "`CN=server`"));
            let text = expiring.to_string();
            assert!(
                text.starts_with("the certificate of `CN=server` ends at 20")
                    && text.ends_with("Z, in 13 days"),
                "{text}"
            );
            let soon = told(60, Some(1), trust).await.1.unwrap().to_string();
            assert!(soon.ends_with("Z, within a day"), "{soon}");
        }
        let ended = told(-60, Some(14), Trust::Anybody).await.1.unwrap().to_string();
        assert!(ended.starts_with("the certificate of `CN=server` has ended at 20"), "{ended}");
    }

    #[tokio::test]
    async fn what_ends_first_of_a_chain_is_told() {
        let ca = Authority::new();
        for trust in [Trust::Anybody, ca.trust()] {
            for (between, leaf, told) in
                [(3, 9, "`CN=Between`"), (9, 3, "`CN=server`"), (3, 90, "`CN=Between`")]
            {
                let wish = Wish { issuer: Some(&ca.made), to: between * DAY + 60, ..Wish::default() };
                let between = make("Between", true, &wish);
                let wish = Wish { issuer: Some(&between), to: leaf * DAY + 60, ..Wish::default() };
                let to = serve(&make("server", false, &wish), &[&between], None);
                let demands = TlsDemands { warn_days: Some(14), ..demands(&trust) };
                let (verdict, expiring) = ask(to, demands, WWW).await;
                let expiring = expiring.unwrap();
                assert_eq!((verdict, expiring.days, expiring.subject.as_str()), (Ok(()), 3, told));
            }
        }
    }

    #[tokio::test]
    async fn a_named_check_verifies_too() {
        let ca = Authority::new();
        let made = ca.signs(Wish { names: &["cache.example"], ..Wish::default() });
        let verdict = |name: Option<&str>| {
            let name = name.map(|name| TlsName::new(name).unwrap());
            let asks = Conversation {
                name: "cache".into(),
                protocol: ProtocolKind::Tcp,
                tls: true,
                demands: Some(Box::new(TlsDemands { name, ..demands(&ca.trust()) })),
                turns: vec![],
            };
            let authorities = Authorities::read([&ca.trust()].into());
            let client = Client::default().with(Credentials::default(), authorities);
            let to = serve(&made, &[], None);
            async move { verdict(talk(&connect(to), &asks, &client, &OnceLock::new()).await) }
        };
        assert_eq!(verdict(Some("cache.example")).await, Ok(()));
        assert_eq!(
            verdict(None).await,
            Err("the certificate is for other names: expected 127.0.0.1, found cache.example".into())
        );
    }

    #[tokio::test]
    async fn keys_that_are_too_short_do_not_count() {
        let ca = Authority::new();
        let key = PKey::from_rsa(Rsa::generate(512).unwrap()).unwrap();
        let made = make_with("server", false, &Wish { issuer: Some(&ca.made), ..Wish::default() }, key);
        assert!(ask(serve(&made, &[], Some(SslVersion::TLS1_2)), demands(&ca.trust()), WWW).await.0.is_err());
    }

    #[test]
    fn times_of_all_ages() {
        let at = |seconds| time(&Asn1Time::from_unix(seconds).unwrap());
        assert_eq!(at(0), "1970-01-01T00:00:00Z");
        assert_eq!(at(1_793_534_400), "2026-11-01T12:00:00Z");
        assert_eq!(at(253_402_300_799), "9999-12-31T23:59:59Z");
        assert!(at(-86_400).contains("1969"));
    }
}
