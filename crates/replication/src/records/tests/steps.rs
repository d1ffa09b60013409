//! Random changes to a table, and a plain map that undergoes the same.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// A change to a few keys, of which some are too long for a slot.
#[derive(Debug, Clone)]
pub(super) struct Step {
    key: u8,
    kind: StepKind,
}

#[derive(Debug, Clone)]
enum StepKind {
    Overwrite(u64),
    Install(u64),
    Advance { is_run: bool },
    Promise(u64),
    Claim(Claim),
    Trust(Trust),
    AbsentFrom(Option<u32>),
    Put(Entry),
    Doubt,
    Forget,
    Note(Vec<u8>),
}

/// What a table should hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) entries: BTreeMap<Vec<u8>, Entry>,
    pub(super) notes: BTreeMap<u32, Vec<u8>>,
}

/// Lane operations on keys: their numbers, and whether they bring a whole state.
pub(super) type Operation = (u64, Vec<u8>, bool);

pub(super) fn steps(count_max: usize) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step(), 0..count_max)
}

pub(super) fn step() -> impl Strategy<Value = Step> {
    let clock = || 1u64..100;
    let any_version = || clock().prop_map(version);
    let claim = || prop_oneof![Just(Claim::Birth), Just(Claim::Void), any_version().prop_map(Claim::Term)];
    let trust = || {
        prop_oneof![Just(Trust::Trusted), Just(Trust::Dirty), Just(Trust::DirtyOverwrite), Just(Trust::Lost)]
    };
    let kind = prop_oneof![
        6 => clock().prop_map(StepKind::Overwrite),
        1 => clock().prop_map(StepKind::Install),
        4 => any::<bool>().prop_map(|is_run| StepKind::Advance { is_run }),
        1 => clock().prop_map(StepKind::Promise),
        1 => claim().prop_map(StepKind::Claim),
        1 => trust().prop_map(StepKind::Trust),
        1 => any::<Option<u32>>().prop_map(StepKind::AbsentFrom),
        1 => (any_entry(), any::<bool>()).prop_map(|(entry, is_run)| {
            StepKind::Put(Entry { written_at: u64::from(is_run), ..entry })
        }),
        1 => Just(StepKind::Doubt),
        2 => Just(StepKind::Forget),
        1 => prop::collection::vec(any::<u8>(), 0..20).prop_map(StepKind::Note),
    ];
    (0..Step::KEYS, kind).prop_map(|(key, kind)| Step { key, kind })
}

/// Any entry, of an earlier process.
pub(super) fn any_entry() -> impl Strategy<Value = Entry> {
    let any_version = || {
        let stamped = (any::<u64>(), any::<u32>());
        prop_oneof![
            Just(Version::ZERO),
            stamped.prop_map(|(clock, node)| Version { clock, node: NodeId(node) })
        ]
    };
    let any_count = || prop_oneof![Just(0), any::<u64>(), 0u64..1000];
    let claim = prop_oneof![Just(Claim::Birth), Just(Claim::Void), any_version().prop_map(Claim::Term)];
    let trust =
        prop_oneof![Just(Trust::Trusted), Just(Trust::Dirty), Just(Trust::DirtyOverwrite), Just(Trust::Lost)];
    let record = (any_version(), any_version(), any_count(), any::<bool>(), any_version(), any_count());
    let record = record.prop_map(|(base, term, ops, is_base, last, digest)| Record {
        base,
        term,
        ops,
        last: if is_base { base } else { last },
        digest,
    });
    (record, any_version(), claim, trust, any::<Option<u32>>()).prop_map(
        |(record, promised, claim, trust, absent_from)| Entry {
            record,
            promised,
            claim,
            trust,
            written_at: 0,
            absent_from,
        },
    )
}

impl Step {
    pub(super) const KEYS: u8 = 12;

    /// One is empty, some need memory of their own.
    pub(super) fn key_of(key: u8) -> Vec<u8> {
        vec![b'a' + key; usize::from(key) * 7]
    }

    pub(super) fn key(&self) -> Vec<u8> {
        Self::key_of(self.key)
    }

    /// Makes the change, and gives it the number after the last lane operation if it is one.
    pub(super) fn apply(&self, records: &mut Records, model: &mut Model) {
        self.apply_numbered(records, model, 0);
    }

    /// As [`Step::apply`]; lane operations up to `submitted` were submitted before. The one that it is.
    pub(super) fn apply_numbered(
        &self,
        records: &mut Records,
        model: &mut Model,
        submitted: u64,
    ) -> Option<Operation> {
        let key = &self.key()[..];
        let id = records.find(key);
        let old = model.entry(key);
        // A table that is not logged is given numbers that grow as well.
        let next = submitted.max(old.written_at) + 1;
        let mut entry = old;
        let mut is_whole = false;
        match &self.kind {
            StepKind::Overwrite(clock) | StepKind::Install(clock) => {
                let mut record = record(*clock);
                if let StepKind::Install(_) = self.kind {
                    record = record.sequenced(version(3), version(*clock + 1), 1);
                }
                records.write(id, key, record, next);
                entry = Entry { record, trust: Trust::Trusted, written_at: next, absent_from: None, ..old };
                is_whole = true;
            }
            StepKind::Advance { is_run } => {
                let record = old.record.sequenced(old.record.term, version(old.record.last.clock + 1), 9);
                let written_at = if *is_run { next } else { old.written_at };
                records.advance(id, key, record, written_at);
                let absent_from = old.absent_from.filter(|_| !is_run);
                entry = Entry { record, written_at, absent_from, ..old };
            }
            StepKind::Promise(clock) => {
                records.promise(id, key, version(*clock));
                entry.promised = old.promised.max(version(*clock));
            }
            StepKind::Claim(claim) => {
                records.claim(id, key, *claim);
                entry.claim = *claim;
            }
            StepKind::Trust(trust) => {
                records.set_trust(id, *trust);
                entry.trust = *trust;
            }
            StepKind::AbsentFrom(absent_from) => {
                records.set_absent_from(id, *absent_from);
                entry.absent_from = *absent_from;
            }
            StepKind::Put(put) => {
                is_whole = put.written_at > 0;
                entry = Entry { written_at: if is_whole { next } else { old.written_at }, ..*put };
                // Counts that are at their end cannot be counted on.
                entry.record.ops = put.record.ops / 2;
                entry.record.last.clock = put.record.last.clock / 2;
                records.put(id, key, entry);
            }
            StepKind::Doubt => {
                assert_eq!(records.doubt(id, &old.record, doubt_of(&old.record)), id != RecordId::NONE);
                let trust = if old.record.ops == 0 { Trust::DirtyOverwrite } else { Trust::Dirty };
                (entry.trust, entry.claim) = (old.trust.max(trust), Claim::Void);
            }
            StepKind::Forget => {
                records.forget(id);
                model.entries.remove(key);
                return None;
            }
            StepKind::Note(value) => {
                records.note(u32::from(self.key), value);
                if value.is_empty() {
                    model.notes.remove(&u32::from(self.key));
                } else {
                    model.notes.insert(u32::from(self.key), value.clone());
                }
                return None;
            }
        }
        let needs_entry = matches!(self.kind, StepKind::Trust(_) | StepKind::AbsentFrom(_) | StepKind::Doubt);
        if id != RecordId::NONE || !needs_entry {
            model.entries.insert(key.to_vec(), entry);
        }
        (entry.written_at != old.written_at).then(|| (next, key.to_vec(), is_whole))
    }

    pub(super) fn forgets(&self) -> bool {
        matches!(self.kind, StepKind::Forget)
    }
}

impl Model {
    /// What a table does hold.
    pub(super) fn of(records: &Records) -> Self {
        let entries = records.slots(0..records.slot_count()).map(|(_, key, entry)| (key.to_vec(), entry));
        let entries: BTreeMap<_, _> = entries.collect();
        assert_eq!(entries.len(), records.len());
        for (key, entry) in &entries {
            assert_eq!(records.of(key), *entry);
        }
        Self { entries, notes: records.notes().map(|(number, value)| (number, value.to_vec())).collect() }
    }

    pub(super) fn entry(&self, key: &[u8]) -> Entry {
        self.entries.get(key).copied().unwrap_or_default()
    }

    /// As another process finds it.
    pub(super) fn persistent(mut self) -> Self {
        for entry in self.entries.values_mut() {
            entry.written_at = 0;
        }
        self
    }
}
