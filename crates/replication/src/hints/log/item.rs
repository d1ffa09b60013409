//! The items of a frame: whom what follows is about, which keys that target missed, got, and which buckets of it need repair.
//!
//! An item begins with a byte that tells its kind. Lengths are variable: seven bits to a byte, the lowest first, the eighth
//! bit set in all but the last. All else has a fixed width.

use dynomite_ring::NodeId;

use super::HintLogError;
use crate::{BUCKETS, Bucket};

const NODE: u8 = 1;
const DC: u8 = 2;
const NOTED: u8 = 3;
const DONE: u8 = 4;
const MARKED: u8 = 5;
const CLEARED: u8 = 6;

/// One item of a frame. Buckets are given as the first and the last of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Item<'a> {
    /// What follows is about this node.
    Node(NodeId),
    /// What follows is about the datacenter of this name.
    Dc(&'a [u8]),
    /// It missed a write on the key at this time, in seconds since the Unix epoch.
    Noted { noted_s: u32, key: &'a [u8] },
    /// It has got what it missed of the key, or the hint was dropped.
    Done { key: &'a [u8] },
    /// The buckets need repair.
    Marked { first: Bucket, last: Bucket },
    /// They do not any more.
    Cleared { first: Bucket, last: Bucket },
}

/// The items of a payload, the number left out; after an error nothing comes.
pub(crate) fn items(bytes: &[u8]) -> impl Iterator<Item = Result<Item<'_>, HintLogError>> {
    let mut reader = Reader(bytes);
    std::iter::from_fn(move || {
        if reader.0.is_empty() {
            return None;
        }
        let item = reader.item();
        if item.is_err() {
            reader.0 = &[];
        }
        Some(item)
    })
}

/// Bytes of the items that say one hint, and one range of buckets.
pub(crate) const NOTED_BYTES: usize = 1 + 4 + 1;
pub(crate) const MARKED_BYTES: usize = 1 + 2 + 2;

impl Item<'_> {
    /// Appends the item to `out`.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Node(NodeId(id)) => {
                out.push(NODE);
                out.extend_from_slice(&id.to_le_bytes());
            }
            Self::Dc(name) => {
                out.push(DC);
                put_bytes(name, out);
            }
            Self::Noted { noted_s, key } => {
                out.push(NOTED);
                out.extend_from_slice(&noted_s.to_le_bytes());
                put_bytes(key, out);
            }
            Self::Done { key } => {
                out.push(DONE);
                put_bytes(key, out);
            }
            Self::Marked { first, last } => put_range(MARKED, first, last, out),
            Self::Cleared { first, last } => put_range(CLEARED, first, last, out),
        }
    }
}

fn put_range(kind: u8, first: Bucket, last: Bucket, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&first.0.to_le_bytes());
    out.extend_from_slice(&last.0.to_le_bytes());
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let mut len = bytes.len();
    while len > 0x7f {
        out.push(len as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend_from_slice(bytes);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn item(&mut self) -> Result<Item<'a>, HintLogError> {
        let [kind] = self.array()?;
        match kind {
            NODE => Ok(Item::Node(NodeId(u32::from_le_bytes(self.array()?)))),
            DC => Ok(Item::Dc(self.bytes()?)),
            NOTED => Ok(Item::Noted { noted_s: u32::from_le_bytes(self.array()?), key: self.bytes()? }),
            DONE => Ok(Item::Done { key: self.bytes()? }),
            MARKED => self.range().map(|(first, last)| Item::Marked { first, last }),
            CLEARED => self.range().map(|(first, last)| Item::Cleared { first, last }),
            kind => Err(HintLogError::UnknownItem(kind)),
        }
    }

    fn range(&mut self) -> Result<(Bucket, Bucket), HintLogError> {
        let first = u16::from_le_bytes(self.array()?);
        let last = u16::from_le_bytes(self.array()?);
        if first > last || usize::from(last) >= BUCKETS {
            return Err(HintLogError::OutOfRange);
        }
        Ok((Bucket(first), Bucket(last)))
    }

    fn bytes(&mut self) -> Result<&'a [u8], HintLogError> {
        let mut len = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.array()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                return Err(HintLogError::OutOfRange);
            }
            len |= bits << shift;
            if byte & 0x80 == 0 {
                let len = usize::try_from(len).map_err(|_| HintLogError::OutOfRange)?;
                let (bytes, rest) = self.0.split_at_checked(len).ok_or(HintLogError::Truncated)?;
                self.0 = rest;
                return Ok(bytes);
            }
        }
        Err(HintLogError::OutOfRange)
    }

    fn array<const LEN: usize>(&mut self) -> Result<[u8; LEN], HintLogError> {
        let (array, rest) = self.0.split_first_chunk().ok_or(HintLogError::Truncated)?;
        self.0 = rest;
        Ok(*array)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Owned {
        Node(u32),
        Dc(Vec<u8>),
        Noted(u32, Vec<u8>),
        Done(Vec<u8>),
        Marked(u16, u16),
        Cleared(u16, u16),
    }

    impl Owned {
        fn item(&self) -> Item<'_> {
            match self {
                Self::Node(id) => Item::Node(NodeId(*id)),
                Self::Dc(name) => Item::Dc(name),
                Self::Noted(noted_s, key) => Item::Noted { noted_s: *noted_s, key },
                Self::Done(key) => Item::Done { key },
                Self::Marked(first, last) => Item::Marked { first: Bucket(*first), last: Bucket(*last) },
                Self::Cleared(first, last) => Item::Cleared { first: Bucket(*first), last: Bucket(*last) },
            }
        }
    }

    fn owned() -> impl Strategy<Value = Owned> {
        let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
        let range = (0..BUCKETS as u16).prop_flat_map(|first| (Just(first), first..BUCKETS as u16));
        prop_oneof![
            any::<u32>().prop_map(Owned::Node),
            bytes().prop_map(Owned::Dc),
            (any::<u32>(), bytes()).prop_map(|(noted_s, key)| Owned::Noted(noted_s, key)),
            bytes().prop_map(Owned::Done),
            range.clone().prop_map(|(first, last)| Owned::Marked(first, last)),
            range.prop_map(|(first, last)| Owned::Cleared(first, last)),
        ]
    }

    proptest! {
        #[test]
        fn items_round_trip_and_cut_ones_are_errors(all in proptest::collection::vec(owned(), 0..20)) {
            let mut bytes = Vec::new();
            let mut ends = vec![0];
            for item in &all {
                item.item().put(&mut bytes);
                ends.push(bytes.len());
            }
            let read: Vec<_> = items(&bytes).collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(read, all.iter().map(Owned::item).collect::<Vec<_>>());
            for cut in 0..bytes.len() {
                let read: Vec<_> = items(&bytes[..cut]).collect();
                let is_whole = ends.contains(&cut);
                let wanted = if is_whole { None } else { Some(&Err(HintLogError::Truncated)) };
                prop_assert_eq!(read.last().filter(|item| item.is_err()), wanted, "cut at {}", cut);
                let whole_count = ends.iter().filter(|end| **end <= cut).count() - 1;
                prop_assert_eq!(read.len(), whole_count + usize::from(!is_whole));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = items(&bytes).count();
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let marked = |first: u16, last: u16| {
            let mut bytes = vec![MARKED];
            bytes.extend([first.to_le_bytes(), last.to_le_bytes()].concat());
            items(&bytes).next().unwrap().map(drop)
        };
        assert_eq!(marked(3, 3), Ok(()));
        assert_eq!(marked(4, 3), Err(HintLogError::OutOfRange));
        assert_eq!(marked(0, BUCKETS as u16), Err(HintLogError::OutOfRange));
        let too_long = [&[DONE][..], &[0xff; 9], &[0x02]].concat();
        assert_eq!(items(&too_long).next(), Some(Err(HintLogError::OutOfRange)));
        assert_eq!(items(&[9]).next(), Some(Err(HintLogError::UnknownItem(9))));
    }
}
