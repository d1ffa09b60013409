//! What a call wants done, collected in buffers that are used again.

use std::net::SocketAddr;
use std::ops::Range;

use crate::Event;

/// What is to be sent and what happened. The embedder empties it after every call.
#[derive(Debug, Default)]
pub struct Out {
    pub(crate) bytes: Vec<u8>,
    pub(crate) sends: Vec<(SocketAddr, Range<usize>)>,
    pub(crate) events: Vec<Event>,
}

impl Out {
    /// Empty.
    pub fn new() -> Self {
        Self::default()
    }

    /// The messages to send and where to, in order. Losing one is harmless.
    pub fn sends(&self) -> impl Iterator<Item = (SocketAddr, &[u8])> {
        self.sends.iter().map(|(to, range)| (*to, &self.bytes[range.clone()]))
    }

    /// What happened, in order.
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.sends.is_empty() && self.events.is_empty()
    }

    /// Forgets all and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.sends.clear();
        self.events.clear();
    }

    /// Takes a message that `write` appends.
    pub(crate) fn send(&mut self, to: SocketAddr, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        write(&mut self.bytes);
        self.sends.push((to, start..self.bytes.len()));
    }

    pub(crate) fn event(&mut self, event: Event) {
        self.events.push(event);
    }
}
