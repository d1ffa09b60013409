//! What is on its way to other datacenters, and how much may be.
//!
//! A write that may not be sent now, because its datacenter is paused or its share of the rate is used up, is noted as missed
//! there, once for each key, and sent later: so what waits is bounded by the keys, not by the writes.

use dynomite_ring::{DcIdx, Token};
use smallvec::SmallVec;

use super::{Engine, Now};
use crate::{
    HintTarget, HintsFor,
    operation::{Kind, overwrite::RemoteDc, replicas::State},
};

/// How much may be sent to a datacenter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DcFlow {
    /// Nothing is sent; what is written meanwhile is sent after that.
    pub is_paused: bool,
    /// Bytes in each second by this engine; `None` is without a limit.
    pub bytes_per_s: Option<u64>,
}

/// What a datacenter lacks, as far as this engine knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DcStatus {
    /// Which datacenter.
    pub dc: DcIdx,
    /// Writes on their way.
    pub in_flight: u64,
    /// Their bytes.
    pub in_flight_bytes: u64,
    /// Keys whose writes were not sent, or did not arrive, and are sent later.
    pub waiting: u64,
    /// Buckets in which it may lack more than that: comparing finds what.
    pub buckets_needing_repair: u64,
    /// How long the oldest of all these writes has been on its way or waiting, in milliseconds; what waits is known to the second.
    pub lag_ms: u64,
}

/// One datacenter's flow.
#[derive(Debug, Default)]
pub(super) struct Gate {
    flow: DcFlow,
    /// What may be sent at once, in bytes; a second's share at most.
    credit: u64,
    filled_at_ms: u64,
}

impl Gate {
    /// Whether `bytes` may be sent now. One message larger than a second's share may go when nothing else does.
    fn passes(&mut self, now: Now, bytes: u64) -> bool {
        let Some(per_s) = self.flow.bytes_per_s.filter(|_| !self.flow.is_paused) else {
            return !self.flow.is_paused;
        };
        let earned = (now.ms - self.filled_at_ms).min(1000) * per_s / 1000;
        if earned > 0 {
            self.credit = (self.credit + earned).min(per_s);
            self.filled_at_ms = now.ms;
        }
        let passes = self.credit >= bytes.min(per_s);
        if passes {
            self.credit = self.credit.saturating_sub(bytes);
        }
        passes
    }
}

impl Engine {
    /// Changes how much may be sent to a datacenter.
    pub fn set_flow(&mut self, now: Now, dc: DcIdx, flow: DcFlow) {
        let gate = self.gates.entry(dc).or_default();
        if gate.flow != flow {
            *gate = Gate { flow, credit: 0, filled_at_ms: now.ms };
        }
    }

    /// What is on its way to each other datacenter, and what waits. Looks at every operation: not for every turn.
    pub fn datacenters(&mut self, now: Now) -> Vec<DcStatus> {
        let waiting = |about: HintsFor| {
            let HintTarget::Dc(dc) = about.target else { return None };
            let lag_ms = about.oldest_s.map_or(0, |s| now.wall_ms().saturating_sub(u64::from(s) * 1000));
            let HintsFor { hints: waiting, buckets_needing_repair, .. } = about;
            Some(DcStatus { dc, in_flight: 0, in_flight_bytes: 0, waiting, buckets_needing_repair, lag_ms })
        };
        let mut all: Vec<DcStatus> = self.hints.targets().filter_map(waiting).collect();
        for (_, operation) in self.operations.iter_mut() {
            let (dcs, bytes): (&[RemoteDc], usize) = match &operation.kind {
                Kind::Overwrite(overwrite) => (&overwrite.dcs, overwrite.command.request().raw().len()),
                Kind::Export(export) => (&export.dcs, export.state_bytes),
                _ => continue,
            };
            for sent in dcs.iter().filter(|dc| dc.state == State::Asked) {
                if let Some(status) = all.iter_mut().find(|status| status.dc == sent.dc) {
                    status.in_flight += 1;
                    status.in_flight_bytes += bytes as u64;
                    status.lag_ms = status.lag_ms.max(now.ms.saturating_sub(operation.began_ms));
                }
            }
        }
        all
    }

    /// Whether `bytes` may be sent to a datacenter now.
    pub(super) fn passes(&mut self, now: Now, dc: DcIdx, bytes: usize) -> bool {
        match self.gates.get_mut(&dc) {
            Some(gate) => gate.passes(now, bytes as u64),
            None => true,
        }
    }

    /// As [`Engine::forwarders`], for a write of `bytes` that does not wait for them: nobody in datacenters to which it may
    /// not be sent now.
    pub(super) fn open_forwarders(
        &mut self,
        now: Now,
        token: Token,
        bytes: usize,
    ) -> SmallVec<[RemoteDc; 2]> {
        let mut forwarders = self.forwarders(token);
        if !self.gates.is_empty() {
            for forwarder in &mut forwarders {
                if !self.passes(now, forwarder.dc, bytes) {
                    forwarder.node = None;
                }
            }
        }
        forwarders
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Now {
        Now { ms, wall_us: ms * 1000 }
    }

    #[test]
    fn a_rate_lets_through_a_seconds_share_at_most() {
        let flow = DcFlow { is_paused: false, bytes_per_s: Some(1000) };
        let mut gate = Gate { flow, ..Gate::default() };
        assert!(!gate.passes(at(0), 100));
        assert!(gate.passes(at(200), 100) && gate.passes(at(200), 100) && !gate.passes(at(200), 100));
        let passed = (0..100).filter(|_| gate.passes(at(60_000), 100)).count();
        assert_eq!(passed, 10, "what was not used is lost after a second");
        assert!(gate.passes(at(62_000), 50_000), "a large one alone");
        assert!(!gate.passes(at(62_500), 50_000));
    }

    #[test]
    fn a_paused_datacenter_gets_nothing() {
        let flow = DcFlow { is_paused: true, bytes_per_s: None };
        let mut gate = Gate { flow, ..Gate::default() };
        assert!(!gate.passes(at(1000), 1));
        gate.flow.is_paused = false;
        assert!(gate.passes(at(1000), u64::MAX));
    }
}
