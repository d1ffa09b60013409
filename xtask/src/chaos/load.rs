//! Clients that read and write at a steady rate, whatever happens to the cluster.

use std::time::Duration;

use super::history::Micros;
use super::random::Random;
use super::run::Run;

mod batch;
mod client;
mod command;
pub(super) mod reply;

pub(super) use command::SHORT_LIFE_MAX;

/// So many connections to every node. Many more than are needed for the rate: those that wait for a broken node must
/// not slow down the others.
const CLIENTS_PER_NODE: usize = 5;
/// A client that could not keep its pace does not make up for more than this.
const ARREARS_MAX: Micros = 1_000_000;

/// The threads' work: one client each, until the run is over.
pub(super) fn clients(run: &Run, seed: u64, rate: u32) -> Vec<impl FnOnce() + Send + '_> {
    let mut random = Random::new(seed);
    let count = run.cluster.hosts.len() * CLIENTS_PER_NODE;
    let mut clients = Vec::new();
    for number in 0..count {
        let client = client::Client::new(run, number % run.cluster.hosts.len(), random.fork());
        let pace = Pace { requests_per_second: f64::from(rate) / count as f64, next_at: run.clock.now() };
        clients.push(move || drive(run, client, pace));
    }
    clients
}

struct Pace {
    requests_per_second: f64,
    next_at: Micros,
}

fn drive(run: &Run, mut client: client::Client<'_>, mut pace: Pace) {
    while run.pause_until(pace.next_at) {
        let request_count = client.round();
        let took = Duration::from_secs_f64(request_count as f64 / pace.requests_per_second);
        let earliest = run.clock.now().saturating_sub(ARREARS_MAX);
        pace.next_at = (pace.next_at + took.as_micros() as Micros).max(earliest);
    }
}
