use std::fmt;
use std::time::Duration;

/// Alert mails.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// `notification_email_from`; `None`: `keepalived@` and the name of the host.
    pub from: Option<Mailbox>,
    /// `notification_email`.
    pub to: Vec<Mailbox>,
    /// `smtp_server`: name or address, and port.
    pub server: Option<(String, u16)>,
    /// `smtp_helo_name`; `None`: the name of the host.
    pub helo: Option<String>,
    /// `smtp_connect_timeout`; 30 s when absent.
    pub timeout: Option<Duration>,
    /// `smtp_tls`; `None`: [`Self::encryption`] knows.
    pub tls: Option<MailTls>,
    /// `smtp_login`.
    pub login: Option<MailLogin>,
    /// `smtp_alert`.
    pub alert: Option<bool>,
    /// `smtp_alert_vrrp`.
    pub alert_vrrp: Option<bool>,
    /// `smtp_alert_checker`.
    pub alert_checker: Option<bool>,
    /// `no_email_faults`.
    pub no_faults: bool,
    /// `no_checker_emails`.
    pub no_checkers: bool,
}

impl Mail {
    /// Port of an `smtp_server` that names none.
    pub const PORT: u16 = 25;
    /// `smtp_connect_timeout` when there is none.
    pub const TIMEOUT: Duration = Duration::from_secs(30);

    /// How the way to the server is encrypted: a password needs it, unless `smtp_tls` says otherwise.
    #[must_use]
    pub fn encryption(&self) -> MailTls {
        let unsaid = if self.login.is_some() { MailTls::Required } else { MailTls::Off };
        self.tls.unwrap_or(unsaid)
    }
}

/// `smtp_tls`: encryption of the way to the mail server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MailTls {
    /// None, as in keepalived.
    #[default]
    Off,
    /// STARTTLS when the server offers it; any certificate will do.
    Opportunistic,
    /// STARTTLS with a certificate that is valid for the server, or no mail.
    Required,
    /// TLS from the first byte on (port 465), with such a certificate.
    Wrapped,
}

impl MailTls {
    /// All of them, with their words.
    pub const ALL: [(&'static str, Self); 4] = [
        ("off", Self::Off),
        ("opportunistic", Self::Opportunistic),
        ("required", Self::Required),
        ("wrapped", Self::Wrapped),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::ALL.iter().find(|(_, one)| *one == self).map_or("off", |(word, _)| word)
    }
}

/// `smtp_login`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailLogin {
    /// As whom.
    pub user: String,
    /// The file whose first line is the password.
    pub file: String,
}

/// A sender or recipient: `user@host`, `user`, or either with a name in front: `LVS <user@host>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mailbox {
    name: String,
    address: String,
}

impl Mailbox {
    /// The longest address that servers must take (RFC 5321 §4.5.3.1.3, without the brackets).
    const LONGEST: usize = 254;

    /// Reads one. `Err`: what is wrong, as the end of a sentence.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (name.trim().trim_matches('"').trim(), address),
            None => ("", text),
        };
        if name.chars().any(char::is_control) {
            return Err("it has a control character");
        }
        well_formed(address)?;
        Ok(Self { name: name.to_owned(), address: address.to_owned() })
    }

    /// The name in front; mostly empty.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address, as the server gets it.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(&self.address),
            name => write!(f, "{name} <{}>", self.address),
        }
    }
}

/// What a server could not make an address of, or what would end its command.
fn well_formed(address: &str) -> Result<(), &'static str> {
    let (local, domain) = match address.rsplit_once('@') {
        Some((local, domain)) => (local, Some(domain)),
        None => (address, None),
    };
    if address.is_empty() {
        return Err("it is empty");
    }
    if address.len() > Mailbox::LONGEST {
        return Err("it is longer than 254 bytes");
    }
    if !address.is_ascii() {
        return Err("it has letters that are not ASCII");
    }
    if address.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err("it has a blank or a control character");
    }
    if local.contains('@') {
        return Err("it has more than one @");
    }
    if local.is_empty() {
        return Err("nothing stands before the @");
    }
    if local.contains(|c: char| "<>()[],;:\\\"".contains(c)) {
        return Err("it has a sign that no address has before the @");
    }
    let dots = |text: &str| text.split('.').any(str::is_empty);
    if dots(local) {
        return Err("it has a dot too many before the @");
    }
    let Some(domain) = domain else { return Ok(()) };
    let literal = domain.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(literal) = literal {
        let address = literal.strip_prefix("IPv6:").unwrap_or(literal);
        return address
            .parse::<std::net::IpAddr>()
            .map(drop)
            .map_err(|_| "no address stands in its brackets");
    }
    if domain.is_empty() {
        return Err("nothing stands behind the @");
    }
    if domain.contains(|c: char| !c.is_ascii_alphanumeric() && !".-_".contains(c)) {
        return Err("it has a sign that no host name has behind the @");
    }
    if dots(domain.strip_suffix('.').unwrap_or(domain)) {
        return Err("it has a dot too many behind the @");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_told_from_what_is_none() {
        let good = [
            "root",
            "root@localhost",
            "a.b+c=d@x-y.example.com",
            "LVS <lvs@firewall.loc>",
            "<lvs@firewall.loc>",
            "admin@[192.0.2.1]",
            "admin@[IPv6:2001:db8::1]",
            "o'neil@example.com.",
        ];
        for text in good {
            let one = Mailbox::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(Mailbox::parse(&one.to_string()), Ok(one.clone()));
        }
        let named = Mailbox::parse("\"LVS of Ulm\" <lvs@x>").unwrap();
        assert_eq!((named.name(), named.address()), ("LVS of Ulm", "lvs@x"));
        let bad = [
            "",
            "@",
            "a@",
            "@b",
            "a@b@c",
            "a b@c",
            "a@b c",
            "a@b..c",
            ".a@b",
            "a,b@c",
            "a;b",
            "a@b,c@d",
            "a@[b]",
            "ä@b",
            "a@bü",
            "a>@b",
            "<>",
            "x <>",
            "a@b\r\nRCPT TO:<c@d>",
            "a@b>\r\nDATA <x",
            "a\0@b",
        ];
        for text in bad {
            assert!(Mailbox::parse(text).is_err(), "{text:?}");
        }
        assert!(Mailbox::parse(&"a".repeat(255)).is_err());
    }
}
