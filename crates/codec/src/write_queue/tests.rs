use proptest::prelude::*;

use super::*;

fn drain(queue: &mut WriteQueue, step: usize) -> Vec<u8> {
    let mut out = Vec::new();
    while !queue.is_empty() {
        let mut slices = [IoSlice::new(&[]); 4];
        let count = queue.fill_io_slices(&mut slices);
        assert!(count > 0 && slices[..count].iter().all(|slice| !slice.is_empty()));
        let written: Vec<u8> =
            slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(step).collect();
        queue.advance(written.len());
        out.extend(written);
    }
    out
}

#[test]
fn small_pieces_share_a_segment_and_large_ones_are_not_copied() {
    let mut queue = WriteQueue::new();
    let large = Bytes::from(vec![7; BY_REFERENCE_MIN]);
    queue.append(b"a");
    queue.append_bytes(Bytes::from_static(b"b"));
    queue.append_bytes(large.clone());
    queue.append(b"c");
    let mut slices = [IoSlice::new(&[]); 8];
    assert_eq!(queue.fill_io_slices(&mut slices), 3);
    assert_eq!(&slices[0][..], b"ab");
    assert_eq!(slices[1].as_ptr(), large.as_ptr());
    assert_eq!(&slices[2][..], b"c");
    assert_eq!(queue.len(), BY_REFERENCE_MIN + 3);
}

#[test]
fn memory_is_given_back_after_a_burst() {
    let mut queue = WriteQueue::new();
    for _ in 0..1000 {
        queue.append(&[1; 1000]);
    }
    assert_eq!(queue.len(), 1_000_000);
    assert_eq!(drain(&mut queue, usize::MAX).len(), 1_000_000);
    assert!(queue.tail.capacity() <= IDLE_CAPACITY_MAX);
}

#[test]
fn a_queue_that_is_never_empty_does_not_grow() {
    let mut queue = WriteQueue::new();
    queue.append(&[0; 2000]);
    for _ in 0..10_000 {
        queue.append(&[1; 1000]);
        queue.advance(1000);
        assert_eq!(queue.len(), 2000);
    }
    assert!(queue.tail.capacity() <= 2 * SEGMENT_MAX);
    assert!(queue.segments.len() <= 1);
}

#[test]
fn a_large_piece_does_not_pin_the_memory_of_the_small_ones_before_it() {
    let mut queue = WriteQueue::new();
    for _ in 0..100 {
        queue.append(b"header");
        queue.append_bytes(Bytes::from_static(&[0; BY_REFERENCE_MIN]));
    }
    assert!(queue.tail.capacity() < 100);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bytes_leave_in_the_order_they_came(
        sizes in prop::collection::vec(prop_oneof![0usize..100, 16_000usize..17_000, 100_000usize..200_000], 0..20),
        step in 1usize..100_000,
        advance_between in 0usize..20_000,
    ) {
        let mut queue = WriteQueue::new();
        let (mut expected, mut out) = (Vec::new(), Vec::new());
        for (index, size) in sizes.into_iter().enumerate() {
            let piece: Vec<u8> = (0..size).map(|offset| (offset * 31 + index) as u8).collect();
            expected.extend_from_slice(&piece);
            if index % 2 == 0 { queue.append(&piece) } else { queue.append_bytes(piece.into()) }
            let count = advance_between.min(queue.len());
            out.extend_from_slice(&queue.copy_to_bytes(count));
        }
        prop_assert_eq!(queue.len(), expected.len() - out.len());
        out.extend(drain(&mut queue, step));
        prop_assert!(out == expected);
    }
}
