//! How large a log is whose old frames are thrown away as soon as they may be.

use std::collections::VecDeque;

use super::*;
use crate::records::log::{frame_number, frames};

/// Bytes of the item of an overwritten key of 16 bytes: head, length, key, version.
const ITEM_BYTES: usize = 2 + 1 + 16 + 12;

/// A table, and the frames of its log that are still needed.
struct Logged {
    records: Records,
    frames: VecDeque<(u64, usize)>,
    submitted: u64,
    state: u64,
}

impl Logged {
    fn new() -> Self {
        Self { records: logged(), frames: VecDeque::new(), submitted: 0, state: 0x1234_5678_9abc_def1 }
    }

    /// A random number below `count` (xorshift).
    fn below(&mut self, count: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % count
    }

    fn key(number: u64) -> [u8; 16] {
        let mut key = [b'k'; 16];
        key[8..].copy_from_slice(&number.to_le_bytes());
        key
    }

    fn write(&mut self, number: u64) {
        self.submitted += 1;
        write(&mut self.records, &Self::key(number), self.submitted, self.submitted);
    }

    fn forget(&mut self, number: u64) {
        self.records.forget(self.records.find(&Self::key(number)));
    }

    /// The operations of the last frames are under way.
    fn seal(&mut self, in_flight: u64) {
        let mut bytes = Vec::new();
        self.records.seal(self.submitted, self.submitted.saturating_sub(in_flight), false, &mut bytes);
        for payload in frames(&bytes) {
            let payload = payload.unwrap();
            self.frames.push_back((frame_number(payload).unwrap(), 8 + payload.len()));
        }
        let floor = self.records.log_floor();
        while self.frames.pop_front_if(|(number, _)| *number < floor).is_some() {}
    }

    fn bytes(&self) -> usize {
        self.frames.iter().map(|(_, bytes)| bytes).sum()
    }

    /// How many times as large as what it describes the log is, in percent.
    fn percent(&self) -> usize {
        self.bytes() * 100 / (self.records.len() * ITEM_BYTES)
    }
}

/// Overwrites `writes` keys, of which `pick` names the next, in turns of up to `turn_max`. The largest log, in percent.
fn largest(keys: u64, writes: u64, turn_max: u64, pick: impl Fn(&mut Logged) -> u64) -> usize {
    let mut log = Logged::new();
    for number in 0..keys {
        log.write(number);
        if number % turn_max == 0 {
            log.seal(turn_max);
        }
    }
    let mut largest = 0;
    let mut done = 0;
    while done < writes {
        let count = 1 + log.below(turn_max);
        for _ in 0..count {
            let number = pick(&mut log);
            log.write(number);
        }
        done += count;
        log.seal(turn_max);
        largest = largest.max(log.percent());
    }
    println!("{largest} % of {} bytes", log.records.len() * ITEM_BYTES);
    largest
}

#[test]
fn the_log_is_at_most_twice_as_large_as_what_it_describes() {
    const KEYS: u64 = 8000;
    for turn_max in [1, 8, 100] {
        assert!(largest(KEYS, 6 * KEYS, turn_max, |log| log.below(KEYS)) <= 200, "any key");
        assert!(largest(KEYS, 6 * KEYS, turn_max, |log| log.below(10)) <= 200, "a few keys");
        let skewed = |log: &mut Logged| {
            let limit = 1 + log.below(KEYS);
            log.below(limit)
        };
        assert!(largest(KEYS, 6 * KEYS, turn_max, skewed) <= 200, "some keys more than others");
    }
}

#[test]
fn the_log_shrinks_with_the_table() {
    const KEYS: u64 = 8000;
    let mut log = Logged::new();
    for round in 0..4 {
        for number in 0..KEYS {
            log.write(number);
            if number % 10 == 0 {
                log.seal(10);
            }
        }
        // Down to a few; then those are written for a while.
        for number in KEYS / 10..KEYS {
            log.forget(number);
            if number % 10 == 0 {
                log.seal(10);
            }
        }
        for _ in 0..KEYS {
            let number = log.below(KEYS / 10);
            log.write(number);
            log.seal(1);
        }
        assert!(log.percent() <= 200, "round {round}: {} %", log.percent());
    }
}

#[test]
fn a_table_that_is_not_written_needs_no_frames() {
    let mut log = Logged::new();
    (0..1000).for_each(|number| log.write(number));
    log.seal(0);
    let frames = log.frames.clone();
    (0..100).for_each(|_| log.seal(0));
    assert_eq!(log.frames, frames);
    assert!(log.percent() <= 101, "{} %", log.percent());
}

#[test]
fn notes_are_said_again_too() {
    let mut log = Logged::new();
    (0..100).for_each(|number| log.records.note(number, b"value"));
    log.seal(0);
    for number in 0..20_000 {
        log.write(number % 1000);
        log.seal(1);
    }
    assert!(log.records.log_floor() > 15_000, "{}", log.records.log_floor());
    assert!(log.percent() <= 210, "{} %", log.percent());
}

#[test]
fn frames_with_operations_under_way_are_needed() {
    const KEYS: u64 = 100;
    let mut log = Logged::new();
    (0..KEYS).for_each(|number| log.write(number));
    log.seal(0);
    let stuck = log.submitted;
    let mut bytes = Vec::new();
    for _ in 0..10_000 {
        let number = log.below(KEYS);
        log.write(number);
        log.records.seal(log.submitted, stuck, false, &mut bytes);
    }
    assert_eq!(log.records.log_floor(), 2);
    log.write(0);
    log.records.seal(log.submitted, log.submitted - 1, false, &mut bytes);
    assert!(log.records.log_floor() > 5000);
}
