//! `host:port`, where the host may be a name that cannot be resolved now.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// A host name or IP address, and a port. Names are resolved when they are used, not when they are read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HostPort {
    host: String,
    port: u16,
}

impl HostPort {
    /// Puts the two together; the parts are not checked. An IPv6 address comes without brackets.
    pub fn new(host: impl Into<String>, port: u16) -> Self {
        Self { host: host.into(), port }
    }

    /// Parses `host`, `[v6]`, `host:port` or `[v6]:port`; where there is no port it is `port`.
    ///
    /// # Errors
    /// As for `host:port`.
    pub(crate) fn parse_or(text: &str, port: u16) -> Result<Self, String> {
        let has_port = text.contains(':') && !text.ends_with(']');
        if has_port { text.parse() } else { format!("{text}:{port}").parse() }
    }

    /// The host; an IPv6 address without brackets, as `(host, port)` look-ups want it.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether this is an address that means "every interface", at which nobody can be reached.
    pub fn is_wildcard(&self) -> bool {
        self.host.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
    }
}

impl From<SocketAddr> for HostPort {
    fn from(address: SocketAddr) -> Self {
        Self { host: address.ip().to_string(), port: address.port() }
    }
}

impl FromStr for HostPort {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || {
            format!(
                "`{text}` is not a host and port, such as \"10.0.0.1:8101\", \"[::1]:8101\" or \"node1.example:8101\""
            )
        };
        let (host, port) = text.rsplit_once(':').ok_or_else(expected)?;
        let port = port.parse().map_err(|_| expected())?;
        if let Some(inner) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            let address: Ipv6Addr = inner.parse().map_err(|_| expected())?;
            return Ok(Self { host: address.to_string(), port });
        }
        if host.contains(':') {
            return Err(format!("`{text}`: an IPv6 address needs brackets, such as \"[::1]:8101\""));
        }
        if !is_host_name(host) {
            return Err(expected());
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// RFC 1123 letters, and the underscore that container networks use.
pub(super) fn is_host_name(host: &str) -> bool {
    (1..=253).contains(&host.len())
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        })
}
