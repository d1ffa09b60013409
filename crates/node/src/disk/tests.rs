//! Logs on real directories.

mod appending;
mod crash;
mod data_dir;
mod full_disk;
mod generations;
mod model;
mod reading;
mod segment_header;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dynomite_replication::frame;
use tempfile::TempDir;

use super::*;

/// Small, so that tests see many segments.
const SEGMENT_BYTES: u64 = 1_000;
/// Longer than any test: files are synced when it is asked for.
const NEVER: Duration = Duration::from_secs(3_600);

/// A directory for one node's data, and what it is opened with.
struct Place {
    directory: TempDir,
    settings: DiskSettings,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let identity = Identity {
            cluster: "shop".to_owned(),
            name: "a1".to_owned(),
            datacenter: "dc1".to_owned(),
            rack: "rack1".to_owned(),
        };
        let settings = DiskSettings {
            path: directory.path().join("data"),
            identity,
            segment_bytes: SEGMENT_BYTES,
            sync_interval: NEVER,
        };
        Self { directory, settings }
    }

    fn open(&self) -> DataDir {
        DataDir::open(self.settings.clone()).unwrap()
    }

    fn path(&self) -> &Path {
        &self.settings.path
    }

    /// Opens the record logs of so many workers, without looking at what is in them.
    fn logs(&self, worker_count: u16) -> (DataDir, Vec<SegmentLog>) {
        let dir = self.open();
        let logs = dir.logs(LogKind::Records, worker_count).unwrap();
        let read = |worker| logs.read(worker, |_, _| Ok::<_, String>(())).unwrap();
        let taken = (0..worker_count).map(read).collect();
        let logs = logs.open(taken).unwrap();
        (dir, logs)
    }

    /// Opens the record log of the only worker.
    fn log(&self) -> (DataDir, SegmentLog) {
        let (dir, mut logs) = self.logs(1);
        (dir, logs.remove(0))
    }

    /// What a worker reads: the source and number of each frame, whose bodies are right.
    fn read(&self, worker: u16, worker_count: u16) -> Result<Vec<(LogSource, u64)>, ReadError> {
        let mut frames = Vec::new();
        self.open().logs(LogKind::Records, worker_count)?.read(worker, |source, frame| {
            check(frame.number, frame.payload);
            frames.push((source, frame.number));
            Ok::<_, String>(())
        })?;
        Ok(frames)
    }

    /// Numbers of the frames of the only worker's log.
    fn numbers(&self) -> Result<Vec<u64>, Damage> {
        match self.read(0, 1) {
            Ok(frames) => Ok(frames.into_iter().map(|(_, number)| number).collect()),
            Err(ReadError::Damaged(damage)) => Err(damage),
            Err(error) => panic!("{error}"),
        }
    }

    /// The cause of the damage to the only worker's log.
    #[track_caller]
    fn damage(&self) -> DamageCause {
        self.numbers().expect_err("a damaged log").cause
    }

    /// Bytes that they take on the disk.
    fn segment_sizes(&self) -> Vec<u64> {
        self.segments().iter().map(|segment| fs::metadata(segment).unwrap().len()).collect()
    }

    /// The segments of the first generation with one worker, oldest first.
    fn segments(&self) -> Vec<PathBuf> {
        files(&self.path().join("records/1-for-1-workers"))
    }
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

fn names(directory: &Path) -> Vec<String> {
    files(directory).iter().map(|file| file.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}

/// A frame whose body follows from its number.
fn frame(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let start = frame::begin(&mut bytes, number);
    bytes.extend(body(number));
    frame::seal(&mut bytes, start).unwrap();
    bytes
}

fn frames(numbers: std::ops::RangeInclusive<u64>) -> Vec<u8> {
    numbers.flat_map(frame).collect()
}

/// 0 to 299 bytes, 150 on average.
fn body(number: u64) -> impl Iterator<Item = u8> {
    let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    (0..mixed % 300).map(move |at| (mixed + at) as u8)
}

#[track_caller]
fn check(number: u64, payload: &[u8]) {
    assert!(payload[frame::NUMBER_BYTES..].iter().copied().eq(body(number)), "frame {number} is another");
}

/// Number of the last frame before a second segment is begun.
fn end_of_first_segment() -> u64 {
    let mut size = header::HEADER_BYTES;
    let fits = |number: &u64| {
        size += frame(*number).len();
        size as u64 <= SEGMENT_BYTES
    };
    (1..).take_while(fits).last().expect("some fit")
}

/// Appends the frames one by one.
fn append(log: &mut SegmentLog, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        log.append(&frame(number)).unwrap();
    }
}

/// Changes a file as nobody should.
fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::write(path, bytes).unwrap();
}
