//! What HTTPS checks can demand of a certificate, and where redirects lead them, against nginx.

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509Name};

use super::Scenario;
use crate::lab::{
    Daemon, Lab, Node, Program, Signal, VIP, Vrrp, eventually, now, poll, say, seconds, throughout,
};

pub const SCENARIOS: &[Scenario] = &[Scenario {
    limit: seconds(240),
    ..Scenario::directord(
        "tls_verify",
        "certificates that have ended, are for others or of unknown issuers take a server out, a renewed one brings it back, \
         and redirects lead to the same server alone",
        run,
    )
}];

const DAY: i64 = 86_400;
const AUTHORITIES: &str = "/etc/keepalived/authorities.pem";

struct Made(X509, PKey<Private>);

/// For `name`, from and until so many days from now; without an issuer it is an authority.
fn make(name: &str, from: i64, to: i64, issuer: Option<&Made>) -> Made {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut subject = X509Name::builder().unwrap();
    subject.append_entry_by_nid(Nid::COMMONNAME, name).unwrap();
    let subject = subject.build();
    let at = |days: i64| Asn1Time::from_unix(now() as i64 + days * DAY).unwrap();
    let mut made = X509::builder().unwrap();
    made.set_version(2).unwrap();
    let mut serial = BigNum::new().unwrap();
    serial.rand(64, openssl::bn::MsbOption::ONE, false).unwrap();
    made.set_serial_number(&serial.to_asn1_integer().unwrap()).unwrap();
    made.set_subject_name(&subject).unwrap();
    made.set_issuer_name(issuer.map_or(&subject, |issuer| issuer.0.subject_name())).unwrap();
    made.set_pubkey(&key).unwrap();
    made.set_not_before(&at(from)).unwrap();
    made.set_not_after(&at(to)).unwrap();
    match issuer {
        None => made.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap(),
        Some(_) => {
            let names =
                SubjectAlternativeName::new().dns(name).build(&made.x509v3_context(None, None)).unwrap();
            made.append_extension(names).unwrap();
        }
    }
    made.sign(issuer.map_or(&key, |issuer| &issuer.1), MessageDigest::sha256()).unwrap();
    Made(made.build(), key)
}

impl Made {
    fn pem(&self) -> Vec<u8> {
        self.0.to_pem().unwrap()
    }

    /// What a server shows on this port.
    fn shown(&self, node: &Node, port: u16) {
        node.write(&format!("/tmp/{port}.pem"), self.pem());
        node.write(&format!("/tmp/{port}.key"), self.1.private_key_to_pem_pkcs8().unwrap());
    }
}

/// Ports of the servers, in the order of the services.
const GOOD: u16 = 8443;
const ENDED: u16 = 8444;
const OTHER_NAME: u16 = 8445;
const UNKNOWN: u16 = 8446;
const OLD: u16 = 8447;
const ENDS_SOON: u16 = 8448;
const OVER_TLS: [u16; 6] = [GOOD, ENDED, OTHER_NAME, UNKNOWN, OLD, ENDS_SOON];

fn nginx() -> String {
    let server = |port: u16| {
        let versions = if port == OLD { "TLSv1.2" } else { "TLSv1.2 TLSv1.3" };
        format!(
            "server {{\nlisten {port} ssl;\nroot /tmp/www;\nssl_certificate /tmp/{port}.pem;\n\
             ssl_certificate_key /tmp/{port}.key;\nssl_protocols {versions};\n}}\n"
        )
    };
    let over_tls: String = OVER_TLS.into_iter().map(server).collect();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|word| format!("{word}_temp_path /tmp/{word};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process on;\nuser root;\npid /run/nginx.pid;\nevents {{ }}\nhttp {{\naccess_log /tmp/access.log;\n\
         {temporary}{over_tls}server {{\nlisten 80;\nroot /tmp/www;\n\
         location = /a {{ return 301 /b; }}\nlocation = /b {{ return 302 http://www.example.com/c; }}\n\
         location = /c {{ return 307 page; }}\n\
         location = /circle {{ return 302 /around; }}\nlocation = /around {{ return 302 /circle; }}\n\
         location = /secure {{ return 301 https://www.example.com:{GOOD}/page; }}\n\
         location = /elsewhere {{ return 302 http://192.168.100.9/page; }}\n}}\n}}\n"
    )
}

/// Ports of the services behind those over TLS: each follows another redirect.
const CHAIN: u16 = 90;
const CHAIN_TOO_LONG: u16 = 91;
const CIRCLE: u16 = 92;
const SECURE: u16 = 93;
const ELSEWHERE: u16 = 94;
const REDIRECTED: [(u16, &str, u16); 5] = [
    (CHAIN, "/a", 3),
    (CHAIN_TOO_LONG, "/a", 2),
    (CIRCLE, "/circle", 10),
    (SECURE, "/secure", 1),
    (ELSEWHERE, "/elsewhere", 1),
];

fn configuration(authorities: &str) -> String {
    let service = |port: u16, to: u16, check: &str| {
        format!(
            "virtual_server {VIP} {port} {{\ndelay_loop 1\nlb_algo rr\nlb_kind NAT\nprotocol TCP\n\
             real_server 192.168.100.8 {to} {{\n{check}\n}}\n}}\n"
        )
    };
    let common = "connect_timeout 3\ndelay_before_retry 1\nretry 0\nvirtualhost www.example.com";
    let over_tls = OVER_TLS.map(|port| {
        let more = match port {
            OLD => "tls_min_version 1.3",
            ENDS_SOON => "tls_expiry_warning 14",
            _ => "",
        };
        let check = format!(
            "SSL_GET {{\n{common}\nenable_sni\ntls_verify {authorities}\n{more}\nurl {{\npath /page\n}}\n}}"
        );
        service(port, port, &check)
    });
    let redirected = REDIRECTED.map(|(port, path, most)| {
        let url = format!("url {{\npath {path}\nfollow_redirects {most}\ncontains welcome\n}}");
        service(port, 80, &format!("HTTP_GET {{\n{common}\n{url}\n}}"))
    });
    [Vrrp::default().text(), over_tls.concat(), redirected.concat()].concat()
}

/// The services that have their server.
fn up(node: &Node) -> Vec<u16> {
    let table = node.ipvs();
    let all = OVER_TLS.into_iter().chain(REDIRECTED.map(|(port, _, _)| port));
    all.filter(|port| !table.serving(&format!("TCP {VIP}:{port}")).is_empty()).collect()
}

fn run(lab: &Lab) {
    let (node, server) = (&lab.lvs01, &lab.rs1);
    let authority = make("Authority of the lab", -9000, 9000, None);
    let other = make("Another authority", -9000, 9000, None);
    let www = "www.example.com";
    for port in [GOOD, OLD] {
        make(www, -2, 90, Some(&authority)).shown(server, port);
    }
    make(www, -9, -1, Some(&authority)).shown(server, ENDED);
    make("other.example", -2, 90, Some(&authority)).shown(server, OTHER_NAME);
    make(www, -2, 90, Some(&other)).shown(server, UNKNOWN);
    make(www, -2, 5, Some(&authority)).shown(server, ENDS_SOON);
    server.file("/tmp/www/page", "welcome\n");
    server.write("/tmp/nginx.conf", nginx());
    let nginx = server.spawn("nginx", "nginx -c /tmp/nginx.conf -e /dev/stderr");
    eventually("the servers listen", seconds(10), || server.listens(80) && server.listens(ENDS_SOON));
    node.write(AUTHORITIES, authority.pem());
    let file = || configuration(AUTHORITIES);
    let daemon = lab.director(node, Program::Directord, &file());
    let become_ = |what: &str, expected: &[u16]| {
        say(what);
        assert!(
            poll(seconds(20), || up(node) == expected).is_some(),
            "{what}: {:?}, not {expected:?}",
            up(node)
        );
    };
    let told = |line: &str| eventually(line, seconds(10), || daemon.log_has(line));
    let renewed = |port: u16, made: Made| {
        made.shown(server, port);
        nginx.signal(Signal::SIGHUP);
    };
    become_("those pass that count", &[GOOD, ENDS_SOON, CHAIN, SECURE, ELSEWHERE]);
    for line in [
        "SSL_GET on service [192.168.100.8]:tcp:8444 failed: the certificate has expired: it ended at 20",
        "8445 failed: the certificate is for other names: expected www.example.com, found other.example",
        "8446 failed: the issuer of the certificate is unknown: `CN=Another authority`",
        "8447 failed: TLS handshake failed: expected TLS 1.3 or newer, and the server speaks other versions",
        "8448: the certificate of `CN=www.example.com` ends at 20",
        "Z, in 4 days",
        "HTTP_GET on service [192.168.100.8]:tcp:80 failed: redirected more than 2 times, the last time to `http://www.example.com/page`",
        "failed: redirected in a circle, to `http://www.example.com/circle` again",
    ] {
        told(line);
    }
    throughout("a certificate that ends soon is told once", seconds(3), || times(&daemon, "ends at 20") == 1);
    say("the other real server was never asked, whatever the Location says");
    assert!(server.read("/tmp/access.log").contains("GET /elsewhere HTTP/1.0\" 302"));
    renewed(ENDED, make(www, -1, 90, Some(&authority)));
    renewed(OTHER_NAME, make(www, -1, 90, Some(&authority)));
    let most = [GOOD, ENDED, OTHER_NAME, ENDS_SOON, CHAIN, SECURE, ELSEWHERE];
    become_("renewed ones count", &most);
    renewed(GOOD, make(www, -9, -1, Some(&authority)));
    let without_good = [ENDED, OTHER_NAME, ENDS_SOON, CHAIN, SECURE, ELSEWHERE];
    become_("one that ends while it runs; behind a redirect of HTTP_GET nobody looks", &without_good);
    renewed(GOOD, make(www, -1, 90, Some(&authority)));
    become_("and is renewed", &most);
    node.write(AUTHORITIES, other.pem());
    throughout("what the file says counts from a reload on", seconds(3), || up(node) == most);
    lab.reload(node, &daemon, file());
    become_("other authorities", &[UNKNOWN, CHAIN, SECURE, ELSEWHERE]);
    node.write(AUTHORITIES, [other.pem(), authority.pem()].concat());
    lab.reload(node, &daemon, file());
    let all = [GOOD, ENDED, OTHER_NAME, UNKNOWN, ENDS_SOON, CHAIN, SECURE, ELSEWHERE];
    become_("both", &all);
    for (script, why) in [
        ("rm FILE", "cannot be read: no such file or directory"),
        ("echo > FILE", "the file is empty"),
        ("echo hello > FILE", "it holds no certificate in PEM"),
        ("rm FILE; mkfifo FILE", "it is no file"),
        ("rm FILE; ln -s /dev/zero FILE", "it is no file"),
    ] {
        let before = times(&daemon, "Reload refused");
        node.sh(&script.replace("FILE", AUTHORITIES));
        lab.reload(node, &daemon, file());
        told(why);
        eventually("the reload is refused", seconds(10), || times(&daemon, "Reload refused") > before);
        assert_eq!(up(node), all, "{script}");
    }
    node.sh(&format!("rm {AUTHORITIES}"));
    node.write(AUTHORITIES, [other.pem(), authority.pem()].concat());
    lab.reload(node, &daemon, file());
    become_("the file is back", &all);
    // Every node has the clock of the machine.
    node.sh("date -s '+3650 days' >/dev/null");
    become_("a clock that is ten years ahead", &[CHAIN, SECURE, ELSEWHERE]);
    node.sh("date -s '-3650 days' >/dev/null");
    become_("and is right again", &all);
    node.sh("date -s '-3650 days' >/dev/null");
    become_("a clock that is ten years behind", &[CHAIN, SECURE, ELSEWHERE]);
    told("failed: the certificate is not yet valid: it begins at 20");
    node.sh("date -s '+3650 days' >/dev/null");
    become_("and is right once more", &all);
    daemon.stop();
}

fn times(daemon: &Daemon, words: &str) -> usize {
    daemon.log().matches(words).count()
}
