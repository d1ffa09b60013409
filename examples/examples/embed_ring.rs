//! Places keys on the nodes of a small cluster, lets a node join, and shows what has to move.
//!
//! `cargo run -p dynomite-examples --example embed_ring`

use dynomite_ring::{HashKind, KeyHasher, Node, Ring, RingError, Token, TokenSpace};
use dynomite_ring::{allocate, allocate_static, moved_ranges};

const VNODES: usize = 4;
const KEYS: [&str; 4] = ["user:1", "user:2", "{cart:7}:items", "{cart:7}:total"];

fn main() -> Result<(), RingError> {
    let hasher = KeyHasher::new(HashKind::RedisSlot, None);
    let mut nodes = three_racks();
    let ring = Ring::build(hasher, 1, nodes.clone())?;
    println!("Three racks with two, two and three nodes:");
    show_owners(&ring);

    let rack: Vec<&[Token]> =
        nodes.iter().filter(|node| node.rack == "rack1").map(|node| node.tokens.as_slice()).collect();
    let tokens = allocate(TokenSpace::SLOTS, &rack, "rack1-c", VNODES);
    nodes.push(Node::new("rack1-c", "dc1", "rack1", tokens));
    let grown = Ring::build(hasher, 2, nodes)?;
    println!("\nrack1-c has joined:");
    show_owners(&grown);

    println!("\nWhat moves, in slots:");
    for moved in moved_ranges(&ring, &grown) {
        let name = |ring: &Ring, id| {
            let node = ring.index_of(id).map(|node| ring.node(node).name.clone());
            node.unwrap_or_else(|| "nobody".to_owned())
        };
        let from = moved.from.map_or_else(String::new, |id| name(&ring, id));
        let to = moved.to.map_or_else(String::new, |id| name(&grown, id));
        let (after, upto) = (moved.range.after.slot(), moved.range.upto.slot());
        println!("  {} {}: ({after}, {upto}] from {from} to {to}", moved.dc, moved.rack);
    }

    println!("\nShares of each rack:");
    let ownership = grown.ownership();
    for rack in grown.racks() {
        for node in rack.nodes() {
            println!("  {:8} {:5.1} %", grown.node(node).name, ownership.share(node) * 100.0);
        }
    }
    Ok(())
}

/// The nodes of a datacenter, with tokens that everybody would work out alike.
fn three_racks() -> Vec<Node> {
    let racks: [(&str, &[&str]); 3] =
        [("rack1", &["a", "b"]), ("rack2", &["a", "b"]), ("rack3", &["a", "b", "c"])];
    let mut nodes = Vec::new();
    for (rack, names) in racks {
        let tokens = allocate_static(TokenSpace::SLOTS, names, VNODES);
        nodes.extend(
            names
                .iter()
                .zip(tokens)
                .map(|(name, tokens)| Node::new(format!("{rack}-{name}"), "dc1", rack, tokens)),
        );
    }
    nodes
}

fn show_owners(ring: &Ring) {
    for key in KEYS {
        let token = ring.token(key.as_bytes());
        let replicas = ring.replicas(token);
        let owners: Vec<&str> = replicas.all().iter().map(|node| ring.node(*node).name.as_str()).collect();
        for dc in ring.dcs() {
            let primary = &ring.node(ring.primary(token, dc.index())).name;
            println!("  {key:15} slot {:5}: {} (primary {primary})", token.slot(), owners.join(", "));
        }
    }
}
