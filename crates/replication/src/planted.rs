//! Bugs that can be planted, one at a time, to show that the simulator's checkers find them. Only with the feature `planted`;
//! without it every question is answered by a constant and costs nothing.

/// A rule that is broken: most are simpler rules that look right and lose writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Planted {
    /// A refusal counts as an acknowledgement (rule R4).
    RefusalAcknowledges,
    /// An overwrite that did not reach its majority is stamped anew and sent again (rule R4).
    OverwriteIsRestamped,
    /// Every replica sequences from a key's birth (rule R5).
    EverybodyOwns,
    /// A replica runs sequenced writes although another claim was promised (rule R6).
    RunsAfterPromise,
    /// A claim goes on with the own copy instead of the greatest (rule R7).
    ClaimAdoptsNothing,
    /// A claim is granted by one replica (rule R7).
    ClaimWithoutMajority,
    /// A forward is accepted although another claim was promised (rule R9).
    ForwardAfterPromise,
    /// A forward is accepted on any record (rule R9).
    ForwardOnAnyRecord,
    /// A replica that holds a merely greater record acknowledges (rule R10).
    GreaterAcknowledges,
    /// A write that ran without being acknowledged is called "not run" (rule R11).
    RunIsNotRun,
    /// What is said of a key does not wait for its earlier writes (rule R12).
    AnswersBeforeExecution,
    /// A copy with a write in flight stays trusted when the lane breaks (rule R13).
    NoDoubt,
    /// A copy in doubt is resolved under a base of its own (rule R13).
    AdoptsUnderFreshBase,
    /// A copy with an overwrite in flight is adopted without hearing the whole datacenter (rule R13).
    AdoptsWithoutAll,
    /// A lost copy is rebuilt from whoever answers (rule R14).
    RebuildsFromOne,
    /// A lost copy votes as one that was never written (rule R14).
    LostVotes,
    /// A restart forgets all records (rule R1).
    ForgetsAtRestart,
    /// A heal installs states that are older than what is there (rule R15).
    HealInstallsOlder,
    /// Pieces of a large state are read whatever the record is by then.
    MixesPieces,
    /// A transfer goes on after the lane broke, and its stage was lost.
    KeepsStages,
    /// Nobody notes who missed a write.
    SkipsHints,
    /// One replica's answer counts twice.
    CountsTwice,
    /// A quorum read does not compare records.
    ReadsTheNearest,
    /// An import is not compared with the last write (rule R19).
    ImportsOlder,
    /// A deleted key's record is forgotten at once (rule R22).
    ForgetsDeletions,
    /// Records are forgotten without the confirmation of all replicas (rule R22).
    ForgetsUnconfirmed,
    /// A version's node does not count, so that two versions can be equal.
    VersionsWithoutNode,
}

#[cfg(feature = "planted")]
mod switch {
    use std::cell::Cell;

    use super::Planted;

    thread_local! {
        static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
    }

    /// Plants one bug, or none, in all engines of this thread.
    pub fn plant(planted: Option<Planted>) {
        PLANTED.set(planted);
    }

    pub(crate) fn has(planted: Planted) -> bool {
        PLANTED.get() == Some(planted)
    }
}

#[cfg(feature = "planted")]
pub(crate) use switch::has;
#[cfg(feature = "planted")]
pub use switch::plant;

#[cfg(not(feature = "planted"))]
pub(crate) const fn has(_planted: Planted) -> bool {
    false
}

impl Planted {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::RefusalAcknowledges,
        Self::OverwriteIsRestamped,
        Self::EverybodyOwns,
        Self::RunsAfterPromise,
        Self::ClaimAdoptsNothing,
        Self::ClaimWithoutMajority,
        Self::ForwardAfterPromise,
        Self::ForwardOnAnyRecord,
        Self::GreaterAcknowledges,
        Self::RunIsNotRun,
        Self::AnswersBeforeExecution,
        Self::NoDoubt,
        Self::AdoptsUnderFreshBase,
        Self::AdoptsWithoutAll,
        Self::RebuildsFromOne,
        Self::LostVotes,
        Self::ForgetsAtRestart,
        Self::HealInstallsOlder,
        Self::MixesPieces,
        Self::KeepsStages,
        Self::SkipsHints,
        Self::CountsTwice,
        Self::ReadsTheNearest,
        Self::ImportsOlder,
        Self::ForgetsDeletions,
        Self::ForgetsUnconfirmed,
        Self::VersionsWithoutNode,
    ];
}
