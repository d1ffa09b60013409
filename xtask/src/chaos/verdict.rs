//! The judgement in the end: every key against what its clients were told.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::convergence::Convergence;
use super::copies::{Copies, Difference};
use super::history::{Key, Look};
use super::judge;
use super::run::Run;
use super::state::State;
use super::violations::Kind;

/// Judges every key that was written, and looks for keys that nobody wrote.
pub(super) fn judge_all(run: &Run, convergence: &Convergence) {
    let differing: HashMap<&str, &Difference> =
        convergence.differences.iter().map(|difference| (difference.key.as_str(), difference)).collect();
    let mut written = BTreeSet::new();
    run.ledger.for_each(|key| {
        let name = key.name();
        if let Some(text) = judge::contradicting_answers(key) {
            run.violations.add_key(Kind::Answers, key, text);
        }
        match differing.get(name.as_str()) {
            Some(difference) => judge_unequal(run, key, difference),
            None => judge_equal(run, key, &name, &convergence.copies),
        }
        written.insert(name);
    });
    let stored: BTreeSet<&String> = convergence.copies.iter().flat_map(Copies::keys).collect();
    for name in stored {
        if !written.contains(name) {
            run.violations.add(Kind::Strange, name, "is there, and nobody wrote it");
        }
    }
}

fn judge_equal(run: &Run, key: &Key, name: &str, all: &[Copies]) {
    let copy = all.first().and_then(|copies| copies.get(name));
    let absent = State::Absent;
    let state = copy.map_or(&absent, |copy| &copy.state);
    if let Some(text) = judge::contradiction(key, &Look::LAST, state) {
        run.violations.add_key(Kind::Lost, key, text);
        return;
    }
    let expires_at = copy.and_then(|copy| copy.expires_at).map(|at| run.clock.moment_of(at));
    if let Some(text) = judge::contradicting_expiry(key, state, expires_at) {
        run.violations.add_key(Kind::Strange, key, text);
    }
}

/// A key whose copies differ is a violation in any case; it has lost a write when no copy fits.
fn judge_unequal(run: &Run, key: &Key, difference: &Difference) {
    let mut contradictions = Vec::new();
    // Each different copy, with those who have it.
    let mut shown: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (host, copy) in run.cluster.hosts.iter().zip(&difference.copies) {
        let expiry = copy.expires_at.map_or_else(String::new, |at| format!(", expires at {at}"));
        let contradiction = judge::contradiction(key, &Look::LAST, &copy.state);
        let mark = if contradiction.is_some() { ", which contradicts what was acknowledged" } else { "" };
        let line = format!("{}{expiry}{mark}", copy.state.shown());
        shown.entry(line).or_default().push(&host.name);
        contradictions.extend(contradiction);
    }
    let shown: Vec<String> =
        shown.into_iter().map(|(copy, hosts)| format!("{}: {copy}", hosts.join(", "))).collect();
    run.violations.add_key(Kind::Unequal, key, shown.join("\n  "));
    if contradictions.len() == difference.copies.len() {
        run.violations.add_key(
            Kind::Lost,
            key,
            format!("on every copy; on the first: {}", contradictions[0]),
        );
    }
}
