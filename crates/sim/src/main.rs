//! Runs simulated clusters from the command line; `cargo xtask sim` builds it for speed and passes its arguments on.

mod gossip_table;
mod output;

use std::{process::ExitCode, time::Duration};

use clap::Parser;
use dynomite_sim::{
    Campaign, Invariant, Runnable, TraceTo, catch_panics_quietly, describe, run, run_with, shrink,
};
#[cfg(feature = "mutants")]
use dynomite_sim::{Planted, hunt_all, plant};

#[derive(Parser)]
#[command(name = "cargo xtask sim", about = "Run simulated clusters; equal seeds make equal runs")]
struct Arguments {
    /// Seeds of each scenario; 200 unless said, 500 with --mutants
    #[arg(long, conflicts_with = "minutes")]
    seeds: Option<u64>,
    /// Go on for so long, with as many seeds as there is time for
    #[arg(long)]
    minutes: Option<f64>,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Replay this seed alone, and say what is wrong with it
    #[arg(long, requires = "scenario")]
    seed: Option<u64>,
    /// Only these scenarios
    #[arg(long)]
    scenario: Vec<String>,
    /// Demand only these invariants: I1 to I7, panic
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// With --seed: print every event
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Leave failing plans as long as they are
    #[arg(long)]
    whole: bool,
    /// Threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Membership instead: what it costs and how fast it is, then faults; --seeds of each, 3 unless said. With --baselines
    /// beside other crates
    #[arg(long)]
    gossip: bool,
    /// With --gossip: so many members; 10, 100 and 1000 unless said
    #[arg(long, requires = "gossip", value_delimiter = ',')]
    members: Vec<usize>,
    /// With --gossip: no scenarios
    #[arg(long, requires = "gossip")]
    figures: bool,
    /// With --gossip: so long there is loss
    #[arg(long, requires = "gossip", default_value_t = 10)]
    loss_minutes: u64,
    /// List the scenarios and what they demand
    #[arg(long)]
    list: bool,
    /// Plant bugs in the engine, one after the other, and see that each is found; with --seed, replay one with it
    #[cfg(feature = "mutants")]
    #[arg(long, conflicts_with_all = ["minutes", "list"])]
    mutants: bool,
    /// With --mutants: plant only these
    #[cfg(feature = "mutants")]
    #[arg(long, requires = "mutants")]
    mutant: Vec<String>,
}

/// Seeds of each scenario, unless the command line says otherwise.
const SEEDS: u64 = 200;
/// With this many, every planted bug is to be found.
#[cfg(feature = "mutants")]
const SEEDS_WITH_MUTANTS: u64 = 500;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    catch_panics_quietly();
    match start(&arguments) {
        Ok(code) => code,
        Err(text) => {
            eprintln!("error: {text}");
            ExitCode::FAILURE
        }
    }
}

fn start(arguments: &Arguments) -> Result<ExitCode, String> {
    if arguments.gossip {
        let lossy_time = Duration::from_secs(60 * arguments.loss_minutes);
        let missed = gossip_table::figures(&arguments.members, lossy_time, arguments.first, arguments.seeds);
        let wrong = match arguments.figures {
            true => Vec::new(),
            false => gossip_table::scenarios(&arguments.members, arguments.first, arguments.seeds),
        };
        let missed: Vec<String> = missed.into_iter().chain(wrong).collect();
        missed.iter().take(20).for_each(|what| println!("MISSED: {what}"));
        return Ok(if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    let scenarios = scenarios(&arguments.scenario)?;
    let campaign = Campaign {
        scenarios,
        first_seed: arguments.first,
        seed_count: if arguments.minutes.is_some() { u64::MAX } else { arguments.seeds.unwrap_or(SEEDS) },
        time_max: arguments.minutes.map(|minutes| Duration::from_secs_f64(minutes * 60.0)),
        invariants: invariants(&arguments.only)?,
        job_count: arguments.jobs.max(1),
    };
    #[cfg(feature = "mutants")]
    if arguments.mutants {
        let seed_count = arguments.seeds.unwrap_or(SEEDS_WITH_MUTANTS);
        let bugs = bugs(&arguments.mutant)?;
        if let Some(seed) = arguments.seed {
            plant(bugs.first().copied());
            return Ok(replay(arguments, &campaign, seed));
        }
        return Ok(hunt(&Campaign { seed_count, ..campaign }, &bugs));
    }
    if arguments.list {
        output::list(&campaign.scenarios);
        return Ok(ExitCode::SUCCESS);
    }
    match arguments.seed {
        Some(seed) => Ok(replay(arguments, &campaign, seed)),
        None => Ok(run_campaign(arguments, &campaign)),
    }
}

fn scenarios(names: &[String]) -> Result<Vec<Runnable>, String> {
    let find = |name: &String| {
        Runnable::all()
            .find(|runnable| runnable.name() == name)
            .ok_or_else(|| format!("there is no scenario '{name}'; --list shows all"))
    };
    if names.is_empty() { Ok(Runnable::all().collect()) } else { names.iter().map(find).collect() }
}

fn invariants(codes: &[String]) -> Result<Vec<Invariant>, String> {
    let find = |code: &String| {
        Invariant::ALL
            .into_iter()
            .find(|invariant| invariant.code().eq_ignore_ascii_case(code))
            .ok_or_else(|| format!("there is no invariant '{code}'"))
    };
    if codes.is_empty() { Ok(Invariant::ALL.to_vec()) } else { codes.iter().map(find).collect() }
}

/// The bugs with these names; all of them if there are none.
#[cfg(feature = "mutants")]
fn bugs(names: &[String]) -> Result<Vec<Planted>, String> {
    let find = |name: &String| {
        let mut all = Planted::ALL.iter().copied();
        all.find(|bug| format!("{bug:?}") == *name).ok_or_else(|| format!("there is no bug '{name}'"))
    };
    if names.is_empty() { Ok(Planted::ALL.to_vec()) } else { names.iter().map(find).collect() }
}

/// Plants bugs and looks for them; a failure if one is not found.
#[cfg(feature = "mutants")]
fn hunt(campaign: &Campaign, bugs: &[Planted]) -> ExitCode {
    let hunts = hunt_all(campaign, bugs, output::tell_hunt);
    output::hunts(&hunts);
    let are_all_found = hunts.iter().all(|hunt| hunt.found.is_some());
    if are_all_found { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(arguments: &Arguments, campaign: &Campaign, seed: u64) -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for runnable in campaign.scenarios.iter().copied() {
        let (plan, demands) = (runnable.plan(seed), campaign.demands(runnable));
        let trace = if arguments.trace { TraceTo::Output } else { TraceTo::Nowhere };
        let verdict = run_with(&plan, &demands, trace, |_, _| {});
        println!("{}: digest {:016x}, {} commands", runnable.name(), verdict.digest, verdict.command_count);
        if !verdict.violations.is_empty() {
            code = ExitCode::FAILURE;
            explain(arguments, campaign, runnable, seed);
        }
    }
    code
}

fn run_campaign(arguments: &Arguments, campaign: &Campaign) -> ExitCode {
    let progress = output::Progress::default();
    let tallies = campaign.run(|over, failed, total| progress.tell(over, failed, total));
    progress.clear();
    for (runnable, tally) in campaign.scenarios.iter().zip(&tallies) {
        if let Some(seed) = tally.first_failure {
            explain(arguments, campaign, *runnable, seed);
        }
    }
    output::table(&campaign.scenarios, &tallies);
    if tallies.iter().all(|tally| tally.failed_count == 0) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Prints what is wrong with one run, made as small as it gets.
fn explain(arguments: &Arguments, campaign: &Campaign, runnable: Runnable, seed: u64) {
    let (mut plan, demands) = (runnable.plan(seed), campaign.demands(runnable));
    if !arguments.whole {
        let verdict = run(&plan, &demands);
        plan = shrink(&plan, &verdict, &demands);
    }
    println!(
        "\n== {} with seed {seed}\n{plan}{}",
        runnable.name(),
        describe(runnable, seed, &plan, &demands)
    );
    println!("replay: cargo xtask sim --scenario {} --seed {seed} --whole --trace", runnable.name());
}
