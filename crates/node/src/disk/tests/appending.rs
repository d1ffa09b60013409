use super::*;

#[test]
fn what_was_appended_is_read_in_its_order() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=100);
    assert_eq!(log.last_frame(), 100);
    drop((dir, log));
    assert!(place.segments().len() > 10, "{:?}", place.segments());
    assert_eq!(place.numbers().unwrap(), (1..=100).collect::<Vec<_>>());
}

#[test]
fn a_segment_ends_before_it_would_grow_over_its_size() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=100);
    let sizes = place.segment_sizes();
    assert!(sizes.iter().all(|size| *size <= SEGMENT_BYTES), "{sizes:?}");
    let (_, full) = sizes.split_last().unwrap();
    assert!(full.iter().all(|size| *size > SEGMENT_BYTES - 400), "{sizes:?}");
    assert_eq!(log.byte_count(), sizes.iter().sum::<u64>());
    drop(dir);
}

#[test]
fn a_frame_larger_than_a_segment_has_one_for_itself() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    let mut large = Vec::new();
    let start = frame::begin(&mut large, 2);
    large.extend([7; 5_000]);
    frame::seal(&mut large, start).unwrap();
    append(&mut log, 1..=1);
    log.append(&large).unwrap();
    append(&mut log, 3..=3);
    drop((dir, log));
    assert_eq!(place.segments().len(), 3);

    // Where there is none yet, no other is begun.
    let place = Place::new();
    let (dir, mut log) = place.log();
    log.append(&large).unwrap();
    append(&mut log, 3..=3);
    let sizes = place.segment_sizes();
    assert_eq!(sizes[0], header::HEADER_BYTES as u64 + large.len() as u64);
    assert_eq!(sizes.len(), 2);
    drop(dir);
}

#[test]
fn several_frames_are_appended_at_once_and_may_skip_numbers() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    log.append(&[]).unwrap();
    log.append(&frames(3..=5)).unwrap();
    log.append(&[frame(9), frame(1_000)].concat()).unwrap();
    log.append(&frame(1 << 40)).unwrap();
    drop((dir, log));
    assert_eq!(place.numbers().unwrap(), [3, 4, 5, 9, 1_000, 1 << 40]);
}

#[test]
fn what_is_no_sequence_of_whole_new_frames_is_refused_and_not_written() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=3);
    let length = log.byte_count();
    for (bytes, expected) in [
        (frame(3), "frame 3 was to be appended behind frame 3"),
        ([frame(4), frame(4)].concat(), "frame 4 was to be appended behind frame 4"),
        (frame(4)[..10].to_vec(), "is no frame: it ends after 10 bytes"),
        ([frame(4), b"rest".to_vec()].concat(), "is no frame: it ends after 4 bytes"),
    ] {
        let error = log.append(&bytes).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
    assert_eq!((log.last_frame(), log.byte_count()), (3, length));
    append(&mut log, 4..=4);
    drop((dir, log));
    assert_eq!(place.numbers().unwrap(), [1, 2, 3, 4]);
}

#[test]
fn a_log_is_continued_where_it_ended() {
    let place = Place::new();
    for run in 0..10 {
        let (dir, mut log) = place.log();
        assert_eq!(log.last_frame(), run * 7);
        let error = log.append(&frame(run * 7)).expect_err("older than what was read").to_string();
        assert!(error.contains("was to be appended behind"), "{error}");
        append(&mut log, run * 7 + 1..=run * 7 + 7);
        drop((dir, log));
    }
    assert_eq!(place.numbers().unwrap(), (1..=70).collect::<Vec<_>>());
    let full = place.segments().len() - 1;
    assert!((70 * 174 / 1_000..=70 * 174 / 700).contains(&full), "runs share segments: {full}");
}

#[test]
fn segments_whose_frames_are_all_older_are_deleted() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=100);
    let before = place.segments();
    // First frames of the segments.
    let firsts: Vec<u64> = before.iter().map(|segment| first_frame(segment)).collect();
    log.drop_below(firsts[4] - 1);
    dir.sync();
    assert_eq!(place.segments(), before[3..], "the fourth segment holds the last frame below the fifth");
    log.drop_below(firsts[4]);
    dir.sync();
    assert_eq!(place.segments(), before[4..]);
    assert_eq!(log.byte_count(), place.segment_sizes().iter().sum::<u64>());
    drop((dir, log));
    assert_eq!(place.numbers().unwrap(), (firsts[4]..=100).collect::<Vec<_>>());

    // And the same after a restart; the segment that is appended to always stays.
    let (dir, mut log) = place.log();
    log.drop_below(firsts[7]);
    dir.sync();
    assert_eq!(place.segments(), before[7..]);
    log.drop_below(u64::MAX);
    dir.sync();
    assert_eq!(place.segments(), before[before.len() - 1..]);
    append(&mut log, 101..=110);
    drop((dir, log));
    assert_eq!(place.numbers().unwrap().last(), Some(&110));
}

#[test]
fn nothing_is_deleted_before_what_replaces_it_is_on_the_disk() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=20);
    let before = place.segments();
    dir.faults().sync_fails.store(true, std::sync::atomic::Ordering::SeqCst);
    log.drop_below(u64::MAX);
    dir.sync();
    assert_eq!(place.segments(), before);
    assert!(log.has_failed());
    assert!(dir.sync_failures() >= 1, "{}", dir.sync_failures());

    dir.faults().sync_fails.store(false, std::sync::atomic::Ordering::SeqCst);
    dir.sync();
    assert_eq!(place.segments().len(), 1);
    assert!(log.has_failed(), "the system may have dropped what it could not write");
}

#[test]
fn what_cannot_be_deleted_is_tried_again() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=20);
    let oldest = place.segments().remove(0);
    fs::remove_file(&oldest).unwrap();
    fs::create_dir(&oldest).unwrap();
    log.drop_below(20);
    dir.sync();
    assert_eq!((place.segments().len(), place.segments().remove(0)), (2, oldest.clone()));
    fs::remove_dir(&oldest).unwrap();
    fs::write(&oldest, "").unwrap();
    dir.sync();
    assert_eq!(place.segments().len(), 1);
}

#[test]
fn files_are_synced_by_themselves_after_the_interval() {
    let mut place = Place::new();
    place.settings.sync_interval = Duration::from_millis(1);
    let (dir, mut log) = place.log();
    dir.faults().sync_fails.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(!log.has_failed());
    append(&mut log, 1..=1);
    dynomite_testkit::eventually(Duration::from_secs(10), "a sync was tried", || log.has_failed());
}

fn first_frame(segment: &Path) -> u64 {
    let bytes = fs::read(segment).unwrap();
    frame::first(&bytes[header::HEADER_BYTES..]).unwrap().unwrap().number
}
