//! What the data links show of other nodes.

use std::collections::HashSet;
use std::time::Duration;

use dynomite_gossip::{Gossip, Health, NodeId as MemberId, Out};
use dynomite_ring::NodeId;

use crate::shared::Shared;

/// Which nodes had a link when last looked at.
#[derive(Default)]
pub(super) struct Evidence {
    had_link: HashSet<NodeId>,
}

impl Evidence {
    /// A node to which all workers have lost their links is found out about at once. One that is suspected while all workers
    /// have links, on which signs of life come, is there.
    pub(super) fn tell(&mut self, shared: &Shared, now: Duration, gossip: &mut Gossip, out: &mut Out) {
        for node in shared.ring().nodes() {
            let id = MemberId(u64::from(node.id.0));
            let has_link = shared.links_up.of(node.id) > 0;
            let had_link = match has_link {
                true => !self.had_link.insert(node.id),
                false => self.had_link.remove(&node.id),
            };
            if had_link && !has_link {
                gossip.link_lost(now, id, out);
            }
            let is_suspect = gossip.member(id).is_some_and(|member| member.health() == Health::Suspect);
            if is_suspect && shared.is_linked(node.id) {
                gossip.heard_from(now, id);
            }
        }
    }
}
