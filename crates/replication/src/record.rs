//! What a replica knows of a key's history.
//!
//! Invariant: equal records mean equal state. They compare in the order of their fields, but for what a mark covers.

use std::cmp::Ordering;

use crate::Version;

/// A key's history in a few words (rule R1 in `docs/consistency.md`). The default is the record of a key that was never written.
///
/// Of a key that was absent everywhere at a [`crate::Mark`], and whose records were forgotten, the mark is the base. A base that
/// is a mark comes after everything up to the mark, and before nothing that was written since: between records that go on
/// from the time before it and records that go on from it, the rest decides (rule R22).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Record {
    /// Version of the last overwrite or installed state; the mark up to which the key was absent.
    pub base: Version,
    /// The claim under which sequenced writes ran since; zero is the claim that a key's owner holds from its birth.
    pub term: Version,
    /// How many sequenced writes ran since `base` under `term`.
    pub ops: u64,
    /// Version of the last write of any kind.
    pub last: Version,
    /// Running hash over the sequenced writes since `base`.
    pub digest: u64,
}

impl Record {
    /// The record after an overwrite with `version`, or after a state of that version was imported.
    pub fn overwritten(version: Version) -> Self {
        Self { base: version, last: version, ..Self::default() }
    }

    /// The record after an overwrite with `version` that is above `last`, or after a state of that version was imported. Where it
    /// is not above the base, what the base tells of was taken back (rule R13), and the record grows all the same.
    #[must_use]
    pub fn overwritten_by(self, version: Version) -> Self {
        if version > self.base {
            Self::overwritten(version)
        } else {
            Self { ops: self.ops + 1, last: version, digest: 0, ..self }
        }
    }

    /// Whether the write that the base tells of was taken back: an earlier state was adopted above it (rule R13).
    pub fn is_taken_back(&self) -> bool {
        self.last < self.base
    }

    /// The record of a state that a claimant adopts above `greatest` under `claim`. Its last write is `last`: adopting writes
    /// nothing, so that other datacenters' writes since are still later.
    #[must_use]
    pub fn adopted(greatest: Self, claim: Version, last: Version) -> Self {
        Self {
            term: claim,
            ops: greatest.ops + 1,
            last,
            digest: mix(greatest.digest ^ claim.clock),
            ..greatest
        }
    }

    /// The record after one more sequenced write ran under `claim` (rule R8).
    pub fn sequenced(self, claim: Version, stamp: Version, command_crc: u32) -> Self {
        Self {
            base: self.base,
            term: claim,
            ops: self.ops + 1,
            last: stamp,
            digest: mix(self.digest ^ u64::from(command_crc) ^ stamp.clock.rotate_left(32)),
        }
    }

    /// Whether nothing was written since the mark that is its base, or ever.
    pub fn is_blank(&self) -> bool {
        self.base.is_mark() && *self == Self::overwritten(self.base)
    }

    /// Whether this record, pushed to a replica, proves that the write which left `write` is in that replica's state
    /// (rule R10): a record that is merely greater proves nothing.
    pub fn includes(&self, write: &Record) -> bool {
        self.base == write.base && self.term == write.term && self.ops >= write.ops
    }
}

impl Record {
    /// All but the base, in the order in which it decides.
    fn since_base(&self) -> (Version, u64, Version, u64) {
        (self.term, self.ops, self.last, self.digest)
    }

    /// How this record compares with one of a greater base.
    fn cmp_to_later_base(&self, other: &Self) -> Ordering {
        if !other.base.is_mark() || self.last.clock <= other.base.clock {
            return Ordering::Less;
        }
        if other.is_blank() {
            return Ordering::Greater;
        }
        self.since_base().cmp(&other.since_base()).then(Ordering::Less)
    }
}

impl Ord for Record {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.base.cmp(&other.base) {
            Ordering::Equal => self.since_base().cmp(&other.since_base()),
            Ordering::Less => self.cmp_to_later_base(other),
            Ordering::Greater => other.cmp_to_later_base(self).reverse(),
        }
    }
}

impl PartialOrd for Record {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The finalizer of SplitMix64.
pub(crate) fn mix(mut z: u64) -> u64 {
    z = z.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use dynomite_ring::NodeId;

    use super::*;

    fn version(clock: u64) -> Version {
        Version { clock, node: NodeId(1) }
    }

    #[test]
    fn a_later_overwrite_beats_any_number_of_sequenced_writes() {
        let counted = Record::overwritten(version(5)).sequenced(Version::ZERO, version(9), 1).sequenced(
            Version::ZERO,
            version(10),
            2,
        );
        assert!(Record::overwritten(version(6)) > counted);
        assert_eq!((counted.base, counted.ops, counted.last), (version(5), 2, version(10)));
    }

    #[test]
    fn a_mark_comes_after_all_that_it_covers_and_before_all_that_was_written_since() {
        let mark = Record::overwritten(Version { clock: 100, node: NodeId(0) });
        let covered = Record::overwritten(version(90)).sequenced(version(95), version(100), 1);
        assert!(
            mark.is_blank() && Record::default().is_blank() && covered < mark && Record::default() < mark
        );
        let since = Record::overwritten(version(90)).sequenced(Version::ZERO, version(101), 1);
        let anew = mark.sequenced(Version::ZERO, version(102), 1);
        assert!(mark < since && mark < anew && covered < anew, "what was written since is never covered");
        assert!(since < anew, "neither base is later: the rest decides");
        let claimed = Record::overwritten(version(90)).sequenced(version(101), version(103), 1);
        assert!(anew < claimed && claimed < Record::overwritten(version(104)));
        assert!(
            anew < Record::overwritten(version(101)),
            "an overwrite after the mark beats what is built on it"
        );
    }

    #[test]
    fn a_merely_greater_record_does_not_include_a_write() {
        let write = Record::overwritten(version(5)).sequenced(Version::ZERO, version(9), 1);
        let later = write.sequenced(Version::ZERO, version(10), 2);
        assert!(later.includes(&write) && write.includes(&write));
        assert!(!Record::overwritten(version(20)).includes(&write));
        assert!(!Record::overwritten(version(5)).includes(&write));
    }

    #[test]
    fn what_is_adopted_is_above_all_and_no_later_write() {
        let (old, new) = (Record::overwritten(version(5)), Record::overwritten(version(9)));
        let adopted = Record::adopted(new, version(20), old.last);
        assert!(adopted > new && adopted.is_taken_back());
        assert_eq!(adopted.last, version(5));
        // What was taken back comes again from elsewhere.
        let again = adopted.overwritten_by(version(9));
        assert!(again > adopted && !again.is_taken_back());
        assert_eq!(again.last, version(9));
        assert_eq!(again.overwritten_by(version(10)), Record::overwritten(version(10)));
        let doubtful = Record::adopted(new, version(20), new.last.just_before());
        assert!(doubtful.last < version(9) && doubtful.last > version(8));
    }
}
