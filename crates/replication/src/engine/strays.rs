//! Strays: keys that the datastore holds and that no record knows of.
//!
//! They are left over when a node loses its record log: a write may have run in its datastore and have gone nowhere else. Or
//! somebody has written to the datastore past Dynomite, or Dynomite was started over one that held data. So after a
//! rebuild without a record log the engine looks through its datastore, a page at a time, and asks all replicas about every
//! key that it knows nothing of:
//!
//! | they say | then |
//! |---|---|
//! | a rack of this datacenter knows the key | it is healed: what is known wins |
//! | only another datacenter knows it | that is asked to send it |
//! | nobody knows it, and all have answered | it is adopted |
//! | anything else | they are asked again later |
//!
//! A write that builds on what is there does not wait for that: where one comes for a key without a record before the search is over,
//! the key is adopted at once.
//!
//! What is adopted becomes a copy in doubt (rule R13), as if it were of a sequenced write in flight on a key that was never written. A claim
//! resolves it: what any rack of a majority knows by then wins, and otherwise all racks get what the datastore holds. Its record goes on from
//! the same base as those that know nothing, so every overwrite supersedes it, even one that is on its way already. Its
//! version is just above all marks up to which copies were found equal (rule R22), so that no mark hides it, and nothing that was written
//! since is older.

use std::collections::VecDeque;

use bytes::Bytes;
use dynomite_codec::Operation as LaneOperation;
use dynomite_ring::Token;
use hashbrown::HashSet;
use smallvec::SmallVec;

use super::{Engine, Now, Out, Requester, lane::JobKind};
use crate::{
    Bucket, Failure, Record, RequestBody, ResponseBody, Trust, Version,
    heal::Copy,
    operation::{
        Kind, OperationId,
        compare::Question,
        replicas::{self, Replica, State},
        stray::StrayOperation,
    },
    presence,
    records::{Claim, Entry, RecordId},
};

/// About so many keys of the datastore are looked at in one go.
const PAGE: usize = 300;
/// Strays that wait; no further page is asked for beyond that.
const WAITING_MAX: usize = 2000;
/// Strays that are asked about, or healed, at the same time.
const AT_ONCE_MAX: usize = 64;
/// One that could not be decided about is looked at again after this.
const RETRY_MS: u64 = 1000;
/// A datastore that could not list its keys is asked again after this.
const SCAN_RETRY_MS: u64 = 5000;
/// How far above the marks an adopted version is: an even clock, as it is of no sequenced write.
const ABOVE_MARKS: u64 = 2;
/// The note that keeps that the datastore is being looked through.
const STRAYS_NOTE: u32 = 0x4000_0005;

/// The search for strays, and those that were found.
#[derive(Debug, Default)]
pub(super) struct Strays {
    search: Search,
    due: VecDeque<Bytes>,
    /// Those that are looked at again, with the time from which they are.
    later: VecDeque<(u64, Bytes)>,
    /// Those that wait or are asked about.
    keys: HashSet<Bytes>,
    asked_count: usize,
    /// Nothing goes on before this.
    paused_until_ms: u64,
}

/// How far the datastore was looked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Search {
    /// It need not be, or all was seen and is decided.
    #[default]
    Off,
    /// The page from this cursor on is wanted.
    At(u64),
    /// The datastore has been asked for a page.
    Asked,
    /// All was seen, and not all is decided.
    Over,
}

impl Strays {
    /// When the search wants to go on, in `Now::ms`; at once when that is past.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let is_at_work = match self.search {
            Search::Off => return None,
            Search::At(_) => self.has_room() || !self.due.is_empty(),
            Search::Asked | Search::Over => !self.due.is_empty(),
        };
        let due_ms = if is_at_work { Some(0) } else { self.later.front().map(|(at_ms, _)| *at_ms) };
        due_ms.map(|due_ms| due_ms.max(self.paused_until_ms))
    }

    #[cfg(test)]
    pub(super) fn paused_by(&self, ms: u64) -> bool {
        self.paused_until_ms <= ms
    }

    fn has_room(&self) -> bool {
        self.keys.len() < WAITING_MAX
    }

    fn put(&mut self, key: Bytes) {
        if self.keys.insert(key.clone()) {
            self.due.push_back(key);
        }
    }

    fn take(&mut self, now: Now) -> Option<Bytes> {
        let waited = self.later.pop_front_if(|(at_ms, _)| *at_ms <= now.ms).map(|(_, key)| key);
        waited.or_else(|| self.due.pop_front())
    }
}

impl Engine {
    /// Looks through the whole datastore from now on.
    pub(super) fn look_for_strays(&mut self) {
        self.strays.search = Search::At(0);
        self.records.note(STRAYS_NOTE, &[1]);
    }

    /// Takes up a search that an earlier process had not ended.
    pub(super) fn recover_strays(&mut self) {
        if self.records.note_value(STRAYS_NOTE).is_some() {
            self.look_for_strays();
        }
    }

    /// Goes on with the search, as far as the lane has room: half of its window is left to others.
    pub(super) fn pump_strays(&mut self, now: Now, out: &mut Out) {
        let half = self.config.lane_window_max.div_ceil(2);
        if self.strays.due_ms().is_none_or(|due_ms| due_ms > now.ms)
            || self.lane_refusal_of(now, half).is_some()
        {
            return;
        }
        if let Search::At(cursor) = self.strays.search
            && self.strays.has_room()
        {
            self.strays.search = Search::Asked;
            self.lane.push(now, Requester::Nobody, JobKind::Scan);
            out.lane.push(LaneOperation::Scan { cursor, count: PAGE });
        }
        // Writes from before the floor, which are not taken here, have been decided elsewhere.
        let decided_ms = (self.floor.clock() >> 16) + self.config.request_timeout_ms;
        if !self.strays.keys.is_empty() && decided_ms > now.wall_ms() {
            self.strays.paused_until_ms = now.ms + (decided_ms - now.wall_ms()).min(RETRY_MS);
            return;
        }
        while self.strays.asked_count < AT_ONCE_MAX
            && self.heal_queue.len() < AT_ONCE_MAX
            && let Some(key) = self.strays.take(now)
        {
            self.ask_about_stray(now, key, out);
        }
        self.end_search();
    }

    fn end_search(&mut self) {
        if self.strays.search == Search::Over && self.strays.keys.is_empty() {
            self.strays.search = Search::Off;
            self.records.note(STRAYS_NOTE, &[]);
        }
    }

    /// The datastore has listed keys.
    pub(super) fn keys_scanned(&mut self, keys: Vec<Bytes>, cursor: u64) {
        let slice = self.slice_range();
        for key in keys {
            let token = self.ring.token(&key);
            let is_reserved =
                self.config.reserved_prefix.as_ref().is_some_and(|prefix| key.starts_with(prefix));
            let is_own = self.is_replica(token) && slice.contains(&Bucket::of(token).0) && !is_reserved;
            if is_own && self.look_up(&key, token).1.record.is_blank() {
                self.strays.put(key);
            }
        }
        self.strays.search = if cursor == 0 { Search::Over } else { Search::At(cursor) };
        self.end_search();
    }

    /// The datastore could not list keys, or its lane broke: begins again.
    pub(super) fn scan_failed(&mut self, now: Now) {
        self.strays.search = Search::At(0);
        self.strays.paused_until_ms = now.ms + SCAN_RETRY_MS;
    }

    fn ask_about_stray(&mut self, now: Now, key: Bytes, out: &mut Out) {
        let token = self.ring.token(&key);
        if !self.is_replica(token) {
            // It has moved away since it was found.
            self.strays.keys.remove(&key);
            return;
        }
        let holders = self.ring.replicas(token).by_rack();
        let replicas: SmallVec<[_; 3]> = holders
            .map(|(rack, index)| Replica { node: self.ring.node(index).id, rack, state: State::Asked })
            .collect();
        let nodes: SmallVec<[_; 3]> = replicas.iter().map(|replica| replica.node).collect();
        let copies = replicas.iter().map(|_| None).collect();
        let stray = StrayOperation { key: key.clone(), token, replicas, copies, floor: self.floor };
        self.strays.asked_count += 1;
        let id = self.insert(now, self.config.request_timeout_ms, Kind::Stray(Box::new(stray)));
        for (index, node) in nodes.into_iter().enumerate() {
            let body = RequestBody::Inspect { key: key.clone() };
            self.ask(now, node, token, id.of_replica(index), body, out);
        }
    }

    /// A replica has told what it knows of a stray, or will not.
    pub(super) fn stray_answered(&mut self, now: Now, id: OperationId, body: ResponseBody, out: &mut Out) {
        let Some(operation) = self.operations.find(id) else { return };
        let Kind::Stray(stray) = &mut operation.kind else { return };
        let Some(replica) = stray.replicas.get_mut(id.replica()) else { return };
        replica.state = match body {
            ResponseBody::Inspected { record, trust } => {
                stray.copies[id.replica()] = Some(Copy { record, trust });
                State::Ok
            }
            ResponseBody::Failed(failure) => State::Failed(failure),
            _ => State::Failed(Failure::Datastore("unexpected answer".into())),
        };
        if !stray.is_open() {
            self.end_stray(now, id, out);
        }
    }

    /// All have answered, or are not waited for any longer.
    pub(super) fn end_stray(&mut self, now: Now, id: OperationId, out: &mut Out) {
        let Some(operation) = self.operations.remove(id) else { return };
        let Kind::Stray(mut stray) = operation.kind else { return };
        replicas::time_out(&mut stray.replicas);
        self.strays.asked_count -= 1;
        let entry = self.look_up(&stray.key, stray.token).1;
        // Otherwise it was written or healed meanwhile.
        if entry.record.is_blank() && !self.decide_about_stray(now, &stray, entry, out) {
            self.strays.later.push_back((now.ms + RETRY_MS, stray.key));
        } else {
            self.strays.keys.remove(&stray.key);
            self.end_search();
        }
    }

    /// Does what follows from what was heard of a stray. Whether it is none any more.
    fn decide_about_stray(&mut self, now: Now, stray: &StrayOperation, entry: Entry, out: &mut Out) -> bool {
        let settled = self.settled(&self.holders(stray.token)).mark;
        let knows = |copy: &Copy| !copy.record.is_blank() && !settled.covers(copy.record.last);
        let mut knowing = stray.replicas.iter().zip(&stray.copies);
        let knowing = knowing.find(|(_, copy)| copy.as_ref().is_some_and(knows)).map(|(replica, _)| replica);
        if let Some(replica) = knowing {
            let is_local = self.ring.rack(replica.rack).dc() == self.place.dc;
            match self.partners.number_of(replica.node) {
                Some(partner) if !is_local => {
                    let (node, key) = (self.config.node, stray.key.clone());
                    let body = RequestBody::Export { node, key };
                    self.ask_partner(now, partner, Bucket::of(stray.token), Question::Export, body, out);
                }
                _ => self.heal_soon(stray.key.clone()),
            }
            return false;
        }
        let can_be_adopted =
            stray.are_all_trusted() && stray.floor == self.floor && self.lane.has_executed(entry.written_at);
        if can_be_adopted {
            self.adopt_stray(&stray.key, entry);
        }
        can_be_adopted
    }

    /// The copy of a key on which a write is to build. As long as the datastore was not looked through, it may hold something
    /// under a key that has no record: such a key is taken for a stray at once.
    pub(super) fn look_up_to_build_on(&mut self, key: &[u8], token: Token) -> (RecordId, Entry) {
        let (id, entry) = self.look_up(key, token);
        let may_be_stray = self.strays.search != Search::Off
            && entry.trust.is_trusted()
            && entry.record.is_blank()
            && self.lane.has_executed(entry.written_at);
        if !may_be_stray {
            return (id, entry);
        }
        self.adopt_stray(&Bytes::copy_from_slice(key), entry);
        self.look_up(key, token)
    }

    /// Takes over what the datastore holds under a key that nobody knows, as a copy in doubt.
    fn adopt_stray(&mut self, key: &Bytes, entry: Entry) {
        let last = Version { clock: self.floor.clock() + ABOVE_MARKS, node: self.config.node };
        self.clock.start_above(last.clock);
        let record = Record { base: entry.record.base, last, ..Record::default() };
        let id = self.records.find(key);
        let (trust, claim, absent_from) = (Trust::Dirty, Claim::Void, presence::MAY_EXPIRE);
        let adopted = Entry { record, trust, claim, absent_from, ..entry };
        self.records.put(id, key, adopted);
        self.stats.strays_adopted += 1;
        self.heal_soon(key.clone());
    }
}
