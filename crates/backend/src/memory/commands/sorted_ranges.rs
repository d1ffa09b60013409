//! Ranges of sorted sets: by rank, by score, by member.

use std::ops::Range;

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::lists::index_range;
use super::options::{Options, is};
use super::sorted_sets::write_member;
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::Keyspace;
use crate::memory::number::{integer_arg, parse_bound};
use crate::memory::sorted_set::SortedSet;

pub(crate) fn zrange(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    range(keys, request, reply, None, None)
}

pub(crate) fn zrevrange(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    range(keys, request, reply, Some(By::Rank), Some(true))
}

pub(crate) fn zrangebyscore(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    range(keys, request, reply, Some(By::Score), Some(false))
}

pub(crate) fn zrevrangebyscore(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    range(keys, request, reply, Some(By::Score), Some(true))
}

pub(crate) fn zrangebylex(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    range(keys, request, reply, Some(By::Lex), Some(false))
}

pub(crate) fn zrevrangebylex(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    range(keys, request, reply, Some(By::Lex), Some(true))
}

pub(crate) fn zcount(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    count(keys, request, reply, By::Score)
}

pub(crate) fn zlexcount(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    count(keys, request, reply, By::Lex)
}

pub(crate) fn zremrangebyrank(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    remove(keys, request, reply, By::Rank)
}

pub(crate) fn zremrangebyscore(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    remove(keys, request, reply, By::Score)
}

pub(crate) fn zremrangebylex(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    remove(keys, request, reply, By::Lex)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// A range as it was asked for.
enum Bounds<'a> {
    Ranks(i64, i64),
    Scores(Bound<f64>, Bound<f64>),
    Members(LexBound<'a>, LexBound<'a>),
}

#[derive(Debug, Clone, Copy)]
struct Bound<T> {
    at: T,
    exclusive: bool,
}

#[derive(Debug, Clone, Copy)]
enum LexBound<'a> {
    First,
    Last,
    Member(Bound<&'a [u8]>),
}

impl<'a> Bounds<'a> {
    /// Reads a range whose lower end is argument `low` and whose upper end is argument `high`.
    fn parse(request: &'a Request, by: By, low: usize, high: usize) -> Result<Self, Fault> {
        match by {
            By::Rank => Ok(Self::Ranks(integer_arg(request, low)?, integer_arg(request, high)?)),
            By::Score => {
                let (low, high) = (score_bound(request.arg(low)), score_bound(request.arg(high)));
                low.zip(high).map(|(low, high)| Self::Scores(low, high)).ok_or(Fault::NOT_RANGE)
            }
            By::Lex => {
                let (low, high) = (lex_bound(request.arg(low)), lex_bound(request.arg(high)));
                low.zip(high).map(|(low, high)| Self::Members(low, high)).ok_or(Fault::NOT_LEX_RANGE)
            }
        }
    }

    /// The ranks that the range covers; ranks count from the end when `reverse`.
    fn ranks(&self, sorted: &SortedSet, reverse: bool) -> Range<usize> {
        let len = sorted.len();
        let (start, end) = match self {
            Self::Ranks(start, end) => {
                let range = index_range(*start, *end, len);
                return if reverse { len - range.end..len - range.start } else { range };
            }
            Self::Scores(low, high) => (
                sorted.count_until(|score, _| if low.exclusive { score > low.at } else { score >= low.at }),
                sorted
                    .count_until(|score, _| if high.exclusive { score >= high.at } else { score > high.at }),
            ),
            Self::Members(low, high) => (
                sorted.count_until(|_, member| low.is_before(member, true)),
                sorted.count_until(|_, member| high.is_before(member, false)),
            ),
        };
        start..end.max(start)
    }
}

impl LexBound<'_> {
    /// Whether `member` comes behind the bound; one equal to it does if it `opens` the range and includes its end, or
    /// closes the range and excludes it.
    fn is_before(&self, member: &[u8], opens: bool) -> bool {
        match self {
            Self::First => true,
            Self::Last => false,
            Self::Member(bound) if bound.at == member => opens != bound.exclusive,
            Self::Member(bound) => bound.at < member,
        }
    }
}

fn score_bound(text: &[u8]) -> Option<Bound<f64>> {
    match text {
        [b'(', rest @ ..] => parse_bound(rest).map(|at| Bound { at, exclusive: true }),
        text => parse_bound(text).map(|at| Bound { at, exclusive: false }),
    }
}

fn lex_bound(text: &[u8]) -> Option<LexBound<'_>> {
    match text {
        [b'-'] => Some(LexBound::First),
        [b'+'] => Some(LexBound::Last),
        [b'[', at @ ..] => Some(LexBound::Member(Bound { at, exclusive: false })),
        [b'(', at @ ..] => Some(LexBound::Member(Bound { at, exclusive: true })),
        _ => None,
    }
}

/// `ZRANGE` in all its forms; `by` and `reverse` are fixed by the older commands.
fn range(
    keys: &mut Keyspace,
    request: &Request,
    reply: &mut BytesMut,
    by: Option<By>,
    reverse: Option<bool>,
) -> Answer {
    let options = RangeOptions::parse(request, by, reverse)?;
    let swapped = options.reverse && options.by != By::Rank;
    let (low, high) = if swapped { (3, 2) } else { (2, 3) };
    let bounds = Bounds::parse(request, options.by, low, high)?;
    let Some(sorted) = keys.read::<SortedSet>(request.arg(1))? else {
        encode::array(reply, 0);
        return Ok(());
    };
    let ranks = options.limit(bounds.ranks(sorted, options.reverse));
    encode::array(reply, ranks.len() * if options.with_scores { 2 } else { 1 });
    let mut write = |(member, score): (&_, f64)| write_member(reply, member, score, options.with_scores);
    if options.reverse {
        sorted.range(ranks).rev().for_each(|(member, score)| write((&**member, score)));
    } else {
        sorted.range(ranks).for_each(|(member, score)| write((&**member, score)));
    }
    Ok(())
}

fn count(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut, by: By) -> Answer {
    let bounds = Bounds::parse(request, by, 2, 3)?;
    let sorted = keys.read::<SortedSet>(request.arg(1))?;
    encode::integer(reply, sorted.map_or(0, |sorted| bounds.ranks(sorted, false).len()) as i64);
    Ok(())
}

fn remove(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut, by: By) -> Answer {
    let bounds = Bounds::parse(request, by, 2, 3)?;
    let removed = keys.edit(request.arg(1), false, |sorted: &mut SortedSet, _| {
        let ranks = bounds.ranks(sorted, false);
        ranks.clone().for_each(|_| drop(sorted.take(ranks.start)));
        ranks.len()
    })?;
    encode::integer(reply, removed.unwrap_or(0) as i64);
    Ok(())
}

/// The options of `ZRANGE`.
struct RangeOptions {
    by: By,
    reverse: bool,
    with_scores: bool,
    offset: i64,
    /// Everything when negative.
    count: i64,
}

impl RangeOptions {
    fn parse(request: &Request, mut by: Option<By>, mut reverse: Option<bool>) -> Result<Self, Fault> {
        let is_general = reverse.is_none();
        let (mut with_scores, mut offset, mut count) = (false, 0, -1);
        let mut args = Options::new(request, 4);
        while let Some(arg) = args.next() {
            if is(arg, "WITHSCORES") {
                with_scores = true;
            } else if is(arg, "LIMIT") && args.left() >= 2 {
                let (from, len) = (args.next_index(), args.next_index());
                let (from, len) = from.zip(len).ok_or(Fault::SYNTAX)?;
                (offset, count) = (integer_arg(request, from)?, integer_arg(request, len)?);
            } else if is(arg, "REV") && is_general && reverse.is_none() {
                reverse = Some(true);
            } else if is(arg, "BYLEX") && by.is_none() {
                by = Some(By::Lex);
            } else if is(arg, "BYSCORE") && by.is_none() {
                by = Some(By::Score);
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        let (by, reverse) = (by.unwrap_or(By::Rank), reverse.unwrap_or(false));
        if count != -1 && by == By::Rank {
            return Err(Fault::new(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if with_scores && by == By::Lex {
            return Err(Fault::new("ERR syntax error, WITHSCORES not supported in combination with BYLEX"));
        }
        Ok(Self { by, reverse, with_scores, offset, count })
    }

    /// The part of `ranks` that `LIMIT` leaves, counted from the end where the range begins.
    fn limit(&self, ranks: Range<usize>) -> Range<usize> {
        if self.by == By::Rank {
            return ranks;
        }
        let Ok(offset) = usize::try_from(self.offset) else { return 0..0 };
        let offset = offset.min(ranks.len());
        let len = usize::try_from(self.count).unwrap_or(usize::MAX).min(ranks.len() - offset);
        if self.reverse {
            ranks.end - offset - len..ranks.end - offset
        } else {
            ranks.start + offset..ranks.start + offset + len
        }
    }
}
