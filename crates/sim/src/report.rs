//! What is printed of a run that failed: what was wrong, the commands that show it, and what each replica holds.

use std::fmt::Write;

use crate::{
    check::Violation,
    plan::Plan,
    run::run_with,
    scenario::{Invariant, Runnable},
    trace::TraceTo,
    world::World,
};

/// So many violations are shown.
const VIOLATIONS_MAX: usize = 4;
/// So many commands around those that show a violation.
const AROUND_MAX: usize = 12;

/// Runs a failing plan once more and describes what is wrong with it.
pub fn describe(runnable: Runnable, seed: u64, plan: &Plan, demands: &[Invariant]) -> String {
    let mut text = String::new();
    let verdict = run_with(plan, demands, TraceTo::Nowhere, |world, violations| {
        let _ = writeln!(text, "scenario {}, seed {seed}: {} violations", runnable.name(), violations.len());
        for violation in violations.iter().take(VIOLATIONS_MAX) {
            show(world, violation, &mut text);
        }
    });
    if text.is_empty() {
        let panic = verdict.violations.first().map_or("", |violation| &violation.text);
        let _ = writeln!(text, "scenario {}, seed {seed}: {panic}", runnable.name());
    }
    text
}

fn show(world: &mut World, violation: &Violation, text: &mut String) {
    let _ = writeln!(text, "\n{violation}");
    for place in &violation.entries {
        let _ = writeln!(text, "  * {}", world.history().entries[*place]);
    }
    let Some(key) = violation.key else { return };
    let _ = writeln!(text, "  commands on {key} that may have changed it, the latest first:");
    let entries = world.history().entries.iter().rev();
    for entry in entries.filter(|entry| entry.command.key == key && entry.may_have_run()).take(AROUND_MAX) {
        let _ = writeln!(text, "    {entry}");
    }
    for node in world.replicas(key) {
        let (state, record) = (world.state_of(node, key), world.record_of(node, key));
        let name = world.plan().topology.name_of(node);
        let _ = writeln!(text, "  node {node} ({name}): {state}\n      {record}");
    }
}
