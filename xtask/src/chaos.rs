//! `cargo xtask chaos`: a cluster of real processes under load, to which everything happens that happens to clusters, and
//! a judge who knows what every client was told. See docs/chaos.md.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail, ensure};

use crate::cargo::{self, cargo, metadata, text};
use crate::report::Report;
use crate::servers;

mod class;
mod cluster;
mod copies;
mod disk;
mod faults;
mod history;
mod interrupt;
mod judge;
mod ledger;
mod load;
mod logs;
mod payload;
mod random;
mod report;
mod run;
mod state;
mod tally;
mod verdict;
mod violations;
mod watch;

use cluster::Cluster;
use report::Findings;
use run::{Clock, Run};
use watch::Watch;

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long the load goes on
    #[arg(long, value_name = "M", default_value_t = 2.0, value_parser = minutes)]
    minutes: f64,
    /// What the faults and the load follow from [default: the time]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Requests per second of all clients together
    #[arg(long, value_name = "N", default_value_t = 3_000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
    /// all, none, or some of the faults, separated by commas
    #[arg(long, value_name = "KINDS", default_value = "all", value_parser = kinds)]
    faults: Kinds,
    /// How many seconds all copies may take to become equal in the end
    #[arg(long, value_name = "S", default_value_t = 120)]
    converge: u64,
    /// The dynomited to run, instead of building that of this checkout
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Keep all logs below target/chaos, even if nothing was violated
    #[arg(long)]
    keep_logs: bool,
    /// Write everything into this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Kinds of faults.
#[derive(Debug, Clone)]
struct Kinds(Vec<faults::Kind>);

/// How long processes may take until they see each other after everything was mended.
const MEND_MAX: Duration = Duration::from_secs(60);

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    if !report.step("datastore", || servers::prepare_one("redis-server", "redis-server")) {
        return Ok(report);
    }
    let target = PathBuf::from(text(&metadata()?, "target_directory")?);
    let binary = match &arguments.binary {
        Some(file) => file.canonicalize().with_context(|| file.display().to_string())?,
        None => target.join("release/dynomited"),
    };
    let mut build = cargo(["build", "--release", "--package", "dynomited", "--locked"]);
    if arguments.binary.is_none() && !report.step("build", || cargo::run(&mut build)) {
        return Ok(report);
    }
    interrupt::catch()?;
    let mut started = None;
    report.step("start", || {
        started = Some(Run::new(Clock::start()?, Cluster::start(&binary)?));
        Ok(())
    });
    let Some(run) = started else { return Ok(report) };
    campaign(&run, arguments, &mut report, &target)?;
    report.step("stop", || {
        drop(run);
        Ok(())
    });
    Ok(report)
}

/// Load and faults, healing, judgement.
fn campaign(run: &Run, arguments: &Arguments, report: &mut Report, target: &std::path::Path) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(seed_of_the_time);
    let watch = Watch::new(run);
    let mut faults = faults::Outcome::default();
    let mut convergence = None;
    let is_done = report.step("load and faults", || {
        run.journal.line(&format!("seed {seed}; --seed {seed} plans the same faults"));
        faults = load_and_faults(run, arguments, seed, &watch)?;
        interrupt::check()
    }) && report.step("convergence", || {
        // The last keys to expire, and what is exact of that.
        let settled_at =
            Instant::now() + load::SHORT_LIFE_MAX + Duration::from_micros(2 * judge::EXPIRY_SLACK);
        mend(run, &watch)?;
        let found = copies::converge(run, Duration::from_secs(arguments.converge), settled_at)?;
        let count = found.differences.len();
        let took = found.took;
        convergence = Some(found);
        let took = took.with_context(|| format!("{count} keys are not equal on all copies"))?;
        println!("all copies are equal after {:.1} s", took.as_secs_f64());
        Ok(())
    });
    interrupt::check()?;
    let Some(convergence) = convergence else {
        ensure!(is_done, "there is nothing to judge");
        return Ok(());
    };
    let facts = run.cluster.hosts.iter().map(|host| host.facts().unwrap_or_default()).collect();
    let findings =
        Findings { run, seed, faults, converged_after: convergence.took, peaks: watch.peaks(), facts };
    report.step("verdict", || {
        verdict::judge_all(run, &convergence);
        watch.judge(run);
        logs::judge(run);
        findings.print();
        if let Some(file) = &arguments.json {
            fs::write(file, serde_json::to_string_pretty(&findings.json())?)
                .with_context(|| file.display().to_string())?;
        }
        let count = run.violations.total();
        if arguments.keep_logs || count > 0 {
            println!("\nlogs: {}", logs::keep(run, target, seed)?.display());
        }
        ensure!(count == 0, "{count} violations");
        Ok(())
    });
    Ok(())
}

/// Runs clients, faults and the watch until the time is over.
fn load_and_faults(run: &Run, arguments: &Arguments, seed: u64, watch: &Watch) -> Result<faults::Outcome> {
    let length = Duration::from_secs_f64(arguments.minutes * 60.0);
    let plan = faults::plan(seed, length, &arguments.faults.0);
    thread::scope(|scope| {
        // However this ends: nobody goes on.
        let _end = EndOnDrop(run);
        for client in load::clients(run, seed, arguments.rate) {
            scope.spawn(client);
        }
        scope.spawn(|| watch.work(run));
        let director = scope.spawn(|| faults::carry_out(run, &plan));
        run.pause(length);
        run.end();
        director.join().map_err(|_| anyhow::anyhow!("the director panicked"))
    })
}

/// Waits until all that the faults have left stands again.
fn mend(run: &Run, watch: &Watch) -> Result<()> {
    let mut last = Ok(());
    let is_mended = run.wait_for(MEND_MAX, || {
        watch.look(run);
        last = run.cluster.whole();
        last.is_ok()
    })?;
    if !is_mended && let Err(error) = last {
        run.violations.add(violations::Kind::Ended, "cluster", format!("after {MEND_MAX:?}: {error:#}"));
    }
    Ok(())
}

struct EndOnDrop<'a>(&'a Run);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}

fn seed_of_the_time() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since_1970.as_millis() as u64 % 1_000_000
}

fn minutes(text: &str) -> Result<f64> {
    /// Histories are kept in memory, 4 MB for a minute at 3,000 requests a second, and all copies in the end.
    const MINUTES_MAX: f64 = 60.0;
    let minutes: f64 = text.parse()?;
    ensure!((0.05..=MINUTES_MAX).contains(&minutes), "at least 0.05 and at most {MINUTES_MAX}");
    Ok(minutes)
}

fn kinds(text: &str) -> Result<Kinds> {
    match text {
        "all" => return Ok(Kinds(faults::Kind::ALL.to_vec())),
        "none" => return Ok(Kinds(Vec::new())),
        _ => {}
    }
    let kind = |name: &str| {
        let kind = faults::Kind::ALL.into_iter().find(|kind| kind.name() == name);
        let Some(kind) = kind else {
            bail!("`{name}` is none of {}", faults::Kind::ALL.map(faults::Kind::name).join(", "));
        };
        Ok(kind)
    };
    Ok(Kinds(text.split(',').map(kind).collect::<Result<_>>()?))
}
