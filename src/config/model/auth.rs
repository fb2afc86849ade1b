/// How the adverts of an instance are authenticated.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    None,
    /// `auth_type PASS`: up to 8 bytes, padded with zeros (RFC 2338 §5.3.10); version 2 only.
    Pass([u8; 8]),
    /// `auth_type AH`: a password of up to 8 bytes, padded with zeros; version 2 over IPv4 only.
    Ah([u8; 8]),
    /// `auth_hmac`.
    Hmac(Hmac),
}

impl std::fmt::Debug for Authentication {
    /// Never shows the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Pass(_) => write!(f, "Pass({HIDDEN})"),
            Self::Ah(_) => write!(f, "Ah({HIDDEN})"),
            Self::Hmac(hmac) => f.debug_tuple("Hmac").field(hmac).finish(),
        }
    }
}

/// What stands in the place of a password or a key. It can be none: it is longer than any password of VRRP, shorter than
/// any key, and a passphrase that reads so says of itself that it is not the passphrase.
pub const HIDDEN: &str = "<hidden-by-directord>";

/// Bytes that are never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// `auth_hmac`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hmac {
    /// `key`: numbers 1..=255.
    pub keys: Vec<(u8, HmacKey)>,
    /// `active_key`.
    pub active: u8,
    /// `time_window`, in seconds; `None`: three advert intervals, at least 5 s.
    pub window: Option<u16>,
    /// `anti_replay monotonic`.
    pub monotonic: bool,
    /// `mode`.
    pub mode: HmacMode,
}

/// Where a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HmacKey {
    /// `file:PATH`, read when it is needed.
    File(String),
    /// 32 to 64 bytes.
    Given(Secret),
}

/// `mode` of `auth_hmac`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum HmacMode {
    /// Unsigned adverts are dropped.
    #[default]
    Enforce,
    /// They are accepted.
    Permissive,
    /// They are accepted, and ours carry no signature.
    ReceiveOnly,
}
