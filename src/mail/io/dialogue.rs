//! One try to send one letter: the dialogue of SMTP (RFC 5321), by lettre.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Starttls};
use lettre::transport::smtp::extension::{ClientId, Extension};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use crate::config::model::{MailLogin, MailTls, Mailbox};
use crate::mail::{Letter, Outcome};
use crate::report::plain;

use super::message::message;
use super::stream::Bounded;
use super::tls;

/// Addresses of a server that are tried.
const ADDRESSES: usize = 4;
/// A whole try, whatever `smtp_connect_timeout` says.
const WHOLE: Duration = Duration::from_secs(300);
/// The mail is sent; a server that does not say farewell is not waited for.
const FAREWELL: Duration = Duration::from_secs(1);
/// Of what a server says, so much goes into the log, in characters.
const QUOTED: usize = 160;

/// What a server says to EHLO that knows HELO only (RFC 5321 §3.2, §4.1.1.1).
const UNKNOWN: &[u16] = &[500, 501, 502, 504, 550];

/// What a dialogue begins with.
#[derive(Debug, Clone, Copy)]
enum Hello {
    Ehlo,
    /// Said over a new connection: lettre has ended the one in which EHLO was refused.
    Helo,
}

/// Where mails go, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) helo: String,
    pub(super) from: Mailbox,
    pub(super) to: Vec<Mailbox>,
    /// For the connection, and for each answer.
    pub(super) timeout: Duration,
    pub(super) tls: MailTls,
    pub(super) login: Option<MailLogin>,
}

/// Tries once.
pub(super) async fn send(route: Route, letter: Letter) -> Outcome {
    match timeout(WHOLE, route.send(&letter)).await {
        Ok(Ok(refused)) => Outcome::Sent { refused },
        Ok(Err(why)) => Outcome::Failed(format!("{}: {why}", route.name())),
        Err(_) => Outcome::Failed(format!("{}: not done within {} s", route.name(), WHOLE.as_secs())),
    }
}

/// A connection in the clear, and a second hold of its socket: after STARTTLS, TLS goes on with it.
struct Clear {
    connection: AsyncSmtpConnection,
    socket: std::net::TcpStream,
    peer: SocketAddr,
}

/// Why there is no connection.
enum Unmet {
    /// The server does not take EHLO: what it says.
    Ehlo(String),
    Other(String),
}

impl From<String> for Unmet {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

impl From<Unmet> for String {
    fn from(unmet: Unmet) -> Self {
        match unmet {
            Unmet::Ehlo(why) | Unmet::Other(why) => why,
        }
    }
}

impl Route {
    /// `mail.example:25`.
    fn name(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    async fn send(&self, letter: &Letter) -> Result<Vec<(String, String)>, String> {
        let (mut connection, encrypted) = self.connect().await?;
        if let Some(login) = &self.login {
            if !encrypted && self.tls != MailTls::Off {
                return Err("the password is not sent, as the connection is not encrypted".to_owned());
            }
            self.log_in(&mut connection, login).await?;
        }
        let sender = format!("MAIL FROM:<{}>\r\n", self.from.address());
        self.within("the answer to MAIL", connection.command(sender)).await?.map_err(|error| said(&error))?;
        let mut refused = Vec::new();
        for recipient in &self.to {
            let command = format!("RCPT TO:<{}>\r\n", recipient.address());
            match self.within("the answer to RCPT", connection.command(command)).await? {
                Ok(_) => {}
                Err(error) if error.status().is_some() => {
                    refused.push((recipient.address().to_owned(), said(&error)));
                }
                Err(error) => return Err(said(&error)),
            }
        }
        if refused.len() == self.to.len() {
            let why = refused.first().map_or("there is none", |(_, why)| why.as_str());
            return Err(format!("it takes no mail for any of the recipients: {why}"));
        }
        self.within("the answer to DATA", connection.command(Data)).await?.map_err(|error| said(&error))?;
        let bytes = message(letter, &self.from, &self.to, SystemTime::now());
        let sent = self.within("the answer to the message", connection.message(&bytes)).await?;
        sent.map_err(|error| said(&error))?;
        let _ = timeout(FAREWELL, connection.quit()).await;
        Ok(refused)
    }

    /// Connected and greeted; whether encrypted.
    async fn connect(&self) -> Result<(AsyncSmtpConnection, bool), String> {
        if self.tls == MailTls::Wrapped {
            return Ok((self.wrapped().await?, true));
        }
        let mut clear = self.greet().await?;
        let offered = clear.connection.server_info().supports_feature(Extension::StartTls);
        match (self.tls, offered) {
            (MailTls::Required, false) => {
                return Err(
                    "it offers no STARTTLS, which `smtp_tls required` wants; no mail is sent".to_owned()
                );
            }
            (MailTls::Off | MailTls::Wrapped, _) | (_, false) => return Ok((clear.connection, false)),
            (MailTls::Opportunistic | MailTls::Required, true) => {}
        }
        match self.start_tls(clear).await {
            Ok(connection) => return Ok((connection, true)),
            Err(why) if self.tls == MailTls::Required => return Err(why),
            // A mail in the clear is better than none: that is what the word says.
            Err(_) => clear = self.greet().await?,
        }
        Ok((clear.connection, false))
    }

    async fn wrapped(&self) -> Result<AsyncSmtpConnection, String> {
        let (stream, peer) = self.reach().await?;
        match self.encrypt(stream, peer, false, Hello::Ehlo).await {
            Err(Unmet::Ehlo(_)) => {
                let (stream, peer) = self.reach().await?;
                Ok(self.encrypt(stream, peer, false, Hello::Helo).await?)
            }
            outcome => Ok(outcome?),
        }
    }

    async fn greet(&self) -> Result<Clear, String> {
        match self.greet_with(Hello::Ehlo).await {
            Err(Unmet::Ehlo(_)) => Ok(self.greet_with(Hello::Helo).await?),
            outcome => Ok(outcome?),
        }
    }

    async fn greet_with(&self, hello: Hello) -> Result<Clear, Unmet> {
        let (stream, peer) = self.reach().await?;
        let local = |error: std::io::Error| format!("no socket: {}", plain(&error));
        let socket = stream.into_std().map_err(local)?;
        let stream = TcpStream::from_std(socket.try_clone().map_err(local)?).map_err(local)?;
        let connection = self.meet(Bounded::plain(stream, peer), hello).await?;
        Ok(Clear { connection, socket, peer })
    }

    /// Hears the greeting, and says hello.
    async fn meet<S>(&self, stream: Bounded<S>, hello: Hello) -> Result<AsyncSmtpConnection, Unmet>
    where
        S: AsyncRead + AsyncWrite + Send + Sync + Unpin + 'static,
    {
        let stream = match hello {
            Hello::Ehlo => stream,
            Hello::Helo => stream.with_helo(),
        };
        let name = ClientId::Domain(self.helo.clone());
        let connection = AsyncSmtpConnection::connect_with_transport(Box::new(stream), &name);
        self.within("the greeting", connection).await?.map_err(|error| match error.status().map(u16::from) {
            Some(code) if UNKNOWN.contains(&code) => Unmet::Ehlo(said(&error)),
            _ => Unmet::Other(said(&error)),
        })
    }

    async fn start_tls(&self, clear: Clear) -> Result<AsyncSmtpConnection, String> {
        let Clear { mut connection, socket, peer } = clear;
        let answer = self.within("the answer to STARTTLS", connection.command(Starttls)).await?;
        answer.map_err(|error| said(&error))?;
        // Only this hold of the socket goes; nothing more is said or heard in the clear.
        drop(connection);
        let stream = TcpStream::from_std(socket).map_err(|error| format!("no socket: {}", plain(&error)))?;
        Ok(self.encrypt(stream, peer, true, Hello::Ehlo).await?)
    }

    async fn encrypt(
        &self,
        stream: TcpStream,
        peer: SocketAddr,
        greeted: bool,
        hello: Hello,
    ) -> Result<AsyncSmtpConnection, Unmet> {
        let verified = self.tls != MailTls::Opportunistic;
        let stream = self.within("TLS", tls::handshake(stream, &self.host, verified)).await??;
        self.meet(Bounded::encrypted(stream, peer, greeted), hello).await
    }

    /// Looks the name up, and connects to the first address that answers.
    async fn reach(&self) -> Result<(TcpStream, SocketAddr), String> {
        let addresses = self.within("its address", lookup_host((self.host.as_str(), self.port))).await?;
        let addresses = addresses.map_err(|error| format!("it has no address: {}", plain(&error)))?;
        let mut last = "it has no address".to_owned();
        for address in addresses.take(ADDRESSES) {
            match self.within("a connection", TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok((stream, address)),
                Ok(Err(error)) => last = plain(&error),
                Err(why) => last = why,
            }
        }
        Err(last)
    }

    async fn log_in(&self, connection: &mut AsyncSmtpConnection, login: &MailLogin) -> Result<(), String> {
        let (user, file) = (login.user.clone(), login.file.clone());
        let read = tokio::task::spawn_blocking({
            let file = file.clone();
            move || std::fs::read_to_string(file)
        });
        let read = self.within("the file of the password", read).await?;
        let text = read.map_err(|error| error.to_string())?;
        let text =
            text.map_err(|error| format!("cannot read the password from {file}: {}", plain(&error)))?;
        let password = text.lines().next().unwrap_or("").trim_end_matches('\r');
        if password.is_empty() {
            return Err(format!("the first line of {file} has no password"));
        }
        let credentials = Credentials::new(user.clone(), password.to_owned());
        let answer = connection.auth(&[Mechanism::Plain, Mechanism::Login], &credentials);
        match self.within("the answer to AUTH", answer).await? {
            Ok(_) => Ok(()),
            // What a server says here may hold what it was told.
            Err(error) => Err(match error.status() {
                Some(code) => format!("it refuses the login of {user} with {code}"),
                None if error.is_client() => {
                    "it offers no login with a password (AUTH PLAIN or LOGIN)".to_owned()
                }
                None => format!("the login of {user} broke off"),
            }),
        }
    }

    /// Within `smtp_connect_timeout`.
    async fn within<T>(&self, what: &str, future: impl Future<Output = T>) -> Result<T, String> {
        let late = |_| format!("no end of waiting for {what} within {} s", self.timeout.as_secs());
        timeout(self.timeout, future).await.map_err(late)
    }
}

/// Why it ended, in one line of bounded length.
fn said(error: &Error) -> String {
    let text = match (error.status(), std::error::Error::source(error)) {
        (Some(code), Some(words)) => format!("it says {code} {words}"),
        (Some(code), None) => format!("it says {code}"),
        (None, Some(words)) => words.to_string(),
        (None, None) => error.to_string(),
    };
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let line: String = words.join(" ").chars().take(QUOTED).collect();
    line.trim_end().to_owned()
}
