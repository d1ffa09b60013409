//! The part of the thread that has to do with the ring: carries the messages of its decisions, hands out what was decided, and
//! tells how this node stands to it.

use std::sync::Arc;
use std::time::Duration;

use dynomite_gossip::NodeId as MemberId;
use dynomite_ring::NodeId;
use tokio::time::Instant;

use super::{FACTS_EVERY, Task, target_of};
use crate::counters::ring_standing;
use crate::link::{BODY_MAX, Kind};
use crate::membership::items::NodeItem;
use crate::topology::{Effects, Newcomer, Standing};

/// Longer messages are not unpacked.
const MESSAGE_MAX: u32 = 8 << 20;

impl Task {
    /// A message of another node's part in a decision: its id, and what it says, compressed.
    pub(super) fn take_agreement(&mut self, now: Duration, body: &[u8]) {
        let Some((id, message)) = body.split_first_chunk() else { return };
        let length = message.first_chunk().map_or(0, |length| u32::from_le_bytes(*length));
        if length > MESSAGE_MAX {
            return;
        }
        if let Ok(message) = lz4_flex::decompress_size_prepended(message) {
            self.topology.handle_message(now, NodeId(u32::from_le_bytes(*id)), &message);
        }
    }

    /// Sends what is to be sent for a decision, and hands out rings that were decided.
    pub(super) fn follow_topology(&mut self) {
        let Effects { sends, rings } = self.topology.take_effects();
        for (to, message) in sends {
            self.send_agreement(to, &message);
        }
        for ring in rings {
            self.shared.flows.learn(&ring);
            self.shared.missed.learn(&ring, &self.shared.config.datacenter);
            self.shared.rings.set(Arc::clone(&ring));
            self.mailing.put_ring(&ring);
            self.standing = None;
            self.view_at = Instant::now();
        }
        self.mailing.send();
    }

    fn send_agreement(&mut self, to: NodeId, message: &[u8]) {
        let mut body = self.shared.node.0.to_le_bytes().to_vec();
        body.extend(lz4_flex::compress_prepend_size(message));
        if body.len() > BODY_MAX {
            return tracing::error!(
                bytes = body.len(),
                max = BODY_MAX,
                "the ring is too large to be decided on"
            );
        }
        let Some(member) = self.gossip.member(MemberId(u64::from(to.0))) else { return };
        let to = member.addr();
        self.links
            .send(to, Kind::Agreement, &body, || target_of(&self.gossip, &self.seeds, &self.shared, to));
    }

    /// Tells how this node stands to the ring: a change at once, but numbers that only fall not more than once a second.
    pub(super) fn tell_standing(&mut self, now: Instant) {
        let (epoch, lost) = ring_standing(&self.shared.counters);
        let standing = Standing { epoch, lost, votes: self.topology.votes() };
        if let Some((told, told_at)) = self.standing {
            let is_small_news = Standing { lost: told.lost, ..standing } == told && lost > 0 && told.lost > 0;
            if told == standing || is_small_news && now < told_at + FACTS_EVERY {
                return;
            }
        }
        self.standing = Some((standing, now));
        self.set(&NodeItem::Standing(standing));
        self.tell_wish(epoch);
        self.tell_status();
    }

    /// Tells what this node wants, as long as it is in no ring.
    fn tell_wish(&mut self, epoch: u64) {
        let config = &self.shared.config;
        let Some(peer_address) = config.advertised_peer_address().filter(|_| epoch == 0) else { return };
        let newcomer = Newcomer {
            vnodes: config.vnodes,
            peer_address: peer_address.to_string(),
            replaces: config.replaces.clone().unwrap_or_default(),
            at_once: config.auto_join,
        };
        self.set(&NodeItem::Newcomer(newcomer));
    }

    /// Says what this node is about: it comes, serves or goes.
    fn tell_status(&mut self) {
        let status = self.topology.status();
        if self.gossip.myself().status() != status {
            let now = self.now();
            self.gossip.set_status(now, status);
        }
    }
}
