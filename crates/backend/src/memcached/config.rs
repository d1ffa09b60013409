//! Where the server is and how to talk to it, also from a URL.

use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::ReservedKeys;
use crate::address::{AddressFault, ServerAddress, scheme_of};

#[cfg(test)]
mod tests;

const DEFAULT_PORT: u16 = 11211;

/// Everything a [`MemcachedBackend`](crate::MemcachedBackend) needs to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemcachedConfig {
    /// Where the server listens.
    pub address: ServerAddress,
    /// How long connecting may take, and then each answer until the lane is up. Default 1 s.
    pub connect_timeout: Duration,
    /// The longest wait before the second attempt to connect; it doubles with each. Default 50 ms.
    pub backoff_min: Duration,
    /// The longest wait between two attempts. Default 5 s.
    pub backoff_max: Duration,
    /// The longest reply to one command, in bytes; a longer one breaks the connection. Default 512 MiB.
    pub reply_bytes_max: usize,
    /// What a scan may keep of the keys that the server lists, in bytes of this process's memory; at least 64 KiB are. Of
    /// a server with more keys the whole list is read several times, and another part of it kept each time. Default 32 MiB,
    /// which is some 300,000 keys.
    pub scan_bytes_max: usize,
    /// The node's own keys on the server. Without them no marker is read: for a caller that does not replicate. Default
    /// none.
    pub reserved: Option<ReservedKeys>,
}

/// A text is no URL of a memcached server. The operator's fault.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MemcachedUrlError {
    /// It begins with something else than the schemes that are known.
    #[error("expected memcached://host[:port] or memcached+unix:///path, and no {0:?}")]
    Scheme(String),
    /// A user or a password.
    #[error("the URL names a user or a password, which memcached's text protocol is not asked with here")]
    Credentials,
    /// No host between the scheme and the port.
    #[error("the URL names no host")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("the port is no number from 1 to 65535")]
    Port,
    /// The unix socket's path is not absolute.
    #[error("the path of the unix socket must be absolute: memcached+unix:///path")]
    Path,
    /// Something after the address.
    #[error("the URL goes on after the address; there are no parameters")]
    Rest,
    /// A `%` that is not followed by two hexadecimal digits, or bytes that are no UTF-8.
    #[error("the URL holds a wrong %-escape")]
    Escape,
}

impl MemcachedConfig {
    /// A server at `address`, with default timeouts.
    pub fn new(address: ServerAddress) -> Self {
        Self {
            address,
            connect_timeout: Duration::from_secs(1),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            reply_bytes_max: 512 << 20,
            scan_bytes_max: 32 << 20,
            reserved: None,
        }
    }

    /// Reads `memcached://host[:port]` or `memcached+unix:///path`; the port is 11211 where none is given.
    ///
    /// # Errors
    /// When the text is none of these.
    pub fn from_url(url: &str) -> Result<Self, MemcachedUrlError> {
        let (scheme, location) =
            url.split_once("://").ok_or_else(|| MemcachedUrlError::Scheme(scheme_of(url)))?;
        let address = match scheme {
            "memcached" => {
                if location.split('/').next().is_some_and(|authority| authority.contains('@')) {
                    return Err(MemcachedUrlError::Credentials);
                }
                ServerAddress::read_tcp(location, DEFAULT_PORT, &["/"])?
            }
            "memcached+unix" => ServerAddress::read_unix(location)?,
            other => return Err(MemcachedUrlError::Scheme(scheme_of(other))),
        };
        Ok(Self::new(address))
    }
}

impl FromStr for MemcachedConfig {
    type Err = MemcachedUrlError;

    fn from_str(url: &str) -> Result<Self, MemcachedUrlError> {
        Self::from_url(url)
    }
}

impl From<AddressFault> for MemcachedUrlError {
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
