use super::*;

fn payload(parts: &[u8]) -> Option<PagePayload> {
    PagePayload::read(&Bytes::copy_from_slice(parts))
}

#[test]
fn payload_reads_back_as_the_arguments_of_its_command() {
    let position = start(Some(Kind::SortedSet), false);
    let reply = ReplyView::parse(b"*4\r\n$1\r\na\r\n$3\r\n1.5\r\n$2\r\n\r\n\r\n$4\r\n-inf\r\n").unwrap();
    let page = Page::read(Kind::SortedSet, position, (None, reply)).unwrap();
    let read = PagePayload::read(&page.payload()).unwrap();
    assert_eq!(
        read.args, "$3\r\n1.5\r\n$1\r\na\r\n$4\r\n-inf\r\n$2\r\n\r\n\r\n",
        "score before member, for ZADD"
    );
    assert_eq!((read.kind, read.arg_count, read.amount), (Kind::SortedSet, 4, 2));
}

#[test]
fn amount_of_a_string_is_its_bytes() {
    let replies = (Some(ReplyView::Integer(300)), ReplyView::Bulk(b"four"));
    let page = Page::read(Kind::String, start(Some(Kind::String), true), replies).unwrap();
    let read = PagePayload::read(&page.payload()).unwrap();
    assert_eq!((read.arg_count, read.amount, read.whole), (1, 4, Some(300)));
    assert_eq!(read.block, "four");
    assert_eq!(read.args, "$4\r\nfour\r\n");
}

#[test]
fn payload_that_nobody_made_is_refused() {
    let sound: [&[u8]; 3] =
        [b"\x01\x0112345678*1\r\n$1\r\na\r\n", b"\x01\x03*2\r\n$1\r\na\r\n$1\r\nb\r\n", b"\x01\x02*0\r\n"];
    assert!(sound.into_iter().all(|parts| payload(parts).is_some()));
    let cases: [&[u8]; 13] = [
        b"",
        b"\x01",
        b"\x01\x01",
        // Another layout, another type.
        b"\x02\x02*1\r\n$1\r\na\r\n",
        b"\x01\x09*1\r\n$1\r\na\r\n",
        b"\x01\x00*1\r\n$1\r\na\r\n",
        // Half a pair; two blocks, none, no length.
        b"\x01\x03*1\r\n$1\r\na\r\n",
        b"\x01\x0112345678*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"\x01\x0112345678*0\r\n",
        b"\x01\x01*1\r\n$1\r\na\r\n",
        // No array of strings, or more than that.
        b"\x01\x02:1\r\n",
        b"\x01\x02*1\r\n:1\r\n",
        b"\x01\x02*1\r\n$1\r\na\r\n*1\r\n$8\r\nFLUSHALL\r\n",
    ];
    for parts in cases {
        assert!(payload(parts).is_none(), "{}", parts.escape_ascii());
    }
}

#[test]
fn string_that_ends_with_its_block_has_no_empty_block_behind_it() {
    let block = vec![b'x'; PIECE_BYTES];
    let read = |cursor, bytes, whole| {
        let position = Position { cursor, ..start(Some(Kind::String), true) };
        let replies = (Some(ReplyView::Integer(whole)), ReplyView::Bulk(bytes));
        Page::read(Kind::String, position, replies).unwrap().next.map(|next| next.cursor)
    };
    let len = PIECE_BYTES as u64;
    assert_eq!(read(0, &block, len as i64), None);
    assert_eq!(read(0, &block, len as i64 + 1), Some(len));
    assert_eq!(read(len, b"x", len as i64 + 1), None);
    assert_eq!(read(0, b"", 0), None);
}

#[test]
fn pages_grow_to_the_size_of_a_piece_and_shrink_to_one_element() {
    let next_count = |count: u32, element_bytes: usize| {
        let mut reply = BytesMut::new();
        encode::array(&mut reply, count as usize);
        (0..count).for_each(|_| encode::bulk(&mut reply, &vec![b'x'; element_bytes]));
        let position = Position { count, ..start(Some(Kind::List), true) };
        let page = Page::read(Kind::List, position, (None, ReplyView::parse(&reply).unwrap())).unwrap();
        page.next.expect("it was full").count
    };
    assert_eq!(next_count(1, 10), COUNT_GROWTH_MAX);
    assert_eq!(next_count(COUNT_MAX, 10), COUNT_MAX);
    assert_eq!(next_count(COUNT_MAX, PIECE_BYTES / 100), 100);
    assert_eq!(next_count(2, PIECE_BYTES), 1);
    assert_eq!(next_count(1, PIECE_BYTES * 2), 1);
    assert_eq!(next_count(1, 0), COUNT_GROWTH_MAX);
}
