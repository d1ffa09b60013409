//! What the datastores hold, seen without the nodes in front of them.

use std::time::{Duration, Instant};

use dynomite_testkit::{Cluster, RawClient};

const CONVERGENCE_DEADLINE: Duration = Duration::from_secs(15);

/// A key as one datastore holds it. Equal values mean that no client could tell them apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) kind: String,
    /// The replies that show the whole value, in an order of their own where the type has none.
    pub(crate) value: Vec<String>,
    /// Milliseconds since the epoch; -1 without one.
    pub(crate) expires_at_ms: i64,
}

/// Asks a datastore for a key; `None` when it does not hold it.
pub(crate) fn stored(client: &mut RawClient, key: &str) -> Option<Stored> {
    let kind = line(&client.command(&["TYPE", key]));
    let reply = match kind.as_str() {
        "+none" => return None,
        "+string" => client.command(&["GET", key]),
        "+list" => client.command(&["LRANGE", key, "0", "-1"]),
        "+hash" => client.command(&["HGETALL", key]),
        "+set" => client.command(&["SMEMBERS", key]),
        "+zset" => client.command(&["ZRANGE", key, "0", "-1", "WITHSCORES"]),
        other => panic!("{key} is a {other}"),
    };
    let mut value: Vec<String> = match kind.as_str() {
        "+hash" => elements(&reply).chunks(2).map(|pair| pair.join(" = ")).collect(),
        "+string" => vec![reply.escape_ascii().to_string()],
        _ => elements(&reply),
    };
    if matches!(kind.as_str(), "+hash" | "+set") {
        value.sort();
    }
    let expires_at_ms = line(&client.command(&["PEXPIRETIME", key]))[1..].parse().unwrap();
    Some(Stored { kind, value, expires_at_ms })
}

/// Waits until every key is on exactly one node of each rack and equal on all racks, and gives what each key is.
#[track_caller]
pub(crate) fn converged<'a>(
    cluster: &Cluster,
    keys: impl IntoIterator<Item = &'a str>,
) -> Vec<(&'a str, Option<Stored>)> {
    let mut clients: Vec<RawClient> = cluster.nodes().iter().map(|node| node.redis.client()).collect();
    let started_at = Instant::now();
    let mut states = Vec::new();
    for key in keys {
        loop {
            match everywhere(cluster, &mut clients, key) {
                Ok(state) => {
                    states.push((key, state));
                    break;
                }
                Err(text) => {
                    assert!(started_at.elapsed() < CONVERGENCE_DEADLINE, "{key} does not converge: {text}");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }
    states
}

/// All keys of one datastore.
pub(crate) fn keys(client: &mut RawClient) -> Vec<String> {
    elements(&client.command(&["KEYS", "*"]))
}

fn everywhere(cluster: &Cluster, clients: &mut [RawClient], key: &str) -> Result<Option<Stored>, String> {
    let mut common: Option<Option<Stored>> = None;
    for ((datacenter, rack), nodes) in cluster.racks() {
        let held: Vec<Stored> = nodes.iter().filter_map(|&node| stored(&mut clients[node], key)).collect();
        if held.len() > 1 {
            return Err(format!("{} nodes of {rack} in {datacenter} hold it", held.len()));
        }
        let held = held.into_iter().next();
        match &common {
            None => common = Some(held),
            Some(other) if *other != held => {
                return Err(format!("{rack} in {datacenter} holds {held:?}, another {other:?}"));
            }
            Some(_) => {}
        }
    }
    Ok(common.flatten())
}

/// The bulk strings of a flat array.
fn elements(reply: &[u8]) -> Vec<String> {
    let mut rest = reply;
    let count: usize = take_line(&mut rest)[1..].parse().unwrap();
    (0..count)
        .map(|_| {
            let len: usize = take_line(&mut rest)[1..].parse().unwrap();
            let element = rest[..len].escape_ascii().to_string();
            rest = &rest[len + 2..];
            element
        })
        .collect()
}

fn take_line(rest: &mut &[u8]) -> String {
    let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a whole line");
    let taken = String::from_utf8(rest[..end].to_vec()).unwrap();
    *rest = &rest[end + 2..];
    taken
}

fn line(reply: &[u8]) -> String {
    String::from_utf8(reply.to_vec()).unwrap().trim_end().to_owned()
}
