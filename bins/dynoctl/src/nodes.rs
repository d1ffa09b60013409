//! The nodes of a cluster, as one of them lists them.

use anyhow::Result;
use serde_json::Value;

use crate::answer::{list, parse, text};
use crate::connection::Connection;

/// A node, and the datacenter it is in.
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) datacenter: String,
    /// Where it serves clients.
    pub(crate) address: String,
}

/// Asks for all nodes.
pub(crate) fn all(connection: &mut Connection) -> Result<Vec<Node>> {
    nodes(&parse(&connection.ask(&["DYNOMITE", "RING"])?)?)
}

fn nodes(ring: &Value) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    for datacenter in list(ring, "datacenters")? {
        for rack in list(datacenter, "racks")? {
            for node in list(rack, "nodes")? {
                nodes.push(Node {
                    name: text(node, "name")?.to_owned(),
                    datacenter: text(datacenter, "name")?.to_owned(),
                    address: text(node, "client_address")?.to_owned(),
                });
            }
        }
    }
    Ok(nodes)
}
