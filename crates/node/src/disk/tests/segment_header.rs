use dynomite_ring::NodeId;

use super::*;
use crate::disk::header::{HEADER_BYTES, Header, LogId};

const LOG: LogId =
    LogId { kind: LogKind::Hints, node: NodeId(0x0102_0304), generation: 5, worker: 6, worker_count: 7 };
const HEADER: Header = Header { log: LOG, sequence: 8, first_frame: 9, previous_frame: 0x0a0b };

#[test]
fn a_header_is_laid_out_as_documented() {
    let bytes = HEADER.encode();
    assert_eq!(bytes.len(), 52);
    assert_eq!(bytes[..8], *b"DYNOLOG\n");
    assert_eq!(bytes[8..16], [1, 0, 2, 0, 6, 0, 7, 0]);
    assert_eq!(bytes[16..24], [4, 3, 2, 1, 5, 0, 0, 0]);
    assert_eq!(bytes[24..32], [8, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[32..40], [9, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[40..48], [0x0b, 0x0a, 0, 0, 0, 0, 0, 0]);
    assert_eq!(bytes[48..], crc32fast::hash(&bytes[..48]).to_le_bytes());
    assert_eq!(Header::decode(&bytes, &LOG, 8), Ok(HEADER));
}

#[test]
fn what_is_no_header_of_this_segment_is_refused_with_the_reason() {
    let good = HEADER.encode();
    let changed = |at: usize, value: u8| {
        let mut bytes = good;
        bytes[at] = value;
        let crc = crc32fast::hash(&bytes[..48]);
        bytes[48..].copy_from_slice(&crc.to_le_bytes());
        Header::decode(&bytes, &LOG, 8)
    };
    assert_eq!(Header::decode(&good[..HEADER_BYTES - 1], &LOG, 8), Err(HeaderError::CutOff));
    assert_eq!(changed(0, b'd'), Err(HeaderError::Magic));
    assert_eq!(changed(8, 2), Err(HeaderError::Version(2)));
    for (at, field) in
        [(10, "kind"), (12, "worker"), (14, "worker"), (16, "node"), (20, "generation"), (24, "sequence")]
    {
        assert_eq!(changed(at, 99), Err(HeaderError::Misplaced(field)));
    }
    for bit in 0..HEADER_BYTES * 8 {
        let mut bytes = good;
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(Header::decode(&bytes, &LOG, 8).is_err(), "bit {bit}");
    }
}
