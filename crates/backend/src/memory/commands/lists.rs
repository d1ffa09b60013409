//! Lists.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::options::{Options, is};
use crate::memory::blob::Blob;
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::Keyspace;
use crate::memory::list::List;
use crate::memory::number::{count_arg, integer_arg, parse_integer};

pub(crate) fn lpush(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    push(keys, request, reply, true, true)
}

pub(crate) fn rpush(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    push(keys, request, reply, false, true)
}

pub(crate) fn lpushx(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    push(keys, request, reply, true, false)
}

pub(crate) fn rpushx(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    push(keys, request, reply, false, false)
}

pub(crate) fn lpop(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    pop(keys, request, reply, true, "lpop")
}

pub(crate) fn rpop(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    pop(keys, request, reply, false, "rpop")
}

pub(crate) fn llen(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let len = keys.read(request.arg(1))?.map_or(0, List::len);
    encode::integer(reply, len as i64);
    Ok(())
}

pub(crate) fn lindex(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let item = match keys.read::<List>(request.arg(1))? {
        Some(list) => list.at(integer_arg(request, 2)?),
        None => None,
    };
    match item {
        Some(item) => encode::bulk(reply, item),
        None => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

pub(crate) fn lset(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let answer = keys.edit(request.arg(1), false, |list: &mut List, _| {
        let index = integer_arg(request, 2)?;
        if list.set(index, Blob::from_arg(request, 3)) { Ok(()) } else { Err(Fault::INDEX) }
    })?;
    answer.ok_or(Fault::NO_SUCH_KEY)??;
    reply.extend_from_slice(encode::OK);
    Ok(())
}

pub(crate) fn lrange(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (start, end) = (integer_arg(request, 2)?, integer_arg(request, 3)?);
    let list = keys.read::<List>(request.arg(1))?;
    let range = list.map_or(0..0, |list| index_range(start, end, list.len()));
    encode::array(reply, range.len());
    if let Some(list) = list {
        list.range(range).for_each(|item| encode::bulk(reply, item));
    }
    Ok(())
}

pub(crate) fn ltrim(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let (start, end) = (integer_arg(request, 2)?, integer_arg(request, 3)?);
    keys.edit(request.arg(1), false, |list: &mut List, _| list.trim(index_range(start, end, list.len())))?;
    reply.extend_from_slice(encode::OK);
    Ok(())
}

pub(crate) fn lrem(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let count = integer_arg(request, 2)?;
    let limit = if count == 0 { usize::MAX } else { count.unsigned_abs() as usize };
    let removed = keys.edit(request.arg(1), false, |list: &mut List, _| {
        list.remove_equal(request.arg(3), limit, count < 0)
    })?;
    encode::integer(reply, removed.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn linsert(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let after = is(request.arg(2), "AFTER");
    if !after && !is(request.arg(2), "BEFORE") {
        return Err(Fault::SYNTAX);
    }
    let pivot = request.arg(3);
    let len = keys.edit(request.arg(1), false, |list: &mut List, _| {
        let Some(at) = list.iter().position(|item| **item == *pivot) else { return -1 };
        list.insert(at + usize::from(after), Blob::from_arg(request, 4));
        list.len() as i64
    })?;
    encode::integer(reply, len.unwrap_or(0));
    Ok(())
}

pub(crate) fn lpos(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let search = Search::parse(request)?;
    let list = keys.read::<List>(request.arg(1))?;
    let found = list.map_or(Vec::new(), |list| search.run(list, request.arg(2)));
    match (search.count, found.first()) {
        (Some(_), _) => {
            encode::array(reply, found.len());
            found.iter().for_each(|at| encode::integer(reply, *at as i64));
        }
        (None, Some(at)) => encode::integer(reply, *at as i64),
        (None, None) => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

/// The positions from `start` to `end`, both included and both counted from the end when negative, of `len`.
pub(crate) fn index_range(start: i64, end: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let from = if start < 0 { start.saturating_add(len).max(0) } else { start };
    let to = if end < 0 { end.saturating_add(len) } else { end.min(len - 1) };
    if from > to || from >= len { 0..0 } else { from as usize..to as usize + 1 }
}

fn push(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut, front: bool, create: bool) -> Answer {
    let len = keys.edit(request.arg(1), create, |list: &mut List, _| {
        (2..request.arg_count()).for_each(|index| list.push(front, Blob::from_arg(request, index)));
        list.len()
    })?;
    encode::integer(reply, len.unwrap_or(0) as i64);
    Ok(())
}

fn pop(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut, front: bool, command: &str) -> Answer {
    let count = match request.arg_count() {
        2 => None,
        3 => Some(count_arg(request, 2)?),
        _ => return Err(Fault::arity(command)),
    };
    let popped = keys.edit(request.arg(1), false, |list: &mut List, _| {
        if let Some(count) = count {
            let count = count.min(list.len());
            encode::array(reply, count);
            (0..count).filter_map(|_| list.pop(front)).for_each(|item| encode::bulk(reply, &item));
        } else if let Some(item) = list.pop(front) {
            encode::bulk(reply, &item);
        }
    })?;
    if popped.is_none() {
        let absent = if count.is_some() { encode::NULL_ARRAY } else { encode::NULL_BULK };
        reply.extend_from_slice(absent);
    }
    Ok(())
}

/// The options of `LPOS`.
struct Search {
    /// Never zero; from the end when negative.
    rank: i64,
    /// How many matches are wanted as an array, 0 for all; one, not as an array, when absent.
    count: Option<usize>,
    /// How many items are looked at; 0 for all.
    look_max: usize,
}

impl Search {
    fn parse(request: &Request) -> Result<Self, Fault> {
        let mut search = Self { rank: 1, count: None, look_max: 0 };
        let mut args = Options::new(request, 3);
        while let Some(arg) = args.next() {
            let value = args.next_index().ok_or(Fault::SYNTAX)?;
            let count = || parse_integer(request.arg(value)).and_then(|count| usize::try_from(count).ok());
            if is(arg, "RANK") {
                search.rank = integer_arg(request, value)?;
                if search.rank == 0 {
                    return Err(Fault::new(
                        "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or \
                         use negative to start from the end of the list",
                    ));
                }
            } else if is(arg, "COUNT") {
                search.count = Some(count().ok_or(Fault::new("ERR COUNT can't be negative"))?);
            } else if is(arg, "MAXLEN") {
                search.look_max = count().ok_or(Fault::new("ERR MAXLEN can't be negative"))?;
            } else {
                return Err(Fault::SYNTAX);
            }
        }
        Ok(search)
    }

    fn run(&self, list: &List, item: &[u8]) -> Vec<usize> {
        let all = |number: usize| if number == 0 { usize::MAX } else { number };
        let skip = (self.rank.unsigned_abs() - 1) as usize;
        let take = all(self.count.unwrap_or(1));
        let matching = |(at, other): (usize, &Blob)| (**other == *item).then_some(at);
        let items = list.iter().enumerate();
        if self.rank > 0 {
            items.take(all(self.look_max)).filter_map(matching).skip(skip).take(take).collect()
        } else {
            items.rev().take(all(self.look_max)).filter_map(matching).skip(skip).take(take).collect()
        }
    }
}
