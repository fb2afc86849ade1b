//! Mail alerts against mail servers of the test's own on the loopback: good ones, odd ones, hostile ones.

// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use directord::config::source::Texts;
use directord::config::supported::runnable;
use directord::config::{Options, load};
use directord::mail::Outcome;
use directord::mail::alert::Occasion;
use directord::mail::io::{Mails, Setup};
use directord::notify::State;
use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{SslAcceptor, SslMethod};
use openssl::x509::extension::{BasicConstraints, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};

/// What a server does instead of an answer to a command, or to the connection ("").
#[derive(Debug, Clone, PartialEq)]
enum Instead {
    /// Says this.
    Says(String),
    /// Closes the connection.
    Closes,
    /// Says nothing.
    IsSilent,
    /// One line without end.
    EndlessLine,
    /// An answer of lines without end.
    EndlessLines,
}

#[derive(Clone, Default)]
struct Manners {
    /// To a line that starts so.
    instead: Vec<(String, Instead)>,
    /// Extensions that it offers.
    offers: Vec<&'static str>,
    /// Its certificate, and whether TLS begins with the connection.
    tls: Option<(Arc<SslAcceptor>, bool)>,
    /// Said with the 220 of STARTTLS, in one packet.
    behind_starttls: &'static str,
}

/// A mail server.
struct Server {
    port: u16,
    manners: Arc<Mutex<Manners>>,
    heard: Arc<Mutex<Vec<String>>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

impl Server {
    fn start(manners: Manners) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let (manners, heard) = (Arc::new(Mutex::new(manners)), Arc::new(Mutex::new(Vec::new())));
        let server = Self { port, manners: Arc::clone(&manners), heard: Arc::clone(&heard) };
        thread::spawn(move || {
            for stream in listener.incoming() {
                let manners = manners.lock().unwrap().clone();
                let heard = Arc::clone(&heard);
                // A client that goes away in the middle is its right.
                thread::spawn(move || drop(serve(stream.unwrap(), &manners, &heard)));
            }
        });
        server
    }

    /// One that does this instead of answering that.
    fn odd(command: &str, instead: Instead) -> Self {
        Self::start(Manners { instead: vec![(command.to_owned(), instead)], ..Manners::default() })
    }

    /// All lines that it heard so far.
    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    fn heard_text(&self) -> String {
        self.heard().join("\n")
    }

    fn becomes(&self, manners: Manners) {
        *self.manners.lock().unwrap() = manners;
    }
}

fn serve(stream: TcpStream, manners: &Manners, heard: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let broken = |_| std::io::Error::other("no TLS");
    match &manners.tls {
        Some((acceptor, true)) => {
            let mut stream =
                BufReader::new(acceptor.accept(stream).map_err(|_| std::io::Error::other("no TLS"))?);
            talk(&mut stream, manners, heard, true).map(drop)
        }
        tls => {
            let mut reader = BufReader::new(stream);
            if !talk(&mut reader, manners, heard, true)? {
                return Ok(());
            }
            let Some((acceptor, _)) = tls else { return Ok(()) };
            let stream = reader.into_inner();
            let mut stream = BufReader::new(acceptor.accept(stream).map_err(|_| ()).map_err(broken)?);
            heard.lock().unwrap().push("(encrypted)".to_owned());
            talk(&mut stream, manners, heard, false).map(drop)
        }
    }
}

/// `true`: TLS is to start.
fn talk<S: Stream>(
    stream: &mut BufReader<S>,
    manners: &Manners,
    heard: &Mutex<Vec<String>>,
    greets: bool,
) -> std::io::Result<bool> {
    let mut line = String::new();
    let mut in_message = false;
    let mut first = greets;
    loop {
        if !first {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(false);
            }
            heard.lock().unwrap().push(line.trim_end().to_owned());
        }
        let command = line.trim_end().to_owned();
        if in_message && command != "." {
            continue;
        }
        let odd = manners.instead.iter().find(|(start, _)| match start.as_str() {
            "" => first,
            start => command.starts_with(start) && (start != "." || in_message),
        });
        in_message = false;
        first = false;
        let out = stream.get_mut();
        match odd.map(|(_, instead)| instead) {
            Some(Instead::Says(answer)) => {
                write!(out, "{answer}\r\n")?;
                continue;
            }
            Some(Instead::Closes) => return Ok(false),
            Some(Instead::IsSilent) => {
                thread::sleep(Duration::from_secs(20));
                return Ok(false);
            }
            Some(Instead::EndlessLine) => loop {
                out.write_all(&[b'2'; 8192])?;
            },
            Some(Instead::EndlessLines) => loop {
                out.write_all(b"250-more\r\n".repeat(800).as_slice())?;
            },
            None => {}
        }
        match command.split([' ', ':']).next().unwrap_or("") {
            "" => write!(out, "220 mail.test ESMTP\r\n")?,
            "EHLO" => {
                write!(out, "250-mail.test\r\n")?;
                for one in manners.offers.iter().filter(|one| greets || **one != "STARTTLS") {
                    write!(out, "250-{one}\r\n")?;
                }
                write!(out, "250 SIZE 1000000\r\n")?;
            }
            "HELO" => write!(out, "250 mail.test\r\n")?,
            "STARTTLS" => {
                write!(out, "220 go{}\r\n", manners.behind_starttls)?;
                return Ok(true);
            }
            "DATA" => {
                in_message = true;
                write!(out, "354 go on\r\n")?;
            }
            "AUTH" => write!(out, "235 welcome\r\n")?,
            "QUIT" => {
                write!(out, "221 bye\r\n")?;
                return Ok(false);
            }
            _ => write!(out, "250 fine\r\n")?,
        }
    }
}

/// What a configuration says to a server at this port.
fn setup(port: u16, globals: &str) -> Setup {
    let text = format!(
        "global_defs {{\nrouter_id lb1\nsmtp_server 127.0.0.1 {port}\nsmtp_connect_timeout 1\nsmtp_alert\n\
         smtp_helo_name lb1.example\nnotification_email_from lvs@a.example\n\
         notification_email {{\nfirst@b.example second@b.example\nthird\n}}\n{globals}\n}}\n\
         vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 1\nvirtual_ipaddress {{\n10.0.0.1\n}}\n}}\n"
    );
    let loaded = load(Path::new("t"), &Texts::one("t", &text), &Options::default());
    let model = loaded.model.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let runnable = runnable(&model);
    Setup::of(&model.globals, &runnable.instances, &runnable.groups, &runnable.virtual_servers)
}

fn entering(state: State) -> Occasion {
    Occasion::Instance { name: "VI_1".to_owned(), state }
}

/// How the next try fares.
async fn next(mails: &mut Mails) -> Outcome {
    loop {
        let due = mails.next();
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            outcome = mails.tried() => {
                mails.take_in(outcome.clone());
                return outcome;
            }
            () = timer => mails.tick(),
        }
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bounded = async { tokio::time::timeout(Duration::from_secs(60), future).await.unwrap() };
    runtime.block_on(bounded)
}

/// How one event is mailed to this server.
fn try_once(server: &Server, globals: &str) -> Outcome {
    run(async {
        let mut mails = Mails::default();
        mails.configure(setup(server.port, globals));
        mails.tell(entering(State::Master));
        next(&mut mails).await
    })
}

const FINE: Outcome = Outcome::Sent { refused: Vec::new() };

fn why(outcome: &Outcome) -> &str {
    let Outcome::Failed(why) = outcome else { panic!("{outcome:?}") };
    why
}

#[test]
fn the_dialogue_is_that_of_rfc_5321_and_the_mail_that_of_keepalived() {
    let server = Server::start(Manners::default());
    assert_eq!(try_once(&server, ""), FINE);
    let heard = server.heard();
    let commands = [
        "EHLO lb1.example",
        "MAIL FROM:<lvs@a.example>",
        "RCPT TO:<first@b.example>",
        "RCPT TO:<second@b.example>",
        "RCPT TO:<third>",
        "DATA",
    ];
    assert_eq!(heard[..6], commands);
    assert!(heard[6].starts_with("Date: ") && heard[6].ends_with(" +0000"), "{}", heard[6]);
    let headers = [
        "From: lvs@a.example",
        "Subject: [lb1] VRRP Instance VI_1 - Entering MASTER state",
        "X-Mailer: directord",
        "To: first@b.example, second@b.example, third",
    ];
    assert_eq!(heard[7..11], headers);
    let blank = heard.iter().position(String::is_empty).unwrap();
    assert_eq!(heard[blank + 1], "=> VRRP Instance is now owning VRRP VIPs <=");
    assert_eq!(heard[heard.len() - 2..], [".", "QUIT"]);
}

/// At each step of the dialogue, in each way.
#[test]
fn a_hostile_server_costs_a_bounded_time_and_gets_the_mail_when_it_is_good() {
    let oddities = [
        Instead::Closes,
        Instead::IsSilent,
        Instead::EndlessLine,
        Instead::EndlessLines,
        Instead::Says("421 come later".to_owned()),
        Instead::Says("554 5.7.1 never".to_owned()),
        Instead::Says("no number".to_owned()),
        Instead::Says("2".to_owned()),
        Instead::Says("\u{fffd}\0\u{1b}[31m".to_owned()),
    ];
    let steps = ["", "EHLO", "MAIL", "RCPT", "DATA", "."];
    let cases = steps.iter().flat_map(|step| oddities.iter().map(move |odd| (*step, odd.clone())));
    let play = |(step, odd): (&'static str, Instead)| {
        thread::spawn(move || {
            let server = Server::odd(step, odd.clone());
            run(async {
                let mut mails = Mails::default();
                mails.configure(setup(server.port, ""));
                mails.tell(entering(State::Master));
                let started = Instant::now();
                let outcome = next(&mut mails).await;
                let said = why(&outcome);
                assert!(
                    started.elapsed() < Duration::from_secs(15),
                    "{step} {odd:?}: {:?}",
                    started.elapsed()
                );
                assert!(said.starts_with("127.0.0.1:") && said.len() < 400, "{step} {odd:?}: {said}");
                assert!(!said.contains(|c: char| c.is_control()), "{step} {odd:?}: {said:?}");
                // A reload asks again at once, and what waited is not lost.
                server.becomes(Manners::default());
                mails.configure(setup(server.port, ""));
                assert_eq!(next(&mut mails).await, FINE, "{step} {odd:?}");
            });
            let subject = "Subject: [lb1] VRRP Instance VI_1 - Entering MASTER state";
            assert!(server.heard().iter().any(|line| line == subject), "{step} {odd:?}");
        })
    };
    let threads: Vec<_> = cases.map(play).collect();
    assert_eq!(threads.len(), 54);
    for thread in threads {
        thread.join().unwrap();
    }
}

#[test]
fn a_recipient_that_is_refused_keeps_the_mail_from_nobody_else() {
    let server = Server::odd("RCPT TO:<second", Instead::Says("550 5.1.1 no such user".to_owned()));
    let Outcome::Sent { refused } = try_once(&server, "") else { panic!() };
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].0, "second@b.example");
    assert!(refused[0].1.contains("550") && refused[0].1.contains("no such user"), "{refused:?}");
    assert!(server.heard_text().contains("RCPT TO:<third>\nDATA\n"));
    let server = Server::odd("RCPT", Instead::Says("550 relaying denied".to_owned()));
    let outcome = try_once(&server, "");
    assert!(why(&outcome).contains("any of the recipients: it says 550 relaying denied"), "{outcome:?}");
}

#[test]
fn who_does_not_take_ehlo_is_greeted_with_helo() {
    for answer in ["502 what", "500-5.5.1 unknown\r\n500 command", "550 no"] {
        let server = Server::odd("EHLO", Instead::Says(answer.to_owned()));
        assert_eq!(try_once(&server, ""), FINE, "{answer}");
        let text = server.heard_text();
        assert!(
            text.contains("EHLO lb1.example\nQUIT\nHELO lb1.example\nMAIL FROM:<lvs@a.example>\n"),
            "{text}"
        );
        assert!(text.contains("Entering MASTER state"), "{text}");
    }
    // Without EHLO nothing is offered: no encryption, no login.
    let server = Server::odd("EHLO", Instead::Says("502 what".to_owned()));
    let outcome = try_once(&server, "smtp_tls required");
    assert!(why(&outcome).contains("it offers no STARTTLS"), "{outcome:?}");
    // One that takes neither.
    let neither = ["EHLO", "HELO"].map(|word| (word.to_owned(), Instead::Says(format!("502 no {word}"))));
    let server = Server::start(Manners { instead: neither.into(), ..Manners::default() });
    assert!(why(&try_once(&server, "")).ends_with("it says 502 no HELO"));
    assert!(!server.heard_text().contains("MAIL FROM"));
}

#[test]
fn odd_lines_in_the_answer_to_ehlo_do_not_matter() {
    let blanks = "250-mail.test\r\n250-  \r\n250-\t\r\n250-\u{a0}\u{3000}\r\n250-\r \r\n250-\r\n250 ok";
    for answer in [blanks, "250  ", "250 \u{fc}bel"] {
        let server = Server::odd("EHLO", Instead::Says(answer.to_owned()));
        assert_eq!(try_once(&server, ""), FINE, "{answer:?}");
    }
}

/// The limit is not that of time.
#[test]
fn an_answer_without_end_ends_the_try_at_once() {
    for (step, odd) in
        [("", Instead::EndlessLines), ("EHLO", Instead::EndlessLines), ("", Instead::EndlessLine)]
    {
        let server = Server::odd(step, odd.clone());
        let outcome = try_once(&server, "smtp_connect_timeout 30");
        assert!(why(&outcome).contains("does not stop talking"), "{step} {odd:?}: {outcome:?}");
    }
}

#[test]
fn nobody_there_and_no_such_name() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = Server { port, manners: Arc::default(), heard: Arc::default() };
    assert!(why(&try_once(&nobody, "")).ends_with("connection refused"));
    let started = Instant::now();
    let outcome = try_once(&nobody, &format!("smtp_server mail.invalid {port}"));
    assert!(why(&outcome).starts_with("mail.invalid:"), "{outcome:?}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_burst_of_ten_thousand_is_one_mail() {
    let server = Server::start(Manners::default());
    run(async {
        let mut mails = Mails::default();
        mails.configure(setup(server.port, ""));
        for flap in 0..10_000 {
            mails.tell(entering(if flap % 2 == 0 { State::Master } else { State::Backup }));
        }
        assert_eq!(next(&mut mails).await, FINE);
        assert_eq!(mails.next(), None);
    });
    let text = server.heard_text();
    assert_eq!(text.matches("\nSubject: [lb1] 200 events: 1 VRRP instance\n").count(), 1);
    assert_eq!(text.matches("  VRRP Instance VI_1 - Entering").count(), 200);
    assert!(text.contains("\n9800 earlier events are not listed"));
}

#[test]
fn a_stop_sends_what_is_pending_and_takes_at_most_two_seconds() {
    let stop = |server: &Server| {
        run(async {
            let mut mails = Mails::default();
            mails.configure(setup(server.port, ""));
            mails.tell(entering(State::Stop));
            let started = Instant::now();
            mails.end().await;
            assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
        });
    };
    let server = Server::start(Manners::default());
    stop(&server);
    assert!(server.heard_text().contains("Subject: [lb1] VRRP Instance VI_1 - Stopping\n"));
    stop(&Server::odd("", Instead::IsSilent));
    stop(&Server::odd("MAIL", Instead::EndlessLines));
}

// ---- TLS and login ----

/// A certificate for 127.0.0.1 that vouches for itself, and its key.
fn certificate() -> (X509, PKey<Private>) {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
    let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "mail.test").unwrap();
    let name = name.build();
    let mut builder = X509::builder().unwrap();
    builder.set_version(2).unwrap();
    builder.set_serial_number(&BigNum::from_u32(1).unwrap().to_asn1_integer().unwrap()).unwrap();
    builder.set_subject_name(&name).unwrap();
    builder.set_issuer_name(&name).unwrap();
    builder.set_not_before(&Asn1Time::days_from_now(0).unwrap()).unwrap();
    builder.set_not_after(&Asn1Time::days_from_now(2).unwrap()).unwrap();
    builder.set_pubkey(&key).unwrap();
    builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
    let address = SubjectAlternativeName::new().ip("127.0.0.1").build(&builder.x509v3_context(None, None));
    builder.append_extension(address.unwrap()).unwrap();
    builder.sign(&key, MessageDigest::sha256()).unwrap();
    (builder.build(), key)
}

fn acceptor((certificate, key): &(X509, PKey<Private>)) -> Arc<SslAcceptor> {
    let mut acceptor = SslAcceptor::mozilla_intermediate(SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(certificate).unwrap();
    acceptor.set_private_key(key).unwrap();
    Arc::new(acceptor.build())
}

fn encrypting(pair: &(X509, PKey<Private>), wrapped: bool) -> Manners {
    let offers = if wrapped { vec!["AUTH PLAIN LOGIN"] } else { vec!["STARTTLS", "AUTH PLAIN LOGIN"] };
    Manners { offers, tls: Some((acceptor(pair), wrapped)), ..Manners::default() }
}

#[test]
fn starttls_is_used_when_it_is_asked_for_and_offered() {
    let pair = certificate();
    let server = Server::start(encrypting(&pair, false));
    assert_eq!(try_once(&server, ""), FINE);
    assert!(!server.heard_text().contains("STARTTLS"), "as keepalived: in the clear");
    let server = Server::start(encrypting(&pair, false));
    assert_eq!(try_once(&server, "smtp_tls opportunistic"), FINE);
    assert!(server.heard_text().contains("STARTTLS\n(encrypted)\nEHLO lb1.example\nMAIL FROM"));
    assert_eq!(try_once(&Server::start(Manners::default()), "smtp_tls opportunistic"), FINE);
    // One that offers it and cannot do it gets the mail in the clear.
    let broken = Manners { offers: vec!["STARTTLS"], ..Manners::default() };
    let server = Server::start(broken);
    assert_eq!(try_once(&server, "smtp_tls opportunistic"), FINE);
    assert!(server.heard_text().contains("Entering MASTER state"));
}

#[test]
fn what_requires_encryption_says_nothing_in_the_clear() {
    let pair = certificate();
    let nothing_said = |server: &Server| {
        let text = server.heard_text();
        assert!(!text.contains("MAIL FROM") && !text.contains("AUTH"), "{text}");
    };
    // Somebody on the way takes the offer out.
    let server = Server::start(Manners::default());
    let outcome = try_once(&server, "smtp_tls required");
    assert!(why(&outcome).contains("offers no STARTTLS"), "{outcome:?}");
    nothing_said(&server);
    // A certificate that nobody vouches for.
    for (wrapped, word) in [(false, "required"), (true, "wrapped")] {
        let server = Server::start(encrypting(&pair, wrapped));
        let outcome = try_once(&server, &format!("smtp_tls {word}"));
        assert!(why(&outcome).contains("its certificate is not valid for 127.0.0.1"), "{outcome:?}");
        nothing_said(&server);
    }
    // A password needs it without a word.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "hush\n").unwrap();
    let login = format!("smtp_login lvs {}", file.display());
    let plain = Manners { offers: vec!["AUTH PLAIN"], ..Manners::default() };
    for more in ["", "\nsmtp_tls opportunistic"] {
        let server = Server::start(plain.clone());
        why(&try_once(&server, &format!("{login}{more}")));
        nothing_said(&server);
    }
    let server = Server::start(plain);
    assert_eq!(try_once(&server, &format!("{login}\nsmtp_tls off")), FINE, "when it is said so");
    assert!(server.heard_text().contains("AUTH PLAIN AGx2cwBodXNo"));
}

/// Runs itself once more with an authority that vouches for the certificate: OpenSSL reads its name from the environment.
#[test]
fn a_valid_certificate_lets_password_and_mail_through() {
    if let Ok(folder) = std::env::var("MAIL_FOLDER") {
        return with_an_authority(&folder);
    }
    let folder = tempfile::tempdir().unwrap();
    let pair = certificate();
    let file = |name: &str, text: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let authority = file("ca.pem", &pair.0.to_pem().unwrap());
    file("key.pem", &pair.1.private_key_to_pem_pkcs8().unwrap());
    file("password", b"hush\nthe second line is not read\n");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_valid_certificate_lets_password_and_mail_through", "--nocapture"])
        .env("SSL_CERT_FILE", authority)
        .env("MAIL_FOLDER", folder.path())
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn with_an_authority(folder: &str) {
    let read = |name: &str| std::fs::read(Path::new(folder).join(name)).unwrap();
    let certificate = X509::from_pem(&read("ca.pem")).unwrap();
    let pair = (certificate, PKey::private_key_from_pem(&read("key.pem")).unwrap());
    let login = format!("smtp_login lvs {folder}/password");
    for (wrapped, word) in [(false, ""), (false, "smtp_tls required\n"), (true, "smtp_tls wrapped\n")] {
        let server = Server::start(encrypting(&pair, wrapped));
        assert_eq!(try_once(&server, &format!("{word}{login}")), FINE, "{word}");
        let text = server.heard_text();
        assert!(text.contains("\nAUTH PLAIN AGx2cwBodXNo\nMAIL FROM"), "{text}");
    }
    // Also to one that knows HELO only.
    let instead = vec![("EHLO".to_owned(), Instead::Says("502 what".to_owned()))];
    let server = Server::start(Manners { instead, ..encrypting(&pair, true) });
    assert_eq!(try_once(&server, "smtp_tls wrapped"), FINE);
    assert!(server.heard_text().contains("HELO lb1.example\nMAIL FROM"));
    // The name counts, too.
    let server = Server::start(encrypting(&pair, false));
    let outcome = try_once(&server, &format!("smtp_tls required\nsmtp_server localhost {}", server.port));
    assert!(why(&outcome).contains("not valid for localhost"), "{outcome:?}");
    // What a server says of a login does not come into the log: it may be the password.
    let mut manners = encrypting(&pair, false);
    manners.instead.push(("AUTH".to_owned(), Instead::Says("535 AGx2cwBodXNo hush is wrong".to_owned())));
    let server = Server::start(manners);
    let outcome = try_once(&server, &login);
    assert!(why(&outcome).ends_with("it refuses the login of lvs with 535"), "{outcome:?}");
    // What is said in the clear behind the answer to STARTTLS is not taken for said behind it.
    let mut manners = encrypting(&pair, false);
    manners.behind_starttls = "\r\n250-mail.test\r\n250 AUTH PLAIN";
    let server = Server::start(manners);
    why(&try_once(&server, &login));
    assert!(!server.heard_text().contains("AUTH PLAIN"), "{}", server.heard_text());
    // No file, no first line.
    let server = Server::start(encrypting(&pair, false));
    let outcome = try_once(&server, &format!("smtp_login lvs {folder}/none"));
    assert!(why(&outcome).contains("cannot read the password from"), "{outcome:?}");
}
