//! Why a node does not start, or ended.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use dynomite_ring::RingError;

use crate::config::ConfigError;
use dynomite_gossip::agreement::AgreementError;

use crate::disk::DiskError;

/// Why a node does not start. The operator's to mend, unless it says otherwise; nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The configuration contradicts itself.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The nodes of the configuration do not make a ring.
    #[error("the nodes of the configuration make no ring: {0}")]
    Ring(#[from] RingError),
    /// An address cannot be listened on.
    #[error("cannot listen on {address} ({key}): {}", bind_text(source))]
    Bind {
        /// The key of the configuration.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The file with the datastore's password cannot be read.
    #[error("cannot read the datastore's password file: {0}")]
    Password(#[source] io::Error),
    /// The data directory cannot be used.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The system gives no thread for the membership.
    #[error("cannot start the thread that tells other nodes of this one: {0}")]
    Members(#[source] io::Error),
    /// What was decided of the ring is not this cluster's.
    #[error("data_dir: {0}")]
    Decisions(#[from] AgreementError),
    /// The system gives no more threads, files or memory.
    #[error("cannot start worker {worker}: {source}")]
    Worker {
        /// Number of the worker.
        worker: usize,
        /// What the system said.
        source: io::Error,
    },
}

/// A running node ended by itself: a defect of this program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("worker {worker} of the node failed; the log says where")]
pub struct NodeFailed {
    /// Number of the worker.
    pub worker: usize,
}

fn bind_text(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => "another program listens there; stop it or choose another port".to_owned(),
        ErrorKind::PermissionDenied => {
            "not permitted; ports below 1024 need a privilege, so choose a higher one".to_owned()
        }
        ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => error.to_string(),
    }
}
