//! The other side of a rebuild: what this node lists to those who have lost copies.

use bytes::Bytes;
use dynomite_ring::{NodeId, TokenRange};

use crate::{
    Bucket, Failure, Position, ResponseBody,
    census::hash_key,
    engine::{Engine, Now, Out, Requester, compare, settle::is_settled},
    listing,
    records::Entry,
};

/// Records that are looked at in one go.
const SLICE: usize = 4096;

impl Engine {
    /// Another node has lost its copies: lists keys that it shares with this one.
    pub(in crate::engine) fn serve_list(
        &mut self,
        now: Now,
        from: Requester,
        node: NodeId,
        loss: u64,
        (position, range): (Position, TokenRange),
        out: &mut Out,
    ) {
        let slice = self.slice_range();
        let Some(partner) = self.partners.number_of(node).filter(|_| slice.contains(&position.bucket)) else {
            return self.answer(from, ResponseBody::Failed(Failure::NotOwner), out);
        };
        if !self.want_listing(now, node, loss, out) {
            return self.answer(from, ResponseBody::NotReady { mark: self.census_mark() }, out);
        }
        // What was gained matters to those who share it.
        let is_gained =
            |bucket: u16| self.gained.buckets.contains(Bucket(bucket)) && self.gained.is_shared_with(partner);
        let has_lost = |bucket: u16| self.lost.buckets.contains(Bucket(bucket)) || is_gained(bucket);
        let is_lost = has_lost(position.bucket);
        let mut page = Vec::new();
        let mut upto = position;
        let mut looked = 0;
        for bucket in position.bucket..slice.end {
            let is_another = has_lost(bucket) != is_lost;
            if is_another || looked >= SLICE || page.len() >= listing::PAGE_BYTES_MAX {
                break;
            }
            let least = if bucket == position.bucket { position.hash } else { 0 };
            let mut keys: Vec<_> = self
                .keys_of(Bucket(bucket))
                .map(|(key, entry)| (hash_key(key), key, entry))
                .filter(|(_, key, _)| range.contains(self.ring.token(key)))
                .filter(|(hash, key, entry)| *hash >= least && self.is_shared(partner, key, entry))
                .collect();
            looked += keys.len();
            keys.sort_unstable_by_key(|(hash, ..)| *hash);
            match compare::list(&mut page, keys.iter().map(|(hash, key, entry)| (*hash, *key, entry))) {
                Some(hash) => {
                    upto = Position { bucket, hash };
                    break;
                }
                None => upto = Position { bucket: bucket + 1, hash: 0 },
            }
        }
        let (lacking, page) = (Bytes::new(), page.into());
        self.answer(from, ResponseBody::Listed { upto, is_lost, lacking, page }, out);
    }

    /// Whether a partner has to hear of a key: it holds it too, and there is something to know.
    fn is_shared(&self, partner: usize, key: &[u8], entry: &Entry) -> bool {
        let holders = self.holders(self.ring.token(key));
        holders.all.iter().any(|node| self.partners.number(*node) == Some(partner))
            && !(entry.record.is_blank() && entry.trust.is_trusted())
            && !is_settled(entry, self.settled(&holders))
    }
}
