//! A datastore of one's own behind the backend trait: a sorted map that knows GET, SET and DEL.
//!
//! `cargo run -p dynomite-examples --example custom_backend`

use std::collections::BTreeMap;
use std::future::poll_fn;

use bytes::{Bytes, BytesMut};
use dynomite_backend::{Backend, KeyState, LaneEvent, Operation, Output, SyncBackend, SyncStore};
use dynomite_codec::{Request, encode};

/// Strings in the order of their keys. They never expire, so that a state with an expiry is refused.
#[derive(Default)]
struct SortedStrings {
    values: BTreeMap<Bytes, Bytes>,
}

impl SyncStore for SortedStrings {
    fn execute(&mut self, _now_ms: u64, request: &Request, reply: &mut BytesMut) {
        let name = request.name().to_ascii_uppercase();
        match (name.as_slice(), request.arg_count()) {
            (b"GET", 2) => match self.values.get(request.arg(1)) {
                Some(value) => encode::bulk(reply, value),
                None => reply.extend_from_slice(encode::NULL_BULK),
            },
            (b"SET", 3) => {
                // Copies: what is kept must not hold on to the buffer that the network filled.
                let [key, value] = [1, 2].map(|index| Bytes::copy_from_slice(request.arg(index)));
                self.values.insert(key, value);
                reply.extend_from_slice(encode::OK);
            }
            (b"DEL", 2..) => {
                let removed = request.args().skip(1).filter(|key| self.values.remove(*key).is_some()).count();
                encode::integer(reply, removed as i64);
            }
            _ => encode::error(reply, "ERR only GET, SET without options, and DEL are known here"),
        }
    }

    fn dump(&mut self, _now_ms: u64, key: &[u8]) -> Result<Option<KeyState>, String> {
        let state = |value: &Bytes| KeyState { payload: value.clone(), expires_at_ms: None };
        Ok(self.values.get(key).map(state))
    }

    fn install(&mut self, _now_ms: u64, key: &Bytes, state: Option<&KeyState>) -> Result<(), String> {
        match state {
            Some(state) if state.expires_at_ms.is_some() => return Err("ERR no expiry here".into()),
            Some(state) => drop(self.values.insert(key.clone(), state.payload.clone())),
            None => drop(self.values.remove(key)),
        }
        Ok(())
    }

    fn scan(&mut self, _now_ms: u64, cursor: u64, count: usize) -> (Vec<Bytes>, u64) {
        // Everything in one page: a real store gives `count` keys and a cursor that survives changes in between.
        let _ = (cursor, count);
        (self.values.keys().cloned().collect(), 0)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Each worker of a node opens its own lane, which gets a store of its own.
    let backend = SyncBackend::new("sorted-strings", |_worker, _worker_count| SortedStrings::default());
    let mut lane = backend.open_lane(0, 1);

    let commands: [&[&str]; 4] =
        [&["SET", "fruit", "quince"], &["GET", "fruit"], &["INCR", "fruit"], &["DEL", "fruit", "none"]];
    let mut operations: Vec<_> = commands.map(|args| Operation::Command(Request::from_args(args))).into();
    let fruit = Bytes::from_static(b"fruit");
    let state = KeyState { payload: Bytes::from_static(b"medlar"), expires_at_ms: None };
    operations.push(Operation::Install { key: fruit.clone(), state: Some(state) });
    operations.push(Operation::Dump { key: fruit });
    operations.push(Operation::Scan { cursor: 0, count: 100 });

    let mut waiting = operations.len();
    let mut events = Vec::new();
    while waiting > 0 {
        poll_fn(|cx| lane.poll(cx, &mut events)).await;
        for event in events.drain(..) {
            match event {
                LaneEvent::Up(store) => {
                    println!("{} is up", store.kind);
                    operations.drain(..).for_each(|operation| lane.submit(0, operation));
                }
                LaneEvent::Done(output) => {
                    waiting -= 1;
                    show(&output);
                }
                LaneEvent::Down { reason } => println!("down: {reason}"),
            }
        }
    }
}

fn show(output: &Output) {
    match output {
        Output::Reply(reply) => println!("replied   {}", reply.escape_ascii()),
        Output::State(Some(state)) => println!("holds     {}", state.payload.escape_ascii()),
        Output::State(None) => println!("holds     nothing"),
        Output::Installed => println!("installed"),
        Output::Scanned { keys, .. } => println!("keys      {keys:?}"),
        Output::Failed(text) => println!("failed    {text}"),
        other => println!("answered  {other:?}"),
    }
}
