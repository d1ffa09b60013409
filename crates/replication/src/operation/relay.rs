//! Another datacenter's write, being handed to the racks of this one by their forwarder.

use bytes::Bytes;

use super::replicas::{Replicas, State, Verdict, verdict};
use crate::{Level, ResponseBody, engine::Requester};

/// A write of another datacenter. It stays after the sender was answered until every replica has answered, so that whoever
/// missed it is known.
#[derive(Debug)]
pub(crate) struct RelayOperation {
    /// Who waits for the count; nobody once it was given, or if the sender does not wait.
    pub(crate) requester: Requester,
    pub(crate) key: Bytes,
    pub(crate) replicas: Replicas,
}

impl RelayOperation {
    /// Takes in a replica's answer.
    pub(crate) fn answered(&mut self, replica: usize, body: ResponseBody) {
        if let Some(replica) = self.replicas.get_mut(replica) {
            replica.state = match body {
                ResponseBody::Applied { .. } => State::Ok,
                ResponseBody::Failed(failure) => State::Failed(failure),
                _ => State::Newer,
            };
        }
    }

    /// The answer for the sender, as soon as a majority is reached or out of reach.
    pub(crate) fn outcome(&self) -> Option<ResponseBody> {
        match verdict(&self.replicas, Level::DcQuorum.needed(self.replicas.len())) {
            Verdict::Wait => None,
            Verdict::Reached | Verdict::Impossible => Some(self.count()),
        }
    }

    /// Whether nothing more can be heard of it.
    pub(crate) fn is_finished(&self) -> bool {
        !self.replicas.iter().any(|replica| replica.state == State::Asked)
    }

    /// What has been reached so far.
    pub(crate) fn count(&self) -> ResponseBody {
        let applied = super::replicas::count(&self.replicas, |state| *state == State::Ok);
        ResponseBody::Relayed { applied: applied as u16, racks: self.replicas.len() as u16 }
    }
}
