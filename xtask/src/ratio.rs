//! Pipelined requests through one node, measured beside the Redis that it stands in front of.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use dynomite_testkit::{Dynomited, PortLease, Redis};

/// What the node must reach of Redis's own requests per second.
const RATIO_MIN: f64 = 0.5;
/// Each pair is measured one right after the other this often, so that what else the machine does meets both.
const ROUNDS: usize = 5;
const OPTIONS: [&str; 7] = ["-P", "16", "-c", "50", "-n", "300000", "--csv"];
const COMMANDS: &str = "set,get,incr";

/// Measures the server program `binary`, prints a table, and fails where a node reaches less than half.
pub(crate) fn measure(binary: &Path) -> Result<()> {
    let redis = Redis::start();
    let port = PortLease::take();
    let config = format!("listen = \"{}\"\n[datastore]\nurl = \"{}\"\n", port.address(), redis.url());
    let node = Dynomited::start(binary, &config, port.address());

    let mut rounds: Vec<Vec<Pair>> = Vec::new();
    for _ in 0..ROUNDS {
        let direct = requests_per_second(redis.address())?;
        let through = requests_per_second(node.client_address())?;
        ensure!(direct.len() == through.len(), "redis-benchmark measured different commands");
        let pairs = direct.into_iter().zip(through);
        rounds.push(pairs.map(|((name, direct), (_, through))| Pair { name, direct, through }).collect());
    }
    println!("{:<8}{:>12}{:>12}{:>8}   requests/s, the median of {ROUNDS}", "", "Redis", "node", "ratio");
    let mut slow = Vec::new();
    for command in 0..rounds[0].len() {
        let mut pairs: Vec<&Pair> = rounds.iter().map(|round| &round[command]).collect();
        pairs.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
        let median = pairs[ROUNDS / 2];
        println!("{:<8}{:>12.0}{:>12.0}{:>8.2}", median.name, median.direct, median.through, median.ratio());
        if median.ratio() < RATIO_MIN {
            slow.push(median.name.as_str());
        }
    }
    ensure!(slow.is_empty(), "less than {RATIO_MIN} of Redis: {}", slow.join(", "));
    Ok(())
}

/// One command, both ways in one round.
struct Pair {
    name: String,
    direct: f64,
    through: f64,
}

impl Pair {
    fn ratio(&self) -> f64 {
        self.through / self.direct
    }
}

fn requests_per_second(address: SocketAddr) -> Result<Vec<(String, f64)>> {
    let mut command = Command::new("redis-benchmark");
    command.args(["-h", &address.ip().to_string(), "-p", &address.port().to_string(), "-t", COMMANDS]);
    let output = command.args(OPTIONS).output().context("cannot start redis-benchmark")?;
    ensure!(output.status.success(), "redis-benchmark: {}", String::from_utf8_lossy(&output.stderr));
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Lines of `"SET","930232.56",…` after a heading.
fn parse(csv: &str) -> Result<Vec<(String, f64)>> {
    let mut measured = Vec::new();
    for line in csv.lines().filter(|line| !line.starts_with("\"test\"")) {
        let mut fields = line.split(',').map(|field| field.trim_matches('"'));
        let (name, value) = (fields.next().unwrap_or_default(), fields.next().unwrap_or_default());
        let value = value.parse().with_context(|| format!("redis-benchmark said {line:?}"))?;
        measured.push((name.to_owned(), value));
    }
    ensure!(!measured.is_empty(), "redis-benchmark measured nothing");
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_from_the_second_column() {
        let csv = "\"test\",\"rps\",\"avg\"\n\"SET\",\"930232.56\",\"0.5\"\n\"GET\",\"7\",\"0.4\"\n";
        assert_eq!(parse(csv).expect("two lines"), [("SET".to_owned(), 930_232.56), ("GET".to_owned(), 7.0)]);
        assert!(parse("").is_err() && parse("nonsense").is_err());
    }
}
