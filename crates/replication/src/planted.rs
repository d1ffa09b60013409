//! Bugs that can be planted, one at a time, to show that the simulator's checkers find them. Only with the feature `planted`;
//! without it every question is answered by a constant and costs nothing.

/// From each name and what it breaks, in this order.
macro_rules! planted {
    ($($name:ident: $about:literal,)*) => {
        /// A rule that is broken: most are simpler rules that look right and lose writes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Planted {
            $(#[doc = $about] $name,)*
        }

        impl Planted {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// What is broken, in a sentence.
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$name => $about,)*
                }
            }
        }
    };
}

planted! {
    RefusalAcknowledges: "A refusal counts as an acknowledgement (rule R4).",
    OverwriteIsRestamped: "An overwrite that did not reach its majority is stamped anew and sent again (rule R4).",
    EverybodyOwns: "Every replica sequences from a key's birth (rule R5).",
    RunsAfterPromise: "A replica runs sequenced writes although another claim was promised (rule R6).",
    ClaimAdoptsNothing: "A claim goes on with the own copy instead of the greatest (rule R7).",
    ClaimWithoutMajority: "A claim is granted by one replica (rule R7).",
    ForwardAfterPromise: "A forward is accepted although another claim was promised (rule R9).",
    ForwardOnAnyRecord: "A forward is accepted on any record (rule R9).",
    GreaterAcknowledges: "A replica that holds a merely greater record acknowledges (rule R10).",
    RunIsNotRun: "A write that ran without being acknowledged is called not run (rule R11).",
    AnswersBeforeExecution: "What is said of a key does not wait for its earlier writes (rule R12).",
    NoDoubt: "A copy with a write in flight stays trusted when the lane breaks (rule R13).",
    AdoptsUnderFreshBase: "A copy in doubt is resolved under a base of its own (rule R13).",
    AdoptsWithoutAll: "A copy with an overwrite in flight is adopted without hearing the whole datacenter (rule R13).",
    TakesBackTooMuch: "An overwrite in flight is taken back past one that a lost copy may have acknowledged (rule R13).",
    SetBackIsDoubt: "A datastore that was set back is in doubt, like one that was only started anew (rule R13).",
    RebuildsFromOne: "A lost copy is rebuilt from whoever answers (rule R14).",
    LostVotes: "A lost copy votes as one that was never written (rule R14).",
    ForgetsAtRestart: "A restart forgets all records (rule R1).",
    ForgetsPromises: "A restart forgets what was promised (rule R1).",
    HealInstallsOlder: "A heal installs states that are older than what is there (rule R15).",
    MixesPieces: "Pieces of a large state are read whatever the record is by then (rule R15).",
    KeepsStages: "A transfer goes on after the lane broke, and its stage was lost (rule R15).",
    SkipsHints: "Nobody notes who missed a write, and nobody compares copies.",
    CountsTwice: "One replica's answer counts twice.",
    ReadsTheNearest: "A quorum read does not compare records.",
    ImportsOlder: "An import is not compared with the last write (rule R19).",
    ForgetsDeletions: "A deleted key's record is forgotten at once (rule R22).",
    ForgetsUnconfirmed: "Records are forgotten without the confirmation of all replicas (rule R22).",
    LocalFloorIsBase: "How far a replica itself has looked back stands for records that it never had (rule R22).",
    GainedIsTrusted: "A copy of a range that was gained counts as one of a key that was never written (rule R23).",
    ReturnsWithOldCopies: "Who gets a range back that it once had trusts what it still holds of it (rule R23).",
    GainedPromisesNothing: "Who gained a range has promised nothing in it (rule R23).",
    ServesEveryRing: "A node answers whatever the sender's ring says (rule R23).",
    VersionsWithoutNode: "A version's node does not count, so that two versions can be equal.",
    LateAnswersCount: "A late answer is taken for one to whatever is in its place now.",
    FailsSilently: "A read that fails is not answered.",
    IgnoresWindow: "The lane is given more than its window.",
    NeverSleeps: "A worker whose datastore takes nothing asks for the time all the time.",
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
