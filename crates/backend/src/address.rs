//! Where a datastore's server listens, and the parts of a URL that say so.

use std::path::PathBuf;

/// A server's address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ServerAddress {
    /// A host name or address, and a port.
    Tcp {
        /// Name, IPv4 or IPv6 address (without brackets). Names are resolved at every attempt to connect.
        host: String,
        /// TCP port.
        port: u16,
    },
    /// A unix socket.
    Unix(PathBuf),
}

/// What is wrong with the part of a URL that names an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AddressFault {
    /// No host between the scheme and the port.
    Host,
    /// The port is no number from 1 to 65535.
    Port,
    /// The unix socket's path is not absolute.
    Path,
    /// Something after the address.
    Rest,
    /// A `%` that is not followed by two hexadecimal digits, or bytes that are no UTF-8.
    Escape,
}

impl ServerAddress {
    /// The address as a URL of `scheme`: `scheme://host:port` or `scheme+unix:///path`.
    pub fn url(&self, scheme: &str) -> String {
        match self {
            Self::Tcp { host, port } if host.contains(':') => format!("{scheme}://[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{scheme}://{host}:{port}"),
            Self::Unix(path) => format!("{scheme}+unix://{}", path.display()),
        }
    }

    /// Reads `host[:port]`, which may end in one of `endings`.
    pub(crate) fn read_tcp(
        location: &str,
        default_port: u16,
        endings: &[&str],
    ) -> Result<Self, AddressFault> {
        let end = location.find(['/', '?', '#']).unwrap_or(location.len());
        let (authority, rest) = location.split_at(end);
        if !rest.is_empty() && !endings.contains(&rest) {
            return Err(AddressFault::Rest);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => bracketed.split_once(']').ok_or(AddressFault::Host)?,
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(digits) => digits.parse().ok().filter(|port| *port != 0),
            None => port.is_empty().then_some(default_port),
        };
        let port = port.ok_or(AddressFault::Port)?;
        let host = unescape(host)?;
        if host.is_empty() {
            return Err(AddressFault::Host);
        }
        Ok(Self::Tcp { host, port })
    }

    /// Reads the path of a unix socket.
    pub(crate) fn read_unix(location: &str) -> Result<Self, AddressFault> {
        if !location.starts_with('/') {
            return Err(AddressFault::Path);
        }
        Ok(Self::Unix(PathBuf::from(unescape(location)?)))
    }
}

/// What stands in the place of a URL's scheme, shortened before anything that could be a password.
pub(crate) fn scheme_of(url: &str) -> String {
    const SHOWN_MAX: usize = 20;
    url.chars().take_while(|character| !matches!(character, ':' | '@' | '/')).take(SHOWN_MAX).collect()
}

/// The text that a URL holds with `%` escapes.
pub(crate) fn unescape(text: &str) -> Result<String, AddressFault> {
    let bytes = unescape_bytes(text.as_bytes()).ok_or(AddressFault::Escape)?;
    String::from_utf8(bytes).map_err(|_| AddressFault::Escape)
}

/// The bytes that stand for themselves or for others as `%` and two hexadecimal digits; `None` when an escape is wrong.
pub(crate) fn unescape_bytes(text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(hex_value(digits[0])? << 4 | hex_value(digits[1])?);
        rest = after;
    }
    Some(bytes)
}

fn hex_value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
