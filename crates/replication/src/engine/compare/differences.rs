//! Which keys of a bucket differ, and what is to be done about them.

use std::ops::RangeInclusive;

use bytes::Bytes;
use hashbrown::HashSet;

use super::{Found, PATIENCE_MS, Part, Round};
use crate::{
    Bucket, Mark, ResponseBody,
    census::{hash_key, local_print, remote_print},
    engine::{Engine, Now, Out, census::Partner},
    listing::{self, Listed},
    presence,
    records::Entry,
};

impl Engine {
    pub(super) fn differences_came(
        &mut self,
        now: Now,
        round: &mut Round,
        number: usize,
        part: Part,
        body: ResponseBody,
        out: &mut Out,
    ) {
        let Some(mark) = round.mark else { return };
        let progress = &mut round.partners[number];
        let partner = progress.partner;
        let listed = match body {
            ResponseBody::Listed { upto, lacking, page, .. } => {
                listing::read(page).map(|theirs| (upto, lacking, theirs))
            }
            ResponseBody::NotReady { .. } => None,
            _ => {
                progress.has_failed = true;
                None
            }
        };
        let Some((upto, lacking, theirs)) = listed else {
            progress.asked -= 1;
            round.unequal.insert(part.bucket);
            self.repair.status.buckets_done += 1;
            return;
        };
        progress.patience_ms = now.ms + PATIENCE_MS;
        let is_whole = upto.bucket > part.bucket.0;
        let upto = if is_whole { part.upto } else { upto.hash.saturating_sub(1) };
        let (mut found, explained) =
            self.differences(partner, mark, part.bucket, part.from..=upto, theirs, &lacking);
        let unexplained = part.unexplained.wrapping_sub(explained);
        let is_equal = found.iter().all(|found| *found == Found::Settled);
        found.retain(|found| !matches!(found, Found::Settled | Found::Changed));
        self.repair.status.keys_differing += found.len() as u64;
        if !round.request.preview {
            round.found.extend(found);
        }
        let found = part.found || !is_equal;
        if upto < u64::MAX {
            let rest = Part { from: upto + 1, upto: u64::MAX, found, unexplained, ..part };
            return self.ask_differences(now, partner, mark, rest, out);
        }
        round.partners[number].asked -= 1;
        self.repair.status.buckets_done += 1;
        // Entries may have changed since they were counted, and look equal now that were not then.
        if found || unexplained != 0 {
            round.unequal.insert(part.bucket);
        }
    }

    /// What is to be done about keys of a bucket, with hashes in `range`: those that a partner lists, and those whose prints it
    /// lacks. And by how much those whose records may be forgotten make the partner's digest greater.
    pub(super) fn differences(
        &mut self,
        partner: usize,
        mark: Mark,
        bucket: Bucket,
        range: RangeInclusive<u64>,
        theirs: Vec<Listed>,
        lacking: &[u8],
    ) -> (Vec<Found>, u64) {
        let mut found = Vec::new();
        let mut explained = 0_u64;
        let mut listed = HashSet::new();
        for theirs in theirs {
            let difference = self.difference(partner, mark, &theirs);
            if difference == Found::Settled {
                explained = explained.wrapping_add(self.share_of(partner, mark, &theirs));
            }
            found.push(difference);
            listed.insert(theirs.key);
        }
        let mut lacking: HashSet<u64> =
            lacking.as_chunks::<8>().0.iter().map(|print| u64::from_le_bytes(*print)).collect();
        let mut is_lacking = |key: &[u8], entry: &Entry| {
            let is_meant = range.contains(&hash_key(key)) && !lacking.is_empty();
            let print = is_meant.then(|| self.print_for(partner, key, entry, mark)).flatten();
            print.is_some_and(|print| lacking.remove(&print)) && !listed.contains(key)
        };
        let Partner { is_local, dc, .. } = self.partners.all[partner];
        for (key, entry) in self.keys_of(bucket) {
            if is_lacking(key, &entry) {
                let key = Bytes::copy_from_slice(key);
                found.push(match is_local {
                    true => Found::Heal(key),
                    false if self.answers_for(&key, partner) => Found::Export(key, dc),
                    false => Found::Changed,
                });
            }
        }
        // Some have other entries now than when they were compared.
        found.extend((!lacking.is_empty()).then_some(Found::Changed));
        (found, explained)
    }

    /// By how much a key that the partner lists makes its digest greater than the own one.
    fn share_of(&self, partner: usize, mark: Mark, theirs: &Listed) -> u64 {
        let Listed { ref key, record, trust, absent_from } = *theirs;
        let own = self.as_compared(self.records.of(key));
        let theirs = Entry { record, trust, absent_from, ..Entry::default() };
        let hash = hash_key(key);
        let print = match self.partners.all[partner].is_local {
            true => local_print(hash, &theirs, mark),
            false => remote_print(hash, &theirs, mark),
        };
        print.wrapping_sub(self.print_for(partner, key, &own, mark).unwrap_or(0))
    }

    /// What is to be done about a key that a partner lists, because it is not known to be equal.
    pub(super) fn difference(&mut self, partner: usize, mark: Mark, theirs: &Listed) -> Found {
        let id = self.records.find(&theirs.key);
        let own = self.as_compared(self.records.get(id));
        let Partner { is_local, dc, .. } = self.partners.all[partner];
        let holders = self.holders(self.ring.token(&theirs.key));
        let settled = if is_local { self.settled(&holders) } else { self.settled_anywhere(&holders) };
        let told = settled.mark;
        let is_same =
            if is_local { own.record == theirs.record } else { own.record.last == theirs.record.last };
        let was_settled = told.covers(theirs.record.last) && (own.record.is_blank() || is_same);
        // A copy that was rebuilt since, here or there, knows only that the key is absent by now.
        if was_settled && own.is_absent_at(mark) && theirs.is_absent_at(mark) {
            return Found::Settled;
        }
        // What was written since the mark is for the next round; what is forgotten here cannot be brought back.
        let is_forgotten = was_settled && own.record.is_blank();
        if is_forgotten || !mark.covers(own.record.last) {
            return Found::Changed;
        }
        if is_same && own.trust.is_trusted() && theirs.trust.is_trusted() {
            // The same write, and so the same state: one of them does not know what became of it.
            let absent_from = presence::later(own.absent_from, theirs.absent_from);
            if absent_from != own.absent_from {
                self.records.set_absent_from(id, absent_from);
            }
            return Found::Changed;
        }
        if is_local {
            return Found::Heal(theirs.key.clone());
        }
        if is_same || !self.answers_for(&theirs.key, partner) {
            return Found::Changed;
        }
        match own.record.last < theirs.record.last {
            true => Found::AskFor(theirs.key.clone(), partner),
            false => Found::Export(theirs.key.clone(), dc),
        }
    }

    /// Whether it is for this node and this partner to make a key equal between their datacenters: all pairs of replicas
    /// notice the difference, and one state is enough.
    pub(super) fn answers_for(&self, key: &[u8], partner: usize) -> bool {
        let Partner { node, dc, .. } = self.partners.all[partner];
        let token = self.ring.token(key);
        let nodes = self.ring.replicas(token).in_dc(self.place.dc);
        let racks = self.ring.dc(self.place.dc).racks();
        let primary = self.ring.primary_rack(token, self.place.dc);
        let first = racks.iter().position(|rack| rack.index() == primary).unwrap_or(0);
        let own = (0..nodes.len())
            .map(|step| self.ring.node(nodes[(first + step) % nodes.len()]).id)
            .find(|node| *node == self.config.node || self.reachable.contains(node));
        let other = self
            .ring
            .forwarder_order(token, self.place.rack, dc)
            .map(|index| self.ring.node(index).id)
            .find(|node| self.reachable.contains(node));
        own == Some(self.config.node) && other == Some(node)
    }
}
