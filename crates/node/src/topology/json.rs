//! Plans and changes as JSON. The shapes are API: `dynoctl` and scripts read them.

use dynomite_ring::{Plan, Ring};
use serde_json::{Value, json};

use super::Wanted;
use crate::json::{hex, share};
use crate::membership::View;
use crate::shared::Shared;

/// What a change would come to.
///
/// # Errors
/// Why it cannot be made.
pub(crate) fn plan_json(shared: &Shared, wanted: &Wanted) -> Result<String, String> {
    let (ring, view) = (shared.ring(), shared.membership.view());
    if let Some(change) = &view.topology.change {
        return Err(format!("another change is under way ({}): wait for its end, or abort it", change.what));
    }
    let change = wanted.resolve(&ring, &view)?;
    let plan = Plan::new(&ring, &change).map_err(|error| error.to_string())?;
    let keys_of_rack = |dc: &str, rack: &str| keys_of_rack(&ring, &view, dc, rack);
    let loads: Vec<Value> = plan
        .loads()
        .iter()
        .map(|load| {
            json!({
                "node": load.name,
                "datacenter": load.dc,
                "rack": load.rack,
                "tokens_before": load.token_count_before,
                "tokens_after": load.token_count_after,
                "ownership_before": share(load.share_before),
                "ownership_after": share(load.share_after),
            })
        })
        .collect();
    let transfers: Vec<Value> = plan
        .transfers()
        .iter()
        .map(|transfer| {
            let keys =
                keys_of_rack(&transfer.dc, &transfer.rack).map(|keys| (keys as f64 * transfer.share) as u64);
            json!({
                "datacenter": transfer.dc,
                "rack": transfer.rack,
                "from": transfer.from,
                "to": transfer.to,
                "ranges": transfer.ranges.len(),
                "share": share(transfer.share),
                "keys": keys,
            })
        })
        .collect();
    let whole = json!({
        "what": wanted.to_string(),
        "epoch": ring.epoch(),
        "steps": plan.steps().len(),
        "loads": loads,
        "transfers": transfers,
    });
    Ok(whole.to_string())
}

/// How far the change under way is, and how every node stands to the ring.
pub(crate) fn status_json(shared: &Shared) -> String {
    let (ring, view) = (shared.ring(), shared.membership.view());
    let topology = &view.topology;
    let nodes: Vec<Value> = ring
        .nodes()
        .iter()
        .map(|node| {
            let told = view.member(node.id).map(|member| &member.told);
            let standing = told.and_then(|told| told.standing);
            json!({
                "node": node.name,
                "datacenter": node.dc,
                "rack": node.rack,
                "epoch": standing.map(|standing| standing.epoch),
                "buckets_lost": standing.map(|standing| standing.lost),
                "votes": standing.map(|standing| standing.votes),
                "hints": told.and_then(|told| told.hints),
                "keys": told.and_then(|told| told.keys),
            })
        })
        .collect();
    let newcomers = view.members.iter().filter(|member| {
        ring.index_of(member.id).is_none()
            && member.told.newcomer.is_some()
            && member.health < dynomite_gossip::Health::Down
    });
    let newcomers: Vec<Value> = newcomers
        .map(|member| json!({ "node": member.told.name, "datacenter": member.told.datacenter, "rack": member.told.rack }))
        .collect();
    let change = topology.change.as_ref().map(|change| {
        json!({
            "what": change.what,
            "steps_left": change.steps_left,
            "waits_for": change.waits_for,
            "driver": change.driver,
        })
    });
    let whole = json!({
        "epoch": ring.epoch(),
        "digest": hex(ring.digest()),
        "change": change,
        "last": topology.last,
        "problem": topology.problem,
        "nodes": nodes,
        "newcomers": newcomers,
    });
    whole.to_string()
}

/// How many keys a rack has, as its nodes say; `None` when one of them has not said.
fn keys_of_rack(ring: &Ring, view: &View, dc: &str, rack: &str) -> Option<u64> {
    let nodes = ring.nodes().iter().filter(|node| (&*node.dc, &*node.rack) == (dc, rack));
    nodes.map(|node| view.member(node.id)?.told.keys).sum()
}
