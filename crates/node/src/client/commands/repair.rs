//! `DYNOMITE REPAIR`: has this node's copies compared with all others, and tells how far that is.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};
use dynomite_replication::{BUCKETS, Bucket, BucketSet, RepairRequest};

use super::{Refusal, connection, is, text};
use crate::repairs::{RepairOrder, buckets_of_tokens};
use crate::worker::{Core, Mail};

/// Where the options of `DYNOMITE REPAIR START` begin.
const OPTIONS: usize = 3;

pub(super) fn repair(request: &Request, core: &mut Core, out: &mut BytesMut) -> Result<(), Refusal> {
    let action = text(request.arg(2)).to_ascii_uppercase();
    match (action.as_str(), request.arg_count()) {
        ("START", _) => {
            start(request, core)?;
            connection::ok(out)?;
        }
        ("STATUS", 3) => {
            let json = core.shared.repairs.json(&core.shared.config.name);
            encode::bulk(out, json.to_string().as_bytes());
        }
        ("STOP", 3) => {
            let Some(order) = core.shared.repairs.stop() else {
                return Err("ERR no repair is running on this node".to_owned());
            };
            tell_all(core, &order);
            connection::ok(out)?;
        }
        ("STATUS" | "STOP", _) => {
            return Err("ERR wrong number of arguments for 'dynomite|repair' command".to_owned());
        }
        _ => {
            let action = text(request.arg(2));
            return Err(format!("ERR '{action}' is none of START, STATUS, STOP. Try DYNOMITE HELP."));
        }
    }
    Ok(())
}

fn start(request: &Request, core: &mut Core) -> Result<(), Refusal> {
    let wanted = request_of(request, core)?;
    if !core.shared.is_replicated() {
        return Err(
            "ERR this cluster holds one copy of each key: there is nothing to compare it with".to_owned()
        );
    }
    let (preview, full) = (wanted.preview, wanted.full);
    let Some(order) = core.shared.repairs.begin(wanted) else {
        return Err(
            "ERR a repair is running on this node already: DYNOMITE REPAIR STATUS shows how far it is, \
                    DYNOMITE REPAIR STOP ends it"
                .to_owned(),
        );
    };
    tracing::info!(preview, full, "an operator has all copies compared");
    tell_all(core, &order);
    Ok(())
}

fn tell_all(core: &mut Core, order: &RepairOrder) {
    for worker in 0..core.shared.worker_count {
        core.mail.put(worker, Mail::Repair(order.clone()));
    }
    core.wake_turn();
}

fn request_of(request: &Request, core: &Core) -> Result<RepairRequest, Refusal> {
    let mut wanted = RepairRequest::default();
    let mut index = OPTIONS;
    while index < request.arg_count() {
        let (is_buckets, is_tokens) = (is(request, index, "BUCKETS"), is(request, index, "TOKENS"));
        if is(request, index, "PREVIEW") {
            wanted.preview = true;
        } else if is(request, index, "FULL") {
            wanted.full = true;
        } else if (is_buckets || is_tokens) && wanted.buckets.is_none() && index + 2 < request.arg_count() {
            let range = [request.arg(index + 1), request.arg(index + 2)];
            wanted.buckets = Some(if is_buckets { buckets(range)? } else { tokens(range, core)? });
            index += 2;
        } else {
            return Err(
                "ERR syntax error: REPAIR START takes PREVIEW, FULL, and one of BUCKETS <first> <last> and \
                        TOKENS <first> <last>"
                    .to_owned(),
            );
        }
        index += 1;
    }
    Ok(wanted)
}

fn buckets(range: [&[u8]; 2]) -> Result<BucketSet, Refusal> {
    let bounds = bounds(range, "buckets", BUCKETS as u32 - 1)?;
    let mut buckets = BucketSet::default();
    for bucket in bounds {
        buckets.insert(Bucket(bucket as u16));
    }
    Ok(buckets)
}

fn tokens(range: [&[u8]; 2], core: &Core) -> Result<BucketSet, Refusal> {
    let bounds = bounds(range, "tokens", u32::MAX)?;
    let buckets = buckets_of_tokens(&core.shared.ring(), *bounds.start(), *bounds.end());
    if buckets.is_empty() {
        let [first, last] = range.map(text);
        return Err(format!(
            "ERR no key can have a token from {first} to {last}; DYNOMITE ROUTE <key> tells a key's"
        ));
    }
    Ok(buckets)
}

/// The first and the last of a range of `what`; both are meant.
fn bounds(range: [&[u8]; 2], what: &str, max: u32) -> Result<std::ops::RangeInclusive<u32>, Refusal> {
    let [first, last] = range.map(|bound| text(bound).parse::<u32>().ok().filter(|bound| *bound <= max));
    match (first, last) {
        (Some(first), Some(last)) if first <= last => Ok(first..=last),
        _ => {
            let [first, last] = range.map(text);
            Err(format!("ERR {first} to {last} is no range of {what}: the first and the last of 0 to {max}"))
        }
    }
}
