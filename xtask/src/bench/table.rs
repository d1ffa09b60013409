//! Results as people read them.

use super::run::{Comparison, Figure, Row, cpu_us, p99_ms, requests_per_second};
use super::systems::System;

const HEADING: [&str; 11] = [
    "system",
    "requests/s",
    "×Redis",
    "×nutcracker",
    "p50 ms",
    "p99 ms",
    "CPU µs/request",
    "×nutcracker CPU",
    "store CPU µs",
    "switches/request",
    "peak MB",
];
const HEADING_BESIDE: [&str; 4] = ["this build / another", "requests/s", "p99", "CPU/request"];
/// Where a figure was not measured.
const NOTHING: &str = "–";

/// For a terminal: aligned columns.
pub(crate) fn plain(comparison: &Comparison) -> String {
    aligned(&HEADING, &comparison.rows.iter().map(|row| cells(comparison, row).to_vec()).collect::<Vec<_>>())
}

/// For a document.
pub(crate) fn markdown(comparison: &Comparison) -> String {
    let mut table = format!("| {} |\n|---|{}\n", HEADING.join(" | "), "---:|".repeat(HEADING.len() - 1));
    for row in &comparison.rows {
        table.push_str(&format!("| {} |\n", cells(comparison, row).join(" | ")));
    }
    table
}

/// How this build does beside each other one in the same systems; nothing when there is none.
pub(crate) fn beside_others(comparison: &Comparison) -> String {
    let rows: Vec<Vec<String>> = comparison
        .others()
        .map(|(another, row)| {
            let ratio = |figure: Figure| {
                let ratio = comparison.ratio(figure, another.system, row.system);
                ratio.map_or_else(|| NOTHING.to_owned(), |ratio| format!("{ratio:.3}"))
            };
            let what = format!("{} / {}", another.system.name(), another.binary_name);
            vec![what, ratio(requests_per_second), ratio(p99_ms), ratio(cpu_us)]
        })
        .collect();
    if rows.is_empty() { String::new() } else { aligned(&HEADING_BESIDE, &rows) }
}

/// Rows under a heading: the first column to the left, the others to the right.
pub(crate) fn aligned(heading: &[&str], rows: &[Vec<String>]) -> String {
    let heading: Vec<String> = heading.iter().map(|&word| word.to_owned()).collect();
    let lines: Vec<&Vec<String>> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut table = String::new();
    for line in lines {
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            if column == 0 {
                table.push_str(&format!("{cell:<width$}"));
            } else {
                table.push_str(&format!("  {cell:>width$}"));
            }
        }
        table.push('\n');
    }
    table
}

fn cells(comparison: &Comparison, row: &Row) -> [String; 11] {
    let ratio = |figure: Figure, base: System| {
        comparison
            .ratio(figure, row.system, base)
            .map_or_else(|| NOTHING.to_owned(), |ratio| format!("{ratio:.2}"))
    };
    [
        row.system.name().to_owned(),
        format!("{:.0}", row.median(requests_per_second)),
        ratio(requests_per_second, System::Redis),
        ratio(requests_per_second, System::Nutcracker),
        format!("{:.3}", row.median(|run| run.p50_ms)),
        format!("{:.3}", row.median(p99_ms)),
        format!("{:.2}", row.median(cpu_us)),
        ratio(cpu_us, System::Nutcracker),
        row.datastore_cpu_us().map_or_else(|| NOTHING.to_owned(), |cpu| format!("{cpu:.2}")),
        format!("{:.3}", row.median(|run| run.switches)),
        format!("{:.1}", row.median(|run| run.peak_mb)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), "12345".to_owned()]];
        assert_eq!(aligned(&["x", "µs"], &rows), "x        µs\na         1\nlong  12345\n");
    }
}
