//! A node that was away: how soon after its return its copies are equal to the others', and what clients see of it.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use dynomite_testkit::{Cluster, ClusterNode, request};

use super::facts::{Facts, facts};
use super::process_stats::machine_busy;
use super::redis_benchmark::key;
use copies::Behind;
use open_loop::{Acknowledged, Load};
use outcome::{Moment, Moments, Outcome};
use samples::Samples;

mod copies;
mod open_loop;
mod outcome;
mod samples;

const RACKS: [&str; 3] = ["rack1", "rack2", "rack3"];
/// The one of the last rack. Clients talk to the others.
const AWAY: usize = RACKS.len() - 1;
/// Until connections, caches and the pace of clients have settled.
const WARM_UP: Duration = Duration::from_secs(5);
const FILL_BATCH: usize = 1000;
/// Between two looks at the nodes while one comes back.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// The datastore is read this long after the return even if nodes still say that something is missing.
const READ_ANYWAY: Duration = Duration::from_secs(30);
const READ_INTERVAL: Duration = Duration::from_secs(1);
/// After the load, for what is still under way.
const REST_MAX: Duration = Duration::from_secs(30);

/// Takes a node away from a cluster of three racks under a steady load, brings it back, and measures what follows.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// How long the node is away
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    away: u64,
    /// Writes per second
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    rate: u32,
    /// Reads per second
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    reads: u32,
    /// Keys, written in random order
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    keys: u32,
    /// Bytes of each value
    #[arg(long, value_name = "N", default_value_t = 32)]
    value_bytes: usize,
    /// What happens to the node
    #[arg(long, value_enum, default_value_t = How::Kill)]
    how: How,
    /// How long the latencies are measured before that: long enough for the record log to be compacted, as it is later
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    before: u64,
    /// How long they are measured when the copies are equal again
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    after: u64,
    /// Give up when the copies are not equal so long after the return
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    give_up: u64,
    /// Further settings of the nodes, such as limits.hints_max=64MiB
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    pub(super) run: super::RunArguments,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum How {
    /// The node is killed, and started again
    Kill,
    /// The node stands still, with its connections open
    Freeze,
    /// Its datastore stands still
    Datastore,
}

/// Measures, and prints what came of it.
///
/// # Errors
/// When copies stay different, a process or connection fails, or a target is missed with `--check`.
pub(super) fn measure(arguments: &Arguments, binary: &Path) -> Result<()> {
    ensure!(arguments.keys > 0 && arguments.rate > 0 && arguments.before > 0, "there is nothing to measure");
    let mut cluster = start(arguments, binary);
    fill(&cluster, arguments).context("the keys cannot be written")?;
    let (acknowledged, stop, epoch) =
        (Arc::new(Acknowledged::new(arguments.keys)), AtomicBool::new(false), Instant::now());
    let addresses: Vec<_> = cluster.nodes()[..AWAY].iter().map(|node| node.server.client_address()).collect();
    let (moments, samples) = thread::scope(|scope| -> Result<(Moments, Samples)> {
        let stop_load = StopOnDrop(&stop);
        let load = scope.spawn(|| open_loop::run(&addresses, arguments.load(), epoch, &acknowledged, &stop));
        let mut script = Script { cluster: &mut cluster, arguments, acknowledged: &acknowledged, epoch };
        let moments = script.run(|| load.is_finished());
        drop(stop_load);
        let samples = load.join().map_err(|_| anyhow!("the load panicked"))?;
        // Why clients ended tells more than what that did to the script.
        let samples = samples.context("the load")?;
        Ok((moments?, samples))
    })?;
    await_equal(&cluster, arguments.keys)?;
    let outcome = Outcome::new(&moments, &samples, arguments.how);
    println!("\n{}", outcome.text());
    if let Some(file) = &arguments.run.json {
        fs::write(file, outcome.json(&arguments.settings())?).context("--json")?;
    }
    ensure!(!arguments.run.check || outcome.missed_count() == 0, "{} targets missed", outcome.missed_count());
    Ok(())
}

/// Ends the load however the script ends.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Arguments {
    fn load(&self) -> Load {
        Load {
            writes_per_second: self.rate,
            reads_per_second: self.reads,
            key_count: self.keys,
            value_bytes: self.value_bytes,
        }
    }

    fn settings(&self) -> serde_json::Value {
        serde_json::json!({
            "away_seconds": self.away,
            "writes_per_second": self.rate,
            "reads_per_second": self.reads,
            "keys": self.keys,
            "value_bytes": self.value_bytes,
            "how": format!("{:?}", self.how).to_lowercase(),
            "workers": self.run.workers,
            "set": self.set,
        })
    }
}

fn start(arguments: &Arguments, binary: &Path) -> Cluster {
    let builder = Cluster::builder(binary).data_dirs().set(&format!("workers={}", arguments.run.workers));
    let builder = builder.set("consistency.read=DC_QUORUM").set("consistency.write=DC_QUORUM");
    let builder = arguments.set.iter().fold(builder, |builder, setting| builder.set(setting));
    RACKS.iter().fold(builder, |builder, rack| builder.rack("dc1", rack, 1)).start()
}

/// Writes every key once.
fn fill(cluster: &Cluster, arguments: &Arguments) -> Result<()> {
    let mut client = cluster.client(0);
    let value = open_loop::value(0, arguments.value_bytes);
    let numbers: Vec<u32> = (0..arguments.keys).collect();
    for batch in numbers.chunks(FILL_BATCH) {
        let commands: Vec<u8> =
            batch.iter().flat_map(|number| request(&[b"SET", key(*number).as_bytes(), &value])).collect();
        for reply in client.exchange(&commands, batch.len()) {
            ensure!(reply == b"+OK\r\n", "SET is answered {}", reply.escape_ascii());
        }
    }
    await_equal(cluster, arguments.keys)
}

/// Waits until all datastores hold the same.
fn await_equal(cluster: &Cluster, key_count: u32) -> Result<()> {
    let stores: Vec<_> = cluster.nodes().iter().map(|node| &node.redis).collect();
    let started_at = Instant::now();
    loop {
        let count = copies::differing_count(&stores, key_count)?;
        if count == 0 {
            return Ok(());
        }
        ensure!(started_at.elapsed() < REST_MAX, "{count} keys are not equal {REST_MAX:?} after the load");
        thread::sleep(READ_INTERVAL);
    }
}

/// What is done to the cluster, one thing after the other, while clients go on.
struct Script<'a> {
    cluster: &'a mut Cluster,
    arguments: &'a Arguments,
    acknowledged: &'a Acknowledged,
    epoch: Instant,
}

impl Script<'_> {
    fn run(&mut self, is_over: impl Fn() -> bool) -> Result<Moments> {
        let seconds = Duration::from_secs;
        let wait = |time: Duration| -> Result<()> {
            let until = Instant::now() + time;
            while Instant::now() < until {
                ensure!(!is_over(), "the load ended early");
                thread::sleep(LOOK_INTERVAL.min(until.saturating_duration_since(Instant::now())));
            }
            Ok(())
        };
        wait(WARM_UP)?;
        let mut moments = Moments { begun: self.moment()?, ..Moments::default() };
        wait(seconds(self.arguments.before))?;

        moments.left = self.moment()?;
        self.leave();
        println!("{:>6.1} s: {} is away", moments.left.at.as_secs_f64(), self.node().name());
        wait(seconds(self.arguments.away))?;

        let facts = self.facts();
        moments.hints = facts.iter().map(|facts| facts.number("hints_pending")).sum();
        moments.buckets_marked = facts.iter().map(|facts| facts.number("buckets_needing_repair")).sum();
        let mut behind = Behind::new(&self.acknowledged.snapshot());
        moments.returned = self.moment()?;
        self.come_back();
        moments.answered = self.moment()?;
        println!(
            "{:>6.1} s: it is back; the others hold {} hints, and {} buckets need repair",
            moments.returned.at.as_secs_f64(),
            moments.hints,
            moments.buckets_marked
        );
        self.await_caught_up(&mut behind, moments.returned.at, &is_over)?;
        moments.caught_up = self.moment()?;
        println!("{:>6.1} s: it has caught up", moments.caught_up.at.as_secs_f64());
        wait(seconds(self.arguments.after))?;
        moments.ended = self.moment()?;
        Ok(moments)
    }

    /// Waits until its datastore holds, of each key, what was acknowledged when it came back, or something later.
    fn await_caught_up(
        &self,
        behind: &mut Behind,
        returned_at: Duration,
        is_over: impl Fn() -> bool,
    ) -> Result<()> {
        let mut told_at = Instant::now();
        loop {
            ensure!(!is_over(), "the load ended early");
            let elapsed = self.epoch.elapsed().saturating_sub(returned_at);
            let facts = self.facts();
            let sum = |name: &str| facts.iter().map(|facts| facts.number(name)).sum::<u64>();
            let (hints, marks) = (sum("hints_pending"), sum("buckets_needing_repair"));
            // Reading all keys costs the datastore: it is left alone while nodes know of something that is missing.
            let is_quiet = facts.len() == RACKS.len() && hints + marks + sum("buckets_lost") == 0;
            if is_quiet || elapsed > READ_ANYWAY {
                behind.look(&self.node().redis)?;
                if behind.count() == 0 {
                    return Ok(());
                }
                thread::sleep(READ_INTERVAL);
            }
            if told_at.elapsed() > READ_INTERVAL {
                told_at = Instant::now();
                println!(
                    "{:>6.1} s: {hints} hints, {marks} buckets need repair, {} keys may be behind",
                    self.epoch.elapsed().as_secs_f64(),
                    behind.count()
                );
            }
            ensure!(
                elapsed < Duration::from_secs(self.arguments.give_up),
                "{} keys are behind {elapsed:?} after the return",
                behind.count()
            );
            thread::sleep(LOOK_INTERVAL);
        }
    }

    fn leave(&mut self) {
        let how = self.arguments.how;
        let node = self.node_mut();
        match how {
            How::Kill => node.server.kill(),
            How::Freeze => node.server.freeze(),
            How::Datastore => node.redis.freeze(),
        }
    }

    fn come_back(&mut self) {
        let how = self.arguments.how;
        let node = self.node_mut();
        match how {
            How::Kill => node.server.restart(),
            How::Freeze => node.server.thaw(),
            How::Datastore => node.redis.thaw(),
        }
    }

    fn moment(&self) -> Result<Moment> {
        Ok(Moment { at: self.epoch.elapsed(), busy: machine_busy()? })
    }

    /// Of all nodes that answer.
    fn facts(&self) -> Vec<Facts> {
        self.cluster.nodes().iter().filter_map(|node| facts(node.server.client_address()).ok()).collect()
    }

    fn node(&self) -> &ClusterNode {
        &self.cluster.nodes()[AWAY]
    }

    fn node_mut(&mut self) -> &mut ClusterNode {
        &mut self.cluster.nodes_mut()[AWAY]
    }
}
