use proptest::prelude::*;

use super::*;

/// What happens to a log.
#[derive(Debug, Clone)]
enum Step {
    Append(u64),
    /// Everything older than so many frames may go.
    DropBefore(u64),
    /// The disk has room for so many bytes, and one append is tried.
    Fail(u64),
    Restart,
    /// The machine ends, and so many bytes of the newest segment are lost, as far as they were not synced.
    Cut(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..20_u64).prop_map(Step::Append),
        1 => (0..30_u64).prop_map(Step::DropBefore),
        2 => (0..400_u64).prop_map(Step::Fail),
        1 => Just(Step::Restart),
        1 => (0..600_usize).prop_map(Step::Cut),
    ];
    proptest::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_log_gives_back_all_frames_that_were_acknowledged_and_not_dropped(steps in steps()) {
        let place = Place::new();
        let (mut dir, mut log) = place.log();
        let (mut floor, mut last) = (1, 0);
        let mut synced = newest_segment(&place);
        for step in steps {
            match step {
                Step::Append(count) => {
                    append(&mut log, last + 1..=last + count);
                    last += count;
                }
                Step::DropBefore(count) => {
                    floor = floor.max(last.saturating_sub(count));
                    log.drop_below(floor);
                    dir.sync();
                    synced = newest_segment(&place);
                }
                Step::Fail(room) => {
                    *dir.faults().room.lock().unwrap() = Some(room);
                    last += u64::from(log.append(&frame(last + 1)).is_ok());
                    *dir.faults().room.lock().unwrap() = None;
                }
                Step::Restart | Step::Cut(_) => {
                    drop((dir, log));
                    if let Step::Cut(byte_count) = step {
                        let newest = place.segments().pop().unwrap();
                        let least = if newest == synced.0 { synced.1 } else { 0 };
                        change(&newest, |bytes| bytes.truncate(bytes.len().saturating_sub(byte_count).max(least)));
                    }
                    let numbers = place.numbers().unwrap();
                    let first = numbers.first().copied().unwrap_or(floor);
                    prop_assert!(first <= floor, "{first} {floor}");
                    prop_assert_eq!(&numbers, &(first..first + numbers.len() as u64).collect::<Vec<_>>());
                    let newest = numbers.last().copied();
                    if let Step::Cut(_) = step {
                        prop_assert!(newest.unwrap_or(0) <= last);
                        // The next frame takes the number of the first that was lost.
                        last = newest.unwrap_or(0);
                        floor = floor.min(last.max(1));
                    } else {
                        prop_assert_eq!(newest.unwrap_or(0), last);
                    }
                    (dir, log) = place.log();
                    prop_assert_eq!(log.last_frame(), last);
                }
            }
        }
    }
}

/// With its length.
fn newest_segment(place: &Place) -> (PathBuf, usize) {
    let path = place.segments().pop().unwrap();
    let length = fs::metadata(&path).unwrap().len() as usize;
    (path, length)
}
