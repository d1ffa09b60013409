use std::collections::{BTreeSet, VecDeque};

use proptest::prelude::*;

use super::{
    steps::{Model, Operation, Step, any_entry, step},
    *,
};
use crate::records::log::{Change, Item, LogError, frame_number, frames, items};
use crate::records::losses::MARKER_NOTE;

/// The payloads of the frames in `bytes`.
fn payloads(bytes: &[u8]) -> Vec<Vec<u8>> {
    frames(bytes).map(|payload| payload.unwrap().to_vec()).collect()
}

/// One frame after the other.
fn recover(payloads: &[Vec<u8>]) -> (Records, Recovered) {
    let mut records = logged();
    for payload in payloads {
        records.recover_frame(payload, |_| true).unwrap();
    }
    let recovered = records.finish_recovery();
    (records, recovered)
}

/// Seals with everything executed.
fn sealed(records: &mut Records) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    records.seal(9, 9, false, &mut bytes);
    payloads(&bytes)
}

#[test]
fn what_was_under_way_is_in_doubt() {
    let mut records = logged();
    let mut bytes = Vec::new();
    write(&mut records, b"done", 1, 1);
    write(&mut records, b"counted", 2, 2);
    assert_eq!(records.seal(2, 0, false, &mut bytes), Some(1));
    let counted = record(2).sequenced(Version::ZERO, version(3), 1);
    records.advance(records.find(b"counted"), b"counted", counted, 3);
    records.claim(records.find(b"counted"), b"counted", Claim::Term(version(4)));
    write(&mut records, b"overwritten", 5, 4);
    write(&mut records, b"both", 5, 5);
    let counted = record(5).sequenced(Version::ZERO, version(6), 1);
    records.advance(records.find(b"both"), b"both", counted, 6);
    records.promise(RecordId::NONE, b"promised", version(90));
    // The first frame was executed, and that is known; half of this one was, and that is no help.
    assert_eq!(records.seal(6, 3, false, &mut bytes), Some(2));

    let (records, recovered) = recover(&payloads(&bytes));
    assert_eq!(
        recovered,
        Recovered { records: 5, in_doubt: 3, greatest_clock: 90, was_clean: false, ..recovered }
    );
    let trust = |key: &[u8]| (records.of(key).trust, records.of(key).claim);
    assert_eq!(trust(b"done"), (Trust::Trusted, Claim::Birth));
    assert_eq!(trust(b"promised"), (Trust::Trusted, Claim::Birth), "no operation was");
    assert_eq!(trust(b"counted"), (Trust::Dirty, Claim::Void));
    assert_eq!(trust(b"overwritten"), (Trust::DirtyOverwrite, Claim::Void));
    assert_eq!(trust(b"both"), (Trust::DirtyOverwrite, Claim::Void));
}

#[test]
fn what_was_under_way_in_an_earlier_frame_is_in_doubt_although_it_was_said_again() {
    let mut records = logged();
    let mut bytes = Vec::new();
    write(&mut records, b"k", 1, 1);
    records.seal(1, 0, false, &mut bytes);
    records.set_absent_from(records.find(b"k"), Some(5));
    records.seal(1, 0, false, &mut bytes);
    let (records, recovered) = recover(&payloads(&bytes));
    assert_eq!((recovered.in_doubt, records.of(b"k").trust), (1, Trust::DirtyOverwrite));
}

#[test]
fn after_an_orderly_stop_nothing_is_in_doubt() {
    let mut records = logged();
    let mut bytes = Vec::new();
    let found = |bytes: &[u8]| {
        let (records, recovered) = recover(&payloads(bytes));
        (recovered.was_clean, recovered.in_doubt, records.of(b"k").trust)
    };
    write(&mut records, b"k", 1, 1);
    records.seal(1, 0, false, &mut bytes);
    assert_eq!(found(&bytes), (false, 1, Trust::DirtyOverwrite));
    records.seal(1, 0, true, &mut bytes);
    assert_eq!(found(&bytes), (false, 1, Trust::DirtyOverwrite), "the lane still owes the write");
    assert_eq!(records.seal(1, 1, true, &mut bytes), Some(3), "although nothing is new");
    assert_eq!(found(&bytes), (true, 0, Trust::Trusted));
    write(&mut records, b"k", 2, 2);
    records.seal(2, 1, false, &mut bytes);
    assert_eq!(found(&bytes), (false, 1, Trust::DirtyOverwrite), "it went on");
    assert!(!Records::default().finish_recovery().was_clean, "there was no stop at all");
}

#[test]
fn a_datastore_may_be_set_back_twice_and_further_the_second_time() {
    let mut records = logged();
    let mut bytes = Vec::new();
    let marker = |records: &mut Records| {
        let frame = records.next_frame().unwrap();
        records.note(MARKER_NOTE, &frame.to_le_bytes());
        frame
    };
    let (first, keys) = (marker(&mut records), [b"a", b"b"]);
    write(&mut records, keys[0], 1, 1);
    records.seal(1, 0, false, &mut bytes);
    let second = marker(&mut records);
    write(&mut records, keys[1], 2, 2);
    records.seal(2, 1, false, &mut bytes);
    records.seal(2, 2, true, &mut bytes);
    let (mut records, _) = recover(&payloads(&bytes));
    let mut trusts = |frame: u64, trust: Trust| {
        records.doubt_since_frame(frame, trust);
        keys.map(|key| records.of(key).trust)
    };
    assert_eq!(trusts(second, Trust::Restarted), [Trust::Trusted, Trust::Restarted]);
    assert_eq!(trusts(first, Trust::Lost), [Trust::Lost, Trust::Lost]);
}

#[test]
fn doubts_outlast_another_crash() {
    let mut records = logged();
    let mut bytes = Vec::new();
    write(&mut records, b"k", 1, 1);
    records.seal(1, 0, false, &mut bytes);
    let mut payloads = payloads(&bytes);
    let (mut records, _) = recover(&payloads);
    payloads.extend(sealed(&mut records));
    let (records, recovered) = recover(&payloads);
    assert_eq!((recovered.in_doubt, records.of(b"k").trust), (0, Trust::DirtyOverwrite));
    assert_eq!(frame_number(&payloads[1]), Ok(2), "numbers go on");
}

#[test]
fn missing_frames_are_noticed() {
    let mut records = logged();
    let mut payloads = Vec::new();
    for clock in 1..5 {
        write(&mut records, b"k", clock, clock);
        payloads.extend(sealed(&mut records));
    }
    let mut records = Records::default();
    records.recover_frame(&payloads[1], |_| true).unwrap();
    assert_eq!(records.recover_frame(&payloads[1], |_| true), Err(LogError::Gap { expected: 3, found: 2 }));
    assert_eq!(records.recover_frame(&payloads[3], |_| true), Err(LogError::Gap { expected: 3, found: 4 }));
    assert_eq!(records.of(b"k").record, record(2), "nothing was taken over");
    assert_eq!(records.recover_frame(&payloads[2], |_| true), Ok(()));
}

#[test]
fn several_logs_are_read_one_after_the_other() {
    let mut first = logged();
    let mut bytes = Vec::new();
    for clock in 1..=20 {
        write(&mut first, b"a", clock, clock);
        write(&mut first, b"not mine", clock, clock);
        first.seal(clock, clock - 1, false, &mut bytes);
    }
    let mut second = logged();
    write(&mut second, b"b", 1, 1);
    let mut other = Vec::new();
    second.seal(1, 1, false, &mut other);
    second.seal(1, 1, true, &mut other);

    let mut records = Records::default();
    let mine = |key: &[u8]| key != b"not mine";
    payloads(&bytes)[3..].iter().for_each(|payload| records.recover_frame(payload, mine).unwrap());
    records.recover_next_log();
    payloads(&other).iter().for_each(|payload| records.recover_frame(payload, mine).unwrap());
    let recovered = records.finish_recovery();
    assert_eq!(
        recovered,
        Recovered { records: 2, in_doubt: 1, greatest_clock: 20, was_clean: false, ..recovered }
    );
    assert_eq!((records.of(b"a").trust, records.of(b"b").trust), (Trust::DirtyOverwrite, Trust::Trusted));
    assert_eq!(records.log_floor(), 1, "frames of both logs are needed");
    let mut bytes = Vec::new();
    assert_eq!(records.seal(0, 0, false, &mut bytes), Some(21));
    for clock in 30..200 {
        write(&mut records, b"a", clock, clock);
        records.seal(clock, clock, false, &mut bytes);
    }
    assert!(records.log_floor() > 20, "all is in the new log: {}", records.log_floor());
}

#[test]
fn an_overwrite_takes_about_32_bytes() {
    let mut records = logged();
    write(&mut records, b"user:00000000001", 1, 1);
    let payload = &sealed(&mut records)[0];
    assert_eq!(payload.len() - 17, 31);
}

#[test]
fn a_key_that_is_changed_several_times_in_a_row_is_said_once() {
    let mut records = logged();
    let id = write(&mut records, b"k", 1, 1);
    records.advance(id, b"k", record(1).sequenced(Version::ZERO, version(2), 1), 2);
    records.set_absent_from(id, Some(9));
    let payload = &sealed(&mut records)[0];
    let items: Vec<Item<'_>> = items(&payload[17..]).map(Result::unwrap).collect();
    let entry = Entry { written_at: 0, ..records.get(id) };
    assert_eq!(items, [Item::Entry { key: b"k", entry, change: Change::Replaced }]);
}

#[test]
fn a_log_that_is_begun_late_says_what_is_there() {
    let mut records = Records::default();
    for clock in 1..500 {
        write(&mut records, format!("key:{clock}").as_bytes(), clock, clock);
    }
    records.note(3, b"three");
    records.set_without_log(false);
    let (recovered, _) = recover(&sealed(&mut records));
    assert_eq!(Model::of(&recovered), Model::of(&records).persistent());
}

#[test]
fn a_log_that_ends_anywhere_tells_what_its_whole_frames_say() {
    let mut records = logged();
    let mut bytes = Vec::new();
    let mut ends = vec![(0, Model::default())];
    for clock in 1..20 {
        write(&mut records, format!("key:{}", clock % 7).as_bytes(), clock, clock);
        records.seal(clock, clock, false, &mut bytes);
        ends.push((bytes.len(), Model::of(&records).persistent()));
    }
    for len in 0..=bytes.len() {
        let (end, model) = ends.iter().rev().find(|(end, _)| *end <= len).unwrap();
        let mut whole = Vec::new();
        for frame in frames(&bytes[..len]) {
            match frame {
                Ok(payload) => whole.push(payload.to_vec()),
                Err(torn) => assert_eq!(torn.at, *end),
            }
        }
        assert_eq!(frames(&bytes[..len]).any(|frame| frame.is_err()), *end != len);
        let mut recovered = Records::default();
        whole.iter().for_each(|payload| recovered.recover_frame(payload, |_| true).unwrap());
        assert_eq!(Model::of(&recovered), *model);
    }
}

/// A process, its log, and what should be found in the log.
#[derive(Default)]
struct World {
    records: Records,
    model: Model,
    frames: VecDeque<(u64, Vec<u8>)>,
    submitted: u64,
    executed: u64,
    /// The operations whose keys were not forgotten since.
    operations: Vec<Operation>,
    /// For each frame of this process the last operation that was submitted up to it.
    submitted_at: Vec<u64>,
    /// The last operation of the newest frame that the log says was executed.
    told_executed: u64,
    /// The keys that were in doubt when this process began.
    doubted: BTreeSet<Vec<u8>>,
}

impl World {
    fn step(&mut self, step: &Step) {
        if step.forgets() {
            self.operations.retain(|(_, key, _)| *key != step.key());
        }
        let operation = step.apply_numbered(&mut self.records, &mut self.model, self.submitted);
        self.submitted += u64::from(operation.is_some());
        self.operations.extend(operation);
    }

    fn seal(&mut self, unexecuted: u64, is_clean: bool) {
        self.executed = self.executed.max(self.submitted.saturating_sub(unexecuted));
        let executed = self.executed;
        let mut bytes = Vec::new();
        if self.records.seal(self.submitted, executed, is_clean, &mut bytes).is_some() {
            for payload in payloads(&bytes) {
                self.frames.push_back((frame_number(&payload).unwrap(), payload));
            }
            let frames = self.submitted_at.iter().rev();
            let told = frames.copied().find(|submitted| *submitted <= executed);
            self.told_executed = self.told_executed.max(told.unwrap_or(0));
            if is_clean && executed == self.submitted {
                self.told_executed = self.submitted;
            }
            self.submitted_at.push(self.submitted);
        }
    }

    fn drop_frames(&mut self) {
        let floor = self.records.log_floor();
        while self.frames.pop_front_if(|(number, _)| *number < floor).is_some() {}
    }

    /// What was sealed is all that another process knows.
    fn crash(&mut self) {
        let payloads: Vec<Vec<u8>> = self.frames.iter().map(|(_, payload)| payload.clone()).collect();
        let (records, recovered) = recover(&payloads);
        let mut model = std::mem::take(&mut self.model).persistent();
        let mut in_doubt = BTreeSet::new();
        for (_, key, is_whole) in self.operations.iter().filter(|(number, ..)| *number > self.told_executed) {
            let entry = model.entries.get_mut(key).expect("an operation's key has an entry");
            let trust = if *is_whole { Trust::DirtyOverwrite } else { Trust::Dirty };
            (entry.trust, entry.claim) = (entry.trust.max(trust), Claim::Void);
            in_doubt.insert(key.clone());
        }
        if self.submitted_at.is_empty() {
            // Nothing was said of them since: they were marked already, and so they are again.
            in_doubt.append(&mut self.doubted);
        }
        assert_eq!(Model::of(&records), model);
        assert_eq!((recovered.records, recovered.in_doubt), (model.entries.len(), in_doubt.len()));
        let clocks = model.entries.values().map(Entry::greatest_clock).max().unwrap_or(0);
        assert!(recovered.greatest_clock >= clocks);
        let frames = std::mem::take(&mut self.frames);
        *self = Self { records, model, frames, doubted: in_doubt, ..Self::default() };
    }
}

#[derive(Debug, Clone)]
enum Event {
    Steps(Vec<Step>),
    Seal { unexecuted: u64, is_clean: bool },
    DropFrames,
    Crash { unexecuted: u64 },
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        8 => prop::collection::vec(step(), 1..8).prop_map(Event::Steps),
        8 => (0u64..6, any::<bool>()).prop_map(|(unexecuted, is_clean)| Event::Seal { unexecuted, is_clean }),
        2 => Just(Event::DropFrames),
        1 => (0u64..6).prop_map(|unexecuted| Event::Crash { unexecuted }),
    ]
}

proptest! {
    #[test]
    fn the_log_tells_exactly_what_the_table_was(events in prop::collection::vec(event(), 1..150)) {
        let mut world = World { records: logged(), ..World::default() };
        for event in events {
            match event {
                Event::Steps(steps) => steps.iter().for_each(|step| world.step(step)),
                Event::Seal { unexecuted, is_clean } => world.seal(unexecuted, is_clean),
                Event::DropFrames => world.drop_frames(),
                Event::Crash { unexecuted } => {
                    world.seal(unexecuted, false);
                    world.crash();
                }
            }
        }
        world.seal(1, false);
        world.crash();
    }

    #[test]
    fn every_entry_comes_back(entries in prop::collection::btree_map(
        prop::collection::vec(any::<u8>(), 0..300), any_entry(), 0..20,
    )) {
        let mut records = logged();
        for (key, entry) in &entries {
            records.put(RecordId::NONE, key, *entry);
        }
        let (recovered, _) = recover(&sealed(&mut records));
        prop_assert_eq!(Model::of(&recovered).entries, entries);
    }

    #[test]
    fn any_bytes_are_frames_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let whole = frames(&bytes).filter_map(Result::ok).count();
        prop_assert_eq!(whole, 0, "a checksum was met by accident");
        let mut records = Records::default();
        let taken = records.recover_frame(&bytes, |_| true);
        prop_assert!(taken.is_ok() || records.len() == 0 && records.notes().count() == 0);
    }

    #[test]
    fn a_damaged_payload_is_an_error_or_another_payload(
        entries in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..40), any_entry()), 1..8),
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        len in any::<prop::sample::Index>(),
    ) {
        let mut records = logged();
        for (key, entry) in &entries {
            records.put(records.find(key), key, *entry);
        }
        let mut payload = sealed(&mut records).remove(0);
        for (at, byte) in damages {
            let at = at.index(payload.len());
            payload[at] = byte;
        }
        payload.truncate(len.index(payload.len()) + 1);
        let mut records = Records::default();
        let taken = records.recover_frame(&payload, |_| true);
        prop_assert!(taken.is_ok() || records.len() == 0);
        records.finish_recovery();
        sealed(&mut records);
    }

    #[test]
    fn one_wrong_bit_is_noticed(at in 0usize..56, bit in 0u8..8) {
        let mut records = logged();
        write(&mut records, b"user:00000000001", 1, 1);
        let mut bytes = Vec::new();
        records.seal(1, 1, false, &mut bytes);
        prop_assert_eq!(bytes.len(), 56);
        bytes[at] ^= 1 << bit;
        prop_assert_eq!(frames(&bytes).next(), Some(Err(log::Torn { at: 0 })));
    }
}
