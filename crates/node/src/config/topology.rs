//! The nodes of the cluster as this node's configuration gives them.

use super::{Config, HostPort};

/// One node of the cluster: an entry of the seeds, or the node itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The node's name.
    pub name: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Its rack.
    pub rack: String,
    /// Where its peers reach it; `None` for a single node.
    pub peer_address: Option<HostPort>,
    /// Where clients reach it.
    pub client_address: HostPort,
    /// Its tokens; `None` means that they are to be allocated.
    pub tokens: Option<Vec<u32>>,
}

impl Config {
    /// All nodes, this one included, by name: the same list on every node with the same seeds.
    pub fn members(&self) -> Vec<Member> {
        let mut members: Vec<Member> = self
            .seeds
            .iter()
            .filter(|seed| seed.name != self.name)
            .map(|seed| Member {
                name: seed.name.clone(),
                datacenter: seed.datacenter.clone(),
                rack: seed.rack.clone(),
                peer_address: Some(seed.peer_address.clone()),
                client_address: seed
                    .client_address
                    .clone()
                    .unwrap_or_else(|| HostPort::new(seed.peer_address.host(), self.listen.port())),
                tokens: seed.tokens.clone(),
            })
            .collect();
        members.push(Member {
            name: self.name.clone(),
            datacenter: self.datacenter.clone(),
            rack: self.rack.clone(),
            peer_address: self.advertised_peer_address(),
            client_address: self.advertised_client_address(),
            tokens: self.tokens.clone().or_else(|| self.own_seed().and_then(|seed| seed.tokens.clone())),
        });
        members.sort_by(|a, b| a.name.cmp(&b.name));
        members
    }

    /// Where clients are told to find this node.
    pub fn advertised_client_address(&self) -> HostPort {
        let seed = self.own_seed();
        let given =
            self.client_address.as_ref().or_else(|| seed.and_then(|seed| seed.client_address.as_ref()));
        if let Some(address) = given {
            return address.clone();
        }
        match self.advertised_peer_address() {
            Some(peer) if self.listen.ip().is_unspecified() => HostPort::new(peer.host(), self.listen.port()),
            _ => self.listen.into(),
        }
    }

    /// Where peers are told to find this node; `None` when it serves no peers.
    pub fn advertised_peer_address(&self) -> Option<HostPort> {
        let seed = self.own_seed().map(|seed| seed.peer_address.clone());
        self.peer_address.clone().or(seed).or_else(|| self.peer_listen.map(HostPort::from))
    }
}
