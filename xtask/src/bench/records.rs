//! What records cost a node: memory beside the keys, a log that is compacted, and the time until a restarted node serves.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use dynomite_testkit::{Cluster, ClusterNode, request};
use serde_json::{Value, json};

use super::facts::facts;
use super::process_stats::resident_bytes;
use super::redis_benchmark::key;
use super::{machine, table};

const RACKS: [&str; 3] = ["rack1", "rack2", "rack3"];
/// The node that is looked at and restarted; clients write through the others.
const MEASURED: usize = RACKS.len() - 1;
const VALUE: &[u8] = b"12345678";
const BATCH: usize = 500;
/// Of a record that an overwrite left, in the log: what kind of item it is, the length of the key, the version.
const ITEM_BYTES: u64 = 2 + 1 + 12;
/// After many writes, until buffers are given back and old segments deleted.
const SETTLE: Duration = Duration::from_secs(15);
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const STOP_MAX: Duration = Duration::from_secs(30);
const READY_MAX: Duration = Duration::from_secs(120);

const RECORD_BYTES_MAX: f64 = 120.0;
const LOG_GROWTH_MAX: f64 = 2.0;
const RESTART_SECONDS_MAX: f64 = 10.0;

/// Writes many keys into a cluster of three racks, overwrites them, and restarts a node.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Keys
    #[arg(long, value_name = "N", default_value_t = 5_000_000)]
    keys: u32,
    /// Overwrites of keys in random order [default: as many as keys]
    #[arg(long, value_name = "N")]
    overwrites: Option<u32>,
    #[command(flatten)]
    pub(super) run: super::RunArguments,
}

/// One measured figure, with its bound.
struct Figure {
    name: String,
    value: f64,
    max: f64,
}

/// Measures, and prints what came of it.
///
/// # Errors
/// When a reply is not what it must be, a process ends, or a target is missed with `--check`.
pub(super) fn measure(arguments: &Arguments, binary: &Path) -> Result<()> {
    let keys = arguments.keys;
    ensure!(keys > 0, "there is nothing to measure");
    let builder = Cluster::builder(binary).data_dirs().set(&format!("workers={}", arguments.run.workers));
    let builder = builder.set("consistency.read=DC_QUORUM").set("consistency.write=DC_QUORUM");
    let mut cluster = RACKS.iter().fold(builder, |builder, rack| builder.rack("dc1", rack, 1)).start();
    let mut figures = Vec::new();

    let empty_bytes = resident(measured(&cluster))?;
    let per_second = write(&cluster, |index| index, keys, || ())?;
    thread::sleep(SETTLE);
    let record_count = facts(measured(&cluster).server.client_address())?.number("records");
    // The cluster's start may have written a few itself.
    ensure!(record_count >= u64::from(keys), "{record_count} records of {keys} keys");
    println!("{keys} keys written, {per_second:.0} per second");
    let key_bytes = key(0).len() as f64;
    let per_record = |bytes: u64| (bytes as f64 - empty_bytes as f64) / f64::from(keys) - key_bytes;
    let mut figure = |name: &str, value: f64, max: f64| {
        figures.push(Figure { name: name.to_owned(), value, max });
    };
    figure(
        "resident bytes per record, beside the key",
        per_record(resident(measured(&cluster))?),
        RECORD_BYTES_MAX,
    );

    let live_bytes = u64::from(keys) * (ITEM_BYTES + key_bytes as u64);
    let growth = |bytes: u64| bytes as f64 / live_bytes as f64;
    let mut largest = log_bytes(measured(&cluster))?;
    figure("log / live records, after each key was written once", growth(largest), LOG_GROWTH_MAX);
    let overwrites = arguments.overwrites.unwrap_or(keys);
    let log_directory = measured(&cluster).server.data_dir().join("records");
    let per_second = write(
        &cluster,
        |index| scattered(index, keys),
        overwrites,
        || {
            largest = largest.max(bytes_below(&log_directory).unwrap_or(u64::MAX));
        },
    )?;
    println!("{overwrites} overwrites, {per_second:.0} per second");
    figure("the same while keys are overwritten, at most", growth(largest), LOG_GROWTH_MAX);
    thread::sleep(SETTLE);
    figure("the same at rest", growth(log_bytes(measured(&cluster))?), LOG_GROWTH_MAX);

    for (end, is_orderly) in [("an orderly stop", true), ("SIGKILL", false)] {
        let restart = restart(&mut cluster, is_orderly, u64::from(keys)).with_context(|| end.to_owned())?;
        let mut seconds = |what: &str, time: Duration| {
            figure(&format!("seconds after {end} until {what}"), time.as_secs_f64(), RESTART_SECONDS_MAX);
        };
        seconds("the first answer", restart.answered);
        seconds("the first value is read", restart.read);
        seconds("all copies vote", restart.ready);
    }
    figure(
        "resident bytes per record after that, beside the key",
        per_record(resident(measured(&cluster))?),
        RECORD_BYTES_MAX,
    );
    tell(arguments, &figures)
}

fn tell(arguments: &Arguments, figures: &[Figure]) -> Result<()> {
    let row = |figure: &Figure| {
        let word = if figure.is_kept() { "ok" } else { "MISSED" };
        vec![
            figure.name.clone(),
            format!("{:.2}", figure.value),
            format!("{:.0}", figure.max),
            word.to_owned(),
        ]
    };
    let rows: Vec<Vec<String>> = figures.iter().map(row).collect();
    println!("\n{}", table::aligned(&["figure", "measured", "at most", ""], &rows));
    if let Some(file) = &arguments.run.json {
        let figure = |figure: &Figure| -> Value {
            json!({
                "figure": figure.name,
                "measured": figure.value,
                "max": figure.max,
                "is_kept": figure.is_kept(),
            })
        };
        let all = json!({
            "date": machine::now()?,
            "machine": machine::machine()?,
            "settings": { "keys": arguments.keys, "workers": arguments.run.workers },
            "figures": figures.iter().map(figure).collect::<Vec<_>>(),
        });
        fs::write(file, format!("{all:#}\n")).context("--json")?;
    }
    let missed_count = figures.iter().filter(|figure| !figure.is_kept()).count();
    ensure!(!arguments.run.check || missed_count == 0, "{missed_count} of {} targets missed", figures.len());
    Ok(())
}

impl Figure {
    /// What is no number keeps no bound.
    fn is_kept(&self) -> bool {
        self.value <= self.max
    }
}

fn measured(cluster: &Cluster) -> &ClusterNode {
    &cluster.nodes()[MEASURED]
}

fn resident(node: &ClusterNode) -> Result<u64> {
    resident_bytes(&[node.server.process_id().context("the node has ended")?])
}

fn log_bytes(node: &ClusterNode) -> Result<u64> {
    bytes_below(&node.server.data_dir().join("records"))
}

/// Bytes of all files in a directory and those in it. A file may go while it is looked for.
fn bytes_below(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => bytes += bytes_below(&entry.path())?,
            Ok(metadata) => bytes += metadata.len(),
            Err(_) => {}
        }
    }
    Ok(bytes)
}

/// A number below `count` that looks random.
fn scattered(index: u32, count: u32) -> u32 {
    let mixed = u64::from(index).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    (((mixed >> 32) * u64::from(count)) >> 32) as u32
}

/// Writes `count` keys, of which `pick` names the numbers, through all nodes but the measured one; `meanwhile` is called now and
/// then. Writes per second.
fn write(
    cluster: &Cluster,
    pick: impl Fn(u32) -> u32 + Sync,
    count: u32,
    mut meanwhile: impl FnMut(),
) -> Result<f64> {
    let started_at = Instant::now();
    let writer = |part: usize| -> Result<()> {
        let mut client = cluster.client(part);
        let own: Vec<u32> = (0..count).filter(|index| *index as usize % MEASURED == part).collect();
        for batch in own.chunks(BATCH) {
            let keys = batch.iter().map(|index| key(pick(*index)));
            let commands: Vec<u8> = keys.flat_map(|key| request(&[b"SET", key.as_bytes(), VALUE])).collect();
            for reply in client.exchange(&commands, batch.len()) {
                ensure!(reply == b"+OK\r\n", "SET is answered {}", reply.escape_ascii());
            }
        }
        Ok(())
    };
    thread::scope(|scope| -> Result<()> {
        let writer = &writer;
        let writers: Vec<_> = (0..MEASURED).map(|part| scope.spawn(move || writer(part))).collect();
        while writers.iter().any(|writer| !writer.is_finished()) {
            meanwhile();
            thread::sleep(LOOK_INTERVAL);
        }
        writers.into_iter().try_for_each(|writer| writer.join().map_err(|_| anyhow!("a writer panicked"))?)
    })?;
    Ok(f64::from(count) / started_at.elapsed().as_secs_f64())
}

/// Times since the start of the process.
struct Restart {
    answered: Duration,
    read: Duration,
    ready: Duration,
}

fn restart(cluster: &mut Cluster, is_orderly: bool, record_count: u64) -> Result<Restart> {
    let node = &mut cluster.nodes_mut()[MEASURED];
    if is_orderly {
        let status = node.server.terminate(STOP_MAX);
        ensure!(status.success(), "it ended with {status}");
    } else {
        node.server.kill();
    }
    let started_at = Instant::now();
    node.server.restart();
    let answered = started_at.elapsed();
    let expected = format!("${}\r\n{}\r\n", VALUE.len(), String::from_utf8_lossy(VALUE));
    let until = |is_so: &dyn Fn() -> bool| -> Result<Duration> {
        while !is_so() {
            ensure!(started_at.elapsed() < READY_MAX, "it does not serve after {READY_MAX:?}");
            thread::sleep(LOOK_INTERVAL / 10);
        }
        Ok(started_at.elapsed())
    };
    let address = node.server.client_address();
    let mut client = node.server.client();
    let first = key(0);
    let mut reply = Vec::new();
    while reply != expected.as_bytes() {
        ensure!(started_at.elapsed() < READY_MAX, "{first} is read as {}", reply.escape_ascii());
        reply = client.try_command(&["GET", &first])?;
    }
    let read = started_at.elapsed();
    let ready = until(&|| {
        facts(address).is_ok_and(|facts| {
            facts.number("buckets_lost") == 0
                && facts.number("records") >= record_count
                && facts.text("datastore_state") == "up"
                && facts.number("peers_up") == MEASURED as u64
        })
    })?;
    Ok(Restart { answered, read, ready })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scattered_numbers_are_below_their_bound_and_meet_most_keys() {
        const COUNT: u32 = 10_000;
        let mut met = vec![false; COUNT as usize];
        (0..COUNT).for_each(|index| met[scattered(index, COUNT) as usize] = true);
        let met_count = met.into_iter().filter(|is_met| *is_met).count();
        // As many as random ones: all but 1/e of them.
        assert!((6_100..6_500).contains(&met_count), "{met_count}");
    }

    #[test]
    fn files_are_counted_wherever_they_lie() {
        let directory = tempfile::tempdir().expect("a directory");
        fs::create_dir(directory.path().join("below")).expect("created");
        fs::write(directory.path().join("one"), [0; 10]).expect("written");
        fs::write(directory.path().join("below/two"), [0; 5]).expect("written");
        assert_eq!(bytes_below(directory.path()).expect("readable"), 15);
        assert!(bytes_below(&directory.path().join("nowhere")).is_err());
    }
}
