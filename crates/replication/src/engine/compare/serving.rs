//! The other side of a comparison: what this node answers to those who compare with it.

use bytes::Bytes;
use dynomite_ring::NodeId;

use crate::{
    Bucket, Failure, Mark, Position, ResponseBody,
    census::hash_key,
    engine::{Engine, Now, Out, Requester},
    listing::{self, PAGE_BYTES_MAX},
    records::Entry,
};

impl Engine {
    /// Another node wants digests of what it shares with this one.
    pub(in crate::engine) fn serve_digest(
        &mut self,
        now: Now,
        from: Requester,
        node: NodeId,
        mark: Mark,
        first: Bucket,
        out: &mut Out,
    ) {
        let Some(partner) = self.partners.number_of(node).filter(|_| self.slice_range().contains(&first.0))
        else {
            return self.answer(from, ResponseBody::Failed(Failure::NotOwner), out);
        };
        self.want_census(now, mark, out);
        let body = match self.census.at(mark) {
            Some(census) => ResponseBody::Digests { digests: census.digests(partner, first).into() },
            None => ResponseBody::NotReady { mark: self.census_mark() },
        };
        self.answer(from, body, out);
    }

    /// Another node wants to know which of a bucket's keys differ.
    pub(in crate::engine) fn serve_differ(
        &mut self,
        now: Now,
        from: Requester,
        differ: Differ,
        out: &mut Out,
    ) {
        let Differ { node, mark, bucket, from: least, upto, known } = differ;
        let Some(partner) = self.partners.number_of(node).filter(|_| self.slice_range().contains(&bucket.0))
        else {
            return self.answer(from, ResponseBody::Failed(Failure::NotOwner), out);
        };
        if self.census.at(mark).is_none() {
            return self.answer(from, ResponseBody::NotReady { mark: self.census_mark() }, out);
        }
        self.census_is_used(now);
        let known: Vec<u64> =
            known.as_chunks::<8>().0.iter().map(|print| u64::from_le_bytes(*print)).collect();
        let mut is_here = vec![false; known.len()];
        let mut others: Vec<(u64, &[u8], Entry)> = Vec::new();
        for (key, entry) in self.keys_of(bucket) {
            let hash = hash_key(key);
            let Some(print) =
                self.print_for(partner, key, &entry, mark).filter(|_| (least..=upto).contains(&hash))
            else {
                continue;
            };
            match known.binary_search(&print) {
                Ok(at) => is_here[at] = true,
                Err(_) => others.push((hash, key, entry)),
            }
        }
        let lacking = known.iter().zip(&is_here).filter(|(_, is_here)| !**is_here);
        let lacking: Vec<u8> = lacking.flat_map(|(print, _)| print.to_le_bytes()).collect();
        others.sort_unstable_by_key(|(hash, ..)| *hash);
        let mut page = Vec::new();
        let cut = list(&mut page, others.iter().map(|(hash, key, entry)| (*hash, *key, entry)));
        let upto = match cut {
            Some(hash) => Position { bucket: bucket.0, hash },
            None => Position { bucket: bucket.0 + 1, hash: 0 },
        };
        let is_lost = self.is_bucket_lost(bucket);
        let (lacking, page) = (lacking.into(), page.into());
        self.answer(from, ResponseBody::Listed { upto, is_lost, lacking, page }, out);
    }

    /// Another datacenter has an older state of a key.
    pub(in crate::engine) fn serve_export(
        &mut self,
        now: Now,
        from: Requester,
        node: NodeId,
        key: Bytes,
        out: &mut Out,
    ) {
        let Some(partner) = self.partners.number_of(node).map(|number| self.partners.all[number]) else {
            return self.answer(from, ResponseBody::Failed(Failure::NotOwner), out);
        };
        if !partner.is_local {
            self.export_again(now, key, partner.dc, None, out);
        }
        self.answer(from, ResponseBody::Noted { upto: 0 }, out);
    }
}

/// The parts of a question about a bucket's keys.
pub(in crate::engine) struct Differ {
    pub(in crate::engine) node: NodeId,
    pub(in crate::engine) mark: Mark,
    pub(in crate::engine) bucket: Bucket,
    pub(in crate::engine) from: u64,
    pub(in crate::engine) upto: u64,
    pub(in crate::engine) known: Bytes,
}

/// Fills a page with keys, which come in the order of their hashes. The hash with which the next page begins, if not all
/// fit; keys of one hash stay together.
pub(in crate::engine) fn list<'a>(
    page: &mut Vec<u8>,
    keys: impl Iterator<Item = (u64, &'a [u8], &'a Entry)>,
) -> Option<u64> {
    let mut last = None;
    for (hash, key, entry) in keys {
        if page.len() + key.len() > PAGE_BYTES_MAX && !page.is_empty() && last != Some(hash) {
            return Some(hash);
        }
        listing::put(page, key, entry);
        last = Some(hash);
    }
    None
}
