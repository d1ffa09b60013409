//! Where the server is and how to talk to it, also from a URL.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use dynomite_codec::ReplyLimits;
use thiserror::Error;

use crate::ReservedKeys;
use crate::address::{AddressFault, ServerAddress, scheme_of, unescape};

#[cfg(test)]
mod tests;

const DEFAULT_PORT: u16 = 6379;

/// Everything a [`RedisBackend`](crate::RedisBackend) needs to know. `Debug` shows no password.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisConfig {
    /// Where the server listens.
    pub address: ServerAddress,
    /// The ACL user; `None` is Redis's default user. Without a password it is not used.
    pub username: Option<String>,
    /// Sent with `AUTH` on every new connection.
    pub password: Option<String>,
    /// How long connecting may take, and then each answer until the lane is up. Default 1 s.
    pub connect_timeout: Duration,
    /// The longest wait before the second attempt to connect; it doubles with each. Default 50 ms.
    pub backoff_min: Duration,
    /// The longest wait between two attempts. Default 5 s.
    pub backoff_max: Duration,
    /// What the server may send as one reply; more breaks the connection.
    pub reply_limits: ReplyLimits,
    /// The node's own keys on the server. Without them no marker is read, and no state can be installed in pieces: for a
    /// caller that does not replicate. Default none.
    pub reserved: Option<ReservedKeys>,
}

/// A text is no URL of a Redis server. The operator's fault; the text of the error shows no credentials.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RedisUrlError {
    /// It begins with something else than the schemes that are known.
    #[error("expected redis://[user:password@]host[:port] or redis+unix:///path, and no {0:?}")]
    Scheme(String),
    /// `rediss://` asks for TLS.
    #[error("TLS to the datastore (rediss://) is not supported: put both on one host, or a tunnel between")]
    Tls,
    /// No host between the scheme and the port.
    #[error("the URL names no host")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error(
        "the port is no number from 1 to 65535; a special character in the password must be escaped, as %2F"
    )]
    Port,
    /// The unix socket's path is not absolute.
    #[error("the path of the unix socket must be absolute: redis+unix:///path")]
    Path,
    /// Something after the address.
    #[error("the URL goes on after the address; only database 0 is supported, and no parameters")]
    Rest,
    /// A `%` that is not followed by two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the URL holds a wrong %-escape")]
    Escape,
    /// A user name without a password.
    #[error("the URL names a user and no password: redis://user:password@host")]
    UserWithoutPassword,
}

impl RedisConfig {
    /// A server at `address` that wants no password, with default timeouts.
    pub fn new(address: ServerAddress) -> Self {
        Self {
            address,
            username: None,
            password: None,
            connect_timeout: Duration::from_secs(1),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            reply_limits: ReplyLimits::default(),
            reserved: None,
        }
    }

    /// Reads `redis://[[user]:password@]host[:port]`, `redis+unix://[[user]:password@]/path` or `unix:///path`.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn from_url(url: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = url.split_once("://").ok_or_else(|| RedisUrlError::Scheme(scheme_of(url)))?;
        // A password may hold an unescaped `@`, and a socket's path may too.
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (credentials, location) = match rest[..authority_end].rfind('@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let address = match scheme {
            "redis" => ServerAddress::read_tcp(location, DEFAULT_PORT, &["/", "/0"])?,
            "redis+unix" | "unix" => ServerAddress::read_unix(location)?,
            "rediss" => return Err(RedisUrlError::Tls),
            other => return Err(RedisUrlError::Scheme(other.to_owned())),
        };
        let mut config = Self::new(address);
        if let Some(credentials) = credentials {
            let (user, password) = credentials.split_once(':').ok_or(RedisUrlError::UserWithoutPassword)?;
            config.username = (!user.is_empty()).then(|| unescape(user)).transpose()?;
            config.password = Some(unescape(password)?);
        }
        Ok(config)
    }
}

impl FromStr for RedisConfig {
    type Err = RedisUrlError;

    fn from_str(url: &str) -> Result<Self, RedisUrlError> {
        Self::from_url(url)
    }
}

impl fmt::Debug for RedisConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("RedisConfig")
            .field("address", &self.address)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "(hidden)"))
            .field("connect_timeout", &self.connect_timeout)
            .field("backoff_min", &self.backoff_min)
            .field("backoff_max", &self.backoff_max)
            .field("reply_limits", &self.reply_limits)
            .field("reserved", &self.reserved)
            .finish()
    }
}

impl From<AddressFault> for RedisUrlError {
    fn from(fault: AddressFault) -> Self {
        match fault {
            AddressFault::Host => Self::Host,
            AddressFault::Port => Self::Port,
            AddressFault::Path => Self::Path,
            AddressFault::Rest => Self::Rest,
            AddressFault::Escape => Self::Escape,
        }
    }
}
