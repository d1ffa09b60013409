//! Anti-entropy: this node's keys are compared with those of every node that shares them, and what differs is healed.
//!
//! A *round* compares all buckets of this engine at one mark. Both sides take a census at it; their digests of each bucket
//! are compared, of those that differ the keys' prints, and only keys that differ are told by name. Within the
//! datacenter such a key is healed; between datacenters the side with the later last write sends it to the other. When all is done, the
//! buckets that were equal with everybody are settled (`engine/settle.rs`).
//!
//! | messages of a round, for each partner | |
//! |---|---|
//! | `Digest` | one for each of its workers |
//! | `Differ` | one for each bucket that differs, with 8 bytes for each of its keys |
//! | `Settle` | one for each of its workers |
//!
//! Everything runs at low priority: slices in the engine's sweeps, a bounded number of questions, keys at a bounded rate.

mod differences;
mod request;
mod serving;
mod stopping;

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_ring::{DcIdx, NodeId};
use hashbrown::HashSet;

pub use request::{RepairBusy, RepairConfig, RepairPhase, RepairRequest, RepairStatus};
pub(in crate::engine) use serving::{Differ, list};

use super::{Engine, Now, Out, digests::ValueRound};
use crate::{
    Bucket, BucketSet, Mark, RequestBody, ResponseBody,
    census::hash_key,
    listing::PAGE_BYTES_MAX,
    marks::Run,
    operation::{
        Kind, OperationId,
        compare::{CompareOperation, Part, Question},
    },
    planted::{self, Planted},
};

/// A round's mark is at least so old: what was written up to it has arrived where it was going, or will not.
const AGE_S: u32 = 5;
/// Marks are multiples of this, so that rounds which begin at about the same time share a census.
const STEP_S: u32 = 10;
/// A round goes on with the mark of another node's if that is at most so much older.
const NEAR_S: u32 = 120;
/// A node that is not ready is asked again after this.
const AGAIN_MS: u64 = 100;
/// A node that is not ready for so long is left out.
const PATIENCE_MS: u64 = 60_000;
/// A round begins anew at most so often, to go on with another node's mark.
const RESTARTS_MAX: u8 = 3;
/// Buckets that are compared key by key with one node at the same time.
const DIFFERS_MAX: usize = 8;
/// Keys that were found and wait to be healed; no more are looked for beyond that.
const FOUND_MAX: usize = 4096;
/// Keys of a round that are healed at the same time.
const HEALING_MAX: usize = 128;
/// Prints in one message.
const PRINTS_MAX: usize = PAGE_BYTES_MAX / 8;

/// Comparing and repairing.
#[derive(Debug, Default)]
pub(super) struct Repair {
    round: Option<Box<Round>>,
    pub(super) status: RepairStatus,
    /// When the next round begins by itself, in `Now::ms`.
    next_ms: Option<u64>,
    /// How many rounds have begun by themselves.
    rounds: u64,
    allowance: Allowance,
}

#[derive(Debug)]
struct Round {
    request: RepairRequest,
    /// The mark; none before the census has begun.
    mark: Option<Mark>,
    restarts: u8,
    /// Until when a census is waited for.
    patience_ms: u64,
    partners: Vec<Progress>,
    /// Not equal with everybody, as far as is known.
    unequal: BucketSet,
    found: VecDeque<Found>,
    healing: HashSet<Bytes>,
    settling: Option<Vec<Run>>,
    values: ValueRound,
}

/// How far the comparison with one node has come.
#[derive(Debug)]
struct Progress {
    partner: usize,
    /// The first bucket whose digest is wanted.
    next: u16,
    /// Digests that came before this node's own were there.
    early: Option<(Bucket, Bytes)>,
    differing: VecDeque<(Bucket, u64)>,
    asked: usize,
    /// When it is asked again, after it was not ready.
    again_ms: u64,
    patience_ms: u64,
    has_failed: bool,
    /// While settling: the first bucket of which it has not taken note.
    noted_upto: u16,
}

/// A key that differs, and what is to be done about it.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// Nothing: it was equal at a mark that the partner was not told of.
    Settled,
    /// Nothing now: it was written meanwhile, or one of both knows better now what became of it.
    Changed,
    Heal(Bytes),
    Export(Bytes, DcIdx),
    AskFor(Bytes, usize),
}

/// How much may be repaired now; a second's share at most. Bytes are known afterwards, and may go below nothing.
#[derive(Debug, Default)]
struct Allowance {
    keys: i64,
    bytes: i64,
    filled_at_ms: u64,
}

impl Allowance {
    fn fill(&mut self, now: Now, config: &RepairConfig) {
        let (keys, bytes) = (config.keys_per_s as i64, config.bytes_per_s as i64);
        let passed_ms = now.ms.saturating_sub(self.filled_at_ms).min(1000) as i64;
        // A full share of a step too short for one key is not lost.
        if passed_ms * keys.min(bytes) >= 1000 {
            self.keys = (self.keys + passed_ms * keys / 1000).min(keys);
            self.bytes = (self.bytes + passed_ms * bytes / 1000).min(bytes);
            self.filled_at_ms = now.ms;
        }
    }

    fn is_spent(&self) -> bool {
        self.keys <= 0 || self.bytes <= 0
    }
}

impl Engine {
    /// Begins a round at the next sweep, see [`Engine::next_deadline`].
    ///
    /// # Errors
    /// [`RepairBusy`].
    pub fn start_repair(&mut self, now: Now, request: RepairRequest) -> Result<(), RepairBusy> {
        if self.repair.round.is_some() {
            return Err(RepairBusy);
        }
        let patience_ms = now.ms + PATIENCE_MS;
        let round = Round {
            request,
            mark: None,
            restarts: 0,
            patience_ms,
            partners: Vec::new(),
            unequal: BucketSet::default(),
            found: VecDeque::new(),
            healing: HashSet::new(),
            settling: None,
            values: ValueRound::default(),
        };
        self.repair.round = Some(Box::new(round));
        self.stats.add_repair(&std::mem::take(&mut self.repair.status));
        self.repair.status = RepairStatus { phase: RepairPhase::Counting, ..RepairStatus::default() };
        Ok(())
    }

    /// How far the round has come, or how the last one ended.
    pub fn repair_status(&self) -> RepairStatus {
        self.repair.status
    }

    /// Whether a round uses the census.
    pub(super) fn is_comparing(&self) -> bool {
        self.repair.round.as_deref().is_some_and(|round| round.mark.is_some())
    }

    /// When rounds want to go on, in `Now::ms`; at once when it is 0.
    pub(super) fn repair_due_ms(&self) -> Option<u64> {
        if self.repair.round.is_some() { Some(0) } else { self.repair.next_ms }
    }

    /// Goes on with the round, and begins one when it is time.
    pub(super) fn pump_repair(&mut self, now: Now, out: &mut Out) {
        if self.place.is_alone || self.has_left() {
            return;
        }
        self.repair.allowance.fill(now, &self.config.repair);
        self.schedule_round(now);
        let Some(mut round) = self.repair.round.take() else { return };
        if round.mark.is_none() {
            self.begin_round(now, &mut round, out);
        }
        let is_over = match (round.mark, &round.settling) {
            (None, _) => round.patience_ms <= now.ms,
            (Some(_), None) => self.continue_comparing(now, &mut round, out),
            (Some(_), Some(_)) => self.continue_settling(now, &mut round, out),
        };
        if is_over {
            self.repair.status.phase = RepairPhase::Idle;
        } else {
            self.repair.round = Some(round);
        }
    }

    /// Notes when the next round begins by itself, and begins it when it is time.
    fn schedule_round(&mut self, now: Now) {
        let interval_ms = self.config.repair.compare_interval_ms;
        if interval_ms == 0 || planted::has(Planted::SkipsHints) {
            return;
        }
        let is_due = self.repair.next_ms.is_some_and(|next_ms| next_ms <= now.ms);
        if is_due {
            // One that is under way is enough.
            let _ = self.start_repair(now, RepairRequest::default());
        }
        if is_due || self.repair.next_ms.is_none() {
            let own = u64::from(self.config.node.0) << 16 | self.config.worker as u64;
            let random =
                hash_key(&[self.config.repair.seed, own, self.repair.rounds].map(u64::to_le_bytes).concat());
            self.repair.rounds += 1;
            self.repair.next_ms = Some(now.ms + interval_ms + random % (interval_ms / 4).max(1));
        }
    }

    /// The mark of a round that begins now.
    pub(super) fn newest_mark(now: Now) -> Mark {
        let latest = Mark::at(now.wall_ms()).0.saturating_sub(AGE_S);
        Mark(latest / STEP_S * STEP_S)
    }

    fn begin_round(&mut self, now: Now, round: &mut Round, out: &mut Out) {
        let mark = Self::newest_mark(now);
        if !self.want_census(now, mark, out) {
            // Another one's is in use; it will do if it is near.
            let other = self.census_mark();
            if other >= mark || mark.0 - other.0 > NEAR_S {
                return;
            }
            self.enter_round(now, round, other);
        } else {
            self.enter_round(now, round, mark);
        }
        self.stats.repair_rounds += 1;
    }

    /// From here on the round is at `mark`, at which there is a census or one is being taken.
    fn enter_round(&mut self, now: Now, round: &mut Round, mark: Mark) {
        let slice = self.slice_range();
        let wanted = |node: NodeId| round.request.peers.as_ref().is_none_or(|peers| peers.contains(&node));
        round.mark = Some(mark);
        round.partners = self
            .partners
            .all
            .iter()
            .enumerate()
            .filter(|(_, partner)| wanted(partner.node))
            .map(|(partner, _)| Progress {
                partner,
                next: slice.start,
                early: None,
                differing: VecDeque::new(),
                asked: 0,
                again_ms: 0,
                patience_ms: now.ms + PATIENCE_MS,
                has_failed: false,
                noted_upto: slice.start,
            })
            .collect();
        round.unequal = BucketSet::default();
        let is_wanted = |bucket: Bucket| round.request.has(bucket) && !self.is_bucket_lost(bucket);
        let buckets = slice.filter(|bucket| is_wanted(Bucket(*bucket))).count();
        let status = &mut self.repair.status;
        self.stats.add_repair(&RepairStatus { keys_healed: 0, keys_failed: 0, ..*status });
        *status = RepairStatus {
            phase: RepairPhase::Counting,
            mark,
            buckets_total: (buckets * round.partners.len()) as u64,
            keys_healed: status.keys_healed,
            keys_failed: status.keys_failed,
            ..RepairStatus::default()
        };
    }

    /// Asks whom can be asked, and heals what was found. Whether the round is over.
    fn continue_comparing(&mut self, now: Now, round: &mut Round, out: &mut Out) -> bool {
        let Some(mark) = round.mark else { return false };
        self.census_is_used(now);
        let is_counted = self.census.at(mark).is_some();
        if is_counted {
            self.repair.status.phase = RepairPhase::Comparing;
        } else if self.census_mark() != mark {
            // It was replaced by one for a node that lost its copies.
            round.mark = None;
            round.restarts += 1;
            round.patience_ms = now.ms + PATIENCE_MS;
            return round.restarts > RESTARTS_MAX;
        }
        for number in 0..round.partners.len() {
            self.continue_with_partner(now, round, number, is_counted, out);
        }
        self.repair.status.peers_failed =
            round.partners.iter().filter(|progress| progress.has_failed).count() as u64;
        self.repair_found(now, round, out);
        let is_compared = round.partners.iter().all(|progress| self.is_done(progress));
        if !is_compared || !round.found.is_empty() || !round.healing.is_empty() {
            return false;
        }
        let Round { request, values, .. } = round;
        if !self.compare_values(now, request, values, out) {
            return false;
        }
        self.begin_settling(round)
    }

    fn is_done(&self, progress: &Progress) -> bool {
        progress.has_failed
            || progress.asked == 0 && progress.differing.is_empty() && progress.next >= self.slice_range().end
    }

    fn continue_with_partner(
        &mut self,
        now: Now,
        round: &mut Round,
        number: usize,
        is_counted: bool,
        out: &mut Out,
    ) {
        let Some(mark) = round.mark else { return };
        if is_counted && let Some((first, digests)) = round.partners[number].early.take() {
            self.compare_digests(round, number, first, &digests);
        }
        let progress = &mut round.partners[number];
        let partner = self.partners.all[progress.partner];
        let is_lost = !self.reachable.contains(&partner.node) || progress.patience_ms <= now.ms;
        if is_lost && progress.asked == 0 {
            progress.has_failed = true;
        }
        if progress.has_failed || progress.again_ms > now.ms {
            return;
        }
        while is_counted && progress.asked < DIFFERS_MAX && round.found.len() < FOUND_MAX {
            let Some((bucket, unexplained)) = progress.differing.pop_front() else { break };
            progress.asked += 1;
            let part = Part { bucket, from: 0, upto: u64::MAX, found: false, unexplained };
            self.ask_differences(now, progress.partner, mark, part, out);
        }
        let progress = &mut round.partners[number];
        let wants_digests = progress.asked == 0
            && progress.differing.is_empty()
            && progress.early.is_none()
            && self.slice_range().contains(&progress.next);
        if wants_digests {
            progress.asked += 1;
            let (partner, first) = (progress.partner, Bucket(progress.next));
            let body = RequestBody::Digest { node: self.config.node, mark, first };
            self.ask_partner(now, partner, first, Question::Digests { mark, first }, body, out);
        }
    }

    /// Asks a partner's worker that has `bucket`.
    pub(super) fn ask_partner(
        &mut self,
        now: Now,
        partner: usize,
        bucket: Bucket,
        question: Question,
        body: RequestBody,
        out: &mut Out,
    ) {
        let node = self.partners.all[partner].node;
        let operation = CompareOperation { node, partner, question };
        let id = self.insert(now, self.config.request_timeout_ms, Kind::Compare(Box::new(operation)));
        self.ask(now, node, bucket.token(), id, body, out);
    }

    /// A partner has answered, or will not.
    pub(super) fn end_comparison(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Compare(operation) = operation.kind else { return };
        let CompareOperation { partner, question, .. } = *operation;
        match question {
            Question::Keys { from } => return self.keys_listed(now, partner, from, body, out),
            Question::Export => return,
            _ => {}
        }
        let Some(mut round) = self.repair.round.take() else { return };
        if let Some(number) = round.partners.iter().position(|progress| progress.partner == partner) {
            match question {
                Question::Digests { mark, first } if round.mark == Some(mark) => {
                    self.digests_came(now, &mut round, number, first, body, out);
                }
                Question::Differences { mark, part } if round.mark == Some(mark) => {
                    self.differences_came(now, &mut round, number, part, body, out);
                }
                Question::Settle { first } => self.settle_answered(&mut round, number, first, body),
                _ => {}
            }
        }
        self.repair.round = Some(round);
    }

    fn digests_came(
        &mut self,
        now: Now,
        round: &mut Round,
        number: usize,
        first: Bucket,
        body: ResponseBody,
        out: &mut Out,
    ) {
        let Some(mark) = round.mark else { return };
        let progress = &mut round.partners[number];
        progress.asked = progress.asked.saturating_sub(1);
        match body {
            ResponseBody::Digests { digests } if !digests.is_empty() => {
                progress.patience_ms = now.ms + PATIENCE_MS;
                if self.census.at(mark).is_some() {
                    self.compare_digests(round, number, first, &digests);
                } else {
                    progress.early = Some((first, digests));
                }
            }
            ResponseBody::NotReady { mark: other } => {
                progress.again_ms = now.ms + AGAIN_MS;
                let is_near = other != Mark::NEVER && other < mark && mark.0 - other.0 <= NEAR_S;
                if is_near && round.restarts < RESTARTS_MAX && self.begin_census(now, other, out) {
                    round.restarts += 1;
                    self.enter_round(now, round, other);
                }
            }
            _ => progress.has_failed = true,
        }
    }

    /// Finds out which of the buckets from `first` on differ from a partner's.
    fn compare_digests(&mut self, round: &mut Round, number: usize, first: Bucket, digests: &[u8]) {
        let Some(census) = round.mark.and_then(|mark| self.census.at(mark)) else { return };
        let progress = &mut round.partners[number];
        let (theirs, _) = digests.as_chunks::<8>();
        let end = self.slice_range().end;
        let (mut done, mut keys, mut differing) = (0, 0, 0);
        for (theirs, bucket) in theirs.iter().zip(first.0..end) {
            let bucket = Bucket(bucket);
            progress.next = bucket.0 + 1;
            let sum = census.sum(progress.partner, bucket);
            let differs = u64::from_le_bytes(*theirs) != sum.prints;
            let is_wanted = round.request.has(bucket) && !self.is_bucket_lost(bucket);
            if !is_wanted || census.doubtful.contains(bucket) {
                round.unequal.insert(bucket);
            }
            if !is_wanted {
                continue;
            }
            keys += u64::from(sum.keys);
            if differs || round.request.full && sum.keys > 0 {
                let unexplained = u64::from_le_bytes(*theirs).wrapping_sub(sum.prints);
                progress.differing.push_back((bucket, unexplained));
                differing += u64::from(differs);
            } else {
                done += 1;
            }
        }
        let status = &mut self.repair.status;
        status.buckets_done += done;
        status.buckets_differing += differing;
        status.keys_compared += keys;
    }

    /// Sends the prints of some of a bucket's keys, so that the partner tells what differs.
    fn ask_differences(&mut self, now: Now, partner: usize, mark: Mark, part: Part, out: &mut Out) {
        let Part { bucket, from, .. } = part;
        let mut prints = self.prints_of(partner, bucket, mark, from);
        prints.sort_unstable();
        let upto = match prints.get(PRINTS_MAX) {
            // Two keys of one hash stay together.
            Some((hash, _)) => hash - 1,
            None => u64::MAX,
        };
        let mut known: Vec<u64> =
            prints.iter().take_while(|(hash, _)| *hash <= upto).map(|(_, print)| *print).collect();
        known.sort_unstable();
        let known: Vec<u8> = known.iter().flat_map(|print| print.to_le_bytes()).collect();
        let question = Question::Differences { mark, part: Part { upto, ..part } };
        let node = self.config.node;
        let body = RequestBody::Differ { node, mark, bucket, from, upto, known: known.into() };
        self.ask_partner(now, partner, bucket, question, body, out);
    }

    /// Hash and print of each key of a bucket that is compared with a partner, from the hash `from` on.
    fn prints_of(&self, partner: usize, bucket: Bucket, mark: Mark, from: u64) -> Vec<(u64, u64)> {
        let keys = self.keys_of(bucket).map(|(key, entry)| (hash_key(key), key, entry));
        keys.filter(|(hash, ..)| *hash >= from)
            .filter_map(|(hash, key, entry)| Some((hash, self.print_for(partner, key, &entry, mark)?)))
            .collect()
    }

    /// Has what was found repaired, as fast as is allowed.
    fn repair_found(&mut self, now: Now, round: &mut Round, out: &mut Out) {
        while !self.repair.allowance.is_spent()
            && round.healing.len() < HEALING_MAX
            && self.heal_queue.len() < HEALING_MAX
            && let Some(found) = round.found.pop_front()
        {
            self.repair.allowance.keys -= 1;
            match found {
                Found::Heal(key) => {
                    self.heal_soon(key.clone());
                    round.healing.insert(key);
                }
                Found::Export(key, dc) => {
                    self.repair.status.keys_healed += 1;
                    self.export_again(now, key, dc, None, out);
                }
                Found::AskFor(key, partner) => {
                    self.repair.status.keys_healed += 1;
                    let bucket = Bucket::of(self.ring.token(&key));
                    let body = RequestBody::Export { node: self.config.node, key };
                    self.ask_partner(now, partner, bucket, Question::Export, body, out);
                }
                Found::Settled | Found::Changed => {}
            }
        }
        self.pump_heals(now, out);
    }

    /// A key was healed, or could not be.
    pub(super) fn repaired(&mut self, key: &Bytes, is_healed: bool) {
        let Some(round) = &mut self.repair.round else { return };
        if round.healing.remove(key) {
            self.repair.status.keys_healed += u64::from(is_healed);
            self.repair.status.keys_failed += u64::from(!is_healed);
        }
    }

    /// Whether no more may be compared or repaired for now.
    pub(super) fn is_allowance_spent(&self) -> bool {
        self.repair.allowance.is_spent()
    }

    /// Values of keys are compared, or replaced.
    pub(super) fn spend_on_comparing(&mut self, keys: i64, bytes: usize) {
        self.repair.allowance.keys -= keys;
        self.repair.allowance.bytes -= bytes as i64;
    }

    /// Whether the round only counts differences.
    pub(super) fn is_preview(&self) -> bool {
        self.repair.round.as_deref().is_some_and(|round| round.request.preview)
    }

    /// How far the round has compared values.
    pub(super) fn value_round(&mut self) -> Option<&mut ValueRound> {
        self.repair.round.as_deref_mut().map(|round| &mut round.values)
    }

    /// Values were installed to heal a key.
    pub(super) fn spend_on_repair(&mut self, key: &Bytes, bytes: usize) {
        if self.repair.round.as_deref().is_some_and(|round| round.healing.contains(key)) {
            self.repair.allowance.bytes -= bytes as i64;
        }
    }

    /// All was compared. Whether the round is over: what was not compared with everybody cannot be settled.
    fn begin_settling(&mut self, round: &mut Round) -> bool {
        let Some(mark) = round.mark else { return true };
        let is_complete = round.request.peers.is_none()
            && !round.request.preview
            && !round.partners.iter().any(|progress| progress.has_failed);
        if !is_complete && !planted::has(Planted::ForgetsUnconfirmed) {
            return true;
        }
        let slice = self.slice_range().map(Bucket);
        let is_equal = |bucket: &Bucket| !round.unequal.contains(*bucket) && !self.is_bucket_lost(*bucket);
        let runs = self.settled_at(mark, slice.filter(is_equal));
        let is_over = runs.is_empty();
        round.settling = Some(runs);
        self.repair.status.phase = RepairPhase::Settling;
        is_over
    }

    /// Tells everybody what was equal. Whether the round is over.
    fn continue_settling(&mut self, now: Now, round: &mut Round, out: &mut Out) -> bool {
        let Some(runs) = round.settling.take() else { return true };
        let end = self.slice_range().end;
        for progress in &mut round.partners {
            let rest: Vec<Run> = runs.iter().filter_map(|run| run.from(progress.noted_upto)).collect();
            match rest.first().map(|run| run.first) {
                None => progress.noted_upto = end,
                Some(first) if progress.asked == 0 && !progress.has_failed => {
                    progress.asked = 1;
                    let mut bytes = Vec::new();
                    Run::encode(&rest, &mut bytes);
                    let body = RequestBody::Settle { node: self.config.node, runs: bytes.into() };
                    self.ask_partner(
                        now,
                        progress.partner,
                        Bucket(first),
                        Question::Settle { first },
                        body,
                        out,
                    );
                }
                Some(_) => {}
            }
        }
        let is_confirmed = round.partners.iter().all(|progress| progress.noted_upto >= end);
        if is_confirmed || planted::has(Planted::ForgetsUnconfirmed) {
            self.repair.status.buckets_settled = runs.iter().map(|run| u64::from(run.count)).sum();
            self.conclude_settling(now, runs);
            return true;
        }
        round.settling = Some(runs);
        // What was told does no harm: whoever was told forgets, and the others do not.
        round.partners.iter().any(|progress| progress.has_failed)
    }

    fn settle_answered(&mut self, round: &mut Round, number: usize, first: u16, body: ResponseBody) {
        let progress = &mut round.partners[number];
        progress.asked = 0;
        match body {
            ResponseBody::Noted { upto } if upto > first => progress.noted_upto = upto,
            _ => progress.has_failed = true,
        }
    }
}

impl RepairRequest {
    /// Whether a bucket is to be compared.
    pub(super) fn has(&self, bucket: Bucket) -> bool {
        self.buckets.as_ref().is_none_or(|buckets| buckets.contains(bucket))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{listing, records::Entry};

    #[test]
    fn a_rate_lets_a_seconds_share_through_at_most() {
        let config = RepairConfig { keys_per_s: 10, bytes_per_s: 1000, ..RepairConfig::default() };
        let at = |ms: u64| Now { ms, wall_us: 0 };
        let mut allowance = Allowance::default();
        allowance.fill(at(50_000), &config);
        assert_eq!((allowance.keys, allowance.bytes, allowance.is_spent()), (10, 1000, false));
        allowance.bytes -= 1500;
        (1..=10).for_each(|step| allowance.fill(at(50_000 + step * 50), &config));
        assert!(allowance.is_spent(), "what was taken beyond it is waited for: {allowance:?}");
        (11..=12).for_each(|step| allowance.fill(at(50_000 + step * 50), &config));
        assert_eq!((allowance.keys, allowance.is_spent()), (10, false), "{allowance:?}");
    }

    #[test]
    fn keys_of_one_hash_are_on_one_page() {
        let keys: Vec<Vec<u8>> = (0..4).map(|byte| vec![byte; PAGE_BYTES_MAX / 2]).collect();
        let entry = Entry::default();
        let listed = |hashes: [u64; 4]| {
            let mut page = Vec::new();
            let keys = hashes.iter().zip(&keys).map(|(hash, key)| (*hash, &key[..], &entry));
            (list(&mut page, keys), listing::read(page.into()).unwrap().len())
        };
        assert_eq!(listed([1, 2, 3, 4]), (Some(2), 1));
        assert_eq!(listed([1, 1, 1, 4]), (Some(4), 3));
        assert_eq!(listed([1, 1, 1, 1]), (None, 4));
    }
}
