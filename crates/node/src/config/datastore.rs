//! The datastore's address and credentials.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::{ByteSize, HostPort};

const REDIS_PORT: u16 = 6379;
pub(super) const URL_FORMS: &str =
    "\"memory\", \"redis://[user[:password]@]host[:port]\" or \"redis+unix:///path/to.sock\"";

/// What a node keeps its data in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Datastore {
    /// The store inside the process. Its data lives as long as the node.
    Memory {
        /// Over this size the least used keys are evicted; `None` means no limit.
        max_memory: Option<ByteSize>,
    },
    /// A Redis or Valkey server.
    Redis {
        /// Where it listens.
        address: RedisAddress,
        /// How to log in; `None` when it asks for nothing.
        credentials: Option<Credentials>,
    },
}

impl Default for Datastore {
    fn default() -> Self {
        Self::Memory { max_memory: None }
    }
}

/// Where a Redis server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedisAddress {
    /// A TCP port.
    Tcp(HostPort),
    /// A unix socket.
    Unix(PathBuf),
}

/// How to log in to a Redis server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The ACL user; `None` means Redis's default user.
    pub username: Option<String>,
    /// The password.
    pub password: Password,
}

/// Where the password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Password {
    /// In the configuration itself.
    Inline(Secret),
    /// In a file of its own, without the final line break. It is read when the node starts.
    File(PathBuf),
}

impl Password {
    /// The password, read from its file if that is where it is.
    ///
    /// # Errors
    /// When the file cannot be read, is no UTF-8, or is empty.
    pub fn reveal(&self) -> std::io::Result<Secret> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path)?;
                let line = text.strip_suffix('\n').unwrap_or(&text);
                let line = line.strip_suffix('\r').unwrap_or(line);
                if line.is_empty() {
                    return Err(std::io::Error::new(
                        std::io::ErrorKind::InvalidData,
                        "the password file is empty",
                    ));
                }
                Ok(Secret::new(line))
            }
        }
    }
}

/// Text that is never printed by accident: `Debug` gives `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Datastore {
    /// The value of `datastore.url`, with `***` in place of an inline password.
    pub fn url(&self) -> String {
        let Self::Redis { address, credentials } = self else {
            return "memory".to_owned();
        };
        let login = match credentials {
            Some(Credentials { username, password: Password::Inline(_) }) => {
                format!("{}:***@", encode(username.as_deref().unwrap_or_default()))
            }
            _ => String::new(),
        };
        match address {
            RedisAddress::Tcp(address) => format!("redis://{login}{address}"),
            RedisAddress::Unix(path) => format!("redis+unix://{login}{}", path.display()),
        }
    }
}

/// What a datastore URL says, before the other keys of its section are looked at.
#[derive(Debug, Clone)]
pub(super) enum DatastoreUrl {
    Memory,
    Redis { address: RedisAddress, username: Option<String>, password: Option<Secret> },
}

impl FromStr for DatastoreUrl {
    type Err = String;

    /// The text may hold a password, so no error repeats it.
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(rest) = text.strip_prefix("memory:") {
            let hint = if rest.contains('@') { "; it has no user and no password" } else { "" };
            return Err(format!("the memory store is written \"memory\"{hint}"));
        }
        if let Some(rest) = text.strip_prefix("redis+unix://").or_else(|| text.strip_prefix("unix://")) {
            let (username, password, path) = split_login(rest)?;
            if !path.starts_with('/') || path.ends_with('/') {
                return Err(format!("the path of a unix socket is absolute: allowed are {URL_FORMS}"));
            }
            return Ok(Self::Redis { address: RedisAddress::Unix(path.into()), username, password });
        }
        if let Some(rest) = text.strip_prefix("redis://") {
            let (username, password, host) = split_login(rest)?;
            let address = redis_tcp_address(host)?;
            return Ok(Self::Redis { address: RedisAddress::Tcp(address), username, password });
        }
        if text.starts_with("rediss://") {
            return Err("TLS to the datastore is not supported; use redis:// or redis+unix://".to_owned());
        }
        Err(format!("unknown kind of datastore: allowed are {URL_FORMS}"))
    }
}

/// Splits `user:password@rest`, decoding the first two. They end at the last `@` before the first `/`.
fn split_login(text: &str) -> Result<(Option<String>, Option<Secret>, &str), String> {
    let authority = &text[..text.find('/').unwrap_or(text.len())];
    let Some(end) = authority.rfind('@') else {
        if text.contains('@') && !text.starts_with('/') {
            return Err("a `/` in the user or password is written %2F".to_owned());
        }
        return Ok((None, None, text));
    };
    let (login, rest) = (&text[..end], &text[end + 1..]);
    let (username, password) = match login.split_once(':') {
        Some((_, "")) => return Err("the password in the URL is empty".to_owned()),
        Some((username, password)) => (username, Some(Secret::new(decode(password)?))),
        None => (login, None),
    };
    let username = decode(username)?;
    Ok(((!username.is_empty()).then_some(username), password, rest))
}

fn redis_tcp_address(text: &str) -> Result<HostPort, String> {
    let host = text.strip_suffix('/').unwrap_or(text);
    if let Some((_, database)) = host.split_once('/') {
        return Err(match database {
            "0" => "leave the database out: it is always 0".to_owned(),
            _ => "a node uses database 0 of its datastore; leave the path out".to_owned(),
        });
    }
    let address = HostPort::parse_or(host, REDIS_PORT)
        .map_err(|_| format!("no valid host and port: allowed are {URL_FORMS}"))?;
    if address.port() == 0 {
        return Err("port 0 is not a port that a datastore listens on".to_owned());
    }
    Ok(address)
}

/// Decodes `%41` sequences (RFC 3986 §2.1).
fn decode(text: &str) -> Result<String, String> {
    let refused =
        || "the user or password in the URL has a `%` that does not begin a %XX sequence of UTF-8".to_owned();
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = tail;
            continue;
        }
        let (digits, tail) = tail.split_at_checked(2).ok_or_else(refused)?;
        let high = char::from(digits[0]).to_digit(16).ok_or_else(refused)?;
        let low = char::from(digits[1]).to_digit(16).ok_or_else(refused)?;
        bytes.push((high * 16 + low) as u8);
        rest = tail;
    }
    String::from_utf8(bytes).map_err(|_| refused())
}

/// The inverse of [`decode`], for whatever is not a letter, digit or one of `-._~`.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
