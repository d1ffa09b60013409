//! The clusters that tests run on, and the words of RESP that they are asked and answered with.

use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, ClusterBuilder, RawClient};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_dynomited");

/// What a busy machine may add to any time limit.
pub(crate) const SLACK: Duration = Duration::from_millis(1500);
/// For what takes time but surely comes.
pub(crate) const LONG: Duration = Duration::from_secs(30);

pub(crate) const LEVELS: [&str; 4] = ["DC_ONE", "DC_QUORUM", "DC_SAFE_QUORUM", "DC_EACH_SAFE_QUORUM"];

pub(crate) const OK: &[u8] = b"+OK\r\n";
pub(crate) const PONG: &[u8] = b"+PONG\r\n";
pub(crate) const NIL: &[u8] = b"$-1\r\n";

/// One node over one Redis server.
pub(crate) fn single() -> ClusterBuilder {
    Cluster::builder(BINARY).rack("dc1", "rack1", 1).set("workers=2")
}

/// One datacenter of three racks.
pub(crate) fn three_racks(nodes_per_rack: usize) -> ClusterBuilder {
    racks(Cluster::builder(BINARY), "dc1", nodes_per_rack)
}

/// Two datacenters of three racks with one node each: `dc1` has the nodes 0 to 2.
pub(crate) fn two_datacenters() -> ClusterBuilder {
    racks(racks(Cluster::builder(BINARY), "dc1", 1), "dc2", 1)
}

/// Reads and writes at this level.
pub(crate) fn at_level(builder: ClusterBuilder, level: &str) -> ClusterBuilder {
    builder.set(&format!("consistency.read={level}")).set(&format!("consistency.write={level}"))
}

/// A key that `node` holds a copy of, or that another node of its rack does.
pub(crate) fn key_owned(cluster: &Cluster, node: usize, prefix: &str, is_own: bool) -> String {
    (0..1000)
        .map(|number| format!("{prefix}:{number}"))
        .find(|key| key_owned_by(cluster, node, key) == is_own)
        .expect("both kinds of keys are common")
}

/// Whether `node` holds a copy of the key.
pub(crate) fn key_owned_by(cluster: &Cluster, node: usize, key: &str) -> bool {
    let name = cluster.nodes()[node].name();
    replicas(&mut cluster.client(node), key).iter().any(|replica| replica["node"] == name)
}

/// A key whose sequenced writes are run by `node`.
pub(crate) fn key_with_primary(cluster: &Cluster, node: usize, prefix: &str) -> String {
    let mut client = cluster.client(node);
    let name = cluster.nodes()[node].name();
    (0..1000)
        .map(|number| format!("{prefix}:{number}"))
        .find(|key| {
            let replicas = replicas(&mut client, key);
            replicas.iter().any(|replica| replica["node"] == name && replica["primary"] == true)
        })
        .expect("the primaries are spread")
}

pub(crate) fn bulk(value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let mut reply = format!("${}\r\n", value.len()).into_bytes();
    reply.extend_from_slice(value);
    reply.extend_from_slice(b"\r\n");
    reply
}

pub(crate) fn integer(value: i64) -> Vec<u8> {
    format!(":{value}\r\n").into_bytes()
}

/// Bytes for a message.
pub(crate) fn text(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(300)].escape_ascii().to_string()
}

pub(crate) fn is_error(reply: &[u8]) -> bool {
    reply.first() == Some(&b'-')
}

/// Sends a command and gives the reply, and how long it took.
pub(crate) fn timed(client: &mut RawClient, args: &[&str]) -> (Vec<u8>, Duration) {
    let started_at = Instant::now();
    let reply = client.command(args);
    (reply, started_at.elapsed())
}

fn replicas(client: &mut RawClient, key: &str) -> Vec<serde_json::Value> {
    let route = String::from_utf8(client.command(&["DYNOMITE", "ROUTE", key])).unwrap();
    let json = &route[route.find('{').expect("an object")..];
    let route: serde_json::Value = serde_json::from_str(json.trim_end()).unwrap();
    route["replicas"].as_array().expect("a list").clone()
}

fn racks(mut builder: ClusterBuilder, datacenter: &str, nodes_per_rack: usize) -> ClusterBuilder {
    for rack in 1..=3 {
        builder = builder.rack(datacenter, &format!("rack{rack}"), nodes_per_rack);
    }
    builder
}
