use std::collections::{BTreeMap, BTreeSet};

use dynomite_ring::{HashKind, KeyHasher, Node, Token};
use proptest::prelude::*;

use super::*;

const WALL_S: u32 = 1_700_000_000;
const WINDOW_MS: u64 = 3_600_000;

fn ring() -> Arc<Ring> {
    let node = |dc: &str, rack: &str| Node::new(format!("{dc}{rack}"), dc, rack, vec![Token(0)]);
    let nodes = [("east", "a"), ("east", "b"), ("east", "c"), ("west", "a")].map(|(dc, rack)| node(dc, rack));
    Arc::new(Ring::build(KeyHasher::new(HashKind::RedisSlot, None), 1, nodes.to_vec()).unwrap())
}

fn east(rack: &str) -> HintTarget {
    HintTarget::Node(NodeId::from_name(&format!("east{rack}")))
}

fn west(ring: &Ring) -> HintTarget {
    HintTarget::Dc(ring.dc_by_name("west").unwrap().index())
}

fn with_room(ring: &Arc<Ring>, bytes_max: usize) -> Hints {
    let limits = Limits { bytes_max, window_ms: WINDOW_MS, handoff_max: 64 };
    let own = ring.dc_by_name("east").unwrap().index();
    Hints::new(limits, Arc::clone(ring), own, 0, 1)
}

fn hints(ring: &Arc<Ring>) -> Hints {
    with_room(ring, usize::MAX)
}

fn at(ms: u64) -> Now {
    Now { ms, wall_us: (u64::from(WALL_S) * 1000 + ms) * 1000 }
}

/// All hints with their times, and all marks.
type Content = (BTreeMap<(HintTarget, Vec<u8>), u32>, BTreeSet<(HintTarget, Bucket)>);

fn content(hints: &Hints) -> Content {
    let (mut keys, mut marks) = (BTreeMap::new(), BTreeSet::new());
    for (target, about) in &hints.targets {
        let all = about.queue.hints_from(about.queue.first());
        keys.extend(all.map(|(_, key, noted_s)| ((*target, key.to_vec()), noted_s)));
        marks.extend(about.needs_repair.iter().map(|bucket| (*target, bucket)));
    }
    assert_eq!((hints.len(), hints.mark_count()), (keys.len(), marks.len()));
    (keys, marks)
}

/// A log as it lies on disk: whole frames, those that are not needed left out.
#[derive(Debug, Default, Clone)]
struct Disk {
    frames: BTreeMap<u64, Vec<u8>>,
}

impl Disk {
    fn write(&mut self, hints: &mut Hints) -> Option<u64> {
        let mut frame = Vec::new();
        let number = hints.seal(&mut frame);
        if let Some(number) = number {
            assert!(self.frames.insert(number, frame).is_none(), "frame {number} twice");
        }
        self.frames.retain(|number, _| *number >= hints.floor());
        number
    }

    fn len(&self) -> usize {
        self.frames.values().map(Vec::len).sum()
    }

    fn bytes(&self) -> Vec<u8> {
        self.frames.values().flatten().copied().collect()
    }

    fn recover(&self, into: &mut Hints) {
        assert_eq!(recover(&self.bytes(), into), self.frames.len());
    }
}

/// Takes over the whole frames that `bytes` begin with; how many.
fn recover(mut bytes: &[u8], into: &mut Hints) -> usize {
    let mut count = 0;
    while let Some((head, rest)) = bytes.split_at_checked(8) {
        let len = u32::from_le_bytes(head[..4].try_into().unwrap()) as usize;
        let Some((payload, rest)) = rest.split_at_checked(len) else { break };
        assert_eq!(head[4..], crc32fast::hash(payload).to_le_bytes());
        into.recover_frame(payload).unwrap();
        (bytes, count) = (rest, count + 1);
    }
    count
}

#[test]
fn a_full_target_leaves_marks_and_takes_nothing_from_others() {
    let ring = ring();
    let mut hints = with_room(&ring, 10 * (queue::HINT_BYTES + 5));
    for n in 0..40 {
        hints.note(at(n), east("b"), format!("key{n:02}").as_bytes());
    }
    hints.note(at(50), east("c"), b"key00");
    assert_eq!((hints.len(), hints.stored_count(), hints.dropped_count()), (11, 11, 30));
    let marked: BTreeSet<Bucket> =
        (10..40).map(|n| Bucket::of(ring.token(format!("key{n:02}").as_bytes()))).collect();
    assert_eq!(hints.needs_repair(east("b")).iter().collect::<BTreeSet<_>>(), marked);
    assert!(hints.needs_repair(east("c")).is_empty());
    assert!(hints.bytes() <= 2 * 10 * (queue::HINT_BYTES + 5));
}

#[test]
fn a_covered_hint_goes_unless_it_is_being_replayed() {
    let ring = ring();
    let (mut hints, mut disk) = (hints(&ring), Disk::default());
    hints.keep_log();
    for key in [b"one", b"two"] {
        hints.note(at(0), east("b"), key);
        hints.note(at(0), east("c"), key);
    }
    assert_eq!(hints.begin(at(1), east("b"), 1).as_deref(), Some(&b"one"[..]));
    hints.covered(east("b"), b"one");
    hints.covered(east("b"), b"two");
    hints.covered(east("b"), b"none");
    let is_there = |hints: &Hints| {
        [("b", b"one"), ("b", b"two"), ("c", b"one"), ("c", b"two")]
            .map(|(rack, key)| hints.contains(east(rack), key))
    };
    assert_eq!((is_there(&hints), hints.len()), ([true, false, true, true], 3));
    disk.write(&mut hints);
    let mut recovered = self::hints(&ring);
    disk.recover(&mut recovered);
    assert_eq!(is_there(&recovered), [true, false, true, true]);
    hints.end(at(2), east("b"), b"one", 1, Replay::Done);
    assert_eq!(hints.len(), 2);
}

#[test]
fn a_mark_set_during_a_comparison_outlives_it() {
    let ring = ring();
    let mut hints = hints(&ring);
    let (target, bucket) = (east("b"), Bucket(77));
    hints.mark(target, bucket);
    hints.repair_begins(target, bucket);
    hints.mark(target, bucket);
    hints.repaired(target, bucket);
    assert!(hints.needs_repair(target).contains(bucket));
    hints.repair_begins(target, bucket);
    hints.repaired(target, bucket);
    assert_eq!((hints.needs_repair(target).len(), hints.mark_count()), (0, 0));
}

#[test]
fn hints_that_are_too_old_become_marks_when_they_are_taken_and_when_nobody_takes_them() {
    let ring = ring();
    for is_taken in [true, false] {
        let mut hints = hints(&ring);
        hints.note(at(0), east("b"), b"old");
        hints.note(at(WINDOW_MS - 1000), east("b"), b"new");
        let later = at(WINDOW_MS + 5000);
        if is_taken {
            assert_eq!(hints.begin(later, east("b"), 1).as_deref(), Some(&b"new"[..]));
        } else {
            assert!(hints.expiry_ms(east("b")) <= WINDOW_MS);
            hints.expire(later, east("b"));
            assert!(hints.expiry_ms(east("b")) > 2 * WINDOW_MS - 2000, "nothing to do before");
        }
        assert_eq!((hints.len(), hints.dropped_count(), hints.mark_count()), (1, 1, 1));
        assert!(hints.needs_repair(east("b")).contains(Bucket::of(ring.token(b"old"))));
    }
}

#[test]
fn targets_that_are_none_are_ignored() {
    let ring = ring();
    let mut hints = hints(&ring);
    hints.note(at(0), HintTarget::Node(NodeId::from_name("westa")), b"k");
    hints.note(at(0), HintTarget::Node(NodeId::from_name("nobody")), b"k");
    hints.mark(HintTarget::Dc(ring.dc_by_name("east").unwrap().index()), Bucket(1));
    assert_eq!((hints.len(), hints.mark_count()), (0, 0));
}

#[test]
fn the_bytes_of_a_frame_are_as_documented() {
    let ring = ring();
    let mut hints = hints(&ring);
    hints.keep_log();
    let bucket = Bucket::of(ring.token(b"user:1")).0.to_le_bytes();
    let id = NodeId::from_name("eastb").0.to_le_bytes();
    hints.note(at(0), east("b"), b"user:1");
    hints.note(at(1000), east("b"), b"user:1");
    hints.mark(west(&ring), Bucket(u16::from_le_bytes(bucket)));
    let mut frame = Vec::new();
    assert_eq!(hints.seal(&mut frame), Some(1));
    let noted = [&[3][..], &WALL_S.to_le_bytes(), &[6], b"user:1"].concat();
    let marked = [&[2, 4][..], b"west", &[5], &bucket, &bucket].concat();
    let payload = [&1_u64.to_le_bytes()[..], &[1], &id, &noted, &marked].concat();
    let (len, crc) = ((payload.len() as u32).to_le_bytes(), crc32fast::hash(&payload).to_le_bytes());
    assert_eq!(frame, [&len[..], &crc, &payload].concat());
}

#[test]
fn without_a_log_nothing_is_kept_for_one() {
    let ring = ring();
    let mut hints = hints(&ring);
    hints.note(at(0), east("b"), b"k");
    assert_eq!((hints.seal(&mut Vec::new()), hints.floor(), hints.rewrite_log()), (None, 0, 0));
}

#[test]
fn when_nothing_is_live_no_frame_is_needed() {
    let ring = ring();
    let (mut hints, mut disk) = (hints(&ring), Disk::default());
    hints.keep_log();
    for round in 0..3 {
        hints.note(at(round), east("b"), b"k");
        disk.write(&mut hints);
        assert_eq!(disk.frames.len(), 1);
        let key = hints.begin(at(round), east("b"), 1).unwrap();
        hints.end(at(round), east("b"), &key, round, Replay::Done);
        disk.write(&mut hints);
        assert_eq!(disk.frames.len(), 0, "the floor is the next frame");
    }
    assert_eq!(disk.write(&mut hints), None, "nothing has changed");
}

#[test]
fn a_log_that_changes_for_long_stays_small() {
    let ring = ring();
    let (mut hints, mut disk) = (hints(&ring), Disk::default());
    hints.keep_log();
    for n in 0..2000 {
        hints.note(at(n), west(&ring), format!("for long:{n:0100}").as_bytes());
    }
    let mut largest = 0;
    let mut written = 0;
    for n in 0..20_000 {
        hints.note(at(n), east("b"), format!("for a moment:{n:0100}").as_bytes());
        if n % 10 == 0 {
            while let Some(key) = hints.begin(at(n), east("b"), 1) {
                hints.end(at(n), east("b"), &key, n, Replay::Done);
            }
        }
        if let Some(number) = disk.write(&mut hints) {
            written += disk.frames.get(&number).map_or(0, Vec::len);
        }
        largest = largest.max(disk.len());
    }
    let live = 2000 * (110 + 6);
    assert!(largest < 4 * live + (64 << 10), "{largest} bytes for {live}");
    assert!(written > 6 * largest, "{written} bytes in all");
    let mut recovered = self::hints(&ring);
    disk.recover(&mut recovered);
    assert_eq!(content(&recovered), content(&hints));
}

#[test]
fn hints_that_could_not_be_written_are_written_when_it_is_possible_again() {
    let ring = ring();
    let (mut hints, mut disk) = (hints(&ring), Disk::default());
    hints.keep_log();
    let key = |n: u32| format!("{n:0200}").into_bytes();
    for n in 0..100 {
        hints.note(at(0), east("b"), &key(n));
    }
    disk.write(&mut hints);
    let written = disk.clone();
    for n in 100..8000 {
        hints.note(at(0), east("b"), &key(n));
        if n % 1000 == 0 {
            assert!(hints.seal(&mut Vec::new()).is_some());
            hints.log_failed();
        }
    }
    assert_eq!((hints.log_failure_count(), hints.at_risk_count()), (7, 8000));
    let mut recovered = self::hints(&ring);
    written.recover(&mut recovered);
    assert_eq!(recovered.len(), 100, "what was written before is still there");
    while disk.write(&mut hints).is_some() {}
    assert_eq!(hints.at_risk_count(), 0);
    assert!(disk.frames.len() > 1, "not all at once");
    let mut recovered = self::hints(&ring);
    disk.recover(&mut recovered);
    assert_eq!(content(&recovered), content(&hints));
}

#[test]
fn each_worker_takes_its_own_buckets_and_may_write_them_anew() {
    let ring = ring();
    let (mut hints, mut disk) = (hints(&ring), Disk::default());
    hints.keep_log();
    for n in 0..1000 {
        hints.note(at(0), east("b"), format!("key:{n}").as_bytes());
        hints.mark(west(&ring), Bucket(4 * n));
        disk.write(&mut hints);
    }
    let whole = content(&hints);
    let mut parts = (BTreeMap::new(), BTreeSet::new());
    for worker in 0..3 {
        let own = ring.dc_by_name("east").unwrap().index();
        let limits = Limits { bytes_max: usize::MAX, window_ms: WINDOW_MS, handoff_max: 64 };
        let mut part = Hints::new(limits, Arc::clone(&ring), own, worker, 3);
        disk.recover(&mut part);
        assert!((250..450).contains(&part.len()), "{}", part.len());
        let (keys, marks) = content(&part);
        let from = part.rewrite_log();
        let mut anew = Disk::default();
        while anew.write(&mut part).is_some() {}
        assert!(part.floor() >= from);
        let mut again = self::hints(&ring);
        anew.recover(&mut again);
        assert_eq!(content(&again), (keys.clone(), marks.clone()));
        parts.0.extend(keys);
        parts.1.extend(marks);
    }
    assert_eq!(parts, whole);
}

#[test]
fn a_lost_log_leaves_every_bucket_in_need_of_repair() {
    let ring = ring();
    let (mut hints, mut disk) = (hints(&ring), Disk::default());
    hints.keep_log();
    hints.mark_all();
    assert_eq!(hints.mark_count(), 4 * BUCKETS);
    disk.write(&mut hints);
    for bucket in (0..BUCKETS as u16).map(Bucket) {
        hints.repair_begins(east("a"), bucket);
        hints.repaired(east("a"), bucket);
    }
    disk.write(&mut hints);
    let mut recovered = self::hints(&ring);
    disk.recover(&mut recovered);
    assert_eq!(content(&recovered), content(&hints));
    assert_eq!(recovered.mark_count(), 3 * BUCKETS);
}

#[derive(Debug, Clone)]
enum Step {
    Note(u8, u8),
    Begin(u8),
    End(u8, Replay),
    Mark(u8, u8),
    Repair(u8, u8),
    Seal,
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    let replay =
        prop_oneof![3 => Just(Replay::Done), 1 => Just(Replay::TargetAway), 1 => Just(Replay::Failed)];
    prop_oneof![
        6 => (0..4_u8, any::<u8>()).prop_map(|(target, key)| Step::Note(target, key)),
        4 => (0..4_u8).prop_map(Step::Begin),
        4 => (0..4_u8, replay).prop_map(|(target, replay)| Step::End(target, replay)),
        1 => (0..4_u8, any::<u8>()).prop_map(|(target, bucket)| Step::Mark(target, bucket)),
        1 => (0..4_u8, any::<u8>()).prop_map(|(target, bucket)| Step::Repair(target, bucket)),
        4 => Just(Step::Seal),
        1 => Just(Step::Fail),
    ]
}

fn key(n: u8) -> Vec<u8> {
    vec![n; 200 + 5 * usize::from(n)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Whatever happens, and wherever the log is cut off, what is read is what there was when the last whole frame was made:
    /// of failures only that nothing is missing is known.
    #[test]
    fn what_is_recovered_is_what_there_was(
        steps in proptest::collection::vec(step(), 0..1000),
        with_failures: bool,
        cut in any::<prop::sample::Index>(),
    ) {
        let ring = ring();
        let targets = [east("a"), east("b"), east("c"), west(&ring)];
        let (mut hints, mut disk) = (with_room(&ring, 100_000), Disk::default());
        hints.keep_log();
        let mut replaying: BTreeMap<HintTarget, Vec<Bytes>> = BTreeMap::new();
        // With the lowest frame that was needed then.
        let mut sealed: BTreeMap<u64, (Content, u64)> = BTreeMap::new();
        for (ms, step) in (0_u64..).step_by(1000).zip(steps) {
            match step {
                Step::Note(target, n) => hints.note(at(ms), targets[usize::from(target)], &key(n)),
                Step::Begin(target) => {
                    let target = targets[usize::from(target)];
                    replaying.entry(target).or_default().extend(hints.begin(at(ms), target, 1));
                }
                Step::End(target, replay) => {
                    let target = targets[usize::from(target)];
                    if let Some(key) = replaying.get_mut(&target).and_then(Vec::pop) {
                        hints.end(at(ms), target, &key, ms, replay);
                    }
                }
                Step::Mark(target, n) => hints.mark(targets[usize::from(target)], Bucket(u16::from(n))),
                Step::Repair(target, n) => {
                    let (target, bucket) = (targets[usize::from(target)], Bucket(u16::from(n)));
                    hints.repair_begins(target, bucket);
                    hints.repaired(target, bucket);
                }
                Step::Seal => {
                    if let Some(number) = disk.write(&mut hints) {
                        sealed.insert(number, (content(&hints), hints.floor()));
                    }
                }
                Step::Fail if with_failures => {
                    hints.seal(&mut Vec::new());
                    hints.log_failed();
                }
                Step::Fail => {}
            }
        }
        while let Some(number) = disk.write(&mut hints) {
            sealed.insert(number, (content(&hints), hints.floor()));
        }
        let bytes = disk.bytes();
        let mut recovered = self::hints(&ring);
        recover(&bytes, &mut recovered);
        if with_failures {
            let ((has, has_marks), (wanted, wanted_marks)) = (content(&recovered), content(&hints));
            for (hint, noted_s) in wanted {
                prop_assert!(has.get(&hint).is_some_and(|had_s| *had_s <= noted_s), "{:?}", hint);
            }
            prop_assert!(has_marks.is_superset(&wanted_marks));
        } else {
            prop_assert_eq!(content(&recovered), content(&hints));
            let mut torn = self::hints(&ring);
            let whole_count = recover(&bytes[..cut.index(bytes.len() + 1)], &mut torn);
            let first = disk.frames.keys().next().copied().unwrap_or(1);
            let last = disk.frames.keys().nth(whole_count.wrapping_sub(1));
            // Frames go when those that make them needless are there: a log that has lost these is another case.
            if let Some((wanted, _)) = last.map(|last| &sealed[last]).filter(|(_, floor)| *floor >= first) {
                prop_assert_eq!(&content(&torn), wanted);
            }
        }
        // What is recovered is logged on.
        recovered.keep_log();
        recovered.note(at(0), east("a"), b"one more");
        let next = disk.write(&mut recovered);
        prop_assert!(next.is_some_and(|next| sealed.keys().all(|number| *number < next)));
        let mut again = self::hints(&ring);
        recover(&disk.bytes(), &mut again);
        prop_assert_eq!(content(&again), content(&recovered));
    }

    #[test]
    fn arbitrary_payloads_never_panic_and_change_nothing_when_refused(
        bytes in proptest::collection::vec(prop_oneof![0..8_u8, any::<u8>()], 0..100),
    ) {
        let mut hints = hints(&ring());
        if hints.recover_frame(&bytes).is_err() {
            prop_assert!(hints.is_empty() && hints.mark_count() == 0 && hints.log.is_none());
        }
    }
}
