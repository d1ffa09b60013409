//! `cargo xtask bench`: speed beside Redis and nutcracker, and the smaller measurements.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::cargo::{self, cargo, metadata, text};
use crate::report::Report;
use crate::{instructions, servers};

mod absence;
mod facts;
mod loads;
mod machine;
mod memory;
mod plot;
mod process_stats;
mod publish;
mod records;
mod redis_benchmark;
mod results;
mod run;
mod systems;
mod table;
mod targets;

use loads::{Extent, Load};
use results::Results;
use run::{Comparison, Settings};
use systems::{Another, Plan, System, Systems};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
    #[command(flatten)]
    speed: Speed,
}

#[derive(clap::Subcommand)]
enum Other {
    /// Run the criterion benches of the pure crates
    Micro(Micro),
    /// Count the instructions of the same cases, and compare them with those in benches/instructions.json
    Instructions(Instructions),
    /// Measure the resident memory of a node
    Memory(Memory),
    /// Take a node away under load, and measure how soon it has caught up after its return
    Return(absence::Arguments),
    /// Measure what records cost a node: memory, log, restart
    Records(records::Arguments),
}

/// Measures nodes and clusters beside Redis and nutcracker.
#[derive(clap::Args)]
struct Speed {
    /// Only the loads that have all these words, such as "get 32b p16"; the operations are get, set, mget and mixed
    #[arg(long, value_name = "TEXT")]
    case: Option<String>,
    /// Only the systems whose name contains this, such as "one node"; always with Redis and nutcracker
    #[arg(long, value_name = "TEXT")]
    system: Option<String>,
    /// How often each system is measured under each load [default: 5; 3 when quick]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,
    /// Shorter runs, of 32 bytes and pipelines up to 16 alone
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// All commands with all sizes and all pipelines
    #[arg(long)]
    full: bool,
    /// Write everything, each round too, into this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail where a target is missed
    #[arg(long)]
    check: bool,
    /// Write the results, pictures and tables of docs/performance.md
    #[arg(long, conflicts_with_all = ["case", "system", "quick", "full", "data_dir", "binary"])]
    publish: bool,
    /// The setting `workers` of the nodes
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: String,
    /// The nodes of clusters keep records and hints on disk
    #[arg(long)]
    data_dir: bool,
    /// Another `dynomited` to be measured in the same rounds, such as an older one; without a data directory. Several may be given
    #[arg(long, value_name = "NAME=PATH", value_parser = named_path)]
    binary: Vec<(String, PathBuf)>,
}

#[derive(clap::Args)]
struct Instructions {
    /// Only the cases whose names contain this
    filter: Option<String>,
    /// Write what is counted into the baseline
    #[arg(long)]
    write_baseline: bool,
}

#[derive(clap::Args)]
struct Memory {
    /// Fail where a bound is passed
    #[arg(long)]
    check: bool,
    /// The setting `workers` of the node
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: String,
}

#[derive(clap::Args)]
struct Micro {
    /// Run only this benchmark program (a file of benches/benches without .rs)
    #[arg(long)]
    bench: Option<String>,
    /// Passed on to criterion, such as a name filter or --quick
    #[arg(last = true)]
    criterion: Vec<String>,
}

const ROUNDS: u16 = 5;
const ROUNDS_QUICK: u16 = 3;
const RUN_SECONDS: f64 = 1.2;
const RUN_SECONDS_QUICK: f64 = 0.4;

pub(crate) fn run(arguments: &Arguments) -> Result<Report> {
    let mut report = Report::default();
    match &arguments.other {
        None => speed(&arguments.speed, &mut report)?,
        Some(Other::Memory(memory)) => measure_memory(memory, &mut report)?,
        Some(Other::Return(absence)) => {
            let measure = |binary: &Path| absence::measure(absence, binary);
            with_server(absence.run.binary.as_deref(), "return", &mut report, measure)?;
        }
        Some(Other::Records(records)) => {
            let measure = |binary: &Path| records::measure(records, binary);
            with_server(records.run.binary.as_deref(), "records", &mut report, measure)?;
        }
        Some(Other::Micro(micro)) => {
            report.step("benchmarks", || run_micro(micro));
        }
        Some(Other::Instructions(Instructions { filter, write_baseline })) => {
            report.step("instructions", || instructions::run(filter.as_deref(), *write_baseline));
        }
    }
    Ok(report)
}

fn speed(arguments: &Speed, report: &mut Report) -> Result<()> {
    let loads = loads::selection(arguments.extent(), arguments.case.as_deref());
    ensure!(!loads.is_empty(), "no load has the words {:?}", arguments.case.as_deref().unwrap_or_default());
    let mut systems = arguments.systems();
    ensure!(!systems.is_empty(), "no system is called {:?}", arguments.system.as_deref().unwrap_or_default());
    // Now rather than when everything was measured in vain.
    let mut json = arguments.json.as_ref().map(|file| File::create(file).context("--json")).transpose()?;

    let is_ready = report.step("Redis", || {
        servers::prepare_one("redis-server", "redis-server")?;
        servers::prepare_one("redis-benchmark", "redis-tools")
    });
    if !is_ready {
        return Ok(());
    }
    if let Err(error) = servers::prepare_one("nutcracker", "nutcracker") {
        report.leave_out("nutcracker", format!("{error:#}"));
        systems.retain(|system| *system != System::Nutcracker);
    }
    let Some(binary) = build(report)? else { return Ok(()) };
    let mut comparisons = Vec::new();
    let is_measured = report.step("speed", || {
        let plan = Plan { binary: &binary, workers: &arguments.workers, data_dirs: arguments.data_dir };
        let systems = Systems::start(&systems, &plan);
        measure(&systems, &loads, arguments.settings(), &mut comparisons)
    });
    if !is_measured {
        return Ok(());
    }
    let (settings, workers) = (arguments.settings(), &arguments.workers);
    let results = Results::new(comparisons, &systems, &binary, settings, workers, arguments.data_dir)?;
    if let Some(file) = &mut json {
        file.write_all(results.json(true).as_bytes()).context("--json")?;
    }
    if arguments.publish {
        report.step("publish", || publish::publish(&results));
    }
    if arguments.check {
        report.step("targets", || targets::check(&results.comparisons));
    }
    Ok(())
}

/// Puts the systems under each load, and prints what comes of it as it comes.
fn measure(
    systems: &Systems,
    loads: &[Load],
    settings: Settings,
    comparisons: &mut Vec<Comparison>,
) -> Result<()> {
    redis_benchmark::prove_that_errors_fail(systems.running(System::Redis)?.address())?;
    let mut filled_bytes = 0;
    for load in loads {
        if load.value_bytes != filled_bytes {
            systems.fill(load)?;
            filled_bytes = load.value_bytes;
        }
        let comparison = run::compare(systems, load, settings)?;
        println!("\n{}\n{}", comparison.load, table::plain(&comparison));
        print!("{}", table::beside_others(&comparison));
        comparisons.push(comparison);
    }
    Ok(())
}

fn measure_memory(arguments: &Memory, report: &mut Report) -> Result<()> {
    with_server(None, "memory", report, |binary| memory::measure(binary, &arguments.workers, arguments.check))
}

// What the measurements of whole clusters have in common. No documentation comment: it would be their help.
#[derive(clap::Args)]
struct RunArguments {
    /// The setting `workers` of the nodes
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: String,
    /// Measure this `dynomited` instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Write everything into this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Fail where a target is missed
    #[arg(long)]
    check: bool,
}

/// Measures something of `dynomited` over Redis: of `binary`, or of one that is built.
fn with_server(
    binary: Option<&Path>,
    name: &str,
    report: &mut Report,
    measure: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    if !report.step("Redis", || servers::prepare_one("redis-server", "redis-server")) {
        return Ok(());
    }
    let binary = match binary {
        Some(binary) => Some(std::path::absolute(binary)?),
        None => build(report)?,
    };
    if let Some(binary) = binary {
        report.step(name, || measure(&binary));
    }
    Ok(())
}

impl Speed {
    fn extent(&self) -> Extent {
        match (self.quick, self.full) {
            (true, _) => Extent::Quick,
            (_, true) => Extent::Full,
            _ => Extent::Usual,
        }
    }

    fn settings(&self) -> Settings {
        let (rounds, run_seconds) =
            if self.quick { (ROUNDS_QUICK, RUN_SECONDS_QUICK) } else { (ROUNDS, RUN_SECONDS) };
        Settings { round_count: self.rounds.unwrap_or(rounds).into(), run_seconds }
    }

    /// Those that are wanted, and each of ours also of every other program.
    fn systems(&self) -> Vec<System> {
        let is_ours = |system: &System| !matches!(system, System::Redis | System::Nutcracker);
        let own = self.own_systems();
        let others = own.iter().copied().filter(is_ours).flat_map(|system| {
            self.binary.iter().map(move |(name, path)| Another::system(system, name, path))
        });
        let others: Vec<System> = others.collect();
        own.into_iter().chain(others).collect()
    }

    fn own_systems(&self) -> Vec<System> {
        let Some(text) = &self.system else { return System::ALL.to_vec() };
        let is_wanted = |system: &System| system.name().to_lowercase().contains(&text.to_lowercase());
        if !System::ALL.iter().any(is_wanted) {
            return Vec::new();
        }
        let is_base = |system: &System| matches!(system, System::Redis | System::Nutcracker);
        System::ALL.into_iter().filter(|system| is_base(system) || is_wanted(system)).collect()
    }
}

/// `NAME=PATH` of a program; the path may be relative to where this one was started.
fn named_path(text: &str) -> Result<(String, PathBuf)> {
    let (name, path) = text.split_once('=').context("NAME=PATH is expected")?;
    let path = std::path::absolute(path)?;
    ensure!(!name.is_empty() && path.is_file(), "{} is no program", path.display());
    Ok((name.to_owned(), path))
}

/// Builds `dynomited` in release; nothing when that failed.
fn build(report: &mut Report) -> Result<Option<PathBuf>> {
    let target = text(&metadata()?, "target_directory")?.to_owned();
    let is_built = report.step("build", || {
        cargo::run(&mut cargo(["build", "--release", "--package", "dynomited", "--locked"]))
    });
    Ok(is_built.then(|| PathBuf::from(target).join("release/dynomited")))
}

fn run_micro(arguments: &Micro) -> Result<()> {
    let mut command = cargo(["bench", "--package", "dynomite-benches", "--locked"]);
    // Without a name, all that know criterion's options: the manifest says which do not.
    if let Some(name) = &arguments.bench {
        command.args(["--bench", name]);
    }
    command.arg("--").args(&arguments.criterion);
    cargo::run(&mut command)
}
