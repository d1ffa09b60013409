//! Sorted sets, member by member. Ranges are next door.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::{Options, is};
use super::scan::{Page, write_empty_page, write_page};
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::Keyspace;
use crate::memory::number::{count_arg, float_arg, format_float, pick_arg};
use crate::memory::sorted_set::SortedSet;

pub(crate) fn zadd(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (rules, first) = Rules::parse(request)?;
    add(keys, request, reply, rules, first)
}

pub(crate) fn zincrby(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    add(keys, request, reply, Rules { incr: true, ..Rules::default() }, 2)
}

pub(crate) fn zscore(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let score = keys.read(request.arg(1))?.and_then(|sorted: &SortedSet| sorted.score(request.arg(2)));
    write_score(reply, score);
    Ok(())
}

pub(crate) fn zmscore(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let sorted = keys.read::<SortedSet>(request.arg(1))?;
    encode::array(reply, request.arg_count() - 2);
    for member in request.args().skip(2) {
        write_score(reply, sorted.and_then(|sorted| sorted.score(member)));
    }
    Ok(())
}

pub(crate) fn zcard(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let len = keys.read(request.arg(1))?.map_or(0, SortedSet::len);
    encode::integer(reply, len as i64);
    Ok(())
}

pub(crate) fn zrank(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_rank(keys, request, reply, |rank, _| rank)
}

pub(crate) fn zrevrank(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    write_rank(keys, request, reply, |rank, len| len - 1 - rank)
}

pub(crate) fn zrem(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let removed = keys.edit(request.arg(1), false, |sorted: &mut SortedSet, _| {
        request.args().skip(2).filter(|member| sorted.remove(member)).count()
    })?;
    encode::integer(reply, removed.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn zpopmin(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    pop(keys, request, reply, false)
}

pub(crate) fn zpopmax(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    pop(keys, request, reply, true)
}

pub(crate) fn zrandmember(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (key, arg_count) = (request.arg(1), request.arg_count());
    if arg_count == 2 {
        match keys.read_at_random::<SortedSet>(key)? {
            Some((sorted, rng)) => encode::bulk(reply, sorted.at(rng.below(sorted.len())).0),
            None => reply.extend_from_slice(encode::NULL_BULK),
        }
        return Ok(());
    }
    let (count, repeats) = pick_arg(request, 2)?;
    let with_scores = arg_count == 4 && is(request.arg(3), "WITHSCORES");
    if arg_count > 4 || (arg_count == 4 && !with_scores) {
        return Err(Fault::SYNTAX);
    }
    if with_scores && count > i64::MAX as usize / 2 {
        return Err(Fault::OUT_OF_RANGE);
    }
    let Some((sorted, rng)) = keys.read_at_random::<SortedSet>(key)? else {
        encode::array(reply, 0);
        return Ok(());
    };
    let picked = rng.pick(count, repeats, sorted.len());
    encode::array(reply, picked.len() * if with_scores { 2 } else { 1 });
    for at in picked {
        let (member, score) = sorted.at(at);
        write_member(reply, member, score, with_scores);
    }
    Ok(())
}

pub(crate) fn zscan(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let cursor = Page::cursor(request, 2)?;
    let Some(sorted) = keys.read::<SortedSet>(request.arg(1))? else {
        write_empty_page(reply);
        return Ok(());
    };
    let page = Page::parse(request, 2, cursor)?;
    let (positions, next) = page.positions(sorted.len());
    let wanted = || positions.clone().rev().map(|at| sorted.at(at)).filter(|(member, _)| page.wants(member));
    write_page(reply, next, wanted().count() * 2);
    for (member, score) in wanted() {
        encode::bulk(reply, member);
        // Redis shows the numbers of small sets here as it keeps them: integers in full.
        let in_full = sorted.is_small() && score.fract() == 0.0 && score.abs() <= (1i64 << 62) as f64;
        let text = if in_full { (score as i64).to_string() } else { format_float(score) };
        encode::bulk(reply, text.as_bytes());
    }
    Ok(())
}

/// Writes a member, and its score if wanted.
pub(crate) fn write_member(reply: &mut BytesMut, member: &[u8], score: f64, with_score: bool) {
    encode::bulk(reply, member);
    if with_score {
        write_score(reply, Some(score));
    }
}

fn write_score(reply: &mut BytesMut, score: Option<f64>) {
    match score {
        Some(score) => encode::bulk(reply, format_float(score).as_bytes()),
        None => reply.extend_from_slice(encode::NULL_BULK),
    }
}

fn write_rank(
    keys: &mut Keyspace,
    request: &Request,
    reply: &mut BytesMut,
    shown: impl FnOnce(usize, usize) -> usize,
) -> Answer {
    let sorted = keys.read::<SortedSet>(request.arg(1))?;
    match sorted.and_then(|sorted| Some((sorted.rank(request.arg(2))?, sorted.len()))) {
        Some((rank, len)) => encode::integer(reply, shown(rank, len) as i64),
        None => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

fn pop(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut, from_end: bool) -> Answer {
    let count = match request.arg_count() {
        2 => 1,
        3 => count_arg(request, 2)?,
        _ => return Err(Fault::SYNTAX),
    };
    let popped = keys.edit(request.arg(1), false, |sorted: &mut SortedSet, _| {
        let count = count.min(sorted.len());
        encode::array(reply, count * 2);
        for _ in 0..count {
            let (member, score) = sorted.take(if from_end { sorted.len() - 1 } else { 0 });
            write_member(reply, &member, score, true);
        }
    })?;
    if popped.is_none() {
        encode::array(reply, 0);
    }
    Ok(())
}

/// The options of `ZADD`.
#[derive(Debug, Clone, Copy, Default)]
struct Rules {
    nx: bool,
    xx: bool,
    gt: bool,
    lt: bool,
    ch: bool,
    incr: bool,
}

/// What became of one member.
enum Outcome {
    Added(f64),
    Updated(f64),
    Same(f64),
    Refused,
}

impl Rules {
    /// Reads the options, and gives the index of the first score.
    fn parse(request: &Request) -> Result<(Self, usize), Fault> {
        let mut rules = Self::default();
        let mut args = Options::new(request, 2);
        let mut first = 2;
        while let Some(arg) = args.next() {
            let flag = match arg {
                arg if is(arg, "NX") => &mut rules.nx,
                arg if is(arg, "XX") => &mut rules.xx,
                arg if is(arg, "GT") => &mut rules.gt,
                arg if is(arg, "LT") => &mut rules.lt,
                arg if is(arg, "CH") => &mut rules.ch,
                arg if is(arg, "INCR") => &mut rules.incr,
                _ => break,
            };
            *flag = true;
            first += 1;
        }
        let rest = request.arg_count() - first;
        if rest == 0 || rest % 2 == 1 {
            return Err(Fault::SYNTAX);
        }
        if rules.nx && rules.xx {
            return Err(Fault::new("ERR XX and NX options at the same time are not compatible"));
        }
        if [rules.nx, rules.gt, rules.lt].into_iter().filter(|set| *set).count() > 1 {
            return Err(Fault::new("ERR GT, LT, and/or NX options at the same time are not compatible"));
        }
        if rules.incr && rest > 2 {
            return Err(Fault::new("ERR INCR option supports a single increment-element pair"));
        }
        Ok((rules, first))
    }

    fn apply(self, sorted: &mut SortedSet, member: &[u8], score: f64) -> Result<Outcome, Fault> {
        let Some(old) = sorted.score(member) else {
            if self.xx {
                return Ok(Outcome::Refused);
            }
            sorted.set(member, score);
            return Ok(Outcome::Added(score));
        };
        if self.nx {
            return Ok(Outcome::Refused);
        }
        let score = if self.incr { old + score } else { score };
        if score.is_nan() {
            return Err(Fault::new("ERR resulting score is not a number (NaN)"));
        }
        if (self.gt && score <= old) || (self.lt && score >= old) {
            return Ok(Outcome::Refused);
        }
        if score == old {
            return Ok(Outcome::Same(score));
        }
        sorted.set(member, score);
        Ok(Outcome::Updated(score))
    }
}

/// Adds the pairs of scores and members from argument `first` on.
fn add(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut, rules: Rules, first: usize) -> Answer {
    let pairs = || (first..request.arg_count()).step_by(2);
    for index in pairs() {
        float_arg(request, index)?;
    }
    let outcomes = keys.edit(request.arg(1), !rules.xx, |sorted: &mut SortedSet, _| {
        let (mut added, mut changed, mut last) = (0, 0, None);
        for index in pairs() {
            let score = float_arg(request, index)?;
            last = match rules.apply(sorted, request.arg(index + 1), score)? {
                Outcome::Added(score) => {
                    added += 1;
                    Some(score)
                }
                Outcome::Updated(score) => {
                    changed += 1;
                    Some(score)
                }
                Outcome::Same(score) => Some(score),
                Outcome::Refused => None,
            };
        }
        Ok((added, changed, last))
    })?;
    let (added, changed, last) = outcomes.unwrap_or(Ok((0, 0, None)))?;
    if rules.incr {
        write_score(reply, last);
    } else {
        encode::integer(reply, if rules.ch { added + changed } else { added });
    }
    Ok(())
}
