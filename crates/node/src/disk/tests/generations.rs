use super::*;

/// The generations that there are.
fn generations(place: &Place) -> Vec<String> {
    names(&place.path().join("records"))
}

/// Opens the logs of so many workers, as if those of `lost` could not be read.
fn open(place: &Place, worker_count: u16, lost: &[u16]) -> (DataDir, Vec<SegmentLog>) {
    let dir = place.open();
    let logs = dir.logs(LogKind::Records, worker_count).unwrap();
    let whole = (0..worker_count).filter(|worker| !lost.contains(worker));
    let taken = whole.map(|worker| logs.read(worker, |_, _| Ok::<_, String>(())).unwrap()).collect();
    let logs = logs.open(taken).unwrap();
    (dir, logs)
}

fn source(generation: u32, worker_count: u16, worker: u16) -> LogSource {
    LogSource { generation, worker_count, worker }
}

/// The logs that a worker reads, in their order, with the number of frames of each.
fn sources(place: &Place, worker: u16, worker_count: u16) -> Vec<(LogSource, usize)> {
    let mut sources: Vec<(LogSource, usize)> = Vec::new();
    for (source, _) in place.read(worker, worker_count).unwrap() {
        match sources.last_mut() {
            Some((last, count)) if *last == source => *count += 1,
            _ => sources.push((source, 1)),
        }
    }
    sources
}

#[test]
fn with_as_many_workers_as_before_each_reads_and_continues_its_own_log() {
    let place = Place::new();
    for run in 0..3 {
        let (dir, mut logs) = place.logs(3);
        for (worker, log) in (0_u64..).zip(&mut logs) {
            append(log, run * 20 + 1..=run * 20 + 10 + worker);
        }
        drop((dir, logs));
    }
    assert_eq!(generations(&place), ["1-for-3-workers"]);
    for worker in 0..3 {
        assert_eq!(sources(&place, worker, 3), [(source(1, 3, worker), 30 + usize::from(worker) * 3)]);
    }
}

#[test]
fn a_directory_without_logs_is_fresh_until_logs_are_opened() {
    let place = Place::new();
    let is_fresh = || {
        let dir = place.open();
        let logs = dir.logs(LogKind::Records, 2).unwrap();
        logs.read(1, |_, _| Ok::<_, String>(())).unwrap().is_fresh()
    };
    assert!(is_fresh() && is_fresh());
    drop(place.logs(2));
    assert!(!is_fresh());
}

#[test]
fn another_number_of_workers_reads_all_logs_and_starts_over() {
    let place = Place::new();
    let (dir, mut logs) = place.logs(2);
    append(&mut logs[0], 1..=30);
    append(&mut logs[1], 1..=10);
    drop((dir, logs));

    let (dir, mut logs) = place.logs(3);
    for log in &mut logs {
        assert_eq!((log.last_frame(), log.byte_count()), (0, header::HEADER_BYTES as u64));
        log.append(&frame(30)).expect_err("not above what was read");
        append(log, 31..=35);
    }
    drop((dir, logs));
    assert_eq!(generations(&place), ["1-for-2-workers", "2-for-3-workers"]);
    // After a crash in the middle of it, older frames come first.
    let older = [(source(1, 2, 0), 30), (source(1, 2, 1), 10)];
    assert_eq!(sources(&place, 2, 3), [&older[..], &[(source(2, 3, 2), 5)]].concat());
    assert_eq!(
        sources(&place, 1, 2),
        [(source(1, 2, 1), 10), (source(2, 3, 0), 5), (source(2, 3, 1), 5), (source(2, 3, 2), 5)]
    );
    let (dir, logs) = place.logs(3);
    assert!(logs.iter().all(|log| log.last_frame() == 35), "the newest generation is continued");
    assert_eq!(generations(&place).len(), 2);
    drop((dir, logs));
}

#[test]
fn older_generations_go_when_every_worker_says_everything_and_nothing_goes_before() {
    let place = Place::new();
    let (dir, mut logs) = place.logs(1);
    append(&mut logs[0], 1..=30);
    drop((dir, logs));
    let (dir, mut logs) = place.logs(2);
    for log in &mut logs {
        log.drop_below(30);
        append(log, 31..=90);
    }
    let segment_count = || names(&place.path().join("records/2-for-2-workers")).len();
    let all = segment_count();
    let stays = |dir: &DataDir| {
        dir.sync();
        generations(&place).len() == 2 && segment_count() == all
    };
    logs[0].drop_below(30);
    logs[1].drop_below(30);
    assert!(stays(&dir), "frames that were only read are still needed");
    logs[0].drop_below(31);
    logs[1].drop_below(31);
    assert!(stays(&dir), "the first frame need not say everything");
    logs[0].drop_below(80);
    logs[0].drop_below(81);
    assert!(stays(&dir), "the other worker still needs them");
    logs[1].drop_below(32);
    dir.sync();
    assert_eq!(generations(&place), ["2-for-2-workers"]);
    assert_eq!(segment_count(), all);
    logs[0].drop_below(81);
    dir.sync();
    assert!(segment_count() < all);
    drop((dir, logs));
    assert_eq!(sources(&place, 1, 2), [(source(2, 2, 1), 60)]);
}

#[test]
fn older_generations_that_cannot_be_deleted_are_tried_again() {
    let place = Place::new();
    drop(place.logs(1));
    let (dir, mut logs) = place.logs(2);
    let obstacle = place.path().join("records/1-for-1-workers.gone/something");
    fs::create_dir_all(&obstacle).unwrap();
    for log in &mut logs {
        append(log, 1..=10);
        log.drop_below(10);
    }
    dir.sync();
    assert!(place.path().join("records/1-for-1-workers").exists());
    fs::remove_dir(obstacle).unwrap();
    dir.sync();
    assert_eq!(generations(&place), ["2-for-2-workers"]);
}

#[test]
fn a_takeover_that_was_cut_short_needs_everything_anew() {
    let place = Place::new();
    drop(place.logs(1));
    let (dir, mut logs) = place.logs(2);
    append(&mut logs[0], 1..=10);
    logs[0].drop_below(10);
    append(&mut logs[1], 1..=10);
    drop((dir, logs));

    let (dir, mut logs) = place.logs(2);
    append(&mut logs[0], 11..=20);
    append(&mut logs[1], 11..=20);
    logs[1].drop_below(20);
    logs[0].drop_below(10);
    dir.sync();
    assert_eq!(generations(&place).len(), 2);
    logs[0].drop_below(20);
    dir.sync();
    assert_eq!(generations(&place), ["2-for-2-workers"]);
}

#[test]
fn a_worker_that_has_nothing_to_say_needs_nothing_older() {
    let place = Place::new();
    let (dir, mut logs) = place.logs(1);
    append(&mut logs[0], 1..=30);
    drop((dir, logs));
    let (dir, mut logs) = place.logs(2);
    append(&mut logs[0], 31..=40);
    logs[0].drop_below(40);
    logs[1].drop_below(30);
    dir.sync();
    assert_eq!(generations(&place).len(), 2);
    logs[1].drop_below(31);
    dir.sync();
    assert_eq!(generations(&place), ["2-for-2-workers"]);
}

#[test]
fn a_worker_whose_logs_are_lost_has_to_say_so_or_that_it_is_known_elsewhere() {
    let place = Place::new();
    let (dir, mut logs) = place.logs(1);
    append(&mut logs[0], 1..=30);
    drop((dir, logs));
    for gives_up in [false, true] {
        let (dir, mut logs) = open(&place, 1, &[0]);
        logs[0].drop_below(1_000);
        if gives_up {
            logs[0].give_up_older();
        }
        dir.sync();
        assert_eq!(generations(&place).len(), if gives_up { 1 } else { 2 });
        drop((dir, logs));
    }
}

#[test]
fn workers_read_at_the_same_time_and_append_on_threads_of_their_own() {
    let place = Place::new();
    for run in 0..2 {
        let dir = place.open();
        let logs = dir.logs(LogKind::Hints, 4).unwrap();
        let taken = std::thread::scope(|scope| {
            let read = |worker| logs.read(worker, |_, _| Ok::<_, String>(())).unwrap();
            let threads: Vec<_> = (0..4).map(|worker| scope.spawn(move || read(worker))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        assert!(taken.iter().all(|taken| taken.frame_count() == run * 50));
        let threads = logs
            .open(taken)
            .unwrap()
            .into_iter()
            .map(|mut log| std::thread::spawn(move || append(&mut log, run * 50 + 1..=run * 50 + 50)));
        for thread in threads.collect::<Vec<_>>() {
            thread.join().unwrap();
        }
    }
}

#[test]
fn logs_that_count_as_lost_stay_until_the_new_ones_say_what_became_of_them() {
    let place = Place::new();
    let (dir, mut logs) = place.logs(2);
    append(&mut logs[0], 1..=30);
    append(&mut logs[1], 1..=30);
    drop((dir, logs));
    let damaged = place.path().join("records/1-for-2-workers/records-001-00000002.log");
    change(&damaged, |bytes| bytes[header::HEADER_BYTES + 9] ^= 1);
    let is_damaged = |worker| matches!(place.read(worker, 2), Err(ReadError::Damaged(_)));
    assert!(is_damaged(1) && !is_damaged(0), "the other worker's log is whole");

    let (dir, mut logs) = open(&place, 2, &[1]);
    assert_eq!(generations(&place), ["1-for-2-workers", "2-for-2-workers"]);
    append(&mut logs[0], 31..=40);
    append(&mut logs[1], 1..=2);
    drop((dir, logs));
    assert!(is_damaged(1), "after a crash it is still known that something was lost");

    let (dir, mut logs) = open(&place, 2, &[1]);
    append(&mut logs[0], 41..=50);
    append(&mut logs[1], 3..=5);
    logs[0].drop_below(50);
    logs[1].drop_below(5);
    dir.sync();
    drop((dir, logs));
    assert_eq!(generations(&place), ["3-for-2-workers"]);
    assert_eq!(sources(&place, 1, 2), [(source(3, 2, 1), 3)]);
}

#[test]
fn deleted_logs_begin_anew_with_the_loss_known() {
    let place = Place::new();
    drop(place.logs(1));
    fs::remove_dir_all(place.path().join("records")).unwrap();
    assert!(place.numbers().is_err());
    let (dir, mut logs) = open(&place, 1, &[0]);
    append(&mut logs[0], 1..=3);
    drop((dir, logs));
    assert_eq!(place.numbers().unwrap(), [1, 2, 3]);
}

#[test]
fn what_was_being_made_or_deleted_at_the_end_of_a_run_is_removed() {
    let place = Place::new();
    let (dir, mut log) = place.log();
    append(&mut log, 1..=5);
    drop((dir, log));
    for left in ["2-for-1-workers.new", "0-for-4-workers.gone"] {
        let left = place.path().join("records").join(left);
        fs::create_dir(&left).unwrap();
        fs::write(left.join("records-000-00000001.log"), "half").unwrap();
    }
    assert_eq!(place.numbers().unwrap(), (1..=5).collect::<Vec<_>>());
    assert_eq!(generations(&place), ["1-for-1-workers"]);
}

#[test]
fn two_directories_for_one_generation_are_damage() {
    let place = Place::new();
    drop(place.logs(1));
    let copy = place.path().join("records/1-for-2-workers");
    fs::create_dir(copy).unwrap();
    assert_eq!(place.damage(), DamageCause::TwoGenerations(1));
}
