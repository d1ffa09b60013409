//! What replicas hold at the end of a run, and what they know of it.

use bytes::{Bytes, BytesMut};
use dynomite_backend::SyncStore;
use dynomite_codec::{ReplyView, Request, classify};
use dynomite_replication::{KeyRequest, Origin, Out, Record, ReplicaRequest, RequestBody, ResponseBody};

use super::{World, clock::EPOCH_US, network};
use crate::{command::Key, command::state_words, plan::Micros};

/// One replica's state of a key, in a form that is equal exactly when the states are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeyState {
    /// `string`, `list` and so on; `none` when the key is absent.
    pub type_name: String,
    /// The whole value as a reply, unordered ones in the order of their bytes.
    pub value: Vec<Bytes>,
    /// When it expires, in milliseconds since the Unix epoch.
    pub expires_at_ms: Option<u64>,
}

impl std::fmt::Display for KeyState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.type_name)?;
        for part in &self.value {
            write!(f, " {}", String::from_utf8_lossy(part).trim_end().replace("\r\n", " "))?;
        }
        self.expires_at_ms.map_or(Ok(()), |at| write!(f, " until {at}"))
    }
}

impl World {
    /// What a node's datastore holds of a key, at one wall time for all nodes.
    pub fn state_of(&mut self, node: usize, key: Key) -> KeyState {
        let name = key.to_string();
        let wall_ms = self.judged_at_ms();
        let store = &mut self.nodes[node].store;
        let mut ask = |words: Vec<&str>| -> Bytes {
            let mut reply = BytesMut::new();
            store.execute(wall_ms, &Request::from_args(words), &mut reply);
            reply.freeze()
        };
        let type_reply = ask(vec!["TYPE", &name]);
        let type_name = match ReplyView::parse(&type_reply) {
            Some(ReplyView::Simple(type_name)) => String::from_utf8_lossy(type_name).into_owned(),
            _ => "unknown".to_owned(),
        };
        let mut words = state_words(type_name.as_bytes()).to_vec();
        words.insert(1, &name);
        let value = ask(words);
        let expiry = ask(vec!["PEXPIRETIME", &name]);
        let expires_at_ms = match ReplyView::parse(&expiry) {
            Some(ReplyView::Integer(at)) => u64::try_from(at).ok(),
            _ => None,
        };
        KeyState { value: in_one_order(&type_name, &value), type_name, expires_at_ms }
    }

    /// All datastores are looked at as of one moment, which no clock of the cluster has seen yet.
    fn judged_at_ms(&self) -> u64 {
        let spread: Micros = self.plan.skew_spread_us();
        (EPOCH_US + self.now + spread) / 1000
    }

    /// The whole value of a key as a read would give it.
    pub fn value_of(&mut self, node: usize, request: &Request) -> Bytes {
        let wall_ms = self.judged_at_ms();
        let mut reply = BytesMut::new();
        self.nodes[node].store.execute(wall_ms, request, &mut reply);
        reply.freeze()
    }

    /// What a node's engine says of a key's record, for people to read. It is asked as another node would ask.
    pub fn record_of(&mut self, node: usize, key: Key) -> String {
        let request = Request::from_args(["GET", &key.to_string()]);
        let call = classify(&request).expect("GET is in the table");
        let command = KeyRequest::new(call, request).expect("GET has a key");
        let token = self.ring.token(command.key());
        let (worker, now) = (self.worker_of(token), self.now_of(node));
        let Some(engine) = self.nodes[node].engine(worker) else { return "down".to_owned() };
        let mut out = Out::default();
        let body = RequestBody::Read { command, value: false };
        let seats = engine.seats(token);
        let request = ReplicaRequest { id: 0, token, clock: 0, seats, body };
        engine.handle_request(now, Origin(network::NOBODY), request, &mut out);
        match out.responses.pop().map(|(_, response)| response.body) {
            Some(ResponseBody::Read { record, .. }) => {
                let Record { base, term, ops, last, digest } = record;
                format!("base {base}, term {term}, {ops} ops, last {last}, digest {digest:x}")
            }
            Some(ResponseBody::Failed(failure)) => failure.to_string(),
            other => format!("{other:?}"),
        }
    }
}

/// The parts of a value so ordered that equal values are equal.
fn in_one_order(type_name: &str, reply: &Bytes) -> Vec<Bytes> {
    let Some(ReplyView::Array(elements)) = ReplyView::parse(reply) else { return vec![reply.clone()] };
    let parts: Vec<&[u8]> = elements.raw().collect();
    let group_len = if type_name == "hash" { 2 } else { 1 };
    let mut groups: Vec<Bytes> = parts.chunks(group_len).map(|group| Bytes::from(group.concat())).collect();
    if matches!(type_name, "hash" | "set") {
        groups.sort_unstable();
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_and_hashes_are_equal_in_any_order_and_lists_are_not() {
        let [ab, ba] = ["*2\r\n$1\r\na\r\n$1\r\nb\r\n", "*2\r\n$1\r\nb\r\n$1\r\na\r\n"].map(Bytes::from);
        assert_eq!(in_one_order("set", &ab), in_one_order("set", &ba));
        assert_ne!(in_one_order("list", &ab), in_one_order("list", &ba));
        let [one, other] =
            ["*4\r\n:1\r\n:2\r\n:3\r\n:4\r\n", "*4\r\n:3\r\n:4\r\n:1\r\n:2\r\n"].map(Bytes::from);
        assert_eq!(in_one_order("hash", &one), in_one_order("hash", &other));
    }
}
