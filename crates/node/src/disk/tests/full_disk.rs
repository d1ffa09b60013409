use std::sync::atomic::Ordering;

use super::*;

fn leave_room(dir: &DataDir, bytes: u64) {
    *dir.faults().room.lock().unwrap() = Some(bytes);
}

fn make_room(dir: &DataDir) {
    *dir.faults().room.lock().unwrap() = None;
}

/// However much of a frame still fits, in the middle of a segment and where a new one begins.
#[test]
fn an_append_that_fails_leaves_nothing_behind_and_can_be_tried_again() {
    for last in [2, end_of_first_segment()] {
        let next = last + 1;
        let size = frame(next).len() as u64 + header::HEADER_BYTES as u64;
        for room in (0..size + 7).step_by(6) {
            let place = Place::new();
            let (dir, mut log) = place.log();
            append(&mut log, 1..=last);
            let (length, files) = (log.byte_count(), place.segments());
            leave_room(&dir, room);
            let outcome = log.append(&frame(next));
            let Err(error) = outcome else {
                assert!(room >= frame(next).len() as u64);
                continue;
            };
            assert!(
                matches!(&error, AppendError::Io(error) if error.kind() == std::io::ErrorKind::StorageFull)
            );
            assert_eq!((log.byte_count(), log.last_frame(), place.segments()), (length, last, files));
            // Not in the log, for whoever reads it now …
            assert_eq!(place.segment_sizes().iter().sum::<u64>(), length);
            // … and later it is, with what came meanwhile.
            make_room(&dir);
            log.append(&frames(next..=next + 1)).unwrap();
            drop((dir, log));
            assert_eq!(place.numbers().unwrap(), (1..=next + 1).collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_tail_that_cannot_be_cut_off_is_before_anything_else_is_appended() {
    for before in [2, end_of_first_segment()] {
        let place = Place::new();
        let (dir, mut log) = place.log();
        append(&mut log, 1..=before);
        leave_room(&dir, 10);
        dir.faults().truncate_fails.store(true, Ordering::SeqCst);
        log.append(&frame(before + 1)).expect_err("full");
        make_room(&dir);
        if before == 2 {
            log.append(&frame(before + 1)).expect_err("the tail is still there");
        }
        dir.faults().truncate_fails.store(false, Ordering::SeqCst);
        append(&mut log, before + 1..=30);
        drop((dir, log));
        assert_eq!(place.numbers().unwrap(), (1..=30).collect::<Vec<_>>());
    }
}

#[test]
fn a_process_that_ends_with_a_tail_uncut_leaves_a_whole_log() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=2);
    leave_room(&dir, 10);
    dir.faults().truncate_fails.store(true, Ordering::SeqCst);
    log.append(&frame(3)).expect_err("full");
    drop((dir, log));
    assert_eq!(place.numbers().unwrap(), [1, 2]);
    let (dir, mut log) = place.log();
    append(&mut log, 3..=30);
    drop((dir, log));
    assert_eq!(place.numbers().unwrap(), (1..=30).collect::<Vec<_>>());
}

#[test]
fn where_each_append_is_synced_one_that_cannot_be_is_not_in_the_log() {
    let mut place = Place::new();
    place.settings.sync_interval = Duration::ZERO;
    for before in [2, end_of_first_segment()] {
        let (dir, mut log) = place.log();
        let next = log.last_frame() + 1;
        append(&mut log, next..=before);
        let (length, files) = (log.byte_count(), place.segments());
        dir.faults().sync_fails.store(true, Ordering::SeqCst);
        log.append(&frame(before + 1)).expect_err("not durable");
        assert!(log.has_failed() && dir.sync_failures() == 1);
        assert_eq!((log.byte_count(), place.segments()), (length, files));
        dir.faults().sync_fails.store(false, Ordering::SeqCst);
        drop((dir, log));
        assert_eq!(place.numbers().unwrap(), (1..=before).collect::<Vec<_>>());
    }
}
