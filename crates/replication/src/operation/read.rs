//! A read, by its coordinator: whom to ask next, and when the answer is good enough.

use bytes::Bytes;
use dynomite_codec::replies_agree;
use dynomite_ring::Token;

use super::replicas::{Replicas, State};
use crate::{
    Failure, KeyRequest, Level, Record, ResponseBody,
    engine::Ticket,
    planted::{self, Planted},
};

/// A read under way. `replicas` are ordered by preference, the nearest first.
#[derive(Debug)]
pub(crate) struct ReadOperation {
    pub(crate) ticket: Ticket,
    pub(crate) command: KeyRequest,
    pub(crate) token: Token,
    pub(crate) level: Level,
    pub(crate) needed: usize,
    pub(crate) replicas: Replicas,
    /// Beside `replicas`: what each has told.
    pub(crate) answers: smallvec::SmallVec<[Answer; 3]>,
    /// When replicas that have not answered are called slow, and others asked as well.
    pub(crate) failover_at_ms: u64,
    /// Whether the key was healed for this read, which is done once.
    pub(crate) was_healed: bool,
}

/// What one replica has told, and what it was asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Answer {
    record: Option<Record>,
    value: Option<(Record, Bytes)>,
    asked_value: bool,
    slow: bool,
}

/// What the coordinator must do next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step {
    Wait,
    Ask { replica: usize, value: bool },
    Reply(Bytes),
    Fail { disagree: bool },
}

impl ReadOperation {
    /// Takes in a replica's answer.
    pub(crate) fn answered(&mut self, replica: usize, body: ResponseBody) {
        let (Some(state), Some(answer)) = (self.replicas.get_mut(replica), self.answers.get_mut(replica))
        else {
            return;
        };
        match body {
            ResponseBody::Read { record, reply } => {
                state.state = State::Ok;
                answer.record = answer.record.max(Some(record));
                if let Some(reply) = reply {
                    answer.value = Some((record, reply));
                }
            }
            // A replica that first told its record and then could not be read keeps its vote but gives no value.
            ResponseBody::Failed(failure) => state.state = State::Failed(failure),
            _ => state.state = State::Failed(Failure::Datastore("unexpected answer".into())),
        }
    }

    /// Whether replicas have told different records. One of them may just be a moment behind.
    pub(crate) fn has_seen_difference(&self) -> bool {
        let mut records = self.answers.iter().filter_map(|answer| answer.record);
        records.next().is_some_and(|first| records.any(|record| record != first))
    }

    /// Asks everybody again, now that the key was healed.
    pub(crate) fn start_over(&mut self) {
        self.was_healed = true;
        for (replica, answer) in self.replicas.iter_mut().zip(&mut self.answers) {
            replica.state = State::Idle;
            *answer = Answer::default();
        }
    }

    /// Asks those that hold the key by another ring.
    pub(crate) fn begin_anew(&mut self, replicas: Replicas, failover_at_ms: u64) {
        self.replicas = replicas;
        self.failover_at_ms = failover_at_ms;
        self.start_over();
        self.was_healed = false;
    }

    /// Calls every replica slow that has not answered, so that others are asked as well.
    pub(crate) fn fail_over(&mut self) {
        for (replica, answer) in self.replicas.iter().zip(&mut self.answers) {
            answer.slow |= replica.state == State::Asked;
        }
    }

    /// Whether asking this replica is a second attempt: another failed, or held an older record.
    pub(crate) fn is_retry(&self, replica: usize) -> bool {
        let failed = self.replicas.iter().any(|replica| matches!(replica.state, State::Failed(_)));
        failed || self.answers[replica].record.is_some()
    }

    /// What to do next; asking is noted as done.
    pub(crate) fn next_step(&mut self) -> Step {
        let step = match self.level {
            Level::DcOne => self.next_of_one(),
            Level::DcQuorum if planted::has(Planted::ReadsTheNearest) => self.next_of_one(),
            Level::DcQuorum => self.next_of_quorum(),
            Level::DcSafeQuorum | Level::DcEachSafeQuorum => self.next_of_safe(),
        };
        if let Step::Ask { replica, value } = step {
            self.replicas[replica].state = State::Asked;
            self.answers[replica].asked_value |= value;
        }
        step
    }

    fn next_of_one(&self) -> Step {
        if let Some(reply) = self.answers.iter().find_map(|answer| answer.value.as_ref()) {
            return Step::Reply(reply.1.clone());
        }
        if self.is_waiting(false) {
            return Step::Wait;
        }
        match self.first_idle() {
            Some(replica) => Step::Ask { replica, value: true },
            None => self.wait_or_fail(),
        }
    }

    fn next_of_quorum(&self) -> Step {
        let known = self.answers.iter().filter(|answer| answer.record.is_some()).count();
        let best = self.answers.iter().filter_map(|answer| answer.value.as_ref()).max_by_key(|value| value.0);
        let newest = self.answers.iter().filter_map(|answer| answer.record).max();
        if known >= self.needed && best.is_some_and(|(record, _)| Some(*record) >= newest) {
            return best.map_or(Step::Wait, |(_, reply)| Step::Reply(reply.clone()));
        }
        // A value is wanted from whoever has the newest record heard of; before any is known, from the nearest.
        let value_under_way = self.is_waiting(true);
        let open = (0..self.replicas.len()).filter(|&index| self.is_open(index)).count();
        if known + open < self.needed {
            return match self.first_idle() {
                Some(replica) => Step::Ask { replica, value: best.is_none() && !value_under_way },
                None => self.wait_or_fail(),
            };
        }
        if value_under_way || (known < self.needed && best.is_some()) {
            return Step::Wait;
        }
        let holder = (0..self.replicas.len())
            .filter(|&index| self.replicas[index].state == State::Ok && !self.answers[index].asked_value)
            .filter(|&index| self.answers[index].record.is_some())
            .max_by_key(|&index| (self.answers[index].record, std::cmp::Reverse(index)));
        match holder {
            Some(replica) if known < self.needed || self.answers[replica].record >= newest => {
                Step::Ask { replica, value: true }
            }
            _ => match self.first_idle() {
                Some(replica) => Step::Ask { replica, value: true },
                None => self.wait_or_fail(),
            },
        }
    }

    fn next_of_safe(&self) -> Step {
        if let Some(replica) = self.first_idle() {
            return Step::Ask { replica, value: true };
        }
        let values: smallvec::SmallVec<[&Bytes; 3]> =
            self.answers.iter().filter_map(|answer| answer.value.as_ref().map(|value| &value.1)).collect();
        let call = self.command.call();
        for value in &values {
            if values.iter().filter(|other| replies_agree(&call, value, other)).count() >= self.needed {
                return Step::Reply(Bytes::clone(value));
            }
        }
        let open = self.replicas.iter().filter(|replica| replica.state == State::Asked).count();
        if open == 0 || values.len() + open < self.needed {
            Step::Fail { disagree: values.len() >= self.needed }
        } else {
            Step::Wait
        }
    }

    fn first_idle(&self) -> Option<usize> {
        self.replicas.iter().position(|replica| replica.state == State::Idle)
    }

    /// Asked, not answered, and not called slow.
    fn is_open(&self, index: usize) -> bool {
        self.replicas[index].state == State::Asked
            && !self.answers[index].slow
            && self.answers[index].record.is_none()
    }

    fn is_waiting(&self, for_value: bool) -> bool {
        self.replicas.iter().zip(&self.answers).any(|(replica, answer)| {
            replica.state == State::Asked && !answer.slow && (answer.asked_value || !for_value)
        })
    }

    /// Nobody is left to ask: slow replicas may still answer before the deadline.
    fn wait_or_fail(&self) -> Step {
        if self.replicas.iter().any(|replica| replica.state == State::Asked) {
            Step::Wait
        } else {
            Step::Fail { disagree: false }
        }
    }
}
