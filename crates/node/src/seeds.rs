//! Where other nodes can be reached: addresses from files, names, records and web servers, asked for again and again.
//!
//! [`Finder::start`] begins to ask; what it found so far is in the channel that it returns. Nothing here is fatal: a source that
//! does not answer is asked again, and what it told before holds until it tells something else. `docs/seeds.md` describes the
//! sources.

mod asking;
mod entries;
mod error;
mod file;
mod florida;
mod http;
mod names;
#[cfg(feature = "srv")]
mod srv;
mod union;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

pub use crate::config::SeedSource;

use asking::{Asker, keep_asking};
use union::Union;

/// Most addresses that all sources together give. A node needs one that answers; the rest it hears from that.
pub const ADDRESSES_MAX: usize = 256;

/// Finds addresses of other nodes.
#[derive(Debug)]
pub struct Finder;

impl Finder {
    /// Asks every source at once, and then every `interval`. The channel has what was found by all of them, at most
    /// [`ADDRESSES_MAX`]; at first nothing. It is told only of changes. This node's own addresses may be among them.
    ///
    /// Ends when all receivers are dropped.
    ///
    /// # Panics
    /// Outside a tokio runtime with I/O and time.
    pub fn start(sources: Vec<SeedSource>, interval: Duration) -> watch::Receiver<Vec<SocketAddr>> {
        let (union, receiver) = Union::new(sources.len());
        let union = Arc::new(union);
        for (index, source) in sources.into_iter().enumerate() {
            let name = source.to_string();
            tokio::spawn(keep_asking(Asker::new(source), name, index, Arc::clone(&union), interval));
        }
        receiver
    }
}
