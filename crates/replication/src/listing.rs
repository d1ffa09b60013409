//! Pages: keys with what a replica knows of them, as replicas list them to each other.

use bytes::{Buf, Bytes};
use dynomite_ring::NodeId;

use crate::{Mark, Record, Trust, Version, records::Entry};

/// A page is not made longer than this, but for one key that is.
pub(crate) const PAGE_BYTES_MAX: usize = 64 << 10;

/// A key as another replica knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) key: Bytes,
    pub(crate) record: Record,
    pub(crate) trust: Trust,
    pub(crate) absent_from: Option<u32>,
}

/// An entry begins with its trust in the lowest three bits, and these.
const TRUST: u8 = 7;
const IS_PLAIN: u8 = 8;
const HAS_ABSENCE: u8 = 16;

/// Appends a key.
pub(crate) fn put(page: &mut Vec<u8>, key: &[u8], entry: &Entry) {
    let Entry { record, trust, absent_from, .. } = entry;
    let is_plain = *record == Record::overwritten(record.base);
    let plain = if is_plain { IS_PLAIN } else { 0 };
    page.push(trust.code() | plain | if absent_from.is_some() { HAS_ABSENCE } else { 0 });
    put_version(page, record.base);
    if !is_plain {
        put_version(page, record.term);
        page.extend_from_slice(&record.ops.to_le_bytes());
        put_version(page, record.last);
        page.extend_from_slice(&record.digest.to_le_bytes());
    }
    if let Some(absent_from) = absent_from {
        page.extend_from_slice(&absent_from.to_le_bytes());
    }
    page.extend_from_slice(&(key.len() as u32).to_le_bytes());
    page.extend_from_slice(key);
}

fn put_version(page: &mut Vec<u8>, version: Version) {
    page.extend_from_slice(&version.clock.to_le_bytes());
    page.extend_from_slice(&version.node.0.to_le_bytes());
}

/// The keys of a page; `None` when it does not follow the format.
pub(crate) fn read(mut page: Bytes) -> Option<Vec<Listed>> {
    let mut keys = Vec::new();
    while !page.is_empty() {
        keys.push(read_one(&mut page)?);
    }
    Some(keys)
}

fn read_one(page: &mut Bytes) -> Option<Listed> {
    let tag = page.try_get_u8().ok()?;
    let trust = Trust::from_code(tag & TRUST)?;
    let mut record = Record::overwritten(read_version(page)?);
    if tag & IS_PLAIN == 0 {
        record.term = read_version(page)?;
        record.ops = page.try_get_u64_le().ok()?;
        record.last = read_version(page)?;
        record.digest = page.try_get_u64_le().ok()?;
    }
    let absent_from = if tag & HAS_ABSENCE == 0 { None } else { Some(page.try_get_u32_le().ok()?) };
    let len = page.try_get_u32_le().ok()? as usize;
    let key = (len <= page.len()).then(|| page.split_to(len))?;
    Some(Listed { key, record, trust, absent_from })
}

fn read_version(page: &mut Bytes) -> Option<Version> {
    Some(Version { clock: page.try_get_u64_le().ok()?, node: NodeId(page.try_get_u32_le().ok()?) })
}

impl Listed {
    /// Whether the other replica trusts its copy, and knows the key to have been absent at `mark`.
    pub(crate) fn is_absent_at(&self, mark: Mark) -> bool {
        let Self { record, trust, absent_from, .. } = *self;
        trust.is_trusted() && Entry { record, absent_from, ..Entry::default() }.is_absent_at(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_were_put() {
        let version = |clock| Version { clock, node: NodeId(9) };
        let plain = Record::overwritten(version(5));
        let records = [plain, plain.sequenced(version(7), version(8), 3), Record::default()];
        let trusts = [Trust::Restarted, Trust::DirtyOverwrite, Trust::Lost];
        let absences = [None, Some(0), Some(77)];
        let mut page = Vec::new();
        let mut wanted = Vec::new();
        for (index, ((record, trust), absent_from)) in
            records.into_iter().zip(trusts).zip(absences).enumerate()
        {
            let key = Bytes::from(vec![b'k'; index * 100]);
            put(&mut page, &key, &Entry { record, trust, absent_from, ..Entry::default() });
            wanted.push(Listed { key, record, trust, absent_from });
        }
        let page = Bytes::from(page);
        assert_eq!(read(page.clone()), Some(wanted));
        assert_eq!(read(Bytes::new()), Some(Vec::new()));
        let is_cut = |len: usize| read(page.slice(..len)).is_none_or(|keys| keys.len() < 3);
        assert!((0..page.len()).all(is_cut), "a page that was cut off is no whole page");
    }
}
