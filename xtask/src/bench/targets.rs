//! What must be reached, each as a ratio to another system measured in the same rounds.

use anyhow::{Result, ensure};

use super::loads::{Load, Operation, SMALL_VALUE_BYTES};
use super::run::{Comparison, Figure, cpu_us, p99_ms, requests_per_second};
use super::systems::System::{self, MemoryNode, Node, Nutcracker, RacksQuorum, Redis};
use super::table;

/// One bound, for GET and for SET of small values.
struct Target {
    system: System,
    depth: u32,
    what: What,
    bound: Bound,
    base: System,
}

/// Which figure is compared.
#[derive(Clone, Copy)]
enum What {
    Rate,
    P99,
    Cpu,
}
use What::{Cpu, P99, Rate};

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}
use Bound::{AtLeast, AtMost};

const OPERATIONS: [Operation; 2] = [Operation::Get, Operation::Set];

#[rustfmt::skip]
const TARGETS: [Target; 13] = [
    Target { system: Node, depth: 1, what: Rate, bound: AtLeast(1.05), base: Nutcracker },
    Target { system: Node, depth: 1, what: Cpu, bound: AtMost(0.85), base: Nutcracker },
    Target { system: Node, depth: 16, what: Rate, bound: AtLeast(2.0), base: Nutcracker },
    Target { system: Node, depth: 16, what: Rate, bound: AtLeast(0.7), base: Redis },
    Target { system: Node, depth: 16, what: Cpu, bound: AtMost(0.35), base: Nutcracker },
    Target { system: Node, depth: 64, what: Rate, bound: AtLeast(3.0), base: Nutcracker },
    Target { system: Node, depth: 64, what: Cpu, bound: AtMost(0.2), base: Nutcracker },
    Target { system: RacksQuorum, depth: 1, what: Rate, bound: AtLeast(0.3), base: Redis },
    Target { system: RacksQuorum, depth: 16, what: Rate, bound: AtLeast(0.25), base: Redis },
    Target { system: RacksQuorum, depth: 16, what: P99, bound: AtMost(10.0), base: Redis },
    Target { system: RacksQuorum, depth: 16, what: Cpu, bound: AtMost(5.0), base: Node },
    Target { system: MemoryNode, depth: 1, what: Rate, bound: AtLeast(1.0), base: Redis },
    Target { system: MemoryNode, depth: 16, what: Rate, bound: AtLeast(1.0), base: Redis },
];

/// Prints every target with what was reached. Those of loads and systems that were not measured are shown as that.
///
/// # Errors
/// When one is missed, or none was measured.
pub(crate) fn check(comparisons: &[Comparison]) -> Result<()> {
    let (mut rows, mut measured_count, mut missed_count) = (Vec::new(), 0, 0);
    for target in &TARGETS {
        for operation in OPERATIONS {
            let reached = target.reached(operation, comparisons);
            let is_kept = reached.map(|reached| target.bound.is_kept(reached));
            measured_count += usize::from(is_kept.is_some());
            missed_count += usize::from(is_kept == Some(false));
            rows.push(vec![
                format!("{}, {}", target.system.name(), target.load(operation)),
                target.to_string(),
                reached.map_or_else(String::new, |reached| format!("{reached:.2}")),
                match is_kept {
                    Some(true) => "ok",
                    Some(false) => "MISSED",
                    None => "not measured",
                }
                .to_owned(),
            ]);
        }
    }
    println!("\n{}", table::aligned(&["case", "target", "reached", ""], &rows));
    ensure!(measured_count > 0, "no target was measured");
    ensure!(missed_count == 0, "{missed_count} of {measured_count} targets missed");
    Ok(())
}

impl Target {
    fn load(&self, operation: Operation) -> Load {
        Load { operation, value_bytes: SMALL_VALUE_BYTES, depth: self.depth }
    }

    fn reached(&self, operation: Operation, comparisons: &[Comparison]) -> Option<f64> {
        let load = self.load(operation);
        let comparison = comparisons.iter().find(|comparison| comparison.load == load)?;
        comparison.ratio(self.what.figure(), self.system, self.base)
    }
}

/// `requests/s >= 0.7 x Redis`
impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (sign, value) = match self.bound {
            AtLeast(value) => (">=", value),
            AtMost(value) => ("<=", value),
        };
        write!(f, "{} {sign} {value} x {}", self.what.name(), self.base.name())
    }
}

impl What {
    fn name(self) -> &'static str {
        match self {
            Rate => "requests/s",
            P99 => "p99",
            Cpu => "CPU/request",
        }
    }

    fn figure(self) -> Figure {
        match self {
            Rate => requests_per_second,
            P99 => p99_ms,
            Cpu => cpu_us,
        }
    }
}

impl Bound {
    /// What is no number keeps no bound.
    fn is_kept(self, reached: f64) -> bool {
        match self {
            AtLeast(bound) => reached >= bound,
            AtMost(bound) => reached <= bound,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::run::{Row, Run};

    fn comparison(node_rate: f64) -> Comparison {
        let run = |requests_per_second| Run {
            requests_per_second,
            p50_ms: 1.0,
            p99_ms: 1.0,
            cpu_us: 1.0,
            datastore_cpu_us: None,
            switches: 1.0,
            peak_mb: 1.0,
        };
        let row = |system, rate| Row { system, runs: vec![run(rate)] };
        let load = Load { operation: Operation::Get, value_bytes: SMALL_VALUE_BYTES, depth: 16 };
        Comparison { load, rows: vec![row(Redis, 100.0), row(MemoryNode, node_rate)] }
    }

    #[test]
    fn a_missed_target_fails_and_a_reached_one_does_not() {
        assert!(check(&[comparison(100.0)]).is_ok());
        let missed = check(&[comparison(99.0)]).expect_err("below Redis");
        assert_eq!(missed.to_string(), "1 of 1 targets missed");
    }

    #[test]
    fn a_check_of_nothing_fails() {
        assert!(check(&[]).is_err());
    }

    #[test]
    fn no_number_reaches_nothing() {
        assert!(!AtLeast(1.0).is_kept(f64::NAN) && !AtMost(1.0).is_kept(f64::NAN));
    }
}
