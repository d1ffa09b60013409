//! Processes that end in the middle of an append. The children are tests of this binary, which the parents run.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// Names the directory for a child.
const DIRECTORY: &str = "DYNOMITE_TEST_DIRECTORY";
/// Frames that a child keeps.
const KEPT: u64 = 200;
const ROUNDS: u64 = 25;
/// The shell's unit for the size of files.
const LIMIT_UNITS: u64 = 64;

/// Appends for ever, and says the number of each frame once it is in the log.
#[test]
#[ignore = "run by the test below, which kills it"]
fn child_that_appends() {
    let (_dir, mut log) = child_place().log();
    loop {
        let number = log.last_frame() + 1;
        log.append(&large_frame(number)).unwrap();
        println!("acknowledged {number}");
        if number.is_multiple_of(50) {
            log.drop_below(number.saturating_sub(KEPT));
        }
    }
}

#[test]
fn a_killed_process_leaves_all_frames_that_it_acknowledged() {
    let place = crash_place();
    let mut acknowledged = 0;
    for round in 0..ROUNDS {
        let mut child = child("child_that_appends", &place).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let mut numbers = lines.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok());
        // A different moment each time; what it says until it is dead counts too.
        let first = numbers.nth((round * 37 % 150) as usize).expect("the child appends");
        child.kill().unwrap();
        child.wait().unwrap();
        acknowledged = numbers.last().unwrap_or(first).max(acknowledged);

        let mut found = Vec::new();
        let dir = place.open();
        let logs = dir.logs(LogKind::Records, 1).unwrap();
        let taken = logs.read(0, |_, frame| {
            assert!(large_frame(frame.number)[frame::HEADER_BYTES..] == *frame.payload, "{}", frame.number);
            found.push(frame.number);
            Ok::<_, String>(())
        });
        taken.unwrap_or_else(|error| panic!("round {round}: {error}"));
        let newest = *found.last().unwrap();
        assert_eq!(found, (found[0]..=newest).collect::<Vec<_>>());
        assert!(newest >= acknowledged, "round {round}: {newest} < {acknowledged}");
        // One more than was said may be in the log, and everything that was to be kept.
        assert!(newest <= acknowledged + 1 && found[0] <= acknowledged.saturating_sub(KEPT).max(1));
    }
}

/// Fills the files that its shell allows it, and goes on when it is allowed larger ones.
#[test]
#[ignore = "run by the test below, with a limit on the size of files"]
fn child_whose_files_are_limited() {
    let (_dir, mut log) = child_place().log();
    let mut full_count = 0;
    while log.last_frame() < 1_000 {
        let length = log.byte_count();
        if let Err(AppendError::Io(error)) = log.append(&frame(log.last_frame() + 1)) {
            assert_eq!(error.kind(), std::io::ErrorKind::FileTooLarge);
            assert_eq!(log.byte_count(), length);
            full_count += 1;
            if full_count == 3 {
                let limit = getrlimit(Resource::Fsize);
                setrlimit(Resource::Fsize, Rlimit { current: limit.maximum, ..limit }).unwrap();
            }
        }
    }
    println!("full {full_count} times");
}

/// The system itself takes a part of a frame and refuses the rest.
#[test]
fn a_file_that_may_not_grow_is_full_until_it_may() {
    let place = crash_place();
    let inner = child("child_whose_files_are_limited", &place);
    // A shell can have the signal ignored that comes with the limit.
    let script = format!("trap '' XFSZ && ulimit -S -f {LIMIT_UNITS} && exec \"$0\" \"$@\"");
    let output = Command::new("sh")
        .args(["-c", &script])
        .arg(inner.get_program())
        .args(inner.get_args())
        .env(DIRECTORY, place.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("full 3 times"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(place.numbers().unwrap(), (1..=1_000).collect::<Vec<_>>());
}

/// A place with larger segments, synced often.
fn crash_place() -> Place {
    let mut place = Place::new();
    place.settings.segment_bytes = 256 << 10;
    place.settings.sync_interval = Duration::from_millis(5);
    place
}

fn child_place() -> Place {
    let mut place = crash_place();
    place.settings.path = env::var_os(DIRECTORY).expect("a parent names the directory").into();
    place
}

fn child(test: &str, place: &Place) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    let name = format!("disk::tests::crash::{test}");
    command
        .args(["--exact", &name, "--ignored", "--nocapture", "--test-threads=1"])
        .env(DIRECTORY, place.path());
    command
}

/// Up to 70 KB, so that some are written when the process is killed.
fn large_frame(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let start = frame::begin(&mut bytes, number);
    bytes.extend((0..number * 7_919 % 70_000).map(|at| (at ^ number) as u8));
    frame::seal(&mut bytes, start).unwrap();
    bytes
}
