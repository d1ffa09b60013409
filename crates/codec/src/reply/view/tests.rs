use bytes::BytesMut;
use proptest::prelude::*;
use redis_protocol::resp2::types::OwnedFrame;

use super::*;
use crate::encode;

#[test]
fn every_kind_of_value_is_seen() {
    for (reply, view) in [
        (&b"+OK\r\n"[..], ReplyView::Simple(b"OK")),
        (b"-ERR no\r\n", ReplyView::Error(b"ERR no")),
        (b":-7\r\n", ReplyView::Integer(-7)),
        (b"$2\r\n\r\n\r\n", ReplyView::Bulk(b"\r\n")),
        (b"$-1\r\n", ReplyView::Null),
        (b"*-1\r\n", ReplyView::NullArray),
    ] {
        assert_eq!(ReplyView::parse(reply), Some(view));
    }
    let Some(ReplyView::Array(elements)) = ReplyView::parse(b"*3\r\n:1\r\n*1\r\n$1\r\na\r\n$-1\r\n") else {
        panic!("an array");
    };
    assert_eq!(elements.len(), 3);
    assert_eq!(elements.raw().nth(1), Some(&b"*1\r\n$1\r\na\r\n"[..]));
    assert_eq!(elements.last(), Some(ReplyView::Null));
}

#[test]
fn only_one_whole_value_has_a_view() {
    for reply in [
        "",
        "+OK",
        "+OK\r\n+OK\r\n",
        "*2\r\n:1\r\n",
        "$3\r\nab\r\n",
        "$1\r\nabc",
        "$-2\r\n",
        "_\r\n",
        ":x\r\n",
        "$18446744073709551615\r\n",
        "$9223372036854775807\r\n",
        "*9223372036854775807\r\n",
    ] {
        assert_eq!(ReplyView::parse(reply.as_bytes()), None, "{reply:?}");
    }
    let deep = [b"*1\r\n".repeat(1_000_000), b":1\r\n".to_vec()].concat();
    assert!(ReplyView::parse(&deep).is_some());
}

fn frames() -> impl Strategy<Value = OwnedFrame> {
    let leaf = prop_oneof![
        "[a-zA-Z ]{0,10}".prop_map(|text| OwnedFrame::SimpleString(text.into_bytes())),
        "[a-zA-Z ]{1,10}".prop_map(OwnedFrame::Error),
        any::<i64>().prop_map(OwnedFrame::Integer),
        prop::collection::vec(any::<u8>(), 0..10).prop_map(OwnedFrame::BulkString),
        Just(OwnedFrame::Null),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| prop::collection::vec(inner, 0..5).prop_map(OwnedFrame::Array))
}

fn write(out: &mut BytesMut, frame: &OwnedFrame) {
    match frame {
        OwnedFrame::SimpleString(text) => encode::simple(out, std::str::from_utf8(text).unwrap()),
        OwnedFrame::Error(text) => encode::error(out, text),
        OwnedFrame::Integer(value) => encode::integer(out, *value),
        OwnedFrame::BulkString(value) => encode::bulk(out, value),
        OwnedFrame::Null => out.extend_from_slice(encode::NULL_BULK),
        OwnedFrame::Array(elements) => {
            encode::array(out, elements.len());
            elements.iter().for_each(|element| write(out, element));
        }
    }
}

fn read(view: ReplyView<'_>) -> OwnedFrame {
    match view {
        ReplyView::Simple(text) => OwnedFrame::SimpleString(text.to_vec()),
        ReplyView::Error(text) => OwnedFrame::Error(String::from_utf8(text.to_vec()).unwrap()),
        ReplyView::Integer(value) => OwnedFrame::Integer(value),
        ReplyView::Bulk(value) => OwnedFrame::BulkString(value.to_vec()),
        ReplyView::Null | ReplyView::NullArray => OwnedFrame::Null,
        ReplyView::Array(elements) => OwnedFrame::Array(elements.map(read).collect()),
    }
}

proptest! {
    #[test]
    fn views_say_what_redis_protocol_says(frame in frames()) {
        let mut bytes = BytesMut::new();
        write(&mut bytes, &frame);
        prop_assert_eq!(read(ReplyView::parse(&bytes).unwrap()), frame.clone());
        let (decoded, used) = redis_protocol::resp2::decode::decode(&bytes).unwrap().unwrap();
        prop_assert_eq!((decoded, used), (frame, bytes.len()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in "[*$:+\\-0-9a\r\n]{0,40}") {
        if let Some(view) = ReplyView::parse(bytes.as_bytes()) {
            // The oracle takes null arrays inside arrays too; only what it refuses for its own reasons differs.
            if let Ok(Some((decoded, used))) = redis_protocol::resp2::decode::decode(bytes.as_bytes()) {
                prop_assert_eq!((read(view), bytes.len()), (decoded, used));
            }
        }
    }
}
