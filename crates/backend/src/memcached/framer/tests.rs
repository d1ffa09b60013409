use proptest::prelude::*;

use super::*;

const LIMIT: usize = 1 << 20;

/// All replies in `bytes`, which arrive in chunks of the given sizes, over and over.
fn replies(shapes: &[Shape], bytes: &[u8], chunks: &[usize]) -> Result<Vec<String>, String> {
    let mut framer = ReplyFramer::new(LIMIT);
    let mut input = BytesMut::new();
    let mut rest = bytes;
    let mut sizes = chunks.iter().copied().cycle();
    let mut found = Vec::new();
    loop {
        while let Some(shape) = shapes.get(found.len()) {
            match framer.next(*shape, &mut input).map_err(|broken| broken.to_string())? {
                Some(reply) => found.push(String::from_utf8_lossy(&reply).into_owned()),
                None => break,
            }
        }
        if rest.is_empty() {
            assert!(input.is_empty() || found.len() < shapes.len(), "all was taken");
            return Ok(found);
        }
        let (now, later) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        input.extend_from_slice(now);
        rest = later;
    }
}

/// One of each kind, with what looks like an end inside of values.
const SAMPLES: [(Shape, &str); 17] = [
    (Shape::Line, "STORED\r\n"),
    (Shape::Line, "VERSION 1.6.18\r\n"),
    (Shape::Line, "VALUE is no value here\r\n"),
    (Shape::Line, "SERVER_ERROR object too large for cache\r\n"),
    (Shape::Meta, "HD f0 t-1\r\n"),
    (Shape::Meta, "EN\r\n"),
    (Shape::Meta, "VA 0\r\n\r\n"),
    (Shape::Meta, "VA 9 f0 kVA\r\nEND\r\nEN\r\n\r\n"),
    (Shape::Meta, "CLIENT_ERROR invalid flag\r\n"),
    (Shape::Values, "END\r\n"),
    (Shape::Values, "VALUE END 0 5\r\nEND\r\n\r\nEND\r\n"),
    (Shape::Values, "VALUE a 1 0 77\r\n\r\nVALUE b 2 1\r\nx\r\nEND\r\n"),
    (Shape::Values, "ERROR\r\n"),
    (Shape::Stats, "STAT pid 1\r\nSTAT ENDING END\r\nEND\r\n"),
    (Shape::Stats, "RESET\r\n"),
    (Shape::Stats, "ITEM k [1 b; 0 s]\r\nEND\r\n"),
    (Shape::Stats, "END\r\n"),
];

proptest! {
    #[test]
    fn any_chunks_of_any_replies_give_the_same_replies(
        picks in prop::collection::vec(0..SAMPLES.len(), 1..20),
        chunks in prop::collection::vec(1usize..40, 1..10),
    ) {
        let shapes: Vec<Shape> = picks.iter().map(|pick| SAMPLES[*pick].0).collect();
        let expected: Vec<String> = picks.iter().map(|pick| SAMPLES[*pick].1.to_owned()).collect();
        prop_assert_eq!(replies(&shapes, expected.concat().as_bytes(), &chunks), Ok(expected));
    }

    #[test]
    fn no_bytes_make_it_panic_or_take_more_than_came(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        shape in prop::sample::select(vec![Shape::Line, Shape::Meta, Shape::Values, Shape::Stats]),
        chunks in prop::collection::vec(1usize..40, 1..10),
    ) {
        let _ = replies(&[shape; 200], &bytes, &chunks);
    }
}

#[test]
fn what_is_no_reply_to_the_question_is_refused() {
    let longer_line = format!("VALUE {} 0 1\r\n", "k".repeat(LINE_BYTES_MAX));
    let cases = [
        (Shape::Meta, "VA\r\n", "a value without its length"),
        (Shape::Meta, "VA x\r\nx\r\n", "a value without its length"),
        (Shape::Meta, "VA -1\r\nx\r\n", "a value without its length"),
        (Shape::Meta, "VA 1\r\nxyz\r\n", "a value is longer than was said"),
        (Shape::Meta, "VA 18446744073709551615\r\n", "it is longer than allowed"),
        (Shape::Meta, "VA 1048576\r\n", "it is longer than allowed"),
        (Shape::Values, "VALUE a 0\r\n", "a value without its length"),
        (Shape::Values, "STORED\r\n", "a line that does not belong to it"),
        (Shape::Values, "VALUE a 0 1\r\nx\r\nHD\r\n", "a line that does not belong to it"),
        (Shape::Values, "END of it\r\n", "a line that does not belong to it"),
        (Shape::Stats, "STAT a b\r\nOK\r\n", "a line that does not belong to it"),
        (Shape::Values, longer_line.as_str(), "a line is longer than any of memcached's"),
    ];
    for (shape, bytes, fault) in cases {
        let error = replies(&[shape], bytes.as_bytes(), &[7]).unwrap_err();
        assert_eq!(error, format!("unreadable reply from the datastore: {fault}"), "{bytes:.40}");
    }
    let endless = "STAT a b\r\n".repeat(LIMIT / 10 + 1);
    assert!(
        replies(&[Shape::Stats], endless.as_bytes(), &[4096]).unwrap_err().ends_with("longer than allowed")
    );
}

#[test]
fn it_tells_how_much_of_a_block_is_missing() {
    let mut framer = ReplyFramer::new(LIMIT);
    let mut input = BytesMut::from(&b"VA 1000\r\nx"[..]);
    assert!(framer.next(Shape::Meta, &mut input).is_ok_and(|reply| reply.is_none()));
    assert_eq!(framer.wanted(), 1001);
}
