//! The ring and a key's place in it, as JSON. The shapes are API: `dynoctl` and scripts read them.

use dynomite_ring::{NodeId, NodeIdx, RackIdx};
use serde_json::{Value, json};

use crate::json;
use crate::shared::Shared;

/// All nodes by datacenter and rack.
pub(super) fn ring_json(shared: &Shared) -> String {
    let ring = shared.ring();
    let ownership = ring.ownership();
    let node_json = |index: NodeIdx| {
        let node = ring.node(index);
        json!({
            "name": node.name,
            "id": node.id.to_string(),
            "client_address": node.client_address,
            "peer_address": node.peer_address,
            "state": state(shared, node.id),
            "ownership": json::share(ownership.share(index)),
            "tokens": node.tokens.iter().map(|token| token.0).collect::<Vec<_>>(),
        })
    };
    let dcs = ring.dcs().iter().map(|dc| {
        let racks = dc.racks().iter().map(|rack| {
            let nodes: Vec<Value> = rack.nodes().map(node_json).collect();
            json!({ "name": rack.name(), "nodes": nodes })
        });
        json!({ "name": dc.name(), "racks": racks.collect::<Vec<_>>() })
    });
    let whole = json!({
        "epoch": ring.epoch(),
        "hash": ring.hasher().kind().to_string(),
        "digest": json::hex(ring.digest()),
        "self": shared.config.name,
        "datacenters": dcs.collect::<Vec<_>>(),
    });
    whole.to_string()
}

/// The nodes that hold a key; `primary` is the one in each datacenter that sequences its writes.
pub(super) fn route_json(shared: &Shared, key: &[u8]) -> String {
    let ring = shared.ring();
    let token = ring.token(key);
    let replicas = ring.replicas(token).by_rack().map(|(rack, index): (RackIdx, NodeIdx)| {
        let node = ring.node(index);
        json!({
            "datacenter": node.dc,
            "rack": node.rack,
            "node": node.name,
            "client_address": node.client_address,
            "state": state(shared, node.id),
            "primary": ring.primary_rack(token, ring.rack(rack).dc()) == rack,
        })
    });
    let replicas: Vec<Value> = replicas.collect();
    json!({ "key": String::from_utf8_lossy(key), "token": token.0, "replicas": replicas }).to_string()
}

/// How this node stands to another: `self`, `up` when all its workers have links to it, or `down`.
pub(super) fn state(shared: &Shared, node: NodeId) -> &'static str {
    if node == shared.node {
        "self"
    } else if shared.is_linked(node) {
        "up"
    } else {
        "down"
    }
}
