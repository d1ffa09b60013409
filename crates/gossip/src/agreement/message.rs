//! The messages of an agreement and the stored form of a vote, byte for byte.
//!
//! Numbers are LEB128 varints unless a width is given; widths are little endian.
//!
//! ```text
//! message := 0xA1 (magic 0xA0, version 1)  kind u8  epoch  body
//! body 1 (prepare)  := ballot  follows u64
//! body 2 (promise)  := ballot  vote
//! body 3 (accept)   := ballot  follows u64  value
//! body 4 (accepted) := ballot
//! body 5 (refused)  := ballot  ballot (promised)
//! body 6 (decided)  := oldest  newest  follows u64  value
//! body 7 (fetch)    := nothing; the epoch is the last that the sender knows
//! stored  := 0xB1 (magic 0xB0, version 1)  epoch  ballot (promised)  vote
//! vote    := 0 u8 | 1 u8  ballot  value
//! ballot  := round  node
//! value   := len  bytes
//! ```
//!
//! `follows` is the sum of the value of the epoch before, and 0 when that is not kept. Decoding is total: whatever the
//! bytes, it gives a message or says that they are none, and allocates no more than they hold.

use super::acceptor::Vote;
use super::{AgreementError, Ballot};
use crate::NodeId;
use crate::wire::{Reader, put_bytes, put_varint};

const MESSAGE: u8 = 0xA1;
const VOTE: u8 = 0xB1;
/// Epochs and rounds are at most this, so that the following ones are numbers too.
const NUMBER_MAX: u64 = 1 << 62;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) epoch: u64,
    pub(super) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Prepare { ballot: Ballot, follows: u64 },
    Promise { ballot: Ballot, accepted: Option<Accepted> },
    Accept { ballot: Ballot, follows: u64, value: Vec<u8> },
    Accepted { ballot: Ballot },
    Refused { ballot: Ballot, promised: Ballot },
    Decided { oldest: u64, newest: u64, follows: u64, value: Vec<u8> },
    Fetch,
}

/// A value and the ballot with which it was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accepted {
    pub(super) ballot: Ballot,
    pub(super) value: Vec<u8>,
}

pub(super) fn encode(message: &Message) -> Vec<u8> {
    let mut to = vec![MESSAGE, kind(&message.body)];
    put_varint(message.epoch, &mut to);
    match &message.body {
        Body::Prepare { ballot, follows } => {
            put_ballot(*ballot, &mut to);
            to.extend_from_slice(&follows.to_le_bytes());
        }
        Body::Promise { ballot, accepted } => {
            put_ballot(*ballot, &mut to);
            put_accepted(accepted.as_ref(), &mut to);
        }
        Body::Accept { ballot, follows, value } => {
            put_ballot(*ballot, &mut to);
            to.extend_from_slice(&follows.to_le_bytes());
            put_bytes(value, &mut to);
        }
        Body::Accepted { ballot } => put_ballot(*ballot, &mut to),
        Body::Refused { ballot, promised } => {
            put_ballot(*ballot, &mut to);
            put_ballot(*promised, &mut to);
        }
        Body::Decided { oldest, newest, follows, value } => {
            put_varint(*oldest, &mut to);
            put_varint(*newest, &mut to);
            to.extend_from_slice(&follows.to_le_bytes());
            put_bytes(value, &mut to);
        }
        Body::Fetch => {}
    }
    to
}

pub(super) fn decode(bytes: &[u8], value_bytes_max: usize) -> Result<Message, AgreementError> {
    Fields::of(bytes, MESSAGE, value_bytes_max).and_then(Fields::message).ok_or(AgreementError::Malformed)
}

pub(super) fn encode_vote(vote: &Vote) -> Vec<u8> {
    let mut to = vec![VOTE];
    put_varint(vote.epoch, &mut to);
    put_ballot(vote.promised, &mut to);
    put_accepted(vote.accepted.as_ref(), &mut to);
    to
}

pub(super) fn decode_vote(bytes: &[u8]) -> Result<Vote, AgreementError> {
    Fields::of(bytes, VOTE, usize::MAX).and_then(Fields::vote).ok_or(AgreementError::VoteUnreadable)
}

fn kind(body: &Body) -> u8 {
    match body {
        Body::Prepare { .. } => 1,
        Body::Promise { .. } => 2,
        Body::Accept { .. } => 3,
        Body::Accepted { .. } => 4,
        Body::Refused { .. } => 5,
        Body::Decided { .. } => 6,
        Body::Fetch => 7,
    }
}

fn put_ballot(ballot: Ballot, to: &mut Vec<u8>) {
    put_varint(ballot.round, to);
    put_varint(ballot.node.0, to);
}

fn put_accepted(accepted: Option<&Accepted>, to: &mut Vec<u8>) {
    to.push(u8::from(accepted.is_some()));
    if let Some(Accepted { ballot, value }) = accepted {
        put_ballot(*ballot, to);
        put_bytes(value, to);
    }
}

/// What is left to be read; `None` where it is not what it should be.
struct Fields<'a> {
    reader: Reader<'a>,
    value_bytes_max: usize,
}

impl<'a> Fields<'a> {
    fn of(bytes: &'a [u8], magic: u8, value_bytes_max: usize) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        (reader.u8().ok()? == magic).then_some(Self { reader, value_bytes_max })
    }

    fn message(mut self) -> Option<Message> {
        let kind = self.reader.u8().ok()?;
        let epoch = self.number()?;
        let body = match kind {
            1 => Body::Prepare { ballot: self.ballot()?, follows: self.sum()? },
            2 => Body::Promise { ballot: self.ballot()?, accepted: self.accepted()? },
            3 => Body::Accept { ballot: self.ballot()?, follows: self.sum()?, value: self.value()? },
            4 => Body::Accepted { ballot: self.ballot()? },
            5 => Body::Refused { ballot: self.ballot()?, promised: self.ballot()? },
            6 => Body::Decided {
                oldest: self.number()?,
                newest: self.number()?,
                follows: self.sum()?,
                value: self.value()?,
            },
            7 => Body::Fetch,
            _ => return None,
        };
        // Only what is asked for may be before the first epoch.
        let is_sound = match &body {
            Body::Fetch => true,
            Body::Decided { oldest, newest, .. } => (1..=epoch).contains(oldest) && epoch <= *newest,
            _ => epoch > 0,
        };
        (is_sound && self.reader.is_empty()).then_some(Message { epoch, body })
    }

    fn vote(mut self) -> Option<Vote> {
        let vote = Vote { epoch: self.number()?, promised: self.ballot()?, accepted: self.accepted()? };
        self.reader.is_empty().then_some(vote)
    }

    fn accepted(&mut self) -> Option<Option<Accepted>> {
        match self.reader.u8().ok()? {
            0 => Some(None),
            1 => Some(Some(Accepted { ballot: self.ballot()?, value: self.value()? })),
            _ => None,
        }
    }

    fn ballot(&mut self) -> Option<Ballot> {
        Some(Ballot { round: self.number()?, node: NodeId(self.reader.varint().ok()?) })
    }

    fn value(&mut self) -> Option<Vec<u8>> {
        let len = usize::try_from(self.reader.varint().ok()?).ok()?;
        if len > self.value_bytes_max { None } else { Some(self.reader.take(len).ok()?.to_vec()) }
    }

    fn sum(&mut self) -> Option<u64> {
        self.reader.take(8).ok()?.try_into().ok().map(u64::from_le_bytes)
    }

    fn number(&mut self) -> Option<u64> {
        self.reader.varint().ok().filter(|number| *number <= NUMBER_MAX)
    }
}
