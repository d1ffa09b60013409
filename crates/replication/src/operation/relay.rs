//! Another datacenter's write, being handed to the racks of this one by their forwarder.

use super::replicas::{Replicas, State, Verdict, verdict};
use crate::{Level, ResponseBody, engine::Requester};

/// A write that the sender in another datacenter waits for.
#[derive(Debug)]
pub(crate) struct RelayOperation {
    pub(crate) requester: Requester,
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

    /// What has been reached so far.
    pub(crate) fn count(&self) -> ResponseBody {
        let applied = super::replicas::count(&self.replicas, |state| *state == State::Ok);
        ResponseBody::Relayed { applied: applied as u16, racks: self.replicas.len() as u16 }
    }
}
