use std::io::IoSlice;

use proptest::prelude::*;

use super::*;

fn bytes_of(queue: &WriteQueue) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 64];
    let filled = queue.fill_io_slices(&mut slices);
    slices[..filled].iter().flat_map(|slice| slice.to_vec()).collect()
}

fn frame(kind: Kind, head: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut queue = WriteQueue::new();
    put_frame(&mut queue, kind, head, Bytes::copy_from_slice(tail));
    bytes_of(&queue)
}

fn decode_all(bytes: &[u8], cuts: &[usize]) -> Result<Vec<Message>, FrameError> {
    let mut decoder = Decoder::new(1 << 20);
    let mut buf = BytesMut::new();
    let mut messages = Vec::new();
    let mut rest = bytes;
    for cut in cuts.iter().copied().chain([bytes.len()]) {
        let (now, later) = rest.split_at(cut.min(rest.len()));
        buf.extend_from_slice(now);
        rest = later;
        while let Some(message) = decoder.next(&mut buf)? {
            messages.push(message);
        }
    }
    Ok(messages)
}

#[test]
fn every_cut_gives_the_same_messages() {
    let mut bytes = frame(Kind::Request, b"head", b"tail");
    bytes.extend(frame(Kind::Heartbeat, b"", b""));
    bytes.extend(frame(Kind::Chunk, b"", b"ab"));
    bytes.extend(frame(Kind::Response, b"between", b""));
    bytes.extend(frame(Kind::LastChunk, &[Kind::Request as u8], b"cd"));
    let whole = decode_all(&bytes, &[]).unwrap();
    let bodies: Vec<(Kind, &[u8])> = whole.iter().map(|message| (message.kind, &message.body[..])).collect();
    let expected: [(Kind, &[u8]); 4] = [
        (Kind::Request, b"headtail"),
        (Kind::Heartbeat, b""),
        (Kind::Response, b"between"),
        (Kind::Request, b"abcd"),
    ];
    assert_eq!(bodies, expected);
    for cut in 0..bytes.len() {
        assert_eq!(decode_all(&bytes, &[cut]).unwrap(), whole, "cut at {cut}");
    }
    assert_eq!(decode_all(&bytes, &vec![1; bytes.len()]).unwrap(), whole);
}

#[test]
fn any_damaged_byte_is_noticed() {
    let bytes = frame(Kind::Request, b"head", b"tail");
    for at in 4..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert_eq!(decode_all(&damaged, &[]), Err(FrameError::WrongCrc), "byte {at}");
    }
}

#[test]
fn limits_hold_before_anything_is_buffered() {
    let mut decoder = Decoder::new(100);
    let header = |length: u32| {
        let mut buf = BytesMut::from(&[0_u8; HEADER_BYTES][..]);
        buf[..4].copy_from_slice(&length.to_le_bytes());
        buf
    };
    assert_eq!(decoder.next(&mut header(u32::MAX)), Err(FrameError::FrameTooLong(u32::MAX as usize)));
    assert_eq!(decoder.next(&mut header(0)), Err(FrameError::Empty));
    let chunk = frame(Kind::Chunk, b"", &[7; 60]);
    assert_eq!(decoder.next(&mut BytesMut::from(&chunk[..])), Ok(None));
    assert_eq!(decoder.next(&mut BytesMut::from(&chunk[..])), Err(FrameError::MessageTooLong(100)));
}

#[test]
fn unknown_kinds_are_refused() {
    let mut bytes = frame(Kind::Request, b"", b"");
    bytes[8] = 77;
    let crc = crc32fast::hash(&bytes[8..]);
    bytes[4..8].copy_from_slice(&crc.to_le_bytes());
    assert_eq!(decode_all(&bytes, &[]), Err(FrameError::UnknownKind(77)));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode_all(&bytes, &[]);
    }
}

#[test]
fn small_messages_of_one_kind_share_a_frame() {
    let (mut queue, mut writer) = (WriteQueue::new(), FrameWriter::default());
    for number in 0..3u8 {
        writer.put(&mut queue, Kind::Request, &[number], Bytes::new());
    }
    writer.put(&mut queue, Kind::Response, b"r", Bytes::from(vec![b't'; COPY_MAX + 1]));
    writer.put(&mut queue, Kind::Response, b"s", Bytes::new());
    writer.put(&mut queue, Kind::Response, &vec![b'l'; BODY_MAX], Bytes::new());
    assert!(queue.len() > BODY_MAX / 16, "what is full or by reference does not wait");
    writer.close(&mut queue);
    let bytes = bytes_of(&queue);
    let kinds: Vec<u8> = {
        let (mut kinds, mut rest) = (Vec::new(), &bytes[..]);
        while !rest.is_empty() {
            let length = u32::from_le_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            kinds.push(rest[8]);
            rest = &rest[8 + length..];
        }
        kinds
    };
    assert_eq!(kinds, [4, 5, 5, 5], "three requests, then each response's frame");
    let messages = decode_all(&bytes, &[1, 7, 30, 4000]).unwrap();
    let sizes: Vec<usize> = messages.iter().map(|message| message.body.len()).collect();
    assert_eq!(sizes, [1, 1, 1, COPY_MAX + 2, 1, BODY_MAX]);
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    for inner in [&[2, 0, 0, 0, b'x'][..], &[0, 0, 0], &[1, 0, 0, 0, b'x', 9]] {
        let (mut queue, mut writer) = (WriteQueue::new(), FrameWriter::default());
        writer.open.extend_from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, Kind::Request as u8]);
        writer.open.extend_from_slice(inner);
        writer.close(&mut queue);
        assert_eq!(decode_all(&bytes_of(&queue), &[]), Err(FrameError::WrongLength), "{inner:?}");
    }
}

fn compressed(messages: &[(Kind, Vec<u8>)]) -> Vec<u8> {
    let (mut queue, mut writer) = (WriteQueue::new(), FrameWriter::default());
    writer.compress();
    for (kind, body) in messages {
        writer.put(&mut queue, *kind, &[], Bytes::from(body.clone()));
    }
    writer.close(&mut queue);
    bytes_of(&queue).to_vec()
}

#[test]
fn compressed_frames_are_smaller_and_say_the_same() {
    let text = b"the same words again ".repeat(300);
    let messages =
        [(Kind::Request, text.clone()), (Kind::Request, b"small".to_vec()), (Kind::Response, text)];
    let bytes = compressed(&messages);
    assert!(bytes.len() < 1000, "{}", bytes.len());
    let decoded = decode_all(&bytes, &[7, 60, 300]).unwrap();
    let bodies = decoded.iter().map(|message| (message.kind, message.body.to_vec()));
    assert_eq!(bodies.collect::<Vec<_>>(), messages);
}

#[test]
fn a_compressed_frame_that_lies_is_refused() {
    let forge = |body: &[u8]| {
        let mut queue = WriteQueue::new();
        put_frame(&mut queue, Kind::Compressed, body, Bytes::new());
        decode_all(&bytes_of(&queue), &[])
    };
    assert_eq!(forge(b""), Err(FrameError::NotCompressed));
    assert_eq!(forge(&[Kind::Compressed as u8, 1, 0, 0, 0]), Err(FrameError::UnknownKind(10)));
    assert_eq!(forge(&[4, 255, 255, 255, 255, 0]), Err(FrameError::FrameTooLong(u32::MAX as usize)));
    assert_eq!(forge(&[4, 9, 0, 0, 0, 0x10, b'x']), Err(FrameError::NotCompressed));
}

proptest! {
    #[test]
    fn any_messages_survive_compression(
        bodies in proptest::collection::vec(proptest::collection::vec(0_u8..4, 0..3000), 1..6),
        cuts in proptest::collection::vec(any::<usize>(), 0..5),
    ) {
        let messages: Vec<_> = bodies.into_iter().map(|body| (Kind::Response, body)).collect();
        let bytes = compressed(&messages);
        let cuts: Vec<usize> = cuts.iter().map(|cut| cut % bytes.len()).collect();
        let decoded = decode_all(&bytes, &cuts).unwrap();
        let bodies: Vec<_> = decoded.iter().map(|message| (message.kind, message.body.to_vec())).collect();
        prop_assert_eq!(bodies, messages);
    }
}
