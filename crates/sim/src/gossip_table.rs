//! `cargo xtask sim --gossip`: the membership's figures as a table, then its scenarios.

use std::time::Duration;

use dynomite_sim::{Figures, GOSSIP_SCENARIOS, Members, measure, play_gossip};

const MEMBERS: [usize; 3] = [10, 100, 1000];
const SEEDS: u64 = 3;
/// With more members each scenario is played with one seed, unless said: a minute of a thousand takes most of one.
const MEMBERS_WITH_ALL_SEEDS: usize = 100;

/// Measures, and gives what is missed.
pub(crate) fn figures(
    members: &[usize],
    lossy_time: Duration,
    first: u64,
    seeds: Option<u64>,
) -> Vec<String> {
    println!("{}  ({} s of loss with each seed)", Figures::HEADER, lossy_time.as_secs());
    let seeds = first..first + seeds.unwrap_or(SEEDS);
    let mut missed = Vec::new();
    for count in or_default(members) {
        let one = |seed: u64| measure(Members::start(*count, seed), lossy_time);
        if let Some(figures) = Figures::of_seeds(seeds.clone(), one) {
            println!("{figures}");
            missed.extend(figures.missed());
        }
    }
    missed
}

/// Plays all scenarios, and gives what does not hold.
pub(crate) fn scenarios(members: &[usize], first: u64, seeds: Option<u64>) -> Vec<String> {
    let mut all = Vec::new();
    for count in or_default(members) {
        let seeds = seeds.unwrap_or(if *count > MEMBERS_WITH_ALL_SEEDS { 1 } else { SEEDS });
        for (scenario, seed) in
            GOSSIP_SCENARIOS.iter().flat_map(|one| (first..first + seeds).map(move |seed| (one, seed)))
        {
            let wrong = play_gossip(*scenario, *count, seed);
            let outcome = match wrong.len() {
                0 => "well".to_owned(),
                count => format!("{count} things are wrong"),
            };
            println!("{count} members, {scenario:?}, seed {seed}: {outcome}");
            all.extend(wrong);
        }
    }
    all
}

fn or_default(members: &[usize]) -> &[usize] {
    if members.is_empty() { &MEMBERS } else { members }
}
