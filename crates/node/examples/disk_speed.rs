//! How long appends to a log take, and how long it takes to read one: `disk_speed [DIRECTORY]`, which is made and removed.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use dynomite_node::disk::{DataDir, DiskSettings, Identity, LogKind, SegmentLog};
use dynomite_replication::frame;

const FRAME_BYTES: usize = 2 << 10;
const LOG_BYTES: u64 = 500_000_000;
/// Fewer, because each waits for the disk.
const SYNCED_COUNT: u64 = 500;

fn main() -> Result<(), Box<dyn Error>> {
    let parent = env::args_os().nth(1).map_or_else(env::temp_dir, PathBuf::from);
    let path = parent.join(format!("dynomite-disk-speed-{}", std::process::id()));
    let outcome = measure(&path);
    fs::remove_dir_all(&path)?;
    outcome
}

fn measure(path: &std::path::Path) -> Result<(), Box<dyn Error>> {
    let settings = |name: &str, sync_interval| DiskSettings {
        path: path.join(name),
        identity: Identity {
            cluster: "speed".to_owned(),
            name: "node1".to_owned(),
            datacenter: "dc1".to_owned(),
            rack: "rack1".to_owned(),
        },
        segment_bytes: 32 << 20,
        sync_interval,
    };

    let in_background = settings("background", Duration::from_secs(1));
    let count = LOG_BYTES / FRAME_BYTES as u64;
    let (dir, mut log) = open(in_background.clone())?;
    report("append of 2 KiB, synced in the background", append(&mut log, count)?);
    let begun_at = Instant::now();
    dir.sync();
    println!("last sync: {:.1} ms", begun_at.elapsed().as_secs_f64() * 1e3);
    drop((dir, log));

    let begun_at = Instant::now();
    let dir = DataDir::open(in_background)?;
    let logs = dir.logs(LogKind::Records, 1)?;
    let mut payload_bytes = 0;
    let taken = logs.read(0, |_, frame| {
        payload_bytes += frame.payload.len();
        Ok::<_, String>(())
    })?;
    println!(
        "reading {} frames, {} MB: {:.2} s",
        taken.frame_count(),
        taken.byte_count() / 1_000_000,
        begun_at.elapsed().as_secs_f64()
    );

    let (_dir, mut log) = open(settings("each", Duration::ZERO))?;
    report("append of 2 KiB, synced each", append(&mut log, SYNCED_COUNT)?);
    Ok(())
}

fn open(settings: DiskSettings) -> Result<(DataDir, SegmentLog), Box<dyn Error>> {
    let dir = DataDir::open(settings)?;
    let logs = dir.logs(LogKind::Records, 1)?;
    let taken = logs.read(0, |_, _| Ok::<_, String>(()))?;
    let log = logs.open(vec![taken])?.pop().ok_or("one worker has one log")?;
    Ok((dir, log))
}

/// Appends so many frames; gives how long each took.
fn append(log: &mut SegmentLog, count: u64) -> Result<Vec<Duration>, Box<dyn Error>> {
    let mut times = Vec::with_capacity(count as usize);
    let mut bytes = Vec::new();
    for number in 1..=count {
        bytes.clear();
        let start = frame::begin(&mut bytes, number);
        bytes.resize(FRAME_BYTES, number as u8);
        frame::seal(&mut bytes, start)?;
        let begun_at = Instant::now();
        log.append(&bytes)?;
        times.push(begun_at.elapsed());
    }
    Ok(times)
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let total: Duration = times.iter().sum();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let at = |part: f64| micros(times[((times.len() - 1) as f64 * part) as usize]);
    println!(
        "{what}: mean {:.1} µs, median {:.1}, 99 % {:.1}, 99.99 % {:.0}, longest {:.0}",
        micros(total) / times.len() as f64,
        at(0.5),
        at(0.99),
        at(0.9999),
        at(1.0)
    );
}
