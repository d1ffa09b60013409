//! Results as JSON: where and how they were measured, and one object for each system under each load.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use super::loads::CONNECTION_COUNT;
use super::machine;
use super::run::{Comparison, Figure, Row, Run, Settings, cpu_us, p99_ms, requests_per_second};
use super::systems::System;

/// Results with what one has to know of them.
pub(crate) struct Results {
    /// `date`, `machine`, `versions` and `settings`.
    pub(crate) header: Value,
    pub(crate) comparisons: Vec<Comparison>,
}

impl Results {
    /// Describes this machine and the programs on it.
    ///
    /// # Errors
    /// When they do not tell.
    pub(crate) fn new(
        comparisons: Vec<Comparison>,
        systems: &[System],
        dynomited: &Path,
        settings: Settings,
        workers: &str,
        data_dirs: bool,
    ) -> Result<Self> {
        let header = json!({
            "date": machine::now()?,
            "machine": machine::machine()?,
            "versions": machine::versions(systems, dynomited)?,
            "settings": {
                "connections": CONNECTION_COUNT,
                "rounds": settings.round_count,
                "run_seconds": settings.run_seconds,
                "workers": workers,
                "data_dirs": data_dirs,
            },
        });
        Ok(Self { header, comparisons })
    }

    /// One object; a line of text for each system under each load. With `rounds`, every run beside the medians.
    pub(crate) fn json(&self, rounds: bool) -> String {
        let mut text = "{\n".to_owned();
        for (name, value) in self.header.as_object().into_iter().flatten() {
            text.push_str(&format!("{}: {value},\n", Value::from(name.as_str())));
        }
        let lines = self.comparisons.iter().flat_map(|comparison| {
            comparison.rows.iter().map(move |row| line(comparison, row, rounds).to_string())
        });
        text.push_str(&format!("\"results\": [\n{}\n]\n}}\n", lines.collect::<Vec<_>>().join(",\n")));
        text
    }
}

fn line(comparison: &Comparison, row: &Row, rounds: bool) -> Value {
    let median = |figure: Figure| rounded(row.median(figure));
    let ratio = |figure, base| comparison.ratio(figure, row.system, base).map(rounded);
    let mut line = json!({
        "operation": comparison.load.operation.name(),
        "value_bytes": comparison.load.value_bytes,
        "depth": comparison.load.depth,
        "system": row.system.name(),
        "requests_per_second": median(requests_per_second),
        "times_redis": ratio(requests_per_second, System::Redis),
        "times_nutcracker": ratio(requests_per_second, System::Nutcracker),
        "p50_ms": median(|run| run.p50_ms),
        "p99_ms": median(p99_ms),
        "cpu_us": median(cpu_us),
        "cpu_times_nutcracker": ratio(cpu_us, System::Nutcracker),
        "datastore_cpu_us": row.datastore_cpu_us().map(rounded),
        "switches": median(|run| run.switches),
        "peak_mb": median(|run| run.peak_mb),
    });
    for (another, base) in comparison.others().filter(|(another, _)| another.system == row.system) {
        let ratio = |figure| comparison.ratio(figure, row.system, base.system).map(rounded);
        line[format!("beside {}", another.binary_name)] = json!({
            "times_requests_per_second": ratio(requests_per_second),
            "times_p99": ratio(p99_ms),
            "times_cpu": ratio(cpu_us),
        });
    }
    if rounds {
        line["rounds"] = row.runs.iter().map(round).collect();
    }
    line
}

fn round(run: &Run) -> Value {
    json!({
        "requests_per_second": rounded(run.requests_per_second),
        "p50_ms": run.p50_ms,
        "p99_ms": run.p99_ms,
        "cpu_us": rounded(run.cpu_us),
        "datastore_cpu_us": run.datastore_cpu_us.map(rounded),
        "switches": rounded(run.switches),
        "peak_mb": rounded(run.peak_mb),
    })
}

/// To four digits; more are noise.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::loads::{Load, Operation};
    use crate::bench::systems::Another;

    #[test]
    fn text_is_json_with_and_without_rounds() {
        let run = Run {
            requests_per_second: 123_456.789,
            p50_ms: 0.5,
            p99_ms: 1.5,
            cpu_us: 2.0,
            datastore_cpu_us: None,
            switches: 0.1,
            peak_mb: 12.0,
        };
        let node = Run { requests_per_second: 100_000.0, ..run };
        let before = Another::system(System::Node, "before", Path::new("unused"));
        let rows = vec![
            Row { system: System::Redis, runs: vec![run, run] },
            Row { system: System::Node, runs: vec![node, node] },
            Row { system: before, runs: vec![run, run] },
        ];
        let load = Load { operation: Operation::Get, value_bytes: 32, depth: 1 };
        let header = json!({"date": "2026-01-31 \"noon\""});
        let results = Results { header, comparisons: vec![Comparison { load, rows }] };
        let parsed: Value = serde_json::from_str(&results.json(true)).expect("it is JSON");
        assert_eq!(parsed["date"], "2026-01-31 \"noon\"");
        assert_eq!(parsed["results"][0]["requests_per_second"], 123_500.0);
        assert_eq!(parsed["results"][0]["times_nutcracker"], Value::Null);
        assert_eq!(parsed["results"][0]["rounds"].as_array().map(Vec::len), Some(2));
        assert_eq!(parsed["results"][1]["beside before"]["times_requests_per_second"], 0.81);
        assert_eq!(parsed["results"][2]["system"], "one node, before");
        assert_eq!(parsed["results"][2].get("beside before"), None, "not beside itself");
        let parsed: Value = serde_json::from_str(&results.json(false)).expect("it is JSON");
        assert_eq!(parsed["results"][0].get("rounds"), None);
    }
}
