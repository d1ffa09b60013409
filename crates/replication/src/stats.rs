//! What an engine counts.

use crate::RepairStatus;

/// Counters since the engine started, and a few gauges. Plain numbers: one engine, one thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Commands that clients sent to this worker.
    pub commands: u64,
    /// Commands refused because too many were in flight.
    pub operations_refused: u64,
    /// Operations that reached their deadline.
    pub timeouts: u64,
    /// Reads for which a further replica was asked because the first was slow.
    pub slow_reads: u64,
    /// Reads for which a further replica was asked because one had failed or held an older record.
    pub read_retries: u64,
    /// Overwrites that this node coordinated because the key's primary could not.
    pub primaries_bypassed: u64,
    /// Operations that failed for lack of replicas.
    pub quorum_failures: u64,
    /// Answers that came after their operation had ended.
    pub late_answers: u64,
    /// Overwrites that this replica refused because it held a newer one.
    pub overwrites_refused: u64,
    /// Forwarded writes that this replica could not accept.
    pub forwards_nacked: u64,
    /// States pushed to replicas that were behind.
    pub pushes: u64,
    /// States sent to other datacenters.
    pub exports: u64,
    /// States sent to other datacenters again, because they may have missed them.
    pub exports_again: u64,
    /// Writes for another datacenter that no forwarder there could be given.
    pub cross_dc_dropped: u64,
    /// Writes that failed at one replica while nobody waited for it: on their way between datacenters, or sent after the write
    /// as a whole had failed.
    pub unawaited_failures: u64,
    /// Messages whose clock was too far ahead.
    pub clocks_refused: u64,
    /// Times a copy was put in doubt because a write to the datastore failed or its connection broke.
    pub copies_doubted: u64,
    /// Times all copies were lost, with the datastore's data or the record log.
    pub stores_lost: u64,
    /// Claims of keys, to sequence or to heal them.
    pub claims: u64,
    /// States that a claimant adopted from another replica, or from a copy in doubt.
    pub copies_adopted: u64,
    /// Keys that a read found unequal and had healed.
    pub read_repairs: u64,
    /// Values found different under equal records.
    pub values_differing: u64,
    /// Pieces of large states read for other nodes.
    pub pieces_read: u64,
    /// Large states that this replica fetched in pieces.
    pub transfers: u64,
    /// Those that did not arrive.
    pub transfers_failed: u64,
    /// Heals begun.
    pub heals: u64,
    /// States installed by heals.
    pub heals_installed: u64,
    /// Heals that could not make all copies equal.
    pub heals_failed: u64,
    /// Keys that could not be noted for healing, because too many waited.
    pub heals_dropped: u64,
    /// Times this node began to count its records, to compare them.
    pub censuses: u64,
    /// Rounds of comparing begun.
    pub repair_rounds: u64,
    /// Buckets compared, counted once for each node.
    pub buckets_compared: u64,
    /// Keys in them, likewise.
    pub keys_compared: u64,
    /// Keys that were found to differ, likewise.
    pub keys_differing: u64,
    /// Keys that comparing found, and that are equal again or were sent to another datacenter.
    pub keys_healed: u64,
    /// Keys that comparing found, and that could not be healed.
    pub keys_unhealed: u64,
    /// Records of absent keys that were forgotten.
    pub records_forgotten: u64,
    /// Overwrites that were refused because they came so late that their key may have been forgotten.
    pub overwrites_too_late: u64,
    /// Lost copies that were rebuilt.
    pub copies_rebuilt: u64,
    /// Lost copies that were rebuilt from less than a majority, as nobody else could be heard.
    pub rebuilt_without_majority: u64,
    /// Keys that the datastore held and no record knew of, taken over.
    pub strays_adopted: u64,
    /// Requests that waited for the ring by which they were sent.
    pub requests_ahead: u64,
    /// Requests that were refused because of the sender's ring, or waited in vain.
    pub requests_behind: u64,
    /// Keys of other nodes that were deleted from the datastore.
    pub keys_cleaned: u64,
    /// Writes that a replica missed.
    pub writes_missed: u64,
    /// Hints noted: keys that a replica or a datacenter missed writes on, each once for as long as it is not replayed.
    pub hints_stored: u64,
    /// Hints whose target got what it had missed.
    pub hints_replayed: u64,
    /// Hints that did not fit or were too old: their buckets are marked as needing repair.
    pub hints_dropped: u64,
    /// Replays that failed; their hints are kept.
    pub handoff_failures: u64,
    /// Times the hint log could not be written.
    pub hint_log_failures: u64,
    /// Hints now.
    pub hints_pending: u64,
    /// Memory that they take, in bytes.
    pub hint_bytes: u64,
    /// Hints, at most, that a crash would lose now because the hint log could not be written.
    pub hints_at_risk: u64,
    /// Buckets that need repair now, summed over the nodes and datacenters that missed writes on them.
    pub buckets_needing_repair: u64,
    /// Operations in flight now.
    pub operations_in_flight: u64,
    /// Operations on the lane now.
    pub lane_in_flight: u64,
    /// Keys whose record is known.
    pub records: u64,
    /// Memory of these records, in bytes, without keys of more than 24 bytes.
    pub record_bytes: u64,
    /// Buckets whose copies are lost and not rebuilt yet.
    pub buckets_lost: u64,
    /// Copies that may not vote now: in doubt, or lost and not rebuilt yet.
    pub copies_untrusted: u64,
}

impl Stats {
    /// Adds another worker's numbers to these.
    pub fn add(&mut self, other: &Self) {
        for ((_, mine), (_, theirs)) in self.fields_mut().into_iter().zip(other.fields()) {
            *mine += theirs;
        }
    }

    /// Every number with its name, in the order in which they are shown.
    pub fn fields(&self) -> [(&'static str, u64); 60] {
        let mut copy = *self;
        copy.fields_mut().map(|(name, value)| (name, *value))
    }

    /// Adds what a round of comparing has done.
    pub(crate) fn add_repair(&mut self, status: &RepairStatus) {
        self.buckets_compared += status.buckets_done;
        self.keys_compared += status.keys_compared;
        self.keys_differing += status.keys_differing;
        self.keys_healed += status.keys_healed;
        self.keys_unhealed += status.keys_failed;
    }

    /// These numbers, with those of the round that is under way or was the last.
    pub(crate) fn with_repair(mut self, status: &RepairStatus) -> Self {
        self.add_repair(status);
        self
    }

    fn fields_mut(&mut self) -> [(&'static str, &mut u64); 60] {
        [
            ("commands", &mut self.commands),
            ("operations_refused", &mut self.operations_refused),
            ("timeouts", &mut self.timeouts),
            ("slow_reads", &mut self.slow_reads),
            ("read_retries", &mut self.read_retries),
            ("primaries_bypassed", &mut self.primaries_bypassed),
            ("quorum_failures", &mut self.quorum_failures),
            ("late_answers", &mut self.late_answers),
            ("overwrites_refused", &mut self.overwrites_refused),
            ("forwards_nacked", &mut self.forwards_nacked),
            ("pushes", &mut self.pushes),
            ("exports", &mut self.exports),
            ("exports_again", &mut self.exports_again),
            ("cross_dc_dropped", &mut self.cross_dc_dropped),
            ("unawaited_failures", &mut self.unawaited_failures),
            ("clocks_refused", &mut self.clocks_refused),
            ("copies_doubted", &mut self.copies_doubted),
            ("stores_lost", &mut self.stores_lost),
            ("claims", &mut self.claims),
            ("copies_adopted", &mut self.copies_adopted),
            ("read_repairs", &mut self.read_repairs),
            ("values_differing", &mut self.values_differing),
            ("pieces_read", &mut self.pieces_read),
            ("transfers", &mut self.transfers),
            ("transfers_failed", &mut self.transfers_failed),
            ("heals", &mut self.heals),
            ("heals_installed", &mut self.heals_installed),
            ("heals_failed", &mut self.heals_failed),
            ("heals_dropped", &mut self.heals_dropped),
            ("censuses", &mut self.censuses),
            ("repair_rounds", &mut self.repair_rounds),
            ("buckets_compared", &mut self.buckets_compared),
            ("keys_compared", &mut self.keys_compared),
            ("keys_differing", &mut self.keys_differing),
            ("keys_healed", &mut self.keys_healed),
            ("keys_unhealed", &mut self.keys_unhealed),
            ("records_forgotten", &mut self.records_forgotten),
            ("overwrites_too_late", &mut self.overwrites_too_late),
            ("copies_rebuilt", &mut self.copies_rebuilt),
            ("rebuilt_without_majority", &mut self.rebuilt_without_majority),
            ("strays_adopted", &mut self.strays_adopted),
            ("requests_ahead", &mut self.requests_ahead),
            ("requests_behind", &mut self.requests_behind),
            ("keys_cleaned", &mut self.keys_cleaned),
            ("writes_missed", &mut self.writes_missed),
            ("hints_stored", &mut self.hints_stored),
            ("hints_replayed", &mut self.hints_replayed),
            ("hints_dropped", &mut self.hints_dropped),
            ("handoff_failures", &mut self.handoff_failures),
            ("hint_log_failures", &mut self.hint_log_failures),
            ("hints_pending", &mut self.hints_pending),
            ("hint_bytes", &mut self.hint_bytes),
            ("hints_at_risk", &mut self.hints_at_risk),
            ("buckets_needing_repair", &mut self.buckets_needing_repair),
            ("operations_in_flight", &mut self.operations_in_flight),
            ("lane_in_flight", &mut self.lane_in_flight),
            ("records", &mut self.records),
            ("record_bytes", &mut self.record_bytes),
            ("buckets_lost", &mut self.buckets_lost),
            ("copies_untrusted", &mut self.copies_untrusted),
        ]
    }
}
