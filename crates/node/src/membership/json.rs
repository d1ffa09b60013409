//! The members as JSON. The shape is API: `dynoctl` and scripts read it.

use std::sync::atomic::Ordering;

use dynomite_gossip::{Health, Status};
use dynomite_ring::{Node, NodeId, Ownership, Ring};
use serde_json::{Value, json};

use super::MemberView;
use super::items::Told;
use crate::json::{self, hex};
use crate::shared::Shared;

/// All nodes of the ring and all members that are known, by datacenter, rack and name.
pub(crate) fn members_json(shared: &Shared) -> String {
    let (ring, view) = (shared.ring(), shared.membership.view());
    let ownership = ring.ownership();
    let strangers = view.members.iter().filter(|member| ring.index_of(member.id).is_none());
    let ids = ring.nodes().iter().map(|node| node.id).chain(strangers.map(|member| member.id));
    let mut members: Vec<Value> =
        ids.map(|id| member_json(shared, &ring, &ownership, id, view.member(id))).collect();
    let place = |member: &Value| {
        ["datacenter", "rack", "name"].map(|field| member[field].as_str().unwrap_or_default().to_owned())
    };
    members.sort_by_key(place);
    let traffic = shared.membership.traffic();
    let counts = &view.counts;
    let whole = json!({
        "cluster": shared.config.cluster,
        "self": shared.config.name,
        "hash": ring.hasher().kind().to_string(),
        "epoch": ring.epoch(),
        "digest": hex(ring.digest()),
        "gossip": {
            "digest": hex(view.digest),
            "connections": traffic.connections.load(Ordering::Relaxed),
            "messages_sent": traffic.sent_count.load(Ordering::Relaxed),
            "bytes_sent": traffic.sent_bytes.load(Ordering::Relaxed),
            "messages_received": traffic.received_count.load(Ordering::Relaxed),
            "bytes_received": traffic.received_bytes.load(Ordering::Relaxed),
            "messages_dropped": traffic.dropped_count.load(Ordering::Relaxed),
            "messages_malformed": counts.malformed_count,
            "messages_refused": counts.refused_count,
            "probes": counts.probe_count,
            "verdicts": counts.verdict_count,
            "verdicts_not_followed": counts.verdict_held_count,
        },
        "members": members,
    });
    whole.to_string()
}

/// `ownership` is that of `ring`.
fn member_json(
    shared: &Shared,
    ring: &Ring,
    ownership: &Ownership,
    id: NodeId,
    member: Option<&MemberView>,
) -> Value {
    let is_self = id == shared.node;
    let index = ring.index_of(id);
    let node = index.map(|index| ring.node(index));
    let own = is_self.then(|| Told::of(shared));
    let nothing = Told::default();
    let told = own.as_ref().or(member.map(|member| &*member.told)).unwrap_or(&nothing);
    let configured = |of: fn(&Node) -> &String| node.map(of).filter(|text| !text.is_empty());
    let peer_address = configured(|node| &node.peer_address).cloned();
    let peer_address = peer_address.or_else(|| member.map(|member| member.address.to_string()));
    let ownership = index.map_or(0.0, |index| ownership.share(index));
    let latency_us = shared.links_up.latency_us(id);
    json!({
        "name": configured(|node| &node.name).or(told.name.as_ref()),
        "id": id.to_string(),
        "datacenter": configured(|node| &node.dc).or(told.datacenter.as_ref()),
        "rack": configured(|node| &node.rack).or(told.rack.as_ref()),
        "self": is_self,
        "client_address": told.client_address.as_ref().or(configured(|node| &node.client_address)),
        "peer_address": peer_address,
        "status": if is_self { "up" } else { member.map_or("unknown", |member| health_word(member.health)) },
        "state": member.map(|member| state_word(member.status)),
        "datastore": told.datastore_is_up.map(|is_up| if is_up { "up" } else { "down" }),
        "in_ring": index.is_some(),
        "ownership": json::share(ownership),
        "ring_epoch": told.ring.map(|(epoch, _)| epoch),
        "ring_digest": told.ring.map(|(_, digest)| hex(digest)),
        "keys": told.keys,
        "hints": told.hints,
        "program_version": told.program_version,
        "generation": member.map(|member| member.generation),
        "incarnation": member.map(|member| member.incarnation),
        "items_version": member.map(|member| member.version),
        "phi": member.filter(|_| !is_self).map(|member| (member.phi * 100.0).round() / 100.0),
        "latency_us": latency_us,
    })
}

/// How a member is, as this node sees it.
pub(crate) fn health_word(health: Health) -> &'static str {
    match health {
        Health::Alive => "up",
        Health::Suspect => "suspect",
        Health::Down => "down",
        Health::Gone => "left",
    }
}

/// What a member says of itself.
pub(super) fn state_word(status: Status) -> &'static str {
    match status {
        Status::Joining => "joining",
        Status::Normal => "normal",
        Status::Leaving => "leaving",
        Status::Left => "left",
    }
}
