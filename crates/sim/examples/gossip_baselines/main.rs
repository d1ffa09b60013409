//! The gossip crate beside foca and chitchat, in the same simulated network: `cargo xtask sim --gossip --baselines`.
//!
//! Each has the settings that it has by default, at one second from heartbeat to heartbeat or probe to probe.

mod with_chitchat;
mod with_foca;

use std::time::Duration;

use clap::Parser;
use dynomite_sim::{Cluster, Figures, Members, measure};

#[derive(Parser)]
#[command(
    name = "cargo xtask sim --gossip --baselines",
    about = "Compare memberships in one simulated network"
)]
struct Arguments {
    /// As for the figures of the gossip crate alone
    #[arg(long)]
    gossip: bool,
    /// Compare at 100 and 1000 members unless said; without it, 10 show that all of it works
    #[arg(long)]
    baselines: bool,
    /// So many members
    #[arg(long, value_delimiter = ',')]
    members: Vec<usize>,
    /// So long there is loss
    #[arg(long, default_value_t = 1)]
    loss_minutes: u64,
    /// The first seed
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// Seeds of each
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// Only these: dynomite-gossip, foca, chitchat
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

fn main() {
    let arguments = Arguments::parse();
    println!("{:15}  {}  ({} min of loss for each seed)", "", Figures::HEADER, arguments.loss_minutes);
    let members: &[usize] = match (arguments.members.as_slice(), arguments.baselines) {
        ([], true) => &[100, 1000],
        ([], false) => &[10],
        (members, _) => members,
    };
    for count in members {
        show(&arguments, "dynomite-gossip", |seed| Members::start(*count, seed));
        show(&arguments, "foca", |seed| with_foca::start(*count, seed));
        show(&arguments, "chitchat", |seed| with_chitchat::ChitchatCluster::start(*count, seed));
    }
}

fn show<C: Cluster>(arguments: &Arguments, name: &str, start: impl Fn(u64) -> C) {
    if !arguments.only.is_empty() && !arguments.only.iter().any(|only| only == name) {
        return;
    }
    let seeds = arguments.first..arguments.first + arguments.seeds;
    let lossy_time = Duration::from_secs(60 * arguments.loss_minutes);
    if let Some(figures) = Figures::of_seeds(seeds, |seed| measure(start(seed), lossy_time)) {
        println!("{name:15}  {figures}");
    }
}
