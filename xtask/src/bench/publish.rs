//! Results into the repository: the JSON, two pictures, and the tables of docs/performance.md.

use std::fs;

use anyhow::{Context, Result, ensure};

use super::loads::{DEPTHS, Load, Operation, SMALL_VALUE_BYTES};
use super::plot::{Panel, Picture};
use super::results::Results;
use super::run::{Figure, cpu_us, requests_per_second};
use super::systems::System;
use super::table;
use crate::cargo::root;

const DOCUMENT: &str = "docs/performance.md";
const DIRECTORY: &str = "docs/performance";
/// In the document, what lies between these lines is replaced.
const BEGIN: &str = "<!-- figures: written by `cargo xtask bench --publish` -->";
const END: &str = "<!-- end of figures -->";
/// Larger than this the JSON does not belong into the repository.
const JSON_BYTES_MAX: usize = 60_000;

/// Writes the files.
///
/// # Errors
/// When the document lacks its marks, or a file cannot be written.
pub(crate) fn publish(results: &Results) -> Result<()> {
    let document = root().join(DOCUMENT);
    let text = fs::read_to_string(&document).context(DOCUMENT)?;
    let refreshed = replace_between(&text, &figures(results))?;
    let json = results.json(false);
    ensure!(json.len() <= JSON_BYTES_MAX, "{} bytes of JSON are too many to publish", json.len());

    let directory = root().join(DIRECTORY);
    fs::create_dir_all(&directory)?;
    fs::write(directory.join("results.json"), json)?;
    let rates = picture(results, "Requests per second, 32-byte values", requests_per_second, |value| {
        if value >= 1e6 { format!("{:.2} M", value / 1e6) } else { format!("{:.0} k", value / 1e3) }
    });
    fs::write(directory.join("throughput.svg"), rates.svg())?;
    let title = "CPU microseconds per request of all proxies (Redis: of itself), 32-byte values";
    let cpu = picture(results, title, cpu_us, |value| format!("{value:.2}"));
    fs::write(directory.join("cpu.svg"), cpu.svg())?;
    fs::write(document, refreshed)?;
    println!("written: {DOCUMENT} and {DIRECTORY}");
    Ok(())
}

/// Where and when, and a table for each load.
fn figures(results: &Results) -> String {
    let header = &results.header;
    let (machine, versions, settings) = (&header["machine"], &header["versions"], &header["settings"]);
    let shown = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut text = format!(
        "Measured {} (UTC) on {}, {} cores, {} GiB of memory, Linux {}; medians of {} rounds of {} s, `workers = {}`.\n",
        shown(&header["date"]),
        shown(&machine["cpu"]),
        shown(&machine["core_count"]),
        shown(&machine["memory_gib"]),
        shown(&machine["kernel"]),
        shown(&settings["rounds"]),
        shown(&settings["run_seconds"]),
        shown(&settings["workers"]),
    );
    for version in versions.as_object().into_iter().flat_map(serde_json::Map::values) {
        text.push_str(&format!("* {}\n", shown(version)));
    }
    for comparison in &results.comparisons {
        text.push_str(&format!("\n### {}\n\n{}", comparison.load, table::markdown(comparison)));
    }
    text
}

fn picture(results: &Results, title: &str, figure: Figure, format: fn(f64) -> String) -> Picture {
    let panel = |operation: Operation, depth: u32| {
        let load = Load { operation, value_bytes: SMALL_VALUE_BYTES, depth };
        let comparison = results.comparisons.iter().find(|comparison| comparison.load == load);
        let value = |system: &System| Some(comparison?.row(*system)?.median(figure));
        let title = match depth {
            1 => format!("{}, one at a time", operation.name()),
            _ => format!("{}, pipelines of {depth}", operation.name()),
        };
        Panel { title, values: System::ALL.iter().map(value).collect() }
    };
    let row = |operation| DEPTHS.iter().map(|depth| panel(operation, *depth)).collect();
    Picture {
        title: title.to_owned(),
        names: System::ALL.iter().map(|system| (system.name().to_owned(), colour(*system))).collect(),
        rows: vec![row(Operation::Get), row(Operation::Set)],
        format,
    }
}

/// Told apart on white and on black: others grey and amber, single nodes blue, clusters green.
fn colour(system: System) -> &'static str {
    match system {
        System::Redis => "#8c959f",
        System::Nutcracker => "#d4852a",
        System::Node | System::MemoryNode => "#3b82f6",
        System::RacksOne | System::RacksQuorum | System::RacksSafeQuorum | System::DatacentersOne => {
            "#2da06f"
        }
        System::Another(another) => colour(another.system),
    }
}

/// The document with `figures` in the place of what lies between the marks.
fn replace_between(document: &str, figures: &str) -> Result<String> {
    let (before, rest) = document.split_once(BEGIN).with_context(|| format!("{DOCUMENT} lacks {BEGIN}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("{DOCUMENT} lacks {END}"))?;
    Ok(format!("{before}{BEGIN}\n\n{figures}\n{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_marks_is_replaced() {
        let document = format!("# Title\n{BEGIN}\nold\n{END}\nrest\n");
        let expected = format!("# Title\n{BEGIN}\n\nnew\n\n{END}\nrest\n");
        assert_eq!(replace_between(&document, "new\n").expect("both marks"), expected);
        assert_eq!(replace_between(&expected, "new\n").expect("both marks"), expected, "again");
    }

    #[test]
    fn a_document_without_marks_is_refused() {
        assert!(replace_between("# Title\n", "new\n").is_err());
        assert!(replace_between(&format!("{BEGIN}\n"), "new\n").is_err());
    }

    #[test]
    fn the_document_has_its_marks() {
        let document = fs::read_to_string(root().join(DOCUMENT)).expect("it is part of the repository");
        assert!(replace_between(&document, "").is_ok());
    }
}
