//! Scripts: one small story each, told by hand. Most are the counterexamples that shaped the rules of replication: a simpler
//! rule loses a write in them.
//!
//! Rack `n` has node `n` alone, but where nodes join. Everything takes a millisecond from node to node; the seed decides what of a broken
//! connection still arrives.

mod answers;
mod claims;
mod datastores;
mod doubts;
mod forgetting;
mod orders;
mod restarts;
mod rings;
mod script;

use super::Invariant;
use crate::plan::Plan;

/// A run that somebody wrote.
#[derive(Debug, Clone, Copy)]
pub struct Directed {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What must hold.
    pub demands: &'static [Invariant],
    /// Its plan. The seed decides what the script leaves open.
    pub plan: fn(u64) -> Plan,
}

/// All scripts.
pub fn directed() -> &'static [Directed] {
    SCRIPTS
}

const fn script(name: &'static str, about: &'static str, plan: fn(u64) -> Plan) -> Directed {
    Directed { name, about, demands: super::families::EVERYTHING, plan }
}

const SCRIPTS: &[Directed] = &[
    script(
        "greatest-wins-without-terms",
        "a second primary counts on an empty copy, and its later count must not beat the acknowledged one",
        orders::greatest_wins_without_terms,
    ),
    script(
        "refusal-is-no-acknowledgement",
        "a clock is ahead; a later write that its copy refuses must not be acknowledged by that",
        orders::refusal_is_no_acknowledgement,
    ),
    script(
        "greater-record-is-no-acknowledgement",
        "the primary missed a deletion; an element that it adds to its old copy is in nobody's",
        orders::greater_record_is_no_acknowledgement,
    ),
    script(
        "superseded-write-tells-what-it-saw",
        "the primary's copy is old; a conditional write on it must not be acknowledged because it was overwritten since",
        orders::superseded_write_tells_what_it_saw,
    ),
    script(
        "expired-here-and-not-there",
        "a key expires between the primary's run of a write and a replica's",
        orders::expired_here_and_not_there,
    ),
    script(
        "records-forgotten-at-restart",
        "two nodes restart, and the third has an older copy",
        restarts::records_forgotten_at_restart,
    ),
    script(
        "set-nx-won-twice",
        "the first winner's witness restarts, and its primary is cut off",
        restarts::set_nx_won_twice,
    ),
    script(
        "eviction-resurrects",
        "a node that missed a deletion comes back long after the others had reason to keep its record",
        restarts::eviction_resurrects,
    ),
    script(
        "record-runs-ahead-of-datastore",
        "the datastore's connection breaks before a write ran that the record already tells of",
        datastores::record_runs_ahead,
    ),
    script(
        "overwrite-in-flight-is-no-old-state",
        "an overwrite ran though its connection broke; the copy must not be adopted as what it was before",
        datastores::overwrite_in_flight,
    ),
    script(
        "answers-wait-for-execution",
        "a write is in the records of two, and their connections break before it ran",
        datastores::answers_wait_for_execution,
    ),
    script(
        "rebuilt-from-one-rack",
        "a node that lost its data copies one that missed a write, while the only other witness is down",
        datastores::rebuilt_from_one_rack,
    ),
    script(
        "acknowledged-below-what-is-in-flight",
        "a write in flight is taken back; one before it was acknowledged with a copy that is lost by now",
        datastores::acknowledged_below_what_is_in_flight,
    ),
    script(
        "set-back-while-another-starts-anew",
        "one datastore is set back behind an acknowledged write, another one only started anew, and the third rack is away",
        datastores::set_back_while_another_starts_anew,
    ),
    script(
        "pieces-of-two-states",
        "a large state changes while its pieces are read; what arrives must not be a bit of each",
        datastores::pieces_of_two_states,
    ),
    script(
        "stage-is-lost",
        "the datastore forgets the first pieces of a large state; what is left must not be taken for the whole",
        datastores::stage_is_lost,
    ),
    script(
        "promise-binds-followers",
        "a follower has promised another claim; the primary, which does not know of it, runs a write",
        claims::promise_binds_followers,
    ),
    script(
        "promise-survives-restart",
        "the same, and the follower restarts in between",
        claims::promise_survives_restart,
    ),
    script(
        "promise-binds-primary",
        "the primary has promised another claim, and is asked to run a write",
        claims::promise_binds_primary,
    ),
    script(
        "claimant-missed-a-write",
        "the primary is gone; who claims the key has missed an acknowledged write",
        claims::claimant_missed_a_write,
    ),
    script(
        "frozen-overwrite-is-taken-back",
        "a node that stood still stamps an overwrite that reaches nobody and that its datastore loses",
        doubts::frozen_overwrite_is_taken_back,
    ),
    script(
        "overwritten-while-claimed",
        "an overwrite is acknowledged while a copy in doubt is being claimed",
        doubts::overwritten_while_claimed,
    ),
    script(
        "missed-behind-a-mark",
        "a node misses a write while it is cut off and compares with nobody",
        forgetting::missed_behind_a_mark,
    ),
    script(
        "answers-get-lost",
        "the coordinator hears nothing of what others have done; it must not say that nothing was",
        answers::answers_get_lost,
    ),
    script(
        "stamped-at-once",
        "several nodes stamp overwrites of one key in the same moment",
        answers::stamped_at_once,
    ),
    script(
        "gained-copy-is-no-copy",
        "a node that joins takes over a key; it must not speak of it before it has asked the others",
        rings::gained_copy_is_no_copy,
    ),
    script(
        "range-comes-back",
        "a node gets a key back that it had once, and that was written since",
        rings::range_comes_back,
    ),
    script(
        "written-through-an-old-ring",
        "a key moves, and a node that does not know yet writes it",
        rings::written_through_an_old_ring,
    ),
    script(
        "added-while-a-range-moves",
        "everybody adds to a list while it moves to a node that joins, and back",
        rings::added_while_a_range_moves,
    ),
    script(
        "promised-before-it-moved",
        "a claim was promised by a node whose range moves before anything ran under it",
        rings::promised_before_it_moved,
    ),
];
