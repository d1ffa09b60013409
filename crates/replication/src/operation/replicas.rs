//! The replicas that one operation talks to, and how far each has come.

use dynomite_ring::{NodeId, RackIdx};
use smallvec::SmallVec;

use crate::{
    Failure,
    planted::{self, Planted},
};

/// One replica of the key in the local datacenter.
#[derive(Debug, Clone)]
pub(crate) struct Replica {
    pub(crate) node: NodeId,
    pub(crate) rack: RackIdx,
    pub(crate) state: State,
}

/// How far a replica has come with what it was asked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    /// Not asked.
    Idle,
    /// Asked, and not answered yet.
    Asked,
    /// Did what it was asked.
    Ok,
    /// Holds something newer; not an acknowledgement.
    Newer,
    /// Did not do it.
    Failed(Failure),
}

/// The replicas of an operation: one per rack of a datacenter.
pub(crate) type Replicas = SmallVec<[Replica; 3]>;

/// The replica in the rack of the client's node. The reply waits for it a little, so that the client reads there what it
/// wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Near(usize);

impl Near {
    /// The replica in `rack`, if it is among them.
    pub(crate) fn new(replicas: &[Replica], rack: RackIdx) -> Option<Self> {
        replicas.iter().position(|replica| replica.rack == rack).map(Self)
    }

    /// Takes it out of `replicas`.
    pub(crate) fn take_from(self, replicas: &mut Replicas) -> Replica {
        replicas.remove(self.0)
    }

    /// Whether it may still answer.
    pub(crate) fn is_open(self, replicas: &[Replica]) -> bool {
        matches!(replicas[self.0].state, State::Idle | State::Asked)
    }
}

/// What a majority count says so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Wait,
    Reached,
    Impossible,
}

/// Counts `replicas` against `needed`.
pub(crate) fn verdict(replicas: &[Replica], needed: usize) -> Verdict {
    let mut ok = count(replicas, |state| *state == State::Ok);
    if ok > 0 && planted::has(Planted::CountsTwice) {
        ok += 1;
    }
    let open = count(replicas, |state| matches!(state, State::Asked | State::Idle));
    if ok >= needed {
        Verdict::Reached
    } else if ok + open < needed {
        Verdict::Impossible
    } else {
        Verdict::Wait
    }
}

/// Whether a replica has refused for another ring, which this node may get too.
pub(crate) fn await_ring(replicas: &[Replica]) -> bool {
    replicas.iter().any(|replica| replica.state == State::Failed(Failure::RingChanged))
}

/// How many replicas are in a state.
pub(crate) fn count(replicas: &[Replica], is: impl Fn(&State) -> bool) -> usize {
    replicas.iter().filter(|replica| is(&replica.state)).count()
}

/// Whether nothing can have been run anywhere: every replica failed before running, or was never asked.
pub(crate) fn certainly_not_run(replicas: &[Replica]) -> bool {
    replicas.iter().all(|replica| match &replica.state {
        State::Failed(failure) => failure.not_run(),
        State::Idle => true,
        State::Asked | State::Ok | State::Newer => false,
    })
}

/// Turns everything still open into a failure, when the deadline has come.
pub(crate) fn time_out(replicas: &mut [Replica]) {
    for replica in replicas {
        if replica.state == State::Asked {
            replica.state = State::Failed(Failure::Timeout);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicas(states: &[State]) -> Replicas {
        states
            .iter()
            .enumerate()
            .map(|(rack, state)| Replica {
                node: NodeId(rack as u32),
                rack: RackIdx(rack as u16),
                state: state.clone(),
            })
            .collect()
    }

    #[test]
    fn a_newer_record_is_not_an_acknowledgement() {
        let two = replicas(&[State::Ok, State::Newer, State::Newer]);
        assert_eq!(verdict(&two, 2), Verdict::Impossible);
        assert_eq!(verdict(&replicas(&[State::Ok, State::Newer, State::Asked]), 2), Verdict::Wait);
        assert_eq!(verdict(&replicas(&[State::Ok, State::Newer, State::Ok]), 2), Verdict::Reached);
    }

    #[test]
    fn only_failures_before_running_are_certainly_not_run() {
        let down = State::Failed(Failure::Unreachable);
        assert!(certainly_not_run(&replicas(&[down.clone(), State::Failed(Failure::DatastoreDown)])));
        assert!(!certainly_not_run(&replicas(&[down.clone(), State::Failed(Failure::Timeout)])));
        assert!(!certainly_not_run(&replicas(&[down, State::Ok])));
    }
}
