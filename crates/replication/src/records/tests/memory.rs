use stats_alloc::{Region, Stats};

use super::*;

/// Beyond the key's own bytes.
const BYTES_PER_RECORD_MAX: usize = 120;
const KEY_BYTES: usize = 16;
/// Smaller tables are not measured: their first chunks are not full.
const MEASURED_MIN: usize = 1 << 17;

fn key(number: usize) -> [u8; KEY_BYTES] {
    let mut key = *b"user:00000000000";
    for (digit, place) in format!("{number:011}").bytes().zip(&mut key[5..]) {
        *place = digit;
    }
    key
}

/// Bytes for each of `count` records at the most, their keys left out, while `fill` makes one after the other.
fn bytes_per_record(count: usize, mut fill: impl FnMut(&mut Records, usize)) -> usize {
    const MEASURED_EVERY: usize = 1024;
    let region = Region::new(ALLOCATOR);
    let mut records = Records::default();
    let mut most = 0;
    for number in 0..count {
        fill(&mut records, number);
        let len = number + 1;
        if len >= MEASURED_MIN && len % MEASURED_EVERY == 0 {
            let Stats { bytes_allocated, bytes_deallocated, .. } = region.change();
            most = most.max((bytes_allocated - bytes_deallocated) / len);
        }
    }
    assert_eq!(records.len(), count);
    most - KEY_BYTES
}

#[test]
fn an_overwritten_key_takes_at_most_120_bytes_while_the_table_grows_too() {
    let bytes = bytes_per_record(1_000_000, |records, number| {
        records.write(RecordId::NONE, &key(number), record(number as u64 + 1), number as u64 + 1);
    });
    println!("{bytes} bytes per record");
    assert!(bytes <= BYTES_PER_RECORD_MAX, "{bytes}");
}

#[test]
fn a_sequenced_key_takes_at_most_120_bytes_while_the_table_grows_too() {
    let bytes = bytes_per_record(500_000, |records, number| {
        let record = Record::default().sequenced(Version::ZERO, version(number as u64 + 1), 1);
        records.advance(RecordId::NONE, &key(number), record, number as u64 + 1);
    });
    println!("{bytes} bytes per record");
    assert!(bytes <= BYTES_PER_RECORD_MAX, "{bytes}");
}

#[test]
fn places_of_forgotten_keys_are_used_again() {
    const COUNT: usize = 5000;
    let mut records = Records::default();
    let mut fill = |from: usize| {
        for number in from..from + COUNT {
            let record = record(1).sequenced(version(7), version(2), 1);
            records.advance(RecordId::NONE, &key(number), record, 1);
        }
        for number in from..from + COUNT {
            records.forget(records.find(&key(number)));
        }
        (records.slot_count(), records.len())
    };
    assert_eq!(fill(0), (COUNT, 0));
    assert_eq!(fill(COUNT), (COUNT, 0));
}

#[test]
fn known_keys_are_looked_up_and_written_and_logged_without_allocating() {
    const KEYS: usize = 2000;
    const BATCH: usize = 32;
    // Other tests allocate in other threads; not all the time.
    const ATTEMPTS: usize = 1000;
    let keys: Vec<_> = (0..KEYS).map(key).collect();
    let mut records = logged();
    let mut frames = Vec::new();
    let mut submitted = 0;
    let mut round = || {
        for batch in keys.chunks(BATCH) {
            records.fetch(batch.iter().map(|key| &key[..]));
            for (at, key) in batch.iter().enumerate() {
                submitted += 1;
                let id = records.find(key);
                let record = record(submitted);
                match at % 4 {
                    0 => records.advance(id, key, record.sequenced(version(1), version(2), 1), submitted),
                    _ => records.write(id, key, record, submitted),
                };
            }
            frames.clear();
            records.seal(submitted, submitted - BATCH as u64, false, &mut frames);
        }
    };
    (0..10).for_each(|_| round());
    let mut rounds = (0..ATTEMPTS).map(|_| {
        let region = Region::new(ALLOCATOR);
        round();
        let Stats { allocations, reallocations, .. } = region.change();
        allocations + reallocations
    });
    assert_eq!(rounds.find(|count| *count == 0), Some(0), "every round allocates");
}
