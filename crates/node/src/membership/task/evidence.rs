//! What the data links show of other nodes.

use std::sync::atomic::Ordering;
use std::time::Duration;

use dynomite_gossip::{Gossip, Health, NodeId as MemberId, Out};
use dynomite_ring::NodeIdx;

use crate::shared::Shared;

/// Which nodes had a link when last looked at.
pub(super) struct Evidence {
    had_link: Vec<bool>,
}

impl Evidence {
    pub(super) fn new(shared: &Shared) -> Self {
        Self { had_link: vec![false; shared.ring.nodes().len()] }
    }

    /// A node to which all workers have lost their links is found out about at once. One that is suspected while all workers
    /// have links, on which signs of life come, is there.
    pub(super) fn tell(&mut self, shared: &Shared, now: Duration, gossip: &mut Gossip, out: &mut Out) {
        for (index, node) in shared.ring.nodes().iter().enumerate() {
            let id = MemberId(u64::from(node.id.0));
            let links = shared.links_up[index].load(Ordering::Relaxed);
            let had_link = std::mem::replace(&mut self.had_link[index], links > 0);
            if had_link && links == 0 {
                gossip.link_lost(now, id, out);
            }
            let is_suspect = gossip.member(id).is_some_and(|member| member.health() == Health::Suspect);
            if is_suspect && shared.is_linked(NodeIdx(index as u32)) {
                gossip.heard_from(now, id);
            }
        }
    }
}
