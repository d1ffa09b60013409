use dynomite_replication::frame::FrameError;

use super::*;

/// A log of 30 frames in several segments.
fn thirty() -> Place {
    let place = Place::new();
    let (_dir, mut log) = place.log();
    append(&mut log, 1..=30);
    place
}

fn newest(place: &Place) -> PathBuf {
    place.segments().pop().expect("segments")
}

#[test]
fn a_log_cut_off_anywhere_in_its_newest_segment_gives_all_whole_frames_and_goes_on() {
    let place = thirty();
    let path = newest(&place);
    let bytes = fs::read(&path).unwrap();
    let older = (1..=30).take_while(|number| !contains(&bytes, *number)).count() as u64;
    for cut in 0..bytes.len() {
        fs::write(&path, &bytes[..cut]).unwrap();
        let whole = (older + 1..=30).take_while(|number| contains(&bytes[..cut], *number)).count() as u64;
        assert_eq!(place.numbers().unwrap(), (1..=older + whole).collect::<Vec<_>>(), "cut at {cut}");
        if cut % 13 == 0 {
            let (dir, mut log) = place.log();
            append(&mut log, older + whole + 1..=older + whole + 20);
            drop((dir, log));
            assert_eq!(
                place.numbers().unwrap(),
                (1..=older + whole + 20).collect::<Vec<_>>(),
                "cut at {cut}"
            );
            for file in
                place.segments().split_off(place.segments().iter().position(|file| *file == path).unwrap())
            {
                fs::remove_file(file).unwrap();
            }
        }
    }
}

/// The write that began a segment was cut off; then the log goes on, in the segment before, with whatever number.
#[test]
fn a_segment_without_a_whole_frame_is_none() {
    let last = end_of_first_segment();
    let size = header::HEADER_BYTES + frame(last + 1).len();
    for cut in (0..size).step_by(7) {
        let place = Place::new();
        let (dir, mut log) = place.log();
        append(&mut log, 1..=last + 1);
        drop((dir, log));
        assert_eq!(place.segments().len(), 2);
        change(&newest(&place), |bytes| bytes.truncate(cut));
        let (dir, mut log) = place.log();
        assert_eq!((log.last_frame(), place.segments().len()), (last, 1));
        let mut small = Vec::new();
        let start = frame::begin(&mut small, 1 << 20);
        frame::seal(&mut small, start).unwrap();
        log.append(&small).unwrap();
        drop((dir, log));
        let dir = place.open();
        let taken = dir.logs(LogKind::Records, 1).unwrap().read(0, |_, _| Ok::<_, String>(())).unwrap();
        assert_eq!((taken.newest_frame(), taken.frame_count()), (1 << 20, last + 1));
    }
}

#[test]
fn zeros_behind_the_last_frame_are_a_torn_tail() {
    let place = thirty();
    change(&newest(&place), |bytes| bytes.extend([0; 4_096]));
    assert_eq!(place.numbers().unwrap().len(), 30);
    let dir = place.open();
    let logs = dir.logs(LogKind::Records, 1).unwrap();
    let taken = logs.read(0, |_, _| Ok::<_, String>(())).unwrap();
    assert_eq!((taken.torn_bytes(), taken.frame_count(), taken.newest_frame()), (4_096, 30, 30));
}

/// Whatever byte changes: what is read is right, and when frames are missing that is either said, or they were
/// the very last.
#[test]
fn a_changed_byte_is_noticed() {
    let place = thirty();
    let segments = place.segments();
    for path in &segments {
        let bytes = fs::read(path).unwrap();
        for at in 0..bytes.len() {
            change(path, |bytes| bytes[at] ^= 0x10);
            match place.numbers() {
                Err(damage) => assert_eq!(&damage.file, path, "byte {at}: {damage}"),
                Ok(numbers) => {
                    assert_eq!(numbers, (1..=29).collect::<Vec<_>>(), "{} byte {at}", path.display());
                    assert_eq!(path, segments.last().unwrap());
                }
            }
            fs::write(path, &bytes).unwrap();
        }
    }
    assert_eq!(place.numbers().unwrap().len(), 30);
}

#[test]
fn damage_says_which_file_where_and_why() {
    let place = thirty();
    let second = place.segments().remove(1);
    let size = frame::first(&fs::read(&second).unwrap()[header::HEADER_BYTES..]).unwrap().unwrap().size();
    change(&second, |bytes| bytes[header::HEADER_BYTES + size + 12] ^= 1);
    let damage = place.numbers().expect_err("damaged");
    assert_eq!((&damage.file, damage.offset), (&second, (header::HEADER_BYTES + size) as u64));
    assert_eq!(damage.cause, DamageCause::Frame(FrameError::WrongCrc));
    let text = damage.to_string();
    assert!(
        text.contains("records-000-00000002.log, at byte ") && text.contains("CRC-32 is wrong"),
        "{text}"
    );
}

#[test]
fn an_older_segment_may_not_be_cut_off() {
    let place = thirty();
    let second = place.segments().remove(1);
    change(&second, |bytes| bytes.truncate(bytes.len() - 1));
    assert!(matches!(place.damage(), DamageCause::Frame(FrameError::CutOff(_))));
}

#[test]
fn frames_missing_at_the_end_of_an_older_segment_are_noticed() {
    let place = thirty();
    let second = place.segments().remove(1);
    let mut last = 0;
    change(&second, |bytes| {
        let mut at = header::HEADER_BYTES;
        let mut last_at = at;
        while let Some(frame) = frame::first(&bytes[at..]).unwrap() {
            (last, last_at) = (frame.number, at);
            at += frame.size();
        }
        bytes.truncate(last_at);
    });
    assert_eq!(place.damage(), DamageCause::FramesMissing { found: last - 1, expected: last });
}

#[test]
fn missing_segments_are_noticed() {
    let place = thirty();
    fs::remove_file(place.segments().remove(2)).unwrap();
    assert_eq!(place.damage(), DamageCause::SegmentMissing(3));
}

#[test]
fn a_log_that_is_gone_is_noticed() {
    let place = thirty();
    for segment in place.segments() {
        fs::remove_file(segment).unwrap();
    }
    assert_eq!(place.damage(), DamageCause::LogMissing(0));
    fs::remove_dir_all(place.path().join("records")).unwrap();
    assert_eq!(place.damage(), DamageCause::AllMissing);
    // Not so for logs of which there never were any.
    let dir = place.open();
    let hints = dir.logs(LogKind::Hints, 1).unwrap();
    assert!(hints.read(0, |_, _| Ok::<_, String>(())).unwrap().is_fresh());
}

#[test]
fn segments_that_were_moved_are_noticed() {
    let place = Place::new();
    let (_dir, mut logs) = place.logs(2);
    for log in &mut logs {
        append(log, 1..=30);
    }
    drop((_dir, logs));
    let generation = place.path().join("records/1-for-2-workers");
    let segment =
        |worker: u16, sequence: u64| generation.join(format!("records-{worker:03}-{sequence:08}.log"));
    let misplaced = |name| DamageCause::Header(HeaderError::Misplaced(name));
    let cause = || match place.read(0, 2) {
        Err(ReadError::Damaged(damage)) => damage.cause,
        other => panic!("{other:?}"),
    };
    let third = fs::read(segment(0, 3)).unwrap();
    fs::copy(segment(1, 3), segment(0, 3)).unwrap();
    assert_eq!(cause(), misplaced("worker"));
    fs::copy(segment(0, 2), segment(0, 3)).unwrap();
    assert_eq!(cause(), misplaced("sequence"));
    fs::write(segment(0, 3), third).unwrap();
    assert_eq!(place.read(0, 2).unwrap().len(), 30);

    let other = generation.with_file_name("2-for-2-workers");
    fs::rename(&generation, &other).unwrap();
    assert_eq!(cause(), misplaced("generation"));
    fs::rename(&other, &generation).unwrap();
    // A whole directory from another node, under this one's name.
    change(&place.path().join("node.toml"), |text| {
        let old = String::from_utf8(text.clone()).unwrap();
        let (a1, a2) = (dynomite_ring::NodeId::from_name("a1"), dynomite_ring::NodeId::from_name("a2"));
        *text = old.replace("\"a1\"", "\"a2\"").replace(&a1.to_string(), &a2.to_string()).into_bytes();
    });
    let mut settings = place.settings.clone();
    settings.identity.name = "a2".to_owned();
    let dir = DataDir::open(settings).unwrap();
    let error = dir.logs(LogKind::Records, 2).unwrap().read(0, |_, _| Ok::<_, String>(())).unwrap_err();
    assert!(error.to_string().contains("names another node"), "{error}");
}

#[test]
fn a_frame_that_the_reader_can_make_nothing_of_is_damage() {
    let place = thirty();
    let dir = place.open();
    let refuse =
        |_, frame: frame::Frame<'_>| if frame.number == 17 { Err("an unknown item") } else { Ok(()) };
    let error = dir.logs(LogKind::Records, 1).unwrap().read(0, refuse).unwrap_err();
    let ReadError::Damaged(damage) = error else { panic!("{error}") };
    assert_eq!(damage.cause, DamageCause::Refused { number: 17, reason: "an unknown item".to_owned() });
}

#[test]
fn what_the_system_does_not_let_be_read_is_not_called_damage() {
    let place = thirty();
    let second = place.segments().remove(1);
    fs::remove_file(&second).unwrap();
    fs::create_dir(&second).unwrap();
    let error = place.read(0, 1).expect_err("a directory is no segment");
    assert!(matches!(error, ReadError::Disk(DiskError::Io { .. })), "{error}");
    assert!(
        error.to_string().contains("cannot read ") && error.to_string().contains("00000002.log"),
        "{error}"
    );
}

#[test]
fn files_that_do_not_belong_there_are_not_looked_at() {
    let place = thirty();
    let generation = place.path().join("records/1-for-1-workers");
    fs::write(generation.join("records-000-00000001.log~"), "x").unwrap();
    fs::write(generation.join("hints-000-00000001.log"), "x").unwrap();
    fs::write(generation.join("records-001-00000001.log"), "x").unwrap();
    fs::write(place.path().join("records/notes.txt"), "x").unwrap();
    assert_eq!(place.numbers().unwrap().len(), 30);
}

fn contains(bytes: &[u8], number: u64) -> bool {
    let wanted = frame(number);
    bytes.windows(wanted.len()).any(|window| window == wanted)
}
