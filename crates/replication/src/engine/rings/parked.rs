//! Requests of nodes with another ring: refused where this node knows better, and kept for a while where the sender does.

use std::collections::VecDeque;

use crate::{
    Failure, Origin, ReplicaRequest, RequestBody, ResponseBody, Seats,
    engine::{Engine, Now, Out, Requester},
    planted::{self, Planted},
};

/// So many requests wait for a ring; more are refused.
const REQUESTS_MAX: usize = 1024;
/// So many bytes of commands and values; more are refused.
const BYTES_MAX: usize = 4 << 20;
/// Rings may be so many epochs apart where they give a token to the same nodes: with two in between it may have been elsewhere.
const APART_MAX: i32 = 1;

/// Requests that wait for the ring by which they were sent.
#[derive(Debug, Default)]
pub(in crate::engine) struct Parked {
    /// With the moment at which each is refused, in `Now::ms`.
    requests: VecDeque<(u64, Origin, ReplicaRequest)>,
    bytes: usize,
}

impl Parked {
    /// When the oldest is refused, in `Now::ms`.
    pub(in crate::engine) fn due_ms(&self) -> Option<u64> {
        self.requests.front().map(|(at_ms, ..)| *at_ms)
    }
}

/// How a request's ring and this node's go together.
pub(in crate::engine) enum Fit {
    /// The request may be answered.
    Same,
    /// The sender has a newer one.
    Newer,
    /// The sender has an older one, or one that gives the key to others.
    Other(Failure),
}

impl Engine {
    /// Refuses a request that cannot be answered now, or lets it wait for its ring.
    pub(in crate::engine) fn put_off(
        &mut self,
        now: Now,
        origin: Origin,
        request: ReplicaRequest,
        fit: Fit,
        out: &mut Out,
    ) {
        let failure = match fit {
            Fit::Other(failure) => failure,
            Fit::Same | Fit::Newer => {
                let bytes = request.body.size();
                if self.parked.requests.len() < REQUESTS_MAX && self.parked.bytes + bytes <= BYTES_MAX {
                    self.stats.requests_ahead += 1;
                    self.parked.bytes += bytes;
                    let until_ms = now.ms + self.config.request_timeout_ms;
                    return self.parked.requests.push_back((until_ms, origin, request));
                }
                Failure::RingChanged
            }
        };
        self.stats.requests_behind += 1;
        let requester = Requester::Peer { origin, id: request.id };
        self.answer(requester, ResponseBody::Failed(failure), out);
    }

    /// Whether a request may be answered now.
    pub(in crate::engine) fn fit(&self, request: &ReplicaRequest) -> Fit {
        if self.place.is_alone || planted::has(Planted::ServesEveryRing) {
            return Fit::Same;
        }
        let Seats { epoch, digest } = request.seats;
        let ahead = epoch.wrapping_sub(self.ring.epoch() as u32) as i32;
        let is_same = match &request.body {
            // Whoever hands a write on does so by its own ring.
            RequestBody::Execute(_)
            | RequestBody::RelayOverwrite { .. }
            | RequestBody::RelayImport { .. }
            | RequestBody::Export { .. } => return Fit::Same,
            // They are about the keys that two nodes share.
            RequestBody::Digest { .. }
            | RequestBody::Differ { .. }
            | RequestBody::List { .. }
            | RequestBody::Settle { .. } => ahead == 0,
            RequestBody::Read { .. }
            | RequestBody::Overwrite { .. }
            | RequestBody::Sequence { .. }
            | RequestBody::Forward { .. }
            | RequestBody::Push { .. }
            | RequestBody::Inspect { .. }
            | RequestBody::Fetch { .. }
            | RequestBody::Piece { .. }
            | RequestBody::Value { .. }
            | RequestBody::Claim { .. }
            | RequestBody::Import { .. } => {
                let replicas = self.ring.replicas(request.token);
                let is_same = replicas.digest() == digest && ahead.abs() <= APART_MAX;
                if is_same && replicas.in_rack(self.place.rack) != self.place.index {
                    return Fit::Other(Failure::NotOwner);
                }
                is_same
            }
        };
        match is_same {
            true => Fit::Same,
            false if ahead > 0 => Fit::Newer,
            false => Fit::Other(Failure::RingChanged),
        }
    }

    /// There is a new ring: answers what has waited for it.
    pub(super) fn serve_parked(&mut self, now: Now, out: &mut Out) {
        let parked = std::mem::take(&mut self.parked);
        for (_, origin, request) in parked.requests {
            self.handle_request(now, origin, request, out);
        }
    }

    /// Refuses what has waited too long.
    pub(in crate::engine) fn expire_parked(&mut self, now: Now, out: &mut Out) {
        while let Some((_, origin, request)) =
            self.parked.requests.pop_front_if(|(until_ms, ..)| *until_ms <= now.ms)
        {
            self.parked.bytes -= request.body.size();
            self.stats.requests_behind += 1;
            let requester = Requester::Peer { origin, id: request.id };
            self.answer(requester, ResponseBody::Failed(Failure::RingChanged), out);
        }
    }
}
