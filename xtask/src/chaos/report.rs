//! What a run has shown, for people and for programs.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::class::Class;
use super::cluster::{Cluster, Facts};
use super::disk::Method;
use super::faults::{self, Outcome};
use super::run::Run;
use super::tally::Counts;
use super::violations::Violation;
use super::watch::PEAK_BYTES_MAX;

/// Of the errors that clients got, the most frequent are printed.
const ERRORS_SHOWN_MAX: usize = 12;
/// Violations that are printed with all they have; the JSON has more of them.
const SHOWN_MAX: usize = 10;
/// A key's last writes that are printed, besides those that a violation names.
const SHOWN_LINES_MAX: usize = 8;

pub(super) struct Findings<'a> {
    pub(super) run: &'a Run,
    pub(super) seed: u64,
    pub(super) faults: Outcome,
    pub(super) converged_after: Option<Duration>,
    pub(super) peaks: Vec<u64>,
    /// What the nodes count themselves.
    pub(super) facts: Vec<Facts>,
}

impl Findings<'_> {
    pub(super) fn print(&self) {
        println!("\nseed {}", self.seed);
        println!("\n{}", requests(&self.run.tally.by_class()));
        self.print_errors();
        println!("{}", self.fault_table());
        if let Some(warning) = self.warning() {
            println!("{warning}\n");
        }
        match self.converged_after {
            Some(took) => {
                println!("all copies were equal {:.1} s after everything was mended", took.as_secs_f64());
            }
            None => println!("the copies did NOT become equal"),
        }
        let peaks: Vec<String> = self.peaks.iter().map(|peak| format!("{:.0}", *peak as f64 / 1e6)).collect();
        println!(
            "peak memory of the nodes: {} MB (bound: {:.0} MB)",
            peaks.join(", "),
            PEAK_BYTES_MAX as f64 / 1e6
        );
        self.print_violations();
    }

    pub(super) fn json(&self) -> Value {
        let counts = |counts: &BTreeMap<faults::Kind, u64>| -> BTreeMap<&str, u64> {
            counts.iter().map(|(kind, count)| (kind.name(), *count)).collect()
        };
        let nodes = self.run.cluster.hosts.iter().zip(&self.peaks).zip(&self.facts);
        json!({
            "seed": self.seed,
            "requests": self.run.tally.by_class().iter().map(class_json).collect::<Vec<_>>(),
            "errors": self.run.tally.errors().into_iter()
                .map(|(text, count)| json!({ "text": text, "count": count }))
                .collect::<Vec<_>>(),
            "faults": counts(&self.faults.inflicted),
            "faults_left_out": counts(&self.faults.left_out),
            "data_directories": data_directories(&self.run.cluster),
            "converged_after_s": self.converged_after.map(|took| took.as_secs_f64()),
            "nodes": nodes.map(|((host, peak), facts)| json!({
                "name": host.name,
                "peak_bytes": peak,
                "info": facts.0,
            })).collect::<Vec<_>>(),
            "violation_count": self.run.violations.total(),
            "violation_counts": self.run.violations.counts().iter()
                .map(|(kind, count)| (kind.name().to_owned(), json!(count)))
                .collect::<serde_json::Map<_, _>>(),
            "violations": self.run.violations.kept().iter().map(violation_json).collect::<Vec<_>>(),
        })
    }

    fn print_errors(&self) {
        let errors = self.run.tally.errors();
        for (text, count) in errors.iter().take(ERRORS_SHOWN_MAX) {
            println!("{count:>9}  {text}");
        }
        match errors.len().saturating_sub(ERRORS_SHOWN_MAX) {
            0 if errors.is_empty() => {}
            0 => println!(),
            more => println!("           … and {more} other errors\n"),
        }
    }

    fn fault_table(&self) -> String {
        let rows: Vec<Vec<String>> = faults::Kind::ALL
            .iter()
            .filter_map(|kind| {
                let count = |counts: &BTreeMap<_, u64>| counts.get(kind).copied().unwrap_or(0);
                let (inflicted, left_out) = (count(&self.faults.inflicted), count(&self.faults.left_out));
                (inflicted + left_out > 0)
                    .then(|| vec![kind.name().to_owned(), inflicted.to_string(), left_out.to_string()])
            })
            .collect();
        if rows.is_empty() { "no faults\n".to_owned() } else { table(&["fault", "count", "left out"], &rows) }
    }

    /// What this run cannot have shown.
    fn warning(&self) -> Option<&'static str> {
        match self.run.cluster.disk_method {
            Method::FileSystem => None,
            Method::SizeLimit => Some(
                "NOTE: no file system can be mounted here; full disks are played by a limit on the size of files, \
                 which the nodes' logs fall under too",
            ),
        }
    }

    fn print_violations(&self) {
        let violations = &self.run.violations;
        if violations.total() == 0 {
            println!("nothing was violated");
            return;
        }
        println!("\nVIOLATIONS");
        for (kind, count) in violations.counts() {
            println!("{count:>7}  {}", kind.name());
        }
        // One of each kind before the second of any.
        let kept = violations.kept();
        let mut seen: BTreeMap<_, usize> = BTreeMap::new();
        let mut ranked: Vec<(usize, &Violation)> = Vec::new();
        for violation in &kept {
            let rank = seen.entry(violation.kind).or_default();
            ranked.push((*rank, violation));
            *rank += 1;
        }
        ranked.sort_by_key(|(rank, _)| *rank);
        for (_, violation) in ranked.into_iter().take(SHOWN_MAX) {
            println!("\n{}: {}\n  {}", violation.kind.name(), violation.subject, violation.text);
            let begin = violation.history.len().saturating_sub(SHOWN_LINES_MAX);
            for (index, line) in violation.history.iter().enumerate() {
                if line.is_named || index >= begin {
                    println!("  {} {}", if line.is_named { ">" } else { " " }, line.text);
                }
            }
        }
    }
}

fn requests(by_class: &BTreeMap<Class, Counts>) -> String {
    let heading = ["class", "writes", "ok", "not run", "unknown", "other", "reads", "failed", "longest ms"];
    let rows: Vec<Vec<String>> = by_class
        .iter()
        .map(|(class, counts)| {
            let numbers = [
                counts.write_count,
                counts.done_count,
                counts.not_run_count,
                counts.unknown_count,
                counts.other_count,
                counts.read_count,
                counts.failed_read_count,
                counts.longest / 1_000,
            ];
            std::iter::once(class.name().to_owned()).chain(numbers.map(|number| number.to_string())).collect()
        })
        .collect();
    table(&heading, &rows)
}

fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading = heading.iter().map(|&word| word.to_owned()).collect();
    let line = |cells: &Vec<String>| {
        let numbers: String = cells[1..].iter().map(|cell| format!("{cell:>12}")).collect();
        format!("{:<16}{numbers}\n", cells[0])
    };
    std::iter::once(&heading).chain(rows).map(line).collect()
}

fn class_json((class, counts): (&Class, &Counts)) -> Value {
    json!({
        "class": class.name(),
        "writes": counts.write_count,
        "ok": counts.done_count,
        "not_run": counts.not_run_count,
        "unknown": counts.unknown_count,
        "other": counts.other_count,
        "reads": counts.read_count,
        "failed_reads": counts.failed_read_count,
        "longest_ms": counts.longest / 1_000,
    })
}

fn violation_json(violation: &Violation) -> Value {
    json!({
        "kind": violation.kind.name(),
        "subject": violation.subject,
        "text": violation.text,
        "history": violation.history.iter().map(|line| &line.text).collect::<Vec<_>>(),
    })
}

fn data_directories(cluster: &Cluster) -> &'static str {
    match cluster.disk_method {
        Method::FileSystem => "file system",
        Method::SizeLimit => "size limit",
    }
}
