//! `cargo xtask sim --gossip`: the membership's figures as a table, then its scenarios.

use std::{process::ExitCode, time::Duration};

use dynomite_sim::{Figures, GOSSIP_SCENARIOS, measure, play_gossip};

const MEMBERS: [usize; 3] = [10, 100, 1000];
/// A thousand members are left out: a minute of theirs takes a minute.
const SCENARIO_MEMBERS_MAX: usize = 100;
const SEEDS: u64 = 3;

/// Measures and plays; a failure when a figure or an invariant is missed.
pub(crate) fn run(members: &[usize], loss_minutes: u64, first: u64, seeds: Option<u64>) -> ExitCode {
    let members = if members.is_empty() { &MEMBERS } else { members };
    println!(
        "members  together  down 99 %  down all  change  sent B/s  received B/s  false downs in {loss_minutes} min of loss"
    );
    let mut missed = Vec::new();
    for count in members {
        let figures = measure(*count, first, Duration::from_secs(60 * loss_minutes));
        show(&figures);
        missed.extend(figures.missed());
    }
    for count in members.iter().filter(|count| **count <= SCENARIO_MEMBERS_MAX) {
        for scenario in GOSSIP_SCENARIOS {
            for seed in first..first + seeds.unwrap_or(SEEDS) {
                let wrong = play_gossip(scenario, *count, seed);
                println!("{count} members, {scenario:?}, seed {seed}: {}", outcome(&wrong));
                missed.extend(wrong);
            }
        }
    }
    missed.iter().take(20).for_each(|what| println!("MISSED: {what}"));
    if missed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn outcome(wrong: &[String]) -> String {
    if wrong.is_empty() { "well".to_owned() } else { format!("{} things are wrong", wrong.len()) }
}

fn show(figures: &Figures) {
    let time = |time: Option<Duration>| time.map_or_else(|| "never".into(), |time| format!("{time:.1?}"));
    println!(
        "{:7}  {:>8}  {:>9}  {:>8}  {:>6}  {:8}  {:12}  {}",
        figures.count,
        time(figures.together),
        time(figures.down_for_most),
        time(figures.down_for_all),
        time(figures.change),
        figures.sent_bytes,
        figures.received_bytes,
        figures.false_down_count,
    );
}
