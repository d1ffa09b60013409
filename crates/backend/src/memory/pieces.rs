//! Large values piece by piece: out of the store, and into the stages where they wait until they are whole.
//!
//! A piece's payload is that of a smaller value of the same type (see [`super::payload`]).

use bytes::Bytes;
use dynomite_codec::{Position, STAGE_COUNT};

use super::blob::Blob;
use super::fault::Fault;
use super::hash::Hash;
use super::list::List;
use super::payload;
use super::set::Set;
use super::sorted_set::SortedSet;
use super::value::{Collection, Value};
use crate::element::{Element, PIECE_BYTES};

/// What an element adds to a piece beside its bytes.
const ELEMENT_BYTES: usize = 32;

/// Where the first piece of a value begins.
pub(crate) fn start(value: &Value, piece_bytes: u32) -> Position {
    let kind = match value {
        Value::Integer(_) | Value::Text(_) => 1,
        Value::List(_) => 2,
        Value::Hash(_) => 3,
        Value::Set(_) => 4,
        Value::Sorted(_) => 5,
    };
    Position { kind, count: piece_bytes, cursor: 0 }
}

/// The payload of the piece that begins at `position`, and where the next begins; `None` when the value is of another type, or
/// ends before.
pub(crate) fn encode(value: &Value, position: Position) -> Option<(Bytes, Option<Position>)> {
    let mut part = empty_like(value);
    let next = visit_at(value, position, |element| add(&mut part, element))?;
    Some((payload::encode(&part), next))
}

/// The digest of the piece that begins at `position`, as [`encode`].
pub(crate) fn digest(value: &Value, position: Position) -> Option<(u64, Option<Position>)> {
    let mut digest = 0u64;
    let next = visit_at(value, position, |element| digest = digest.wrapping_add(element.digest()))?;
    Some((digest, next))
}

/// Values that are being put together.
#[derive(Clone)]
pub(crate) struct Stages {
    stages: Vec<Stage>,
}

#[derive(Clone, Default)]
enum Stage {
    #[default]
    Empty,
    Holds(Value),
    /// A piece could not be added.
    Broken,
}

impl Stages {
    /// Those of so many lanes, all of them empty.
    pub(crate) fn new(lane_count: usize) -> Self {
        let mut stages = Vec::new();
        stages.resize_with(usize::from(STAGE_COUNT) * lane_count, Stage::default);
        Self { stages }
    }

    /// About how many bytes all stages hold.
    pub(crate) fn bytes(&self) -> usize {
        self.stages
            .iter()
            .map(|stage| if let Stage::Holds(value) = stage { value.heap_bytes() } else { 0 })
            .sum()
    }

    /// Adds a piece, if `room` says that there is room for it.
    pub(crate) fn push(
        &mut self,
        stage: u8,
        payload: &[u8],
        room: impl FnOnce() -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let stage = self.find(stage)?;
        let joined = payload::decode(payload).and_then(|part| room().and(stage.join(&part)));
        if joined.is_err() {
            *stage = Stage::Broken;
        }
        joined
    }

    pub(crate) fn clear(&mut self, stage: u8) -> Result<(), Fault> {
        *self.find(stage)? = Stage::Empty;
        Ok(())
    }

    /// Takes out what the stage holds.
    pub(crate) fn take(&mut self, stage: u8) -> Result<Value, Fault> {
        let stage = self.find(stage)?;
        match std::mem::take(stage) {
            Stage::Holds(value) => Ok(finished(value)),
            other => {
                *stage = other;
                Err(Fault::new("ERR the stage holds no whole value"))
            }
        }
    }

    fn find(&mut self, stage: u8) -> Result<&mut Stage, Fault> {
        self.stages.get_mut(usize::from(stage)).ok_or(Fault::new("ERR no such stage"))
    }
}

impl Stage {
    fn join(&mut self, part: &Value) -> Result<(), Fault> {
        if matches!(self, Self::Empty) {
            *self = Self::Holds(empty_like(part));
        }
        let Self::Holds(whole) = self else {
            return Err(Fault::new("ERR an earlier piece is missing"));
        };
        if whole.type_name() != part.type_name() {
            return Err(Fault::WRONG_TYPE);
        }
        let mut next = Some(0);
        while let Some(from) = next {
            next = visit(part, from, PIECE_BYTES, |element| add(whole, element)).flatten();
        }
        Ok(())
    }
}

fn visit_at(value: &Value, position: Position, see: impl FnMut(Element<'_>)) -> Option<Option<Position>> {
    if position.kind != start(value, position.count).kind || position.count == 0 {
        return None;
    }
    let piece_bytes = position.count as usize;
    let next = visit(value, usize::try_from(position.cursor).ok()?, piece_bytes, see)?;
    Some(next.map(|from| Position { cursor: from as u64, ..position }))
}

/// Shows the elements of the piece that begins at `from`, a byte of a string or the place of an element, and gives where the
/// next piece begins. `None` when the value ends before `from`.
fn visit(
    value: &Value,
    from: usize,
    piece_bytes: usize,
    see: impl FnMut(Element<'_>),
) -> Option<Option<usize>> {
    match value {
        Value::Integer(number) => {
            visit_block(itoa::Buffer::new().format(*number).as_bytes(), from, piece_bytes, see)
        }
        Value::Text(text) => visit_block(text, from, piece_bytes, see),
        Value::List(list) => {
            let items = list.range(from.min(list.len())..list.len()).enumerate();
            visit_some(
                from,
                piece_bytes,
                items.map(|(at, value)| Element::Item { index: (from + at) as u64, value }),
                see,
            )
        }
        Value::Hash(hash) => {
            let fields = (from..hash.len()).map(|at| hash.at(at));
            visit_some(from, piece_bytes, fields.map(|(field, value)| Element::Field { field, value }), see)
        }
        Value::Set(set) => {
            visit_some(from, piece_bytes, (from..set.len()).map(|at| Element::Member(set.at(at))), see)
        }
        Value::Sorted(sorted) => {
            let members = (from..sorted.len()).map(|at| sorted.at(at));
            visit_some(
                from,
                piece_bytes,
                members.map(|(member, score)| Element::Scored { member, score }),
                see,
            )
        }
    }
}

fn visit_block(
    text: &[u8],
    from: usize,
    piece_bytes: usize,
    mut see: impl FnMut(Element<'_>),
) -> Option<Option<usize>> {
    let end = text.len().min(from.saturating_add(piece_bytes));
    see(Element::Block { number: (from / piece_bytes) as u64, bytes: text.get(from..end)? });
    Some((end < text.len()).then_some(end))
}

fn visit_some<'a>(
    from: usize,
    piece_bytes: usize,
    elements: impl ExactSizeIterator<Item = Element<'a>>,
    mut see: impl FnMut(Element<'a>),
) -> Option<Option<usize>> {
    let end = from + elements.len();
    let mut bytes = 0;
    for (element, at) in elements.zip(from..) {
        bytes += element.len() + ELEMENT_BYTES;
        see(element);
        if bytes >= piece_bytes {
            return Some((at + 1 < end).then_some(at + 1));
        }
    }
    (from < end).then_some(None)
}

fn empty_like(value: &Value) -> Value {
    match value {
        Value::Integer(_) | Value::Text(_) => Value::Text(Blob::new(b"")),
        Value::List(_) => List::empty(),
        Value::Hash(_) => Hash::empty(),
        Value::Set(_) => Set::empty(),
        Value::Sorted(_) => SortedSet::empty(),
    }
}

/// Adds an element to a value of its own type.
fn add(value: &mut Value, element: Element<'_>) {
    match (value, element) {
        (Value::Text(text), Element::Block { bytes, .. }) => text.to_mut().extend_from_slice(bytes),
        (Value::List(list), Element::Item { value, .. }) => list.push(false, Blob::new(value)),
        (Value::Hash(hash), Element::Field { field, value }) => {
            hash.set(field, Blob::new(value));
        }
        (Value::Set(set), Element::Member(member)) => {
            set.add(member);
        }
        (Value::Sorted(sorted), Element::Scored { member, score }) => sorted.set(member, score),
        _ => unreachable!("the caller compared the types"),
    }
}

/// A value that grows no more, as it would be if it had come at once.
fn finished(value: Value) -> Value {
    match value {
        Value::Text(mut text) => Value::text(Blob::from_vec(std::mem::take(text.to_mut()))),
        other => other,
    }
}

#[cfg(test)]
mod tests;
