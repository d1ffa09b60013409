use proptest::prelude::*;

use super::{
    steps::{Model, Step, steps},
    *,
};
use crate::records::slot::SHORT_KEY_MAX;

#[test]
fn numbers_stay_right_while_others_are_written() {
    let mut records = Records::default();
    let long = vec![b'k'; SHORT_KEY_MAX + 1];
    let keys: Vec<Vec<u8>> = (0..10_000).map(|n| format!("key:{n}").into_bytes()).chain([long]).collect();
    let ids: Vec<RecordId> = keys
        .iter()
        .enumerate()
        .map(|(n, key)| {
            assert_eq!(records.find(key), RecordId::NONE);
            records.write(RecordId::NONE, key, record(n as u64), n as u64)
        })
        .collect();
    for (n, (key, id)) in keys.iter().zip(&ids).enumerate() {
        assert_eq!((records.find(key), records.of(key).record), (*id, record(n as u64)));
    }
    assert_eq!(records.write(ids[3], &keys[3], record(50_000), 7), ids[3]);
    assert_eq!((records.of(&keys[3]).record, records.len()), (record(50_000), 10_001));
}

#[test]
fn doubt_is_about_the_overwrite_that_a_write_built_on() {
    let mut records = Records::default();
    let counted = record(1).sequenced(Version::ZERO, version(2), 7);
    let id = records.write(RecordId::NONE, b"k", record(1), 1);
    assert!(
        !records.doubt(id, &record(9), doubt_of(&record(9)))
            && !records.doubt(RecordId::NONE, &record(1), doubt_of(&record(1)))
    );
    records.advance(id, b"k", counted, 2);
    assert!(records.doubt(id, &counted, doubt_of(&counted)));
    assert_eq!(records.get(id).trust, Trust::Dirty);
    assert!(records.doubt(id, &record(1), doubt_of(&record(1))));
    assert_eq!(records.get(id).trust, Trust::DirtyOverwrite, "the overwrite itself is in doubt");
    assert!(records.doubt(id, &counted, doubt_of(&counted)));
    records.advance(id, b"k", counted, 3);
    assert_eq!(
        records.get(id).trust,
        Trust::DirtyOverwrite,
        "a sequenced write builds on the doubtful state"
    );
    records.write(id, b"k", record(2), 4);
    assert_eq!(records.get(id).trust, Trust::Trusted, "an overwrite does not");
}

#[test]
fn a_copy_in_doubt_holds_no_claim() {
    let mut records = Records::default();
    let id = write(&mut records, b"k", 1, 1);
    records.claim(id, b"k", Claim::Term(version(5)));
    records.doubt(id, &record(1), doubt_of(&record(1)));
    assert_eq!(records.get(id).claim, Claim::Void);
    records.write(id, b"k", record(2), 2);
    assert_eq!(records.get(id).claim, Claim::Void, "nor when its state is known again");
}

#[test]
fn a_promise_makes_an_entry_and_is_never_taken_back() {
    let mut records = Records::default();
    let id = records.promise(RecordId::NONE, b"k", version(5));
    assert_eq!(records.get(id), Entry { promised: version(5), ..Entry::default() });
    records.promise(id, b"k", version(3));
    records.write(id, b"k", record(9), 1);
    let entry = Entry { record: record(9), promised: version(5), written_at: 1, ..Entry::default() };
    assert_eq!((records.of(b"k"), records.len()), (entry, 1));
}

#[test]
fn a_new_state_is_expected_to_be_present() {
    let mut records = Records::default();
    let id = write(&mut records, b"k", 1, 1);
    records.set_absent_from(id, Some(77));
    records.advance(id, b"k", record(1), 1);
    assert_eq!(records.get(id).absent_from, Some(77), "no operation was given to the lane");
    records.advance(id, b"k", record(1).sequenced(Version::ZERO, version(2), 0), 2);
    assert_eq!(records.get(id).absent_from, None);
    records.set_absent_from(id, Some(78));
    records.write(id, b"k", record(3), 3);
    assert_eq!(records.get(id).absent_from, None);
}

#[test]
fn a_forgotten_keys_id_is_never_anothers() {
    let mut records = Records::default();
    let old = write(&mut records, b"old", 1, 1);
    records.forget(old);
    assert_eq!(
        (records.get(old), records.find(b"old"), records.len()),
        (Entry::default(), RecordId::NONE, 0)
    );
    let new = write(&mut records, b"new", 2, 2);
    assert_eq!((new.number, records.slot_count()), (old.number, 1), "the slot is used again");
    assert_eq!(records.get(old), Entry::default());
    assert!(!records.doubt(old, &record(2), doubt_of(&record(2))));
    records.set_trust(old, Trust::Lost);
    records.set_absent_from(old, Some(1));
    records.forget(old);
    assert_eq!(records.get(new), Entry { record: record(2), written_at: 2, ..Entry::default() });

    let again = records.write(old, b"old", record(3), 3);
    assert_eq!((records.find(b"old"), records.of(b"old").record), (again, record(3)));
    assert_eq!(records.write(old, b"old", record(4), 4), again, "the key is found where it is now");
    assert_eq!((records.of(b"new").record, records.len()), (record(2), 2));
}

#[test]
fn a_scan_in_slices_meets_every_key_once() {
    let mut records = Records::default();
    for n in 0..1000_u64 {
        write(&mut records, format!("k{n}").as_bytes(), n + 1, n + 1);
    }
    for n in 0..500_u64 {
        records.forget(records.find(format!("k{}", 2 * n).as_bytes()));
    }
    let mut found = Vec::new();
    for start in (0..records.slot_count()).step_by(64) {
        for (id, key, entry) in records.slots(start..start + 64) {
            assert_eq!((records.find(key), records.get(id)), (id, entry));
            found.push(entry.record.base.clock);
        }
    }
    assert_eq!(found, (0..500).map(|n| 2 * n + 2).collect::<Vec<u64>>());
}

#[test]
fn notes_are_kept_until_they_are_empty() {
    let mut records = Records::default();
    records.note(7, b"seven");
    records.note(3, b"three");
    records.note(7, b"SEVEN");
    assert_eq!(records.notes().collect::<Vec<_>>(), [(3, &b"three"[..]), (7, b"SEVEN")]);
    records.note(3, b"");
    records.note(4, b"");
    assert_eq!(records.notes().collect::<Vec<_>>(), [(7, &b"SEVEN"[..])]);
}

#[test]
fn a_table_without_a_log_says_nothing() {
    let mut records = Records::default();
    write(&mut records, b"k", 1, 1);
    let mut frames = Vec::new();
    assert_eq!((records.seal(1, 1, true, &mut frames), records.log_floor(), frames.len()), (None, 0, 0));
}

proptest! {
    #[test]
    fn the_table_is_what_a_plain_map_says(steps in steps(400)) {
        let mut records = Records::default();
        let mut model = Model::default();
        for step in steps {
            step.apply(&mut records, &mut model);
            let key = step.key();
            prop_assert_eq!(records.of(&key), model.entry(&key));
            prop_assert_eq!(records.untrusted_count(), records.untrusted().len());
        }
        prop_assert_eq!(Model::of(&records), model);
        records.fetch((0..Step::KEYS).map(Step::key_of).collect::<Vec<_>>().iter().map(|key| &key[..]));
    }
}
