//! `DYNOMITE TOPOLOGY` and `DYNOMITE CLEANUP`: changes of the ring.

use bytes::BytesMut;
use dynomite_codec::{Request, encode};

use super::{Refusal, connection, text};
use crate::topology::{Order, Wanted, plan_json, status_json};
use crate::worker::{Core, Mail};

pub(super) fn topology(request: &Request, core: &mut Core, out: &mut BytesMut) -> Result<(), Refusal> {
    let words: Vec<_> = (2..request.arg_count()).map(|index| text(request.arg(index))).collect();
    let words: Vec<&str> = words.iter().map(|word| &**word).collect();
    let verb = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    let refused = |reason: String| format!("ERR {reason}");
    match (verb.as_str(), words.as_slice()) {
        ("", _) => encode::bulk(out, status_json(&core.shared).as_bytes()),
        ("PLAN", [_, change @ ..]) => {
            let wanted = Wanted::parse(change).map_err(refused)?;
            let plan = plan_json(&core.shared, &wanted).map_err(refused)?;
            encode::bulk(out, plan.as_bytes());
        }
        ("COMMIT", [_, epoch, change @ ..]) => {
            let epoch =
                epoch.parse().map_err(|_| format!("ERR '{epoch}' is no epoch: TOPOLOGY PLAN tells it"))?;
            let wanted = Wanted::parse(change).map_err(refused)?;
            order(core, Order::Commit { epoch, wanted })?;
            connection::ok(out)?;
        }
        ("ABORT", [_]) => {
            order(core, Order::Abort)?;
            connection::ok(out)?;
        }
        _ => return Err("ERR unknown form of TOPOLOGY. Try DYNOMITE HELP.".to_owned()),
    }
    Ok(())
}

pub(super) fn clean_up(core: &mut Core, out: &mut BytesMut) -> Result<(), Refusal> {
    if core.shared.membership.view().topology.change.is_some() {
        return Err("ERR the topology is changing: clean up when that is over".to_owned());
    }
    (0..core.shared.worker_count).for_each(|worker| core.mail.put(worker, Mail::Cleanup));
    core.wake_turn();
    connection::ok(out)
}

fn order(core: &Core, order: Order) -> Result<(), Refusal> {
    if core.shared.config.peer_listen.is_none() {
        return Err("ERR this node has no peers, and no topology to change".to_owned());
    }
    core.shared.membership.change(order).map_err(|busy| format!("ERR {busy}; try again"))
}
