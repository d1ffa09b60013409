use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use super::*;

/// Answers `GET n` with a string of n bytes, and counts what it was asked.
#[derive(Default)]
struct Sized {
    executed: usize,
    ticks: usize,
}

impl SyncStore for Sized {
    fn execute(&mut self, _: u64, request: &Request, reply: &mut BytesMut) {
        self.executed += 1;
        let size = std::str::from_utf8(request.arg(1)).unwrap().parse().unwrap();
        dynomite_codec::encode::bulk(reply, &vec![b'x'; size]);
    }

    fn dump(&mut self, _: u64, _: &[u8]) -> Result<Option<KeyState>, String> {
        Err("ERR no".into())
    }

    fn install(&mut self, _: u64, _: &Bytes, _: Option<&KeyState>) -> Result<(), String> {
        Ok(())
    }

    fn scan(&mut self, _: u64, cursor: u64, _: usize) -> (Vec<Bytes>, u64) {
        (vec![Bytes::from_static(b"k")], cursor + 1)
    }

    fn tick(&mut self, _: u64) {
        self.ticks += 1;
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn get(size: usize) -> Operation {
    Operation::Command(Request::from_args(["GET".to_owned(), size.to_string()]))
}

fn lane() -> SyncLane<Sized> {
    SyncLane::new(
        Sized::default(),
        StoreIdentity { kind: "sized".into(), run_id: "1".into(), ..StoreIdentity::default() },
    )
}

fn poll(lane: &mut SyncLane<Sized>, waker: &Arc<Count>) -> Vec<LaneEvent> {
    let mut events = Vec::new();
    let waker = Waker::from(Arc::clone(waker));
    let ready = lane.poll(&mut Context::from_waker(&waker), &mut events).is_ready();
    assert_eq!(ready, !events.is_empty());
    events
}

#[test]
fn first_event_is_up_and_outputs_follow_in_order() {
    let (mut lane, waker) = (lane(), Arc::default());
    lane.submit(0, get(1));
    lane.submit(0, Operation::Dump { key: Bytes::new() });
    lane.submit(0, Operation::Install { key: Bytes::new(), state: None });
    lane.submit(0, Operation::Scan { cursor: 6, count: 1 });
    let events = poll(&mut lane, &waker);
    assert!(matches!(&events[0], LaneEvent::Up(identity) if identity.kind == "sized"));
    assert_eq!(events[1], LaneEvent::Done(Output::Reply(Bytes::from_static(b"$1\r\nx\r\n"))));
    assert_eq!(events[2], LaneEvent::Done(Output::Failed("ERR no".into())));
    assert_eq!(events[3], LaneEvent::Done(Output::Installed));
    assert_eq!(
        events[4],
        LaneEvent::Done(Output::Scanned { keys: vec![Bytes::from_static(b"k")], cursor: 7 })
    );
    assert_eq!(events.len(), 5);
}

/// Keeps one value per key, and nothing else.
#[derive(Default)]
struct Plain(std::collections::BTreeMap<Bytes, Bytes>);

impl SyncStore for Plain {
    fn execute(&mut self, _: u64, _: &Request, reply: &mut BytesMut) {
        dynomite_codec::encode::error(reply, "ERR no");
    }

    fn dump(&mut self, _: u64, key: &[u8]) -> Result<Option<KeyState>, String> {
        let state = |payload: &Bytes| KeyState { payload: payload.clone(), expires_at_ms: Some(9) };
        Ok(self.0.get(key).map(state))
    }

    fn install(&mut self, _: u64, key: &Bytes, state: Option<&KeyState>) -> Result<(), String> {
        self.0.extend(state.map(|state| (key.clone(), state.payload.clone())));
        Ok(())
    }

    fn scan(&mut self, _: u64, _: u64, _: usize) -> (Vec<Bytes>, u64) {
        (self.0.keys().cloned().collect(), 0)
    }
}

#[test]
fn store_of_four_methods_moves_states_whole() {
    let mut store = Plain::default();
    for (key, value) in [("a", "same"), ("b", "same"), ("c", "other")] {
        let state = KeyState { payload: value.into(), expires_at_ms: None };
        store.install(0, &key.into(), Some(&state)).unwrap();
    }
    let mut run = |operation| store.run(0, &operation, &mut BytesMut::new());
    let position = Position::default();
    let extent = Extent { is_large: false, start: position };
    assert_eq!(run(Operation::Measure { key: "a".into() }), Output::Measured(Some(extent)));
    assert_eq!(run(Operation::Measure { key: "d".into() }), Output::Measured(None));
    let piece = Piece { payload: "same".into(), expires_at_ms: Some(9), next: None };
    assert_eq!(run(Operation::DumpPiece { key: "a".into(), position }), Output::Piece(Some(piece)));
    let mut digest = |key: &'static str| run(Operation::Digest { key: key.into(), position });
    assert!(matches!(
        digest("a"),
        Output::Digest(Some(DigestPart { expires_at_ms: Some(9), next: None, .. }))
    ));
    assert_eq!(digest("a"), digest("b"));
    assert_ne!(digest("a"), digest("c"));
    assert_eq!(digest("d"), Output::Digest(None));
    for operation in [
        Operation::StagePiece { stage: 0, payload: "same".into() },
        Operation::ClearStage { stage: 0 },
        Operation::InstallStage { key: "a".into(), stage: 0, expires_at_ms: None },
    ] {
        assert_eq!(run(operation), Output::Failed(NO_STAGES.into()));
    }
}

#[test]
fn submit_wakes_a_lane_that_was_pending() {
    let (mut lane, waker) = (lane(), Arc::<Count>::default());
    assert_eq!(poll(&mut lane, &waker).len(), 1);
    assert!(poll(&mut lane, &waker).is_empty());
    assert_eq!(waker.0.load(Ordering::Relaxed), 0);
    lane.submit(0, get(1));
    assert_eq!(waker.0.load(Ordering::Relaxed), 1);
    assert_eq!(poll(&mut lane, &waker).len(), 1);
}

#[test]
fn operations_beyond_the_byte_bound_run_after_the_next_poll() {
    let (mut lane, waker) = (lane(), Arc::<Count>::default());
    let size = WAITING_BYTES_MAX / 2;
    for extra in 0..5 {
        lane.submit(0, get(size + extra));
    }
    assert_eq!(lane.store().executed, 2);
    let mut lens = Vec::new();
    let mut polls = 0;
    while lens.len() < 5 {
        polls += 1;
        assert!(polls < 10);
        lens.extend(poll(&mut lane, &waker).iter().filter_map(|event| match event {
            LaneEvent::Done(Output::Reply(reply)) => Some(reply.len()),
            _ => None,
        }));
    }
    assert_eq!(polls, 3);
    assert!(lens.is_sorted() && lens[0] < lens[4]);
    assert!(waker.0.load(Ordering::Relaxed) >= 2, "more to come is announced");
}

#[test]
fn store_ticks_as_time_passes_and_not_with_every_operation() {
    let mut lane = lane();
    for now_ms in 1000..1100 {
        lane.submit(now_ms, get(1));
    }
    assert_eq!(lane.store().ticks, 10);
}

#[test]
fn two_backends_have_different_run_ids() {
    let identity = || SyncBackend::new("sized", |_, _| Sized::default()).identity;
    assert_ne!(identity().run_id, identity().run_id);
}
