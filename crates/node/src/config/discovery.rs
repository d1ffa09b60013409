//! Where a node asks for the addresses of others.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hyper::http::uri::PathAndQuery;

use super::HostPort;
use super::address::is_host_name;

/// The port that peers are served on where an address names none.
pub const PEER_PORT: u16 = 8101;

const HTTP_PORT: u16 = 80;
const FORMS: &str = "\"HOST[:PORT]\", \"dns:NAME[:PORT]\", \"srv:_SERVICE._tcp.DOMAIN\", \"file:/PATH\" or \
                     \"http://HOST[:PORT]/PATH\"";

/// How a node finds others. `docs/seeds.md` describes each kind of source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Discovery {
    /// Who is asked; all of them, not one after another.
    pub sources: Vec<SeedSource>,
    /// How often each is asked.
    pub interval: Duration,
}

/// One place that tells addresses at which peers are served.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SeedSource {
    /// An address, or a name that has some: all that the system's resolver gives, IPv4 and IPv6.
    Host(HostPort),
    /// A name whose SRV records name hosts and ports.
    Srv(String),
    /// A file with one address in each line.
    File(PathBuf),
    /// A web server that answers in the format of Netflix Dynomite's `florida_provider`.
    Http(HttpUrl),
}

/// An `http://` URL without user, password and fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    server: HostPort,
    /// With the query; begins with `/`.
    path: String,
}

impl Default for Discovery {
    fn default() -> Self {
        Self { sources: Vec::new(), interval: Duration::from_secs(30) }
    }
}

impl HttpUrl {
    /// Who serves it.
    pub fn server(&self) -> &HostPort {
        &self.server
    }

    /// What is asked for, with the query.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl FromStr for SeedSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err(format!("is empty; allowed are {FORMS}"));
        }
        // A host may be called `dns` or `file`: what follows it is a port.
        let (kind, rest) = match text.split_once(':') {
            Some((_, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => ("", text),
            Some((kind, rest)) => (kind, rest),
            None => ("", text),
        };
        match kind {
            "dns" => host(rest),
            "srv" => service(rest),
            "file" => file(rest),
            "http" => http(rest),
            "https" => Err(format!("`{text}`: TLS is not supported here; use http:// or a file")),
            _ if text.contains("://") => Err(format!("`{text}` is no source of seeds; allowed are {FORMS}")),
            _ => host(text),
        }
    }
}

impl fmt::Display for SeedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(address) => address.fmt(f),
            Self::Srv(name) => write!(f, "srv:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
            Self::Http(HttpUrl { server, path }) => write!(f, "http://{server}{path}"),
        }
    }
}

fn host(text: &str) -> Result<SeedSource, String> {
    HostPort::parse_or(text, PEER_PORT).map(SeedSource::Host)
}

fn service(name: &str) -> Result<SeedSource, String> {
    let mut labels = name.split('.');
    let is_marked =
        |label: Option<&str>| label.is_some_and(|label| label.len() > 1 && label.starts_with('_'));
    let begins_right = is_marked(labels.next()) && is_marked(labels.next()) && labels.next().is_some();
    // A dot at the end keeps the resolver from adding domains of its own.
    if !begins_right || !is_host_name(name.strip_suffix('.').unwrap_or(name)) {
        return Err(format!(
            "`srv:{name}` names no service: the form is \"srv:_dynomite._tcp.example.com\", without a port"
        ));
    }
    Ok(SeedSource::Srv(name.to_owned()))
}

fn file(path: &str) -> Result<SeedSource, String> {
    // `file:///etc/seeds` is the same file as `file:/etc/seeds`.
    let path = path.strip_prefix("//").filter(|path| path.starts_with('/')).unwrap_or(path);
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(format!(
            "`file:{path}` is no absolute path of a file, such as \"file:/etc/dynomite/seeds\""
        ));
    }
    Ok(SeedSource::File(path.into()))
}

fn http(rest: &str) -> Result<SeedSource, String> {
    let refused = |reason: &str| format!("`http:{rest}`: {reason}; the form is \"http://HOST[:PORT]/PATH\"");
    let rest_of_url = rest.strip_prefix("//").ok_or_else(|| refused("is no URL"))?;
    let (server, path) = rest_of_url.split_at(rest_of_url.find(['/', '?']).unwrap_or(rest_of_url.len()));
    if server.contains('@') {
        return Err(refused("a user or password is not supported"));
    }
    let server = HostPort::parse_or(server, HTTP_PORT).map_err(|reason| refused(&reason))?;
    if !path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
        return Err(refused(
            "the path may hold visible ASCII characters other than `#`; write others as %XX",
        ));
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    path.parse::<PathAndQuery>().map_err(|error| refused(&error.to_string()))?;
    Ok(SeedSource::Http(HttpUrl { server, path }))
}
