//! Where each planted bug is expected to show: the story that tells of it, and the families that meet it.

use dynomite_replication::planted::Planted;

/// Names of scenarios, the likeliest first.
pub(super) fn of(bug: Planted) -> &'static [&'static str] {
    match bug {
        Planted::RefusalAcknowledges => &["refusal-is-no-acknowledgement", "skew"],
        Planted::OverwriteIsRestamped | Planted::RunIsNotRun => {
            &["answers-get-lost", "partitions", "crashes"]
        }
        Planted::EverybodyOwns => &["greatest-wins-without-terms", "partitions"],
        Planted::RunsAfterPromise => &["promise-binds-primary", "partitions", "everything"],
        Planted::ForwardAfterPromise => &["promise-binds-followers", "partitions", "everything"],
        Planted::ClaimAdoptsNothing | Planted::ClaimWithoutMajority => {
            &["claimant-missed-a-write", "partitions", "crashes"]
        }
        Planted::ForwardOnAnyRecord => &["partitions", "stable"],
        Planted::GreaterAcknowledges => &["greater-record-is-no-acknowledgement", "partitions"],
        Planted::AnswersBeforeExecution => &["answers-wait-for-execution", "broken-lanes"],
        Planted::NoDoubt => &["record-runs-ahead-of-datastore", "broken-lanes"],
        Planted::AdoptsUnderFreshBase => &["overwritten-while-claimed", "broken-lanes", "everything"],
        Planted::AdoptsWithoutAll => &[
            "frozen-overwrite-is-taken-back",
            "overwrite-in-flight-is-no-old-state",
            "broken-lanes",
            "everything",
        ],
        Planted::TakesBackTooMuch => &["acknowledged-below-what-is-in-flight", "everything"],
        Planted::SetBackIsDoubt => &["set-back-while-another-starts-anew", "set-back"],
        Planted::RebuildsFromOne | Planted::LostVotes => &["rebuilt-from-one-rack", "data-loss"],
        Planted::ForgetsAtRestart => &["records-forgotten-at-restart", "set-nx-won-twice", "crashes"],
        Planted::ForgetsPromises => &["promise-survives-restart", "crashes", "everything"],
        Planted::HealInstallsOlder | Planted::SkipsHints | Planted::CountsTwice => &["partitions", "crashes"],
        Planted::MixesPieces => &["pieces-of-two-states", "pieces"],
        Planted::KeepsStages => &["stage-is-lost", "pieces", "two-dcs-pieces"],
        Planted::ReadsTheNearest => &["stable", "partitions"],
        Planted::ImportsOlder => &["two-dcs-stable", "two-dcs"],
        Planted::ForgetsDeletions => &["eviction-resurrects", "crashes"],
        Planted::ForgetsUnconfirmed | Planted::LocalFloorIsBase => {
            &["missed-behind-a-mark", "eviction-resurrects", "partitions"]
        }
        Planted::GainedIsTrusted => &["gained-copy-is-no-copy", "seats", "seats-and-faults"],
        Planted::ReturnsWithOldCopies => &["range-comes-back", "seats-and-faults"],
        Planted::GainedPromisesNothing => &["promised-before-it-moved", "seats-and-faults"],
        Planted::ServesEveryRing => &["written-through-an-old-ring", "seats", "seats-and-faults"],
        Planted::VersionsWithoutNode => &["stamped-at-once", "stable", "two-dcs-overwrites"],
        Planted::LateAnswersCount => &["echoes", "partitions"],
        Planted::FailsSilently => &["partitions"],
        Planted::IgnoresWindow => &["overload"],
        Planted::NeverSleeps => &["promise-binds-followers"],
        _ => &[],
    }
}
