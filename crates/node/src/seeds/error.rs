//! Why a source gave no answer.

use std::io;
use std::path::PathBuf;

use crate::config::HostPort;

/// Why a source gave no answer. What it told before holds; it is asked again.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// The resolver knows no address of a name, or does not answer.
    #[error("cannot look up {host}: {source} (is the name right, and known to this machine's resolver?)")]
    Lookup { host: HostPort, source: io::Error },
    /// A name has only addresses at which nobody can be reached.
    #[error("{0} has only addresses that nobody can connect to, such as 0.0.0.0")]
    Unusable(HostPort),
    /// The service's records cannot be had.
    #[error("cannot look up the SRV records of {name}: {reason}")]
    Service { name: String, reason: String },
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    /// What came is no text, or too long.
    #[error("what it holds is no list of addresses: {0}")]
    NoText(&'static str),
    /// It holds something, and nothing of it is an address.
    #[error("nothing in it can be used: {0}")]
    NothingUsable(String),
    /// Nobody serves there.
    #[error("cannot connect to {server}: {source}")]
    Connect { server: HostPort, source: io::Error },
    /// The server does not speak HTTP, or the connection broke.
    #[error("no HTTP answer: {0}")]
    Http(#[from] hyper::Error),
    /// The server has something else to say.
    #[error("the answer is {0}, and should be 200; redirects are not followed")]
    Status(hyper::StatusCode),
    /// The server takes too long.
    #[error("no whole answer within {0:?}")]
    Timeout(std::time::Duration),
}
