use std::io::IoSlice;

use dynomite_codec::classify;
use proptest::prelude::*;

use super::*;

fn text(output: &mut WriteQueue) -> String {
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = output.fill_io_slices(&mut slices);
    let bytes = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
    output.advance(bytes.len());
    String::from_utf8(bytes).unwrap()
}

fn call(args: &[&str]) -> (Call, Request) {
    let request = Request::from_args(args);
    (classify(&request).unwrap(), request)
}

#[test]
fn replies_leave_in_the_order_of_their_commands() {
    let (mut replies, mut output) = (Replies::new(u32::MAX - 1), WriteQueue::new());
    let first = replies.wait(20, None, None);
    let second = replies.wait(30, None, None);
    replies.answer(Bytes::from_static(b":3\r\n"), &mut output);
    assert_eq!(replies.asked_bytes(), 50);
    assert!(replies.fill(second, Bytes::from_static(b":2\r\n"), &mut output).is_some());
    assert_eq!((text(&mut output).as_str(), replies.waiting(), replies.ready_bytes()), ("", 1, 8));
    assert_eq!(replies.asked_bytes(), 20, "what was answered is no longer held");
    replies.fill(first, Bytes::from_static(b":1\r\n"), &mut output);
    assert_eq!(text(&mut output), ":1\r\n:2\r\n:3\r\n");
    assert!(replies.is_empty());
    assert_eq!((replies.waiting(), replies.ready_bytes()), (0, 0));
}

#[test]
fn a_reply_that_nobody_waits_for_changes_nothing() {
    let (mut replies, mut output) = (Replies::new(7), WriteQueue::new());
    let first = replies.wait(0, None, None);
    let second = replies.wait(0, None, None);
    let reply = || Bytes::from_static(b":1\r\n");
    for stale in [first.wrapping_sub(1), second + 1, 0] {
        assert_eq!(replies.fill(stale, reply(), &mut output), None);
    }
    replies.fill(second, reply(), &mut output);
    assert_eq!(replies.fill(second, reply(), &mut output), None);
    assert_eq!((replies.waiting(), replies.ready_bytes()), (1, 4));
    replies.fill(first, reply(), &mut output);
    assert_eq!(replies.fill(first, reply(), &mut output), None);
    assert_eq!(text(&mut output), ":1\r\n:1\r\n");
}

#[test]
fn parts_are_merged_when_all_are_there() {
    let (mut replies, mut output) = (Replies::new(0), WriteQueue::new());
    let (mget, _) = call(&["MGET", "a", "b"]);
    let before = replies.wait(0, None, None);
    replies.begin_gather(mget, None);
    let a = replies.wait_for_part(0, None);
    let b = replies.wait_for_part(0, None);
    replies.end_gather(&mut output);
    replies.fill(b, Bytes::from_static(b"*1\r\n$1\r\n2\r\n"), &mut output);
    replies.fill(a, Bytes::from_static(b"*1\r\n$-1\r\n"), &mut output);
    assert_eq!(text(&mut output), "");
    replies.fill(before, Bytes::from_static(b"+OK\r\n"), &mut output);
    assert_eq!(text(&mut output), "+OK\r\n*2\r\n$-1\r\n$1\r\n2\r\n");
    assert_eq!((replies.is_empty(), replies.ready_bytes()), (true, 0));
}

#[test]
fn a_gather_is_not_merged_before_its_last_part_was_added() {
    let (mut replies, mut output) = (Replies::new(0), WriteQueue::new());
    let (del, _) = call(&["DEL", "a", "b"]);
    replies.begin_gather(del, None);
    let a = replies.wait_for_part(0, None);
    replies.fill(a, Bytes::from_static(b":1\r\n"), &mut output);
    assert_eq!(text(&mut output), "");
    let b = replies.wait_for_part(0, None);
    replies.fill(b, Bytes::from_static(b":1\r\n"), &mut output);
    replies.end_gather(&mut output);
    assert_eq!(text(&mut output), ":2\r\n");
}

#[test]
fn a_gather_that_was_given_up_answers_once_its_parts_are_in() {
    let (mut replies, mut output) = (Replies::new(0), WriteQueue::new());
    let (mget, _) = call(&["MGET", "a", "b", "c"]);
    replies.begin_gather(mget, None);
    let a = replies.wait_for_part(0, None);
    replies.fail_gather(Bytes::from_static(b"-ERR too much\r\n"), &mut output);
    replies.answer(Bytes::from_static(b"+PONG\r\n"), &mut output);
    assert_eq!(text(&mut output), "");
    replies.fill(a, Bytes::from_static(b"*1\r\n$-1\r\n"), &mut output);
    assert_eq!(text(&mut output), "-ERR too much\r\n+PONG\r\n");
}

#[test]
fn replies_are_converted_for_resp3() {
    let (mut replies, mut output) = (Replies::new(0), WriteQueue::new());
    let (call, request) = call(&["GET", "a"]);
    let sequence = replies.wait(0, None, Some(Box::new(Resp3 { call, request })));
    replies.fill(sequence, Bytes::from_static(b"$-1\r\n"), &mut output);
    assert_eq!(text(&mut output), "_\r\n");
}

proptest! {
    #[test]
    fn any_order_of_arrival_gives_the_order_of_asking(
        commands in proptest::collection::vec(0_usize..4, 1..60),
        order in any::<proptest::sample::Index>(),
        seed in any::<u64>(),
    ) {
        let (mut replies, mut output) = (Replies::new(u32::MAX - 20), WriteQueue::new());
        let (del, _) = call(&["DEL", "a", "b"]);
        let (mut waiting, mut expected) = (Vec::new(), String::new());
        for (at, parts) in commands.iter().enumerate() {
            if *parts == 0 {
                replies.answer(Bytes::from(format!("+{at}\r\n")), &mut output);
                expected += &format!("+{at}\r\n");
            } else if *parts == 1 {
                waiting.push((replies.wait(0, None, None), at));
                expected += &format!(":{at}\r\n");
            } else {
                replies.begin_gather(del, None);
                waiting.extend((0..*parts).map(|_| (replies.wait_for_part(0, None), at)));
                replies.end_gather(&mut output);
                expected += &format!(":{}\r\n", at * parts);
            }
        }
        let mut random = seed | 1;
        while !waiting.is_empty() {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(order.index(1000) as u64 | 1);
            let (sequence, at) = waiting.swap_remove((random >> 33) as usize % waiting.len());
            replies.fill(sequence, Bytes::from(format!(":{at}\r\n")), &mut output);
        }
        prop_assert!(replies.is_empty());
        prop_assert_eq!(replies.ready_bytes(), 0);
        prop_assert_eq!(text(&mut output), expected);
    }
}
