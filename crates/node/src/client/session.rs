//! What a client has said about itself and its connection.

use std::net::SocketAddr;
use std::time::Instant;

use dynomite_codec::{Call, Class, Request};
use dynomite_replication::Level;

use super::{Conversion, Resp3};
use crate::shared::Levels;

/// The settings of one connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) address: SocketAddr,
    pub(crate) local_address: SocketAddr,
    pub(crate) connected_at: Instant,
    pub(crate) is_resp3: bool,
    pub(crate) name: Vec<u8>,
    pub(crate) lib_name: Vec<u8>,
    pub(crate) lib_version: Vec<u8>,
    pub(crate) no_evict: bool,
    /// Levels that this connection asked for, whatever the key.
    pub(crate) read_level: Option<Level>,
    pub(crate) write_level: Option<Level>,
}

impl Session {
    pub(crate) fn new(id: u64, address: SocketAddr, local_address: SocketAddr) -> Self {
        Self {
            id,
            address,
            local_address,
            connected_at: Instant::now(),
            is_resp3: false,
            name: Vec::new(),
            lib_name: Vec::new(),
            lib_version: Vec::new(),
            no_evict: false,
            read_level: None,
            write_level: None,
        }
    }

    /// As on a new connection, but for what names it: `RESET`.
    pub(super) fn reset(&mut self) {
        self.is_resp3 = false;
        self.name.clear();
        self.read_level = None;
        self.write_level = None;
    }

    /// What is needed to convert the reply to `request`; nothing for RESP2.
    pub(super) fn resp3(&self, call: Call, request: &Request) -> Conversion {
        self.is_resp3.then(|| Box::new(Resp3 { call, request: request.clone() }))
    }

    /// The level to run a command at: the connection's own, or else that of the key's prefix or the node.
    pub(super) fn level(&self, class: Class, key: &[u8], levels: &Levels) -> Level {
        let own = if class == Class::Read { self.read_level } else { self.write_level };
        own.unwrap_or_else(|| levels.of(class, key))
    }
}
