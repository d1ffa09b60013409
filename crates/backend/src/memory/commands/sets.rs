//! Sets.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::scan::{Page, write_empty_page, write_page};
use crate::memory::fault::{Answer, Fault};
use crate::memory::keyspace::Keyspace;
use crate::memory::number::{count_arg, pick_arg};
use crate::memory::set::Set;

pub(crate) fn sadd(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let added = keys.edit(request.arg(1), true, |set: &mut Set, _| {
        request.args().skip(2).filter(|member| set.add(member)).count()
    })?;
    encode::integer(reply, added.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn srem(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let removed = keys.edit(request.arg(1), false, |set: &mut Set, _| {
        request.args().skip(2).filter(|member| set.remove(member)).count()
    })?;
    encode::integer(reply, removed.unwrap_or(0) as i64);
    Ok(())
}

pub(crate) fn scard(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let len = keys.read(request.arg(1))?.map_or(0, Set::len);
    encode::integer(reply, len as i64);
    Ok(())
}

pub(crate) fn sismember(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let found = keys.read(request.arg(1))?.is_some_and(|set: &Set| set.contains(request.arg(2)));
    encode::integer(reply, i64::from(found));
    Ok(())
}

pub(crate) fn smismember(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let set = keys.read::<Set>(request.arg(1))?;
    encode::array(reply, request.arg_count() - 2);
    for member in request.args().skip(2) {
        encode::integer(reply, i64::from(set.is_some_and(|set| set.contains(member))));
    }
    Ok(())
}

pub(crate) fn smembers(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let set = keys.read::<Set>(request.arg(1))?;
    encode::array(reply, set.map_or(0, Set::len));
    set.iter().flat_map(|set| set.iter()).for_each(|member| encode::bulk(reply, member));
    Ok(())
}

pub(crate) fn spop(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let count = match request.arg_count() {
        2 => None,
        3 => Some(count_arg(request, 2)?),
        _ => return Err(Fault::SYNTAX),
    };
    let popped = keys.edit(request.arg(1), false, |set: &mut Set, rng| {
        let taken = count.unwrap_or(1).min(set.len());
        if count.is_some() {
            encode::array(reply, taken);
        }
        for _ in 0..taken {
            encode::bulk(reply, &set.take(rng.below(set.len())));
        }
    })?;
    match (popped, count) {
        (Some(()), _) => {}
        (None, Some(_)) => encode::array(reply, 0),
        (None, None) => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

pub(crate) fn srandmember(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let pick = match request.arg_count() {
        2 => None,
        3 => Some(pick_arg(request, 2)?),
        _ => return Err(Fault::SYNTAX),
    };
    match (keys.read_at_random::<Set>(request.arg(1))?, pick) {
        (Some((set, rng)), Some((count, repeats))) => {
            let picked = rng.pick(count, repeats, set.len());
            encode::array(reply, picked.len());
            picked.into_iter().for_each(|at| encode::bulk(reply, set.at(at)));
        }
        (Some((set, rng)), None) => encode::bulk(reply, set.at(rng.below(set.len()))),
        (None, Some(_)) => encode::array(reply, 0),
        (None, None) => reply.extend_from_slice(encode::NULL_BULK),
    }
    Ok(())
}

pub(crate) fn sscan(keys: &mut Keyspace, request: &Request, reply: &mut BytesMut) -> Answer {
    let cursor = Page::cursor(request, 2)?;
    let Some(set) = keys.read::<Set>(request.arg(1))? else {
        write_empty_page(reply);
        return Ok(());
    };
    let page = Page::parse(request, 2, cursor)?;
    let (positions, next) = page.positions(set.len());
    let wanted = || positions.clone().rev().map(|at| set.at(at)).filter(|member| page.wants(member));
    write_page(reply, next, wanted().count());
    wanted().for_each(|member| encode::bulk(reply, member));
    Ok(())
}
