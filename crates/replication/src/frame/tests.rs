use proptest::prelude::*;

use super::*;

fn frame(number: u64, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let start = begin(&mut bytes, number);
    bytes.extend_from_slice(body);
    seal(&mut bytes, start).unwrap();
    bytes
}

fn frames(numbers: RangeInclusive<u64>) -> Vec<u8> {
    numbers.flat_map(|number| frame(number, &vec![number as u8; number as usize * 7])).collect()
}

/// Numbers of the frames up to the end or the first error.
fn numbers(mut bytes: &[u8]) -> (Vec<u64>, Option<FrameError>) {
    let mut numbers = Vec::new();
    loop {
        match first(bytes) {
            Ok(None) => return (numbers, None),
            Ok(Some(frame)) => {
                numbers.push(frame.number);
                bytes = &bytes[frame.size()..];
            }
            Err(error) => return (numbers, Some(error)),
        }
    }
}

#[test]
fn the_layout_is_length_crc_and_a_payload_that_begins_with_the_number() {
    let bytes = frame(0x0102, b"hi");
    let payload = [2, 1, 0, 0, 0, 0, 0, 0, b'h', b'i'];
    assert_eq!(bytes[..4], [10, 0, 0, 0]);
    assert_eq!(bytes[4..8], crc32fast::hash(&payload).to_le_bytes());
    assert_eq!(bytes[8..], payload);
    assert_eq!(first(&bytes), Ok(Some(Frame { number: 0x0102, payload: &payload })));
}

#[test]
fn frames_are_begun_behind_what_is_there() {
    let mut bytes = b"before".to_vec();
    let start = begin(&mut bytes, 9);
    seal(&mut bytes, start).unwrap();
    assert_eq!(&bytes[..6], b"before");
    assert_eq!(numbers(&bytes[6..]), (vec![9], None));
}

#[test]
fn a_log_cut_off_anywhere_gives_its_whole_frames() {
    let bytes = frames(1..=4);
    let ends: Vec<usize> = (1..=4).map(|last| frames(1..=last).len()).collect();
    for cut in 0..bytes.len() {
        let (found, error) = numbers(&bytes[..cut]);
        let whole = ends.iter().filter(|end| **end <= cut).count() as u64;
        assert_eq!(found, (1..=whole).collect::<Vec<_>>(), "cut at {cut}");
        assert_eq!(error.is_some(), !ends.contains(&cut) && cut != 0, "cut at {cut}: {error:?}");
        assert_eq!(find_later(&bytes[..cut][frames(1..=whole).len()..], whole), None, "cut at {cut}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let bytes = frame(7, b"some bytes");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.clone();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(first(&damaged).is_err(), "bit {bit}");
    }
}

#[test]
fn zeros_are_no_frame() {
    assert_eq!(first(&[0; 64]), Err(FrameError::TooShort(0)));
    assert_eq!(find_later(&[0; 64], 0), None);
}

#[test]
fn a_frame_behind_damage_is_found() {
    let (before, all) = (frames(1..=2).len(), frames(1..=4));
    for at in before..frames(1..=3).len() {
        let mut damaged = all.clone();
        damaged[at] ^= 0x40;
        assert_eq!(numbers(&damaged).0, [1, 2], "byte {at}");
        let found = find_later(&damaged[before..], 2);
        assert_eq!(found, Some(frames(1..=3).len() - before), "byte {at}");
    }
}

#[test]
fn an_older_frame_behind_the_end_is_no_later_one() {
    assert_eq!(find_later(&frames(3..=5), 5), None);
    assert_eq!(find_later(&frames(3..=5), 4), Some(frames(3..=4).len()));
}

#[test]
fn bytes_that_would_cost_too_much_count_as_a_frame() {
    // Each sixteen bytes claim to be a frame over nearly all that follows.
    let claim: Vec<u8> = [&60_000_u32.to_le_bytes()[..], &[0; 4], &5_u64.to_le_bytes()].concat();
    let bytes = claim.repeat(8_192);
    assert!(find_later(&bytes, 4).is_some());
    assert_eq!(find_later(&bytes[..160], 4), None);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), last in any::<u64>()) {
        let _ = first(&bytes);
        let _ = find_later(&bytes, last);
    }
}
