use std::io::IoSlice;

use bytes::BytesMut;
use proptest::prelude::*;

use super::*;
use crate::link::frame::{Decoder, Message};

/// Takes up to `count` bytes from the queue, as a socket would.
fn take(queue: &mut LinkQueue, count: usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 8];
    let filled = queue.wire().fill_io_slices(&mut slices);
    let mut bytes = slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
    bytes.truncate(count);
    queue.advance(bytes.len());
    bytes
}

fn drain(queue: &mut LinkQueue, step: usize) -> Vec<Message> {
    let mut decoder = Decoder::new(64 << 20);
    let mut buf = BytesMut::new();
    let mut messages = Vec::new();
    while !queue.is_empty() {
        buf.extend_from_slice(&take(queue, step));
        while let Some(message) = decoder.next(&mut buf).unwrap() {
            messages.push(message);
        }
    }
    messages
}

fn push(queue: &mut LinkQueue, token: u32, label: u8, size: usize) {
    queue.push(Kind::Request, Some(Token(token)), &[label], Bytes::from(vec![label; size]));
}

fn labels(messages: &[Message]) -> Vec<u8> {
    messages.iter().map(|message| message.body[0]).collect()
}

#[test]
fn small_messages_pass_a_large_one_unless_they_share_its_token() {
    let mut queue = LinkQueue::default();
    push(&mut queue, 1, b'L', 10 << 20);
    push(&mut queue, 1, b'a', 10);
    push(&mut queue, 2, b'b', 10);
    push(&mut queue, 1, b'c', 10);
    queue.push(Kind::Response, None, b"d", Bytes::new());
    let messages = drain(&mut queue, 64 << 10);
    assert_eq!(labels(&messages), b"bdLac");
    assert_eq!(messages[2].body.len(), (10 << 20) + 1);
}

#[test]
fn a_small_message_waits_for_little() {
    let mut queue = LinkQueue::default();
    push(&mut queue, 1, b'L', 10 << 20);
    push(&mut queue, 2, b'b', 10);
    assert!(queue.wire().len() < WIRE_BYTES_MIN + BODY_MAX + 100, "{}", queue.wire().len());
}

#[test]
fn sizes_around_the_limit_of_a_frame_arrive_whole() {
    for size in [BODY_MAX - 2, BODY_MAX - 1, BODY_MAX, BODY_MAX + 1, 2 * BODY_MAX - 1, 2 * BODY_MAX] {
        let mut queue = LinkQueue::default();
        push(&mut queue, 1, b'x', size);
        let messages = drain(&mut queue, 1 << 20);
        assert_eq!((messages.len(), messages[0].body.len()), (1, size + 1), "{size}");
    }
}

#[test]
fn a_large_head_is_divided_too() {
    let mut queue = LinkQueue::default();
    queue.push(Kind::Request, None, &vec![b'h'; 3 * BODY_MAX], Bytes::from(vec![b't'; BODY_MAX]));
    let messages = drain(&mut queue, 1 << 20);
    assert_eq!((messages.len(), messages[0].body.len()), (1, 4 * BODY_MAX));
    assert_eq!((messages[0].body[3 * BODY_MAX - 1], messages[0].body[3 * BODY_MAX]), (b'h', b't'));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn messages_with_one_token_keep_their_order(
        pushes in proptest::collection::vec((0_u32..3, prop_oneof![3 => 0_usize..100, 1 => 60_000_usize..200_000], any::<bool>()), 1..40),
        step in 1_000_usize..100_000,
    ) {
        let mut queue = LinkQueue::default();
        let mut bytes = Vec::new();
        for (at, (token, size, write)) in pushes.iter().enumerate() {
            queue.push(Kind::Request, Some(Token(*token)), &[*token as u8, at as u8], Bytes::from(vec![0; *size]));
            if *write {
                bytes.extend(take(&mut queue, step));
            }
        }
        let mut decoder = Decoder::new(64 << 20);
        let mut buf = BytesMut::from(&bytes[..]);
        let mut messages = Vec::new();
        loop {
            while let Some(message) = decoder.next(&mut buf).unwrap() {
                messages.push(message);
            }
            if queue.is_empty() {
                break;
            }
            buf.extend_from_slice(&take(&mut queue, step));
        }
        prop_assert_eq!(messages.len(), pushes.len());
        for token in 0..3 {
            let order: Vec<u8> = messages.iter().filter(|m| m.body[0] == token).map(|m| m.body[1]).collect();
            prop_assert!(order.is_sorted(), "{:?}", order);
        }
        for message in &messages {
            prop_assert_eq!(message.body.len(), pushes[message.body[1] as usize].1 + 2);
        }
    }
}
