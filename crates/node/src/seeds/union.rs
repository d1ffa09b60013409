//! What all sources together have found.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use tokio::sync::watch;

use super::ADDRESSES_MAX;

/// The addresses of each source, and the channel that has those of all.
#[derive(Debug)]
pub(super) struct Union {
    parts: Mutex<Parts>,
    sender: watch::Sender<Vec<SocketAddr>>,
}

#[derive(Debug)]
struct Parts {
    of_source: Vec<Vec<SocketAddr>>,
    /// Addresses that were too many, when it was last looked.
    left_out: usize,
}

impl Union {
    pub(super) fn new(source_count: usize) -> (Self, watch::Receiver<Vec<SocketAddr>>) {
        let (sender, receiver) = watch::channel(Vec::new());
        let parts = Parts { of_source: vec![Vec::new(); source_count], left_out: 0 };
        (Self { parts: Mutex::new(parts), sender }, receiver)
    }

    /// Takes what source number `index` says now in place of what it said before.
    pub(super) fn replace(&self, index: usize, addresses: Vec<SocketAddr>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.of_source[index] = addresses;
        let (union, left_out) = merge(&parts.of_source);
        if left_out > 0 && left_out != parts.left_out {
            tracing::warn!(
                left_out,
                "seeds have more than {ADDRESSES_MAX} addresses; the others are not tried as long as these are there"
            );
        }
        parts.left_out = left_out;
        self.sender.send_if_modified(|known| {
            let is_new = *known != union;
            *known = union;
            is_new
        });
    }

    /// Returns when nobody wants to know any more.
    pub(super) async fn unwanted(&self) {
        self.sender.closed().await;
    }
}

/// Each address once, of every source the first ones, and how many there are beyond the limit.
fn merge(parts: &[Vec<SocketAddr>]) -> (Vec<SocketAddr>, usize) {
    let longest = parts.iter().map(Vec::len).max().unwrap_or(0);
    let mut seen = HashSet::new();
    let mut union = Vec::new();
    for rank in 0..longest {
        let ranked = parts.iter().filter_map(|part| part.get(rank));
        union.extend(ranked.filter(|address| seen.insert(**address)));
    }
    let left_out = union.len().saturating_sub(ADDRESSES_MAX);
    union.truncate(ADDRESSES_MAX);
    (union, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(rack: u8, count: u16) -> Vec<SocketAddr> {
        (1..=count).map(|port| SocketAddr::from(([10, 0, 0, rack], port))).collect()
    }

    #[test]
    fn each_address_is_there_once() {
        let (union, mut receiver) = Union::new(2);
        union.replace(0, addresses(1, 2));
        union.replace(1, addresses(1, 3));
        assert_eq!(*receiver.borrow_and_update(), addresses(1, 3));
        union.replace(0, Vec::new());
        assert!(!receiver.has_changed().unwrap(), "the second source says all of it");
        union.replace(1, addresses(1, 1));
        assert_eq!(*receiver.borrow_and_update(), addresses(1, 1));
    }

    #[test]
    fn a_source_with_too_many_leaves_room_for_the_others() {
        let (union, receiver) = Union::new(3);
        union.replace(0, addresses(1, 1_000));
        assert_eq!(receiver.borrow().len(), ADDRESSES_MAX);
        union.replace(1, addresses(2, 3));
        union.replace(2, addresses(3, 1_000));
        let found = receiver.borrow().clone();
        assert_eq!(found.len(), ADDRESSES_MAX);
        for address in [addresses(1, 100), addresses(2, 3), addresses(3, 100)].concat() {
            assert!(found.contains(&address), "{address}");
        }
        assert_eq!(merge(&[addresses(1, 200), addresses(2, 100)]).1, 300 - ADDRESSES_MAX);
    }
}
