use std::sync::Arc;

use bytes::Buf;
use dynomite_codec::Request;

use dynomite_codec::KeyState;

use super::*;
use crate::{RedisConfig, ReservedKeys};

/// The stages of a lane that reserves keys.
fn stages() -> Stages {
    let config = RedisConfig::from_url("redis://nowhere").unwrap();
    let reserved = Some(ReservedKeys::of_node("n"));
    Stages::new(Arc::new(RedisConfig { reserved, ..config }), 0)
}

fn sent(operation: Operation) -> (Vec<u8>, Owed) {
    let mut output = WriteQueue::new();
    let owed = Owed::send(0, operation, &mut stages(), &mut output);
    (output.copy_to_bytes(output.remaining()).to_vec(), owed)
}

fn taken(owed: &mut Owed, replies: &[&'static [u8]]) -> Option<Output> {
    let (last, first) = replies.split_last().unwrap();
    for reply in first {
        assert_eq!(owed.take(Bytes::from_static(reply), &mut stages()).unwrap(), None);
    }
    owed.take(Bytes::from_static(last), &mut stages()).unwrap()
}

fn dump() -> Owed {
    sent(Operation::Dump { key: Bytes::from_static(b"k") }).1
}

#[test]
fn what_a_command_in_flight_takes_is_small() {
    assert!(size_of::<Owed>() <= 16, "{} bytes", size_of::<Owed>());
}

#[test]
fn commands_are_sent_as_they_are_whatever_their_size() {
    for size in [1, COPY_MAX, 100_000] {
        let request = Request::from_args([&b"SET"[..], b"k", &vec![b'x'; size]]);
        let (bytes, mut owed) = sent(Operation::Command(request.clone()));
        assert_eq!(bytes, request.raw()[..]);
        let reply = Bytes::from_static(b"-ERR as it is\r\n");
        assert_eq!(owed.take(reply.clone(), &mut stages()).unwrap(), Some(Output::Reply(reply)));
    }
}

#[test]
fn dump_gives_value_and_expiry_of_one_moment() {
    const QUEUED: [&[u8]; 3] = [b"+OK\r\n", b"+QUEUED\r\n", b"+QUEUED\r\n"];
    let state = |exec: &'static [u8]| {
        let [multi, first, second] = QUEUED;
        taken(&mut dump(), &[multi, first, second, exec]).unwrap()
    };
    let payload = Bytes::from_static(b"p\r\n");
    let found = |expires_at_ms| Output::State(Some(KeyState { payload: payload.clone(), expires_at_ms }));
    assert_eq!(state(b"*2\r\n$3\r\np\r\n\r\n:-1\r\n"), found(None));
    assert_eq!(state(b"*2\r\n$3\r\np\r\n\r\n:1700000000000\r\n"), found(Some(1_700_000_000_000)));
    assert_eq!(state(b"*2\r\n$-1\r\n:-2\r\n"), Output::State(None));
    assert_eq!(state(b"*2\r\n$3\r\np\r\n\r\n:-2\r\n"), Output::State(None));
    assert_eq!(state(b"*2\r\n$-1\r\n-ERR x\r\n"), Output::Failed("ERR x".into()));
    assert_eq!(state(b"*2\r\n-NOPERM x\r\n:-1\r\n"), Output::Failed("NOPERM x".into()));
}

#[test]
fn dump_of_a_server_without_pexpiretime_fails_with_its_first_error() {
    let replies: [&[u8]; 4] = [
        b"+OK\r\n",
        b"+QUEUED\r\n",
        b"-ERR unknown command 'PEXPIRETIME'\r\n",
        b"-EXECABORT Transaction discarded\r\n",
    ];
    let expected = Output::Failed("ERR unknown command 'PEXPIRETIME'".into());
    assert_eq!(taken(&mut dump(), &replies), Some(expected));
}

#[test]
fn install_without_a_future_deletes() {
    let delete = b"*2\r\n$6\r\nUNLINK\r\n$1\r\nk\r\n";
    let key = Bytes::from_static(b"k");
    let expired = KeyState { payload: Bytes::from_static(b"p"), expires_at_ms: Some(0) };
    for state in [None, Some(expired)] {
        let (bytes, mut owed) = sent(Operation::Install { key: key.clone(), state });
        assert_eq!(bytes, delete);
        assert_eq!(taken(&mut owed, &[b":0\r\n"]), Some(Output::Installed));
    }
}

#[test]
fn install_restores_with_an_absolute_expiry() {
    let key = Bytes::from_static(b"k");
    for (expires_at_ms, ttl) in [(None, "$1\r\n0"), (Some(1_700_000_000_000), "$13\r\n1700000000000")] {
        let state = KeyState { payload: Bytes::from_static(b"pay"), expires_at_ms };
        let (bytes, mut owed) = sent(Operation::Install { key: key.clone(), state: Some(state) });
        let expected = format!(
            "*6\r\n$7\r\nRESTORE\r\n$1\r\nk\r\n{ttl}\r\n$3\r\npay\r\n$7\r\nREPLACE\r\n$6\r\nABSTTL\r\n"
        );
        assert_eq!(String::from_utf8(bytes).unwrap(), expected);
        assert_eq!(taken(&mut owed, &[b"-ERR bad\r\n"]), Some(Output::Failed("ERR bad".into())));
    }
}

#[test]
fn scan_gives_keys_and_the_next_cursor() {
    let (bytes, mut owed) = sent(Operation::Scan { cursor: u64::MAX, count: 0 });
    assert_eq!(bytes, b"*4\r\n$4\r\nSCAN\r\n$20\r\n18446744073709551615\r\n$5\r\nCOUNT\r\n$1\r\n1\r\n");
    let page = taken(&mut owed, &[b"*2\r\n$2\r\n17\r\n*2\r\n$1\r\na\r\n$0\r\n\r\n"]);
    let keys = vec![Bytes::from_static(b"a"), Bytes::new()];
    assert_eq!(page, Some(Output::Scanned { keys, cursor: 17 }));
}

#[test]
fn reply_of_another_shape_means_out_of_step() {
    let mut scan = sent(Operation::Scan { cursor: 0, count: 1 }).1;
    assert!(matches!(scan.take(Bytes::from_static(b"+OK\r\n"), &mut stages()), Err(Broken::OutOfStep)));
    let mut dump = dump();
    for _ in 0..3 {
        assert!(dump.take(Bytes::from_static(b"+OK\r\n"), &mut stages()).unwrap().is_none());
    }
    assert!(matches!(dump.take(Bytes::from_static(b"+OK\r\n"), &mut stages()), Err(Broken::OutOfStep)));
}
