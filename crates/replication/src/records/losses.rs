//! What becomes of all entries at once, when a datastore has lost some or all of its data.

use dynomite_ring::NodeId;

use super::{RecordId, Records, entry::Trust, recovery::SinceMarkers};
use crate::Version;

/// The note that keeps the frame of the last marker in the datastore.
pub(crate) const MARKER_NOTE: u32 = 0x4000_0003;
/// The note that keeps what was promised for every key without an entry.
const PROMISED_NOTE: u32 = 0x4000_0001;

impl Records {
    /// Notes that all copies are lost, and with them all claims.
    pub(crate) fn lose_all(&mut self) {
        self.distrust(Trust::Lost, |_| true);
    }

    /// Notes that the copies of some keys are lost, and their claims. Looks at all keys.
    pub(crate) fn lose_where(&mut self, is_lost: impl Fn(&[u8]) -> bool) {
        let all = self.slots(0..self.slot_count());
        let ids: Vec<RecordId> = all.filter(|(_, key, _)| is_lost(key)).map(|(id, ..)| id).collect();
        for id in ids {
            self.update(id, |entry| entry.distrust(Trust::Lost));
        }
    }

    /// Trusts no copy more than `trust` whose state was brought by a lane operation of this process after `written_at`; their keys'
    /// ids.
    pub(crate) fn doubt_after(&mut self, written_at: u64, trust: Trust) -> Vec<RecordId> {
        self.distrust(trust, |entry_written_at| entry_written_at > written_at)
    }

    /// The same for all that was written since frame `frame` of the log, by an earlier process or by this one. If that is
    /// not known any more, of all copies.
    pub(crate) fn doubt_since_frame(&mut self, frame: u64, trust: Trust) -> Vec<RecordId> {
        let is_known = self.since_markers.first_frame.is_some_and(|first| first <= frame);
        let mut ids = self.distrust(trust, |written_at| !is_known || written_at > 0);
        // A datastore may be set back more than once.
        let changes = std::mem::take(&mut self.since_markers.changes);
        for (_, id) in changes.iter().copied().filter(|(of, _)| is_known && *of >= frame) {
            let is_new = self.update(id, |entry| entry.distrust(trust));
            ids.extend(is_new.then_some(id));
        }
        self.since_markers.changes = changes;
        ids
    }

    /// What an earlier process wrote is not asked about any more one by one.
    pub(crate) fn forget_earlier_changes(&mut self) {
        self.since_markers = SinceMarkers::default();
    }

    fn distrust(&mut self, trust: Trust, concerns: impl Fn(u64) -> bool) -> Vec<RecordId> {
        let all = self.slots(0..self.slot_count());
        let ids: Vec<RecordId> =
            all.filter(|(.., entry)| concerns(entry.written_at)).map(|(id, ..)| id).collect();
        for id in &ids {
            self.update(*id, |entry| entry.distrust(trust));
        }
        ids
    }

    /// The copies that may not vote.
    pub(crate) fn untrusted(&self) -> Vec<RecordId> {
        let all = self.slots(0..self.slot_count());
        all.filter(|(.., entry)| !entry.trust.is_trusted()).map(|(id, ..)| id).collect()
    }

    /// Forgets all that was recovered: it is known to be incomplete.
    pub(crate) fn lose_everything(&mut self) {
        let has_log = self.log.is_some();
        *self = Self::default();
        self.set_without_log(!has_log);
    }

    /// The value of a note.
    pub(crate) fn note_value(&self, number: u32) -> Option<&[u8]> {
        self.notes().find(|(other, _)| *other == number).map(|(_, value)| value)
    }

    /// The number of the frame that the next changes will be in, if there is a log.
    pub(crate) fn next_frame(&self) -> Option<u64> {
        self.log.as_ref().map(|log| log.next_number())
    }

    /// Notes the promise to follow no claim below `term`, for all keys that have no entry. Zero takes it back.
    pub(crate) fn promise_all(&mut self, term: Version) {
        self.promised = term;
        let mut value = Vec::new();
        if !term.is_zero() {
            value.extend_from_slice(&term.clock.to_le_bytes());
            value.extend_from_slice(&term.node.0.to_le_bytes());
        }
        self.note(PROMISED_NOTE, &value);
    }

    /// Takes over what the notes of an earlier process say.
    pub(super) fn recover_promise(&mut self) {
        let Some((_, value)) = self.notes().find(|(number, _)| *number == PROMISED_NOTE) else { return };
        if let Some((clock, node)) = value.split_first_chunk()
            && let Ok(node) = <[u8; 4]>::try_from(node)
        {
            let node = NodeId(u32::from_le_bytes(node));
            self.promised = Version { clock: u64::from_le_bytes(*clock), node };
        }
    }
}
